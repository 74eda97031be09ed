"""Climate and drought: CRU TS, SPEIbase (maps, and series of one place), and tables of monthly climate at sites.

*CRU TS* (Harris et al. 2020, doi:10.1038/s41597-020-0453-3): monthly means of temperature (``tmp``, degC), sums of
precipitation (``pre``, mm) and mean daily rates of potential evapotranspiration (``pet``, mm per day) over land at 0.5
degrees, as the whole record or in blocks of ten years. With d_m the days of month m, a year's values are

    mat = sum(d_m T_m) / sum(d_m),   map = sum(P_m),   pet = sum(d_m E_m),

so that February counts 28 days and not a twelfth of the year.

*SPEIbase* (Begueria et al. 2010, doi:10.1175/2010BAMS2988.1): the drought index at any scale from 1 to 48 months, on
CRU's grid, one file a scale. The December value over 12 months sums the water balance of the calendar year; over 24 and
36 months that of two and of three years. To compute the index instead of reading it, see `helpers.stats.spei`. For one
place the database and the Global Drought Monitor hand out CSV files with a column a scale: up to version 2.5 they are
named by the place (``spei_-78.25_38.75.csv``, longitude first), begin with a line of description ("… starting on
January 1901 … Version: 2.5 …") and have no dates; later ones have a column of dates, or of days since a date.

*Tables at sites*: least and greatest temperature and precipitation, a row a site and month, for a water balance.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import DamagedFile, Product, ProductError, describe, limits, netcdf
from helpers.products.files import opened, plain_name
from helpers.products.site_table import (
    FETCH,
    LONGEST,
    column_of,
    needed_of,
    numbers_of,
    one_file,
    parse,
    refuse,
    refuse_twice,
    refuse_two_places,
    rows,
)
from helpers.space.grid import coords, together

UNITS = {
    "tmp": r"(deg(rees?)?[ _]?|°)?c(elsius)?",
    "pre": r"mm(\s*/\s*month|\s+month-1)?",
    "pet": r"mm\s*/\s*d(ay)?|mm\s+d(ay)?-1",
}
"""How CRU TS writes the units of each variable: a mean, a monthly sum, a daily rate. An empty unit is believed."""

SCALE = re.compile(r"^spei[ _.-]?0*(\d{1,2})?$", re.IGNORECASE)
"""What a column of an SPEI series is called."""

COLUMNS = ("site", "year", "month", "lat", "tmin", "tmax", "precipitation")
"""Columns of a table at sites, which are called so unless told otherwise."""

RATES = ("mm d-1", "mm month-1")


# --- CRU TS ----------------------------------------------------------------------------------------------------------


def read_cru(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int] | None = None,
    monthly: bool = False,
    allow_partial: bool = False,
) -> xr.Dataset:
    """Read CRU TS.

    Parameters
    ----------
    years : iterable of int, optional
        Calendar years; by default from the first to the last of the files.
    monthly : bool
        Give months instead of years; ``pet`` is multiplied by the days of its month.
    allow_partial : bool
        Accept years with missing months.

    Returns
    -------
    xarray.Dataset
        ``mat`` (degC), ``map`` or ``pet`` (mm yr-1) on (year, lat, lon), or degC or mm month-1 on (time, lat, lon),
        where ``time`` is the first day of the month; ``incomplete_years`` names years that lack months. Lazy (dask)
        beyond 25.9 million cells.

    Raises
    ------
    ProductError
        A year or month is not there or there twice, or a file is of another version or quantity.
    """
    (field,) = product.fields

    def of_month(values: xr.DataArray, path: Path) -> xr.DataArray:
        units = str(values.attrs.get("units", "")).strip()
        if units and not re.fullmatch(UNITS[field.stored], units, re.IGNORECASE):
            remedy = "is it a file of CRU TS as published?"
            raise ProductError(f"{path}: expected {field.stored} in {field.units}, found {units!r}; {remedy}")
        known = netcdf.without_fills(values, *field.valid, path)
        return known * known["days"] if field.stored == "pet" else known

    series = netcdf.index(field.stored, paths)
    held = series.steps["year"]
    years = range(held.min(), held.max() + 1) if years is None else list(years)
    lacking = series.require(product.id, years, allow_partial=allow_partial)
    values = netcdf.fields(series, years, of_month, mean=field.stored == "tmp", monthly=monthly)
    ds = describe(xr.Dataset({field.name: values}), product, ", ".join(product.versions(paths))).assign_attrs(lacking)
    if monthly:
        ds[field.name].attrs |= {"units": product.notes["monthly_units"], "long_name": product.notes["monthly_name"]}
        ds[field.name].attrs.pop("cell_methods", None)
    return ds


# --- SPEI ------------------------------------------------------------------------------------------------------------


def read_spei(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    monthly: bool = False,
    scales: Iterable[int] | None = None,
) -> xr.Dataset:
    """Read SPEIbase, or a point series of it.

    Parameters
    ----------
    years : iterable of int
        Calendar years, of which the index of December is given.
    monthly : bool
        Give all months.
    scales : iterable of int, optional
        Time scales to read, months; by default all that there are.

    Returns
    -------
    xarray.Dataset
        ``spei12``, ``spei24``, … (1), one a scale, on (year, lat, lon) or (time, lat, lon); a series has one cell, with
        NaN for a place that its name does not tell. ``rests_on``: the version of CRU TS below, empty where it is not
        known. Lazy (dask) beyond 25.9 million cells.

    Raises
    ------
    ProductError
        A year, month or scale is not there or there twice, or a file is not what it should be.
    """
    years, months = list(years), range(1, 13) if monthly else [12]
    points = [path for path in paths if plain_name(path.name).lower().endswith((".csv", ".txt"))]
    if points and len(paths) > 1:
        raise ProductError(f"{points[0]}: expected a point series by itself, found {len(paths) - 1} more; give one")
    if points:
        out, text = _place_series(points[0], years, months, monthly, scales)
        told = {points[0]: (_version(r"version:?\s*v?", text), _version(r"CRU TS ?v?", text))}
    else:
        out, told = {}, {}

        def of_month(values: xr.DataArray, path: Path) -> xr.DataArray:
            return netcdf.without_fills(values, *limits("spei12"), path)

        for scale, path in _wanted(_files(product, paths), scales, paths[0].parent).items():
            series = netcdf.index(product.notes["variable"], [path])
            series.require("spei", years, months)
            out[f"spei{scale}"] = netcdf.fields(series, years, of_month, months=months, monthly=monthly)
            version = _version("", str(series.attributes.get("version", "")))
            text = " \n".join(str(value) for value in series.attributes.values() if isinstance(value, str))
            told[path] = version or product.match(path)["version"] or "", _version(r"CRU TS ?v?", text)
        names = [f"{path}: {name}" for path, name in zip(told, out, strict=True)]
        out = dict(zip(out, together(*out.values(), names=names), strict=True))
    if len(set(told.values())) > 1:
        named = ", ".join(f"{path.name} of {version or 'no'}" for path, (version, _) in told.items())
        raise ProductError(f"{paths[0].parent}: expected SPEI of one version, found {named}; keep one version")
    version, rests_on = next(iter(told.values()))
    known = product.notes["rests_on"]
    if not version:  # early files name only the CRU TS below them
        version = next((spei for spei, cru in known.items() if cru == rests_on), product.version)
    ds = describe(xr.Dataset(out), product, version).assign_attrs(rests_on=rests_on or known.get(version, ""))
    if monthly:
        for values in ds.data_vars.values():
            values.attrs["long_name"] = values.attrs["long_name"].replace("December", "each month")
    return ds


def _version(before: str, text: str) -> str:
    found = re.search(rf"{before}(\d+\.\d+)", text, re.IGNORECASE)
    return found[1] if found else ""


def _files(product: Product, paths: list[Path]) -> dict[int, list[Path]]:
    """Return the files of each scale, as their names tell it."""
    told: dict[int, list[Path]] = {}
    for path in paths:
        told.setdefault(int(product.match(path)["scale"]), []).append(path)
    return told


def _wanted(there: Mapping[int, list], scales: Iterable[int] | None, where: Path) -> dict[int, Path | str]:
    """Return the one file, or column, of each scale that is asked for, by default of all."""
    wanted = sorted(set(there if scales is None else scales))
    for scale in wanted:
        if len(of_scale := there.get(scale, [])) != 1:
            found = " and ".join(str(getattr(each, "name", each)) for each in of_scale)
            found = found or f"SPEI over {', '.join(map(str, sorted(there)))} months"
            raise ProductError(f"{where}: expected SPEI over {scale} months once, found {found}; keep or add one")
    return {scale: there[scale][0] for scale in wanted}


def _place_series(
    path: Path, years: list[int], months: Iterable[int], monthly: bool, wanted: Iterable[int] | None
) -> tuple[dict[str, xr.DataArray], str]:
    """Read the series of one place; return fields of one cell by name, and what stands above the table."""
    with opened(path) as plain:
        lines = plain.read_bytes().decode("utf-8-sig", "replace").splitlines()  # names have accents of any encoding
    columns = [[cell.strip(' "') for cell in re.split(r"[,;\t|]", line[:LONGEST])] for line in lines]
    at = next((k for k, cells in enumerate(columns) if any(map(SCALE.match, cells))), None)
    if at is None:
        raise DamagedFile(f"{path}: expected a table with columns such as SPEI12, found none; fetch it again")
    above, table = " ".join(lines[:at]), parse("\n".join(lines[at:]).encode(), path, FETCH, at)
    of_name = re.search(r"spei[ _.-]?0*(\d{1,2})(?!\.?\d)", path.name, re.IGNORECASE)
    scales: dict[int, list[str]] = {}
    for name in table.columns:
        if found := SCALE.match(name):
            scale = found[1] or (of_name[1] if of_name else None)  # a column named SPEI alone has that of the file
            if scale is None:
                raise ProductError(f"{path}: expected a column such as SPEI12, found SPEI; rename it by its months")
            scales.setdefault(int(scale), []).append(name)
    position = pd.Series(range(len(table)), index=_months(table, above, path))
    when = [(year, month) for year in years for month in months]
    for year, month in when:
        if (count := (position.index == 12 * year + month - 1).sum()) != 1:
            raise ProductError(f"{path}: expected {year}-{month:02d} once, found it {count} times; check years")
    taken = position[[12 * year + month - 1 for year, month in when]].values
    first = netcdf.first_days(*zip(*when, strict=True)) if monthly else ("year", years, {"long_name": "calendar year"})
    named = re.search(r"spei_(-?\d+(?:\.\d+)?)_(-?\d+(?:\.\d+)?)(?=\.csv|\.txt)", path.name, re.IGNORECASE)
    lon, lat = map(float, named.groups()) if named else (np.nan, np.nan)
    if abs(lat) > 90 or abs(lon) > 360:  # numbers of another kind
        lon, lat = np.nan, np.nan
    lon = (lon + 180) % 360 - 180 if abs(lon) > 180 else lon
    at = {first[0]: first} | coords([lat], [lon])
    fields = {}
    for scale, column in _wanted(scales, wanted, path).items():
        values = numbers_of(table, path, column, limits("spei12"), hint=FETCH)[taken].astype("float32")
        fields[f"spei{scale}"] = xr.DataArray(values[:, None, None], at, (first[0], "lat", "lon"))
    return fields, above


def _months(table: pd.DataFrame, above: str, path: Path) -> np.ndarray:
    """Return each row's month, counted from January of the year 0."""
    known = {name.lower(): name for name in table.columns}
    counted = next((name for name in known if re.match(r"days since \d", name)), None)
    dated = next((known[name] for name in ("dates", "date", "time", counted) if name in known), None)
    if dated is None:
        month_names = "|".join(calendar.month_name[1:])
        start = re.search(rf"starting (?:on|in) ((?:{month_names}) \d{{4}})", above, re.IGNORECASE)
        if not start:
            expected = "a column of dates, or 'starting on January 1901' above the header"
            raise ProductError(f"{path}: expected {expected}, found none; add one")
        first = pd.to_datetime(start[1], format="%B %Y")
        return 12 * first.year + first.month - 1 + np.arange(len(table))
    texts = table[dated].str.strip()
    if dated.lower() == counted and pd.to_numeric(texts, errors="coerce").notna().all():
        days = needed_of(table, path, dated, 0, 200 * 366)
        origin = pd.to_datetime(counted.removeprefix("days since "), errors="coerce")
        if pd.isna(origin):
            raise ProductError(f"{path}: expected a column such as 'days since 1900-1-1', found {dated!r}; correct it")
        stamps = pd.Series(pd.to_datetime(days, unit="D", origin=origin))
    else:
        stamps = pd.to_datetime(texts, format="ISO8601", errors="coerce")
        refuse(texts, path, stamps.isna().to_numpy(), "a date such as 2000-12-01", "rewrite it")
    return (12 * stamps.dt.year + stamps.dt.month - 1).to_numpy()


# --- tables at sites -------------------------------------------------------------------------------------------------


def read_sites(
    product: Product,
    paths: Sequence[Path | str],
    *,
    columns: Mapping[str, str] | None = None,
    precipitation: str = "mm month-1",
) -> xr.Dataset:
    """Read a table of monthly climate at sites.

    Parameters
    ----------
    columns : mapping of str to str, optional
        Column names that differ from `COLUMNS`.
    precipitation : {"mm month-1", "mm d-1"}
        Unit of the precipitation in the file.

    Returns
    -------
    xarray.Dataset
        ``tmin``, ``tmax`` degC and ``precipitation`` mm month-1 on (site, time), NaN in months without a row; ``lat``
        (site), degrees north. Time runs over all months from the first to the last of the table.

    Raises
    ------
    ProductError
        A column is not there, or a cell is no number or cannot be.
    DamagedFile
        The table is empty, none at all, or a row of it is cut short.
    """
    if precipitation not in RATES:
        raise ProductError(f"precipitation: expected a unit among {', '.join(RATES)}, found {precipitation!r}")
    if unknown := [name for name in columns or () if name not in COLUMNS]:
        found = f"expected columns for {', '.join(COLUMNS)}, found one for {unknown[0]!r}"
        raise ProductError(f"columns (climate_columns in a profile): {found}; correct it")
    path, names = one_file(paths, product.id), {name: str((columns or {}).get(name, name)).strip() for name in COLUMNS}
    table = rows(path)
    frame = pd.DataFrame({name: column_of(table, path, name, names[name]) for name in COLUMNS[:-1]}, index=table.index)
    refuse_twice(frame[["site", "year", "month"]], path)
    expected = f"no more than {names['tmax']}"
    wrong = (frame["tmin"] > frame["tmax"]).to_numpy()
    refuse(table[names["tmin"]], path, wrong, expected, "are the columns swapped?")
    shortest = 28.0 if precipitation == "mm d-1" else 1.0  # of a month, in days: the widest limits of a rate
    hint = f"it is read as {precipitation}; correct or empty it"
    frame["precipitation"] = numbers_of(table, path, names["precipitation"], limits("precipitation"), shortest, hint)
    refuse_two_places(frame[["site", "lat"]].assign(lon=0.0), path)
    frame["time"] = pd.to_datetime(frame[["year", "month"]].assign(day=1))
    every = pd.date_range(frame["time"].min(), frame["time"].max(), freq="MS")
    cube = frame.set_index(["site", "time"])[["tmin", "tmax", "precipitation"]].to_xarray().reindex(time=every)
    if precipitation == "mm d-1":
        cube["precipitation"] = cube["precipitation"] * cube["time"].dt.days_in_month
    cube["lat"] = ("site", frame.groupby("site")["lat"].first().reindex(cube["site"].values).to_numpy())
    cube = describe(cube.assign_coords(site=cube["site"].astype(str)), product, path.name)
    cube["lat"].attrs["units"] = "degrees_north"
    return cube
