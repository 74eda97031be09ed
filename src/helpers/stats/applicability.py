"""Where a map may be believed: how unlike the training data a place is, and up to where the model was tested.

A model can be asked anything, also about places unlike all that it has seen. The dissimilarity index measures how far a
place is, in the space of predictors, from what the model has learned from; the area of applicability is where that is
no farther than in the model's own cross-validation (Meyer and Pebesma 2021, Methods Ecol. Evol. 12, 1620-1633,
doi:10.1111/2041-210X.13650).

>>> train = np.array([[0.0], [1.0], [2.0], [3.0]])
>>> limit = threshold(training_dissimilarity(train, folds=[0, 1, 0, 1]))
>>> (dissimilarity_index(train, [[1.4], [7.0]]) <= limit).tolist()
[True, False]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from helpers.stats.labels import indexed

CHUNK = 100_000
"""Rows that are held as float64 at a time: 11 MB with 14 predictors."""


def _space(train: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return what standardises and weighs predictors, the training points so placed, and their mean distance."""
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
    if weight.shape != (values.shape[1],) or not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ValueError(
            f"weights: expected {values.shape[1]} finite weights of zero or more, found {weight}; pair them"
        )
    mean, factor = values.mean(axis=0), weight / spread
    points = (values - mean) * factor
    # over all pairs of different points, a thousand rows at a time
    total = sum(cdist(points[i : i + 1000], points).sum() for i in range(0, len(points), 1000))
    if total == 0:
        raise ValueError("weights: expected training samples that differ, found all in one point; weigh another one")
    return mean, factor, points, float(total / (len(points) * (len(points) - 1)))


def _finite(values: np.ndarray, name: str, offset: int) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{name}: expected finite predictors, found one that is not in row {offset + bad[0]}; drop such rows first"
        )


def dissimilarity_index(train: ArrayLike, new: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
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

    Returns
    -------
    ndarray (cell,)
        No unit, 0 or more.

    Raises
    ------
    ValueError
        A value is not finite (an ocean cell, a gap), the numbers of predictors differ, a predictor does not vary over
        the training samples, or weights are negative or all zero.
    """
    (mean, factor, points, unit), shape = _space(train, weights), np.shape(new)
    if len(shape) != 2 or shape[1] != mean.size:
        raise ValueError(f"new: expected (cell, predictor) with {mean.size} predictors, found shape {shape}")
    tree, nearest = cKDTree(points), np.empty(shape[0])
    for start in range(0, shape[0], CHUNK):
        values = np.asarray(new[start : start + CHUNK], dtype="float64")
        _finite(values, "new", start)
        nearest[start : start + CHUNK] = tree.query((values - mean) * factor)[0]
    return nearest / unit


def training_dissimilarity(train: ArrayLike, folds: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
    """Return the dissimilarity index of the training samples themselves, each to the nearest one outside its own fold.

    That is how unlike the training data a sample was when the model was tested on it, so the scores of cross-validation
    speak of places up to about this index. With folds that divide a tower's years it is the index of one year to the
    next, which is close to nothing.

    Parameters
    ----------
    train : array_like (sample, predictor)
    folds : array_like (sample,)
        The folds that the model was tested with, two or more.
    weights : array_like (predictor,), optional
        As in `dissimilarity_index`.

    Returns
    -------
    ndarray (sample,)
        No unit, 0 or more.
    """
    _, _, points, unit = _space(train, weights)
    numbers, which = indexed(folds, "folds", len(points))
    if numbers.size < 2:
        raise ValueError("folds: expected 2 or more, found 1; with a single fold no sample has a neighbour outside")
    nearest = np.empty(which.size)
    for number in range(numbers.size):
        test = which == number
        nearest[test] = cKDTree(points[~test]).query(points[test])[0]
    return nearest / unit


def threshold(training: ArrayLike) -> float:
    """Return the dissimilarity index up to which a model was tested: the training data's upper whisker.

    The fence of a box plot is Q75 + 1.5 (Q75 − Q25); the largest index that occurs at or below it is the
    outlier-removed maximum of Meyer and Pebesma (2021).

    ``training`` (sample,) comes from `training_dissimilarity`, with the folds of the model's own cross-validation.
    """
    values = np.asarray(training, dtype="float64")
    low, high = np.quantile(values, [0.25, 0.75])
    return float(values[values <= high + 1.5 * (high - low)].max())


# How much a model leans on each predictor, for the weights of the dissimilarity index.


def permutation_importance(
    predict: Callable[[int, np.ndarray], np.ndarray],
    features: ArrayLike,
    observed: ArrayLike,
    folds: ArrayLike,
    rng: np.random.Generator,
    repeats: int = 10,
) -> np.ndarray:
    r"""Return how much the squared error on held-out samples grows when one predictor is shuffled among them.

    .. math:: I_p = \frac1n \sum_i \left(y_i - \hat f_{k(i)}(x_i^{(p)})\right)^2
        - \frac1n \sum_i \left(y_i - \hat f_{k(i)}(x_i)\right)^2

    Here :math:`\hat f_k` was trained without fold k, and in :math:`x^{(p)}` predictor p of a sample is that of another
    sample of the same fold; the first term is a mean over repeats. All folds count together, sample by sample.

    Parameters
    ----------
    predict : callable
        ``predict(fold, features)``: what the model trained without that fold makes of features (m, predictor, …): (m,).
    features : array_like (sample, predictor, …)
        A table, or windows: a whole window is shuffled at once.
    observed : array_like (sample,)
        The target.
    folds : array_like of int (sample,)
        Fold in which each sample is held out.
    rng : numpy.random.Generator
        Shuffles.
    repeats : int
        Shuffles of each predictor (1 or more), predicted in one call a fold.

    Returns
    -------
    ndarray (predictor,)
        Square of the target's unit. Negative, if by chance the model does better without the predictor.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45, 5-32. Fisher, A., Rudin, C. and Dominici, F. (2019). All
    models are wrong, but many are useful. J. Mach. Learn. Res. 20 (177), 1-81.
    """
    features, observed = np.asarray(features), np.asarray(observed, dtype="float64")
    labels, which = indexed(folds, "folds", len(features))
    growth = np.zeros(features.shape[1])
    for number, fold in enumerate(labels):
        held = which == number
        x, y = features[held], observed[held]
        plain = ((y - _predicted(predict, fold, x)) ** 2).sum()
        for p in range(features.shape[1]):
            order = rng.permuted(np.tile(np.arange(len(x)), (repeats, 1)), axis=1)
            shuffled = np.tile(x, (repeats, *np.ones(x.ndim - 1, dtype=int)))
            shuffled[:, p] = x[order.ravel(), p]
            error = (np.tile(y, repeats) - _predicted(predict, fold, shuffled)) ** 2
            growth[p] += error.sum() / repeats - plain
    return growth / len(observed)


def _predicted(predict: Callable, fold: int, features: np.ndarray) -> np.ndarray:
    """Ask a model, and look at what it gives."""
    values = np.asarray(predict(fold, features), dtype="float64")
    if values.shape != (len(features),) or not np.isfinite(values).all():
        raise ValueError(
            f"predict: expected {len(features)} finite values, found shape {values.shape} or gaps; mend it"
        )
    return values


def importance_weights(importance: ArrayLike) -> np.ndarray:
    """Turn importances into weights: negative ones, which are chance, become zero, and all sum to one.

    ``importance`` (predictor,) is from `permutation_importance`, or any other measure where more is more important.
    Raises ValueError where a value is not finite, or none is above zero.
    """
    values = np.asarray(importance, dtype="float64")
    if not np.isfinite(values).all() or not (values > 0).any():
        raise ValueError(
            "importance: expected a finite value a predictor, some above zero, found none; no predictor tells anything"
        )
    positive = np.maximum(values, 0.0)
    return positive / positive.sum()


# Whether errors grow with the dissimilarity index: means in parts of equal weight, from familiar to strange.


PARTS = 10
"""Parts of equal weight in `by_index`."""


def by_index(index: ArrayLike, values: Mapping[str, ArrayLike], weight: ArrayLike | None = None) -> pd.DataFrame:
    """Return means of values in `PARTS` of equal weight, in the order of the dissimilarity index.

    Parameters
    ----------
    index : array_like (place,)
        From `dissimilarity_index` or `training_dissimilarity`.
    values : mapping of str to array_like (place,)
        Such as squared errors.
    weight : array_like (place,), optional
        Such as cell areas, above 0; equal if left out. A place belongs to the part that holds its middle.

    Returns
    -------
    DataFrame
        A row a part that holds a place: the mean ``index``, and the mean of each of ``values``.
    """
    columns = {"index": index, **values, "weight": np.ones(np.shape(index)) if weight is None else weight}
    frame = pd.DataFrame({name: np.asarray(column, dtype="float64") for name, column in columns.items()})
    bad = [name for name in frame if not np.isfinite(frame[name]).all()]
    if bad:
        raise ValueError(f"values: expected finite values, found some in {bad[0]} that are not; drop those places")
    frame = frame.sort_values("index", kind="stable")
    weight = frame.pop("weight")
    part = np.minimum(PARTS * (weight.cumsum() - weight / 2) / weight.sum(), PARTS - 0.5).astype(int)
    sums = frame.mul(weight, axis=0).groupby(part).sum()
    return sums.div(weight.groupby(part).sum(), axis=0).rename_axis("part")
