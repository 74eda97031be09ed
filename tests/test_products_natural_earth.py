"""Outlines drawn onto a grid, against the rooms above that use the same outlines, and points looked up one by one."""

import gzip
import json

import numpy as np
import pytest
import shapely

from helpers import products
from helpers.products import ProductError, natural_earth
from helpers.space import regions
from helpers.space.grid import Grid

COUNTRIES = natural_earth.FOLDER / "countries-50m.json"


@pytest.fixture(scope="module")
def drawn():
    return products.read("natural_earth", COUNTRIES, grid=Grid(1))


def test_land_is_that_of_the_regions(drawn):
    assert drawn.land.dtype == bool and drawn.land.attrs["standard_name"] == "land_binary_mask"
    np.testing.assert_array_equal(drawn.land, regions.land(drawn.lat, drawn.lon))


def test_land_is_what_countries_make_together(drawn):
    np.testing.assert_array_equal(drawn.country > 0, drawn.land)
    assert (drawn.country.sel(lat=-89.5) == 10).all()  # Antarctica, which circles the pole


def test_countries_are_flags_with_names(drawn):
    country = drawn.country
    assert country.dtype == np.int16
    names = dict(zip(country.attrs["flag_values"].tolist(), country.attrs["flag_meanings"].split(), strict=True))
    assert (names[0], names[76], names[840]) == ("none", "Brazil", "United_States_of_America")
    assert set(np.unique(country)) <= set(names)
    places = {76: (-3.5, -60.5), 643: (67.5, 179.5), 356: (22.5, 78.5), 304: (75.5, -40.5), 0: (0.5, -30.5)}
    for code, (lat, lon) in places.items():
        assert int(country.sel(lat=lat, lon=lon)) == code
    without = [name for code, name in names.items() if code >= natural_earth.WITHOUT_CODE]
    assert "Kosovo" in without and without == sorted(without)


def test_each_cell_is_of_the_country_that_its_centre_lies_in(drawn):
    shapes = natural_earth.countries()
    for letters, code in (("IND", 356), ("FRA", 250), ("CHN", 156)):
        inside = shapely.contains_xy(shapes[letters], *np.meshgrid(drawn.lon, drawn.lat))
        assert (inside != (drawn.country.values == code)).mean() < 1e-4 and inside.sum() > 50


def test_land_alone_has_no_countries():
    back = products.read("natural_earth", natural_earth.FOLDER / "land-110m.json", grid=Grid(5))
    assert list(back) == ["land"] and 0.25 < back.land.mean() < 0.45


def test_geojson_as_natural_earth_gives_it_is_read_too(tmp_path):
    def feature(west, **about):
        box = shapely.geometry.mapping(shapely.box(west, 0, west + 10, 10))
        return {"type": "Feature", "properties": about, "geometry": box}

    features = [
        feature(0, ADMIN="Here", ISO_N3="004"),
        feature(20, ADMIN="There", ISO_N3="-99", ISO_N3_EH="250"),  # as France is in some versions
        feature(40, ADMIN="Nowhere in particular", ISO_N3="-99", ISO_N3_EH="-99"),
    ]
    path = tmp_path / "ne_50m_admin_0_countries.geojson.gz"
    path.write_bytes(gzip.compress(json.dumps({"type": "FeatureCollection", "features": features}).encode()))
    (found,) = products.find("natural_earth", tmp_path)
    back = products.read("natural_earth", found, grid=Grid(5))
    values = back.country.sel(lat=2.5, lon=[2.5, 22.5, 42.5, 62.5]).values
    assert values.tolist() == [4, 250, 900, 0] and int(back.land.sum()) == 12
    assert back.country.attrs["flag_meanings"] == "none Here There Nowhere_in_particular"


def test_what_is_no_outline_is_named(tmp_path):
    for text, found in (("{}", "found type None"), ("<html>", "no JSON"), ('{"type": "Point"}', "found type 'Point'")):
        path = tmp_path / "countries-50m.json"
        path.write_text(text)
        with pytest.raises(ProductError, match=rf"countries-50m\.json: expected .*{found}.*restore the file"):
            products.read("natural_earth", path, grid=Grid(5))
    with pytest.raises(
        ProductError, match=r"expected one file of outlines, found countries-50m\.json, land-110m\.json"
    ):
        paths = products.find("natural_earth", natural_earth.FOLDER.parent)
        products.read("natural_earth", paths, grid=Grid(5))
