"""Artefacts of a profile in an object store, by fsspec: versions that never change, and one pointer a chapter.

An object store knows no rename, so no key is written over but the pointers. What one run of a chapter makes goes under
keys of its own, a version; the chapter's pointer, one object that is put last, names them and says what they were made
from, so that whoever reads finds all of the old state or all of the new one. Zarr goes straight into its version while
the chapter runs, since tens of GB need not lie on this machine's disk as well and the workers of a cluster read and
write their own rows; NetCDF, tables and folders, whose libraries want a file to seek in, go through a copy on this
machine.

::

    s3://bucket/prefix/demo/05_global_mapping.json                   the pointer
    s3://bucket/prefix/demo/05_global_mapping/VERSION/reco.zarr/…    what it names
    s3://bucket/prefix/demo/lease.json                               which run, of which machine, is at work

A run that is killed leaves versions that no pointer names. The next one clears them, and those that were replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath

import fsspec
import pooch

LIFE, RENEWED = 600, 60
"""Seconds after which a lease that was not renewed is that of a dead run; and between two renewals."""

PATIENCE = 20
"""Seconds that a store has to answer before anything runs."""

MADE = re.compile(r"\d{8}T\d{6}-(\w+)-[0-9a-f]{8}")
"""What `new_version` returns; nothing else is ever cleared."""

HAND, DAY, WEEK = "hand", timedelta(days=1), timedelta(days=7)
"""A version that a notebook opened by hand makes has this in its name, and counts as left behind after a day; a copy
on this machine goes when nobody has used it for a week."""


class StoreError(OSError):
    """A store does not do what it was asked to; the message is one line that says what to do."""


def is_address(place: Path | str) -> bool:
    """Say whether a place is an address of a store, such as ``s3://bucket/prefix``, and no path."""
    return "://" in str(place) and not str(place).startswith("file://")


def shown(address: str) -> str:
    """Return an address without what may be secret in it: a user with a password, and a query.

    >>> shown("ftp://me:word@host/folder?token=1")
    'ftp://host/folder'
    """
    return re.sub(r"//[^/@]*@", "//", address).split("?")[0]


def cache() -> Path:
    """Return the folder of this machine for what is copied from stores, or waits: ``RECO_CACHE``, or the user's."""
    return Path(os.environ.get("RECO_CACHE") or pooch.os_cache("reco-book")).absolute()


@lru_cache
def at(address: str, profile: str) -> Store:
    """Return the store of a profile's artefacts below an address: one object a process, which may hold the lease."""
    return Store(address, profile)


def _way_out(error: Exception) -> str:
    """Say what is wrong, and what to do, in a few words without a secret."""
    kind, text = type(error).__name__, " ".join(str(error).split())
    match error:
        case PermissionError():
            return f"no permission ({text:.120}); correct the credentials, or ask its owner to let you list, read, " \
                   "write and delete there"  # fmt: skip
        case FileNotFoundError():
            return "expected a bucket, found none; make it, or correct RECO_OUTPUTS"
        case ImportError():
            return f"a package is missing ({text:.120}); install it, or correct RECO_OUTPUTS"
        case ValueError() if "rotocol" in text:
            known = "one that fsspec knows, such as s3://, gs:// or az://"
            return f"expected {known}, found {text.rpartition(' ')[2]:.40}; correct RECO_OUTPUTS"
    if "Credential" in kind or "Token" in kind:
        return f"no credentials ({text:.120}); give them as the store's own tools want them, for S3 as " \
               "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or in a profile of ~/.aws"  # fmt: skip
    if isinstance(error, TimeoutError | ConnectionError) or re.search("Connect|Timeout|Endpoint|HTTPClient", kind):
        return f"no answer ({kind}); look at the network, and at the address of the store, for S3 AWS_ENDPOINT_URL"
    return f"{kind}: {text:.200}; mend that, or correct RECO_OUTPUTS"


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn whatever a store's package raises into one line; each has errors of its own, and few are of one kind."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"{shown(address)}: {_way_out(error)}") from error


class Store:
    """What stands of one profile in an object store.

    Parameters
    ----------
    address : str
        Of all profiles, as fsspec reads it. Credentials and endpoint come from the store's own variables and files.
    profile : str

    Raises
    ------
    StoreError
        Nobody here knows how to speak to such a store.
    """

    def __init__(self, address: str, profile: str) -> None:
        address = address.rstrip("/")
        self.address = f"{address}/{profile}"
        with _told(self.address):
            # what other machines do must be seen at once
            self.fs, self.root = fsspec.core.url_to_fs(self.address, use_listings_cache=False)
        mark = hashlib.sha256(address.encode()).hexdigest()[:12]
        self.folder = cache() / f"{re.sub(r'[^A-Za-z0-9]+', '-', shown(address))[:60]}-{mark}" / profile
        self._lease = self.root + "/lease.json"
        self._run = ""

    def _bucket_is_there(self) -> bool:
        return "memory" in self.fs.protocol or self.fs.exists(self.root.split("/")[0])

    def check(self) -> None:
        """Raise StoreError unless the store answers: within seconds, and before anything runs."""
        answer: queue.Queue[Exception | None] = queue.Queue()

        def ask() -> None:
            try:
                with suppress(FileNotFoundError):
                    self.fs.ls(self.root)
                answer.put(None if self._bucket_is_there() else FileNotFoundError())
            except Exception as error:  # noqa: BLE001 (it is raised by who waits)
                answer.put(error)

        threading.Thread(target=ask, daemon=True).start()
        with _told(self.address):
            try:
                found = answer.get(timeout=PATIENCE)
            except queue.Empty:
                found = TimeoutError()
            if found:
                raise found

    def pointer(self, stem: str) -> dict:
        """Return what a chapter's pointer says, or nothing where there is none that can be read.

        ``stands`` has a version by file; ``made_from`` and ``made`` are the runner's, see `helpers.run.staleness`.
        """
        with _told(self.address):
            try:
                content = json.loads(self.fs.cat_file(f"{self.root}/{stem}.json"))
            except FileNotFoundError:
                if not self._bucket_is_there():
                    raise
                return {}
            except (ValueError, RecursionError):
                return {}
        ours = isinstance(content, dict) and all(isinstance(content.get(key, {}), dict) for key in ("stands", "made"))
        return content if ours else {}

    def point(self, stem: str, content: dict) -> None:
        """Put a chapter's pointer: from now on what it names is what the chapter made.

        Raises StoreError where another run has taken the lease of this one over.
        """
        with _told(self.address):
            if self._run and not self._is_mine():
                raise StoreError(
                    f"{shown(self.address)}: expected this run to have the profile for itself, found another that took "
                    f"it over; nothing of {stem} is kept, wait until the other ends and run this again"
                )
            self.fs.pipe_file(f"{self.root}/{stem}.json", json.dumps(content, indent=1).encode())

    def name(self, stem: str, file: str, version: str | None) -> None:
        """Let a chapter's pointer name another version of one file, or none, as a notebook opened by hand does."""
        then = self.pointer(stem)
        stands = {**then.get("stands", {}), file: version}
        self.point(stem, then | {"stands": {file: version for file, version in stands.items() if version}})

    def stored(self, stem: str, file: str) -> Stored:
        """Return what stands of a chapter's file now, by one look at the pointer."""
        return Stored(self, stem, file, self.pointer(stem).get("stands", {}).get(file))

    def put(self, stem: str, version: str, file: str, here: Path) -> Stored:
        """Put a file or folder of this machine into a version; it is moved to where its copy is looked for.

        A zarr store, of which ``here`` is only a mark, stands there already.
        """
        made = Stored(self, stem, file, version)
        if made.suffix != ".zarr":
            paths = [path for path in [here, *here.rglob("*")] if path.is_file()]
            names = [path.relative_to(here).as_posix() for path in paths]
            keys = [made.key if name == "." else f"{made.key}/{name}" for name in names]
            with _told(self.address):
                if keys:
                    self.fs.put([str(path) for path in paths], keys)
                made.keep(here)
        return made

    @contextmanager
    def writing(self, stem: str, version: str, file: str) -> Iterator[Path | fsspec.FSMap]:
        """Yield what to write an artefact to; when the block ends well it stands in a version that nobody names yet.

        That is the store itself for zarr, an FSMap, and else a path on this machine.
        """
        target = Stored(self, stem, file, version)
        aside = self.folder / f".{file}.{uuid.uuid4().hex[:8]}.part"
        target.remove()
        try:
            if target.suffix == ".zarr":
                yield target.zarr()
            else:
                aside.parent.mkdir(parents=True, exist_ok=True)
                yield aside
                self.put(stem, version, file, aside)
        except BaseException:
            with suppress(OSError):  # it is told already what is wrong, and the next run clears the rest
                target.remove()
            raise
        finally:
            _remove(aside)

    def clear(self) -> None:
        """Remove what dead runs left behind; for whoever holds the lease, so that no run but its own is alive.

        A version that no pointer names goes, one made by hand a day after; and so do copies that nobody used for long.
        """
        with _told(self.address):
            try:
                here = self.fs.ls(self.root, detail=True)
            except FileNotFoundError:
                here = []
            for chapter in (entry["name"].rstrip("/") for entry in here if entry["type"] == "directory"):
                named = {*self.pointer(PurePosixPath(chapter).name).get("stands", {}).values()}
                for entry in self.fs.ls(chapter, detail=True):
                    version = PurePosixPath(entry["name"].rstrip("/")).name
                    kind = MADE.fullmatch(version)
                    young = kind and kind[1] == HAND and version > new_version("", ago=DAY)
                    if kind and not young and version not in named:
                        self.fs.rm(entry["name"], recursive=True)
        copies = self.folder / "copies"
        for copy in copies.iterdir() if copies.is_dir() else ():
            if time.time() - copy.stat().st_mtime > WEEK.total_seconds():
                _remove(copy)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold a profile for one run among all machines; whoever calls this holds its lock on this machine.

        The lease is put on the condition that none is there, and renewed while the block runs. One that an ended run of
        this machine left is taken over at once, another's when it has not been renewed for `LIFE`, by this machine's
        clock. Where a store knows no such condition (S3 does), or two take over the same lease in the same second, both
        may begin; the one that finds itself replaced ends before its next pointer.

        Raises StoreError where another machine has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        mine, place = uuid.uuid4().hex, self.folder / "place"
        if not place.exists():
            place.write_text(uuid.uuid4().hex)
        who = {"run": mine, "machine": socket.gethostname(), "process": os.getpid(), "place": place.read_text()}
        with _told(self.address):
            self._take(who)
        self._run, ended = mine, threading.Event()

        def renew() -> None:
            while not ended.wait(RENEWED):
                with suppress(Exception):  # the next renewal tries again, and `point` looks whose it is
                    if self._is_mine():
                        self.fs.pipe_file(self._lease, json.dumps(who).encode())

        renewing = threading.Thread(target=renew, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            with suppress(Exception):  # a lease that stays is taken over
                if self._is_mine():
                    self.fs.rm_file(self._lease)
            self._run = ""

    def _holder(self) -> dict:
        with suppress(FileNotFoundError, ValueError, RecursionError):
            content = json.loads(self.fs.cat_file(self._lease))
            return content if isinstance(content, dict) and {"machine", "process", "place"} <= set(content) else {}
        return {}

    def _is_mine(self) -> bool:
        return self._holder().get("run") == self._run

    def _take(self, who: dict) -> None:
        while True:
            try:
                return self.fs.pipe_file(self._lease, json.dumps(who).encode(), mode="create")
            except FileExistsError:
                holder = self._holder()
                with suppress(FileNotFoundError):
                    age = (datetime.now(UTC) - self.fs.modified(self._lease).astimezone(UTC)).total_seconds()
                    if holder and holder["place"] != who["place"] and age < LIFE:
                        raise StoreError(
                            f"{shown(self.address)}: {holder['machine']} (process {holder['process']}) is running this "
                            f"profile, last seen {max(age, 0):.0f} s ago; wait until it ends, or stop it and wait "
                            f"{LIFE // 60} minutes"
                        ) from None
                    self.fs.rm_file(self._lease)


def new_version(kind: str, ago: timedelta = timedelta(0)) -> str:
    """Return a name for a version, never given before: the time, what makes it, and some chance."""
    return f"{datetime.now(UTC) - ago:%Y%m%dT%H%M%S}-{kind}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Stored:
    """One artefact of a store as it stands at one moment, with as much of a path's manners as the book asks for.

    Parameters
    ----------
    store : Store
    stem : str
        The chapter that makes it.
    file : str
        ``.zarr`` and no suffix mean many objects below one key, anything else a single one.
    version : str or None
        None where there is nothing.
    """

    store: Store
    stem: str
    file: str
    version: str | None

    def __str__(self) -> str:
        return f"{shown(self.store.address)}/{self.stem}/{self.version or '(none)'}/{self.file}"

    @property
    def name(self) -> str:
        """As of a path."""
        return self.file

    @property
    def suffix(self) -> str:
        """As of a path."""
        return PurePosixPath(self.file).suffix

    @property
    def key(self) -> str:
        """Where it stands, as the store's file system says it."""
        return f"{self.store.root}/{self.stem}/{self.version}/{self.file}"

    def exists(self) -> bool:
        """Say whether the pointer named it."""
        return self.version is not None

    def is_dir(self) -> bool:
        """Say whether it is of many objects."""
        return self.suffix in ("", ".zarr")

    def _objects(self) -> dict[str, dict]:
        """Return what the store says of each object, by its name below this one's key.

        Raises StoreError for a name that would lead a copy out of its folder: whoever may write there may be anybody.
        """
        with _told(self.store.address):
            found = self.store.fs.find(self.key, detail=True)
        objects = {key[len(self.key) :].lstrip("/"): about for key, about in sorted(found.items())}
        for name in objects:
            if {"", ".", ".."} & {*name.split("/")[name == "" :]} or "\\" in name or ":" in name:
                raise StoreError(f"{self}: expected names of plain files, found {name!r}; delete that object")
        return objects

    def names(self) -> list[str]:
        """Return the names of its objects below its key."""
        return [*self._objects()]

    def size(self) -> int:
        """Return its size in bytes."""
        return sum(about["size"] for about in self._objects().values()) if self.exists() else 0

    def digest(self) -> str | None:
        """Return a hash of the names, sizes and checksums (etags) of its objects; None where there is nothing.

        Nothing is downloaded, but where the store keeps no checksum.
        """
        found = self._objects() if self.exists() else {}
        return None if not found and not (self.exists() and self.is_dir()) else self._digest(found)

    def _digest(self, objects: dict[str, dict]) -> str:
        marks = []
        for name, about in objects.items():
            mark = about.get("ETag") or about.get("md5Hash") or about.get("etag")
            mark = mark or hashlib.md5(self.store.fs.cat_file(about["name"]), usedforsecurity=False).hexdigest()
            marks.append([name, about["size"], str(mark)])
        return hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:32]

    def zarr(self) -> fsspec.FSMap:
        """Return what xarray and zarr open, read chunk by chunk, and write to."""
        return fsspec.FSMap(self.key, self.store.fs)

    def _copy(self, objects: dict[str, dict]) -> Path:
        return self.store.folder / "copies" / self._digest(objects) / self.file

    def keep(self, here: Path) -> None:
        """Move what was put from this machine to where its copy is looked for."""
        _place(here, self._copy(self._objects()))

    def local(self) -> Path:
        """Return a copy on this machine, to read from only; it is kept, by content, and not fetched again."""
        objects = self._objects()
        target = self._copy(objects)
        if not target.exists():
            new = target.with_name(f".{self.file}.{uuid.uuid4().hex[:8]}.part")
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                if self.is_dir():
                    new.mkdir()
                paths = [new.joinpath(*name.split("/")) if name else new for name in objects]
                for path in paths:
                    path.parent.mkdir(parents=True, exist_ok=True)
                with _told(self.store.address):
                    if paths:
                        self.store.fs.get([about["name"] for about in objects.values()], [str(p) for p in paths])
                _place(new, target)
            finally:
                _remove(new)
        os.utime(target.parent)
        return target

    def remove(self) -> None:
        """Remove its objects, of a version that no pointer names."""
        with _told(self.store.address):
            if keys := self.store.fs.find(self.key):
                self.store.fs.rm(keys)


def _place(new: Path, target: Path) -> None:
    """Move a copy in place, unless another process has just made the same one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        new.rename(target)
    except OSError:
        if not target.exists():
            raise
        _remove(new)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def local(place: Path | Stored) -> Path:
    """Return a path on this machine, to read from: the place itself, or a copy of what is in a store."""
    return place.local() if isinstance(place, Stored) else place
