"""Numbers that move: what a paper reports, what its protocol gives, and what an honest test leaves of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.figures.style import COLOURS

LOOKS = {
    "paper": {"marker": "D", "color": COLOURS["paper"], "markersize": 5.5},
    "seed protocol": {"marker": "o", "color": COLOURS["run"], "markersize": 6.5, "markerfacecolor": "white"},
    "honest": {"marker": "o", "color": COLOURS["run"], "markersize": 6.5},
}
"""How each of the three is drawn."""


def moves(ax: Axes, table: pd.DataFrame, *, label: str, floor: float = -np.inf) -> Axes:
    """Draw each quantity on a line of its own, with a thin line from where a protocol puts it to where honesty does.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        A row a quantity (index: its name), from the top; ``paper``, ``seed protocol``, ``honest`` and the honest
        interval from ``low`` to ``high``, NaN where there is none.
    label : str
        Quantity and unit, under the axis.
    floor : float
        What lies below stands here, as an arrow to the left, and intervals are cut.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        There is no row.
    """
    if table.empty:
        raise ValueError("table: expected a row or more, found none; leave the figure out")
    place = np.arange(len(table))
    seed, honest, low, high = (table[c].to_numpy(dtype="float64") for c in ("seed protocol", "honest", "low", "high"))
    ends = np.sort(np.maximum([seed, honest], floor), axis=0)
    ax.hlines(place, *ends, color=COLOURS["outline"], linewidth=0.8, zorder=1)
    ax.hlines(place, np.maximum(low, floor), np.maximum(high, floor), color=COLOURS["run"], alpha=0.35, linewidth=6)
    for name, look in LOOKS.items():
        value = table[name].to_numpy(dtype="float64")
        beyond, rest = value < floor, {"linestyle": "none", "markeredgewidth": 1.4, "clip_on": False}
        ax.plot(np.where(beyond, np.nan, value), place, label=name, zorder=3, **rest, **look)
        if beyond.any():  # nothing to draw, unclipped, would still claim room
            ax.plot(np.full(beyond.sum(), floor), place[beyond], zorder=3, **rest, **(look | {"marker": "<"}))
    ax.set_yticks(place, table.index)
    ax.set(xlabel=label, ylim=(len(table) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y")
    if ax.get_xlim()[0] < 0 < ax.get_xlim()[1]:
        ax.axvline(0.0, color=COLOURS["outline"], linewidth=0.8, linestyle="--", zorder=0)
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return ax
