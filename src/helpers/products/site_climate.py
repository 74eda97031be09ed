"""Tables of monthly climate at sites: what a water balance, and so SPEI at any scale, needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from helpers.products.csv_table import column_of, numbers_of, refuse_twice, rows, whole_numbers, within
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.products.site_table import one_file

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
        For a column that is not there, a cell that is no number, a site-month twice, a place that cannot be, a site
        with two latitudes, or an unknown unit.
    DamagedFile
        For a file that is empty, or in which a row is cut short.
    """
    if precipitation not in RATES:
        raise ProductError(f"precipitation: expected a unit among {', '.join(RATES)}, found {precipitation!r}")
    path, names = one_file(paths, product.id), COLUMNS | dict(columns or {})
    table = rows(path)
    frame = pd.DataFrame({name: numbers_of(table, path, column) for name, column in names.items() if name != "site"})
    frame.insert(0, "site", column_of(table, path, names["site"]))
    for name in ("year", "month"):
        frame[name] = whole_numbers(frame[name].to_numpy(), path, names[name])
    within(frame["month"].to_numpy(), path, names["month"], 1, 12)
    within(frame["lat"].to_numpy(), path, names["lat"], -90, 90)
    refuse_twice(frame[["site", "year", "month"]], path)
    lat = frame.groupby("site")["lat"].agg(["min", "max"])
    if (lat["min"] != lat["max"]).any():
        site = lat.index[lat["min"] != lat["max"]][0]
        raise ProductError(
            f"{path}: site {site}: expected one latitude, found {lat['min'][site]:g} and {lat['max'][site]:g}; "
            "correct it"
        )
    frame["time"] = pd.to_datetime(frame[["year", "month"]].assign(day=1))
    every = pd.date_range(frame["time"].min(), frame["time"].max(), freq="MS")
    cube = frame.set_index(["site", "time"])[["tmin", "tmax", "precipitation"]].to_xarray().reindex(time=every)
    # Reanalyses leave traces of rounding below zero.
    rain = cube["precipitation"].clip(min=0)
    cube["precipitation"] = rain * cube["time"].dt.days_in_month if precipitation == "mm d-1" else rain
    cube["lat"] = ("site", lat["min"].reindex(cube["site"].values).to_numpy())
    cube = describe(cube.assign_coords(site=cube["site"].astype(str)), product, path.name)
    for name, units in {"tmin": "degC", "tmax": "degC", "precipitation": "mm month-1", "lat": "degrees_north"}.items():
        cube[name].attrs["units"] = units
    return cube
