"""How unlike the training data a place is: dissimilarity index and area of applicability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from helpers.labels import indexed

CONVENTIONS = ("observed", "whisker")
CHUNK = 100_000
"""Rows that are held as float64 at a time, unless told otherwise: 11 MB with 14 predictors."""


@dataclass(frozen=True, eq=False)
class _Space:
    """Standardised, weighted predictors: how values become points, the training points, and their mean distance."""

    mean: np.ndarray
    factor: np.ndarray
    points: np.ndarray
    mean_distance: float

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return values (row, predictor) as points, standardised and weighted."""
        return (values - self.mean) * self.factor


def _space(train: ArrayLike, weights: ArrayLike | None) -> _Space:
    values = np.asarray(train, dtype="float64")
    if values.ndim != 2 or len(values) < 2 or values.shape[1] == 0:
        raise ValueError(f"train: expected (sample, predictor) with 2 samples or more, found shape {values.shape}")
    _finite(values, "train", 0)
    spread = values.std(axis=0)
    constant = np.flatnonzero((np.ptp(values, axis=0) == 0) | (spread == 0))
    if constant.size:
        raise ValueError(
            f"train: expected predictors that vary, found the same value in every sample of column {constant[0]}; "
            f"leave that predictor out"
        )
    weight = np.ones(values.shape[1]) if weights is None else np.asarray(weights, dtype="float64")
    if weight.shape != (values.shape[1],):
        raise ValueError(f"weights: expected one for each of {values.shape[1]} predictors, found shape {weight.shape}")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise ValueError("weights: expected finite weights of zero or more, not all zero; see importance_weights")
    mean, factor = values.mean(axis=0), weight / spread
    points = (values - mean) * factor
    distance = _mean_distance(points)
    if distance == 0:
        raise ValueError("weights: expected training samples that differ, found all in one point; weigh another one")
    return _Space(mean, factor, points, distance)


def _finite(values: np.ndarray, name: str, offset: int) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{name}: expected finite predictors, found one that is not in row {offset + bad[0]}; drop such rows first"
        )


def _chunks(size: int, chunk: int) -> Iterator[slice]:
    return (slice(start, min(start + chunk, size)) for start in range(0, size, chunk))


def _mean_distance(points: np.ndarray) -> float:
    """Return the mean distance over all pairs of different points, a thousand rows at a time."""
    total = sum(cdist(points[part], points).sum() for part in _chunks(len(points), 1000))
    return float(total / (len(points) * (len(points) - 1)))


def dissimilarity_index(
    train: ArrayLike, new: ArrayLike, weights: ArrayLike | None = None, *, chunk: int = CHUNK
) -> np.ndarray:
    r"""Return how far new places are from the nearest training sample, in units of the training data's own spread.

    With predictors :math:`x_p` standardised by the training data and multiplied by weights :math:`w_p`,

    .. math::
        z_p = w_p \frac{x_p - \bar x_p}{s_p}, \qquad
        \mathrm{DI}_k = \frac{\min_i \lVert z_k - z_i \rVert}{\bar d}, \qquad
        \bar d = \frac{1}{n (n - 1)} \sum_{i \ne j} \lVert z_i - z_j \rVert,

    where i and j run over the n training samples. Zero says that a place equals one of the training samples; one, that
    it is as far from the nearest of them as they are from each other on average.

    Parameters
    ----------
    train : array_like (sample, predictor)
        What the model learned from, each predictor in its own unit.
    new : array_like (cell, predictor)
        Where it predicts, same predictors, same units. It is read in chunks of rows, so an array on disk will do.
    weights : array_like (predictor,), optional
        Importance of each predictor to the model (see `importance_weights`); equal if left out. Only ratios count.
    chunk : int
        Rows of ``new`` to work on at a time.

    Returns
    -------
    ndarray (cell,)
        No unit, 0 or more.

    Raises
    ------
    ValueError
        A value is not finite (an ocean cell, a gap), the numbers of predictors differ, a predictor does not vary over
        the training samples, or weights are negative or all zero.

    References
    ----------
    Meyer, H. and Pebesma, E. (2021). Predicting into unknown space? Estimating the area of applicability of spatial
    prediction models. Methods Ecol. Evol. 12, 1620-1633, doi:10.1111/2041-210X.13650.
    """
    space, shape = _space(train, weights), np.shape(new)
    if len(shape) != 2 or shape[1] != space.mean.size:
        raise ValueError(f"new: expected (cell, predictor) with {space.mean.size} predictors, found shape {shape}")
    if chunk < 1:
        raise ValueError(f"chunk: expected 1 row or more, found {chunk}; {CHUNK} is usual")
    tree, nearest = cKDTree(space.points), np.empty(shape[0])
    for part in _chunks(shape[0], chunk):
        values = np.asarray(new[part], dtype="float64")
        _finite(values, "new", part.start)
        nearest[part] = tree.query(space.place(values))[0]
    return nearest / space.mean_distance


def training_dissimilarity(train: ArrayLike, folds: ArrayLike | None, weights: ArrayLike | None = None) -> np.ndarray:
    """Return the dissimilarity index of the training samples themselves, each to the nearest one outside its own fold.

    That is how unlike the training data a sample was when the model was tested on it, so the scores of cross-validation
    speak of places up to about this index. With folds that divide a tower's years it is the index of one year to the
    next, which is close to nothing.

    Parameters
    ----------
    train : array_like (sample, predictor)
    folds : array_like (sample,) or None
        The folds that the model was tested with, two or more. None takes the nearest other sample, whichever it is.
    weights : array_like (predictor,), optional
        As in `dissimilarity_index`.

    Returns
    -------
    ndarray (sample,)
        No unit, 0 or more.

    Raises
    ------
    ValueError
        As `dissimilarity_index`, or for folds that are not one a sample or all the same.
    """
    space = _space(train, weights)
    if folds is None:
        return cKDTree(space.points).query(space.points, k=2)[0][:, 1] / space.mean_distance
    numbers, which = indexed(folds, "folds", len(space.points))
    nearest = np.empty(which.size)
    if numbers.size < 2:
        raise ValueError("folds: expected 2 or more, found 1; with a single fold no sample has a neighbour outside")
    for number in range(numbers.size):
        test = which == number
        nearest[test] = cKDTree(space.points[~test]).query(space.points[test])[0]
    return nearest / space.mean_distance


def threshold(training: ArrayLike, convention: str = "observed") -> float:
    """Return the dissimilarity index up to which a model was tested: the training data's upper whisker.

    Parameters
    ----------
    training : array_like (sample,)
        From `training_dissimilarity`, with the folds of the model's own cross-validation.
    convention : {"observed", "whisker"}
        The fence of a box plot is Q75 + 1.5 (Q75 − Q25). "observed" gives the largest index that occurs at or below
        it, the outlier-removed maximum of Meyer and Pebesma (2021). "whisker" gives the fence itself, but no more than
        the largest index: as high or higher, and less at the mercy of a single sample. Say which one a map shows.

    Returns
    -------
    float
        No unit.

    Raises
    ------
    ValueError
        No index, one that is not finite, or an unknown convention.
    """
    values = np.asarray(training, dtype="float64")
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"training: expected one finite index a sample, found shape {values.shape} or gaps; drop gaps")
    if convention not in CONVENTIONS:
        raise ValueError(f"convention: expected one of {', '.join(CONVENTIONS)}, found {convention!r}; choose one")
    low, high = np.quantile(values, [0.25, 0.75])
    fence = high + 1.5 * (high - low)
    return float(values[values <= fence].max() if convention == "observed" else min(fence, values.max()))


def area_of_applicability(index: ArrayLike, limit: float) -> np.ndarray:
    """Return where a model may be believed as far as its cross-validation goes: index at or below the threshold.

    Parameters
    ----------
    index : array_like (…)
        From `dissimilarity_index`; NaN, where a map has no value, is outside.
    limit : float
        From `threshold`.

    Returns
    -------
    ndarray of bool (…)

    Raises
    ------
    ValueError
        The limit is negative or not finite.
    """
    if not (np.isfinite(limit) and limit >= 0):
        raise ValueError(f"limit: expected a finite index of 0 or more, found {limit}; take it from threshold")
    return np.asarray(index) <= limit
