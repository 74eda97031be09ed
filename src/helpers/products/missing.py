"""Which numbers mean "no value": compared as numbers, however they are written, with what a variable can be.

Tables and files mark gaps by a number that cannot be one: -9999, 1e30. They write it with decimals (-9999.000), cut it
(-999.9, -99) and seldom declare it. Here alone it is decided which numbers are such; `registry.limits` says what each
variable of the book can be. Of a variable that the registry doesn't know, the column's other numbers say it.
"""

from __future__ import annotations

import numpy as np

from helpers.stats.labels import GAPS

HUGE = 1e15
"""Beyond this no variable of the book has a value: CRU marks gaps by 9.97e36, SPEIbase by 1e30, CMIP by 1e20."""

TEXTS = (*GAPS, "inf", "-inf", "+inf", "infinity", "-infinity")
"""How tables write a missing number in words, in lower case."""

NINES = np.array([99, 999, 9999, 99999, 999999], "float64")
"""Whole parts of the numbers that mark gaps; decimals follow (-999.9), or come of arithmetic on the fill (-9999.4)."""

OTHERS = (-9.99, -3000, -6999, -7777, -8888, 65535, *(10.0**k for k in range(10, 15)))
OTHERS += (-32768, -32767, 32767, -2147483648, 2147483647)
"""Further marks: of loggers, and the ends of what whole numbers of two and four bytes hold."""

SEVERAL, MANY = 3, 10
"""A mark among possible values is a gap when it is so many times as large as any other number: of a variable that the
registry knows, and of one that nobody knows."""

CLOSE = 1e-6
"""Relative difference of two numbers that are one: single precision keeps seven digits."""


def _marks(values: np.ndarray) -> np.ndarray:
    """Say which numbers are written in nines alone (±99, -9999, -999.9, 99.99), or are other usual marks of gaps."""
    out = np.zeros(values.shape, bool)
    for whole in NINES:
        for mark in (whole, whole + 0.9, whole + 0.99, whole + 0.999):
            out |= (np.abs(np.abs(values) - mark) <= CLOSE * mark) & (np.abs(values) < whole + 1)  # 1e5 is a value
    for mark in OTHERS:
        out |= np.abs(values - mark) <= CLOSE * abs(mark)
    return out


def fills(values: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf), scale: float = 1.0) -> np.ndarray:
    """Say which numbers mean "no value"; NaN does.

    A mark of gaps (`NINES`, `OTHERS`) outside the variable's limits is one. Within them it is judged by the column's
    other numbers:

    - *Fluxes*, whose limits lie below zero for noise alone: a negative mark is a gap where no other number is negative,
      or where it lies further below all others than these lie apart. So is one of three digits or more below them all.
    - *Other variables with limits*: a negative mark of three digits or more is a gap where it lies so far below.
    - *Variables without limits*: a negative mark is a gap where no other number is negative, where it lies further
      below all others than these are large, or where it has three digits or more and lies below them all.
    - A positive mark is a gap where it is `SEVERAL` times as large as any other number (`MANY` times, and of three
      digits or more, without limits).
    - *Shares*, of 0 to 1: 99 is a wrong number, in percent, and no gap.

    Parameters
    ----------
    values : ndarray (…)
        Numbers as stored: a whole column, since numbers are judged by the others.
    limits : (float, float)
        What the variable can be, in the book's units.
    scale : float
        What stored numbers are multiplied by to reach these units.

    Returns
    -------
    ndarray of bool (…)
        The rest are values, or wrong: the readers refuse those.

    Examples
    --------
    >>> fills(np.array([12.5, -9999.000, -99, 1e30, 300]), limits=(-90, 60)).tolist()
    [False, True, True, True, False]
    >>> fills(np.array([812, -99, -999.9]), limits=(-5, 15), scale=0.001).tolist()
    [False, True, True]
    >>> fills(np.array([-5.2, 3, -99, 9999.9])).tolist(), fills(np.array([-400, 200, -99, 999])).tolist()
    ([False, False, True, True], [False, False, False, False])
    """
    shape, values = np.shape(values), np.ravel(np.asarray(values, "float64"))
    with np.errstate(invalid="ignore", over="ignore"):
        none = ~(np.abs(values) < HUGE)
        low, high = sorted(limit / scale for limit in limits)
        outside = ~none & ((values < low) | (values > high))
        marks = _marks(values[outside])
        if tuple(limits) == (0, 1):
            marks &= ~((values[outside] > 0) & (values[outside] < 100))
        for whole in NINES[1:]:  # what arithmetic leaves of -9999 is one as well
            marks |= (values[outside] <= -whole) & (values[outside] > -whole - 1)
        none[outside] = marks
        inside = ~none & ~outside
        none[inside] = _odd(values[inside], low, high)
    return none.reshape(shape)


def _odd(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Say which marks of gaps lie so far from the other numbers, all within the limits, that they are none of them."""
    known = np.isfinite(low) or np.isfinite(high)
    noise = known and low < 0 and -2 * low <= high  # a variable of both signs has limits on both sides of zero alike
    marks = _marks(values)
    if not known:
        marks |= (values <= -9999) & (values > -10000)
    others = values[~marks]
    if not others.size:  # nothing to judge by: only what is sure
        return marks & (values <= (-99 if noise or low == 0 else -999))
    least, size = others.min(), np.abs(others).max()
    reach = others.max() - least if known else size
    far = (values < least) & (least - values > reach)
    gaps = far & (values <= -999)
    if noise or not known:
        gaps |= (values <= -99) & ~(others < 0).any()  # -9.99 may be the one frost of a warm year
        gaps |= (values < 0) & (far | ((values < least) & (values <= -999)))
    gaps |= (values > SEVERAL * size) & (values >= 99.9) if known else (values > MANY * size) & (values >= 999)
    return marks & gaps
