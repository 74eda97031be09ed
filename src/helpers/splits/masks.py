"""Folds as masks: which samples train, and whether a place is on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.labels import indexed


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
