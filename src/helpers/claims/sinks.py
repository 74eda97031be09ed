"""Claims and numbers about Figs 6 and 7: where NPP or RECO grows faster."""

from __future__ import annotations

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
    Claim,
    Part,
    Share,
    most_of_each,
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


def on_sinks(risk: pd.DataFrame) -> dict[str, Claim]:
    """Read the claims about bands, biomes and economies (Results, paragraphs 18 to 22), for `judge`.

    Parameters
    ----------
    risk : DataFrame
        As `risk.faster_shares` makes it, with a column ``grouping`` (band, biome or economy).
    """
    by = {g: 100 * t.set_index("name")["npp_faster_area"] for g, t in risk.groupby("grouping")}
    band, economy, biome = by["band"], by["economy"], by["biome"]
    many = risk[(risk["grouping"] == "biome") & (risk["n_cells"] >= FEWEST) & ~risk["name"].isin(BARE)]["name"]
    others = biome.reindex(many[many != "EBF"])
    usa, china, europe, brazil, india = (economy[name] for name in regions.ECONOMIES)
    shown = "NPP grows faster, {} (% of land)".format
    north, tropics = shown("north"), shown("tropics")
    return {
        "global_npp_dominates": [Part(shown("globe"), band[GLOBE], 50.0)],
        "north_npp_dominates": [Part(north, band[NORTH], limit) for limit in (50.0, band[TROPICS], band[SOUTH])],
        "tropics_less_pronounced": [
            Part(tropics, band[TROPICS], 50.0),
            Part(f"{tropics}, against the north", band[TROPICS], band[NORTH], below=True),
        ],
        "south_between": [Part(f"{shown('south')}, against the tropics", band[SOUTH], band[TROPICS])],
        "high_biomes": [
            Part(f"{shown(name)}, against the globe", biome.get(name, float("nan")), band[GLOBE])
            for name in HIGH_BIOMES
        ],
        "ebf_smallest": [
            Part(f"{shown('EBF')}, against the least of the others", biome.get("EBF"), others.min(), below=True)
        ],
        "economies_order": [
            Part(f"{shown('China')}, against USA and Europe", china, max(usa, europe)),
            Part(f"{shown('USA, Europe')}, against Brazil and India", min(usa, europe), max(brazil, india)),
        ],
        "tropics_saturating": ("not testable here", "straight lines cannot show a sink that levels off"),
    }


def on_sink_places(npp_leads: xr.DataArray, npp_rises: xr.DataArray, part: Share) -> dict[str, Claim]:
    """Read the claims about where NPP or RECO leads (Results, paragraphs 19 to 22), for `judge`.

    Either leads in a place where it grows faster over more than half of the land; the same rule serves both.

    Parameters
    ----------
    npp_leads, npp_rises : DataArray (lat, lon), bool
        Where NPP grows faster than RECO; where NPP rises.
    part : callable
        From `parts`, counting the cells in which one of the two leads.
    """
    both = ("China", "India")
    apart = abs(part(npp_leads, "China") - part(npp_leads, "India"))
    return {
        "north_sink_places": most_of_each(part, npp_leads, NORTH_SINKS),
        "north_risk_places": most_of_each(part, ~npp_leads, NORTH_RISKS),
        "tropics_risk_places": most_of_each(part, ~npp_leads, TROPICS_RISKS),
        "tropics_sink_places": most_of_each(part, npp_leads, TROPICS_SINKS),
        "china_india_differ": [
            *(Part(f"NPP rises, {name} (% of land)", part(npp_rises, name), 50.0) for name in both),
            Part("NPP grows faster, China and India apart (points)", apart, VAST),
        ],
    }
