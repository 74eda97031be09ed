"""Straight lines through yearly maps: slopes, their p-values, and the shares of land that rise or fall.

Every cell of a map is a series of its own. All are fitted at once, those that could not be fitted are named with the
reason, and the rest is summed up by region, by number of cells and by true area. Maps of many years need not fit into
memory: `each_strip` reads them once, a strip of rows at a time.

>>> years = np.arange(2000, 2019)
>>> y = xr.DataArray(0.5 + 0.02 * (years - 2000), coords={"year": years}, dims="year")
>>> round(float(ols(y).slope), 6)
0.02
>>> round(float(z_slope(1.0, years)), 4)  # the steepest that 19 standardised years can rise
0.1826
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from typing import TypeVar

import dask
import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from numpy.polynomial import Chebyshev
from scipy.special import stdtr

from helpers import tasks
from helpers.space.grid import together
from helpers.space.regions import BANDS, group_shares, groups

FITTED, MISSING_YEAR, CONSTANT, UNDEFINED = range(4)
OUTCOMES = {FITTED: "fitted", MISSING_YEAR: "year_missing", CONSTANT: "constant", UNDEFINED: "undefined"}
"""What became of a cell; the p-value of one that is undefined can't be had."""

DIRECTIONS = {1: "NPP+RECO+", 2: "NPP+RECO-", 3: "NPP-RECO+", 4: "NPP-RECO-"}
"""The four classes of Yu et al. (2021), Fig. 5c and Table 3; 0 stands for no class."""

REGIONS = tuple(BANDS)
"""The globe, then the three bands in the order of the flag variable ``band`` (0, 1, 2)."""

SHORT = dict(zip(("global", "north", "tropics", "south"), REGIONS, strict=True))
"""How the ids of data/reported/numbers.csv call the globe and its bands."""

WORDS = {"increase": "rise", "decrease": "fall", "reco": "RECO", "npp": "NPP"}
"""What the paper's tables in data/reported call things, and how a page writes them."""

HELD = 4_000_000
"""Numbers (float64, 32 MB) that the largest intermediate array of a block of cells may hold. One thread is as fast with
smaller blocks; two hand Python's lock to each other at each step, which must not take longer than the step."""

PIECE, STRIP = 250_000_000, 4_000_000
"""Numbers of the maps that a piece of work reads at most, and that a function of a strip is given: its intermediate
results may be ten times as large. Nineteen years of a chunk on disk (600 rows at 0.05 degrees) are 82 million."""

KG_IN_PG = 1e12

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
Result = TypeVar("Result")


# Maps of many years, read once, a strip of rows at a time.


def each_strip(work: Callable[..., Result], *fields: xr.DataArray, beside: int = 0) -> Iterator[tuple[slice, Result]]:
    """Yield what a function makes of each strip of rows, from the first to the last.

    The rows of a chunk on disk are a piece of work (`tasks.each`), so that whoever does it reads each chunk once. Where
    the cuts lie depends on the maps alone.

    Parameters
    ----------
    work : callable (*fields) -> result
        Takes the same rows of all fields, in memory. Pure, as in `tasks.each`.
    *fields : DataArray (…, lat, …)
        On the same cells, in memory or lazily on dask. Those without rows, of series, are one strip.
    beside : int
        Rows of neighbours that a strip has more, on either side, where there are so many. The result is then a
        DataArray or Dataset (…, lat, …) of all the rows that ``work`` was given, and what it says of the neighbours is
        cut off. Chunks that neighbours stand in are read again.

    Yields
    ------
    (slice, result)
        The rows, and what ``work`` made of them.

    Raises
    ------
    ValueError
        The fields stand on other cells than the first.
    """
    fields = together(*fields)
    if "lat" not in fields[0].dims:  # series of towers, or made ones
        yield slice(None), work(*(field.compute(scheduler="synchronous") for field in fields))
        return
    height = fields[0].sizes["lat"]
    row = max(1, sum(field.size for field in fields) // height)  # numbers in a row
    tall = max((field.chunksizes.get("lat", (height,)) for field in fields if field.chunks), key=max, default=(height,))
    ends = [0, *np.cumsum(tall).tolist()]
    most, step = max(1, PIECE // row), max(1, STRIP // row)
    spans = [(k, min(k + most, end)) for start, end in pairwise(ends) for k in range(start, end, most)]

    def cut(start: int, stop: int) -> tuple[int, int, int, list[xr.DataArray]]:
        first = max(start - beside, 0)
        return start, stop, first, [field.isel(lat=slice(first, stop + beside)) for field in fields]

    for piece in tasks.each(partial(_piece, work=work, beside=beside, step=step), [cut(*span) for span in spans]):
        yield from piece


def _piece(item: tuple, work: Callable[..., Result], beside: int, step: int) -> list[tuple[slice, Result]]:
    """Read the rows ``start`` to ``stop``, and what stands beside them, and hand them on in strips."""
    start, stop, first, fields = item
    stored = [_blocks(field) for field in fields]
    found = []
    for k in range(start, stop, step):
        end, above = min(k + step, stop), max(k - beside, 0)
        rows = slice(above - first, min(end + beside - first, fields[0].sizes["lat"]))
        result = work(*(_rows(field, blocks, rows) for field, blocks in zip(fields, stored, strict=True)))
        found.append((slice(k, end), result.isel(lat=slice(k - above, end - above)) if beside else result))
    return found


def _blocks(field: xr.DataArray) -> list[tuple[tuple[slice, ...], np.ndarray]]:
    """Read the chunks of a field on this thread; return where each stands, and its values.

    They aren't put together: of large maps, that takes as long as reading them.
    """
    if field.chunks is None:
        return [(tuple(map(slice, [0] * field.ndim, field.shape)), field.to_numpy())]
    chunks = dask.compute(*field.data.to_delayed().ravel(), scheduler="synchronous")
    return list(zip(dask.array.core.slices_from_chunks(field.chunks), chunks, strict=True))


def _rows(field: xr.DataArray, blocks: list[tuple[tuple[slice, ...], np.ndarray]], rows: slice) -> xr.DataArray:
    """Return some rows of a field that was read by `_blocks`."""
    part, axis = field.isel(lat=rows), field.dims.index("lat")
    values, before = np.empty(part.shape, part.dtype), (slice(None),) * axis
    for where, block in blocks:
        top = where[axis].start
        low, high = max(rows.start, top), min(rows.stop, where[axis].stop)
        if low < high:
            to = (*where[:axis], slice(low - rows.start, high - rows.start), *where[axis + 1 :])
            values[to] = block[(*before, slice(low - top, high - top))]
    return part.copy(deep=False, data=values)


def over_rows(work: Callable[..., xr.Dataset], *fields: xr.DataArray, beside: int = 0) -> xr.Dataset:
    """Apply a function to maps of many years, a strip of rows at a time, and put the strips together.

    Parameters
    ----------
    work, *fields, beside
        As in `each_strip`; ``work`` returns a Dataset whose variables all have the dimension ``lat``.

    Returns
    -------
    Dataset
        In memory, as if ``work`` had been given the whole maps.
    """
    height, whole = fields[0].sizes["lat"], None
    for rows, strip in each_strip(work, *fields, beside=beside):
        if whole is None:
            sizes = {**strip.sizes, "lat": height}
            empty = {n: (v.dims, np.empty([sizes[d] for d in v.dims], v.dtype), v.attrs) for n, v in strip.items()}
            whole = xr.Dataset(empty, strip.drop_dims("lat").coords, strip.attrs)
        for name, part in strip.items():
            empty[name][1][(slice(None),) * part.dims.index("lat") + (rows,)] = part.to_numpy()
    return whole.assign_coords({"lat": fields[0]["lat"]} if "lat" in fields[0].coords else {})


# A line, or a test, for every cell.


def each_cell(kernel: Kernel, y: xr.DataArray, names: Sequence[str], *, power: int = 2) -> xr.Dataset:
    """Run a fit or a test on all cells, without holding more than a block of them in float64.

    Parameters
    ----------
    kernel : callable
        Takes values (n, cells), float64, complete and not constant, which it may overwrite, and the n ascending years;
        returns (len(names), cells).
    y : DataArray (…, year, …)
        Yearly values in any unit; missing is NaN. The years are numbers, in any order. In memory, or lazily on dask:
        then it is read once, a strip of rows at a time, as in `each_strip`.
    names : sequence of str
        What the rows of the kernel's answer are called; "p" is among them.
    power : int
        The largest array that the kernel makes has n to this power numbers a cell, or fewer.

    Returns
    -------
    Dataset (…)
        In memory: ``names`` and ``outcome`` (int8, see `OUTCOMES`): "undefined" where p is NaN. All are NaN where a
        year is missing or all years are equal. They are float64, and float32 where ``y`` is so and lazy: fields of a
        map that is too large for memory have the precision of the map.

    Raises
    ------
    ValueError
        There is no ``year``, or its values are not three different numbers or more.
    """
    if "year" not in y.dims or "year" not in y.coords:
        raise ValueError(f"{y.name or 'y'}: expected a dimension 'year' with a coordinate, found {y.dims}; name it")
    x = y["year"].to_numpy()
    if x.dtype.kind not in "iuf" or np.unique(x).size < max(x.size, 3):
        raise ValueError(f"year: expected 3 different whole years or more, such as 2000, found {x}; mend them")
    whole = y.chunks is not None and "lat" in y.dims
    dtype = y.dtype if whole else np.dtype("float64")
    fit = partial(_fit, kernel=kernel, names=tuple(names), dtype=dtype, step=max(1, HELD // x.size**power))
    return over_rows(fit, y) if whole else fit(y)


def _fit(y: xr.DataArray, kernel: Kernel, names: Sequence[str], dtype: np.dtype, step: int) -> xr.Dataset:
    """Run ``kernel`` on maps in memory, so many cells at a time."""
    y = y.transpose("year", ...)
    if not y.indexes["year"].is_monotonic_increasing:
        y = y.sortby("year")
    x, values = y["year"].to_numpy().astype("float64"), y.to_numpy().reshape(y.sizes["year"], -1)
    answers = np.full((len(names), values.shape[1]), np.nan, dtype)
    outcome = np.full(values.shape[1], MISSING_YEAR, "int8")
    p = names.index("p")
    room = np.empty(
        max(2, min(step, values.shape[1])) * x.size
    )  # fresh memory for each block takes longer than the fit
    for start in range(0, values.shape[1], step):
        block, cells = values[:, start : start + step], slice(start, start + step)
        here = np.isfinite(block).all(axis=0)
        constant = here & (block[1] == block[0])
        if constant.any():
            constant &= (block == block[0]).all(axis=0)
            outcome[cells][constant] = CONSTANT
            here &= ~constant
        if not here.all():
            places = np.flatnonzero(here)
            block, cells = block.take(places, axis=1), start + places
        if here.any():
            if alone := block.shape[1] == 1:  # by itself it would be added up in another order than among others
                block = np.repeat(block, 2, axis=1)
            own = room[: block.size].reshape(block.shape)
            own[:] = block
            found = kernel(own, x)
            answers[:, cells] = found = found[:, :1] if alone else found
            outcome[cells] = np.where(np.isnan(found[p]), UNDEFINED, FITTED)
    like = y.isel(year=0, drop=True)
    fields = {name: (like.dims, answer.reshape(like.shape)) for name, answer in zip(names, answers, strict=True)}
    flags = {"flag_values": np.array(list(OUTCOMES), "int8"), "flag_meanings": " ".join(OUTCOMES.values())}
    return xr.Dataset(fields | {"outcome": (like.dims, outcome.reshape(like.shape), flags)}, like.coords)


def line(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return slope, intercept, p and r of least squares (4, cells), of values (n, cells) on years (n,).

    The values are overwritten.
    """
    dx, mean = x - x.mean(), np.zeros(y.shape[1])
    # Year by year: the digits of a sum over an axis depend on how many cells stand beside each other.
    for values in y:
        mean += values
    mean /= x.size
    rest = np.subtract(y, mean, out=y)
    sxy, syy = np.einsum("t,tc->c", dx, rest), np.einsum("tc,tc->c", rest, rest)
    slope = sxy / (dx @ dx)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.clip(sxy / np.sqrt((dx @ dx) * syy), -1, 1)
    return np.stack([slope, mean - slope * x.mean(), correlation_p(r, x.size), r])


LONG, DEGREE = 40, 24
"""Years up to which p-values come from a polynomial, and its degree: right to 1e-12 of the value."""


def correlation_p(r: np.ndarray, n: int) -> np.ndarray:
    r"""Return the two-sided p-value of correlations with n values: Student's t with n - 2 degrees of freedom.

    .. math::
        t = r \sqrt{\frac{n - 2}{1 - r^2}}, \qquad
        p = (1 - r^2)^{(n - 2) / 2}\; h_n(|r|)

    with a smooth h_n: a polynomial takes a quarter of the time of the distribution function.
    """
    r = np.abs(r)
    tail = (1 - r) * (1 + r)
    if n > LONG:
        with np.errstate(divide="ignore"):
            return 2 * stdtr(n - 2, -r * np.sqrt((n - 2) / tail))
    return tail ** ((n - 2) / 2) * _smooth_part(n)(r)


@lru_cache
def _smooth_part(n: int) -> Chebyshev:
    """Return h_n of `correlation_p`, by its values at the points where a polynomial is nearest to it."""

    def h(r: np.ndarray) -> np.ndarray:
        tail = (1 - r) * (1 + r)
        return 2 * stdtr(n - 2, -r * np.sqrt((n - 2) / tail)) / tail ** ((n - 2) / 2)

    return Chebyshev.interpolate(h, DEGREE, domain=[0, 1])


def ols(y: xr.DataArray) -> xr.Dataset:
    """Fit a straight line to every cell by ordinary least squares, all cells at once.

    Parameters
    ----------
    y : DataArray (…, year, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN.

    Returns
    -------
    Dataset (…)
        As of `each_cell`: ``slope`` (unit of y per year), ``intercept`` (unit of y, in the year 0), ``p`` (two-sided,
        Student's t with n - 2 degrees of freedom), ``r`` (Pearson) and ``outcome``. Where the outcome is not "fitted"
        the four are NaN.

    Raises
    ------
    ValueError
        As `each_cell`.

    Notes
    -----
    Wilks (2011), *Statistical Methods in the Atmospheric Sciences*, section 7.2. The p-value takes the years as
    independent of each other; a series with memory gets one that is too small.
    """
    return each_cell(line, y, ("slope", "intercept", "p", "r"), power=1)


def _changes(y: xr.DataArray) -> xr.DataArray:
    """Return True where no year is missing and two of them differ; NaN compares as false."""
    return y.max("year", skipna=False) > y.min("year", skipna=False)


def zscore(y: xr.DataArray) -> xr.DataArray:
    """Standardise each cell over its years: subtract the mean, divide by the standard deviation (ddof 0).

    Formula 1 of Yu et al. (2021). Returns float64 without a unit; NaN where a year is missing or all years are equal.
    """
    y = y.astype("float64")
    return (y - y.mean("year", skipna=False)) / y.std("year", ddof=0, skipna=False).where(_changes(y))


def z_slope(r, years) -> xr.DataArray | np.ndarray | float:
    """Return the slope (per year) of a z-scored series from its correlation ``r`` with the years.

    Least squares gives slope = r · sd(y) / sd(years); a z-score has sd(y) = 1, so what is left is r / sd(years). For n
    consecutive years sd(years) = sqrt((n² - 1) / 12): 19 years give sqrt(30) = 5.477.
    """
    return r / np.std(np.asarray(years, dtype="float64"), ddof=0)


def analysis_mask(reco: xr.DataArray, npp: xr.DataArray) -> xr.DataArray:
    """Return True (…) where RECO and NPP can have a trend: the one set of cells of every map and share.

    Both are valid in all years, and neither has the same value in all of them. A constant is no estimate: RECO is one
    where the network's last ReLU cuts every member off at zero in every year.

    Parameters
    ----------
    reco, npp : DataArray (…, year, …)
        Yearly values on the same cells, in memory or lazily on dask; missing is NaN.

    Raises
    ------
    ValueError
        The two do not stand on the same years and cells.
    """
    reco, npp = together(reco, npp, names=("reco", "npp"))
    return over_rows(_both_change, reco, npp)["mask"]


def _both_change(reco: xr.DataArray, npp: xr.DataArray) -> xr.Dataset:
    return xr.Dataset({"mask": _changes(reco) & _changes(npp)})


def direction(slope_npp: xr.DataArray, slope_reco: xr.DataArray) -> xr.DataArray:
    """Return the class (int8, see `DIRECTIONS`) of each cell; 0 where a slope is zero or undefined."""
    slope_npp, slope_reco = together(slope_npp, slope_reco, names=("slope_npp", "slope_reco"))
    falls = 2 * (slope_npp < 0).astype("int8") + (slope_reco < 0).astype("int8")
    known = np.isfinite(slope_npp) & np.isfinite(slope_reco) & (slope_npp != 0) & (slope_reco != 0)
    classes = (falls + 1).where(known, 0).astype("int8").rename("direction")
    classes.attrs = {
        "long_name": "direction of NPP and RECO",
        "flag_values": np.array([0, *DIRECTIONS], "int8"),
        "flag_meanings": " ".join(["none", *DIRECTIONS.values()]),
    }
    return classes


def gather(
    fits: Mapping[str, xr.Dataset],
    z_slopes: Mapping[str, xr.DataArray],
    direction: xr.DataArray,
    mask: xr.DataArray,
    area: xr.DataArray,
) -> xr.Dataset:
    """Return what ``trends.nc`` holds, with CF attributes.

    Parameters
    ----------
    fits, z_slopes : mapping of str to Dataset and DataArray (lat, lon)
        By variable ("reco", "npp"): what `ols` gave, and the slopes of the z-scores (yr-1).
    direction : DataArray (lat, lon), int8
        0 where a cell is not counted.
    mask, area : DataArray (lat, lon)
        The analysis mask; cell areas, m2.

    Returns
    -------
    Dataset (lat, lon)
        ``direction``, ``analysis_mask`` (int8), ``area`` (float64) and, inside the mask and as float32, ``<v>_slope``,
        ``<v>_p`` and ``<v>_zslope``. Attributes ``counted`` and ``zero_or_undefined``: how many cells of the mask stand
        inside and outside the shares.
    """
    called = ("mask", "direction", "area", *fits, *(f"z-slope of {v}" for v in z_slopes))
    mask, direction, area, *rest = together(mask, direction, area, *fits.values(), *z_slopes.values(), names=called)
    out = xr.Dataset({"direction": direction, "analysis_mask": mask.astype("int8"), "area": area.astype("float64")})
    for v, fit, steady in zip(fits, rest[: len(fits)], rest[len(fits) :], strict=True):
        for kind, field, text, units in (
            ("slope", fit.slope, "trend of annual {}, ordinary least squares", "kg m-2 yr-2"),
            ("p", fit.p, "two-sided p-value of the trend of annual {}", "1"),
            ("zslope", steady, "trend of standardised annual {}", "yr-1"),
        ):
            out[f"{v}_{kind}"] = field.where(mask).astype("float32")
            out[f"{v}_{kind}"].attrs |= {"long_name": text.format(v.upper()), "units": units}
    out["analysis_mask"].attrs = {
        "long_name": "RECO and NPP valid in all years, and neither the same in all",
        "flag_values": np.array([0, 1], "int8"),
        "flag_meanings": "no yes",
    }
    out["area"].attrs |= {"long_name": "area of the cell", "units": "m2"}
    counted = direction > 0
    return out.assign_attrs(counted=int(counted.sum()), zero_or_undefined=int((mask & ~counted).sum()))


# Summed up by region: totals, means, and shares of cells and of land.


def bands(flags: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return the globe and its three bands (`REGIONS`) as fields (lat, lon) of bool, from the flag variable ``band``.

    What belongs to no band belongs to the globe only.
    """
    return {REGIONS[0]: xr.ones_like(flags, dtype=bool)} | groups(flags, dict(enumerate(REGIONS[1:])))


def total(y: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray]) -> xr.DataArray:
    r"""Sum yearly maps over regions, cell by cell times its area.

    .. math::
        Y_t = 10^{-12} \sum_i A_i y_{it}

    Parameters
    ----------
    y : DataArray (year, …)
        Yearly values, kg m-2 yr-1, in memory or lazily on dask; one map is held at a time.
    area : DataArray (…)
        Cell area, m2.
    inside : mapping of str to DataArray (…), bool
        Regions by name, which may overlap.

    Returns
    -------
    DataArray (region, year)
        Pg yr-1, float64, over those cells of a region that have a value in all years, so that no gap looks like a
        fall. Coordinates of ``region``: ``n_cells`` and ``area_m2``, what was summed over. A region without such cells
        has the total 0.

    Raises
    ------
    ValueError
        The area or a region stands on other cells than ``y``.
    """
    fields = together(y, area, *inside.values(), names=("y", "area", *inside))
    sums = sum(part for _, part in each_strip(_sums, *fields))
    coords = {"n_cells": ("region", sums[:, 0].astype("int64")), "area_m2": ("region", sums[:, 1])}
    coords |= {"region": list(inside), "year": y["year"]}
    return xr.DataArray(sums[:, 2:] / KG_IN_PG, coords, ("region", "year"), name=y.name, attrs={"units": "Pg yr-1"})


def _sums(y: xr.DataArray, area: xr.DataArray, *inside: xr.DataArray) -> np.ndarray:
    """Return, a row a region: cells with a value in all years, their area, and the sum over it of each year."""
    cells = [d for d in y.dims if d != "year"]
    y = y.transpose("year", *cells).to_numpy()
    whole = ~np.isnan(y).any(axis=0)
    size = area.transpose(*cells).to_numpy().astype("float64")[whole]
    member = np.stack([field.transpose(*cells).to_numpy().astype(bool)[whole] for field in inside])
    weights = member * size
    sums = [weights @ values[whole].astype("float64") for values in y]
    return np.column_stack([member.sum(axis=1), weights.sum(axis=1), *sums])


def regional_means(
    y: xr.DataArray, counted: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray]
) -> xr.Dataset:
    """Average a yearly map over regions, each cell alike and each by its area.

    Parameters
    ----------
    y : DataArray (year, lat, lon)
        Yearly values, in memory or lazily on dask.
    counted : DataArray (lat, lon), bool
        The cells to average; ``y`` is valid there.
    area, inside
        As in `total`.

    Returns
    -------
    Dataset (region, year)
        ``pixel`` (plain mean of the cells) and ``area`` (area-weighted mean), in the unit of ``y``, float64.
    """
    counted, *parts = together(counted, *inside.values())
    inside = {name: counted & part for name, part in zip(inside, parts, strict=True)}
    sums = {how: total(y, size, inside) for how, size in {"pixel": xr.ones_like(area), "area": area}.items()}
    return xr.Dataset({how: (KG_IN_PG * s / s.area_m2).drop_vars(["n_cells", "area_m2"]) for how, s in sums.items()})


def of_means(means: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Fit a line to annual means of regions.

    Parameters
    ----------
    means : mapping of str to Dataset (region, year)
        By variable ("reco", "npp"), the means that `regional_means` gives: ``pixel`` and ``area``.

    Returns
    -------
    DataFrame
        By region, variable ("RECO", "NPP") and mean by ("area", "pixel"): ``slope`` (unit of the means, yr-1),
        ``z_slope`` (yr-1) and ``p``.
    """
    named = pd.Index([v.upper() for v in means], name="variable")
    y = xr.concat([both[["area", "pixel"]].to_dataarray("mean by") for both in means.values()], named)
    fit = ols(y.transpose("region", "variable", "mean by", "year"))
    return fit[["slope"]].assign(z_slope=z_slope(fit.r, y.year), p=fit.p).to_dataframe()


def shares(
    conditions: Mapping[Hashable, xr.DataArray],
    counted: xr.DataArray,
    area: xr.DataArray,
    inside: Mapping[str, xr.DataArray],
    names: Sequence[str] = ("what",),
) -> pd.DataFrame:
    """Sum up, region by region, the part of the counted cells in which each condition holds.

    Parameters
    ----------
    conditions : mapping to DataArray (lat, lon), bool
        What is asked of a cell, by name, or by a tuple of names.
    counted : DataArray (lat, lon), bool
        The cells that stand in the denominator.
    area : DataArray (lat, lon)
        Cell area, m2.
    inside : mapping of str to DataArray (lat, lon), bool
        Regions by name, such as `bands` gives; they may overlap.
    names : sequence of str
        What the names of the conditions are called, one column each.

    Returns
    -------
    DataFrame
        A row a condition and region: ``names``, ``region``, ``n_cells`` (counted cells of the region), ``pixel`` and
        ``area`` (shares 0 to 1, by number of cells and by true area; NaN where no cell is counted).
    """
    tables = []
    for key, holds in conditions.items():
        parts = key if isinstance(key, tuple) else (key,)
        tables.append(group_shares(holds, area, inside, counted).assign(**dict(zip(names, parts, strict=True))))
    new = {"name": "region", "share_pixel": "pixel", "share_area": "area"}
    table = pd.concat(tables, ignore_index=True).drop(columns="area_m2").rename(columns=new)
    return table[[*names, "region", "n_cells", "pixel", "area"]]


# The tables of the chapter on trends: cells counted, shares beside the paper's, and slopes against a truth.


def tally(
    fits: Mapping[str, xr.Dataset], mask: xr.DataArray, counted: xr.DataArray, area: xr.DataArray
) -> pd.DataFrame:
    """Count the cells that have a value in all years, that are analysed, and that stand in the shares.

    Parameters
    ----------
    fits : mapping of str to Dataset (lat, lon)
        What `ols` gave, by variable.
    mask, counted : DataArray (lat, lon), bool
        The analysis mask, and the cells in the denominator of every share.
    area : DataArray (lat, lon)
        Cell area, m2.

    Returns
    -------
    DataFrame
        Columns ``cells`` and ``million km²``, a row a kind of cell.
    """
    valid = {v.upper(): fit.outcome != MISSING_YEAR for v, fit in fits.items()}
    both = np.logical_and(*valid.values())
    kinds = {f"{v} valid in all years": here for v, here in valid.items()} | {"both valid in all years": both}
    for v, fit in fits.items():
        kinds[f"… of these, {v.upper()} the same in all years"] = both & (fit.outcome == CONSTANT)
    kinds |= {"the analysis mask": mask, "… of these, a slope of exactly zero": mask & ~counted}
    rows = group_shares(mask, area, kinds | {"counted in every share": counted}).set_index("name").rename_axis(None)
    return pd.DataFrame({"cells": rows["n_cells"], "million km²": rows["area_m2"] / 1e12})


def beside(share: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Return this run's `shares` in percent, their regions called ``band``, each beside the ``paper``'s.

    The paper's table has ``band``, ``percent`` and the columns by which a share is named; NaN where it has no such row.
    """
    share = share.rename(columns={"region": "band"})
    share[["pixel", "area"]] *= 100
    return share.merge(paper.rename(columns={"percent": "paper"}), how="left")


def by_region(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Turn a table of shares so that each region has a row for each way of counting.

    Parameters
    ----------
    table : DataFrame
        From `beside` or `shares`: ``pixel``, ``area`` and, if there, ``paper``; ``band`` or ``region``; ``columns``.
    columns : sequence of str
        What the new columns are named by, in the order in which their values occur.

    Returns
    -------
    DataFrame
        By region and shares ("paper", "pixel", "area"), in that order.
    """
    table = table.rename(columns={"band": "region"}).replace(dict.fromkeys(columns, WORDS))
    sides = [side for side in ("paper", "pixel", "area") if side in table]
    long = table.melt([*columns, "region"], sides, var_name="shares")
    wide = long.pivot(index=["region", "shares"], columns=list(columns), values="value")
    rows = pd.MultiIndex.from_product([table["region"].unique(), sides], names=wide.index.names)
    return wide.reindex(index=rows)[table.set_index(list(columns)).index.unique()]


def against(
    fit: xr.Dataset, true: xr.Dataset, counted: xr.DataArray, area: xr.DataArray, level: float
) -> dict[str, float]:
    """Score estimated trends by true ones, over the counted cells in which the truth has a trend.

    Parameters
    ----------
    fit, true : Dataset (lat, lon)
        From `ols`; slopes in kg m-2 yr-2, on one grid.
    counted : DataArray (lat, lon), bool
        Cells to score.
    area : DataArray (lat, lon)
        Cell area, m2: all shares and means are weighted by it; the pattern correlation is not.
    level : float
        p-value below which a trend is called significant.

    Returns
    -------
    dict
        Score by name, in the unit that the name states.
    """
    fit, true, counted, area = together(fit, true, counted, area, names=("fit", "true", "counted", "area"))
    here = counted.to_numpy() & np.isfinite(true.slope.to_numpy())
    ours, right, p = (a.to_numpy()[here] for a in (fit.slope, true.slope, fit.p))
    w = area.to_numpy()[here] / area.to_numpy()[here].sum()
    same, sure = np.sign(ours) == np.sign(right), p < level
    return {
        "cells": int(here.sum()),
        "correlation of the two maps": float(np.corrcoef(ours, right)[0, 1]),
        "sign right (% of land)": 100 * float(w @ same),
        f"sign right where p < {level:g} (%)": 100 * float(w[sure] @ same[sure] / w[sure].sum())
        if sure.any()
        else np.nan,
        "rising in truth (% of land)": 100 * float(w @ (right > 0)),
        "rising in this run (% of land)": 100 * float(w @ (ours > 0)),
        "mean slope, truth (g C m-2 yr-2)": 1000 * float(w @ right),
        "mean slope, this run (g C m-2 yr-2)": 1000 * float(w @ ours),
    }
