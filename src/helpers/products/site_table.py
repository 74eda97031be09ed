"""Tables of site-years: any CSV with one row a site and year, its columns mapped by name.

A table gives predictors at the towers themselves, so no map is needed. Most are known at the point only; where nine
columns hold a 3x3 neighbourhood, row by row from the north-west, they become one variable (sample, dy, dx).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products.csv_table import EMPTY, column_of, numbers_of, refuse_twice, rows, whole_numbers, within
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.products.towers.places import IGBP

REQUIRED = ("site", "year", "lat", "lon", "reco")
LIMITS = {"lat": (-90.0, 90.0), "lon": (-180.0, 180.0)}
UNITS = {
    "nee_qc": "1",
    "evi": "1",
    "lai_months": "1",
    "evi_months": "1",
    "soc_0_30": "t ha-1",
}
"""Units of the variables of real tables that no map of the book holds."""


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
        A CSV file with a header, as it is or packed (.gz, or alone in a .zip).
    columns : mapping of str to str or nine str
        For each variable, the column that holds it, or the nine columns of its 3x3 window. ``site``, ``year``,
        ``lat``, ``lon`` and ``reco`` must be there; ``reco_dt``, ``nee_qc`` (0 to 1) and ``igbp`` (abbreviation or
        code) may; every other name becomes a variable of its own.
    factors : mapping of str to float, optional
        What a column's numbers are multiplied by: ``{"reco": 0.001}`` takes RECO from g to kg.

    Returns
    -------
    Dataset (sample)
        The structure of tower products: ``reco``, ``reco_dt`` (kg m-2 yr-1), ``nee_qc`` (1), all NaN where the table
        has no such column; coordinates ``site``, ``year``, ``lat``, ``lon``, ``igbp`` (int8, -1 missing). Besides, the
        table's own variables, (sample) or (sample, dy, dx).

    Raises
    ------
    ProductError
        For a column that is not there, a cell that is no number, a place that cannot be, a site-year twice.
    DamagedFile
        For a file that is empty, or in which a row is cut short.
    """
    path = one_file(paths, product.id)
    lacking = [name for name in REQUIRED if name not in columns]
    if lacking:
        raise ProductError(
            f"columns: expected a column for each of {', '.join(REQUIRED)}, found none for {lacking[0]!r}; name it"
        )
    table = rows(path)
    numbers = {
        name: _variable(table, path, name, column) * (factors or {}).get(name, 1.0)
        for name, column in columns.items()
        if name not in ("site", "igbp")
    }
    site = column_of(table, path, columns["site"])
    year = whole_numbers(numbers.pop("year"), path, columns["year"])
    refuse_twice(pd.DataFrame({"site": site, "year": year}), path)
    for name, (low, high) in LIMITS.items():
        within(numbers[name], path, columns[name], low, high)
    coords = {"site": site.to_numpy(dtype=str), "year": year, "lat": numbers.pop("lat"), "lon": numbers.pop("lon")}
    coords["igbp"] = _land_cover(table, path, columns.get("igbp"))
    blank = np.full(len(table), np.nan)
    variables = {"reco": blank, "reco_dt": blank, "nee_qc": blank} | numbers
    ds = xr.Dataset(
        {name: (("sample", "dy", "dx")[: values.ndim], values) for name, values in variables.items()},
        coords={name: ("sample", values) for name, values in coords.items()},
    )
    ds = describe(ds, product, path.name)
    for name in ds:
        ds[name].attrs.setdefault("units", UNITS.get(name, ""))
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


def _variable(table: pd.DataFrame, path: Path, name: str, column: str | Sequence[str]) -> np.ndarray:
    """Return a variable (sample), or (sample, 3, 3) when nine columns hold it."""
    if isinstance(column, str):
        return numbers_of(table, path, column)
    if len(column) != 9:
        raise ProductError(
            f"columns: {name}: expected one column, or the nine of a 3x3 window from the north-west row by row, "
            f"found {len(column)}; correct the list"
        )
    return np.stack([numbers_of(table, path, c) for c in column], axis=-1).reshape(-1, 3, 3)


def _land_cover(table: pd.DataFrame, path: Path, column: str | None) -> np.ndarray:
    if column is None:
        return np.full(len(table), -1, dtype="int8")
    codes = {name: code for code, name in enumerate(IGBP)}
    codes |= {str(code): code for code in range(len(IGBP))} | dict.fromkeys((*EMPTY, "-1"), -1)
    text = column_of(table, path, column)
    if (~text.isin(codes)).any():
        at = int(np.argmax(~text.isin(codes)))
        raise ProductError(
            f"{path}: row {at + 2}, column {column!r}: expected one of {', '.join(IGBP)}, found {text.iloc[at]!r}; "
            "correct it, or leave igbp out of the columns"
        )
    return text.map(codes).to_numpy(dtype="int8")
