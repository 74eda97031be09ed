"""Figures of trends: annual means with their lines, and slopes with an inset of the significant ones."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from cartopy.mpl.geoaxes import GeoAxes

from helpers.figures.charts import letter
from helpers.figures.maps import inset, world
from helpers.figures.style import COLOURS, WIDTH


def trend_lines(series: Mapping[str, xr.DataArray], fits: pd.DataFrame) -> np.ndarray:
    """Draw standardised annual means with their straight lines, a panel a region.

    Parameters
    ----------
    series : mapping of str to DataArray (region, year)
        Standardised annual means, by variable: names with a colour of the house, such as "reco".
    fits : DataFrame
        By region and variable in capitals: ``z_slope`` (yr-1) and ``p``, written into the panels.

    Returns
    -------
    numpy.ndarray
        The axes, two in a row.
    """
    regions = next(iter(series.values())).region.values
    fig, axes = plt.subplots(
        -(-len(regions) // 2), 2, figsize=(WIDTH, 3 * -(-len(regions) // 2)), sharex=True, sharey=True
    )
    for ax, region in zip(axes.flat, regions, strict=True):
        for row, (v, z) in enumerate(series.items()):
            _line(ax, row, v, z.sel(region=region), fits.loc[(region, v.upper())])
        ax.set_title(region)
        ax.xaxis.set_major_locator(plt.MaxNLocator(6, integer=True))
    axes.flat[0].set_ylim(top=axes.flat[0].get_ylim()[1] + 0.7 * len(series))  # room for the text
    letter(axes.flat)
    fig.supylabel("standardised annual mean (1)", fontsize=10)
    return axes


def _line(ax: plt.Axes, row: int, v: str, z: xr.DataArray, fit: pd.Series) -> None:
    """Draw one series with its line, and write slope and p into the given row of the panel."""
    years, colour = z.year.to_numpy(), COLOURS[v]
    ax.plot(years, z, color=colour, marker="os^D"[row], markersize=3.5, linewidth=0.9)
    ax.plot(years, fit.z_slope * (years - years.mean()), color=colour, linewidth=2)
    p = f"p = {fit.p:.3f}" if fit.p >= 0.001 else "p < 0.001"
    text = f"{v.upper()}:  b = {fit.z_slope:.3f}, {p}"
    ax.text(0.02, 0.99 - 0.085 * row, text, color=colour, transform=ax.transAxes, va="top", fontsize=9)
    ax.set_xlim(years[0] - 0.5, years[-1] + 0.5)


def trend_map(slope: xr.DataArray, p: xr.DataArray, name: str, *, level: float, reach: float) -> GeoAxes:
    """Draw slopes on a map, and in an inset those with a p-value below a level.

    Parameters
    ----------
    slope, p : DataArray (lat, lon)
        Slopes in g m-2 yr-2 of carbon, NaN outside the analysis; their p-values.
    name : str
        What rises or falls.
    level : float
        The inset keeps the cells with ``p`` below it.
    reach : float
        The colours run from minus this to plus this, on both maps.
    """
    scale = {"diverging": True, "vmin": -reach, "vmax": reach}
    ax = world(slope, label=f"slope of {name} (g C m$^{{-2}}$ yr$^{{-2}}$)", **scale)
    world(slope.where(p < level), label=None, ax=inset(ax, "lower left", world=True), title=f"p < {level:g}", **scale)
    return ax
