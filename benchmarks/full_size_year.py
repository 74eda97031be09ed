"""What a year of real, full-size products takes, against only reading the stored numbers.

    python benchmarks/full_size_year.py
    python benchmarks/full_size_year.py --only glass_par mod13a3 --rounds 3
    python benchmarks/full_size_year.py --chapter

It writes made files at the size of the real ones (see ``full_size_files.py``: 3600 x 7200 grids, sinusoidal tiles of
1200 and 2400 pixels a side; 250 m soil maps if asked for), reads each product through ``helpers.products.read`` onto
0.05 degrees, and beside it by a bare loop of pyhdf, rasterio or netCDF4 that opens each file and reads the field, on as
many processes as cores. Both sides are warm: the processes are there. Of a product with many files a year, half of
the files are read as well, and the row is of the difference: what a read takes however many files there are, half a
second, counts in CRU and MCD12C1, which have one. Another row is of a year with as many files as a real one has: a
daily product has 365 of them, an 8-day one 46 dates, and some 290 tiles hold the land. One more gives the memory of a
process that reads the product, the largest of its readers with it.

In a ``--folder`` of one's own, where the files stay, every product is written, with more dates. So it is for
``--chapter``: chapter 1 runs on the files too, in profile ``paper``, as a user would run it.
"""

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import full_size_files as made
from harness import highest, note, others, paired

from helpers import products, tasks
from helpers.space.grid import Grid

YEAR = 2001
LAND_TILES = 290
DATES = 4
"""Dates of daily and 8-day products, in a temporary folder: enough for two cores, and quickly read."""
FILES_A_YEAR = {"glass_par": 365, "glass_lai": 46, "glass_fapar": 46 * LAND_TILES}
FILES_A_YEAR |= {"mod13a3": 12 * LAND_TILES, "mod17a3hgf": LAND_TILES}
GOAL = "<= 1.5"

SLOW = {"soilgrids2017"}
"""Products that are read for minutes and once for all years: only if asked for."""

ON_GRID = {"years": [YEAR], "grid": Grid(0.05)}
SELECTION = {
    "glass_par": {"years": [YEAR], "allow_partial": True},
    "glass_lai": {"years": [YEAR], "allow_partial": True},
    "glass_fapar": ON_GRID | {"allow_partial": True},
    "mod13a3": ON_GRID | {"allow_partial": True},
    "mod17a3hgf": ON_GRID,
    "mcd12c1": {"years": [YEAR]},
    "cru_tmp": {"years": [YEAR]},
    "soilgrids2017": {"grid": Grid(0.05)},
}


def bare(path: Path, field: str) -> float:
    """Only read the stored numbers of one file."""
    if path.suffix == ".hdf":
        from pyhdf.SD import SD, SDC

        file = SD(str(path), SDC.READ)
        data = file.select(field)
        stored = data.get()
        data.endaccess()
        file.end()
        return float(stored[0, 0])
    if path.suffix == ".nc":
        import netCDF4

        with netCDF4.Dataset(path) as file:
            return float(file[field][12 * (YEAR - made.BLOCK[0]) : 12 * (YEAR - made.BLOCK[0] + 1)][0, 0, 0])
    import rasterio
    from rasterio.windows import Window

    with rasterio.open(path) as file:
        for row in range(0, file.height, 512):
            stored = file.read(1, window=Window(0, row, file.width, min(512, file.height - row)))
    return float(stored[0, 0])


def read_one(product: str, files: list[Path]) -> None:
    """Read some files of a product, one field after the other, as a chapter would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dates that are missing
        ds = products.read(product, files, **SELECTION[product])
    for name in ds.data_vars:
        ds[name].compute()


def largest_child() -> float:
    """Return the largest memory that a process which this one started held (MiB; macOS counts bytes)."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(folder: Path, rounds: int, chosen: list[str]) -> None:
    """Time every product's two sides in turn, and note what all come to in a year of as many files as there are."""
    width, year, known = tasks.cores(), {"ours_s": 0.0, "plain_s": 0.0}, products.products()
    busy = others()
    with ProcessPoolExecutor(width, mp_context=get_context("spawn")) as pool:
        for product in chosen:
            files, field = sorted(products.find(product, folder)), known[product].fields[0].stored

            def read(files: list[Path], product=product, field=field) -> dict:
                def plain() -> None:
                    list(pool.map(bare, files, [field] * len(files)))

                return paired(lambda: read_one(product, files), plain, rounds, kind="slowdown")

            found, count = read(files), len(files)
            if product in FILES_A_YEAR:
                half = read(files[: count // 2])
                found |= {side: found[side] - half[side] for side in year} | {"low": None, "high": None}
                found["value"], count = found["ours_s"] / found["plain_s"], count - count // 2
            about = {"work": count, "work_unit": f"file of {product}", "threads": width}
            note(f"reading {product}", found, goal=GOAL, against="a bare loop of its library", **about)
            for side in year:
                year[side] += found[side] * FILES_A_YEAR.get(product, 0) / count
    if year["plain_s"]:
        total = {"kind": "slowdown", "value": year["ours_s"] / year["plain_s"], "others": busy()}
        about = {"work": 1, "work_unit": "year of files", "threads": width, "against": "the sum of the same bare loops"}
        note("reading a year of GLASS and MODIS", total | year, goal=GOAL, **about)


def note_peak(product: str, folder: Path) -> None:
    """Read a product in a process of its own, and note the memory that it took."""
    command = [sys.executable, __file__, "--one", product, "--folder", str(folder)]
    mib = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    note(f"reading {product}", {"kind": "peak", "value": float(mib)}, threads=tasks.cores())


def chapter(folder: Path) -> tuple[float, float]:
    """Run chapter 1 in profile ``paper`` on the folder; return seconds and the largest memory of a process, MiB."""
    settings = [f"01.first_year={YEAR}", f"01.last_year={YEAR}", "allow_partial=true"]
    options = ["--profile", "paper", "--only", "01", "--no-pages", "--set", *settings]
    with tempfile.TemporaryDirectory(dir=folder.parent) as outputs:
        begin = time.perf_counter()
        places = {"RECO_PRODUCTS": str(folder), "RECO_OUTPUTS": outputs}
        subprocess.run([sys.executable, "-m", "helpers.run", *options], check=True, env=os.environ | places)
        return time.perf_counter() - begin, largest_child()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where all files go and stay; default few, in a temporary folder")
    usual = [product for product in SELECTION if product not in SLOW]
    parser.add_argument("--only", nargs="+", choices=SELECTION, default=usual, help=f"by default {' '.join(usual)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=SELECTION, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write the files into the folder, and nothing else")
    parser.add_argument("--chapter", action="store_true", help="run chapter 1 on the folder too")
    options = parser.parse_args()
    if options.one:
        read_one(options.one, products.find(options.one, options.folder))
        from helpers.products import readers

        for reader in readers._pool.free:
            reader.end()
        print(highest() + largest_child())
        return
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "products"
        if not folder.exists():
            folder.mkdir(parents=True)
            few = not (options.folder or options.chapter)
            made.write(folder, [YEAR], **({"only": options.only, "dates": DATES} if few else {}))
        if options.write:
            return
        measure(folder, options.rounds, options.only)
        for product in options.only:
            note_peak(product, folder)
        if options.chapter:
            seconds, mib = chapter(folder)
            note("chapter 1 on one year", {"kind": "peak", "value": mib, "ours_s": seconds}, threads=tasks.cores())


if __name__ == "__main__":
    main()
