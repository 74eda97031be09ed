"""Maps of trends, summed up: shares of counted land, means by region, scores against a truth, and what is stored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from helpers.grid import together
from helpers.regions import BANDS, group_shares, groups

REGIONS = tuple(BANDS)
"""The globe, then the three bands in the order of the flag variable ``band`` (0, 1, 2)."""


def shares(
    conditions: Mapping[Hashable, xr.DataArray],
    counted: xr.DataArray,
    area: xr.DataArray,
    band: xr.DataArray,
    names: Sequence[str] = ("what",),
) -> pd.DataFrame:
    """Sum up, globally and by band, the part of the counted cells in which each condition holds.

    Parameters
    ----------
    conditions : mapping to DataArray (lat, lon), bool
        What is asked of a cell, by name, or by a tuple of names.
    counted : DataArray (lat, lon), bool
        The cells that stand in the denominator.
    area : DataArray (lat, lon)
        Cell area, m2.
    band : DataArray (lat, lon), int8
        0 north, 1 tropics, 2 south; anything else belongs to the globe only.
    names : sequence of str
        What the names of the conditions are called, one column each.

    Returns
    -------
    DataFrame
        A row a condition and region (`REGIONS`): ``names``, ``region``, ``n_cells`` (counted cells of the region),
        ``pixel`` and ``area`` (shares 0 to 1, by number of cells and by true area; NaN where no cell is counted).
    """
    inside = {REGIONS[0]: xr.ones_like(band, dtype=bool)} | groups(band, dict(enumerate(REGIONS[1:])))
    tables = []
    for key, holds in conditions.items():
        table = group_shares(holds, area, inside, within=counted)
        parts = key if isinstance(key, tuple) else (key,)
        tables.append(table.assign(**dict(zip(names, parts, strict=True))))
    new = {"name": "region", "share_pixel": "pixel", "share_area": "area"}
    table = pd.concat(tables, ignore_index=True).rename(columns=new)
    return table[[*names, "region", "n_cells", "pixel", "area"]]


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
    y, counted, area, band = together(y, counted, area, band, names=("y", "counted", "area", "band"))
    inside = counted.to_numpy()
    # What belongs to no band adds to the globe only.
    bands = band.to_numpy()[inside]
    bands = np.where((bands >= 0) & (bands < len(REGIONS) - 1), bands, len(REGIONS) - 1)
    weights = {"pixel": np.ones(bands.size), "area": area.to_numpy()[inside].astype("float64")}
    means = {name: np.empty((len(REGIONS), y.sizes["year"])) for name in weights}
    for k in range(y.sizes["year"]):  # one map in memory at a time, however many there are
        values = y.isel(year=k).to_numpy()[inside].astype("float64")
        for name, weight in weights.items():
            totals = [np.bincount(bands, w, minlength=len(REGIONS)) for w in (weight * values, weight)]
            with np.errstate(invalid="ignore"):
                means[name][:, k] = np.divide(*([total.sum(), *total[:-1]] for total in totals))
    coords = {"region": list(REGIONS), "year": y["year"]}
    return xr.Dataset({name: (("region", "year"), values) for name, values in means.items()}, coords)


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
    fit, true, counted, area = together(fit, true, counted, area, names=("fit", "true", "counted", "area"))
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
        "long_name": "RECO and NPP valid in all years, and neither the same in all",
        "flag_values": np.array([0, 1], "int8"),
        "flag_meanings": "no yes",
    }
    out["area"] = fields["area"].astype("float64").assign_attrs(long_name="area of the cell", units="m2")
    return out


def gather(
    fits: Mapping[str, xr.Dataset],
    z_slopes: Mapping[str, xr.DataArray],
    direction: xr.DataArray,
    mask: xr.DataArray,
    area: xr.DataArray,
) -> xr.Dataset:
    """Return what ``trends.nc`` holds: slopes, p-values and z-slopes inside the mask, direction, mask and area.

    Parameters
    ----------
    fits, z_slopes : mapping of str to Dataset and DataArray (lat, lon)
        By variable ("reco", "npp"): what `ols` gave, and the slopes of the z-scores (yr-1).
    direction : DataArray (lat, lon), int8
        0 where a cell is not counted.
    mask, area : DataArray (lat, lon)
        The analysis mask; cell areas, m2.

    Returns
    -------
    Dataset (lat, lon)
        As `describe` stores it, with attributes ``counted`` and ``zero_or_undefined``: how many cells of the mask stand
        inside and outside the shares.
    """
    called = ("mask", "direction", "area", *fits, *(f"z-slope of {v}" for v in z_slopes))
    mask, direction, area, *rest = together(mask, direction, area, *fits.values(), *z_slopes.values(), names=called)
    fits, rest = dict(zip(fits, rest, strict=False)), rest[len(fits) :]
    z_slopes = dict(zip(z_slopes, rest, strict=True))
    fields = xr.Dataset({"direction": direction, "analysis_mask": mask, "area": area})
    for v, fit in fits.items():
        for kind, field in {"slope": fit.slope, "p": fit.p, "zslope": z_slopes[v]}.items():
            fields[f"{v}_{kind}"] = field.where(mask)
    counted = direction > 0
    counts = {"counted": int(counted.sum()), "zero_or_undefined": int((mask & ~counted).sum())}
    return describe(fields).assign_attrs(counts)
