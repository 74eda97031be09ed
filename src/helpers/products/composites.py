"""Annual means of products that come as one file a date (and a tile): GLASS, MOD13A3, MOD17A3HGF, MCD12C1.

    mean over a year = sum over dates of (days the date stands for x value) / sum of those days,

over the dates with a value, in cells where these cover at least the share of the year that the registry asks for.

Which files make a year is settled, and the first file looked at, when a product is read. The map of a single year is
computed then too; those of several years when they are asked for, a year at a time, so that memory doesn't grow with
the number of years or of files.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr

from helpers.grid import LAT, LON, Cells, Grid
from helpers.products import layers
from helpers.products.dates import weights
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.products.selection import Dates, choose

# Dask begins as many years as there are cores. The HDF4 library would make them wait for each other anyway, so one at a
# time loses little, and holds the fields of one.
_AT_WORK = threading.Lock()

ROWS = 200
"""Rows of a field that are added at a time, so that what is computed on the way stays small."""


class RunningMean:
    """A weighted mean over dates that holds two fields in memory, however many dates there are."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.total, self.weight = np.zeros(shape), np.zeros(shape, "float32")
        self.of = 0.0

    def add(self, values: np.ndarray, weight: float) -> None:
        """Add one date's field (NaN = no value), which stands for ``weight`` days."""
        for begin in range(0, len(values), ROWS):
            rows = slice(begin, begin + ROWS)
            valid = np.isfinite(values[rows])
            self.total[rows] += np.where(valid, values[rows], 0) * np.float64(weight)
            self.weight[rows] += np.float32(weight) * valid
        self.of += weight

    def result(self, coverage: float) -> np.ndarray:
        """Return the mean (float32), NaN where the dates with a value cover less than this share of those added."""
        enough = (self.weight > 0) & (self.weight >= coverage * self.of - 1e-6)
        out = np.full(self.total.shape, np.nan, "float32")
        return np.divide(self.total, self.weight, out=out, where=enough, casting="same_kind")


def annual(
    product: Product,
    paths: Iterable[Path],
    years: Iterable[int],
    *,
    grid: Grid | None = None,
    method: str = "nearest",
    screen: layers.Screen | None = None,
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> xr.Dataset:
    """Read annual means of all the product's fields.

    Parameters
    ----------
    product : Product
        What is read; optional fields that the first file lacks are left out.
    paths : iterable of Path
        Its files, of any years.
    years : iterable of int
        Calendar years.
    grid, method, screen
        As in `layers.layer`.
    allow_partial : bool
        Accept years of which dates are missing, with a warning that names them.
    dates_per_year : int, optional
        So many dates make a year (a thinned product).

    Returns
    -------
    xarray.Dataset
        (year, lat, lon) float32; several years are lazy (dask), one chunk a year. Computing a year raises
        `ProductError` where a file is damaged or differs from the first, or where none has any value, and warns of
        files without any.

    Raises
    ------
    ProductError
        Files of a year are missing or are there twice, are of several versions, or the first is not what it should be.
    """
    version, of_years = choose(product, paths, years, allow_partial=allow_partial, dates_per_year=dates_per_year)
    found = {}
    for field in product.fields:
        layer = layers.layer(field, first_of(of_years), grid, method, screen)
        if layer is not None:
            means = {}
            for year, dates in of_years.items():
                stands_for = weights(list(dates), year, product.step, dates_per_year)
                means[year] = partial(_mean, product, year, layer, dates, stands_for)
            found[field.name] = yearly(layer.cells, "float32", means)
    return describe(xr.Dataset(found), product, version)


def first_of(of_years: dict[int, Dates]) -> Path:
    """Return the first file of the first date of the first year."""
    dates = next(iter(of_years.values()))
    return next(iter(next(iter(dates.values())).values()))


def yearly(cells: Cells, dtype: str, of_year: dict[int, Callable[[], np.ndarray]]) -> xr.DataArray:
    """Return maps (year, lat, lon): a single year at once, several when they are asked for, one chunk a year.

    Parameters
    ----------
    cells : Cells
        Where the maps stand.
    dtype : str
        Of their values.
    of_year : dict
        What computes each year's map (lat, lon).
    """
    if len(of_year) == 1:
        (only,) = of_year.values()
        maps = only()[None]
    else:
        maps = [da.from_delayed(dask.delayed(one, traverse=False)(), cells.shape, dtype) for one in of_year.values()]
        maps = da.stack(maps)
    coords = {
        "year": ("year", list(of_year), {"long_name": "calendar year"}),
        "lat": ("lat", cells.lat, LAT),
        "lon": ("lon", cells.lon, LON),
    }
    return xr.DataArray(maps, dims=("year", "lat", "lon"), coords=coords)


def _mean(product: Product, year: int, layer: layers.Layer, dates: Dates, stands_for: list[int]) -> np.ndarray:
    """Compute one year's mean, and say what is empty in it."""
    with _AT_WORK:
        mean, blank = RunningMean(layer.cells.shape), []
        for tiles, weight in zip(dates.values(), stands_for, strict=True):
            values, without = layer.read(tiles.values())
            mean.add(values, weight)
            blank += without
        out = mean.result(layer.field.coverage)
    files = [path for tiles in dates.values() for path in tiles.values()]
    say_what_is_blank(product, year, layer, files, blank)
    if not np.isfinite(out).any():
        raise ProductError(
            f"{files[0]}: {product.id} {year}: expected cells with a value, found none among {out.size}, though the "
            "year's files hold some; take a finer grid, or screen less"
        )
    return out


def say_what_is_blank(product: Product, year: int, layer: layers.Layer, files: list[Path], blank: list[Path]) -> None:
    """Warn of files in which no pixel has a value: tiles in the polar night are such, and so are failed downloads.

    Raises
    ------
    ProductError
        All files of the year are such.
    """
    if len(blank) == len(files):
        raise ProductError(
            f"{blank[0]}: {product.id} {year}: expected values of {layer.field.stored!r}, found fills only in this "
            f"file and all {len(files)} of the year; fetch them again"
        )
    if blank:
        warnings.warn(
            f"{product.id} {year}: {len(blank)} of {len(files)} files hold no value of {layer.field.stored!r}, the "
            f"first is {blank[0].name}; if it should, fetch it again",
            stacklevel=2,
        )


def stack(of_year: dict[int, xr.DataArray]) -> xr.DataArray:
    """Join fields (lat, lon) of several years along a dimension ``year``."""
    year = xr.DataArray(list(of_year), dims="year", attrs={"long_name": "calendar year"})
    return xr.concat(list(of_year.values()), dim="year").assign_coords(year=year)
