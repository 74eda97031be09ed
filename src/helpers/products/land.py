"""The land: satellite products as annual means (GLASS, MODIS), soil carbon (SoilGrids), outlines, and any other field.

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
- *SoilGrids250m* of 2017, Hengl et al. (2017), doi:10.1371/journal.pone.0169748: g of carbon per kg of fine earth *at*
  0, 5, 15 and 30 cm. *SoilGrids 2.0*, Poggio et al. (2021), doi:10.5194/soil-7-217-2021: dg per kg over the *intervals*
  0-5, 5-15, 15-30 and 30-60 cm, another quantity, of which a stand-in for the first can be made. Its files stand on the
  interrupted Goode homolosine projection (ISRIC's own, 250 m, and its means over 1 and 5 km), or on latitude and
  longitude where somebody has warped them.
- *Natural Earth*: GeoJSON, as shipped or as published. What the book itself draws is read in `helpers.space.regions`.
- *Any other field* of an HDF4-EOS file, or a GeoTIFF: `read_field`, whose entry is made on the spot.

Where a file's pixels lie is read from its own metadata, never from its name. Which files make a year is settled, and
the first file looked at, when a product is read. The map of a single year is computed then too; those of several years
when they are asked for, a year at a time, so that memory doesn't grow with the number of years or of files.
"""

from __future__ import annotations

import math
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pandas as pd
import shapely
import xarray as xr

from helpers import products, tasks
from helpers.products import Field, Product, ProductError, describe, rasters
from helpers.products.files import opened, plain_name
from helpers.products.rasters import Raster, mosaic
from helpers.products.site_table import fills
from helpers.space import regions
from helpers.space.grid import Cells, Grid, codes, coords, empty

# Dask begins as many years as there are cores, each of which is read by all of them: one at a time holds the fields of
# one.
_AT_WORK = threading.Lock()

PIXELS = 2**17
"""Pixels of a field that are added at a time, so that what is computed on the way stays near the processor."""
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
    of_years = choose(product, paths, years, allow_partial, dates_per_year)
    (_, (first, *_)), *_ = next(iter(of_years.values()))
    dtype, found = "int8" if "water_too" in product.notes else "float32", {}
    for field in product.fields:
        try:
            raster = rasters.read_hdf4(first, field.stored, field.grid)
        except rasters.MissingField:
            if field.optional:
                continue
            raise
        if not raster.geographic and grid is None:
            raise ProductError(f"{first}: sinusoidal tiles need a target: pass grid=Grid(resolution)")
        cells = raster.cells if raster.geographic else grid
        maps = [partial(annual_map, product, field, year, dates, cells, method) for year, dates in of_years.items()]
        if len(maps) == 1:
            values = maps[0]()[None]
        else:
            values = da.stack([da.from_delayed(dask.delayed(m, traverse=False)(), cells.shape, dtype) for m in maps])
        years = {"year": ("year", list(of_years), {"long_name": "calendar year"})}
        at = years | coords(cells.lat, cells.lon)
        found[field.name] = xr.DataArray(values, dims=("year", "lat", "lon"), coords=at)
    return describe(xr.Dataset(found), product, product.match(first).groupdict().get("version") or "")


def annual_map(product: Product, field: Field, year: int, dates: Dates, cells: Grid | Cells, method: str) -> np.ndarray:
    """Compute one field's map of one year, and warn of files in which no pixel has a value.

    Tiles in the polar night are such, and so are failed downloads.

    Parameters
    ----------
    cells : Grid or Cells
        Where the map stands: a grid that sinusoidal tiles go onto, or the cells of files on degrees.

    Returns
    -------
    numpy.ndarray
        (lat, lon), float32 or, of classes, int8; NaN or -1 where the dates with a value cover less of the year than
        the field has to.

    Raises
    ------
    ProductError
        All files of the year lack values, no cell gets one, or a file is not what the first one of the product is.
    DamagedFile
        A file cannot be read.
    """
    blank, tiled = set(), isinstance(cells, Grid)
    needed = field.coverage * sum(days for days, _ in dates) - 1e-6

    def values_of(path: Path) -> Raster:
        raster = rasters.decode(rasters.read_hdf4(path, field.stored, field.grid), field)
        rasters.require_squares(raster)
        if raster.geographic == tiled:
            kind = "sinusoidal tiles" if tiled else "one grid of degrees"
            raise ProductError(f"{path}: expected {kind}, as in the first file, found another grid; keep one")
        if not rasters.any_value(raster):
            blank.add(path)
        return raster

    with _AT_WORK:
        if tiled:
            mean = _of_tiles(dates, values_of, cells, method, needed)
        else:
            mean = _of_globes(dates, values_of, cells, needed)
    files = [path for _, paths in dates for path in paths]
    blank = [path for path in files if path in blank]
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


def _of_tiles(dates: Dates, values_of: Callable[[Path], Raster], grid: Grid, method: str, needed: float) -> np.ndarray:
    """Return the mean over dates of tiles, NaN in cells where the dates with a value have fewer days than needed."""
    sums = {}  # of the blocks of the grid that a tile reaches
    paths = [path for _, tiles in dates for path in tiles]
    parts = tasks.each(lambda path: rasters.parts(values_of(path), grid, method), paths, here=True)
    for days, tiles in dates:
        for rows, columns, values in rasters.blocks(islice(parts, len(tiles)), grid, method):
            at = rows.start, columns.start
            sums.setdefault(at, (rows, columns, np.zeros(values.shape), np.zeros(values.shape, "float32")))
            _add(*sums[at][2:], values, days)
    mean = np.full(grid.shape, np.nan, "float32")
    for rows, columns, total, weight in sums.values():
        mean[rows, columns] = _mean(total, weight, needed)
    return mean


def _of_globes(dates: Dates, values_of: Callable[[Path], Raster], cells: Cells, needed: float) -> np.ndarray:
    """Return the same of files on latitude and longitude, which stay on their cells."""
    total, mean = np.zeros(cells.shape), np.zeros(cells.shape, "float32")  # the mean's place is the weights' before
    step = max(PIXELS // cells.shape[1], 1)
    strips = [slice(begin, begin + step) for begin in range(0, cells.shape[0], step)]

    def on_cells(date: tuple[int, list[Path]]) -> tuple[int, Raster]:
        return date[0], _own_cells(map(values_of, date[1]), cells)

    def add(rows: slice) -> None:
        for days, raster in batch:
            _add(total[rows], mean[rows], raster.read((rows, slice(None))), days)

    def finish(rows: slice) -> None:
        mean[rows] = _mean(total[rows], mean[rows], needed)

    size = 2 * tasks.cores()  # a few dates are added together, for less way through memory
    for begin in range(0, len(dates), size):
        batch = list(tasks.each(on_cells, dates[begin : begin + size], here=True))
        deque(tasks.each(add, strips, here=True), 0)
    deque(tasks.each(finish, strips, here=True), 0)
    return mean


def _add(total: np.ndarray, weight: np.ndarray, values: np.ndarray, days: int) -> None:
    """Add a date's values, which are taken for scratch, and its days where there are values, to the sums."""
    valid = np.isfinite(values)
    np.copyto(values, 0, where=~valid)
    total += values * np.float64(days)
    weight += np.float32(days) * valid


def _mean(total: np.ndarray, weight: np.ndarray, needed: float) -> np.ndarray:
    """Return the mean, float32, NaN where there is too little weight."""
    mean = np.full(total.shape, np.nan, "float32")
    return np.divide(total, weight, out=mean, where=(weight > 0) & (weight >= needed), casting="same_kind")


def _own_cells(date: Iterable[Raster], cells: Cells) -> Raster:
    """Return the one file of a date on degrees, which has to stand on the first file's cells."""
    raster, *more = date
    if more:
        raise ProductError(f"{more[0].path}: expected one file a date on degrees, found another too; keep one")
    here = raster.cells
    if here.shape != cells.shape or not (np.allclose(here.lat, cells.lat) and np.allclose(here.lon, cells.lon)):
        size, found = ("x".join(map(str, one.shape)) for one in (cells, here))
        raise ProductError(
            f"{raster.path}: expected {size} cells, as in the first file, found {found}"
            f"{' with other corners' if found == size else ''}; remove it, or fetch it again"
        )
    return raster


def choose(
    product: Product,
    paths: Iterable[Path],
    years: Iterable[int],
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> dict[int, Dates]:
    """Return the files of each year, by what their names tell, or refuse.

    Raises
    ------
    ProductError
        Two files claim the same date and tile; some cover the globe and others a tile; a name tells no date; a year
        lies before the version begins or has no files; or dates of it are missing, in any tile that any year has.
    """
    years = list(years)
    files = pd.DataFrame([{"tile": ""} | product.match(path).groupdict("") | {"path": path} for path in paths])
    files["date"] = pd.to_datetime(files.year + files.day, format="%Y%j", errors="coerce")
    if (wrong := files.date.dt.year != files.year.astype(int)).any():
        one = files[wrong].iloc[0]
        raise ProductError(
            f"{one.path}: expected a day of the year {one.year}, found {int(one.day)}; correct the file's name"
        )
    if product.step == "monthly":  # whatever day of it a month is named after
        files["date"] = files.date.dt.to_period("M").dt.start_time
    if (twice := files.duplicated(["date", "tile"])).any():
        new = files[twice].iloc[0]
        old = files[(files.date == new.date) & (files.tile == new.tile)].iloc[0]
        date = "month" if product.step == "monthly" else "date"
        raise ProductError(f"{new.path}: expected one file a {date} and tile, found {old.path.name} too; remove one")
    if files.tile.eq("").any() and (tiles := files.tile.ne("")).any():
        one, whole = files.path[tiles].iloc[0], files.path[~tiles].iloc[0]
        raise ProductError(f"{one}: is one tile, but {whole.name} is the whole globe; keep one kind")
    return {year: _dates(product, files, year, allow_partial, dates_per_year) for year in years}


def _dates(product: Product, files: pd.DataFrame, year: int, allow_partial: bool, dates_per_year: int | None) -> Dates:
    """Return one year's files date by date, or refuse the year, tile by tile, when dates are missing.

    A date of a full product keeps its own period: a neighbour doesn't speak for a month that is missing. The dates of a
    thinned one (``dates_per_year``) share out the year.
    """
    of_year = files[files.date.dt.year == year]
    if of_year.empty:
        version = product.match(files.path[0]).groupdict().get("version")
        if (start := product.starts.get(version)) is not None and year < start:
            name = "its Collection 6.1" if version == "061" else f"its version {version}"
            raise ProductError(
                f"{product.id} {year}: {name} begins in {start} and has no {year}; "
                f"set first_year: {start} (a parameter of chapter 1), or ask for years from {start} on"
            )
        there = ", ".join(str(known) for known in sorted(files.date.dt.year.unique()))
        raise ProductError(
            f"{product.id} {year}: expected files of that year, found none (there are {there}); "
            "add them, or ask for other years"
        )
    expected, gaps = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq=STEPS[product.step]), []
    for tile in sorted(files.tile.unique()):
        what, there = f"{product.id} {tile}".strip(), pd.DatetimeIndex(of_year.date[of_year.tile == tile])
        if dates_per_year is not None:
            if len(there) != dates_per_year:
                found = f"expected {dates_per_year} dates (dates_per_year), found {len(there)}"
                gaps.append((what, found, "add the missing files"))
            continue
        if len(strange := there.difference(expected)):
            raise ProductError(
                f"{what} {year}: expected dates of {product.step} files, found day {strange[0].day_of_year} of the "
                "year too; remove it, or fetch it again"
            )
        if len(lacking := expected.difference(there)):
            named = ", ".join(lacking[:6].strftime("%Y-%m" if product.step == "monthly" else "%Y-%m-%d"))
            named += f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
            gaps.append((what, f"{len(lacking)} of {len(expected)} dates are missing ({named})", "add them"))
    if gaps:
        what, gap, remedy = gaps[0]
        if not allow_partial:
            raise ProductError(f"{what} {year}: {gap}; {remedy}, or pass allow_partial=True")
        others = f", and others in {len(gaps) - 1} more tiles" if len(gaps) > 1 else ""
        warnings.warn(f"{what} {year}: {gap}{others}; its mean is that of the other dates", stacklevel=4)
    by_date = {date: group.tolist() for date, group in of_year.groupby("date").path}
    starts = pd.DatetimeIndex([*(by_date if dates_per_year else expected), pd.Timestamp(year + 1, 1, 1)])
    stands_for = dict(zip(starts[:-1], np.diff(starts).astype("timedelta64[D]").astype(int).tolist(), strict=True))
    return [(stands_for[date], group) for date, group in by_date.items()]


# Any other field. Files state a scale in two ways, and an offset in two. Nothing tells them apart but the numbers, so
# this is the rule:
#
# - A ``scale_factor`` of 10, 100, 1000, … says how many stored units make one of the value's: value = stored / scale
#   (MOD09, MOD13). Any other is what a stored number is multiplied by (MOD11: 0.02, MOD15: 0.1, MOD17: 0.0001; and the
#   range of MOD09GA, in steps of 25 m).
# - An ``add_offset`` of a whole number of stored units is taken off before scaling, as the users' guide of HDF4 has it:
#   value = scale x (stored - offset) (MOD08: 0.01 and -15000). One that is not whole, or that comes with a scale of 1,
#   cannot be meant so, and is added after scaling: value = scale x stored + offset (MOD11's emissivities: 0.002 and
#   0.49, and its view angles: 1 and -65; Wan 2019, MODIS Land Surface Temperature Products Users' Guide, table 9).
# - The pair that GDAL keeps with a band of a GeoTIFF, where its tags state none, is value = scale x stored + offset.

NOTHING = ("", "n/a", "na", "none", "null")
"""Texts that stand for an attribute without a number (MOD21 writes ``scale_factor = "n/a"`` to bit fields)."""


def read_field(
    product: Product,
    paths: list[Path],
    *,
    variable: str | int | None = None,
    eos_grid: str | None = None,
    layer: int | None = None,
    grid: Grid | None = None,
    method: str = "nearest",
    scale: float | None = None,
    offset: float | None = None,
    valid: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
    name: str | None = None,
    allow_empty: bool = False,
) -> xr.Dataset:
    """Read one field of a file, or of several tiles of one date.

    Parameters
    ----------
    variable : str or int, optional
        Name of the field (``"sur_refl_b01_1"``), or of a GeoTIFF's band, or its number from 1. May be left out where
        there is one; else the error lists those there are.
    eos_grid : str, optional
        Name of the HDF-EOS grid, where fields of several grids have the same name.
    layer : int, optional
        Index, from 0, along the dimension that a field has besides y and x.
    grid : Grid, optional
        Where to go. A file on latitude and longitude may stay on its own.
    method : {"nearest", "average", "bilinear"}
        How to get there. Classes and bit fields can only be copied.
    scale, offset : float, optional
        In place of what the file states: value = stored x scale + offset.
    valid : pair of float, optional
        Least and greatest stored number that is a value, in place of the file's. Beyond lie fills and classes.
    fill : float or sequence of float, optional
        Stored numbers that mean "no value", in place of the file's.
    name : str, optional
        What to call the variable; default the field's own name, with ``_`` for what is no letter or digit.
    allow_empty : bool
        Take files without one value, such as a tile of the sea.

    Returns
    -------
    xarray.Dataset
        One variable (lat, lon), float32 (float64 where more than 24 bits are stored), NaN where there is no value,
        whose attributes say what was applied.

    Raises
    ------
    ProductError
        There is no such field, or it is not clear which; it cannot be decoded or placed; a file has no value; or files
        do not go together. The message names the file, and the parameter that helps.
    """
    given = {"scale": scale, "offset": offset, "valid": valid, "fill": fill}
    opened, seen = [], {}
    for path in paths:
        if Path(plain_name(path.name)).suffix.lower() in rasters.SUFFIXES:
            raster = rasters.read_hdf4(path, variable, eos_grid, layer)
        elif eos_grid is not None or layer is not None:
            raise ProductError(f"{path}: expected no eos_grid or layer for a GeoTIFF; choose a band by variable")
        else:
            with rasters.opening(path, variable) as band:
                if math.prod(band.shape) > LARGEST:
                    size = "x".join(map(str, band.shape))
                    raise ProductError(
                        f"{path}: expected at most {LARGEST:,} pixels, which are read whole, found {size}: too many; "
                        "cut out what you need, such as by gdal_translate -projwin"
                    )
                raster = replace(band, read=band.stored.__getitem__)
        entry = entry_of(raster.attributes, f"{path}: {raster.name!r}", **given)
        if method != "nearest" and entry.plain and (told := codes(raster.attributes, entry.valid)):
            raise ProductError(
                f"{path}: {raster.name!r} holds codes ({told:.60}), which have no mean; expected method='nearest'"
            )
        opened.append(replace(raster, read=entry.decode(raster.stored).__getitem__))
        other = seen.setdefault(tuple(np.rint(raster.transform @ (0, 0))), path)
        dates = [found[0] if (found := re.findall(r"\.A(\d{7})\.", one.name)) else "" for one in (path, paths[0])]
        if other != path or dates[0] != dates[1]:
            raise ProductError(
                f"{path}: expected tiles side by side of one date, found {other.name} at its place, or another date "
                f"({' and '.join(dates)}); read one date at a time"
            )
    first = opened[0]
    if not first.geographic and grid is None:
        raise ProductError(f"{first.path}: sinusoidal tiles need a target: pass grid=Grid(resolution)")
    cells = grid or first.cells
    own = cells is not grid
    values = _own_cells(opened, cells).stored if own else mosaic(opened, cells, method, first.stored.dtype.name)
    blank = [raster.path for raster in opened if not np.isfinite(raster.stored).any()]
    for raster in opened:
        _warn_of_a_mark(raster)
    if blank and not allow_empty:
        raise ProductError(
            f"{blank[0]}: {first.name!r} has no value: its numbers are all fills or out of range ({entry.rule}; fill "
            f"{entry.fill}; valid {entry.valid}); leave it out, or pass allow_empty=True"
        )
    called = name or re.sub(r"\W+", "_", first.name).strip("_")
    core = "".join(str(text) for key, text in sorted(first.metadata.items()) if key.startswith("CoreMetadata."))
    told = [re.search(rf'OBJECT\s*=\s*{key}\b.*?VALUE\s*=\s*"?([^"\n]*)"?', core, re.DOTALL) for key in CORE]
    short, version, day = (found[1].strip() if found else "" for found in told)
    source = f"{short} version {version}" if short else "a file of the user's"
    ds = describe(xr.Dataset({called: (("lat", "lon"), values)}, coords(cells.lat, cells.lon)), product, source)
    stated = {key: str(first.attributes[key]).strip("\0 ") for key in ("long_name", "units") if key in first.attributes}
    decoding = {"decoding": entry.rule, "stored_fill": str(entry.fill), "stored_valid_range": str(entry.valid)}
    ds[called].attrs = {"source": source, "stored_name": first.name, "eos_grid": first.grid} | decoding | stated
    ds.attrs |= {"source": source, "files": " ".join(path.name for path in paths), "date": day}
    return ds


def _warn_of_a_mark(raster: Raster) -> None:
    """Warn of a least or greatest value that marks gaps in other files, and that nobody has declared here."""
    values = raster.stored[np.isfinite(raster.stored)]
    if values.size:
        ends = np.array([values.min(), np.median(values[:: max(values.size // PIXELS, 1)]), values.max()], "float64")
        for end in ends[fills(ends)]:
            warnings.warn(
                f"{raster.path}: {raster.name!r} holds {end:g}, which marks gaps in other files; if it does here, pass "
                "fill=, as stored",
                stacklevel=3,
            )


CORE = ("SHORTNAME", "VERSIONID", "RANGEBEGINNINGDATE")
"""What NASA's text about a file calls product, version and first day."""


@dataclass(frozen=True)
class Entry:
    """What the registry would say of a field: value = stored x ``scale`` + ``offset``, and of which numbers."""

    scale: float = 1.0
    offset: float = 0.0
    valid: tuple[float, float] | None = None
    fill: tuple[float, ...] = ()
    rule: str = ""
    what: str = ""

    @property
    def plain(self) -> bool:
        """Whether a stored number is the value."""
        return (self.scale, self.offset) == (1, 0)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Turn stored numbers into values; refuse fractions that a scale is to be applied to."""
        values = rasters.decoded(stored, self.scale, self.valid, self.fill)
        if stored.dtype.kind == "f" and not self.plain and (stored[np.isfinite(values)] % 1).any():
            raise ProductError(
                f"{self.what} states {self.rule}, but holds fractions, as if that had been done; "
                "pass scale=1 and offset=0, or the scale"
            )
        return values + values.dtype.type(self.offset)


def entry_of(attributes: Mapping[str, object], what: str, *, scale=None, offset=None, valid=None, fill=None) -> Entry:
    """Make an entry for a field out of its attributes.

    Parameters
    ----------
    attributes : mapping
        ``scale_factor``, ``add_offset``, ``valid_range`` (or ``valid_min`` and ``valid_max``), ``_FillValue``,
        ``missing_value``, however they are capitalised; numbers, or text that holds numbers.
    what : str
        File and field, for messages.
    scale, offset, valid, fill : optional
        In place of the file's, as for `read_field`.

    Raises
    ------
    ProductError
        An attribute is not what it should be; the message names the parameter that sets it.
    """
    stated = {re.sub(r"\W+", "_", key.lower()): value for key, value in attributes.items()}

    def numbers(key: str, given) -> list[float]:
        """Return what was passed, or the numbers of an attribute; none where it says that it has none."""
        value = stated.get(key, ()) if given is None else given
        if isinstance(value, str):
            text, value = value.strip("\0 ()[]"), ()
            try:
                value = [float(part) for part in re.split(r"[\s,]+", text)] if text.lower() not in NOTHING else ()
            except ValueError:
                raise ProductError(
                    f"{what}: expected {key} to be a number, found {text[:40]!r}; pass scale=, offset=, valid= or fill="
                ) from None
        return [float(number) for number in np.ravel(value)]

    (factor, *more), (shift, *others) = numbers("scale_factor", scale) or [1.0], numbers("add_offset", offset) or [0.0]

    def require(right: bool) -> None:
        if not right:
            raise ProductError(
                f"{what}: expected one scale_factor above zero and one finite add_offset, found {factor:g} and "
                f"{shift:g}; pass scale= and offset="
            )

    require(not more and not others and 0 < factor < np.inf and np.isfinite(shift))
    if scale is None:
        if factor == np.float32(factor):  # written as float32: the decimal number that was meant
            factor = float(np.format_float_positional(np.float32(factor)))
        digits = math.log10(factor)
        if factor > 1 and math.isclose(round(digits), digits, abs_tol=1e-9):
            factor = 1 / factor
        if "scale_factor" not in stated:
            factor = float(stated.get("gdal_scale", 1))
    if offset is None:
        if "add_offset" not in stated:
            shift = float(stated.get("gdal_offset") or 0)
        elif shift.is_integer() and factor != 1:
            shift = -factor * shift
    require(factor != 0 and np.isfinite(factor) and np.isfinite(shift))
    limits = numbers("valid_range", valid)
    if not limits and valid is None and {"valid_min", "valid_max"} & set(stated):
        limits = [*(numbers("valid_min", None) or [-np.inf]), *(numbers("valid_max", None) or [np.inf])]
    if limits and (len(limits) != 2 or not limits[0] <= limits[1]):
        raise ProductError(
            f"{what}: expected a valid range from least to greatest, found {limits}; pass valid=(least, greatest)"
        )
    fills = numbers("_fillvalue", fill) + (numbers("missing_value", None) if fill is None else [])
    rule = f"value = stored x {factor:.10g}" + (f" {'+-'[shift < 0]} {abs(shift):.10g}" if shift else "")
    return Entry(factor, shift, tuple(limits) or None, tuple(dict.fromkeys(fills)), rule, what)


# SoilGrids: one GeoTIFF a layer.

LARGEST = 10**8
"""Cells that are read whole; beyond, pass a target grid (the 250 m files have 10**10)."""

INTERVALS = {"soc_0_5": (0, 5), "soc_5_15": (5, 15), "soc_15_30": (15, 30), "soc_30_60": (30, 60)}
"""Top and bottom of each variable's interval in SoilGrids 2.0, cm."""

DEPTHS = {"soc_0": 0, "soc_5": 5, "soc_15": 15, "soc_30": 30}
"""The depths of SoilGrids250m (2017) that the paper uses, cm."""


def read_soil(
    product: Product,
    paths: list[Path],
    *,
    grid: Grid | None = None,
    method: str = "nearest",
    layers: Iterable[str] | None = None,
    at_depths: bool = False,
) -> xr.Dataset:
    """Read soil organic carbon.

    Parameters
    ----------
    grid : Grid, optional
        Where to go. Without it the files' own grid is kept, if it is one of latitude and longitude.
    method : {"nearest", "average", "bilinear"}
        How to get there; see `onto`.
    layers : iterable of str, optional
        Which of the product's variables to read, such as ``["soc_0"]``; default all four, each of which must be there.
    at_depths : bool
        Give the content at 0, 5, 15 and 30 cm, which SoilGrids250m (2017) has; of SoilGrids 2.0 a stand-in for it (see
        `_at_depths`), for which all its intervals are needed.

    Returns
    -------
    xarray.Dataset
        ``soc_0 soc_5 soc_15 soc_30``, or ``soc_0_5 soc_5_15 soc_15_30 soc_30_60`` of SoilGrids 2.0 (means over the
        interval), g kg-1 on (lat, lon): dask arrays of one chunk a layer, read when computed.

    Raises
    ------
    ProductError
        A layer is missing, is there twice or is none of the product's, or a file cannot be read.
    """
    known = {field.name: field for field in product.fields}
    if not (layers is None or isinstance(layers, Iterable)) or isinstance(layers, str):
        raise ProductError(f"layers: expected a list of {', '.join(known)}, found {layers!r:.60}; give a list")
    asked = list(known if layers is None else layers)
    if unknown := [name for name in asked if name not in known]:
        raise ProductError(f"{product.id}: layer {unknown[0]!r} is unknown; known are {', '.join(known)}")
    files, first, found = _by_layer(product, paths), None, {}
    for name in (name for name in asked if name in files):
        path = files[name]
        with rasters.opening(path) as place:
            rasters.require_squares(place)
            first = first or place
        if (place.shape, place.transform) != (first.shape, first.transform):
            raise ProductError(
                f"{path}: expected the pixels of {first.path.name}, {first.shape}, found others, {place.shape}; "
                "keep one resolution"
            )
        shape, at = (grid.shape, coords(grid.lat, grid.lon)) if grid else (place.shape, _coordinates(place))
        values = dask.delayed(_values, pure=True)(str(path), known[name], grid, method)
        lazy = dask.array.from_delayed(values, shape, dtype="float32")
        found[name] = xr.DataArray(lazy, dims=("lat", "lon"), coords=at)
    if missing := [name for name in asked if name not in found]:
        there = ", ".join(path.name for path in files.values()) or "files of other layers"
        raise ProductError(
            f"{paths[0].parent}: expected a file of each of {', '.join(asked)}, found none of {', '.join(missing)} but "
            f"{there}; add the missing, or pass layers={list(found) or asked[:1]}"
        )
    ds = describe(xr.Dataset(found), product)
    return _at_depths(ds, product) if at_depths and product.id == "soilgrids2" else ds


def _by_layer(product: Product, paths: list[Path]) -> dict[str, Path]:
    """Return {variable: file}, by the group ``layer`` of the files' names."""
    names, files = {field.stored: field.name for field in product.fields}, {}
    for path in sorted(paths):
        for other in product.notes.get("mistaken_for", ()):
            if products.product(other).file.search(path.name):
                raise ProductError(
                    f"{path}: expected a {product.id} file named like {product.example}, found one of {other}, "
                    f"which is another quantity; read it as {other}"
                )
        name = names.get(product.match(path)["layer"])
        if name and files.setdefault(name, path) != path:
            raise ProductError(
                f"{path}: expected one file of {name}, found {files[name].name} too; keep one resolution"
            )
    return files


def _values(path: str, field: Field, grid: Grid | None, method: str) -> np.ndarray:
    """Read one layer when it is computed."""
    with rasters.opening(Path(path)) as raster:
        fills = [*field.fill, *np.ravel(raster.attributes.get("missing_value", ()))]

        def decode(stored: np.ndarray) -> np.ndarray:
            return rasters.decoded(stored, field.scale, field.valid, fills)

        values = decode(raster.stored) if grid is None else rasters.onto(raster, grid, method, decode)
    if not np.isfinite(values).any():
        raise ProductError(
            f"{path}: expected values of {field.name}, found none in any cell; give a file that holds land of the grid"
        )
    return values


def _coordinates(raster: Raster) -> dict:
    """Return the coordinates of a file's own grid, refusing one that is too large or not of degrees."""
    if raster.shape[0] * raster.shape[1] > LARGEST:
        size = "x".join(map(str, raster.shape))
        raise ProductError(f"{raster.path}: {size} cells are too many to read whole; pass grid=Grid(resolution)")
    if not raster.geographic:
        found = raster.crs.to_string()[:60]
        raise ProductError(f"{raster.path}: expected latitude and longitude, found {found}; pass grid=Grid(resolution)")
    return coords(raster.cells.lat, raster.cells.lon)


def _at_depths(ds: xr.Dataset, product: Product) -> xr.Dataset:
    """Let means over intervals stand in for the content at depths: ``soc_0 soc_5 soc_15 soc_30``, with a ``comment``.

    Each mean is taken for the content at the middle of its interval (2.5, 10, 22.5 and 45 cm), and the content to run
    along straight lines between these; above 2.5 cm it is that of the first interval. So

        soc_0 = soc_0_5,  soc_5 = (2 soc_0_5 + soc_5_15) / 3,  soc_15 = (3 soc_5_15 + 2 soc_15_30) / 5,
        soc_30 = (2 soc_15_30 + soc_30_60) / 3,

    missing where one of the two intervals that it needs is. Where carbon falls off with depth, this is too little at
    0 cm; and the two products differ anyhow, in their soil profiles and models.
    """
    if missing := [name for name in INTERVALS if name not in ds]:
        raise ProductError(f"soilgrids2: expected {', '.join(INTERVALS)}, found no {', '.join(missing)}; read all four")
    middle = np.array([(top + bottom) / 2 for top, bottom in INTERVALS.values()])
    shares = np.array([np.interp(list(DEPTHS.values()), middle, unit) for unit in np.eye(len(middle))]).T
    fields, comments = {}, {}
    for name, row in zip(DEPTHS, shares, strict=True):
        used = {part: w for part, w in zip(INTERVALS, row, strict=True) if w}
        fields[name] = sum(np.float32(share) * ds[part] for part, share in used.items()).astype("float32")
        comments[name] = (
            f"a stand-in for the content at {DEPTHS[name]} cm that SoilGrids250m (2017) gives: "
            f"{' + '.join(f'{share:.3g} {part}' for part, share in used.items())}, "
            "linear in depth between the middles of the intervals of SoilGrids 2.0"
        )
    out = describe(xr.Dataset(fields), product)
    for name, comment in comments.items():
        out[name].attrs["comment"] = comment
    return out


# Natural Earth's outlines.

OUTLINES = 2**25
"""Bytes of a file of outlines, which takes many times as much memory; Natural Earth's finest have some 25 million."""
WITHOUT_CODE = 900
"""From here on, ISO 3166-1 leaves numeric codes to users: the few countries without one get them, in order of name."""


def read_outlines(product: Product, paths: list[Path], *, grid: Grid) -> xr.Dataset:
    """Draw land and countries onto ``grid``: a cell is of the outline that its centre lies in.

    Returns
    -------
    xarray.Dataset
        On (lat, lon): ``land`` (bool) and, where the file holds countries, ``country`` (int16 flags: ISO 3166-1
        numeric codes, from 900 for those without, 0 off all countries; ``flag_meanings`` are their names).

    Raises
    ------
    ProductError
        There are several files, or one that is no GeoJSON.
    """
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ProductError(f"{paths[0].parent}: expected one file of outlines, found {names}; pass one of them")
    with opened(paths[0], (".json", ".geojson")) as plain:
        if plain.stat().st_size > OUTLINES:
            found = f"found {plain.stat().st_size >> 20}; take a coarser scale, such as 1:50 million"
            raise ProductError(f"{paths[0]}: expected outlines of at most {OUTLINES >> 20} MiB, {found}")
        try:
            outlines = regions.outlines(plain)
        except (ValueError, LookupError, TypeError, AttributeError, shapely.errors.ShapelyError):
            raise ProductError(f"{paths[0]}: expected outlines as GeoJSON, found others; fetch it again") from None
    _require_outlines([shape for shape, _ in outlines], paths[0])
    names = [str(about.get("ADMIN") or about.get("NAME") or "") for _, about in outlines]
    codes = [
        next((c for k in ("ISO_N3", "ISO_N3_EH") if re.fullmatch(r"(?a:\d{1,3})", c := str(about.get(k)))), "")
        for _, about in outlines
    ]
    without = sorted({name for name, code in zip(names, codes, strict=True) if not code})
    numbers = [int(code or WITHOUT_CODE + without.index(name)) for name, code in zip(names, codes, strict=True)]
    shapes = [shape for shape, _ in outlines]
    land = regions.burn([(shape, 1) for shape in shapes], grid.lat, grid.lon).astype(bool)
    ds = empty(grid).to_dataset(name="land").assign(land=(("lat", "lon"), land))
    if any(names):
        drawn = regions.burn(list(zip(shapes, numbers, strict=True)), grid.lat, grid.lon, "int16")
        ds = ds.assign(country=(("lat", "lon"), drawn))
    ds = describe(ds, product)
    if any(names):
        flags = {0: "none"} | dict(sorted(zip(numbers, names, strict=True)))
        words = " ".join("_".join(name.split()) for name in flags.values())
        ds["country"].attrs |= {"flag_values": np.array(list(flags), "int16"), "flag_meanings": words}
    return ds


def _require_outlines(shapes: list[shapely.Geometry], path: Path) -> None:
    """Refuse what is no areas, in degrees from -180 to 180, of some land."""
    flat = [shape for shape in shapes if shape.geom_type not in ("Polygon", "MultiPolygon")]
    found = f"a {flat[0].geom_type}" if flat else "no area" if not any(shape.area > 0 for shape in shapes) else ""
    if found:
        raise ProductError(f"{path}: expected outlines of land, as polygons, found {found}; fetch it again")
    west, south, east, north = shapely.total_bounds(shapes)
    hair = 1e-6
    if not (-180 - hair <= west <= east <= 180 + hair and -90 - hair <= south <= north <= 90 + hair) or (
        max(-west, east) <= np.pi and max(-south, north) <= np.pi / 2
    ):
        raise ProductError(
            f"{path}: expected degrees east from -180 to 180 and north from -90 to 90, found {west:g} to {east:g} and "
            f"{south:g} to {north:g}; convert it, and cut it at the date line"
        )
