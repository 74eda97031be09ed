"""Files of pixels, HDF4-EOS and GeoTIFF, and their way onto the grid.

*HDF4*. HDF-EOS writes where its pixels lie into one long text attribute, ``StructMetadata.0``: a group for each grid,
with the number of columns and rows, the two outer corners and the projection. Nothing else in the file says it. A field
of a file without that text is taken for one of the whole globe, if it has the globe's shape. The files are read in
processes of their own (`readers`).

*The one way onto the grid* is that of `helpers.space.grid.resample`: weights of rows times weights of columns. Rows of
pixels have to lie along parallels, as they do on latitude and longitude, on the sinusoidal grid of MODIS and on the
homolosine one of SoilGrids; in a projection the weights of columns are found row by row. GDAL's warp averages over the
box between two corners of a cell, which is many times a cell where meridians are slanted: hence our own.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyproj
import rasterio
from pyproj import Transformer
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from helpers import tasks
from helpers.products import DamagedFile, Field, ProductError, readers
from helpers.products.files import opened
from helpers.space.grid import LEAST, RADIUS, Cells, Grid, weighted_mean, weighted_sums, weights

SINUSOIDAL = CRS.from_string(f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs")
"""The projection of MODIS, two lines of which define it (Snyder 1987, doi:10.3133/pp1395, p. 247):
x = R lon cos(lat), y = R lat."""

PIXELS = 2**22
"""Pixels that are worked on at a time."""
BLOCK = 200
"""Rows and columns of the blocks of a grid in which sums are held, of those alone that a raster reaches."""
STRIPS = 64
"""Strips of pixels that are averaged at a time, which bounds memory near the poles."""

Decode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Raster:
    """Pixels with a place, and what their file says of them.

    Parameters
    ----------
    read : callable
        ``read((rows, columns))`` gives the stored numbers of two slices, (y, x), or, of a field in memory, of arrays.
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


# HDF4 and HDF-EOS.

SUFFIXES = (".hdf", ".h4")
SIGNATURE = b"\x0e\x03\x13\x01"
OTHERS = {
    b"\x89HDF": ("HDF5 (as netCDF-4 is), whatever its name says", "fetch the product's HDF4 file"),
    b"CDF": ("netCDF-3, whatever its name says", "fetch the product's HDF4 file"),
    b"\x1f\x8b": ("a packed file (.gz)", "add .gz to its name"),
    b"PK\x03\x04": ("a packed file (.zip)", "add .zip to its name"),
    b"<": ("a web page (such as that of a login)", "log in, and fetch it again"),
}
"""First bytes of other formats: what the file is then, and what to do."""

DEGREES = CRS.from_epsg(4326)
PROJECTIONS = {"GCTP_SNSOID": SINUSOIDAL, "GCTP_GEO": DEGREES}
"""Projections of HDF-EOS grids: the MODIS sinusoidal one (metres), and latitude and longitude (degrees)."""


class MissingField(ProductError):
    """A file has no field of that name; the message lists those it has."""


class EosGrid(NamedTuple):
    """One grid of an HDF-EOS file: name, rows and columns, transform to a pixel's corner, projection, its fields."""

    name: str
    shape: tuple[int, int]
    transform: Affine
    crs: CRS
    fields: tuple[str, ...]


def read_hdf4(path: Path, name: str | None = None, grid: str | None = None, layer: int | None = None) -> Raster:
    """Read one field of an HDF4 file, plain or packed (``.gz``, ``.zip``).

    Parameters
    ----------
    name : str, optional
        The field; may be left out where there is one.
    grid : str, optional
        The HDF-EOS grid that holds it; it decides among several that do, for versions may call the one there is
        otherwise.
    layer : int, optional
        Index, from 0, along the dimension that a field has besides y and x.

    Returns
    -------
    Raster
        Its stored numbers (y, x), their place, and what the file says of them.

    Raises
    ------
    DamagedFile
        The file is of another format, cut short or damaged.
    ProductError
        There is no such field, it is not clear which, or it cannot be placed; the message lists those there are.
    """
    with opened(path, SUFFIXES) as plain:
        with plain.open("rb") as stream:
            begin = stream.read(64)
        if not begin.startswith(SIGNATURE):
            text = begin.lstrip(b"\xef\xbb\xbf \t\r\n")
            told = next((about for first, about in OTHERS.items() if text.startswith(first)), None)
            found, remedy = told or (f"{begin[:4]!r} at its start" if begin else "an empty file", "fetch it again")
            raise DamagedFile(f"{path}: expected an HDF4 file, found {found}; {remedy}")
        with readers.opening(path, plain) as (metadata, fields, read):
            number, name, place, *dimensions = _find(fields, path, eos_grids(metadata, path), name, grid)
            stored, attributes = _stored(read, number, dimensions, path, name, place, layer)
    rows, columns = stored.shape
    if place is None and columns != 2 * rows:
        raise ProductError(
            f"{path}: {name!r} declares no grid (StructMetadata.0) and is {rows}x{columns}, not global, so its "
            "place is unknown; give a gridded file, or fetch it again"
        )
    place = place or EosGrid("", stored.shape, Affine(360 / columns, 0, -180, 0, -180 / rows, 90), DEGREES, ())
    if stored.shape != place.shape:
        size = "x".join(map(str, place.shape))
        raise ProductError(f"{path}: expected {size} pixels of {name!r}, found {rows}x{columns}; fetch it again")

    _require_place(place, path)

    def numbers(at: tuple) -> np.ndarray:
        return stored[at].astype(native, copy=False)

    native = stored.dtype.newbyteorder("=")
    return Raster(numbers, stored.shape, place.transform, place.crs, path, name, place.name, attributes, metadata)


def _require_place(place: EosGrid, path: Path) -> None:
    """Refuse a grid that lies beyond the globe, or elsewhere than its file's name tells: ``h18v04`` counts tiles.

    Tiles of MODIS and GLASS are squares from the north-west of the sinusoidal globe, 36 of them side by side; what has
    neither their width nor their height counts its tiles otherwise. Less than a hundredth of a pixel is rounding.
    """
    (rows, columns), t = place.shape, place.transform
    found = np.array([t.c, t.f, t.c + columns * t.a, t.f + rows * t.e])
    half = 90.0 if place.crs == DEGREES else np.pi * RADIUS / 2
    hair = 0.01 * max(abs(t.a), abs(t.e))
    shown = ", ".join(f"{corner:.10g}" for corner in found)
    inside = (np.abs(found) <= np.array([2, 1, 2, 1]) * half + hair).all()
    if not (inside and t.a > 0 > t.e):
        raise DamagedFile(
            f"{path}: expected corners on the globe, the upper left one first, found {shown} of grid {place.name!r}; "
            "fetch it again"
        )
    named = re.search(r"[._]h(\d\d)v(\d\d)[._]", path.name, re.IGNORECASE)
    if named and place.crs == SINUSOIDAL:
        h, v = int(named[1]), int(named[2])
        size = half / 9  # ten degrees
        expected = np.array([h * size - 2 * half, half - v * size, (h + 1) * size - 2 * half, half - (v + 1) * size])
        of_ten_degrees = min(abs(found[2] - found[0] - size), abs(found[1] - found[3] - size)) <= hair
        if of_ten_degrees and not (np.abs(found - expected) <= hair).all():
            told = ", ".join(f"{corner:.10g}" for corner in expected)
            raise DamagedFile(
                f"{path}: expected the corners of {named[0].strip('._')}, {told}, found {shown}; its name or its text "
                "on the grid (StructMetadata.0) is wrong: fetch it again"
            )


def require_squares(raster: Raster) -> None:
    """Refuse a raster whose pixels are not as high as they are wide, as those of the book's products are.

    Raises
    ------
    DamagedFile
        They aren't: a corner or a size is wrong.
    """
    t = raster.transform
    if not math.isclose(abs(t.a), abs(t.e), rel_tol=1e-6):
        raise DamagedFile(
            f"{raster.path}: expected square pixels, found {abs(t.a):.10g} wide and {abs(t.e):.10g} high, so that its "
            "place is written wrong; fetch it again"
        )


def eos_grids(metadata: Mapping[str, str], path: Path) -> list[EosGrid]:
    """Return the grids that an HDF-EOS file declares; empty where it declares none.

    Parameters
    ----------
    metadata : mapping
        Attributes of the file; a long text is cut over ``StructMetadata.0``, ``.1``, ….

    Raises
    ------
    ProductError
        A grid is declared in a way that this reader cannot place.
    """
    parts = sorted((k for k in metadata if k.startswith("StructMetadata.")), key=lambda k: int(k.split(".")[1]))
    text = "".join(metadata[k].rstrip("\0") for k in parts)
    body = text.partition("GROUP=GridStructure")[2].partition("END_GROUP=GridStructure")[0]
    found = []
    for _, group in re.findall(r"GROUP=(GRID_\d+)\n(.*?)END_GROUP=\1\b", body, re.DOTALL):
        said = {key: value.strip().strip('"') for key, value in re.findall(r"^\s*(\w+)=(.*)$", group, re.MULTILINE)}
        try:
            name, projection, rows, columns = (said[key] for key in ("GridName", "Projection", "YDim", "XDim"))
            corners = (said[key].strip("()").split(",") for key in ("UpperLeftPointMtrs", "LowerRightMtrs"))
            (left, top), (right, bottom) = (map(float, corner) for corner in corners)
            shape = int(rows), int(columns)
            if not (min(shape) > 0 and all(map(math.isfinite, (left, top, right, bottom)))):
                raise ValueError(f"{rows}x{columns} pixels, {left:g}, {top:g}, {right:g}, {bottom:g}")
        except (KeyError, ValueError) as error:
            raise DamagedFile(f"{path}: cannot place grid {group[:40]!r} ({error}); fetch the file again") from error
        if projection not in PROJECTIONS:
            known = " or ".join(PROJECTIONS)
            raise ProductError(f"{path}: grid {name!r} has projection {projection}; expected {known}")
        if (origin := said.get("GridOrigin", "HDFE_GD_UL")) != "HDFE_GD_UL":
            raise ProductError(f"{path}: grid {name!r} has origin {origin}; expected HDFE_GD_UL, rows from the north")
        if projection == "GCTP_GEO":
            left, top, right, bottom = map(_degrees, (left, top, right, bottom))
        transform = Affine((right - left) / shape[1], 0, left, 0, (bottom - top) / shape[0], top)
        fields = tuple(re.findall(r'DataFieldName="(.*?)"', group))
        found.append(EosGrid(name, shape, transform, PROJECTIONS[projection], fields))
    return found


def _degrees(angle: float) -> float:
    """Turn an HDF-EOS angle into degrees: packed as DDDMMMSSS.SS, unless it is small enough to be degrees already."""
    if abs(angle) <= 360:
        return angle
    sign, rest = (-1 if angle < 0 else 1), abs(angle)
    return sign * (rest // 1e6 + rest // 1e3 % 1e3 / 60 + rest % 1e3 / 3600)


def _find(there: list, path: Path, grids: list[EosGrid], name, grid) -> tuple:
    """Return the one field that is asked for: number, name, grid (None where the file declares none), dimensions."""
    fields = []
    for called, dimensions, shape, number in there:
        if len(dimensions) < 2:
            continue
        told = {dimension.partition(":")[2] for dimension in dimensions}  # "YDim:MOD_Grid_500m"
        holding = [one for one in grids if one.name in told] or [one for one in grids if called in one.fields]
        fields += [(number, called, one, dimensions, shape) for one in (holding if grids else [None])]
    wanted = [one for one in fields if name in (None, one[1])]
    if len(wanted) > 1 and grid is not None:
        wanted = [one for one in wanted if one[2] and one[2].name == grid]
    if len(wanted) == 1:
        return wanted[0]
    by_grid: dict[str, list[str]] = {}
    for _, called, one, *_ in fields:
        by_grid.setdefault(f"grid {one.name}: " if one else "", []).append(called)
    listed = "; ".join(where + ", ".join(names) for where, names in by_grid.items()) or "none"
    if name is None:
        raise ProductError(f"{path}: expected a choice of field, found {listed}; pass variable=")
    if len(wanted) > 1:
        where = ", ".join(one[2].name for one in wanted)
        raise ProductError(f"{path}: {name!r} stands on several grids ({where}); pass eos_grid=")
    known = [called for called, *_ in there]
    lacking = ProductError if name in known else MissingField  # or it is there, but on no declared grid
    raise lacking(f"{path}: expected a field {name!r}, found {listed}; is this another version?")


def _stored(read: readers.Read, number: int, dimensions, path: Path, name: str, place, layer) -> tuple:
    """Read a field (y, x), or one layer of it; return its numbers and attributes."""
    names, shape = [one.partition(":")[0] for one in dimensions[0]], dimensions[1]
    rank = len(shape)
    y = rank - 2  # unless their names or the grid's size say otherwise
    if "YDim" in names:
        y = names.index("YDim")
    elif place:
        y = next((axis for axis in range(rank - 1) if tuple(shape[axis : axis + 2]) == place.shape), y)
    x = names.index("XDim") if "XDim" in names else y + 1
    start, count = [0] * rank, list(shape)
    further = [axis for axis in range(rank) if axis not in (y, x) and shape[axis] > 1]
    if len(further) > 1 or bool(further) != (layer is not None) or further and not 0 <= layer < shape[further[0]]:
        size = "x".join(str(shape[axis]) for axis in further) or "none"
        raise ProductError(
            f"{path}: {name!r} has the dimensions {', '.join(names)}, besides y and x of {size}, found "
            f"layer={layer!r}; pass the index, from 0, along one such dimension"
        )
    for axis in range(rank):
        if axis not in (y, x):
            start[axis], count[axis] = layer if axis in further else 0, 1
    stored, attributes = read(number, start, count)
    return np.moveaxis(stored, (y, x), (-2, -1)).reshape(count[y], count[x]), attributes


# GeoTIFF.

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
    with opened(path) as plain, rasterio.Env(GDAL_CACHEMAX=CACHE), _checked(plain) as source:
        names = [name or f"band {k}" for k, name in zip(source.indexes, source.descriptions, strict=True)]
        band = names.index(variable) + 1 if variable in names else variable if isinstance(variable, int) else 1
        sole = source.count == 1 and (variable is None or isinstance(variable, str) and not source.descriptions[0])
        if not 1 <= band <= source.count or not (sole or variable in (*names, *source.indexes)):
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

        _require_raster(source, band, path)

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


MOST = 10**11
"""Pixels of a raster: the finest of the book's products, of 250 m, has 10**10."""
LARGEST_BLOCK = 2**28
"""Bytes that a file may keep together, which are unpacked whole: a strip of the finest product has some 350,000."""
ROUND = 540.0
"""Degrees east that a raster may reach to, which begins at the date line and goes round."""


def _require_raster(source: rasterio.DatasetReader, band: int, path: Path) -> None:
    """Refuse a raster of a size that no file has, or whose corners are not in the units of its projection."""
    (height, width), block = source.shape, source.block_shapes[band - 1]
    if np.dtype(source.dtypes[band - 1]).kind == "c":
        raise ProductError(f"{path}: expected real numbers, found complex ones; write the part that you need")
    if height * width > MOST:
        raise ProductError(f"{path}: expected at most {MOST:.0e} pixels, found {height}x{width}; cut out what you need")
    if math.prod(block) * np.dtype(source.dtypes[band - 1]).itemsize > LARGEST_BLOCK:
        raise ProductError(
            f"{path}: expected tiles of at most {LARGEST_BLOCK >> 20} MiB, found {block[0]}x{block[1]} pixels in one; "
            "write it anew by gdal_translate -co TILED=YES"
        )
    west, south, east, north = source.bounds
    shown, crs = f"{west:.6g}, {south:.6g}, {east:.6g}, {north:.6g}", source.crs.to_string()[:60]
    if source.crs.is_geographic:
        hair = abs(source.transform.e)  # rows of pixels may be centred on the poles
        turn = DEGREES.units_factor[1]  # some count in radians, grads, or from Paris
        zero = pyproj.CRS.from_wkt(source.crs.to_wkt()).prime_meridian
        if not math.isclose(source.crs.units_factor[1], turn, rel_tol=1e-6) or (zero and zero.longitude):
            found = f"found {source.crs.units_factor[0]} from {zero.name if zero else 'somewhere'}"
            raise ProductError(
                f"{path}: expected degrees from Greenwich, {found}; warp it with gdalwarp -t_srs EPSG:4326"
            )
        if max(abs(south), abs(north)) <= np.pi / 2 + 1e-6 and max(abs(west), abs(east)) <= np.pi + 1e-6:
            raise ProductError(
                f"{path}: expected degrees, found corners {shown}, where no land is: these are radians; set its true "
                "place by gdal_edit -a_ullr"
            )
        if not (max(abs(south), abs(north)) <= 90 + hair and -360 - hair <= west < east <= ROUND + hair):
            raise ProductError(
                f"{path}: expected corners in degrees, as {crs} has them, found {shown}; set its true projection by "
                "gdal_edit -a_srs, or fetch it again"
            )
    elif max(abs(south), abs(north)) <= 90 and max(abs(west), abs(east)) <= 360:
        raise ProductError(
            f"{path}: expected corners in metres, as {crs} has them, found {shown}, which look like degrees; set its "
            "true projection by gdal_edit -a_srs EPSG:4326, or fetch it again"
        )


TIFF = {b"II*\0": "<HIHHII", b"MM\0*": ">HIHHII", b"II+\0": "<QQHHQQ", b"MM\0+": ">QQHHQQ"}
"""First bytes of a TIFF file, or of one beyond 4 GiB: how its index writes the number of its tags and the place of the
next index; and of each tag what it is, its type, how many numbers it holds, and where."""
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one number of each type of tag."""
PLACES, SIZES = (273, 324), (279, 325)
"""Tags: offsets of the strips or tiles, and their lengths."""


def _checked(plain: Path) -> rasterio.DatasetReader:
    """Open a raster, but not a TIFF file that is cut short; other formats are left to GDAL."""
    require_whole(plain)
    return rasterio.open(plain)


def require_whole(plain: Path) -> None:
    """Raise EOFError, or what else a damaged index leads to, where a TIFF file ends before what its index names.

    GDAL passes over tags that it cannot read, a projection or a scale factor among them, and meets missing pixels only
    when they are asked for. Source: Adobe, TIFF Revision 6.0 (1992), section 2; the BigTIFF layout of libtiff.
    """
    with plain.open("rb") as stream:
        layout = TIFF.get(stream.read(4))
        if layout is None:
            return
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


# From stored numbers to values, and onto the grid.


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


def decode(raster: Raster, field: Field) -> Raster:
    """Return a raster of values in place of stored numbers: fills to NaN, the rest times the scale (float32).

    The scale comes from the registry, since MODIS files state it in two ways: as what a stored number is multiplied by
    (MOD17: 0.0001) or divided by (MOD13: 10000). A file that states neither of the two is refused, and so is one that
    shifts its numbers.

    Raises
    ------
    ProductError
        The file states another scale than the registry, or an offset, or holds fractions.
    """
    attributes, path = raster.attributes, raster.path
    stated = {"scale_factor": field.scale, "add_offset": 0.0}
    for key in stated.keys() & attributes.keys():  # some files write numbers as text
        try:
            stated[key] = float(np.ravel(attributes[key]).item())
        except ValueError:
            raise ProductError(
                f"{path}: expected {key} to be a number, found {attributes[key]!r:.60}; fetch it again"
            ) from None
    scale, offset = stated.values()
    if offset or not np.isclose([scale, 1 / scale if scale else 0], field.scale, rtol=1e-5).any():
        raise ProductError(
            f"{path}: expected {field.stored!r} with scale {field.scale:g} and no offset, found scale {scale:g} and "
            f"add_offset {offset:g}; is this another version?"
        )
    low, high = field.valid or (-np.inf, np.inf)
    try:
        stated = [float(number) for number in np.ravel(attributes.get("_FillValue", []))]
    except ValueError:
        found = f"found {attributes['_FillValue']!r:.60}; fetch it again"
        raise DamagedFile(f"{path}: expected _FillValue of {field.stored!r} to be a number, {found}") from None
    if field.fill and (odd := [number for number in stated if number not in field.fill and low <= number <= high]):
        raise DamagedFile(
            f"{path}: expected _FillValue {field.fill[0]:g} of {field.stored!r}, found {odd[0]:g}, which is a value; "
            "fetch it again"
        )
    fills = (*field.fill, *stated)
    own = np.ravel(attributes.get("valid_range", ()))
    if own.size == 2 and own.dtype.kind in "iuf" and own[0] < own[1]:  # the file's own, of stored numbers
        if (own[0] > low or own[1] < high) and not np.isinf([low, high]).all():
            known = raster.stored
            known = known[(known >= low) & (known <= high) & ~np.isin(known, fills)]
            if count := int(((known < own[0]) | (known > own[1])).sum()):
                warnings.warn(
                    f"{path}: expected {field.stored!r} from {low:g} to {high:g}, found a valid_range of {own[0]:g} to "
                    f"{own[1]:g}, so that {count} numbers count as missing; if other files differ, fetch it again",
                    stacklevel=2,
                )
        low, high = max(low, float(own[0])), min(high, float(own[1]))
    kind = raster.read((slice(1), slice(1))).dtype
    find = partial(decoded, scale=field.scale, valid=(low, high), fills=fills)
    if kind.kind == "f" and (raster.stored[np.isfinite(find(raster.stored))] % 1).any():  # all are stored as whole
        raise ProductError(
            f"{path}: expected whole numbers in {field.stored!r}, as the product stores them, found fractions, as "
            "if they had been scaled or averaged; give the file as published, or read it as product 'tile'"
        )
    if kind.kind in "iu" and kind.itemsize <= 2:  # of so few numbers a table is faster
        code = np.dtype(f"u{kind.itemsize}")
        table = find(np.arange(256**code.itemsize, dtype=code).view(kind))
        return replace(raster, read=lambda at: np.take(table, raster.read(at).view(code)))
    return replace(raster, read=lambda at: find(raster.read(at)))


def any_value(raster: Raster) -> bool:
    """Say whether a raster in memory holds any value; most show one in their first rows."""
    step = max(PIXELS // 2**6 // raster.shape[1], 1)
    strips = (slice(begin, begin + step) for begin in range(0, raster.shape[0], step))
    return any(np.isfinite(raster.read((rows, slice(None)))).any() for rows in strips)


def mosaic(rasters: Iterable[Raster], grid: Grid, method: str, dtype: str = "float32") -> np.ndarray:
    """Put rasters of values side by side onto the grid: (lat, lon), NaN where none has a value; as `blocks`."""
    out = np.full(grid.shape, np.nan, dtype)
    every = tasks.each(partial(parts, grid=grid, method=method), rasters, here=True)
    for rows, columns, values in blocks(every, grid, method, dtype):
        out[rows, columns] = values
    return out


def parts(raster: Raster, grid: Grid, method: str) -> list[tuple]:
    """Bring a raster of values onto the grid; return for bands of it rows, columns, sums of weighted values, weights.

    Parameters
    ----------
    raster : Raster
        In memory, NaN where there is no value.
    method : {"nearest", "average", "bilinear"}
        As in `grid.resample`.
    """
    return _picked(raster, grid) if method == "nearest" else list(_bands(raster, grid, method))


def blocks(
    every: Iterable[list[tuple]], grid: Grid, method: str, dtype: str = "float32"
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Put rasters of values side by side onto the grid, one by one, so that memory doesn't grow with their number.

    Weighted values and weights are added up over all of them first, in their order, and divided last, so that a cell
    which several share comes out as if they had been one raster.

    Parameters
    ----------
    every : iterable of list
        `parts` of each raster.
    method : {"nearest", "average", "bilinear"}
        By which they were made. An average takes cells with a ten-thousandth of their area under pixels with a value.

    Yields
    ------
    tuple
        Rows and columns of a block of the grid, and its values: of all blocks that a raster reaches.
    """
    summed = dtype if method == "nearest" else "float64"  # of what is copied no sum is longer than one
    sums, least = {}, 1e-4 if method == "average" else LEAST[method]
    for rows, columns, values, share in chain.from_iterable(every):
        for place in product(*(range(one.start // BLOCK, -(-one.stop // BLOCK)) for one in (rows, columns))):
            if place not in sums:
                shape = [min(BLOCK, size - k * BLOCK) for k, size in zip(place, grid.shape, strict=True)]
                sums[place] = np.zeros(shape, summed), np.zeros(shape, summed)
            into, out = zip(*(_shared(one, k) for one, k in zip((rows, columns), place, strict=True)), strict=True)
            for total, part in zip(sums[place], (values, share), strict=True):
                total[into] += part[out]
    for place in sorted(sums):
        rows, columns = (slice(k * BLOCK, (k + 1) * BLOCK) for k in place)
        yield rows, columns, weighted_mean(*sums[place], least, dtype)


def _shared(span: slice, k: int) -> tuple[slice, slice]:
    """Return where rows or columns of the grid lie in its k-th block, and which of them do."""
    begin, end = max(span.start, k * BLOCK), min(span.stop, (k + 1) * BLOCK)
    return slice(begin - k * BLOCK, end - k * BLOCK), slice(begin - span.start, end - span.start)


def _picked(raster: Raster, grid: Grid) -> list[tuple]:
    """Return what `_bands` does for the nearest pixels, of which only these are read and decoded."""
    choose = _choice if math.prod(grid.shape) <= KEPT else _choice.__wrapped__
    found = []
    for rows, columns, pixel in choose(raster.shape, raster.transform, raster.crs, grid):
        values = raster.read(np.unravel_index(pixel.clip(0), raster.shape))
        known = (pixel >= 0) & np.isfinite(values)
        found.append((rows, columns, np.where(known, values, 0), known))
    return found


KEPT = 3600 * 7200
"""Cells of a grid up to which it is remembered which pixel they take: some 150 MB for the land of 0.05 degrees."""


@lru_cache(400)
def _choice(shape: tuple[int, int], transform: Affine, crs: CRS, grid: Grid) -> list[tuple]:
    """Return, for bands of the grid, its rows and columns, and the number of the pixel that each cell takes, or -1.

    All dates of a tile have the same. It is found by bringing the pixels' numbers onto the grid in place of values.
    """

    def number(at: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (np.arange(*one.indices(size), dtype="int64") for one, size in zip(at, shape, strict=True))
        return rows[:, None] * shape[1] + columns

    numbers = Raster(number, shape, transform, crs)
    bands = _bands(numbers, grid, "nearest", lambda stored: stored.astype("float64"))
    return [(rows, columns, np.where(weight > 0, total, -1).astype("int32")) for rows, columns, total, weight in bands]


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
