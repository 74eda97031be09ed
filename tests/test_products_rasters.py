"""Pixels of files on the target grid, against the projections' own equations, slow counts, GDAL, and memory."""

import subprocess
import sys
import warnings

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.warp
import xarray as xr
from eos_files import RADIUS, TILE
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from helpers.products import ProductError, rasters
from helpers.products.rasters import SINUSOIDAL
from helpers.space.grid import Grid, normalise_lat_lon, resample

WGS84, GOODE = CRS.from_epsg(4326), CRS.from_string("ESRI:54052")


def raster(values, transform, crs=WGS84, block=1):
    return rasters.Raster(values.__getitem__, values.shape, transform, crs, block=block)


def mosaic(grid, method, *tiles):
    return rasters.mosaic([raster(values, transform, SINUSOIDAL) for values, transform in tiles], grid, method)


def as_it_is(stored):
    return stored


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


@pytest.mark.parametrize("tile", [(18, 8), (17, 3), (14, 14), (0, 8), (35, 9), (18, 0), (14, 17)])
def test_nearest_copies_the_pixel_under_each_centre(tile):
    n, grid = 60, Grid(0.5)  # three pixels a cell: every centre falls on an edge between two rows of pixels
    values = np.random.default_rng(tile).normal(size=(n, n)).astype("float32")
    expected = nearest(values, place(*tile, n), grid)
    assert np.isfinite(expected).sum() >= 5
    np.testing.assert_array_equal(mosaic(grid, "nearest", (values, place(*tile, n))), expected)


@pytest.mark.parametrize("method", ["nearest", "average", "bilinear"])
def test_tiles_come_out_as_one_mosaic_would(method):
    n, grid = 30, Grid(3)
    whole = np.random.default_rng(4).normal(size=(2 * n, 2 * n))
    whole[np.random.default_rng(5).random(whole.shape) < 0.2] = np.nan
    corners = [(h, v) for h in (0, 1) for v in (0, 1)]
    cut = [(whole[v * n : v * n + n, h * n : h * n + n], place(18 + h, 8 + v, n)) for h, v in corners]
    once = mosaic(grid, method, (whole, place(18, 8, n)))
    assert np.isfinite(once).sum() > 30
    np.testing.assert_allclose(mosaic(grid, method, *cut), once, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("tile", "n", "resolution"),
    [((18, 0), 60, 1), ((17, 17), 60, 1), ((35, 9), 60, 1), ((20, 2), 60, 0.5), ((33, 10), 24, 2)],
)
def test_average_weighs_pixels_by_area_at_poles_and_the_date_line_too(tile, n, resolution):
    rng, grid, fine = np.random.default_rng(tile), Grid(resolution), 30
    values = rng.normal(10, size=(n, n))
    values[rng.random(values.shape) < 0.2] = np.nan
    found, share = mosaic(grid, "average", (values, place(*tile, n))), np.zeros(grid.shape)
    for rows, columns, _, part in rasters._bands(raster(values, place(*tile, n), SINUSOIDAL), grid, "average"):
        share[rows, columns] += part
    # Cut every pixel into 30 x 30 and count in which cell their centres lie.
    cut = values.repeat(fine, 0).repeat(fine, 1)
    lon, lat = degrees(place(*tile, n * fine), cut.shape)
    row, column = np.floor((90 - lat) / resolution).astype(int), np.floor((lon + 180) / resolution).astype(int)
    known = np.isfinite(cut) & (column >= 0) & (column < grid.shape[1])
    total, weight = np.zeros(grid.shape), np.zeros(grid.shape)
    np.add.at(total, (row[known], column[known]), cut[known])
    np.add.at(weight, (row[known], column[known]), 1)
    edges = np.sin(np.deg2rad(90 - resolution * np.arange(grid.shape[0] + 1)))
    area = -np.diff(edges)[:, None] * np.deg2rad(resolution) * (RADIUS * n * fine / TILE) ** 2  # of a cell, in parts
    weight /= area
    assert (share * area).sum() == pytest.approx((weight * area).sum(), rel=2e-3)
    full = weight * area > 0.2 * (weight * area).max()  # where the count is fine enough
    np.testing.assert_allclose(share[full], weight[full], atol=0.1)
    np.testing.assert_allclose(found[full], (total / area / np.maximum(weight, 1e-9))[full], atol=0.05)


def test_a_cell_larger_than_a_tile_takes_all_of_it():
    found = mosaic(Grid(30), "average", (np.arange(576.0).reshape(24, 24), place(19, 8, 24)))
    assert np.argwhere(np.isfinite(found)).tolist() == [[2, 6]] and found[2, 6] == pytest.approx(287.5)


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("tile", [(18, 4), (12, 12)])
def test_gdal_finds_the_same(tile, method):
    n, grid, transform = 240, Grid(0.5), place(*tile, 240)
    values = np.random.default_rng(tile).normal(10, size=(n, n)).astype("float32")
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
        resampling=rasterio.warp.Resampling[method],
        XSCALE=1,
        YSCALE=1,
        tolerance=0.001,
    )
    found = mosaic(grid, method, (values, transform))
    lon, lat = np.deg2rad(np.meshgrid(grid.lon, grid.lat))
    x, y = (RADIUS * lon * np.cos(lat) - transform.c) / transform.a, (RADIUS * lat - transform.f) / transform.e
    inner = (np.minimum(x, y) > 40) & (np.maximum(x, y) < n - 40)  # away from edges, where GDAL weighs otherwise
    assert inner.sum() > 100
    np.testing.assert_allclose(found[inner], gdal[inner], rtol=1e-5)


PLACES = {
    "globe": ((90, 180), Affine(2, 0, -180, 0, -2, 90)),
    "from Greenwich": ((90, 180), Affine(2, 0, 0, 0, -2, 90)),
    "south first": ((90, 180), Affine(2, 0, -180, 0, 2, -90)),
    "finer": ((360, 720), Affine(0.5, 0, -180, 0, -0.5, 90)),
    "uneven": ((140, 333), Affine(360 / 333, 0, -180, 0, -1, 84)),
    "region": ((41, 57), Affine(0.7, 0, 3.3, 0, -0.7, 71.4)),
    "over the date line": ((41, 57), Affine(0.7, 0, 160, 0, -0.7, 71.4)),
    "west of it": ((41, 57), Affine(0.7, 0, -200, 0, -0.7, 71.4)),
}


@pytest.mark.parametrize("block", [1, 50])
@pytest.mark.parametrize("method", ["nearest", "average", "bilinear"])
@pytest.mark.parametrize("place", PLACES)
def test_bands_give_what_the_whole_gives(monkeypatch, place, method, block):
    shape, transform = PLACES[place]
    values, grid = np.random.default_rng(1).normal(size=shape).astype("float32"), Grid(1.5)
    values[np.random.default_rng(2).random(shape) < 0.1] = np.nan
    monkeypatch.setattr(rasters, "PIXELS", 600)
    back = rasters.onto(raster(values, transform, block=block), grid, method, as_it_is)
    lat = transform.f + (np.arange(shape[0]) + 0.5) * transform.e
    lon = transform.c + (np.arange(shape[1]) + 0.5) * transform.a
    whole = xr.DataArray(values, dims=("lat", "lon"), coords={"lat": lat, "lon": lon})
    expected = resample(
        whole if place in ("over the date line", "west of it") else normalise_lat_lon(whole), grid, method
    ).values
    assert np.isfinite(expected).mean() > 0.01
    np.testing.assert_allclose(back, expected, rtol=1e-5, atol=1e-6)


def goode(n=5e4):
    """Return pixels of the interrupted Goode homolosine projection, with the place of each (NaN off the globe)."""
    shape, transform = (int(17.4e6 / n), int(40.2e6 / n)), Affine(n, 0, -20.1e6, 0, -n, 8.7e6)
    there = pyproj.Transformer.from_crs(4326, "ESRI:54052", always_xy=True)
    x, y = np.meshgrid(
        *(start + (np.arange(k) + 0.5) * d for start, k, d in ((-20.1e6, shape[1], n), (8.7e6, shape[0], -n)))
    )
    lon, lat = there.transform(x, y, direction="INVERSE")
    back = there.transform(np.where(np.isfinite(lon), lon, 0), np.where(np.isfinite(lat), lat, 0))
    off = ~(np.hypot(back[0] - x, back[1] - y) < n / 2)
    return transform, np.where(off, np.nan, lon), np.where(off, np.nan, lat), there


@pytest.mark.parametrize("size", [2**22, 2**14])
def test_nearest_is_the_pixel_under_the_centre_in_a_torn_projection(monkeypatch, size):
    transform, lon, _, there = goode()
    values = np.arange(lon.size, dtype="float64").reshape(lon.shape)
    values[np.isnan(lon)] = np.nan
    monkeypatch.setattr(rasters, "PIXELS", size)
    grid = Grid(2)
    back = rasters.onto(raster(values, transform, GOODE), grid, "nearest", as_it_is)
    for i, j in np.random.default_rng(3).integers([0, 0], grid.shape, (400, 2)):
        x, y = there.transform(grid.lon[j] + 2e-6, grid.lat[i] - 2e-6)
        expected = values[int((y - transform.f) / transform.e), int((x - transform.c) / transform.a)]
        np.testing.assert_equal(back[i, j], expected)


def test_a_mean_in_a_torn_projection_weighs_pixels_by_area():
    n, fine, grid = 1e5, 8, Grid(5)
    transform, lon, lat, _ = goode(n)
    values = np.random.default_rng(1).normal(10, size=lon.shape)
    values[np.isnan(lon) | (np.random.default_rng(2).random(lon.shape) < 0.2)] = np.nan
    found = rasters.onto(raster(values, transform, GOODE), grid, "average", as_it_is)
    _, lon, lat, _ = goode(n / fine)
    cut = values.repeat(fine, 0).repeat(fine, 1)
    known = np.isfinite(lon) & np.isfinite(cut)
    at = ((90 - lat[known]) // 5).astype(int).clip(0, 35), ((lon[known] + 180) // 5).astype(int).clip(0, 71)
    total, count = np.zeros(grid.shape), np.zeros(grid.shape)
    np.add.at(total, at, cut[known])
    np.add.at(count, at, 1)
    full = count > 0.2 * count.max()
    assert full.mean() > 0.8
    np.testing.assert_allclose(found[full], (total / np.maximum(count, 1))[full], atol=0.15)


@pytest.mark.parametrize(("tilt", "crs"), [(0.1, WGS84), (0.0, CRS.from_epsg(32633))])
def test_rows_that_do_not_run_along_parallels_are_refused(tmp_path, tilt, crs):
    path = tmp_path / "tilted.tif"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 4, "width": 4, "crs": crs}
    place = Affine(1, tilt, 0, tilt, -1, 0) if tilt else Affine(1000, 0, 4e5, 0, -1000, 5e6)
    with rasterio.open(path, "w", transform=place, **profile) as file:
        file.write(np.ones((1, 4, 4), "uint8"))
    with pytest.raises(ProductError, match=r"tilted\.tif: expected .*warp it with GDAL"), rasters.opening(path) as tif:
        rasters.onto(tif, Grid(1), "nearest", as_it_is)


FULL = (67200, 172800)  # from 84 degrees north to 56 south at 1/480 degree
MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from helpers import products
from helpers.space.grid import Grid

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

path, method = Path(sys.argv[1]), sys.argv[2]
before = peak()
back = products.read("soilgrids2017", path, grid=Grid(0.05), method=method, layers=["soc_0"]).soc_0.values
print(peak() - before, np.isfinite(back).sum(), np.nanmax(back), np.nanmin(back))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak memory this way")
@pytest.mark.parametrize(("method", "blocks"), [("nearest", "strips"), ("average", "tiles")])
def test_a_full_size_layer_stays_within_half_a_gibibyte(tmp_path, method, blocks):
    """Six tiles, or 48 rows, of 11.6 thousand million pixels hold numbers; the file is sparse, the work is not."""
    path = tmp_path / "ORCDRC_M_sl1_250m_ll.tif"
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "nodata": -32768, "crs": WGS84, "compress": "deflate"}
    profile |= {"height": FULL[0], "width": FULL[1], "transform": Affine(1 / 480, 0, -180, 0, -1 / 480, 84)}
    profile |= {"tiled": True, "blockxsize": 480, "blockysize": 480} if blocks == "tiles" else {}
    rows, columns = (960, 1440) if blocks == "tiles" else (48, FULL[1])
    with rasterio.open(path, "w", SPARSE_OK=True, BIGTIFF="YES", **profile) as file:
        file.write(np.full((rows, columns), 77, "int16"), 1, window=Window(0, 24000, columns, rows))
    assert path.stat().st_size < 10e6
    run = [sys.executable, "-c", MEASURE, str(path), method]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300)
    memory, cells, most, least = map(float, done.stdout.split())
    assert memory < 512, f"{memory:.0f} MiB"
    assert cells == rows // 24 * columns // 24 and most == least == 77


@pytest.mark.parametrize(
    "layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16, "BIGTIFF": "YES"}, {"compress": "deflate"}]
)
def test_a_tiff_cut_anywhere_is_told_in_one_line(tmp_path, layout):
    path, values = tmp_path / "a.tif", np.random.default_rng(1).integers(1, 100, (1, 64, 48)).astype("int16")
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": 64, "width": 48, "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, 60), **(profile | layout)) as file:
        file.write(values)
        file.update_tags(scale_factor="0.0001")
    whole = path.read_bytes()
    with rasters.opening(path) as tif:
        np.testing.assert_array_equal(tif.stored, values[0])
    for keep in np.linspace(16, len(whole) - 4, 30).astype(int):
        path.write_bytes(whole[:keep])
        with warnings.catch_warnings(), pytest.raises(ProductError, match=r"a\.tif: .*fetch it again") as found:
            warnings.simplefilter("ignore")
            rasters.opening(path).__enter__()
        assert "\n" not in str(found.value)
