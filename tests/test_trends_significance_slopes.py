"""Theil–Sen's line against scipy and pymannkendall; least squares with fewer effective years against statsmodels."""

import numpy as np
import pymannkendall
import pytest
import statsmodels.api as sm
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.tsa.stattools import acf

from helpers.stats import trends


def noise(n, cells=50, rho=0.5, seed=0):
    values = trends.ar1_noise(rho, n, cells, np.random.default_rng([seed, n])) + 0.03 * np.arange(n)[:, None]
    return xr.DataArray(values, coords={"year": 2000 + np.arange(n)}, dims=("year", "cell"))


@pytest.mark.parametrize("n", [4, 5, 19, 28, 60])
@pytest.mark.parametrize("tied", [False, True])
def test_theil_sen_s_slope_agrees_with_scipy_and_pymannkendall_cell_by_cell(n, tied):
    y = noise(n).round(0) if tied else noise(n)
    line = trends.mann_kendall(y.where(y.max("year") > y.min("year")))
    for i in np.flatnonzero(line.outcome == trends.FITTED):
        oracle = stats.theilslopes(y[:, i], y.year)
        assert float(line.slope[i]) == pytest.approx(oracle.slope, rel=1e-12, abs=1e-15)
        assert float(line.slope[i]) == pytest.approx(pymannkendall.sens_slope(y[:, i].values).slope, rel=1e-12)


def test_theil_sen_s_slope_on_uneven_years_agrees_with_scipy():
    y = noise(7).assign_coords(year=[1982, 1983, 1990, 1997, 2008, 2010, 2011])
    line = trends.mann_kendall(y)
    oracle = [stats.theilslopes(y[:, i], y.year) for i in range(y.sizes["cell"])]
    np.testing.assert_allclose(line.slope, [o.slope for o in oracle], rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    y=arrays("float64", (9, 3), elements=st.integers(-4000, 4000).map(lambda k: k / 8)),
    power=st.integers(-4, 4),
    shift=st.integers(-100, 100),
)
def test_ranks_and_medians_follow_a_change_of_unit(y, power, shift):
    """A scale of a power of two is exact, so that ties stay ties."""
    scale = 2.0**power
    y = xr.DataArray(y, coords={"year": np.arange(9)}, dims=("year", "cell"))
    one, other = trends.mann_kendall(y), trends.mann_kendall(scale * y + shift)
    np.testing.assert_allclose(other.slope, scale * one.slope, rtol=1e-12)
    np.testing.assert_array_equal(other.s, one.s)
    np.testing.assert_array_equal(trends.mann_kendall(-y).s, -one.s)
    np.testing.assert_allclose(trends.mann_kendall(-y).p, one.p, rtol=1e-12)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.4])
def test_adjusted_least_squares_agree_with_statsmodels(rho, corrected):
    """Standard error and r1 of statsmodels, degrees of freedom by the formula, cell by cell."""
    y = noise(19, rho=rho)
    fit = trends.ols_ar1(y, corrected=corrected)
    design = sm.add_constant(y.year.values - 2009.0)
    for i in range(y.sizes["cell"]):
        oracle = sm.OLS(y[:, i].values, design).fit()
        r1 = acf(oracle.resid, nlags=1)[1]
        r1 = (19 * r1 + 2) / 15 if corrected else r1
        assert float(fit.r1[i]) == pytest.approx(r1, rel=1e-9)
        dof = 19 * (1 - max(r1, 0)) / (1 + max(r1, 0)) - 2
        assert float(fit.slope[i]) == pytest.approx(oracle.params[1], rel=1e-9)
        assert (int(fit.outcome[i]) == trends.UNDEFINED) == (dof <= 0)
        if dof <= 0:
            continue
        assert float(fit.dof[i]) == pytest.approx(dof, rel=1e-9)
        se = oracle.bse[1] * np.sqrt(17 / dof)
        assert float(fit.se[i]) == pytest.approx(se, rel=1e-9)
        assert float(fit.p[i]) == pytest.approx(2 * stats.t.sf(abs(oracle.params[1] / se), dof), rel=1e-8)


def test_without_memory_the_adjusted_p_is_that_of_least_squares():
    y = noise(19, rho=-0.6)
    plain, adjusted = trends.ols(y), trends.ols_ar1(y)
    free = (adjusted.r1 <= 0).values
    assert free.sum() > 30
    np.testing.assert_allclose(adjusted.p[free], plain.p[free], rtol=1e-8)
    assert (adjusted.p[~free] > plain.p[~free]).all()


@pytest.mark.parametrize(("rho", "plain", "corrected"), [(0.0, -2 / 19, 0.0), (0.3, 0.113, 0.277), (0.5, 0.249, 0.448)])
def test_how_far_r1_lies_below_the_memory_of_19_years(rho, plain, corrected):
    """-2 / n and none without memory, by algebra; the others are what the docstring states."""
    y = noise(19, cells=40_000, rho=rho)
    assert float(trends.ols_ar1(y).r1.mean()) == pytest.approx(plain, abs=0.004)
    assert float(trends.ols_ar1(y, corrected=True).r1.mean()) == pytest.approx(corrected, abs=0.005)


def test_four_years_are_too_few_to_correct_r1():
    fit = trends.ols_ar1(noise(4), corrected=True)
    assert (fit.outcome == trends.UNDEFINED).all() and fit.p.isnull().all()


def test_a_series_that_counts_for_two_years_has_no_p():
    """A slow wave: r1 is near one, so that hardly a year counts."""
    wave = xr.DataArray(np.sin(np.arange(100) / 12.0), coords={"year": np.arange(100)}, dims="year")
    fit = trends.ols_ar1(wave)
    assert float(fit.r1) > 0.9 and int(fit.outcome) == trends.UNDEFINED
    assert np.isfinite(fit.slope) and np.isnan(fit.p)


def test_autocorrelation_agrees_with_statsmodels_at_every_lag():
    y = noise(19).values
    ours = trends.autocorrelation(y, 18)
    np.testing.assert_allclose(ours, np.stack([acf(cell, nlags=18, fft=False)[1:] for cell in y.T], axis=1), atol=1e-12)
