"""Totals over land and their trends: by hand, against statsmodels, and by how often the interval holds the truth."""

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy import stats

from helpers.space import regions
from helpers.stats import trends

YEARS = np.arange(2000, 2019)


def planet(shape=(6, 12), seed=0):
    """Return yearly maps (kg m-2 yr-1) and cell areas (m2) of a globe."""
    lat, lon = np.linspace(75, -75, shape[0]), np.linspace(-165, 165, shape[1])
    coords = {"lat": lat, "lon": lon}
    area = xr.DataArray(regions.cell_area(lat, lon), coords, ("lat", "lon"))
    values = 1 + np.random.default_rng(seed).normal(0, 0.2, (19, *shape)) + 0.01 * np.arange(19)[:, None, None]
    return xr.DataArray(values, {"year": YEARS, **coords}, ("year", "lat", "lon"), name="reco"), area


def test_one_kilogram_on_every_square_metre_is_the_sphere_in_petagrams():
    y, area = planet()
    totals = trends.total(xr.ones_like(y), area)
    np.testing.assert_allclose(totals.sel(region="Global"), regions.SPHERE_AREA / 1e12, rtol=1e-12)
    assert totals.attrs["units"] == "Pg yr-1" and totals.dtype == np.float64


def test_totals_agree_with_a_slow_sum_and_leave_out_cells_with_a_gap():
    y, area = planet()
    y[4, 0, 0] = np.nan
    north = xr.DataArray(y.lat > 0, coords={"lat": y.lat}, dims="lat").broadcast_like(area)
    totals = trends.total(
        y.astype("float32").transpose("lat", "year", "lon"), area.T, {"north": north, "none": ~north & north}
    )
    for k in range(19):
        slow = 0.0
        for i in range(3):
            for j in range(12):
                if (i, j) != (0, 0):
                    slow += float(np.float32(y[k, i, j])) * float(area[i, j])
        assert float(totals[0, k]) == pytest.approx(slow / 1e12, rel=1e-12)
    assert totals.n_cells.values.tolist() == [35, 0] and (totals.sel(region="none") == 0).all()
    lazy = trends.total(
        y.astype("float32").chunk({"year": 1, "lat": 2}), area, {"north": north, "none": ~north & north}
    )
    xr.testing.assert_allclose(lazy, totals)


def test_trends_of_totals_agree_with_statsmodels():
    y, area = planet()
    table = trends.total_trend(y, area, confidence=0.8)
    series = trends.total(y, area).sel(region="Global").values
    fit = sm.OLS(series, sm.add_constant(YEARS - 2009.0)).fit()
    r1 = max(float((fit.resid[1:] * fit.resid[:-1]).sum() / (fit.resid**2).sum()), 0)
    dof = 19 * (1 - r1) / (1 + r1) - 2
    half = stats.t.ppf(0.9, dof) * fit.bse[1] * np.sqrt(17 / dof)
    row = table.loc["Global"]
    assert (row.slope, row.low, row.high) == pytest.approx(
        (fit.params[1], fit.params[1] - half, fit.params[1] + half), rel=1e-8
    )
    assert row["mean"] == pytest.approx(series.mean()) and row.area_m2 == pytest.approx(regions.SPHERE_AREA)


def test_slopes_of_cells_sum_to_the_slope_of_the_total():
    y, area = planet(seed=3)
    summed = float((trends.ols(y).slope * area).sum()) / 1e12
    assert trends.total_trend(y, area).slope["Global"] == pytest.approx(summed, rel=1e-10)


@pytest.mark.parametrize(("rho", "expected"), [(0.0, 0.914), (0.3, 0.857), (0.5, 0.819)])
def test_how_often_the_interval_of_90_percent_holds_the_true_slope(rho, expected):
    """6,000 made totals, each a region of one cell: the shares that the docstring states."""
    noise = trends.ar1_noise(rho, 19, 6000, np.random.default_rng(5)) + 0.07 * np.arange(19)[:, None]
    y = xr.DataArray(noise[:, None], coords={"year": YEARS}, dims=("year", "lat", "lon"))
    fit = trends.ols_ar1(y)
    half = stats.t.ppf(0.95, fit.dof) * fit.se
    assert float((abs(fit.slope - 0.07) <= half).mean()) == pytest.approx(expected, abs=0.015)
    area = xr.full_like(fit.slope, 1e12).isel(lon=slice(2))
    inside = {name: xr.DataArray([[name == "a", name == "b"]], dims=("lat", "lon")) for name in "ab"}
    table = trends.total_trend(y.isel(lon=slice(2)), area, inside)
    np.testing.assert_allclose(table.high - table.slope, half[0, :2], rtol=1e-9)


def test_lines_without_scatter_without_freedom_and_without_cells():
    wave = 5 + np.sin(np.arange(100) / 12.0)
    y = xr.DataArray(
        np.stack([3.0 + 0.5 * np.arange(100), wave, np.full(100, 2.0), wave * np.nan], axis=1)[:, None],
        coords={"year": np.arange(100)},
        dims=("year", "lat", "lon"),
    )
    names = ["line", "wave", "constant", "sea"]
    area = xr.full_like(y[0], 1e12)
    inside = {name: xr.zeros_like(area, dtype=bool) for name in names}
    for k, name in enumerate(names):
        inside[name][0, k] = True
    table = trends.total_trend(y, area, inside)
    assert table.loc["line", ["slope", "low", "high", "p"]].tolist() == pytest.approx([0.5, 0.5, 0.5, 0])
    assert table.loc["wave", ["low", "high", "p"]].tolist() == [-np.inf, np.inf, 1]
    assert table.loc[["constant", "sea"], ["slope", "low", "high", "p"]].isna().all(axis=None)
    assert table["n_cells"].tolist() == [1, 1, 1, 0] and table["mean"]["constant"] == pytest.approx(2)


def test_what_does_not_fit_is_named():
    y, area = planet()
    with pytest.raises(ValueError, match="area: expected the cells of y"):
        trends.total(y, area[:3])
    with pytest.raises(ValueError, match="north: expected the cells of y"):
        trends.total(y, area, {"north": area[:3] > 0})
    with pytest.raises(ValueError, match="confidence: expected .* found 90"):
        trends.total_trend(y, area, confidence=90)
