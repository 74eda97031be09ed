"""Maps: of a field, of many fields, of classes, of points, and of the cells around a place.

Cartopy projects, xarray draws cells and colour bars; land comes from the book's own files, so that no map asks the
network for a coastline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import cartopy.crs as ccrs
import matplotlib.pyplot as plt
import numpy as np
import shapely
import xarray as xr
from cartopy.feature import ShapelyFeature
from cartopy.mpl.geoaxes import GeoAxes
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike

from helpers.figures.style import COLOURS, DIVERGING, MARKERS, SEQUENTIAL
from helpers.space import regions
from helpers.space.grid import RADIUS

SPHERE = ccrs.Globe(ellipse=None, semimajor_axis=RADIUS, semiminor_axis=RADIUS)
EQUAL_EARTH, DEGREES = ccrs.EqualEarth(globe=SPHERE), ccrs.PlateCarree(globe=SPHERE)
"""The maps' projection, and the coordinates of what is drawn on them, on the sphere that cell areas are computed on."""

SOUTH, NORTH = -60.0, 85.0
"""Latitudes that a map shows: Antarctica has no vegetation to speak of."""

FINEST = 0.25
"""A map 800 pixels wide shows no finer cells than this (degrees): finer fields are averaged or thinned."""

LEGEND_BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "handlelength": 1.2, "columnspacing": 1.2}


@lru_cache(maxsize=1)
def _land() -> ShapelyFeature:
    (shape, _), *_ = regions.outlines(regions.OUTLINES / "land-110m.geojson")
    return ShapelyFeature(shapely.get_parts(shape), DEGREES)


def _world_axes(ax: GeoAxes | None = None, land_colour: str = COLOURS["land"]) -> GeoAxes:
    """Return axes that show the world without Antarctica: grey land, its outline above, the map's edge around."""
    if ax is None:
        _, ax = plt.subplots(subplot_kw={"projection": EQUAL_EARTH})
    if getattr(ax, "projection", None) != EQUAL_EARTH:
        raise ValueError(
            "ax: expected Equal Earth axes; make them with plt.subplots(subplot_kw={'projection': figures.EQUAL_EARTH})"
        )
    ax.set_global()
    ax.set_ylim(*(EQUAL_EARTH.transform_point(0.0, lat, DEGREES)[1] for lat in (SOUTH, NORTH)))
    ax.spines["geo"].set(edgecolor=COLOURS["outline"], linewidth=0.6)
    ax.add_feature(_land(), facecolor=land_colour, edgecolor="none", zorder=0)
    ax.add_feature(_land(), facecolor="none", edgecolor=COLOURS["outline"], linewidth=0.4, zorder=3)
    return ax


def _for_drawing(field: xr.DataArray, *, classes: bool = False) -> xr.DataArray:
    """Return the field in memory, on cells no finer than `FINEST`: block means, or every n-th cell of classes."""
    field = field.transpose("lat", "lon").load()
    factor = max(1, round(FINEST / abs(float(field.lon[1] - field.lon[0]))))
    if classes:
        field = field[factor // 2 :: factor, factor // 2 :: factor]
    elif factor > 1:
        field = field.coarsen(lat=factor, lon=factor, boundary="trim").mean()
    # an edge that rounding puts beyond the date line would send its cell around the globe
    return field.assign_coords({k: field[k].astype("float64") * (1 - 1e-7) for k in ("lat", "lon")})


def world(
    field: xr.DataArray,
    *,
    label: str | None,
    cmap: str | Colormap | None = None,
    diverging: bool = False,
    vmin: float | None = None,
    vmax: float | None = None,
    ax: GeoAxes | None = None,
    title: str = "",
) -> GeoAxes:
    """Draw a field of numbers on an equal-area map of the world.

    Parameters
    ----------
    field : xarray.DataArray
        Values (lat, lon); NaN shows the grey of land without a value, a darker one when ``diverging``.
    label : str or None
        Quantity and unit, under the colour bar; None draws no colour bar (for an inset that shares its map's).
    cmap : str or Colormap, optional
        Default batlow, or vik when ``diverging``.
    diverging : bool
        The scale is symmetrical about a meaningful zero.
    vmin, vmax : float, optional
        Ends of the scale, of a diverging one ``vmax`` alone; default the 2nd and 98th percentile, and zero where values
        that are never negative come near it. Arrows on the bar say that values lie beyond.
    ax : GeoAxes, optional
        Equal Earth axes to draw on; default a new figure.
    title : str
        Title of the map.
    """
    ax = _world_axes(ax, COLOURS["blank" if diverging else "land"])
    shown = _for_drawing(field)
    if not diverging and vmin is None and shown.min() >= 0:
        low, high = shown.quantile([0.02, 0.98])
        vmin = 0.0 if low < 0.2 * high else None
    bar = {"orientation": "horizontal", "shrink": 0.6, "aspect": 32, "pad": 0.03, "label": label}
    drawn = shown.plot.pcolormesh(
        ax=ax, transform=DEGREES, cmap=cmap or (DIVERGING if diverging else SEQUENTIAL), vmin=vmin, vmax=vmax,
        center=0.0 if diverging else False, robust=True, add_labels=False, rasterized=True, zorder=1,
        add_colorbar=label is not None, cbar_kwargs=bar if label is not None else None,
    )  # fmt: skip
    if label is not None:
        drawn.colorbar.outline.set_visible(False)
    ax.set_title(title)
    return ax


def worlds(
    fields: Mapping[str, tuple],
    ncols: int = 3,
    *,
    size: tuple[float, float] = (2.9, 2.15),
    bars: Sequence[str] = (),
) -> np.ndarray:
    """Draw small maps side by side, each with its own colour bar or some above a common one.

    Parameters
    ----------
    fields : mapping of str to (DataArray, str or None) or (DataArray, str or None, dict)
        For each title the field (lat, lon), its label with unit and, if wanted, further arguments of `world`.
    ncols : int
        Maps in a row.
    size : tuple of float
        Width and height of one map, inches.
    bars : sequence of str
        Labels of common colour bars: one for all maps, or one a row. Maps above one bar are given the same ends, and
        no label of their own.
    """
    nrows = -(-len(fields) // ncols)
    look = {"figsize": (size[0] * ncols, size[1] * nrows), "subplot_kw": {"projection": EQUAL_EARTH}}
    figure, axes = plt.subplots(nrows, ncols, squeeze=False, **look)
    axes = axes.ravel()
    for ax in axes[len(fields) :]:
        ax.remove()
    axes, meshes, beyond = axes[: len(fields)], [], []
    for ax, (title, (field, label, *more)) in zip(axes, fields.items(), strict=True):
        world(field, label=label, ax=ax, title=title, **(more[0] if more else {}))
        meshes += [mesh for mesh in ax.collections if mesh.get_array() is not None]
        beyond.append((field.min() < meshes[-1].norm.vmin, field.max() > meshes[-1].norm.vmax))
    for label, above in zip(bars, np.array_split(np.arange(len(axes)), len(bars) or 1), strict=False):
        low, high = (any(beyond[k][end] for k in above) for end in (0, 1))
        for k in above:
            meshes[k].set_label(label)
        look = {"location": "bottom", "shrink": 0.45, "aspect": 36, "label": label}
        look["extend"] = {(0, 0): "neither", (0, 1): "max", (1, 0): "min", (1, 1): "both"}[low, high]
        figure.colorbar(meshes[above[0]], ax=axes[above], **look).outline.set_visible(False)
    return axes


def categories(
    field: xr.DataArray,
    colours: Mapping[int, str],
    labels: Mapping[int, str],
    *,
    legend_columns: int = 4,
) -> GeoAxes:
    """Draw a field of classes, with a legend under the map.

    Parameters
    ----------
    field : xarray.DataArray
        Flags (lat, lon); flags without a colour are left blank.
    colours, labels : mapping of int to str
        Colour and name of each flag.
    legend_columns : int
        Columns of the legend.
    """
    ax, codes, shown = _world_axes(), sorted(colours), _for_drawing(field, classes=True)
    place = xr.full_like(shown, np.nan, dtype="float64")
    for index, code in enumerate(codes):
        place = place.where(shown != code, index)
    place.plot.pcolormesh(
        ax=ax, transform=DEGREES, cmap=ListedColormap([colours[code] for code in codes]), vmin=-0.5,
        vmax=len(codes) - 0.5, add_labels=False, add_colorbar=False, rasterized=True, zorder=1,
    )  # fmt: skip
    handles = [Patch(facecolor=colours[c], edgecolor=COLOURS["outline"], linewidth=0.4, label=labels[c]) for c in codes]
    ax.legend(handles=handles, ncols=min(legend_columns, len(handles)), **LEGEND_BELOW)
    return ax


def points(
    lat: ArrayLike,
    lon: ArrayLike,
    flags: ArrayLike,
    colours: Mapping[int, str],
    labels: Mapping[int, str],
    *,
    ax: GeoAxes | None = None,
    title: str = "",
    size: float = 26.0,
    legend_columns: int = 5,
) -> GeoAxes:
    """Draw places by class on a map of the world: a colour and a marker for each, their number in the legend.

    Parameters
    ----------
    lat, lon : array_like
        Places in degrees (place,).
    flags : array_like
        Class of each place (place,).
    colours, labels : mapping of int to str
        Colour and name of each class; classes without a place are left out of the legend.
    ax, title
        As in `world`.
    legend_columns
        As in `categories`.
    size : float
        Area of a mark, points squared.
    """
    ax = _world_axes(ax)
    lat, lon, flags = np.asarray(lat), np.asarray(lon), np.asarray(flags)
    for index, code in enumerate(sorted(colours)):
        here = flags == code
        if here.any():
            look = {"marker": MARKERS[index % len(MARKERS)], "edgecolors": "black", "linewidths": 0.4, "zorder": 5}
            label = f"{labels[code]} ({here.sum()})"
            ax.scatter(lon[here], lat[here], s=size, color=colours[code], label=label, transform=DEGREES, **look)
    ax.set_title(title)
    ax.legend(ncols=min(legend_columns, len(np.unique(flags))), **LEGEND_BELOW)
    return ax


def blocks(
    ax: Axes, field: xr.DataArray, seen: xr.DataArray, *, lat: float, lon: float, reach: int, label: str
) -> None:
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
        Quantity and unit, beside the colour bar.
    """
    step = abs(float(field.lat[1] - field.lat[0]))
    near = [abs(field[k] - field[k].sel({k: at}, method="nearest")) for k, at in (("lat", lat), ("lon", lon))]
    part = field.where((near[0] < (reach + 0.5) * step) & (near[1] < (reach + 0.5) * step), drop=True)
    bar = {"label": label, "fraction": 0.046, "pad": 0.03}
    part.plot.pcolormesh(ax=ax, cmap=SEQUENTIAL, edgecolors="white", linewidth=0.3, add_labels=False, cbar_kwargs=bar)
    inside = seen.sel(lat=part.lat[1:-1], lon=part.lon[1:-1])
    far = np.hypot(inside.lat - lat, inside.lon - lon)
    for number, dashes in ((int(inside.max()), "--"), (int(inside.min()), "-")):
        middle = inside[far.where(inside == number).argmin(["lat", "lon"])]
        clear = (abs(inside.lat - middle.lat) > 2.5 * step) | (abs(inside.lon - middle.lon) > 2.5 * step)
        far = far.where(clear, 1e6)  # the other window keeps clear of this one
        corner = float(middle.lon) - 1.5 * step, float(middle.lat) - 1.5 * step
        what = f"window that sees {number} cell{'s' * (number > 1)}"
        ax.add_patch(Rectangle(corner, 3 * step, 3 * step, fill=False, lw=2.2, ls=dashes, ec="black", label=what))
    ax.set(xlabel="longitude (°)", ylabel="latitude (°)", aspect="equal")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), handlelength=1.6)
