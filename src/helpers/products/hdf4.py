"""HDF4 and HDF4-EOS files: one field of one file, with the place that the file says its pixels have.

HDF-EOS writes where its pixels lie into one long text attribute, ``StructMetadata.0``: a group for each grid, with the
number of columns and rows, the two outer corners and the projection. Nothing else in the file says it. A field of a
file without that text is taken for one of the whole globe, if it has the globe's shape.

Deflated data end in a checksum (Adler-32, RFC 1950). The HDF4 library inflates them and never compares it; on an error
in the middle it leaves the rest of the field as the memory was, and says nothing. So the compressed chunks of a field
are found and inflated once more before it is read. Source: The HDF Group, HDF Specification and Developer's Guide,
version 4.2: a list of data descriptors (tag, reference, offset, length); a group for each data set that names its data;
and data that may be compressed, or cut into compressed chunks that a table lists.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pyhdf import VS  # noqa: F401  (gives HDF files their tables)
from pyhdf.HDF import HDF
from pyhdf.SD import SD, SDC
from rasterio import Affine
from rasterio.crs import CRS

from helpers.products.compression import opened
from helpers.products.rasters import SINUSOIDAL, Raster, decoded
from helpers.products.registry import DamagedFile, Field, ProductError
from helpers.workspace import LIBRARY

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


def read(path: Path, name: str | None = None, grid: str | None = None, layer: int | None = None) -> Raster:
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
        with LIBRARY:
            file = SD(str(plain), SDC.READ)
            try:
                metadata = file.attributes()
                index, name, place = _find(file, path, eos_grids(metadata, path), name, grid)
                field = file.select(index)
                require_undamaged(plain, field.ref())
                stored, attributes = _stored(field, path, name, place, layer), field.attributes()
                field.endaccess()
            finally:
                file.end()
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
    return Raster(
        stored.__getitem__, stored.shape, place.transform, place.crs, path, name, place.name, attributes, metadata
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


def _find(file: SD, path: Path, grids: list[EosGrid], name, grid) -> tuple[int, str, EosGrid | None]:
    """Return index, name and grid (None where the file declares none) of the one field that is asked for."""
    fields = []
    for called, (dimensions, _, _, index) in file.datasets().items():
        if len(dimensions) < 2:
            continue
        told = {dimension.partition(":")[2] for dimension in dimensions}  # "YDim:MOD_Grid_500m"
        holding = [one for one in grids if one.name in told] or [one for one in grids if called in one.fields]
        fields += [(index, called, one) for one in (holding if grids else [None])]
    wanted = [one for one in fields if name in (None, one[1])]
    if len(wanted) > 1 and grid is not None:
        wanted = [one for one in wanted if one[2] and one[2].name == grid]
    if len(wanted) == 1:
        return wanted[0]
    there: dict[str, list[str]] = {}
    for _, called, one in fields:
        there.setdefault(f"grid {one.name}: " if one else "", []).append(called)
    listed = "; ".join(where + ", ".join(names) for where, names in there.items()) or "none"
    if name is None:
        raise ProductError(f"{path}: expected a choice of field, found {listed}; pass variable=")
    if len(wanted) > 1:
        where = ", ".join(one.name for *_, one in wanted)
        raise ProductError(f"{path}: {name!r} stands on several grids ({where}); pass eos_grid=")
    lacking = ProductError if name in file.datasets() else MissingField  # or it is there, but on no declared grid
    raise lacking(f"{path}: expected a field {name!r}, found {listed}; is this another version?")


def _stored(field, path: Path, name: str, place: EosGrid | None, layer: int | None) -> np.ndarray:
    """Read a field (y, x), or one layer of it."""
    _, rank, shape, *_ = field.info()
    names = [field.dim(axis).info()[0].partition(":")[0] for axis in range(rank)]
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
    try:
        stored = np.asarray(field.get(start, count)).reshape(count)
    except ValueError as error:  # what pyhdf raises where the library fails to read
        raise DamagedFile(f"{path}: {name!r} cannot be read ({error}); it is damaged, so fetch it again") from error
    return np.moveaxis(stored, (y, x), (-2, -1)).reshape(count[y], count[x])


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
    stored, attributes, path = raster.stored, raster.attributes, raster.path
    stated = {"scale_factor": field.scale, "add_offset": 0.0}
    for key in stated.keys() & attributes.keys():  # some files write numbers as text
        try:
            stated[key] = float(np.ravel(attributes[key]).item())
        except ValueError:
            raise ProductError(
                f"{path}: expected {key} to be a number, found {attributes[key]!r}; fetch it again"
            ) from None
    scale, offset = stated.values()
    if offset or not np.isclose([scale, 1 / scale if scale else 0], field.scale, rtol=1e-5).any():
        raise ProductError(
            f"{path}: expected {field.stored!r} with scale {field.scale:g} and no offset, found scale {scale:g} and "
            f"add_offset {offset:g}; is this another version?"
        )
    low, high = field.valid or (-np.inf, np.inf)
    own = np.ravel(attributes.get("valid_range", ()))
    if own.size == 2 and own.dtype.kind in "iuf" and own[0] < own[1]:  # the file's own, of stored numbers
        low, high = max(low, float(own[0])), min(high, float(own[1]))
    fills = (*field.fill, *np.ravel(attributes.get("_FillValue", [])).tolist())
    values = decoded(stored, field.scale, (low, high), fills)
    if stored.dtype.kind == "f" and (stored[np.isfinite(values)] % 1).any():  # all are stored as whole numbers
        raise ProductError(
            f"{path}: expected whole numbers in {field.stored!r}, as the product stores them, found fractions, as "
            "if they had been scaled or averaged; give the file as published, or read it as product 'tile'"
        )
    return replace(raster, read=values.__getitem__)


GROUP, DATA, COMPRESSED = 720, 702, 40
"""Tags: numeric data group, its data, and compressed data."""
SPECIAL = 0x4000
"""Bit of a tag: the element is stored in a special way, which its first number tells."""
DEFLATED, IN_CHUNKS = 3, 5
DEFLATE = 4
"""The code of deflate among the kinds of compression."""
BUFFER = 2**20


def require_undamaged(plain: Path, reference: int) -> None:
    """Inflate the compressed data of one field, by its reference number in the file, and compare their checksums.

    What is compressed in a way that is not known here is left to the library.

    Raises
    ------
    zlib.error, struct.error
        The data, or the file's own directory, are damaged.
    """
    places = deflated(plain, reference)
    with plain.open("rb") as stream:
        for offset, length in places:
            stream.seek(offset)
            machine = zlib.decompressobj()  # which compares the checksum at the end
            for begin in range(0, length, BUFFER):
                machine.decompress(stream.read(min(BUFFER, length - begin)))
            if not machine.eof:
                raise zlib.error("compressed data end too early")


def deflated(plain: Path, reference: int) -> list[tuple[int, int]]:
    """Return offset and length of every deflated chunk of a data set, by its reference number in the file."""
    with plain.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        elements: dict[tuple[int, int], tuple[int, int]] = {}
        block, seen = 4, set()
        while block and block not in seen:
            seen.add(block)
            count, following = struct.unpack_from(">hI", memory, block)
            for tag, of, offset, length in struct.iter_unpack(">HHII", memory[block + 6 : block + 6 + 12 * count]):
                elements[tag, of] = offset, length
            block = following
        offset, length = elements.get((GROUP, reference), (0, 0))
        pairs = [pair for pair in struct.iter_unpack(">HH", memory[offset : offset + length]) if pair[0] == DATA]
        found = []
        for tag, of in pairs:  # grows by the chunks that a table lists
            offset, _ = elements.get((tag | SPECIAL, of), (None, 0))
            kind = None if offset is None else struct.unpack_from(">h", memory, offset)[0]
            if kind == IN_CHUNKS:
                (table,) = struct.unpack_from(">H", memory, offset + 2 + 4 + 1 + 4 * 4 + 2)
                with closing(HDF(str(plain))) as file:
                    tables = file.vstart()
                    chunks = tables.attach(table)
                    pairs += [tuple(row[-2:]) for row in chunks.read(chunks.inquire()[0])]
                    chunks.detach()
                    tables.end()
            elif kind == DEFLATED:
                _, _, data, _, way = struct.unpack_from(">HiHHH", memory, offset + 2)
                found += [elements[COMPRESSED, data]] if way == DEFLATE and (COMPRESSED, data) in elements else []
        return found
