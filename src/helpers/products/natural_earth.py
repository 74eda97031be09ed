"""Natural Earth: the outlines of land and countries, read from small TopoJSON files that ship with the book.

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
import shapely
import yaml
from shapely.affinity import translate

from helpers.workspace import DATA

FOLDER = DATA / "natural_earth"
WORLD = shapely.box(-180, -90, 180, 90)


def topology(path: Path) -> dict:
    """Read a TopoJSON file.

    Raises
    ------
    FileNotFoundError, ValueError
        The file is missing, or is no TopoJSON topology.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: the Natural Earth outlines are missing; restore data/natural_earth") from None
    except ValueError as error:
        raise ValueError(f"{path}: expected TopoJSON, found text that is no JSON ({error}); restore the file") from None
    if not isinstance(content, dict) or content.get("type") != "Topology":
        raise ValueError(f"{path}: expected a TopoJSON 'Topology', found none; restore the file")
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
            return shapely.difference(outer, shapely.union_all(holes)) if holes else outer
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
