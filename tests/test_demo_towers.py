"""Towers of the Demo Earth, and the errors of its products: as many, as clustered and as wrong as stated."""

import numpy as np
import pandas as pd
import pytest

from helpers import products
from helpers.demo import planet, satellites, towers
from helpers.products import towers as flux


@pytest.fixture(scope="module")
def network():
    fine = planet.make(
        3, years=(2000, 2018), resolution=3.0, climate_factor=5, lag_weights=(0.05, 0.15, 0.08), climate_start=1990
    )
    return fine, *towers.network(fine, 200, 30, 0.15)


def test_towers_stand_on_vegetated_land_and_in_clusters(network):
    fine, training, validation = network
    index = fine.index()
    assert len(training) == 200 and len(validation) == 32
    for tower in [*training, *validation]:
        row, col = int((90 - tower.lat) // 3), int((tower.lon + 180) // 3)
        assert index[row, col] == tower.cell
        assert fine.ground["igbp"][tower.cell] not in towers.BARE and tower.igbp not in towers.BARE
        assert tower.years[0] >= 2000 and tower.years[-1] <= 2014
    west = np.mean([t.site.startswith(("XE", "XN")) for t in training])
    assert 0.6 < west < 0.85
    shared = len(training) - len({t.cell for t in training})
    assert 15 < shared < 140


def test_records_are_short_and_unequal_and_site_effects_of_the_stated_size(network):
    _, training, _ = network
    length = np.array([t.years.size for t in training])
    assert 4 < length.mean() < 7 and length.min() == 1 or length.min() == 2
    assert length.std() > 2
    effect = np.array([t.effect for t in training])
    assert effect.std() == pytest.approx(0.15, rel=0.2) and abs(effect.mean()) < 0.04


def test_validation_towers_are_independent_but_for_two_that_must_be_refused(network):
    fine, training, validation = network
    names = {t.site for t in training}
    assert [t.site in names for t in validation].count(True) == 1
    apart = []
    for tower in validation:
        down = np.abs(fine.rows[tower.cell] - fine.rows[[t.cell for t in training]])
        right = np.abs(fine.cols[tower.cell] - fine.cols[[t.cell for t in training]])
        apart.append(np.maximum(down, np.minimum(right, 120 - right)).min() >= 2)
    assert apart == [True] * 30 + [False] * 2
    twin = validation[-1]
    near = min(np.hypot(twin.lat - t.lat, (twin.lon - t.lon) * np.cos(np.deg2rad(t.lat))) for t in training)
    assert near * 111.2 < 1
    assert all(t.years[-1] <= 2010 for t in validation[:30])


def test_tower_errors_have_the_stated_size_and_grow_as_quality_falls(network):
    fine, training, _ = network
    true = towers.observe(fine, training, 0.0, "a")
    seen = towers.observe(fine, training, 0.05, "a")
    error = np.log((seen["reco"] / true["reco"]).where(seen["reco"] > 0)).clip(-0.6, 0.6)
    good, poor = seen["qc"] > 0.9, seen["qc"] < 0.6
    assert error[good].std() == pytest.approx(0.05 * 1.1, rel=0.25)
    assert error[poor].std() > 1.3 * error[good].std()
    wrong = (seen["reco"] < 0) | (seen["reco"] > 5000)
    assert 1 <= wrong.sum() < 0.03 * len(seen)


@pytest.mark.parametrize("relative", [True, False])
def test_product_errors_have_the_stated_size_and_half_of_it_lasts(world, relative):
    raster = satellites.sinusoidal(world)
    observer = satellites.Observer(raster, 0.1, "x", 1, relative=relative)
    field = np.full(world.lat.size, 2.0)
    one, other = observer.see(field, "one"), observer.see(field, "other")
    first, second = (np.log(v / 2) if relative else v - 2 for v in (one, other))
    assert first.std() == pytest.approx(0.1, rel=0.05)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.5, abs=0.05)


def test_each_pixel_sees_the_cell_under_its_centre(world):
    raster = satellites.regular(world, finer=3, south=-60, north=84)
    field = world.lat * 1000 + world.lon
    lat = 84 - 2 * (np.arange(raster.cell.shape[0]) + 0.5)
    lon = -180 + 2 * (np.arange(raster.cell.shape[1]) + 0.5)
    y, x = np.nonzero(raster.land)
    cells = raster.cell[y, x]
    assert np.abs(world.lat[cells] - lat[y]).max() <= 3 and np.abs(world.lon[cells] - lon[x]).max() <= 3
    assert len(np.unique(field[cells])) == np.count_nonzero((world.lat < 84) & (world.lat > -60))


def test_the_folder_of_training_towers_is_untidy_and_the_reader_sorts_it_out(exact):
    folder, files, _ = exact
    back = products.read("fluxnet2015", products.find("fluxnet2015", folder))
    dropped = products.dropped(back)
    site_years = pd.DataFrame({"site": back.site.values, "year": back.year.values})
    assert not site_years.duplicated().any() and len(site_years) + len(dropped) == back.attrs["site_years_read"]
    by_reason = {reason: rows for reason, rows in dropped.groupby("reason")}
    assert set(by_reason) == {flux.OTHER_FILE, flux.REPEATED} and len(by_reason[flux.REPEATED]) == 1
    (site,), (name,) = set(by_reason[flux.OTHER_FILE].site), set(by_reason[flux.OTHER_FILE].file)
    record = site_years[site_years.site == site].year
    assert "_SUBSET_" in name and record.size == site_years.groupby("site").size().max()
    assert by_reason[flux.OTHER_FILE].year.tolist() == record.tolist()[:-1]
    assert by_reason[flux.REPEATED].site.item() != site
    assert products.dropped(products.read("fluxnet", files["fluxnet"])).empty
