"""The network chosen honestly: settings, stops and weights come from samples that nobody is tested on.

Selection is nested (Cawley & Talbot 2010, Journal of Machine Learning Research 11, 2079-2107). An outer fold is put
aside. What is left is cut into inner folds of whole groups; a network is trained for each, stopped where it does best
on that fold, and the setting whose networks do best on the folds they stopped on is chosen. Its networks, one an inner
fold and seed, are averaged and tested on the outer fold, which nothing has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from sklearn.model_selection import GroupKFold

from helpers.cnn.frozen import Fit, train_frozen
from helpers.cnn.network import WINDOW, Ensemble, Member
from helpers.cnn.training import Loss
from helpers.stats.labels import indexed


@dataclass(frozen=True)
class Setting:
    """One way to train, among which the inner folds choose.

    Parameters
    ----------
    name : str
        Of its own; the members of its networks carry it as their model.
    channels : tuple of str
        Predictors.
    weight_decay, ridge : float
        See `helpers.cnn.train_frozen`.
    widths : tuple of int
    kernel, window : int
        See `helpers.cnn.ARCHITECTURE`.
    """

    name: str
    channels: tuple[str, ...]
    weight_decay: float = 0.0
    ridge: float = np.inf
    widths: tuple[int, ...] = (16, 32, 64)
    kernel: int = 3
    window: int = WINDOW

    @property
    def architecture(self) -> dict:
        """As `helpers.cnn.ARCHITECTURE`."""
        plain = {"widths": list(self.widths), "kernel": self.kernel}
        return plain if self.window == WINDOW else plain | {"window": self.window}


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
    ensembles : tuple of Ensemble
        One an architecture. It holds every setting as a model of the setting's name, with a network an inner fold and
        seed; the mean of a model's networks is its prediction.
    scores : ndarray, shape (setting,), float64
        Mean loss of the inner folds.
    name : str
        Of the setting with the least.
    """

    ensembles: tuple[Ensemble, ...]
    scores: np.ndarray
    name: str


def nested(
    windows: xr.DataArray,
    target: np.ndarray,
    outer: np.ndarray,
    groups: np.ndarray,
    settings: Sequence[Setting],
    *,
    seeds: Sequence[int],
    inner: int = 4,
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
    settings : sequence of Setting
        What to choose from.
    seeds : sequence of int
        Each trains a network for every inner fold, of inner folds drawn for it.
    inner : int
        Number of inner folds (2 or more).
    **training
        ``iterations``, ``loss`` and any of ``check``, ``patience``, ``learning_rate``, ``chunk``, ``workers`` and
        ``progress`` of `helpers.cnn.train_frozen`.

    Returns
    -------
    Nested

    Raises
    ------
    ValueError
        Fewer groups than inner folds in the samples that an outer fold leaves, or as in `helpers.cnn.train_frozen`.
    """
    labels, fold = indexed(outer, "outer", len(target))
    left = np.arange(len(labels))[:, None] != fold
    grid = _grid(windows, target, left, groups, settings, seeds, inner, training)
    scores, chosen = _choose(grid, target, left, training["loss"])
    of_fold = np.where(left[:, None, None, None], np.nan, grid.predicted)  # (fold, setting, seed, inner, sample)
    each = np.nansum(of_fold.mean(3), axis=0)  # one fold a sample has a value
    predicted = each.mean(1)[chosen[fold], np.arange(len(fold))]
    return Nested(predicted, each.mean((0, 1)), each, scores, chosen, grid.stops)


def choose(
    windows: xr.DataArray,
    target: np.ndarray,
    groups: np.ndarray,
    settings: Sequence[Setting],
    *,
    seeds: Sequence[int],
    inner: int = 4,
    **training,
) -> Chosen:
    """Choose on all samples, for maps: what `nested` scores, with nothing put aside.

    Parameters are those of `nested`.

    Returns
    -------
    Chosen
    """
    left = np.ones((1, len(target)), dtype=bool)
    grid = _grid(windows, target, left, groups, settings, seeds, inner, training)
    scores, chosen = _choose(grid, target, left, training["loss"])
    return Chosen(tuple(grid.ensembles), scores[0], settings[chosen[0]].name)


def as_one(ensemble: Ensemble, name: str) -> Ensemble:
    """Return the members of all settings as one model, whose mean is that of all settings where each has as many.

    Members get all channels of the ensemble, with weights of zero where they saw none. They come in turns, one of each
    setting, so that the first few are a sample of all.

    Parameters
    ----------
    ensemble : Ensemble
        Of one architecture, with a normaliser a member, as `choose` leaves it.
    name : str
        Of the model.
    """
    models = [m.model for m in ensemble.members]
    turn = [models[:i].count(model) for i, model in enumerate(models)]
    order = np.argsort(turn, kind="stable").tolist()
    every = tuple(ensemble.channels)
    one = Ensemble([Member(name, every, ensemble.members[i].seed) for i in order], every, ensemble.architecture)
    for new, old in enumerate(order):
        weights = ensemble.weights(old)
        wide = torch.zeros(len(weights["conv1.weight"]), len(every), *weights["conv1.weight"].shape[2:])
        wide[:, ensemble.places[old]] = weights["conv1.weight"]
        one.set_weights(new, weights | {"conv1.weight": wide})
    for field in ("mean", "sd", "scale"):
        setattr(one, field, getattr(ensemble, field)[order])
    one.linear = None if ensemble.linear is None else ensemble.linear[order]
    return one


@dataclass(frozen=True)
class _Grid:
    """All networks of (fold, setting, seed, inner fold): predictions of what they were not trained on, and stops."""

    predicted: np.ndarray
    validated: np.ndarray
    stops: np.ndarray
    ensembles: list[Ensemble]


def inner_folds(left: np.ndarray, groups: np.ndarray, seeds: Sequence[int], inner: int) -> np.ndarray:
    """Deal the samples that each outer fold leaves into inner folds of whole groups, anew for each seed.

    Parameters
    ----------
    left : ndarray, shape (fold, sample), bool
        False where a sample is tested.
    groups : ndarray, shape (sample,)
    seeds : sequence of int
    inner : int

    Returns
    -------
    ndarray, shape (fold, seed, sample), int
        Number of the inner fold, -1 where the sample is tested.
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


def _grid(windows, target, left, groups, settings, seeds, inner, training) -> _Grid:
    """Train every setting on every outer fold, seed and inner fold; those of one architecture train as one ensemble."""
    labels = inner_folds(left, groups, seeds, inner)
    validation = labels[:, :, None] == np.arange(inner)[:, None]  # (fold, seed, inner, sample)
    masks = {"training": left[:, None, None] & ~validation, "validation": validation}
    masks = {name: mask.reshape(-1, left.shape[1]) for name, mask in masks.items()}
    alike: dict[str, list[int]] = {}
    for i, setting in enumerate(settings):
        alike.setdefault(str(setting.architecture), []).append(i)
    parts, ensembles, size = {}, [], len(masks["training"])
    for own in alike.values():
        alone = np.tile(np.repeat(seeds, inner), len(left))  # the seed of each network of one setting
        ensemble, fit = _train(windows, target, [settings[i] for i in own], alone, masks, training)
        ensembles.append(ensemble)
        for j, i in enumerate(own):
            rows = slice(j * size, (j + 1) * size)
            parts[i] = fit.predicted[rows], fit.validated[rows], fit.best[rows]
    both = zip(*(parts[i] for i in range(len(settings))), strict=True)
    stacked = [np.stack([p.reshape(*validation.shape[:3], *p.shape[1:]) for p in one], axis=1) for one in both]
    return _Grid(*stacked, ensembles)


def _train(windows, target, settings, seeds, masks, training) -> tuple[Ensemble, Fit]:
    """Train settings of one architecture, one after the other along the members, on the same masks."""
    each = {name: [getattr(s, name) for s in settings for _ in seeds] for name in ("weight_decay", "ridge")}
    return train_frozen(
        windows,
        target,
        [Member(s.name, s.channels, int(seed)) for s in settings for seed in seeds],
        **{name: np.tile(mask, (len(settings), 1)) for name, mask in masks.items()},
        **each,
        architecture=settings[0].architecture,
        **training,
    )


def _choose(grid: _Grid, target: np.ndarray, left: np.ndarray, loss: Loss) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean loss (fold, setting) of inner folds, predictions averaged over seeds, and the least's place."""
    held = np.nansum(grid.validated, axis=3).mean(2)  # each seed predicts each sample in one inner fold
    each = loss(torch.tensor(held, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)).numpy()
    scores = (each * left[:, None]).sum(-1) / left.sum(-1)[:, None]
    return scores, scores.argmin(1)
