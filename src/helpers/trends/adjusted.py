"""The p-value of a least-squares line when each year remembers a part of the last: fewer years count than there are."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import stdtr

from helpers.trends.cells import each_cell
from helpers.trends.memory import autocorrelation, blank_rounding


def _fit(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    n, dx = x.size, x - x.mean()
    slope = dx @ (y - y.mean(axis=0)) / (dx @ dx)
    rest = blank_rounding(y - y.mean(axis=0) - dx[:, None] * slope, y)
    r1 = autocorrelation(rest, 1)[0]
    remembered = np.clip(r1, 0, None)
    effective = n * (1 - remembered) / (1 + remembered)
    with np.errstate(invalid="ignore", divide="ignore"):
        dof = np.where(effective > 2, effective - 2, np.nan)
        se = np.sqrt((rest**2).sum(axis=0) / dof / (dx @ dx))
    return np.stack([slope, se, dof, r1, 2 * stdtr(dof, -np.abs(slope / se))])


def ols_ar1(y: xr.DataArray, dim: str = "year") -> xr.Dataset:
    r"""Fit a straight line to every cell by least squares, and judge it by the effective number of years.

    .. math::
        n_e = n \frac{1 - r_1}{1 + r_1}, \qquad
        s_b^2 = \frac{\sum_t e_t^2}{(n_e - 2) \sum_t (t - \bar t)^2}, \qquad
        \frac{b}{s_b} \sim t_{n_e - 2}

    with r_1 the autocorrelation at lag 1 of the residuals e_t, taken as zero where it is negative.

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN.
    dim : str
        Dimension to regress on; its coordinate holds numbers (years), evenly spaced for r_1 to mean anything.

    Returns
    -------
    Dataset (…)
        ``slope`` and its standard error ``se`` (unit of y per unit of dim), ``dof`` (n_e - 2), ``r1`` and ``p``
        (two-sided), float64; ``outcome`` (int8, see `TEST_OUTCOMES`): "undefined" where n_e is 2 or less or nothing is
        left beside the line. There ``se``, ``dof`` and ``p`` are NaN; where there is no line all are.

    Raises
    ------
    ValueError
        When ``dim`` is missing, is not numeric, repeats a value, or has fewer than three.

    Notes
    -----
    Santer et al. (2000), doi:10.1029/1999JD901105, in the variant that adjusts both the standard error and the degrees
    of freedom. The formula alone would let a negative r_1 raise n_e above n; here it can't. In a short series r_1 is
    estimated too low, already around a mean by about (1 + 4 r_1) / n (Marriott and Pope 1954,
    doi:10.1093/biomet/41.3-4.390), so the test stays somewhat too keen: `simulated_size` says how much.
    """
    return each_cell(_fit, y, dim, ("slope", "se", "dof", "r1", "p"), decides="p")
