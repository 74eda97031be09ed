"""The world on paper: Equal Earth, where equal areas look equal, drawn without asking the network for anything.

Fields and outlines are projected here, once, and drawn as plain Matplotlib meshes and paths. That is many times faster
than a transform at each drawing, and keeps cartopy from downloading coastlines.
"""

from __future__ import annotations

from functools import lru_cache

import cartopy.crs as ccrs
import matplotlib.pyplot as plt
import numpy as np
import shapely
import xarray as xr
from cartopy.mpl.geoaxes import GeoAxes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from helpers.figures.style import COLOURS
from helpers.grid import RADIUS
from helpers.products import natural_earth

SPHERE = ccrs.Globe(ellipse=None, semimajor_axis=RADIUS, semiminor_axis=RADIUS)
EQUAL_EARTH, DEGREES = ccrs.EqualEarth(globe=SPHERE), ccrs.PlateCarree(globe=SPHERE)
"""The maps' projection and its geographic coordinates, on the sphere that cell areas are computed on."""

SOUTH, NORTH = -60.0, 85.0
"""Latitudes that a map shows: Antarctica has no vegetation to speak of."""

FINEST = 0.25
"""A map 800 pixels wide shows no finer cells than this (degrees): finer fields are averaged or thinned."""


def project(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Equal Earth coordinates in metres of degrees of any shape; +-180 stays on its own side of the map."""
    inside = np.clip(np.asarray(lon, dtype=np.float64), -179.999999, 179.999999)
    points = EQUAL_EARTH.transform_points(DEGREES, inside, np.clip(lat, -90.0, 90.0))
    return points[..., 0], points[..., 1]


@lru_cache(maxsize=1)
def land_outline() -> Outline:
    """Return the land of the world as one projected path."""
    vertices, codes = [], []
    for part in shapely.get_parts(natural_earth.land("110m")):
        for ring in (part.exterior, *part.interiors):
            lon, lat = np.asarray(shapely.segmentize(ring, 2.0).coords).T
            vertices.append(np.column_stack(project(lon, lat)))
            codes.append([Outline.MOVETO] + [Outline.LINETO] * (lon.size - 2) + [Outline.CLOSEPOLY])
    return Outline(np.concatenate(vertices), np.concatenate(codes))


@lru_cache(maxsize=1)
def globe_outline() -> Outline:
    """Return the edge of the map between `SOUTH` and `NORTH` as one projected path."""
    lat = np.linspace(SOUTH, NORTH, 60)
    lon = np.linspace(-180.0, 180.0, 60)
    edge = [
        project(np.full(60, -180.0), lat),
        project(lon, np.full(60, NORTH)),
        project(np.full(60, 180.0), lat[::-1]),
        project(lon[::-1], np.full(60, SOUTH)),
    ]
    return Outline(np.concatenate([np.column_stack(side) for side in edge]), closed=False)


def world_axes(
    ax: GeoAxes | None = None, *, figsize: tuple[float, float] | None = None, land_colour: str = COLOURS["land"]
) -> GeoAxes:
    """Return axes that show the world without Antarctica: grey land, its outline above, the map's edge around.

    Raises
    ------
    ValueError
        ``ax`` has another projection.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, subplot_kw={"projection": EQUAL_EARTH})
    if getattr(ax, "projection", None) != EQUAL_EARTH:
        raise ValueError(
            "ax: expected axes with the Equal Earth projection, found others; make them with"
            " plt.subplots(subplot_kw={'projection': figures.EQUAL_EARTH}) or leave ax out"
        )
    edge, land = globe_outline(), land_outline()
    ax.set_xlim(*(edge.vertices[:, 0].min() * side for side in (1.005, -1.005)))
    ax.set_ylim(edge.vertices[:, 1].min() * 1.01, edge.vertices[:, 1].max() * 1.01)
    ax.spines["geo"].set_visible(False)
    ax.patch.set_visible(False)
    ax.add_artist(PathPatch(edge, facecolor="white", edgecolor="none", zorder=-1))
    frame = ax.add_artist(PathPatch(edge, fill=False, edgecolor=COLOURS["outline"], linewidth=0.6, zorder=4))
    for style in (
        {"facecolor": land_colour, "edgecolor": "none", "zorder": 0},
        {"fill": False, "edgecolor": COLOURS["outline"], "linewidth": 0.4, "zorder": 3},
    ):
        ax.add_artist(PathPatch(land, **style)).set_clip_path(frame)
    return ax


def edges(centres: np.ndarray) -> np.ndarray:
    """Return the n + 1 edges of n evenly spaced cell centres."""
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    return centres[0] + step * (np.arange(centres.size + 1) - 0.5)


def for_drawing(field: xr.DataArray, *, classes: bool = False) -> xr.DataArray:
    """Return the field in memory on cells no finer than `FINEST`: block means, or every n-th cell of a map of classes.

    Raises
    ------
    ValueError
        The field has other dimensions than lat and lon.
    """
    if set(field.dims) != {"lat", "lon"}:
        raise ValueError(
            f"field {field.name or ''}: expected dimensions lat and lon, found {', '.join(map(str, field.dims))};"
            " select or average the others first"
        )
    field = field.transpose("lat", "lon").load()
    step = abs(float(field.lon[1] - field.lon[0]))
    factor = max(1, round(FINEST / step))
    if factor == 1:
        return field
    if classes:
        return field[factor // 2 :: factor, factor // 2 :: factor]
    return field.coarsen(lat=factor, lon=factor, boundary="trim").mean()


def mesh(ax: GeoAxes, field: xr.DataArray, **style):
    """Draw a (lat, lon) field as coloured cells and return the Matplotlib mesh."""
    lon, lat = np.meshgrid(edges(field.lon.values), edges(field.lat.values))
    x, y = project(lon, lat)
    values = np.ma.masked_invalid(field.values)
    drawn = super(GeoAxes, ax).pcolormesh(x, y, values, rasterized=True, zorder=1, **style)
    drawn.set_clip_path(globe_outline(), ax.transData)
    return drawn
