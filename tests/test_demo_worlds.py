"""Made worlds: the lag that was planted is the one that is there, and every protocol is asked in each."""

import numpy as np
import pandas as pd
import pytest

from helpers.demo import planet, worlds
from helpers.demo.carbon import EASY, HARD
from helpers.stats import lags
from helpers.stats.splits import divided

OPTIONS = {"years": (2000, 2006), "resolution": 6.0, "climate_factor": 2}


@pytest.fixture(scope="module")
def small():
    return worlds.world(5, worlds.lag_weights(0.3), towers=40, resolution=3.0, climate_factor=2)


@pytest.mark.parametrize("sizes", [EASY, HARD])
def test_planting_again_is_making_the_planet_anew(sizes):
    first = planet.make(3, **OPTIONS, lag_weights=(0.0, 0.0, 0.0), climate_start=1995, sizes=sizes)
    again = planet.make(3, **OPTIONS, lag_weights=(0.0, 0.2, 0.0), climate_start=1995, sizes=sizes)
    planted = worlds.plant(first, (0.0, 0.2, 0.0))
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
    for k, name in enumerate(worlds.WATERS):
        r = {other: np.corrcoef(change[k + 1], centre.sel(predictor=other))[0, 1] for other in worlds.WATERS}
        assert max(r, key=r.get) == name and r[name] > 0.4


def test_every_protocol_answers_for_every_lag(small):
    answers = worlds.found(small, iterations=12, folds=3, seed=1)
    assert len(answers) == 7 * 4 * 4 and answers.found.dtype == bool
    within = answers[answers.protocol == "within sites"].set_index(["planted", "back"]).found
    assert within["last year", 1] and within["the year before last", 2]
    assert answers.equals(worlds.found(small, iterations=12, folds=3, seed=1))
    apart = answers[answers.protocol.str.startswith("within")].reset_index(drop=True)
    assert apart.equals(worlds.without_networks(small))


def test_rates_count_and_bound():
    each = pd.DataFrame({"protocol": "a", "planted": ["none"] * 4, "back": 0, "found": [True, False, False, False]})
    (row,) = worlds.rates(each).itertuples()
    assert (row.worlds, row.found, row.share, row.right) == (4, 1, 0.25, False)
    assert (row.low, row.high) == pytest.approx((0.006309, 0.805880), abs=1e-5)  # Clopper and Pearson, from a table


def test_the_overview_sets_false_claims_beside_power():
    table = worlds.overview(lags.counts_over_worlds()[1])
    rates = lags.counts_over_worlds()[1].set_index(["protocol", "planted", "back"])
    assert table.loc["within sites", "found: last year"].startswith(
        f"{rates.found['within sites', 'last year', 1]} of "
    )
    false = [rates.found["re-drawn", "none", back] for back in (1, 2)]
    assert table.loc["re-drawn", "false, none planted"].startswith(f"{min(false)} ")
    placebo = rates.found.xs(-1, level="back")["within sites"].sum()
    assert table.loc["within sites", "placebo claimed"].startswith(f"{placebo} of ")
