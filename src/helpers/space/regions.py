"""Parts of the world: outlines, land, latitude bands, biomes, economies, and the area of each grid cell.

>>> round(float(cell_area([45.0, -45.0], [-90.0, 90.0]).sum() / SPHERE_AREA), 12)
1.0
>>> band([60, 0, -45]).tolist()
[0, 1, 2]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import rasterio.features
import shapely.geometry
import xarray as xr
import yaml
from numpy.typing import ArrayLike

from helpers.space.grid import RADIUS, coords, step, together
from helpers.workspace import DATA

OUTLINES = DATA / "natural_earth"
"""Folder of the outlines: ``countries-50m.geojson``, whose countries make up the land, and ``land-110m.geojson``."""

SPHERE_AREA = 4.0 * np.pi * RADIUS**2
"""Surface of the MODIS sphere, which has the Earth's own, m2."""

BANDS: dict[str, tuple[float, float]] = {
    "Global": (-90.0, 90.0),
    "Northern Extra-tropics": (30.0, 90.0),
    "Tropics": (-30.0, 30.0),
    "Southern Extra-tropics": (-90.0, -30.0),
}
"""South and north limit of the globe and of the paper's three bands, degrees north (Yu et al. 2021, Fig. 4)."""

BAND_NAMES = tuple(BANDS)[1:]
"""Meaning of the flags 0, 1, 2 that `band` gives."""

IGBP: dict[int, tuple[str, str]] = {
    0: ("WAT", "Water bodies"),
    1: ("ENF", "Evergreen needleleaf forests"),
    2: ("EBF", "Evergreen broadleaf forests"),
    3: ("DNF", "Deciduous needleleaf forests"),
    4: ("DBF", "Deciduous broadleaf forests"),
    5: ("MF", "Mixed forests"),
    6: ("CSH", "Closed shrublands"),
    7: ("OSH", "Open shrublands"),
    8: ("WSA", "Woody savannas"),
    9: ("SAV", "Savannas"),
    10: ("GRA", "Grasslands"),
    11: ("WET", "Permanent wetlands"),
    12: ("CRO", "Croplands"),
    13: ("URB", "Urban and built-up lands"),
    14: ("CVM", "Cropland and natural vegetation mosaics"),
    15: ("SNO", "Permanent snow and ice"),
    16: ("BSV", "Barren"),
}
"""Land cover code of MCD12C1, type 1: abbreviation and name (Sulla-Menashe and Friedl 2018, table 3; water is 0)."""

IGBP_CODES: dict[str, int] = {abbreviation: code for code, (abbreviation, _) in IGBP.items()}
"""The other way round: the code of an abbreviation, as flux towers carry it."""


ECONOMIES: tuple[str, ...] = tuple(yaml.safe_load((DATA / "economies.yml").read_text(encoding="utf-8"))["economies"])
"""Names of the economies, in the order of data/economies.yml; the flag of the first is 1."""


def outlines(path: Path) -> list[tuple[shapely.Geometry, dict]]:
    """Return the outline (degrees) and the properties, named in capitals, of each feature of a GeoJSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.get("type") != "FeatureCollection":
        raise ValueError(f"{path}: expected GeoJSON with a FeatureCollection, found none; restore the file")
    return [
        (shapely.geometry.shape(feature["geometry"]), {k.upper(): v for k, v in (feature["properties"] or {}).items()})
        for feature in content["features"]
        if feature["geometry"] is not None  # which GeoJSON allows
    ]


@lru_cache(maxsize=1)
def _countries() -> list[tuple[shapely.Geometry, dict]]:
    return outlines(OUTLINES / "countries-50m.geojson")


def cell_area(lat: ArrayLike, lon: ArrayLike) -> np.ndarray:
    r"""Return the exact area of every cell of a regular grid on the sphere.

    A cell between latitudes :math:`\varphi_1 < \varphi_2` that spans :math:`\Delta\lambda` in longitude has the area
    :math:`R^2 \Delta\lambda (\sin\varphi_2 - \sin\varphi_1)`.

    Parameters
    ----------
    lat, lon : array_like
        Cell centres in degrees (lat,), (lon,), evenly spaced, in either direction.

    Returns
    -------
    numpy.ndarray
        Areas in m2 (lat, lon), float64; a global grid sums to `SPHERE_AREA`.
    """
    height, width = step(lat, "lat"), step(lon, "lon")
    edges = np.asarray(lat, dtype=np.float64)[:, None] + 0.5 * abs(height) * np.array([-1.0, 1.0])
    edges = np.radians(np.clip(edges, -90.0, 90.0))
    rows = RADIUS**2 * np.radians(abs(width)) * np.diff(np.sin(edges), axis=1)
    return np.repeat(rows, np.size(lon), axis=1)


def band(lat: ArrayLike) -> np.ndarray:
    """Return the latitude band of each latitude: 0 north, 1 tropics, 2 south of the tropics (int8, shape of ``lat``).

    A latitude of exactly 30 degrees belongs to the tropics.
    """
    lat = np.asarray(lat, dtype=np.float64)
    return np.where(lat > 30.0, 0, np.where(lat < -30.0, 2, 1)).astype(np.int8)


def burn(shapes: list[tuple[shapely.Geometry, int]], lat: ArrayLike, lon: ArrayLike, dtype="int8") -> np.ndarray:
    """Draw geometries onto a regular grid: a cell takes the value of the geometry that its centre lies in.

    Parameters
    ----------
    shapes : list of (geometry, int)
        Geometries in degrees (-180 to 180) with positive values; the later one wins where two overlap.
    lat, lon : array_like
        Cell centres in degrees, evenly spaced, in either direction; longitudes between -180 and 180.
    dtype : dtype
        Of the result.

    Returns
    -------
    numpy.ndarray
        (lat, lon), 0 outside every geometry.
    """
    dy, dx = step(lat, "lat"), step(lon, "lon")
    lat, lon = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
    if lon.min() < -180.0 or lon.max() > 180.0:
        raise ValueError(
            f"lon: expected -180 to 180 degrees, found {lon.min():g} to {lon.max():g}; use grid.normalise_lat_lon first"
        )
    corner = rasterio.Affine(abs(dx), 0, lon.min() - abs(dx) / 2, 0, -abs(dy), lat.max() + abs(dy) / 2)
    field = rasterio.features.rasterize(shapes, out_shape=(lat.size, lon.size), transform=corner, dtype="int16")
    return field[:: (1 if dy < 0 else -1), :: (1 if dx > 0 else -1)].astype(dtype)


def land(lat: ArrayLike, lon: ArrayLike) -> np.ndarray:
    """Say of each cell of a regular grid whether its centre is on land (bool, (lat, lon)).

    Land is Natural Earth's at 1:50 million. It includes Antarctica, Greenland and inland lakes, but no ice shelf, and
    not the Caspian Sea.
    """
    return burn([(shape, 1) for shape, _ in _countries()], lat, lon).astype(bool)


@lru_cache(maxsize=1)
def economy_shapes() -> dict[str, shapely.Geometry]:
    """Return {economy: geometry in degrees} by the lists, codes and clips of data/economies.yml."""
    content = yaml.safe_load((DATA / "economies.yml").read_text(encoding="utf-8"))
    codes, shapes = content["codes"], {}
    countries = {  # the few without a code, Kosovo among them, go by their names
        about["ISO_N3"] if about["ISO_N3"].isdigit() else about["ADMIN"]: shape for shape, about in _countries()
    }
    for name, entry in content["economies"].items():
        if unknown := [letters for letters in entry["countries"] if codes.get(letters) not in countries]:
            raise ValueError(
                f"data/economies.yml: {name!r} names {', '.join(unknown)}, without a code of an outline; mend codes"
            )
        shape = shapely.union_all([countries[codes[letters]] for letters in entry["countries"]])
        shapes[name] = shapely.intersection(shape, shapely.box(*entry["clip"])) if "clip" in entry else shape
    return shapes


def economies(lat: ArrayLike, lon: ArrayLike) -> np.ndarray:
    """Return the economy of each cell of a regular grid: 0 none, 1 the first of `ECONOMIES`, … (int8, (lat, lon))."""
    return burn([(shape, code) for code, shape in enumerate(economy_shapes().values(), start=1)], lat, lon)


def parts(lat: ArrayLike, lon: ArrayLike) -> xr.Dataset:
    """Return the parts of the world on a regular grid, as fields with CF attributes.

    Parameters
    ----------
    lat, lon : array_like
        Cell centres in degrees (lat,), (lon,), evenly spaced; longitudes between -180 and 180.

    Returns
    -------
    xarray.Dataset
        On (lat, lon): ``band`` and ``economy`` (int8 flags, as `band` and `economies` give them), ``area`` (m2).
    """
    bands = np.repeat(band(lat)[:, None], np.size(lon), axis=1)
    flags = {"band": (bands, "latitude band", BAND_NAMES)}
    flags["economy"] = (economies(lat, lon), "economy", ("none", *ECONOMIES))
    fields = {"area": cell_area(lat, lon)}
    about = {"area": {"units": "m2", "long_name": "area of the cell", "standard_name": "cell_area"}}
    for name, (codes, long_name, meanings) in flags.items():
        words = " ".join(meaning.replace(" ", "_") for meaning in meanings)
        fields[name] = codes
        about[name] = {"long_name": long_name, "flag_values": list(range(len(meanings))), "flag_meanings": words}
    maps = {name: (("lat", "lon"), field, about[name]) for name, field in fields.items()}
    return xr.Dataset(maps, coords(np.asarray(lat), np.asarray(lon)))


def places(lat: ArrayLike, lon: ArrayLike) -> dict[str, np.ndarray]:
    """Return {place: bool (lat, lon)}: the cells whose centres lie in each box of data/places.yml.

    The boxes are a reading of the places that Yu et al. (2021) name in words.

    >>> bool(places([-3.0], [-60.0])["Amazonia"].all())
    True
    """
    boxes = yaml.safe_load((DATA / "places.yml").read_text(encoding="utf-8"))
    lat, lon = np.asarray(lat, dtype=np.float64)[:, None], np.asarray(lon, dtype=np.float64)[None, :]
    return {
        name: (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
        for name, (west, south, east, north) in boxes.items()
    }


def groups(flags: ArrayLike, meanings: Mapping[int, str]) -> dict[str, np.ndarray | xr.DataArray]:
    """Turn a field of flags into {name: bool field}, in the order of ``meanings``; its labels stay with it.

    >>> groups(np.array([0, 1, 1]), {1: "Tropics"})["Tropics"].tolist()
    [False, True, True]
    """
    flags = flags if isinstance(flags, xr.DataArray) else np.asarray(flags)
    return {name: flags == code for code, name in meanings.items()}


def group_shares(
    mask: ArrayLike, area: ArrayLike, groups: Mapping[str, ArrayLike], within: ArrayLike | None = None
) -> pd.DataFrame:
    """Return, for each group of cells, the share of it that ``mask`` holds in, by count and by area.

    Parameters
    ----------
    mask : array_like of bool
        Where the thing counted is true (lat, lon).
    area : array_like
        Cell areas in m2 (lat, lon).
    groups : mapping of str to array_like of bool
        Fields that say which cells belong to each group (lat, lon); groups may overlap.
    within : array_like of bool, optional
        The cells that count at all, such as the analysis mask; default all.

    Returns
    -------
    pandas.DataFrame
        Columns name, n_cells, area_m2, share_pixel, share_area (fractions; NaN for an empty group).

    Raises
    ------
    ValueError
        Two of the fields have coordinates, and these are of other cells.
    """
    counted = [] if within is None else [within]
    mask, area, *counted = together(mask, area, *counted, *groups.values())
    within, groups = (None if within is None else counted.pop(0)), dict(zip(groups, counted, strict=True))
    mask, area = np.asarray(mask, dtype=bool), np.asarray(area, dtype=np.float64)
    within = np.ones(mask.shape, dtype=bool) if within is None else np.asarray(within, dtype=bool)
    rows = []
    for name, member in groups.items():
        inside = np.asarray(member, dtype=bool) & within
        n, size = int(inside.sum()), float(area[inside].sum())
        hit = inside & mask
        shares = (hit.sum() / n, area[hit].sum() / size) if n else (np.nan, np.nan)
        rows.append((name, n, size, *map(float, shares)))
    return pd.DataFrame(rows, columns=["name", "n_cells", "area_m2", "share_pixel", "share_area"])
