"""Whether a TIFF file is whole: all that its index names has to lie within the file.

GDAL opens a file that was cut short, passes over tags that it cannot read, a projection or a scale factor among them,
and meets missing pixels only when they are asked for. The index tells at once. Source: Adobe, TIFF Revision 6.0 (1992),
section 2; for files beyond 4 GiB the BigTIFF layout of libtiff, whose numbers have 8 bytes for 4 and whose magic number
is 43.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helpers.products.errors import DamagedFile, reading

BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one number of each type of tag."""
PLACES, SIZES = (273, 324), (279, 325)
"""Tags: offsets of the strips or tiles, and their lengths."""
MAGIC = {42: False, 43: True}


def require_whole(plain: Path, path: Path) -> None:
    """Refuse a TIFF file that ends before what its index names.

    Parameters
    ----------
    plain : Path
        The file, unpacked.
    path : Path
        What the message is to call it.

    Raises
    ------
    DamagedFile
        It is cut short.
    """
    size = plain.stat().st_size
    with reading(path), plain.open("rb") as stream:
        end = max(_ends(stream, size), default=0)
    if end > size:
        raise DamagedFile(
            f"{path}: cannot be read to its end (it has {size} bytes, and should have at least {end}); "
            "it is cut short, so fetch it again"
        )


def _ends(stream: BinaryIO, size: int) -> Iterator[int]:
    """Yield where each thing that the index names ends, until one lies beyond the file; nothing for another format."""
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    magic = int.from_bytes(head[2:4], "little" if order == "<" else "big")
    if order is None or magic not in MAGIC:
        return
    big = MAGIC[magic]
    word, count, record = (f"{order}u8", f"{order}u8", 20) if big else (f"{order}u4", f"{order}u2", 12)
    (place,) = np.frombuffer(head, word, 1, 8 if big else 4)
    seen: set[int] = set()
    while place and int(place) not in seen:
        seen.add(int(place))
        yield (start := int(place) + np.dtype(count).itemsize)
        number = int(_read(stream, int(place), count, 1)[0])
        yield (end := start + number * record + np.dtype(word).itemsize)
        form = [("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", word), ("value", word)]
        records = _read(stream, start, np.dtype(form), number)
        yield from _contents(stream, records, order, np.dtype(word).itemsize, size)
        (place,) = _read(stream, end - np.dtype(word).itemsize, word, 1)


def _read(stream: BinaryIO, place: int, form, number: int) -> np.ndarray:
    stream.seek(place, os.SEEK_SET)
    wanted = np.dtype(form).itemsize * number
    content = stream.read(wanted)
    if len(content) < wanted:
        raise EOFError(f"its index at byte {place} is cut")
    return np.frombuffer(content, form, number)


def _contents(stream: BinaryIO, records: np.ndarray, order: str, word: int, size: int) -> Iterator[int]:
    """Yield where the tags of one image end, and then its strips or tiles."""
    lists: dict[int, np.ndarray] = {}
    for at, record in enumerate(records):
        width, number, place = BYTES.get(int(record["type"]), 0), int(record["count"]), int(record["value"])
        if width * number > word:
            yield place + width * number
            if place + width * number > size:
                return
        if width and int(record["tag"]) in PLACES + SIZES:
            form = f"{order}u{width}"
            inline = records[at : at + 1]["value"].tobytes()
            far = width * number > word
            lists[int(record["tag"])] = (
                _read(stream, place, form, number) if far else np.frombuffer(inline, form, number)
            )
    for places, sizes in zip(PLACES, SIZES, strict=True):
        if places in lists and sizes in lists and lists[places].size:
            yield int((lists[places].astype("u8") + lists[sizes].astype("u8")).max())
