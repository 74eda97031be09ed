"""False positives and power of the tests of a trend, against theory and against a slow loop of libraries."""

import numpy as np
import pymannkendall
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.stats import trends
from helpers.stats.trends.field import _made_maps

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


def test_two_tests_keep_their_size_with_memory_and_pay_in_power():
    size, power = sizes(0.3), sizes(0.3, trend=0.1)
    held = ["pre_whitening", "ols_ar1_corrected"]
    assert size.rate.drop(held).min() > 0.125 > size.high[held].max()
    assert size.rate["ols_ar1"] < size.rate["ols"]
    assert power.rate["pre_whitening"] < power.rate["ols_ar1_corrected"] == power.rate.drop("pre_whitening").min()
    assert power.rate["pre_whitening"] < 0.5 * power.rate["ols"]


@pytest.mark.parametrize(
    ("method", "rates"),
    [
        ("ols_ar1_corrected", (0.08, 0.10, 0.11, 0.62, 0.43, 0.31)),
        ("pre_whitening", (None, None, None, 0.46, 0.30, 0.26)),
    ],
)
def test_size_and_power_found_by_other_code(method, rates):
    """Independent rates at 19 years and memories 0, 0.3, 0.5: sizes, then power for a trend of 0.1 a year."""
    cases = [(rho, trend) for trend in (0.0, 0.1) for rho in (0.0, 0.3, 0.5)]
    for (rho, trend), rate in zip(cases, rates, strict=True):
        if rate is not None:
            assert sizes(rho, methods=[method], trend=trend).rate[method] == pytest.approx(rate, abs=0.02)


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


def on_maps(rho=0.0, maps=20, trend=0.1, seed=2, **settings):
    table = trends.field_power(rho, 19, 0.1, maps, np.random.default_rng(seed), trend, **settings)
    return table.set_index("method")


def test_power_on_maps_agrees_with_a_slow_count():
    """Two maps drawn again, each line by scipy, each map judged by statsmodels."""
    row = on_maps(0.3, maps=2, trend=-0.1, part=0.3, methods=["ols"]).loc["ols"]
    noise = _made_maps(0.3, 19, 2, np.random.default_rng(2))
    noise[:, :, :300] -= 0.1 * np.arange(19)[:, None, None]
    alone, field, called, false = [], [], [], []
    for k in range(2):
        lines = [stats.linregress(np.arange(19), cell) for cell in noise[:, k].T]
        falls, p = np.array([line.slope < 0 for line in lines]), np.array([line.pvalue for line in lines])
        reject = multipletests(p, 0.2, "fdr_bh")[0]
        right = falls & (np.arange(1000) < 300)
        alone.append((right & (p < 0.1)).sum() / 300)
        field.append((right & reject).sum() / 300)
        called.append(reject.mean())
        false.append((reject & ~right).sum() / max(reject.sum(), 1))
    expected = [np.mean(values) for values in (alone, field, called, false)]
    np.testing.assert_allclose(row[["alone", "field", "called", "false"]].astype(float), expected, rtol=1e-9)


def test_made_maps_have_unit_variance_memory_and_alike_neighbours():
    maps = _made_maps(0.5, 19, 60, np.random.default_rng(0)).reshape(19, 60, 25, 40)
    assert maps.var() == pytest.approx(1, abs=0.02)
    assert (maps[1:] * maps[:-1]).mean() == pytest.approx(0.5, abs=0.02)
    for axis in (2, 3):
        assert (maps * np.roll(maps, 1, axis)).mean() == pytest.approx(0.894, abs=0.01)


def test_a_map_without_memory_or_trend_is_called_as_seldom_as_promised():
    """By tests that keep their size; with memory the smallest p-values are too small, and the table says so."""
    table = on_maps(maps=200, part=0.0, methods=["ols_ar1_corrected", "pre_whitening"])
    assert (table.false <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 200)).all() and (table.called < 0.01).all()
    assert table[["alone", "field"]].isna().all(axis=None)
    assert on_maps(0.3, maps=100, part=0.0, methods=["ols_ar1_corrected"]).false.item() > 0.3


def test_whitening_finds_trends_in_cells_and_not_on_maps():
    table = on_maps(methods=["ols", "ols_ar1_corrected", "pre_whitening"])
    np.testing.assert_allclose(table.alone, sizes(0.0, trend=0.1).rate[table.index], atol=0.04)
    assert table.field["pre_whitening"] < 0.05 < 0.4 < table.field["ols_ar1_corrected"] < table.field["ols"]
    assert (table.false < 0.2).all()


def test_a_part_that_is_none_and_no_trend_are_refused():
    for settings in ({"part": 1.5}, {"trend": 0.0}):
        with pytest.raises(ValueError, match="part, trend: expected"):
            on_maps(**settings)
