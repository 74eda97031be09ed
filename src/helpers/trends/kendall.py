"""Mann and Kendall's test of a trend by ranks, and its variants for years that remember each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from helpers.trends.cells import each_cell
from helpers.trends.lines import _years
from helpers.trends.memory import autocorrelation, blank_rounding, whiten
from helpers.trends.robust import median_slope

Statistic = tuple[np.ndarray, np.ndarray, int]
"""S and its variance, each (cells,), and the number of years that S was counted over."""


def score(y: np.ndarray) -> np.ndarray:
    """Return S of each column: pairs of years that rise, less pairs that fall."""
    s = np.zeros(y.shape[1])
    for k in range(1, len(y)):
        s += np.sign(y[k:] - y[:-k]).sum(axis=0)
    return s


def score_variance(y: np.ndarray) -> np.ndarray:
    """Return the variance of S of independent years, less what ties take from it."""
    n = len(y)
    free = np.full(y.shape[1], n * (n - 1) * (2 * n + 5.0))
    tied = (np.diff(np.sort(y, axis=0), axis=0) == 0).any(axis=0)
    if tied.any():
        # Each of the t members of a tie adds (t - 1)(2t + 5), which makes t (t - 1)(2t + 5) a tie.
        size = rankdata(y[:, tied], "max", axis=0) - rankdata(y[:, tied], "min", axis=0) + 1
        free[tied] -= ((size - 1) * (2 * size + 5)).sum(axis=0)
    return free / 18


def _rest(y: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return blank_rounding(y - np.arange(1, len(y) + 1)[:, None] * slope, y)


def _original(y: np.ndarray, slope: np.ndarray, lags: int | None, lag_level: float) -> Statistic:
    return score(y), score_variance(y), len(y)


def _hamed_rao(y: np.ndarray, slope: np.ndarray, lags: int | None, lag_level: float) -> Statistic:
    n, rest = len(y), _rest(y, slope)
    r = autocorrelation(rankdata(rest, axis=0), n - 1 if lags is None else lags)
    counted = np.where(np.abs(r) > ndtri(1 - lag_level / 2) / np.sqrt(n), r, r * 0)
    k = np.arange(1, len(r) + 1)
    inflation = 1 + 2 / (n * (n - 1) * (n - 2)) * ((n - k) * (n - k - 1) * (n - k - 2)) @ counted
    return score(y), score_variance(y) * inflation, n


def _yue_wang(y: np.ndarray, slope: np.ndarray, lags: int | None, lag_level: float) -> Statistic:
    n = len(y)
    r = autocorrelation(_rest(y, slope), n - 1 if lags is None else lags)
    inflation = 1 + 2 * (1 - np.arange(1, len(r) + 1) / n) @ r
    return score(y), score_variance(y) * inflation, n


def _pre_whitening(y: np.ndarray, slope: np.ndarray, lags: int | None, lag_level: float) -> Statistic:
    white = whiten(y)
    return score(white), score_variance(white), len(white)


def _trend_free_pre_whitening(y: np.ndarray, slope: np.ndarray, lags: int | None, lag_level: float) -> Statistic:
    white = whiten(_rest(y, slope))
    white = white + np.arange(1, len(white) + 1)[:, None] * slope
    return score(white), np.where(np.isnan(white[0]), np.nan, score_variance(white)), len(white)


VARIANTS: dict[str, Callable[..., Statistic]] = {
    "original": _original,
    "hamed_rao": _hamed_rao,
    "yue_wang": _yue_wang,
    "pre_whitening": _pre_whitening,
    "trend_free_pre_whitening": _trend_free_pre_whitening,
}
"""The variants of the test, by name; `mann_kendall` says what each does."""


def _test(y: np.ndarray, x: np.ndarray, variant: str, lags: int | None, lag_level: float) -> np.ndarray:
    # Slopes a step, not a year: the memory of a series knows steps only.
    step = 1.0 if variant == "original" else x[1] - x[0]
    slope = median_slope(y, x if variant == "original" else np.arange(x.size))
    with np.errstate(invalid="ignore", divide="ignore"):
        s, variance, n = VARIANTS[variant](y, slope, lags, lag_level)
        # S = 0 is no trend, whatever its variance.
        z = np.where(s == 0, 0.0, (s - np.sign(s)) / np.sqrt(np.where(variance > 0, variance, np.nan)))
    return np.stack([slope / step, s, variance, s / (n * (n - 1) / 2), z, 2 * ndtr(-np.abs(z))])


def _check(y: xr.DataArray, variant: str, dim: str, lags: int | None, lag_level: float) -> None:
    x = np.sort(_years(y, dim))
    if variant not in VARIANTS:
        raise ValueError(f"variant: expected one of {', '.join(VARIANTS)}, found {variant!r}; choose one of them")
    steps = np.diff(x)
    if variant != "original" and np.ptp(steps) > 1e-9 * steps.max():
        raise ValueError(
            f"{dim}: expected evenly spaced values for the memory that {variant!r} reckons with, found steps from"
            f" {steps.min():g} to {steps.max():g}; fill the gaps or use 'original'"
        )
    if lags is not None and not 1 <= lags < x.size:
        raise ValueError(f"lags: expected 1 to {x.size - 1} for {x.size} years, found {lags}; leave it out for all")
    if not 0 < lag_level <= 1:
        raise ValueError(f"lag_level: expected a level above 0 and up to 1, found {lag_level}; the usual one is 0.05")


def mann_kendall(
    y: xr.DataArray, variant: str = "original", dim: str = "year", lags: int | None = None, lag_level: float = 0.05
) -> xr.Dataset:
    r"""Test every cell for a monotonic trend by Mann and Kendall's S, all cells at once.

    .. math::
        S = \sum_{i<j} \operatorname{sign}(y_j - y_i), \qquad
        \operatorname{var} S = \frac{n(n-1)(2n+5) - \sum_g t_g(t_g-1)(2t_g+5)}{18}, \qquad
        z = \frac{S - \operatorname{sign} S}{\sqrt{\operatorname{var} S}}

    where the g-th group of equal values has t_g members; p is two-sided, by the normal distribution.

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN.
    variant : {"original", "hamed_rao", "yue_wang", "pre_whitening", "trend_free_pre_whitening"}
        What is done about years that remember each other; see the notes.
    dim : str
        Dimension of the years; its coordinate holds numbers, evenly spaced unless the variant is "original".
    lags : int, optional
        Longest lag that "hamed_rao" and "yue_wang" look at; default all, n - 1.
    lag_level : float
        "hamed_rao" counts only autocorrelations that differ from zero at this two-sided level, which is not the level
        at which the trend is judged; 1 counts all.

    Returns
    -------
    Dataset (…)
        ``slope`` (Theil and Sen's, of the series as given; unit of y per unit of dim), ``s``, ``variance`` (of S),
        ``tau`` (S over the number of pairs), ``z`` and ``p``, all float64; ``outcome`` (int8, see `TEST_OUTCOMES`).
        Where a year is missing or all are equal, all six are NaN; where the outcome is "undefined" z and p are.

    Raises
    ------
    ValueError
        When ``dim`` can't be used, the variant is unknown, or ``lags`` or ``lag_level`` lies outside its range.

    Notes
    -----
    Mann (1945), doi:10.2307/1907187; Kendall (1975), *Rank Correlation Methods*; ties and the step of one towards zero
    as there. With r_k the autocorrelation at lag k of the series less its Theil–Sen line:

    - "hamed_rao" multiplies var S by 1 + 2 / (n(n-1)(n-2)) Σ (n-k)(n-k-1)(n-k-2) r_k, r_k of ranks and only where it
      is significant: Hamed and Rao (1998), doi:10.1016/S0022-1694(97)00125-X.
    - "yue_wang" multiplies it by 1 + 2 Σ (1 - k/n) r_k: Yue and Wang (2004), doi:10.1023/B:WARM.0000043140.61082.60.
      Over all lags of a short series the sum is near its lowest for want of data, not of memory: the test then finds
      trends in noise.
    - "pre_whitening" tests y_t - r_1 y_{t-1}, r_1 of the series as given, always: von Storch (1995),
      doi:10.1007/978-3-662-03167-4_2. A trend raises r_1, so that part of it is taken away.
    - "trend_free_pre_whitening" whitens what is left beside the line, and puts the line back before the test: Yue et
      al. (2002), doi:10.1002/hyp.1095.

    A variance of zero or less, which the first two can give, and a series without anything beside its line have the
    outcome "undefined". An S of zero has p = 1 whatever the variance.
    Whether residuals that differ by rounding only are tied is left to rounding, as in pymannkendall.

    >>> years = np.arange(2000, 2010)
    >>> y = xr.DataArray(np.sqrt(years - 1999.0), coords={"year": years}, dims="year")
    >>> test = mann_kendall(y)
    >>> int(test.s), float(test.variance), round(float(test.p), 6)
    (45, 125.0, 8.3e-05)
    """
    _check(y, variant, dim, lags, lag_level)
    kernel = partial(_test, variant=variant, lags=lags, lag_level=lag_level)
    return each_cell(kernel, y, dim, ("slope", "s", "variance", "tau", "z", "p"), decides="p")
