"""Files of pixels, and their way onto the grid; SoilGrids, and outlines that are drawn onto it.

The one way onto the grid is that of `helpers.space.grid.resample`: weights of rows times weights of columns. Rows of
pixels have to lie along parallels, as they do on latitude and longitude, on the sinusoidal grid of MODIS and on the
homolosine one of SoilGrids; in a projection the weights of columns are found row by row. GDAL's warp averages over the
box between two corners of a cell, which is many times a cell where meridians are slanted: hence our own.

- *SoilGrids250m* of 2017, Hengl et al. (2017), doi:10.1371/journal.pone.0169748: g of carbon per kg of fine earth *at*
  0, 5, 15 and 30 cm. *SoilGrids 2.0*, Poggio et al. (2021), doi:10.5194/soil-7-217-2021: dg per kg over the *intervals*
  0-5, 5-15, 15-30 and 30-60 cm, another quantity; `at_depths` makes a stand-in for the other. Its files stand on the
  interrupted Goode homolosine projection (ISRIC's own, 250 m, and its means over 1 and 5 km), or on latitude and
  longitude where somebody has warped them.
- *Natural Earth*: GeoJSON, as shipped or as published. What the book itself draws is read in `helpers.space.regions`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dask
import dask.array
import numpy as np
import rasterio
import shapely
import xarray as xr
from pyproj import Transformer
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from helpers.products import registry
from helpers.products.compression import opened
from helpers.products.registry import Field, Product, ProductError, describe
from helpers.space import regions
from helpers.space.grid import LEAST, RADIUS, Cells, Grid, coords, empty, weighted_mean, weighted_sums, weights

SINUSOIDAL = CRS.from_string(f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs")
"""The projection of MODIS, two lines of which define it (Snyder 1987, doi:10.3133/pp1395, p. 247):
x = R lon cos(lat), y = R lat."""

PIXELS = 2**22
"""Pixels that are worked on at a time."""
STRIPS = 64
"""Strips of pixels that are averaged at a time, which bounds memory near the poles."""

Decode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Raster:
    """Pixels with a place, and what their file says of them.

    Parameters
    ----------
    read : callable
        ``read((rows, columns))`` gives the stored numbers of two slices, (y, x).
    shape : tuple of int
        Rows and columns.
    transform : affine.Affine
        From (column, row) to a pixel's corner, in the units of ``crs``.
    crs : rasterio.crs.CRS
        Projection, or latitude and longitude.
    path, name, grid : Path, str, str
        The file, what it calls the field, and the HDF-EOS grid that this stands on, where there is one.
    attributes, metadata : dict
        What the file says of the field (``scale_factor``, ``units``, …), and of itself.
    block : int
        Rows that the file keeps together.
    """

    read: Callable[[tuple[slice, slice]], np.ndarray]
    shape: tuple[int, int]
    transform: Affine
    crs: CRS
    path: Path = Path()
    name: str = ""
    grid: str = ""
    attributes: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)
    block: int = 1

    @property
    def stored(self) -> np.ndarray:
        """All its numbers (y, x)."""
        return self.read((slice(0, self.shape[0]), slice(0, self.shape[1])))

    @property
    def geographic(self) -> bool:
        """Whether its pixels lie along latitude and longitude."""
        return self.crs.is_geographic

    @property
    def cells(self) -> Cells:
        """The pixels' latitudes and longitudes where they lie along these; of a globe those of `Grid`, exactly."""
        t, axes = self.transform, []
        for begin, step, size in zip((t.f, t.c), (t.e, t.a), self.shape, strict=True):
            axes.append(begin + (np.arange(size) + 0.5) * round(step * size, 9) / size)
        return Cells(*axes)

    @cached_property
    def _from_degrees(self) -> Transformer:
        return Transformer.from_crs("EPSG:4326", self.crs.to_wkt(), always_xy=True)

    def latitudes(self) -> np.ndarray:
        """Return the latitudes of the rows' centres, infinite off the globe.

        Raises
        ------
        ProductError
            A row has many latitudes.
        """
        y = self.transform.f + (np.arange(self.shape[0]) + 0.5) * self.transform.e
        if self.crs == SINUSOIDAL:
            return np.rad2deg(y / RADIUS)
        known = np.linspace(-90, 90, 180_001)  # straight lines between these are within a ten-millionth of a degree
        west, north = (self._from_degrees.transform(np.full_like(known, lon), known)[1] for lon in (-150.0, 0.0))
        if not np.abs(west - north).max() < 0.01 * abs(self.transform.e):
            raise ProductError(
                f"{self.path}: expected a projection whose parallels are straight lines, such as the sinusoidal one, "
                f"found {self.crs.to_string()[:60]}; warp it with GDAL"
            )
        near = np.clip(y, north[0], north[-1])  # the pole's own row may have its centre beyond it
        return np.where(np.abs(near - y) <= abs(self.transform.e) / 2, np.interp(near, north, known), np.inf)

    def column(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """Return columns (fractions, counted from the left edge) of pairs of latitude and longitude that broadcast."""
        if self.crs == SINUSOIDAL:
            x = RADIUS * np.cos(np.deg2rad(lat)) * np.deg2rad(lon)
        else:
            x = self._from_degrees.transform(*np.broadcast_arrays(lon, lat))[0]
        return (x - self.transform.c) / self.transform.a


CACHE = 96
"""MiB of decompressed blocks that GDAL may keep: by default it takes a twentieth of the machine's memory."""


@contextmanager
def opening(path: Path, variable: str | int | None = None) -> Iterator[Raster]:
    """Open one band of a GeoTIFF, also a packed one (``.gz``, ``.zip``); it can be read as long as the context lasts.

    Parameters
    ----------
    variable : str or int, optional
        Name of the band, or its number from 1; may be left out where there is one.

    Raises
    ------
    DamagedFile
        It is no raster, is cut short, or cannot be read.
    ProductError
        There is no such band, the file names no projection, or its rows do not run along an axis of it.
    """
    with opened(path) as plain, rasterio.Env(GDAL_CACHEMAX=CACHE), _whole(plain) as source:
        names = [name or f"band {k}" for k, name in zip(source.indexes, source.descriptions, strict=True)]
        band = names.index(variable) + 1 if variable in names else variable if isinstance(variable, int) else 1
        if not 1 <= band <= source.count or source.count > 1 and variable not in (*names, *source.indexes):
            raise ProductError(
                f"{path}: expected variable to be one of {', '.join(names)}, found {variable!r}; pass one of these"
            )
        t = source.transform
        if not source.crs or t == Affine.identity() or t.b or t.d:
            told = f"transform {tuple(t)[:6]}" if source.crs else "no projection"
            raise ProductError(
                f"{path}: expected pixels along the axes of a known projection, found {told}; "
                "fetch it again if it should have one, or warp it with GDAL"
            )

        def read(place: tuple[slice, slice]) -> np.ndarray:
            return source.read(band, window=Window.from_slices(*place, *source.shape))

        attributes = {**source.tags(), **source.tags(band)}
        if not {key.lower() for key in attributes} & {"scale_factor", "scale factor"}:  # GDAL's own pair is as CF's
            attributes |= {"gdal_scale": source.scales[band - 1], "gdal_offset": source.offsets[band - 1]}
        stated = {"missing_value": source.nodatavals[band - 1], "units": source.units[band - 1]}
        stated["palette"] = "a colour for each code" if source.colorinterp[band - 1] == ColorInterp.palette else None
        attributes |= {key: value for key, value in stated.items() if value is not None}
        name, block = source.descriptions[band - 1] or f"band_{band}", source.block_shapes[band - 1][0]
        yield Raster(read, source.shape, t, source.crs, path, name, attributes=attributes, block=block)


TIFF = {b"II*\0": "<HIHHII", b"MM\0*": ">HIHHII", b"II+\0": "<QQHHQQ", b"MM\0+": ">QQHHQQ"}
"""First bytes of a TIFF file, or of one beyond 4 GiB: how its index writes the number of its tags and the place of the
next index; and of each tag what it is, its type, how many numbers it holds, and where."""
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one number of each type of tag."""
PLACES, SIZES = (273, 324), (279, 325)
"""Tags: offsets of the strips or tiles, and their lengths."""


def _whole(plain: Path) -> rasterio.DatasetReader:
    """Open a raster, but not a TIFF file that ends before what its index names; other formats are left to GDAL.

    GDAL passes over tags that it cannot read, a projection or a scale factor among them, and meets missing pixels only
    when they are asked for. Source: Adobe, TIFF Revision 6.0 (1992), section 2; the BigTIFF layout of libtiff.
    """
    with plain.open("rb") as stream:
        layout = TIFF.get(stream.read(4))
        if layout is None:
            return rasterio.open(plain)
        size, order = plain.stat().st_size, layout[0]
        count, link, tag = (struct.Struct(order + part) for part in (layout[1], layout[2], layout[3:]))
        inline, seen = link.size, set()

        def take(place: int, length: int) -> bytes:
            if place + length > size:
                raise EOFError
            stream.seek(place)
            return stream.read(length)

        (place,) = link.unpack(take(inline, link.size))
        while place and place not in seen:
            seen.add(place)
            (number,), begin, lists = count.unpack(take(place, count.size)), place + count.size, {}
            for at in range(begin, begin + number * tag.size, tag.size):
                name, kind, several, value = tag.unpack(take(at, tag.size))
                length = BYTES.get(kind, 0) * several
                held = take(value if length > inline else at + tag.size - inline, length)
                if name in PLACES + SIZES:
                    if not length:  # of an unknown kind, or empty
                        raise EOFError
                    lists[name] = np.frombuffer(held, f"{order}u{BYTES[kind]}").astype("u8")
            for places, sizes in zip(PLACES, SIZES, strict=True):
                if places in lists and sizes in lists:
                    if lists[places].size != lists[sizes].size:
                        raise EOFError
                    take(int((lists[places] + lists[sizes]).max()), 0)
            (place,) = link.unpack(take(begin + number * tag.size, link.size))
    return rasterio.open(plain)


def decoded(stored: np.ndarray, scale: float, valid: tuple[float, float] | None, fills: Iterable[float]) -> np.ndarray:
    """Turn stored numbers into values: times the scale, NaN for fills and beyond the valid range.

    Returns
    -------
    ndarray
        float32, or float64 where stored numbers may have more than the 24 bits that float32 keeps.
    """
    low, high = valid or (-np.inf, np.inf)
    none = ~((stored >= low) & (stored <= high))  # NaN is neither
    for fill in fills:
        none |= stored == float(fill)
    wide = stored.dtype.itemsize > (2 if stored.dtype.kind in "iu" else 4)
    values = np.multiply(stored, scale if wide else np.float32(scale), dtype="f8" if wide else "f4", casting="unsafe")
    values[none] = np.nan
    return values


def mosaic(rasters: Iterable[Raster], grid: Grid, method: str, dtype: str = "float32") -> np.ndarray:
    """Put rasters of values side by side onto the grid, one by one, so that memory does not grow with their number.

    Weighted values and weights are added up over all of them first and divided last, so that a cell which several
    share comes out as if they had been one raster.

    Parameters
    ----------
    rasters : iterable of Raster
        NaN where there is no value.
    method : {"nearest", "average", "bilinear"}
        As in `grid.resample`. An average takes cells with a ten-thousandth of their area under pixels with a value.

    Returns
    -------
    ndarray (lat, lon)
        NaN where no raster has a value.
    """
    summed = dtype if method == "nearest" else "float64"  # of what is copied no sum is longer than one
    total, weight = np.zeros(grid.shape, summed), np.zeros(grid.shape, summed)
    for raster in rasters:
        for rows, columns, values, share in _bands(raster, grid, method):
            total[rows, columns] += values
            weight[rows, columns] += share
    return weighted_mean(total, weight, 1e-4 if method == "average" else LEAST[method], dtype)


def onto(raster: Raster, grid: Grid, method: str, decode: Decode) -> np.ndarray:
    """Bring one raster of any size onto the grid, a few rows at a time: (lat, lon), float32, as `mosaic`."""
    out = np.full(grid.shape, np.nan, "float32")
    least = 1e-4 if method == "average" and not raster.geographic else LEAST[method]
    for rows, columns, total, weight in _bands(raster, grid, method, decode):
        out[rows, columns] = weighted_mean(total, weight, least)
    return out


def _bands(raster: Raster, grid: Grid, method: str, decode: Decode = np.asarray) -> Iterator[tuple]:
    """Yield, for bands of the grid, its rows and columns, sums of weighted values, and sums of the weights.

    Rows of pixels lie along parallels, so the weights of rows are the same everywhere; along a row, those of columns
    are too on latitude and longitude, and are found row by row in a projection. Stored numbers are decoded before
    anything is averaged, so no fill or class ever enters a mean.
    """
    lat = raster.cells.lat if raster.geographic else raster.latitudes()
    across = weights(raster.cells.lon, grid.lon, method, "lon") if raster.geographic else None
    begin, lat = int(np.isfinite(lat).argmax()), lat[np.isfinite(lat)]
    hair = 1e-6 * grid.resolution if method == "bilinear" and not raster.geographic else 0.0
    down = weights(lat, grid.lat - hair, method, "lat", tile=not raster.geographic)
    reached, step = np.flatnonzero(np.diff(down.indptr)), np.abs(np.gradient(lat))
    height = max(int(max(raster.block, PIXELS // raster.shape[1]) * step.max() / grid.resolution), 1)
    for rows in np.split(reached, range(height, reached.size, height)):
        if not rows.size:
            continue
        needed = np.unique(down[rows].indices)
        part, first, last = down[rows][:, needed], needed[0], needed[-1] + 1
        width = max(PIXELS // (last - first), 1) if raster.geographic else raster.shape[1]
        columns, total, weight = slice(0, grid.shape[1]), None, None
        for left in range(0, raster.shape[1], width):
            piece = slice(left, min(left + width, raster.shape[1]))
            stored = raster.read((slice(begin + first, begin + last), piece))
            if (stored == stored[0, 0]).all() and np.isnan(decode(stored[:1, :1])).all():
                continue  # most of the globe is sea
            values = decode(stored[needed - first])
            if raster.geographic:
                sums = weighted_sums(values, part, across[:, piece])
            else:
                columns, *sums = _row_by_row(raster, grid, method, rows, part, (lat[needed], step[needed]), values)
            total, weight = sums if total is None else (total + sums[0], weight + sums[1])
        if total is not None:
            yield slice(rows[0], rows[-1] + 1), columns, total, weight


def _row_by_row(raster: Raster, grid: Grid, method: str, rows, down, lat, values: np.ndarray) -> tuple:
    """Add up pixels of a projection, whose rows have other columns under a cell each.

    Parameters
    ----------
    rows : ndarray
        Of the grid.
    down : csr_array
        Weights of the rows of pixels in each of them.
    lat : pair of ndarray
        The rows' latitudes, and how far these lie apart.
    values : ndarray (y, x)
        Of these rows.

    Returns
    -------
    tuple
        Columns of the grid (slice); sums of weighted values, and of weights (grid's rows, columns).
    """
    pairs = down.tocoo()  # of a row of cells and a row of pixels: the strip that both share
    cell, row, share, size = pairs.row, pairs.col, pairs.data[:, None], values.shape[1]
    low, high, target, half = lat[0] - lat[1] / 2, lat[0] + lat[1] / 2, grid.lat[rows], grid.resolution / 2
    edges = grid.lon[0] - half + 2 * half * np.arange(grid.shape[1] + 1)
    ends = raster.column(np.linspace(max(low.min(), -90), min(high.max(), 90), 33)[:, None], edges[None])
    there = np.flatnonzero(_between_edges(ends, -1, size + 1))
    if not there.size:
        return slice(0, 0), np.zeros((rows.size, 0)), np.zeros((rows.size, 0))
    columns = slice(max(there[0] - 1, 0), min(there[-1] + 2, grid.shape[1]))
    total, weight = (np.zeros((rows.size, columns.stop - columns.start)) for _ in range(2))
    if method != "average":
        hair = 2e-6 * half  # to the south-east settles ties alike in all cells
        place = raster.column((target[cell] - hair)[:, None], grid.lon[None, columns] + hair)
        place = np.where(np.isfinite(place), place, -9.0) - (0.5 if method == "bilinear" else 0.0)
        left = np.floor(place).astype(int)
        right = place - left
        for column, part in [(left, 1.0)] if method == "nearest" else [(left, 1 - right), (left + 1, right)]:
            found = values[row[:, None], np.clip(column, 0, size - 1)]
            known = (column >= 0) & (column < size) & np.isfinite(found)
            np.add.at(total, cell, share * part * np.where(known, found, 0))
            np.add.at(weight, cell, share * part * known)
        return columns, total, weight
    # Some projections are torn along the equator, which belongs to one of its sides.
    top, bottom = np.minimum(high[row], target[cell] + half) - 1e-12, np.maximum(low[row], target[cell] - half) + 1e-12
    valid = np.isfinite(values)
    fields = [(total, _RowSums(np.where(valid, values, 0))), (weight, _RowSums(valid))]
    for begin in range(0, row.size, STRIPS):
        strip = slice(begin, begin + STRIPS)
        ends = [raster.column(at[strip, None], edges[None, columns.start : columns.stop + 1]) for at in (top, bottom)]
        reached = np.flatnonzero(_between_edges(np.concatenate(ends), 0, size))  # near the poles few are
        if reached.size:
            part, both = slice(reached[0], reached[-1] + 1), slice(reached[0], reached[-1] + 2)
            enters, leaves = ends[0][:, both], ends[1][:, both]
            scale = share[strip] / np.diff((enters + leaves) / 2, axis=1)
            for out, sums in fields:
                left = sums.left_of(row[strip, None], enters, leaves)
                np.add.at(out[:, part], cell[strip], np.diff(left, axis=1) * scale)
    return columns, total, weight


def _between_edges(ends: np.ndarray, low: float, high: float) -> np.ndarray:
    """Say which cells, whose edges (rows, columns + 1) lie at these places, reach between two of them in any row."""
    most, least = np.maximum(ends[:, 1:], ends[:, :-1]), np.minimum(ends[:, 1:], ends[:, :-1])
    return ((most > low) & (least < high)).any(axis=0)


class _RowSums:
    r"""Sums of a field (y, x) along its rows, for slanting lines through them.

    With :math:`F(p)` the sum of a row's pixels to the left of place p (pixels cut in part), a line that crosses the
    row from :math:`p_0` to :math:`p_1` has, on the mean over the row's height,
    :math:`\int_{p_0}^{p_1} F\,dp \,/\, (p_1 - p_0)` to its left.
    """

    def __init__(self, field: np.ndarray) -> None:
        self.field = np.asarray(field, "float64")
        self.sums, self.areas = (np.zeros((field.shape[0], field.shape[1] + 1)) for _ in range(2))
        np.cumsum(self.field, axis=1, out=self.sums[:, 1:])
        np.cumsum(self.sums[:, :-1] + self.field / 2, axis=1, out=self.areas[:, 1:])

    def left_of(self, row: np.ndarray, enters: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """Return what lies to the left of lines, given their rows and the places where they enter and leave these."""
        slant = leaves - enters
        upright = np.abs(slant) < 1e-2  # the quotient would lose its digits; the error is a thousandth of a pixel
        middle, _ = self._up_to(row, (enters + leaves) / 2)
        if upright.all():
            return middle
        areas = self._up_to(row, leaves)[1] - self._up_to(row, enters)[1]
        return np.where(upright, middle, areas / np.where(upright, 1, slant))

    def _up_to(self, row: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return F and its integral from the row's left end up to each place."""
        width = self.field.shape[1]
        inside = np.clip(place, 0, width)
        whole = np.minimum(inside.astype("int32"), width - 1)
        rest, pixel, total = inside - whole, self.field[row, whole], self.sums[row, whole]
        integral = self.areas[row, whole] + rest * (total + rest * pixel / 2)
        return total + rest * pixel, integral + np.maximum(place - width, 0) * self.sums[row, -1]


# SoilGrids: one GeoTIFF a layer.

LARGEST = 10**8
"""Cells that are read whole; beyond, pass a target grid (the 250 m files have 10**10)."""

INTERVALS = {"soc_0_5": (0, 5), "soc_5_15": (5, 15), "soc_15_30": (15, 30), "soc_30_60": (30, 60)}
"""Top and bottom of each variable's interval in SoilGrids 2.0, cm."""

DEPTHS = {"soc_0": 0, "soc_5": 5, "soc_15": 15, "soc_30": 30}
"""The depths of SoilGrids250m (2017) that the paper uses, cm."""


def read_soil(
    product: Product,
    paths: list[Path],
    *,
    grid: Grid | None = None,
    method: str = "nearest",
    layers: Iterable[str] | None = None,
) -> xr.Dataset:
    """Read soil organic carbon.

    Parameters
    ----------
    grid : Grid, optional
        Where to go. Without it the files' own grid is kept, if it is one of latitude and longitude.
    method : {"nearest", "average", "bilinear"}
        How to get there; see `onto`.
    layers : iterable of str, optional
        Which of the product's variables to read, such as ``["soc_0"]``; default all four, each of which must be there.

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30``, or ``soc_0_5 soc_5_15 soc_15_30 soc_30_60`` of SoilGrids 2.0 (means over the
        interval), g kg-1 on (lat, lon): dask arrays of one chunk a layer, read when computed.

    Raises
    ------
    ProductError
        A layer is missing, is there twice or is none of the product's, or a file cannot be read.
    """
    known = {field.name: field for field in product.fields}
    asked = list(known if layers is None else layers)
    if unknown := [name for name in asked if name not in known]:
        raise ProductError(f"{product.id}: layer {unknown[0]!r} is unknown; known are {', '.join(known)}")
    files, first, found = _by_layer(product, paths), None, {}
    for name in (name for name in asked if name in files):
        path = files[name]
        with opening(path) as place:
            first = first or place
        if (place.shape, place.transform) != (first.shape, first.transform):
            raise ProductError(
                f"{path}: expected the pixels of {first.path.name}, {first.shape}, found others, {place.shape}; "
                "keep one resolution"
            )
        shape, at = (grid.shape, coords(grid.lat, grid.lon)) if grid else (place.shape, _own_cells(place))
        values = dask.delayed(_values, pure=True)(str(path), known[name], grid, method)
        lazy = dask.array.from_delayed(values, shape, dtype="float32")
        found[name] = xr.DataArray(lazy, dims=("lat", "lon"), coords=at)
    if missing := [name for name in asked if name not in found]:
        there = ", ".join(path.name for path in files.values()) or "files of other layers"
        raise ProductError(
            f"{paths[0].parent}: expected a file of each of {', '.join(asked)}, found none of {', '.join(missing)} but "
            f"{there}; add the missing, or pass layers={list(found) or asked[:1]}"
        )
    return describe(xr.Dataset(found), product)


def _by_layer(product: Product, paths: list[Path]) -> dict[str, Path]:
    """Return {variable: file}, by the group ``layer`` of the files' names."""
    names, files = {field.stored: field.name for field in product.fields}, {}
    for path in sorted(paths):
        for other in product.notes.get("mistaken_for", ()):
            if registry.product(other).file.search(path.name):
                raise ProductError(
                    f"{path}: expected a {product.id} file named like {product.example}, found one of {other}, "
                    f"which is another quantity; read it as {other}"
                )
        name = names.get(product.match(path)["layer"])
        if name and files.setdefault(name, path) != path:
            raise ProductError(
                f"{path}: expected one file of {name}, found {files[name].name} too; keep one resolution"
            )
    return files


def _values(path: str, field: Field, grid: Grid | None, method: str) -> np.ndarray:
    """Read one layer when it is computed."""
    with opening(Path(path)) as raster:
        fills = [*field.fill, *np.ravel(raster.attributes.get("missing_value", ()))]

        def decode(stored: np.ndarray) -> np.ndarray:
            return decoded(stored, field.scale, field.valid, fills)

        values = decode(raster.stored) if grid is None else onto(raster, grid, method, decode)
    if not np.isfinite(values).any():
        raise ProductError(
            f"{path}: expected values of {field.name}, found none in any cell; give a file that holds land of the grid"
        )
    return values


def _own_cells(raster: Raster) -> dict:
    """Return the coordinates of a file's own grid, refusing one that is too large or not of degrees."""
    if raster.shape[0] * raster.shape[1] > LARGEST:
        size = "x".join(map(str, raster.shape))
        raise ProductError(f"{raster.path}: {size} cells are too many to read whole; pass grid=Grid(resolution)")
    if not raster.geographic:
        found = raster.crs.to_string()[:60]
        raise ProductError(f"{raster.path}: expected latitude and longitude, found {found}; pass grid=Grid(resolution)")
    return coords(raster.cells.lat, raster.cells.lon)


def at_depths(ds: xr.Dataset) -> xr.Dataset:
    """Let means over intervals stand in for the content at the depths of SoilGrids250m (2017).

    Each mean is taken for the content at the middle of its interval (2.5, 10, 22.5 and 45 cm), and the content to run
    along straight lines between these; above 2.5 cm it is that of the first interval. So

        soc_0 = soc_0_5,  soc_5 = (2 soc_0_5 + soc_5_15) / 3,  soc_15 = (3 soc_5_15 + 2 soc_15_30) / 5,
        soc_30 = (2 soc_15_30 + soc_30_60) / 3.

    Where carbon falls off with depth, this is too little at 0 cm; and the two products differ anyhow, in their soil
    profiles and models.

    Parameters
    ----------
    ds : xarray.Dataset
        With ``soc_0_5 soc_5_15 soc_15_30 soc_30_60`` (g kg-1).

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30`` (g kg-1), lazy where ``ds`` is, each with a ``comment`` that says what it is.
        Missing where one of the two intervals that it needs is.

    Raises
    ------
    ProductError
        An interval is missing.
    """
    if missing := [name for name in INTERVALS if name not in ds]:
        raise ProductError(f"soilgrids2: expected {', '.join(INTERVALS)}, found no {', '.join(missing)}; read all four")
    middle = np.array([(top + bottom) / 2 for top, bottom in INTERVALS.values()])
    shares = np.array([np.interp(list(DEPTHS.values()), middle, unit) for unit in np.eye(len(middle))]).T
    fields = {}
    for name, row in zip(DEPTHS, shares, strict=True):
        used = {part: np.float32(w) for part, w in zip(INTERVALS, row, strict=True) if w}
        fields[name] = sum(share * ds[part] for part, share in used.items()).astype("float32")
    out = describe(xr.Dataset(fields), registry.product("soilgrids2"), ds.attrs.get("product_version", ""))
    for name, row in zip(DEPTHS, shares, strict=True):
        parts = " + ".join(f"{w:.3g} {part}" for part, w in zip(INTERVALS, row, strict=True) if w)
        out[name].attrs["comment"] = (
            f"a stand-in for the content at {DEPTHS[name]} cm that SoilGrids250m (2017) gives: {parts}, "
            "linear in depth between the middles of the intervals of SoilGrids 2.0"
        )
    return out


# Natural Earth's outlines.

WITHOUT_CODE = 900
"""From here on, ISO 3166-1 leaves numeric codes to users: the few countries without one get them, in order of name."""


def read_outlines(product: Product, paths: list[Path], *, grid: Grid) -> xr.Dataset:
    """Draw land and countries onto ``grid``: a cell is of the outline that its centre lies in.

    Returns
    -------
    xarray.Dataset
        On (lat, lon): ``land`` (bool) and, where the file holds countries, ``country`` (int16 flags: ISO 3166-1
        numeric codes, from 900 for those without, 0 off all countries; ``flag_meanings`` are their names).

    Raises
    ------
    ProductError
        There are several files, or one that is no GeoJSON.
    """
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ProductError(f"{paths[0].parent}: expected one file of outlines, found {names}; pass one of them")
    with opened(paths[0], (".json", ".geojson")) as plain:
        try:
            outlines = regions.outlines(plain)
        except (ValueError, LookupError, TypeError, AttributeError, shapely.errors.ShapelyError):
            raise ProductError(f"{paths[0]}: expected outlines as GeoJSON, found others; fetch it again") from None
    names = [about.get("ADMIN") or about.get("NAME") or "" for _, about in outlines]
    codes = [
        next((c for k in ("ISO_N3", "ISO_N3_EH") if (c := str(about.get(k))).isdigit()), "") for _, about in outlines
    ]
    without = sorted({name for name, code in zip(names, codes, strict=True) if not code})
    numbers = [int(code or WITHOUT_CODE + without.index(name)) for name, code in zip(names, codes, strict=True)]
    shapes = [shape for shape, _ in outlines]
    land = regions.burn([(shape, 1) for shape in shapes], grid.lat, grid.lon).astype(bool)
    ds = empty(grid).to_dataset(name="land").assign(land=(("lat", "lon"), land))
    if any(names):
        drawn = regions.burn(list(zip(shapes, numbers, strict=True)), grid.lat, grid.lon, "int16")
        ds = ds.assign(country=(("lat", "lon"), drawn))
    ds = describe(ds, product)
    if any(names):
        flags = {0: "none"} | dict(sorted(zip(numbers, names, strict=True)))
        words = " ".join("_".join(name.split()) for name in flags.values())
        ds["country"].attrs |= {"flag_values": np.array(list(flags), "int16"), "flag_meanings": words}
    return ds
