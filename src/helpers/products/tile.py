"""Any field of any HDF4-EOS file, and any GeoTIFF: for products of which the book knows nothing but what files say.

Where a product of the registry has an entry with scale, valid range and fills, here one is made on the spot, by what
the file states. Files state a scale in two ways, and an offset in two. Nothing tells them apart but the numbers, so
this is the rule:

- A ``scale_factor`` of 10, 100, 1000, … says how many stored units make one of the value's: value = stored / scale
  (MOD09, MOD13). Any other is what a stored number is multiplied by (MOD11: 0.02, MOD15: 0.1, MOD17: 0.0001; and the
  range of MOD09GA, in steps of 25 m).
- An ``add_offset`` of a whole number of stored units is taken off before scaling, as the users' guide of HDF4 has it:
  value = scale x (stored - offset) (MOD08: 0.01 and -15000). One that is not whole, or that comes with a scale of 1,
  cannot be meant so, and is added after scaling: value = scale x stored + offset (MOD11's emissivities: 0.002 and 0.49,
  and its view angles: 1 and -65; Wan 2019, MODIS Land Surface Temperature Products Users' Guide, table 9).
- The pair that GDAL keeps with a band of a GeoTIFF, where its tags state none, is value = scale x stored + offset.

Every result carries, in words, what was applied. A field stays on its own grid, with the coordinates that CF wants
(conventions 1.11, section 5.6 and appendix F), or goes to the book's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import dask.array
import numpy as np
import pyproj
import xarray as xr
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from helpers.products import compression, hdf4, netcdf, rasters
from helpers.products.errors import ProductError, reading
from helpers.products.rasters import DEGREES, Raster
from helpers.products.registry import Product, describe
from helpers.products.sinusoidal import Warp
from helpers.space.grid import LAT, LON, RADIUS, Grid, codes
from helpers.space.grid import of as cells_of

TIFFS = (".tif", ".tiff", ".vrt")
STRIP = 2**22
"""Pixels that are decoded at a time."""
LARGEST = 10**8
"""Pixels that are held in memory at a time."""
LAZY = 2400 * 2400
"""Beyond so many pixels (those of a 500 m tile), latitudes and longitudes are computed when asked for."""

NOTHING = ("", "n/a", "na", "none", "null")
"""Texts that stand for an attribute without a number (MOD21 writes ``scale_factor = "n/a"`` to bit fields)."""

_YEAR, _DAY = r"((?:19|20)\d\d)", r"(0(?!00)\d\d|[1-2]\d\d|3[0-5]\d|36[0-6])"
DATES = (
    rf"\.A{_YEAR}{_DAY}(?!\d)",
    rf"doy{_YEAR}{_DAY}(?=\D|\d{{6}}(?!\d)|$)",
    rf"(?<!\d){_YEAR}_?{_DAY}(?!\d)",
    rf"(?<!\d){_YEAR}[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|1\d|2[0-8])(?!\d)",
)
"""The ways in which names give a date: A2018001 (NASA), doy2018001 (AppEEARS), 2018_001, 20180101."""


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
    places, origins, values, warp, out, first = [], [], [], None, None, None
    for path in paths:
        with _opening(path, variable, eos_grid, layer) as raster:
            entry = entry_of(raster.attributes, _what(raster), scale=scale, offset=offset, valid=valid, fill=fill)
            first = first or entry
            places.append(replace(raster, read=None))  # without hold of the pixels, which may be many
            origins.append(_origin(raster))
            _require_alike(places, [day for _, day in origins])
            if entry != first:
                raise ProductError(
                    f"{path}: expected {first.rule}, and the fills and valid range of {paths[0].name}, found others "
                    f"({entry.rule}); read it apart"
                )
            if method != "nearest" and entry.plain and (told := codes(raster.attributes, entry.valid)):
                raise ProductError(
                    f"{_what(raster)} holds codes ({told:.60}), which have no mean; expected method='nearest'"
                )
            if math.prod(raster.shape) <= LARGEST:
                values.append(_decoded(raster, entry, allow_empty))
            elif grid is None or len(paths) > 1:
                remedy = "pass grid=Grid(resolution)" if grid is None else "read it alone"
                size = "x".join(map(str, raster.shape))
                raise ProductError(f"{path}: {size} pixels are too many to read whole; {remedy}")
            else:
                out = rasters.onto(raster, grid, method, partial(_values, raster, entry))
        north_first = raster.transform.e < 0 < raster.transform.a
        if grid and values and values[0].dtype == np.float32 and north_first and _of_modis(raster.crs):
            warp = warp or Warp(grid, method)
            warp.add(values.pop(), raster.transform)
    called = name or re.sub(r"\W+", "_", places[0].name).strip("_")
    if warp:
        out = warp.result()
    elif values:
        joined = _joined(values, places)
        if grid is None:
            return _described(on_own_grid(joined, called), product, places, origins[0], first)
        out = rasters.onto(joined, grid, method, lambda numbers: numbers)
    ds = xr.Dataset({called: (("lat", "lon"), out)}, coords=grid.like().coords)
    return _described(ds, product, places, origins[0], first, method)


def pixel(product: Product, path: Path) -> str:
    """Say how large a pixel of a gridded product's file is, as the file itself declares it.

    Returns
    -------
    str
        Height of a pixel, in degrees, or in metres where the file is on a projection: ``"0.5°"``, ``"463 m"``.

    Raises
    ------
    ProductError
        The product has no pixels, or the file does not say how large they are.
    """
    ending = Path(compression.plain_name(path.name)).suffix
    if ending in (".nc", ".nc4"):
        with netcdf.opening(path) as ds:
            if ds.sizes["lat"] < 2:
                raise ProductError(f"{path}: holds one row of cells, which does not say how high they are")
            height, geographic = cells_of(ds).resolution, True
    elif ending == ".hdf":
        field = product.fields[0]
        with hdf4.opening(path, field.stored, field.grid, strict=False) as raster:
            height, geographic = -raster.transform.e, raster.geographic
    elif ending in TIFFS:
        with rasters.opening(path) as source:
            height, geographic = source.res[0], bool(source.crs and source.crs.is_geographic)
    else:
        raise ProductError(f"{path}: expected a file with pixels (.hdf, .nc, .tif), found a table of {product.id}")
    if geographic:
        return f"{height:.4g}°"
    return f"{height / 1000:.3g} km" if height >= 1000 else f"{height:.0f} m"


@dataclass(frozen=True)
class Entry:
    """What the registry would say of a field: value = stored x ``factor`` / ``divisor`` + ``offset``.

    Parameters
    ----------
    factor, divisor, offset : float
        One of the first two is 1.
    valid : tuple of float or None
        Least and greatest stored number that is a value.
    fill : tuple of float
        Stored numbers that mean "no value".
    rule : str
        The same in words, with its reason.
    """

    factor: float = 1.0
    divisor: float = 1.0
    offset: float = 0.0
    valid: tuple[float, float] | None = None
    fill: tuple[float, ...] = ()
    rule: str = ""

    @property
    def plain(self) -> bool:
        """Whether a stored number is the value."""
        return (self.factor, self.divisor, self.offset) == (1, 1, 0)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Turn stored numbers into values: float32, or float64 where stored numbers have more than 24 bits."""
        wide = stored.dtype.itemsize > (2 if stored.dtype.kind in "iu" else 4)
        values = stored.astype("float64")
        if not self.plain:
            values = values * self.factor / self.divisor + self.offset
        values[hdf4.missing(stored, self.valid, self.fill)] = np.nan
        return values if wide else values.astype("float32")


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

    def numbers(key: str, remedy: str, most: int | None = None) -> list[float]:
        """Return the numbers of an attribute; none where it is missing or says that it has none."""
        value = stated.get(key)
        if value is None or isinstance(value, str) and value.strip("\0 ").lower() in NOTHING:
            return []
        if isinstance(value, str):
            found = re.findall(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)", value)
            if not found:
                raise ProductError(f"{what}: expected {key} to be a number, found {value[:40]!r}; pass {remedy}")
            value = [float(text) for text in found]
        found = [float(number) for number in np.ravel(value)]
        if most and len(found) > most:
            raise ProductError(f"{what}: expected one {key}, found {len(found)}; pass {remedy}")
        return found

    factor, divisor, shift, reasons = 1.0, 1.0, 0.0, []
    own_scale, own_offset = numbers("scale_factor", "scale=", 1), numbers("add_offset", "offset=", 1)
    if scale is not None:
        factor, reasons = float(scale), ["scale as passed"]
    elif (found := own_scale or [float(stated.get("gdal_scale") or 1)]) != [1]:
        (factor,) = found
        if not (math.isfinite(factor) and factor > 0):
            raise ProductError(f"{what}: expected scale_factor above zero, found {factor:g}; pass scale=")
        if factor == np.float32(factor):  # written as float32: the decimal number that was meant
            factor = float(np.format_float_positional(np.float32(factor)))
        reasons = [f"scale_factor {factor:g} multiplies"]
        digits = math.log10(factor)
        if own_scale and factor > 1 and math.isclose(round(digits), digits, abs_tol=1e-9):
            reasons = [f"scale_factor {factor:g}, a power of ten above one, divides"]
            factor, divisor = 1.0, factor
    if offset is not None:
        shift = float(offset)
        reasons += ["offset as passed, added after scaling"] if shift else []
    elif found := own_offset or [float(stated.get("gdal_offset") or 0)]:
        (shift,) = found
        if not math.isfinite(shift):
            raise ProductError(f"{what}: expected a finite add_offset, found {shift:g}; pass offset=")
        if own_offset and shift and shift.is_integer() and factor / divisor != 1:
            reasons.append(f"add_offset {shift:g}, whole, is taken off before scaling")
            shift = -(factor / divisor) * shift
        elif shift:
            reasons.append(f"add_offset {shift:g} is added after scaling")
    remedy = "valid=(least, greatest)"
    limits = numbers("valid_range", remedy) if valid is None else [float(limit) for limit in valid]
    if not limits and valid is None:
        ends = numbers("valid_min", remedy, 1), numbers("valid_max", remedy, 1)
        limits = [*(ends[0] or [-math.inf]), *(ends[1] or [math.inf])] if any(ends) else []
    if (limits or valid is not None) and (len(limits) != 2 or not limits[0] <= limits[1]):
        raise ProductError(f"{what}: expected a valid range from least to greatest, found {limits}; pass {remedy}")
    if fill is None:
        fill = [*numbers("_fillvalue", "fill="), *numbers("missing_value", "fill=")]
    fills = tuple(dict.fromkeys(float(number) for number in np.ravel(fill)))
    rule = "value = stored" + (f" x {factor:.10g}" if factor != 1 else "")
    rule += (f" / {divisor:.10g}" if divisor != 1 else "") + (f" {'+-'[shift < 0]} {abs(shift):.10g}" if shift else "")
    rule += f" ({'; '.join(reasons)})" if reasons else ""
    return Entry(factor, divisor, shift, tuple(limits) or None, fills, rule)


@contextmanager
def _opening(path: Path, variable, grid: str | None, layer) -> Iterator[Raster]:
    """Open one field, by the file's name or, where that tells nothing, by its first bytes."""
    ending = Path(compression.plain_name(path.name)).suffix.lower()
    tiff = ending in TIFFS
    if not tiff and ending not in hdf4.SUFFIXES and path.suffix.lower() not in compression.PACKED:
        with reading(path), path.open("rb") as stream:
            tiff = stream.read(4) in rasters.TIFF
    if not tiff:
        with hdf4.opening(path, variable, grid, layer) as raster:
            stored = raster.read()
        yield replace(raster, read=lambda rows, columns: stored[rows, columns])
        return
    if grid is not None or layer is not None:
        raise ProductError(f"{path}: expected no eos_grid or layer for a GeoTIFF; choose a band by variable")
    with rasters.opening(path) as source:
        yield _band(source, path, variable)


def _band(source, path: Path, variable: str | int | None) -> Raster:
    """Return the band of a GeoTIFF that is asked for, with what the file says of it."""
    names = [name or f"band {k}" for k, name in zip(source.indexes, source.descriptions, strict=True)]
    asked = re.sub(r"[^a-z0-9]", "", str(variable or "").lower())
    if isinstance(variable, int) and 1 <= variable <= source.count:
        band = variable
    elif variable in names:
        band = names.index(variable) + 1
    elif source.count == 1 and (variable is None or asked and asked in re.sub(r"[^a-z0-9]", "", path.name.lower())):
        band = 1  # as AppEEARS names its files
    else:
        found = "none" if variable is None else repr(variable)
        raise ProductError(
            f"{path}: expected variable to be one of {', '.join(names)}, found {found}; pass one of these"
        )
    about = {**source.tags(), **source.tags(band)}
    if not {key.lower() for key in about} & {"scale_factor", "scale factor"}:  # GDAL's own pair is as CF's
        about |= {"gdal_scale": source.scales[band - 1], "gdal_offset": source.offsets[band - 1]}
    if source.nodatavals[band - 1] is not None:
        about["missing_value"] = source.nodatavals[band - 1]
    if source.colorinterp[band - 1] == ColorInterp.palette:
        about["palette"] = "a colour for each code"
    if source.units[band - 1]:
        about["units"] = source.units[band - 1]
    name = source.descriptions[band - 1] or (str(variable) if isinstance(variable, str) else f"band_{band}")
    return Raster.of(source, path, band, name=name, attributes=about)


def _what(raster: Raster) -> str:
    return f"{raster.path}: {raster.name!r}"


def _decoded(raster: Raster, entry: Entry, allow_empty: bool) -> np.ndarray:
    """Decode a whole field, some rows at a time; refuse one without a value."""
    (height, width), ends, parts = raster.shape, [], []
    rows = max(STRIP // width, 1)
    for top in range(0, height, rows):
        stored = raster.read(slice(top, min(top + rows, height)), slice(0, width))
        parts.append(_values(raster, entry, stored))
        ends += [stored.min(), stored.max()]
    out = np.concatenate(parts)
    if not (allow_empty or np.isfinite(out).any()):
        raise ProductError(
            f"{_what(raster)} has no value: its numbers, {min(ends):g} to {max(ends):g}, are all fills or out of range "
            f"(fill {_listed(entry.fill)}; valid {_listed(entry.valid)}); leave it out, or pass allow_empty=True"
        )
    return out


def _values(raster: Raster, entry: Entry, stored: np.ndarray) -> np.ndarray:
    """Decode stored numbers; refuse fractions that a scale is to be applied to."""
    values = entry.decode(stored)
    if stored.dtype.kind == "f" and not entry.plain and (stored[np.isfinite(values)] % 1).any():
        raise ProductError(
            f"{_what(raster)} states {entry.rule}, but holds fractions, as if that had been done; "
            "pass scale=1 and offset=0, or the scale"
        )
    return values


def _listed(numbers: Sequence[float] | None) -> str:
    return ", ".join(f"{number:.10g}" for number in numbers) if numbers else "none stated"


def _origin(raster: Raster) -> tuple[str, str]:
    """Return product and version, and the first day that a file stands for (ISO 8601), as it or its name tells."""
    core = "".join(str(text) for name, text in sorted(raster.metadata.items()) if name.startswith("CoreMetadata."))
    told = []
    for key in ("SHORTNAME", "VERSIONID", "RANGEBEGINNINGDATE"):
        found = re.search(rf'OBJECT\s*=\s*{key}\b.*?VALUE\s*=\s*"?([^"\n]*)"?', core, re.DOTALL)
        told.append(found.group(1).strip() if found else "")
    *product, day = told
    name = raster.path.name
    if not raster.metadata and (found := re.match(r"([A-Z]{3}\d\d\w*?)(?:\.(\d{3}))?(?=[._])", name)):
        product = found.groups()
    if not day and (found := next(filter(None, (re.search(form, name) for form in DATES)), None)):
        year, *rest = map(int, found.groups())
        begin = date(year, 1, 1) + timedelta(days=rest[0] - 1) if len(rest) == 1 else date(year, *rest)
        day = begin.isoformat()
    return " version ".join(part for part in product if part), day


def _require_alike(places: Sequence[Raster], days: Sequence[str]) -> None:
    """Refuse to put the last field to others of another projection, pixel size or date, or of the same place."""
    last, day, t = places[-1], days[-1], places[-1].transform
    for other, its_day in zip(places[:-1], days[:-1], strict=True):
        o = other.transform
        shift = (o.c - t.c) / t.a, (o.f - t.f) / t.e, o.a / t.a - 1, o.e / t.e - 1
        if other.shape == last.shape and np.abs(shift).max() < 0.01:
            dates = f"{its_day} and {day}" if its_day != day else day or "no dates told"
            raise ProductError(
                f"{last.path}: expected tiles side by side, found the place of {other.path.name} again ({dates}); "
                "read one file a place at a time"
            )
        if day and its_day and its_day != day:
            raise ProductError(
                f"{last.path}: expected the date of {other.path.name}, {its_day}, found {day}; read one date at a time"
            )
        if other.crs != last.crs or not np.allclose((o.a, o.e), (t.a, t.e), rtol=1e-6):
            raise ProductError(
                f"{last.path}: expected the projection and pixels of {other.path.name}, found others; read it apart"
            )


def _joined(values: Sequence[np.ndarray], places: Sequence[Raster]) -> Raster:
    """Put fields (y, x) of one projection and pixel size side by side; where two overlap the first counts.

    Raises
    ------
    ProductError
        Their pixels do not fall on one another's, or the fields lie too far apart.
    """
    first, base = places[0], places[0].transform
    exact = [~base @ (place.transform.c, place.transform.f) for place in places]
    corners = np.rint(exact).astype(int)
    if np.abs(corners - exact).max() > 0.01:
        raise ProductError(
            f"{_what(first)}: expected tiles whose pixels continue one another, found them shifted; read them apart"
        )
    ends = corners + [place.shape[::-1] for place in places]
    begin, size = corners.min(axis=0), ends.max(axis=0) - corners.min(axis=0)
    if math.prod(size.tolist()) > LARGEST:
        raise ProductError(
            f"{_what(first)}: the tiles span {size[1]}x{size[0]} pixels, too many to join; read fewer at a time"
        )
    out = np.full(size[::-1], np.nan, values[0].dtype)
    for field, (left, top), (right, bottom) in zip(values, corners - begin, ends - begin, strict=True):
        part = out[top:bottom, left:right]
        np.copyto(part, field, where=np.isnan(part))
    transform = base @ Affine.translation(*begin.tolist())
    return Raster(lambda rows=rasters.ALL, columns=rasters.ALL: out[rows, columns], out.shape, transform, first.crs)


def on_own_grid(raster: Raster, name: str) -> xr.Dataset:
    """Return a field with the coordinates of its own grid.

    Returns
    -------
    xarray.Dataset
        On (lat, lon), or on (y, x) with two-dimensional ``lat`` and ``lon`` of the pixels' centres, NaN off the globe.
        ``crs`` describes the projection.
    """
    y, x = raster.centres()
    about = {key: value for key, value in pyproj.CRS(raster.crs.to_wkt()).to_cf().items() if value is not None}
    if raster.geographic:
        dims, coords = ("lat", "lon"), {"lat": ("lat", y, LAT), "lon": ("lon", x, LON)}
    else:
        dims, coords = ("y", "x"), {}
        for dim, at in (("y", y), ("x", x)):
            said = {"units": "m", "long_name": f"{dim} coordinate of projection", "axis": dim.upper()}
            coords[dim] = dim, at, said | {"standard_name": f"projection_{dim}_coordinate"}
        if math.prod(raster.shape) <= LAZY:
            degrees = _degrees(y, x, raster.crs)
        else:
            rows = dask.array.from_array(y, chunks=max(LAZY // 8 // x.size, 1))
            how = {"new_axis": [0, 2], "chunks": ((2,), rows.chunks[0], (x.size,)), "dtype": "float64"}
            degrees = dask.array.map_blocks(_degrees, rows, x, raster.crs, **how)
        for dim, said, at in zip(("lat", "lon"), (LAT, LON), degrees, strict=True):
            coords[dim] = dims, at, {key: value for key, value in said.items() if key != "axis"}
    coords["crs"] = (), np.int32(0), about
    return xr.Dataset({name: (dims, raster.read())}, coords=coords)


def _of_modis(crs: CRS) -> bool:
    """Say whether a projection is the MODIS sinusoidal one, whatever it is called."""
    if crs.is_geographic:
        return False
    told = pyproj.CRS(crs.to_wkt()).to_cf()
    zeros = ("longitude_of_projection_origin", "false_easting", "false_northing", "inverse_flattening")
    return (
        told.get("grid_mapping_name") == "sinusoidal"
        and abs(told["semi_major_axis"] - RADIUS) < 0.01
        and not any(told.get(name) for name in zeros)
    )


def _degrees(y: np.ndarray, x: np.ndarray, crs: CRS) -> np.ndarray:
    """Return latitude and longitude of all pairs, (2, y, x), NaN off the globe."""
    if _of_modis(crs):  # x = R lon cos(lat), y = R lat
        lat = np.repeat(y[:, None] / RADIUS, x.size, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            lon = x / RADIUS / np.cos(lat)
        return np.where((np.abs(lon) <= np.pi) & (np.abs(lat) <= np.pi / 2), np.rad2deg([lat, lon]), np.nan)
    there = pyproj.Transformer.from_crs(crs.to_wkt(), DEGREES, always_xy=True)
    across, down = np.meshgrid(x, y)
    lon, lat = there.transform(across, down)
    known = np.isfinite(lon) & np.isfinite(lat)
    # Off the globe the inverse goes on to somewhere, from where the way back does not lead to the same pixel.
    back = there.transform(np.where(known, lon, 0), np.where(known, lat, 0), direction="INVERSE")
    known &= np.hypot(back[0] - across, back[1] - down) < 0.1 * np.abs(np.diff(x[:2]) if x.size > 1 else 10.0)
    return np.where(known, [lat, lon], np.nan)


def _described(ds: xr.Dataset, product: Product, places: list[Raster], origin, entry: Entry, method="") -> xr.Dataset:
    """Give a field its attributes: what the file says of it, and what was done to it."""
    first, source, day = places[0], origin[0] or "a file of the user's", origin[1]
    ds = describe(ds, product, source)
    about = {"source": source, "stored_name": first.name, "decoding": entry.rule}
    about |= {"stored_fill": _listed(entry.fill), "stored_valid_range": _listed(entry.valid)}
    for key in ("long_name", "units"):
        if text := str(first.attributes.get(key, "")).strip("\0 "):
            about[key] = text
    about |= {"grid_mapping": "crs"} if "crs" in ds.coords else {}
    about |= {"eos_grid": first.grid} if first.grid else {}
    about |= {"resampling": method} if method else {}
    (called,) = ds.data_vars
    ds[called].attrs = about
    ds.attrs |= {"source": source, "files": " ".join(place.path.name for place in places)}
    ds.attrs |= {"date": day} if day else {}
    return ds
