"""Opening NetCDF files, packed ones too, and taking values out of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import axes, compression, missing
from helpers.products.errors import ProductError, reading
from helpers.workspace import LIBRARY

AXES = ("time", "lat", "lon")


@contextmanager
def opening(path: Path, plain: Path | None = None) -> Iterator[xr.Dataset]:
    """Open a NetCDF file lazily, with ``time``, ``lat`` and ``lon`` as the book has them (see `axes`).

    While it is open no other thread can open one (see `helpers.workspace.LIBRARY`): load what is needed and leave.

    Parameters
    ----------
    path : Path
        The file as it came, packed or not: errors name it.
    plain : Path, optional
        An unpacked copy of it that is there already.

    Raises
    ------
    DamagedFile
        It cannot be read.
    ProductError
        Its time axis or its grid cannot be understood.
    """
    with compression.opened(plain or path) as file, reading(path), LIBRARY, _open(file, path) as ds:
        yield ds


@contextmanager
def _open(plain: Path, path: Path) -> Iterator[xr.Dataset]:
    try:
        raw = xr.open_dataset(plain, engine="netcdf4", decode_cf=False, cache=False)
    except ValueError as error:  # xarray: attributes that contradict each other
        raise ProductError(
            f"{path}: expected variables on dimensions that fit together, found some that do not; write it anew by the "
            "tool that made it, such as cdo or xarray"
        ) from error
    with raw:
        yield axes.with_lat_lon(axes.with_times(raw, path), path)


def variable(ds: xr.Dataset, name: str, path: Path, sum_over: Iterable[str] = ()) -> xr.DataArray:
    """Return one variable as a lazy array, unpacked, with NaN for the fills that it declares.

    Parameters
    ----------
    sum_over : iterable of str
        Dimensions besides time, lat and lon that it may have; they come first. See `loaded`.

    Raises
    ------
    ProductError
        There is no such variable, or it has other dimensions; the message names those there are.
    """
    if name not in ds.data_vars:
        raise ProductError(f"{path}: expected a variable {name!r}, found {', '.join(map(str, ds.data_vars))}")
    stored = _with_numbers(ds[name].variable, name, path)
    with warnings.catch_warnings():  # two fills that differ are both taken for fills
        warnings.simplefilter("ignore", xr.SerializationWarning)
        values = xr.conventions.decode_cf_variable(name, stored, decode_times=False)
    values = xr.DataArray(values, coords=ds[name].coords, name=name)
    values.attrs["valid_range"] = _stated_limits(stored.attrs)
    if lacking := [axis for axis in AXES if axis not in values.dims]:
        raise ProductError(f"{path}: expected {name} on {', '.join(AXES)}, found it without {', '.join(lacking)}")
    values = values.squeeze([dim for dim in values.dims if dim not in AXES and values.sizes[dim] == 1], drop=True)
    over = [dim for dim in values.dims if dim in set(sum_over)]
    if other := [str(dim) for dim in values.dims if dim not in (*AXES, *over)]:
        sizes = ", ".join(f"{dim} ({values.sizes[dim]})" for dim in other)
        raise ProductError(
            f"{path}: expected {name} on {', '.join(AXES)}, found {sizes} too; "
            f"pass sum_over={other} if its parts add up to the cell"
        )
    return values.transpose(*over, *AXES)


def _with_numbers(stored: xr.Variable, name: str, path: Path) -> xr.Variable:
    """Return a variable whose packing and fills are numbers: some files write them as text."""
    about = dict(stored.attrs)
    for key in ("scale_factor", "add_offset", "_FillValue", "missing_value"):
        if isinstance(about.get(key), str):
            try:
                as_number = float if key in ("scale_factor", "add_offset") else stored.dtype.type
                about[key] = as_number(about[key])
            except ValueError:
                raise ProductError(
                    f"{path}: expected {key} of {name} to be a number, found {about[key]!r}; correct it, such as by "
                    "ncatted"
                ) from None
    for key in ("scale_factor", "add_offset"):
        numbers = np.ravel(about.get(key, 1.0)).astype("float64")
        if numbers.size != 1 or not np.isfinite(numbers[0]) or (key == "scale_factor" and numbers[0] == 0):
            raise ProductError(f"{path}: expected {key} of {name} to be one number, and no zero, found {about[key]}")
        if key in about:
            about[key] = numbers.item()
    return stored._replace(attrs=about)


def _stated_limits(attributes: Mapping) -> tuple[float, float]:
    """Return the valid range that a file states for a variable, unpacked as its values are (CF, section 2.5.1)."""

    def number(name: str, otherwise: float, at: int = 0) -> float:
        try:
            return float(np.ravel(attributes[name])[at])
        except (KeyError, ValueError, IndexError):
            return otherwise

    low, high = number("valid_range", -np.inf), number("valid_range", np.inf, 1)
    low, high = number("valid_min", low), number("valid_max", high)
    scale, offset = number("scale_factor", 1.0), number("add_offset", 0.0)
    low, high = sorted((low * scale + offset, high * scale + offset))
    hair = 1e-6 * np.abs([low, high])  # packed numbers and their limits are rounded apart
    return (low - hair[0], high + hair[1]) if low < high else (-np.inf, np.inf)


def loaded(values: xr.DataArray) -> xr.DataArray:
    """Read values that `variable` gave: float64, on time, lat and lon alone, NaN outside the range of the file.

    Other dimensions, such as plant types whose parts make up the cell, are added up. A type that does not grow in a
    cell (NaN) adds nothing; a cell where none grows has no value.
    """
    values = values.load().astype("float64")
    low, high = values.attrs.pop("valid_range")
    values = values.where((values >= low) & (values <= high))
    over = [dim for dim in values.dims if dim not in AXES]
    return values.sum(over, min_count=1, keep_attrs=True) if over else values


def within(values: xr.DataArray, low: float, high: float, path: Path) -> xr.DataArray:
    """Return values with NaN for fills, also for those that the file does not declare.

    Besides the numbers that `missing.fills` knows, a fill is one number; several different numbers out of range are
    something else, such as another unit.

    Parameters
    ----------
    values : DataArray
        Loaded; its name says what it is.
    low, high : float
        What a value may be.

    Raises
    ------
    ProductError
        Numbers that are no fill lie out of range.
    """
    known = values.where(~missing.fills(values.values, (low, high)))
    outside = (known < low) | (known > high)
    odd = np.unique(known.values[outside.values])
    if odd.size > 1:
        raise ProductError(
            f"{path}: expected {values.name} from {low:g} to {high:g}, found {odd[0]:g} to {odd[-1]:g}; "
            "is it another quantity, or in other units?"
        )
    return known.where(~outside)


def global_text(ds: xr.Dataset) -> str:
    """Return all text that stands in a file's global attributes, for reading versions out of it."""
    return " \n".join(str(v) for v in ds.attrs.values() if isinstance(v, str))
