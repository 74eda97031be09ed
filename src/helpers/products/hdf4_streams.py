"""Whether the compressed data of an HDF4 file are whole: what the HDF4 library itself does not look at.

Deflated data end in a checksum (Adler-32, RFC 1950). The library inflates them and never compares it; on an error in
the middle it leaves the rest of the field as the memory was, and says nothing. So this module finds the compressed
pieces of a data set and inflates them once more. It follows the HDF4 file format: a list of data descriptors (tag,
reference, offset, length); a group for each data set that names its data; and data that may be compressed, cut into
compressed chunks listed in a table, or linked together from blocks. What it does not know it leaves to the library.
Source: The HDF Group, HDF Specification and Developer's Guide, version 4.2.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from pathlib import Path

GROUP, DATA, COMPRESSED, LINKED, TABLE, RECORDS = 720, 702, 40, 20, 1962, 1963
"""Tags: numeric data group, its data, compressed data, linked block, and the two parts of a table (vdata)."""

SPECIAL = 0x4000
"""Bit of a tag: the element is stored in a special way, which its first number tells."""

IN_BLOCKS, DEFLATED, IN_CHUNKS = 1, 3, 5
DEFLATE = 4
"""The code of deflate among the kinds of compression."""

PIECE = 2**20


class _Elements:
    """The elements of an HDF4 file by tag and reference."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory, self.place = memory, {}
        block, seen = 4, set()
        while block and block not in seen:
            seen.add(block)
            count, following = self.unpack("hI", block)
            for k in range(count):
                tag, reference, offset, length = self.unpack("HHII", block + 6 + 12 * k)
                self.place[tag, reference] = offset, length
            block = following

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(f">{form}", self.memory, offset)

    def numbers(self, form: str, tag: int, reference: int) -> list[tuple[int, ...]]:
        """Return the rows of numbers that an element consists of."""
        content = self.content(tag, reference)
        size = struct.calcsize(f">{form}")
        return list(struct.iter_unpack(f">{form}", content[: len(content) // size * size]))

    def content(self, tag: int, reference: int) -> bytes:
        """Return the bytes of an element, put together from its blocks where it is stored in such."""
        if (tag, reference) in self.place:
            offset, length = self.place[tag, reference]
            return self.memory[offset : offset + length]
        if (tag | SPECIAL, reference) not in self.place:
            return b""
        offset, _ = self.place[tag | SPECIAL, reference]
        if self.unpack("h", offset) != (IN_BLOCKS,):
            return b""
        length, _, _, table = self.unpack("iiiH", offset + 2)
        parts, seen = [], set()
        while table and table not in seen:
            seen.add(table)
            (following, *blocks) = [row[0] for row in self.numbers("H", LINKED, table)]
            parts += [self.content(LINKED, block) for block in blocks if block]
            table = following
        return b"".join(parts)[:length]


def verify(path: Path, reference: int) -> None:
    """Inflate the compressed data of one data set and compare their checksums.

    Parameters
    ----------
    path : Path
        A plain HDF4 file.
    reference : int
        The data set's reference number in the file.

    Raises
    ------
    zlib.error, struct.error
        The data, or the file's own directory, are damaged.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        elements = _Elements(memory)
        for tag, data in elements.numbers("HH", GROUP, reference):
            if tag == DATA:
                for piece in _deflated(elements, DATA, data):
                    _inflate(memory, *elements.place[COMPRESSED, piece])


def _deflated(elements: _Elements, tag: int, reference: int) -> list[int]:
    """Return the references of the deflated pieces that an element consists of."""
    offset, _ = elements.place.get((tag | SPECIAL, reference), (None, None))
    if offset is None:
        return []
    (kind,) = elements.unpack("h", offset)
    if kind == DEFLATED:
        _, _, piece, _, compression = elements.unpack("HiHHH", offset + 2)
        return [piece] if compression == DEFLATE and (COMPRESSED, piece) in elements.place else []
    if kind != IN_CHUNKS:
        return []
    *_, table, _, _, dimensions = elements.unpack("iBiiiiHHHHi", offset + 2)
    chunks = elements.numbers(f"{dimensions}iHH", RECORDS, table)
    return [piece for *_, tag, chunk in chunks for piece in _deflated(elements, tag, chunk)]


def _inflate(memory: mmap.mmap, offset: int, length: int) -> None:
    """Inflate a piece and throw the result away; zlib compares the checksum at its end."""
    machine = zlib.decompressobj()
    for begin in range(offset, offset + length, PIECE):
        machine.decompress(memory[begin : min(begin + PIECE, offset + length)])
    if not machine.eof:
        raise zlib.error("compressed data end too early")
