"""GeoTIFFs as anybody may have them: exports of AppEEARS on degrees, cut-outs in UTM, several bands, odd tags."""

import gzip

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio import Affine

from helpers import products
from helpers.grid import Grid
from helpers.products import ProductError, tile_places

PLACE = Affine(0.25, 0, 10, 0, -0.25, 50)
EXPORT = "MOD13Q1.061__250m_16_days_NDVI_doy{}000000_aid0001.tif"
TAGS = {"scale_factor": "0.0001", "add_offset": "0", "valid_range": "-2000, 10000", "units": "NDVI", "long_name": "a"}


def read(path, **how):
    return products.read("tile", path, **how)


def write(path, *bands, crs="EPSG:4326", place=PLACE, tags=None, names=(), **how):
    height, width = bands[0].shape
    profile = {"driver": "GTiff", "dtype": bands[0].dtype, "count": len(bands), "height": height, "width": width} | how
    with rasterio.open(path, "w", crs=crs, transform=place, **profile) as file:
        file.write(np.stack(bands))
        file.update_tags(**(tags or {}))
        for k, name in enumerate(names, 1):
            file.set_band_description(k, name)
    return path


def ndvi(seed=1, shape=(20, 28)):
    stored = np.random.default_rng(seed).integers(-2000, 10001, shape).astype("int16")
    stored[0], stored[1, 1] = -3000, 12000
    return stored, np.where((stored < -2000) | (stored > 10000), np.nan, stored * 1e-4)


def test_an_export_on_degrees_is_read_by_its_tags(tmp_path):
    stored, values = ndvi()
    path = write(tmp_path / EXPORT.format(2018001), stored, tags=TAGS, nodata=-3000)
    back = read(path, variable="_250m_16_days_NDVI", name="ndvi")
    np.testing.assert_allclose(back.ndvi.values, values, rtol=1e-6)
    assert back.ndvi.dims == ("lat", "lon") and back.lat.values[0] == 49.875 and back.lon.values[0] == 10.125
    assert back.attrs["date"] == "2018-01-01" and back.attrs["source"] == "MOD13Q1 version 061"
    assert back.ndvi.attrs["units"] == "NDVI" and back.ndvi.attrs["stored_fill"] == "-3000"
    assert back.crs.attrs["grid_mapping_name"] == "latitude_longitude"
    on = read(path, grid=Grid(0.5), method="average", name="ndvi").ndvi
    quads = values.reshape(10, 2, 14, 2)
    with np.errstate(invalid="ignore"):
        weight = np.isfinite(quads).sum(axis=(1, 3))
    np.testing.assert_array_equal(np.isfinite(on.values).sum(), (weight > 0).sum())
    by_area = np.average(quads[4, :, 4].mean(axis=1), weights=np.cos(np.deg2rad([47.875, 47.625])))
    assert float(on.sel(lat=47.75, lon=12.25)) == pytest.approx(by_area, rel=1e-5)


def test_cut_outs_side_by_side_are_one_mean(tmp_path):
    (west, of_west), (east, of_east) = ndvi(1, (20, 27)), ndvi(2, (20, 29))
    paths = [
        write(tmp_path / EXPORT.format(2018001), west, tags=TAGS, nodata=-3000),
        write(tmp_path / "east.tif", east, tags=TAGS, nodata=-3000, place=Affine(0.25, 0, 16.75, 0, -0.25, 50)),
    ]
    whole = np.hstack([of_west, of_east])
    np.testing.assert_allclose(read(paths, name="ndvi").ndvi.values, whole, rtol=1e-6)
    on = read(paths, grid=Grid(0.5), method="average", name="ndvi").ndvi
    cell = whole[8:10, 26:28]  # half of it is in either file
    by_area = np.average(cell.mean(axis=1), weights=np.cos(np.deg2rad([47.875, 47.625])))
    assert float(on.sel(lat=47.75, lon=16.75)) == pytest.approx(by_area, rel=1e-5)
    shifted = write(tmp_path / "shifted.tif", east, tags=TAGS, nodata=-3000, place=Affine(0.25, 0, 16.8, 0, -0.25, 50))
    with pytest.raises(ProductError, match="expected tiles whose pixels continue one another, found them shifted"):
        read([paths[0], shifted])


def test_tiles_too_far_apart_to_join_are_refused(tmp_path, monkeypatch):
    stored, _ = ndvi()
    paths = [
        write(tmp_path / "a.tif", stored, tags=TAGS),
        write(tmp_path / "b.tif", stored, tags=TAGS, place=Affine(0.25, 0, 110, 0, -0.25, 50)),
    ]
    monkeypatch.setattr(tile_places, "LARGEST", 1000)
    with pytest.raises(ProductError, match="the tiles span 20x428 pixels, too many to join; read fewer at a time"):
        read(paths)


def test_a_file_too_large_to_hold_goes_to_a_grid_only(tmp_path, monkeypatch):
    stored, values = ndvi()
    path = write(tmp_path / "a.tif", stored, tags=TAGS)
    whole = read(path, grid=Grid(1), method="average", name="a").a
    monkeypatch.setattr(tile_places, "LARGEST", 100)
    with pytest.raises(ProductError, match=r"a\.tif: 20x28 pixels are too many to read whole; pass grid=Grid"):
        read(path)
    np.testing.assert_allclose(read(path, grid=Grid(1), method="average", name="a").a, whole, rtol=1e-6)


def test_a_cut_out_in_utm_lies_where_pyproj_has_it(tmp_path):
    values = np.random.default_rng(7).random((30, 40)).astype("float32")
    place = Affine(5000, 0, 300000, 0, -5000, 5600000)
    path = write(tmp_path / "utm.tif", values, crs="EPSG:32633", place=place)
    back = read(path)
    there = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    x, y = np.meshgrid(300000 + 5000 * (np.arange(40) + 0.5), 5600000 - 5000 * (np.arange(30) + 0.5))
    lon, lat = there.transform(x, y)
    np.testing.assert_allclose(back.lat.values, lat, atol=1e-9)
    np.testing.assert_allclose(back.lon.values, lon, atol=1e-9)
    assert back.crs.attrs["grid_mapping_name"] == "transverse_mercator"
    near = read(path, grid=Grid(0.1)).band_1
    for i, j in np.argwhere(np.isfinite(near.values)):
        east, north = there.transform(near.lon.values[j] + 1e-7, near.lat.values[i] - 1e-7, direction="INVERSE")
        assert near.values[i, j] == values[int((5600000 - north) / 5000), int((east - 300000) / 5000)]
    assert np.isfinite(near).sum() > 300


def test_a_sinusoidal_file_of_rows_from_the_south_is_the_same_field(tmp_path):
    values = np.random.default_rng(9).random((30, 40)).astype("float32")
    sphere, size = "+proj=sinu +R=6371007.181 +units=m", 50000
    north = write(tmp_path / "n.tif", values, crs=sphere, place=Affine(size, 0, 0, 0, -size, 4000000))
    south = write(tmp_path / "s.tif", values[::-1], crs=sphere, place=Affine(size, 0, 0, 0, size, 4000000 - 30 * size))
    back, other = (read(path, grid=Grid(1)).band_1.values for path in (north, south))
    assert np.isfinite(back).sum() > 200
    np.testing.assert_array_equal(back, other)


def test_a_band_is_chosen_by_name_or_number(tmp_path):
    one, two = (np.full((4, 5), k, "uint8") for k in (1, 2))
    path = write(tmp_path / "two.tif", one, two, names=("red", ""))
    assert (read(path, variable="red").red == 1).all() and (read(path, variable=2).band_2 == 2).all()
    for variable in (None, "green", 3):
        with pytest.raises(ProductError, match=r"two\.tif: expected variable to be one of red, band 2, found"):
            read(path, variable=variable)
    with pytest.raises(ProductError, match=r"two\.tif: expected no eos_grid or layer for a GeoTIFF"):
        read(path, variable=1, layer=0)


def test_numbers_that_were_scaled_before_are_not_scaled_again_unasked(tmp_path):
    values = np.random.default_rng(8).random((4, 5)).astype("float32")
    path = write(tmp_path / "done.tif", values, tags=TAGS | {"valid_range": "n/a"})
    with pytest.raises(
        ProductError, match=r"done\.tif: 'band_1' states .*, but holds fractions.*pass scale=1 and offset=0"
    ):
        read(path)
    np.testing.assert_array_equal(read(path, scale=1, offset=0).band_1.values, values)


def test_a_file_without_a_projection_is_refused(tmp_path):
    path = tmp_path / "nowhere.tif"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        write(path, np.ones((4, 5), "uint8"), crs=None, place=Affine.identity())
    with pytest.raises(ProductError, match=r"nowhere\.tif: expected pixels along .*, found no projection"):
        read(path)


def test_packed_and_cut_files_are_taken_or_named(tmp_path):
    stored, values = ndvi()
    path = write(tmp_path / "a.tif", stored, tags=TAGS)
    packed = tmp_path / "a.tif.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_allclose(read(packed).band_1.values, values, rtol=1e-6)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.95):  # within the pixels, or within the tags behind them
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ProductError, match=r"a\.tif: .*fetch it again") as found:
            read(path)
        assert "\n" not in str(found.value)


def test_very_large_fields_find_their_degrees_when_asked(tmp_path, monkeypatch):
    values = np.ones((30, 40), "float32")
    path = write(tmp_path / "utm.tif", values, crs="EPSG:32633", place=Affine(5000, 0, 300000, 0, -5000, 5600000))
    at_once = read(path)
    monkeypatch.setattr(tile_places, "LAZY", 400)
    later = read(path)
    assert later.lat.chunks is not None and at_once.lat.chunks is None
    np.testing.assert_array_equal(later.lat, at_once.lat)
    np.testing.assert_array_equal(later.lon, at_once.lon)
