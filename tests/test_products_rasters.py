"""Rasters of any size and projection on the target grid: against `grid.resample` of the whole, the projection's own
equations, a slow look-up, and a file of true full size in bounded memory."""

import subprocess
import sys

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.windows import Window

from helpers.products import DamagedFile, ProductError, rasters
from helpers.space.grid import Grid, normalise_lat_lon, resample

WGS84, GOODE = CRS.from_epsg(4326), CRS.from_string("ESRI:54052")


def field(shape, seed=1):
    values = np.random.default_rng(seed).normal(size=shape).astype("float32")
    values[np.random.default_rng(seed + 1).random(shape) < 0.1] = np.nan
    return values


def raster(values, transform, crs=WGS84, striped=False):
    return rasters.Raster(lambda rows, columns: values[rows, columns], values.shape, transform, crs, striped)


def as_it_is(stored):
    return stored


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


@pytest.mark.parametrize("striped", [False, True])
@pytest.mark.parametrize("method", ["nearest", "average", "bilinear"])
@pytest.mark.parametrize("place", PLACES)
def test_blocks_give_what_the_whole_gives(monkeypatch, place, method, striped):
    shape, transform = PLACES[place]
    values, grid = field(shape), Grid(1.5)
    monkeypatch.setattr(rasters, "BLOCK", 6000)
    monkeypatch.setattr(rasters, "CACHE", 4e-2)
    back = rasters.onto(raster(values, transform, striped=striped), grid, method, as_it_is)
    lat = transform.f + (np.arange(shape[0]) + 0.5) * transform.e
    lon = transform.c + (np.arange(shape[1]) + 0.5) * transform.a
    whole = xr.DataArray(values, dims=("lat", "lon"), coords={"lat": lat, "lon": lon})
    if place in ("over the date line", "west of it"):  # two halves, since `resample` knows no field that wraps
        turned = whole.assign_coords(lon=lon + (-360 if lon[-1] > 180 else 360))
        parts = [resample(part, grid, method) for part in (whole, turned)]
        expected = parts[0].combine_first(parts[1]).values
    else:
        expected = resample(normalise_lat_lon(whole), grid, method).values
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
    monkeypatch.setattr(rasters, "BLOCK", size)
    grid = Grid(2)
    back = rasters.onto(raster(values, transform, GOODE), grid, "nearest", as_it_is)
    for i, j in np.random.default_rng(3).integers([0, 0], grid.shape, (400, 2)):
        x, y = there.transform(grid.lon[j] + 2e-6, grid.lat[i] - 2e-6)
        expected = values[int((y - transform.f) / transform.e), int((x - transform.c) / transform.a)]
        np.testing.assert_equal(back[i, j], expected)


@pytest.mark.parametrize("size", [2**22, 2**14])
@pytest.mark.parametrize("method", ["average", "bilinear"])
def test_means_in_a_torn_projection_follow_a_smooth_field(monkeypatch, method, size):
    transform, lon, lat, _ = goode()
    smooth = (100 * np.sin(np.deg2rad(lat)) + 50 * np.cos(np.deg2rad(lon))).astype("float32")
    monkeypatch.setattr(rasters, "BLOCK", size)
    grid = Grid(1)  # one of the blocks begins at 0, 0
    back = rasters.onto(raster(smooth, transform, GOODE), grid, method, as_it_is)
    expected = 100 * np.sin(np.deg2rad(grid.lat))[:, None] + 50 * np.cos(np.deg2rad(grid.lon))
    inner = np.abs(grid.lat) < 75
    assert np.isfinite(back[inner]).mean() > 0.999
    assert np.nanmax(np.abs(back - expected)[inner]) < 1.0


def test_a_mean_takes_no_part_of_fills_and_classes():
    stored = np.full((36, 72), 10, "uint8")
    stored[::2], stored[:, ::2] = 255, 253

    def decode(numbers):
        return np.where(numbers > 100, np.nan, numbers * 0.1).astype("float32")

    for crs, transform in (
        (WGS84, Affine(5, 0, -180, 0, -5, 90)),
        (GOODE, Affine(5.6e5, 0, -20.1e6, 0, -4.8e5, 8.7e6)),
    ):
        back = rasters.onto(raster(stored, transform, crs), Grid(10), "average", decode)
        assert np.isfinite(back).mean() > 0.8
        np.testing.assert_allclose(back[np.isfinite(back)], 1.0, rtol=1e-6)


def test_one_row_of_pixels_cannot_be_averaged():
    thin = raster(np.ones((1, 72), "float32"), Affine(5, 0, -180, 0, -5, 2.5))
    assert np.isfinite(rasters.onto(thin, Grid(1), "nearest", as_it_is)).sum() == 5 * 360
    with pytest.raises(ProductError, match=r"method: expected nearest for a raster of \(1, 72\) pixels, found"):
        rasters.onto(thin, Grid(1), "average", as_it_is)


def test_a_tilted_raster_is_refused(tmp_path):
    path = tmp_path / "tilted.tif"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 4, "width": 4, "crs": WGS84}
    with rasterio.open(path, "w", transform=Affine(1, 0.1, 0, 0.1, -1, 0), **profile) as file:
        file.write(np.ones((1, 4, 4), "uint8"))
    with (
        rasters.opening(path) as source,
        pytest.raises(ProductError, match=r"tilted\.tif: expected pixels along the axes"),
    ):
        rasters.Raster.of(source, path)


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
@pytest.mark.parametrize(("method", "blocks"), [("nearest", "tiles"), ("nearest", "strips"), ("average", "tiles")])
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


LAYOUTS = {
    "strips": {},
    "one strip": {"blockysize": 64},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "BigTIFF": {"BIGTIFF": "YES", "tiled": True, "blockxsize": 16, "blockysize": 16},
    "big-endian": {"ENDIANNESS": "BIG"},
    "big-endian BigTIFF": {"ENDIANNESS": "BIG", "BIGTIFF": "YES"},
    "compressed": {"compress": "deflate", "predictor": 2},
    "sparse": {"SPARSE_OK": True, "tiled": True, "blockxsize": 16, "blockysize": 16},
    "three bands": {"count": 3, "interleave": "band"},
}


@pytest.fixture(params=LAYOUTS)
def path(request, tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": 64, "width": 48, "crs": "EPSG:4326"}
    values = np.random.default_rng(1).integers(0, 100, (64, 48)).astype("int16")
    with rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, 60), **(profile | LAYOUTS[request.param])) as file:
        for band in file.indexes:
            file.write(np.where(values < 50, 0, values) if request.param == "sparse" else values, band)
        file.update_tags(scale_factor="0.0001")
    return path


def test_a_whole_file_passes(path):
    rasters.require_whole(path, path)


def test_a_file_with_overviews_passes_until_it_is_cut(path):
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.nearest)
    rasters.require_whole(path, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFile, match="a.tif: cannot be read"):
        rasters.require_whole(path, path)


def test_a_cut_anywhere_is_told_in_one_line(path):
    whole = path.read_bytes()
    for keep in sorted({*np.linspace(16, len(whole) - 4, 60).astype(int), *range(len(whole) - 40, len(whole) - 3)}):
        path.write_bytes(whole[:keep])
        with pytest.raises(DamagedFile, match=r"a\.tif: cannot be read.*fetch it again") as found:
            rasters.require_whole(path, path)
        assert "\n" not in str(found.value)


def test_what_is_no_tiff_is_left_to_gdal(tmp_path):
    for content in (b"", b"II", b"<html>please log in</html>", b"II\x01\x00" + bytes(40)):
        path = tmp_path / "other.tif"
        path.write_bytes(content)
        rasters.require_whole(path, path)
