"""GLASS: PAR (daily), leaf area index and FAPAR (8-day), as annual means.

The Global Land Surface Satellite suite (Liang et al. 2021, doi:10.1175/BAMS-D-18-0341.1) writes one HDF4 file a date.
PAR and LAI as the paper uses them stand on a 0.05 degree grid; FAPAR comes on sinusoidal tiles too. The reader takes
whichever grid the file declares.

From memory, and not checked against a file: that LAI is uint8 in tenths with 255 for no value (V50), that FAPAR is
uint8 times 0.004 with numbers above 250 for no value, and that V60 keeps both. A file that states another scale is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from helpers.grid import Grid
from helpers.products.composites import annual
from helpers.products.registry import Product


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    grid: Grid | None = None,
    method: str = "nearest",
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> xr.Dataset:
    """Read annual means of a GLASS product.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    grid : Grid, optional
        Where sinusoidal tiles go; files on latitude and longitude keep their own grid.
    method : str
        How tiles are resampled.
    allow_partial : bool
        Accept years with missing dates.
    dates_per_year : int, optional
        So many dates make a year (a thinned product).

    Returns
    -------
    xarray.Dataset
        ``par`` (W m-2), ``lai`` (m2 m-2) or ``fapar`` (1), on (year, lat, lon); several years are lazy, one chunk each.

    Raises
    ------
    ProductError
        As `composites.annual`.
    """
    how = {"allow_partial": allow_partial, "dates_per_year": dates_per_year}
    return annual(product, paths, years, grid=grid, method=method, **how)
