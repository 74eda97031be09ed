"""GLASS and MODIS: HDF4 products that come as one file a date (and a tile), as annual means.

    mean over a year = sum over dates of (days the date stands for x value) / sum of those days,

over the dates with a value, in cells where these cover at least the share of the year that the registry asks for.

- *GLASS*, PAR (daily), leaf area index and FAPAR (8-day): Liang et al. (2021), doi:10.1175/BAMS-D-18-0341.1. PAR and
  LAI as the paper uses them stand on a 0.05 degree grid; FAPAR comes on sinusoidal tiles too. From memory, and not
  checked against a file: that LAI is uint8 in tenths with 255 for no value (V50), that FAPAR is uint8 times 0.004 with
  numbers above 250 for no value, and that V60 keeps both. A file that states another scale is refused.
- *MOD13A3*, NDVI (monthly), and *MOD17A3HGF*, NPP (yearly), on sinusoidal tiles of 10 by 10 degrees at the equator
  (1,111,950 m on a side): Didan (2015), doi:10.5067/MODIS/MOD13A3.006; Running and Zhao (2019),
  doi:10.5067/MODIS/MOD17A3HGF.006. Collection 6.1 (files named .061) reads the same way; its MOD17A3HGF begins in 2001,
  and has gross production besides.
- *MCD12C1*, the majority IGBP class of each 0.05 degree cell (yearly): Sulla-Menashe and Friedl (2018),
  doi:10.5067/MODIS/MCD12C1.006. Codes 0 (water) to 16 (barren) in both collections.

Where a file's pixels lie is read from its own metadata, never from its name. Which files make a year is settled, and
the first file looked at, when a product is read. The map of a single year is computed then too; those of several years
when they are asked for, a year at a time, so that memory doesn't grow with the number of years or of files.
"""

from __future__ import annotations

import calendar
import contextlib
import threading
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import compression, hdf4, netcdf, rasters
from helpers.products.rasters import Mosaic, Raster
from helpers.products.registry import Field, Product, ProductError, describe, first_year
from helpers.space.grid import LAT, LON, Cells, Grid
from helpers.space.grid import of as cells_of

# Dask begins as many years as there are cores. The HDF4 library would make them wait for each other anyway, so one at a
# time loses little, and holds the fields of one.
_AT_WORK = threading.Lock()

ROWS = 200
"""Rows of a field that are added at a time, so that what is computed on the way stays small."""
STEPS = {"daily": "D", "8-day": "8D", "monthly": "MS", "yearly": "YS"}
"""How pandas calls the steps of products; each begins anew on the first of January."""

Dates = list[tuple[int, list[Path]]]
"""Of each date of a year, the days that it stands for, and its file or tiles."""


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    grid: Grid | None = None,
    method: str = "nearest",
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> xr.Dataset:
    """Read annual means of all the product's fields, or a year's classes.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    grid : Grid, optional
        Where sinusoidal tiles go; files on latitude and longitude keep their own grid.
    method : {"nearest", "average", "bilinear"}
        How tiles are resampled.
    allow_partial : bool
        Accept years of which dates are missing, with a warning that names them.
    dates_per_year : int, optional
        So many dates make a year (a thinned product).

    Returns
    -------
    xarray.Dataset
        (year, lat, lon), float32: ``par`` (W m-2), ``lai`` (m2 m-2), ``fapar`` (1), ``ndvi`` (1), ``npp`` and, where
        the version has it, ``gpp`` (kg m-2 yr-1 of carbon); or ``igbp``, int8, 0 to 16, -1 where there is no class.
        Several years are lazy (dask), one chunk a year. Computing a year raises `ProductError` where a file is damaged
        or differs from the first, or where none has any value, and warns of files without any.

    Raises
    ------
    ProductError
        Files of a year are missing or are there twice, are of several versions, or the first is not what it should be.
    """
    of_years = choose(product, paths, years, allow_partial=allow_partial, dates_per_year=dates_per_year)
    (_, (first, *_)), *_ = next(iter(of_years.values()))
    dtype, found = "int8" if "water_too" in product.notes else "float32", {}
    for field in product.fields:
        try:
            raster = hdf4.read(first, field.stored, field.grid)
        except hdf4.MissingField:
            if field.optional:
                continue
            raise
        mosaic = None if raster.geographic else partial(Mosaic, on_grid(grid, method, first), method)
        cells = raster.cells if mosaic is None else Cells(grid.lat, grid.lon)
        maps = [partial(annual_map, product, field, year, dates, cells, mosaic) for year, dates in of_years.items()]
        if len(maps) == 1:
            values = maps[0]()[None]
        else:
            values = da.stack([da.from_delayed(dask.delayed(m, traverse=False)(), cells.shape, dtype) for m in maps])
        coords = {"year": ("year", list(of_years), {"long_name": "calendar year"})}
        coords |= {"lat": ("lat", cells.lat, LAT), "lon": ("lon", cells.lon, LON)}
        found[field.name] = xr.DataArray(values, dims=("year", "lat", "lon"), coords=coords)
    return describe(xr.Dataset(found), product, ", ".join(product.versions(paths)))


def on_grid(grid: Grid | None, method: str, path: Path) -> Grid:
    """Return the grid; refuse a sinusoidal tile without one, and an unknown way onto it."""
    rasters.require_method(method)
    if grid is None:
        raise ProductError(f"{path}: sinusoidal tiles need a target: pass grid=Grid(resolution)")
    return grid


def annual_map(product: Product, field: Field, year: int, dates: Dates, cells: Cells, mosaic) -> np.ndarray:
    """Compute one field's map of one year, and warn of files in which no pixel has a value.

    Tiles in the polar night are such, and so are failed downloads.

    Parameters
    ----------
    cells : Cells
        Where the map stands.
    mosaic : callable or None
        Makes what collects a date's sinusoidal tiles; None where files stand on latitudes and longitudes.

    Returns
    -------
    numpy.ndarray
        (lat, lon), float32 or, of classes, int8; NaN or -1 where the dates with a value cover less of the year than
        the field has to.

    Raises
    ------
    ProductError
        All files of the year lack values, or no cell gets one.
    DamagedFile
        A file cannot be read.
    """
    with _AT_WORK:
        total, weight, blank = np.zeros(cells.shape), np.zeros(cells.shape, "float32"), []
        for days, paths in dates:
            read_in = (decoded(hdf4.read(path, field.stored, field.grid), field) for path in paths)
            values, without = date_map(read_in, cells, mosaic() if mosaic else None)
            blank += without
            for begin in range(0, len(values), ROWS):
                rows = slice(begin, begin + ROWS)
                valid = np.isfinite(values[rows])
                total[rows] += np.where(valid, values[rows], 0) * np.float64(days)
                weight[rows] += np.float32(days) * valid
        enough = (weight > 0) & (weight >= field.coverage * sum(days for days, _ in dates) - 1e-6)
        mean = np.full(cells.shape, np.nan, "float32")
        np.divide(total, weight, out=mean, where=enough, casting="same_kind")
    files = [path for _, paths in dates for path in paths]
    if len(blank) == len(files):
        raise ProductError(
            f"{blank[0]}: {product.id} {year}: expected values of {field.stored!r}, found fills only in this "
            f"file and all {len(files)} of the year; fetch them again"
        )
    if blank:
        warnings.warn(
            f"{product.id} {year}: {len(blank)} of {len(files)} files hold no value of {field.stored!r}, the "
            f"first is {blank[0].name}; if it should, fetch it again",
            stacklevel=2,
        )
    if not np.isfinite(mean).any():
        raise ProductError(
            f"{files[0]}: {product.id} {year}: expected cells with a value, found none among {mean.size}, though the "
            "year's files hold some; take a finer grid"
        )
    if "water_too" not in product.notes:
        return mean
    mean[mean == product.notes["water_too"]] = 0  # water is 17 in some legends
    return np.nan_to_num(mean, nan=-1).astype("int8")


def decoded(raster: Raster, field: Field) -> Raster:
    """Return a raster of values, NaN where there is none, in place of stored numbers."""
    return raster.holding(hdf4.decode(raster.stored, raster.attributes, field, raster.path))


def date_map(
    date: Iterable[Raster], cells: Cells, mosaic: Mosaic | None, any_grid: bool = False
) -> tuple[np.ndarray, list[Path]]:
    """Put the values of one date, or of its tiles, on the grid: (lat, lon), and the files without any value.

    Raises
    ------
    ProductError
        A file is not what the first one of the product is.
    """
    blank, values = [], None
    for raster in date:
        if raster.geographic != (mosaic is None) and not any_grid:
            kind = "one grid of degrees" if mosaic is None else "sinusoidal tiles"
            raise ProductError(f"{raster.path}: expected {kind}, as in the first file, found another grid; keep one")
        if not np.isfinite(raster.stored).any():
            blank.append(raster.path)
        if mosaic:
            mosaic.add(raster)
            continue
        if values is not None:
            raise ProductError(f"{raster.path}: expected one file a date on degrees, found another too; keep one")
        values, here = raster.stored, raster.cells
        if here.shape != cells.shape or not (np.allclose(here.lat, cells.lat) and np.allclose(here.lon, cells.lon)):
            size, found = ("x".join(map(str, one.shape)) for one in (cells, here))
            raise ProductError(
                f"{raster.path}: expected {size} cells, as in the first file, found {found}"
                f"{' with other corners' if found == size else ''}; remove it, or fetch it again"
            )
    return (mosaic.result() if mosaic else values), blank


def expected_days(year: int, step: str) -> list[int]:
    """Return the days of the year on which a product of this step has a date.

    >>> expected_days(2001, "8-day")[-2:], expected_days(2001, "monthly")[:3]
    ([353, 361], [1, 32, 60])
    """
    return pd.date_range(f"{year}-01-01", f"{year}-12-31", freq=STEPS[step]).day_of_year.tolist()


def days_of(days: Iterable[int], year: int) -> dict[int, int]:
    """Return how many days each date stands for: those until the next one, or until the year ends.

    >>> days_of([1, 32, 60], 2001)
    {1: 31, 32: 28, 60: 306}
    """
    days = list(days)
    return dict(zip(days, np.diff([*days, 366 + calendar.isleap(year)]).tolist(), strict=True))


def choose(
    product: Product,
    paths: Iterable[Path],
    years: Iterable[int],
    *,
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> dict[int, Dates]:
    """Return the files of each year, by what their names tell, or refuse.

    A date of a full product keeps its own period: a neighbour doesn't speak for a month that is missing. The dates of a
    thinned one (``dates_per_year``) share out the year.

    Raises
    ------
    ProductError
        Two files claim the same date and tile; some cover the globe and others a tile; a name tells no date; a year
        lies before the version begins or has no files; or dates of it are missing, in any tile that any year has.
    """
    years = [int(year) for year in years]
    if not years:
        raise ProductError(f"{product.id}: expected at least one year, found none; pass years=[...]")
    files = pd.DataFrame([{"tile": ""} | product.match(path).groupdict("") | {"path": path} for path in paths])
    files = files.astype({"year": int, "day": int})
    for year, day, path in zip(files.year, files.day, files.path, strict=True):
        if not 1 <= day <= 365 + calendar.isleap(year):
            raise ProductError(f"{path}: expected a day of the year {year}, found {day}; correct the file's name")
    if product.step == "monthly":  # whatever day of it a month is named after
        starts = {year: expected_days(year, "monthly") for year in files.year.unique().tolist()}
        named = zip(files.year, files.day, strict=True)
        files["day"] = [max(day for day in starts[year] if day <= at) for year, at in named]
    same = files.groupby(["year", "day", "tile"], sort=False).path
    if (twice := same.transform("size") > 1).any():
        old, new = same.get_group(tuple(files.loc[twice.idxmax(), ["year", "day", "tile"]])).iloc[:2]
        date = "month" if product.step == "monthly" else "date"
        raise ProductError(f"{new}: expected one file a {date} and tile, found {old.name} too; remove one")
    if files.tile.eq("").any() and (tiles := files.tile.ne("")).any():
        one, whole = files.path[tiles].iloc[0], files.path[~tiles].iloc[0]
        raise ProductError(f"{one}: is one tile, but {whole.name} is the whole globe; keep one kind")
    return {year: _year(product, files, year, allow_partial, dates_per_year) for year in years}


def _year(product: Product, files: pd.DataFrame, year: int, allow_partial: bool, dates_per_year: int | None) -> Dates:
    """Return one year's files date by date, or refuse the year, tile by tile, when dates are missing."""
    of_year = files[files.year == year]
    if of_year.empty:
        version = ", ".join(product.versions(files.path))
        if (start := first_year(product, version)) is not None and year < start:
            name = "its Collection 6.1" if version == "061" else f"its version {version}"
            raise ProductError(
                f"{product.id} {year}: {name} begins in {start} and has no {year}; "
                f"set first_year: {start} (a parameter of chapter 1), or ask for years from {start} on"
            )
        there = ", ".join(str(known) for known in sorted(files.year.unique()))
        raise ProductError(
            f"{product.id} {year}: expected files of that year, found none (there are {there}); "
            "add them, or ask for other years"
        )
    expected, days_of_tile, gaps = expected_days(year, product.step), of_year.groupby("tile").day.agg(set), []
    for tile in sorted(files.tile.unique()):
        what, days = f"{product.id} {tile}".strip(), days_of_tile.get(tile, set())
        if dates_per_year is not None:
            if len(days) != dates_per_year:
                found = f"expected {dates_per_year} dates (dates_per_year), found {len(days)}"
                gaps.append((what, found, "add the missing files"))
            continue
        if strange := days - set(expected):
            raise ProductError(
                f"{what} {year}: expected dates of {product.step} files, found day {min(strange)} of the year too; "
                "remove it, or fetch it again"
            )
        if lacking := sorted(set(expected) - days):
            style, begin = "%Y-%m" if product.step == "monthly" else "%Y-%m-%d", pd.Timestamp(year, 1, 1)
            named = ", ".join((begin + pd.Timedelta(days=day - 1)).strftime(style) for day in lacking[:6])
            named += f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
            gaps.append((what, f"{len(lacking)} of {len(expected)} dates are missing ({named})", "add them"))
    if gaps:
        what, gap, remedy = gaps[0]
        if not allow_partial:
            raise ProductError(f"{what} {year}: {gap}; {remedy}, or pass allow_partial=True")
        others = f", and others in {len(gaps) - 1} more tiles" if len(gaps) > 1 else ""
        warnings.warn(f"{what} {year}: {gap}{others}; its mean is that of the other dates", stacklevel=4)
    by_day = {day: group.tolist() for day, group in of_year.groupby("day").path}
    stands_for = days_of(by_day if dates_per_year else expected, year)
    return [(stands_for[day], group) for day, group in by_day.items()]


def pixel(product: Product, path: Path) -> str:
    """Say how large a pixel of a gridded product's file is, as the file itself declares it.

    Returns
    -------
    str
        Height of a pixel, in degrees, or in metres where the file is on a projection: ``"0.5°"``, ``"463 m"``.

    Raises
    ------
    ProductError
        The product has no pixels, or the file does not say how large they are.
    """
    ending = Path(compression.plain_name(path.name)).suffix
    if ending in (".nc", ".nc4"):
        with netcdf.opening(path) as ds:
            if ds.sizes["lat"] < 2:
                raise ProductError(f"{path}: holds one row of cells, which does not say how high they are")
            height, geographic = cells_of(ds).resolution, True
    elif ending in (".hdf", ".tif", ".tiff", ".vrt"):
        field = product.fields[0]
        hdf = ending == ".hdf" and contextlib.nullcontext(hdf4.read(path, field.stored, field.grid))
        with hdf or rasters.opening(path) as one:
            height, geographic = abs(one.transform.e), one.geographic
    else:
        raise ProductError(f"{path}: expected a file with pixels (.hdf, .nc, .tif), found a table of {product.id}")
    if geographic:
        return f"{height:.4g}°"
    return f"{height / 1000:.3g} km" if height >= 1000 else f"{height:.0f} m"
