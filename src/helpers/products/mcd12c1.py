"""MCD12C1: the majority IGBP class of each 0.05 degree cell, one HDF4 file a year.

User guide: Sulla-Menashe and Friedl (2018), doi:10.5067/MODIS/MCD12C1.006. Codes 0 (water) to 16 (barren), in
Collection 6.1 (files named .061) as in 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products.composites import first_of, say_what_is_blank, yearly
from helpers.products.layers import Layer, layer
from helpers.products.registry import Product, describe
from helpers.products.selection import choose


def read(product: Product, paths: list[Path], *, years: Iterable[int]) -> xr.Dataset:
    """Read land cover.

    Parameters
    ----------
    years : iterable of int
        Calendar years.

    Returns
    -------
    xarray.Dataset
        ``igbp`` (year, lat, lon) int8: 0 to 16, -1 where there is no class; several years are lazy, one chunk each.

    Raises
    ------
    ProductError
        As `composites.annual`.
    """
    (field,) = product.fields
    version, of_years = choose(product, paths, years)
    cover = layer(field, first_of(of_years))
    maps = {}
    for year, dates in of_years.items():
        ((path,),) = (tiles.values() for tiles in dates.values())
        maps[year] = partial(_classes, product, year, cover, path)
    return describe(xr.Dataset({field.name: yearly(cover.cells, "int8", maps)}), product, version)


def _classes(product: Product, year: int, cover: Layer, path: Path) -> np.ndarray:
    """Return the classes of one year."""
    codes, blank = cover.read([path])
    say_what_is_blank(product, year, cover, [path], blank)
    codes[codes == product.notes["water_too"]] = 0  # water is 17 in some legends
    return np.nan_to_num(codes, nan=-1).astype("int8")
