"""The parameters of a chapter, as Papermill sees them, and the values they may take."""

from __future__ import annotations

import ast
import contextlib
import difflib
import math
import re
from dataclasses import dataclass
from typing import Any

import papermill
import yaml

from helpers.run.chapters import Chapter
from helpers.run.places import UserError

TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict}
OUTSIDE = ("_folder", "_table", "_file")
"""A parameter whose name ends so is a path outside the book; empty means that it is not used."""
LEAST = re.compile(r"[(;] ?(\d+) or more\b")
"""How the help of a number says what the least allowed one is."""


@dataclass(frozen=True)
class Parameter:
    """One line of a chapter's parameters cell.

    Parameters
    ----------
    name, type, help : str
        As they stand in the cell; ``type`` is a key of `TYPES`.
    default : object
        The value that stands in the notebook.
    """

    name: str
    type: str
    default: Any
    help: str

    @property
    def is_outside(self) -> bool:
        """Whether the value is a path outside the book."""
        return self.type == "str" and self.name.endswith(OUTSIDE)

    @property
    def is_needed(self) -> bool:
        """Whether it is a path that the chapter can't run without; its help says so."""
        return self.is_outside and "needed" in self.help

    def checked(self, value: Any, place: str) -> Any:
        """Return ``value`` as this parameter's type (see `typed`), unless its help asks for a greater number.

        Raises
        ------
        UserError
            Names the place, what was expected and what was found.
        """
        value, least = typed(value, self.type, place), LEAST.search(self.help)
        if least and self.type in ("int", "float") and value < int(least[1]):
            raise UserError(f"{place}: expected {least[1]} or more, found {value}; give a greater number")
        return value


def of_chapter(chapter: Chapter) -> dict[str, Parameter]:
    """Return the parameters of a chapter by name, as Papermill infers them.

    Raises
    ------
    UserError
        When a type is none of `TYPES`, or the default is no literal of that type.
    """
    try:
        seen = papermill.inspect_notebook(chapter.path)
    except ValueError as error:
        raise UserError(
            f"{chapter.path}: Papermill cannot read its parameters ({error}); save it from Jupyter"
        ) from error
    for name in assigned(chapter) - set(seen):
        raise UserError(
            f"{chapter.path}: parameter {name}: expected one line 'name: type = value  # help' with one '=', found "
            "something that Papermill cannot read; rewrite it"
        )
    found = {}
    for name, line in seen.items():
        kind = line["inferred_type_name"]
        place = f"{chapter.path}: parameter {name}"
        if kind not in TYPES:
            raise UserError(f"{place}: expected a type among {', '.join(TYPES)}, found {kind}; annotate it with one")
        try:
            default = ast.literal_eval(line["default"])
        except (ValueError, SyntaxError) as error:
            raise UserError(f"{place}: expected a literal, found {line['default']}; write the value out") from error
        found[name] = Parameter(name, kind, typed(default, kind, place), line["help"])
    return found


def assigned(chapter: Chapter) -> set[str]:
    """List the names that the parameters cell gives values to, by its syntax tree."""
    code = [cell for cell in chapter.notebook.cells if cell.cell_type == "code"]
    found = set()
    for cell, tree in zip(code, chapter.trees, strict=True):
        if "parameters" in cell.metadata.get("tags", []):
            targets = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
            targets += [n.target for n in tree.body if isinstance(n, ast.AnnAssign)]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


def typed(value: Any, kind: str, place: str) -> Any:
    """Return ``value`` as ``kind``: a whole number passes for a float, and so does text such as ``1e-3``.

    Examples
    --------
    >>> typed(1, "float", "here"), typed("1e-3", "float", "here")
    (1.0, 0.001)
    """
    if kind == "float" and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            value = float(value)
    fits = type(value) is TYPES[kind] and not (kind == "float" and not math.isfinite(value))
    if not fits:
        raise UserError(f"{place}: expected {kind}, found {type(value).__name__} {value!r}; give a value of that type")
    return value


def from_text(text: str, kind: str, place: str) -> Any:
    """Read a value typed on the command line: text as it stands, everything else as YAML."""
    if kind == "str":
        return text
    try:
        return typed(yaml.safe_load(text), kind, place)
    except yaml.YAMLError as error:
        raise UserError(f"{place}: expected {kind}, found {text!r}; write it as YAML, such as [1, 2]") from error


def unknown(name: str, known: list[str], place: str) -> UserError:
    """Make the error for a name that no chapter has, with the nearest that exists."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
    return UserError(f"{place}: there is no parameter {name!r}; {hint}")
