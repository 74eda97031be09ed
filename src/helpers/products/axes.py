"""The axes of NetCDF files: latitude, longitude and time, however a file names, turns and counts them.

Longitudes may run to 360, latitudes either way; either may stand as a single number (a point, a cell cut out), beside
the dimension that it belongs to, or as a two-dimensional field that is a plain grid all the same. Time may be counted
in any calendar, in months or in years. Where a step has bounds, it lies halfway between them: some models stamp a
month by its end, which is the first instant of the next one.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.grid import normalise_lat_lon
from helpers.products.errors import ProductError

NAMES = {
    "lat": ("lat", "latitude", "nav_lat", "lats"),
    "lon": ("lon", "longitude", "nav_lon", "lons"),
    "time": ("time", "time_counter", "times", "t"),
}
UNITS = {"lat": r"degrees?_?n(orth)?$", "lon": r"degrees?_?e(ast)?$", "time": r"\w+ since |day as %Y%m%d"}
EVEN = 1e-4
"""Coordinates in single precision differ by less than this (degrees)."""


def find(ds: xr.Dataset, axis: str) -> str | None:
    """Return the name of the variable that holds an axis: by its name first, else by its units."""
    depth = 1 if axis == "time" else 2  # a field named t is no time
    names = [str(name) for name in ds.variables if ds[name].ndim <= depth]
    by_name = [name for known in NAMES[axis] for name in names if name.lower() == known]
    own = (name for name in names if set(ds[name].dims) <= {name} and _counts(ds[name], axis))
    return next(iter([*by_name, *own]), None)


def _counts(variable: xr.DataArray, axis: str) -> bool:
    return bool(re.match(UNITS[axis], str(variable.attrs.get("units", "")), re.IGNORECASE))


def with_lat_lon(ds: xr.Dataset) -> xr.Dataset:
    """Return a Dataset on ``lat`` from north to south and ``lon`` from -180 to 180, both of them dimensions.

    Raises
    ------
    ValueError
        They are not there, do not make a grid, or are no degrees.
    """
    names = {axis: find(ds, axis) for axis in ("lat", "lon")}
    for axis, name in names.items():
        if name is None:
            raise ValueError(f"{axis}: expected a one-dimensional coordinate, found dimensions {_sizes(ds)}")
    values = _plain({axis: ds[name].astype("float64") for axis, name in names.items()})
    ds = ds.drop_vars({*names.values(), *(dim for v in values.values() for dim in v.dims if dim in ds.variables)})
    station = set(values["lat"].dims) & set(values["lon"].dims)
    if station:  # a point series: both along one dimension
        (along,) = station
        if ds.sizes[along] > 1:
            raise ValueError(f"lat, lon: expected a grid, found {ds.sizes[along]} points along {along}; pass one point")
        ds, values = ds.isel({along: 0}), {axis: v.isel({along: 0}) for axis, v in values.items()}
    for axis, limit in (("lat", 90.0), ("lon", 540.0)):
        v = values[axis]
        if not (np.abs(v.values) <= limit + EVEN).all():
            raise ValueError(f"{axis}: expected degrees, found {v.min().item():g} to {v.max().item():g}")
        # CF allows a single number in place of an axis with one step.
        ds = ds.rename({v.dims[0]: axis}) if v.dims else ds.expand_dims(axis)
        ds = ds.assign_coords({axis: (axis, np.atleast_1d(v.values))})
    if ds["lon"].min() < -180:
        ds = ds.assign_coords(lon=ds["lon"] % 360)
    return normalise_lat_lon(ds).drop_duplicates("lon")  # some grids close the circle by repeating a meridian


def _sizes(ds: xr.Dataset) -> str:
    return ", ".join(f"{name} ({size})" for name, size in ds.sizes.items()) or "none"


def _plain(values: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Take the rows' latitudes and the columns' longitudes out of two-dimensional fields."""
    lat, lon = values["lat"], values["lon"]
    if lat.ndim < 2 and lon.ndim < 2:
        return values
    if lat.ndim == lon.ndim and set(lat.dims) == set(lon.dims):
        for row, column in (lat.dims, lat.dims[::-1]):
            first = {"lat": lat.isel({column: 0}), "lon": lon.isel({row: 0})}
            if np.abs(lat - first["lat"]).max() < EVEN and np.abs(lon - first["lon"]).max() < EVEN:
                return first
    raise ValueError(f"lat, lon: expected a regular grid, found curved ones on {lat.dims}; regrid the file first")


def with_times(ds: xr.Dataset, path: Path) -> xr.Dataset:
    """Return a Dataset with dates along a dimension ``time``; unchanged where it has no time.

    Raises
    ------
    ProductError
        The units of time are none.
    """
    name = find(ds, "time")
    if name is None:
        return ds
    time = ds[name]
    steps = _dates(_middle(ds, time), time.attrs, path)
    ds = ds.drop_vars([name, *(other for other in ds.variables if other != name and _counts(ds[other], "time"))])
    ds = ds.rename({time.dims[0]: "time"}) if time.ndim else ds.expand_dims("time")
    return ds.assign_coords(time=("time", steps))


def _middle(ds: xr.Dataset, time: xr.DataArray) -> np.ndarray:
    """Return the numbers that count time: halfway between the bounds of each step, where these make sense."""
    stamps = np.atleast_1d(time.values).astype("float64")
    bounds = ds.variables.get(str(time.attrs.get("bounds", "")))
    if bounds is None or bounds.shape != (stamps.size, 2):
        return stamps
    begin, end = bounds.values.astype("float64").T
    sensible = (end > begin) & (begin <= stamps) & (stamps <= end)
    return (begin + end) / 2 if sensible.all() else stamps


def _dates(values: np.ndarray, attributes: dict, path: Path):
    """Return dates, of the file's own calendar, of numbers that count time in the file's own units."""
    units = str(attributes.get("units", ""))
    values = values.astype("float64")
    if not np.isfinite(values).all():
        raise ProductError(f"{path}: expected times in {units!r}, found some missing; fetch it again")
    counted = re.match(r"(month|year)s? since (\d{1,4})-(\d{1,2})", units, re.IGNORECASE)
    if counted:  # no calendar library counts in months: their lengths differ
        months = 1 if counted[1].lower() == "month" else 12
        # A hundredth of a month is more than single precision loses, and less than any stamp means.
        index = int(counted[2]) * 12 + int(counted[3]) - 1 + np.floor(values * months + 0.01).astype(int)
        return pd.to_datetime([f"{i // 12:04d}-{i % 12 + 1:02d}-01" for i in index])
    if re.match(r"day as %Y%m%d", units):
        return pd.to_datetime(np.floor(values).astype(int).astype(str), format="%Y%m%d")
    if not re.match(r"\w+ since ", units):
        raise ProductError(f"{path}: expected time units such as 'days since 1900-01-01', found {units!r}")
    kept = {key: attributes[key] for key in ("units", "calendar") if key in attributes}
    return xr.decode_cf(xr.Dataset(coords={"time": ("time", values, kept)}))["time"].values
