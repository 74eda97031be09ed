"""The scores, against scikit-learn, scipy, closed forms and identities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_squared_error, r2_score

from helpers.stats import skill


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


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def made_sites(rng, sites=25, years=8, spread=0.5):
    site = np.repeat(np.arange(sites), years)
    observed = rng.normal(size=sites)[site] + 0.3 * rng.normal(size=site.size)
    simulated = rng.normal(size=sites)[site] + spread * (observed + 0.3 * rng.normal(size=site.size))
    return observed, simulated, site


def test_anomalies_within_sites_are_scored_as_a_loop_over_sites_does(rng):
    observed, simulated, site = made_sites(rng)
    found = skill.within_sites(observed, simulated, site, rng, draws=50)["value"]
    o, s, sd = [], [], []
    for k in range(25):
        mine = [x[site == k] for x in (observed, simulated)]
        o.extend(mine[0] - mine[0].mean())
        s.extend(mine[1] - mine[1].mean())
        sd.append([np.std(x, ddof=1) for x in mine])
    sd = np.array(sd).T
    assert found["r"] == pytest.approx(stats.pearsonr(o, s)[0])
    assert found["skill"] == pytest.approx(1 - np.sum(np.subtract(o, s) ** 2) / np.sum(np.square(o)))
    assert found["skill"] == pytest.approx(2 * found["r"] * found["ratio"] - found["ratio"] ** 2)
    assert found["sd_r"] == pytest.approx(stats.pearsonr(*sd)[0])
    assert found["sd_ratio"] == pytest.approx(sd[1].mean() / sd[0].mean())


def test_no_spread_uses_a_correlation_better_than_that_of_its_own_size(rng):
    observed, simulated, site = made_sites(rng)
    base = skill.within_sites(observed, simulated, site, rng, draws=1)["value"]
    mean = np.array([simulated[site == k].mean() for k in range(25)])[site]
    by = {f: skill.within_sites(observed, mean + f * (simulated - mean), site, rng, draws=1).value for f in (0.1, 1, 3)}
    best = base["r"] / base["ratio"]
    ideal = skill.within_sites(observed, mean + best * (simulated - mean), site, rng, draws=1)["value"]
    assert ideal["skill"] == pytest.approx(base["r"] ** 2) and ideal["ratio"] == pytest.approx(base["r"])
    assert all(one["skill"] < ideal["skill"] and one["r"] == pytest.approx(base["r"]) for one in by.values())


def test_the_interval_over_sites_holds_the_value_and_is_that_of_scipys_bootstrap(rng):
    observed, simulated, site = made_sites(rng, sites=40)
    found = skill.within_sites(observed, simulated, site, rng, draws=4000).loc["r"]
    a, b = (x.reshape(40, 8) - x.reshape(40, 8).mean(axis=1, keepdims=True) for x in (observed, simulated))

    def r(which):
        return np.corrcoef(a[which].ravel(), b[which].ravel())[0, 1]

    ends = stats.bootstrap(
        (np.arange(40),), r, method="percentile", n_resamples=4000, vectorized=False, rng=rng
    ).confidence_interval
    assert found["low"] < found["value"] < found["high"]
    assert (found["low"], found["high"]) == pytest.approx(ends, abs=0.01)


def test_sites_whose_years_never_change_have_no_correlation_and_one_year_is_refused(rng):
    observed, _, site = made_sites(rng)
    found = skill.within_sites(observed, 0.1 * site, site, rng, draws=5)
    assert found.loc["r"].isna().all() and found.loc[["ratio", "skill"], "value"].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="leave out sites of one year"):
        skill.within_sites(observed[:-7], observed[:-7], site[:-7], rng)


def test_the_jackknife_of_a_mean_is_its_standard_error_and_of_one_member_unknown(rng):
    members = rng.normal(size=(9, 50))
    value, half = skill.jackknife(members, np.mean)
    each = members.mean(axis=1)
    assert (value, half) == pytest.approx((each.mean(), 1.96 * each.std(ddof=1) / 3))
    assert np.isnan(skill.jackknife(members[:1], np.mean)[1])


def test_the_jackknife_follows_a_statistic_that_is_no_mean(rng):
    """Against its definition, member by member; and the spread of a mean over years is below that of its members."""
    members = rng.normal(size=(6, 400, 12))

    def spread(f):
        return f.std(axis=1, ddof=1).mean()

    value, half = skill.jackknife(members, spread)
    rest = [spread(np.delete(members, m, axis=0).mean(axis=0)) for m in range(6)]
    assert half == pytest.approx(1.96 * np.sqrt(5 / 6 * np.sum((rest - np.mean(rest)) ** 2)))
    assert value == pytest.approx(spread(members.mean(axis=0))) and value < spread(members[0])
