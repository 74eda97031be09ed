"""The plain side of the benchmarks: the predictors by name, made windows, and a network of PyTorch's own layers."""

from __future__ import annotations

import numpy as np
import xarray as xr
from torch import nn

from helpers.cnn.network import ARCHITECTURE

BASE = ("mat", "map", "par", "fapar", "lai", "ndvi", "npp", "soc_0", "soc_5", "soc_15", "soc_30")
SPEI = {"CNN1": (), "CNN2": ("spei12",), "CNN3": ("spei24",), "CNN4": ("spei36",), "CNN5": ("spei12", "spei24")}
SPEI["CNN6"] = ("spei12", "spei24", "spei36")
CHANNELS = (*BASE, *SPEI["CNN6"])
SAMPLES = 769
"""As many as the demo has; the paper has about a thousand."""

STEP, WINDOW = "step of a network", "window of a network"
LINE, RANK, INDEX = "line of a cell", "rank test of a cell", "index of a cell"
"""Units of work, by which the page *Cost and scale* finds what they cost: one iteration of one network on all samples;
what one network makes of one window; OLS, Mann–Kendall, and the dissimilarity index of one cell."""


def windows(samples: int) -> tuple[xr.DataArray, np.ndarray]:
    """Return windows (sample, predictor, dy, dx) of noise in all channels, and a RECO for each."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(samples, len(CHANNELS), 3, 3)).astype("f4")
    made = xr.DataArray(values, {"predictor": list(CHANNELS)}, ("sample", "predictor", "dy", "dx"))
    return made, rng.gamma(2.0, 0.5, size=samples).astype("f4")


def network(channels: int) -> nn.Sequential:
    """Return the paper's network, as anyone would write it."""
    layers = []
    for width in ARCHITECTURE["widths"]:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 1), nn.ReLU())
