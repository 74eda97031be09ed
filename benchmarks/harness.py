"""What all benchmarks share: timings in turn, growth, peak memory, the rate of a matrix product, a row a result.

A time alone says little: machines differ, and so does one from minute to minute. So every figure here is a ratio
of two things that were timed in turn in one process, or a share of a limit that was measured beside it.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import operator
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

UNITS = {
    "speedup": "plain / ours",
    "slowdown": "ours / plain",
    "share": "of the limit",
    "rate": "a second",
    "growth of time": "exponent",
    "growth of memory": "exponent",
    "peak": "MiB",
}
"""Kinds of rows, and the unit of their ``value``. A speedup is better the larger it is, a slowdown the smaller."""

COLUMNS = ["script", "what", "kind", "against", "goal", "reached", "value", "low", "high", "unit"]
COLUMNS += ["ours_s", "plain_s", "rounds", "threads", "work", "work_unit", "sizes", "measured"]
COLUMNS += ["others", "busy", "commit"]
"""Columns of the table; not every kind of row has them all.

``goal`` is empty or ``>= 6`` or ``<= 1.5``, of the ``value``; ``low`` and ``high`` are its extremes over the rounds, of
an exponent the value less and plus its standard error. ``ours_s`` and ``plain_s`` are median seconds of one call, in
which ours does so much ``work``, counted in ``work_unit``. Growth has the ``sizes``, and what was ``measured`` at each
(s or MiB), with a space between. ``others`` are the cores that other processes kept busy meanwhile.
"""


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call (s)."""
    start = perf_counter()
    work()
    return perf_counter() - start


def own_seconds() -> float:
    """Return the processor time that this process and all that it started have had so far (s)."""
    me, total = psutil.Process(), 0.0
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += sum(process.cpu_times()[:4])  # user and system, its own and those of children that have ended
    return total


def others() -> Callable[[], float]:
    """Begin to watch; the function that comes back tells how many cores other processes have kept busy since."""

    def elsewhere() -> float:
        times = psutil.cpu_times()
        idle = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
        return sum(times) - idle - own_seconds()

    before, start = elsewhere(), perf_counter()
    return lambda: max(0.0, (elsewhere() - before) / (perf_counter() - start))


def paired(
    ours: Callable[[], object],
    plain: Callable[[], object],
    rounds: int = 5,
    *,
    kind: str = "speedup",
    share: float = 1.0,
) -> dict:
    """Time two sides in turn, after one call of each that doesn't count.

    Parameters
    ----------
    ours, plain : callable ()
    rounds : int
    kind : {"speedup", "slowdown"}
        Which way round the ratio is, see `UNITS`.
    share : float
        How much of our work the plain side does; its seconds are divided by it.

    Returns
    -------
    dict
        For `note`: ``kind``; ``value``, the median of the rounds' ratios, with its ``low`` and ``high``; ``ours_s`` and
        ``plain_s``; ``rounds``; ``others``.
    """
    ours(), plain()
    times, busy = [], others()
    for k in range(rounds):
        first, second = (ours, plain) if k % 2 == 0 else (plain, ours)
        pair = [seconds(first), seconds(second)]
        times.append(pair if k % 2 == 0 else pair[::-1])
    found = {"kind": kind, "rounds": rounds, "others": busy()}
    times = [(mine, other / share) for mine, other in times]
    ratios = [other / mine if kind == "speedup" else mine / other for mine, other in times]
    mine, other = (statistics.median(side) for side in zip(*times, strict=True))
    return found | {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios),
                    "ours_s": mine, "plain_s": other}  # fmt: skip


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


def growth(sizes: Sequence[int], prepare: Callable[[int], Callable[[], object]], rounds: int = 5) -> tuple[dict, dict]:
    """Time a piece of work at several sizes, have each size once in a process of its own, and fit how both grow.

    Parameters
    ----------
    sizes : sequence of int
        At least three, some powers of two apart. The smallest must take long beside what a call takes to begin.
    prepare : callable (size) -> callable ()
        Makes the inputs, and returns the work, which alone is timed. Defined at the top of a module, as `peak` asks.
    rounds : int
        Rounds over all sizes, up and down in turn, so that a slow minute hits them all; after one call of each that
        doesn't count.

    Returns
    -------
    dict, dict
        Of time and of memory, for `note`: ``kind``; ``value``, the exponent, with ``low`` and ``high``; ``sizes``;
        ``measured``, at each size the median (s) or the peak (MiB); of time ``ours_s``, that of the last size, besides.
    """
    works = [prepare(size) for size in sizes]
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    busy = others()
    for k in range(rounds):
        for at in range(len(works))[:: -1 if k % 2 else 1]:
            times[at].append(seconds(works[at]))
    found, medians = {"rounds": rounds, "others": busy()}, [statistics.median(kept) for kept in times]
    found |= {"kind": "growth of time", "ours_s": medians[-1]} | _fitted(sizes, medians)
    works.clear()  # what they hold is memory
    peaks = [max(1.0, peak(prepare, size)["mib"]) for size in sizes]
    return found, {"kind": "growth of memory"} | _fitted(sizes, peaks)


def _fitted(sizes: Sequence[int], values: list[float]) -> dict:
    power, error = exponent(sizes, values)
    return {"value": power, "low": power - error, "high": power + error, "sizes": list(sizes), "measured": values}


def highest() -> float:
    """Return the most memory that this process has held so far (MiB).

    ``ru_maxrss`` begins with the peak of the process that started this one, so Linux's mark is read where it exists.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def peak(prepare: Callable[..., Callable[[], object]], *given: object) -> dict:
    """Do a piece of work once in a process of its own, and return what memory and time it takes.

    Parameters
    ----------
    prepare : callable (*given) -> callable ()
        Makes the inputs, and returns the work. Defined at the top of a module, since the other process imports it.
    *given
        Its arguments.

    Returns
    -------
    dict
        ``imports``, the peak before anything is prepared (MiB); ``mib``, what inputs and work add to it; ``seconds``
        of the work alone.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, prepare, given).result()


def _peak(prepare: Callable[..., Callable[[], object]], given: Sequence) -> dict:
    before = highest()
    took = seconds(prepare(*given))
    return {"imports": before, "mib": highest() - before, "seconds": took}


def reached(value: float, goal: str) -> bool | None:
    """Say whether a value reaches its goal, such as ``>= 6`` or ``<= 1.5``; None without a goal."""
    if not goal:
        return None
    sense, number = goal.split()
    return {">=": operator.ge, "<=": operator.le}[sense](value, float(number))


def note(
    what: str,
    found: dict,
    *,
    goal: str = "",
    against: str = "",
    work: float | None = None,
    work_unit: str = "",
    threads: int | None = None,
) -> None:
    """Print one result, and add it to the file that `RESULTS` names.

    Parameters
    ----------
    what : str
        What was measured, at which size, such as ``training 120 networks on 769 samples``. With the kind it names the
        row: a script has no two of the same.
    found : dict
        From `paired` or `growth`, or ``kind``, ``value`` and other `COLUMNS` of one's own.
    goal : str
        ``>= 6`` or ``<= 1.5``.
    against : str
        The plain alternative, or the limit.
    work, work_unit
        How much work one call of ours does: ``46, "file"``.
    threads : int, optional
        By default torch's.
    """
    more = {"what": what, "against": against, "goal": goal, "reached": reached(found["value"], goal), "work": work}
    more |= {"unit": UNITS[found["kind"]], "work_unit": work_unit, "threads": threads or torch.get_num_threads()}
    row = more | found | {"busy": found.get("others", 0.0) > BUSY}
    if unknown := set(row) - set(COLUMNS):
        raise ValueError(f"{what}: expected columns of the table, found {', '.join(sorted(unknown))}")
    shown = " ".join(filter(None, [f"{row['value']:.4g}", row["unit"], f"(goal {goal})" * bool(goal)]))
    print(f"{what}, {row['kind']}: {shown}", flush=True)
    if row["busy"]:
        print(f"{what}: other processes kept {found['others']:.1f} cores busy; measure again", file=sys.stderr)
    if path := os.environ.get(RESULTS):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: row.get(name) for name in COLUMNS}) + "\n")
