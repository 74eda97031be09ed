"""Maps: of a field, of many fields, of classes, of points; and small axes set into a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from cartopy.mpl.geoaxes import GeoAxes
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from helpers.figures.charts import bars
from helpers.figures.projection import EQUAL_EARTH, for_drawing, mesh, project, world_axes
from helpers.figures.style import COLOURS, DIVERGING, MARKERS, SEQUENTIAL

PLACES = {"lower left": (0.0, 0.0), "lower right": (1.0, 0.0), "upper left": (0.0, 1.0), "upper right": (1.0, 1.0)}

INSET_TITLE = {"fontsize": 8, "pad": 2, "loc": "center"}
"""Smaller than a map's own, and away from the corner, where the edge of the large map runs."""


def limits(
    values: np.ndarray, *, diverging: bool, vmin: float | None = None, vmax: float | None = None
) -> tuple[float, float]:
    """Choose the ends of a colour scale: given ones first, then the 2nd and 98th percentile of the finite values.

    A diverging scale is symmetrical about zero; a sequential one of values that are never negative begins at zero when
    its lower end would lie near it.
    """
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
    if diverging:
        reach = max(abs(v) for v in ((low, high) if vmin is None and vmax is None else (vmin or 0.0, vmax or 0.0)))
        return -(reach or 1.0), reach or 1.0
    if finite.size and finite.min() >= 0 and low < 0.2 * high:
        low = 0.0
    low, high = (low if vmin is None else vmin), (high if vmax is None else vmax)
    return (low, high) if high > low else (low, low + 1.0)


def extension(values: np.ndarray, norm: Normalize) -> str:
    """Say at which ends values lie beyond the colour scale: Matplotlib's ``extend``."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "neither"
    below, above = finite.min() < norm.vmin, finite.max() > norm.vmax
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def world(
    field: xr.DataArray,
    *,
    label: str | None,
    cmap: str | Colormap | None = None,
    diverging: bool = False,
    vmin: float | None = None,
    vmax: float | None = None,
    ax: GeoAxes | None = None,
    title: str | None = None,
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
        Ends of the scale; default by `limits`. Arrows on the bar say that values lie beyond.
    ax : GeoAxes, optional
        Equal Earth axes to draw on; default a new figure.
    title : str, optional
        Title of the map.

    Returns
    -------
    GeoAxes
        The axes drawn on.
    """
    ax = world_axes(ax, land_colour=COLOURS["blank" if diverging else "land"])
    shown = for_drawing(field)
    norm = Normalize(*limits(shown.values, diverging=diverging, vmin=vmin, vmax=vmax))
    drawn = mesh(ax, shown, norm=norm, cmap=cmap or (DIVERGING if diverging else SEQUENTIAL))
    if title:
        ax.set_title(title, **({} if ax in ax.figure.axes else INSET_TITLE))
    if label is not None:
        bar = ax.figure.colorbar(
            drawn,
            ax=ax,
            orientation="horizontal",
            shrink=0.6,
            aspect=32,
            pad=0.03,
            extend=extension(field.values, norm),
        )
        bar.set_label(label)
        bar.outline.set_visible(False)
    return ax


def worlds(fields: Mapping[str, tuple], ncols: int = 3, *, size: tuple[float, float] = (2.9, 2.15)) -> np.ndarray:
    """Draw small maps side by side, each with its own colour bar.

    Parameters
    ----------
    fields : mapping of str to (DataArray, str) or (DataArray, str, dict)
        For each title the field (lat, lon), its label with unit and, if wanted, further arguments of `world`.
    ncols : int
        Maps in a row.
    size : tuple of float
        Width and height of one map, inches.

    Returns
    -------
    numpy.ndarray
        The axes, one a field.
    """
    nrows = -(-len(fields) // ncols)
    figure, axes = plt.subplots(
        nrows,
        ncols,
        figsize=(size[0] * ncols, size[1] * nrows),
        subplot_kw={"projection": EQUAL_EARTH},
        squeeze=False,
    )
    for ax in axes.ravel()[len(fields) :]:
        ax.remove()
    for ax, (title, (field, label, *more)) in zip(axes.ravel(), fields.items(), strict=False):
        world(field, label=label, ax=ax, title=title, **(more[0] if more else {}))
    return axes.ravel()[: len(fields)]


def categories(
    field: xr.DataArray,
    colours: Mapping[int, str],
    labels: Mapping[int, str],
    *,
    ax: GeoAxes | None = None,
    title: str | None = None,
    legend_columns: int = 4,
) -> GeoAxes:
    """Draw a field of classes, with a legend under the map.

    Parameters
    ----------
    field : xarray.DataArray
        Flags (lat, lon); flags without a colour are left blank.
    colours, labels : mapping of int to str
        Colour and name of each flag.
    ax, title
        As in `world`.
    legend_columns : int
        Columns of the legend; 0 draws none.
    """
    if set(colours) - set(labels):
        raise ValueError(f"labels: expected a name for each of the flags {sorted(colours)}, found {sorted(labels)}")
    ax = world_axes(ax)
    codes = sorted(colours)
    shown = for_drawing(field, classes=True)
    position = xr.full_like(shown, np.nan, dtype=np.float64)
    for index, code in enumerate(codes):
        position = position.where(shown != code, index)
    norm = BoundaryNorm(np.arange(-0.5, len(codes)), len(codes)) if len(codes) > 1 else Normalize(-0.5, 0.5)
    mesh(ax, position, norm=norm, cmap=ListedColormap([colours[code] for code in codes]))
    if title:
        ax.set_title(title)
    if legend_columns:
        handles = [Patch(facecolor=colours[c], edgecolor="#4D4D4D", linewidth=0.4, label=labels[c]) for c in codes]
        _legend_below(ax, handles, legend_columns)
    return ax


def points(
    lat: ArrayLike,
    lon: ArrayLike,
    flags: ArrayLike,
    colours: Mapping[int, str],
    labels: Mapping[int, str],
    *,
    ax: GeoAxes | None = None,
    title: str | None = None,
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
    """
    ax = world_axes(ax)
    x, y = project(np.asarray(lon), np.asarray(lat))
    flags, handles = np.asarray(flags), []
    for index, code in enumerate(sorted(colours)):
        here = flags == code
        if not here.any():
            continue
        look = {"marker": MARKERS[index % len(MARKERS)], "markeredgecolor": "black", "markeredgewidth": 0.4}
        text = f"{labels[code]} ({int(here.sum())})"
        super(GeoAxes, ax).plot(
            x[here], y[here], linestyle="none", color=colours[code], markersize=size**0.5, zorder=5, **look
        )
        handles.append(Line2D([], [], linestyle="none", color=colours[code], markersize=6, label=text, **look))
    if title:
        ax.set_title(title)
    _legend_below(ax, handles, legend_columns)
    return ax


def _legend_below(ax: GeoAxes, handles: Sequence, columns: int) -> None:
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=min(columns, max(1, len(handles))),
        handlelength=1.2,
        columnspacing=1.2,
    )


def inset(
    ax: GeoAxes, place: str = "lower left", *, width: float = 0.27, height: float = 0.4, world: bool = False
) -> Axes | GeoAxes:
    """Return small axes in a corner of a map, for a second map (``world=True``) or a chart.

    Parameters
    ----------
    ax : GeoAxes
        The map.
    place : {"lower left", "lower right", "upper left", "upper right"}
        Corner.
    width, height : float
        Size as fractions of the map's.
    world : bool
        The inset is a map too, to be passed to `world` as its ``ax``.
    """
    if place not in PLACES:
        raise ValueError(f"place: expected one of {', '.join(PLACES)}, found {place!r}; choose one of them")
    right, top = PLACES[place]
    more = {"projection": EQUAL_EARTH} if world else {}
    small = ax.inset_axes([right * (1 - width), top * (1 - height), width, height], zorder=6, **more)
    small.tick_params(labelsize=7, length=2)
    small.title.set_fontsize(8)
    return small


def inset_bars(ax: GeoAxes, values: Mapping[str, float], *, label: str, place: str = "lower left", **more) -> Axes:
    """Set a small bar chart into a corner of a map, as high as its bars need; the first bar is the map's own.

    Parameters
    ----------
    ax : GeoAxes
        The map.
    values : mapping of str to float
        Length of each named bar.
    label : str
        Quantity and unit.
    place : str
        Corner, as in `inset`.
    **more
        Further arguments of `bars`: ``notes``, ``marks``.
    """
    small = inset(ax, place, width=0.26, height=0.055 * (len(values) + 1))
    return bars(small, values, label=label, colours={next(iter(values)): COLOURS["cnn"]}, fontsize=7.5, **more)
