"""SoilGrids: depths by file name, fills, regions, and the way to a target grid."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from helpers import products
from helpers.grid import Grid
from helpers.products import ProductError, soilgrids


def write(
    folder, layer, values, *, size=1.0, west=-180.0, north=90.0, name="ORCDRC_M_sl{}_250m_ll.tif", crs="EPSG:4326"
):
    path = folder / name.format(layer)
    height, width = values.shape
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": height, "width": width, "nodata": -32768}
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


def test_four_of_seven_depths_are_read(layers):
    folder, stored = layers
    back = products.read("soilgrids2017", products.find("soilgrids2017", folder))
    assert list(back) == ["soc_0", "soc_5", "soc_15", "soc_30"] and back.soc_15.attrs["units"] == "g kg-1"
    for layer, name in enumerate(back, 1):
        np.testing.assert_array_equal(back[name].values, stored[layer])
    assert back.lat.values[0] == 87 and back.lon.values[0] == -177 and "15 cm" in back.soc_15.attrs["long_name"]


@pytest.mark.parametrize("method", ["nearest", "average"])
def test_the_way_to_a_grid(layers, method):
    folder, stored = layers
    back = products.read("soilgrids2017", folder / "ORCDRC_M_sl1_250m_ll.tif", grid=Grid(12), method=method).soc_0
    assert back.shape == (15, 30) and back.dtype == np.float32
    quads = stored[1].reshape(15, 2, 30, 2)
    if method == "nearest":  # a centre between four pixels: the south-eastern one, as everywhere in the book
        np.testing.assert_array_equal(back.values, quads[:, 1, :, 1])
    else:
        np.testing.assert_allclose(back.values[2, 0], np.nanmean(quads[2, :, 0]), rtol=1e-5)
        np.testing.assert_allclose(back.values[7, 9], quads[7, :, 9].mean(), rtol=1e-5)


def test_land_south_of_the_file_has_no_value(tmp_path):
    write(tmp_path, 1, np.full((144, 360), 50), north=84.0)
    back = products.read("soilgrids2017", tmp_path / "ORCDRC_M_sl1_250m_ll.tif", grid=Grid(1)).soc_0
    assert float(back.sel(lat=83.5, lon=0.5)) == 50 and float(back.sel(lat=-59.5, lon=0.5)) == 50
    assert np.isnan(back.sel(lat=slice(90, 84))).all() and np.isnan(back.sel(lat=slice(-60, -90))).all()


def test_two_files_of_a_depth_are_refused(layers):
    folder, _ = layers
    write(folder, 1, np.ones((3, 6)), size=60.0, name="ORCDRC_M_sl{}_5km_ll.tif")
    with pytest.raises(ProductError, match="expected one file of layer 1, found two; keep one resolution"):
        products.read("soilgrids2017", products.find("soilgrids2017", folder))


def test_soilgrids_two_is_another_quantity(tmp_path):
    (tmp_path / "soc_0-5cm_mean.tif").touch()
    with pytest.raises(FileNotFoundError, match="expected files named like ORCDRC_M_sl1_250m_ll.tif, found none"):
        products.find("soilgrids2017", tmp_path)
    with pytest.raises(ProductError, match="expected a soilgrids2017 file named like"):
        products.read("soilgrids2017", tmp_path / "soc_0-5cm_mean.tif")


def test_a_file_too_large_to_read_whole_asks_for_a_grid(layers, monkeypatch):
    monkeypatch.setattr(soilgrids, "LARGEST", 100)
    with pytest.raises(ProductError, match=r"30x60 cells are too many to read whole; pass grid=Grid\(resolution\)"):
        products.read("soilgrids2017", layers[0] / "ORCDRC_M_sl1_250m_ll.tif")


def test_a_projected_file_needs_a_grid(tmp_path):
    path = write(tmp_path, 1, np.full((20, 40), 7), size=1e6, west=-2e7, north=1e7, crs="ESRI:54009")
    with pytest.raises(ProductError, match="expected latitude and longitude, found ESRI:54009"):
        products.read("soilgrids2017", path)
    assert float(products.read("soilgrids2017", path, grid=Grid(10)).soc_0.sel(lat=5, lon=5)) == 7


def test_a_tiff_cut_short_is_named(tmp_path):
    path = write(tmp_path, 1, np.random.default_rng(1).integers(0, 400, (300, 600)), size=0.6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for how in ({}, {"grid": Grid(1)}):
        with pytest.raises(ProductError, match=r"sl1_250m_ll\.tif: cannot be read .*fetch it again"):
            products.read("soilgrids2017", path, **how)
