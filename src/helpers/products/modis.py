"""MODIS land products on sinusoidal tiles: NDVI of MOD13A3 (monthly) and NPP of MOD17A3HGF (yearly).

Each file is one tile of 10 by 10 degrees at the equator (1,111,950 m on a side). Where it lies is read from its own
metadata, never from its name. User guides: Didan (2015), doi:10.5067/MODIS/MOD13A3.006; Running and Zhao (2019),
doi:10.5067/MODIS/MOD17A3HGF.006.

Collection 6.1 (files named .061) reads the same way. Its MOD17A3HGF begins in 2001, and has gross production besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.grid import Grid
from helpers.products import hdf4
from helpers.products.composites import annual
from helpers.products.errors import ProductError
from helpers.products.registry import Product

RANKS = {-1: "fill", 0: "good", 1: "marginal", 2: "snow or ice", 3: "cloudy"}
"""What "pixel reliability" of MOD13A3 says."""


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
        ``ndvi`` (1), or ``npp`` and ``gpp`` (kg m-2 yr-1 of carbon), on (year, lat, lon); several years are lazy, one
        chunk each.

    Raises
    ------
    ProductError
        As `composites.annual`; or the product has no reliability, or not these ranks.
    """
    screen = None if keep_reliability is None else _screen(product, keep_reliability)
    how = {"allow_partial": allow_partial, "dates_per_year": dates_per_year}
    return annual(product, paths, years, grid=grid, method=method, screen=screen, **how)


def _screen(product: Product, keep: Iterable[int]) -> partial:
    layer, keep = product.notes.get("reliability"), sorted(set(keep))
    if layer is None:
        raise ProductError(f"keep_reliability: {product.id} has no layer of reliability; leave it out")
    if not keep or not set(keep) <= set(RANKS) - {-1}:
        known = ", ".join(f"{rank} ({name})" for rank, name in RANKS.items() if rank >= 0)
        raise ProductError(f"keep_reliability: expected ranks among {known}, found {keep}")
    return partial(_dropped, layer=layer, keep=keep)


def _dropped(file: hdf4.Opened, path: Path, *, layer: str, keep: list[int]) -> np.ndarray:
    """Return which pixels have another rank than those to keep."""
    rank, _ = hdf4.read_stored(file, path, layer)
    return ~np.isin(rank, keep)
