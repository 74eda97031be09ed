"""Tables of site-years and of monthly climate at sites: what they give, and every way in which they can be wrong."""

import contextlib
import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import products
from helpers.products import DamagedFile, ProductError, site_table
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


def read(path, factors=None, **columns):
    return products.read("site_table", path, columns=COLUMNS | columns, factors={"reco": 0.001} | (factors or {}))


def column(table, cells, name="mine", factor=1.0):
    """Return a variable whose cells stand in a column of a table, a year a row."""
    rows = "".join(f"\nAA-One,{2003 + k},{cell},1,2,500" for k, cell in enumerate(cells.split(",")))
    return read(table("site,year,cell,latitude,longitude,reco_nt" + rows), {name: factor}, **{name: "cell"})[name]


def test_gives_the_structure_of_towers(table):
    ds = read(table(), igbp="igbp", nee_qc="qc", mat="mat", soc_0_30=[f"w{k}" for k in range(9)])
    np.testing.assert_allclose(ds.reco, [1.0, np.nan, np.nan])
    np.testing.assert_allclose(ds.nee_qc, [0.9, 0.8, 0.4])
    assert np.isnan(ds.reco_dt).all() and np.isnan(ds.mat[2])
    assert ds.site.values.tolist() == ["AA-One", "AA-One", "BB-Two"] and ds.year.values.tolist() == [2003, 2004, 2003]
    assert ds.igbp.dtype == np.int8 and ds.igbp.values.tolist() == [IGBP_CODES["ENF"]] * 2 + [IGBP_CODES["WSA"]]
    assert ds.reco.attrs["units"] == "kg m-2 yr-1" and ds.mat.attrs["units"] == "degC"
    assert ds.soc_0_30.dims == ("sample", "dy", "dx")  # from the north-west, row by row
    np.testing.assert_array_equal(ds.soc_0_30[0], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    np.testing.assert_array_equal(ds.soc_0_30[2], [[9, 8, 7], [6, 5, 4], [3, 2, np.nan]])
    assert read(table()).igbp.values.tolist() == [-1] * 3 and products.dropped(ds).empty


@pytest.mark.parametrize(
    ("text", "code"),
    [("wsa", 8), ("8.0", 8), ("Woody Savanna", 8), ("WSA (Woody Savannas: lands with …)", 8), ("", -1), ("255", -1)],
)
def test_land_cover_may_be_written_in_many_ways(table, text, code):
    assert read(table(GOOD.replace("WSA", text)), igbp="igbp").igbp.values.tolist() == [1, 1, code]


FILLS = ["-9999.000", "-9999.9", "-999.9", "-99", "-9.99e2", "-7777", "-32768", "1e30", "-3.4e38", "n/a", "--"]
FILLS += ["#DIV/0!", " ", "inf", "\u22129999"]


@pytest.mark.parametrize("fill", FILLS)
def test_a_missing_number_is_missing_however_it_is_written(table, fill):
    text = GOOD.replace("1000,0.9,-1.5", f"{fill},{fill},{fill}")
    ds = read(table(text), nee_qc="qc", mat="mat", mine="w1")
    assert all(np.isnan(ds[name][0]) for name in ("reco", "nee_qc", "mat")) and ds.mine[0] == 1
    climate = CLIMATE.replace("11,21,2.0", f"{fill},{fill},{fill}")
    for rate in ("mm d-1", "mm month-1"):
        one = products.read("site_climate", table(climate), precipitation=rate).sel(site="BB", time="2000-02-01")
        assert all(np.isnan(one[name]) for name in ("tmin", "tmax", "precipitation"))


LOST = {  # of a variable that the registry does not know
    **dict.fromkeys(
        ("5.2,3,9999.9", "5.2,3,-32768", "5.2,-3,-6999", "-5.2,3,-99.9", "-45,40,-99", "0.5,0.3,-9.99"), [2]
    ),
    **{"-9999,-99,12": [0, 1], "-9999,-6000,2000": [0]},
    **dict.fromkeys(("-400,200,-99", "-1200,200,-999", "850,400,999", "12,25,-9.99", "0,10,99", "1e6,1,2"), []),
}


@pytest.mark.parametrize("cells", LOST)
@pytest.mark.filterwarnings("ignore:.*counts as missing")
def test_a_mark_far_from_a_column_s_other_numbers_is_a_gap_and_one_among_them_a_value(table, cells):
    wanted = [np.nan if k in LOST[cells] else float(cell) for k, cell in enumerate(cells.split(","))]
    np.testing.assert_array_equal(column(table, cells), wanted)


def test_a_gap_that_is_none_for_sure_is_told(table):
    with pytest.warns(UserWarning, match="column 'cell': 9999.9 counts as missing; empty such cells"):
        column(table, "5.2,3,9999.9")


@pytest.mark.parametrize(
    ("name", "factor", "cells", "values"),
    [
        ("mat", 0.1, "152,30,-99", [15.2, 3.0, -9.9]),
        ("ndvi", 0.0001, "9999,5000,4000", [0.9999, 0.5, 0.4]),
        ("ndvi", 0.0001, "7000,6500,-3000", [0.7, 0.65, np.nan]),  # MODIS's own fill, far below the others
        ("gpp", 0.001, "9999,800,-99", [np.nan, 0.8, np.nan]),
        ("map", 1.0, "800,900,9999.9", [800, 900, np.nan]),
        ("map", 1.0, "999,9999,-9.99", [999, 9999, np.nan]),
        ("map", 1.0, "5,1000,-0.000001", [5, 1000, 0]),  # rounding beyond a limit
        ("reco_dt", 0.001, "-50,-99,-9999", [-0.05, np.nan, np.nan]),
        ("reco_dt", 0.001, "-12,900,-99", [-0.012, 0.9, -0.099]),  # a mark beside other negative numbers is a value
        ("nee_qc", 0.01, "99,80,-9999", [0.99, 0.8, np.nan]),
    ],
)
def test_a_number_that_its_variable_can_be_is_a_value(table, name, factor, cells, values):
    np.testing.assert_allclose(column(table, cells, name, factor), values)


@pytest.mark.parametrize(
    ("name", "text", "factor", "words"),
    [
        ("nee_qc", "99", 1, "expected 0 to 1, found '99'; nee_qc is a share: is the column in percent? give its"),
        ("mat", "288.15", 1, "expected -90 to 60, found '288.15'; is it in kelvin?"),
        ("map", "-5", 1, "expected 0 to 20000, found '-5'; map is in mm yr-1"),
        ("reco_dt", "900", 1, "expected -5 to 15, found '900'; reco_dt is in kg m-2 yr-1: is the column in grams?"),
    ],
)
def test_a_number_that_its_variable_cannot_be_is_refused(table, name, text, factor, words):
    with pytest.raises(ProductError) as error:
        column(table, text, name, factor)
    assert f"table.csv: row 2, column 'cell': {words}" in str(error.value) and "\n" not in str(error.value)


def test_factors_and_columns_that_cannot_be_are_named(table, tmp_path):
    for factors in ({"recco": 0.001}, {"year": 1.0}, *({"reco": bad} for bad in (0, np.inf, "1"))):
        with pytest.raises(ProductError, match="^factors: .*expected .*, found "):
            read(table(), factors)
    for name, bad in (
        *(("soc", bad) for bad in (3, "", ["w0"] * 8, ["w0"] * 8 + [1])),
        ("lat", ["w0"] * 9),
        ("dy", "w0"),
    ):
        with pytest.raises(ProductError, match=f"^columns: {name}: expected one column"):
            read(table(), **{name: bad})
    with pytest.raises(ProductError, match="column 'temperature' is not there; the file has site, year"):
        read(table(), mat="temperature")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_read_and_decimal_commas_with_them(table, separator):
    text, plain = GOOD.replace(",", separator), read(table(), mat="mat", nee_qc="qc").drop_attrs()
    for other in (text, text.replace(".", ","), f"sep={separator}\n" + text):
        assert read(table(other, "other.csv"), mat="mat", nee_qc="qc").drop_attrs().identical(plain)
    with pytest.raises(ProductError, match=r"row 2, column 'reco_nt': expected one decimal sign .*found '1\.000,5'"):
        read(table(GOOD.replace(",", ";").replace("1000;", "1.000,5;"), "mixed.csv"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", "\ufeff" + GOOD), ("a.csv.gz", GOOD.replace("\n", "\r\n")), ("a.zip", GOOD.rstrip())],
)
def test_common_ways_of_writing_a_csv_read_alike(table, name, text):
    assert read(table(text, name)).drop_attrs().identical(read(table(GOOD, "plain.csv")).drop_attrs())


def test_kelvin_becomes_celsius_by_a_factor_and_what_is_added(table):
    found = column(table, "288.15,NA,250,-9999,273.15", "mat", [1, -273.15])
    np.testing.assert_allclose(found, [15, np.nan, -23.15, np.nan, 0], atol=1e-9)
    with pytest.raises(ProductError, match="row 3, column 'cell': expected 183.15 to 333.15, found '15'"):
        column(table, "288.15,15", "mat", [1, -273.15])
    for wrong in ([0, 1], [1], [1, "x"], [1, np.nan], [1, 2, 3]):
        with pytest.raises(ProductError, match="^factors: mat: expected a number above 0, such as 0.001, or one and"):
            column(table, "1", "mat", wrong)


@pytest.mark.parametrize(
    ("name", "unit", "factor", "words"),
    [
        ("mat", "°F", 1, r"in degC, found it stated in '°F'; give the factor \[0.555556, -17.777778\] \(table_factors"),
        ("mat", "K", [1, -273.15], None),
        ("mat", "K", 1, r"give the factor \[1, -273.15\]"),
        ("mat", "degC", [1, -273.15], r"in degC by the factor \[1, -273.15\], found it stated in 'degC'; give the"),
        ("map", "in", 1, "give the factor 25.4"),
        ("map", "mm/month", 1, "give the factor 12"),
        *(("map", unit, factor, None) for unit, factor in (("mm", 1), ("mm", 12), ("mm/yr", 1), ("W m-2", 1))),
        ("reco_dt", "µmol m-2 s-1", 1, "give the factor 0.379"),
        ("reco_dt", "gC m-2 y-1", 1, "give the factor 0.001"),
        *(("reco_dt", unit, 0.001, None) for unit in ("gC m-2 y-1", "g C m-2", "1", "unit")),
        *(("reco_dt", unit, 1, None) for unit in ("kgC m-2 yr-1", "kg m-2", "-")),
        ("par", "umol m-2 s-1", 1, "in W m-2, found it stated"),
        *(("par", unit, factor, None) for unit, factor in (("W m-2", 1), ("umol m-2 s-1", 0.235), ("MJ m-2", 0.03169))),
        ("nee_qc", "%", 1, "give the factor 0.01"),
        ("mine", "°F", 1, None),
    ],
)
def test_a_unit_that_is_stated_is_the_one_that_is_read_or_refused(table, name, unit, factor, words):
    held, cell = f"cell [{unit}]", "280" if unit == "K" else "0.5"
    for text, name_of in ((f"cell\n{unit}\n{cell}\n", "cell"), (f"{held}\n{cell}\n", held)):
        path = table(text)
        with pytest.raises(ProductError, match=words) if words else contextlib.nullcontext():
            site_table.columns_of(path, {name: name_of}, {name: factor})


def test_degrees_south_or_west_are_refused_above_zero(table):
    for axis, name in (("lat", "Latitude (°S)"), ("lon", "lon_west"), ("lon", "lon [deg W]")):
        with pytest.raises(ProductError, match="expected degrees .*, found them stated as .* and above zero; write"):
            site_table.columns_of(table(f"{name}\n12.5\n"), {axis: name})
        assert site_table.columns_of(table(f"{name}\n-12.5\n"), {axis: name})[axis].item() == -12.5


def test_a_row_of_units_is_none_of_the_table(table):
    header, first, *rest = GOOD.splitlines()
    units = ",".join("[-]" if name == "site" else "unit" for name in header.split(","))
    with_units = "\n".join([header, units, first, *rest])
    assert read(table(with_units)).equals(read(table(GOOD)))
    assert site_table.rows(table(with_units)).attrs["units"]["year"] == "unit"
    gaps = "AA-One" + "," * header.count(",")
    with pytest.raises(ProductError, match="row 2, column 'year'"):  # a site-year without numbers is no row of units
        read(table("\n".join([header, gaps, first, *rest])))


def test_rows_are_those_of_an_editor_and_empty_ones_are_none(table):
    header, first, _, last = GOOD.splitlines()
    rows = ["", "", header + ",,", "", first.replace("AA-One", '"AA\nOne"') + ",,", "," * 18, last + ",,"]
    assert read(table("\n".join(rows))).sizes["sample"] == 2
    with pytest.raises(ProductError, match="row 8, column 'latitude'"):  # a name stands on two lines
        read(table("\n".join(rows).replace("-33.0", "x")))


def test_other_letters_are_read_or_told(tmp_path):
    for encoding in ("utf-16", "utf-8-sig"):
        (tmp_path / "wide.csv").write_bytes(GOOD.replace("AA-One", "Bílý").encode(encoding))
        assert read(tmp_path / "wide.csv").site.values[0] == "Bílý"
    latin = GOOD.replace("BB-Two", "Forêt").encode("latin-1")
    (tmp_path / "latin.csv").write_bytes(latin)
    with pytest.warns(UserWarning, match="latin.csv: letters are no UTF-8, and are read as Latin-1"):
        assert "Forêt" in read(tmp_path / "latin.csv").site.values
    for content, words in (
        (latin.replace(b"\xea", b"\x81"), "row 4: expected a CSV file in UTF-8, .*; save it as UTF-8"),
        (b"PK\3\4\0binary", "expected a CSV file, found something else, such as a workbook"),
        (b"<html></html>", "expected a CSV file, found a web page"),
        (b"<<<<<<< HEAD\n" + GOOD.encode(), "expected a CSV file, found marks of a conflict that git left; settle it"),
    ):
        (tmp_path / "other.csv").write_bytes(content)
        with pytest.raises(DamagedFile, match=rf"other\.csv: {words}"):
            read(tmp_path / "other.csv")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",2004,", ",2003,", "row 3: site AA-One, year 2003 is there twice, first in row 2"),
        *((",2004,", f",{bad},", "row 3, column 'year': expected a whole number") for bad in ("", "2004.5", "NA")),
        ("BB-Two", "-9999", "row 4, column 'site': expected a name, found"),
        ("-33.0", "-99", "row 4, column 'latitude': expected a number from -90 to 90, found '-99'"),
        ("10.5,20.5", "0,0.0", "expected degrees of places on land, found 0, 0 in row 2, which no land is at"),
        ("2004,10.5,20.5", "2004,10.6,20.5", "expected one place, found 10.5, 20.5 in row 2 and 10.6, 20.5 in row 3"),
        (",mat,", ",qc,", "expected one column 'qc', found several"),
        ("site,", "# mine\nsite,", "row 2: expected 1 fields, found 17; the columns' names must stand in the first"),
        (GOOD[GOOD.rindex("WSA") :], "", "row 4: expected 17 fields, found 5; the row is cut short; correct the table"),
        (GOOD, "", "found an empty table"),
    ],
)
def test_every_fault_is_one_line_that_names_the_file(table, old, new, words):
    with pytest.raises(ProductError) as error:
        read(table(GOOD.replace(old, new)), igbp="igbp")
    assert words in str(error.value) and "\n" not in str(error.value) and "table.csv" in str(error.value)
    assert read(table(GOOD.replace("2004,10.5,20.5", "2004,10.501,20.5"))).sizes["sample"] == 3  # some hundred metres


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(-5, 15)), min_size=1, max_size=20),
    lats=st.lists(st.floats(-90, 90), min_size=20, max_size=20),
)
def test_what_is_written_is_read(tmp_path_factory, values, lats):
    frame = pd.DataFrame({"site": [f"AA-{k}" for k in range(len(values))], "year": 2000, "reco_nt": values})
    frame = frame.assign(latitude=lats[: len(values)], longitude=30.0)
    path = tmp_path_factory.mktemp("round") / "table.csv"
    frame.to_csv(path, index=False)
    ds = products.read("site_table", [path], columns=COLUMNS)
    np.testing.assert_array_equal(ds.reco, np.array(values, dtype=float))
    np.testing.assert_array_equal(ds.lat, frame.latitude)


def test_columns_of_a_table_of_sites_may_hold_models_and_classes_and_lose_rows_without_a_site(tmp_path):
    path = tmp_path / "fluxes.csv"
    path.write_text("site,model,igbp,year,gpp\nA,one,ENF,2001,1200\n,two,,2002,\nB,two,,2002,900\n", encoding="utf-8")
    columns = {name: name for name in ("site", "model", "igbp", "year", "gpp")}
    found = site_table.columns_of(path, columns, {"gpp": 0.001}, drop_unnamed=True)
    assert found.site.tolist() == ["A", "B"] and found.model.tolist() == ["one", "two"]
    assert found.igbp.tolist() == [1, -1] and found.gpp.tolist() == [1.2, 0.9]
    with pytest.raises(ProductError, match="row 3, column 'site': expected a name"):
        site_table.columns_of(path, columns)


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
    ("old", "new", "words"),
    [
        ("2000,2,11", "2000,1,11", "site BB, year 2000, month 1 is there twice"),
        ("AA,50,2000,4", "AA,51,2000,4", "site AA: expected one place, found 50, 0 in row 4 and 51, 0 in row 5"),
        ("10,20,1.0", "20,10,1.0", "row 2, column 'tmin': expected no more than tmax, found '20'; are the columns"),
        ("10,20,1.0", "288,289,1.0", "row 2, column 'tmin': expected -90 to 60, found '288'; is it in kelvin? convert"),
        ("tmax,precipitation\n", "tmax,precipitation\n-,-,-,deg,°F,°F,mm\n", "found it stated in '°F'; convert it, or"),
        ("tmax,precipitation\n", "tmax,precipitation\n-,-,-,deg,C,C,cm\n", "in mm month-1, found it stated in 'cm'"),
        ("10,20,1.0", "10,20,-0.1", "row 2, column 'precipitation': expected 0 to 15000, found '-0.1'; it is read as"),
    ],
)
def test_faults_of_climate_tables(table, old, new, words):
    with pytest.raises(ProductError) as error:
        products.read("site_climate", table(CLIMATE.replace(old, new)))
    assert words in str(error.value) and "\n" not in str(error.value)
    for selection, words in (
        (
            {"columns": {"rain": "tmin"}},
            r"columns \(climate_columns in a profile\): expected .* found one for 'rain'",
        ),
        ({"columns": {"tmin": 3}}, "column '3' is not there"),
        ({"precipitation": "inch"}, "precipitation: expected a unit among mm d-1, mm month-1, found 'inch'"),
    ):
        with pytest.raises(ProductError, match=words):
            products.read("site_climate", table(CLIMATE), **selection)


# --- the real table --------------------------------------------------------------------------------------------------

REAL = COLUMNS | {"reco_dt": "reco_dt", "nee_qc": "nee_qc", "igbp": "igbp", "par": "shortwave"}
REAL |= {name: name for name in ("mat", "map", "lai", "evi", "lai_months", "evi_months")}
REAL |= {"soc_0_30": [f"soc_0_30_w{k}" for k in range(9)]}


def test_real_table_says_what_pandas_says(real_data, tmp_path):
    path = real_data / "fluxnet2015_site_years.csv"
    ds = products.read("site_table", path, columns=REAL, factors={"reco": 0.001, "reco_dt": 0.001})
    plain = pd.read_csv(path)
    assert ds.sizes["sample"] == len(plain) == 1436 and len(set(ds.site.values)) == 206
    assert int(ds.reco.notnull().sum()) == 1153
    np.testing.assert_allclose(ds.reco, plain.reco_nt / 1000)
    np.testing.assert_array_equal(ds.igbp, plain.igbp.map(IGBP_CODES))
    np.testing.assert_array_equal(ds.soc_0_30[:, 1, 1], plain.soc_0_30_w4)
    content = path.read_bytes()
    for keep in (0.3, 0.999):  # cut within a row
        cut = content[: int(len(content) * keep)]
        (tmp_path / "cut.csv").write_bytes(cut[: cut.rindex(b",")])
        with pytest.raises(DamagedFile, match="cut.csv: row .*expected 26 fields"):
            products.read("site_table", tmp_path / "cut.csv", columns=REAL)


def test_latitudes_of_climate_in_radians_and_points_between_thousands_are_told(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("site,year,month,lat,tmin,tmax,precipitation\nA,2001,1,0.84,1,9,50\nB,2001,1,0.9,1,9,50\n")
    with pytest.warns(UserWarning, match="column 'lat': expected degrees, found 0.84 to 0.9"):
        products.read("site_climate", path)
    path.write_text("site;lat;map\nA;48,5;1.234\nB;47,25;1.011\n")
    columns = {name: name for name in ("site", "lat", "map")}
    with pytest.raises(
        ProductError, match="row 2, column 'map': expected one decimal sign in the table, found '1.234'"
    ):
        site_table.columns_of(path, columns)
