"""Whether errors grow with the dissimilarity index: means in parts of equal weight, from familiar to strange."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def by_index(
    index: ArrayLike, values: Mapping[str, ArrayLike], weight: ArrayLike | None = None, parts: int = 10
) -> pd.DataFrame:
    """Return means of values in parts of equal weight, in the order of the dissimilarity index.

    Parameters
    ----------
    index : array_like (place,)
        From `dissimilarity_index` or `training_dissimilarity`.
    values : mapping of str to array_like (place,)
        Such as squared errors.
    weight : array_like (place,), optional
        Such as cell areas, above 0; equal if left out. A place belongs to the part that holds its middle.
    parts : int
        How many (1 to the number of places).

    Returns
    -------
    DataFrame
        A row a part that holds a place: the mean ``index``, and the mean of each of ``values``.

    Raises
    ------
    ValueError
        Lengths differ, a value is not finite, a weight is not above 0, or there are more parts than places.
    """
    columns = {"index": index, **values, "weight": np.ones(np.shape(index)) if weight is None else weight}
    sizes = {name: np.shape(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1 or len(sizes["index"]) != 1:
        raise ValueError(f"values: expected one of each a place, found shapes {sizes}; pair them")
    frame = pd.DataFrame({name: np.asarray(column, dtype="float64") for name, column in columns.items()})
    bad = [name for name in frame if not np.isfinite(frame[name]).all()]
    if bad or not (frame["weight"] > 0).all():
        found = f"some in {bad[0]} that are not" if bad else "weights of zero or less"
        raise ValueError(f"values: expected finite values and weights above 0, found {found}; drop those places")
    if not 1 <= parts <= len(frame):
        raise ValueError(f"parts: expected 1 to {len(frame)}, one a place at most, found {parts}; ask for fewer")
    frame = frame.sort_values("index", kind="stable")
    weight = frame.pop("weight")
    part = np.minimum(parts * (weight.cumsum() - weight / 2) / weight.sum(), parts - 0.5).astype(int)
    sums = frame.mul(weight, axis=0).groupby(part).sum()
    return sums.div(weight.groupby(part).sum(), axis=0).rename_axis("part")
