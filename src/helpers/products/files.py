"""Product files as they come: plain, gzipped (``.gz``), or alone in a zip archive; and what is said of a damaged one.

What is packed is unpacked by streaming into a private temporary folder, under a name of ours: what an archive calls its
members never becomes a path. Unpacking stops where a file grows beyond what data do (a "zip bomb").
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pyhdf.error import HDF4Error
from rasterio.errors import RasterioError

# What can be wrong with a product file, said in one line.


class ProductError(ValueError):
    """A product file is not what its product's layout promises; the message says where and what to do."""


class DamagedFile(ProductError):
    """A product file cannot be read: cut short, or of another format."""


# What the libraries underneath raise on damaged bytes; our own one-line errors pass through untouched.
_DAMAGE = (OSError, RuntimeError, EOFError, UnicodeDecodeError, HDF4Error, RasterioError, zipfile.BadZipFile)
_DAMAGE += (zlib.error, lzma.LZMAError, struct.error)

REMEDIES = {
    errno.EACCES: "may not be read; give yourself the permission",
    errno.EPERM: "may not be read; give yourself the permission",
    errno.ENOENT: "is not there any more; put it back",
    errno.EISDIR: "is a folder; give the file",
    errno.EMFILE: "cannot be opened beside so many others; raise the limit of open files (ulimit -n)",
    errno.ENOSPC: "cannot be unpacked, since the disk is full; make room",
}
"""What keeps a file that is whole from being read, and what to do."""


@contextmanager
def reading(path: Path, remedy: str = "fetch it again") -> Iterator[None]:
    """Turn any library's error while ``path`` is read into a `DamagedFile` that names the file and the remedy."""
    try:
        yield
    except ProductError:
        raise
    except _DAMAGE as error:
        if getattr(error, "errno", None) in REMEDIES:
            raise ProductError(f"{path}: {REMEDIES[error.errno]}") from error
        raise DamagedFile(
            f"{path}: cannot be read; it is damaged, cut short or of another format than its name tells: compare its "
            f"size with its source's, or {remedy}"
        ) from error


# What is packed, and its unpacking.

PACKED = (".gz", ".zip")
UNREAD = (".tar", ".tgz", ".tbz2", ".txz", ".bz2", ".xz", ".lzma", ".7z", ".z", ".rar", ".zst", ".lz4")
"""Other ways of packing, which are told from their endings but not unpacked."""
DATA_ENDINGS = (".nc", ".nc4", ".hdf", ".h4", ".tif", ".tiff", ".csv", ".txt")
"""Endings that a member of an archive must have to be taken for the data rather than for a note beside them."""

SMALL = 2**30
"""Anything up to this many bytes may be unpacked."""
RATIO = 200
"""A larger file may be so many times as large as its packed form; that of land in a sea of fills is some 10 times."""
LARGEST = 2**37
"""No file of any product comes near this many bytes (128 GiB)."""

CHUNK = 2**20
PREFIX = "packed-"


ENDINGS = re.compile("(?:" + "|".join(map(re.escape, (*PACKED, *UNREAD))) + ")+$", re.IGNORECASE)
"""The endings of any way of packing, or of several: ``.tar.gz``."""
ADDED = re.compile(
    r"(?: ?\(\d+\)| ?- ?(?:copy|kopie)(?: \(\d+\))?|[ _]copy(?:[ _]\d+)?)(?=(?:\.[a-z]\w*)+$)|\.\d+$", re.IGNORECASE
)
"""What browsers and file managers add to the name of a file that is there already: "a (1).csv", "a - Copy.csv"."""
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp")
"""How browsers call what they have not fetched to its end."""


def plain_name(name: str) -> str:
    """Return a file's name without ``.gz`` or ``.zip``.

    >>> plain_name("spei12.nc.gz"), plain_name("spei12.nc")
    ('spei12.nc', 'spei12.nc')
    """
    return name[: name.rindex(".")] if name.lower().endswith(PACKED) else name


def members(path: Path) -> list[str]:
    """Return the names in an archive, without folders, as far as they are told at its beginning; none if damaged."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return [_base(member) for member in archive.infolist()]
        with tarfile.open(path) as archive:
            first = archive.next()  # of a packed tar the next would cost its whole unpacking
            return [Path(first.name).name] if first else []
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return []


@contextmanager
def opened(path: str | Path, suffixes: Iterable[str] = DATA_ENDINGS, remedy: str = "fetch it again") -> Iterator[Path]:
    """Give the path of a plain file: the file itself, or an unpacked copy that lives as long as the context.

    Within the context a library's error is told as one of this file, as by `reading`.

    Parameters
    ----------
    path : str or Path
        A plain file, ``*.gz``, or a ``*.zip`` that holds one data file (notes beside it don't matter).
    suffixes : iterable of str
        Endings of a data file inside an archive, in lower case.
    remedy : str
        What to do about a file that is damaged.

    Yields
    ------
    Path
        Ends in the data file's own ending. It is not to be kept beyond the context, nor shown to the user.

    Raises
    ------
    DamagedFile
        The file cannot be read; or what is packed is corrupt, encrypted, a link, or of a size that no data have.
    ProductError
        The archive holds no data file or several, or there is no room to unpack.
    """
    path = Path(path)
    unpacked = Unpacked(path, suffixes, remedy) if path.suffix.lower() in PACKED else None
    try:
        with reading(path, remedy):
            yield unpacked.plain if unpacked else path
    finally:
        if unpacked:
            unpacked.remove()


class Unpacked:
    """A product file that stays unpacked for as long as this object is in use; as for `opened`.

    What is read lazily is read later: a lazy array holds the object, and the unpacked copy goes with the last array.

    Attributes
    ----------
    path, plain : Path
        The file as it came, and where it lies unpacked.
    """

    def __init__(self, path: Path, suffixes: Iterable[str] = DATA_ENDINGS, remedy: str = "fetch it again") -> None:
        self.path = self.plain = path
        self.remove = int  # does nothing
        if path.suffix.lower() not in PACKED:
            return
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            with reading(path, remedy):
                self.plain = _unpacked(path, folder, tuple(suffixes))
        except ProductError:
            self.remove()
            raise


def _unpacked(path: Path, folder: Path, suffixes: tuple[str, ...]) -> Path:
    if path.suffix.lower() == ".gz":
        plain = folder / f"data{Path(path.stem).suffix.lower()}"
        with gzip.open(path) as source, plain.open("wb") as target:
            _copy(source, target, path, path.stat().st_size)
        return plain
    with zipfile.ZipFile(path) as archive:
        member = _member(archive, path, suffixes)
        plain = folder / f"data{Path(member.filename).suffix.lower()}"
        with plain.open("wb") as target:
            _unpack(archive, member, target, path)
    return plain


def content(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return a member of an archive of several, which must be of a size that data have.

    Raises
    ------
    DamagedFile
        It is encrypted, packed by an unknown method, or grows beyond what data do.
    """
    held = io.BytesIO()
    _unpack(archive, archive.getinfo(name), held, path)
    return held.getvalue()


def _member(archive: zipfile.ZipFile, path: Path, suffixes: tuple[str, ...]) -> zipfile.ZipInfo:
    """Return the one data file of an archive."""
    # macOS packs a hidden twin of each file.
    shown = [m for m in archive.infolist() if not (m.is_dir() or "__MACOSX/" in m.filename or _base(m).startswith("."))]
    data = [m for m in shown if Path(_base(m)).suffix.lower() in suffixes]
    if len(data) > 1:
        data = [m for m in data if _base(m) == plain_name(path.name)] or data
    if len(data) != 1:
        names = [_base(m) for m in shown]
        held = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        raise ProductError(
            f"{path}: expected one data file ({' '.join(suffixes)}), found {len(data)} among {held or 'nothing'}; "
            "unpack it, and give the file"
        )
    if stat.S_ISLNK(data[0].external_attr >> 16):
        raise DamagedFile(f"{path}: {_base(data[0])} is a link, not data; fetch it again")
    return data[0]


def _base(member: zipfile.ZipInfo) -> str:
    return member.filename.replace("\\", "/").rpartition("/")[2]


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: BinaryIO, path: Path) -> None:
    """Unpack one member of an archive."""
    try:
        with archive.open(member) as source:
            _copy(source, target, path, member.compress_size)
    except RuntimeError as error:  # encrypted, or a method that is not known
        raise DamagedFile(f"{path}: {_base(member)}: {error}; unpack it yourself, and give that") from error


def _copy(source: BinaryIO, target: BinaryIO, path: Path, packed: int) -> None:
    """Stream to a file; stop when it becomes absurdly large."""
    size = 0
    while block := source.read(CHUNK):
        size += len(block)
        if size > min(LARGEST, max(SMALL, RATIO * packed)):
            raise DamagedFile(
                f"{path}: expected data, found {packed} packed bytes that unpack to {size} or more; "
                "fetch it again, or unpack it yourself if you trust it"
            )
        target.write(block)
