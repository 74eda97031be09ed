"""How fast whole maps are predicted, beside plain layers that are asked about windows, and what a year takes.

    python benchmarks/mapping.py                       # about two minutes
    python benchmarks/mapping.py --degrees 0.05        # only a year of 3,600 x 7,200 cells, from zarr to zarr
    python benchmarks/mapping.py --degrees 0.05 --land 1

The plain side cuts the windows of all cells and asks three ``nn.Conv2d`` networks, at the batch that suits it best;
both sides begin at the same fields and end at maps. Arithmetic is counted unshared, whoever does with less: for each
window and network 49 pairs of pixels in the first convolution, 16 in the second and one in the third. Years are mapped
by a process of their own, whose peak is the row's value.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import plain
import torch
import xarray as xr
from harness import gemm, note, others, paired, peak, seconds
from numpy.lib.stride_tricks import sliding_window_view
from plain import CHANNELS, WINDOW
from scipy.ndimage import gaussian_filter, zoom
from torch import nn

from helpers import tasks
from helpers.cnn.mapping import predict_grid
from helpers.cnn.network import Ensemble, Member
from helpers.space import maps
from helpers.space.grid import Grid
from helpers.workspace import ZARR

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
    np.testing.assert_allclose(said, expected, rtol=1e-5, atol=1e-6)  # the same cells lack a value
    rate, cells = gemm(), int(np.isfinite(said[0]).sum())
    found = paired(ours, lambda: loop(batch), rounds)
    rate = (rate + gemm()) / 2
    where = f"mapping {cells:,} cells, " + ("all of a map" if land == 1 else f"{land:.0%} of a map")
    work = {"work": cells * len(networks), "work_unit": WINDOW}
    note(where, found, goal=">= 3.5", against=f"nn.Conv2d on windows, {batch} at a time", **work)
    share = 2 * MACS * work["work"] / found["ours_s"] / 1e9 / rate
    share = {"kind": "share", "value": share, "ours_s": found["ours_s"], "others": found["others"]}
    note(where, share, goal=">= 0.45", against="rate of a matrix product", **work)


def map_year(store, folder, members):
    """Return a call that maps the one year of a store, as chapter 5 does."""
    torch.manual_seed(0)
    ensemble, fields = ensemble_of([plain.network(len(CHANNELS)) for _ in range(members)]), xr.open_zarr(store)
    mapped = predict_grid(
        ensemble, fields, [2000], lambda said: np.stack([said.mean(axis=0), said.std(axis=0, ddof=1)])
    )
    return lambda: maps.write_years(Path(folder), mapped, fields, "benchmark")


def a_year(degrees, land, members):
    """Let another process map a year from zarr to zarr, and note the most memory that it held, and its time."""
    with tempfile.TemporaryDirectory() as home:
        store, folder = f"{home}/fields.zarr", f"{home}/reco.zarr"
        for field in planet(Grid(degrees).shape, land):
            chunks = {field.name: {"chunks": (1, min(maps.ROWS, len(field.lat)), len(field.lon))}}
            year = field.expand_dims(year=[2000]).to_dataset()
            year.to_zarr(store, mode="a" if Path(store).exists() else "w", encoding=chunks, **ZARR)
        busy = others()
        found = peak(map_year, store, folder, members)
        found = {
            "kind": "peak",
            "value": found["imports"] + found["mib"],
            "ours_s": found["seconds"],
            "others": busy(),
        }
        valid = int(xr.open_zarr(folder).reco.notnull().sum())
    work = {"work": valid * members, "work_unit": WINDOW, "threads": tasks.cores()}
    note(f"mapping a year at {degrees}°, {land:.0%} land, from zarr to zarr", found, goal="<= 2048", **work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--degrees", type=float, help="map one year of such cells, and nothing else")
    parser.add_argument("--land", type=float, default=0.3, help="share of that year's cells that are valid")
    options = parser.parse_args()
    if options.degrees:
        return a_year(options.degrees, options.land, options.members)
    torch.manual_seed(0)
    networks = [plain.network(len(CHANNELS)) for _ in range(options.members)]
    against_windows(networks, (252, 400), 1, options.rounds)
    against_windows(networks, (400, 800), 0.3, options.rounds)
    for degrees in (0.5, 0.25, 0.1):
        a_year(degrees, 0.3, options.members)


if __name__ == "__main__":
    main()
