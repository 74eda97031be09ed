r"""Two networks that differ in one thing only, on the same samples: what one gains, and how sure that is.

Each seed deals its own folds, and every model has them in common with all others, so that two models never differ in
who was tested. Initial weights are drawn layer by layer, so models with equally many channels share those as well.

With :math:`e_i` the squared error of sample :math:`i`, averaged over seeds, and :math:`g` a group of samples that share
a place,

.. math:: \Delta R^2 = \frac{\sum_g \sum_{i \in g} (e_i^{ref} - e_i)}{\sum_g \sum_{i \in g} (y_i - \bar y)^2} .

Groups are what was drawn from the planet, so groups are drawn again for the interval. Seeds only repeat a training on
the same samples: they make :math:`e_i` smoother, and are no evidence of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from helpers import cnn
from helpers.cnn.training import Loss, Split
from helpers.stats.labels import indexed
from helpers.stats.splits import train_masks


def added(window: xr.DataArray, extra: Mapping[str, ArrayLike]) -> xr.DataArray:
    """Return windows with more channels, each one number a sample that fills all cells.

    Parameters
    ----------
    window : DataArray, dims (sample, predictor, dy, dx)
    extra : mapping of str to array_like (sample,)
        Such as the SPEI12 of another year. A name that is there already is replaced.
    """
    old = window.drop_sel(predictor=[name for name in extra if name in window.predictor.values])
    old = old.drop_vars([c for c in old.coords if c != "predictor" and "predictor" in old[c].dims])
    values = np.stack([np.asarray(v, "float32") for v in extra.values()], axis=1)[:, :, None, None]
    cells = np.broadcast_to(values, (*values.shape[:2], window.sizes["dy"], window.sizes["dx"]))
    new = xr.DataArray(cells, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(extra)})
    return xr.concat([old.transpose(*new.dims), new], dim="predictor", coords="minimal", compat="override")


def out_of_fold(
    window: xr.DataArray,
    target: np.ndarray,
    models: Mapping[str, Sequence[str]],
    folds: np.ndarray,
    seeds: Sequence[int],
    *,
    iterations: int,
    loss: Loss = cnn.squared_error,
    rows: np.ndarray | None = None,
    moved: Sequence[str] = (),
    patience: int = 0,
    progress: bool = True,
) -> xr.DataArray:
    """Train every model with every seed on all folds but one in turn, and return what it makes of that one.

    Parameters
    ----------
    window : DataArray, dims (sample, predictor, dy, dx)
    target : ndarray (sample,)
    models : mapping of str to sequence of str
        Channels by model.
    folds : ndarray of int (seed, sample)
        Fold of each sample, from 0, as each seed deals them; as many folds for each.
    seeds : sequence of int
        Of the initial weights.
    iterations, loss
        See `helpers.cnn.train`.
    rows : ndarray of int (model, sample), optional
        Sample that each takes the channels ``moved`` from; see `helpers.cnn.train`.
    moved : sequence of str
        Channels that a permutation moves.
    patience : int
        With a number above 0, one of the training folds is put aside, and a network stops once that many looks at it
        brought no gain (three folds or more). By default it trains to the end, as published.
    progress : bool
        Show a bar.

    Returns
    -------
    DataArray (model, seed, sample)
        In the unit of the target. The attribute ``dead`` counts the networks that say zero of all they learned from;
        they stay in.
    """
    dealt = [train_masks(each) for each in folds]
    if len({len(each) for each in dealt}) > 1:
        found = ", ".join(str(len(each)) for each in dealt)
        raise ValueError(f"folds: expected equally many for every seed, found {found}; deal them anew")
    masks = np.stack(dealt)
    number, (_, k, _) = len(models), masks.shape
    members = [cnn.Member(m, tuple(c), int(s)) for m, c in models.items() for s in seeds for _ in range(k)]
    options = {"iterations": iterations, "loss": loss, "progress": progress}
    training = np.tile(masks.reshape(-1, masks.shape[-1]), (number, 1))
    if patience:
        aside = ~np.tile(np.roll(masks, -1, axis=1).reshape(-1, masks.shape[-1]), (number, 1))
        training, options = training & ~aside, options | {"validation": aside, "patience": patience}
    if rows is not None:
        options["permutation"] = np.repeat(rows, len(seeds) * k, axis=0), moved
    _, fit = cnn.train(window, target, members, training, **options)
    # each sample is out of one fold of a seed, and missing in the others
    predicted = np.nansum(fit.predicted.reshape(number, len(seeds), k, -1), axis=2, dtype="float64")
    out = xr.DataArray(predicted, {"model": list(models), "seed": list(seeds)}, ("model", "seed", "sample"))
    return out.assign_attrs(dead=int(fit.dead.sum()))


def redrawn(
    window: xr.DataArray,
    target: np.ndarray,
    models: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    *,
    iterations: int,
    draw_split: Split,
    keep: int,
    loss: Loss = cnn.squared_error,
    rows: np.ndarray | None = None,
    moved: Sequence[str] = (),
    progress: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Train every model with every seed under a split that is drawn anew at each iteration.

    Parameters
    ----------
    window, target, models, seeds, iterations, loss, rows, moved, progress
        See `out_of_fold`.
    draw_split, keep
        See `helpers.cnn.train`.

    Returns
    -------
    predicted : ndarray (model, turn, sample)
        Of the last ``keep`` iterations of every seed.
    tested : ndarray of bool (model, turn, sample)
        True where the sample was a test sample of that iteration.
    """
    members = [cnn.Member(name, tuple(channels), int(s)) for name, channels in models.items() for s in seeds]
    options = {"iterations": iterations, "loss": loss, "keep": keep, "progress": progress}
    if rows is not None:
        options["permutation"] = np.repeat(rows, len(seeds), axis=0), moved
    _, history = cnn.train(window, target, members, draw_split, **options)
    shape = (-1, len(models), len(seeds), window.sizes["sample"])
    predicted, training = (
        getattr(history, name).reshape(shape).transpose(1, 2, 0, 3).reshape(len(models), -1, shape[-1])
        for name in ("predicted", "training")
    )
    return predicted, ~training


def turn_errors(
    observed: ArrayLike, predicted: np.ndarray, tested: np.ndarray, site: ArrayLike | None = None
) -> np.ndarray:
    """Return each sample's squared error (model, sample), averaged over the turns in which it was tested.

    Parameters
    ----------
    observed : array_like (sample,)
    predicted, tested : ndarray (model, turn, sample)
        From `redrawn`.
    site : array_like (sample,), optional
        See `helpers.stats.lags.squared_errors`.

    Returns
    -------
    ndarray (model, sample)
        NaN where no turn tested a sample.
    """
    errors = squared_errors(observed, predicted, site)[0]
    often = tested.sum(axis=1)
    return np.where(tested, errors, 0.0).sum(axis=1) / np.where(often > 0, often, np.nan)


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
