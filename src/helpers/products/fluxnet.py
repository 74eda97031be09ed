"""Flux towers: annual ecosystem respiration from FLUXNET2015 and from today's FLUXNET product, CSV or zip.

Pastorello et al. (2020), doi:10.1038/s41597-020-0534-3. A yearly file has a row a year; respiration is not measured
but partitioned from net exchange, by night-time (NT) or by day-time (DT) fluxes:

    RECO_NT_VUT_REF, RECO_DT_VUT_REF (g m-2 yr-1 of carbon),   NEE_VUT_REF_QC (share of good records, 0 to 1),

with -9999 where there is no value. RECO has no quality flag of its own. Neither has the file the tower's place: that
stands in a separate table (the BIF of the data set), which this reader takes from ``sites.csv`` beside the files
(columns site, latitude, longitude, igbp), or from the BIF inside today's zips.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products.errors import ProductError, reading
from helpers.products.registry import Product, describe

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

MISSING = -9999
YEARLY = re.compile(r"_FLUXNET(?:2015)?_(?:FULLSET|SUBSET|FLUXMET)_YY_.*\.csv$", re.IGNORECASE)
BIF = re.compile(r"_BIF_.*\.csv$", re.IGNORECASE)


def read(product: Product, paths: list[Path], *, years: Iterable[int] | None = None) -> xr.Dataset:
    """Read site-years.

    Parameters
    ----------
    years : iterable of int, optional
        Calendar years to keep; default all.

    Returns
    -------
    xarray.Dataset
        On (sample): ``reco``, ``reco_dt`` (kg m-2 yr-1 of carbon), ``nee_qc`` (0-1), NaN where missing; coordinates
        ``site``, ``year``, ``lat``, ``lon``, ``igbp`` (MODIS code, -1 unknown). No row is dropped for its value.

    Raises
    ------
    ProductError
        A file lacks its columns, a site has two files, or a site's place is not told.
    """
    tables, places, seen = [], {}, {}
    for path in sorted(paths):
        site = product.match(path)["site"]
        if site in seen:
            raise ProductError(f"{path}: expected one file a site, found {seen[site].name} for {site} too; keep one")
        seen[site] = path
        table, bif = _files(path)
        tables.append(_site_years(table, path, site, product))
        places |= {site: bif} if bif else {}
    table = pd.concat(tables, ignore_index=True)
    if years is not None:
        table = table[table["year"].isin(list(years))].reset_index(drop=True)
    places |= _sites_table({path.parent for path in paths})
    unknown = sorted(set(table["site"]) - set(places))
    if unknown:
        raise ProductError(
            f"{paths[0].parent / 'sites.csv'}: expected a row for {', '.join(unknown[:8])}, found none; "
            "write site, latitude, longitude and igbp there"
        )
    return describe(_dataset(table, places), product)


def _files(path: Path) -> tuple[pd.DataFrame, tuple | None]:
    """Return the yearly table, and the site's place where a zip tells it."""
    if path.suffix.lower() != ".zip":
        return _csv(path.read_bytes(), path), None
    with reading(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        yearly = [name for name in names if YEARLY.search(name)]
        if len(yearly) != 1:
            raise ProductError(
                f"{path}: expected one yearly file (…_YY_….csv), found {len(yearly)} among {', '.join(names[:4])}"
            )
        bif = [archive.read(name) for name in names if BIF.search(name)]
        return _csv(archive.read(yearly[0]), path), _bif_place(_csv(bif[0], path)) if bif else None


def _csv(content: bytes, path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise ProductError(f"{path}: cannot be read as CSV ({said}); fetch it again") from error


def _site_years(table: pd.DataFrame, path: Path, site: str, product: Product) -> pd.DataFrame:
    lacking = [f.stored for f in product.fields if f.stored not in table and not f.optional]
    if "TIMESTAMP" not in table or lacking:
        raise ProductError(
            f"{path}: expected columns {', '.join(lacking or ['TIMESTAMP'])}, found none; fetch it again"
        )
    year = table["TIMESTAMP"]
    if not (pd.api.types.is_integer_dtype(year) and year.between(1900, 2100).all()):
        raise ProductError(
            f"{path}: expected years in TIMESTAMP, found {year.iloc[0]!r}; is this the yearly (YY) file?"
        )
    if year.duplicated().any():
        raise ProductError(f"{path}: expected each year once, found {year[year.duplicated()].iloc[0]} twice")
    out = pd.DataFrame({"site": site, "year": year})
    for field in product.fields:
        values = _numbers(table[field.stored], field.stored, path) if field.stored in table else np.nan
        out[field.name] = values * field.scale
    return out


def _numbers(column: pd.Series, name: str, path: Path) -> pd.Series:
    try:
        values = pd.to_numeric(column).astype("float64")
    except (ValueError, TypeError):
        raise ProductError(f"{path}: expected numbers in {name}, found text; fetch it again") from None
    return values.where(values > MISSING + 0.5)


def _bif_place(bif: pd.DataFrame) -> tuple | None:
    """Return latitude, longitude and IGBP from a BIF table (one row a value), None where it does not tell."""
    if not {"VARIABLE", "DATAVALUE"} <= set(bif.columns):
        return None
    told = dict(zip(bif["VARIABLE"], bif["DATAVALUE"], strict=True))
    if not {"LOCATION_LAT", "LOCATION_LONG"} <= set(told):
        return None
    return float(told["LOCATION_LAT"]), float(told["LOCATION_LONG"]), told.get("IGBP", "")


def _sites_table(folders: set[Path]) -> dict[str, tuple]:
    """Read ``sites.csv`` of each folder: site to (latitude, longitude, igbp)."""
    places = {}
    for path in sorted(folder / "sites.csv" for folder in folders):
        if not path.exists():
            continue
        table = _csv(path.read_bytes(), path).rename(columns=str.lower)
        lacking = {"site", "latitude", "longitude", "igbp"} - set(table.columns)
        if lacking:
            raise ProductError(f"{path}: expected columns {', '.join(sorted(lacking))}, found none; add them")
        for name, limit in (("latitude", 90), ("longitude", 180)):
            wrong = ~_numbers(table[name], name, path).between(-limit, limit)
            if wrong.any():
                row = table[wrong].iloc[0]
                raise ProductError(f"{path}: expected {name} of {row['site']} within ±{limit}, found {row[name]}")
        rows = table[["site", "latitude", "longitude", "igbp"]].itertuples(index=False)
        places |= {site: (lat, lon, igbp) for site, lat, lon, igbp in rows}
    return places


def _dataset(table: pd.DataFrame, places: dict[str, tuple]) -> xr.Dataset:
    lat, lon, igbp = (np.array([places[site][k] for site in table["site"]]) for k in range(3))
    codes = {name: code for code, name in enumerate(IGBP)}
    code = np.array([codes.get(str(name).strip().upper(), -1) for name in igbp], dtype="int8")
    flags = {"flag_values": np.arange(17, dtype="int8"), "flag_meanings": " ".join(IGBP)}
    return xr.Dataset(
        {name: ("sample", table[name].to_numpy("float64")) for name in ("reco", "reco_dt", "nee_qc")},
        coords={
            "site": ("sample", table["site"].to_numpy(str)),
            "year": ("sample", table["year"].to_numpy("int64")),
            "lat": ("sample", lat.astype("float64"), {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("sample", lon.astype("float64"), {"units": "degrees_east", "standard_name": "longitude"}),
            "igbp": ("sample", code, {"long_name": "IGBP land cover class", **flags}),
        },
    )
