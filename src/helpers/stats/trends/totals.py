"""Trends of sums over land: how many petagrams of carbon a year more, or fewer, each year."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtrit

from helpers.space.grid import together
from helpers.stats.trends.inference import UNDEFINED, ols_ar1
from helpers.stats.trends.lines import _years

KG_IN_PG = 1e12


def total(
    y: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray] | None = None, dim: str = "year"
) -> xr.DataArray:
    r"""Sum yearly maps over regions, cell by cell times its area.

    .. math::
        Y_t = 10^{-12} \sum_i A_i y_{it}

    Parameters
    ----------
    y : DataArray (dim, …)
        Yearly values, kg m-2 yr-1, in memory or lazily on dask; one map is held at a time.
    area : DataArray (…)
        Cell area, m2.
    inside : mapping of str to DataArray (…), bool; optional
        Regions by name, which may overlap; default the globe.
    dim : str
        Dimension of the years.

    Returns
    -------
    DataArray (region, dim)
        Pg yr-1, float64, over those cells of a region that have a value in all years, so that no gap looks like a
        fall. Coordinates of ``region``: ``n_cells`` and ``area_m2``, what was summed over. A region without such cells
        has the total 0.

    Raises
    ------
    ValueError
        When ``dim`` is missing, or ``area`` or a region stands on other cells than ``y``.
    """
    _years(y, dim)
    inside = {"Global": xr.ones_like(area, dtype=bool)} if inside is None else inside
    over = [d for d in y.dims if d != dim]
    for name, field in {"area": area, **inside}.items():
        if field.sizes != {d: y.sizes[d] for d in over}:
            raise ValueError(f"{name}: expected the cells of y, {y.sizes}, found {field.sizes}; bring both on one grid")
    y, area, *parts = together(y, area, *inside.values(), names=("y", "area", *inside))
    inside = dict(zip(inside, parts, strict=True))
    whole = y.notnull().all(dim).transpose(*over).to_numpy()
    size = area.transpose(*over).to_numpy().astype("float64")[whole]
    member = np.stack([field.transpose(*over).to_numpy().astype(bool)[whole] for field in inside.values()])
    weights = member * size
    maps = (y.isel({dim: k}).transpose(*over).to_numpy()[whole] for k in range(y.sizes[dim]))
    sums = np.stack([weights @ values.astype("float64") for values in maps], axis=1) / KG_IN_PG
    coords = {
        "region": list(inside),
        dim: y[dim],
        "n_cells": ("region", member.sum(axis=1)),
        "area_m2": ("region", weights.sum(axis=1)),
    }
    return xr.DataArray(sums, coords, ("region", dim), name=y.name, attrs={"units": "Pg yr-1"})


def total_trend(
    y: xr.DataArray,
    area: xr.DataArray,
    inside: Mapping[str, xr.DataArray] | None = None,
    confidence: float = 0.9,
    dim: str = "year",
) -> pd.DataFrame:
    r"""Fit a line to the yearly totals of regions, with an interval that reckons with the memory of the years.

    .. math::
        b \pm t_{(1 + c)/2,\, n_e - 2}\; s_b

    with s_b and n_e as in `ols_ar1`, and c the confidence.

    Parameters
    ----------
    y, area, inside, dim
        As in `total`.
    confidence : float
        Of the two-sided interval, between 0 and 1.

    Returns
    -------
    DataFrame
        By region: ``n_cells``, ``area_m2``, ``mean`` (Pg yr-1), ``slope``, ``low``, ``high`` (Pg yr-2), ``p``
        (two-sided) and ``dof``. Where memory leaves no degree of freedom the interval is from -inf to inf and p is 1;
        where nothing is left beside the line it has no width and p is 0. A region without cells, or whose total never
        changes, has NaN.

    Raises
    ------
    ValueError
        As `total`; or when the confidence does not lie between 0 and 1.

    Notes
    -----
    In 19 years of noise the interval of 90 % holds the true slope in about 91 % of cases without memory, 86 % with an
    autocorrelation of 0.3, and 82 % with 0.5, as `simulated_size` shows for the test that belongs to it: a short series
    hides part of its memory.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a value between 0 and 1, found {confidence}; such as 0.9")
    sums = total(y, area, inside, dim)
    sums = sums.where(sums.n_cells > 0)
    fit = ols_ar1(sums, dim)
    slope, dof = fit.slope.to_numpy(), fit.dof.to_numpy()
    half, p = stdtrit(dof, (1 + confidence) / 2) * fit.se.to_numpy(), fit.p.to_numpy().copy()
    undefined = fit.outcome.to_numpy() == UNDEFINED
    exact = undefined & np.isnan(fit.r1.to_numpy())
    half[undefined], p[undefined] = np.inf, 1
    half[exact], p[exact] = 0, 0
    columns = {
        "n_cells": sums.n_cells,
        "area_m2": sums.area_m2,
        "mean": sums.mean(dim),
        "slope": slope,
        "low": slope - half,
        "high": slope + half,
        "p": p,
        "dof": dof,
    }
    return pd.DataFrame(
        {name: np.asarray(v) for name, v in columns.items()}, index=pd.Index(sums.region, name="region")
    )
