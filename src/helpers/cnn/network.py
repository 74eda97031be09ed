"""The layers of the window network, for every member of an ensemble at once, and what they make of windows.

The paper names three convolutional layers, three max-pooling layers, one fully connected layer and a ReLU at the
output (Yu et al. 2021, Methods). We read them as 3x3 "same" convolutions and 2x2 "same" pools of stride 2, so that a
3x3 window shrinks to 2x2, 1x1 and 1x1. A convolution on so small a map *is* a matrix product: each pair of an input
and an output pixel uses one tap of the kernel or none. Writing it so lets one batched product serve all members.

Samples stand last in every tensor, so that a pixel of a filter is a row of numbers one after the other: a max-pool is
the elementwise maximum of such rows. The backward pass is written out too, in place and in tensors that are used again
at each step, for a processor is quick with numbers that are in its cache and slow with others.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from helpers.cnn.steps import Steps

WINDOW = 3
"""Pixels on a side of the input."""

AT_ONCE = {"cpu": 4800, "cuda": 2**22}
"""Pairs of a member and a sample that go through the layers together, by device: about 3 KiB each, in a cache if there
is one of such a size. See ``benchmarks/training.py``."""

ALIGNED = 16
"""Numbers in a cache line and in a register of a modern processor: rows of a multiple are read fastest."""

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
    """Raise ValueError unless ``architecture`` has an odd kernel, an odd window if any, and widths enough for it."""
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
    least = (architecture.get("window", WINDOW) - 1).bit_length()  # pools until one pixel is left
    if len(widths) < least:
        raise ValueError(
            f"architecture.widths: expected {least} or more for a window of {architecture['window']}, found {widths}"
        )


def check_device(device: str) -> None:
    """Raise ValueError unless torch has the device here, and this module knows it."""
    try:
        known = torch.empty(0, device=device).device.type in AT_ONCE
    except (RuntimeError, AssertionError):  # the second from a torch that was built without
        known = False
    if not known:
        raise ValueError(f"device: expected cpu, or cuda where torch finds such a device, found {device!r}")


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
    numbers : Parameter, shape (member, number)
        All weights and biases of a member in a row; `named` tells them apart.
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
        self.window, side = architecture.get("window", WINDOW), architecture["kernel"]
        size, self.shapes, c, n = self.window, {}, len(self.channels), len(self.members)
        for i, width in enumerate(architecture["widths"], start=1):
            reach = 2 * min(side // 2, size - 1) + 1  # taps further out lie off the map at every pixel
            self.shapes |= {f"conv{i}.weight": (width, reach, reach, c), f"conv{i}.bias": (width,)}
            size, c = (size + 1) // 2, width
        self.shapes |= {"full.weight": (1, c), "full.bias": (1,)}
        self.numbers = nn.Parameter(torch.zeros(n, sum(map(math.prod, self.shapes.values()))))
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

    def named(self, numbers: Tensor) -> dict[str, Tensor]:
        """Return views of ``numbers``, or of their gradient, by the names of `initial_weights`, members first.

        Kernels stand as (member, filter, dy, dx, channel), without the taps that a map of their size cannot use.
        """
        parts = numbers.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        return {k: part.unflatten(1, shape) for (k, shape), part in zip(self.shapes.items(), parts, strict=True)}

    @torch.no_grad()
    def forward(self, standardised: Tensor) -> Tensor:
        """Return the outputs (member, sample), at least 0, in units of ``scale``, for windows that are standardised.

        They are shared by all members, or each member's own. Gradients are the matter of `Passes`.
        """
        passes = Passes(self, standardised.shape[-4])
        out = [passes.forward(part)[:, : part.count] for part in passes.lay_out(standardised)]
        return torch.cat(out, dim=1) if out else self.numbers.new_empty(len(self.members), 0)

    def in_units(self, outputs: Tensor) -> Tensor:
        """Return outputs (member, sample) in the units of the target."""
        return outputs * (self.scale[:, None] if self.scale.ndim else self.scale)

    def weights(self, member: int) -> dict[str, Tensor]:
        """Return one member as the small network it is: its own channels only, named as by `initial_weights`.

        Taps that a map cannot use are zero.
        """
        side, out = self.architecture["kernel"], {}
        for name, own in self.named(self.numbers.detach()[member : member + 1]).items():
            out[name] = own[0].clone()
            if own.ndim == 5:
                out[name] = own.new_zeros(own.shape[1], own.shape[4], side, side)
                _middle(out[name], own.shape[2])[:] = own[0].movedim(-1, 1)
        out["conv1.weight"] = out["conv1.weight"][:, self.places[member]]
        return out

    @torch.no_grad()
    def set_weights(self, member: int, weights: dict[str, Tensor]) -> None:
        """Give one member the weights of a small network (the inverse of `weights`)."""
        for name, own in self.named(self.numbers[member : member + 1]).items():
            if own.ndim < 5:
                own[0] = weights[name]
                continue
            seen = self.places[member] if name == "conv1.weight" else slice(None)
            own[...] = 0.0
            own[0][..., seen] = _middle(weights[name], own.shape[2]).movedim(1, -1)

    def select(self, indices: Sequence[int], name: str | None = None) -> Ensemble:
        """Return a new ensemble of some of the members, with copies of their weights and normalisers.

        With a name they are one model, that sees all channels; weights are zero where a member saw none.
        """
        own, every = [self.members[i] for i in indices], self.channels
        if name is not None:
            own = [replace(m, model=name, channels=every) for m in own]
        chosen, indices = Ensemble(own, every, self.architecture), torch.as_tensor(indices)
        with torch.no_grad():
            chosen.numbers.copy_(self.numbers[indices])
        for field, shared in {"mean": 1, "sd": 1, "scale": 0, "linear": None}.items():
            value = getattr(self, field)
            setattr(chosen, field, value if value is None or value.ndim == shared else value[indices])
        return chosen


def _middle(kernel: Tensor, side: int) -> Tensor:
    """Return a view of the middle of kernels (..., dy, dx): so many taps on a side."""
    start = (kernel.shape[-1] - side) // 2
    return kernel[..., start : start + side, start : start + side]


@dataclass(frozen=True)
class Part:
    """Some windows of a call of `Passes.lay_out`: which, as pixels that stay in place, and the steps that read them."""

    at: slice
    pixels: Tensor
    forward: Steps
    backward: Steps

    @property
    def count(self) -> int:
        """Return how many windows they are; those that fill the part up are beyond."""
        return self.at.stop - self.at.start


class Passes:
    """The way of samples through the layers of an ensemble, forth and back, in tensors that are used again and again.

    Parameters
    ----------
    ensemble : Ensemble
        Its numbers are read by `spread`, which whoever changes them calls again.
    samples : int
        They go in parts of equal size, a few thousand pairs of a member and a sample at a time.

    Attributes
    ----------
    gradient : Tensor, shape (member, number)
        Of ``numbers``, as `gather` left it.
    """

    def __init__(self, ensemble: Ensemble, samples: int) -> None:
        self.ensemble, self.gradient = ensemble, torch.zeros_like(ensemble.numbers)
        self.numbers, self.slopes = ensemble.named(ensemble.numbers.detach()), ensemble.named(self.gradient)
        parts = math.ceil(samples * len(ensemble.members) / AT_ONCE[ensemble.numbers.device.type]) or 1
        self.size = max(1, math.ceil(samples / parts / ALIGNED)) * ALIGNED
        self.layers, size = [], ensemble.window
        for i in range(1, len(ensemble.architecture["widths"]) + 1):
            values, slopes = ([of[f"conv{i}.{k}"] for k in ("weight", "bias")] for of in (self.numbers, self.slopes))
            before = self.layers[-1].pooled if self.layers else None
            self.layers.append(_Convolution(*values, *slopes, size, self.size, before=before))
            size = (size + 1) // 2
        self.hidden = self.layers[-1].pooled.flatten(1, 3)
        self.sums = self.hidden.new_empty(len(self.hidden), 1, self.size)
        self.slope, self.back = torch.zeros_like(self.sums), torch.empty_like(self.hidden)
        self.spreading, self.gathering = Steps(), Steps()
        self.spreading.add("zero", self.gradient)
        for layer in self.layers:
            layer.spread(self.spreading)
            layer.gather(self.gathering)
        kernels = self.slopes["conv1.weight"]  # what a member may not see stays 0
        self.gathering.add("mul", kernels, kernels, ensemble.mask[:, None, None, None])
        self.spread()

    def lay_out(self, standardised: Tensor) -> list[Part]:
        """Cut windows (..., sample, channel, dy, dx) into parts, with pixels as (..., dy, dx, channel, sample).

        The last one is filled up by zeros.
        """
        count, parts = standardised.shape[-4], []
        for start in range(0, count, self.size):
            own = standardised[..., start : start + self.size, :, :, :].movedim((-4, -3), (-1, -2))
            pixels = own.new_zeros(*own.shape[:-1], self.size)
            pixels[..., : own.shape[-1]] = own
            at, seen = slice(start, start + own.shape[-1]), self.layers[0].look(pixels)
            parts.append(Part(at, pixels, self._forward(pixels, seen), self._backward(seen)))
        return parts

    def _forward(self, pixels: Tensor, seen: list[Tensor]) -> Steps:
        steps = Steps()
        for layer in self.layers:
            layer.forward(steps, seen if layer.seen is None else layer.seen)
        steps.add("copy", self.sums, self.numbers["full.bias"][..., None])
        steps.add("baddbmm", self.sums, self.numbers["full.weight"], self.hidden)
        if self.ensemble.linear is not None:
            middle = self.ensemble.window // 2
            centre = pixels[..., middle, middle, :, :].expand(len(self.sums), -1, -1)
            steps.add("baddbmm", self.sums, self.ensemble.linear[:, None], centre)
        steps.add("relu", self.sums)
        return steps

    def _backward(self, seen: list[Tensor]) -> Steps:
        steps, weight = Steps(), self.numbers["full.weight"]
        steps.add("relu_slope", self.slope, self.slope, self.sums)
        steps.add("baddbmm", self.slopes["full.weight"], self.slope, self.hidden.mT)
        steps.add("add_sums", self.slopes["full.bias"], self.slope[:, None, None])
        steps.add("mul", self.back, weight.mT, self.slope)
        back = self.back
        for layer in reversed(self.layers):
            back = layer.backward(steps, back, seen if layer.seen is None else layer.seen)
        return steps

    def spread(self) -> None:
        """Read the weights anew, and start the gradient at zero."""
        self.spreading()

    def forward(self, part: Part) -> Tensor:
        """Return the outputs (member, sample) for a part of `lay_out`."""
        part.forward()
        return self.sums[:, 0].clone()  # the next part is worked out in the same memory

    def backward(self, part: Part, slope: Tensor) -> None:
        """Take back the slope (member, sample) of a sum with respect to the last outputs, for `gather` to collect.

        Samples that are left out at the end have none.
        """
        self.slope[:, 0, : part.count] = slope
        self.slope[..., part.count :] = 0.0
        part.backward()

    def gather(self) -> Tensor:
        """Return the gradient of the sums of all calls of `backward` since `spread`."""
        self.gathering()
        return self.gradient


class _Convolution:
    """A "same" convolution, 2x2 "same" max-pool, bias and ReLU on a small map, for all members and some samples.

    The kernel is written out as a matrix from input pixels to output pixels, zero where no tap joins them. In the first
    layer, where the map is largest, the matrix is that of one row of output pixels, and each row uses the part of it
    for the rows of input pixels that it sees.
    """

    def __init__(self, kernel, bias, kernel_slope, bias_slope, size: int, samples: int, *, before: Tensor | None):
        m, f, side, _, c = kernel.shape
        half, every = side // 2, range(size)
        pixels = [slice(max(0, y - half), min(size, y + half + 1)) for y in every]  # that an output pixel sees, a side
        taps = [slice(p.start - y + half, p.stop - y + half) for y, p in enumerate(pixels)]  # by these
        self.bias, self.bias_slope, self.parts = bias, bias_slope, []
        rows, inputs = (1, side) if before is None else (size, size)
        matrix, slope = (kernel.new_zeros(m, rows, size, f, inputs, size, c) for _ in range(2))
        for y in range(rows):
            up, by = (slice(None), slice(None)) if before is None else (pixels[y], taps[y])
            for x in every:
                at, of = (..., y, x, slice(None), up, pixels[x], slice(None)), (..., by, taps[x], slice(None))
                self.parts.append((matrix[at], kernel[of], slope[at], kernel_slope[of]))
        self.matrix, self.slope = matrix.flatten(4).flatten(1, 3), slope.flatten(4).flatten(1, 3)
        if before is None:
            self.out = kernel.new_empty(size, m, size, f, samples)
            products = self.out.flatten(2, 3).unbind()
            used = [slice(t.start * size * c, t.stop * size * c) for t in taps]
            self.sight, self.back, self.seen = pixels, None, None
        else:
            whole = kernel.new_empty(m, size, size, f, samples)
            self.out, products, used = whole.movedim(1, 0), [whole.flatten(1, 3)], [slice(None)]
            self.sight, self.back = [slice(None)], torch.empty_like(before.flatten(1, 3))
            self.seen = self.look(before)
        # of each member, and of all in one matrix
        self.own = [(self.matrix[..., k], self.slope[..., k], out) for k, out in zip(used, products, strict=True)]
        self.all = [tuple(part.flatten(0, 1) for part in parts) for parts in self.own]
        self._plan_pool()

    def look(self, maps: Tensor) -> list[Tensor]:
        """Return the rows of input pixels that each product sees, as matrices (..., pixel x channel, sample)."""
        return [maps[..., rows, :, :, :].flatten(-4, -2) for rows in self.sight]

    def _plan_pool(self) -> None:
        """Prepare the pool: the larger of two columns, then of two rows; a last one without a partner is carried over.

        Of equal values the first one counts, as in PyTorch.
        """
        size, m, _, f, samples = self.out.shape
        half, paired = (size + 1) // 2, size // 2
        self.pairs, self.single, self.pooled = [], [], self.out.movedim(1, 0)
        if size == 1:
            return
        wide = self.out.new_empty(size, m, paired, f, samples)
        self.pooled = self.out.new_empty(m, half, half, f, samples)
        self.pairs.append((self.out[:, :, 0 : 2 * paired : 2], self.out[:, :, 1::2], wide))
        columns = [(wide, slice(0, paired))]
        if half > paired:
            columns.append((self.out[:, :, -1:], slice(paired, half)))
        for part, where in columns:
            to = self.pooled.movedim(1, 0)[:, :, where]
            self.pairs.append((part[0 : 2 * paired : 2], part[1::2], to[:paired]))
            if half > paired:
                self.single.append((part[-1], to[-1]))

    def spread(self, steps: Steps) -> None:
        """Write the kernel out, and start its slope at zero."""
        steps.add("zero", self.slope)
        for part, taps, *_ in self.parts:
            steps.add("copy", part, taps)

    def gather(self, steps: Steps) -> None:
        """Add up the slopes of all pairs of pixels that a tap joins."""
        for *_, slope, taps in self.parts:
            steps.add("add", taps, taps, slope)

    def forward(self, steps: Steps, seen: list[Tensor]) -> None:
        """Make pooled maps (member, y, x, filter, sample) of what is ``seen``: a member's own, or shared by all."""
        for inputs, own, every in zip(seen, self.own, self.all, strict=True):
            if inputs.ndim == 2:  # one product for all members
                steps.add("mm", every[2], every[0], inputs)
            else:
                steps.add("bmm", own[2], own[0], inputs)
        for first, second, larger in self.pairs:
            steps.add("maximum", larger, first, second)
            steps.add("greater", second, second, first)  # from here on: 1 where the second gets the slope, else 0
        for one, out in self.single:
            steps.add("copy", out, one)
        # max(x + b) = max(x) + b: bias and ReLU come after the pool, on fewer numbers
        steps.add("add", self.pooled, self.pooled, self.bias[:, None, None, :, None])
        steps.add("relu", self.pooled)

    def backward(self, steps: Steps, slope: Tensor, seen: list[Tensor]) -> Tensor | None:
        """Take a slope back; return that (member, pixel x channel, sample) of what came in, which windows don't need.

        It takes the place of what went out, and then of the products.
        """
        steps.add("relu_slope", self.pooled, slope.view_as(self.pooled), self.pooled)
        steps.add("add_sums", self.bias_slope, self.pooled)
        for one, out in self.single:
            steps.add("copy", one, out)
        for first, second, larger in reversed(self.pairs):
            steps.add("mul", second, second, larger)
            steps.add("sub", first, larger, second)
        for inputs, own, every in zip(seen, self.own, self.all, strict=True):
            if inputs.ndim == 2:
                steps.add("addmm", every[1], every[2], inputs.mT)
            else:
                steps.add("baddbmm", own[1], own[2], inputs.mT)
        if self.back is not None:
            steps.add("bmm", self.back, self.matrix.mT, self.own[0][2])
        return self.back


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
def predict(
    ensemble: Ensemble, windows: xr.DataArray | np.ndarray, batch: int = 8192, device: str = "cpu"
) -> np.ndarray:
    """Return what every member makes of every window.

    Parameters
    ----------
    ensemble : Ensemble
        Trained or loaded.
    windows : DataArray, dims (sample, predictor, dy, dx), or ndarray, shape (sample, channel, dy, dx)
        An array must have its channels in the order of ``ensemble.channels``.
    batch : int
        Windows at a time, which bounds the memory; fewer where each of many members has a normaliser of its own.
    device : str
        Where it is computed, as in `helpers.cnn.training.train`.

    Returns
    -------
    ndarray, shape (member, sample), float32
        kg m-2 yr-1 (of carbon) when so trained.

    Raises
    ------
    ValueError
        As `as_tensor`, or the device isn't there.
    """
    check_device(device)
    ensemble = copy.deepcopy(ensemble).to(device)
    x = as_tensor(windows, ensemble.channels, ensemble.window)
    if ensemble.mean.ndim == 2:
        batch = max(1, 4 * batch // len(ensemble.members))
    out = np.empty((len(ensemble.members), len(x)), np.float32)
    for start in range(0, len(x), batch):
        part = ensemble.standardise(x[start : start + batch].to(device))
        out[:, start : start + batch] = ensemble.in_units(ensemble(part)).cpu()
    return out
