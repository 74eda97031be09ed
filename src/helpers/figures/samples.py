"""Charts of samples: one window cell by cell, values by class, and a histogram of each predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from helpers.figures.style import COLOURS, SEQUENTIAL, WIDTH


def window(ax: Axes, values: ArrayLike, title: str | None = None) -> Axes:
    """Draw a window with its values written into the cells and its centre framed.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    values : array_like
        (dy, dx), north at the top; NaN is grey and marked as missing. The colours run from the least to the greatest.
    title : str, optional
        Which predictor.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    room = 1e-6 + 1e-6 * abs(low)  # nine equal values get the colour in the middle
    ax.imshow(values, cmap=SEQUENTIAL, vmin=low - room, vmax=high + room)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}
    for (y, x), value in np.ndenumerate(values):
        text = f"{value:.3g}".replace("-", "−") if np.isfinite(value) else "missing"
        ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox=box)
    middle = values.shape[0] // 2 - 0.5
    ax.add_patch(Rectangle((middle, middle), 1, 1, fill=False, linewidth=2.5, edgecolor=COLOURS["reco"]))
    ax.set(xticks=[], yticks=[], title=title, facecolor=COLOURS["land"])
    ax.spines[:].set_visible(False)
    return ax


def boxes(ax: Axes, groups: Mapping[str, ArrayLike], *, label: str, colour: str = COLOURS["reco"]) -> Axes:
    """Draw one horizontal box a group, the smallest median at the bottom, with its number of values.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    groups : mapping of str to array_like
        Values of each named group, without NaN.
    label : str
        Quantity and unit, under the axis.
    colour : str
        Colour of the medians.
    """
    order = sorted(groups, key=lambda name: float(np.median(groups[name])))
    ax.boxplot(
        [np.asarray(groups[name]) for name in order],
        orientation="horizontal",
        tick_labels=[f"{name} ({len(groups[name])})" for name in order],
        medianprops={"color": colour, "linewidth": 2},
        flierprops={"marker": ".", "markersize": 3},
    )
    ax.set_xlabel(label)
    return ax


def histograms(panels: Mapping[str, tuple[ArrayLike, str]], ncols: int = 4, *, what: str = "samples") -> Sequence[Axes]:
    """Draw small histograms side by side.

    Parameters
    ----------
    panels : mapping of str to (array_like, str)
        For each title the values, without NaN, and the label under the axis.
    ncols : int
        Panels in a row.
    what : str
        What is counted.

    Returns
    -------
    sequence of Axes
        One a panel.
    """
    nrows = -(-len(panels) // ncols)
    figure, axes = plt.subplots(nrows, ncols, figsize=(WIDTH, 1.75 * nrows), squeeze=False)
    for ax in axes.ravel()[len(panels) :]:
        ax.remove()
    for ax, (title, (values, label)) in zip(axes.ravel(), panels.items(), strict=False):
        ax.hist(np.ravel(values), bins=25, color=COLOURS["run"])
        ax.set(title=title, xlabel=label)
    figure.supylabel(what)
    return axes.ravel()[: len(panels)]
