"""False positives and power of the tests of a trend, against theory and against a slow loop of libraries."""

import numpy as np
import pymannkendall
import pytest
from scipy import stats

from helpers import trends

PUBLISHED = {
    "ols": (0.09, 0.21),
    "hamed_rao": (0.14, 0.24),
    "yue_wang": (0.50, 0.54),
    "pre_whitening": (0.09, 0.10),
}
"""Rates of an earlier simulation by other code, of unknown number of series: 19 years, alpha 0.10, rho 0 and 0.3."""


def sizes(rho, n=19, repeats=8000, seed=1, **settings):
    table = trends.simulated_size(rho, n, 0.1, repeats, np.random.default_rng(seed), **settings)
    return table.set_index("method")


def test_noise_has_the_memory_and_the_variance_that_it_should_from_its_first_year_on():
    for rho in (-0.4, 0.0, 0.7):
        x = trends.ar1_noise(rho, 12, 100_000, np.random.default_rng(3))
        np.testing.assert_allclose(x.var(axis=1), 1, atol=0.03)
        for lag in (1, 3):
            np.testing.assert_allclose((x[lag:] * x[:-lag]).mean(axis=1), rho**lag, atol=0.02)
    with pytest.raises(ValueError, match="rho: expected .* found 1"):
        trends.ar1_noise(1.0, 5, 2, np.random.default_rng(0))


@pytest.mark.parametrize(("rho", "column"), [(0.0, 0), (0.3, 1)])
def test_sizes_at_19_years(rho, column):
    """Within 0.025 of rates found independently; each interval is narrower than that."""
    table = sizes(rho)
    for method, rates in PUBLISHED.items():
        assert table.rate[method] == pytest.approx(rates[column], abs=0.025), method
        assert table.low[method] < table.rate[method] < table.high[method]
    assert (table.high - table.low).max() < 0.025


def test_least_squares_keep_their_size_on_independent_years_exactly():
    table = sizes(0.0, repeats=40_000, methods=["ols"])
    assert stats.binomtest(round(table.rate["ols"] * 40_000), 40_000, 0.1).pvalue > 0.01


def test_only_pre_whitening_keeps_its_size_with_memory_and_pays_in_power():
    size, power = sizes(0.3), sizes(0.3, trend=0.1)
    assert size.rate.drop("pre_whitening").min() > 0.125 > size.high["pre_whitening"]
    assert size.rate["ols_ar1"] < size.rate["ols"]
    assert power.rate.idxmin() == "pre_whitening"
    assert power.rate["pre_whitening"] < 0.5 * power.rate["ols"]


def test_power_grows_with_the_trend_and_a_trend_of_the_wrong_sign_does_not_count():
    weak, strong = (sizes(0.0, repeats=2000, trend=trend).rate for trend in (-0.02, -0.2))
    assert (strong.drop("pre_whitening") > 0.95).all() and (weak < strong).all()
    none = sizes(0.0, repeats=4000, trend=1e-9, methods=["ols"]).rate["ols"]
    assert none == pytest.approx(0.05, abs=0.012)


def test_rates_agree_with_a_slow_loop_on_the_same_noise():
    table = sizes(0.3, repeats=200, seed=9)
    noise = trends.ar1_noise(0.3, 19, 200, np.random.default_rng(9))
    with np.errstate(invalid="ignore"):
        slow = {
            "ols": [stats.linregress(np.arange(19), y).pvalue < 0.1 for y in noise.T],
            "original": [pymannkendall.original_test(y).p < 0.1 for y in noise.T],
            "hamed_rao": [pymannkendall.hamed_rao_modification_test(y).p < 0.1 for y in noise.T],
            "yue_wang": [pymannkendall.yue_wang_modification_test(y).p < 0.1 for y in noise.T],
        }
        undefined = np.mean([np.isnan(pymannkendall.hamed_rao_modification_test(y).p) for y in noise.T])
    for method, found in slow.items():
        assert table.rate[method] == pytest.approx(np.mean(found)), method
    assert table.undefined["hamed_rao"] == pytest.approx(undefined)


def test_intervals_are_clopper_and_pearsons():
    table = sizes(0.0, repeats=500, methods=["ols"]).loc["ols"]
    interval = stats.binomtest(round(table.rate * 500), 500).proportion_ci(0.95, "exact")
    assert (table.low, table.high) == pytest.approx((interval.low, interval.high))


def test_the_same_seed_gives_the_same_rates():
    assert sizes(0.3, repeats=300, seed=4).equals(sizes(0.3, repeats=300, seed=4))
    assert not sizes(0.3, repeats=300, seed=4).equals(sizes(0.3, repeats=300, seed=5))
