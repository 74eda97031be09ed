"""NetCDF files in all the forms they come in: axes, clocks, fills, blocks of years; what is unclear told in one line.

Read as CRU precipitation, of which a year is the plain sum of its months.
"""

import gzip

import cftime
import dask
import netCDF4
import numpy as np
import pytest
from netcdf_files import FILL, LAT, LON, months, write

from helpers import products
from helpers.products import DamagedFile, ProductError, netcdf
from helpers.workspace import LIBRARY

NAME = "cru_ts4.05.1901.2020.pre.dat.nc"
MONTHS = np.arange(24)
DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


@pytest.fixture
def rain():
    return np.random.default_rng(8).uniform(0, 100, (24, 2, 4)).astype("float32")


def read(path, years=(2000, 2001)):
    return products.read("cru_pre", path, years=years)["map"]


def plain(path, rain):
    return read(write(path, "pre", rain, months(2000, 2001)))


def named(span):
    return NAME.replace("1901.2020", span)


# --- latitude and longitude ------------------------------------------------------------------------------------------


def test_axes_may_have_any_name_in_use_or_go_by_their_units(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    for axes, clock in ((("LAT", "LON"), "T"), (("nav_lat", "nav_lon"), "time_counter"), (("rows", "columns"), "when")):
        path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), axes=axes, clock=clock)
        if clock == "when":
            with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat: expected a one-dimensional .*found .*rows"):
                read(path)
            with netCDF4.Dataset(path, "a") as file:
                file["rows"].units, file["columns"].units = "degrees_north", "degrees_east"
        assert read(path).identical(expected)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("first", [0, -360, 45])
def test_cells_keep_their_values_however_axes_run(tmp_path, rain, down, first):
    expected = plain(tmp_path / NAME, rain)
    lon = (LON - first) % 360 + first
    rows, columns = np.argsort(LAT)[:: -1 if down else 1], np.argsort(lon)
    turned = rain[:, rows][:, :, columns]
    path = write(tmp_path / NAME, "pre", turned, months(2000, 2001), lat=LAT[rows], lon=lon[columns])
    assert read(path).identical(expected)


def test_a_meridian_that_is_there_twice_is_taken_once(tmp_path):
    lon = np.array([0.0, 90.0, 180.0, 270.0, 360.0])
    values = np.broadcast_to(np.array([1, 2, 3, 4, 1], "float32"), (24, 2, 5))
    back = read(write(tmp_path / NAME, "pre", values, months(2000, 2001), lon=lon))
    assert back.lon.values.tolist() == [-180, -90, 0, 90]
    np.testing.assert_allclose(back[0, 0], 12 * np.array([3, 4, 1, 2]))


def own_axes(path, rain, axes):
    """Write a file of which ``axes`` gives dimensions and values of latitude and longitude, and those of the rain."""
    (lat_dims, lat), (lon_dims, lon), dims = axes
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in zip(("time", *dims), rain.shape, strict=True):
            file.createDimension(dim, size)
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": "days since 1900-01-01", "calendar": "standard"})
        time[:] = cftime.date2num([cftime.datetime(y, m, 15) for y, m in months(2000, 2001)], time.units)
        file.createVariable("nav_lat", "f8", lat_dims)[:] = lat
        file.createVariable("nav_lon", "f8", lon_dims)[:] = lon
        file.createVariable("pre", "f4", ("time", *dims))[:] = rain
    return path


def test_axes_may_fill_the_grid_or_stand_beside_its_dimensions(tmp_path, rain):
    expected, (lon, lat) = plain(tmp_path / NAME, rain), np.meshgrid(LON, LAT)
    yx = ("y", "x")
    for axes in ((yx, lat), (yx, lon), yx), ((("y",), LAT), (("x",), LON), yx):
        assert read(own_axes(tmp_path / NAME, rain, axes)).identical(expected)
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat, lon: expected a regular grid, found a curved one"):
        read(own_axes(tmp_path / NAME, rain, ((yx, lat + lon / 100), (yx, lon), yx)))


@pytest.mark.parametrize(
    "dims", [((), (), ()), (("lat",), ("lon",), ("lat", "lon")), (("s",), ("s",), ("s",)), ((), ("x",), ("x",))]
)
def test_one_cell_is_a_grid_of_one(tmp_path, rain, dims):
    values = rain[:, 0, 0]
    axes = (dims[0], 47.25), (dims[1], 352.25), dims[2]
    back = read(own_axes(tmp_path / NAME, values.reshape(24, *[1] * len(dims[2])), axes))
    assert back.shape == (2, 1, 1) and (back.lat.item(), back.lon.item()) == (47.25, -7.75)
    np.testing.assert_allclose(back.values.ravel(), values.reshape(2, 12).sum(axis=1), rtol=1e-6)
    with pytest.raises(ValueError, match=r"pre\.dat\.nc: lat: expected two or more evenly spaced cell centres"):
        products.pixel("cru_pre", tmp_path / NAME)


def test_axes_that_are_no_grid_in_degrees_are_refused(tmp_path, rain):
    for lat in ([-5e6, 5e6], [np.nan, 45.0]):
        path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), lat=np.array(lat))
        with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat: expected degrees, found "):
            read(path)
    for axis, units in (("lat", "degrees_south"), ("lon", "degree_W")):
        path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
        with LIBRARY, netCDF4.Dataset(path, "a") as file:
            file[axis].units = units
        with pytest.raises(ProductError, match=rf"{axis}: expected degrees_.*, found units '{units}'; turn its"):
            read(path)
    axes = (("station",), [1, 2, 3, 4]), (("station",), [1, 2, 3, 4]), ("station",)
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat, lon: expected a grid, found 4 points along station"):
        read(own_axes(tmp_path / NAME, rain[:, 0], axes))


def test_packed_axes_are_unpacked(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), lat=LAT * 10 - 50)
    with LIBRARY, netCDF4.Dataset(path, "a") as file:
        file["lat"].setncatts({"scale_factor": 0.1, "add_offset": 5.0})
    assert read(path).equals(expected)


# --- time ------------------------------------------------------------------------------------------------------------


def with_clock(path, rain, units, times, calendar="noleap", **attributes):
    """Write two years of months whose time axis is written otherwise."""
    write(path, "pre", rain, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file["time"].setncatts({"units": units, "calendar": calendar} | attributes)
        file["time"][:] = times
    return path


@pytest.mark.parametrize(
    ("units", "times", "calendar"),
    [
        ("days since 1850-01-01 00:00:00", None, "proleptic_gregorian"),
        ("hours since 0001-01-01", None, "standard"),
        ("days since 0000-01-01", None, "noleap"),
        ("months since 1901-1-15", None, "360_day"),
        ("years since AD 1999-Jan-1st", 1 + (MONTHS + 0.5) / 12, "365_days"),
        ("years since 1999", 1 + MONTHS / 12, "standard"),
        ("months since 1 January 2000", MONTHS, "standard"),
        ("Months since 2000/1/1", MONTHS, "standard"),
        ("months since 2000-1-1", MONTHS + 1, "standard"),  # each by its end
        ("month as %Y%m.%f", [199901 + 100 * (1 + m // 12) + m % 12 for m in MONTHS], "standard"),
        ("day as %Y%m%d.%f", [20000100 + 10000 * (m // 12) + 100 * (m % 12) + 15.5 for m in MONTHS], "standard"),
        ("days since AD 2000-Jan-01 00:00:00", np.cumsum(DAYS * 2), "365_days"),
        ("days since 01-Jan-2000", 30.4 * MONTHS + 14, "365_days"),
    ],
)
def test_time_axes_as_models_write_them(tmp_path, rain, units, times, calendar):
    expected, path = plain(tmp_path / NAME, rain), tmp_path / NAME
    if times is None:
        write(path, "pre", rain, months(2000, 2001), since=units, calendar=calendar)
    else:
        with_clock(path, rain, units, times, calendar)
    assert read(path).identical(expected)


def test_months_counted_in_their_middle_or_from_their_first_are_no_ends(tmp_path, rain):
    """From a February to a January: nothing is shifted, since the date that time is counted from begins a step."""
    expected = read(write(tmp_path / NAME, "pre", rain, [*months(2000, 2001)[1:], (2002, 1)]), [2001])
    for units, times in (("months since 2000-01-01", MONTHS + 1.5), ("months since 2000-02-01", MONTHS)):
        path = with_clock(tmp_path / NAME, rain, units, times, "standard")
        assert read(path, [2001]).identical(expected)


def test_times_that_are_none_are_told_in_the_books_own_words(tmp_path, rain):
    for units, times in (
        *((units, MONTHS) for units in ("", "fortnights since 2000-01-01", "days since 01/02/2000")),
        ("days since 2000-13-01", MONTHS),
        ("month as %Y%m", 200000 + MONTHS),
        ("days since 2000-01-01", 1e9 * (1 + MONTHS)),
        ("days since 2000-01-01", [*MONTHS[:23], np.nan]),
    ):
        with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected times .*; (write its times|fetch)") as error:
            read(with_clock(tmp_path / NAME, rain, units, times, "standard"))
        assert not any(word in str(error.value) for word in ("decode_times", "cftime", "xarray", "\n"))
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected times .* in the calendar 'martian'"):
        read(with_clock(tmp_path / NAME, rain, "months since 2000-01-01", MONTHS, "martian"))


def test_a_month_that_is_stamped_by_its_end_is_that_month(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), ends=True)
    assert read(path).identical(expected)
    with netCDF4.Dataset(path, "a") as file:
        file["time_bounds"][:] = 0  # bounds that nobody filled in: whole years tell that the stamps are ends
    assert read(path).identical(expected)
    path = write(tmp_path / NAME, "pre", rain[:20], months(2000, 2001)[:20], ends=True)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].delncattr("bounds")  # they are known by their own name
    assert read(path, [2000]).identical(expected[:1])


def without_bounds(path, rain, when):
    write(path, "pre", rain, when, ends=True)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].delncattr("bounds")
        file.renameVariable("time_bounds", "other")
    return path


def test_ends_of_months_are_told_from_all_files_together(tmp_path, rain):
    """No file alone runs from February to January, and all of them do, though a year between be missing."""
    expected, every = plain(tmp_path / NAME, rain), [*months(2000, 2000), *months(2002, 2002)]
    (tmp_path / NAME).unlink()
    for k in range(0, 24, 6):
        without_bounds(tmp_path / named(f"{2000 + k}.{2001 + k}"), rain[k : k + 6], every[k : k + 6])
    np.testing.assert_array_equal(read(tmp_path, [2000, 2002]).values, expected.values)


@pytest.mark.parametrize("bounds", ["gone", ""])
def test_a_stamp_that_may_begin_a_month_or_end_one_is_refused(tmp_path, rain, bounds):
    path = without_bounds(tmp_path / NAME, rain[:20], months(2000, 2001)[:20])
    with netCDF4.Dataset(path, "a") as file:
        file["time"].bounds = bounds
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected .*bounds.* 2000-02-01 may begin a step or end one"):
        read(path, [2000])


# --- values ----------------------------------------------------------------------------------------------------------


def test_other_variables_of_the_file_do_not_matter(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    with netCDF4.Dataset(tmp_path / NAME, "a") as file:
        file.createDimension("bnds", 2)
        file.createVariable("lat_bnds", "f8", ("lat", "bnds"))[:] = 0
        written = file.createVariable("date_written", "f8", ("time",))
        written.units, written[:] = "days since 0000-00-00", 0
        file.createVariable("crs", "S1", ())
    assert read(tmp_path / NAME).identical(expected)


def test_a_field_that_is_not_there_or_has_no_time_is_told(tmp_path, rain):
    path = write(tmp_path / NAME, "other", rain, months(2000, 2001))
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected a variable 'pre', found other"):
        read(path)
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("pre", "f4", ("lat", "lon"))[:] = 1
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected pre on time, lat, lon, found lat \(2\), lon \(4\)"):
        read(path)


@pytest.mark.parametrize("fill", [-999.0, 1e20, FILL, "text"])
def test_fills_are_none_whether_they_are_declared_or_not(tmp_path, rain, fill):
    values, number = rain.copy(), np.float32(-7e6 if fill == "text" else fill)
    values[:, 0, 0], values[3, 0, 1] = number, number
    path = write(tmp_path / NAME, "pre", values, months(2000, 2001), fill=None)
    if fill == "text":
        with netCDF4.Dataset(path, "a") as file:
            file["pre"].missing_value = "-7e6"
    back = read(path)
    assert np.argwhere(np.isnan(back.values)).tolist() == [[0, 1, 0], [0, 1, 1], [1, 1, 0]]


def test_numbers_outside_the_range_that_a_file_states_are_no_values(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    with netCDF4.Dataset(tmp_path / NAME, "a") as file:
        file["pre"].valid_min, file["pre"].valid_max = np.float32(1.0), np.float32(99.0)
    got, inside = read(tmp_path / NAME), ((rain >= 1) & (rain <= 99)).reshape(2, 12, 2, 4).all(axis=1)[:, ::-1]
    assert not inside.all()
    assert got.equals(expected.where(inside))


def test_packed_integers_are_unpacked_by_the_files_own_scale(tmp_path, rain):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), packing=(0.01, 20.0))
    np.testing.assert_allclose(read(path)[0, ::-1], rain[:12].sum(0), atol=0.006 * 12)
    for scale in (0.0, [1.0, 2.0], "x"):
        with netCDF4.Dataset(path, "a") as file:
            file["pre"].scale_factor = scale
        with pytest.raises(ProductError, match="expected scale_factor of pre to be one number above zero"):
            read(path)


# --- blocks of years -------------------------------------------------------------------------------------------------


def test_blocks_are_joined_wherever_they_meet(tmp_path, rain):
    expected, when = plain(tmp_path / NAME, rain), months(2000, 2001)
    (tmp_path / NAME).unlink()
    write(tmp_path / named("2000.2001.a"), "pre", rain[:18], when[:18])
    write(tmp_path / named("2000.2001.b"), "pre", rain[18:], when[18:])
    assert read(tmp_path).identical(expected)
    write(tmp_path / named("2001.2002"), "pre", rain, months(2001, 2002))
    with pytest.raises(
        ProductError, match=r"2001\.2002\.pre.*: expected 2001-01 .* once, found it in .*/cru.*\.a\.pre"
    ):
        read(tmp_path)
    write(tmp_path / named("2001.2002"), "pre", rain[:, :, :3], months(2003, 2004), lon=LON[:3])
    with pytest.raises(ProductError, match=r"2001\.2002\.pre.*one grid in all files, found 2x3 cells, not the 2x4 of"):
        read(tmp_path, [2000])
    path = write(tmp_path / NAME, "pre", rain, [*months(2000, 2000), *months(2000, 2000)])
    with pytest.raises(ProductError, match=r"expected 2000-01 of pre once, found it in .* already; fetch monthly"):
        read(path, [2000])


def test_a_year_without_any_value_is_refused(tmp_path, rain):
    rain[:12] = FILL
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected values of pre in 2000, found none in any cell"):
        read(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_long_record_is_lazy_and_the_same(tmp_path, rain, monkeypatch, packed):
    assert 12 * 100 * 360 * 720 > netcdf.LAZY >= 3600 * 7200
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
    if packed:
        (tmp_path / f"{NAME}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for monthly in (False, True):
        at_once = products.read("cru_pre", tmp_path, years=[2000, 2001], monthly=monthly)["map"]
        monkeypatch.setattr(netcdf, "LAZY", 10)
        lazy = products.read("cru_pre", tmp_path, years=[2000, 2001], monthly=monthly)["map"]
        monkeypatch.undo()
        assert not dask.is_dask_collection(at_once) and lazy.chunks[0] in ((1, 1), (12, 12))
        assert lazy.compute(scheduler="threads", num_workers=4).identical(at_once)


def test_damage_that_a_lazy_record_meets_later_is_told(tmp_path, rain, monkeypatch):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
    monkeypatch.setattr(netcdf, "LAZY", 10)
    lazy = read(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DamagedFile, match=rf"{path.name}: cannot be read; .* fetch it again"):
        lazy.load()


@pytest.mark.parametrize("kind", ["CLASSIC", "64BIT_OFFSET", "64BIT_DATA"])
@pytest.mark.parametrize("grows", [True, False])
def test_a_classic_file_that_is_cut_short_is_refused(tmp_path, kind, grows):
    """What is lacking the library reads as zeros."""
    path = tmp_path / NAME
    with netCDF4.Dataset(path, "w", format=f"NETCDF3_{kind}") as file:
        file.createDimension("time", None if grows else 3)
        file.createDimension("lat", 3)
        file.note = "odd"
        file.createVariable("odd", "i1", ("time", "lat"))[:] = np.ones((3, 3))
        if not grows or kind == "CLASSIC":
            file.createVariable("pre", "i2", ("time", "lat"))[:] = np.ones((3, 3))
    whole = path.read_bytes()
    netcdf.require_whole(path)
    for cut in (5, 30, len(whole) - 20):
        path.write_bytes(whole[:-cut])
        with pytest.raises(EOFError):
            netcdf.require_whole(path)
        with pytest.raises(DamagedFile, match=rf"{path.name}: cannot be read; .* fetch it again"):
            read(path)


def test_nothing_but_the_header_is_read_on_opening(tmp_path, rain):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), lon=LON + 180)
    with netcdf.opening(path) as ds:
        stored = netcdf.variable(ds, "pre", path)
        assert stored.dims == ("time", "lat", "lon") and not stored.variable._in_memory


def test_times_may_be_packed(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    path = with_clock(tmp_path / NAME, rain, "months since 2000-01-01", 4 * MONTHS)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].scale_factor = 0.25
    assert read(path).identical(expected)
