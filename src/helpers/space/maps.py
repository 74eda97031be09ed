"""Yearly maps: written year by year, compared with other maps on their own cells, averaged by group, scored.

>>> import numpy as np, xarray as xr
>>> field = xr.DataArray([[1.0, 3.0]], dims=("lat", "lon"))
>>> area = xr.DataArray([[3.0, 1.0]], dims=("lat", "lon"))
>>> group_means(field, area, {"all": field > 0})["mean"].tolist()
[1.5]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.space import grid, regions
from helpers.stats import skill
from helpers.workspace import ZARR

ROWS = 600
"""Rows of a chunk on disk: a whole globe at 0.05 degrees is six chunks a year."""

NAMES = {"reco": "ecosystem respiration, as carbon", "reco_sd": "spread of the ensemble's members (ddof 1)"}

COMPARED = ["model", "product", "quantity", "n_cells", "value", "cnn_averaged", "cnn_unaveraged"]
COMPARED += ["value_area", "cnn_averaged_area"]
"""Columns of a table of comparisons: which map, and what `compare` returns."""

Summary = Callable[[xr.DataArray], xr.Dataset]


def write_years(
    folder: Path,
    years: Iterable[int],
    one_year: Callable[[int], tuple[np.ndarray, np.ndarray]],
    like: xr.Dataset,
    title: str,
) -> None:
    """Write maps of RECO and of its spread to zarr, one year at a time: no more than one year is ever in memory.

    Parameters
    ----------
    folder : Path
        An empty folder, such as ``Workspace.writing`` yields.
    years : iterable of int
        In the order to write.
    one_year : callable (year) -> (mean, spread)
        Each (lat, lon), kg m-2 yr-1 of carbon, NaN where there is no value.
    like : Dataset
        Has the ``lat`` and ``lon`` of the maps.
    title : str
        What made the maps.
    """
    for year in years:
        fields = {
            name: (("year", "lat", "lon"), values[None].astype("float32"), {"units": "kg m-2 yr-1", "long_name": what})
            for (name, what), values in zip(NAMES.items(), one_year(year), strict=True)
        }
        when = ("year", [int(year)], {"long_name": "calendar year"})
        append_year(folder, xr.Dataset(fields, {"year": when, "lat": like.lat, "lon": like.lon}, {"title": title}))


def append_year(folder: Path, annual: xr.Dataset) -> None:
    """Write the maps of one year to zarr, behind those of the years before.

    Parameters
    ----------
    folder : Path
        Empty for the first year, such as ``Workspace.writing`` yields.
    annual : Dataset (year, lat, lon)
        Of one year; the same variables and cells each time.
    """
    chunks = (1, min(ROWS, annual.sizes["lat"]), annual.sizes["lon"])
    new = {"mode": "w", "encoding": {name: {"chunks": chunks} for name in annual.data_vars}}
    how = {"append_dim": "year"} if (folder / ".zgroup").exists() else new
    annual.drop_encoding().to_zarr(folder, **ZARR, **how)


def compare(ours: xr.DataArray, theirs: xr.DataArray, summary: Summary, **names: str) -> pd.DataFrame:
    """Compare two maps over the years on the second one's cells.

    Each year of ``ours`` is averaged, by area, onto the cells of ``theirs``; both are summed up over the years; both
    sums are averaged over the cells that they have in common.

    Parameters
    ----------
    ours, theirs : DataArray (year, lat, lon)
        The same years on two grids, in one unit; missing is NaN.
    summary : callable (year, lat, lon) -> Dataset (lat, lon)
        What to compare, a variable each, such as the mean and the standard deviation over the years.
    **names
        ``model`` and ``product``: what ``theirs`` is.

    Returns
    -------
    DataFrame
        A row a variable, columns `COMPARED`. ``value`` (theirs) and ``cnn_averaged`` (ours) are plain means over the
        ``n_cells`` common cells, ``cnn_unaveraged`` the mean of ours as it is over its own cells there; ``value_area``
        and ``cnn_averaged_area`` are means by area.
    """
    ours, theirs = grid.normalise_lat_lon(ours), grid.normalise_lat_lon(theirs)
    there, here = grid.of(theirs), grid.of(ours)
    _, theirs = grid.together(ours.isel(lat=0, lon=0, drop=True), theirs, names=("ours", "theirs"))  # of the same years
    coarse, theirs = summary(grid.resample(ours, there, "average")).compute(), summary(theirs).compute()
    fine = summary(ours).compute()
    rows = []
    for name in fine:
        common = coarse[name].notnull() & theirs[name].notnull()
        below = grid.resample(common.astype("int8"), here, "nearest") == 1
        size = regions.cell_area(there.lat, there.lon) * common
        row = dict.fromkeys(COMPARED, "") | names | {"quantity": str(name), "n_cells": int(common.sum())}
        row |= {"value": theirs[name].where(common).mean(), "cnn_averaged": coarse[name].where(common).mean()}
        row |= {"cnn_unaveraged": fine[name].where(below).mean()}
        row |= {"value_area": theirs[name].where(common).weighted(size).mean()}
        row |= {"cnn_averaged_area": coarse[name].where(common).weighted(size).mean()}
        rows.append({key: float(v) if isinstance(v, xr.DataArray) else v for key, v in row.items()})
    return pd.DataFrame(rows)


def group_means(field: xr.DataArray, area: xr.DataArray, groups: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Return the mean by area of a field in each group of cells, greatest first.

    Parameters
    ----------
    field : DataArray (lat, lon)
        Missing is NaN, and counts for no area.
    area : DataArray (lat, lon)
        Cell areas, m2.
    groups : mapping of str to DataArray (lat, lon), bool
        May overlap.

    Returns
    -------
    DataFrame
        group, area (million km²), mean (unit of the field; NaN for an empty group).
    """
    field, area, *parts = grid.together(field, area, *groups.values(), names=("field", "area", *groups))
    groups, valid = dict(zip(groups, parts, strict=True)), area.where(field.notnull(), 0.0)
    rows = []
    for name, members in groups.items():
        weight = valid.where(members, 0.0)
        rows.append((name, float(weight.sum()) / 1e12, float(field.weighted(weight).mean())))
    table = pd.DataFrame(rows, columns=["group", "area (million km²)", "mean"])
    return table.sort_values("mean", ascending=False, ignore_index=True)


def score(true: xr.Dataset, found: xr.Dataset) -> pd.DataFrame:
    """Score maps against true ones over the cells in which both have a value.

    Parameters
    ----------
    true, found : Dataset (lat, lon)
        The same variables on the same grid.

    Returns
    -------
    DataFrame
        A row a variable: truth and this map (means over cells), bias (map less truth), R² (1 - SSE/SST), Pearson's r.
    """
    if lacking := [str(name) for name in true if name not in found]:
        raise ValueError(
            f"found: expected the variables of true, found none called {lacking[0]!r}; leave it out of true"
        )
    true, found = grid.together(true, found, names=("true", "found"))
    rows = {}
    for name in true:
        known = (true[name].notnull() & found[name].notnull()).values
        was, got = true[name].values[known], found[name].values[known]
        numbers = (was.mean(), got.mean(), got.mean() - was.mean(), skill.r2(was, got), skill.pearson(was, got)[0])
        rows[str(name)] = [float(number) for number in numbers]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["truth", "this map", "bias", "R²", "Pearson's r"])
