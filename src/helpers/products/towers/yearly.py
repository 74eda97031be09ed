"""The yearly table of a tower, from a CSV file or from the one member of a zip that holds it."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from helpers.products import compression, registry
from helpers.products.csv_columns import YEARS, needed_of, numbers_of
from helpers.products.csv_table import FETCH, parse
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.registry import Product
from helpers.products.towers import names, places


@dataclass(frozen=True)
class Record:
    """One file's record: a row a year in ``table``, and where its own metadata place the tower."""

    path: Path
    name: names.Name
    table: pd.DataFrame
    own: places.Told = field(default_factory=places.Told)

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
        The name tells of years that the rows do not reach, or the metadata in a zip cannot be read.
    """
    name, own = names.told(path, product), places.Told()
    if path.suffix.lower() == ".zip":
        with reading(path), zipfile.ZipFile(path) as archive:
            content, own = _members(archive, path, name.site)
    else:
        with compression.opened(path, (".csv",)) as plain, reading(path):
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


def _members(archive: zipfile.ZipFile, path: Path, site: str) -> tuple[bytes, places.Told]:
    """Return the yearly member's content, and where the metadata place the site."""
    members = archive.namelist()
    content = compression.content(archive, names.yearly_member(members, path, site), path)
    own = places.Told()
    for member in members:
        if names.METADATA.search(member) and not PurePosixPath(member).name.startswith("._"):
            where = f"{path} ({PurePosixPath(member).name})"
            try:
                with reading(where):
                    own.add(places.from_bif(compression.content(archive, member, path), where))
            except DamagedFile as error:
                warnings.warn(f"{error}, or write the place of {site} into sites.csv beside it", stacklevel=6)
    return content, own


def _site_years(content: bytes, path: Path, product: Product, needed: tuple[str, ...]) -> pd.DataFrame:
    if content.lstrip(b"\xef\xbb\xbf").startswith(b"# Site:"):
        raise ProductError(f"{path}: expected yearly rows, found {names.OTHERS[0][1]}; {names.FETCH}")
    table = parse(content, path, FETCH)
    lacking = [f.stored for f in product.fields if f.stored not in table and f.name in needed]
    if "TIMESTAMP" not in table and "TIMESTAMP_START" in table:
        raise ProductError(
            f"{path}: expected one TIMESTAMP a year, found TIMESTAMP_START, as in half-hourly and weekly files; "
            "give the one named _YY_ of the same download"
        )
    if "TIMESTAMP" not in table or lacking:
        other = [f.stored for f in product.fields if f.name.startswith("reco") and f.stored in table]
        read_it = (
            f"read {other[0]} by the other partitioning, or "
            if other and lacking and lacking[0][:4] == other[0][:4]
            else ""
        )
        raise ProductError(
            f"{path}: expected columns {', '.join(lacking or ['TIMESTAMP'])}, found none among {table.shape[1]}; "
            f"{read_it}fetch it again"
        )
    out = pd.DataFrame({"year": _years(table, path)})
    for entry in product.fields:
        values = np.full(len(table), np.nan)
        if entry.stored in table:
            limits = registry.limits(entry.name)
            values = numbers_of(
                table, path, entry.stored, limits, entry.scale, "is this the yearly (YY) file as published?"
            )
        out[entry.name] = values * entry.scale
    return out


def _years(table: pd.DataFrame, path: Path) -> np.ndarray:
    try:
        return needed_of(table, path, "TIMESTAMP", *YEARS, whole=True)
    except ProductError as error:
        raise ProductError(f"{str(error).partition(';')[0]}; is this the yearly (YY) file?") from error
