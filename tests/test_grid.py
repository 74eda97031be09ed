"""The target grid, and resampling onto it, against slow obvious loops and GDAL."""

import numpy as np
import pytest
import xarray as xr

from helpers.space import grid as g


def field(step, seed=0, holes=0.2, shift=0.0):
    made = g.Grid(step)
    rng = np.random.default_rng(seed)
    values = rng.normal(size=made.shape)
    values[rng.random(made.shape) < holes] = np.nan
    return xr.DataArray(values, dims=("lat", "lon"), coords={"lat": made.lat, "lon": made.lon + shift})


def slow_average(source, target):
    """Area-weighted mean by a loop over all pairs of cells."""
    half_s, half_t = 90 / source.lat.size, target.resolution / 2
    out = np.full(target.shape, np.nan)
    for i, lat in enumerate(target.lat):
        for j, lon in enumerate(target.lon):
            total = weight = 0.0
            for a, slat in enumerate(source.lat.values):
                top, bottom = min(lat + half_t, slat + half_s), max(lat - half_t, slat - half_s)
                if top <= bottom:
                    continue
                height = np.sin(np.deg2rad(top)) - np.sin(np.deg2rad(bottom))
                for b, slon in enumerate(source.lon.values):
                    for turn in (-360, 0, 360):
                        width = min(lon + half_t, slon + half_s + turn) - max(lon - half_t, slon - half_s + turn)
                        value = source.values[a, b]
                        if width > 1e-9 and np.isfinite(value):
                            total += height * width * value
                            weight += height * width
            if weight > 0:
                out[i, j] = total / weight
    return out


@pytest.mark.parametrize("resolution", [0, -1, 7, 0.7, 200, float("nan")])
def test_a_resolution_that_does_not_divide_180_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution: expected"):
        g.Grid(resolution)


@pytest.mark.parametrize("resolution", [0.05, 0.1, 1, 2.5, 3])
def test_centres_cover_the_globe_evenly(resolution):
    made = g.Grid(resolution)
    assert made.shape == (round(180 / resolution), round(360 / resolution))
    assert made.lat[0] == pytest.approx(90 - resolution / 2) and made.lat[-1] == pytest.approx(-90 + resolution / 2)
    assert made.lon[0] == pytest.approx(-180 + resolution / 2) and made.lon[-1] == pytest.approx(180 - resolution / 2)
    np.testing.assert_allclose(np.diff(made.lat), -resolution)


def test_normalising_turns_longitudes_and_flips_latitudes():
    lat, lon = np.array([-60.0, 0, 60]), np.array([0.0, 90, 180, 270])
    obj = xr.DataArray(np.arange(12.0).reshape(3, 4), {"latitude": lat, "longitude": lon}, ("latitude", "longitude"))
    out = g.normalise_lat_lon(obj)
    assert list(out.lat.values) == [60, 0, -60]
    assert list(out.lon.values) == [-180, -90, 0, 90]
    assert float(out.sel(lat=60, lon=-90)) == float(obj.sel(latitude=60, longitude=270))
    assert float(out.sel(lat=-60, lon=-180)) == float(obj.sel(latitude=-60, longitude=180))


def test_nearest_settles_every_tie_towards_the_south_east():
    source, target = field(0.5, holes=0), g.Grid(1)
    out = g.resample(source, target)
    np.testing.assert_array_equal(out.values, source.values[1::2, 1::2])


def test_nearest_wraps_at_the_date_line():
    source = field(10, holes=0, shift=-5.0)  # centres at -180, -170, …, 170: the last half cell belongs to the first
    out = g.resample(source, g.Grid(1))
    np.testing.assert_array_equal(out.sel(lon=179.5).values, out.sel(lon=-179.5).values)


def test_a_regional_source_is_not_spread_over_the_world():
    source = abs(field(1, holes=0)).sel(lat=slice(20, 10), lon=slice(30, 40))
    for method in g.METHODS:
        out = g.resample(source, g.Grid(1), method)
        assert int(out.notnull().sum()) == source.size, method
    classes = g.resample(source.astype("int8"), g.Grid(1))
    assert classes.dtype == np.int8 and int(classes.isel(lat=0, lon=0)) == -1


@pytest.mark.parametrize(("fine", "coarse", "shift"), [(10, 30, 0), (30, 10, 0), (12, 20, 0), (20, 20, 10)])
def test_average_is_the_area_weighted_mean(fine, coarse, shift):
    source = field(fine, seed=3, holes=0.4, shift=-shift)
    target = g.Grid(coarse)
    np.testing.assert_allclose(g.resample(source, target, "average").values, slow_average(source, target), atol=1e-12)


def test_bilinear_reproduces_a_plane_and_needs_half_its_neighbours():
    source, target = field(10, holes=0), g.Grid(2)
    source[:] = source.lat.values[:, None] * 2.0 + 1
    out = g.resample(source, target, "bilinear")
    inner = np.abs(target.lat) < 85
    np.testing.assert_allclose(out.values[inner], np.broadcast_to(target.lat[inner, None] * 2 + 1, out[inner].shape))
    source[4, 4] = np.nan
    holed = g.resample(source, target, "bilinear")
    assert np.isnan(holed.sel(lat=source.lat[4], lon=source.lon[4], method="nearest"))
    offset = np.abs(np.subtract.outer(np.arange(-2, 3), [0])) * 0.2
    lost = (1 - offset) * (1 - offset.T) > 0.5  # the hole carries more than half the weight there
    assert int(holed.isnull().sum()) == lost.sum()


def test_mode_is_the_class_with_most_area():
    source = xr.DataArray(
        np.tile(np.array([[1, 2], [2, 3]], dtype="int8"), (9, 18)),
        {"lat": g.Grid(10).lat, "lon": g.Grid(10).lon},
        ("lat", "lon"),
    )
    out = g.resample(source, g.Grid(20), "mode")
    assert out.dtype == np.int8 and (out == 2).all()
    source[0, 0] = -1
    assert int(g.resample(source, g.Grid(20), "mode")[0, 0]) == 2
    source[:2, :2] = -1
    assert int(g.resample(source, g.Grid(20), "mode")[0, 0]) == -1


@pytest.mark.parametrize("method", g.METHODS)
def test_lazy_arrays_stay_lazy_and_agree(method):
    values = xr.concat([field(10, seed=k).fillna(-1 if method == "mode" else np.nan).round() for k in range(3)], "year")
    values = values.transpose("year", "lat", "lon")
    lazy = g.resample(values.chunk(year=1), g.Grid(20), method)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.values, g.resample(values, g.Grid(20), method).values)
    assert lazy.dims == ("year", "lat", "lon")


def test_cells_of_another_shape_keep_the_total():
    """A model's grid with half cells at the poles: what is averaged onto it still adds up over the sphere."""
    source = field(5, holes=0.0)
    model = g.Cells(np.linspace(90, -90, 37), np.arange(-180, 180, 7.5))
    out = g.resample(source, model, "average")
    assert out.shape == model.shape == g.of(out).shape
    widths = [np.diff(np.sin(np.deg2rad(np.clip([lat - 2.5, lat + 2.5], -90, 90))))[0] for lat in model.lat]
    slow = (out.mean("lon").values * widths).sum()
    rows = -np.diff(np.sin(np.deg2rad(np.linspace(90, -90, 37))))
    assert slow == pytest.approx((source.mean("lon").values * rows).sum())


def line(values, lat, name="field", **coords):
    return xr.DataArray(np.asarray(values, "f8"), {"lat": lat} | coords, ("lat",), name=name)


def test_fields_meet_on_the_same_cells_however_these_are_written():
    other = np.float32([10.25, 10.154, 10.05])  # of single precision, few decimals, the other way round
    here = line([1, 2, 3], [10.05, 10.15, 10.25])
    there = line(here.sel(lat=other, method="nearest").values, other)
    a, b = g.together(here, there)
    assert a is here and (a - b == 0).all() and b.lat.equals(here.lat)


@pytest.mark.parametrize("other", [[10.05, 10.15], [10.05, 10.15, 10.28]])
def test_fields_of_other_cells_do_not_meet(other):
    here = line([1, 2, 3], [10.05, 10.15, 10.25])
    with pytest.raises(ValueError, match=f"the lat of field, 3 labels .*, found {len(other)} labels"):
        g.together(here, line(other, other, "there"))
    with pytest.raises(ValueError, match="exact"):
        here + line(other, other)  # nor where nobody asked: no cell is lost without a word


def test_longitudes_meet_round_the_globe_and_months_on_any_day():
    east, west = np.array([170.0, 190.0, 350.0]), np.float32([-170.0, -10.0, 170.0])
    a = xr.DataArray([1.0, 2.0, 3.0], {"lon": east}, ("lon",))
    b = xr.DataArray([2.0, 3.0, 1.0], {"lon": west}, ("lon",))
    assert (np.subtract(*g.together(a, b)) == 0).all()
    first = xr.date_range("2000-01-01", periods=24, freq="MS", use_cftime=False)
    ends = xr.date_range("2000-01-01", periods=24, freq="ME", calendar="noleap", use_cftime=True)
    a, b = (xr.DataArray(np.arange(24.0), {"time": time}, ("time",)) for time in (first, ends))
    assert (np.subtract(*g.together(a, b)) == 0).all()
    with pytest.raises(
        ValueError, match="b: expected the time of a, 23 months from 2000-02, found 23 months from 2000-01"
    ):
        g.together(a[1:], b[:-1], names=("a", "b"))
    days = xr.date_range("2000-01-01", periods=24, freq="D", use_cftime=False)
    with pytest.raises(ValueError, match="time"):
        g.together(a, a.assign_coords(time=days))


@pytest.mark.parametrize("method", ["average", "bilinear"])
def test_classes_have_no_mean(method):
    for about in ({"flag_values": [0, 1]}, {"Key": "25=no snow, 200=snow"}, {"units": "IGBP class"}):
        with pytest.raises(ValueError, match="expected nearest or mode for the classes"):
            g.resample(field(10).assign_attrs(about), g.Grid(20), method)
    g.resample(field(10).assign_attrs(valid_range=[0, 100], Key="0-100=cover, 200=missing"), g.Grid(20), method)
    cover = field(10).assign_attrs(flag_values=[0, 1], flag_meanings="land sea")
    with pytest.raises(ValueError, match=f"method: expected nearest or mode for the classes of .*, found '{method}'"):
        g.resample(xr.Dataset({"cover": cover}), g.Grid(20), method)


def test_a_second_latitude_beside_the_dimension_stays_what_it_is():
    field = xr.DataArray(np.zeros((2, 2)), {"latitude": [1.0, 3.0], "longitude": [5.0, 7.0]}, ("latitude", "longitude"))
    back = g.normalise_lat_lon(field.assign_coords(nav_lat=(("latitude", "longitude"), np.ones((2, 2)))))
    assert back.lat.values.tolist() == [3, 1] and "nav_lat" in back.coords


def test_fields_meet_whatever_the_order_of_their_dimensions():
    a = xr.DataArray(np.arange(12.0).reshape(3, 4), {"lat": [1, 2, 3], "lon": [0, 1, 2, 3]}, ("lat", "lon"))
    b = g.together(a, a.T)[1]
    assert b.dims == a.dims and (b.values == a.values).all()
    cube = a.expand_dims(year=[2000])
    for one, other in ((cube, cube.T), (cube.to_dataset(name="x"), cube.T.to_dataset(name="y"))):
        first, second = g.together(one, other)
        assert first.identical(one)
        values = [*second.data_vars.values()][0] if isinstance(second, xr.Dataset) else second
        assert values.dims == ("year", "lat", "lon")
    with pytest.raises(ValueError, match="expected the lat of a"):
        g.together(a, a.drop_vars("lat").isel(lat=[0, 1]), names=("a", "b"))
    mixed = xr.DataArray([1.0, 2.0], {"k": np.array(["a", None], object)}, ("k",))
    assert (np.subtract(*g.together(mixed, mixed.isel(k=[1, 0]))) == 0).all()


@pytest.mark.parametrize("kind", ["bool", "uint8"])
@pytest.mark.parametrize("method", ["nearest", "mode"])
def test_outside_a_field_that_has_no_number_for_it_is_minus_one(kind, method):
    field = xr.DataArray(np.ones((2, 2), kind), {"lat": [15.0, 5.0], "lon": [5.0, 15.0]}, ("lat", "lon"))
    back = g.resample(field, g.Grid(10), method)
    assert (back == 1).sum() == 4 and (back == -1).sum() == back.size - 4
