"""The layers of the window network, for every member of an ensemble at once.

The paper names three convolutional layers, three max-pooling layers, one fully connected layer and a ReLU at the
output (Yu et al. 2021, Methods). We read them as 3x3 "same" convolutions and 2x2 "same" pools of stride 2, so that a
3x3 window shrinks to 2x2, 1x1 and 1x1. A convolution on so small a map *is* a matrix product: each pair of an input
and an output pixel uses one tap of the kernel or none. Writing it so lets one batched product serve all members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 3
"""Pixels on a side of the input."""

ARCHITECTURE = {"widths": [16, 32, 64], "kernel": 3}
"""Our reading of what the paper leaves open: filters of each convolution, and the side of its kernel (odd).

A third key, ``window``, may give another (odd) side of the input. With 1 nothing is left of the neighbourhood, a
convolution is a layer of weights, and the network is a multilayer perceptron of one pixel.
"""


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Parameters
    ----------
    model : str
        Name of the configuration, such as ``CNN5``; members of one model differ in seed alone.
    channels : tuple of str
        Predictors it may see.
    seed : int
        Starts its two random generators: of initial weights, and of the splits.
    """

    model: str
    channels: tuple[str, ...]
    seed: int


def check_architecture(architecture: dict) -> None:
    """Raise ValueError unless ``architecture`` holds ``widths`` (two or more whole numbers) and an odd ``kernel``."""
    unknown = set(architecture) - {"window"} ^ set(ARCHITECTURE)
    if unknown:
        raise ValueError(f"architecture: expected the keys {sorted(ARCHITECTURE)}, found {sorted(architecture)}")
    widths, kernel = architecture["widths"], architecture["kernel"]
    if len(widths) < 2 or not all(isinstance(w, int) and w > 0 for w in widths):
        raise ValueError(f"architecture.widths: expected two or more positive whole numbers, found {widths}")
    if not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"architecture.kernel: expected an odd whole number such as 3, found {kernel}")
    window = architecture.get("window", WINDOW)
    if not isinstance(window, int) or window < 1 or window % 2 == 0:
        raise ValueError(f"architecture.window: expected an odd whole number such as 3, found {window}")


def taps(kernel: int, size: int) -> Tensor:
    """Say which tap of a "same" kernel joins which input pixel to which output pixel.

    Returns
    -------
    Tensor, shape (kernel * kernel, size * size, size * size)
        Ones and zeros over (tap, input pixel, output pixel), pixels row by row.
    """
    row = torch.arange(size)
    step = row[:, None] - row[None, :] + kernel // 2  # (input, output) along one side
    one = (step == torch.arange(kernel)[:, None, None]).float()
    return torch.einsum("aip,bjq->abijpq", one, one).reshape(kernel**2, size**2, size**2)


def initial_weights(channels: int, architecture: dict, seed: int) -> dict[str, Tensor]:
    """Draw one small network's weights as PyTorch's own layers would after ``torch.manual_seed(seed)``.

    Weights and biases are uniform within 1 / sqrt(fan in), the fan in being that of the network with *its* channels.

    Returns
    -------
    dict of Tensor
        ``conv1.weight`` (filter, channel, dy, dx), ``conv1.bias``, … ``full.weight`` (1, filter), ``full.bias`` (1,).
    """
    generator = torch.Generator().manual_seed(seed)
    widths, side = architecture["widths"], architecture["kernel"]
    shapes = {
        f"conv{i + 1}": (w, c, side, side)
        for i, (c, w) in enumerate(zip([channels, *widths[:-1]], widths, strict=True))
    }
    weights = {}
    for name, shape in {**shapes, "full": (1, widths[-1])}.items():
        bound = 1.0 / np.sqrt(np.prod(shape[1:]))
        weights[f"{name}.weight"] = torch.empty(shape).uniform_(-bound, bound, generator=generator)
        weights[f"{name}.bias"] = torch.empty(shape[0]).uniform_(-bound, bound, generator=generator)
    return weights


class Ensemble(nn.Module):
    """Networks that share their input and differ in weights and in the channels they see.

    Parameters
    ----------
    members : sequence of Member
        Axis 0 of every tensor.
    channels : sequence of str
        Names along the channel axis of the windows; every member's channels are among them.
    architecture : dict
        See `ARCHITECTURE`.

    Attributes
    ----------
    mean, sd : Tensor, shape (channel,) or (member, channel)
        The normaliser: windows are standardised by it. 0 and 1 until training sets them.
    scale : Tensor, shape () or (member,)
        Units of the target in one unit of the output.
    linear : Tensor, shape (member, channel), or None
        Weights of the standardised centre pixel in a sum that passes the layers by and meets them before the last ReLU.
    window : int
        Pixels on a side of the input.
    """

    def __init__(self, members: Sequence[Member], channels: Sequence[str], architecture: dict = ARCHITECTURE) -> None:
        super().__init__()
        check_architecture(architecture)
        if not members:
            raise ValueError("members: expected one or more, found none")
        self.members, self.channels, self.architecture = tuple(members), tuple(channels), architecture
        for m in self.members:
            lacking = sorted(set(m.channels) - set(self.channels))
            if lacking or not m.channels:
                raise ValueError(
                    f"members: expected the channels of {m.model} among {list(self.channels)}, "
                    f"found {lacking or 'no channels at all'}"
                )
        # where each member's channels stand, in the order of the windows
        self.places = [[i for i, name in enumerate(self.channels) if name in m.channels] for m in self.members]
        self.window = architecture.get("window", WINDOW)
        size, self.sizes, c, n = self.window, [], len(self.channels), len(self.members)
        self.kernels, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, width in enumerate(architecture["widths"]):
            self.register_buffer(f"taps{i}", taps(architecture["kernel"], size))
            self.kernels.append(torch.zeros(n, width, c, architecture["kernel"] ** 2))
            self.biases.append(torch.zeros(n, width))
            self.sizes.append(size)
            size, c = (size + 1) // 2, width
        self.full_weight, self.full_bias = nn.Parameter(torch.zeros(n, c, 1)), nn.Parameter(torch.zeros(n))
        mask = torch.zeros(n, len(self.channels))
        for i, places in enumerate(self.places):
            mask[i, places] = 1.0
        self.register_buffer("mask", mask)
        self.register_buffer("mean", torch.zeros(len(self.channels)))
        self.register_buffer("sd", torch.ones(len(self.channels)))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("linear", None)
        for i, m in enumerate(self.members):
            self.set_weights(i, initial_weights(len(m.channels), architecture, m.seed))

    def standardise(self, windows: Tensor) -> Tensor:
        """Return windows less the mean, over the standard deviation, channel by channel.

        Parameters
        ----------
        windows : Tensor, shape (sample, channel, dy, dx) or (member, sample, channel, dy, dx)

        Returns
        -------
        Tensor
            Without a member axis only if neither the windows nor the normaliser have one.
        """
        if self.mean.ndim == 1:
            return (windows - self.mean[:, None, None]) / self.sd[:, None, None]
        return (windows - self.mean[:, None, :, None, None]) / self.sd[:, None, :, None, None]

    def forward(self, standardised: Tensor) -> Tensor:
        """Return the outputs (member, sample), at least 0, in units of ``scale``.

        Parameters
        ----------
        standardised : Tensor, shape (sample, channel, dy, dx) or (member, sample, channel, dy, dx)
            Shared by all members, or each member's own; what a member may not see is multiplied by zero.
        """
        return self.from_pixels(pixels_last(standardised))

    def from_pixels(self, pixels: Tensor) -> Tensor:
        """Return the outputs for windows that `pixels_last` has laid out, which need not be laid out at every step."""
        members, samples = len(self.members), pixels.shape[-2]
        hidden = pixels.expand(members, samples, -1)
        for i, (kernel, bias, size) in enumerate(zip(self.kernels, self.biases, self.sizes, strict=True)):
            visible = kernel * self.mask[:, None, :, None] if i == 0 else kernel
            hidden = torch.bmm(hidden, self._as_matrix(visible, getattr(self, f"taps{i}")))
            width = kernel.shape[1]
            if size > 1:  # a 2x2 pool of a 1x1 map is that map
                grid = hidden.view(members * samples, size, size, width).permute(0, 3, 1, 2)
                pooled = functional.max_pool2d(grid, 2, stride=2, ceil_mode=True).permute(0, 2, 3, 1)
                hidden = pooled.reshape(members, samples, -1, width)
            else:
                hidden = hidden.view(members, samples, 1, width)
            # max(x + b) = max(x) + b: bias and ReLU come after the pool, on fewer numbers
            hidden = functional.relu(hidden + bias[:, None, None, :]).reshape(members, samples, -1)
        sums = torch.baddbmm(self.full_bias[:, None, None], hidden, self.full_weight)
        if self.linear is not None:
            sums = sums + self.centre(pixels) @ self.linear[..., None]
        return functional.relu(sums)[..., 0]

    def centre(self, pixels: Tensor) -> Tensor:
        """Return the channels (..., sample, channel) of the pixel in the middle."""
        return pixels.unflatten(-1, (self.window**2, -1))[..., self.window**2 // 2, :]

    def in_units(self, outputs: Tensor) -> Tensor:
        """Return outputs (member, sample) in the units of the target."""
        return outputs * (self.scale[:, None] if self.scale.ndim else self.scale)

    @staticmethod
    def _as_matrix(kernel: Tensor, taps: Tensor) -> Tensor:
        """Spread kernels (member, filter, channel, tap) into matrices (member, pixel x channel, pixel x filter)."""
        m, f, c, _ = kernel.shape
        _, p, q = taps.shape
        spread = (kernel.reshape(-1, len(taps)) @ taps.flatten(1)).view(m, f, c, p, q)
        return spread.permute(0, 3, 2, 4, 1).reshape(m, p * c, q * f)

    def weights(self, member: int) -> dict[str, Tensor]:
        """Return one member as the small network it is: its own channels only, named as by `initial_weights`."""
        side = self.architecture["kernel"]
        out = {}
        for i, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            own = kernel[member][:, self.places[member]] if i == 0 else kernel[member]
            out[f"conv{i + 1}.weight"] = own.detach().unflatten(-1, (side, side)).clone()
            out[f"conv{i + 1}.bias"] = bias[member].detach().clone()
        out["full.weight"] = self.full_weight[member].detach().T.clone()
        out["full.bias"] = self.full_bias[member].detach()[None].clone()
        return out

    @torch.no_grad()
    def set_weights(self, member: int, weights: dict[str, Tensor]) -> None:
        """Give one member the weights of a small network (the inverse of `weights`)."""
        for i, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            small = weights[f"conv{i + 1}.weight"].flatten(2)
            if i == 0:
                kernel[member] = 0.0
                kernel[member][:, self.places[member]] = small
            else:
                kernel[member] = small
            bias[member] = weights[f"conv{i + 1}.bias"]
        self.full_weight[member] = weights["full.weight"].T
        self.full_bias[member] = weights["full.bias"][0]

    def select(self, indices: Sequence[int]) -> Ensemble:
        """Return a new ensemble of some of the members, with copies of their weights and normalisers."""
        chosen = Ensemble([self.members[i] for i in indices], self.channels, self.architecture)
        for new, old in enumerate(indices):
            chosen.set_weights(new, self.weights(old))
        own = list(indices)
        chosen.mean, chosen.sd = (v[own] if v.ndim == 2 else v.clone() for v in (self.mean, self.sd))
        chosen.scale = self.scale[own] if self.scale.ndim else self.scale.clone()
        chosen.linear = None if self.linear is None else self.linear[own]
        return chosen


def pixels_last(windows: Tensor) -> Tensor:
    """Lay windows (..., sample, channel, dy, dx) out as rows (..., sample, pixel x channel)."""
    return windows.movedim(-3, -1).flatten(-3)
