"""Any field of any HDF4-EOS file, and any GeoTIFF: for products of which the book knows nothing but what files say.

The files state their own scale, offset, valid range and fills; `tile_packing` says how these are understood, and every
result carries, in words, what was applied. A field stays on its own grid, or goes to the book's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.grid import Grid, codes
from helpers.products import pieces, tile_fields, tile_packing, tile_places
from helpers.products.errors import ProductError
from helpers.products.rasters import Raster
from helpers.products.registry import Product, describe
from helpers.products.sinusoidal import Warp

STRIP = 2**22
"""Pixels that are decoded at a time."""


def read(
    product: Product,
    paths: list[Path],
    *,
    variable: str | int | None = None,
    eos_grid: str | None = None,
    layer: int | Mapping[str, int] | None = None,
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
    layer : int or mapping, optional
        Index, from 0, along the dimension that a field has besides y and x (``{dimension: index}`` for several).
    grid : Grid, optional
        Where to go. Without it the field stays on its own grid, tiles side by side.
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
        One variable, float32 (float64 where more than 24 bits are stored), NaN where there is no value, whose
        attributes say what was applied. On (lat, lon) with ``grid`` or for files of latitude and longitude; else on
        (y, x) in metres, with two-dimensional ``lat`` and ``lon`` of the pixels' centres and ``crs``.

    Raises
    ------
    ProductError
        There is no such field, or it is not clear which; it cannot be decoded or placed; a file has no value; or files
        do not go together. The message names the file, and the parameter that helps.
    """
    how = {"scale": scale, "offset": offset, "valid": valid, "fill": fill}
    found, rules, values, warp, out = [], [], [], None, None
    for path in paths:
        with tile_fields.opening(path, variable, eos_grid, layer) as field:
            found, rules = (
                [*found, field.without_pixels()],
                [*rules, tile_packing.of(field.attributes, field.what, **how)],
            )
            _require_alike(found, rules)
            _require_numbers(field, rules[-1], method)
            if _small(field, grid, len(paths)):
                values.append(_decoded(field, rules[-1], allow_empty))
            else:
                out = pieces.onto(field.raster, grid, method, partial(_values, field, rules[-1]))
        if grid and values and values[0].dtype == np.float32 and tile_places.is_modis(field.raster):
            warp = warp or Warp(grid, method)
            warp.add(values.pop(), field.raster.transform)
    first, called = found[0], name or re.sub(r"\W+", "_", found[0].name).strip("_")
    if warp:
        out = warp.result()
    elif values:
        out, transform = tile_places.join(values, [field.raster for field in found], first.what)
        if grid is None:
            return _described(
                tile_places.on_own_grid(out, transform, first.raster.crs, called), product, found, rules[0]
            )
        joined = Raster(lambda rows, columns, whole=out: whole[rows, columns], out.shape, transform, first.raster.crs)
        out = pieces.onto(joined, grid, method, lambda numbers: numbers)
    ds = xr.Dataset({called: (("lat", "lon"), out)}, coords=grid.like().coords)
    return _described(ds, product, found, rules[0], method)


def _require_alike(found: list[tile_fields.Stored], rules: list[tile_packing.Packing]) -> None:
    tile_places.require_alike(found)
    if rules[-1] != rules[0]:
        raise ProductError(
            f"{found[-1].path}: expected {rules[0].rule}, and the fills and valid range of {found[0].path.name}, "
            f"found others ({rules[-1].rule}); read it apart"
        )


def _require_numbers(field: tile_fields.Stored, rule: tile_packing.Packing, method: str) -> None:
    """Refuse to average codes."""
    if method == "nearest" or not rule.plain:
        return
    if told := codes(field.attributes, rule.valid):
        raise ProductError(f"{field.what} holds codes ({told:.60}), which have no mean; expected method='nearest'")


def _small(field: tile_fields.Stored, grid: Grid | None, files: int) -> bool:
    """Say whether a field is held in memory whole; refuse one that has to be and cannot."""
    height, width = field.raster.shape
    if height * width <= tile_places.LARGEST:
        return True
    if grid is None or files > 1:
        remedy = "pass grid=Grid(resolution)" if grid is None else "read it alone"
        raise ProductError(f"{field.path}: {height}x{width} pixels are too many to read whole; {remedy}")
    return False


def _decoded(field: tile_fields.Stored, rule: tile_packing.Packing, allow_empty: bool) -> np.ndarray:
    """Decode a whole field, some rows at a time; refuse one without a value."""
    (height, width), ends = field.raster.shape, []
    rows, out = max(STRIP // width, 1), None
    for top in range(0, height, rows):
        part = slice(top, min(top + rows, height))
        stored = field.raster.read(part, slice(0, width))
        values = _values(field, rule, stored)
        out = np.full((height, width), np.nan, values.dtype) if out is None else out
        out[part] = values
        ends += [stored.min(), stored.max()]
    if not (allow_empty or np.isfinite(out).any()):
        raise ProductError(
            f"{field.what} has no value: its numbers, {min(ends):g} to {max(ends):g}, are all fills or out of range "
            f"(fill {_listed(rule.fill)}; valid {_listed(rule.valid)}); leave it out, or pass allow_empty=True"
        )
    return out


def _values(field: tile_fields.Stored, rule: tile_packing.Packing, stored: np.ndarray) -> np.ndarray:
    """Decode stored numbers; refuse fractions that a scale is to be applied to."""
    values = rule.decode(stored)
    if stored.dtype.kind == "f" and not rule.plain and (stored[np.isfinite(values)] % 1).any():
        raise ProductError(
            f"{field.what} states {rule.rule}, but holds fractions, as if that had been done; "
            "pass scale=1 and offset=0, or the scale"
        )
    return values


def _listed(numbers: Sequence[float] | None) -> str:
    return ", ".join(f"{number:.10g}" for number in numbers) if numbers else "none stated"


def _described(
    ds: xr.Dataset, product: Product, found: list, rule: tile_packing.Packing, method: str = ""
) -> xr.Dataset:
    """Give a field its attributes: what the file says of it, and what was done to it."""
    first = found[0]
    origin = first.origin or "a file of the user's"
    ds = describe(ds, product, origin)
    about = {"source": origin, "stored_name": first.name, "decoding": rule.rule}
    about |= {"stored_fill": _listed(rule.fill), "stored_valid_range": _listed(rule.valid)}
    for key in ("long_name", "units"):
        if text := str(first.attributes.get(key, "")).strip("\0 "):
            about[key] = text
    about |= {"grid_mapping": "crs"} if "crs" in ds.coords else {}
    about |= {"eos_grid": first.grid} if first.grid else {}
    about |= {"resampling": method} if method else {}
    (called,) = ds.data_vars
    ds[called].attrs = about
    ds.attrs |= {"source": origin, "files": " ".join(field.path.name for field in found)}
    ds.attrs |= {"date": first.date} if first.date else {}
    return ds
