"""Which files make a year: every way in which a folder of dates and tiles can be wrong, and what is said of it."""

import gzip
import re
import warnings

import numpy as np
import pytest
from eos_files import globe, lai_globe, ndvi_tile, npp_tile

from helpers import products
from helpers.grid import Grid
from helpers.products import ProductError, dates

ONE = np.full((4, 8), 10)
TILE = np.full((12, 12), 5000)


def said(error):
    """Return a message, which is one line, without the folder."""
    text = str(error.value)
    assert "\n" not in text
    return re.sub(r"/\S*/", "", text)


def read_npp(folder, years, **how):
    return products.read("mod17a3hgf", products.find("mod17a3hgf", folder), years=years, grid=Grid(1), **how)


def test_collection_61_of_npp_begins_in_2001(tmp_path):
    for year in (2001, 2002):
        npp_tile(tmp_path, year, TILE, version="061")
    with pytest.raises(ProductError) as error:
        read_npp(tmp_path, [2000, 2001])
    assert said(error) == (
        "mod17a3hgf 2000: its Collection 6.1 begins in 2001 and has no 2000; "
        "set first_year: 2001 (a parameter of chapter 1), or ask for years from 2001 on"
    )
    assert read_npp(tmp_path, [2001, 2002]).year.values.tolist() == [2001, 2002]


def test_collection_6_of_npp_has_2000(tmp_path):
    npp_tile(tmp_path, 2000, TILE)
    assert float(read_npp(tmp_path, [2000]).npp.max()) == pytest.approx(0.5)


def test_two_versions_are_refused_by_name(tmp_path):
    paths = [npp_tile(tmp_path, 2001, TILE, version=version) for version in ("006", "061")]
    for ask in (lambda: read_npp(tmp_path, [2001]), lambda: products.read("mod17a3hgf", paths, years=[2001])):
        with pytest.raises(ProductError, match=r"expected one version of mod17a3hgf, found 006 .*and 061.*; keep one"):
            ask()


def test_a_year_without_files_is_named_beside_those_there_are(tmp_path):
    cover = {"Majority_Land_Cover_Type_1": (np.ones((4, 8), "uint8"), {"_FillValue": 255})}
    paths = [globe(tmp_path / f"MCD12C1.A{y}001.061.2022169160720.hdf", cover, "MOD12C1") for y in (2001, 2018)]
    with pytest.raises(ProductError) as error:
        products.read("mcd12c1", paths, years=[2018, 2020])
    assert said(error) == (
        "mcd12c1 2020: expected files of that year, found none (there are 2001, 2018); add them, or ask for other years"
    )
    both = products.read("mcd12c1", paths, years=[2001, 2018]).igbp
    assert both.chunks[0] == (1, 1) and both.dtype == np.int8 and (both.values == 1).all()


def test_no_years_are_refused(tmp_path):
    npp_tile(tmp_path, 2001, TILE)
    with pytest.raises(ProductError, match="mod17a3hgf: expected at least one year, found none; pass years="):
        read_npp(tmp_path, [])


def test_a_tile_that_other_years_have_is_missed(tmp_path):
    npp_tile(tmp_path, 2001, TILE)
    npp_tile(tmp_path, 2001, TILE, hv=(19, 8))
    npp_tile(tmp_path, 2002, TILE)
    with pytest.raises(ProductError) as error:
        read_npp(tmp_path, [2001, 2002])
    assert said(error) == (
        "mod17a3hgf h19v08 2002: 1 of 1 dates are missing (2002-01-01); add them, or pass allow_partial=True"
    )
    with pytest.warns(UserWarning, match=r"^mod17a3hgf h19v08 2002: 1 of 1 dates are missing .*other dates$"):
        back = read_npp(tmp_path, [2002], allow_partial=True).npp.isel(year=0)
    assert back.sel(lat=4.5, lon=4.5) == pytest.approx(0.5) and np.isnan(back.sel(lat=4.5, lon=14.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_npp(tmp_path, [2001])


def test_a_partial_year_is_accepted_aloud(tmp_path):
    for hv in ((18, 8), (19, 8)):
        for day in dates.month_starts(2004)[:-1]:
            ndvi_tile(tmp_path, 2004, day, TILE, hv=hv)
    ndvi_tile(tmp_path, 2004, dates.month_starts(2004)[-1], TILE, hv=(20, 8))
    paths = products.find("mod13a3", tmp_path)
    with pytest.raises(ProductError, match=r"mod13a3 h18v08 2004: 1 of 12 dates are missing \(2004-12\); add them, or"):
        products.read("mod13a3", paths, years=[2004], grid=Grid(1))
    with pytest.warns(UserWarning) as heard:
        products.read("mod13a3", paths, years=[2004], grid=Grid(1), allow_partial=True)
    assert [str(one.message) for one in heard] == [
        "mod13a3 h18v08 2004: 1 of 12 dates are missing (2004-12), and others in 2 more tiles; "
        "its mean is that of the other dates"
    ]


def test_the_same_date_and_tile_twice_is_refused(tmp_path):
    old = npp_tile(tmp_path, 2001, TILE)
    new = old.with_name(old.name.replace("2020139230131", "2021139230131"))
    new.write_bytes(old.read_bytes())
    with pytest.raises(ProductError) as error:
        read_npp(tmp_path, [2001])
    assert said(error) == f"{new.name}: expected one file a date and tile, found {old.name} too; remove one"


def test_a_month_that_comes_twice_is_refused(tmp_path):
    first, later = (ndvi_tile(tmp_path, 2001, day, TILE) for day in (32, 40))
    with pytest.raises(ProductError) as error:
        products.read("mod13a3", [first, later], years=[2001], grid=Grid(1), allow_partial=True)
    assert said(error) == f"{later.name}: expected one date a month and tile, found {first.name} too; remove one"


def test_a_date_between_the_products_dates_is_refused(tmp_path):
    for day in (*range(1, 366, 8), 100):
        lai_globe(tmp_path, 2001, day, ONE)
    with pytest.raises(ProductError) as error:
        products.read("glass_lai", products.find("glass_lai", tmp_path), years=[2001])
    assert said(error) == (
        "glass_lai 2001: expected dates of 8-day files, found day 100 of the year too; remove it, or fetch it again"
    )


@pytest.mark.parametrize("day", [0, 366])
def test_a_day_that_the_year_does_not_have_is_refused(tmp_path, day):
    path = lai_globe(tmp_path, 2001, day, ONE)
    with pytest.raises(ProductError) as error:
        products.read("glass_lai", path, years=[2001], allow_partial=True)
    assert said(error) == f"{path.name}: expected a day of the year 2001, found {day}; correct the file's name"


@pytest.mark.parametrize(("year", "whole"), [(2000, 366), (2001, 365), (2100, 365)])
def test_a_leap_year_needs_its_last_day(tmp_path, year, whole):
    stored = {"PAR": (np.full((2, 4), 100, "int16"), {"scale_factor": 0.01})}
    globe(tmp_path / f"GLASS04B01.V42.A{year}001.2020313.hdf", stored, "GLASS04B01")
    for day in range(2, whole):
        (tmp_path / f"GLASS04B01.V42.A{year}{day:03d}.2020313.hdf").touch()
    with pytest.raises(ProductError, match=rf"glass_par {year}: 1 of {whole} dates are missing \({year}-12-31\); add"):
        products.read("glass_par", products.find("glass_par", tmp_path), years=[year])


def test_tiles_beside_whole_globes_are_refused(tmp_path):
    names = ["GLASS09E01.V50.A2001001.2021110.hdf", "GLASS09E01.V50.A2001001.h18v04.2021110.hdf"]
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ProductError) as error:
        products.read("glass_fapar", products.find("glass_fapar", tmp_path), years=[2001], allow_partial=True)
    assert said(error) == f"{names[1]}: is one tile, but {names[0]} is the whole globe; keep one kind"


def test_packed_dates_are_taken_as_they_come(tmp_path):
    for day in range(1, 366, 8):
        path = lai_globe(tmp_path, 2001, day, np.full((4, 8), day % 100))
        if day % 3:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    back = products.read("glass_lai", tmp_path, years=[2001]).lai
    expected = np.average([0.1 * (day % 100) for day in range(1, 366, 8)], weights=[8] * 45 + [5])
    np.testing.assert_allclose(back.values, expected, rtol=1e-6)
