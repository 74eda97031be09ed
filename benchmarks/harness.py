"""What all benchmarks share: timings in turn, growth, peak memory, the rate of a matrix product, a row a result.

A time alone says little: machines differ, and so does one from minute to minute. So every figure here is a ratio
of two things that were timed in turn in one process, or a share of a limit that was measured beside it.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import re
import resource
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter

import psutil
import torch
from scipy.stats import linregress

RESULTS = "RECO_BENCH"
"""Environment variable with the file that `note` adds its rows to, a JSON object a line."""

BUSY = 0.25
"""Share of a core that other processes may take before a figure carries a warning."""


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call (s)."""
    start = perf_counter()
    work()
    return perf_counter() - start


def others() -> float:
    """Return how many cores other processes keep busy, measured over a tenth of a second."""
    me, cores = psutil.Process(), psutil.cpu_count() or 1
    before = sum(me.cpu_times()[:2])
    share = psutil.cpu_percent(0.1) / 100 * cores
    return max(0.0, share - (sum(me.cpu_times()[:2]) - before) / 0.1)


def paired(ours: Callable[[], object], plain: Callable[[], object], rounds: int = 5) -> dict:
    """Time two sides in turn, after one call of each that doesn't count.

    Returns
    -------
    dict
        ``ours`` and ``plain``, median seconds; ``ratio``, the median over the rounds of plain / ours, with its ``low``
        and ``high``; ``rounds``; ``others``, the cores that other processes kept busy at worst between the rounds.
    """
    ours(), plain()
    times, busy = [], 0.0
    for k in range(rounds):
        busy = max(busy, others())
        first, second = (ours, plain) if k % 2 == 0 else (plain, ours)
        pair = [seconds(first), seconds(second)]
        times.append(pair if k % 2 == 0 else pair[::-1])
    ratios = [b / a for a, b in times]
    found = {"ours": statistics.median(a for a, _ in times), "plain": statistics.median(b for _, b in times)}
    return found | {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios),
                    "rounds": rounds, "others": busy}  # fmt: skip


def gemm(side: int = 2048, rounds: int = 5) -> float:
    """Return the rate of a plain float32 matrix product with the threads that torch has now (GFLOP/s, median)."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    out = torch.empty(side, side)
    torch.mm(a, b, out=out)
    return 2 * side**3 / statistics.median(seconds(lambda: torch.mm(a, b, out=out)) for _ in range(rounds)) / 1e9


def exponent(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return p of values ~ sizes^p by least squares of their logarithms, and its standard error."""
    line = linregress([math.log(size) for size in sizes], [math.log(value) for value in values])
    return float(line.slope), float(line.stderr)


def growth(sizes: Sequence[int], prepare: Callable[[int], Callable[[], object]], rounds: int = 5) -> dict:
    """Time a piece of work at several sizes, and fit how it grows.

    Parameters
    ----------
    sizes : sequence of int
        At least three, some powers of two apart.
    prepare : callable (size) -> callable ()
        Makes the inputs, and returns the work, which alone is timed.
    rounds : int
        Rounds over all sizes, so that a slow minute hits them all; after one call of each that doesn't count.

    Returns
    -------
    dict
        ``exponent`` and its standard ``error``; ``sizes``; ``seconds``, the median at each; ``rounds``; ``others``.
    """
    works, busy = [prepare(size) for size in sizes], 0.0
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(rounds):
        busy = max(busy, others())
        for kept, work in zip(times, works, strict=True):
            kept.append(seconds(work))
    medians = [statistics.median(kept) for kept in times]
    power, error = exponent(sizes, medians)
    return {"exponent": power, "error": error, "sizes": list(sizes), "seconds": medians, "rounds": rounds,
            "others": busy}  # fmt: skip


def highest() -> float:
    """Return the most memory that this process has held so far (MiB).

    ``ru_maxrss`` begins with the peak of the process that started this one, so Linux's mark is read where it exists.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def peak(prepare: Callable[[int], Callable[[], object]], size: int) -> dict:
    """Do a piece of work in a process of its own, and return what memory it takes.

    Parameters
    ----------
    prepare : callable (size) -> callable ()
        As of `growth`, and defined at the top of a module, since the other process imports it.
    size : int
        Its argument.

    Returns
    -------
    dict
        ``imports``, the peak before anything is prepared (MiB); ``mib``, what inputs and work add to it.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, prepare, size).result()


def _peak(prepare: Callable[[int], Callable[[], object]], size: int) -> dict:
    before = highest()
    prepare(size)()
    return {"imports": before, "mib": highest() - before}


def note(what: str, found: dict, *, goal: str = "", against: str = "", **more: object) -> None:
    """Print one result, and add it to the file that `RESULTS` names.

    Parameters
    ----------
    what : str
        What was measured, such as ``training, 120 members``.
    found : dict
        From `paired`, or numbers of one's own, by name.
    goal, against : str
        What it should reach, and the plain alternative.
    **more
        Whatever else belongs in the row: members, samples, cells, threads, ….
    """
    row = {"what": what, "against": against, "goal": goal, "threads": torch.get_num_threads()} | more | found
    shown = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if k != "what")
    print(f"{what}: {shown}", flush=True)
    if found.get("others", 0) > BUSY:
        print(f"{what}: other processes kept {found['others']:.1f} cores busy; measure again", file=sys.stderr)
    if path := os.environ.get(RESULTS):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
