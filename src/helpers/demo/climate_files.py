"""Native NetCDF files of the climate products: CRU TS and SPEIbase, on the coarse grid, from south to north."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd

from helpers.demo.fields import stream
from helpers.demo.planet import Planet, drought

CRU_FILL, SPEI_FILL = np.float32(9.96921e36), np.float32(1e30)

CRU = {
    # variable: our monthly field, long name, units, product id
    "tmp": ("tmp", "near-surface temperature", "degrees Celsius", "cru_tmp"),
    "pre": ("pre", "precipitation", "mm/month", "cru_pre"),
    "pet": ("pet", "potential evapotranspiration", "mm/day", "cru_pet"),
}


def observed(planet: Planet, sizes: dict[str, float]) -> dict[str, np.ndarray]:
    """Return what the climate products see: ``tmp`` degC, ``pre`` and ``pet`` mm month-1, (time, lat, lon), NaN at sea.

    Means over the land of each coarse cell, with an error for each cell and month: additive for temperature,
    log-normal for the others. Drought indices rest on these, as SPEIbase rests on CRU TS.
    """
    seen = {}
    for name, (field, _, _, product) in CRU.items():
        values = planet.aggregate(planet.monthly[field], planet.coarse)
        if size := sizes[product]:
            error = size * stream(planet.seed, product).standard_normal(values.shape)
            values = values + error if name == "tmp" else values * np.exp(error)
        seen[name] = values
    return seen


def cru(folder: Path, planet: Planet, seen: dict[str, np.ndarray], name: str) -> list[Path]:
    """Write ``cru_ts4.05.<first>.<last>.<name>.dat.nc``; PET as a rate, mm d-1, as CRU does."""
    _, long_name, units, _ = CRU[name]
    values = seen[name]
    if name == "pet":
        values = values / planet.time.days_in_month.to_numpy()[:, None, None]
    years = planet.all_years
    path = folder / f"cru_ts4.05.{years[0]}.{years[-1]}.{name}.dat.nc"
    attributes = {"long_name": long_name, "units": units, "correlation_decay_distance": np.float32(1200)}
    with _create(path, planet, planet.time, "CRU TS4.05 of the Demo Earth") as file:
        _put(file, name, values, CRU_FILL, attributes)
    return [path]


def speibase(folder: Path, planet: Planet, seen: dict[str, np.ndarray]) -> list[Path]:
    """Write ``spei12.nc``, ``spei24.nc`` and ``spei36.nc``: months without an index are NaN, the sea is 1e30.

    The files say that they are version 2.7, which rests on CRU TS 4.05, since the indices are made from that.
    """
    paths = []
    for scale in (12, 24, 36):
        path = folder / f"spei{scale}.nc"
        index = drought(seen["pre"], seen["pet"], planet.time, scale).values.astype("float32")
        sea = np.isnan(seen["pre"]).all(axis=0)
        index[:, sea] = SPEI_FILL
        name = "Standardized Precipitation-Evapotranspiration Index"
        with _create(path, planet, planet.time, "SPEIbase of the Demo Earth") as file:
            file.setncatts({"version": "2.7", "summary": f"{scale} months, from CRU TS 4.05"})
            _put(file, "spei", index, SPEI_FILL, {"long_name": name, "units": "z-values"})
        paths.append(path)
    return paths


def _create(path: Path, planet: Planet, time: pd.DatetimeIndex, title: str) -> netCDF4.Dataset:
    file = netCDF4.Dataset(path, "w", format="NETCDF4")
    grid = planet.coarse
    file.setncatts({"Conventions": "CF-1.4", "title": title})
    axes = {
        "lon": (grid.lon.astype("float32"), {"units": "degrees_east", "long_name": "longitude"}),
        "lat": (grid.lat[::-1].astype("float32"), {"units": "degrees_north", "long_name": "latitude"}),
        "time": (
            (time - pd.Timestamp("1900-01-01")).days.to_numpy().astype("float32"),
            {"units": "days since 1900-1-1", "long_name": "time", "calendar": "gregorian"},
        ),
    }
    for name, (values, attributes) in axes.items():
        file.createDimension(name, values.size)
        variable = file.createVariable(name, "f4", (name,))
        variable.setncatts(attributes)
        variable[:] = values
    return file


def _put(file: netCDF4.Dataset, name: str, values: np.ndarray, fill: np.float32, attributes: dict) -> None:
    """Store (time, lat from the north, lon) turned to run from the south; NaN becomes the fill except in SPEI."""
    stored = values[:, ::-1].astype("float32")
    if fill == CRU_FILL:
        stored = np.where(np.isnan(stored), fill, stored)
    variable = file.createVariable(name, "f4", ("time", "lat", "lon"), fill_value=fill, zlib=True, complevel=1)
    variable.set_auto_mask(False)
    variable.setncatts(attributes | {"missing_value": fill})
    variable[:] = stored
