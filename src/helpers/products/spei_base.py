"""SPEIbase: the drought index at any scale from 1 to 48 months, read from the published files.

Begueria et al. (2010), doi:10.1175/2010BAMS2988.1. One NetCDF file a time scale, monthly since 1901, on CRU TS's 0.5
degree grid, or one CSV file a place with a column a scale (see `spei_points`). The December value over 12 months sums
the water balance of the calendar year; over 24 and 36 months that of two and of three years. To compute the index
instead of reading it, see `helpers.stats.spei`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from helpers.products import netcdf, series, spei_points
from helpers.products.compression import plain_name
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.space.grid import together

LARGEST = 40.0
"""No standard normal score lies beyond: the smallest probability that a computer can hold has a score of -38."""


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    month: int = 12,
    monthly: bool = False,
    scales: Iterable[int] | None = None,
    lat: float | None = None,
    lon: float | None = None,
) -> xr.Dataset:
    """Read one month's index of each year, for each time scale that there is a file of.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    month : int
        1 to 12; the paper takes December.
    monthly : bool
        Give all months of these years instead of one a year. All twelve must be there.
    scales : iterable of int, optional
        Time scales to read, months; by default all that there are.
    lat, lon : float, optional
        Place of a point series (CSV), degrees, where neither its name nor its columns tell.

    Returns
    -------
    xarray.Dataset
        ``spei12``, ``spei24``, … (1), one for each scale in months, on (year, lat, lon), or with ``monthly`` on
        (time, lat, lon), where ``time`` is the first day of the month. A point series has one cell, with NaN for a
        place that nobody tells. Lazy (dask) beyond 25.9 million cells. Attribute ``rests_on``: the version of CRU TS
        below, empty where it is not known.

    Raises
    ------
    ProductError
        A year, month or scale is not there or there twice, or files are of several versions.
    """
    if month not in range(1, 13):
        raise ProductError(f"spei: expected month from 1 to 12, found {month!r}")
    years, when = list(years), None if monthly else month
    points = [path for path in paths if plain_name(path.name).lower().endswith((".csv", ".txt"))]
    if points and len(paths) > 1:
        raise ProductError(f"{points[0]}: expected a point series by itself, found {len(paths) - 1} more; give one")
    if points:
        out, told = spei_points.read(points[0], years, when, lat, lon, scales)
    else:
        out, told = _grids(product, _of_scales(product, paths, scales), years, when)
    if len(set(told.values())) > 1:
        named = ", ".join(f"{path.name} of {version or 'no'}" for path, (version, _) in told.items())
        raise ProductError(f"{paths[0].parent}: expected SPEI of one version, found {named}; keep one version")
    version, rests_on = next(iter(told.values()))
    known = product.notes["rests_on"]
    if not version:  # early files name only the CRU TS below them
        version = next((spei for spei, cru in known.items() if cru == rests_on), product.version)
    ds = describe(xr.Dataset(dict(zip(out, _joined(out, told), strict=True))), product, version).assign_attrs(
        rests_on=rests_on or known.get(version, "")
    )
    return _say_when(ds, when)


def _joined(out: dict[str, xr.DataArray], told: dict) -> list[xr.DataArray]:
    """Return the scales on one set of cells and months."""
    paths = list(told) if len(told) == len(out) else list(told) * len(out)
    try:
        return together(*out.values(), names=[f"{path}: {name}" for path, name in zip(paths, out, strict=True)])
    except ValueError as error:
        raise ProductError(f"{error}") from error


def _say_when(ds: xr.Dataset, month: int | None) -> xr.Dataset:
    for values in ds.data_vars.values():
        name = "each month" if month is None else calendar.month_name[month]
        values.attrs["long_name"] = values.attrs["long_name"].replace("December", name)
    return ds


def _of_scales(product: Product, paths: list[Path], scales: Iterable[int] | None) -> list[Path]:
    """Return the files of some scales, in the order of scales."""
    told = {path: int(product.match(path)["scale"]) for path in paths}
    wanted = set(told.values()) if scales is None else set(scales)
    if missing := sorted(wanted - set(told.values())):
        there = ", ".join(str(scale) for scale in sorted(set(told.values())))
        raise ProductError(f"{paths[0].parent}: expected SPEI over {missing[0]} months, found {there}; add its file")
    return sorted((path for path in paths if told[path] in wanted), key=lambda path: (told[path], path.name))


def _grids(product: Product, paths: list[Path], years: list[int], month: int | None) -> tuple[dict, dict]:
    """Read NetCDF files; return fields by name, and by file the versions that it tells."""
    out, told, files = {}, {}, {}
    for path in paths:
        name = f"spei{int(product.match(path)['scale'])}"
        if name in files:
            raise ProductError(f"{path}: expected one file a time scale, found {files[name]} too; remove one")
        files[name] = path.name
        steps = series.index(product.notes["variable"], [path])
        out[name] = _field(steps, path, years, month)
        with netcdf.opening(path, next(iter(steps.years.values()))[0].file.plain) as ds:
            version, rests_on = _versions(ds)
        told[path] = version or product.match(path)["version"] or "", rests_on
    return out, told


def _field(steps: series.Series, path: Path, years: list[int], month: int | None) -> xr.DataArray:
    if month is None:
        series.require_years(steps, "spei", years)
        series.require(steps, "spei", years, allow_partial=False)
        return series.monthly(steps, years, _valid, _as_it_is)
    for year in years:
        if year not in steps.years or month not in steps.months(year):
            raise ProductError(f"{path}: expected {year}-{month:02d} once, found it 0 times; check years")
    return series.yearly(steps.only(month), years, _valid, _only_one)


def _valid(values: xr.DataArray, path: Path) -> xr.DataArray:
    return netcdf.within(values, -LARGEST, LARGEST, path)


def _as_it_is(months: xr.DataArray, path: Path) -> xr.DataArray:
    return months


def _only_one(months: xr.DataArray, path: Path) -> xr.DataArray:
    return months.isel(time=0, drop=True)


def _versions(ds: xr.Dataset) -> tuple[str, str]:
    """Return the versions of SPEIbase and of the CRU TS it rests on, as far as the file tells."""
    version = re.search(r"(\d+\.\d+)", str(ds.attrs.get("version", "")))
    rests = re.search(r"CRU TS ?v?(\d+\.\d+)", netcdf.global_text(ds))
    return (version[1] if version else "", rests[1] if rests else "")


def remark(product: Product, version: str, climate_version: str) -> str:
    """Say in one sentence whether SPEI and climate come from the same CRU TS; empty when they do.

    Parameters
    ----------
    version, climate_version : str
        Versions of SPEIbase and of CRU TS.
    """
    rests = product.notes["rests_on"]
    below = rests.get(version)
    if below == climate_version or below is None:
        return ""
    match = next((spei for spei, cru in rests.items() if cru == climate_version), "")
    fits = f"; SPEIbase {match} matches {climate_version}" if match else ""
    return f"SPEIbase {version} rests on CRU TS {below}, temperature and precipitation on {climate_version}{fits}."
