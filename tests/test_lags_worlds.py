"""Made worlds: the lag that was planted is the one that is there, and every protocol is asked in each."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import gamma

from helpers.demo import planet
from helpers.demo.carbon import EASY, HARD
from helpers.stats import lags
from helpers.stats.lags import worlds
from helpers.stats.splits import divided

OPTIONS = {"years": (2000, 2006), "resolution": 6.0, "climate_factor": 2}


@pytest.fixture(scope="module")
def small():
    return lags.world(5, worlds.weights(0.3), towers=40, resolution=3.0, climate_factor=2)


@pytest.mark.parametrize("sizes", [EASY, HARD])
def test_planting_again_is_making_the_planet_anew(sizes):
    first = planet.make(3, **OPTIONS, lag_weights=(0.0, 0.0, 0.0), climate_start=1995, sizes=sizes)
    again = planet.make(3, **OPTIONS, lag_weights=(0.0, 0.2, 0.0), climate_start=1995, sizes=sizes)
    planted = lags.plant(first, (0.0, 0.2, 0.0))
    assert np.array_equal(planted.monthly["rh"], again.monthly["rh"])
    assert np.array_equal(planted.pools, again.pools) and planted.lag_weights == again.lag_weights
    assert not np.array_equal(first.monthly["rh"], again.monthly["rh"])


def test_samples_are_whole_and_differ_in_their_lag_alone(small):
    assert np.isfinite(small.window).all() and ((small.reco > 0.01) & (small.reco < 5)).all()
    ratio = np.log(small.reco / small.reco[0])
    assert abs(ratio).max() < 1.5 and (abs(ratio[1:]).max("sample") > 0.05).all()
    assert not divided(small.group.values, small.site.values).size


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
    centre, change = small.window.sel(dy=1, dx=1), np.log(small.reco / small.reco[0])
    for k, name in enumerate(lags.WATERS):
        r = {other: np.corrcoef(change[k + 1], centre.sel(predictor=other))[0, 1] for other in lags.WATERS}
        assert max(r, key=r.get) == name and r[name] > 0.4


def test_every_protocol_answers_for_every_lag(small):
    answers = lags.found(small, iterations=12, folds=3, seed=1)
    assert len(answers) == 7 * 4 * 4 and answers.found.dtype == bool
    within = answers[answers.protocol == "within sites"].set_index(["planted", "back"]).found
    assert within["last year", 1] and within["the year before last", 2]
    assert answers.equals(lags.found(small, iterations=12, folds=3, seed=1))
    apart = answers[answers.protocol.str.startswith("within")].reset_index(drop=True)
    assert apart.equals(lags.without_networks(small))


def test_the_placebo_is_never_right():
    each = pd.DataFrame({"protocol": "a", "planted": lags.PLANTED, "back": -1, "found": True})
    assert not lags.rates(each).right.any()


def test_rates_count_and_bound():
    each = pd.DataFrame({"protocol": "a", "planted": ["none"] * 4, "back": 0, "found": [True, False, False, False]})
    (row,) = lags.rates(each).itertuples()
    assert (row.worlds, row.found, row.share, row.right) == (4, 1, 0.25, False)
    assert (row.low, row.high) == pytest.approx((0.006309, 0.805880), abs=1e-5)  # Clopper and Pearson, from a table


def test_a_climate_too_short_for_spei36_two_years_on_is_refused():
    with pytest.raises(ValueError, match="climate_start: expected 1995 or earlier"):
        lags.world(1, [(0.0,)], climate_start=1998)


class TestClimateAtSites:
    def test_indices_of_files_are_those_of_their_cells(self, exact):
        folder, _, truth = exact
        sites = xr.Dataset(coords={"site": ["a", "b"]})
        where = truth.reco[0].stack(cell=("lat", "lon")).dropna("cell").isel(cell=[3, -9])
        lat, lon = (xr.DataArray(where[c].values, {"site": sites.site}, "site") for c in ("lat", "lon"))
        climate = lags.monthly_climate(folder, lat, lon)
        index = lags.scales_at(climate, [12, 24])
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
        found = lags.of_a_longer_base(climate.assign(pet=xr.zeros_like(climate.precipitation)), rng)
        c4 = np.sqrt(2 / (years - 1)) * gamma(years / 2) / gamma((years - 1) / 2)  # Cochran's theorem
        assert found == pytest.approx(c4, abs=0.02)

    def test_earlier_years_are_looked_up_and_missing_ones_are_nan(self):
        index = xr.DataArray(np.arange(6.0).reshape(3, 2), {"year": [1, 2, 3], "site": ["a", "b"]}, ("year", "site"))
        found = lags.earlier(index, np.array(["b", "a", "c"]), np.array([3, 1, 2]), back=1)
        assert found.tolist()[0] == 3.0 and np.isnan(found[1:]).all()
