"""Folds: which samples are tested together, in a ladder from the most forgiving rule to the strictest.

A *fold* is a set of samples that one network never sees and is tested on. Every function here gives a number from 0 to
k − 1 to each sample; `masks.train_masks` turns those into the samples that each of the k networks may learn from.
Rules that take ``groups`` keep each group in one fold. Every draw comes from the generator that is passed in.

>>> folds = grouped_folds(["a", "a", "b", "b", "c", "d"], k=2, rng=np.random.default_rng(0))
>>> np.bincount(folds).tolist(), bool(folds[0] == folds[1] != folds[2] == folds[3])
([3, 3], True)
>>> year_folds([2003, 2004, 2005, 2006, 2003], k=2).tolist()
[0, 0, 1, 1, 0]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GroupKFold

from helpers.labels import indexed
from helpers.splits.masks import check_k


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
