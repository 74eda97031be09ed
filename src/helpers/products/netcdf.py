"""Opening NetCDF files, gzipped ones too, and understanding their time axes."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.grid import normalise_lat_lon
from helpers.products.errors import ProductError, reading

HUGE = 1e15
"""Beyond this no variable of the book has a value: CRU marks gaps by 9.97e36, SPEIbase by 1e30, CMIP by 1e20."""


@contextmanager
def opening(path: Path) -> Iterator[xr.Dataset]:
    """Open a NetCDF file lazily, with times and with ``lat`` and ``lon`` as the book has them.

    Raises
    ------
    DamagedFile
        It cannot be read.
    ProductError
        Its time axis or its grid cannot be understood.
    """
    with tempfile.TemporaryDirectory() as folder, reading(path):
        plain = path
        if path.suffix == ".gz":
            plain = Path(folder) / path.stem
            with gzip.open(path) as packed, plain.open("wb") as stream:
                shutil.copyfileobj(packed, stream)
        with _open(plain, path) as ds:
            yield ds


@contextmanager
def _open(plain: Path, path: Path) -> Iterator[xr.Dataset]:
    try:
        raw = xr.open_dataset(plain, engine="netcdf4", decode_times=False, cache=False)
    except ValueError as error:  # xarray: attributes that contradict each other
        raise ProductError(f"{path}: cannot be understood ({str(error).splitlines()[0]}); fetch it again") from error
    with raw:
        try:
            yield normalise_lat_lon(_with_times(raw, path))
        except ProductError:
            raise
        except ValueError as error:
            raise ProductError(f"{path}: {error}") from error


def _with_times(ds: xr.Dataset, path: Path) -> xr.Dataset:
    if "time" not in ds.variables:
        return ds
    units = str(ds["time"].attrs.get("units", ""))
    counted = re.match(r"(month|year)s? since (\d{1,4})-(\d{1,2})", units, re.IGNORECASE)
    if counted:  # no calendar library counts in months: their lengths differ
        months = 1 if counted.group(1).lower() == "month" else 12
        start = int(counted.group(2)) * 12 + int(counted.group(3)) - 1
        index = start + np.floor(ds["time"].values.astype("float64") * months + 1e-6).astype(int)
        return ds.assign_coords(time=pd.to_datetime([f"{i // 12:04d}-{i % 12 + 1:02d}-01" for i in index]))
    if not re.match(r"\w+ since ", units):
        raise ProductError(f"{path}: expected time units such as 'days since 1900-01-01', found {units!r}")
    return xr.decode_cf(ds, mask_and_scale=False, decode_coords=False)


def variable(ds: xr.Dataset, name: str, path: Path) -> xr.DataArray:
    """Return one variable on (time, lat, lon) as a lazy array; nothing is masked yet.

    Raises
    ------
    ProductError
        There is no such variable; the message lists those there are.
    """
    if name not in ds.data_vars:
        raise ProductError(f"{path}: expected a variable {name!r}, found {', '.join(map(str, ds.data_vars))}")
    return ds[name].squeeze(drop=True) if ds[name].ndim > 3 else ds[name]


def valid(values: xr.DataArray) -> xr.DataArray:
    """Return values with fills as NaN, also fills that the file does not declare."""
    return values.where(np.abs(values) < HUGE)


def global_text(ds: xr.Dataset) -> str:
    """Return all text that stands in a file's global attributes, for reading versions out of it."""
    return " \n".join(str(v) for v in ds.attrs.values() if isinstance(v, str))


def require_months(what: str, path: Path, year: int, months: np.ndarray, allow_partial: bool) -> None:
    """Refuse a year of monthly fields that has not each month once.

    Raises
    ------
    ProductError
        Months are missing or doubled.
    """
    found = [int(m) for m in months]
    if not found:
        raise ProductError(f"{path}: expected months of {year} in {what}, found none; check years and file")
    if len(found) != len(set(found)):
        raise ProductError(f"{path}: expected each month of {year} once in {what}, found some twice; fetch it again")
    missing = sorted(set(range(1, 13)) - set(found))
    if missing and not allow_partial:
        named = ", ".join(f"{year}-{m:02d}" for m in missing)
        raise ProductError(f"{path}: {what} lacks {named}; take another year, or pass allow_partial=True")
