"""SoilGrids250m (2017): soil organic carbon content at 0, 5, 15 and 30 cm, one GeoTIFF a depth.

Hengl et al. (2017), doi:10.1371/journal.pone.0169748: g of carbon per kg of fine earth *at* a depth. SoilGrids 2.0
(``soc_0-5cm_mean``) gives dg per kg over *intervals* of depth: another quantity, and refused here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import xarray as xr
from rasterio import Affine
from rasterio.enums import Resampling

from helpers.grid import LAT, LON, Grid
from helpers.products.errors import ProductError, reading
from helpers.products.registry import Field, Product, describe

LARGEST = 10**8
"""Cells that are read whole; beyond, pass a target grid (the 250 m files have 10**10)."""


def read(product: Product, paths: list[Path], *, grid: Grid | None = None, method: str = "nearest") -> xr.Dataset:
    """Read soil organic carbon.

    Parameters
    ----------
    grid : Grid, optional
        Where to go; GDAL then reads only what the target needs. Without it the files' own grid is kept.
    method : {"nearest", "average", "bilinear"}
        How to get there. GDAL leaves out the file's own nodata; numbers out of range are blanked afterwards only.

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30`` (g kg-1) on (lat, lon), as many as there are files of.
    """
    layers = {}
    for path in sorted(paths):
        layer = product.match(path)["layer"]
        field = next((f for f in product.fields if f.stored == layer), None)
        if field is None:
            continue  # sl5 to sl7 lie below 30 cm
        if field.name in layers:
            raise ProductError(f"{path}: expected one file of layer {layer}, found two; keep one resolution")
        with reading(path), rasterio.open(path) as source:
            layers[field.name] = _native(source, field, path) if grid is None else _warped(source, field, grid, method)
    return describe(xr.Dataset(layers), product)


def _decode(stored: np.ndarray, field: Field, nodata: float | None) -> np.ndarray:
    values = stored.astype("float32") * np.float32(field.scale)
    missing = np.isin(stored, field.fill) | (stored < field.valid[0]) | (stored > field.valid[1])
    if nodata is not None:
        missing |= stored == nodata
    values[missing] = np.nan
    return values


def _native(source, field: Field, path: Path) -> xr.DataArray:
    if source.width * source.height > LARGEST:
        raise ProductError(
            f"{path}: {source.height}x{source.width} cells are too many to read whole; pass grid=Grid(resolution)"
        )
    if not (source.crs and source.crs.is_geographic):
        raise ProductError(f"{path}: expected latitude and longitude, found {source.crs}; pass grid=Grid(resolution)")
    values, t = _decode(source.read(1), field, source.nodata), source.transform
    lat = t.f + (np.arange(source.height) + 0.5) * t.e
    lon = t.c + (np.arange(source.width) + 0.5) * t.a
    return xr.DataArray(values, dims=("lat", "lon"), coords={"lat": ("lat", lat, LAT), "lon": ("lon", lon, LON)})


def _warped(source, field: Field, grid: Grid, method: str) -> xr.DataArray:
    nodata = source.nodata if source.nodata is not None else field.fill[0]
    out = np.full(grid.shape, nodata, dtype="float64")
    # The centre of a 0.05 degree cell is a corner of four 250 m pixels; a hair to the south-east settles which.
    t, hair = grid.transform, 1e-6 * grid.transform.a
    place = Affine(t.a, 0, t.c + hair, 0, t.e, t.f - hair)
    rasterio.warp.reproject(
        rasterio.band(source, 1),
        out,
        src_nodata=nodata,
        dst_nodata=nodata,
        dst_transform=place,
        dst_crs="EPSG:4326",
        resampling=Resampling[method],
    )
    return xr.DataArray(_decode(out, field, nodata), dims=("lat", "lon"), coords=grid.like().coords)
