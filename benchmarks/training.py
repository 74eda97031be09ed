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
from harness import gemm, note, paired, seconds
from plain import BASE, CHANNELS, SAMPLES, SPEI, STEP, network, windows
from torch.func import functional_call, grad, stack_module_state, vmap

from helpers.cnn.network import ARCHITECTURE, Member
from helpers.cnn.training import re_drawn, squared_error, train

SEEDS = 20
PAIRS = (49, 16, 1)
"""Pairs of pixels that a 3x3 "same" convolution joins, on 3x3, 2x2 and 1x1 pixels."""


def six_models(seeds: int) -> list[Member]:
    return [Member(model, BASE + spei, seed) for model, spei in SPEI.items() for seed in range(seeds)]


def ours(members: list[Member], samples: int, iterations: int, kept: bool = False):
    """Return a call that trains; with kept splits each member has so many samples of its own, of a quarter more."""
    made, reco = windows(samples + samples // 4 if kept else samples)
    split = re_drawn()
    if kept:
        order = np.random.default_rng(1).random((len(members), len(reco))).argsort(axis=1)
        split = order < samples
    return lambda: train(made, reco, members, split, iterations=iterations, check=iterations, progress=False)


def loop(channels: list[tuple[str, ...]], samples: int, iterations: int, kept: bool = False, threads: int = 1):
    """Return a call that trains plain networks, one after the other."""
    made, reco = windows(samples)
    y, rule = torch.tensor(reco), re_drawn()

    def work():
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        for own in channels:
            x, one = torch.tensor(made.sel(predictor=list(own)).values), network(len(own))
            one[-2].bias.data[:] = y.mean()
            optimiser, generator = torch.optim.Adam(one.parameters(), fused=True), torch.Generator()
            for _ in range(iterations):
                chosen = slice(None) if kept else rule(samples, generator)
                loss = squared_error(one(x)[:, 0], y)[chosen].mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        torch.set_num_threads(before)

    return work


def mapped(members: int, samples: int, iterations: int, threads: int = 1):
    """Return a call that trains so many networks of all channels at once by `torch.func.vmap`, on drawn splits."""
    made, reco = windows(samples)
    x, y, rule = torch.tensor(made.values), torch.tensor(reco), re_drawn()

    def work():
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        networks = [network(len(CHANNELS)) for _ in range(members)]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=30, help="of ours, at each timing")
    given = parser.parse_args()
    cores = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    members, every, steps = six_models(SEEDS), [BASE + spei for spei in SPEI.values()], given.iterations
    size, work = f"{len(members)} networks on {SAMPLES} samples", {"work": len(members) * steps, "work_unit": STEP}
    rate, macs = gemm(), operations(len(CHANNELS))
    for kept, name in ((False, "drawn anew"), (True, "kept")):
        side, threads = best({n: loop(every, SAMPLES, 4, kept, n) for n in {1, cores}})
        share = len(every) * 4 / (len(members) * steps)
        found = paired(ours(members, SAMPLES, steps, kept), side, given.rounds, share=share)
        against = f"a loop of plain networks, threads: {threads}"
        note(f"training {size}, splits {name}", found, goal=">= 6", against=against, **work)
        limit = len(members) * SAMPLES * steps * macs / found["ours_s"] / 1e9 / rate
        limit = {"kind": "share", "value": limit, "ours_s": found["ours_s"], "others": found["others"]}
        note(f"training {size}, splits {name}", limit, goal=">= 0.55", against="rate of a matrix product", **work)
    settings = {(m, n): mapped(m, SAMPLES, 1, n) for m in (6, 30, 120) for n in {1, cores}}
    for each in settings.values():  # the first call of each is slower
        each()
    m, threads = min(settings, key=lambda k: seconds(settings[k]) / k[0])
    few = max(1, 24 // m)
    side, share = mapped(m, SAMPLES, few, threads), m * few / (len(members) * steps)
    found = paired(ours(members, SAMPLES, steps), side, given.rounds, share=share)
    note(f"training {size}, beside vmap", found, goal=">= 6", against=f"vmap of {m}, threads: {threads}", **work)
    side, threads = best({n: loop([CHANNELS], SAMPLES, 60, threads=n) for n in {1, cores}})
    found = paired(ours([Member("CNN6", CHANNELS)], SAMPLES, 60), side, given.rounds)
    work = {"work": 60, "work_unit": STEP}
    note("training one network", found, goal=">= 1", against=f"a plain network, threads: {threads}", **work)


if __name__ == "__main__":
    main()
