"""Which numbers mean "no value": compared as numbers, however they are written, with what a variable can physically be.

Tables and files mark gaps by a number that cannot be one: -9999, 1e30. They write it with decimals (-9999.000), cut it
(-999.9, -99) and seldom declare it. Here alone it is decided which numbers are such; `registry.limits` says what each
variable of the book can be.
"""

from __future__ import annotations

import numpy as np

HUGE = 1e15
"""Beyond this no variable of the book has a value: CRU marks gaps by 9.97e36, SPEIbase by 1e30, CMIP by 1e20."""

TEXTS = (
    *(
        "",
        "-",
        "--",
        "---",
        ".",
        "?",
        "*",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "<na>",
        "nan",
        "null",
        "\\n",
        "none",
        "nil",
        "nd",
    ),
    *("inf", "-inf", "+inf", "infinity", "-infinity", "missing", "no data", "nodata"),
)
"""How tables write a missing number in words, in lower case."""

NINES = np.array([99, 999, 9999, 99999, 999999], "float64")
"""Whole parts of the numbers that mark gaps; decimals follow (-999.9), or come of arithmetic on the fill (-9999.4)."""

CLOSE = 1e-6
"""Relative difference of two numbers that are one: single precision keeps seven digits."""


def _marks(values: np.ndarray) -> np.ndarray:
    """Say which numbers are written in nines alone: ±99, -9999, -999.9, 99.99."""
    out = np.zeros(values.shape, bool)
    for whole in NINES:
        for mark in (whole, whole + 0.9, whole + 0.99, whole + 0.999):
            out |= np.abs(np.abs(values) - mark) <= CLOSE * mark
    return out


def fills(
    values: np.ndarray,
    limits: tuple[float, float] = (-np.inf, np.inf),
    scale: float = 1.0,
    *,
    lone: bool = False,
) -> np.ndarray:
    """Say which numbers mean "no value"; NaN does.

    Parameters
    ----------
    values : ndarray (…)
        Numbers as stored.
    limits : (float, float)
        What the variable can be, in the book's units; a mark of gaps within them is a value.
    scale : float
        What stored numbers are multiplied by to reach these units.
    lone : bool
        Take ±9999, -999 and their kin for a gap within the limits too, and -99 where no other number is below zero: a
        column of RECO in grams.

    Returns
    -------
    ndarray of bool (…)
        The rest are values, or wrong: see `csv_columns.numbers_of` and `netcdf.within`, which refuse those.

    Examples
    --------
    >>> fills(np.array([12.5, -9999.000, -99, 1e30, 300]), limits=(-90, 60)).tolist()
    [False, True, True, True, False]
    >>> fills(np.array([812, -99, -999.9]), limits=(-5, 15), scale=0.001, lone=True).tolist()
    [False, True, True]
    """
    values = np.asarray(values, "float64")
    with np.errstate(invalid="ignore", over="ignore"):
        none = ~(np.abs(values) < HUGE)
        low, high = sorted(limit / scale for limit in limits)
        outside = (values < low) | (values > high)
        marks = _marks(values)
        for whole in NINES[1:]:  # what arithmetic leaves of -9999 is one as well
            none |= outside & (values <= -whole) & (values > -whole - 1)
        none |= outside & marks
        negative = (values < 0) & ~none
        known = limits != (-np.inf, np.inf)
        if lone and known:
            none |= marks & (np.abs(values) >= 9999)
        if lone or not known:  # three nines or more are no chance
            none |= negative & marks & (values <= -999)
        if lone and not (negative & ~marks).any():
            none |= negative & marks
    return none
