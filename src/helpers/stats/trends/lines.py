"""A straight line through each cell's years: slope, p-value, correlation; z-scores; and the classes of direction."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import stdtr

from helpers.space.grid import together, whole_series

FITTED, MISSING_YEAR, CONSTANT = 0, 1, 2
OUTCOMES = {FITTED: "fitted", MISSING_YEAR: "a year is missing", CONSTANT: "all years are equal"}

DIRECTIONS = {1: "NPP+RECO+", 2: "NPP+RECO-", 3: "NPP-RECO+", 4: "NPP-RECO-"}
"""The four classes of Yu et al. (2021), Fig. 5c and Table 3; 0 stands for no class."""


def _years(y: xr.DataArray, dim: str) -> np.ndarray:
    """Return the coordinate to regress on, or say what is wrong with it."""
    if dim not in y.dims or dim not in y.coords:
        raise ValueError(f"{y.name or 'y'}: expected a dimension {dim!r} with a coordinate, found {y.dims}; name it")
    x = y[dim].to_numpy()
    if x.dtype.kind not in "iuf":
        raise ValueError(f"{dim}: expected numbers such as 2000, found {x.dtype}; pass whole years, not dates")
    if x.size < 3 or np.unique(x).size != x.size:
        raise ValueError(f"{dim}: expected at least 3 different values, found {x.size} ({np.unique(x).size} different)")
    return x.astype("float64")


def _fit(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Fit ``y`` (…, n) on ``x`` (n,); return slope, intercept, p, r and outcome, each of shape (…).

    The sums run year by year in float64, so a float32 cube is never copied whole into float64.
    """
    n, dx = x.size, x - x.mean()
    mean, sxy, syy = (np.zeros(y.shape[:-1]) for _ in range(3))
    for k in range(n):
        mean += y[..., k]
    mean /= n
    missing = ~np.isfinite(mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in range(n):
            departure = y[..., k] - mean
            sxy += dx[k] * departure
            syy += departure**2
        constant = ~missing & (y.max(axis=-1) == y.min(axis=-1))
        unfit = missing | constant
        slope = np.where(unfit, np.nan, sxy / (dx @ dx))
        r = np.where(unfit, np.nan, np.clip(sxy / np.sqrt((dx @ dx) * syy), -1, 1))
        t = r * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
    p = 2 * stdtr(n - 2, -np.abs(t))
    outcome = np.select([missing, constant], [MISSING_YEAR, CONSTANT], FITTED).astype("int8")
    return slope, mean - slope * x.mean(), p, r, outcome


def ols(y: xr.DataArray, dim: str = "year") -> xr.Dataset:
    """Fit a straight line to every cell by ordinary least squares, all cells at once.

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit, in memory or lazily on dask; missing is NaN.
    dim : str
        Dimension to regress on; its coordinate holds numbers (years).

    Returns
    -------
    Dataset (…)
        ``slope`` (unit of y per unit of dim), ``intercept`` (unit of y, at dim = 0), ``p`` (two-sided, Student's t with
        n - 2 degrees of freedom), ``r`` (Pearson), all float64; and ``outcome`` (int8, see `OUTCOMES`). Where the
        outcome is not "fitted" the four are NaN.

    Raises
    ------
    ValueError
        When ``dim`` is missing, is not numeric, repeats a value, or has fewer than three.

    Notes
    -----
    Wilks (2011), *Statistical Methods in the Atmospheric Sciences*, section 7.2. The p-value takes the years as
    independent of each other; a series with memory gets one that is too small.
    """
    x = _years(y, dim)
    fitted = xr.apply_ufunc(
        _fit,
        whole_series(y, dim),
        kwargs={"x": x},
        input_core_dims=[[dim]],
        output_core_dims=[[]] * 5,
        dask="parallelized",
        output_dtypes=["float64"] * 4 + ["int8"],
    )
    fit = xr.Dataset(dict(zip(("slope", "intercept", "p", "r", "outcome"), fitted, strict=True)))
    fit["outcome"].attrs = {
        "flag_values": np.array(list(OUTCOMES), "int8"),
        "flag_meanings": "fitted year_missing constant",
    }
    return fit


def zscore(y: xr.DataArray, dim: str = "year") -> xr.DataArray:
    """Standardise each cell over ``dim``: subtract the mean, divide by the standard deviation (ddof 0).

    Formula 1 of Yu et al. (2021). Returns float64 without a unit; NaN where a year is missing or all years are equal.
    """
    _years(y, dim)
    y = y.astype("float64")
    varies = y.max(dim, skipna=False) > y.min(dim, skipna=False)
    spread = y.std(dim, ddof=0, skipna=False).where(varies)
    return (y - y.mean(dim, skipna=False)) / spread


def z_slope(r, years) -> xr.DataArray | np.ndarray | float:
    """Return the slope (per year) of a z-scored series from its correlation ``r`` with the years.

    Least squares gives slope = r · sd(y) / sd(years); a z-score has sd(y) = 1, so what is left is r / sd(years). For n
    consecutive years sd(years) = sqrt((n² - 1) / 12): 19 years give sqrt(30) = 5.477.
    """
    return r / np.std(np.asarray(years, dtype="float64"), ddof=0)


def analysis_mask(reco: xr.DataArray, npp: xr.DataArray, dim: str = "year") -> xr.DataArray:
    """Return True (…) where RECO and NPP can have a trend: the one set of cells of every map and share.

    Both are valid in all years, and neither has the same value in all of them. A constant is no estimate: RECO is one
    where the network's last ReLU cuts every member off at zero in every year.

    Parameters
    ----------
    reco, npp : DataArray (…, dim, …)
        Yearly values on the same cells, in memory or lazily on dask; missing is NaN.
    dim : str
        Dimension of the years.

    Raises
    ------
    ValueError
        When the two do not stand on the same years and cells.
    """
    if dim not in reco.dims:
        raise ValueError(f"reco: expected a dimension {dim!r}, found {', '.join(map(str, reco.dims))}")
    if missing := [d for d in reco.dims if d not in npp.dims]:
        raise ValueError(
            f"npp: expected the same {missing[0]!r} as reco has, found none; bring both onto one grid first"
        )
    reco, npp = together(reco, npp, names=("reco", "npp"))
    return _changes(reco, dim) & _changes(npp, dim)


def _changes(y: xr.DataArray, dim: str) -> xr.DataArray:
    """Return True where no year is missing and two of them differ; NaN compares as false."""
    return y.max(dim, skipna=False) > y.min(dim, skipna=False)


def direction(slope_npp: xr.DataArray, slope_reco: xr.DataArray) -> xr.DataArray:
    """Return the class (int8, see `DIRECTIONS`) of each cell; 0 where a slope is zero or undefined."""
    slope_npp, slope_reco = together(slope_npp, slope_reco, names=("slope_npp", "slope_reco"))
    falls = 2 * (slope_npp < 0).astype("int8") + (slope_reco < 0).astype("int8")
    known = np.isfinite(slope_npp) & np.isfinite(slope_reco) & (slope_npp != 0) & (slope_reco != 0)
    classes = (falls + 1).where(known, 0).astype("int8").rename("direction")
    flags = np.array([0, *DIRECTIONS], "int8")
    classes.attrs = {
        "long_name": "direction of NPP and RECO",
        "flag_values": flags,
        "flag_meanings": " ".join(["none", *DIRECTIONS.values()]),
    }
    return classes
