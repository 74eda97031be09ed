"""Run all benchmarks, one process after the other, and keep their rows as a table, with the machine beside it.

    python benchmarks/run.py                      # all; into outputs/bench
    python benchmarks/run.py --only training      # one; its rows take the place of the table's earlier ones
    python benchmarks/run.py --to data/bench      # the table that the book ships

The folder gets ``results.csv``, a row a result, and ``machine.json``. The page *Cost and scale* reads them; its
parameter ``bench_folder`` names another folder than the book's own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
import pandas as pd
import psutil
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NONE = {"harness", "plain", "run", "full_size_files"}
"""Modules here that measure nothing by themselves."""

SHOWN = ["what", "kind", "against", "goal", "reached", "value", "low", "high", "ours_s", "plain_s", "busy"]


def machine(root: Path = ROOT) -> dict[str, object]:
    """Return what the figures depend on: processor, memory, rates of a matrix product, system, versions, commit."""
    with_all = harness.gemm()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with_one = harness.gemm()
    torch.set_num_threads(threads)
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch")}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gemm_one": round(with_one, 1),
        "gemm_all": round(with_all, 1),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **versions,
        **commit(root),
    }


def processor(told: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, as Linux tells it, else as Python does."""
    names = re.findall(r"^model name\s*:\s*(.+)$", told.read_text(), re.MULTILINE) if told.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def commit(root: Path = ROOT) -> dict[str, str]:
    """Return the commit of the working tree and its date; a ``+`` says that files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "benchmarks", "requirements.txt")
    return {
        "commit": (git("rev-parse", "HEAD") or "unknown") + "+" * bool(changed),
        "date": git("log", "-1", "--format=%cs"),
    }


def run(script: Path) -> tuple[list[dict], bool]:
    """Run one script; return the rows that it noted, and whether it ended well."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        done = subprocess.run([sys.executable, str(script)], env=os.environ | {harness.RESULTS: str(rows)})
        lines = rows.read_text(encoding="utf-8").splitlines() if rows.exists() else []
    return [json.loads(line) for line in lines], done.returncode == 0


def keep(tables: dict[str, list[dict]], at: str, path: Path) -> pd.DataFrame:
    """Write the rows of some scripts to ``path``, in place of these scripts' earlier ones; return the whole."""
    rows = [row | {"script": script, "commit": at} for script, noted in tables.items() for row in noted]
    for row in rows:
        row |= {name: " ".join(f"{v:.6g}" for v in row[name]) for name in ("sizes", "measured") if row[name]}
    new = pd.DataFrame(rows, columns=harness.COLUMNS)
    if path.exists():
        old = pd.read_csv(path)
        new = pd.concat([old[~old.script.isin(tables)], new])
    new = new.sort_values("script", kind="stable")
    path.parent.mkdir(parents=True, exist_ok=True)
    new.to_csv(path, index=False, float_format="%.5g")
    return new


def show(table: pd.DataFrame, about: dict, folder: Path) -> None:
    """Print the table and the machine, and warn where other processes were busy."""
    print(table[SHOWN].to_string(index=False, na_rep=""))
    rates = f"{about['gemm_one']} GFLOP/s with one thread, {about['gemm_all']} with {about['threads']}"
    print(f"{about['processor']}, {about['cores']} cores: {rates}; kept in {folder}")
    if busy := int(table.busy.astype(bool).sum()):
        print(
            f"{busy} of {len(table)} rows were measured while other processes were busy: measure again", file=sys.stderr
        )


def main() -> int:
    scripts = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem not in NONE}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=scripts, default=list(scripts), metavar="NAME", help=", ".join(scripts)
    )
    parser.add_argument("--to", type=Path, default=ROOT / "outputs" / "bench", help="folder of the table")
    options = parser.parse_args()
    about, tables, failed = machine(), {}, []
    for name in options.only:
        print(f"== {name}", flush=True)
        rows, well = run(scripts[name])
        failed += [] if well else [name]
        if rows:
            tables[name] = rows
    if tables:
        whole = keep(tables, about["commit"][:10] + about["commit"][40:], options.to / "results.csv")
        (options.to / "machine.json").write_text(
            json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        show(whole, about, options.to)
    for name in failed:
        print(
            f"{name}: expected it to end well, found an error above; run python benchmarks/{name}.py", file=sys.stderr
        )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
