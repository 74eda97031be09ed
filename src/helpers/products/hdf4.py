"""Opening HDF4 and HDF4-EOS files: fields, attributes, and the grid that a file says its pixels stand on.

HDF-EOS writes where its pixels lie into one long text attribute, ``StructMetadata.0``: a group for each grid, with the
number of columns and rows, the two outer corners and the projection. Nothing else in the file says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyhdf.SD import SD, SDC
from rasterio import Affine

from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.registry import Field

SIGNATURE = b"\x0e\x03\x13\x01"
SINUSOIDAL, GEOGRAPHIC = "GCTP_SNSOID", "GCTP_GEO"


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
def opening(path: Path) -> Iterator[SD]:
    """Open an HDF4 file for reading.

    Raises
    ------
    DamagedFile
        It is not HDF4, or cannot be read.
    """
    with reading(path):
        with path.open("rb") as stream:
            begin = stream.read(4)
        if begin != SIGNATURE:
            raise DamagedFile(f"{path}: expected an HDF4 file, found {begin!r} at its start; fetch it again")
        file = SD(str(path), SDC.READ)
        try:
            yield file
        finally:
            file.end()


def read_stored(file: SD, path: Path, name: str) -> tuple[np.ndarray, dict]:
    """Return one field's stored numbers and its attributes.

    Raises
    ------
    ProductError
        There is no such field; the message lists those there are.
    """
    if name not in file.datasets():
        raise ProductError(f"{path}: expected a field {name!r}, found {', '.join(sorted(file.datasets()))}")
    field = file.select(name)
    try:
        return field.get(), field.attributes()
    finally:
        field.endaccess()


def decode(stored: np.ndarray, attributes: dict, field: Field, path: Path) -> np.ndarray:
    """Turn stored numbers into values: fills to NaN, the rest times the scale (float32).

    The scale comes from the registry, since MODIS files state it in two ways: as what a stored number is multiplied by
    (MOD17: 0.0001) or divided by (MOD13: 10000). A file that states neither of the two is refused.

    Raises
    ------
    ProductError
        The file states another scale than the registry.
    """
    stated = attributes.get("scale_factor")
    if stated is not None and not np.isclose([stated, 1 / stated if stated else 0], field.scale, rtol=1e-5).any():
        raise ProductError(
            f"{path}: expected {field.stored!r} with scale {field.scale:g}, found {stated:g}; is this another version?"
        )
    fills = [*field.fill, *np.ravel(attributes.get("_FillValue", []))]
    missing = np.isin(stored, fills)
    if field.valid:
        missing |= (stored < field.valid[0]) | (stored > field.valid[1])
    values = stored.astype("float32") * np.float32(field.scale)
    values[missing] = np.nan
    return values


def _degrees(packed: float) -> float:
    """Turn an HDF-EOS angle into degrees: packed as DDDMMMSSS.SS, unless it is small enough to be degrees already."""
    if abs(packed) <= 360:
        return packed
    sign, rest = (-1 if packed < 0 else 1), abs(packed)
    return sign * (rest // 1e6 + rest // 1e3 % 1e3 / 60 + rest % 1e3 / 3600)


def eos_grids(file: SD, path: Path) -> list[EosGrid]:
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
    corners = []
    for key in ("UpperLeftPointMtrs", "LowerRightMtrs"):
        corners += [float(v) for v in value(key).strip("()").split(",")]
    if projection == GEOGRAPHIC:
        corners = [_degrees(c) for c in corners]
    left, top, right, bottom = corners
    fields = tuple(re.findall(r'DataFieldName="(.*?)"', text))
    return EosGrid(name, int(value("XDim")), int(value("YDim")), projection, left, top, right, bottom, fields)


def grid_of(file: SD, path: Path, field: Field) -> EosGrid | None:
    """Return the grid that a field stands on, or None where the file declares no grid.

    Raises
    ------
    ProductError
        The file declares grids, but none holds the field.
    """
    grids = eos_grids(file, path)
    if not grids:
        return None
    holding = [g for g in grids if field.stored in g.fields and field.grid in (None, g.name)]
    if not holding:
        names = ", ".join(g.name for g in grids)
        raise ProductError(f"{path}: expected {field.stored!r} on a declared grid, found grids {names} without it")
    return holding[0]
