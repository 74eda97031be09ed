"""The median of the slopes between all pairs of years: a line that no single year can tilt."""

from __future__ import annotations

import numpy as np
import xarray as xr

from helpers.trends.cells import each_cell


def median_slope(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the Theil–Sen slope of each column of ``y`` (n, cells) on ``x`` (n,), as (cells,).

    >>> median_slope(np.array([[0.0], [1.0], [2.0], [30.0]]), np.arange(4.0)).tolist()
    [5.5]
    """
    first, second = np.triu_indices(x.size, k=1)
    # One row a cell, so that the median runs along memory: three times as fast.
    slopes = np.ascontiguousarray(((y[second] - y[first]) / (x[second] - x[first])[:, None]).T)
    return np.median(slopes, axis=1, overwrite_input=True)


def _line(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    slope = median_slope(y, x)
    return np.stack([slope, np.median(y, axis=0) - slope * np.median(x)])


def theil_sen(y: xr.DataArray, dim: str = "year") -> xr.Dataset:
    r"""Fit a straight line to every cell by the median of its pairwise slopes, all cells at once.

    .. math::
        b = \operatorname{median}_{i<j} \frac{y_j - y_i}{t_j - t_i}, \qquad
        a = \operatorname{median}(y) - b \operatorname{median}(t)

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN.
    dim : str
        Dimension to regress on; its coordinate holds numbers (years), in any order and spacing.

    Returns
    -------
    Dataset (…)
        ``slope`` (unit of y per unit of dim) and ``intercept`` (unit of y, at dim = 0), float64; ``outcome`` (int8),
        as `ols` gives it. Where the outcome is not "fitted" the two are NaN.

    Raises
    ------
    ValueError
        When ``dim`` is missing, is not numeric, repeats a value, or has fewer than three.

    Notes
    -----
    Theil (1950), *Indagationes Mathematicae* 12, 85–91; Sen (1968), doi:10.1080/01621459.1968.10480934. The intercept
    is Conover's (1980, *Practical Nonparametric Statistics*, 2nd ed.). About 29 % of the years may be
    wrong by any amount before the slope is.

    >>> years = np.arange(2000, 2019)
    >>> y = xr.DataArray(0.02 * (years - 2000), coords={"year": years}, dims="year")
    >>> y[18] = 100.0
    >>> round(float(theil_sen(y).slope), 6)
    0.02
    """
    return each_cell(_line, y, dim, ("slope", "intercept"), decides="slope")
