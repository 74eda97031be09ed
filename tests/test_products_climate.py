"""CRU TS from small files with known numbers: fills, calendars, missing months, blocks of years, versions."""

import calendar
import gzip

import dask
import netCDF4
import numpy as np
import pytest
from netcdf_files import FILL, months, write

from helpers import products
from helpers.products import DamagedFile, ProductError, netcdf


@pytest.fixture
def numbers():
    """Two years of months (24, 2, 4), one cell without values, one that lacks a single month."""
    values = np.random.default_rng(3).uniform(0.5, 45, (24, 2, 4)).astype("float32")
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
    with pytest.raises(
        ProductError, match=r"2002\.pre\.dat\.nc: holds 2001-01 of pre, which .*/cru.*2001\.2001\.pre\.dat\.nc holds"
    ):
        products.read("cru_pre", products.find("cru_pre", tmp_path), years=[2001])


def test_missing_months_are_named(tmp_path, numbers):
    when = months(2000, 2001)[:22]
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "pre", numbers[:22], when)
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: cru_pre 2001 lacks 2001-11, 2001-12; .*allow_partial=True"):
        products.read("cru_pre", path, years=[2000, 2001])
    back = products.read("cru_pre", path, years=[2001], allow_partial=True)["map"]
    np.testing.assert_allclose(back.values[0, 0, 1], numbers[12:22, 1, 1].sum(), rtol=1e-6)
    whole = products.read("cru_pre", path, years=[2000, 2001], allow_partial=True)
    assert whole.attrs["incomplete_years"] == "2001 (10 of 12 months)"
    assert "incomplete_years" not in products.read("cru_pre", path, years=[2000]).attrs


def test_a_year_may_straddle_two_blocks(tmp_path, numbers):
    when = months(2000, 2001)
    write(tmp_path / "cru_ts4.05.2000.2001.a.pre.dat.nc", "pre", numbers[:18], when[:18])
    write(tmp_path / "cru_ts4.05.2000.2001.b.pre.dat.nc", "pre", numbers[18:], when[18:])
    back = products.read("cru_pre", tmp_path, years=[2001])["map"]
    np.testing.assert_allclose(back.values[0], expected(numbers, 2001, [1] * 12), rtol=1e-6)


def test_blocks_of_other_cells_are_refused(tmp_path, numbers):
    write(tmp_path / "cru_ts4.05.2000.2000.pre.dat.nc", "pre", numbers[:12], months(2000, 2000))
    lon = np.array([-135.0, -45.0, 45.0])
    write(tmp_path / "cru_ts4.05.2001.2001.pre.dat.nc", "pre", numbers[12:, :, :3], months(2001, 2001), lon=lon)
    with pytest.raises(
        ProductError, match=r"2001\.2001\.pre.*one grid in all files, found 2x3 cells, not the 2x4 of cru"
    ):
        products.read("cru_pre", tmp_path, years=[2000])


@pytest.mark.parametrize("packed", [False, True])
def test_a_long_record_is_lazy_and_the_same(tmp_path, numbers, monkeypatch, packed):
    path = write(tmp_path / "cru_ts4.05.1901.2020.pet.dat.nc", "pet", numbers, months(2000, 2001))
    if packed:
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for monthly in (False, True):
        at_once = products.read("cru_pet", tmp_path, years=[2000, 2001], monthly=monthly).pet
        monkeypatch.setattr(netcdf, "LAZY", 10)
        lazy = products.read("cru_pet", tmp_path, years=[2000, 2001], monthly=monthly).pet
        monkeypatch.undo()
        assert not dask.is_dask_collection(at_once) and dask.is_dask_collection(lazy)
        assert [sum(sizes) for sizes in lazy.chunks] == list(at_once.shape) and lazy.chunks[0] in ((1, 1), (12, 12))
        assert lazy.compute(scheduler="threads", num_workers=4).identical(at_once)


def test_damage_that_a_lazy_record_meets_later_is_told(tmp_path, numbers, monkeypatch):
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "pre", numbers, months(2000, 2001))
    monkeypatch.setattr(netcdf, "LAZY", 10)
    lazy = products.read("cru_pre", path, years=[2000, 2001])
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DamagedFile, match=rf"{path.name}: cannot be read; .* fetch it again"):
        lazy.load()


def test_a_century_of_months_is_counted_as_large():
    assert 12 * 100 * 360 * 720 > netcdf.LAZY >= 3600 * 7200


@pytest.mark.parametrize(
    ("product", "stored", "units", "shift", "message"),
    [
        ("cru_tmp", "tmp", "K", 273.15, "expected tmp in degrees Celsius, found 'K'"),
        ("cru_tmp", "tmp", "", 273.15, "expected tmp from -90 to 60, found 273.* is it another quantity, or in other"),
        ("cru_pre", "pre", "mm/day", 0, "expected pre in mm/month, found 'mm/day'"),
        ("cru_pet", "pet", "mm/month", 0, "expected pet in mm/day, found 'mm/month'"),
    ],
)
def test_other_units_are_refused(tmp_path, numbers, product, stored, units, shift, message):
    values = np.where(numbers == FILL, FILL, numbers + np.float32(shift))
    path = write(tmp_path / f"cru_ts4.05.1901.2020.{stored}.dat.nc", stored, values, months(2000, 2001), units=units)
    with pytest.raises(ProductError, match=rf"{stored}\.dat\.nc: {message}"):
        products.read(product, path, years=[2000])


@pytest.mark.parametrize("fill", [-999.0, -9999.0, 1e20, 9.96921e36])
def test_fills_that_the_file_does_not_declare_are_none(tmp_path, numbers, fill):
    values = np.where(numbers == FILL, np.float32(fill), numbers)
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "pre", values, months(2000, 2001), fill=None)
    back = products.read("cru_pre", path, years=[2000, 2001])["map"]
    for year in (2000, 2001):
        np.testing.assert_allclose(back.sel(year=year), expected(numbers, year, [1] * 12), rtol=1e-6)


def test_packed_integers_are_unpacked_by_the_files_own_scale(tmp_path, numbers):
    values = np.ma.masked_array(np.minimum(numbers, 50), numbers == FILL)
    path = tmp_path / "cru_ts4.05.1901.2020.tmp.dat.nc"
    write(path, "tmp", values, months(2000, 2001), packing=(0.01, 20.0))
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        assert file["tmp"].dtype == "int16" and file["tmp"][:].max() < 3000
    back = products.read("cru_tmp", path, years=[2000]).mat
    days = np.array(lengths(2000))
    np.testing.assert_allclose(back[0], expected(numbers, 2000, days / days.sum()), atol=0.006)


def test_a_month_that_stands_twice_is_refused(tmp_path, numbers):
    when = [*months(2000, 2000), *months(2000, 2000)]
    path = write(tmp_path / "cru_ts4.05.1901.2020.pre.dat.nc", "pre", numbers, when)
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected each month of 2000 once in pre, found 24 steps"):
        products.read("cru_pre", path, years=[2000])


def test_two_editions_of_the_climate_are_refused(tmp_path):
    for version in ("4.03", "4.05"):
        (tmp_path / f"cru_ts{version}.1901.2020.tmp.dat.nc").touch()
    with pytest.raises(ProductError, match=r"cru_tmp, found 4\.03 \(such as cru.*4\.03.*\) and 4\.05 .*; keep one"):
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
