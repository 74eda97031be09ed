"""Probabilities of ranks and orders, against slow counts."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
import xarray as xr

from helpers.stats import risk

NAMES = ["USA", "China", "Europe", "Brazil"]


def shares(values, names=NAMES):
    return xr.DataArray(values, dims=("draw", "region"), coords={"region": names})


def random_shares(seed=0, draws=400):
    return shares(np.random.default_rng(seed).normal([0.5, 0.55, 0.45, 0.8], 0.1, (draws, 4)))


def test_ranks_agree_with_a_slow_count():
    drawn = random_shares()
    table = risk.ranked(drawn)
    slow = np.zeros((4, 4))
    for draw in drawn.values:
        for place, region in enumerate(sorted(range(4), key=lambda k: -draw[k])):
            slow[region, place] += 1
    np.testing.assert_allclose(table, slow / 400, rtol=1e-12)
    np.testing.assert_allclose(table.sum(axis=0), 1)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert table.index.tolist() == NAMES and table.columns.tolist() == [1, 2, 3, 4]
    assert table.loc["Brazil", 1] > 0.95


def test_ties_share_their_ranks():
    drawn = shares([[1.0, 1.0, 0.5, 1.0]])
    assert risk.ranked(drawn).loc["USA"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert risk.ranked(drawn).loc["Europe"].tolist() == [0, 0, 0, 1]
    assert risk.order_probability(drawn, ["USA", "China"]) == 0


def test_the_probabilities_of_all_orders_sum_to_one():
    drawn = random_shares(2)
    each = {order: risk.order_probability(drawn, order) for order in permutations(NAMES)}
    assert sum(each.values()) == pytest.approx(1)
    slow = [tuple(NAMES[k] for k in sorted(range(4), key=lambda k: -draw[k])) for draw in drawn.values]
    assert all(probability == pytest.approx(slow.count(order) / 400) for order, probability in each.items())


def test_a_part_of_the_regions_can_be_asked_for_and_chance_gives_one_in_the_number_of_orders():
    drawn = shares(np.random.default_rng(3).random((20_000, 4)))
    assert risk.order_probability(drawn, ["Brazil", "USA", "China"]) == pytest.approx(1 / factorial(3), abs=0.01)
    assert risk.order_probability(drawn.T, ["Brazil", "USA"]) == pytest.approx(0.5, abs=0.015)


def test_unknown_regions_and_regions_without_shares_are_named():
    drawn = random_shares()
    with pytest.raises(ValueError, match="order: expected regions of shares, found Atlantis"):
        risk.order_probability(drawn, ["USA", "Atlantis"])
    drawn[3, 1] = np.nan
    with pytest.raises(ValueError, match="found none in China; leave them out"):
        risk.ranked(drawn)
    assert risk.order_probability(drawn, ["USA", "Europe"]) > 0
