"""A cut-out of a map, cell by cell, on which windows can be seen to lie within the cells of a coarser product."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from helpers.figures.style import SEQUENTIAL


def blocks(
    ax: Axes, field: xr.DataArray, seen: xr.DataArray, *, lat: float, lon: float, reach: int, label: str
) -> Axes:
    """Draw the cells around a place, with the window that sees fewest cells of a coarser product, and most.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    field : DataArray (lat, lon)
        What to colour the cells by.
    seen : DataArray (lat, lon)
        How many coarser cells the window around each cell sees; may lack the rows and columns at the edges.
    lat, lon : float
        The place, degrees.
    reach : int
        Cells on each side of it.
    label : str
        Quantity and unit, under the colour bar.
    """
    i, j = (int(abs(field[k].values - at).argmin()) for k, at in (("lat", lat), ("lon", lon)))
    part = field.isel(lat=slice(max(i - reach, 0), i + reach + 1), lon=slice(max(j - reach, 0), j + reach + 1))
    step = abs(float(part.lat[1] - part.lat[0]))
    mesh = ax.pcolormesh(part.lon, part.lat, part, cmap=SEQUENTIAL, edgecolors="white", linewidth=0.3)
    ax.figure.colorbar(mesh, ax=ax, fraction=0.046, pad=0.03).set_label(label)
    inside = seen.sel(lat=part.lat[1:-1], lon=part.lon[1:-1])
    far = np.hypot(inside.lat - lat, inside.lon - lon)
    for number, dashes in ((int(inside.max()), "--"), (int(inside.min()), "-")):
        place = far.where(inside == number)
        centre = inside[place.argmin(["lat", "lon"])]
        down, right = abs(inside.lat - centre.lat), abs(inside.lon - centre.lon)
        far = far.where((down > 2.5 * step) | (right > 2.5 * step), 1e6)  # the other window keeps clear of this one
        what = f"window that sees {number} cell{'s' * (number > 1)}"
        corner = float(centre.lon) - 1.5 * step, float(centre.lat) - 1.5 * step
        ax.add_patch(Rectangle(corner, 3 * step, 3 * step, fill=False, lw=2.2, ls=dashes, ec="black", label=what))
    ax.set(xlabel="longitude (°)", ylabel="latitude (°)", aspect="equal")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, frameon=False, handlelength=1.6)
    return ax
