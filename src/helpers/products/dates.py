"""Which dates make a year, and how much of the year each of them stands for.

A product of months, of 8-day periods or of days gives a year's mean only when all its dates are there. Each date
stands for the days until the next one, and the last for those until the year ends: January counts 31 days, the 8-day
period that begins on day 361 counts 5 (6 in a leap year).

>>> expected_days(2001, "8-day")[-2:], days_of([1, 32, 60], 2001)
([353, 361], [31, 28, 306])
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from helpers.products.errors import ProductError


def days_in_year(year: int) -> int:
    """Return 365 or 366."""
    return 366 if calendar.isleap(year) else 365


def month_starts(year: int) -> list[int]:
    """Return the day of the year on which each month begins."""
    return [date(year, month, 1).timetuple().tm_yday for month in range(1, 13)]


def expected_days(year: int, step: str) -> list[int]:
    """Return the days of the year on which a product of this step has a date.

    Parameters
    ----------
    step : {"daily", "8-day", "monthly", "yearly"}
    """
    match step:
        case "daily":
            return list(range(1, days_in_year(year) + 1))
        case "8-day":
            return list(range(1, 366, 8))
        case "monthly":
            return month_starts(year)
        case "yearly":
            return [1]
    raise ValueError(f"step: expected daily, 8-day, monthly or yearly, found {step!r}")


def days_of(days: Sequence[int], year: int) -> list[int]:
    """Return how many days each date stands for: those until the next one, or until the year ends."""
    ends = [*days[1:], days_in_year(year) + 1]
    return [end - begin for begin, end in zip(days, ends, strict=True)]


def weights(days: Sequence[int], year: int, step: str, dates_per_year: int | None = None) -> list[int]:
    """Return the days that each date of a product stands for, also where others are missing.

    A date of a full product keeps its own period: a neighbour doesn't speak for a month that is missing. The dates of a
    thinned one (``dates_per_year``) share out the year.

    >>> weights([1, 60], 2001, "monthly"), weights([1, 60], 2001, "monthly", dates_per_year=2)
    ([31, 31], [59, 306])
    """
    if dates_per_year is not None:
        return days_of(days, year)
    expected = expected_days(year, step)
    period = dict(zip(expected, days_of(expected, year), strict=True))
    return [period[day] for day in days]


def _named(year: int, days: Iterable[int], step: str) -> str:
    days = sorted(days)
    shown = days[:6]
    first = date(year, 1, 1)
    style = "%Y-%m" if step == "monthly" else "%Y-%m-%d"
    text = ", ".join((first + timedelta(days=d - 1)).strftime(style) for d in shown)
    return text + (f" and {len(days) - len(shown)} more" if len(days) > len(shown) else "")


def require_year(
    what: str,
    year: int,
    days: Iterable[int],
    step: str,
    *,
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> str:
    """Refuse a year whose dates are not all there, or not those of the product.

    Parameters
    ----------
    what : str
        Product (and tile) that the message names.
    days : iterable of int
        Days of the year for which there is a file; at least one.
    allow_partial : bool
        Let a year pass of which dates are missing.
    dates_per_year : int, optional
        A thinned product: so many dates make a year, whichever they are.

    Returns
    -------
    str
        Which dates are missing, in words; empty where none is.

    Raises
    ------
    ProductError
        Dates are missing, or are no dates of the product; the message names them.
    """
    missing = _missing(what, year, set(days), step, dates_per_year)
    if missing and not allow_partial:
        add = "add the missing files" if dates_per_year else "add them"
        raise ProductError(f"{what} {year}: {missing}; {add}, or pass allow_partial=True")
    return missing


def _missing(what: str, year: int, days: set[int], step: str, dates_per_year: int | None) -> str:
    """Say which dates a year lacks."""
    expected = set(expected_days(year, step))
    strange = days - expected
    if strange and dates_per_year is None:
        raise ProductError(
            f"{what} {year}: expected dates of {step} files, found day {min(strange)} of the year too; "
            "remove it, or fetch it again"
        )
    if dates_per_year is not None:
        return (
            ""
            if len(days) == dates_per_year
            else f"expected {dates_per_year} dates (dates_per_year), found {len(days)}"
        )
    lacking = expected - days
    return f"{len(lacking)} of {len(expected)} dates are missing ({_named(year, lacking, step)})" if lacking else ""
