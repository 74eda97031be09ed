"""The training loop of all networks: on splits that are drawn anew or kept, with early stopping or without.

What a reader should see, the rule that splits the samples and the loss, is passed in from the notebook. Here stand the
batching and the book-keeping. Members train in chunks small enough for a processor's cache, several chunks side by
side, each on one thread of its own: the result is the same to the last bit for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from helpers import tasks
from helpers.cnn.network import ARCHITECTURE, Ensemble, Member, Part, Passes, as_tensor, check_device

Split = Callable[[int, torch.Generator], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

CHUNK = {"cpu": 6, "cuda": 4096}
"""Members that train together, by device. More of them make fewer calls; fewer leave more pieces to do side by side."""

TOGETHER = 20
"""Iterations whose R2 is worked out together, which costs little more than that of one."""


def squared_error(predicted: Tensor, observed: Tensor) -> Tensor:
    """Return the squared error of each sample: the loss of the paper; training minimises its mean."""
    return (predicted - observed) ** 2


def re_drawn(share: float = 10 / 13) -> Split:
    """Return the paper's rule: a random mask, drawn anew at each iteration, true for the share that trains."""

    def draw_split(n: int, generator: torch.Generator) -> Tensor:
        return torch.randperm(n, generator=generator) < round(n * share)

    return draw_split


@dataclass(frozen=True)
class History:
    """What training on splits that are drawn anew leaves behind.

    Parameters
    ----------
    curve : ndarray, shape (member, split, iteration), float32
        R2 = 1 - SSE/SST of training (split 0) and test samples (split 1), before each iteration's step.
    predicted : ndarray, shape (kept, member, sample), float32
        Outputs of the last iterations, before each step, in the units of the target.
    training : ndarray, shape (kept, member, sample), bool
        Which samples were training samples in those iterations.
    dead : ndarray, shape (member,), bool
        Members whose output is zero for every sample after the last step: they can no longer learn.
    """

    curve: np.ndarray
    predicted: np.ndarray
    training: np.ndarray
    dead: np.ndarray


@dataclass(frozen=True)
class Fit:
    """What training on splits that stay leaves behind.

    Parameters
    ----------
    predicted : ndarray, shape (member, sample), float32
        Out of fold, in the units of the target: NaN where the member was trained, or stopped, on the sample.
    validated : ndarray, shape (member, sample), float32
        Predictions of the validation samples, NaN elsewhere. The iteration was chosen on them.
    loss : ndarray, shape (member, split, check), float32
        Mean loss of training (split 0) and validation samples (split 1) in the target's units, at each look; NaN once a
        member has stopped, and without validation samples.
    best : ndarray, shape (member,), int
        Iterations behind the weights that were kept: with validation samples those of the best look, else all.
    dead : ndarray, shape (member,), bool
        Members whose output is zero for every training sample.
    """

    predicted: np.ndarray
    validated: np.ndarray
    loss: np.ndarray
    best: np.ndarray
    dead: np.ndarray


def train(
    windows: xr.DataArray,
    target: np.ndarray,
    members: Sequence[Member],
    split: Split | np.ndarray,
    *,
    iterations: int,
    loss: Loss = squared_error,
    validation: np.ndarray | None = None,
    check: int = 10,
    patience: int | None = None,
    learning_rate: float = 1e-3,
    permutation: tuple[np.ndarray, Sequence[str]] | None = None,
    architecture: dict = ARCHITECTURE,
    keep: int = 10,
    device: str = "cpu",
    progress: bool = True,
) -> tuple[Ensemble, History | Fit]:
    """Train every member, on a split that is drawn anew at each iteration, or on samples of its own.

    With samples of its own, nothing that a member learns from or is scaled by depends on a sample outside its training
    set; validation samples decide when it stops, and nothing else. (A permutation moves windows between samples, across
    folds as well.) A split that is drawn anew ends in having trained on all samples, and by all they are scaled.

    Parameters
    ----------
    windows : DataArray, dims (sample, predictor, dy, dx)
        Finite; the coordinate ``predictor`` names the channels.
    target : array, shape (sample,) or (member, sample)
        kg m-2 yr-1 (of carbon), say.
    members : sequence of Member
        A member's result depends on its own fields and rows, not on who else is there (up to float32 rounding).
    split : callable (n, torch.Generator) -> bool Tensor (n,), or bool ndarray, shape (member, sample)
        True means training sample. A rule is called at each iteration, with a generator that starts from the member's
        seed: members of one seed have the same splits. It may draw from nothing else. A mask stays.
    iterations : int
        Most steps of Adam, each on all of a member's training samples at once.
    loss : callable (predicted, observed) -> Tensor
        Loss of each sample, elementwise; its mean over a member's training samples is minimised, both scaled.
    validation : ndarray, shape (member, sample), bool, optional
        Samples of early stopping, none of them a training sample, beside a mask: the weights of the look with the least
        mean loss are kept. Without it those after the last iteration are.
    check : int
        Iterations between two looks.
    patience : int, optional
        Looks at validation samples without a gain after which a member stops; by default it never does.
    learning_rate : float
        Of Adam (Kingma & Ba 2015), whose other settings stay at PyTorch's defaults.
    permutation : tuple of ndarray (member, sample) and sequence of str, optional
        For null models: the sample that each sample of a member takes some channels from, and these channels; see
        `within`. It holds in the predictions of this call as well.
    architecture : dict
        See `helpers.cnn.network.ARCHITECTURE`.
    keep : int
        How many last iterations `History` keeps in full.
    device : str
        Where the networks train: ``cpu``, or ``cuda`` if there is one. Draws are the same; results differ by rounding.
    progress : bool
        Show a bar.

    Returns
    -------
    Ensemble
        With one normaliser for all members where splits are drawn, else one a member.
    History or Fit
        Where splits are drawn, and where they stay.

    Raises
    ------
    ValueError
        A channel is missing, values are not finite, shapes disagree, a split leaves one side empty, a sample is for
        training and for validation, a drawn split comes with validation samples or a ridge, patience without
        validation samples, or the device isn't there.
    """
    check_device(device)
    present = windows["predictor"].values.tolist()
    wanted = {name for m in members for name in m.channels}
    # names the windows lack are kept, so that the error can name them
    channels = [name for name in present if name in wanted] + sorted(wanted - set(present))
    ensemble, n = Ensemble(members, channels, architecture), len(members)
    x = as_tensor(windows, channels, ensemble.window)
    y = _targets(target, n, len(x))
    rows, moving = (None, ()) if permutation is None else _permutation(*permutation, y.shape, present)
    for name, count in {
        "iterations": iterations,
        "check": check,
        "patience": 1 if patience is None else patience,
        "keep": keep,
    }.items():
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"{name}: expected a whole number of 1 or more, found {count}")
    if patience is not None and validation is None:
        raise ValueError(f"patience: expected validation samples to be patient with, found none for {patience} looks")
    drawn = callable(split)
    if drawn and (validation is not None or any(np.isfinite(m.ridge) for m in members)):
        raise ValueError(
            "split: expected a mask that stays, for validation samples or a ridge; found a rule that draws"
        )
    groups: dict[tuple[int, ...], list[int]] = {}
    if drawn:
        _scale_by_all(ensemble, x, y)
        # all look at the same windows; those of one seed stand together, for they share their draws
        groups[tuple(range(len(channels)))] = sorted(range(n), key=lambda i: members[i].seed)
    else:
        _check_masks(split, validation, y.shape)
        for i, places in enumerate(ensemble.places):  # each has windows of its own, with the channels that it sees
            groups.setdefault(tuple(places), []).append(i)
    many = CHUNK[torch.device(device).type]
    chunks = [(list(seen), g[i : i + many]) for seen, g in groups.items() for i in range(0, len(g), many)]

    def work(chunk: tuple[list[int], list[int]]) -> tuple[Ensemble, dict[str, np.ndarray]]:
        torch.set_num_threads(1)  # results depend on no machine's number of cores
        seen, own = chunk
        part = Ensemble([members[i] for i in own], [channels[c] for c in seen], architecture).to(device)
        moved = [i for i, name in enumerate(part.channels) if name in moving]
        samples = _Samples(x[:, seen].to(device), y[own].to(device), rows[own].to(device) if moved else None, moved)
        if drawn:
            part.mean, part.sd, part.scale = (v.to(device) for v in (ensemble.mean, ensemble.sd, ensemble.scale))
            run = _Drawn(part, samples, split, iterations, keep)
        else:
            held = None if validation is None else validation[own]
            run = _Kept(part, samples, split[own], held, iterations, loss, check, patience)
        _take_steps(part, run, iterations, loss, learning_rate)
        found = {name: values.cpu().numpy() for name, values in run.result().items()}
        return part.cpu(), found

    threads = torch.get_num_threads()
    try:
        done = list(tasks.each(work, chunks, progress="training" if progress else "", total=n * iterations))
    finally:
        torch.set_num_threads(threads)  # MKL's count is the process's
    if not drawn:
        shape = n, len(channels)
        ensemble.mean, ensemble.sd, ensemble.scale = torch.zeros(shape), torch.ones(shape), torch.empty(n)
        ensemble.linear = torch.zeros(shape) if any(part.linear is not None for part, _ in done) else None
    for (seen, own), (part, _) in zip(chunks, done, strict=True):
        for j, i in enumerate(own):
            ensemble.set_weights(i, part.weights(j))
        if not drawn:
            at, ensemble.scale[own] = np.ix_(own, seen), part.scale
            ensemble.mean[at], ensemble.sd[at] = part.mean, part.sd
            if part.linear is not None:
                ensemble.linear[at] = part.linear
    order = np.argsort(np.concatenate([own for _, own in chunks]))
    found = {name: np.concatenate([part[name] for _, part in done])[order] for name in done[0][1]}
    if not drawn:
        return ensemble, Fit(**found)
    return ensemble, History(**found | {name: found[name].swapaxes(0, 1) for name in ("predicted", "training")})


@torch.no_grad()
def _take_steps(ensemble, run: _Drawn | _Kept, iterations: int, loss: Loss, learning_rate: float) -> None:
    """Train a chunk: the loop behind all networks of the book."""
    numbers, passes, y = ensemble.numbers, run.passes, run.y
    numbers.grad = passes.gradient
    optimiser = torch.optim.Adam([numbers], lr=learning_rate, fused=True)
    left = torch.ones_like(numbers)  # what weight decay leaves of each number at a step
    for name, part in ensemble.named(left).items():
        if name.endswith("weight"):
            for own, member in zip(part, ensemble.members, strict=True):
                own -= learning_rate * member.weight_decay
    decays = bool((left < 1).any())
    for step in range(iterations + 1):
        run.draw(step)
        passes.spread()
        predicted = torch.empty_like(y)
        for part in run.x:
            at = part.at
            predicted[:, at] = out = passes.forward(part)[:, : part.count]
            if step < iterations:
                with torch.enable_grad():  # members share no weights: a sum of losses
                    out = out.detach().requires_grad_()
                    (slope,) = torch.autograd.grad(loss(out, y[:, at]), out, grad_outputs=run.weight[:, at])
                passes.backward(part, slope)
        if run.is_over(step, predicted):
            tasks.advance(len(ensemble.members) * (iterations - step))
            break
        if decays:
            numbers *= left
        passes.gather()
        optimiser.step()
        tasks.advance(len(ensemble.members))


@dataclass(frozen=True)
class _Samples:
    """Windows (sample, channel, dy, dx) and targets (member, sample) of a chunk, and the rows that give ``moved``."""

    windows: Tensor
    targets: Tensor
    rows: Tensor | None
    moved: list[int]

    def at(self, index: Tensor) -> Tensor:
        """Return windows (member, place, channel, dy, dx) of samples (member, place)."""
        out = self.windows[index]
        if self.rows is not None:
            out[:, :, self.moved] = self.windows[:, self.moved][self.rows.gather(1, index)]
        return out


class _Drawn:
    """A chunk on splits that are drawn anew: one pass of all samples gives the loss and the test score."""

    def __init__(self, ensemble: Ensemble, samples: _Samples, rule: Split, iterations: int, keep: int) -> None:
        self.ensemble, self.rule, self.iterations, self.keep = ensemble, rule, iterations, keep
        members, self.n = samples.targets.shape
        every = torch.arange(self.n, device=samples.targets.device).expand(members, -1)
        windows = samples.windows if samples.rows is None else samples.at(every)
        self.passes = Passes(ensemble, self.n)
        self.x, self.y = self.passes.lay_out(ensemble.standardise(windows)), samples.targets / ensemble.scale
        self.generators = {m.seed: torch.Generator().manual_seed(m.seed) for m in ensemble.members}
        self.curve = self.y.new_empty(members, 2, iterations)
        self.told: list[tuple[Tensor, Tensor]] = []  # what the curve does not have yet
        self.last: list[tuple[Tensor, Tensor]] = []

    def draw(self, step: int) -> None:
        """Draw the split of each seed; members of one seed share it, so that models differ in channels alone."""
        if step == self.iterations:
            return
        masks = {seed: self.rule(self.n, generator) for seed, generator in self.generators.items()}
        for mask in masks.values():
            true = int(mask.sum())
            if mask.dtype != torch.bool or mask.shape != (self.n,) or not 0 < true < self.n:
                raise ValueError(
                    f"split: expected a bool mask of {self.n} samples with some on either side, found "
                    f"{mask.dtype} of shape {tuple(mask.shape)} with {true} true"
                )
        self.training = torch.stack([masks[m.seed] for m in self.ensemble.members]).to(self.y.device)
        self.weight = self.training / self.training.sum(-1, keepdim=True)
        if step == 0:  # a ReLU output that starts below zero everywhere never learns: start at the mean
            self.passes.numbers["full.bias"].copy_((self.y * self.weight).sum(-1, keepdim=True))

    def is_over(self, step: int, predicted: Tensor) -> bool:
        """Take note of the outputs (member, sample) before a step, and say whether it was the last."""
        if step == self.iterations:
            self.dead = (predicted <= 0).all(-1)
            return True
        self.told.append((predicted, self.training))
        if len(self.told) == TOGETHER or step == self.iterations - 1:
            told, training = (torch.stack(turns, dim=1) for turns in zip(*self.told, strict=True))
            y, self.told = self.y[:, None], []
            squared, steps = (told - y) ** 2, slice(step + 1 - told.shape[1], step + 1)
            self.curve[:, :, steps] = torch.stack([_r2(squared, y, side) for side in (training, ~training)], dim=1)
        if step >= self.iterations - self.keep:
            self.last.append((predicted * self.ensemble.scale, self.training))
        return False

    def result(self) -> dict[str, Tensor]:
        """Return the fields of `History`, with the members on the first axis."""
        predicted, training = (torch.stack(turns, dim=1) for turns in zip(*self.last, strict=True))
        return {"curve": self.curve, "predicted": predicted, "training": training, "dead": self.dead}


class _Kept:
    """A chunk on splits that stay: a member's tensors hold its own samples only, so no sum touches another one."""

    def __init__(
        self,
        ensemble: Ensemble,
        samples: _Samples,
        training: np.ndarray,
        validation: np.ndarray | None,
        iterations: int,
        loss: Loss,
        check: int,
        patience: int | None,
    ) -> None:
        self.ensemble, self.samples, self.masks = ensemble, samples, (training, validation)
        self.iterations, self.loss, self.patience = iterations, loss, patience or math.inf
        _scale_by_own(ensemble, samples, training)
        penalty = ensemble.numbers.new_tensor([m.ridge for m in ensemble.members])
        if (finite := torch.isfinite(penalty)).any():
            ensemble.linear = torch.zeros_like(ensemble.mean)
        self.seen, self.judged = self._part(training), None if validation is None else self._part(validation)
        self.passes, self.x, self.y, self.weight = self.seen.passes, self.seen.x, self.seen.y, self.seen.weight
        with torch.no_grad():
            bias = ensemble.named(ensemble.numbers)["full.bias"]
            bias.copy_(self.seen.mean(self.y)[:, None])  # a ReLU output that starts below zero everywhere never learns
            if ensemble.linear is not None:  # these start at the ridge regression of the centre pixel
                centre = self._windows(self.seen.index)[..., ensemble.window // 2, ensemble.window // 2]
                slopes, intercept = _ridge(self.seen, centre, penalty)
                ensemble.linear.copy_(slopes)
                bias[finite], ensemble.named(ensemble.numbers)["full.weight"][finite] = intercept[finite, None], 0.0
        members = len(ensemble.members)
        self.looks = sorted({*range(0, iterations + 1, check), iterations})
        self.losses = bias.new_full((members, 2, len(self.looks)), math.nan)
        self.numbers = ensemble.numbers.detach()
        self.kept = self.numbers.clone()  # those of each member's best look
        self.least, self.looking = bias.new_full((members,), math.inf), torch.ones_like(finite)
        self.best, self.idle = finite.long() * 0, finite.long() * 0

    def _part(self, mask: np.ndarray) -> _Part:
        """Return the samples that are true in ``mask`` (member, sample)."""
        (index, real), ensemble = _places(mask), self.ensemble
        index, real = index.to(ensemble.numbers.device), real.to(ensemble.numbers.device)
        passes, units = Passes(ensemble, index.shape[1]), self.samples.targets.gather(1, index)
        x, weight = passes.lay_out(self._windows(index)), real / real.sum(-1, keepdim=True).clamp(min=1)
        return _Part(passes, x, units / ensemble.scale[:, None], units, weight, index)

    def _windows(self, index: Tensor) -> Tensor:
        return self.ensemble.standardise(self.samples.at(index))

    def draw(self, step: int) -> None:
        """Draw nothing."""

    def is_over(self, step: int, predicted: Tensor) -> bool:
        """Look at the weights before a step, where it is time to, and say whether all members have stopped.

        A member that has stopped stays stopped, though others train on beside it: its result doesn't depend on them.
        """
        if step not in self.looks:
            return False
        looking, column = self.looking.clone(), self.looks.index(step)
        self.losses[looking, 0, column] = self._loss(self.seen, predicted)[looking]
        if self.judged is not None:
            now = self._loss(self.judged, self.judged.outputs())
            self.losses[looking, 1, column] = now[looking]
            better = (now < self.least) & looking
            self.least, self.best[better] = torch.where(better, now, self.least), step
            self.idle = torch.where(better, 0, self.idle + 1)
            self.looking &= self.idle < self.patience
            self.kept[better] = self.numbers[better]
        return step == self.iterations or not self.looking.any()

    def _loss(self, part: _Part, outputs: Tensor) -> Tensor:
        """Return the mean loss (member,) in the target's units."""
        return part.mean(self.loss(self.ensemble.in_units(outputs), part.units))

    @torch.no_grad()
    def result(self) -> dict[str, Tensor]:
        """Give every member its best weights back, and return the fields of `Fit`."""
        training, validation = self.masks
        if self.judged is None:
            used, validated = training, torch.full(training.shape, math.nan)
            self.best[:] = self.iterations
        else:
            self.numbers.copy_(self.kept)
            used, validated = training | validation, self._outputs(self.judged, validation)
        dead = (self.seen.outputs() <= 0).all(-1)
        predicted = self._outputs(self._part(~used), ~used)
        found = {"predicted": predicted, "validated": validated, "loss": self.losses}
        return found | {"best": self.best, "dead": dead}

    def _outputs(self, part: _Part, mask: np.ndarray) -> Tensor:
        """Return predictions (member, sample) in the target's units, NaN where ``mask`` is false."""
        out = part.units.new_full(mask.shape, math.nan)
        if part.index.numel():
            real = part.weight > 0
            out[real.nonzero()[:, 0], part.index[real]] = self.ensemble.in_units(part.outputs())[real]
        return out


@dataclass(frozen=True)
class _Part:
    """Some samples of each member of a chunk, padded to equal numbers by copies that weigh nothing.

    The passes for so many, standardised windows laid out for them, targets (member, place) in units of the output and
    in their own, weights (member, place) of one over the member's number of samples or of 0, and which sample stands
    where.
    """

    passes: Passes
    x: list[Part]
    y: Tensor
    units: Tensor
    weight: Tensor
    index: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Return each member's mean of values (member, place) over its own samples."""
        return (values * self.weight).sum(-1)

    def outputs(self) -> Tensor:
        """Return what the networks, as they are now, make of the samples (member, place)."""
        self.passes.spread()
        return torch.cat([self.passes.forward(part)[:, : part.count] for part in self.x], dim=1)


def _places(mask: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the true samples (member, place) of each member in their order, and which of these places are real.

    A member with fewer than the others repeats its first.
    """
    counts = mask.sum(-1)
    order = np.argsort(~mask, axis=-1, kind="stable")[:, : counts.max(initial=0)]
    real = np.arange(order.shape[1]) < counts[:, None]
    return torch.tensor(np.where(real, order, order[:, :1])), torch.tensor(real)


def _scale_by_own(ensemble: Ensemble, samples: _Samples, training: np.ndarray) -> None:
    """Set each member's normaliser, of its channels and of its target, to that of its training samples.

    Sums run over whole samples and are divided once, which leaves a constant channel a standard deviation of exactly
    zero; such a channel standardises to zero.
    """
    index, real = (v.to(samples.targets.device) for v in _places(training))
    one, count = real.double(), real.sum(-1, keepdim=True)
    x = samples.at(index).double().flatten(3)
    mean = (x.mean(-1) * one[..., None]).sum(1) / count
    sd = (((x - mean[:, None, :, None]) ** 2).mean(-1) * one[..., None]).sum(1).div(count).sqrt()
    t = samples.targets.gather(1, index).double()
    middle = (t * one).sum(-1, keepdim=True) / count
    scale = (((t - middle) ** 2) * one).sum(-1).div(count[:, 0]).sqrt()
    ensemble.mean = mean.float()
    ensemble.sd, ensemble.scale = (torch.where(v > 0, v, 1.0).float() for v in (sd, scale))


def _scale_by_all(ensemble: Ensemble, x: Tensor, y: Tensor) -> None:
    """Set the one normaliser of all members to that of all samples and targets."""
    values = x.double()
    sd, spread = values.std((0, 2, 3), correction=0), y.double().std(correction=0)
    ensemble.mean = values.mean((0, 2, 3)).float()
    ensemble.sd, ensemble.scale = (torch.where(v > 0, v, 1.0).float() for v in (sd, spread))


def _ridge(part: _Part, x: Tensor, penalty: Tensor) -> tuple[Tensor, Tensor]:
    """Fit each member's ridge regression of the target on ``x`` (member, place, channel) by Hoerl & Kennard (1970).

    The penalty (member,) is that of the sum of squared coefficients, beside the sum of squared errors; infinity leaves
    the mean alone. Returns coefficients (member, channel) and intercepts (member,).
    """
    weight, x, y = part.weight.double(), x.double(), part.y.double()
    middle, level = torch.einsum("mp,mpc->mc", weight, x), (weight * y).sum(-1)
    away, real = x - middle[:, None], (weight > 0).double()
    gram = torch.einsum("mp,mpc,mpd->mcd", real, away, away)
    finite = torch.isfinite(penalty)
    gram += torch.diag_embed(torch.where(finite, penalty, 1.0).double()[:, None].expand(-1, x.shape[-1]))
    right = torch.einsum("mp,mpc->mc", real * (y - level[:, None]), away)
    slopes = torch.where(finite[:, None], torch.linalg.solve(gram, right), 0.0)
    return slopes.float(), (level - (slopes * middle).sum(-1)).float()


def _r2(squared_error: Tensor, observed: Tensor, chosen: Tensor) -> Tensor:
    """Return 1 - SSE/SST a member and iteration, over the chosen samples."""
    weight = chosen.to(observed.dtype)
    mean = (observed * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)
    return 1.0 - (squared_error * weight).sum(-1) / (((observed - mean) ** 2) * weight).sum(-1)


def _targets(target: np.ndarray, members: int, samples: int) -> Tensor:
    """Return the targets as (member, sample); a common target is repeated for every member."""
    values = np.asarray(target, dtype=np.float32)
    if values.shape not in {(samples,), (members, samples)}:
        raise ValueError(f"target: expected shape ({samples},) or ({members}, {samples}), found {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(
            f"target: expected finite values, found {(~np.isfinite(values)).sum()} that are not; drop them"
        )
    return torch.tensor(values).expand(members, samples)


def _check_masks(split: np.ndarray, validation: np.ndarray | None, shape: Sequence[int]) -> None:
    for name, mask in {"split": split, "validation": split if validation is None else validation}.items():
        if np.shape(mask) != tuple(shape) or np.asarray(mask).dtype != bool or not np.any(mask, axis=-1).all():
            raise ValueError(
                f"{name}: expected a bool mask of shape {tuple(shape)} with at least one sample a member, found "
                f"{np.asarray(mask).dtype} of shape {np.shape(mask)} with {np.sum(mask, axis=-1).min():g} or more"
            )
    if validation is not None and (split & validation).any():
        both = int((split & validation).sum())
        raise ValueError(f"validation: expected no training sample, found {both}; take them out of one of the masks")


def _permutation(rows, moving, shape, channels) -> tuple[Tensor, Sequence[str]]:
    unknown, rows = sorted(set(moving) - set(channels)), torch.tensor(rows)
    if unknown or rows.shape != shape:
        raise ValueError(
            f"permutation: expected rows of shape {tuple(shape)} and channels of the windows, "
            f"found {tuple(rows.shape)} and {', '.join(unknown) or 'no others'}"
        )
    return rows, moving
