"""Nearest neighbour distance matching against a slow search: every distance, every cluster and every W by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from helpers.stats import splits
from helpers.stats.splits import matching, sphere


def apart(a, b):
    """Great-circle distance of two points (latitude, longitude), by the formula of haversines, km."""
    (f, g), (m, n) = np.radians(a), np.radians(b)
    h = np.sin((m - f) / 2) ** 2 + np.cos(f) * np.cos(m) * np.sin((n - g) / 2) ** 2
    return 2 * sphere.RADIUS_KM * np.arcsin(min(1.0, np.sqrt(h)))


def slow_cv(points, folds):
    """Distance from each point to the nearest one of another fold."""
    every = range(len(points))
    return [min(apart(points[i], points[j]) for j in every if folds[i] != folds[j]) for i in every]


def slow_w(a, b, weight):
    """Area between two distribution functions, interval by interval."""
    edges, area = sorted(set(a) | set(b)), 0.0
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        one = sum(x <= left for x in a) / len(a)
        two = sum(w for x, w in zip(b, weight, strict=True) if x <= left) / sum(weight)
        area += abs(one - two) * (right - left)
    return area


def slow_ward(points):
    """All partitions on the way from single points to one cluster, by the recurrence of Lance and Williams."""
    clusters = [[i] for i in range(len(points))]
    d = {(i, j): apart(points[i], points[j]) for i in range(len(points)) for j in range(i)}
    names, partitions, fresh = list(range(len(points))), {}, len(points)
    members = dict(zip(names, clusters, strict=True))
    while True:
        partitions[len(names)] = [members[name] for name in names]
        if len(names) == 1:
            return partitions
        i, j = min(((i, j) for i in names for j in names if j < i), key=lambda pair: d[pair])
        n, m = len(members[i]), len(members[j])
        for other in set(names) - {i, j}:
            k = len(members[other])
            old = [d[max(other, x), min(other, x)] ** 2 for x in (i, j)]
            d[fresh, other] = np.sqrt(((n + k) * old[0] + (m + k) * old[1] - k * d[i, j] ** 2) / (n + m + k))
        members[fresh] = members[i] + members[j]
        names = [name for name in names if name not in (i, j)] + [fresh]
        fresh += 1


def slow_merge(partition, points, k):
    """Large clusters are folds; the rest, in order along the main axis, are dealt to the folds that are left."""
    xyz = np.array([[np.cos(f) * np.cos(g), np.cos(f) * np.sin(g), np.sin(f)] for f, g in np.radians(points)])
    values, vectors = np.linalg.eigh(np.cov(xyz.T))
    along = (xyz - xyz.mean(axis=0)) @ vectors[:, np.argmax(values)]
    along *= np.sign((along**3).sum())
    folds, used, rest = [None] * len(points), 0, []
    for cluster in sorted(partition, key=lambda members: np.mean(along[members])):
        if len(cluster) >= len(points) / k:
            for i in cluster:
                folds[i] = used
            used += 1
        else:
            rest.append(cluster)
    for turn, cluster in enumerate(rest):
        for i in cluster:
            folds[i] = used + turn % (k - used)
    return folds


def network(seed, n=24, clusters=4):
    """A clustered network, and land with weights."""
    rng = np.random.default_rng(seed)
    middle = np.column_stack([rng.uniform(-50, 70, clusters), rng.uniform(-180, 180, clusters)])
    points = middle[rng.integers(clusters, size=n)] + rng.normal(size=(n, 2)) * 3
    points[:, 1] = (points[:, 1] + 180) % 360 - 180
    land = np.column_stack([np.degrees(np.arcsin(rng.uniform(-0.9, 1, 150))), rng.uniform(-180, 180, 150)])
    return points, land, rng.uniform(0.2, 2, 150)


def match(points, land, weight, k, seed=0, groups=None, **options):
    labels = np.arange(len(points)) if groups is None else groups
    rng = np.random.default_rng(seed)
    return splits.knndm(*np.transpose(points), labels, *np.transpose(land), weight, k=k, rng=rng, **options)


@pytest.mark.parametrize(("seed", "k"), [(0, 2), (1, 3), (2, 4), (3, 5), (4, 4), (5, 3)])
def test_the_choice_is_that_of_a_slow_search(seed, k):
    points, land, weight = network(seed)
    found = match(points, land, weight, k, level=None, max_share=0.6)
    to_land = [min(apart(cell, point) for point in points) for cell in land]
    np.testing.assert_allclose(found.target_distances, to_land, rtol=1e-6)
    np.testing.assert_allclose(found.sample_distances, slow_cv(points, range(len(points))), rtol=1e-6)

    partitions, tried = slow_ward(points), {}
    for q in range(k, len(points) + 1):
        folds = slow_merge(partitions[q], points, k)
        assert set(folds) == set(range(k))
        small = max(folds.count(fold) for fold in folds) <= 0.6 * len(points)
        tried[q] = (slow_w(slow_cv(points, folds), to_land, weight) if small else np.nan, folds)
    assert found.candidates.tolist() == list(tried)
    np.testing.assert_allclose(found.candidates_w, [w for w, _ in tried.values()], rtol=1e-6)
    best = min((w, q) for q, (w, _) in tried.items() if np.isfinite(w))
    assert found.n_clusters == best[1] and found.w == pytest.approx(best[0])
    assert found.folds.tolist() == tried[best[1]][1]
    np.testing.assert_allclose(found.cv_distances, slow_cv(points, found.folds), rtol=1e-6)
    np.testing.assert_allclose(splits.fold_distances(*points.T, found.folds), found.cv_distances)


@pytest.mark.parametrize("clustering", matching.CLUSTERINGS)
@pytest.mark.parametrize("seed", range(4))
def test_clustered_samples_are_matched_better_than_by_random_folds(clustering, seed):
    points, land, weight = network(seed, n=80, clusters=6)
    found = match(points, land, weight, 5, seed, clustering=clustering)
    assert found.p < 0.05 and found.n_clusters >= 5
    random = splits.random_folds(80, 5, np.random.default_rng(seed))
    distances = splits.fold_distances(*points.T, random)
    assert found.w < 0.7 * splits.wasserstein(distances, found.target_distances, weight)
    assert np.bincount(found.folds).max() <= 40 and set(found.folds) == set(range(5))


@pytest.mark.parametrize("seed", range(4))
def test_regular_samples_get_random_folds(seed):
    lat, lon = (axis.ravel() for axis in np.meshgrid(np.arange(-40, 41, 20.0), np.arange(-180, 180, 24.0)))
    rng = np.random.default_rng(seed)
    land = np.column_stack([np.degrees(np.arcsin(rng.uniform(-0.75, 0.75, 1000))), rng.uniform(-180, 180, 1000)])
    found = match(np.column_stack([lat, lon]), land, None, 5, seed)
    assert found.p > 0.5 and found.n_clusters is None and found.candidates.size == found.candidates_w.size == 0
    assert (np.bincount(found.folds) == lat.size // 5).all()
    again, other = (match(np.column_stack([lat, lon]), land, None, 5, s) for s in (seed, seed + 100))
    assert (found.folds == again.folds).all() and (found.folds != other.folds).any()
    cv = splits.fold_distances(lat, lon, found.folds)
    assert found.w == pytest.approx(slow_w(cv.tolist(), found.target_distances.tolist(), np.ones(1000)))


def test_samples_drawn_like_the_land_are_seldom_taken_for_clustered():
    rng, exits = np.random.default_rng(12), 0
    for _ in range(60):
        draw = np.column_stack([np.degrees(np.arcsin(rng.uniform(-1, 1, 360))), rng.uniform(-180, 180, 360)])
        exits += match(draw[:60], draw[60:], None, 3).n_clusters is None
    assert exits >= 50


@pytest.mark.parametrize("seed", range(6))
def test_the_test_is_that_of_scipy_where_weights_are_equal(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(2, 1, 150), rng.gamma(2, 1 + 0.04 * seed, 900)
    scipys = stats.ks_2samp(a, b, alternative="greater", method="exact").pvalue
    assert matching.closer_than_land(a, b, np.ones(900)) == pytest.approx(scipys, abs=0.02)
    # with ties, and with weights of whole numbers, which are repeated values
    a, b = a.round(1), b.round(1)
    times = rng.integers(1, 4, 900)
    gap = stats.ks_2samp(a, np.repeat(b, times), alternative="greater").statistic
    m = times.sum() ** 2 / (times**2).sum()
    expected = np.exp(-2 * gap**2 * 150 * m / (150 + m))
    assert matching.closer_than_land(a, b, times.astype(float)) == pytest.approx(expected)


# --- groups, and the sphere ------------------------------------------------------------------------------------------


def test_years_change_nothing_and_groups_stay_whole():
    points, land, weight = network(6, n=40)
    plain = match(points, land, weight, 4, max_share=0.9)
    of = np.repeat(np.arange(40), np.random.default_rng(1).integers(1, 5, 40))
    order = np.random.default_rng(2).permutation(of.size)
    labels = np.array([f"{1000 + i}" for i in of])[order]
    found = match(points[of][order], land, weight, 4, groups=labels, max_share=0.9)
    assert found.folds.tolist() == plain.folds[of][order].tolist() and found.w == plain.w
    assert splits.divided(found.folds, labels).size == 0
    assert found.group_folds.tolist() == plain.folds.tolist()


def test_no_fold_holds_too_many_samples():
    points, land, weight = network(7, n=40)
    of = np.repeat(np.arange(40), np.where(np.arange(40) < 8, 12, 1))  # a fifth of the groups has three quarters
    found = match(points[of], land, weight, 5, groups=of, max_share=0.35)
    assert np.bincount(found.folds).max() <= 0.35 * of.size and np.bincount(found.group_folds).max() <= 14
    assert np.isnan(found.candidates_w).any()


@pytest.mark.parametrize("turn", [90.0, 137.0, 180.0])
def test_the_date_line_is_nowhere(turn):
    points, land, weight = network(8, n=40)
    at = [np.column_stack([xy[:, 0], (xy[:, 1] + turn + 180) % 360 - 180]) for xy in (points, land)]
    here, there = match(points, land, weight, 4), match(*at, weight, 4)
    assert here.folds.tolist() == there.folds.tolist() and here.w == pytest.approx(there.w)


def test_a_network_around_the_pole():
    lon = np.arange(0, 360, 15.0)
    points = np.column_stack([np.where(lon % 30 == 0, 89.0, 88.0), lon])
    found = match(points, [[90.0, 0.0], [85.0, 10.0]], None, 3, level=None)
    assert found.target_distances[0] == pytest.approx(np.radians(1) * sphere.RADIUS_KM)
    assert found.cv_distances.max() < 2 * np.radians(2) * sphere.RADIUS_KM


def test_target_weights_are_repeated_targets():
    points, land, _ = network(9)
    times = np.random.default_rng(3).integers(0, 4, len(land))
    weighted = match(points, land, times, 3, level=None)
    repeated = match(points, np.repeat(land, times, axis=0), None, 3, level=None)
    np.testing.assert_allclose(weighted.candidates_w, repeated.candidates_w)


def test_towers_at_one_place_in_different_groups_are_clustered_together():
    points, land, weight = network(10, n=30)
    points[1], points[3] = points[0], points[2]
    for clustering in matching.CLUSTERINGS:
        found = match(points, land, weight, 3, level=None, clustering=clustering)
        assert found.sample_distances[0] == 0 and found.candidates.max() == 28
        assert found.folds[0] == found.folds[1]


@settings(max_examples=40, deadline=None)
@given(
    lat=arrays(float, 12, elements=st.sampled_from([-90.0, -45.0, 0.0, 0.1, 0.2, 50.0, 89.9, 90.0])),
    lon=arrays(float, 12, elements=st.floats(-180, 360)),
    labels=arrays(int, 12, elements=st.integers(0, 8)),
    k=st.integers(2, 3),
    level=st.sampled_from([None, 0.05]),
)
def test_folds_hold_whatever_the_layout(lat, lon, labels, k, level):
    points, land = np.column_stack([lat, lon]), [[60.0, 10.0], [0.0, 179.0], [-90.0, 0.0]]
    try:
        found = match(points, land, [1.0, 2.0, 0.5], k, groups=labels, level=level, max_share=0.95)
    except ValueError as error:
        assert str(error).startswith(("k: expected at most", "groups: expected members", "max_share: no candidate"))
        return
    assert splits.divided(found.folds, labels).size == 0 and set(found.group_folds) == set(range(k))
    assert (found.group_folds[np.unique(labels, return_inverse=True)[1]] == found.folds).all()
    assert found.w == np.nanmin(np.append(found.candidates_w, found.w))
    assert (found.cv_distances >= found.sample_distances - 1e-6).all()
    expected = slow_w(found.cv_distances.tolist(), found.target_distances.tolist(), [1.0, 2.0, 0.5])
    assert found.w == pytest.approx(expected, abs=1e-6)


def test_the_number_of_candidates_is_bounded():
    assert matching.candidate_numbers(5, 104, 100).tolist() == list(range(5, 105))
    few = matching.candidate_numbers(5, 3000, 100)
    assert few.size <= 100 and few[[0, -1]].tolist() == [5, 3000] and (np.diff(few) > 0).all()
    points, land, weight = network(11)
    assert match(points, land, weight, 3, n_candidates=4, level=None).candidates.size == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": ["a"] * 24}, "k: expected at most one fold for each of the 1 groups, found 3"),
        ({"k": 25}, "one fold for each of the 24 groups, found 25"),
        ({"k": 1}, "k: expected 2 folds or more, found 1"),
        ({"groups": ["a", "b"]}, "groups: expected a label for each of 24 samples, found 2"),
        ({"max_share": 1 / 3}, "max_share: expected a share above 1/3 and below 1"),
        ({"max_share": 1.0}, "max_share: expected a share above 1/3 and below 1"),
        ({"clustering": "mean"}, "clustering: expected one of hierarchical, kmeans, found 'mean'"),
        ({"n_candidates": 0}, "n_candidates: expected 1 or more"),
        ({"weight": np.ones(3)}, "target_weight: expected 150 weights"),
        ({"weight": np.zeros(150)}, "target_weight: expected finite weights of zero or more, not all zero"),
        ({"points": np.full((24, 2), np.nan)}, "lat: expected finite degrees, found 24"),
        ({"points": np.ones((24, 2)), "level": None}, "one fold for each of the 1 groups that lie apart, found 3"),
    ],
)
def test_every_fault_is_one_line(change, words):
    points, land, weight = network(0)
    given = {"points": points, "land": land, "weight": weight, "k": 3} | change
    with pytest.raises(ValueError) as error:
        match(**given)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_limit_that_cannot_be_met_is_said():
    points, land, weight = network(12, n=6, clusters=2)
    of = np.repeat(np.arange(6), [50, 1, 1, 1, 1, 1])
    with pytest.raises(ValueError, match="max_share: no candidate keeps every fold at or below 0.5"):
        match(points[of], land, weight, 3, groups=of, level=None)


def test_fold_distances_ask_for_two_folds():
    with pytest.raises(ValueError, match="k: expected 2 folds or more, found 1"):
        splits.fold_distances([0.0, 1.0], [0.0, 1.0], [0, 0])
    with pytest.raises(ValueError, match="folds: expected one for each of 2 samples, found 1"):
        splits.fold_distances([0.0, 1.0], [0.0, 1.0], [0])
