"""Places, folds and matching: against slow loops, scipy and scikit-learn, a memory that must not pass, real towers."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics.pairwise import haversine_distances

from helpers.cnn.cross_validation import train_masks
from helpers.space import windows
from helpers.space.grid import Grid
from helpers.space.regions import cell_area
from helpers.stats import applicability, splits

# --- places ----------------------------------------------------------------------------------------------------------


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


@settings(max_examples=25, deadline=None)
@given(cells=arrays(int, st.tuples(st.integers(1, 14), st.just(2)), elements=st.integers(0, 23)), cyclic=st.booleans())
def test_overlapping_windows_are_one_place(cells, cyclic):
    row, column = cells.T
    across = [[min(abs(a - b), 24 - abs(a - b)) if cyclic else abs(a - b) for a in column] for b in column]
    down = [[abs(a - b) for a in row] for b in row]
    linked = [[max(pair) <= 2 for pair in zip(*lines, strict=True)] for lines in zip(down, across, strict=True)]
    groups = windows.place_groups(row, column, n_columns=24 if cyclic else None)
    slow = np.array(slow_components(linked))
    assert ((groups[:, None] == groups) == (slow[:, None] == slow)).all()
    assert set(groups) == set(range(groups.max() + 1))


def test_table_and_map_agree():
    rng = np.random.default_rng(6)
    lat, lon = rng.uniform(60, 61, 300), rng.uniform(-180, -178, 300)
    lat[:2], lon[:2] = 65.0, (179.99, -179.99)
    mesh = Grid(0.05)
    by_cell = windows.place_groups(*windows.cells(mesh.lat, mesh.lon, lat, lon), n_columns=mesh.shape[1])
    by_table = splits.window_groups(lat, lon)
    assert by_table.tolist() == by_cell.tolist() and by_table[0] == by_table[1]
    a, b = splits.window_groups([89.98, 89.98], [0.0, 180.0])
    assert a != b, "rows do not reach across a pole"


def test_distances_are_those_of_scikit_learn():
    rng = np.random.default_rng(7)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 400))), rng.uniform(-180, 360, 400)
    lat[:4], lon[:4] = [90, -90, 0, 0], [0, 77, 180, -180]
    to_lat, to_lon = np.append(lat[200:], [90, -90, 0]), np.append(lon[200:], [0, 0, 180])
    here, there = (np.radians(np.column_stack(pair)) for pair in ((lat, lon), (to_lat, to_lon)))
    expected = haversine_distances(here, there).min(axis=1) * splits.RADIUS_KM
    found = splits.nearest_distances(lat, lon, to_lat, to_lon)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found[200:] == 0).all() and (found[:4] < 1e-4).all()
    np.testing.assert_allclose(splits.nearest_distances([0.0], [0.0], [0.0], [180.0]), np.pi * splits.RADIUS_KM)


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


LABELS = st.lists(st.sampled_from("abcdefghij"), min_size=4, max_size=60).filter(lambda labels: len(set(labels)) > 3)


# --- folds -----------------------------------------------------------------------------------------------------------


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


@settings(max_examples=25, deadline=None)
@given(labels=LABELS, k=st.integers(2, 4), seed=st.integers(0, 999))
def test_groups_stay_whole_and_folds_are_balanced(labels, k, seed):
    folds = splits.grouped_folds(labels, k, np.random.default_rng(seed))
    assert splits.divided(folds, labels).size == 0 and set(folds) == set(range(k))
    held = np.bincount(folds)
    assert np.ptp(held) <= max(labels.count(label) for label in labels)
    assert folds.tolist() == splits.grouped_folds(labels, k, np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize("k", [2, 3, 5])
def test_years_are_left_out_in_runs(k):
    _, _, _, year = towers(1)
    folds = splits.year_folds(year, k)
    assert splits.divided(folds, year).size == 0 and set(folds) == set(range(k))
    spans = [np.unique(year[folds == fold]) for fold in range(k)]
    assert max(map(len, spans)) - min(map(len, spans)) <= 1
    assert all(before.max() < after.min() for before, after in zip(spans[:-1], spans[1:], strict=True))


def test_masks_train_on_all_but_one_fold_and_divided_names_what_is_on_both_sides():
    masks = train_masks([0, 2, 1, 2])
    assert masks.tolist() == [[False, True, True, True], [True, True, False, True], [True, False, True, False]]
    assert splits.divided([0, 1, 1, 0], ["x", "x", "y", "z"]).tolist() == ["x"]


@pytest.mark.parametrize("seed", range(2))
def test_block_folds_keep_blocks_and_groups_whole(seed):
    lat, lon, groups, _ = towers(seed)
    folds = splits.block_folds(lat, lon, groups, 4, 1500, np.random.default_rng(seed))
    assert splits.divided(folds, groups).size == 0 and set(folds) == {0, 1, 2, 3}
    block = splits.blocks(
        splits.unit_vectors(lat, lon), 1500
    )  # one place a group here, so its centre's block is its own
    assert splits.divided(folds, block).size == 0
    assert np.ptp(np.bincount(folds)) <= np.bincount(block).max()


@pytest.mark.parametrize("size", [500, 1500, 4000])
def test_blocks_have_about_the_area_asked_for_wherever_they_are(size):
    rng = np.random.default_rng(8)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000))), rng.uniform(-180, 180, 200_000)
    block = splits.blocks(splits.unit_vectors(lat, lon), size)
    sphere_area = 4 * np.pi * splits.RADIUS_KM**2
    area = np.bincount(block) / block.size * sphere_area
    polar = np.unique(block[np.abs(lat) > 85])
    assert np.median(area) == pytest.approx(size**2, rel=0.25)
    assert area.sum() == pytest.approx(sphere_area) and area[polar].min() > 0.3 * size**2
    assert block.max() + 1 == pytest.approx(sphere_area / size**2, rel=0.25)


@pytest.mark.parametrize("seed", range(2))
def test_regions_are_those_of_scipy_on_haversines(seed):
    lat, lon, groups, _ = towers(seed, n=40)
    _, first = np.unique(groups, return_index=True)
    apart = haversine_distances(np.radians(np.column_stack([lat[first], lon[first]]))) * splits.RADIUS_KM
    expected = fcluster(linkage(squareform(apart, checks=False), "ward"), 5, "maxclust")[groups]
    folds = splits.region_folds(lat, lon, groups, 5)
    assert ((folds[:, None] == folds) == (expected[:, None] == expected)).all()
    assert splits.divided(folds, groups).size == 0


# --- kNNDM against a slow search: every distance, every cluster and every W by hand ----------------------------------


def apart(a, b):
    """Great-circle distance of two points (latitude, longitude), by the formula of haversines, km."""
    (f, g), (m, n) = np.radians(a), np.radians(b)
    h = np.sin((m - f) / 2) ** 2 + np.cos(f) * np.cos(m) * np.sin((n - g) / 2) ** 2
    return 2 * splits.RADIUS_KM * np.arcsin(min(1.0, np.sqrt(h)))


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


def match(points, land, weight, k, seed=0, groups=None, level=splits.LEVEL, **options):
    """Match folds; with a level of 2 the search runs whether samples are clustered or not."""
    labels = np.arange(len(points)) if groups is None else groups
    options |= {"k": k, "rng": np.random.default_rng(seed)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "LEVEL", level)
        return splits.knndm(*np.transpose(points), labels, *np.transpose(land), weight, **options)


@pytest.mark.parametrize(("seed", "k"), [(0, 2), (2, 4), (3, 5)])
def test_the_choice_is_that_of_a_slow_search(seed, k):
    points, land, weight = network(seed)
    found = match(points, land, weight, k, level=2)
    to_land = [min(apart(cell, point) for point in points) for cell in land]
    np.testing.assert_allclose(found.target_distances, to_land, rtol=1e-6)
    np.testing.assert_allclose(found.sample_distances, slow_cv(points, range(len(points))), rtol=1e-6)

    partitions, tried = slow_ward(points), {}
    for q in range(k, len(points) + 1):
        folds = slow_merge(partitions[q], points, k)
        assert set(folds) == set(range(k))
        small = max(folds.count(fold) for fold in folds) <= max(0.5, 1.2 / k) * len(points)
        tried[q] = (slow_w(slow_cv(points, folds), to_land, weight) if small else np.nan, folds)
    assert found.candidates.tolist() == list(tried)
    np.testing.assert_allclose(found.candidates_w, [w for w, _ in tried.values()], rtol=1e-6)
    best = min((w, q) for q, (w, _) in tried.items() if np.isfinite(w))
    assert found.n_clusters == best[1] and found.w == pytest.approx(best[0])
    assert found.folds.tolist() == tried[best[1]][1]
    np.testing.assert_allclose(found.cv_distances, slow_cv(points, found.folds), rtol=1e-6)
    np.testing.assert_allclose(splits.fold_distances(*points.T, found.folds), found.cv_distances)


@pytest.mark.parametrize("clustering", ("hierarchical", "kmeans"))
@pytest.mark.parametrize("seed", range(2))
def test_clustered_samples_are_matched_better_than_by_random_folds(clustering, seed):
    points, land, weight = network(seed, n=80, clusters=6)
    found = match(points, land, weight, 5, seed, clustering=clustering)
    assert found.p < 0.05 and found.n_clusters >= 5
    random = splits.random_folds(80, 5, np.random.default_rng(seed))
    distances = splits.fold_distances(*points.T, random)
    assert found.w < 0.7 * stats.wasserstein_distance(distances, found.target_distances, v_weights=weight)
    assert np.bincount(found.folds).max() <= 40 and set(found.folds) == set(range(5))


@pytest.mark.parametrize("seed", range(2))
def test_regular_samples_get_random_folds(seed):
    lat, lon = (axis.ravel() for axis in np.meshgrid(np.arange(-40, 41, 20.0), np.arange(-180, 180, 24.0)))
    rng = np.random.default_rng(seed)
    land = np.column_stack([np.degrees(np.arcsin(rng.uniform(-0.75, 0.75, 1000))), rng.uniform(-180, 180, 1000)])
    found = match(np.column_stack([lat, lon]), land, None, 5, seed)
    assert found.p > 0.5 and found.n_clusters is None and found.candidates.size == found.candidates_w.size == 0
    assert (np.bincount(found.folds) == lat.size // 5).all()
    cv = splits.fold_distances(lat, lon, found.folds)
    assert found.w == pytest.approx(slow_w(cv.tolist(), found.target_distances.tolist(), np.ones(1000)))


@pytest.mark.parametrize("seed", range(2))
def test_the_test_is_that_of_scipy_where_weights_are_equal(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(2, 1, 150), rng.gamma(2, 1 + 0.04 * seed, 900)
    scipys = stats.ks_2samp(a, b, alternative="greater", method="exact").pvalue
    assert splits._closer_than_land(a, b, np.ones(900)) == pytest.approx(scipys, abs=0.02)
    # with ties, and with weights of whole numbers, which are repeated values
    a, b = a.round(1), b.round(1)
    times = rng.integers(1, 4, 900)
    gap = stats.ks_2samp(a, np.repeat(b, times), alternative="greater").statistic
    m = times.sum() ** 2 / (times**2).sum()
    expected = np.exp(-2 * gap**2 * 150 * m / (150 + m))
    assert splits._closer_than_land(a, b, times.astype(float)) == pytest.approx(expected)


# --- groups, and the sphere ------------------------------------------------------------------------------------------


def test_years_change_nothing_and_groups_stay_whole():
    points, land, weight = network(6, n=40)
    plain = match(points, land, weight, 4)
    of = np.repeat(np.arange(40), np.random.default_rng(1).integers(1, 5, 40))
    order = np.random.default_rng(2).permutation(of.size)
    labels = np.array([f"{1000 + i}" for i in of])[order]
    found = match(points[of][order], land, weight, 4, groups=labels)
    assert found.folds.tolist() == plain.folds[of][order].tolist() and found.w == plain.w
    assert splits.divided(found.folds, labels).size == 0


def test_no_fold_holds_too_many_samples():
    points, land, weight = network(7, n=40)
    of = np.repeat(np.arange(40), np.where(np.arange(40) < 8, 12, 1))  # a fifth of the groups has three quarters
    found = match(points[of], land, weight, 4, groups=of)
    assert np.bincount(found.folds).max() <= 0.5 * of.size and np.isnan(found.candidates_w).any()


@pytest.mark.parametrize("turn", [90.0, 137.0, 180.0])
def test_the_date_line_is_nowhere(turn):
    points, land, weight = network(8, n=40)
    at = [np.column_stack([xy[:, 0], (xy[:, 1] + turn + 180) % 360 - 180]) for xy in (points, land)]
    here, there = match(points, land, weight, 4), match(*at, weight, 4)
    assert here.folds.tolist() == there.folds.tolist() and here.w == pytest.approx(there.w)


def test_towers_at_one_place_in_different_groups_are_clustered_together():
    points, land, weight = network(10, n=30)
    points[1], points[3] = points[0], points[2]
    for clustering in ("hierarchical", "kmeans"):
        found = match(points, land, weight, 3, level=2, clustering=clustering)
        assert found.sample_distances[0] == 0 and found.candidates.max() == 28
        assert found.folds[0] == found.folds[1]


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(
    lat=arrays(float, 12, elements=st.sampled_from([-90.0, -45.0, 0.0, 0.1, 0.2, 50.0, 89.9, 90.0])),
    lon=arrays(float, 12, elements=st.floats(-180, 360)),
    labels=arrays(int, 12, elements=st.integers(0, 8)),
    k=st.integers(2, 3),
    level=st.sampled_from([2, 0.05]),
)
def test_folds_hold_whatever_the_layout(lat, lon, labels, k, level):
    points, land = np.column_stack([lat, lon]), [[60.0, 10.0], [0.0, 179.0], [-90.0, 0.0]]
    try:
        found = match(points, land, [1.0, 2.0, 0.5], k, groups=labels, level=level)
    except ValueError as error:
        assert str(error).startswith(
            ("k: expected at most", "groups: expected members", "k: expected folds of at most")
        )
        return
    assert splits.divided(found.folds, labels).size == 0 and set(found.folds) == set(range(k))
    assert found.w == np.nanmin(np.append(found.candidates_w, found.w))
    assert (found.cv_distances >= found.sample_distances - 1e-6).all()
    expected = slow_w(found.cv_distances.tolist(), found.target_distances.tolist(), [1.0, 2.0, 0.5])
    assert found.w == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda rng: splits.window_groups([0.0, 91.0], [1.0, 1.0]),
            "latitudes from −90 to 90, found 91, 1 for point 1",
        ),
        (lambda rng: splits.grouped_folds(["a"] * 5, 2, rng), "one fold for each of the 1 groups, found 2"),
        (lambda rng: splits.region_folds([0.0, 1.0], [0.0, 1.0], ["a"], 2), "groups: expected one for each of 2"),
        (lambda rng: splits.block_folds([0.0, 1.0], [0.0, 1.0], ["a", "b"], 2, 5000, rng), "the 1 blocks of 5000 km"),
        (lambda rng: match([[0.0, 0.0]] * 4, [[1.0, 1.0]], [-1.0], 3), "target_weight: expected 1 finite weights"),
    ],
)
def test_every_fault_is_one_line(call, words):
    with pytest.raises(ValueError) as error:
        call(np.random.default_rng(0))
    assert words in str(error.value) and "\n" not in str(error.value)


# --- real towers and real land ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_towers(real_data):
    """Site-years with good RECO and leaves; ``kept``: those of profile ``sites``, which also have soil and SPEI36.

    SPEI36 is there from 2003, at sites with a monthly climate (test_site_sampling.py runs the chapter and agrees).
    """
    table = pd.read_csv(real_data / "fluxnet2015_site_years.csv")
    climate = set(pd.read_csv(real_data / "fluxnet2015_monthly_climate.csv.gz").site)
    good = (table.nee_qc >= 0.5) & (table.reco_nt > 10) & (table.reco_nt < 5000)
    table = table[good & (table.lai_months >= 10) & (table.evi_months >= 10)]
    kept = table.soc_0_30_w4.notna() & (table.year >= 2003) & table.site.isin(climate)
    return table.assign(kept=kept)


@pytest.fixture(scope="module")
def real_land(real_data):
    """Land cells of the half-degree grid that have a value in every shared channel."""
    ds = xr.open_dataset(real_data / "static_grids_0p5.nc")[["mat", "map", "ppfd", "soc_0_30", "igbp"]]
    area = xr.DataArray(cell_area(ds.lat, ds.lon), coords={"lat": ds.lat, "lon": ds.lon}, dims=("lat", "lon"))
    cells = ds.assign(area=area).load().stack(cell=("lat", "lon"))
    return cells.where(~cells.igbp.isin([0, 17])).dropna("cell")


def test_places_of_the_real_table(real_towers):
    kept = real_towers[real_towers.kept]
    at, before = ((table.latitude.to_numpy(), table.longitude.to_numpy()) for table in (kept, real_towers))
    assert len(kept) == 790 and kept.site.nunique() == 140
    places = splits.window_groups(*at)
    assert len(set(places)) == 111  # windows of 3 × 3 cells that share a cell
    assert real_towers.site.nunique() == 148  # before the rules on soil and SPEI
    assert len(set(splits.window_groups(*before))) == 114
    assert splits.divided(places, kept.site.to_numpy()).size == 0


def test_matching_towards_real_land(real_towers, real_land):
    kept = real_towers[real_towers.kept]
    lat, lon = kept.latitude.to_numpy(), kept.longitude.to_numpy()
    groups, rng = splits.window_groups(lat, lon), np.random.default_rng(2021)
    target, weight = (real_land.lat.to_numpy(), real_land.lon.to_numpy()), real_land.area.to_numpy()
    assert real_land.sizes["cell"] > 50_000
    found = splits.knndm(lat, lon, groups, *target, weight, k=5, rng=rng)
    assert found.p < 1e-6 and splits.divided(found.folds, groups).size == 0
    grouped = splits.grouped_folds(groups, 5, rng)
    w = stats.wasserstein_distance(splits.fold_distances(lat, lon, grouped), found.target_distances, v_weights=weight)
    assert found.w < 0.5 * w
    some = np.random.default_rng(1).choice(len(weight), 6000, replace=False)
    fewer = splits.knndm(lat, lon, groups, *(axis[some] for axis in target), weight[some], k=5, rng=rng)
    assert fewer.w == pytest.approx(found.w, rel=0.1)  # a sample of the land will do


def test_dissimilarity_of_real_land(real_towers, real_land):
    kept = real_towers[real_towers.kept]
    train = kept[["mat", "map", "soc_0_30_w4"]].to_numpy()
    new = np.column_stack([real_land[name].to_numpy() for name in ("mat", "map", "soc_0_30")])
    folds = splits.grouped_folds(splits.window_groups(kept.latitude, kept.longitude), 5, np.random.default_rng(1))
    index = applicability.dissimilarity_index(train, new)
    limit = applicability.threshold(applicability.training_dissimilarity(train, folds))
    inside = index <= limit
    share = real_land.area.to_numpy() @ inside / float(real_land.area.sum())
    assert 0.3 < share < 0.999
    leaky = applicability.training_dissimilarity(train, splits.random_folds(790, 5, np.random.default_rng(1)))
    assert applicability.threshold(leaky) < 0.75 * limit  # years of one tower on both sides
    coldest = np.argsort(new[:, 0])[:100]
    assert index[coldest].mean() > 2 * index.mean()
