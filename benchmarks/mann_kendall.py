"""How much Mann–Kendall and Theil–Sen on all cells at once gain over a loop of `pymannkendall`, in one run.

Only the ratio means something: both sides are timed on the same machine, minutes apart at most.

    python benchmarks/mann_kendall.py --cells 20000 --sample 500
"""

import argparse
from time import perf_counter

import numpy as np
import pymannkendall
import xarray as xr

from helpers.stats import significance

YEARS = np.arange(2000, 2019)
LOOPS = {
    "original": pymannkendall.original_test,
    "hamed_rao": pymannkendall.hamed_rao_modification_test,
    "yue_wang": pymannkendall.yue_wang_modification_test,
    "pre_whitening": pymannkendall.pre_whitening_modification_test,
    "trend_free_pre_whitening": pymannkendall.trend_free_pre_whitening_modification_test,
}


def best(function, repeats=3):
    """Return the shortest of several wall times (s)."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000, help="cells tested at once")
    parser.add_argument("--sample", type=int, default=500, help="cells of the loop")
    parser.add_argument("--seed", type=int, default=2021)
    given = parser.parse_args()
    values = significance.ar1_noise(0.3, YEARS.size, given.cells, np.random.default_rng(given.seed)).astype("float32")
    y = xr.DataArray(values, coords={"year": YEARS}, dims=("year", "cell"))
    sample = values[:, : given.sample].T.astype("float64")
    print(f"{given.cells} cells at once against a loop over {given.sample}, {YEARS.size} years; both give slope and p")
    for variant, loop in LOOPS.items():
        with np.errstate(invalid="ignore"):
            oracle = np.array([(test.slope, test.p) for test in map(loop, sample)])
            looped = best(lambda loop=loop: [loop(cell) for cell in sample]) / len(sample)
        ours = significance.mann_kendall(y, variant)
        np.testing.assert_allclose(ours.slope[: given.sample], oracle[:, 0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours.p[: given.sample], oracle[:, 1], rtol=1e-6, atol=1e-12)
        at_once = best(lambda variant=variant: significance.mann_kendall(y, variant)) / given.cells
        print(
            f"{variant:25s} {1e6 * at_once:6.1f} us a cell, loop {1e6 * looped:6.0f} us: ratio {looped / at_once:.0f}"
        )


if __name__ == "__main__":
    main()
