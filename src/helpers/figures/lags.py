"""Figures of the lag: gains with their intervals, gains of shuffled copies, curves over scales, and worlds counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.figures.charts import letter
from helpers.figures.style import COLOURS, SERIES, WIDTH


def paired_gains(table: pd.DataFrame, protocols: Sequence[str], scores: Mapping[str, str], level: float) -> np.ndarray:
    """Draw what models gain, a panel for each protocol and score.

    Parameters
    ----------
    table : DataFrame
        ``protocol``, ``score``, ``model``, ``reference``, ``gain``, ``low``, ``high``, ``p_holm``.
    protocols : sequence of str
        Columns of panels, each with an axis of its own.
    scores : mapping of str to str
        Rows of panels, and what each is called.
    level : float
        Gains whose adjusted p is below it are filled.

    Returns
    -------
    ndarray of Axes
    """
    table = table[table.protocol.isin(protocols)]
    names = [f"{m} over {r}" for m, r in table[["model", "reference"]].drop_duplicates().itertuples(index=False)]
    size = (WIDTH, 0.28 * len(names) * len(scores) + 1.8)
    _, axes = plt.subplots(len(scores), len(protocols), figsize=size, sharey=True, sharex="col", squeeze=False)
    for line, (score, what) in zip(axes, scores.items(), strict=True):
        for ax, protocol in zip(line, protocols, strict=True):
            rows = table[(table.protocol == protocol) & (table.score == score)]
            place = [names.index(f"{r.model} over {r.reference}") for r in rows.itertuples()]
            ax.hlines(place, rows.low, rows.high, color=COLOURS["run"], linewidth=2)
            fill = np.where(rows.p_holm < level, COLOURS["run"], "white")
            ax.scatter(rows.gain, place, s=30, c=fill, edgecolors=COLOURS["run"], zorder=3)
            ax.axvline(0, color=COLOURS["outline"], linewidth=1, linestyle="--")
            ax.set_title(f"{protocol}\n{what}", fontsize=9)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    for ax in axes[-1]:
        ax.set_xlabel("gain in R² (no unit)")
    letter(axes.ravel())
    return axes


def shuffled_gains(copies: Mapping[tuple[str, str], ArrayLike], real: Mapping[str, float]) -> np.ndarray:
    """Draw histograms of what shuffled copies gain, with the true order as a line.

    Parameters
    ----------
    copies : mapping of (str, str) to array_like (copy,)
        Gains by what was scored (a row of panels) and by kind of shuffle (a column).
    real : mapping of str to float
        Gain of the true order, by what was scored.

    Returns
    -------
    ndarray of Axes
    """
    kinds = list(dict.fromkeys(kind for _, kind in copies))
    size = (WIDTH, 2.1 * len(real) + 0.6)
    _, axes = plt.subplots(len(real), len(kinds), figsize=size, sharex="row", squeeze=False)
    for line, (what, true) in zip(axes, real.items(), strict=True):
        every = np.concatenate([np.asarray(copies[what, kind]) for kind in kinds])
        edges = np.linspace(every.min(), every.max() + 1e-9, 13)
        for ax, kind in zip(line, kinds, strict=True):
            ax.hist(copies[what, kind], bins=edges, color=COLOURS["models"])
            ax.axvline(true, color=COLOURS["reco"], linewidth=2.2, label="true order")
            ax.axvline(0, color=COLOURS["outline"], linewidth=1, linestyle="--", label="no SPEI")
            ax.set_title(f"{what}, {kind}", fontsize=9)
            ax.set_ylabel("shuffled copies")
            ax.yaxis.get_major_locator().set_params(integer=True)
            ax.xaxis.get_major_locator().set_params(nbins=5)
    for ax in axes[-1]:
        ax.set_xlabel("gain in R² over CNN1 (no unit)")
    axes[0, 0].figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    letter(axes.ravel())
    return axes


def lag_curves(curves: Mapping[str, pd.DataFrame], level: float) -> np.ndarray:
    """Draw what SPEI gains against its scale, a panel for each score.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        By what is scored: ``months``, ``gain``, ``low``, ``high``, ``p_holm``.
    level : float
        Gains whose adjusted p is below it are filled.

    Returns
    -------
    ndarray of Axes
    """
    _, axes = plt.subplots(1, len(curves), figsize=(WIDTH, 3.4), squeeze=False)
    for ax, (what, curve) in zip(axes[0], curves.items(), strict=True):
        ax.fill_between(curve.months, curve.low, curve.high, color=COLOURS["run"], alpha=0.2, linewidth=0)
        ax.plot(curve.months, curve.gain, color=COLOURS["run"])
        fill = np.where(curve.p_holm < level, COLOURS["run"], "white")
        ax.scatter(curve.months, curve.gain, s=30, c=fill, edgecolors=COLOURS["run"], zorder=3)
        ax.axhline(0, color=COLOURS["outline"], linewidth=1, linestyle="--")
        ax.set(xlabel="scale of SPEI (months)", ylabel="gain in R² (no unit)", title=what)
        ax.set_xticks(curve.months[curve.months % 12 == 0])
    letter(axes[0])
    return axes[0]


def worlds_found(rates: pd.DataFrame, waters: Sequence[str]) -> np.ndarray:
    """Draw in what share of made worlds each protocol claims the water of each year, a panel a protocol.

    Parameters
    ----------
    rates : DataFrame
        See `helpers.lags.rates`.
    waters : sequence of str
        What the water of no, one and two years back is called.

    Returns
    -------
    ndarray of Axes
        Filled marks are right, hollow ones claim what isn't there; bars are binomial intervals.
    """
    protocols, planted = (list(dict.fromkeys(rates[c])) for c in ("protocol", "planted"))
    _, axes = plt.subplots(1, len(protocols), figsize=(WIDTH, 3.6), sharey=True, squeeze=False)
    marks = [(back, SERIES[back], name) for back, name in enumerate(waters)]
    marks += [(-1, COLOURS["outline"], "placebo: the coming year's water")] * bool((rates.back < 0).any())
    for ax, protocol in zip(axes[0], protocols, strict=True):
        for back, colour, name in marks:
            rows = rates[(rates.protocol == protocol) & (rates.back == back)]
            place = np.array([planted.index(p) for p in rows.planted]) + 0.2 * (back - 0.5)
            _marks(ax, rows, place, colour, name)
        ax.set_title(protocol.replace(", ", ",\n"), fontsize=9)
        ax.set(xlim=(-3, 103), xticks=(0, 50, 100))
    axes[0, 0].set_yticks(range(len(planted)), planted)
    axes[0, 0].set_ylabel("water that was planted")
    axes[0, 0].invert_yaxis()
    figure = axes[0, 0].figure
    figure.supxlabel("made worlds in which a year's water is claimed (%)", fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return axes[0]


def _marks(ax: Axes, rows: pd.DataFrame, place: np.ndarray, colour: str, name: str) -> None:
    """Draw shares with their intervals, filled where the claim is right."""
    ax.hlines(place, 100 * rows.low, 100 * rows.high, color=colour, linewidth=1.2)
    fill = np.where(rows.right, colour, "white")
    ax.scatter(100 * rows.share, place, s=24, c=fill, edgecolors=colour, zorder=3)
    ax.plot([], [], "o", color=colour, markersize=5, label=name)
