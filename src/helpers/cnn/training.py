"""The training loop of an ensemble, and its predictions.

What a reader should see, the rule that splits the samples and the loss, is passed in from the notebook; here stand
the batching, the book-keeping and the care that two runs agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from helpers.cnn.network import ARCHITECTURE, WINDOW, Ensemble, Member

Split = Callable[[int, torch.Generator], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class History:
    """What training left behind.

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


@contextmanager
def deterministic() -> Iterator[None]:
    """Ask PyTorch for repeatable sums, and put its setting back afterwards."""
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # we never read memory before writing it
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill


def as_tensor(windows: xr.DataArray | np.ndarray, channels: Sequence[str], side: int = WINDOW) -> Tensor:
    """Return windows as a float32 tensor (sample, channel, side, side) with the channels in the order asked for.

    Raises
    ------
    ValueError
        A channel is missing, the shape is not (sample, channel, side, side), or a value is not finite.
    """
    if isinstance(windows, xr.DataArray):
        missing = sorted(set(channels) - set(windows["predictor"].values.tolist()))
        if missing:
            raise ValueError(
                f"windows: expected channels {list(channels)}, found none called {', '.join(missing)}; they have "
                f"{', '.join(windows['predictor'].values.tolist())}"
            )
        windows = windows.sel(predictor=list(channels)).transpose("sample", "predictor", "dy", "dx").values
    if windows.ndim != 4 or windows.shape[1:] != (len(channels), side, side):
        raise ValueError(f"windows: expected shape (sample, {len(channels)}, {side}, {side}), found {windows.shape}")
    bad = ~np.isfinite(windows).all((0, 2, 3))
    if bad.any():
        names = ", ".join(np.array(channels)[bad])
        raise ValueError(f"windows: expected finite values, found missing ones in {names}; fill or drop those windows")
    return torch.tensor(np.ascontiguousarray(windows, dtype=np.float32))


def as_targets(reco: np.ndarray, members: int, samples: int) -> Tensor:
    """Return the targets as (member, sample); a common target is repeated for every member."""
    values = np.asarray(reco, dtype=np.float32)
    if values.shape not in {(samples,), (members, samples)}:
        raise ValueError(f"reco: expected shape ({samples},) or ({members}, {samples}), found {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"reco: expected finite values, found {(~np.isfinite(values)).sum()} that are not; drop them")
    return torch.tensor(values).expand(members, samples)


class _Splits:
    """Draws every member's split; members of one seed share the draw, so that models differ in channels alone."""

    def __init__(self, members: Sequence[Member], samples: int, draw_split: Split) -> None:
        self.samples, self.rule = samples, draw_split
        seeds = sorted({m.seed for m in members})
        self.generators = [torch.Generator().manual_seed(s) for s in seeds]
        self.which = torch.tensor([seeds.index(m.seed) for m in members])

    def draw(self) -> Tensor:
        """Return a mask (member, sample) that is true for training samples."""
        masks = [self.rule(self.samples, g) for g in self.generators]
        for mask in masks:
            n = int(mask.sum())
            if mask.dtype != torch.bool or mask.shape != (self.samples,) or not 0 < n < self.samples:
                raise ValueError(
                    f"draw_split: expected a bool mask of {self.samples} samples with some on either side, found "
                    f"{mask.dtype} of shape {tuple(mask.shape)} with {n} true"
                )
        return torch.stack(masks)[self.which]


def _r2(squared_error: Tensor, observed: Tensor, chosen: Tensor) -> Tensor:
    """Return 1 - SSE/SST a member, over the chosen samples."""
    weight = chosen.to(observed.dtype)
    mean = (observed * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)
    return 1.0 - (squared_error * weight).sum(-1) / (((observed - mean) ** 2) * weight).sum(-1)


def _prepared(windows: xr.DataArray, reco: np.ndarray, members: Sequence[Member], architecture: dict):
    """Return a fresh ensemble that knows its normaliser, the standardised windows and the targets in units of scale."""
    wanted = {name for m in members for name in m.channels}
    present = windows["predictor"].values.tolist()
    # names the windows lack are kept, so that the error can name them
    channels = [name for name in present if name in wanted] + sorted(wanted - set(present))
    ensemble = Ensemble(members, channels, architecture)
    x = as_tensor(windows, channels, ensemble.window)
    y = as_targets(reco, len(ensemble.members), len(x))
    values = x.double()
    sd = values.std((0, 2, 3), correction=0)
    ensemble.mean = values.mean((0, 2, 3)).float()
    ensemble.sd = torch.where(sd > 0, sd, 1.0).float()  # a constant channel standardises to zero
    spread = y.double().std(correction=0)
    ensemble.scale = torch.where(spread > 0, spread, 1.0).float()
    return ensemble, ensemble.standardise(x), y / ensemble.scale


def train(
    windows: xr.DataArray,
    reco: np.ndarray,
    members: Sequence[Member],
    *,
    iterations: int,
    draw_split: Split,
    loss: Loss,
    learning_rate: float = 1e-3,
    architecture: dict = ARCHITECTURE,
    keep: int = 10,
    progress: bool = True,
) -> tuple[Ensemble, History]:
    """Train every member at once: one forward pass of all samples an iteration gives the loss and the test score.

    Parameters
    ----------
    windows : DataArray, dims (sample, predictor, dy, dx)
        Finite; the coordinate ``predictor`` names the channels.
    reco : array, shape (sample,) or (member, sample)
        Target, kg m-2 yr-1 (of carbon).
    members : sequence of Member
        A member's result depends on its own fields, not on who else is in the ensemble (up to float32 rounding).
    iterations : int
        Steps of Adam, each on all of the member's training samples at once.
    draw_split : callable (n, torch.Generator) -> bool Tensor (n,)
        Called once an iteration and seed; true means training sample.
    loss : callable (predicted, observed) -> Tensor
        Loss of each sample, elementwise; its mean over a member's training samples is minimised.
    learning_rate : float
        Of Adam (Kingma & Ba 2015), whose other settings stay at PyTorch's defaults.
    architecture : dict
        See `helpers.cnn.ARCHITECTURE`.
    keep : int
        How many last iterations `History` keeps in full.
    progress : bool
        Show a bar.

    Returns
    -------
    Ensemble, History

    Raises
    ------
    ValueError
        A channel is missing, values are not finite, shapes disagree, or the split leaves one side empty.
    """
    ensemble, x, y = _prepared(windows, reco, members, architecture)
    splits = _Splits(members, len(x), draw_split)
    curve = np.empty((len(members), 2, iterations), np.float32)
    kept: list[tuple[Tensor, Tensor]] = []
    optimiser = torch.optim.Adam(ensemble.parameters(), lr=learning_rate, fused=True)
    with deterministic():
        for step in tqdm(range(iterations), desc="training", unit="it", disable=not progress, mininterval=1.0):
            training = splits.draw()
            if step == 0:  # a ReLU output that starts below zero everywhere never learns: start at the mean
                ensemble.full_bias.data = (y * training).sum(-1) / training.sum(-1)
            predicted = ensemble(x)
            each = loss(predicted, y)
            total = ((each * training).sum(-1) / training.sum(-1)).sum()  # members share no weights: a sum of losses
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            seen = predicted.detach()
            squared = (seen - y) ** 2
            curve[:, 0, step], curve[:, 1, step] = (_r2(squared, y, side).numpy() for side in (training, ~training))
            if step >= iterations - keep:
                kept.append((seen * ensemble.scale, training))
        with torch.no_grad():
            dead = (ensemble(x) <= 0).all(-1).numpy()
    predicted, training = (torch.stack(part).numpy() for part in zip(*kept, strict=True))
    return ensemble, History(curve, predicted, training, dead)


@torch.no_grad()
def predict(ensemble: Ensemble, windows: xr.DataArray | np.ndarray, batch: int = 8192) -> np.ndarray:
    """Return what every member makes of every window.

    Parameters
    ----------
    ensemble : Ensemble
        Trained or loaded.
    windows : DataArray, dims (sample, predictor, dy, dx), or ndarray, shape (sample, channel, dy, dx)
        An array must have its channels in the order of ``ensemble.channels``.
    batch : int
        Windows at a time, which bounds the memory; fewer where each of many members has a normaliser of its own.

    Returns
    -------
    ndarray, shape (member, sample), float32
        kg m-2 yr-1 (of carbon) when so trained.

    Raises
    ------
    ValueError
        A channel is missing, the shape is wrong, or a value is not finite.
    """
    x = as_tensor(windows, ensemble.channels, ensemble.window)
    if ensemble.mean.ndim == 2:
        batch = max(1, 4 * batch // len(ensemble.members))
    out = np.empty((len(ensemble.members), len(x)), np.float32)
    for start in range(0, len(x), batch):
        part = ensemble.standardise(x[start : start + batch])
        out[:, start : start + batch] = ensemble.in_units(ensemble(part))
    return out
