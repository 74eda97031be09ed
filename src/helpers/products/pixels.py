"""How large a file's pixels are, as the file itself declares it."""

from __future__ import annotations

from pathlib import Path

from helpers import grid
from helpers.products import hdf4, netcdf, packed, rasters, registry
from helpers.products.errors import ProductError


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
    ending = packed.plain_name(path.name).rpartition(".")[2]
    if ending in ("nc", "nc4"):
        with netcdf.opening(path) as ds:
            if ds.sizes["lat"] < 2:
                raise ProductError(f"{path}: holds one row of cells, which does not say how high they are")
            height, geographic = grid.of(ds).resolution, True
    elif ending == "hdf":
        field = entry.fields[0]
        with hdf4.opening(path, field.stored, field.grid, strict=False) as raster:
            height, geographic = -raster.transform.e, raster.geographic
    elif ending in ("tif", "tiff", "vrt"):
        with rasters.opening(path) as source:
            height, geographic = source.res[0], bool(source.crs and source.crs.is_geographic)
    else:
        raise ProductError(f"{path}: expected a file with pixels (.hdf, .nc, .tif), found a table of {product_id}")
    if geographic:
        return f"{height:.4g}°"
    return f"{height / 1000:.3g} km" if height >= 1000 else f"{height:.0f} m"
