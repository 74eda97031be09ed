"""How well simulations meet observations: arrays in, numbers out.

The four scores of Table 1 and the correlation of Fig 3; skill taken apart into sites, years and trends; and intervals
of scores, and of differences between scores, by drawing sites.

Every score takes ``observed`` and ``simulated`` with samples along the last axis and broadcasts over the leading ones,
so that an ensemble (member, sample) is scored in one call. Sums are taken in float64. What is undefined, such as a
correlation with a constant, is NaN.

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
    """Return both as float64; raise ValueError for unequal numbers of samples, or a value that is not finite."""
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


def _divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return a ratio, NaN where nothing is divided by."""
    return top / np.where(bottom > 0, bottom, np.nan)


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
    return 1.0 - _divided(error, ((obs - obs.mean(-1, keepdims=True)) ** 2).sum(-1))


def _moments(observed: ArrayLike, simulated: ArrayLike) -> tuple[np.ndarray, ...]:
    """Return the mean difference, both variances and the covariance, all with ddof 0."""
    obs, sim = _pair(observed, simulated)
    mean_obs, mean_sim = obs.mean(-1, keepdims=True), sim.mean(-1, keepdims=True)
    a, b = obs - mean_obs, sim - mean_sim
    return (mean_sim - mean_obs)[..., 0], (a * a).mean(-1), (b * b).mean(-1), (a * b).mean(-1)


def _lin(bias: np.ndarray, var_obs: np.ndarray, var_sim: np.ndarray, cov: np.ndarray) -> np.ndarray:
    return _divided(2.0 * cov, var_obs + var_sim + bias**2)


def r2_pearson(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    """Square of Pearson's correlation: blind to bias and to scale. NaN where either side is constant."""
    _, var_obs, var_sim, cov = _moments(observed, simulated)
    return _divided(cov**2, var_obs * var_sim)


def cc(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    r"""Lin's concordance correlation, :math:`2 s_{xy} / (s_x^2 + s_y^2 + (\bar x - \bar y)^2)`, variances with ddof 0.

    References
    ----------
    Lin, L. I. (1989). A concordance correlation coefficient to evaluate reproducibility. Biometrics 45, 255-268.
    """
    return _lin(*_moments(observed, simulated))


def rmse(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    """Root mean square error, in the units of the input."""
    obs, sim = _pair(observed, simulated)
    return np.sqrt(((sim - obs) ** 2).mean(-1))


def sde(observed: ArrayLike, simulated: ArrayLike) -> np.ndarray:
    """Return the standard deviation of the error (ddof 0): RMSE² = bias² + SDE²."""
    obs, sim = _pair(observed, simulated)
    return (sim - obs).std(-1)


SCORES = {"r2": r2, "cc": cc, "rmse": rmse, "sde": sde}
"""The four scores of Table 1, under the names they carry in ``ablation.nc``."""


def pearson(observed: ArrayLike, simulated: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's correlation (...) and its two-sided p under independence and normality (Student's t, n - 2 degrees).

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
        Draws sites with replacement, ``draws`` times.

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
    labels, which = indexed(site, "site", obs.size)
    n = np.bincount(which)
    if labels.size < 3 or n.min() < 2:
        raise ValueError(
            f"site: expected 3 sites or more with 2 samples or more each, found {labels.size} sites and one of "
            f"{n.min()}; leave out sites of one year"
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
    rows = {name: (values[0], *_ends(values[1:])) for name, values in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"]).astype("float64")


ENDS = 0.025, 0.975
"""Shares of the draws below the two ends of an interval: it holds 95 % of them."""


def _ends(values: np.ndarray) -> np.ndarray:
    """Return the quantiles `ENDS` of those values that are defined."""
    known = values[np.isfinite(values)]
    return np.quantile(known, ENDS) if known.size else np.full(2, np.nan)


def jackknife(without: ArrayLike, level: float) -> float:
    r"""Return half the width of a statistic's interval, from its values without each of m members or years in turn.

    .. math:: t_{(1 + c) / 2,\, m - 1} \sqrt{\frac{m - 1}{m} \sum_k (\theta_{(k)} - \bar\theta)^2},

    with :math:`\theta_{(k)}` the statistic without the k-th and c the ``level`` (0 to 1): Efron and Stein (1981),
    doi:10.1214/aos/1176345462, with Student's t. It takes what was left out as independent, and says how firmly the
    statistic stands were others drawn; an error that all share is not in it. NaN for fewer than two values.
    """
    rest = np.asarray(without, dtype=np.float64)
    if rest.size < 2:
        return np.nan
    error = np.sqrt((rest.size - 1) / rest.size * ((rest - rest.mean()) ** 2).sum())
    return float(stats.t.ppf((1 + level) / 2, rest.size - 1) * error)


# Scores from sums: what samples add to the number, the sums, the squares and the products. Sums of parts add up to the
# sums of the whole, so that a score of any collection of sites costs an addition a site.

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
    return _by_label(_products(obs - level, sim - level), labels)


def _products(obs: np.ndarray, sim: np.ndarray) -> np.ndarray:
    """Return what each pair of values (...) adds to the sums: (..., 6)."""
    obs, sim = np.broadcast_arrays(obs, sim)
    return np.stack([np.ones_like(obs), obs, sim, obs * obs, sim * sim, obs * sim], axis=-1)


def _by_label(rows: np.ndarray, labels: ArrayLike) -> np.ndarray:
    """Add up rows (..., row, column) by label (row,); return (..., label, column), labels in sorted order."""
    _, which = indexed(labels, "labels", rows.shape[-2])
    order = np.argsort(which, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(which[order]) > 0])
    return np.add.reduceat(rows[..., order, :], starts, axis=-2)


def squared_error(t: np.ndarray) -> np.ndarray:
    """Return the sum of squared errors; rounding leaves a perfect simulation a little beside zero."""
    return np.maximum(t[..., OBS2] - 2 * t[..., BOTH] + t[..., SIM2], 0.0)


def _moments_of_sums(t: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what `_moments` does, and the mean squared error, from totals (..., 6)."""
    n = np.where(t[..., COUNT] > 0, t[..., COUNT], np.nan)
    mean_o, mean_s = t[..., OBS] / n, t[..., SIM] / n
    squares = t[..., OBS2] / n, t[..., SIM2] / n
    variances = (square - mean**2 for square, mean in zip(squares, (mean_o, mean_s), strict=True))
    # a variance that is rounding, beside the mean square that it comes from, is zero
    var_o, var_s = (np.where(v > 1e-13 * square, v, 0.0) for v, square in zip(variances, squares, strict=True))
    return mean_s - mean_o, var_o, var_s, t[..., BOTH] / n - mean_o * mean_s, squared_error(t) / n


def _r2_of_sums(t: np.ndarray) -> np.ndarray:
    return 1.0 - _divided(squared_error(t), _moments_of_sums(t)[1] * t[..., COUNT])


def _r_of_sums(t: np.ndarray) -> np.ndarray:
    _, var_o, var_s, cov, _ = _moments_of_sums(t)
    return np.clip(_divided(cov, np.sqrt(var_o * var_s)), -1.0, 1.0)


def _sde_of_sums(t: np.ndarray) -> np.ndarray:
    bias, *_, error = _moments_of_sums(t)
    return np.sqrt(np.maximum(error - bias**2, 0.0))


STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "r2": _r2_of_sums,
    "r2_pearson": lambda t: _r_of_sums(t) ** 2,
    "r": _r_of_sums,
    "cc": lambda t: _lin(*_moments_of_sums(t)[:4]),
    "rmse": lambda t: np.sqrt(_moments_of_sums(t)[4]),
    "sde": _sde_of_sums,
    "bias": lambda t: _moments_of_sums(t)[0],
}
"""Scores of totals (..., 6), under the names of the functions above."""


def scale_sums(
    observed: ArrayLike,
    simulated: ArrayLike,
    site: ArrayLike,
    year: ArrayLike,
    *,
    min_years: int = 3,
    trend_years: int = 5,
) -> dict[str, np.ndarray]:
    """Take skill apart: what each site adds to the sums of each scale.

    A high score over all site-years may be that of the differences between sites alone. A map of trends rests on the
    others.

    Parameters
    ----------
    observed, simulated : array_like, shape (..., sample)
        One unit, finite; leading axes broadcast.
    site, year : array_like, shape (sample,)
        A site has a year once.
    min_years, trend_years : int
        Sites with fewer years have no anomalies, or no trend (2 or more).

    Returns
    -------
    dict of ndarray, shape (..., site, 6)
        Keys ``all``, ``across sites`` (means, each site once), ``within sites`` (anomalies: values less their site's
        mean), ``trends`` (slopes of ordinary least squares a year, each site once) and ``worst tenth`` (all samples of
        the sites with the largest RMSE, one at least); sites in sorted order, zeros where one has no part.

    Raises
    ------
    ValueError
        Unequal lengths, a value that is not finite, a site that has a year twice, or too small a number of years.
    """
    obs, sim = np.broadcast_arrays(*_pair(observed, simulated))
    _, code = indexed(site, "site", obs.shape[-1])
    distinct, place = indexed(year, "year", obs.shape[-1])
    when = distinct[place].astype(np.float64)
    twice = code.size - len(np.unique(np.stack([code, when]), axis=1).T)
    if twice:
        raise ValueError(f"year: expected each year of a site once, found {twice} more; average or drop them")
    if min(min_years, trend_years) < 2:
        raise ValueError(f"min_years, trend_years: expected 2 or more, found {min_years} and {trend_years}")

    whole, years = sums(obs, sim, code), np.bincount(code)
    (mean_o, a), (mean_s, b) = (_anomalies(values, code, years) for values in (obs, sim))
    products = _products(a, b)
    products[..., [OBS, SIM]] = 0.0
    away = when - (np.bincount(code, when) / years)[code]
    spread = np.bincount(code, away**2)
    rising = _by_label(np.stack([a * away, b * away], axis=-1), code) / np.where(spread > 0, spread, np.nan)[:, None]
    long = years >= trend_years
    slopes = np.where(long, rising[..., 0], 0.0), np.where(long, rising[..., 1], 0.0)
    error = squared_error(whole) / whole[..., COUNT]
    rank = np.argsort(np.argsort(-error, axis=-1, kind="stable"), axis=-1)
    worst = rank < max(1, round(0.1 * years.size))
    return {
        "all": whole,
        "across sites": _products(mean_o, mean_s),
        "within sites": np.where((years >= min_years)[:, None], _by_label(products, code), 0.0),
        "trends": np.where(long[:, None], _products(*slopes), 0.0),
        "worst tenth": np.where(worst[..., None], whole, 0.0),
    }


def _anomalies(values: np.ndarray, code: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sites' means (..., site), and values less them, without the rounding of those that never change."""
    mean = _by_label(values[..., None], code)[..., 0] / years
    away = values - mean[..., code]
    return mean, np.where(np.abs(away) > 1e-12 * np.abs(values).max(), away, 0.0)


# Intervals of scores by drawing sites: years of one site stand or fall together, so whole sites are drawn.
#
# Every draw takes as many sites as there are, with replacement, and adds up what they add to the sums. All scores and
# models see the same draws, so that differences between models are paired. Seeds of a network are no replicates of
# sites: their scores are averaged within each draw, before anything is said about sites. Where folds were dealt more
# than once, each draw takes one of the deals, in turn, and then its sites: the score is the mean over deals, and the
# interval holds the luck of one deal together with that of the sites.


@dataclass(frozen=True)
class Interval:
    """A score, or a difference of two, and its interval.

    Parameters
    ----------
    value, low, high : float
        Of all sites, and the quantiles `ENDS` of the draws.
    draws : ndarray, shape (draw,)
    """

    value: float
    low: float
    high: float
    draws: np.ndarray

    @classmethod
    def of(cls, value: float, draws: np.ndarray) -> Interval:
        """Return a value with the interval that its draws (draw,) give."""
        return cls(value, *map(float, _ends(draws)), draws)

    @property
    def p(self) -> float:
        """Two-sided, of no difference: about the level at which the interval just meets zero.

        Twice the smaller of the shares of draws at or beyond zero on either side, with one more draw counted on each
        (Davison & Hinkley 1997, ch. 4).
        """
        if not np.isfinite(self.value):
            return np.nan
        beyond = min((self.draws <= 0).sum(), (self.draws >= 0).sum())
        return min(1.0, 2 * float(beyond + 1) / (np.isfinite(self.draws).sum() + 1))


class SiteBootstrap:
    """Draws of sites (or of groups of sites) that all scores share.

    Simulations have the shape (sample,), (seed, sample) or (deal, seed, sample); see above for what becomes of seeds
    and deals.

    Parameters
    ----------
    groups : array_like, shape (sample,)
        What is drawn as a whole, say the sites that share a window; two or more.
    repeats : int
        Number of draws.
    rng : numpy.random.Generator
    """

    def __init__(self, groups: ArrayLike, repeats: int, rng: np.random.Generator) -> None:
        self.labels, which = indexed(groups)
        self.groups, n = self.labels[which], self.labels.size
        if n < 2:
            raise ValueError(f"groups: expected a label a sample and two groups or more to draw from, found {n}")
        self.counts = rng.multinomial(n, np.full(n, 1 / n), size=repeats).astype(np.float64)

    def interval(self, statistic: str, observed: ArrayLike, simulated: ArrayLike) -> Interval:
        """Score simulations by one of the `STATISTICS`."""
        return Interval.of(*self._scores(statistic, sums(observed, simulated, self.groups)))

    def difference(self, statistic: str, observed: ArrayLike, first: ArrayLike, second: ArrayLike) -> Interval:
        """Score two simulations in the same draws, and take the first less the second; deals are paired as well."""
        if np.ndim(first) == 3 and len(first) != len(second):
            raise ValueError(f"deals: expected the same of both, found {len(first)} and {len(second)}; drop the others")
        (a, draws_a), (b, draws_b) = (
            self._scores(statistic, sums(observed, simulated, self.groups)) for simulated in (first, second)
        )
        return Interval.of(a - b, draws_a - draws_b)

    def of_sums(self, statistic: str, parts: np.ndarray, groups: ArrayLike) -> Interval:
        """Score sums (deal, seed, row, 6), say those of `scale_sums`, whose rows belong to ``groups`` (row,)."""
        if not np.array_equal(indexed(groups)[0], self.labels):
            raise ValueError("groups: expected the labels that are drawn; give each row its group")
        return Interval.of(*self._scores(statistic, _by_label(parts, groups)))

    def _scores(self, statistic: str, parts: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the score of all groups and of each draw, from sums (group, 6), (seed, …) or (deal, seed, …)."""
        rule = STATISTICS[statistic]
        deals = parts.reshape(-1, *parts.shape[-3:]) if parts.ndim > 2 else parts[None, None]
        draws = np.empty(len(self.counts))
        for k, deal in enumerate(deals):
            draws[k :: len(deals)] = rule(self.counts[k :: len(deals)] @ deal).mean(0)
        return float(np.mean([rule(deal.sum(-2)).mean(0) for deal in deals])), draws
