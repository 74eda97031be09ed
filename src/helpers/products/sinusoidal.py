"""From the MODIS sinusoidal grid to latitude and longitude, tile by tile, so that memory does not grow with the globe.

The sinusoidal projection keeps areas: x = R lon cos(lat), y = R lat. GDAL (through rasterio) moves each tile onto its
window of the target. ``nearest`` copies; ``average`` and ``bilinear`` add up weighted values and weights over all
tiles first and divide last, so that a cell which several tiles share comes out as if they had been one mosaic.
"""

from __future__ import annotations

import numpy as np
import rasterio.warp
from rasterio import Affine
from rasterio.enums import Resampling

from helpers.grid import RADIUS, Grid
from helpers.products.errors import ProductError

PROJECTION = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs"
"""The MODIS sinusoidal projection."""
# Degrees on the same sphere: with WGS84 as target, PROJ might shift the datum, which MODIS products do not do.
DEGREES = f"+proj=longlat +R={RADIUS} +no_defs"


class Warp:
    """Collects sinusoidal tiles on a latitude/longitude grid.

    Parameters
    ----------
    grid : Grid
        Where to go.
    method : {"nearest", "average", "bilinear"}
        As in `helpers.grid.resample`.

    Raises
    ------
    ProductError
        The method is another one.
    """

    def __init__(self, grid: Grid, method: str = "nearest") -> None:
        if method not in ("nearest", "average", "bilinear"):
            raise ProductError(f"method: expected nearest, average or bilinear for numbers, found {method!r}")
        self.grid, self.method = grid, method
        self.total = np.full(grid.shape, np.nan, "float32") if method == "nearest" else np.zeros(grid.shape)
        self.weight = None if method == "nearest" else np.zeros(grid.shape)
        self.least = 0.5

    def add(self, values: np.ndarray, transform: Affine) -> None:
        """Add one tile.

        Parameters
        ----------
        values : numpy.ndarray
            (y, x), NaN where there is no value.
        transform : affine.Affine
            From (column, row) to metres of a pixel's upper left corner.
        """
        window = self._window(values.shape, transform)
        # The centre of a 0.05 degree cell falls on the edge between two pixels of 1 km or 500 m, in every row. A hair
        # to the south-east settles such ties alike everywhere, as `helpers.grid.resample` does; rounding would not.
        step = self.grid.transform.a
        hair = 1e-6 * step
        west, north = self.grid.lon[window[1].start] - step / 2, self.grid.lat[window[0].start] + step / 2
        place = Affine(step, 0, west + hair, 0, -step, north - hair)
        shape = tuple(part.stop - part.start for part in window)
        if self.method == "nearest":
            empty = np.full(shape, np.nan, "float32")
            out = _warp(values.astype("float32"), transform, place, empty, Resampling.nearest, nodata=np.nan)
            np.copyto(self.total[window], out, where=np.isfinite(out))
            return
        valid = np.isfinite(values)
        # A rim of zero weight keeps GDAL from renormalising at the tile's edge, where the neighbour will add its part.
        pixels = np.deg2rad(step) * RADIUS / transform.a
        rim = 2 + int(np.ceil(pixels))
        if self.method == "average":  # weights count pixels; a ten-thousandth of a cell is the least that counts
            self.least = 1e-4 * pixels**2 * np.cos(np.deg2rad(self.grid.lat))[:, None]
        moved = transform @ Affine.translation(-rim, -rim)
        kernel = Resampling.sum if self.method == "average" else Resampling.bilinear
        for store, part in ((self.total, np.where(valid, values, 0)), (self.weight, valid)):
            padded = np.pad(part.astype("float64"), rim)
            store[window] += _warp(padded, moved, place, np.zeros(shape), kernel)

    def result(self) -> np.ndarray:
        """Return the field (lat, lon), float32, NaN where no tile has a value."""
        if self.method == "nearest":
            return self.total
        out = np.full(self.grid.shape, np.nan, "float32")
        np.divide(self.total, self.weight, out=out, where=self.weight > self.least - 1e-9, casting="unsafe")
        return out

    def _window(self, shape: tuple[int, int], transform: Affine) -> tuple[slice, slice]:
        """Return the rows and columns of the target that a tile can reach."""
        left, top = transform @ (0, 0)
        right, bottom = transform @ (shape[1], shape[0])
        lat = np.clip(np.rad2deg(np.array([top, bottom]) / RADIUS), -90, 90)
        if lat.min() < 0 < lat.max():
            lat = np.append(lat, 0.0)
        # At a given x the longitude grows with |latitude|, so a tile reaches furthest at one of these latitudes.
        cosine = np.maximum(np.cos(np.deg2rad(lat)), 1e-9)
        lon = np.clip(np.rad2deg(np.array([left, right])[:, None] / RADIUS / cosine), -180, 180)
        step, rim = self.grid.transform.a, 2
        rows, columns = self.grid.shape
        first = max(int((90 - lat.max()) / step) - rim, 0), max(int((lon.min() + 180) / step) - rim, 0)
        last = min(int((90 - lat.min()) / step) + 1 + rim, rows), min(int((lon.max() + 180) / step) + 1 + rim, columns)
        return slice(first[0], last[0]), slice(first[1], last[1])


def _warp(values, transform, place, out, kernel, nodata=None):
    rasterio.warp.reproject(
        np.ascontiguousarray(values),
        out,
        src_transform=transform,
        src_crs=PROJECTION,
        src_nodata=nodata,
        dst_transform=place,
        dst_crs=DEGREES,
        dst_nodata=nodata,
        resampling=kernel,
        # Between the four nearest pixels, however fine: GDAL would widen the kernel by a ratio it guesses per window.
        XSCALE=1,
        YSCALE=1,
    )
    return out
