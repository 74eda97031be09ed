"""Folds: which samples are tested together, in a ladder from the most forgiving rule to the strictest.

A *fold* is a set of samples that one network never sees and is tested on. Every rule here gives a number from 0 to
k − 1 to each sample; `train_masks` turns those into the samples that each of the k networks may learn from. Rules that
take ``groups`` keep each group in one fold. Every draw comes from the generator that is passed in.

A group is a place. Two windows of 3 × 3 cells overlap if their centres lie at most two rows and two columns apart.
Whoever trains on one and tests on the other has seen part of the answer; and if A overlaps B, and B overlaps C, then
the three must stay together. So places are the connected components of the graph that links overlapping windows.

>>> folds = grouped_folds(["a", "a", "b", "b", "c", "d"], k=2, rng=np.random.default_rng(0))
>>> np.bincount(folds).tolist(), bool(folds[0] == folds[1] != folds[2] == folds[3])
([3, 3], True)
>>> year_folds([2003, 2004, 2005, 2006, 2003], k=2).tolist()
[0, 0, 1, 1, 0]
>>> place_groups([4, 4, 4, 4], [0, 2, 4, 359], n_columns=360).tolist()
[0, 0, 0, 0]
>>> place_groups([4, 4, 4, 8], [0, 2, 5, 0], n_columns=360).tolist()
[0, 0, 1, 2]
>>> folds = region_folds([50.0, 51.0, -30.0, -31.0], [10.0, 11.0, 179.0, -179.0], ["a", "b", "c", "d"], k=2)
>>> bool(folds[0] == folds[1] != folds[2] == folds[3])
True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans
from sklearn.model_selection import GroupKFold

from helpers.space import windows
from helpers.space.grid import Grid
from helpers.stats.labels import indexed
from helpers.stats.splits.sphere import RADIUS_KM, arc, centres, unit_vectors


def check_k(k: int, available: int, what: str) -> None:
    """Refuse fewer than two folds, or more folds than there are things to put into them.

    Raises
    ------
    ValueError
        Says how many there are.
    """
    if k < 2:
        raise ValueError(f"k: expected 2 folds or more, found {k}; one fold leaves nothing to train on")
    if available < k:
        raise ValueError(f"k: expected at most one fold for each of the {available} {what}, found {k}; ask for fewer")


def train_masks(folds: ArrayLike) -> np.ndarray:
    """Return which samples train when each fold is tested in turn.

    Parameters
    ----------
    folds : array_like of int (sample,)
        From any of the rules above.

    Returns
    -------
    ndarray of bool (fold, sample)
        True where a sample trains; its complement is tested.
    """
    numbers, which = indexed(folds, "folds")
    return which != np.arange(numbers.size)[:, None]


def divided(folds: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Return the labels of the groups that stand in more than one fold: none, if no place is on both sides.

    Parameters
    ----------
    folds, groups : array_like (sample,)

    Returns
    -------
    ndarray (divided,)

    Raises
    ------
    ValueError
        The two differ in length.
    """
    (labels, which), (_, fold) = indexed(groups), indexed(folds, "folds")
    if which.size != fold.size:
        raise ValueError(f"folds, groups: expected one of each a sample, found {fold.size} and {which.size}; pair them")
    pairs = np.unique(np.column_stack([which, fold]), axis=0)
    return labels[np.bincount(pairs[:, 0], minlength=labels.size) > 1]


def random_folds(n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Deal samples at random into folds of equal size (to one sample), whatever place they come from.

    Parameters
    ----------
    n, k : int
        Number of samples, and of folds (2 to ``n``).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int (sample,)
        Fold of each sample.

    Raises
    ------
    ValueError
        Fewer than two folds, or more than samples.
    """
    check_k(k, n, "samples")
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

    Raises
    ------
    ValueError
        Fewer than two folds, or more than groups.
    """
    labels, which = indexed(groups)
    check_k(k, labels.size, "groups")
    shuffled = rng.permutation(labels.size)[which]
    folds = np.empty(which.size, dtype="int64")
    for fold, (_, test) in enumerate(GroupKFold(k).split(shuffled, groups=shuffled)):
        folds[test] = fold
    return folds


def year_folds(year: ArrayLike, k: int) -> np.ndarray:
    """Leave years out: runs of consecutive years, of equally many years (to one year).

    Years stay in runs because they are not independent: a drought index over three years shares two of them with the
    index of the next year. With as many folds as years, each year is left out in turn.

    Parameters
    ----------
    year : array_like of int (sample,)
        Year of each sample.
    k : int
        Number of folds (2 to the number of years).

    Returns
    -------
    ndarray of int (sample,)
        Fold of each sample; earlier years have lower numbers.

    Raises
    ------
    ValueError
        Fewer than two folds, or more than years.
    """
    years, which = indexed(year, "year")
    check_k(k, years.size, "years")
    runs = np.array_split(np.arange(years.size), k)
    return np.repeat(np.arange(k), [len(run) for run in runs])[which]


def _components(pairs: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Return the connected component of each sample, which stands at one of the nodes that ``pairs`` (pair, 2) link."""
    size = nodes.max() + 1
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    component = connected_components(graph, directed=False)[1][nodes]
    _, first, which = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def place_groups(row: ArrayLike, column: ArrayLike, n_columns: int | None = None, reach: int = 2) -> np.ndarray:
    """Group samples whose windows overlap, directly or through others.

    Parameters
    ----------
    row, column : array_like of int (sample,)
        The cell in the middle of each window, as `helpers.space.windows.cells` gives it.
    n_columns : int, optional
        Columns of a grid that goes round the globe, where the last column is the neighbour of the first; left out for
        a grid that does not. Rows end at the poles: windows do not reach across.
    reach : int
        Two cells are linked if they lie at most so many rows *and* columns apart: 2 for windows of 3 × 3 cells that
        share one, 1 for cells that touch, 0 for towers in the same cell.

    Returns
    -------
    ndarray of int (sample,)
        Number of the group, from 0 in the order in which samples meet them.

    Raises
    ------
    ValueError
        Rows and columns differ in number, there is none, they are not whole numbers, one is off the grid, or ``reach``
        is negative.
    """
    row, column = np.asarray(row), np.asarray(column)
    if row.ndim != 1 or row.shape != column.shape or row.size == 0:
        raise ValueError(f"row, column: expected one of each a sample, found shapes {row.shape} and {column.shape}")
    if row.dtype.kind not in "iu" or column.dtype.kind not in "iu":
        raise ValueError(
            f"row, column: expected whole numbers, found {row.dtype} and {column.dtype}; use windows.cells"
        )
    beyond = (row < 0) | (column < 0) | (False if n_columns is None else column >= n_columns)
    if beyond.any():
        raise ValueError(f"row, column: expected cells of the grid, found {beyond.sum()} off it; drop those samples")
    if reach < 0:
        raise ValueError(f"reach: expected 0 cells or more, found {reach}; 2 is for windows of 3 × 3 cells")
    cells, which = np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)
    tree = cKDTree(cells, boxsize=None if n_columns is None else [0, n_columns])
    pairs = tree.query_pairs(reach + 0.5, p=np.inf, output_type="ndarray")
    return _components(pairs, which.ravel())


def window_groups(lat: ArrayLike, lon: ArrayLike, cell: float = 0.05, reach: int = 2) -> np.ndarray:
    """Group points whose windows would overlap on the global grid of a given resolution (see `place_groups`).

    Parameters
    ----------
    lat, lon : array_like (sample,)
        Points, degrees.
    cell : float
        Edge of a cell (degrees; divides 180). At 0.05° a window is 0.15° wide.
    reach : int
        As in `place_groups`.

    Returns
    -------
    ndarray of int (sample,)
        Number of the group, from 0 in the order in which samples meet them.

    Raises
    ------
    ValueError
        As `unit_vectors` and `Grid`.
    """
    unit_vectors(lat, lon)  # checks the points
    mesh = Grid(cell)
    row, column = windows.cells(mesh.lat, mesh.lon, lat, lon)
    return place_groups(row, column, n_columns=mesh.shape[1], reach=reach)


def hierarchical(centre: np.ndarray, numbers: np.ndarray, method: str = "ward") -> np.ndarray:
    """Cluster places step by step, on great-circle distances.

    Parameters
    ----------
    centre : ndarray (group, 3)
        Unit vectors, two or more.
    numbers : ndarray of int (candidate,)
        How many clusters to cut the one tree into.
    method : str
        How distances between clusters follow from those between places: "ward", "complete", "average" or "single".

    Returns
    -------
    ndarray of int (group, candidate)
        Cluster of each place, in exactly as many clusters as asked for.

    Notes
    -----
    Memory grows with the square of the number of places: 5,000 take 0.1 GB.
    """
    # the most clusters first: scipy 1.17 writes the cut into single places to the first column, whichever was asked for
    falling = np.argsort(numbers)[::-1]
    cut = cut_tree(linkage(arc(pdist(centre)), method=method), n_clusters=np.asarray(numbers)[falling])
    return cut[:, np.argsort(falling)]


def kmeans(centre: np.ndarray, numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cluster places by k-means on their unit vectors, that is on distances through the Earth.

    Parameters
    ----------
    centre : ndarray (group, 3)
        Unit vectors.
    numbers : ndarray of int (candidate,)
        How many clusters to look for; each at most the number of different places.
    rng : numpy.random.Generator
        Seeds the starts.

    Returns
    -------
    ndarray of int (group, candidate)
        Cluster of each place.
    """
    seeds = rng.integers(2**31, size=len(numbers))
    runs = [
        KMeans(n_clusters=int(number), n_init=1, random_state=int(seed)).fit_predict(centre)
        for number, seed in zip(numbers, seeds, strict=True)
    ]
    return np.stack(runs, axis=1)


def main_axis(centre: np.ndarray) -> np.ndarray:
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


def merge(cluster: np.ndarray, along: np.ndarray, k: int) -> np.ndarray:
    """Merge clusters into k folds, as kNNDM does.

    A cluster that holds an equal share of the places (1/k) or more is a fold by itself. The others are put in order
    along the main axis of the network and dealt in turn to the folds that are left, so that neighbours come into
    different folds. The more clusters, the closer a place is to training data when its fold is tested.

    Parameters
    ----------
    cluster : ndarray of int (group,)
        At least k different ones.
    along : ndarray (group,)
        From `main_axis`.
    k : int
        Number of folds.

    Returns
    -------
    ndarray of int (group,)
        Fold of each place; none is empty.
    """
    _, which, held = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.argsort(np.bincount(which, along) / held, kind="stable")
    large = held[order] * k >= which.size
    n_large = np.count_nonzero(large)
    fold = np.empty(held.size, dtype="int64")
    fold[order[large]] = np.arange(n_large)
    fold[order[~large]] = np.resize(np.arange(n_large, k), held.size - n_large)
    return fold[which]


def _group_centres(lat: ArrayLike, lon: ArrayLike, groups: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each sample's group, and the unit vectors of the groups' centres."""
    _, which = indexed(groups)
    vectors = unit_vectors(lat, lon)
    if len(vectors) != which.size:
        raise ValueError(f"groups: expected one label for each of {len(vectors)} points, found {which.size}; pair them")
    return which, centres(vectors, which)


def block_folds(
    lat: ArrayLike, lon: ArrayLike, groups: ArrayLike, k: int, size: float, rng: np.random.Generator
) -> np.ndarray:
    """Leave regions out: cut the globe into blocks, and deal whole blocks into folds of about equally many samples.

    Blocks stand in rows of equal height; a row has as many blocks as keeps them about square, so that one near a pole
    is no smaller than one at the equator. A group belongs to the block of its centre. Two blocks that touch may be in
    different folds, so towers on either side of an edge can still be close: `region_folds` has fewer such edges.

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

    Raises
    ------
    ValueError
        A size that is not positive, fewer than two folds, or more than blocks with a group.
    """
    which, centre = _group_centres(lat, lon, groups)
    block = _blocks(centre, size)
    check_k(k, block.max() + 1, f"blocks of {size:g} km that hold a group")
    return grouped_folds(block[which], k, rng)


def blocks(lat: ArrayLike, lon: ArrayLike, size: float) -> np.ndarray:
    """Return the block of the globe that holds each point (see `block_folds`).

    Parameters
    ----------
    lat, lon : array_like (point,)
        Degrees.
    size : float
        Edge of a block (km; above 0).

    Returns
    -------
    ndarray of int (point,)
        Numbered from 0, only blocks that hold a point.

    Raises
    ------
    ValueError
        As `unit_vectors`, or for a size that is not positive.
    """
    return _blocks(unit_vectors(lat, lon), size)


def _blocks(vectors: np.ndarray, size: float) -> np.ndarray:
    if not size > 0:
        raise ValueError(f"size: expected the edge of a block above 0 km, found {size}; give it in km")
    rows = max(1, round(np.pi * RADIUS_KM / size))
    row = np.minimum((np.arcsin(np.clip(vectors[:, 2], -1, 1)) / np.pi + 0.5) * rows, rows - 1).astype(int)
    middle = np.pi * ((row + 0.5) / rows - 0.5)
    columns = np.maximum(1, np.round(2 * np.pi * RADIUS_KM * np.cos(middle) / size)).astype(int)
    east = np.arctan2(vectors[:, 1], vectors[:, 0]) / (2 * np.pi) + 0.5
    column = np.minimum(east * columns, columns - 1).astype(int)
    return np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)[1].ravel()


def region_folds(lat: ArrayLike, lon: ArrayLike, groups: ArrayLike, k: int) -> np.ndarray:
    """Leave regions out: k compact regions, found by clustering the groups on great-circle distances.

    Ward's criterion joins the two clusters whose union is least spread out, until k are left. Regions follow the
    network: where towers are dense a region is small. Their numbers of samples differ, sometimes by much.

    Parameters
    ----------
    lat, lon : array_like (sample,)
        Degrees.
    groups : array_like (sample,)
        Label of each sample's group.
    k : int
        Number of regions, each a fold (2 to the number of groups).

    Returns
    -------
    ndarray of int (sample,)
        Fold of each sample; the numbers carry no order.

    Raises
    ------
    ValueError
        Fewer than two folds, or more than groups.
    """
    which, centre = _group_centres(lat, lon, groups)
    check_k(k, len(centre), "groups")
    return hierarchical(centre, np.array([k]))[:, 0][which]
