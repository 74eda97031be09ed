"""Claims about Figs 2 and 3: how the network and the process models do at independent towers."""

from __future__ import annotations

import pandas as pd

from helpers.claims.reading import Verdict, says

LEVEL, STRICT = 0.05, 0.01
"""Below these p-values a correlation of standard deviations counts: for a process model, and as the paper asks."""


def on_validation(scores: pd.DataFrame) -> dict[str, Verdict]:
    """Give verdicts on the claims about the validation (Results, paragraph 5).

    Parameters
    ----------
    scores : DataFrame
        A row a model, the network's first: ``kind`` ("CNN", "process model", "data-driven"), ``n``, ``r2``,
        ``r2_pearson``, ``rmse``, the same three with ``cnn_`` before them (the network's on the same site-years),
        ``sd_r``, ``sd_p``, ``sd_ratio`` (mean standard deviation of the sites, simulated over observed). Only process
        models are judged against the network.
    """
    best, others = scores.iloc[0], scores[(scores.kind == "process model") & (scores.n > 0)]
    better = int(((others.cnn_r2 > others.r2) & (others.cnn_rmse < others.rmse)).sum())
    # being the best says little where R² is below zero, or where the other number called R² reverses the order
    correlated = int((others.cnn_r2_pearson > others.r2_pearson).sum())
    accuracy = f"own R² = {best.r2:.2f}".replace("= -", "= −")
    tested = others.dropna(subset=["sd_r"])
    matching = int(((tested.sd_r > 0) & (tested.sd_p < LEVEL)).sum())
    strictly = int(((tested.sd_r > 0) & (tested.sd_p < STRICT)).sum())
    negative, below = int((tested.sd_r < 0).sum()), int((tested.sd_ratio < 1).sum())
    network = f"CNN r = {best.sd_r:.2f}, p = {best.sd_p:.2g}".replace("= -", "= −")
    captures = best.sd_r > 0 and best.sd_p < STRICT
    n, m = len(others), len(tested)
    found = {
        "cnn_best_at_sites": says(
            better == n, f"better than {better} of {n} process models, {accuracy}; by r² better than {correlated}"
        ),
        "others_low_r": says(
            matching == 0 and negative > 0, f"of {m}: {matching} positive with p < {LEVEL:g}, {negative} negative"
        ),
        "only_cnn_captures": says(captures and not strictly, f"{network}; {strictly} of {m} process models likewise"),
        "others_low_sd": says(below == m, f"{below} of {m} process models below the observed mean"),
    }
    if m == 0 or pd.isna(best.sd_r):
        untold = ("not testable here", "too few sites with enough years")
        found |= dict.fromkeys(("others_low_r", "only_cnn_captures", "others_low_sd"), untold)
    return found if n else dict.fromkeys(found, ("not testable here", "no process model was given"))
