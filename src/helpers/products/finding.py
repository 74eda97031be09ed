"""Which files in a folder are a product's, and which would be if they were unpacked, whole, or named otherwise."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from helpers.products import compression, registry
from helpers.products.compression import plain_name
from helpers.products.errors import ProductError
from helpers.products.registry import Product


def looked_for(entry: Product, folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return a product's files, and those that would be its, with what is wrong with each; warn of these as `find`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of product files, found none; correct the path")
    place = folder / entry.id if (folder / entry.id).is_dir() else folder
    paths, unread = sorted_out(entry, place)
    if unread and not paths:
        line = lines(entry, unread)[0]
        raise FileNotFoundError(line if len(unread) == 1 else f"{line} (one of {len(unread)} such)")
    for line in lines(entry, unread):
        warnings.warn(line, stacklevel=4)
    if not paths:
        instead = _mistaken(entry, folder)
        raise FileNotFoundError(f"{place}: expected files named like {entry.example}, found none. {instead}{entry.get}")
    one_of_each(entry, place, paths)
    return paths, unread


def sorted_out(entry: Product, place: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return the files of a product in a folder, and those that would be its, with what is to be done about each."""
    every = sorted(_below(place))
    paths = [path for path in every if path.is_file() and (entry.file.search(path.name) or _answered(entry, path))]
    return paths, _unread(entry, every, paths)


def _below(place: Path) -> Iterator[Path]:
    """Yield all that lies in a folder, behind links too; not what systems and editors hide there."""
    seen = set()
    for folder, folders, files in os.walk(place, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else [name for name in folders if not _hidden(name)]
        if real not in seen:
            yield from (Path(folder) / name for name in (*folders, *files) if not _hidden(name))
        seen.add(real)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _answered(entry: Product, path: Path) -> bool:
    """Say whether a file is none of the product's but taken for one, so that the reader says what it is."""
    pattern = entry.notes.get("answered")
    return bool(pattern and re.search(pattern, path.name))


def of_towers(entry: Product) -> bool:
    """Say whether each file is a site's: one left out is a site lost, and of two the reader settles which to keep."""
    return "site" in entry.file.groupindex


def _unread(entry: Product, every: list[Path], paths: list[Path]) -> dict[Path, str]:
    """Return what would be the product's if it were unpacked, whole, or spelled as the product spells it, and how."""
    read, there = set(paths), {compression.unpacked_name(path.name) for path in paths}
    inside = {parent for path in paths for parent in path.parents}
    left = {}
    for path in every:
        again = compression.unpacked_name(compression.first_name(path.name)) in there
        if path not in read and path not in inside and not again and (remedy := _remedy(entry, path)):
            left[path] = remedy
    return left


def lines(entry: Product, unread: dict[Path, str]) -> list[str]:
    """Say what is left out: in a line each for towers, in one for maps, of which a missing one is told by its date."""
    shown = list(unread.items())[: None if of_towers(entry) else 1]
    more = f" (and {len(unread) - len(shown)} more)" if len(unread) > len(shown) else ""
    expected = f"expected a file named like {entry.example}, plain, .gz or .zip"
    return [f"{path}{more}: {expected}, so it is left out; {remedy}" for path, remedy in shown]


def _remedy(entry: Product, path: Path) -> str:
    """Return what would make a file one of the product's; nothing where it isn't."""
    alike, spelled = re.compile(entry.file.pattern, re.IGNORECASE), f"in upper and lower case like {entry.example}"
    if not path.is_file():
        what = "a folder: give the file in it" if path.is_dir() else "a link to nothing: put the file in its place"
        return f"this is {what}" if alike.search(path.name) else ""
    if alike.search(path.name):
        return f"rename it, {spelled}"
    if path.suffix.lower() in compression.UNFINISHED and alike.search(path.stem):
        return "its download was not finished: fetch it again"
    first = compression.first_name(path.name)
    if first != path.name and alike.search(first):
        return f"rename it to {first}" + ("" if entry.file.search(first) else f", {spelled}")
    if "model" in entry.file.groupindex and compression.plain_name(path.name).lower().endswith((".nc", ".nc4")):
        stored = {name.lstrip("-") for sets in entry.notes["sets"].values() for names in sets for name in names}
        flux = stored & set(re.split(r"[-_.]", path.name))  # others, such as masks, are nobody's loss
        return f"name it like {entry.example}, after its model" if flux and entry.id in path.parts else ""
    if path.suffix.lower() not in (*compression.PACKED, *compression.UNREAD):
        return ""
    plain, known = compression.unpacked_name(first), "^" in entry.file.pattern[:5]  # else any name is the product's
    names = [plain, *(plain + ending for ending in (*compression.DATA, ".zip") if known), *compression.members(path)]
    return "unpack it" if any(alike.search(name) for name in names) else ""


def one_of_each(entry: Product, place: Path, paths: list[Path]) -> None:
    """Refuse files of several versions, and a packed map beside its unpacked copy."""
    examples, plain = {}, {}
    for path in paths:
        if found := entry.file.search(path.name):
            examples.setdefault(found.groupdict().get("version"), path.name)
        twin = plain.setdefault(path.parent / plain_name(path.name), path)
        if twin != path and not of_towers(entry):
            raise ProductError(f"{path}: expected one copy of each file, found {twin.name} too; remove one of the two")
    told = sorted((version, name) for version, name in examples.items() if version)
    if len(told) > 1:
        named = " and ".join(f"{version} (such as {name})" for version, name in told)
        raise ProductError(f"{place}: expected one version of {entry.id}, found {named}; keep one")


def _mistaken(entry: Product, folder: Path) -> str:
    """Say so where a folder holds files of a product that is easily taken for this one."""
    for other in entry.notes.get("mistaken_for", ()):
        pattern = registry.product(other).file
        names = sorted(path.name for path in folder.rglob("*") if path.is_file() and pattern.search(path.name))
        if names:
            return f"{names[0]} is there, which is another product: read it as {other}, not as {entry.id}. "
    return ""
