"""SoilGrids 2.0: soil organic carbon content of the intervals 0-5, 5-15, 15-30 and 30-60 cm, one raster an interval.

Poggio et al. (2021), doi:10.5194/soil-7-217-2021. The files hold whole numbers of dg of carbon per kg of fine earth, so
a tenth of a stored number is g kg-1; -32768 means that there is none. They stand on the interrupted Goode homolosine
projection (ISRIC's own, 250 m, and its means over 1 and 5 km), or on latitude and longitude where somebody has warped
them. This is not the product of 2017, which gives the content *at* a depth; `at_depths` makes a stand-in for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe, product
from helpers.products.soilgrids import read_layers
from helpers.space.grid import Grid

INTERVALS = {"soc_0_5": (0, 5), "soc_5_15": (5, 15), "soc_15_30": (15, 30), "soc_30_60": (30, 60)}
"""Top and bottom of each variable's interval, cm."""

DEPTHS = {"soc_0": 0, "soc_5": 5, "soc_15": 15, "soc_30": 30}
"""The depths of SoilGrids250m (2017) that the paper uses, cm."""


def read(
    product: Product,
    paths: list[Path],
    *,
    grid: Grid | None = None,
    method: str = "nearest",
    layers: Iterable[str] | None = None,
) -> xr.Dataset:
    """Read soil organic carbon of intervals of depth.

    Parameters
    ----------
    grid : Grid, optional
        Where to go; see `helpers.products.rasters.onto`. Without it the files' own grid is kept, if it is one of
        latitude and longitude.
    method : {"nearest", "average", "bilinear"}
        How to get there.
    layers : iterable of str, optional
        Which variables to read, such as ``["soc_0_5"]``; default all four, each of which must be there.

    Returns
    -------
    xarray.Dataset
        ``soc_0_5 soc_5_15 soc_15_30 soc_30_60`` (g kg-1, means over the interval) on (lat, lon): dask arrays of one
        chunk a layer, read when computed.

    Raises
    ------
    ProductError
        An interval is missing, is there twice or is none of the product's, or a file cannot be read.
    """
    return describe(read_layers(product, paths, grid, method, layers), product)


def at_depths(ds: xr.Dataset) -> xr.Dataset:
    """Let means over intervals stand in for the content at the depths of SoilGrids250m (2017).

    Each mean is taken for the content at the middle of its interval (2.5, 10, 22.5 and 45 cm), and the content to run
    along straight lines between these; above 2.5 cm it is that of the first interval. So

        soc_0 = soc_0_5,  soc_5 = (2 soc_0_5 + soc_5_15) / 3,  soc_15 = (3 soc_5_15 + 2 soc_15_30) / 5,
        soc_30 = (2 soc_15_30 + soc_30_60) / 3.

    Where carbon falls off with depth, this is too little at 0 cm; and the two products differ anyhow, in their soil
    profiles and models.

    Parameters
    ----------
    ds : xarray.Dataset
        With ``soc_0_5 soc_5_15 soc_15_30 soc_30_60`` (g kg-1).

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30`` (g kg-1), lazy where ``ds`` is, each with a ``comment`` that says what it is.
        Missing where one of the two intervals that it needs is.

    Raises
    ------
    ProductError
        An interval is missing.
    """
    if missing := [name for name in INTERVALS if name not in ds]:
        raise ProductError(f"soilgrids2: expected {', '.join(INTERVALS)}, found no {', '.join(missing)}; read all four")
    middle = np.array([(top + bottom) / 2 for top, bottom in INTERVALS.values()])
    weights = np.array([np.interp(list(DEPTHS.values()), middle, unit) for unit in np.eye(len(middle))]).T
    fields = {}
    for name, row in zip(DEPTHS, weights, strict=True):
        used = {part: np.float32(w) for part, w in zip(INTERVALS, row, strict=True) if w}
        fields[name] = sum(weight * ds[part] for part, weight in used.items()).astype("float32")
    out = describe(xr.Dataset(fields), product("soilgrids2"), ds.attrs.get("product_version", ""))
    for name, row in zip(DEPTHS, weights, strict=True):
        parts = " + ".join(f"{w:.3g} {part}" for part, w in zip(INTERVALS, row, strict=True) if w)
        out[name].attrs["comment"] = (
            f"a stand-in for the content at {DEPTHS[name]} cm that SoilGrids250m (2017) gives: {parts}, "
            "linear in depth between the middles of the intervals of SoilGrids 2.0"
        )
    return out
