"""Charts: observed against simulated, bars, and regions as circles on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from helpers.figures.style import COLOURS, KINDS, RECO_UNIT, WIDTH

LARGEST, ROOM = 24.0, 15.0
"""Radius of the largest circle of `faster`, and room for one label, points."""


def letter(axes: Sequence[Axes]) -> None:
    """Write (a), (b), … before the titles of panels."""
    for index, ax in enumerate(axes):
        place = next((p for p in ("left", "center") if ax.get_title(loc=p)), "left")
        ax.set_title(f"({chr(97 + index)}) {ax.get_title(loc=place)}".rstrip(), loc=place)


def scatters(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    what: str,
    notes: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    size: float = 12.0,
) -> Sequence[Axes]:
    """Draw simulated against observed values, a square panel a model, all on the same axes with the line of equality.

    Parameters
    ----------
    panels : mapping of str to (observed, simulated)
        Values (sample,) of each model, kg m-2 yr-1 of carbon, without NaN; a model without any has an empty panel.
    what : str
        The quantity, for the labels of the axes.
    notes : mapping of str to str, optional
        Scores of a model, written under its name, above the points; lines parted by a line break.
    kinds : mapping of str to {"CNN", "process model", "data-driven"}, optional
        Gives the colours; default the network's.
    size : float
        Area of a point, points squared.
    """
    wide = min(4, len(panels))
    tall = -(-len(panels) // wide)
    figure, axes = plt.subplots(tall, wide, figsize=(WIDTH, tall * (WIDTH / wide + 0.4) + 0.25), squeeze=False)
    every = np.concatenate([np.ravel(values) for pair in panels.values() for values in pair]).astype("float64")
    low, high = (every.min(), every.max()) if every.size else (0.0, 1.0)
    room = 0.04 * ((high - low) or 1.0)
    limits = (0.0 if low >= 0 else low - room), high + room
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (name, (observed, simulated)) in zip(axes.flat, panels.items(), strict=False):
        ax.plot(limits, limits, color=COLOURS["models"], linewidth=1.0, linestyle="--", zorder=1)
        colour = KINDS[(kinds or {}).get(name, "CNN")]
        ax.scatter(observed, simulated, s=size, color=colour, alpha=0.6, linewidths=0, zorder=2)
        ax.set(xlim=limits, ylim=limits, aspect="equal")
        note = (notes or {}).get(name, "").replace("= -", "= −")
        ax.set_title(f"{name}\n{note}".rstrip(), fontsize=8.5)
    figure.supxlabel(f"{what}, observed ({RECO_UNIT})")
    figure.supylabel(f"{what}, simulated ({RECO_UNIT})")
    return axes.ravel()[: len(panels)]


def bars(
    ax: Axes,
    values: Mapping[str, float],
    *,
    label: str,
    notes: Mapping[str, str] | None = None,
    marks: Mapping[str, float] | None = None,
    colours: Mapping[str, str] | None = None,
    fontsize: float | None = None,
) -> Axes:
    """Draw horizontal bars, the first on top, with a note at the end of each.

    Parameters
    ----------
    ax : Axes
        Where to draw: a panel of its own or an inset.
    values : mapping of str to float
        Length of each named bar.
    label : str
        Quantity and unit, under the axis.
    notes : mapping of str to str, optional
        Text beyond the end of a bar, such as a percentage.
    marks : mapping of str to float, optional
        A line across a bar at the value that it is compared with.
    colours : mapping of str to str, optional
        Colour of a bar; default the grey of process models.
    fontsize : float, optional
        Size of all text in points: about 7.5 in an inset.
    """
    table = pd.DataFrame({"length": pd.Series(values), "mark": pd.Series(marks or {}, dtype="float64")}).loc[[*values]]
    rows = np.arange(len(table))
    ax.barh(rows, table.length, height=0.72, color=[(colours or {}).get(n, COLOURS["models"]) for n in table.index])
    ax.vlines(table.mark, rows - 0.42, rows + 0.42, color="black", linewidth=1.4)
    longest = np.nan_to_num(table.abs().max(axis=None)) or 1.0
    for row, (name, end) in enumerate(table.max(axis=1).fillna(0.0).clip(lower=0.0).items()):
        if text := (notes or {}).get(name):
            ax.text(end + 0.03 * longest, row, text, va="center", fontsize=fontsize or 9)
    ax.set_xlim(min(0.0, 1.1 * table.length.min()), longest * (1.4 if notes else 1.08))
    ax.set_yticks(rows, table.index)
    ax.invert_yaxis()
    ax.set_xlabel(label, fontsize=fontsize)
    if fontsize:
        ax.tick_params(labelsize=fontsize, length=2)
        ax.patch.set_alpha(0.85)
    ax.tick_params(axis="y", length=0)
    return ax


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


def faster(table: pd.DataFrame) -> Axes:
    """Draw regions as circles where NPP grows faster (across) and RECO does (up); their areas show the regions'.

    The table has a row a region: ``name``, ``npp_faster_area`` (0 to 1) and ``analysed_m2``, the land that the share
    is of, as `risk.table` has them.
    """
    width = 6.6  # and height, inches
    figure, ax = plt.subplots(figsize=(width, width))
    share, area = 100 * table["npp_faster_area"].to_numpy(), table["analysed_m2"].to_numpy()
    low, high = min(share.min(), 50.0), max(share.max(), 50.0)
    pad = max(0.28 * (high - low), 9.0)
    low, high = max(low - pad, 0.0), min(high + pad, 100.0)
    ax.set(xlim=(low, high), ylim=(100 - high, 100 - low), aspect="equal")
    ax.set(xlabel="NPP grows faster (% of land)", ylabel="RECO grows faster (% of land)")
    ax.plot([0, 100], [100, 0], color=COLOURS["models"], linewidth=1, zorder=1)
    ax.plot([0, 50, 50], [50, 50, 0], color=COLOURS["models"], linewidth=0.8, linestyle=":", zorder=1)
    *radius, scale = LARGEST * np.sqrt(np.append(area, 5e12) / max(area.max(), 5e12))
    look = {"markeredgecolor": "white", "markeredgewidth": 0.8, "alpha": 0.8, "clip_on": False, "zorder": 3}
    for i in np.argsort(-area):  # the small ones on top
        colour = COLOURS["sink" if share[i] > 50 else "source"]
        ax.plot(share[i], 100 - share[i], "o", markersize=2 * radius[i], color=colour, **look)
    # names stand on both sides of the line in turn, spread along it, with a thin line to each circle
    gap, away = ROOM * (high - low) / (72 * 0.75 * width), (LARGEST + 10) / np.sqrt(2)
    for side, members in ((1, np.argsort(share, kind="stable")[::2]), (-1, np.argsort(share, kind="stable")[1::2])):
        beside = offset_copy(ax.transData, figure, side * away, side * away, units="points")
        for i, place in zip(members, spread(share[members], gap), strict=True):
            text = {"ha": "left" if side > 0 else "right", "va": "center", "fontsize": 9, "zorder": 4}
            line = {"arrowstyle": "-", "color": COLOURS["outline"], "linewidth": 0.6, "shrinkB": radius[i]}
            name, ends = f"{table['name'].iloc[i]} {share[i]:.0f} %", (share[i], 100 - share[i])
            ax.annotate(name, ends, (place, 100 - place), textcoords=beside, arrowprops=line, **text)
    corner = offset_copy(ax.transAxes, figure, -LARGEST - 4, -LARGEST - 4, units="points")
    grey = {"color": COLOURS["land"], "markeredgecolor": COLOURS["outline"]}
    ax.plot(1, 1, "o", markersize=2 * scale, transform=corner, **grey)
    under = offset_copy(corner, figure, 0, -scale - 3, units="points")
    ax.text(1, 1, "5 million km²", transform=under, ha="center", va="top", fontsize=8)
    return ax
