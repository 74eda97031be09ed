"""GLASS and MODIS: which files make a year, what it comes to, and how much memory a full-size one takes."""

import tracemalloc
import warnings

import numpy as np
import pytest
from eos_files import globe, lai_globe, npp_tile, tile, tile_corners

from helpers import products
from helpers.products import DamagedFile, ProductError
from helpers.space.grid import Grid

GIB = 2**30
ONE = np.full((4, 8), 10)
TILE = np.full((12, 12), 5000)


def read_npp(folder, years, **how):
    return products.read("mod17a3hgf", products.find("mod17a3hgf", folder), years=years, grid=Grid(1), **how)


def glass_lai(folder, year, days, shape=(4, 8), make=None):
    """Write one file a day of the year; its number is the day modulo 100 unless ``make`` says otherwise."""
    for day in days:
        values = np.full(shape, day % 100, "uint8") if make is None else make(day)
        lai_globe(folder, year, day, values)
    return products.find("glass_lai", folder)


def test_eight_day_periods_are_weighted_by_their_days(tmp_path, year=2000):
    days = list(range(1, 366, 8))
    back = products.read("glass_lai", glass_lai(tmp_path, year, days), years=[year])
    expected = np.average([0.1 * (d % 100) for d in days], weights=[8] * 45 + [6])
    np.testing.assert_allclose(back.lai.values, expected, rtol=1e-6)
    assert back.lai.dims == ("year", "lat", "lon") and back.lai.dtype == np.float32
    assert back.lat.values.tolist() == [67.5, 22.5, -22.5, -67.5] and back.lon[0] == -157.5
    assert back.lai.attrs["units"] == "m2 m-2" and back.lai.attrs["standard_name"] == "leaf_area_index"
    assert back.attrs["product_version"] == "V50" and back.lai.attrs["source"].endswith("version V50")


def test_a_year_is_the_mean_of_its_dates_by_days_where_they_cover_half_of_it(tmp_path):
    rng, days = np.random.default_rng(3), [1, 9, 40, 200, 205]
    stored = rng.integers(0, 100, (5, 450, 900)).astype("uint8")
    stored[rng.random(stored.shape) < 0.5] = 255
    for day, values in zip(days, stored, strict=True):
        lai_globe(tmp_path, 2001, day, values)
    back = products.read("glass_lai", tmp_path, years=[2001], dates_per_year=5).lai.values[0]
    lengths = np.diff([*days, 366])[:, None, None]
    covered = (lengths * (stored < 255)).sum(0)
    total = (lengths * np.where(stored < 255, stored * 0.1, 0)).sum(0)
    np.testing.assert_allclose(back, np.where(covered >= 182.5, total / np.maximum(covered, 1), np.nan), rtol=1e-6)


def test_missing_dates_are_named(tmp_path):
    paths = glass_lai(tmp_path, 2001, [d for d in range(1, 366, 8) if d not in (17, 361)])
    with pytest.raises(ProductError, match=r"2001: 2 of 46 dates are missing \(2001-01-17, 2001-12-27\); add"):
        products.read("glass_lai", paths, years=[2001])
    partial = products.read("glass_lai", paths, years=[2001], allow_partial=True)
    # A neighbour does not speak for the period that is missing: each date keeps its own eight days.
    expected = np.mean([0.1 * (d % 100) for d in range(1, 361, 8) if d != 17])
    np.testing.assert_allclose(partial.lai.values, expected, rtol=1e-6)


def test_fapar_may_stand_on_either_grid(tmp_path):
    stored = np.full((30, 30), 125, "uint8")
    stored[0] = 251
    name = "GLASS09E01.V50.A2001001.h18v04.2021110.hdf"
    path = tile(tmp_path / name, {"FAPAR": (stored, {"scale_factor": 0.004})}, "GLASS09E01", tile_corners(18, 4))
    how = {"years": [2001], "allow_partial": True}
    with pytest.raises(ProductError, match=r"sinusoidal tiles need a target: pass grid=Grid\(resolution\)"):
        products.read("glass_fapar", path, **how)
    tiled = products.read("glass_fapar", path, grid=Grid(1), **how).fapar
    assert tiled.sel(lat=44.5, lon=4.5).item() == pytest.approx(0.5) and int(tiled.notnull().sum()) > 50
    fields = {"FAPAR": (np.full((4, 8), 250, "uint8"), {})}
    whole = globe(tmp_path / "GLASS09E01.V50.A2001001.2021110.hdf", fields, "GLASS09E01")
    np.testing.assert_allclose(products.read("glass_fapar", whole, **how).fapar.values, 1.0)


@pytest.mark.parametrize("version", ["006", "061"])
def test_npp_keeps_values_and_drops_classes(tmp_path, version):
    stored = np.repeat([[-30000, 0, 12345, 32700, 32761]], 5, axis=0).astype("int16")
    stored[-1] = 32767
    gross = np.repeat([[0, 1, 40000, 65500, 65529]], 5, axis=0).astype("uint16")
    more = {"Gpp_500m": (gross, {"scale_factor": 0.0001, "_FillValue": 65535})} if version == "061" else {}
    path = npp_tile(tmp_path, 2001, stored, version=version, **more)
    back = products.read("mod17a3hgf", path, years=[2001], grid=Grid(1)).isel(year=0)
    along = {"lat": 5.5, "lon": [1.5, 3.5, 5.5, 7.5, 8.5]}
    np.testing.assert_allclose(back.npp.sel(along), [-3, 0, 1.2345, 3.27, np.nan], rtol=1e-6)
    assert np.isnan(back.npp.sel(lat=0.5, lon=3.5)) and back.npp.attrs["units"] == "kg m-2 yr-1"
    assert ("gpp" in back) == (version == "061")
    if version == "061":
        np.testing.assert_allclose(back.gpp.sel(along), [0, 1e-4, 4, 6.55, np.nan], rtol=1e-6)


def test_land_cover_has_seventeen_classes_and_water_is_zero(tmp_path):
    stored = np.array([[0, 1, 16, 17], [255, 5, 11, 254]], "uint8")
    fields = {"Majority_Land_Cover_Type_1": (stored, {"_FillValue": 255})}
    path = globe(tmp_path / "MCD12C1.A2018001.006.2019200161458.hdf", fields, "MOD12C1")
    back = products.read("mcd12c1", path, years=[2018]).igbp
    assert back.values.tolist() == [[[0, 1, 16, 0], [-1, 5, 11, -1]]] and back.dtype == np.int8
    assert len(back.attrs["flag_meanings"].split()) == len(back.attrs["flag_values"]) == 17


def test_collection_61_of_npp_begins_in_2001(tmp_path):
    npp_tile(tmp_path, 2001, TILE, version="061")
    with pytest.raises(ProductError, match="^mod17a3hgf 2000: its Collection 6.1 begins in 2001 .* first_year: 2001"):
        read_npp(tmp_path, [2000, 2001])


def test_a_tile_that_other_years_have_is_missed(tmp_path):
    npp_tile(tmp_path, 2001, TILE)
    npp_tile(tmp_path, 2001, TILE, hv=(19, 8))
    npp_tile(tmp_path, 2002, TILE)
    with pytest.raises(ProductError, match=r"^mod17a3hgf h19v08 2002: 1 of 1 dates are missing \(2002-01-01\)"):
        read_npp(tmp_path, [2001, 2002])
    with pytest.warns(UserWarning, match=r"^mod17a3hgf h19v08 2002: 1 of 1 dates are missing .*other dates$"):
        back = read_npp(tmp_path, [2002], allow_partial=True).npp.isel(year=0)
    assert back.sel(lat=4.5, lon=4.5) == pytest.approx(0.5) and np.isnan(back.sel(lat=4.5, lon=14.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_npp(tmp_path, [2001])


def test_files_that_make_no_year_are_refused_by_name(tmp_path):
    old = npp_tile(tmp_path, 2001, TILE)
    new = old.with_name(old.name.replace("2020139230131", "2021139230131"))
    new.write_bytes(old.read_bytes())
    with pytest.raises(ProductError, match=f"{new.name}: expected one file a date and tile, found {old.name} too"):
        read_npp(tmp_path, [2001])
    new.unlink()
    with pytest.raises(ProductError, match=r"2020: expected files of that year, found none \(there are 2001\)"):
        read_npp(tmp_path, [2001, 2020])
    days = glass_lai(tmp_path, 2001, (*range(1, 366, 8), 100))
    with pytest.raises(ProductError, match="2001: expected dates of 8-day files, found day 100 of the year too"):
        products.read("glass_lai", days, years=[2001])
    wrong = days[0].rename(days[0].with_name(days[0].name.replace("A2001001", "A2001366")))
    with pytest.raises(ProductError, match="A2001366.*: expected a day of the year 2001, found 366; correct the file"):
        products.read("glass_lai", wrong, years=[2001])


def test_damage_inside_a_file_is_met_when_its_year_is_computed(tmp_path):
    noise = np.random.default_rng(1).integers(0, 100, (60, 120))
    for year in (2001, 2002):
        path = lai_globe(tmp_path, year, 1, noise, packed=True)
    content = bytearray(path.read_bytes())
    at = len(content) // 2
    content[at : at + 40] = bytes(255 - b for b in content[at : at + 40])
    path.write_bytes(content)
    lazy = products.read("glass_lai", tmp_path, years=[2001, 2002], dates_per_year=1).lai
    np.testing.assert_allclose(lazy.sel(year=2001).values, 0.1 * noise, rtol=1e-6)
    with pytest.raises(DamagedFile, match=rf"{path.name}: cannot be read; it is damaged, cut short or of"):
        lazy.compute()


def test_files_without_any_value_are_counted_and_the_first_is_named(tmp_path):
    for h in range(18, 22):
        path = npp_tile(tmp_path, 2001, np.full((12, 12), 32761 if h > 19 else 1000), hv=(h, 8))
    blank = path.name.replace("h21", "h20")
    with pytest.warns(UserWarning, match=f"2001: 2 of 4 files hold no value of 'Npp_500m', the first is {blank}"):
        back = products.read("mod17a3hgf", tmp_path, years=[2001], grid=Grid(1)).npp.sel(year=2001, lat=4.5)
    assert back.sel(lon=4.5) == pytest.approx(0.1) and np.isnan(back.sel(lon=24.5))


def peak(ask):
    """Return what ``ask()`` gives, and the most memory that it held meanwhile."""
    tracemalloc.start()
    try:
        out = ask()
        return out, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_two_full_size_years_of_degrees_take_less_than_a_gibibyte(tmp_path):
    stored = np.repeat(np.arange(3600) // 40, 7200).reshape(3600, 7200).astype("uint8")
    for year in (2001, 2002):
        for day in (1, 185):
            lai_globe(tmp_path, year, day, stored)
    read = products.read("glass_lai", tmp_path, years=[2001, 2002], dates_per_year=2)
    back, most = peak(lambda: read.lai.compute())
    np.testing.assert_allclose(back.values[1], np.float32(0.1) * stored, rtol=1e-6)
    assert most < GIB  # two years of the result are 0.2 GiB of it, and one's end may meet the other's beginning


@pytest.mark.parametrize("method", ["nearest", "average"])
def test_a_year_of_full_size_tiles_takes_a_few_fields(tmp_path, method):
    target = Grid(0.05)
    for h, v in ((18, 4), (19, 4), (18, 8)):
        rows = 1000 * v + np.arange(2400) // 12
        npp_tile(tmp_path, 2001, np.repeat(rows, 2400).reshape(2400, 2400), hv=(h, v))
    back, most = peak(lambda: products.read("mod17a3hgf", tmp_path, years=[2001], grid=target, method=method).npp)
    row = np.flatnonzero(np.isclose(target.lat, 44.975))[0]  # cell 101 of tile row 4
    found = back.values[0, row][np.isfinite(back.values[0, row])]
    assert found.size > 500 and np.all(found == pytest.approx(0.41, abs=2e-4))
    assert most < 1.25 * GIB
