"""How much faster the dissimilarity index of a whole map is found by a tree than by all distances, in blocks.

Run ``python benchmarks/applicability.py``; it prints the ratio and the largest difference, which depend less on the
machine than the times do. Both sides take the same weighted, standardised predictors in the same process; the plain
side holds all distances of a block of cells at once, and is timed on a part of the cells.
"""

import argparse
import time

import numpy as np
from scipy.spatial.distance import cdist

from helpers.stats import applicability


def by_all_distances(train, new, weights, block=2000):
    mean, spread = train.mean(axis=0), train.std(axis=0)
    known, asked = ((values - mean) / spread * weights for values in (train, new))
    between = cdist(known, known).sum() / (len(known) * (len(known) - 1))
    least = [cdist(asked[i : i + block], known).min(axis=1) for i in range(0, len(asked), block)]
    return np.concatenate(least) / between


def timed(work, *arguments):
    start = time.perf_counter()
    found = work(*arguments)
    return time.perf_counter() - start, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=950)
    parser.add_argument("--cells", type=int, default=300_000)
    parser.add_argument("--predictors", type=int, default=14)
    parser.add_argument("--part", type=int, default=10, help="the plain side takes every so many-th cell")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    # predictors go together, as those of a planet do: a few things vary, and all predictors are mixtures of them
    mixture = rng.normal(size=(4, options.predictors))
    train, new = (
        rng.normal(size=(n, 4)) @ mixture + 0.1 * rng.normal(size=(n, options.predictors))
        for n in (options.samples, options.cells)
    )
    weights = rng.dirichlet(np.ones(options.predictors))
    tree, found = timed(applicability.dissimilarity_index, train, new, weights)
    plain, same = timed(by_all_distances, train, new[:: options.part], weights)
    print(f"{options.cells} cells, {options.samples} samples, {options.predictors} predictors")
    print(f"tree          {tree / options.cells * 1e6:6.2f} µs a cell")
    print(f"all distances {plain * options.part / options.cells * 1e6:6.2f} µs a cell")
    print(f"ratio         {plain * options.part / tree:6.1f}")
    print(f"largest difference {np.abs(found[:: options.part] - same).max():.1e}")


if __name__ == "__main__":
    main()
