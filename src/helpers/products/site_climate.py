"""Tables of monthly climate at sites: what a water balance, and so SPEI at any scale, needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from helpers.products import registry
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.products.site_table import (
    SAME_PLACE_KM,
    YEARS,
    names_of,
    needed_of,
    numbers_of,
    one_file,
    refuse_twice,
    rows,
)

COLUMNS = {
    "site": "site",
    "year": "year",
    "month": "month",
    "lat": "lat",
    "tmin": "tmin",
    "tmax": "tmax",
    "precipitation": "precipitation",
}
"""What the columns are called unless told otherwise."""

RATES = ("mm d-1", "mm month-1")


def read(
    product: Product,
    paths: Sequence[Path | str],
    *,
    columns: Mapping[str, str] | None = None,
    precipitation: str = "mm month-1",
) -> xr.Dataset:
    """Read monthly climate, a row a site and month.

    Parameters
    ----------
    paths : sequence of one path
        A CSV file with a header, as it is or packed (.gz, or alone in a .zip).
    columns : mapping of str to str, optional
        Column names that differ from `COLUMNS`.
    precipitation : {"mm d-1", "mm month-1"}
        Unit of the precipitation in the file.

    Returns
    -------
    Dataset (site, time)
        ``tmin``, ``tmax`` degC and ``precipitation`` mm month-1, NaN in months without a row; ``lat`` (site),
        degrees north. Time runs over all months from the first to the last of the table.

    Raises
    ------
    ProductError
        For a column that is unknown or not there, a cell that is no number or cannot be, a site, month or latitude
        that is missing, a site-month twice, a site with two latitudes, a month with tmin above tmax, or an unknown
        unit.
    DamagedFile
        For a file that is empty, or in which a row is cut short.
    """
    if precipitation not in RATES:
        raise ProductError(
            f"precipitation: expected a unit among {', '.join(RATES)}, found {precipitation!r}; choose one"
        )
    path, names = one_file(paths, product.id), COLUMNS | _columns(columns or {})
    table = rows(path)
    frame = pd.DataFrame({"site": names_of(table, path, names["site"])})
    frame["year"] = needed_of(table, path, names["year"], *YEARS, whole=True)
    frame["month"] = needed_of(table, path, names["month"], 1, 12, whole=True)
    frame["lat"] = needed_of(table, path, names["lat"], -90, 90)
    refuse_twice(frame[["site", "year", "month"]], path)
    for name in ("tmin", "tmax"):
        limits = registry.limits(name)
        frame[name] = numbers_of(table, path, names[name], limits, 1.0, "is it in kelvin? write degrees Celsius")
    _refuse_swapped(frame, path, names)
    shortest = 28.0 if precipitation == "mm d-1" else 1.0  # of a month, in days: the widest limits of a rate
    limits, hint = registry.limits("precipitation"), f"it is read as {precipitation}; correct or empty it"
    frame["precipitation"] = numbers_of(table, path, names["precipitation"], limits, shortest, hint)
    lat = frame.groupby("site")["lat"].agg(["first", "min", "max"])
    far = lat["max"] - lat["min"] > SAME_PLACE_KM / 111.0
    if far.any():
        site = lat.index[far][0]
        own = frame.loc[frame["site"] == site, "lat"]
        other = (own - own.iloc[0]).abs().idxmax()
        raise ProductError(
            f"{path}: site {site}: expected one latitude, found {own.iloc[0]:g} in row {own.index[0]} and "
            f"{own[other]:g} in row {other}; correct it"
        )
    frame["time"] = pd.to_datetime(frame[["year", "month"]].assign(day=1))
    every = pd.date_range(frame["time"].min(), frame["time"].max(), freq="MS")
    cube = frame.set_index(["site", "time"])[["tmin", "tmax", "precipitation"]].to_xarray().reindex(time=every)
    if precipitation == "mm d-1":
        cube["precipitation"] = cube["precipitation"] * cube["time"].dt.days_in_month
    cube["lat"] = ("site", lat["first"].reindex(cube["site"].values).to_numpy())
    cube = describe(cube.assign_coords(site=cube["site"].astype(str)), product, path.name)
    for name, units in {"tmin": "degC", "tmax": "degC", "precipitation": "mm month-1", "lat": "degrees_north"}.items():
        cube[name].attrs["units"] = units
    return cube


def _columns(columns: Mapping[str, str]) -> dict[str, str]:
    parameter = "columns (climate_columns in a profile)"
    if not isinstance(columns, Mapping):
        raise ProductError(f"{parameter}: expected our names and the table's, found {columns!r}; give a mapping")
    for name, column in columns.items():
        if name not in COLUMNS:
            raise ProductError(f"{parameter}: {name!r} is unknown; known are {', '.join(COLUMNS)}")
        if not isinstance(column, str):
            raise ProductError(
                f"{parameter}: {name}: expected the name of a column, found {column!r}; write it in quotes"
            )
    return {name: column.strip() for name, column in columns.items()}


def _refuse_swapped(frame: pd.DataFrame, path: Path, names: Mapping[str, str]) -> None:
    """Refuse a month that is colder by day than by night."""
    wrong = frame["tmin"] > frame["tmax"]
    if wrong.any():
        row = wrong.idxmax()
        raise ProductError(
            f"{path}: row {row}: expected {names['tmin']} no higher than {names['tmax']}, found "
            f"{frame.at[row, 'tmin']:g} and {frame.at[row, 'tmax']:g}; are the columns swapped?"
        )
