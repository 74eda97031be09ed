"""Many pieces of work side by side: on the cores of this machine, or on a cluster of dask workers.

Everything in the book that can be cut into pieces goes through `each`: chunks of networks that train, strips of a map,
strips of trends, files of a year. What a piece holds never depends on how many work on it, and each is done on one
thread, so that results are the same to the last bit on one core, on many, and on another machine of the same kind.

>>> list(each(abs, [-1, 2, -3]))
[1, 2, 3]
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import operator
import os
import platform
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from helpers.workspace import UserError

Item, Result = TypeVar("Item"), TypeVar("Result")

SCHEDULER = "RECO_DASK_SCHEDULER"
"""Environment variable with the address of a dask scheduler, ``tcp://host:port``; without it, or empty: this machine.
The runner sets it for the kernels that it starts, from the profile's ``dask_scheduler``."""

AHEAD = 2
"""Pieces a worker that are handed out before the first result is taken: enough to keep it busy, few enough to bound the
results that wait."""

REACH = 10.0
"""Seconds in which a scheduler must answer."""

ALONE = 300.0
"""Seconds to wait for a worker while a cluster has none: a queue starts a job again, a nanny its worker."""

TELLS = 1.0
"""Seconds between two words of a remote piece on its progress."""

TOPIC = "helpers.tasks: progress for "
"""What remote pieces tell of their progress under, with the name of the client that hears of it."""

ALIKE = ("numpy", "scipy", "pandas", "xarray", "torch", "scikit-learn", "dask", "distributed", "cloudpickle")
"""Packages of which workers must have the version that is here: others give other last digits, or don't understand."""

_here = threading.local()  # of a thread that does a piece of work: whom it tells of its progress
_connections: dict = {}  # clients by address
_listening: dict[str, Callable[[str, int], None]] = {}  # who hears of the progress of remote pieces, by call of `each`


def cores() -> int:
    """Return how many pieces this machine does at a time: ``OMP_NUM_THREADS``, else the cores this process may use."""
    if not (given := os.environ.get("OMP_NUM_THREADS")):
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # OpenMP takes a list, too, a number for each level of nesting
    if not (found := re.fullmatch(r"\s*0*([1-9][0-9]{0,3})\s*(,.*)?", given)):
        raise UserError(f"OMP_NUM_THREADS: expected a number of threads, 1 to 9999, found {given!r:.60}; correct it")
    return int(found[1])


def each(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    progress: str = "",
    total: int | None = None,
    here: bool = False,
) -> Iterator[Result]:
    """Yield ``work(item)`` for every item, in their order, while others are at work on the next ones.

    A piece may call `each` for pieces of its own: it does them one after the other.

    Parameters
    ----------
    work : callable (item) -> result
        Pure: what it returns depends on the item alone. With a cluster, it travels there once and the items one by one.
    items : iterable
        Taken as workers get free; few are ahead of the result that is asked for.
    progress : str
        Title of a bar; none without.
    total : int, optional
        Steps of the whole that pieces tell of by `advance`; by default a piece is a step.
    here : bool
        On threads of this process whatever is set, also within a piece: for many short reads, which wait for other
        processes, and which call neither BLAS nor OpenMP.

    Raises
    ------
    Exception
        What a piece raises; those that have not begun are given up, and the others end at their next `advance`.
    ConnectionError
        The cluster can't be reached, is unlike this machine, or has been without workers for `ALONE` seconds.
    """
    if (cores() == 1 or operator.length_hint(items, 2) < 2) if here else hasattr(_here, "tell"):
        yield from map(work, items)
        return
    items, count = iter(items), operator.length_hint(items) if total is None else total
    bar = tqdm(total=count or None, desc=progress, unit="step" if total else "piece", unit_scale=bool(total),
               disable=not progress, mininterval=1.0)  # fmt: skip

    def show(steps: int) -> None:
        if total is not None:
            with bar.get_lock():
                bar.update(steps)

    address, waiting = "" if here else os.environ.get(SCHEDULER, ""), deque()
    pool = _cluster(address, work, show, progress) if address else _threads(work, show, limited=not here)
    with bar, pool as (submit, take, width):
        try:
            for item in items:
                waiting.append(submit(item))
                if len(waiting) >= AHEAD * width():
                    yield take(waiting.popleft())
                    bar.update(total is None)
            last = []
            while waiting:
                last = [take(waiting.popleft())]
                bar.update(total is None)
                if waiting:
                    yield last.pop()
        finally:
            for future in waiting:
                future.cancel()
    yield from last  # all is over by then, also for who counts the results and asks for no more


def advance(steps: int = 1) -> None:
    """Tell whoever waits for this piece of work that so many steps more are done; without anybody, nothing happens."""
    if tell := getattr(_here, "tell", None):
        tell(steps)


def _told(tell: Callable[[int], None], work: Callable[[Item], Result], item: Item) -> Result:
    """Do a piece of work in this thread, whose steps ``tell`` hears of."""
    _here.tell = tell
    try:
        return work(item)
    finally:
        del _here.tell


def _unless(stopped: bool) -> None:
    if stopped:
        raise RuntimeError("interrupted: another piece of the same work failed, or nobody waits for it")


@contextmanager
def _threads(
    work: Callable, show: Callable[[int], None], limited: bool
) -> Iterator[tuple[Callable, Callable, Callable]]:
    """Yield how to hand an item out (for a future), how to wait for a result, and how many are done at a time."""
    broken, width = threading.Event(), cores()

    def tell(steps: int) -> None:
        _unless(broken.is_set())
        show(steps)

    # Libraries that start threads within those of a pool wait for each other most of the time. A limit of OpenMP is
    # the thread's own; that of BLAS is of the process. To find the libraries takes longer than to read a small file.
    alone = {"initializer": threadpool_limits, "initargs": (1, "openmp")} if limited else {}
    with threadpool_limits(1, "blas") if limited else nullcontext(), ThreadPoolExecutor(width, **alone) as pool:
        try:
            yield lambda item: pool.submit(_told, tell, work, item), Future.result, lambda: width
        finally:
            broken.set()


@contextmanager
def _cluster(
    address: str, work: Callable, show: Callable[[int], None], title: str
) -> Iterator[tuple[Callable, Callable, Callable]]:
    """Yield the same as `_threads`, for the workers of a cluster."""
    import cloudpickle  # these are heavy, and only who has a cluster needs them
    import dask
    from dask.distributed import KilledWorker

    client = connect(address)
    call, shown, lock = uuid.uuid4().hex, {}, threading.Lock()
    title = title or getattr(work, "__name__", "work")

    def hear(key: str, steps: int) -> None:
        """Show how far a piece has come; one that is done again counts when it has come farther than before."""
        with lock:
            more, shown[key] = steps - shown.get(key, 0), max(steps, shown.get(key, 0))
        if more > 0:
            show(more)

    def submit(item: Item):
        key = f"{title}-{call}-{len(shown)}"
        shown[key] = 0
        # as bytes, in which dask looks for nothing of its own: an item may hold lazy maps
        return client.submit(_piece, function, cloudpickle.dumps(item), call, TOPIC + client.id, key=key)

    def take(future) -> Result:
        _await(client, address, future)
        try:
            result, steps = future.result()
        except KilledWorker as error:
            raise ConnectionError(
                f"{SCHEDULER}: expected workers that live, found that a piece of {title} has ended several, the last "
                f"{error.last_worker.address}; look into its log, and give workers more memory"
            ) from error
        except CancelledError as error:
            raise _gone(address) from error
        hear(future.key, steps)
        return result

    _listening[call] = hear
    try:
        # A task of its own, not scattered: it is taken apart once a worker, and made again where all who had it died.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 GiB"}):
            function = client.submit(cloudpickle.loads, cloudpickle.dumps(work), key=f"function-{call}")
        _await(client, address, function)
        client.replicate([function])  # pieces go where their function is
        yield submit, take, lambda: max(1, sum(_asked(client, address).values()))
    finally:
        del _listening[call]


def _piece(work: Callable[[Item], Result], item: bytes, call: str, listener: str) -> tuple[Result, int]:
    """Do a piece of work on a worker; return the result, and of how many steps it has told."""
    import cloudpickle
    from dask.distributed import get_worker

    item = cloudpickle.loads(item)
    worker, key, steps, last = get_worker(), get_worker().get_current_task(), 0, time.monotonic()

    def tell(more: int) -> None:
        nonlocal steps, last
        task = worker.state.tasks.get(key)
        _unless(task is None or task.state == "cancelled")
        steps += more
        if time.monotonic() - last > TELLS:
            last = time.monotonic()
            worker.log_event(listener, {"call": call, "key": key, "steps": steps})

    _keep_memory()
    threadpool_limits(1)
    return _told(tell, work, item), steps


@cache
def _keep_memory() -> None:
    """Let the C library keep what this process frees, up to 128 MB, for its next arrays.

    Nannies of dask set ``MALLOC_TRIM_THRESHOLD_`` so low that every array of a training step is asked of the system and
    given back anew, which doubles the time of a step. Without it glibc would raise its limits by itself, about so far.
    """
    if platform.libc_ver()[0] == "glibc":
        libc, trim_threshold, mmap_threshold = ctypes.CDLL(None), -1, -3
        libc.mallopt(mmap_threshold, 32 * 2**20)
        libc.mallopt(trim_threshold, 128 * 2**20)


def _await(client, address: str, future) -> None:
    """Wait until a future is done, as long as there are workers, or some may come back."""
    from dask.distributed import wait

    seen = time.monotonic()
    while not future.done():
        try:
            with client.as_current():
                wait(future, timeout=1)
        except TimeoutError:
            if _asked(client, address):
                seen = time.monotonic()
            elif time.monotonic() - seen > ALONE:
                raise ConnectionError(
                    f"{SCHEDULER}: expected workers at {address}, found none for {ALONE:.0f} s; start some "
                    f"(dask worker {address}), or look into the logs of those that ended"
                ) from None
        except CancelledError as error:
            raise _gone(address) from error


def _asked(client, address: str) -> dict[str, int]:
    """Return the threads of each worker by its address."""
    try:
        return client.nthreads()
    except OSError as error:
        raise _gone(address) from error


def _gone(address: str) -> ConnectionError:
    return ConnectionError(f"{SCHEDULER}: expected a scheduler at {address}, found that it has gone; start it again")


def connect(address: str):
    """Return this process's connection to a dask scheduler, whose workers are found to be like this process.

    Raises
    ------
    ConnectionError
        Nobody answers there within `REACH` seconds, or a worker has other versions or other code than this process.
    """
    from dask.distributed import Client

    client = _connections.get(address)
    if client is not None and client.status == "running":
        return client
    logging.getLogger("distributed.client").setLevel(logging.ERROR)  # pieces that are done again are no news
    try:
        client = Client(address, timeout=REACH, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # also what is wrong with certificates
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConnectionError(
            f"{SCHEDULER}: expected a dask scheduler at {address}, found none ({why}); start one (dask scheduler), or "
            "leave it empty for this machine"
        ) from error
    try:
        compare(client)
    except BaseException:
        client.close()
        raise
    client.subscribe_topic(TOPIC + client.id, _hear)
    _connections[address] = client
    return client


def _hear(event: tuple[float, dict]) -> None:
    """Pass on what a remote piece tells; of a call that is over, nobody hears."""
    _, said = event
    if hear := _listening.get(said["call"]):
        hear(said["key"], said["steps"])


def facts() -> dict[str, str]:
    """Return what results may depend on beside their inputs: versions, and a digest of this project's code."""
    return {"Python": platform.python_version()} | {name: version(name) for name in ALIKE} | {"helpers": _code()}


@cache
def _code() -> str:
    """Return a digest of this project's code as it was when this process first asked, which is what it has loaded."""
    found, here = hashlib.sha256(), Path(__file__).parent
    for path in sorted(here.rglob("*.py")):
        found.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:12]


def compare(client) -> None:
    """Raise ConnectionError unless all workers are like this process."""
    mine = facts()
    for worker, theirs in client.run(facts, on_error="return").items():
        if isinstance(theirs, OSError):
            continue  # it is just leaving
        if isinstance(theirs, Exception):
            raise ConnectionError(
                f"{SCHEDULER}: worker {worker}: expected this project's helpers, found none ({theirs}); start it in "
                "this environment"
            )
        for name, here in mine.items():
            if theirs.get(name) != here:
                raise ConnectionError(
                    f"{SCHEDULER}: worker {worker}: expected {name} {here}, found {theirs.get(name)}: results would "
                    "differ; start workers in this environment, and again after a change of the code"
                )
