"""What chapter 1 leans on: how large a file says its pixels are, and its maps written year by year."""

import numpy as np
import pytest
import xarray as xr

from helpers import products
from helpers.space import grid, maps, regions


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cru_tmp", 30.0),
        ("spei", 30.0),
        ("glass_par", 6.0),
        ("mod13a3", 180 / 75),
        ("mod17a3hgf", 180 / 75),
        ("soilgrids2017", 2.0),
        ("mcd12c1", 6.0),
    ],
)
def test_a_files_pixels_are_as_large_as_it_was_written(exact, name, size):
    _, files, _ = exact
    metres = np.deg2rad(size) * 6371007.181  # of the sinusoidal grid, along a meridian
    expected = f"{metres / 1000:.3g} km" if name.startswith("mod1") else f"{size:g}°"
    assert products.pixel(name, files[name][0]) == expected


def test_towers_have_no_pixels(exact):
    _, files, _ = exact
    with pytest.raises(products.ProductError, match="expected a file with pixels"):
        products.pixel("fluxnet2015", files["fluxnet2015"][0])


def test_years_are_appended_with_their_names_and_units(tmp_path):
    rng = np.random.default_rng(5)
    coords = {"year": [2001, 2002], "lat": [45.0, -45.0], "lon": [-90.0, 90.0]}
    cube = xr.Dataset(
        {v: (tuple(coords), rng.random((2, 2, 2), dtype="float32"), {"units": "1"}) for v in "ab"}, coords
    )
    for year in cube.year.values:
        maps.append_year(tmp_path, cube.sel(year=[year]))
    back = xr.open_zarr(tmp_path)
    xr.testing.assert_identical(back.load(), cube)
    assert back.a.encoding["chunks"] == (1, 2, 2)


def test_the_parts_of_the_world_say_what_their_flags_mean():
    target = grid.Grid(5)
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
