"""What each file of an artefact was when it was put in place, and whether it still is.

A note has a line a file: size, time of content, time of change, inode, and the SHA-256 of all that it holds. A look at
an artefact compares the first four, and reads content only where they differ, as in a copy or after a ``touch``. The
time of change is the system's own: who writes to a file and sets its time back leaves another one.

>>> folder = getfixture("tmp_path")
>>> (folder / "a.txt").write_text("one") and None
>>> note = noted(folder)
>>> (folder / "a.txt").write_text("two") and None
>>> list(differences(folder, note))
[('a.txt', 'expected the content that was noted, found another')]
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

Mark = list
"""Size (bytes), time of content and of change (ns), inode, and SHA-256 (hexadecimal, 32 digits) of one file."""

KEPT = 2**28
"""Notes of more bytes are none of ours."""


OF_DESKTOPS = re.compile(r"\.DS_Store|\._.+|Thumbs\.db|desktop\.ini")
"""Files that a desktop leaves in each folder that somebody looks into; they are part of nothing."""


class DamagedArtefact(OSError):
    """An artefact is there but isn't what was made, or can't be read; one line names it, and who makes it anew."""


def state_of(path: Path) -> list[int]:
    """Return size, time of content, time of change, and inode of a file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def hash_of(path: Path) -> str:
    """Return the hash of all that a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


@lru_cache(maxsize=2**16)
def _hash_in_state(path: Path, *state: int) -> str:
    """Return the hash of a file, read once by each process: of a copy each file's state is another than was noted."""
    return hash_of(path)


def files(path: Path) -> dict[str, Path]:
    """Return all files of a folder by their names in it, sorted; of a file itself, by an empty name."""
    if path.is_dir():
        found = (file for file in sorted(path.rglob("*")) if file.is_file() and not OF_DESKTOPS.fullmatch(file.name))
        return {file.relative_to(path).as_posix(): file for file in found}
    return {"": path} if path.is_file() else {}


def noted(path: Path) -> dict[str, Mark]:
    """Read all of a file or a folder; return its note."""
    return {name: [*state_of(file), hash_of(file)] for name, file in files(path).items()}


def differences(path: Path, note: dict[str, Mark], whole: bool = False) -> Iterator[tuple[str, str]]:
    """Yield name and what is wrong of each file that isn't as noted: lost, added, of another size, of other content.

    Content is read where size, times or inode differ; with ``whole`` in any case.
    """
    found = files(path)
    for name in sorted({*note, *found}):
        if name not in found:
            yield name, f"expected {note[name][0]} bytes as noted, found nothing"
            continue
        if name not in note:
            yield name, "expected no such file, found one that nobody noted"
            continue
        file, (*state, was) = found[name], note[name]
        now = state_of(file)
        if not whole and now == state:
            continue
        if (hash_of(file) if whole else _hash_in_state(file, *now)) == was:  # whatever size was noted
            continue
        if now[0] != state[0]:
            yield name, f"expected {state[0]} bytes as noted, found {now[0]}"
        else:
            yield name, "expected the content that was noted, found another"


def is_note(content: Any) -> bool:
    """Say whether something from a JSON file is a note: marks by plain names, or of one file by an empty name."""
    if not isinstance(content, dict) or not all(map(is_mark, content.values())):
        return False
    return set(content) <= {""} or all(map(_is_plain, content))


def _is_plain(name: str) -> bool:
    """Say whether a name stays within its folder, and is one that a file can have."""
    try:
        inside = not {"", ".", ".."} & set(name.split("/"))
        return inside and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def is_mark(content: Any) -> bool:
    """Say whether something from a JSON file is what a note holds of one file."""
    return isinstance(content, list) and [type(each) for each in content] == [int, int, int, int, str]


def json_object(path: Path) -> dict[str, Any]:
    """Return what a JSON file of ours holds; an empty dict where it is gone, or anything else than an object."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > KEPT:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_in(state: list[int], path: Path) -> bool:
    try:
        return state_of(path) == state
    except FileNotFoundError:  # which zarr would take for a chunk of fill values
        return False


class Held(WrapperStore[Store]):
    """A zarr store to read from, each of whose objects is the one that stood there when it was opened.

    Zarr itself takes a lost chunk for one of fill values. It reads chunks when they are asked for, so that, of a store
    that is replaced meanwhile, it would mix chunks of two versions.

    Parameters
    ----------
    store : zarr.abc.store.Store
    place : Path or str
        Where it is, for the message.
    standing : dict
        By key what is known of each object: a `Mark`, or less of one; empty where nothing is.
    remedy : str
        What to do when it isn't so any more.

    Raises
    ------
    DamagedArtefact
        When something is read: it is gone, or another.
    """

    def __init__(self, store: Store, place: Path | str, standing: dict[str, list], remedy: str) -> None:
        super().__init__(store)
        self.place, self.standing, self.remedy = place, standing, remedy

    def _with_store(self, store: Store) -> Held:
        return Held(store, self.place, self.standing, self.remedy)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return an object's bytes; None of one that wasn't there when the store was opened."""
        if key not in self.standing:
            return None
        value = await super().get(key, prototype, byte_range)  # of zarr's format 2 always the whole object
        state, was, found = self.standing[key][:4], self.standing[key][4:], ""
        if value is None:
            found = "nothing"
        elif was:
            found = "" if hashlib.sha256(value.as_buffer_like()).hexdigest()[:32] == was[0] else "another"
        elif state:
            found = "" if _is_in(state, Path(self.place, key)) else "another"
        if found:
            raise DamagedArtefact(
                f"{self.place}/{key}: expected what stood there when this was opened, found {found}; {self.remedy}"
            )
        return value
