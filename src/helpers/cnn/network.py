"""The layers of the window network, for every member of an ensemble at once, and what they make of windows.

The paper names three convolutional layers, three max-pooling layers, one fully connected layer and a ReLU at the
output (Yu et al. 2021, Methods). We read them as 3x3 "same" convolutions and 2x2 "same" pools of stride 2, so that a
3x3 window shrinks to 2x2, 1x1 and 1x1. A convolution on so small a map *is* a matrix product: each pair of an input
and an output pixel uses one tap of the kernel or none. Writing it so lets one batched product serve all members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
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
        Starts its two random generators: of initial weights, and of splits that are drawn.
    weight_decay : float
        Decoupled from the gradient (Loshchilov & Hutter 2019): each step takes the share ``learning_rate`` times
        ``weight_decay`` off the weights, not off the biases.
    ridge : float
        Penalty of a ridge regression of the standardised centre pixel on the scaled target. A finite one gives the
        member that regression, fixed, as a sum beside its layers, which start at zero: the network learns what it
        leaves. By default there is none.
    """

    model: str
    channels: tuple[str, ...]
    seed: int = 0
    weight_decay: float = 0.0
    ridge: float = np.inf

    def __post_init__(self) -> None:
        for name in ("weight_decay", "ridge"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected a number of 0 or more, found {getattr(self, name)}")


def check_architecture(architecture: dict) -> None:
    """Raise ValueError unless ``architecture`` has two or more widths, an odd kernel, and an odd window if any."""
    unknown = set(architecture) - {"window"} ^ set(ARCHITECTURE)
    if unknown:
        raise ValueError(f"architecture: expected the keys {sorted(ARCHITECTURE)}, found {sorted(architecture)}")
    widths = architecture["widths"]
    if len(widths) < 2 or not all(isinstance(w, int) and w > 0 for w in widths):
        raise ValueError(f"architecture.widths: expected two or more positive whole numbers, found {widths}")
    for name in ("kernel", "window"):
        side = architecture.get(name, WINDOW)
        if not isinstance(side, int) or side < 1 or side % 2 == 0:
            raise ValueError(f"architecture.{name}: expected an odd whole number such as 3, found {side}")


def taps(kernel: int, size: int) -> Tensor:
    """Say by ones and zeros (tap, input pixel, output pixel) which tap of a "same" kernel joins which pixels."""
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
        """Return windows (sample, channel, dy, dx) or (member, sample, …) less the mean, over the deviation."""
        if self.mean.ndim == 1:
            return (windows - self.mean[:, None, None]) / self.sd[:, None, None]
        return (windows - self.mean[:, None, :, None, None]) / self.sd[:, None, :, None, None]

    def forward(self, standardised: Tensor) -> Tensor:
        """Return the outputs (member, sample), at least 0, in units of ``scale``, for windows that are standardised.

        They are shared by all members, or each member's own; what a member may not see is multiplied by zero.
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

    def select(self, indices: Sequence[int], name: str | None = None) -> Ensemble:
        """Return a new ensemble of some of the members, with copies of their weights and normalisers.

        With a name they are one model, that sees all channels; weights are zero where a member saw none.
        """
        own, every = [self.members[i] for i in indices], self.channels
        if name is not None:
            own = [replace(m, model=name, channels=every) for m in own]
        chosen, indices = Ensemble(own, every, self.architecture), torch.as_tensor(indices)
        with torch.no_grad():
            for new, old in zip(chosen.parameters(), self.parameters(), strict=True):
                new.copy_(old[indices])
        for field, shared in {"mean": 1, "sd": 1, "scale": 0, "linear": None}.items():
            value = getattr(self, field)
            setattr(chosen, field, value if value is None or value.ndim == shared else value[indices])
        return chosen


def pixels_last(windows: Tensor) -> Tensor:
    """Lay windows (..., sample, channel, dy, dx) out as rows (..., sample, pixel x channel)."""
    return windows.movedim(-3, -1).flatten(-3)


def as_tensor(windows: xr.DataArray | np.ndarray, channels: Sequence[str], side: int = WINDOW) -> Tensor:
    """Return windows as a float32 tensor (sample, channel, side, side) with the channels in the order asked for.

    Raises
    ------
    ValueError
        A channel is missing, the shape is not (sample, channel, side, side), or a value is not finite.
    """
    if isinstance(windows, xr.DataArray):
        present = windows["predictor"].values.tolist()
        missing = ", ".join(sorted(set(channels) - set(present)))
        if missing:
            raise ValueError(
                f"windows: expected channels {list(channels)}, found none called {missing}; they have "
                f"{', '.join(present)}"
            )
        windows = windows.sel(predictor=list(channels)).transpose("sample", "predictor", "dy", "dx").values
    if windows.ndim != 4 or windows.shape[1:] != (len(channels), side, side):
        raise ValueError(f"windows: expected shape (sample, {len(channels)}, {side}, {side}), found {windows.shape}")
    bad = ~np.isfinite(windows).all((0, 2, 3))
    if bad.any():
        names = ", ".join(np.array(channels)[bad])
        raise ValueError(f"windows: expected finite values, found missing ones in {names}; fill or drop those windows")
    return torch.tensor(np.ascontiguousarray(windows, dtype=np.float32))


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
        As `as_tensor`.
    """
    x = as_tensor(windows, ensemble.channels, ensemble.window)
    if ensemble.mean.ndim == 2:
        batch = max(1, 4 * batch // len(ensemble.members))
    out = np.empty((len(ensemble.members), len(x)), np.float32)
    for start in range(0, len(x), batch):
        part = ensemble.standardise(x[start : start + batch])
        out[:, start : start + batch] = ensemble.in_units(ensemble(part))
    return out
