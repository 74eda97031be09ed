"""The verdict on the lag, whichever way numbers fall, and the overview of what each protocol finds in made worlds."""

import numpy as np
import pandas as pd
import pytest

from helpers.stats import lags
from helpers.stats.lags import BEFORE, COMING, LAST, STOPPED, THREE, TOTAL, YEARS


def numbers(all_gains=0.0, water=0.0, slope=0.0, years_p=0.5, copies=0.0, permutations=20, placebo=0.0):
    """A table of the chapter whose gains and slopes are for sure where they aren't zero."""
    rows = []

    def row(protocol, null, model, score, reference, gain, p):
        ends = gain - 0.01, gain + 0.01
        rows.append((protocol, null, model, score, reference, gain, *ends, p, p, 20, 5, permutations))

    def sure(gain):
        return 0.001 if gain else 0.8

    for protocol in ("re-drawn", "grouped", STOPPED):
        for score in ("all", "anomalies"):
            for model in ("CNN2", "CNN3", "CNN4", "CNN5", "CNN6"):
                gain = 0.01 if protocol == "re-drawn" else all_gains
                row(protocol, "none", model, score, "CNN1", gain, sure(gain))
            for model, reference in (
                (LAST, "CNN1"),
                (BEFORE, "CNN1"),
                (THREE, "CNN1"),
                ("CNN5", "CNN2"),
                (THREE, "CNN2"),
            ):
                gain = water if model == LAST and score == "anomalies" else 0.0
                row(protocol, "none", model, score, reference, gain, sure(gain))
            row(protocol, "coming year", COMING, score, "CNN1", placebo, sure(placebo))
            row(protocol, "true order", "CNN5", score, "CNN1", 0.1, np.nan)
            row(protocol, "among years", "CNN5", score, "CNN1", copies, years_p)
            row(protocol, "among sites", "CNN5", score, "CNN1", copies, 0.5)
    for protocol in ("within sites", TOTAL, f"{TOTAL}, kg"):
        for name in YEARS:
            value = slope if name == LAST else 0.0
            row(protocol, "none", name, "slope", "none", value, sure(value))
        row(protocol, "coming year", COMING, "slope", "none", placebo, sure(placebo))
    names = ["protocol", "null", "model", "score", "reference", "gain", "low", "high", "p", "p_holm"]
    return pd.DataFrame(rows, columns=[*names, "seeds", "folds", "permutations"])


def power(share):
    """Counts of 20 worlds in which every protocol finds what was planted in this share, and claims nothing else."""
    protocols = ("re-drawn", "grouped, stopped, anomalies", "within sites", TOTAL)
    found = [
        (p, planted, back, planted == lags.PLANTED[back + 1] and back >= 0)
        for p in protocols for planted in lags.PLANTED for back in (0, 1, 2, -1)
    ]  # fmt: skip
    each = pd.DataFrame(found, columns=["protocol", "planted", "back", "found"])
    worlds = [each.assign(found=each.found & (k < round(20 * share))) for k in range(20)]
    return lags.rates(pd.concat(worlds))


class TestVerdict:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, {"paper": "gain", "networks": "not found", "total": "not found"}),
            ({"water": 0.05, "slope": 0.03}, {"networks": "gain", "total": "rises with it"}),
            ({"water": -0.05, "slope": -0.03}, {"networks": "loss", "total": "falls with it"}),
            (
                {"water": 0.05, "slope": 0.03, "placebo": 0.02},
                dict.fromkeys(("paper", "networks", "total"), "as does the placebo"),
            ),
            ({"water": -0.05, "placebo": 0.02}, {"networks": "loss"}),
            ({"water": 0.05, "slope": 0.03, "placebo": -0.02}, {"networks": "gain", "total": "as does the placebo"}),
        ],
    )
    def test_a_claim_counts_where_its_placebo_is_silent_and_a_loss_is_no_gain(self, given, said):
        table = lags.verdict(numbers(**given), power(0.5)).set_index(["question", "water"])
        at = {
            "paper": ("the paper's split", "CNN3 over CNN1"),
            "networks": ("unseen places, anomalies", f"{LAST} over CNN1"),
            "total": (TOTAL, LAST),
        }
        assert {name: table.verdict[at[name]] for name in said} == said

    def test_estimates_and_placebos_stand_where_they_were_found_and_power_beside_them(self):
        table = lags.verdict(numbers(slope=0.03, placebo=0.02), power(0.5)).set_index(["question", "water"])
        row = table.loc[(TOTAL, LAST)]
        assert (row.estimate, row.low, row.high, row.placebo) == pytest.approx((0.03, 0.02, 0.04, 0.02))
        assert (row["found where planted"], row["claimed where not"]) == ("10 of 20", "0 of 20")


def test_the_overview_sets_false_claims_beside_power():
    table = lags.overview(lags.kept_rates()[1])
    rates = lags.kept_rates()[1].set_index(["protocol", "planted", "back"])
    assert table.loc["within sites", "found: last year"].startswith(
        f"{rates.found['within sites', 'last year', 1]} of "
    )
    false = [rates.found["re-drawn", "none", back] for back in (1, 2)]
    assert table.loc["re-drawn", "false, none planted"].startswith(f"{min(false)} ")
    placebo = rates.found.xs(-1, level="back")["within sites"].sum()
    assert table.loc["within sites", "placebo claimed"].startswith(f"{placebo} of ")
