"""Where pixels lie: joining tiles of one projection, and the coordinates of a grid as CF has them.

A projected field gets ``x`` and ``y`` (m), the latitude and longitude of every pixel's centre, and a variable that
describes the projection (CF conventions 1.11, section 5.6 and appendix F).
"""

from __future__ import annotations

from collections.abc import Sequence

import dask.array
import numpy as np
import pyproj
import xarray as xr
from rasterio import Affine
from rasterio.crs import CRS

from helpers.grid import LAT, LON, RADIUS
from helpers.products.errors import ProductError
from helpers.products.rasters import DEGREES, Raster

LARGEST = 10**8
"""Pixels that are held in memory at a time."""
LAZY = 2400 * 2400
"""Beyond so many pixels (those of a 500 m tile), latitudes and longitudes are computed when asked for."""


def is_modis(raster: Raster) -> bool:
    """Say whether pixels lie as `sinusoidal.Warp` takes them: on the MODIS projection, with rows from the north."""
    return raster.transform.e < 0 < raster.transform.a and _is_sinusoidal(raster.crs)


def _is_sinusoidal(crs: CRS) -> bool:
    """Say whether a projection is the MODIS sinusoidal one, whatever it is called."""
    if crs.is_geographic:
        return False
    told = pyproj.CRS(crs.to_wkt()).to_cf()
    zeros = ("longitude_of_projection_origin", "false_easting", "false_northing", "inverse_flattening")
    return (
        told.get("grid_mapping_name") == "sinusoidal"
        and abs(told["semi_major_axis"] - RADIUS) < 0.01
        and not any(told.get(name) for name in zeros)
    )


def require_alike(fields: Sequence) -> None:
    """Refuse to put a field, the last, to others of another projection, pixel size or date, or of the same place.

    Parameters
    ----------
    fields : sequence of Stored
        See `helpers.products.tile_fields`.

    Raises
    ------
    ProductError
        Two do not go together; the message names both.
    """
    *others, last = fields
    for other in others:
        if _place(other.raster) == _place(last.raster):
            dates = f"{other.date} and {last.date}" if other.date != last.date else last.date or "no dates told"
            raise ProductError(
                f"{last.path}: expected tiles side by side, found the place of {other.path.name} again ({dates}); "
                "read one file a place at a time"
            )
    first = fields[0]
    if last.date != first.date and last.date and first.date:
        raise ProductError(
            f"{last.path}: expected the date of {first.path.name}, {first.date}, found {last.date}; "
            "read one date at a time"
        )
    steps = [(r.transform.a, r.transform.e) for r in (first.raster, last.raster)]
    if last.raster.crs != first.raster.crs or not np.allclose(*steps, rtol=1e-6):
        raise ProductError(
            f"{last.path}: expected the projection and pixels of {first.path.name}, found others; read it apart"
        )


def _place(raster: Raster) -> tuple:
    """Return what two fields of one place have in common: size, and corner to a hundredth of a pixel."""
    t = raster.transform
    return raster.shape, round(100 * t.c / t.a), round(100 * t.f / t.e)


def join(values: Sequence[np.ndarray], rasters: Sequence[Raster], what: str) -> tuple[np.ndarray, Affine]:
    """Put fields of one projection and pixel size side by side.

    Parameters
    ----------
    values : sequence of numpy.ndarray
        (y, x), NaN where there is no value; where two overlap the first counts.
    rasters : sequence of Raster
        Their places.
    what : str
        File and field, for messages.

    Returns
    -------
    values : numpy.ndarray
        (y, x), NaN between the fields.
    transform : affine.Affine
        Of the whole.

    Raises
    ------
    ProductError
        Their pixels do not fall on one another's, or the fields lie too far apart.
    """
    base = rasters[0].transform
    places = [~base @ (r.transform.c, r.transform.f) for r in rasters]
    corners = np.rint(places).astype(int)
    if np.abs(corners - places).max() > 0.01:
        raise ProductError(
            f"{what}: expected tiles whose pixels continue one another, found them shifted; read them apart"
        )
    ends = corners + [(r.shape[1], r.shape[0]) for r in rasters]
    begin, size = corners.min(axis=0), ends.max(axis=0) - corners.min(axis=0)
    if size[0] * size[1] > LARGEST:
        raise ProductError(f"{what}: the tiles span {size[1]}x{size[0]} pixels, too many to join; read fewer at a time")
    out = np.full((size[1], size[0]), np.nan, values[0].dtype)
    for field, (left, top), (right, bottom) in zip(values, corners - begin, ends - begin, strict=True):
        part = out[top:bottom, left:right]
        np.copyto(part, field, where=np.isnan(part))
    return out, base @ Affine.translation(*begin.tolist())


def on_own_grid(values: np.ndarray, transform: Affine, crs: CRS, name: str) -> xr.Dataset:
    """Return a field with the coordinates of its own grid.

    Parameters
    ----------
    values : numpy.ndarray
        (y, x).
    transform : affine.Affine
        From (column, row) to a pixel's corner.
    crs : rasterio.crs.CRS
    name : str
        Of the variable.

    Returns
    -------
    xarray.Dataset
        On (lat, lon), or on (y, x) with two-dimensional ``lat`` and ``lon`` of the pixels' centres, NaN off the globe.
        ``crs`` describes the projection.
    """
    raster = Raster(lambda rows, columns: values[rows, columns], values.shape, transform, crs)
    first, second = raster.centres()
    about = pyproj.CRS(crs.to_wkt()).to_cf()
    mapping = xr.DataArray(np.int32(0), attrs={key: value for key, value in about.items() if value is not None})
    if crs.is_geographic:
        coords = {"lat": ("lat", first, LAT), "lon": ("lon", second, LON)}
        field = xr.DataArray(values, dims=("lat", "lon"), coords=coords)
    else:
        axis = {"units": "m", "long_name": "{} coordinate of projection", "standard_name": "projection_{}_coordinate"}
        coords = {
            dim: (dim, at, {key: text.format(dim) for key, text in axis.items()} | {"axis": dim.upper()})
            for dim, at in (("y", first), ("x", second))
        }
        lat, lon = _degrees(first, second, crs)
        coords |= {"lat": (("y", "x"), lat, _without_axis(LAT)), "lon": (("y", "x"), lon, _without_axis(LON))}
        field = xr.DataArray(values, dims=("y", "x"), coords=coords)
    return xr.Dataset({name: field}).assign_coords(crs=mapping)


def _without_axis(attributes: dict) -> dict:
    return {key: value for key, value in attributes.items() if key != "axis"}


def _degrees(y: np.ndarray, x: np.ndarray, crs: CRS) -> tuple:
    """Return latitude and longitude (y, x) of all pairs, NaN off the globe; lazy where there are very many."""
    find = _of_sinusoidal if _is_sinusoidal(crs) else _of_any
    if y.size * x.size <= LAZY:
        return tuple(find(y, x, crs))
    rows = dask.array.from_array(y, chunks=max(LAZY // 8 // x.size, 1))
    chunks = ((2,), rows.chunks[0], (x.size,))
    both = dask.array.map_blocks(find, rows, x, crs, new_axis=[0, 2], chunks=chunks, dtype="float64")
    return both[0], both[1]


def _of_sinusoidal(y: np.ndarray, x: np.ndarray, crs: CRS) -> np.ndarray:
    """Invert x = R lon cos(lat), y = R lat; (2, y, x)."""
    lat = np.repeat(y[:, None] / RADIUS, x.size, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lon = x / RADIUS / np.cos(lat)
    return np.where((np.abs(lon) <= np.pi) & (np.abs(lat) <= np.pi / 2), np.rad2deg([lat, lon]), np.nan)


def _of_any(y: np.ndarray, x: np.ndarray, crs: CRS) -> np.ndarray:
    """Let PROJ invert a projection; (2, y, x)."""
    there = pyproj.Transformer.from_crs(crs.to_wkt(), DEGREES, always_xy=True)
    across, down = np.meshgrid(x, y)
    lon, lat = there.transform(across, down)
    known = np.isfinite(lon) & np.isfinite(lat)
    # Off the globe the inverse goes on to somewhere, from where the way back does not lead to the same pixel.
    back = there.transform(np.where(known, lon, 0), np.where(known, lat, 0), direction="INVERSE")
    known &= np.hypot(back[0] - across, back[1] - down) < 0.1 * np.abs(np.diff(x[:2]) if x.size > 1 else 10.0)
    return np.where(known, [lat, lon], np.nan)
