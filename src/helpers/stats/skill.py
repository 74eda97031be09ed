"""How well simulations meet observations: arrays in, numbers out.

The four scores of Table 1 and the correlation of Fig 3; skill taken apart into sites, years and trends; and intervals
of scores, and of differences between scores, by drawing sites.

Every score takes ``observed`` and ``simulated`` with samples along the last axis and broadcasts over the leading ones,
so that an ensemble (member, sample) is scored in one call. Sums are taken in float64.

>>> observed = [1.0, 2.0, 3.0]
>>> float(r2(observed, [1.5, 2.5, 3.5])), float(r2_pearson(observed, [1.5, 2.5, 3.5]))
(0.625, 1.0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from helpers.stats.labels import indexed


def _pair(observed: ArrayLike, simulated: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    obs, sim = np.asarray(observed, dtype=np.float64), np.asarray(simulated, dtype=np.float64)
    if obs.shape[-1:] != sim.shape[-1:] or obs.ndim == 0 or obs.shape[-1] == 0:
        raise ValueError(
            f"observed and simulated: expected equally many samples along the last axis (one or more), found shapes "
            f"{obs.shape} and {sim.shape}"
        )
    for name, values in (("observed", obs), ("simulated", sim)):
        bad = values.size - np.isfinite(values).sum()
        if bad:
            raise ValueError(f"{name}: expected finite values, found {bad} that are not; drop those samples first")
    return obs, sim


def r2(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    r"""Coefficient of determination, :math:`1 - \mathrm{SSE} / \mathrm{SST}`; negative when worse than the mean.

    Parameters
    ----------
    observed, simulated : array_like, shape (..., sample)
        Same units; leading axes broadcast.

    Returns
    -------
    ndarray, shape (...)
        NaN where the observations are all equal.

    Raises
    ------
    ValueError
        The numbers of samples differ, or a value is not finite.
    """
    obs, sim = _pair(observed, simulated)
    error = ((obs - sim) ** 2).sum(-1)
    total = ((obs - obs.mean(-1, keepdims=True)) ** 2).sum(-1)
    return 1.0 - error / np.where(total > 0, total, np.nan)


def _moments(observed: ArrayLike, simulated: ArrayLike) -> tuple[np.ndarray, ...]:
    """Return anomalies' products over samples: mean difference, two variances and the covariance, all with ddof 0."""
    obs, sim = _pair(observed, simulated)
    mean_obs, mean_sim = obs.mean(-1, keepdims=True), sim.mean(-1, keepdims=True)
    a, b = obs - mean_obs, sim - mean_sim
    return (mean_obs - mean_sim)[..., 0], (a * a).mean(-1), (b * b).mean(-1), (a * b).mean(-1)


def r2_pearson(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    """Square of Pearson's correlation: blind to bias and to scale. NaN where either side is constant."""
    _, var_obs, var_sim, cov = _moments(observed, simulated)
    product = var_obs * var_sim
    return cov**2 / np.where(product > 0, product, np.nan)


def cc(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    r"""Lin's concordance correlation, :math:`2 s_{xy} / (s_x^2 + s_y^2 + (\bar x - \bar y)^2)`, variances with ddof 0.

    References
    ----------
    Lin, L. I. (1989). A concordance correlation coefficient to evaluate reproducibility. Biometrics 45, 255-268.
    """
    bias, var_obs, var_sim, cov = _moments(observed, simulated)
    spread = var_obs + var_sim + bias**2
    return 2.0 * cov / np.where(spread > 0, spread, np.nan)


def rmse(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    """Root mean square error, in the units of the input."""
    obs, sim = _pair(observed, simulated)
    return np.sqrt(((sim - obs) ** 2).mean(-1))


def sde(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    """Return the standard deviation of the error (ddof 0): RMSE² = bias² + SDE²."""
    obs, sim = _pair(observed, simulated)
    return (sim - obs).std(-1)


def pearson(observed: ArrayLike, simulated: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's correlation and its two-sided p under independence and normality (Student's t, n - 2 degrees).

    Parameters
    ----------
    observed, simulated : array_like, shape (..., sample)
        At least three samples.

    Returns
    -------
    r, p : ndarray, shape (...)
        NaN where either side is constant.

    Raises
    ------
    ValueError
        Fewer than three samples, unequal lengths, or a value that is not finite.
    """
    _, var_obs, var_sim, cov = _moments(observed, simulated)
    n = np.shape(observed)[-1]
    if n < 3:
        raise ValueError(f"observed: Pearson's p needs at least 3 samples, found {n}")
    product = var_obs * var_sim
    r = np.clip(cov / np.sqrt(np.where(product > 0, product, np.nan)), -1.0, 1.0)
    # |r| = 1 gives an infinite t, whose tail is rightly 0
    with np.errstate(divide="ignore"):
        t = r * np.sqrt((n - 2) / (1.0 - r**2))
    return r, 2.0 * stats.t.sf(np.abs(t), n - 2)


def within_sites(
    observed: ArrayLike, simulated: ArrayLike, site: ArrayLike, rng: np.random.Generator, draws: int = 1000
) -> pd.DataFrame:
    r"""Score the years of sites, whatever the sites' means: spread and timing of anomalies, and the skill they make.

    With anomalies o' and s' (values less their site's mean), :math:`r = \sum o's' / \sqrt{\sum o'^2 \sum s'^2}` and
    :math:`\rho = \sqrt{\sum s'^2 / \sum o'^2}`,

    .. math:: S = 1 - \frac{\sum (o' - s')^2}{\sum o'^2} = 2 r \rho - \rho^2 \le r^2,

    so that a given r is used best by :math:`\rho = r`, less spread than was observed.

    Parameters
    ----------
    observed, simulated : array_like (sample,)
        One unit, finite.
    site : array_like (sample,)
        Label of each sample's site; two samples of each or more, three sites or more.
    rng : numpy.random.Generator
        Draws sites with replacement.
    draws : int
        How often (1 or more).

    Returns
    -------
    DataFrame
        Rows ``r``, ``ratio`` (:math:`\rho`), ``skill`` (S), ``sd_r`` (Pearson's r over sites of the standard
        deviations, ddof 1) and ``sd_ratio`` (ratio of their means); columns ``value``, and ``low`` and ``high``, the
        2.5th and 97.5th percentile over draws. NaN where a side never changes.

    Raises
    ------
    ValueError
        Too few sites or samples, unequal lengths, or a value that is not finite.
    """
    obs, sim = _pair(observed, simulated)
    labels, which = indexed(site, "site")
    n = np.bincount(which)
    if which.size != obs.size or labels.size < 3 or n.min() < 2:
        raise ValueError(
            f"site: expected one for each of {obs.size} samples, 3 sites or more with 2 samples or more each, found "
            f"{which.size} labels of {labels.size} sites; leave out sites of one year"
        )
    a, b = (values - (np.bincount(which, values) / n)[which] for values in (obs, sim))
    b[np.abs(b) < 1e-12 * np.abs(sim).max()] = 0.0  # a site that never changes leaves rounding, not timing
    sums = np.stack([np.bincount(which, product) for product in (a * b, a * a, b * b)])
    sd = np.sqrt(sums[1:] / (n - 1))
    pick = np.vstack([np.arange(labels.size), rng.integers(labels.size, size=(draws, labels.size))])
    both, var_obs, var_sim = sums[:, pick].sum(-1)
    var_obs = np.where(var_obs > 0, var_obs, np.nan)
    found = {"r": both / np.sqrt(var_obs * np.where(var_sim > 0, var_sim, np.nan)), "ratio": np.sqrt(var_sim / var_obs)}
    found["skill"] = (2 * both - var_sim) / var_obs
    found["sd_r"] = pearson(sd[0][pick], sd[1][pick])[0]
    found["sd_ratio"] = sd[1][pick].mean(-1) / np.where(var_obs > 0, sd[0][pick].mean(-1), np.nan)
    rows = {name: (values[0], *_middle(values[1:])) for name, values in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"]).astype("float64")


def _middle(values: np.ndarray) -> np.ndarray:
    """Return the ends of the middle 95 % of those values that are defined."""
    known = values[np.isfinite(values)]
    return np.quantile(known, [0.025, 0.975]) if known.size else np.full(2, np.nan)


def jackknife(members: ArrayLike, statistic: Callable[[np.ndarray], float]) -> tuple[float, float]:
    r"""Return a statistic of the mean of an ensemble, and half the width of its 95 % interval.

    With :math:`\theta_{(m)}` the statistic without member m of M, the standard error is
    :math:`\sqrt{\frac{M - 1}{M} \sum_m (\theta_{(m)} - \bar\theta)^2}`. It says how
    firmly the ensemble stands, were other members drawn; an error that all share is not in it.

    Parameters
    ----------
    members : array_like (member, ...)
    statistic : callable
        Of the members' mean (...): a number.

    Returns
    -------
    value, half : float
        ``half`` is NaN for a single member.

    References
    ----------
    Efron, B. and Stein, C. (1981). The jackknife estimate of variance. Ann. Stat. 9, 586-596,
    doi:10.1214/aos/1176345462.
    """
    every = np.asarray(members, dtype=np.float64)
    value = float(statistic(every.mean(0)))
    if len(every) == 1:
        return value, np.nan
    rest = np.array([statistic((every.sum(0) - one) / (len(every) - 1)) for one in every])
    return value, float(1.96 * np.sqrt((len(every) - 1) * rest.var()))


SCORES = {"r2": r2, "cc": cc, "rmse": rmse, "sde": sde}
"""The four scores of Table 1, under the names they carry in ``ablation.nc``."""


# Scores from sums: what a set of samples adds to the number, the sums, the squares and the products.
#
# Sums of parts add up to the sums of the whole, so that a score of any collection of sites costs an addition a site.


COUNT, OBS, SIM, OBS2, SIM2, BOTH = range(6)
"""Places along the last axis of sums: number, observed, simulated, their squares, and their product."""


def sums(observed: ArrayLike, simulated: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Add up samples by label.

    Parameters
    ----------
    observed, simulated : array_like, shape (..., sample)
        One unit, finite; leading axes broadcast. Both are taken less the mean of all observations, which keeps the
        squares small and changes none of the `STATISTICS`.
    labels : array_like, shape (sample,)

    Returns
    -------
    ndarray, shape (..., label, 6), float64
        Labels in sorted order; along the last axis number, sum of observed, of simulated, of their squares, of the
        product.
    """
    obs, sim = _pair(observed, simulated)
    level = obs.mean()
    obs, sim = np.broadcast_arrays(obs - level, sim - level)
    return add(np.stack([np.ones_like(obs), obs, sim, obs * obs, sim * sim, obs * sim], axis=-1), labels)


def add(rows: np.ndarray, labels: ArrayLike) -> np.ndarray:
    """Add up rows (..., row, 6) by label (row,); return (..., label, 6), labels in sorted order."""
    _, which = indexed(labels, "labels", rows.shape[-2])
    order = np.argsort(which, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(which[order]) > 0])
    return np.add.reduceat(rows[..., order, :], starts, axis=-2)


def _divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return a ratio, NaN where nothing is divided by."""
    return top / np.where(bottom > 0, bottom, np.nan)


def _number(t: np.ndarray) -> np.ndarray:
    return np.where(t[..., COUNT] > 0, t[..., COUNT], np.nan)


def squared_error(t: np.ndarray) -> np.ndarray:
    """Return the sum of squared errors; rounding leaves a perfect simulation a little beside zero."""
    return np.maximum(t[..., OBS2] - 2 * t[..., BOTH] + t[..., SIM2], 0.0)


def _moments_of_sums(t: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return mean difference, both variances and the covariance (ddof 0), from totals (..., 6)."""
    n = _number(t)
    mean_o, mean_s = t[..., OBS] / n, t[..., SIM] / n
    var_o = _unrounded(t[..., OBS2] / n - mean_o**2, t[..., OBS2] / n)
    var_s = _unrounded(t[..., SIM2] / n - mean_s**2, t[..., SIM2] / n)
    return mean_s - mean_o, var_o, var_s, t[..., BOTH] / n - mean_o * mean_s


def _unrounded(variance: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Set a variance that is rounding, beside the mean square that it comes from, to zero."""
    return np.where(variance > 1e-13 * square, variance, 0.0)


def _r2_of_sums(t: np.ndarray) -> np.ndarray:
    _, var_o, _, _ = _moments_of_sums(t)
    return 1.0 - _divided(squared_error(t), var_o * t[..., COUNT])


def _r(t: np.ndarray) -> np.ndarray:
    _, var_o, var_s, cov = _moments_of_sums(t)
    return np.clip(_divided(cov, np.sqrt(var_o * var_s)), -1.0, 1.0)


def _cc(t: np.ndarray) -> np.ndarray:
    bias, var_o, var_s, cov = _moments_of_sums(t)
    return _divided(2.0 * cov, var_o + var_s + bias**2)


def _sde(t: np.ndarray) -> np.ndarray:
    bias = _moments_of_sums(t)[0]
    return np.sqrt(np.maximum(squared_error(t) / _number(t) - bias**2, 0.0))


STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "r2": _r2_of_sums,
    "r2_pearson": lambda t: _r(t) ** 2,
    "r": _r,
    "cc": _cc,
    "rmse": lambda t: np.sqrt(squared_error(t) / _number(t)),
    "sde": _sde,
    "bias": lambda t: _moments_of_sums(t)[0],
}
"""Scores of totals (..., 6), under the names of the functions of `helpers.stats.skill`; undefined ones are NaN."""


# Skill taken apart: across sites, among the years of a site, in the trends of sites, and at the sites done worst.
#
# A high score over all site-years may be that of the differences between sites alone. A map of trends rests on the
# others.


SCALES = ("all", "across sites", "within sites", "trends", "worst tenth")


def scale_sums(
    observed: ArrayLike,
    simulated: ArrayLike,
    site: ArrayLike,
    year: ArrayLike,
    *,
    min_years: int = 3,
    trend_years: int = 5,
) -> dict[str, np.ndarray]:
    """Return what each site adds to the sums of each scale; `helpers.stats.skill.SiteBootstrap.of_sums` takes them.

    Parameters
    ----------
    observed, simulated : array_like, shape (..., sample)
        One unit, finite; leading axes broadcast.
    site, year : array_like, shape (sample,)
        A site has a year once.
    min_years : int
        Sites with fewer years have no anomalies (2 or more).
    trend_years : int
        Sites with fewer years have no trend (2 or more).

    Returns
    -------
    dict of ndarray, shape (..., site, 6)
        Keys ``all``, ``across sites`` (means, each site once), ``within sites`` (anomalies: values less their site's
        mean) and ``trends`` (slopes of ordinary least squares a year, each site once); sites in sorted order, zeros
        where one has no part. The last axis is that of `helpers.stats.skill`.

    Raises
    ------
    ValueError
        Unequal lengths, a value that is not finite, a site that has a year twice, or too small a number of years.
    """
    obs, sim = np.broadcast_arrays(*_pair(observed, simulated))
    label, code = indexed(site, "site")
    distinct, place = indexed(year, "year")
    when = distinct[place].astype(np.float64)
    _check(obs.shape[-1], code, when, min_years, trend_years)
    whole, years = sums(obs, sim, code), np.bincount(code)
    (mean_o, a), (mean_s, b) = (_anomalies(values, code, years) for values in (obs, sim))
    within = add(np.stack([np.ones_like(a), 0 * a, 0 * a, a * a, b * b, a * b], axis=-1), code)
    away = when - (np.bincount(code, when) / years)[code]
    spread = np.bincount(code, away**2)
    rising = add(np.stack([a * away, b * away], axis=-1), code) / np.where(spread > 0, spread, np.nan)[:, None]
    return {
        "all": whole,
        "across sites": _ones(mean_o, mean_s, np.ones(label.size, bool)),
        "within sites": np.where((years >= min_years)[:, None], within, 0.0),
        "trends": _ones(rising[..., 0], rising[..., 1], years >= trend_years),
    }


def _anomalies(values: np.ndarray, code: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sites' means (..., site), and values less them, without the rounding of those that never change."""
    mean = add(values[..., None], code)[..., 0] / years
    away = values - mean[..., code]
    return mean, np.where(np.abs(away) > 1e-12 * np.abs(values).max(), away, 0.0)


def _check(samples: int, code: np.ndarray, when: np.ndarray, min_years: int, trend_years: int) -> None:
    if code.shape != (samples,) or when.shape != (samples,):
        raise ValueError(
            f"site and year: expected one of each for {samples} samples, found {code.size} and {when.size}; pair them"
        )
    twice = samples - len(np.unique(np.stack([code, when]), axis=1).T)
    if twice:
        raise ValueError(f"year: expected each year of a site once, found {twice} more; average or drop them")
    for name, value in (("min_years", min_years), ("trend_years", trend_years)):
        if value < 2:
            raise ValueError(f"{name}: expected 2 or more, found {value}")


def _ones(observed: np.ndarray, simulated: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return sums of one value a site, zeros where ``taken`` (site,) is false."""
    o, s = (np.where(taken, values, 0.0) for values in (observed, simulated))
    return np.stack([np.broadcast_to(taken.astype(float), o.shape), o, s, o * o, s * s, o * s], axis=-1)


def by_scale(
    observed: ArrayLike,
    simulated: ArrayLike,
    site: ArrayLike,
    year: ArrayLike,
    *,
    min_years: int = 3,
    trend_years: int = 5,
    worst: float = 0.1,
) -> dict[str, dict[str, np.ndarray]]:
    """Score each scale by itself.

    Parameters
    ----------
    observed, simulated, site, year, min_years, trend_years
        See `scale_sums`.
    worst : float
        Share of the sites that counts as done worst, by RMSE (above 0, up to 1); at least one site.

    Returns
    -------
    dict of dict of ndarray, shape (...)
        For each of `SCALES`, the `STATISTICS`, the number of ``sites``, the number ``n`` of values scored
        (site-years, site means, anomalies, slopes), and ``share``, the part of all squared error of site-years that the
        sites scored have. ``pandas.DataFrame(found).T`` makes a table of it where there are no leading axes. R2 of
        anomalies is about each site's mean, and of slopes about the mean slope. RMSE of slopes is a year.
    """
    if not 0 < worst <= 1:
        raise ValueError(f"worst: expected a share above 0 and up to 1, found {worst}")
    parts = scale_sums(observed, simulated, site, year, min_years=min_years, trend_years=trend_years)
    error = squared_error(parts["all"])
    rank = np.argsort(np.argsort(-error / parts["all"][..., COUNT], axis=-1, kind="stable"), axis=-1)
    tail = rank < max(1, round(worst * rank.shape[-1]))
    parts["worst tenth"] = np.where(tail[..., None], parts["all"], 0.0)
    found = {}
    for scale in SCALES:
        total, taken = parts[scale].sum(-2), parts[scale][..., COUNT] > 0
        found[scale] = {name: rule(total) for name, rule in STATISTICS.items()}
        found[scale] |= {"sites": taken.sum(-1), "n": total[..., COUNT].astype(int)}
        found[scale]["share"] = (error * taken).sum(-1) / np.where(error.sum(-1) > 0, error.sum(-1), np.nan)
    return found


# Intervals of scores by drawing sites: years of one site stand or fall together, so whole sites are drawn.
#
# Every draw takes as many sites as there are, with replacement, and adds up what they add to the sums. All scores and
# models see the same draws, so that differences between models are paired. Seeds of a network are no replicates of
# sites: their scores are averaged within each draw, before anything is said about sites. Where folds were dealt more
# than once, each draw takes one of the deals, in turn, and then its sites: the score is the mean over deals, and the
# interval holds the luck of one deal together with that of the sites. `corrected_t` is another way to the same end.


Statistic = str | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A score and its interval.

    Parameters
    ----------
    value, low, high : ndarray, shape (...)
        Of all sites, and the percentiles over draws that leave out equal shares on both sides.
    draws : ndarray, shape (..., draw)
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    draws: np.ndarray


@dataclass(frozen=True)
class Difference(Interval):
    """A difference of two scores (the first less the second), its interval, and a test that it is zero.

    Parameters
    ----------
    p : ndarray, shape (...)
        Two-sided: twice the smaller of the shares of draws at or beyond zero on either side, with one more draw counted
        on each (Davison & Hinkley 1997, ch. 4). About the level at which the percentile interval just meets zero.
    """

    p: np.ndarray


class SiteBootstrap:
    """Draws of sites (or of groups of sites) that all scores share.

    Parameters
    ----------
    groups : array_like, shape (sample,)
        What is drawn as a whole, say the sites that share a window.
    repeats : int
        Number of draws.
    rng : numpy.random.Generator
    level : float
        Share of the draws within an interval.
    """

    def __init__(self, groups: ArrayLike, repeats: int, rng: np.random.Generator, level: float = 0.95) -> None:
        labels, which = indexed(groups)
        self.groups, self.level, n = labels[which], level, labels.size
        if n < 2:
            raise ValueError(f"groups: expected a label a sample and two groups or more to draw from, found {n}")
        if repeats < 1 or not 0 < level < 1:
            raise ValueError(f"repeats and level: expected 1 or more and a share, found {repeats} and {level}")
        self.counts = rng.multinomial(n, np.full(n, 1 / n), size=repeats).astype(np.float64)

    def interval(
        self,
        statistic: Statistic,
        observed: ArrayLike,
        simulated: ArrayLike,
        seeds: int | None = None,
        deals: int | None = None,
    ) -> Interval:
        """Score simulations.

        Parameters
        ----------
        statistic : str or callable
            One of `helpers.stats.skill.STATISTICS`, or a function of totals (..., 6), see `helpers.stats.skill`.
        observed, simulated : array_like, shape (..., sample)
            One unit, finite; leading axes broadcast.
        seeds : int, optional
            Axis of ``simulated`` that runs over seeds: the mean over it is what is scored. It is absent in the result.
        deals : int, optional
            Axis of ``simulated`` that runs over deals of the folds. The mean over it is the value; draw b is of deal b
            modulo their number. It is absent in the result.

        Returns
        -------
        Interval, shape (...)
        """
        return self._interval(*self._scores(statistic, observed, simulated, seeds, deals))

    def difference(
        self,
        statistic: Statistic,
        observed: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        seeds: int | None = None,
        deals: int | None = None,
    ) -> Difference:
        """Score two simulations in the same draws, and take the difference; parameters are those of `interval`.

        Deals are paired as well: both must have the same ones, in the same order.
        """
        if deals is not None and np.shape(first)[deals] != np.shape(second)[deals]:
            raise ValueError(
                f"deals: expected the same of both, found {np.shape(first)[deals]} and {np.shape(second)[deals]}; "
                "take those that both have"
            )
        (a, draws_a), (b, draws_b) = (self._scores(statistic, observed, s, seeds, deals) for s in (first, second))
        found = self._interval(a - b, draws_a - draws_b)
        size = np.isfinite(found.draws).sum(-1) + 1
        sides = [((found.draws <= 0).sum(-1) + 1) / size, ((found.draws >= 0).sum(-1) + 1) / size]
        p = np.where(np.isfinite(found.value), np.minimum(1.0, 2 * np.minimum(*sides)), np.nan)
        return Difference(found.value, found.low, found.high, found.draws, p)

    def of_sums(
        self,
        statistic: Statistic,
        parts: np.ndarray,
        groups: ArrayLike,
        seeds: int | None = None,
        deals: int | None = None,
    ) -> Interval:
        """Score sums (..., row, 6), say those of `scale_sums`, whose rows belong to ``groups`` (row,)."""
        if not np.array_equal(indexed(groups)[0], np.unique(self.groups)):
            raise ValueError("groups: expected the labels that are drawn; give each row its group")
        return self._interval(*self._resample(statistic, add(parts, groups), seeds, deals))

    def _scores(self, statistic: Statistic, observed: ArrayLike, simulated: ArrayLike, seeds, deals):
        """Return scores (...) of all sites, and of each draw (..., draw)."""
        before, places = np.ndim(simulated) - 1, []
        for name, axis in (("seeds", seeds), ("deals", deals)):
            if axis is not None and (not -before - 1 <= axis < before or axis == -1):
                raise ValueError(
                    f"{name}: expected an axis of simulated before the samples, found {axis} of {before + 1} axes"
                )
            # from the end, where the samples stand last; sums have one axis more
            places.append(None if axis is None else (axis - before - 1 if axis >= 0 else axis) - 1)
        return self._resample(statistic, sums(observed, simulated, self.groups), *places)

    def _resample(self, statistic: Statistic, parts: np.ndarray, seeds, deals) -> tuple[np.ndarray, np.ndarray]:
        """Return scores of sums (..., group, 6) and of each draw (..., draw); axes are those of ``parts``."""
        if isinstance(statistic, str) and statistic not in STATISTICS:
            raise ValueError(f"statistic: expected one of {', '.join(STATISTICS)}, found {statistic!r}")
        rule = STATISTICS[statistic] if isinstance(statistic, str) else statistic
        of_seeds = [] if seeds is None else [seeds % parts.ndim]
        of_deals = [] if deals is None else [deals % parts.ndim]
        parts = np.moveaxis(parts, of_deals + of_seeds, range(len(of_deals + of_seeds)))
        if not of_deals:
            parts = parts[None]
        over = tuple(range(len(of_seeds)))
        value = np.mean([rule(one.sum(-2)).mean(over) for one in parts], axis=0)
        draws = np.empty((*value.shape, len(self.counts)))
        for deal, one in enumerate(parts):
            draws[..., deal :: len(parts)] = rule(self.counts[deal :: len(parts)] @ one).mean(over)
        return value, draws

    def _interval(self, value: np.ndarray, draws: np.ndarray) -> Interval:
        """Return the middle of the draws that are defined."""
        tail = (1 - self.level) / 2
        undefined = ~np.isfinite(draws).any(-1)
        ends = np.nanquantile(np.where(undefined[..., None], 0.0, draws), [tail, 1 - tail], axis=-1)
        low, high = np.where(undefined, np.nan, ends)
        return Interval(value, low, high, draws)


def corrected_t(differences: ArrayLike, tested: float, level: float = 0.95) -> tuple[float, float, float]:
    r"""Return the mean of differences between two models over repeated folds, and its interval by Student's t.

    Folds of repeated cross-validation share most of their training samples, so that their differences d vary together,
    and a plain t-test finds too much. The corrected variance of the mean of J of them is

    .. math:: \left(\frac1J + \frac{n_\mathrm{test}}{n_\mathrm{train}}\right) s_d^2 .

    Parameters
    ----------
    differences : array_like (repeat,)
        One a fold and deal, such as differences of mean squared error; two or more.
    tested : float
        Samples tested for each that trains: 1 / (k - 1) with k folds.
    level : float

    Returns
    -------
    value, low, high : float

    References
    ----------
    Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52, 239-281,
    doi:10.1023/A:1024068626366.
    """
    d = np.asarray(differences, dtype=np.float64)
    half = stats.t.ppf((1 + level) / 2, d.size - 1) * np.sqrt((1 / d.size + tested) * d.var(ddof=1))
    return float(d.mean()), float(d.mean() - half), float(d.mean() + half)
