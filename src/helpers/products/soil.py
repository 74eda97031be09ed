"""SoilGrids: soil organic carbon content, one GeoTIFF a layer.

*SoilGrids250m* of 2017, Hengl et al. (2017), doi:10.1371/journal.pone.0169748: g of carbon per kg of fine earth *at* 0,
5, 15 and 30 cm. *SoilGrids 2.0*, Poggio et al. (2021), doi:10.5194/soil-7-217-2021: dg per kg over the *intervals* 0-5,
5-15, 15-30 and 30-60 cm, another quantity; `at_depths` makes a stand-in for the other. Its files stand on the
interrupted Goode homolosine projection (ISRIC's own, 250 m, and its means over 1 and 5 km), or on latitude and
longitude where somebody has warped them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import dask
import dask.array
import numpy as np
import xarray as xr

from helpers.products import rasters, registry
from helpers.products.registry import Field, Product, ProductError, describe
from helpers.space.grid import LAT, LON, Grid

LARGEST = 10**8
"""Cells that are read whole; beyond, pass a target grid (the 250 m files have 10**10)."""

INTERVALS = {"soc_0_5": (0, 5), "soc_5_15": (5, 15), "soc_15_30": (15, 30), "soc_30_60": (30, 60)}
"""Top and bottom of each variable's interval in SoilGrids 2.0, cm."""

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
    """Read soil organic carbon.

    Parameters
    ----------
    grid : Grid, optional
        Where to go. Without it the files' own grid is kept, if it is one of latitude and longitude.
    method : {"nearest", "average", "bilinear"}
        How to get there; see `helpers.products.rasters.onto`.
    layers : iterable of str, optional
        Which of the product's variables to read, such as ``["soc_0"]``; default all four, each of which must be there.

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30``, or ``soc_0_5 soc_5_15 soc_15_30 soc_30_60`` of SoilGrids 2.0 (means over the
        interval), g kg-1 on (lat, lon): dask arrays of one chunk a layer, read when computed.

    Raises
    ------
    ProductError
        A layer is missing, is there twice or is none of the product's, or a file cannot be read.
    """
    rasters.require_method(method)
    known = {field.name: field for field in product.fields}
    asked = list(known if layers is None else layers)
    if unknown := [name for name in asked if name not in known]:
        raise ProductError(f"{product.id}: layer {unknown[0]!r} is unknown; known are {', '.join(known)}")
    files, first, found = _by_layer(product, paths), None, {}
    for name in (name for name in asked if name in files):
        path = files[name]
        with rasters.opening(path) as place:
            first = first or place
        if (place.shape, place.transform) != (first.shape, first.transform):
            raise ProductError(
                f"{path}: expected the pixels of {first.path.name}, {first.shape}, found others, {place.shape}; "
                "keep one resolution"
            )
        shape, coords = (grid.shape, grid.like().coords) if grid else (place.shape, _own_cells(place))
        values = dask.delayed(_values, pure=True)(str(path), known[name], grid, method)
        lazy = dask.array.from_delayed(values, shape, dtype="float32")
        found[name] = xr.DataArray(lazy, dims=("lat", "lon"), coords=coords)
    if missing := [name for name in asked if name not in found]:
        there = ", ".join(path.name for path in files.values()) or "files of other layers"
        raise ProductError(
            f"{paths[0].parent}: expected a file of each of {', '.join(asked)}, found none of {', '.join(missing)} but "
            f"{there}; add the missing, or pass layers={list(found) or asked[:1]}"
        )
    return describe(xr.Dataset(found), product)


def _by_layer(product: Product, paths: list[Path]) -> dict[str, Path]:
    """Return {variable: file}, by the group ``layer`` of the files' names."""
    names, files = {field.stored: field.name for field in product.fields}, {}
    for path in sorted(paths):
        for other in product.notes.get("mistaken_for", ()):
            if registry.product(other).file.search(path.name):
                raise ProductError(
                    f"{path}: expected a {product.id} file named like {product.example}, found one of {other}, "
                    f"which is another quantity; read it as {other}"
                )
        name = names.get(product.match(path)["layer"])
        if name and files.setdefault(name, path) != path:
            raise ProductError(
                f"{path}: expected one file of {name}, found {files[name].name} too; keep one resolution"
            )
    return files


def _values(path: str, field: Field, grid: Grid | None, method: str) -> np.ndarray:
    """Read one layer when it is computed."""
    with rasters.opening(Path(path)) as raster:
        fills = [*field.fill, *np.ravel(raster.attributes.get("missing_value", ()))]

        def decode(stored: np.ndarray) -> np.ndarray:
            return rasters.decoded(stored, field.scale, field.valid, fills)

        values = decode(raster.stored) if grid is None else rasters.onto(raster, grid, method, decode)
    if not np.isfinite(values).any():
        raise ProductError(
            f"{path}: expected values of {field.name}, found none in any cell; give a file that holds land of the grid"
        )
    return values


def _own_cells(raster: rasters.Raster) -> dict:
    """Return the coordinates of a file's own grid, refusing one that is too large or not of degrees."""
    if raster.shape[0] * raster.shape[1] > LARGEST:
        size = "x".join(map(str, raster.shape))
        raise ProductError(f"{raster.path}: {size} cells are too many to read whole; pass grid=Grid(resolution)")
    if not raster.geographic:
        found = raster.crs.to_string()[:60]
        raise ProductError(f"{raster.path}: expected latitude and longitude, found {found}; pass grid=Grid(resolution)")
    return {"lat": ("lat", raster.cells.lat, LAT), "lon": ("lon", raster.cells.lon, LON)}


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
    out = describe(xr.Dataset(fields), registry.product("soilgrids2"), ds.attrs.get("product_version", ""))
    for name, row in zip(DEPTHS, weights, strict=True):
        parts = " + ".join(f"{w:.3g} {part}" for part, w in zip(INTERVALS, row, strict=True) if w)
        out[name].attrs["comment"] = (
            f"a stand-in for the content at {DEPTHS[name]} cm that SoilGrids250m (2017) gives: {parts}, "
            "linear in depth between the middles of the intervals of SoilGrids 2.0"
        )
    return out
