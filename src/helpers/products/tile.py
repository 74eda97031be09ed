"""Another field of an HDF4-EOS file, or a GeoTIFF: its entry in the registry is made on the spot, by what it states.

``read("tile", paths, variable="sur_refl_b01_1", grid=Grid(0.05))`` then goes the way of MODIS (`satellite`). Files
state a scale in two ways, and an offset in two. Nothing tells them apart but the numbers, so this is the rule:

- A ``scale_factor`` of 10, 100, 1000, … says how many stored units make one of the value's: value = stored / scale
  (MOD09, MOD13). Any other is what a stored number is multiplied by (MOD11: 0.02, MOD15: 0.1, MOD17: 0.0001; and the
  range of MOD09GA, in steps of 25 m).
- An ``add_offset`` of a whole number of stored units is taken off before scaling, as the users' guide of HDF4 has it:
  value = scale x (stored - offset) (MOD08: 0.01 and -15000). One that is not whole, or that comes with a scale of 1,
  cannot be meant so, and is added after scaling: value = scale x stored + offset (MOD11's emissivities: 0.002 and 0.49,
  and its view angles: 1 and -65; Wan 2019, MODIS Land Surface Temperature Products Users' Guide, table 9).
- The pair that GDAL keeps with a band of a GeoTIFF, where its tags state none, is value = scale x stored + offset.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import compression, hdf4, rasters
from helpers.products.rasters import Mosaic, Raster
from helpers.products.registry import Product, ProductError, describe
from helpers.products.satellite import date_map, on_grid
from helpers.space.grid import LAT, LON, Cells, Grid, codes

NOTHING = ("", "n/a", "na", "none", "null")
"""Texts that stand for an attribute without a number (MOD21 writes ``scale_factor = "n/a"`` to bit fields)."""


def read(
    product: Product,
    paths: list[Path],
    *,
    variable: str | int | None = None,
    eos_grid: str | None = None,
    layer: int | None = None,
    grid: Grid | None = None,
    method: str = "nearest",
    scale: float | None = None,
    offset: float | None = None,
    valid: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
    name: str | None = None,
    allow_empty: bool = False,
) -> xr.Dataset:
    """Read one field of a file, or of several tiles of one date.

    Parameters
    ----------
    variable : str or int, optional
        Name of the field (``"sur_refl_b01_1"``), or of a GeoTIFF's band, or its number from 1. May be left out where
        there is one; else the error lists those there are.
    eos_grid : str, optional
        Name of the HDF-EOS grid, where fields of several grids have the same name.
    layer : int, optional
        Index, from 0, along the dimension that a field has besides y and x.
    grid : Grid, optional
        Where to go. A file on latitude and longitude may stay on its own.
    method : {"nearest", "average", "bilinear"}
        How to get there. Classes and bit fields can only be copied.
    scale, offset : float, optional
        In place of what the file states: value = stored x scale + offset.
    valid : pair of float, optional
        Least and greatest stored number that is a value, in place of the file's. Beyond lie fills and classes.
    fill : float or sequence of float, optional
        Stored numbers that mean "no value", in place of the file's.
    name : str, optional
        What to call the variable; default the field's own name, with ``_`` for what is no letter or digit.
    allow_empty : bool
        Take files without one value, such as a tile of the sea.

    Returns
    -------
    xarray.Dataset
        One variable (lat, lon), float32 (float64 where more than 24 bits are stored), NaN where there is no value,
        whose attributes say what was applied.

    Raises
    ------
    ProductError
        There is no such field, or it is not clear which; it cannot be decoded or placed; a file has no value; or files
        do not go together. The message names the file, and the parameter that helps.
    """
    given = {"scale": scale, "offset": offset, "valid": valid, "fill": fill}
    opened, seen = [], {}
    for path in paths:
        raster = _stored(path, variable, eos_grid, layer)
        entry = entry_of(raster.attributes, f"{path}: {raster.name!r}", **given)
        if method != "nearest" and entry.plain and (told := codes(raster.attributes, entry.valid)):
            raise ProductError(
                f"{path}: {raster.name!r} holds codes ({told:.60}), which have no mean; expected method='nearest'"
            )
        opened.append(raster.holding(entry.decode(raster.stored)))
        other = seen.setdefault(tuple(np.rint(raster.transform @ (0, 0))), path)
        dates = [found[0] if (found := re.findall(r"\.A(\d{7})\.", one.name)) else "" for one in (path, paths[0])]
        if other != path or dates[0] != dates[1]:
            raise ProductError(
                f"{path}: expected tiles side by side of one date, found {other.name} at its place, or another date "
                f"({' and '.join(dates)}); read one date at a time"
            )
    first, mosaic = opened[0], None
    if grid is not None or not first.geographic:
        mosaic = Mosaic(on_grid(grid, method, first.path), method, first.stored.dtype.name)
    cells = first.cells if mosaic is None else Cells(grid.lat, grid.lon)
    values, blank = date_map(opened, cells, mosaic, any_grid=True)
    if blank and not allow_empty:
        raise ProductError(
            f"{blank[0]}: {first.name!r} has no value: its numbers are all fills or out of range ({entry.rule}; fill "
            f"{entry.fill}; valid {entry.valid}); leave it out, or pass allow_empty=True"
        )
    called = name or re.sub(r"\W+", "_", first.name).strip("_")
    coords = {"lat": ("lat", cells.lat, LAT), "lon": ("lon", cells.lon, LON)}
    core = "".join(str(text) for key, text in sorted(first.metadata.items()) if key.startswith("CoreMetadata."))
    told = [re.search(rf'OBJECT\s*=\s*{key}\b.*?VALUE\s*=\s*"?([^"\n]*)"?', core, re.DOTALL) for key in CORE]
    short, version, day = (found[1].strip() if found else "" for found in told)
    source = f"{short} version {version}" if short else "a file of the user's"
    ds = describe(xr.Dataset({called: (("lat", "lon"), values)}, coords=coords), product, source)
    stated = {key: str(first.attributes[key]).strip("\0 ") for key in ("long_name", "units") if key in first.attributes}
    decoding = {"decoding": entry.rule, "stored_fill": str(entry.fill), "stored_valid_range": str(entry.valid)}
    ds[called].attrs = {"source": source, "stored_name": first.name, "eos_grid": first.grid} | decoding | stated
    ds.attrs |= {"source": source, "files": " ".join(path.name for path in paths), "date": day}
    return ds


CORE = ("SHORTNAME", "VERSIONID", "RANGEBEGINNINGDATE")
"""What NASA's text about a file calls product, version and first day."""


def _stored(path: Path, variable, eos_grid: str | None, layer: int | None) -> Raster:
    """Read the stored numbers of one field, by what the file is called."""
    if Path(compression.plain_name(path.name)).suffix.lower() in hdf4.SUFFIXES:
        return hdf4.read(path, variable, eos_grid, layer)
    if eos_grid is not None or layer is not None:
        raise ProductError(f"{path}: expected no eos_grid or layer for a GeoTIFF; choose a band by variable")
    with rasters.opening(path, variable) as raster:
        return raster.holding(raster.stored)


@dataclass(frozen=True)
class Entry:
    """What the registry would say of a field: value = stored x ``scale`` + ``offset``, and of which numbers."""

    scale: float = 1.0
    offset: float = 0.0
    valid: tuple[float, float] | None = None
    fill: tuple[float, ...] = ()
    rule: str = ""
    what: str = ""

    @property
    def plain(self) -> bool:
        """Whether a stored number is the value."""
        return (self.scale, self.offset) == (1, 0)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Turn stored numbers into values; refuse fractions that a scale is to be applied to."""
        values = rasters.decoded(stored, self.scale, self.valid, self.fill)
        if stored.dtype.kind == "f" and not self.plain and (stored[np.isfinite(values)] % 1).any():
            raise ProductError(
                f"{self.what} states {self.rule}, but holds fractions, as if that had been done; "
                "pass scale=1 and offset=0, or the scale"
            )
        return values + values.dtype.type(self.offset)


def entry_of(attributes: Mapping[str, object], what: str, *, scale=None, offset=None, valid=None, fill=None) -> Entry:
    """Make an entry for a field out of its attributes.

    Parameters
    ----------
    attributes : mapping
        ``scale_factor``, ``add_offset``, ``valid_range`` (or ``valid_min`` and ``valid_max``), ``_FillValue``,
        ``missing_value``, however they are capitalised; numbers, or text that holds numbers.
    what : str
        File and field, for messages.
    scale, offset, valid, fill : optional
        In place of the file's, as for `read`.

    Raises
    ------
    ProductError
        An attribute is not what it should be; the message names the parameter that sets it.
    """
    stated = {re.sub(r"\W+", "_", key.lower()): value for key, value in attributes.items()}

    def numbers(key: str, given) -> list[float]:
        """Return what was passed, or the numbers of an attribute; none where it says that it has none."""
        value = stated.get(key, ()) if given is None else given
        if isinstance(value, str):
            text, value = value.strip("\0 ()[]"), ()
            try:
                value = [float(part) for part in re.split(r"[\s,]+", text)] if text.lower() not in NOTHING else ()
            except ValueError:
                raise ProductError(
                    f"{what}: expected {key} to be a number, found {text[:40]!r}; pass scale=, offset=, valid= or fill="
                ) from None
        return [float(number) for number in np.ravel(value)]

    (factor, *more), (shift, *others) = numbers("scale_factor", scale) or [1.0], numbers("add_offset", offset) or [0.0]
    if more or others or not (0 < factor < np.inf and np.isfinite(shift)):
        raise ProductError(
            f"{what}: expected one scale_factor above zero and one finite add_offset, found {factor:g} and {shift:g}; "
            "pass scale= and offset="
        )
    if scale is None:
        if factor == np.float32(factor):  # written as float32: the decimal number that was meant
            factor = float(np.format_float_positional(np.float32(factor)))
        digits = math.log10(factor)
        if factor > 1 and math.isclose(round(digits), digits, abs_tol=1e-9):
            factor = 1 / factor
        if "scale_factor" not in stated:
            factor = float(stated.get("gdal_scale") or 1)
    if offset is None:
        if "add_offset" not in stated:
            shift = float(stated.get("gdal_offset") or 0)
        elif shift.is_integer() and factor != 1:
            shift = -factor * shift
    limits = numbers("valid_range", valid)
    if not limits and valid is None and {"valid_min", "valid_max"} & set(stated):
        limits = [*(numbers("valid_min", None) or [-np.inf]), *(numbers("valid_max", None) or [np.inf])]
    if limits and (len(limits) != 2 or not limits[0] <= limits[1]):
        raise ProductError(
            f"{what}: expected a valid range from least to greatest, found {limits}; pass valid=(least, greatest)"
        )
    fills = numbers("_fillvalue", fill) + (numbers("missing_value", None) if fill is None else [])
    rule = f"value = stored x {factor:.10g}" + (f" {'+-'[shift < 0]} {abs(shift):.10g}" if shift else "")
    return Entry(factor, shift, tuple(limits) or None, tuple(dict.fromkeys(fills)), rule, what)
