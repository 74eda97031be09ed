"""What can be wrong with a product file, said in one line."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyhdf.error import HDF4Error
from rasterio.errors import RasterioError


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
