"""Claims about Table 1: how the six networks do, and what SPEI adds."""

from __future__ import annotations

import pandas as pd
import xarray as xr
from scipy import stats

from helpers.claims.reading import Verdict, says

HIGH = 0.9
"""An R² from here on is *high*: every score of the paper's Table 1 is far above."""

STEADY = 0.01
"""Mean R² of a *stable* network changes by less between the last two tenths of its training."""


def on_ablation(
    score: xr.DataArray, curve: xr.DataArray, dead: int, gains: pd.DataFrame, control: str
) -> dict[str, Verdict]:
    """Give verdicts on the claims about the ablation (Results, paragraphs 1 and 2; Discussion, paragraph 1).

    A gain, or a lead, that its interval over seeds does not tell from zero leaves its claim open. What the protocol
    cannot show at all, overfitting and the length of a lag, is not testable whatever the scores are.

    Parameters
    ----------
    score : DataArray (model, seed, split, metric)
        As in ``ablation.nc``.
    curve : DataArray (model, seed, split, iteration)
        R² along training.
    dead : int
        Number of dead networks.
    gains : DataFrame
        By model: ``gain`` of test R² over CNN1 and the half width ``half`` of its interval (NaN with one seed). A model
        without a row was not trained, for want of its SPEI.
    control : str
        The row of ``gains`` whose SPEI were shuffled among the samples.
    """
    r2 = score.sel(metric="r2").mean("seed")
    lowest, apart = float(r2.min()), float(abs(r2.sel(split="train") - r2.sel(split="test")).max())
    tenth = max(curve.sizes["iteration"] // 10, 1)
    last, before = curve[..., -tenth:], curve[..., -2 * tenth : -tenth]
    drift = float(abs(last.mean(("seed", "iteration")) - before.mean(("seed", "iteration"))).max())

    def improves(model: str) -> Verdict:
        if model not in gains.index:
            return "not testable here", f"{model} was not trained: its SPEI are no predictors of this run"
        gain, half = gains.loc[model, ["gain", "half"]]
        found = f"{model}: {_signed(gain)} in test R²"
        if not abs(gain) > half:
            return "open", f"{found}, within the scatter of seeds"
        return says(gain > 0, f"{found}, more than seeds scatter")

    def best() -> Verdict:
        by_seed = score.sel(metric="r2", split="test").to_pandas().astype("float64")  # (model, seed)
        next_best = by_seed.drop("CNN5").mean(axis=1).idxmax()
        lead, seeds = by_seed.loc["CNN5"] - by_seed.loc[next_best], by_seed.shape[1]
        half = stats.t.ppf(0.975, seeds - 1) * lead.sem() if seeds > 1 else gains.loc["CNN5", "half"]
        found = f"CNN5 less {next_best}: {_signed(lead.mean())} in test R²"
        if not abs(lead.mean()) > half:
            return "open", f"{found}, within the scatter of seeds"
        return says(lead.mean() > 0, f"{found}, more than seeds scatter")

    spei12, found12 = improves("CNN2")
    turned = {"holds": "does not hold", "does not hold": "holds"}.get(spei12, spei12)
    alone = improves("CNN5") if "CNN5" not in gains.index else None
    shuffled = f"SPEI shuffled among samples: {_signed(gains.loc[control, 'gain'])} in test R²"
    return {
        "stable": says(
            lowest > HIGH and drift < STEADY and dead == 0,
            f"lowest R² {lowest:.3f}, drift {drift:.4f}, dead networks: {dead}",
        ),
        "no_overfitting": ("not testable here", f"R² apart by {apart:.4f} at most; no test sample is unseen"),
        "spei12_no_help": (turned, found12),
        "spei24_helps": improves("CNN3"),
        "spei36_helps": improves("CNN4"),
        "cnn5_best": alone or best(),
        "lag_1_2_years": alone or ("not testable here", shuffled),
        "current_year_insensitive": ("not testable here", "a score of known samples cannot show it"),
        "lag_longer_than_npp": ("not testable here", "NPP is an input; its own lag is not studied"),
    }


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
