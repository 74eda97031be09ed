"""Where towers stand on a map, and how spread and timing of simulated years make their skill."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cartopy.mpl.geoaxes import GeoAxes
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.figures.projection import project
from helpers.figures.scatters import KINDS
from helpers.figures.style import MARKERS

LEVELS = (-4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.2, 0.4, 0.6, 0.8)
"""Skills whose lines `timing` draws."""


def towers(ax: GeoAxes, lat: ArrayLike, lon: ArrayLike, *, colour: str = "#D55E00", size: float = 7.0) -> GeoAxes:
    """Draw places onto a map, as small dots with a white rim.

    Parameters
    ----------
    ax : GeoAxes
        A map, as `helpers.figures.world` draws it.
    lat, lon : array_like (place,)
        Degrees.
    colour : str
        Of the dots.
    size : float
        Area of a dot, points squared.
    """
    x, y = project(np.asarray(lon), np.asarray(lat))
    super(GeoAxes, ax).scatter(x, y, s=size, color=colour, edgecolors="white", linewidths=0.4, zorder=5)
    return ax


def timing(ax: Axes, scores: pd.DataFrame) -> Axes:
    r"""Draw models in the plane of spread ratio and correlation, over lines of equal skill.

    With anomalies whose spread is :math:`\rho` times that of the observations and whose correlation with them is r, the
    skill is :math:`1 - \mathrm{MSE} / \sigma_o^2 = 2 r \rho - \rho^2`, greatest at :math:`\rho = r`.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    scores : DataFrame
        A row a model (index: its name): ``ratio`` and ``r``, the interval of r from ``low`` to ``high``, and ``kind``
        (CNN, process model or data-driven).
    """
    right = max(1.25, 1.1 * float(scores["ratio"].max()))
    bottom = min(0.0, 1.05 * float(scores["low"].min()))
    ratio, r = np.meshgrid(np.linspace(1e-3, right, 200), np.linspace(bottom, 1, 200))
    lines = ax.contour(ratio, r, 2 * r * ratio - ratio**2, levels=LEVELS, colors="#BDBDBD", linewidths=0.8, zorder=1)
    ax.clabel(lines, fontsize=7, fmt=lambda skill: f"{skill:g}".replace("-", "−"))
    ax.plot([0, 1], [0, 1], color="#4D4D4D", linestyle="--", linewidth=1.0, zorder=2, label="best spread, ratio = r")
    ax.axvline(1.0, color="#4D4D4D", linewidth=0.6, zorder=2)
    for index, (name, row) in enumerate(scores.iterrows()):
        colour, reach = KINDS[row["kind"]], [[row["r"] - row["low"]], [row["high"] - row["r"]]]
        look = {
            "marker": MARKERS[index % len(MARKERS)],
            "markersize": 7,
            "markeredgecolor": "black",
            "markeredgewidth": 0.5,
        }
        ax.errorbar(
            row["ratio"], row["r"], yerr=reach, color=colour, linestyle="none", elinewidth=1.0, label=name, **look
        )
    ax.set(xlim=(0, right), ylim=(bottom, 1), xlabel="spread of anomalies, simulated / observed")
    ax.set_ylabel("r of anomalies")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax
