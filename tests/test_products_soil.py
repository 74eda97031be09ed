"""SoilGrids, of 2017 and 2.0: depths by file name, fills, regions, the way to a target grid, and what is refused."""

import dask
import numpy as np
import pytest
import rasterio
from rasterio import Affine

from helpers import products
from helpers.products import ProductError, land
from helpers.space.grid import Grid

OLD, NEW = "ORCDRC_M_sl{}_250m_ll.tif", "soc_{}cm_mean_5000.tif"
INTERVALS = ("0-5", "5-15", "15-30", "30-60")


def write(folder, layer, values, *, size=1.0, west=-180.0, north=90.0, name=OLD, crs="EPSG:4326", nodata=-32768):
    path = folder / name.format(layer)
    height, width = values.shape
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": height, "width": width, "nodata": nodata}
    with rasterio.open(path, "w", crs=crs, transform=Affine(size, 0, west, 0, -size, north), **profile) as file:
        file.write(values.astype("int16"), 1)
    return path


@pytest.fixture
def layers(tmp_path):
    """Return seven layers of 6 degrees, each with a gap and a number that cannot be one."""
    stored = {}
    for layer in range(1, 8):
        values = np.random.default_rng(layer).integers(0, 400, (30, 60))
        values[0, 0], values[0, 1], values[4, 1] = -32768, 1500, -32768
        write(tmp_path, layer, values, size=6.0)
        stored[layer] = np.where((values < 0) | (values > 1000), np.nan, values)
    return tmp_path, stored


def one(path, **how):
    """Read the uppermost layer alone."""
    return products.read("soilgrids2017", path, layers=["soc_0"], **how).soc_0


def test_four_of_seven_depths_are_read_when_they_are_asked_for(layers):
    folder, stored = layers
    back = products.read("soilgrids2017", products.find("soilgrids2017", folder))
    assert list(back) == ["soc_0", "soc_5", "soc_15", "soc_30"] and back.soc_15.attrs["units"] == "g kg-1"
    for layer, name in enumerate(back, 1):
        assert dask.is_dask_collection(back[name].data) and back[name].data.npartitions == 1
        np.testing.assert_array_equal(back[name].values, stored[layer])
    assert back.lat.values[0] == 87 and back.lon.values[0] == -177 and "15 cm" in back.soc_15.attrs["long_name"]


@pytest.mark.parametrize("method", ["nearest", "average"])
def test_the_way_to_a_grid(layers, method):
    folder, stored = layers
    back = products.read("soilgrids2017", products.find("soilgrids2017", folder), grid=Grid(12), method=method)
    assert back.soc_0.shape == (15, 30) and back.soc_0.dtype == np.float32
    for layer, name in enumerate(back, 1):
        quads = stored[layer].reshape(15, 2, 30, 2)
        if method == "nearest":  # a centre between four pixels: the south-eastern one, as everywhere in the book
            np.testing.assert_array_equal(back[name].values, quads[:, 1, :, 1])
            continue
        edges = np.sin(np.deg2rad(90 - 6 * np.arange(31)))
        area = np.where(np.isnan(quads), 0, -np.diff(edges).reshape(15, 2, 1, 1))
        expected = (np.nan_to_num(quads) * area).sum(axis=(1, 3)) / area.sum(axis=(1, 3))
        np.testing.assert_allclose(back[name].values, expected, rtol=1e-5)


def test_missing_layers_are_named_unless_fewer_are_asked_for(layers):
    folder, stored = layers
    paths = [path for path in products.find("soilgrids2017", folder) if "sl3" not in path.name]
    with pytest.raises(ProductError, match=r"found none of soc_15 but .*sl4_250m_ll\.tif; add the missing, or"):
        products.read("soilgrids2017", paths)
    back = products.read("soilgrids2017", paths, layers=["soc_30", "soc_0"])
    assert list(back) == ["soc_30", "soc_0"]
    np.testing.assert_array_equal(back.soc_30.values, stored[4])
    with pytest.raises(ProductError, match="layer 'soc_60' is unknown; known are soc_0, soc_5, soc_15, soc_30"):
        products.read("soilgrids2017", paths, layers=["soc_60"])


def test_layers_of_two_resolutions_are_refused(layers):
    folder, _ = layers
    (folder / OLD.format(2)).unlink()
    write(folder, 2, np.ones((3, 6)), size=60.0, name="ORCDRC_M_sl{}_5km_ll.tif")
    with pytest.raises(ProductError, match=r"sl2_5km_ll\.tif.*sl1_250m.*\(30, 60\), found others, \(3, 6\); keep one"):
        products.read("soilgrids2017", products.find("soilgrids2017", folder))


def test_soilgrids_two_is_another_quantity(tmp_path):
    path = write(tmp_path, "0-5", np.ones((3, 6)), size=60.0, name=NEW)
    with pytest.raises(FileNotFoundError, match=f"{path.name} is another product: read it as soilgrids2"):
        products.find("soilgrids2017", tmp_path)
    with pytest.raises(ProductError, match=f"{path.name}.*another quantity; read it as soilgrids2"):
        products.read("soilgrids2017", path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"found none\. Fetch sl1 to sl4"):
        products.find("soilgrids2017", tmp_path)


def test_a_file_too_large_to_read_whole_asks_for_a_grid(layers, monkeypatch):
    monkeypatch.setattr(land, "LARGEST", 100)
    with pytest.raises(ProductError, match=r"30x60 cells are too many to read whole; pass grid=Grid\(resolution\)"):
        one(layers[0] / OLD.format(1))


def test_a_projected_file_needs_a_grid(tmp_path):
    path = write(tmp_path, 1, np.full((20, 40), 7), size=1e6, west=-2e7, north=1e7, crs="ESRI:54009")
    with pytest.raises(ProductError, match="expected latitude and longitude, found ESRI:54009"):
        one(path)
    assert float(one(path, grid=Grid(10)).sel(lat=5, lon=5)) == 7


@pytest.fixture
def intervals(tmp_path):
    """Return four layers of SoilGrids 2.0 in whole dg kg-1, with a gap, on a coarse homolosine projection."""
    stored = {}
    for k, interval in enumerate(INTERVALS):
        values = np.full((174, 402), 1000 - 200 * k)
        values[:, 201:] += 37
        values[:, :120] = -32768
        write(tmp_path, interval, values, size=1e5, west=-20.1e6, north=8.7e6, name=NEW, crs="ESRI:54052")
        stored[interval] = values
    return tmp_path, stored


def test_soilgrids_two_gives_tenths_over_intervals(intervals):
    folder, _ = intervals
    back = products.read("soilgrids2", products.find("soilgrids2", folder), grid=Grid(5))
    assert list(back) == ["soc_0_5", "soc_5_15", "soc_15_30", "soc_30_60"]
    for k, name in enumerate(back):
        place = back[name].sel(lat=12.5)
        np.testing.assert_allclose(place.sel(lon=22.5), 103.7 - 20 * k, rtol=1e-6)
        np.testing.assert_allclose(place.sel(lon=-32.5), 100 - 20 * k, rtol=1e-6)
        assert np.isnan(place.sel(lon=-152.5)) and back[name].attrs["units"] == "g kg-1"
    assert "5 to 15 cm" in back.soc_5_15.attrs["long_name"]


def test_soilgrids_two_stands_in_for_depths_by_the_stated_rule(intervals):
    folder, _ = intervals
    paths = products.find("soilgrids2", folder)
    at = products.read("soilgrids2", paths, grid=Grid(5), at_depths=True)
    assert list(at) == ["soc_0", "soc_5", "soc_15", "soc_30"] and dask.is_dask_collection(at.soc_5.data)
    means = np.array([103.7, 83.7, 63.7, 43.7])
    for name, depth in (("soc_0", 0), ("soc_5", 5), ("soc_15", 15), ("soc_30", 30)):
        expected = np.interp(depth, [2.5, 10, 22.5, 45], means)
        np.testing.assert_allclose(at[name].sel(lat=12.5, lon=22.5), expected, rtol=1e-6)
        assert "stand-in" in at[name].attrs["comment"] and at[name].attrs["units"] == "g kg-1"
    assert at.attrs["product"] == "soilgrids2" and at.soc_0.dtype == np.float32
    assert "0.667 soc_15_30 + 0.333 soc_30_60" in at.soc_30.attrs["comment"]
    with pytest.raises(ProductError, match="expected soc_0_5, .*found no soc_30_60; read all four"):
        products.read("soilgrids2", paths, grid=Grid(5), layers=["soc_0_5", "soc_5_15", "soc_15_30"], at_depths=True)
