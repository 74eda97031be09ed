"""The Demo Earth as a whole: what is true closes, a seed repeats itself, parameters are checked."""

import re

import numpy as np
import pytest
import xarray as xr
from small_planet import SMALL, WHOLE

from helpers import demo
from helpers.demo import planet, process_models, variety
from helpers.space import regions
from helpers.space.grid import Grid
from helpers.workspace import ROOT


def test_carbon_closes_with_the_pools(exact):
    truth = exact[2]
    assert float(truth["export"].max()) > 0  # some cells burnt
    nep = (truth["npp"] - truth["rh"] - truth["export"]).isel(year=slice(1, None)).values
    change = truth["carbon"].astype("float64").diff("year").values
    np.testing.assert_allclose(change, nep, atol=2e-5)  # pools of tens of kg, stored in single precision
    np.testing.assert_allclose(truth["reco"], truth["gpp"] - truth["npp"] + truth["rh"], atol=1e-5)


def test_truth_stands_on_land_and_is_plausible(exact):
    truth, grid = exact[2], Grid(6.0)
    land = regions.land(grid.lat, grid.lon) & (grid.lat > -60)[:, None]
    for name in ("reco", "npp", "gpp", "rh", "mat", "map", "par", "fapar", "lai", "ndvi", "water", "carbon", "spei24"):
        assert (np.isfinite(truth[name].values) == land).all(), name
        assert truth[name].dtype == np.float32
    np.testing.assert_array_equal(truth["lat"], grid.lat)
    area = regions.cell_area(grid.lat, grid.lon)
    total = {name: float((truth[name].mean("year") * area).sum()) / 1e12 for name in ("gpp", "npp", "reco")}
    # Of the size of the Earth's: gross production near 120, respiration of the same size, half of it net production.
    assert 90 < total["gpp"] < 170 and 0.35 < total["npp"] / total["gpp"] < 0.6
    assert abs(total["reco"] / total["gpp"] - 1) < 0.06
    assert float(truth["reco"].min()) >= 0 and float(truth["reco"].max()) < 6
    assert set(np.unique(truth["igbp"].values[land])) <= set(range(1, 17))
    assert (truth["igbp"].values[~land] == 0).all()


def test_tropics_breathe_more_than_the_tundra(exact):
    mean = exact[2]["reco"].mean("year")
    assert mean.sel(lat=slice(10, -10)).mean() > 5 * mean.sel(lat=slice(80, 62)).mean()


@pytest.fixture(scope="module")
def without(world):
    """The same hard planet without a lag."""
    return planet.make(7, lag_weights=(0.0, 0.0, 0.0), sizes=variety.HARD, **WHOLE)


def test_planted_lag_comes_back_by_regression():
    found = _lag_coefficients(planet.make(7, lag_weights=(0.05, 0.15, 0.08), **WHOLE))
    # The litter that a wet year decays is missing in the next, so that less than the planted weight shows.
    for weight, coefficient in zip((0.05, 0.15, 0.08), found[:3], strict=True):
        assert 0.3 * weight < coefficient < 1.2 * weight
    assert found[1] == max(found)
    assert abs(found[3]) < 0.05  # nothing was planted three years back but the litter's echo
    none = _lag_coefficients(planet.make(7, lag_weights=(0.0, 0.0, 0.0), **WHOLE))
    assert np.abs(none).max() < 0.02


def test_the_hard_planet_has_the_same_lag_and_differs_in_nothing_else_without_it(world, without):
    for name in ("tmp", "pre", "lai", "gpp", "npp"):
        np.testing.assert_array_equal(without.monthly[name], world.monthly[name])
    alive = world.annual("npp", total=True).mean(axis=0) > 0.05
    effect = np.log(world.annual("rh", total=True)[:, alive] / without.annual("rh", total=True)[:, alive])
    first = world.all_years.size - world.product_years.size
    water = [world.water[first - k : world.all_years.size - k][:, alive].ravel() for k in range(3)]
    found = np.linalg.lstsq(np.stack([*water, np.ones(effect.size)], axis=1), effect.ravel(), rcond=None)[0][:3]
    for weight, coefficient in zip((0.05, 0.15, 0.08), found, strict=True):
        assert 0.3 * weight < coefficient < 1.2 * weight


def _lag_coefficients(p):
    """Regress ln(Rh) within cells on the water of years 0 to -3, temperature and ln(NPP)."""
    npp, rh = p.annual("npp", total=True), p.annual("rh", total=True)
    alive = npp.mean(axis=0) > 0.05
    first = p.all_years.size - p.product_years.size
    drivers = [p.water[first - k : p.all_years.size - k] for k in range(4)] + [p.annual("tmp"), np.log(npp + 1e-9)]
    columns = [(d - d.mean(axis=0))[:, alive].ravel() for d in drivers]
    log = np.log(rh[:, alive])
    return np.linalg.lstsq(np.stack(columns, axis=1), (log - log.mean(axis=0)).ravel(), rcond=None)[0][:4]


def test_averaging_to_the_coarse_grid_keeps_totals(world):
    values = world.annual("npp", total=True)
    coarse = world.aggregate(values, world.coarse)
    ones = world.aggregate(np.ones((1, world.lat.size)), world.coarse)
    assert np.nanmin(ones) == pytest.approx(1) and np.nanmax(ones) == pytest.approx(1)
    down = ((90 - world.lat) // world.coarse.resolution).astype(int)
    right = ((world.lon + 180) // world.coarse.resolution).astype(int)
    np.testing.assert_allclose((coarse[:, down, right] * world.area).sum(axis=1), (values * world.area).sum(axis=1))


def test_spei_of_the_truth_follows_its_water(world):
    truth = planet.truth(world)
    pairs = xr.concat([truth["spei12"], truth["water"]], "which").stack(all=("year", "lat", "lon")).dropna("all")
    assert np.corrcoef(pairs.values)[0, 1] > 0.5  # one cell of 30° against its cells of 6°


def test_same_seed_same_bytes_other_seed_other_planet(exact, tmp_path):
    folder, files, truth = exact
    again, truth_again = demo.build(tmp_path / "again", seed=7, noise=0.0, tower_noise=0.0, **SMALL)
    xr.testing.assert_identical(truth, truth_again)
    for product, paths in files.items():
        assert [p.name for p in again[product]] == [p.name for p in paths]
        for one, other in zip(paths, again[product], strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
    other = planet.make(8, **_planet_arguments())
    mine = planet.make(7, **_planet_arguments())
    assert np.corrcoef(other.ground["height"], mine.ground["height"])[0, 1] < 0.9


def _planet_arguments():
    return {"years": (2000, 2000), "resolution": 6.0, "climate_factor": 5, "lag_weights": (0.1,), "climate_start": 1998}


def test_truth_says_how_it_was_made(exact):
    attrs = exact[2].attrs
    assert attrs["seed"] == 7 and attrs["lag_weights"] == [0.05, 0.15, 0.08] and attrs["noise_glass_par"] == 0
    assert exact[2]["site_effect"].dims == ("site",)
    assert set(demo.NOISE) - {"process_models"} <= set(demo.PRODUCTS)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"years": (2003, 2000)}, "years"),
        ({"climate_factor": 7}, "climate_factor"),
        ({"resolution": 4.0}, "resolution"),
        ({"resolution": 7.0}, "resolution"),
        ({"dates": 0}, "dates"),
        ({"towers": 2}, "towers"),
        ({"climate_start": 1999}, "climate_start"),
        ({"noise": -1.0}, "noise"),
        ({"difficulty": "middling"}, "difficulty"),
        ({"heterogeneity": -1.0}, "heterogeneity"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name_before_anything_is_written(tmp_path, change, named):
    with pytest.raises(ValueError, match=named):
        demo.build(tmp_path / "new", seed=1, **(SMALL | change))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_products_is_left_alone(exact):
    with pytest.raises(FileExistsError, match="cru_tmp"):
        demo.build(exact[0], seed=7, **SMALL)


def test_the_page_states_the_sizes_that_the_code_uses():
    page = (ROOT / "book" / "demo_earth.md").read_text(encoding="utf-8")
    stated = {name: float(size) for name, size in re.findall(r"^\| `(\w+)` \| ([\d.]+)", page, re.MULTILINE)}
    assert stated == demo.NOISE
    assert all(name in page for name in process_models.STANDS)
