"""How much the fit of all cells at once gains over a loop of `scipy.stats.linregress`, in one and the same run.

Only the ratio means something: both sides are timed on the same machine, minutes apart at most.

    python benchmarks/trends.py --cells 64800 --sample 2000
"""

import argparse
from time import perf_counter

import numpy as np
import xarray as xr
from scipy import stats

from helpers.stats import trends

YEARS = np.arange(2000, 2019)


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
    parser.add_argument("--cells", type=int, default=64_800, help="cells fitted at once (64,800 is a 1° globe)")
    parser.add_argument("--sample", type=int, default=2_000, help="cells of the loop")
    parser.add_argument("--seed", type=int, default=2021)
    given = parser.parse_args()
    values = np.random.default_rng(given.seed).normal(size=(YEARS.size, given.cells)).astype("float32")
    y = xr.DataArray(values, coords={"year": YEARS}, dims=("year", "cell"))
    sample = values[:, : given.sample].T.astype("float64")

    fit = trends.ols(y)
    oracle = np.array([(line.slope, line.pvalue) for line in (stats.linregress(YEARS, cell) for cell in sample)])
    np.testing.assert_allclose(fit.slope[: given.sample], oracle[:, 0], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(fit.p[: given.sample], oracle[:, 1], rtol=1e-7)

    at_once = best(lambda: trends.ols(y)) / given.cells
    looped = best(lambda: [stats.linregress(YEARS, cell) for cell in sample]) / len(sample)
    print(f"all at once {1e6 * at_once:.2f} us a cell, loop {1e6 * looped:.0f} us a cell: ratio {looped / at_once:.0f}")


if __name__ == "__main__":
    main()
