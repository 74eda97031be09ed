"""Units of carbon fluxes as models write them, and what turns each into kg m-2 s-1 of carbon.

``kg m-2 s-1``, ``kgC/m2/s``, ``g C m-2 d-1``, ``gC m^-2 month-1``, ``umol m-2 s-1`` and their like: an amount, an area
and a time. A rate in months or years means the month or the year of the step itself, in the file's own calendar.
"""

from __future__ import annotations

import re
from pathlib import Path

import xarray as xr

from helpers.products import netcdf
from helpers.products.errors import ProductError

CARBON = 0.0120107
"""Mass of a mole of carbon, kg."""

AMOUNTS = {
    "kg": 1.0,
    "g": 1e-3,
    "mg": 1e-6,
    "mol": CARBON,
    "mmol": 1e-3 * CARBON,
    "umol": 1e-6 * CARBON,
}
"""kg of carbon in one of each; a mole of CO2 holds a mole of carbon."""

TIMES = {
    "s": ("s", "sec", "second", "seconds"),
    "h": ("h", "hr", "hour", "hours"),
    "d": ("d", "day", "days"),
    "month": ("month", "months", "mon", "mo"),
    "yr": ("yr", "year", "years", "y", "a"),
}
SECONDS = {"s": 1.0, "h": 3600.0, "d": 86400.0, "month": 30.4375 * 86400.0, "yr": 365.25 * 86400.0}
"""Seconds of each; of month and year those of a mean one, for limits only."""

LARGEST = 5e-6
"""Greatest rate that can be one (kg m-2 s-1, some 430 g m-2 d-1); beyond lie fills that a file does not declare."""

EXAMPLES = "kg m-2 s-1, g m-2 d-1, g m-2 month-1, umol m-2 s-1"


def understand(units: str) -> tuple[float, str] | None:
    """Return the kg of carbon in a unit's amount, and its time (a key of `TIMES`); None for other units.

    >>> understand("kgC/m2/s"), understand("g C m^-2 month-1"), understand("kg CO2 m-2 s-1")
    ((1.0, 's'), (0.001, 'month'), None)
    """
    plain = re.sub(r"\^|\*\*", "", units.strip()).replace("(C)", "C").replace("µ", "u").replace("μ", "u")
    plain = re.sub(r"\s*/\s*([A-Za-z]+)(\d?)", lambda found: f" {found[1]}-{found[2] or 1}", plain)
    plain = re.sub(r"[\s.·]+", " ", plain)
    found = re.fullmatch(r"(?:([Kkm]?g) ?C?|(micromol|[mu]?mol) ?(?:C|CO2)?) m-2 ([A-Za-z]+)-1", plain)
    if not found:
        return None
    amount = (found[1] or found[2]).lower().replace("micro", "u")
    time = next((key for key, names in TIMES.items() if found[3].lower() in names), None)
    return (AMOUNTS[amount], time) if time else None


def per_second(values: xr.DataArray, path: Path, *, yearly: bool) -> xr.DataArray:
    """Turn stored rates into kg m-2 s-1 of carbon, NaN for fills.

    Parameters
    ----------
    values : DataArray (time, lat, lon)
        As stored, with its units; loaded.
    yearly : bool
        Each step stands for its year; else for its month.

    Raises
    ------
    ProductError
        The units are none of a carbon flux, or numbers are larger than any ecosystem's.
    """
    units = str(values.attrs.get("units", ""))
    understood = understand(units)
    if understood is None:
        raise ProductError(f"{path}: expected {values.name} in units such as {EXAMPLES} of carbon, found {units!r}")
    amount, time = understood
    limit = LARGEST * SECONDS[time] / amount
    known = netcdf.within(values, -limit, limit, path)
    days = _days(values["time"], yearly)
    match time:
        case "month":
            return known * amount * (12 if yearly else 1) / (days * 86400.0)
        case "yr":
            return known * amount / (values["time"].dt.days_in_year * 86400.0)
    return known * amount / SECONDS[time]


def _days(time: xr.DataArray, yearly: bool) -> xr.DataArray:
    return time.dt.days_in_year if yearly else time.dt.days_in_month


def per_year(rates: xr.DataArray, path: Path, *, yearly: bool) -> xr.DataArray:
    """Add up a year's rates (kg m-2 s-1) over the seconds of each step, in the calendar of the file: kg m-2 yr-1."""
    return (rates * _days(rates["time"], yearly) * 86400.0).sum("time", skipna=False)
