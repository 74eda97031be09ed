"""HDF4 and HDF4-EOS files: one field of one file, with the place that the file says its pixels have.

HDF-EOS writes where its pixels lie into one long text attribute, ``StructMetadata.0``: a group for each grid, with the
number of columns and rows, the two outer corners and the projection. Nothing else in the file says it. A field of a
file without that text is taken for one of the whole globe, if it has the globe's shape.

Deflated data end in a checksum (Adler-32, RFC 1950). The HDF4 library inflates them and never compares it; on an error
in the middle it leaves the rest of the field as the memory was, and says nothing. So the compressed chunks of a field
are found and inflated once more before it is read. Source: The HDF Group, HDF Specification and Developer's Guide,
version 4.2: a list of data descriptors (tag, reference, offset, length); a group for each data set that names its data;
and data that may be compressed, cut into compressed chunks listed in a table, or linked together from blocks.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pyhdf.SD import SD, SDC, SDS
from rasterio import Affine
from rasterio.crs import CRS

from helpers.products import compression
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.rasters import ALL, Raster
from helpers.products.registry import Field
from helpers.space.grid import RADIUS
from helpers.workspace import LIBRARY

SUFFIXES = (".hdf", ".h4")
SIGNATURE = b"\x0e\x03\x13\x01"
OTHERS = {
    b"\x89HDF\r\n\x1a\n": ("HDF5 (as netCDF-4 is), whatever its name says", "fetch the product's HDF4 file"),
    b"CDF": ("netCDF-3, whatever its name says", "fetch the product's HDF4 file"),
    b"\x1f\x8b": ("a packed file (.gz)", "add .gz to its name"),
    b"PK\x03\x04": ("a packed file (.zip)", "add .zip to its name"),
}
"""First bytes of other formats: what the file is then, and what to do."""
PAGES = (b"<!doctype html", b"<html", b"<?xml")

PROJECTIONS = {
    "GCTP_SNSOID": CRS.from_string(f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs"),
    "GCTP_GEO": CRS.from_epsg(4326),
}
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


@contextmanager
def opening(
    path: Path,
    name: str | int | None = None,
    grid: str | None = None,
    layer: int | Mapping[str, int] | None = None,
    *,
    strict: bool = True,
) -> Iterator[Raster]:
    """Open one field of an HDF4 file, plain or packed (``.gz``, ``.zip``); it can be read as long as the context lasts.

    While it is open no other thread can open one (see `helpers.workspace.LIBRARY`): read and leave.

    Parameters
    ----------
    name : str, optional
        The field; may be left out where there is one.
    grid : str, optional
        The HDF-EOS grid that holds it; where not ``strict``, it only decides among several that do.
    layer : int or mapping, optional
        Index, from 0, along the dimension that a field has besides y and x; ``{dimension: index}`` for several.

    Yields
    ------
    Raster
        Its pixels, their place, and what the file says of them.

    Raises
    ------
    DamagedFile
        The file is of another format, cut short or damaged.
    ProductError
        There is no such field, it is not clear which, or it cannot be placed; the message lists those there are.
    """
    with compression.opened(path, SUFFIXES) as plain, reading(path):
        _require_hdf4(path, plain)
        with LIBRARY:
            file = SD(str(plain), SDC.READ)
            try:
                metadata = file.attributes()
                grids = {one.name: one for one in eos_grids(metadata, path)}
                index, name, where = _find(file, path, grids, name, grid, strict)
                field = file.select(index)
                y, x, start, count = _extent(field, path, name, grids.get(where), layer)

                def read(rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
                    require_undamaged(plain, path, field)
                    try:
                        stored = np.asarray(field.get(start, count)).reshape(count)
                    except ValueError as error:  # what pyhdf raises where the library fails to read
                        raise DamagedFile(
                            f"{path}: {name!r} cannot be read ({error}); it is damaged, so fetch it again"
                        ) from error
                    return np.moveaxis(stored, (y, x), (-2, -1)).reshape(shape)[rows, columns]

                shape = count[y], count[x]
                placed = _place(path, name, shape, grids.get(where))
                about = {"path": path, "name": name, "grid": where, "attributes": field.attributes()}
                yield Raster(read, shape, *placed, **about, metadata=metadata)
                field.endaccess()
            finally:
                file.end()


def _require_hdf4(path: Path, plain: Path) -> None:
    """Refuse a file of another format, and say which one."""
    with plain.open("rb") as stream:
        begin = stream.read(64)
    if begin.startswith(SIGNATURE):
        return
    found, remedy = f"{begin[:4]!r} at its start", "fetch it again"
    if not begin:
        found = "an empty file"
    elif begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        found, remedy = "a web page (such as that of a login)", "log in, and fetch it again"
    for first, about in OTHERS.items():
        found, remedy = about if begin.startswith(first) else (found, remedy)
    raise DamagedFile(f"{path}: expected an HDF4 file, found {found}; {remedy}")


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
        needed = ("GridName", "Projection", "UpperLeftPointMtrs", "LowerRightMtrs", "XDim", "YDim")
        if lacking := [key for key in needed if key not in said]:
            raise ProductError(f"{path}: expected {lacking[0]} in StructMetadata, found none; fetch the file again")
        name, projection, first, last, columns, rows = (said[key] for key in needed)
        if projection not in PROJECTIONS:
            known = " or ".join(PROJECTIONS)
            raise ProductError(f"{path}: grid {name!r} has projection {projection}; expected {known}")
        if (origin := said.get("GridOrigin", "HDFE_GD_UL")) != "HDFE_GD_UL":
            raise ProductError(f"{path}: grid {name!r} has origin {origin}; expected HDFE_GD_UL, rows from the north")
        try:
            corners = [float(corner) for text in (first, last) for corner in text.strip("()").split(",")]
            left, top, right, bottom = map(_degrees, corners) if projection == "GCTP_GEO" else corners
            shape = int(rows), int(columns)
        except ValueError as error:
            raise DamagedFile(
                f"{path}: cannot place grid {name!r} ({ascii(str(error))}); fetch the file again"
            ) from error
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


def _find(file: SD, path: Path, grids: Mapping[str, EosGrid], name, grid, strict: bool) -> tuple[int, str, str]:
    """Return index, name and grid (empty where the file declares none) of the one field that is asked for."""
    fields = []
    for index in range(file.info()[0]):
        field = file.select(index)
        called, rank, *_ = field.info()
        dimensions = {field.dim(axis).info()[0].partition(":")[2] for axis in range(rank)}
        field.endaccess()
        holding = dimensions & set(grids) or {one.name for one in grids.values() if called in one.fields}
        fields += [(index, called, where) for where in (sorted(holding) if grids else [""]) if rank >= 2]
    wanted = [one for one in fields if name in (None, one[1])]
    if grid is not None and (strict or len(wanted) > 1):
        wanted = [one for one in wanted if one[2] == grid]
    if len(wanted) == 1:
        return wanted[0]
    if wanted and name is not None:
        where = ", ".join(one[2] for one in wanted)
        raise ProductError(f"{path}: {name!r} stands on several grids ({where}); pass eos_grid=")
    names: dict[str, list[str]] = {}
    for _, called, where in fields:
        names.setdefault(where, []).append(called)
    there = "; ".join((f"grid {where}: " if where else "") + ", ".join(called) for where, called in names.items())
    asked = "a choice of field" if name is None else f"a field {name!r}"
    on = f" on grid {grid!r}" if grid is not None and strict else ""
    remedy = "pass variable=" if strict else "is this another version?"
    lacking = MissingField if name not in file.datasets() else ProductError  # or it is there, but on no declared grid
    raise lacking(f"{path}: expected {asked}{on}, found {there or 'none'}; {remedy}")


def _extent(field: SDS, path: Path, name: str, grid: EosGrid | None, layer) -> tuple[int, int, list[int], list[int]]:
    """Return which dimensions of a field are y and x, and where along each to begin to read, and how far."""
    _, rank, shape, *_ = field.info()
    names = [field.dim(axis).info()[0].partition(":")[0] for axis in range(rank)]
    y, x = rank - 2, rank - 1  # unless their names or the grid's size say otherwise
    if "YDim" in names and "XDim" in names:
        y, x = names.index("YDim"), names.index("XDim")
    elif grid:
        y = next((axis for axis in range(rank - 1) if tuple(shape[axis : axis + 2]) == grid.shape), y)
        x = y + 1
    start, count = [0] * rank, list(shape)
    further = {names[axis]: axis for axis in range(rank) if axis not in (y, x)}
    chosen = dict(layer) if isinstance(layer, Mapping) else dict.fromkeys(further, layer)
    if layer is not None and (not further or set(chosen) - set(further)):
        raise ProductError(
            f"{path}: {name!r} has the dimensions {', '.join(names)}, found layer={layer!r}; correct layer"
        )
    for called, axis in further.items():
        at = chosen.get(called)
        at = 0 if at is None and shape[axis] == 1 else at
        if not isinstance(at, int) or not 0 <= at < shape[axis]:
            raise ProductError(
                f"{path}: {name!r} has a further dimension {called!r} of {shape[axis]}, found layer={layer!r}; "
                f"pass layer=0 to {shape[axis] - 1}" + (" for each, {dimension: index}" if len(further) > 1 else "")
            )
        start[axis], count[axis] = at, 1
    return y, x, start, count


def _place(path: Path, name: str, shape: tuple[int, int], grid: EosGrid | None) -> tuple:
    """Return transform and projection: as declared, or those of the globe where nothing is declared."""
    rows, columns = shape
    if grid is None:
        if columns != 2 * rows:
            raise ProductError(
                f"{path}: {name!r} declares no grid (StructMetadata.0) and is {rows}x{columns}, not global, so its "
                "place is unknown; give a gridded file, or fetch it again"
            )
        return Affine(360 / columns, 0, -180, 0, -180 / rows, 90), PROJECTIONS["GCTP_GEO"]
    if shape != grid.shape:
        declared = "x".join(map(str, grid.shape))
        raise ProductError(f"{path}: expected {declared} pixels of {name!r}, found {rows}x{columns}; fetch it again")
    return grid.transform, grid.crs


def missing(stored: np.ndarray, valid: tuple[float, float] | None, fills: Sequence[float]) -> np.ndarray:
    """Say of each stored number whether it is no value: NaN, a fill, or beyond the valid range."""
    low, high = valid or (-np.inf, np.inf)
    if stored.dtype.kind in "iu":  # whole limits spare a conversion of the whole field
        kind = np.iinfo(stored.dtype)
        low, high = max(kind.min, math.ceil(max(low, kind.min))), min(kind.max, math.floor(min(high, kind.max)))
    out = (stored < low) | (stored > high)
    if stored.dtype.kind == "f":
        out |= np.isnan(stored)
    for fill in fills:
        if stored.dtype.kind == "f":
            out |= stored == stored.dtype.type(fill)
        elif low <= fill <= high and float(fill).is_integer():
            out |= stored == int(fill)
    return out


def decode(stored: np.ndarray, attributes: dict, field: Field, path: Path) -> np.ndarray:
    """Turn stored numbers into values: fills to NaN, the rest times the scale (float32).

    The scale comes from the registry, since MODIS files state it in two ways: as what a stored number is multiplied by
    (MOD17: 0.0001) or divided by (MOD13: 10000). A file that states neither of the two is refused, and so is one that
    shifts its numbers.

    Raises
    ------
    ProductError
        The file states another scale than the registry, or an offset, or holds fractions.
    """
    stated = {"scale_factor": None, "add_offset": None}
    for key in stated.keys() & attributes.keys():  # some files write numbers as text
        try:
            stated[key] = float(np.ravel(attributes[key]).item())
        except ValueError:
            raise ProductError(
                f"{path}: expected {key} to be a number, found {attributes[key]!r}; fetch it again"
            ) from None
    scale, offset = stated.values()
    if scale is not None and not np.isclose([scale, 1 / scale if scale else 0], field.scale, rtol=1e-5).any():
        raise ProductError(
            f"{path}: expected {field.stored!r} with scale {field.scale:g}, found {scale:g}; is this another version?"
        )
    if offset:
        raise ProductError(
            f"{path}: expected {field.stored!r} without offset, found add_offset {offset:g}; is this another version?"
        )
    low, high = field.valid or (-np.inf, np.inf)
    own = np.ravel(attributes.get("valid_range", ()))
    if own.size == 2 and own.dtype.kind in "iuf" and own[0] < own[1]:  # the file's own, of stored numbers
        low, high = max(low, float(own[0])), min(high, float(own[1]))
    none = missing(stored, (low, high), (*field.fill, *np.ravel(attributes.get("_FillValue", [])).tolist()))
    if stored.dtype.kind == "f" and (stored[~none & np.isfinite(stored)] % 1).any():  # all are stored as whole numbers
        raise ProductError(
            f"{path}: expected whole numbers in {field.stored!r}, as the product stores them, found fractions, as "
            "if they had been scaled or averaged; give the file as published, or read it as product 'tile'"
        )
    values = np.multiply(stored, np.float32(field.scale), dtype="float32", casting="unsafe")
    values[none] = np.nan
    return values


GROUP, DATA, COMPRESSED, LINKED, RECORDS = 720, 702, 40, 20, 1963
"""Tags: numeric data group, its data, compressed data, linked block, and the records of a table (vdata)."""
SPECIAL = 0x4000
"""Bit of a tag: the element is stored in a special way, which its first number tells."""
IN_BLOCKS, DEFLATED, IN_CHUNKS = 1, 3, 5
DEFLATE = 4
"""The code of deflate among the kinds of compression."""
BUFFER = 2**20


def require_undamaged(plain: Path, path: Path, field: SDS) -> None:
    """Inflate the compressed data of one field and compare their checksums.

    What is compressed in a way that is not known here is left to the library.

    Raises
    ------
    DamagedFile
        The data, or the file's own directory, are damaged.
    """
    with reading(path), plain.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        for offset, length in compressed(memory, field.ref()):
            machine = zlib.decompressobj()  # which compares the checksum at the end
            for begin in range(offset, offset + length, BUFFER):
                machine.decompress(memory[begin : min(begin + BUFFER, offset + length)])
            if not machine.eof:
                raise zlib.error("compressed data end too early")


def compressed(memory: mmap.mmap, reference: int) -> list[tuple[int, int]]:
    """Return offset and length of every deflated chunk of a data set, by its reference number in the file."""
    elements: dict[tuple[int, int], tuple[int, int]] = {}
    block, seen = 4, set()
    while block and block not in seen:
        seen.add(block)
        count, following = struct.unpack_from(">hI", memory, block)
        for k in range(count):
            tag, of, offset, length = struct.unpack_from(">HHII", memory, block + 6 + 12 * k)
            elements[tag, of] = offset, length
        block = following

    def content(tag: int, of: int) -> bytes:
        """Return the bytes of an element, put together from its blocks where it is stored in such."""
        if (tag, of) in elements:
            offset, length = elements[tag, of]
            return memory[offset : offset + length]
        offset, _ = elements.get((tag | SPECIAL, of), (None, None))
        if offset is None or struct.unpack_from(">h", memory, offset) != (IN_BLOCKS,):
            return b""
        length, _, _, table = struct.unpack_from(">iiiH", memory, offset + 2)
        parts, visited = [], set()
        while table and table not in visited:
            visited.add(table)
            (following, *blocks) = [row[0] for row in rows(">H", LINKED, table)]
            parts += [content(LINKED, one) for one in blocks if one]
            table = following
        return b"".join(parts)[:length]

    def rows(form: str, tag: int, of: int) -> list[tuple[int, ...]]:
        """Return the rows of numbers that an element consists of."""
        held, size = content(tag, of), struct.calcsize(form)
        return list(struct.iter_unpack(form, held[: len(held) // size * size]))

    def chunks(tag: int, of: int) -> list[tuple[int, int]]:
        offset, _ = elements.get((tag | SPECIAL, of), (None, None))
        kind = None if offset is None else struct.unpack_from(">h", memory, offset)[0]
        if kind == DEFLATED:
            _, _, data, _, compression = struct.unpack_from(">HiHHH", memory, offset + 2)
            known = compression == DEFLATE and (COMPRESSED, data) in elements
            return [elements[COMPRESSED, data]] if known else []
        if kind == IN_CHUNKS:
            *_, table, _, _, dimensions = struct.unpack_from(">iBiiiiHHHHi", memory, offset + 2)
            return [one for *_, tag, chunk in rows(f">{dimensions}iHH", RECORDS, table) for one in chunks(tag, chunk)]
        return []

    return [one for tag, data in rows(">HH", GROUP, reference) if tag == DATA for one in chunks(DATA, data)]
