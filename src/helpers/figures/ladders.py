"""Ladders of tests: scores of models, a rung for each rule by which samples are tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from helpers.figures.style import MARKERS, SERIES

SPREAD = 0.72
"""Part of the distance between two rungs over which its models spread."""


def ladder(ax: Axes, scores: pd.DataFrame, models: Sequence[str], *, label: str, floor: float = -1.0) -> Axes:
    """Draw scores and their intervals, a rung for each test and a colour and marker for each model.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    scores : DataFrame
        Index (rung, model), rungs in the order to be drawn, from the top; columns ``value``, ``low`` and ``high``, the
        last two NaN where there is no interval.
    models : sequence of str
        Which to draw, from the top of a rung; colours and markers go by the place in this list. A model need not stand
        on every rung.
    label : str
        Of the axis of scores, with the unit if there is one.
    floor : float
        Where the axis ends below. What lies beyond stands on the edge, as an arrow to the left, and what reaches beyond
        is cut there.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        A model is not in the table, or there are more models than markers.
    """
    there = scores.index.get_level_values(1)
    lacking = [model for model in models if model not in there]
    if lacking or not 0 < len(models) <= len(MARKERS):
        raise ValueError(
            f"models: expected 1 to {len(MARKERS)} of those in scores, found {len(models)}, of them "
            f"{', '.join(lacking) or 'none'} not there; mend the list"
        )
    scores = scores[there.isin(models)]
    rungs = list(dict.fromkeys(scores.index.get_level_values(0)))
    shift = np.linspace(-SPREAD / 2, SPREAD / 2, len(models)) if len(models) > 1 else np.zeros(1)
    lowest = float(np.nanmin(scores[["value", "low"]].to_numpy()))
    left = max(floor, lowest - 0.05 * (1 - lowest))
    for number, model in enumerate(models):
        own = scores.xs(model, level=1)
        y = np.array([rungs.index(rung) for rung in own.index]) + shift[number]
        value, low, high = (own[name].to_numpy(dtype="float64") for name in ("value", "low", "high"))
        colour, beyond = SERIES[number % len(SERIES)], value < left
        ax.hlines(y, np.maximum(low, left), np.maximum(high, left), color=to_rgba(colour, 0.75), linewidth=1.3)
        look = {"linestyle": "none", "color": colour, "markeredgecolor": "black", "markeredgewidth": 0.4}
        ax.plot(value[~beyond], y[~beyond], marker=MARKERS[number], markersize=5.5, label=model, **look)
        if beyond.any():  # nothing to draw, unclipped, would still claim room
            ax.plot(np.full(beyond.sum(), left), y[beyond], marker="<", markersize=6, clip_on=False, **look)
    for edge in np.arange(len(rungs) - 1) + 0.5:
        ax.axhline(edge, color="#E0E0E0", linewidth=0.6, zorder=0)
    if left < 0:
        ax.axvline(0.0, color="#4D4D4D", linewidth=0.8, zorder=1)
    ax.set_yticks(range(len(rungs)), rungs)
    ax.set(xlabel=label, ylim=(len(rungs) - 0.5, -0.5), xlim=(left, None))
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax
