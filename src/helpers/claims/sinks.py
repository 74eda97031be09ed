"""Claims and numbers about Figs 6 and 7: where NPP or RECO grows faster."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from helpers import regions
from helpers.claims.reading import (
    FEWEST,
    GLOBE,
    NORTH,
    SHORT,
    SOUTH,
    TROPICS,
    VAST,
    Part,
    Verdict,
    listed,
    more_there,
    most_of_each,
    says,
)

NORTH_SINKS = ("North-eastern China", "Europe", "North America")
NORTH_RISKS = ("Central Russia", "South-western Russia", "Central North America", "Eastern North America")
TROPICS_RISKS = ("Amazonia", "Central Africa", "Eastern India", "South-eastern China", "South-east Asia")
TROPICS_SINKS = ("Central South America", "Central Africa", "China", "India")
BARE = ("URB", "SNO", "BSV", "WAT")
"""Land cover that is no vegetation, left out of the ranking of biomes."""
HIGH_BIOMES = ("DBF", "ENF", "GRA", "SAV")


def sink_numbers(bands: pd.DataFrame, year: int) -> dict[str, float]:
    """Return this run's counterparts of the numbers that the paper states on Figs 6 and 7, by their ids.

    Parameters
    ----------
    bands : DataFrame
        By region: ``npp_faster_pixel`` and ``reco_faster_pixel`` (0 to 1), as `risk.table` has them.
    year : int
        Year of the land cover behind the biomes.

    Returns
    -------
    dict
        For `reported.beside`; shares in percent of the cells.
    """
    sides = {"npp_faster": "npp_faster_pixel", "reco_faster": "reco_faster_pixel"}
    shares = {f"{n}_{side}": 100 * bands[c][region] for n, region in SHORT.items() for side, c in sides.items()}
    return {"biome_year": year} | shares


def on_sinks(risk: pd.DataFrame) -> dict[str, Verdict]:
    """Give verdicts on the claims about bands, biomes and economies (Results, paragraphs 18 to 22).

    Parameters
    ----------
    risk : DataFrame
        As `risk.faster_shares` makes it, with a column ``grouping`` (band, biome or economy).
    """
    by = {g: 100 * t.set_index("name")["npp_faster_area"] for g, t in risk.groupby("grouping")}
    band, economy, biome = by["band"], by["economy"], by["biome"]
    many = risk[(risk["grouping"] == "biome") & (risk["n_cells"] >= FEWEST) & ~risk["name"].isin(BARE)]["name"]
    last = biome[many].idxmin() if len(many) else "none"
    high = {name: biome.get(name, np.nan) for name in HIGH_BIOMES}
    usa, china, europe, brazil, india = (economy[name] for name in regions.ECONOMIES)
    three = f"north {band[NORTH]:.0f} %, tropics {band[TROPICS]:.0f} %, south {band[SOUTH]:.0f} %"
    return {
        "global_npp_dominates": says(band[GLOBE] > 50, f"NPP grows faster over {band[GLOBE]:.0f} % of the land"),
        "north_npp_dominates": says(band[NORTH] > max(50, band[TROPICS], band[SOUTH]), three),
        "tropics_less_pronounced": says(50 < band[TROPICS] < band[NORTH], three),
        "south_between": says(band[TROPICS] < band[SOUTH], three),
        "high_biomes": says(all(s > band[GLOBE] for s in high.values()), listed(high) + f"; globe {band[GLOBE]:.0f} %"),
        "ebf_smallest": says(last == "EBF", listed({f"smallest: {last}": biome.get(last), "EBF": biome.get("EBF")})),
        "economies_order": says(china > max(usa, europe) and min(usa, europe) > max(brazil, india), listed(economy)),
        "tropics_saturating": ("not testable here", "straight lines cannot show a sink that levels off"),
    }


def on_sink_places(npp_leads: xr.DataArray, npp_rises: xr.DataArray, part: Part) -> dict[str, Verdict]:
    """Give verdicts on the claims about where NPP or RECO leads (Results, paragraphs 19 to 22).

    Parameters
    ----------
    npp_leads, npp_rises : DataArray (lat, lon), bool
        Where NPP grows faster than RECO; where NPP rises.
    part : callable
        From `parts`, counting the cells in which one of the two leads.
    """
    greening, leading = ([part(what, economy) for economy in ("China", "India")] for what in (npp_rises, npp_leads))
    told = "NPP rises over {:.0f} % of China, {:.0f} % of India; it leads over {:.0f} %, {:.0f} %"
    return {
        "north_sink_places": most_of_each(part, npp_leads, NORTH_SINKS),
        "north_risk_places": more_there(part, ~npp_leads, NORTH_RISKS, NORTH),
        "tropics_risk_places": more_there(part, ~npp_leads, TROPICS_RISKS, TROPICS),
        "tropics_sink_places": most_of_each(part, npp_leads, TROPICS_SINKS),
        "china_india_differ": says(
            min(greening) > 50 and abs(leading[0] - leading[1]) > VAST, told.format(*greening, *leading)
        ),
    }
