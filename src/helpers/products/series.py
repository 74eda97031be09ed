"""Years and months of one variable, wherever they lie: one file or several blocks of years, plain or packed.

`index` opens each file once and notes which steps it holds; nothing else is read. `yearly` and `monthly` then make one
field a year, or a month, out of them: at once, or lazily (a dask block a year) where that is more than a year of a 0.05
degree grid. A lazy block opens its file when it is computed, and a packed file stays unpacked until its last block is
gone, so that no file is unpacked twice and memory holds the blocks at work, not the series.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import dask
import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import axes, netcdf
from helpers.products.compression import Unpacked
from helpers.products.errors import ProductError
from helpers.space.grid import LAT, LON, same_labels, together

LAZY = 3600 * 7200
"""Cells beyond which a result is lazy: a year of a 0.05 degree grid."""

RUN = ("source_id", "model_id", "model_name", "model", "variant_label")
"""Attributes in which a file names its model, and the member of an ensemble."""

Prepare = Callable[[xr.DataArray, Path], xr.DataArray]
Combine = Callable[[xr.DataArray, Path], xr.DataArray]


@dataclass(frozen=True)
class Part:
    """Steps of one year in one file: which file, where along its time axis, and of which months."""

    file: Unpacked
    positions: np.ndarray
    months: np.ndarray


@dataclass
class Series:
    """All steps of one variable.

    Attributes
    ----------
    name : str
        As it is stored.
    lat, lon : ndarray
        Centres of its cells.
    years : dict of int to list of Part
        Where each year's steps lie.
    told : str
        What the first file says of its steps in its attributes and name.
    sum_over : tuple of str
        Dimensions that are added up.
    run : dict of str to str
        What the first file tells of its model and member in its attributes.
    open, ends : bool
        Whether times are first instants that no bounds place, and whether these are the ends of their steps.
    """

    name: str
    lat: np.ndarray
    lon: np.ndarray
    told: str = ""
    sum_over: tuple[str, ...] = ()
    run: dict[str, str] = field(default_factory=dict)
    open: bool = False
    ends: bool = False
    years: dict[int, list[Part]] = field(default_factory=dict)

    @property
    def first(self) -> Path:
        """The first of its files."""
        return next(iter(self.years.values()))[0].file.path

    def months(self, year: int) -> np.ndarray:
        """Return the months of a year that there are, in their order."""
        return np.sort(np.concatenate([part.months for part in self.years[year]]))

    def only(self, month: int) -> Series:
        """Return the series of one calendar month; years without it drop out."""
        kept = {}
        for year, parts in self.years.items():
            picked = [(part, part.months == month) for part in parts]
            if parts := [Part(p.file, p.positions[k], p.months[k]) for p, k in picked if k.any()]:
                kept[year] = parts
        return replace(self, years=kept)

    def is_yearly(self) -> bool:
        """Tell a step a year from a step a month.

        Raises
        ------
        ProductError
            There is one step, and neither name nor attributes say what it stands for.
        """
        count = {year: self.months(year).size for year in self.years}
        if max(count.values()) > 1:
            return False
        when = sorted(12 * year + int(self.months(year)[0]) for year in self.years)
        if len(when) > 1:
            return int(np.median(np.diff(when))) > 6
        if re.search(r"(?<![a-z])(annual|yearly|year|yr)(?![a-z])|[EA]yr", self.told, re.IGNORECASE):
            return True
        if re.search(r"(?<![a-z])(monthly|month|mon)(?![a-z])|[LE]mon", self.told, re.IGNORECASE):
            return False
        raise ProductError(
            f"{self.first}: holds one step of {self.name} and does not say whether it is a month or a year; "
            "give more years, or write Monthly or Annual into its name"
        )


def index(name: str, paths: Iterable[Path], sum_over: Iterable[str] = ()) -> Series:
    """Note which steps of a variable which file holds.

    Raises
    ------
    ProductError
        Two files hold the same month, stand on different grids or come from different models, a file holds a month
        twice, or its stamps may begin their steps or end them.
    """
    series, paths, steps = None, sorted(paths), []
    for path in paths:
        file = Unpacked(path)
        with netcdf.opening(path, file.plain) as ds:
            stored = netcdf.variable(ds, name, path, sum_over)
            steps.append((file, ds["time"].copy(deep=True)))
            lat, lon = ds["lat"].values, ds["lon"].values
            told = f"{path.name} {ds.attrs.get('frequency', '')} {ds.attrs.get('table_id', '')}"
            run = {key: str(ds.attrs[key]).strip() for key in RUN if str(ds.attrs.get(key, "")).strip()}
        if series is None:
            series = Series(stored.name, lat, lon, told, tuple(sum_over), run)
        elif not same_cells(series, lat, lon):
            shapes = f"{lat.size}x{lon.size} cells, not the {series.lat.size}x{series.lon.size} of {paths[0].name}"
            raise ProductError(f"{path}: expected one grid in all files, found {shapes}; keep files of one grid")
        require_one_run(series.run, run, paths[0], path)
    if series is None:
        raise ProductError(f"expected a file of {name}, found none; give one")
    series.open, series.ends = any(time.attrs.get("open") for _, time in steps), _ends(steps)
    for file, time in steps:
        when = (time.copy(data=axes.a_step_before(time)) if series.ends and time.attrs.get("open") else time).dt
        years, months = when.year.values, when.month.values
        for year in np.unique(years):
            positions = np.flatnonzero(years == year)
            _add(series, int(year), Part(file, positions, months[positions]))
    if not series.years:
        raise ProductError(f"{paths[0]}: expected steps of {name}, found none; give a file that has some")
    return series


def _ends(steps: list[tuple[Unpacked, xr.DataArray]]) -> bool:
    """Say whether stamps without bounds are the ends of their steps: as in files with bounds, or by themselves."""
    doubtful = [(file, time) for file, time in steps if time.attrs.get("open") and time.size]
    if not doubtful:
        return False
    if placed := {time.attrs["placed"] for _, time in steps if time.attrs.get("placed")}:
        return placed == {"end"}
    years, months = (np.concatenate([getattr(t.dt, part).values for _, t in doubtful]) for part in ("year", "month"))
    lost = next((time.attrs["lost"] for _, time in doubtful if time.attrs["lost"]), "")
    first = min(doubtful, key=lambda pair: pair[1].values.min())
    return axes.are_ends(years, months, lost, first[1].attrs["after_reference"], first[0].path)


def require_one_run(first: Mapping[str, str], other: Mapping[str, str], one: Path, path: Path) -> None:
    """Refuse files that tell of different models, or members of an ensemble, in their attributes.

    Raises
    ------
    ProductError
        Names both files, and what each tells.
    """
    for key in first.keys() & other.keys():
        here, there = first[key].casefold(), other[key].casefold()
        if not (here.startswith(there) or there.startswith(here)):  # a version may stand behind a name
            raise ProductError(
                f"{path}: expected {key} {first[key]!r}, as {one.name} tells, found {other[key]!r}; take all files "
                "from one model run"
            )


def same_cells(series: Series, lat: np.ndarray, lon: np.ndarray) -> bool:
    """Say whether a series stands on these cells, in this order."""
    orders = same_labels(series.lat, lat), same_labels(series.lon, lon, round_the_globe=True)
    return all(order is not None and (order == np.arange(order.size)).all() for order in orders)


def one_grid(parts: Mapping[str, Series], fields: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return the fields made of several series on the cells of the first.

    Raises
    ------
    ProductError
        One of them stands on other cells; the message names its first file.
    """
    names = [f"{steps.first}: {name}" for name, steps in parts.items()]
    try:
        return dict(zip(fields, together(*fields.values(), names=names), strict=True))
    except ValueError as error:
        raise ProductError(f"{error}") from error


def _add(series: Series, year: int, part: Part) -> None:
    path, there = part.file.path, series.years.setdefault(year, [])
    if np.unique(part.months).size < part.months.size:
        raise ProductError(
            f"{path}: expected each month of {year} once in {series.name}, found {part.months.size} steps that share "
            "months; fetch monthly or yearly values"
        )
    for other in there:
        if shared := sorted(set(part.months) & set(other.months)):
            raise ProductError(
                f"{path}: holds {year}-{shared[0]:02d} of {series.name}, which {other.file.path} holds too; "
                "remove one of the two"
            )
    there.append(part)


def require(series: Series, what: str, years: Iterable[int], allow_partial: bool) -> None:
    """Refuse years that lack months.

    Raises
    ------
    ProductError
        Names the file, the year and the months.
    """
    for year in years:
        missing = sorted(set(range(1, 13)) - set(series.months(year).tolist()))
        if missing and not allow_partial:
            named = ", ".join(f"{year}-{m:02d}" for m in missing)
            path = series.years[year][0].file.path
            raise ProductError(f"{path}: {what} {year} lacks {named}; take another year, or pass allow_partial=True")


def incomplete(series: Series, years: Iterable[int]) -> dict[str, str]:
    """Return an attribute that names the years that lack months, and how many they have; empty where none does."""
    counts = {year: series.months(year).size for year in years}
    named = ", ".join(f"{year} ({count} of 12 months)" for year, count in counts.items() if count < 12)
    return {"incomplete_years": named} if named else {}


def require_years(series: Series, what: str, years: Iterable[int]) -> None:
    """Refuse years of which there is no step.

    Raises
    ------
    ProductError
        Names the first file and year, and the years that there are.
    """
    if missing := [year for year in years if year not in series.years]:
        raise ProductError(
            f"{series.first}: expected {what} of {missing[0]}, found {min(series.years)} to {max(series.years)}; "
            "check years, or add the file that holds it"
        )


def load(series: Series, year: int, prepare: Prepare) -> xr.DataArray:
    """Read one year's steps: (time, lat, lon) float64 in the order of months, each file's prepared by itself."""
    parts = []
    for part in series.years[year]:
        path = part.file.path
        with netcdf.opening(path, part.file.plain) as ds:
            stored = netcdf.variable(ds, series.name, path, series.sum_over).isel(time=part.positions)
            values = netcdf.loaded(stored)
            if series.ends and stored["time"].attrs.get("open"):
                values = values.assign_coords(time=axes.a_step_before(values["time"]))
        parts.append(prepare(values, path).assign_coords(lat=series.lat, lon=series.lon))
    joined = xr.concat(parts, dim="time") if len(parts) > 1 else parts[0]
    return joined.isel(time=np.argsort(joined["time"].dt.month.values, kind="stable"))


def _field(series: Series, year: int, prepare: Prepare, combine: Combine) -> np.ndarray:
    path = series.years[year][0].file.path
    values = combine(load(series, year, prepare), path).values.astype("float32")
    if not np.isfinite(values).any():
        raise ProductError(
            f"{path}: expected values of {series.name} in {year}, found none in any cell; leave the year out, or give "
            "a file that has it"
        )
    return values


def _blocks(series: Series, years: list[int], prepare: Prepare, combine: Combine, steps: list[int]) -> list:
    """Return a field of each year: arrays, or lazy arrays where all of them together are large."""
    cells = series.lat.size, series.lon.size
    # A year's steps are drawn into one object, so that dask does not look into it.
    work = [partial(_field, series, year, prepare, combine) for year in years]
    if sum(max(n, 1) for n in steps) * cells[0] * cells[1] <= LAZY:
        return [one() for one in work]
    shapes = [(n, *cells) if n else cells for n in steps]
    return [
        dask.array.from_delayed(dask.delayed(one, pure=False, traverse=False)(), shape, dtype="float32")
        for one, shape in zip(work, shapes, strict=True)
    ]


def yearly(series: Series, years: Iterable[int], prepare: Prepare, combine: Combine) -> xr.DataArray:
    """Make one field of each year.

    Parameters
    ----------
    prepare : callable
        ``prepare(values, path)`` turns one file's steps (time, lat, lon) into the quantity wanted, NaN for fills.
    combine : callable
        ``combine(months, path)`` makes the year's field (lat, lon) of its months.

    Returns
    -------
    DataArray (year, lat, lon)
        float32, lazy where it has more than `LAZY` cells.
    """
    years = list(years)
    blocks = _blocks(series, years, prepare, combine, [0] * len(years))
    coords = _coords(series)
    fields = [xr.DataArray(block, dims=("lat", "lon"), coords=coords) for block in blocks]
    year = xr.DataArray(list(years), dims="year", attrs={"long_name": "calendar year"})
    return xr.concat(fields, dim="year").assign_coords(year=year)


def monthly(series: Series, years: Iterable[int], prepare: Prepare, convert: Combine) -> xr.DataArray:
    """Give all months of some years.

    Parameters
    ----------
    prepare, convert : callable
        As for `yearly`, but ``convert(months, path)`` keeps the months apart.

    Returns
    -------
    DataArray (time, lat, lon)
        float32, lazy where it has more than `LAZY` cells; ``time`` is the first day of each month.
    """
    years = list(years)
    months = [series.months(year) for year in years]
    blocks = _blocks(series, years, prepare, convert, [m.size for m in months])
    join = dask.array.concatenate if dask.is_dask_collection(blocks[0]) else np.concatenate
    stamps = [f"{year:04d}-{month:02d}-01" for year, of_year in zip(years, months, strict=True) for month in of_year]
    about = {"long_name": "month, by its first day", "standard_name": "time"}
    coords = {"time": ("time", pd.to_datetime(stamps), about)} | _coords(series)
    return xr.DataArray(join(blocks), dims=("time", "lat", "lon"), coords=coords)


def _coords(series: Series) -> dict:
    return {"lat": ("lat", series.lat, LAT), "lon": ("lon", series.lon, LON)}
