"""Permutations of drought among samples: what moves, what stays, and how often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cnn import nulls

SITES = np.array(["B", "A", "C", "A", "B", "A", "D", "B", "C", "E"])
YEARS = np.array([2003, 2001, 2005, 2000, 2001, 2004, 2009, 2002, 2001, 2002])

sites = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=30)


def is_permutation(rows):
    return (np.sort(rows, axis=-1) == np.arange(rows.shape[1])).all()


@settings(max_examples=60, deadline=None)
@given(sites, st.integers(0, 2**31))
def test_within_a_label_each_keeps_its_own_values(labels, seed):
    labels = np.array(labels)
    values = np.random.default_rng(1).normal(size=len(labels))
    rows, alone = nulls.within(labels, 3, np.random.default_rng(seed))
    assert rows.shape == (3, len(labels)) and is_permutation(rows)
    assert (labels[rows] == labels).all()
    for label in set(labels):
        own = labels == label
        for copy in rows:
            assert sorted(values[copy][own]) == sorted(values[own])
    single = [label for label in labels if (labels == label).sum() == 1]
    assert alone == len(single)
    stay = np.isin(labels, single)
    assert (rows[:, stay] == np.flatnonzero(stay)).all()


def test_all_orders_of_a_site_are_equally_likely():
    rows, _ = nulls.within(SITES, 12000, np.random.default_rng(0))
    own = np.flatnonzero(SITES == "A")
    orders, counts = np.unique(rows[:, own], axis=0, return_counts=True)
    assert len(orders) == 6
    assert (abs(counts - 2000) < 4 * np.sqrt(12000 / 6 * 5 / 6)).all()


def test_seeds_and_copies_differ_and_repeat():
    (one, _), (same, _), (other, _) = (nulls.within(SITES, 20, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (one == same).all() and (one != other).any() and len(np.unique(one, axis=0)) > 5


def test_series_move_among_sites_whole_and_in_order():
    rows, own = nulls.among_sites(SITES, YEARS, 300, np.random.default_rng(5))
    assert is_permutation(rows)
    assert (own == (SITES[rows] == SITES).sum(-1)).all()
    assert abs(own.mean() - 2.4) < 0.5, "chance keeps about the sum of squared shares: (9 + 9 + 4 + 1 + 1) / 10"
    for copy in rows[:50]:
        for site in set(SITES):
            given_to = np.flatnonzero(site == SITES)
            taken = copy[given_to[np.argsort(YEARS[given_to])]]  # rows in the order of the receiving site's years
            runs = np.split(taken, np.flatnonzero(SITES[taken][1:] != SITES[taken][:-1]) + 1)
            assert all((np.diff(YEARS[run]) > 0).all() for run in runs)
            for run in runs:  # a run leaves no year of its series out
                years = np.sort(YEARS[SITES[run[0]] == SITES])
                first = np.searchsorted(years, YEARS[run[0]])
                assert (years[first : first + len(run)] == YEARS[run]).all()


def test_equal_series_are_exchanged_one_for_one():
    site, year = np.repeat(["x", "y", "z"], 4), np.tile([3, 1, 2, 4], 3)
    rows, _ = nulls.among_sites(site, year, 60, np.random.default_rng(2))
    assert (year[rows] == year).all()
    assert (site[rows].reshape(60, 3, 4) == site[rows].reshape(60, 3, 4)[..., :1]).all()
    assert len(np.unique(site[rows][:, ::4], axis=0)) == 6


def test_unpaired_labels_are_refused():
    with pytest.raises(ValueError, match="year: expected one for each of 10 samples, found 9"):
        nulls.among_sites(SITES, YEARS[1:], 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="labels: expected one label a sample"):
        nulls.within([], 1, np.random.default_rng(0))
