"""Where plants gain on respiration: the rule of sink and source, and how sure its verdicts and rankings are.

The rule is that of Yu et al. (2021): a region is a *carbon-sink potential* when the area in which NPP grows faster is
larger than the area in which RECO grows faster, and a *carbon-source risk* when it is smaller. Errors carried into it
may leave a verdict, or an order of biomes and economies, open.

>>> verdict(0.66), verdict(0.34), verdict(0.5)
('carbon-sink potential', 'carbon-source risk', 'even')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from helpers.space import regions
from helpers.space.grid import together
from helpers.stats.trends import bands, by_region, shares

SINK, RISK, EVEN, EMPTY = "carbon-sink potential", "carbon-source risk", "even", "no cells"

WORD = {SINK: "sink", RISK: "source"}
"""The two verdicts in a word, for tables."""

INDISTINGUISHABLE = "indistinguishable"
"""The verdict where errors leave the sign open."""

BARE = ("URB", "SNO", "BSV", "WAT")
"""Land cover that is no vegetation, left out of the ranking of biomes."""

VERDICTS = {1: "NPP faster", 2: "RECO faster", 3: INDISTINGUISHABLE}
"""Flags of the verdicts on cells; 0 stands for no difference to judge."""


def verdict(npp_share: float) -> str:
    """Say what a region is, from the share (0 to 1) of it in which NPP grows faster; NaN means no cells to judge."""
    if np.isnan(npp_share):
        return EMPTY
    if not 0 <= npp_share <= 1:
        raise ValueError(f"npp_share: expected a share from 0 to 1, found {npp_share}; divide percentages by 100")
    if npp_share == 0.5:
        return EVEN
    return SINK if npp_share > 0.5 else RISK


def faster_shares(
    difference: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray | np.ndarray]
) -> pd.DataFrame:
    """Compare, region by region, the cells in which NPP grows faster with those in which RECO does.

    Parameters
    ----------
    difference : DataArray (lat, lon)
        Growth of NPP minus growth of RECO, any unit; NaN outside the analysis.
    area : DataArray (lat, lon)
        Cell area, m2.
    inside : mapping of str to field (lat, lon), bool
        The regions to report, by name.

    Returns
    -------
    DataFrame
        A row a region: ``name``; ``n_cells``, cells with a difference other than zero; ``n_ties``, cells where it is
        exactly zero, which stand outside the shares; ``area_m2``, all cells of the region; ``analysed_m2``, those of
        ``n_cells``; the shares ``npp_faster_pixel``, ``reco_faster_pixel`` (by number of cells), ``npp_faster_area``,
        ``reco_faster_area`` (by true area), each pair summing to one; ``verdict``, from the share by area.
    """
    ties, compared = difference == 0, np.isfinite(difference) & (difference != 0)
    npp = regions.group_shares(difference > 0, area, inside, compared)
    reco = regions.group_shares(difference < 0, area, inside, compared)
    return pd.DataFrame(
        {
            "name": npp["name"],
            "n_cells": npp["n_cells"],
            "n_ties": regions.group_shares(ties, area, inside, ties)["n_cells"],
            "area_m2": regions.group_shares(ties, area, inside)["area_m2"],
            "analysed_m2": npp["area_m2"],
            "npp_faster_pixel": npp["share_pixel"],
            "reco_faster_pixel": reco["share_pixel"],
            "npp_faster_area": npp["share_area"],
            "reco_faster_area": reco["share_area"],
            "verdict": [verdict(share) for share in npp["share_area"]],
        }
    )


def table(difference: xr.DataArray, static: xr.Dataset) -> pd.DataFrame:
    """Return `faster_shares` for the globe and its bands, for the biomes, and for the economies.

    Parameters
    ----------
    difference : DataArray (lat, lon)
        As in `faster_shares`.
    static : Dataset (lat, lon)
        With ``area`` (m2) and the flags ``band``, ``igbp`` and ``economy``.

    Returns
    -------
    DataFrame
        Column ``grouping`` (band, biome, economy) before those of `faster_shares`; biomes by their abbreviation.
        ``area_m2`` is the land of a group: its cells whose land cover is not water, or that have a difference.
    """
    difference, static = together(difference, static, names=("difference", "static"))
    land = (static.igbp > 0) | difference.notnull()
    groupings = {
        "band": bands(static.band),
        "biome": regions.groups(static.igbp, {code: name for code, (name, _) in regions.IGBP.items() if code}),
        "economy": regions.groups(static.economy, dict(enumerate(regions.ECONOMIES, start=1))),
    }
    tables = []
    for grouping, inside in groupings.items():
        rows = faster_shares(difference, static.area, {name: here & land for name, here in inside.items()})
        rows.insert(0, "grouping", grouping)
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def against(
    rules: Mapping[str, xr.DataArray], sink: xr.DataArray, counted: xr.DataArray, static: xr.Dataset
) -> pd.DataFrame:
    """Ask how often a measure of growth has the sign of the sink's true trend.

    Parameters
    ----------
    rules : mapping of str to DataArray (lat, lon)
        Measures, such as growth of NPP minus growth of RECO.
    sink : DataArray (lat, lon)
        True trend of GPP minus RECO; cells without one are left out.
    counted : DataArray (lat, lon), bool
        The cells that count.
    static : Dataset (lat, lon)
        With ``area`` (m2) and ``band``.

    Returns
    -------
    DataFrame
        Percent of the land, a column for the globe and each band: for each rule where it is right, then where it is
        above zero, and at last where the true sink grows.
    """
    called = (*rules, "sink", "counted", "static")
    *measures, sink, counted, static = together(*rules.values(), sink, counted, static, names=called)
    rules = dict(zip(rules, measures, strict=True))
    conditions = {f"{name}: right": (rule > 0) == (sink > 0) for name, rule in rules.items()}
    conditions |= {f"{name}: above zero": rule > 0 for name, rule in rules.items()}
    conditions["the true sink grows"] = sink > 0
    table = shares(conditions, counted & np.isfinite(sink), static.area, bands(static.band))
    return 100 * by_region(table, ["what"]).xs("area", level="shares").T.rename_axis(index=None, columns=None)


# What is left of verdicts and ranks when a share is known with an error: draws of it in place of one number.


def share_intervals(shares: xr.DataArray, confidence: float = 0.9) -> pd.DataFrame:
    """Turn draws of shares into intervals and verdicts that may be left open.

    Parameters
    ----------
    shares : DataArray (draw, region)
        Shares in which NPP grows faster, draw by draw.
    confidence : float
        Of the two-sided interval between quantiles of the draws, 0 to 1.

    Returns
    -------
    DataFrame
        By region: ``median``, ``low``, ``high``; ``verdict``: `SINK` or `RISK` where the whole interval lies on one
        side of one half, else `INDISTINGUISHABLE`; `EMPTY` for a region without cells.
    """
    tails = [0.5, (1 - confidence) / 2, (1 + confidence) / 2]
    median, low, high = shares.quantile(tails, "draw", skipna=False).transpose("quantile", "region").to_numpy()
    verdict = np.select([np.isnan(median), low > 0.5, high < 0.5], [EMPTY, SINK, RISK], INDISTINGUISHABLE)
    columns = {"median": median, "low": low, "high": high, "verdict": verdict}
    return pd.DataFrame(columns, index=pd.Index(shares["region"].to_numpy(), name="region"))


def _complete(shares: xr.DataArray) -> np.ndarray:
    """Return the draws (draw, region), none of them missing."""
    values = shares.transpose("draw", "region").to_numpy()
    if lacking := [str(name) for name in shares["region"].values[np.isnan(values).any(axis=0)]]:
        raise ValueError(f"shares: expected a share in every draw, found none in {', '.join(lacking)}; leave them out")
    return values


def ranked(shares: xr.DataArray) -> pd.DataFrame:
    """Return the probability that a region has a rank; rank 1 has the largest share.

    Parameters
    ----------
    shares : DataArray (draw, region)
        Shares in which NPP grows faster, draw by draw.

    Returns
    -------
    DataFrame (region, rank)
        Part of the draws, 0 to 1; rows and columns sum to one. Regions that tie share their ranks evenly.

    Raises
    ------
    ValueError
        A region has no share in some draw.

    >>> draws = xr.DataArray([[0.9, 0.2], [0.8, 0.8]], dims=("draw", "region"), coords={"region": ["USA", "China"]})
    >>> ranked(draws).loc["USA"].tolist()
    [0.75, 0.25]
    """
    values = _complete(shares)
    best, worst = rankdata(-values, "min", axis=1)[..., None], rankdata(-values, "max", axis=1)[..., None]
    rank = np.arange(1, values.shape[1] + 1)
    probability = ((best <= rank) & (rank <= worst)) / (worst - best + 1)
    names = pd.Index(shares["region"].to_numpy(), name="region")
    return pd.DataFrame(probability.mean(axis=0), index=names, columns=pd.Index(rank, name="rank"))


def order_probability(shares: xr.DataArray, order: Sequence[str]) -> float:
    """Return the part of the draws in which the named regions stand in this order, the largest share first.

    Parameters
    ----------
    shares : DataArray (draw, region)
        As in `ranked`.
    order : sequence of str
        Two or more regions, such as a ranking that was published; others are passed over. In a random order it would
        come out with probability 1 / len(order)!.
    """
    values = _complete(shares.sel(region=list(order)))
    return float((np.diff(values, axis=1) < 0).all(axis=1).mean())
