"""The scores, against scikit-learn, scipy, closed forms and identities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_squared_error, r2_score

from helpers import skill


@pytest.fixture
def pair():
    rng = np.random.default_rng(7)
    observed = rng.gamma(3.0, 0.3, size=200)
    simulated = observed + rng.normal(0.05, 0.3, size=(4, 3, 200))
    return observed, simulated


def each(simulated):
    """Yield (index, one simulation) over the leading axes: the slow, obvious way."""
    for index in np.ndindex(simulated.shape[:-1]):
        yield index, simulated[index]


def test_r2_and_rmse_agree_with_scikit_learn_over_leading_axes(pair):
    observed, simulated = pair
    r2, rmse = skill.r2(observed, simulated), skill.rmse(observed, simulated)
    assert r2.shape == rmse.shape == (4, 3)
    for index, one in each(simulated):
        assert r2[index] == pytest.approx(r2_score(observed, one), abs=1e-12)
        assert rmse[index] == pytest.approx(mean_squared_error(observed, one) ** 0.5, abs=1e-12)


def test_pearson_and_its_p_agree_with_scipy(pair):
    observed, simulated = pair
    observed, simulated = observed[:9], simulated[..., :9]
    r, p = skill.pearson(observed, simulated)
    for index, one in each(simulated):
        expected = stats.pearsonr(observed, one)
        assert (r[index], p[index]) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
        assert skill.r2_pearson(observed, one) == pytest.approx(expected.statistic**2)


def test_cc_is_pearson_times_the_penalty_for_bias_and_scale(pair):
    """Lin's own factorisation: rho_c = r * 2 / (v + 1/v + u^2), v = s_y/s_x, u = (mean difference)/sqrt(s_x s_y)."""
    observed, simulated = pair
    for index, one in each(simulated):
        v = one.std() / observed.std()
        u = (one.mean() - observed.mean()) / np.sqrt(one.std() * observed.std())
        expected = stats.pearsonr(observed, one).statistic * 2 / (v + 1 / v + u**2)
        assert skill.cc(observed, simulated)[index] == pytest.approx(expected, abs=1e-12)


def test_cc_of_a_shifted_line_in_closed_form():
    x = np.array([0.0, 1.0, 2.0])  # variance 2/3
    assert skill.cc(x, x + 1) == pytest.approx(2 * (2 / 3) / (2 / 3 + 2 / 3 + 1))
    assert skill.cc(x, -x) == pytest.approx(-2 * (2 / 3) / (2 / 3 + 2 / 3 + 4))


finite = st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=40)


@settings(max_examples=60, deadline=None)
@given(finite, st.integers(0, 2**31))
def test_rmse_splits_into_bias_and_sde(values, seed):
    observed = np.array(values)
    simulated = observed + np.random.default_rng(seed).normal(size=observed.size)
    bias = (simulated - observed).mean()
    assert skill.rmse(observed, simulated) ** 2 == pytest.approx(bias**2 + skill.sde(observed, simulated) ** 2)


def test_a_perfect_simulation_and_a_constant_one():
    observed = np.array([0.2, 0.9, 1.4, 2.0])
    assert [float(f(observed, observed)) for f in skill.SCORES.values()] == [1.0, 1.0, 0.0, 0.0]
    assert skill.r2(observed, np.full(4, observed.mean())) == pytest.approx(0.0)
    r, p = skill.pearson(observed, 3 * observed - 1)
    assert (r, p) == pytest.approx((1.0, 0.0), abs=1e-7)


def test_what_cannot_be_defined_is_nan_not_infinite():
    flat, line = np.ones(4), np.arange(4.0)
    assert np.isnan(skill.r2(flat, line))
    assert np.isnan(skill.r2_pearson(line, flat))
    assert np.isnan(skill.pearson(line, flat)).all()
    assert np.isnan(skill.cc(flat, flat))


@pytest.mark.parametrize(
    ("observed", "simulated", "message"),
    [
        ([1.0, np.nan], [1.0, 2.0], "observed: expected finite values, found 1"),
        ([1.0, 2.0], [[1.0, 2.0], [np.inf, np.nan]], "simulated: expected finite values, found 2"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "equally many samples"),
        ([], [], "one or more"),
    ],
)
def test_unusable_input_is_refused_in_one_line(observed, simulated, message):
    for score in skill.SCORES.values():
        with pytest.raises(ValueError, match=message) as caught:
            score(observed, simulated)
        assert "\n" not in str(caught.value)


def test_pearson_refuses_two_samples():
    with pytest.raises(ValueError, match="at least 3 samples, found 2"):
        skill.pearson([1.0, 2.0], [1.0, 3.0])
