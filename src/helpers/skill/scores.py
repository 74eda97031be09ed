"""How well simulations meet observations: the four scores of Table 1, and the correlation of Fig 3.

Every function takes ``observed`` and ``simulated`` with samples along the last axis and broadcasts over the leading
ones, so that an ensemble (member, sample) is scored in one call. Sums are taken in float64.

>>> observed = [1.0, 2.0, 3.0]
>>> float(r2(observed, [1.5, 2.5, 3.5])), float(r2_pearson(observed, [1.5, 2.5, 3.5]))
(0.625, 1.0)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from helpers.labels import indexed


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
