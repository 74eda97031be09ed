"""Gains as rows of a table, what permuted copies say of them, and the verdict on the lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import reported
from helpers.stats.labels import indexed
from helpers.stats.lags.pairs import adjusted, gain
from helpers.stats.lags.within import COMING
from helpers.stats.lags.worlds import PLANTED
from helpers.workspace import DATA

POWER = "made/lag_power.csv"
"""How often each protocol found a lag in many made worlds: ``python -m helpers.measured --lags``."""


def kept_rates() -> tuple[dict[str, str], pd.DataFrame]:
    """Return the head (date, commit, commands) and the table (see `helpers.stats.lags.rates`) of the worlds kept."""
    return reported.aggregates(DATA / POWER)


def gains(
    errors: Mapping[str, ArrayLike],
    pairs: Sequence[tuple[str, str]],
    variation: ArrayLike,
    groups: ArrayLike,
    draws: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return what models gain over others, with intervals by groups, adjusted by Holm's rule for all pairs together.

    Parameters
    ----------
    errors : mapping of str to array_like (sample,)
        Squared errors by model, averaged over seeds; samples without one in some model count for none.
    pairs : sequence of (str, str)
        Model, and what it is held against.
    variation, groups, draws, rng
        See `helpers.stats.lags.gain`.

    Returns
    -------
    DataFrame
        ``model``, ``reference``, ``gain``, ``low``, ``high``, ``p``, ``p_holm``; a row a pair.
    """
    known = np.isfinite(np.stack([np.asarray(e) for e in errors.values()])).all(axis=0)
    _, which = indexed(groups, "groups", known.size)
    rest = np.asarray(variation)[known], which[known], draws, rng
    found = [(m, r, *gain(np.asarray(errors[m])[known], np.asarray(errors[r])[known], *rest)) for m, r in pairs]
    table = pd.DataFrame(found, columns=["model", "reference", "gain", "low", "high", "p"])
    return table.assign(p_holm=adjusted(table.p))


def plain_gain(errors: ArrayLike, reference: ArrayLike, variation: ArrayLike) -> np.ndarray:
    """Return differences in R² (...), without intervals.

    Parameters
    ----------
    errors, reference : array_like (..., sample)
        Squared errors, averaged over seeds; a sample without one in either counts for none.
    variation : array_like (sample,)
        See `helpers.stats.lags.squared_errors`.
    """
    difference = np.asarray(reference) - np.asarray(errors)
    total = np.where(np.isfinite(difference), np.asarray(variation), 0.0)
    return np.nansum(difference, axis=-1) / total.sum(axis=-1)


def rank_p(real: float, permuted: ArrayLike) -> float:
    """Return the share of all orders, the true one among them, that gain as much as the true one: (1 + k) / (1 + n).

    Parameters
    ----------
    real : float
        Gain with every value where it belongs.
    permuted : array_like (copy,)
        Gains with shuffled values, trained in the same way.

    Examples
    --------
    >>> rank_p(0.3, [0.1, 0.2, 0.4])
    0.5
    """
    copies = np.asarray(permuted, "float64")
    return float((1 + (copies >= real).sum()) / (1 + copies.size))


def against_copies(real: float, permuted: ArrayLike) -> tuple[float, float, float, float]:
    """Return the mean gain of the permuted copies, the least and the greatest, and the p of the true order by rank."""
    copies = np.asarray(permuted, "float64")
    return float(copies.mean()), float(copies.min()), float(copies.max()), rank_p(real, copies)


def overview(rates: pd.DataFrame) -> pd.DataFrame:
    """Set each protocol's false claims beside its power.

    Claims of this year's water where another year's, or none, was planted aren't counted: decomposition and leaves of
    made planets answer the soil's moisture of the month, so they may be right.

    Parameters
    ----------
    rates : DataFrame
        See `helpers.stats.lags.rates`.

    Returns
    -------
    DataFrame
        A row a protocol, text: ``placebo claimed`` (the coming year's water; counts over all that was planted, which
        share their worlds), ``false, none planted`` and ``false, another planted`` (least and greatest count over the
        earlier years that had no effect), and a column for each planted year: worlds in which it was found, with the
        binomial interval.
    """
    out = {}
    for protocol, own in rates.groupby("protocol", sort=False):
        placebo, wrong = own[own.back < 0], own[~own.right & (own.back > 0)]
        row = {"placebo claimed": f"{placebo.found.sum()} of {placebo.worlds.sum()}"}
        for name, some in (("none", wrong.planted == "none"), ("another", wrong.planted != "none")):
            row[f"false, {name} planted"] = _span(wrong[some])
        for planted in PLANTED[1:]:
            one = own[own.right & (own.planted == planted)].iloc[0]
            row[f"found: {planted}"] = f"{one.found} of {one.worlds} ({one.low:.0%} to {one.high:.0%})"
        out[protocol] = row
    return pd.DataFrame(out).T.rename_axis("protocol")


def _span(rows: pd.DataFrame) -> str:
    low, high = rows.found.min(), rows.found.max()
    return f"{low} of {rows.worlds.iloc[0]}" if low == high else f"{low} to {high} of {rows.worlds.iloc[0]}"


LAST, BEFORE, THREE = "last year's water", "water of the year before last", "three years' waters"
"""Models with the SPEI12 of one and of two years before, and with those of all three years."""

STOPPED = "grouped, stopped"
"""The protocol of networks that stop where another fold is told best."""

YEARS = ("this year's water", LAST, BEFORE)
"""What the regression within sites tests."""

TOTAL = "within sites, total"
"""The regression without what water works by way of."""

QUESTIONS = [
    ("the paper's split", "re-drawn", "all", "CNN3", "CNN1", "re-drawn", 1),
    ("unseen places, anomalies", STOPPED, "anomalies", LAST, "CNN1", "grouped, stopped, anomalies", 1),
    ("unseen places, anomalies", STOPPED, "anomalies", BEFORE, "CNN1", "grouped, stopped, anomalies", 2),
    ("unseen places, anomalies", STOPPED, "anomalies", THREE, "CNN2", "", 0),
    *((TOTAL, TOTAL, "slope", name, "none", TOTAL, back) for back, name in enumerate(YEARS)),
    *(
        ("within sites, all else fixed", "within sites", "slope", n, "none", "within sites", k)
        for k, n in enumerate(YEARS)
    ),
]
"""What is asked and where the answer stands: question; protocol, score, model and reference in the artefact ``lag``;
protocol in the table of made worlds, and how many years back its water is."""


def verdict(lag: pd.DataFrame, power: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """Return the verdict.

    Parameters
    ----------
    lag : DataFrame
        The artefact ``lag``: ``protocol``, ``null`` (``none``; ``coming year`` for the placebo), ``model``, ``score``,
        ``reference``, ``gain``, ``low``, ``high``, ``p``, ``p_holm``.
    power : DataFrame
        See `helpers.stats.lags.rates`.
    level : float
        Of p, adjusted where there are several.

    Returns
    -------
    DataFrame
        A row for each of `QUESTIONS`: ``question``, ``water``; ``estimate`` (a gain in R², or a slope of ln RECO),
        ``low``, ``high``; ``placebo`` and ``placebo p``; ``verdict``: "not found", "loss" for a gain below zero, "rises
        with it" or "falls with it" for a slope, "gain", each only where its adjusted p is below the level, and "as does
        the placebo" where the placebo is claimed too; and in how many made worlds the protocol found such a lag where
        it was planted, and claimed it where none was.
    """
    index = ["protocol", "score", "null", "model", "reference"]
    at = lag.set_index(index)[["gain", "low", "high", "p", "p_holm"]].sort_index()
    counts = power.set_index(["protocol", "planted", "back"])[["found", "worlds"]].sort_index()
    rows = []
    for question, protocol, score, model, reference, asked, back in QUESTIONS:
        row = at.loc[(protocol, score, "none", model, reference)]
        placebo = at.loc[(protocol, score, "coming year", COMING, "none" if reference == "none" else "CNN1")]
        worth = ["{found:.0f} of {worlds:.0f}".format(**counts.loc[(asked, planted, back)]) if asked else ""
                 for planted in (PLANTED[back + 1], PLANTED[0])]  # fmt: skip
        name = f"{model} over {reference}" if score != "slope" else model
        said = _word(row, placebo, score == "slope", level)
        rows.append((question, name, row.gain, row.low, row.high, placebo.gain, placebo.p, said, *worth))
    columns = ["question", "water", "estimate", "low", "high", "placebo", "placebo p", "verdict"]
    return pd.DataFrame(rows, columns=[*columns, "found where planted", "claimed where not"])


def _word(row: pd.Series, placebo: pd.Series, slope: bool, level: float) -> str:
    if not row.p_holm < level:
        return "not found"
    if not slope and row.gain < 0:
        return "loss"
    if placebo.p < level and (slope or placebo.gain > 0):
        return "as does the placebo"
    return "gain" if not slope else "rises with it" if row.gain > 0 else "falls with it"
