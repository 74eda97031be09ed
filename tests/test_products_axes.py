"""The axes of NetCDF files in all the forms they come in, and what cannot be understood told in one line."""

import cftime
import netCDF4
import numpy as np
import pytest
from netcdf_files import LAT, LON, months, write

from helpers import products
from helpers.products import ProductError, netcdf

NAME = "cru_ts4.05.1901.2020.pre.dat.nc"


@pytest.fixture
def rain():
    return np.random.default_rng(8).uniform(0, 100, (24, 2, 4)).astype("float32")


def read(path, years=(2000, 2001), product="cru_pre"):
    return products.read(product, path, years=years)["map"]


def plain(path, rain):
    return read(write(path, "pre", rain, months(2000, 2001)))


@pytest.mark.parametrize(
    "axes",
    [("lat", "lon"), ("latitude", "longitude"), ("Latitude", "Longitude"), ("LAT", "LON"), ("nav_lat", "nav_lon")],
)
@pytest.mark.parametrize("clock", ["time", "Time", "time_counter", "T"])
def test_axes_may_have_any_name_in_use(tmp_path, rain, axes, clock):
    expected = plain(tmp_path / NAME, rain)
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), axes=axes, clock=clock)
    assert read(path).identical(expected)


def test_axes_of_other_names_go_by_their_units(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), axes=("rows", "columns"), clock="when")
    with pytest.raises(
        ProductError, match=r"pre\.dat\.nc: lat: expected a one-dimensional coordinate, found dimensions .*rows"
    ):
        read(path)
    with netCDF4.Dataset(path, "a") as file:
        file["rows"].units, file["columns"].units = "degrees_north", "degrees_east"
    assert read(path).identical(expected)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("first", [-180, 0, -360, 45])
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


def own_axes(path, rain, build):
    """Write a file whose latitude and longitude ``build`` lays down; it returns the variable's dimensions."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", len(rain))
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": "days since 1900-01-01", "calendar": "standard"})
        time[:] = cftime.date2num([cftime.datetime(y, m, 15) for y, m in months(2000, 2001)], time.units)
        values = file.createVariable("pre", "f4", ("time", *build(file)))
        values[:] = rain
    return path


def coordinate(file, name, dims, values):
    file.createVariable(name, "f8", dims)[:] = values


def curved(file, lat, lon):
    for dim, size in zip(("y", "x"), lat.shape, strict=True):
        file.createDimension(dim, size)
    coordinate(file, "nav_lat", ("y", "x"), lat)
    coordinate(file, "nav_lon", ("y", "x"), lon)
    return "y", "x"


def test_two_dimensional_axes_of_a_plain_grid_are_one(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    lon, lat = np.meshgrid(LON, LAT)
    assert read(own_axes(tmp_path / NAME, rain, lambda file: curved(file, lat, lon))).identical(expected)


def test_a_curved_grid_is_refused(tmp_path, rain):
    lon, lat = np.meshgrid(LON, LAT)
    path = own_axes(tmp_path / NAME, rain, lambda file: curved(file, lat + lon / 100, lon))
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat, lon: expected a regular grid, found curved ones on"):
        read(path)


def test_axes_may_stand_beside_dimensions_of_other_names(tmp_path, rain):
    def build(file):
        for dim, name, centres in (("y", "lat", LAT), ("x", "lon", LON)):
            file.createDimension(dim, centres.size)
            coordinate(file, name, (dim,), centres)
            coordinate(file, dim, (dim,), np.arange(centres.size))
        return "y", "x"

    expected = plain(tmp_path / NAME, rain)
    assert read(own_axes(tmp_path / NAME, rain, build)).identical(expected)


def cell(file):
    for name, value in (("lat", 47.25), ("lon", 352.25)):
        file.createDimension(name, 1)
        coordinate(file, name, (name,), value)
    return "lat", "lon"


def curved_cell(file):
    return curved(file, np.array([[47.25]]), np.array([[352.25]]))


def numbers(file):
    coordinate(file, "lat", (), 47.25)
    coordinate(file, "lon", (), 352.25)
    return ()


def station(file):
    file.createDimension("station", 1)
    coordinate(file, "latitude", ("station",), 47.25)
    coordinate(file, "longitude", ("station",), 352.25)
    return ("station",)


def row(file):
    file.createDimension("lon", 1)
    coordinate(file, "lat", (), 47.25)
    coordinate(file, "lon", ("lon",), 352.25)
    return ("lon",)


@pytest.mark.parametrize(("build", "beside"), [(cell, 2), (curved_cell, 2), (station, 1), (row, 1), (numbers, 0)])
def test_one_cell_is_a_grid_of_one(tmp_path, rain, build, beside):
    values = rain[:, 0, 0]
    back = read(own_axes(tmp_path / NAME, values.reshape(24, *[1] * beside), build))
    assert back.shape == (2, 1, 1) and (back.lat.item(), back.lon.item()) == (47.25, -7.75)
    np.testing.assert_allclose(back.values.ravel(), values.reshape(2, 12).sum(axis=1), rtol=1e-6)


def test_points_in_a_row_are_refused(tmp_path, rain):
    def build(file):
        file.createDimension("station", 4)
        coordinate(file, "lat", ("station",), [1, 2, 3, 4])
        coordinate(file, "lon", ("station",), [1, 2, 3, 4])
        return ("station",)

    path = own_axes(tmp_path / NAME, rain[:, 0], build)
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat, lon: expected a grid, found 4 points along station"):
        read(path)


@pytest.mark.parametrize("lat", [[-5e6, 5e6], [np.nan, 45.0]])
def test_axes_that_are_no_degrees_are_refused(tmp_path, rain, lat):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), lat=np.array(lat))
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: lat: expected degrees, found "):
        read(path)


@pytest.mark.parametrize(
    ("since", "calendar"),
    [
        ("days since 1900-1-1", "gregorian"),
        ("days since 1850-01-01 00:00:00", "proleptic_gregorian"),
        ("hours since 1900-01-01", "standard"),
        ("days since 0001-01-01", "standard"),
        ("days since 0000-01-01", "noleap"),
        ("months since 1901-01-01", "standard"),
        ("Months since 1901-1-15", "360_day"),
    ],
)
def test_time_may_be_counted_in_any_way(tmp_path, rain, since, calendar):
    expected = plain(tmp_path / NAME, rain)
    if since[0] == "M":
        path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), since=since.lower(), calendar=calendar)
        with netCDF4.Dataset(path, "a") as file:
            file["time"].units = since
    else:
        path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), since=since, calendar=calendar)
    assert read(path).identical(expected)


def test_time_may_be_written_as_dates(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    with netCDF4.Dataset(tmp_path / NAME, "a") as file:
        file["time"].units = "day as %Y%m%d.%f"
        file["time"][:] = [10000 * year + 100 * month + 16.5 for year, month in months(2000, 2001)]
    assert read(tmp_path / NAME).identical(expected)


def test_a_month_that_is_stamped_by_its_end_is_that_month(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), ends=True)
    assert read(path).identical(expected)
    with netCDF4.Dataset(path, "a") as file:
        file["time_bounds"][:] = 0  # bounds that nobody filled in: whole years tell that the stamps are ends
    assert read(path).identical(expected)


def test_bounds_that_the_time_axis_does_not_name_are_known_by_their_own_name(tmp_path, rain):
    expected = read(write(tmp_path / NAME, "pre", rain[:20], months(2000, 2001)[:20]), [2000])
    path = write(tmp_path / NAME, "pre", rain[:20], months(2000, 2001)[:20], ends=True)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].delncattr("bounds")
    assert read(path, [2000]).identical(expected)


def without_bounds(path, rain, when):
    write(path, "pre", rain, when, ends=True)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].delncattr("bounds")
        file.renameVariable("time_bounds", "other")
    return path


def test_ends_of_months_are_told_from_all_files_together(tmp_path, rain):
    """No file alone runs from February to January, and all of them do."""
    expected, every = plain(tmp_path / NAME, rain), months(2000, 2001)
    (tmp_path / NAME).unlink()
    for k in range(0, 24, 6):
        without_bounds(
            tmp_path / NAME.replace("1901.2020", f"{2000 + k}.{2001 + k}"), rain[k : k + 6], every[k : k + 6]
        )
    assert products.read("cru_pre", tmp_path, years=[2000, 2001])["map"].identical(expected)


@pytest.mark.parametrize("named", [True, False])
def test_a_stamp_that_may_begin_a_month_or_end_one_is_refused(tmp_path, rain, named):
    path = without_bounds(tmp_path / NAME, rain[:20], months(2000, 2001)[:20])
    if named:
        with netCDF4.Dataset(path, "a") as file:
            file["time"].bounds = "gone"
    with pytest.raises(
        ProductError, match=r"pre\.dat\.nc: expected .*bounds.* the stamp 2000-02-01 may begin a step or"
    ):
        read(path, [2000])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_time_that_is_missing_is_told(tmp_path, rain, value):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file["time"][3] = value
    with pytest.raises(
        ProductError, match=r"pre\.dat\.nc: expected times in 'days since 1900-1-1', found some missing"
    ):
        read(path)


def test_a_calendar_that_does_not_exist_is_told_in_one_line(tmp_path, rain):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file["time"].calendar = "martian"
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: ") as found:
        read(path)
    assert "\n" not in str(found.value)


def test_a_field_without_time_is_told(tmp_path, rain):
    path = write(tmp_path / NAME, "other", rain, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("pre", "f4", ("lat", "lon"))[:] = 1
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected pre on time, lat, lon, found it without time"):
        read(path)


def test_other_variables_of_the_file_do_not_matter(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    with netCDF4.Dataset(tmp_path / NAME, "a") as file:
        file.createDimension("bnds", 2)
        file.createVariable("lat_bnds", "f8", ("lat", "bnds"))[:] = 0
        written = file.createVariable("date_written", "f8", ("time",))
        written.units, written[:] = "days since 0000-00-00", 0
        file.createVariable("stn", "i4", ("time", "lat", "lon"))[:] = 8
        file.createVariable("crs", "S1", ())
    assert read(tmp_path / NAME).identical(expected)


def test_two_declared_fills_are_both_fills(tmp_path, rain):
    values = rain.copy()
    values[:, 0, 0], values[:, 0, 1] = -99, 1e20
    path = write(tmp_path / NAME, "pre", values, months(2000, 2001), fill=np.float32(1e20))
    with netCDF4.Dataset(path, "a") as file:
        file["pre"].missing_value = np.float32(-99)
    back = read(path)
    assert np.isnan(back[:, 1, :2]).all() and np.isfinite(back[:, 0]).all() and np.isfinite(back[:, 1, 2:]).all()


def test_nothing_but_the_header_is_read_on_opening(tmp_path, rain):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001), lon=LON + 180)
    with netcdf.opening(path) as ds:
        stored = netcdf.variable(ds, "pre", path)
        assert stored.dims == ("time", "lat", "lon") and not stored.variable._in_memory


def with_units(path, rain, units, times, calendar="noleap", **attributes):
    """Write two years of months whose time axis is written otherwise."""
    write(path, "pre", rain, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file["time"].setncatts({"units": units, "calendar": calendar} | attributes)
        file["time"][:] = times
    return path


MONTHS = np.arange(24)


@pytest.mark.parametrize(
    ("units", "times"),
    [
        ("years since AD 1999-Jan-1st", 1 + (MONTHS + 0.5) / 12),
        ("years since 1999", 1 + MONTHS / 12),
        ("months since 1 January 2000", MONTHS),
        ("months since 2000-1-1", MONTHS + 1),  # each by its end
        ("month as %Y%m.%f", [199901 + 100 * (1 + m // 12) + m % 12 for m in MONTHS]),
        ("day as %Y%m%d.%f", [20000100 + 10000 * (m // 12) + 100 * (m % 12) + 15.5 for m in MONTHS]),
        ("days since AD 2000-Jan-01 00:00:00", np.cumsum([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] * 2)),
        ("days since 01-Jan-2000", 30.4 * MONTHS + 14),
    ],
)
def test_time_axes_as_models_write_them(tmp_path, rain, units, times):
    expected = plain(tmp_path / NAME, rain)
    assert read(with_units(tmp_path / NAME, rain, units, times)).identical(expected)


@pytest.mark.parametrize(
    ("units", "times"),
    [
        ("fortnights since 2000-01-01", MONTHS),
        ("days since yesterday", MONTHS),
        ("days since 2000-13-01", MONTHS),
        ("month as %Y%m", 200000 + MONTHS),
        ("days since 2000-01-01", 1e9 * (1 + MONTHS)),
    ],
)
def test_times_that_are_none_are_told_in_the_books_own_words(tmp_path, rain, units, times):
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected time.*'days since' a date") as found:
        read(with_units(tmp_path / NAME, rain, units, times, "standard"))
    assert not {"decode_times", "cftime", "xarray"} & set(str(found.value).replace("'", " ").split())


def test_numbers_outside_the_range_that_a_file_states_are_no_values(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    with netCDF4.Dataset(tmp_path / NAME, "a") as file:
        file["pre"].valid_min, file["pre"].valid_max = np.float32(1.0), np.float32(99.0)
    got, inside = read(tmp_path / NAME), ((rain >= 1) & (rain <= 99)).reshape(2, 12, 2, 4).all(axis=1)[:, ::-1]
    assert not inside.all()
    assert got.equals(expected.where(inside))


def test_a_gap_between_whole_years_does_not_hide_that_stamps_are_ends(tmp_path, rain):
    """One file a year, and that of a year between not there."""
    every = months(1999, 2000) + months(2002, 2002)
    for k, year in enumerate((1999, 2000, 2002)):
        name = NAME.replace("1901.2020", f"{year}.{year}")
        without_bounds(tmp_path / name, rain[12 * (k % 2) : 12 * (k % 2) + 12], every[12 * k : 12 * k + 12])
    got = products.read("cru_pre", tmp_path, years=[1999, 2000, 2002])["map"]
    np.testing.assert_allclose(got.values[:, ::-1], [rain[:12].sum(0), rain[12:].sum(0), rain[:12].sum(0)], rtol=1e-6)


def test_a_file_that_lost_its_bounds_is_read_as_the_others_of_its_series(tmp_path, rain):
    expected, every = plain(tmp_path / NAME, rain), months(2000, 2001)
    (tmp_path / NAME).unlink()
    write(tmp_path / NAME.replace("1901.2020", "2000.2000"), "pre", rain[:12], every[:12], ends=True)
    without_bounds(tmp_path / NAME.replace("1901.2020", "2001.2001"), rain[12:], every[12:])
    assert products.read("cru_pre", tmp_path, years=[2000, 2001])["map"].identical(expected)


def test_times_as_text_are_told_in_the_books_own_words(tmp_path, rain):
    path = write(tmp_path / NAME, "pre", rain, months(2000, 2001))
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("time", "old")
        file.createVariable("time", str, ("time",))[:] = np.array(
            [f"{y}-{m:02d}-15" for y, m in months(2000, 2001)], object
        )
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected times as numbers, found .*2000-01-15"):
        read(path)


@pytest.mark.parametrize("calendar", ["365_days", "no_leap", "365"])
def test_calendars_have_several_names(tmp_path, rain, calendar):
    expected = plain(tmp_path / NAME, rain)
    assert read(with_units(tmp_path / NAME, rain, "months since 2000/01/01", MONTHS, calendar)).identical(expected)


def test_times_may_be_packed(tmp_path, rain):
    expected = plain(tmp_path / NAME, rain)
    path = with_units(tmp_path / NAME, rain, "months since 2000-01-01", 4 * MONTHS)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].scale_factor = 0.25
    assert read(path).identical(expected)


def test_months_counted_in_their_middle_are_no_instants(tmp_path, rain):
    """From the middle of a February to that of a January: nothing is to be shifted."""
    expected = read(write(tmp_path / NAME, "pre", rain, [*months(2000, 2001)[1:], (2002, 1)]), [2001])
    with netCDF4.Dataset(tmp_path / NAME, "a") as file:
        file["time"].units = "months since 2000-01-01"
        file["time"][:] = MONTHS + 1.5
    assert read(tmp_path / NAME, [2001]).identical(expected)
