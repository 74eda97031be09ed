"""What a file of a kind begins with, so that a web page or another format is known by its first bytes.

HDF4 begins with 0E 03 13 01, HDF5 (and so netCDF-4) with 89 'HDF', netCDF-3 with 'CDF', gzip with 1F 8B, zip with
'PK', TIFF with 'II' or 'MM' and 42 (43 where it is a BigTIFF).
"""

from __future__ import annotations

from pathlib import PurePath

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF")
BEGIN = {
    ".hdf": ("HDF4", (b"\x0e\x03\x13\x01",)),
    ".nc": ("netCDF", NETCDF),
    ".nc4": ("netCDF", NETCDF),
    ".gz": ("gzip", (b"\x1f\x8b",)),
    ".zip": ("zip", (b"PK\x03\x04", b"PK\x05\x06")),
    ".tif": ("TIFF", TIFF),
    ".tiff": ("TIFF", TIFF),
}
LONGEST = 512
"""As many bytes as are looked at."""
PAGES = (b"<!doctype html", b"<html", b"<head")


def is_page(begin: bytes) -> bool:
    """Say whether bytes begin a web page."""
    text = begin[:LONGEST].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(PAGES) or (text.startswith((b"<?xml", b"<!--")) and b"<html" in text)


def expected(name: str) -> str:
    """Return what a name promises: 'HDF4', 'gzip', …; empty where it promises nothing."""
    return BEGIN.get(PurePath(name).suffix.lower(), ("", ()))[0]


def fits(name: str, begin: bytes) -> bool:
    """Say whether bytes begin a file of the kind that its name promises."""
    _, begins = BEGIN.get(PurePath(name).suffix.lower(), ("", ()))
    return not begins or begin.startswith(begins)
