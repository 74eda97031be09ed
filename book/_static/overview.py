"""Draw the picture of the README from a run's artefacts: ``python book/_static/overview.py demo``."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from helpers import figures, trends
from helpers.workspace import Workspace

figures.use_house_style()
ws = Workspace(sys.argv[1] if len(sys.argv) > 1 else "demo")
reco, found = ws.read("reco").reco, ws.read("trends")
counted = found.direction > 0
faster = found.npp_zslope - found.reco_zslope

fig = plt.figure(figsize=(10, 6.4), layout="constrained")
place = {"projection": figures.EQUAL_EARTH}
axes = [fig.add_subplot(2, 2, i, **place) for i in (1, 2, 3, 4)]
figures.world(reco.mean("year"), label="kg C m$^{-2}$ yr$^{-1}$", ax=axes[0], title="Mean RECO")
slope = 1000 * found.reco_slope.where(counted)
reach = float(abs(slope).quantile(0.97))
label = "g C m$^{-2}$ yr$^{-2}$"
figures.world(slope, label=label, diverging=True, vmin=-reach, vmax=reach, ax=axes[1], title="Trend of RECO")
colours = {code: figures.COLOURS[name] for code, name in trends.DIRECTIONS.items()}
names = {code: name.replace("-", "−") for code, name in trends.DIRECTIONS.items()}
figures.categories(found.direction.where(counted), colours, names, ax=axes[2], title="Directions of NPP and RECO")
figures.world(
    faster.where(counted), label="standard deviations yr$^{-1}$", diverging=True, ax=axes[3], title="NPP less RECO"
)
fig.savefig(Path(__file__).with_suffix(".png"), dpi=90, bbox_inches="tight")
