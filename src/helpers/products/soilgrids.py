"""SoilGrids250m (2017): soil organic carbon content at 0, 5, 15 and 30 cm, one GeoTIFF a depth.

Hengl et al. (2017), doi:10.1371/journal.pone.0169748: g of carbon per kg of fine earth *at* a depth. SoilGrids 2.0
(``soc_0-5cm_mean``) gives dg per kg over *intervals* of depth: another quantity, which `soilgrids2` reads, not this.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import dask
import dask.array
import numpy as np
import xarray as xr

from helpers.products import rasters, registry
from helpers.products.errors import ProductError
from helpers.products.registry import Field, Product, describe
from helpers.products.sinusoidal import require_method
from helpers.space.grid import LAT, LON, Grid

LARGEST = 10**8
"""Cells that are read whole; beyond, pass a target grid (the 250 m files have 10**10)."""


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
        Where to go; see `helpers.products.rasters.onto`. Without it the files' own grid is kept.
    method : {"nearest", "average", "bilinear"}
        How to get there.
    layers : iterable of str, optional
        Which of the product's variables to read, such as ``["soc_0"]``; default all four, each of which must be there.

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30`` (g kg-1) on (lat, lon): dask arrays of one chunk a layer, read when computed.

    Raises
    ------
    ProductError
        A layer is missing, is there twice or is none of the product's, or a file cannot be read.
    """
    return describe(read_layers(product, paths, grid, method, layers), product)


def read_layers(
    product: Product, paths: list[Path], grid: Grid | None, method: str, layers: Iterable[str] | None
) -> xr.Dataset:
    """Return the layers of a soil product, lazily, without attributes.

    The name of each file has a group ``layer`` that one of the product's fields is stored as; other layers are left
    out.

    Raises
    ------
    ProductError
        As `read`.
    """
    known = {field.name: field for field in product.fields}
    asked = list(known if layers is None else layers)
    if unknown := [name for name in asked if name not in known]:
        raise ProductError(f"{product.id}: layer {unknown[0]!r} is unknown; known are {', '.join(known)}")
    require_method(method)
    files = _by_layer(product, paths)
    places = {name: _raster(files[name]) for name in asked if name in files}
    for name, place in places.items():
        first = next(iter(places))
        if (place.shape, place.transform) != (places[first].shape, places[first].transform):
            raise ProductError(
                f"{files[name]}: expected the pixels of {files[first].name}, {places[first].shape}, found others, "
                f"{place.shape}; keep one resolution"
            )
    found = {name: _layer(known[name], files[name], place, grid, method) for name, place in places.items()}
    if missing := [name for name in asked if name not in found]:
        there = ", ".join(path.name for path in files.values()) or "files of other layers"
        raise ProductError(
            f"{paths[0].parent}: expected a file of each of {', '.join(asked)}, found none of {', '.join(missing)} but "
            f"{there}; add the missing, or pass layers={list(found) or asked[:1]}"
        )
    return xr.Dataset(found)


def _by_layer(product: Product, paths: list[Path]) -> dict[str, Path]:
    """Return {variable: file}."""
    names, files = {field.stored: field.name for field in product.fields}, {}
    for path in sorted(paths):
        for other in product.notes.get("mistaken_for", ()):
            if registry.product(other).file.search(path.name):
                raise ProductError(
                    f"{path}: expected a {product.id} file named like {product.example}, found one of {other}, "
                    f"which is another quantity; read it as {other}"
                )
        layer = product.match(path)["layer"]
        if layer not in names:
            continue
        if names[layer] in files:
            other = files[names[layer]].name
            raise ProductError(f"{path}: expected one file of layer {layer}, found {other} too; keep one resolution")
        files[names[layer]] = path
    return files


def _raster(path: Path) -> rasters.Raster:
    """Return where a file's pixels lie; what they hold can no longer be read from it."""
    with rasters.opening(path) as source:
        return rasters.Raster.of(source, path)


def _layer(field: Field, path: Path, place: rasters.Raster, grid: Grid | None, method: str) -> xr.DataArray:
    """Return one layer, whose values are read when they are computed."""
    cells = _own_cells(place, path) if grid is None else grid.like().coords
    values = dask.delayed(_values, pure=True)(str(path), field, grid, method)
    lazy = dask.array.from_delayed(values, place.shape if grid is None else grid.shape, dtype="float32")
    return xr.DataArray(lazy, dims=("lat", "lon"), coords=cells)


def _values(path: str, field: Field, grid: Grid | None, method: str) -> np.ndarray:
    path = Path(path)
    with rasters.opening(path) as source:
        raster = rasters.Raster.of(source, path)

        def decode(stored: np.ndarray) -> np.ndarray:
            return _decode(stored, field, source.nodata)

        if grid is None:
            values = decode(raster.read(slice(0, raster.shape[0]), slice(0, raster.shape[1])))
        else:
            values = rasters.onto(raster, grid, method, decode)
    if not np.isfinite(values).any():
        raise ProductError(
            f"{path}: expected values of {field.name}, found none in any cell; give a file that holds land of the grid"
        )
    return values


def _decode(stored: np.ndarray, field: Field, nodata: float | None) -> np.ndarray:
    values = stored.astype("float32")
    if field.scale != 1:
        values *= np.float32(field.scale)
    missing = (stored < field.valid[0]) | (stored > field.valid[1])
    for fill in (*field.fill, *([] if nodata is None else [nodata])):
        missing |= stored == fill
    values[missing] = np.nan
    return values


def _own_cells(raster: rasters.Raster, path: Path) -> dict:
    """Return the coordinates of a file's own grid, refusing one that is too large or not of degrees."""
    if raster.shape[0] * raster.shape[1] > LARGEST:
        size = "x".join(map(str, raster.shape))
        raise ProductError(f"{path}: {size} cells are too many to read whole; pass grid=Grid(resolution)")
    if not raster.geographic:
        found = raster.crs.to_string()[:60]
        raise ProductError(f"{path}: expected latitude and longitude, found {found}; pass grid=Grid(resolution)")
    lat, lon = raster.centres()
    return {"lat": ("lat", lat, LAT), "lon": ("lon", lon, LON)}
