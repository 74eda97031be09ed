"""The verdict on the lag, a small table: what was found, what the placebo says, and what the test is worth."""

from __future__ import annotations

import pandas as pd

from helpers.lags.protocols import PLANTED
from helpers.lags.within import COMING

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
        See `helpers.lags.rates`.
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
