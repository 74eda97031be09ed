"""How time and memory grow with members, samples, cells and years, on one core.

    python benchmarks/growth.py

Two rows each: the seconds of one piece of work at several sizes, and the peaks of processes that do it once, both with
the exponent p of seconds, or MiB, ~ size^p. The smallest sizes take some tenths of a second, long beside what a call
takes to begin; the largest need 4 GiB. The page *Cost and scale* takes from these rows what one unit of work costs.
"""

import argparse
import os
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"  # before anything that starts threads: a unit of work is counted on one core

import numpy as np
import torch
import xarray as xr
from harness import growth, note, peak
from plain import CHANNELS, INDEX, LINE, RANK, SAMPLES, STEP, WINDOW, windows

from helpers.cnn.mapping import predict_grid
from helpers.cnn.network import Ensemble, Member
from helpers.cnn.training import re_drawn, train
from helpers.stats import applicability, significance, trends

torch.set_num_threads(1)

CELLS, YEARS = 100_000, 19
WIDTH = 250
"""Cells of a row of the maps."""

Work = Callable[[], object]


def _training(members: int, samples: int, iterations: int) -> Work:
    made, reco = windows(samples)
    networks = [Member("CNN6", CHANNELS, seed) for seed in range(members)]
    return lambda: train(made, reco, networks, re_drawn(), iterations=iterations, progress=False)


def _mapping(cells: int, members: int) -> Work:
    rng, shape = np.random.default_rng(0), (cells // WIDTH, WIDTH)
    lat, lon = np.linspace(60, 20, shape[0]), np.linspace(0, 50, shape[1])
    layers = {name: (("lat", "lon"), rng.normal(size=shape).astype("f4")) for name in CHANNELS}
    fields = xr.Dataset(layers, {"lat": lat, "lon": lon})
    ensemble = Ensemble([Member("CNN6", CHANNELS, seed) for seed in range(members)], CHANNELS)
    return lambda: list(predict_grid(ensemble, fields, [None], lambda values: values.mean(axis=0, keepdims=True)))


def _series(cells: int, years: int) -> xr.DataArray:
    values = np.random.default_rng(0).standard_normal((years, cells), dtype="float32")
    return xr.DataArray(values, {"year": np.arange(years)}, ("year", "cell"))


def libraries() -> Work:
    return lambda: None


def training_members(members: int) -> Work:
    return _training(members, SAMPLES, 12)


def training_samples(samples: int) -> Work:
    return _training(8, samples, 40)


def mapping_cells(cells: int) -> Work:
    return _mapping(cells, 3)


def mapping_members(members: int) -> Work:
    return _mapping(CELLS, members)


def line_cells(cells: int) -> Work:
    y = _series(cells, YEARS)
    return lambda: trends.ols(y)


def line_years(years: int) -> Work:
    y = _series(16 * CELLS, years)
    return lambda: trends.ols(y)


def rank_cells(cells: int) -> Work:
    y = _series(cells, YEARS)
    return lambda: significance.mann_kendall(y)


def rank_years(years: int) -> Work:
    y = _series(CELLS, years)
    return lambda: significance.mann_kendall(y)


def unlike_cells(cells: int) -> Work:
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(SAMPLES, len(CHANNELS))), rng.normal(size=(cells, len(CHANNELS))).astype("f4")
    return lambda: applicability.dissimilarity_index(known, new)


LINEAR = "<= 1.1"
"""Goal of an exponent that counts as linear."""

# what, prepared by, smallest of four sizes that double, work at the largest, its unit, goal
ROWS = [
    ("training by members", training_members, 8, 12 * 64, STEP, LINEAR),
    ("training by samples", training_samples, 400, 40 * 8, "step of a network, 3200 samples", LINEAR),
    ("mapping by cells", mapping_cells, CELLS, 3 * 8 * CELLS, WINDOW, LINEAR),
    ("mapping by members", mapping_members, 3, 24 * CELLS, WINDOW, LINEAR),
    ("OLS by cells", line_cells, 1_600_000, 12_800_000, LINE, LINEAR),
    ("OLS by years", line_years, 10, 16 * CELLS, "line of a cell, 80 years", ""),
    ("Mann–Kendall by cells", rank_cells, 200_000, 1_600_000, RANK, LINEAR),
    ("Mann–Kendall by years", rank_years, 10, CELLS, "rank test of a cell, 80 years", ""),
    ("dissimilarity by cells", unlike_cells, 40_000, 320_000, INDEX, LINEAR),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    note("libraries of a worker", {"kind": "peak", "value": peak(libraries)["imports"]})
    for what, prepare, smallest, work, unit, goal in ROWS:
        time, memory = growth([smallest * k for k in (1, 2, 4, 8)], prepare, rounds)
        note(what, time, goal=goal, work=work, work_unit=unit)
        note(what, memory, goal=goal)


if __name__ == "__main__":
    main()
