"""How fast whole maps are predicted, beside plain layers that are asked about windows, and how time and memory grow.

    python benchmarks/mapping.py                       # about two minutes
    python benchmarks/mapping.py --degrees 0.05        # only a year of 3,600 x 7,200 cells, from zarr to zarr
    python benchmarks/mapping.py --degrees 0.05 --land 1

The plain side cuts the windows of all cells and asks three ``nn.Conv2d`` networks, at the batch that suits it best;
both sides begin at the same fields and end at maps. Arithmetic is counted unshared, whoever does with less: for each
window and network 49 pairs of pixels in the first convolution, 16 in the second and one in the third. Years are mapped
by a process of their own, of which the operating system tells the most memory that it held.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from harness import gemm, note, paired, seconds
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter, zoom
from torch import nn

from helpers import tasks
from helpers.cnn.mapping import predict_grid
from helpers.cnn.network import Ensemble, Member
from helpers.space import maps
from helpers.space.grid import Grid
from helpers.workspace import ZARR

CHANNELS = tuple(f"predictor_{k}" for k in range(14))
MACS = 49 * 14 * 16 + 16 * 16 * 32 + 32 * 64 + 64
"""Multiplications of one window and network."""


def planet(shape, land):
    """Yield random fields: a share of the cells is in continents, and every fiftieth of these lacks some predictor."""
    rng = np.random.default_rng(0)
    height = zoom(gaussian_filter(rng.normal(size=(90, 180)), 4, mode="wrap"), np.divide(shape, (90, 180)), order=1)
    lat = 90 - 180 * (np.arange(shape[0]) + 0.5) / shape[0]
    lon = -180 + 360 * (np.arange(shape[1]) + 0.5) / shape[1]
    for name in CHANNELS:
        field = rng.standard_normal(shape, dtype="float32")
        if land < 1:
            gaps = rng.random(shape, dtype="float32") < 0.02 / len(CHANNELS)
            field[gaps | (height < np.quantile(height, 1 - land))] = np.nan
        yield xr.DataArray(field, {"lat": lat, "lon": lon}, name=name)


def plain():
    layers, channels = [], len(CHANNELS)
    for width in (16, 32, 64):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 1), nn.ReLU())


def ensemble_of(networks):
    ensemble = Ensemble([Member("CNN6", CHANNELS, k) for k in range(len(networks))], CHANNELS)
    for k, network in enumerate(networks):
        layers = [m for m in network if isinstance(m, nn.Conv2d | nn.Linear)]
        names = [*(f"conv{i + 1}" for i in range(len(layers) - 1)), "full"]
        weights = {
            f"{n}.{part}": getattr(m, part) for n, m in zip(names, layers, strict=True) for part in ("weight", "bias")
        }
        ensemble.set_weights(k, {name: value.detach() for name, value in weights.items()})
    return ensemble


@torch.inference_mode()
def by_windows(networks, fields, batch):
    """Cut the window of each cell that has all its neighbours, and ask plain layers (member, lat, lon)."""
    block = np.stack([np.pad(fields[c].values, 1, constant_values=np.nan) for c in CHANNELS])
    block[:, :, 0], block[:, :, -1] = block[:, :, -2], block[:, :, 1]
    views = sliding_window_view(block, (3, 3), axis=(1, 2))
    valid = sliding_window_view(np.isfinite(block).all(axis=0), (3, 3)).all(axis=(2, 3))
    out, row = np.full((len(networks), *valid.shape), np.nan, np.float32), np.argwhere(valid)
    for start in range(0, len(row), batch):
        i, j = row[start : start + batch].T
        cubes = torch.from_numpy(np.ascontiguousarray(views[:, i, j].swapaxes(0, 1)))
        for k, network in enumerate(networks):
            out[k, i, j] = network(cubes)[:, 0].numpy()
    return out


def against_windows(networks, shape, land, rounds):
    fields, ensemble = xr.merge(planet(shape, land)), ensemble_of(networks)

    def ours():
        return next(predict_grid(ensemble, fields, [None], fill="drop"))[1]

    def loop(batch):
        return by_windows(networks, fields, batch)

    batch = min((1024, 2048, 4096, 8192), key=lambda b: seconds(lambda: loop(b)))
    said, expected = ours(), loop(batch)
    np.testing.assert_array_equal(np.isfinite(said), np.isfinite(expected))
    rate = gemm()
    found, cells = paired(ours, lambda: loop(batch), rounds), int(np.isfinite(said[0]).sum())
    rate = (rate + gemm()) / 2
    share = {"share": 2 * MACS * cells * len(networks) / found["ours"] / 1e9 / rate, "GFLOP/s": rate}
    about = {"cells": cells, "members": len(networks)}
    worst = {"batch": batch, "largest difference": float(np.nanmax(np.abs(said - expected)))}
    where = "all cells" if land == 1 else f"{land:.0%} land"
    note(f"maps, {where}", found, goal="3.5 times", against="nn.Conv2d on windows, best batch", **about, **worst)
    note(f"maps, {where}, unshared arithmetic", share, goal="0.45", against="a product of 2048 x 2048", **about)


def map_year(store, folder, members):
    """Map the one year of a store, as chapter 5 does, and print how long it took (s)."""
    torch.manual_seed(0)
    ensemble, fields = ensemble_of([plain() for _ in range(members)]), xr.open_zarr(store)
    mapped = predict_grid(
        ensemble, fields, [2000], lambda said: np.stack([said.mean(axis=0), said.std(axis=0, ddof=1)])
    )
    print(json.dumps(seconds(lambda: maps.write_years(Path(folder), mapped, fields, "benchmark"))))


def a_year(degrees, land, members):
    """Let another process map a year from zarr to zarr, and note its time and the most memory that it held."""
    with tempfile.TemporaryDirectory() as home:
        store, folder = f"{home}/fields.zarr", f"{home}/reco.zarr"
        for field in planet(Grid(degrees).shape, land):
            chunks = {field.name: {"chunks": (1, min(maps.ROWS, len(field.lat)), len(field.lon))}}
            year = field.expand_dims(year=[2000]).to_dataset()
            year.to_zarr(store, mode="a" if Path(store).exists() else "w", encoding=chunks, **ZARR)
        command = [sys.executable, __file__, "--members", str(members), "--map", store, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            took = float(json.loads(child.stdout.read()))
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        valid = int(xr.open_zarr(folder).reco.notnull().sum())
    cells, peak = Grid(degrees).shape[0] * Grid(degrees).shape[1], used.ru_maxrss / 2**20
    about = {"degrees": degrees, "land": land, "cells": cells, "valid": valid, "members": members}
    found = {"seconds": took, "peak GiB": peak, "µs a valid cell and member": 1e6 * took / valid / members}
    note("a year of maps, from zarr to zarr", found, goal="2 GiB or less", workers=tasks.cores(), **about)
    return cells, took, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--degrees", type=float, help="map one year of such cells, and nothing else")
    parser.add_argument("--land", type=float, default=0.3, help="share of that year's cells that are valid")
    parser.add_argument("--map", nargs=2, metavar=("STORE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.map:
        return map_year(*options.map, options.members)
    if options.degrees:
        return a_year(options.degrees, options.land, options.members)
    torch.manual_seed(0)
    networks = [plain() for _ in range(options.members)]
    against_windows(networks, (252, 400), 1, options.rounds)
    against_windows(networks, (400, 800), 0.3, options.rounds)
    cells, took, peak = np.transpose([a_year(degrees, 0.3, options.members) for degrees in (0.5, 0.25, 0.1)])
    for what, values in {"time": took, "memory": peak}.items():
        power = {"exponent": float(np.polyfit(np.log(cells), np.log(values), 1)[0])}
        note(f"maps, growth of {what} with cells", power, goal="1 or less", cells=cells.tolist())


if __name__ == "__main__":
    main()
