"""Straight lines through yearly maps: slopes, their p-values, and the shares of land that rise or fall.

Every cell of a map is a series of its own. The room fits all of them at once, says which cells could not be fitted and
why, and sums the rest up by pixel count and by true area.

>>> import numpy as np, xarray as xr
>>> years = np.arange(2000, 2019)
>>> y = xr.DataArray(0.5 + 0.02 * (years - 2000), coords={"year": years}, dims="year")
>>> round(float(ols(y).slope), 6)
0.02
>>> round(float(z_slope(1.0, years)), 4)  # the steepest that 19 standardised years can rise
0.1826
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtr

from helpers.regions import BANDS, group_shares, groups

REGIONS = tuple(BANDS)
"""The globe, then the three bands in the order of the flag variable ``band`` (0, 1, 2)."""

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
    if y.chunks is not None:
        y = y.chunk({d: -1 if d == dim else "auto" for d in y.dims})
    fitted = xr.apply_ufunc(
        _fit,
        y,
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
    """Return True (…) where RECO and NPP are both valid in all years: the one set of cells of every map and share.

    Raises
    ------
    ValueError
        When the two do not stand on the same years and cells.
    """
    for d in reco.dims:
        if d not in npp.dims or not np.array_equal(reco[d].to_numpy(), npp[d].to_numpy()):
            raise ValueError(f"npp: expected the same {d!r} as reco has, found others; bring both onto one grid first")
    return (reco.notnull() & npp.notnull()).all(dim)


def direction(slope_npp: xr.DataArray, slope_reco: xr.DataArray) -> xr.DataArray:
    """Return the class (int8, see `DIRECTIONS`) of each cell; 0 where a slope is zero or undefined."""
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


def describe(fields: xr.Dataset) -> xr.Dataset:
    """Return the fields of ``trends.nc`` as stored: float32 (areas float64), flags int8, each with CF attributes."""
    kinds = {
        "slope": ("trend of annual {}, ordinary least squares", "kg m-2 yr-2"),
        "p": ("two-sided p-value of the trend of annual {}", "1"),
        "zslope": ("trend of standardised annual {}", "yr-1"),
    }
    out = fields.copy()
    for name in fields.data_vars:
        variable, _, kind = str(name).partition("_")
        if kind in kinds and variable in ("reco", "npp"):
            text, units = kinds[kind]
            out[name] = (
                fields[name].astype("float32").assign_attrs(long_name=text.format(variable.upper()), units=units)
            )
    out["analysis_mask"] = fields["analysis_mask"].astype("int8")
    out["analysis_mask"].attrs = {
        "long_name": "RECO and NPP valid in all years",
        "flag_values": np.array([0, 1], "int8"),
        "flag_meanings": "no yes",
    }
    out["area"] = fields["area"].astype("float64").assign_attrs(long_name="area of the cell", units="m2")
    return out


def shares(
    conditions: dict[str, xr.DataArray], counted: xr.DataArray, area: xr.DataArray, band: xr.DataArray
) -> pd.DataFrame:
    """Sum up, globally and by band, the part of the counted cells in which each condition holds.

    Parameters
    ----------
    conditions : dict of DataArray (lat, lon), bool
        What is asked of a cell, by name.
    counted : DataArray (lat, lon), bool
        The cells that stand in the denominator.
    area : DataArray (lat, lon)
        Cell area, m2.
    band : DataArray (lat, lon), int8
        0 north, 1 tropics, 2 south; anything else belongs to the globe only.

    Returns
    -------
    DataFrame
        A row a condition and region (`REGIONS`): ``what``, ``region``, ``n_cells`` (counted cells of the region),
        ``pixel`` and ``area`` (shares 0 to 1, by number of cells and by true area; NaN where no cell is counted).
    """
    inside = {REGIONS[0]: np.ones(band.shape, bool)} | groups(band, dict(enumerate(REGIONS[1:])))
    tables = {what: group_shares(holds, area, inside, within=counted) for what, holds in conditions.items()}
    table = pd.concat(tables, names=["what"]).reset_index("what")
    table = table.rename(columns={"name": "region", "share_pixel": "pixel", "share_area": "area"})
    return table[["what", "region", "n_cells", "pixel", "area"]].reset_index(drop=True)


def against(
    fit: xr.Dataset, true: xr.Dataset, counted: xr.DataArray, area: xr.DataArray, level: float
) -> dict[str, float]:
    """Score estimated trends by true ones, over the counted cells in which the truth has a trend.

    Parameters
    ----------
    fit, true : Dataset (lat, lon)
        From `ols`; slopes in kg m-2 yr-2, on one grid.
    counted : DataArray (lat, lon), bool
        Cells to score.
    area : DataArray (lat, lon)
        Cell area, m2: all shares and means are weighted by it; the pattern correlation is not.
    level : float
        p-value below which a trend is called significant.

    Returns
    -------
    dict
        Score by name, in the unit that the name states.
    """
    here = counted.to_numpy() & np.isfinite(true.slope.to_numpy())
    ours, right, p = (a.to_numpy()[here] for a in (fit.slope, true.slope, fit.p))
    w = area.to_numpy()[here] / area.to_numpy()[here].sum()
    same, sure = np.sign(ours) == np.sign(right), p < level
    return {
        "cells": int(here.sum()),
        "correlation of the two maps": float(np.corrcoef(ours, right)[0, 1]),
        "sign right (% of land)": 100 * float(w @ same),
        f"sign right where p < {level:g} (%)": 100 * float(w[sure] @ same[sure] / w[sure].sum())
        if sure.any()
        else np.nan,
        "rising in truth (% of land)": 100 * float(w @ (right > 0)),
        "rising in this run (% of land)": 100 * float(w @ (ours > 0)),
        "mean slope, truth (g C m-2 yr-2)": 1000 * float(w @ right),
        "mean slope, this run (g C m-2 yr-2)": 1000 * float(w @ ours),
    }


def regional_means(y: xr.DataArray, counted: xr.DataArray, area: xr.DataArray, band: xr.DataArray) -> xr.Dataset:
    """Average a yearly map over the globe and the three bands, each cell alike and each by its area.

    Parameters
    ----------
    y : DataArray (year, lat, lon)
        Yearly values, in memory or lazily on dask.
    counted : DataArray (lat, lon), bool
        The cells to average; ``y`` must be valid there.
    area, band : DataArray (lat, lon)
        As in `shares`.

    Returns
    -------
    Dataset (region, year)
        ``pixel`` (plain mean of the cells) and ``area`` (area-weighted mean), in the unit of ``y``, float64.
    """
    inside = [counted] + [counted & (band == code) for code in range(len(REGIONS) - 1)]
    weights = {"pixel": xr.ones_like(area, dtype="float64"), "area": area.astype("float64")}
    region = pd.Index(REGIONS, name="region")
    y = y.astype("float64")
    means = {
        name: xr.concat([y.where(cells).weighted(weight).mean(("lat", "lon")) for cells in inside], dim=region)
        for name, weight in weights.items()
    }
    return xr.Dataset(means).compute()
