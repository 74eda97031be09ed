"""Places: windows that overlap, towers that stand together, and distances on the sphere, against slow loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import haversine_distances

from helpers.space import windows
from helpers.space.grid import Grid
from helpers.stats import splits
from helpers.stats.splits import sphere


def slow_components(linked):
    """Spread the lowest number over every link until nothing changes."""
    label = list(range(len(linked)))
    changed = True
    while changed:
        changed = False
        for i in range(len(linked)):
            for j in range(len(linked)):
                if linked[i][j] and label[j] > label[i]:
                    label[j], changed = label[i], True
    return label


def same_partition(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return ((a[:, None] == a) == (b[:, None] == b)).all()


@settings(max_examples=60, deadline=None)
@given(
    cells=arrays(int, st.tuples(st.integers(1, 14), st.just(2)), elements=st.integers(0, 23)),
    cyclic=st.booleans(),
    reach=st.integers(0, 3),
)
def test_overlapping_windows_are_one_place(cells, cyclic, reach):
    row, column = cells.T
    across = [[min(abs(a - b), 24 - abs(a - b)) if cyclic else abs(a - b) for a in column] for b in column]
    down = [[abs(a - b) for a in row] for b in row]
    linked = [[max(pair) <= reach for pair in zip(*lines, strict=True)] for lines in zip(down, across, strict=True)]
    groups = splits.place_groups(row, column, n_columns=24 if cyclic else None, reach=reach)
    assert same_partition(groups, slow_components(linked))
    assert set(groups) == set(range(groups.max() + 1))


def test_windows_of_different_groups_share_no_cell():
    rng = np.random.default_rng(5)
    row, column = rng.integers(0, 30, 60), rng.integers(0, 60, 60)
    groups = splits.place_groups(row, column, n_columns=60)
    used = {}
    for r, c, group in zip(row, column, groups, strict=True):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                used.setdefault((r + dy, (c + dx) % 60), set()).add(int(group))
    assert 1 < len(set(groups)) < 60 and all(len(owners) == 1 for owners in used.values())


def test_a_narrow_ring_is_all_neighbours():
    assert set(splits.place_groups([0, 0, 0], [0, 1, 2], n_columns=3)) == {0}
    assert splits.place_groups([0, 0], [0, 2], n_columns=4, reach=1).tolist() == [0, 1]


def test_table_and_map_agree():
    rng = np.random.default_rng(6)
    lat, lon = rng.uniform(-90, 90, 300), rng.uniform(-180, 180, 300)
    lat[:2], lon[:2] = 65.0, (179.99, -179.99)
    mesh = Grid(1.5)
    by_cell = splits.place_groups(*windows.cells(mesh.lat, mesh.lon, lat, lon), n_columns=mesh.shape[1])
    by_table = splits.window_groups(lat, lon, cell=1.5)
    assert by_table.tolist() == by_cell.tolist() and by_table[0] == by_table[1]


def test_rows_do_not_reach_across_a_pole():
    a, b = splits.window_groups([89.98, 89.98], [0.0, 180.0])
    assert a != b


def test_repeated_samples_cost_nothing():
    lat, lon = np.repeat([10.0, 20.0], 20_000), np.repeat([5.0, 5.0], 20_000)
    assert splits.window_groups(lat, lon).tolist() == [0] * 20_000 + [1] * 20_000


def test_distances_are_those_of_scikit_learn():
    rng = np.random.default_rng(7)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 400))), rng.uniform(-180, 360, 400)
    lat[:4], lon[:4] = [90, -90, 0, 0], [0, 77, 180, -180]
    to_lat, to_lon = np.append(lat[200:], [90, -90, 0]), np.append(lon[200:], [0, 0, 180])
    here, there = (np.radians(np.column_stack(pair)) for pair in ((lat, lon), (to_lat, to_lon)))
    expected = haversine_distances(here, there).min(axis=1) * sphere.RADIUS_KM
    found = splits.nearest_distances(lat, lon, to_lat, to_lon)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found[200:] == 0).all() and (found[:4] < 1e-4).all()
    np.testing.assert_allclose(splits.nearest_distances([0.0], [0.0], [0.0], [180.0]), np.pi * sphere.RADIUS_KM)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.integers(0, 8), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_distribution_with_weights(values, seed):
    weight = np.random.default_rng(seed).integers(0, 3, len(values)).astype(float)
    weight[0] += 1
    x, share = splits.weighted_ecdf(values, weight)
    assert x.tolist() == sorted(set(values)) and share[-1] == 1
    for at, part in zip(x, share, strict=True):
        below = sum(w for v, w in zip(values, weight, strict=True) if v <= at)
        assert part == pytest.approx(below / weight.sum())


def test_centre_of_a_group_counts_each_place_once():
    lat, lon = [10.0, 10.0, 10.0, 12.0, 0.0, 0.0], [20.0, 20.0, 20.0, 20.0, 179.0, -179.0]
    centre = sphere.centres(sphere.unit_vectors(lat, lon), np.array([0, 0, 0, 0, 1, 1]))
    np.testing.assert_allclose(centre, sphere.unit_vectors([11.0, 0.0], [20.0, 180.0]), atol=1e-12)
    with pytest.raises(ValueError, match="a group without a centre"):
        sphere.centres(sphere.unit_vectors([0.0, 0.0], [0.0, 180.0]), np.array([0, 0]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: splits.window_groups([1.0], [1.0, 2.0]), "lat, lon: expected equally many points"),
        (lambda: splits.window_groups([], []), "one or more"),
        (lambda: splits.window_groups([np.nan], [1.0]), "lat: expected finite degrees, found 1"),
        (lambda: splits.window_groups([91.0], [1.0]), "lat: expected −90 to 90 degrees, found 91"),
        (lambda: splits.place_groups([1], [1, 2]), "row, column: expected one of each"),
        (lambda: splits.place_groups([1.5], [1]), "row, column: expected whole numbers, found float64"),
        (lambda: splits.place_groups([-1, 3], [-1, 3]), "expected cells of the grid, found 1 off it"),
        (lambda: splits.place_groups([0], [1], reach=-1), "reach: expected 0 cells or more"),
        (lambda: splits.window_groups([1.0], [1.0], cell=0.07), "degrees that divide 180"),
        (lambda: splits.weighted_ecdf([]), "values: expected one or more finite numbers"),
        (lambda: splits.weighted_ecdf([1.0], [1.0, 2.0]), "weight: expected 1 weights"),
        (lambda: splits.weighted_ecdf([1.0, 2.0], [1.0, -2.0]), "finite weights of zero or more"),
    ],
)
def test_every_fault_is_one_line(call, words):
    with pytest.raises(ValueError) as error:
        call()
    assert words in str(error.value) and "\n" not in str(error.value)
