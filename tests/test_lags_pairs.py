"""Paired gains, and the regression within sites: against slow loops, statsmodels' dummies, and data without a lag."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.stats import lags, skill


def made(seed, sites=12, years=6):
    """Samples of sites with a level each, two simulations, and groups of two sites."""
    rng = np.random.default_rng(seed)
    site = np.repeat(np.arange(sites), years)
    observed = 1 + rng.gamma(2, 1, sites)[site] + 0.2 * rng.standard_normal(site.size)
    simulated = observed + rng.standard_normal((2, site.size)) * [[0.5], [0.3]]
    return site, site // 2, observed, simulated


class TestGain:
    def test_is_the_difference_of_two_r2(self):
        _, group, observed, simulated = made(1)
        errors, variation = lags.squared_errors(observed, simulated)
        value, low, high, p = lags.gain(errors[1], errors[0], variation, group, 999, np.random.default_rng(0))
        assert value == pytest.approx(skill.r2(observed, simulated[1]) - skill.r2(observed, simulated[0]))
        assert low < value < high and p == pytest.approx(2 / 1000)

    def test_interval_is_that_of_a_slow_bootstrap_of_groups(self):
        _, group, observed, simulated = made(2)
        errors, variation = lags.squared_errors(observed, simulated)
        found = lags.gain(errors[1], errors[0], variation, group, 4000, np.random.default_rng(0))
        rng, drawn = np.random.default_rng(1), []
        for _ in range(4000):
            rows = np.concatenate([np.flatnonzero(group == g) for g in rng.choice(np.unique(group), group.max() + 1)])
            drawn.append((errors[0] - errors[1])[rows].sum() / variation[rows].sum())
        assert found[1:3] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.05)

    def test_says_nothing_is_there_about_as_seldom_as_it_should(self):
        p = []
        for seed in range(200):
            rng = np.random.default_rng(seed)
            groups = np.repeat(np.arange(40), 5)
            level = rng.standard_normal((2, 40))[:, groups]
            errors = (level + rng.standard_normal((2, 200))) ** 2
            p.append(lags.gain(errors[1], errors[0], np.ones(200), groups, 199, rng)[3])
        assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11

    def test_more_seeds_do_not_narrow_the_interval_as_more_groups_would(self):
        _, group, observed, simulated = made(3)
        errors, variation = lags.squared_errors(observed, simulated)
        once = lags.gain(errors[1], errors[0], variation, group, 999, np.random.default_rng(0))
        again = lags.gain(errors[[1] * 50].mean(0), errors[0], variation, group, 999, np.random.default_rng(0))
        assert once == pytest.approx(again)

    @pytest.mark.parametrize(("groups", "draws"), [(np.zeros(72), 99), (np.arange(72), 10)])
    def test_refuses_what_gives_no_interval(self, groups, draws):
        with pytest.raises(ValueError, match="groups, draws: expected 2 or more and 39 or more"):
            lags.gain(np.ones(72), np.ones(72), np.ones(72), groups, draws, np.random.default_rng(0))


def test_anomalies_leave_sites_out_of_the_errors():
    site, _, observed, simulated = made(4)
    errors, variation = lags.squared_errors(observed, simulated, site)
    frame = pd.DataFrame({"o": observed, "s": simulated[0]})
    frame -= frame.groupby(site).transform("mean")
    assert np.allclose(errors[0], (frame.o - frame.s) ** 2) and np.allclose(variation, frame.o**2)
    assert np.allclose(lags.squared_errors(observed, simulated + 5 * site, site)[0], errors)
    with pytest.raises(ValueError, match="expected finite values, found 1"):
        lags.squared_errors([1.0, 2.0], [1.0, np.nan])


def test_holm_by_hand():
    assert lags.adjusted([0.04, 0.01, np.nan, 0.03]) == pytest.approx([0.06, 0.03, np.nan, 0.06], nan_ok=True)
    assert np.isnan(lags.adjusted([np.nan])).all()


@pytest.mark.parametrize("size", [1, 2, 9, 30])
def test_holm_as_in_statsmodels(size):
    p = np.random.default_rng(size).beta(0.3, 1, size)
    assert lags.adjusted(p) == pytest.approx(multipletests(p, method="holm")[1])


class TestWithinSites:
    def data(self, seed, effect):
        rng = np.random.default_rng(seed)
        site = np.repeat(np.arange(20), 6)
        x = pd.DataFrame(rng.standard_normal((120, 3)), columns=["mat", "water", "water_1"]).assign(soc=1.0 * site)
        x["mat"] += 2 * rng.standard_normal(20)[site]
        y = rng.standard_normal(20)[site] + 0.3 * x.mat + effect * x.water_1 + 0.3 * rng.standard_normal(120)
        return y, x, site, site // 2

    def test_slopes_and_errors_are_those_of_a_regression_with_a_dummy_for_each_site(self):
        y, x, site, group = self.data(1, 0.2)
        found = lags.anomaly_test(y, x, ["water", "water_1"], site, group)
        dummies = pd.get_dummies(site).astype(float)
        design = pd.concat([x[["water", "water_1", "mat"]], dummies], axis=1)
        fit = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": group}, use_t=True)
        assert found.slope.to_numpy() == pytest.approx(fit.params[:2].to_numpy())
        assert found.p.to_numpy() == pytest.approx(fit.pvalues[:2].to_numpy(), rel=1e-6)
        assert found[["low", "high"]].to_numpy() == pytest.approx(fit.conf_int().to_numpy()[:2], rel=1e-6)

    def test_year_effects_and_errors_by_place_and_year_are_those_of_statsmodels(self):
        y, x, site, group = self.data(1, 0.2)
        year = 2000 + (np.arange(120) * 7 + site) % 10  # towers of unequal years
        found = lags.anomaly_test(y, x, ["water", "water_1"], site, group, year)
        dummies = [pd.get_dummies(site, dtype=float), pd.get_dummies(year, dtype=float).iloc[:, 1:]]
        model = sm.OLS(y, pd.concat([x[["water", "water_1", "mat"]], *dummies], axis=1).to_numpy())
        fits = [
            model.fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True)
            for of in (group, np.column_stack([group, year]))
        ]
        error = np.maximum(*(fit.bse[:2] for fit in fits))
        assert found.slope.to_numpy() == pytest.approx(fits[0].params[:2])
        half = stats.t(9).ppf(0.975) * error  # ten years and as many places
        assert (found.high - found.slope).to_numpy() == pytest.approx(half, rel=1e-6)
        assert found.p.to_numpy() == pytest.approx(2 * stats.t(9).sf(abs(fits[0].params[:2]) / error), rel=1e-6)

    def test_the_placebo_is_claimed_no_more_often_than_it_may_where_years_are_shared(self):
        plain, careful = [], []
        for seed in range(150):
            rng = np.random.default_rng(seed)
            site, year = (v.ravel() for v in np.meshgrid(np.arange(30), np.arange(12), indexing="ij"))
            common = rng.standard_normal((14, 4))[:, rng.integers(4, size=30)].T  # the weather of four regions
            water = 0.8 * common + 0.6 * rng.standard_normal((30, 14))
            shock = rng.standard_normal(12)[year] + 0.5 * rng.standard_normal((30, 12))[site, year]
            last, now, coming = (water[site, year + k] for k in range(3))
            held, y = pd.DataFrame({"mat": rng.standard_normal(360)}), 0.2 * now + shock
            found = lags.beside_placebo(y, held, {"now": now, "last": last}, coming, site, site, year)
            careful.append(found.p[lags.COMING])
            table = held.assign(now=now, last=last, coming=coming)
            plain.append(lags.anomaly_test(y, table, ["coming"], site, site).p["coming"])
        assert np.mean(np.array(careful) < 0.05) <= 0.09 < 0.2 < np.mean(np.array(plain) < 0.05)

    def test_the_placebo_is_tested_where_it_is_known_and_the_waters_without_it(self):
        y, x, site, group = self.data(2, 0.2)
        waters, year = {"water": x.water, "water_1": x.water_1}, np.arange(120) % 6
        coming = np.where(year == 5, np.nan, np.random.default_rng(0).standard_normal(120))
        found = lags.beside_placebo(y, x[["mat"]], waters, coming, site, group, year)
        alone = lags.anomaly_test(y, x[["mat", "water", "water_1"]], list(waters), site, group, year)
        assert found.slope[:2].tolist() == alone.slope.tolist() and found.p_holm["water_1"] >= found.p["water_1"]
        some = year < 5
        table = x.assign(coming=coming)[some].drop(columns="soc")
        placebo = lags.anomaly_test(y[some], table, ["coming"], site[some], group[some], year[some])
        assert found.slope[lags.COMING] == pytest.approx(placebo.slope["coming"])

    def test_finds_the_year_that_matters_and_seldom_another(self):
        found = pd.concat([lags.anomaly_test(*self.arranged(seed)) for seed in range(60)])
        share = (found.p < 0.05).groupby(level=0).mean()
        assert share["water_1"] > 0.95 and share["water"] < 0.2

    def arranged(self, seed):
        y, x, site, group = self.data(seed, 0.2)
        return y, x, ["water", "water_1"], site, group

    def test_what_never_changes_has_no_slope(self):
        y, x, site, group = self.data(1, 0.0)
        assert lags.anomaly_test(y, x, ["soc"], site, group).isna().all(axis=None)

    def test_refuses_more_slopes_than_years(self):
        y, x, site, group = self.data(1, 0.0)
        with pytest.raises(ValueError, match="expected more samples than means and slopes"):
            lags.anomaly_test(y[:6], x[:6], ["water"], site[:6], group[:6])
