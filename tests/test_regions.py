"""Land, economies, bands and areas against published areas, a slow integral and places that everyone knows."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.products import natural_earth
from helpers.space import regions


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


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([5.0, 3.0, 1.0, 0.5, 12.0]), st.booleans())
def test_areas_sum_to_the_sphere(resolution, ascending):
    lat, lon = centres(resolution, ascending)
    assert regions.cell_area(lat, lon).sum() == pytest.approx(4 * np.pi * 6371007.181**2, rel=1e-12)


def test_area_of_one_cell_against_a_slow_integral():
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
    *_, flags, area = quarter
    flag = regions.ECONOMIES.index(name) + 1
    assert land_area * 0.99 < area[flags == flag].sum() / 1e12 < total * 1.01


def test_land_has_its_published_area(quarter):
    _, _, land, flags, area = quarter
    assert area[land].sum() / 1e12 == pytest.approx(148.9, rel=0.02)  # without ice shelves (1.5), with lakes
    assert (land[flags > 0]).mean() > 0.999  # an economy is on land


@pytest.mark.parametrize(
    ("place", "lat_lon", "expected"),
    [
        ("French Guiana", (4, -53), ""),
        ("Tenerife", (28.3, -16.6), ""),
        ("Svalbard", (78.5, 16), ""),
        ("Reunion", (-21.1, 55.5), ""),
        ("Nuuk", (64.3, -51), ""),
        ("Kaliningrad", (54.7, 21.2), ""),
        ("Moscow", (55.7, 37.6), ""),
        ("Ankara", (39.9, 32.9), ""),
        ("Cayenne's neighbour Amapa", (2, -52), "Brazil"),
        ("Paris", (48.9, 2.3), "Europe (without Russia)"),
        ("Pristina", (42.6, 21.0), "Europe (without Russia)"),
        ("Reykjavik", (64.2, -21.2), "Europe (without Russia)"),
        ("North Cape", (70.0, 25.0), "Europe (without Russia)"),
        ("Hokkaido", (43.4, 142.8), ""),
        ("Fairbanks", (64.8, -147.7), "United States"),
        ("Attu, across the date line", (52.9, 172.9), "United States"),
        ("Lhasa", (29.6, 91.1), "China"),
        ("Nagpur", (21.1, 79.1), "India"),
    ],
)
def test_places_belong_where_they_belong(quarter, place, lat_lon, expected):
    lat, lon, _, flags, _ = quarter
    meanings = ("", *regions.ECONOMIES)
    assert meanings[at(flags, lat, lon, lat_lon)] == expected, place


@pytest.mark.parametrize(
    ("lat_lon", "expected"),
    [
        ((67, 179.4), True),  # Chukotka west and east of the date line
        ((66.5, -175.5), True),
        ((-17.8, 178.0), True),  # Fiji
        ((72, -42), True),  # Greenland
        ((-89.9, 0), True),
        ((-75, 20), True),
        ((42, 50.5), False),  # Caspian Sea
        ((0, -150), False),
        ((60, 179.9), False),
        ((10, 20), True),
        ((89.9, 0), False),
    ],
)
def test_land_and_sea(quarter, lat_lon, expected):
    lat, lon, land, _, _ = quarter
    assert at(land, lat, lon, lat_lon) == expected


def test_mask_is_the_test_of_each_cell_centre():
    lat, lon = centres(5.0)
    shape = natural_earth.land()
    slow = [[shape.contains(shapely.Point(x, y)) for x in lon] for y in lat]
    np.testing.assert_array_equal(regions.land(lat, lon), slow)


def test_mask_follows_the_direction_of_latitude():
    lat, lon = centres(3.0)
    np.testing.assert_array_equal(regions.land(lat[::-1], lon), regions.land(lat, lon)[::-1])
    np.testing.assert_array_equal(regions.economies(lat[::-1], lon), regions.economies(lat, lon)[::-1])


def test_part_of_the_world_equals_the_same_part_of_the_whole():
    lat, lon = centres(1.0)
    part = regions.land(lat[20:60], lon[100:220])
    np.testing.assert_array_equal(part, regions.land(lat, lon)[20:60, 100:220])


def test_bands_meet_at_thirty_degrees():
    assert regions.band([30.01, 30.0, -30.0, -30.01, 90, -90]).tolist() == [0, 1, 1, 2, 0, 2]
    assert regions.band(np.array([[40.0], [0.0]])).dtype == np.int8
    assert regions.BAND_NAMES == ("Northern Extra-tropics", "Tropics", "Southern Extra-tropics")


def test_igbp_has_seventeen_classes_and_reads_both_ways():
    assert sorted(regions.IGBP) == list(range(17))
    assert regions.IGBP[regions.IGBP_CODES["EBF"]][1] == "Evergreen broadleaf forests"
    assert len(regions.IGBP_CODES) == 17


def test_group_shares_against_counting_by_hand():
    mask = np.array([[True, False], [True, True]])
    area = np.array([[1.0, 2.0], [4.0, 8.0]])
    within = np.array([[True, True], [True, False]])
    table = regions.group_shares(mask, area, {"all": np.ones((2, 2)), "none": np.zeros((2, 2))}, within)
    first = table.set_index("name").loc["all"]
    assert (first.n_cells, first.area_m2) == (3, 7.0)
    assert first.share_pixel == pytest.approx(2 / 3) and first.share_area == pytest.approx(5 / 7)
    assert np.isnan(table.set_index("name").loc["none", "share_area"])


@pytest.mark.parametrize("lat", [[10.0], [10.0, 9.0, 7.0], [[1.0, 2.0]]])
def test_an_uneven_grid_is_refused(lat):
    with pytest.raises(ValueError, match="lat: expected"):
        regions.cell_area(lat, [0.0, 1.0])


def test_longitudes_beyond_180_are_refused():
    with pytest.raises(ValueError, match="normalise_lat_lon"):
        regions.land([1.0, 0.0], np.arange(0.5, 360))


def test_a_ring_around_the_pole_becomes_its_cap():
    ring = np.array([[-180.0, -70], [-90, -70], [0, -70], [90, -70], [180, -70]])
    cap = natural_earth.ring_polygon(ring)
    assert cap.is_valid and cap.area == pytest.approx(360 * 20)


def test_a_ring_over_the_date_line_is_cut_in_two():
    shape = natural_earth.ring_polygon(np.array([[170.0, 0], [-170, 0], [-170, 10], [170, 10], [170, 0]]))
    assert shape.area == pytest.approx(200) and shape.bounds == (-180, 0, 180, 10)
    assert not shape.contains(shapely.Point(0, 5))


def test_a_bow_tie_is_mended():
    shape = natural_earth.ring_polygon(np.array([[0.0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]))
    assert shape.is_valid and shape.area == pytest.approx(2)


def test_arcs_are_decoded_forwards_and_backwards():
    content = {"arcs": [[[0, 0], [1, 0]], [[1, 0], [0, 2]]], "transform": {"scale": [2, 3], "translate": [10, 20]}}
    arcs = natural_earth.decode_arcs(content)
    np.testing.assert_array_equal(arcs[1], [[12, 20], [12, 26]])
    np.testing.assert_array_equal(natural_earth.join_arcs([~1, ~0], arcs), [[12, 26], [12, 20], [10, 20]])


@pytest.mark.parametrize(
    ("text", "message"), [("{", "no JSON"), ('{"type": "Polygon"}', "Topology"), ("[]", "Topology")]
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    path = tmp_path / "land.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        natural_earth.topology(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        natural_earth.topology(tmp_path / "absent.json")
