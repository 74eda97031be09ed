"""Whole maps: what networks make of every cell of a grid, strip by strip, equal to what they make of its windows.

The first convolution is most of the work, and neighbouring windows share it. Let x(r, c) be the standardised channels
of a cell, W[d, e] the kernel's tap d rows down and e columns to the right, h half the kernel's side, and the window
that of the cell (r, c). "Same" padding puts zeros around the window, so the output pixel (i, j), with i and j in
{-1, 0, 1} from the window's middle, is

    y(i, j) = b + sum over p, q of W[p - i, q - j] x(r + p, c + q),    p, q in {-1, 0, 1}, |p - i| <= h, |q - j| <= h.

The sum over q doesn't know in which window the row r + p stands, but through d = p - i. So

    z[d, j](r, c) = sum over q of W[d, q - j] x(r, c + q)    and    y(i, j) = b + sum over p of z[p - i, j](r + p, c):

each z is made once a cell, for the three windows in which that cell is above, within or below the middle. That is no
approximation: the same products are added, in another order. With a 3x3 kernel a cell needs nine z (three d, three j)
of two or three pixels each, where a window by itself has 49 pairs of an input and an output pixel. What follows is not
shared: a pool, then convolutions on so few pixels that each is one matrix.

It holds only where windows agree on what a cell is. A missing neighbour that is filled with the centre's value is
another value in each window. Windows with such neighbours are cut, filled, and go the same way as bands of one row.

Numbers stand with the cell last: rows of a matrix are filters of a pixel, columns are cells. Every step is then a
matrix product, or a sum or a maximum of long rows; the blocks are small enough for a processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import islice

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from helpers import tasks
from helpers.cnn.network import Ensemble
from helpers.cnn.steps import Steps
from helpers.space import windows

ROOM = 128_000_000
"""Bytes of a strip: its channels, and what every member says of it."""

PIECES = 2
"""Strips of all years, at least. Each takes some 20 ms to begin with, so more of them don't help a small map."""

BAND, BLOCK, APART = 16, 96, 512
"""Rows and columns of a block, and windows that are cut at a time: their filters about fill 2 MiB of cache."""

SHARED = 0.5
"""Share of a column's windows that must be whole for it to go with its band; windows that are cut cost more."""

Summary = Callable[[np.ndarray], np.ndarray]


def predict_grid(
    ensembles: Ensemble | Sequence[Ensemble],
    fields: xr.Dataset,
    years: Sequence[int | None],
    summary: Summary = np.asarray,
    *,
    fill: str = "centre",
    rows: int = 0,
    progress: str = "",
) -> Iterator[tuple[int | None, np.ndarray]]:
    """Yield maps of every year, in order: what networks make of the window of each cell.

    Strips of all years are worked on side by side, by `helpers.tasks.each`.

    Parameters
    ----------
    ensembles : Ensemble, or sequence of Ensemble
        Their windows may be of three cells or of one.
    fields : Dataset (lat, lon), or (year, lat, lon)
        Where the channels are looked up; from zarr it is read strip by strip.
    years : sequence of int
        ``None`` for fields without years.
    summary : callable (member, cell) -> (layer, cell)
        What the maps show of the members' values, kg m-2 yr-1 of carbon, those of the first ensemble first. Each cell
        by itself: it gets some cells at a time, or none. By default every member is a layer.
    fill : {"centre", "drop"}
        What a missing neighbour becomes: the centre's value, or (drop) the cell gets no value.
    rows : int
        Rows of a strip; by default (0) as many as make 128 MB, which bounds the memory of each worker, or half a map.
    progress : str
        Title of a bar of strips; none without.

    Yields
    ------
    year : int or None
    maps : ndarray (layer, lat, lon) float32
        NaN where a channel of any of the ensembles is missing.

    Raises
    ------
    ValueError
        An unknown fill, a channel or a year that isn't there, or a window of another size.
    """
    ensembles = [ensembles] if isinstance(ensembles, Ensemble) else list(ensembles)
    for ensemble in ensembles:
        if ensemble.window not in (1, 3):
            raise ValueError(f"architecture.window: expected 1 or 3 to map with, found {ensemble.window}")
    channels = list(dict.fromkeys(c for ensemble in ensembles for c in ensemble.channels))
    members = sum(len(ensemble.members) for ensemble in ensembles)
    layers = len(summary(np.empty((members, 0), np.float32)))
    said = partial(_said, ensembles=ensembles, channels=channels, summary=summary)
    rows = rows or _rows(len(channels) + members + layers, fields, years)
    return _maps(said, layers, fields, channels, years, fill, rows, progress)


def map_cells(
    ask: Callable[[np.ndarray], np.ndarray],
    fields: xr.Dataset,
    channels: Sequence[str],
    years: Sequence[int | None],
    *,
    fill: str = "centre",
    rows: int = 0,
    progress: str = "",
) -> Iterator[tuple[int | None, np.ndarray]]:
    """Yield a map of every year, as `predict_grid` does, of what ``ask`` makes of the cells alone.

    Parameters
    ----------
    ask : callable (cell, channel) -> (cell,)
        Gets float32, of one or more cells at a time.
    fields, channels, years, fill, rows, progress
        As of `predict_grid`; the cells are those that would have a window.

    Yields
    ------
    year : int or None
    maps : ndarray (lat, lon)
    """
    asked = partial(_asked, ask=ask)
    rows = rows or _rows(len(channels) + 2, fields, years)
    for year, layers in _maps(asked, 1, fields, list(channels), years, fill, rows, progress):
        yield year, layers[0]


def _rows(layers: int, fields: xr.Dataset, years: Sequence[int | None]) -> int:
    """Return rows of a strip: whole chunks of the disk, of 120 rows, where more than one fits; fewer for small maps."""
    rows = max(1, ROOM // (4 * layers * fields.sizes["lon"]))
    rows = rows - rows % 120 if rows > 120 else rows
    strips = -(-PIECES // max(1, len(years)))
    return min(rows, -(-fields.sizes["lat"] // strips))


def _maps(said, layers, fields, channels, years, fill, rows, progress) -> Iterator[tuple[int | None, np.ndarray]]:
    if fill not in ("centre", "drop"):
        raise ValueError(f"fill: expected centre or drop to map with, found {fill!r}")
    if rows < 1:
        raise ValueError(f"rows: expected a whole number of 1 or more, or 0 for as many as fit, found {rows}")
    height = fields.sizes["lat"]
    starts = range(0, height, rows)
    strips = [(year, slice(start, min(start + rows, height))) for year in years for start in starts]
    work = partial(_strip, said=said, layers=layers, fields=fields, channels=channels, fill=fill)
    done = tasks.each(work, strips, progress=progress)
    for year in years:
        yield year, np.concatenate(list(islice(done, len(starts))), axis=1)


def _strip(item, said, layers, fields, channels, fill) -> np.ndarray:
    """Return the maps (layer, row, lon) of a strip."""
    torch.set_num_threads(1)
    block = windows.strip(fields, channels, *item)
    there = np.isfinite(block[0])
    for layer in block[1:]:
        there &= np.isfinite(layer)
    whole = there[:-2] & there[1:-1] & there[2:]
    whole = whole[:, :-2] & whole[:, 1:-1] & whole[:, 2:]
    valid = whole if fill == "drop" else there[1:-1, 1:-1]
    if not valid.any():
        return np.full((layers, *valid.shape), np.nan, np.float32)
    found = said(block, valid, whole)
    maps = np.full((layers, *valid.shape), np.nan, found.dtype)
    maps[:, valid] = found
    return maps


def _asked(block, valid, whole, ask) -> np.ndarray:
    return np.asarray(ask(np.ascontiguousarray(block[:, 1:-1, 1:-1][:, valid].T)))[None]


def _said(block, valid, whole, ensembles, channels, summary) -> np.ndarray:
    """Return the summary (layer, valid cell) of all members."""
    members = []
    for ensemble in ensembles:
        own = [channels.index(c) for c in ensemble.channels]
        members.append(_members(ensemble, block if own == [*range(len(block))] else block[own], valid, whole))
    return np.asarray(summary(np.concatenate(members) if len(members) > 1 else members[0]))


@torch.inference_mode()
def _members(ensemble: Ensemble, block: np.ndarray, valid: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return what the members of one ensemble (member, valid cell) make of a strip.

    Parameters
    ----------
    ensemble : Ensemble
    block : ndarray (channel, row + 2, column + 2)
        As from `windows.strip`.
    valid, whole : ndarray of bool (row, column)
        Which cells are asked for, and which of them have no missing neighbour.
    """
    side, matrices = ensemble.window, [_matrices(ensemble, k) for k in range(len(ensemble.members))]
    out = np.full((len(ensemble.members), *valid.shape), np.nan, np.float32)
    alone, program = valid.copy(), cache(partial(Program, ensemble, matrices, {}))
    for top in range(0, len(valid) if side > 1 else 0, BAND):
        here, rows = whole[top : top + BAND], slice(top, min(top + BAND, len(valid)))
        columns = here.mean(axis=0) >= SHARED
        alone[rows] &= ~(here & columns)
        columns = np.flatnonzero(columns)
        if columns.size == 0:
            continue
        first, last = columns[0], columns[-1] + side
        band = _standardised(ensemble, block[None, :, top : rows.stop + side - 1, first:last])
        for some in _groups(columns, BLOCK, 8):
            beside = torch.from_numpy(some - first + np.arange(side)[:, None])
            here = band.index_select(-1, beside.flatten()).unflatten(-1, beside.shape).movedim(-2, 1)
            # cells of these columns that lack something get their value below, if any
            out[:, rows, some] = program(rows.stop - top, some.size)(here[:, :, 0])
    for at in _groups(np.flatnonzero(alone), APART, 64):
        row, column = np.divmod(at, valid.shape[1])
        cubes = _standardised(ensemble, _cut(block, row, column, side))
        out[:, row, column] = program(1, at.size)(cubes)[:, 0]
    return out[:, valid]


def _cut(block: np.ndarray, row: np.ndarray, column: np.ndarray, side: int) -> np.ndarray:
    """Return windows (dx, channel, dy, window) out of a strip; a missing neighbour takes the centre's value."""
    off, middle = np.arange(side) - side // 2, side // 2
    at = (row + 1 + off[:, None]) * block.shape[2] + (column + 1 + off[:, None, None])  # dx, dy, window
    pixels = np.take(block.reshape(len(block), -1), at, axis=1)
    pixels = np.where(np.isfinite(pixels), pixels, pixels[:, middle, middle][:, None, None])
    return pixels.swapaxes(0, 1)


def _groups(places: np.ndarray, size: int, multiple: int) -> Iterator[np.ndarray]:
    """Yield places in even groups of some size or less, filled up to a multiple by repeating the last place."""
    for group in np.array_split(places, -(-len(places) // size) or 1) if len(places) else ():
        yield np.pad(group, (0, -len(group) % multiple), mode="edge")


def _standardised(ensemble: Ensemble, windows: np.ndarray) -> Tensor:
    """Return windows (any, channel, dy, dx), standardised for all members, or for each, along a new first axis."""
    values = ensemble.standardise(torch.from_numpy(windows))
    return values if values.ndim == 5 else values[None]


class Program:
    """What is done to a band of some shape, step by step, in memory that is used again from band to band.

    Parameters
    ----------
    ensemble : Ensemble
    matrices : sequence of sequence of Tensor
        Of each member, by `_matrices`.
    memory : dict of str to Tensor
        What programs of other shapes have worked in; it grows where that is too small.
    rows, columns : int
        Of the cells that get a value.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        matrices: Sequence[Sequence[Tensor]],
        memory: dict[str, Tensor],
        rows: int,
        columns: int,
    ) -> None:
        self.ensemble, self.shape, self.memory = ensemble, (len(matrices), rows, columns), memory
        side = ensemble.window
        inputs = self._room("inputs", side * len(ensemble.channels) + 1, (rows + side - 1) * columns)
        self.inputs = inputs[:-1].view(side, len(ensemble.channels), rows + side - 1, columns)
        self.sums = self._room("outputs", len(matrices), rows * columns)
        self.steps = [Steps() for _ in (matrices if ensemble.mean.ndim > 1 else [None])]  # for each normaliser
        for k, own in enumerate(matrices):
            steps = self.steps[min(k, len(self.steps) - 1)]
            self._plan(steps, own, inputs, self.sums[k : k + 1], side)
            if ensemble.linear is not None:
                middle, c = side // 2, len(ensemble.channels)
                centre = inputs[middle * c : (middle + 1) * c, middle * columns :][:, : rows * columns]
                steps.add("addmm", self.sums[k : k + 1], ensemble.linear[k : k + 1], centre)
        self.steps[-1].add("relu", self.sums)

    def _plan(self, steps: Steps, matrices: Sequence[Tensor], inputs: Tensor, out: Tensor, size: int) -> None:
        """Add the steps of one member, from its inputs to its sums before the last ReLU."""
        one, (cells, columns), far = inputs.new_ones(()), (out.shape[1], self.shape[2]), _reach(self.ensemble)
        steps.add("copy", inputs[-1], one)  # for the bias, here and below
        z = self._room("z", len(matrices[0]), inputs.shape[1])
        steps.add("mm", z, matrices[0], inputs)
        z = z.unflatten(0, (2 * far + 1, -1))
        sums = self._room("sums", size * z.shape[1], cells)
        for i, y in enumerate(sums.unflatten(0, (size, -1))):
            near = [p for p in range(size) if abs(p - i) <= far]
            _fold(steps, "add", y, [z[p - i + far, :, p * columns :][:, :cells] for p in near])
        for k, matrix in enumerate(matrices[1:]):
            half, filters = (size + 1) // 2, len(sums) // size**2
            hidden = self._room(f"hidden {k}", half**2 * filters + 1, cells)
            steps.add("copy", hidden[-1], one)
            pixels = sums.unflatten(0, (size, size, filters))
            for place, pool in enumerate(hidden[:-1].unflatten(0, (half**2, filters)) if size > 1 else ()):
                a, b = divmod(place, half)
                group = [pixel for row in pixels[2 * a : 2 * a + 2] for pixel in row[2 * b : 2 * b + 2]]
                _fold(steps, "maximum", pool, group)
            # the ReLU comes after the pool, on fewer numbers: that maximum is the same
            steps.add("relu", hidden[:-1], hidden[:-1] if size > 1 else sums)
            last = k == len(matrices) - 2
            sums, size = out if last else self._room("sums", len(matrix), cells), half
            steps.add("mm", sums, matrix, hidden)

    def _room(self, name: str, rows: int, columns: int) -> Tensor:
        """Return memory (rows, columns), the same for the same name."""
        flat = self.memory.get(name, torch.empty(0))
        if flat.numel() < rows * columns:
            flat = self.memory[name] = torch.empty(rows * columns)
        return flat[: rows * columns].view(rows, columns)

    def __call__(self, band: Tensor) -> Tensor:
        """Return the outputs (member, row, column), in the units of the target.

        Parameters
        ----------
        band : Tensor (1 or member, side, channel, row + side - 1, column)
            Standardised; along ``side`` a pixel and its neighbours in the same row, from west to east.
        """
        for inputs, steps in zip(band, self.steps, strict=True):
            self.inputs.copy_(inputs)
            steps()
        return self.ensemble.in_units(self.sums).view(self.shape)


def _fold(steps: Steps, kind: str, out: Tensor, parts: Sequence[Tensor]) -> None:
    """Join parts two by two into ``out``."""
    if len(parts) == 1:
        steps.add("copy", out, parts[0])
        return
    steps.add(kind, out, *parts[:2])
    for part in parts[2:]:
        steps.add(kind, out, out, part)


def _reach(ensemble: Ensemble) -> int:
    """Return how many rows off a pixel of the window may lie and still meet a tap of the first kernel."""
    return min(ensemble.architecture["kernel"] // 2, ensemble.window - 1)


def _matrices(ensemble: Ensemble, member: int) -> list[Tensor]:
    """Return a matrix for each layer of one member, with the bias as its last column."""
    weights, size, far, matrices = ensemble.weights(member), ensemble.window, _reach(ensemble), []
    for i in range(len(ensemble.architecture["widths"])):
        kernel, bias = weights[f"conv{i + 1}.weight"], weights[f"conv{i + 1}.bias"]
        parts = [[(p - a, p) for p in range(size)] for a in range(size)]
        if i == 0:
            own, kernel = kernel, torch.zeros(len(bias), len(ensemble.channels), *kernel.shape[2:])
            kernel[:, ensemble.places[member]] = own
            parts = [[(d, 0)] for d in range(-far, far + 1)]
        matrices.append(_matrix(kernel, bias, parts, size))
        size = (size + 1) // 2
    return [*matrices, torch.cat([weights["full.weight"], weights["full.bias"][:, None]], dim=1)]


def _matrix(kernel: Tensor, bias: Tensor, parts: list[list[tuple[int, int]]], size: int) -> Tensor:
    """Spread a "same" kernel (filter, channel, dy, dx) over the pixels of a map, and put the bias in a last column.

    Parameters
    ----------
    kernel, bias : Tensor
    parts : list of list of (int, int)
        For each row of outputs: which row of the kernel, counted from its middle, joins it to which row of inputs.
    size : int
        Pixels in a row.

    Returns
    -------
    Tensor (output row x pixel x filter, input row x pixel x channel + 1)
    """
    filters, channels, side, _ = kernel.shape
    inputs, h = 1 + max(p for part in parts for _, p in part), side // 2
    spread = torch.zeros(len(parts), size, filters, inputs, size, channels)
    biased = torch.zeros(len(parts), size, filters)
    for a, part in enumerate(parts):
        for d, p in part:
            if d == 0:
                biased[a] = bias
            for j in range(size):
                for q in range(size):
                    if abs(d) <= h and abs(q - j) <= h:
                        spread[a, j, :, p, q] = kernel[:, :, h + d, h + q - j]
    return torch.cat([spread.flatten(0, 2).flatten(1), biased.flatten()[:, None]], dim=1)
