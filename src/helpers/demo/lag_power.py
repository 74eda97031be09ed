"""How often each protocol of chapter 9 finds a lag in made worlds (`worlds`), and how often it invents one.

Seven ways to look for the water of this year, of the last and of the one before last, and each with a placebo beside
it, the water of the coming year:

``re-drawn``
    The paper's: SPEI over 12, 24 and 36 months, one at a time; found where the test score, on samples that have been
    trained on, rises above that of the network without SPEI.
``grouped``
    The same networks on folds of whole places; found where the gain is positive and Holm's p is below the level.
``grouped, years apart``
    As before, with the SPEI12 of each year by itself.
``grouped, anomalies``
    As before, but scored by how well the years of a site are told apart.
``grouped, stopped, anomalies``
    As before, but one of the folds that would train is put aside, and a network stops where it does best on that fold.
``within sites``
    No network: `helpers.stats.lags.beside_placebo` with the SPEI12 of the three years together; found where a slope is
    above zero and Holm's p below the level. The placebo is claimed where its p is below the level, whatever its sign.
``within sites, total``
    As before, without what water works by way of (`helpers.stats.lags.BETWEEN`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from statsmodels.stats.proportion import proportion_confint

from helpers import tasks
from helpers.cnn.cross_validation import out_of_fold, redrawn
from helpers.cnn.training import re_drawn
from helpers.demo.worlds import BASE, EARLIER, NEXT, WATERS, lag_weights, world
from helpers.stats import lags, skill
from helpers.stats.lags import PLANTED
from helpers.stats.splits import grouped_folds

PATIENCE = 5
"""Looks at the fold put aside, ten steps apart, that bring no gain before a network stops."""


def verdicts(
    made: xr.Dataset, *, iterations: int, folds: int, seed: int, alpha: float = 0.05, draws: int = 999
) -> pd.DataFrame:
    """Ask every protocol which years' water matters in one world.

    Parameters
    ----------
    made : Dataset
        From `helpers.demo.worlds.world`, planted with `lag_weights`.
    iterations : int
        Steps of training (10 or more).
    folds : int
        Of whole places (3 or more).
    seed : int
        Of the networks, the folds and the bootstrap.
    alpha : float
        Level of the tests, after Holm's adjustment over the three years.
    draws : int
        Of places.

    Returns
    -------
    DataFrame
        ``protocol``, ``planted``, ``back`` (0, 1 or 2 years; −1 for the coming year), ``found`` (bool).
    """
    rng, how = np.random.default_rng(seed), {"iterations": iterations, "progress": False}
    group, site = made.group.values, made.site.values
    out = _redrawn(made, seed, how)
    dealt = grouped_folds(group, folds, rng)[None]
    names = ["without", *dict.fromkeys((*EARLIER, *WATERS, NEXT))]
    models, targets = _models(made, names)
    to_the_end, in_time = (
        dict(zip(names, told.values.reshape(len(names), len(PLANTED), -1), strict=True))
        for told in (out_of_fold(made.window, targets, models, dealt, [seed], patience=k, **how) for k in (0, PATIENCE))
    )
    ways = {"grouped": (to_the_end, EARLIER, None), "grouped, years apart": (to_the_end, WATERS, None)}
    ways |= {"grouped, anomalies": (to_the_end, WATERS, site), "grouped, stopped, anomalies": (in_time, WATERS, site)}
    for k, planted in enumerate(PLANTED):
        for protocol, (predicted, waters, of) in ways.items():
            simulated = np.stack([predicted[name][k] for name in ("without", *waters, NEXT)])
            errors, variation = lags.squared_errors(made.reco.values[k], simulated, of)
            tests = [lags.gain(each, errors[0], variation, group, draws, rng) for each in errors[1:]]
            p = [*lags.adjusted([test.p for test in tests[:-1]]), tests[-1].p]
            out += _rows(protocol, planted, [t.value > 0 and q < alpha for t, q in zip(tests, p, strict=True)])
    return pd.concat([_table(out), without_networks(made, alpha)], ignore_index=True)


def _models(made: xr.Dataset, names: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], np.ndarray]:
    """Return the channels of each model under each lag, and their targets (model and lag, sample)."""
    water = {"without": ()}
    models = {f"{name}, planted: {p}": (*BASE, *water.get(name, (name,))) for name in names for p in PLANTED}
    return models, np.tile(made.reco.values, (len(names), 1))


def _redrawn(made: xr.Dataset, seed: int, how: dict) -> list[tuple]:
    """Train under the paper's split, all lags at once, and compare scores of the last ten iterations."""
    names = ("without", *EARLIER, NEXT)
    models, targets = _models(made, names)
    predicted, tested = redrawn(made.window, targets, models, [seed], draw_split=re_drawn(), keep=10, **how)
    turns = zip(predicted.swapaxes(0, 1), tested[0], strict=True)  # one seed: all were tested on the same samples
    score = np.mean([skill.r2(targets[:, held], said[:, held]) for said, held in turns], axis=0)
    score = score.reshape(len(names), -1)
    return [row for k, planted in enumerate(PLANTED) for row in _rows("re-drawn", planted, score[1:, k] > score[0, k])]


def without_networks(made: xr.Dataset, alpha: float = 0.05) -> pd.DataFrame:
    """Ask the regressions within sites which years' water matters in one world; see `verdicts`."""
    out = []
    centre = made.window.sel(dy=1, dx=1).to_pandas()
    waters, where = {name: centre[name].to_numpy() for name in WATERS}, (made.site.values, made.group.values)
    ways = {"within sites": BASE, lags.TOTAL: [name for name in BASE if name not in lags.BETWEEN]}
    for k, planted in enumerate(PLANTED):
        target = np.log(made.reco.values[k])
        for protocol, names in ways.items():
            held, coming = centre[list(names)], centre[NEXT].to_numpy()
            slopes = lags.beside_placebo(target, held, waters, coming, *where, made.year.values)
            sure = (slopes.p_holm < alpha) & ((slopes.slope > 0) | ~slopes.index.isin(WATERS))
            out += _rows(protocol, planted, sure)
    return _table(out)


def _table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["protocol", "planted", "back", "found"])


def _rows(protocol: str, planted: str, marks: Sequence[bool]) -> list[tuple]:
    """Return a row for the water of each year, the coming year's last."""
    return [(protocol, planted, back, bool(mark)) for back, mark in zip((0, 1, 2, -1), marks, strict=True)]


def over_worlds(
    seeds: Sequence[int], *, strength: float, towers: int, iterations: int, folds: int, regressions: int = 5
) -> Iterator[pd.DataFrame]:
    """Yield what `verdicts` gives for one world after the other, with the column ``world``.

    Parameters
    ----------
    seeds : sequence of int
        Of the worlds (1 to 99,999).
    strength : float
        Of the lag; see `helpers.demo.worlds.lag_weights`.
    towers, iterations, folds
        See `helpers.demo.worlds.world` and `verdicts`.
    regressions : int
        Worlds for the regressions: networks take most of the time, so that these can have more. With each world come
        this many less one that no network sees.
    """

    def of_world(seed: int) -> pd.DataFrame:
        made = world(seed, lag_weights(strength), towers=towers)
        found = [verdicts(made, iterations=iterations, folds=folds, seed=seed).assign(world=seed)]
        for other in range(seed + 100_000, seed + 100_000 * regressions, 100_000):
            more = world(other, lag_weights(strength), towers=towers)
            found.append(without_networks(more).assign(world=other))
        return pd.concat(found, ignore_index=True)

    yield from tasks.each(of_world, map(int, seeds))


def rates(each: pd.DataFrame) -> pd.DataFrame:
    """Count over worlds.

    Parameters
    ----------
    each : DataFrame
        Of one world or more, from `verdicts`.

    Returns
    -------
    DataFrame
        ``protocol``, ``planted``, ``back`` (−1 for the placebo), ``right`` (that year was planted), ``worlds``,
        ``found`` (in how many), ``share``, and ``low`` and ``high`` of its exact binomial interval (95 %, Clopper and
        Pearson 1934).
    """
    counted = each.groupby(["protocol", "planted", "back"], sort=False).found.agg(["size", "sum"]).reset_index()
    counted.columns = ["protocol", "planted", "back", "worlds", "found"]
    counted.insert(3, "right", (counted.planted == np.array(PLANTED)[counted.back + 1]) & (counted.back >= 0))
    counted["share"] = counted.found / counted.worlds
    counted["low"], counted["high"] = proportion_confint(counted.found, counted.worlds, method="beta")
    return counted
