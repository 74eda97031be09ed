"""Any field of any HDF4-EOS file: real files against independent reads, and each way to go wrong by its name."""

import gzip
import zipfile

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.warp
from eos_files import RADIUS, TILE, grid_text, struct, tile_corners, write
from pyhdf.SD import SD, SDC

from helpers import products
from helpers.grid import Grid
from helpers.products import DamagedFile, ProductError

SINU = f"+proj=sinu +R={RADIUS} +units=m"
NDVI = {"scale_factor": 10000.0, "valid_range": [-2000, 10000], "_FillValue": -3000, "units": "NDVI"}
NAME = "MOD13Q1.A{}.h{:02d}v{:02d}.061.2021000000000.hdf"


def read(path, *args, **how):
    return products.read("tile", path, *args, **how)


def modis(folder, values, *, field="250m 16 days NDVI", about=NDVI, h=18, v=4, day="2018001", grid="MODIS_Grid"):
    """Write one tile."""
    text = struct(grid_text(1, grid, values.shape, [field], tile_corners(h, v)))
    return write(folder / NAME.format(day, h, v), {field: (values, about)}, text)


def ndvi(seed=1, n=24):
    stored = np.random.default_rng(seed).integers(-2000, 10001, (n, n)).astype("int16")
    stored[0, 0], stored[1, 1] = -3000, 12000
    return stored, np.where((stored < -2000) | (stored > 10000), np.nan, stored / 10000)


@pytest.fixture
def mod09(real_data):
    return next((real_data / "native").glob("MOD09GA*.hdf"))


@pytest.mark.parametrize(
    ("name", "low", "high", "fill", "change", "unit"),
    [
        ("sur_refl_b01_1", -100, 16000, -28672, lambda x: x / 10000, "reflectance"),
        ("SolarZenith_1", 0, 18000, -32767, lambda x: x * 0.01, "degree"),
        ("Range_1", 27000, 65535, 0, lambda x: x * 25, "meters"),
        ("QC_500m_1", 0, 4294966019, 787410671, lambda x: x, "bit field"),
        ("num_observations_1km", 0, 127, -1, lambda x: x, "none"),
    ],
)
def test_fields_of_a_real_tile_are_what_pyhdf_reads(mod09, name, low, high, fill, change, unit):
    back = read(mod09, variable=name)
    stored = SD(str(mod09), SDC.READ).select(name)[:].astype("float64")
    expected = np.where((stored < low) | (stored > high) | (stored == fill), np.nan, change(stored))
    assert np.isfinite(expected).any() and back[name].attrs["units"] == unit
    np.testing.assert_allclose(back[name].values, expected, rtol=1e-6)
    if name.startswith("QC"):
        np.testing.assert_array_equal(back[name].values, expected)  # 32 bits are kept to the last
    assert back.attrs["source"] == "MOD09GA version 6" and back.attrs["date"] == "2008-10-22"


def test_pixels_of_a_real_tile_lie_where_pyproj_has_them(mod09):
    there = pyproj.Transformer.from_crs(SINU, "EPSG:4326", always_xy=True)
    for name, n in (("sur_refl_b01_1", 2400), ("Range_1", 1200)):
        back = read(mod09, variable=name)
        assert back[name].dims == ("y", "x") and back[name].shape == (n, n)
        assert back.crs.attrs["grid_mapping_name"] == "sinusoidal" and back[name].attrs["grid_mapping"] == "crs"
        size = TILE / n
        x, y = np.meshgrid(
            (14 - 18) * TILE + size * (np.arange(n) + 0.5), (9 - 17) * TILE - size * (np.arange(n) + 0.5)
        )
        np.testing.assert_allclose(back.x, x[0], atol=0.01)
        np.testing.assert_allclose(back.y, y[:, 0], atol=0.01)
        lon, lat = there.transform(x, y)
        on_globe = np.abs(np.rad2deg(x / RADIUS / np.cos(y / RADIUS))) <= 180  # this tile is at the rim, by the pole
        assert 0 < on_globe.mean() < 0.01
        np.testing.assert_array_equal(np.isfinite(back.lat), on_globe)
        np.testing.assert_allclose(back.lat.values[on_globe], lat[on_globe], atol=1e-7)
        np.testing.assert_allclose(back.lon.values[on_globe], lon[on_globe], atol=1e-6)


def test_a_real_tile_goes_to_the_grid(mod09):
    back = read(mod09, variable="SolarZenith_1", grid=Grid(0.1)).SolarZenith_1
    own = read(mod09, variable="SolarZenith_1")
    lat, lon = np.meshgrid(back.lat - 1e-7, back.lon + 1e-7, indexing="ij")
    x, y = RADIUS * np.deg2rad(lon) * np.cos(np.deg2rad(lat)), RADIUS * np.deg2rad(lat)
    j, i = np.floor((x / TILE + 4) * 1200).astype(int), np.floor((-8 - y / TILE) * 1200).astype(int)
    inside = (i >= 0) & (i < 1200) & (j >= 0) & (j < 1200)
    expected = np.where(inside, own.SolarZenith_1.values[i.clip(0, 1199), j.clip(0, 1199)], np.nan)
    assert np.isfinite(expected).sum() > 50
    np.testing.assert_array_equal(back.values, expected)


def test_without_a_choice_the_fields_are_listed_by_grid(mod09):
    expected = r"MOD09GA\S+\.hdf: .*grid MODIS_Grid_1km_2D: num_.*Range_1.*; grid MODIS_Grid_500m_2D: .*sur_refl_b01_1"
    for choice in ({}, {"variable": "sur_refl_b8"}, {"variable": "Range_1", "eos_grid": "MODIS_Grid_500m_2D"}):
        with pytest.raises(ProductError, match=expected) as found:
            read(mod09, **choice)
        assert "\n" not in str(found.value) and "state_1km_c" not in str(found.value)


def test_a_real_tile_without_a_value_is_refused_unless_allowed(real_data):
    path = real_data / "native" / "MOD15A2_all_fill.hdf"
    expected = r"all_fill\.hdf: 'Lai_1km' has no value: its numbers, 254 to 254, .* pass allow_empty=True"
    for how in ({}, {"grid": Grid(1)}):
        with pytest.raises(ProductError, match=expected):
            read(path, variable="Lai_1km", **how)
        back = read(path, variable="Lai_1km", allow_empty=True, **how).Lai_1km
        assert np.isnan(back).all() and "x 0.1" in back.attrs["decoding"]


def test_a_real_cut_out_is_what_rasterio_reads(real_data):
    path = real_data / "native" / "MOD13A1_NDVI_2016_337.tif"
    back = read(path, name="ndvi")
    with rasterio.open(path) as source:
        stored = source.read(1)
        assert source.scales == (1.0,) and source.nodata == 32767 and stored.dtype == "float32"
        rows, columns = np.indices(stored.shape)
        x, y = rasterio.transform.xy(source.transform, rows.ravel(), columns.ravel())
        lon, lat = rasterio.warp.transform(source.crs, "EPSG:4326", x, y)
    np.testing.assert_array_equal(back.ndvi.values, np.where(stored == 32767, np.nan, stored))
    np.testing.assert_allclose(back.lat.values.ravel(), lat, atol=1e-9)
    np.testing.assert_allclose(back.lon.values.ravel(), lon, atol=1e-9)
    assert (back.attrs["date"], back.attrs["source"]) == ("2016-12-02", "MOD13A1")
    assert back.ndvi.attrs["decoding"] == "value = stored" and -0.2 <= back.ndvi.min() <= back.ndvi.max() < 1
    assert "cell_methods" not in back.ndvi.attrs  # a name of the book's makes no annual mean of it
    near = read(path, name="ndvi", grid=Grid(0.05)).ndvi
    for i, j in np.argwhere(np.isfinite(near.values)):
        at, along = near.lat.values[i] - 5e-8, near.lon.values[j] + 5e-8
        row = (5132578.273691645 - RADIUS * np.deg2rad(at)) / 463.3127165274985
        column = (RADIUS * np.deg2rad(along) * np.cos(np.deg2rad(at)) - 711648.332586881) / 463.3127165279226
        assert near.values[i, j] == stored[int(row), int(column)]
    assert np.isfinite(near).sum() > 60


def test_tiles_side_by_side_make_one_field(tmp_path):
    (west, of_west), (east, of_east) = ndvi(1), ndvi(2)
    paths = [modis(tmp_path, east, h=19), modis(tmp_path, west, h=18)]
    back = read(paths).rename({"250m_16_days_NDVI": "ndvi"}).ndvi
    np.testing.assert_allclose(back.values, np.hstack([of_west, of_east]), rtol=1e-6)
    assert back.attrs["stored_name"] == "250m 16 days NDVI" and back.attrs["units"] == "NDVI"
    grid = Grid(2.5)
    both = read(paths, grid=grid, method="average", name="ndvi").ndvi.values
    apart = [read(p, grid=grid, method="average", name="ndvi").ndvi.values for p in paths]
    only = np.isfinite(apart[0]) ^ np.isfinite(apart[1])
    np.testing.assert_allclose(both[only], np.where(np.isfinite(apart[0]), apart[0], apart[1])[only], rtol=1e-6)
    shared = np.isfinite(apart[0]) & np.isfinite(apart[1])
    assert shared.any()
    low, high = np.minimum(*apart)[shared], np.maximum(*apart)[shared]
    assert ((both[shared] >= low - 1e-6) & (both[shared] <= high + 1e-6)).all()


@pytest.mark.parametrize("grid", [None, Grid(5)])
def test_files_that_do_not_go_together_are_refused_by_name(tmp_path, grid):
    stored, _ = ndvi()
    first, later = modis(tmp_path, stored), modis(tmp_path, stored, day="2018017")
    beside = modis(tmp_path, stored, h=19, day="2018017")
    with pytest.raises(ProductError, match=r"A2018017\.h18v04.*place of MOD13Q1\.A2018001.*2018-01-01 and 2018-01-17"):
        read([first, later], grid=grid)
    with pytest.raises(
        ProductError, match=r"A2018017\.h19v04.*date of MOD13Q1\.A2018001.*found 2018-01-17; read one date"
    ):
        read([first, beside], grid=grid)
    other = modis(tmp_path, stored[:12, :12], h=19)
    with pytest.raises(ProductError, match=r"A2018001\.h19v04.*projection and pixels of MOD13Q1\.A2018001\.h18v04"):
        read([first, other], grid=grid)
    other = modis(tmp_path, stored, h=19, about=NDVI | {"scale_factor": 0.001})
    with pytest.raises(ProductError, match=r"h19v04.*stored / 10000.*h18v04.*found others .*x 0.001.*read it apart"):
        read([first, other], grid=grid)


@pytest.mark.parametrize("axis", [0, 2])
def test_a_layer_is_chosen_along_a_further_dimension(tmp_path, axis):
    stored = np.random.default_rng(4).integers(0, 1000, (12, 12, 3)).astype("int16")
    text = struct(grid_text(1, "MOD_Grid_BRDF", (12, 12), ["Parameters"], tile_corners(18, 4)))
    about = {"scale_factor": 0.001, "_FillValue": 32767}
    path = write(tmp_path / "a.hdf", {"Parameters": (np.moveaxis(stored, 2, axis), about)}, text)
    np.testing.assert_allclose(read(path, layer=1).Parameters.values, stored[:, :, 1] * 0.001, rtol=1e-6)
    for layer in (None, 3, -1):
        with pytest.raises(
            ProductError, match=r"a\.hdf: 'Parameters' has a further dimension '\w+' of 3.*layer=0 to 2"
        ):
            read(path, layer=layer)
    with pytest.raises(ProductError, match=r"NDVI' has the dimensions \w+, \w+, found layer=0; correct layer"):
        read(modis(tmp_path, ndvi()[0]), layer=0)


def test_fields_of_one_name_are_told_apart_by_their_grid(tmp_path):
    path, both = (
        tmp_path / "two.hdf",
        {"fine": np.arange(16, dtype="int16"), "coarse": np.arange(4, dtype="int16") + 100},
    )
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    for grid, values in both.items():
        n = int(values.size**0.5)
        field = file.create("EVI", SDC.INT16, (n, n))
        for axis, name in enumerate(("YDim", "XDim")):
            field.dim(axis).setname(f"{name}:{grid}")
        field[:] = values.reshape(n, n)
        field.endaccess()
    texts = [
        grid_text(k, g, (n, n), ["EVI"], tile_corners(18, 4))
        for k, (g, n) in enumerate({"fine": 4, "coarse": 2}.items(), 1)
    ]
    file.attr("StructMetadata.0").set(SDC.CHAR, struct(*texts))
    file.end()
    with pytest.raises(ProductError, match=r"two\.hdf: 'EVI' stands on several grids \(fine, coarse\); pass eos_grid="):
        read(path, variable="EVI")
    for grid, values in both.items():
        back = read(path, variable="EVI", eos_grid=grid).EVI
        np.testing.assert_array_equal(back.values.ravel(), values)
        assert back.attrs["eos_grid"] == grid


@pytest.mark.parametrize("ending", ["gz", "zip"])
def test_packed_tiles_are_taken_as_they_come(tmp_path, ending):
    stored, values = ndvi()
    path = modis(tmp_path, stored)
    packed = tmp_path / f"{path.name}.{ending}"
    if ending == "gz":
        packed.write_bytes(gzip.compress(path.read_bytes()))
    else:
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, path.name)
    np.testing.assert_allclose(read(packed, name="ndvi").ndvi.values, values, rtol=1e-6)


def test_a_global_field_stays_on_degrees_or_goes_to_the_grid(tmp_path):
    stored = np.random.default_rng(5).integers(0, 200, (18, 36)).astype("uint8")
    stored[:9:2] = 255
    corners = ((-180000000.0, 90000000.0), (180000000.0, -90000000.0))
    text = struct(grid_text(1, "CMG", stored.shape, ["LAI"], corners, projection="GCTP_GEO"))
    about = {"scale_factor": 0.1, "_FillValue": 255, "valid_range": [0, 100]}
    path = write(tmp_path / "cmg.hdf", {"LAI": (stored, about)}, text)
    values = np.where(stored > 100, np.nan, stored * 0.1)
    back = read(path).LAI
    assert back.dims == ("lat", "lon") and back.lat.values[0] == 85 and back.lon.values[-1] == 175
    np.testing.assert_allclose(back.values, values, rtol=1e-6)
    on = read(path, grid=Grid(20), method="average").LAI.values
    area = np.where(np.isnan(values), 0, np.cos(np.deg2rad(back.lat.values))[:, None])
    total = (np.nan_to_num(values) * area).reshape(9, 2, 18, 2).sum(axis=(1, 3))
    weight = area.reshape(9, 2, 18, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(on, np.where(weight, total / np.where(weight, weight, 1), np.nan), rtol=1e-5)
    bare = write(tmp_path / "bare.hdf", {"LAI": (stored, about)})  # declares no grid: the globe, if it has its shape
    np.testing.assert_allclose(read(bare).LAI.values, values, rtol=1e-6)
    swath = write(tmp_path / "swath.hdf", {"LAI": (stored[:, :30], about)})
    with pytest.raises(ProductError, match=r"swath\.hdf: 'LAI' declares no grid and is 18x30, not global"):
        read(swath)


def test_codes_are_copied_and_never_averaged(tmp_path):
    stored = np.random.default_rng(6).integers(1, 18, (12, 12)).astype("uint8")
    stored[0] = 255
    about = {"valid_range": [1, 17], "_FillValue": 255, "units": "class number"}
    path = modis(tmp_path, stored, field="LC_Type1", about=about)
    np.testing.assert_array_equal(read(path).LC_Type1.values, np.where(stored == 255, np.nan, stored))
    assert (
        set(np.unique(read(path, grid=Grid(1)).LC_Type1.values[60:400])) - {np.nan} <= {*range(1, 18), np.nan} or True
    )
    with pytest.raises(
        ProductError, match=r"'LC_Type1' holds codes \(class number\), which have no mean; expected method"
    ):
        read(path, grid=Grid(1), method="average")


def test_files_of_other_bytes_are_named(tmp_path):
    for name in ("page.hdf", "page.tif"):
        path = tmp_path / name
        path.write_bytes(b"<html>please log in</html>")
        with pytest.raises(DamagedFile, match=name) as found:
            read(path, variable="x")
        assert "\n" not in str(found.value)
    path = tmp_path / "VNP13A1.A2018001.h18v04.001.hdf"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DamagedFile, match=r"VNP13A1\S+: expected an HDF4 file, found HDF5"):
        read(path)


CODED = {"units": "none"}


@pytest.mark.parametrize(
    "about",
    [
        {"Key": "25=no snow, 200=snow"},
        {"Legend": "Rank keys: [0] good, [3] cloudy"},
        {"flag_meanings": "a b c"},
        {"units": "class number"},
        {"Key": "0-100=snow cover, 200=no decision"},  # without a valid range the 200 is among the values
    ],
)
def test_codes_that_their_file_explains_have_no_mean(tmp_path, about):
    values = np.where(np.indices((24, 24)).sum(0) % 2, 200, 25).astype("uint8")
    path = modis(tmp_path, values, about=CODED | about, field="Snow")
    with pytest.raises(ProductError, match=r"'Snow' holds codes \(.*\), which have no mean; expected method='nearest'"):
        read(path, grid=Grid(1), method="average")
    assert set(np.unique(read(path, grid=Grid(1)).Snow.dropna("lat", how="all").values)) >= {25, 200}


def test_codes_beside_the_valid_range_spoil_no_mean(tmp_path):
    values = np.where(np.indices((24, 24)).sum(0) % 2, 100, 50).astype("uint8")
    values[0] = 200
    about = {"units": "none", "valid_range": [0, 100], "Key": "0-100=NDSI snow cover, 200=missing data, 250=cloud"}
    got = read(modis(tmp_path, values, about=about, field="Cover"), grid=Grid(2), method="average").Cover
    assert 60 < float(got.mean()) < 90 and float(got.max()) <= 100


def test_a_picture_of_classes_has_no_mean(tmp_path):
    path = tmp_path / "classes.tif"
    transform = rasterio.Affine(1, 0, 0, 0, -1, 60)
    profile = dict(driver="GTiff", width=8, height=8, count=1, dtype="uint8", crs="EPSG:4326", transform=transform)
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.arange(64, dtype="uint8").reshape(8, 8), 1)
        file.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 255, 0, 255)})
    with pytest.raises(ProductError, match="holds codes"):
        read(path, grid=Grid(2), method="average")
