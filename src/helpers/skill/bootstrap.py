"""Intervals of scores by drawing sites: years of one site stand or fall together, so whole sites are drawn.

Every draw takes as many sites as there are, with replacement, and adds up what they add to the sums. All scores and
models see the same draws, so that differences between models are paired. Seeds of a network are no replicates of sites:
their scores are averaged within each draw, before anything is said about sites. Where folds were dealt more than once,
each draw takes one of the deals, in turn, and then its sites: the score is the mean over deals, and the interval holds
the luck of one deal together with that of the sites. `corrected_t` is another way to the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from helpers.labels import indexed
from helpers.skill.sums import STATISTICS, add, sums

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
            One of `helpers.skill.STATISTICS`, or a function of totals (..., 6), see `helpers.skill.sums`.
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
        """Score sums (..., row, 6), say those of `helpers.skill.scale_sums`, whose rows belong to ``groups`` (row,)."""
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
