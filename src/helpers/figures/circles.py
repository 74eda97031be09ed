"""Circles on the line of two shares that sum to one hundred, with labels that keep out of each other's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from helpers.figures.style import COLOURS

LARGEST = 24.0
"""Radius of the largest circle, points."""

LINE_HEIGHT = 15.0
"""Room for one label, points."""


def spread(positions: ArrayLike, gap: float) -> np.ndarray:
    """Move positions as little as possible (least squares) so that neighbours stand at least ``gap`` apart.

    >>> spread([1.0, 1.0, 5.0], gap=1.0).tolist()
    [0.5, 1.5, 5.0]
    """
    positions = np.asarray(positions, dtype=np.float64)
    order, room = np.argsort(positions, kind="stable"), gap * np.arange(positions.size)
    moved = np.empty_like(positions)
    moved[order] = isotonic_regression(positions[order] - room).x + room
    return moved


def balance(
    ax: Axes,
    names: Sequence[str],
    share: ArrayLike,
    size: ArrayLike,
    *,
    labels: tuple[str, str],
    size_unit: tuple[float, str],
    colours: Mapping[bool, str] | None = None,
) -> Axes:
    """Draw each name as a circle at (share, 100 - share), its area in proportion to its size.

    Parameters
    ----------
    ax : Axes
        Where to draw; square when done.
    names : sequence of str
        Labels (name,).
    share : array_like
        Percentages on the horizontal axis (name,); the vertical ones are what is missing to one hundred.
    size : array_like
        What the circles' areas show (name,).
    labels : tuple of str
        Labels of the two axes, with units.
    size_unit : tuple of float and str
        One size and what it is called: drawn as a grey circle for scale, in the upper right corner.
    colours : mapping of bool to str, optional
        Colour of circles beyond and up to 50 %; default those of sink and source.
    """
    share, size = np.asarray(share, dtype=np.float64), np.asarray(size, dtype=np.float64)
    colours = colours or {True: COLOURS["sink"], False: COLOURS["source"]}
    low, high = min(share.min(), 50.0), max(share.max(), 50.0)
    pad = max(0.28 * (high - low), 9.0)
    low, high = max(low - pad, 0.0), min(high + pad, 100.0)
    ax.set(xlim=(low, high), ylim=(100 - high, 100 - low), xlabel=labels[0], ylabel=labels[1])
    ax.set_aspect("equal", adjustable="box")
    ax.plot([0, 100], [100, 0], color=COLOURS["models"], linewidth=1, zorder=1)
    ax.plot([0, 50, 50], [50, 50, 0], color=COLOURS["models"], linewidth=0.8, linestyle=":", zorder=1)
    radius = LARGEST * np.sqrt(size / max(size.max(), size_unit[0]))
    for i in np.argsort(-size):  # the small ones on top
        style = {"markeredgecolor": "white", "markeredgewidth": 0.8, "alpha": 0.8, "clip_on": False, "zorder": 3}
        ax.plot(share[i], 100 - share[i], "o", markersize=2 * radius[i], color=colours[bool(share[i] > 50)], **style)
    _label(ax, names, share, radius, high - low)
    _scale(ax, LARGEST * np.sqrt(size_unit[0] / max(size.max(), size_unit[0])), size_unit[1])
    return ax


def faster(table: pd.DataFrame, *, width: float = 6.6) -> Axes:
    """Draw the regions of a table of risk as circles: where NPP grows faster, across; where RECO does, up.

    Parameters
    ----------
    table : DataFrame
        A row a region: ``name``, ``npp_faster_area`` (0 to 1) and ``analysed_m2``, the land that the share
        is of, as `risk.table` has them.
    width : float
        Width and height of the figure, inches.
    """
    _, ax = plt.subplots(figsize=(width, width))
    share = 100 * table["npp_faster_area"]
    names = [f"{name} {x:.0f} %" for name, x in zip(table["name"], share, strict=True)]
    labels = ("NPP grows faster (% of land)", "RECO grows faster (% of land)")
    return balance(ax, names, share, table["analysed_m2"] / 1e12, labels=labels, size_unit=(5, "5 million km²"))


def _label(ax: Axes, names: Sequence[str], share: np.ndarray, radius: np.ndarray, extent: float) -> None:
    """Write the names on both sides of the line in turn, spread along it, with a thin line to each circle."""
    points = 72 * 0.75 * min(ax.figure.get_size_inches())  # what the axes will measure, at least
    away = (LARGEST + 10) / np.sqrt(2)
    order = np.argsort(share, kind="stable")
    for side, members in ((1, order[::2]), (-1, order[1::2])):
        for i, place in zip(members, spread(share[members], LINE_HEIGHT * extent / points), strict=True):
            ax.annotate(
                names[i],
                xy=(share[i], 100 - share[i]),
                xytext=(place, 100 - place),
                textcoords=offset_copy(ax.transData, ax.figure, side * away, side * away, units="points"),
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=9,
                zorder=4,
                arrowprops={"arrowstyle": "-", "color": COLOURS["outline"], "linewidth": 0.6, "shrinkB": radius[i]},
            )


def _scale(ax: Axes, radius: float, text: str) -> None:
    corner = offset_copy(ax.transAxes, ax.figure, -LARGEST - 4, -LARGEST - 4, units="points")
    ax.plot(
        1, 1, "o", markersize=2 * radius, color=COLOURS["land"], markeredgecolor=COLOURS["outline"], transform=corner
    )
    under = offset_copy(corner, ax.figure, 0, -radius - 3, units="points")
    ax.text(1, 1, text, transform=under, ha="center", va="top", fontsize=8)
