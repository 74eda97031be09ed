"""Maps year by year and their comparisons, against slow loops, closed forms and known answers."""

import numpy as np
import pytest
import xarray as xr

from helpers.space import grid, maps, regions


def cube(resolution=10, years=6, seed=0, holes=0.0):
    g = grid.Grid(resolution)
    rng = np.random.default_rng(seed)
    values = rng.random((years, *g.shape))
    values[:, rng.random(g.shape) < holes] = np.nan
    return xr.DataArray(
        values, coords={"year": np.arange(2000, 2000 + years), **grid.empty(g).coords}, dims=("year", "lat", "lon")
    )


def summary(values):
    return xr.Dataset({"mean": values.mean("year", skipna=False), "stdev": values.std("year", ddof=1, skipna=False)})


def test_years_are_written_as_they_were_made(tmp_path):
    values = cube(30).astype("float32")
    made = ((year, np.stack([values.sel(year=year), 2 * values.sel(year=year)])) for year in (2001, 2003))
    maps.write_years(tmp_path, made, values, "a test")
    back = xr.open_zarr(tmp_path)
    assert back.year.values.tolist() == [2001, 2003]
    np.testing.assert_array_equal(back.reco, values.sel(year=[2001, 2003]))
    np.testing.assert_array_equal(back.reco_sd, 2 * values.sel(year=[2001, 2003]))
    assert back.reco.dtype == np.float32 and back.reco.attrs["units"] == "kg m-2 yr-1"
    assert back.reco.encoding["chunks"][0] == 1


def test_a_model_that_is_the_average_differs_by_nothing():
    ours = cube(10, holes=0.2)
    theirs = grid.resample(ours, grid.Grid(30), "average")
    table = maps.compare(ours, theirs, summary).set_index("quantity")
    np.testing.assert_allclose(table.value, table.cnn_averaged)
    np.testing.assert_allclose(table.value_area, table.cnn_averaged_area)
    assert table.cnn_unaveraged["stdev"] > 1.5 * table.cnn_averaged["stdev"]  # nine independent cells each


def test_comparison_against_a_slow_loop():
    ours, theirs = cube(30, holes=0.3), cube(60, seed=1, holes=0.3)
    table = maps.compare(ours, theirs, summary).set_index("quantity")
    area = regions.cell_area(ours.lat, ours.lon)
    value, averaged, fine = [], [], []
    for i in range(theirs.sizes["lat"]):
        for j in range(theirs.sizes["lon"]):
            block = ours.values[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(6, -1)
            size = area[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel()
            there = np.isfinite(block[0])
            if not there.any() or np.isnan(theirs.values[0, i, j]):
                continue
            value.append(np.std(theirs.values[:, i, j], ddof=1))
            averaged.append(np.std(block[:, there] @ size[there] / size[there].sum(), ddof=1))
            fine.extend(np.std(block[:, there], axis=0, ddof=1))
    row = table.loc["stdev"]
    assert row.n_cells == len(value)
    assert (row.value, row.cnn_averaged, row.cnn_unaveraged) == pytest.approx(
        tuple(map(np.mean, (value, averaged, fine)))
    )


def test_group_means_weigh_by_area_and_rank():
    field = xr.DataArray([[1.0, 2.0], [4.0, np.nan]], dims=("lat", "lon"))
    area = xr.DataArray([[1e12, 3e12], [2e12, 9e12]], dims=("lat", "lon"))
    groups = {"low": field < 3, "high": field > 3, "hole": field.isnull()}
    table = maps.group_means(field, area, groups)
    assert table.group.tolist() == ["high", "low", "hole"]
    assert table["mean"].tolist()[:2] == [4.0, 1.75]
    assert table["area (million km²)"].tolist() == [2.0, 4.0, 0.0]


def test_score_of_a_known_error():
    true = xr.Dataset({"mean": ("lat", [1.0, 2.0, 3.0, np.nan])})
    row = maps.score(true, true + 0.5).loc["mean"]
    assert row["bias"] == pytest.approx(0.5) and row["Pearson's r"] == pytest.approx(1.0)
    assert row["R²"] == pytest.approx(1 - 3 * 0.25 / 2)
