"""The p-value of a least-squares line when each year remembers a part of the last: fewer years count than there are."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr
from scipy.special import stdtr

from helpers.trends.cells import each_cell
from helpers.trends.memory import autocorrelation, blank_rounding


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
