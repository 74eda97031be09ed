"""Rooms of the helper package: arrows go one way, and no room imports a notebook."""

import ast

from helpers import workspace
from helpers.run.reach import imports

HELPERS = workspace.ROOT / "src" / "helpers"

FLOORS = [
    {"publish"},
    {"run"},
    {"figures"},
    {"claims"},
    {"demo"},
    {"lags"},
    {"maps"},
    {"risk", "significance", "realised"},
    {"trends", "skill", "splits", "applicability"},
    {"cnn"},
    {"windows"},
    {"spei"},
    {"fetch"},
    {"products"},
    {"regions"},
    {"grid"},
    {"reported", "labels", "ranges"},
    {"tasks"},
    {"workspace"},
    {"store", "provenance", "integrity", "strict"},
]
"""From the top of the house to the bottom; rooms of one floor don't know each other."""

LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in HELPERS.rglob("*.py"))


def room_of(path):
    """The room that a file belongs to; None for the package's own front door."""
    return named(path.relative_to(HELPERS).parts)


def named(parts):
    """The room of a dotted name's parts: the first, or the second within ``space`` and ``stats``."""
    first = parts[1] if parts[0] in ("space", "stats") and len(parts) > 1 else parts[0]
    return None if first == "__init__.py" else first.removesuffix(".py")


def test_every_file_belongs_to_a_room_with_a_floor_and_every_room_is_there():
    assert {room_of(path) for path in FILES} - {None} == set(LEVEL)


def test_rooms_import_from_below_only():
    upward = []
    for path in FILES:
        room, package = room_of(path), ".".join(["helpers", *path.relative_to(HELPERS).parts[:-1]])
        found = imports(ast.parse(path.read_text(encoding="utf-8")), package)
        names = [f"{module}.{member}" for _, module, member in found if module.split(".")[0] == "helpers"]
        others = {named(name.split(".")[1:]) for name in names if "." in name} & set(LEVEL) - {room}
        upward += [(path.name, other) for other in others if room is None or LEVEL[other] <= LEVEL[room]]
    assert not upward, "these import what stands above or beside them"
