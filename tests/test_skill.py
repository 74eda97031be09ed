"""Scores, skill by scale and intervals: against scikit-learn, scipy, pandas, slow loops, and truths that are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import r2_score, root_mean_squared_error

from helpers.stats import skill, splits

FUNCTIONS = skill.SCORES | {"r2_pearson": skill.r2_pearson, "r": lambda o, s: skill.pearson(o, s)[0]}
FUNCTIONS |= {"bias": lambda o, s: (s - o).mean(-1)}


@pytest.fixture
def rng():
    return np.random.default_rng(11)


# --- scores ----------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn_and_scipy_over_leading_axes(rng):
    observed = rng.gamma(3.0, 0.3, size=9)
    simulated = observed + rng.normal(0.05, 0.3, size=(4, 3, 9))
    found = {name: score(observed, simulated) for name, score in FUNCTIONS.items()}
    p = skill.pearson(observed, simulated)[1]
    for index in np.ndindex(4, 3):
        one, theirs = simulated[index], stats.pearsonr(observed, simulated[index])
        v, u = one.std() / observed.std(), (one.mean() - observed.mean()) / np.sqrt(one.std() * observed.std())
        expected = {"r2": r2_score(observed, one), "rmse": root_mean_squared_error(observed, one)}
        expected |= {"r": theirs.statistic, "r2_pearson": theirs.statistic**2, "bias": (one - observed).mean()}
        expected["cc"] = theirs.statistic * 2 / (v + 1 / v + u**2)  # Lin's own factorisation
        expected["sde"] = np.sqrt(expected["rmse"] ** 2 - expected["bias"] ** 2)
        assert {name: values[index] for name, values in found.items()} == pytest.approx(expected, abs=1e-12)
        assert p[index] == pytest.approx(theirs.pvalue, rel=1e-9)


def test_a_perfect_simulation_a_constant_one_and_what_cannot_be_defined():
    observed = np.array([0.2, 0.9, 1.4, 2.0])
    assert [float(f(observed, observed)) for f in skill.SCORES.values()] == [1.0, 1.0, 0.0, 0.0]
    assert skill.r2(observed, np.full(4, observed.mean())) == pytest.approx(0.0)
    assert skill.pearson(observed, 3 * observed - 1) == pytest.approx((1.0, 0.0), abs=1e-7)
    flat = np.ones(4)
    undefined = skill.r2(flat, observed), skill.r2_pearson(observed, flat), skill.cc(flat, flat)
    assert np.isnan([*undefined, *skill.pearson(observed, flat)]).all()


# --- years within sites, and the jackknife ---------------------------------------------------------------------------


def made_sites(rng, sites=25, years=8):
    site = np.repeat(np.arange(sites), years)
    observed = rng.normal(size=sites)[site] + 0.3 * rng.normal(size=site.size)
    return observed, rng.normal(size=sites)[site] + 0.5 * (observed + 0.3 * rng.normal(size=site.size)), site


def test_anomalies_within_sites_are_scored_as_a_loop_over_sites_does(rng):
    observed, simulated, site = made_sites(rng)
    found = skill.within_sites(observed, simulated, site, rng, draws=50)["value"]
    o, s = (np.concatenate([x[site == k] - x[site == k].mean() for k in range(25)]) for x in (observed, simulated))
    sd = np.array([[np.std(x[site == k], ddof=1) for k in range(25)] for x in (observed, simulated)])
    r, ratio = stats.pearsonr(o, s)[0], np.sqrt(np.sum(s**2) / np.sum(o**2))
    expected = {"r": r, "ratio": ratio, "skill": 1 - np.sum((o - s) ** 2) / np.sum(o**2)}
    assert dict(found) == pytest.approx(
        expected | {"sd_r": stats.pearsonr(*sd)[0], "sd_ratio": sd[1].mean() / sd[0].mean()}
    )
    assert found["skill"] == pytest.approx(2 * r * ratio - ratio**2)


def test_the_interval_over_sites_holds_the_value_and_is_that_of_scipys_bootstrap(rng):
    observed, simulated, site = made_sites(rng, sites=40)
    found = skill.within_sites(observed, simulated, site, rng, draws=4000).loc["r"]
    a, b = (x.reshape(40, 8) - x.reshape(40, 8).mean(axis=1, keepdims=True) for x in (observed, simulated))
    how = {"method": "percentile", "n_resamples": 4000, "vectorized": False, "rng": rng}
    theirs = stats.bootstrap((np.arange(40),), lambda k: np.corrcoef(a[k].ravel(), b[k].ravel())[0, 1], **how)
    assert found["low"] < found["value"] < found["high"]
    assert (found["low"], found["high"]) == pytest.approx(theirs.confidence_interval, abs=0.01)


def test_the_jackknife_of_a_mean_is_students_interval(rng):
    for level, n in ((0.9, 6), (0.95, 20)):
        values = rng.normal(size=n)
        without = [np.delete(values, k).mean() for k in range(n)]
        low, high = stats.t.interval(level, n - 1, values.mean(), stats.sem(values))
        assert skill.jackknife(without, level) == pytest.approx((high - low) / 2)
    assert np.isnan(skill.jackknife([1.0], 0.9))


# --- skill by scale --------------------------------------------------------------------------------------------------


@pytest.fixture
def network(rng):
    """Sites of one to nine years in mixed order, with gaps, under two simulations."""
    rows = [(f"S{k:02d}", y) for k in range(30) for y in rng.choice(np.arange(2000, 2012), 1 + k % 9, replace=False)]
    frame = pd.DataFrame(rows, columns=["site", "year"]).sample(frac=1, random_state=3, ignore_index=True)
    code = frame.site.astype("category").cat.codes.to_numpy()
    level, slope = rng.normal(1.2, 0.5, 30)[code], rng.normal(0, 0.03, 30)[code]
    observed = level + slope * (frame.year - 2005).to_numpy() + 0.1 * rng.normal(size=len(frame))
    simulated = level + rng.normal(0, [[0.3], [0.1]], (2, 30))[:, code] + 0.5 * (observed - level)
    return observed, simulated, frame.site.to_numpy(), frame.year.to_numpy()


def test_scales_are_those_of_pandas_and_scipy_site_by_site(network):
    parts = skill.scale_sums(*network, trend_years=4)
    scores = {scale: {m: rule(t.sum(-2)) for m, rule in skill.STATISTICS.items()} for scale, t in parts.items()}
    for which in (0, 1):
        frame = pd.DataFrame(
            dict(zip(("o", "s", "site", "year"), (network[0], network[1][which], *network[2:]), strict=True))
        )
        long = frame.groupby("site").filter(lambda g: len(g) >= 3)
        away = long[["o", "s"]] - long.groupby("site")[["o", "s"]].transform("mean")
        longer = frame.groupby("site").filter(lambda g: len(g) >= 4).groupby("site")
        slopes = pd.DataFrame([{v: stats.linregress(g.year, g[v]).slope for v in "os"} for _, g in longer])
        worst = ((frame.o - frame.s) ** 2).groupby(frame.site).mean().sort_values().index[-3:]
        expected = {"all": frame, "across sites": frame.groupby("site")[["o", "s"]].mean(), "within sites": away}
        expected |= {"trends": slopes, "worst tenth": frame[frame.site.isin(worst)]}
        assert list(expected) == list(parts)
        for scale, pairs in expected.items():
            found = {name: values[which] for name, values in scores[scale].items()}
            theirs = {m: float(f(pairs.o.to_numpy(), pairs.s.to_numpy())) for m, f in FUNCTIONS.items()}
            assert found == pytest.approx(theirs, abs=1e-9), scale
            assert parts[scale][which, :, skill.COUNT].sum() == len(pairs)


def test_sites_too_short_have_no_timing_and_unusable_input_is_refused():
    short = skill.scale_sums([1.0, 2.0, 4.0], [1.0, 2.5, 3.0], ["a", "b", "c"], [2001, 2001, 2002])
    assert not short["within sites"].any() and not short["trends"].any()
    with pytest.raises(ValueError, match="year: expected each year of a site once, found 1 more"):
        skill.scale_sums([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], ["a", "a", "b"], [2001, 2001, 2001])
    with pytest.raises(ValueError, match="observed: expected finite values, found 1"):
        skill.cc([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="leave out sites of one year"):
        skill.within_sites([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], ["a", "a", "b"], np.random.default_rng(0))


# --- intervals by drawing sites --------------------------------------------------------------------------------------


@pytest.fixture
def dealt(rng):
    """Twelve groups of unequal size; three deals of two seeds."""
    groups = rng.permutation(np.repeat([f"g{k}" for k in range(12)], rng.integers(1, 9, 12)))
    _, code = np.unique(groups, return_inverse=True)
    observed = 1.2 + rng.normal(size=12)[code] + 0.3 * rng.normal(size=code.size)
    return observed, observed + 0.4 * rng.normal(size=(3, 2, code.size)), groups


@pytest.mark.parametrize("name", skill.STATISTICS)
def test_each_draw_takes_its_deal_and_the_samples_of_the_sites_it_drew(dealt, name):
    """The slow way: put the drawn groups' samples one after the other, as often as they were drawn, and score them."""
    observed, simulated, groups = dealt
    boot = skill.SiteBootstrap(groups, 40, np.random.default_rng(1))
    found = boot.interval(name, observed, simulated)
    assert (boot.counts.sum(-1) == 12).all()
    for draw, counts in enumerate(boot.counts.astype(int)):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in np.repeat(np.unique(groups), counts)])
        slow = FUNCTIONS[name](observed[rows], simulated[draw % 3][:, rows]).mean()
        assert found.draws[draw] == pytest.approx(slow, abs=1e-10)
    assert found.value == pytest.approx(FUNCTIONS[name](observed, simulated).mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(found.draws, [0.025, 0.975])))
    by_sums = boot.of_sums(name, skill.sums(observed, simulated, groups), np.unique(groups))
    np.testing.assert_allclose(by_sums.draws, found.draws)
    far = skill.sums(observed + 1e6, simulated + 1e6, groups).sum(-2)
    np.testing.assert_allclose(skill.STATISTICS[name](far), FUNCTIONS[name](observed, simulated), atol=1e-8)


def test_groups_of_one_sample_give_scipys_percentile_interval(rng):
    observed = rng.normal(size=60)
    simulated = observed + 0.7 * rng.normal(size=60)
    ours = skill.SiteBootstrap(np.arange(60), 20000, rng).interval("r2", observed, simulated)
    how = {"paired": True, "vectorized": True, "n_resamples": 20000, "method": "percentile", "rng": rng}
    theirs = stats.bootstrap((observed, simulated), lambda o, s, axis=-1: skill.r2(o, s), **how).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_differences_are_paired_and_p_is_where_the_interval_meets_zero(dealt, monkeypatch):
    observed, simulated, groups = dealt
    first, second = simulated, simulated + 0.2 * np.random.default_rng(3).normal(size=observed.size)
    boot = skill.SiteBootstrap(groups, 4000, np.random.default_rng(2))
    found = boot.difference("rmse", observed, first, second)
    one, two = (boot.interval("rmse", observed, s) for s in (first, second))
    np.testing.assert_allclose(found.draws, one.draws - two.draws)
    assert found.value == pytest.approx(one.value - two.value) and 0.0005 < found.p < 0.9
    monkeypatch.setattr(skill, "ENDS", (found.p / 2, 1 - found.p / 2))
    ends = boot.difference("rmse", observed, first, second)
    assert min(abs(ends.low), abs(ends.high)) < 0.03 * (found.high - found.low)
    assert boot.difference("r2", observed, first, first).p == 1.0
    assert boot.difference("rmse", observed, observed, observed + 1).p == pytest.approx(2 / 4001)
    with pytest.raises(ValueError, match="deals: expected the same of both, found 3 and 2"):
        boot.difference("r2", observed, first, second[:2])


def test_more_seeds_make_no_interval_narrower_and_what_is_undefined_is_nan(dealt):
    observed, simulated, groups = dealt
    boot = skill.SiteBootstrap(groups, 30, np.random.default_rng(2))
    once, again = (boot.interval("r2", observed, s) for s in (simulated[0], np.repeat(simulated[0], 4, axis=0)))
    assert (again.low, again.high) == pytest.approx((once.low, once.high))
    found = boot.interval("r", observed, np.full(observed.size, 0.1))
    assert np.isnan([found.value, found.low, found.high, found.p]).all()
    pair = skill.SiteBootstrap(np.arange(2), 200, np.random.default_rng(0)).interval("r2", [0.0, 1.0], [0.2, 0.9])
    assert np.isnan(pair.draws).any() and np.isfinite([pair.low, pair.high]).all()
    with pytest.raises(ValueError, match="two groups or more"):
        skill.SiteBootstrap(np.zeros(4, int), 9, np.random.default_rng(0))
    with pytest.raises(ValueError, match="groups: expected the labels that are drawn"):
        boot.of_sums("r2", skill.sums(observed, simulated, groups), np.arange(12))


def test_the_interval_covers_the_truth_about_as_often_as_it_says(rng):
    """With effects of sites, drawing sites covers, and drawing site-years as if they were independent does not."""
    truth, site, covered = 1 - (0.7**2 + 0.2**2) / (1 + 0.2**2), np.repeat(np.arange(60), 6), np.zeros(2)
    for _ in range(300):
        effect, error = rng.normal(size=60)[site], 0.7 * rng.normal(size=60)[site]
        observed = effect + 0.2 * rng.normal(size=360)
        simulated = observed + error + 0.2 * rng.normal(size=360)
        for k, groups in enumerate((site, np.arange(360))):
            found = skill.SiteBootstrap(groups, 400, rng).interval("r2", observed, simulated)
            covered[k] += (found.low < truth < found.high) / 300
    assert 0.88 < covered[0] < 0.98, "by site"
    assert covered[1] < 0.75, "by site-year"


def test_p_of_two_equally_good_models_is_about_uniform(rng):
    site, p = np.repeat(np.arange(50), 4), []
    for _ in range(300):
        observed = rng.normal(size=50)[site]
        first, second = observed + 0.6 * rng.normal(size=(2, 50))[:, site]
        p.append(skill.SiteBootstrap(site, 400, rng).difference("r2", observed, first, second).p)
    assert 0.02 < (np.array(p) < 0.05).mean() < 0.09 and 0.4 < (np.array(p) < 0.5).mean() < 0.6


def nearest(x, y, asked, k=15):
    far = ((asked[:, None] - x) ** 2).sum(-1)
    return y[np.argpartition(far, k, axis=1)[:, :k]].mean(1)


def two_models(seed, extra=(8, 8)):
    """Draw a network of towers; two neighbours' models that see the same signal and each some noise of its own."""
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(60), 4)
    signal = rng.normal(size=(60, 2))[place] + 0.2 * rng.normal(size=(240, 2))
    y = signal @ [0.5, 0.3] + 0.5 * rng.standard_t(5, 60)[place] + 0.2 * rng.normal(size=240)
    dealt = [splits.grouped_folds(place, 5, rng) for _ in range(4)]
    said = np.empty((2, 4, 1, 240))
    for model, n in enumerate(extra):
        x = np.hstack([signal, rng.normal(size=(60, n))[place]])
        for deal, folds in enumerate(dealt):
            for k in range(5):
                held = folds == k
                said[model, deal, 0, held] = nearest(x[~held], y[~held], x[held])
    return y, said, skill.SiteBootstrap(place, 200, rng)


def test_equal_models_are_seldom_called_different_and_a_known_difference_is_held():
    """Of 60 data sets some 3 may be wrong at 95 %; over places alone it is twice as many, which is why deals are in."""
    wrong, alone, found = 0, 0, []
    for seed in range(60):
        y, said, boot = two_models(seed)
        d, still = boot.difference("r2", y, *said), boot.difference("r2", y, *said[:, :, 0])
        wrong += not d.low <= 0 <= d.high
        alone += not still.low <= 0 <= still.high
        y, said, boot = two_models(1000 + seed, (2, 12))
        d = boot.difference("r2", y, *said)
        found.append((d.value, d.low, d.high))
    value, low, high = np.array(found).T
    held = ((low <= value.mean()) & (value.mean() <= high)).mean()
    assert wrong <= 6 and wrong < alone
    assert held >= 0.9 and value.mean() > 0.05
