"""Tests of a trend, cell by cell: least squares and Mann–Kendall, with and without the memory of the years.

`significance` runs any of `METHODS` by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import rankdata

from helpers.space.grid import whole_series
from helpers.stats.trends.lines import CONSTANT, FITTED, MISSING_YEAR, OUTCOMES, _years, ols

UNDEFINED = 3
TEST_OUTCOMES = OUTCOMES | {UNDEFINED: "the variance of the test is undefined"}
"""Outcomes of a test that reckons with memory: those of `ols`, and one more."""

HELD = 2_000_000
"""Numbers (float64, 16 MB) that the largest intermediate array of a block may hold."""

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _in_blocks(y: np.ndarray, kernel: Kernel, x: np.ndarray, rows: int, decides: int) -> tuple[np.ndarray, ...]:
    """Run ``kernel`` on ``y`` (…, n), block by block; return ``rows`` float64 arrays and the outcome, each (…)."""
    n, cells = x.size, y.reshape(-1, x.size)
    order = np.argsort(x)
    answers = np.full((rows, len(cells)), np.nan)
    outcome = np.full(len(cells), FITTED, dtype="int8")
    step = max(1, HELD // (n * n))
    for start in range(0, len(cells), step):
        here = slice(start, start + step)
        block = np.ascontiguousarray(cells[here].T[order], dtype="float64")
        missing = ~np.isfinite(block).all(axis=0)
        with np.errstate(invalid="ignore"):
            constant = ~missing & (block.max(axis=0) == block.min(axis=0))
        fit = ~(missing | constant)
        outcome[here] = np.select([missing, constant], [MISSING_YEAR, CONSTANT], FITTED)
        if fit.any():
            answers[:, start + np.flatnonzero(fit)] = kernel(block[:, fit], x[order])
    outcome[(outcome == FITTED) & np.isnan(answers[decides])] = UNDEFINED
    shape = y.shape[:-1]
    return *(row.reshape(shape) for row in answers), outcome.reshape(shape)


def each_cell(kernel: Kernel, y: xr.DataArray, dim: str, names: Sequence[str], decides: str) -> xr.Dataset:
    """Run a test on all cells, in memory or lazily, without holding more than a block of them in float64.

    Parameters
    ----------
    kernel : callable
        Takes values (n, cells), float64, complete and not constant, and the n ascending years; returns
        (len(names), cells). The largest array that it makes has n² numbers a cell or fewer.
    y : DataArray (…, dim, …)
        Yearly values in any unit; missing is NaN.
    dim : str
        Dimension of the years; its coordinate holds numbers, in any order.
    names : sequence of str
        What the rows of the kernel's answer are called.
    decides : str
        The one whose NaN means that the test is undefined in a cell.

    Returns
    -------
    Dataset (…)
        ``names`` (float64) and ``outcome`` (int8, see `TEST_OUTCOMES`). All are NaN where a year is missing or all
        years are equal.

    Raises
    ------
    ValueError
        When ``dim`` is missing, is not numeric, repeats a value, or has fewer than three.
    """
    x = _years(y, dim)
    fields = xr.apply_ufunc(
        _in_blocks,
        whole_series(y, dim),
        kwargs={"kernel": kernel, "x": x, "rows": len(names), "decides": list(names).index(decides)},
        input_core_dims=[[dim]],
        output_core_dims=[[]] * (len(names) + 1),
        dask="parallelized",
        output_dtypes=["float64"] * len(names) + ["int8"],
    )
    tested = xr.Dataset(dict(zip((*names, "outcome"), fields, strict=True)))
    tested["outcome"].attrs = {
        "flag_values": np.array(list(TEST_OUTCOMES), "int8"),
        "flag_meanings": "fitted year_missing constant undefined",
    }
    return tested


# What a year remembers of the years before it: autocorrelation, made noise with memory, whitening.
#
# Arrays are (n, cells): years first, a column a series.


ROUNDING = 1e-11
"""Residuals smaller than this part of the series are rounding, not residuals."""


def autocorrelation(y: np.ndarray, lags: int) -> np.ndarray:
    r"""Return the autocorrelation of each column at lags 1 … ``lags``, as (lags, cells).

    .. math::
        r_k = \frac{\sum_{t=1}^{n-k} (y_t - \bar y)(y_{t+k} - \bar y)}{\sum_{t=1}^n (y_t - \bar y)^2}

    The sum over n - k products is divided by that over n (Box and Jenkins 1976, section 2.1.5), which draws the
    estimate towards zero; in n years of white noise its mean is about -1 / n.

    >>> autocorrelation(np.array([[1.0], [2.0], [3.0], [4.0]]), 3)[:, 0].tolist()
    [0.25, -0.3, -0.45]
    """
    departure = y - y.mean(axis=0)
    r = np.stack([np.einsum("tc,tc->c", departure[k:], departure[:-k]) for k in range(1, lags + 1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return r / np.einsum("tc,tc->c", departure, departure)


def blank_rounding(rest: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return residuals ``rest`` of ``y``, NaN in columns that hold nothing but rounding: their memory is undefined."""
    return np.where(np.ptp(rest, axis=0) > ROUNDING * np.abs(y).max(axis=0), rest, np.nan)


def whiten(y: np.ndarray) -> np.ndarray:
    """Return y[t] - r1 y[t-1], one year shorter: von Storch (1995), doi:10.1007/978-3-662-03167-4_2."""
    return y[1:] - autocorrelation(y, 1) * y[:-1]


def ar1_noise(rho: float, n: int, series: int, rng: np.random.Generator) -> np.ndarray:
    r"""Draw stationary noise of unit variance with memory of one year, as (n, series).

    .. math::
        x_1 = \epsilon_1, \qquad x_t = \rho x_{t-1} + \sqrt{1 - \rho^2}\, \epsilon_t, \qquad \epsilon \sim N(0, 1)

    Raises
    ------
    ValueError
        When ``rho`` does not lie between -1 and 1.
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho: expected an autocorrelation between -1 and 1, found {rho}; noise would not be steady")
    x = rng.standard_normal((n, series))
    for t in range(1, n):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    return x


# The p-value of a least-squares line when each year remembers a part of the last: fewer years count than there are.


def _fit(y: np.ndarray, x: np.ndarray, corrected: bool) -> np.ndarray:
    n, dx = x.size, x - x.mean()
    slope = dx @ (y - y.mean(axis=0)) / (dx @ dx)
    rest = blank_rounding(y - y.mean(axis=0) - dx[:, None] * slope, y)
    r1 = autocorrelation(rest, 1)[0]
    if corrected:
        r1 = (n * r1 + 2) / (n - 4) if n > 4 else r1 * np.nan
    remembered = np.clip(r1, 0, None)
    effective = n * (1 - remembered) / (1 + remembered)
    with np.errstate(invalid="ignore", divide="ignore"):
        dof = np.where(effective > 2, effective - 2, np.nan)
        se = np.sqrt((rest**2).sum(axis=0) / dof / (dx @ dx))
    return np.stack([slope, se, dof, r1, 2 * stdtr(dof, -np.abs(slope / se))])


def ols_ar1(y: xr.DataArray, dim: str = "year", corrected: bool = False) -> xr.Dataset:
    r"""Fit a straight line to every cell by least squares, and judge it by the effective number of years.

    .. math::
        n_e = n \frac{1 - r_1}{1 + r_1}, \qquad
        s_b^2 = \frac{\sum_t e_t^2}{(n_e - 2) \sum_t (t - \bar t)^2}, \qquad
        \frac{b}{s_b} \sim t_{n_e - 2}

    with r_1 the autocorrelation at lag 1 of the residuals e_t, or (n r_1 + 2) / (n - 4) in its place, taken as zero
    where it is negative.

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN.
    dim : str
        Dimension to regress on; its coordinate holds numbers (years), evenly spaced for r_1 to mean anything.
    corrected : bool
        Whether r_1 is corrected for its bias; it needs five years or more.

    Returns
    -------
    Dataset (…)
        ``slope`` and its standard error ``se`` (unit of y per unit of dim), ``dof`` (n_e - 2), ``r1`` (with the
        correction, if any) and ``p`` (two-sided), float64; ``outcome`` (int8, see `TEST_OUTCOMES`): "undefined" where
        n_e is 2 or less or nothing is left beside the line. There ``se``, ``dof`` and ``p`` are NaN; where there is no
        line all are.

    Raises
    ------
    ValueError
        When ``dim`` is missing, is not numeric, repeats a value, or has fewer than three.

    Notes
    -----
    Santer et al. (2000), doi:10.1029/1999JD901105, in the variant that adjusts both the standard error and the degrees
    of freedom. The formula alone would let a negative r_1 raise n_e above n; here it can't.

    In a short series r_1 is estimated too low. The sum of products has n - 1 terms, not n; numerator and denominator
    vary together; and a fitted mean takes (1 + ρ) / n more, which gives the (1 + 4 ρ) / n of Marriott and Pope (1954),
    doi:10.1093/biomet/41.3-4.390. A fitted slope takes about as much as the mean. Without memory the bias beside a line
    is -2 / n exactly, so that the corrected r_1 has none. With memory it is about -(2 + 5 ρ) / n. The correction solves
    E r_1 = ρ - (2 + 4 ρ) / n, which undoes most of that: at 19 years and ρ = 0.3 (0.5) its mean is 0.28 (0.45), that of
    the plain r_1 0.11 (0.25). `simulated_size` says what is left of it in the test, and `field_power` that with memory
    the smallest p-values remain too small, as r_1 isn't known but estimated.
    """
    return each_cell(partial(_fit, corrected=corrected), y, dim, ("slope", "se", "dof", "r1", "p"), decides="p")


# The median of the slopes between all pairs of years: a line that no single year can tilt.


def median_slope(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the Theil–Sen slope of each column of ``y`` (n, cells) on ``x`` (n,), as (cells,).

    >>> median_slope(np.array([[0.0], [1.0], [2.0], [30.0]]), np.arange(4.0)).tolist()
    [5.5]
    """
    first, second = np.triu_indices(x.size, k=1)
    # One row a cell, so that the median runs along memory: three times as fast.
    slopes = np.ascontiguousarray(((y[second] - y[first]) / (x[second] - x[first])[:, None]).T)
    return np.median(slopes, axis=1, overwrite_input=True)


# Mann and Kendall's test of a trend by ranks, and its variants for years that remember each other.


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


# All tests of a trend under one roof, by name.


METHODS: dict[str, str] = {
    "ols": "least squares, years independent",
    "ols_ar1": "least squares, effective number of years",
    "ols_ar1_corrected": "least squares, effective years, r1 corrected for bias",
    "original": "Mann–Kendall, years independent",
    "hamed_rao": "Mann–Kendall after Hamed and Rao (1998)",
    "yue_wang": "Mann–Kendall after Yue and Wang (2004)",
    "pre_whitening": "Mann–Kendall, pre-whitened (von Storch 1995)",
    "trend_free_pre_whitening": "Mann–Kendall, trend-free pre-whitened (Yue et al. 2002)",
}
"""The tests that `significance` knows, and what each is."""


def significance(y: xr.DataArray, method: str, dim: str = "year") -> xr.Dataset:
    """Test every cell for a trend by one of `METHODS`, with its default settings.

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit; missing is NaN.
    method : str
        A name in `METHODS`.
    dim : str
        Dimension of the years.

    Returns
    -------
    Dataset (…)
        ``slope`` (least squares, or Theil and Sen's), ``p`` (two-sided) and ``outcome`` (see `TEST_OUTCOMES`).

    Raises
    ------
    ValueError
        When the method is unknown, or ``dim`` can't be used.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one of them")
    tests = {"ols": ols, "ols_ar1": ols_ar1, "ols_ar1_corrected": partial(ols_ar1, corrected=True)}
    tests |= {name: partial(mann_kendall, variant=name) for name in VARIANTS}
    return tests[method](y, dim=dim)[["slope", "p", "outcome"]]
