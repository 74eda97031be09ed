"""Claims and numbers about Figs 4 and 5 and Tables 2 and 3: where RECO and NPP rise, and how steeply."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from helpers import regions
from helpers.claims.reading import CLOSE, GLOBE, NORTH, SHORT, SOUTH, TROPICS, Claim, Part, Share, more_there

NORTH_LOSING = ("US west coast", "Eastern North America", "Central Europe", "Central Russia", "South-western Russia")
TROPICS_LOSING = (
    "Southern tip of North America",
    "Amazonia",
    "Eastern Brazil",
    "Central Africa",
    "Eastern India",
    "South-eastern China",
    "South-east Asia",
)


def trend_numbers(slopes: pd.DataFrame, rising: pd.Series, held: pd.Series, level: float) -> dict[str, float]:
    """Return this run's counterparts of the numbers that the paper states on trends, by their ids.

    Parameters
    ----------
    slopes : DataFrame
        As in `on_annual_means`.
    rising : Series
        By ("reco" or "npp", region): share with a rising trend (%).
    held : Series
        By band: share of all land that lies in it (%). All three count cells alike, as the paper does, or all by area.
    level : float
        p-value below which a trend is called significant.

    Returns
    -------
    dict
        For `reported.beside`; the paper prints no slopes of the southern band, so none stand here.
    """
    found = {"band_limit": regions.BANDS[TROPICS][1], "map_p": level}
    for name, region in SHORT.items():
        for v in ("reco", "npp"):
            found[f"{name}_{v}_p"] = slopes["p"][region, v.upper()]
            if region != SOUTH:
                found[f"{name}_{v}_slope"] = slopes["z_slope"][region, v.upper()]
        if region != GLOBE:
            found[f"{name}_area"] = held[region]
            found[f"{name}_excess"] = rising["npp", region] - rising["reco", region]
    return found


def on_annual_means(slopes: pd.DataFrame, level: float, years: int) -> dict[str, Claim]:
    """Read the claims about the lines of Fig. 4 (Results, paragraphs 6 to 13), for `judge`.

    Parameters
    ----------
    slopes : DataFrame
        By (region, "RECO" or "NPP"): ``z_slope`` (yr-1) and ``p`` of the annual means.
    level : float
        p-value below which a trend is called significant: its slope then lies further from zero than its margin.
    years : int
        Length of the record.
    """
    z, p, names = slopes["z_slope"], slopes["p"], {region: name for name, region in SHORT.items()} | {GLOBE: "globe"}
    critical, found = stats.t.isf(level / 2, years - 2), stats.t.isf(p / 2, years - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = pd.Series(np.abs(z) * critical / found, slopes.index)  # the slope at which p would be the level

    def rises(region: str, v: str) -> Part:
        what = f"z-slope of {v}, {names[region]} (yr-1)"
        return Part(what, z[region, v], 0.0, margin=float(least[region, v]), digits=3)

    def lead(region: str) -> float:
        return (z[region, "NPP"] - z[region, "RECO"]) / max(abs(z[region, "NPP"]), abs(z[region, "RECO"]))

    def weaker(v: str) -> Part:
        what = f"z-slope of {v}, south, against the least of the others (yr-1)"
        return Part(what, z[SOUTH, v], min(z[b, v] for b in (GLOBE, NORTH, TROPICS)), below=True, digits=3)

    more = "z-slope of NPP less RECO's, part of the larger, {}".format
    return {
        "global_reco_rises": [rises(GLOBE, "RECO")],
        "global_npp_rises": [rises(GLOBE, "NPP")],
        "global_npp_faster_slope": [Part(more("globe"), lead(GLOBE), 0.0, digits=2)],
        "north_npp_much_faster": [Part(more("north"), lead(NORTH), CLOSE, digits=2)],
        "tropics_rates_close": [
            Part(f"{more('tropics')}, either way", abs(lead(TROPICS)), CLOSE, below=True, digits=2),
            *(rises(TROPICS, v) for v in ("NPP", "RECO")),
        ],
        "south_rises_weakly": [ask for v in ("RECO", "NPP") for ask in (rises(SOUTH, v), weaker(v))],
    }


def on_shares(rising: pd.Series, classes: pd.Series) -> dict[str, Claim]:
    """Read the claims about Tables 2 and 3 (Results, paragraphs 6 to 16), for `judge`.

    Parameters
    ----------
    rising : Series
        By ("reco" or "npp", region): share of land with a rising trend (%).
    classes : Series
        By (class, region): share of land in each class (%).
    """
    npp, reco = rising["npp"], rising["reco"]
    lead, more = npp - reco, "share of rising NPP less that of RECO, {} (points)".format
    up, down = ("NPP+RECO+", "NPP+RECO-"), ("NPP-RECO+", "NPP-RECO-")
    widest = {c: max(classes[c, NORTH], classes[c, SOUTH]) for c in down}
    return {
        "reco_mostly_rises": [Part("RECO rises, globe (% of land)", reco[GLOBE], 50.0)],
        "global_sink_rising": [Part(more("globe"), lead[GLOBE], 0.0)],
        "tropics_advantage_weaker": [
            Part(f"{more('tropics')}, against the north", lead[TROPICS], lead[NORTH], below=True)
        ],
        "north_sink_classes_wider": [
            Part(f"{c}, north (% of land), against the tropics", classes[c, NORTH], classes[c, TROPICS]) for c in up
        ],
        "tropics_falling_classes_highest": [
            Part(f"{c}, tropics (% of land), against the wider other", classes[c, TROPICS], widest[c]) for c in down
        ],
    }


def on_places(npp_falls: xr.DataArray, at_risk: xr.DataArray, part: Share) -> dict[str, Claim]:
    """Read the claims about where trends lie (Results, paragraphs 7 and 16), for `judge`.

    Parameters
    ----------
    npp_falls, at_risk : DataArray (lat, lon), bool
        Where NPP falls; where NPP falls and RECO rises.
    part : callable
        From `parts`.
    """
    return {
        "npp_falls_in_amazon": [
            Part("NPP falls, globe (% of land)", part(npp_falls, GLOBE), 50.0, below=True),
            Part("NPP falls, Amazonia (% of its land)", part(npp_falls, "Amazonia"), 50.0),
        ],
        "north_falling_places": more_there(part, npp_falls, NORTH_LOSING, NORTH),
        "tropics_falling_places": more_there(part, at_risk, TROPICS_LOSING, TROPICS),
    }
