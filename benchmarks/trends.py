"""Trends of whole maps: against reading them once, and against loops over cells and Skyborn.

    python benchmarks/trends.py
    python benchmarks/trends.py --resolution 0.05

It writes 19 years of made maps (values on land, as a chapter writes them) to a temporary folder. Peak memory is that of
a process of its own, watched from outside.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import numpy as np
import psutil
import pymannkendall
import xarray as xr
import zarr
from scipy import stats

from helpers import tasks
from helpers.space import grid, maps, regions
from helpers.stats import significance, trends

try:
    from skyborn.calc import mann_kendall_multidim
except ImportError:
    mann_kendall_multidim = None

YEARS = np.arange(2000, 2019)
LOOPS = {
    "original": pymannkendall.original_test,
    "hamed_rao": pymannkendall.hamed_rao_modification_test,
    "yue_wang": pymannkendall.yue_wang_modification_test,
    "pre_whitening": pymannkendall.pre_whitening_modification_test,
    "trend_free_pre_whitening": pymannkendall.trend_free_pre_whitening_modification_test,
}
WORK = {"nothing": lambda y: y, "ols": trends.ols, "mann_kendall": significance.mann_kendall}
PUBLISHED = 1800  # cells a second that Skyborn names at best


def write(folder, resolution, rng):
    """Write made maps to zarr, year by year."""
    cells = grid.Grid(resolution)
    land = np.asarray(regions.land(cells.lat, cells.lon))
    slope = rng.normal(0, 0.005, land.shape).astype("float32")
    for k, year in enumerate(YEARS):
        values = 1 + slope * np.float32(k) + np.float32(0.1) * rng.standard_normal(land.shape, dtype="float32")
        field = (("year", "lat", "lon"), np.where(land, values, np.float32(np.nan))[None])
        maps.append_year(folder, xr.Dataset({"reco": field}, {"year": [year], "lat": cells.lat, "lon": cells.lon}))
    return int(land.sum())


def peak(folder, work):
    """Return the most memory that a process of its own held which did some work on the maps (GB)."""
    child, most = psutil.Popen([sys.executable, __file__, "--folder", str(folder), "--work", work]), 0
    while child.poll() is None:
        with contextlib.suppress(psutil.Error):
            most = max(most, child.memory_info().rss)
        time.sleep(0.01)
    if child.returncode:
        raise RuntimeError(f"{work}: the process that should have done it ended with status {child.returncode}")
    return most / 1e9


def against_reading(folder, y, cells):
    """Time a line through every cell beside a bare read of all chunks with as many threads."""
    stored = zarr.open(folder, mode="r")["reco"]
    _, high, _ = stored.chunks
    chunks = [(k, row) for row in range(0, stored.shape[1], high) for k in range(len(YEARS))]

    def bare():
        with ThreadPoolExecutor(tasks.cores()) as pool:
            for _ in pool.map(lambda at: stored[at[0], at[1] : at[1] + high] is None, chunks):
                pass

    found = harness.paired(lambda: trends.ols(y), bare)
    about = {"cells": cells, "cores": tasks.cores(), "reads": 1 / found["ratio"]}
    harness.note("OLS of whole maps", found, goal="reads <= 3", against="zarr, every chunk once", **about)


def growth(y):
    """Return the exponent with which time grows with cells, of lines and of rank tests."""
    for name, parts in {"ols": (1, 2, 4, 8), "mann_kendall": (1, 2, 4)}.items():
        sizes, times = [], []
        for part in parts:
            rows = slice(y.sizes["lat"] // 6, y.sizes["lat"] // 6 + y.sizes["lat"] * part // 24)
            some = y.isel(lat=rows).load()
            sizes.append(int(np.isfinite(some[0]).sum()))
            times.append(statistics.median(harness.seconds(lambda a=some, do=WORK[name]: do(a)) for _ in range(3)))
        exponent = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        harness.note(
            f"{name}, growth", {"exponent": exponent}, goal="linear: 1", cells=sizes, times=np.round(times, 3).tolist()
        )


def against_loops(values, sample):
    """Time all cells at once beside loops over a sample of them, after both have given the same."""
    y, few = xr.DataArray(values, {"year": YEARS}, ("year", "cell")), values[:, :sample].T.astype("float64")

    def beside(what, ours, loop, rtol, p="p"):
        oracle = np.array([(test.slope, getattr(test, p)) for test in map(loop, few)])
        fit = ours(y)
        same = np.isclose(fit.slope[:sample], oracle[:, 0], rtol=rtol, atol=1e-12)
        same &= np.isclose(fit.p[:sample], oracle[:, 1], rtol=rtol, atol=1e-12, equal_nan=True)
        found = harness.paired(lambda: ours(y), lambda: [loop(cell) for cell in few])
        scale = y.sizes["cell"] / sample
        found |= {key: found[key] * scale for key in ("ratio", "low", "high")}
        rates = {"cells_a_second": y.sizes["cell"] / found["ours"], "agree": float(same.mean())}
        harness.note(what, found, against=loop.__module__, cells=y.sizes["cell"], sample=sample, **rates)

    beside("OLS", trends.ols, lambda cell: stats.linregress(YEARS, cell), 1e-8, "pvalue")
    for variant, loop in LOOPS.items():
        beside(f"Mann-Kendall, {variant}", lambda y, variant=variant: significance.mann_kendall(y, variant), loop, 1e-6)


def against_skyborn(values):
    """Time slope and test of all cells beside Skyborn's, where that is installed."""
    y = xr.DataArray(values, {"year": YEARS}, ("year", "cell"))
    for variant in LOOPS:
        goal, what = f"{20 * PUBLISHED} cells a second", f"Mann-Kendall, {variant}, beside Skyborn"
        if mann_kendall_multidim is None:
            seconds = min(harness.seconds(lambda v=variant: significance.mann_kendall(y, v)) for _ in range(5))
            found = {"cells_a_second": y.sizes["cell"] / seconds}
            harness.note(what, found, goal=goal, against="not installed; what it publishes")
            continue
        cube = values.reshape(len(YEARS), 10, -1).astype("float64")

        def theirs(variant=variant, cube=cube):
            return mann_kendall_multidim(cube, axis=0, test=variant)

        ours, other = significance.mann_kendall(y, variant), theirs()
        agree = {
            f"agree_{a}": float(np.isclose(ours[a], other[b].ravel(), rtol=1e-6, atol=1e-9, equal_nan=True).mean())
            for a, b in (("slope", "trend"), ("p", "p"))
        }
        found = harness.paired(lambda v=variant: significance.mann_kendall(y, v), theirs)
        rates = {"cells_a_second": y.sizes["cell"] / found["ours"], "skyborn": y.sizes["cell"] / found["plain"]}
        harness.note(what, found, goal=goal, against="skyborn.calc.mann_kendall_multidim", **rates, **agree)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=float, default=0.1, help="degrees; 0.05 writes 2 GB and takes minutes")
    parser.add_argument("--cells", type=int, default=20_000, help="series tested at once beside loops")
    parser.add_argument("--sample", type=int, default=100, help="series of the loops")
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        WORK[given.work](xr.open_zarr(given.folder).reco)
        return
    rng = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = given.folder or Path(folder)
        cells = write(folder, given.resolution, rng) if not given.folder else 0
        y = xr.open_zarr(folder).reco
        against_reading(folder, y, cells)
        for work in WORK:
            found = {"peak_GB": peak(folder, work), "maps_GB": y.nbytes / 1e9}
            harness.note(f"memory of {work}", found, goal="bounded by chunks", cores=tasks.cores())
        growth(y)
    noise = significance.ar1_noise(0.3, YEARS.size, given.cells, rng).astype("float32")
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")
        against_loops(noise, given.sample)
        against_skyborn(noise)


if __name__ == "__main__":
    main()
