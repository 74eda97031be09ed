"""SPEI at one place as a CSV file, the way the SPEI database and the SPEI Global Drought Monitor hand it out.

Two layouts are in use. The database up to version 2.5 names its files by the place (``spei_-78.25_38.75.csv``,
longitude first), begins with a line of description ("… starting on January 1901 … Version: 2.5 …"), and has columns
``SPEI01`` to ``SPEI48`` and no dates. Later downloads are separated by semicolons and have a column of dates (called
``dates``, or ``days since 1900-1-1``). Tables with columns of year and month are read as well.
"""

from __future__ import annotations

import calendar
import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import compression, registry
from helpers.products.errors import DamagedFile, ProductError
from helpers.products.site_table import FETCH, LONGEST, YEARS, needed_of, numbers_of, parse_text, separator_of
from helpers.space.grid import LAT, LON

SCALE = re.compile(r"^spei[ _.-]?0*(\d{1,2})?$", re.IGNORECASE)
DATES = ("dates", "date", "time")
PLACE = {"lat": ("lat", "latitude"), "lon": ("lon", "longitude", "long")}
START = re.compile(rf"starting (?:on|in) ({'|'.join(calendar.month_name[1:])}) (\d{{4}})", re.IGNORECASE)
MOST_DAYS = 200 * 366


def read(
    path: Path,
    years: list[int],
    month: int | None,
    lat: float | None,
    lon: float | None,
    wanted_scales: Iterable[int] | None = None,
) -> tuple[dict[str, xr.DataArray], dict[Path, tuple[str, str]]]:
    """Read one place's series.

    Parameters
    ----------
    years : list of int
        Calendar years.
    month : int or None
        Which month of each year; None for all.
    lat, lon : float or None
        The place, degrees; by default what the file's columns or its name tell, else NaN.

    wanted_scales : iterable of int, optional
        Scales to read; by default all that have a column.

    Returns
    -------
    fields : dict of str to DataArray
        ``spei12``, …: (year, lat, lon), or (time, lat, lon) where ``month`` is None; one cell.
    told : dict of Path to tuple of str
        Version of SPEI and of the CRU TS below it, empty where the file tells none.

    Raises
    ------
    DamagedFile
        The file is no such table, or a row is cut short.
    ProductError
        A date, a month or a place is not there, there twice, or none.
    """
    about, table = _table(path)
    when = _months(table, about, path)
    wanted = [12 * year + m - 1 for year in years for m in ([month] if month else range(1, 13))]
    rows = _rows(when, wanted, path)
    place = {"lat": _place(table, path, "lat", lat), "lon": _place(table, path, "lon", lon)}
    if month:
        first = ("year", xr.Variable("year", years, {"long_name": "calendar year"}))
    else:
        stamps = pd.to_datetime([f"{m // 12:04d}-{m % 12 + 1:02d}-01" for m in wanted])
        first = ("time", xr.Variable("time", stamps, {"long_name": "month, by its first day", "standard_name": "time"}))
    coords = {first[0]: first[1], "lat": ("lat", [place["lat"]], LAT), "lon": ("lon", [place["lon"]], LON)}
    fields, scales = {}, _scales(table, path)
    if missing := sorted(set(wanted_scales or ()) - set(scales.values())):
        there = ", ".join(str(scale) for scale in scales.values())
        raise ProductError(f"{path}: expected SPEI over {missing[0]} months, found {there}; give another file")
    for column, scale in scales.items():
        if wanted_scales is not None and scale not in wanted_scales:
            continue
        values = numbers_of(table, path, column, registry.limits("spei12"), hint=FETCH)[rows].astype("float32")
        fields[f"spei{scale}"] = xr.DataArray(values[:, None, None], coords, (first[0], "lat", "lon"))
    version = re.search(r"version:?\s*v?(\d+\.\d+)", about, re.IGNORECASE)
    rests = re.search(r"CRU TS ?v?(\d+\.\d+)", about)
    return fields, {path: (version[1] if version else "", rests[1] if rests else "")}


def _table(path: Path) -> tuple[str, pd.DataFrame]:
    """Return what stands above the header, and the rows below it as text."""
    with compression.opened(path) as plain:
        content = plain.read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = content.decode("latin-1").splitlines()  # the description holds a name with an accent
    at = next((k for k, line in enumerate(lines) if any(SCALE.match(name) for name in _names(line))), None)
    if at is None:
        raise DamagedFile(f"{path}: expected a table with columns such as SPEI12, found none; fetch it again")
    return " ".join(lines[:at]), parse_text("\n".join(lines[at:]), path, FETCH, at)


def _names(line: str) -> list[str]:
    """Return a line's fields."""
    line = line[:LONGEST]
    return [name.strip() for name in next(csv.reader([line], delimiter=separator_of(line)), [])]


def _scales(table: pd.DataFrame, path: Path) -> dict[str, int]:
    """Return which columns hold which scale; a column named SPEI alone has the scale of the file's name."""
    scales = {}
    for name in table.columns:
        if found := SCALE.match(name):
            of_name = re.search(r"spei[ _.-]?0*(\d{1,2})(?!\.?\d)", path.name, re.IGNORECASE)
            scale = found[1] or (of_name[1] if of_name else None)
            if scale is None:
                raise ProductError(f"{path}: expected a column such as SPEI12, found SPEI; rename it by its months")
            if int(scale) in scales.values():
                raise ProductError(f"{path}: expected one column a time scale, found two of {scale}; remove one")
            scales[name] = int(scale)
    return scales


def _column(table: pd.DataFrame, *names: str) -> str | None:
    return next((column for name in names for column in table.columns if column.lower() == name), None)


def _months(table: pd.DataFrame, about: str, path: Path) -> np.ndarray:
    """Return each row's month, counted from the beginning of the calendar."""
    year, month = _column(table, "year"), _column(table, "month")
    counted = next((name for name in table.columns if re.match(r"days since \d", name, re.IGNORECASE)), None)
    dates = _column(table, *DATES)
    if year and month:
        y, m = (needed_of(table, path, name, *limits, whole=True) for name, limits in ((year, YEARS), (month, (1, 12))))
        return 12 * y + m - 1
    if counted and pd.to_numeric(table[counted], errors="coerce").notna().all():
        days = needed_of(table, path, counted, 0, MOST_DAYS)
        try:
            return _of_stamps(pd.Timestamp(re.sub(r"(?i)days since ", "", counted)) + pd.to_timedelta(days, unit="D"))
        except ValueError as error:
            raise ProductError(
                f"{path}: expected a column such as 'days since 1900-1-1', found {counted!r}; correct it"
            ) from error
    if dates or counted:
        return _of_stamps(_dates(table[dates or counted], path, dates or counted))
    if start := START.search(about):
        first = 12 * int(start[2]) + [name.lower() for name in calendar.month_name].index(start[1].lower()) - 1
        return first + np.arange(len(table))
    raise ProductError(
        f"{path}: expected a column of dates, or of year and month, or 'starting on January 1901' above the header; "
        "add one"
    )


def _dates(column: pd.Series, path: Path, name: str) -> pd.DatetimeIndex:
    forms = ("ISO8601", "%Y%m", "%Y%m%d", "%m/%Y", "%d/%m/%Y")
    read = [pd.to_datetime(column.str.strip(), format=form, errors="coerce") for form in forms]
    stamps = min(read, key=lambda each: int(each.isna().sum()))
    if stamps.isna().any():
        row = stamps.index[stamps.isna()][0]
        raise ProductError(
            f"{path}: row {row}, column {name!r}: expected a date such as 2000-12-01, found {column[row]!r}; rewrite it"
        )
    return pd.DatetimeIndex(stamps)


def _of_stamps(stamps: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(12 * stamps.year + stamps.month - 1)


def _rows(when: np.ndarray, wanted: list[int], path: Path) -> np.ndarray:
    at = [np.flatnonzero(when == month) for month in wanted]
    for month, found in zip(wanted, at, strict=True):
        if found.size != 1:
            named = f"{month // 12}-{month % 12 + 1:02d}"
            raise ProductError(f"{path}: expected {named} once, found it {found.size} times; check years")
    return np.concatenate(at)


def _place(table: pd.DataFrame, path: Path, axis: str, given: float | None) -> float:
    """Return a latitude or a longitude: as given, or of the table's column, or of the file's name, or NaN."""
    limit = 90 if axis == "lat" else 180
    found = None
    if given is not None:
        found = float(given)
    elif column := _column(table, *PLACE[axis]):
        told = np.unique(needed_of(table, path, column, -limit, 2 * limit if axis == "lon" else limit))
        if told.size > 1:
            raise ProductError(f"{path}: expected one place, found {told.size} of {column}; give one place a file")
        found = float(told[0])
    elif named := re.search(r"spei_(-?\d+(?:\.\d+)?)_(-?\d+(?:\.\d+)?)(?=\.csv|\.txt)", path.name, re.IGNORECASE):
        found = float(named[2 if axis == "lat" else 1])
    if found is not None and axis == "lon" and 180 < found <= 360:
        found -= 360
    if found is not None and not abs(found) <= limit:
        raise ProductError(f"{path}: expected {axis} within ±{limit} degrees, found {found:g}; correct it")
    return np.nan if found is None else found
