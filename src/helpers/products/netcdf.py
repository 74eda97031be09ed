"""Opening NetCDF files, packed ones too, and taking values out of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import axes, packed
from helpers.products.errors import ProductError, reading

HUGE = 1e15
"""Beyond this no variable of the book has a value: CRU marks gaps by 9.97e36, SPEIbase by 1e30, CMIP by 1e20."""

SENTINELS = (-999.0, -9999.0, -99999.0)
"""Numbers that mean "no value" in many files, declared or not, and that no variable of the book takes."""

AXES = ("time", "lat", "lon")


@contextmanager
def opening(path: Path, plain: Path | None = None) -> Iterator[xr.Dataset]:
    """Open a NetCDF file lazily, with ``time``, ``lat`` and ``lon`` as the book has them (see `axes`).

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
    with packed.opened(plain or path) as file, reading(path), _open(file, path) as ds:
        yield ds


@contextmanager
def _open(plain: Path, path: Path) -> Iterator[xr.Dataset]:
    try:
        raw = xr.open_dataset(plain, engine="netcdf4", decode_cf=False, cache=False)
    except ValueError as error:  # xarray: attributes that contradict each other
        raise ProductError(f"{path}: cannot be understood ({_first_line(error)}); fetch it again") from error
    with raw:
        try:
            yield axes.with_lat_lon(axes.with_times(raw, path))
        except ProductError:
            raise
        except ValueError as error:
            raise ProductError(f"{path}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def variable(ds: xr.Dataset, name: str, path: Path, sum_over: Iterable[str] = ()) -> xr.DataArray:
    """Return one variable as a lazy array, unpacked, with NaN for the fills that it declares.

    Parameters
    ----------
    sum_over : iterable of str
        Dimensions besides time, lat and lon that it may have; they come first. See `summed`.

    Raises
    ------
    ProductError
        There is no such variable, or it has other dimensions; the message names those there are.
    """
    if name not in ds.data_vars:
        raise ProductError(f"{path}: expected a variable {name!r}, found {', '.join(map(str, ds.data_vars))}")
    with warnings.catch_warnings():  # two fills that differ are both taken for fills
        warnings.simplefilter("ignore", xr.SerializationWarning)
        values = xr.conventions.decode_cf_variable(name, ds[name].variable, decode_times=False)
    values = xr.DataArray(values, coords=ds[name].coords, name=name)
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


def summed(values: xr.DataArray) -> xr.DataArray:
    """Add up all dimensions but time, lat and lon, such as plant types, whose parts make up the cell.

    A type that does not grow in a cell (NaN) adds nothing; a cell where none grows has no value.
    """
    over = [dim for dim in values.dims if dim not in AXES]
    return values.sum(over, min_count=1, keep_attrs=True) if over else values


def within(values: xr.DataArray, low: float, high: float, path: Path) -> xr.DataArray:
    """Return values with NaN for fills, also for those that the file does not declare.

    A fill is one number; several different numbers out of range are something else, such as another unit.

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
    known = values.where((np.abs(values) < HUGE) & ~np.isin(values, SENTINELS))
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
