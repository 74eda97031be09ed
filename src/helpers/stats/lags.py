r"""Is there a lag? Tests that tell one from none: gains over places, shuffled copies, regressions within sites.

With :math:`e_i` the squared error of sample :math:`i`, averaged over seeds, and :math:`g` a group of samples that share
a place, one network gains over another

.. math:: \Delta R^2 = \frac{\sum_g \sum_{i \in g} (e_i^{ref} - e_i)}{\sum_g \sum_{i \in g} (y_i - \bar y)^2} .

Groups are what was drawn from the planet, so groups are drawn again for the interval. Seeds only repeat a training on
the same samples: they make :math:`e_i` smoother, and are no evidence of their own.

No network is needed for the regression within sites. Logarithms of RECO and all predictors are taken as anomalies from
their site's mean, which removes whatever makes sites differ, known or not (the *within* or fixed-effects estimator). An
effect of each year, :math:`\tau_t`, removes what all towers have in common in it:

.. math:: \tilde y_{kt} = \sum_p \beta_p\, \tilde x_{p,kt} + \sum_j \lambda_j\, \tilde w_{k,t-j}
          + \tilde\tau_t + \varepsilon_{kt} .

The errors of one group may depend on each other as they like (Liang and Zeger 1986), and so may those of one year
(Cameron, Gelbach and Miller 2011, doi:10.1198/jbes.2010.07136), with the usual corrections for few groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike
from scipy import stats

from helpers import reported
from helpers.stats.labels import indexed
from helpers.stats.skill import Interval
from helpers.workspace import DATA

LAST, BEFORE, THREE = "last year's water", "water of the year before last", "three years' waters"
"""Models with the SPEI12 of one and of two years before, and with those of all three years."""

YEARS = ("this year's water", LAST, BEFORE)
"""What the regression within sites tests."""

COMING = "coming year's water"
"""The placebo: water that had not fallen yet."""

STOPPED = "grouped, stopped"
"""The protocol of networks that stop where another fold is told best."""

TOTAL = "within sites, total"
"""The regression without what water works by way of."""

BETWEEN = ("map", "fapar", "lai", "ndvi", "evi", "npp", "gpp")
"""Precipitation, of which SPEI is made, and what water works by way of: held fixed, they hide a part of its effect."""

PLANTED = ("none", "this year", "last year", "the year before last")
"""Which year's water decomposition answers in made worlds."""

# Gains of networks.


def squared_errors(
    observed: ArrayLike, simulated: ArrayLike, site: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return each sample's squared error, and its squared distance from the mean.

    Parameters
    ----------
    observed : array_like (sample,)
    simulated : array_like (..., sample)
        Out of fold, the unit of ``observed``.
    site : array_like (sample,), optional
        Take both as anomalies from the mean of their site: what is left is how well the years of a site are told apart.

    Returns
    -------
    errors : ndarray (..., sample)
    variation : ndarray (sample,)
    """
    obs, sim = np.asarray(observed, "float64"), np.asarray(simulated, "float64")
    bad = int((~np.isfinite(sim)).sum() + (~np.isfinite(obs)).sum())
    if bad:
        raise ValueError(f"observed, simulated: expected finite values, found {bad} that are not; drop those samples")
    if site is None:
        return (obs - sim) ** 2, (obs - obs.mean()) ** 2
    _, which = indexed(site, "site", obs.size)
    member = (which == np.arange(which.max() + 1)[:, None]).astype("float64")
    share = member / member.sum(axis=1, keepdims=True)
    obs, sim = (values - (values @ share.T)[..., which] for values in (obs, sim))
    return (obs - sim) ** 2, obs**2


def turn_errors(
    observed: ArrayLike, predicted: np.ndarray, tested: np.ndarray, site: ArrayLike | None = None
) -> np.ndarray:
    """Return each sample's squared error (model, sample), averaged over the turns in which it was tested.

    ``predicted`` and ``tested`` (model, turn, sample) come from `helpers.cnn.cross_validation.redrawn`, the others are
    those of `squared_errors`. NaN where no turn tested a sample.
    """
    errors = squared_errors(observed, predicted, site)[0]
    often = tested.sum(axis=1)
    return np.where(tested, errors, 0.0).sum(axis=1) / np.where(often > 0, often, np.nan)


def plain_gain(errors: ArrayLike, reference: ArrayLike, variation: ArrayLike) -> np.ndarray:
    """Return differences in R² (...), without intervals.

    ``errors`` and ``reference`` are squared errors (..., sample), averaged over seeds; a sample without one in either
    counts for none. The ``variation`` (sample,) is that of `squared_errors`.
    """
    difference = np.asarray(reference) - np.asarray(errors)
    total = np.where(np.isfinite(difference), np.asarray(variation), 0.0)
    return np.nansum(difference, axis=-1) / total.sum(axis=-1)


def gain(
    errors: ArrayLike,
    reference: ArrayLike,
    variation: ArrayLike,
    groups: ArrayLike,
    draws: int,
    rng: np.random.Generator,
) -> Interval:
    """Return what a network gains over a reference, with an interval by groups.

    Parameters
    ----------
    errors, reference : array_like (sample,)
        Squared errors of the two, each averaged over its seeds.
    variation : array_like (sample,)
        See `squared_errors`.
    groups : array_like (sample,)
        Label of each sample's group; two groups or more.
    draws : int
        How often groups are drawn with replacement (39 or more, for an interval of 95 %).
    rng : numpy.random.Generator

    Returns
    -------
    Interval
        Of the difference in R² (positive: better than the reference).
    """
    difference, total = np.asarray(reference) - np.asarray(errors), np.asarray(variation)
    labels, which = indexed(groups, "groups", difference.size)
    if labels.size < 2 or draws < 39:
        raise ValueError(f"groups, draws: expected 2 or more and 39 or more, found {labels.size} and {draws}")
    sums = np.stack([np.bincount(which, difference), np.bincount(which, total)])
    value = sums[0].sum() / sums[1].sum()
    drawn = sums[:, rng.integers(labels.size, size=(draws, labels.size))].sum(axis=-1)
    return Interval.of(float(value), drawn[0] / np.where(drawn[1] > 0, drawn[1], np.nan))


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
        See `gain`.

    Returns
    -------
    DataFrame
        ``model``, ``reference``, ``gain``, ``low``, ``high``, ``p``, ``p_holm``; a row a pair.
    """
    known = np.isfinite(np.stack([np.asarray(e) for e in errors.values()])).all(axis=0)
    _, which = indexed(groups, "groups", known.size)
    rest = np.asarray(variation)[known], which[known], draws, rng
    found = [(m, r, gain(np.asarray(errors[m])[known], np.asarray(errors[r])[known], *rest)) for m, r in pairs]
    rows = [(m, r, each.value, each.low, each.high, each.p) for m, r, each in found]
    table = pd.DataFrame(rows, columns=["model", "reference", "gain", "low", "high", "p"])
    return table.assign(p_holm=adjusted(table.p))


def adjusted(p: ArrayLike) -> np.ndarray:
    """Adjust p-values of one family for their number, by Holm's step-down rule (Holm 1979); NaN stays out of it.

    >>> adjusted([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """
    # statsmodels has the rule too, but empties Python's memory at each call, which costs a fifth of a second
    out = np.array(p, "float64")
    known = np.flatnonzero(np.isfinite(out))
    order = known[np.argsort(out[known], kind="stable")]
    steps = out[order] * np.arange(order.size, 0, -1)  # the smallest times all, the next times one less, and so on
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out


# Regressions within sites.


def anomaly_test(
    target: ArrayLike,
    predictors: pd.DataFrame,
    tested: Sequence[str],
    site: ArrayLike,
    groups: ArrayLike,
    year: ArrayLike | None = None,
) -> pd.DataFrame:
    """Regress anomalies of the target on those of the predictors, and test some of them.

    Parameters
    ----------
    target : array_like (sample,)
        Such as the logarithm of RECO.
    predictors : DataFrame (sample, predictor)
        One that never changes within a site is left out, as is one that others determine.
    tested : sequence of str
        Columns to report.
    site, groups : array_like (sample,)
        Whose mean is taken off, and within which errors depend on each other. Sites of one year say nothing and drop
        out.
    year : array_like (sample,), optional
        Gives each year an effect of its own, and lets errors of one year depend on each other too. Of a dozen years
        the joint estimate is itself unsure, and can be too small: the larger of it and that by groups alone counts.

    Returns
    -------
    DataFrame
        A row for each of ``tested``: ``slope`` (of the target per unit), ``low`` and ``high`` (95 %), ``p``
        (two-sided, Student's t with one degree less than groups, or than years where these are fewer).

    Raises
    ------
    ValueError
        Fewer samples than coefficients, once the means are taken off, or fewer than three groups or years.
    """
    labels, of = (indexed(each, name, len(predictors))[1] for name, each in (("site", site), ("groups", groups)))
    labels = pd.Series(labels)
    many = (labels.groupby(labels).transform("size") > 1).to_numpy()
    x = predictors.reset_index(drop=True)[many].astype("float64")
    y, sites, of = pd.Series(np.asarray(target, "float64"))[many], labels[many], of[many]
    spread = predictors.reset_index(drop=True).astype("float64").std().replace(0, 1)
    scaled, clusters = x / spread, [np.unique(of).size]
    if year is not None:
        when = indexed(year, "year", len(predictors))[1][many]
        clusters.append(np.unique(when).size)
        scaled = scaled.join(pd.get_dummies(pd.Series(when, x.index), prefix="year", dtype="float64"))
    scaled, y = (values - values.groupby(sites).transform("mean") for values in (scaled, y))
    columns = [c for c in scaled if c in tested] + [c for c in scaled if c not in tested]
    used = _independent(scaled[columns].to_numpy(), columns)
    free = len(y) - sites.nunique() - len(used)
    if free < 1 or min(clusters) < 3:
        raise ValueError(
            f"samples, groups: expected more samples than means and slopes, and 3 groups or more, found {free} "
            f"to spare and {min(clusters)} groups"
        )
    model = sm.OLS(y.to_numpy(), scaled[used].to_numpy())
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True)
    variance = np.diag(fit.cov_params())
    if year is not None:
        both = np.column_stack([of, when])
        joint = model.fit(cov_type="cluster", cov_kwds={"groups": both}, use_t=True)
        variance = np.maximum(variance, np.diag(joint.cov_params()))
    # statsmodels doesn't know of the sites' means, which were estimated too
    errors = np.sqrt(variance * (len(y) - len(used)) / free)
    rows, t = {}, stats.t(min(clusters) - 1)
    for name in tested:
        if name not in used:
            rows[name] = dict.fromkeys(("slope", "low", "high", "p"), np.nan)
            continue
        slope, error = (values[used.index(name)] / spread[name] for values in (fit.params, errors))
        low, high = slope + t.ppf([0.025, 0.975]) * error
        rows[name] = {"slope": slope, "low": low, "high": high, "p": 2 * t.sf(abs(slope) / error)}
    return pd.DataFrame(rows).T


def _independent(x: np.ndarray, names: list[str]) -> list[str]:
    """Return the names of the columns that those before them don't determine."""
    used: list[int] = []
    small = np.linalg.qr(x, mode="r")  # of the same singular values, column by column, and no taller than wide
    for j in range(x.shape[1]):
        if np.linalg.matrix_rank(small[:, [*used, j]], tol=1e-6 * np.sqrt(len(x))) > len(used):
            used.append(j)
    return [names[j] for j in used]


def beside_placebo(
    target: ArrayLike,
    predictors: pd.DataFrame,
    waters: Mapping[str, ArrayLike],
    coming: ArrayLike,
    site: ArrayLike,
    groups: ArrayLike,
    year: ArrayLike,
) -> pd.DataFrame:
    """Test the waters of this year and of years before, and beside them that of the coming year, which can't matter.

    Parameters
    ----------
    target, predictors, site, groups, year
        See `anomaly_test`; no water is among the predictors.
    waters : mapping of str to array_like (sample,)
        Tested together.
    coming : array_like (sample,)
        Water of the year after, NaN where it isn't known. It is tested with the waters held fixed, on samples that
        have it, in a regression of its own: the waters are tested without it.

    Returns
    -------
    DataFrame
        As `anomaly_test` gives it, and ``p_holm``, adjusted for the waters together; the last row is `COMING`, whose p
        stands alone.
    """
    table = predictors.reset_index(drop=True).assign(**waters)
    found = anomaly_test(target, table, list(waters), site, groups, year)
    found["p_holm"] = adjusted(found.p)
    known = np.isfinite(np.asarray(coming))
    some = [np.asarray(each)[known] for each in (target, site, groups, year)]
    table = table.assign(**{COMING: coming})[known]
    placebo = anomaly_test(some[0], table, [COMING], *some[1:])
    return pd.concat([found, placebo.assign(p_holm=placebo.p)])


# The verdict, beside what each protocol is worth in made worlds (`helpers.demo.worlds`).


def counts_over_worlds() -> tuple[dict[str, str], pd.DataFrame]:
    """Return the head (date, commit, commands) and the table (see `helpers.demo.lag_power.rates`) of the worlds kept.

    They were made by ``python -m helpers.run.measured --lags``.
    """
    return reported.aggregates(DATA / "made/lag_power.csv")


def overview(rates: pd.DataFrame) -> pd.DataFrame:
    """Set each protocol's false claims beside its power.

    Claims of this year's water where another year's, or none, was planted aren't counted: decomposition and leaves of
    made planets answer the soil's moisture of the month, so they may be right.

    Parameters
    ----------
    rates : DataFrame
        From `counts_over_worlds`, or `helpers.demo.lag_power.rates`.

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
            least_and_most = sorted({wrong[some].found.min(), wrong[some].found.max()})
            row[f"false, {name} planted"] = f"{' to '.join(map(str, least_and_most))} of {own.worlds.iloc[0]}"
        for one in own[own.right].itertuples():
            row[f"found: {one.planted}"] = f"{one.found} of {one.worlds} ({one.low:.0%} to {one.high:.0%})"
        out[protocol] = row
    return pd.DataFrame(out).T.rename_axis("protocol")


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
        From `counts_over_worlds`.
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
        try:
            row = at.loc[(protocol, score, "none", model, reference)]
            placebo = at.loc[(protocol, score, "coming year", COMING, "none" if reference == "none" else "CNN1")]
            worth = ["{found:.0f} of {worlds:.0f}".format(**counts.loc[(asked, planted, back)]) if asked else ""
                     for planted in (PLANTED[back + 1], PLANTED[0])]  # fmt: skip
        except KeyError as error:
            raise ValueError(
                f"lag, lag_power: expected rows of {protocol}, {score}, {model} against {reference}, their placebo and "
                f"worlds of {asked or 'none'}, found none of {error}; make these tables anew"
            ) from None
        name = f"{model} over {reference}" if score != "slope" else model
        said = _word(row, placebo, score == "slope", level)
        rows.append((question, name, row.gain, row.low, row.high, placebo.gain, placebo.p, said, *worth))
    columns = ["question", "water", "estimate", "low", "high", "placebo", "placebo p", "verdict"]
    return pd.DataFrame(rows, columns=[*columns, "found where planted", "claimed where not"])


def _word(row: pd.Series, placebo: pd.Series, slope: bool, level: float) -> str:
    if not row.p_holm < level:
        return "not found"
    if placebo.p < level and (slope or (placebo.gain > 0) == (row.gain > 0)):
        return "as does the placebo"
    if not slope and row.gain < 0:
        return "loss"
    return "gain" if not slope else "rises with it" if row.gain > 0 else "falls with it"


# Null models by permutation: which sample each sample takes its drought index from, were there nothing in it.
# Shuffled among the years of a site, SPEI still tells sites apart but says nothing of when. Moved as whole series among
# sites, it keeps its order in time but says nothing of where. Values are moved, never made.


def shuffled_within(labels: ArrayLike, copies: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Shuffle samples among those of the same label: the years of a site, or the sites of a year.

    Parameters
    ----------
    labels : array_like, shape (sample,)
    copies : int
        How many permutations to draw.
    rng : numpy.random.Generator

    Returns
    -------
    rows : ndarray, shape (copy, sample), int
        Sample ``s`` takes its channels from sample ``rows[c, s]`` in copy ``c``; all of a label's orders are equally
        likely.
    alone : int
        Samples whose label no other has. They stay put, and say nothing for or against the null model.
    """
    _, code = indexed(labels, "labels")
    drawn = rng.random((copies, code.size))
    shuffled = np.lexsort((drawn, np.broadcast_to(code, drawn.shape)), axis=-1)
    rows = np.empty_like(shuffled)
    rows[:, np.argsort(code, kind="stable")] = shuffled
    return rows, int((np.bincount(code)[code] == 1).sum())


def dealt_among_sites(
    site: ArrayLike, year: ArrayLike, copies: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Deal whole series to other sites: one after the other in a random order, each with its years in order.

    Sites have unequal numbers of years, so a series may end within a site, where the next one starts. Returns the rows
    as `shuffled_within` does, and how many samples (copy,) chance left with a row of their own site.
    """
    _, code = indexed(site, "site")
    _, when = indexed(year, "year", code.size)
    order = rng.random((2, copies, code.max() + 1)).argsort(-1).argsort(-1)  # ranks of the sites, to and from
    into, out_of = (np.lexsort((np.broadcast_to(when, (copies, when.size)), o[:, code]), axis=-1) for o in order)
    rows = np.empty_like(into)
    np.put_along_axis(rows, into, out_of, axis=-1)
    return rows, (code[rows] == code).sum(-1)
