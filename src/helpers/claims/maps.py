"""Claims about Fig. 1: where RECO is large, and how process models compare."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from helpers.claims.reading import CONFIDENCE, EDGE, FAR, NEAR, Claim, Part


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


def on_maps(ranking: pd.DataFrame, comparison: pd.DataFrame) -> dict[str, Claim]:
    """Read the claims about Fig. 1 (Results, paragraphs 3 and 4), for `judge`.

    Two groups are told apart when their means differ by more than the members of the ensemble scatter; a process model
    has to pass a limit by `EDGE` points.

    Parameters
    ----------
    ranking : DataFrame
        ``group``, ``mean`` RECO of `cover_groups`, and ``spread``, how far single networks scatter around that mean.
    comparison : DataFrame
        ``quantity`` ("mean" or "stdev") and ``percent`` (process model less CNN), a row a model and quantity.
    """
    groups = ranking.set_index("group")
    rain, forest, low = "tropical rainforest", "extra-tropical forest", ["grass and shrub", "far north"]
    rest, middle = groups["mean"].drop([rain, forest]), groups["mean"].drop(low)

    def above(high: str, other: str) -> Part:
        margin = stats.norm.ppf((1 + CONFIDENCE) / 2) * float(np.hypot(*groups["spread"][[high, other]]))
        what = f"mean RECO: {high}, against {other} (kg C m-2 yr-1)"
        return Part(what, groups["mean"][high], groups["mean"][other], margin=margin, digits=2)

    found = {
        "rainforest_highest": [above(rain, other) for other in groups.index.drop(rain)],
        "forests_second": [above(rain, forest), *(above(forest, other) for other in rest.index)],
        "grass_shrub_lowest": [above(other, least) for other in middle.index for least in low],
    }
    mean, stdev = (comparison.percent[comparison.quantity == name] for name in ("mean", "stdev"))
    if mean.empty:
        return found | dict.fromkeys(
            ("mean_close", "stdev_much_higher"), ("not testable here", "no process model was given")
        )
    n = len(mean)
    most = mean.abs().sort_values().iloc[n // 2]  # the one that makes more than half
    return found | {
        "mean_close": [Part(f"{n // 2 + 1} of {n} models within (%)", most, NEAR, below=True, margin=EDGE)],
        "stdev_much_higher": [Part("the model nearest the CNN (%)", stdev.max(), -FAR, below=True, margin=EDGE)],
    }
