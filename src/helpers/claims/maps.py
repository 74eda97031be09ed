"""Claims about Fig. 1: where RECO is large, and how process models compare."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from helpers.claims.reading import FAR, NEAR, Verdict, says


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
