"""The grids on which the products look at the planet, and the errors that they make.

A raster knows, for each of its pixels, which land cell lies under the pixel's centre. A product's error has two
halves of equal variance: one stays with the pixel through all files, one is drawn anew for each file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.demo.fields import stream
from helpers.demo.planet import Planet
from helpers.grid import RADIUS


@dataclass(frozen=True)
class Raster:
    """Pixels over the globe.

    Attributes
    ----------
    cell : ndarray (y, x) of int
        Land cell under each pixel's centre, -1 off the land and off the map.
    corners : tuple of float
        x and y of the outer north-west and south-east corner, degrees or metres.
    sinusoidal : bool
    """

    cell: np.ndarray
    corners: tuple[float, float, float, float]
    sinusoidal: bool = False

    @property
    def land(self) -> np.ndarray:
        """Where there is land, (y, x)."""
        return self.cell >= 0

    def tiles(self, down: int, across: int):
        """Yield (v, h, slices, corners) of ``down`` times ``across`` tiles."""
        height, width = self.cell.shape
        west, north, east, south = self.corners
        rows, cols = np.linspace(0, height, down + 1).astype(int), np.linspace(0, width, across + 1).astype(int)
        for v in range(down):
            for h in range(across):
                box = (slice(rows[v], rows[v + 1]), slice(cols[h], cols[h + 1]))
                x = west + (east - west) * cols[h : h + 2] / width
                y = north + (south - north) * rows[v : v + 2] / height
                yield v, h, box, (x[0], y[0], x[1], y[1])


def regular(planet: Planet, finer: int = 1, south: float = -90, north: float = 90) -> Raster:
    """Return latitude/longitude pixels ``finer`` times smaller than the planet's cells, between two latitudes."""
    index = planet.index()
    keep = (planet.grid.lat > south) & (planet.grid.lat < north)
    half = planet.grid.resolution / 2
    lat = planet.grid.lat[keep]
    cell = index[keep].repeat(finer, axis=0).repeat(finer, axis=1)
    return Raster(cell, (-180.0, lat[0] + half, 180.0, lat[-1] - half))


def sinusoidal(planet: Planet, finer: float = 2.5) -> Raster:
    """Return pixels of the MODIS sinusoidal grid, ``finer`` times smaller than the planet's cells.

    A factor such as 2.5 keeps cell centres off the edges of pixels, where the nearest one would be a toss-up.
    """
    rows = round(planet.grid.shape[0] * finer)
    size = np.pi * RADIUS / rows
    y = np.pi * RADIUS / 2 - size * (np.arange(rows) + 0.5)
    x = -np.pi * RADIUS + size * (np.arange(2 * rows) + 0.5)
    phi = y / RADIUS
    lam = x[None, :] / (RADIUS * np.cos(phi))[:, None]
    on_map = np.abs(lam) < np.pi
    height, width = planet.grid.shape
    down = np.floor((np.pi / 2 - phi) / np.pi * height).astype(int).clip(0, height - 1)
    right = np.floor((np.where(on_map, lam, 0) + np.pi) / (2 * np.pi) * width).astype(int).clip(0, width - 1)
    cell = np.where(on_map, planet.index()[down[:, None], right], -1)
    edge = np.pi * RADIUS
    return Raster(cell, (-edge, edge / 2, edge, -edge / 2), sinusoidal=True)


class Observer:
    """Sees a field of the planet through a raster with an error of stated size.

    Parameters
    ----------
    raster : Raster
    size : float
        Standard deviation of the error: of the logarithm if ``relative``, else in the field's units.
    name : str
        Of the product, which seeds its errors.
    seed : int
    relative : bool
    """

    def __init__(self, raster: Raster, size: float, name: str, seed: int, *, relative: bool) -> None:
        self.raster, self.size, self.name, self.seed, self.relative = raster, size, name, seed, relative
        self.under = raster.cell[raster.land]
        self.lasting = self._draw("lasting") if size else 0.0

    def _draw(self, what: str) -> np.ndarray:
        rng = stream(self.seed, f"{self.name} {what}")
        return np.sqrt(0.5) * self.size * rng.standard_normal(self.under.size, dtype="float32")

    def see(self, field: np.ndarray, file: str) -> np.ndarray:
        """Return the (cell,) field on the raster's land pixels, (pixel,), with the error of that file."""
        values = field[self.under]
        if not self.size:
            return values
        error = self.error(file)
        return values * np.exp(error) if self.relative else values + error

    def error(self, file: str) -> np.ndarray:
        """Return the error of that file, (pixel,)."""
        return self.lasting + self._draw(file)

    def pack(self, values: np.ndarray, *, scale: float, fill: int, dtype: str, limits: tuple[int, int]) -> np.ndarray:
        """Return stored numbers (y, x): values over ``scale``, rounded, held within ``limits``; ``fill`` elsewhere."""
        out = np.full(self.raster.cell.shape, fill, dtype=dtype)
        out[self.raster.land] = np.clip(np.rint(values / scale), *limits).astype(dtype)
        return out
