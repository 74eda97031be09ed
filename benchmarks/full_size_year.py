"""What a year of real, full-size products takes: seconds and peak memory a product, and 19 years stated from it.

Run ``python benchmarks/full_size_year.py``. It writes one made year of every product at the size of the real files (see
``full_size_files.py``: 3600 x 7200 grids, sinusoidal tiles of 1200 and 2400 pixels a side over 20 by 20 degrees, 250 m
soil maps), reads each through ``helpers.products.read`` onto 0.05 degrees in a process of its own, and prints

- the seconds a file, and the largest memory that the process ever held;
- the hours that the files of 19 years would take at that pace: a daily product has 365 files a year, an 8-day one 46
  dates, and some 290 tiles hold the land.

With ``--chapter`` chapter 1 runs on the folder too, in profile ``paper``, as a user would run it.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import full_size_files as made
import pandas as pd

from helpers import products
from helpers.space.grid import Grid

YEAR = 2001
LAND_TILES, YEARS = 290, 19
FILES_A_YEAR = {"glass_par": 365, "glass_lai": 46, "glass_fapar": 46 * LAND_TILES}
FILES_A_YEAR |= {"mod13a3": 12 * LAND_TILES, "mod17a3hgf": LAND_TILES}
ONCE = ("mcd12c1", "soilgrids2017")
"""Products of one date: their files are read once, not every year."""

SELECTION = {
    "glass_par": {"years": [YEAR], "allow_partial": True},
    "glass_lai": {"years": [YEAR], "allow_partial": True},
    "glass_fapar": {"years": [YEAR], "grid": Grid(0.05), "allow_partial": True},
    "mod13a3": {"years": [YEAR], "grid": Grid(0.05)},
    "mod17a3hgf": {"years": [YEAR], "grid": Grid(0.05)},
    "mcd12c1": {"years": [YEAR]},
    "soilgrids2017": {"grid": Grid(0.05)},
    "cru_tmp": {"years": [YEAR]},
    "cru_pre": {"years": [YEAR]},
    "cru_pet": {"years": [YEAR]},
    "spei": {"years": [YEAR]},
    "mstmip": {"years": [YEAR]},
    "fluxnet2015": {},
    "fluxnet": {},
}


def peak_mib(who: int) -> float:
    """Return the largest memory held so far, MiB (Linux counts KiB, macOS bytes)."""
    return resource.getrusage(who).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def read_one(product: str, folder: Path) -> dict:
    """Read a product whole, and say what it took."""
    files = products.find(product, folder)
    begin = time.perf_counter()
    ds = products.read(product, files, **SELECTION[product])
    values = {}
    for name in ds.data_vars:  # one field after the other, as a chapter would: none is kept
        field = ds[name].compute()
        values[str(name)] = float(field.mean()) if field.dtype.kind in "fiu" else None
    seconds = time.perf_counter() - begin
    return {"files": len(files), "seconds": seconds, "MiB": peak_mib(resource.RUSAGE_SELF), "means": values}


def in_its_own_process(*options: str) -> str:
    """Run this script with options of its own: a process starts with the peak of the one that started it."""
    command = [sys.executable, __file__, *options]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(folder: Path) -> pd.DataFrame:
    """Read every product in a process of its own."""
    rows = {}
    for product in SELECTION:
        rows[product] = json.loads(in_its_own_process("--one", product, "--folder", str(folder)))
    table = pd.DataFrame(rows).T
    table["s a file"] = table["seconds"] / table["files"]
    of_year = pd.Series(FILES_A_YEAR, dtype=float).reindex(table.index).fillna(table["files"].astype(float))
    times = pd.Series(YEARS, table.index).where(~table.index.isin(ONCE), 1)
    times = times.where(~table.index.str.startswith("fluxnet"), 1)
    table[f"h for {YEARS} years"] = table["s a file"] * of_year * times / 3600
    return table


def chapter(folder: Path) -> tuple[float, float]:
    """Run chapter 1 in profile ``paper`` on the folder; return seconds and the largest memory of a process, MiB."""
    settings = [f"01.first_year={YEAR}", f"01.last_year={YEAR}", "allow_partial=true"]
    command = [
        sys.executable,
        "-m",
        "helpers.run",
        "--profile",
        "paper",
        "--only",
        "01",
        "--no-pages",
        "--set",
        *settings,
    ]
    with tempfile.TemporaryDirectory(dir=folder.parent) as outputs:
        begin = time.perf_counter()
        places = {"RECO_PRODUCTS": str(folder), "RECO_OUTPUTS": outputs}
        subprocess.run(command, check=True, env=os.environ | places)
        return time.perf_counter() - begin, peak_mib(resource.RUSAGE_CHILDREN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the files go and stay; default a temporary folder")
    parser.add_argument("--one", choices=SELECTION, help="read this product of the folder only, and print JSON")
    parser.add_argument("--write", action="store_true", help="write the files into the folder, and nothing else")
    parser.add_argument("--chapter", action="store_true", help="run chapter 1 on the folder too")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(read_one(options.one, options.folder)))
        return
    if options.write:
        made.write(options.folder, [YEAR])
        return
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "products"
        if not folder.exists():
            folder.mkdir(parents=True)
            in_its_own_process("--write", "--folder", str(folder))
        table = measure(folder)
        print(table.drop(columns="means").astype(float).round({"seconds": 1, "MiB": 0, "s a file": 2}).to_string())
        print(f"all products, {YEARS} years: {table.iloc[:, -1].sum():.1f} h; peak {table['MiB'].max():.0f} MiB")
        if options.chapter:
            seconds, mib = chapter(folder)
            print(f"chapter 1 on one year: {seconds:.0f} s, peak {mib:.0f} MiB")


if __name__ == "__main__":
    main()
