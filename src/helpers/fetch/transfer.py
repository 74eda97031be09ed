"""Bringing files: several at a time, each checked, none twice."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock

import pooch
from filelock import FileLock, Timeout

from helpers.fetch import kinds
from helpers.fetch.client import TIMEOUT, Client, Patience
from helpers.fetch.errors import FetchError, Stopped, writing_to
from helpers.fetch.plans import Plan
from helpers.fetch.progress import Bars
from helpers.fetch.record import Record
from helpers.fetch.resume import Resuming
from helpers.fetch.wanted import Wanted

SUMS = re.compile(r"expected (\S+) but got ([0-9A-Fa-f]+)")


def carry_out(
    plan: Plan,
    folder: Path,
    *,
    connections: int = 2,
    progress: bool = True,
    patience: Patience | None = None,
    timeout: tuple[float, float] = TIMEOUT,
) -> list[Path]:
    """Bring what a plan wants into ``folder/<product id>``, and return its paths, sorted.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Folder with one sub-folder a product id.
    connections : int
        Files that come at one time; servers are shared, so few.
    progress : bool
        Show bars, where somebody sits at a terminal.
    patience : Patience, optional
        How often a server is tried, and what waits between.
    timeout : tuple of float
        Seconds for a connection to come about, and between two bytes.

    Raises
    ------
    FetchError
        A file cannot be had, written, or is not what its checksum says. What came stays, and is gone on with.
    """
    place, stop = folder / plan.product.id, Event()
    patience = patience or Patience(pause=stop.wait)
    with writing_to(place):
        place.mkdir(parents=True, exist_ok=True)
    with _quiet(), _alone(folder, plan.product.id):
        record = Record(folder, plan.product.id)
        missing = [item for item in plan.wanted if not _there(plan, record, place, item)]
        record.save()
        if missing:
            plan.make_session().close()  # so that a login is asked for here, before any bar is drawn
            client = Client(plan.way.source(plan.product.id), plan.make_session, timeout)
            with Bars(plan.product.id, len(missing), progress) as bars:
                one = _Bringer(plan, place, record, client, patience, bars, stop)
                _together(one, missing, connections, stop, record)
    return sorted(place / item.place for item in plan.wanted)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pooch from announcing each of thousands of files."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _alone(folder: Path, product_id: str) -> Iterator[None]:
    """Let one process fetch a product at a time: two would write to one part.

    Raises
    ------
    FetchError
        Another is at it.
    """
    lock = FileLock(folder / f".{product_id}.lock")
    with writing_to(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise FetchError(
                f"{folder / product_id}: another process is fetching {product_id}; wait until it ends"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _there(plan: Plan, record: Record, place: Path, item: Wanted) -> bool:
    """Say whether a file is there and is what was fetched; one that lay there before is looked at and noted.

    Raises
    ------
    FetchError
        A file of the name is there and is another: changed, damaged, or of another version.
    """
    path, known = place / item.place, record.get(item.place)
    if not path.is_file():
        return False
    other = known.get("version", "")
    if other and plan.version and other != plan.version:
        raise FetchError(
            f"{path}: expected version {plan.version}, found version {other} under the same name; choose another "
            "folder, or remove it"
        )
    if known:
        if known.get("bytes") != path.stat().st_size:
            raise FetchError(
                f"{path}: expected {known.get('bytes'):,} bytes as fetched, found {path.stat().st_size:,}; remove it "
                "and run the same again"
            )
        return True
    with path.open("rb") as file:
        begin = file.read(kinds.LONGEST)
    if not begin or kinds.is_page(begin) or not kinds.fits(item.name, begin):
        found = "a web page" if kinds.is_page(begin) else repr(begin[:4])
        raise FetchError(f"{path}: expected {kinds.expected(item.name) or 'a file'}, found {found}; remove it")
    if item.checksum and not pooch.hashes.hash_matches(str(path), item.checksum):
        found = pooch.file_hash(str(path), alg=item.checksum.split(":")[0])
        raise FetchError(f"{path}: expected {item.checksum}, found {found}; remove it and run the same again")
    record.add(item.place, item.url, plan.version)
    return True


class _Bringer:
    """Brings one file after another, through pooch."""

    def __init__(
        self,
        plan: Plan,
        place: Path,
        record: Record,
        client: Client,
        patience: Patience,
        bars: Bars,
        stop: Event,
    ) -> None:
        self.plan, self.place, self.record = plan, place, record
        self.client, self.patience, self.bars, self.stop = client, patience, bars, stop
        self.sums = {item.place: item.checksum or self._first(item) for item in plan.wanted}
        self.pooch = pooch.create(
            path=place, base_url="", registry=self.sums, urls={item.place: item.url for item in plan.wanted}
        )
        self._noting = Lock()

    def _first(self, item: Wanted) -> str | None:
        """Return the checksum of an earlier download of the same version, None where there was none."""
        known = self.record.get(item.place)
        same = known and known.get("version", "") == self.plan.version
        return f"sha256:{known['sha256']}" if same else None

    def bring(self, item: Wanted) -> None:
        """Fetch a file, compare its checksum, note it."""
        target = self.place / item.place
        with writing_to(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        if not self._fetch(item, target):
            # What went wrong may be the part of an earlier call: once more, from the start.
            self._fetch(item, target)
        with self._noting, writing_to(target):
            self.record.add(item.place, item.url, self.plan.version)
        self.bars.done()

    def _fetch(self, item: Wanted, target: Path) -> bool:
        loader = Resuming(target, self.client, self.patience, lambda *of: self.bars.file(item.name, *of), self.stop)
        try:
            self.pooch.fetch(item.place, downloader=loader)
        except FetchError:
            raise
        except ValueError as error:
            if loader.resumed:
                return False
            raise self._wrong(item, str(error)) from None
        return True

    def _wrong(self, item: Wanted, said: str) -> FetchError:
        """Return the error for a file whose checksum is another; pooch has removed it."""
        told = SUMS.search(said)
        expected, found = told.groups() if told else (self.sums[item.place], "another")
        page = self.plan.way.page
        if item.checksum:
            remedy = f"its publisher gives the first; the file was removed, so try again, or look at {page}"
        else:
            remedy = (
                "the first is that of an earlier download; the file was removed: if its publisher has replaced it, "
                "delete its lines from checksums.json and try again"
            )
        return self.client.source.other(item.url, f"expected checksum {expected}, found {found}", remedy)


def _together(one: _Bringer, items: list[Wanted], connections: int, stop: Event, record: Record) -> None:
    """Bring files side by side; the first error, or Ctrl-C, ends all, and what has come is noted."""
    pool = ThreadPoolExecutor(max(1, connections), thread_name_prefix="fetch")
    try:
        futures = [pool.submit(one.bring, item) for item in items]
        errors, waiting = [], True
        while waiting and not errors:  # in short steps, since Windows hears Ctrl-C only between them
            done, waiting = wait(futures, timeout=0.5, return_when=FIRST_EXCEPTION)
            errors = [future.exception() for future in done if future.exception()]
        if errors:
            stop.set()
            raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        record.save()
