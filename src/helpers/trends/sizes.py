"""How often a test finds a trend in noise that has none (its size), or one that is there (its power), also on a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d
from statsmodels.stats.proportion import proportion_confint

from helpers.trends.cells import UNDEFINED
from helpers.trends.field import fdr
from helpers.trends.memory import ar1_noise
from helpers.trends.methods import METHODS, significance


def simulated_size(
    rho: float,
    n: int,
    alpha: float,
    repeats: int,
    rng: np.random.Generator,
    trend: float = 0.0,
    methods: Sequence[str] = tuple(METHODS),
    confidence: float = 0.95,
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
    confidence : float
        Of the binomial interval (Clopper and Pearson 1934).

    Returns
    -------
    DataFrame
        A row a method: ``method``, ``rho``, ``n``, ``trend``, ``alpha``, ``repeats``, ``rate``, ``low``, ``high``
        (0 to 1), and ``undefined``, the share of series in which the test had no variance; they count as "no trend".
    """
    years = np.arange(n, dtype="float64")
    noise = ar1_noise(rho, n, repeats, rng) + trend * years[:, None]
    y = xr.DataArray(noise, coords={"year": years}, dims=("year", "series"))
    rows = []
    for method in methods:
        tested = significance(y, method)
        found = tested.p < alpha
        if trend:
            found = found & (np.sign(tested.slope) == np.sign(trend))
        hits = int(found.sum())
        low, high = proportion_confint(hits, repeats, alpha=1 - confidence, method="beta")
        undefined = float((tested.outcome == UNDEFINED).mean())
        rows.append((method, rho, n, trend, alpha, repeats, hits / repeats, float(low), float(high), undefined))
    columns = ["method", "rho", "n", "trend", "alpha", "repeats", "rate", "low", "high", "undefined"]
    return pd.DataFrame(rows, columns=columns)


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
    rho : float
        Autocorrelation of the noise at lag 1, between -1 and 1.
    n : int
        Years of a series.
    alpha : float
        Level of a cell's test, and of the map, up to 0.5.
    maps : int
        Number of maps; every test sees the same ones.
    rng : numpy.random.Generator
        Source of the noise.
    trend : float
        Slope of the truth where there is one, in standard deviations of the noise a year; not zero.
    part : float
        Part of the cells that have the trend, 0 to 1.
    methods : sequence of str
        Names in `METHODS`.

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
    years, noise = np.arange(n, dtype="float64"), _made_maps(rho, n, maps, rng)
    there = xr.DataArray(np.arange(noise.shape[2]) < round(part * noise.shape[2]), dims="cell")
    y = xr.DataArray(noise + trend * years[:, None, None] * there.values, {"year": years}, ("year", "map", "cell"))
    rows = []
    for method in methods:
        tested = significance(y, method)
        p, right = tested.p.fillna(1.0), there & (np.sign(tested.slope) == np.sign(trend))
        called = xr.concat([fdr(one, xr.ones_like(there), alpha).significant for one in p], "map")
        false = (called & ~right).sum("cell") / called.sum("cell").clip(min=1)
        alone, field = (float((holds & right).where(there).mean()) for holds in (p < alpha, called))
        rows.append((method, rho, n, trend, part, alpha, maps, alone, field, float(called.mean()), float(false.mean())))
    columns = ["method", "rho", "n", "trend", "part", "alpha", "maps", "alone", "field", "called", "false"]
    return pd.DataFrame(rows, columns=columns)
