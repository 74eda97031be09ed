"""How sure it is which of two grows faster: verdicts on cells and regions that errors may leave open."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from helpers import regions
from helpers.risk.rule import EMPTY, RISK, SINK

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
