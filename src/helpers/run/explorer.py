"""The explorer: maps of a run, packed for a page that shows them without a kernel.

``book/explorer.md`` is the page, ``book/_static/explorer.js`` what moves on it. A page opened as a file may read no
other file than scripts, so the numbers come as one. Each field is rounded to steps that the page tells, and only cells
with a prediction are kept. Where a run's cells are too many, the script holds blocks of them.
"""

from __future__ import annotations

import base64
import json
import math
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import xarray as xr
from matplotlib.colors import Colormap

from helpers.figures import style
from helpers.provenance import Label
from helpers.space import grid, regions
from helpers.stats import risk, trends
from helpers.workspace import Workspace

LIMIT = 4_600_000
"""Largest size of the script, bytes: with page, style and libraries the explorer stays below 5 MB."""

LEVELS = 2_000
"""A field's values lie on at least so many steps, and on fewer than ten times as many; see `decimals`."""

NO_NUMBER, NO_CLASS = 2**16 - 1, 2**8 - 1
"""What stands for a missing number, and for a missing class."""

USUAL = 1.4
"""Bytes of the script that a number usually takes: blocks for which even that is too much are not tried."""

ALPHA = 0.1
"""Slopes of the published protocol with a larger p are marked: the level of Yu et al. (2021)."""

UNITS = {"kg m-2 yr-1": "kg C m⁻² yr⁻¹", "kg m-2 yr-2": "kg C m⁻² yr⁻²", "yr-1": "yr⁻¹", "1": ""}
"""Units as the page writes them."""

SLOPE = ("slope", True)
OUTSIDE, BY_CHANCE = "outside the area of applicability", "not significant once all cells are judged together"
MEAN, STD, SPREAD = "Mean of the years.", "Standard deviation of the years.", "RECO, spread of the members"
NO_ERROR = "Standard deviation among the ensemble's networks. It is no error: they may agree and be wrong."


@dataclass(frozen=True)
class Layer:
    """What the map can show.

    Parameters
    ----------
    key, group, title, about : str
        Name in the page's address, heading in the list, name in the list, and what it means.
    values : xarray.DataArray (year, lat, lon) or (lat, lon)
        Numbers, NaN where missing, or the flags of `classes`. The map shows one year, where there are several.
    scale : str
        Layers with the same word share the ends of their colour bar; empty for classes.
    diverging : bool
        Whether the scale is symmetrical about zero.
    classes : dict of int to (str, str)
        Name and colour of each flag; others count as missing.
    doubt : (xarray.DataArray, str), optional
        Where the value is in doubt (lat, lon), and why.
    interval : pair of xarray.DataArray, optional
        Both ends of an interval (lat, lon).
    """

    key: str
    group: str
    title: str
    about: str
    values: xr.DataArray
    scale: str = ""
    diverging: bool = False
    classes: dict[int, tuple[str, str]] = field(default_factory=dict)
    doubt: tuple[xr.DataArray, str] | None = None
    interval: tuple[xr.DataArray, xr.DataArray] | None = None


SERIES = {
    "reco": ("reco-spread", style.COLOURS["reco"], [8, 3]),
    "honest": ("honest-spread", style.COLOURS["cnn"], []),
    "npp": (None, style.COLOURS["npp"], []),
    "gpp": (None, style.COLOURS["gpp"], [4, 2]),
    "truth": (None, style.COLOURS["truth"], [2, 3]),
}
"""The layers of a cell's chart: each with the layer of its spread, its colour and its dashes."""


def layers(ws: Workspace) -> list[Layer]:
    """Return what a run's maps can show, in the order of the list; what needs an artefact that isn't there is left out.

    Nothing is computed yet.
    """
    reco, static, predictors = ws.read("reco"), ws.read("static"), ws.read("predictors")
    group = "RECO by the published protocol"
    found = [
        Layer("reco", group, "RECO, year by year", "The ensemble of chapter 5.", reco.reco, "reco"),
        Layer("reco-mean", group, "RECO, mean", MEAN, _mean(reco.reco), "reco"),
        Layer("reco-std", group, "RECO, variability", STD, _std(reco.reco), "std"),
        Layer("reco-spread", group, SPREAD, NO_ERROR, reco.reco_sd, "spread"),
    ]
    if ws.has("reco_honest") and ws.has("applicability"):
        honest, belief = ws.read("reco_honest"), ws.read("applicability")
        group, doubt = "RECO by the honest network", (belief.aoa == 0, OUTSIDE)
        about = "The ensemble of chapter 10, chosen at unseen places."
        found += [
            Layer("honest", group, "Honest RECO, year by year", about, honest.reco, "reco", doubt=doubt),
            Layer("honest-mean", group, "Honest RECO, mean", MEAN, _mean(honest.reco), "reco", doubt=doubt),
            Layer("honest-std", group, "Honest RECO, variability", STD, _std(honest.reco), "std", doubt=doubt),
            Layer("honest-spread", group, f"Honest {SPREAD}", NO_ERROR, honest.reco_sd, "spread", doubt=doubt),
        ]
        group = "Where the map may be believed"
        about = "How far a place's predictors are from those of the tower most like it, chapter 10: 0 is as at a tower."
        kinds = {1: ("inside", style.COLOURS["run"]), 0: ("outside", style.COLOURS["test"])}
        inside = "Where enough years resemble what the towers have seen."
        found += [
            Layer("dissimilarity", group, "Dissimilarity", about, belief.di, "di", doubt=doubt),
            Layer("applicability", group, "Area of applicability", inside, belief.aoa, classes=kinds),
        ]
    about = "Net primary production, one of the predictors."
    found.append(Layer("npp", "Productivity", "NPP, year by year", about, predictors.npp, "npp"))
    if "gpp" in predictors:
        about = "Gross primary production, of the same product."
        found.append(Layer("gpp", "Productivity", "GPP, year by year", about, predictors.gpp, "gpp"))
    if ws.has("trends"):
        found += _published_trends(ws.read("trends"))
    if ws.has("honest_maps"):
        found += _honest_trends(ws.read("honest_maps"))
    biomes = {code: (name, style.IGBP_COLOURS[code]) for code, (_, name) in regions.IGBP.items()}
    about = "IGBP class of one year, taken for all years."
    found.append(Layer("biome", "Land", "Land cover", about, static.igbp, classes=biomes))
    if ws.has("truth"):
        truth = grid.resample(ws.read("truth").reco.sel(year=reco.year), grid.of(reco), "average")
        about = "What respiration really is on the made planet. No network has seen it."
        found.append(Layer("truth", "Made planet", "The made planet's true RECO, year by year", about, truth, "reco"))
    return found


def _mean(yearly: xr.DataArray) -> xr.DataArray:
    return yearly.mean("year").assign_attrs(units=yearly.units)


def _std(yearly: xr.DataArray) -> xr.DataArray:
    return yearly.std("year", ddof=1).assign_attrs(units=yearly.units)


def _published_trends(fits: xr.Dataset) -> list[Layer]:
    group, about, why = "Trends by the published protocol", "Slope by least squares, chapter 6.", f"p ≥ {ALPHA}"
    kinds = {code: (name, style.COLOURS[name]) for code, name in trends.DIRECTIONS.items()}
    signs = "Signs of the two slopes, significant or not, chapter 6."
    ahead = (
        "NPP's slope less RECO's, each in its own standard deviations, chapter 7: carbon-sink potential above zero, "
        "carbon-source risk below."
    )
    gap = (fits.npp_zslope - fits.reco_zslope).assign_attrs(units=fits.npp_zslope.units)
    return [
        Layer("reco-trend", group, "Trend of RECO", about, fits.reco_slope, *SLOPE, doubt=(fits.reco_p >= ALPHA, why)),
        Layer("npp-trend", group, "Trend of NPP", about, fits.npp_slope, *SLOPE, doubt=(fits.npp_p >= ALPHA, why)),
        Layer("direction", group, "Directions of NPP and RECO", signs, fits.direction, classes=kinds),
        Layer("risk", group, "NPP against RECO, z-slopes", ahead, gap, "risk", True),
    ]


def _honest_trends(fits: xr.Dataset) -> list[Layer]:
    group = "Trends tested honestly"
    about = "The same slope, tested with memory between years and for all cells together, chapter 11."
    doubt = {v: (fits[f"{v}_significant_as_field"] == 0, BY_CHANCE) for v in ("reco", "npp")}
    colours = {1: style.COLOURS["sink"], 2: style.COLOURS["source"], 3: "#9C9C9C"}
    kinds = {code: (name, colours[code]) for code, name in risk.VERDICTS.items()}
    title = {v: f"Trend of {v.upper()}, tested honestly" for v in doubt}
    larger = "Which slope is larger, where that interval tells, chapter 11."
    carbon = "In carbon, with the errors of the map carried through, chapter 11."
    gap, ends = fits.difference_estimate, (fits.difference_low, fits.difference_high)
    open_ = (fits.verdict == 3, "the interval holds zero")
    return [
        Layer("reco-trend-honest", group, title["reco"], about, fits.reco_slope, *SLOPE, doubt=doubt["reco"]),
        Layer("npp-trend-honest", group, title["npp"], about, fits.npp_slope, *SLOPE, doubt=doubt["npp"]),
        Layer(
            "difference", group, "NPP's slope less RECO's", carbon, gap, "difference", True, doubt=open_, interval=ends
        ),
        Layer("verdict", group, "Verdict", larger, fits.verdict, classes=kinds),
    ]


def write(ws: Workspace, label: Label, target: Path, limit: int = LIMIT) -> None:
    """Write the script with all that the page shows.

    Parameters
    ----------
    ws : Workspace
    label : Label
        Of the run.
    target : Path
    limit : int
        Largest size, bytes.

    Raises
    ------
    MissingArtefact, DamagedArtefact
        Of what chapters 1 and 5 make, something is not there, or cannot be read.
    ValueError
        No blocks of cells make it small enough.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # means of cells that have no value at all
        target.write_text(_script(layers(ws), label, target.name, limit), encoding="ascii")


def _script(shown: list[Layer], label: Label, name: str, limit: int) -> str:
    """Return the script on the smallest blocks that let it stay below the limit."""
    size = shown[0].values.shape[1:]
    numbers = sum(layer.values.size for layer in shown)
    land = float(np.isfinite(shown[0].values[0]).mean())
    for factor in range(1, min(size) // 2 + 1):
        if size[0] % factor or size[1] % factor or numbers * land / factor**2 * USUAL > limit:
            continue
        content = json.dumps(packed(shown, label, factor), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        script = f"window.EXPLORER = {content};\n"
        if len(script) <= limit:
            return script
    raise ValueError(f"{name}: expected at most {limit} bytes, found more on any blocks of {size} cells")


def packed(shown: list[Layer], label: Label, factor: int) -> dict[str, Any]:
    """Return what the page needs as plain values.

    Parameters
    ----------
    shown : list of Layer
        The first of them, yearly RECO, says which cells are kept.
    label : Label
    factor : int
        Cells of a block on each side: numbers are means of those that have one, classes and doubts the middle cell's.
    """
    first = _blocks(shown[0].values, factor)
    kept = np.isfinite(first.values).any(axis=0)
    arrays, told, scales = {}, [], {}
    for layer in shown:
        arrays[layer.key], values = _packed(layer, layer.values, kept, factor)
        about = {name: getattr(layer, name) for name in ("key", "group", "title", "about", "scale", "diverging")}
        about |= {"yearly": "year" in layer.values.dims, "units": ""}
        if layer.classes:
            about["classes"] = [{"flag": flag, "name": n, "colour": c} for flag, (n, c) in layer.classes.items()]
        else:
            about["units"] = UNITS.get(layer.values.units, layer.values.units)
            scales.setdefault(layer.scale, []).append((values, layer.diverging))
        if layer.doubt:
            middle = _blocks(layer.doubt[0], factor, classes=True).values[kept].astype("uint8")
            arrays[f"{layer.key}?"], about["doubt"] = {"data": _text(middle)}, layer.doubt[1]
        for end, one in zip(("<", ">"), layer.interval or (), strict=False):
            arrays[layer.key + end], _ = _packed(layer, one, kept, factor)
            about["interval"] = True
        told.append(about)
    keys = {layer.key for layer in shown}
    series = {k: {"spread": s, "colour": c, "dash": d} for k, (s, c, d) in SERIES.items() if k in keys}
    return {
        "label": label.noted(),
        "lat": _axis(first.lat), "lon": _axis(first.lon), "years": first.year.values.tolist(), "factor": factor,
        "cells": _text(np.packbits(kept)), "count": int(kept.sum()),
        "layers": told, "arrays": arrays, "series": series,
        "ends": {name: _ends(values) for name, values in scales.items()},
        "colours": {"sequential": _table(style.SEQUENTIAL), "diverging": _table(style.DIVERGING)},
        "land": _land(),
    }  # fmt: skip


def _blocks(values: xr.DataArray, factor: int, *, classes: bool = False) -> xr.DataArray:
    """Return a field in memory on blocks of cells, year by year, since a fine grid's years would not fit together."""
    if "year" in values.dims:
        years = [_blocks(values[k], factor, classes=classes) for k in range(values.year.size)]
        return xr.concat(years, "year").transpose("year", "lat", "lon")
    values = values.transpose("lat", "lon")
    if classes:
        return values[factor // 2 :: factor, factor // 2 :: factor].load()
    values = values.load()
    return values if factor == 1 else values.astype("float64").coarsen(lat=factor, lon=factor).mean()


def _packed(layer: Layer, values: xr.DataArray, kept: np.ndarray, factor: int) -> tuple[dict[str, Any], np.ndarray]:
    """Return a field as text with what undoes the packing, and its values (…, cell) as numbers."""
    here = _blocks(values, factor, classes=bool(layer.classes)).values[..., kept]
    if layer.classes:
        known = np.isin(here, list(layer.classes))
        return {"data": _text(np.where(known, here, NO_CLASS).astype("uint8"))}, here
    here = here.astype("float64")
    places = decimals(here)
    steps = np.round(here * 10.0**places)
    base = int(np.nanmin(steps)) if np.isfinite(steps).any() else 0
    whole = np.where(np.isfinite(steps), steps - base, NO_NUMBER).astype("uint16")
    if whole.ndim > 1:  # a year is much like the one before
        whole[1:] -= whole[:-1].copy()
    planes = np.concatenate([(whole & 0xFF).ravel(), (whole >> 8).ravel()]).astype("uint8")
    return {"data": _text(planes), "decimals": places, "base": base}, here


def decimals(values: np.ndarray) -> int:
    """Return how many decimals values are rounded to: the step is a power of ten (negative: tens, hundreds).

    >>> decimals(np.array([0.2, 5.1, np.nan]))
    3
    """
    known = values[np.isfinite(values)]
    return -math.floor(math.log10(np.ptp(known) / LEVELS)) if known.size and np.ptp(known) else 3


def _ends(shown: list[tuple[np.ndarray, bool]]) -> dict[str, Any]:
    """Return the ends of a colour bar as `helpers.figures.world` chooses them, for all layers that share it.

    ``beyond`` says whether values lie below the lower end, and above the upper one.
    """
    known = np.concatenate([values[np.isfinite(values)] for values, _ in shown])
    if not known.size:
        return {"low": 0.0, "high": 1.0, "beyond": [False, False]}
    low, high = np.quantile(known, [0.02, 0.98]).tolist()
    if shown[0][1]:
        high = max(abs(low), abs(high))
        low = -high
    elif known.min() >= 0 and low < 0.2 * high:
        low = 0.0
    return {"low": low, "high": high, "beyond": [bool(known.min() < low), bool(known.max() > high)]}


def _axis(centres: xr.DataArray) -> dict[str, Any]:
    """Return cell centres as first, step, and number."""
    values = centres.values.astype("float64")
    step = grid.step(values, centres.name)
    return {"first": round(float(values[0]), 9), "step": round(step, 12), "size": values.size}


def _land() -> list[list[float]]:
    """Return the rings of the land's outline: longitude and latitude by turns, hundredths of a degree."""
    (shape, _), *_ = regions.outlines(regions.OUTLINES / "land-110m.geojson")
    parts = [part for part in shapely.get_parts(shape) if part.bounds[3] > -60]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return [np.round(100 * shapely.get_coordinates(ring)).astype(int).ravel().tolist() for ring in rings]


def _table(colours: Colormap) -> str:
    """Return 256 colours, three bytes each."""
    return base64.b64encode((colours(np.arange(256))[:, :3] * 255).round().astype("uint8").tobytes()).decode()


def _text(content: np.ndarray) -> str:
    """Return bytes as text that a page can take apart without a library."""
    return base64.b64encode(zlib.compress(content.tobytes(), 9)).decode()
