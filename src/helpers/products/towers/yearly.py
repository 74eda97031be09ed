"""The yearly table of a tower, from a CSV file or from the one member of a zip that holds it."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from helpers.products.csv_table import numbers_of, parse
from helpers.products.errors import ProductError, reading
from helpers.products.packed import opened
from helpers.products.registry import Product
from helpers.products.towers import names, places


@dataclass(frozen=True)
class Record:
    """One file's record: a row a year in ``table``, and where its own metadata place the tower."""

    path: Path
    name: names.Name
    table: pd.DataFrame
    own: list[places.Place] = field(default_factory=list)

    @property
    def newness(self) -> tuple:
        """Order among the files of one site: the record that ends last, then the release, then the group."""
        zipped = self.path.suffix.lower() == ".zip"
        return int(self.table["year"].max()), self.name.newness, zipped, self.path.name


def read(path: Path, product: Product, needed: tuple[str, ...]) -> Record:
    """Read one tower's file. Of a zip, only the yearly member and the site's metadata are unpacked.

    Parameters
    ----------
    path : Path
        CSV, as it is or compressed (.gz), or zip.
    needed : tuple of str
        Variables that must be there; the product's others may.

    Returns
    -------
    Record
        Its table has ``year`` (int64) and the product's variables in the book's units, NaN where missing.

    Raises
    ------
    ProductError
        The file is of another kind, lacks a column, or holds what cannot be.
    DamagedFile
        It cannot be read, or a row is cut short.

    Warns
    -----
    UserWarning
        The name tells of years that the rows do not reach.
    """
    name, own = names.told(path, product), []
    if path.suffix.lower() == ".zip":
        with reading(path), zipfile.ZipFile(path) as archive:
            content, own = _members(archive, path, name.site)
    else:
        with opened(path, (".csv",)) as plain, reading(path):
            content = plain.read_bytes()
    table = _site_years(content, path, product, needed)
    first, last = table["year"].min(), table["year"].max()
    if name.years and (first, last) != name.years:
        warnings.warn(
            f"{path}: the name tells of {name.years[0]} to {name.years[1]}, the rows of {first} to {last}; "
            "if nobody cut the file on purpose, fetch it again",
            stacklevel=5,
        )
    return Record(path, name, table, own)


def _members(archive: zipfile.ZipFile, path: Path, site: str) -> tuple[bytes, list[places.Place]]:
    """Return the yearly member's content, and where the metadata place the site."""
    members = archive.namelist()
    member = names.yearly_member(members, path, site)
    told = [m for m in members if names.METADATA.search(m) and not PurePosixPath(m).name.startswith("._")]
    own = [place for m in told for place in places.from_bif(archive.read(m), f"{path} ({m})").get(site, [])]
    return archive.read(member), own


def _site_years(content: bytes, path: Path, product: Product, needed: tuple[str, ...]) -> pd.DataFrame:
    if content.lstrip(b"\xef\xbb\xbf").startswith(b"# Site:"):
        raise ProductError(f"{path}: expected yearly rows, found {names.OTHERS[0][1]}; {names.FETCH}")
    table = parse(content, path)
    table.columns = table.columns.str.strip()
    lacking = [f.stored for f in product.fields if f.stored not in table and f.name in needed]
    if "TIMESTAMP" not in table and "TIMESTAMP_START" in table:
        raise ProductError(
            f"{path}: expected one TIMESTAMP a year, found TIMESTAMP_START, as in half-hourly and weekly files; "
            "give the one named _YY_ of the same download"
        )
    if "TIMESTAMP" not in table or lacking:
        raise ProductError(
            f"{path}: expected columns {', '.join(lacking or ['TIMESTAMP'])}, found none among {table.shape[1]}; "
            "fetch it again"
        )
    out = pd.DataFrame({"year": _years(table, path)})
    for entry in product.fields:
        there = entry.stored in table
        values = _without_fills(numbers_of(table, path, entry.stored)) if there else np.full(len(table), np.nan)
        if entry.name == "nee_qc":
            _refuse_no_share(values, out["year"], path, entry.stored)
        out[entry.name] = values * entry.scale
    return out


def _years(table: pd.DataFrame, path: Path) -> np.ndarray:
    years = numbers_of(table, path, "TIMESTAMP")
    wrong = ~((years >= 1900) & (years <= 2100) & (years == np.floor(years)))
    if wrong.any():
        found = table["TIMESTAMP"].to_numpy()[wrong][0]
        raise ProductError(f"{path}: expected years in TIMESTAMP, found {found!r}; is this the yearly (YY) file?")
    return years.astype("int64")


def _without_fills(values: np.ndarray) -> np.ndarray:
    # -9999 is also met as -9999.9 and the like, from arithmetic on the fill; no annual flux comes near it.
    return np.where((values <= -9999) & (values >= -10000), np.nan, values)


def _refuse_no_share(values: np.ndarray, year: pd.Series, path: Path, column: str) -> None:
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        raise ProductError(
            f"{path}: expected a share from 0 to 1 in {column}, found {values[wrong][0]:g} in "
            f"{year.to_numpy()[wrong][0]}; is this the yearly (YY) file as published?"
        )
