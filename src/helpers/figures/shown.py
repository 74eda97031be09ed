"""What a figure shows, in numbers: its marks as a table, its fields as NetCDF.

They are read from what Matplotlib holds, so that a chapter need do nothing for it, and are kept beside the image in
the cell's output, as ``text/csv`` and ``application/x-netcdf``. Outlines of land, colour bars, legends and words are
left out.
"""

from __future__ import annotations

import base64
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from cartopy.mpl.feature_artist import FeatureArtist
from cartopy.mpl.geoaxes import GeoAxes
from IPython.core.formatters import BaseFormatter, DisplayFormatter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, QuadMesh
from matplotlib.colors import ListedColormap, to_hex, to_rgba_array
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch

from helpers.workspace import LIBRARY

COLUMNS = (
    *("panel", "kind", "series", "part", "x", "y", "value"),
    *("x_name", "y_name", "x_axis", "y_axis", "value_axis"),
)
"""Columns of the table: where a mark is (panel), what it is, of which series, which of several of the same (part), its
place in data coordinates, the value that its colour or length stands for; what a place on an axis is called, where the
axis has words; and the axes' labels with their units."""


class Numbers(BaseFormatter):
    """Gives a figure in another form, whatever formats of images are chosen.

    Where that fails it warns: a chapter of hours doesn't fail for the file beside a figure.
    """

    def __init__(self, kind: str, made: Callable[[Figure], str | None], display: DisplayFormatter) -> None:
        super().__init__(parent=display, format_type=kind)
        self.made = made

    def __call__(self, shown: object) -> str | None:
        """Return a figure's numbers, and nothing of any other object."""
        try:
            return self.made(shown) if isinstance(shown, Figure) else None
        except Exception as error:  # noqa: BLE001 (whatever it is, the image is there)
            warnings.warn(f"{self.format_type}: the figure is shown without it ({error!r:.200})", stacklevel=2)
            return None


def register(display: DisplayFormatter) -> None:
    """Let every figure that a notebook shows carry its numbers."""
    for kind, made in {"text/csv": table_text, "application/x-netcdf": fields_text}.items():
        display.formatters[kind] = Numbers(kind, made, display)


def table_text(figure: Figure) -> str | None:
    """Return `table` as CSV; None where the figure has no marks."""
    marks = table(figure)
    return None if marks.empty else marks.to_csv(index=False, float_format="%.7g")


def fields_text(figure: Figure) -> str | None:
    """Return `fields` as NetCDF, in base64; None where the figure has no fields."""
    shown = fields(figure)
    if not shown.data_vars:
        return None
    with tempfile.TemporaryDirectory() as folder, LIBRARY:
        path = Path(folder) / "fields.nc"
        packed = {name: {"zlib": True, "complevel": 4} for name in shown.data_vars}
        shown.to_netcdf(path, engine="netcdf4", encoding=packed)
        return base64.b64encode(path.read_bytes()).decode()


def table(figure: Figure) -> pd.DataFrame:
    """Return the marks of a figure: lines, points, bars, ranges and areas (by their corners), a row a place.

    Returns
    -------
    DataFrame
        Those of `COLUMNS` that hold anything.
    """
    parts = [_marks(ax, panel, named) for ax, panel, named in _panels(figure)]
    found = pd.DataFrame([row for rows in parts for row in rows], columns=list(COLUMNS))
    several = found.groupby(["panel", "kind", "series"], dropna=False).part.transform("max") > 0
    found["part"] = found.part.where(several)
    return found.replace("", np.nan).dropna(axis="columns", how="all")


def _panels(figure: Figure) -> Iterator[tuple[Axes, str, dict[str, str]]]:
    """Yield each axes that isn't a colour bar, its title or number, and what its legend calls which colour."""
    shown = [ax for ax in figure.axes if ax.get_visible() and ax.get_label() != "<colorbar>"]
    for number, ax in enumerate(shown, 1):
        titles = [ax.get_title(loc) for loc in ("left", "center", "right")]
        title = " ".join(filter(None, titles)).replace("\n", " ")
        yield ax, title or (f"panel {number}" if len(shown) > 1 else ""), _legend(ax) or _legend(figure)


def _legend(owner: Axes | Figure) -> dict[str, str]:
    """Return what a legend calls each colour; a colour that it has for two things stands for neither."""
    legends = owner.legends if isinstance(owner, Figure) else filter(None, [owner.get_legend()])
    names: dict[str, list[str]] = {}
    for legend in legends:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if colour := _colours(handle)[:1]:
                names.setdefault(colour[0], []).append(text.get_text())
    return {colour: found[0] for colour, found in names.items() if len(found) == 1}


def _colours(artist: Artist) -> list[str]:
    """Return the colours of a mark: one, or one a place."""
    for ask in ("get_facecolor", "get_markerfacecolor", "get_color", "get_edgecolor"):
        if hasattr(artist, ask):
            try:
                colours = to_rgba_array(getattr(artist, ask)())
            except ValueError:  # a colour named "none", or "auto"
                continue
            if len(colours) and colours[:, 3].any():
                return [to_hex(colour) for colour in colours]
    return []


def _marks(ax: Axes, panel: str, legend: dict[str, str]) -> Iterator[dict]:
    """Yield the rows of one panel."""
    labels, bars = {}, {}
    for container in ax.containers:
        for artist in _members(container):
            labels[artist] = container.get_label()
        if isinstance(container, BarContainer) and container.datavalues is not None:
            upright = container.orientation != "horizontal"
            bars |= {patch: (upright, v) for patch, v in zip(container, container.datavalues, strict=True)}
    axes = {"x_axis": ax.get_xlabel(), "y_axis": ax.get_ylabel()}
    if isinstance(ax, GeoAxes):
        axes = {"x_axis": "longitude (degrees east)", "y_axis": "latitude (degrees north)"}
    words = {"x_name": _words(ax.xaxis), "y_name": _words(ax.yaxis)}
    count: dict[tuple[str, str], int] = {}
    for artist in [*ax.lines, *ax.collections, *ax.patches]:
        if not artist.get_visible() or isinstance(artist, QuadMesh | FeatureArtist | FancyArrowPatch):
            continue
        label, colours = str(labels.get(artist, artist.get_label()) or ""), _colours(artist)
        for kind, places, values in _parts(artist, bars.get(artist)):
            series = "" if label.startswith("_") else label
            key = kind, series or legend.get(colours[0] if colours else "", "")
            count[key] = count.get(key, -1) + 1
            each = len(colours) == len(places) > 1 and not series and values is None
            told = _value_axis(artist) if values is not None and kind != "bar" else ""
            for k, (x, y) in enumerate(_in_data(artist, ax, places)):
                if np.isfinite(x) or np.isfinite(y):
                    row = {"panel": panel, "kind": kind, "series": key[1], "part": count[key], "x": x, "y": y}
                    row |= {"series": legend.get(colours[k], "")} if each else {}
                    row |= {} if values is None else {"value": float(values[k])}
                    row |= {name: find(at) for (name, find), at in zip(words.items(), (x, y), strict=True)}
                    yield row | axes | {"value_axis": told}


def _members(container: Iterable) -> Iterator[Artist]:
    for each in container:
        if isinstance(each, Artist):
            yield each
        elif isinstance(each, Iterable):  # bars of errors come in lists, and so do parts of boxes
            yield from _members(each)


def _parts(artist: Artist, bar: tuple[bool, float] | None) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Yield kind, places (n, 2) and values (n) or None of what an artist draws."""
    match artist:
        case mpl.lines.Line2D():
            dots = artist.get_linestyle() in ("None", "none", "", " ")
            yield "points" if dots else "line", np.column_stack(artist.get_data(orig=False)).astype("float64"), None
        case Patch() if bar:
            (x, y), wide, high = artist.get_xy(), artist.get_width(), artist.get_height()
            end = (x + wide / 2, y + high) if bar[0] else (x + wide, y + high / 2)
            yield "bar", np.array([end], "float64"), np.array([bar[1]], "float64")
        case Patch():
            corners = artist.get_patch_transform().transform(_corners(artist.get_path()))
            if np.ptp(corners, axis=0).any():  # else a legend's
                yield "area", corners, None
        case mpl.collections.LineCollection():
            for segment in artist.get_segments():
                yield "range", np.asarray(segment, "float64"), None
        case Collection():
            values, places = artist.get_array(), np.ma.filled(np.ma.asarray(artist.get_offsets(), "float64"), np.nan)
            values = None if values is None else np.ma.filled(np.ma.asarray(values, "float64"), np.nan).ravel()
            if len(artist.get_paths()) == 1 and artist.get_offset_transform().contains_branch(artist.axes.transData):
                yield "points", places, values if values is not None and len(values) == len(places) else None
            else:
                for k, path in enumerate(artist.get_paths()):
                    own = values is not None and len(values) == len(artist.get_paths())
                    corners = _corners(path)
                    yield "area", corners, np.full(len(corners), values[k]) if own else None


def _corners(path: mpl.path.Path) -> np.ndarray:
    """Return the vertices of a path but those that only close it, which lie anywhere."""
    return path.vertices if path.codes is None else path.vertices[path.codes != path.CLOSEPOLY]


def _in_data(artist: Artist, ax: Axes, places: np.ndarray) -> np.ndarray:
    """Return places with NaN for what isn't a coordinate of the data, such as the ends of a line across the axes."""
    transform = artist.get_transform()
    if isinstance(artist, Collection) and len(artist.get_paths()) == 1:
        transform = artist.get_offset_transform() + transform
    own = transform.contains_branch_seperately(ax.transData)
    return np.where(own, np.reshape(places, (-1, 2)), np.nan)


def _words(axis: Axis):
    """Return a function from a place on an axis to the word that stands there; one that finds none where none does."""
    places = axis.get_majorticklocs()
    texts = [str(text).replace("\n", " ") for text in axis.get_major_formatter().format_ticks(places)]
    named = {at: text for at, text in zip(places, texts, strict=True) if text and not _is_number(text)}
    if not named or len(named) < sum(map(bool, texts)):
        return lambda at: ""
    reach = min(np.diff(sorted(named)), default=1.0) / 2
    at_all = np.array(list(named))

    def find(at: float) -> str:
        nearest = at_all[np.argmin(abs(at_all - at))]
        return named[nearest] if abs(nearest - at) < reach else ""

    return find


def _is_number(text: str) -> bool:
    plain = text.replace("\N{MINUS SIGN}", "-").strip("$%×").replace(r"\mathdefault", "").strip("{}$ ")
    return not any(letter.isalpha() for letter in plain)


def _value_axis(artist: Artist) -> str:
    """Return the words beside the colour bar of an artist."""
    bar = getattr(artist, "colorbar", None)
    return (bar.ax.get_xlabel() or bar.ax.get_ylabel()) if bar else ""


def fields(figure: Figure) -> xr.Dataset:
    """Return the fields of a figure: meshes and images, a variable each, on latitude and longitude where it is a map.

    ``long_name`` is the colour bar's label with its unit, ``panel`` the title above. Classes have CF's flags, if a
    legend names their colours.
    """
    made: dict[str, xr.DataArray] = {}
    for ax, panel, legend in _panels(figure):
        for artist in [*ax.collections, *ax.images]:
            if not artist.get_visible() or not isinstance(artist, QuadMesh | mpl.image.AxesImage):
                continue
            values = np.ma.filled(np.ma.asarray(artist.get_array(), "float64"), np.nan)
            x, y = _centres(artist, values.shape)
            if values.ndim != 2 or x is None:
                continue
            label = artist.get_label()
            about = {"panel": panel, "long_name": _value_axis(artist) or ("" if label.startswith("_") else label)}
            about |= _flags(artist, values, legend)
            about = {name: value for name, value in about.items() if not isinstance(value, str) or value}
            made[f"field_{len(made) + 1}"] = _array(ax, values, x, y, about, made)
    return xr.Dataset(made)


def _centres(artist: QuadMesh | mpl.image.AxesImage, shape: tuple) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the middles of columns and rows; None where rows and columns aren't straight."""
    if isinstance(artist, mpl.image.AxesImage):
        left, right, bottom, top = artist.get_extent()
        ends = (left, right, shape[1]), ((top, bottom) if artist.origin == "upper" else (bottom, top)) + (shape[0],)
        edges = [np.linspace(a, b, n + 1) for a, b, n in ends]
    else:
        corners = artist.get_coordinates()
        edges = [corners[0, :, 0], corners[:, 0, 1]]
        if not (np.allclose(corners[..., 0], edges[0]) and np.allclose(corners[..., 1].T, edges[1])):
            return None, None
    return tuple(np.round((edge[1:] + edge[:-1]) / 2, 5) for edge in edges)


def _flags(artist: Artist, values: np.ndarray, legend: dict[str, str]) -> dict:
    """Return CF's flags of a field of classes, by the colours of the legend."""
    if not legend or not isinstance(artist.cmap, ListedColormap):
        return {}
    known = np.unique(values[np.isfinite(values)])
    names = {v: legend.get(to_hex(artist.to_rgba(v))) for v in known[:64]}
    if len(known) > 64 or not all(names.values()):
        return {}
    return {
        "flag_values": known.astype("float32"),
        "flag_meanings": " ".join(n.replace(" ", "_") for n in names.values()),
    }


def _array(ax: Axes, values: np.ndarray, x: np.ndarray, y: np.ndarray, about: dict, others: dict) -> xr.DataArray:
    """Return a field, on the coordinates of an earlier one where they are the same."""
    earth = isinstance(ax, GeoAxes)
    labels = (
        [
            {"units": "degrees_north", "standard_name": "latitude"},
            {"units": "degrees_east", "standard_name": "longitude"},
        ]
        if earth
        else [{"long_name": label} if label else {} for label in (ax.get_ylabel(), ax.get_xlabel())]
    )
    coords = {}
    for stem, at, told in zip(("lat", "lon") if earth else ("y", "x"), (y, x), labels, strict=True):
        for name in (stem, *(f"{stem}_{k}" for k in range(2, 99))):
            known = [each[name] for each in others.values() if name in each.coords]
            if not known or (np.array_equal(known[0], at) and known[0].attrs == told):
                coords[name] = (name, at, told)
                break
    return xr.DataArray(values.astype("float32"), coords, list(coords), attrs=about)
