"""From a raster of any size and projection to the target grid, piece by piece, so that memory stays bounded.

A global layer of 250 m has 10**10 pixels. The target is cut into pieces until the pixels under each are few; each piece
reads only those. ``nearest`` copies the pixel under a cell's centre, in any projection. ``average`` and ``bilinear`` go
by `helpers.grid.resample` where pixels lie along latitude and longitude (weights by true area), and by GDAL elsewhere.
Stored numbers are decoded before anything is averaged, so no fill or class ever enters a mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import rasterio.warp
import xarray as xr
from rasterio import Affine
from rasterio.enums import Resampling

from helpers.grid import Cells, Grid, resample
from helpers.products.errors import ProductError
from helpers.products.rasters import CACHE, DEGREES, Raster
from helpers.products.sinusoidal import require_method

PIECE = 2**22
"""Pixels, or cells, that are worked on at a time."""

Piece = tuple[slice, slice]
Decode = Callable[[np.ndarray], np.ndarray]


def onto(raster: Raster, grid: Grid, method: str, decode: Decode) -> np.ndarray:
    """Bring a raster onto the target grid.

    Parameters
    ----------
    raster : Raster
        Where from.
    grid : Grid
        Where to.
    method : {"nearest", "average", "bilinear"}
        As in `helpers.grid.resample`; a centre on the edge between pixels belongs to the south-eastern one.
    decode : callable
        Turns stored numbers into values, NaN where there is none.

    Returns
    -------
    numpy.ndarray
        (lat, lon), of the type that ``decode`` gives; NaN where the raster has no value.

    Raises
    ------
    ProductError
        The method is another one, or the raster has too few rows or columns to average.
    """
    require_method(method)
    if method != "nearest" and min(raster.shape) < 2:
        raise ProductError(f"method: expected nearest for a raster of {raster.shape} pixels, found {method!r}")
    work = _nearest if method == "nearest" else _regular if raster.geographic else _warped
    out = np.full(grid.shape, np.nan, decode(np.zeros((1, 1), raster.read(slice(0, 1), slice(0, 1)).dtype)).dtype)
    for piece, window in _pieces(raster, grid):
        work(out[piece], raster, grid, piece, window, method, decode)
    return out


def _edges(centres: np.ndarray, half: float) -> np.ndarray:
    """Return up to 33 coordinates from the first cell's outer edge to the last one's."""
    return np.linspace(centres[0] + half, centres[-1] - half, min(centres.size, 32) + 1)


def _window(raster: Raster, grid: Grid, piece: Piece) -> Piece | None:
    """Return the rows and columns of the raster that a piece of the target may need; None where it needs none."""
    half = grid.resolution / 2 * (1 - 1e-9)  # the date line itself may be counted as west or as east
    lat, lon = _edges(grid.lat[piece[0]], half), _edges(grid.lon[piece[1]], -half)
    if raster.geographic:  # columns may run past the end and on from the start: see `_columns`
        lon = lon[:1]
    found = []
    for place, size in zip(raster.places(lat, lon), raster.shape, strict=True):
        place = place[np.isfinite(place)]
        if not place.size:
            return None
        rim = 3 + 0.01 * np.ptp(place)
        found.append(slice(max(int(place.min() - rim), 0), min(int(place.max() + rim) + 1, size)))
    if raster.geographic:
        across = int((piece[1].stop - piece[1].start) * grid.resolution / raster.transform.a) + 6
        found[1] = slice(0, min(across, raster.shape[1]))
    return tuple(found) if all(part.start < part.stop for part in found) else None


def _pieces(raster: Raster, grid: Grid) -> Iterator[tuple[Piece, Piece]]:
    """Cut the target until the pixels under each piece are few; yield pieces, row by row, with their windows."""
    waiting = [(slice(0, grid.shape[0]), slice(0, grid.shape[1]))]
    while waiting:
        piece = waiting.pop()
        window = _window(raster, grid, piece)
        if window is None:
            continue
        down, across = (part.stop - part.start for part in window)
        height, width = (part.stop - part.start for part in piece)
        if raster.striped:  # decompressed rows of one strip of pieces have to fit into the cache
            by_row, large = down * raster.shape[1] > CACHE * 2**18, down * across > PIECE
        else:
            by_row, large = height >= width, down * across > PIECE
        large = large or by_row and raster.striped or height * width > PIECE
        axis = 0 if (by_row and height > 3) or width < 4 else 1
        if large and (height, width)[axis] > 3:
            part = piece[axis]
            middle = (part.start + part.stop) // 2
            halves = slice(part.start, middle), slice(middle, part.stop)
            waiting += [(half, piece[1]) if axis == 0 else (piece[0], half) for half in halves[::-1]]
        else:
            yield piece, window


def _nearest(out, raster, grid, piece, window, method, decode) -> None:
    if not raster.geographic and _empty(raster.read(*window), decode):
        return  # most of the globe is sea, and to place each of its cells takes longest
    hair = 1e-6 * grid.resolution
    places = raster.places(grid.lat[piece[0]] - hair, grid.lon[piece[1]] + hair)
    inside = [
        np.isfinite(place) & (place >= 0) & (place < size) for place, size in zip(places, raster.shape, strict=True)
    ]
    if not all(part.any() for part in inside):
        return
    row, column = (np.where(ok, place, place[ok].min()).astype(int) for ok, place in zip(inside, places, strict=True))
    rows, columns = (slice(part.min(), part.max() + 1) for part in (row, column))
    needed = np.unique(row)
    if raster.striped and 2 * needed.size < rows.stop - rows.start:  # one row of many: the others stay compressed
        stored = np.concatenate([raster.read(slice(r, r + 1), columns) for r in needed.tolist()])
        row = np.searchsorted(needed, row)
    else:
        stored, row = raster.read(rows, columns), row - rows.start
    values = decode(stored[row, column - columns.start])
    np.copyto(out, values, where=inside[0] & inside[1])


def _columns(raster: Raster, west: float, east: float, rim: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield indices and longitudes of the columns between two meridians, however the file counts longitude."""
    left, step, size = raster.transform.c, raster.transform.a, raster.shape[1]
    if size * step > 360 - step / 2:  # round the globe
        first, last = np.floor((west - left) / step) - rim, np.ceil((east - left) / step) + rim
        index = np.arange(first, min(last, first + size)).astype(int)
        yield index % size, left + (index + 0.5) * step
        return
    for turn in (-360, 0, 360):
        first, last = np.floor((west - left - turn) / step), np.ceil((east - left - turn) / step)
        index = np.arange(max(first - rim, 0), min(last + rim, size)).astype(int)
        if first < size and last > 0 and index.size > 1:
            yield index, left + turn + (index + 0.5) * step


def _empty(stored: np.ndarray, decode: Decode) -> bool:
    """Say whether one and the same number stands everywhere, and is no value."""
    return bool(stored.min() == stored.max() and np.isnan(decode(stored[:1, :1])).all())


def _decoded(stored: np.ndarray, decode: Decode) -> np.ndarray | None:
    """Return values, or None where there is not one."""
    values = None if _empty(stored, decode) else decode(stored)
    return values if values is not None and np.isfinite(values).any() else None


def _regular(out, raster, grid, piece, window, method, decode) -> None:
    lat, lon, half = grid.lat[piece[0]], grid.lon[piece[1]], grid.resolution / 2
    rows, t = window[0], raster.transform
    y = t.f + (np.arange(rows.start, rows.stop) + 0.5) * t.e
    if y.size < 2:
        return
    for index, x in _columns(raster, lon[0] - half, lon[-1] + half, 3):
        parts = np.split(index, np.flatnonzero(np.diff(index) < 0) + 1)
        stored = [raster.read(rows, slice(int(part[0]), int(part[-1]) + 1)) for part in parts]
        values = _decoded(np.concatenate(stored, axis=1), decode)
        if values is not None:
            field = xr.DataArray(values, dims=("lat", "lon"), coords={"lat": y, "lon": x})
            found = resample(field, Cells(lat, lon), method).values
            np.copyto(out, found, where=np.isfinite(found))


def _warped(out, raster, grid, piece, window, method, decode) -> None:
    rows, columns = window
    values = _decoded(raster.read(rows, columns), decode)
    if values is None:
        return
    # A hair to the south-east settles ties between two pixels; a mean has none, and must end at the date line.
    step, hair = grid.resolution, 1e-6 * grid.resolution if method == "bilinear" else 0.0
    west, north = grid.lon[piece[1]][0] - step / 2, grid.lat[piece[0]][0] + step / 2
    # GDAL takes cells of one degree that begin at 0, 0 for an image without a place; one column more is no such image.
    more = int(abs(west) < step / 2 and abs(north) < step / 2)
    found = np.full((out.shape[0], out.shape[1] + more), np.nan, values.dtype)
    rasterio.warp.reproject(
        values,
        found,
        src_transform=raster.transform @ Affine.translation(columns.start, rows.start),
        src_crs=raster.crs,
        src_nodata=np.nan,
        dst_transform=Affine(step, 0, west - more * step + hair, 0, -step, north - hair),
        dst_crs=DEGREES,
        dst_nodata=np.nan,
        resampling=Resampling[method],
        # Between the four nearest pixels: GDAL would widen the kernel by a ratio that it guesses for each piece.
        **({"XSCALE": 1, "YSCALE": 1} if method == "bilinear" else {}),
    )
    np.copyto(out, found[:, more:], where=np.isfinite(found[:, more:]))
