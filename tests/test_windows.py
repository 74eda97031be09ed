"""Windows against a slow search for the nearest cell, at coasts, the date line and the poles."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.space.grid import Grid, resample
from helpers.space.windows import around, at_points, cells, strips

GRID = Grid(10)


def world(resolution=10.0, years=None, sea=0.0, seed=0):
    """Two random fields on a grid: ``a`` (with years, if any) and ``b`` without; the share ``sea`` is missing."""
    grid, rng = Grid(resolution), np.random.default_rng(seed)
    land = rng.random(grid.shape) >= sea
    shape = grid.shape if years is None else (len(years), *grid.shape)
    dims = ("lat", "lon") if years is None else ("year", "lat", "lon")
    a = xr.DataArray(np.where(land, rng.random(shape), np.nan), dims=dims)
    b = xr.DataArray(np.where(land, rng.random(grid.shape), np.nan), dims=("lat", "lon"))
    ds = xr.Dataset({"a": a, "b": b}, coords={"lat": grid.lat, "lon": grid.lon}).astype("float32")
    return ds if years is None else ds.assign_coords(year=list(years))


def coordinates(resolution=10.0):
    """Fields that hold their own latitude and longitude, so that a window says where it was cut."""
    grid = Grid(resolution)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    return xr.Dataset(
        {"lat_of": (("lat", "lon"), lat), "lon_of": (("lat", "lon"), lon)}, coords={"lat": grid.lat, "lon": grid.lon}
    )


def slow_window(field, lat, lon, fill="centre"):
    """Find the nearest cell by distance, then its neighbours one by one; the way one would explain it."""
    apart = np.abs((field.lon.values - lon + 180) % 360 - 180)
    i, j = int(np.abs(field.lat.values - lat).argmin()), int(apart.argmin())
    rows, columns = field.shape
    window = np.full((3, 3), np.nan, dtype="float32")
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            if 0 <= i + y < rows:
                window[y + 1, x + 1] = field.values[i + y, (j + x) % columns]
            if np.isnan(window[y + 1, x + 1]) and fill == "centre":
                window[y + 1, x + 1] = field.values[i, j]
    return window


inside_a_cell = st.tuples(
    st.integers(0, GRID.shape[0] - 1), st.integers(0, GRID.shape[1] - 1), st.floats(-4.9, 4.9), st.floats(-4.9, 4.9)
)


@settings(max_examples=20, deadline=None)
@given(
    places=st.lists(inside_a_cell, min_size=1, max_size=8),
    sea=st.sampled_from([0.0, 0.3, 0.7]),
    seed=st.integers(0, 99),
)
def test_equals_the_slow_search(places, sea, seed):
    ds = world(sea=sea, seed=seed)
    lat = [GRID.lat[i] + dy for i, _, dy, _ in places]
    lon = [GRID.lon[j] + dx for _, j, _, dx in places]
    fast = at_points(ds, lat, lon)
    assert fast.dims == ("sample", "predictor", "dy", "dx") and fast.dtype == np.float32
    for s, (y, x) in enumerate(zip(lat, lon, strict=True)):
        slow = np.stack([slow_window(ds[v], y, x) for v in ("a", "b")])
        if np.isnan(slow[:, 1, 1]).any():  # no centre, no window
            slow[:] = np.nan
        np.testing.assert_array_equal(fast.values[s], slow)


def test_each_year_gets_its_own_field_and_static_fields_serve_all():
    ds = world(years=(2001, 2002, 2003))
    lat, lon = [5.0, 5.0, 5.0], [5.0, 5.0, 5.0]
    windows = at_points(ds, lat, lon, [2003, 2001, 1999])
    for s, year in enumerate((2003, 2001)):
        np.testing.assert_array_equal(windows[s, 0], slow_window(ds.a.sel(year=year), 5, 5))
        np.testing.assert_array_equal(windows[s, 1], slow_window(ds.b, 5, 5))
    assert np.isnan(windows[2]).all() and windows.missing_centre == 1  # 1999 is not there
    lazy = at_points(ds.chunk({"lat": 4, "year": 1}), lat, lon, [2003, 2001, 1999])
    xr.testing.assert_identical(lazy, windows)


def test_rows_run_from_north_to_south_and_columns_to_the_east_across_the_date_line_but_no_pole():
    for lon, columns in ((179.99, [165, 175, -175]), (180.0, [175, -175, -165]), (540.0, [175, -175, -165])):
        window = at_points(coordinates(), [-33.0], [lon])[0]  # 180° is the western edge of the last column
        np.testing.assert_array_equal(window.sel(predictor="lat_of"), np.tile([[-25], [-35], [-45]], (1, 3)))
        np.testing.assert_array_equal(window.sel(predictor="lon_of"), np.tile(columns, (3, 1)))
    for lat, row, beyond in ((90.0, 85, 0), (-88.0, -85, 2), (-90.0, -85, 2)):
        raw = at_points(coordinates(), [lat], [5.0], fill="nan").sel(predictor="lat_of")[0]
        assert np.isnan(raw[beyond]).all() and np.isfinite(raw).sum() == 6 and raw[1, 1] == row
        filled = at_points(coordinates(), [lat], [5.0])
        assert (filled.sel(predictor="lat_of")[0, beyond] == row).all() and filled.filled_neighbours == 6


def test_edges_belong_to_the_south_east():
    row, column = cells(GRID.lat, GRID.lon, [0.0, 80.0], [0.0, -170.0])
    assert GRID.lat[row].tolist() == [-5, 75] and GRID.lon[column].tolist() == [5, -165]
    fine = Grid(0.05)  # where 0.05 has no exact binary form
    edges = np.round(np.arange(-89.95, 90, 0.05), 2)
    row, column = cells(fine.lat, fine.lon, edges, 2 * edges)
    np.testing.assert_allclose(fine.lat[row], edges - 0.025, atol=1e-9)
    np.testing.assert_allclose(fine.lon[column], 2 * edges + 0.025, atol=1e-9)


def test_a_coast_is_filled_from_the_centre_and_counted():
    ds = world()
    ds["a"][7, 19] = np.nan  # one neighbour, in one predictor
    ds["b"][8, 20] = np.nan  # another's centre
    here = dict(lat=[GRID.lat[8], GRID.lat[8], GRID.lat[8]], lon=[GRID.lon[18], GRID.lon[20], GRID.lon[5]])
    windows = at_points(ds, **here)
    assert windows.values[0, 0, 0, 2] == ds["a"].values[8, 18]
    assert np.isnan(windows[1]).all() and windows.missing_centre == 1
    assert windows.lacking.values.tolist() == [[False, False], [False, True], [False, False]]
    assert windows.filled_neighbours == 1 and windows.filled.values.tolist() == [1, 0, 0]
    raw, dropped = at_points(ds, **here, fill="nan"), at_points(ds, **here, fill="drop")
    assert np.isnan(raw[0, 0]).sum() == 1 and np.isfinite(raw[0, 1]).all()
    assert np.isnan(dropped[:2]).all() and np.isfinite(dropped[2]).all()


def test_a_regional_grid_ends_and_does_not_wrap():
    ds = coordinates().isel(lat=slice(2, 6), lon=slice(10, 14))
    lat, lon = ds.lat.values, ds.lon.values
    raw = at_points(ds, [lat[1], lat[1], lat[1]], [lon[0], lon[0] - 10, lon[-1] + 10], fill="nan").sel(
        predictor="lon_of"
    )
    assert np.isnan(raw[0, :, 0]).all() and (raw[0, 1, 1:] == lon[:2]).all()
    assert np.isnan(raw[1:]).all() and (raw.column == [0, -1, -1]).all()
    assert cells(lat, lon, [-90.0], [lon[0]])[0] == -1


def test_bad_arguments_are_refused_in_one_line():
    refused = [
        (lambda: at_points(world(), [91.0], [0.0]), "lat: expected −90 to 90"),
        (lambda: at_points(world(years=[2001]), [1.0], [0.0]), "years: expected the year"),
        (lambda: at_points(world().sortby("lat"), [1.0], [0.0]), "lat: expected .* descending"),
        (lambda: next(strips(world(), ["c"])), "'c' is no variable"),
    ]
    for call, words in refused:
        with pytest.raises(ValueError, match=words) as error:
            call()
        assert "\n" not in str(error.value)


def test_towers_get_windows_of_maps_or_of_a_table_with_neighbours_or_without():
    ds, place = world(years=[2001]), {"lat": 5.0, "lon": 5.0, "year": 2001}
    towers = xr.Dataset(coords={name: ("sample", [value]) for name, value in place.items()})
    np.testing.assert_array_equal(around(towers, ds, ["b", "a"])[0, 0], slow_window(ds.b, 5, 5))
    soc = np.arange(27, dtype=float).reshape(3, 3, 3)
    soc[1, 0, 0] = np.nan
    table = xr.Dataset({"mat": ("sample", [1.5, -2.0, np.nan]), "soc": (("sample", "dy", "dx"), soc)})
    windows = around(table, table, ["soc", "mat"])
    assert windows.predictor.values.tolist() == ["soc", "mat"]
    assert (windows[:2, 1] == np.array([1.5, -2.0])[:, None, None]).all()
    np.testing.assert_array_equal(windows[0, 0], soc[0])
    assert windows[1, 0, 0, 0] == soc[1, 1, 1] and windows.filled_neighbours == 1
    assert np.isnan(windows[2]).all() and windows.missing_centre == 1  # a missing point value is a missing centre


# --- whole grids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "fill"), [(0, "centre"), (5, "nan"), (100, "drop")])
def test_strips_agree_with_points_at_every_cell(rows, fill):
    ds = world(years=(2001, 2002), sea=0.3, seed=3)
    lat, lon = (c.ravel() for c in np.meshgrid(GRID.lat, GRID.lon, indexing="ij"))
    expected = at_points(ds, lat, lon, np.full(lat.size, 2002), fill=fill).values
    whole = np.full((lat.size, 2, 3, 3), np.nan, dtype="float32")
    seen = []
    for part, index, windows in strips(ds, ["a", "b"], 2002, rows, fill=fill):
        assert windows.shape == (index.size, 2, 3, 3) and windows.dtype == np.float32
        whole[part.start * GRID.shape[1] + index] = windows
        seen += range(part.start, part.stop)
    assert seen == list(range(GRID.shape[0]))
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize(("columns", "whole"), [(72, True), (72.3, False)])
def test_longitudes_go_round_the_globe_for_windows_as_for_resampling(columns, whole):
    lon = np.arange(72) * 360 / columns - 177.5
    ds = xr.Dataset({"a": (("lat", "lon"), np.ones((36, 72)))}, {"lat": np.arange(87.5, -90, -5), "lon": lon})
    window = at_points(ds, [2.5], [lon[0]], fill="nan")[0, 0]
    _, _, strip = next(strips(ds, ["a"], rows=36, fill="nan"))
    beyond = resample(ds.a, Grid(1), "nearest").sel(lat=2.5, lon=179.5)  # past the last cell's edge, if there is a gap
    assert [bool(np.isfinite(x)) for x in (window[1, 0], strip[72, 0, 1, 0], beyond)] == [whole] * 3
