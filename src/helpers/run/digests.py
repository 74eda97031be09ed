"""What a file or a folder holds, as one hash; unchanged files are not read twice.

A file counts as unchanged while its size, inode and time of change are. Files over `LARGE` bytes (whole products at
0.05° are) are known by their size, time of change, and first and last mebibyte instead of all they hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from helpers.workspace import writing

LARGE = 2**28
END = 2**20


def of_text(text: str) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def of_value(value: Any) -> str:
    """Return the hash of a plain value: numbers, text, lists, dicts."""
    return of_text(json.dumps(value, sort_keys=True, default=repr))


class Digests:
    """Hashes of files and folders, remembered from run to run.

    Parameters
    ----------
    cache : Path, optional
        JSON file that remembers them. A damaged one is as good as none.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        try:
            self.known = json.loads(cache.read_text()) if cache else {}
        except (OSError, ValueError):
            self.known = {}

    def of(self, path: Path) -> str | None:
        """Return the hash of a file, or of all files of a folder with their names; None where there is nothing."""
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            return of_value([[p.relative_to(path).as_posix(), self._file(p)] for p in files])
        return self._file(path) if path.is_file() else None

    def _file(self, path: Path) -> str:
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self.known.get(str(path))
        if not known or known[:3] != mark:
            known = [*mark, _hash(path, status)]
        self.known[str(path)] = known
        return known[3]

    def save(self) -> None:
        """Write what is known of files that are still there to the cache."""
        if self.cache:
            with writing(self.cache) as aside:
                aside.write_text(json.dumps({path: mark for path, mark in self.known.items() if Path(path).exists()}))


def _hash(path: Path, status: os.stat_result) -> str:
    with path.open("rb") as file:
        if status.st_size <= LARGE:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
        digest.update(file.read(END))
        file.seek(-END, os.SEEK_END)
        digest.update(file.read(END))
    return digest.hexdigest()[:32]
