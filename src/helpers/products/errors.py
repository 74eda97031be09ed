"""What can be wrong with a product file, said in one line."""

from __future__ import annotations

import gzip
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
_DAMAGE = (
    OSError,
    RuntimeError,
    EOFError,
    UnicodeDecodeError,
    HDF4Error,
    RasterioError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


# What libraries say of packed files is no help to who has one; of other damage their words are the only ones.
_WORDS = (
    (zipfile.BadZipFile, "it is no zip archive, or not what it was"),
    (gzip.BadGzipFile, "it is no gzip file, or not what it was"),
    ((zlib.error, lzma.LZMAError), "what is packed in it cannot be unpacked"),
    (EOFError, "it ends too early"),
    (UnicodeDecodeError, "it holds no text"),
)


@contextmanager
def reading(path: Path, remedy: str = "fetch it again") -> Iterator[None]:
    """Turn any library's error while ``path`` is read into a `DamagedFile` that names the file and the remedy.

    Raises
    ------
    DamagedFile
        The file cannot be read.
    """
    try:
        yield
    except ProductError:
        raise
    except _DAMAGE as error:
        said = next((words for kind, words in _WORDS if isinstance(error, kind)), None)
        said = said or (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedFile(f"{path}: cannot be read ({said}); it is damaged or cut short, so {remedy}") from error
