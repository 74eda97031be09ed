"""Networks tested on samples that they were not trained on: in folds that stay, or under splits that are drawn anew.

Every model has its folds and splits in common with all others of its seed, so that two models never differ in who was
tested. Initial weights are drawn layer by layer, so models with equally many channels share those as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from helpers.cnn.network import Member
from helpers.cnn.training import Split, train
from helpers.stats.labels import indexed


def train_masks(folds: ArrayLike) -> np.ndarray:
    """Return which samples train (fold, sample) when each fold is tested in turn; the others are tested."""
    numbers, which = indexed(folds, "folds")
    return which != np.arange(numbers.size)[:, None]


def fold_table(samples: xr.Dataset, places: ArrayLike, rules: Mapping[str, Sequence[np.ndarray]]) -> pd.DataFrame:
    """Return folds as a table for anybody to learn by, in any language.

    Parameters
    ----------
    samples : Dataset (sample)
        ``site``, ``year``, ``reco`` and ``window`` (sample, predictor, dy, dx).
    places : array_like of int (sample,)
    rules : mapping of str to sequence of ndarray of int (sample,)
        Fold of each sample, from 0, in each deal of each rule.

    Returns
    -------
    DataFrame
        A row a sample: ``site``, ``year``, ``place``, ``reco`` (kg m-2 yr-1), the predictors at the middle of its
        window in their units, and its fold, from 1, by rule and deal, such as ``sites_1``.
    """
    middle = samples.window.isel(dy=samples.sizes["dy"] // 2, dx=samples.sizes["dx"] // 2)
    table = {"site": samples.site.values, "year": samples.year.values, "place": places}
    table |= {"reco": samples.reco.values.astype("float64")}
    table |= dict(zip(middle.predictor.values.tolist(), middle.values.astype("float64").T, strict=True))
    table |= {f"{rule}_{k}": folds + 1 for rule, dealt in rules.items() for k, folds in enumerate(dealt, 1)}
    return pd.DataFrame(table)


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
    patience: int = 0,
    rows: np.ndarray | None = None,
    moved: Sequence[str] = (),
    **training,
) -> xr.DataArray:
    """Train every model with every seed on all folds but one in turn, and return what it makes of that one.

    Parameters
    ----------
    window : DataArray, dims (sample, predictor, dy, dx)
    target : ndarray (sample,) or (model, sample)
    models : mapping of str to sequence of str
        Channels by model.
    folds : ndarray of int (seed, sample)
        Fold of each sample, from 0, as each seed deals them; as many folds for each.
    seeds : sequence of int
        Of the initial weights; one that deals more than once comes as often.
    patience : int
        With a number above 0, one of the training folds is put aside, and a network stops once that many looks at it
        brought no gain (three folds or more). By default it trains to the end, as published.
    rows : ndarray of int (model, sample), optional
        Sample that each takes the channels ``moved`` from.
    moved : sequence of str
        Channels that a permutation moves.
    **training
        ``iterations`` and any of ``loss``, ``learning_rate``, ``architecture``, ``device`` and ``progress`` of
        `helpers.cnn.training.train`.

    Returns
    -------
    DataArray (model, seed, sample)
        In the unit of the target. The attribute ``dead`` counts the networks that say zero of all they learned from;
        they stay in.

    Raises
    ------
    ValueError
        A training diverged.
    """
    masks = np.stack([train_masks(each) for each in folds])
    number, (_, k, samples) = len(models), masks.shape
    members = [Member(m, tuple(c), int(s)) for m, c in models.items() for s in seeds for _ in range(k)]
    split = np.tile(masks.reshape(-1, samples), (number, 1))
    if patience:
        aside = ~np.tile(np.roll(masks, -1, axis=1).reshape(-1, samples), (number, 1))
        split, training = split & ~aside, training | {"validation": aside, "patience": patience}
    target, permutation = _of_networks(target, rows, moved, len(seeds) * k)
    _, fit = train(window, target, members, split, permutation=permutation, **training)
    # each sample is out of one fold of a seed, and missing in the others
    predicted = fit.predicted.reshape(number, len(seeds), k, -1)
    if wrong := int((np.isfinite(predicted).sum(axis=2) != 1).sum()):
        raise ValueError(f"loss: expected finite predictions, found {wrong} others: training diverged; scale it down")
    predicted = np.nansum(predicted, axis=2, dtype="float64")
    out = xr.DataArray(predicted, {"model": list(models), "seed": list(seeds)}, ("model", "seed", "sample"))
    return out.assign_attrs(dead=int(fit.dead.sum()))


def redrawn(
    window: xr.DataArray,
    target: np.ndarray,
    models: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    *,
    draw_split: Split,
    rows: np.ndarray | None = None,
    moved: Sequence[str] = (),
    **training,
) -> tuple[np.ndarray, np.ndarray]:
    """Train every model with every seed under a split that is drawn anew at each iteration.

    Parameters
    ----------
    window, target, models, seeds, rows, moved, **training
        See `out_of_fold`; ``keep`` as well.
    draw_split
        The rule; see ``split`` of `helpers.cnn.training.train`.

    Returns
    -------
    predicted : ndarray (model, turn, sample)
        Of the last ``keep`` iterations of every seed, one seed after the other.
    tested : ndarray of bool (model, turn, sample)
        True where the sample was a test sample of that iteration.
    """
    members = [Member(name, tuple(channels), int(s)) for name, channels in models.items() for s in seeds]
    target, permutation = _of_networks(target, rows, moved, len(seeds))
    _, history = train(window, target, members, draw_split, permutation=permutation, **training)
    shape = (-1, len(models), len(seeds), window.sizes["sample"])
    predicted, trained = (
        getattr(history, name).reshape(shape).transpose(1, 2, 0, 3).reshape(len(models), -1, shape[-1])
        for name in ("predicted", "training")
    )
    return predicted, ~trained


def _of_networks(target: np.ndarray, rows: np.ndarray | None, moved: Sequence[str], times: int) -> tuple:
    """Return targets and the permutation of each network, of which every model has so many."""
    target = np.repeat(target, times, axis=0) if np.ndim(target) == 2 else target
    return target, None if rows is None else (np.repeat(rows, times, axis=0), moved)
