"""Scores from sums: what a set of samples adds to the number, the sums, the squares and the products.

Sums of parts add up to the sums of the whole, so that a score of any collection of sites costs an addition a site.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from helpers.labels import indexed
from helpers.skill.scores import _pair

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


def _moments(t: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return mean difference, both variances and the covariance (ddof 0), from totals (..., 6)."""
    n = _number(t)
    mean_o, mean_s = t[..., OBS] / n, t[..., SIM] / n
    var_o = _unrounded(t[..., OBS2] / n - mean_o**2, t[..., OBS2] / n)
    var_s = _unrounded(t[..., SIM2] / n - mean_s**2, t[..., SIM2] / n)
    return mean_s - mean_o, var_o, var_s, t[..., BOTH] / n - mean_o * mean_s


def _unrounded(variance: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Set a variance that is rounding, beside the mean square that it comes from, to zero."""
    return np.where(variance > 1e-13 * square, variance, 0.0)


def _r2(t: np.ndarray) -> np.ndarray:
    _, var_o, _, _ = _moments(t)
    return 1.0 - _divided(squared_error(t), var_o * t[..., COUNT])


def _r(t: np.ndarray) -> np.ndarray:
    _, var_o, var_s, cov = _moments(t)
    return np.clip(_divided(cov, np.sqrt(var_o * var_s)), -1.0, 1.0)


def _cc(t: np.ndarray) -> np.ndarray:
    bias, var_o, var_s, cov = _moments(t)
    return _divided(2.0 * cov, var_o + var_s + bias**2)


def _sde(t: np.ndarray) -> np.ndarray:
    bias = _moments(t)[0]
    return np.sqrt(np.maximum(squared_error(t) / _number(t) - bias**2, 0.0))


STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "r2": _r2,
    "r2_pearson": lambda t: _r(t) ** 2,
    "r": _r,
    "cc": _cc,
    "rmse": lambda t: np.sqrt(squared_error(t) / _number(t)),
    "sde": _sde,
    "bias": lambda t: _moments(t)[0],
}
"""Scores of totals (..., 6), under the names of the functions of `helpers.skill`; undefined ones are NaN."""
