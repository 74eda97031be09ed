"""SPEIbase: the drought index of December over 12, 24 and 36 months, read from the published files.

Begueria et al. (2010), doi:10.1175/2010BAMS2988.1. One file a time scale, monthly since 1901, on CRU TS's 0.5 degree
grid. The December value over 12 months sums the water balance of the calendar year; over 24 and 36 months that of two
and of three years. To compute the index instead of reading it, see `helpers.spei`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import netcdf
from helpers.products.composites import stack
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe


def read(product: Product, paths: list[Path], *, years: Iterable[int], month: int = 12) -> xr.Dataset:
    """Read one month's index of each year, for each time scale that there is a file of.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    month : int
        1 to 12; the paper takes December.

    Returns
    -------
    xarray.Dataset
        ``spei12``, ``spei24``, ``spei36`` (1) on (year, lat, lon). Attribute ``rests_on``: the version of CRU TS below.
    """
    years, out, told = list(years), {}, {}
    for path in sorted(paths):
        scale = int(product.match(path)["scale"])
        name = f"spei{scale}"
        if name in out:
            raise ProductError(f"{path}: expected one file a time scale, found two for {scale} months; remove one")
        with netcdf.opening(path) as ds:
            stored = netcdf.variable(ds, product.notes["variable"], path)
            out[name] = stack({year: _month(stored, path, year, month) for year in years})
            told[name] = _versions(ds)
    if len(set(told.values())) > 1:
        named = ", ".join(f"{name} {version}" for name, (version, _) in told.items())
        raise ProductError(f"spei: expected files of one version, found {named}; keep one in {paths[0].parent}")
    version, rests_on = next(iter(told.values()))
    known = product.notes["rests_on"]
    if not version:  # early files name only the CRU TS below them
        version = next((spei for spei, cru in known.items() if cru == rests_on), product.version)
    return describe(xr.Dataset(out), product, version).assign_attrs(rests_on=rests_on or known.get(version, ""))


def _month(stored: xr.DataArray, path: Path, year: int, month: int) -> xr.DataArray:
    when = (stored["time"].dt.year == year) & (stored["time"].dt.month == month)
    found = np.flatnonzero(when)
    if len(found) != 1:
        raise ProductError(f"{path}: expected {year}-{month:02d} once, found it {len(found)} times; check years")
    return netcdf.valid(stored.isel(time=found[0], drop=True).load()).astype("float32")


def _versions(ds: xr.Dataset) -> tuple[str, str]:
    """Return the versions of SPEIbase and of the CRU TS it rests on, as far as the file tells."""
    version = re.match(r"\d+\.\d+", str(ds.attrs.get("version", "")))
    rests = re.search(r"CRU TS ?v?(\d+\.\d+)", netcdf.global_text(ds))
    return (version.group(0) if version else "", rests.group(1) if rests else "")


def remark(product: Product, version: str, climate_version: str) -> str:
    """Say in one sentence whether SPEI and climate come from the same CRU TS; empty when they do.

    Parameters
    ----------
    version, climate_version : str
        Versions of SPEIbase and of CRU TS.
    """
    rests = product.notes["rests_on"]
    below = rests.get(version)
    if below == climate_version or below is None:
        return ""
    match = next((spei for spei, cru in rests.items() if cru == climate_version), "")
    fits = f"; SPEIbase {match} matches {climate_version}" if match else ""
    return f"SPEIbase {version} rests on CRU TS {below}, temperature and precipitation on {climate_version}{fits}."
