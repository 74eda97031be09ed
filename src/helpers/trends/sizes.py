"""How often a test finds a trend in noise that has none (its size), or one that is there (its power)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from statsmodels.stats.proportion import proportion_confint

from helpers.trends.cells import UNDEFINED
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
