"""Getting the products: ``get("cru_tmp", folder)`` downloads what is public, and NASA's with your own login.

Where each product comes from stands in data/products.yml under ``fetch`` (see `ways`). A download is planned first
(`plans`: names and addresses), then carried out (`transfer`): resumed where it broke off, compared with its checksum,
and put under its own name only when it is whole. On the command line: ``python -m helpers.fetch``, or ``make data``.

>>> way("fluxnet2015").how
'form'
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from helpers import products
from helpers.fetch import transfer, ways
from helpers.fetch.errors import ByHand, FetchError
from helpers.fetch.plans import Plan, plan
from helpers.fetch.record import Record
from helpers.fetch.ways import Way
from helpers.products.registry import Product
from helpers.workspace import ROOT

__all__ = ["ByHand", "FetchError", "Plan", "Way", "default_folder", "get", "plan", "verify", "way"]


def default_folder() -> Path:
    """Return the folder of products: ``RECO_PRODUCTS``, else ``products/`` of the repository."""
    return Path(os.environ.get("RECO_PRODUCTS") or ROOT / "products")


def _entry(product: str | Product) -> Product:
    return product if isinstance(product, Product) else products.product(product)


def way(product: str | Product) -> Way:
    """Return how a product is fetched, and what a person has to do for one that is not."""
    return ways.of(_entry(product))


def get(
    product: str | Product,
    folder: str | Path | None = None,
    *,
    years: Iterable[int] | None = None,
    tiles: Iterable[str] | None = None,
    options: dict[str, str] | None = None,
    **how: object,
) -> list[Path]:
    """Fetch a product's files; what is there already is not fetched again.

    Parameters
    ----------
    product : str or Product
        An id of data/products.yml.
    folder : path, optional
        Folder of products; the files go to its sub-folder named by the product id. Default `default_folder`.
    years : iterable of int, optional
        Calendar years; by default those that the paper needs. Of no matter where a file holds all years.
    tiles : iterable of str, optional
        Tiles of the sinusoidal grid, such as "h18v04"; by default all.
    options : dict of str to str, optional
        What else the product lets one choose: ``{"version": "4.09"}``, ``{"resolution": "10km"}``.
    **how
        ``connections`` (2 by default), ``progress`` (True), ``patience`` and ``timeout`` of `transfer.carry_out`.

    Returns
    -------
    list of Path
        Sorted; `helpers.products.find` finds them. Of a product behind a form, the files that were put there by hand.

    Raises
    ------
    ByHand
        The product cannot be fetched by a command, and no file of it is there; the message holds the steps.
    FetchError
        See `plan` and `transfer.carry_out`.
    """
    entry, folder = _entry(product), Path(folder or default_folder())
    if ways.of(entry).how in ("form", "local"):
        place = folder / entry.id
        there = sorted(p for p in place.rglob("*") if p.is_file() and entry.file.search(p.name))
        if there:
            return there
    todo = plan(entry, years=years, tiles=tiles, options=options, patience=how.get("patience"))
    for note in todo.notes:
        warnings.warn(note, stacklevel=2)
    return transfer.carry_out(todo, folder, **how)


def verify(product: str | Product, folder: str | Path | None = None) -> list[str]:
    """Compare a product's fetched files with their checksums.

    Returns
    -------
    list of str
        What is wrong, a line a file; empty where all is well.

    Raises
    ------
    FetchError
        Nothing of the product was fetched to the folder.
    """
    entry, folder = _entry(product), Path(folder or default_folder())
    record = Record(folder, entry.id)
    if not record.names():
        raise FetchError(f"{folder}: expected files of {entry.id} in checksums.json, found none; fetch it first")
    return [wrong for name in record.names() if (wrong := record.check(name))]
