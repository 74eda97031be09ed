"""Trends of whole maps: against reading them once, and against loops over cells and Skyborn.

    python benchmarks/trends.py
    python benchmarks/trends.py --resolution 0.05

It writes 19 years of made maps (values on land, as a chapter writes them) to a temporary folder. Peak memory is that of
a process of its own.
"""

import argparse
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import harness
import numpy as np
import pymannkendall
import xarray as xr
import zarr
from plain import LINE, RANK
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
WORK = {"OLS": trends.ols, "Mann–Kendall": significance.mann_kendall}
NAMES = {variant: f"Mann–Kendall, {variant.replace('_', ' ')}," for variant in LOOPS}
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


def of_maps(folder, name):
    """Return a call that fits or tests every cell of the maps."""
    return lambda: WORK[name](xr.open_zarr(folder).reco)


def against_reading(folder, y, cells):
    """Time a line through every cell beside a bare read of all chunks with as many threads."""
    stored = zarr.open(folder, mode="r")["reco"]
    _, high, _ = stored.chunks
    chunks = [(k, row) for row in range(0, stored.shape[1], high) for k in range(len(YEARS))]

    def bare():
        with ThreadPoolExecutor(tasks.cores()) as pool:
            for _ in pool.map(lambda at: stored[at[0], at[1] : at[1] + high] is None, chunks):
                pass

    found = harness.paired(lambda: trends.ols(y), bare, kind="slowdown")
    about = {"work": cells, "work_unit": LINE, "threads": tasks.cores()}
    harness.note("OLS of whole maps", found, goal="<= 3", against="zarr, every chunk read once", **about)


def against_loops(values, sample):
    """Time all cells at once beside loops over a sample of them, after both have given the same."""
    y, few = xr.DataArray(values, {"year": YEARS}, ("year", "cell")), values[:, :sample].T.astype("float64")

    def beside(what, unit, ours, loop, against, rtol, p="p"):
        oracle = np.array([(test.slope, getattr(test, p)) for test in map(loop, few)])
        fit = ours(y)
        np.testing.assert_allclose(fit.slope[:sample], oracle[:, 0], rtol=rtol, atol=1e-12)
        np.testing.assert_allclose(fit.p[:sample], oracle[:, 1], rtol=rtol, atol=1e-12)
        share = sample / y.sizes["cell"]
        found = harness.paired(lambda: ours(y), lambda: [loop(cell) for cell in few], share=share)
        about = {"work": y.sizes["cell"], "work_unit": unit}
        harness.note(what, found, against=f"a loop of {against}", **about)
        rate = {"kind": "rate", "value": y.sizes["cell"] / found["ours_s"]}
        return found | rate | {"low": None, "high": None, "plain_s": None}, about

    line = {"against": "scipy.stats.linregress", "rtol": 1e-8, "p": "pvalue"}
    beside("OLS of series", LINE, trends.ols, lambda cell: stats.linregress(YEARS, cell), **line)
    for variant, loop in LOOPS.items():
        rank = {"against": f"pymannkendall.{loop.__name__}", "rtol": 1e-6}
        what = f"{NAMES[variant]} of series"
        rate, about = beside(what, RANK, partial(significance.mann_kendall, variant=variant), loop, **rank)
        about["against"] = "20 times what Skyborn publishes at best"
        harness.note(what, rate, goal=f">= {20 * PUBLISHED}", **about)


def against_skyborn(values):
    """Time slope and test of all cells beside Skyborn's, which must be installed."""
    y = xr.DataArray(values, {"year": YEARS}, ("year", "cell"))
    for variant in LOOPS:
        cube = values.reshape(len(YEARS), 10, -1).astype("float64")

        def theirs(variant=variant, cube=cube):
            return mann_kendall_multidim(cube, axis=0, test=variant)

        ours, other = significance.mann_kendall(y, variant), theirs()
        for name, its in (("slope", "trend"), ("p", "p")):
            same = np.isclose(ours[name], other[its].ravel(), rtol=1e-6, atol=1e-9, equal_nan=True).mean()
            print(f"{variant}, {name}: {same:.1%} of the cells are as Skyborn has them")
        found = harness.paired(lambda v=variant: significance.mann_kendall(y, v), theirs)
        about = {"work": y.sizes["cell"], "work_unit": RANK, "against": "skyborn.calc.mann_kendall_multidim"}
        harness.note(f"{NAMES[variant]} of series, beside Skyborn", found, **about)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=float, default=0.1, help="degrees; 0.05 writes 2 GB and takes minutes")
    parser.add_argument("--cells", type=int, default=20_000, help="series tested at once beside loops")
    parser.add_argument("--sample", type=int, default=100, help="series of the loops")
    parser.add_argument("--seed", type=int, default=2021)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        cells = write(folder, given.resolution, rng)
        against_reading(folder, xr.open_zarr(folder).reco, cells)
        for name in WORK:
            busy, found = harness.others(), harness.peak(of_maps, folder, name)
            found = {"kind": "peak", "value": found["imports"] + found["mib"], "ours_s": found["seconds"]}
            about = {"work": cells, "work_unit": LINE if name == "OLS" else RANK, "threads": tasks.cores()}
            harness.note(f"{name} of whole maps", found | {"others": busy()}, **about)
    noise = significance.ar1_noise(0.3, YEARS.size, given.cells, rng).astype("float32")
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")
        against_loops(noise, given.sample)
        if mann_kendall_multidim is not None:
            against_skyborn(noise)


if __name__ == "__main__":
    main()
