"""What a second worker is worth: training and mapping by two dask workers of one thread, against one such.

    python benchmarks/cluster.py

Both clusters are on this machine, so that it needs two cores of its own. What is lost shows what it costs to hand out
pieces and to gather results; the network between machines, which a cluster has besides, it can't show.
"""

import argparse
import os
import tempfile

import harness
import numpy as np
import plain
import xarray as xr
from dask.distributed import LocalCluster
from plain import SAMPLES, STEP, WINDOW

from helpers import tasks
from helpers.cnn import mapping
from helpers.cnn.network import Ensemble, Member
from helpers.cnn.training import train

WORTH = ">= 1.7"


def training(members, samples, iterations):
    """Return a function that trains many networks on folds that stay."""
    windows, target = plain.windows(samples)
    kept = np.random.default_rng(1).random((members, samples)) < 0.8
    networks = [Member("CNN6", plain.CHANNELS, seed) for seed in range(members)]
    how = {"iterations": iterations, "check": iterations, "progress": False}
    return lambda: train(windows, target, networks, kept, **how)[1].predicted


def products(pieces=16, times=60):
    """Return a function whose pieces are nothing but arithmetic: what it gains is what the machine has to give."""

    def work(seed):
        x = y = np.random.default_rng(seed).random((512, 512), "float32")
        for _ in range(times):
            y = x @ y / 256
        return y

    return lambda: np.stack(list(tasks.each(work, range(pieces))))


def maps_of(fields, members):
    """Return a function that maps every year of some fields."""
    ensemble = Ensemble([Member("CNN6", plain.CHANNELS, seed) for seed in range(members)], plain.CHANNELS)
    years = fields.year.values.tolist()
    return lambda: np.stack([maps for _, maps in mapping.predict_grid(ensemble, fields, years)])


def made_fields(folder, years, rows):
    """Write fields (year, lat, lon) of noise to zarr, as chapter 1 leaves them; open them."""
    rng = np.random.default_rng(2)
    shape, at = (years, rows, 2 * rows), {"year": np.arange(years), "lat": -np.arange(rows), "lon": np.arange(2 * rows)}
    made = {name: (("year", "lat", "lon"), rng.normal(size=shape).astype("float32")) for name in plain.CHANNELS}
    xr.Dataset(made, at).chunk(year=1).to_zarr(folder, zarr_format=2, consolidated=True)
    return xr.open_zarr(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--members", type=int, default=64, help="networks that train, in chunks of 8")
    parser.add_argument("--iterations", type=int, default=30, help="of training: few beside the hundreds of a chapter")
    parser.add_argument("--rows", type=int, default=200, help="rows of a map; it has twice as many columns")
    parser.add_argument("--years", type=int, default=8)
    given = parser.parse_args()
    how = {"threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=1, **how) as one,
        LocalCluster(n_workers=2, **how) as two,
    ):
        networks, cells = f"training {given.members} networks", 2 * given.rows**2
        fields, sent = made_fields(f"{folder}/fields.zarr", given.years, given.rows), np.zeros(100_000_000, np.uint8)
        jobs = [  # what, work, how much of what
            ("matrix products, the limit of this machine", products(), 16, "piece"),
            (networks, training(given.members, SAMPLES, given.iterations), given.members * given.iterations, STEP),
            (f"mapping {given.years} years of {cells:,} cells", maps_of(fields, 3), 3 * given.years * cells, WINDOW),
        ]
        for what, job, *work in jobs:
            results = []

            def by(cluster, job=job, results=results):
                os.environ[tasks.SCHEDULER] = cluster.scheduler_address
                results.append(job().tobytes())

            found = harness.paired(lambda by=by: by(two), lambda by=by: by(one), given.rounds)
            assert len(set(results)) == 1, "one worker or two, the bytes are the same"
            about = {"work": work[0], "work_unit": work[1], "against": "one worker of the same kind", "threads": 2}
            harness.note(f"{what}, two workers", found, goal="" if "limit" in what else WORTH, **about)
        shared, apart = (lambda f=f: list(tasks.each(f, range(50))) for f in (lambda k: sent[k], lambda k: k))
        found = harness.paired(shared, apart, given.rounds, kind="slowdown")
        about = {"work": 50, "work_unit": "piece", "against": "pieces that share nothing", "threads": 2}
        harness.note("50 pieces that share 100 MB, two workers", found, **about)


if __name__ == "__main__":
    main()
