"""Land, economies, bands and areas against published areas, a slow integral and places that everyone knows."""

import gzip
import json

import numpy as np
import pytest
import shapely

from helpers import products
from helpers.products import ProductError
from helpers.space import regions
from helpers.space.grid import Grid

COUNTRIES = regions.OUTLINES / "countries-50m.geojson"


def centres(resolution, ascending=False):
    lat = np.arange(90 - resolution / 2, -90, -resolution)
    return (lat[::-1] if ascending else lat), np.arange(-180 + resolution / 2, 180, resolution)


def at(field, lat, lon, place):
    i, j = np.abs(lat - place[0]).argmin(), np.abs(lon - place[1]).argmin()
    return field[i, j]


@pytest.fixture(scope="module")
def quarter():
    lat, lon = centres(0.25)
    return lat, lon, regions.land(lat, lon), regions.economies(lat, lon), regions.cell_area(lat, lon)


def test_areas_sum_to_the_sphere_and_one_cell_is_a_slow_integral():
    for resolution, ascending in ((5.0, False), (0.5, True), (12.0, True)):
        lat, lon = centres(resolution, ascending)
        assert regions.cell_area(lat, lon).sum() == pytest.approx(4 * np.pi * 6371007.181**2, rel=1e-12)
    fine = np.radians(np.linspace(40, 41, 200_001))
    slow = regions.RADIUS**2 * np.radians(2.0) * np.trapezoid(np.cos(fine), fine)
    area = regions.cell_area([41.5, 40.5], [-1.0, 1.0])
    assert area[1, 0] == pytest.approx(slow, rel=1e-9)
    assert (area[0] < area[1]).all()


# Published land area and total area with inland waters, million km2; the outlines hold most lakes and lie between.
# CIA World Factbook (Brazil, China, India), US Census Bureau (land and inland waters, Great Lakes included), and UN
# Demographic Yearbook (Europe 23.05 less Russia 17.10 less Svalbard 0.06; its land is about 4 % less).
@pytest.mark.parametrize(
    ("name", "land_area", "total"),
    [
        ("Brazil", 8.358, 8.516),
        ("China", 9.326, 9.597),
        ("United States", 9.147, 9.525),
        ("India", 2.973, 3.287),
        ("Europe (without Russia)", 5.65, 5.89),
    ],
)
def test_economies_have_their_published_areas(quarter, name, land_area, total):
    *_, land, flags, area = quarter
    assert area[land].sum() / 1e12 == pytest.approx(148.9, rel=0.02)  # without ice shelves (1.5), with lakes
    assert (land[flags > 0]).mean() > 0.999  # an economy is on land
    flag = regions.ECONOMIES.index(name) + 1
    assert land_area * 0.99 < area[flags == flag].sum() / 1e12 < total * 1.01


BELONGING = {
    "": [(4, -53), (28.3, -16.6), (78.5, 16), (-21.1, 55.5), (64.3, -51), (54.7, 21.2), (55.7, 37.6), (39.9, 32.9)],
    "Brazil": [(2, -52)],
    "Europe (without Russia)": [(48.9, 2.3), (42.6, 21.0), (64.2, -21.2), (70.0, 25.0)],
    "United States": [(64.8, -147.7), (52.9, 172.9)],
    "China": [(29.6, 91.1)],
    "India": [(21.1, 79.1)],
}
"""To none: French Guiana, Tenerife, Svalbard, Reunion, Nuuk, Kaliningrad, Moscow, Ankara. Amapa; Paris, Pristina,
Reykjavik, North Cape; Fairbanks and Attu, across the date line; Lhasa; Nagpur."""
LAND = [(67, 179.4), (66.5, -175.5), (-17.8, 178.0), (72, -42), (-89.9, 0), (-75, 20), (10, 20)]
SEA = [(42, 50.5), (0, -150), (60, 179.9), (89.9, 0)]
"""Chukotka on both sides of the date line, Fiji, Greenland, Antarctica, Chad; the Caspian Sea and three oceans."""


def test_places_belong_where_they_belong_and_land_is_no_sea(quarter):
    lat, lon, land, flags, _ = quarter
    for name, places in BELONGING.items():
        found = {("", *regions.ECONOMIES)[at(flags, lat, lon, place)] for place in places}
        assert found == {name}
    assert all(at(land, lat, lon, place) for place in LAND) and not any(at(land, lat, lon, place) for place in SEA)


def test_mask_is_the_test_of_each_cell_centre():
    lat, lon = centres(5.0)
    shape = shapely.union_all([outline for outline, _ in regions.outlines(COUNTRIES)])
    slow = [[shape.contains(shapely.Point(x, y)) for x in lon] for y in lat]
    np.testing.assert_array_equal(regions.land(lat, lon), slow)


def test_bands_meet_at_thirty_degrees_and_shares_are_those_of_counting_by_hand():
    assert regions.band([30.01, 30.0, -30.0, -30.01, 90, -90]).tolist() == [0, 1, 1, 2, 0, 2]
    mask = np.array([[True, False], [True, True]])
    area = np.array([[1.0, 2.0], [4.0, 8.0]])
    within = np.array([[True, True], [True, False]])
    table = regions.group_shares(mask, area, {"all": np.ones((2, 2)), "none": np.zeros((2, 2))}, within)
    first = table.set_index("name").loc["all"]
    assert (first.n_cells, first.area_m2) == (3, 7.0)
    assert first.share_pixel == pytest.approx(2 / 3) and first.share_area == pytest.approx(5 / 7)
    assert np.isnan(table.set_index("name").loc["none", "share_area"])


def test_a_grid_that_is_uneven_or_runs_beyond_180_is_refused():
    for lat in ([10.0], [10.0, 9.0, 7.0], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="lat: expected"):
            regions.cell_area(lat, [0.0, 1.0])
    with pytest.raises(ValueError, match="normalise_lat_lon"):
        regions.land([1.0, 0.0], np.arange(0.5, 360))


def test_outlines_as_a_product_are_land_and_flags_with_names():
    drawn = products.read("natural_earth", COUNTRIES, grid=Grid(1))
    np.testing.assert_array_equal(drawn.land, regions.land(drawn.lat, drawn.lon))
    np.testing.assert_array_equal(drawn.country > 0, drawn.land)
    flags, words = (drawn.country.attrs[k] for k in ("flag_values", "flag_meanings"))
    names = dict(zip(flags.tolist(), words.split(), strict=True))
    assert (names[0], names[76], names[840]) == ("none", "Brazil", "United_States_of_America")
    places = {76: (-3.5, -60.5), 643: (67.5, 179.5), 356: (22.5, 78.5), 304: (75.5, -40.5), 10: (-89.5, 0.5)}
    for code, (lat, lon) in places.items():
        assert int(drawn.country.sel(lat=lat, lon=lon)) == code
    (india,) = [outline for outline, about in regions.outlines(COUNTRIES) if about["ADMIN"] == "India"]
    inside = shapely.contains_xy(india, *np.meshgrid(drawn.lon, drawn.lat))
    assert (inside == (drawn.country.values == 356)).all() and inside.sum() > 50
    land = products.read("natural_earth", regions.OUTLINES / "land-110m.geojson", grid=Grid(5))
    assert list(land) == ["land"] and 0.25 < land.land.mean() < 0.45


def test_geojson_as_natural_earth_gives_it_is_read_too_and_other_files_are_named(tmp_path):
    features = [
        {"ADMIN": "Here", "ISO_N3": "004"},
        {"ADMIN": "There", "ISO_N3": "-99", "ISO_N3_EH": "250"},  # as France is in some versions
        {"ADMIN": "Nowhere in particular", "ISO_N3": "-99", "ISO_N3_EH": "-99"},
    ]
    features = [
        {"type": "Feature", "properties": about, "geometry": shapely.geometry.mapping(shapely.box(x, 0, x + 10, 10))}
        for x, about in zip((0, 20, 40), features, strict=True)
    ]
    path = tmp_path / "ne_50m_admin_0_countries.geojson.gz"
    path.write_bytes(gzip.compress(json.dumps({"type": "FeatureCollection", "features": features}).encode()))
    (found,) = products.find("natural_earth", tmp_path)
    back = products.read("natural_earth", found, grid=Grid(5))
    values = back.country.sel(lat=2.5, lon=[2.5, 22.5, 42.5, 62.5]).values
    assert values.tolist() == [4, 250, 900, 0] and int(back.land.sum()) == 12
    assert back.country.attrs["flag_meanings"] == "none Here There Nowhere_in_particular"
    for text in ("<html>", '{"type": "Topology"}'):
        path = tmp_path / "countries-50m.geojson"
        path.write_text(text)
        with pytest.raises(ProductError, match=r"countries-50m\.geojson: expected outlines as GeoJSON"):
            products.read("natural_earth", path, grid=Grid(5))


def test_the_parts_of_the_world_say_what_their_flags_mean():
    target = Grid(5)
    parts = regions.parts(target.lat, target.lon)
    assert float(parts.area.sum()) == pytest.approx(4 * np.pi * 6371007.181**2)
    named = {}
    for name in ("band", "economy"):
        words = parts[name].attrs["flag_meanings"].split()
        assert parts[name].dtype == np.int8 and len(words) == len(parts[name].attrs["flag_values"])
        named[name] = dict(zip(words, parts[name].attrs["flag_values"], strict=True))
    at = {"lat": -7.5, "lon": -52.5}  # in Amazonia
    assert parts.economy.sel(at) == named["economy"]["Brazil"]
    assert parts.band.sel(at) == named["band"]["Tropics"]
    assert parts.economy.sel(lat=62.5, lon=-107.5) == named["economy"]["none"]  # in Canada
    assert parts.band.sel(lat=62.5, lon=-107.5) == named["band"]["Northern_Extra-tropics"]


# --- the boxes of the places that the paper names

TOWNS = {
    "Amazonia": ("Manaus", -3.12, -60.02),
    "US west coast": ("Portland, Oregon", 45.52, -122.68),
    "Eastern North America": ("Pittsburgh", 40.44, -79.99),
    "Central North America": ("Kansas City", 39.10, -94.58),
    "North America": ("Winnipeg", 49.90, -97.14),
    "Southern tip of North America": ("Guatemala City", 14.63, -90.51),
    "Eastern Brazil": ("Salvador", -12.97, -38.50),
    "Central South America": ("Filadelfia, Chaco", -22.35, -60.03),
    "Europe": ("Prague", 50.08, 14.44),
    "Central Europe": ("Vienna", 48.21, 16.37),
    "Central Russia": ("Krasnoyarsk", 56.01, 92.87),
    "South-western Russia": ("Volgograd", 48.71, 44.51),
    "Central Africa": ("Kisangani", 0.52, 25.19),
    "Eastern India": ("Bhubaneswar", 20.30, 85.82),
    "North-eastern China": ("Harbin", 45.80, 126.53),
    "South-eastern China": ("Guangzhou", 23.13, 113.26),
    "South-east Asia": ("Singapore", 1.35, 103.82),
}


def test_every_town_lies_in_its_box_and_its_antipode_does_not():
    assert set(TOWNS) == set(regions.places([0.0], [0.0]))
    for place, (_, lat, lon) in TOWNS.items():
        assert regions.places([lat], [lon])[place].all()
        assert not regions.places([-lat], [lon - 180 * np.sign(lon)])[place].any()


def test_every_box_holds_land_even_on_the_coarsest_grid():
    grid = Grid(3.0)
    land = regions.land(grid.lat, grid.lon)
    for place, inside in regions.places(grid.lat, grid.lon).items():
        assert (inside & land).sum() >= 3, place
