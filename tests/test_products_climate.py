"""CRU TS and SPEIbase from small files with known numbers: fills, calendars, missing months, versions."""

import calendar
import gzip

import netCDF4
import numpy as np
import pytest
from netcdf_files import FILL, months, write

from helpers import products
from helpers.products import ProductError, spei_base


@pytest.fixture
def numbers():
    """Two years of months (24, 2, 4), one cell without values, one that lacks a single month."""
    values = np.random.default_rng(3).uniform(0.5, 90, (24, 2, 4)).astype("float32")
    values[:, 0, 0] = FILL
    values[14, 1, 3] = FILL
    return values


def expected(values, year, weights):
    """Sum months times weights by a plain loop, north up; NaN where any month is missing."""
    block = values[12 * (year - 2000) :][:12].astype("float64")
    out = np.full((2, 4), np.nan)
    for i in range(2):
        for j in range(4):
            if (block[:, i, j] < 1e30).all():
                out[1 - i, j] = sum(w * v for w, v in zip(weights, block[:, i, j], strict=True))
    return out


def lengths(year):
    return [calendar.monthrange(year, m)[1] for m in range(1, 13)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("product", "stored", "name", "units", "rule"),
    [
        ("cru_tmp", "tmp", "mat", "degC", lambda d: np.array(d) / sum(d)),
        ("cru_pre", "pre", "map", "mm yr-1", lambda d: [1] * 12),
        ("cru_pet", "pet", "pet", "mm yr-1", lambda d: d),
    ],
)
def test_a_year_of_climate(tmp_path, numbers, product, stored, name, units, rule, packed):
    path = write(tmp_path / f"cru_ts4.05.1901.2020.{stored}.dat.nc", stored, numbers, months(2000, 2001))
    if packed:
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    back = products.read(product, products.find(product, tmp_path), years=[2001, 2000])
    assert back.year.values.tolist() == [2001, 2000]
    for year in (2000, 2001):
        np.testing.assert_allclose(back[name].sel(year=year), expected(numbers, year, rule(lengths(year))), rtol=1e-6)
    assert back[name].attrs["units"] == units and back.lat.values.tolist() == [45, -45]
    assert back.attrs["product_version"] == "4.05" and "4.05" in back[name].attrs["source"]


def test_months_of_evapotranspiration_are_sums(tmp_path, numbers):
    path = write(tmp_path / "cru_ts4.05.1901.2020.pet.dat.nc", "pet", numbers, months(2000, 2001))
    back = products.read("cru_pet", path, years=[2000, 2001], monthly=True).pet
    assert back.attrs["units"] == "mm month-1" and back.sizes["time"] == 24
    np.testing.assert_allclose(back.values[1, 0, 1], 29 * numbers[1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(back.values[13, 0, 1], 28 * numbers[13, 1, 1], rtol=1e-6)
    assert np.isnan(back.values[14, 0, 3]) and np.isnan(back.values[:, 1, 0]).all()


def test_decades_in_several_files_are_joined(tmp_path, numbers):
    for first, part in ((2000, numbers[:12]), (2001, numbers[12:])):
        write(tmp_path / f"cru_ts4.05.{first}.{first}.pre.dat.nc", "pre", part, months(first, first))
    paths = products.find("cru_pre", tmp_path)
    back = products.read("cru_pre", paths, years=[2000, 2001])["map"]
    np.testing.assert_allclose(back.sel(year=2001), expected(numbers, 2001, [1] * 12), rtol=1e-6)
    write(tmp_path / "cru_ts4.05.2001.2002.pre.dat.nc", "pre", numbers, months(2001, 2002))
    with pytest.raises(ProductError, match="holds 2001, which another file holds too; remove one"):
        products.read("cru_pre", products.find("cru_pre", tmp_path), years=[2001])


def test_missing_months_are_named(tmp_path, numbers):
    when = months(2000, 2001)[:22]
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "pre", numbers[:22], when)
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: cru_pre 2001 lacks 2001-11, 2001-12; .*allow_partial=True"):
        products.read("cru_pre", path, years=[2000, 2001])
    back = products.read("cru_pre", path, years=[2001], allow_partial=True)["map"]
    np.testing.assert_allclose(back.values[0, 0, 1], numbers[12:22, 1, 1].sum(), rtol=1e-6)


def test_a_month_that_stands_twice_is_refused(tmp_path, numbers):
    when = [*months(2000, 2000), *months(2000, 2000)]
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "pre", numbers, when)
    with pytest.raises(ProductError, match="each month of 2000 once in cru_pre 2000, found some twice"):
        products.read("cru_pre", path, years=[2000])


def test_two_editions_of_the_climate_are_refused(tmp_path):
    for version in ("4.03", "4.05"):
        (tmp_path / f"cru_ts{version}.1901.2020.tmp.dat.nc").touch()
    with pytest.raises(ProductError, match="expected one version of cru_tmp, found 4.03 and 4.05; keep one"):
        products.find("cru_tmp", tmp_path)


def test_longitudes_may_run_to_360_and_axes_may_be_named_in_full(tmp_path, numbers):
    path = tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc"
    east = np.array([45.0, 135.0, 225.0, 315.0])
    write(path, "pre", numbers, months(2000, 2001), lon=east, axes=("latitude", "longitude"))
    back = products.read("cru_pre", path, years=[2000])["map"]
    assert back.lon.values.tolist() == [-135, -45, 45, 135]
    np.testing.assert_allclose(back.values[0], expected(numbers, 2000, [1] * 12)[:, [2, 3, 0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("time", "message"),
    [(("fortnights", "standard"), "expected time units such as 'days since"), (("", "standard"), "found ''")],
)
def test_a_time_axis_without_units_is_refused(tmp_path, numbers, time, message):
    path = tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc"
    write(path, "pre", numbers, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file["time"].units = time[0]
    with pytest.raises(ProductError, match=f"pre.dat.nc: .*{message}"):
        products.read("cru_pre", path, years=[2000])


def test_another_variable_is_named(tmp_path, numbers):
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "tmp", numbers, months(2000, 2001))
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected a variable 'pre', found tmp"):
        products.read("cru_pre", path, years=[2000])


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
    with pytest.raises(ProductError, match="files of one version, found spei12 2.6, spei24 2.7"):
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
