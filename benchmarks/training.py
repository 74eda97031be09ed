"""How fast networks train: against a loop of plain networks, against `torch.func.vmap`, as a share of the limit.

    python benchmarks/training.py

All sides do the same work in the same process: full-batch Adam on made windows, six models of twenty seeds, a forward
and a backward pass of all samples at each iteration. The plain sides are timed on fewer networks or iterations, and
each at the best of a few settings. The limit is the rate of a plain matrix product; arithmetic is counted as a
convolution needs it that shares nothing: 49 pairs of an input and an output pixel on a 3x3 map, 16 on a 2x2 map and
one on a single pixel, forward, for the weights' gradient and, but in the first layer, for the inputs'.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
import torch
import xarray as xr
from harness import exponent, gemm, growth, note, paired, peak, seconds
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from helpers.cnn.network import ARCHITECTURE, Member
from helpers.cnn.training import re_drawn, squared_error, train

BASE = ("mat", "map", "par", "fapar", "lai", "ndvi", "npp", "soc_0", "soc_5", "soc_15", "soc_30")
SPEI = {"CNN1": (), "CNN2": ("spei12",), "CNN3": ("spei24",), "CNN4": ("spei36",), "CNN5": ("spei12", "spei24")}
SPEI["CNN6"] = ("spei12", "spei24", "spei36")
CHANNELS = (*BASE, *SPEI["CNN6"])
SAMPLES, SEEDS = 769, 20
PAIRS = (49, 16, 1)
"""Pairs of pixels that a 3x3 "same" convolution joins, on 3x3, 2x2 and 1x1 pixels."""


def made(samples: int) -> tuple[xr.DataArray, np.ndarray]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(samples, len(CHANNELS), 3, 3)).astype("f4")
    windows = xr.DataArray(values, {"predictor": list(CHANNELS)}, ("sample", "predictor", "dy", "dx"))
    return windows, rng.gamma(2.0, 0.5, size=samples).astype("f4")


def six_models(seeds: int) -> list[Member]:
    return [Member(model, BASE + spei, seed) for model, spei in SPEI.items() for seed in range(seeds)]


def ours(members: list[Member], samples: int, iterations: int, kept: bool = False):
    """Return a call that trains; with kept splits each member has so many samples of its own, of a quarter more."""
    windows, reco = made(samples + samples // 4 if kept else samples)
    split = re_drawn()
    if kept:
        order = np.random.default_rng(1).random((len(members), len(reco))).argsort(axis=1)
        split = order < samples
    return lambda: train(windows, reco, members, split, iterations=iterations, check=iterations, progress=False)


def plain(channels: int) -> nn.Sequential:
    layers = []
    for width in ARCHITECTURE["widths"]:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 1), nn.ReLU())


def loop(channels: list[tuple[str, ...]], samples: int, iterations: int, kept: bool = False, threads: int = 1):
    """Return a call that trains plain networks, one after the other."""
    windows, reco = made(samples)
    y, rule = torch.tensor(reco), re_drawn()

    def work():
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        for own in channels:
            x, network = torch.tensor(windows.sel(predictor=list(own)).values), plain(len(own))
            network[-2].bias.data[:] = y.mean()
            optimiser, generator = torch.optim.Adam(network.parameters(), fused=True), torch.Generator()
            for _ in range(iterations):
                chosen = slice(None) if kept else rule(samples, generator)
                loss = squared_error(network(x)[:, 0], y)[chosen].mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        torch.set_num_threads(before)

    return work


def mapped(members: int, samples: int, iterations: int, threads: int = 1):
    """Return a call that trains so many networks of all channels at once by `torch.func.vmap`, on drawn splits."""
    windows, reco = made(samples)
    x, y, rule = torch.tensor(windows.values), torch.tensor(reco), re_drawn()

    def work():
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        networks = [plain(len(CHANNELS)) for _ in range(members)]
        weights, _ = stack_module_state(networks)
        optimiser, generator = torch.optim.Adam(list(weights.values()), fused=True), torch.Generator()

        def loss(own, chosen):
            told = functional_call(networks[0], own, (x,))[:, 0]
            return (squared_error(told, y) * chosen).sum() / chosen.sum()

        for _ in range(iterations):
            chosen = torch.stack([rule(samples, generator) for _ in range(members)])
            for name, slope in vmap(grad(loss))({k: w.detach() for k, w in weights.items()}, chosen).items():
                weights[name].grad = slope
            optimiser.step()
        torch.set_num_threads(before)

    return work


def operations(channels: int) -> int:
    """Return the floating-point operations of one sample, network and iteration, shared with nothing."""
    widths = ARCHITECTURE["widths"]
    pairs = zip(PAIRS, [channels, *widths[:-1]], widths, strict=True)
    layers = [n * before * after for n, before, after in pairs] + [widths[-1]]
    return 2 * (3 * sum(layers) - layers[0])


def best(works: dict):
    """Return the quickest of some calls by name, and its name."""
    name = min(works, key=lambda k: seconds(works[k]))
    return works[name], name


def each_of(found: dict, share: float) -> dict:
    """Return what `paired` found, had the plain side done as much as ours: it did ``share`` of it."""
    scaled = {name: found[name] / share for name in ("plain", "ratio", "low", "high")}
    return found | scaled


def members_of(count: int):
    return ours(six_models(count // 6), SAMPLES, 3)


def samples_of(count: int):
    return ours(six_models(2), count, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=30, help="of ours, at each timing")
    given = parser.parse_args()
    cores = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    members, every, steps = six_models(SEEDS), [BASE + spei for spei in SPEI.values()], given.iterations
    size = {"members": len(members), "samples": SAMPLES}
    share = len(every) * 4 / (len(members) * steps)
    rate, macs = gemm(), operations(len(CHANNELS))
    for kept, name in ((False, "drawn"), (True, "kept")):
        side, threads = best({n: loop(every, SAMPLES, 4, kept, n) for n in {1, cores}})
        found = each_of(paired(ours(members, SAMPLES, steps, kept), side, given.rounds), share)
        against = f"a loop of plain networks, threads: {threads}"
        note(f"training, splits {name} to a loop", found, goal="≥ 6×", against=against, **size)
        reached = {"share": 100 * len(members) * SAMPLES * steps * macs / found["ours"] / 1e9 / rate, "gemm": rate}
        reached["others"] = found["others"]
        note(f"training, splits {name}, share of the rate of a matrix product", reached, goal="≥ 55 %", **size)
    settings = {(m, n): mapped(m, SAMPLES, 1, n) for m in (6, 30, 120) for n in {1, cores}}
    for work in settings.values():  # the first call of each is slower
        work()
    m, threads = min(settings, key=lambda k: seconds(settings[k]) / k[0])
    found = paired(ours(members, SAMPLES, steps), mapped(m, SAMPLES, max(1, 24 // m), threads), given.rounds)
    found, against = each_of(found, m * max(1, 24 // m) / (len(members) * steps)), f"vmap of {m}, threads: {threads}"
    note("training, splits drawn, to vmap", found, goal="≥ 6×", against=against, **size)
    side, threads = best({n: loop([CHANNELS], SAMPLES, 60, threads=n) for n in {1, cores}})
    found = paired(ours([Member("CNN6", CHANNELS)], SAMPLES, 60), side, given.rounds)
    note("training, one network", found, goal="≥ 1×", against=f"a plain network, threads: {threads}", members=1)
    for name, prepare, sizes in (
        ("members", members_of, [12, 48, 120, 480]),
        ("samples", samples_of, [200, 800, 3200]),
    ):
        found = growth(sizes, prepare, 3)
        found["peak_mib"] = [peak(prepare, size)["mib"] for size in sizes]
        found["mib"], found["memory_exponent"] = max(found["peak_mib"]), exponent(sizes, found["peak_mib"])[0]
        note(f"training, growth with {name}", found, goal="exponent ≤ 1.1", against=f"more {name}")


if __name__ == "__main__":
    main()
