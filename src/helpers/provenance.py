"""What a file that leaves the book says of itself: profile, planet, chapter, seed, commit and its date.

A label stands in the attributes of NetCDF and Zarr, in the texts of a PNG, and beside whatever has no place for it:
``table1.csv-metadata.json`` after a table, in the W3C's vocabulary for CSV on the web, which gives each column's type
too, and ``models-metadata.json`` after a folder. It goes there when all else is made, and is left out of comparisons
and of what chapters are made from, so that a new commit alone changes nothing. Its date is the commit's.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import zlib
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
import netCDF4
import pandas as pd
from fsspec.implementations.local import LocalFileSystem

MADE, REAL = "Demo Earth: a made planet", "real data"
EXAMPLE = "a made table of towers"
"""What the book ships as an example of a table of one's own."""
UNKNOWN = "unknown"

ADDED = ("source", "history", "profile", "chapter", "seed", "changed_parameters", "commit", "commit_date")
"""Attributes of a label, the title apart: a Dataset that is read comes without them, or what is made from it would say
that it is made as this was."""

CODE = ("src", "notebooks", "data", "requirements.txt")
"""What a run's numbers hang on: a change here since the commit is told."""


@dataclass(frozen=True)
class Label:
    """What is known of the run that made something.

    Parameters
    ----------
    profile, description : str
        The profile, and what its file says it is; no description where a notebook is run by hand.
    world : str
        `MADE`, `REAL`, `EXAMPLE`, or what ``chapters.yml`` says that a chapter is of whatever the profile.
    chapter : str
        Stem of the chapter; empty for what is of the whole book.
    seed : int or None
    changed : dict or None
        Parameters that are not the notebooks' own, such as ``01.resolution``, of the chapter and of all that it hangs
        on; None where nobody knows.
    commit, date : str
        `commit`'s.
    """

    profile: str
    world: str
    chapter: str = ""
    description: str = ""
    seed: int | None = None
    changed: dict[str, Any] | None = field(default=None, hash=False)
    commit: str = UNKNOWN
    date: str = UNKNOWN

    def noted(self) -> dict[str, Any]:
        """Return it as plain values, for JSON; ``Label(**noted)`` is the same label."""
        return asdict(self)

    def attributes(self) -> dict[str, Any]:
        """Return it as attributes of a file, with CF's ``source`` and ``history``."""
        profile = self.profile and f"profile {self.profile}" + (f" ({self.description})" if self.description else "")
        made_by = f"chapter {self.chapter}" if self.chapter else "the book"
        told = {
            "source": "; ".join(filter(None, (self.world, profile, "executable rebuilding of Yu et al. (2021)"))),
            "history": f"{self.date} {made_by}, commit {self.commit}",
            "profile": self.profile,
            "chapter": self.chapter,
            "seed": self.seed,
            "changed_parameters": None if self.changed is None else json.dumps(self.changed, ensure_ascii=False),
            "commit": self.commit,
            "commit_date": self.date,
        }
        return {name: value for name, value in told.items() if value not in (None, "")}


@lru_cache
def commit(root: Path) -> tuple[str, str]:
    """Return the commit of a checkout, and its date in UTC; both `UNKNOWN` where git or its folder is not there.

    Where files of `CODE` differ from it, the commit says so.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, env=plain, check=True)
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():  # a copy within another's checkout
            return UNKNOWN, UNKNOWN
        name, seconds = git("log", "-1", "--format=%H %ct").split()
        changed = git("--no-optional-locks", "status", "--porcelain", "--", *CODE)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return UNKNOWN, UNKNOWN
    return name + " with changes" * bool(changed), f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def sidecar(path: Path) -> Path:
    """Return where the label of a table or folder stands."""
    return path.with_name(f"{path.name}-metadata.json")


Columns = Mapping[str, tuple[str, str | None]]

INSIDE = (".nc", ".zarr")
"""Kinds of files that hold their label; that of others stands beside them."""


def put(
    label: Label, title: str, place: Path | MutableMapping[str, bytes], file: str, columns: Columns | None = None
) -> Path | None:
    """Write a label into a file, or beside it; return what stands beside it.

    Parameters
    ----------
    label : Label
    title : str
        What the file holds; a Dataset's own title stays.
    place : Path or mutable mapping
        A file or folder; of Zarr also what maps its keys to bytes.
    file : str
        Its name once it is in place, which says what kind it is.
    columns : mapping, optional
        By the name of a table's column what it holds, and its unit or None.
    """
    match Path(file).suffix:
        case ".nc":
            with netCDF4.Dataset(place, "a") as dataset:
                dataset.setncatts(label.attributes() | {"title": getattr(dataset, "title", title)})
        case ".zarr":
            _into_zarr(label.attributes(), title, place)
        case suffix:
            told = (
                described(label, title, place, file, columns or {})
                if suffix == ".csv"
                else {"title": title} | label.attributes()
            )
            beside = sidecar(place.with_name(file))
            beside.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            return beside
    return None


def _into_zarr(attributes: dict[str, Any], title: str, place: Path | MutableMapping[str, bytes]) -> None:
    """Write attributes of a store of format 2 into its root, and into the copy of it that its readers go by."""
    store = fsspec.FSMap(str(place), LocalFileSystem()) if isinstance(place, Path) else place
    own = {"title": title} | json.loads(store.get(".zattrs", b"{}")) | attributes
    store[".zattrs"] = json.dumps(own, indent=4, ensure_ascii=False).encode()
    if ".zmetadata" in store:
        whole = json.loads(store[".zmetadata"])
        whole["metadata"][".zattrs"] = own
        store[".zmetadata"] = json.dumps(whole, indent=4, ensure_ascii=False).encode()


TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
"""Names of kinds of numbers in the vocabulary of CSV on the web; anything else is a string."""


def described(label: Label, title: str, path: Path, file: str, known: Columns) -> dict[str, Any]:
    """Describe a table as the W3C's *Metadata Vocabulary for Tabular Data* does (https://www.w3.org/TR/tabular-metadata)."""
    try:
        kinds = pd.read_csv(path).dtypes
    except pd.errors.EmptyDataError:  # a table without a column
        kinds = {}
    columns = []
    for name, kind in kinds.items():
        words, unit = known.get(str(name)) or known.get("*", (None, None))
        about = {"titles": str(name), "datatype": TYPES.get(kind.kind, "string")}
        about |= {"dc:description": words, "schema:unitText": unit}
        columns.append({key: value for key, value in about.items() if value is not None})
    return {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": file,
        "dc:title": title,
        "dc:source": label.attributes()["source"],
        "dc:provenance": label.attributes()["history"],
        "notes": [label.attributes()],
        "tableSchema": {"columns": columns},
    }


def without(attributes: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Return the attributes of a Dataset as its chapter gave them, where ``title`` is what a label would add."""
    return {
        name: value
        for name, value in attributes.items()
        if name not in ADDED and not (name == "title" and value == title)
    }


START = b"\x89PNG\r\n\x1a\n"


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and whole bytes of each chunk of a PNG."""
    at, found = len(START), []
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        found.append((png[at + 4 : at + 8], png[at : at + 12 + size]))
        at += 12 + size
    return found


def in_png(png: bytes, texts: Mapping[str, str]) -> bytes:
    """Return a PNG with texts (iTXt, UTF-8) in place of those that it had; whatever else it is comes as it came."""
    made = []
    for name, text in texts.items():
        body = b"iTXt" + name.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
        made.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    head, *rest = drawn(png)
    return START + head + b"".join(made) + b"".join(rest)


def drawn(png: bytes) -> list[bytes]:
    """Return the chunks of a PNG without its texts: what two images that look alike have in common."""
    if not png.startswith(START):
        raise ValueError("expected a PNG, found other bytes")
    return [whole for kind, whole in _chunks(png) if kind not in (b"tEXt", b"iTXt", b"zTXt", b"tIME")]


def of_image(label: Label, title: str) -> dict[str, str]:
    """Return a label as the texts of an image, under the PNG specification's keywords."""
    told = label.attributes()
    return {"Title": title, "Source": told.pop("source"), "Description": told.pop("history")} | {
        name: str(value) for name, value in told.items()
    }
