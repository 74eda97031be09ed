"""Checksums of what was fetched, in ``checksums.json`` of the folder of products.

Where a publisher gives no checksum, the first download is what later ones are compared with. The file maps
``<product>/<name>`` to the file's SHA-256, its size in bytes, the address that it came from (without any query) and
the version that was asked for.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pooch
from filelock import FileLock

from helpers.fetch.addresses import shown
from helpers.fetch.errors import FetchError, writing_to
from helpers.workspace import writing

NAME = "checksums.json"
EVERY = 5.0
"""Seconds between two savings while files come in; what a kill loses is hashed anew."""


class Record:
    """The checksums of one folder of products.

    Parameters
    ----------
    folder : Path
        Folder with one sub-folder a product id.
    product_id : str
        Product whose files it is asked about.

    Raises
    ------
    FetchError
        ``checksums.json`` is there and cannot be read.
    """

    def __init__(self, folder: Path, product_id: str) -> None:
        self.folder, self.product_id = folder, product_id
        self._known = self._load()
        self._new: dict[str, dict] = {}
        self._saved = time.monotonic()

    def _key(self, name: str) -> str:
        return f"{self.product_id}/{name}"

    def _load(self) -> dict[str, dict]:
        path = self.folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (json.JSONDecodeError, UnicodeDecodeError):
            content = None
        if not isinstance(content, dict) or not all(isinstance(e, dict) and "sha256" in e for e in content.values()):
            raise FetchError(f"{path}: expected checksums as JSON, cannot read it; move it away and run the same again")
        return content

    def get(self, name: str) -> dict:
        """Return what is known of a file; empty where nothing is."""
        return self._known.get(self._key(name), {})

    def names(self) -> list[str]:
        """List the product's recorded files, sorted."""
        start = f"{self.product_id}/"
        return sorted(key.removeprefix(start) for key in self._known if key.startswith(start))

    def add(self, name: str, url: str, version: str = "") -> None:
        """Hash a file that has come, and note it."""
        path = self.folder / self.product_id / name
        entry = {"sha256": pooch.file_hash(path), "bytes": path.stat().st_size, "url": shown(url), "version": version}
        self._known[self._key(name)] = self._new[self._key(name)] = entry
        if time.monotonic() - self._saved > EVERY:
            self.save()

    def save(self) -> None:
        """Put what is new into the file, together with what others have put there meanwhile."""
        if not self._new:
            return
        path = self.folder / NAME
        with writing_to(path), FileLock(self.folder / f".{NAME}.lock"):
            content = self._load() | self._new
            with writing(path) as new:
                new.write_text(json.dumps(dict(sorted(content.items())), indent=1) + "\n", encoding="utf-8")
        self._new, self._saved = {}, time.monotonic()

    def check(self, name: str) -> str:
        """Compare a recorded file with its checksum; return what is wrong in one line, empty where nothing is."""
        path, entry = self.folder / self.product_id / name, self.get(name)
        if not path.is_file():
            return f"{path}: expected the file that checksums.json lists, found none; fetch {self.product_id} again"
        found = pooch.file_hash(path)
        if found != entry["sha256"]:
            return (
                f"{path}: expected SHA-256 {entry['sha256']}, found {found}; it has changed since it was fetched, so "
                f"remove it and fetch {self.product_id} again"
            )
        return ""
