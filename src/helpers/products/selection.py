"""Which files make a year of a product that comes as one file a date (and a tile), by what their names tell."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from helpers.products import registry
from helpers.products.dates import days_in_year, require_year
from helpers.products.errors import ProductError
from helpers.products.registry import Product

Dates = dict[int, dict[str, Path]]
"""The files of one year: by the day of the year, and by the tile ("" for a file of the whole globe)."""


def choose(
    product: Product,
    paths: Iterable[Path],
    years: Iterable[int],
    *,
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> tuple[str, dict[int, Dates]]:
    """Return the version of the files, and of each year its files, or refuse.

    Raises
    ------
    ProductError
        Two files claim the same date and tile; some cover the globe and others a tile; a year lies before the version
        begins or has no files; or dates of it are missing, in any of the tiles.
    """
    paths, years = list(paths), [int(year) for year in years]
    if not years:
        raise ProductError(f"{product.id}: expected at least one year, found none; pass years=[...]")
    version = ", ".join(product.versions(paths))
    files = by_date(product, paths)
    for year in years:
        if year not in files:
            _require_begun(product, version, year)
    how = {"allow_partial": allow_partial, "dates_per_year": dates_per_year}
    return version, {year: select_year(product, files, year, **how) for year in years}


def _require_begun(product: Product, version: str, year: int) -> None:
    """Refuse a year before the version's first, of which there are no files."""
    start = registry.first_year(product, version)
    if start is not None and year < start:
        name = "its Collection 6.1" if version == "061" else f"its version {version}"
        raise ProductError(
            f"{product.id} {year}: {name} begins in {start} and has no {year}; "
            f"set first_year: {start} (a parameter of chapter 1), or ask for years from {start} on"
        )


def by_date(product: Product, paths: Iterable[Path]) -> dict[int, Dates]:
    """Sort files by year, day of the year and tile, as their names tell.

    Raises
    ------
    ProductError
        Two files claim the same date and tile, some cover the globe and others a tile, or a name tells no date.
    """
    files: dict[int, Dates] = {}
    kinds: dict[bool, Path] = {}
    for path in paths:
        told = product.match(path).groupdict()
        year, day, tile = int(told["year"]), int(told["day"]), told.get("tile") or ""
        if not 1 <= day <= days_in_year(year):
            raise ProductError(f"{path}: expected a day of the year {year}, found {day}; correct the file's name")
        kinds.setdefault(bool(tile), path)
        tiles = files.setdefault(year, {}).setdefault(day, {})
        if tile in tiles:
            raise ProductError(f"{path}: expected one file a date and tile, found {tiles[tile].name} too; remove one")
        tiles[tile] = path
    if len(kinds) > 1:
        raise ProductError(f"{kinds[True]}: is one tile, but {kinds[False].name} is the whole globe; keep one kind")
    return files


def select_year(
    product: Product,
    files: dict[int, Dates],
    year: int,
    *,
    allow_partial: bool = False,
    dates_per_year: int | None = None,
) -> Dates:
    """Return one year's files by day and tile, or refuse the year, tile by tile, when dates are missing.

    A tile that any year has is expected in this one too. A partial year that is accepted is named in a warning.
    """
    if year not in files:
        there = ", ".join(str(known) for known in sorted(files))
        raise ProductError(
            f"{product.id} {year}: expected files of that year, found none (there are {there}); "
            "add them, or ask for other years"
        )
    of_year = files[year]
    if product.step == "monthly":
        of_year = _by_month(product, of_year, year)
    tiles = sorted({tile for dates in files.values() for of_day in dates.values() for tile in of_day})
    gaps = {}
    for tile in tiles:
        days = [day for day, of_day in of_year.items() if tile in of_day]
        what = f"{product.id} {tile}".strip()
        gap = require_year(what, year, days, product.step, allow_partial=allow_partial, dates_per_year=dates_per_year)
        if gap:
            gaps[what] = gap
    if gaps:
        what, gap = next(iter(gaps.items()))
        others = f", and others in {len(gaps) - 1} more tiles" if len(gaps) > 1 else ""
        warnings.warn(f"{what} {year}: {gap}{others}; its mean is that of the other dates", stacklevel=2)
    return dict(sorted(of_year.items()))


def _by_month(product: Product, of_year: Dates, year: int) -> Dates:
    """Move each date of a monthly product to the first of its month (leap years included)."""
    moved: Dates = {}
    for day, tiles in of_year.items():
        month = date(year, 1, 1) + timedelta(days=day - 1)
        first = month.replace(day=1).timetuple().tm_yday
        if first in moved and (twice := set(tiles) & set(moved[first])):
            old, new = moved[first][min(twice)], tiles[min(twice)]
            raise ProductError(f"{new}: expected one date a month and tile, found {old.name} too; remove one")
        moved.setdefault(first, {}).update(tiles)
    return moved
