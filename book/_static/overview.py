"""Draw the picture of the README from a run's artefacts: ``python book/_static/overview.py demo``.

Headline numbers from chapter 13's table of answers: printed in the paper, by its protocol in this run, by an honest
test in this run, and by an honest test at real towers.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from helpers import figures
from helpers.workspace import Workspace

SCORES = {
    "score": "R² of samples not seen",
    "towers": "R² at towers that\ntook no part",
    "swings": "r of the towers'\nyear-to-year STDEV",
}
SHARES = {"rises": "land where\nRECO rises", "sink": "land where\nNPP grows faster"}
"""Answers by their id, and what the picture calls them."""
PANELS = [
    (SCORES, "score (no unit; a perfect model has 1)", (-1.0, 1.05), 0.0),
    (SHARES, "% of the land", (20, 80), 50),
]

figures.use_house_style()
ws = Workspace(sys.argv[1] if len(sys.argv) > 1 else "demo")
answers = ws.read("answers").set_index("id").assign(none=np.nan)
of = "Demo Earth" if ws.made else "this run"
looks = {
    "printed in the paper": (["paper", "none", "none"], figures.COLOURS["paper"], "D", True),
    f"published protocol, {of}": (["published protocol", "none", "none"], figures.COLOURS["run"], "o", False),
    f"honest test, {of}": (["honest", "low", "high"], figures.COLOURS["run"], "o", True),
    "honest test, real towers": (["real value", "real low", "real high"], figures.COLOURS["reco"], "s", True),
}

fig, axes = plt.subplots(2, 1, figsize=(figures.WIDTH, 4.6), height_ratios=[3.4, 2.2], layout="constrained")
for ax, (ids, label, ends, line) in zip(axes, PANELS, strict=True):
    ax.axvline(line, **figures.intervals.ZERO)
    for k, (columns, colour, marker, filled) in enumerate(looks.values()):
        place, values = np.arange(len(ids)) + 0.18 * k - 0.27, answers.loc[list(ids), columns]
        how = {"marker": marker, "filled": filled, "floor": ends[0], "thickness": 2.5}
        figures.intervals.draw(ax, place, values, colour, **how)
    figures.intervals.rows(ax, list(ids.values()))
    ax.set(xlabel=label, xlim=ends)
marks = [
    Line2D([], [], marker=marker, color=colour, markerfacecolor=colour if filled else "white", linestyle="none")
    for _, colour, marker, filled in looks.values()
]
fig.legend(marks, looks, loc="outside upper center", ncols=2)
fig.savefig(Path(__file__).with_suffix(".png"), dpi=100)
