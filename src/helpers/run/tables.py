"""The generated tables, as Markdown: every parameter, every product and its variables, every file that a run made.

A prose page holds a marker such as ``<!-- table: parameters -->`` where its table goes.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from helpers.run import parameters
from helpers.run.chapters import Chapter
from helpers.run.places import UserError
from helpers.workspace import ARTEFACTS

MARKER = re.compile(r"<!-- table: (\w+) -->")
ADDRESS = re.compile(r"(https?://[^\s<>)]*[^\s<>).,;])")
OFFERED = 30 * 2**20
"""Artefacts over this many bytes are not copied into the pages: the table says where they are."""


def markdown(head: list[str], rows: list[list[Any]]) -> str:
    """Lay out a table; bars and line breaks in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return re.sub(r"[ \t\n]+", " ", str(value if value is not None else "").strip()).replace("|", r"\|")


def fill(page: str, tables: dict[str, Callable[[], str]], place: str) -> str:
    """Put each table in the place of its marker."""

    def table(marker: re.Match) -> str:
        if marker[1] not in tables:
            known = ", ".join(tables)
            raise UserError(f"{place}: there is no table {marker[1]!r}; the tables are {known}")
        return tables[marker[1]]()

    return MARKER.sub(table, page)


def of_parameters(chapters: list[Chapter], ran_with: dict[str, dict]) -> str:
    """Tabulate the parameters of each chapter: value in this run, the chapter's own default, meaning."""
    parts = []
    for chapter in chapters:
        known = parameters.of_chapter(chapter)
        rows = []
        for parameter in known.values():
            value = ran_with[chapter.stem][parameter.name]
            default = "" if value == parameter.default else _code(parameter.default)
            rows.append([f"`{parameter.name}`", parameter.type, _code(value), default, parameter.help])
        table = markdown(["name", "type", "this run", "default, if other", "what it is"], rows)
        parts.append(f"## {chapter.title}\n\n{table}")
    return "\n\n".join(parts)


def _code(value: Any) -> str:
    return f"`{value!r}`".replace("''", '""')


def of_products() -> str:
    """Tabulate the products of ``data/products.yml``: version, resolution, how a year is made, terms."""
    rows = []
    for p in _registry().products().values():
        title = f"{p.title} (`{p.id}`)" + (f" {{cite:p}}`{p.citation}`" if p.citation else "")
        version = f"{p.version} (later: {p.superseded_by})" if p.superseded_by else p.version
        rows.append([title, version, f"{p.native}, {p.step}", p.rule, p.licence])
    return markdown(["product", "version", "native resolution", "a year is the", "licence"], rows)


def of_variables() -> str:
    """Tabulate what the files of the products hold: each variable, its unit, and how it is stored."""
    rows = []
    for v in _registry().variables_table().to_dict("records"):
        stored = v["stored as"] + (f" ({v['stored units']})" if v["stored units"] else "")
        name = f"`{v['variable']}`" + ("" if v["in all versions"] else " (not in all versions)")
        rows.append([v["product"], name, v["what it is"], v["units"], stored, f"{v['scale']:g}", v["valid"], v["fill"]])
    head = ["product", "variable", "what it is", "units", "stored as", "times", "valid numbers", "fills"]
    return markdown(head, rows)


def of_sources() -> str:
    """Tabulate where each product comes from: what its files are called, how to get them, and its DOI."""
    rows = []
    for p in _registry().products().values():
        doi = f"[{p.doi}](https://doi.org/{p.doi})" if p.doi else ""
        rows.append([f"`{p.id}`", f"`{p.example}`", ADDRESS.sub(r"<\1>", p.get), doi])
    return markdown(["product", "a file's name", "how to get it", "DOI"], rows)


def _registry():
    """Return the room of products; it is heavy, so it is opened only where a page asks for a table of them."""
    return import_module("helpers.products")


def of_downloads(workspace: Path, target: Path, chapters: list[Chapter]) -> str:
    """Tabulate what the chapters made, and copy to ``target`` what is small enough to be offered.

    Parameters
    ----------
    workspace : Path
        Folder of the artefacts.
    target : Path
        Folder of the staged copies; folders become zip archives that are the same whenever they are made.
    chapters : list of Chapter
    """
    rows = []
    for chapter in chapters:
        for name in (name for name in ARTEFACTS if name in chapter.writes):
            source = workspace / ARTEFACTS[name].file
            if source.exists():
                rows.append([_offer(source, target), _size(source), chapter.title, ARTEFACTS[name].what])
    return markdown(["file", "size", "made by", "what it holds"], rows)


def _offer(source: Path, target: Path) -> str:
    if _bytes(source) > OFFERED:
        return f"`{source.parent.name}/{source.name}` in the outputs folder"
    target.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        copy = target / f"{source.name}.zip"
        archive(source, copy)
    else:
        copy = target / source.name
        copy.write_bytes(source.read_bytes())
    return f"{{download}}`{copy.name} <../downloads/{copy.name}>`"


def archive(folder: Path, target: Path) -> None:
    """Zip a folder; the same content gives the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 1)


def _bytes(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def _size(path: Path) -> str:
    kibibytes = _bytes(path) / 2**10
    return f"{math.ceil(kibibytes)}\u00a0KiB" if kibibytes < 1000 else f"{kibibytes / 2**10:.1f}\u00a0MiB"
