"""CRU TS: monthly temperature, precipitation and potential evapotranspiration over land at 0.5 degrees.

Harris et al. (2020), doi:10.1038/s41597-020-0453-3. With d_m the days of month m, a year's values are

    mat = sum(d_m T_m) / sum(d_m),   map = sum(P_m),   pet = sum(d_m E_m),

since ``tmp`` is a monthly mean (degC), ``pre`` a monthly sum (mm), and ``pet`` a mean daily rate (mm per day). Months
weigh by their length, so that February counts 28 days and not a twelfth of the year. The files come as the whole record
or in blocks of ten years, which are joined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import xarray as xr

from helpers.products import netcdf, series
from helpers.products.errors import ProductError
from helpers.products.registry import Field, Product, describe

UNITS = {
    "tmp": r"(deg(rees?)?[ _]?|°)?c(elsius)?",
    "pre": r"mm(\s*/\s*month|\s+month-1)?",
    "pet": r"mm\s*/\s*d(ay)?|mm\s+d(ay)?-1",
}
"""How the files write the units of each variable: a mean, a monthly sum, a daily rate. An empty unit is believed."""


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
        ``mat`` (degC), ``map`` or ``pet`` (mm yr-1) on (year, lat, lon); with ``monthly`` on (time, lat, lon), where
        ``time`` is the first day of the month. Lazy (dask) beyond 25.9 million cells, as a century of months is.
        Attribute ``incomplete_years`` names years that lack months, if there are any.

    Raises
    ------
    ProductError
        A year or month is not there or there twice, or the file holds another quantity.
    """
    (field,) = product.fields
    years = list(years)
    steps = series.index(field.stored, paths)
    series.require_years(steps, product.id, years)
    series.require(steps, product.id, years, allow_partial)
    make, combine = (series.monthly, _months) if monthly else (series.yearly, _year)
    values = make(steps, years, partial(_valid, field), partial(combine, field.stored))
    ds = describe(xr.Dataset({field.name: values}), product, ", ".join(product.versions(paths)))
    ds.attrs |= series.incomplete(steps, years)
    if monthly:
        ds[field.name].attrs |= {"units": product.notes["monthly_units"], "long_name": product.notes["monthly_name"]}
        ds[field.name].attrs.pop("cell_methods", None)
    return ds


def _valid(field: Field, values: xr.DataArray, path: Path) -> xr.DataArray:
    units = str(values.attrs.get("units", "")).strip()
    if units and not re.fullmatch(UNITS[field.stored], units, re.IGNORECASE):
        raise ProductError(
            f"{path}: expected {field.stored} in {field.units}, found {units!r}; is it a file of CRU TS as published?"
        )
    return netcdf.within(values, *field.valid, path)


def _months(stored: str, months: xr.DataArray, path: Path) -> xr.DataArray:
    return months * months["time"].dt.days_in_month if stored == "pet" else months


def _year(stored: str, months: xr.DataArray, path: Path) -> xr.DataArray:
    days = months["time"].dt.days_in_month
    match stored:
        case "tmp":
            return (months * days).sum("time", skipna=False) / days.sum()
        case "pet":
            return (months * days).sum("time", skipna=False)
        case "pre":
            return months.sum("time", skipna=False)
    raise ProductError(f"{path}: CRU TS variable {stored!r} has no rule; expected tmp, pre or pet")
