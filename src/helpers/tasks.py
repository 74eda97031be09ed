"""Many pieces of work side by side: on the cores of this machine, or on a cluster of dask workers.

Everything in the book that can be cut into pieces goes through `each`: chunks of networks that train, strips of a map,
strips of trends, files of a year. What a piece holds never depends on how many work on it, and each is done on one
thread, so that results are the same to the last bit on one core, on many, and on another machine of the same kind.

>>> list(each(abs, [-1, 2, -3]))
[1, 2, 3]
"""

from __future__ import annotations

import operator
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

Item, Result = TypeVar("Item"), TypeVar("Result")

SCHEDULER = "RECO_DASK_SCHEDULER"
"""Environment variable with the address of a dask scheduler, ``tcp://host:port``; without it, or empty: this machine.
The runner sets it for the kernels that it starts, from the profile's ``dask_scheduler``."""

AHEAD = 2
"""Pieces a worker that are handed out before the first result is taken: enough to keep it busy, few enough to bound the
results that wait."""

_here = threading.local()  # of a thread that does a piece of work: whom it tells of its progress


def cores() -> int:
    """Return how many pieces this machine does at a time: ``OMP_NUM_THREADS``, else the cores this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("OMP_NUM_THREADS") or allowed)


def each(
    work: Callable[[Item], Result], items: Iterable[Item], *, progress: str = "", total: int | None = None
) -> Iterator[Result]:
    """Yield ``work(item)`` for every item, in their order, while others are at work on the next ones.

    Parameters
    ----------
    work : callable (item) -> result
        Pure: what it returns depends on the item alone. With a cluster, it and the items travel there.
    items : iterable
        Taken as workers get free; few are ahead of the result that is asked for.
    progress : str
        Title of a bar; none without.
    total : int, optional
        Steps of the whole that pieces tell of by `advance`; by default a piece is a step.

    Raises
    ------
    Exception
        What a piece raises; those that have not begun are given up, and the others end at their next `advance`.
    """
    items, count = iter(items), operator.length_hint(items) if total is None else total
    bar = tqdm(total=count or None, desc=progress, unit="step" if total else "piece", unit_scale=bool(total),
               disable=not progress, mininterval=1.0)  # fmt: skip
    broken, waiting = threading.Event(), deque()

    def tell(steps: int) -> None:
        if broken.is_set():
            raise RuntimeError("interrupted: another piece of the same work failed, or nobody waits for it")
        if total is not None:
            with bar.get_lock():
                bar.update(steps)

    with bar, _executor(tell) as (submit, width):
        try:
            for item in items:
                waiting.append(submit(work, item))
                if len(waiting) >= AHEAD * width:
                    yield waiting.popleft().result()
                    bar.update(total is None)
            while waiting:
                yield waiting.popleft().result()
                bar.update(total is None)
        finally:
            broken.set()
            for future in waiting:
                future.cancel()


def advance(steps: int = 1) -> None:
    """Tell whoever waits for this piece of work that so many steps more are done; without anybody, nothing happens."""
    if tell := getattr(_here, "tell", None):
        tell(steps)


@contextmanager
def _executor(tell: Callable[[int], None]) -> Iterator[tuple[Callable, int]]:
    """Yield a function that hands a piece of work out (a future), and how many are done at a time."""
    address = os.environ.get(SCHEDULER, "")
    if address:
        client = _client(address)
        with client.get_executor(pure=False) as pool:
            yield pool.submit, max(1, sum(client.nthreads().values()))
        return
    width = cores()

    def alone(work: Callable[[Item], Result], item: Item) -> Result:
        _here.tell = tell
        return work(item)

    # Libraries that start threads within those of a pool wait for each other most of the time. A limit of OpenMP is
    # the thread's own; that of BLAS is of the process.
    start = {"initializer": threadpool_limits, "initargs": (1, "openmp")}
    pool: Executor = ThreadPoolExecutor(width, **start)
    with threadpool_limits(1, "blas"), pool:
        yield lambda work, item: pool.submit(alone, work, item), width


@cache
def _client(address: str):
    """Return this process's connection to a scheduler."""
    from dask.distributed import Client  # heavy, and only who has a cluster needs it

    return Client(address, set_as_default=False)
