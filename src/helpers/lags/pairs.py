r"""Two networks on the same samples: what one gains over the other, and how sure that is.

With :math:`e_i` the squared error of sample :math:`i`, averaged over seeds, and :math:`g` a group of samples that share
a place,

.. math:: \Delta R^2 = \frac{\sum_g \sum_{i \in g} (e_i^{ref} - e_i)}{\sum_g \sum_{i \in g} (y_i - \bar y)^2} .

Groups are what was drawn from the planet, so groups are drawn again for the interval. Seeds only repeat a training on
the same samples: they make :math:`e_i` smoother, and are no evidence of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.labels import indexed


def squared_errors(
    observed: ArrayLike, simulated: ArrayLike, site: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return each sample's squared error, and its squared distance from the mean.

    Parameters
    ----------
    observed : array_like (sample,)
    simulated : array_like (..., sample)
        Out of fold, the unit of ``observed``.
    site : array_like (sample,), optional
        Take both as anomalies from the mean of their site: what is left is how well the years of a site are told apart.

    Returns
    -------
    errors : ndarray (..., sample)
    variation : ndarray (sample,)

    Raises
    ------
    ValueError
        A value is not finite, or lengths differ.
    """
    obs, sim = np.asarray(observed, "float64"), np.asarray(simulated, "float64")
    if obs.ndim != 1 or sim.shape[-1:] != obs.shape:
        raise ValueError(f"simulated: expected {obs.size} samples along the last axis, found shape {sim.shape}")
    bad = int((~np.isfinite(sim)).sum() + (~np.isfinite(obs)).sum())
    if bad:
        raise ValueError(f"observed, simulated: expected finite values, found {bad} that are not; drop those samples")
    if site is None:
        return (obs - sim) ** 2, (obs - obs.mean()) ** 2
    _, which = indexed(site, "site", obs.size)
    member = (which == np.arange(which.max() + 1)[:, None]).astype("float64")
    share = member / member.sum(axis=1, keepdims=True)
    obs, sim = (values - (values @ share.T)[..., which] for values in (obs, sim))
    return (obs - sim) ** 2, obs**2


def gain(
    errors: ArrayLike,
    reference: ArrayLike,
    variation: ArrayLike,
    groups: ArrayLike,
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:
    """Return what a network gains over a reference, with an interval by groups.

    Parameters
    ----------
    errors, reference : array_like (sample,)
        Squared errors of the two, each averaged over its seeds.
    variation : array_like (sample,)
        See `squared_errors`.
    groups : array_like (sample,)
        Label of each sample's group; two groups or more.
    draws : int
        How often groups are drawn with replacement (39 or more, for an interval of 95 %).
    rng : numpy.random.Generator

    Returns
    -------
    value, low, high : float
        Difference in R² (positive: better than the reference), with the 2.5th and the 97.5th percentile over draws.
    p : float
        Two-sided: twice the share of draws on the lesser side of zero, at least 2 / (draws + 1).

    Raises
    ------
    ValueError
        One group only, or too few draws.
    """
    difference, total = np.asarray(reference) - np.asarray(errors), np.asarray(variation)
    labels, which = indexed(groups, "groups", difference.size)
    if labels.size < 2 or draws < 39:
        raise ValueError(f"groups, draws: expected 2 or more and 39 or more, found {labels.size} and {draws}")
    sums = np.stack([np.bincount(which, difference), np.bincount(which, total)])
    value = sums[0].sum() / sums[1].sum()
    drawn = sums[:, rng.integers(labels.size, size=(draws, labels.size))].sum(axis=-1)
    spread = drawn[0] / np.where(drawn[1] > 0, drawn[1], np.nan)
    beyond = min((spread <= 0).sum(), (spread >= 0).sum())
    low, high = np.nanquantile(spread, [0.025, 0.975])
    return float(value), float(low), float(high), float(min(1.0, 2 * (beyond + 1) / (draws + 1)))


def adjusted(p: ArrayLike) -> np.ndarray:
    """Adjust p-values of one family for their number, by Holm's step-down rule (Holm 1979); NaN stays out of it.

    >>> adjusted([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """
    # statsmodels has the rule too, but empties Python's memory at each call, which costs a fifth of a second
    out = np.array(p, "float64")
    known = np.flatnonzero(np.isfinite(out))
    order = known[np.argsort(out[known], kind="stable")]
    steps = out[order] * np.arange(order.size, 0, -1)  # the smallest times all, the next times one less, and so on
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out
