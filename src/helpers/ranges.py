"""What a parameter may be: the words at the end of its comment, and relations between parameters.

A comment ends in brackets with parts between semicolons, of which one is the range; the others are words for the
reader, such as a unit: ``(km; 0 to 1000)``, ``(0 or 1901 to 2100; 0 for the last year)``. A range is::

    range   = choice {" or " choice} | list
    choice  = "empty" | "true or false" | "a name" | "a path" | "module:name"
            | "one of: " names
            | numbers [", odd"] [", divides " number]
    numbers = number | number " to " number | "above " number ", up to " number
    list    = count what ["," (" no repeats" | " rising" | " rising from 1")] [", each " range]
    count   = number | number " to " number
    what    = "names" | "numbers" | "whole numbers" | "of: " names

``names`` are parted by commas, and those of an ``of:`` are never repeated. Of a mapping the list gives the keys, and
what stands behind ``each`` the values. `Range` is such words, read.

>>> read("size of a step of Adam (above 0, up to 1)", "float").admits(0.0)
False
>>> read("filters (3 whole numbers, each 1 to 1024)", "list").admits([16, 32, 64])
True
"""

from __future__ import annotations

import ast
import contextlib
import math
import operator
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from helpers import workspace
from helpers.workspace import UserError

TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict}
VARIABLE = re.compile(r"\$\{(\w+)\}")
LINE = re.compile(r"^(\w+)[ \t]*:[ \t]*(\w+)[ \t]*=.*#(.*)$", re.MULTILINE)
"""A line of a parameters cell: name, type, and its comment."""
NUMBER = r"-?\d+(?:\.\d+)?"
WORDS = {"int": "a whole number ", "float": "a number ", "list": "a list of ", "dict": "a mapping of "}
"""How an error begins to say what was expected of a type."""


class NoRange(ValueError):
    """Words that are no range of the grammar above."""


def shown(value: Any) -> str:
    """Return a value as an error shows it: in one line, cut where it is long."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = 80
    try:
        return brief.repr(value)
    except ValueError:  # Python writes no whole numbers of thousands of digits
        return "a number of thousands of digits"


def _finite(value: Any, whole: bool) -> bool:
    """Say whether a value is a number, no bool among them, and neither infinite nor NaN."""
    return type(value) is int or (type(value) is float and math.isfinite(value) and not whole)


@dataclass(frozen=True)
class Numbers:
    """Numbers from ``low`` to ``high``, both of them among them unless ``above`` leaves out the lower."""

    low: float
    high: float
    above: bool = False
    odd: bool = False
    divides: float | None = None

    def __str__(self) -> str:
        ends = f"above {self.low}, up to {self.high}" if self.above else f"{self.low} to {self.high}"
        ends = f"{self.low}" if self.low == self.high else ends
        return ends + ", odd" * self.odd + (f", divides {self.divides}" if self.divides is not None else "")

    def admits(self, value: Any, whole: bool) -> bool:
        """Say whether a value is among them."""
        inside = _finite(value, whole) and self.low <= value <= self.high and not (self.above and value == self.low)
        if not inside or (self.odd and value % 2 != 1):
            return False
        return self.divides is None or parts(value, self.divides)


@dataclass(frozen=True)
class Text:
    """One of some names, or, where there are none, whatever is of a ``kind`` of text; the kind "empty" is no text."""

    kind: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.kind or f"one of: {', '.join(self.names)}"

    def admits(self, value: Any, whole: bool = False) -> bool:
        """Say whether a value is such a text; of any it is asked to be one line without blanks around it."""
        if type(value) is not str or self.names:
            return type(value) is str and value in self.names
        plain = value.isprintable() and value == value.strip() and 0 < len(value) <= 1000
        return value == "" if self.kind == "empty" else plain and (self.kind != "module:name" or ":" in value)


@dataclass(frozen=True)
class Several:
    """A list: how many, of what (a kind, or names to choose from), in what order, and the range of each.

    Of a mapping these are the keys, and ``each`` is the range of its values.
    """

    least: int
    most: int
    what: str = ""
    names: tuple[str, ...] = ()
    order: str = ""
    each: Range | None = None

    def __str__(self) -> str:
        count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        what = self.what or f"of: {', '.join(self.names)}"
        return f"{count} {what}" + f", {self.order}" * bool(self.order) + (f", each {self.each}" if self.each else "")

    def admits(self, value: Any, whole: bool = False) -> bool:
        """Say whether a value is such a list, or such a mapping."""
        whole, keys = self.what == "whole numbers", Text(names=self.names) if self.names else Text("a name")
        if type(value) is dict:
            known = self._counted(value) and all(keys.admits(key) for key in value)
            return known and self.each is not None and all(self.each.admits(each) for each in value.values())
        if type(value) is not list or not self._counted(value):
            return False
        if "numbers" in self.what:
            right = all(_finite(item, whole) for item in value)
        else:
            right = all(keys.admits(item) for item in value)
        if right and self.each:
            right = all(self.each.admits(item, whole) for item in value)
        alone = right and ((self.order == "" and not self.names) or len(set(value)) == len(value))
        if not alone or not self.order.startswith("rising"):
            return alone
        return value == sorted(value) and (self.order == "rising" or value[:1] == [1])

    def _counted(self, value: list | dict) -> bool:
        return self.least <= len(value) <= self.most


@dataclass(frozen=True)
class Flag:
    """A switch."""

    def __str__(self) -> str:
        return "true or false"

    def admits(self, value: Any, whole: bool = False) -> bool:
        """Say whether a value is a bool."""
        return type(value) is bool


@dataclass(frozen=True)
class Range:
    """What a value may be: any of some choices; numbers among them ``whole`` or not."""

    choices: tuple[Numbers | Text | Several | Flag, ...]
    whole: bool = False

    def __str__(self) -> str:
        return " or ".join(map(str, self.choices))

    def admits(self, value: Any, whole: bool = False) -> bool:
        """Say whether a value is within."""
        return any(choice.admits(value, whole or self.whole) for choice in self.choices)


def parts(value: float, whole: float) -> bool:
    """Say whether a number divides another, to rounding."""
    times = whole / value if value else math.nan
    return times >= 1 and math.isclose(times, round(times), rel_tol=1e-9)


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(", "))
    if len(set(names)) < len(names) or not all(Text("a name").admits(name) for name in names):
        raise NoRange(text)
    return names


def _numbers(text: str) -> Numbers:
    form = rf"(?:above (?P<above>{NUMBER}), up to (?P<top>{NUMBER})|(?P<low>{NUMBER})(?: to (?P<high>{NUMBER}))?)"
    found = re.fullmatch(rf"{form}(?P<odd>, odd)?(?:, divides (?P<divides>{NUMBER}))?", text, re.ASCII)
    if not found:
        raise NoRange(text)
    above, top, low, high, odd, divides = found.groups()
    ends = (above, top) if above else (low, high or low)
    low, high = map(_number, ends)
    if low > high or (above and low == high):
        raise NoRange(text)
    return Numbers(low, high, bool(above), bool(odd), _number(divides) if divides else None)


def _several(text: str) -> Several | None:
    """Read a list, or return None where the words don't begin as one."""
    own, each, values = text.partition(", each ")
    form = r"(\d+)(?: to (\d+))? (?:(whole numbers|numbers|names)|of: (.+?))(?:, (no repeats|rising from 1|rising))?"
    found = re.fullmatch(form, own, re.ASCII)
    if not found:
        return None
    least, most, what, names, order = found.groups()
    most, known = int(most or least), _names(names) if names else ()
    if int(least) > most or most == 0 or (known and (most > len(known) or order == "no repeats")):
        raise NoRange(text)
    return Several(int(least), most, what or "", known, order or "", parse(values) if each else None)


def _choice(text: str) -> Numbers | Text | Several:
    if text in ("empty", "a name", "a path", "module:name"):
        return Text(text)
    if text.startswith("one of: "):
        return Text(names=_names(text.removeprefix("one of: ")))
    return _several(text) or _numbers(text)


def parse(text: str) -> Range:
    """Read the words of a range.

    Raises
    ------
    NoRange
        They aren't as the grammar has it, to the letter.
    """
    if text == "true or false":
        return Range((Flag(),))
    several = _several(text) if ", each " in text else None  # what follows may have choices of its own
    found = Range((several,) if several else tuple(_choice(choice) for choice in text.split(" or ")))
    if str(found) != text:
        raise NoRange(text)
    return found


def read(comment: str, kind: str) -> Range:
    """Return the range that the comment of a parameter of a type ends with.

    Raises
    ------
    NoRange
        The comment has none that fits the type, or more than one.
    """
    brackets = re.search(r"\(([^()]*)\)$", comment.strip())
    found = []
    for part in brackets[1].split("; ") if brackets else []:
        try:
            found.append(parse(part))
        except NoRange:
            continue
    if len(found) != 1 or not _fits(found[0], kind):
        raise NoRange(comment)
    return Range(found[0].choices, kind == "int")


def _fits(found: Range, kind: str) -> bool:
    """Say whether a range is one of values of a type, so that a list of numbers is not asked of a text."""
    wanted = {"int": Numbers, "float": Numbers, "str": Text, "bool": Flag, "list": Several, "dict": Several}[kind]
    return all(isinstance(choice, wanted) and (kind != "dict" or choice.each) for choice in found.choices)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "divides": parts,
    "needs": lambda given, needed: bool(needed) or not given,
    "within": lambda value, names: set(value) <= set(names),
}
"""How a relation compares its two sides."""


@dataclass(frozen=True)
class Relation:
    """A comparison between parameters that a chapter is declared to hold, such as ``first_year <= last_year``.

    Either side is a parameter, a number, or sums and products of these; a parameter of another chapter has its number
    before it, ``11.confidence``. To the right of ``within`` stand names between commas. What ``needs``
    another is empty or 0 where that is. A relation that ends in
    ``unless NAME`` is not asked where that parameter has a value other than empty or 0.
    """

    text: str
    left: str
    operator: str
    right: str
    unless: str

    @classmethod
    def of(cls, text: str) -> Relation:
        """Read a relation; raise NoRange where it is none."""
        found = re.fullmatch(r"(.+?) (<=|<|=|divides|needs|within) (.+?)(?: unless ([\w.]+))?", text)
        if not found:
            raise NoRange(text)
        relation = cls(text, *(part or "" for part in found.groups()))
        for side in relation._sides():
            _tree(side)
        return relation

    def _sides(self) -> tuple[str, ...]:
        return (self.left,) if self.operator == "within" else (self.left, self.right)

    @property
    def names(self) -> list[str]:
        """The parameters that it speaks of."""
        told = " ".join((*self._sides(), self.unless))
        return list(dict.fromkeys(re.findall(r"(?:\d\d\.)?[A-Za-z_]\w*", told)))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Say whether it holds for the values of its parameters, by name."""
        if self.unless and values[self.unless]:
            return True
        sides = [_worked_out(_tree(side), values) for side in self._sides()]
        if self.operator == "within":
            sides.append(self.right.split(", "))
        return OPERATORS[self.operator](*sides)


ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def _tree(side: str) -> ast.expr:
    """Return the syntax tree of a side; ``11.confidence`` is no name in Python, so it is one with a mark here."""
    try:
        tree = ast.parse(re.sub(r"\b(\d\d)\.([A-Za-z_])", r"of_\1_\2", side), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise NoRange(side) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            raise NoRange(side)
        if not isinstance(node, (ast.BinOp, ast.Name, ast.Constant, ast.Load, *ARITHMETIC)):
            raise NoRange(side)
    return tree


def _worked_out(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return values[re.sub(r"^of_(\d\d)_", r"\1.", node.id)]
    if isinstance(node, ast.BinOp):
        return ARITHMETIC[type(node.op)](_worked_out(node.left, values), _worked_out(node.right, values))
    return node.value


@dataclass(frozen=True)
class Parameter:
    """One line of a chapter's parameters cell: ``name: type = default  # help``; ``type`` is a key of `TYPES`.

    ``range`` is what the help says of values that are allowed.
    """

    name: str
    type: str
    default: Any
    help: str
    range: Range

    @property
    def expected(self) -> str:
        """What an error says of values that are allowed."""
        return f"{WORDS.get(self.type, '')}{self.range}"

    def checked(self, value: Any, place: str) -> Any:
        """Return ``value`` as this parameter's type (see `typed`); raise UserError where it isn't in the range.

        A text with a ``${VARIABLE}`` is checked once that is filled in.
        """
        found = typed(value, self.type)
        if type(found) is not TYPES[self.type] or not (has_variable(found) or self.range.admits(found)):
            raise UserError(f"{place}: expected {self.expected}, found {shown(value)}; correct it")
        return found


def typed(value: Any, kind: str) -> Any:
    """Return ``value`` as ``kind`` if it can be read so: a whole number as a float, and a text such as ``1e-3``.

    >>> typed(1, "float"), typed("1e-3", "float"), typed("a", "float")
    (1.0, 0.001, 'a')
    """
    if kind == "float" and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    return value


def has_variable(value: Any) -> bool:
    """Say whether a ``${VARIABLE}`` stands in a text, or among those of a list or mapping."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return any(isinstance(each, str) and VARIABLE.search(each) for each in held)


def check_relations(stem: str, relations: Iterable[str], values: Mapping[str, Any], declared: str, way: str) -> None:
    """Raise UserError where a relation of a chapter doesn't hold.

    ``values`` are the chapter's parameters by name, and those of others by number and name; a relation to a chapter
    without any there is not asked. ``declared`` says where the relations stand, ``way`` what to do.
    """
    there = {name[:2] for name in values if "." in name}
    for text in relations:
        place = f"{declared}: relations: {text}"
        try:
            relation = Relation.of(text)
        except NoRange as error:
            raise UserError(f"{place}: expected a comparison of parameters, found none; correct it") from error
        if {name[:2] for name in relation.names if "." in name} - there:
            continue
        if lacking := [name for name in relation.names if name not in values]:
            raise UserError(f"{place}: there is no parameter {lacking[0]!r}; correct it")
        if not relation.holds(values):
            found = ", ".join(f"{name} {shown(values[name])}" for name in relation.names)
            raise UserError(f"{stem}: expected {text}, found {found}; {way}")


def check(stem: str, names: dict[str, Any]) -> None:
    """Check the parameters of a chapter that is run by hand, and give each its type; the runner has done so itself.

    Ranges stand in the parameters cell, which IPython keeps in ``In`` as it was run. What isn't there is not asked.

    Parameters
    ----------
    stem : str
    names : dict
        The notebook's ``globals()``.

    Raises
    ------
    UserError
        A value isn't in its range, a relation doesn't hold, or a path that the chapter needs isn't given.
    """
    cells = [cell for cell in names.get("In", ()) if re.search("^profile *:", cell, re.MULTILINE)]
    if os.environ.get(workspace.RUNNER) or not cells:
        return
    for name, kind, words in LINE.findall(cells[-1]):
        with contextlib.suppress(NoRange, KeyError):
            parameter = Parameter(name, kind, None, words, read(words, kind))
            names[name] = parameter.checked(names[name], f"{stem}.{name}")
    path = workspace.ROOT / "notebooks" / workspace.DECLARED
    entry = workspace.declarations(path.parent).get(stem, {}) if path.is_file() else {}
    for name in entry.get("needs", ()):
        if not names.get(name):
            raise UserError(f"{stem}.{name}: expected a path, found none; give it in the parameters cell")
    check_relations(stem, entry.get("relations", ()), names, f"{path}: {stem}", "correct them in the parameters cell")
