"""What runs in a reader process: HDF4 files, opened by the library and handed over as they are stored.

This file is a program of its own, started by `helpers.products.readers`, and imports numpy and pyhdf alone, so that it
starts fast. It answers one request after the other, JSON behind its length, and ends when its input does. The numbers
of a field go into a file in memory that the request names.

Deflated data end in a checksum (Adler-32, RFC 1950). The HDF4 library inflates them and never compares it; on an error
in the middle it leaves the rest of the field as the memory was, and says nothing. So compressed data are found and
inflated here. Source: The HDF Group, HDF Specification and Developer's Guide, version 4.2: a list of data descriptors
(tag, reference, offset, length); a group for each data set that names its data; and data that may be compressed, or cut
into compressed chunks that a table lists.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import signal
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from pyhdf import VS  # noqa: F401  (gives HDF files their tables)
from pyhdf.error import HDF4Error
from pyhdf.HDF import HDF
from pyhdf.SD import SD, SDC, SDS

GROUP, DATA, COMPRESSED = 720, 702, 40
"""Tags: numeric data group, its data, and compressed data."""
NOWHERE = 2**32 - 1
"""Offset or length of an element that has no content."""
SPECIAL = 0x4000
"""Bit of a tag: the element is stored in a special way, which its first number tells."""
DEFLATED, IN_CHUNKS = 3, 5
DEFLATE = 4
"""The code of deflate among the kinds of compression."""
TYPES = {20: "i1", 21: "u1", 22: ">i2", 23: ">u2", 24: ">i4", 25: ">u4", 5: ">f4", 6: ">f8"}
"""Number types as they stand in files that aren't marked as of another byte order."""

PACKED, PIECE = 2**16, 2**18
"""Bytes that are inflated at a time, and at most come of it at a time."""
LARGEST = 2**28
"""No field of any product has this many bytes (a global one of 0.05 degrees in double precision has 207 million); a
number of pixels that a damaged file tells may."""
LENGTH = struct.Struct("<Q")
"""How a message tells its length."""


class Chunk(NamedTuple):
    """Deflated numbers: place of the first in the field, and their bytes in the file."""

    origin: tuple[int, ...]
    offset: int
    length: int


def send(stream: BinaryIO, message: dict) -> None:
    """Write one message."""
    text = json.dumps(message).encode()
    stream.write(LENGTH.pack(len(text)) + text)
    stream.flush()


def receive(stream: BinaryIO) -> dict:
    """Read one message; raise EOFError where the other side is gone, or says what is no message."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size or (length := LENGTH.unpack(head)[0]) > LARGEST:
        raise EOFError
    text = stream.read(length)
    if len(text) < length:
        raise EOFError
    return json.loads(text)


def directory(memory: mmap.mmap) -> dict[tuple[int, int], tuple[int, int]]:
    """Return offset and length of each element of a file, by tag and reference; struct.error where it is damaged."""
    elements, block, seen = {}, 4, set()
    while block and block not in seen:
        seen.add(block)
        count, following = struct.unpack_from(">hI", memory, block)
        for tag, of, offset, length in struct.iter_unpack(">HHII", memory[block + 6 : block + 6 + 12 * count]):
            elements[tag, of] = offset, length
        block = following
    return elements


def require_whole(plain: Path) -> None:
    """Raise EOFError or struct.error where a file ends before what its directory names."""
    with plain.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        ends = [offset + length for offset, length in directory(memory).values() if NOWHERE not in (offset, length)]
        if max(ends, default=0) > len(memory):
            raise EOFError


def deflated(memory: mmap.mmap, plain: Path, reference: int) -> tuple[list[Chunk], tuple[int, ...]]:
    """Find the deflated chunks of a data set, by its reference number in the file.

    Returns
    -------
    list of Chunk
        Empty where the data are stored or compressed in a way that is not known here.
    tuple of int
        Shape of a chunk; empty where the one chunk is the whole field.

    Raises
    ------
    struct.error
        The file's own directory is damaged.
    """
    elements = directory(memory)
    offset, length = elements.get((GROUP, reference), (0, 0))
    pairs = [pair for pair in struct.iter_unpack(">HH", memory[offset : offset + length]) if pair[0] == DATA]
    found, places, shape = [], [()] * len(pairs), ()
    for number, (tag, of) in enumerate(pairs):  # grows by the chunks that a table lists
        offset, _ = elements.get((tag | SPECIAL, of), (None, 0))
        kind = None if offset is None else struct.unpack_from(">h", memory, offset)[0]
        if kind == IN_CHUNKS:
            begin = offset + 2 + 4 + 1 + 4 * 4 + 2
            table, _, _, rank = struct.unpack_from(">HHHi", memory, begin)
            sizes = struct.unpack_from(f">{3 * rank}i", memory, begin + 10)  # a flag, the dimension's, the chunk's
            shape = sizes[2::3]
            with closing(HDF(str(plain))) as file:
                tables = file.vstart()
                chunks = tables.attach(table)
                for *origin, chunk_tag, chunk_of in chunks.read(chunks.inquire()[0]):
                    at = origin[0] if isinstance(origin[0], list) else origin
                    places.append(tuple(k * size for k, size in zip(at, shape, strict=True)))
                    pairs.append((chunk_tag, chunk_of))
                chunks.detach()
                tables.end()
        elif kind == DEFLATED:
            _, _, data, _, way = struct.unpack_from(">HiHHH", memory, offset + 2)
            if way == DEFLATE and (COMPRESSED, data) in elements:
                found.append(Chunk(places[number], *elements[COMPRESSED, data]))
    return found, shape


def inflated(memory: mmap.mmap, chunk: Chunk) -> Iterator[bytes]:
    """Yield what a chunk holds, piece by piece; raise zlib.error unless it ends with its checksum."""
    machine, end = zlib.decompressobj(), chunk.offset + chunk.length
    for begin in range(chunk.offset, end, PACKED):
        packed, piece = memory[begin : min(begin + PACKED, end)], b"-"
        while piece and not machine.eof:
            piece, packed = machine.decompress(packed, PIECE), machine.unconsumed_tail
            yield piece
    if not machine.eof:
        raise zlib.error("compressed data end too early")


def fill(out: np.ndarray, memory: mmap.mmap, chunk: Chunk) -> None:
    """Inflate a chunk into an array in one piece; raise zlib.error where it holds too little."""
    raw, at = out.reshape(-1).view("u1"), 0
    for piece in inflated(memory, chunk):
        part = np.frombuffer(piece, "u1")[: raw.size - at]
        raw[at : at + part.size] = part
        at += part.size
    if at < raw.size:
        raise zlib.error("compressed data are too few")


def read(field: SDS, plain: Path, start: list[int], count: list[int], into: Path) -> dict:
    """Put numbers of a field into the file ``into``; return their type, and the field's attributes.

    Raises
    ------
    ValueError
        The file tells of more numbers than any field has.
    zlib.error, struct.error, HDF4Error
        The data, or the file's own directory, are damaged.
    """
    _, rank, shape, code, _ = field.info()
    shape = shape if isinstance(shape, list) else [shape]
    with plain.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        chunks, block = deflated(memory, plain, field.ref())
        whole = code in TYPES and count == shape and not any(start)
        pieces = math.prod(-(-size // part) for size, part in zip(shape, block, strict=True)) if block else 1
        with into.open("r+b") as target:
            if os.name == "posix":
                into.unlink()  # it lives as long as somebody holds it, and no longer
            if whole and len(chunks) == pieces:
                out = shared(target, count, np.dtype(TYPES[code]))
                for chunk in chunks:
                    if not block:
                        fill(out, memory, chunk)
                        continue
                    one = np.empty(block, out.dtype)  # the last may reach beyond the field
                    fill(one, memory, chunk)
                    place = tuple(slice(k, k + n) for k, n in zip(chunk.origin, block, strict=True))
                    part = out[place]
                    part[...] = one[tuple(map(slice, part.shape))]
            else:
                for chunk in chunks:
                    for _ in inflated(memory, chunk):
                        pass
                size = math.prod(count) * 8  # at most
                if size > 8 * LARGEST:
                    raise ValueError(f"{size // 8} numbers")
                stored = np.asarray(field.get(start, count))
                out = shared(target, count, stored.dtype)
                out[...] = stored.reshape(count)
    return {"dtype": out.dtype.str, "attributes": field.attributes()}


def shared(target: BinaryIO, shape: list[int], dtype: np.dtype) -> np.ndarray:
    """Return an array that stands in a file, which is made as large as that; raise ValueError beyond `LARGEST`."""
    size = math.prod(shape) * dtype.itemsize
    if not 0 < size <= LARGEST:
        raise ValueError(f"{size} bytes")
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(target.fileno(), 0, size)  # a full disk is an error now, and a crash later
    else:
        target.truncate(size)
    return np.frombuffer(mmap.mmap(target.fileno(), size), dtype).reshape(shape)


def answer(request: dict) -> dict:
    """Return what a request asks for. A file is closed with each: an error in closing is its own and not the next's."""
    path = Path(request["path"])
    file = SD(str(path), SDC.READ)
    try:
        if "read" in request:
            field = file.select(request["read"])
            try:
                return read(field, path, request["start"], request["count"], Path(request["into"]))
            finally:
                field.endaccess()
        fields = [[name, *about[:2], about[3]] for name, about in file.datasets().items()]
        return {"attributes": file.attributes(), "fields": fields}
    finally:
        file.end()


def held() -> int:
    """Return how many files this process holds open; 0 where the system doesn't tell."""
    return sum(1 for _ in Path("/dev/fd").iterdir()) if os.name == "posix" else 0


def main() -> None:
    """Answer requests until the input ends.

    An interrupt is for the one who asks, who ends this process by closing its input. Two alarms end a reader that hangs
    in the library, one by the clock and one by the processor's time: they are the system's, and do not wait for the
    library to come back.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given, told = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints is no message
    send(told, {})
    before = held()
    while True:
        try:
            request = receive(given)
        except EOFError:
            return
        if hasattr(signal, "alarm"):
            signal.alarm(request["patience"])
            signal.setitimer(signal.ITIMER_PROF, request["work"])
        try:
            found = answer(request)
        except (HDF4Error, ValueError, OSError, zlib.error, struct.error, TypeError, KeyError, IndexError) as error:
            found = {"error": f"{type(error).__name__}: {error}", "errno": getattr(error, "errno", None)}
        found["spent"] = held() > before if before else "error" in found
        if hasattr(signal, "alarm"):
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            send(told, found)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
