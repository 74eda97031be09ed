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

from helpers.grid import LAT, LON
from helpers.products import packed
from helpers.products.errors import DamagedFile, ProductError

SCALE = re.compile(r"^spei[ _.-]?0*(\d{1,2})?$", re.IGNORECASE)
SEPARATORS = ";,\t"
DATES = ("dates", "date", "time")
PLACE = {"lat": ("lat", "latitude"), "lon": ("lon", "longitude", "long")}
START = re.compile(rf"starting (?:on|in) ({'|'.join(calendar.month_name[1:])}) (\d{{4}})", re.IGNORECASE)
MISSING = ("", "na", "n/a", "nan", "null", "inf", "-inf", "none")
LARGEST = 40.0
"""Numbers beyond are fills (1e30, -9999): no standard normal score is one."""


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
        values = _numbers(table[column], path, column)[rows].astype("float32")
        fields[f"spei{scale}"] = xr.DataArray(values[:, None, None], coords, (first[0], "lat", "lon"))
    version = re.search(r"version:?\s*v?(\d+\.\d+)", about, re.IGNORECASE)
    rests = re.search(r"CRU TS ?v?(\d+\.\d+)", about)
    return fields, {path: (version[1] if version else "", rests[1] if rests else "")}


def _table(path: Path) -> tuple[str, pd.DataFrame]:
    """Return what stands above the header, and the rows below it as text."""
    with packed.opened(path) as plain:
        content = plain.read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = content.decode("latin-1").splitlines()  # the description holds a name with an accent
    at = next((k for k, line in enumerate(lines) if any(SCALE.match(name) for name in _split(line)[0])), None)
    if at is None:
        raise DamagedFile(f"{path}: expected a table with columns such as SPEI12, found none; fetch it again")
    names, separator = _split(lines[at])
    rows = [row for row in csv.reader(lines[at + 1 :], delimiter=separator) if row]
    for k, row in enumerate(rows):
        if len(row) != len(names):
            raise DamagedFile(
                f"{path}: row {at + k + 2}: expected {len(names)} fields, found {len(row)}; "
                "the file is damaged or cut short, so fetch it again"
            )
    if not rows:
        raise DamagedFile(f"{path}: expected rows below {', '.join(names[:3])}, found none; fetch it again")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ProductError(f"{path}: expected one column {twice[0]!r}, found {names.count(twice[0])}; remove one")
    return " ".join(lines[:at]), pd.DataFrame(rows, columns=names).apply(lambda column: column.str.strip())


def _split(line: str) -> tuple[list[str], str]:
    """Return a line's fields, and what separates them."""
    separator = max(SEPARATORS, key=line.count)
    return [name.strip() for name in next(csv.reader([line], delimiter=separator), [])], separator


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
        y, m = (_numbers(table[name], path, name) for name in (year, month))
        wrong = ~((y == np.floor(y)) & (m == np.floor(m)) & (m >= 1) & (m <= 12))
        if wrong.any():
            row = table[wrong].iloc[0]
            raise ProductError(f"{path}: expected a year and a month, found {row[year]!r} and {row[month]!r}")
        return (12 * y + m - 1).astype(int)
    if counted and pd.to_numeric(table[counted], errors="coerce").notna().all():
        start = pd.Timestamp(re.sub(r"(?i)days since ", "", counted))
        return _of_stamps(start + pd.to_timedelta(_numbers(table[counted], path, counted), unit="D"))
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
    for form in ("ISO8601", "%Y%m", "%Y%m%d", "%m/%Y", "%d/%m/%Y"):
        stamps = pd.to_datetime(column, format=form, errors="coerce")
        if stamps.notna().all():
            return pd.DatetimeIndex(stamps)
    raise ProductError(f"{path}: expected dates such as 2000-12-01 in {name!r}, found {column.iloc[0]!r}; rewrite them")


def _of_stamps(stamps: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(12 * stamps.year + stamps.month - 1)


def _rows(when: np.ndarray, wanted: list[int], path: Path) -> np.ndarray:
    at = [np.flatnonzero(when == month) for month in wanted]
    for month, found in zip(wanted, at, strict=True):
        if found.size != 1:
            named = f"{month // 12}-{month % 12 + 1:02d}"
            raise ProductError(f"{path}: expected {named} once, found it {found.size} times; check years")
    return np.concatenate(at)


def _numbers(column: pd.Series, path: Path, name: str) -> np.ndarray:
    """Return numbers as float64, NaN for what is missing; a decimal comma is one."""
    missing = column.str.lower().isin(MISSING)
    values = pd.to_numeric(column.where(~missing).str.replace(",", "."), errors="coerce").to_numpy("float64")
    wrong = np.isnan(values) & ~missing.to_numpy()
    if wrong.any():
        raise ProductError(f"{path}: expected numbers in {name!r}, found {column[wrong].iloc[0]!r}; fetch it again")
    return np.where(np.abs(values) < LARGEST, values, np.nan) if SCALE.match(name) else values


def _place(table: pd.DataFrame, path: Path, axis: str, given: float | None) -> float:
    """Return a latitude or a longitude: as given, or of the table's column, or of the file's name, or NaN."""
    limit = 90 if axis == "lat" else 180
    found = None
    if given is not None:
        found = float(given)
    elif column := _column(table, *PLACE[axis]):
        told = np.unique(_numbers(table[column], path, column))
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
