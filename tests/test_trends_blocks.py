"""Cells of maps in blocks: each counted cell once, in its place, whatever the sizes; and draws that follow area."""

import numpy as np
import pytest
import xarray as xr

from helpers.space import regions
from helpers.stats import trends

LAT, LON = np.arange(60.0, -70.0, -20.0), np.arange(-165.0, 180.0, 30.0)


@pytest.fixture
def maps():
    rng = np.random.default_rng(3)
    fields = {
        "reco": (("member", "year", "lat", "lon"), rng.normal(size=(2, 5, LAT.size, LON.size))),
        "npp": (("year", "lat", "lon"), rng.normal(size=(5, LAT.size, LON.size))),
        "band": (("lat", "lon"), rng.integers(3, size=(LAT.size, LON.size))),
    }
    return xr.Dataset(fields, {"year": 2000 + np.arange(5), "lat": LAT, "lon": LON})


@pytest.fixture
def counted(maps):
    holds = np.random.default_rng(4).random((LAT.size, LON.size)) < 0.4
    holds[2:4] = False
    return xr.DataArray(holds, {"lat": LAT, "lon": LON}, ("lat", "lon"))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("cells", "rows"), [(1, 1), (3, 2), (4000, 60), (2, 7)])
def test_blocks_hold_each_counted_cell_once_and_in_its_place(maps, counted, cells, rows, lazy):
    given = maps.chunk({"year": 2, "lat": 3}) if lazy else maps
    blocks = list(trends.cell_blocks(given, counted, cells, rows))
    assert max(block.sizes["cell"] for block in blocks) <= cells
    whole = xr.concat(blocks, "cell", data_vars="all")
    row, column = np.nonzero(counted.values)
    np.testing.assert_array_equal(whole.lat, LAT[row])
    np.testing.assert_array_equal(whole.lon, LON[column])
    for name, field in maps.data_vars.items():
        assert whole[name].chunks is None
        expected = field.values[..., row, column]
        np.testing.assert_array_equal(whole[name].transpose(*field.dims[:-2], "cell"), expected)


def test_no_counted_cell_gives_no_block(maps, counted):
    assert list(trends.cell_blocks(maps, counted & False)) == []


def test_maps_on_another_grid_are_refused(maps, counted):
    with pytest.raises(ValueError, match=r"counted: expected the \(7, 12\) cells .* found \(6, 12\)"):
        next(trends.cell_blocks(maps, counted[1:]))


@pytest.mark.parametrize("lazy", [False, True])
def test_drawn_cells_are_counted_ones_and_follow_their_area(maps, counted, lazy):
    area = counted.copy(data=regions.cell_area(LAT, LON))
    yearly = maps[["npp"]].chunk({"year": 1}) if lazy else maps[["npp"]]
    drawn = trends.sampled_cells(yearly, counted, area, 20_000, np.random.default_rng(5))
    assert drawn.npp.dims == ("year", "cell")
    series = maps.npp.sel(lat=drawn.lat[:50], lon=drawn.lon[:50])
    np.testing.assert_array_equal(drawn.npp[:, :50], series)
    assert counted.sel(lat=drawn.lat, lon=drawn.lon).all()
    north = float(area.where(counted & (area.lat > 30)).sum() / area.where(counted).sum())
    assert float((drawn.lat > 30).mean()) == pytest.approx(north, abs=4 * np.sqrt(0.25 / 20_000))
