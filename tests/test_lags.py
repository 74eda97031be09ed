"""Gains, the regression within sites and the verdict: against slow loops, statsmodels, and data without a lag."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.demo import lag_power
from helpers.stats import lags, skill
from helpers.stats.lags import BEFORE, COMING, LAST, STOPPED, THREE, TOTAL, YEARS


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
        found = lags.gain(errors[1], errors[0], variation, group, 999, np.random.default_rng(0))
        assert found.value == pytest.approx(skill.r2(observed, simulated[1]) - skill.r2(observed, simulated[0]))
        assert found.low < found.value < found.high and found.p == pytest.approx(2 / 1000)

    def test_interval_is_that_of_a_slow_bootstrap_of_groups(self):
        _, group, observed, simulated = made(2)
        errors, variation = lags.squared_errors(observed, simulated)
        found = lags.gain(errors[1], errors[0], variation, group, 4000, np.random.default_rng(0))
        rng, drawn = np.random.default_rng(1), []
        for _ in range(4000):
            rows = np.concatenate([np.flatnonzero(group == g) for g in rng.choice(np.unique(group), group.max() + 1)])
            drawn.append((errors[0] - errors[1])[rows].sum() / variation[rows].sum())
        assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.05)

    def test_says_nothing_is_there_about_as_seldom_as_it_should(self):
        p = []
        for seed in range(200):
            rng = np.random.default_rng(seed)
            groups = np.repeat(np.arange(40), 5)
            level = rng.standard_normal((2, 40))[:, groups]
            errors = (level + rng.standard_normal((2, 200))) ** 2
            p.append(lags.gain(errors[1], errors[0], np.ones(200), groups, 199, rng).p)
        assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11


def test_anomalies_leave_sites_out_of_the_errors():
    site, _, observed, simulated = made(4)
    errors, variation = lags.squared_errors(observed, simulated, site)
    frame = pd.DataFrame({"o": observed, "s": simulated[0]})
    frame -= frame.groupby(site).transform("mean")
    assert np.allclose(errors[0], (frame.o - frame.s) ** 2) and np.allclose(variation, frame.o**2)
    assert np.allclose(lags.squared_errors(observed, simulated + 5 * site, site)[0], errors)
    with pytest.raises(ValueError, match="expected finite values, found 1"):
        lags.squared_errors([1.0, 2.0], [1.0, np.nan])


def test_holm_is_that_of_statsmodels_and_leaves_out_what_is_missing():
    p = np.random.default_rng(9).beta(0.3, 1, 30)
    assert lags.adjusted(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert lags.adjusted([0.04, 0.01, np.nan, 0.03]) == pytest.approx([0.06, 0.03, np.nan, 0.06], nan_ok=True)


def test_gains_leave_out_what_a_model_was_not_tested_on():
    errors = {"A": np.array([1.0, 1, 1, np.nan]), "B": np.array([0.5, 0.5, 0.5, 0])}
    rest = np.ones(4), np.array([0, 0, 1, 2]), 99, np.random.default_rng(0)
    table = lags.gains(errors, [("B", "A"), ("A", "B")], *rest)
    assert table.gain.tolist() == [0.5, -0.5] and (table.p_holm >= table.p).all()
    assert lags.plain_gain(errors["B"], errors["A"], np.ones(4)) == pytest.approx(0.5)


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
        for seed in range(100):
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


# --- the verdict -----------------------------------------------------------------------------------------------------


def numbers(all_gains=0.0, water=0.0, slope=0.0, years_p=0.5, copies=0.0, permutations=20, placebo=0.0):
    """A table of the chapter whose gains and slopes are for sure where they aren't zero."""
    rows = []

    def row(protocol, null, model, score, reference, gain, p):
        ends = gain - 0.01, gain + 0.01
        rows.append((protocol, null, model, score, reference, gain, *ends, p, p, 20, 5, permutations))

    def sure(gain):
        return 0.001 if gain else 0.8

    for protocol in ("re-drawn", "grouped", STOPPED):
        for score in ("all", "anomalies"):
            for model in ("CNN2", "CNN3", "CNN4", "CNN5", "CNN6"):
                gain = 0.01 if protocol == "re-drawn" else all_gains
                row(protocol, "none", model, score, "CNN1", gain, sure(gain))
            for model, reference in (
                (LAST, "CNN1"),
                (BEFORE, "CNN1"),
                (THREE, "CNN1"),
                ("CNN5", "CNN2"),
                (THREE, "CNN2"),
            ):
                gain = water if model == LAST and score == "anomalies" else 0.0
                row(protocol, "none", model, score, reference, gain, sure(gain))
            row(protocol, "coming year", COMING, score, "CNN1", placebo, sure(placebo))
            row(protocol, "true order", "CNN5", score, "CNN1", 0.1, np.nan)
            row(protocol, "among years", "CNN5", score, "CNN1", copies, years_p)
            row(protocol, "among sites", "CNN5", score, "CNN1", copies, 0.5)
    for protocol in ("within sites", TOTAL, f"{TOTAL}, kg"):
        for name in YEARS:
            value = slope if name == LAST else 0.0
            row(protocol, "none", name, "slope", "none", value, sure(value))
        row(protocol, "coming year", COMING, "slope", "none", placebo, sure(placebo))
    names = ["protocol", "null", "model", "score", "reference", "gain", "low", "high", "p", "p_holm"]
    return pd.DataFrame(rows, columns=[*names, "seeds", "folds", "permutations"])


def power(share):
    """Counts of 20 worlds in which every protocol finds what was planted in this share, and claims nothing else."""
    protocols = ("re-drawn", "grouped, stopped, anomalies", "within sites", TOTAL)
    found = [
        (p, planted, back, planted == lags.PLANTED[back + 1] and back >= 0)
        for p in protocols for planted in lags.PLANTED for back in (0, 1, 2, -1)
    ]  # fmt: skip
    each = pd.DataFrame(found, columns=["protocol", "planted", "back", "found"])
    every = [each.assign(found=each.found & (k < round(20 * share))) for k in range(20)]
    return lag_power.rates(pd.concat(every))


class TestVerdict:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, {"paper": "gain", "networks": "not found", "total": "not found"}),
            ({"water": 0.05, "slope": 0.03}, {"networks": "gain", "total": "rises with it"}),
            ({"water": -0.05, "slope": -0.03}, {"networks": "loss", "total": "falls with it"}),
            (
                {"water": 0.05, "slope": 0.03, "placebo": 0.02},
                dict.fromkeys(("paper", "networks", "total"), "as does the placebo"),
            ),
            ({"water": 0.05, "slope": 0.03, "placebo": -0.02}, {"networks": "gain", "total": "as does the placebo"}),
            ({"water": -0.05, "placebo": -0.02}, {"networks": "as does the placebo"}),
        ],
    )
    def test_a_claim_counts_where_its_placebo_is_silent_and_a_loss_is_no_gain(self, given, said):
        table = lags.verdict(numbers(**given), power(0.5)).set_index(["question", "water"])
        at = {
            "paper": ("the paper's split", "CNN3 over CNN1"),
            "networks": ("unseen places, anomalies", f"{LAST} over CNN1"),
            "total": (TOTAL, LAST),
        }
        assert {name: table.verdict[at[name]] for name in said} == said

    def test_estimates_and_placebos_stand_where_they_were_found_and_power_beside_them(self):
        table = lags.verdict(numbers(slope=0.03, placebo=0.02), power(0.5)).set_index(["question", "water"])
        row = table.loc[(TOTAL, LAST)]
        assert (row.estimate, row.low, row.high, row.placebo) == pytest.approx((0.03, 0.02, 0.04, 0.02))
        assert (row["found where planted"], row["claimed where not"]) == ("10 of 20", "0 of 20")


# Permutations of drought among samples: what moves, what stays, and how often.


SITES = np.array(["B", "A", "C", "A", "B", "A", "D", "B", "C", "E"])
WHEN = np.array([2003, 2001, 2005, 2000, 2001, 2004, 2009, 2002, 2001, 2002])


def test_within_a_site_all_orders_are_equally_likely():
    moved, alone = lags.shuffled_within(SITES, 12000, np.random.default_rng(0))
    assert (np.sort(moved, axis=-1) == np.arange(10)).all() and (SITES[moved] == SITES).all() and alone == 2
    _, counts = np.unique(moved[:, SITES == "A"], axis=0, return_counts=True)
    assert len(counts) == 6 and (abs(counts - 2000) < 4 * np.sqrt(12000 / 6 * 5 / 6)).all()


def test_series_move_among_sites_whole_and_in_order():
    moved, own = lags.dealt_among_sites(SITES, WHEN, 300, np.random.default_rng(5))
    assert (np.sort(moved, axis=-1) == np.arange(10)).all() and (own == (SITES[moved] == SITES).sum(-1)).all()
    assert abs(own.mean() - 2.4) < 0.5, "chance keeps about the sum of squared shares: (9 + 9 + 4 + 1 + 1) / 10"
    for copy in moved[:50]:
        for site in set(SITES):
            given_to = np.flatnonzero(site == SITES)
            taken = copy[given_to[np.argsort(WHEN[given_to])]]  # rows in the order of the receiving site's years
            for run in np.split(taken, np.flatnonzero(SITES[taken][1:] != SITES[taken][:-1]) + 1):
                years = np.sort(WHEN[SITES[run[0]] == SITES])  # a run leaves no year of its series out
                first = np.searchsorted(years, WHEN[run[0]])
                assert (years[first : first + len(run)] == WHEN[run]).all()
