"""MODIS land products on sinusoidal tiles: NDVI of MOD13A3 (monthly) and NPP of MOD17A3HGF (yearly).

Each file is one tile of 10 by 10 degrees at the equator (1,111,950 m on a side). Where it lies is read from its own
metadata, never from its name. User guides: Didan (2015), doi:10.5067/MODIS/MOD13A3.006; Running and Zhao (2019),
doi:10.5067/MODIS/MOD17A3HGF.006.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.grid import Grid
from helpers.products import hdf4
from helpers.products.composites import annual, read_date
from helpers.products.registry import Product, describe


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    grid: Grid,
    method: str = "nearest",
    keep_reliability: Iterable[int] | None = None,
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> xr.Dataset:
    """Read annual NDVI, or NPP (and GPP where the version has it), warped to ``grid``.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    grid : Grid
        Where the tiles go.
    method : {"nearest", "average", "bilinear"}
        How they are resampled.
    keep_reliability : iterable of int, optional
        MOD13A3 only: ranks of "pixel reliability" to keep (0 good, 1 marginal, 2 snow or ice, 3 cloudy); default all,
        since the paper states no screening.
    allow_partial : bool
        Accept years with missing dates.
    dates_per_year : int, optional
        So many dates make a year (a thinned product).

    Returns
    -------
    xarray.Dataset
        ``ndvi`` (1), or ``npp`` and ``gpp`` (kg m-2 yr-1 of carbon), on (year, lat, lon).
    """
    layer = product.notes.get("reliability")

    def screen(file, path: Path, values: np.ndarray) -> None:
        if layer and keep_reliability is not None:
            rank, _ = hdf4.read_stored(file, path, layer)
            values[~np.isin(rank, list(keep_reliability))] = np.nan

    ds = annual(
        product,
        paths,
        years,
        read_date=lambda field, of_date: read_date(field, of_date, grid, method, screen),
        allow_partial=allow_partial,
        dates_per_year=dates_per_year,
    )
    return describe(ds, product, ", ".join(product.versions(paths)))
