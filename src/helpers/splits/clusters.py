"""Clusters of places on the sphere, and how clusters become folds."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans

from helpers.splits.sphere import arc


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
