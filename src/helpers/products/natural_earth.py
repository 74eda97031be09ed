"""Natural Earth: the outlines of land and countries, read from small TopoJSON files that ship with the book, and drawn.

TopoJSON (https://github.com/topojson/topojson-specification) stores each stretch of boundary once, as an *arc* of
integer steps, and builds rings out of arcs. Two properties of these files need care. Rings were stitched over the date
line, so that Russia is one ring whose longitudes leap from 180 to -180; and Antarctica is a ring that runs once around
the globe and never closes in longitude. `ring_polygon` undoes both: it unrolls the longitudes, leads a ring that went
round along its pole, and folds what lies beyond 180 degrees back to the other side.

>>> countries()["BRA"].contains(shapely.Point(-60, -3))
True
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio.features
import shapely
import shapely.geometry
import xarray as xr
import yaml
from shapely.affinity import translate

from helpers.products import compression
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.space.grid import Grid
from helpers.workspace import DATA

FOLDER = DATA / "natural_earth"
WORLD = shapely.box(-180, -90, 180, 90)
WITHOUT_CODE = 900
"""From here on, ISO 3166-1 leaves numeric codes to users: the few countries without one get them, in order of name."""


def read(product: Product, paths: list[Path], *, grid: Grid) -> xr.Dataset:
    """Draw land and countries onto a grid: a cell is of the outline that its centre lies in.

    Parameters
    ----------
    grid : Grid
        Where to.

    Returns
    -------
    xarray.Dataset
        On (lat, lon): ``land`` (bool) and, where the file holds countries, ``country`` (int16 flags: ISO 3166-1
        numeric codes, from 900 for those without, 0 off all countries; ``flag_meanings`` are their names).

    Raises
    ------
    ProductError
        There are several files, or one that is no TopoJSON or GeoJSON of land or countries.
    """
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ProductError(f"{paths[0].parent}: expected one file of outlines, found {names}; pass one of them")
    outlines, names = _outlines(paths[0])
    drawn = {}
    if names:
        codes = _codes(names)
        shapes = [(outline, codes[key]) for key, outline in outlines.items()]
        drawn["country"] = _draw(shapes, grid, "int16")
    drawn["land"] = _draw([(outline, 1) for outline in outlines.values()], grid, "uint8").astype(bool)
    cells = {name: (("lat", "lon"), drawn[name]) for name in ("land", "country") if name in drawn}
    ds = describe(xr.Dataset(cells, coords=grid.like().coords), product)
    if names:
        flags = {0: "none"} | dict(sorted((codes[key], name) for key, name in names.items()))
        words = " ".join("_".join(name.split()) for name in flags.values())
        ds["country"].attrs |= {"flag_values": np.array(list(flags), "int16"), "flag_meanings": words}
    return ds


def _draw(shapes: list[tuple[shapely.Geometry, int]], grid: Grid, dtype: str) -> np.ndarray:
    return rasterio.features.rasterize(shapes, out_shape=grid.shape, transform=grid.transform, dtype=dtype)


def _codes(names: dict[str, str]) -> dict[str, int]:
    """Return {key: number}: the ISO code that a key is, or the next free one."""
    without = sorted(key for key in names if not key.isdigit())
    return {key: int(key) for key in names if key.isdigit()} | {
        key: WITHOUT_CODE + place for place, key in enumerate(without)
    }


def _outlines(path: Path) -> tuple[dict[str, shapely.Geometry], dict[str, str]]:
    """Return {key: outline} and {key: name} of a file's countries; land alone has no name."""
    with compression.opened(path, (".json", ".geojson", ".topojson")) as plain:
        content = _json(plain, path)
    shapes: dict[str, list[shapely.Geometry]] = {}
    names: dict[str, str] = {}
    for shape, key, name in _items(content, path):
        shapes.setdefault(key, []).append(shape)
        if name:
            names[key] = name
    return {key: _areas(shapely.union_all(parts)) for key, parts in shapes.items()}, names


def _items(content: dict, path: Path):
    """Yield outline, key and name of every country, or of land, whose key and name are empty."""
    if content.get("type") == "Topology":
        objects, arcs = content["objects"], decode_arcs(content)
        for item in objects.get("countries", objects.get("land", {})).get("geometries", ()):
            about = item.get("properties", {})
            yield geometry(item, arcs), item.get("id") or about.get("name", ""), about.get("name", "")
    elif content.get("type") == "FeatureCollection":
        for item in content["features"]:
            about = {key.upper(): value for key, value in (item.get("properties") or {}).items()}
            name = about.get("ADMIN") or about.get("NAME") or ""
            codes = [str(about.get(key)) for key in ("ISO_N3", "ISO_N3_EH") if str(about.get(key)).isdigit()]
            yield shapely.geometry.shape(item["geometry"]), (codes or [name])[0], name
    else:
        raise ProductError(
            f"{path}: expected TopoJSON or GeoJSON, found type {content.get('type')!r}; restore the file"
        )


def _json(plain: Path, path: Path) -> dict:
    try:
        content = json.loads(plain.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: the Natural Earth outlines are missing; restore data/natural_earth") from None
    except ValueError as error:
        raise ProductError(
            f"{path}: expected TopoJSON, found text that is no JSON ({error}); restore the file"
        ) from None
    return content if isinstance(content, dict) else {}


def topology(path: Path) -> dict:
    """Read a TopoJSON file.

    Raises
    ------
    FileNotFoundError, ProductError
        The file is missing, or is no TopoJSON topology.
    """
    content = _json(Path(path), Path(path))
    if content.get("type") != "Topology":
        raise ProductError(f"{path}: expected a TopoJSON 'Topology', found none; restore the file")
    return content


def decode_arcs(content: dict) -> list[np.ndarray]:
    """Return every arc of a topology as an array (point, 2) of longitude and latitude in degrees.

    Quantised arcs hold integer steps from point to point; the topology's ``transform`` turns their running sums into
    degrees.
    """
    arcs = [np.asarray(arc, dtype=np.float64) for arc in content["arcs"]]
    if "transform" not in content:
        return arcs
    scale, origin = (np.asarray(content["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(arc, axis=0) * scale + origin for arc in arcs]


def join_arcs(indices: list[int], arcs: list[np.ndarray]) -> np.ndarray:
    """Chain arcs into one ring (point, 2); index ``~i`` means arc ``i`` backwards."""
    pieces = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])


def ring_polygon(ring: np.ndarray) -> shapely.Geometry:
    """Turn one ring into a valid geometry between -180 and 180 degrees.

    Parameters
    ----------
    ring : numpy.ndarray
        Longitude and latitude (point, 2); neighbours more than 180 degrees apart have the date line between them.
    """
    lon, lat = np.unwrap(ring[:, 0], period=360.0), ring[:, 1]
    if abs(lon[-1] - lon[0]) > 180:  # round the globe once: the area is the cap on the pole's side
        pole = np.copysign(90.0, lat.mean())
        lon = np.concatenate([lon, [lon[-1], lon[0]]])
        lat = np.concatenate([lat, [pole, pole]])
    shape = shapely.make_valid(shapely.Polygon(np.column_stack([lon, lat])))
    if lon.min() >= -180 and lon.max() <= 180:
        return _areas(shape)
    turns = (translate(shape, xoff=360.0 * k) for k in (-1, 0, 1))
    return _areas(shapely.union_all([turn.intersection(WORLD) for turn in turns]))


def _areas(shape: shapely.Geometry) -> shapely.Geometry:
    """Keep the polygons of a geometry: repairs and cuts leave stray lines and points behind."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def geometry(item: dict, arcs: list[np.ndarray]) -> shapely.Geometry:
    """Decode one TopoJSON Polygon, MultiPolygon or GeometryCollection into a shapely geometry in degrees."""
    match item["type"]:
        case "Polygon":
            outer, *holes = (ring_polygon(join_arcs(ring, arcs)) for ring in item["arcs"])
            # Inside an odd number of rings: Antarctica's first may be the one about the pole, and its second the coast.
            return _areas(shapely.symmetric_difference(outer, shapely.union_all(holes))) if holes else outer
        case "MultiPolygon":
            return _areas(shapely.union_all([geometry({"type": "Polygon", "arcs": p}, arcs) for p in item["arcs"]]))
        case "GeometryCollection":
            return _areas(shapely.union_all([geometry(part, arcs) for part in item["geometries"]]))
        case other:
            raise ValueError(f"TopoJSON geometry: expected Polygon or MultiPolygon, found {other!r}; leave it out")


@lru_cache(maxsize=2)
def land(scale: str = "50m") -> shapely.Geometry:
    """Return the land of the world, Antarctica and Greenland included, as one geometry in degrees.

    Parameters
    ----------
    scale : {"50m", "110m"}
        Natural Earth's map scale: 1:50 million for masks, 1:110 million for outlines on a world map.
    """
    files = {"50m": "countries-50m.json", "110m": "land-110m.json"}
    if scale not in files:
        raise ValueError(f"scale: expected one of {', '.join(files)}, found {scale!r}; choose one of them")
    content = topology(FOLDER / files[scale])
    return geometry(content["objects"]["land"], decode_arcs(content))


@lru_cache(maxsize=1)
def countries() -> dict[str, shapely.Geometry]:
    """Return the countries that ``data/economies.yml`` gives a code to, as {ISO 3166-1 alpha-3: geometry in degrees}.

    The files know a country by its ISO 3166-1 numeric code, and the few without one (Kosovo) by name alone; the table
    ``codes`` of economies.yml leads from either to the letters that people read.
    """
    content = topology(FOLDER / "countries-50m.json")
    arcs, shapes = decode_arcs(content), {}
    for item in content["objects"]["countries"]["geometries"]:
        shapes.setdefault(item.get("id", item["properties"]["name"]), []).append(item)
    codes = yaml.safe_load((DATA / "economies.yml").read_text(encoding="utf-8"))["codes"]
    if unknown := [f"{letters} ({key})" for letters, key in codes.items() if key not in shapes]:
        raise ValueError(
            f"data/economies.yml: codes expected in countries-50m.json, not found: {', '.join(unknown)}; mend the code"
        )
    return {
        letters: geometry({"type": "GeometryCollection", "geometries": shapes[key]}, arcs)
        for letters, key in codes.items()
    }
