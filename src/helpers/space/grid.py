"""The target grid of the book, and how a field gets onto it.

Every map of the book stands on one regular grid of cell centres: latitudes from north to south, longitudes from
-180 to 180. Resampling is a pair of weights, one along each axis: ``nearest`` copies one cell (what the paper did),
``average`` weighs by the area of overlap, ``bilinear`` by distance, and ``mode`` takes the class with most area.

>>> Grid(30).lat
array([ 75.,  45.,  15., -15., -45., -75.])
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dask
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

METHODS = ("nearest", "average", "bilinear", "mode")
RADIUS = 6371007.181
"""Radius of the MODIS sphere, which has the Earth's surface area (m)."""

NAMES = {"lat": ("lat", "latitude", "nav_lat", "lats"), "lon": ("lon", "longitude", "nav_lon", "lons")}
"""What files call latitude and longitude, in whatever letters."""
LAT = {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude", "axis": "Y"}
LON = {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude", "axis": "X"}


@dataclass(frozen=True)
class Grid:
    """A regular global grid of cell centres.

    Parameters
    ----------
    resolution : float
        Edge of a cell (degrees). It must divide 180, so that cells meet at the poles and at the date line.

    Raises
    ------
    ValueError
        The resolution is not positive or does not divide 180.
    """

    resolution: float

    def __post_init__(self) -> None:
        number = isinstance(self.resolution, int | float | np.number) and self.resolution > 0
        rows = 180 / self.resolution if number else math.nan
        if not (rows >= 1 and math.isclose(rows, round(rows), rel_tol=1e-9)):
            raise ValueError(
                f"resolution: expected degrees that divide 180 (such as 0.05, 0.5, 1 or 3), found {self.resolution!r}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows = round(180 / self.resolution)
        return rows, 2 * rows

    @property
    def lat(self) -> np.ndarray:
        """Latitudes of the centres, from north to south (degrees, float64)."""
        rows = self.shape[0]
        return 90 - 180 * (np.arange(rows) + 0.5) / rows

    @property
    def lon(self) -> np.ndarray:
        """Longitudes of the centres, from west to east (degrees, float64)."""
        columns = self.shape[1]
        return -180 + 360 * (np.arange(columns) + 0.5) / columns


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells that some field stands on (see `of`): even along each axis, but of any height, width and extent."""

    lat: np.ndarray
    lon: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.lat.size, self.lon.size

    @property
    def resolution(self) -> float:
        """Height of a cell (degrees)."""
        return float(abs(self.lat[-1] - self.lat[0]) / (self.lat.size - 1))


def step(centres, name: str, sign: int = 0) -> float:
    """Return how far evenly spaced cell centres lie apart, negative where they descend (degrees).

    Parameters
    ----------
    centres : array-like (n,)
    name : str
        What errors call them.
    sign : {1, -1, 0}
        Whether they have to ascend, to descend, or may do either.

    Raises
    ------
    ValueError
        They are fewer than two, uneven by more than a thousandth of a step, or run the wrong way.
    """
    centres = np.asarray(centres, dtype="float64")
    steps = np.diff(centres)
    even = steps.ndim == 1 and steps.size and steps[0] and np.ptp(steps) <= 1e-3 * abs(steps[0])
    if not even or (sign and np.sign(steps[0]) != sign):
        way = {1: ", ascending", -1: ", descending", 0: ""}[sign]
        raise ValueError(f"{name}: expected two or more evenly spaced{way} cell centres; resample to a grid first")
    return float((centres[-1] - centres[0]) / (centres.size - 1))


def round_the_globe(lon) -> bool:
    """Say whether ascending longitudes go round the globe: the last is as far from the first as neighbours are.

    >>> round_the_globe(np.arange(-177.5, 180, 5)), round_the_globe(np.arange(72) * 360 / 72.3 - 177)
    (True, False)
    """
    lon = np.asarray(lon, dtype="float64")
    usual = np.median(np.diff(lon)) if lon.size > 1 else 0.0
    return bool(abs(lon[0] + 360 - lon[-1] - usual) < SAME * usual)


def of(obj) -> Cells:
    """Return the cells that a Dataset or DataArray stands on."""
    return Cells(obj["lat"].values.astype("float64"), obj["lon"].values.astype("float64"))


def coords(lat: np.ndarray, lon: np.ndarray) -> dict:
    """Return CF coordinates of rows at latitudes ``lat`` and columns at longitudes ``lon`` (degrees)."""
    return {"lat": ("lat", lat, LAT), "lon": ("lon", lon, LON)}


def empty(cells: Grid | Cells) -> xr.DataArray:
    """Return a field of these cells: (lat, lon) float32, all NaN, with CF coordinates."""
    return xr.DataArray(np.full(cells.shape, np.nan, "float32"), coords(cells.lat, cells.lon), ("lat", "lon"))


def normalise_lat_lon(obj):
    """Return ``obj`` with coordinates ``lat`` from north to south and ``lon`` from -180 to 180.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        With one-dimensional latitude and longitude (by any of `NAMES`; also 0–360).

    Raises
    ------
    ValueError
        There is no one-dimensional latitude or longitude.
    """
    for name, known in NAMES.items():
        if name not in obj.dims:  # a dimension comes first: there may be a second latitude beside it
            called = [old for old in (*obj.dims, *obj.coords) if str(old).lower() in known]
            obj = obj.rename({old: name for old in called[:1]})
        if name not in obj.dims or name not in obj.coords:
            raise ValueError(f"{name}: expected a one-dimensional coordinate, found dimensions {tuple(obj.dims)}")
    lon = obj["lon"].values.astype("float64")
    west = ((lon + 180) % 360) - 180 if np.nanmax(lon) > 180 else lon
    obj = obj.assign_coords(coords(obj["lat"].values.astype("float64"), west))
    return obj.sortby("lat", ascending=False).sortby("lon")


CLASSES = re.compile(r"class|\bbits?\b|flag|concatenated|categor|\brank|\bcodes?\b", re.IGNORECASE)
"""Units of numbers that are codes: a mean of them is none."""
KEYS = re.compile(
    r"^(.*[_ ])?(keys?|legend|flag_?(values|meanings|masks)|class(es|_?names?)|categor\w*|palette)$", re.IGNORECASE
)
"""Attributes by which codes are explained (CF, section 3.5, and the ways of NASA)."""


def codes(attributes: Mapping, valid: tuple[float, float] | None = None) -> str:
    """Return what tells that a field's numbers are codes, which have no mean; empty where nothing does.

    Parameters
    ----------
    attributes : mapping
        Of the field: ``units``, ``Key``, ``Legend``, ``flag_values``, ….
    valid : (float, float), optional
        Least and greatest number that is a value; by default what ``valid_range`` tells. Codes beyond it, of fills, are
        no matter: MOD10's snow cover has the key "0-100=snow cover, 200=missing, 250=cloud" and a range of 0 to 100.
    """
    units = str(attributes.get("units", ""))
    if CLASSES.search(units):
        return units
    if re.search(r"\bclass(es)?\b|\bcategor", name := str(attributes.get("long_name", "")), re.IGNORECASE):
        return name
    stated = np.ravel(attributes.get("valid_range", ()))
    if valid is None and stated.size == 2 and stated.dtype.kind in "iuf":
        valid = float(stated[0]), float(stated[1])
    for key, text in attributes.items():
        if KEYS.match(key):
            told = [float(n) for n in re.findall(r"(?<![\w.-])\[?(-?\d+)\]?(?=\s*[=:])", str(text))]
            if not (valid and told and not any(valid[0] <= code <= valid[1] for code in told)):
                return f"{key}: {text}"
    return ""


SAME, ROUNDED = 0.1, 0.01
"""Cells are the same when their centres differ by less than this part of a step and less than this many degrees: what
rounding to single precision or to a few decimals leaves, not a shift."""


def together(*fields, names: Sequence[str] = ()) -> list:
    """Return fields on one set of coordinates, the first one's; refuse those that stand on other cells or times.

    xarray joins by label, and labels that differ in the last digit are others to it: where two fields meet, cells would
    be lost without a word. So labels are compared as what they are: cells to rounding, and longitudes round the globe;
    months by year and month, whatever day they are stamped on; all else as it is written. The order of labels may
    differ, and that of dimensions.

    Parameters
    ----------
    *fields : DataArray or Dataset
        Of any dimensions; those that two of them share must have the same labels. Plain arrays, which have none, pass.
    names : sequence of str
        What messages call them; by default by their own names.

    Returns
    -------
    list
        The fields, with labels and dimensions in the order of the first that has them.

    Raises
    ------
    ValueError
        Two of them stand on other cells, times or members; the message names both, and how they differ.

    Examples
    --------
    >>> a = xr.DataArray([1.0, 2.0], {"lat": [0.05, 0.15]}, ("lat",), name="a")
    >>> b = xr.DataArray([1.0, 2.0], {"lat": np.float32([0.15, 0.05])}, ("lat",), name="b")
    >>> a, b = together(a, b)
    >>> (a + b).values.tolist()
    [3.0, 3.0]
    """
    names = [*names] or [str(getattr(field, "name", None) or f"field {k}") for k, field in enumerate(fields, 1)]
    first, labelled, found = {}, {}, []
    for field, name in zip(fields, names, strict=True):
        if isinstance(field, xr.DataArray | xr.Dataset):
            for dim in _in_order(field):
                if dim in field.indexes and dim not in labelled:  # the first that has labels is the standard
                    labelled[dim] = field, name
                field = _like(field, name, dim, *first.setdefault(dim, (field, name)))
                field = _like(field, name, dim, *labelled.get(dim, (field, name)))
            known = [dim for dim in first if dim in field.dims]
            kept = isinstance(field, xr.DataArray) and [*field.dims] == known
            field = field if kept else field.transpose(*known)
        found.append(field)
    return found


def _in_order(field: xr.DataArray | xr.Dataset) -> list:
    """Return dimensions in the order of the values; a Dataset has none of its own, but its largest variables do."""
    if isinstance(field, xr.DataArray):
        return [*field.dims]
    variables = sorted(field.data_vars.values(), key=lambda values: -values.ndim)
    return list(dict.fromkeys([*(dim for values in variables for dim in values.dims), *field.dims]))


def _like(field, name: str, dim: str, standard, of: str):
    """Return a field with the labels of another along one dimension, in its order."""
    if field is standard:
        return field
    if field.sizes[dim] == standard.sizes[dim] and not (dim in field.indexes and dim in standard.indexes):
        return field  # without labels, places are all there is
    order = None
    if dim in field.indexes and dim in standard.indexes:
        if field.indexes[dim].equals(standard.indexes[dim]):
            return field
        order = same_labels(standard[dim].values, field[dim].values, round_the_globe=dim == "lon")
    if order is None:
        wanted, found = (_span(each[dim].values) for each in (standard, field))
        raise ValueError(
            f"{name}: expected the {dim} of {of}, {wanted}, found {found}; bring both onto the same, or cut them to "
            "what they share"
        )
    field = field.isel({dim: order})
    several = isinstance(standard.indexes[dim], pd.MultiIndex)  # equal to the last digit, and in order now
    return field if several else field.assign_coords({dim: standard[dim].variable})


def same_labels(first: np.ndarray, other: np.ndarray, round_the_globe: bool = False) -> np.ndarray | None:
    """Return where each label of ``first`` stands in ``other``, None where they are not the same (see `together`)."""
    if first.shape != other.shape:
        return None
    within = 0.0
    if first.dtype.kind in "iuf" and other.dtype.kind in "iuf":
        here, there = first.astype("float64"), other.astype("float64")
        steps = np.diff(np.unique(here[np.isfinite(here)]))
        within = min(SAME * steps.min(initial=np.inf), ROUNDED)
        if round_the_globe:
            here, there = (np.mod(x + 180 + within, 360) for x in (here, there))
    else:
        here, there = _months(first), _months(other)
        if here is None or there is None:  # numbers and names may stand side by side
            here, there = (np.array([repr(x) for x in labels.astype("O").tolist()]) for labels in (first, other))
    order, back = np.argsort(there, kind="stable"), np.argsort(np.argsort(here, kind="stable"), kind="stable")
    matched = there[order][back]
    same = matched == here
    if within:
        same = (np.abs(matched - here) <= within) | (np.isnan(matched) & np.isnan(here))
    return order[back] if np.all(same) else None


def _months(labels: np.ndarray) -> np.ndarray | None:
    """Return months, counted from year 0, of dates of which each has another; None for other labels."""
    dates = labels.dtype.kind == "M" or (labels.dtype.kind == "O" and all(hasattr(x, "month") for x in labels))
    if not dates or (labels.dtype.kind == "M" and np.isnat(labels).any()):
        return None
    when = xr.DataArray(labels, dims="t").dt
    months = when.year.values * 12 + when.month.values - 1
    return months if np.unique(months).size == months.size else None


def _span(labels: np.ndarray) -> str:
    months = _months(labels)
    if months is not None and months.size:
        return f"{months.size} months from {months[0] // 12:04d}-{months[0] % 12 + 1:02d}"
    ends = f" from {labels[0]} to {labels[-1]}" if labels.size else ""
    return f"{labels.size} labels{ends}"


def resample(obj, grid: Grid | Cells, method: str = "nearest"):
    """Bring a Dataset or DataArray on latitudes and longitudes onto ``grid``.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        With dimensions lat and lon last, as `normalise_lat_lon` leaves them; lazy (dask) arrays stay lazy.
    grid : Grid or Cells
        Where to go.
    method : {"nearest", "average", "bilinear", "mode"}
        ``nearest``: the cell that holds the target's centre; on an edge, the cell to the south-east, as GDAL does.
        ``average``: mean by overlapping area over cells with a value. ``bilinear``: by distance, over neighbours with
        a value, where these carry at least half the weight. ``mode``: the class with most area (ties: lowest code).

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        On the grid; outside the source NaN, or -1 in whole-number fields. What stands on it already stays as it is.

    Raises
    ------
    ValueError
        The method is unknown, or averages classes.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {method!r}")
    if isinstance(obj, xr.Dataset):
        return obj.map(lambda a: resample(a, grid, method) if {"lat", "lon"} <= set(a.dims) else a, keep_attrs=True)
    if method in ("average", "bilinear") and codes(obj.attrs):
        raise ValueError(f"method: expected nearest or mode for the classes of {obj.name}, found {method!r}; pass one")
    if obj.dtype.kind in "bu":  # which have no number for cells outside the source
        obj = obj.astype(np.result_type(obj.dtype, "int16"), keep_attrs=True)
    if np.array_equal(obj["lat"], grid.lat) and np.array_equal(obj["lon"], grid.lon):
        return obj
    down, across = (weights(obj[axis].values, getattr(grid, axis), method, axis) for axis in ("lat", "lon"))
    at = coords(grid.lat, grid.lon)
    if method == "nearest":  # each row of the weights has a single one, or none
        inside = [np.diff(weights.indptr) > 0 for weights in (down, across)]
        rows, columns = (np.zeros(one.size, int) for one in inside)
        rows[inside[0]], columns[inside[1]] = down.indices, across.indices
        out = obj.isel(lat=rows, lon=columns).assign_coords(at)
        known = xr.DataArray(inside[0][:, None] & inside[1], dims=("lat", "lon"))
        return out if known.all() else out.where(known, -1 if obj.dtype.kind in "iu" else np.nan).transpose(*obj.dims)
    out = xr.apply_ufunc(
        _mode if method == "mode" else _mean,
        obj.chunk(lat=-1, lon=-1) if obj.chunks else obj,
        kwargs={"down": down, "across": across, "least": LEAST[method]},
        input_core_dims=[["lat", "lon"]],
        output_core_dims=[["lat", "lon"]],
        exclude_dims={"lat", "lon"},
        dask="parallelized",
        output_dtypes=[obj.dtype if method == "mode" else np.result_type(obj.dtype, "float32")],
        dask_gufunc_kwargs={"output_sizes": {"lat": grid.shape[0], "lon": grid.shape[1]}},
        keep_attrs=True,
    )
    return out.assign_coords(at)


LEAST = {"nearest": 0.5, "average": 1e-9, "bilinear": 0.5, "mode": 1e-9}
"""Share of the weight that must fall on cells with a value, for a target cell to have one."""


def _mean(values: np.ndarray, down: sparse.csr_array, across: sparse.csr_array, least: float) -> np.ndarray:
    """Return weighted means of the last two axes, NaN where values carry too little weight."""
    stack = values.reshape(-1, *values.shape[-2:])
    out = np.empty((len(stack), down.shape[0], across.shape[0]), dtype=np.result_type(values.dtype, "float32"))
    for layer, mean in zip(stack, out, strict=True):
        mean[:] = weighted_mean(*weighted_sums(layer, down, across), least, mean.dtype)
    return out.reshape(*values.shape[:-2], *out.shape[-2:])


def _mode(values: np.ndarray, down: sparse.csr_array, across: sparse.csr_array, least: float) -> np.ndarray:
    """Return the class with most area along the last two axes, -1 or NaN where there is none."""
    stack = values.reshape(-1, *values.shape[-2:])
    missing = -1 if values.dtype.kind in "iu" else np.nan
    out = np.full((len(stack), down.shape[0], across.shape[0]), missing, dtype=values.dtype)
    for layer, mode in zip(stack, out, strict=True):
        best = np.full(mode.shape, least)
        for code in np.unique(layer[layer >= 0]):
            area = (across @ (down @ (layer == code).astype("float64")).T).T
            wins = area > best + 1e-9
            best[wins], mode[wins] = area[wins], code
    return out.reshape(*values.shape[:-2], *out.shape[-2:])


def weighted_sums(values: np.ndarray, down: sparse.csr_array, across: sparse.csr_array) -> list[np.ndarray]:
    """Return the sums of weighted values, and of the weights of those that are none but NaN."""
    valid = np.isfinite(values)
    fields = np.where(valid, values, 0), valid
    return [(across @ (down @ each.astype("float64")).T).T for each in fields]


def weighted_mean(total: np.ndarray, weight: np.ndarray, least: float, dtype="float32") -> np.ndarray:
    """Return means, NaN where less weight than the least falls on values."""
    out = np.full(total.shape, np.nan, dtype)
    return np.divide(total, weight, out=out, where=weight > max(least - 1e-9, 1e-9), casting="same_kind")


def _edges(centres: np.ndarray, axis: str) -> np.ndarray:
    """Return the n + 1 edges between ascending centres, the outer ones half a step out, but not beyond the poles."""
    if centres.size == 1:
        raise ValueError("grid: expected at least two rows and two columns, found one; widen the cut-out")
    middle = (centres[1:] + centres[:-1]) / 2
    edges = np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
    return np.clip(edges, -90, 90) if axis == "lat" else edges


def weights(source: np.ndarray, target: np.ndarray, method: str, axis: str, tile: bool = False) -> sparse.csr_array:
    """Return (target, source) weights along one axis; a row sums to one where the source covers the target.

    With ``tile``, others lie beside the source, which add what it lacks.
    """
    order = np.argsort(source)
    ascending = source[order]
    cyclic = axis == "lon" and round_the_globe(ascending)
    build = {"nearest": _holding, "bilinear": _between}.get(method, _overlap)
    shifts = (-360, 0, 360) if axis == "lon" else (0,)
    weights = sum(build(ascending + shift, target, axis, tile or cyclic) for shift in shifts)
    return sparse.csr_array(weights)[:, np.argsort(order)]


def _holding(source: np.ndarray, target: np.ndarray, axis: str, goes_on: bool) -> sparse.csr_array:
    """Return a one for the source cell that holds each target's centre."""
    edges, hair = _edges(source, axis), 1e-6 * np.abs(np.diff(target)).min(initial=1.0)
    # A hair to the south-east settles ties the same way in every cell, whatever the rounding of the coordinates.
    at = np.maximum(target - hair, hair - 90) if axis == "lat" else target + hair
    inside = (at >= edges[0]) & (at < edges[-1])
    if not goes_on:
        inside = (target >= edges[0] - hair) & (target <= edges[-1] + hair)
    rows = np.flatnonzero(inside)
    held = np.clip(np.searchsorted(edges, at[rows], side="right") - 1, 0, source.size - 1)
    return sparse.csr_array((np.ones(rows.size), (rows, held)), shape=(target.size, source.size))


def _overlap(source: np.ndarray, target: np.ndarray, axis: str, goes_on: bool) -> sparse.csr_array:
    """Return the shares of each target cell's area that lie in each source cell."""
    # Cell area is proportional to the longitudes' difference times the difference of the sines of the latitudes.
    scale = (lambda x: np.sin(np.deg2rad(x))) if axis == "lat" else (lambda x: x)
    order = np.argsort(target)
    s, t = scale(_edges(source, axis)), scale(_edges(target[order], axis))
    cuts = np.unique(np.concatenate([s, t]))
    middle, width = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    i, j = np.searchsorted(t, middle) - 1, np.searchsorted(s, middle) - 1
    keep = (i >= 0) & (i < target.size) & (j >= 0) & (j < source.size) & (width > 1e-12)
    i, j = i[keep], j[keep]
    share = width[keep] / np.diff(t)[i]
    return sparse.csr_array((share, (order[i], j)), shape=(target.size, source.size))


def _between(source: np.ndarray, target: np.ndarray, axis: str, goes_on: bool) -> sparse.csr_array:
    """Return weights of the two neighbours; beyond the last centre of an open end, those of the end cell alone."""
    edges = _edges(source, "")
    around = np.concatenate([[2 * edges[0] - source[0]], source, [2 * edges[-1] - source[-1]]])
    k = np.clip(np.searchsorted(around, target, side="right") - 1, 0, around.size - 2)
    part = np.clip((target - around[k]) / (around[k + 1] - around[k]), 0, 1)
    inside = (target >= around[0]) & (target < around[-1])
    cells = np.array([k - 1, k])
    if not goes_on:
        inside, cells = (target >= edges[0]) & (target <= edges[-1]), np.clip(cells, 0, source.size - 1)
    known = inside & (cells >= 0) & (cells < source.size)
    rows = np.broadcast_to(np.arange(target.size), known.shape)[known]
    weights = np.array([1 - part, part])[known]
    return sparse.csr_array((weights, (rows, cells[known])), shape=(target.size, source.size))


# Lazy cubes: maps of many years that are computed block by block, so that memory does not grow with the grid.


BLOCK = "16MiB"
"""Size of a block. What is computed from whole series needs some ten times as much for its intermediate results."""


def whole_series(y: xr.DataArray, dim: str) -> xr.DataArray:
    """Cut a lazy cube into blocks of about `BLOCK` that hold whole series along ``dim``, however it was chunked before.

    What is in memory stays as it is.
    """
    if y.chunks is None:
        return y
    with dask.config.set({"array.chunk-size": BLOCK}):
        return y.chunk({d: -1 if d == dim else "auto" for d in y.dims})
