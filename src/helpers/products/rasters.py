"""Rasters: pixels with a place, and the way from them to the target grid.

Whatever the projection, `Raster.places` says where a latitude and a longitude lie among the pixels, and `Raster.read`
gives the stored numbers of a window; nothing is read before that.

A global layer of 250 m has 10**10 pixels, so `onto` cuts the target into blocks until the pixels under each are few;
each block reads only those. ``nearest`` copies the pixel under a cell's centre, in any projection. ``average`` and
``bilinear`` go by `helpers.space.grid.resample` where pixels lie along latitude and longitude (weights by true area),
and by GDAL elsewhere. Stored numbers are decoded before anything is averaged, so no fill or class ever enters a mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import xarray as xr
from pyproj import Transformer
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.windows import Window

from helpers.products import compression
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.sinusoidal import require_method
from helpers.space.grid import Cells, Grid, resample

CACHE = 96
"""MiB of decompressed blocks that GDAL may keep: by default it takes a twentieth of the machine's memory."""
BLOCK = 2**22
"""Pixels, or cells, that are worked on at a time."""
DEGREES = "EPSG:4326"
ALL = slice(None)

TIFF = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""First bytes of a TIFF file: its byte order, and whether it is a BigTIFF."""
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one number of each type of tag."""
PLACES, SIZES = (273, 324), (279, 325)
"""Tags: offsets of the strips or tiles, and their lengths."""

Slices = tuple[slice, slice]
Decode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Raster:
    """Pixels with a place, whose stored numbers are read when asked for.

    Parameters
    ----------
    read : callable
        ``read(rows, columns)`` gives the stored numbers of two slices, (y, x); by default all.
    shape : tuple of int
        Rows and columns.
    transform : affine.Affine
        From (column, row) to a pixel's corner, in the units of ``crs``.
    crs : rasterio.crs.CRS
        Projection, or latitude and longitude.
    striped : bool
        The file keeps whole rows together.
    path : Path
        The file.
    name : str
        What the file calls the field.
    grid : str
        HDF-EOS grid that it stands on, where there is one.
    attributes, metadata : dict
        What the file says of the field (``scale_factor``, ``units``, …), and of itself.
    """

    read: Callable[..., np.ndarray]
    shape: tuple[int, int]
    transform: Affine
    crs: CRS
    striped: bool = False
    path: Path = Path()
    name: str = ""
    grid: str = ""
    attributes: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)

    @classmethod
    def of(cls, source: rasterio.DatasetReader, path: Path, band: int = 1, **about) -> Raster:
        """Return one band of an open file.

        Raises
        ------
        ProductError
            The file names no projection, or its rows do not run along an axis of it.
        """
        t = source.transform
        if not source.crs or t == Affine.identity() or t.b or t.d:
            told = f"transform {tuple(t)[:6]}" if source.crs else "no projection"
            raise ProductError(
                f"{path}: expected pixels along the axes of a known projection, found {told}; "
                "fetch it again if it should have one, or warp it with GDAL"
            )

        def read(rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
            with reading(path):
                return source.read(band, window=Window.from_slices(rows, columns, *source.shape))

        striped = source.block_shapes[band - 1][1] == source.width
        return cls(read, source.shape, t, source.crs, striped, path, **about)

    @cached_property
    def geographic(self) -> bool:
        """Whether its pixels lie along latitude and longitude."""
        return self.crs.is_geographic

    @cached_property
    def _from_degrees(self) -> Transformer:
        return Transformer.from_crs(DEGREES, self.crs.to_wkt(), always_xy=True)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the coordinates of the rows' and of the columns' centres, in the units of ``crs``."""
        t, (rows, columns) = self.transform, self.shape
        return t.f + (np.arange(rows) + 0.5) * t.e, t.c + (np.arange(columns) + 0.5) * t.a

    def places(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column (fractions, counted from the outer corner) of all pairs of latitude and longitude.

        The two broadcast to (lat, lon); where the projection has no such place they are infinite.
        """
        t = self.transform
        if self.geographic:  # whether the file counts longitudes from -180 or from 0
            return ((lat - t.f) / t.e)[:, None], ((lon - t.c) % 360 / t.a)[None, :]
        x, y = self._from_degrees.transform(*np.meshgrid(lon, lat))
        return (y - t.f) / t.e, (x - t.c) / t.a


@contextmanager
def opening(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster file, also a packed one (``.gz``, ``.zip``), with a small cache of blocks.

    Raises
    ------
    DamagedFile
        It is no raster, is cut short, or cannot be read.
    """
    with compression.opened(path) as plain, reading(path):
        require_whole(plain, path)
        with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(plain) as source:
            yield source


def require_whole(plain: Path, path: Path) -> None:
    """Refuse a TIFF file that ends before what its index names; files of another format are left to GDAL.

    GDAL opens a file that was cut short, passes over tags that it cannot read, a projection or a scale factor among
    them, and meets missing pixels only when they are asked for. The index tells at once. Source: Adobe, TIFF Revision
    6.0 (1992), section 2; for files beyond 4 GiB the BigTIFF layout of libtiff, whose numbers have 8 bytes for 4.

    Parameters
    ----------
    plain : Path
        The file, unpacked.
    path : Path
        What the message is to call it.

    Raises
    ------
    DamagedFile
        It is cut short.
    """
    size = plain.stat().st_size

    def require(end: int) -> None:
        if end > size:
            raise DamagedFile(
                f"{path}: cannot be read to its end (it has {size} bytes, and should have at least {end}); "
                "it is cut short, so fetch it again"
            )

    def numbers(place: int, form: np.dtype | str, count: int = 1) -> np.ndarray:
        require(int(place) + np.dtype(form).itemsize * int(count))
        return np.fromfile(plain, form, int(count), offset=int(place))

    with plain.open("rb") as stream:
        begin = stream.read(4)
    if begin not in TIFF:
        return
    order, big = TIFF[begin]
    word, short = np.dtype(f"{order}u{8 if big else 4}"), np.dtype(f"{order}u{8 if big else 2}")
    record = np.dtype([("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", word), ("value", word)])
    (place,), seen = numbers(8 if big else 4, word), set()
    while place and int(place) not in seen:
        seen.add(int(place))
        (count,), start = numbers(place, short), int(place) + short.itemsize
        index, lists = numbers(start, record, count), {}
        for entry, at in zip(index, range(start, int(start + count * record.itemsize), record.itemsize), strict=True):
            width = BYTES.get(int(entry["type"]), 0)
            far = width * int(entry["count"]) > word.itemsize
            if far:
                require(int(entry["value"]) + width * int(entry["count"]))
            if width and entry["tag"] in PLACES + SIZES:
                inline = at + record.itemsize - word.itemsize
                lists[int(entry["tag"])] = numbers(
                    entry["value"] if far else inline, f"{order}u{width}", entry["count"]
                )
        for places, sizes in zip(PLACES, SIZES, strict=True):
            if places in lists and sizes in lists and lists[places].size:
                require(int((lists[places].astype("u8") + lists[sizes].astype("u8")).max()))
        (place,) = numbers(start + int(count) * record.itemsize, word)


def onto(raster: Raster, grid: Grid, method: str, decode: Decode) -> np.ndarray:
    """Bring a raster onto the target grid.

    Parameters
    ----------
    raster : Raster
        Where from.
    grid : Grid
        Where to.
    method : {"nearest", "average", "bilinear"}
        As in `helpers.space.grid.resample`; a centre on the edge between pixels belongs to the south-eastern one.
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
    for block, window in _blocks(raster, grid):
        work(out[block], raster, grid, block, window, method, decode)
    return out


def _edges(centres: np.ndarray, half: float) -> np.ndarray:
    """Return up to 33 coordinates from the first cell's outer edge to the last one's."""
    return np.linspace(centres[0] + half, centres[-1] - half, min(centres.size, 32) + 1)


def _window(raster: Raster, grid: Grid, block: Slices) -> Slices | None:
    """Return the rows and columns of the raster that a block of the target may need; None where it needs none."""
    half = grid.resolution / 2 * (1 - 1e-9)  # the date line itself may be counted as west or as east
    lat, lon = _edges(grid.lat[block[0]], half), _edges(grid.lon[block[1]], -half)
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
        across = int((block[1].stop - block[1].start) * grid.resolution / raster.transform.a) + 6
        found[1] = slice(0, min(across, raster.shape[1]))
    return tuple(found) if all(part.start < part.stop for part in found) else None


def _blocks(raster: Raster, grid: Grid) -> Iterator[tuple[Slices, Slices]]:
    """Cut the target until the pixels under each block are few; yield blocks, row by row, with their windows."""
    waiting = [(slice(0, grid.shape[0]), slice(0, grid.shape[1]))]
    while waiting:
        block = waiting.pop()
        window = _window(raster, grid, block)
        if window is None:
            continue
        down, across = (part.stop - part.start for part in window)
        height, width = (part.stop - part.start for part in block)
        if raster.striped:  # decompressed rows of one strip of blocks have to fit into the cache
            by_row, large = down * raster.shape[1] > CACHE * 2**18, down * across > BLOCK
        else:
            by_row, large = height >= width, down * across > BLOCK
        large = large or by_row and raster.striped or height * width > BLOCK
        axis = 0 if (by_row and height > 3) or width < 4 else 1
        if large and (height, width)[axis] > 3:
            part = block[axis]
            middle = (part.start + part.stop) // 2
            halves = slice(part.start, middle), slice(middle, part.stop)
            waiting += [(half, block[1]) if axis == 0 else (block[0], half) for half in halves[::-1]]
        else:
            yield block, window


def _nearest(out, raster, grid, block, window, method, decode) -> None:
    if not raster.geographic and _empty(raster.read(*window), decode):
        return  # most of the globe is sea, and to place each of its cells takes longest
    hair = 1e-6 * grid.resolution
    places = raster.places(grid.lat[block[0]] - hair, grid.lon[block[1]] + hair)
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


def _regular(out, raster, grid, block, window, method, decode) -> None:
    lat, lon, half = grid.lat[block[0]], grid.lon[block[1]], grid.resolution / 2
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


def _warped(out, raster, grid, block, window, method, decode) -> None:
    rows, columns = window
    values = _decoded(raster.read(rows, columns), decode)
    if values is None:
        return
    # A hair to the south-east settles ties between two pixels; a mean has none, and must end at the date line.
    step, hair = grid.resolution, 1e-6 * grid.resolution if method == "bilinear" else 0.0
    west, north = grid.lon[block[1]][0] - step / 2, grid.lat[block[0]][0] + step / 2
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
        # Between the four nearest pixels: GDAL would widen the kernel by a ratio that it guesses for each block.
        **({"XSCALE": 1, "YSCALE": 1} if method == "bilinear" else {}),
    )
    np.copyto(out, found[:, more:], where=np.isfinite(found[:, more:]))
