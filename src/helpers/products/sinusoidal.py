"""From the MODIS sinusoidal grid to latitude and longitude, tile by tile, so that memory does not grow with the globe.

The sinusoidal projection keeps areas, and two lines define it (Snyder 1987, doi:10.3133/pp1395, p. 247):

    x = R lon cos(lat),    y = R lat.

So the place of a cell among a tile's pixels needs no library and no approximation. ``nearest`` copies the pixel under a
cell's centre; ``average`` and ``bilinear`` add up weighted values and weights over all tiles first and divide last, so
that a cell which several tiles share comes out as if they had been one mosaic.
"""

from __future__ import annotations

import numpy as np
from rasterio import Affine

from helpers.products.errors import ProductError
from helpers.space.grid import RADIUS, Grid

STRIPS = 64
"""Strips of pixels that are averaged at a time, which bounds memory near the poles."""


class Warp:
    """Collects sinusoidal tiles on a latitude/longitude grid.

    Parameters
    ----------
    grid : Grid
        Where to go.
    method : {"nearest", "average", "bilinear"}
        ``nearest``: the pixel under a cell's centre; on an edge, the pixel to the south-east. ``average``: mean by area
        over the pixels with a value. ``bilinear``: by distance, over the four pixels around the cell's centre, where
        those with a value carry more than half the weight.

    Raises
    ------
    ProductError
        The method is another one.
    """

    def __init__(self, grid: Grid, method: str = "nearest") -> None:
        require_method(method)
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
        {"nearest": self._copy, "average": self._average, "bilinear": self._between}[self.method](
            values, transform, window
        )

    def result(self) -> np.ndarray:
        """Return the field (lat, lon), float32, NaN where no tile has a value."""
        if self.method == "nearest":
            return self.total
        out = np.full(self.grid.shape, np.nan, "float32")
        np.divide(self.total, self.weight, out=out, where=self.weight > self.least - 1e-9, casting="same_kind")
        return out

    def _window(self, shape: tuple[int, int], transform: Affine) -> tuple[slice, slice]:
        """Return the rows and columns of the target that a tile and a rim of one pixel can reach."""
        left, top = transform @ (-1, -1)
        right, bottom = transform @ (shape[1] + 1, shape[0] + 1)
        lat = np.clip(np.rad2deg(np.array([top, bottom]) / RADIUS), -90, 90)
        if lat.min() < 0 < lat.max():
            lat = np.append(lat, 0.0)
        # At a given x the longitude grows with |latitude|, so a tile reaches furthest at one of these latitudes.
        cosine = np.maximum(np.cos(np.deg2rad(lat)), 1e-9)
        lon = np.clip(np.rad2deg(np.array([left, right])[:, None] / RADIUS / cosine), -180, 180)
        step, rim = self.grid.transform.a, 1
        rows, columns = self.grid.shape
        first = max(int((90 - lat.max()) / step) - rim, 0), max(int((lon.min() + 180) / step) - rim, 0)
        last = min(int((90 - lat.min()) / step) + 1 + rim, rows), min(int((lon.max() + 180) / step) + 1 + rim, columns)
        return slice(first[0], last[0]), slice(first[1], last[1])

    def _positions(self, transform: Affine, window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Return where cells' centres lie among a tile's pixels: rows (lat, 1) and columns (lat, lon), from its corner.

        The centre of a 0.05 degree cell falls on the edge between two pixels of 1 km or 500 m, in every row. A hair to
        the south-east settles such ties alike everywhere, as `helpers.space.grid.resample` does; rounding would not.
        """
        hair = 1e-6 * self.grid.transform.a
        lat = np.deg2rad(self.grid.lat[window[0]] - hair)[:, None]
        lon = np.deg2rad(self.grid.lon[window[1]] + hair)
        x, y = RADIUS * np.cos(lat) * lon, RADIUS * lat
        return (y - transform.f) / transform.e, (x - transform.c) / transform.a

    def _copy(self, values: np.ndarray, transform: Affine, window: tuple[slice, slice]) -> None:
        row, column = (np.floor(place).astype("int32") for place in self._positions(transform, window))
        found, inside = _look_up(values, row, column)
        np.copyto(self.total[window], found, where=inside & np.isfinite(found), casting="same_kind")

    def _between(self, values: np.ndarray, transform: Affine, window: tuple[slice, slice]) -> None:
        y, x = (place - 0.5 for place in self._positions(transform, window))
        row, column = np.floor(y).astype("int32"), np.floor(x).astype("int32")
        for i, down in ((row, row + 1 - y), (row + 1, y - row)):
            for j, across in ((column, column + 1 - x), (column + 1, x - column)):
                found, inside = _look_up(values, i, j)
                share = np.where(inside & np.isfinite(found), down * across, 0)
                self.total[window] += share * np.where(share > 0, found, 0)
                self.weight[window] += share

    def _average(self, values: np.ndarray, transform: Affine, window: tuple[slice, slice]) -> None:
        """Add the pixels' areas within each cell, and their values times these.

        Rows of pixels and rows of cells cut each other into strips; within a strip, what lies between two meridians is
        the difference of what lies to the left of each.
        """
        step = self.grid.transform.a
        pixels = np.deg2rad(step) * RADIUS / transform.a
        # Weights count pixels; a ten-thousandth of a cell is the least that counts.
        self.least = 1e-4 * pixels**2 * np.cos(np.deg2rad(self.grid.lat))[:, None]
        meridians = np.deg2rad(-180 + step * np.arange(window[1].start, window[1].stop + 1)) * RADIUS
        valid = np.isfinite(values)
        fields = [(self.total, _RowSums(np.where(valid, values, 0))), (self.weight, _RowSums(valid))]
        strips = self._strips(values.shape[0], transform, window[0])
        for begin in range(0, strips[0].size, STRIPS):
            row, cell, top, bottom, height = (of_strip[begin : begin + STRIPS, None] for of_strip in strips)
            enters, leaves = ((meridians * np.cos(lat) - transform.c) / transform.a for lat in (top, bottom))
            # Near the poles, these strips reach few of the window's columns.
            most, least = np.maximum(enters, leaves).max(axis=0), np.minimum(enters, leaves).min(axis=0)
            reached = np.flatnonzero((most[1:] > 0) & (least[:-1] < values.shape[1]))
            if not reached.size:
                continue
            west, east = reached[0], reached[-1] + 1
            reach = slice(window[1].start + west, window[1].start + east)
            for store, sums in fields:
                left = sums.left_of(row, enters[:, west : east + 1], leaves[:, west : east + 1])
                np.add.at(store[:, reach], cell[:, 0], np.diff(left, axis=1) * height)

    def _strips(self, count: int, transform: Affine, window: slice) -> tuple[np.ndarray, ...]:
        """Cut rows of pixels by rows of cells.

        Returns
        -------
        tuple of numpy.ndarray
            Of each strip: its row of pixels, its row of cells, the latitudes of its two edges (radians), and its height
            as a share of a pixel's.
        """
        degrees = np.deg2rad(self.grid.transform.a)
        edges = (np.pi / 2 - (transform.f + transform.e * np.arange(count + 1)) / RADIUS) / degrees  # in rows of cells
        cuts = np.unique(np.concatenate([edges, np.arange(window.start, window.stop + 1)]))
        cuts = cuts[(cuts >= max(edges[0], 0)) & (cuts <= min(edges[-1], self.grid.shape[0]))]
        above, below = cuts[:-1][np.diff(cuts) > 1e-9], cuts[1:][np.diff(cuts) > 1e-9]
        rows = np.clip(np.searchsorted(edges, (above + below) / 2) - 1, 0, count - 1)
        cells = np.floor((above + below) / 2).astype(int)
        north, south = (np.pi / 2 - cut * degrees for cut in (above, below))
        return rows, cells, north, south, (below - above) / (edges[1] - edges[0])


class _RowSums:
    r"""Sums of a field (y, x) along its rows, for slanting lines through them.

    With :math:`F(p)` the sum of a row's pixels to the left of place p (pixels cut in part), a line that crosses the
    row from :math:`p_0` to :math:`p_1` has, on the mean over the row's height,
    :math:`\int_{p_0}^{p_1} F\,dp \,/\, (p_1 - p_0)` to its left.
    """

    def __init__(self, field: np.ndarray) -> None:
        self.field = np.asarray(field, "float64")
        self.sums, self.areas = (np.zeros((field.shape[0], field.shape[1] + 1)) for _ in range(2))
        np.cumsum(self.field, axis=1, out=self.sums[:, 1:])
        np.cumsum(self.sums[:, :-1] + self.field / 2, axis=1, out=self.areas[:, 1:])

    def left_of(self, row: np.ndarray, enters: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """Return what lies to the left of lines, given their rows and the places where they enter and leave these."""
        slant = leaves - enters
        upright = np.abs(slant) < 1e-2  # the quotient would lose its digits; the error is a thousandth of a pixel
        middle, _ = self._up_to(row, (enters + leaves) / 2)
        if upright.all():
            return middle
        areas = self._up_to(row, leaves)[1] - self._up_to(row, enters)[1]
        return np.where(upright, middle, areas / np.where(upright, 1, slant))

    def _up_to(self, row: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return F and its integral from the row's left end up to each place."""
        width = self.field.shape[1]
        inside = np.clip(place, 0, width)
        whole = np.minimum(inside.astype("int32"), width - 1)
        rest, pixel, total = inside - whole, self.field[row, whole], self.sums[row, whole]
        integral = self.areas[row, whole] + rest * (total + rest * pixel / 2)
        return total + rest * pixel, integral + np.maximum(place - width, 0) * self.sums[row, -1]


def require_method(method: str) -> None:
    """Refuse ways of resampling that sinusoidal tiles do not have.

    Raises
    ------
    ProductError
        The method is none of nearest, average, bilinear.
    """
    if method not in ("nearest", "average", "bilinear"):
        raise ProductError(f"method: expected nearest, average or bilinear for numbers, found {method!r}")


def _look_up(values: np.ndarray, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels by row and column, and which of these are on the tile."""
    height, width = values.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return values[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], inside
