"""Annual means of products that come as one file a date (and a tile): GLASS, MOD13A3, MOD17A3HGF, MCD12C1.

    mean over a year = sum over dates of (days the date stands for x value) / sum of those days,

over the dates with a value, in cells where these cover at least the share of the year that the registry asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.grid import LAT, LON, Grid
from helpers.products import hdf4
from helpers.products.dates import require_year, weights
from helpers.products.errors import ProductError
from helpers.products.registry import Field, Product
from helpers.products.sinusoidal import Warp

Files = dict[int, dict[int, dict[str, Path]]]


class RunningMean:
    """A weighted mean over dates that holds two fields in memory, however many dates there are."""

    def __init__(self) -> None:
        self.total = self.weight = None
        self.of = 0.0

    def add(self, values: np.ndarray, weight: float) -> None:
        """Add one date's field (NaN = no value), which stands for ``weight`` days."""
        if self.total is None:
            self.total, self.weight = np.zeros(values.shape), np.zeros(values.shape, "float32")
        valid = np.isfinite(values)
        self.total[valid] += weight * values[valid].astype("float64")
        self.weight[valid] += weight
        self.of += weight

    def result(self, coverage: float) -> np.ndarray:
        """Return the mean (float32), NaN where the dates with a value cover less than this share of those added."""
        enough = (self.weight > 0) & (self.weight >= coverage * self.of - 1e-6)
        out = np.full(self.total.shape, np.nan)
        np.divide(self.total, self.weight, out=out, where=enough)
        return out.astype("float32")


def by_date(product: Product, paths: Iterable[Path]) -> Files:
    """Sort files by year, day of the year and tile, as their names tell.

    Raises
    ------
    ProductError
        Two files claim the same date and tile.
    """
    files: Files = {}
    for path in paths:
        told = product.match(path).groupdict()
        day, tile = int(told["day"]), told.get("tile") or ""
        tiles = files.setdefault(int(told["year"]), {}).setdefault(day, {})
        if tile in tiles:
            raise ProductError(f"{path}: expected one file a date and tile, found {tiles[tile].name} too; remove one")
        tiles[tile] = path
    return files


def select_year(product: Product, files: Files, year: int, allow_partial: bool, dates_per_year: int | None) -> dict:
    """Return one year's files by day and tile, or refuse the year, tile by tile, when dates are missing."""
    of_year = files.get(year, {})
    if product.step == "monthly":
        of_year = _by_month(product, of_year, year)
    tiles = sorted({tile for of_day in of_year.values() for tile in of_day}) or [""]
    for tile in tiles:
        days = [day for day, of_day in of_year.items() if tile in of_day]
        what = f"{product.id} {tile}".strip()
        require_year(what, year, days, product.step, allow_partial=allow_partial, dates_per_year=dates_per_year)
    return dict(sorted(of_year.items()))


def _by_month(product: Product, of_year: dict, year: int) -> dict:
    """Move each date of a monthly product to the first of its month (leap years included)."""
    moved: dict[int, dict[str, Path]] = {}
    for day, tiles in of_year.items():
        month = date(year, 1, 1) + timedelta(days=day - 1)
        first = month.replace(day=1).timetuple().tm_yday
        if first in moved and set(tiles) & set(moved[first]):
            raise ProductError(
                f"{product.id} {year}: expected one date a month, found two in {month:%Y-%m}; remove one"
            )
        moved.setdefault(first, {}).update(tiles)
    return moved


def annual(
    product: Product,
    paths: Iterable[Path],
    years: Iterable[int],
    *,
    read_date: Callable[[Field, Iterable[Path]], xr.DataArray | None],
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> xr.Dataset:
    """Return annual means (year, lat, lon) of all the product's fields.

    ``read_date(field, paths)`` gives one date's field (lat, lon) from its file or tiles, None where the version has no
    such field.
    """
    files, means = by_date(product, paths), {}
    for year in years:
        of_year = select_year(product, files, year, allow_partial, dates_per_year)
        stands_for = weights(list(of_year), year, product.step, dates_per_year)
        for field in product.fields:
            mean = RunningMean()
            for tiles, weight in zip(of_year.values(), stands_for, strict=True):
                values = read_date(field, tiles.values())
                if values is not None:
                    mean.add(values.values, weight)
                    coords = values.coords
            if mean.total is not None:
                cells = xr.DataArray(mean.result(field.coverage), dims=("lat", "lon"), coords=coords)
                means.setdefault(field.name, {})[year] = cells
    return xr.Dataset({name: stack(of_year) for name, of_year in means.items()})


def stack(of_year: dict[int, xr.DataArray]) -> xr.DataArray:
    """Join fields (lat, lon) of several years along a dimension ``year``."""
    year = xr.DataArray(list(of_year), dims="year", attrs={"long_name": "calendar year"})
    return xr.concat(list(of_year.values()), dim="year").assign_coords(year=year)


def read_date(
    field: Field,
    paths: Iterable[Path],
    grid: Grid | None,
    method: str,
    screen: Callable[[object, Path, np.ndarray], None] | None = None,
) -> xr.DataArray | None:
    """Read one date of an HDF4 product on the grid that its files declare.

    Parameters
    ----------
    field : Field
        What to read.
    paths : iterable of Path
        The file of that date, or its tiles.
    grid : Grid or None
        Where sinusoidal tiles go; not used for files on latitude and longitude.
    method : str
        How sinusoidal tiles are resampled.
    screen : callable, optional
        ``screen(file, path, values)`` may blank values by a quality layer of the same file.

    Returns
    -------
    xarray.DataArray or None
        (lat, lon) float32; None where the field is optional and not there.
    """
    warp = None
    for path in paths:
        with hdf4.opening(path) as file:
            if field.optional and field.stored not in file.datasets():
                return None
            eos = hdf4.grid_of(file, path, field)
            values = hdf4.decode(*hdf4.read_stored(file, path, field.stored), field, path)
            if screen:
                screen(file, path, values)
        if eos is None or eos.projection == hdf4.GEOGRAPHIC:
            return _geographic(values, eos, path)
        if values.shape != (eos.rows, eos.columns):
            raise ProductError(
                f"{path}: expected {eos.rows}x{eos.columns} pixels, found {values.shape}; fetch it again"
            )
        if grid is None:
            raise ProductError(f"{path}: sinusoidal tiles need a target: pass grid=Grid(resolution)")
        warp = warp or Warp(grid, method)
        warp.add(values, eos.transform)
    return xr.DataArray(warp.result(), dims=("lat", "lon"), coords=grid.like().coords)


def _geographic(values: np.ndarray, eos: hdf4.EosGrid | None, path: Path) -> xr.DataArray:
    """Place a latitude/longitude field: by its declared corners, or as a global field where none are declared."""
    rows, columns = values.shape
    if eos is None and columns != 2 * rows:
        raise ProductError(f"{path}: declares no grid and is {rows}x{columns}, not global; fetch it again")
    left, top, right, bottom = (eos.left, eos.top, eos.right, eos.bottom) if eos else (-180, 90, 180, -90)
    lat = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    lon = left + (np.arange(columns) + 0.5) * (right - left) / columns
    return xr.DataArray(values, dims=("lat", "lon"), coords={"lat": ("lat", lat, LAT), "lon": ("lon", lon, LON)})
