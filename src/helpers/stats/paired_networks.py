"""Monthly climate at sites, for the drought index of other years and time scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from helpers import products
from helpers.space import grid, windows


def monthly_climate(folder: str | Path, lat: xr.DataArray, lon: xr.DataArray) -> xr.Dataset:
    """Read monthly precipitation and PET at sites from gridded files, for `helpers.stats.spei.scales_at`.

    Parameters
    ----------
    folder : path
        Holds a folder ``cru_pre`` and one ``cru_pet``.
    lat, lon : DataArray (site,)
        Degrees, with the coordinate ``site``.

    Returns
    -------
    Dataset (site, time)
        ``precipitation`` and ``pet``, mm month-1; NaN where a site's cell has no climate.

    Raises
    ------
    FileNotFoundError
        A product isn't there.
    ValueError
        The two are of other months than each other.
    """
    out = {}
    for name, product in (("precipitation", "cru_pre"), ("pet", "cru_pet")):
        paths = products.find(product, folder)
        # CRU's names tell the first and the last year of a file
        told = [int(part) for path in paths for part in path.name.split(".") if part.isdigit() and len(part) == 4]
        months = products.read(product, paths, years=np.arange(min(told), max(told) + 1), monthly=True)
        field = next(iter(months.data_vars.values()))
        row, column = windows.cells(field.lat.values, field.lon.values, lat.values, lon.values)
        at = {"lat": xr.DataArray(row, dims="site"), "lon": xr.DataArray(column, dims="site")}
        out[name] = field.isel(at).where(at["lat"] >= 0).drop_vars(["lat", "lon"]).assign_coords(site=lat.site)
    fields = grid.together(*out.values(), names=tuple(out))
    return xr.Dataset(dict(zip(out, fields, strict=True))).transpose("site", "time").load()
