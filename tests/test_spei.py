"""SPEI against scipy's distributions and L-moments, brute-force fits, and the worked examples of FAO-56."""

import dask.array
import lmoments3.distr
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special, stats

from helpers import products
from helpers.stats.spei import (
    FIFTEENTH,
    december,
    earlier,
    extraterrestrial_radiation,
    fit_log_logistic,
    hargreaves,
    log_logistic_score,
    of_a_longer_base,
    scales_at,
    spei,
)


def monthly(values, start="1990-01"):
    """Wrap an array (…, time) as a monthly DataArray."""
    values = np.asarray(values, dtype=float)
    time = pd.date_range(start, periods=values.shape[-1], freq="MS")
    return xr.DataArray(values, dims=("lat", "lon")[: values.ndim - 1] + ("time",), coords={"time": time})


def gamma_rain(years, cells=None, seed=0):
    """Make rain with a season, mm month-1."""
    rng = np.random.default_rng(seed)
    shape = (years * 12,) if cells is None else (*cells, years * 12)
    season = np.tile(60 + 40 * np.sin(np.arange(12) / 12 * 2 * np.pi), years)
    return monthly(rng.gamma(2.0, 1.0, shape) * season / 2)


NO_PET = monthly(np.zeros(1)).isel(time=0, drop=True)
NOLEAP = xr.date_range("1990-01", periods=120, freq="MS", calendar="noleap", use_cftime=True)


# --- the fit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 16, 40, 119])
def test_fit_and_score_are_those_of_lmoments3(n):
    """The generalised logistic distribution, fitted by another library's L-moments."""
    x = np.random.default_rng(n).gamma(1.5, 40.0, n) - 30
    theirs = lmoments3.distr.glo.lmom_fit(x)
    location, scale, shape = fit_log_logistic(x)
    np.testing.assert_allclose([location[0], scale[0], shape[0]], [theirs[k] for k in ("loc", "scale", "k")], rtol=1e-9)
    expected = stats.norm.ppf(lmoments3.distr.glo(**theirs).cdf(x))
    np.testing.assert_allclose(log_logistic_score(x, location, scale, shape), expected, atol=1e-9)


def test_probability_follows_the_published_formulae_and_scipys_log_logistic():
    """Vicente-Serrano et al. (2010) write the same fit with moments of 1 − F, β, α and γ."""
    x = np.sort(np.random.default_rng(3).gamma(1.5, 40.0, 40))
    n = x.size
    rest = np.arange(n)[::-1]  # how many values lie above
    w0, w1 = x.mean(), (x * rest).sum() / n / (n - 1)
    w2 = (x * rest * (rest - 1)).sum() / n / (n - 1) / (n - 2)
    beta = (2 * w1 - w0) / (6 * w1 - w0 - 6 * w2)
    gammas = special.gamma(1 + 1 / beta) * special.gamma(1 - 1 / beta)
    alpha = (w0 - 2 * w1) * beta / gammas
    origin = w0 - alpha * gammas
    assert beta > 1  # skewed to the right: the formulae hold as published
    expected = stats.norm.ppf(stats.fisk.cdf(x, beta, loc=origin, scale=alpha))
    np.testing.assert_allclose(log_logistic_score(x, *fit_log_logistic(x)), expected, rtol=1e-8, atol=1e-8)


def test_beyond_the_end_of_the_distribution_the_score_is_infinite():
    # shape −0.5: the distribution begins at location + scale/shape = −2; shape 0.5: it ends at +2
    assert (log_logistic_score(np.array([-2.0, -2.1]), 0.0, 1.0, -0.5) == -np.inf).all()
    assert (log_logistic_score(np.array([2.0, 2.1]), 0.0, 1.0, 0.5) == np.inf).all()
    assert np.isfinite(log_logistic_score(np.array([-1.999, 50.0]), 0.0, 1.0, -0.5)).all()


def test_infinite_scores_are_missing_or_at_the_limit():
    years = np.r_[np.geomspace(10, 1000, 39), -1000.0]  # skewed to the right: the distribution has a lower end
    rain = monthly(np.repeat(years, 12))
    early = dict(calibration=(1990, 2028))
    as_speibase, cut = spei(rain, NO_PET, 1, **early), spei(rain, NO_PET, 1, limit=3, **early)
    assert np.isnan(as_speibase[-12:]).all() and (cut[-12:] == -3).all()
    np.testing.assert_array_equal(cut[:-12], as_speibase[:-12].clip(-3, 3))


# --- the index -------------------------------------------------------------------------------------------------------


def test_index_equals_a_slow_loop_over_cells_and_months():
    rain, pet = gamma_rain(20, (2, 3), seed=1), gamma_rain(20, (2, 3), seed=2)
    fast = spei(rain, pet, 12)
    balance = (rain - pet).values
    for i, j in np.ndindex(2, 3):
        for t in range(240):
            if t < 11:
                assert np.isnan(fast.values[i, j, t])
                continue
            same_month = [balance[i, j, s - 11 : s + 1].sum() for s in range(11, 240) if s % 12 == t % 12]
            parameters = fit_log_logistic(np.array(same_month))
            now = balance[i, j, t - 11 : t + 1].sum()
            np.testing.assert_allclose(fast.values[i, j, t], log_logistic_score(np.array([now]), *parameters)[0])


def test_calibration_years_alone_decide_the_fit():
    rain = gamma_rain(40, seed=9)
    wetter = rain.where(rain.time.dt.year < 2010, rain * 3)
    early = dict(calibration=(1990, 2009))
    before = slice("1990", "2009")
    first = spei(rain, NO_PET, 3, **early).sel(time=before)
    np.testing.assert_allclose(spei(wetter, NO_PET, 3, **early).sel(time=before), first)
    assert spei(wetter, NO_PET, 3, **early).sel(time=slice("2011", None)).mean() > 1


def test_a_lazy_cube_is_cut_into_whole_series_of_few_cells():
    time = pd.date_range("1901-01", periods=1440, freq="MS")
    cube = xr.DataArray(
        dask.array.zeros((1440, 360, 720), chunks=(12, 360, 720), dtype="float32"),
        dims=("time", "lat", "lon"),
        coords={"time": time},
    )
    index = spei(cube, cube, 12)
    rain = gamma_rain(15, (4, 3), seed=4)
    np.testing.assert_array_equal(spei(rain.chunk({"lat": 2, "time": 50}), NO_PET, 24), spei(rain, NO_PET, 24))
    assert index.chunksizes["time"] == (1440,)
    largest = 1440 * max(index.chunksizes["lat"]) * max(index.chunksizes["lon"]) * 8
    assert largest <= 2 * 16 * 2**20


def test_missing_months_spoil_only_the_sums_that_hold_them():
    rain = gamma_rain(30, seed=6)
    gap = rain.copy()
    gap[100] = np.nan
    index = spei(gap, NO_PET, 6)
    assert np.flatnonzero(np.isnan(index)).tolist() == [*range(5), *range(100, 106)]
    decembers = december(index)
    assert decembers.year.values.tolist() == list(range(1990, 2020))
    np.testing.assert_array_equal(decembers, index[11::12])
    assert np.isnan(spei(gamma_rain(3), NO_PET, 1)).all(), "too few years"
    assert np.isnan(spei(monthly(np.full(240, 7.3)), NO_PET, 12)).all(), "no variation"


# --- potential evapotranspiration ------------------------------------------------------------------------------------


def test_radiation_of_fao56_example_8_and_of_its_table_at_the_equator():
    assert extraterrestrial_radiation(246, -20.0) == pytest.approx(32.2, abs=0.05)
    # FAO-56, annex 2, table 2.6, latitude 0
    table = [36.2, 37.5, 37.9, 36.8, 34.8, 33.4, 33.9, 35.7, 37.2, 37.4, 36.3, 35.6]
    np.testing.assert_allclose(extraterrestrial_radiation(FIFTEENTH, 0.0), table, atol=0.06)


@pytest.mark.parametrize("lat", [-89.5, -45, 0, 23, 60, 70, 89.5])
@pytest.mark.parametrize("day", [15, 106, 172, 355])
def test_radiation_is_the_integral_of_the_sun_above_the_horizon(lat, day):
    declination = 0.409 * np.sin(2 * np.pi * day / 365 - 1.39)
    hour = np.linspace(-np.pi, np.pi, 100_001)
    up = np.sin(np.deg2rad(lat)) * np.sin(declination)
    up = up + np.cos(np.deg2rad(lat)) * np.cos(declination) * np.cos(hour)
    flux = 0.0820 * 60 * (1 + 0.033 * np.cos(2 * np.pi * day / 365)) * np.maximum(up, 0)  # MJ m-2 h-1
    assert extraterrestrial_radiation(day, lat) == pytest.approx(np.trapezoid(flux, hour * 12 / np.pi), abs=1e-3)


def test_hargreaves_of_fao56_example_20():
    """July near Lyon, 45°43'N, 14.8 to 26.6 °C: Ra 40.6 MJ m-2 d-1, and 5.0 mm d-1 evaporate."""
    assert extraterrestrial_radiation(196, 45 + 43 / 60) == pytest.approx(40.6, abs=0.06)
    july = monthly([14.8], start="2001-07"), monthly([26.6], start="2001-07")
    assert float(hargreaves(*july, 45 + 43 / 60)[0]) / 31 == pytest.approx(5.0, abs=0.05)
    swapped = hargreaves(*july[::-1], 45.0)  # minimum above maximum: no range, not a NaN
    assert float(swapped[0]) == 0


def test_precipitation_and_pet_meet_on_the_same_cells_and_months():
    """Joined by label, they would lose all cells of another precision, and all months stamped on another day."""
    rain = gamma_rain(20, (6,))
    lat = 50.025 - 0.05 * np.arange(rain.shape[0])
    rain, dims = rain.assign_coords({rain.dims[0]: lat}), rain.dims
    pet = 0.5 * rain.roll(time=3)
    expected = spei(rain, pet, 12)
    turned = pet.assign_coords({dims[0]: lat.astype("f4"), "time": pet.time + np.timedelta64(15, "D")})
    assert spei(rain, turned.isel({dims[0]: slice(None, None, -1)}), 12).equals(expected)
    with pytest.raises(
        ValueError, match="pet: expected the time of precipitation, 240 months from .*, found 228 months"
    ):
        spei(rain, pet.isel(time=slice(12, None)), 12)
    low, high = -1 * rain, rain.assign_coords({dims[0]: lat.astype("f4")})
    assert hargreaves(low, high, 45.0).sizes == rain.sizes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rain: rain.assign_coords(time=np.arange(rain.time.size)), "time: expected dates along it"),
        (lambda rain: rain.assign_coords(time=NOLEAP).drop_isel(time=4), "break before 1990-06"),
    ],
)
def test_what_is_no_record_is_told_in_the_books_own_words(change, words):
    with pytest.raises(ValueError, match=words):
        spei(change(gamma_rain(10)), NO_PET, 12)


# --- at sites --------------------------------------------------------------------------------------------------------


class TestClimateAtSites:
    def test_indices_of_files_are_those_of_their_cells(self, exact):
        folder, _, truth = exact
        sites = xr.Dataset(coords={"site": ["a", "b"]})
        where = truth.reco[0].stack(cell=("lat", "lon")).dropna("cell").isel(cell=[3, -9])
        lat, lon = (xr.DataArray(where[c].values, {"site": sites.site}, "site") for c in ("lat", "lon"))
        months = [products.read(p, products.find(p, folder), monthly=True) for p in ("cru_pre", "cru_pet")]
        climate = xr.merge(months).rename(map="precipitation").sel(lat=lat, lon=lon, method="nearest")
        climate = climate.drop_vars(["lat", "lon"]).transpose("site", "time").load()
        index = scales_at(climate, [12, 24])
        assert index.dims == ("scale", "year", "site")
        for k, scale in enumerate((12, 24)):
            true = truth[f"spei{scale}"].sel(lat=lat, lon=lon).transpose("year", "site")
            assert np.allclose(index[k].sel(year=true.year), true.clip(-3, 3), atol=2e-3, equal_nan=True)

    @pytest.mark.parametrize("years", [6, 16])
    def test_a_short_base_attenuates_as_the_standard_deviation_of_few_normal_values_is_biased(self, years):
        rng = np.random.default_rng(0)
        time = pd.date_range("2001-01-01", periods=12 * years, freq="MS")
        rain = rng.normal(100, 20, (60, time.size))
        climate = xr.Dataset({"precipitation": (("site", "time"), rain)}, {"site": np.arange(60), "time": time})
        found = of_a_longer_base(climate.assign(pet=xr.zeros_like(climate.precipitation)), rng)
        c4 = np.sqrt(2 / (years - 1)) * special.gamma(years / 2) / special.gamma((years - 1) / 2)  # Cochran's theorem
        assert found == pytest.approx(c4, abs=0.02)

    def test_earlier_years_are_looked_up_and_missing_ones_are_nan(self):
        index = xr.DataArray(np.arange(6.0).reshape(3, 2), {"year": [1, 2, 3], "site": ["a", "b"]}, ("year", "site"))
        found = earlier(index, np.array(["b", "a", "c"]), np.array([3, 1, 2]), back=1)
        assert found.tolist()[0] == 3.0 and np.isnan(found[1:]).all()
