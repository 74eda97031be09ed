"""A downloader for pooch that goes on where it stopped.

Pooch (Uieda et al. 2020, doi:10.21105/joss.01943) hands a downloader an address and a file to fill, then compares
checksums and renames. `Resuming` fills a part beside the target first, asks for what is missing with ``Range`` and
``If-Range`` (RFC 9110, section 14), and gives pooch the file only when it is whole and on the disk.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import requests
import urllib3

from helpers.fetch import kinds
from helpers.fetch.client import Client, Patience
from helpers.fetch.errors import Dropped, FetchError, Stopped, writing_to
from helpers.fetch.parts import Part, validator_of

CHUNK = 256 * 1024
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")
NO_RANGE = re.compile(r"bytes \*/(\d+)$")


class Resuming:
    """Download one file, in as many tries as it takes.

    Parameters
    ----------
    target : Path
        Where the file is to stand; its part grows beside it.
    client : Client
        Asks the server.
    patience : Patience
        How often to try.
    show : callable
        Given the size of the whole (None if unknown) and the bytes that are there, returns a progress bar: a context
        manager with ``update(n)``.
    stop : Event
        When it is set, the download ends and keeps its part.

    Notes
    -----
    An instance is what pooch calls a downloader: ``downloader(url, output_file, pooch)``.
    """

    def __init__(
        self, target: Path, client: Client, patience: Patience, show: Callable, stop: Event | None = None
    ) -> None:
        self.target, self.client, self.patience, self.show = target, client, patience, show
        self.stop = stop or Event()
        self.resumed = False
        """Whether bytes of an earlier call are in the file."""

    def __call__(self, url: str, output_file: str | Path, pooch: object = None) -> None:
        """Fill ``output_file``.

        Raises
        ------
        FetchError
            The file cannot be had; what came of it is kept in the part.
        """
        part = Part(self.target)
        self.resumed = part.offer(url)[0] > 0
        self.patience.persist(lambda: self._once(url, part), self.client.source, url)
        with writing_to(self.target):
            Path(part.path).replace(output_file)
            part.forget()

    def _once(self, url: str, part: Part) -> None:
        """Ask once, and take what comes."""
        self._halt()
        have, validator = part.offer(url)
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        with self.client.get(url, headers) as answer:
            if answer.status_code == 416:
                return self._past_the_end(answer, part, have)
            start, whole = self._extent(url, answer, part, have)
            begin, chunks = self._begin(url, answer, start)
            with writing_to(part.path):
                self._room(part, None if whole is None else whole - start)
                if not start:
                    part.begin(url, validator_of(answer), whole)
            self._pour(begin, chunks, part, start, whole)
        if part.size == 0:
            part.drop()
            raise Dropped("expected a file, found 0 bytes")
        return None

    def _halt(self) -> None:
        if self.stop.is_set():
            raise Stopped(f"{self.client.source.product}: {self.target.name}: stopped; run the same again to go on")

    def _past_the_end(self, answer: requests.Response, part: Part, have: int) -> None:
        """Judge "range not satisfiable": the part is whole already, or none of this file."""
        told = NO_RANGE.match(answer.headers.get("Content-Range", ""))
        if have and told and int(told[1]) == have:
            return
        part.drop()
        raise Dropped("the server has no such range of the file")

    def _extent(self, url: str, answer: requests.Response, part: Part, have: int) -> tuple[int, int | None]:
        """Return where the answer's bytes begin, and the size of the whole file (None if untold)."""
        source = self.client.source
        encoding = answer.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "") and self.target.suffix != ".gz":
            raise source.other(url, f"expected the file as it is, found it encoded as {encoding}")
        length = answer.headers.get("Content-Length", "")
        if answer.status_code == 200:
            return 0, int(length) if length.isdigit() else None
        told = RANGE.match(answer.headers.get("Content-Range", ""))
        if answer.status_code != 206 or not told or not have:
            raise source.other(url, f"expected a file, found status {answer.status_code}")
        whole = None if told[3] == "*" else int(told[3])
        if int(told[1]) != have or (part.whole() is not None and whole not in (None, part.whole())):
            part.drop()
            raise Dropped("the server answers with another range than was asked for")
        return have, whole or part.whole()

    def _begin(self, url: str, answer: requests.Response, start: int) -> tuple[bytes, Iterator[bytes]]:
        """Look at the first bytes, and refuse a web page or another format before anything is written."""
        source, name = self.client.source, self.target.name
        kind = answer.headers.get("Content-Type", "").lower()
        if "html" in kind:
            raise source.page_instead(url)
        chunks = _chunks(answer)
        begin = next(chunks, b"")
        if start or not begin:
            return begin, chunks
        while len(begin) < kinds.LONGEST and (more := next(chunks, b"")):
            begin += more
        if kinds.is_page(begin):
            raise source.page_instead(url)
        if not kinds.fits(name, begin):
            raise source.other(url, f"expected {kinds.expected(name)}, found {begin[:4]!r} at its start")
        return begin, chunks

    def _room(self, part: Part, needed: int | None) -> None:
        """Refuse a file that the disk has no room for."""
        free = shutil.disk_usage(part.path.parent).free
        if needed is not None and needed > free:
            raise FetchError(
                f"{self.target}: expected {needed / 2**30:.1f} GiB of room, found {free / 2**30:.1f}; make room, or "
                "choose another folder"
            )

    def _pour(self, begin: bytes, chunks: Iterator[bytes], part: Part, start: int, whole: int | None) -> None:
        """Write what comes to the part, as far as it comes."""
        with writing_to(part.path), part.path.open("r+b") as file, self.show(whole, start) as bar:
            file.seek(start)
            file.truncate()
            try:
                chunk = begin
                while chunk:
                    file.write(chunk)
                    bar.update(len(chunk))
                    self._halt()
                    chunk = next(chunks, b"")
            except Dropped as dropped:
                raise Dropped(_told(dropped.why, file.tell(), whole), gained=file.tell() - start) from None
            finally:
                file.flush()
                os.fsync(file.fileno())
        if whole is not None and part.size != whole:
            raise Dropped(_told("the connection broke off", part.size, whole), gained=part.size - start)


def _told(why: str, have: int, whole: int | None) -> str:
    of = "" if whole is None else f" of {whole:,}"
    return f"{why} after {have:,}{of} bytes"


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    """Yield an answer's bytes as they are sent: a ``.gz`` stays one, whatever the server says of its encoding.

    Raises
    ------
    Dropped
        The connection breaks off.
    """
    try:
        while chunk := answer.raw.read1(CHUNK, decode_content=False):  # read() would lose what came before a break
            yield chunk
    except urllib3.exceptions.ReadTimeoutError:
        raise Dropped("nothing more came") from None
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError):
        raise Dropped("the connection broke off") from None
