"""Claims and numbers about Figs 4 and 5 and Tables 2 and 3: where RECO and NPP rise, and how steeply."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from helpers import regions
from helpers.claims.reading import CLOSE, GLOBE, NORTH, SHORT, SOUTH, TROPICS, Part, Verdict, more_there, says

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


def on_annual_means(slopes: pd.DataFrame, level: float) -> dict[str, Verdict]:
    """Give verdicts on the claims about the lines of Fig. 4 (Results, paragraphs 6 to 13).

    Parameters
    ----------
    slopes : DataFrame
        By (region, "RECO" or "NPP"): ``z_slope`` (yr-1) and ``p`` of the annual means.
    level : float
        p-value below which a trend is called significant.
    """
    z, p = slopes["z_slope"], slopes["p"]
    line = {key: f"{key[1]}: slope {z[key]:.3f}, p = {p[key]:.2g}" for key in slopes.index}
    pair = {b: f"{line[b, 'NPP']}; {line[b, 'RECO']}" for b in regions.BANDS}
    sure = {key: z[key] > 0 and p[key] < level for key in slopes.index}
    gap = {b: (z[b, "NPP"] - z[b, "RECO"]) / max(abs(z[b, "NPP"]), abs(z[b, "RECO"])) for b in regions.BANDS}
    close = abs(gap[TROPICS]) < CLOSE
    weak = all(z[SOUTH, v] > 0 and p[SOUTH, v] > max(p[b, v] for b in (GLOBE, NORTH, TROPICS)) for v in ("RECO", "NPP"))
    return {
        "global_reco_rises": says(sure[GLOBE, "RECO"], line[GLOBE, "RECO"]),
        "global_npp_rises": says(sure[GLOBE, "NPP"], line[GLOBE, "NPP"]),
        "global_npp_faster_slope": says(gap[GLOBE] > 0, pair[GLOBE]),
        "north_npp_much_faster": says(gap[NORTH] >= CLOSE, pair[NORTH]),
        "tropics_rates_close": says(close and sure[TROPICS, "NPP"] and sure[TROPICS, "RECO"], pair[TROPICS]),
        "south_rises_weakly": says(weak, pair[SOUTH]),
    }


def on_shares(rising: pd.Series, classes: pd.Series) -> dict[str, Verdict]:
    """Give verdicts on the claims about Tables 2 and 3 (Results, paragraphs 6 to 16).

    Parameters
    ----------
    rising : Series
        By ("reco" or "npp", region): share of land with a rising trend (%).
    classes : Series
        By (class, region): share of land in each class (%).
    """
    npp, reco = rising["npp"], rising["reco"]
    lead = npp - reco
    kind = {c: [classes[c, b] for b in (NORTH, TROPICS, SOUTH)] for c in classes.index.unique(0)}
    told = {c: "{}: {:.0f}, {:.0f}, {:.0f} % in north, tropics, south".format(c, *three) for c, three in kind.items()}
    up, down = ("NPP+RECO+", "NPP+RECO-"), ("NPP-RECO+", "NPP-RECO-")
    wider = all(kind[c][0] > kind[c][1] for c in up)
    highest = all(kind[c][1] == max(kind[c]) for c in down)
    return {
        "reco_mostly_rises": says(reco[GLOBE] > 50, f"RECO rises over {reco[GLOBE]:.0f} % of the land"),
        "global_sink_rising": says(lead[GLOBE] > 0, f"rising: NPP {npp[GLOBE]:.0f} %, RECO {reco[GLOBE]:.0f} %"),
        "tropics_advantage_weaker": says(
            lead[TROPICS] < lead[NORTH],
            f"lead of {lead[TROPICS]:.0f} points in the tropics, {lead[NORTH]:.0f} in the north",
        ),
        "north_sink_classes_wider": says(wider, "; ".join(told[c] for c in up)),
        "tropics_falling_classes_highest": says(highest, "; ".join(told[c] for c in down)),
    }


def on_places(npp_falls: xr.DataArray, at_risk: xr.DataArray, part: Part) -> dict[str, Verdict]:
    """Give verdicts on the claims about where trends lie (Results, paragraphs 7 and 16).

    Parameters
    ----------
    npp_falls, at_risk : DataArray (lat, lon), bool
        Where NPP falls; where NPP falls and RECO rises.
    part : callable
        From `parts`.
    """
    globe, amazon = part(npp_falls, GLOBE), part(npp_falls, "Amazonia")
    return {
        "npp_falls_in_amazon": says(
            globe < 50 < amazon, f"NPP falls over {globe:.0f} % of the land, {amazon:.0f} % of Amazonia"
        ),
        "north_falling_places": more_there(part, npp_falls, NORTH_LOSING, NORTH),
        "tropics_falling_places": more_there(part, at_risk, TROPICS_LOSING, TROPICS),
    }
