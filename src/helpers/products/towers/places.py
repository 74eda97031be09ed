"""Where towers stand. Their yearly files do not say; a table or the data set's metadata do.

A table is ``sites.csv`` (columns site, latitude, longitude, igbp). Metadata come as BIF, the interchange format of
BADM (Pastorello et al. 2020, doi:10.1038/s41597-020-0534-3, supplement, table SM8), a row a value:

    SITE_ID, GROUP_ID, VARIABLE_GROUP, VARIABLE, DATAVALUE

with the variables LOCATION_LAT, LOCATION_LONG and IGBP. The columns' order varies, and values may hold commas that
nobody quoted. A site can have several locations; rows of one GROUP_ID belong together.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products.csv_table import column_of, numbers_of, rows
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.towers import names

IGBP = (
    "WAT",
    "ENF",
    "EBF",
    "DNF",
    "DBF",
    "MF",
    "CSH",
    "OSH",
    "WSA",
    "SAV",
    "GRA",
    "WET",
    "CRO",
    "URB",
    "CVM",
    "SNO",
    "BSV",
)
"""Abbreviations in the order of their MODIS codes, 0 to 16."""

SAME_PLACE_KM = 1.0
"""Places no further apart than this are one tower's, written with fewer digits or after a move of the mast."""

EARTH_RADIUS_KM = 6371.007181


class Place(NamedTuple):
    """Latitude and longitude (degrees north and east), and the IGBP abbreviation, empty if unknown."""

    lat: float
    lon: float
    igbp: str = ""


Places = Mapping[str, Sequence[Place]]
"""Site to its places: several where rows repeat or contradict each other."""


def from_sites_table(path: Path) -> dict[str, list[Place]]:
    """Read a table of sites.

    Parameters
    ----------
    path : Path
        CSV with columns site, latitude, longitude, igbp, in any case.

    Raises
    ------
    ProductError
        A column is lacking, or a place is no number or off the globe.
    """
    table = rows(path).rename(columns=lambda name: name.strip().lower())
    lacking = {"site", "latitude", "longitude", "igbp"} - set(table.columns)
    if lacking:
        raise ProductError(f"{path}: expected columns {', '.join(sorted(lacking))}, found none; add them")
    frame = pd.DataFrame({name: column_of(table, path, name) for name in ("site", "igbp")})
    frame["lat"], frame["lon"] = (numbers_of(table, path, name) for name in ("latitude", "longitude"))
    return _by_site(frame, path)


def from_bif(content: bytes, where: Path | str) -> dict[str, list[Place]]:
    """Read the places in a BIF file, of one site or many; a site without both coordinates is left out.

    Raises
    ------
    ProductError
        A coordinate is no number or off the globe.
    """
    text = io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")
    try:
        header, *body = [row for row in csv.reader(text) if row] or [[]]
    except csv.Error as error:
        raise DamagedFile(f"{where}: expected a BIF table, found something else ({error}); fetch it again") from error
    header = [name.strip().upper() for name in header]
    if not {"SITE_ID", "VARIABLE", "DATAVALUE"} <= set(header):
        return {}
    # An unquoted comma makes a row longer than the header: only its last cells, of the value, are then astray.
    table = pd.DataFrame([row[: len(header)] for row in body if len(row) >= len(header)], columns=header)
    table = table.apply(lambda column: column.str.strip())
    table["GROUP_ID"] = table.get("GROUP_ID", "")
    told = table[table["VARIABLE"].isin(["LOCATION_LAT", "LOCATION_LONG"])]
    told = told.drop_duplicates(["SITE_ID", "GROUP_ID", "VARIABLE"]).pivot(
        index=["SITE_ID", "GROUP_ID"], columns="VARIABLE", values="DATAVALUE"
    )
    told = told.reindex(columns=["LOCATION_LAT", "LOCATION_LONG"]).dropna().reset_index()
    classes = table[table["VARIABLE"] == "IGBP"].drop_duplicates(["SITE_ID", "DATAVALUE"])
    one = classes.drop_duplicates("SITE_ID", keep=False).set_index("SITE_ID")["DATAVALUE"]
    frame = pd.DataFrame({"site": told["SITE_ID"], "igbp": told["SITE_ID"].map(one).fillna("")})
    frame["lat"], frame["lon"] = (numbers_of(told, where, name) for name in ("LOCATION_LAT", "LOCATION_LONG"))
    return _by_site(frame.dropna(), where)


def given(places: str | Path | Mapping | None) -> dict[str, list[Place]]:
    """Return the places that a caller gives.

    Parameters
    ----------
    places : path, mapping or None
        A table of sites or a BIF file, both CSV; or site to (latitude, longitude) or (latitude, longitude, igbp).

    Raises
    ------
    ProductError, FileNotFoundError
        It is none of these, or not there, or a place is off the globe.
    """
    if places is None:
        return {}
    if isinstance(places, Mapping):
        bad = [site for site, place in places.items() if isinstance(place, str) or len(place) not in (2, 3)]
        if bad:
            raise ProductError(f"places: expected (latitude, longitude[, igbp]) for {bad[0]}, found {places[bad[0]]!r}")
        frame = pd.DataFrame([(site, *Place(*place)) for site, place in places.items()])
        frame.columns = ["site", "lat", "lon", "igbp"] if len(frame) else []
        return _by_site(frame, "places") if len(frame) else {}
    path = Path(places)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a table of sites or a BIF file, found nothing; correct places")
    if path.suffix.lower() not in (".csv", ".gz"):
        raise ProductError(f"{path}: expected places as CSV, found {path.suffix or 'no suffix'}; save the table as CSV")
    told = from_bif(path.read_bytes(), path) if path.suffix.lower() == ".csv" else {}
    return told or from_sites_table(path)


def beside(folder: Path) -> tuple[dict[str, list[Place]], dict[str, list[Place]]]:
    """Return the places in ``sites.csv``, and those in BIF files, of a folder or else of the one above."""
    folders = (folder, folder.parent)
    tables = [path for path in (f / "sites.csv" for f in folders) if path.is_file()][:1]
    found = [sorted(p for p in f.glob("*.csv") if names.METADATA.search(p.name)) for f in folders]
    told: dict[str, list[Place]] = {}
    for path in next(filter(None, found), []):
        with reading(path):
            for site, places in from_bif(path.read_bytes(), path).items():
                told.setdefault(site, []).extend(places)
    return from_sites_table(tables[0]) if tables else {}, told


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


def _by_site(frame: pd.DataFrame, where: Path | str) -> dict[str, list[Place]]:
    for name, word, limit in (("lat", "latitude", 90), ("lon", "longitude", 180)):
        wrong = ~pd.to_numeric(frame[name], errors="coerce").between(-limit, limit)
        if wrong.any():
            row = frame[wrong].iloc[0]
            raise ProductError(f"{where}: expected {word} of {row['site']} within ±{limit}, found {row[name]}")
    told: dict[str, list[Place]] = {}
    for site, lat, lon, igbp in frame[["site", "lat", "lon", "igbp"]].itertuples(index=False):
        told.setdefault(site, []).append(Place(float(lat), float(lon), str(igbp).strip().upper()))
    return told
