"""How long matching and dissimilarity take, and in how much memory, at the size of a real map.

    python benchmarks/splits.py --cells 5000000 --predictors 14

Towers and land are made: a clustered network of 140 places, land spread evenly over the sphere. The index of a thousand
cells is compared with all distances, one by one, before anything is timed.
"""

import argparse
import resource
from time import perf_counter

import numpy as np
from scipy.spatial.distance import cdist, pdist

from helpers.stats import applicability, splits


def network(rng, places=140, clusters=12):
    """Latitudes and longitudes of towers, most of them in clusters."""
    middle = np.column_stack([rng.uniform(-40, 65, clusters), rng.uniform(-180, 180, clusters)])
    points = middle[rng.integers(clusters, size=places)] + rng.normal(size=(places, 2)) * 4
    return points[:, 0], (points[:, 1] + 180) % 360 - 180


def land(rng, cells):
    """Latitudes, longitudes and weights of cells, spread evenly over the sphere."""
    return np.degrees(np.arcsin(rng.uniform(-0.9, 0.99, cells))), rng.uniform(-180, 180, cells), np.ones(cells)


def peak():
    """Return the most memory the process has held so far (GB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=60_000, help="land cells that folds are matched towards")
    parser.add_argument("--cells", type=int, default=5_000_000, help="land cells that get an index")
    parser.add_argument("--samples", type=int, default=790)
    parser.add_argument("--predictors", type=int, default=14)
    parser.add_argument("--seed", type=int, default=2021)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)

    lat, lon = network(rng)
    for clustering in ("hierarchical", "kmeans"):
        start = perf_counter()
        found = splits.knndm(
            lat, lon, np.arange(lat.size), *land(rng, given.targets), k=5, rng=rng, clustering=clustering
        )
        seconds = perf_counter() - start
        print(f"knndm, {clustering}: {found.candidates.size} candidates in {seconds:.1f} s, W {found.w:.0f} km")

    train = rng.normal(size=(given.samples, given.predictors))
    new = rng.standard_normal((given.cells, given.predictors), dtype="float32")  # no float64 copy may set the peak
    few = applicability.dissimilarity_index(train, new[:1000])
    here, there = ((values - train.mean(axis=0)) / train.std(axis=0) for values in (train, new[:1000]))
    nearest = cdist(there, here).min(axis=1) / pdist(here).mean()
    np.testing.assert_allclose(few, nearest, rtol=1e-9)
    before, start = peak(), perf_counter()
    applicability.dissimilarity_index(train, new)
    print(
        f"index of {given.cells:,} cells, {given.predictors} predictors: {perf_counter() - start:.0f} s, "
        f"{peak() - before:.2f} GB above the {new.nbytes / 1e9:.2f} GB of the map"
    )


if __name__ == "__main__":
    main()
