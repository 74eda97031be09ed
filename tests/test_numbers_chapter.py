"""The chapter of numbers, on a small made workspace: every row stands where its source says, and none of the paper's
numbers is lost."""

import json

import numpy as np
import pandas as pd
import papermill
import pytest
import xarray as xr

from helpers import reported
from helpers.stats import lags, skill
from helpers.workspace import Workspace

STEM = "13_numbers"
BANDS = ["Global", "Northern Extra-tropics", "Tropics", "Southern Extra-tropics"]
LEDGER = ["quantity", "where", "paper", "seed protocol", "honest", "low", "high", "moved by"]
METRICS = ("r2", "cc", "rmse", "sde")
rng = np.random.default_rng(11)


def with_interval(rows, keys):
    """Give rows of labels a value and an interval around it, all of them different."""
    table = pd.DataFrame(rows, columns=keys)
    value = rng.normal(size=len(table))
    return table.assign(value=value, low=value - rng.uniform(0.1, 1, len(table)), high=value + 0.5)


def table1():
    paper = reported.table("table1").rename(columns={"value": "paper", "n": "n paper"})
    return paper.assign(**{"this run": rng.uniform(0.5, 0.9, len(paper)), "sd over seeds": 0.01, "n": 100})


def ladder():
    models = ["ridge", "CNN1", "CNN-SPEIopt", "honest CNN", "CNN1 on noise"]
    rows = [
        (s, m, k) for s in ("re-drawn", "sites", "kNNDM") for m in models for k in ("r2", "r2_pearson", *METRICS[1:])
    ]
    return with_interval(rows, ["split", "model", "metric"])


def scales():
    rows = [
        (s, "CNN-SPEIopt", c, "r2") for s in ("re-drawn", "sites") for c in ("across sites", "within sites", "trends")
    ]
    return with_interval(rows, ["split", "model", "scale", "metric"])


def lag():
    models = [f"CNN{k}" for k in range(2, 7)] + [lags.LAST, lags.BEFORE, lags.THREE]
    protocols = ("re-drawn", "grouped", lags.STOPPED)
    rows = [(p, "none", m, s, "CNN1") for p in protocols for m in models for s in ("all", "anomalies")]
    rows += [(p, null, "CNN5", "all", "CNN1") for p in protocols for null in ("true order", "among years")]
    for p in ("within sites", lags.TOTAL, f"{lags.TOTAL}, kg"):
        rows += [(p, "none", water, "slope", "none") for water in lags.YEARS]
        rows.append((p, "coming year", lags.COMING, "slope", "none"))
    return with_interval(rows, ["protocol", "null", "model", "score", "reference"]).rename(columns={"value": "gain"})


def on_maps():
    unit = "kg C m-2 yr-1"
    rows = [("land inside (%)", "all land, by area", np.nan), (f"mean RECO ({unit})", "all land, over cells", 0.87)]
    rows += [(f"STDEV of RECO ({unit})", "all land, over cells", 0.22), ("r of STDEVs", "independent sites", 0.475)]
    rows += [
        (f"process models' STDEV less the CNN's, {e} (%)", "common cells", v)
        for e, v in (("least", -71), ("most", -88))
    ]
    return ledger(rows, "training")


def on_trends():
    rows = [(f"{v} rises, as a field (%)", "Global", 13.0) for v in ("RECO", "NPP")]
    for where, short in zip(BANDS, ("global", "north", "tropics", "south"), strict=True):
        rows += [(f"{v} rises (%)", where, 50.0) for v in ("RECO", "NPP")]
        rows.append(("NPP grows faster (%)", where, reported.number(f"{short}_npp_faster")))
    rows += [
        (f"trend of {v} (z-score, yr-1)", "Global", reported.number(f"global_{v.lower()}_slope"))
        for v in ("RECO", "NPP")
    ]
    table = ledger(rows, "errors, area: indistinguishable")
    table.loc[len(table)] = ["a new quantity (%)", "Tropics", np.nan, 12.0, 13.0, 11.0, 15.0, "a new method"]
    withheld = (table["where"] == "Southern Extra-tropics") & (table.quantity == "NPP grows faster (%)")
    table.loc[withheld, ["honest", "low", "high"]] = np.nan
    table.loc[withheld, "moved by"] = "withheld: its interval holds the truth too seldom"
    return table[~((table["where"] == "Southern Extra-tropics") & (table.quantity == "NPP rises (%)"))]


def ledger(rows, moved_by):
    table = with_interval(rows, ["quantity", "where", "paper"]).rename(columns={"value": "honest"})
    return table.assign(**{"seed protocol": rng.uniform(10, 60, len(table)), "moved by": moved_by})[LEDGER]


def towers():
    site = np.repeat([f"T{k}" for k in range(8)], 4)
    observed = 1 + 0.3 * np.repeat(rng.normal(size=8), 4) + 0.1 * rng.normal(size=32)
    simulated = [observed + 0.2 * rng.normal(size=32), observed * 0.7]
    dims = ("model", "sample")
    return xr.Dataset(
        {"observed": ("sample", observed), "simulated": (dims, simulated), "site": ("sample", site)},
        {"model": ["CNN-SPEIopt", "MODEL"]},
    )


def fields():
    names = [f"{field}_{who}" for field in ("mean", "interannual") for who in ("published", "honest")]
    return xr.Dataset({name: (("lat", "lon"), rng.uniform(0, 3, (4, 5))) for name in names})


@pytest.fixture(scope="module")
def made(run_chapter, tmp_path_factory):
    """The workspace with what the chapter reads, and the chapter run on it."""
    folder = tmp_path_factory.mktemp("numbers")
    ws = Workspace("made", root=folder)
    parts = [(v, "all", "increase", band) for v in ("reco", "npp") for band in BANDS]
    table2 = pd.DataFrame(parts, columns=["variable", "subset", "direction", "band"]).assign(
        pixel=rng.uniform(30, 70, 8)
    )
    risk = pd.DataFrame(
        {"grouping": "band", "name": BANDS, "n_cells": [100, 58, 38, 4], "area_m2": [290.0, 150, 120, 20]}
    )
    risk["analysed_m2"] = [200.0, 90, 100, 10]
    tested = pd.DataFrame({"model": ["CNN-SPEIopt", "A", "B"], "kind": ["CNN", "process model", "process model"]})
    tested = tested.assign(r2=[0.5, 0.1, 0.4], rmse=[0.4, 0.9, 0.6], sd_p=[0.02, 0.5, 0.6], sd_ratio=[1.1, 0.5, 0.6])
    curve = pd.DataFrame(
        {"months": [3, 24, 60], "gain": [0.1, 0.3, -0.2], "low": [0.0, 0.2, -0.3], "high": [0.2, 0.4, 0.0]}
    )
    every = {"table1": table1(), "ladder": ladder(), "scales": scales(), "lag": lag(), "lag_curve": curve}
    every |= {"validation": towers(), "validation_scores": tested, "applicability_numbers": on_maps()}
    every |= {"applicability": fields(), "trends_honest": on_trends(), "table2": table2, "risk": risk}
    for k in ("03", "04", "05", "06", "07"):
        every[f"claims_{k}"] = reported.verdicts(k, {id: ("open", "x: 1") for id in reported.claims(k).id})
    for name, value in every.items():
        ws.write(name, value)
    run_chapter(STEM, folder, profile="made", site_draws=200)
    return every | {"numbers": ws.read("numbers"), "folder": folder}


@pytest.fixture
def number(made):
    """Return a function that finds the one row of a quantity and a place."""
    table = made["numbers"].set_index(["quantity", "where"])
    assert table.index.is_unique
    return lambda quantity, where: table.loc[(quantity, where)]


def same(row, seed_protocol, honest):
    """Whether a row holds a value of the protocol, and an honest one with its interval."""
    expected = [seed_protocol, honest["value"] if "value" in honest else honest["gain"], honest["low"], honest["high"]]
    np.testing.assert_allclose(row[["seed protocol", "honest", "low", "high"]].astype(float), expected)
    return True


def test_every_result_of_the_papers_text_has_a_row(made):
    table = made["numbers"]
    assert list(table)[:4] == ["theme", "quantity", "where", "paper"]
    for row in reported.numbers().query("kind == 'result'").itertuples():
        of_chapter = table[table.chapter.astype(str).str.split(", ").map(lambda c, n=str(int(row.chapter)): n in c)]
        assert np.isclose(of_chapter.paper.abs(), row.value).any(), row.id
    assert (table.low.isna() == table.high.isna()).all()
    assert table.chapter.notna().all()


@pytest.mark.parametrize(("model", "theirs"), [("CNN1", "CNN1"), ("CNN-SPEIopt", "CNN5")])
def test_scores_come_from_table_1_and_from_unseen_places(made, number, model, theirs):
    table = made["table1"].query("split == 'test'").set_index(["model", "metric"])
    best = table["this run"].xs("r2", level="metric").idxmax()
    honest = made["ladder"].set_index(["split", "model", "metric"])
    names = {"r2": "R²", "cc": "CC", "rmse": "RMSE (kg C m-2 yr-1)", "sde": "SDE (kg C m-2 yr-1)"}
    for metric, name in names.items():
        row = number(f"{name} of {model}", "test samples")
        assert row.paper == pytest.approx(table.paper[theirs, metric])
        ours = "CNN1" if model == "CNN1" else best
        assert same(row, table["this run"][ours, metric], honest.loc[("sites", model, metric)]) and row.level == 0.95
    row = number("R² of honest CNN", "folds: kNNDM")
    assert same(row, honest.value["re-drawn", "CNN-SPEIopt", "r2"], honest.loc[("kNNDM", "honest CNN", "r2")])


def test_gains_are_differences_in_table_1_and_paired_at_unseen_places(made, number):
    r2 = made["table1"].query("split == 'test' and metric == 'r2'").set_index("model")
    table = made["lag"].query("null == 'none'").set_index(["protocol", "score", "model"])
    places = {"all, early stopping": lags.STOPPED, "all, trained to the end": "grouped"}
    for where, protocol in places.items():
        row = number("gain in R² of CNN5 over CNN1", where)
        assert row.paper == pytest.approx(0.989 - 0.979)
        assert same(row, r2["this run"]["CNN5"] - r2["this run"]["CNN1"], table.loc[(protocol, "all", "CNN5")])
    row = number(f"gain in R² of {lags.LAST} over CNN1", "anomalies")
    assert same(row, table.gain["re-drawn", "anomalies", lags.LAST], table.loc[(lags.STOPPED, "anomalies", lags.LAST)])
    assert number("greatest gain of a single SPEI (24 months)", "all site-years").honest == 0.3


def test_slopes_within_sites_stand_apart_from_their_placebo(made, number, protocol="within sites"):
    slopes = made["lag"].query("protocol == @protocol").set_index("model").gain
    for model in (*lags.YEARS, lags.COMING):
        where = f"{protocol}, placebo" if model == lags.COMING else protocol
        assert number(f"ln RECO for one unit of {model}", where).honest == slopes[model]
    claims = made["numbers"].query("where == @protocol and theme == 'the lag'")
    assert len(claims) == 3 and not claims.quantity.str.contains(lags.COMING).any()


def test_independent_towers_get_an_interval_by_drawing_towers(made, number):
    v = made["validation"]
    row = number("R² of CNN-SPEIopt", "independent site-years")
    assert row.paper == 0.535
    expected = float(skill.r2(v.observed.values, v.simulated.sel(model="CNN-SPEIopt").values))
    assert row["seed protocol"] == row.honest == pytest.approx(expected)
    assert row.low < row.honest < row.high
    assert number("least R² of process models", "independent site-years")["seed protocol"] == 0.1
    assert number("greatest RMSE (kg C m-2 yr-1) of process models", "independent site-years")["seed protocol"] == 0.9


def test_ledgers_are_taken_over_whole(made):
    table = made["numbers"].set_index(["quantity", "where"])
    for name in ("applicability_numbers", "trends_honest"):
        for row in made[name].to_dict("records"):
            found = table.loc[(row["quantity"], row["where"])]
            np.testing.assert_allclose(found[LEDGER[2:7]].astype(float), [row[c] for c in LEDGER[2:7]])
            assert found["moved by"] == row["moved by"]


def test_what_is_added_to_the_ledgers_is_worked_out_rightly(made, number):
    rising = made["table2"].set_index(["variable", "band"]).pixel
    after = made["trends_honest"].set_index(["quantity", "where"])
    row = number("share of rising NPP less that of RECO (points)", "Tropics")
    assert (row.paper, row["seed protocol"]) == pytest.approx(
        (10, rising["npp", "Tropics"] - rising["reco", "Tropics"])
    )
    row, expected = number("RECO grows faster (%)", "Tropics"), after.loc[("NPP grows faster (%)", "Tropics")]
    assert (row.paper, row.low, row.high) == pytest.approx((40.33, 100 - expected.high, 100 - expected.low))
    row = number("share of the land (%)", "Tropics")
    assert (row.paper, row["seed protocol"], row.honest) == pytest.approx((36, 38, 50))


def test_a_row_that_is_withheld_keeps_its_reason_and_what_hangs_on_it_is_empty(made, number):
    south = "Southern Extra-tropics"
    for quantity in ("NPP grows faster (%)", "RECO grows faster (%)"):
        row = number(quantity, south)
        assert row[["honest", "low", "high"]].isna().all() and row["moved by"].startswith("withheld")
        assert np.isfinite(row.paper) and np.isfinite(row["seed protocol"])
    assert np.isnan(number("share of rising NPP less that of RECO (points)", south).honest)
    assert number("a new quantity (%)", "Tropics").honest == 13.0


def test_the_papers_hedges_stay_with_its_numbers(made, number):
    for quantity, where, hedge in (
        ("p of r of STDEVs", "independent sites", "<"),
        ("share of the land (%)", "Tropics", "about"),
        ("share of rising NPP less that of RECO (points)", "Tropics", "<"),
        ("process models' STDEV less the CNN's, least (%)", "common cells", "about"),
    ):
        assert number(quantity, where).qualifier == hedge
    printed = made["numbers"][made["numbers"].paper.notna()]
    hedged = reported.numbers().query("kind == 'result' and qualifier != ''")
    for row in hedged.itertuples():
        mine = printed[np.isclose(printed.paper.abs(), row.value) & (printed.qualifier == row.qualifier)]
        assert len(mine), row.id
    cells = json.loads((made["folder"] / f"{STEM}.ipynb").read_text(encoding="utf-8"))["cells"]
    page = json.dumps([cell.get("outputs") for cell in cells])  # its metadata hold times, which may be 0.0100 s
    assert ("< 0.01" in page or "&lt; 0.01" in page) and "about 60" in page and "0.0100" not in page


def test_verdicts_are_read_off_intervals_of_real_towers_or_of_this_run(made):
    table = Workspace("made", root=made["folder"]).read("answers").set_index("id")
    assert len(table) == len(reported.answers()) and set(table.verdict) <= set(reported.VERDICTS)
    for row in table.to_dict("records"):
        kind = "real " if np.isfinite(row["real value"]) else ""
        assert row["rests on"] == ("real towers" if kind else "this run")
        low, high = row[f"{kind}low"], row[f"{kind}high"]
        least, most = (x if np.isfinite(x) else sign * np.inf for x, sign in ((row["least"], -1), (row["most"], 1)))
        inside = [least < x < most for x in (low, high)]
        missed = high < least or low > most
        expected = "holds" if all(inside) else "does not hold" if missed else "open"
        assert row["verdict"] == (expected if np.isfinite(low) else "open")
    assert table.loc["score", ["low", "high"]].tolist() == made["numbers"].iloc[4][["low", "high"]].tolist()


def test_what_the_first_page_says_of_real_towers_is_kept_so():
    kept = {n: reported.aggregates(reported.DATA / f"measured/sites_{n}.csv")[1] for n in ("ladder", "lag", "scales")}
    r2 = kept["ladder"].query("metric == 'r2'").set_index(["split", "model"]).value
    assert r2["re-drawn", "CNN1 on noise"] > 0.95, "scores as high on random numbers"
    assert r2["sites", "CNN-SPEIopt"] < 0.3 < 0.95 < r2["re-drawn", "CNN-SPEIopt"], "keeps little of it"
    slope = kept["lag"].query(f"protocol == '{lags.TOTAL}' and null == 'none'")
    assert ((slope.low < 0) & (slope.high > 0)).all(), "leave a lag open"
    assert r2["kNNDM", "honest CNN"] > 0.2, "the mean can be learned roughly"
    years = kept["scales"].query("split == 'sites' and metric == 'r2' and scale == 'within sites'")
    assert years.value.max() < 0.15, "changes from year to year hardly"


def test_without_a_chapters_numbers_the_page_names_the_chapter(made, run_chapter, tmp_path):
    Workspace("empty", root=tmp_path).write("table1", made["table1"])
    with pytest.raises(papermill.PapermillExecutionError, match="08_splits_and_leakage"):
        run_chapter(STEM, tmp_path, profile="empty", site_draws=200)
