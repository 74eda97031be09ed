"""Product files as they come: plain, gzipped (``.gz``), or alone in a zip archive; and what is said of a damaged one.

This is the one way to open what comes from elsewhere. `opened` and `Unpacked` give a plain file: what is packed is
unpacked by streaming into a private temporary folder, under a name of ours, since what an archive calls its members
must never become a path. `whole_text` and `content` give the bytes of a table, plain or packed, which go into memory
and are bounded; `tested` reads what is packed to its end and keeps nothing. Unpacking stops where a file grows beyond
what data do (a "bomb"), by the bytes that come out and not by those that an archive declares; links, encrypted members
and archives in archives are not followed.
"""

from __future__ import annotations

import bz2
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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pyhdf.error import HDF4Error
from rasterio.errors import RasterioError

from helpers.workspace import UserError

# What can be wrong with a product file, said in one line.


class ProductError(UserError, ValueError):
    """A product file is not what its product's layout promises; the message says where and what to do, in one line."""


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
    errno.ELOOP: "is a link that leads to itself; put the file in its place",
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
FREE = 2**28
"""Bytes of the disk that unpacking leaves to others."""
TEXT = 2**26
"""Bytes of a table, which is read whole: 50 years of months at 1,000 sites have half of it, a tower's years some 60 kB.
What else lies in a tower's archive, such as 200 MB of half-hours, is never unpacked."""
INDEX = 2**20
"""Bytes of an archive's index, which names some 10,000 members; that of a tower names 30."""

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
    with suppress(ProductError):
        if path.suffix.lower() == ".zip":
            with archive(path) as held:
                return [_base(member) for member in held.infolist()]
        with reading(path):
            require_file(path)
            for unpacked in (gzip.open, bz2.open, lzma.open, Path.open):
                # Only the first name: of a packed tar the next would cost its whole unpacking.
                with suppress(OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError):
                    with unpacked(path, "rb") as stream:
                        begin = io.BytesIO(stream.read(CHUNK))
                    with tarfile.open(fileobj=begin, mode="r:") as held:
                        first = held.next()
                    return [Path(first.name).name] if first else []
    return []


def require_file(path: Path) -> None:
    """Refuse what is no file: to open a pipe would wait for ever for somebody who writes.

    Raises
    ------
    ProductError
        It is a folder, a pipe, a socket or a device.
    OSError
        It isn't there, or a link that leads nowhere.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise ProductError(f"{path}: expected a file, found {found}; give the file")


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
    unpacked = Unpacked(path, suffixes, remedy)
    try:
        with reading(path, remedy):
            yield unpacked.plain
    finally:
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
        with reading(path, remedy):
            require_file(path)
        if path.suffix.lower() not in PACKED:
            return
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            with reading(path, remedy), _stream(path, tuple(suffixes)) as (source, ending, packed):
                self.plain = folder / f"data{ending}"
                with self.plain.open("wb") as target:
                    _copy(source, target, path, packed)
        except ProductError:
            self.remove()
            raise


def tested(path: Path, name: str) -> tuple[str, bytes]:
    """Read a packed file to its end, where its checksum stands; return the ending of its data, and their first bytes.

    Parameters
    ----------
    name : str
        What it will be called, where it isn't called so yet.

    Raises
    ------
    DamagedFile, ProductError
        As `opened`.
    """
    with reading(path):
        require_file(path)
        with _stream(path, DATA_ENDINGS, name) as (source, ending, packed):
            begin = source.read(512)
            for _ in _blocks(source, path, packed):
                pass
    return ending, begin


def whole_text(path: Path, suffixes: Iterable[str] = DATA_ENDINGS, remedy: str = "fetch it again") -> bytes:
    """Return the content of a table, as it is or packed; as for `opened`.

    Raises
    ------
    DamagedFile, ProductError
        As `opened`, and where there are more bytes than a table has.
    """
    with reading(path, remedy):
        require_file(path)
        with _stream(path, tuple(suffixes)) as (source, _, _):
            return _bounded(source, path)


def content(held: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return a table that is a member of an archive of several.

    Raises
    ------
    DamagedFile, ProductError
        It is there twice, encrypted, packed by a method that isn't known, or has more bytes than a table has.
    """
    found = [member for member in held.infolist() if member.filename == name]
    if len(found) > 1:
        raise DamagedFile(f"{path}: expected {_base(found[0])} once, found it {len(found)} times; fetch it again")
    with _opened(held, found[0], path) as source:
        return _bounded(source, f"{path} ({_base(found[0])})")


@contextmanager
def archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive, of which `content` gives members.

    Raises
    ------
    DamagedFile, ProductError
        It can't be read, or its index names more members than archives of data do.
    """
    with reading(path):
        require_file(path)
        if (size := _index(path)) > INDEX:
            found = f"found an index of {size / 2**20:.0f} MiB"
            raise DamagedFile(f"{path}: expected an archive of a few files, {found}; unpack it, and give the file")
        with zipfile.ZipFile(path) as held:
            yield held


def _index(path: Path) -> int:
    """Return how many bytes of a zip archive are its index, which `zipfile` reads whole; 0 where there is none.

    Source: PKWARE, APPNOTE.TXT, sections 4.3.14 to 4.3.16.
    """
    with path.open("rb") as stream:
        stream.seek(max(stream.seek(0, io.SEEK_END) - 2**16 - 98, 0))  # a comment may follow
        tail = stream.read()
    end = tail.rfind(b"PK\5\6")
    if not 0 <= end <= len(tail) - 22:
        return 0
    if end >= 76 and tail[end - 20 : end - 16] == b"PK\6\7":  # of a larger archive
        return struct.unpack_from("<Q", tail, end - 36)[0]
    return struct.unpack_from("<I", tail, end + 12)[0]


@contextmanager
def _stream(path: Path, suffixes: tuple[str, ...], name: str = "") -> Iterator[tuple[BinaryIO, str, int]]:
    """Yield a file's plain bytes, one after the other, the ending of its data, and how many bytes it has as it came."""
    named = Path(name or path.name)
    if named.suffix.lower() == ".zip":
        with archive(path) as held:
            member = _member(held, path.with_name(named.name), suffixes)
            with _opened(held, member, path) as source:
                yield source, Path(member.filename).suffix.lower(), member.compress_size
        return
    zipped = named.suffix.lower() == ".gz"
    with gzip.open(path) if zipped else path.open("rb") as source:
        yield source, Path(named.stem if zipped else named.name).suffix.lower(), path.stat().st_size


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
    return data[0]


def _base(member: zipfile.ZipInfo) -> str:
    return member.filename.replace("\\", "/").rpartition("/")[2]


def _opened(held: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> BinaryIO:
    """Open one member of an archive, which must be plain data, stored or deflated: others may ask for any memory."""
    base = _base(member)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DamagedFile(f"{path}: {base} is a link, not data; fetch it again")
    encrypted = member.flag_bits & 1
    if encrypted or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        why = "it is encrypted" if encrypted else "its compression method is not supported"
        raise DamagedFile(f"{path}: {base}: {why}; unpack it yourself, and give that")
    return held.open(member)


def _bounded(source: BinaryIO, where: Path | str) -> bytes:
    """Read a table to its end, or refuse it where there is too much of it."""
    whole = source.read(TEXT + 1)
    if len(whole) > TEXT:
        raise ProductError(
            f"{where}: expected a table of at most {TEXT >> 20} MiB, found more; give years or months alone, and no "
            "hours or days, or cut it into several"
        )
    return whole


def _copy(source: BinaryIO, target: BinaryIO, path: Path, packed: int) -> None:
    """Stream to a file; stop when it becomes absurdly large, or before the disk is full."""
    for number, block in enumerate(_blocks(source, path, packed)):
        if number % 64 == 0 and shutil.disk_usage(Path(target.name).parent).free < FREE:
            raise OSError(errno.ENOSPC, "little room")
        target.write(block)


def _blocks(source: BinaryIO, path: Path, packed: int) -> Iterator[bytes]:
    """Yield what comes out of packed bytes, as long as it isn't absurdly much."""
    size = 0
    while block := source.read(CHUNK):
        size += len(block)
        if size > min(LARGEST, max(SMALL, RATIO * packed)):
            raise DamagedFile(
                f"{path}: expected data, found {packed} packed bytes that unpack to {size} or more; "
                "fetch it again, or unpack it yourself if you trust it"
            )
        yield block
