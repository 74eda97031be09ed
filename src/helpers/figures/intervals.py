"""Values with their intervals, a row each: ladders of tests, gains, claims about worlds, shares, numbers that move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.figures.charts import letter
from helpers.figures.style import COLOURS, KINDS, LOOKS, MARKERS, SERIES, WIDTH, mark_made

ZERO = {"color": COLOURS["outline"], "linewidth": 1, "linestyle": "--", "zorder": 0}
"""How the line is drawn that values are compared with."""


def draw(
    ax: Axes,
    place: ArrayLike,
    values: pd.DataFrame,
    colour: str,
    *,
    marker: str | tuple = "o",
    filled: ArrayLike = True,
    floor: float = -np.inf,
    label: str | None = None,
    thickness: float = 1.3,
    edge: str | None = None,
) -> None:
    """Draw values at their places (row,) from the top, each with its interval.

    The first three columns of ``values`` are the value and the ends of its interval; NaN draws none. Where ``filled``
    is false the mark is hollow; what lies below ``floor`` stands on it, as an arrow to the left, and intervals are cut
    there. The ``label`` is that of the filled marks; ``thickness`` is that of intervals, ``edge`` the colour of rims.
    """
    place, (value, low, high) = np.asarray(place), values.iloc[:, :3].to_numpy(dtype="float64").T
    ax.hlines(place, np.maximum(low, floor), np.maximum(high, floor), color=colour, linewidth=thickness)
    look = {"linestyle": "none", "color": colour, "markeredgecolor": edge or colour, "zorder": 3}
    look["markeredgewidth"] = 0.4 if edge else 1.2
    filled, below = np.broadcast_to(filled, value.shape), value < floor
    for here, face in ((filled & ~below, colour), (~filled & ~below, "white")):
        named = {"label": label} if face == colour else {}
        ax.plot(value[here], place[here], marker=marker, markersize=5.5, markerfacecolor=face, **named, **look)
    if below.any():  # nothing to draw, unclipped, would still claim room
        ax.plot(np.full(below.sum(), floor), place[below], marker="<", markersize=6, clip_on=False, **look)


def rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows of a chart, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def ladder(ax: Axes, scores: pd.DataFrame, models: Sequence[str], *, label: str, floor: float = -1.0) -> Axes:
    """Draw scores and their intervals, a rung for each test and a colour and marker for each model.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    scores : DataFrame
        Index (rung, model), rungs in the order to be drawn, from the top; columns ``value``, ``low`` and ``high``, the
        last two NaN where there is no interval.
    models : sequence of str
        Which to draw, from the top of a rung, in their `LOOKS`; others get colours and markers by their place in this
        list. A model need not stand on every rung.
    label : str
        Of the axis of scores, with the unit if there is one.
    floor : float
        Where the axis ends below. What lies beyond stands on the edge, as an arrow to the left, of which the legend
        then speaks; what reaches beyond is cut there.
    """
    scores = scores.loc[scores.index.isin(models, level=1), ["value", "low", "high"]]
    rungs = list(dict.fromkeys(scores.index.get_level_values(0)))
    lowest = scores[["value", "low"]].min(axis=None)
    left = max(floor, lowest - 0.05 * (1 - lowest))
    for number, model in enumerate(models):
        if model not in scores.index.get_level_values(1):
            continue
        own = scores.xs(model, level=1)
        place = np.array([rungs.index(rung) for rung in own.index]) + 0.72 * ((number + 0.5) / len(models) - 0.5)
        colour, marker = LOOKS.get(model, (SERIES[number % len(SERIES)], MARKERS[number]))
        draw(ax, place, own, colour, marker=marker, label=model, edge="black", floor=left)
    for between in np.arange(len(rungs) - 1) + 0.5:
        ax.axhline(between, color=COLOURS["rule"], linewidth=0.6, zorder=0)
    if left < 0:
        ax.axvline(0.0, color=COLOURS["outline"], linewidth=0.8, zorder=1)
    if (scores.value < left).any():
        ax.plot([], [], "<", color=COLOURS["outline"], markersize=6, label=f"below {left:g}".replace("-", "−"))
    rows(ax, rungs)
    ax.set(xlabel=label, xlim=(left, None))
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def dumbbells(ax: Axes, table: pd.DataFrame, *, label: str, floor: float = -np.inf) -> Axes:
    """Draw each quantity on a line of its own, with a thin line from where a protocol puts it to where honesty does.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        A row a quantity (index: its name), from the top; ``paper``, ``seed protocol``, ``honest`` and the honest
        interval from ``low`` to ``high``, NaN where there is none.
    label : str
        Quantity and unit, under the axis.
    floor : float
        What lies below stands here, as an arrow to the left, and intervals are cut.
    """
    place, run = np.arange(len(table)), COLOURS["run"]
    table = table[["paper", "seed protocol", "honest", "low", "high"]].astype("float64")
    ends = np.sort(np.maximum(table[["seed protocol", "honest"]], floor))
    ax.hlines(place, *ends.T, color=COLOURS["outline"], linewidth=0.8, zorder=1)
    ax.hlines(place, table.low.clip(floor), table.high.clip(floor), color=run, alpha=0.35, linewidth=6)
    looks = {"paper": (COLOURS["paper"], "D"), "seed protocol": (run, "o"), "honest": (run, "o")}
    for name, (colour, marker) in looks.items():
        alone = table[[name]].assign(low=np.nan, high=np.nan)
        draw(ax, place, alone, colour, marker=marker, filled=name != "seed protocol", floor=floor)
        face, named = ("white", "published protocol") if name == "seed protocol" else (colour, name)
        ax.plot([], [], marker, color=colour, markerfacecolor=face, markersize=5.5, label=named)
    rows(ax, table.index)
    ax.set_xlabel(label)
    ax.grid(axis="y")
    if ax.get_xlim()[0] < 0 < ax.get_xlim()[1]:
        ax.axvline(0.0, **ZERO)
    ax.figure.legend(loc="outside upper center", ncols=3)
    return ax


def paired_gains(table: pd.DataFrame, protocols: Sequence[str], scores: Mapping[str, str], level: float) -> np.ndarray:
    """Draw what models gain, a panel for each protocol and score.

    Parameters
    ----------
    table : DataFrame
        ``protocol``, ``score``, ``model``, ``reference``, ``gain``, ``low``, ``high``, ``p_holm``.
    protocols : sequence of str
        Columns of panels. Each panel has an axis of its own, as gains of one may be a tenth of another's.
    scores : mapping of str to str
        Rows of panels, and what each is called.
    level : float
        Gains whose adjusted p is below it are filled.
    """
    table = table[table.protocol.isin(protocols)]
    table = table.assign(pair=table.model + " over " + table.reference)
    names = list(table.pair.unique())
    size = (WIDTH, 0.28 * len(names) * len(scores) + 1.8)
    _, axes = plt.subplots(len(scores), len(protocols), figsize=size, sharey=True, squeeze=False)
    for line, (score, what) in zip(axes, scores.items(), strict=True):
        for ax, protocol in zip(line, protocols, strict=True):
            own = table[(table.protocol == protocol) & (table.score == score)]
            place, gains = [names.index(pair) for pair in own.pair], own[["gain", "low", "high"]]
            draw(ax, place, gains, COLOURS["run"], filled=own.p_holm < level, thickness=2)
            ax.axvline(0, **ZERO)
            ax.set_title(f"{protocol}\n{what}", fontsize=9)
    rows(axes[0, 0], names)
    for ax in axes.flat:
        ax.locator_params(axis="x", nbins=4)
    for ax in axes[-1]:
        ax.set_xlabel("gain in R² (no unit)")
    letter(axes.ravel())
    return axes


def lag_curves(curves: Mapping[str, pd.DataFrame], level: float) -> np.ndarray:
    """Draw what SPEI gains against its scale, a panel for each score.

    Each curve, by what is scored, has ``months``, ``gain``, ``low``, ``high``, ``p_holm``; gains whose adjusted p is
    below ``level`` are filled.
    """
    _, axes = plt.subplots(1, len(curves), figsize=(WIDTH, 3.4), squeeze=False)
    for ax, (what, curve) in zip(axes[0], curves.items(), strict=True):
        ax.fill_between(curve.months, curve.low, curve.high, color=COLOURS["run"], alpha=0.2, linewidth=0)
        ax.plot(curve.months, curve.gain, color=COLOURS["run"])
        fill = np.where(curve.p_holm < level, COLOURS["run"], "white")
        ax.scatter(curve.months, curve.gain, s=30, c=fill, edgecolors=COLOURS["run"], zorder=3)
        ax.axhline(0, **ZERO)
        ax.set(xlabel="scale of SPEI (months)", ylabel="gain in R² (no unit)", title=what)
        ax.set_xticks(curve.months[curve.months % 12 == 0])
    if len(curves) > 1:
        letter(axes[0])
    return axes[0]


def worlds_found(rates: pd.DataFrame, waters: Sequence[str]) -> np.ndarray:
    """Draw in what share of made worlds each protocol (a row) claims each year's water, a panel for what was planted.

    ``rates`` are those of `helpers.demo.lag_power.rates`, ``waters`` what the water of no, one and two years back is
    called. Filled marks are right, hollow ones claim what isn't there; bars are binomial intervals.
    """
    protocols, planted = (list(dict.fromkeys(rates[c])) for c in ("protocol", "planted"))
    size = (WIDTH, 0.5 * len(protocols) + 1.4)
    figure, axes = plt.subplots(1, len(planted), figsize=size, sharey=True, squeeze=False)
    drawn = [(back, SERIES[back], MARKERS[back], name) for back, name in enumerate(waters)]
    if (rates.back < 0).any():
        drawn.append((-1, COLOURS["outline"], "X", "placebo: the coming year's water"))
    for ax, water in zip(axes[0], planted, strict=True):
        for back, colour, marker, _ in drawn:
            own = rates[(rates.planted == water) & (rates.back == back)]
            place = np.array([protocols.index(p) for p in own.protocol]) + 0.2 * (back - 0.5)
            draw(ax, place, 100 * own[["share", "low", "high"]], colour, marker=marker, filled=own.right)
        ax.set_title(f"planted:\n{water}", fontsize=9)
        ax.set(xlim=(-5, 105), xticks=(0, 50, 100))
    rows(axes[0, 0], [protocol.replace(", ", ",\n", 1) for protocol in protocols])
    for _, colour, marker, name in drawn:
        axes[0, 0].plot([], [], marker, color=colour, markersize=5.5, label=name)
    mark_made(figure)  # in a book of real data too: this figure is always of made planets
    figure.supxlabel("made worlds in which a year's water is claimed (%)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return axes[0]


def size_and_power(rates: pd.DataFrame, names: Mapping[str, str], alpha: float, chosen: str) -> np.ndarray:
    """Draw how often each test of a trend says "trend": where there is none, and where there is one.

    Parameters
    ----------
    rates : DataFrame
        A row a method, memory and trend, as `significance.simulated_size` gives them; the trend is 0 in the left panel
        and another value in the right one.
    names : mapping of str to str
        What each method is called; the first stands on top.
    alpha : float
        The level that the size should have: a line in the left panel.
    chosen : str
        The method whose name is set in bold.
    """
    _, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.42 * len(names) + 1.6), sharey=True)
    memories = sorted(rates["rho"].unique())
    for ax, there in zip(axes, (False, True), strict=True):
        for k, rho in enumerate(memories):
            own = rates[(rates["rho"] == rho) & ((rates["trend"] != 0) == there)].set_index("method").loc[list(names)]
            place = np.arange(len(names)) + 0.18 * (k - (len(memories) - 1) / 2)
            percent = 100 * own[["rate", "low", "high"]]
            draw(ax, place, percent, SERIES[k], marker=MARKERS[k], label=f"memory {rho:g}")
        ax.set_xlim(left=0)
    axes[0].axvline(100 * alpha, **ZERO)
    axes[0].set(title="no trend: size", xlabel='series with a "trend" (%)')
    axes[1].set(title="a trend: power", xlabel="series whose trend is found (%)")
    rows(axes[0], list(names.values()))
    axes[0].get_yticklabels()[list(names).index(chosen)].set_fontweight("bold")
    axes[0].legend(loc="upper right")
    letter(axes)
    return axes


def share_intervals(
    table: pd.DataFrame, colours: Mapping[str, str], *, label: str, marks: pd.Series | None = None
) -> Axes:
    """Draw shares of regions with their intervals, groups of regions below each other, coloured by verdict.

    Parameters
    ----------
    table : DataFrame
        By group and region: ``median``, ``low`` and ``high`` (0 to 1) and ``verdict``. The largest share of a group
        stands on top.
    colours : mapping of str to str
        Colour of each verdict.
    label : str
        Quantity and unit, under the axis.
    marks : Series, optional
        By group and region, shares (0 to 1) to mark with a cross, such as those of the map itself.
    """
    groups = table.index.get_level_values(0).unique()
    table = pd.concat([table.loc[[g]].sort_values("median", ascending=False, kind="stable") for g in groups])
    place = np.arange(len(table)) + groups.get_indexer(table.index.get_level_values(0))  # a free row between groups
    _, ax = plt.subplots(figsize=(0.85 * WIDTH, 0.24 * place[-1] + 1.4))
    for verdict, colour in colours.items():
        here = (table["verdict"] == verdict).to_numpy()
        if here.any():
            percent = 100 * table.loc[here, ["median", "low", "high"]]
            draw(ax, place[here], percent, colour, label=verdict, thickness=2.4)
    if marks is not None:
        ax.plot(100 * marks.loc[table.index], place, "x", color="black", markersize=5, label="the map itself", zorder=4)
    ax.axvline(50, **ZERO)
    ax.set_yticks(place, table.index.get_level_values(1))
    ax.invert_yaxis()
    ax.set_xlabel(label)
    ax.figure.legend(loc="outside upper center", ncols=2)
    return ax


def timing(scores: pd.DataFrame, kinds: Mapping[str, str], floor: float = -1.5) -> Sequence[Axes]:
    r"""Draw how models spread and time the years of sites, a row each: ratio and r in one panel, skill in another.

    With anomalies whose spread is :math:`\rho` times that of the observations and whose correlation with them is r, the
    skill is :math:`S = 1 - \mathrm{MSE} / \sigma_o^2 = 2 r \rho - \rho^2`, greatest at :math:`\rho = r`.

    Parameters
    ----------
    scores : DataFrame
        Index (model, score) with the scores ``ratio``, ``r`` and ``skill``; columns ``value``, ``low`` and ``high``.
    kinds : mapping of str to {"CNN", "process model", "data-driven"}
        Kind of each model, which gives its colour.
    floor : float
        Where the axis of skill ends below: see `draw`.
    """
    models = list(dict.fromkeys(scores.index.get_level_values(0)))
    size = (WIDTH, 0.42 * len(models) + 1.4)
    _, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, width_ratios=(3, 2))
    looks = {"ratio": ("D", -0.15, True), "r": ("o", 0.15, False)}
    for row, model in enumerate(models):
        own, colour = scores.loc[model], KINDS[kinds[model]]
        for score, (marker, shift, filled) in looks.items():
            draw(left, [row + shift], own.loc[[score]], colour, marker=marker, filled=filled)
        draw(right, [row], own.loc[["skill"]], colour, marker="s", floor=floor)
    for score, name in {"ratio": "ρ, spread simulated / observed", "r": "r of anomalies"}.items():
        marker, _, filled = looks[score]
        face = "black" if filled else "white"
        left.plot([], [], marker, color="black", markerfacecolor=face, markersize=5.5, label=name)
    for kind in dict.fromkeys(kinds[model] for model in models):
        left.plot([], [], "-", color=KINDS[kind], linewidth=3, label=kind)
    left.axvline(1.0, **ZERO)
    right.axvline(0.0, **ZERO)
    rows(left, models)
    right.tick_params(axis="y", length=0)
    right.locator_params(axis="x", nbins=5)
    left.set_xlabel("ρ and r of anomalies (no unit)")
    right.set_xlabel("S, skill of anomalies (no unit)")
    left.figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5, columnspacing=1.2)
    letter((left, right))
    return left, right
