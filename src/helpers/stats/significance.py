"""Is a trend more than chance? Tests cell by cell, many cells judged at once, and how often each test is right.

`p_values` runs any of `METHODS` by its name. Arrays of series are (n, cells): years first, a column a series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr, ndtri, stdtr, stdtrit
from scipy.stats import binomtest, false_discovery_control, rankdata

from helpers.space.grid import together
from helpers.stats.trends import CONSTANT, MISSING_YEAR, UNDEFINED, each_cell, line, ols, shares, total

# What a year remembers of the years before it.

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


def _residuals(rest: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return residuals of ``y``, NaN in columns that hold nothing but rounding: their memory is undefined."""
    return np.where(np.ptp(rest, axis=0) > ROUNDING * np.abs(y).max(axis=0), rest, np.nan)


def ar1_noise(rho: float, n: int, series: int, rng: np.random.Generator) -> np.ndarray:
    r"""Draw stationary noise of unit variance with memory of one year, as (n, series).

    .. math::
        x_1 = \epsilon_1, \qquad x_t = \rho x_{t-1} + \sqrt{1 - \rho^2}\, \epsilon_t, \qquad \epsilon \sim N(0, 1)

    Raises
    ------
    ValueError
        ``rho`` does not lie between -1 and 1.
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho: expected an autocorrelation between -1 and 1, found {rho}; noise would not be steady")
    x = rng.standard_normal((n, series))
    for t in range(1, n):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    return x


# Least squares when each year remembers a part of the last: fewer years count than there are.


def _ols_ar1(y: np.ndarray, x: np.ndarray, corrected: bool) -> np.ndarray:
    n, dx = x.size, x - x.mean()
    slope, *_ = line(y.copy(), x)
    rest = _residuals(y - y.mean(axis=0) - dx[:, None] * slope, y)
    r1 = autocorrelation(rest, 1)[0]
    if corrected:
        r1 = (n * r1 + 2) / (n - 4) if n > 4 else r1 * np.nan
    remembered = np.clip(r1, 0, None)
    effective = n * (1 - remembered) / (1 + remembered)
    with np.errstate(invalid="ignore", divide="ignore"):
        dof = np.where(effective > 2, effective - 2, np.nan)
        se = np.sqrt((rest**2).sum(axis=0) / dof / (dx @ dx))
    return np.stack([slope, se, dof, r1, 2 * stdtr(dof, -np.abs(slope / se))])


def ols_ar1(y: xr.DataArray, corrected: bool = False) -> xr.Dataset:
    r"""Fit a straight line to every cell by least squares, and judge it by the effective number of years.

    .. math::
        n_e = n \frac{1 - r_1}{1 + r_1}, \qquad
        s_b^2 = \frac{\sum_t e_t^2}{(n_e - 2) \sum_t (t - \bar t)^2}, \qquad
        \frac{b}{s_b} \sim t_{n_e - 2}

    with r_1 the autocorrelation at lag 1 of the residuals e_t, or (n r_1 + 2) / (n - 4) in its place, taken as zero
    where it is negative.

    Parameters
    ----------
    y : DataArray (…, year, …)
        Yearly values in any unit, in memory or lazily on dask, evenly spaced; missing is NaN.
    corrected : bool
        Whether r_1 is corrected for its bias; it needs five years or more.

    Returns
    -------
    Dataset (…)
        ``slope`` and its standard error ``se`` (unit of y per year), ``dof`` (n_e - 2), ``r1`` (with the correction,
        if any) and ``p`` (two-sided), float64; ``outcome`` (int8, see `trends.OUTCOMES`): "undefined" where n_e is 2
        or less or nothing is left beside the line. There ``se``, ``dof`` and ``p`` are NaN; where there is no line all
        are.

    Notes
    -----
    Santer et al. (2000), doi:10.1029/1999JD901105, in the variant that adjusts both the standard error and the degrees
    of freedom. The formula alone would let a negative r_1 raise n_e above n; here it can't.

    In a short series r_1 is estimated too low: the sum of products has n - 1 terms, numerator and denominator vary
    together, and a fitted mean takes (1 + ρ) / n more, which gives the (1 + 4 ρ) / n of Marriott and Pope (1954),
    doi:10.1093/biomet/41.3-4.390. A fitted slope takes about as much as the mean. Beside a line the bias is -2 / n
    exactly without memory, and about -(2 + 5 ρ) / n with it. The correction solves E r_1 = ρ - (2 + 4 ρ) / n, which
    undoes most of that: at 19 years and ρ = 0.3 (0.5) its mean is 0.28 (0.45), that of the plain r_1 0.11 (0.25).
    """
    return each_cell(partial(_ols_ar1, corrected=corrected), y, ("slope", "se", "dof", "r1", "p"))


def total_trend(
    y: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray], confidence: float = 0.9
) -> pd.DataFrame:
    r"""Fit a line to the yearly totals of regions, with an interval that reckons with the memory of the years.

    .. math::
        b \pm t_{(1 + c)/2,\, n_e - 2}\; s_b

    with s_b and n_e as in `ols_ar1`, and c the confidence.

    Parameters
    ----------
    y, area, inside
        As in `trends.total`.
    confidence : float
        Of the two-sided interval, between 0 and 1.

    Returns
    -------
    DataFrame
        By region: ``n_cells``, ``area_m2``, ``slope``, ``low``, ``high`` (Pg yr-2) and ``p`` (two-sided). Where memory
        leaves no degree of freedom the interval is from -inf to inf and p is 1; where nothing is left beside the line
        it has no width and p is 0. A region without cells, or whose total never changes, has NaN.

    Raises
    ------
    ValueError
        As `trends.total`; or the confidence does not lie between 0 and 1.

    Notes
    -----
    In 19 years of noise the interval of 90 % holds the true slope in about 91 % of cases without memory, 86 % with an
    autocorrelation of 0.3, and 82 % with 0.5: a short series hides part of its memory.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a value between 0 and 1, found {confidence}; such as 0.9")
    sums = total(y, area, inside)
    fit = ols_ar1(sums.where(sums.n_cells > 0))
    undefined, exact = fit.outcome == UNDEFINED, fit.r1.isnull()
    half = fit.se.copy(data=stdtrit(fit.dof, (1 + confidence) / 2) * fit.se)
    half = half.where(~undefined, np.where(exact, 0.0, np.inf))
    p = fit.p.where(~undefined, np.where(exact, 0.0, 1.0))
    table = {"slope": fit.slope, "low": fit.slope - half, "high": fit.slope + half, "p": p}
    return xr.Dataset(table).reset_coords().to_dataframe()[["n_cells", "area_m2", *table]]


# Mann and Kendall's test of a trend by ranks, and its variants for years that remember each other.

LAG_LEVEL = 0.05
"""Hamed and Rao count only autocorrelations that differ from zero at this two-sided level."""

Statistic = tuple[np.ndarray, np.ndarray, int]
"""S and its variance, each (cells,), and the number of years that S was counted over."""


HELD = 130_000
"""Slopes (float64, 1 MB) of pairs of years that are held at a time: they stay in a core's own cache."""


def _median_slope(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the Theil–Sen slope of each column: the median over all pairs of years."""
    first, second = np.triu_indices(x.size, k=1)
    apart, half = (x[second] - x[first])[:, None], first.size // 2
    out, step = np.empty(y.shape[1]), max(1, HELD // first.size)
    for start in range(0, out.size, step):
        block = y[:, start : start + step]
        slopes = block[second] - block[first]
        slopes /= apart
        pairs = np.ascontiguousarray(slopes.T)  # a row a cell, so that the choice of the middle runs along memory
        pairs.partition(half, axis=1)
        below = pairs[:, half] if first.size % 2 else pairs[:, :half].max(axis=1)
        out[start : start + step] = (below + pairs[:, half]) / 2
    return out


def _score(y: np.ndarray) -> np.ndarray:
    """Return S of each column: pairs of years that rise, less pairs that fall."""
    s = np.zeros(y.shape[1])
    for k in range(1, len(y)):
        s += (y[k:] > y[:-k]).sum(axis=0, dtype="int16")
        s -= (y[k:] < y[:-k]).sum(axis=0, dtype="int16")
    return np.where(np.isnan(y[0]), np.nan, s)


def _score_variance(y: np.ndarray) -> np.ndarray:
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
    return _residuals(y - np.arange(1, len(y) + 1)[:, None] * slope, y)


def _whiten(y: np.ndarray) -> np.ndarray:
    return y[1:] - autocorrelation(y, 1) * y[:-1]


def _original(y: np.ndarray, slope: np.ndarray) -> Statistic:
    return _score(y), _score_variance(y), len(y)


def _hamed_rao(y: np.ndarray, slope: np.ndarray) -> Statistic:
    n = len(y)
    r = autocorrelation(rankdata(_rest(y, slope), axis=0), n - 1)
    counted = np.where(np.abs(r) > ndtri(1 - LAG_LEVEL / 2) / np.sqrt(n), r, r * 0)
    k = np.arange(1, n)
    inflation = 1 + 2 / (n * (n - 1) * (n - 2)) * ((n - k) * (n - k - 1) * (n - k - 2)) @ counted
    return _score(y), _score_variance(y) * inflation, n


def _yue_wang(y: np.ndarray, slope: np.ndarray) -> Statistic:
    n = len(y)
    inflation = 1 + 2 * (1 - np.arange(1, n) / n) @ autocorrelation(_rest(y, slope), n - 1)
    return _score(y), _score_variance(y) * inflation, n


def _pre_whitening(y: np.ndarray, slope: np.ndarray) -> Statistic:
    return _original(_whiten(y), slope)


def _trend_free_pre_whitening(y: np.ndarray, slope: np.ndarray) -> Statistic:
    white = _whiten(_rest(y, slope))
    white = white + np.arange(1, len(white) + 1)[:, None] * slope
    return _score(white), np.where(np.isnan(white[0]), np.nan, _score_variance(white)), len(white)


VARIANTS: dict[str, Callable[[np.ndarray, np.ndarray], Statistic]] = {
    "original": _original,
    "hamed_rao": _hamed_rao,
    "yue_wang": _yue_wang,
    "pre_whitening": _pre_whitening,
    "trend_free_pre_whitening": _trend_free_pre_whitening,
}
"""The variants of the test, by name; `mann_kendall` says what each does."""


def _mann_kendall(y: np.ndarray, x: np.ndarray, variant: str) -> np.ndarray:
    steps = np.diff(x)
    if variant != "original" and np.ptp(steps) > 1e-9 * steps.max():
        raise ValueError(
            f"year: expected evenly spaced values for the memory that {variant!r} reckons with, found steps from"
            f" {steps.min():g} to {steps.max():g}; fill the gaps or use 'original'"
        )
    # Slopes a step, not a year: the memory of a series knows steps only.
    step = 1.0 if variant == "original" else steps[0]
    slope = _median_slope(y, x if variant == "original" else np.arange(x.size))
    with np.errstate(invalid="ignore", divide="ignore"):
        s, variance, n = VARIANTS[variant](y, slope)
        # S = 0 is no trend, whatever its variance.
        z = np.where(s == 0, 0.0, (s - np.sign(s)) / np.sqrt(np.where(variance > 0, variance, np.nan)))
    return np.stack([slope / step, s, variance, s / (n * (n - 1) / 2), z, 2 * ndtr(-np.abs(z))])


def mann_kendall(y: xr.DataArray, variant: str = "original") -> xr.Dataset:
    r"""Test every cell for a monotonic trend by Mann and Kendall's S, all cells at once.

    .. math::
        S = \sum_{i<j} \operatorname{sign}(y_j - y_i), \qquad
        \operatorname{var} S = \frac{n(n-1)(2n+5) - \sum_g t_g(t_g-1)(2t_g+5)}{18}, \qquad
        z = \frac{S - \operatorname{sign} S}{\sqrt{\operatorname{var} S}}

    where the g-th group of equal values has t_g members; p is two-sided, by the normal distribution.

    Parameters
    ----------
    y : DataArray (…, year, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN. The years are evenly spaced unless the
        variant is "original".
    variant : {"original", "hamed_rao", "yue_wang", "pre_whitening", "trend_free_pre_whitening"}
        What is done about years that remember each other; see the notes.

    Returns
    -------
    Dataset (…)
        ``slope`` (Theil and Sen's, of the series as given; unit of y per year), ``s``, ``variance`` (of S), ``tau`` (S
        over the number of pairs), ``z`` and ``p``, all float64; ``outcome`` (int8, see `trends.OUTCOMES`). Where a
        year is missing or all are equal, all six are NaN; where the outcome is "undefined" z and p are.

    Raises
    ------
    ValueError
        As `trends.each_cell`; or the years are unevenly spaced.

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
    return each_cell(partial(_mann_kendall, variant=variant), y, ("slope", "s", "variance", "tau", "z", "p"))


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
"""The tests that `p_values` knows, and what each is."""


def p_values(y: xr.DataArray, method: str) -> xr.Dataset:
    """Test every cell of yearly maps (…, year, …) for a trend by one of `METHODS`.

    Returns
    -------
    Dataset (…)
        ``slope`` (least squares, or Theil and Sen's), ``p`` (two-sided) and ``outcome`` (see `trends.OUTCOMES`).

    Raises
    ------
    ValueError
        The method is unknown, or as `trends.each_cell`.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one of them")
    tests = {"ols": ols, "ols_ar1": ols_ar1, "ols_ar1_corrected": partial(ols_ar1, corrected=True)}
    tests |= {name: partial(mann_kendall, variant=name) for name in VARIANTS}
    return tests[method](y)[["slope", "p", "outcome"]]


# Many cells, many tests: which stand when all are judged together, and what chance alone would give.


def fdr(p: xr.DataArray, counted: xr.DataArray, alpha: float) -> xr.DataArray:
    r"""Say which cells of a map are significant when all its tests are judged at once.

    .. math::
        p^*_{FDR} = \max_i \left\{ p_{(i)} : p_{(i)} \le \frac{i}{N} \alpha_{FDR} \right\}, \qquad
        \alpha_{FDR} = 2 \alpha

    with the N p-values in ascending order; a cell is significant where p does not exceed the threshold.

    Parameters
    ----------
    p : DataArray (lat, lon)
        p-values, 0 to 1.
    counted : DataArray (lat, lon), bool
        The N cells that are judged.
    alpha : float
        Level of the map as a whole, up to 0.5: how often a map without any trend may show a significant cell. Twice
        that keeps the level where neighbours resemble each other, as on maps of climate and carbon (Wilks 2016); for
        independent cells it would be twice too keen.

    Returns
    -------
    DataArray (lat, lon), bool
        False outside ``counted``. Attribute ``threshold``, p*_FDR; 0 where no cell is significant, and then the map as
        a whole isn't.

    Raises
    ------
    ValueError
        ``alpha`` lies outside its range, or a counted cell has no p-value.

    Notes
    -----
    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Wilks (2016), doi:10.1175/BAMS-D-15-00267.1,
    equation 3 and its discussion of correlation. Among the cells called significant a share of about α_FDR is false.
    """
    p, counted = together(p, counted.astype(bool), names=("p", "counted"))
    if not 0 < alpha <= 0.5:
        raise ValueError(f"alpha: expected a level above 0 and up to 0.5, found {alpha}; the paper's is 0.1")
    here, values = counted.to_numpy(), p.transpose(*counted.dims).to_numpy()
    if unknown := int(np.isnan(values[here]).sum()):
        raise ValueError(
            f"p: expected a p-value in every counted cell, found none in {unknown}; set them to 1 or don't count them"
        )
    significant = np.zeros(here.shape, bool)
    if here.any():
        significant[here] = false_discovery_control(values[here].astype("float64")) <= 2 * alpha
    judged = counted.copy(data=significant)
    return judged.assign_attrs(threshold=float(values[significant].max(initial=0.0)))


def sampled_cells(
    maps: xr.Dataset, counted: xr.DataArray, area: xr.DataArray, most: int, rng: np.random.Generator
) -> xr.Dataset:
    """Draw cells of yearly maps, so that a plain share of those drawn is a share of land.

    Parameters
    ----------
    maps : Dataset (year, lat, lon)
        In memory or lazily on dask.
    counted : DataArray (lat, lon), bool
        The cells to draw from.
    area : DataArray (lat, lon)
        Cell area, m2.
    most : int
        How many to draw, each with a probability in proportion to its area, with replacement.
    rng : numpy.random.Generator

    Returns
    -------
    Dataset (year, cell)
        In memory; ``lat`` and ``lon`` are coordinates of the cells.
    """
    maps, counted, area = together(maps, counted, area, names=("maps", "counted", "area"))
    row, column = np.nonzero(counted.transpose("lat", "lon").to_numpy())
    weight = area.transpose("lat", "lon").to_numpy()[row, column].astype("float64")
    drawn = np.sort(rng.choice(row.size, most, p=weight / weight.sum()))
    at = {"lat": xr.DataArray(row[drawn], dims="cell"), "lon": xr.DataArray(column[drawn], dims="cell")}
    years = [maps.isel(year=k).load().isel(at) for k in range(maps.sizes["year"])]  # one map in memory at a time
    return xr.concat(years, "year").transpose("year", "cell")


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
    block: int = 1,
) -> pd.DataFrame:
    """Compute a statistic of the map again and again, with its years in random order.

    All cells, and all variables of a Dataset, are put in the same order, so that neighbours go on resembling each other
    and NPP goes on with RECO; only the trends go. What is left is the distribution of the statistic by chance.

    Parameters
    ----------
    y : DataArray or Dataset (year, …)
        Yearly maps, in memory.
    statistic : callable
        Takes such maps, with the years of ``y`` in their order, and returns numbers by name, such as the share of cells
        with p < 0.1.
    repeats : int
        Number of orders.
    rng : numpy.random.Generator
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
        ``block`` isn't between 1 and half the years.

    Notes
    -----
    The field-significance test of Livezey and Chen (1983), doi:10.1175/1520-0493(1983)111<0046:SFSAID>2.0.CO;2, by
    permutation: Wilks (2011), *Statistical Methods in the Atmospheric Sciences*, sections 5.3.4 and 5.4.
    """
    n, years = y.sizes["year"], y["year"]
    if not 1 <= block <= n // 2:
        raise ValueError(f"block: expected 1 to {n // 2} of {n} years, found {block}; take fewer")
    orders = (shuffled_years(n, block, rng) for _ in range(repeats))
    return pd.DataFrame([statistic(y.isel(year=order).assign_coords(year=years)) for order in orders])


def summary_of_field(field: xr.DataArray, area: xr.DataArray, alpha: float = 0.1) -> pd.DataFrame:
    """Sum up the trends of yearly maps by each test, cell by cell and judged as a field.

    Parameters
    ----------
    field : DataArray (year, lat, lon)
        Yearly maps in any unit; missing is NaN.
    area : DataArray (lat, lon)
        Cell area, m2.
    alpha : float
        Level of a cell's test, and of the whole field, up to 0.5.

    Returns
    -------
    DataFrame
        A row a ``method``, ``subset`` and ``direction`` ("rise", "fall"); ``region`` is "Global". The subsets: "all";
        "p < alpha"; and "fdr", significant when all cells are judged at once. ``n_cells``, the counted cells: a value
        in all years, not all equal; the same for every method. ``pixel`` and ``area``, shares of them by number and by
        area (0 to 1); ``by_chance``, what the share would be without any trend, were the test to keep its level: one
        half, alpha / 2, and 0. ``zero``, counted cells whose slope is exactly zero: they neither rise nor fall.
        ``undefined``, counted cells in which the test has no variance: they may rise or fall, and are never
        significant. ``threshold``, the p-value up to which a cell stands in the subset; that of "fdr" may exceed alpha
        where most of the field has a trend.
    """
    tables = []
    for method in METHODS:
        test = p_values(field, method).transpose(*area.dims).compute()
        counted = (test.outcome != MISSING_YEAR) & (test.outcome != CONSTANT)
        undefined = counted & test.p.isnull()
        judged = fdr(test.p.where(~undefined, 1.0), counted, alpha)
        subsets = {
            "all": (counted, 0.5, 1.0),
            "p < alpha": (test.p < alpha, alpha / 2, alpha),
            "fdr": (judged, 0.0, judged.attrs["threshold"]),
        }
        ways = {"rise": test.slope > 0, "fall": test.slope < 0}
        conditions = {(method, s, way): subsets[s][0] & moves for s in subsets for way, moves in ways.items()}
        names = ["method", "subset", "direction"]
        table = shares(conditions, counted, area, {"Global": xr.ones_like(counted)}, names)
        table["by_chance"] = table["subset"].map({s: chance for s, (_, chance, _) in subsets.items()})
        table["zero"], table["undefined"] = int((counted & (test.slope == 0)).sum()), int(undefined.sum())
        table["threshold"] = table["subset"].map({s: threshold for s, (*_, threshold) in subsets.items()})
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


# How often a test finds a trend in noise that has none (its size), or one that is there (its power), also on a map.


def _tests(
    noise: np.ndarray, trend: float, there: np.ndarray, methods: Sequence[str]
) -> Iterator[tuple[str, xr.Dataset, xr.DataArray]]:
    """Yield each test of noise (n, map, cell) with a trend where it is ``there``, and where a slope has its sign."""
    years = np.arange(len(noise), dtype="float64")
    y = xr.DataArray(noise + trend * years[:, None, None] * there, {"year": years}, ("year", "map", "cell"))
    for method in methods:
        tested = p_values(y, method)
        yield method, tested, np.sign(tested.slope) == np.sign(trend)


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
    trend : float
        Slope of the truth, in standard deviations of the noise a year. At 0 the rate is the size of a test, which
        should be ``alpha``; otherwise it is the power, where "trend" counts only with the right sign.
    methods : sequence of str
        Names in `METHODS`.

    Returns
    -------
    DataFrame
        A row a method: ``method``, ``rho``, ``trend``, ``rate``, and the ends ``low`` and ``high`` of its 95 % interval
        (Clopper and Pearson 1934). Series in which a test has no variance count as "no trend".
    """
    rows = []
    for method, tested, right in _tests(ar1_noise(rho, n, repeats, rng)[:, None], trend, np.ones(repeats), methods):
        counted = binomtest(int(((tested.p < alpha) & (right if trend else True)).sum()), repeats)
        interval = counted.proportion_ci(0.95, "exact")
        rows.append((method, rho, trend, counted.statistic, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["method", "rho", "trend", "rate", "low", "high"])


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
    part: float,
    methods: Sequence[str],
) -> pd.DataFrame:
    """Count how much of a trend each test finds when all cells of a map are judged at once, on made maps.

    A map has 1000 cells (25 by 40, its edges joined) of noise with memory whose neighbours are alike, and a block of
    them has a trend, the same in all. It is judged by `fdr`.

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
        A row a ``method``. Of the cells that have the trend, the share found with its sign, ``alone`` (p < alpha) and
        as a ``field`` (NaN where no cell has it). ``called``, the share of all cells that are significant as a field.
        ``false``, the share of these that have no trend or the other sign, averaged over maps; it is 0 for a map that
        calls none, so that with a ``part`` of 0 it is how often a map calls any. All 0 to 1.

    Raises
    ------
    ValueError
        ``part`` lies outside its range, or ``trend`` is zero.
    """
    if not (0 <= part <= 1 and trend):
        raise ValueError(
            f"part, trend: expected 0 to 1, and not zero, found {part} and {trend}; set part=0 for no trend"
        )
    noise, rows = _made_maps(rho, n, maps, rng), []
    there = xr.DataArray(np.arange(noise.shape[2]) < round(part * noise.shape[2]), dims="cell")
    for method, tested, right in _tests(noise, trend, there.values, methods):
        p, right = tested.p.fillna(1.0), there & right
        called = xr.concat([fdr(one, xr.ones_like(there), alpha) for one in p], "map")
        false = (called & ~right).sum("cell") / called.sum("cell").clip(min=1)
        alone, field = (float((holds & right).where(there).mean()) for holds in (p < alpha, called))
        rows.append((method, alone, field, float(called.mean()), float(false.mean())))
    return pd.DataFrame(rows, columns=["method", "alone", "field", "called", "false"])
