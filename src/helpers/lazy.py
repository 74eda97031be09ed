"""Lazy cubes: maps of many years that are computed block by block, so that memory does not grow with the grid."""

from __future__ import annotations

import dask
import xarray as xr

BLOCK = "16MiB"
"""Size of a block. What is computed from whole series needs some ten times as much for its intermediate results."""


def whole_series(y: xr.DataArray, dim: str) -> xr.DataArray:
    """Cut a lazy cube so that each block holds whole series of few cells, however it was chunked before.

    Parameters
    ----------
    y : DataArray (…)
        On dask, or in memory.
    dim : str
        Dimension along which the series run.

    Returns
    -------
    DataArray
        With one block along ``dim``, of about `BLOCK`; what is in memory stays as it is.

    Examples
    --------
    >>> import dask.array
    >>> cube = xr.DataArray(dask.array.zeros((19, 3600, 7200), chunks=(1, 600, 7200)), dims=("year", "lat", "lon"))
    >>> cut = whole_series(cube, "year")
    >>> cut.chunksizes["year"], cut.data.npartitions > 200
    ((19,), True)
    """
    if y.chunks is None:
        return y
    with dask.config.set({"array.chunk-size": BLOCK}):
        return y.chunk({d: -1 if d == dim else "auto" for d in y.dims})
