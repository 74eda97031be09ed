"""Where plants gain on respiration: the rule of sink and source, and how sure its verdicts and rankings are.

The rule is that of Yu et al. (2021): a region is a *carbon-sink potential* when the area in which NPP grows faster is
larger than the area in which RECO grows faster, and a *carbon-source risk* when it is smaller. Errors carried into it
may leave a verdict, or an order of biomes and economies, open.

>>> verdict(0.66), verdict(0.34), verdict(0.5)
('carbon-sink potential', 'carbon-source risk', 'even')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from helpers.space import regions
from helpers.space.grid import together

SINK, RISK, EVEN, EMPTY = "carbon-sink potential", "carbon-source risk", "even", "no cells"

WORD = {SINK: "sink", RISK: "source"}
"""The two verdicts in a word, for tables."""


def verdict(npp_share: float) -> str:
    """Say what a region is, from the share (0 to 1) of it in which NPP grows faster; NaN means no cells to judge.

    Raises
    ------
    ValueError
        When the share does not lie between 0 and 1.
    """
    if np.isnan(npp_share):
        return EMPTY
    if not 0 <= npp_share <= 1:
        raise ValueError(f"npp_share: expected a share from 0 to 1, found {npp_share}; divide percentages by 100")
    if npp_share == 0.5:
        return EVEN
    return SINK if npp_share > 0.5 else RISK


def faster_shares(
    difference: xr.DataArray, area: xr.DataArray, groups: xr.DataArray, names: dict[int, str]
) -> pd.DataFrame:
    """Compare, group by group, the cells in which NPP grows faster with those in which RECO does.

    Parameters
    ----------
    difference : DataArray (lat, lon)
        Growth of NPP minus growth of RECO, any unit; NaN outside the analysis.
    area : DataArray (lat, lon)
        Cell area, m2.
    groups : DataArray (lat, lon), int
        The group each cell belongs to (band, biome, economy).
    names : dict of int to str
        The groups to report, by code, in this order.

    Returns
    -------
    DataFrame
        A row a group: ``name``; ``n_cells``, cells with a difference other than zero; ``n_ties``, cells where it is
        exactly zero, which stand outside the shares; ``area_m2``, all cells of the group; ``analysed_m2``, those of
        ``n_cells``; the shares ``npp_faster_pixel``, ``reco_faster_pixel`` (by number of cells), ``npp_faster_area``,
        ``reco_faster_area`` (by true area), each pair summing to one; ``verdict``, from the share by area.
    """
    difference, area, groups = together(difference, area, groups, names=("difference", "area", "groups"))
    gap, inside = difference.to_numpy(), regions.groups(groups.to_numpy(), names)
    compared, ties = np.isfinite(gap) & (gap != 0), gap == 0
    npp = regions.group_shares(gap > 0, area, inside, within=compared)
    reco = regions.group_shares(gap < 0, area, inside, within=compared)
    return pd.DataFrame(
        {
            "name": npp["name"],
            "n_cells": npp["n_cells"],
            "n_ties": regions.group_shares(ties, area, inside, within=ties)["n_cells"],
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
    biomes = {code: name for code, (name, _) in regions.IGBP.items() if code}
    groupings = [
        ("band", xr.zeros_like(static.band), {0: "Global"}),
        ("band", static.band, dict(enumerate(regions.BAND_NAMES))),
        ("biome", static.igbp, biomes),
        ("economy", static.economy, dict(enumerate(regions.ECONOMIES, start=1))),
    ]
    tables = [
        faster_shares(difference, static.area, flags.where(land, -1), names).assign(grouping=grouping)
        for grouping, flags, names in groupings
    ]
    joined = pd.concat(tables, ignore_index=True)
    return joined[["grouping", *joined.columns.drop("grouping")]]


def land_table(table: pd.DataFrame) -> pd.DataFrame:
    """Lay out a table of shares for a page: what is analysed, the shares of it in percent, the verdict in a word.

    Parameters
    ----------
    table : DataFrame
        From `table`.

    Returns
    -------
    DataFrame
        By grouping and name; columns of two levels. Cells, land (million square kilometres) and shares are all of what
        is analysed; ``of all (%)`` is the part of the group's land that it makes up.
    """
    rows = table.set_index(["grouping", "name"])
    columns = {
        ("analysed", "cells"): rows["n_cells"],
        ("analysed", "Mkm2"): rows["analysed_m2"] / 1e12,
        ("analysed", "of all (%)"): 100 * rows["analysed_m2"] / rows["area_m2"],
        ("NPP faster (%)", "cells"): 100 * rows["npp_faster_pixel"],
        ("NPP faster (%)", "land"): 100 * rows["npp_faster_area"],
        ("RECO faster (%)", "land"): 100 * rows["reco_faster_area"],
        ("", "verdict"): rows["verdict"].replace(WORD),
    }
    return pd.DataFrame(columns)


def answers(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Set the verdicts by several measures of growth, each by area and by number of cells, side by side.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By measure, from `table`, indexed by grouping and name.

    Returns
    -------
    DataFrame
        By grouping and name, without regions that have no cells; columns such as "z, by area"; a verdict in a word.
    """
    columns = {}
    for measure, rows in tables.items():
        columns[f"{measure}, by area"] = rows["npp_faster_area"].map(verdict)
        columns[f"{measure}, by pixel"] = rows["npp_faster_pixel"].map(verdict)
    some = next(iter(tables.values()))["n_cells"] > 0
    return pd.DataFrame(columns)[some].replace(WORD)


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
    grows = {name: rule > 0 for name, rule in rules.items()}
    conditions = {f"{name}: right": sign == (sink > 0) for name, sign in grows.items()}
    conditions |= {f"{name}: above zero": sign for name, sign in grows.items()}
    conditions["the true sink grows"] = sink > 0
    globe, *bands = regions.BANDS
    inside = {globe: xr.ones_like(static.band, dtype=bool)} | regions.groups(static.band, dict(enumerate(bands)))
    within = counted & np.isfinite(sink)
    shares = {
        name: regions.group_shares(holds, static.area, inside, within).set_index("name")["share_area"]
        for name, holds in conditions.items()
    }
    return 100 * pd.DataFrame(shares).T.rename_axis(columns=None)


# How sure it is which of two grows faster: verdicts on cells and regions that errors may leave open.


INDISTINGUISHABLE = "indistinguishable"
"""The verdict where errors leave the sign open."""

VERDICTS = {1: "NPP faster", 2: "RECO faster", 3: INDISTINGUISHABLE}
"""Flags of the verdicts on cells; 0 stands for no difference to judge."""


def verdict_shares(
    verdicts: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray | np.ndarray]
) -> pd.DataFrame:
    """Sum up the verdicts of cells by region.

    Parameters
    ----------
    verdicts : DataArray (lat, lon), int8
        Flags, see `VERDICTS`; 0 stands outside the shares.
    area : DataArray (lat, lon)
        Cell area, m2.
    inside : mapping of str to field (lat, lon), bool
        Regions by name, such as `regions.groups` gives.

    Returns
    -------
    DataFrame
        A row a ``region`` and ``verdict`` (see `VERDICTS`): ``n_cells`` and ``area_m2`` judged in the region; ``pixel``
        and ``area``, shares 0 to 1 that sum to one in a region, NaN in one without cells.
    """
    new = {"name": "region", "share_pixel": "pixel", "share_area": "area"}
    tables = [
        regions.group_shares(verdicts == code, area, inside, within=verdicts > 0).assign(verdict=name)
        for code, name in VERDICTS.items()
    ]
    table = pd.concat(tables, ignore_index=True).rename(columns=new)
    return table[["region", "verdict", "n_cells", "area_m2", "pixel", "area"]]


def share_intervals(shares: xr.DataArray, confidence: float = 0.9, draw: str = "draw") -> pd.DataFrame:
    """Turn draws of shares into intervals and verdicts that may be left open.

    Parameters
    ----------
    shares : DataArray (draw, region)
        Shares in which NPP grows faster, draw by draw, such as `trends.RealisedSlopes` gives.
    confidence : float
        Of the two-sided interval between quantiles of the draws.
    draw : str
        Dimension of the draws.

    Returns
    -------
    DataFrame
        By region: ``median``, ``low``, ``high``; ``above_half``, the part of draws above one half
        (those of exactly one half count by half); ``verdict``: `SINK` or `RISK` where the whole interval lies on one
        side of one half, else `INDISTINGUISHABLE`; `EMPTY` for a region without cells.

    Raises
    ------
    ValueError
        When the confidence lies outside 0 to 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a value between 0 and 1, found {confidence}; such as 0.9")
    (region,) = (d for d in shares.dims if d != draw)
    tails = [0.5, (1 - confidence) / 2, (1 + confidence) / 2]
    median, low, high = shares.quantile(tails, draw, skipna=False).to_numpy()
    above = ((shares > 0.5) + 0.5 * (shares == 0.5)).mean(draw).where(shares.notnull().all(draw)).to_numpy()
    verdict = np.select([np.isnan(median), low > 0.5, high < 0.5], [EMPTY, SINK, RISK], INDISTINGUISHABLE)
    columns = {"median": median, "low": low, "high": high, "above_half": above, "verdict": verdict}
    return pd.DataFrame(columns, index=pd.Index(shares[region].to_numpy(), name=region))


# Which order of biomes or economies the errors leave: the probability of each rank, and of an order.


def _table(shares: xr.DataArray, draw: str) -> tuple[np.ndarray, pd.Index]:
    """Return the draws (draw, region), complete, and the names of the regions."""
    (region,) = (d for d in shares.dims if d != draw)
    values, names = shares.transpose(draw, region).to_numpy(), shares[region].to_numpy()
    if lacking := [str(name) for name in names[np.isnan(values).any(axis=0)]]:
        raise ValueError(f"shares: expected a share in every draw, found none in {', '.join(lacking)}; leave them out")
    return values, pd.Index(names, name=region)


def ranked(shares: xr.DataArray, draw: str = "draw") -> pd.DataFrame:
    """Return the probability that a region has a rank; rank 1 has the largest share.

    Parameters
    ----------
    shares : DataArray (draw, region)
        Shares in which NPP grows faster, draw by draw.
    draw : str
        Dimension of the draws.

    Returns
    -------
    DataFrame (region, rank)
        Part of the draws, 0 to 1; rows and columns sum to one. Regions that tie share their ranks evenly.

    Raises
    ------
    ValueError
        When a region has no share in some draw.

    >>> draws = xr.DataArray([[0.9, 0.2], [0.8, 0.8]], dims=("draw", "region"), coords={"region": ["USA", "China"]})
    >>> ranked(draws).loc["USA"].tolist()
    [0.75, 0.25]
    """
    values, names = _table(shares, draw)
    best, worst = rankdata(-values, "min", axis=1)[..., None], rankdata(-values, "max", axis=1)[..., None]
    rank = np.arange(1, len(names) + 1)
    probability = ((best <= rank) & (rank <= worst)) / (worst - best + 1)
    return pd.DataFrame(probability.mean(axis=0), index=names, columns=pd.Index(rank, name="rank"))


def order_probability(shares: xr.DataArray, order: Sequence[str], draw: str = "draw") -> float:
    """Return the part of the draws in which the named regions stand in this order, the largest share first.

    Parameters
    ----------
    shares : DataArray (draw, region)
        As in `ranked`.
    order : sequence of str
        Two or more regions, such as a ranking that was published; others are passed over. In a random order it would
        come out with probability 1 / len(order)!.
    draw : str
        Dimension of the draws.

    Raises
    ------
    ValueError
        When a region is unknown, or has no share in some draw.
    """
    (region,) = (d for d in shares.dims if d != draw)
    if unknown := set(order) - set(shares[region].to_numpy().tolist()):
        raise ValueError(f"order: expected regions of shares, found {', '.join(sorted(unknown))}; correct the names")
    values, _ = _table(shares.sel({region: list(order)}), draw)
    return float(np.all([values[:, a] > values[:, b] for a, b in pairwise(range(len(order)))], axis=0).mean())
