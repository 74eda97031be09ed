"""The entries of data/products.yml: what each must and may have, so that a slip is told at once and by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import yaml

from helpers.products.errors import ProductError

FAMILIES = Path(__file__).parent
MUST = ("family", "title", "version", "file", "example", "native", "step", "rule", "licence", "get", "fields")
CITED = ("doi", "citation")
"""Needed of all that is published; a table of one's own has no version, and nothing to cite."""
MAY = (*CITED, "predictors", "superseded_by", "starts", "fetch", "notes")
MAPPINGS = ("fields", "starts", "fetch", "notes")
STEPS = ("daily", "8-day", "monthly", "yearly", "once")


def load(path: Path, field: type) -> dict:
    """Read the registry, and check every entry.

    Parameters
    ----------
    path : Path
        The YAML file.
    field : type
        The dataclass of a stored variable; its fields are what one may say of it.

    Raises
    ------
    ProductError
        The file is no YAML, an entry lacks something or has something unknown, or its example is not named as its own
        pattern wants.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProductError(f"{path}: expected YAML, cannot read it ({' '.join(str(error).split())})") from error
    _keys(content, ("canonical", "products"), (), str(path))
    for name, about in content["canonical"].items():
        where = f"{path}: canonical {name!r}"
        _mapping(about, where)
        _keys(about, ("units", "long_name"), about, where)
    for key, entry in content["products"].items():
        _entry(entry, content["canonical"], [f.name for f in fields(field)], f"{path}: product {key!r}")
    return content


def template(name: str) -> str:
    """Return a variable's name with its number left open: variables of any scale share their attributes.

    >>> template("spei12")
    'spei{}'
    """
    return re.sub(r"\d+$", "{}", name)


def _entry(entry: dict, canonical: dict, of_field: list[str], where: str) -> None:
    _mapping(entry, where)
    _keys(entry, (*MUST, *(CITED if entry.get("version") else ())), MAY, where)
    for key, value in entry.items():
        if key in MAPPINGS:
            _mapping(value, f"{where}: {key}")
        elif not isinstance(value, str):
            raise ProductError(f"{where}: expected {key} as text, found {value!r}; set it in quotes")
    if not (FAMILIES / f"{entry['family']}.py").is_file():
        raise ProductError(f"{where}: expected family to be a module of helpers.products, found {entry['family']!r}")
    if entry["step"] not in STEPS:
        raise ProductError(f"{where}: expected step among {', '.join(STEPS)}, found {entry['step']!r}")
    try:
        pattern = re.compile(entry["file"])
    except re.error as error:
        raise ProductError(f"{where}: expected file to be a regular expression ({error}); correct it") from error
    if not pattern.search(entry["example"]):
        raise ProductError(f"{where}: expected example to match file, found {entry['example']!r}; correct one of them")
    for year in entry.get("starts", {}).values():
        if not isinstance(year, int):
            raise ProductError(f"{where}: starts: expected first years as whole numbers, found {year!r}; correct it")
    for name, about in entry["fields"].items():
        if name not in canonical and template(name) not in canonical:
            raise ProductError(f"{where}: variable {name!r} is not canonical; add it to canonical, or correct it")
        _mapping(about, f"{where}: {name}")
        _keys(about, ("stored",), [f for f in of_field if f != "name"], f"{where}: {name}")


def _mapping(value: object, where: str) -> None:
    if not isinstance(value, dict):
        raise ProductError(f"{where}: expected a mapping (name: value), found {value!r}; correct it")


def _keys(entry: dict, must: Iterable[str], may: Iterable[str], where: str) -> None:
    """Refuse a mapping that lacks a key or has one that nobody knows."""
    if lacking := [key for key in must if key not in (entry or {})]:
        raise ProductError(f"{where} lacks {', '.join(lacking)}; add {'it' if len(lacking) == 1 else 'them'}")
    if unknown := [key for key in entry if key not in (*must, *may)]:
        known = ", ".join(dict.fromkeys((*must, *may)))
        raise ProductError(f"{where} has an unknown {unknown[0]!r}; known are {known}")
