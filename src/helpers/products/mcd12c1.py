"""MCD12C1: the majority IGBP class of each 0.05 degree cell, one HDF4 file a year.

User guide: Sulla-Menashe and Friedl (2018), doi:10.5067/MODIS/MCD12C1.006. Codes 0 (water) to 16 (barren).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products.composites import by_date, read_date, select_year, stack
from helpers.products.registry import Product, describe


def read(product: Product, paths: list[Path], *, years: Iterable[int]) -> xr.Dataset:
    """Read land cover.

    Parameters
    ----------
    years : iterable of int
        Calendar years.

    Returns
    -------
    xarray.Dataset
        ``igbp`` (year, lat, lon) int8: 0 to 16, -1 where there is no class.
    """
    (field,), files, classes = product.fields, by_date(product, paths), {}
    for year in years:
        (tiles,) = select_year(product, files, year, allow_partial=False, dates_per_year=None).values()
        code = read_date(field, tiles.values(), grid=None, method="mode")
        code = xr.where(code == product.notes["water_too"], 0, code, keep_attrs=True)  # water is 17 in some legends
        classes[year] = code.fillna(-1).astype(np.int8)
    return describe(xr.Dataset({field.name: stack(classes)}), product, ", ".join(product.versions(paths)))
