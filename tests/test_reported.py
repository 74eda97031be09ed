"""The paper's numbers: transcribed whole, consistent with each other, and never shown by halves."""

import csv
import math
import re

import numpy as np
import pytest
from scipy import stats

from helpers import reported
from helpers.workspace import ROOT

BANDS = ["Global", "Northern Extra-tropics", "Tropics", "Southern Extra-tropics"]


def rows(name):
    with (reported.FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_table1_scores_are_consistent_with_each_other():
    wide = reported.table("table1").pivot(index=["model", "split"], columns="metric", values="value")
    # RMSE² = bias² + SDE², so no SDE may exceed its RMSE; and CC cannot be far from the correlation that R² allows.
    assert (wide["sde"] <= wide["rmse"]).all()
    assert (wide["cc"] <= np.sqrt(wide["r2"]) + 0.0015).all()


def implied_spread(error):
    """Bounds, over Table 1's training columns, of the SD of observed RECO for which R² = 1 − error²/SD²."""
    wide = reported.table("table1").query("split == 'train'").pivot(index="model", columns="metric", values="value")
    half = 0.0005  # three decimals are printed
    low = (wide[error] - half) / np.sqrt(1 - wide["r2"] + half)
    high = (wide[error] + half) / np.sqrt(1 - wide["r2"] - half)
    return low.max(), high.min()


def test_table1_r2_is_a_squared_correlation():
    # All six models saw the same samples, so one SD must serve all columns. With SDE (bias taken out) one does, about
    # 0.63; with RMSE none does. So the printed R² is r², not 1 − SSE/SST.
    low, high = implied_spread("sde")
    assert low < high and low == pytest.approx(0.63, abs=0.005)
    low, high = implied_spread("rmse")
    assert low > high


def test_rises_and_falls_of_table2_and_classes_of_table3_fill_the_land():
    table2 = reported.table("table2")
    sums = table2.groupby(["variable", "band", "subset"])["percent"].sum().unstack("subset")
    np.testing.assert_allclose(sums["all"], 100, atol=0.011)
    parts = table2.pivot(index=["variable", "band", "direction"], columns="subset", values="percent")
    assert (parts["p<0.1"] < parts["all"]).all() and len(table2) == 2 * 4 * 2 * 2
    table3 = reported.table("table3")
    assert list(table3["band"].unique()) == BANDS
    np.testing.assert_allclose(table3.groupby("band")["percent"].sum(), 100, atol=0.011)


def test_table3_margins_give_table2_but_for_the_known_slips():
    wide = reported.table("table3").pivot(index="band", columns="class", values="percent")
    npp_up = wide["NPP+RECO+"] + wide["NPP+RECO-"]
    printed = reported.table("table2").query("variable == 'npp' and subset == 'all' and direction == 'increase'")
    gap = npp_up - printed.set_index("band")["percent"]
    assert gap["Northern Extra-tropics"] == pytest.approx(0.32)  # 80.44 against 80.12: the paper's, not ours
    assert gap.abs().max() < 0.5


def test_band_shares_weigh_to_the_global_one_with_the_stated_land_areas():
    weights = [reported.number(f"{band}_area") for band in ("north", "tropics", "south")]
    assert sum(weights) == 100
    faster = [reported.number(f"{band}_npp_faster") for band in ("north", "tropics", "south")]
    assert np.average(faster, weights=weights) == pytest.approx(reported.number("global_npp_faster"), abs=0.05)
    for band in ("global", "north", "tropics", "south"):
        assert sum(reported.number(f"{band}_{v}_faster") for v in ("npp", "reco")) == pytest.approx(100)


def test_every_number_occurs_in_its_quote_as_printed():
    words = {"1": "one", "2": "two", "3": "three", "6": "six", "10": "ten"}
    for row in rows("numbers") + rows("context"):
        digits = re.sub(r"(?<=\d),(?=\d{3})", "", row["quote"])
        found = re.findall(r"\d+(?:\.\d+)?", digits) + re.findall(r"[a-z]+", row["quote"])
        for value in filter(None, (row["value"], row.get("value_high"))):
            assert value in found or words.get(value) in found, row["id"]


@pytest.mark.parametrize("name", ["numbers", "claims", "context"])
def test_ids_are_unique_and_quotes_short(name):
    entries = rows(name)
    assert len({row["id"] for row in entries}) == len(entries)
    for row in entries:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", row["id"])
        assert 3 <= len(row["quote"].split()) <= 20, row["id"]
        assert re.match(r"(Introduction|Results|Discussion|Methods|Fig\. \d) ?", row["place"]), row["id"]


def test_repeated_numbers_equal_the_table_cell_they_name():
    cells = {
        f"{name}: {', '.join(row[key] for key in keys)}": row[value]
        for name, keys, value in (
            ("table1", ["model", "split", "metric"], "value"),
            ("table2", ["variable", "band", "subset", "direction"], "percent"),
            ("table3", ["band", "class"], "percent"),
        )
        for row in rows(name)
    }
    repeated = [row for row in rows("numbers") if row["repeats"]]
    assert len(repeated) == 12 + 16 + 12
    assert [cells[row["repeats"]] for row in repeated] == [row["value"] for row in repeated]


def test_the_excess_shares_in_words_agree_with_table2():
    up = reported.table("table2").query("subset == 'all' and direction == 'increase'")
    wide = up.pivot(index="band", columns="variable", values="percent")
    excess = wide["npp"] - wide["reco"]
    assert excess["Northern Extra-tropics"] == pytest.approx(reported.number("north_excess"), abs=1)
    assert excess["Southern Extra-tropics"] == pytest.approx(reported.number("south_excess"), abs=1)
    assert excess["Tropics"] < reported.number("tropics_excess")


def test_validation_r2_is_of_no_one_kind():
    sd = reported.number("cnn_rmse") / np.sqrt(1 - reported.number("cnn_r2"))
    best, worst = (1 - (reported.number(f"others_rmse_{end}") / sd) ** 2 for end in ("min", "max"))
    assert best == pytest.approx(reported.number("others_r2_max"), abs=0.001)
    assert worst == pytest.approx(-0.73, abs=0.005) and reported.number("others_r2_min") > 0


def test_the_slopes_and_their_significance_agree_as_z_scores_of_19_years():
    years = np.arange(19)
    for band in ("global", "north", "tropics"):
        for variable in ("reco", "npp"):
            r = reported.number(f"{band}_{variable}_slope") * years.std()
            p = 2 * stats.t.sf(r * np.sqrt(17 / (1 - r**2)), 17)
            assert 0 < r < 1 and p < reported.number(f"{band}_{variable}_p")


def computed(chapter, value=math.pi):
    return dict.fromkeys(reported.numbers(chapter)["id"], value)


def test_beside_sets_both_numbers_with_the_decimals_of_the_paper():
    values = computed("03", None) | {"iterations": 3000, "n_cnn": 6}
    table = reported.beside("03", values).set_index("quantity")
    assert list(table.columns) == ["place", "unit", "paper", "this run"]
    assert table.loc["training iterations", ["paper", "this run"]].tolist() == ["100,000", "3000"]
    assert table.loc["site-years collected", "this run"] == "–"

    table = reported.beside("04", computed("04") | {"sd_p": 0.00012345, "cnn_rmse": math.nan})
    shown = dict(zip(reported.numbers("04")["id"], table["this run"], strict=True))
    assert shown["cnn_r2"] == "3.142"
    assert shown["sd_p"] == "0.00012"
    assert shown["cnn_rmse"] == "–"
    assert table["paper"].tolist()[-1] == "< 0.01"
    table = reported.beside("07", {id: np.float32(-12345.6) for id in computed("07")})
    assert set(table["this run"]) == {"-12345.60", "-12,346"}


def test_beside_names_what_is_missing_and_what_is_unknown():
    values = computed("03")
    gone = values.popitem()[0]
    with pytest.raises(ValueError, match=f"chapter 03 .*missing {gone}; unknown surplus"):
        reported.beside("03", values | {"surplus": 1.0})


def test_a_number_is_printed_with_the_papers_hedge_and_digits():
    """A value and its chapter tell which number it is: no chapter prints one value in two ways."""
    ways = {}
    for row in rows("numbers"):
        ways.setdefault((row["chapter"], float(row["value"])), set()).add((row["qualifier"], row["value"]))
    assert all(len(found) == 1 for found in ways.values())
    for row in rows("numbers"):
        assert reported.printed(float(row["value"]), [9, row["chapter"]]) == (row["qualifier"], row["value"])
    assert reported.printed(100 - 65.59, ["7", "11"]) == ("", "34.41")
    assert reported.printed(13.9, ["6", "11"]) == ("", "13.90")


def test_verdicts_are_complete_and_of_the_known_kinds():
    found = {id: ("holds", "seen") for id in reported.claims("05")["id"]}
    table = reported.verdicts("05", found)
    assert list(table.columns) == ["place", "the paper's claim", "verdict", "this run"]
    assert len(table) == len(found)
    with pytest.raises(ValueError, match=r"found\['mean_close'\].*'perhaps'"):
        reported.verdicts("05", found | {"mean_close": ("perhaps", "")})
    found.pop("mean_close")
    with pytest.raises(ValueError, match="missing mean_close"):
        reported.verdicts("05", found)


def test_each_number_of_the_literature_lies_in_its_range_and_can_be_looked_up():
    table = reported.literature()
    assert {"RECO", "GPP", "soil respiration"} <= set(table.quantity) and set(table.unit) == {"Pg C yr-1"}
    whole = table.dropna(subset=["value", "low"])
    assert ((whole.low < whole.value) & (whole.value < whole.high)).all()
    assert (table.value.notna() | table.low.notna()).all()
    assert (table["range"].ne("") == table.low.notna()).all()
    listed = (ROOT / "book" / "references.bib").read_text(encoding="utf-8").split("\n@")
    for key, doi in zip(table.reference, table.doi, strict=True):
        assert any(f"{{{key}," in entry and f"doi = {{{doi}}}" in entry for entry in listed), key


def test_the_ranges_of_the_ten_claims_follow_the_papers_numbers():
    needs = reported.answers().set_index("id")
    mean = reported.number("mean_reco")
    assert needs.loc["mean", ["least", "most"]].tolist() == pytest.approx([0.9 * mean, 1.1 * mean]), "a tenth at most"
    assert needs.most["models"] == -reported.number("underestimate_min")
