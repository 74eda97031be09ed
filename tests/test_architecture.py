"""Rooms of the helper package: arrows go one way, and no room imports a notebook."""

import ast

import pytest

from helpers import workspace
from helpers.run.sources import imported

HELPERS = workspace.ROOT / "src" / "helpers"

FLOORS = [
    {"planets"},
    {"measured"},
    {"run"},
    {"figures"},
    {"reported", "claims"},
    {"lags"},
    {"demo"},
    {"maps"},
    {"risk", "trends", "skill", "splits", "applicability", "baselines"},
    {"cnn"},
    {"windows"},
    {"regions"},
    {"spei"},
    {"fetch"},
    {"products"},
    {"grid"},
    {"kept", "labels"},
    {"workspace"},
]
"""From the top of the house to the bottom; rooms of one floor don't know each other."""

LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in HELPERS.rglob("*.py"))


def room_of(path):
    """The room that a file belongs to; None for the package's own front door."""
    first = path.relative_to(HELPERS).parts[0]
    return None if first == "__init__.py" else first.removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HELPERS).as_posix())
class TestEachFile:
    def test_belongs_to_a_room_with_a_floor(self, path):
        assert room_of(path) is None or room_of(path) in LEVEL

    def test_imports_from_below_only(self, path):
        room = room_of(path)
        package = ".".join(["helpers", *path.relative_to(HELPERS).parts[:-1]])
        names = imported(ast.parse(path.read_text(encoding="utf-8")), package)
        others = {name.split(".")[1] for name in names if "." in name} & set(LEVEL) - {room}
        assert room is not None or not others, "the front door imports no room"
        upward = {other for other in others if LEVEL[other] <= LEVEL[room]}
        assert not upward, f"{room} imports {upward}, which stand above or beside it"

    def test_catches_no_error_blindly_and_leaves_nothing_undone(self, path):
        text = path.read_text(encoding="utf-8")
        handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
        caught = [
            name.id for node in handlers if node.type for name in ast.walk(node.type) if isinstance(name, ast.Name)
        ]
        assert all(node.type is not None for node in handlers)
        assert not {"Exception", "BaseException"} & set(caught)
        assert not [mark for mark in ("TODO", "FIXME", "pragma: no cover", "import pickle") if mark in text]


def test_every_room_of_the_plan_is_there():
    assert {room_of(path) for path in FILES} - {None} == set(LEVEL)
