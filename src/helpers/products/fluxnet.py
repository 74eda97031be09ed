"""Flux towers: annual ecosystem respiration from FLUXNET2015 and from today's FLUXNET products, CSV or zip.

Pastorello et al. (2020), doi:10.1038/s41597-020-0534-3. A yearly file has a row a year; respiration is not measured
but partitioned from net exchange, by night-time (NT) or by day-time (DT) fluxes:

    RECO_NT_VUT_REF, RECO_DT_VUT_REF (g m-2 yr-1 of carbon),   NEE_VUT_REF_QC (share of good records, 0 to 1),

with -9999 where there is no value. RECO has no quality flag of its own. FULLSET and SUBSET both have these columns.
How files are named stands in `towers.names`; where towers stand, in `towers.places`; what is left out, in
`towers.rules`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.products.errors import ProductError
from helpers.products.land_cover import ABBREVIATIONS
from helpers.products.registry import Product, describe
from helpers.products.towers import names, rules, yearly
from helpers.products.towers import places as towers_places
from helpers.products.towers.accounts import Account
from helpers.products.towers.places import Place


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int] | None = None,
    partitioning: str | None = None,
    places: str | Path | Mapping | None = None,
) -> xr.Dataset:
    """Read site-years.

    Parameters
    ----------
    years : iterable of int, optional
        Calendar years to read; default all.
    partitioning : {"night", "day"}, optional
        Which RECO becomes ``reco``; site-years without it are dropped. By default both are kept, ``reco`` from the
        night and ``reco_dt`` from the day, and nothing is dropped for lack of them.
    places : path or mapping, optional
        Where the towers stand: a table of sites or a BIF file, both CSV, or site to (latitude, longitude) or
        (latitude, longitude, igbp). Default: ``sites.csv`` beside the files or in the folder above, else the metadata
        in the zip, else a BIF file beside.

    Returns
    -------
    xarray.Dataset
        On (sample): ``reco``, ``reco_dt`` (kg m-2 yr-1 of carbon), ``nee_qc`` (0-1), NaN where missing; coordinates
        ``site``, ``year``, ``lat``, ``lon`` (NaN where nobody tells), ``igbp`` (MODIS code, -1 unknown). Attribute
        ``site_years_read`` counts the rows; `helpers.products.dropped` lists those left out, and why.

    Raises
    ------
    ProductError
        The only file, or every one, is of another kind, lacks its columns, is damaged or holds what cannot be; a place
        that the caller or ``sites.csv`` gives, or a parameter, cannot be.
    DamagedFile
        The only file cannot be read, or is cut short.

    Warns
    -----
    UserWarning
        One of several files is left out, for any of these reasons (`helpers.products.dropped` has the years that its
        name tells); the place of a tower is unknown, or two; metadata cannot be read, or hold a place or a class that
        cannot be; a file lacks years that its name tells.
    """
    rules.check(partitioning)
    told = towers_places.given(places)
    wanted = rules.PARTITIONINGS[partitioning]
    needed = (wanted[0], "nee_qc")
    wanted_years = rules.wanted_years(years)
    records, failed = _records(product, sorted(set(paths)), needed)
    by_site = rules.chosen(records)
    aside = _left_out(product, failed, set(by_site), wanted_years)
    found, ambiguous, wrong = rules.located(by_site, told)
    for line in wrong:
        warnings.warn(line, stacklevel=3)
    account = Account(rules.rows_of(records, wanted_years), aside)
    rules.resolve(account, by_site, ambiguous)
    if partitioning is not None:
        account.strike(account.kept[wanted[0]].isna(), rules.MISSING)
    _warn_of_the_lost(account.kept, found)
    ds = _dataset(account.kept, found)
    ds.attrs = account.attributes()
    if partitioning is not None:
        ds = ds.drop_vars("reco_dt").assign(reco=ds[wanted[0]])
    ds = describe(ds, product, ", ".join(sorted({record.name.release for record in records})))
    ds["reco"].attrs["partitioning"] = partitioning or "night"
    return ds


def _records(
    product: Product, paths: list[Path], needed: tuple[str, ...]
) -> tuple[list[yearly.Record], dict[Path, ProductError]]:
    """Read each file, and keep what is wrong with those that can't be read; of one file, or if none can be, say so."""
    records, failed = [], {}
    for path in paths:
        try:
            records.append(yearly.read(path, product, needed))
        except ProductError as error:
            failed[path] = error
    if not records:
        first = next(iter(failed.values()))
        if len(failed) == 1:
            raise first
        raise ProductError(f"{first} (so or otherwise none of {len(failed)} files can be read)") from first
    return records, failed


def _left_out(
    product: Product, failed: Mapping[Path, ProductError], sites: set[str], years: set[int] | None
) -> list[tuple[str, int, str, str]]:
    """Return the site-years of files that could not be read, with reason and file; warn of each file in one line."""
    aside = []
    for path, error in failed.items():
        site_years, fault = names.of_file(path, years), str(error).removeprefix(f"{path}: ")
        # Half-hours beside the site's own product are what a download holds, and no loss.
        if product.file.search(path.name) or not {site for site, _ in site_years} <= sites:
            aside += [(site, year, fault.split("; ")[0], path.name) for site, year in site_years]
            warnings.warn(f"{error} (it is left out, and the other files are read)", stacklevel=4)
    return aside


def _warn_of_the_lost(rows: pd.DataFrame, found: Mapping[str, Place]) -> None:
    """Warn, in one line, of towers whose place nobody tells."""
    lost = rows[~rows["site"].isin(found)].drop_duplicates("site")
    if len(lost):
        more = f" and of {len(lost) - 1} more sites" if len(lost) > 1 else ""
        path = Path(lost["path"].iloc[0])
        warnings.warn(
            f"{path}: expected the place of {lost['site'].iloc[0]}{more} in sites.csv beside it, found none, so that "
            "lat and lon are NaN; write site, latitude, longitude and igbp there, or give places",
            stacklevel=4,
        )


def _dataset(rows: pd.DataFrame, found: Mapping[str, Place]) -> xr.Dataset:
    unknown = Place(np.nan, np.nan)
    where = pd.DataFrame([found.get(site, unknown) for site in rows["site"]], columns=Place._fields)
    flags = {"flag_values": np.arange(17, dtype="int8"), "flag_meanings": " ".join(ABBREVIATIONS)}
    degrees = {"lat": ("degrees_north", "latitude"), "lon": ("degrees_east", "longitude")}
    coords = {
        name: ("sample", where[name].to_numpy("float64"), {"units": units, "standard_name": standard})
        for name, (units, standard) in degrees.items()
    }
    return xr.Dataset(
        {name: ("sample", rows[name].to_numpy("float64")) for name in ("reco", "reco_dt", "nee_qc")},
        coords={
            "site": ("sample", rows["site"].to_numpy(str)),
            "year": ("sample", rows["year"].to_numpy("int64")),
            **coords,
            "igbp": ("sample", where["igbp"].to_numpy("int8"), {"long_name": "IGBP land cover class", **flags}),
        },
    )
