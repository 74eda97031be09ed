"""How much faster a whole ensemble trains at once than its members one after another in plain PyTorch layers.

Run ``python benchmarks/ensemble.py``; it prints the ratio, which depends less on the machine than the times do. Both
sides do the same work in the same process: full-batch Adam on made windows, six models a seed, forward and backward
over all samples. The loop is timed on a few iterations of one network a model.
"""

import argparse
import time

import numpy as np
import torch
import xarray as xr
from torch import nn

from helpers.cnn.network import ARCHITECTURE, Member
from helpers.cnn.training import train

BASE = tuple(["mat", "map", "par", "fapar", "lai", "ndvi", "npp", "soc_0", "soc_5", "soc_15", "soc_30"])
SPEI = {
    "CNN1": (),
    "CNN2": ("spei12",),
    "CNN3": ("spei24",),
    "CNN4": ("spei36",),
    "CNN5": ("spei12", "spei24"),
    "CNN6": ("spei12", "spei24", "spei36"),
}
CHANNELS = (*BASE, *SPEI["CNN6"])


def redraw(n, generator):
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[torch.randperm(n, generator=generator)[: round(n * 10 / 13)]] = True
    return chosen


def squared_error(predicted, observed):
    return (predicted - observed) ** 2


def plain(channels):
    layers = []
    for width in ARCHITECTURE["widths"]:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 1), nn.ReLU())


def seconds_of_ensemble(windows, reco, seeds, iterations):
    members = [Member(model, BASE + spei, s) for model, spei in SPEI.items() for s in range(seeds)]
    start = time.perf_counter()
    train(windows, reco, members, redraw, iterations=iterations, loss=squared_error, progress=False)
    return (time.perf_counter() - start) / iterations


def seconds_of_loop(windows, reco, seeds, iterations):
    total, y = 0.0, torch.tensor(reco)
    for spei in SPEI.values():
        x = torch.tensor(windows.sel(predictor=list(BASE + spei)).values)
        network, generator = plain(x.shape[1]), torch.Generator().manual_seed(0)
        optimiser = torch.optim.Adam(network.parameters(), fused=True)
        start = time.perf_counter()
        for _ in range(iterations):
            chosen = redraw(len(y), generator)
            loss = squared_error(network(x)[:, 0], y)[chosen].mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        total += (time.perf_counter() - start) / iterations
    return total * seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3, help="the sides take turns; the best of each counts")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(options.samples, len(CHANNELS), 3, 3)).astype("f4")
    windows = xr.DataArray(values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(CHANNELS)})
    reco = rng.gamma(2.0, 0.5, size=options.samples).astype("f4")
    sides = [
        (
            seconds_of_ensemble(windows, reco, options.seeds, options.iterations),
            seconds_of_loop(windows, reco, options.seeds, options.iterations),
        )
        for _ in range(options.rounds)
    ]
    ensemble, loop = (min(times) for times in zip(*sides, strict=True))
    print(f"{6 * options.seeds} members, {options.samples} samples, {torch.get_num_threads()} threads")
    print(f"ensemble {ensemble * 1e3:7.1f} ms an iteration")
    print(f"loop     {loop * 1e3:7.1f} ms an iteration")
    print(f"ratio    {loop / ensemble:7.1f}")


if __name__ == "__main__":
    main()
