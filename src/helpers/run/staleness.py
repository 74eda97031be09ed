"""What a chapter was last made from, against what it would be made from now.

A chapter is fresh when everything it was made from is what it was (code, values, helpers, data, inputs, pins, Python)
and everything it made is still there, unchanged. Times of files don't count; prose and comments don't either.
"""

from __future__ import annotations

import ast
import contextlib
import json
import platform
from pathlib import Path
from typing import Any

from helpers.run import sources
from helpers.run.chapters import Chapter
from helpers.run.digests import Digests, of_text, of_value
from helpers.run.places import Book
from helpers.run.profiles import Settings
from helpers.workspace import ARTEFACTS, remove, writing

WORDS = {
    "code": "its code",
    "parameters": "parameter",
    "outside": "the file or folder of",
    "helpers": "helper",
    "data": "data file",
    "inputs": "input",
    "environment": "environment",
}
"""What each kind of thing that a chapter is made from is called in a message."""


def cell_marks(chapter: Chapter) -> list[str]:
    """Return a hash a code cell: of its syntax tree, and of whether a last semicolon hides its value."""
    cells = [cell for cell in chapter.notebook.cells if cell.cell_type == "code"]
    pairs = zip(chapter.trees, cells, strict=True)
    return [of_text(f"{ast.dump(tree)} {cell.source.rstrip().endswith(';')}") for tree, cell in pairs]


def environment(book: Book) -> dict[str, str]:
    """Return the version of Python and the pins of ``requirements.txt``, comments apart."""
    lines = (book.root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = sorted(line.split("#")[0].strip() for line in lines)
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "requirements.txt": of_value([p for p in pins if p]),
    }


def made_from(book: Book, chapter: Chapter, settings: Settings, digests: Digests) -> dict[str, dict[str, Any]]:
    """Return all that the outputs of a chapter depend on, as it is now.

    Returns
    -------
    dict
        Kind of thing → name → hash or value; the kinds are the keys of `WORDS`. An input that is not there is None.
    """
    helpers, data = sources.digests(chapter.trees, book.root)
    plain = {name: value for name, value in settings.values.items() if name not in settings.outside}
    return {
        "code": {"cells": of_value(cell_marks(chapter))},
        "parameters": plain,
        "outside": {name: digests.of(path) for name, path in settings.outside.items()},
        "helpers": helpers,
        "data": data,
        "inputs": inputs(book, chapter, settings.values["profile"], digests),
        "environment": environment(book),
    }


def inputs(book: Book, chapter: Chapter, profile: str, digests: Digests) -> dict[str, str | None]:
    """Return the hashes of the artefacts of others that a chapter reads or looks for; None where there is nothing."""
    return {name: digests.of(book.outputs / profile / ARTEFACTS[name].file) for name in sorted(chapter.inputs)}


def made(book: Book, chapter: Chapter, profile: str, digests: Digests) -> dict[str, str | None]:
    """Return the hashes of what a chapter makes: its artefacts, and its executed page under ``page``."""
    found = {name: digests.of(book.outputs / profile / ARTEFACTS[name].file) for name in sorted(chapter.writes)}
    return found | {"page": digests.of(book.executed(profile, chapter.stem))}


def note(book: Book, chapter: Chapter, profile: str, source: dict, outputs: dict) -> None:
    """Write down, in one step, what a chapter was made from and what it made."""
    with writing(book.state(profile) / f"{chapter.stem}.json") as aside:
        aside.write_text(json.dumps({"made_from": source, "made": outputs}, indent=1))


def noted(book: Book, stem: str, profile: str) -> dict[str, dict] | None:
    """Return what `note` wrote, or None where there is nothing that can be read."""
    try:
        content = json.loads((book.state(profile) / f"{stem}.json").read_text())
        return content if {"made_from", "made"} <= set(content) else None
    except (OSError, ValueError):
        return None


def reason(then: dict[str, dict] | None, source: dict, outputs: dict) -> str | None:
    """Say in a few words why a chapter is stale, or None when it is fresh.

    Parameters
    ----------
    then : dict, optional
        From `noted`.
    source : dict
        From `made_from`, now.
    outputs : dict
        From `made`, now.
    """
    if then is None:
        return "not made yet"
    source = json.loads(json.dumps(source))
    changes = [_change(kind, then["made_from"].get(kind, {}), source[kind]) for kind in WORDS]
    changes += [
        f"{name} {'is gone' if outputs.get(name) is None else 'was altered'}"
        for name, was in then["made"].items()
        if outputs.get(name) != was
    ]
    changes += [f"{name} is new" for name in outputs if name not in then["made"]]
    return "; ".join(change for change in changes if change) or None


def difference(book: Book, profile: str, name: str, maker: str, digests: Digests) -> str | None:
    """Say in a few words how an artefact differs from what its maker noted, or None when it does not.

    Parameters
    ----------
    book : Book
    profile : str
    name : str
        Of the artefact.
    maker : str
        Stem of the chapter that makes it.
    digests : Digests
    """
    path = book.outputs / profile / ARTEFACTS[name].file
    was = (noted(book, maker, profile) or {"made": {}})["made"].get(name)
    now = digests.of(path)
    if was == now:
        return None
    if now is None:
        return "nothing"
    if was is None:
        return "one that no run of it has noted"
    return "files in it altered, lost or added" if path.is_dir() else "it altered"


def _change(kind: str, then: dict, now: dict) -> str | None:
    names = [name for name in {**then, **now} if then.get(name, ...) != now.get(name, ...)]
    if not names:
        return None
    if kind == "code":
        return "its code changed"
    shown = [
        f"{name} {then[name]!r} → {now[name]!r}" if kind == "parameters" and name in then and name in now else name
        for name in names[:3]
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{WORDS[kind]} {', '.join(shown)}{more} changed"


def clear_leftovers(*folders: Path) -> None:
    """Remove what a killed run left aside in folders: half-written things, and old ones that were being replaced."""
    for path in (path for folder in folders for kind in ("part", "old") for path in folder.glob(f".*.{kind}")):
        # a process that outlives its runner for a moment may still be writing there: the next run clears the rest
        with contextlib.suppress(OSError):
            remove(path)
