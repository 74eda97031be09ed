"""Trends of a field, test by test: against a slow count, and on 27 years of gridded GPP against pymannkendall."""

import numpy as np
import pymannkendall
import pytest
import xarray as xr
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.space import regions
from helpers.stats import trends

ORACLES = {
    "original": pymannkendall.original_test,
    "hamed_rao": pymannkendall.hamed_rao_modification_test,
    "yue_wang": pymannkendall.yue_wang_modification_test,
    "pre_whitening": pymannkendall.pre_whitening_modification_test,
    "trend_free_pre_whitening": pymannkendall.trend_free_pre_whitening_modification_test,
}


def slow_test(values, method):
    """Return slope and p of each series (cell, n), one at a time, by other libraries; an undefined p is 1."""
    with np.errstate(invalid="ignore"):
        if method == "ols":
            lines = [stats.linregress(np.arange(len(cell)), cell) for cell in values]
            return np.array([(line.slope, line.pvalue) for line in lines]).T
        slope, p = np.array([(test.slope, test.p) for test in map(ORACLES[method], values)]).T
    return slope, np.where(np.isnan(p), 1, p)


def check(table, gpp, area, method, alpha, inside):
    """Compare the rows of one method with a slow count."""
    cells = np.isfinite(gpp).all("year").values & (np.ptp(gpp.values, axis=0) > 0)
    slope, p = slow_test(gpp.values[:, cells].T.astype("float64"), method)
    reject, _, _, _ = multipletests(p, 2 * alpha, "fdr_bh")
    rows = table[table.method == method].set_index(["subset", "direction", "region"])
    for subset, holds in {"all": p <= 1, "p < alpha": p < alpha, "fdr": reject}.items():
        for direction, moves in {"rise": slope > 0, "fall": slope < 0}.items():
            for region, field in inside.items():
                here, size = field.values[cells], area.values[cells]
                row = rows.loc[(subset, direction, region)]
                hit = here & holds & moves
                assert row.n_cells == here.sum()
                assert row.pixel == pytest.approx(hit.sum() / here.sum(), abs=1e-12), (method, subset, direction)
                assert row.area == pytest.approx(size[hit].sum() / size[here].sum(), abs=1e-12)
    return p


def small_field():
    """Return yearly maps with trends, a cell with a gap, a constant one, and one whose median slope is zero."""
    rng = np.random.default_rng(6)
    lat, lon = np.array([60.0, 20.0, -20.0]), np.arange(-150.0, 180.0, 30.0)
    values = rng.normal(size=(19, 3, 11)) + rng.normal(0, 0.1, (3, 11)) * np.arange(19)[:, None, None]
    values[3, 0, 0], values[:, 0, 1] = np.nan, 2.0
    values[:, 1, 1] = [0] * 16 + [1, 1, 1]
    coords = {"year": 2000 + np.arange(19), "lat": lat, "lon": lon}
    area = xr.DataArray(regions.cell_area(lat, lon), {"lat": lat, "lon": lon}, ("lat", "lon"))
    return xr.DataArray(values, coords, ("year", "lat", "lon"), name="gpp"), area


@pytest.mark.parametrize("lazy", [False, True])
def test_shares_agree_with_a_slow_count(lazy):
    gpp, area = small_field()
    inside = {"Global": area > 0, "north": (area > 0) & (area.lat > 0)}
    given = gpp.chunk({"year": 4, "lat": 1}) if lazy else gpp
    table = trends.summary_of_field(given, area, 0.2, inside=inside)
    assert table.method.unique().tolist() == list(trends.METHODS)
    assert len(table) == len(trends.METHODS) * 3 * 2 * 2
    for method in ("ols", *ORACLES):
        check(table, gpp, area, method, 0.2, inside)
    assert table.groupby("region").n_cells.unique().map(list).to_dict() == {"Global": [31], "north": [20]}


def test_what_chance_gives_stands_beside_and_zero_and_undefined_are_counted():
    gpp, area = small_field()
    table = trends.summary_of_field(gpp, area, 0.2, correlated=False, methods=["original", "hamed_rao"])
    assert table.groupby("subset").by_chance.unique().map(list).to_dict() == {
        "all": [0.5],
        "fdr": [0.0],
        "p < alpha": [0.1],
    }
    assert set(table.zero) == {1}
    with np.errstate(invalid="ignore"):
        undefined = sum(
            np.isnan(pymannkendall.hamed_rao_modification_test(gpp.values[:, i, j]).p)
            for i in range(3)
            for j in range(11)
            if (i, j) not in ((0, 0), (0, 1))
        )
    assert set(table.undefined[table.method == "hamed_rao"]) == {undefined}
    rows = table[table.method == "original"].set_index(["subset", "direction"])
    assert rows.loc["all", "pixel"].sum() == pytest.approx(30 / 31)
    assert (rows.loc["fdr", "threshold"] <= 0.2).all() and (rows.loc["p < alpha", "threshold"] == 0.2).all()


def test_a_wrong_level_is_refused():
    gpp, area = small_field()
    with pytest.raises(ValueError, match="alpha: expected a level .* found 0.7"):
        trends.summary_of_field(gpp, area, 0.7)


@pytest.fixture(scope="module")
def measured_gpp(real_data):
    gpp = xr.open_dataset(real_data / "mte_gpp_annual_4x5_1982_2008.nc").GPP.load()
    area = xr.DataArray(regions.cell_area(gpp.lat, gpp.lon), {"lat": gpp.lat, "lon": gpp.lon}, ("lat", "lon"))
    return gpp, area


def test_27_years_of_gridded_gpp_agree_with_pymannkendall_on_all_cells(measured_gpp):
    gpp, area = measured_gpp
    bands = regions.groups(
        np.repeat(regions.band(gpp.lat)[:, None], gpp.sizes["lon"], axis=1), {0: "north", 1: "tropics"}
    )
    inside = {"Global": area > 0} | {name: area.copy(data=field) for name, field in bands.items()}
    table = trends.summary_of_field(gpp, area, 0.1, inside=inside)
    assert set(table.n_cells[table.region == "Global"]) == {699}
    counted = gpp.notnull().all("year").values
    for method in ("ols", *ORACLES):
        p = check(table, gpp, area, method, 0.1, inside)
        test = trends.significance(gpp, method)
        ours = test.p.where(test.outcome != trends.UNDEFINED, 1).values[counted]
        np.testing.assert_allclose(ours, p, rtol=1e-7, atol=1e-12, err_msg=method)


def test_on_gridded_gpp_the_keen_tests_find_most_and_pre_whitening_least(measured_gpp):
    table = trends.summary_of_field(*measured_gpp, 0.1).set_index(["method", "subset", "direction"])
    found = table.area.unstack("direction").sum(axis=1).unstack("subset")
    assert found["p < alpha"].idxmax() == "yue_wang" and found["p < alpha"].idxmin() == "pre_whitening"
    assert (
        found.loc["ols_ar1_corrected", "fdr"] == pytest.approx(0.194, abs=5e-4)
        and found.loc["pre_whitening", "fdr"] == 0
    )
    assert found.loc["ols", "p < alpha"] > found.loc["ols_ar1", "p < alpha"] > 0.2
    shares = {
        "significant": lambda y: {"share": float((trends.ols(y).p < 0.1).sum()) / 699},
    }
    gpp = measured_gpp[0]
    permuted = trends.permuted_shares(gpp, shares["significant"], 99, np.random.default_rng(0))
    assert trends.permutation_p(shares["significant"](gpp), permuted)["share"] == 0.01
    assert permuted.share.mean() == pytest.approx(0.1, abs=0.02)
