"""Flux towers: FULLSET and SUBSET, CSV and zip, today's FLUXMET zips with their own site table, and what is wrong."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from helpers import products
from helpers.products import ProductError
from helpers.regions import IGBP_CODES

NAME = "FLX_{}_FLUXNET2015_{}_YY_2001-2003_1-4.csv"


def yearly(reco=(500.0, -9999, 700.25), qc=(0.9, 0.0, -9999), years=(2001, 2002, 2003), **more):
    columns = {"TIMESTAMP": years, "TA_F": 9.5, "NEE_VUT_REF_QC": qc, "RECO_NT_VUT_REF": reco}
    return pd.DataFrame(columns | {"RECO_DT_VUT_REF": [1.0] * len(years)} | more)


def sites(folder, **places):
    rows = [(site, *place) for site, place in places.items()]
    pd.DataFrame(rows, columns=["site", "latitude", "longitude", "igbp"]).to_csv(folder / "sites.csv", index=False)


@pytest.fixture
def folder(tmp_path):
    yearly().to_csv(tmp_path / NAME.format("AA-One", "FULLSET"), index=False)
    yearly(reco=(1.0, 2.0, 3.0)).to_csv(tmp_path / NAME.format("BB-Two", "SUBSET"), index=False)
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF"), "BB-Two": (-33.0, 150.0, "ebf "), "CC-Not": (0, 0, "")})
    return tmp_path


def read(folder, **selection):
    return products.read("fluxnet2015", products.find("fluxnet2015", folder), **selection)


def test_site_years_come_in_kilograms_and_gaps_as_nan(folder):
    back = read(folder)
    assert back.site.values.tolist() == ["AA-One"] * 3 + ["BB-Two"] * 3
    assert back.year.values.tolist() == [2001, 2002, 2003] * 2
    np.testing.assert_allclose(back.reco, [0.5, np.nan, 0.70025, 0.001, 0.002, 0.003])
    np.testing.assert_allclose(back.nee_qc, [0.9, 0, np.nan] * 2)
    np.testing.assert_allclose(back.reco_dt, 0.001)
    assert back.lat.values.tolist() == [51.5] * 3 + [-33] * 3 and back.lon.values[-1] == 150
    assert back.igbp.values.tolist() == [IGBP_CODES["DBF"]] * 3 + [IGBP_CODES["EBF"]] * 3
    assert back.reco.attrs["units"] == "kg m-2 yr-1" and back.nee_qc.attrs["units"] == "1"


def test_years_may_be_chosen(folder):
    back = read(folder, years=[2003, 2010])
    assert back.site.values.tolist() == ["AA-One", "BB-Two"] and set(back.year.values) == {2003}


def test_the_names_of_land_cover_are_those_of_the_regions():
    from helpers.products.fluxnet import IGBP

    assert {name: code for code, name in enumerate(IGBP)} == IGBP_CODES


def test_a_table_without_the_other_partitioning_is_read(folder):
    path = folder / NAME.format("AA-One", "FULLSET")
    yearly().drop(columns="RECO_DT_VUT_REF").to_csv(path, index=False)
    assert np.isnan(read(folder).reco_dt.values[:3]).all()


@pytest.mark.parametrize("hub", ["AMF", "ICOSETC", "EUF", "TERN"])
@pytest.mark.parametrize("bif", [True, False])
def test_todays_zips_hold_the_sites_place(tmp_path, hub, bif):
    stem = f"{hub}_US-MMS_FLUXNET_{{}}2001-2003_v1.3_r1"
    path = tmp_path / (stem.format("") + ".zip")
    told = [
        ("LOCATION_LAT", "39.3232"),
        ("LOCATION_LONG", "-86.4131"),
        ("IGBP", "DBF"),
        ("SITE_NAME", "Morgan, Monroe"),
    ]
    table = pd.DataFrame([("US-MMS", 1, "GRP", *row) for row in told])
    table.columns = ["SITE_ID", "GROUP_ID", "VARIABLE_GROUP", "VARIABLE", "DATAVALUE"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(stem.format("FLUXMET_YY_") + ".csv", yearly().to_csv(index=False))
        archive.writestr(stem.format("FLUXMET_MM_") + ".csv", "TIMESTAMP\n200101\n")
        archive.writestr(stem.format("ERA5_YY_") + ".csv", "TIMESTAMP\n1981\n")
        archive.writestr(stem.format("BIFVARINFO_YY_") + ".csv", "SITE_ID\nUS-MMS\n")
        if bif:
            archive.writestr(stem.format("BIF_") + ".csv", table.to_csv(index=False))
    if not bif:
        with pytest.raises(
            ProductError, match=r"sites\.csv: expected a row for US-MMS, found none; write site, latitude"
        ):
            products.read("fluxnet", path)
        return
    back = products.read("fluxnet", products.find("fluxnet", tmp_path))
    assert back.site.values.tolist() == ["US-MMS"] * 3 and set(back.igbp.values) == {4}
    np.testing.assert_allclose([back.lat[0], back.lon[0]], [39.3232, -86.4131])
    sites(tmp_path, **{"US-MMS": (39.0, -86.0, "MF")})  # a table of one's own has the last word
    assert products.read("fluxnet", path).lat.values.tolist() == [39.0] * 3


def test_two_files_of_one_site_are_refused(folder):
    yearly().to_csv(folder / NAME.format("AA-One", "SUBSET"), index=False)
    with pytest.raises(ProductError, match="one file a site, found .*FULLSET.* for AA-One too; keep one"):
        read(folder)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (yearly().drop(columns="RECO_NT_VUT_REF"), "expected columns RECO_NT_VUT_REF, found none"),
        (yearly().drop(columns="TIMESTAMP"), "expected columns TIMESTAMP, found none"),
        (yearly(years=(200101, 200102, 200103)), "expected years in TIMESTAMP, found .*200101"),
        (yearly(years=(2001, 2001, 2002)), "expected each year once, found 2001 twice"),
        (yearly(reco=("a lot", 1, 2)), "expected numbers in RECO_NT_VUT_REF, found text"),
    ],
)
def test_a_table_that_is_wrong_is_named(folder, table, message):
    path = folder / NAME.format("AA-One", "FULLSET")
    table.to_csv(path, index=False)
    with pytest.raises(ProductError, match=f"AA-One.*: {message}"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "place", "message"),
    [
        ("AA-One", (151.5, 10.0, "DBF"), "expected latitude of AA-One within ±90, found 151.5"),
        ("AA-One", (51.5, 370.0, "DBF"), "expected longitude of AA-One within ±180, found 370"),
    ],
)
def test_a_place_off_the_globe_is_named(folder, name, place, message):
    sites(folder, **{name: place, "BB-Two": (0, 0, "EBF")})
    with pytest.raises(ProductError, match=f"sites.csv: {message}"):
        read(folder)


def test_a_site_table_without_its_columns_is_named(folder):
    (folder / "sites.csv").write_text("site,lat,lon\nAA-One,1,2\n")
    with pytest.raises(
        ProductError, match=r"sites\.csv: expected columns igbp, latitude, longitude, found none; add them"
    ):
        read(folder)


def test_an_unknown_land_cover_is_no_class(folder):
    sites(folder, **{"AA-One": (51.5, 10.25, "MOON"), "BB-Two": (0, 0, "")})
    assert set(read(folder).igbp.values) == {-1}


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_zip_cut_short_is_named(folder, share):
    path = folder / "FLX_DD-Cut_FLUXNET2015_FULLSET_2001-2003_1-4.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(NAME.format("DD-Cut", "FULLSET"), yearly().to_csv(index=False))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ProductError, match=r"DD-Cut.*zip: cannot be read .*fetch it again"):
        read(folder)
