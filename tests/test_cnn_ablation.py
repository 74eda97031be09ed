"""Verdicts on the claims about Table 1: what the scores decide, and what no score of known samples can."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers import claims, reported

CONTROL = "CNN5 shuffled"
UNTESTABLE = ["no_overfitting", "lag_1_2_years", "current_year_insensitive", "lag_longer_than_npp"]


@pytest.fixture
def paper():
    """The paper's own Table 1, as one seed."""
    table = reported.table("table1").set_index(["model", "split", "metric"])["value"].to_xarray()
    return table.expand_dims(seed=[0]).transpose("model", "seed", "split", "metric")


def gains(score, half):
    test = score.sel(split="test", metric="r2").mean("seed").to_series()
    table = pd.DataFrame({"gain": test - test["CNN1"], "half": half})
    table.loc[CONTROL] = 0.008, half
    return table


def found(score, half, dead=0, drift=0.0):
    r2 = score.sel(metric="r2", drop=True)
    curve = xr.concat([r2 - drift] * 18 + [r2] * 2, dim="iteration").transpose(..., "iteration")
    result = claims.on_ablation(score, curve, dead, gains(score, half), CONTROL)
    return reported.verdicts("03", result).set_index("the paper's claim"), {k: v[0] for k, v in result.items()}


def test_the_papers_own_table_meets_its_claims(paper):
    _, verdict = found(paper, half=0.0005)
    assert {v for k, v in verdict.items() if k not in UNTESTABLE} == {"holds"}
    assert {verdict[k] for k in UNTESTABLE} == {"not testable here"}


@pytest.mark.parametrize("half", [0.05, np.nan])
def test_gains_within_the_scatter_of_seeds_decide_nothing(paper, half):
    _, verdict = found(paper, half)
    assert {verdict[k] for k in ("spei12_no_help", "spei24_helps", "spei36_helps", "cnn5_best")} == {"open"}


def test_the_best_model_leads_by_more_than_seeds_scatter_or_not_at_all(paper):
    """The lead over the next best, .001, seed by seed: steady, then scattered."""
    for scatter, expected in ((0.0001, "holds"), (0.01, "open")):
        seeds = xr.concat([paper.isel(seed=0, drop=True)] * 3, xr.DataArray([0, 1, 2], dims="seed", name="seed"))
        seeds = seeds.transpose(*paper.dims).copy()
        seeds.loc[{"model": "CNN5"}] += scatter * xr.DataArray([-1.0, 0.0, 1.0], dims="seed")
        assert found(seeds, half=0.0005)[1]["cnn5_best"] == expected


def test_a_changed_score_turns_its_claim(paper):
    swapped = paper.copy()
    swapped.loc[{"model": ["CNN2", "CNN5"]}] = paper.sel(model=["CNN5", "CNN2"]).values
    _, verdict = found(swapped, half=0.0005)
    assert verdict["spei12_no_help"] == "does not hold"
    assert verdict["cnn5_best"] == "does not hold"


def test_a_dead_network_a_drift_or_a_low_score_is_not_stable(paper):
    assert found(paper, 0.001, dead=1)[1]["stable"] == "does not hold"
    assert found(paper, 0.001, drift=0.02)[1]["stable"] == "does not hold"
    assert found(paper, 0.001, drift=0.005)[1]["stable"] == "holds"
    low = xr.where(paper.metric == "r2", paper - 0.2, paper).transpose(*paper.dims)
    assert found(low, 0.001)[1]["stable"] == "does not hold"


def test_the_gain_of_shuffled_spei_is_told(paper):
    table, _ = found(paper, half=0.001)
    assert table["this run"].str.contains("shuffled").sum() == 1
    assert table["this run"].str.contains(r"\+0\.0080").any()
