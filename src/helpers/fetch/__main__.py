"""Fetch products: ``python -m helpers.fetch cru_tmp``, or ``make data PRODUCT=cru_tmp``."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from helpers import fetch, products
from helpers.fetch import sources


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        """Print the message and leave with status 2."""
        self.exit(2, f"helpers.fetch: {message}; see --help\n")


def years(text: str) -> list[int]:
    """Read years as one types them.

    >>> years("2000-2002,2010")
    [2000, 2001, 2002, 2010]
    """
    spans = [re.fullmatch(r" *(\d{4})(?: *- *(\d{4}))? *", part) for part in text.split(",")]
    chosen = [year for span in spans if span for year in range(int(span[1]), int(span[2] or span[1]) + 1)]
    if not all(spans) or not chosen:
        raise argparse.ArgumentTypeError(f"expected years such as 2000-2018 or 2001,2005, found {text!r}")
    return chosen


def option(text: str) -> tuple[str, str]:
    """Read a pair ``name=value``."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"expected name=value, found {text!r}")
    return name, value


def parser() -> Parser:
    """Describe the command line."""
    line = Parser(prog="python -m helpers.fetch", description="Download products, as far as that needs no form.")
    line.add_argument("product", nargs="*", help="product ids of data/products.yml, such as cru_tmp")
    line.add_argument(
        "--years", type=years, help="such as 2000-2018 or 2001,2005 (default: those that the paper needs)"
    )
    line.add_argument("--tiles", help="tiles of the sinusoidal grid, such as h18v04,h17v03 (default: all)")
    line.add_argument("--to", type=Path, help="folder of products (default: RECO_PRODUCTS, else products/)")
    line.add_argument(
        "--set", dest="options", type=option, action="extend", nargs="+", default=[], metavar="NAME=VALUE",
        help="an option of the product, such as version=4.09; --list shows which there are",
    )  # fmt: skip
    line.add_argument(
        "--connections", type=int, choices=range(1, 9), default=2, help="files that come at one time (default: 2)"
    )
    line.add_argument("--list", action="store_true", help="say how each product is had, and how large it is")
    line.add_argument("--dry-run", action="store_true", help="say which files would be fetched, and from where")
    line.add_argument("--verify", action="store_true", help="compare what was fetched with its checksums")
    return line


def describe(product_id: str) -> None:
    """Print how a product is had."""
    way = fetch.way(product_id)
    options = "; ".join(f"{name}: {', '.join(values)}" for name, values in way.options.items())
    size, options = f", {way.size}" if way.size else "", f" ({options})" if options else ""
    print(f"{product_id}: {sources.HOWS[way.how]}{size}{options}")


def bring(product_id: str, options: argparse.Namespace, folder: Path) -> None:
    """Fetch one product, or say what would be fetched, or what a person has to do."""
    way, place = fetch.way(product_id), folder / product_id
    if way.how in ("form", "local"):
        print(f"{product_id}: {'a form stands before it' if way.how == 'form' else 'nothing to fetch'}")
        for number, step in enumerate(way.steps, 1):
            print(f"  {number}. {step}")
        print(f"  Its files belong into {place}")
        return
    tiles = options.tiles.split(",") if options.tiles else None
    plan = fetch.plan(product_id, years=options.years, tiles=tiles, options=dict(options.options))
    print(*plan.notes, sep="\n", end="\n" if plan.notes else "")
    there = [file for file in plan.files if (folder / file.path).is_file()]
    if options.dry_run:
        for file in plan.files:
            print(f"{'there' if file in there else 'fetch'}  {file.path.partition('/')[2]}  {sources.shown(file.url)}")
        said = f"{counted(len(plan.files))} to {place}, {len(there)} there already; nothing was fetched"
    else:
        fetch.carry_out(plan, folder, connections=options.connections)
        said = f"fetched {counted(len(plan.files) - len(there))} to {place}, {len(there)} there already"
    print(f"{product_id}: {said}")


def counted(number: int) -> str:
    """Return a number of files, in words."""
    return f"{number} file{'' if number == 1 else 's'}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 for a checksum that differs, 2 for what the user can mend, 130 when stopped."""
    options = parser().parse_args(arguments)
    folder, status = (options.to or fetch.default_folder()).absolute(), 0
    try:
        for key in options.product:
            products.product(key)
        if not options.product and not options.list:
            raise fetch.FetchError(f"expected a product, found none; products are {', '.join(products.products())}")
        for key in options.product or products.products():
            if options.list:
                describe(key)
            elif not options.verify:
                bring(key, options, folder)
            elif wrong := fetch.verify(key, folder):
                print(*(f"helpers.fetch: {line}" for line in wrong), sep="\n", file=sys.stderr)
                status = 1
            else:
                print(f"{key}: every file is as it was fetched")
    except (products.ProductError, fetch.FetchError, OSError) as error:
        print(f"helpers.fetch: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("helpers.fetch: stopped; whole files stay, and the same command fetches the others", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
