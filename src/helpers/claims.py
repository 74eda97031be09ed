"""The paper's claims in words about maps, trends and sinks, read as tests on numbers.

A claim can only get a verdict once its words are numbers. The readings are ours and stand here, once:

- RECO's *close* mean lies within `NEAR` percent of the CNN's, for *most* models for more than half of them, and a *much
  higher* STDEV is one that every model stays `FAR` percent or more below;
- *significant* is a p-value below the level of the chapter;
- two slopes are *close* when they differ by less than `CLOSE` of the larger, and one is *much* larger from there on;
- shares differ *vastly* by more than `VAST` percentage points; a *high* sink capacity is one above the globe's;
- a place is a box of ``data/places.yml``, an economy or a band, and *mainly there* means over a larger share of the
  places' land than of their band's.

>>> says(True, "rises over 55 % of the land")
('holds', 'rises over 55 % of the land')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from helpers import regions

CLOSE = 0.25
VAST = 10.0
NEAR = 25.0
FAR = 50.0
FEWEST = 30
"""Cells that a biome needs before its rank is compared."""

GLOBE, NORTH, TROPICS, SOUTH = regions.BANDS

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
NORTH_SINKS = ("North-eastern China", "Europe", "North America")
NORTH_RISKS = ("Central Russia", "South-western Russia", "Central North America", "Eastern North America")
TROPICS_RISKS = ("Amazonia", "Central Africa", "Eastern India", "South-eastern China", "South-east Asia")
TROPICS_SINKS = ("Central South America", "Central Africa", "China", "India")
BARE = ("URB", "SNO", "BSV", "WAT")
"""Land cover that is no vegetation, left out of the ranking of biomes."""
HIGH_BIOMES = ("DBF", "ENF", "GRA", "SAV")

Verdict = tuple[str, str]
Part = Callable[..., float]


def says(holds: bool, found: str) -> Verdict:
    """Turn a test and its finding into a verdict."""
    return ("holds" if holds else "does not hold", found)


def cover_groups(static: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the groups of cells by which the paper ranks RECO (Results, paragraph 3), by land cover and latitude.

    Parameters
    ----------
    static : Dataset (lat, lon)
        With ``igbp``.
    """
    igbp, tropics, far = static.igbp, abs(static.lat) <= 30, static.lat > 60
    return {
        "tropical rainforest": (igbp == 2) & tropics,
        "extra-tropical forest": igbp.isin([1, 2, 3, 4, 5]) & ~tropics,
        "savanna": igbp.isin([8, 9]) & ~far,
        "fields": igbp.isin([12, 14]) & ~far,
        "grass and shrub": igbp.isin([6, 7, 10]),
        "far north": (igbp > 0) & far,
    }


def on_maps(ranking: pd.DataFrame, comparison: pd.DataFrame) -> dict[str, Verdict]:
    """Give verdicts on the claims about Fig. 1 (Results, paragraphs 3 and 4).

    Parameters
    ----------
    ranking : DataFrame
        ``group`` and ``mean`` RECO of `cover_groups`, greatest first.
    comparison : DataFrame
        ``quantity`` ("mean" or "stdev") and ``percent`` (process model less CNN), a row a model and quantity.
    """
    order = ranking.dropna(subset="mean").group.tolist()
    mean, stdev = (comparison.percent[comparison.quantity == name] for name in ("mean", "stdev"))
    near, below, n = int((mean.abs() < NEAR).sum()), int((stdev <= -FAR).sum()), len(mean)
    found = {
        "rainforest_highest": says(order[0] == "tropical rainforest", f"highest: {order[0]}"),
        "forests_second": says(order[1] == "extra-tropical forest", f"second: {order[1]}"),
        "grass_shrub_lowest": says(
            set(order[-2:]) == {"grass and shrub", "far north"}, f"lowest: {order[-1]}, then {order[-2]}"
        ),
        "mean_close": says(near > n / 2, f"{near} of {n} models within {NEAR:.0f} %"),
        "stdev_much_higher": says(below == n, f"{below} of {n} models {FAR:.0f} % or more below"),
    }
    none = ("not testable here", "no process model was given")
    return found if n else found | dict.fromkeys(("mean_close", "stdev_much_higher"), none)


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
    return says(all(share > 50 for share in found.values()), _list(found))


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
        "high_biomes": says(all(s > band[GLOBE] for s in high.values()), _list(high) + f"; globe {band[GLOBE]:.0f} %"),
        "ebf_smallest": says(last == "EBF", _list({f"smallest: {last}": biome.get(last), "EBF": biome.get("EBF")})),
        "economies_order": says(china > max(usa, europe) and min(usa, europe) > max(brazil, india), _list(economy)),
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


def _list(shares: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {np.nan if share is None else share:.0f} %" for name, share in shares.items())
