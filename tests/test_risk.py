"""The rule of sink and source, against slow counts and its own algebra."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.stats import risk

NAMES = {1: "first", 2: "second", 9: "nowhere"}


def field(values):
    return xr.DataArray(np.asarray(values), dims=("lat", "lon"))


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.6, "carbon-sink potential"),
        (1.0, "carbon-sink potential"),
        (0.5, "even"),
        (0.4999, "carbon-source risk"),
        (0.0, "carbon-source risk"),
        (np.nan, "no cells"),
    ],
)
def test_verdict_follows_the_rule(share, expected):
    assert risk.verdict(share) == expected


@pytest.mark.parametrize("share", [65.59, -0.1])
def test_a_percentage_is_no_share(share):
    with pytest.raises(ValueError, match="divide percentages by 100"):
        risk.verdict(share)


def test_faster_shares_by_hand():
    difference = field([[1.0, -1.0, np.nan], [2.0, 0.0, -3.0]])
    area = field([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]])
    groups = field([[1, 1, 1], [1, 1, 2]])
    table = risk.faster_shares(difference, area, groups, NAMES).set_index("name")
    first = table.loc["first"]
    assert (first.n_cells, first.n_ties, first.area_m2, first.analysed_m2) == (3, 1, 11, 6)
    assert first.npp_faster_pixel == pytest.approx(2 / 3)
    assert first.npp_faster_area == pytest.approx(5 / 6)
    assert first.verdict == "carbon-sink potential"
    assert table.verdict["second"] == "carbon-source risk"
    assert table.verdict["nowhere"] == "no cells" and table.n_cells["nowhere"] == 0


def test_area_and_pixel_can_disagree_and_the_verdict_follows_area():
    """Two small cells for NPP against one large for RECO: a sink by count, a risk by area."""
    table = risk.faster_shares(field([[1.0, 1.0, -1.0]]), field([[1.0, 1.0, 5.0]]), field([[1, 1, 1]]), {1: "here"})
    assert table.npp_faster_pixel[0] > 0.5 > table.npp_faster_area[0]
    assert table.verdict[0] == "carbon-source risk"


@settings(max_examples=60, deadline=None)
@given(
    gap=arrays("float64", (4, 5), elements=st.one_of(st.just(np.nan), st.just(0.0), st.floats(-1, 1))),
    groups=arrays("int8", (4, 5), elements=st.integers(0, 2)),
)
def test_points_lie_on_the_line_and_swapping_the_two_swaps_the_shares(gap, groups):
    area = field(np.linspace(1, 2, 20).reshape(4, 5))
    one = risk.faster_shares(field(gap), area, field(groups), NAMES)
    other = risk.faster_shares(field(-gap), area, field(groups), NAMES)
    some = one.n_cells > 0
    for how in ("pixel", "area"):
        total = one[f"npp_faster_{how}"] + one[f"reco_faster_{how}"]
        np.testing.assert_allclose(total[some], 1, rtol=1e-12)
        assert total[~some].isna().all()
        np.testing.assert_array_equal(one[f"npp_faster_{how}"], other[f"reco_faster_{how}"])
    finite = np.isfinite(gap)
    for code, row in zip(NAMES, one.itertuples(), strict=True):
        assert row.n_cells + row.n_ties == (finite & (groups == code)).sum()


def test_the_table_covers_bands_biomes_and_economies():
    flags = {"band": [[0, 1, 1, 2]], "igbp": [[1, 2, 0, 10]], "economy": [[1, 4, 0, 0]], "area": [[1.0, 2.0, 2.0, 1.5]]}
    static = xr.Dataset({name: (("lat", "lon"), np.asarray(values)) for name, values in flags.items()})
    table = risk.table(field([[0.5, -0.5, np.nan, np.nan]]), static).set_index(["grouping", "name"])
    assert list(table.index.unique(0)) == ["band", "biome", "economy"]
    assert len(table.loc["biome"]) == 16 and len(table.loc["economy"]) == 5 and len(table.loc["band"]) == 4
    assert table.area_m2["band", "Global"] == 4.5, "water without a value is no land"
    assert table.npp_faster_area["band", "Global"] == pytest.approx(1 / 3)
    assert table.verdict["biome", "ENF"] == "carbon-sink potential"
    assert table.verdict["economy", "Brazil"] == "carbon-source risk"
    assert table.verdict["band", "Southern Extra-tropics"] == "no cells"


def rows(**columns):
    """Return rows of a table of risk, as few columns as a test needs."""
    return pd.DataFrame({"grouping": "biome", "name": ["DBF", "EBF", "URB"], **columns})


def test_a_page_shows_percent_and_one_word():
    table = rows(
        n_cells=[10, 5, 1],
        area_m2=[2e12, 1e12, 5e10],
        analysed_m2=[1.5e12, 1e12, 1e10],
        npp_faster_pixel=[0.6, 0.2, 0.5],
        npp_faster_area=[0.7, 0.3, 0.5],
        reco_faster_area=[0.3, 0.7, 0.5],
    )
    table["verdict"] = table.npp_faster_area.map(risk.verdict)
    shown = risk.land_table(table)
    assert shown["", "verdict"].tolist() == ["sink", "source", "even"]
    assert shown.loc[("biome", "DBF")].tolist() == [10, 1.5, 75.0, 60.0, 70.0, 30.0, "sink"]


def test_verdicts_that_turn_stand_side_by_side():
    z = rows(n_cells=[10, 5, 0], npp_faster_pixel=[0.6, 0.2, np.nan], npp_faster_area=[0.4, 0.2, np.nan])
    carbon = z.assign(npp_faster_pixel=[0.7, 0.1, np.nan], npp_faster_area=[0.7, 0.1, np.nan])
    tables = {"z": z.set_index(["grouping", "name"]), "carbon": carbon.set_index(["grouping", "name"])}
    answers = risk.answers(tables)
    assert answers.index.get_level_values("name").tolist() == ["DBF", "EBF"], "no cells, no answer"
    assert answers.loc[("biome", "DBF")].to_dict() == {
        "z, by area": "source",
        "z, by pixel": "sink",
        "carbon, by area": "sink",
        "carbon, by pixel": "sink",
    }
    assert answers.loc[("biome", "EBF")].unique().tolist() == ["source"]


def test_a_rule_is_right_where_it_has_the_sign_of_the_true_sink():
    """Four cells of areas 1, 1, 2, 4; the last has no truth and the rule is wrong in the third."""
    static = xr.Dataset({"area": field([[1.0, 1.0, 2.0, 4.0]]), "band": field(np.array([[0, 0, 1, 1]], "int8"))})
    sink, rule = field([[0.1, -0.1, 0.3, np.nan]]), field([[1.0, -2.0, -1.0, 1.0]])
    scores = risk.against({"D": rule}, sink, field([[True] * 4]), static)
    assert scores.index.tolist() == ["D: right", "D: above zero", "the true sink grows"]
    assert scores["Global"].tolist() == [50.0, 25.0, 75.0]
    assert scores["Tropics"].tolist() == [0.0, 0.0, 100.0]
    assert scores["Southern Extra-tropics"].isna().all()
