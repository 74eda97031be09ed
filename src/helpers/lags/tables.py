"""Gains as rows of a table, and what permuted copies say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import kept
from helpers.labels import indexed
from helpers.lags.pairs import adjusted, gain
from helpers.lags.protocols import PLANTED
from helpers.workspace import DATA

POWER = "made/lag_power.csv"
"""How often each protocol found a lag in many made worlds: ``python -m helpers.measured --lags``."""


def kept_rates() -> tuple[dict[str, str], pd.DataFrame]:
    """Return the head (date, commit, commands) and the table (see `helpers.lags.rates`) of the worlds kept."""
    return kept.read(DATA / POWER)


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
        See `helpers.lags.gain`.

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
        See `helpers.lags.squared_errors`.
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
        See `helpers.lags.rates`.

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
