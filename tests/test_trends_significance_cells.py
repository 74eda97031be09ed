"""Cells without an answer, lazy maps and wrong settings: what all the tests of a trend share."""

import numpy as np
import pymannkendall
import pytest
import xarray as xr

from helpers.stats import trends

YEARS = np.arange(2000, 2019)
every_method = pytest.mark.parametrize("method", trends.METHODS)


def cube(shape=(6, 8), seed=0):
    values = np.random.default_rng(seed).normal(size=(19, *shape)) + 0.05 * np.arange(19)[:, None, None]
    return xr.DataArray(values, coords={"year": YEARS}, dims=("year", "lat", "lon"), name="reco")


def answers(y):
    """Return what each function that tests gives, by name."""
    kendall = {variant: trends.mann_kendall(y, variant) for variant in trends.VARIANTS}
    lines = {"ols_ar1": trends.ols_ar1(y), "ols_ar1_corrected": trends.ols_ar1(y, corrected=True)}
    return kendall | lines


def test_cells_without_an_answer_are_named_and_hold_nan():
    y = cube((1, 4))
    y[3, 0, 0] = np.nan
    y[:, 0, 1] = 0.1
    y[5, 0, 2] = np.inf
    for name, test in answers(y).items():
        expected = [trends.MISSING_YEAR, trends.CONSTANT, trends.MISSING_YEAR, trends.FITTED]
        assert test.outcome[0].values.tolist() == expected, name
        assert test.outcome.dtype == np.int8
        for v in set(test.data_vars) - {"outcome"}:
            assert np.isnan(test[v][0].values).tolist() == [True, True, True, False], (name, v)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_constant_series_is_no_trend_for_pymannkendall_and_no_answer_here():
    oracle = pymannkendall.original_test(np.full(19, 0.1))
    assert (oracle.s, oracle.var_s, oracle.p) == (0, 0, 1)
    constant = xr.DataArray(np.full(19, 0.1), coords={"year": YEARS}, dims="year")
    assert all(int(test.outcome) == trends.CONSTANT for test in answers(constant).values())


def test_a_line_without_residuals_leaves_no_memory_to_reckon_with():
    """The slope stands; the tests that need residuals say that they have none, with rounding or without."""
    for slope in (2.0, 0.1):
        y = xr.DataArray(7 + slope * np.arange(19), coords={"year": YEARS}, dims="year")
        for name, test in answers(y).items():
            assert float(test.slope) == pytest.approx(slope, rel=1e-12)
            needs = name in ("hamed_rao", "yue_wang", "trend_free_pre_whitening", "ols_ar1", "ols_ar1_corrected")
            assert int(test.outcome) == (trends.UNDEFINED if needs else trends.FITTED), name
            assert "p" not in test or bool(np.isnan(test.p)) == needs, name


def test_a_variance_below_zero_is_undefined_as_it_is_for_pymannkendall():
    noise = np.random.default_rng(0).normal(size=(2000, 19))
    test = trends.mann_kendall(xr.DataArray(noise, coords={"year": YEARS}, dims=("cell", "year")), "hamed_rao")
    below = (test.variance <= 0).values & (test.s != 0).values
    assert below.sum() > 5
    np.testing.assert_array_equal(test.outcome == trends.UNDEFINED, below)
    np.testing.assert_array_equal(test.p.isnull(), below)
    with np.errstate(invalid="ignore"):
        assert all(np.isnan(pymannkendall.hamed_rao_modification_test(cell).p) for cell in noise[below])


def test_lazy_and_eager_agree_and_lazy_stays_lazy():
    y = cube()
    for name, test in answers(y.chunk({"year": 5, "lat": 3})).items():
        assert all(test[v].chunks is not None for v in test), name
        xr.testing.assert_identical(test.compute(), answers(y)[name])


def test_the_year_may_stand_anywhere_and_members_may_stand_beside_it():
    y = xr.concat([cube((2, 3)), cube((2, 3), seed=1)], dim="member")
    for name, test in answers(y.transpose("lat", "year", "member", "lon")).items():
        one = answers(y.isel(member=1))[name]
        xr.testing.assert_allclose(test.isel(member=1).transpose("lat", "lon"), one)


def test_blocks_join_to_the_whole(monkeypatch):
    y = cube((7, 9))
    whole = answers(y)
    monkeypatch.setattr("helpers.stats.trends.inference.HELD", 19 * 19 * 4)
    for name, test in answers(y).items():
        xr.testing.assert_allclose(test, whole[name], rtol=1e-12)


@every_method
def test_every_method_answers_under_one_name(method):
    y = cube((2, 3))
    test = trends.significance(y, method)
    assert list(test) == ["slope", "p", "outcome"]
    both = answers(y) | {"ols": trends.ols(y)}
    xr.testing.assert_identical(test, both[method][["slope", "p", "outcome"]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y: trends.significance(y, "spearman"), "method: expected one of ols, .* found 'spearman'"),
        (lambda y: trends.mann_kendall(y, "seasonal"), "variant: expected one of original, .* found 'seasonal'"),
        (lambda y: trends.mann_kendall(y, "yue_wang", lags=19), "lags: expected 1 to 18 for 19 years, found 19"),
        (lambda y: trends.mann_kendall(y, "hamed_rao", lag_level=0), "lag_level: expected .* found 0"),
        (lambda y: trends.ols_ar1(y, "time"), "expected a dimension 'time'"),
        (lambda y: trends.mann_kendall(y.isel(year=[0, 1])), "year: expected at least 3"),
    ],
)
def test_wrong_settings_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(cube((1, 2)))
