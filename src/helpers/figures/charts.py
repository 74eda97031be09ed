"""Charts: observed against simulated, and bars with a note at the end of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.figures.style import COLOURS

RECO_UNIT = "kg C m$^{-2}$ yr$^{-1}$"


def scatter(
    ax: Axes,
    observed: ArrayLike,
    simulated: ArrayLike,
    *,
    title: str | None = None,
    note: str | None = None,
    colour: str = COLOURS["cnn"],
    limits: tuple[float, float] | None = None,
    labels: tuple[str, str] = (f"observed ({RECO_UNIT})", f"simulated ({RECO_UNIT})"),
    size: float = 14.0,
) -> Axes:
    """Draw simulated against observed values on square axes with the line of equality.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    observed, simulated : array_like
        Values (sample,), of one unit.
    title : str, optional
        What was simulated by what.
    note : str, optional
        Scores, written into the upper left corner; lines parted by a line break.
    colour : str
        Colour of the points.
    limits : tuple of float, optional
        Ends of both axes; default the range of all values, from zero if none is negative. Share one between panels.
    labels : tuple of str
        Labels of the horizontal and vertical axis, with units; empty for inner panels.
    size : float
        Area of a point, points squared.
    """
    observed, simulated = np.asarray(observed, dtype=np.float64), np.asarray(simulated, dtype=np.float64)
    low, high = limits or common_limits(observed, simulated)
    ax.plot([low, high], [low, high], color="#8C8C8C", linewidth=1.0, linestyle="--", zorder=1)
    ax.scatter(observed, simulated, s=size, color=colour, alpha=0.6, linewidths=0, zorder=2)
    ax.set(xlim=(low, high), ylim=(low, high), xlabel=labels[0], ylabel=labels[1])
    ax.set_aspect("equal", adjustable="box")
    if title:
        ax.set_title(title)
    if note:
        ax.text(0.04, 0.96, note, transform=ax.transAxes, va="top", fontsize=9, linespacing=1.3)
    return ax


def common_limits(*values: ArrayLike) -> tuple[float, float]:
    """Return one pair of axis limits that holds all values, from zero if none is negative, with a little room above."""
    every = np.concatenate([np.ravel(v) for v in values]).astype(np.float64)
    every = every[np.isfinite(every)]
    if not every.size:
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    room = 0.04 * ((high - low) or 1.0)
    return (0.0 if low >= 0 else low - room), high + room


def bars(
    ax: Axes,
    values: Mapping[str, float],
    *,
    label: str,
    notes: Mapping[str, str] | None = None,
    marks: Mapping[str, float] | None = None,
    colours: Mapping[str, str] | None = None,
    title: str | None = None,
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
    names, lengths = list(values), np.array([values[name] for name in values], dtype=np.float64)
    rows = np.arange(len(names))
    ax.barh(rows, lengths, height=0.72, color=[(colours or {}).get(name, COLOURS["models"]) for name in names])
    ax.set_yticks(rows, names)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    compared = np.array([(marks or {}).get(name, np.nan) for name in names], dtype=np.float64)
    marked = np.isfinite(compared)
    ax.vlines(compared[marked], rows[marked] - 0.42, rows[marked] + 0.42, color="black", linewidth=1.4)
    ends = np.fmax(np.fmax(lengths, compared), 0.0)
    longest = float(np.nanmax(np.abs([lengths, compared]), initial=0.0)) or 1.0
    for row, (name, end) in enumerate(zip(names, np.nan_to_num(ends), strict=True)):
        if text := (notes or {}).get(name, ""):
            ax.text(end + 0.03 * longest, row, text, va="center", fontsize=fontsize or 9)
    ax.set_xlim(min(0.0, np.nanmin(lengths, initial=0.0) * 1.1), longest * (1.4 if notes else 1.08))
    ax.set_xlabel(label, fontsize=fontsize)
    if fontsize:
        ax.tick_params(labelsize=fontsize, length=2)
        ax.tick_params(axis="y", length=0)
        ax.patch.set_alpha(0.85)
    if title:
        ax.set_title(title, fontsize=fontsize)
    return ax


def letter(axes: Sequence[Axes]) -> None:
    """Write (a), (b), … before the titles of panels."""
    for index, ax in enumerate(axes):
        place = next((p for p in ("left", "center") if ax.get_title(loc=p)), "left")
        ax.set_title(f"({chr(97 + index)}) {ax.get_title(loc=place)}".rstrip(), loc=place)
