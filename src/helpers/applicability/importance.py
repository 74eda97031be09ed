"""How much a model leans on each predictor, for the weights of the dissimilarity index."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from helpers.labels import indexed


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

    Raises
    ------
    ValueError
        Features, target and folds differ in length, a value is not finite, or there is no repeat.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45, 5-32. Fisher, A., Rudin, C. and Dominici, F. (2019). All
    models are wrong, but many are useful. J. Mach. Learn. Res. 20 (177), 1-81.
    """
    features, observed = np.asarray(features), np.asarray(observed, dtype="float64")
    labels, which = indexed(folds, "folds")
    if features.ndim < 2 or len(features) == 0 or not features.shape[:1] == observed.shape == which.shape:
        raise ValueError(
            f"features, observed, folds: expected (sample, predictor, …) and one value and fold a sample, found shapes "
            f"{features.shape}, {observed.shape} and {which.shape}; pair them"
        )
    if not (np.isfinite(features).all() and np.isfinite(observed).all()):
        raise ValueError("features, observed: expected finite values, found some that are not; drop those samples")
    if repeats < 1:
        raise ValueError(f"repeats: expected 1 or more, found {repeats}; 10 is usual")
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

    Parameters
    ----------
    importance : array_like (predictor,)
        From `permutation_importance`, or any other measure where more is more important.

    Returns
    -------
    ndarray (predictor,)
        Weights for `dissimilarity_index`, where only their ratios count.

    Raises
    ------
    ValueError
        A value is not finite, or none is above zero.
    """
    values = np.asarray(importance, dtype="float64")
    if values.ndim != 1 or not np.isfinite(values).all() or not (values > 0).any():
        raise ValueError(
            "importance: expected a finite value a predictor, some above zero, found none; no predictor tells anything"
        )
    kept = np.maximum(values, 0.0)
    return kept / kept.sum()
