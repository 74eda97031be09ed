"""Training on frozen splits: every member keeps the samples it was given, and is tested on none of them.

Members may differ in seed, channels, samples, target, weight decay, and in the samples that some of their channels are
taken from. They train in chunks small enough for a processor's cache, a chunk a thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from helpers.cnn.network import ARCHITECTURE, Ensemble, Member, pixels_last
from helpers.cnn.training import Loss, as_targets, as_tensor, deterministic

# Early stopping: the weights of each member's best look at its validation samples, all members at once.


class Best:
    """The best weights so far, and which members still look for better ones.

    Parameters
    ----------
    parameters : sequence of Tensor, shape (member, ...)
        Read at each look, and overwritten by `restore`.
    patience : int or None
        Looks without a gain after which a member stops; None never stops.
    """

    def __init__(self, parameters: Sequence[Tensor], patience: int | None) -> None:
        self.parameters = [p.detach() for p in parameters]
        members = len(self.parameters[0])
        self.patience = math.inf if patience is None else patience
        self.loss = torch.full((members,), math.inf)
        self.iteration, self.idle = torch.zeros(members, dtype=torch.long), torch.zeros(members, dtype=torch.long)
        self.looking = torch.ones(members, dtype=torch.bool)
        self.kept = [p.clone() for p in self.parameters]

    def look(self, loss: Tensor, iteration: int) -> None:
        """Take note of the validation loss (member,) of the present weights.

        A member that has stopped stays stopped, though others train on beside it: its result doesn't depend on them.
        """
        better = (loss < self.loss) & self.looking
        self.loss = torch.where(better, loss, self.loss)
        self.iteration[better] = iteration
        self.idle = torch.where(better, 0, self.idle + 1)
        self.looking &= self.idle < self.patience
        for kept, now in zip(self.kept, self.parameters, strict=True):
            kept[better] = now[better]

    def restore(self) -> None:
        """Give every member its best weights back."""
        for kept, now in zip(self.kept, self.parameters, strict=True):
            now.copy_(kept)


# What each member of a chunk learns from, stops on and is tested on: its own samples, scaled by those it learns from.
#
# A member's tensors hold its own samples only, so that no sum that it learns from ever touches another one.


@dataclass(frozen=True)
class Permutation:
    """Which sample each sample takes some of its channels from, member by member; see `helpers.cnn.within`.

    Parameters
    ----------
    rows : ndarray, shape (member, sample), int
        Sample ``s`` of member ``m`` has the channels of sample ``rows[m, s]``; ``arange`` leaves a member as it is.
    channels : tuple of str
        The predictors that move, all of them together. The others stay.
    """

    rows: np.ndarray
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Some samples of each member of a chunk, padded to equal numbers by copies that weigh nothing.

    Parameters
    ----------
    x : Tensor, shape (member, place, pixel x channel)
        Standardised windows.
    y, units : Tensor, shape (member, place)
        Targets in units of the output, and in their own.
    weight : Tensor, shape (member, place)
        One over the member's number of samples, or 0 for padding.
    index : Tensor, shape (member, place)
        Which sample stands in a place.
    """

    x: Tensor
    y: Tensor
    units: Tensor
    weight: Tensor
    index: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Return each member's mean of values (member, place) over its own samples."""
        return (values * self.weight).sum(-1)

    def ridge(self, x: Tensor, penalty: Tensor) -> tuple[Tensor, Tensor]:
        """Fit each member's ridge regression of ``y`` in closed form (Hoerl & Kennard 1970).

        Parameters
        ----------
        x : Tensor, shape (member, place, channel)
            Standardised predictors.
        penalty : Tensor, shape (member,)
            Of the sum of squared coefficients, beside the sum of squared errors; infinity leaves the mean alone.

        Returns
        -------
        coefficients : Tensor, shape (member, channel)
        intercept : Tensor, shape (member,)
        """
        weight, x, y = self.weight.double(), x.double(), self.y.double()
        middle, level = torch.einsum("mp,mpc->mc", weight, x), (weight * y).sum(-1)
        away, real = x - middle[:, None], (weight > 0).double()
        gram = torch.einsum("mp,mpc,mpd->mcd", real, away, away)
        finite = torch.isfinite(penalty)
        gram += torch.diag_embed(torch.where(finite, penalty, 1.0).double()[:, None].expand(-1, x.shape[-1]))
        right = torch.einsum("mp,mpc->mc", real * (y - level[:, None]), away)
        found = torch.where(finite[:, None], torch.linalg.solve(gram, right), 0.0)
        return found.float(), (level - (found * middle).sum(-1)).float()


def places(mask: np.ndarray) -> tuple[Tensor, Tensor]:
    """List the true samples of each member.

    Parameters
    ----------
    mask : ndarray, shape (member, sample), bool

    Returns
    -------
    index : Tensor, shape (member, place), int
        Samples in their order; a member with fewer than the others repeats its first.
    real : Tensor, shape (member, place), bool
        False where it does.
    """
    counts = mask.sum(-1)
    order = np.argsort(~mask, axis=-1, kind="stable")[:, : counts.max(initial=0)]
    real = np.arange(order.shape[1]) < counts[:, None]
    return torch.tensor(np.where(real, order, order[:, :1])), torch.tensor(real)


@dataclass(frozen=True)
class Material:
    """Windows and targets as the members of a chunk see them.

    Parameters
    ----------
    windows : Tensor, shape (sample, channel, dy, dx)
        The chunk's own channels.
    targets : Tensor, shape (member, sample)
    rows : Tensor or None, shape (member, sample)
        Where the channels in ``moved`` come from; see `Permutation`.
    moved : list of int
        Places of those channels.
    """

    windows: Tensor
    targets: Tensor
    rows: Tensor | None
    moved: list[int]

    def gather(self, index: Tensor) -> Tensor:
        """Return windows (member, place, channel, dy, dx) for samples (member, place)."""
        out = self.windows[index]
        if self.rows is not None and self.moved:
            out[:, :, self.moved] = self.windows[:, self.moved][self.rows.gather(1, index)]
        return out

    def normaliser(self, training: np.ndarray) -> dict[str, Tensor]:
        """Return ``mean`` and ``sd`` (member, channel) and ``scale`` (member,) of the training samples.

        Sums run over whole samples and are divided once, which leaves a constant channel a standard deviation of
        exactly zero; such a channel standardises to zero.
        """
        index, real = places(training)
        one, count = real.double(), real.sum(-1, keepdim=True)
        x = self.gather(index).double().flatten(3)
        mean = (x.mean(-1) * one[..., None]).sum(1) / count
        sd = (((x - mean[:, None, :, None]) ** 2).mean(-1) * one[..., None]).sum(1).div(count).sqrt()
        t = self.targets.gather(1, index).double()
        middle = (t * one).sum(-1, keepdim=True) / count
        scale = (((t - middle) ** 2) * one).sum(-1).div(count[:, 0]).sqrt()
        found = {"mean": mean, "sd": torch.where(sd > 0, sd, 1.0), "scale": torch.where(scale > 0, scale, 1.0)}
        return {name: value.float() for name, value in found.items()}

    def part(self, mask: np.ndarray, normaliser: dict[str, Tensor]) -> Part:
        """Return the samples that are true in ``mask`` (member, sample)."""
        index, real = places(mask)
        mean, sd = (normaliser[name][:, None, :, None, None] for name in ("mean", "sd"))
        x = pixels_last((self.gather(index) - mean) / sd).contiguous()
        units = self.targets.gather(1, index)
        y = units / normaliser["scale"][:, None]
        return Part(x, y, units, real / real.sum(-1, keepdim=True).clamp(min=1), index)


# The inner loop of training on frozen splits: a few members that share their channels, on one thread.


@dataclass(frozen=True)
class Plan:
    """How every chunk is trained; see `helpers.cnn.train_frozen` for the fields."""

    iterations: int
    loss: Callable[[Tensor, Tensor], Tensor]
    learning_rate: float
    check: int
    patience: int | None
    architecture: dict

    def __post_init__(self) -> None:
        for name in ("iterations", "check") if self.patience is None else ("iterations", "check", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: expected a whole number of 1 or more, found {value}")


@dataclass(frozen=True)
class Trained:
    """A chunk after training; the fields are those of `helpers.cnn.Fit` for its members."""

    ensemble: Ensemble
    predicted: np.ndarray
    validated: np.ndarray
    loss: np.ndarray
    best: np.ndarray
    dead: np.ndarray


def train_chunk(
    plan: Plan,
    members: Sequence[Member],
    channels: Sequence[str],
    material: Material,
    training: np.ndarray,
    validation: np.ndarray | None,
    weight_decay: np.ndarray,
    ridge: np.ndarray,
) -> Trained:
    """Train members that all see ``channels``; arguments are rows of those of `helpers.cnn.train_frozen`."""
    torch.set_num_threads(1)  # of this thread: results depend on no machine's number of cores
    ensemble = Ensemble(members, channels, plan.architecture)
    normaliser = material.normaliser(training)
    for name, value in normaliser.items():
        setattr(ensemble, name, value)
    seen = material.part(training, normaliser)
    judged = None if validation is None else material.part(validation, normaliser)
    _start(ensemble, seen, torch.tensor(ridge))
    losses, best = _fit(plan, ensemble, seen, judged, torch.tensor(weight_decay, dtype=torch.float32))
    with torch.no_grad():
        dead = (ensemble.from_pixels(seen.x) <= 0).all(-1).numpy()
        used = training if validation is None else training | validation
        predicted = _outputs(ensemble, material.part(~used, normaliser), ~used)
        validated = np.full_like(predicted, np.nan) if judged is None else _outputs(ensemble, judged, validation)
    return Trained(ensemble, predicted, validated, losses, best, dead)


@torch.no_grad()
def _start(ensemble: Ensemble, seen: Part, penalty: Tensor) -> None:
    """Start at the mean of the targets, or, with a finite penalty, at the ridge regression of the centre pixel."""
    ensemble.full_bias.copy_(seen.mean(seen.y))  # a ReLU output that starts below zero everywhere never learns
    finite = torch.isfinite(penalty)
    if finite.any():
        ensemble.linear, intercept = seen.ridge(ensemble.centre(seen.x), penalty)
        ensemble.full_bias[finite] = intercept[finite]
        ensemble.full_weight[finite] = 0.0


def _fit(plan: Plan, ensemble: Ensemble, seen: Part, judged: Part | None, decay: Tensor) -> tuple[np.ndarray, ...]:
    """Take the steps; return the losses (member, split, check) and the iteration (member,) of the weights kept."""
    optimiser = torch.optim.Adam(ensemble.parameters(), lr=plan.learning_rate, fused=True)
    best = Best(list(ensemble.parameters()), plan.patience)
    checks = check_times(plan.iterations, plan.check)
    losses = np.full((len(decay), 2, len(checks)), np.nan, np.float32)
    for step in range(plan.iterations + 1):
        predicted = ensemble.from_pixels(seen.x)
        if step in checks:
            looking = best.looking.numpy().copy()
            both = _look(plan, ensemble, (seen, predicted.detach()), judged, best, step)
            losses[looking, :, checks.index(step)] = both[looking]
        if step == plan.iterations or not best.looking.any():
            break
        optimiser.zero_grad()
        seen.mean(plan.loss(predicted, seen.y)).sum().backward()  # members share no weights: a sum of losses
        shrink(ensemble, plan.learning_rate * decay)
        optimiser.step()
    if judged is None:
        return losses, np.full(len(decay), plan.iterations)
    with torch.no_grad():
        best.restore()
    return losses, best.iteration.numpy()


@torch.no_grad()
def _look(
    plan: Plan, ensemble: Ensemble, seen: tuple[Part, Tensor], judged: Part | None, best: Best, step: int
) -> np.ndarray:
    """Return the losses (member, split) of the present weights, in the target's units, and let ``best`` know them."""
    both = np.full((len(ensemble.members), 2), np.nan, np.float32)
    parts = [seen] if judged is None else [seen, (judged, ensemble.from_pixels(judged.x))]
    for split, (part, outputs) in enumerate(parts):
        both[:, split] = part.mean(plan.loss(ensemble.in_units(outputs), part.units)).numpy()
    if judged is not None:
        best.look(torch.tensor(both[:, 1]), step)
    return both


@torch.no_grad()
def shrink(ensemble: Ensemble, shares: Tensor) -> None:
    """Take a share (member,) off every weight, biases aside: decoupled weight decay (Loshchilov & Hutter 2019)."""
    if (shares > 0).any():
        for weights in (*ensemble.kernels, ensemble.full_weight):
            weights.mul_((1 - shares).view(-1, *[1] * (weights.ndim - 1)))


def check_times(iterations: int, check: int) -> list[int]:
    """Return the iterations after which members are looked at: every ``check``, from 0, and the last."""
    return sorted({*range(0, iterations + 1, check), iterations})


def _outputs(ensemble: Ensemble, part: Part, mask: np.ndarray) -> np.ndarray:
    """Return predictions (member, sample) in the target's units, NaN where ``mask`` is false."""
    out = np.full(mask.shape, np.nan, np.float32)
    real = part.weight.numpy() > 0
    rows = np.broadcast_to(np.arange(len(mask))[:, None], real.shape)
    values = ensemble.in_units(ensemble.from_pixels(part.x)).numpy() if real.size else np.empty(real.shape)
    out[rows[real], part.index.numpy()[real]] = values[real]
    return out


# Training on frozen splits: every member keeps the samples it was given, and is tested on none of them.
#
# Members may differ in seed, channels, samples, target, weight decay, and in the samples that some of their channels
# are taken from. They train in chunks small enough for a processor's cache, a chunk a thread.


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
