"""Which order of biomes or economies the errors leave: the probability of each rank, and of an order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata


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
