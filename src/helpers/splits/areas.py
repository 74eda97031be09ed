"""Folds that leave whole regions out.

>>> folds = region_folds([50.0, 51.0, -30.0, -31.0], [10.0, 11.0, 179.0, -179.0], ["a", "b", "c", "d"], k=2)
>>> bool(folds[0] == folds[1] != folds[2] == folds[3])
True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.labels import indexed
from helpers.splits.clusters import hierarchical
from helpers.splits.folds import grouped_folds
from helpers.splits.masks import check_k
from helpers.splits.sphere import RADIUS_KM, centres, unit_vectors


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
