"""What a profile needs and what is there: ``python -m helpers.publish.doctor --profile paper``.

Before hours of computing it looks at the environment, the disk, the memory, and the files of a profile, and prints a
table: what is there, which version, what is missing and how to get it, and how long the chapters took the last time.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import shutil
import sys
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import nbformat
import psutil
from fsspec.utils import get_protocol

from helpers import fetch, products, store, workspace
from helpers.products import ProductError
from helpers.run import chapters
from helpers.run.chapters import Book, Chapter, Profile, Settings

GIB = 2**30
MEMORY = {True: 4.0, False: 1.0}
"""GiB that the book takes with maps, and that the chapters on a table take."""
MAPS = 14
"""Yearly maps that are kept, in float32: predictors, RECO, RECO of the honest network, and spreads. Each network of
chapter 11 adds two."""

Row = tuple[str, bool | None, str, str]
"""What; whether it is there (None: of no harm); what was found; what to do."""


@contextmanager
def placeholders(profile: Profile) -> Iterator[list[str]]:
    """Yield the variables that a profile names and that are not set; meanwhile each stands for its own name."""
    named = dict.fromkeys(chapters.VARIABLE.findall(profile.path.read_text(encoding="utf-8")))
    unset = [name for name in named if not os.environ.get(name)]
    os.environ |= {name: f"${name}" for name in unset}
    try:
        yield unset
    finally:
        for name in unset:
            del os.environ[name]


def environment(root: Path) -> Iterator[Row]:
    """Compare Python and the packages with what the book asks for."""
    least = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    wanted = tuple(map(int, least.removeprefix(">=").split(".")))
    yield "Python", sys.version_info[:2] >= wanted, platform.python_version(), f"install Python {least}"
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("#")[0].strip().split("==") for line in lines if "==" in line)
    there = {}
    for name in pins:
        try:
            there[name] = metadata.version(name.split("[")[0]).split("+")[0]
        except metadata.PackageNotFoundError:
            yield name, False, "not installed", f"pip install {name}=={pins[name]}"
    other = [f"{name} {version} (pinned: {pins[name]})" for name, version in there.items() if version != pins[name]]
    found = f"{len(there) - len(other)} of {len(pins)} as pinned" + (f"; {', '.join(other)}" if other else "")
    yield (
        "packages",
        None if other else True,
        found,
        "pip install -r requirements.txt: other versions give other digits",
    )


def machine(book: Book, mine: list[Chapter], settings: dict[str, Settings]) -> Iterator[Row]:
    """Compare memory and disk with what the profile takes."""
    first = settings.get("01_data_preparation")
    free, wanted = psutil.virtual_memory().available / GIB, MEMORY[first is not None]
    found = f"{free:.1f} GiB free, {os.cpu_count()} cores; it takes {wanted:g} GiB"
    yield "memory", free >= wanted, found, "close other programs, or take a larger machine"
    if store.is_address(book.outputs):
        yield "disk", None, f"an object store ({get_protocol(str(book.outputs))}): not looked at", ""
        return
    need = 0.5
    if first:
        of = first.values
        cells, years = (180 / of["resolution"]) * (360 / of["resolution"]), of["last_year"] - of["first_year"] + 1
        networks = settings["03_cnn_ablation"].values["networks"] if "03_cnn_ablation" in settings else 0
        need += 4 * cells * years * (MAPS + 2 * networks) / GIB
    place = next(path for path in (book.outputs, *book.outputs.parents) if path.exists())
    room = shutil.disk_usage(place).free / GIB
    found = f"{room:.1f} GiB free; maps and tables take at most some {need:.1f} GiB"
    yield "disk", room >= need, found, "make room, or name another place: export RECO_OUTPUTS=/larger/disk"


def named_products(chapter: Chapter, values: dict) -> list[str]:
    """Return the products that a chapter's code names, or its parameters choose."""
    cells = zip(chapter.code, chapter.trees, strict=True)
    code = [tree for cell, tree in cells if "parameters" not in cell.metadata.get("tags", [])]
    texts = {
        n.value for tree in code for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    texts |= {value for value in values.values() if isinstance(value, str)}
    if values.get("spei_from") == "published":
        texts.discard("cru_pet")
    elif "spei_from" in values:
        texts.discard("spei")
    return [name for name, entry in products.products().items() if name in texts and fetch.way(entry).how != "local"]


def files(root: Path, home: Path, mine: list[Chapter], settings: dict[str, Settings]) -> Iterator[Row]:
    """Look for the files and folders outside the book, and for products: in their folder, or else in ``home``."""
    seen, wanted, models = set(), {}, {}
    for chapter in mine:
        values = settings[chapter.stem].values
        for name in settings[chapter.stem].lacking:
            yield f"{chapter.stem}: {name}", False, "not given", "give it in the profile, or by --set"
        for name, path in settings[chapter.stem].outside.items():
            if name == "data_folder":
                folder = path if path.is_dir() else home
                for product in named_products(chapter, values):
                    span = values.get("first_year"), values.get("last_year")
                    if product == "mcd12c1":
                        span = (values.get("land_cover_year") or span[1],) * 2
                    wanted.setdefault(product, (folder, *span))
                models |= {folder: values["process_models"]} if "process_models" in values else {}
            if path in seen or name == "data_folder":
                continue
            seen.add(path)
            shown = path.relative_to(root) if path.is_relative_to(root) else path
            kind, what = chapter.paths[name], f"{chapter.stem[:2]}: {name}"
            there = path.is_dir() if kind == "folder" else path.is_file()
            if not there:
                yield what, False, f"no {kind} at {shown}", "put it there, or correct the path in the profile"
            elif name == "towers_table":
                yield what, *_of_table(path, shown, values)
            else:
                yield what, True, f"{shown}" + (f", {path.stat().st_size / 1e6:.1f} MB" if path.is_file() else ""), ""
    for product, (folder, *years) in wanted.items():
        yield product, *_of_product(product, folder, years)
    for folder, asked in models.items():
        yield "process models", *_of_models(folder, asked)


def _of_table(path: Path, shown: Path, values: dict) -> tuple[bool, str, str]:
    """Read a table of site-years as chapter 2 will."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # chapter 2 says them
            ds = products.read("site_table", path, columns=values["table_columns"], factors=values["table_factors"])
    except (ProductError, OSError) as error:
        return False, " ".join(str(error).split()), "correct the table, or the profile"
    return True, f"{shown}, {ds.sizes['sample']} site-years of {len(set(ds.site.values))} towers", ""


def _of_models(folder: Path, asked: dict) -> tuple[bool | None, str, str]:
    """Look for the process models that chapters 4 and 5 compare with; they do without, unless some are asked for."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = products.configured(folder, asked)
    except ProductError as error:
        return False, " ".join(str(error).split()), "put its files there, or drop it from process_models"
    return (
        (True, ", ".join(found), "")
        if found
        else (None, "none; chapters 4 and 5 do without", "see mstmip, trendy, cmip6 of make data")
    )


def _of_product(product: str, folder: Path, years: list[int | None]) -> tuple[bool, str, str]:
    """Look for a product's files: how many, of which version, for all years that are asked for."""
    entry, way = products.product(product), fetch.way(products.product(product))
    how = " ".join(way.steps) or f"make data PRODUCT={product}"
    how = f"{how} ({way.size})" if way.size else how
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the chapters say what is left out
            paths = products.find(product, folder)
    except FileNotFoundError:
        return False, f"no file in {folder}", how
    except ProductError as error:
        return False, " ".join(str(error).split()), "keep one of them"
    versions = entry.versions(paths)
    found = f"{len(paths)} files" + (f", version {', '.join(versions)}" if versions else "") + f", in {folder}"
    of_year = {int(match["year"]) for match in map(entry.match, paths) if match.groupdict().get("year")}
    start = max((entry.starts.get(version, 0) for version in versions), default=0)
    if of_year and None not in years:
        lacking = sorted(set(range(max(years[0], start), years[1] + 1)) - of_year)
        if lacking:
            return False, f"{found}; {len(lacking)} years missing, the first {lacking[0]}", how
    return True, found, ""


def time(book: Book, profile: str, mine: list[Chapter]) -> Row:
    """Say how long the chapters took when they were last run here, as their executed notebooks tell."""
    took = {}
    for chapter in mine:
        page = book.executed(profile, chapter.stem)
        if isinstance(page, Path) and page.exists():
            seconds = nbformat.read(page, as_version=4).metadata.get("papermill", {}).get("duration")
            took |= {chapter.stem[:2]: seconds} if seconds else {}
    unknown = [chapter.stem[:2] for chapter in mine if chapter.stem[:2] not in took]
    longest = max(took, key=took.get, default=None)
    found = f"{sum(took.values()) / 60:.0f} minutes the last time, chapter {longest} the longest" if took else "unknown"
    found += f"; unknown for {', '.join(unknown)}" if took and unknown else ""
    hint = "the table of profiles in book/how_to_run.md, and chapter 16, from data/bench" if unknown else ""
    return "time", None, found, hint


def examine(book: Book, name: str) -> list[Row]:
    """Return all rows on a profile.

    Raises
    ------
    UserError
        There is no such profile, or a value in it cannot be.
    """
    profile, everything, home = chapters.load(book, name), chapters.discover(book.notebooks), fetch.default_folder()
    rows = list(environment(book.root))
    with placeholders(profile) as unset:
        settings = chapters.settings(profile, everything, [], book.root)
        mine = [chapter for chapter in profile.among(everything) if chapter.stem in settings]
        rows += machine(book, mine, settings)
        rows += [(variable, False, "not set", f"export {variable}=/path/to/the/folder") for variable in unset]
        rows += files(book.root, home, mine, settings)
        if not any(setting.outside for setting in settings.values()):
            rows.append(("data", True, "the Demo Earth, which chapter 1 makes", ""))
    rows.append(("chapters", True, " ".join(chapter.stem[:2] for chapter in mine), ""))
    return [*rows, time(book, name, mine)]


@workspace.command("helpers.publish.doctor")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 where something that is needed is missing, 2 for a profile that cannot be."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.doctor", description=__doc__.splitlines()[0])
    line.add_argument("--profile", default="demo", help="a file of notebooks/profiles, without .yml (default: demo)")
    given = line.parse_args(arguments)
    rows = examine(Book.here(), given.profile)
    wide = max(len(what) for what, *_ in rows)
    for what, there, found, remedy in rows:
        mark = {True: "ok", False: "MISSING", None: ""}[there]
        print(
            f"{what.ljust(wide)}  {mark.ljust(7)}  {found}" + (f"  →  {remedy}" if remedy and there is not True else "")
        )
    lacking = [what for what, there, *_ in rows if there is False]
    print(
        f"profile {given.profile}: " + (f"{len(lacking)} missing: {', '.join(lacking)}" if lacking else "all is there")
    )
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
