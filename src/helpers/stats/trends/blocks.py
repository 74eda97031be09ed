"""The cells of large maps, some at a time: what is drawn many times for each cell must not exist for all at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from helpers.space.grid import together

ROWS, CELLS = 60, 4000
"""Rows of a map that are read at a time, and cells that are handed on at a time."""


def cell_blocks(maps: xr.Dataset, counted: xr.DataArray, cells: int = CELLS, rows: int = ROWS) -> Iterator[xr.Dataset]:
    """Yield the counted cells of maps as series in memory, a block of them at a time.

    Parameters
    ----------
    maps : Dataset (…, lat, lon)
        In memory or lazily on dask; variables may have other dimensions, such as year and member, or none.
    counted : DataArray (lat, lon), bool
        Which cells.
    cells : int
        How many a block holds at most.
    rows : int
        Rows of the maps that are in memory at a time.

    Yields
    ------
    Dataset (…, cell)
        The same variables, cells from north to south and west to east, ``lat`` and ``lon`` as their coordinates. All
        blocks together hold each counted cell once.

    Raises
    ------
    ValueError
        When the maps and ``counted`` stand on different cells.
    """
    here = counted.transpose("lat", "lon").to_numpy().astype(bool)
    if here.shape != (maps.sizes["lat"], maps.sizes["lon"]):
        found = (maps.sizes["lat"], maps.sizes["lon"])
        raise ValueError(f"counted: expected the {found} cells of the maps, found {here.shape}; bring both on one grid")
    maps, counted = together(maps, counted, names=("maps", "counted"))
    here = counted.transpose("lat", "lon").to_numpy().astype(bool)
    for start in range(0, here.shape[0], rows):
        row, column = np.nonzero(here[start : start + rows])
        if row.size == 0:
            continue
        strip = maps.isel(lat=slice(start, start + rows)).load()
        for first in range(0, row.size, cells):
            at = {"lat": row[first : first + cells], "lon": column[first : first + cells]}
            yield strip.isel({dim: xr.DataArray(places, dims="cell") for dim, places in at.items()})


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
        Source of the draw.

    Returns
    -------
    Dataset (year, cell)
        In memory; ``lat`` and ``lon`` are coordinates of the cells.
    """
    maps, counted, area = together(maps, counted, area, names=("maps", "counted", "area"))
    row, column = np.nonzero(counted.transpose("lat", "lon").to_numpy())
    if not row.size:
        raise ValueError("counted: expected cells to draw from, found none; count some")
    weight = area.transpose("lat", "lon").to_numpy()[row, column].astype("float64")
    drawn = np.sort(rng.choice(row.size, most, p=weight / weight.sum()))
    at = {"lat": xr.DataArray(row[drawn], dims="cell"), "lon": xr.DataArray(column[drawn], dims="cell")}
    years = [maps.isel(year=k).load().isel(at) for k in range(maps.sizes["year"])]  # one map in memory at a time
    return xr.concat(years, "year").transpose("year", "cell")
