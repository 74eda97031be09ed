"""Sinusoidal tiles on a latitude/longitude grid, against the projection's own two lines, slow counts, and GDAL."""

import numpy as np
import pytest
import rasterio.warp
from eos_files import RADIUS, TILE
from rasterio import Affine

from helpers.products.sinusoidal import Warp
from helpers.space.grid import Grid


def place(h, v, n):
    """Return the transform of MODIS tile (h, v) with n pixels an edge."""
    return Affine(TILE / n, 0, (h - 18) * TILE, 0, -TILE / n, (9 - v) * TILE)


def degrees(transform, shape):
    """Return longitude and latitude of all pixel centres (longitudes beyond 180 are off the globe)."""
    j, i = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform.c + transform.a * j, transform.f + transform.e * i
    lat = np.rad2deg(y / RADIUS)
    return np.rad2deg(x / RADIUS / np.cos(np.deg2rad(lat))), lat


def nearest(values, transform, grid):
    """Look up the pixel that holds a point just south-east of each cell's centre: x = R lon cos(lat), y = R lat."""
    hair = 1e-6 * grid.resolution
    lon, lat = np.deg2rad(np.meshgrid(grid.lon + hair, grid.lat - hair))
    j = np.floor((RADIUS * lon * np.cos(lat) - transform.c) / transform.a).astype(int)
    i = np.floor((RADIUS * lat - transform.f) / transform.e).astype(int)
    inside = (i >= 0) & (i < values.shape[0]) & (j >= 0) & (j < values.shape[1])
    return np.where(inside, values[i.clip(0, values.shape[0] - 1), j.clip(0, values.shape[1] - 1)], np.nan)


@pytest.mark.parametrize("tile", [(18, 8), (17, 3), (21, 3), (14, 14), (0, 8), (35, 9), (18, 0), (14, 17)])
def test_nearest_copies_the_pixel_under_each_centre(tile):
    n, grid = 60, Grid(0.5)  # three pixels a cell: every centre falls on an edge between two rows of pixels
    values = np.random.default_rng(tile).normal(size=(n, n)).astype("float32")
    warp = Warp(grid)
    warp.add(values, place(*tile, n))
    expected = nearest(values, place(*tile, n), grid)
    assert np.isfinite(expected).sum() >= 5
    np.testing.assert_array_equal(warp.result(), expected)


def test_nearest_settles_ties_at_the_papers_resolution():
    n, grid = 1200, Grid(0.05)  # six pixels of 1 km a cell
    rows = np.repeat(np.arange(n, dtype="float32")[:, None], n, axis=1)
    warp = Warp(grid)
    warp.add(rows, place(22, 2, n))
    below = np.flatnonzero((grid.lat < 70) & (grid.lat > 60))
    for k, i in enumerate(below):  # the centre lies between rows 6k + 2 and 6k + 3: always the southern one
        found = warp.result()[i]
        assert set(found[np.isfinite(found)]) == {6 * k + 3}


@pytest.mark.parametrize("method", ["nearest", "average", "bilinear"])
def test_tiles_come_out_as_one_mosaic_would(method):
    n, grid = 30, Grid(3)
    whole = np.random.default_rng(4).normal(size=(2 * n, 2 * n))
    whole[np.random.default_rng(5).random(whole.shape) < 0.2] = np.nan
    once, cut = Warp(grid, method), Warp(grid, method)
    once.add(whole, place(18, 8, n))
    for h in (0, 1):
        for v in (0, 1):
            cut.add(whole[v * n : v * n + n, h * n : h * n + n], place(18 + h, 8 + v, n))
    assert np.isfinite(once.result()).sum() > 30
    np.testing.assert_allclose(cut.result(), once.result(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("tile", "n", "resolution"),
    [((18, 0), 60, 1), ((17, 17), 60, 1), ((35, 9), 60, 1), ((22, 3), 60, 1), ((20, 2), 60, 0.5), ((33, 10), 24, 2)],
)
def test_average_weighs_pixels_by_area_at_poles_and_the_date_line_too(tile, n, resolution):
    rng, grid, fine = np.random.default_rng(tile), Grid(resolution), 30
    values = rng.normal(10, size=(n, n))
    values[rng.random(values.shape) < 0.2] = np.nan
    warp = Warp(grid, "average")
    warp.add(values, place(*tile, n))
    # Cut every pixel into 30 x 30 and count in which cell their centres lie.
    cut = values.repeat(fine, 0).repeat(fine, 1)
    lon, lat = degrees(place(*tile, n * fine), cut.shape)
    row, column = np.floor((90 - lat) / resolution).astype(int), np.floor((lon + 180) / resolution).astype(int)
    known = np.isfinite(cut) & (column >= 0) & (column < grid.shape[1])
    total, weight = np.zeros(grid.shape), np.zeros(grid.shape)
    np.add.at(total, (row[known], column[known]), cut[known] / fine**2)
    np.add.at(weight, (row[known], column[known]), 1 / fine**2)
    assert warp.weight.sum() == pytest.approx(weight.sum(), rel=2e-3)
    parts = resolution * fine * n / 10  # along a cell's edge, where the count is coarse
    np.testing.assert_allclose(warp.weight, weight, atol=2.5 / parts * weight.max())
    full = weight > 0.2 * weight.max()
    np.testing.assert_allclose(warp.result()[full], (total / np.maximum(weight, 1e-9))[full], atol=0.05)


def test_a_cell_larger_than_a_tile_takes_all_of_it():
    warp = Warp(Grid(30), "average")
    warp.add(np.arange(576.0).reshape(24, 24), place(19, 8, 24))
    assert warp.weight.sum() == pytest.approx(576) and np.argwhere(warp.weight > 0).tolist() == [[2, 6]]
    assert warp.result()[2, 6] == pytest.approx(287.5)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "average"])
@pytest.mark.parametrize("tile", [(18, 4), (27, 6), (12, 12)])
def test_gdal_finds_the_same(tile, method):
    n, grid = 240, Grid(0.5)
    transform = place(*tile, n)
    values = np.random.default_rng(tile).normal(10, size=(n, n)).astype("float32")
    warp = Warp(grid, method)
    warp.add(values, transform)
    hair, step = 1e-6 * grid.resolution, grid.resolution
    gdal = np.full(grid.shape, np.nan, "float32")
    rasterio.warp.reproject(
        values,
        gdal,
        src_transform=transform,
        src_crs=f"+proj=sinu +R={RADIUS} +units=m",
        src_nodata=np.nan,
        dst_transform=Affine(step, 0, -180 + hair, 0, -step, 90 - hair),
        dst_crs=f"+proj=longlat +R={RADIUS}",
        dst_nodata=np.nan,
        resampling=rasterio.warp.Resampling["sum" if method == "average" else method],
        XSCALE=1,
        YSCALE=1,
        tolerance=0.001,
    )
    lon, lat = np.deg2rad(np.meshgrid(grid.lon, grid.lat))
    x, y = (RADIUS * lon * np.cos(lat) - transform.c) / transform.a, (RADIUS * lat - transform.f) / transform.e
    inner = (np.minimum(x, y) > 40) & (np.maximum(x, y) < n - 40)  # away from edges, where GDAL weighs otherwise
    found = warp.total if method == "average" else warp.result()
    assert inner.sum() > 100
    np.testing.assert_allclose(found[inner], gdal[inner], rtol=1e-3 if method == "average" else 1e-5)


def test_bilinear_weighs_the_four_nearest_pixels_however_fine():
    n, grid = 300, Grid(1)  # thirty pixels a cell
    values = np.random.default_rng(8).normal(size=(n, n))
    transform = place(18, 8, n)
    warp = Warp(grid, "bilinear")
    warp.add(values, transform)
    lon, lat = np.deg2rad(3.5), np.deg2rad(4.5)
    x = (RADIUS * lon * np.cos(lat) - transform.c) / transform.a - 0.5
    y = (RADIUS * lat - transform.f) / transform.e - 0.5
    j, i = int(x), int(y)
    four = np.outer([1 - (y - i), y - i], [1 - (x - j), x - j]) * values[i : i + 2, j : j + 2]
    assert warp.result()[85, 183] == pytest.approx(four.sum(), abs=1e-4)
