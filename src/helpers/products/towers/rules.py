"""Which site-years of towers cannot stand together, and which of them stays.

- *A file that cannot be read*, or lacks what is asked for: the years of its name go, and the other files are read.
- *Two towers under one identifier*, told by places more than a kilometre apart in the site's files or tables: nobody
  can say whose a year is, so that all years of the identifier go.
- *Two files of one site*: one is kept whole, for years of two processings make no series. It is the one whose record
  ends last; of several, the newest release; of one release, FULLSET before SUBSET.
- *A year twice in a file*: one row is kept if they agree in everything that is read, else none.

What quality and range a reader asks for is for the pages to say; see chapters 2 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from numbers import Real

import numpy as np
import pandas as pd

from helpers.products.errors import ProductError
from helpers.products.towers import places
from helpers.products.towers.accounts import Account
from helpers.products.towers.places import Place, Told
from helpers.products.towers.yearly import Record

TWO_TOWERS = "two towers under one identifier"
OTHER_FILE = "another file of the site kept"
REPEATED = "year repeated with the same values"
CONTRADICTED = "year repeated with other values"
MISSING = "RECO missing"

PARTITIONINGS = {None: ("reco", "reco_dt"), "night": ("reco",), "day": ("reco_dt",)}
"""Which variables of the files a partitioning asks for."""


def chosen(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return each site's files, the one to be kept first."""
    by_site: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: r.newness, reverse=True):
        by_site.setdefault(record.name.site, []).append(record)
    return by_site


def located(by_site: Mapping[str, list[Record]], given: Told) -> tuple[dict[str, Place], set[str], list[str]]:
    """Settle where each site stands.

    For each file counts what is told first: by the caller, by ``sites.csv`` beside it, by the metadata in its zip, by
    metadata beside it.

    Parameters
    ----------
    by_site : mapping of str to list of Record
        As `chosen` gives them.
    given : Told
        What the caller tells.

    Returns
    -------
    places : dict of str to Place
        By site; sites of which nothing is told are not in it. The class is -1 where tables contradict each other.
    ambiguous : set of str
        Sites that are two towers.
    warnings : list of str
        What is wrong in metadata, and which sites are two towers, a line each.
    """
    folders = {record.path.parent for records in by_site.values() for record in records}
    near = {folder: places.beside(folder) for folder in sorted(folders)}
    found, ambiguous, wrong = {}, set(), []
    for site, records in by_site.items():
        told = []
        for record in records:
            table, metadata = near[record.path.parent]
            for source in (given, table, record.own, metadata):
                wrong += source.wrong.get(site, [])
                if source.places.get(site):
                    told += source.places[site]
                    break
        if told:
            classes = {place.igbp for place in told} - {-1}
            found[site] = told[0]._replace(igbp=classes.pop() if len(classes) == 1 else -1)
        if fault := _two_towers(site, records, told):
            ambiguous.add(site)
            wrong.append(fault)
    return found, ambiguous, list(dict.fromkeys(wrong))


def _two_towers(site: str, records: list[Record], told: list[Place]) -> str:
    """Say so where a site is at two places; nothing where it is at one."""
    own = [(record, record.own.places[site]) for record in records if record.own.places.get(site)]
    for (first, here), (other, there) in combinations(own, 2):
        if places.apart(here, there).min() > places.SAME_PLACE_KM:
            spots = f"{_spot(here[0])} and, in {other.path.name}, {_spot(there[0])}"
            return f"{first.path}: expected one tower {site}, found {spots}; all its years are left out: keep one file"
    far = places.apart(told[:1], told)[0] if told else np.zeros(1)
    if told and places.apart(told, told).max() > places.SAME_PLACE_KM:
        spots = f"{_spot(told[0])} and {_spot(told[int(far.argmax())])}"
        return (
            f"{records[0].path}: expected one place of {site}, found {spots}; all its years are left out: write the "
            "right one, alone, into sites.csv beside the file, or give places"
        )
    return ""


def _spot(place: Place) -> str:
    return f"{place.lat:g}, {place.lon:g}"


def resolve(account: Account, by_site: Mapping[str, list[Record]], ambiguous: set[str]) -> None:
    """Strike what cannot stand together. Rows have ``site``, ``year``, ``file``, ``path`` and the values read."""
    first = {site: str(records[0].path) for site, records in by_site.items()}
    account.strike(account.kept["site"].isin(ambiguous), TWO_TOWERS)
    account.strike(account.kept["path"] != account.kept["site"].map(first), OTHER_FILE)
    rows = account.kept
    keys = ["site", "year"]
    values = [name for name in rows if name not in (*keys, "file", "path")]
    # Rows that differ in any value are no repetitions of each other, and then none of the year can be believed.
    distinct = ~rows.duplicated(keys + values)
    contradicted = distinct.groupby([rows["site"], rows["year"]]).transform("sum") > 1
    account.strike(contradicted, CONTRADICTED)
    account.strike(account.kept.duplicated(keys), REPEATED)


def check(partitioning) -> None:
    """Refuse a partitioning that cannot be.

    Raises
    ------
    ProductError
        Names the parameter, what was expected and what was found.
    """
    if not (partitioning is None or isinstance(partitioning, str)) or partitioning not in PARTITIONINGS:
        raise ProductError(f"partitioning: expected 'night', 'day' or None, found {partitioning!r}; choose one")


def wanted_years(years: Iterable[int] | None) -> set[int] | None:
    """Return the years that are asked for, None for all.

    Raises
    ------
    ProductError
        They are no whole numbers in a row.
    """
    if years is None:
        return None
    told = np.asarray(years).tolist() if hasattr(years, "__array__") else years
    row = list(told) if isinstance(told, Iterable) and not isinstance(told, str | bytes) else None
    if row is None or not all(_number(year) and math.isfinite(year) and year == int(year) for year in row):
        raise ProductError(
            f"years: expected calendar years, such as [2000, 2001], or None, found {years!r}; give a list of numbers"
        )
    return {int(year) for year in row}


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def rows_of(records: Sequence[Record], years: set[int] | None) -> pd.DataFrame:
    """Return the rows of all files: ``site``, ``file`` (name), ``path``, ``year`` and the values."""
    tables = [
        record.table.assign(site=record.name.site, file=record.path.name, path=str(record.path)) for record in records
    ]
    rows = pd.concat(tables, ignore_index=True)
    return rows if years is None else rows[rows["year"].isin(years)]
