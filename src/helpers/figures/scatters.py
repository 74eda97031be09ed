"""Simulated against observed, a panel a model on common axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.figures.charts import RECO_UNIT, common_limits, scatter
from helpers.figures.style import COLOURS, WIDTH

KINDS = {"CNN": COLOURS["cnn"], "process model": COLOURS["models"], "data-driven": COLOURS["npp"]}
"""Colour of a model by its kind."""


def scatters(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    what: str,
    notes: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    ncols: int = 4,
    size: float = 12.0,
) -> Sequence[Axes]:
    """Draw small multiples of `scatter`, all with the same limits.

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
    ncols : int
        Panels in a row at most.
    size : float
        Area of a point, points squared.

    Returns
    -------
    sequence of Axes
        One a panel.
    """
    wide = min(ncols, len(panels))
    tall = -(-len(panels) // wide)
    figure, axes = plt.subplots(tall, wide, figsize=(WIDTH, tall * (WIDTH / wide + 0.4) + 0.25), squeeze=False)
    axes, limits = axes.ravel(), common_limits(*(values for pair in panels.values() for values in pair))
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax, (name, (observed, simulated)) in zip(axes, panels.items(), strict=False):
        colour = KINDS[(kinds or {}).get(name, "CNN")]
        scatter(ax, observed, simulated, colour=colour, limits=limits, labels=("", ""), size=size)
        note = (notes or {}).get(name, "").replace("= -", "= −")
        ax.set_title(f"{name}\n{note}".rstrip(), fontsize=8.5)
    figure.supxlabel(f"{what}, observed ({RECO_UNIT})", fontsize=10)
    figure.supylabel(f"{what}, simulated ({RECO_UNIT})", fontsize=10)
    return axes[: len(panels)]
