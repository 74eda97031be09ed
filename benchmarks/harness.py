"""What all benchmarks share: pairs of timings in turn, the rate of a plain matrix product, and a table of results.

A time alone says little: machines differ, and so does one from minute to minute. So every figure here is a ratio
of two things that were timed in turn in one process, or a share of a limit that was measured beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import psutil
import torch

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
