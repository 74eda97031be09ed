"""SPEIbase: any scale, any name in use, all months, and the version of the climate that lies below."""

import dask
import numpy as np
import pytest
import xarray as xr
from netcdf_files import months, write

from helpers import products
from helpers.products import ProductError, netcdf
from helpers.products.climate import spei_remark


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
    said = spei_remark(entry, "2.6", "4.05")
    assert "2.6 rests on CRU TS 4.03" in said and "4.05" in said and "SPEIbase 2.7 matches" in said
    assert spei_remark(entry, "2.7", "4.05") == "" and spei_remark(entry, "9.9", "4.05") == ""


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
        monkeypatch.setattr(netcdf, "LAZY", 10)
    back = products.read("spei", tmp_path, years=[2000, 2001], monthly=True).spei3
    assert bool(dask.is_dask_collection(back)) is large
    np.testing.assert_array_equal(back.values[:, ::-1], np.where(stored > 1e29, np.nan, stored))
    assert back.time.dt.strftime("%Y-%m-%d").values[[0, 13]].tolist() == ["2000-01-01", "2001-02-01"]
    assert back.attrs["long_name"] == "drought index SPEI over the 3 months to each month"


def test_only_the_scales_that_are_asked_for_are_read(tmp_path):
    spei_files(tmp_path, {}, scales=(1, 12, 24))
    (tmp_path / "spei24.nc").write_bytes(b"damaged")
    assert list(products.read("spei", tmp_path, years=[2000], scales=[12, 1])) == ["spei1", "spei12"]
    with pytest.raises(ProductError, match="expected SPEI over 36 months, found 1, 12, 24; add its file"):
        products.read("spei", tmp_path, years=[2000], scales=[12, 36])


def test_a_month_outside_the_calendar_is_refused(tmp_path):
    spei_files(tmp_path, {}, scales=(12,))
    with pytest.raises(ProductError, match="expected month from 1 to 12, found 13"):
        products.read("spei", tmp_path, years=[2000], month=13)


def test_numbers_that_are_no_scores_are_refused(tmp_path):
    values = np.linspace(-3000, 3000, 96, dtype="float32").reshape(12, 2, 4)  # scores in thousandths, unsaid
    write(tmp_path / "spei12.nc", "spei", values, months(2000, 2000))
    with pytest.raises(ProductError, match=r"spei12\.nc: expected spei from -40 to 40, found .* other units"):
        products.read("spei", tmp_path, years=[2000])


def test_a_single_cell_of_a_grid_is_read_as_one(tmp_path):
    values = np.arange(24, dtype="float32").reshape(24, 1, 1) / 10
    path = write(
        tmp_path / "spei12.nc", "spei", values, months(2000, 2001), lat=np.array([47.25]), lon=np.array([7.75])
    )
    back = products.read("spei", path, years=[2000, 2001]).spei12
    np.testing.assert_allclose(back.values.ravel(), values[[11, 23], 0, 0])
    with pytest.raises(ProductError, match=r"spei12\.nc: holds one row of cells"):
        products.pixel("spei", path)


def test_scales_meet_on_the_same_cells_of_any_precision(tmp_path):
    lat = np.round(np.arange(10.05, 11, 0.1), 2)
    for scale, kind in ((12, "f4"), (24, "f8")):
        path = write(tmp_path / f"spei{scale}.nc", "spei", np.ones((24, lat.size, 4)), months(2000, 2001), lat=lat)
        xr.load_dataset(path).assign_coords(lat=lat.astype(kind)).to_netcdf(path, mode="w")
    back = products.read("spei", tmp_path, years=[2000, 2001])
    assert back.sizes["lat"] == lat.size and back.notnull().all()
    write(tmp_path / "spei36.nc", "spei", np.ones((24, lat.size, 4)), months(2000, 2001), lat=lat + 0.05)
    with pytest.raises(ProductError, match=r"spei36\.nc: spei36: expected the lat of .*spei12\.nc: spei12"):
        products.read("spei", tmp_path, years=[2000, 2001])


def test_a_year_without_any_value_is_refused(tmp_path):
    values = np.ones((24, 2, 4), "f4")
    values[:12] = np.nan
    write(tmp_path / "spei12.nc", "spei", values, months(2000, 2001))
    with pytest.raises(ProductError, match=r"spei12\.nc: expected values of spei in 2000, found none in any cell"):
        products.read("spei", tmp_path, years=[2000, 2001])
