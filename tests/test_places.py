"""The boxes of the places that the paper names, against towns whose positions are known."""

import numpy as np

from helpers.space import regions
from helpers.space.grid import Grid

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
