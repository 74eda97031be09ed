"""Straight lines through maps, against scipy, numpy, closed forms and a real series."""

import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from helpers.space import maps
from helpers.stats import risk, trends

YEARS = np.arange(2000, 2019)
REGIONS = ["Global", "Northern Extra-tropics", "Tropics", "Southern Extra-tropics"]


def cube(shape=(5, 6), seed=0, years=YEARS):
    """Return a trending, noisy cube (year, lat, lon) with slopes of both signs."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(0, 0.02, shape)
    noise = rng.normal(0, 0.1, (len(years), *shape))
    values = 1 + slope * (years - years.mean())[:, None, None] + noise
    coords = {"year": years, "lat": np.linspace(75, -75, shape[0]), "lon": np.linspace(-150, 150, shape[1])}
    return xr.DataArray(values, coords=coords, dims=("year", "lat", "lon"), name="reco")


def test_ols_agrees_with_linregress_cell_by_cell():
    y = cube()
    fit = trends.ols(y)
    for i in range(y.sizes["lat"]):
        for j in range(y.sizes["lon"]):
            oracle = stats.linregress(YEARS, y[:, i, j])
            ours = [float(fit[v][i, j]) for v in ("slope", "intercept", "r", "p")]
            np.testing.assert_allclose(
                ours, [oracle.slope, oracle.intercept, oracle.rvalue, oracle.pvalue], rtol=1e-9, atol=1e-13
            )


def test_ols_on_float32_and_on_gaps_between_years_agrees_with_linregress():
    years = np.array([1982, 1983, 1990, 1997, 2008])
    y = cube((2, 2), years=years).astype("float32")
    fit = trends.ols(y)
    oracle = stats.linregress(years, y[:, 1, 0].astype("float64"))
    assert float(fit.slope[1, 0]) == pytest.approx(oracle.slope, rel=1e-9)
    assert float(fit.p[1, 0]) == pytest.approx(oracle.pvalue, rel=1e-9)


def test_lazy_and_eager_agree_and_lazy_stays_lazy():
    y = cube((6, 8))
    lazy = trends.ols(y.chunk({"year": 1, "lat": 3}))
    assert all(lazy[v].chunks is not None for v in lazy)
    xr.testing.assert_identical(lazy.compute(), trends.ols(y))


def test_the_year_may_stand_anywhere_among_the_dimensions():
    y = cube((3, 4))
    xr.testing.assert_allclose(trends.ols(y.transpose("lat", "year", "lon")), trends.ols(y))


def test_a_real_series_agrees_with_polyfit(real_data):
    gpp = xr.open_dataset(real_data / "mte_gpp_annual_4x5_1982_2008.nc").GPP
    fit = trends.ols(gpp)
    series = gpp.stack(cell=("lat", "lon")).dropna("cell", how="any")
    slope, intercept = np.polyfit(series.year - 1995.0, series.to_numpy().astype("float64"), 1)
    fitted = fit.stack(cell=("lat", "lon")).sel(cell=series.cell)
    varies = fitted.outcome.to_numpy() == trends.FITTED
    assert varies.sum() > 600
    np.testing.assert_allclose(fitted.slope.to_numpy()[varies], slope[varies], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        (fitted.intercept + 1995 * fitted.slope).to_numpy()[varies], intercept[varies], rtol=1e-6
    )
    assert int((fit.outcome == trends.MISSING_YEAR).sum()) == gpp[0].size - series.sizes["cell"]


def test_what_cannot_be_fitted_is_named_and_counted():
    y = cube((1, 4))
    y[3, 0, 0] = np.nan
    y[:, 0, 1] = 0.1  # a constant whose mean is not exactly 0.1 in float64
    y[5, 0, 2] = np.inf
    fit = trends.ols(y)
    assert fit.outcome[0].values.tolist() == [
        trends.MISSING_YEAR,
        trends.CONSTANT,
        trends.MISSING_YEAR,
        trends.FITTED,
    ]
    for v in ("slope", "intercept", "p", "r"):
        assert np.isnan(fit[v][0].values).tolist() == [True, True, True, False], v


def test_a_perfect_line_has_r_of_one_and_p_of_zero():
    y = xr.DataArray(-2.0 * YEARS, coords={"year": YEARS}, dims="year")
    fit = trends.ols(y)
    assert float(fit.slope) == pytest.approx(-2, rel=1e-12)
    assert float(fit.r) == pytest.approx(-1, rel=1e-12)
    assert float(fit.p) < 1e-30


@pytest.mark.parametrize(
    ("years", "message"),
    [
        (np.array([2000, 2001]), "at least 3"),
        (np.array([2000, 2000, 2001]), "at least 3 different values, found 3 .2 different"),
        (np.array(["2000-01-01", "2001-01-01", "2002-01-01"], "datetime64[ns]"), "whole years, not dates"),
    ],
)
def test_years_that_cannot_carry_a_line_are_refused(years, message):
    y = xr.DataArray(np.arange(float(len(years))), coords={"year": years}, dims="year")
    with pytest.raises(ValueError, match=message):
        trends.ols(y)


def test_a_missing_dimension_is_named():
    with pytest.raises(ValueError, match="expected a dimension 'year'"):
        trends.ols(xr.DataArray(np.arange(4.0), dims="time", name="reco"))


def test_zscore_agrees_with_scipy_and_keeps_gaps():
    y = cube((2, 3))
    y[0, 0, 0] = np.nan
    y[:, 0, 1] = 0.1
    z = trends.zscore(y)
    np.testing.assert_allclose(z[:, 1], stats.zscore(y[:, 1], ddof=0), rtol=1e-12)
    assert z[:, 0, 0].isnull().all() and z[:, 0, 1].isnull().all()


def test_z_slope_identity_and_its_constant():
    y = cube()
    fitted = trends.ols(trends.zscore(y)).slope
    np.testing.assert_allclose(trends.z_slope(trends.ols(y).r, YEARS), fitted, rtol=1e-10)
    assert 1 / trends.z_slope(1.0, YEARS) == pytest.approx(math.sqrt(30))
    assert 1 / trends.z_slope(1.0, YEARS) == pytest.approx(5.48, abs=0.005)


@settings(max_examples=60, deadline=None)
@given(
    y=arrays("float64", (19, 2, 2), elements=st.integers(-4000, 4000).map(lambda k: k / 8)),
    scale=st.floats(0.01, 100),
    shift=st.floats(-100, 100),
)
def test_scaling_moves_slopes_and_leaves_p_r_and_z_alone(y, scale, shift):
    y = xr.DataArray(y, coords={"year": YEARS}, dims=("year", "lat", "lon"))
    one, other = trends.ols(y), trends.ols(scale * y + shift)
    np.testing.assert_allclose(other.slope, scale * one.slope, rtol=1e-8, atol=1e-8 * scale)
    np.testing.assert_allclose(other.r, one.r, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(other.p, one.p, rtol=1e-6, atol=1e-6)
    flipped = trends.ols(-y)
    np.testing.assert_allclose(flipped.slope, -one.slope, rtol=1e-12)
    np.testing.assert_allclose(flipped.p, one.p, rtol=1e-12)


def test_analysis_mask_wants_both_valid_in_all_years_and_changing():
    reco, npp = cube((1, 6)), cube((1, 6), seed=1)
    reco[2, 0, 0] = np.nan
    npp[18, 0, 2] = np.nan
    reco[:, 0, 3], npp[:, 0, 4] = 0.0, 2.0
    reco[1:, 0, 5] = 0.0  # cut off in all years but one
    for lazy in (False, True):
        given = [y.chunk(lat=1) if lazy else y for y in (reco, npp)]
        assert trends.analysis_mask(*given)[0].values.tolist() == [False, True, False, False, False, True]


def test_analysis_mask_refuses_two_different_grids():
    with pytest.raises(ValueError, match="npp: expected the lon of reco"):
        trends.analysis_mask(cube((2, 4)), cube((2, 4)).assign_coords(lon=[0, 1, 2, 3]))


def test_direction_names_each_pair_of_signs():
    npp = xr.DataArray([1.0, 1.0, -1.0, -1.0, 0.0, np.nan, 1.0, 1.0])
    reco = xr.DataArray([1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 0.0, np.nan])
    classes = trends.direction(npp, reco)
    assert classes.dtype == np.int8
    names = [trends.DIRECTIONS.get(int(c), "none") for c in classes]
    assert names == ["NPP+RECO+", "NPP+RECO-", "NPP-RECO+", "NPP-RECO-"] + ["none"] * 4


def planet(shape=(6, 4)):
    """Return counted cells, areas and bands of a small made planet."""
    lat = np.linspace(75, -75, shape[0])
    rng = np.random.default_rng(5)
    counted = xr.DataArray(rng.random(shape) > 0.3, dims=("lat", "lon"))
    area = xr.DataArray(np.cos(np.deg2rad(lat))[:, None] * np.ones(shape), dims=("lat", "lon"))
    code = np.where(lat > 30, 0, np.where(lat < -30, 2, 1)).astype("int8")
    return counted, area, xr.DataArray(code[:, None] * np.ones(shape, "int8"), dims=("lat", "lon"))


def test_shares_agree_with_a_slow_count():
    counted, area, band = planet()
    rises = xr.DataArray(np.random.default_rng(6).random(counted.shape) > 0.5, dims=("lat", "lon"))
    table = trends.shares({"rises": rises}, counted, area, band).set_index("region")
    assert list(table.index) == REGIONS
    for code, region in enumerate(REGIONS, start=-1):
        n = up = total = gained = 0.0
        for i in range(counted.shape[0]):
            for j in range(counted.shape[1]):
                if bool(counted[i, j]) and code in (-1, int(band[i, j])):
                    n, total = n + 1, total + float(area[i, j])
                    up, gained = up + bool(rises[i, j]), gained + float(area[i, j]) * bool(rises[i, j])
        assert table.n_cells[region] == n
        assert table.pixel[region] == pytest.approx(up / n)
        assert table.area[region] == pytest.approx(gained / total)


@settings(max_examples=40, deadline=None)
@given(slope=arrays("float64", (6, 4), elements=st.floats(-1, 1)))
def test_rising_and_falling_sum_to_one_where_zero_stands_outside(slope):
    counted, area, band = planet()
    slope = xr.DataArray(slope, dims=("lat", "lon"))
    counted = counted & (slope != 0)
    table = trends.shares({"up": slope > 0, "down": slope < 0}, counted, area, band)
    total = table.groupby("region")[["pixel", "area"]].sum(min_count=2)
    n = table.groupby("region").n_cells.first()
    np.testing.assert_allclose(total[n > 0], 1, rtol=1e-12)
    assert total[n == 0].isna().all(axis=None)


def test_regional_means_agree_with_numpy_average_and_stay_off_the_sea():
    counted, area, band = planet()
    y = cube((6, 4)).drop_vars(["lat", "lon"]).where(counted)
    means = trends.regional_means(y, counted, area, band)
    assert list(means.region.values) == REGIONS
    for code, region in enumerate(REGIONS, start=-1):
        here = counted.values & ((band.values == code) if code >= 0 else True)
        series = y.values[:, here]
        np.testing.assert_allclose(means.pixel.sel(region=region), series.mean(1), rtol=1e-12)
        np.testing.assert_allclose(
            means.area.sel(region=region), np.average(series, axis=1, weights=area.values[here]), rtol=1e-12
        )
    lazy = trends.regional_means(y.chunk({"year": 5}), counted, area, band)
    xr.testing.assert_allclose(lazy, means)


def test_scores_against_a_truth_by_hand():
    """Two cells of one size: one slope right with a small p, one of the wrong sign with a large p."""
    fit = xr.Dataset({"slope": ("cell", [0.002, -0.001, 9.0]), "p": ("cell", [0.01, 0.6, 0.01])})
    true = xr.Dataset({"slope": ("cell", [0.003, 0.001, 9.0])})
    counted, area = xr.DataArray([True, True, False], dims="cell"), xr.DataArray([1.0, 1.0, 1.0], dims="cell")
    score = trends.against(fit, true, counted, area, 0.1)
    assert score["cells"] == 2
    assert score["sign right (% of land)"] == pytest.approx(50)
    assert score["sign right where p < 0.1 (%)"] == pytest.approx(100)
    assert score["rising in truth (% of land)"] == pytest.approx(100)
    assert score["mean slope, truth (g C m-2 yr-2)"] == pytest.approx(2)
    assert score["mean slope, this run (g C m-2 yr-2)"] == pytest.approx(0.5)


def test_what_is_stored_carries_units_and_compact_types():
    fit = trends.ols(cube((2, 2)))
    fields = {f"{v}_{kind}": fit[name] for v in ("reco", "npp") for kind, name in (("slope", "slope"), ("p", "p"))}
    fields |= {"direction": trends.direction(fit.slope, fit.slope), "analysis_mask": fit.slope > -9, "area": fit.slope}
    stored = trends.describe(xr.Dataset(fields))
    assert stored.reco_slope.dtype == np.float32 and stored.npp_slope.attrs["units"] == "kg m-2 yr-2"
    assert stored.reco_p.attrs["units"] == "1" and stored.area.dtype == np.float64
    assert stored.analysis_mask.dtype == np.int8 and stored.direction.attrs["flag_values"].tolist() == [0, 1, 2, 3, 4]


def test_conditions_may_have_names_of_several_parts():
    counted, area, band = planet()
    rises = xr.DataArray(np.random.default_rng(6).random(counted.shape) > 0.5, dims=("lat", "lon"))
    parts = trends.shares({("reco", "up"): rises, ("reco", "down"): ~rises}, counted, area, band, ["variable", "way"])
    plain = trends.shares({"up": rises, "down": ~rises}, counted, area, band)
    assert parts.columns.tolist() == ["variable", "way", "region", "n_cells", "pixel", "area"]
    assert parts.variable.unique().tolist() == ["reco"]
    np.testing.assert_array_equal(parts[["way", "pixel", "area"]], plain[["what", "pixel", "area"]])


def test_what_is_gathered_stays_inside_the_mask_and_counts_the_rest():
    reco = cube((1, 4))
    npp = cube((1, 4), seed=1)
    npp[3, 0, 2] = np.nan
    fits = {"reco": trends.ols(reco), "npp": trends.ols(npp)}
    mask = trends.analysis_mask(reco, npp)
    way = trends.direction(fits["npp"].slope, fits["reco"].slope).where(mask, 0)
    way[0, 1] = 0  # as if a slope were exactly zero: in the mask, without a class
    z = {v: trends.z_slope(fit.r, YEARS) for v, fit in fits.items()}
    stored = trends.gather(fits, z, way, mask, xr.ones_like(fits["reco"].slope))
    assert (stored.attrs["counted"], stored.attrs["zero_or_undefined"]) == (2, 1)
    assert np.isnan(stored.reco_slope[0, 2]) and np.isfinite(fits["reco"].slope[0, 2])
    np.testing.assert_allclose(stored.npp_zslope[0, 3], fits["npp"].r[0, 3] / math.sqrt(30), rtol=1e-6)
    assert {v.dtype.name for name, v in stored.items() if "_" in name and name[0] in "rn"} == {"float32"}


def turned(field):
    """Return the same field written otherwise: from the south, transposed, in single precision."""
    field = field.isel(lat=slice(None, None, -1)).assign_coords(lat=field.lat.values[::-1].astype("f4"))
    return field.transpose(..., "lon", "lat")


def test_maps_written_otherwise_are_the_same_maps():
    """What is worked out of two maps must not depend on the order of their rows, nor on the digits of their labels."""
    y = cube((4, 4))
    slope = trends.ols(y)
    shape = {"lat": y.lat, "lon": y.lon}
    area = xr.DataArray(np.arange(16.0).reshape(4, 4) + 1, shape, ("lat", "lon"))
    band = xr.DataArray(np.repeat([0, 1, 1, 2], 4).reshape(4, 4).astype("i1"), shape, ("lat", "lon"))
    counted, rises = area > 2, slope.slope > 0
    static = xr.Dataset({"area": area, "band": band, "igbp": band + 1, "economy": band})
    inside = {"odd": area % 2 == 1}
    for one, other in (
        (
            trends.shares({"up": rises}, counted, area, band),
            trends.shares({"up": rises}, counted, turned(area), turned(band)),
        ),
        (
            trends.regional_means(y, counted, area, band),
            trends.regional_means(y, turned(counted), turned(area), turned(band)),
        ),
        (trends.total(y, area, inside), trends.total(y, turned(area), {"odd": turned(inside["odd"])})),
        (
            trends.held_by_bands({"up": rises}, area, band),
            trends.held_by_bands({"up": rises}, turned(area), turned(band)),
        ),
        (
            trends.against(slope, slope, counted, area, 0.1),
            trends.against(slope, turned(slope), turned(counted), turned(area), 0.1),
        ),
        (risk.table(slope.slope, static), risk.table(slope.slope, turned(static))),
        (
            risk.against({"a": slope.slope}, slope.slope, counted, static),
            risk.against({"a": slope.slope}, turned(slope.slope), turned(counted), turned(static)),
        ),
        (maps.score(slope, slope), maps.score(slope, turned(slope))),
        (maps.group_means(area, area, inside), maps.group_means(area, turned(area), {"odd": turned(inside["odd"])})),
    ):
        match one:
            case pd.DataFrame():
                pd.testing.assert_frame_equal(one, other)
            case dict():
                assert one == pytest.approx(other, nan_ok=True)
            case _:
                xr.testing.assert_allclose(one, other)
    fields = trends.gather(
        {"reco": slope, "npp": turned(slope)},
        {"reco": slope.slope, "npp": turned(slope.slope)},
        band,
        counted,
        turned(area),
    )
    assert fields.sizes == {"lat": 4, "lon": 4} and fields.npp_slope.equals(fields.reco_slope)
    with pytest.raises(ValueError, match="expected the lat of"):
        trends.shares({"up": rises}, counted, area, band.assign_coords(lat=band.lat + 5))
