"""Opening HDF4 and HDF4-EOS files: fields, attributes, and the grid that a file says its pixels stand on.

HDF-EOS writes where its pixels lie into one long text attribute, ``StructMetadata.0``: a group for each grid, with the
number of columns and rows, the two outer corners and the projection. Nothing else in the file says it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyhdf.SD import SD, SDC, SDS
from rasterio import Affine

from helpers.products import hdf4_streams, packed
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.registry import Field
from helpers.workspace import LIBRARY

SIGNATURE = b"\x0e\x03\x13\x01"
SUFFIXES = (".hdf", ".h4")
SINUSOIDAL, GEOGRAPHIC = "GCTP_SNSOID", "GCTP_GEO"


class Opened(SD):
    """An open HDF4 file that knows where it lies on disk (where it came packed, that is an unpacked copy)."""

    def __init__(self, plain: Path) -> None:
        super().__init__(str(plain), SDC.READ)
        self._plain = plain  # pyhdf takes names without an underscore for attributes of the file


@dataclass(frozen=True)
class EosGrid:
    """One grid of an HDF-EOS file.

    Parameters
    ----------
    name : str
        Name of the grid.
    columns, rows : int
        Its size.
    projection : str
        ``GCTP_SNSOID`` (metres on the MODIS sphere) or ``GCTP_GEO`` (degrees).
    left, top, right, bottom : float
        Outer edges of the corner pixels, metres or degrees.
    fields : tuple of str
        Names of its fields.
    """

    name: str
    columns: int
    rows: int
    projection: str
    left: float
    top: float
    right: float
    bottom: float
    fields: tuple[str, ...]

    @property
    def transform(self) -> Affine:
        """Affine transform from (column, row) to a pixel's upper left corner."""
        width, height = (self.right - self.left) / self.columns, (self.bottom - self.top) / self.rows
        return Affine(width, 0, self.left, 0, height, self.top)


@contextmanager
def opening(path: Path) -> Iterator[Opened]:
    """Open an HDF4 file for reading, plain or packed (``.gz``, ``.zip``).

    While it is open no other thread can open one, nor a NetCDF file (see `helpers.workspace.LIBRARY`): keep it short.
    One thread may hold several.

    Raises
    ------
    DamagedFile
        It is not HDF4, or cannot be read.
    """
    with packed.opened(path, SUFFIXES) as plain, reading(path):
        _require_hdf4(path, plain)
        with LIBRARY:
            file = Opened(plain)
            try:
                yield file
            finally:
                file.end()


def _require_hdf4(path: Path, plain: Path) -> None:
    """Refuse a file of another format, and say which one."""
    with plain.open("rb") as stream:
        begin = stream.read(64)
    if begin.startswith(SIGNATURE):
        return
    text = begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not begin:
        found, remedy = "an empty file", "fetch it again"
    elif text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        found, remedy = "a web page (such as that of a login)", "log in, and fetch it again"
    elif begin.startswith(b"\x89HDF\r\n\x1a\n"):
        found, remedy = "HDF5 (as netCDF-4 is), whatever its name says", "fetch the product's HDF4 file"
    elif begin.startswith(b"CDF"):
        found, remedy = "netCDF-3, whatever its name says", "fetch the product's HDF4 file"
    elif begin.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        ending = ".gz" if begin[0] == 0x1F else ".zip"
        found, remedy = f"a packed file ({ending})", f"add {ending} to its name"
    else:
        found, remedy = f"{begin[:4]!r} at its start", "fetch it again"
    raise DamagedFile(f"{path}: expected an HDF4 file, found {found}; {remedy}")


def read_stored(file: Opened, path: Path, name: str) -> tuple[np.ndarray, dict]:
    """Return one field's stored numbers and its attributes.

    The library passes over errors within compressed data and returns whatever was in memory; so the sums that the
    compressed data carry are checked first.

    Raises
    ------
    ProductError
        There is no such field; the message lists those there are.
    DamagedFile
        Its data are damaged.
    """
    field = _select(file, path, name)
    try:
        require_undamaged(file, path, field)
        return field.get(), field.attributes()
    except ProductError:
        raise
    except ValueError as error:  # what pyhdf raises where the library fails to read
        raise DamagedFile(f"{path}: {name!r} cannot be read ({error}); it is damaged, so fetch it again") from error
    finally:
        field.endaccess()


def require_undamaged(file: Opened, path: Path, field: SDS) -> None:
    """Check the sums that the compressed data of one field carry.

    Raises
    ------
    DamagedFile
        They are not those of the data.
    """
    with reading(path):
        hdf4_streams.verify(file._plain, field.ref())


def shape_of(file: Opened, path: Path, name: str) -> tuple[int, ...]:
    """Return the shape of one field, without reading it.

    Raises
    ------
    ProductError
        There is no such field; the message lists those there are.
    """
    field = _select(file, path, name)
    try:
        return tuple(np.atleast_1d(field.info()[2]).tolist())
    finally:
        field.endaccess()


def _select(file: Opened, path: Path, name: str) -> SDS:
    names = file.datasets()
    if name not in names:
        raise ProductError(f"{path}: expected a field {name!r}, found {', '.join(sorted(names)) or 'none'}")
    return file.select(name)


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
    stated, offset = (_number(attributes, key, path) for key in ("scale_factor", "add_offset"))
    if stated is not None and not np.isclose([stated, 1 / stated if stated else 0], field.scale, rtol=1e-5).any():
        raise ProductError(
            f"{path}: expected {field.stored!r} with scale {field.scale:g}, found {stated:g}; is this another version?"
        )
    if offset:
        raise ProductError(
            f"{path}: expected {field.stored!r} without offset, found add_offset {offset:g}; is this another version?"
        )
    low, high = field.valid or (-np.inf, np.inf)
    stated = np.ravel(attributes.get("valid_range", ()))
    if stated.size == 2 and stated.dtype.kind in "iuf" and stated[0] < stated[1]:  # the file's own, of stored numbers
        low, high = max(low, float(stated[0])), min(high, float(stated[1]))
    if stored.dtype.kind in "iu":  # whole limits spare a conversion of the whole field
        kind = np.iinfo(stored.dtype)
        low, high = max(kind.min, math.ceil(max(low, kind.min))), min(kind.max, math.floor(min(high, kind.max)))
    missing = (stored < low) | (stored > high)
    if stored.dtype.kind == "f":  # all these products are stored as whole numbers
        known = stored[~missing & np.isfinite(stored)]
        if (known % 1).any():
            raise ProductError(
                f"{path}: expected whole numbers in {field.stored!r}, as the product stores them, found fractions, as "
                "if they had been scaled or averaged; give the file as published, or read it as product 'tile'"
            )
    for fill in {*field.fill, *np.ravel(attributes.get("_FillValue", [])).tolist()}:
        if low <= fill <= high:
            missing |= stored == (int(fill) if float(fill).is_integer() else fill)
    values = np.multiply(stored, np.float32(field.scale), dtype="float32", casting="unsafe")
    values[missing] = np.nan
    return values


def _number(attributes: dict, name: str, path: Path) -> float | None:
    """Return an attribute that is to be one number (some files write it as text), None where there is none."""
    if name not in attributes:
        return None
    try:
        return float(np.ravel(attributes[name]).item())
    except ValueError:
        raise ProductError(
            f"{path}: expected {name} to be a number, found {attributes[name]!r}; fetch it again"
        ) from None


def _degrees(packed: float) -> float:
    """Turn an HDF-EOS angle into degrees: packed as DDDMMMSSS.SS, unless it is small enough to be degrees already."""
    if abs(packed) <= 360:
        return packed
    sign, rest = (-1 if packed < 0 else 1), abs(packed)
    return sign * (rest // 1e6 + rest // 1e3 % 1e3 / 60 + rest % 1e3 / 3600)


def eos_grids(file: Opened, path: Path) -> list[EosGrid]:
    """Read the grids that an HDF-EOS file declares; empty where it declares none.

    Raises
    ------
    ProductError
        A grid is declared in a way that this reader cannot place.
    """
    attributes = file.attributes()
    parts = sorted((k for k in attributes if k.startswith("StructMetadata.")), key=lambda k: int(k.split(".")[1]))
    text = "".join(attributes[k].rstrip("\0") for k in parts)
    body = text.partition("GROUP=GridStructure")[2].partition("END_GROUP=GridStructure")[0]
    groups = re.findall(r"GROUP=(GRID_\d+)\n(.*?)END_GROUP=\1\b", body, re.DOTALL)
    return [_grid(group, path) for _, group in groups]


def _grid(text: str, path: Path) -> EosGrid:
    def value(key: str, default: str | None = None) -> str:
        found = re.search(rf"^\s*{key}=(.*)$", text, re.MULTILINE)
        if not found and default is None:
            raise ProductError(f"{path}: expected {key} in StructMetadata, found none; fetch the file again")
        return found.group(1).strip().strip('"') if found else default

    name, projection = value("GridName"), value("Projection")
    if projection not in (SINUSOIDAL, GEOGRAPHIC):
        raise ProductError(f"{path}: grid {name!r} has projection {projection}; expected {SINUSOIDAL} or {GEOGRAPHIC}")
    if (origin := value("GridOrigin", "HDFE_GD_UL")) != "HDFE_GD_UL":
        raise ProductError(f"{path}: grid {name!r} has origin {origin}; expected HDFE_GD_UL, rows from the north")
    corners = value("UpperLeftPointMtrs").strip("()").split(",") + value("LowerRightMtrs").strip("()").split(",")
    size = value("XDim"), value("YDim")
    try:
        left, top, right, bottom = (float(corner) for corner in corners)
        columns, rows = (int(count) for count in size)
    except ValueError as error:
        raise DamagedFile(f"{path}: cannot place grid {name!r} ({ascii(str(error))}); fetch the file again") from error
    if projection == GEOGRAPHIC:
        left, top, right, bottom = (_degrees(corner) for corner in (left, top, right, bottom))
    fields = tuple(re.findall(r'DataFieldName="(.*?)"', text))
    return EosGrid(name, columns, rows, projection, left, top, right, bottom, fields)


def grid_of(file: Opened, path: Path, field: Field) -> EosGrid | None:
    """Return the grid that a field stands on, or None where the file declares no grid.

    Where several grids have a field of that name, the registry says which of them is meant.

    Raises
    ------
    ProductError
        The file declares grids, but none holds the field, or several do.
    """
    grids = eos_grids(file, path)
    if not grids:
        return None
    holding = [g for g in grids if field.stored in g.fields]
    if len(holding) > 1 and field.grid:
        holding = [g for g in holding if g.name == field.grid]
    if len(holding) == 1:
        return holding[0]
    names = ", ".join(g.name for g in (holding or grids))
    found = "on several" if holding else "without it"
    raise ProductError(
        f"{path}: expected {field.stored!r} on a declared grid, found grids {names} {found}; is this another version?"
    )
