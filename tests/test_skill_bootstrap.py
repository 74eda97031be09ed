"""Intervals by drawing sites, against slow loops, scipy, and the coverage of a truth that is known."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from helpers.stats import skill

FUNCTIONS = {"r2": skill.r2, "r2_pearson": skill.r2_pearson, "cc": skill.cc, "rmse": skill.rmse, "sde": skill.sde}
FUNCTIONS |= {"r": lambda o, s: skill.pearson(o, s)[0], "bias": lambda o, s: (s - o).mean(-1)}


@pytest.fixture
def data():
    """Twelve groups of unequal size; two models with five seeds each."""
    rng = np.random.default_rng(4)
    groups = rng.permutation(np.repeat([f"g{k}" for k in range(12)], rng.integers(1, 9, 12)))
    _, code = np.unique(groups, return_inverse=True)
    observed = 1.2 + rng.normal(size=12)[code] + 0.3 * rng.normal(size=code.size)
    noise = rng.normal(size=(2, 5, code.size)) + rng.normal(size=(2, 5, 12))[..., code]
    return observed, observed + np.array([0.4, 0.6])[:, None, None] * noise, groups


def test_every_statistic_has_a_function_to_check_it():
    assert set(FUNCTIONS) == set(skill.STATISTICS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_statistics_of_sums_are_the_scores_of_samples(data, name):
    observed, simulated, groups = data
    totals = skill.sums(observed, simulated, groups).sum(-2)
    np.testing.assert_allclose(skill.STATISTICS[name](totals), FUNCTIONS[name](observed, simulated), atol=1e-12)
    far = skill.sums(observed + 1e6, simulated + 1e6, groups).sum(-2)
    np.testing.assert_allclose(skill.STATISTICS[name](far), FUNCTIONS[name](observed, simulated), atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_draw_is_the_score_of_the_sites_it_drew(data, name):
    """The slow way: put the drawn groups' samples one after the other, as often as they were drawn, and score them."""
    observed, simulated, groups = data
    boot = skill.SiteBootstrap(groups, 40, np.random.default_rng(1))
    found = boot.interval(name, observed, simulated)
    assert found.draws.shape == (2, 5, 40) and (boot.counts.sum(-1) == 12).all()
    for draw, counts in enumerate(boot.counts.astype(int)):
        drawn = np.repeat(np.unique(groups), counts)
        rows = np.concatenate([np.flatnonzero(groups == g) for g in drawn])
        np.testing.assert_allclose(
            found.draws[..., draw], FUNCTIONS[name](observed[rows], simulated[..., rows]), atol=1e-10
        )
    np.testing.assert_allclose(found.value, FUNCTIONS[name](observed, simulated), atol=1e-12)
    np.testing.assert_allclose([found.low, found.high], np.quantile(found.draws, [0.025, 0.975], axis=-1))


def test_groups_of_one_sample_give_scipys_percentile_interval():
    rng = np.random.default_rng(0)
    observed = rng.normal(size=60)
    simulated = observed + 0.7 * rng.normal(size=60)
    ours = skill.SiteBootstrap(np.arange(60), 20000, rng).interval("r2", observed, simulated)
    theirs = stats.bootstrap(
        (observed, simulated), lambda o, s, axis=-1: skill.r2(o, s), paired=True, vectorized=True, n_resamples=20000,
        method="percentile", rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert ours.value == pytest.approx(r2_score(observed, simulated))


def test_seeds_are_averaged_within_each_draw(data):
    observed, simulated, groups = data
    boot = skill.SiteBootstrap(groups, 30, np.random.default_rng(2))
    each, mean = boot.interval("r2", observed, simulated), boot.interval("r2", observed, simulated, seeds=1)
    np.testing.assert_allclose(mean.draws, each.draws.mean(1))
    np.testing.assert_allclose(mean.value, skill.r2(observed, simulated).mean(1))
    other_way = boot.interval("r2", observed, simulated.swapaxes(0, 1), seeds=0)
    np.testing.assert_allclose(other_way.draws, mean.draws)
    np.testing.assert_allclose(boot.interval("r2", observed, simulated, seeds=-2).draws, mean.draws)
    many = np.repeat(simulated, 4, axis=1)
    again = boot.interval("r2", observed, many, seeds=1)
    np.testing.assert_allclose([again.low, again.high], [mean.low, mean.high], err_msg="more seeds made it narrower")


def test_differences_are_paired_and_p_is_where_the_interval_meets_zero(data):
    observed, simulated, groups = data
    first, second = simulated[0], simulated[0] + 0.15 * (simulated[1] - observed)
    boot = skill.SiteBootstrap(groups, 4000, np.random.default_rng(2))
    found = boot.difference("rmse", observed, first, second, seeds=0)
    one, two = (boot.interval("rmse", observed, s, seeds=0) for s in (first, second))
    np.testing.assert_allclose(found.draws, one.draws - two.draws)
    assert found.value == pytest.approx(one.value - two.value) and 0.001 < found.p < 0.5
    assert found.high - found.low < 0.7 * np.hypot(one.high - one.low, two.high - two.low)
    touching = skill.SiteBootstrap(groups, 4000, np.random.default_rng(2), level=1 - float(found.p))
    ends = touching.difference("rmse", observed, first, second, seeds=0)
    assert min(abs(ends.low), abs(ends.high)) < 0.03 * (found.high - found.low)


def test_no_difference_has_p_of_one_and_a_clear_one_the_least_that_draws_allow(data):
    observed, simulated, groups = data
    boot = skill.SiteBootstrap(groups, 99, np.random.default_rng(0))
    assert boot.difference("r2", observed, simulated[0, 0], simulated[0, 0]).p == 1.0
    assert boot.difference("rmse", observed, observed, observed + 1).p == pytest.approx(2 / 100)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """With effects of sites, drawing sites covers, and drawing site-years as if they were independent does not."""
    rng = np.random.default_rng(12)
    worlds, sites, years = 300, 60, 6

    def draw(n):
        effect, error = rng.normal(size=(n, sites, 1)), 0.7 * rng.normal(size=(n, sites, 1))
        observed = (effect + 0.2 * rng.normal(size=(n, sites, years))).reshape(n, -1)
        return observed, observed + (error + 0.2 * rng.normal(size=(n, sites, years))).reshape(n, -1)

    truth = 1 - (0.7**2 + 0.2**2) / (1 + 0.2**2)
    site, (observed, simulated) = np.repeat(np.arange(sites), years), draw(worlds)
    covered = []
    for groups in (site, np.arange(site.size)):
        found = skill.SiteBootstrap(groups, 400, rng).interval("r2", observed, simulated)
        covered.append(((found.low < truth) & (truth < found.high)).mean())
    assert 0.88 < covered[0] < 0.98, "by site"
    assert covered[1] < 0.75, "by site-year"


def test_p_of_two_equally_good_models_is_about_uniform():
    rng = np.random.default_rng(21)
    site = np.repeat(np.arange(50), 4)
    observed = rng.normal(size=(300, 50))[:, site]
    first, second = observed + 0.6 * rng.normal(size=(2, 300, 50))[..., site]
    p = skill.SiteBootstrap(site, 400, rng).difference("r2", observed, first, second).p
    assert 0.02 < (p < 0.05).mean() < 0.09 and 0.4 < (p < 0.5).mean() < 0.6


def test_what_is_undefined_is_nan(data):
    observed, simulated, groups = data
    found = skill.SiteBootstrap(groups, 50, np.random.default_rng(0)).interval(
        "r", observed, np.full(observed.size, 0.1)
    )
    assert np.isnan([found.value, found.low, found.high]).all()
    pair = skill.SiteBootstrap(np.arange(2), 200, np.random.default_rng(0)).interval("r2", [0.0, 1.0], [0.2, 0.9])
    assert np.isnan(pair.draws).any() and np.isfinite([pair.low, pair.high]).all()


def boot(groups, repeats):
    return skill.SiteBootstrap(groups, repeats, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda o, s, g: boot(g, 9).interval("R2", o, s),
            "statistic: expected one of r2",
        ),
        (lambda o, s, g: boot(g * 0, 9).interval("r2", o, s), "two groups or more"),
        (
            lambda o, s, g: boot(g[1:], 9).interval("r2", o, s),
            "labels: expected one for",
        ),
        (
            lambda o, s, g: boot(g, 0).interval("r2", o, s),
            "repeats and level: expected 1",
        ),
        (
            lambda o, s, g: boot(g, 9).interval("r2", o, s, seeds=2),
            "seeds: expected an axis",
        ),
        (
            lambda o, s, g: boot(g, 9).interval("r2", o, s * np.nan),
            "simulated: expected finite",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(data, call, words):
    observed, simulated, groups = data
    with pytest.raises(ValueError, match=words) as caught:
        call(observed, simulated, np.unique(groups, return_inverse=True)[1])
    assert "\n" not in str(caught.value)
