"""The inner loop of training on frozen splits: a few members that share their channels, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from helpers.cnn.material import Material, Part
from helpers.cnn.network import Ensemble, Member
from helpers.cnn.stopping import Best


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
