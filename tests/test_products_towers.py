"""Flux towers: what comes back from every layout, what can't stand together, and what is wrong, in a line."""

import csv
import gzip
import re
import shutil
import warnings
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tower_files import bif, sites, steady, surroundings, write, yearly, zipped

from helpers import products
from helpers.products import ProductError, towers
from helpers.space import windows
from helpers.space.grid import Grid, empty
from helpers.space.regions import IGBP_CODES

PLACE = {"AA-One": (51.5, 10.25, "DBF")}
STEM = "FLX_AA-One_FLUXNET2015_FULLSET_"
FLUXNET, V1 = "{}_AA-One_FLUXNET_{}_2001-2003_{}.csv", ("FLUXMET_YY", "v1.3_r1")
TODAY = "AMF_{}_FLUXNET_{}2018-2020_v1.3_r1"


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    write(tmp_path, "BB-Two", "SUBSET", yearly(reco=(1.0, 2.0, 3.0)))
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF"), "BB-Two": (-33.0, 150.0, "ebf "), "CC-Not": (0, 30, "")})
    return tmp_path


def read(folder, product="fluxnet2015", **selection):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows and names need not agree here
        return products.read(product, folder, **selection)


def reasons(ds):
    """Return years by reason."""
    return {reason: rows.year.tolist() for reason, rows in products.dropped(ds).groupby("reason")}


def refused(path, message, product="fluxnet2015", kind=ProductError):
    with pytest.raises(ProductError, match=message) as error:
        read(path, product)
    assert type(error.value) is kind and "\n" not in str(error.value) and path.name in str(error.value)


def place_of(path):
    """Return where the first sample stands, in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = products.read("fluxnet2015", path)
    return back.lat.values[0], back.lon.values[0], int(back.igbp[0])


# --- values and layouts ----------------------------------------------------------------------------------------------


def test_site_years_come_in_kilograms_and_gaps_as_nan(folder):
    back = read(folder)
    assert back.site.values.tolist() == ["AA-One"] * 3 + ["BB-Two"] * 3
    assert back.year.values.tolist() == [2001, 2002, 2003] * 2
    np.testing.assert_allclose(back.reco, [0.5, np.nan, 0.70025, 0.001, 0.002, 0.003])
    np.testing.assert_allclose(back.reco_dt, [0.51, np.nan, 0.71025, 0.011, 0.012, 0.013])
    np.testing.assert_allclose(back.nee_qc, [0.9, 0, np.nan] * 2)
    assert back.lat.values.tolist() == [51.5] * 3 + [-33] * 3 and back.lon.values[-1] == 150
    assert back.igbp.values.tolist() == [IGBP_CODES["DBF"]] * 3 + [IGBP_CODES["EBF"]] * 3
    assert back.reco.attrs["units"] == "kg m-2 yr-1" and back.nee_qc.attrs["units"] == "1"
    assert back.attrs["product"] == "fluxnet2015" and back.attrs["product_version"] == "1-4"
    assert back.attrs["site_years_read"] == 6 and products.dropped(back).empty


def test_years_may_be_chosen_and_others_are_not_losses(folder):
    back = read(folder, years=iter([2003, 2010]))
    assert back.site.values.tolist() == ["AA-One", "BB-Two"] and set(back.year.values) == {2003}
    assert back.attrs["site_years_read"] == 2 and products.dropped(back).empty


@pytest.mark.parametrize(
    ("partitioning", "values", "lost"),
    [("night", [0.5, 0.01, 0.3], [2002]), ("day", [0.51, 0.02], [2002, 2004]), (None, [0.5, np.nan, 0.01, 0.3], [])],
)
def test_a_partitioning_is_what_the_dataset_says_it_is(tmp_path, partitioning, values, lost):
    table = yearly((500.0, -9999, 10.0, 300.0), (0.9,) * 4, range(2001, 2005))
    table.loc[3, "RECO_DT_VUT_REF"] = -9999
    path = write(tmp_path, table=table, years=(2001, 2004))
    back = read(path, partitioning=partitioning)
    np.testing.assert_allclose(back.reco, values)
    assert back.reco.attrs["partitioning"] == (partitioning or "night") and ("reco_dt" in back) == (not partitioning)
    assert reasons(back) == ({towers.MISSING: lost} if lost else {}) and back.attrs["site_years_read"] == 4
    alone = write(tmp_path, table=table.drop(columns="RECO_DT_VUT_REF"), years=(2001, 2004))
    if partitioning == "day":
        refused_columns = "expected columns RECO_DT_VUT_REF, found none among 4; read RECO_NT_VUT_REF by the other"
        with pytest.raises(ProductError, match=refused_columns):
            read(alone, partitioning="day")
    else:
        np.testing.assert_allclose(read(alone, partitioning=partitioning).reco, values)
    with pytest.raises(ProductError, match="partitioning: expected 'night', 'day' or None, found 'noon'"):
        read(path, partitioning="noon")


LAYOUTS = [  # product, file, member (none: the file is the table), release
    ("fluxnet2015", "FLX_AA-One_FLUXNET2015_SUBSET_YY_2001-2003_1-4.csv.gz", None, "1-4"),
    ("fluxnet2015", STEM + "2001-2003_beta-3.zip", f"deep/in/{STEM}YY_2001-2003_beta-3.csv", "beta-3"),
    ("fluxnet", "AMF_AA-One_FLUXNET_SUBSET_2001-2003_3-5.zip", FLUXNET.format("AMF", "SUBSET_YY", "3-5"), "3-5"),
    ("fluxnet", "TERN_AA-One_FLUXNET_2001-2003_v1.3_r1.zip", FLUXNET.format("TERN", *V1), "v1.3_r1"),
    ("fluxnet", "ICOSETC_AA-One_ARCHIVE_INTERIM_L2.zip", "ICOSETC_AA-One_FLUXNET_YY_INTERIM_L2.csv", "INTERIM_L2"),
    ("fluxnet", "ICOSETC_AA-One_FLUXNET_YY_L2.csv", None, "L2"),
]


@pytest.mark.parametrize(("product", "name", "member", "release"), LAYOUTS)
def test_every_layout_gives_the_same(tmp_path, product, name, member, release):
    path, text = tmp_path / name, yearly().to_csv(index=False)
    if member:
        around = surroundings(member.split("YY_")[0] + "{}", "2001-2003_1-4")
        zipped(path, **around, **{member: text, f"__MACOSX/._{member.split('/')[-1]}": "\0\5\26\7"})
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    for other in surroundings("XX_AA-One_FLUXNET_{}", "x"):
        (tmp_path / other).write_text("never,read\n")
    sites(tmp_path, **PLACE)
    assert products.find(product, tmp_path) == [path]
    back = products.read(product, path)
    np.testing.assert_allclose(back.reco, [0.5, np.nan, 0.70025])
    assert set(back.site.values) == {"AA-One"} and back.attrs["product_version"] == release


def test_of_a_zip_only_the_yearly_member_is_unpacked(tmp_path):
    path, halves = tmp_path / (STEM + "2001-2003_1-4.zip"), STEM + "HH_2001-2003_1-4.csv"
    zipped(path, **{halves: "x" * 100, STEM + "YY_2001-2003_1-4.csv": yearly()})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo(halves).header_offset + 30 + len(halves)
    content = bytearray(path.read_bytes())
    content[at : at + 4] = b"\xff\xff\xff\xff"  # whoever unpacks the half-hours meets a broken stream
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive, pytest.raises(zlib.error):
        archive.read(halves)
    np.testing.assert_allclose(read(path).reco[:3], [0.5, np.nan, 0.70025])


def test_a_real_file_says_what_the_csv_module_says(real_data, tmp_path):
    (source,) = (real_data / "native").glob("FLX_CH-Oe2*.csv")
    with source.open() as stream:
        rows = list(csv.DictReader(stream))
    path = zipped(
        tmp_path / source.name.replace("_YY", "").replace(".csv", ".zip"), **{source.name: source.read_text()}
    )
    with pytest.warns(UserWarning, match=r"CH-Oe2.*expected the place of CH-Oe2 in sites\.csv beside it, found none"):
        back = products.read("fluxnet2015", path)
    assert back.year.values.tolist() == [int(row["TIMESTAMP"]) for row in rows] and back.sizes["sample"] == 20
    columns = {"reco": ("RECO_NT_VUT_REF", 1e-3), "reco_dt": ("RECO_DT_VUT_REF", 1e-3), "nee_qc": ("NEE_VUT_REF_QC", 1)}
    for name, (column, factor) in columns.items():
        expected = [np.nan if float(row[column]) == -9999 else factor * float(row[column]) for row in rows]
        np.testing.assert_allclose(back[name].values, expected, rtol=1e-12)
    assert np.isnan(back.lat).all() and np.isnan(back.lon).all() and set(back.igbp.values) == {-1}


# --- places ----------------------------------------------------------------------------------------------------------


def test_what_is_told_first_counts(tmp_path):
    inner = tmp_path / "towers"
    inner.mkdir()
    member = {STEM + "YY_2001-2003_1-4.csv": yearly()}
    path = zipped(inner / f"{STEM}2001-2003_1-4.zip", **member)
    swapped = ["VARIABLE", "DATAVALUE", "SITE_ID", "GROUP_ID", "VARIABLE_GROUP"]
    (tmp_path / "FLX_AA-Flx_BIF_YY_20200501.csv").write_text(bif("AA-One", " 1.0", "2.0", columns=swapped))
    assert place_of(path) == (1.0, 2.0, 4)
    zipped(path, **member, **{"FLX_AA-One_FLUXNET_BIF_2001-2003_v1.csv": bif("AA-One", 3.0, 4.0, igbp="CRO")})
    assert place_of(path) == (3.0, 4.0, 12)
    sites(tmp_path, **{"AA-One": (5.0, 6.0, "ENF")})  # in the folder above
    assert place_of(path) == (5.0, 6.0, 1)
    sites(inner, **{"AA-One": (7.0, 8.0, "EBF")})
    assert place_of(path) == (7.0, 8.0, 2)
    (inner / "sites.csv").write_text("SITE_ID;Lat;Long;IGBP\nAA-One;51,5;-99;Deciduous Broadleaf Forest\n")
    assert place_of(path) == (51.5, -99.0, 4)  # and -99 is a longitude


def test_a_place_in_a_table_must_be_right(tmp_path):
    (tmp_path / "sites.csv").write_text("site,lat,lon\nAA-One,151.5,10\n")
    with pytest.raises(ProductError, match=r"sites\.csv: row 2, column 'lat': expected a number from -90 to 90"):
        read(write(tmp_path))


TWICE = "SITE_ID,GROUP_ID,VARIABLE,DATAVALUE,VARIABLE\nAA-One,1,LOCATION_LAT,1,x\nAA-One,1,LOCATION_LONG,2,x\n"


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (bif("AA-One", 1, 2, "MOON"), "expected the IGBP class of AA-One, found 'MOON', so that it is unknown", (1, 2)),
        (bif("AA-One", 1, 2) + "AA-One,2,G,IGBP,CRO\n", "class of AA-One, found 'DBF' and 'CRO'", (1, 2)),
        (bif("AA-One", 151.5, 2), "expected degrees of AA-One within ±90 and ±180, found '151.5' and '2'", None),
        (
            "SITE_ID,VARIABLE,DATAVALUE\n" + '"' + "x" * 200_000,
            "found a row that cannot be taken apart",
            None,
        ),
        (TWICE, "expected one column of each name, found .*VARIABLE.*; rename the others", None),
    ],
)
def test_what_is_wrong_in_metadata_is_told_and_stops_nothing(tmp_path, text, message, place):
    name = "AMF_AA-One_BIF_20201005.csv"
    if text.endswith("\n") and text is not TWICE:
        text += bif("BB-Two", 1, 2, "SUN").split("\n", 1)[1]  # nobody asks for this one
    path = zipped(tmp_path / f"{STEM}2001-2003_1-4.zip", **{STEM + "YY_2001-2003_1-4.csv": yearly(), name: text})
    with pytest.warns(UserWarning) as seen:
        back = products.read("fluxnet2015", path)
    said = [str(each.message) for each in seen]
    assert name in said[0] and re.search(message, said[0]) and "sites.csv" in said[0] and "BB-Two" not in "".join(said)
    assert len(said) == (1 if place else 2) and back.sizes["sample"] == 3 and set(back.igbp.values) == {-1}
    assert (back.lat.item(0), back.lon.item(0)) == place if place else np.isnan(back.lat).all()


def test_towers_nobody_places_are_warned_of_and_get_no_window(tmp_path):
    paths = [write(tmp_path, site, table=steady(2001, 2003)) for site in ("AA-One", "BB-Two", "CC-Tri")]
    sites(tmp_path, **PLACE)
    with pytest.warns(UserWarning, match=r"BB-Two.*the place of BB-Two and of 1 more sites in sites\.csv") as seen:
        back = products.read("fluxnet2015", paths)
    assert len(seen) == 1 and np.isnan(back.lat.values).tolist() == [False] * 3 + [True] * 6
    maps = empty(Grid(10)).fillna(1.0).to_dataset(name="mat")
    with pytest.raises(ValueError, match="towers: expected the place of BB-Two, CC-Tri, found none .*sites.csv"):
        windows.around(back, maps, ["mat"])
    assert (windows.around(back.isel(sample=slice(0, 3)), maps, ["mat"]) == 1).all()


# --- site-years that cannot stand together ---------------------------------------------------------------------------


@pytest.mark.parametrize("column", [None, "NEE_VUT_REF_QC"])
def test_a_repeated_year_is_kept_once_if_its_rows_agree_and_else_goes_altogether(tmp_path, column):
    changed = yearly().iloc[[1]].assign(**{column: 0.25} if column else {})
    path = write(tmp_path, table=pd.concat([yearly(), yearly().iloc[[1]], changed]))
    back = read(path)
    assert back.year.values.tolist() == ([2001, 2003] if column else [2001, 2002, 2003])
    told = {towers.CONTRADICTED: [2002] * 3} if column else {towers.REPEATED: [2002, 2002]}
    assert reasons(back) == told and back.attrs["site_years_read"] == 5


ORDER = [  # older or lesser, newer or fuller
    ("FLX_AA-One_FLUXNET2015_", "SUBSET_YY_2001-2003_1-4", "FULLSET_YY_2001-2003_1-4"),
    ("FLX_AA-One_FLUXNET2015_", "FULLSET_YY_2001-2003_1-3", "SUBSET_YY_2001-2003_1-4"),
    ("FLX_AA-One_FLUXNET2015_", "FULLSET_YY_2001-2003_1-4", "FULLSET_YY_2001-2005_1-3"),
    ("FLX_AA-One_FLUXNET2015_", "FULLSET_YY_2001-2003_beta-3", "FULLSET_YY_2001-2003_1-3"),
    ("AMF_AA-One_FLUXNET_", "FULLSET_YY_2001-2003_3-5", "FLUXMET_YY_2001-2003_v1.3_r1"),
    ("ICOSETC_AA-One_FLUXNET_", "YY_INTERIM_L2", "YY_L2"),
]


@pytest.mark.parametrize(("stem", "lesser", "greater"), ORDER)
def test_of_two_files_of_a_site_one_is_kept_whole(tmp_path, stem, lesser, greater):
    paths = [tmp_path / f"{stem}{name}.csv" for name in (lesser, greater)]
    for path, reco in zip(paths, (100.0, 200.0), strict=True):
        span = re.search(r"(\d{4})-(\d{4})", path.name)
        steady(*(int(year) for year in span.groups()) if span else (2001, 2003), reco=reco).to_csv(path, index=False)
    for order in (paths, paths[::-1]):
        back = read(order, "fluxnet2015" if stem.startswith("FLX") else "fluxnet")
        assert set(back.reco.values) == {0.2} and reasons(back) == {towers.OTHER_FILE: [2001, 2002, 2003]}
        assert set(products.dropped(back).file) == {paths[0].name}


@pytest.mark.parametrize(("km", "two"), [(0.9, False), (1.1, True), (5000.0, True)])
def test_two_rows_of_one_identifier_are_two_towers_if_far_apart(tmp_path, km, two):
    write(tmp_path)
    write(tmp_path, "BB-Two")
    north = km / (np.pi * 6371.007181 / 180)  # degrees along a meridian
    sites(tmp_path, ("AA-One", 10.0, 20.0, "DBF"), ("BB-Two", 0, 30, "EBF"), ("AA-One", 10.0 + north, 20.0, "CRO"))
    back = read(tmp_path)
    assert set(back.site.values) == ({"BB-Two"} if two else {"AA-One", "BB-Two"})
    assert reasons(back) == ({towers.TWO_TOWERS: [2001, 2002, 2003]} if two else {})
    assert two or set(back.igbp.values[:3]) == {-1}, "two classes are none"


def test_two_zips_whose_metadata_lie_far_apart_are_two_towers_whatever_a_table_says(tmp_path):
    for k, (release, lat) in enumerate((("v1.2_r1", 10.0), ("v1.3_r1", 40.0))):
        stem = f"AMF_AA-One_FLUXNET_{{}}2001-2003_{release}"
        yy, metadata = stem.format("FLUXMET_YY_") + ".csv", stem.format("BIF_") + ".csv"
        zipped(tmp_path / (stem.format("") + ".zip"), **{yy: yearly(), metadata: bif("AA-One", lat, 5.0, group=k)})
    with pytest.warns(UserWarning, match="one place of AA-One, found 40, 5 and 10, 5; all its years are left out"):
        both = products.read("fluxnet", tmp_path)
    assert both.sizes["sample"] == 0 and reasons(both) == {towers.TWO_TOWERS: [2001, 2002, 2003] * 2}
    one = read(products.find("fluxnet", tmp_path)[1], "fluxnet")
    assert one.sizes["sample"] == 3 and products.dropped(one).empty
    sites(tmp_path, **PLACE)  # a table tells where one stands, not whose the years are
    assert read(tmp_path, "fluxnet").sizes["sample"] == 0


def test_a_site_that_moved_within_its_metadata_is_settled_by_a_table(tmp_path):
    path, metadata = write(tmp_path, table=steady(2001, 2003)), tmp_path / "AMF_AA-One_BIF_20201005.csv"
    moved = bif("AA-One", 10.0, 20.0) + bif("AA-One", 10.5, 20.0, group=2).split("\n", 1)[1]
    for text in (moved, moved.replace(",1,GRP", ",,GRP").replace(",2,GRP", ",,GRP")):  # groups without numbers as well
        metadata.write_text(text)
        with pytest.warns(UserWarning, match=r"one place of AA-One, found 10, 20 and 10\.5, 20; .*into sites\.csv"):
            assert reasons(products.read("fluxnet2015", path)) == {towers.TWO_TOWERS: [2001, 2002, 2003]}
    metadata.write_text(moved.replace("10.5", "10.0001"))
    assert products.read("fluxnet2015", path).lat.values.tolist() == [10.0] * 3
    metadata.write_text(moved)
    sites(tmp_path, **PLACE)
    assert products.read("fluxnet2015", path).sizes["sample"] == 3


# --- files that cannot be read, and the account of them --------------------------------------------------------------

LESS = steady(2018, 2020)
YY = TODAY.format("BB-Two", "FLUXMET_YY_") + ".csv"
BAD = {
    "no yearly member": ({TODAY.format("BB-Two", "BIF_") + ".csv": "x\n"}, r"expected one yearly file .*found 0"),
    "another site's": ({YY.replace("BB-Two", "CC-Tri"): LESS}, "expected the yearly file of BB-Two, found AMF_CC-Tri"),
    "day-time RECO only": (LESS.drop(columns="RECO_NT_VUT_REF"), "RECO_NT_VUT_REF, found none among 4; read RECO_DT"),
    "no year": (LESS.rename(columns={"TIMESTAMP": "TIMESTAMP_START"}), "expected columns TIMESTAMP, found none"),
    "months": (LESS.assign(TIMESTAMP=[201801, 201802, 201803]), r"a whole number from 1900 to 2100, found '201801'"),
    "a row cut short": (LESS.to_csv(index=False)[:-12], "row 4: expected 5 fields, found 4"),
    "a damaged zip": (b"PK\3\4 and no more", "cannot be read"),
    "half-hours": (None, "expected a fluxnet file named like AMF_"),
}


@pytest.mark.parametrize("what", BAD)
def test_one_file_that_cannot_be_read_stops_no_other_and_is_accounted_for(tmp_path, what):
    content, reason = BAD[what]
    (tmp_path / (TODAY.format("AA-One", "FLUXMET_YY_") + ".csv")).write_text(LESS.to_csv(index=False))
    path = tmp_path / (TODAY.format("BB-Two", "") + ".zip")
    if content is None:
        path, content = tmp_path / "AMF_BB-Two_BASE-BADM_2-5.zip", b""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        zipped(path, **(content if isinstance(content, dict) else {YY: content}))
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF"), "BB-Two": (1, 2, "EBF")})
    with pytest.warns(UserWarning) as seen:
        back = products.read("fluxnet", tmp_path)
    (said,) = [str(each.message) for each in seen]
    assert path.name in said and re.search(reason, said) and "left out" in said and "\n" not in said
    lost = products.dropped(back)
    assert set(back.site.values) == {"AA-One"} and set(lost.site) == {"BB-Two"} and set(lost.file) == {path.name}
    assert lost.year.tolist() == ([0] if "BASE-BADM" in path.name else [2018, 2019, 2020])  # no year in its name
    assert not any(str(tmp_path) in each for each in lost.reason)
    assert back.attrs["site_years_read"] == back.sizes["sample"] + len(lost)
    with pytest.raises(ProductError, match=reason):
        products.read("fluxnet", path)
    if what == "day-time RECO only":
        assert set(products.read("fluxnet", tmp_path, partitioning="day").site.values) == {"AA-One", "BB-Two"}


def test_half_hours_beside_the_sites_own_product_are_no_loss_and_no_other_library_is_heard(tmp_path):
    for site, igbp in (("AA-One", "ENF"), ("BB-Two", None)):
        metadata = {TODAY.format(site, "BIF_") + ".csv": bif(site, 45, 10, igbp)}
        zipped(tmp_path / (TODAY.format(site, "") + ".zip"), **{YY.replace("BB-Two", site): LESS}, **metadata)
    for site in ("AA-One", "CC-Tri"):
        (path := tmp_path / f"AMF_{site}_BASE-BADM_2-5.zip").write_bytes(b"PK")
    with pytest.raises(ProductError, match=r"AA-One.* named like .*none of 2 files can be read\)$"):
        products.read("fluxnet", list(tmp_path.glob("*BASE*")))  # where nothing can be read, the first fault is told
    path.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = products.read("fluxnet", tmp_path)
    assert products.dropped(back).empty and back.igbp.values.tolist() == [1] * 3 + [-1] * 3


SPAN = "FLX_BB-Two_FLUXNET2015_FULLSET_YY_2001-2003_1-4"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (f"{SPAN} (1).csv", f"rename it to {SPAN}.csv"),
        (f"{SPAN}.csv.crdownload", "its download was not finished: fetch it again"),
        (f"{SPAN}.zip/", "put the file itself in its place"),
        (f"{SPAN}.ZIP", "rename it, in upper and lower case like FLX_"),
        (f"{SPAN}.tar.gz", "unpack it"),
    ],
)
def test_a_tower_whose_file_is_not_read_as_it_is_is_told_and_accounted_for(tmp_path, name, remedy):
    path = write(tmp_path, table=steady(2001, 2003))
    sites(tmp_path, **PLACE)
    shutil.copy(path, tmp_path / path.name.replace(".csv", " - Copy.csv"))  # a second copy of what is read is no loss
    odd = tmp_path / name
    odd.mkdir() if name.endswith("/") else odd.write_bytes(b"x")
    (tmp_path / f"{SPAN.replace('BB-Two', 'CC-Tri')}.7z").write_bytes(b"x")
    with pytest.warns(UserWarning) as seen:
        back = products.read("fluxnet2015", tmp_path, years=iter([2002, 2003]))
    said = sorted(str(each.message) for each in seen if each.category is UserWarning)  # not of what others left open
    assert len(said) == 2 and all("left out; " in line and "\n" not in line for line in said)
    assert any(line.startswith(f"{odd}: ") and remedy in line for line in said)
    lost = products.dropped(back).query("file == @odd.name")
    assert lost.year.tolist() == [2002, 2003] and set(lost.site) == {"BB-Two"} and all(lost.reason.str.contains(remedy))
    assert back.attrs["site_years_read"] == back.sizes["sample"] + 4


def test_the_account_survives_a_file(tmp_path):
    back = read(write(tmp_path, table=pd.concat([yearly(), yearly().iloc[[0]]])), partitioning="night")
    back.to_netcdf(tmp_path / "towers.nc")
    with xr.open_dataset(tmp_path / "towers.nc") as again:
        pd.testing.assert_frame_equal(products.dropped(again), products.dropped(back))
        assert len(products.dropped(again)) + again.sizes["sample"] == again.attrs["site_years_read"] == 4


RECO, QC = st.sampled_from([-9999, -5.0, 100.0, 6000.0]), st.sampled_from([-9999, 0.0, 0.5, 1.0])
ROWS = st.lists(st.tuples(st.integers(2000, 2004), RECO, QC), min_size=1, max_size=8)
FILE = st.tuples(st.sampled_from(["AA-One", "BB-Two", "CC-Tri"]), st.sampled_from(["FULLSET", "SUBSET"]), ROWS)


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(FILE, min_size=1, max_size=4, unique_by=lambda file: file[:2]),
    partitioning=st.sampled_from([None, "night", "day"]),
    years=st.sampled_from([None, [2001, 2002]]),
    two=st.booleans(),
)
def test_rows_read_are_those_kept_and_those_dropped(tmp_path_factory, files, partitioning, years, two):
    folder = tmp_path_factory.mktemp("towers")
    read_by_hand = []
    for site, group, rows in files:
        year, reco, qc = zip(*rows, strict=True)
        write(folder, site, group, yearly(reco, qc, year))
        read_by_hand += [(site, y) for y in year if years is None or y in years]
    sites(folder, *[(site, 10.0 * k, 10.0, "DBF") for k in (1, 2)[: 1 + two] for site in ("AA-One", "BB-Two")])
    back = read(folder, partitioning=partitioning, years=years)
    lost, kept = products.dropped(back), list(zip(back.site.values.tolist(), back.year.values.tolist(), strict=True))
    assert len(set(kept)) == len(kept), "no site-year stands twice"
    assert sorted([*kept, *zip(lost.site, lost.year, strict=True)]) == sorted(read_by_hand)
    assert back.attrs["site_years_read"] == len(read_by_hand)
    assert not two or not {"AA-One", "BB-Two"} & set(back.site.values)
    assert partitioning is None or np.isfinite(back.reco).all()


def test_a_file_that_ends_before_its_name_does_is_told(folder):
    write(folder, table=steady(2001, 2002))
    with pytest.warns(UserWarning, match=r"AA-One.*csv: the name tells of 2001 to 2003, the rows of 2001 to 2002"):
        products.read("fluxnet2015", folder)


def test_rows_of_another_tower_are_refused(folder):
    path = write(folder, table=steady(2001, 2002).assign(SITE_ID=["AA-One", "AA-Two"]))
    with pytest.raises(
        ProductError, match=r"expected years of AA-One alone, as its name tells, found 'AA-Two' as SITE_ID"
    ):
        products.read("fluxnet2015", path)


@pytest.mark.parametrize("where", ["sites", "metadata"])
def test_a_place_in_radians_is_none(tmp_path, where):
    path = write(tmp_path)
    if where == "sites":
        sites(tmp_path, ("AA-One", 0.8465, 0.1614, "DBF"))
        with pytest.raises(
            ProductError, match=r"sites.csv: .* expected degrees of places on land, found 0.8465, 0.1614"
        ):
            products.read("fluxnet2015", path)
    else:
        (tmp_path / "AMF_AA-One_BIF_20201005.csv").write_text(bif("AA-One", 0.8465, 0.1614))
        with pytest.warns(UserWarning, match="expected degrees of AA-One"):
            assert np.isnan(products.read("fluxnet2015", path).lat).all()
