r"""Splits: which samples are one place, which are tested together, and how far a test lies from its training data.

The score of a network depends on who sets its exam. Here is the ladder of rules, from the most forgiving to the
strictest: random folds, folds of whole places, of regions, of years, and folds that lie as far from the training data
as the map does. A *fold* is a set of samples that one network never sees and is tested on; every rule gives a number
from 0 to k − 1 to each sample. Every draw comes from the generator that is passed in.

Points of the sphere are unit vectors here. Two that are c = |u − v| apart through the Earth are d = 2 R arcsin(c / 2)
apart along its surface. As d grows with c, a tree over unit vectors finds the neighbour that is nearest along the
surface, across the date line and the poles as anywhere else.

>>> places = window_groups([51.08, 51.10, 52.17], [10.45, 10.40, 5.74])
>>> folds = grouped_folds(places, k=2, rng=np.random.default_rng(1))
>>> bool(folds[0] == folds[1] != folds[2]), divided(folds, places).size
(True, 0)
>>> float(nearest_distances([0.0], [179.9], [0.0, 0.0], [-179.9, 170.0])[0].round(2))
22.24
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import wasserstein_distance
from sklearn.cluster import KMeans
from sklearn.model_selection import GroupKFold

from helpers.space import windows
from helpers.space.grid import RADIUS, Grid
from helpers.stats.labels import indexed

RADIUS_KM = RADIUS / 1000
"""Radius of the MODIS sphere, as everywhere in this book (km)."""

# Places: what must stay together.


def window_groups(lat: ArrayLike, lon: ArrayLike) -> np.ndarray:
    """Group points (degrees) as `windows.place_groups` does on the paper's grid, of 0.05 degrees."""
    unit_vectors(lat, lon)  # checks the points
    mesh = Grid(0.05)
    return windows.place_groups(*windows.cells(mesh.lat, mesh.lon, lat, lon), n_columns=mesh.shape[1])


def divided(folds: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Return the labels of the groups that stand in more than one fold: none, if no place is on both sides."""
    labels, which = indexed(groups)
    _, fold = indexed(folds, "folds", which.size)
    pairs = np.unique(np.column_stack([which, fold]), axis=0)
    return labels[np.bincount(pairs[:, 0], minlength=labels.size) > 1]


# Folds that do not ask where the land is.


def _check_k(k: int, available: int, what: str) -> None:
    """Refuse fewer than two folds, or more folds than there are things to put into them."""
    if k < 2:
        raise ValueError(f"k: expected 2 folds or more, found {k}; one fold leaves nothing to train on")
    if available < k:
        raise ValueError(f"k: expected at most one fold for each of the {available} {what}, found {k}; ask for fewer")


def random_folds(n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Deal ``n`` samples at random into k folds of equal size (to one sample), whatever place they come from."""
    _check_k(k, n, "samples")
    return rng.permutation(np.arange(n) % k)


def grouped_folds(groups: ArrayLike, k: int, rng: np.random.Generator) -> np.ndarray:
    """Deal whole groups into folds of about equally many samples.

    The largest group first, each goes to the fold that has fewest samples so far (scikit-learn's `GroupKFold`); the
    generator settles the order among groups of one size. The largest and the smallest fold then differ by no more than
    the largest group has samples.

    Parameters
    ----------
    groups : array_like (sample,)
        Label of each sample's group, numbers or text.
    k : int
        Number of folds (2 to the number of groups).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int (sample,)
        Fold of each sample.
    """
    labels, which = indexed(groups)
    _check_k(k, labels.size, "groups")
    shuffled = rng.permutation(labels.size)[which]
    folds = np.empty(which.size, dtype="int64")
    for fold, (_, test) in enumerate(GroupKFold(k).split(shuffled, groups=shuffled)):
        folds[test] = fold
    return folds


def year_folds(year: ArrayLike, k: int) -> np.ndarray:
    """Leave years out: k runs of consecutive years (sample,), of equally many years (to one year), the earliest first.

    Years stay in runs because they are not independent: a drought index over three years shares two of them with the
    index of the next year. With as many folds as years, each year is left out in turn.
    """
    years, which = indexed(year, "year")
    _check_k(k, years.size, "years")
    runs = np.array_split(np.arange(years.size), k)
    return np.repeat(np.arange(k), [len(run) for run in runs])[which]


# Folds on the sphere.


def unit_vectors(lat: ArrayLike, lon: ArrayLike) -> np.ndarray:
    """Return points of the sphere as unit vectors.

    Latitudes and longitudes (point,) are degrees; longitudes may count from −180 or from 0. The result is (point, 3).
    Raises ValueError where the two differ in length, a value is not finite, or a latitude lies beyond a pole.
    """
    lat, lon = np.asarray(lat, dtype="float64"), np.asarray(lon, dtype="float64")
    if lat.ndim != 1 or lat.shape != lon.shape or lat.size == 0:
        raise ValueError(
            f"lat, lon: expected equally many points, one or more, found shapes {lat.shape} and {lon.shape}; pair them"
        )
    bad = ~(np.isfinite(lon) & (np.abs(lat) <= 90))
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"lat, lon: expected degrees, latitudes from −90 to 90, found {lat[at]:g}, {lon[at]:g} for point {at} "
            f"(from 0; {bad.sum()} such in all); correct or drop those"
        )
    phi, lam = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)


def _arc(chord: np.ndarray) -> np.ndarray:
    """Turn distances between unit vectors into distances along the surface (km)."""
    return 2 * RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1.0))


def nearest_distances(lat: ArrayLike, lon: ArrayLike, to_lat: ArrayLike, to_lon: ArrayLike) -> np.ndarray:
    """Return the great-circle distance (km) from each point (degrees) to the nearest of other points."""
    return _arc(cKDTree(unit_vectors(to_lat, to_lon)).query(unit_vectors(lat, lon))[0])


def fold_distances(lat: ArrayLike, lon: ArrayLike, folds: ArrayLike) -> np.ndarray:
    """Return how far each sample is from what its network was trained on: the nearest sample of another fold.

    Great-circle distances (sample,), km, from degrees; zero where the same place is in two folds.
    """
    vectors = unit_vectors(lat, lon)
    numbers, which = indexed(folds, "folds", len(vectors))
    _check_k(numbers.size, numbers.size, "folds")
    return _to_other_folds(vectors, which)


def _to_other_folds(vectors: np.ndarray, folds: np.ndarray) -> np.ndarray:
    distances = np.empty(len(vectors))
    for fold in np.unique(folds):
        test = folds == fold
        distances[test] = cKDTree(vectors[~test]).query(vectors[test])[0]
    return _arc(distances)


def centres(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the centre of each group of unit vectors: the direction (group, 3) of the mean of its distinct positions.

    A place that occurs more than once, as a tower does with its years, counts once. Groups are numbered from 0. Members
    that lie so far apart that they cancel raise ValueError.
    """
    rows = np.unique(np.column_stack([groups, vectors]), axis=0)
    member = rows[:, 0].astype(int)
    total = np.stack([np.bincount(member, rows[:, axis]) for axis in (1, 2, 3)], axis=1)
    length = np.linalg.norm(total, axis=1)
    if (length < 1e-6).any():
        raise ValueError("groups: expected members on one side of the Earth, found a group without a centre; split it")
    return total / length[:, None]


def _group_centres(lat: ArrayLike, lon: ArrayLike, groups: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each sample's group, and the unit vectors of the groups' centres, k or more."""
    vectors = unit_vectors(lat, lon)
    labels, which = indexed(groups, "groups", len(vectors))
    _check_k(k, labels.size, "groups")
    return which, centres(vectors, which)


def blocks(vectors: np.ndarray, size: float) -> np.ndarray:
    """Cut the globe into blocks, and return that of each point (point,), numbered from 0 among those that hold one.

    Blocks stand in rows of equal height; a row has as many blocks as keeps them about square, so that one near a pole
    is no smaller than one at the equator. Points are `unit_vectors`, and ``size`` is the edge of a block (km; above 0).
    """
    if not size > 0:
        raise ValueError(f"size: expected the edge of a block above 0 km, found {size}; give it in km")
    rows = max(1, round(np.pi * RADIUS_KM / size))
    row = np.minimum((np.arcsin(np.clip(vectors[:, 2], -1, 1)) / np.pi + 0.5) * rows, rows - 1).astype(int)
    middle = np.pi * ((row + 0.5) / rows - 0.5)
    columns = np.maximum(1, np.round(2 * np.pi * RADIUS_KM * np.cos(middle) / size)).astype(int)
    east = np.arctan2(vectors[:, 1], vectors[:, 0]) / (2 * np.pi) + 0.5
    column = np.minimum(east * columns, columns - 1).astype(int)
    return np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)[1].ravel()


def block_folds(
    lat: ArrayLike, lon: ArrayLike, groups: ArrayLike, k: int, size: float, rng: np.random.Generator
) -> np.ndarray:
    """Leave regions out: deal whole `blocks` of the globe into folds of about equally many samples.

    A group belongs to the block of its centre. Two blocks that touch may be in different folds, so towers on either
    side of an edge can still be close: `region_folds` has fewer such edges.

    Parameters
    ----------
    lat, lon : array_like (sample,)
        Degrees.
    groups : array_like (sample,)
        Label of each sample's group.
    k : int
        Number of folds (2 to the number of blocks that hold a group).
    size : float
        Edge of a block (km; above 0).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int (sample,)
        Fold of each sample.
    """
    which, centre = _group_centres(lat, lon, groups, k)
    block = blocks(centre, size)
    _check_k(k, block.max() + 1, f"blocks of {size:g} km that hold a group")
    return grouped_folds(block[which], k, rng)


def region_folds(lat: ArrayLike, lon: ArrayLike, groups: ArrayLike, k: int) -> np.ndarray:
    """Leave regions out: k compact regions, found by clustering the groups on great-circle distances.

    Ward's criterion joins the two clusters whose union is least spread out, until k are left. Regions follow the
    network: where towers are dense a region is small. Their numbers of samples differ, sometimes by much.

    Parameters and result are those of `block_folds`; the numbers of folds carry no order.
    """
    which, centre = _group_centres(lat, lon, groups, k)
    return _ward(centre, np.array([k]))[:, 0][which]


def _ward(centre: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Cut the tree of Ward's clusters of places (group, 3) into each of some numbers of them: (group, number).

    Memory grows with the square of the number of places: 5,000 take 0.1 GB.
    """
    # the most clusters first: scipy 1.17 writes the cut into single places to the first column, whichever was asked for
    falling = np.argsort(numbers)[::-1]
    cut = cut_tree(linkage(_arc(pdist(centre)), method="ward"), n_clusters=np.asarray(numbers)[falling])
    return cut[:, np.argsort(falling)]


def _kmeans(centre: np.ndarray, numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cluster places by k-means on their unit vectors, that is on distances through the Earth: (group, number)."""
    seeds = rng.integers(2**31, size=len(numbers))
    runs = [
        KMeans(n_clusters=int(number), n_init=1, random_state=int(seed)).fit_predict(centre)
        for number, seed in zip(numbers, seeds, strict=True)
    ]
    return np.stack(runs, axis=1)


# kNNDM: folds that test a network as far from its training data as a map asks it to go.


LEVEL = 0.05
"""Of the test whether samples are clustered, in `knndm`."""


@dataclass(frozen=True, eq=False)
class Matching:
    """What `knndm` found; all distances are along great circles, in km."""

    folds: np.ndarray
    """Fold of each sample, int (sample,)."""
    w: float
    """Wasserstein's distance between the last two distributions below (km)."""
    n_clusters: int | None
    """How many clusters were merged into the folds; None where random folds match already."""
    p: float
    """Of the one-sided Kolmogorov-Smirnov test that samples lie no closer to each other than the land to them."""
    sample_distances: np.ndarray
    """G_j: from each group to the nearest other group (group,)."""
    cv_distances: np.ndarray
    """G*_j: from each group to the nearest group of another fold (group,)."""
    target_distances: np.ndarray
    """G_ij: from each target to the nearest group (target,)."""
    candidates: np.ndarray
    """Numbers of clusters that were tried, int (candidate,); none where random folds match already."""
    candidates_w: np.ndarray
    """W of each (km), NaN where a fold would have been too large (candidate,)."""


def knndm(
    lat: ArrayLike,
    lon: ArrayLike,
    groups: ArrayLike,
    target_lat: ArrayLike,
    target_lon: ArrayLike,
    target_weight: ArrayLike | None = None,
    *,
    k: int,
    rng: np.random.Generator,
    clustering: str = "hierarchical",
    n_candidates: int = 100,
) -> Matching:
    r"""Find k folds whose tests are as far from training data as the land is from the samples.

    Let :math:`G_{ij}(d)` be the share of the land that lies within d of the nearest sample, and :math:`G^*_j(d)` the
    share of samples that lie within d of the nearest sample of *another fold*. Where the two agree, a test is as far a
    step from the training data as the map is. They differ by Wasserstein's distance

    .. math:: W = \int_0^\infty \left| G^*_j(d) - G_{ij}(d) \right| \mathrm{d}d \quad (\mathrm{km}),

    and k-fold nearest neighbour distance matching (Linnenbrink et al. 2024) looks for the folds with the least W: the
    samples are put into q = k, …, N clusters, these are merged into k folds, and the q with the least W wins. If
    samples are spread as evenly as the land asks, that is if :math:`G_j`, the distribution of distances from sample to
    nearest sample, does not lie above :math:`G_{ij}`, random folds are right already.

    Parameters
    ----------
    lat, lon : array_like (sample,)
        Degrees.
    groups : array_like (sample,)
        Label of each sample's group. Distances are between the groups' centres: the years of a tower are zero apart.
    target_lat, target_lon : array_like (target,)
        Where the map predicts, degrees: the centres of all land cells, or a sample of them.
    target_weight : array_like (target,), optional
        Such as the area of each cell; equal if left out.
    k : int
        Number of folds (2 to the number of groups).
    rng : numpy.random.Generator
        Draws random folds where these match already, and seeds k-means.
    clustering : {"hierarchical", "kmeans"}
        By Ward's criterion on great-circle distances, as in CAST, or on unit vectors.
    n_candidates : int
        At most so many numbers of clusters are tried (1 or more).

    Raises
    ------
    ValueError
        For a parameter out of its range, coordinates or weights that do not fit, or if every candidate has a fold that
        is too large.

    Notes
    -----
    The paper's search, in the steps of its authors' R package CAST, with three additions. Places are groups, and lie on
    the sphere: the axis along which clusters are dealt out is the first principal component of their unit vectors,
    which knows no date line. Targets carry weights, in W as in the test. And a fold may hold no more than half of the
    groups, nor of the samples, since groups differ in size (of two folds, one may hold 60 %).
    Of candidates with the same W the one with fewest clusters is taken.

    References
    ----------
    Linnenbrink, J., Milà, C., Ludwig, M. and Meyer, H. (2024). kNNDM CV: k-fold nearest-neighbour distance matching
    cross-validation for map accuracy estimation. Geosci. Model Dev. 17, 5897-5912, doi:10.5194/gmd-17-5897-2024.

    Milà, C., Mateu, J., Pebesma, E. and Meyer, H. (2022). Nearest neighbour distance matching leave-one-out
    cross-validation for map validation. Methods Ecol. Evol. 13, 1304-1316, doi:10.1111/2041-210X.13851.
    """
    if clustering not in ("hierarchical", "kmeans"):
        raise ValueError(f"clustering: expected hierarchical or kmeans, found {clustering!r}; choose one")
    which, centre = _group_centres(lat, lon, groups, k)
    target = unit_vectors(target_lat, target_lon)
    weight = _weights(target_weight, len(target), "target_weight")
    tree = cKDTree(centre)
    to_sample, between = _arc(tree.query(target)[0]), _arc(tree.query(centre, k=2)[0][:, 1])
    p = _closer_than_land(between, to_sample, weight)
    if p >= LEVEL:
        _, first = np.unique(which, return_index=True)
        tried, group_folds = np.array([], dtype=int), grouped_folds(groups, k, rng)[first][:, None]
    else:
        apart = len(np.unique(centre, axis=0))
        _check_k(k, apart, "groups that lie apart")
        tried = np.arange(k, apart + 1)
        if apart - k >= n_candidates:  # at even steps of the logarithm
            tried = np.unique(np.round(np.geomspace(k, apart, n_candidates)).astype(int))
        cluster = _ward(centre, tried) if clustering == "hierarchical" else _kmeans(centre, tried, rng)
        along = _main_axis(centre)
        group_folds = np.stack([_merged(one, along, k) for one in cluster.T], axis=1)
    cv = [_to_other_folds(centre, one) for one in group_folds.T]
    w = np.array([wasserstein_distance(one, to_sample, v_weights=weight) for one in cv])
    most = max(0.5, 1.2 / k)
    if tried.size:
        w[_largest_share(group_folds, which, k) > most + 1e-12] = np.nan
    if np.isnan(w).all():
        raise ValueError(f"k: expected folds of at most {most:.0%} of the groups and samples, found none; change k")
    best = int(np.nanargmin(w))
    return Matching(
        folds=group_folds[which, best],
        w=float(w[best]),
        n_clusters=int(tried[best]) if tried.size else None,
        p=p,
        sample_distances=between,
        cv_distances=cv[best],
        target_distances=to_sample,
        candidates=tried,
        candidates_w=w[: tried.size],
    )


def _closer_than_land(samples: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    r"""Return the p-value that samples are closer to each other than the land is to them only by chance.

    The one-sided two-sample test of Kolmogorov and Smirnov with
    :math:`D^+ = \max_d (G_j(d) - G_{ij}(d))` and, for large samples,
    :math:`p = \exp(-2 (D^+)^2 n m / (n + m))`. As targets carry weights w, their number m is
    :math:`(\sum w)^2 / \sum w^2` (Kish), the plain number if all weights are equal.
    """
    x, share = weighted_ecdf(samples)
    land, land_share = weighted_ecdf(target, weight)
    below = np.concatenate([[0.0], land_share])[np.searchsorted(land, x, side="right")]
    gap = max(0.0, float((share - below).max()))
    n, m = samples.size, weight.sum() ** 2 / (weight**2).sum()
    return float(np.exp(-2 * gap**2 * n * m / (n + m)))


def _main_axis(centre: np.ndarray) -> np.ndarray:
    """Return the place of each point along the first principal component of all (group,).

    A principal component has no direction of its own. It is given that of its longer tail, which depends neither on the
    library nor on where longitude is counted from.
    """
    away = centre - centre.mean(axis=0)
    axis = np.linalg.svd(away, full_matrices=False)[2][0]
    along = away @ axis
    tail = (along**3).sum()
    if abs(tail) <= 1e-9 * (np.abs(along) ** 3).sum():  # two tails alike: then by the axis itself
        tail = axis[np.argmax(np.abs(axis))]
    return along * np.sign(tail)


def _merged(cluster: np.ndarray, along: np.ndarray, k: int) -> np.ndarray:
    """Merge clusters (group,), k or more, into k folds (group,), none of them empty.

    A cluster that holds an equal share of the places (1/k) or more is a fold by itself. The others are put in order
    along the main axis of the network and dealt in turn to the folds that are left, so that neighbours come into
    different folds. The more clusters, the closer a place is to training data when its fold is tested.
    """
    _, which, held = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.argsort(np.bincount(which, along) / held, kind="stable")
    large = held[order] * k >= which.size
    n_large = np.count_nonzero(large)
    fold = np.empty(held.size, dtype="int64")
    fold[order[large]] = np.arange(n_large)
    fold[order[~large]] = np.resize(np.arange(n_large, k), held.size - n_large)
    return fold[which]


def _largest_share(group_folds: np.ndarray, which: np.ndarray, k: int) -> np.ndarray:
    """Return the largest share of groups or of samples that a fold of each candidate (group, candidate) holds."""
    in_fold = group_folds[:, None, :] == np.arange(k)[:, None]
    groups = in_fold.mean(axis=0).max(axis=0)
    samples = np.einsum("g,gfc->fc", np.bincount(which) / which.size, in_fold).max(axis=0)
    return np.maximum(groups, samples)


def weighted_ecdf(values: ArrayLike, weight: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the empirical distribution function of a sample, every value with its weight.

    Weights, such as cell areas, are equal if left out. The result are the distinct values in ascending order, and the
    share of the weight (to 1) at or below each.
    """
    x, which = np.unique(np.asarray(values, dtype="float64"), return_inverse=True)
    cumulated = np.cumsum(np.bincount(which, _weights(weight, which.size, "weight")))
    return x, cumulated / cumulated[-1]


def _weights(weight: ArrayLike | None, size: int, name: str) -> np.ndarray:
    """Return weights as float64, ones if there are none; raise ValueError where they do not fit."""
    given = np.ones(size) if weight is None else np.asarray(weight, dtype="float64")
    if given.shape != (size,) or not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise ValueError(
            f"{name}: expected {size} finite weights of zero or more, not all zero, found shape {given.shape} or others"
        )
    return given
