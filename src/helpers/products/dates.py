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
    expected = expected_days(year, step)
    if dates_per_year is not None or not set(days) <= set(expected):
        return days_of(days, year)
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
) -> None:
    """Refuse a year whose dates are not all there.

    Parameters
    ----------
    what : str
        Product (and tile) that the message names.
    days : iterable of int
        Days of the year for which there is a file.
    allow_partial : bool
        Let any year pass that has at least one date.
    dates_per_year : int, optional
        A thinned product: so many dates make a year, whichever they are.

    Raises
    ------
    ProductError
        Dates are missing; the message names them.
    """
    days = set(days)
    if not days:
        raise ProductError(f"{what} {year}: expected files of that year, found none; check years and folder")
    if allow_partial:
        return
    if dates_per_year is not None:
        if len(days) != dates_per_year:
            raise ProductError(
                f"{what} {year}: expected {dates_per_year} dates (dates_per_year), found {len(days)}; "
                "add the missing files, or pass allow_partial=True"
            )
        return
    expected = expected_days(year, step)
    missing = set(expected) - days
    if missing:
        raise ProductError(
            f"{what} {year}: {len(missing)} of {len(expected)} dates are missing ({_named(year, missing, step)}); "
            "add them, or pass allow_partial=True"
        )
