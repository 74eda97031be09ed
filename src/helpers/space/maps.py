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

import fsspec
import numpy as np
import pandas as pd
import xarray as xr

from helpers.space import grid, regions
from helpers.stats import skill
from helpers.workspace import ZARR, begun

ROWS = 120
"""Rows of a chunk on disk: a globe at 0.05 degrees is 30 chunks a year, of which a strip of rows takes few."""

COMPARED = ["model", "product", "quantity", "n_cells", "value", "cnn_averaged", "cnn_unaveraged"]
COMPARED += ["value_area", "cnn_averaged_area"]
"""Columns of a table of comparisons: which map, and what `compare` returns."""


def write_years(
    folder: Path | fsspec.FSMap, years: Iterable[tuple[int, np.ndarray]], like: xr.Dataset, title: str
) -> None:
    """Write maps of RECO and of its spread to zarr as they come, so that one year alone is in memory.

    Parameters
    ----------
    folder : Path or FSMap
        An empty folder, or one in an object store, such as ``Workspace.writing`` yields.
    years : iterable of (year, maps)
        In the order to write. Maps (2, lat, lon) of the mean and the spread, kg m-2 yr-1 of carbon, NaN where there is
        no value.
    like : Dataset
        Has the ``lat`` and ``lon`` of the maps.
    title : str
        What made the maps.
    """
    names = {"reco": "ecosystem respiration, as carbon", "reco_sd": "spread of the ensemble's members (ddof 1)"}
    for year, layers in years:
        fields = {
            name: (
                ("year", "lat", "lon"),
                values[None].astype("float32", copy=False),
                {"units": "kg m-2 yr-1", "long_name": what},
            )
            for (name, what), values in zip(names.items(), layers, strict=True)
        }
        when = ("year", [int(year)], {"long_name": "calendar year"})
        append_year(folder, xr.Dataset(fields, {"year": when, "lat": like.lat, "lon": like.lon}, {"title": title}))


def append_year(folder: Path | fsspec.FSMap, annual: xr.Dataset) -> None:
    """Write the maps of one year (year, lat, lon) to zarr in ``folder``, which is empty or holds the years before."""
    chunks = (1, min(ROWS, annual.sizes["lat"]), annual.sizes["lon"])
    new = {"mode": "w", "encoding": {name: {"chunks": chunks} for name in annual.data_vars}}
    how = {"append_dim": "year"} if begun(folder) else new
    annual.drop_encoding().to_zarr(folder, **ZARR, **how)


def compare(
    ours: xr.DataArray, theirs: xr.DataArray, summary: Callable[[xr.DataArray], xr.Dataset], **names: str
) -> pd.DataFrame:
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
    maps = (grid.resample(ours, there, "average"), theirs, ours)
    coarse, theirs, fine = (summary(field).compute() for field in maps)
    rows = []
    for name in fine:
        common = coarse[name].notnull() & theirs[name].notnull()
        below = grid.resample(common.astype("int8"), here, "nearest") == 1
        size = regions.cell_area(there.lat, there.lon) * common
        value, averaged = theirs[name].where(common), coarse[name].where(common)
        means = {
            "value": value.mean(),
            "cnn_averaged": averaged.mean(),
            "cnn_unaveraged": fine[name].where(below).mean(),
        }
        means |= {"value_area": value.weighted(size).mean(), "cnn_averaged_area": averaged.weighted(size).mean()}
        about = dict.fromkeys(COMPARED, "") | names | {"quantity": str(name), "n_cells": int(common.sum())}
        rows.append(about | {key: float(mean) for key, mean in means.items()})
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


def score(true: xr.Dataset, mapped: xr.Dataset) -> pd.DataFrame:
    """Score maps (lat, lon) against true ones of the same variables, over the cells in which both have a value.

    Returns
    -------
    DataFrame
        A row a variable: truth and this map (means over cells), bias (map less truth), R² (1 - SSE/SST), Pearson's r.
    """
    true, mapped = grid.together(true, mapped[list(true)], names=("true", "mapped"))
    rows = {}
    for name in true:
        known = (true[name].notnull() & mapped[name].notnull()).values
        was, got = true[name].values[known], mapped[name].values[known]
        numbers = (was.mean(), got.mean(), got.mean() - was.mean(), skill.r2(was, got), skill.pearson(was, got)[0])
        rows[str(name)] = [float(number) for number in numbers]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["truth", "this map", "bias", "R²", "Pearson's r"])
