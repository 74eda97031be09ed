"""The unfinished file beside its target, and the note that says what it is a part of.

A download grows in ``<name>.part``. Beside it lies ``<name>.part.json`` with the address, the size and the *validator*
(the server's ETag or date of the file): by it the server can tell, when asked for the rest, whether the file is still
the one that the part belongs to (RFC 9110, sections 8.8 and 13.1.5). A part without a validator is never gone on with.
"""

from __future__ import annotations

import json
from pathlib import Path

import requests

from helpers.workspace import remove, writing


class Part:
    """The unfinished file of a target.

    Parameters
    ----------
    target : Path
        What the file is called when it is whole.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def offer(self, url: str) -> tuple[int, str]:
        """Return how many bytes of ``url`` are there, and their validator; zero where they are not to be trusted."""
        note = self._read()
        if note.get("url") != url or not note.get("validator"):
            return 0, ""
        whole = note.get("size")
        return (self.size, note["validator"]) if whole is None or self.size <= whole else (0, "")

    def whole(self) -> int | None:
        """Return the size that the whole file is to have, None where the server did not tell."""
        return self._read().get("size")

    def begin(self, url: str, validator: str, size: int | None) -> None:
        """Start over: note what comes, then empty the part."""
        remove(self.path)
        with writing(self._note) as new:
            new.write_text(json.dumps({"url": url, "validator": validator, "size": size}), encoding="utf-8")
        self.path.touch()

    def drop(self) -> None:
        """Throw everything away."""
        remove(self.path)
        remove(self._note)

    def forget(self) -> None:
        """Remove the note of a part that has become a file."""
        remove(self._note)

    def _read(self) -> dict:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return {}
        return note if isinstance(note, dict) else {}


def validator_of(answer: requests.Response) -> str:
    """Return what identifies this state of a file: a strong ETag, else the date of its last change, else nothing."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
