"""How well simulations meet observations: the four scores of Table 1, and the correlation of Fig 3.

Every function takes ``observed`` and ``simulated`` with samples along the last axis and broadcasts over the leading
ones, so that an ensemble (member, sample) is scored in one call. Sums are taken in float64.

>>> observed = [1.0, 2.0, 3.0]
>>> float(r2(observed, [1.5, 2.5, 3.5])), float(r2_pearson(observed, [1.5, 2.5, 3.5]))
(0.625, 1.0)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


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


SCORES = {"r2": r2, "cc": cc, "rmse": rmse, "sde": sde}
"""The four scores of Table 1, under the names they carry in ``ablation.nc``."""
