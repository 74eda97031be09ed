"""Neighbourhoods of three by three cells, around points and over whole grids.

On a grid of cells of width r whose first centre is at latitude φ₀ (north) and longitude λ₀ (west), the point (φ, λ)
lies in row i = ⌊(φ₀ + r/2 − φ)/r⌋ and column j = ⌊(λ − λ₀ + r/2)/r⌋. Its window holds rows i−1, i, i+1 (from north to
south) and columns j−1, j, j+1 (from west to east), the columns counted modulo their number where the grid goes round
the globe: the neighbour across the date line is a neighbour. Beyond a pole there is none.

>>> row, column = cells(np.array([75.0, 45.0, 15.0, -15.0, -45.0, -75.0]), np.arange(-165.0, 180, 30), [-89.0], [179.9])
>>> int(row[0]), int(column[0])
(5, 11)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from helpers.space import grid

FILLS = ("centre", "drop", "nan")
OFFSETS = np.array([-1, 0, 1])


def cells(grid_lat, grid_lon, lat, lon) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of the cell that holds each point.

    Parameters
    ----------
    grid_lat, grid_lon : array-like (lat,), (lon,)
        Cell centres, evenly spaced: latitudes descending, longitudes ascending, degrees.
    lat, lon : array-like (sample,)
        Points, degrees north and east; longitudes of 180 to 360 are taken as −180 to 0. A point on an edge belongs to
        the cell south or east of it.

    Returns
    -------
    row, column : ndarray of int (sample,)
        −1 in both where the point is off the grid.

    Raises
    ------
    ValueError
        For a grid that is not even or runs the wrong way, or a latitude beyond the poles.
    """
    lat, lon = np.asarray(lat, dtype="float64"), np.asarray(lon, dtype="float64")
    if (np.abs(lat) > 90).any():
        raise ValueError(f"lat: expected −90 to 90 degrees north, found {lat[np.abs(lat) > 90][0]:g}; correct it")
    down, right = -grid.step(grid_lat, "lat", -1), grid.step(grid_lon, "lon", 1)
    # A millionth of a cell settles points on an edge the same way, whatever the rounding of the coordinates.
    row = np.floor((np.asarray(grid_lat)[0] + down / 2 - lat) / down + 1e-6)
    east = lon - np.asarray(grid_lon)[0] + right / 2
    column = np.floor((east % 360) / right + 1e-6)
    row = row - ((lat == -90) & (row == len(grid_lat)))  # the South Pole is an edge with no cell south of it
    if grid.round_the_globe(grid_lon):
        column = column % len(grid_lon)
    off = ~((row >= 0) & (row < len(grid_lat)) & (column >= 0) & (column < len(grid_lon)))
    return np.where(off, -1, row).astype(int), np.where(off, -1, column).astype(int)


def at_points(ds: xr.Dataset, lat, lon, years=None, *, fill: str = "centre") -> xr.DataArray:
    """Cut the window around each point.

    Parameters
    ----------
    ds : Dataset
        The variables are the predictors, in their order: (lat, lon), or (year, lat, lon).
    lat, lon : array-like (sample,)
        Points, degrees north and east.
    years : array-like of int (sample,), optional
        Year of each sample; needed as soon as a variable has years.
    fill : {"centre", "drop", "nan"}
        What a missing neighbour becomes: the centre's value, or NaN, or (drop) the whole window becomes NaN. A
        missing *centre*, in any predictor, makes the whole window NaN whatever the fill.

    Returns
    -------
    DataArray (sample, predictor, dy, dx) float32
        dy from north to south, dx from west to east. Coordinates: ``row`` and ``column`` (sample) name the cell (−1 off
        the grid), ``lacking`` (sample, predictor) tells which centres are missing, and ``filled`` (sample) counts the
        missing neighbours of windows with all their centres. Attributes ``missing_centre`` and ``filled_neighbours``
        count windows without a centre, and missing neighbours in the others.

    Raises
    ------
    ValueError
        For an unknown fill, or years missing where a variable has them.
    """
    row, column = cells(ds["lat"].values, ds["lon"].values, lat, lon)
    i, j = row[:, None] + OFFSETS, column[:, None] + OFFSETS
    if grid.round_the_globe(ds["lon"].values):
        j = j % ds.sizes["lon"]
    no_row = (row == -1)[:, None] | (i < 0) | (i >= ds.sizes["lat"])
    off = no_row[:, :, None] | ((j < 0) | (j >= ds.sizes["lon"]))[:, None, :]
    at = {
        "lat": (("sample", "dy"), np.clip(i, 0, ds.sizes["lat"] - 1)),
        "lon": (("sample", "dx"), np.clip(j, 0, ds.sizes["lon"] - 1)),
    }
    if any("year" in ds[v].dims for v in ds):
        if years is None:
            raise ValueError("years: expected the year of each sample, as some predictors change by year; found none")
        position = ds.get_index("year").get_indexer(np.asarray(years))
        at["year"] = ("sample", np.maximum(position, 0))
        off = off | (position == -1)[:, None, None]
    planes = [field.isel({dim: xr.Variable(*at[dim]) for dim in field.dims}) for field in ds.values()]
    planes = [plane.transpose("sample", "dy", "dx").values.astype("float32") for plane in planes]
    values = np.stack([np.where(off, np.nan, plane) for plane in planes], axis=1)
    return _finish(values, list(ds), fill).assign_coords(row=("sample", row), column=("sample", column))


def around(towers: xr.Dataset, fields: xr.Dataset, predictors: Sequence[str], *, fill: str = "centre") -> xr.DataArray:
    """Cut the windows of towers out of maps, or make them of the towers' own table.

    Parameters
    ----------
    towers : Dataset (sample)
        With coordinates site, year, lat and lon; towers whose place is unknown are refused by name where maps are.
    fields : Dataset
        Maps, told by their dimensions lat and lon, or a table in the order of ``towers``: variables (sample), each
        value nine times, or (sample, dy, dx) where the neighbours are known.
    predictors : sequence of str
        Which variables, in which order.
    fill : {"centre", "drop", "nan"}
        As in `at_points`.

    Returns
    -------
    DataArray (sample, predictor, dy, dx) float32
        As from `at_points`, of a table less ``row`` and ``column``.

    Raises
    ------
    ValueError
        For a predictor that a table does not have.
    """
    if {"lat", "lon"} <= set(fields.dims):
        nowhere = (towers["lat"].isnull() | towers["lon"].isnull()).values
        if nowhere.any():
            sites = ", ".join(sorted(set(towers["site"].values[nowhere].tolist()))[:8])
            raise ValueError(
                f"towers: expected the place of {sites}, found none (NaN); write site, lat, lon and igbp into "
                "sites.csv beside the files"
            )
        return at_points(fields[list(predictors)], towers["lat"], towers["lon"], towers["year"], fill=fill)
    if absent := [p for p in predictors if p not in fields]:
        raise ValueError(f"predictors: {absent[0]!r} is no variable of the table; it has {', '.join(map(str, fields))}")
    blank = xr.DataArray(np.ones((3, 3)), dims=("dy", "dx"))
    values = [(fields[p] * blank).transpose("sample", "dy", "dx").values.astype("float32") for p in predictors]
    return _finish(np.stack(values, axis=1), list(predictors), fill)


def strips(
    fields: xr.Dataset, channels: Sequence[str], year: int | None = None, rows: int = 0, *, fill: str = "centre"
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield the windows of every cell of a grid, a strip of rows at a time.

    Parameters
    ----------
    fields : Dataset (lat, lon), or (year, lat, lon)
        Where the channels are looked up.
    channels : sequence of str
        Order of the predictors in the windows.
    year : int, optional
        Which year; needed as soon as a channel has years.
    rows : int
        Rows a strip; by default (0) as many as make windows of about 64 MB.
    fill : {"centre", "drop", "nan"}
        As in `at_points`.

    Yields
    ------
    row_slice : slice
        The strip's rows of the grid.
    valid_index : ndarray of int (n,)
        Flat positions, within the strip (rows × lon), of the cells that have a window: put results back by
        ``strip = np.full((stop - start, lon), np.nan); strip.flat[valid_index] = result``.
    windows : ndarray (n, channel, 3, 3) float32
        Possibly of length zero.

    Raises
    ------
    ValueError
        For a channel that is nowhere, an unknown fill or a year that is not there.
    """
    height, width = fields.sizes["lat"], fields.sizes["lon"]
    rows = rows or max(1, 64_000_000 // (width * len(channels) * 9 * 4))
    for start in range(0, height, rows):
        part = slice(start, min(start + rows, height))
        block = strip(fields, channels, year, part)
        views = sliding_window_view(block, (3, 3), axis=(1, 2))  # channel, row, column, dy, dx
        valid = np.isfinite(views[..., 1, 1]).all(axis=0)
        windows, _ = _fill_neighbours(views[:, valid].swapaxes(0, 1), fill)
        whole = np.isfinite(windows[:, :, 1, 1]).all(axis=1)  # all, unless fill is "drop"
        yield part, np.flatnonzero(valid)[whole], np.ascontiguousarray(windows[whole])


def strip(fields: xr.Dataset, channels: Sequence[str], year: int | None, rows: slice) -> np.ndarray:
    """Read some rows of a grid, with a margin of one cell on each side.

    Parameters
    ----------
    fields : Dataset (lat, lon), or (year, lat, lon)
        In memory, or lazily from disk: then these rows alone are read, on this thread.
    channels, year
        As of `strips`.
    rows : slice
        With start and stop.

    Returns
    -------
    ndarray (channel, rows + 2, lon + 2) float32
        In the margin the neighbours, round the globe where the grid goes round it, and NaN where there are none: beyond
        the poles, and beyond the edges of a region.

    Raises
    ------
    ValueError
        For a channel that is nowhere or a year that is not there.
    """
    if absent := [c for c in channels if c not in fields]:
        raise ValueError(f"channels: {absent[0]!r} is no variable of the fields; check the model's channels")
    yearly = any("year" in fields.variables[c].dims for c in channels)
    if yearly and year not in fields["year"].values:
        first, last = fields["year"].values.min(), fields["year"].values.max()
        raise ValueError(f"year: expected one of {first} to {last}, found {year}")
    height, width = fields.sizes["lat"], fields.sizes["lon"]
    above, below = max(rows.start - 1, 0), min(rows.stop + 1, height)
    block = np.full((len(channels), rows.stop - rows.start + 2, width + 2), np.nan, dtype="float32")
    inside = slice(above - rows.start + 1, below - rows.start + 1)
    at = {"lat": slice(above, below)} | ({"year": fields.get_index("year").get_loc(year)} if yearly else {})
    for layer, name in zip(block, channels, strict=True):
        field = fields.variables[name]  # without its coordinates, which would be cut as well, at each strip and channel
        field = field.isel({dim: where for dim, where in at.items() if dim in field.dims}).transpose("lat", "lon")
        layer[inside, 1:-1] = field.compute(scheduler="synchronous").values
    if grid.round_the_globe(fields["lon"].values):
        block[:, :, 0], block[:, :, -1] = block[:, :, -2], block[:, :, 1]
    return block


def _fill_neighbours(windows: np.ndarray, fill: str) -> tuple[np.ndarray, np.ndarray]:
    """Treat missing neighbours of windows (sample, predictor, 3, 3); count them (sample,) where centres are whole."""
    if fill not in FILLS:
        raise ValueError(f"fill: expected one of {', '.join(FILLS)}, found {fill!r}")
    centre = windows[:, :, 1:2, 1:2]
    whole = np.isfinite(centre).all(axis=(1, 2, 3))
    holes = np.isnan(windows) & whole[:, None, None, None]
    missing = holes.sum(axis=(1, 2, 3))
    filled = np.where(holes, centre, windows) if fill == "centre" else windows.copy()
    filled[~whole | ((missing > 0) & (fill == "drop"))] = np.nan
    return filled, missing


def _finish(values: np.ndarray, predictors: list, fill: str) -> xr.DataArray:
    lacking = np.isnan(values[:, :, 1, 1])
    values, missing = _fill_neighbours(values, fill)
    return xr.DataArray(
        values,
        dims=("sample", "predictor", "dy", "dx"),
        coords={
            "predictor": predictors,
            "filled": ("sample", missing),
            "lacking": (("sample", "predictor"), lacking),
        },
        name="window",
        attrs={"missing_centre": int(lacking.any(axis=1).sum()), "filled_neighbours": int(missing.sum()), "fill": fill},
    )


def place_groups(row: ArrayLike, column: ArrayLike, n_columns: int | None = None) -> np.ndarray:
    """Group samples whose windows of 3 × 3 cells overlap, directly or through others.

    Whoever trains on one of two such windows and tests on the other has seen part of the answer; and if A overlaps B,
    and B overlaps C, then the three must stay together. So places are the connected components of the graph that links
    windows whose centres lie at most two rows *and* two columns apart.

    Parameters
    ----------
    row, column : array_like of int (sample,)
        The cell in the middle of each window, as `cells` gives it.
    n_columns : int, optional
        Columns of a grid that goes round the globe, where the last column is the neighbour of the first; left out for
        a grid that does not. Rows end at the poles: windows do not reach across.

    Returns
    -------
    ndarray of int (sample,)
        Number of the group, from 0 in the order in which samples meet them.

    >>> place_groups([4, 4, 4, 4, 8], [0, 2, 5, 359, 0], n_columns=360).tolist()
    [0, 0, 1, 0, 2]
    """
    row, column = np.asarray(row), np.asarray(column)
    beyond = (row < 0) | (column < 0) | (False if n_columns is None else column >= n_columns)
    if beyond.any():
        raise ValueError(f"row, column: expected cells of the grid, found {beyond.sum()} off it; drop those samples")
    centres, which = np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)
    tree = cKDTree(centres, boxsize=None if n_columns is None else [0, n_columns])
    pairs = tree.query_pairs(2.5, p=np.inf, output_type="ndarray")
    linked = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(centres),) * 2)
    group = connected_components(linked, directed=False)[1][which.ravel()]
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]
