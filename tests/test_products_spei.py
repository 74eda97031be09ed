"""SPEIbase: any scale, any name in use, whole grids and single places, and the climate that lies below."""

import gzip

import dask
import netCDF4
import numpy as np
import pytest
from netcdf_files import months, write

from helpers import products
from helpers.products import DamagedFile, ProductError, series, spei_base


def spei_files(folder, attributes, scales=(12, 24, 36)):
    values = {}
    for scale in scales:
        stored = np.random.default_rng(scale).normal(size=(24, 2, 4)).astype("float32")
        stored[:, 0, 0], stored[11, 1, 1] = 1e30, np.nan
        write(
            folder / f"spei{scale}.nc", "spei", stored, months(2000, 2001), fill=np.float32(1e30), attributes=attributes
        )
        values[scale] = stored
    return values


def test_december_is_taken_of_each_scale(tmp_path):
    stored = spei_files(tmp_path, {"version": "2.7", "summary": "… Using CRU TS 4.05 precipitation and …"})
    back = products.read("spei", products.find("spei", tmp_path), years=[2000, 2001])
    assert set(back) == {"spei12", "spei24", "spei36"} and back.spei24.attrs["units"] == "1"
    for scale, values in stored.items():
        got = back[f"spei{scale}"].values[:, ::-1]
        december = np.where(values[[11, 23]] > 1e29, np.nan, values[[11, 23]])
        np.testing.assert_array_equal(got, december)
        assert np.isnan(got[:, 0, 0]).all() and np.isnan(got[0, 1, 1])
    assert (back.attrs["product_version"], back.attrs["rests_on"]) == ("2.7", "4.05")
    june = products.read("spei", tmp_path / "spei12.nc", years=[2001], month=6).spei12
    np.testing.assert_array_equal(june.values[0, 0], stored[12][17, 1])


@pytest.mark.parametrize(
    ("attributes", "version", "rests_on"),
    [
        ({"version": "2.9.0", "summary": "Using CRU TS 4.07 precipitation"}, "2.9", "4.07"),
        ({"summary": "Using CRU TS 4.03 precipitation and potential evapotranspiration data"}, "2.6", "4.03"),
        ({"version": "2.10.0"}, "2.10", "4.08"),
        ({}, "2.6", "4.03"),
    ],
)
def test_files_tell_their_version_and_the_climate_below(tmp_path, attributes, version, rests_on):
    spei_files(tmp_path, attributes, scales=(12,))
    back = products.read("spei", tmp_path / "spei12.nc", years=[2000])
    assert (back.attrs["product_version"], back.attrs["rests_on"]) == (version, rests_on)


def test_spei_files_of_two_versions_are_refused(tmp_path):
    spei_files(tmp_path, {"version": "2.6"}, scales=(12,))
    spei_files(tmp_path, {"version": "2.7"}, scales=(24,))
    with pytest.raises(
        ProductError, match=r"SPEI of one version, found spei12\.nc of 2\.6, spei24\.nc of 2\.7; keep one"
    ):
        products.read("spei", products.find("spei", tmp_path), years=[2000])


def test_a_december_that_is_not_there_is_named(tmp_path):
    spei_files(tmp_path, {}, scales=(12,))
    with pytest.raises(ProductError, match=r"spei12\.nc: expected 2018-12 once, found it 0 times"):
        products.read("spei", tmp_path / "spei12.nc", years=[2018])


def test_a_drought_index_of_another_climate_gets_a_remark():
    entry = products.product("spei")
    said = spei_base.remark(entry, "2.6", "4.05")
    assert "2.6 rests on CRU TS 4.03" in said and "4.05" in said and "SPEIbase 2.7 matches" in said
    assert spei_base.remark(entry, "2.7", "4.05") == "" and spei_base.remark(entry, "9.9", "4.05") == ""


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("spei01.nc", 1),
        ("spei1.nc", 1),
        ("spei48.nc", 48),
        ("spei_12.nc", 12),
        ("SPEI12.nc", 12),
        ("spei12_v2.6.nc", 12),
        ("spei12_2.10.nc4", 12),
        ("SPEI_06_1901_2020.nc", 6),
        ("speibase_v2.9_24.nc", 24),
    ],
)
def test_any_scale_and_name_in_use_is_read(tmp_path, name, scale):
    stored = np.random.default_rng(scale).normal(size=(24, 2, 4)).astype("float32")
    write(tmp_path / name, "spei", stored, months(2000, 2001))
    back = products.read("spei", products.find("spei", tmp_path), years=[2001])
    values = back[f"spei{scale}"]
    np.testing.assert_array_equal(values[0, ::-1], stored[23])
    assert values.attrs["units"] == "1"
    assert values.attrs["long_name"] == f"drought index SPEI over the {scale} months to December"


def test_a_version_in_the_name_counts_where_the_file_tells_none(tmp_path):
    write(tmp_path / "spei12_v2.9.nc", "spei", np.zeros((12, 2, 4), "float32"), months(2000, 2000))
    back = products.read("spei", tmp_path, years=[2000])
    assert (back.attrs["product_version"], back.attrs["rests_on"]) == ("2.9", "4.07")
    write(tmp_path / "spei24_v2.6.nc", "spei", np.zeros((12, 2, 4), "float32"), months(2000, 2000))
    with pytest.raises(ProductError, match=r"one version of spei, found 2\.6 \(such as spei24_v2\.6\.nc\) and 2\.9"):
        products.find("spei", tmp_path)


@pytest.mark.parametrize("name", ["spei49.nc", "spei0.nc", "spei120.nc", "spi12.nc"])
def test_no_other_file_is_taken_for_one(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=r"expected files named like spei12\.nc, found none"):
        products.find("spei", tmp_path)


def test_two_files_of_one_scale_are_refused(tmp_path):
    for name in ("spei12.nc", "spei_12.nc"):
        write(tmp_path / name, "spei", np.zeros((12, 2, 4), "float32"), months(2000, 2000))
    with pytest.raises(ProductError, match=r"expected one file a time scale, found spei.?12\.nc too; remove one"):
        products.read("spei", tmp_path, years=[2000])


@pytest.mark.parametrize("large", [False, True])
def test_all_months_may_be_had_at_once_or_lazily(tmp_path, monkeypatch, large):
    stored = spei_files(tmp_path, {"version": "2.7"}, scales=(3,))[3]
    if large:
        monkeypatch.setattr(series, "LAZY", 10)
    back = products.read("spei", tmp_path, years=[2000, 2001], monthly=True).spei3
    assert bool(dask.is_dask_collection(back)) is large
    np.testing.assert_array_equal(back.values[:, ::-1], np.where(stored > 1e29, np.nan, stored))
    assert back.time.dt.strftime("%Y-%m-%d").values[[0, 13]].tolist() == ["2000-01-01", "2001-02-01"]
    assert back.attrs["long_name"] == "drought index SPEI over the 3 months to each month"


def test_a_month_outside_the_calendar_is_refused(tmp_path):
    spei_files(tmp_path, {}, scales=(12,))
    with pytest.raises(ProductError, match="expected month from 1 to 12, found 13"):
        products.read("spei", tmp_path, years=[2000], month=13)


def test_numbers_that_are_no_scores_are_refused(tmp_path):
    values = np.linspace(-3000, 3000, 96, dtype="float32").reshape(12, 2, 4)  # scores in thousandths, unsaid
    write(tmp_path / "spei12.nc", "spei", values, months(2000, 2000))
    with pytest.raises(ProductError, match=r"spei12\.nc: expected spei from -40 to 40, found .* other units"):
        products.read("spei", tmp_path, years=[2000])


# single places


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
    path.write_text("dates;spei\n2000-11-01;-1,25\n2000-12-01;1,5\n2001-12-01;1e30\n2002-12-01;-9999\n2003-12-01;nan\n")
    back = products.read("spei", path, years=[2000, 2001, 2002, 2003]).spei12.values.ravel()
    np.testing.assert_array_equal(back, [1.5, np.nan, np.nan, np.nan])


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
        ("date,spei12\n", "expected rows below date, spei12, found none", DamagedFile),
        ("date,spei12\n2000-12-01,1\n2001-12", "row 3: expected 2 fields, found 1; the file is damaged", DamagedFile),
        ("spei12\n1\n2\n", "expected a column of dates, or of year and month", ProductError),
        ("date,spei12\nwinter,1\n", "expected dates such as 2000-12-01 in 'date', found 'winter'", ProductError),
        ("date,spei12\n2000-12-01,dry\n", "expected numbers in 'spei12', found 'dry'", ProductError),
        ("date,spei12,spei_12\n2000-12-01,1,1\n", "expected one column a time scale, found two of 12", ProductError),
        ("date,spei12,spei12\n2000-12-01,1,1\n", "expected one column 'spei12', found 2", ProductError),
        ("date,spei\n2000-12-01,1\n", "expected a column such as SPEI12, found SPEI", ProductError),
        ("year,month,spei12\n2000,13,1\n", "expected a year and a month, found '2000' and '13'", ProductError),
        ("date,spei12\n1999-12-01,1\n", "expected 2000-12 once, found it 0 times; check years", ProductError),
        ("date,lat,spei12\n2000-12-01,91,1\n", "expected lat within ±90 degrees, found 91", ProductError),
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


def test_a_single_cell_of_a_grid_is_read_as_one(tmp_path):
    values = np.arange(24, dtype="float32").reshape(24, 1, 1) / 10
    path = write(
        tmp_path / "spei12.nc", "spei", values, months(2000, 2001), lat=np.array([47.25]), lon=np.array([7.75])
    )
    back = products.read("spei", path, years=[2000, 2001]).spei12
    np.testing.assert_allclose(back.values.ravel(), values[[11, 23], 0, 0])
    with netCDF4.Dataset(path) as file:
        assert file["spei"].shape == (24, 1, 1)
