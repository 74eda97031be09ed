"""How words become tests: the sizes behind *close* and *much*, the places behind names, and what a verdict is.

A claim hangs on parts: numbers that have to pass a limit, by more than a margin. It holds when every part passes,
does not hold when one fails by more than its margin, and is open in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats

from helpers import regions

CLOSE = 0.25
VAST = 10.0
NEAR = 25.0
FAR = 50.0
EDGE = 5.0
"""Percentage points by which a process model has to pass `NEAR` or `FAR`."""
FEWEST = 30
"""Cells that a biome needs before its rank is compared."""
CONFIDENCE = 0.9
"""Of the two-sided intervals whose half width is a margin."""

GLOBE, NORTH, TROPICS, SOUTH = regions.BANDS

SHORT = {"global": GLOBE, "north": NORTH, "tropics": TROPICS, "south": SOUTH}
"""How the ids of data/reported/numbers.csv call the globe and its bands."""

Verdict = tuple[str, str]
Share = Callable[..., float]


@dataclass(frozen=True)
class Part:
    """A number that a claim hangs on.

    Parameters
    ----------
    what : str
        The number, with its unit and place.
    value, limit : float
        The number, and what it has to exceed (``below``: to stay under); NaN when it can't be had.
    below : bool
        Which side of the limit the claim is on.
    margin : float, optional
        By how much it has to pass, in its unit; NaN when nobody knows. When left out, `judge` finds it.
    digits : int
        Decimals to show.
    """

    what: str
    value: float
    limit: float
    below: bool = False
    margin: float | None = None
    digits: int = 1

    @property
    def gap(self) -> float:
        """By how much the limit is passed; below zero when it isn't."""
        return float(self.limit - self.value if self.below else self.value - self.limit)

    def shown(self, margin: float) -> str:
        """Write the number with its margin and its limit."""
        value, limit, margin = (
            "unknown" if np.isnan(x) else f"{x:.{self.digits}f}" for x in (self.value, self.limit, margin)
        )
        return f"{self.what}: {value} ± {margin}, needs {'<' if self.below else '>'} {limit}".replace(" -", " −")


Claim = Sequence[Part] | Verdict


def judge(claims: Mapping[str, Claim], left_out: Sequence[Mapping[str, Claim]] = ()) -> dict[str, Verdict]:
    """Give each claim its verdict, and show the part that decides it.

    Parameters
    ----------
    claims : mapping of id to sequence of Part
        From all data. A verdict that was given already is handed on.
    left_out : sequence of such mappings
        The same claims from the data without one year, each year in turn. The margin of a part is then the half width
        of the jackknife's interval for its gap, with Student's t; without them it is zero.

    Returns
    -------
    dict of id to (verdict, what decided it)

    Notes
    -----
    The jackknife (Efron & Stein 1981, doi:10.1214/aos/1176345462) takes years as independent of each other. All cells
    lose the same year, so that weather which neighbours share is in the margin.
    """
    found = {}
    for name, claim in claims.items():
        if isinstance(claim, tuple):
            found[name] = claim
            continue
        known = [_of_all(part, [other[name][k] for other in left_out]) for k, part in enumerate(claim)]
        # the part that fails by most, or passes by least, in units of its margin
        passed = [part.gap / margin if margin else part.gap and np.copysign(np.inf, part.gap) for part, margin in known]
        decides, margin = known[int(np.argmin(np.nan_to_num(passed, nan=-np.inf)))]
        if np.isnan([part.gap for part, _ in known]).any():
            found[name] = ("not testable here", f"{decides.what}: no cells")
        elif any(part.gap < -margin for part, margin in known):
            found[name] = ("does not hold", decides.shown(margin))
        else:
            sure = all(part.gap > margin for part, margin in known)
            found[name] = ("holds" if sure else "open", decides.shown(margin))
    return found


def _of_all(part: Part, others: Sequence[Part]) -> tuple[Part, float]:
    """Return a part and its margin."""
    if part.margin is not None:
        return part, part.margin
    if not others:
        return part, 0.0
    gaps, n = np.array([other.gap for other in others]), len(others)
    error = np.sqrt((n - 1) / n * ((gaps - gaps.mean()) ** 2).sum())
    return part, float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * error)


def says(holds: bool, found: str) -> Verdict:
    """Turn a test and its finding into a verdict."""
    return ("holds" if holds else "does not hold", found)


def parts(static: xr.Dataset, counted: xr.DataArray) -> Share:
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


def more_there(part: Share, condition: xr.DataArray, places: tuple[str, ...], band: str) -> Claim:
    """Ask whether a condition holds over a larger share of the named places, taken together, than of their band."""
    return [Part("named places (% of their land), against their band", part(condition, *places), part(condition, band))]


def most_of_each(part: Share, condition: xr.DataArray, places: tuple[str, ...]) -> Claim:
    """Ask whether a condition holds over more than half of each of the named places."""
    return [Part(f"{place} (% of its land)", part(condition, place), 50.0) for place in places]
