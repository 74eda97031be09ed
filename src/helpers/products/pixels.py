"""How large a file's pixels are, as the file itself declares it."""

from __future__ import annotations

from pathlib import Path

import rasterio

from helpers import grid
from helpers.products import hdf4, netcdf, packed, registry
from helpers.products.errors import ProductError, reading


def pixel(product_id: str, path: str | Path) -> str:
    """Say how large a pixel of a gridded product's file is.

    Parameters
    ----------
    product_id : str
        An id of data/products.yml.
    path : str or Path
        One of its files.

    Returns
    -------
    str
        Height of a pixel, in degrees, or in metres where the file is on a projection: ``"0.5°"``, ``"463 m"``.

    Raises
    ------
    ProductError
        The product has no pixels, or the file does not say how large they are.
    """
    entry, path = registry.product(product_id), Path(path)
    match packed.plain_name(path.name).rpartition(".")[2]:
        case "hdf":
            return _hdf4(entry, path)
        case "nc" | "nc4":
            with netcdf.opening(path) as ds:
                if ds.sizes["lat"] < 2:
                    raise ProductError(f"{path}: holds one row of cells, which does not say how high they are")
                return _degrees(grid.of(ds).resolution)
        case "tif" | "tiff" | "vrt":
            with packed.opened(path) as plain, reading(path), rasterio.open(plain) as source:
                return (_degrees if source.crs and source.crs.is_geographic else _metres)(source.res[0])
    raise ProductError(f"{path}: expected a file with pixels (.hdf, .nc, .tif), found a table of {product_id}")


def _hdf4(entry: registry.Product, path: Path) -> str:
    field = entry.fields[0]
    with hdf4.opening(path) as file:
        declared = hdf4.grid_of(file, path, field)
        rows = hdf4.shape_of(file, path, field.stored)[0]
    if declared is None:  # a global field of degrees, as in `layers`
        return _degrees(180 / rows)
    size = (declared.top - declared.bottom) / rows
    return _degrees(size) if declared.projection == hdf4.GEOGRAPHIC else _metres(size)


def _degrees(size: float) -> str:
    return f"{size:.4g}°"


def _metres(size: float) -> str:
    return f"{size / 1000:.3g} km" if size >= 1000 else f"{size:.0f} m"
