"""Flux towers: what comes back, from every layout of a download, lone or zipped; and what selections do."""

import csv
import gzip
import shutil
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from tower_files import bif, sites, steady, surroundings, write, yearly, zipped

from helpers import products
from helpers.products import DamagedFile, ProductError
from helpers.space.regions import IGBP_CODES


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    write(tmp_path, "BB-Two", "SUBSET", yearly(reco=(1.0, 2.0, 3.0)))
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF"), "BB-Two": (-33.0, 150.0, "ebf "), "CC-Not": (0, 0, "")})
    return tmp_path


def read(folder, **selection):
    return products.read("fluxnet2015", products.find("fluxnet2015", folder), **selection)


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
    back = read(folder, years=[2003, 2010])
    assert back.site.values.tolist() == ["AA-One", "BB-Two"] and set(back.year.values) == {2003}
    assert back.attrs["site_years_read"] == 2 and products.dropped(back).empty


def test_a_table_without_the_other_partitioning_is_read(folder):
    write(folder, table=yearly().drop(columns="RECO_DT_VUT_REF"))
    assert np.isnan(read(folder).reco_dt.values[:3]).all()
    write(folder, table=yearly().drop(columns="RECO_NT_VUT_REF"))
    np.testing.assert_allclose(read(folder, partitioning="day").reco.values[:2], [0.51, 0.71025])
    with pytest.warns(
        UserWarning, match=r"expected columns RECO_NT_VUT_REF, found none among 4; read RECO_DT.*left out"
    ):
        lost = products.dropped(read(folder))
    assert lost.site.tolist() == ["AA-One"] * 3 and lost.year.tolist() == [2001, 2002, 2003]


@pytest.mark.parametrize("fill", [-9999, -9999.0, "-9999.000", -9999.9, -9999.99999, -999.9, "1e30", "NULL", "n/a", ""])
def test_every_way_of_writing_the_fill_is_a_gap_and_nothing_else_is(folder, fill):
    write(folder, table=yearly(reco=(fill, -90.0, -120.5), qc=(fill, 0.5, 0.5)))
    back = read(folder, years=range(2001, 2004)).isel(sample=slice(0, 3))
    np.testing.assert_allclose(back.reco, [np.nan, -0.09, -0.1205])
    np.testing.assert_allclose(back.nee_qc, [np.nan, 0.5, 0.5])


# --- layouts ---------------------------------------------------------------------------------------------------------

LAYOUTS = [
    # product, file, member (none: the file is the table), release
    ("fluxnet2015", "FLX_AA-One_FLUXNET2015_FULLSET_YY_2001-2003_1-4.csv", None, "1-4"),
    ("fluxnet2015", "FLX_AA-One_FLUXNET2015_SUBSET_YY_2001-2003_1-4.csv.gz", None, "1-4"),
    (
        "fluxnet2015",
        "FLX_AA-One_FLUXNET2015_{}_2001-2003_1-4.zip",
        "FLX_AA-One_FLUXNET2015_{}_YY_2001-2003_1-4.csv",
        "1-4",
    ),
    (
        "fluxnet2015",
        "FLX_AA-One_FLUXNET2015_FULLSET_2001-2003_beta-3.zip",
        "deep/in/FLX_AA-One_FLUXNET2015_FULLSET_YY_2001-2003_beta-3.csv",
        "beta-3",
    ),
    (
        "fluxnet2015",
        "FLX_AA-One_FLUXNET2015_FULLSET_YY_2001-2003_2-3.csv.zip",
        "FLX_AA-One_FLUXNET2015_FULLSET_YY_2001-2003_2-3.csv",
        "2-3",
    ),
    ("fluxnet", "AMF_AA-One_FLUXNET_{}_2001-2003_3-5.zip", "AMF_AA-One_FLUXNET_{}_YY_2001-2003_3-5.csv", "3-5"),
    ("fluxnet", "AMF_AA-One_FLUXNET_FULLSET_YY_2001-2003_3-5.csv", None, "3-5"),
    (
        "fluxnet",
        "TERN_AA-One_FLUXNET_2001-2003_v1.3_r1.zip",
        "TERN_AA-One_FLUXNET_FLUXMET_YY_2001-2003_v1.3_r1.csv",
        "v1.3_r1",
    ),
    ("fluxnet", "EUF_AA-One_FLUXNET_FLUXMET_YY_2001-2003_v1.3_r1.csv", None, "v1.3_r1"),
    ("fluxnet", "ICOSETC_AA-One_ARCHIVE_L2.zip", "ICOSETC_AA-One_FLUXNET_YY_L2.csv", "L2"),
    ("fluxnet", "ICOSETC_AA-One_ARCHIVE_INTERIM_L2.zip", "ICOSETC_AA-One_FLUXNET_YY_INTERIM_L2.csv", "INTERIM_L2"),
    ("fluxnet", "ICOSETC_AA-One_FLUXNET_YY_L2.csv", None, "L2"),
]


@pytest.mark.parametrize("group", ["FULLSET", "SUBSET"])
@pytest.mark.parametrize(("product", "name", "member", "release"), LAYOUTS)
def test_every_layout_gives_the_same(tmp_path, product, name, member, release, group):
    path, text = tmp_path / name.format(group), yearly().to_csv(index=False)
    if member:
        member = member.format(group)
        stem, span = member.split("YY_")[0] + "{}", "2001-2003_1-4"
        zipped(path, **surroundings(stem, span), **{member: text, f"__MACOSX/._{member.split('/')[-1]}": "\0\5\26\7"})
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    for other in surroundings("XX_AA-One_FLUXNET_{}", "x"):
        (tmp_path / other).write_text("never,read\n")
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF")})
    assert products.find(product, tmp_path) == [path]
    back = products.read(product, path)
    np.testing.assert_allclose(back.reco, [0.5, np.nan, 0.70025])
    assert set(back.site.values) == {"AA-One"} and back.attrs["product_version"] == release


def test_of_a_zip_only_the_yearly_member_is_unpacked(folder):
    for path in folder.glob("FLX_AA*"):
        path.unlink()
    stem = "FLX_AA-One_FLUXNET2015_FULLSET_{}2001-2003_1-4"
    path = folder / (stem.format("") + ".zip")
    halves = stem.format("HH_") + ".csv"
    zipped(path, **{halves: "x" * 100, stem.format("YY_") + ".csv": yearly()})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo(halves).header_offset + 30 + len(halves)
    content = bytearray(path.read_bytes())
    content[at : at + 4] = b"\xff\xff\xff\xff"  # whoever unpacks the half-hours meets a broken stream
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive, pytest.raises(zlib.error):
        archive.read(halves)
    np.testing.assert_allclose(read(folder).reco[:3], [0.5, np.nan, 0.70025])


def test_a_file_that_ends_before_its_name_does_is_told(folder):
    path = write(folder, table=steady(2001, 2002))
    with pytest.warns(UserWarning, match=r"AA-One.*csv: the name tells of 2001 to 2003, the rows of 2001 to 2002"):
        read(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path.unlink()
        read(folder)


# --- selections ------------------------------------------------------------------------------------------------------


@pytest.fixture
def varied(tmp_path):
    reco, qc = (500.0, -9999, 10.0, 4999.0, 5000.0, 300.0), (0.9, 0.9, 0.9, 0.5, 0.9, -9999)
    table = yearly(reco, qc, range(2001, 2007))
    table.loc[5, "RECO_DT_VUT_REF"] = -9999
    write(tmp_path, table=table, years=(2001, 2006))
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF")})
    return tmp_path


@pytest.mark.parametrize(
    ("selection", "kept", "reasons"),
    [
        ({"partitioning": "night"}, [2001, 2003, 2004, 2005, 2006], {"RECO missing": [2002]}),
        ({"partitioning": "day"}, [2001, 2003, 2004, 2005], {"RECO missing": [2002, 2006]}),
    ],
)
def test_what_is_not_wanted_is_listed_with_its_reason(varied, selection, kept, reasons):
    back = read(varied, **selection)
    assert back.year.values.tolist() == kept
    lost = products.dropped(back)
    assert {reason: rows.year.tolist() for reason, rows in lost.groupby("reason")} == reasons
    assert set(lost.site) == {"AA-One"} and set(lost.file) == {"FLX_AA-One_FLUXNET2015_FULLSET_YY_2001-2006_1-4.csv"}
    assert back.attrs["site_years_read"] == 6 == len(kept) + len(lost)


def test_a_partitioning_is_what_the_dataset_says_it_is(varied):
    night, day, both = (read(varied, partitioning=p, years=[2001]) for p in ("night", "day", None))
    assert [ds.reco.item() for ds in (night, day, both)] == pytest.approx([0.5, 0.51, 0.5])
    assert [ds.reco.attrs["partitioning"] for ds in (night, day, both)] == ["night", "day", "night"]
    assert "reco_dt" not in night and "reco_dt" not in day and both.reco_dt.item() == pytest.approx(0.51)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"partitioning": "noon"}, "partitioning: expected 'night', 'day' or None, found 'noon'"),
        ({"partitioning": ["night"]}, r"partitioning: expected 'night', 'day' or None, found \['night'\]"),
        ({"years": 2000}, r"years: expected calendar years, such as \[2000, 2001\], or None, found 2000"),
        ({"years": "2000"}, "years: expected calendar years, .*found '2000'"),
        ({"years": [2000.5]}, "years: expected calendar years, .*found .2000.5."),
        ({"years": np.array(2000)}, "years: expected calendar years, .*found array"),
    ],
)
def test_a_selection_that_cannot_be_is_named(varied, selection, message):
    with pytest.raises(ProductError, match=message):
        read(varied, **selection)


# --- real files ------------------------------------------------------------------------------------------------------


def real_rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("how", ["lone", "gz", "zip", "subset"])
def test_a_real_file_says_what_the_csv_module_says(real_data, tmp_path, how):
    (source,) = (real_data / "native").glob("FLX_CH-Oe2*.csv")
    rows, path = real_rows(source), tmp_path / source.name
    if how == "lone":
        shutil.copy(source, path)
    elif how == "gz":
        path = path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(source.read_bytes()))
    elif how == "zip":
        path = zipped(
            tmp_path / source.name.replace("_YY", "").replace(".csv", ".zip"), **{path.name: source.read_text()}
        )
    else:
        path = tmp_path / source.name.replace("FULLSET", "SUBSET")
        columns = ["TIMESTAMP", "NEE_VUT_REF_QC", "RECO_DT_VUT_REF", "RECO_NT_VUT_REF"]
        path.write_text("\n".join(",".join(row) for row in [columns, *([r[c] for c in columns] for r in rows)]))
    with pytest.warns(UserWarning, match=r"CH-Oe2.*expected the place of CH-Oe2 in sites\.csv beside it, found none"):
        back = products.read("fluxnet2015", path)
    assert back.year.values.tolist() == [int(row["TIMESTAMP"]) for row in rows] and back.sizes["sample"] == 20
    columns = {"reco": ("RECO_NT_VUT_REF", 1e-3), "reco_dt": ("RECO_DT_VUT_REF", 1e-3), "nee_qc": ("NEE_VUT_REF_QC", 1)}
    for name, (column, factor) in columns.items():
        expected = [np.nan if float(row[column]) == -9999 else factor * float(row[column]) for row in rows]
        np.testing.assert_allclose(back[name].values, expected, rtol=1e-12)
    assert np.isnan(back.lat).all() and np.isnan(back.lon).all() and set(back.igbp.values) == {-1}


def test_a_real_base_zip_is_answered_with_what_to_fetch(real_data, tmp_path):
    path = real_data / "native" / "AMF_US-CRT_BASE-BADM_2-5.zip"
    halves = "AMF_US-CRT_BASE_HH_2-5.csv"
    with zipfile.ZipFile(path) as archive:
        archive.extract(halves, tmp_path)
    renamed = tmp_path / "AMF_US-CRT_FLUXNET_FULLSET_YY_2011-2013_2-5.csv"
    shutil.copy(tmp_path / halves, renamed)
    as_zip = shutil.copy(path, tmp_path / "AMF_US-CRT_FLUXNET_FULLSET_2011-2013_3-5.zip")
    for bad in (path, tmp_path / halves, renamed, as_zip):
        with pytest.raises(
            ProductError, match=r"AMF_US-CRT.*AmeriFlux BASE.*fetch the site's FLUXNET product"
        ) as error:
            products.read("fluxnet", bad)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_a_real_file_cut_in_mid_row_is_noticed(real_data, tmp_path, keep):
    (source,) = (real_data / "native").glob("FLX_CH-Oe2*.csv")
    content = source.read_bytes()[: int(keep * source.stat().st_size)]
    path = tmp_path / source.name
    path.write_bytes(content[: content.rindex(b",")])
    with pytest.raises(DamagedFile, match=r"CH-Oe2.*csv: row \d+: expected 331 fields, found \d+; .*fetch it again"):
        products.read("fluxnet2015", path)


def test_today_s_zip_tells_the_place_itself(tmp_path):
    stem = "AMF_US-MMS_FLUXNET_{}2001-2003_v1.3_r1"
    path = tmp_path / (stem.format("") + ".zip")
    text = bif("US-MMS", "39.3232", "-86.4131")
    zipped(path, **{stem.format("FLUXMET_YY_") + ".csv": yearly(), stem.format("BIF_") + ".csv": text})
    back = products.read("fluxnet", products.find("fluxnet", tmp_path))
    assert back.site.values.tolist() == ["US-MMS"] * 3 and set(back.igbp.values) == {4}
    np.testing.assert_allclose([back.lat[0], back.lon[0]], [39.3232, -86.4131])
