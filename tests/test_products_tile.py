"""Any field of any HDF4-EOS file or GeoTIFF: against independent reads, user guides, and each way to go wrong."""

import numpy as np
import pytest
import rasterio
import rasterio.warp
from eos_files import RADIUS, TILE, grid_text, struct, tile_corners
from eos_files import write as write_hdf
from pyhdf.SD import SD, SDC
from rasterio import Affine

from helpers import products
from helpers.products import ProductError, land, rasters
from helpers.space.grid import Grid, resample

SINU = f"+proj=sinu +R={RADIUS} +units=m"
NDVI = {"scale_factor": 10000.0, "valid_range": [-2000, 10000], "_FillValue": -3000, "units": "NDVI"}
NAME = "MOD13Q1.A{}.h{:02d}v{:02d}.061.2021000000000.hdf"
GUIDES = [
    # field, type, what the file says, stored numbers, values by the product's user guide
    (
        "MOD13Q1 NDVI",
        "int16",
        (10000.0, 0.0, (-2000, 10000), -3000),
        [-3000, -2000, 5000, 10001],
        [None, -0.2, 0.5, None],
    ),
    ("MOD13Q1 view zenith", "int16", (100.0, 0.0, (0, 18000), -10000), [-10000, 4512], [None, 45.12]),
    ("MOD09A1 reflectance", "int16", (0.0001, 0.0, (-100, 16000), -28672), [-28672, 1234], [None, 0.1234]),
    ("MOD09GA range", "uint16", (25.0, None, (27000, 65535), 0), [0, 28200], [None, 705000.0]),
    ("MOD11A2 LST", "uint16", (0.02, 0.0, (7500, 65535), 0), [0, 15000], [None, 300.0]),
    ("MOD11A2 emissivity", "uint8", (0.002, 0.49, (1, 255), 0), [0, 240], [None, 0.97]),
    ("MOD11A2 view angle", "uint8", (1.0, -65.0, (0, 130), 255), [255, 0, 65, 130], [None, -65, 0, 65]),
    ("MOD11A2 view time", "uint8", (0.1, 0.0, (0, 240), 255), [255, 105], [None, 10.5]),
    ("MOD15A2H LAI", "uint8", (0.1, 0.0, (0, 100), 255), [255, 254, 249, 100, 37], [None, None, None, 10.0, 3.7]),
    ("MOD17A2H GPP", "int16", (0.0001, 0.0, (0, 30000), 32767), [32767, 32761, 321], [None, None, 0.0321]),
    ("MCD12Q1 class", "uint8", (None, None, (1, 17), 255), [255, 0, 17], [None, None, 17]),
    ("MOD08 temperature", "int16", (0.01, -15000.0, (0, 20000), -9999), [-9999, 12315], [None, 273.15]),
    ("MOD21A2 quality", "uint8", ("n/a", "n/a", (0, 255), None), [0, 255], [0, 255]),
]
PLACE = Affine(0.25, 0, 10, 0, -0.25, 50)
EXPORT = "MOD13Q1.061__250m_16_days_NDVI_doy{}000000_aid0001.tif"
TAGS = {"scale_factor": "0.0001", "add_offset": "0", "valid_range": "-2000, 10000", "units": "NDVI", "long_name": "a"}
CODED = {"units": "none"}


def read(path, *args, **how):
    return products.read("tile", path, *args, **how)


def modis(folder, values, *, field="250m 16 days NDVI", about=NDVI, h=18, v=4, day="2018001", grid="MODIS_Grid"):
    """Write one tile."""
    text = struct(grid_text(1, grid, values.shape, [field], tile_corners(h, v)))
    return write_hdf(folder / NAME.format(day, h, v), {field: (values, about)}, text)


def ndvi(seed=1, n=24):
    stored = np.random.default_rng(seed).integers(-2000, 10001, (n, n)).astype("int16")
    stored[0, 0], stored[1, 1] = -3000, 12000
    return stored, np.where((stored < -2000) | (stored > 10000), np.nan, stored / 10000)


def write_tif(path, *bands, crs="EPSG:4326", place=PLACE, tags=None, names=(), **how):
    height, width = bands[0].shape
    profile = {"driver": "GTiff", "dtype": bands[0].dtype, "count": len(bands), "height": height, "width": width} | how
    with rasterio.open(path, "w", crs=crs, transform=place, **profile) as file:
        file.write(np.stack(bands))
        file.update_tags(**(tags or {}))
        for k, name in enumerate(names, 1):
            file.set_band_description(k, name)
    return path


def ndvi_export(seed=1, shape=(20, 28)):
    stored = np.random.default_rng(seed).integers(-2000, 10001, shape).astype("int16")
    stored[0], stored[1, 1] = -3000, 12000
    return stored, np.where((stored < -2000) | (stored > 10000), np.nan, stored * 1e-4)


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
    ],
)
def test_fields_of_a_real_tile_are_what_pyhdf_reads(mod09, name, low, high, fill, change, unit):
    back, grid = read(mod09, variable=name, grid=Grid(0.05)), Grid(0.05)
    stored = SD(str(mod09), SDC.READ).select(name)[:].astype("float64")
    values = np.where((stored < low) | (stored > high) | (stored == fill), np.nan, change(stored))
    rows = np.flatnonzero(grid.lat < -79.9)
    lon, lat = np.deg2rad(np.meshgrid(grid.lon + 5e-8, grid.lat[rows] - 5e-8))
    size = TILE / len(stored)
    row = np.floor((-8 * TILE - RADIUS * lat) / size).astype(int)
    column = np.floor((RADIUS * np.cos(lat) * lon + 4 * TILE) / size).astype(int)
    inside = (row >= 0) & (row < len(stored)) & (column >= 0) & (column < len(stored))
    last = len(stored) - 1
    expected = np.where(inside, values[row.clip(0, last), column.clip(0, last)], np.nan)
    assert np.isfinite(expected).any() and back[name].attrs["units"] == unit
    assert np.isfinite(back[name]).sum() == np.isfinite(expected).sum()
    np.testing.assert_allclose(back[name].values[rows], expected, rtol=1e-6)
    if name.startswith("QC"):
        np.testing.assert_array_equal(back[name].values[rows], expected)  # 32 bits are kept to the last
    assert back.attrs["source"] == "MOD09GA version 6" and back.attrs["date"] == "2008-10-22"


def test_without_a_choice_the_fields_are_listed_by_grid(mod09):
    expected = r"MOD09GA\S+\.hdf: .*grid MODIS_Grid_1km_2D: num_.*Range_1.*; grid MODIS_Grid_500m_2D: .*sur_refl_b01_1"
    for choice in ({}, {"variable": "sur_refl_b8"}):
        with pytest.raises(ProductError, match=expected) as found:
            read(mod09, **choice)
        assert "\n" not in str(found.value) and "state_1km_c" not in str(found.value)


def test_a_real_tile_without_a_value_is_refused_unless_allowed(real_data):
    path, how = real_data / "native" / "MOD15A2_all_fill.hdf", {"variable": "Lai_1km", "grid": Grid(1)}
    with pytest.raises(ProductError, match=r"all_fill\.hdf: 'Lai_1km' has no value: .* pass allow_empty=True"):
        read(path, **how)
    back = read(path, allow_empty=True, **how).Lai_1km
    assert np.isnan(back).all() and "x 0.1" in back.attrs["decoding"]
    with pytest.raises(ProductError, match=r"all_fill\.hdf: sinusoidal tiles need a target: pass grid=Grid"):
        read(path, variable="Lai_1km")


def test_a_real_cut_out_is_what_rasterio_reads(real_data):
    path = real_data / "native" / "MOD13A1_NDVI_2016_337.tif"
    near = read(path, name="ndvi", grid=Grid(0.05)).ndvi
    with rasterio.open(path) as source:
        stored = source.read(1)
        assert source.scales == (1.0,) and source.nodata == 32767 and stored.dtype == "float32"
    assert near.attrs["decoding"] == "value = stored x 1" and -0.2 <= near.min() <= near.max() < 1
    assert "cell_methods" not in near.attrs  # a name of the book's makes no annual mean of it
    for i, j in np.argwhere(np.isfinite(near.values)):
        at, along = near.lat.values[i] - 5e-8, near.lon.values[j] + 5e-8
        row = (5132578.273691645 - RADIUS * np.deg2rad(at)) / 463.3127165274985
        column = (RADIUS * np.deg2rad(along) * np.cos(np.deg2rad(at)) - 711648.332586881) / 463.3127165279226
        assert near.values[i, j] == stored[int(row), int(column)]
    assert np.isfinite(near).sum() > 60


def test_files_that_do_not_go_together_are_refused_by_name(tmp_path):
    stored, _ = ndvi()
    first, later = modis(tmp_path, stored), modis(tmp_path, stored, day="2018017")
    beside = modis(tmp_path, stored, h=19, day="2018017")
    for other in (later, beside):
        with pytest.raises(ProductError, match=r"A2018017.*expected tiles side by side of one date, found MOD13Q1\.A"):
            read([first, other], grid=Grid(5))


@pytest.mark.parametrize("axis", [0, 2])
def test_a_layer_is_chosen_along_a_further_dimension(tmp_path, axis):
    stored = np.random.default_rng(4).integers(0, 1000, (12, 12, 3)).astype("int16")
    text = struct(grid_text(1, "MOD_Grid_BRDF", (12, 12), ["Parameters"], tile_corners(18, 4)))
    path = write_hdf(tmp_path / "a.hdf", {"Parameters": (np.moveaxis(stored, 2, axis), {})}, text)
    np.testing.assert_array_equal(rasters.read_hdf4(path, layer=1).stored, stored[:, :, 1])
    for layer in (None, 3, -1):
        with pytest.raises(ProductError, match=r"a\.hdf: 'Parameters' has the dimensions .*of 3, found layer="):
            read(path, layer=layer, grid=Grid(1))
    with pytest.raises(ProductError, match=r"NDVI' has the dimensions .* of none, found layer=0; pass the index"):
        read(modis(tmp_path, ndvi()[0]), layer=0, grid=Grid(1))


def test_a_global_field_stays_on_degrees_or_goes_to_the_grid(tmp_path):
    stored = np.random.default_rng(5).integers(0, 200, (18, 36)).astype("uint8")
    stored[:9:2] = 255
    corners = ((-180000000.0, 90000000.0), (180000000.0, -90000000.0))
    text = struct(grid_text(1, "CMG", stored.shape, ["LAI"], corners, projection="GCTP_GEO"))
    about = {"scale_factor": 0.1, "_FillValue": 255, "valid_range": [0, 100]}
    path = write_hdf(tmp_path / "cmg.hdf", {"LAI": (stored, about)}, text)
    values = np.where(stored > 100, np.nan, stored * 0.1)
    back = read(path).LAI
    assert back.dims == ("lat", "lon") and back.lat.values[0] == 85 and back.lon.values[-1] == 175
    np.testing.assert_allclose(back.values, values, rtol=1e-6)
    on = read(path, grid=Grid(20), method="average").LAI
    np.testing.assert_allclose(on, resample(back, Grid(20), "average"), rtol=1e-5)
    # A file that declares no grid is one of the globe, if it has its shape.
    bare = write_hdf(tmp_path / "bare.hdf", {"LAI": (stored, about)})
    np.testing.assert_allclose(read(bare).LAI.values, values, rtol=1e-6)


@pytest.mark.parametrize(
    "about",
    [
        {"Key": "25=no snow, 200=snow"},
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


@pytest.mark.parametrize(("field", "dtype", "said", "stored", "values"), GUIDES, ids=[guide[0] for guide in GUIDES])
def test_values_are_those_of_the_guides(field, dtype, said, stored, values):
    names = ("scale_factor", "add_offset", "valid_range", "_FillValue")
    attributes = {name: value for name, value in zip(names, said, strict=True) if value is not None}
    back = land.entry_of(attributes, field).decode(np.array(stored, dtype))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, np.array(values, float), rtol=1e-6)
    as_text = {name.upper(): str(value).strip("()[]") for name, value in attributes.items()}  # as GeoTIFF tags are
    np.testing.assert_array_equal(land.entry_of(as_text, field).decode(np.array(stored, dtype)), back)


def test_the_caller_decides_where_the_file_is_wrong():
    attributes = {"scale_factor": 10000.0, "add_offset": 7.0, "valid_range": [0, 10], "_FillValue": 3}
    stored = np.array([3, 5, 500], "int16")
    rule = land.entry_of(attributes, "a", scale=2, offset=1, valid=(0, 1000), fill=[5, 6])
    np.testing.assert_array_equal(rule.decode(stored), [7, np.nan, 1001])
    assert rule.rule == "value = stored x 2 + 1"
    np.testing.assert_allclose(
        land.entry_of(attributes, "a", scale=1, offset=0, valid=(-np.inf, np.inf)).decode(stored), [np.nan, 5, 500]
    )


def test_what_gdal_keeps_with_a_band_multiplies_unless_tags_say_more():
    stored = np.array([4], "int16")
    gdal = {"gdal_scale": 10.0, "gdal_offset": 2.0}
    assert land.entry_of(gdal, "a").decode(stored) == 42
    assert land.entry_of({"scale_factor": "10"}, "a").decode(stored) == np.float32(0.4)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": 0.0}, "a: expected one scale_factor above zero .*, found 0 and 0; pass scale="),
        ({"scale_factor": "see the guide"}, "expected scale_factor to be a number, found 'see the guide'; pass scale="),
    ],
)
def test_what_cannot_be_understood_names_the_parameter_that_helps(attributes, message):
    with pytest.raises(ProductError, match=message):
        land.entry_of(attributes, "a")


def test_an_export_on_degrees_is_read_by_its_tags(tmp_path):
    stored, values = ndvi_export()
    path = write_tif(tmp_path / EXPORT.format(2018001), stored, tags=TAGS, nodata=-3000)
    back = read(path, variable="_250m_16_days_NDVI", name="ndvi")
    np.testing.assert_allclose(back.ndvi.values, values, rtol=1e-6)
    assert back.ndvi.dims == ("lat", "lon") and back.lat.values[0] == 49.875 and back.lon.values[0] == 10.125
    assert back.ndvi.attrs["units"] == "NDVI" and back.ndvi.attrs["stored_fill"] == "(-3000.0,)"


def test_a_sinusoidal_file_of_rows_from_the_south_is_the_same_field(tmp_path):
    values = np.random.default_rng(9).random((30, 40)).astype("float32")
    sphere, size = "+proj=sinu +R=6371007.181 +units=m", 50000
    north = write_tif(tmp_path / "n.tif", values, crs=sphere, place=Affine(size, 0, 0, 0, -size, 4000000))
    south = write_tif(
        tmp_path / "s.tif", values[::-1], crs=sphere, place=Affine(size, 0, 0, 0, size, 4000000 - 30 * size)
    )
    back, other = (read(path, grid=Grid(1)).band_1.values for path in (north, south))
    assert np.isfinite(back).sum() > 200
    np.testing.assert_array_equal(back, other)


def test_numbers_that_were_scaled_before_are_not_scaled_again_unasked(tmp_path):
    values = np.random.default_rng(8).random((4, 5)).astype("float32")
    path = write_tif(tmp_path / "done.tif", values, tags=TAGS | {"valid_range": "n/a"})
    with pytest.raises(
        ProductError, match=r"done\.tif: 'band_1' states .*, but holds fractions.*pass scale=1 and offset=0"
    ):
        read(path)
    np.testing.assert_array_equal(read(path, scale=1, offset=0).band_1.values, values)


def test_a_band_is_chosen_by_name_or_number(tmp_path):
    one, two = (np.full((4, 5), k, "uint8") for k in (1, 2))
    path = write_tif(tmp_path / "two.tif", one, two, names=("red", ""))
    assert (read(path, variable="red").red == 1).all() and (read(path, variable=2).band_2 == 2).all()
    for variable in (None, "green", 3):
        with pytest.raises(ProductError, match=r"two\.tif: expected variable to be one of red, band 2, found"):
            read(path, variable=variable)
