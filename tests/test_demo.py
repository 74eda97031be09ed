"""The Demo Earth: its relations against closed forms and slow loops, its sizes, and its files, opened and read back."""

import re

import netCDF4
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from pyhdf.SD import SD
from scipy import stats
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_planet import SMALL, WHOLE

from helpers import products
from helpers.demo import carbon, climate, earth, files, lag_power, planet, towers, worlds
from helpers.demo.carbon import HARD
from helpers.products import towers as flux
from helpers.space import regions
from helpers.space.grid import RADIUS, Grid, resample
from helpers.stats.splits import divided
from helpers.workspace import ROOT

SOLAR = 0.0820 * 1e6 / 60  # W m-2, as in FAO-56
LAG = (0.05, 0.15, 0.08)
FINER = WHOLE | {"resolution": 3.0, "lag_weights": LAG}


@pytest.fixture(scope="module")
def hard():
    return planet.make(3, sizes=carbon.HARD, **FINER)


@pytest.fixture(scope="module")
def easy():
    return planet.make(3, **FINER)


@pytest.fixture(scope="module")
def network(hard):
    return towers.network(hard, 200, 30, carbon.HARD.tower)


@pytest.fixture(scope="module")
def behind():
    """The planet behind the `exact` files."""
    same = {key: SMALL[key] for key in ("years", "resolution", "climate_factor")}
    return planet.make(7, lag_weights=LAG, climate_start=1981, sizes=carbon.HARD, **same)


def respired(p):
    return p.annual("gpp", total=True) - p.annual("npp", total=True) + p.annual("rh", total=True)


def test_insolation_at_equator_and_pole_is_that_of_the_geometry():
    day = np.arange(1, 366)
    declination = 0.409 * np.sin(2 * np.pi * day / 365 - 1.39)
    distance = 1 + 0.033 * np.cos(2 * np.pi * day / 365)
    june = (day > 151) & (day <= 181)
    equator, pole = climate.insolation(np.array([0.0, 90.0]))[5]
    assert equator == pytest.approx((SOLAR / np.pi * distance * np.cos(declination))[june].mean(), rel=1e-3)
    assert pole == pytest.approx((SOLAR * distance * np.sin(declination))[june].mean(), rel=1e-3)
    assert climate.insolation(np.array([90.0]))[11] == pytest.approx(0)
    lat = np.rad2deg(np.arcsin(np.linspace(-1, 1, 2001)))  # bands of equal area, which get a quarter of the constant
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    yearly = (climate.insolation(lat) * days[:, None]).sum(axis=0) / 365
    assert yearly.mean() == pytest.approx(SOLAR / 4, rel=2e-3)


def test_temperature_lapses_with_height_and_warms_at_the_stated_rate():
    lat, lon = np.full(300, 45.0), np.linspace(-180, 180, 300, endpoint=False)
    time = climate.months(1981, 2018)
    low = climate.temperature(lat, lon, np.zeros(300), np.zeros(300), time, 1)
    high = climate.temperature(lat, lon, np.full(300, 1000.0), np.zeros(300), time, 1)
    np.testing.assert_allclose(low - high, 6.5, atol=1e-4)
    yearly = low.reshape(-1, 12, 300).mean(axis=(1, 2))
    slope = stats.linregress(np.arange(yearly.size), yearly)
    assert slope.slope == pytest.approx(0.025 * 1.5, abs=4 * slope.stderr)
    assert low[6::12].mean() > low[0::12].mean()  # July against January in the north


def test_bucket_against_a_plain_loop():
    rng = np.random.default_rng(0)
    rain, pet = rng.gamma(2, 40, (36, 4)), rng.gamma(2, 40, (36, 4))
    got = climate.soil_water(rain, pet)
    for cell in range(4):
        store = 75.0
        for k in [*range(12), *range(12), *range(36)]:
            store = min(150.0, max(0.0, store + rain[k, cell] - pet[k, cell] * min(1, store / 112.5)))
            expected = store / 150
        assert got[-1, cell] == pytest.approx(expected)
    assert climate.soil_water(np.zeros((60, 1)), np.full((60, 1), 90.0))[-1, 0] < 1e-6
    assert climate.soil_water(np.full((60, 1), 300.0), np.full((60, 1), 90.0))[-1, 0] == 1


def test_water_anomaly_is_a_standard_score_of_the_yearly_balance():
    rng = np.random.default_rng(1)
    rain, pet = rng.gamma(2, 40, (120, 5)), rng.gamma(2, 40, (120, 5))
    balance = np.array([(rain - pet)[12 * y : 12 * y + 12].sum(axis=0) for y in range(10)])
    np.testing.assert_allclose(climate.water_anomaly(rain, pet), stats.zscore(balance, ddof=0), rtol=1e-10)


def test_fields_have_unit_variance_and_the_stated_reach():
    lat, lon = np.array([10.0, 10.0, 10.0]), np.array([0.0, 3.0, 20.0])
    rng = np.random.default_rng(5)
    drawn = np.array([climate.smooth(lat, lon, 800, rng, 60) for _ in range(3000)])
    assert drawn.var(axis=0) == pytest.approx(1, abs=0.1)
    chord = 2 * 6371 * np.cos(np.deg2rad(10)) * np.sin(np.deg2rad(np.array([3.0, 20.0]) / 2))
    expected = np.exp(-(chord**2) / (2 * 800**2))
    np.testing.assert_allclose(np.corrcoef(drawn.T)[0, 1:], expected, atol=0.07)


def test_fields_have_no_seam_and_no_pole_and_do_not_depend_on_the_grid():
    a = climate.smooth(np.array([40.0, 40.0]), np.array([-180.0, 180.0]), 500, climate.stream(1, "x"))
    assert a[0] == pytest.approx(a[1])
    pole = climate.smooth(np.full(8, 90.0), np.linspace(-180, 135, 8), 500, climate.stream(1, "x"))
    assert np.ptp(pole) < 1e-9
    alone = climate.smooth(np.array([12.0]), np.array([34.0]), 500, climate.stream(1, "x"))
    among = climate.smooth(np.array([-5.0, 12.0]), np.array([1.0, 34.0]), 500, climate.stream(1, "x"))
    assert alone[0] == pytest.approx(among[1])


def test_fetch_counts_land_upwind_across_the_date_line():
    grid = Grid(10)
    land = np.zeros(grid.shape, bool)
    land[3:6, -3:] = land[3:6, :2] = True  # five columns, across the date line, 55°N to 35°N
    got = climate.upwind_fetch(land, grid)
    row = 4  # 45°N: westerlies almost alone; smoothing over 2° hardly reaches the next row of 10°
    width = 6371.007181 * np.cos(np.deg2rad(45)) * np.deg2rad(10)
    trades = np.exp(-((45 / 30) ** 4))
    west, east = np.arange(1, 6), np.arange(5, 0, -1)
    expected = width * ((1 - trades) * west + trades * east)
    columns = [33, 34, 35, 0, 1]
    np.testing.assert_allclose(got[row, columns], expected, rtol=0.02)
    assert (got[~land] == 0).all()


def test_series_remember_as_stated():
    lat, lon = np.array([0.0]), np.array([0.0])
    values = np.concatenate(
        [climate.series(lat, lon, 1000, 200, climate.stream(s, "y"), memory=0.6)[:, 0] for s in range(40)]
    ).reshape(40, 200)
    lagged = (values[:, 1:] * values[:, :-1]).mean() / (values**2).mean()
    assert lagged == pytest.approx(0.6, abs=0.05)
    assert (values**2).mean() == pytest.approx(1, abs=0.15)


def test_light_use_in_one_month_by_hand():
    gpp = carbon.photosynthesis(*(np.array([[v]]) for v in (100.0, 0.5, 0.8)), *(np.array([v]) for v in (1.2, 1.1, 30)))
    # 100 W m-2 over 30 days are 259.2 MJ m-2
    assert gpp[0, 0] == pytest.approx(259.2 * 0.5 * 0.8 * 1.2 * 1.1 / 1000)


def test_lag_factor_against_a_loop():
    z = np.random.default_rng(2).standard_normal((7, 3))
    weights = (0.1, 0.2, -0.05)
    got = carbon.lag_factor(z, weights)
    for year in range(7):
        expected = sum(w * z[year - k] for k, w in enumerate(weights) if year >= k)
        np.testing.assert_allclose(got[year], np.exp(expected))
    assert (carbon.lag_factor(z, (0.0, 0.0, 0.0)) == 1).all()


def test_lloyd_taylor_against_the_paper_and_its_closed_form():
    # Their equation 11 is scaled to 1 at 10 °C; its relative slope there is 308.56 / 56.02².
    assert carbon.lloyd_taylor(np.array(10.0)) == pytest.approx(1)
    step = 1e-4
    slope = (carbon.lloyd_taylor(np.array(10 + step)) - carbon.lloyd_taylor(np.array(10 - step))) / (2 * step)
    assert slope == pytest.approx(308.56 / 56.02**2, rel=1e-5)
    assert np.isfinite(carbon.lloyd_taylor(np.array([-80.0, -46.02, 45.0]))).all()


def test_biomes_follow_warmth_and_water():
    rows = {  # mean, coldest and warmest month, rain, evaporation, share of rain in summer
        "ice": ([-20, -40, -1, 200, 100, 0.6], 15),
        "tundra": ([-10, -30, 7, 250, 300, 0.6], 7),
        "desert": ([25, 16, 34, 40, 2000, 0.5], 16),
        "dry summers": ([15, 9, 24, 600, 1100, 0.2], 6),
        "rain forest": ([27, 26, 28, 2500, 1400, 0.5], 2),
        "savanna": ([26, 22, 30, 900, 1600, 0.8], 9),
        "broadleaf": ([10, -2, 22, 900, 800, 0.5], 4),
        "larch": ([-3, -35, 16, 400, 450, 0.7], 3),
        "spruce": ([1, -15, 16, 600, 500, 0.6], 1),
    }
    # Fields, towns and bogs are laid over some of the places; the others must all show the natural class.
    lat, lon = np.repeat(np.linspace(1, 60, 40), 40), np.tile(np.linspace(-180, 179, 40), 40)
    for name, ((mat, cold, warm, total, pet, summer), expected) in rows.items():
        tmp = np.full(12, (12 * mat - cold - warm) / 10)
        tmp[[0, 6]] = cold, warm
        rain = np.where(np.isin(np.arange(12), range(3, 9)), summer * total / 6, (1 - summer) * total / 6)
        monthly = [np.tile(values[:, None], (1, 1600)) for values in (tmp, rain, np.full(12, pet / 12))]
        classes = climate.land_cover(*monthly, lat, lon, 4)
        assert set(classes[~np.isin(classes, [11, 12, 13, 14])]) == {expected}, name


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
    nep = (truth["npp"] - truth["rh"] - truth["export"]).isel(year=slice(1, None)).values  # closes with the pools,
    change = truth["carbon"].astype("float64").diff("year").values  # tens of kg, stored in single precision
    np.testing.assert_allclose(change, nep, atol=2e-5)
    np.testing.assert_allclose(truth["reco"], truth["gpp"] - truth["npp"] + truth["rh"], atol=1e-5)
    assert set(np.unique(truth["igbp"].values[land])) <= set(range(1, 17))
    assert (truth["igbp"].values[~land] == 0).all()


def test_planted_lag_comes_back_by_regression_and_nothing_else_differs_without_it(world):
    without = planet.make(7, lag_weights=(0.0, 0.0, 0.0), sizes=carbon.HARD, **WHOLE)
    for name in ("tmp", "pre", "lai", "gpp", "npp"):
        np.testing.assert_array_equal(without.monthly[name], world.monthly[name])
    alive = world.annual("npp", total=True).mean(axis=0) > 0.05
    effect = np.log(world.annual("rh", total=True)[:, alive] / without.annual("rh", total=True)[:, alive])
    first = world.all_years.size - world.product_years.size
    water = [world.water[first - k : world.all_years.size - k][:, alive].ravel() for k in range(4)]
    found = np.linalg.lstsq(np.stack([*water, np.ones(effect.size)], axis=1), effect.ravel(), rcond=None)[0]
    # The litter that a wet year decays is missing in the next, so that less than the planted weight shows.
    for weight, coefficient in zip(LAG, found[:3], strict=True):
        assert 0.3 * weight < coefficient < 1.2 * weight
    assert abs(found[3]) < 0.05  # nothing was planted three years back but the litter's echo


def test_averaging_to_the_coarse_grid_keeps_totals(world):
    values = world.annual("npp", total=True)
    coarse = world.aggregate(values, world.coarse)
    ones = world.aggregate(np.ones((1, world.lat.size)), world.coarse)
    assert np.nanmin(ones) == pytest.approx(1) and np.nanmax(ones) == pytest.approx(1)
    down = ((90 - world.lat) // world.coarse.resolution).astype(int)
    right = ((world.lon + 180) // world.coarse.resolution).astype(int)
    np.testing.assert_allclose((coarse[:, down, right] * world.area).sum(axis=1), (values * world.area).sum(axis=1))


def test_a_wrong_parameter_is_refused_by_name_before_anything_is_written(exact, tmp_path):
    for change in ({"climate_factor": 7}, {"resolution": 4.0}, {"climate_start": 1999}):
        with pytest.raises(ValueError, match=f"^{next(iter(change))}: expected"):
            earth.build(tmp_path / "new", seed=1, **(SMALL | change))
    assert not (tmp_path / "new").exists()
    with pytest.raises(FileExistsError, match="cru_tmp"):  # a folder that holds products
        earth.build(exact[0], seed=7, **SMALL)


def test_the_page_states_the_sizes_that_the_code_uses():
    page = (ROOT / "book" / "demo_earth.md").read_text(encoding="utf-8")
    stated = {name: float(size) for name, size in re.findall(r"^\| `(\w+)` \| ([\d.]+)", page, re.MULTILINE)}
    assert stated == earth.NOISE
    assert all(name in page for name in files.STANDS)


def components(values, by):
    """Return the standard deviations within and between groups (analysis of variance)."""
    groups = values.groupby(by)
    n = groups.size()
    within = ((values - groups.transform("mean")) ** 2).sum() / (len(values) - len(n))
    between = (n * (groups.mean() - values.mean()) ** 2).sum() / (len(n) - 1)
    each = (len(values) - (n**2).sum() / len(values)) / (len(n) - 1)
    return np.sqrt(within), np.sqrt((between - within) / each)


def test_cells_differ_as_much_as_stated(hard):
    for name, size in {"efficiency": 0.20, "life": 0.36, "litter": 0.36, "soil": 0.16, "start": 0.16}.items():
        log = np.log(getattr(hard.own, name))
        assert log.std() == pytest.approx(size, rel=0.25), name
        assert np.exp(log).mean() == pytest.approx(1, abs=size / 2), name
    cue = hard.annual("npp", total=True).mean(axis=0) / np.maximum(hard.annual("gpp", total=True).mean(axis=0), 1e-9)
    alive = hard.annual("gpp", total=True).mean(axis=0) > 0.1
    table = np.average(carbon.use_efficiency(planet.yearly(hard.monthly["tmp"]))[-19:], axis=0)
    assert np.std((cue - table)[alive]) == pytest.approx(0.085, rel=0.25)
    assert cue[alive].min() >= 0.2199 and cue[alive].max() <= 0.7901
    assert np.log(hard.own.years).std() == pytest.approx(0.08, rel=0.1)


def test_events_return_as_stated_and_strike_any_share():
    cells = 2000
    lat, lon = np.linspace(-60, 60, cells), np.linspace(-170, 170, cells)
    for code, interval in ((5, 75.0), (2, 1000.0), (12, np.inf)):
        struck = carbon.events(1.0, lat, lon, np.full(cells, code), 400, 5)
        assert struck.mean() / 0.95 == pytest.approx(1 / interval, rel=0.15, abs=1e-9)
    share = carbon.events(1.0, lat, lon, np.full(cells, 5), 400, 5)
    assert share[share > 0].mean() == pytest.approx(0.95 / 2, rel=0.05) and share.max() <= 0.95
    assert not carbon.events(0.0, lat, lon, np.full(cells, 5), 40, 5).any()


def test_what_an_event_took_comes_back_by_the_exponential():
    struck = np.zeros((30, 2))
    struck[2, 0], struck[[4, 9], 1] = 0.6, 0.5
    missing = carbon.lost(struck, 12.0)
    assert (missing[:3, 0] == 0).all()
    np.testing.assert_allclose(missing[3:, 0], 0.6 * np.exp(-np.arange(1, 28) / 12), rtol=1e-5)
    first = 0.5 * np.exp(-5 / 12)  # what the first event still lacks when the second takes half of what is there
    assert missing[10, 1] == pytest.approx((first + 0.5 * (1 - first)) * np.exp(-1 / 12), rel=1e-5)


def test_carbon_closes_with_smoke_and_agrees_with_a_plain_loop():
    rng = np.random.default_rng(3)
    npp, rate = rng.gamma(2, 0.03, (60, 2)), rng.gamma(3, 0.4, (60, 2))
    one, killed = np.ones(2), np.zeros((5, 2))
    killed[[1, 3], 0] = 0.4, 0.9
    traits = {"life": one * 1.3, "litter": one * 0.8, "soil": one * 1.2, "humified": one * 1.1, "start": one * 1.5}
    rest = dict.fromkeys(("efficiency", "use_efficiency", "years", "leaves", "vigour"), one)
    struck = np.zeros((60, 2))
    struck[59, 0] = 0.5  # in the year before the first
    own = carbon.Peculiar(**traits, **rest, killed=killed, struck=struck)
    rh, pools = carbon.drain(npp, rate, np.array([1.5, 10.0]), own=own)
    smoke = carbon.exported(pools, own)
    balance = (npp - rh).reshape(5, 12, 2).sum(axis=1) - smoke
    np.testing.assert_allclose(np.diff(pools.sum(axis=0), axis=0), balance[1:], atol=1e-12)
    life, fast, slow, share = 1.5 * 1.3, 0.5 * 0.8, 0.012 * 1.2, 0.3 * 1.1
    income, mean = 12 * npp[:, 0].mean(), rate[:, 0].mean()
    biomass, litter, soil = income * life, income / (fast * mean), 1.5 * share * income / (slow * mean)
    biomass *= 1 - 0.5 * np.exp(-1 / life)
    burnt = []
    for k in range(60):
        fallen, decayed, lost = biomass / 12 / life, fast / 12 * rate[k, 0] * litter, slow / 12 * rate[k, 0] * soil
        biomass, litter, soil = biomass + npp[k, 0] - fallen, litter + fallen - decayed, soil + share * decayed - lost
        if k % 12 == 11:
            down = killed[k // 12, 0] * biomass
            burnt.append(0.22 * down)
            biomass, litter = biomass - down, litter + 0.78 * down
    np.testing.assert_allclose(pools[:, -1, 0], [biomass, litter, soil], rtol=1e-6)
    np.testing.assert_allclose(smoke[:, 0], burnt, rtol=1e-6)


def test_site_effects_are_of_cell_and_tower_as_stated(hard, easy, network):
    network, _ = network
    cell = np.array([t.cell for t in network])
    level = respired(hard).mean(axis=0)[cell]
    of_cell = level - respired(easy).mean(axis=0)[cell]
    of_tower = level * (np.exp([t.effect for t in network]) - 1)
    assert 0.12 < of_cell.std() < 0.3 and 0.15 < of_tower.std() < 0.35
    assert 0.25 < (of_cell + of_tower).std() < 0.45
    assert np.stack([t.by_year for t in network]).std() == pytest.approx(0.09, rel=0.1)


def test_labels_err_as_night_and_day_partitioning_differ(hard, network):
    network, _ = network
    rows = towers.observe(hard, network, carbon.HARD.noise, "fluxnet2015").dropna()
    rows = rows[(rows["qc"] >= 0.5) & rows["reco"].between(10, 5000)]
    within, between = components(np.log(rows["reco"] / rows["reco_dt"]), rows["site"])
    assert within == pytest.approx(0.168, rel=0.15) and between == pytest.approx(0.174, rel=0.3)
    rows = rows[rows.groupby("site")["site"].transform("size") >= 3]
    pair = rows[["reco", "reco_dt"]]
    anomaly = pair - pair.groupby(rows["site"]).transform("mean")
    assert 0.45 < anomaly.corr().iloc[0, 1] < 0.8 and 0.7 < pair.corr().iloc[0, 1] ** 2 < 0.93
    assert 110 < rows.groupby("site")["reco"].std().mean() < 220
    nee = rows["reco"] - rows["gpp"]
    exact = towers.observe(hard, network, 0.0, "fluxnet2015").loc[rows.index]
    np.testing.assert_allclose(exact["reco"].fillna(exact["reco_dt"]), exact["reco_dt"])
    # What is left of the error in NEE is what both partitionings share: NT's own is in GPP as well.
    off = (nee - (exact["reco_dt"] - exact["gpp"])) / exact["reco_dt"]
    assert off.std() == pytest.approx(0.045, rel=0.2)


def test_ridge_finds_at_unseen_places_less_than_on_the_easy_planet(hard, easy):
    scores = {p.sizes.tower: _ridge(p) for p in (hard, easy)}
    (places, within), (before, _) = scores[carbon.HARD.tower], scores[carbon.EASY.tower]
    assert 0.35 < places < 0.8 and places < before - 0.05
    assert -0.3 < within < 0.35


def _ridge(p):
    """Return R2 at unseen cells, and of anomalies within sites, on the kinds of predictor of real tower tables."""
    standing = towers.network(p, 200, 30, p.sizes.tower)[0]
    rows = towers.observe(p, standing, p.sizes.noise, "fluxnet2015").dropna()
    rows = rows[(rows["qc"] >= 0.5) & rows["reco"].between(10, 5000)].reset_index()
    at = rows["year"].to_numpy() - p.years[0], rows["cell"].to_numpy()
    rng, first = climate.stream(1, "noise"), p.all_years.size - p.product_years.size
    x = [p.annual("tmp")[at], p.annual("pre", total=True)[at], p.annual("par")[at]]
    x += [p.annual(name)[at] * np.exp(0.08 * rng.standard_normal(len(rows))) for name in ("lai", "ndvi")]
    x += [p.pools[2, first][at[1]] * np.exp(0.2 * rng.standard_normal(len(rows))), p.water[first:][at]]
    x, y = np.stack(x, axis=1), rows["reco"].to_numpy() / 1000
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 20)))
    folds = GroupKFold(5, shuffle=True, random_state=0)
    table = pd.DataFrame({"y": y, "x": cross_val_predict(model, x, y, groups=rows["cell"], cv=folds)})
    anomaly = table - table.groupby(rows["site"]).transform("mean")
    scores = [1 - ((t["y"] - t["x"]) ** 2).sum() / ((t["y"] - t["y"].mean()) ** 2).sum() for t in (table, anomaly)]
    return tuple(scores)


def test_errors_of_gross_and_net_production_share_most_of_their_noise(easy, tmp_path):
    paths = files.mod17a3hgf(tmp_path, easy, 0.08)[:4]
    raster = files.sinusoidal(easy)
    seen = {
        name: np.block([[SD(str(p)).select(name).get() for p in paths[k : k + 2]] for k in (0, 2)])
        for name in ("Npp_500m", "Gpp_500m")
    }
    cell = raster.cell
    good = (cell >= 0) & (seen["Npp_500m"] > 1000) & (seen["Npp_500m"] <= 32700)
    true = {"Npp_500m": easy.annual("npp", total=True)[0], "Gpp_500m": easy.annual("gpp", total=True)[0]}
    error = [np.log(seen[name][good] / 1e4 / true[name][cell[good]]) for name in seen]
    assert [e.std() for e in error] == pytest.approx([0.08, 0.08], rel=0.05)
    assert np.corrcoef(error)[0, 1] == pytest.approx(np.sqrt(files.SHARED), abs=0.02)


def test_towers_stand_on_vegetated_land_and_in_clusters(hard, network):
    fine, (training, validation) = hard, network
    index = fine.index()
    assert len(training) == 200 and len(validation) == 32
    for tower in [*training, *validation]:
        row, col = int((90 - tower.lat) // 3), int((tower.lon + 180) // 3)
        assert index[row, col] == tower.cell
        assert fine.ground["igbp"][tower.cell] not in towers.BARE and tower.igbp not in towers.BARE
        assert tower.years[0] >= 2000 and tower.years[-1] <= 2014
    west = np.mean([t.site.startswith(("XE", "XN")) for t in training])
    assert 0.6 < west < 0.85
    assert 15 < len(training) - len({t.cell for t in training}) < 140
    length = np.array([t.years.size for t in training])
    assert 4 < length.mean() < 7 and length.min() <= 2 and length.std() > 2
    effect = np.array([t.effect for t in training])
    assert effect.std() == pytest.approx(0.23, rel=0.2) and abs(effect.mean()) < 0.06


def test_validation_towers_are_independent_but_for_two_that_must_be_refused(hard, network):
    fine, (training, validation) = hard, network
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


def test_product_errors_have_the_stated_size_and_half_of_it_lasts(world):
    raster, field = files.sinusoidal(world), np.full(world.lat.size, 2.0)
    for relative in (True, False):
        observer = files.Observer(raster, 0.1, "x", 1, relative=relative)
        first, second = (observer.see(field, name) for name in ("one", "other"))
        first, second = (np.log(v / 2) if relative else v - 2 for v in (first, second))
        assert first.std() == pytest.approx(0.1, rel=0.05)
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.5, abs=0.05)


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


HDF4 = {
    ("glass_par", "PAR"): ("int16", -1, 0.01),
    ("glass_lai", "LAI"): ("uint8", 255, 0.1),
    ("glass_fapar", "FAPAR"): ("uint8", 255, 0.004),
    ("mod13a3", "1 km monthly NDVI"): ("int16", -3000, 10000.0),
    ("mod17a3hgf", "Npp_500m"): ("int16", 32767, 0.0001),
    ("mod17a3hgf", "Gpp_500m"): ("uint16", 65535, 0.0001),
    ("mcd12c1", "Majority_Land_Cover_Type_1"): ("uint8", 255, None),
}


def test_hdf4_files_look_like_the_real_ones(exact):
    for (product, name), told in HDF4.items():
        file = SD(str(exact[1][product][0]))
        attributes, stored = file.select(name).attributes(), file.select(name).get()
        assert (stored.dtype, attributes["_FillValue"], attributes.get("scale_factor")) == told
        low, high = attributes["valid_range"]
        good = stored[(stored >= low) & (stored <= high) & (stored != attributes["_FillValue"])]
        assert good.size and good.max() > good.min() and "StructMetadata.0" in file.attributes()


def test_netcdf_and_geotiff_files_look_like_the_real_ones(exact):
    files = exact[1]
    with netCDF4.Dataset(files["cru_pre"][0]) as file:
        pre = file["pre"]
        assert files["cru_pre"][0].name == "cru_ts4.05.1981.2003.pre.dat.nc"
        assert pre.dtype == np.float32 and pre.units == "mm/month" and pre._FillValue == np.float32(9.96921e36)
        assert file["lat"][0] < file["lat"][-1] and file["time"].units.startswith("days since 1900")
    with netCDF4.Dataset(files["spei"][2]) as file:
        file.set_auto_mask(False)
        stored = file["spei"][:]
        sea = stored[-1] == np.float32(1e30)
        assert np.isnan(stored[:35, ~sea]).all() and np.isfinite(stored[35:, ~sea]).all()
    with netCDF4.Dataset({p.name: p for p in files["trendy"]}["DEMO-STATIC_S3_ra.nc"]) as file:
        assert file["time"].calendar == "noleap" and file["longitude"][-1] > 180
        assert file["latitude"][0] < 0 and file["ra"].units == "kg m-2 s-1"
    with rasterio.open(files["soilgrids2017"][0]) as file:
        assert file.name.endswith("ORCDRC_M_sl1_250m.tif") and file.bounds == (-180, -60, 180, 84)
        assert (file.dtypes[0], file.nodata, file.crs.to_epsg()) == ("int16", -32768, 4326)


def test_process_models_differ_as_declared(exact, behind):
    truth = exact[2]
    by_name = {}
    for product in ("mstmip", "trendy"):
        for name in sorted({p.parent.name for p in exact[1][product]}):
            ds = products.read(product, exact[1][product], model=name, years=[2000, 2001, 2002, 2003])
            by_name[name] = ds["reco"]
    assert set(by_name) == set(files.STANDS)
    p = behind
    table = truth["gpp"].copy(data=p.spread(p.annual("potential", total=True)))
    gpp = _mean_over_land(table, Grid(18.0))
    np.testing.assert_allclose(by_name["DEMO-BALANCED"].values, gpp, rtol=1e-4)  # what comes in goes out
    reco = _mean_over_land(truth["reco"], Grid(12.0))
    spread = np.nanmean(by_name["DEMO-SLOW"].values.std(axis=0)) / np.nanmean(np.std(reco, axis=0))
    assert spread < 1
    # MsTMIP stops in 2010 and TRENDY goes on; both begin with the products.
    assert by_name["DEMO-ARID"].shape == (4, 15, 30)


def _mean_over_land(field, grid):
    area = xr.DataArray(regions.cell_area(field["lat"], field["lon"]), dims=("lat", "lon"))
    blocks = dict.fromkeys(("lat", "lon"), round(grid.resolution / 6))
    weight = area.where(field.notnull(), 0.0)
    total, land = (part.coarsen(blocks).sum() for part in (field.fillna(0.0) * weight, weight))
    return (total / land.where(land > 0)).values


def test_stand_ins_know_nothing_of_what_a_cell_has_of_its_own(world):
    plain = planet.make(7, lag_weights=LAG, **WHOLE)
    assert np.array_equal(files.respiration(world, "DEMO-SLOW", 0.0), files.respiration(plain, "DEMO-SLOW", 0.0))


def read(exact, product, variable, years=(2000, 2001, 2002, 2003), **selection):
    folder, files, _ = exact
    found = products.find(product, folder)
    assert found == files[product]
    ds = products.read(product, found, years=years, **selection)
    return ds[variable]


def test_regular_products_come_back_within_their_rounding(exact, behind):
    for product, variable, tolerance, starts in (
        ("glass_par", "par", 0.01, [1, 92, 183, 275]),
        ("glass_lai", "lai", 0.06, [1, 97, 185, 273]),
    ):
        back = resample(read(exact, product, variable, dates_per_year=4), Grid(6.0))
        assert (np.isfinite(back.values) == np.isfinite(exact[2][variable].values)).all()
        # Four dates a year hold February, May, August and November, each weighted by its period.
        seen = behind.monthly[variable].reshape(-1, 12, behind.lat.size)[-4:, [1, 4, 7, 10]]
        for k, days in enumerate((366, 365, 365, 365)):
            expected = behind.spread(np.average(seen[k], axis=0, weights=np.diff([*starts, days + 1])))
            np.testing.assert_allclose(back.values[k], expected, atol=tolerance)


def test_climate_comes_back_as_the_mean_over_land(exact, behind):
    p = behind
    for product, variable, total in (("cru_tmp", "mat", False), ("cru_pre", "map", True), ("cru_pet", "pet", True)):
        back = read(exact, product, variable)
        field = {"mat": "tmp", "map": "pre", "pet": "pet"}[variable]
        expected = p.aggregate(p.annual(field, total=total), p.coarse)
        np.testing.assert_allclose(back.values, expected, rtol=2e-5, atol=2e-5)
    back = resample(read(exact, "spei", "spei24"), Grid(6.0))
    truth = exact[2]["spei24"]
    on = np.isfinite(truth.values)
    np.testing.assert_allclose(back.values[on], truth.values[on], atol=1e-5)


@pytest.mark.parametrize(("product", "variable"), [("mod13a3", "ndvi"), ("mod17a3hgf", "npp"), ("mod17a3hgf", "gpp")])
def test_sinusoidal_products_come_back_from_the_right_place(exact, product, variable, step=1e-4):
    truth, grid = exact[2][variable], Grid(6.0)
    back = read(exact, product, variable, grid=grid)
    raster = _pixel_under_centre(grid)
    expected = np.where(raster >= 0, truth.values.reshape(4, -1)[:, raster], np.nan)
    if product == "mod17a3hgf":  # nothing grows in towns, bogs, ice and deserts, says the product
        igbp = exact[2]["igbp"].values.ravel()[raster]
        expected[:, np.isin(igbp, [0, 11, 13, 15, 16])] = np.nan
    np.testing.assert_allclose(back.values, expected, atol=0.51 * step)


def _pixel_under_centre(grid):
    """Return, for each cell, the flat index of the cell under the middle of the sinusoidal pixel at its centre."""
    size = np.pi * RADIUS / (2.5 * grid.shape[0])
    lat, lon = np.meshgrid(np.deg2rad(grid.lat), np.deg2rad(grid.lon), indexing="ij")
    x, y = RADIUS * lon * np.cos(lat), RADIUS * lat
    x_mid = (np.floor((x + np.pi * RADIUS) / size) + 0.5) * size - np.pi * RADIUS
    y_mid = np.pi * RADIUS / 2 - (np.floor((np.pi * RADIUS / 2 - y) / size) + 0.5) * size
    lat_mid = y_mid / RADIUS
    lon_mid = x_mid / (RADIUS * np.cos(lat_mid))
    row = np.floor((90 - np.rad2deg(lat_mid)) / grid.resolution).astype(int)
    col = np.floor((np.rad2deg(lon_mid) + 180) / grid.resolution).astype(int)
    return np.where((col >= 0) & (col < grid.shape[1]), row * grid.shape[1] + col, -1)


def test_fapar_and_land_cover_and_soil_come_back(exact, behind):
    truth, grid = exact[2], Grid(6.0)
    fapar = read(exact, "glass_fapar", "fapar", grid=grid, dates_per_year=4)
    on = np.isfinite(fapar.values) & np.isfinite(truth["fapar"].values)
    assert np.corrcoef(fapar.values[on], truth["fapar"].values[on])[0, 1] > 0.95  # four months, and shifted pixels
    igbp = read(exact, "mcd12c1", "igbp", years=[2003]).isel(year=0)
    np.testing.assert_array_equal(igbp.values, truth["igbp"].values)
    p = behind
    soil = products.read("soilgrids2017", products.find("soilgrids2017", exact[0]), grid=grid)
    content = p.spread(p.pools[2, p.all_years == 2000][0] * 1000 / (0.3 * 1300))
    for name, depth in (("soc_0", 0.0), ("soc_5", 0.05), ("soc_15", 0.15), ("soc_30", 0.3)):
        expected = np.clip(content * np.exp(-depth / 0.3), 0, 1000)
        expected[np.abs(grid.lat) > 84] = np.nan
        np.testing.assert_allclose(soil[name].values, expected, atol=0.51)


def test_towers_report_their_cell_times_their_factor(exact):
    truth = exact[2]
    for product in ("fluxnet2015", "fluxnet"):
        back = products.read(product, products.find(product, exact[0]))
        place = {k: xr.DataArray(back[k].values, dims="sample") for k in ("lat", "lon")}
        at = truth["reco"].sel(year=xr.DataArray(back["year"].values, dims="sample"), method=None)
        at = at.sel(method="nearest", **place)
        tower = truth[["site_effect", "site_year_effect"]].sel(site=back["site"].values)
        by_year = tower["site_year_effect"].values[back["year"].values - 2000, np.arange(back["site"].size)]
        expected = at.values * np.exp(tower["site_effect"].values + by_year)
        known = np.isfinite(back["reco"].values)
        assert 0.85 < known.mean() < 1 or len(known) < 40
        np.testing.assert_allclose(back["reco"].values[known], expected[known], rtol=1e-4)
        np.testing.assert_allclose(back["reco_dt"].values[known], expected[known], rtol=1e-4)


# --- made worlds: the lag that was planted is the one that is there, and every protocol is asked in each


@pytest.fixture(scope="module")
def small():
    return worlds.world(5, worlds.lag_weights(0.3), towers=40, resolution=3.0, climate_factor=2)


def test_planting_again_is_making_the_planet_anew():
    how = {"years": (2000, 2006), "resolution": 6.0, "climate_factor": 2, "climate_start": 1995, "sizes": HARD}
    first = planet.make(3, lag_weights=(0.0, 0.0, 0.0), **how)
    again = planet.make(3, lag_weights=(0.0, 0.2, 0.0), **how)
    planted = worlds.plant(first, (0.0, 0.2, 0.0))
    assert np.array_equal(planted.monthly["rh"], again.monthly["rh"])
    assert np.array_equal(planted.pools, again.pools) and planted.lag_weights == again.lag_weights
    assert not np.array_equal(first.monthly["rh"], again.monthly["rh"])


def test_water_of_another_year_is_that_years_own(small):
    centre = small.window.sel(dy=1, dx=1)
    own = pd.Series(centre.sel(predictor="spei12").values, [small.site.values, small.year.values])
    for back, name in ((1, "spei12_1"), (2, "spei12_2"), (-1, "spei12_next")):
        place = pd.MultiIndex.from_arrays([small.site.values, small.year.values - back])
        before = own.groupby(level=[0, 1]).first().reindex(place).to_numpy()
        known = np.isfinite(before)
        assert known.sum() > 50
        assert np.array_equal(before[known], centre.sel(predictor=name).values[known])


def test_what_the_lag_adds_follows_the_water_of_its_year(small):
    assert np.isfinite(small.window).all() and not divided(small.group.values, small.site.values).size
    centre, change = small.window.sel(dy=1, dx=1), np.log(small.reco / small.reco[0])
    for k, name in enumerate(worlds.WATERS):
        r = {other: np.corrcoef(change[k + 1], centre.sel(predictor=other))[0, 1] for other in worlds.WATERS}
        assert max(r, key=r.get) == name and r[name] > 0.4


def test_every_protocol_answers_for_every_lag(small):
    answers = lag_power.verdicts(small, iterations=12, folds=3, seed=1)
    assert len(answers) == 7 * 4 * 4 and answers.found.dtype == bool
    within = answers[answers.protocol == "within sites"].set_index(["planted", "back"]).found
    assert within["last year", 1] and within["the year before last", 2]
    apart = answers[answers.protocol.str.startswith("within")].reset_index(drop=True)
    assert apart.equals(lag_power.without_networks(small))


def test_rates_count_and_bound():
    each = pd.DataFrame({"protocol": "a", "planted": ["none"] * 4, "back": 0, "found": [True, False, False, False]})
    (row,) = lag_power.rates(each).itertuples()
    assert (row.worlds, row.found, row.share, row.right) == (4, 1, 0.25, False)
    assert (row.low, row.high) == pytest.approx((0.006309, 0.805880), abs=1e-5)  # Clopper and Pearson, from a table
