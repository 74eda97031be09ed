"""SPEI at single places: the layouts in which it is handed out, and tables that cannot be read told in one line."""

import gzip

import numpy as np
import pytest

from helpers import products
from helpers.products import DamagedFile, ProductError


def database(first_line, values):
    """Lay out a series as the database did up to version 2.5: a description, columns of scales, no dates."""
    header = ",".join(f"SPEI{scale:02d}" for scale in range(1, 49))
    rows = [",".join("NA" if np.isnan(v) else f"{v:.5f}" for v in row) for row in values]
    return "\n".join([first_line, header, *rows]) + "\n"


@pytest.fixture
def scores():
    """Ten years of months (120, 48) from January 1901; a scale begins once it has its months."""
    values = np.random.default_rng(11).normal(size=(120, 48)).round(5)
    month, scale = np.ogrid[1:121, 1:49]
    return np.where(month < scale, np.nan, values)


DESCRIPTION = (
    '"Description: SPEI at timescales between 1 and 48 months, starting on January 1901. Version: 2.5 - July 2017. ñ"'
)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_place_of_the_database_is_named_by_its_file(tmp_path, scores, encoding, packed):
    content = database(DESCRIPTION, scores).encode(encoding)
    path = tmp_path / ("spei_-78.25_38.75.csv.gz" if packed else "spei_-78.25_38.75.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    back = products.read("spei", products.find("spei", tmp_path), years=[1904, 1910])
    assert set(back) == {f"spei{scale}" for scale in range(1, 49)}
    assert back.spei12.dims == ("year", "lat", "lon") and (back.lat.item(), back.lon.item()) == (38.75, -78.25)
    for scale in (1, 12, 36, 48):
        np.testing.assert_allclose(back[f"spei{scale}"].values.ravel(), scores[[47, 119], scale - 1], rtol=1e-6)
    assert np.isnan(products.read("spei", path, years=[1901]).spei24.item())
    assert back.attrs["product_version"] == "2.5" and back.spei12.attrs["units"] == "1"


DATED = {
    "iso": (";", "dates;spei06;spei12", lambda y, m, k: f"{y}-{m:02d}-01"),
    "counted": (
        ";",
        '"days since 1900-1-1";SPEI_06;SPEI_12',
        lambda y, m, k: str((np.datetime64(f"{y}-{m:02d}-16") - np.datetime64("1900-01-01")).astype(int)),
    ),
    "dates called counts": (";", "days since 1900-1-1;spei_6;spei_12", lambda y, m, k: f"{y}-{m:02d}-16"),
    "year and month": (",", "Year,Month,SPEI 6,SPEI 12", lambda y, m, k: f"{y},{m}"),
    "digits": (",", "date,spei6,spei12", lambda y, m, k: f"{y}{m:02d}"),
    "month first": ("\t", "Date\tSPEI6\tSPEI12", lambda y, m, k: f"{m:02d}/{y}"),
}


@pytest.mark.parametrize("layout", DATED)
def test_a_series_with_dates_of_its_own(tmp_path, scores, layout):
    separator, header, stamp = DATED[layout]
    values = scores[:, [5, 11]]
    rows = [
        separator.join([stamp(1901 + k // 12, k % 12 + 1, k), *("" if np.isnan(v) else f"{v:.5f}" for v in row)])
        for k, row in enumerate(values)
    ]
    path = tmp_path / "spei_granada.csv"
    path.write_text("\n".join(["", header, *rows]) if layout == "iso" else "\n".join([header, *rows]))
    back = products.read("spei", path, years=[1903, 1902], lat=37.25, lon=356.25)
    assert back.year.values.tolist() == [1903, 1902] and (back.lat.item(), back.lon.item()) == (37.25, -3.75)
    for column, scale in enumerate((6, 12)):
        np.testing.assert_allclose(back[f"spei{scale}"].values.ravel(), values[[35, 23], column], rtol=1e-6)
    june = products.read("spei", path, years=[1903], month=6).spei6
    np.testing.assert_allclose(june.item(), values[29, 0], rtol=1e-6)
    assert np.isnan(june.lat.item()) and june.attrs["long_name"].endswith("to June")
    every = products.read("spei", path, years=[1902, 1903], monthly=True).spei12
    np.testing.assert_allclose(every.values.ravel(), values[12:36, 1], rtol=1e-6)


def test_decimal_commas_fills_and_a_scale_that_the_name_tells(tmp_path):
    path = tmp_path / "spei_12.csv"
    path.write_text(
        "dates;spei\n2000-11-01;-1,25\n2000-12-01;1,5\n2001-12-01;1e30\n2002-12-01;-9999,000\n2003-12-01;nan\n"
    )
    back = products.read("spei", path, years=[2000, 2001, 2002, 2003]).spei12.values.ravel()
    np.testing.assert_array_equal(back, [1.5, np.nan, np.nan, np.nan])
    path.write_text("date,spei\n2000-12-01,-99.99\n2001-12-01,NULL\n2002-12-01,-inf\n2003-12-01,-2.5\n")
    back = products.read("spei", path, years=[2000, 2001, 2002, 2003]).spei12.values.ravel()
    np.testing.assert_array_equal(back, [np.nan, np.nan, np.nan, -2.5])


def test_a_column_may_tell_the_place(tmp_path):
    path = tmp_path / "spei.csv"
    path.write_text("date,lat,lon,spei12\n2000-12-01,10.25,20.75,0.5\n2001-12-01,10.25,20.75,-0.5\n")
    back = products.read("spei", path, years=[2001])
    assert (back.lat.item(), back.lon.item(), back.spei12.item()) == (10.25, 20.75, -0.5)
    path.write_text("date,lat,lon,spei12\n2000-12-01,10.25,20.75,0.5\n2000-12-01,11.25,20.75,-0.5\n")
    with pytest.raises(ProductError, match=r"spei\.csv: expected 2000-12 once, found it 2 times|expected one place"):
        products.read("spei", path, years=[2000])


@pytest.mark.parametrize(
    ("content", "message", "kind"),
    [
        (
            "<html>log in</html>",
            "expected a table with columns such as SPEI12, found none; fetch it again",
            DamagedFile,
        ),
        ("", "expected a table with columns such as SPEI12", DamagedFile),
        ("date,spei12\n", "expected a header and at least one row, found an empty table; fetch", DamagedFile),
        (
            "date,spei12\n2000-12-01,1\n2001-12",
            "row 3: expected 2 fields, found 1; the row is cut short; fetch it again",
            DamagedFile,
        ),
        ("spei12\n1\n2\n", "expected a column of dates, or of year and month", ProductError),
        (
            "date,spei12\nwinter,1\n",
            "row 2, column 'date': expected a date such as 2000-12-01, found 'winter'",
            ProductError,
        ),
        ("date,spei12\n2000-12-01,dry\n", "row 2, column 'spei12': expected a number, found 'dry'", ProductError),
        ("date,spei12,spei_12\n2000-12-01,1,1\n", "expected one column a time scale, found two of 12", ProductError),
        ("date,spei12,spei12\n2000-12-01,1,1\n", "expected one column 'spei12', found 2", ProductError),
        ("date,spei\n2000-12-01,1\n", "expected a column such as SPEI12, found SPEI", ProductError),
        (
            "year,month,spei12\n2000,13,1\n",
            "row 2, column 'month': expected a whole number from 1 to 12, found '13'",
            ProductError,
        ),
        ("date,spei12\n1999-12-01,1\n", "expected 2000-12 once, found it 0 times; check years", ProductError),
        ("date,spei12\n2000-12-01,55\n", "row 2, column 'spei12': expected -40 to 40, found '55'; fetch", ProductError),
        ("days since 1900-13-1,spei12\n36000,1\n", "expected a column such as 'days since 1900-1-1'", ProductError),
        ("days since 1900-1-1,spei12\n1e9,1\n", "row 2, column 'days since 1900-1-1': expected a number", ProductError),
        ("x" * 300_000, "expected a table with columns such as SPEI12", DamagedFile),
        (
            "date,lat,spei12\n2000-12-01,91,1\n",
            "row 2, column 'lat': expected a number from -90 to 90, found '91'",
            ProductError,
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_told(tmp_path, content, message, kind):
    path = tmp_path / "spei.csv"
    path.write_text(content)
    with pytest.raises(kind, match=rf"spei\.csv: {message}") as found:
        products.read("spei", path, years=[2000])
    assert "\n" not in str(found.value)


def test_a_place_is_read_by_itself(tmp_path):
    for name in ("spei_1.5_2.5.csv", "spei_3.5_2.5.csv"):
        (tmp_path / name).write_text("date,spei12\n2000-12-01,1\n")
    with pytest.raises(ProductError, match=r"spei_1\.5_2\.5\.csv: expected a point series by itself, found 1 more"):
        products.read("spei", tmp_path, years=[2000])


def test_only_the_scales_that_are_asked_for_are_read(tmp_path, scores):
    path = tmp_path / "spei_1.25_2.25.csv"
    path.write_text(database(DESCRIPTION, scores))
    assert list(products.read("spei", path, years=[1905], scales=[12, 24])) == ["spei12", "spei24"]
    with pytest.raises(ProductError, match=r"spei_1\.25_2\.25\.csv: expected SPEI over 60 months, found 1, 2, 3"):
        products.read("spei", path, years=[1905], scales=[60])
