"""How words become tests: the sizes behind *close* and *much*, the places behind names, and what a verdict is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from helpers import regions

CLOSE = 0.25
VAST = 10.0
NEAR = 25.0
FAR = 50.0
FEWEST = 30
"""Cells that a biome needs before its rank is compared."""

GLOBE, NORTH, TROPICS, SOUTH = regions.BANDS

SHORT = {"global": GLOBE, "north": NORTH, "tropics": TROPICS, "south": SOUTH}
"""How the ids of data/reported/numbers.csv call the globe and its bands."""

Verdict = tuple[str, str]
Part = Callable[..., float]


def says(holds: bool, found: str) -> Verdict:
    """Turn a test and its finding into a verdict."""
    return ("holds" if holds else "does not hold", found)


def parts(static: xr.Dataset, counted: xr.DataArray) -> Part:
    """Return a function that gives the share of named land in which a condition holds.

    Parameters
    ----------
    static : Dataset (lat, lon)
        With ``area``, ``band`` and ``economy``.
    counted : DataArray (lat, lon), bool
        The cells that count at all.

    Returns
    -------
    callable
        ``part(condition, *names)``: percent, by area, of the counted cells that lie in any of the named places, bands
        or economies; NaN when they hold no counted cell.
    """
    where = {GLOBE: np.ones(counted.shape, bool)}
    where |= regions.places(static.lat, static.lon)
    where |= regions.groups(static.band, dict(enumerate(regions.BAND_NAMES)))
    where |= regions.groups(static.economy, dict(enumerate(regions.ECONOMIES, start=1)))

    def part(condition: xr.DataArray, *names: str) -> float:
        inside = {"": np.any([where[name] for name in names], axis=0)}
        return 100 * float(regions.group_shares(condition, static.area, inside, within=counted).share_area[0])

    return part


def more_there(part: Part, condition: xr.DataArray, places: tuple[str, ...], band: str) -> Verdict:
    """Say whether a condition holds over a larger share of the named places, taken together, than of their band."""
    there, usual = part(condition, *places), part(condition, band)
    return says(there > usual, f"{there:.0f} % of the named places, {usual:.0f} % of their band")


def most_of_each(part: Part, condition: xr.DataArray, places: tuple[str, ...]) -> Verdict:
    """Say whether a condition holds over more than half of each of the named places."""
    found = {place: part(condition, place) for place in places}
    return says(all(share > 50 for share in found.values()), listed(found))


def listed(shares: Mapping[str, float]) -> str:
    """Write named percentages one after another."""
    return "; ".join(f"{name} {np.nan if share is None else share:.0f} %" for name, share in shares.items())
