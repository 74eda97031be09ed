"""The helpers and data files that a chapter's code reaches: when one of them changes, the chapter is stale.

Imports are followed from the chapter's code cells through the helper package, wherever they stand in a module. A
package counts whole, since a registry may load its files by name. Comments don't count: the syntax tree has none.
"""

from __future__ import annotations

import ast
from collections.abc import Container
from functools import lru_cache
from pathlib import Path, PurePosixPath

from helpers.run.digests import Digests, of_text
from helpers.run.places import UserError

PROSE = {".md", ".txt", ""}
"""Kinds of files in ``data/`` that no code reads: what they say about provenance and licences is for people."""


@lru_cache(maxsize=256)
def _tree(path: Path, mark: tuple[int, int]) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: expected Python, found {error.msg}; correct it") from error


def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    status = path.stat()
    return _tree(path, (status.st_mtime_ns, status.st_size))


def imported(node: ast.AST, package: str = "") -> set[str]:
    """List the dotted names below ``helpers`` that a syntax tree imports.

    Parameters
    ----------
    node : ast.AST
    package : str
        Dotted name of the package that the code stands in, for relative imports.
    """
    names = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            names.update(alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            base = part.module or ""
            if part.level:
                above = package.split(".")[: len(package.split(".")) - part.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            names.update({base, *(f"{base}.{alias.name}" for alias in part.names)})
    return {name for name in names if name == "helpers" or name.startswith("helpers.")}


def files_of(name: str, helpers: Path) -> list[Path]:
    """Return the files that a dotted name below ``helpers`` stands for: one module, or a package with all it holds."""
    path = helpers.joinpath(*name.split(".")[1:])
    if name == "helpers":
        return [helpers / "__init__.py"]
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    return [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else []


def reached(trees: list[ast.Module], helpers: Path) -> list[Path]:
    """Return every file of the helper package that these syntax trees reach, sorted."""
    waiting = {file for node in trees for name in imported(node) for file in files_of(name, helpers)}
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        found.add(file)
        parts = file.relative_to(helpers.parent).parent.parts
        # importing a.b.c runs a and a.b too
        waiting.update(helpers.parent.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1))
        waiting.update(f for name in imported(tree(file), ".".join(parts)) for f in files_of(name, helpers))
        waiting -= found
    return sorted(found)


def texts(node: ast.AST, files: Container[str] = ()) -> set[str]:
    """List the parts of paths that stand as text in a syntax tree: ``"reported/table1.csv"`` gives both.

    Parameters
    ----------
    node : ast.AST
    files : container of str
        Paths that are listed as they are, not in parts.
    """
    found = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    short = {text for text in found if len(text) < 200}
    return {part for text in short for part in ([text] if text in files else PurePosixPath(text).parts)}


def data_reached(trees: list[ast.Module], data: Path) -> list[Path]:
    """List the shipped data files that code names, sorted: by their place in ``data``, or a folder by its name."""
    files = {p.relative_to(data): p for p in data.rglob("*") if p.is_file() and p.suffix not in PROSE}
    paths = {place.as_posix() for place in files}
    named = set().union(*(texts(node, paths) for node in trees))
    return sorted(path for place, path in files.items() if {place.as_posix(), place.parts[0]} & named)


def digests(trees: list[ast.Module], root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the hashes of the helpers and of the data files that code reaches, by their places in the repository."""
    helpers = reached(trees, root / "src" / "helpers")
    code = {path.relative_to(root).as_posix(): of_text(ast.dump(tree(path))) for path in helpers}
    everything = [*trees, *(tree(path) for path in helpers)]
    files = data_reached(everything, root / "data")
    return code, {path.relative_to(root).as_posix(): Digests().of(path) for path in files}
