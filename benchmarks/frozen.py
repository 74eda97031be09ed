"""How much faster networks on frozen folds train in chunks than one after another in plain PyTorch layers.

Run ``python benchmarks/frozen.py``; it prints the ratio, which depends less on the machine than the times do. Both
sides do the same work in the same process: full-batch Adam on made windows, a network a seed and fold, each on the
samples that its fold leaves. The loop is timed on a few of the networks. ``--chunk`` shows what the number of members
at a time is worth.
"""

import argparse
import time

import numpy as np
import torch
import xarray as xr
from ensemble import plain, squared_error

from helpers.cnn import training
from helpers.cnn.cross_validation import train_masks
from helpers.cnn.network import Member
from helpers.cnn.training import train
from helpers.stats.splits import grouped_folds

CHANNELS = ("mat", "map", "par", "lai", "evi", "soc_0_30", "spei12", "spei24", "spei36")


def seconds_of_chunks(windows, reco, masks, seeds, iterations, chunk):
    members = [Member("CNN6", CHANNELS, seed) for seed in range(seeds) for _ in masks]
    start = time.perf_counter()
    training.CHUNK = chunk
    how = {"iterations": iterations, "check": iterations, "loss": squared_error, "progress": False}
    train(windows, reco, members, np.tile(masks, (seeds, 1)), **how)
    return (time.perf_counter() - start) / iterations


def seconds_of_loop(windows, reco, masks, seeds, iterations):
    x, y = torch.tensor(windows.values), torch.tensor(reco)
    start = time.perf_counter()
    for mask in masks:
        network, own = plain(x.shape[1]), torch.tensor(mask)
        optimiser = torch.optim.Adam(network.parameters(), fused=True)
        inputs, target = x[own], y[own]
        for _ in range(iterations):
            loss = squared_error(network(inputs)[:, 0], target).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return (time.perf_counter() - start) / iterations * seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--chunk", type=int, nargs="+", default=[1, 8, 40], help="members at a time")
    parser.add_argument("--rounds", type=int, default=3, help="the sides take turns; the best of each counts")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(options.samples, len(CHANNELS), 3, 3)).astype("f4")
    windows = xr.DataArray(values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(CHANNELS)})
    reco = rng.gamma(2.0, 0.5, size=options.samples).astype("f4")
    masks = train_masks(grouped_folds(rng.integers(0, options.samples // 7, options.samples), options.folds, rng))
    rest = (windows, reco, masks, options.seeds, options.iterations)
    sides = [
        (seconds_of_loop(*rest), *(seconds_of_chunks(*rest, chunk) for chunk in options.chunk))
        for _ in range(options.rounds)
    ]
    loop, *chunks = (min(times) for times in zip(*sides, strict=True))
    print(f"{options.seeds * options.folds} networks, {options.samples} samples, {torch.get_num_threads()} threads")
    print(f"loop         {loop * 1e3:7.1f} ms an iteration")
    for size, seconds in zip(options.chunk, chunks, strict=True):
        print(f"chunks of {size:2d} {seconds * 1e3:7.1f} ms an iteration, ratio {loop / seconds:.1f}")


if __name__ == "__main__":
    main()
