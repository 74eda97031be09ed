"""GLASS and MODIS: a year out of dates and tiles, from small files with known numbers."""

import calendar
from datetime import date

import numpy as np
import pytest
from eos_files import globe, grid_text, lai_globe, ndvi_tile, npp_tile, struct, tile, tile_corners, write

from helpers import products
from helpers.grid import Grid
from helpers.products import ProductError, dates

NDVI = "MOD_Grid_monthly_1km_VI"


def glass_lai(folder, year, days, shape=(4, 8), make=None):
    """Write one file a day of the year; its number is the day modulo 100 unless ``make`` says otherwise."""
    for day in days:
        values = np.full(shape, day % 100, "uint8") if make is None else make(day)
        lai_globe(folder, year, day, values)
    return products.find("glass_lai", folder)


@pytest.mark.parametrize("year", [2000, 2001, 2100])
def test_the_dates_of_a_year_stand_for_all_its_days(year):
    whole = 366 if calendar.isleap(year) else 365
    for step, count in (("daily", whole), ("8-day", 46), ("monthly", 12), ("yearly", 1)):
        days = dates.expected_days(year, step)
        assert len(days) == count and sum(dates.days_of(days, year)) == whole
    lengths = [calendar.monthrange(year, m)[1] for m in range(1, 13)]
    assert dates.days_of(dates.month_starts(year), year) == lengths
    assert dates.days_of(dates.expected_days(year, "8-day"), year)[-1] == whole - 360


@pytest.mark.parametrize("year", [2000, 2001])
def test_eight_day_periods_are_weighted_by_their_days(tmp_path, year):
    days = list(range(1, 366, 8))
    back = products.read("glass_lai", glass_lai(tmp_path, year, days), years=[year])
    last = 6 if year == 2000 else 5
    expected = np.average([0.1 * (d % 100) for d in days], weights=[8] * 45 + [last])
    np.testing.assert_allclose(back.lai.values, expected, rtol=1e-6)
    assert back.lai.dims == ("year", "lat", "lon") and back.lai.dtype == np.float32
    assert back.lat.values.tolist() == [67.5, 22.5, -22.5, -67.5] and back.lon[0] == -157.5
    assert back.lai.attrs["units"] == "m2 m-2" and back.lai.attrs["standard_name"] == "leaf_area_index"
    assert back.attrs["product_version"] == "V50" and back.lai.attrs["source"].endswith("version V50")


def test_a_cell_counts_where_half_of_the_year_has_a_value(tmp_path):
    def make(day):
        values = np.full((4, 8), 20, "uint8")
        values[0] = 255
        values[1] = 30 if day <= 185 else 255  # 24 of 46 periods
        values[2] = 30 if day <= 145 else 249  # 19 of them; 249 is beyond the valid range
        return values

    paths = glass_lai(tmp_path, 2001, range(1, 366, 8), make=make)
    rows = products.read("glass_lai", paths, years=[2001]).lai.values[0, :, 0]
    np.testing.assert_allclose(rows, [np.nan, 3.0, np.nan, 2.0], rtol=1e-6)


def test_missing_dates_are_named(tmp_path):
    paths = glass_lai(tmp_path, 2001, [d for d in range(1, 366, 8) if d not in (17, 361)])
    with pytest.raises(ProductError, match=r"2001: 2 of 46 dates are missing \(2001-01-17, 2001-12-27\); add"):
        products.read("glass_lai", paths, years=[2001])
    partial = products.read("glass_lai", paths, years=[2001], allow_partial=True)
    # A neighbour does not speak for the period that is missing: each date keeps its own eight days.
    expected = np.mean([0.1 * (d % 100) for d in range(1, 361, 8) if d != 17])
    np.testing.assert_allclose(partial.lai.values, expected, rtol=1e-6)


def test_many_missing_dates_are_counted_and_not_all_named(tmp_path):
    with pytest.raises(ProductError, match=r"36 of 46 dates are missing \(.*2001-05-01 and 30 more\)"):
        products.read("glass_lai", glass_lai(tmp_path, 2001, range(1, 80, 8)), years=[2001])


def test_a_thinned_product_has_so_many_dates_a_year(tmp_path):
    paths = glass_lai(tmp_path, 2001, [1, 101, 301], make=lambda day: np.full((4, 8), day // 10, "uint8"))
    back = products.read("glass_lai", paths, years=[2001], dates_per_year=3)
    np.testing.assert_allclose(back.lai.values, (100 * 0.0 + 200 * 1.0 + 65 * 3.0) / 365, rtol=1e-6)
    with pytest.raises(ProductError, match=r"glass_lai 2001: expected 4 dates \(dates_per_year\), found 3"):
        products.read("glass_lai", paths, years=[2001], dates_per_year=4)


def test_a_year_without_files_is_named(tmp_path):
    with pytest.raises(ProductError, match="glass_lai 1999: expected files of that year, found none"):
        products.read("glass_lai", glass_lai(tmp_path, 2001, [1]), years=[1999], allow_partial=True)


def test_a_date_made_twice_is_refused(tmp_path):
    glass_lai(tmp_path, 2001, [1])
    for number in ("2021111", "2021112"):
        (tmp_path / f"GLASS01B01.V50.A2001009.{number}.hdf").touch()
    with pytest.raises(ProductError, match="one file a date and tile, found GLASS01B01.V50.A2001009.2021111.hdf too"):
        products.read("glass_lai", products.find("glass_lai", tmp_path), years=[2001], allow_partial=True)


def test_par_is_in_hundredths_and_negative_numbers_are_fills(tmp_path):
    stored = np.array([[-1, 0, 12345, 30000]] * 2, "int16")
    fields = {"PAR": (stored, {"scale_factor": 0.01})}
    path = globe(tmp_path / "GLASS04B01.V42.A2001001.2020313.hdf", fields, "GLASS04B01")
    back = products.read("glass_par", path, years=[2001], allow_partial=True)
    np.testing.assert_allclose(back.par.values[0, 0], [np.nan, 0, 123.45, 300], rtol=1e-6)


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


@pytest.mark.parametrize("year", [2000, 2001])
def test_ndvi_months_are_weighted_by_their_days(tmp_path, year):
    starts = [date(year, m, 1).timetuple().tm_yday for m in range(1, 13)]
    for month, day in enumerate(starts):
        ndvi_tile(tmp_path, year, day, np.full((20, 20), 500 * month - 1500))
    back = products.read("mod13a3", products.find("mod13a3", tmp_path), years=[year], grid=Grid(1))
    lengths = [calendar.monthrange(year, m)[1] for m in range(1, 13)]
    expected = np.average([0.05 * m - 0.15 for m in range(12)], weights=lengths)
    assert back.ndvi.sel(lat=4.5, lon=4.5).item() == pytest.approx(expected, rel=1e-6)
    assert back.sizes == {"year": 1, "lat": 180, "lon": 360}


def test_a_tile_that_lacks_a_month_is_named(tmp_path):
    for day in dates.month_starts(2001):
        ndvi_tile(tmp_path, 2001, day, np.full((4, 4), 5000))
        if day != 60:
            ndvi_tile(tmp_path, 2001, day, np.full((4, 4), 5000), hv=(19, 8))
    with pytest.raises(ProductError, match=r"mod13a3 h19v08 2001: 1 of 12 dates are missing \(2001-03\)"):
        products.read("mod13a3", products.find("mod13a3", tmp_path), years=[2001], grid=Grid(10))


def test_reliability_screens_only_when_asked(tmp_path):
    rank = np.repeat([[0, 1, 2, 3, -1]], 5, axis=0)
    stored = np.repeat([[1000, 2000, 3000, 4000, -3000]], 5, axis=0)
    path = ndvi_tile(tmp_path, 2001, 1, stored, rank)
    how = {"years": [2001], "grid": Grid(1), "allow_partial": True}
    along = {"lat": 0.5, "lon": [1.5, 3.5, 5.5, 7.5, 8.5]}
    whole = products.read("mod13a3", path, **how).ndvi.isel(year=0).sel(along).values
    np.testing.assert_allclose(whole, [0.1, 0.2, 0.3, 0.4, np.nan], rtol=1e-6)
    screened = products.read("mod13a3", path, keep_reliability=[0, 1], **how).ndvi.isel(year=0).sel(along).values
    np.testing.assert_allclose(screened, [0.1, 0.2, np.nan, np.nan, np.nan], rtol=1e-6)


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


def test_a_tile_smaller_than_it_says_is_refused(tmp_path):
    path = ndvi_tile(tmp_path, 2001, 1, np.zeros((4, 4)))
    text = struct(grid_text(1, NDVI, (8, 8), ["1 km monthly NDVI"], tile_corners(18, 8)))
    fields = {"1 km monthly NDVI": (np.zeros((4, 4), "int16"), {})}
    write(path, fields, text)
    with pytest.raises(ProductError, match=r"expected 8x8 pixels, found 4x4; fetch it again"):
        products.read("mod13a3", path, years=[2001], grid=Grid(1), allow_partial=True)


def test_land_cover_has_seventeen_classes_and_water_is_zero(tmp_path):
    stored = np.array([[0, 1, 16, 17], [255, 5, 11, 254]], "uint8")
    fields = {"Majority_Land_Cover_Type_1": (stored, {"_FillValue": 255})}
    path = globe(tmp_path / "MCD12C1.A2018001.006.2019200161458.hdf", fields, "MOD12C1")
    back = products.read("mcd12c1", path, years=[2018]).igbp
    assert back.values.tolist() == [[[0, 1, 16, 0], [-1, 5, 11, -1]]] and back.dtype == np.int8
    assert len(back.attrs["flag_meanings"].split()) == len(back.attrs["flag_values"]) == 17


def test_a_name_of_another_product_is_refused(tmp_path):
    (tmp_path / "MOD13Q1.A2001001.h18v04.006.1.hdf").touch()
    with pytest.raises(ProductError, match=r"MOD13Q1.*expected a mod13a3 file named like MOD13A3\.A2001001"):
        products.read("mod13a3", tmp_path / "MOD13Q1.A2001001.h18v04.006.1.hdf", years=[2001], grid=Grid(1))
