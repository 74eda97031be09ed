r"""Flux towers: annual ecosystem respiration from FLUXNET2015 and from today's FLUXNET products, CSV or zip.

Pastorello et al. (2020), doi:10.1038/s41597-020-0534-3. A yearly file has a row a year; respiration is not measured
but partitioned from net exchange, by night-time (NT) or by day-time (DT) fluxes:

    RECO_NT_VUT_REF, RECO_DT_VUT_REF (g m-2 yr-1 of carbon),   NEE_VUT_REF_QC (share of good records, 0 to 1),

with -9999 where there is no value. RECO has no quality flag of its own. FULLSET and SUBSET both have these columns.

*Names.* The second and the third way are stated by the README files that come with these products; the first is that
of the files themselves; of the fourth no description was at hand: it follows names that published code reads.

    FLX_AT-Neu_FLUXNET2015_FULLSET_[YY_]2002-2012_1-4          FLUXNET2015; release beta-3 in later European collections
    AMF_US-Ha1_FLUXNET_FULLSET_[YY_]1992-2020_3-5              AmeriFlux FLUXNET
    AMF_US-MMS_FLUXNET_[FLUXMET_YY_]1999-2023_v1.3_r1          the FLUXNET product of today, from any hub
    ICOSETC_BE-Bra_ARCHIVE_L2, ICOSETC_BE-Bra_FLUXNET_YY_L2    ICOS: no years in the name; INTERIM_L2 before a release

Beside the yearly member of a zip lie other time steps, reanalyses (ERAI, ERA5), auxiliary tables and metadata, none of
which is ever opened for fluxes.

*Places.* Yearly files don't tell where a tower stands. For each file counts what tells it first: ``sites.csv`` (columns
site, latitude, longitude and, where known, igbp) beside it or in the folder above, which must be right; the metadata in
its zip; metadata beside it. Metadata come as BIF, the interchange format of BADM (table SM8 of the same paper's
supplement): SITE_ID, GROUP_ID, VARIABLE_GROUP, VARIABLE, DATAVALUE, a row a value, in any order of columns. What is
wrong in them costs one site its place or its class, and is told.

*Rules.* Which site-years cannot stand together, and which of them stays:

- A file that cannot be read, or lacks what is asked for: the years of its name go, and the other files are read.
- Two towers under one identifier, told by places more than a kilometre apart in the site's files or tables: nobody can
  say whose a year is, so that all years of the identifier go.
- Two files of one site: one is kept whole, for years of two processings make no series. It is the one whose record ends
  last; of several, the newest release; of one release, FULLSET before SUBSET.
- A year twice in a file: one row is kept if they agree in everything that is read, else none.

What quality and range a reader asks for is for the pages to say; see chapters 2 and 4.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from itertools import product as pairs_of
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products import DamagedFile, Product, ProductError, describe, limits
from helpers.products.files import archive, reading, whole_text
from helpers.products.files import content as content_of
from helpers.products.site_table import (
    DEGREES,
    FETCH,
    GAP_TEXTS,
    LONGEST,
    SAME_PLACE_KM,
    SPHERE,
    YEARS,
    column_of,
    igbp_code,
    in_the_gulf,
    needed_of,
    numbers_of,
    parse,
    refuse_radians,
    rows,
    separator_of,
    taken_apart,
)
from helpers.space.regions import IGBP_CODES

YEARLY = re.compile(
    r"_(?:FLUXNET(?:2015)?_(?:FULLSET|SUBSET|FLUXMET)_YY_\d{4}-\d{4}_.+|FLUXNET_YY_(?:INTERIM_)?L2)\.csv$", re.I
)
METADATA = re.compile(r"_(?:BIF|SITEINFO)(?:_.*)?\.csv$", re.I)
SPAN = re.compile(r"_(\d{4})-(\d{4})_")

TWO_TOWERS = "two towers under one identifier"
OTHER_FILE = "another file of the site kept"
CONTRADICTED = "year repeated with other values"
REPEATED = "year repeated with the same values"
MISSING = "RECO missing"

LOCATION = ["LOCATION_LAT", "LOCATION_LONG"]


class Place(NamedTuple):
    """Where something says that a site stands; or else what is wrong in what it says, in a line."""

    site: str
    lat: float = np.nan
    lon: float = np.nan
    igbp: int = -1  # unknown
    fault: str = ""


@dataclass(frozen=True)
class Tower:
    """One file: a row a year in ``table`` (``year``, the product's variables, ``site``, ``file``, ``path``).

    Of two files of a site the one of greater ``newness`` is kept. ``places`` is what metadata in the same zip tell.
    """

    path: Path
    site: str
    release: str
    newness: tuple
    table: pd.DataFrame
    places: list[Place]


def read(
    product: Product, paths: list[Path], *, years: list[int] | None = None, partitioning: str | None = None
) -> xr.Dataset:
    """Read site-years.

    Parameters
    ----------
    years : list of int, optional
        Calendar years to read; default all.
    partitioning : {"night", "day"}, optional
        Which RECO becomes ``reco``; site-years without it are dropped. By default both are kept, ``reco`` from the
        night and ``reco_dt`` from the day, and nothing is dropped for lack of them.

    Returns
    -------
    xarray.Dataset
        On (sample): ``reco``, ``reco_dt`` (kg m-2 yr-1 of carbon), ``nee_qc`` (0-1), NaN where missing; coordinates
        ``site``, ``year``, ``lat``, ``lon`` (NaN where nobody tells), ``igbp`` (MODIS code, -1 unknown). Attribute
        ``site_years_read`` counts the rows; `helpers.products.dropped` lists those left out, and why.

    Raises
    ------
    ProductError, DamagedFile
        The only file, or every one, is of another kind, lacks its columns, is damaged or holds what cannot be (one of
        several is left out with a warning); a place in ``sites.csv``, or a parameter, cannot be.
    """
    if partitioning not in (None, "night", "day"):
        raise ProductError(f"partitioning: expected 'night', 'day' or None, found {partitioning!r}; choose one")
    reco = "reco_dt" if partitioning == "day" else "reco"
    towers, unread = _towers(product, paths, (reco, "nee_qc"))
    table = pd.concat([tower.table for tower in towers], ignore_index=True)
    if years is not None:
        table = table[table["year"].isin(years)]
    towers.sort(key=lambda tower: tower.newness, reverse=True)
    places, ambiguous = _located(towers)
    kept, lost = _judged(table, towers, ambiguous, reco if partitioning else None)
    _warn_of_the_lost(kept, places)
    aside = _set_aside(unread, years)
    ds = _dataset(kept, places)
    ds.attrs["site_years_read"] = len(table) + len(aside)
    ds.attrs["site_years_dropped"] = json.dumps(aside + lost.to_numpy().tolist())
    if partitioning is not None:
        ds = ds.drop_vars("reco_dt").assign(reco=ds[reco])
    ds = describe(ds, product, ", ".join(sorted({tower.release for tower in towers})))
    ds["reco"].attrs["partitioning"] = partitioning or "night"
    return ds


def with_unread(ds: xr.Dataset, unread: Mapping[Path, str], years: list[int] | None) -> xr.Dataset:
    """Enter files that `helpers.products.find` leaves out, with the remedy of each, into the account of the lost."""
    aside = _set_aside({path: f"not read as it is: {remedy}" for path, remedy in unread.items()}, years)
    rows = json.loads(ds.attrs["site_years_dropped"]) + aside
    read = ds.attrs["site_years_read"] + len(aside)
    return ds.assign_attrs(site_years_read=read, site_years_dropped=json.dumps(rows))


def _towers(product: Product, paths: list[Path], needed: tuple[str, ...]) -> tuple[list[Tower], dict[Path, str]]:
    """Read each file, and say what is wrong with those that can't be read; if none can be, stop."""
    towers, faults, unread = [], {}, {}
    for path in sorted(set(paths)):
        try:
            towers.append(_tower(path, product, needed))
        except ProductError as error:
            faults[path] = error
    if not towers:
        first = next(iter(faults.values()))
        if len(faults) == 1:
            raise first
        raise ProductError(f"{first} (so or otherwise none of {len(faults)} files can be read)") from first
    read = {tower.site for tower in towers}
    for path, error in faults.items():
        # Half-hours beside the site's own product are what a download holds, and no loss.
        if product.file.search(path.name) or not {site for site, _ in _of_name(path)} <= read:
            unread[path] = str(error).removeprefix(f"{path}: ").split("; ")[0]
            warnings.warn(f"{error} (it is left out, and the other files are read)", stacklevel=4)
    return towers, unread


def _of_name(path: Path, years: list[int] | None = None) -> list[tuple[str, int]]:
    """Return the site-years that a file stands for by its name, of those that are asked for; year 0 where it has none.

    >>> _of_name(Path("FLX_AT-Neu_FLUXNET2015_FULLSET_2002-2004_1-4.zip"), [2003, 2004, 2005])
    [('AT-Neu', 2003), ('AT-Neu', 2004)]
    >>> _of_name(Path("ICOSETC_BE-Bra_ARCHIVE_L2.zip"))
    [('BE-Bra', 0)]
    """
    site = re.search(r"_([A-Z]{2}-\w{3})_", path.name, re.IGNORECASE)
    span = SPAN.search(path.name)
    named = range(int(span[1]), int(span[2]) + 1) if span else [0]
    return [(site[1] if site else path.name, year) for year in named if years is None or not span or year in years]


def _set_aside(unread: Mapping[Path, str], years: list[int] | None) -> list[list]:
    """Return the rows (site, year, reason, file) that files stand for which were not read."""
    return [[*of, reason, path.name] for path, reason in unread.items() for of in _of_name(path, years)]


def _judged(
    table: pd.DataFrame, towers: list[Tower], ambiguous: set[str], needed: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that stand, and those that don't (site, year, reason, file), by the rules above in their order.

    Of ``towers`` the newest stand first; ``ambiguous`` sites are two towers; ``needed`` must not be missing.
    """
    newest = {tower.site: str(tower.path) for tower in reversed(towers)}
    keys = ["site", "year"]
    values = [name for name in table if name not in (*keys, "file", "path")]
    rules = {
        TWO_TOWERS: lambda rows: rows["site"].isin(ambiguous),
        OTHER_FILE: lambda rows: rows["path"] != rows["site"].map(newest),
        # Rows that differ in any value are no repetitions of each other, and then none of the year can be believed.
        CONTRADICTED: lambda rows: (
            (~rows.duplicated(keys + values)).groupby([rows[k] for k in keys]).transform("sum") > 1
        ),
        REPEATED: lambda rows: rows.duplicated(keys),
        MISSING: lambda rows: rows[needed].isna() if needed else rows["year"].isna(),
    }
    lost = []
    for reason, rule in rules.items():
        wrong = rule(table)
        lost.append(table[wrong].assign(reason=reason))
        table = table[~wrong]
    return table, pd.concat(lost)[["site", "year", "reason", "file"]]


def _warn_of_the_lost(kept: pd.DataFrame, places: pd.DataFrame) -> None:
    """Warn, in one line, of towers whose place nobody tells."""
    lost = kept[~kept["site"].isin(places.index)].drop_duplicates("site")
    if len(lost):
        more = f" and of {len(lost) - 1} more sites" if len(lost) > 1 else ""
        warnings.warn(
            f"{lost['path'].iloc[0]}: expected the place of {lost['site'].iloc[0]}{more} in sites.csv beside it, found "
            "none, so that lat and lon are NaN; write site, latitude, longitude and igbp there",
            stacklevel=4,
        )


def _dataset(kept: pd.DataFrame, places: pd.DataFrame) -> xr.Dataset:
    where = places.astype("float64").reindex(kept["site"])
    north = {"units": "degrees_north", "standard_name": "latitude"}
    east = {"units": "degrees_east", "standard_name": "longitude"}
    flags = {"flag_values": np.arange(len(IGBP_CODES), dtype="int8"), "flag_meanings": " ".join(IGBP_CODES)}
    igbp = where["igbp"].fillna(-1).to_numpy("int8")
    return xr.Dataset(
        {name: ("sample", kept[name].to_numpy("float64")) for name in ("reco", "reco_dt", "nee_qc")},
        coords={
            "site": ("sample", kept["site"].to_numpy(str)),
            "year": ("sample", kept["year"].to_numpy("int64")),
            "lat": ("sample", where["lat"].to_numpy(), north),
            "lon": ("sample", where["lon"].to_numpy(), east),
            "igbp": ("sample", igbp, {"long_name": "IGBP land cover class", **flags}),
        },
    )


# One file: its name, its yearly table, and in a zip the metadata beside it.


def _tower(path: Path, product: Product, needed: tuple[str, ...]) -> Tower:
    """Read one file, plain or packed. Of a zip, only the yearly member and the site's metadata are unpacked.

    ``needed`` are the variables that must be there; the product's others may.
    """
    name, places = product.file.search(path.name), []
    if not name:
        raise ProductError(
            f"{path}: expected a {product.id} file named like {product.example}; other time steps (BASE, HH), "
            "metadata and reanalyses hold no yearly RECO: fetch the site's FLUXNET product (FULLSET or SUBSET), and "
            "give its zip, or the file named _YY_, by its own name"
        )
    zipped = path.suffix.lower() == ".zip"
    if zipped:
        with archive(path) as held:
            members = {m: PurePosixPath(m).name for m in held.namelist()}
            # Archives made on a Mac repeat every file under a name that begins so, with other content.
            members = {m: base for m, base in members.items() if not base.startswith("._")}
            content = content_of(held, _yearly_member(members, path, name["site"]), path)
            metadata = {f"{path} ({base})": m for m, base in members.items() if METADATA.search(base)}
            places = _metadata({where: partial(content_of, held, m, path) for where, m in metadata.items()})
    else:
        content = whole_text(path, (".csv",))
    table = _site_years(content, path, product, needed, name["site"])
    first, last = table["year"].min(), table["year"].max()
    if (span := SPAN.search(path.name)) and (first, last) != (int(span[1]), int(span[2])):
        warnings.warn(
            f"{path}: the name tells of {span[1]} to {span[2]}, the rows of {first} to {last}; "
            "if nobody cut the file on purpose, fetch it again",
            stacklevel=5,
        )
    release = name["release"]
    numbers = tuple(int(number) for number in re.findall(r"\d+", release))
    final = not re.search("beta|interim", release, re.I)
    fuller = "_SUBSET_" not in path.name.upper()
    # Today's product (v1.3) comes after FLUXNET2015 and its kin, a release after a trial.
    newness = (int(last), release.startswith("v"), final, numbers, fuller, zipped, path.name)
    table = table.assign(site=name["site"], file=path.name, path=str(path))
    return Tower(path, name["site"], release, newness, table, places)


def _yearly_member(members: Mapping[str, str], path: Path, site: str) -> str:
    """Return which member of a zip is the yearly file, which must be the site's."""
    found = [member for member, base in members.items() if YEARLY.search(base)]
    if len(found) != 1:
        listed = ", ".join(list(members.values())[:4]) or "nothing"
        raise ProductError(
            f"{path}: expected one yearly file (…_YY_….csv), found {len(found)}; it holds {listed}: unpack it if it "
            "holds zips, or else fetch the site's FLUXNET product (FULLSET or SUBSET)"
        )
    if f"_{site}_" not in members[found[0]]:
        raise ProductError(f"{path}: expected the yearly file of {site}, found {members[found[0]]}; rename the zip")
    return found[0]


def _site_years(content: bytes, path: Path, product: Product, needed: tuple[str, ...], site: str) -> pd.DataFrame:
    """Return the yearly table: ``year`` (int64) and the product's variables in the book's units, NaN where missing."""
    table = parse(content, path, FETCH)
    if "SITE_ID" in table and (other := table["SITE_ID"].str.strip() != site).any():
        found = f"found {table['SITE_ID'][other].iloc[0]!r:.40} as SITE_ID in row {table.index[other][0]}"
        raise ProductError(f"{path}: expected years of {site} alone, as its name tells, {found}; keep a tower a file")
    lacking = [f.stored for f in product.fields if f.stored not in table and f.name in needed]
    if "TIMESTAMP" not in table or lacking:
        other = [f.stored for f in product.fields if f.stored in table and f.name.startswith("reco")]
        read_it = f"read {other[0]} by the other partitioning, or " if other and "RECO" in str(lacking) else ""
        raise ProductError(
            f"{path}: expected columns {', '.join(lacking or ['TIMESTAMP'])}, found none among {table.shape[1]}; "
            f"{read_it}give the yearly file (YY) of the FLUXNET product"
        )
    hint = "is this the yearly (YY) file as published?"
    out = pd.DataFrame({"year": needed_of(table, path, "TIMESTAMP", *YEARS, whole=True, hint=hint)})
    for entry in product.fields:
        out[entry.name] = np.nan
        if entry.stored in table:
            values = numbers_of(table, path, entry.stored, limits(entry.name), entry.scale, hint)
            out[entry.name] = values * entry.scale
    return out


# Places, from sites.csv and from metadata.


def _located(towers: list[Tower]) -> tuple[pd.DataFrame, set[str]]:
    """Settle where each site stands, and warn of what is wrong; of ``towers`` the newest stand first.

    Returns
    -------
    places : DataFrame
        ``lat``, ``lon`` and ``igbp`` by site; sites of which nothing is told are not in it. The class is -1 where
        tables contradict each other.
    ambiguous : set of str
        Sites that are two towers.
    """
    beside = {folder: _beside(folder) for folder in sorted({tower.path.parent for tower in towers})}
    by_site: dict[str, list[Tower]] = {}
    for tower in towers:
        by_site.setdefault(tower.site, []).append(tower)
    found, lines, ambiguous = [], [], set()
    for site, files in by_site.items():
        spots = []
        for tower in files:
            table, metadata = beside[tower.path.parent]
            for source in (table, tower.places, metadata):
                lines += [place.fault for place in source if place.site == site and place.fault]
                if here := _told(source, site):
                    spots += here
                    break
        if spots:
            classes = {place.igbp for place in spots} - {-1}
            found.append((*spots[0][:3], classes.pop() if len(classes) == 1 else -1))
        if line := _two_places(site, files, spots):
            ambiguous.add(site)
            lines.append(line)
    for line in dict.fromkeys(lines):
        warnings.warn(line, stacklevel=4)
    return pd.DataFrame(found, columns=["site", "lat", "lon", "igbp"]).set_index("site"), ambiguous


def _told(places: list[Place], site: str) -> list[Place]:
    return [place for place in places if place.site == site and not place.fault]


def _two_places(site: str, files: list[Tower], spots: list[Place]) -> str:
    """Say so where a site is at two places, by its zips' own metadata or by what is told of it; else nothing."""

    def apart(pair: tuple[Place, Place]) -> float:
        (_, lat, lon, *_), (_, to_lat, to_lon, *_) = pair
        return SPHERE.inv(lon, lat, to_lon, to_lat)[2] / 1000

    own = [here for tower in files if (here := _told(tower.places, site))]
    pairs = [max(combinations(spots, 2), key=apart)] if len(spots) > 1 else []
    pairs += [min(pairs_of(own[0], other), key=apart) for other in own[1:]]
    far = [pair for pair in pairs if apart(pair) > SAME_PLACE_KM]
    if not far:
        return ""
    one, other = (f"{place.lat:g}, {place.lon:g}" for place in far[-1])
    return (
        f"{files[0].path}: expected one place of {site}, found {one} and {other}; all its years are left out: keep the "
        "files of one tower, and write the right place, alone, into sites.csv beside them"
    )


def _beside(folder: Path) -> tuple[list[Place], list[Place]]:
    """Return the places in ``sites.csv``, and those in metadata, of a folder or else of the one above."""
    folders = (folder, folder.parent)
    tables = [path for path in (f / "sites.csv" for f in folders) if path.is_file()]
    metadata = [sorted(p for p in f.glob("*.csv") if METADATA.search(p.name)) for f in folders]
    told = _metadata({path: partial(whole_text, path) for path in metadata[0] or metadata[1]})
    return _sites(tables[0]) if tables else [], told


def _sites(path: Path) -> list[Place]:
    """Read a table of sites: columns site, latitude (or lat), longitude (or lon) and igbp if known, in any case."""
    table, short = rows(path), {"latitude": "lat", "longitude": "lon", "long": "lon", "site_id": "site"}
    table.columns = [short.get(name.lower(), name.lower()) for name in table]
    lacking = {"site", *DEGREES} - set(table.columns)
    if lacking or table.columns.has_duplicates:
        fault = f"found none for {', '.join(sorted(lacking))}" if lacking else "found one of them twice"
        raise ProductError(f"{path}: expected columns site, lat, lon, igbp, {fault}; correct the header")
    told = [name for name in ("site", *DEGREES, "igbp") if name in table]
    found = {name: column_of(table, path, name, name) for name in told}
    refuse_radians(pd.DataFrame(found, index=table.index), path)
    return list(map(Place, *found.values()))


def _metadata(contents: Mapping[Path | str, Callable[[], bytes]]) -> list[Place]:
    """Read all that metadata tell, each by what errors call it; warn of those that cannot be read."""
    told = []
    for where, content in contents.items():
        try:
            with reading(where):
                told += _bif(content(), where)
        except ProductError as error:
            warnings.warn(f"{error}, or write the sites' places into sites.csv beside it", stacklevel=6)
    return told


def _bif(content: bytes, where: Path | str) -> list[Place]:
    """Read the places in a BIF file, of one site or many; a site without both coordinates has none.

    A site can have several locations; rows of one GROUP_ID belong together. Values may hold commas that nobody quoted,
    so that a row is longer than the header: only its last cells, of the value, are then astray.
    """
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    content = content if encoding == "utf-16" else content.lstrip()
    separator = separator_of(content[: 2 * LONGEST].decode(encoding, errors="replace").lstrip().partition("\n")[0])
    told = taken_apart(content, encoding, separator, where, FETCH)
    header, *body = [row for _, row in told if row] or [[]]
    table = pd.DataFrame([row[: len(header)] for row in body if len(row) >= len(header)], columns=header, dtype=str)
    table.columns = [name.strip().upper() for name in header]
    if not {"SITE_ID", "VARIABLE", "DATAVALUE"} <= set(table):
        return []
    if table.columns.has_duplicates:
        raise DamagedFile(f"{where}: expected one column of each name, found {', '.join(table)}; rename the others")
    table = table.apply(lambda column: column.str.strip())
    table["GROUP_ID"] = table.get("GROUP_ID", "")
    table["TIMES"] = table.groupby(["SITE_ID", "GROUP_ID", "VARIABLE"]).cumcount()  # groups that nobody numbered
    located = table[table["VARIABLE"].isin(LOCATION)]
    located = located.pivot(index=["SITE_ID", "GROUP_ID", "TIMES"], columns="VARIABLE", values="DATAVALUE")
    located = located.reindex(columns=LOCATION).dropna()
    known = ~located.apply(lambda column: column.str.lower().isin(GAP_TEXTS)).any(axis=1)
    out, remedy = [], "write the right one into sites.csv beside the files"
    igbp = {}
    for site, values in table[table["VARIABLE"] == "IGBP"].groupby("SITE_ID")["DATAVALUE"].unique().items():
        codes = {igbp_code(value) for value in values} - {-1}
        igbp[site] = codes.pop() if len(codes) == 1 and None not in codes else -1
        if codes:
            fault = (
                f"{where}: expected the IGBP class of {site}, found {' and '.join(map(repr, values))}, so that it is"
            )
            out.append(Place(site, fault=f"{fault} unknown; {remedy}"))
    for (site, *_), *spot in located[known].itertuples():
        lat, lon = (pd.to_numeric(x if separator == "," else x.replace(",", "."), errors="coerce") for x in spot)
        if abs(lat) <= 90 and abs(lon) <= 180 and not in_the_gulf(lat, lon):
            out.append(Place(site, lat, lon, igbp.get(site, -1)))
        else:
            fault = f"{where}: expected degrees of {site} within ±90 and ±180, found {spot[0]!r} and {spot[1]!r}"
            out.append(Place(site, fault=f"{fault}, so that this place counts for nothing; {remedy}"))
    return out
