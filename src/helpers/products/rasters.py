"""Raster files: opening them, plain or packed, and finding the pixel that holds a place.

Whatever the projection, `Raster.places` says where a latitude and a longitude lie among the pixels, and `Raster.read`
gives the stored numbers of a window; nothing is read before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from helpers.products import packed, tiff
from helpers.products.errors import ProductError, reading

CACHE = 96
"""MiB of decompressed blocks that GDAL may keep: by default it takes a twentieth of the machine's memory."""
DEGREES = "EPSG:4326"


@contextmanager
def opening(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster file, also a packed one (``.gz``, ``.zip``), with a small cache of blocks.

    Raises
    ------
    DamagedFile
        It is no raster, is cut short, or cannot be read.
    """
    with packed.opened(path) as plain, reading(path):
        tiff.require_whole(plain, path)
        with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(plain) as source:
            yield source


@dataclass(frozen=True)
class Raster:
    """Pixels with a place, whose stored numbers are read when asked for.

    Parameters
    ----------
    read : callable
        ``read(rows, columns)`` gives the stored numbers of two slices, (y, x).
    shape : tuple of int
        Rows and columns.
    transform : affine.Affine
        From (column, row) to a pixel's corner, in the units of ``crs``.
    crs : rasterio.crs.CRS
        Projection, or latitude and longitude.
    striped : bool
        The file keeps whole rows together.
    """

    read: Callable[[slice, slice], np.ndarray]
    shape: tuple[int, int]
    transform: Affine
    crs: CRS
    striped: bool = False

    @classmethod
    def of(cls, source: rasterio.DatasetReader, path: Path, band: int = 1) -> Raster:
        """Return one band of an open file.

        Raises
        ------
        ProductError
            The file names no projection, or its rows do not run along an axis of it.
        """
        t = source.transform
        if not source.crs or t == Affine.identity() or t.b or t.d:
            told = f"transform {tuple(t)[:6]}" if source.crs else "no projection"
            raise ProductError(
                f"{path}: expected pixels along the axes of a known projection, found {told}; "
                "fetch it again if it should have one, or warp it with GDAL"
            )

        def read(rows: slice, columns: slice) -> np.ndarray:
            with reading(path):
                return source.read(band, window=Window.from_slices(rows, columns))

        striped = source.block_shapes[band - 1][1] == source.width
        return cls(read, source.shape, t, source.crs, striped)

    @cached_property
    def geographic(self) -> bool:
        """Whether its pixels lie along latitude and longitude."""
        return self.crs.is_geographic

    @cached_property
    def _from_degrees(self) -> Transformer:
        return Transformer.from_crs(DEGREES, self.crs.to_wkt(), always_xy=True)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the coordinates of the rows' and of the columns' centres, in the units of ``crs``."""
        t = self.transform
        return tuple(
            begin + (np.arange(size) + 0.5) * step
            for begin, step, size in ((t.f, t.e, self.shape[0]), (t.c, t.a, self.shape[1]))
        )

    def places(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column (fractions, counted from the outer corner) of all pairs of latitude and longitude.

        The two broadcast to (lat, lon); where the projection has no such place they are infinite.
        """
        t = self.transform
        if self.geographic:  # whether the file counts longitudes from -180 or from 0
            return ((lat - t.f) / t.e)[:, None], ((lon - t.c) % 360 / t.a)[None, :]
        x, y = self._from_degrees.transform(*np.meshgrid(lon, lat))
        return (y - t.f) / t.e, (x - t.c) / t.a
