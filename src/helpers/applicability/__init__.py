"""Where a map may be believed: how unlike the training data a place is, and up to where the model was tested.

A model can be asked anything, also about places unlike all that it has seen. The dissimilarity index measures how far a
place is, in the space of predictors, from what the model has learned from; the area of applicability is where that is
no farther than in the model's own cross-validation (Meyer and Pebesma 2021).

>>> import numpy as np
>>> train = np.array([[0.0], [1.0], [2.0], [3.0]])
>>> limit = threshold(training_dissimilarity(train, folds=[0, 1, 0, 1]))
>>> area_of_applicability(dissimilarity_index(train, [[1.4], [7.0]]), limit).tolist()
[True, False]
"""

from helpers.applicability.curves import by_index
from helpers.applicability.dissimilarity import (
    area_of_applicability,
    dissimilarity_index,
    threshold,
    training_dissimilarity,
)
from helpers.applicability.importance import importance_weights, permutation_importance

__all__ = [
    "area_of_applicability",
    "by_index",
    "dissimilarity_index",
    "importance_weights",
    "permutation_importance",
    "threshold",
    "training_dissimilarity",
]
