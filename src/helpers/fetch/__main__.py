"""Fetch products: ``python -m helpers.fetch cru_tmp``, or ``make data PRODUCT=cru_tmp``."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from helpers import products
from helpers.fetch import default_folder, transfer, verify, way, ways
from helpers.fetch.addresses import shown
from helpers.fetch.errors import ByHand, FetchError
from helpers.fetch.plans import plan


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        """Print the message and leave with status 2."""
        self.exit(2, f"helpers.fetch: {message}; see --help\n")


def parser() -> Parser:
    """Describe the command line."""
    told = Parser(prog="python -m helpers.fetch", description="Download products, as far as that needs no form.")
    told.add_argument("product", nargs="*", help="product ids of data/products.yml, such as cru_tmp")
    told.add_argument("--years", help="such as 2000-2018 or 2001,2005 (default: those that the paper needs)")
    told.add_argument("--tiles", help="tiles of the sinusoidal grid, such as h18v04,h17v03 (default: all)")
    told.add_argument("--to", type=Path, help="folder of products (default: RECO_PRODUCTS, else products/)")
    told.add_argument(
        "--set", dest="options", action="append", nargs="+", default=[], metavar="NAME=VALUE",
        help="an option of the product, such as version=4.09; --list shows which there are",
    )  # fmt: skip
    told.add_argument("--connections", type=int, default=2, help="files that come at one time (1 to 8; default: 2)")
    told.add_argument("--list", action="store_true", help="say how each product is had, and how large it is")
    told.add_argument("--dry-run", action="store_true", help="say which files would be fetched, and from where")
    told.add_argument("--verify", action="store_true", help="compare what was fetched with its checksums")
    return told


def years_of(text: str | None) -> list[int] | None:
    """Read years as one types them.

    >>> years_of("2000-2002,2010")
    [2000, 2001, 2002, 2010]
    """
    if not text:
        return None
    years = []
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
            raise FetchError(f"--years: expected years such as 2000-2018 or 2001,2005, found {part!r}")
        years += range(int(first), int(last or first) + 1)
    return years


def options_of(groups: list[list[str]]) -> dict[str, str]:
    """Read ``name=value`` pairs."""
    pairs = [text.partition("=") for group in groups for text in group]
    if wrong := [name + mark + value for name, mark, value in pairs if not (name and mark and value)]:
        raise FetchError(f"--set: expected name=value, found {wrong[0]!r}")
    return {name: value for name, _, value in pairs}


def show(product_ids: list[str]) -> None:
    """Print how each product is had."""
    for key in product_ids or products.products():
        told = way(key)
        chosen = "; ".join(f"{name}: {', '.join(values)}" for name, values in told.options.items())
        print(f"{key}: {ways.HOWS[told.how]}{f', {told.size}' if told.size else ''}{f' ({chosen})' if chosen else ''}")


def by_hand(product_id: str, folder: Path) -> None:
    """Print what a person has to do."""
    told = way(product_id)
    print(f"{product_id}: {'a form stands before it' if told.how == 'form' else 'nothing to fetch'}")
    for number, step in enumerate(told.steps, 1):
        print(f"  {number}. {step}")
    print(f"  Its files belong into {folder / product_id}")


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def fetch(product_id: str, options: argparse.Namespace, folder: Path) -> None:
    """Fetch one product, or say what would be fetched."""
    if way(product_id).how in ("form", "local"):
        return by_hand(product_id, folder)
    tiles = options.tiles.split(",") if options.tiles else None
    todo = plan(
        products.product(product_id), years=years_of(options.years), tiles=tiles, options=options_of(options.options)
    )
    for note in todo.notes:
        print(note)
    place = folder / product_id
    there = [item for item in todo.wanted if (place / item.place).is_file()]
    if options.dry_run:
        for item in todo.wanted:
            print(f"{'there' if item in there else 'fetch'}  {item.place}  {shown(item.url)}")
        print(f"{product_id}: {_files(len(todo.wanted))} to {place}, {len(there)} there already; nothing was fetched")
        return None
    paths = transfer.carry_out(todo, folder, connections=min(8, max(1, options.connections)))
    print(f"{product_id}: fetched {_files(len(paths) - len(there))} to {place}, {len(there)} there already")
    return None


def check(product_id: str, folder: Path) -> int:
    """Compare one product's files with their checksums; return how many are wrong."""
    wrong = verify(product_id, folder)
    for line in wrong:
        print(f"helpers.fetch: {line}", file=sys.stderr)
    if not wrong:
        print(f"{product_id}: every file is as it was fetched")
    return len(wrong)


def _work(options: argparse.Namespace) -> int:
    folder = (options.to or default_folder()).absolute()
    for key in options.product:
        products.product(key)
    if options.list:
        show(options.product)
        return 0
    if not options.product:
        raise FetchError(f"expected a product, found none; products are {', '.join(products.products())}")
    if options.verify:
        return int(any([check(key, folder) for key in options.product]))
    for key in options.product:
        fetch(key, options, folder)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 for a checksum that differs, 2 for what the user can mend, 130 when stopped."""
    options = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"helpers.fetch: {message}", file=sys.stderr)
            return _work(options)
    except (products.ProductError, ByHand, OSError) as error:
        print(f"helpers.fetch: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("helpers.fetch: stopped; what has come stays, and the same command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
