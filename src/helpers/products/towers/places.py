"""Where towers stand. Their yearly files do not say; a table or the data set's metadata do.

A table is ``sites.csv`` (columns site, latitude, longitude and, where known, igbp), and must be right. Metadata come as
BIF, the interchange format of BADM (Pastorello et al. 2020, doi:10.1038/s41597-020-0534-3, supplement, table SM8), a
row a value:

    SITE_ID, GROUP_ID, VARIABLE_GROUP, VARIABLE, DATAVALUE

with the variables LOCATION_LAT, LOCATION_LONG and IGBP. The columns' order varies, and values may hold commas that
nobody quoted. A site can have several locations; rows of one GROUP_ID belong together. What is wrong in them costs one
site its place or its class, and is told.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import land_cover, missing
from helpers.products.csv_columns import classes_of, names_of, needed_of
from helpers.products.csv_table import rows, separator_of
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.towers import names

SAME_PLACE_KM = 1.0
"""Places no further apart than this are one tower's, written with fewer digits or after a move of the mast."""

EARTH_RADIUS_KM = 6371.007181

NEEDED = ("SITE_ID", "VARIABLE", "DATAVALUE")
"""Columns without which a table is no BIF."""

LIMITS = {"latitude": 90, "longitude": 180}
SHORT = {"lat": "latitude", "lon": "longitude", "long": "longitude", "site_id": "site"}
"""Other names of the columns of a table of sites."""


class Place(NamedTuple):
    """Latitude and longitude (degrees north and east), and the code of its IGBP class, -1 if unknown."""

    lat: float
    lon: float
    igbp: int = -1


@dataclass(frozen=True)
class Told:
    """What a table or metadata tell of each site: its places, several where rows differ, and what is wrong (lines)."""

    places: dict[str, list[Place]] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def add(self, other: Told) -> None:
        """Take up what another file tells."""
        for mine, theirs in ((self.places, other.places), (self.wrong, other.wrong)):
            for site, more in theirs.items():
                mine.setdefault(site, []).extend(more)


def from_sites_table(path: Path) -> Told:
    """Read a table of sites.

    Parameters
    ----------
    path : Path
        CSV with columns site, latitude (or lat), longitude (or lon) and, where it is known, igbp; in any case.

    Raises
    ------
    ProductError
        A column is lacking, a place is missing, no number or off the globe, or a class is none.
    """
    table = rows(path)
    table = table.set_axis([SHORT.get(name.lower(), name.lower()) for name in table], axis=1)
    lacking = {"site", *LIMITS} - set(table.columns)
    if lacking or table.columns.has_duplicates:
        fault = f"found none for {', '.join(sorted(lacking))}" if lacking else "found one of them twice"
        raise ProductError(f"{path}: expected columns site, latitude, longitude, igbp, {fault}; correct the header")
    site = names_of(table, path, "site")
    lat, lon = (needed_of(table, path, name, -limit, limit) for name, limit in LIMITS.items())
    igbp = classes_of(table, path, "igbp") if "igbp" in table else np.full(len(table), -1)
    told = Told()
    for name, *place in zip(site, lat.tolist(), lon.tolist(), igbp.tolist(), strict=True):
        told.places.setdefault(name, []).append(Place(*place))
    return told


def from_bif(content: bytes, where: Path | str) -> Told:
    """Read the places in a BIF file, of one site or many; a site without both coordinates has none.

    Raises
    ------
    DamagedFile
        It is no table, or a column that is needed is there twice.
    """
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    separator = separator_of(text.lstrip().partition("\n")[0])
    try:
        header, *body = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row] or [[]]
    except csv.Error as error:
        raise DamagedFile(f"{where}: expected a BIF table, found something else; fetch it again") from error
    header = [name.strip().upper() for name in header]
    if not set(NEEDED) <= set(header):
        return Told()
    twice = [name for name in (*NEEDED, "GROUP_ID") if header.count(name) > 1]
    if twice:
        raise DamagedFile(
            f"{where}: expected one column {twice[0]}, found {header.count(twice[0])}; rename or remove the others"
        )
    # An unquoted comma makes a row longer than the header: only its last cells, of the value, are then astray.
    table = pd.DataFrame([row[: len(header)] for row in body if len(row) >= len(header)], columns=header)
    table = table.apply(lambda column: column.str.strip())
    table["GROUP_ID"] = table.get("GROUP_ID", "")
    table["TIMES"] = table.groupby(["SITE_ID", "GROUP_ID", "VARIABLE"]).cumcount()  # groups that nobody numbered
    located = table[table["VARIABLE"].isin(["LOCATION_LAT", "LOCATION_LONG"])]
    located = located.pivot(index=["SITE_ID", "GROUP_ID", "TIMES"], columns="VARIABLE", values="DATAVALUE")
    located = located.reindex(columns=["LOCATION_LAT", "LOCATION_LONG"]).dropna().reset_index()
    classes = table[table["VARIABLE"] == "IGBP"].groupby("SITE_ID")["DATAVALUE"].unique()
    told = Told()
    for site, values in classes.items():
        if _class_of(values) == -1 and any(land_cover.code(value) != -1 for value in values):
            told.wrong.setdefault(site, []).append(
                f"{where}: expected the IGBP class of {site}, found {' and '.join(map(repr, values))}, so that it is "
                "unknown; write it into sites.csv beside the files"
            )
    for site, *texts in located[["SITE_ID", "LOCATION_LAT", "LOCATION_LONG"]].itertuples(index=False):
        if any(text.lower() in missing.TEXTS for text in texts):
            continue
        numbers = [_degrees(text.replace(",", "." if separator != "," else ",")) for text in texts]
        off = next((k for k, limit in enumerate(LIMITS.values()) if not abs(numbers[k]) <= limit), None)
        if off is None:
            told.places.setdefault(site, []).append(Place(*numbers, _class_of(classes.get(site, ()))))
            continue
        name, limit = list(LIMITS.items())[off]
        told.wrong.setdefault(site, []).append(
            f"{where}: expected {name} of {site} within ±{limit}, found {texts[off]!r}, so that this place counts for "
            "nothing; write the right one into sites.csv beside the files"
        )
    return told


def _class_of(values: Iterable[str]) -> int:
    """Return the one class that values name, else -1."""
    codes = {land_cover.code(value) for value in values} - {-1}
    return -1 if len(codes) != 1 or None in codes else codes.pop()


def _degrees(text: str | float) -> float:
    return float(pd.to_numeric(str(text), errors="coerce"))


def given(places: str | Path | Mapping | None) -> Told:
    """Return the places that a caller gives.

    Parameters
    ----------
    places : path, mapping or None
        A table of sites or a BIF file, both CSV; or site to (latitude, longitude) or (latitude, longitude, igbp).

    Raises
    ------
    ProductError, FileNotFoundError
        It is none of these, or not there, or a place is off the globe, or a class is none.
    """
    if places is None:
        return Told()
    if isinstance(places, Mapping):
        return Told({site: [_given_place(site, place)] for site, place in places.items()})
    if not isinstance(places, str | Path):
        raise ProductError(f"places: expected a path, or places by site, found {places!r}; give one of these")
    path = Path(places)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a table of sites or a BIF file, found nothing; correct places")
    if path.suffix.lower() not in (".csv", ".gz"):
        raise ProductError(f"{path}: expected places as CSV, found {path.suffix or 'no suffix'}; save the table as CSV")
    told = from_bif(path.read_bytes(), path) if path.suffix.lower() == ".csv" else Told()
    return told if told.places or told.wrong else from_sites_table(path)


def _given_place(site: str, place: Sequence) -> Place:
    if isinstance(place, str) or not isinstance(place, Sequence | np.ndarray) or len(place) not in (2, 3):
        raise ProductError(f"places: expected (latitude, longitude[, igbp]) for {site}, found {place!r}; correct it")
    numbers = [_degrees(number) for number in place[:2]]
    for number, text, (name, limit) in zip(numbers, place, LIMITS.items(), strict=False):
        if not abs(number) <= limit:
            raise ProductError(f"places: expected {name} of {site} within ±{limit}, found {text}; correct it")
    told = "" if len(place) == 2 or place[2] is None else str(place[2])
    igbp = land_cover.code(told)
    if igbp is None:
        raise ProductError(
            f"places: expected land cover of {site} as {land_cover.EXPECTED}, found {told!r}; correct it"
        )
    return Place(*numbers, igbp)


def beside(folder: Path) -> tuple[Told, Told]:
    """Return the places in ``sites.csv``, and those in BIF files, of a folder or else of the one above.

    Warns
    -----
    UserWarning
        A BIF file cannot be read.
    """
    folders = (folder, folder.parent)
    tables = [path for path in (f / "sites.csv" for f in folders) if path.is_file()][:1]
    found = [sorted(p for p in f.glob("*.csv") if names.METADATA.search(p.name)) for f in folders]
    told = Told()
    for path in next(filter(None, found), []):
        try:
            with reading(path):
                told.add(from_bif(path.read_bytes(), path))
        except ProductError as error:
            warnings.warn(f"{error}, or write the sites' places into sites.csv beside it", stacklevel=5)
    return from_sites_table(tables[0]) if tables else Told(), told


def apart(places: Iterable[Place], others: Iterable[Place]) -> np.ndarray:
    """Return great-circle distances between all places here and all places there (km; here, there)."""
    here, there = (np.radians([(p.lat, p.lon) for p in group]).reshape(-1, 2) for group in (places, others))
    down, right = (here[:, None, k] - there[None, :, k] for k in (0, 1))
    chord = np.sin(down / 2) ** 2 + np.cos(here[:, None, 0]) * np.cos(there[None, :, 0]) * np.sin(right / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))


def refuse_unknown(towers: xr.Dataset) -> None:
    """Refuse towers, (sample) with ``site``, ``lat`` and ``lon``, of which one has no place.

    Raises
    ------
    ProductError
        Names the sites.
    """
    lost = (towers["lat"].isnull() | towers["lon"].isnull()).values
    if lost.any():
        sites = ", ".join(sorted(set(towers["site"].values[lost].tolist()))[:8])
        raise ProductError(
            f"towers: expected the place of {sites}, found none (NaN); write site, latitude, longitude and igbp into "
            "sites.csv beside the files, or read them with places"
        )
