"""One file to fetch, and which of many to keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from helpers.products.registry import Product


@dataclass(frozen=True)
class Wanted:
    """One file to fetch.

    Parameters
    ----------
    name : str
        What it is called here: as the registry or its pattern has it, never as a server may say.
    url : str
        Where it is.
    folder : str
        Sub-folder of the product's folder; empty for the folder itself.
    checksum : str
        ``algorithm:hexadecimal digits``, as the publisher gives it; empty where it gives none.
    """

    name: str
    url: str
    folder: str = ""
    checksum: str = ""

    @property
    def place(self) -> str:
        """Path below the product's folder."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    def with_checksum(self, checksum: str) -> Wanted:
        """Return the same with a checksum."""
        return replace(self, checksum=checksum)


def keep(product: Product, wanted: Iterable[Wanted], years: tuple[int, ...], tiles: tuple[str, ...]) -> list[Wanted]:
    """Return the files of these years and tiles (empty: all), as far as their names tell either."""
    kept = []
    for item in wanted:
        match = product.file.fullmatch(item.name)
        told = match.groupdict() if match else {}
        if years and told.get("year") and int(told["year"]) not in years:
            continue
        if tiles and told.get("tile") not in tiles:
            continue
        kept.append(item)
    return kept


def latest(product: Product, wanted: Iterable[Wanted]) -> tuple[list[Wanted], list[str]]:
    """Of files that were produced twice for one date and tile, return the later, and a note that says so.

    The names of MODIS and GLASS end in the date of production, so that the later of two sorts last.
    """
    newest: dict[object, Wanted] = {}
    dropped = 0
    for item in sorted(wanted, key=lambda item: item.place):
        match = product.file.fullmatch(item.name)
        dated = match and match.groupdict().get("day")
        key = (item.folder, *match.groupdict().values()) if dated else item.place
        dropped += key in newest
        newest[key] = item
    note = f"{product.id}: of files that were produced more than once the latest is taken ({dropped} left out)"
    return list(newest.values()), [note] if dropped else []
