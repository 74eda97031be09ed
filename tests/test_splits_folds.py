"""Folds: whole groups, balance, the same draw for the same seed, and no way for a memory to pass on new places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import haversine_distances
from sklearn.neighbors import KNeighborsRegressor

from helpers.stats import splits
from helpers.stats.splits import sphere

LABELS = st.lists(st.sampled_from("abcdefghij"), min_size=4, max_size=60).filter(lambda labels: len(set(labels)) > 3)


def towers(seed, n=60):
    """Places in three clusters and a few apart, each with some years: latitude, longitude, group, year."""
    rng = np.random.default_rng(seed)
    third, rest = n // 3, n - 2 * (n // 3)
    lat = np.concatenate([rng.normal(50, 4, third), rng.normal(40, 5, third), rng.uniform(-50, 70, rest)])
    lon = np.concatenate([rng.normal(10, 6, third), rng.normal(-179, 8, third), rng.uniform(-180, 180, rest)])
    years = rng.integers(1, 8, n)
    of = np.repeat(np.arange(n), years)
    year = np.concatenate([2003 + np.arange(count) for count in years])
    return lat[of], (lon[of] + 180) % 360 - 180, of, year


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, k=st.integers(2, 4), seed=st.integers(0, 999))
def test_groups_stay_whole_and_folds_are_balanced(labels, k, seed):
    folds = splits.grouped_folds(labels, k, np.random.default_rng(seed))
    assert splits.divided(folds, labels).size == 0 and set(folds) == set(range(k))
    held = np.bincount(folds)
    assert np.ptp(held) <= max(labels.count(label) for label in labels)
    assert folds.tolist() == splits.grouped_folds(labels, k, np.random.default_rng(seed)).tolist()


def test_draws_differ_between_seeds_and_treat_all_alike():
    labels = np.repeat(np.arange(12), 2)
    draws = np.array([splits.grouped_folds(labels, 3, np.random.default_rng(seed)) for seed in range(600)])
    assert (np.bincount(draws[0]) == 8).all() and len({tuple(draw) for draw in draws}) > 580
    together = (draws[:, 0] == draws[:, 2]).mean()  # two groups of one size share a fold with probability 3 / 11
    assert abs(together - 3 / 11) < 4 * np.sqrt(3 / 11 * 8 / 11 / 600)


@pytest.mark.parametrize(("n", "k"), [(10, 2), (10, 3), (7, 7), (790, 10)])
def test_random_folds_are_equal_and_drawn(n, k):
    folds = splits.random_folds(n, k, np.random.default_rng(3))
    held = np.bincount(folds, minlength=k)
    assert np.ptp(held) <= 1 and held.sum() == n
    assert folds.tolist() == splits.random_folds(n, k, np.random.default_rng(3)).tolist()
    assert n < 20 or folds.tolist() != splits.random_folds(n, k, np.random.default_rng(4)).tolist()


@pytest.mark.parametrize("k", [2, 3, 5])
def test_years_are_left_out_in_runs(k):
    _, _, _, year = towers(1)
    folds = splits.year_folds(year, k)
    assert splits.divided(folds, year).size == 0 and set(folds) == set(range(k))
    spans = [np.unique(year[folds == fold]) for fold in range(k)]
    assert max(map(len, spans)) - min(map(len, spans)) <= 1
    assert all(before.max() < after.min() for before, after in zip(spans[:-1], spans[1:], strict=True))


def test_each_year_in_turn():
    assert splits.year_folds([2010, 2003, 2003, 2007], k=3).tolist() == [2, 0, 0, 1]


def test_masks_train_on_all_but_one_fold():
    masks = splits.train_masks([0, 2, 1, 2])
    assert masks.tolist() == [[False, True, True, True], [True, True, False, True], [True, False, True, False]]


def test_divided_names_what_is_on_both_sides():
    assert splits.divided([0, 1, 1, 0], ["x", "x", "y", "z"]).tolist() == ["x"]


# --- regions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_block_folds_keep_blocks_and_groups_whole(seed):
    lat, lon, groups, _ = towers(seed)
    folds = splits.block_folds(lat, lon, groups, 4, 1500, np.random.default_rng(seed))
    assert splits.divided(folds, groups).size == 0 and set(folds) == {0, 1, 2, 3}
    block = splits.blocks(lat, lon, 1500)  # one place a group here, so its centre's block is its own
    assert splits.divided(folds, block).size == 0
    assert np.ptp(np.bincount(folds)) <= np.bincount(block).max()
    again = splits.block_folds(lat, lon, groups, 4, 1500, np.random.default_rng(seed))
    assert folds.tolist() == again.tolist()


@pytest.mark.parametrize("size", [500, 1500, 4000])
def test_blocks_have_about_the_area_asked_for_wherever_they_are(size):
    rng = np.random.default_rng(8)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000))), rng.uniform(-180, 180, 200_000)
    block = splits.blocks(lat, lon, size)
    sphere_area = 4 * np.pi * sphere.RADIUS_KM**2
    area = np.bincount(block) / block.size * sphere_area
    polar = np.unique(block[np.abs(lat) > 85])
    assert np.median(area) == pytest.approx(size**2, rel=0.25)
    assert area.sum() == pytest.approx(sphere_area) and area[polar].min() > 0.3 * size**2
    assert block.max() + 1 == pytest.approx(sphere_area / size**2, rel=0.25)


def test_a_whole_group_goes_to_the_block_of_its_centre():
    lat, lon = [1.0, 1.0, 60.0, 60.0, -60.0], [-1.0, 0.5, 179.5, -179.9, 0.0]
    folds = splits.block_folds(lat, lon, ["a", "a", "b", "b", "c"], 3, 1000, np.random.default_rng(0))
    assert folds[0] == folds[1] and folds[2] == folds[3] and len(set(folds)) == 3


@pytest.mark.parametrize("seed", range(4))
def test_regions_are_those_of_scipy_on_haversines(seed):
    lat, lon, groups, _ = towers(seed, n=40)
    _, first = np.unique(groups, return_index=True)
    apart = haversine_distances(np.radians(np.column_stack([lat[first], lon[first]]))) * sphere.RADIUS_KM
    expected = fcluster(linkage(squareform(apart, checks=False), "ward"), 5, "maxclust")[groups]
    folds = splits.region_folds(lat, lon, groups, 5)
    assert ((folds[:, None] == folds) == (expected[:, None] == expected)).all()
    assert splits.divided(folds, groups).size == 0


# --- a memory must not pass ------------------------------------------------------------------------------------------


def test_a_memory_passes_a_test_of_known_places_and_fails_one_of_new_places():
    """Targets are noise that belongs to a place: only who has seen the place can know it."""
    rng = np.random.default_rng(11)
    groups = np.repeat(np.arange(150), 6)
    x = rng.normal(size=(150, 5))[groups] + rng.normal(size=(900, 5)) * 1e-3
    y = rng.lognormal(size=150)[groups]

    def score(folds):
        out = np.empty(900)
        for train in splits.train_masks(folds):
            out[~train] = KNeighborsRegressor(1).fit(x[train], y[train]).predict(x[~train])
        return r2_score(y, out)

    assert score(splits.random_folds(900, 5, rng)) > 0.9
    grouped = splits.grouped_folds(groups, 5, rng)
    assert score(grouped) < 0
    leaky = grouped.copy()
    leaky[::6] = (leaky[::6] + 1) % 5  # one year of every place is tested with others
    assert splits.divided(leaky, groups).size == 150 and score(leaky) > 0.9


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rng: splits.grouped_folds(["a"] * 5, 2, rng), "one fold for each of the 1 groups, found 2"),
        (lambda rng: splits.grouped_folds(["a", "b"], 1, rng), "k: expected 2 folds or more, found 1"),
        (lambda rng: splits.random_folds(3, 4, rng), "one fold for each of the 3 samples, found 4"),
        (lambda rng: splits.year_folds([2003, 2003], 2), "one fold for each of the 1 years, found 2"),
        (lambda rng: splits.region_folds([0.0, 1.0], [0.0, 1.0], ["a", "b"], 3), "the 2 groups, found 3"),
        (lambda rng: splits.region_folds([0.0, 1.0], [0.0, 1.0], ["a"], 2), "groups: expected one label for each of 2"),
        (lambda rng: splits.block_folds([0.0, 1.0], [0.0, 1.0], ["a", "b"], 2, 5000, rng), "the 1 blocks of 5000 km"),
        (lambda rng: splits.block_folds([0.0, 1.0], [0.0, 1.0], ["a", "b"], 2, 0, rng), "size: expected the edge"),
        (lambda rng: splits.divided([0, 1], ["a"]), "folds, groups: expected one of each a sample, found 2 and 1"),
    ],
)
def test_every_fault_is_one_line(call, words):
    with pytest.raises(ValueError) as error:
        call(np.random.default_rng(0))
    assert words in str(error.value) and "\n" not in str(error.value)
