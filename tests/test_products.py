"""The door to product files, tried on real bytes where they are at hand, and on what users get wrong."""

import calendar
import json
import shutil

import netCDF4
import numpy as np
import pytest
from pyhdf.SD import SD
from pyproj import Transformer

from helpers import products
from helpers.products import rasters
from helpers.space.grid import RADIUS, Grid

CRU = "cru_ts4.01.1901.2016.SouthGlacier.{}.dat.nc"


def months_of(path, name, year):
    """Read a year's months with another library: (12, y, x), north up."""
    with netCDF4.Dataset(path) as ds:
        when = netCDF4.num2date(ds["time"][:], ds["time"].units, ds["time"].calendar)
        months = ds[name][[t.year == year for t in when]].filled(np.nan).astype(float)
        return months[:, ::-1] if ds["lat"][0] < ds["lat"][-1] else months


@pytest.mark.parametrize("year", [1904, 2015])
def test_a_year_of_cru_is_the_mean_weighted_by_days_or_the_sum_of_months(real_data, year):
    paths = {name: real_data / "native" / CRU.format(name) for name in ("tmp", "pre")}
    days = [calendar.monthrange(year, m)[1] for m in range(1, 13)]
    mat = products.read("cru_tmp", paths["tmp"], years=[year]).mat
    np.testing.assert_allclose(
        mat.values[0], np.average(months_of(paths["tmp"], "tmp", year), axis=0, weights=days), rtol=1e-6
    )
    rain = products.read("cru_pre", paths["pre"], years=[year])["map"]
    np.testing.assert_allclose(rain.values[0], months_of(paths["pre"], "pre", year).sum(axis=0), rtol=1e-6)
    assert mat.attrs["units"] == "degC" and rain.attrs["units"] == "mm yr-1" and mat.lat[0] > mat.lat[-1]
    with pytest.raises(products.ProductError, match="2017.*check years"):
        products.read("cru_tmp", paths["tmp"], years=[2017])


def test_a_real_sinusoidal_tile_lies_where_its_name_says(real_data):
    path = next((real_data / "native").glob("MOD09GA*h14v17*"))
    grids = rasters.eos_grids(SD(str(path)).attributes(), path)
    side = np.pi * RADIUS / 18  # a tile is ten degrees of a meridian; h counts from -180 degrees, v from the north pole
    for grid in grids:
        assert grid.transform @ (0, 0) == pytest.approx(((14 - 18) * side, (9 - 17) * side), abs=1)
        assert grid.transform.a == pytest.approx(side / grid.shape[1]) == pytest.approx(-grid.transform.e)
    to_degrees = Transformer.from_crs(f"+proj=sinu +R={RADIUS}", f"+proj=longlat +R={RADIUS}", always_xy=True)
    rows, columns = grids[0].shape
    lat = to_degrees.transform(*(grids[0].transform @ (columns / 2, rows)))[1]
    assert lat == pytest.approx(-90, abs=0.01)
    assert {grid.shape[1] for grid in grids} == {1200, 2400}


def test_what_is_unknown_or_not_there_is_told_with_what_is(tmp_path):
    with pytest.raises(products.ProductError, match="cru_tmpp.*cru_tmp, cru_pre"):
        products.find("cru_tmpp", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected files named like MOD17A3HGF.*found none\. \w+"):
        products.find("mod17a3hgf", tmp_path)
    (tmp_path / "spei12.nc").write_bytes(b"x")
    with pytest.raises(products.ProductError, match="'yeers' is unknown; known are years"):
        products.read("spei", tmp_path, yeers=[2000])
    for years in (2000, "2000", [2000.5], np.array(2000)):
        with pytest.raises(products.ProductError, match="years: expected calendar years, .*, found .*2000.*; give a"):
            products.read("spei", tmp_path, years=years)


@pytest.mark.parametrize(
    ("product", "name", "selection"),
    [
        ("spei", "spei12.nc", {"years": [2000]}),
        ("glass_lai", "GLASS01B01.V50.A2000001.hdf", {"years": [2000], "allow_partial": True}),
        ("soilgrids2017", "ORCDRC_M_sl1_250m.tif", {"grid": Grid(1)}),
    ],
)
def test_a_file_of_other_bytes_is_named(tmp_path, product, name, selection):
    path = tmp_path / name
    path.write_bytes(b"<html>please log in</html>")
    with pytest.raises(products.ProductError, match=name) as found:
        products.read(product, path, **selection)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("stored", "product", "name", "keep"),
    [
        (CRU.format("tmp"), "cru_tmp", CRU.format("tmp"), 1000),
        (CRU.format("tmp"), "cru_tmp", CRU.format("tmp"), 30000),
        ("MOD09GA*", "mod13a3", "MOD13A3.A2008275.h14v17.006.2015181011753.hdf", 40000),
    ],
)
def test_a_truncated_file_is_named(real_data, tmp_path, stored, product, name, keep):
    path = tmp_path / name
    path.write_bytes(next((real_data / "native").glob(stored)).read_bytes()[:keep])
    how = {"grid": Grid(1), "allow_partial": True} if product == "mod13a3" else {}
    with pytest.raises(products.ProductError, match=path.name):
        products.read(product, path, years=[2008], **how)


def test_two_versions_are_refused_with_examples(tmp_path):
    paths = [tmp_path / f"MOD17A3HGF.A2001001.h18v04.{version}.2019.hdf" for version in ("006", "061")]
    for path in paths:
        path.touch()
    named = r"006 \(such as MOD17A3HGF.*\.006\.2019\.hdf\) and 061 \(such as MOD17A3HGF.*\.061\.2019\.hdf\); keep one"
    for given in (paths, tmp_path):
        with pytest.raises(products.ProductError, match=f"expected one version of mod17a3hgf, found {named}"):
            products.read("mod17a3hgf", given, years=[2001], grid=Grid(1))


def test_a_folder_reads_as_the_files_that_are_found_in_it(real_data, tmp_path):
    source = real_data / "native" / CRU.format("tmp")
    (tmp_path / "cru_tmp").mkdir()
    shutil.copy(source, tmp_path / "cru_tmp")
    (tmp_path / "cru_tmp" / "notes.txt").touch()
    by_file = products.read("cru_tmp", source, years=[2000])
    for folder in (tmp_path, tmp_path / "cru_tmp", str(tmp_path)):
        assert products.read("cru_tmp", folder, years=[2000]).identical(by_file)
    with pytest.raises(FileNotFoundError, match="expected files named like cru_ts4.05"):
        products.read("cru_pre", tmp_path, years=[2000])


def test_a_century_of_real_months_is_what_another_library_reads(real_data):
    for product, stored, name in (("cru_tmp", "tmp", "mat"), ("cru_pre", "pre", "map")):
        path = real_data / "native" / CRU.format(stored)
        back = products.read(product, path, years=range(1901, 2017), monthly=True)[name]
        with netCDF4.Dataset(path) as file:
            np.testing.assert_array_equal(back.values, file[stored][:].filled(np.nan)[:, ::-1])
        assert back.sizes["time"] == 12 * 116 and back.time.dt.day.values.max() == 1
        assert back.attrs["units"] == {"tmp": "degC", "pre": "mm month-1"}[stored]
        assert back.attrs["source"].endswith("version 4.01")


@pytest.mark.parametrize(
    ("product", "selection", "words"),
    [
        ("cru_tmp", {"years": []}, r"cru_tmp: years: expected calendar years, .* found \[\]"),
        ("spei", {}, "spei: expected years, found none; pass years=…"),
        (
            "cru_tmp",
            {"years": [2000], "scales": [12]},
            "selection 'scales' is unknown; known are years, monthly, allow_partial",
        ),
    ],
)
def test_what_a_reader_must_be_told_and_what_it_does_not_know_is_said_at_the_door(tmp_path, product, selection, words):
    path = tmp_path / products.product(product).example
    path.touch()
    with pytest.raises(products.ProductError, match=words):
        products.read(product, path, **selection)


def test_an_outline_without_a_shape_is_left_out_and_what_is_no_outline_is_told(tmp_path):
    path, square = (
        tmp_path / "land-110m.geojson",
        {"type": "Polygon", "coordinates": [[[0, 0], [40, 0], [40, 40], [0, 0]]]},
    )
    every = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in (square, None)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": every}))
    assert products.read("natural_earth", path, grid=Grid(10)).land.any()
    for broken in (
        {"type": "FeatureCollection"},
        {"type": "FeatureCollection", "features": [{"geometry": {"type": "?"}}]},
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(
            products.ProductError, match=r"json: expected outlines as GeoJSON, found others; fetch it again$"
        ):
            products.read("natural_earth", path, grid=Grid(10))
