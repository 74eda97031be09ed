"""How stored numbers become values: as the user guides of real products have it, in every way that files state it."""

import numpy as np
import pytest

from helpers.products import ProductError, tile_packing

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


@pytest.mark.parametrize(("field", "dtype", "said", "stored", "values"), GUIDES, ids=[guide[0] for guide in GUIDES])
def test_values_are_those_of_the_guides(field, dtype, said, stored, values):
    names = ("scale_factor", "add_offset", "valid_range", "_FillValue")
    attributes = {name: value for name, value in zip(names, said, strict=True) if value is not None}
    back = tile_packing.of(attributes, field).decode(np.array(stored, dtype))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, np.array(values, float), rtol=1e-6)
    as_text = {name.upper(): str(value).strip("()[]") for name, value in attributes.items()}  # as GeoTIFF tags are
    np.testing.assert_array_equal(tile_packing.of(as_text, field).decode(np.array(stored, dtype)), back)


def test_a_scale_that_was_written_as_float32_means_the_decimal():
    assert tile_packing.of({"scale_factor": float(np.float32(0.01))}, "a").factor == 0.01


def test_what_is_applied_is_put_into_words():
    shifted = "scale_factor 0.01 multiplies; add_offset -15000, whole, is taken off before scaling"
    rules = {
        "value = stored / 10000 (scale_factor 10000, a power of ten above one, divides)": {"scale_factor": 10000.0},
        "value = stored x 25 (scale_factor 25 multiplies)": {"scale_factor": 25.0},
        f"value = stored x 0.01 + 150 ({shifted})": {"scale_factor": 0.01, "add_offset": -15000.0},
        "value = stored - 65 (add_offset -65 is added after scaling)": {"scale_factor": 1.0, "add_offset": -65.0},
        "value = stored": {},
    }
    for words, attributes in rules.items():
        assert tile_packing.of(attributes, "a").rule == words


def test_the_caller_decides_where_the_file_is_wrong():
    attributes = {"scale_factor": 10000.0, "add_offset": 7.0, "valid_range": [0, 10], "_FillValue": 3}
    stored = np.array([3, 5, 500], "int16")
    rule = tile_packing.of(attributes, "a", scale=2, offset=1, valid=(0, 1000), fill=[5, 6])
    np.testing.assert_array_equal(rule.decode(stored), [7, np.nan, 1001])
    assert rule.rule == "value = stored x 2 + 1 (scale as passed; offset as passed, added after scaling)"
    np.testing.assert_allclose(
        tile_packing.of(attributes, "a", scale=1, offset=0, valid=(-np.inf, np.inf)).decode(stored), [np.nan, 5, 500]
    )


def test_what_gdal_keeps_with_a_band_multiplies_unless_tags_say_more():
    stored = np.array([4], "int16")
    gdal = {"gdal_scale": 10.0, "gdal_offset": 2.0}
    assert tile_packing.of(gdal, "a").decode(stored) == 42
    assert tile_packing.of({"scale_factor": "10"}, "a").decode(stored) == np.float32(0.4)


def test_wide_numbers_keep_their_digits():
    back = tile_packing.of({"_FillValue": 0}, "a").decode(np.array([0, 4294966019], "uint32"))
    assert back.dtype == np.float64 and back[1] == 4294966019


def test_ends_of_the_range_may_stand_apart_and_fills_be_several():
    rule = tile_packing.of({"valid_min": 0, "_FillValue": [7, 8], "missing_value": "9"}, "a")
    np.testing.assert_array_equal(
        np.isfinite(rule.decode(np.arange(-1, 11, dtype="int8"))), [0] + [1] * 7 + [0] * 3 + [1]
    )


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": 0.0}, "a: expected scale_factor above zero, found 0; pass scale="),
        ({"scale_factor": -1.0}, "expected scale_factor above zero, found -1; pass scale="),
        ({"scale_factor": "see the guide"}, "expected scale_factor to be a number, found 'see the guide'; pass scale="),
        ({"scale_factor": [0.1, 0.2]}, "expected one scale_factor, found 2; pass scale="),
        ({"add_offset": float("nan")}, "expected a finite add_offset, found nan; pass offset="),
        ({"valid_range": [10, 0]}, r"expected a valid range from least to greatest, found \[10.0, 0.0\]; pass valid="),
        ({"valid_range": [10]}, r"found \[10.0\]; pass valid="),
    ],
)
def test_what_cannot_be_understood_names_the_parameter_that_helps(attributes, message):
    with pytest.raises(ProductError, match=message):
        tile_packing.of(attributes, "a")
