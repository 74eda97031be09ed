"""Files of towers that are not what they should be: each is answered in one line that names it and the remedy."""

import re
import warnings

import numpy as np
import pytest
from tower_files import bif, sites, steady, surroundings, write, yearly, zipped

from helpers import products
from helpers.products import DamagedFile, ProductError
from helpers.space import windows
from helpers.space.grid import Grid

STEM = "FLX_AA-One_FLUXNET2015_FULLSET_"
PLACE = {"AA-One": (51.5, 10.25, "DBF")}


def refused(path, message, product="fluxnet2015", kind=ProductError, **selection):
    with pytest.raises(ProductError) as error:
        products.read(product, path, **selection)
    assert type(error.value) is kind and "\n" not in str(error.value)
    assert re.search(message, str(error.value)), error.value
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "product", "message"),
    [
        ("FLX_AA-One_FLUXNET2015_FULLSET_HH_2001-2003_1-4.csv", "fluxnet2015", r"half-hourly one \(HH\); give .* _YY_"),
        ("AMF_AA-One_FLUXNET_FULLSET_HR_2001-2003_3-5.csv", "fluxnet", r"the hourly one \(HR\)"),
        ("AMF_AA-One_FLUXNET_FLUXMET_DD_2001-2003_v1.3_r1.csv", "fluxnet", r"the daily one \(DD\)"),
        ("FLX_AA-One_FLUXNET2015_SUBSET_WW_2001-2003_1-4.csv", "fluxnet2015", r"the weekly one \(WW\)"),
        ("ICOSETC_AA-One_FLUXNET_MM_L2.csv", "fluxnet", r"the monthly one \(MM\)"),
        ("FLX_AA-One_FLUXNET2015_ERAI_YY_1989-2014_1-4.csv", "fluxnet2015", "a reanalysis"),
        ("AMF_AA-One_FLUXNET_ERA5_YY_1981-2020_3-5.csv", "fluxnet", "a reanalysis"),
        ("FLX_AA-One_FLUXNET2015_AUXNEE_2001-2003_1-4.csv", "fluxnet2015", "auxiliary data"),
        ("AMF_AA-One_FLUXNET_BIFVARINFO_YY_2001-2003_v1.3_r1.csv", "fluxnet", "metadata"),
        ("ICOSETC_AA-One_FLUXNET_YY_VARINFO_L2.csv", "fluxnet", "metadata"),
        ("AMF_US-CRT_BASE-BADM_2-5.zip", "fluxnet2015", "AmeriFlux BASE, .*; fetch the site's FLUXNET product"),
        ("AMF_US-CRT_BASE_HH_2-5.csv", "fluxnet", "AmeriFlux BASE, .*; fetch the site's FLUXNET product"),
        ("ICOSETC_AA-One_FLUXES_L2.zip", "fluxnet", "half-hours of ICOS .*; fetch the site's FLUXNET product"),
        ("AMF_AA-One_FLUXNET_FULLSET_YY_2001-2003_3-5.csv", "fluxnet2015", "this one is of product fluxnet"),
        ("FLX_AA-One_FLUXNET2015_FULLSET_YY_2001-2003_1-4.csv", "fluxnet", "this one is of product fluxnet2015"),
        (
            "my_towers.csv",
            "fluxnet2015",
            "file named like FLX_AT-Neu.*; check the product id, or give the file its own",
        ),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, product, message):
    path = tmp_path / name
    path.write_text(yearly().to_csv(index=False))
    assert name in refused(path, message, product)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            yearly().drop(columns="RECO_NT_VUT_REF"),
            "expected columns RECO_NT_VUT_REF, found none among 4; read RECO_DT_VUT_REF by the other partitioning",
        ),
        (yearly().drop(columns="NEE_VUT_REF_QC"), "expected columns NEE_VUT_REF_QC, found none"),
        (yearly().drop(columns="TIMESTAMP"), "expected columns TIMESTAMP, found none"),
        (
            yearly(years=(200101, 200102, 200103)),
            r"row 2, column 'TIMESTAMP': expected a whole number from 1900 to 2100, found .*200101.*yearly \(YY\) file",
        ),
        (yearly(years=("2001.5", "2002", "2003")), "expected a whole number from 1900 to 2100, found .*2001.5"),
        (yearly().rename(columns={"TIMESTAMP": "TIMESTAMP_START"}), "found TIMESTAMP_START, as in half-hourly"),
        (yearly(reco=("a lot", 1, 2)), "row 2, column 'RECO_NT_VUT_REF': expected a number, found 'a lot'"),
        (yearly(reco=(1, 50_000, 2)), "row 3, column 'RECO_NT_VUT_REF': expected -5000 to 15000, found 50000"),
        (
            yearly(qc=(0.5, 93, 0.5)),
            r"row 3, column 'NEE_VUT_REF_QC': expected 0 to 1, found 93.0; is this the yearly \(YY\) file",
        ),
        (yearly(qc=(0.5, 0.5, -0.1)), "row 4, column 'NEE_VUT_REF_QC': expected 0 to 1, found -0.1"),
        (yearly().iloc[:0], "found an empty table; fetch it again"),
    ],
)
def test_a_table_that_is_wrong_is_named(tmp_path, table, message):
    path = write(tmp_path, table=table)
    kind = DamagedFile if "empty" in message else ProductError
    assert path.name in refused(path, message, kind=kind)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {STEM + "HH_2001-2003_1-4.csv": "x\n"},
            r"expected one yearly file \(…_YY_….csv\), found 0; it holds .*_HH_.*: fetch",
        ),
        ({}, "found 0; it holds nothing: fetch it again"),
        ({"AMF_AA-One_BASE_HH_2-5.csv": "x\n"}, "this is AmeriFlux BASE.*fetch the site's FLUXNET product"),
        ({STEM + "2001-2003_1-4.zip": "x\n"}, "found 0; it holds .*: unpack this zip, which holds zips"),
        (
            {STEM + "YY_2001-2003_1-4.csv": "x\n", STEM.replace("FULL", "SUB") + "YY_2001-2003_1-4.csv": "x\n"},
            "expected one yearly file .*, found 2; it holds",
        ),
        (
            {(STEM + "YY_2001-2003_1-4.csv").replace("AA-One", "BB-Two"): "x\n"},
            "expected the yearly file of AA-One, found FLX_BB-Two.*; rename the zip",
        ),
        (
            {STEM + "YY_2001-2003_1-4.csv": "TIMESTAMP,RECO_NT_VUT_REF\n2001,1\n2002"},
            "row 3: expected 2 fields, found 1",
        ),
    ],
)
def test_a_zip_without_its_yearly_file_is_named(tmp_path, members, message):
    path = zipped(tmp_path / f"{STEM}2001-2003_1-4.zip", **members)
    kind = DamagedFile if "fields" in message else ProductError
    assert path.name in refused(path, message, kind=kind)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_zip_cut_short_is_named(tmp_path, share):
    path = tmp_path / f"{STEM}2001-2003_1-4.zip"
    zipped(path, **surroundings(STEM + "{}", "2001-2003_1-4"), **{STEM + "YY_2001-2003_1-4.csv": yearly()})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "AA-One.*zip: cannot be read; .*fetch it again", kind=DamagedFile)


def test_a_member_with_a_wrong_checksum_is_named(tmp_path):
    path = zipped(tmp_path / f"{STEM}2001-2003_1-4.zip", **{STEM + "YY_2001-2003_1-4.csv": yearly()})
    content = bytearray(path.read_bytes())
    content[60 + len(STEM)] ^= 0xFF
    path.write_bytes(content)
    refused(path, "AA-One.*zip: cannot be read", kind=DamagedFile)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>\n<p>log in, please</p>\n</html>", "found a web page; log in where it comes from"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "found something else"),
        (b"", "found an empty table; fetch it again"),
    ],
)
def test_a_file_of_other_bytes_is_named(tmp_path, content, message):
    path = tmp_path / f"{STEM}YY_2001-2003_1-4.csv"
    path.write_bytes(content)
    refused(path, "AA-One.*csv: .*" + message, kind=DamagedFile)
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(content)
    refused(packed, "AA-One.*csv.gz: .*fetch it again", kind=DamagedFile)


# --- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((151.5, 10.0, "DBF"), "row 2, column 'latitude': expected a number from -90 to 90, found '151.5'"),
        ((51.5, 370.0, "DBF"), "row 2, column 'longitude': expected a number from -180 to 180, found '370.0'"),
        (("north", 1.0, "DBF"), "row 2, column 'latitude': expected a number, found 'north'"),
        (("", 1.0, "DBF"), "row 2, column 'latitude': expected a number from -90 to 90, found ''"),
        ((51.5, -9999, "DBF"), "row 2, column 'longitude': expected a number from -180 to 180, found '-9999'"),
        ((51.5, 1.0, "MOON"), "row 2, column 'igbp': expected one of WAT, .*, found 'MOON'; correct or empty it"),
    ],
)
def test_a_place_that_cannot_be_is_named(tmp_path, place, message):
    sites(tmp_path, **{"AA-One": place})
    refused(write(tmp_path), r"sites\.csv: " + message)


def test_a_site_table_without_its_columns_or_names_is_named(tmp_path):
    (tmp_path / "sites.csv").write_text("site,north,lon\nAA-One,1,2\n")
    refused(write(tmp_path), r"sites\.csv: expected columns site, latitude, .*, found none for latitude; correct")
    (tmp_path / "sites.csv").write_text("site,lat,lon\n ,1,2\n")
    refused(write(tmp_path), r"sites\.csv: row 2, column 'site': expected a name, found ''")


@pytest.mark.parametrize("igbp", ["dbf", "4", "4.0", "Deciduous Broadleaf Forest", "DBF (Deciduous Broadleaf Forests)"])
def test_a_class_is_one_however_it_is_written(tmp_path, igbp):
    path = write(tmp_path)
    (tmp_path / "sites.csv").write_text(f"SITE_ID;Lat;Long;IGBP\nAA-One;51,5;-99;{igbp}\n")
    assert places_of(path) == (51.5, -99.0, 4)  # and -99 is a longitude
    assert places_of(path, places={"AA-One": (1, 2, igbp)}) == (1.0, 2.0, 4)
    (tmp_path / "AMF_AA-One_BIF_1.csv").write_text(bif("AA-One", 1, 2, igbp))
    assert places_of(path, places=tmp_path / "AMF_AA-One_BIF_1.csv") == (1.0, 2.0, 4)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (bif("AA-One", 1, 2, "MOON"), "expected the IGBP class of AA-One, found 'MOON', so that it is unknown", (1, 2)),
        (bif("AA-One", 151.5, 2), "expected latitude of AA-One within ±90, found '151.5', so that this place", None),
        (bif("AA-One", "north", 2), "expected latitude of AA-One within ±90, found 'north'", None),
        (
            bif("AA-One", 1, 2) + "AA-One,2,G,IGBP,CRO\n",
            "of AA-One, found 'DBF' and 'CRO', so that it is unknown",
            (1, 2),
        ),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_what_is_wrong_in_metadata_is_told_and_stops_nothing(tmp_path, text, message, place, inside):
    name = "AMF_AA-One_BIF_20201005.csv"
    text += bif("BB-Two", 1, 2, "SUN").split("\n", 1)[1]  # nobody asks for this one
    if inside:
        path = zipped(tmp_path / f"{STEM}2001-2003_1-4.zip", **{STEM + "YY_2001-2003_1-4.csv": yearly(), name: text})
    else:
        path = write(tmp_path)
        (tmp_path / name).write_text(text)
    with pytest.warns(UserWarning) as seen:
        back = products.read("fluxnet2015", path)
    said = [str(each.message) for each in seen]
    assert (
        name in said[0] and message in said[0] and "sites.csv" in said[0] and not any("BB-Two" in line for line in said)
    )
    assert len(said) == (1 if place else 2) and back.sizes["sample"] == 3 and set(back.igbp.values) == {-1}
    assert (back.lat.item(0), back.lon.item(0)) == place if place else np.isnan(back.lat).all()


def test_metadata_that_cannot_be_read_stop_nothing(tmp_path):
    name, bad = "AMF_AA-One_BIF_20201005.csv", "SITE_ID,VARIABLE,DATAVALUE\n" + '"' + "x" * 200_000
    sites(tmp_path, **PLACE)
    path = zipped(tmp_path / f"{STEM}2001-2003_1-4.zip", **{STEM + "YY_2001-2003_1-4.csv": yearly(), name: bad})
    with pytest.warns(UserWarning, match=rf"{name}.*: expected a BIF table, found something else.*sites\.csv"):
        assert products.read("fluxnet2015", path).lat.item(0) == 51.5


@pytest.mark.parametrize("name", ["SITE_ID", "GROUP_ID", "VARIABLE", "DATAVALUE"])
@pytest.mark.parametrize("inside", [True, False])
def test_metadata_with_a_column_twice_are_told_and_stop_nothing(tmp_path, name, inside):
    columns = ["SITE_ID", "GROUP_ID", "VARIABLE_GROUP", "VARIABLE", "DATAVALUE"]
    text = ",".join([*columns, name]) + "\nAA-One,1,GRP,LOCATION_LAT,1,x\nAA-One,1,GRP,LOCATION_LONG,2,x\n"
    bif_name, message = "AMF_AA-One_BIF_20201005.csv", rf"expected one column {name}, found 2; rename or remove"
    write(tmp_path, "BB-Two", table=steady(2001, 2003))
    if inside:
        member = STEM + "YY_2001-2003_1-4.csv"
        zipped(tmp_path / f"{STEM}2001-2003_1-4.zip", **{member: steady(2001, 2003), bif_name: text})
    else:
        write(tmp_path, table=steady(2001, 2003))
        (tmp_path / bif_name).write_text(text)
    files = products.find("fluxnet2015", tmp_path)
    with pytest.warns(UserWarning, match=rf"{bif_name}\)?: {message}.*sites\.csv") as seen:
        back = products.read("fluxnet2015", files)
    assert sum(name in str(each.message) for each in seen) == 1 and not any("\n" in str(e.message) for e in seen)
    assert back.sizes["sample"] == 6 and np.isnan(back.lat.values).all()
    (tmp_path / "given.csv").write_text(text)
    with pytest.raises(ProductError, match=rf"given\.csv: {message}"):
        products.read("fluxnet2015", files, places=tmp_path / "given.csv")


def places_of(path, **selection):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = products.read("fluxnet2015", path, **selection)
    return back.lat.values[0], back.lon.values[0], int(back.igbp[0])


def test_what_is_told_first_counts(tmp_path):
    inner = tmp_path / "towers"
    inner.mkdir()
    name = f"{STEM}2001-2003_1-4.zip"
    member = {STEM + "YY_2001-2003_1-4.csv": yearly()}
    path = zipped(inner / name, **member)
    (inner / "FLX_AA-Flx_BIF_YY_20200501.csv").write_text(bif("AA-One", 1.0, 2.0))
    assert places_of(path) == (1.0, 2.0, 4)
    zipped(path, **member, **{"FLX_AA-One_FLUXNET_BIF_2001-2003_v1.csv": bif("AA-One", 3.0, 4.0, igbp="CRO")})
    assert places_of(path) == (3.0, 4.0, 12)
    sites(tmp_path, **{"AA-One": (5.0, 6.0, "ENF")})  # in the folder above
    assert places_of(path) == (5.0, 6.0, 1)
    sites(inner, **{"AA-One": (7.0, 8.0, "EBF")})
    assert places_of(path) == (7.0, 8.0, 2)
    assert places_of(path, places=tmp_path / "sites.csv") == (5.0, 6.0, 1)
    assert places_of(path, places=inner / "FLX_AA-Flx_BIF_YY_20200501.csv") == (1.0, 2.0, 4)
    assert places_of(path, places={"AA-One": (9.0, 10.0)}) == (9.0, 10.0, -1)
    assert places_of(path, places={"AA-One": (9.0, 10.0, "wet")}) == (9.0, 10.0, 11)


def test_an_archive_of_icos_tells_the_place_in_its_siteinfo(tmp_path):
    info = "ICOSETC_AA-One_SITEINFO_L2.csv"
    swapped = ["VARIABLE", "DATAVALUE", "SITE_ID", "GROUP_ID", "VARIABLE_GROUP"]
    path = tmp_path / "ICOSETC_AA-One_ARCHIVE_L2.zip"
    text = bif("AA-One", " 50.5", "4.25", columns=swapped)
    zipped(path, **{"ICOSETC_AA-One_FLUXNET_YY_L2.csv": yearly(), info: text})
    back = products.read("fluxnet", path)
    assert (back.lat[0], back.lon[0], back.igbp[0]) == (50.5, 4.25, 4)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"AA-One": (1.0,)}, r"places: expected \(latitude, longitude\[, igbp\]\) for AA-One, found \(1.0,\)"),
        ({"AA-One": "51.5 10.25"}, r"places: expected \(latitude, longitude\[, igbp\]\) for AA-One"),
        ({"AA-One": (91.0, 0.0)}, "places: expected latitude of AA-One within ±90, found 91"),
        ({"AA-One": ("north", 0.0)}, "places: expected latitude of AA-One within ±90, found north"),
        ({"AA-One": 5.0}, r"places: expected \(latitude, longitude\[, igbp\]\) for AA-One, found 5.0"),
        ({"AA-One": (1.0, 0.0, "MOON")}, "places: expected land cover of AA-One as one of WAT, .*, found 'MOON'"),
        ("sites.xlsx", r"sites\.xlsx: expected places as CSV, found \.xlsx; save the table as CSV"),
    ],
)
def test_places_that_cannot_be_are_named(tmp_path, places, message):
    if isinstance(places, str):
        (tmp_path / places).write_bytes(b"PK")
        places = tmp_path / places
    refused(write(tmp_path), message, places=places)


def test_places_that_are_not_there_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nowhere\.csv: expected a table of sites or a BIF file, found nothing"
    ):
        products.read("fluxnet2015", write(tmp_path), places=tmp_path / "nowhere.csv")


def test_towers_nobody_places_are_warned_of_and_get_no_window(tmp_path):
    paths = [write(tmp_path, site, table=steady(2001, 2003)) for site in ("AA-One", "BB-Two", "CC-Tri")]
    sites(tmp_path, **PLACE)
    with pytest.warns(UserWarning, match=r"BB-Two.*the place of BB-Two and of 1 more sites in sites\.csv") as seen:
        back = products.read("fluxnet2015", paths)
    assert len(seen) == 1 and "\n" not in str(seen[0].message)
    assert np.isnan(back.lat.values).tolist() == [False] * 3 + [True] * 6
    maps = Grid(10).like().fillna(1.0).to_dataset(name="mat")
    with pytest.raises(ProductError, match="towers: expected the place of BB-Two, CC-Tri, found none .*sites.csv"):
        windows.around(back, maps, ["mat"])
    known = windows.around(back.isel(sample=slice(0, 3)), maps, ["mat"])
    assert (known == 1).all()
