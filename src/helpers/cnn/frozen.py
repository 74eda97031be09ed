"""Training on frozen splits: every member keeps the samples it was given, and is tested on none of them.

Members may differ in seed, channels, samples, target, weight decay, and in the samples that some of their channels are
taken from. They train in chunks small enough for a processor's cache, a chunk a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from helpers.cnn.chunks import Plan, Trained, check_times, train_chunk
from helpers.cnn.material import Material, Permutation
from helpers.cnn.network import ARCHITECTURE, Ensemble, Member
from helpers.cnn.training import Loss, as_targets, as_tensor, deterministic

CHUNK = 8
"""Members at a time: their tensors fit a cache, and the calls are few. See ``benchmarks/frozen.py``."""


@dataclass(frozen=True)
class Fit:
    """What training on frozen splits left behind.

    Parameters
    ----------
    predicted : ndarray, shape (member, sample), float32
        Out of fold, in the units of the target: NaN where the member was trained, or stopped, on the sample.
    validated : ndarray, shape (member, sample), float32
        Predictions of the validation samples, NaN elsewhere. The iteration was chosen on them.
    loss : ndarray, shape (member, split, check), float32
        Mean loss of training (split 0) and validation samples (split 1) in the target's units; NaN once a member has
        stopped, and without validation samples.
    checked : ndarray, shape (check,), int
        Iterations taken at each look.
    best : ndarray, shape (member,), int
        Iterations behind the weights that were kept: with validation samples those of the best look, else all.
    dead : ndarray, shape (member,), bool
        Members whose output is zero for every training sample.
    """

    predicted: np.ndarray
    validated: np.ndarray
    loss: np.ndarray
    checked: np.ndarray
    best: np.ndarray
    dead: np.ndarray


def train_frozen(
    windows: xr.DataArray,
    target: np.ndarray,
    members: Sequence[Member],
    training: np.ndarray,
    *,
    validation: np.ndarray | None = None,
    iterations: int,
    loss: Loss,
    check: int = 10,
    patience: int | None = None,
    learning_rate: float = 1e-3,
    weight_decay: float | Sequence[float] = 0.0,
    ridge: float | Sequence[float] = np.inf,
    permutation: Permutation | None = None,
    architecture: dict = ARCHITECTURE,
    chunk: int = CHUNK,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[Ensemble, Fit]:
    """Train every member on samples of its own, and predict the others.

    Nothing that a member learns from or is scaled by depends on a sample outside its training set; validation samples
    decide when it stops, and nothing else. A permutation moves windows between samples, across folds as well.

    Parameters
    ----------
    windows : DataArray, dims (sample, predictor, dy, dx)
        Finite; the coordinate ``predictor`` names the channels.
    target : array, shape (sample,) or (member, sample)
        kg m-2 yr-1 (of carbon), say.
    members : sequence of Member
        A member's result depends on its own rows alone, not on who else is there (up to float32 rounding).
    training : ndarray, shape (member, sample), bool
        Samples that a member learns from.
    validation : ndarray, shape (member, sample), bool, optional
        Samples of early stopping, none of them a training sample: the weights of the look with the least mean loss are
        kept. Without it those after the last iteration are.
    iterations : int
        Most steps of Adam, each on all of a member's training samples at once.
    loss : callable (predicted, observed) -> Tensor
        Loss of each sample, elementwise; its mean is minimised over training samples, scaled.
    check : int
        Iterations between two looks.
    patience : int, optional
        Looks without a gain after which a member stops; by default it never does.
    learning_rate : float
        Of Adam (Kingma & Ba 2015).
    weight_decay : float or sequence (member,)
        Decoupled from the gradient (Loshchilov & Hutter 2019): each step takes the share ``learning_rate`` times
        ``weight_decay`` off the weights, not off the biases.
    ridge : float or sequence (member,)
        Penalty of a ridge regression of the standardised centre pixel on the scaled target. A finite one gives a member
        that regression, fixed, as a sum beside its layers, which start at zero: the network learns what it leaves.
        By default there is none.
    permutation : Permutation, optional
        For null models: which samples some channels come from, also in the predictions of this call.
    architecture : dict
        See `helpers.cnn.ARCHITECTURE`.
    chunk : int
        Members trained at a time by one thread, which bounds the memory.
    workers : int, optional
        Threads; by default as many as PyTorch would use. The result is the same to the last bit for any number.
    progress : bool
        Show a bar.

    Returns
    -------
    Ensemble, Fit
        The ensemble holds a normaliser a member; `helpers.cnn.predict` and `helpers.cnn.save` know what to do with it.

    Raises
    ------
    ValueError
        A channel is missing, values are not finite, shapes disagree, a member has no training sample or no validation
        sample, or one that is both.
    """
    ensemble, x, y = _read(windows, target, members, architecture)
    masks = _masks(training, validation, y.shape)
    n = len(members)
    decay, penalty = _numbers("weight_decay", weight_decay, n), _numbers("ridge", ridge, n)
    rows = _rows(permutation, y.shape, windows["predictor"].values.tolist())
    plan = Plan(iterations, loss, learning_rate, check, patience, ensemble.architecture)

    def work(own: list[int]) -> Trained:
        kept = ensemble.places[own[0]]
        channels = [ensemble.channels[c] for c in kept]
        moved = [i for i, name in enumerate(channels) if permutation is not None and name in permutation.channels]
        material = Material(x[:, kept], y[own], None if rows is None else rows[own], moved)
        train_set, validation_set = (None if mask is None else mask[own] for mask in masks)
        rest = (train_set, validation_set, decay[own], penalty[own])
        return train_chunk(plan, [members[i] for i in own], channels, material, *rest)

    chunks, done = _chunks(ensemble, chunk), []
    threads = torch.get_num_threads()
    bar = tqdm(total=n, desc="training", unit="network", disable=not progress, mininterval=1.0)
    try:
        with deterministic(), ThreadPoolExecutor(workers or threads) as pool, bar:
            for own, result in zip(chunks, pool.map(work, chunks), strict=True):
                done.append(result)
                bar.update(len(own))
    finally:
        torch.set_num_threads(threads)
    return _joined(ensemble, chunks, done, np.array(check_times(iterations, check)))


def _read(windows: xr.DataArray, target: np.ndarray, members: Sequence[Member], architecture: dict):
    """Return a fresh ensemble, the windows (sample, channel, dy, dx) and the targets (member, sample)."""
    wanted = {name for m in members for name in m.channels}
    present = windows["predictor"].values.tolist()
    channels = [name for name in present if name in wanted] + sorted(wanted - set(present))
    ensemble = Ensemble(members, channels, architecture)
    x = as_tensor(windows, channels, ensemble.window)
    return ensemble, x, as_targets(target, len(members), len(x))


def _masks(training: np.ndarray, validation: np.ndarray | None, shape: tuple[int, ...]) -> tuple:
    for name, mask in (("training", training), ("validation", validation)):
        if mask is None:
            continue
        if np.shape(mask) != tuple(shape) or np.asarray(mask).dtype != bool:
            raise ValueError(f"{name}: expected a bool mask of shape {tuple(shape)}, found {_kind(mask)}")
        if not np.all(np.any(mask, axis=-1)):
            lacking = int(np.argmin(np.any(mask, axis=-1)))
            raise ValueError(f"{name}: expected at least one sample a member, found none for member {lacking}")
    if validation is not None and (training & validation).any():
        both = int((training & validation).sum())
        raise ValueError(f"validation: expected no training sample, found {both}; take them out of one of the masks")
    return training, validation


def _kind(array: np.ndarray) -> str:
    return f"{np.asarray(array).dtype} of shape {np.shape(array)}"


def _numbers(name: str, given: float | Sequence[float], members: int) -> np.ndarray:
    """Return one number of 0 or more a member."""
    values = np.asarray(given, np.float32)
    if values.shape not in {(), (members,)} or not (values >= 0).all():
        raise ValueError(f"{name}: expected one number of 0 or more, or one a member, found {given}")
    return np.broadcast_to(values, members)


def _rows(permutation: Permutation | None, shape: tuple[int, ...], channels: Sequence[str]) -> Tensor | None:
    if permutation is None:
        return None
    unknown = sorted(set(permutation.channels) - set(channels))
    if unknown:
        raise ValueError(f"permutation.channels: expected channels of the windows, found {', '.join(unknown)}")
    rows = np.asarray(permutation.rows)
    if rows.shape != tuple(shape) or rows.dtype.kind != "i" or rows.min() < 0 or rows.max() >= shape[1]:
        raise ValueError(
            f"permutation.rows: expected whole numbers of shape {tuple(shape)} from 0 to {shape[1] - 1}, "
            f"found {_kind(rows)}"
        )
    return torch.tensor(rows, dtype=torch.long)


def _chunks(ensemble: Ensemble, size: int) -> list[list[int]]:
    """Deal members into chunks that share their channels."""
    same: dict[tuple[int, ...], list[int]] = {}
    for i, places in enumerate(ensemble.places):
        same.setdefault(tuple(places), []).append(i)
    return [group[start : start + size] for group in same.values() for start in range(0, len(group), size)]


def _joined(ensemble: Ensemble, chunks: list[list[int]], done: list[Trained], checked: np.ndarray):
    """Put chunks back into the order of the members."""
    order = np.argsort(np.concatenate(chunks))
    names = ("predicted", "validated", "loss", "best", "dead")
    predicted, validated, loss, best, dead = (np.concatenate([getattr(c, n) for c in done])[order] for n in names)
    n, channels = len(ensemble.members), len(ensemble.channels)
    ensemble.mean, ensemble.sd = torch.zeros(n, channels), torch.ones(n, channels)
    ensemble.scale = torch.empty(n)
    for own, part in zip(chunks, done, strict=True):
        for j, i in enumerate(own):
            ensemble.set_weights(i, part.ensemble.weights(j))
        kept = ensemble.places[own[0]]
        ensemble.mean[np.ix_(own, kept)], ensemble.sd[np.ix_(own, kept)] = part.ensemble.mean, part.ensemble.sd
        ensemble.scale[own] = part.ensemble.scale
        if part.ensemble.linear is not None:
            ensemble.linear = torch.zeros(n, channels) if ensemble.linear is None else ensemble.linear
            ensemble.linear[np.ix_(own, kept)] = part.ensemble.linear
    return ensemble, Fit(predicted, validated, loss, checked, best, dead)
