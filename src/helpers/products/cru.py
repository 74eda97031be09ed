"""CRU TS: monthly temperature, precipitation and potential evapotranspiration over land at 0.5 degrees.

Harris et al. (2020), doi:10.1038/s41597-020-0453-3. With d_m the days of month m, a year's values are

    mat = sum(d_m T_m) / sum(d_m),   map = sum(P_m),   pet = sum(d_m E_m),

since ``tmp`` is a monthly mean (degC), ``pre`` a monthly sum (mm), and ``pet`` a mean daily rate (mm per day). Months
weigh by their length, so that February counts 28 days and not a twelfth of the year.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import netcdf
from helpers.products.composites import stack
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    monthly: bool = False,
    allow_partial: bool = False,
) -> xr.Dataset:
    """Read CRU TS.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    monthly : bool
        Give months instead of years: degC, or mm month-1 (``pet`` multiplied by the days of its month).
    allow_partial : bool
        Accept years with missing months.

    Returns
    -------
    xarray.Dataset
        ``mat`` (degC), ``map`` or ``pet`` (mm yr-1) on (year, lat, lon); with ``monthly`` on (time, lat, lon).
    """
    (field,) = product.fields
    years = list(years)
    fields: dict[int, xr.DataArray] = {}
    for path in sorted(paths):
        with netcdf.opening(path) as ds:
            stored = netcdf.variable(ds, field.stored, path)
            for year in years:
                months = stored.isel(time=np.flatnonzero(stored["time"].dt.year == year))
                if months.sizes["time"]:
                    if year in fields:
                        raise ProductError(f"{path}: holds {year}, which another file holds too; remove one")
                    what = f"{product.id} {year}"
                    netcdf.require_months(what, path, year, months["time"].dt.month.values, allow_partial)
                    fields[year] = _months(field.stored, months) if monthly else _year(field.stored, months)
    missing = [year for year in years if year not in fields]
    if missing:
        raise ProductError(f"{product.id}: expected {missing[0]} in {paths[0]}, found no month of it; check years")
    ordered = {year: fields[year] for year in years}
    joined = xr.concat(list(ordered.values()), dim="time") if monthly else stack(ordered)
    ds = describe(xr.Dataset({field.name: joined}), product, ", ".join(product.versions(paths)))
    if monthly:
        ds[field.name].attrs["units"] = product.notes["monthly_units"]
    return ds


def _load(months: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    return netcdf.valid(months.load().astype("float64")), months["time"].dt.days_in_month


def _months(stored: str, months: xr.DataArray) -> xr.DataArray:
    values, days = _load(months)
    return (values * days if stored == "pet" else values).astype("float32")


def _year(stored: str, months: xr.DataArray) -> xr.DataArray:
    values, days = _load(months)
    match stored:
        case "tmp":
            year = (values * days).sum("time", skipna=False) / days.sum()
        case "pet":
            year = (values * days).sum("time", skipna=False)
        case "pre":
            year = values.sum("time", skipna=False)
        case _:
            raise ValueError(f"CRU TS variable {stored!r} has no rule; expected tmp, pre or pet")
    return year.astype("float32")
