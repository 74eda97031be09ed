"""Figures of what survives: the size and the power of tests, and shares with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.figures.charts import letter
from helpers.figures.style import COLOURS, SERIES, WIDTH

MARKERS = "osD^v"


def size_and_power(rates: pd.DataFrame, names: Mapping[str, str], alpha: float, chosen: str) -> np.ndarray:
    """Draw how often each test of a trend says "trend": where there is none, and where there is one.

    Parameters
    ----------
    rates : DataFrame
        A row a method, memory and trend, as `trends.simulated_size` gives them; the trend is 0 in the left panel and
        another value in the right one.
    names : mapping of str to str
        What each method is called; the first stands on top.
    alpha : float
        The level that the size should have: a line in the left panel.
    chosen : str
        The method whose name is set in bold.

    Returns
    -------
    numpy.ndarray
        The two axes.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.42 * len(names) + 1.6), sharey=True)
    memories = sorted(rates["rho"].unique())
    for ax, there in zip(axes, (False, True), strict=True):
        for k, rho in enumerate(memories):
            rows = rates[(rates["rho"] == rho) & ((rates["trend"] != 0) == there)].set_index("method").loc[list(names)]
            place = np.arange(len(names)) + 0.18 * (k - (len(memories) - 1) / 2)
            style = {"color": SERIES[k], "marker": MARKERS[k % len(MARKERS)]}
            ax.hlines(place, 100 * rows["low"], 100 * rows["high"], color=SERIES[k], linewidth=1.2)
            ax.plot(100 * rows["rate"], place, linestyle="none", markersize=5, label=f"memory {rho:g}", **style)
        ax.set_xlim(left=0)
    axes[0].axvline(100 * alpha, color=COLOURS["outline"], linewidth=1, linestyle="--")
    axes[0].set(title="no trend: size", xlabel='series with a "trend" (%)')
    axes[1].set(title="a trend: power", xlabel="series whose trend is found (%)")
    axes[0].set_yticks(np.arange(len(names)), list(names.values()))
    axes[0].get_yticklabels()[list(names).index(chosen)].set_fontweight("bold")
    axes[0].invert_yaxis()
    axes[0].legend(loc="upper right")
    letter(axes)
    return axes


def share_intervals(
    table: pd.DataFrame, colours: Mapping[str, str], *, label: str, marks: pd.Series | None = None
) -> Axes:
    """Draw shares of regions with their intervals, groups of regions below each other, coloured by verdict.

    Parameters
    ----------
    table : DataFrame
        By group and region: ``median``, ``low`` and ``high`` (0 to 1) and ``verdict``. The largest share of a group
        stands on top.
    colours : mapping of str to str
        Colour of each verdict.
    label : str
        Quantity and unit, under the axis.
    marks : Series, optional
        By group and region, shares (0 to 1) to mark with a cross, such as those of the map itself.
    """
    groups = table.index.get_level_values(0).unique()
    table = pd.concat([table.loc[[g]].sort_values("median", ascending=False, kind="stable") for g in groups])
    starts = np.cumsum(table.index.get_level_values(0)[1:] != table.index.get_level_values(0)[:-1])
    place = np.arange(len(table)) + np.concatenate([[0], starts])
    _, ax = plt.subplots(figsize=(0.85 * WIDTH, 0.24 * place[-1] + 1.4))
    for verdict, colour in colours.items():
        here = (table["verdict"] == verdict).to_numpy()
        if not here.any():
            continue
        rows = 100 * table.loc[here, ["low", "median", "high"]]
        ax.hlines(place[here], rows["low"], rows["high"], color=colour, linewidth=2.4)
        ax.plot(rows["median"], place[here], "o", color=colour, markersize=5, label=verdict)
    if marks is not None:
        ax.plot(100 * marks.loc[table.index], place, "x", color="black", markersize=5, label="the map itself")
    ax.axvline(50, color=COLOURS["outline"], linewidth=1, linestyle="--")
    ax.set_yticks(place, table.index.get_level_values(1))
    ax.invert_yaxis()
    ax.set_xlabel(label)
    ax.figure.legend(loc="outside upper center", ncols=2)
    return ax
