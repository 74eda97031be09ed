"""Many cells, many tests: what chance alone would give, and which cells stand when all are judged together.

How often a test is right is counted on noise whose truth is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d
from scipy.stats import false_discovery_control
from statsmodels.stats.proportion import proportion_confint

from helpers.space.grid import together
from helpers.space.regions import group_shares
from helpers.stats.trends.inference import METHODS, UNDEFINED, ar1_noise, significance
from helpers.stats.trends.lines import CONSTANT, DIRECTIONS, MISSING_YEAR


def _check(p: xr.DataArray, counted: xr.DataArray, alpha: float) -> None:
    if not 0 < alpha <= 0.5:
        raise ValueError(f"alpha: expected a level above 0 and up to 0.5, found {alpha}; the paper's is 0.1")
    if unknown := int((counted & p.isnull()).sum()):
        raise ValueError(
            f"p: expected a p-value in every counted cell, found none in {unknown}; set them to 1 or don't count them"
        )


def fdr(p: xr.DataArray, counted: xr.DataArray, alpha: float, correlated: bool = True) -> xr.Dataset:
    r"""Say which cells of a map are significant when all its tests are judged at once.

    .. math::
        p^*_{FDR} = \max_i \left\{ p_{(i)} : p_{(i)} \le \frac{i}{N} \alpha_{FDR} \right\}

    with the N p-values in ascending order; a cell is significant where p does not exceed the threshold.

    Parameters
    ----------
    p : DataArray (lat, lon)
        p-values, 0 to 1.
    counted : DataArray (lat, lon), bool
        The N cells that are judged.
    alpha : float
        Level of the map as a whole, up to 0.5: how often a map without any trend may show a significant cell.
    correlated : bool
        Whether neighbours resemble each other, as they do on maps of climate and carbon. Then α_FDR = 2 alpha, which
        Wilks (2016) found to keep the level of the map; without, α_FDR = alpha. On a map of independent cells the
        doubled level would be just that: twice too keen.

    Returns
    -------
    Dataset (lat, lon)
        ``significant`` (bool) and ``adjusted`` (the p-value after Benjamini and Hochberg, to be set against α_FDR;
        float64, NaN outside ``counted``). Attributes: ``alpha_fdr``, ``cells`` (N), ``significant_cells``, and
        ``threshold``, p*_FDR; it is 0 where no cell is significant, and then the map as a whole isn't.

    Raises
    ------
    ValueError
        When ``alpha`` lies outside its range, or a counted cell has no p-value.

    Notes
    -----
    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Wilks (2016), doi:10.1175/BAMS-D-15-00267.1,
    equation 3 and its discussion of correlation. Among the cells called significant a share of about α_FDR is false.

    >>> p = xr.DataArray([0.001, 0.02, 0.03, 0.9], dims="cell")
    >>> fdr(p, p < 1, 0.05, correlated=False).significant.values.tolist()
    [True, True, True, False]
    """
    p, counted = together(p, counted.astype(bool), names=("p", "counted"))
    _check(p, counted, alpha)
    level = 2 * alpha if correlated else alpha
    here, values = counted.to_numpy(), p.transpose(*counted.dims).to_numpy()
    adjusted = np.full(here.shape, np.nan)
    if here.any():
        adjusted[here] = false_discovery_control(values[here].astype("float64"))
    with np.errstate(invalid="ignore"):
        significant = adjusted <= level
    judged = xr.Dataset({"significant": counted.copy(data=significant), "adjusted": counted.copy(data=adjusted)})
    return judged.assign_attrs(
        alpha_fdr=level,
        cells=int(here.sum()),
        significant_cells=int(significant.sum()),
        threshold=float(values[significant].max(initial=0.0)),
    )


def classes_by_chance(
    direction: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray] | None = None
) -> pd.DataFrame:
    """Set the shares of the four direction classes beside those of two maps that know nothing of each other.

    If NPP rises in a share a of the land and RECO, independently, in b, both rise in a·b, and so on: the shares of the
    classes then follow from Table 2 of Yu et al. (2021), and Table 3 holds nothing new.

    Parameters
    ----------
    direction : DataArray (lat, lon), int8
        As `direction` gives it; 0 stands outside.
    area : DataArray (lat, lon)
        Cell area, m2.
    inside : mapping of str to DataArray (lat, lon), bool; optional
        Regions by name; default the globe.

    Returns
    -------
    DataFrame
        A row a region and class: ``region``, ``class``, ``n_cells``, the shares found ``pixel`` and ``area``, and those
        under independence, ``pixel_by_chance`` and ``area_by_chance`` (0 to 1; NaN for an empty region).
    """
    inside = {"Global": xr.ones_like(direction, dtype=bool)} if inside is None else inside
    found = {
        name: group_shares(direction == code, area, inside, within=direction > 0).set_index("name")
        for code, name in DIRECTIONS.items()
    }
    tables = []
    for name, table in found.items():
        columns = {"class": name, "n_cells": table["n_cells"]}
        for how in ("pixel", "area"):
            share = {other: t[f"share_{how}"] for other, t in found.items()}
            columns[how] = share[name]
            # "NPP+RECO-": the classes with the same sign of NPP, and those with the same sign of RECO.
            npp = sum(s for other, s in share.items() if other[:4] == name[:4])
            reco = sum(s for other, s in share.items() if other[4:] == name[4:])
            columns[f"{how}_by_chance"] = npp * reco
        tables.append(pd.DataFrame(columns))
    joined = pd.concat(tables).rename_axis("region").reset_index()
    return joined.sort_values("region", key=lambda r: r.map(list(inside).index), kind="stable", ignore_index=True)


# What a statistic of a map would be if its years came in any other order: the same order in every cell.


def shuffled_years(n: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers 0 … n - 1 in random order, runs of ``block`` of them kept together; the cuts are random too.

    >>> bool((np.sort(shuffled_years(19, 3, np.random.default_rng(0))) == np.arange(19)).all())
    True
    """
    start = int(rng.integers(block))
    runs = np.split(np.arange(n), np.arange(start, n, block)[int(start == 0) :])
    return np.concatenate([runs[k] for k in rng.permutation(len(runs))])


def permuted_shares(
    y: xr.DataArray | xr.Dataset,
    statistic: Callable[[xr.DataArray | xr.Dataset], Mapping[str, float]],
    repeats: int,
    rng: np.random.Generator,
    dim: str = "year",
    block: int = 1,
) -> pd.DataFrame:
    """Compute a statistic of the map again and again, with its years in random order.

    All cells, and all variables of a Dataset, are put in the same order, so that neighbours go on resembling each other
    and NPP goes on with RECO; only the trends go. What is left is the distribution of the statistic by chance.

    Parameters
    ----------
    y : DataArray or Dataset (dim, …)
        Yearly maps, in memory.
    statistic : callable
        Takes such maps, with the years of ``y`` in their order, and returns numbers by name, such as the share of cells
        with p < 0.1.
    repeats : int
        Number of orders.
    rng : numpy.random.Generator
        Source of the orders.
    dim : str
        Dimension of the years.
    block : int
        Years that stay together. With 1, the memory of the series goes with the trend, and a field with memory looks
        more significant than it is; blocks of a few years keep a part of it.

    Returns
    -------
    DataFrame (repeats, names)
        A row an order.

    Raises
    ------
    ValueError
        When ``dim`` is missing, or ``block`` isn't between 1 and half the years.

    Notes
    -----
    The field-significance test of Livezey and Chen (1983), doi:10.1175/1520-0493(1983)111<0046:SFSAID>2.0.CO;2, by
    permutation: Wilks (2011), *Statistical Methods in the Atmospheric Sciences*, sections 5.3.4 and 5.4.
    """
    if dim not in y.dims:
        raise ValueError(f"y: expected a dimension {dim!r}, found {tuple(y.dims)}; name it")
    n = y.sizes[dim]
    if not 1 <= block <= n // 2:
        raise ValueError(f"block: expected 1 to {n // 2} of {n} years, found {block}; take fewer")
    years = y[dim]
    orders = (shuffled_years(n, block, rng) for _ in range(repeats))
    return pd.DataFrame([statistic(y.isel({dim: order}).assign_coords({dim: years})) for order in orders])


def permutation_p(observed: Mapping[str, float], permuted: pd.DataFrame) -> pd.Series:
    """Return how often chance gives as much as was observed, or more: one-sided, (1 + k) / (1 + repeats).

    Phipson and Smyth (2010), doi:10.2202/1544-6115.1585: the observed order is one of those that might have been.

    >>> permutation_p({"share": 0.3}, pd.DataFrame({"share": [0.1, 0.2, 0.4]})).tolist()
    [0.5]
    """
    as_much = {name: int((permuted[name] >= value).sum()) for name, value in observed.items()}
    return pd.Series({name: (1 + k) / (1 + len(permuted)) for name, k in as_much.items()}, name="p")


# What is left of the trends of a map, test by test: shares that rise and fall, by cell and by area.


def summary_of_field(
    field: xr.DataArray,
    area: xr.DataArray,
    alpha: float = 0.1,
    correlated: bool = True,
    methods: Sequence[str] = tuple(METHODS),
    inside: Mapping[str, xr.DataArray] | None = None,
    dim: str = "year",
) -> pd.DataFrame:
    """Sum up the trends of yearly maps by each test, cell by cell and judged as a field.

    Parameters
    ----------
    field : DataArray (dim, lat, lon)
        Yearly maps in any unit; missing is NaN.
    area : DataArray (lat, lon)
        Cell area, m2.
    alpha : float
        Level of a cell's test, and of the whole field, up to 0.5.
    correlated : bool
        Whether neighbours resemble each other; see `fdr`.
    methods : sequence of str
        Names in `METHODS`.
    inside : mapping of str to DataArray (lat, lon), bool; optional
        Regions by name; default the globe. The field is judged once, over all cells.
    dim : str
        Dimension of the years.

    Returns
    -------
    DataFrame
        A row a ``method``, ``subset``, ``direction`` ("rise", "fall") and ``region``. The subsets: "all"; "p < alpha";
        and "fdr", significant when all cells are judged at once. ``n_cells``, the counted cells of the region: a value
        in all years, not all equal; the same for every method. ``pixel`` and ``area``, shares of them by number and by
        area (0 to 1); ``by_chance``, what the share would be without any trend, were the test to keep its level: one
        half, alpha / 2, and 0. ``zero``, counted cells whose slope is exactly zero: they neither rise nor fall.
        ``undefined``, counted cells in which the test has no variance: they may rise or fall, and are never
        significant. ``threshold``, the p-value up to which a cell stands in the subset; that of "fdr" may exceed alpha
        where most of the field has a trend.

    Raises
    ------
    ValueError
        When a method is unknown, ``alpha`` lies outside its range, or ``dim`` can't be used.
    """
    inside = {"Global": xr.ones_like(area, dtype=bool)} if inside is None else inside
    tables = []
    for method in methods:
        test = significance(field, method, dim).transpose(*area.dims).compute()
        counted = (test.outcome != MISSING_YEAR) & (test.outcome != CONSTANT)
        undefined = counted & test.p.isnull()
        judged = fdr(test.p.where(~undefined, 1.0), counted, alpha, correlated)
        subsets = {
            "all": (counted, 0.5, 1.0),
            "p < alpha": (test.p < alpha, alpha / 2, alpha),
            "fdr": (judged.significant, 0.0, judged.attrs["threshold"]),
        }
        outside = {"zero": counted & (test.slope == 0), "undefined": undefined}
        counts = {name: group_shares(here, area, inside, within=here)["n_cells"] for name, here in outside.items()}
        for subset, (holds, chance, threshold) in subsets.items():
            for direction, moves in {"rise": test.slope > 0, "fall": test.slope < 0}.items():
                shares = group_shares(holds & moves, area, inside, within=counted)
                named = {"method": method, "subset": subset, "direction": direction, "by_chance": chance}
                tables.append(shares.assign(**named, **counts, threshold=threshold))
    new = {"name": "region", "share_pixel": "pixel", "share_area": "area"}
    table = pd.concat(tables, ignore_index=True).rename(columns=new)
    columns = ["method", "subset", "direction", "region", "n_cells", "pixel", "area"]
    return table[[*columns, "by_chance", "zero", "undefined", "threshold"]]


# How often a test finds a trend in noise that has none (its size), or one that is there (its power), also on a map.


def simulated_size(
    rho: float,
    n: int,
    alpha: float,
    repeats: int,
    rng: np.random.Generator,
    trend: float = 0.0,
    methods: Sequence[str] = tuple(METHODS),
) -> pd.DataFrame:
    """Count how often each test says "trend" in made series of one memory, all series at once.

    Parameters
    ----------
    rho : float
        Autocorrelation of the noise at lag 1, between -1 and 1.
    n : int
        Years of a series.
    alpha : float
        Level at which a test says "trend": p < alpha, either sign.
    repeats : int
        Number of series; every test sees the same ones.
    rng : numpy.random.Generator
        Source of the noise.
    trend : float
        Slope of the truth, in standard deviations of the noise a year. At 0 the rate is the size of a test, which
        should be ``alpha``; otherwise it is the power, where "trend" counts only with the right sign.
    methods : sequence of str
        Names in `METHODS`.

    Returns
    -------
    DataFrame
        A row a method: ``method``, ``rho``, ``n``, ``trend``, ``alpha``, ``repeats``, ``rate``, the ends ``low``
        and ``high`` of its 95 % interval (Clopper and Pearson 1934), and ``undefined``, the share of series in which
        the test had no variance; they count as "no trend".
    """
    rows = []
    for method, tested, right in _tests(ar1_noise(rho, n, repeats, rng)[:, None], trend, np.ones(repeats), methods):
        hits = int(((tested.p < alpha) & (right if trend else True)).sum())
        low, high = proportion_confint(hits, repeats, alpha=1 - 0.95, method="beta")
        undefined = float((tested.outcome == UNDEFINED).mean())
        rows.append((method, rho, n, trend, alpha, repeats, hits / repeats, float(low), float(high), undefined))
    columns = ["method", "rho", "n", "trend", "alpha", "repeats", "rate", "low", "high", "undefined"]
    return pd.DataFrame(rows, columns=columns)


def _tests(
    noise: np.ndarray, trend: float, there: np.ndarray, methods: Sequence[str]
) -> Iterator[tuple[str, xr.Dataset, xr.DataArray]]:
    """Yield each test of noise (n, map, cell) with a trend where it is ``there``, and where a slope has its sign."""
    years = np.arange(len(noise), dtype="float64")
    y = xr.DataArray(noise + trend * years[:, None, None] * there, {"year": years}, ("year", "map", "cell"))
    for method in methods:
        tested = significance(y, method)
        yield method, tested, np.sign(tested.slope) == np.sign(trend)


SHAPE = (25, 40)
"""Rows and columns of a made map."""

REACH = 1.5
"""Spread (cells) of the bell by which neighbours of a made map are mixed: next ones correlate at about 0.9."""


def _made_maps(rho: float, n: int, maps: int, rng: np.random.Generator) -> np.ndarray:
    """Draw noise of unit variance with memory on maps whose neighbours resemble each other, as (n, maps, cells)."""
    noise = ar1_noise(rho, n, maps * SHAPE[0] * SHAPE[1], rng).reshape(n, maps, *SHAPE)
    bells = [gaussian_filter1d(np.eye(size), REACH, mode="wrap") for size in SHAPE]
    down, across = (bell / np.linalg.norm(bell[0]) for bell in bells)
    return (down @ noise @ across).reshape(n, maps, -1)


def field_power(
    rho: float,
    n: int,
    alpha: float,
    maps: int,
    rng: np.random.Generator,
    trend: float,
    part: float = 0.5,
    methods: Sequence[str] = tuple(METHODS),
) -> pd.DataFrame:
    """Count how much of a trend each test finds when all cells of a map are judged at once, on made maps.

    A map has 1000 cells (25 by 40, its edges joined) of noise with memory whose neighbours are alike, and a block of
    them has a trend, the same in all. It is judged by `fdr` with ``correlated``.

    Parameters
    ----------
    rho, n, rng, methods
        See `simulated_size`.
    alpha : float
        Level of a cell's test, and of the map, up to 0.5.
    maps : int
        Number of maps; every test sees the same ones.
    trend : float
        Slope of the truth where there is one, in standard deviations of the noise a year; not zero.
    part : float
        Part of the cells that have the trend, 0 to 1.

    Returns
    -------
    DataFrame
        A row a method: ``method``, ``rho``, ``n``, ``trend``, ``part``, ``alpha``, ``maps``. Of the cells that have the
        trend, the share found with its sign, ``alone`` (p < alpha) and as a ``field`` (NaN where no cell has it).
        ``called``, the share of all cells that are significant as a field. ``false``, the share of these that have no
        trend or the other sign, averaged over maps; it is 0 for a map that calls none, so that with a ``part`` of 0 it
        is how often a map calls any. All 0 to 1.

    Raises
    ------
    ValueError
        When ``part`` lies outside its range, or ``trend`` is zero.
    """
    if not (0 <= part <= 1 and trend):
        raise ValueError(
            f"part, trend: expected 0 to 1, and not zero, found {part} and {trend}; set part=0 for no trend"
        )
    noise, rows = _made_maps(rho, n, maps, rng), []
    there = xr.DataArray(np.arange(noise.shape[2]) < round(part * noise.shape[2]), dims="cell")
    for method, tested, right in _tests(noise, trend, there.values, methods):
        p, right = tested.p.fillna(1.0), there & right
        called = xr.concat([fdr(one, xr.ones_like(there), alpha).significant for one in p], "map")
        false = (called & ~right).sum("cell") / called.sum("cell").clip(min=1)
        alone, field = (float((holds & right).where(there).mean()) for holds in (p < alpha, called))
        rows.append((method, rho, n, trend, part, alpha, maps, alone, field, float(called.mean()), float(false.mean())))
    columns = ["method", "rho", "n", "trend", "part", "alpha", "maps", "alone", "field", "called", "false"]
    return pd.DataFrame(rows, columns=columns)
