"""Damaged files, small files that ask for gigabytes, and what is no file: one line each, and no crash or hang."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fuzz
import numpy as np
import pytest
import rasterio
import xarray as xr
from eos_files import npp_tile, tile_corners
from netcdf_files import months, write
from pyhdf.SD import SD, SDC
from rasterio import Affine

from helpers import products
from helpers.products import DamagedFile, ProductError, files, site_table
from helpers.space.grid import Grid

GIB = 1024
NPP = {"years": [2001], "dates_per_year": 1, "grid": Grid(10)}
CRU, TIF, TABLE = "cru_ts4.05.1901.2020.tmp.dat.nc", "any.tif", "table.csv"
LAT, LON = np.arange(-75.0, 90, 30), np.arange(-165.0, 180, 30)
COLUMNS = {name: name for name in ("site", "year", "lat", "lon", "reco")}


def one_line(read, name, expected):
    """Let a reading be refused in one line that names the file."""
    with pytest.raises(ProductError, match=expected) as found:
        read()
    assert name in str(found.value) and len(str(found.value).splitlines()) == 1


def outcomes(names, seed, count):
    found, faults = {name: Counter() for name in names}, []
    for name, number, word, text in fuzz.fuzz(names, seed, range(count)):
        found[name][word] += 1
        if word in fuzz.FAULTS:
            faults.append(f"python tests/fuzz.py --seed {seed} --kinds {name} --only {number}: {word}: {text[:200]}")
    print(f"seed {seed}: {found}")
    assert not faults, "\n".join(faults)
    return found


def test_a_damaged_file_is_read_or_refused_in_one_line():
    found = outcomes(list(fuzz.KINDS), 16, 3)
    assert sum(each["refused"] for each in found.values()) > len(fuzz.KINDS)


@pytest.mark.long
def test_many_damaged_files_of_each_kind_are_read_or_refused_in_one_line():
    found = outcomes(list(fuzz.KINDS), int(os.environ.get("FUZZ_SEED", "1")), 300)
    for name, words in found.items():
        assert words["refused"], name
    for name in ("ndvi", "npp", "lai"):  # what moves a tile is seen
        assert not found[name]["places"]
    for name in ("ndvi", "table.gz", "zip"):  # so is what changes values, where there are checksums
        assert not found[name]["values"], name


# Small files that ask for gigabytes.


def most_memory(folder, *names):
    command = [sys.executable, str(Path(__file__).with_name("bombs.py")), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: (found, most) for name, found, most in map(json.loads, done.stdout.splitlines())}


SMALL = {
    "zip_index": "an archive of a few files",
    "cells": "at most 5000000 cells",
    "hdf4": "MOD17A3HGF",
    "axes": "steps",
}
LARGE = {
    "tower_zip": "at most 64 MiB",
    "tower_csv": "at most 64 MiB",
    "table": "at most 64 MiB",
    "chunk": "chunks of at most 512 MiB",
    "fields": "fit into memory",
    "raster": "pixels",
    "raster_whole": "too many",
    "strip": "tiles of at most 256 MiB",
    "outlines": "outlines",
    "nested": "cannot be read",
}


@pytest.mark.parametrize("bombs", [SMALL, pytest.param(LARGE, marks=pytest.mark.long)], ids=["small", "large"])
def test_a_bomb_is_refused_in_one_line_and_less_than_a_gibibyte(tmp_path, bombs):
    found = most_memory(tmp_path, *bombs)
    assert set(found) == set(bombs)
    for name, (said, most) in found.items():
        assert isinstance(said, str) and bombs[name] in said and "\n" not in said, (name, said)
        assert most < GIB, (name, most)


@pytest.mark.long
def test_metadata_that_are_a_bomb_cost_a_tower_its_place_alone(tmp_path):
    said, most = most_memory(tmp_path, "metadata")["metadata"]
    assert said == {"sample": 2} and most < GIB


def test_what_is_read_into_memory_is_bounded_by_what_comes_out(tmp_path, monkeypatch):
    """An archive may declare any size; the one who reads counts."""
    monkeypatch.setattr(files, "TEXT", 2**10)
    path = fuzz.KINDS["zip"].make(tmp_path)
    assert products.read("fluxnet2015", path).sizes["sample"] == 6
    monkeypatch.setattr(files, "TEXT", 100)
    one_line(lambda: products.read("fluxnet2015", path), path.name, "a table of at most 0 MiB, found more")


def test_unpacking_leaves_room_on_the_disk(tmp_path, monkeypatch):
    path = fuzz.KINDS["table.gz"].make(tmp_path)
    monkeypatch.setattr(files, "FREE", 2**60)
    with pytest.raises(ProductError, match=f"{path.name}: .*disk is full; make room"), files.opened(path):
        pass


# What is no file.


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
@pytest.mark.parametrize("name", list(fuzz.KINDS))
def test_a_pipe_is_not_waited_for(tmp_path, name):
    kind = fuzz.KINDS[name]
    path = kind.make(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises((ProductError, FileNotFoundError), match="expected a (CSV )?file, found") as found:
        kind.read(path)
    assert path.name in str(found.value)


def test_a_link_to_itself_is_told(tmp_path):
    (tmp_path / "a.nc").symlink_to(tmp_path / "a.nc")
    with pytest.raises(ProductError, match=r"a\.nc: is a link that leads to itself"), files.opened(tmp_path / "a.nc"):
        pass


@pytest.mark.parametrize("name", ["a\nb.csv", "\x1b[31mred.csv", "😀.csv", "a\u202eb.csv", "x" * 240 + ".csv"])
def test_names_of_files_and_columns_never_break_the_line(tmp_path, name):
    path = tmp_path / name
    path.write_text('"si\nte",year,lat,lon,reco\nA,2001,1,2,5\n')
    with pytest.raises(ProductError) as found:
        products.read("site_table", path, columns=COLUMNS)
    assert str(found.value).isprintable() and r"si\nte" in str(found.value)


def test_a_carriage_return_within_the_header_is_told(tmp_path):
    (tmp_path / TABLE).write_bytes(b"site,ye\rar,lat,lon,reco\nA,2001,1,2,5\n")
    one_line(lambda: products.read("site_table", tmp_path / TABLE, columns=COLUMNS), TABLE, "row 2: expected 2 fields")


# Where a tile lies, and what its numbers mean.


@pytest.mark.parametrize("digit", range(4))
def test_a_corner_that_is_wrong_moves_no_tile(tmp_path, digit):
    path = npp_tile(tmp_path, 2001, np.full((30, 30), 5000), hv=(20, 6))
    whole, ((left, top), (right, bottom)) = path.read_bytes(), tile_corners(20, 6)
    number = f"{(left, top, right, bottom)[digit]:.6f}".encode()
    at = whole.index(number, whole.index(b"UpperLeft" if digit < 2 else b"LowerRight"))
    path.write_bytes(whole[:at] + b"7" + whole[at + 1 :])
    one_line(lambda: products.read("mod17a3hgf", path, **NPP), path.name, "corners|square pixels")


def test_a_tile_lies_where_its_name_tells(tmp_path):
    path = npp_tile(tmp_path, 2001, np.full((30, 30), 5000))
    moved = path.with_name(path.name.replace("h18v08", "h19v08"))
    path.rename(moved)
    one_line(lambda: products.read("mod17a3hgf", moved, **NPP), moved.name, "expected the corners of h19v08, 1111950")


@pytest.mark.parametrize(("text", "other"), [("-3000", -952), ("255", 37)])
def test_a_fill_that_is_a_value_is_refused(tmp_path, text, other):
    name, key = ("ndvi", "1 km monthly NDVI") if text == "-3000" else ("lai", "LAI")
    kind = fuzz.KINDS[name]
    path = kind.make(tmp_path)
    file = SD(str(path), SDC.WRITE)
    field = file.select(key)
    field.attr("_FillValue").set(SDC.INT16 if name == "ndvi" else SDC.UINT8, other)
    field.endaccess()
    file.end()
    with pytest.raises(
        DamagedFile, match=f"{path.name}: expected _FillValue {text} of .*, found {other}, which is a value"
    ):
        kind.read(path).load()


def test_a_file_fetched_again_is_not_taken_for_the_damaged_one(tmp_path):
    """The library keeps what it opened by its path."""
    kind = fuzz.KINDS["lai"]
    path = kind.make(tmp_path)
    whole, expected = path.read_bytes(), kind.read(path).load()
    for old, new in ((b"Projection", b"Xrojection"), (b"UpperLeft", b"UpperLoft"), (b"GridName", b"GridNome")):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(ProductError):
            kind.read(path).load()
        path.write_bytes(whole)
        assert kind.read(path).load().equals(expected)


# NetCDF, GeoTIFF and parameters of the wrong kind.


def cru(folder, **how):
    values = np.random.default_rng(2).uniform(0, 30, (12, 6, 12)).astype("float32")
    return write(folder / CRU, "tmp", values, months(2000, 2000), **{"lat": LAT, "lon": LON, "units": "degC"} | how)


def changed(path, change):
    with xr.open_dataset(path, decode_cf=False) as ds:
        held = ds.load()
    change(held).to_netcdf(path)
    return path


CHANGES = {
    "no time": (lambda ds: ds.isel(time=0, drop=True), "give a file with time, such as with its dates"),
    "text in time": (lambda ds: ds.assign_coords(time=list("abcdefghijkl")), "expected times as numbers"),
    "a missing time": (lambda ds: ds.assign_coords(time=ds.time.where(ds.time != ds.time[3])), "found some missing"),
    "a time twice": (lambda ds: ds.isel(time=[0, 0, *range(2, 12)]), "2000-01 of tmp once"),
    "text in lat": (lambda ds: ds.assign_coords(lat=list("abcdef")), "lat: expected numbers"),
    "text as values": (lambda ds: ds.assign(tmp=(ds.tmp.dims, ds.tmp.values.astype(str))), "expected numbers in tmp"),
    "a latitude moved": (lambda ds: ds.assign_coords(lat=[-75, -45, -5, 15, 45, 75]), "lat: expected steps alike"),
    "a longitude moved": (lambda ds: ds.assign_coords(lon=[*LON[:4], -42, *LON[5:]]), "lon: expected steps alike"),
    "beyond the pole": (lambda ds: ds.assign_coords(lat=ds.lat + 30), "lat: expected degrees"),
    "radians": (lambda ds: ds.assign_coords(lat=np.deg2rad(LAT), lon=np.deg2rad(LON)), "these are radians"),
    "latitudes alone in radians": (lambda ds: ds.assign_coords(lat=np.deg2rad(LAT)), "these are radians"),
    "radians of a point": (
        lambda ds: ds.isel(lat=[4], lon=[6]).assign_coords(lat=[0.7854], lon=[0.2618]),
        "these are radians",
    ),
    "radians of a region": (lambda ds: ds.assign_coords(lat=0.8 + LAT / 900, lon=LON / 900), "these are radians"),
    "kilometres": (lambda ds: ds.assign_coords(lat=ds.lat.assign_attrs(units="km")), "lat: expected degrees"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_netcdf_file_that_says_something_else_is_refused(tmp_path, change):
    change, expected = CHANGES[change]
    path = changed(cru(tmp_path), change)
    one_line(lambda: products.read("cru_tmp", path, years=[2000]), CRU, expected)


@pytest.mark.parametrize("key", ["scale_factor", "add_offset"])
@pytest.mark.parametrize("value", ["two", float("nan"), [1.0, 2.0], "x" * 10**5])
def test_packing_that_is_no_number_is_refused(tmp_path, key, value):
    path = changed(cru(tmp_path), lambda ds: ds.assign(tmp=ds.tmp.assign_attrs({key: value})))
    one_line(lambda: products.read("cru_tmp", path, years=[2000]), CRU, f"expected {key} of tmp to be one number")


def tif(folder, crs, place, dtype="int16"):
    profile = {"driver": "GTiff", "dtype": dtype, "count": 1, "height": 18, "width": 36}
    with rasterio.open(folder / TIF, "w", crs=crs, transform=place, **profile) as file:
        file.write(np.arange(648).reshape(18, 36).astype(dtype), 1)
    return folder / TIF


@pytest.mark.parametrize(
    ("crs", "place", "dtype", "expected"),
    [
        ("EPSG:32633", Affine(10, 0, -180, 0, -10, 90), "int16", "expected corners in metres, .* look like degrees"),
        ("EPSG:4326", Affine(1e3, 0, 5e5, 0, -1e3, 4e6), "int16", "expected corners in degrees"),
        ("EPSG:4326", Affine(10, 0, -180, 0, -10, 90), "complex64", "expected real numbers"),
        ("EPSG:4326", Affine(0.17, 0, -3.1, 0, -0.17, 1.5), "int16", "where no land is: these are radians"),
        (
            "EPSG:4807",
            Affine(10, 0, -180, 0, -10, 90),
            "int16",
            "expected degrees from Greenwich, found grad from Paris",
        ),
    ],
)
def test_a_raster_whose_corners_are_in_other_units_is_refused(tmp_path, crs, place, dtype, expected):
    path = tif(tmp_path, crs, place, dtype)
    one_line(lambda: products.read("tile", path, grid=Grid(10)), TIF, expected)


def test_a_band_that_is_not_there_and_a_fill_that_nobody_declares_are_told(tmp_path):
    path = tif(tmp_path, "EPSG:4326", Affine(10, 0, -180, 0, -10, 90))
    with rasterio.open(path, "r+") as file:
        file.set_band_description(1, "red")
    for variable in ("green", 1.5):  # without a name of its own, the only band may be called anything
        expected = "variable to be one of red, found"
        one_line(lambda v=variable: products.read("tile", path, variable=v, grid=Grid(10)), TIF, expected)
    with rasterio.open(path, "r+") as file:
        file.write(np.where(np.arange(648).reshape(1, 18, 36) == 7, -9999, 5).astype("int16"))
    with pytest.warns(UserWarning, match="'red' holds -9999, which marks gaps in other files"):
        products.read("tile", path, grid=Grid(10))
    with rasterio.open(path, "r+") as file:
        file.scales = (0.0,)
    one_line(lambda: products.read("tile", path, grid=Grid(10)), TIF, "expected one scale_factor above zero")


SQUARE = [[[0, 0], [20, 0], [20, 20], [0, 20], [0, 0]]]


@pytest.mark.parametrize(
    ("kind", "places", "about", "expected"),
    [
        ("Point", [5, 5], {}, "as polygons, found a Point"),
        ("Polygon", [], {}, "found no area"),
        ("Polygon", (np.array(SQUARE) + [190, 0]).tolist(), {}, "expected degrees east from -180 to 180"),
        ("Polygon", np.deg2rad(SQUARE).tolist(), {}, "found 0 to 0.349066"),
        ("Polygon", SQUARE, {"ADMIN": 5, "ISO_N3": "99999"}, None),
        ("Polygon", SQUARE, {"ADMIN": ["a"], "ISO_N3": "²"}, None),
    ],
)
def test_outlines_are_areas_in_degrees_whatever_they_are_called(tmp_path, kind, places, about, expected):
    path = tmp_path / "ne_50m_admin_0_countries.geojson"
    feature = {"type": "Feature", "properties": about, "geometry": {"type": kind, "coordinates": places}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    if expected:
        one_line(lambda: products.read("natural_earth", path, grid=Grid(10)), path.name, expected)
    else:
        assert int(products.read("natural_earth", path, grid=Grid(10)).country.max()) == 900


@pytest.mark.parametrize("given", [5, "site", ["site"], {3: "mat"}, {None: "mat"}, {"": "mat"}])
@pytest.mark.parametrize("what", ["columns", "factors"])
def test_columns_and_factors_of_another_kind_are_refused(tmp_path, what, given):
    (tmp_path / TABLE).write_text("site,year,lat,lon,reco,mat\nA,2001,1,2,5,3\n")
    given = COLUMNS | given if isinstance(given, dict) else given
    with pytest.raises(ProductError, match=f"^{what}: expected names and what belongs to each, .* found "):
        products.read("site_table", tmp_path / TABLE, **{"columns": COLUMNS} | {what: given})
    climate = {"columns": given} if what == "columns" else {}
    if climate:
        with pytest.raises(ProductError, match="^columns .*: expected "):
            products.read("site_climate", tmp_path / TABLE, **climate)


@pytest.mark.parametrize("factor", [True, 10**400, float("inf"), "0.001", [1, 2, 3], [True, 1], "12"])
def test_a_factor_that_is_no_number_is_refused(tmp_path, factor):
    (tmp_path / TABLE).write_text("site,year,lat,lon,reco\nA,2001,1,2,5\n")
    with pytest.raises(ProductError, match="^factors: reco: expected a number above 0"):
        products.read("site_table", tmp_path / TABLE, columns=COLUMNS, factors={"reco": factor})


@pytest.mark.parametrize("places", [("0.8,0.2", "0.9,-1.2"), ("0.8901,0.1",), ("0,0", "0.0,0")])
def test_towers_in_radians_or_where_nobody_knows_are_refused(tmp_path, places):
    rows = "".join(f"S{k},2001,{place},5\n" for k, place in enumerate(places))
    (tmp_path / TABLE).write_text(f"site,year,lat,lon,reco\n{rows}")
    expected = "columns 'lat' and 'lon': expected degrees of places on land, found .* in row 2(,| and) "
    one_line(lambda: products.read("site_table", tmp_path / TABLE, columns=COLUMNS), TABLE, expected)
    some = {name: name for name in ("site", "lat", "lon")}
    one_line(lambda: site_table.columns_of(tmp_path / TABLE, some), TABLE, expected)
    (tmp_path / TABLE).write_text(f"site,year,lat,lon,reco\n{rows}Z,2001,48.5,9,5\n")
    if places[0] == "0,0":  # no place at all, whatever the others are
        one_line(lambda: products.read("site_table", tmp_path / TABLE, columns=COLUMNS), TABLE, expected)
    else:
        assert products.read("site_table", tmp_path / TABLE, columns=COLUMNS).sizes["sample"] == len(places) + 1
