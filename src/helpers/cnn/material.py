"""What each member of a chunk learns from, stops on and is tested on: its own samples, scaled by those it learns from.

A member's tensors hold its own samples only, so that no sum that it learns from ever touches another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from helpers.cnn.network import pixels_last


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
