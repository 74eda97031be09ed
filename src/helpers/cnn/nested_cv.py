"""The network chosen honestly: settings, stops and weights come from samples that nobody is tested on.

Selection is nested (Cawley & Talbot 2010, Journal of Machine Learning Research 11, 2079-2107). An outer fold is put
aside. What is left is cut into inner folds of whole groups; a network is trained for each, stopped where it does best
on that fold, and the setting whose networks do best on the folds they stopped on is chosen. Its networks, one an inner
fold and seed, are averaged and tested on the outer fold, which nothing has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from sklearn.model_selection import GroupKFold

from helpers.cnn.network import Ensemble, Member
from helpers.cnn.training import Loss, squared_error, train
from helpers.stats.labels import indexed


@dataclass(frozen=True)
class Nested:
    """What nested selection found.

    Parameters
    ----------
    predicted : ndarray, shape (sample,), float32
        Mean of the chosen setting's networks, each sample's from the outer fold that it is in.
    averaged : ndarray, shape (sample,), float32
        Mean of all settings' networks, where nothing is chosen. It is the steadier of the two where few groups judge.
    each : ndarray, shape (setting, seed, sample), float32
        The same for every setting and seed (mean over inner folds), whichever was chosen: to look at, not to choose by.
    inner : ndarray, shape (fold, setting), float64
        Mean loss of the inner folds, which decides.
    chosen : ndarray, shape (fold,), int
        Number of the setting with the least.
    stops : ndarray, shape (fold, setting, seed, inner fold), int
        Iterations behind the weights that were kept.
    """

    predicted: np.ndarray
    averaged: np.ndarray
    each: np.ndarray
    inner: np.ndarray
    chosen: np.ndarray
    stops: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """Networks trained on all samples.

    Parameters
    ----------
    ensemble : Ensemble
        It holds every setting as a model of the setting's name, with a network an inner fold and seed; the mean of a
        model's networks is its prediction.
    scores : ndarray, shape (setting,), float64
        Mean loss of the inner folds.
    name : str
        Of the setting with the least.
    """

    ensemble: Ensemble
    scores: np.ndarray
    name: str

    def as_one(self, name: str) -> Ensemble:
        """Return the networks of all settings as one model, whose mean is that of all settings.

        They come in turns, one of each setting, so that the first few are a sample of all.
        """
        turns = np.arange(len(self.ensemble.members)).reshape(len(self.scores), -1).T
        return self.ensemble.select(turns.ravel(), name)


def nested(
    windows: xr.DataArray,
    target: np.ndarray,
    outer: np.ndarray,
    groups: np.ndarray,
    settings: Sequence[Member],
    *,
    seeds: Sequence[int],
    inner: int = 4,
    loss: Loss = squared_error,
    **training,
) -> Nested:
    """Score the whole procedure, choice included, on folds that had no part in it.

    Parameters
    ----------
    windows : DataArray, dims (sample, predictor, dy, dx)
    target : ndarray, shape (sample,)
        kg m-2 yr-1 (of carbon), say.
    outer : ndarray, shape (sample,)
        Label of the fold that a sample is tested in.
    groups : ndarray, shape (sample,)
        Samples of one group stay together in inner folds. They should in outer ones as well (`helpers.stats.splits`).
    settings : sequence of Member
        What to choose from: models of unlike names, channels, ridges or decays, whatever their seeds.
    seeds : sequence of int
        Each trains a network for every inner fold, of inner folds drawn for it.
    inner : int
        Number of inner folds (2 or more).
    loss, **training
        ``iterations`` and any of ``check``, ``patience``, ``learning_rate``, ``architecture``, ``device`` and
        ``progress`` of `helpers.cnn.training.train`.

    Returns
    -------
    Nested

    Raises
    ------
    ValueError
        Fewer groups than inner folds in the samples that an outer fold leaves, or as in `helpers.cnn.training.train`.
    """
    return nested_over(windows, target, [outer], groups, settings, seeds=seeds, inner=inner, loss=loss, **training)[0]


def nested_over(
    windows: xr.DataArray,
    target: np.ndarray,
    outers: Sequence[np.ndarray],
    groups: np.ndarray,
    settings: Sequence[Member],
    *,
    seeds: Sequence[int],
    inner: int = 4,
    loss: Loss = squared_error,
    **training,
) -> list[Nested]:
    """Return what `nested` gives for each of many deals of the outer folds, whose networks all train side by side."""
    dealt = [indexed(outer, "outer", len(target)) for outer in outers]
    left = [np.arange(len(labels))[:, None] != fold for labels, fold in dealt]
    labels = np.concatenate([inner_folds(own, groups, seeds, inner) for own in left])
    _, *told = _grid(windows, target, np.concatenate(left), labels, settings, seeds, inner, loss, training)
    ends, found = np.cumsum([len(own) for own in left])[:-1], []
    for (_, fold), own, scores, predicted, stops in zip(dealt, left, *(np.split(v, ends) for v in told), strict=True):
        of_fold = np.where(own[:, None, None, None], np.nan, predicted)  # (fold, setting, seed, inner, sample)
        each = np.nansum(of_fold.mean(3), axis=0)  # one fold a sample has a value
        chosen = scores.argmin(1)
        best = each.mean(1)[chosen[fold], np.arange(len(fold))]
        found.append(Nested(best, each.mean((0, 1)), each, scores, chosen, stops))
    return found


def choose(
    windows: xr.DataArray,
    target: np.ndarray,
    groups: np.ndarray,
    settings: Sequence[Member],
    *,
    seeds: Sequence[int],
    inner: int = 4,
    loss: Loss = squared_error,
    **training,
) -> Chosen:
    """Choose on all samples, for maps: what `nested` scores, with nothing put aside; its parameters are these."""
    left = np.ones((1, len(target)), dtype=bool)
    labels = inner_folds(left, groups, seeds, inner)
    ensemble, scores, *_ = _grid(windows, target, left, labels, settings, seeds, inner, loss, training)
    return Chosen(ensemble, scores[0], settings[scores[0].argmin()].model)


def inner_folds(left: np.ndarray, groups: np.ndarray, seeds: Sequence[int], inner: int) -> np.ndarray:
    """Deal the samples that each outer fold leaves (fold, sample) into inner folds of whole groups, anew for each seed.

    Returns the number of the inner fold (fold, seed, sample), -1 where the sample is tested.
    """
    labels = np.full((len(left), len(seeds), left.shape[1]), -1)
    _, which = indexed(groups, "groups", left.shape[1])
    for f, own in enumerate(left):
        found = len(np.unique(which[own]))
        if found < inner:
            raise ValueError(f"inner: expected no more folds than groups left to train on, found {inner} and {found}")
        places = np.flatnonzero(own)
        for s, seed in enumerate(seeds):
            rule = GroupKFold(inner, shuffle=True, random_state=np.random.RandomState([seed, f]))
            for k, (_, held) in enumerate(rule.split(places, groups=which[own])):
                labels[f, s, places[held]] = k
    return labels


def _grid(windows, target, left, labels, settings, seeds, inner, loss, training):
    """Train every setting on every outer fold, seed and inner fold (``labels`` of `inner_folds`), as one ensemble.

    Returns it, the mean loss (fold, setting) of inner folds, predictions averaged over seeds, the predictions (fold,
    setting, seed, inner fold, sample), NaN where a network was trained or stopped, and the stops, less the sample.
    """
    held = labels[:, :, None] == np.arange(inner)[:, None]  # (fold, seed, inner, sample)
    masks = [np.tile(m.reshape(-1, left.shape[1]), (len(settings), 1)) for m in (left[:, None, None] & ~held, held)]
    each = np.tile(np.repeat(seeds, inner), len(left)).tolist()  # the seed of each network of one setting
    members = [replace(setting, seed=seed) for setting in settings for seed in each]
    ensemble, fit = train(windows, target, members, masks[0], validation=masks[1], loss=loss, **training)
    shape = (len(settings), *held.shape[:3])
    predicted, validated, stops = (
        v.reshape(*shape, *v.shape[1:]).swapaxes(0, 1) for v in (fit.predicted, fit.validated, fit.best)
    )
    judged = np.nansum(validated, axis=3).mean(2)  # each seed predicts each sample in one inner fold
    losses = loss(torch.tensor(judged, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)).numpy()
    return ensemble, (losses * left[:, None]).sum(-1) / left.sum(-1)[:, None], predicted, stops
