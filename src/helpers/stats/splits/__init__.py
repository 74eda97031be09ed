"""Splits: which samples are one place, and which of them are tested together.

The score of a network depends on who sets its exam. This room holds the ladder of rules: random folds, folds of whole
places, of regions, of years, and folds that lie as far from the training data as the map does. It also measures how far
that is.

>>> import numpy as np
>>> places = window_groups([51.08, 51.10, 52.17], [10.45, 10.40, 5.74])
>>> folds = grouped_folds(places, k=2, rng=np.random.default_rng(1))
>>> bool(folds[0] == folds[1] != folds[2]), divided(folds, places).size
(True, 0)
"""

from helpers.stats.splits.folds import (
    block_folds,
    blocks,
    divided,
    grouped_folds,
    place_groups,
    random_folds,
    region_folds,
    train_masks,
    window_groups,
    year_folds,
)
from helpers.stats.splits.matching import Matching, fold_distances, knndm, wasserstein
from helpers.stats.splits.sphere import nearest_distances, weighted_ecdf

__all__ = [
    "Matching",
    "block_folds",
    "blocks",
    "divided",
    "fold_distances",
    "grouped_folds",
    "knndm",
    "nearest_distances",
    "place_groups",
    "random_folds",
    "region_folds",
    "train_masks",
    "wasserstein",
    "weighted_ecdf",
    "window_groups",
    "year_folds",
]
