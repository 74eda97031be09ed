"""How time and memory grow with members, samples, cells and years, on one core.

    python benchmarks/growth.py

Each row holds the seconds of one piece of work at several sizes, and the exponent p of seconds ~ size^p; where memory
was asked for, the peak of a process of its own at each size too, and its exponent. The page *Cost and scale* takes from
these rows what one unit of work costs: the seconds of the greatest size over its ``units``.
"""

import argparse
import os
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"  # before anything that starts threads: a unit of work is counted on one core

import numpy as np
import torch
import xarray as xr
from harness import exponent, growth, note, peak

from helpers.cnn.mapping import predict_grid
from helpers.cnn.network import Ensemble, Member
from helpers.cnn.training import re_drawn, train
from helpers.stats import applicability, significance, trends

torch.set_num_threads(1)

CHANNELS = ("mat", "map", "par", "fapar", "lai", "ndvi", "npp", "soc_0", "soc_5", "soc_15", "soc_30")
CHANNELS += ("spei12", "spei24", "spei36")
SAMPLES, ITERATIONS, CELLS, YEARS = 769, 3, 40_000, 19
WIDTH = 250
"""Cells of a row of the maps."""

Work = Callable[[], object]


def _training(members: int, samples: int) -> Work:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(samples, len(CHANNELS), 3, 3)).astype("f4")
    window = xr.DataArray(values, {"predictor": list(CHANNELS)}, ("sample", "predictor", "dy", "dx"))
    reco = rng.gamma(2.0, 0.5, size=samples).astype("f4")
    networks = [Member("CNN6", CHANNELS, seed) for seed in range(members)]
    return lambda: train(window, reco, networks, re_drawn(), iterations=ITERATIONS, progress=False)


def _mapping(cells: int, members: int) -> Work:
    rng, shape = np.random.default_rng(0), (cells // WIDTH, WIDTH)
    lat, lon = np.linspace(60, 20, shape[0]), np.linspace(0, 50, shape[1])
    layers = {name: (("lat", "lon"), rng.normal(size=shape).astype("f4")) for name in CHANNELS}
    fields = xr.Dataset(layers, {"lat": lat, "lon": lon})
    ensemble = Ensemble([Member("CNN6", CHANNELS, seed) for seed in range(members)], CHANNELS)
    return lambda: list(predict_grid(ensemble, fields, [None], lambda values: values.mean(axis=0, keepdims=True)))


def _series(cells: int, years: int) -> xr.DataArray:
    values = np.random.default_rng(0).normal(size=(years, cells)).astype("f4")
    return xr.DataArray(values, {"year": np.arange(years)}, ("year", "cell"))


def training_members(members: int) -> Work:
    return _training(members, SAMPLES)


def training_samples(samples: int) -> Work:
    return _training(8, samples)


def mapping_cells(cells: int) -> Work:
    return _mapping(cells, 3)


def mapping_members(members: int) -> Work:
    return _mapping(8_000, members)


def line_cells(cells: int) -> Work:
    y = _series(cells, YEARS)
    return lambda: trends.ols(y)


def line_years(years: int) -> Work:
    y = _series(CELLS, years)
    return lambda: trends.ols(y)


def rank_cells(cells: int) -> Work:
    y = _series(cells, YEARS)
    return lambda: significance.mann_kendall(y)


def rank_years(years: int) -> Work:
    y = _series(CELLS // 4, years)
    return lambda: significance.mann_kendall(y)


def unlike_cells(cells: int) -> Work:
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(SAMPLES, len(CHANNELS))), rng.normal(size=(cells, len(CHANNELS))).astype("f4")
    return lambda: applicability.dissimilarity_index(known, new)


# what, prepared by, grows with, sizes, units of work for one of a size, whether memory is asked for
ROWS = [
    ("training", training_members, "members", [8, 16, 32, 64], ITERATIONS, True),
    ("training", training_samples, "samples", [400, 800, 1600, 3200], 8 * ITERATIONS / SAMPLES, False),
    ("mapping", mapping_cells, "cells", [10_000, 20_000, 40_000, 80_000], 3, True),
    ("mapping", mapping_members, "members", [1, 2, 4, 8, 16], 8_000, False),
    ("OLS", line_cells, "cells", [100_000, 200_000, 400_000, 800_000], 1, True),
    ("OLS", line_years, "years", [10, 20, 40, 80], CELLS / YEARS, False),
    ("Mann–Kendall", rank_cells, "cells", [20_000, 40_000, 80_000, 160_000], 1, True),
    ("Mann–Kendall", rank_years, "years", [10, 20, 40, 80], CELLS / 4 / YEARS, False),
    ("dissimilarity", unlike_cells, "cells", [20_000, 40_000, 80_000, 160_000], 1, False),
]

LINEAR = 1.1
"""Greatest exponent that counts as linear."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for what, prepare, by, sizes, units, remembers in ROWS:
        found = growth(sizes, prepare, rounds)
        if remembers:
            peaks = [peak(prepare, size) for size in sizes]
            found["peaks"] = [one["mib"] for one in peaks]
            found["imports"] = max(one["imports"] for one in peaks)
            found["exponent_peaks"], found["error_peaks"] = exponent(sizes, [max(1.0, mib) for mib in found["peaks"]])
        goal = {}
        if by in ("members", "samples", "cells"):
            goal = {"goal": f"exponent ≤ {LINEAR}", "reached": found["exponent"] <= LINEAR}
        note(f"growth: {what} by {by}", found, by=by, units=units * sizes[-1], **goal)


if __name__ == "__main__":
    main()
