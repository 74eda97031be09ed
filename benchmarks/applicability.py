"""How much faster the dissimilarity index of a map is found by a tree than by all distances, in blocks.

    python benchmarks/applicability.py

Both sides take the same weighted, standardised predictors, and must agree before anything is timed.
"""

import argparse

import numpy as np
import torch
from harness import note, paired
from plain import INDEX
from scipy.spatial.distance import cdist

from helpers.stats import applicability


def by_all_distances(train, new, weights, block=2000):
    mean, spread = train.mean(axis=0), train.std(axis=0)
    known, asked = ((values - mean) / spread * weights for values in (train, new))
    between = cdist(known, known).sum() / (len(known) * (len(known) - 1))
    least = [cdist(asked[i : i + block], known).min(axis=1) for i in range(0, len(asked), block)]
    return np.concatenate(least) / between


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=950)
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--predictors", type=int, default=14)
    options = parser.parse_args()
    torch.set_num_threads(1)  # neither side uses more
    rng = np.random.default_rng(0)
    # predictors go together, as those of a planet do: a few things vary, and all predictors are mixtures of them
    mixture = rng.normal(size=(4, options.predictors))
    train, new = (
        rng.normal(size=(n, 4)) @ mixture + 0.1 * rng.normal(size=(n, options.predictors))
        for n in (options.samples, options.cells)
    )
    weights = rng.dirichlet(np.ones(options.predictors))
    sides = [lambda way=way: way(train, new, weights) for way in (applicability.dissimilarity_index, by_all_distances)]
    np.testing.assert_allclose(*(side() for side in sides), rtol=1e-9)
    what = f"dissimilarity of {options.cells:,} cells to {options.samples} samples"
    about = {"work": options.cells, "work_unit": INDEX, "against": "all distances, in blocks"}
    note(what, paired(*sides), goal=">= 3", **about)


if __name__ == "__main__":
    main()
