"""Site-years that cannot stand together: each is resolved, listed with its reason, and the losses add up."""

import gzip
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tower_files import bif, sites, steady, write, yearly, zipped

from helpers import products
from helpers.products import towers as flux

PLACE = {"AA-One": (51.5, 10.25, "DBF")}


def read(folder, **selection):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows and names need not agree here
        return products.read("fluxnet2015", products.find("fluxnet2015", folder), **selection)


def reasons(ds):
    """Return years by reason."""
    return {reason: rows.year.tolist() for reason, rows in products.dropped(ds).groupby("reason")}


def test_a_repeated_year_is_kept_once_if_its_rows_agree(tmp_path):
    table = pd.concat([yearly(), yearly().iloc[[1]], yearly().iloc[[1]]])  # a gap, three times
    write(tmp_path, table=table)
    sites(tmp_path, **PLACE)
    back = read(tmp_path)
    assert back.year.values.tolist() == [2001, 2002, 2003]
    assert reasons(back) == {flux.REPEATED: [2002, 2002]} and back.attrs["site_years_read"] == 5


@pytest.mark.parametrize("column", ["RECO_NT_VUT_REF", "RECO_DT_VUT_REF", "NEE_VUT_REF_QC"])
def test_a_repeated_year_goes_altogether_if_its_rows_contradict_each_other(tmp_path, column):
    table = pd.concat([yearly(), yearly().iloc[[0]], yearly().iloc[[0]].assign(**{column: 0.25})])
    write(tmp_path, table=table)
    sites(tmp_path, **PLACE)
    back = read(tmp_path)
    assert back.year.values.tolist() == [2002, 2003]
    assert reasons(back) == {flux.CONTRADICTED: [2001] * 3} and back.attrs["site_years_read"] == 5


ORDER = [
    # older or lesser, newer or fuller: group, release, years
    (("SUBSET", "1-4", (2001, 2003)), ("FULLSET", "1-4", (2001, 2003))),
    (("FULLSET", "1-3", (2001, 2003)), ("FULLSET", "1-4", (2001, 2003))),
    (("FULLSET", "1-3", (2001, 2003)), ("SUBSET", "1-4", (2001, 2003))),
    (("FULLSET", "1-9", (2001, 2003)), ("FULLSET", "1-10", (2001, 2003))),
    (("FULLSET", "1-4", (2001, 2003)), ("FULLSET", "1-3", (2001, 2005))),
    (("FULLSET", "beta-3", (2001, 2003)), ("FULLSET", "1-3", (2001, 2003))),
    (("FULLSET", "1-4", (2001, 2003)), ("FULLSET", "beta-3", (2001, 2004))),
]


@pytest.mark.parametrize(("lesser", "greater"), ORDER)
@pytest.mark.parametrize("swap", [False, True])
def test_of_two_files_of_a_site_one_is_kept_whole(tmp_path, lesser, greater, swap):
    paths = []
    for (group, release, years), reco in ((lesser, 100.0), (greater, 200.0)):
        paths.append(write(tmp_path, "AA-One", group, steady(*years, reco=reco), release, years))
    sites(tmp_path, **PLACE)
    back = products.read("fluxnet2015", paths[::-1] if swap else paths)
    assert set(back.reco.values) == {0.2} and back.year.values.tolist() == list(range(*greater[2])) + [greater[2][1]]
    assert reasons(back) == {flux.OTHER_FILE: list(range(*lesser[2])) + [lesser[2][1]]}
    assert set(products.dropped(back).file) == {paths[0].name}


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [
        ("AMF_AA-One_FLUXNET_FULLSET_YY_2001-2003_3-5.csv", "AMF_AA-One_FLUXNET_FLUXMET_YY_2001-2003_v1.3_r1.csv"),
        ("EUF_AA-One_FLUXNET_FLUXMET_YY_2001-2003_v1.2_r9.csv", "EUF_AA-One_FLUXNET_FLUXMET_YY_2001-2003_v1.3_r1.csv"),
        ("ICOSETC_AA-One_FLUXNET_YY_INTERIM_L2.csv", "ICOSETC_AA-One_FLUXNET_YY_L2.csv"),
        ("ICOSETC_AA-One_FLUXNET_YY_L2.csv", "EUF_AA-One_FLUXNET_FLUXMET_YY_2001-2003_v1.3_r1.csv"),
    ],
)
def test_todays_products_have_an_order_too(tmp_path, lesser, greater):
    for name, reco in ((lesser, 100.0), (greater, 200.0)):
        (tmp_path / name).write_text(steady(2001, 2003, reco).to_csv(index=False))
    sites(tmp_path, **PLACE)
    back = products.read("fluxnet", products.find("fluxnet", tmp_path))
    assert set(back.reco.values) == {0.2} and set(products.dropped(back).file) == {lesser}


def test_a_zip_beside_what_was_unpacked_from_it_counts_once(tmp_path):
    path = write(tmp_path, table=steady(2001, 2003))
    zipped(tmp_path / path.name.replace("_YY", "").replace(".csv", ".zip"), **{path.name: steady(2001, 2003)})
    sites(tmp_path, **PLACE)
    back = read(tmp_path)
    assert back.sizes["sample"] == 3 and set(products.dropped(back).file) == {path.name}
    twice = products.read("fluxnet2015", [path, path])
    assert twice.sizes["sample"] == twice.attrs["site_years_read"] == 3


@pytest.mark.parametrize(("km", "two"), [(0.0, False), (0.9, False), (1.1, True), (5000.0, True)])
def test_two_rows_of_one_identifier_are_two_towers_if_far_apart(tmp_path, km, two):
    write(tmp_path)
    write(tmp_path, "BB-Two")
    north = km / (np.pi * 6371.007181 / 180)  # degrees along a meridian
    rows = [("AA-One", 10.0, 20.0, "DBF"), ("BB-Two", 0, 0, "EBF"), ("AA-One", 10.0 + north, 20.0, "CRO")]
    sites(tmp_path, *rows)
    back = read(tmp_path)
    assert set(back.site.values) == ({"BB-Two"} if two else {"AA-One", "BB-Two"})
    assert reasons(back) == ({flux.TWO_TOWERS: [2001, 2002, 2003]} if two else {})
    if not two:
        assert set(back.igbp.values[:3]) == {-1}, "two classes are none"
    given = read(tmp_path, places={"AA-One": (10.0, 20.0, "DBF")})  # the caller settles it
    assert given.sizes["sample"] == 6 and given.igbp[0] == 4


def test_two_files_whose_metadata_lie_far_apart_are_two_towers(tmp_path):
    for k, (release, lat) in enumerate((("v1.2_r1", 10.0), ("v1.3_r1", 40.0))):
        stem = f"AMF_AA-One_FLUXNET_{{}}2001-2003_{release}"
        yy, metadata = stem.format("FLUXMET_YY_") + ".csv", stem.format("BIF_") + ".csv"
        zipped(tmp_path / (stem.format("") + ".zip"), **{yy: yearly(), metadata: bif("AA-One", lat, 5.0, group=k)})
    paths = products.find("fluxnet", tmp_path)
    both = products.read("fluxnet", paths)
    assert both.sizes["sample"] == 0 and reasons(both) == {flux.TWO_TOWERS: [2001, 2002, 2003] * 2}
    sites(tmp_path, **PLACE)  # a table tells where one stands, not whose the years are
    assert products.read("fluxnet", paths).sizes["sample"] == 0
    one = products.read("fluxnet", paths[1])
    assert one.sizes["sample"] == 3 and products.dropped(one).empty


def test_two_folders_that_place_one_identifier_far_apart_hold_two_towers(tmp_path):
    for name, lat, years in (("a", 10.0, (2001, 2003)), ("b", 40.0, (2004, 2006))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, table=steady(*years), years=years)
        sites(tmp_path / name, **{"AA-One": (lat, 5.0, "DBF")})
    assert reasons(read(tmp_path)) == {flux.TWO_TOWERS: list(range(2001, 2007))}


def test_a_site_that_moved_within_its_metadata_is_settled_by_a_table(tmp_path):
    path, metadata = write(tmp_path, table=steady(2001, 2003)), tmp_path / "AMF_AA-One_BIF_20201005.csv"
    moved = bif("AA-One", 10.0, 20.0) + bif("AA-One", 10.5, 20.0, group=2).split("\n", 1)[1]
    metadata.write_text(moved)
    for text in (moved, moved.replace(",1,GRP", ",,GRP").replace(",2,GRP", ",,GRP")):  # groups without numbers as well
        metadata.write_text(text)
        with pytest.warns(UserWarning, match=r"one place of AA-One, found 10, 20 and 10\.5, 20; .*into sites\.csv"):
            assert reasons(products.read("fluxnet2015", path)) == {flux.TWO_TOWERS: [2001, 2002, 2003]}
    metadata.write_text(moved.replace("10.5", "10.0001"))
    assert products.read("fluxnet2015", path).lat.values.tolist() == [10.0] * 3
    metadata.write_text(moved)
    sites(tmp_path, **PLACE)
    assert products.read("fluxnet2015", path).sizes["sample"] == 3


STEM = "AMF_BB-Two_FLUXNET_{}2018-2020_v1.3_r1"
LESS = steady(2018, 2020)
BAD = {
    "no yearly member": ({STEM.format("BIF_") + ".csv": "x\n"}, r"expected one yearly file .*found 0"),
    "day-time RECO only": (LESS.drop(columns="RECO_NT_VUT_REF"), "expected columns RECO_NT_VUT_REF"),
    "no QC": (LESS.drop(columns="NEE_VUT_REF_QC"), "expected columns NEE_VUT_REF_QC"),
    "a row cut short": (LESS.to_csv(index=False)[:-12], "row 4: expected 5 fields, found 4"),
    "QC in percent": (steady(2018, 2020, qc=93.0), "expected 0 to 1, found 93"),
    "a damaged zip": (b"PK\3\4 and no more", "cannot be read"),
    "half-hours": ({"AMF_BB-Two_BASE_HH_2-5.csv": "x\n"}, "expected one yearly file"),
    "half-hours by name": (None, "expected a yearly file of fluxnet, found AmeriFlux BASE"),
}


@pytest.mark.parametrize("what", BAD)
def test_one_file_that_cannot_be_read_stops_no_other_and_is_accounted_for(tmp_path, what):
    content, reason = BAD[what]
    (tmp_path / "AMF_AA-One_FLUXNET_FLUXMET_YY_2018-2020_v1.3_r1.csv").write_text(
        steady(2018, 2020).to_csv(index=False)
    )
    path = tmp_path / (STEM.format("") + ".zip")
    if content is None:
        path, content = tmp_path / "AMF_BB-Two_BASE-BADM_2-5.zip", b""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        yearly_name = STEM.format("FLUXMET_YY_") + ".csv"
        zipped(path, **(content if isinstance(content, dict) else {yearly_name: content}))
    sites(tmp_path, **{"AA-One": (51.5, 10.25, "DBF"), "BB-Two": (1, 2, "EBF")})
    with pytest.warns(UserWarning) as seen:
        back = products.read("fluxnet", tmp_path)
    (said,) = [str(each.message) for each in seen]
    assert path.name in said and re.search(reason, said) and "left out" in said and "\n" not in said
    lost = products.dropped(back)
    assert set(back.site.values) == {"AA-One"} and set(lost.site) == {"BB-Two"} and set(lost.file) == {path.name}
    assert lost.year.tolist() == ([0] if "BASE-BADM" in path.name else [2018, 2019, 2020])  # no year in its name
    assert all(re.search(reason, each) and str(tmp_path) not in each for each in lost.reason)
    assert back.attrs["site_years_read"] == back.sizes["sample"] + len(lost)
    with pytest.raises(products.ProductError, match=reason):
        products.read("fluxnet", path)
    if what == "day-time RECO only":
        assert set(products.read("fluxnet", tmp_path, partitioning="day").site.values) == {"AA-One", "BB-Two"}


def test_a_site_without_a_class_is_read_and_no_other_library_is_heard(tmp_path):
    for site, igbp in (("AA-One", "ENF"), ("BB-Two", None)):
        stem = f"AMF_{site}_FLUXNET_{{}}2018-2020_v1.3_r1"
        members = {stem.format("FLUXMET_YY_") + ".csv": LESS, stem.format("BIF_") + ".csv": bif(site, 45, 10, igbp)}
        zipped(tmp_path / (stem.format("") + ".zip"), **members)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert products.read("fluxnet", tmp_path).igbp.values.tolist() == [1] * 3 + [-1] * 3


def test_where_nothing_can_be_read_the_first_fault_is_told(tmp_path):
    for site in ("AA-One", "BB-Two"):
        (tmp_path / f"AMF_{site}_FLUXNET_2018-2020_v1.3_r1.zip").write_bytes(b"PK")
    with pytest.raises(products.ProductError, match=r"AA-One.*cannot be read.*none of 2 files can be read\)$"):
        products.read("fluxnet", tmp_path)


SPAN = "FLX_BB-Two_FLUXNET2015_FULLSET_YY_2001-2003_1-4"


@pytest.mark.parametrize(
    ("name", "kind", "remedy"),
    [
        (f"{SPAN} (1).csv", "file", f"rename it to {SPAN}.csv"),
        (f"{SPAN} - Copy.csv", "file", f"rename it to {SPAN}.csv"),
        (f"{SPAN}.csv.1", "file", f"rename it to {SPAN}.csv"),
        (f"{SPAN}.csv.crdownload", "file", "its download was not finished: fetch it again"),
        (f"{SPAN}.csv", "link", "this is a link to nothing: put the file in its place"),
        (f"{SPAN}.zip", "folder", "this is a folder: give the file in it"),
        (f"{SPAN.lower()}.csv", "file", "rename it, in upper and lower case like FLX_"),
        (f"{SPAN}.ZIP", "file", "rename it, in upper and lower case like FLX_"),
        (f"{SPAN}.tar.gz", "file", "unpack it"),
    ],
)
def test_a_tower_whose_file_is_not_read_as_it_is_is_told_and_accounted_for(tmp_path, name, kind, remedy):
    write(tmp_path, table=steady(2001, 2003))
    sites(tmp_path, **PLACE)
    odd = tmp_path / name
    if kind == "file":
        odd.write_bytes(b"x")
    elif kind == "link":
        odd.symlink_to(tmp_path / "gone.csv")
    else:
        odd.mkdir()
    (tmp_path / f"{SPAN.replace('BB-Two', 'CC-Tri')}.7z").write_bytes(b"x")
    with pytest.warns(UserWarning) as seen:
        back = products.read("fluxnet2015", tmp_path, years=iter([2002, 2003]))
    said = sorted(str(each.message) for each in seen)
    assert len(said) == 2 and all("left out; " in line and "\n" not in line for line in said)
    (line,) = [line for line in said if line.startswith(f"{odd}: ")]
    assert remedy in line
    lost = products.dropped(back).query("file == @name")
    assert lost.year.tolist() == [2002, 2003] and set(lost.site.str.upper()) == {"BB-TWO"}
    assert all(remedy in reason for reason in lost.reason)
    assert back.attrs["site_years_read"] == back.sizes["sample"] + 4
    assert xr.Dataset(attrs=back.attrs).attrs["site_years_dropped"].count(name) == 2


@pytest.mark.parametrize("ending", [".gz", ".zip"])
def test_a_csv_beside_its_packed_copy_is_settled_site_by_site(tmp_path, ending):
    path = write(tmp_path, table=steady(2001, 2003))
    write(tmp_path, "BB-Two", table=steady(2001, 2003))
    sites(tmp_path, **PLACE, **{"BB-Two": (1, 2, "EBF")})
    packed = tmp_path / (path.name + ending)
    if ending == ".gz":
        packed.write_bytes(gzip.compress(path.read_bytes()))
    else:
        zipped(packed, **{path.name: steady(2001, 2003)})
    back = products.read("fluxnet2015", tmp_path)
    assert back.site.values.tolist() == ["AA-One"] * 3 + ["BB-Two"] * 3
    assert reasons(back) == {flux.OTHER_FILE: [2001, 2002, 2003]} and set(products.dropped(back).file) == {path.name}


def test_a_second_copy_of_what_is_read_is_not_told(tmp_path, recwarn):
    path = write(tmp_path, table=steady(2001, 2003))
    (tmp_path / path.name.replace(".csv", " (1).csv")).write_bytes(path.read_bytes())
    inside = tmp_path / f"{SPAN}.zip"
    inside.mkdir()
    write(inside, "BB-Two", table=steady(2001, 2003))
    assert len(products.find("fluxnet2015", tmp_path)) == 2 and not recwarn.list


def test_half_hours_beside_the_sites_own_product_are_no_loss(tmp_path):
    (tmp_path / "AMF_AA-One_FLUXNET_FLUXMET_YY_2018-2020_v1.3_r1.csv").write_text(
        steady(2018, 2020).to_csv(index=False)
    )
    (tmp_path / "AMF_AA-One_BASE-BADM_2-5.zip").write_bytes(b"PK")
    sites(tmp_path, **PLACE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert products.dropped(products.read("fluxnet", tmp_path)).empty


def test_the_account_survives_a_file(tmp_path):
    table = pd.concat([yearly(), yearly().iloc[[0]]])
    write(tmp_path, table=table)
    sites(tmp_path, **PLACE)
    back = read(tmp_path, partitioning="night")
    back.to_netcdf(tmp_path / "towers.nc")
    with xr.open_dataset(tmp_path / "towers.nc") as again:
        pd.testing.assert_frame_equal(products.dropped(again), products.dropped(back))
        assert len(products.dropped(again)) + again.sizes["sample"] == again.attrs["site_years_read"] == 4


def test_what_was_not_read_as_towers_dropped_nothing(tmp_path):
    (tmp_path / "table.csv").write_text("site,year,lat,lon,reco\nAA,2001,1,2,3\n")
    columns = {name: name for name in ("site", "year", "lat", "lon", "reco")}
    empty = products.dropped(products.read("site_table", tmp_path / "table.csv", columns=columns))
    assert empty.empty and list(empty) == ["site", "year", "reason", "file"] and empty.year.dtype == np.int64


rows_drawn = st.lists(
    st.tuples(
        st.integers(2000, 2004),
        st.sampled_from([-9999, -5.0, 100.0, 6000.0]),
        st.sampled_from([-9999, 0.0, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(
        st.tuples(st.sampled_from(["AA-One", "BB-Two", "CC-Tri"]), st.sampled_from(["FULLSET", "SUBSET"]), rows_drawn),
        min_size=1,
        max_size=4,
        unique_by=lambda file: file[:2],
    ),
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
