"""The paper's claims in words, read as tests on numbers.

A claim can only get a verdict once its words are numbers. The readings are ours and stand in one table,
``data/reported/tests.csv``: which quantity, where, has to exceed or stay below which limit. A chapter works the
quantities out, `read` looks up what each claim hangs on, and `judge` gives the verdict: a claim holds or fails only
beyond the margin of its numbers; in between it is open.

Every margin is the half width of a two-sided interval of `CONFIDENCE`, with Student's t, for what the number was
averaged or fitted over: the seeds of chapter 3, the members of a map in chapter 5, the years of a line in chapter 6,
and the years that are left out in turn in chapters 6 and 7 (`skill.jackknife`). Counts, and numbers about the process
models, which are no sample of anything, have none.

>>> judge({"faster": [Part("lead", 0.2, 0.0, margin=0.1)]})
{'faster': ('holds', 'lead: 0.2 ± 0.1, needs > 0')}
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from helpers import reported
from helpers.space import regions
from helpers.stats.skill import jackknife

CONFIDENCE = 0.9
"""Of the two-sided intervals whose half width is a margin."""

Verdict = tuple[str, str]
Share = Callable[..., float]
Numbers = Mapping[str, float | Mapping[str, float] | Share]


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
    """

    what: str
    value: float
    limit: float
    below: bool = False
    margin: float | None = None

    @property
    def gap(self) -> float:
        """By how much the limit is passed; below zero when it isn't."""
        return float(self.limit - self.value if self.below else self.value - self.limit)

    def shown(self, margin: float) -> str:
        """Write the number with its margin and its limit."""
        value, limit, about = ("unknown" if np.isnan(x) else f"{x:.3g}" for x in (self.value, self.limit, margin))
        about = f" ± {about}" if margin else ""
        return f"{self.what}: {value}{about}, needs {'<' if self.below else '>'} {limit}".replace(" -", " −")


Claim = Sequence[Part] | Verdict


def read(chapter: str, numbers: Numbers) -> dict[str, Claim]:
    """Return what each claim of a chapter hangs on, by ``data/reported/tests.csv``.

    Parameters
    ----------
    chapter : str
        Two digits, "03" to "07".
    numbers : mapping of str to float, mapping or callable
        By quantity: a number; numbers by place, NaN where there is none; or a function of one or more names of places,
        such as `parts` gives.

    Returns
    -------
    dict of id to sequence of Part, or to a verdict that no number can change

    Raises
    ------
    ValueError
        The table names a quantity or a place that isn't there.
    """
    path = reported.FOLDER / "tests.csv"

    def number(text: str, where: str = "") -> float:
        """Return what a cell of the table stands for: a number, or a quantity of ``numbers``."""
        if _is_number(text):
            return float(text)
        if text not in numbers:
            raise ValueError(f"{path}: expected a quantity of chapter {chapter}, found {text!r}; correct it")
        of = numbers[text]
        if callable(of):
            return float(of(*where.split(" + ")))
        if hasattr(of, "get") and where not in of:
            raise ValueError(f"{path}: expected a place that has {text!r}, found {where!r}; correct it")
        return float(of[where] if hasattr(of, "get") else of)

    found: dict[str, Claim] = {}
    tests = pd.read_csv(path, dtype=str, keep_default_na=False)
    for row in tests[tests["id"].isin(reported.claims(chapter)["id"])].itertuples():
        if not row.comparison:
            found[row.id] = ("not testable here", row.quantity)
            continue
        for where, limit in product(row.where.split("; "), row.limit.split("; ")):
            elsewhere = not _is_number(limit)  # the same quantity at another place
            place = "the places named, together" if " + " in where else where
            what = ", ".join(filter(None, [row.quantity, place, f"against {limit}" if elsewhere else ""]))
            places = [where, limit] if elsewhere else [where]
            margin = float(np.hypot.reduce([number(row.margin, each) for each in places])) if row.margin else None
            against = number(row.quantity, limit) if elsewhere else number(limit)
            part = Part(what, number(row.quantity, where), against, row.comparison == "<", margin)
            found.setdefault(row.id, []).append(part)
    return found


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "").isdigit()


def judge(
    claims: Mapping[Hashable, Claim], left_out: Sequence[Mapping[Hashable, Claim]] = ()
) -> dict[Hashable, Verdict]:
    """Give each claim its verdict, and show the part that decides it.

    Parameters
    ----------
    claims : mapping of id to sequence of Part
        From all data. A verdict that was given already is handed on.
    left_out : sequence of such mappings
        The same claims from the data without one year, each year in turn: the margin of a part's gap is then the
        jackknife's. All cells lose the same year, so that weather which neighbours share is in it. Without them it is
        zero.

    Returns
    -------
    dict of id to (verdict, what decided it)
    """
    found = {}
    for name, claim in claims.items():
        if isinstance(claim, tuple):
            found[name] = claim
            continue
        if unknown := [part for part in claim if np.isnan(part.gap)]:
            found[name] = ("not testable here", f"{unknown[0].what}: not known here")
            continue
        known = []
        for k, part in enumerate(claim):
            again = jackknife([other[name][k].gap for other in left_out], CONFIDENCE) if left_out else 0.0
            known.append((part, again if part.margin is None else part.margin))
        # the part that fails by most, or passes by least, in units of its margin
        passed = [part.gap / margin if margin else part.gap and np.copysign(np.inf, part.gap) for part, margin in known]
        decides, margin = known[int(np.argmin(np.nan_to_num(passed, nan=-np.inf)))]
        if any(part.gap < -margin for part, margin in known):
            found[name] = ("does not hold", decides.shown(margin))
        else:
            sure = all(part.gap > margin for part, margin in known)
            found[name] = ("holds" if sure else "open", decides.shown(margin))
    return found


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
    where = {next(iter(regions.BANDS)): np.ones(counted.shape, bool)}
    where |= regions.places(static.lat, static.lon)
    where |= regions.groups(static.band, dict(enumerate(regions.BAND_NAMES)))
    where |= regions.groups(static.economy, dict(enumerate(regions.ECONOMIES, start=1)))

    def part(condition: xr.DataArray, *names: str) -> float:
        if unknown := [name for name in names if name not in where]:
            raise ValueError(f"place: expected one of {', '.join(where)}, found {unknown[0]!r}; correct it")
        inside = {"": np.any([where[name] for name in names], axis=0)}
        return 100 * float(regions.group_shares(condition, static.area, inside, within=counted).share_area[0])

    return part


def line_numbers(slopes: pd.DataFrame, level: float, years: int) -> dict[str, Mapping[str, float]]:
    """Return the numbers about lines of annual means (Fig. 4) on which claims hang, for `read`.

    Parameters
    ----------
    slopes : DataFrame
        By (region, "RECO" or "NPP"): ``z_slope`` (yr-1) and ``p`` of the annual means.
    level : float
        p-value below which a trend is called significant: its slope then lies further from zero than its margin.
    years : int
        Length of the record.
    """
    z = slopes["z_slope"].unstack()
    critical, found = stats.t.isf(level / 2, years - 2), stats.t.isf(slopes["p"].unstack() / 2, years - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.abs(z) * critical / found  # the slope at which p would be the level
    lead = (z["NPP"] - z["RECO"]) / np.abs(z).max(axis=1)
    numbers = {f"z-slope of {v} (yr-1)": z[v] for v in z} | {f"least z-slope of {v}": least[v] for v in z}
    more = "z-slope of NPP less RECO's, part of the larger"
    return numbers | {more: lead, f"{more}, either way": np.abs(lead)}
