"""What a chapter was last made from, against what it would be made from now.

A chapter is fresh when everything it was made from is what it was (code, values, helpers, data, inputs, pins, Python)
and everything it made is still there, unchanged. Times of files don't count; prose, comments and docstrings don't
either. Of the helpers count the definitions that the chapter's code reaches, see `helpers.run.reach`.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import integrity, workspace
from helpers.provenance import INSIDE, Label, sidecar
from helpers.run import reach
from helpers.run.chapters import Book, Chapter, Settings
from helpers.store import Stored
from helpers.workspace import FILES, DiskFull, remove, writing

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

SEAL = "seal"
"""Where in a record the hash of the rest of it stands."""


class Digests:
    """Hashes of files and folders, remembered in ``cache`` (JSON) so that unchanged files are not read twice.

    A file counts as unchanged while its size, inode, and times of content and of change are. Of a cache whatever
    isn't such a note is left aside.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.known = {path: mark for path, mark in integrity.json_object(cache).items() if integrity.is_mark(mark)}

    def of(self, path: Path | Stored) -> str | None:
        """Return the hash of a file, or of all files of a folder with their names; None where there is nothing.

        What is in a store is known by the checksums that the store keeps, and not read.
        """
        if isinstance(path, Stored):
            return path.digest()
        if path.is_dir():
            return of_value([[name, self._file(file)] for name, file in integrity.files(path).items()])
        return self._file(path) if path.is_file() else None

    def _file(self, path: Path) -> str:
        state, known = integrity.state_of(path), self.known.get(str(path))
        if not known or known[:-1] != state:
            known = [*state, integrity.hash_of(path)]
        self.known[str(path)] = known
        return known[-1]

    def note(self, path: Path) -> dict[str, integrity.Mark]:
        """Return the note of a file or a folder, see `helpers.integrity`; empty where there is nothing."""
        self.of(path)
        return {name: self.known[str(file)] for name, file in integrity.files(path).items()}

    def moved(self, old: Path, new: Path) -> None:
        """Remember, of what was moved, the files that are as they were: a rename of a folder changes none of them."""
        for name, file in integrity.files(new).items():
            if known := self.known.pop(str(old / name), None):
                self.known[str(file)] = known

    def save(self) -> None:
        """Write what is known of files that are still there to the cache; say so where there is no room for it."""
        try:
            with writing(self.cache) as aside:
                aside.write_text(json.dumps({path: mark for path, mark in self.known.items() if _exists(path)}))
        except DiskFull as error:  # the run itself has gone well, or ends with an error of its own
            print(f"{error}; until then every run reads all files", file=sys.stderr)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def of_value(value: Any) -> str:
    """Return the hash of a plain value: numbers, text, lists, dicts."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:32]


def cell_marks(chapter: Chapter) -> list[str]:
    """Return a hash a code cell: of its code, docstrings apart, and of whether a last semicolon hides its value."""
    shown = any(reach.shows_docs(ast.walk(tree)) for tree in chapter.trees)
    trees = chapter.trees if shown else map(reach.without_docs, chapter.trees)
    pairs = zip(trees, chapter.code, strict=True)
    return [of_value([ast.dump(tree), cell.source.rstrip().endswith(";")]) for tree, cell in pairs]


def environment(book: Book) -> dict[str, str]:
    """Return the version of Python and the pins of ``requirements.txt``, comments apart."""
    lines = (book.root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = sorted(line.split("#")[0].strip() for line in lines)
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "requirements.txt": of_value([p for p in pins if p]),
    }


def fingerprint(book: Book, chapter: Chapter, settings: Settings, digests: Digests) -> dict[str, dict[str, Any]]:
    """Return all that a chapter's outputs depend on now: kind of thing (see `WORDS`) → name → hash or value."""
    definitions, data = reach.of_cells(chapter.trees, book.root)
    paths = {name for name in settings.outside if chapter.paths[name] != "module"}  # of a module its name counts, too
    return {
        "code": {"cells": of_value(cell_marks(chapter))},
        "parameters": {name: value for name, value in settings.values.items() if name not in paths},
        "outside": {name: digests.of(path) for name, path in settings.outside.items()},
        "helpers": {name: of_value(code) for name, code in definitions.items()},
        "data": {path.relative_to(book.root).as_posix(): digests.of(path) for path in data},
        "inputs": inputs(book, chapter, settings.values["profile"], digests),
        "environment": environment(book),
    }


def inputs(book: Book, chapter: Chapter, profile: str, digests: Digests) -> dict[str, str | None]:
    """Return the hashes of the artefacts of others that a chapter reads or looks for; None where there is nothing.

    They are those from before the artefacts were labelled, so that a label changes nothing of what reads them.
    """
    return {name: _content(book, profile, name, digests) for name in sorted(chapter.inputs)}


def _content(book: Book, profile: str, name: str, digests: Digests) -> str | None:
    now = digests.of(book.artefact(profile, name))
    then = read_record(book, book.artefacts[name].made_by, profile) or {"made": {}}
    as_noted = now is not None and then["made"].get(name) == now
    return then.get("content", {}).get(name, now) if as_noted else now


def places(book: Book, chapter: Chapter, profile: str) -> dict[str, Path | Stored]:
    """Return where all stands that a chapter makes: artefacts by name, labels beside them by file, and its ``page``."""
    found = {name: book.artefact(profile, name) for name in sorted(chapter.writes)}
    beside = [sidecar(Path(each.name)).name for each in found.values() if each.suffix not in INSIDE]
    found |= {file: workspace.place(book.outputs, profile, chapter.stem, file) for file in beside}
    return found | {"page": book.executed(profile, chapter.stem)}


def outputs(book: Book, chapter: Chapter, profile: str, digests: Digests) -> dict[str, str | None]:
    """Return the hashes of what a chapter makes, see `places`."""
    return {name: digests.of(place) for name, place in places(book, chapter, profile).items()}


def write_record(book: Book, chapter: Chapter, profile: str, source: dict, outputs: dict, about: dict) -> None:
    """Write down, in one step, what a chapter was made from and what it made in a folder.

    ``about`` has its ``label``; under ``content`` the hash of what it made from before that was labelled; and under
    ``files`` the note of each thing that it made. What is under `SEAL` tells whether the record itself is whole.
    """
    content = {"made_from": source, "made": outputs, **about}
    with writing(book.state(profile) / f"{chapter.stem}.json") as aside:
        aside.write_text(json.dumps(content | {SEAL: _seal(content)}, indent=1), encoding="utf-8")


def _seal(content: dict[str, Any]) -> str:
    """Return the hash of a record without its notes of files, which a notebook opened by hand may add to."""
    return of_value(json.loads(json.dumps({k: v for k, v in content.items() if k not in (FILES, SEAL)})))


def read_record(book: Book, stem: str, profile: str) -> dict[str, dict] | None:
    """Return what `write_record` wrote, or None where there is nothing of the kind, or it is damaged."""
    there, record = book.store(profile), book.state(profile) / f"{stem}.json"
    content = there.pointer(stem) if there else integrity.json_object(record)
    parts = {"made_from", "made"} if there else {"made_from", "made", FILES}
    whole = parts <= set(content) and _is_record(content) and (SEAL not in content or content[SEAL] == _seal(content))
    return content if whole else None


def _is_record(content: dict[str, Any]) -> bool:
    parts = [content.get(key, {}) for key in ("made_from", "made", "content", "label", FILES)]
    if not all(isinstance(part, dict) for part in parts):
        return False
    made_from, label = parts[0], parts[3]
    is_label = not label or {"profile", "world"} <= set(label) <= set(Label.__dataclass_fields__)
    are_notes = all(map(integrity.is_note, parts[-1].values()))
    inner = [*(made_from.get(kind, {}) for kind in WORDS), label.get("changed") or {}]
    return is_label and are_notes and all(isinstance(part, dict) for part in inner)


def changes(then: dict[str, dict] | None, source: dict, outputs: dict) -> str | None:
    """Say in a few words why a chapter is stale, None when it is fresh: `read_record`'s, against what is now."""
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
    changes += [
        f"the note of {name} was altered"
        for name, was in then["made"].items()
        if FILES in then and outputs.get(name) == was and not _is_of(then[FILES].get(name), was)
    ]
    return "; ".join(change for change in changes if change) or None


def _is_of(note: dict[str, integrity.Mark] | None, was: str | None) -> bool:
    """Say whether a note is of what has this hash, see `Digests.of`."""
    if not note:
        return note is not None and was in (None, of_value([]))
    return was == (note[""][-1] if "" in note else of_value([[name, mark[-1]] for name, mark in note.items()]))


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


def difference(book: Book, profile: str, name: str, maker: str, digests: Digests) -> str | None:
    """Say in a few words how an artefact differs from what its maker, a chapter's stem, noted; None: it does not."""
    path = book.artefact(profile, name)
    was = (read_record(book, maker, profile) or {"made": {}})["made"].get(name)
    now = digests.of(path)
    if was == now:
        return None
    if now is None:
        return "nothing"
    if was is None:
        return "one that no run of it has noted"
    return "files in it altered, lost or added" if path.is_dir() else "it altered"


def altered(book: Book, chapter: Chapter, profile: str) -> Iterator[str]:
    """Yield a line for each file of what a chapter made that isn't as noted, having read all that they hold.

    In a store the checksums that it keeps are compared. A file that is found another gets the time of now, so that who
    reads it, and the next run, looks into it, too.
    """
    record = read_record(book, chapter.stem, profile)
    if record is None and book.store(profile):
        return
    # of what was made in a notebook opened by hand, the notes of files are there alone
    path = book.state(profile) / f"{chapter.stem}.json"
    noted = record or integrity.json_object(path)
    if record is None and "made_from" in noted:
        yield f"{path}: expected the record of a run as it was written, found another"
    notes = noted.get(FILES) if isinstance(noted.get(FILES), dict) else {}
    for name, place in places(book, chapter, profile).items():
        note = notes.get(name)
        if isinstance(place, Stored):
            if (now := place.digest()) != record["made"].get(name):
                yield f"{place}: expected the content that was noted, found {'another' if now else 'nothing'}"
            continue
        if not integrity.is_note(note):
            if place.exists():
                yield f"{place}: expected a note of what it was when it was made, found none that can be read"
            continue
        for file, wrong in integrity.differences(place, note, whole=True):
            with contextlib.suppress(OSError):
                os.utime(place / file)
            yield f"{place / file}: {wrong}"


def clear_leftovers(*folders: Path) -> None:
    """Remove what a killed run left aside in folders: half-written things, and old ones that were being replaced."""
    for path in (path for folder in folders for kind in ("part", "old") for path in folder.glob(f".*.{kind}")):
        # a process that outlives its runner for a moment may still be writing there: the next run clears the rest
        with contextlib.suppress(OSError):
            remove(path)
