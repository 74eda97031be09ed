"""Skill by scale, against pandas and scipy, site by site."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from helpers.stats import skill


@pytest.fixture
def data():
    """Sites of one to nine years in mixed order, with gaps, under two simulations."""
    rng = np.random.default_rng(11)
    rows = [
        (f"S{k:02d}", y) for k in range(30) for y in rng.choice(np.arange(2000, 2012), size=1 + k % 9, replace=False)
    ]
    frame = pd.DataFrame(rows, columns=["site", "year"]).sample(frac=1, random_state=3, ignore_index=True)
    code = frame.site.astype("category").cat.codes.to_numpy()
    level, slope = rng.normal(1.2, 0.5, 30)[code], rng.normal(0, 0.03, 30)[code]
    observed = level + slope * (frame.year - 2005).to_numpy() + 0.1 * rng.normal(size=len(frame))
    simulated = level + rng.normal(0, [[0.3], [0.1]], (2, 30))[:, code] + 0.5 * (observed - level)
    return observed, simulated, frame.site.to_numpy(), frame.year.to_numpy()


def frames(data, which):
    observed, simulated, site, year = data
    return pd.DataFrame({"o": observed, "s": simulated[which], "site": site, "year": year})


@pytest.mark.parametrize("which", [0, 1])
def test_across_sites_and_within_them_as_pandas_does_it(data, which):
    found, frame = skill.by_scale(*data), frames(data, which)
    means = frame.groupby("site")[["o", "s"]].mean()
    across = found["across sites"]
    assert across["r2"][which] == pytest.approx(r2_score(means.o, means.s))
    assert across["cc"][which] == pytest.approx(skill.cc(means.o, means.s))
    assert across["n"][which] == across["sites"][which] == 30
    long = frame.groupby("site").filter(lambda g: len(g) >= 3)
    away = long[["o", "s"]] - long.groupby("site")[["o", "s"]].transform("mean")
    within = found["within sites"]
    assert within["r2"][which] == pytest.approx(1 - ((away.o - away.s) ** 2).sum() / (away.o**2).sum())
    assert within["r"][which] == pytest.approx(stats.pearsonr(away.o, away.s).statistic)
    assert within["rmse"][which] == pytest.approx(np.sqrt(((away.o - away.s) ** 2).mean()))
    assert (within["n"][which], within["sites"][which]) == (len(long), long.site.nunique())
    assert found["all"]["r2"][which] == pytest.approx(r2_score(frame.o, frame.s))
    assert found["all"]["share"][which] == pytest.approx(1.0)


@pytest.mark.parametrize("which", [0, 1])
def test_trends_are_scipys_slopes(data, which):
    found, frame = skill.by_scale(*data, trend_years=4)["trends"], frames(data, which)
    long = frame.groupby("site").filter(lambda g: len(g) >= 4)
    slopes = np.array([[stats.linregress(g.year, g[v]).slope for v in ("o", "s")] for _, g in long.groupby("site")])
    assert found["r2"][which] == pytest.approx(r2_score(*slopes.T))
    assert found["r"][which] == pytest.approx(stats.pearsonr(*slopes.T).statistic)
    assert found["n"][which] == len(slopes)


@pytest.mark.parametrize("which", [0, 1])
def test_the_worst_tenth_are_the_sites_of_the_largest_rmse(data, which):
    found, frame = skill.by_scale(*data)["worst tenth"], frames(data, which)
    squares = ((frame.o - frame.s) ** 2).groupby(frame.site)
    worst = squares.mean().sort_values().index[-3:]
    own = frame[frame.site.isin(worst)]
    assert found["rmse"][which] == pytest.approx(np.sqrt(((own.o - own.s) ** 2).mean()))
    assert found["share"][which] == pytest.approx(squares.sum()[worst].sum() / squares.sum().sum())
    assert (found["sites"][which], found["n"][which]) == (3, len(own))


def test_parts_make_the_whole(data):
    """Squared error and variance over site-years are those within sites plus those across, years as weights."""
    observed, simulated, site, year = data
    parts = skill.scale_sums(observed, simulated, site, year, min_years=2)
    single = parts["all"][..., 0] == 1
    within = skill.STATISTICS["rmse"](parts["within sites"].sum(-2)) ** 2 * parts["within sites"][..., 0].sum(-1)
    means = parts["across sites"]
    across = ((means[..., 1] - means[..., 2]) ** 2 * parts["all"][..., 0]).sum(-1)
    np.testing.assert_allclose(within + across, ((observed - simulated) ** 2).sum(-1))
    assert (parts["within sites"][:, single[0]] == 0).all()


def test_leading_axes_are_scored_one_by_one(data):
    observed, simulated, site, year = data
    both = skill.by_scale(observed, simulated, site, year)
    for which in (0, 1):
        one = skill.by_scale(observed, simulated[which], site, year)
        for scale in both:
            for name, value in one[scale].items():
                assert both[scale][name][which] == pytest.approx(value, nan_ok=True), (scale, name)
    assert pd.DataFrame(one).T.shape == (5, 10)


def test_scales_have_intervals_by_drawing_groups_of_sites(data):
    observed, simulated, site, year = data
    place = {name: k // 2 for k, name in enumerate(np.unique(site))}
    groups, of_site = np.array([place[s] for s in site]), np.array(list(place.values()))
    boot = skill.SiteBootstrap(groups, 60, np.random.default_rng(0))
    parts = skill.scale_sums(observed, simulated, site, year)
    whole = boot.of_sums("r2", parts["all"], of_site)
    np.testing.assert_allclose(whole.draws, boot.interval("r2", observed, simulated).draws)
    found = boot.of_sums("r2", parts["across sites"], of_site)
    means = pd.DataFrame({"o": observed, "s": simulated[0], "site": site}).groupby("site")[["o", "s"]].mean().to_numpy()
    for draw, counts in enumerate(boot.counts.astype(int)):
        rows = np.concatenate([np.flatnonzero(of_site == g) for g in np.repeat(np.arange(15), counts)])
        assert found.draws[0, draw] == pytest.approx(r2_score(*means[rows].T))
    with pytest.raises(ValueError, match="groups: expected the labels that are drawn"):
        boot.of_sums("r2", parts["all"], of_site + 1)


def test_simulations_that_never_change_within_sites_have_no_timing(data):
    observed, _, site, year = data
    constant = {s: v for s, v in zip(np.unique(site), np.random.default_rng(0).random(30), strict=True)}
    found = skill.by_scale(observed, np.array([constant[s] for s in site]), site, year)
    assert found["within sites"]["r2"] == pytest.approx(0.0) and np.isnan(found["within sites"]["r"])
    assert np.isnan(found["trends"]["r"]) and found["trends"]["r2"] <= 0


def test_no_site_is_long_enough():
    found = skill.by_scale([1.0, 2.0, 4.0], [1.0, 2.5, 3.0], ["a", "b", "c"], [2001, 2001, 2002])
    for scale in ("within sites", "trends"):
        assert found[scale]["n"] == 0 and np.isnan(found[scale]["r2"]) and np.isnan(found[scale]["rmse"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"year": [2001, 2001, 2001]}, "year: expected each year of a site once, found 1 more"),
        ({"year": [2001, 2002]}, "site and year: expected one of each for 3 samples, found 3 and 2"),
        ({"min_years": 1}, "min_years: expected 2 or more, found 1"),
        ({"worst": 0}, "worst: expected a share above 0"),
    ],
)
def test_unusable_input_is_refused_in_one_line(change, words):
    settings = {"observed": [1.0, 2.0, 3.0], "simulated": [1.0, 2.0, 2.0], "site": ["a", "a", "b"]}
    settings |= {"year": [2001, 2002, 2001]} | change
    with pytest.raises(ValueError, match=words):
        skill.by_scale(**settings)
