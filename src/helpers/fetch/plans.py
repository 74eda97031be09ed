"""Which files are to be fetched: names and addresses, before anything is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import requests

from helpers.fetch import addresses, earthdata, listings, ways
from helpers.fetch.client import Bare, Client, Patience
from helpers.fetch.errors import ByHand, FetchError
from helpers.fetch.wanted import Wanted, keep, latest
from helpers.fetch.ways import Way, fill
from helpers.products import first_year
from helpers.products.registry import Product

TILE = re.compile(r"^h(?:[0-2]\d|3[0-5])v(?:0\d|1[0-7])$")


@dataclass(frozen=True)
class Plan:
    """What a download is to bring.

    Parameters
    ----------
    product : Product
    way : Way
    version : str
        What was chosen, empty where there is no choice.
    wanted : tuple of Wanted
    notes : tuple of str
        What the user should know: years that there are not, choices that don't apply.
    make_session : callable
        Returns a session that may ask for the files; for Earthdata it logs in first.
    """

    product: Product
    way: Way
    version: str
    wanted: tuple[Wanted, ...]
    notes: tuple[str, ...]
    make_session: Callable[[], requests.Session] = Bare


def plan(
    product: Product,
    *,
    years: Iterable[int] | None = None,
    tiles: Iterable[str] | None = None,
    options: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> Plan:
    """Find out which files to fetch; asks servers for their lists where names cannot be known.

    Parameters
    ----------
    product : Product
    years : iterable of int, optional
        Calendar years; by default those that the paper needs. Of no matter where a file holds all years.
    tiles : iterable of str, optional
        Tiles of the sinusoidal grid, such as "h18v04"; by default all.
    options : mapping of str to str, optional
        What else the product lets one choose, such as ``{"version": "4.09"}``.
    patience : Patience, optional
        How often servers are asked.

    Raises
    ------
    ByHand
        The product cannot be fetched by a command.
    FetchError
        A choice is not known, or nothing is there that fits it.
    """
    way = ways.of(product)
    if way.how in ("form", "local"):
        why = "it is behind a form" if way.how == "form" else "there is nothing to fetch"
        raise ByHand(f"{product.id}: expected a product to download, but {why}: {' '.join(way.steps)}")
    chosen, words = way.choose(product.id, options or {})
    version = chosen.get("version", "")
    wanted_years, notes = _years(product, way, version, years)
    tiles, more = _tiles(product, tiles)
    client, patience = Client(way.source(product.id)), patience or Patience()
    make_session: Callable[[], requests.Session] = Bare
    if way.how == "earthdata":
        wanted = earthdata.search(product, way, words, wanted_years, tiles)
        make_session = earthdata.session_maker(way.source(product.id))
    elif way.listing:
        wanted = list(_listed(product, way, words, version, wanted_years, client, patience))
    else:
        wanted = list(_named(way, words, wanted_years))
    wanted, old = latest(product, keep(product, wanted, wanted_years, tiles))
    if not wanted:
        raise FetchError(
            f"{product.id}: expected files for {_said(wanted_years, tiles)}, found none at {way.page}; ask for others"
        )
    wanted = _with_sums(product, way, words, wanted, client, patience)
    return Plan(product, way, version, tuple(wanted), (*notes, *more, *old), make_session)


def _said(years: tuple[int, ...], tiles: tuple[str, ...]) -> str:
    told = [f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])] if years else []
    return " and ".join([*told, *([", ".join(tiles)] if tiles else [])]) or "the product"


def _years(product: Product, way: Way, version: str, asked: Iterable[int] | None) -> tuple[tuple[int, ...], list[str]]:
    """Return the years to fetch, and what is to be said of those that there are not."""
    if not way.years:
        said = f"{product.id}: years are of no matter here: each file holds all of them"
        return (), [said] if asked is not None else []
    years = tuple(sorted(set(range(way.years[0], way.years[-1] + 1) if asked is None else map(int, asked))))
    if not years:
        raise FetchError(f"{product.id}: expected at least one year, found none; give some, such as 2000-2018")
    first = first_year(product, version) or years[0]
    early = [year for year in years if year < first]
    if not early:
        return years, []
    span = str(early[0]) if len(early) == 1 else f"{early[0]} to {early[-1]}"
    said = f"{product.id}: version {version} starts in {first}, so it lacks {span} (the paper used {product.version})"
    if len(early) == len(years):
        raise FetchError(f"{said}; ask for {first} or later")
    return tuple(year for year in years if year >= first), [said]


def _tiles(product: Product, asked: Iterable[str] | None) -> tuple[tuple[str, ...], list[str]]:
    tiles = tuple(dict.fromkeys(str(tile).strip() for tile in asked or ()))
    if wrong := [tile for tile in tiles if not TILE.match(tile)]:
        raise FetchError(f"{product.id}: expected tiles such as h18v04 (h00 to h35, v00 to v17), found {wrong[0]!r}")
    if tiles and "tile" not in product.file.groupindex:
        return (), [f"{product.id}: tiles are of no matter here: each file is global"]
    return tiles, []


def _named(way: Way, words: Mapping[str, str], years: tuple[int, ...]) -> Iterator[Wanted]:
    """Yield files whose names are known."""
    for year in years or ("",):
        for template in way.files:
            known = {**words, "year": str(year)}
            name = addresses.plain_name(fill(template, known))
            url = addresses.check(fill(way.url, {**known, "file": name}))
            yield Wanted(name, url, fill(way.into, known))


def _listed(
    product: Product,
    way: Way,
    words: Mapping[str, str],
    version: str,
    years: tuple[int, ...],
    client: Client,
    patience: Patience,
) -> Iterator[Wanted]:
    """Yield the files that pages of links show."""
    select = re.compile(fill(way.select, words))
    for year in years or ("",):
        url = addresses.check(fill(way.listing, {**words, "year": str(year)}))
        others, found = set(), 0
        for name, link in listings.named(_links(url, client, patience)).items():
            match = product.file.fullmatch(name)
            if not match or not select.search(name):
                continue
            told = match.groupdict().get("version")
            if version and told and told != version:
                others.add(told)
                continue
            found += 1
            yield Wanted(addresses.plain_name(name), addresses.check(link), fill(way.into, words))
        if not found:
            other = f" (but version {' and '.join(sorted(others))}: choose it as the option version)" if others else ""
            raise client.source.other(
                url,
                f"expected links to files named like {product.example}, found none{other}",
                f"look where {way.page} has them, and correct 'fetch' of {product.id} in data/products.yml",
            )


def _links(url: str, client: Client, patience: Patience) -> list[str]:
    """Return the links of a page, and of its sub-folders that are named by a day of the year."""
    found = listings.links(*client.page(url, patience))
    for day in listings.days(found, url):
        found = found + listings.links(*client.page(day, patience))
    return found


def _with_sums(
    product: Product, way: Way, words: Mapping[str, str], wanted: list[Wanted], client: Client, patience: Patience
) -> list[Wanted]:
    """Give each file the checksum that its publisher gives, where it does."""
    sums = dict(way.sums)
    if way.sums_url:
        url = addresses.check(fill(way.sums_url, words))
        page, _ = client.page(url, patience)
        sums |= sums_of(page)
        if not sums.keys() & {item.name for item in wanted}:
            raise client.source.other(url, f"expected checksums of {wanted[0].name} and others, found none")
    return [item if item.checksum else item.with_checksum(sums.get(item.name, "")) for item in wanted]


def sums_of(page: str) -> dict[str, str]:
    """Read a publisher's file of checksums, a line a file, as ``md5sum`` and ``sha256sum`` write it.

    >>> sums_of("900150983cd24fb0d6963f7d28e17f72  a.nc")
    {'a.nc': 'md5:900150983cd24fb0d6963f7d28e17f72'}
    """
    kinds = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
    found = re.findall(r"(?m)^([0-9A-Fa-f]{32,128})[ \t]+\*?(?:\S*/)?([^\s/]+)\s*$", page)
    return {name: f"{kinds[len(told)]}:{told.lower()}" for told, name in found if len(told) in kinds}
