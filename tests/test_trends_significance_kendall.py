"""Mann–Kendall in all its variants, cell by cell against pymannkendall."""

import numpy as np
import pymannkendall
import pytest
import xarray as xr

from helpers.stats import trends

ORACLES = {
    "original": pymannkendall.original_test,
    "hamed_rao": pymannkendall.hamed_rao_modification_test,
    "yue_wang": pymannkendall.yue_wang_modification_test,
    "pre_whitening": pymannkendall.pre_whitening_modification_test,
    "trend_free_pre_whitening": pymannkendall.trend_free_pre_whitening_modification_test,
}
TWINS = {"slope": "slope", "s": "s", "variance": "var_s", "tau": "Tau", "z": "z", "p": "p"}
every_variant = pytest.mark.parametrize("variant", ORACLES)


def series(values, years=None):
    """Return (cell, n) as a DataArray with years."""
    years = 2000 + np.arange(values.shape[1]) if years is None else years
    return xr.DataArray(values, coords={"year": years}, dims=("cell", "year"), name="reco")


def noise(n, cells=60, rho=0.4, trend=0.02, seed=0):
    rng = np.random.default_rng([seed, n])
    return (trends.ar1_noise(rho, n, cells, rng) + trend * np.arange(n)[:, None]).T


def agree(ours, values, variant, **settings):
    with np.errstate(invalid="ignore"):
        oracle = [ORACLES[variant](cell, **settings) for cell in values]
    for name, theirs in TWINS.items():
        expected = np.array([getattr(test, theirs) for test in oracle], dtype="float64")
        np.testing.assert_allclose(ours[name], expected, rtol=1e-8, atol=1e-12, err_msg=f"{variant}: {name}")


def test_every_variant_has_an_oracle():
    assert set(ORACLES) == set(trends.VARIANTS) and set(trends.VARIANTS) < set(trends.METHODS)


@every_variant
@pytest.mark.parametrize("n", [4, 5, 7, 10, 19, 27, 60])
def test_all_lengths(variant, n):
    values = noise(n)
    agree(trends.mann_kendall(series(values), variant), values, variant)


@every_variant
@pytest.mark.parametrize("step", [1.0, 0.5, 0.25])
def test_ties(variant, step):
    """Values rounded to a step: hundreds of equal pairs."""
    values = np.round(noise(19, seed=1) / step) * step
    values = values[np.ptp(values, axis=1) > 0]
    tied = np.array([np.unique(cell).size < cell.size for cell in values])
    assert tied.mean() > 0.9
    ours = trends.mann_kendall(series(values), variant)
    if variant == "trend_free_pre_whitening":
        # Two whitened values may be equal but for rounding, which then decides in either code whether they are tied.
        theirs = np.array([ORACLES[variant](cell).s for cell in values])
        same = ours.s.values == theirs
        assert same.mean() > 0.9 and np.abs(ours.s.values - theirs).max() <= 2
        values, ours = values[same], ours.isel(cell=same)
        same = np.array([ORACLES[variant](cell).var_s for cell in values]) == ours.variance
        values, ours = values[same], ours.isel(cell=same)
    agree(ours, values, variant)


@pytest.mark.parametrize("variant", ["hamed_rao", "yue_wang"])
@pytest.mark.parametrize("lags", [1, 3, 18])
def test_fewer_lags(variant, lags):
    values = noise(19, seed=2)
    agree(trends.mann_kendall(series(values), variant, lags=lags), values, variant, lag=lags)


@pytest.mark.parametrize("level", [0.01, 0.1, 1.0])
def test_the_level_at_which_lags_count(level):
    values = noise(19, seed=3)
    agree(trends.mann_kendall(series(values), "hamed_rao", lag_level=level), values, "hamed_rao", alpha=level)


@every_variant
def test_values_far_from_zero_and_float32(variant):
    values = (1000 + noise(19, seed=4)).astype("float32")
    agree(trends.mann_kendall(series(values), variant), values, variant)


@every_variant
def test_years_in_another_unit_scale_the_slope_only(variant):
    values = noise(10, seed=5)
    year = trends.mann_kendall(series(values), variant)
    decade = trends.mann_kendall(series(values, 200.0 + np.arange(10) / 10), variant)
    np.testing.assert_allclose(decade.slope, 10 * year.slope, rtol=1e-9)
    np.testing.assert_allclose(decade.p, year.p, rtol=1e-9)


@every_variant
def test_the_order_in_which_years_stand_does_not_matter(variant):
    y = series(noise(12, seed=6))
    shuffled = y.isel(year=np.random.default_rng(1).permutation(12))
    xr.testing.assert_identical(trends.mann_kendall(shuffled, variant), trends.mann_kendall(y, variant))
    xr.testing.assert_identical(
        trends.mann_kendall(y.isel(year=slice(None, None, -1)), variant), trends.mann_kendall(y, variant)
    )


def test_uneven_years_keep_the_rank_test_and_are_refused_to_those_with_memory():
    years = np.array([1982, 1983, 1990, 1997, 2008])
    y = series(noise(5), years)
    test = trends.mann_kendall(y)
    np.testing.assert_allclose(test.p, trends.mann_kendall(series(y.values)).p)
    with pytest.raises(ValueError, match="year: expected evenly spaced values .* found steps from 1 to 11"):
        trends.mann_kendall(y, "yue_wang")
