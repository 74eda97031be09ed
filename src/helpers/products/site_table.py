"""Tables of site-years: any CSV with one row a site and year, its columns mapped by name.

A table gives predictors at the towers themselves, so no map is needed. Most are known at the point only; where nine
columns hold a 3x3 neighbourhood, row by row from the north-west, they become one variable (sample, dy, dx).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import registry
from helpers.products.csv_columns import YEARS, classes_of, names_of, needed_of, numbers_of, refuse_twice
from helpers.products.csv_table import rows
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.products.towers import places

REQUIRED = ("site", "year", "lat", "lon", "reco")
PLAIN = ("site", "year", "lat", "lon", "igbp")
"""What has no unit to be changed, and so no factor."""

DIMENSIONS = ("sample", "dy", "dx")


def read(
    product: Product,
    paths: Sequence[Path | str],
    *,
    columns: Mapping[str, str | Sequence[str]],
    factors: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Read site-years.

    Parameters
    ----------
    paths : sequence of one path
        A CSV file with a header, as it is or packed (.gz, or alone in a .zip); separated by commas, semicolons, tabs
        or bars.
    columns : mapping of str to str or nine str
        For each variable, the column that holds it, or the nine columns of its 3x3 window. ``site``, ``year``,
        ``lat``, ``lon`` and ``reco`` must be there; ``reco_dt``, ``nee_qc`` (0 to 1) and ``igbp`` (abbreviation,
        number or name) may; every other name becomes a variable of its own.
    factors : mapping of str to float, optional
        What a column's numbers are multiplied by: ``{"reco": 0.001}`` takes RECO from g to kg.

    Returns
    -------
    Dataset (sample)
        The structure of tower products: ``reco``, ``reco_dt`` (kg m-2 yr-1), ``nee_qc`` (1), all NaN where the table
        has no such column; coordinates ``site``, ``year``, ``lat``, ``lon``, ``igbp`` (int8, -1 missing). Besides, the
        table's own variables, (sample) or (sample, dy, dx). Numbers that mark gaps are NaN (see `missing`).

    Raises
    ------
    ProductError
        For a parameter that cannot be, a column that is not there, a cell that is no number or that its variable
        cannot be, a site, year or place that is missing, a site-year twice, a site at two places.
    DamagedFile
        For a file that is empty or no text, or in which a row is cut short.
    """
    path = one_file(paths, product.id)
    columns = _columns(columns)
    factors = _factors(factors or {}, columns)
    table = rows(path)
    site = names_of(table, path, columns["site"])
    year = needed_of(table, path, columns["year"], *YEARS, whole=True)
    refuse_twice(pd.DataFrame({"site": site, "year": year}), path)
    at = {
        "lat": needed_of(table, path, columns["lat"], -90, 90),
        "lon": needed_of(table, path, columns["lon"], -180, 180),
    }
    _refuse_two_places(site, at["lat"], at["lon"], path)
    coords = {"site": site.to_numpy(dtype=str), "year": year, **at, "igbp": np.full(len(table), -1, dtype="int8")}
    if "igbp" in columns:
        coords["igbp"] = classes_of(table, path, columns["igbp"])
    variables = dict.fromkeys(("reco", "reco_dt", "nee_qc"), np.full(len(table), np.nan))
    for name, column in columns.items():
        if name not in PLAIN:
            variables[name] = _variable(table, path, name, column, factors.get(name, 1.0))
    ds = xr.Dataset(
        {name: (DIMENSIONS[: values.ndim], values) for name, values in variables.items()},
        coords={name: ("sample", values) for name, values in coords.items()},
    )
    ds = describe(ds, product, path.name)
    for name in ds:
        ds[name].attrs.setdefault("units", "")
        if name in columns:
            told = columns[name]
            ds[name].attrs["comment"] = (
                f"column {told}" if isinstance(told, str) else f"columns {told[0]} to {told[-1]}"
            )
    return ds


def one_file(paths: Sequence[Path | str], product: str) -> Path:
    """Return the one path there is.

    Raises
    ------
    ProductError, FileNotFoundError
        There are several, or there is no such file.
    """
    if len(paths) != 1:
        raise ProductError(f"{product}: expected one file, found {len(paths)}; join them or choose one")
    path = Path(paths[0])
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a CSV file, found nothing there; correct the path")
    return path


def _columns(columns: Mapping) -> dict[str, str | list[str]]:
    """Return the columns' names as the file's are: without blanks around them."""
    if not isinstance(columns, Mapping):
        raise ProductError(f"columns: expected variables and their columns, found {columns!r}; give a mapping")
    lacking = [name for name in REQUIRED if name not in columns]
    if lacking:
        raise ProductError(
            f"columns: expected a column for each of {', '.join(REQUIRED)}, found none for {lacking[0]!r}; name it"
        )
    told = {}
    for name, column in columns.items():
        several = isinstance(column, Sequence) and not isinstance(column, str)
        names = list(column) if several else [column]
        if not all(isinstance(each, str) and each.strip() for each in (name, *names)):
            raise ProductError(
                f"columns: {name}: expected the name of a column, or of nine, found {column!r}; write names, in quotes "
                "where they are numbers"
            )
        if several and (len(names) != 9 or name in (*REQUIRED, *PLAIN)):
            raise ProductError(
                f"columns: {name}: expected one column, or for a predictor the nine of a 3x3 window from the "
                f"north-west row by row, found {len(names)}; correct the list"
            )
        if name in DIMENSIONS:
            raise ProductError(f"columns: {name!r} is the name of a dimension; give the variable another name")
        told[name] = [each.strip() for each in names] if several else column.strip()
    return told


def _factors(factors: Mapping, columns: Mapping) -> dict[str, float]:
    if not isinstance(factors, Mapping):
        raise ProductError(f"factors: expected variables and their factors, found {factors!r}; give a mapping")
    for name, factor in factors.items():
        if name not in columns or name in PLAIN:
            known = ", ".join(each for each in columns if each not in PLAIN)
            raise ProductError(
                f"factors: expected variables of columns ({known}), found {name!r}; correct or remove it"
            )
        number = isinstance(factor, Real) and not isinstance(factor, bool | np.bool_)
        if not (number and math.isfinite(factor) and factor > 0):
            raise ProductError(
                f"factors: {name}: expected a number above 0, found {factor!r}; write it like 0.001, or remove it"
            )
    return {name: float(factor) for name, factor in factors.items()}


def _variable(table: pd.DataFrame, path: Path, name: str, column: str | list[str], factor: float) -> np.ndarray:
    """Return a variable (sample), or (sample, 3, 3) when nine columns hold it."""
    limits, hint = registry.limits(name), _hint(name, factor)
    if isinstance(column, str):
        return numbers_of(table, path, column, limits, factor, hint) * factor
    nine = [numbers_of(table, path, c, limits, factor, hint) for c in column]
    return np.stack(nine, axis=-1).reshape(-1, 3, 3) * factor


def _hint(name: str, factor: float) -> str:
    """Say what is wrong, most often, with numbers that a variable cannot be."""
    units, (low, high) = registry.attributes(name).get("units", ""), registry.limits(name)
    if units == "degC":
        return "is it in kelvin? write degrees Celsius"
    if factor != 1:
        return f"{name} is in {units}, by a factor of {factor:g}: correct or empty it, or correct the factor"
    if units == "kg m-2 yr-1":
        return f"{name} is in {units}: is the column in grams? give its factor, 0.001 (table_factors in a profile)"
    if (low, high) == (0, 1):
        return f"{name} is a share: is the column in percent? give its factor, 0.01 (table_factors in a profile)"
    unit = "no unit" if units in ("", "1") else units
    return f"{name} is in {unit}: correct or empty it, or give a factor (table_factors in a profile)"


def _refuse_two_places(site: pd.Series, lat: np.ndarray, lon: np.ndarray, path: Path) -> None:
    """Refuse a site that stands at two places; a few metres are one tower's."""
    here = pd.DataFrame({"site": site, "lat": lat, "lon": lon}).drop_duplicates()
    for name, rows_of_site in here.groupby("site", sort=False):
        spots = [places.Place(*spot) for spot in rows_of_site[["lat", "lon"]].itertuples(index=False)]
        far = places.apart(spots[:1], spots)[0] > places.SAME_PLACE_KM
        if far.any():
            at = int(np.argmax(far))
            first, other = rows_of_site.index[0], rows_of_site.index[at]
            raise ProductError(
                f"{path}: site {name}: expected one place, found {spots[0].lat:g}, {spots[0].lon:g} in row {first} and "
                f"{spots[at].lat:g}, {spots[at].lon:g} in row {other}; correct one, or give two towers two names"
            )
