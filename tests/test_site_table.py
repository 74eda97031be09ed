"""Tables of site-years and of monthly climate at sites: what they give, and every way in which they can be wrong."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import products
from helpers.products.errors import DamagedFile, ProductError
from helpers.space.regions import IGBP_CODES

COLUMNS = {"site": "site", "year": "year", "lat": "latitude", "lon": "longitude", "reco": "reco_nt"}
GOOD = """site,year,latitude,longitude,igbp,reco_nt,qc,mat,w0,w1,w2,w3,w4,w5,w6,w7,w8
AA-One,2003,10.5,20.5,ENF,1000,0.9,-1.5,0,1,2,3,4,5,6,7,8
AA-One,2004,10.5,20.5,ENF,,0.8,-1.0,0,1,2,3,4,5,6,7,8
BB-Two,2003,-33.0,151.0,WSA,-9999,0.4,NA,9,8,7,6,5,4,3,2,
"""


@pytest.fixture
def table(tmp_path):
    """Write a table (by default a good one) and return its path."""

    def write(text=GOOD, name="table.csv"):
        path = tmp_path / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inside/any.csv", text)
                archive.writestr("README.txt", "how it was made")
        else:
            path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def read(path, **columns):
    return products.read("site_table", [path], columns=COLUMNS | columns, factors={"reco": 0.001})


def test_gives_the_structure_of_towers(table):
    ds = read(table(), igbp="igbp", nee_qc="qc", mat="mat")
    assert dict(ds.sizes) == {"sample": 3}
    np.testing.assert_allclose(ds.reco, [1.0, np.nan, np.nan])
    np.testing.assert_allclose(ds.nee_qc, [0.9, 0.8, 0.4])
    assert np.isnan(ds.reco_dt).all() and np.isnan(ds.mat[2])
    assert ds.site.values.tolist() == ["AA-One", "AA-One", "BB-Two"] and ds.year.values.tolist() == [2003, 2004, 2003]
    assert ds.igbp.dtype == np.int8 and ds.igbp.values.tolist() == [IGBP_CODES["ENF"]] * 2 + [IGBP_CODES["WSA"]]
    assert ds.reco.attrs["units"] == "kg m-2 yr-1" and ds.mat.attrs["units"] == "degC"


def test_nine_columns_make_a_window_from_the_north_west(table):
    soc = read(table(), soc_0_30=[f"w{k}" for k in range(9)]).soc_0_30
    assert soc.dims == ("sample", "dy", "dx")
    np.testing.assert_array_equal(soc[0], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    np.testing.assert_array_equal(soc[2], [[9, 8, 7], [6, 5, 4], [3, 2, np.nan]])


@pytest.mark.parametrize(
    "text",
    ["wsa", "8", "8.0", "Woody savannas", "Woody Savanna", "WSA (Woody Savannas: lands with …)", " WSA "],
)
def test_land_cover_may_be_written_in_many_ways(table, text):
    assert read(table(GOOD.replace("WSA", text)), igbp="igbp").igbp.values.tolist() == [1, 1, 8]


def test_land_cover_may_be_absent(table):
    assert read(table()).igbp.values.tolist() == [-1] * 3
    for none in ("", "NA", "-9999.0", "-1", "255"):
        assert read(table(GOOD.replace("WSA", none)), igbp="igbp").igbp.values.tolist() == [1, 1, -1]


FILLS = [
    "-9999.000",
    "-9999.9",
    "-999.9",
    "-99",
    "-9.99e2",
    "-6999",
    "-7777",
    "-8888.0",
    "-32768",
    "1e30",
    "-3.4e38",
    "NULL",
    "n/a",
    "--",
    "n.a.",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    " ",
    "inf",
    "\u22129999",
]


@pytest.mark.parametrize("fill", FILLS)
def test_a_missing_number_is_missing_however_it_is_written(table, fill):
    text = GOOD.replace("1000,0.9,-1.5", f"{fill},{fill},{fill}")
    ds = read(table(text), nee_qc="qc", mat="mat", mine="w1")
    assert all(np.isnan(ds[name][0]) for name in ("reco", "nee_qc", "mat")) and ds.mine[0] == 1
    climate = CLIMATE.replace("11,21,2.0", f"{fill},{fill},{fill}")
    for rate in ("mm d-1", "mm month-1"):
        one = products.read("site_climate", table(climate), precipitation=rate).sel(site="BB", time="2000-02-01")
        assert all(np.isnan(one[name]) for name in ("tmin", "tmax", "precipitation"))


def test_what_is_small_or_negative_but_possible_is_kept(table):
    text = GOOD.replace("ENF,1000", "ENF,-12.5").replace("ENF,,", "ENF,6513,").replace("WSA,-9999", "WSA,-99")
    ds = read(table(text.replace("20.5", "-99.9")), mine="w0")
    np.testing.assert_allclose(ds.reco, [-0.0125, 6.513, -0.099])  # a mark beside other negative numbers is a value
    assert ds.lon.values.tolist() == [-99.9, -99.9, 151]


LOST = [  # of a variable that the registry does not know
    ("5.2,3,9999.9", [2]),
    ("5.2,3,99999", [2]),
    ("5.2,3,-32768", [2]),
    ("5.2,-3,-6999", [2]),
    ("5.2,3,1e14", [2]),
    ("-5.2,3,-99", [2]),
    ("-5.2,3,-99.9", [2]),
    ("-45,40,-99", [2]),
    ("-9999,-99,12", [0, 1]),
    ("0.5,0.3,-9.99", [2]),
    ("-9999,-6000,2000", [0]),
    ("-400,200,-99", []),
    ("-1200,200,-999", []),
    ("100,1200,999", []),
    ("850,400,999", []),
    ("12,25,-9.99", []),
    ("0,10,99", []),
    ("-0.99,0.99,0.5", []),
]


@pytest.mark.parametrize(("cells", "lost"), LOST)
def test_a_mark_far_from_a_column_s_other_numbers_is_a_gap_and_one_among_them_a_value(table, cells, lost):
    lines = [f"{2003 + k},{cell}" for k, cell in enumerate(cells.split(","))]
    rows = "".join(f"\nAA-One,{line},1,2,500" for line in lines)
    mine = read(table("site,year,warmth,latitude,longitude,reco_nt" + rows), mine="warmth").mine
    wanted = [np.nan if k in lost else float(cell) for k, cell in enumerate(cells.split(","))]
    np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize(
    ("name", "factor", "cells", "values"),
    [
        ("mat", 0.1, "152,30,-99", [15.2, 3.0, -9.9]),
        ("ndvi", 0.0001, "9999,5000,4000", [0.9999, 0.5, 0.4]),
        ("ndvi", 0.0001, "7000,6500,-3000", [0.7, 0.65, np.nan]),  # MODIS's own fill, far below the others
        ("ndvi", 0.0001, "7000,6500,-9999", [0.7, 0.65, np.nan]),
        ("gpp", 0.001, "9999,800,-99", [np.nan, 0.8, np.nan]),
        ("reco_dt", 0.001, "800,900,9999", [0.8, 0.9, np.nan]),
        ("map", 1.0, "800,900,9999.9", [800, 900, np.nan]),
        ("reco_dt", 0.001, "-50,-99,-9999", [-0.05, np.nan, np.nan]),
        ("reco_dt", 0.001, "-12,900,-99", [-0.012, 0.9, -0.099]),
        ("nee_qc", 0.01, "99,80,-9999", [0.99, 0.8, np.nan]),
        ("map", 1.0, "999,9999,-9.99", [999, 9999, np.nan]),
    ],
)
def test_a_number_that_its_variable_can_be_is_a_value(table, name, factor, cells, values):
    rows = "".join(f"\nAA-One,{2003 + k},{cell},1,2,500" for k, cell in enumerate(cells.split(",")))
    factors = {"reco": 0.001, name: factor}
    columns = COLUMNS | {name: "cell"}
    ds = products.read(
        "site_table", table("site,year,cell,latitude,longitude,reco_nt" + rows), columns=columns, factors=factors
    )
    np.testing.assert_allclose(ds[name], values)


@pytest.mark.parametrize(
    ("column", "text", "factors", "words"),
    [
        ("nee_qc", "99", {}, "expected 0 to 1, found 99; nee_qc is a share: is the column in percent? give its factor"),
        ("nee_qc", "99.9", {}, "expected 0 to 1, found 99.9; nee_qc is a share: is the column in percent?"),
        ("mat", "288.15", {}, "expected -90 to 60, found 288.15; is it in kelvin?"),
        ("map", "-5", {}, "expected 0 to 20000, found -5; map is in mm yr-1"),
        ("nee_qc", "93", {}, "expected 0 to 1, found 93; nee_qc is a share: is the column in percent? give its factor"),
        ("nee_qc", "150", {"nee_qc": 0.01}, "expected 0 to 100, found 150; nee_qc is in 1, by a factor of 0.01"),
        ("reco_dt", "900", {}, "expected -5 to 15, found 900; reco_dt is in kg m-2 yr-1: is the column in grams?"),
        ("soc_0_30", "-1", {}, "expected 0 to 5000, found -1"),
        ("spei12", "55", {}, "expected -40 to 40, found 55"),
    ],
)
def test_a_number_that_its_variable_cannot_be_is_refused(table, column, text, factors, words):
    path = table(GOOD.replace("-1.5", text))
    with pytest.raises(ProductError) as error:
        products.read("site_table", path, columns=COLUMNS | {column: "mat"}, factors={"reco": 0.001} | factors)
    assert f"table.csv: row 2, column 'mat': {words}" in str(error.value) and "\n" not in str(error.value)


def test_rounding_beyond_a_limit_is_the_limit_and_own_variables_have_none(table):
    assert (
        read(table(GOOD.replace("1000,0.9,-1.5", "1000,0.9,-0.000001").replace("-1.0", "5")), map="mat")["map"][0] == 0
    )
    assert read(table(GOOD.replace("-1.0", "1e6")), mine="mat").mine[1] == 1e6
    assert read(table(GOOD.replace("0.9", "1.0000001")), nee_qc="qc").nee_qc[0] == 1


def test_grams_without_a_factor_are_refused(table):
    with pytest.raises(ProductError, match=r"row 2, column 'reco_nt': expected -5 to 15, found 1000; .*factor, 0\.001"):
        products.read("site_table", table(), columns=COLUMNS)


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"recco": 0.001}, r"expected variables of columns \(reco, mat\), found 'recco'"),
        ({"year": 1.0}, "expected variables of columns .*, found 'year'"),
        *(
            ({"reco": bad}, "factors: reco: expected a number above 0")
            for bad in (0, -1, np.nan, np.inf, "1e-3", None, True)
        ),
        ([0.001], "expected variables and their factors"),
    ],
)
def test_factors_that_cannot_be_are_named(table, factors, words):
    with pytest.raises(ProductError, match=rf"^factors: .*{words.removeprefix('factors: ')}"):
        products.read("site_table", table(), columns=COLUMNS | {"mat": "mat"}, factors=factors)


@pytest.mark.parametrize("column", [3, None, {"a": "b"}, "", ["w0"] * 8, ["w0"] * 8 + [1]])
def test_columns_that_cannot_be_are_named(table, column):
    with pytest.raises(ProductError, match=r"^columns: soc: expected .*, found "):
        read(table(), soc=column)
    with pytest.raises(ProductError, match="'dy' is the name of a dimension"):
        read(table(), dy="w0")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_read_and_decimal_commas_with_them(table, separator):
    plain = table(GOOD.replace(",", separator), "plain.csv")
    commas = table(GOOD.replace(",", separator).replace(".", ","), "commas.csv")
    stated = table(f"sep={separator}\n" + GOOD.replace(",", separator), "stated.csv")
    for path in (plain, commas, stated):
        assert (
            read(path, mat="mat", nee_qc="qc")
            .drop_attrs()
            .identical(read(table(), mat="mat", nee_qc="qc").drop_attrs())
        )
    mixed = table(GOOD.replace(",", ";").replace("1000;", "1.000,5;"), "mixed.csv")
    with pytest.raises(ProductError, match=r"row 2, column 'reco_nt': expected one decimal sign, found '1\.000,5'"):
        read(mixed)


def test_rows_are_those_of_an_editor_and_empty_ones_are_none(table):
    header, first, _, last = GOOD.splitlines()
    rows = ["", "", header + ",,", "", first.replace("AA-One", '"AA\nOne"') + ",,", "," * 18, last + ",,"]
    assert read(table("\n".join(rows))).sizes["sample"] == 2
    with pytest.raises(ProductError, match="row 8, column 'latitude'"):  # a name stands on two lines
        read(table("\n".join(rows).replace("-33.0", "x")))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_other_letters_are_read_or_told(table, encoding, tmp_path):
    (tmp_path / "wide.csv").write_bytes(GOOD.replace("AA-One", "Bílý").encode(encoding))
    assert read(tmp_path / "wide.csv").site.values[0] == "Bílý"
    (tmp_path / "old.csv").write_bytes(GOOD.replace("BB-Two", "Forêt").encode("latin-1"))
    with pytest.raises(DamagedFile, match=r"old\.csv: row 4: expected a CSV file in UTF-8, .*; save it as UTF-8"):
        read(tmp_path / "old.csv")


def test_a_site_at_two_places_is_refused_with_both_rows(table):
    moved = GOOD.replace("2004,10.5,20.5", "2004,10.6,20.5")
    with pytest.raises(
        ProductError, match=r"site AA-One: expected one place, found 10\.5, 20\.5 in row 2 and 10\.6.*row 3"
    ):
        read(table(moved))
    assert read(table(moved.replace("10.6", "10.501"))).sizes["sample"] == 3  # some hundred metres


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.zip"])
@pytest.mark.parametrize("text", [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.rstrip()])
def test_common_ways_of_writing_a_csv_read_alike(table, name, text):
    assert read(table(text, name)).drop_attrs().identical(read(table(GOOD, "plain.csv")).drop_attrs())


@pytest.mark.parametrize(
    ("text", "columns", "kind", "words"),
    [
        (GOOD, {"mat": "temperature"}, ProductError, "column 'temperature' is not there; the file has site, year"),
        (
            GOOD.replace("-1.5", "warm"),
            {"mat": "mat"},
            ProductError,
            "row 2, column 'mat': expected a number",
        ),
        (GOOD.replace(",2004,", ",2003,"), {}, ProductError, "row 3: site AA-One, year 2003 is there twice"),
        (GOOD.replace(",2004,", ",2004.5,"), {}, ProductError, "row 3, column 'year': expected a whole number"),
        *(
            (GOOD.replace(",2004,", f",{year},"), {}, ProductError, "row 3, column 'year': expected a whole number")
            for year in ("", "1e20", "1e30", "-9999", "1899", "2101", "20040101", "NA")
        ),
        *(
            (GOOD.replace("BB-Two", site), {}, ProductError, "row 4, column 'site': expected a name, found")
            for site in ("", " ", "NA", "-9999")
        ),
        (GOOD.replace("-33.0", "-99"), {}, ProductError, "row 4, column 'latitude': expected a number from -90 to 90"),
        ("# made by me, 2020\n" + GOOD, {}, DamagedFile, "row 2: expected the columns' names in the first row"),
        (
            GOOD.replace("-33.0", "-93.0"),
            {},
            ProductError,
            "row 4, column 'latitude': expected a number from -90 to 90, found '-93.0'",
        ),
        (
            GOOD.replace("151.0", "1510"),
            {},
            ProductError,
            "expected a number from -180 to 180, found '1510'",
        ),
        (GOOD.replace("-33.0", ""), {}, ProductError, "column 'latitude': expected a number from -90 to 90, found ''"),
        (GOOD.replace("WSA", "WOOD"), {"igbp": "igbp"}, ProductError, "row 4, column 'igbp': expected one of WAT"),
        (GOOD.replace(",mat,", ",qc,"), {}, ProductError, "expected one column 'qc', found 2"),
        (GOOD, {"soc": ["w0", "w1"]}, ProductError, "columns: soc: expected one column, or for a predictor the nine"),
        (
            GOOD[: GOOD.rindex("WSA")],
            {},
            DamagedFile,
            "row 4: expected 17 fields, found 5; the row is cut short; correct the table",
        ),
        (GOOD.replace("ENF,1000", "ENF,1,000"), {}, DamagedFile, "row 2: expected 17 fields, found 18"),
        ("", {}, DamagedFile, "found an empty table"),
        (GOOD.splitlines()[0], {}, DamagedFile, "found an empty table"),
    ],
)
def test_every_fault_is_one_line_that_names_the_file(table, text, columns, kind, words):
    with pytest.raises(ProductError) as error:
        read(table(text), **columns)
    assert type(error.value) is kind and words in str(error.value)
    assert "\n" not in str(error.value) and ("table.csv" in str(error.value) or words.startswith("columns: "))


def test_damaged_bytes_are_named(table, tmp_path):
    whole = table(GOOD, "table.csv.gz")
    whole.write_bytes(whole.read_bytes()[:-30])
    with pytest.raises(DamagedFile, match="table.csv.gz: cannot be read"):
        read(whole)
    (tmp_path / "other.csv").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(DamagedFile, match="expected a CSV file"):
        read(tmp_path / "other.csv")


def test_paths_and_columns_that_are_not_enough(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(ProductError, match="expected one file, found 2"):
        products.read("site_table", [table(), table()], columns=COLUMNS)
    with pytest.raises(ProductError, match="found none for 'lon'"):
        products.read("site_table", [table()], columns={k: v for k, v in COLUMNS.items() if k != "lon"})


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(-5, 15)), min_size=1, max_size=20),
    lats=st.lists(st.floats(-90, 90), min_size=20, max_size=20),
)
def test_what_is_written_is_read(tmp_path_factory, values, lats):
    frame = pd.DataFrame({"site": [f"AA-{k}" for k in range(len(values))], "year": 2000, "reco_nt": values})
    frame = frame.assign(latitude=lats[: len(values)], longitude=0.0)
    path = tmp_path_factory.mktemp("round") / "table.csv"
    frame.to_csv(path, index=False)
    ds = products.read("site_table", [path], columns=COLUMNS)
    np.testing.assert_array_equal(ds.reco, np.array(values, dtype=float))
    np.testing.assert_array_equal(ds.lat, frame.latitude)


# --- monthly climate -------------------------------------------------------------------------------------------------

CLIMATE = """site,lat,year,month,tmin,tmax,precipitation
BB,-33,2000,1,10,20,1.0
BB,-33,2000,2,11,21,2.0
AA,50,2000,2,1,5,-1e-6
AA,50,2000,4,3,9,0.5
"""


def test_climate_becomes_a_cube_of_consecutive_months(table):
    ds = products.read("site_climate", table(CLIMATE), precipitation="mm d-1")
    assert dict(ds.sizes) == {"site": 2, "time": 4} and ds.site.values.tolist() == ["AA", "BB"]
    assert ds.lat.values.tolist() == [50, -33]
    np.testing.assert_allclose(ds.precipitation.sel(site="BB"), [31, 58, np.nan, np.nan])
    np.testing.assert_allclose(ds.precipitation.sel(site="AA"), [np.nan, 0, np.nan, 15])
    as_sums = products.read("site_climate", table(CLIMATE))
    np.testing.assert_allclose(as_sums.precipitation.sel(site="BB"), [1, 2, np.nan, np.nan])


@pytest.mark.parametrize(
    ("change", "selection", "words"),
    [
        (("2000,2,11", "2000,1,11"), {}, "site BB, year 2000, month 1 is there twice"),
        (("2000,4,", "2000,13,"), {}, "row 5, column 'month': expected a whole number from 1 to 12, found '13'"),
        (("AA,50,2000,4", "AA,51,2000,4"), {}, "site AA: expected one latitude, found 50 in row 4 and 51 in row 5"),
        (("tmax", "hot"), {}, "column 'tmax' is not there"),
        (("10,20,1.0", "278,288,1.0"), {}, "row 2, column 'tmin': expected -90 to 60, found 278; is it in kelvin?"),
        (("10,20,1.0", "20,10,1.0"), {}, "row 2: expected tmin no higher than tmax, found 20 and 10; are the columns"),
        (
            ("10,20,1.0", "10,20,-0.1"),
            {},
            "row 2, column 'precipitation': expected 0 to 15000, found -0.1; it is read as",
        ),
        (("BB,-33,2000,1", ",-33,2000,1"), {}, "row 2, column 'site': expected a name, found ''"),
        (("2000,1,", "1e20,1,"), {}, "row 2, column 'year': expected a whole number from 1900 to 2100, found '1e20'"),
        (("2000,1,", "2000,,"), {}, "row 2, column 'month': expected a whole number from 1 to 12, found ''"),
        (("BB,-33,2000,1", "BB,-99,2000,1"), {}, "row 2, column 'lat': expected a number from -90 to 90, found '-99'"),
        (
            ("", ""),
            {"columns": {"rain": "tmin"}},
            "columns (climate_columns in a profile): 'rain' is unknown; known are",
        ),
        (
            ("", ""),
            {"columns": {"tmin": 3}},
            "columns (climate_columns in a profile): tmin: expected the name of a column",
        ),
        (("", ""), {"precipitation": "inch"}, "precipitation: expected a unit among mm d-1, mm month-1, found 'inch'"),
    ],
)
def test_faults_of_climate_tables(table, change, selection, words):
    with pytest.raises(ProductError) as error:
        products.read("site_climate", [table(CLIMATE.replace(*change))], **selection)
    assert words in str(error.value) and "\n" not in str(error.value)


# --- the real table --------------------------------------------------------------------------------------------------

REAL = COLUMNS | {"reco_dt": "reco_dt", "nee_qc": "nee_qc", "igbp": "igbp", "par": "shortwave"}
REAL |= {name: name for name in ("mat", "map", "lai", "evi", "lai_months", "evi_months")}
REAL |= {"soc_0_30": [f"soc_0_30_w{k}" for k in range(9)]}


def test_real_table_says_what_pandas_says(real_data):
    path = real_data / "fluxnet2015_site_years.csv"
    ds = products.read("site_table", path, columns=REAL, factors={"reco": 0.001, "reco_dt": 0.001})
    plain = pd.read_csv(path)
    assert ds.sizes["sample"] == len(plain) == 1436 and len(set(ds.site.values)) == 206
    assert int(ds.reco.notnull().sum()) == 1153
    np.testing.assert_allclose(ds.reco, plain.reco_nt / 1000)
    np.testing.assert_array_equal(ds.igbp, plain.igbp.map(IGBP_CODES))
    np.testing.assert_array_equal(ds.soc_0_30[:, 1, 1], plain.soc_0_30_w4)


@pytest.mark.parametrize("keep", [0.3, 0.77, 0.999])
def test_real_table_cut_short_is_noticed(real_data, tmp_path, keep):
    content = (real_data / "fluxnet2015_site_years.csv").read_bytes()
    cut = content[: int(len(content) * keep)]
    (tmp_path / "cut.csv").write_bytes(cut[: cut.rindex(b",")])  # within a row
    with pytest.raises(DamagedFile, match="cut.csv: row .*expected 26 fields"):
        products.read("site_table", tmp_path / "cut.csv", columns=REAL)


def test_columns_of_a_table_of_sites_may_hold_models_and_classes_and_lose_rows_without_a_site(tmp_path):
    path = tmp_path / "fluxes.csv"
    path.write_text("site,model,igbp,year,gpp\nA,one,ENF,2001,1200\n,two,,2002,\nB,two,,2002,900\n", encoding="utf-8")
    columns = {name: name for name in ("site", "model", "igbp", "year", "gpp")}
    found = products.columns_of(path, columns, {"gpp": 0.001}, drop_unnamed=True)
    assert found.site.tolist() == ["A", "B"] and found.model.tolist() == ["one", "two"]
    assert found.igbp.tolist() == [1, -1] and found.gpp.tolist() == [1.2, 0.9]
    with pytest.raises(ProductError, match="row 3, column 'site': expected a name"):
        products.columns_of(path, columns)
