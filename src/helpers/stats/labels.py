"""Labels of samples: the site, group or fold that each belongs to. None may be missing, since a gap is no place.

Left alone, NumPy makes a fold of its own of NaN, pandas drops it, and −1, which says "none" in many libraries, becomes
a group of all that have none. Everything that takes labels takes them through here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

GAPS = (
    "", "-", "--", "---", "–", "—", ".", "?", "*", "na", "n/a", "n.a.", "n.a", "#n/a", "<na>", "nan", "-nan", "nat",
    "null", "\\n", "none", "nil", "nd", "n.d.", "n.d", "#n/d", "missing", "no data", "nodata", "#nv", "-1.#ind",
    "1.#qnan", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!",
)  # fmt: skip
"""What a missing label, or name, or cell of a table is called, in lower case and without blanks around it.

It stands here, on the lowest floor, so that tables (`products.site_table`) and labels share it.
"""


def indexed(labels: ArrayLike, name: str = "groups", size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct labels in their order, and the number of each sample's label among them.

    Parameters
    ----------
    labels : array_like (sample,)
        Text, dates, or whole numbers of 0 or more (also as floats, as a table with gaps once had them, as far as these
        tell whole numbers apart).
    name : str
        Of the parameter, for the error.
    size : int, optional
        How many samples there are.

    Returns
    -------
    distinct : ndarray (label,)
    which : ndarray of int (sample,)

    Raises
    ------
    ValueError
        The labels do not stand in a row, there is none, there are not as many as samples, or one is missing, negative
        (also as text), a fraction, too large, or of another kind than the others; the message says where.

    Examples
    --------
    >>> distinct, which = indexed(["b", "a", "b"])
    >>> distinct.tolist(), which.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    given = np.asarray(labels)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"{name}: expected one label a sample, one or more samples, found shape {given.shape}")
    if size is not None and given.size != size:
        raise ValueError(f"{name}: expected one for each of {size} samples, found {given.size}; pair them")
    hidden = np.ma.getmaskarray(labels) if np.ma.isMaskedArray(labels) else False
    _refuse(name, given, pd.isna(given) | hidden)
    if given.dtype.kind == "O":
        if pd.api.types.infer_dtype(given, skipna=False) in ("mixed", "mixed-integer"):
            _refuse(name, given, np.array([not isinstance(label, type(given[0])) for label in given]))
        given = np.array(given.tolist())
    match given.dtype.kind:
        case "f":  # beyond the largest number neighbours are one float
            whole = (given == np.floor(given)) & (given >= 0) & (given <= 2 / np.finfo(given.dtype).eps)
            _refuse(name, given, ~whole)
            given = given.astype("int64")
        case "i":
            _refuse(name, given, given < 0)
        case "U" | "S":
            given = given.astype(str)
            numbers = pd.to_numeric(pd.Series(given), errors="coerce").to_numpy("float64")
            plain = np.char.lower(np.char.strip(given))
            _refuse(name, given, np.isin(plain, GAPS) | (numbers < 0) | np.isinf(numbers))
        case "O" | "c" | "V" | "m":
            _refuse(name, given, np.ones(given.shape, bool))
    return np.unique(given, return_inverse=True)


def _refuse(name: str, given: np.ndarray, wrong: np.ndarray) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        found = given[first].item() if isinstance(given[first], np.generic) else given[first]
        raise ValueError(
            f"{name}: expected text or a whole number of 0 or more, told apart from its neighbours, for every sample, "
            f"found {found!r} for sample {first} (from 0; {int(wrong.sum())} such in all); mend or drop those"
        )
