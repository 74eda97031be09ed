"""The axes of NetCDF files: latitude, longitude and time, however a file names, turns and counts them.

Longitudes may run to 360, latitudes either way; either may stand as a single number (a point, a cell cut out), beside
the dimension that it belongs to, or as a two-dimensional field that is a plain grid all the same. Time may be counted
in any calendar, in months or in years, or written as dates (``day as %Y%m%d.%f``).

Where a step has bounds, it lies halfway between them: some models stamp a month by its end, which is the first instant
of the next one. Bounds get lost when a file is cut. Months that are stamped by first instants alone, from a February to
a January, make up whole years only if these are their ends, and are taken so; `are_ends` decides it, over all files of
a variable. What can be read either way is refused.
"""

from __future__ import annotations

import re
import warnings
from datetime import timedelta
from pathlib import Path

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from helpers.products.errors import ProductError
from helpers.space.grid import SAME, normalise_lat_lon

NAMES = {
    "lat": ("lat", "latitude", "nav_lat", "lats"),
    "lon": ("lon", "longitude", "nav_lon", "lons"),
    "time": ("time", "time_counter", "times", "t"),
}
UNITS = {"lat": r"degrees?_?n(orth)?$", "lon": r"degrees?_?e(ast)?$", "time": r"\w+ since |(day|month|year) as %Y"}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = rf"(?:{'|'.join(MONTHS)})[a-z]*"
REFERENCES = (
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ -](?P<month>{_NAME})[ -](?P<year>\d{{4}})(?P<rest>.*)",
    rf"(?P<year>\d{{1,4}})-(?P<month>\d{{1,2}}|{_NAME})(?:-(?P<day>\d{{1,2}})(?:st|nd|rd|th)?)?(?![\d-])(?P<rest>.*)",
    r"(?P<year>\d{4})(?P<month>)(?P<day>)(?P<rest>$| .*)",
)
"""How files write the date that time is counted from: 1999-01-01, 1999-Jan-1st, 1 January 1999."""
STANDARD = ("standard", "gregorian", "proleptic_gregorian")
"""Calendars of which the time since 1582 is the civil one."""
BOUNDS = ("time_bnds", "time_bounds", "time_bnd", "bounds_time", "time_counter_bounds")
"""What the bounds of time are called."""
CALENDARS = {
    "": "standard",
    "no_leap": "noleap",
    "365": "noleap",
    "365_days": "noleap",
    "360": "360_day",
    "360_days": "360_day",
}
"""What some files call a calendar, and its name."""
REWRITE = "write its times anew as 'days since' a date, such as by 'cdo setreftime,1900-01-01,00:00:00,days'"
EVEN = 1e-4
"""Coordinates in single precision differ by less than this (degrees)."""


def find(ds: xr.Dataset, axis: str) -> str | None:
    """Return the name of the variable that holds an axis: by its name first, else by its units."""
    depth = 1 if axis == "time" else 2  # a field named t is no time
    names = [str(name) for name in ds.variables if ds[name].ndim <= depth]
    by_name = [name for known in NAMES[axis] for name in names if name.lower() == known]
    own = (name for name in names if set(ds[name].dims) <= {name} and _counts(ds[name], axis))
    return next(iter([*by_name, *own]), None)


def _counts(variable: xr.DataArray, axis: str) -> bool:
    return bool(re.match(UNITS[axis], str(variable.attrs.get("units", "")), re.IGNORECASE))


def with_lat_lon(ds: xr.Dataset, path: Path) -> xr.Dataset:
    """Return a Dataset on ``lat`` from north to south and ``lon`` from -180 to 180, both of them dimensions.

    Raises
    ------
    ProductError
        They are not there, do not make a grid, or are no degrees.
    """
    names = {axis: find(ds, axis) for axis in ("lat", "lon")}
    for axis, name in names.items():
        if name is None:
            raise ProductError(f"{path}: {axis}: expected a one-dimensional coordinate, found dimensions {_sizes(ds)}")
    values = _plain({axis: ds[name].astype("float64") for axis, name in names.items()}, path)
    ds = ds.drop_vars({*names.values(), *(dim for v in values.values() for dim in v.dims if dim in ds.variables)})
    station = set(values["lat"].dims) & set(values["lon"].dims)
    if station:  # a point series: both along one dimension
        (along,) = station
        if ds.sizes[along] > 1:
            raise ProductError(
                f"{path}: lat, lon: expected a grid, found {ds.sizes[along]} points along {along}; pass one point"
            )
        ds, values = ds.isel({along: 0}), {axis: v.isel({along: 0}) for axis, v in values.items()}
    for axis, limit in (("lat", 90.0), ("lon", 540.0)):
        v = values[axis]
        if not (np.abs(v.values) <= limit + EVEN).all():
            raise ProductError(f"{path}: {axis}: expected degrees, found {v.min().item():g} to {v.max().item():g}")
        # CF allows a single number in place of an axis with one step.
        ds = ds.rename({v.dims[0]: axis}) if v.dims else ds.expand_dims(axis)
        ds = ds.assign_coords({axis: (axis, np.atleast_1d(v.values))})
    if np.unique(ds["lat"]).size < ds.sizes["lat"]:
        raise ProductError(f"{path}: lat: expected each latitude once, found some twice; give one grid a file")
    if ds["lon"].min() < -180:
        ds = ds.assign_coords(lon=ds["lon"] % 360)
    return _once_round(normalise_lat_lon(ds))


def _once_round(ds: xr.Dataset) -> xr.Dataset:
    """Drop the meridian that some grids repeat to close the circle: 0 and 360, or -180 and 180, or nearly so."""
    lon = ds["lon"].values
    gaps = np.diff(np.append(lon, lon[0] + 360))
    return ds.isel(lon=gaps > SAME * np.median(gaps)) if lon.size > 2 else ds.drop_duplicates("lon")


def _sizes(ds: xr.Dataset) -> str:
    return ", ".join(f"{name} ({size})" for name, size in ds.sizes.items()) or "none"


def _plain(values: dict[str, xr.DataArray], path: Path) -> dict[str, xr.DataArray]:
    """Take the rows' latitudes and the columns' longitudes out of two-dimensional fields."""
    lat, lon = values["lat"], values["lon"]
    if lat.ndim < 2 and lon.ndim < 2:
        return values
    if lat.ndim == lon.ndim and set(lat.dims) == set(lon.dims):
        for row, column in (lat.dims, lat.dims[::-1]):
            first = {"lat": lat.isel({column: 0}), "lon": lon.isel({row: 0})}
            if np.abs(lat - first["lat"]).max() < EVEN and np.abs(lon - first["lon"]).max() < EVEN:
                return first
    raise ProductError(
        f"{path}: lat, lon: expected a regular grid, found curved ones on {lat.dims}; regrid the file first"
    )


def with_times(ds: xr.Dataset, path: Path) -> xr.Dataset:
    """Return a Dataset with dates along a dimension ``time``; unchanged where it has no time.

    Raises
    ------
    ProductError
        The units of time are none, or its stamps can be read in two ways.
    """
    name = find(ds, "time")
    if name is None:
        return ds
    time = ds[name]
    if time.dtype.kind not in "iuf":
        raise ProductError(f"{path}: expected times as numbers, found {np.ravel(time.values)[:1]!s:.40}; {REWRITE}")
    stamps, placed = _middle(ds, time)
    steps = _dates(stamps, time.attrs, path)
    about = {"placed": placed}
    # The date that time is counted from begins a step: nothing lies before it.
    names = _are_names(stamps, str(time.attrs.get("units", "")))
    if not placed and not names and _first_instants(steps) and stamps.min() != 0:
        lost, after = str(time.attrs.get("bounds", "")), _a_step_after(steps, time.attrs, path)
        about = {"open": True, "lost": lost, "after_reference": after}
    ds = ds.drop_vars([name, *(other for other in ds.variables if other != name and _counts(ds[other], "time"))])
    ds = ds.rename({time.dims[0]: "time"}) if time.ndim else ds.expand_dims("time")
    return ds.assign_coords(time=("time", steps, about))


def _middle(ds: xr.Dataset, time: xr.DataArray) -> tuple[np.ndarray, str]:
    """Return the numbers that count time, and where in a step its bounds place the stamp ("end", "begin", "middle").

    With bounds the numbers lie halfway between these; without, they are the stamps, and the place is empty. Bounds that
    the time axis doesn't name are known by their own names: the attribute gets lost before they do.
    """
    packing = (time.attrs.get("scale_factor", 1.0), time.attrs.get("add_offset", 0.0))
    stamps = np.atleast_1d(time.values).astype("float64") * float(packing[0]) + float(packing[1])
    for name in (str(time.attrs.get("bounds", "")), *BOUNDS):
        bounds = ds.variables.get(name)
        if bounds is not None and bounds.shape == (stamps.size, 2):
            begin, end = bounds.values.astype("float64").T
            if ((end > begin) & (begin <= stamps) & (stamps <= end)).all():
                place = "end" if (stamps == end).all() else "begin" if (stamps == begin).all() else "middle"
                return (begin + end) / 2, place
    return stamps, ""


def _first_instants(steps: np.ndarray) -> bool:
    """Say whether all dates are the first instant of a month, to the hour."""
    when = xr.DataArray(steps, dims="time").dt
    return bool(((when.day.values == 1) & (when.hour.values == 0)).all())


def _are_names(stamps: np.ndarray, units: str) -> bool:
    """Say whether numbers name months or years, or lie within them, so that they are no instants between two."""
    if re.match(r"(month|year) as ", units, re.IGNORECASE):
        return True
    counted = re.match(r"(?:calendar_|common_)?(mon(?:th)?|y(?:ea)?r)s? since ", units, re.IGNORECASE)
    if not counted:
        return False
    yearly = counted[1].lower()[0] == "y"
    if yearly and (stamps % 1 < 0.01).all():
        return True
    months = stamps * 12 if yearly else stamps
    return bool((np.abs(months - np.round(months)) > 0.02).any())


def _a_step_after(steps: np.ndarray, attributes: dict, path: Path) -> bool:
    """Say whether the first date is a step, of a month or a year, after the one that time is counted from."""
    counted = re.match(r"\w+ since (.*)", str(attributes.get("units", "")), re.IGNORECASE)
    if not counted:
        return False
    year, month, _ = _reference(counted[1], str(attributes["units"]), path)
    when = xr.DataArray(steps, dims="time").dt
    count = np.sort(12 * when.year.values + when.month.values)
    return bool(count.size > 1 and count[0] == 12 * year + month + np.diff(count).min())


def are_ends(years: np.ndarray, months: np.ndarray, lost: str, after_reference: bool, path: Path) -> bool:
    """Say whether stamps at first instants, of all files of a variable, end their steps rather than begin them.

    A record of whole years that runs from February to January is one of ends; one that begins in January or ends in
    December as it stands is not. Each stretch without a gap is looked at by itself.

    Parameters
    ----------
    years, months : ndarray
        Of the stamps.
    lost : str
        The bounds that a file names and does not have, empty where it names none.
    after_reference : bool
        The first is stamped a step after the date that time is counted from.
    path : Path
        Named in errors.

    Raises
    ------
    ProductError
        It may be either.
    """
    count = np.sort(12 * years + months - 1)
    runs = [run for run in np.split(count, np.flatnonzero(np.diff(count) != 1) + 1) if run.size > 1]
    begins = [int(run[0] % 12 == 0) + int(run[-1] % 12 == 11) for run in runs]
    ends = [int(run[0] % 12 == 1) + int(run[-1] % 12 == 0) for run in runs]
    if ends and max(ends) == 2 and max(begins) < 2:
        return True
    open_ = max(ends, default=0) > max(begins, default=0) or (after_reference and max(begins, default=0) < 2)
    if open_ or (lost and not any(begins)):
        bounds = f"the bounds {lost!r} that its time axis names" if lost else "bounds of its time axis"
        first = f"{count[0] // 12}-{count[0] % 12 + 1:02d}-01"
        raise ProductError(
            f"{path}: expected {bounds}, found none, so that the stamp {first} may begin a step or end one; give the "
            "file as it came, with its bounds, or stamp its steps in their middle"
        )
    return False


def a_step_before(time: xr.DataArray) -> np.ndarray:
    """Return dates that stand a day earlier, and so within the month that they end."""
    steps = time.values
    return steps - (np.timedelta64(1, "D") if steps.dtype.kind == "M" else timedelta(days=1))


def _dates(values: np.ndarray, attributes: dict, path: Path) -> np.ndarray:
    """Return dates, of the file's own calendar, of numbers that count time in the file's own units."""
    units, calendar = str(attributes.get("units", "")), str(attributes.get("calendar", "standard")).strip().lower()
    calendar = CALENDARS.get(calendar, calendar)
    values = values.astype("float64")
    if not np.isfinite(values).all():
        raise ProductError(f"{path}: expected times in {units!r}, found some missing; fetch it again")
    if written := re.match(r"(day|month|year) as (%Y(?:%m)?(?:%d)?)", units, re.IGNORECASE):
        return _written(values, written[2], calendar, units, path)
    counted = re.match(r"(\w+?)s? since (.*)", units, re.IGNORECASE)
    if not counted:
        raise ProductError(f"{path}: expected time units such as 'days since 1900-01-01', found {units!r}; {REWRITE}")
    unit, (year, month, rest) = counted[1].lower(), _reference(counted[2], units, path)
    if unit in ("month", "mon", "calendar_month", "year", "yr", "common_year", "calendar_year"):
        # No calendar library counts in months: their lengths differ.
        months = 12 if "y" in unit else 1
        # A hundredth of a month is more than single precision loses, and less than any stamp means.
        index = year * 12 + month - 1 + np.floor(values * months + 0.01).astype(int)
        return _firsts(index // 12, index % 12 + 1, np.ones_like(index), calendar, units, path)
    kept = {"units": f"{counted[1]}s since {year:04d}-{month:02d}-{rest}", "calendar": calendar}
    with warnings.catch_warnings():  # dates beyond what numpy counts in nanoseconds come as cftime's, which will do
        warnings.simplefilter("ignore", xr.SerializationWarning)
        try:
            return xr.decode_cf(xr.Dataset(coords={"time": ("time", values, kept)}))["time"].values
        except (ValueError, OverflowError) as error:
            raise ProductError(
                f"{path}: expected times that can be told, found {values[0]:g} {units!r} in the calendar {calendar!r}; "
                f"{REWRITE}"
            ) from error


def _reference(text: str, units: str, path: Path) -> tuple[int, int, str]:
    """Return the year, the month and the rest of the date that time is counted from: "AD 1999-Jan-1st" is one."""
    plain = re.sub(r"^\s*(?:a\.?d\.?|c\.?e\.?)\s+", "", text.strip(), flags=re.IGNORECASE)
    plain = re.sub(r"^(\d{4})/(\d{1,2})/(\d{1,2})", r"\1-\2-\3", plain)
    found = next(filter(None, (re.match(form, plain, re.IGNORECASE) for form in REFERENCES)), None)
    if found:
        month = (found["month"] or "1").lower()[:3]
        number = int(month) if month.isdigit() else MONTHS.index(month) + 1
        if 1 <= number <= 12 and 1 <= int(found["day"] or 1) <= 31:
            return int(found["year"]), number, f"{int(found['day'] or 1):02d}{found['rest']}"
    raise ProductError(f"{path}: expected time counted from a date, found {units!r}; {REWRITE}")


def _written(values: np.ndarray, form: str, calendar: str, units: str, path: Path) -> np.ndarray:
    """Return the dates of numbers that spell them: 19990131.5 by "%Y%m%d", 199901 by "%Y%m"; fractions are left out."""
    whole = np.floor(values + 1e-6).astype("int64")
    day = whole % 100 if "%d" in form else np.ones_like(whole)
    whole = whole // 100 if "%d" in form else whole
    month = whole % 100 if "%m" in form else np.ones_like(whole)
    year = whole // 100 if "%m" in form else whole
    return _firsts(year, month, day, calendar, units, path)


def _firsts(year, month, day, calendar: str, units: str, path: Path) -> np.ndarray:
    """Return dates of a calendar: numpy's where it is the civil one, as all that follows takes them, else cftime's."""
    try:
        if calendar in STANDARD:
            texts = [f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(year, month, day, strict=True)]
            return pd.to_datetime(texts, format="%Y-%m-%d").values
        every = zip(year.tolist(), month.tolist(), day.tolist(), strict=True)
        return np.array([cftime.datetime(*date, calendar=calendar) for date in every], dtype=object)
    except (ValueError, OverflowError) as error:
        raise ProductError(
            f"{path}: expected times that are dates of the calendar {calendar!r}, found others in {units!r}; {REWRITE}"
        ) from error
