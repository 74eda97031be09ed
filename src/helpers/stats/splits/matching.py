r"""Folds that test a network as far from its training data as a map asks it to go: kNNDM.

Let :math:`G_{ij}(d)` be the share of the land that lies within d of the nearest sample, and :math:`G^*_j(d)` the share
of samples that lie within d of the nearest sample of *another fold*. Where the two agree, a test is as far a step from
the training data as the map is. They differ by Wasserstein's distance

.. math:: W = \int_0^\infty \left| G^*_j(d) - G_{ij}(d) \right| \mathrm{d}d \quad (\mathrm{km}),

and k-fold nearest neighbour distance matching (Linnenbrink et al. 2024) looks for the folds with the least W: the
samples are put into q = k, …, N clusters, these are merged into k folds, and the q with the least W wins. If samples
are spread as evenly as the land asks, that is if :math:`G_j`, the distribution of distances from sample to nearest
sample, does not lie above :math:`G_{ij}`, random folds are right already.

References
----------
Linnenbrink, J., Milà, C., Ludwig, M. and Meyer, H. (2024). kNNDM CV: k-fold nearest-neighbour distance matching
cross-validation for map accuracy estimation. Geosci. Model Dev. 17, 5897-5912, doi:10.5194/gmd-17-5897-2024.

Milà, C., Mateu, J., Pebesma, E. and Meyer, H. (2022). Nearest neighbour distance matching leave-one-out
cross-validation for map validation. Methods Ecol. Evol. 13, 1304-1316, doi:10.1111/2041-210X.13851.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance

from helpers.stats.labels import indexed
from helpers.stats.splits.folds import check_k, grouped_folds, hierarchical, kmeans, main_axis, merge
from helpers.stats.splits.sphere import arc, centres, unit_vectors, weighted_ecdf, weights

CLUSTERINGS = ("hierarchical", "kmeans")


@dataclass(frozen=True, eq=False)
class Matching:
    """What `knndm` found; all distances are along great circles, in km."""

    folds: np.ndarray
    """Fold of each sample, int (sample,)."""
    group_folds: np.ndarray
    """Fold of each group, in the sorted order of their labels, int (group,)."""
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
    target_weight: np.ndarray
    """Weight of each target, as given or 1 (target,)."""
    candidates: np.ndarray
    """Numbers of clusters that were tried, int (candidate,); none where random folds match already."""
    candidates_w: np.ndarray
    """W of each (km), NaN where a fold would have been too large (candidate,)."""


def _to_other_folds(vectors: np.ndarray, folds: np.ndarray) -> np.ndarray:
    distances = np.empty(len(vectors))
    for fold in np.unique(folds):
        test = folds == fold
        distances[test] = cKDTree(vectors[~test]).query(vectors[test])[0]
    return arc(distances)


def fold_distances(lat: ArrayLike, lon: ArrayLike, folds: ArrayLike) -> np.ndarray:
    """Return how far each sample is from what its network was trained on: the nearest sample of another fold.

    Parameters
    ----------
    lat, lon : array_like (sample,)
        Degrees.
    folds : array_like (sample,)
        Two different ones at least.

    Returns
    -------
    ndarray (sample,)
        Great-circle distance, km; zero where the same place is in two folds.

    Raises
    ------
    ValueError
        One fold only, or not one a sample.
    """
    vectors, (numbers, which) = unit_vectors(lat, lon), indexed(folds, "folds")
    if which.size != len(vectors):
        raise ValueError(f"folds: expected one for each of {len(vectors)} samples, found {which.size}; pair them")
    check_k(numbers.size, numbers.size, "folds")
    return _to_other_folds(vectors, which)


def wasserstein(distances: ArrayLike, target_distances: ArrayLike, target_weight: ArrayLike | None = None) -> float:
    """Return W of two samples of distances: the area between their distribution functions.

    Parameters
    ----------
    distances : array_like (sample,)
        Such as `fold_distances`, km.
    target_distances : array_like (target,)
        From the land to the samples (`nearest_distances`), km.
    target_weight : array_like (target,), optional
        Such as cell areas; equal if left out.

    Returns
    -------
    float
        km.
    """
    return float(wasserstein_distance(distances, target_distances, v_weights=target_weight))


def closer_than_land(samples: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    r"""Return the p-value that samples are closer to each other than the land is to them only by chance.

    The one-sided two-sample test of Kolmogorov and Smirnov with
    :math:`D^+ = \max_d (G_j(d) - G_{ij}(d))` and, for large samples,
    :math:`p = \exp(-2 (D^+)^2 n m / (n + m))`. As targets carry weights w, their number m is
    :math:`(\sum w)^2 / \sum w^2` (Kish), the plain number if all weights are equal.

    Parameters
    ----------
    samples : ndarray (group,)
        Distances from sample to sample.
    target, weight : ndarray (target,)
        Distances from target to sample, and the targets' weights.

    Returns
    -------
    float
        Small where samples are clustered.
    """
    x, share = weighted_ecdf(samples)
    land, land_share = weighted_ecdf(target, weight)
    below = np.concatenate([[0.0], land_share])[np.searchsorted(land, x, side="right")]
    gap = max(0.0, float((share - below).max()))
    n, m = samples.size, weight.sum() ** 2 / (weight**2).sum()
    return float(np.exp(-2 * gap**2 * n * m / (n + m)))


def candidate_numbers(k: int, most: int, count: int) -> np.ndarray:
    """Return numbers of clusters to try: all from k to ``most``, or ``count`` at even steps of the logarithm."""
    if most - k < count:
        return np.arange(k, most + 1)
    return np.unique(np.round(np.geomspace(k, most, count)).astype(int))


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
    linkage: str = "ward",
    max_share: float = 0.5,
    n_candidates: int = 100,
    level: float | None = 0.05,
) -> Matching:
    """Find k folds whose tests are as far from training data as the land is from the samples.

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
        On great-circle distances, or on unit vectors.
    linkage : str
        Of the hierarchical clustering: "ward" (as in CAST), "complete", "average" or "single".
    max_share : float
        No fold may hold more than this share of the groups, nor of the samples (above 1/k, below 1).
    n_candidates : int
        At most so many numbers of clusters are tried (1 or more).
    level : float, optional
        Random folds are returned if the test of `closer_than_land` gives a p at or above this; None always searches.

    Returns
    -------
    Matching
        Folds, W, and the distances to draw.

    Raises
    ------
    ValueError
        For a parameter out of its range, coordinates or weights that do not fit, or if every candidate has a fold that
        is too large.

    Notes
    -----
    The paper's search, in the steps of its authors' R package CAST, with three additions. Places are groups, and lie on
    the sphere: the axis along which clusters are dealt out is the first principal component of their unit vectors,
    which knows no date line. Targets carry weights, in W as in the test. And the limit on a fold's size holds for
    samples too, since groups differ in size.
    Of candidates with the same W the one with fewest clusters is taken.
    """
    vectors, (labels, which) = unit_vectors(lat, lon), indexed(groups)
    if which.size != len(vectors):
        raise ValueError(f"groups: expected a label for each of {len(vectors)} samples, found {which.size}; pair them")
    check_k(k, labels.size, "groups")
    _check(k, clustering, max_share, n_candidates)
    target = unit_vectors(target_lat, target_lon)
    centre, weight = centres(vectors, which), weights(target_weight, len(target), "target_weight")
    tree = cKDTree(centre)
    to_sample, between = arc(tree.query(target)[0]), arc(tree.query(centre, k=2)[0][:, 1])
    p = closer_than_land(between, to_sample, weight)

    if level is not None and p >= level:
        _, first = np.unique(which, return_index=True)
        tried, group_folds = np.array([], dtype=int), grouped_folds(groups, k, rng)[first][:, None]
    else:
        places = len(np.unique(centre, axis=0))
        check_k(k, places, "groups that lie apart")
        tried = candidate_numbers(k, places, n_candidates)
        cluster = hierarchical(centre, tried, linkage) if clustering == "hierarchical" else kmeans(centre, tried, rng)
        along = main_axis(centre)
        group_folds = np.stack([merge(one, along, k) for one in cluster.T], axis=1)
    cv = [_to_other_folds(centre, one) for one in group_folds.T]
    w = np.array([wasserstein(one, to_sample, weight) for one in cv])
    if tried.size:
        w[_too_large(group_folds, which, k, max_share)] = np.nan
    if np.isnan(w).all():
        raise ValueError(f"max_share: no candidate keeps every fold at or below {max_share:g}; raise it, or change k")
    best = int(np.nanargmin(w))
    return Matching(
        folds=group_folds[which, best],
        group_folds=group_folds[:, best],
        w=float(w[best]),
        n_clusters=int(tried[best]) if tried.size else None,
        p=p,
        sample_distances=between,
        cv_distances=cv[best],
        target_distances=to_sample,
        target_weight=weight,
        candidates=tried,
        candidates_w=w[: tried.size],
    )


def _too_large(group_folds: np.ndarray, which: np.ndarray, k: int, max_share: float) -> np.ndarray:
    """Tell which candidates (group, candidate) have a fold with more than its share of groups or of samples."""
    in_fold = group_folds[:, None, :] == np.arange(k)[:, None]
    groups = in_fold.mean(axis=0).max(axis=0)
    samples = np.einsum("g,gfc->fc", np.bincount(which) / which.size, in_fold).max(axis=0)
    return np.maximum(groups, samples) > max_share + 1e-12


def _check(k: int, clustering: str, max_share: float, n_candidates: int) -> None:
    if clustering not in CLUSTERINGS:
        raise ValueError(f"clustering: expected one of {', '.join(CLUSTERINGS)}, found {clustering!r}; choose one")
    if not 1 / k < max_share < 1:
        raise ValueError(f"max_share: expected a share above 1/{k} and below 1, found {max_share}; change it")
    if n_candidates < 1:
        raise ValueError(f"n_candidates: expected 1 or more, found {n_candidates}; 100 is usual")
