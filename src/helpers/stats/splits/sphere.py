"""Distances on the sphere: points as unit vectors, nearest neighbours, and distributions of distances with weights.

Two points with unit vectors u and v are c = |u − v| apart through the Earth, and d = 2 R arcsin(c / 2) along its
surface. As d grows with c, a tree over unit vectors finds the neighbour that is nearest along the surface, across the
date line and the poles as anywhere else.

>>> float(nearest_distances([0.0], [179.9], [0.0, 0.0], [-179.9, 170.0])[0].round(2))
22.24
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from helpers.space.grid import RADIUS

RADIUS_KM = RADIUS / 1000
"""Radius of the MODIS sphere, as everywhere in this book (km)."""


def unit_vectors(lat: ArrayLike, lon: ArrayLike) -> np.ndarray:
    """Return points of the sphere as unit vectors.

    Parameters
    ----------
    lat, lon : array_like (point,)
        Degrees north and east; longitudes may count from −180 or from 0.

    Returns
    -------
    ndarray (point, 3)

    Raises
    ------
    ValueError
        The two differ in length, there is no point, a value is not finite, or a latitude lies beyond a pole.
    """
    lat, lon = np.asarray(lat, dtype="float64"), np.asarray(lon, dtype="float64")
    if lat.ndim != 1 or lat.shape != lon.shape or lat.size == 0:
        raise ValueError(
            f"lat, lon: expected equally many points, one or more, found shapes {lat.shape} and {lon.shape}; pair them"
        )
    for name, values in (("lat", lat), ("lon", lon)):
        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            raise ValueError(f"{name}: expected finite degrees, found {bad} values that are not; drop those points")
    if (np.abs(lat) > 90).any():
        raise ValueError(f"lat: expected −90 to 90 degrees, found {lat[np.abs(lat) > 90][0]:g}; correct the point")
    phi, lam = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)


def arc(chord: ArrayLike) -> np.ndarray:
    """Turn distances between unit vectors into distances along the surface (km)."""
    return 2 * RADIUS_KM * np.arcsin(np.minimum(np.asarray(chord, dtype="float64") / 2, 1.0))


def nearest_distances(lat: ArrayLike, lon: ArrayLike, to_lat: ArrayLike, to_lon: ArrayLike) -> np.ndarray:
    """Return the great-circle distance from each point to the nearest of other points.

    Parameters
    ----------
    lat, lon : array_like (point,)
        Where from, degrees.
    to_lat, to_lon : array_like (other,)
        Where to, degrees.

    Returns
    -------
    ndarray (point,)
        Distances, km.

    Raises
    ------
    ValueError
        As `unit_vectors`.
    """
    return arc(cKDTree(unit_vectors(to_lat, to_lon)).query(unit_vectors(lat, lon))[0])


def centres(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the centre of each group of points: the direction of the mean of its distinct positions.

    Parameters
    ----------
    vectors : ndarray (point, 3)
        From `unit_vectors`. A place that occurs more than once, as a tower does with its years, counts once.
    groups : ndarray of int (point,)
        0 to the number of groups less one, each at least once.

    Returns
    -------
    ndarray (group, 3)
        Unit vectors.

    Raises
    ------
    ValueError
        The members of a group lie so far apart that they cancel.
    """
    rows = np.unique(np.column_stack([groups, vectors]), axis=0)
    member = rows[:, 0].astype(int)
    total = np.stack([np.bincount(member, rows[:, axis]) for axis in (1, 2, 3)], axis=1)
    length = np.linalg.norm(total, axis=1)
    if (length < 1e-6).any():
        raise ValueError("groups: expected members on one side of the Earth, found a group without a centre; split it")
    return total / length[:, None]


def weighted_ecdf(values: ArrayLike, weight: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the empirical distribution function of a sample, every value with its weight.

    Parameters
    ----------
    values : array_like (value,)
        Such as distances.
    weight : array_like (value,), optional
        Not negative, such as cell areas; equal if left out.

    Returns
    -------
    x, share : ndarray (distinct,)
        The distinct values in ascending order, and the share of the weight (to 1) at or below each.

    Raises
    ------
    ValueError
        No value, one that is not finite, or weights that do not fit (see `weights`).
    """
    values = np.asarray(values, dtype="float64")
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"values: expected one or more finite numbers in a row, found shape {values.shape}; drop gaps")
    x, which = np.unique(values, return_inverse=True)
    cumulated = np.cumsum(np.bincount(which, weights(weight, values.size)))
    return x, cumulated / cumulated[-1]


def weights(weight: ArrayLike | None, size: int, name: str = "weight") -> np.ndarray:
    """Return weights as float64, ones if there are none.

    Raises
    ------
    ValueError
        Their number differs from ``size``, one is negative or not finite, or all are zero.
    """
    given = np.ones(size) if weight is None else np.asarray(weight, dtype="float64")
    if given.shape != (size,):
        raise ValueError(f"{name}: expected {size} weights, one a value, found shape {given.shape}; pair them")
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise ValueError(f"{name}: expected finite weights of zero or more, not all zero; correct them")
    return given
