"""Where the artefacts of a run live, and the only way in and out of them.

Chapters pass each other files, never variables. ``notebooks/chapters.yml`` declares each file: its name, which chapter
makes it, and which read it. This room knows how to write it so that a run killed at any moment leaves either the old
file or the new one, never half of one: in a folder by renaming, in an object store as `helpers.store` tells.

>>> artefacts()["reco"].made_by
'05_global_mapping'
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import shutil
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path

import fsspec
import pandas as pd
import xarray as xr
import yaml
from zarr.storage import FsspecStore, LocalStore

from helpers import integrity, provenance, store, strict
from helpers.integrity import DamagedArtefact, Held
from helpers.store import Stored

ROOT = Path(__file__).resolve().parents[2]
"""The repository: ``data/``, ``notebooks/`` and ``book/`` stand here."""

DATA = ROOT / "data"

HERE = "RECO_HERE"
"""Environment variable with the folders where a module of one's own is looked for; the runner sets it for kernels."""

LIBRARY = threading.RLock()
"""Held around open, read and close of every NetCDF and HDF4 file. The C libraries keep their state in global
variables: two threads within them read each other's files, or end the interpreter. xarray locks its reading of
values alone."""

ZARR = {"zarr_format": 2, "consolidated": True}
"""How Datasets go to zarr: every reader opens such a store without a warning. The specification of format 3 knows no
consolidated metadata, so it warns whoever writes them, and whoever reads a store without them."""


def outputs_root() -> Path | str:
    """Return what holds one workspace a profile: ``RECO_OUTPUTS``, else ``outputs/`` of the repository.

    It is a folder's path, or an address that fsspec reads, such as ``s3://bucket/prefix``.
    """
    given = os.environ.get("RECO_OUTPUTS") or str(ROOT / "outputs")
    if store.is_address(given):
        return given
    return Path(fsspec.core.strip_protocol(given) if given.startswith("file://") else given)


def place(root: Path | str, profile: str, stem: str, file: str) -> Path | Stored:
    """Return where a file that chapter ``stem`` makes stands or would stand."""
    return store.at(root, profile).stored(stem, file) if store.is_address(root) else root / profile / file


NOTES, FILES = ".state", "files"
"""Folder of a workspace with a record a chapter, and where in a record stands what was noted of artefacts' files."""

SETTLED = 0.2
"""Seconds between two looks at a thing that may just be put in place."""


class MissingArtefact(FileNotFoundError):
    """An artefact is not there yet; the message names the chapter that makes it."""


LINE = 2000
"""Letters that a message may have; what is in its middle goes first."""


def one_line(message: str) -> str:
    r"""Return a message in one line of printable letters, whatever stands in the names and values that it shows.

    >>> one_line("a\nb.yml: found \x1b[31m")
    'a\\nb.yml: found \\x1b[31m'
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    return text if len(text) <= LINE else f"{text[: LINE - 403]} … {text[-400:]}"


class UserError(Exception):
    """Something that the reader can put right; shown as one line, without a traceback."""

    def __init__(self, *message: str) -> None:
        super().__init__(*map(one_line, message))


class DiskFull(OSError, UserError):
    """There is no room for what is being written; one line names it."""


@dataclass(frozen=True)
class Artefact:
    """One thing that a chapter makes and others read.

    Parameters
    ----------
    file : str
        Name inside the workspace. ``.zarr`` and ``.nc`` hold Datasets, ``.csv`` a table; no suffix means a folder.
    made_by : str
        Stem of the chapter that writes it.
    what : str
        One line for the reader: contents and dimensions.
    """

    file: str
    made_by: str
    what: str


DECLARED = "chapters.yml"
FILE = re.compile(r"\w+(\.\w+)?", re.ASCII)
"""What the file of an artefact is called, in the folder of its workspace."""
KINDS = {"of": str, "writes": dict, "paths": dict}
KINDS |= dict.fromkeys(("reads", "reads_if_there", "needs", "relations"), list)
"""What an entry of ``chapters.yml`` may hold; its head says what each is."""


def declarations(notebooks: Path = ROOT / "notebooks") -> dict[str, dict]:
    """Return what ``chapters.yml`` declares of each chapter, by stem and the keys of `KINDS`.

    Raises
    ------
    UserError
        The file is no YAML of this form.
    """
    path = notebooks / DECLARED
    try:
        entries = strict.read(path)
    except (yaml.YAMLError, ValueError, OSError) as error:  # a date that is none is a ValueError
        raise UserError(f"{path}: expected YAML, found {' '.join(str(error).split())}; correct it") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected a chapter's stem and what it declares, found {entries!r:.40}; correct it")
    entries = {str(stem): {} if entry is None else entry for stem, entry in entries.items()}
    for stem, entry in entries.items():
        if not isinstance(entry, dict):
            raise UserError(f"{path}: {stem}: expected {', '.join(KINDS)}, found {entry!r:.40}; correct it")
        for key, value in entry.items():
            names = isinstance(value, KINDS.get(key, ())) and all(isinstance(each, str) for each in value)
            if not names or (
                key == "paths" and any(kind not in ("file", "folder", "module") for kind in value.values())
            ):
                raise UserError(f"{path}: {stem}: expected {', '.join(KINDS)}, found {key}: {value}; correct it")
    made = [name for entry in entries.values() for name in entry.get("writes", ())]
    files: dict[str, str] = {}
    for stem, entry in entries.items():
        for name, about in entry.get("writes", {}).items():
            told = isinstance(about, dict) and set(about) == {"file", "holds"}
            if made.count(name) > 1 or not told or not all(isinstance(each, str) for each in about.values()):
                raise UserError(
                    f"{path}: {stem}: {name}: expected an artefact that no other chapter writes, with file and holds"
                )
            if not FILE.fullmatch(about["file"]) or files.setdefault(about["file"], name) != name:
                found = f"{about['file']!r:.60}"
                raise UserError(
                    f"{path}: {stem}: {name}: expected a file's plain name of its own, found {found}; correct it"
                )
        for name in {*entry.get("reads", ()), *entry.get("reads_if_there", ())} - set(made):
            raise UserError(f"{path}: {stem}: reads {name}, which no chapter writes; correct it")
    return entries


@lru_cache
def artefacts(notebooks: Path = ROOT / "notebooks") -> dict[str, Artefact]:
    """Return each thing that chapters pass on, by name, in the order of ``chapters.yml``."""
    return {
        name: Artefact(entry["file"], stem, entry["holds"])
        for stem, chapter in declarations(notebooks).items()
        for name, entry in chapter.get("writes", {}).items()
    }


@lru_cache
def columns(name: str, notebooks: Path = ROOT / "notebooks") -> dict[str, tuple[str, str | None]]:
    """Return what ``columns.yml`` says of the columns of a table: by name, what it is, and its unit or None."""
    path, found = notebooks / "columns.yml", {}
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for key, about in entries.items():
        table, _, column = key.rpartition(".")
        if isinstance(about, str):
            about = [about, None]
        if not isinstance(about, list) or len(about) != 2:
            raise UserError(f"{path}: {key}: expected what it holds, or [what it holds, unit], found {about!r:.60}")
        if table in ("", name) and (table or column not in found):
            found[column] = tuple(about)
    return found


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace(new: Path, target: Path) -> None:
    """Put ``new`` in the place of ``target``: a file in one step; a folder by moving the old one aside first.

    Between the two renames of a folder a kill leaves *no* target, which reads as missing, never as half.
    """
    if (target.is_dir() and not target.is_symlink()) or new.is_dir():
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
        with suppress(FileNotFoundError):
            target.rename(old)
        new.rename(target)
        remove(old)
    else:
        new.replace(target)


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
WAYS = {
    errno.EISDIR: "expected a file, found a folder; move it away",
    errno.EEXIST: "expected a folder, found a file; move it away",
    errno.ENOTDIR: "expected folders on the way there, found a file; move it away",
    errno.ELOOP: "expected a file or a folder, found a ring of links; remove them",
    errno.ENAMETOOLONG: "expected a shorter name; choose one",
    errno.EROFS: "expected a disk that can be written to, found one that can't; choose another place",
}
WAYS |= dict.fromkeys(FULL, "could not be written ({}); make room, then run this again")
WAYS |= dict.fromkeys(
    (errno.EACCES, errno.EPERM), "expected permission, found none; ask its owner, or choose another place"
)
"""What is wrong, and what to do about it, where the system says no more than a number and a path."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
TIGHT = 2**16
"""Bytes: with less than these free, whatever a library raises while it writes is laid to the disk."""


def _why_full(error: BaseException | None, folder: Path) -> str | None:
    """Say that there is no room, where that is why something could not be written; libraries say it in many ways."""
    full, tight = os.strerror(errno.ENOSPC), shutil.disk_usage(folder).free < TIGHT
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return os.strerror(error.errno)
        if full in str(error) or (tight and isinstance(error, OSError | RuntimeError)):
            return full
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def room_for(target: Path) -> Iterator[None]:
    """Turn what a full disk, a quota or a limit of size makes a library raise in the block into a DiskFull."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if why := _why_full(error, target.parent):
            raise DiskFull(
                f"{target}: could not be written ({why}); nothing half-written counts: make room, then run this again"
            ) from error
        raise


def told(error: Exception) -> str:
    """Return an error in one line, also what the system alone has raised.

    >>> told(IsADirectoryError(errno.EISDIR, "Is a directory", "outputs/demo/.state/lock"))
    'outputs/demo/.state/lock: expected a file, found a folder; move it away'
    """
    if isinstance(error, OSError) and error.errno and error.filename is not None:
        way = WAYS.get(error.errno, "{}; mend that, or choose another place")
        return one_line(f"{error.filename}: {way.format(error.strerror)}")
    more = "; make room, then run this again" if getattr(error, "errno", None) in FULL else ""
    return one_line(" ".join(str(error).split()) + more)


def typed_path(text: str) -> Path:
    """Read a path of a command line; an empty one is a slip, such as a variable of the shell that isn't set."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected a path, found {text!r:.60}")
    return Path(text)


def command(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorate the main of a command: what its user can put right ends it in one line, with status 2."""

    def decorate(main: Callable[..., int]) -> Callable[..., int]:
        @wraps(main)
        def guarded(*arguments: list[str] | None) -> int:
            try:
                return main(*arguments)
            except (UserError, OSError) as error:
                found = error
            except RuntimeError as error:  # Path.resolve's, of a link that leads to itself
                if not (link := re.fullmatch(r"Symlink loop from '(.*)'", str(error))):
                    raise
                found = OSError(errno.ELOOP, "", link[1])
            print(f"{name}: {told(found)}", file=sys.stderr)
            return 2

        return guarded

    return decorate


@contextmanager
def locked(path: Path, patience: float = 0) -> Iterator[None]:
    """Hold a lock that the system lets go when the process ends, however it ends.

    Raises
    ------
    filelock.Timeout
        Another process has held it for ``patience`` seconds.
    UserError
        There is a link instead of a file, or the disk knows no locks.
    """
    import filelock  # which a browser's Python lacks, and doesn't need

    if path.is_symlink():
        raise UserError(f"{path}: expected a file of our own, found a link to {path.readlink()}; remove the link")
    lock = filelock.FileLock(path, timeout=patience, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise UserError(
                f"{path}: expected a disk on which files can be locked, found one that can't ({error.strerror}); mount "
                "it with locks, or choose a folder on another disk"
            ) from error
        raise
    try:
        yield
    finally:
        lock.release()


RUNNER, STAGE, READS, WRITES = "RECO_RUNNER", "RECO_STAGE", "RECO_READS", "RECO_WRITES"
"""What the runner tells the kernels that it starts, by the environment: its process number; a folder in the workspace
where what the chapter makes waits until the chapter is done; what it is declared to read and to write, by names with
blanks between them."""

VERSION = "RECO_VERSION"
"""The same, of a workspace in a store: under which version zarr goes there; in `STAGE` a mark says that it is whole."""


def _refuse_orphan(target: Path | Stored) -> None:
    """Raise where the runner that started this kernel is gone: another may be writing the same files by now."""
    runner = os.environ.get(RUNNER)
    if runner and int(runner) not in (os.getpid(), os.getppid()):
        raise ProcessLookupError(f"{target}: not written, since the runner (process {runner}) is gone; run it again")


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a path for something that lives no longer than the block."""
    try:
        yield path
    finally:
        remove(path)


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Yield a path to write to, aside; when the block ends well it takes the target's place, else it is removed.

    Parameters
    ----------
    target : Path
        File or folder to make. What the block creates at the yielded path decides which.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with room_for(target), aside(target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")) as new:
        yield new
        _refuse_orphan(target)
        replace(new, target)


class Workspace:
    """The artefacts of one profile: in a folder, or in an object store.

    While the runner runs a chapter, what that chapter makes stands aside: it is written there and read from there, and
    what an earlier run made of it is not seen. In a notebook that is run by hand everything is in its place at once.

    Parameters
    ----------
    profile : str
        Name of the workspace: a plain name, no path.
    root : Path or str, optional
        Folder of all workspaces, or an address; default `outputs_root()`.

    Raises
    ------
    ValueError
        When ``profile`` is not a plain name.
    StoreError
        There is no way to such an address from here.
    """

    def __init__(self, profile: str, root: Path | str | None = None) -> None:
        if not profile or Path(profile).name != profile or profile.startswith("."):
            raise ValueError(f"profile: expected a plain name such as 'demo', found {profile!r}; drop any path from it")
        self.profile, self.root = profile, root or outputs_root()
        self._store = store.at(self.root, profile) if store.is_address(self.root) else None
        self.folder = self._store.folder if self._store else self.root / profile
        stage = Path(os.environ.get(STAGE, ""))
        self._stage = stage if stage.parent == self.folder else None

    def __repr__(self) -> str:
        return f"Workspace({self.profile!r})"

    @property
    def made(self) -> bool:
        """Whether the run is of a made planet: one that left its truth here."""
        truth = artefacts()["truth"]
        return self._is_there("truth", place(self.root, self.profile, truth.made_by, truth.file))

    def path(self, name: str) -> Path | Stored:
        """Return where artefact ``name`` stands or would stand.

        Raises PermissionError where the runner runs a chapter that is not declared to read or write it.
        """
        if name not in artefacts():
            raise KeyError(f"artefact {name!r} is unknown; known are {', '.join(artefacts())}")
        artefact, staged = artefacts()[name], self._stage and name in os.environ.get(WRITES, "").split()
        if self._stage and not staged and name not in os.environ.get(READS, "").split():
            raise PermissionError(
                f"{name!r}: expected an artefact that notebooks/{DECLARED} declares for this chapter, found none; "
                "name it there under reads, reads_if_there or writes"
            )
        if not staged:
            return place(self.root, self.profile, artefact.made_by, artefact.file)
        waits = self._stage / artefact.file
        if self._store and waits.suffix == ".zarr":
            return Stored(self._store, artefact.made_by, waits.name, os.environ[VERSION] if waits.exists() else None)
        return waits

    def _mine(self, name: str) -> Path | Stored:
        """Return the path of an artefact that is to change; raise where the runner would not put it in place."""
        path = self.path(name)
        if self._stage and name not in os.environ.get(WRITES, "").split():
            raise PermissionError(
                f"{name!r}: expected an artefact that notebooks/{DECLARED} declares this chapter to write, found one "
                f"that {artefacts()[name].made_by} writes; name it under this chapter's writes"
            )
        return path

    def has(self, name: str) -> bool:
        """Say whether artefact ``name`` is there; raises as `read` does where it was made, and is lost since."""
        return self._is_there(name, self.path(name))

    def _is_there(self, name: str, path: Path | Stored) -> bool:
        if path.exists():
            return True
        if isinstance(path, Path) and self._noted(name, path) and not self._is_replaced(name, self._version(name)):
            way = f"copy it, too, or run chapter {artefacts()[name].made_by} again"
            raise MissingArtefact(f"{path}: expected {name!r}, which was noted when it was made, found nothing; {way}")
        return path.exists()

    def drop(self, name: str) -> None:
        """Delete an artefact of an earlier run, if it is there; raises as `write` does."""
        path, artefact = self._mine(name), artefacts()[name]
        if isinstance(path, Path):
            beside = provenance.sidecar(path)
            remove(path)
            remove(beside)
            if not self._stage and self._record(name).exists():
                self._note(name, {name: (path, {}), beside.name: (beside, {})})
        elif self._stage:
            remove(self._stage / artefact.file)
        elif path.exists():
            self._store.name(artefact.made_by, artefact.file, None)
            self._store.name(artefact.made_by, provenance.sidecar(Path(artefact.file)).name, None)

    def read(self, name: str) -> xr.Dataset | pd.DataFrame | Path:
        """Open an artefact: a Dataset (zarr lazily, NetCDF in memory), a table, or a folder's path.

        Of what is in an object store, all but zarr is copied to this machine, unless it has been before.

        Raises
        ------
        MissingArtefact
            It is not there; the message names the chapter that makes it.
        DamagedArtefact
            It is there but isn't what was noted when it was made, or can't be read. Of zarr also later, when chunks are
            read that are lost, or of another version by then.
        """
        for _ in range(9):
            before = self._version(name)
            try:
                return self._read(name)
            except (MissingArtefact, DamagedArtefact) as error:
                wrong = error
            if not self._is_replaced(name, before):
                break
        raise wrong

    def _is_replaced(self, name: str, before: tuple) -> bool:
        """Say whether an artefact is put in place just now: between two renames nothing is there, then no note yet."""
        for _ in range(10):
            if self._version(name) != before:
                return True
            path = self.path(name)
            if isinstance(path, Stored) or (not path.exists() and not [*path.parent.glob(f".{path.name}.*")]):
                return False
            time.sleep(SETTLED)
        return False

    def _read(self, name: str) -> xr.Dataset | pd.DataFrame | Path:
        path, made_by = self.path(name), artefacts()[name].made_by
        if not path.exists():
            raise MissingArtefact(f"{path}: {name!r} is not there yet; run chapter {made_by} to make it")
        remedy = f"delete {path.name} and run chapter {made_by} again"
        try:
            if (note := self._noted(name, path)) is None:
                self._say_unnoted(name, path)
            elif isinstance(path, Stored):
                if path.digest() != note:
                    raise DamagedArtefact(f"{path}: expected the objects that were noted, found others; {remedy}")
            else:
                for each, wrong in integrity.differences(path, note):
                    way = remedy if each in note else f"remove it if it is yours, else {remedy}"
                    line = f"{path / each}: {wrong}; {name!r} is not as it was made, so {way}"
                    raise DamagedArtefact(one_line(line))
            match path.suffix:
                case ".zarr":
                    return self._plain(name, xr.open_zarr(_held(path, note, remedy)))
                case ".nc":
                    here = store.local(path)
                    with LIBRARY:
                        return self._plain(name, xr.load_dataset(here, engine="netcdf4"))
                case ".csv":
                    return pd.read_csv(store.local(path))
                case _:
                    return store.local(path)
        except (store.StoreError, DamagedArtefact):
            raise
        except Exception as error:  # damage lets a library raise anything
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise DamagedArtefact(one_line(f"{path}: {name!r} cannot be read ({why}); {remedy}")) from error

    def _record(self, name: str) -> Path:
        """Return the file that holds what was noted of an artefact in a folder; see `helpers.run.staleness`."""
        return self.folder / NOTES / f"{artefacts()[name].made_by}.json"

    def _noted(self, name: str, path: Path | Stored) -> dict[str, integrity.Mark] | str | None:
        """Return what was noted of an artefact when it was put in place; None where nobody did."""
        if isinstance(path, Stored):
            pointer = path.store.pointer(path.stem)
            by_run = f"-{store.HAND}-" not in path.version and pointer.get("stands", {}).get(path.file) == path.version
            return pointer.get("made", {}).get(name) if by_run else None
        if path.parent == self._stage or not (record := self._record(name)).exists():
            return None
        notes = integrity.json_object(record).get(FILES)
        if isinstance(notes, dict) and name not in notes:
            return None
        if not isinstance(notes, dict) or not integrity.is_note(notes[name]):
            way = f"run chapter {artefacts()[name].made_by} again, which makes both anew"
            raise DamagedArtefact(f"{record}: expected a note of {path.name}, found none that can be read; {way}")
        return notes[name]

    def _say_unnoted(self, name: str, path: Path | Stored) -> None:
        """Warn where nothing tells what an artefact in a folder was: a copy without its notes, or these are lost."""
        if isinstance(path, Path) and path.parent != self._stage:
            warnings.warn(
                f"{path}: expected a note of what it was when it was made, found none, so that damage to it can't be "
                f"seen; copy {NOTES}/{self._record(name).name}, too, or run chapter {artefacts()[name].made_by} again",
                stacklevel=4,
            )

    def _version(self, name: str) -> tuple:
        """Return what changes when an artefact is put in place, or its note."""
        path = self.path(name)
        if isinstance(path, Stored):
            return (str(path),)
        states = []
        for each in (path, self._record(name)):
            with suppress(OSError):
                states.append(integrity.state_of(each))
        return tuple(map(tuple, states))

    @staticmethod
    def _plain(name: str, content: xr.Dataset) -> xr.Dataset:
        """Leave the label out: what is made from this has one of its own."""
        content.attrs = provenance.without(content.attrs, artefacts()[name].what)
        return content

    def label(self, stem: str) -> provenance.Label:
        """Return what is known of a run that has no runner: a chapter that somebody opened."""
        world = declarations()[stem].get("of", provenance.MADE if self.made else provenance.REAL)
        name, date = provenance.commit(ROOT)
        return provenance.Label(self.profile, world, stem, commit=name, date=date)

    def write(self, name: str, content: xr.Dataset | pd.DataFrame) -> None:
        """Write an artefact aside, then put it in place.

        Datasets lose inherited encodings (chunks and scales of the files they came from); float64 fields stay as
        they are, so cast to float32 where the contract says so.

        Raises
        ------
        TypeError
            The artefact is a folder.
        PermissionError
            The runner runs a chapter that is not declared to write this.
        """
        with self._aside(name) as new:
            match Path(artefacts()[name].file).suffix:
                case ".zarr":
                    content.drop_encoding().to_zarr(new, mode="w", **ZARR)
                case ".nc":
                    plain = content.drop_encoding()
                    # Coordinates come in the order of a set, where they were merged: it differs from run to run.
                    plain = plain[[*sorted(map(str, plain.coords)), *plain.data_vars]]
                    packed = {
                        v: {"zlib": True, "complevel": 1} for v in plain.data_vars if plain[v].dtype.kind in "fiu"
                    }
                    # Computed first: lazy fields would come into the file in the order in which threads get ready.
                    plain = plain.compute()
                    try:
                        with LIBRARY:
                            plain.to_netcdf(new, engine="netcdf4", encoding=packed)
                    except RuntimeError as error:  # which is all that the library says of a quota or a limit of size
                        why = f"could not be written ({error}); look for room, a quota, or a limit of file sizes there"
                        raise OSError(f"{self.path(name)}: {why}") from error
                case ".csv":
                    content.to_csv(new, index=False)
                case _:
                    raise TypeError(f"{name!r} is a folder; write it with Workspace.writing({name!r})")

    @contextmanager
    def writing(self, name: str) -> Iterator[Path | fsspec.FSMap]:
        """Yield an empty folder aside, put in place when the block ends well; raises as `write` does.

        For zarr in an object store it is an FSMap, which xarray and zarr write to as to a folder.
        """
        with self._aside(name) as new:
            if isinstance(new, Path):
                new.mkdir(parents=True)
            yield new

    @contextmanager
    def _aside(self, name: str) -> Iterator[Path | fsspec.FSMap]:
        path, artefact = self._mine(name), artefacts()[name]
        if isinstance(path, Path):
            with writing(path) as new:
                yield new
                if not self._stage:  # else the runner does, when all is made
                    beside = self._put_label(name, new)
                    notes = {name: (path, integrity.noted(new))}
                    notes |= {beside.name: (beside, integrity.noted(beside))} if beside else {}
            if not self._stage:
                self._note(name, notes)
            return
        version = os.environ[VERSION] if self._stage else store.new_version(store.HAND)
        if self._stage:  # what was written there before is whole no longer
            remove(self._stage / artefact.file)
        with self._store.writing(artefact.made_by, version, artefact.file) as new:
            yield new
            _refuse_orphan(path)
            beside = None if self._stage else self._put_label(name, new)
        if self._stage:
            (self._stage / artefact.file).touch()
            return
        if beside:
            self._store.put(artefact.made_by, version, beside.name, beside)
            self._store.name(artefact.made_by, beside.name, version)
        self._store.name(artefact.made_by, artefact.file, version)

    def _note(self, name: str, notes: dict[str, tuple[Path, dict[str, integrity.Mark]]]) -> None:
        """Note what was just put in place beside what the runner noted, which will find that it is another."""
        now = {}
        for each, (path, note) in notes.items():
            there = {key: file for key, file in integrity.files(path).items() if key in note}
            now[each] = {key: [*integrity.state_of(file), note[key][-1]] for key, file in there.items()}
        record = integrity.json_object(self._record(name))
        noted = record[FILES] if isinstance(record.get(FILES), dict) else {}
        with writing(self._record(name)) as new:
            new.write_text(json.dumps(record | {FILES: noted | now}, indent=1), encoding="utf-8")

    def _put_label(self, name: str, place: Path | fsspec.FSMap) -> Path | None:
        """Label what a notebook opened by hand has made; return what stands beside it."""
        artefact = artefacts()[name]
        with LIBRARY:
            return provenance.put(self.label(artefact.made_by), artefact.what, place, artefact.file, columns(name))


def _held(path: Path | Stored, note: dict | str | None, remedy: str) -> Held:
    """Return a zarr store to read from, all of which is as it stands now."""
    remedy = f"read it again, for it may just have been made anew; else {remedy}"
    if isinstance(path, Stored):
        inside = FsspecStore.from_mapper(path.zarr(), read_only=True)
        return Held(inside, str(path), dict.fromkeys(path.names(), []), remedy)
    standing = note or {key: integrity.state_of(file) for key, file in integrity.files(path).items()}
    return Held(LocalStore(path, read_only=True), path, standing, remedy)


def begun(folder: Path | fsspec.FSMap) -> bool:
    """Say whether anything was written to the zarr store in what `Workspace.writing` yields."""
    return ".zgroup" in folder if isinstance(folder, fsspec.FSMap) else (folder / ".zgroup").exists()
