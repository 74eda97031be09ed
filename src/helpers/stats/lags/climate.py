"""The drought index at sites, at any scale and of any year: from monthly climate, or from yearly maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from helpers import products
from helpers.space import grid, windows
from helpers.stats.spei import december, hargreaves, spei


def monthly_climate(folder: str | Path, lat: xr.DataArray, lon: xr.DataArray) -> xr.Dataset:
    """Read monthly precipitation and PET at sites from gridded files.

    Parameters
    ----------
    folder : path
        Holds a folder ``cru_pre`` and one ``cru_pet``.
    lat, lon : DataArray (site,)
        Degrees, with the coordinate ``site``.

    Returns
    -------
    Dataset (site, time)
        ``precipitation`` and ``pet``, mm month-1; NaN where a site's cell has no climate.

    Raises
    ------
    FileNotFoundError
        A product isn't there.
    ValueError
        The two are of other months than each other.
    """
    out = {}
    for name, product in (("precipitation", "cru_pre"), ("pet", "cru_pet")):
        paths = products.find(product, folder)
        field = next(iter(products.read(product, paths, years=_years(paths), monthly=True).data_vars.values()))
        row, column = windows.cells(field.lat.values, field.lon.values, lat.values, lon.values)
        at = {"lat": xr.DataArray(row, dims="site"), "lon": xr.DataArray(column, dims="site")}
        out[name] = field.isel(at).where(at["lat"] >= 0).drop_vars(["lat", "lon"]).assign_coords(site=lat.site)
    fields = grid.together(*out.values(), names=tuple(out))
    return xr.Dataset(dict(zip(out, fields, strict=True))).transpose("site", "time").load()


def _years(paths: Sequence[Path]) -> np.ndarray:
    """Return all years of files whose names tell the first and the last, as CRU's do."""
    spans = [[int(part) for part in path.name.split(".") if part.isdigit() and len(part) == 4] for path in paths]
    every = [year for span in spans for year in span]
    return np.arange(min(every), max(every) + 1)


def scales_at(climate: xr.Dataset, scales: Sequence[int], limit: float = 3.0) -> xr.DataArray:
    """Return December's index at several scales.

    Parameters
    ----------
    climate : Dataset (site, time)
        ``precipitation`` and ``pet`` (mm month-1); without ``pet``, ``tmin``, ``tmax`` (degC) and ``lat``, from which
        it is estimated (`helpers.stats.spei.hargreaves`).
    scales : sequence of int
        Months.
    limit : float
        Scores are cut at plus and minus this.

    Returns
    -------
    DataArray (scale, year, site)
        NaN where the record doesn't reach so far back.
    """
    pet = climate.pet if "pet" in climate else hargreaves(climate.tmin, climate.tmax, climate.lat)
    each = [december(spei(climate.precipitation, pet, k, limit=limit)) for k in scales]
    return xr.concat(each, dim=xr.DataArray(list(scales), dims="scale", name="scale")).rename("spei")


def earlier(index: xr.DataArray, site: xr.DataArray, year: xr.DataArray, back: int = 0) -> np.ndarray:
    """Return the index of the year ``back`` years before each sample's own: (…, sample), NaN where there is none.

    Parameters
    ----------
    index : DataArray (…, year, site)
    site, year : DataArray (sample,)
    back : int
        Years back.
    """
    wanted = np.asarray(year) - back
    at_year, at_site = (
        index.get_index("year").get_indexer(wanted),
        index.get_index("site").get_indexer(np.asarray(site)),
    )
    picked = index.transpose(..., "year", "site").values[..., at_year, at_site]
    return np.where((at_year < 0) | (at_site < 0), np.nan, picked)


def of_a_longer_base(
    climate: xr.Dataset, rng: np.random.Generator, scale: int = 12, limit: float = 3.0, long: int = 300
) -> float:
    """Return the slope, within sites, of an index fitted on a long record on the index fitted on this short one.

    A slope below 1 says that the short base attenuates what is regressed on its index, by that factor. Climate is made
    for it: years whose months are drawn each from a year of the record, the same for all sites.

    Parameters
    ----------
    climate : Dataset (site, time)
        See `scales_at`; whole years.
    rng : numpy.random.Generator
    scale : int
        Months.
    limit : float
        Scores are cut at plus and minus this.
    long : int
        Years of the long base, twice those of the record or more.

    Returns
    -------
    float
        Over all stretches of the long record that are as long as this one, each with a base of its own.
    """
    years = climate.sizes["time"] // 12
    drawn = 12 * rng.integers(years, size=(long, 12)) + np.arange(12)
    months = np.datetime64("1700-01") + np.arange(drawn.size)
    made = climate.isel(time=drawn.ravel()).assign_coords(time=months.astype("datetime64[ns]"))
    pet = made.pet if "pet" in made else hargreaves(made.tmin, made.tmax, made.lat)
    whole = december(spei(made.precipitation, pet, scale, limit=limit))
    product = square = 0.0
    for first in range(1700, 1701 + long - years, years):
        base = first, first + years - 1
        short = december(spei(made.precipitation, pet, scale, calibration=base, limit=limit)).sel(year=slice(*base))
        long = whole.sel(year=short.year).where(short.notnull())
        short, long = (each - each.mean("year") for each in (short.where(long.notnull()), long))
        product, square = product + float((short * long).sum()), square + float((short**2).sum())
    return product / square
