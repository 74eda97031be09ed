"""The tables of the chapter on trends, against slow counts and the paper's own figures."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from helpers import reported
from helpers.stats import trends

NORTH, TROPICS, SOUTH = trends.REGIONS[1:]
YEARS = np.arange(2000, 2019)
PARTS = ["variable", "subset", "direction"]


def field(values, dtype=None):
    return xr.DataArray(np.asarray(values, dtype), dims=("lat", "lon"))


def paper_as_run(name):
    """Return one of the paper's tables as if a run had computed it."""
    paper = reported.table(name)
    share = paper.rename(columns={"band": "region", "percent": "pixel"})
    share = share.assign(pixel=share.pixel / 100, area=0.25, n_cells=1)
    return trends.beside(share, paper)


@pytest.mark.parametrize(
    ("alpha", "mean", "message"),
    [(0.0, "area", "alpha: expected .* found 0.0"), (1.0, "area", "alpha"), (0.1, "land", "annual_mean: .* 'land'")],
)
def test_settings_that_cannot_be_are_refused(alpha, mean, message):
    with pytest.raises(ValueError, match=message):
        trends.check(alpha, mean)
    trends.check(0.1, "pixel")


def test_cells_are_tallied_by_why_they_count_or_not():
    """Four cells: counted; a missing year in RECO; NPP constant; a slope of exactly zero. Areas 1, 2, 4, 8."""
    none, missing, constant = trends.FITTED, trends.MISSING_YEAR, trends.CONSTANT
    fits = {
        "reco": xr.Dataset({"outcome": field([[none, missing, none, none]])}),
        "npp": xr.Dataset({"outcome": field([[none, none, constant, none]])}),
    }
    counted = field([[True, False, False, False]])
    area = field([[1e12, 2e12, 4e12, 8e12]])
    tally = trends.tally(fits, field([[True, False, False, True]]), counted, area)
    assert tally["million km²"].tolist() == [13, 15, 13, 0, 4, 9, 8, 1]
    assert tally.cells.tolist() == [3, 4, 3, 0, 1, 2, 1, 1]
    assert tally.index[0] == "RECO valid in all years"


def test_lines_of_annual_means_agree_with_linregress():
    rng = np.random.default_rng(2)
    coords = {"region": list(trends.REGIONS), "year": YEARS}
    means = {
        v: xr.Dataset({how: (("region", "year"), rng.normal(size=(4, 19))) for how in ("pixel", "area")}, coords)
        for v in ("reco", "npp")
    }
    table = trends.of_means(means)
    assert list(table.index.unique("region")) == list(trends.REGIONS)
    assert len(table) == 16
    for region, variable, how in table.index:
        y = means[variable.lower()][how].sel(region=region).to_numpy()
        oracle = stats.linregress(YEARS, y)
        z = stats.linregress(YEARS, stats.zscore(y, ddof=0)).slope
        np.testing.assert_allclose(table.loc[(region, variable, how)], [oracle.slope, z, oracle.pvalue], rtol=1e-9)


def test_shares_stand_beside_the_papers_by_name():
    table = paper_as_run("table2")
    np.testing.assert_allclose(table.pixel, table.paper)
    assert (table.area == 25).all()
    other = reported.table("table3").rename(columns={"band": "region"}).drop(columns="percent")
    other = other.assign(pixel=0.5, area=0.5, **{"class": "no such class"})
    assert trends.beside(other, reported.table("table3")).paper.isna().all()


def test_each_region_has_a_row_for_each_way_of_counting():
    wide = trends.by_region(paper_as_run("table2"), PARTS)
    assert wide.shape == (12, 8)
    assert wide.index[:3].tolist() == [("Global", side) for side in ("paper", "pixel", "area")]
    assert wide.loc[("Tropics", "paper"), ("RECO", "all", "rise")] == 53.53
    assert wide.loc[("Tropics", "area"), ("NPP", "p<0.1", "fall")] == 25
    plain = pd.DataFrame({"what": "x", "region": trends.REGIONS, "pixel": range(4), "area": range(4)})
    assert trends.by_region(plain, ["what"]).x.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_papers_margins_differ_as_its_tables_are_printed():
    """NPP rises in the north over 80.12 % by Table 2, and 44.87 + 35.57 % by Table 3."""
    margins = trends.margins(paper_as_run("table2"), paper_as_run("table3"), "paper")
    north = margins.loc[("NPP rises", NORTH)]
    assert north.tolist() == pytest.approx([80.12, 80.44, 0.32])
    assert margins.loc[("RECO rises", SOUTH), "difference"] == pytest.approx(0, abs=1e-9)
    assert len(margins) == 8


def test_weights_are_written_with_their_range_or_without():
    frame = pd.DataFrame({"best": [0.6, 0.4], "low": [0.59, np.nan], "high": [0.612, np.nan]}, index=["a", "b"])
    written = trends.weight_ranges({"Table 2": frame})
    assert written.loc["Table 2"].tolist() == ["60.0 (59.0 to 61.2)", "40.0 (none serve)"]


def test_what_bands_hold_by_hand():
    """Two cells in the north, of which one counts; one of double area in the tropics; none in the south."""
    band, area = field([[0, 0, 1, 2]], "int8"), field([[1.0, 1.0, 2.0, 1.0]])
    held = trends.held_by_bands({"here": field([[True, False, True, False]])}, area, band)
    np.testing.assert_allclose(held.loc[("here", "pixel")], [50, 50, 0])
    np.testing.assert_allclose(held.loc[("here", "area")], [100 / 3, 200 / 3, 0])
