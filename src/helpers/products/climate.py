"""Climate and drought: CRU TS, SPEIbase, and tables of monthly climate at sites.

*CRU TS* (Harris et al. 2020, doi:10.1038/s41597-020-0453-3): monthly means of temperature (``tmp``, degC), sums of
precipitation (``pre``, mm) and mean daily rates of potential evapotranspiration (``pet``, mm per day) over land at 0.5
degrees, as the whole record or in blocks of ten years. With d_m the days of month m, a year's values are

    mat = sum(d_m T_m) / sum(d_m),   map = sum(P_m),   pet = sum(d_m E_m),

so that February counts 28 days and not a twelfth of the year.

*SPEIbase* (Begueria et al. 2010, doi:10.1175/2010BAMS2988.1): the drought index at any scale from 1 to 48 months, on
CRU's grid, one file a scale. The December value over 12 months sums the water balance of the calendar year; over 24 and
36 months that of two and of three years. To compute the index instead of reading it, see `helpers.stats.spei`.

*Tables at sites*: least and greatest temperature and precipitation, a row a site and month, for a water balance.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from helpers.products import Product, ProductError, describe, limits, netcdf
from helpers.products.site_table import (
    column_of,
    in_the_gulf,
    named,
    numbers_of,
    one_file,
    refuse,
    refuse_twice,
    refuse_two_places,
    rows,
)
from helpers.products.units import refuse_other
from helpers.space.grid import together

UNITS = {
    "tmp": r"(deg(rees?)?[ _]?|°)?c(elsius)?",
    "pre": r"mm(\s*/\s*month|\s+month-1)?",
    "pet": r"mm\s*/\s*d(ay)?|mm\s+d(ay)?-1",
}
"""How CRU TS writes the units of each variable: a mean, a monthly sum, a daily rate. An empty unit is believed."""

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
    scales: Iterable[int] | None = None,
) -> xr.Dataset:
    """Read SPEIbase.

    Parameters
    ----------
    years : iterable of int
        Calendar years, of which the index of December is given.
    scales : iterable of int, optional
        Time scales to read, months; by default all that there are.

    Returns
    -------
    xarray.Dataset
        ``spei12``, ``spei24``, … (1), one a scale, on (year, lat, lon).
        ``rests_on``: the version of CRU TS below, empty where it is not known. Lazy (dask) beyond 25.9 million cells.

    Raises
    ------
    ProductError
        A year, month or scale is not there or there twice, or a file is not what it should be.
    """
    years, of_scales = list(years), {}
    out, told = {}, {}

    def of_month(values: xr.DataArray, path: Path) -> xr.DataArray:
        return netcdf.without_fills(values, *limits("spei12"), path)

    for path in paths:
        of_scales.setdefault(int(product.match(path)["scale"]), []).append(path)
    for scale in sorted(set(of_scales if scales is None else scales)):
        if len(of_scale := of_scales.get(scale, [])) != 1:
            found = " and ".join(path.name for path in of_scale)
            found = found or f"SPEI over {', '.join(map(str, sorted(of_scales)))} months"
            raise ProductError(
                f"{paths[0].parent}: expected SPEI over {scale} months once, found {found}; keep or add one"
            )
        series = netcdf.index(product.notes["variable"], of_scale)
        series.require("spei", years, [12])
        out[f"spei{scale}"] = netcdf.fields(series, years, of_month, months=[12])
        version = _version("", str(series.attributes.get("version", "")))
        text = " \n".join(str(value) for value in series.attributes.values() if isinstance(value, str))
        told[of_scale[0]] = version or product.match(of_scale[0])["version"] or "", _version(r"CRU TS ?v?", text)
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
    return ds


def _version(before: str, text: str) -> str:
    found = re.search(rf"{before}(\d+\.\d+)", text, re.IGNORECASE)
    return found[1] if found else ""


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
    columns = named(columns or {}, "columns (climate_columns in a profile)")
    if unknown := [name for name in columns if name not in COLUMNS]:
        found = f"expected columns for {', '.join(COLUMNS)}, found one for {unknown[0]!r}"
        raise ProductError(f"columns (climate_columns in a profile): {found}; correct it")
    path, names = one_file(paths, product.id), {name: str(columns.get(name, name)).strip() for name in COLUMNS}
    table = rows(path)
    frame = pd.DataFrame({name: column_of(table, path, name, names[name]) for name in COLUMNS[:-1]}, index=table.index)
    refuse_twice(frame[["site", "year", "month"]], path)
    expected = f"no more than {names['tmax']}"
    wrong = (frame["tmin"] > frame["tmax"]).to_numpy()
    refuse(table[names["tmin"]], path, wrong, expected, "are the columns swapped?")
    shortest = 28.0 if precipitation == "mm d-1" else 1.0  # of a month, in days: the widest limits of a rate
    refuse_other(table, path, "precipitation", names["precipitation"], units=precipitation)
    hint = f"it is read as {precipitation}; correct or empty it"
    frame["precipitation"] = numbers_of(table, path, names["precipitation"], limits("precipitation"), shortest, hint)
    refuse_two_places(frame[["site", "lat"]].assign(lon=0.0), path)
    if in_the_gulf(frame["lat"], 0.0):
        warnings.warn(
            f"{path}: column {names['lat']!r}: expected degrees, found {frame['lat'].min():g} to "
            f"{frame['lat'].max():g}; if they are radians, write degrees",
            stacklevel=3,
        )
    frame["time"] = pd.to_datetime(frame[["year", "month"]].assign(day=1))
    every = pd.date_range(frame["time"].min(), frame["time"].max(), freq="MS")
    cube = frame.set_index(["site", "time"])[["tmin", "tmax", "precipitation"]].to_xarray().reindex(time=every)
    if precipitation == "mm d-1":
        cube["precipitation"] = cube["precipitation"] * cube["time"].dt.days_in_month
    cube["lat"] = ("site", frame.groupby("site")["lat"].first().reindex(cube["site"].values).to_numpy())
    cube = describe(cube.assign_coords(site=cube["site"].astype(str)), product, path.name)
    cube["lat"].attrs["units"] = "degrees_north"
    return cube
