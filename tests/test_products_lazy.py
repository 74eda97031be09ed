"""Satellite years on demand: what is checked at once, what waits, and how much memory a full-size year takes."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import pytest
from eos_files import RADIUS, lai_globe, ndvi_tile, npp_tile

from helpers import grid, maps, products
from helpers.grid import Grid
from helpers.products import DamagedFile, ProductError, composites, hdf4

GIB = 2**30
DATES = range(1, 366, 8)


def leaf_years(folder, years):
    """Write three dates a year, whose numbers tell the year."""
    for k, year in enumerate(years):
        for day in (1, 121, 241):
            lai_globe(folder, year, day, np.full((4, 8), 10 + k))
    return products.find("glass_lai", folder)


def damage(path, share=0.5, count=40):
    """Overwrite some bytes in the middle of a file."""
    content = bytearray(path.read_bytes())
    at = int(share * len(content))
    content[at : at + count] = bytes(255 - b for b in content[at : at + count])
    path.write_bytes(content)
    return path


def test_several_years_wait_and_one_does_not(tmp_path):
    years = [2001, 2002, 2003]
    paths = leaf_years(tmp_path, years)
    lazy = products.read("glass_lai", paths, years=years, dates_per_year=3).lai
    assert lazy.chunks == ((1, 1, 1), (4,), (8,)) and lazy.dtype == np.float32
    assert lazy.attrs["units"] == "m2 m-2" and lazy.year.attrs["long_name"] == "calendar year"
    for k, year in enumerate(years):
        now = products.read("glass_lai", paths, years=[year], dates_per_year=3).lai
        assert now.chunks is None and now.sel(year=year, lat=67.5, lon=-157.5).item() == pytest.approx(1 + 0.1 * k)
        np.testing.assert_array_equal(lazy.sel(year=[year]).values, now.values)
        assert list(lazy.coords) == list(now.coords) and lazy.dims == now.dims


def test_a_year_is_read_without_the_others(tmp_path):
    paths = leaf_years(tmp_path, [2001, 2002])
    lazy = products.read("glass_lai", paths, years=[2001, 2002], dates_per_year=3).lai
    for path in paths:
        if ".A2002" in path.name:
            path.unlink()
    assert lazy.sel(year=2001).values.max() == pytest.approx(1)
    with pytest.raises(ProductError, match=r"A2002001.*: is not there any more; put it back"):
        lazy.sel(year=2002).compute()


def test_what_names_and_the_first_file_tell_is_told_at_once(tmp_path):
    paths = leaf_years(tmp_path, [2001, 2002])
    with pytest.raises(ProductError, match="glass_lai 2003: expected files of that year, found none"):
        products.read("glass_lai", paths, years=[2001, 2003], dates_per_year=3)
    paths[0].write_bytes(b"")
    with pytest.raises(DamagedFile, match=r"A2001001.*expected an HDF4 file, found an empty file; fetch it again$"):
        products.read("glass_lai", paths, years=[2001, 2002], dates_per_year=3)
    path = npp_tile(tmp_path, 2001, np.zeros((4, 4)))
    with pytest.raises(ProductError, match="method: expected nearest, average or bilinear"):
        products.read("mod17a3hgf", path, years=[2001], grid=Grid(1), method="mode")


def test_damage_inside_a_file_is_met_when_its_year_is_computed(tmp_path):
    noise = np.random.default_rng(1).integers(0, 100, (60, 120))
    for year in (2001, 2002):
        path = lai_globe(tmp_path, year, 1, noise, packed=True)
    damage(path)
    lazy = products.read("glass_lai", tmp_path, years=[2001, 2002], dates_per_year=1).lai
    np.testing.assert_allclose(lazy.sel(year=2001).values, 0.1 * noise, rtol=1e-6)
    with pytest.raises(DamagedFile, match=rf"{path.name}: cannot be read; it is damaged, cut short or of"):
        lazy.compute()


def test_a_date_of_another_size_is_refused(tmp_path):
    lai_globe(tmp_path, 2001, 1, np.zeros((4, 8)))
    path = lai_globe(tmp_path, 2001, 121, np.zeros((8, 16)))
    with pytest.raises(ProductError, match=rf"{path.name}: expected 4x8 cells, as in the first file, found 8x16;"):
        products.read("glass_lai", tmp_path, years=[2001], dates_per_year=2)


def test_an_optional_field_that_only_some_tiles_have_is_missed(tmp_path):
    gross = {"Gpp_500m": (np.full((12, 12), 5000, "uint16"), {"scale_factor": 0.0001, "_FillValue": 65535})}
    npp_tile(tmp_path, 2001, np.zeros((12, 12)), version="061", **gross)
    path = npp_tile(tmp_path, 2001, np.zeros((12, 12)), hv=(19, 8), version="061")
    with pytest.raises(ProductError, match=rf"{path.name}: expected a field 'Gpp_500m', found Npp_500m"):
        products.read("mod17a3hgf", tmp_path, years=[2001], grid=Grid(1))


def test_files_without_any_value_are_counted_and_the_first_is_named(tmp_path):
    for h in range(18, 22):
        path = npp_tile(tmp_path, 2001, np.full((12, 12), 32761 if h > 19 else 1000), hv=(h, 8))
    blank = path.name.replace("h21", "h20")
    with pytest.warns(UserWarning) as heard:
        back = products.read("mod17a3hgf", tmp_path, years=[2001], grid=Grid(1)).npp.sel(year=2001, lat=4.5)
    assert [str(one.message) for one in heard] == [
        f"mod17a3hgf 2001: 2 of 4 files hold no value of 'Npp_500m', the first is {blank}; if it should, fetch it again"
    ]
    assert back.sel(lon=4.5) == pytest.approx(0.1) and np.isnan(back.sel(lon=24.5))


def test_a_year_without_any_value_is_refused(tmp_path):
    paths = [npp_tile(tmp_path, 2001, np.full((12, 12), 32761), hv=(h, 8)) for h in (18, 19)]
    with pytest.raises(ProductError) as error:
        products.read("mod17a3hgf", paths, years=[2001], grid=Grid(1))
    assert str(error.value) == (
        f"{paths[0]}: mod17a3hgf 2001: expected values of 'Npp_500m', found fills only in this file and all 2 of the "
        "year; fetch them again"
    )


def test_a_year_that_screening_empties_is_refused(tmp_path):
    path = ndvi_tile(tmp_path, 2001, 1, np.full((12, 12), 5000), rank=np.full((12, 12), 3))
    with pytest.raises(ProductError, match=rf"{path.name}: mod13a3 2001: expected cells with a value.*or screen less$"):
        products.read("mod13a3", path, years=[2001], grid=Grid(1), keep_reliability=[0, 1], dates_per_year=1)


@pytest.mark.parametrize("ranks", [[], [-1], [0, 4]])
def test_ranks_that_do_not_exist_are_refused(tmp_path, ranks):
    path = ndvi_tile(tmp_path, 2001, 1, np.zeros((4, 4)))
    with pytest.raises(ProductError, match=r"keep_reliability: expected ranks among 0 \(good\).*\(cloudy\), found"):
        products.read("mod13a3", path, years=[2001], grid=Grid(1), keep_reliability=ranks, dates_per_year=1)
    path = npp_tile(tmp_path, 2001, np.zeros((4, 4)))
    with pytest.raises(ProductError, match="keep_reliability: mod17a3hgf has no layer of reliability; leave it out"):
        products.read("mod17a3hgf", path, years=[2001], grid=Grid(1), keep_reliability=[0])


def test_many_threads_read_what_one_does(tmp_path):
    rng = np.random.default_rng(2)
    stored = [rng.integers(0, 100, (90, 180)) for _ in range(16)]
    paths = [lai_globe(tmp_path, 2001, 1 + k, values, packed=True) for k, values in enumerate(stored)]

    def look(path):
        with hdf4.opening(path) as file, hdf4.opening(paths[0]) as other:  # one thread may hold two
            hdf4.read_stored(other, paths[0], "LAI")
            return hdf4.read_stored(file, path, "LAI")[0]

    with ThreadPoolExecutor(8) as pool:
        for found, expected in zip(pool.map(look, paths * 4), stored * 4, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_lazy_years_go_through_resampling_onto_disk(tmp_path):
    paths = leaf_years(tmp_path, [2001, 2002])
    lazy = products.read("glass_lai", paths, years=[2001, 2002], dates_per_year=3)
    on_grid = grid.resample(lazy, Grid(15))
    assert on_grid.lai.chunks is not None
    with dask.config.set(scheduler="threads", num_workers=4):
        for year in (2001, 2002):
            maps.append_year(tmp_path / "out.zarr", on_grid.sel(year=[year]).compute())
    assert on_grid.lai.isel(lat=0, lon=0).values.tolist() == pytest.approx([1.0, 1.1])


def peak(ask):
    """Return what ``ask()`` gives, and the most memory that it held meanwhile."""
    tracemalloc.start()
    try:
        out = ask()
        return out, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_full_size_year_of_degrees_takes_far_less_than_a_gibibyte(tmp_path):
    stored = np.repeat(np.arange(3600) // 40, 7200).reshape(3600, 7200).astype("uint8")
    for year in (2001, 2002):
        for day in (1, 185):
            lai_globe(tmp_path, year, day, stored)
    read = products.read("glass_lai", tmp_path, years=[2001, 2002], dates_per_year=2)
    back, most = peak(lambda: read.lai.compute())
    np.testing.assert_allclose(back.values[1], np.float32(0.1) * stored, rtol=1e-6)
    assert most < 0.85 * GIB  # two years of the result are 0.2 GiB of it


@pytest.mark.parametrize("method", ["nearest", "average", "bilinear"])
def test_a_year_of_full_size_tiles_takes_a_few_fields(tmp_path, method):
    target = Grid(0.05)
    for h, v in ((18, 4), (19, 4), (18, 8)):
        rows = 1000 * v + np.arange(2400) // 12
        npp_tile(tmp_path, 2001, np.repeat(rows, 2400).reshape(2400, 2400), hv=(h, v))
    back, most = peak(lambda: products.read("mod17a3hgf", tmp_path, years=[2001], grid=target, method=method).npp)
    row = np.flatnonzero(np.isclose(target.lat, 44.975))[0]  # cell 101 of tile row 4
    found = back.values[0, row][np.isfinite(back.values[0, row])]
    assert found.size > 500 and np.all(found == pytest.approx(0.41, abs=2e-4))
    assert most < 1.25 * GIB
    assert abs(target.transform.a * np.deg2rad(1) * RADIUS - 12 * 463.3127) < 1


def test_the_running_mean_is_a_weighted_mean():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 450, 7)).astype("float32")
    values[rng.random(values.shape) < 0.5] = np.nan
    weights = [8, 8, 31, 5, 2]
    mean = composites.RunningMean(values.shape[1:])
    for one, weight in zip(values, weights, strict=True):
        mean.add(one, weight)
    of = np.asarray(weights)[:, None, None] * np.isfinite(values)
    expected = np.where(of.sum(0) >= 27, np.nansum(of * values.astype("float64"), 0) / np.maximum(of.sum(0), 1), np.nan)
    np.testing.assert_array_equal(mean.result(0.5), expected.astype("float32"))
