"""Years in random order: the same order in all cells, trends gone, neighbours kept."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from helpers.stats import trends
from helpers.stats.trends.field import shuffled_years

YEARS = np.arange(2000, 2019)


def cube(cells=40, seed=0, trend=0.0, shared=0.0):
    """Return (year, cell): noise of which a part is the same in all cells, and a trend."""
    rng = np.random.default_rng(seed)
    values = np.sqrt(1 - shared) * rng.normal(size=(19, cells)) + np.sqrt(shared) * rng.normal(size=(19, 1))
    return xr.DataArray(values + trend * np.arange(19)[:, None], coords={"year": YEARS}, dims=("year", "cell"))


def significant(y):
    return {"share": float((trends.ols(y).p < 0.1).mean())}


@pytest.mark.parametrize("block", [1, 2, 3, 9])
def test_orders_keep_blocks_together_and_all_years(block):
    rng = np.random.default_rng(0)
    together = np.zeros(18)
    for _ in range(400):
        order = shuffled_years(19, block, rng)
        assert sorted(order) == list(range(19))
        place = np.argsort(order)
        together += np.diff(place) == 1
    # A pair of years is parted by a cut with probability 1 / block, and may meet again by chance.
    assert abs(together / 400 - (1 - 1 / block)).max() < 0.16


def test_all_cells_and_variables_take_one_order_and_the_years_stay():
    y = xr.Dataset({"npp": cube(), "reco": cube(seed=1)})
    seen = []

    def keep(permuted):
        seen.append(permuted)
        return {"n": 0}

    trends.permuted_shares(y, keep, 5, np.random.default_rng(3))
    for permuted in seen:
        np.testing.assert_array_equal(permuted.year, YEARS)
        order = [int(np.flatnonzero((y.npp == row).all("cell"))[0]) for row in permuted.npp]
        assert sorted(order) == list(range(19)) and order != list(range(19))
        np.testing.assert_array_equal(permuted.npp, y.npp[order])
        np.testing.assert_array_equal(permuted.reco, y.reco[order])


def test_a_field_with_a_trend_stands_out_and_one_without_does_not():
    for trend, low, high in ((0.1, 0, 0.02), (0.0, 0.05, 1)):
        y = cube(trend=trend)
        permuted = trends.permuted_shares(y, significant, 99, np.random.default_rng(1))
        assert permuted.shape == (99, 1) and permuted.share.between(0, 1).all()
        assert low < trends.permutation_p(significant(y), permuted)["share"] <= high
        assert permuted.share.mean() == pytest.approx(0.1, abs=0.03)


def test_neighbours_that_resemble_each_other_widen_what_chance_gives():
    spread = {
        shared: trends.permuted_shares(cube(200, shared=shared), significant, 99, np.random.default_rng(1)).share.std()
        for shared in (0.0, 0.8)
    }
    assert spread[0.8] > 3 * spread[0.0]


def test_the_test_keeps_its_level_where_neighbours_resemble_each_other():
    """60 fields without a trend, 19 orders each; a test that takes cells as independent rejects too often."""
    p, binomial = [], []
    for seed in range(60):
        y = cube(60, seed=seed, shared=0.6)
        observed = significant(y)
        permuted = trends.permuted_shares(y, significant, 19, np.random.default_rng(seed))
        p.append(trends.permutation_p(observed, permuted)["share"])
        binomial.append(stats.binomtest(round(60 * observed["share"]), 60, 0.1, "greater").pvalue)
    assert stats.binomtest(sum(value <= 0.2 for value in p), 60, 0.2).pvalue > 0.02
    assert stats.binomtest(sum(value <= 0.05 for value in binomial), 60, 0.05).pvalue < 0.001


def test_p_counts_the_observed_order_as_one_of_them():
    permuted = pd.DataFrame({"a": [0.1, 0.2, 0.3, 0.4], "b": [1.0, 1.0, 1.0, 1.0]})
    p = trends.permutation_p({"a": 0.5, "b": 1.0}, permuted)
    assert p.to_dict() == {"a": 0.2, "b": 1.0}


def test_the_same_seed_gives_the_same_orders():
    one, other, third = (trends.permuted_shares(cube(), significant, 5, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one.equals(other) and not one.equals(third)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="expected a dimension 'time'"):
        trends.permuted_shares(cube(), significant, 1, np.random.default_rng(0), dim="time")
    for block in (0, 10):
        with pytest.raises(ValueError, match=f"block: expected 1 to 9 of 19 years, found {block}"):
            trends.permuted_shares(cube(), significant, 1, np.random.default_rng(0), block=block)
