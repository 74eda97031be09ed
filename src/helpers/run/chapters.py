"""The chapters in reading order, and what each reads and writes, found in its code.

A chapter says what it takes and gives by calling ``ws.read("samples")``, ``ws.write("models", …)``,
``ws.writing("models")`` or ``ws.has("truth")`` with literal names. Nothing else declares it, so nothing can disagree.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from helpers.run.places import UserError
from helpers.workspace import ARTEFACTS

NAME = re.compile(r"\d\d_\w+")
CALLS = {"read": "reads", "has": "asks", "path": "asks", "write": "writes", "writing": "writes"}


@dataclass(frozen=True)
class Chapter:
    """One notebook.

    Parameters
    ----------
    path : Path
        The source notebook, outputs stripped.
    """

    path: Path

    @property
    def stem(self) -> str:
        """Name without folder and suffix, such as ``03_cnn_ablation``."""
        return self.path.stem

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """The parsed notebook."""
        return read_notebook(self.path)

    @cached_property
    def trees(self) -> list[ast.Module]:
        """Syntax tree of each code cell."""
        cells = [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]
        return [parse_cell(source, f"{self.path}: code cell {i}") for i, source in enumerate(cells, 1)]

    @cached_property
    def calls(self) -> dict[str, frozenset[str]]:
        """Names of the artefacts that the code ``reads``, ``asks`` for and ``writes``."""
        found: dict[str, set[str]] = {"reads": set(), "asks": set(), "writes": set()}
        for number, tree in enumerate(self.trees, 1):
            for method, name in workspace_calls(tree, f"{self.path}: code cell {number}"):
                found[CALLS[method]].add(name)
        return {kind: frozenset(names) for kind, names in found.items()}

    @property
    def writes(self) -> frozenset[str]:
        """Artefacts that this chapter makes."""
        return self.calls["writes"]

    @property
    def inputs(self) -> frozenset[str]:
        """Artefacts of other chapters that this one reads, or looks for."""
        return (self.calls["reads"] | self.calls["asks"]) - self.writes

    @property
    def needs(self) -> frozenset[str]:
        """Artefacts of other chapters that this one reads without first asking whether they are there."""
        return self.calls["reads"] - self.calls["asks"] - self.writes

    @property
    def title(self) -> str:
        """The first heading, or the stem where there is none."""
        for cell in self.notebook.cells:
            heading = re.search(r"^# +(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
            if heading:
                return heading[1].strip()
        return self.stem


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, or say in one line why it cannot be read."""
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, OSError, nbformat.reader.NotJSONError) as error:
        raise UserError(f"{path}: expected a Jupyter notebook, cannot read it ({error!s:.200}); restore it") from error


def parse_cell(source: str, place: str) -> ast.Module:
    """Parse a code cell, magics and all; ``place`` goes into the message when it is not Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError as error:
        raise UserError(f"{place}: expected Python, found {error.msg} in line {error.lineno}; correct it") from error


def workspace_calls(tree: ast.AST, place: str) -> list[tuple[str, str]]:
    """List ``(method, artefact)`` for every call of a method of the workspace ``ws`` in a syntax tree."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="ws"), attr=method), args=[name, *_]) if method in CALLS:
                known = ", ".join(ARTEFACTS)
                if not (isinstance(name, ast.Constant) and name.value in ARTEFACTS):
                    shown = ast.unparse(name)
                    raise UserError(
                        f"{place}: ws.{method}({shown}) needs the literal name of an artefact; known are {known}"
                    )
                found.append((method, name.value))
    return found


def discover(folder: Path) -> list[Chapter]:
    """Return the chapters of a folder in reading order: notebooks whose name begins with two digits."""
    found = [Chapter(path) for path in sorted(folder.glob("*.ipynb")) if NAME.fullmatch(path.stem)]
    if not found:
        raise UserError(f"{folder}: expected notebooks named like 01_data_preparation.ipynb, found none; restore them")
    return found


def choose(chapters: list[Chapter], wanted: list[str], asker: str) -> list[Chapter]:
    """Pick chapters by stem or by number, in reading order.

    Parameters
    ----------
    chapters : list of Chapter
        What there is.
    wanted : list of str
        Stems (``03_cnn_ablation``) or numbers (``03``).
    asker : str
        Who asks, for the message: ``--only`` or a profile.

    Raises
    ------
    UserError
        When one of ``wanted`` is not there.
    """
    picked = set()
    for name in wanted:
        matches = [c.stem for c in chapters if c.stem == str(name) or c.stem[:2] == str(name).zfill(2)]
        if not matches:
            known = ", ".join(c.stem for c in chapters)
            raise UserError(f"{asker}: there is no chapter {name!r}; the chapters are {known}")
        picked.update(matches)
    return [chapter for chapter in chapters if chapter.stem in picked]
