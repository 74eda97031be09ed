"""The Demo Earth's relations, one by one, against closed forms, slow loops and other libraries."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.demo import carbon, climate, fields
from helpers.space.grid import Grid

SOLAR = 0.0820 * 1e6 / 60  # W m-2, as in FAO-56


def test_insolation_averages_to_a_quarter_of_the_solar_constant():
    lat = np.rad2deg(np.arcsin(np.linspace(-1, 1, 2001)))  # bands of equal area
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    yearly = (climate.insolation(lat) * days[:, None]).sum(axis=0) / 365
    assert yearly.mean() == pytest.approx(SOLAR / 4, rel=2e-3)


def test_insolation_at_equator_and_pole_is_that_of_the_geometry():
    day = np.arange(1, 366)
    declination = 0.409 * np.sin(2 * np.pi * day / 365 - 1.39)
    distance = 1 + 0.033 * np.cos(2 * np.pi * day / 365)
    june = (day > 151) & (day <= 181)
    equator, pole = climate.insolation(np.array([0.0, 90.0]))[5]
    assert equator == pytest.approx((SOLAR / np.pi * distance * np.cos(declination))[june].mean(), rel=1e-3)
    assert pole == pytest.approx((SOLAR * distance * np.sin(declination))[june].mean(), rel=1e-3)
    assert climate.insolation(np.array([90.0]))[11] == pytest.approx(0)


def test_light_at_the_ground_lies_within_angstroms_bounds():
    lat, time = np.array([-60.0, 0.0, 60.0]), climate.months(2000, 2000)
    dry = climate.par(lat, time, np.zeros((12, 3)))
    soaked = climate.par(lat, time, np.full((12, 3), 1e9))
    top = climate.insolation(lat)
    np.testing.assert_allclose(dry, 0.45 * (0.25 + 0.5 * 0.85) * top, rtol=1e-5)
    np.testing.assert_allclose(soaked, 0.45 * (0.25 + 0.5 * 0.20) * top, rtol=1e-5)


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


def test_inland_seasons_are_larger_and_reversed_in_the_south():
    time = climate.months(2000, 2009)
    lat, lon, flat = np.array([60.0, 60.0, -40.0]), np.array([0.0, 0.01, 0.0]), np.zeros(3)
    values = climate.temperature(lat, lon, flat, np.array([0.0, 3000.0, 3000.0]), time, 3).reshape(-1, 12, 3).mean(0)
    coast, inland, south = values[6] - values[0]
    assert inland > 2 * coast > 0 > south


def test_rain_is_largest_on_the_equator_and_least_in_the_subtropics():
    lat = np.arange(-60.0, 61.0)
    mean = climate.rain_climatology(lat, 0 * lat, 0 * lat + 500, np.linspace(-1, 1, 9)).mean(axis=0)
    assert abs(lat[mean.argmax()]) < 8
    assert 18 < lat[15 + 61 :][mean[15 + 61 :].argmin()] < 35
    far = climate.rain_climatology(lat, 0 * lat, 0 * lat + 4000, np.zeros(1))[0]
    assert (far < climate.rain_climatology(lat, 0 * lat, 0 * lat, np.zeros(1))[0]).all()


def test_rain_anomalies_leave_the_climatology_as_it_is():
    lat, lon = np.full(4000, 50.0), np.linspace(-180, 180, 4000, endpoint=False)
    time = climate.months(1999, 2001)
    drawn = [climate.precipitation(lat, lon, 0 * lat, 0 * lat, time, seed) for seed in range(12)]
    expected = climate.rain_climatology(lat[:1], np.zeros(1), np.zeros(1), climate.season(time)).mean()
    # The two fixed factors, log-normal with sizes 0.25 and 0.15, are not centred: they raise the mean a little.
    ratio = np.mean(drawn) / expected / np.exp((0.25**2 + 0.15**2) / 2)
    assert ratio == pytest.approx(1, abs=0.06)


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
    drawn = np.array([fields.smooth(lat, lon, 800, rng, 60) for _ in range(3000)])
    assert drawn.var(axis=0) == pytest.approx(1, abs=0.1)
    chord = 2 * 6371 * np.cos(np.deg2rad(10)) * np.sin(np.deg2rad(np.array([3.0, 20.0]) / 2))
    expected = np.exp(-(chord**2) / (2 * 800**2))
    np.testing.assert_allclose(np.corrcoef(drawn.T)[0, 1:], expected, atol=0.07)


def test_fields_have_no_seam_and_no_pole_and_do_not_depend_on_the_grid():
    a = fields.smooth(np.array([40.0, 40.0]), np.array([-180.0, 180.0]), 500, fields.stream(1, "x"))
    assert a[0] == pytest.approx(a[1])
    pole = fields.smooth(np.full(8, 90.0), np.linspace(-180, 135, 8), 500, fields.stream(1, "x"))
    assert np.ptp(pole) < 1e-9
    alone = fields.smooth(np.array([12.0]), np.array([34.0]), 500, fields.stream(1, "x"))
    among = fields.smooth(np.array([-5.0, 12.0]), np.array([1.0, 34.0]), 500, fields.stream(1, "x"))
    assert alone[0] == pytest.approx(among[1])


def test_series_remember_as_stated():
    lat, lon = np.array([0.0]), np.array([0.0])
    values = np.concatenate(
        [fields.series(lat, lon, 1000, 200, fields.stream(s, "y"), memory=0.6)[:, 0] for s in range(40)]
    ).reshape(40, 200)
    lagged = (values[:, 1:] * values[:, :-1]).mean() / (values**2).mean()
    assert lagged == pytest.approx(0.6, abs=0.05)
    assert (values**2).mean() == pytest.approx(1, abs=0.15)


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


def test_lloyd_taylor_against_the_paper_and_its_closed_form():
    # Their equation 11 is scaled to 1 at 10 °C; its relative slope there is 308.56 / 56.02².
    assert carbon.lloyd_taylor(np.array(10.0)) == pytest.approx(1)
    step = 1e-4
    slope = (carbon.lloyd_taylor(np.array(10 + step)) - carbon.lloyd_taylor(np.array(10 - step))) / (2 * step)
    assert slope == pytest.approx(308.56 / 56.02**2, rel=1e-5)
    assert np.isfinite(carbon.lloyd_taylor(np.array([-80.0, -46.02, 45.0]))).all()


def test_light_use_in_one_month_by_hand():
    gpp = carbon.photosynthesis(
        np.array([[100.0]]),
        np.array([[0.5]]),
        np.array([[0.8]]),
        np.array([1.2]),
        np.array([1.1]),
        np.array([30]),
    )
    # 100 W m-2 over 30 days are 259.2 MJ m-2
    assert gpp[0, 0] == pytest.approx(259.2 * 0.5 * 0.8 * 1.2 * 1.1 / 1000)


def test_leaves_stay_between_their_least_and_largest_and_absorb_by_beers_law():
    igbp, limit = np.array([4, 4]), np.array([[0.0, 1.0]] * 3)
    leaves = carbon.leaf_area(limit, igbp, np.ones(2), np.ones(3))
    np.testing.assert_allclose(leaves, [[0.5, 5.0]] * 3)
    np.testing.assert_allclose(carbon.absorbed(leaves)[0], 0.95 * (1 - np.exp([-0.25, -2.5])), rtol=1e-6)
    fapar = carbon.absorbed(leaves)
    np.testing.assert_allclose(1.164 * carbon.greenness(fapar) - 0.143, fapar, rtol=1e-6)


def test_every_class_but_water_has_traits():
    assert set(carbon.TRAITS) == set(range(1, 17))
    np.testing.assert_array_equal(carbon.traits(np.array([2, 15]))[:, 1], [0, 0, 0, 1])
    assert carbon.traits(np.array([2]))[0, 0] == 1.268


def test_lag_factor_against_a_loop():
    z = np.random.default_rng(2).standard_normal((7, 3))
    weights = (0.1, 0.2, -0.05)
    got = carbon.lag_factor(z, weights)
    for year in range(7):
        expected = sum(w * z[year - k] for k, w in enumerate(weights) if year >= k)
        np.testing.assert_allclose(got[year], np.exp(expected))
    assert (carbon.lag_factor(z, (0.0, 0.0, 0.0)) == 1).all()


def test_pools_conserve_carbon_and_agree_with_a_plain_loop():
    rng = np.random.default_rng(3)
    npp, rate = rng.gamma(2, 0.03, (60, 2)), rng.gamma(3, 0.4, (60, 2))
    life = np.array([1.5, 10.0])
    rh, pools = carbon.drain(npp, rate, life, past=0.9)
    change = np.diff(pools.sum(axis=0), axis=0)
    balance = (npp - rh).reshape(5, 12, 2).sum(axis=1)[1:]
    np.testing.assert_allclose(change, balance, atol=1e-12)
    income, mean = 12 * 0.9 * npp[:, 0].mean(), rate[:, 0].mean()
    biomass, litter, soil = income * 1.5, income / (0.5 * mean), 0.3 * income / (0.012 * mean)
    for k in range(60):
        fallen, decayed = biomass / 18, 0.5 / 12 * rate[k, 0] * litter
        lost = 0.012 / 12 * rate[k, 0] * soil
        biomass, litter, soil = biomass + npp[k, 0] - fallen, litter + fallen - decayed, soil + 0.3 * decayed - lost
    np.testing.assert_allclose(pools[:, -1, 0], [biomass, litter, soil])


def test_pools_in_balance_with_a_steady_climate_stay_so():
    npp, rate = np.full((240, 1), 0.05), np.full((240, 1), 0.8)
    rh, pools = carbon.drain(npp, rate, np.array([10.0]))
    np.testing.assert_allclose(rh, 0.05, rtol=1e-6)
    np.testing.assert_allclose(pools[:, 0], pools[:, -1], rtol=1e-6)


def test_biomes_follow_warmth_and_water():
    names = ["mat", "coldest", "warmest", "map", "pet", "summer"]
    rows = {
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
    table = pd.DataFrame([values for values, _ in rows.values()], columns=names, dtype=float)
    n = len(table)
    # Fields, towns and bogs are laid over some of the places; the others must all show the natural class.
    lat, lon = np.repeat(np.linspace(-60, 60, 40), 40), np.tile(np.linspace(-180, 179, 40), 40)
    for k in range(n):
        climate_here = {name: np.full(1600, table.loc[k, name]) for name in names}
        classes = climate.land_cover(climate_here, lat, lon, 4)
        natural = classes[~np.isin(classes, [11, 12, 13, 14])]
        assert set(natural) == {list(rows.values())[k][1]}, list(rows)[k]
