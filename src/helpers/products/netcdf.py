"""NetCDF files, whatever they call, turn, count and pack: their axes, their values, and years made of their months.

`opening` gives a file latitudes from north to south and longitudes from -180 to 180, whether these are axes, single
numbers (a cell cut out), stand beside a dimension of another name, or fill a plain grid in two dimensions.
`variable` and `loaded` take values out of it, `without_fills` tells fills from values.

`index` notes which month lies where, in one file or in several blocks of years, plain or packed. Time may be counted in
any calendar, in months or years, or be written as dates. A step with bounds lies halfway between them: some models
stamp a month by its end, which is the first instant of the next one. Where bounds got lost, months stamped by first
instants from a February to a January are whole years only if these are ends; what can be read either way is refused.

`fields` makes a field a year, or a month: at once, or lazily (a dask block a year) where that is more than a year of a
0.05 degree grid. A lazy block opens its file when it is computed, and a packed file stays unpacked until its last block
is gone, so that no file is unpacked twice and memory holds the blocks at work.

*Process models* (MsTMIP: Huntzinger et al. 2013, doi:10.5194/gmd-6-2121-2013; TRENDY: Sitch et al. 2015,
doi:10.5194/bg-12-653-2015; CMIP6: Eyring et al. 2016, doi:10.5194/gmd-9-1937-2016) report respiration as a rate, whole
(``TotalResp``) or in two parts, autotrophic and heterotrophic (``AutoResp`` + ``HeteroResp``; ``ra`` + ``rh``), or as
what production leaves of it (``gpp`` - ``npp`` + ``rh``); which sets make which variable stands in data/products.yml. A
year's sum is

    RECO = sum over steps of rate (kg m-2 s-1) x seconds of the step,

where a month has as many days as its *model's* calendar gives it: 28 in a February of a year without leap days.
"""

from __future__ import annotations

import calendar
import io
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cftime
import dask
import dask.array
import netCDF4
import numpy as np
import pandas as pd
import psutil
import xarray as xr

from helpers.products import Product, ProductError, describe
from helpers.products.files import Unpacked, opened, plain_name, reading
from helpers.products.site_table import fills
from helpers.products.units import WRONG_WAY
from helpers.space import grid
from helpers.space.grid import SAME, coords, normalise_lat_lon, same_labels, together
from helpers.workspace import LIBRARY

AXES = ("time", "lat", "lon")
NAMES = grid.NAMES | {"time": ("time", "time_counter", "times", "t")}
UNITS = {"lat": r"degrees?_?n(orth)?$", "lon": r"degrees?_?e(ast)?$", "time": r"\w+ since |(day|month|year) as %Y"}
BOUNDS = ("time_bnds", "time_bounds", "time_bnd", "bounds_time", "time_counter_bounds")
"""What the bounds of time are called: the attribute that names them gets lost before they do."""
CALENDARS = {"": "standard", "no_leap": "noleap", "365": "noleap", "365_days": "noleap"}
CALENDARS |= {"360": "360_day", "360_days": "360_day"}
"""What some files call a calendar, and its name."""
RUN = ("source_id", "model_id", "model_name", "model", "variant_label")
"""Attributes in which a file names its model, and the member of an ensemble."""

EVEN = 1e-4
"""Coordinates in single precision differ by less than this (degrees)."""
TURN = 2 * np.pi + EVEN
"""A full turn in radians."""
END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
"""Where HDF5 files say how long they are, by the version of their first block."""
CLASSIC = {1: (">I", ">I"), 2: (">I", ">Q"), 5: (">Q", ">Q")}
"""How classic NetCDF files write counts and places, by their version."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of one number of each of their types."""
WIDEST = 20
"""Cells are less than so many times as wide as they are high; of latitudes in radians, some 57 times."""
LONGEST = 10**6
"""Steps along all axes: a site's half-hours of 57 years, or 0.001 degrees round the globe."""
LARGEST_CHUNK = 2**29
"""Bytes of a chunk: a whole record of 0.5 degrees over 43 years."""
LAZY = 3600 * 7200
"""Cells beyond which a result is lazy: a year of a 0.05 degree grid."""


# --- a file and its axes ---------------------------------------------------------------------------------------------


@contextmanager
def opening(path: Path, plain: Path | None = None) -> Iterator[xr.Dataset]:
    """Open a NetCDF file lazily, on ``lat`` from north to south and ``lon`` from -180 to 180.

    While it is open no other thread can open one (see `helpers.workspace.LIBRARY`): load what is needed and leave.
    Errors name ``path``, also where ``plain`` is an unpacked copy of it; values, and ``time`` if there is one, are as
    they are stored (see `variable`).

    Raises
    ------
    DamagedFile, ProductError
        It cannot be read; it has no latitudes and longitudes, or they make no grid or are no degrees.
    """
    with opened(plain or path) as file, reading(path), LIBRARY:
        require_whole(file)
        _require_modest(file, path)
        try:
            raw = xr.open_dataset(file, engine="netcdf4", decode_cf=False, cache=False)
        except ValueError as error:  # xarray: attributes that contradict each other
            remedy = "write it anew by the tool that made it, such as cdo or xarray"
            raise ProductError(f"{path}: expected variables on dimensions that fit together; {remedy}") from error
        with raw:
            yield _on_axes(raw, path)


def require_whole(file: Path) -> None:
    """Raise EOFError where a file ends before what its head names, or within it.

    Of the classic formats the library reads what is lacking as zeros. Source: NetCDF Users Guide, appendix B (File
    Format Specifications); HDF5 File Format Specification Version 3.0, section II.A (Superblock).
    """
    with file.open("rb") as stream:
        begin, end = stream.read(64), 0
        try:
            if begin.startswith(b"\x89HDF"):
                (end,) = struct.unpack_from("<Q", begin, END_OF_FILE[begin[8]])
            elif begin.startswith(b"CDF"):
                stream.seek(4)
                end = _end(stream, *CLASSIC[begin[3]])
        except (struct.error, LookupError, ValueError, OverflowError) as error:
            raise EOFError from error
        if end > file.stat().st_size:
            raise EOFError


def _end(stream: BinaryIO, whole: str, place: str) -> int:
    """Return where the last number of a classic NetCDF file ends, by its head.

    ``whole`` and ``place`` are how it writes counts and offsets; struct.error, LookupError or ValueError where the head
    is damaged.
    """

    def number(kind: str = whole) -> int:
        return struct.unpack(kind, stream.read(struct.calcsize(kind)))[0]

    def text(length: int) -> None:
        stream.seek(length + -length % 4, io.SEEK_CUR)

    def several() -> range:
        number(">I")  # what they are
        if (count := number()) > LONGEST:
            raise ValueError
        return range(count)

    def attributes() -> None:
        for _ in several():
            text(number())
            kind = number(">I")
            text(SIZES[kind] * number())

    records, lengths, held = number(), [], []
    for _ in several():
        text(number())
        lengths.append(number())
    attributes()
    for _ in several():
        text(number())
        shape = [lengths[number()] for _ in range(number())]
        attributes()
        kind, _, offset = number(">I"), number(), number(place)
        held.append((offset, SIZES[kind] * math.prod(shape[1:] if shape and not shape[0] else shape), shape[:1] == [0]))
    steps = [size for _, size, grows in held if grows]
    step = steps[0] if len(steps) == 1 else sum(size + -size % 4 for size in steps)
    if records + 1 == 2 ** (8 * struct.calcsize(whole)):  # nobody has counted them
        records = 0
    return max((o + size + (records - 1) * step * grows for o, size, grows in held if records or not grows), default=0)


def _require_modest(file: Path, path: Path) -> None:
    """Refuse a file that declares more than any data have, which costs it a few bytes and a reader its memory.

    xarray reads all that is on one dimension when it opens a file, and HDF5 unpacks a chunk whole.
    """
    with netCDF4.Dataset(file) as held:
        sizes = {name: dimension.size for name, dimension in held.dimensions.items()}
        if sum(sizes.values()) > LONGEST:
            longest = max(sizes, key=sizes.get)
            found = f"found {sizes[longest]} along {longest}"
            raise ProductError(f"{path}: expected at most {LONGEST} steps along all axes, {found}; fetch it again")
        for name, variable in held.variables.items():
            chunk = variable.chunking() or "contiguous"
            size = 0 if chunk == "contiguous" else math.prod(chunk) * getattr(variable.dtype, "itemsize", 0)
            if size > LARGEST_CHUNK:
                found = f"found such of {size >> 20} MiB; write it anew in smaller ones, such as by nccopy -c time/1"
                raise ProductError(f"{path}: {name}: expected chunks of at most {LARGEST_CHUNK >> 20} MiB, {found}")


def _require_memory(series: Series, steps: int) -> None:
    """Refuse fields that this machine's memory can't hold."""
    needed, free = 3 * 8 * steps * series.lat.size * series.lon.size, psutil.virtual_memory().available
    if needed > free:
        size = f"{steps} fields of {series.lat.size}x{series.lon.size}"
        found = f"found {size}, which take {needed / 2**30:.0f} of {free / 2**30:.1f} GiB of free memory"
        remedy = "make them coarser, such as by cdo remapcon, or take a larger machine"
        raise ProductError(f"{series.first}: expected fields that fit into memory, {found}; {remedy}")


def _find(ds: xr.Dataset, axis: str) -> str | None:
    """Return the name of the variable that holds an axis: by its name first, else by its units."""
    depth = 1 if axis == "time" else 2  # a field named t is no time
    names = [str(name) for name in ds.variables if ds[name].ndim <= depth]
    by_name = [name for known in NAMES[axis] for name in names if name.lower() == known]
    units = {name: str(ds[name].attrs.get("units", "")) for name in names if set(ds[name].dims) <= {name}}
    by_units = [name for name, unit in units.items() if re.match(UNITS[axis], unit, re.IGNORECASE)]
    return next(iter(by_name + by_units), None)


def _on_axes(ds: xr.Dataset, path: Path) -> xr.Dataset:
    names = {axis: _find(ds, axis) for axis in AXES}
    for axis in ("lat", "lon"):
        if names[axis] is None:
            sizes = ", ".join(f"{name} ({size})" for name, size in ds.sizes.items()) or "none"
            raise ProductError(f"{path}: {axis}: expected a one-dimensional coordinate, found dimensions {sizes}")
        if ds[names[axis]].dtype.kind not in "iuf":
            raise ProductError(f"{path}: {axis}: expected numbers, found {ds[names[axis]].dtype.name}; fetch it again")
    time = ds[names["time"]] if names["time"] else None
    values = _rows_and_columns(*(_unpacked(ds[names[axis]], path) for axis in ("lat", "lon")), path)
    beside = (dim for v in values.values() for dim in v.dims if dim in ds.variables)
    ds = ds.drop_vars({name for name in names.values() if name} | {*beside} | ({"time"} & set(ds.variables)))
    station = set(values["lat"].dims) & set(values["lon"].dims)
    if station:  # a point series: both along one dimension
        (along,) = station
        if ds.sizes[along] > 1:
            found = f"found {ds.sizes[along]} points along {along}"
            raise ProductError(f"{path}: lat, lon: expected a grid, {found}; pass one point")
        ds, values = ds.isel({along: 0}), {axis: v.isel({along: 0}) for axis, v in values.items()}
    for axis, limit in (("lat", 90.0), ("lon", 540.0)):
        v, units = values[axis], str(values[axis].attrs.get("units", "")).strip()
        if re.match(r"rad|[km]?m$|met", units, re.IGNORECASE):
            raise ProductError(f"{path}: {axis}: expected degrees, found units {units!r:.40}; convert it to degrees")
        if WRONG_WAY[axis].search(units):
            way = {"lat": "north", "lon": "east"}[axis]
            raise ProductError(f"{path}: {axis}: expected degrees_{way}, found units {units!r:.40}; turn its signs")
        if not (np.abs(v.values) <= limit + EVEN).all():
            raise ProductError(f"{path}: {axis}: expected degrees, found {v.min().item():g} to {v.max().item():g}")
    north, east = (v.values for v in values.values())
    if _in_radians(north, east):
        found = f"found lat {north.min():g} to {north.max():g}, lon {east.min():g} to {east.max():g}"
        raise ProductError(
            f"{path}: expected degrees, {found}, where no grid of land is: these are radians; convert them"
        )
    for axis, v in values.items() if time is None else [*values.items(), ("time", time)]:
        # CF allows a single number in place of an axis with one step.
        ds = ds.rename({v.dims[0]: axis}) if v.dims else ds.expand_dims(axis)
        ds = ds.assign_coords({axis: (axis, np.atleast_1d(v.values), v.attrs if axis == "time" else {})})
    if np.unique(ds["lat"]).size < ds.sizes["lat"]:
        raise ProductError(f"{path}: lat: expected each latitude once, found some twice; give one grid a file")
    if ds["lon"].min() < -180:
        ds = ds.assign_coords(lon=ds["lon"] % 360)
    ds = normalise_lat_lon(ds)
    # Some grids repeat a meridian to close the circle: 0 and 360, or -180 and 180, or nearly so.
    lon = ds["lon"].values
    gaps = np.diff(np.append(lon, lon[0] + 360))
    if lon.size <= 2:
        return ds.drop_duplicates("lon")
    ds = ds.isel(lon=gaps > SAME * np.median(gaps))
    _require_even(ds["lat"].values, ds["lon"].values, path)
    return ds


def _unpacked(axis: xr.DataArray, path: Path) -> xr.DataArray:
    """Return the numbers of an axis, which may be packed as those of any variable are."""
    about = _with_numbers(axis.variable, str(axis.name), path).attrs
    scale, offset = about.get("scale_factor", 1.0), about.get("add_offset", 0.0)
    return axis.copy(data=axis.values.astype("float64") * scale + offset)


def _in_radians(north: np.ndarray, east: np.ndarray) -> bool:
    """Tell latitudes and longitudes in radians, or latitudes alone, by where no land is or cells of an odd shape."""
    if not (north.size and east.size and np.abs(north).max() <= np.pi / 2):
        return False
    if min(north.size, east.size) <= 2:
        return bool(np.abs(east).max() <= np.pi and ((north % 1).any() or (east % 1).any()))
    if -np.pi <= east.min() <= east.max() <= TURN:
        return True
    return bool(np.median(np.abs(np.diff(east))) > WIDEST * np.median(np.abs(np.diff(north))))


def _require_even(lat: np.ndarray, lon: np.ndarray, path: Path) -> None:
    """Refuse steps of an axis that differ, as where a coordinate is damaged, and move cells.

    Along a circle of longitudes one step may differ, of a part of the globe; latitudes may be Gaussian, or have halves
    of cells at the poles.
    """
    around, down = np.diff(np.append(lon, lon[0] + 360)), -np.diff(lat)
    ends = np.isin(np.arange(down.size), (0, down.size - 1))
    for axis, steps, allowed, most in (("lon", around, 0.01, 1), ("lat", down, np.where(ends, 0.55, 0.05), 0)):
        middle = np.median(steps) if steps.size else 0.0
        odd = np.abs(steps - middle) > allowed * middle + EVEN
        if odd.sum() > most:
            found = f"found {steps[odd][0]:g} beside {middle:g}; fetch it again, or regrid it"
            raise ProductError(f"{path}: {axis}: expected steps alike, {found}")


def _rows_and_columns(lat: xr.DataArray, lon: xr.DataArray, path: Path) -> dict[str, xr.DataArray]:
    """Return latitudes and longitudes along one dimension each, taken out of two-dimensional fields if need be."""
    if lat.ndim < 2 and lon.ndim < 2:
        return {"lat": lat, "lon": lon}
    if lat.ndim == lon.ndim and set(lat.dims) == set(lon.dims):
        for row, column in (lat.dims, lat.dims[::-1]):
            first = {"lat": lat.isel({column: 0}), "lon": lon.isel({row: 0})}
            if np.abs(lat - first["lat"]).max() < EVEN and np.abs(lon - first["lon"]).max() < EVEN:
                return first
    raise ProductError(f"{path}: lat, lon: expected a regular grid, found a curved one; regrid the file first")


# --- values ----------------------------------------------------------------------------------------------------------


def variable(ds: xr.Dataset, name: str, path: Path) -> xr.DataArray:
    """Return one variable as a lazy array (time, lat, lon), unpacked, with NaN for the fills that it declares.

    Raises
    ------
    ProductError
        There is no such variable, or it has other dimensions; the message names those there are.
    """
    if name not in ds.data_vars:
        raise ProductError(f"{path}: expected a variable {name!r}, found {', '.join(map(str, ds.data_vars))}")
    stored = _with_numbers(ds[name].variable, name, path)
    if stored.dtype.kind not in "biuf":
        raise ProductError(f"{path}: expected numbers in {name}, found {stored.dtype.name}; is it another variable?")
    with warnings.catch_warnings():  # two fills that differ are both taken for fills
        warnings.simplefilter("ignore", xr.SerializationWarning)
        values = xr.conventions.decode_cf_variable(name, stored, decode_times=False)
    values = xr.DataArray(values, coords=ds[name].coords, name=name)
    values.attrs["valid_range"] = _stated_limits(stored.attrs)
    values = values.squeeze([dim for dim in values.dims if dim not in AXES and values.sizes[dim] == 1], drop=True)
    if set(values.dims) != set(AXES):
        found = ", ".join(f"{dim} ({size})" for dim, size in values.sizes.items()) or "a single number"
        remedy = "sum, average or choose over what it has besides, as by xarray, and give a file of that"
        if lacking := [axis for axis in AXES if axis not in values.dims]:
            remedy = f"give a file with {' and '.join(lacking)}, such as with its dates as 'days since 1900-01-01'"
        raise ProductError(f"{path}: expected {name} on {', '.join(AXES)}, found {found}; {remedy}")
    return values.transpose(*AXES)


def _with_numbers(stored: xr.Variable, name: str, path: Path) -> xr.Variable:
    """Return a variable whose packing and fills are numbers: some files write them as text."""
    about = dict(stored.attrs)
    for key in ("_FillValue", "missing_value"):
        if isinstance(about.get(key), str):
            number = pd.to_numeric(about.pop(key), errors="coerce")
            about |= {} if np.isnan(number) else {key: stored.dtype.type(number)}
    for key in {"scale_factor", "add_offset"} & set(about):
        numbers = pd.to_numeric(np.ravel(about[key]), errors="coerce")
        if numbers.size != 1 or not np.isfinite(numbers[0]) or (key == "scale_factor" and numbers[0] <= 0):
            number = "one number" + (" above zero" if key == "scale_factor" else "")
            found = f"found {str(about[key]):.60}; correct it, such as by ncatted"
            raise ProductError(f"{path}: expected {key} of {name} to be {number}, {found}")
        about[key] = float(numbers[0])
    return stored._replace(attrs=about)


def _stated_limits(attributes: Mapping) -> tuple[float, float]:
    """Return the valid range that a file states for a variable, unpacked as its values are (CF, section 2.5.1)."""

    def number(name: str, at: int, otherwise: float) -> float:
        try:
            return float(np.ravel(attributes.get(name, otherwise))[at])
        except (ValueError, IndexError):
            return otherwise

    low = number("valid_min", 0, number("valid_range", 0, -np.inf))
    high = number("valid_max", 0, number("valid_range", 1, np.inf))
    scale, offset = number("scale_factor", 0, 1.0), number("add_offset", 0, 0.0)
    low, high = sorted((low * scale + offset, high * scale + offset))
    hair = 1e-6 * np.abs([low, high])  # packed numbers and their limits are rounded apart
    return (low - hair[0], high + hair[1]) if low < high else (-np.inf, np.inf)


def loaded(values: xr.DataArray) -> xr.DataArray:
    """Read values that `variable` gave: float64, NaN outside the range of the file."""
    values = values.load().astype("float64")
    low, high = values.attrs.pop("valid_range")
    return values.where((values >= low) & (values <= high))


def without_fills(values: xr.DataArray, low: float, high: float, path: Path) -> xr.DataArray:
    """Return values with NaN for fills, also for those that the file does not declare.

    Besides the numbers that `site_table.fills` knows, a fill is one number; several different numbers beyond ``low``
    and ``high`` are something else, such as another unit, and a ProductError.
    """
    known = values.where(~fills(values.values, (low, high)))
    outside = (known < low) | (known > high)
    odd = np.unique(known.values[outside.values])
    if odd.size > 1:
        found = f"found {odd[0]:g} to {odd[-1]:g}; is it another quantity, or in other units?"
        raise ProductError(f"{path}: expected {values.name} from {low:g} to {high:g}, {found}")
    return known.where(~outside)


# --- time ------------------------------------------------------------------------------------------------------------


class Stamps(NamedTuple):
    """The time axis of one file."""

    months: np.ndarray  # (time,) counted from January of the year 0
    calendar: str
    place: str  # of a stamp in its step: "begin", "middle", "end" by bounds, "open" for a first instant without
    lost: str  # bounds that the axis names, and that are perhaps not there
    late: bool  # the first stamp lies a step after the date that time is counted from


def _stamps(ds: xr.Dataset, path: Path) -> Stamps:
    time, about = ds["time"].values, ds["time"].attrs
    units, cal = str(about.get("units", "")), str(about.get("calendar", "standard")).strip().lower()
    cal, lost = CALENDARS.get(cal, cal), str(about.get("bounds", ""))
    anew = "write its times anew as 'days since' a date, such as by 'cdo setreftime,1900-01-01,00:00:00,days'"
    if time.dtype.kind not in "iuf":
        raise ProductError(f"{path}: expected times as numbers, found {np.ravel(time)[:1]!s:.40}; {anew}")
    about = _with_numbers(ds["time"].variable, "time", path).attrs
    packed = float(about.get("scale_factor", 1.0)), float(about.get("add_offset", 0.0))
    stamps = time.astype("float64") * packed[0] + packed[1]
    if not (stamps.size and np.isfinite(stamps).all()):
        raise ProductError(f"{path}: expected times in {units!r}, found some missing; fetch it again")
    stamps, place = _middle(ds, stamps, packed, (lost, *BOUNDS))
    try:
        months, firsts, reference = _months(stamps, units, cal)
    except (ValueError, OverflowError) as error:
        found = f"found {units!r} in the calendar {cal!r}, and {stamps[0]:g}"
        raise ProductError(f"{path}: expected times such as 'days since 1900-01-01', {found}; {anew}") from error
    # The date that time is counted from begins a step: nothing lies before it.
    place = "open" if not place and firsts and stamps.min() != 0 else place
    late = reference is not None and stamps.size > 1 and months.min() == reference + np.diff(np.sort(months)).min()
    return Stamps(months, cal, place, lost, bool(late))


def _middle(
    ds: xr.Dataset, stamps: np.ndarray, packed: tuple[float, float], names: Iterable[str]
) -> tuple[np.ndarray, str]:
    """Return numbers halfway between bounds, and where between them the stamps are; these, and nothing, without."""
    for name in names:
        bounds = ds.variables.get(name)
        if bounds is not None and bounds.shape == (stamps.size, 2):
            begin, end = (bounds.values.astype("float64") * packed[0] + packed[1]).T  # as their axis (CF, section 7.1)
            if ((end > begin) & (begin <= stamps) & (stamps <= end)).all():
                place = "end" if (stamps == end).all() else "begin" if (stamps == begin).all() else "middle"
                return (begin + end) / 2, place
    return stamps, ""


def _months(numbers: np.ndarray, units: str, cal: str) -> tuple[np.ndarray, bool, int | None]:
    """Return the month of each number, whether all are first instants of one, and that of the reference (or None).

    Raises ValueError or OverflowError for what is no time.
    """
    cftime.datetime(2000, 1, 1, calendar=cal)  # raises where there is no such calendar
    if written := re.match(r"(?:day|month|year) as (%Y(?:%m)?(?:%d)?)", units, re.IGNORECASE):
        form, whole = written[1], np.floor(numbers + 1e-6).astype("int64")  # 19990131.5, 199901.5 or 1999.5
        whole, day = (whole // 100, whole % 100) if "%d" in form else (whole, 0)
        year, month = (whole // 100, whole % 100) if "%m" in form else (whole, np.ones_like(whole))
        if not ((month >= 1) & (month <= 12)).all():
            raise ValueError(f"no months of {units}")
        return 12 * year + month - 1, bool(np.all(day == 1)), None
    counted = re.match(r"(\w+) since (.*)", units, re.IGNORECASE)
    if not counted:
        raise ValueError(f"no units of time: {units}")
    unit, (year, month, rest) = counted[1].lower(), _reference(counted[2])
    reference = 12 * year + month - 1
    if found := re.fullmatch(r"(?:calendar_|common_)?(mon(?:th)?|y(?:ea)?r)s?", unit):
        # No calendar library counts in months: their lengths differ. Whole years, and fractions, name months.
        yearly = found[1][0] == "y"
        index = numbers * 12 if yearly else numbers
        named = (yearly and (numbers % 1 < 0.01).all()) or (np.abs(index - np.round(index)) > 0.02).any()
        # A hundredth of a month is more than single precision loses, and less than any stamp means.
        return reference + np.floor(index + 0.01).astype("int64"), not named, reference
    dates = cftime.num2date(numbers, f"{unit} since {year:04d}-{month:02d}-{rest}", cal)
    months = np.array([12 * date.year + date.month - 1 for date in dates])
    return months, all(date.day == 1 and date.hour == 0 for date in dates), reference


def _reference(text: str) -> tuple[int, int, str]:
    """Return year, month and the rest of the date that time is counted from: 1999-1-1, "AD 1999-Jan-1st", 1999."""
    text = re.sub(r"^(?:a\.?d\.?|c\.?e\.?)\s+", "", text.strip(), flags=re.IGNORECASE)
    if re.search(rf"(?<![a-z])(?:{'|'.join(calendar.month_abbr[1:])})", text, re.IGNORECASE):
        when = pd.Timestamp(text)
        return when.year, when.month, f"{when.day:02d} {when:%H:%M:%S}"
    forms = r"(\d{1,4})[-/](\d{1,2})(?:[-/](\d{1,2}))?(?![\d/-])(.*)", r"(\d{4})()()(?=$| )(.*)"
    found = next(filter(None, (re.match(form, text) for form in forms)), None)
    if not found or not 1 <= int(found[2] or 1) <= 12:
        raise ValueError(f"no date: {text}")
    return int(found[1]), int(found[2] or 1), f"{int(found[3] or 1):02d}{found[4]}"


# --- the months of a variable, and what is made of them --------------------------------------------------------------


@dataclass
class Series:
    """All steps of one variable: ``year`` and ``month`` of each, its ``file`` and ``position`` on that file's axis."""

    name: str  # as it is stored
    lat: np.ndarray
    lon: np.ndarray
    attributes: dict  # global ones, of the first file
    files: list[Unpacked]  # in the order of their names
    calendars: list[str]  # of each file
    steps: pd.DataFrame
    place: str  # "end" or "begin" where no bounds say which of them stamps are; else empty

    @property
    def first(self) -> Path:
        """The first of its files."""
        return self.files[0].path

    def is_yearly(self) -> bool:
        """Tell a step a year from a step a month; ProductError for one step of which nothing says what it is."""
        if self.steps["year"].duplicated().any():
            return False
        if len(self.steps) > 1:
            return int(np.median(np.diff(np.sort(12 * self.steps["year"] + self.steps["month"])))) > 6
        told = f"{self.first.name} {self.attributes.get('frequency', '')} {self.attributes.get('table_id', '')}"
        if re.search(r"(?<![a-z])(annual|yearly|year|yr)(?![a-z])|[EA]yr", told, re.IGNORECASE):
            return True
        if re.search(r"(?<![a-z])(monthly|month|mon)(?![a-z])|[LE]mon", told, re.IGNORECASE):
            return False
        remedy = "give more years, or write Monthly or Annual into its name"
        raise ProductError(f"{self.first}: expected {self.name} by months or years, found one step of either; {remedy}")

    def require(
        self, what: str, years: Iterable[int], months: Iterable[int] = range(1, 13), allow_partial: bool | None = None
    ) -> dict[str, str]:
        """Refuse years of which there is no step, or, unless allowed, not each of some months (None: nobody asks).

        Return an attribute that names the years that lack months, and how many they have; none where none does.
        """
        partial_years = []
        for year in years:
            own = self.steps[self.steps["year"] == year]
            if own.empty:
                found = f"found {self.steps['year'].min()} to {self.steps['year'].max()}"
                remedy = "check years, or add the file that holds it"
                raise ProductError(f"{self.first}: expected {what} of {year}, {found}; {remedy}")
            if lacking := sorted({*months} - {*own["month"]}):
                partial_years.append(f"{year} ({len(own)} of 12 months)")
                if not allow_partial:
                    named = ", ".join(f"{year}-{month:02d}" for month in lacking)
                    remedy = "take another year" + ("" if allow_partial is None else ", or pass allow_partial=True")
                    raise ProductError(f"{self.files[own['file'].iloc[0]].path}: {what} {year} lacks {named}; {remedy}")
        return {"incomplete_years": ", ".join(partial_years)} if partial_years else {}


def index(name: str, paths: Iterable[Path]) -> Series:
    """Note which steps of a variable (by its stored name) which file holds; nothing else is read.

    Raises
    ------
    ProductError
        A month is there twice, files stand on different grids or come from different models, or stamps may begin their
        steps or end them.
    """
    stamps, series = [], None
    for path in sorted(paths):
        file = Unpacked(path)
        with opening(path, file.plain) as ds:
            variable(ds, name, path)
            stamps.append(_stamps(ds, path))
            lat, lon, attributes = ds["lat"].values, ds["lon"].values, dict(ds.attrs)
        series = series or Series(name, lat, lon, attributes, [], [], pd.DataFrame(), "")
        series.files.append(file)
        orders = same_labels(series.lat, lat), same_labels(series.lon, lon, round_the_globe=True)
        if not all(order is not None and (order == np.arange(order.size)).all() for order in orders):
            shapes = f"{lat.size}x{lon.size} cells, not the {series.lat.size}x{series.lon.size} of {series.first.name}"
            raise ProductError(f"{path}: expected one grid in all files, found {shapes}; keep files of one grid")
        require_one_run(series.attributes, attributes, series.first, path)
    if series is None:
        raise ProductError(f"expected a file of {name}, found none; give one")
    series.calendars = [each.calendar for each in stamps]
    series.place = _place(stamps, [file.path for file in series.files])
    tables = []
    for k, each in enumerate(stamps):
        months = each.months - 1 if each.place == "open" and series.place == "end" else each.months
        table = {"year": months // 12, "month": months % 12 + 1, "file": k, "position": np.arange(months.size)}
        tables.append(pd.DataFrame(table))
    series.steps = pd.concat(tables, ignore_index=True)
    for _, same in series.steps[series.steps.duplicated(["year", "month"], keep=False)].groupby(["year", "month"]):
        (year, month, first, _), (_, _, other, _) = same.values[:2]
        here, there = (series.files[k].path for k in (other, first))
        expected = f"{year}-{month:02d} of {name} once"
        remedy = "fetch monthly or yearly values" if here == there else "remove one of the two files"
        raise ProductError(f"{here}: expected {expected}, found it in {there} already; {remedy}")
    return series


def _place(stamps: list[Stamps], paths: list[Path]) -> str:
    """Say whether stamps without bounds begin or end their steps: as in files with bounds, or by themselves.

    A record of whole years that runs from February to January is one of ends; one that begins in January or ends in
    December as it stands is not. Each stretch without a gap is looked at by itself.
    """
    doubtful = [(each, path) for each, path in zip(stamps, paths, strict=True) if each.place == "open"]
    if not doubtful:
        return ""
    if placed := {each.place for each in stamps} & {"begin", "middle", "end"}:
        return "end" if placed == {"end"} else "begin"
    count = np.sort(np.concatenate([each.months for each, _ in doubtful]))
    runs = [run for run in np.split(count, np.flatnonzero(np.diff(count) != 1) + 1) if run.size > 1]
    begins = max((int(run[0] % 12 == 0) + int(run[-1] % 12 == 11) for run in runs), default=0)
    ends = max((int(run[0] % 12 == 1) + int(run[-1] % 12 == 0) for run in runs), default=0)
    if ends == 2 and begins < 2:
        return "end"
    first, path = min(doubtful, key=lambda pair: pair[0].months.min())
    lost = next((each.lost for each, _ in doubtful if each.lost), "")
    if ends > begins or (first.late and begins < 2) or (lost and not begins):
        expected = f"expected the bounds {lost!r} that its time axis names" if lost else "expected bounds of its times"
        found = f"found none, so that {count[0] // 12}-{count[0] % 12 + 1:02d}-01 may begin a step or end one"
        remedy = "give the file as it came, with its bounds, or stamp its steps in their middle"
        raise ProductError(f"{path}: {expected}, {found}; {remedy}")
    return "begin"


def require_one_run(first: Mapping[str, object], other: Mapping[str, object], one: Path, path: Path) -> None:
    """Refuse files whose global attributes tell of different models, or members of an ensemble."""
    for key in RUN:
        here, there = (str(about.get(key, "")).strip() for about in (first, other))
        # A version may stand behind a name; what is not told is no other.
        if not (here.casefold().startswith(there.casefold()) or there.casefold().startswith(here.casefold())):
            expected = f"expected {key} {here!r}, as {one.name} tells"
            raise ProductError(f"{path}: {expected}, found {there!r}; take all files from one model run")


def fields(
    series: Series,
    years: Iterable[int],
    of_step: Callable[[xr.DataArray, Path], xr.DataArray],
    *,
    months: Iterable[int] = range(1, 13),
    mean: bool = False,
    monthly: bool = False,
) -> xr.DataArray:
    """Make one field of each year's steps, their sum or their mean, or give all of them.

    Parameters
    ----------
    years : iterable of int
        Years that there are: see `Series.require`.
    of_step : callable
        ``of_step(values, path)`` turns one file's steps (time, lat, lon) into what is added up or given, NaN for fills;
        ``days`` (time) and ``days_of_year`` of the values are the lengths of month and year in the file's own calendar.
    months : iterable of int
        Months to take.
    mean : bool
        Take the mean, each month weighted by its days, in place of the sum.
    monthly : bool
        Give the steps themselves.

    Returns
    -------
    DataArray (year, lat, lon), or (time, lat, lon)
        float32, lazy where it has more than `LAZY` cells; ``time`` is the first day of each month. A cell has no value
        in a year in which it lacks one of the steps.

    Raises
    ------
    ProductError
        A year has no value in any cell.
    """
    years = list(years)
    steps = series.steps[series.steps["month"].isin([*months])]
    of_years = [steps[steps["year"] == year].sort_values("month") for year in years]
    cells = series.lat.size, series.lon.size
    shapes = [(len(own) if monthly else 1, *cells) for own in of_years]
    # A year's steps are drawn into one object, so that dask does not look into it.
    work = [partial(_year, series, own, of_step, mean, monthly) for own in of_years]
    if sum(np.prod(shape) for shape in shapes) <= LAZY:
        joined = np.concatenate([one() for one in work])
    else:
        blocks = (dask.delayed(one, pure=False, traverse=False)() for one in work)
        lazy = [dask.array.from_delayed(*block, dtype="float32") for block in zip(blocks, shapes, strict=True)]
        joined = dask.array.concatenate(lazy)
    if monthly:
        every = pd.concat(of_years)
        stamps = pd.to_datetime(every[["year", "month"]].assign(day=1)).to_numpy()
        first = ("time", stamps, {"long_name": "month, by its first day", "standard_name": "time"})
    else:
        first = ("year", years, {"long_name": "calendar year"})
    at = {first[0]: first} | coords(series.lat, series.lon)
    return xr.DataArray(joined, at, (first[0], "lat", "lon"))


def _year(series: Series, steps: pd.DataFrame, of_step: Callable, mean: bool, monthly: bool) -> np.ndarray:
    """Read one year: (1, lat, lon), or (time, lat, lon) with ``monthly``."""
    year, parts = int(steps["year"].iloc[0]), []
    _require_memory(series, len(steps))
    for k, own in steps.groupby("file"):
        file = series.files[k]
        with opening(file.path, file.plain) as ds:
            values = loaded(variable(ds, series.name, file.path).isel(time=own["position"].values))
        days = [cftime.datetime(year, m, 1, calendar=series.calendars[k]).daysinmonth for m in range(1, 13)]
        coords = {"time": own["month"].values, "lat": series.lat, "lon": series.lon, "days_of_year": sum(days)}
        values = values.assign_coords(days=("time", [days[month - 1] for month in own["month"]]), **coords)
        parts.append(of_step(values, file.path))
    joined = xr.concat(parts, dim="time", coords="minimal", compat="override") if len(parts) > 1 else parts[0]
    joined = joined.sortby("time")
    if mean and not monthly:
        joined = (joined * joined["days"]).sum("time", skipna=False) / joined["days"].sum()
    elif not monthly:
        joined = joined.sum("time", skipna=False)
    values = joined.values.astype("float32").reshape(-1, series.lat.size, series.lon.size)
    if not np.isfinite(values).any():
        what, path = f"values of {series.name} in {year}", series.files[steps["file"].iloc[0]].path
        remedy = "leave the year out, or give a file that has it"
        raise ProductError(f"{path}: expected {what}, found none in any cell; {remedy}")
    return values


# --- process models --------------------------------------------------------------------------------------------------


def read_model(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    variable: str = "reco",
    model: str | None = None,
    experiment: str | Iterable[str] | None = None,
    allow_missing: bool = False,
) -> xr.Dataset:
    """Read one model's annual respiration, or another of its fluxes, on its own grid.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    variable : {"reco", "ra", "rh", "gpp", "npp"}
        What to read.
    model, experiment : str, optional
        Which of them, where ``paths`` holds several. Several experiments that follow each other in time, such as
        ``["historical", "ssp585"]``, may be read together.
    allow_missing : bool
        Leave out years that no file holds; one at least must be there.

    Returns
    -------
    xarray.Dataset
        ``reco``, or the variable asked for (kg m-2 yr-1 of carbon), on (year, lat, lon); attributes ``model``,
        ``stored_as`` and ``product_version`` (experiment, member and grid as far as files tell them).

    Raises
    ------
    ProductError
        What is asked for is not there or there twice, or cannot be told from something else.
    """
    by_model = product.models(paths)
    if model is None and len(by_model) == 1:
        model = next(iter(by_model))
    if model not in by_model:
        raise ProductError(f"{product.id}: expected model to be one of {', '.join(by_model)}, found {model!r}")
    files, told = _of_one_run(product, by_model[model], experiment)
    terms, holding = _set(product, files, variable)
    parts = {name: index(name, holding[name]) for name in _names(terms)}
    _refuse_other_runs(list(parts.values()), model if "table" in product.file.groupindex else None)
    years = list(years)
    there = [year for year in years if all((part.steps["year"] == year).any() for part in parts.values())]
    wanted, rates = there if allow_missing and there else years, []
    for name, part in parts.items():
        yearly = part.is_yearly()
        part.require(name, wanted, () if yearly else range(1, 13))
        rates.append(fields(part, wanted, partial(_of_step, yearly)))
    rates = together(*rates, names=[f"{part.first}: {name}" for name, part in parts.items()])
    total = sum(-rate if term[0] == "-" else rate for term, rate in zip(terms, rates, strict=True))
    attributes = {"model": model, "stored_as": _written(terms)}
    ds = xr.Dataset({variable: total.astype("float32")}, attrs=attributes)
    return describe(ds, product, " ".join(told))


def _of_one_run(product: Product, files: list[Path], experiment) -> tuple[list[Path], list[str]]:
    """Return the files of the experiments asked for, and what their names tell; refuse those of several runs."""
    told = {path: product.match(path).groupdict() for path in files}
    wanted = [experiment] if isinstance(experiment, str) else list(experiment or [])
    there = {names["experiment"] for names in told.values()}
    if unknown := set(wanted) - there:
        found = f"found {', '.join(sorted(there))}; correct experiment"
        raise ProductError(f"{files[0].parent}: expected experiment {unknown.pop()!r}, {found}")
    files, runs = [path for path in files if not wanted or told[path]["experiment"] in wanted], wanted
    for key in ("experiment", "member", "grid_label")[bool(wanted) :]:
        examples = {told[path][key]: path.name for path in reversed(files) if told[path].get(key)}
        if len(examples) > 1:
            found = ", ".join(f"{value} ({name})" for value, name in sorted(examples.items()))
            raise ProductError(f"{files[0].parent}: expected one {key}, found {found}; give the files of one alone")
        runs = [*runs, *examples]
    return files, runs


def _names(terms: Iterable[str]) -> list[str]:
    """Return the variables of a set without their signs: ``["gpp", "-npp"]`` names gpp and npp."""
    return [term.lstrip("+- ") for term in terms]


def _written(terms: Iterable[str]) -> str:
    return " + ".join(terms).replace("+ -", "- ")


def _set(product: Product, files: list[Path], variable: str) -> tuple[list[str], dict[str, list[Path]]]:
    """Return which stored variables make the one asked for, with their signs, and which files hold each."""
    known = product.notes["sets"]
    if variable not in known:
        raise ProductError(f"{product.id}: expected variable to be one of {', '.join(known)}, found {variable!r}")
    every = {name for sets in known.values() for terms in sets for name in _names(terms)}
    for holding in (_by_name(product, files, every), _by_content(files)):
        for terms in known[variable]:
            if set(_names(terms)) <= set(holding):
                return terms, holding
    wanted, found = " or ".join(map(_written, known[variable])), ", ".join(holding) or "no gridded variable"
    remedy = f"name what it is made of among the sets of {product.id} in data/products.yml"
    raise ProductError(f"{files[0].parent}: expected {wanted}, found {found}; {remedy}")


def _by_name(product: Product, files: list[Path], every: set[str]) -> dict[str, list[Path]]:
    """Return which files hold which variable as far as their names tell, so that the others need not be opened."""
    holding: dict[str, list[Path]] = {}
    for path in files:
        told = product.match(path).groupdict().get("stored")
        for name in [told] if told else set(re.split(r"[_.]", plain_name(path.name))) & every:
            holding.setdefault(name, []).append(path)
    return holding


def _by_content(files: list[Path]) -> dict[str, list[Path]]:
    """Return which files hold which gridded variable, by looking into them."""
    holding: dict[str, list[Path]] = {}
    for path in files:
        with opening(path) as ds:
            for name, values in ds.data_vars.items():
                if set(AXES) <= set(values.dims):
                    holding.setdefault(str(name), []).append(path)
    return holding


def _refuse_other_runs(parts: list[Series], model: str | None) -> None:
    """Refuse variables of different models, or stamped in different ways, and a file that its name misnames."""
    first, *others = parts
    for other in others:
        require_one_run(first.attributes, other.attributes, first.first, other.first)
        if first.place and other.place and first.place != other.place:
            found = "found one stamped by the end of its steps and one by their beginning; give both with their bounds"
            raise ProductError(f"{other.first}: expected {other.name} stamped as in {first.first.name}, {found}")
    if model is not None:  # names by a rule of which the file's own source_id is a part
        require_one_run({"source_id": model}, first.attributes, Path("its name"), first.first)


# --- rates -----------------------------------------------------------------------------------------------------------

CARBON = 0.0120107
"""Mass of a mole of carbon, kg."""

AMOUNTS = {"kg": 1.0, "g": 1e-3, "mg": 1e-6, "mol": CARBON, "mmol": 1e-3 * CARBON, "umol": 1e-6 * CARBON}
"""kg of carbon in one of each; a mole of CO2 holds a mole of carbon."""

TIMES = {
    1.0: ("s", "sec", "second", "seconds"),
    3600.0: ("h", "hr", "hour", "hours"),
    86400.0: ("d", "day", "days"),
    30.4375 * 86400.0: ("month", "months", "mon", "mo"),
    365.25 * 86400.0: ("yr", "year", "years", "y", "a"),
}
"""Seconds of each; of month and year those of a mean one, for limits only."""

LARGEST = 5e-6
"""Greatest rate that can be one (kg m-2 s-1, some 430 g m-2 d-1); beyond lie fills that a file does not declare."""


def carbon_rate(units: str) -> tuple[float, float] | None:
    """Return the kg of carbon in a unit's amount, and the seconds in its time (see `TIMES`); None for other units.

    >>> carbon_rate("kgC/m2/s"), carbon_rate("g C m^-2 h-1"), carbon_rate("kg CO2 m-2 s-1")
    ((1.0, 1.0), (0.001, 3600.0), None)
    """
    plain = re.sub(r"\^|\*\*", "", units.strip()).replace("(C)", "C").replace("µ", "u").replace("μ", "u")
    plain = re.sub(r"\s*/\s*([A-Za-z]+)(\d?)", lambda found: f" {found[1]}-{found[2] or 1}", plain)
    plain = re.sub(r"[\s.·]+", " ", plain)
    found = re.fullmatch(r"(?:([Kkm]?g) ?C?|(micromol|[mu]?mol) ?(?:C|CO2)?) m-2 ([A-Za-z]+)-1", plain)
    if not found:
        return None
    amount = (found[1] or found[2]).lower().replace("micro", "u")
    seconds = next((size for size, names in TIMES.items() if found[3].lower() in names), None)
    return (AMOUNTS[amount], seconds) if seconds else None


def _of_step(yearly: bool, values: xr.DataArray, path: Path) -> xr.DataArray:
    """Turn stored rates (time, lat, lon) into what each step adds to its year: kg m-2 of carbon, NaN for fills.

    A rate in months or years means the month or the year of the step itself.
    """
    units = str(values.attrs.get("units", ""))
    if (rate := carbon_rate(units)) is None:
        expected = f"expected {values.name} in units such as kg m-2 s-1, g m-2 d-1, g m-2 month-1, umol m-2 s-1"
        raise ProductError(f"{path}: {expected} of carbon, found {units!r}; correct them")
    amount, seconds = rate
    limit = LARGEST * seconds / amount
    known = without_fills(values, -limit, limit, path)
    days = values["days_of_year" if yearly else "days"]
    if seconds > 300 * 86400.0:
        return known * amount * days / values["days_of_year"]
    if seconds > 86400.0:
        return known * amount * (12 if yearly else 1)
    return known * amount / seconds * days * 86400.0
