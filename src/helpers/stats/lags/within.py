r"""A test of the lag that needs no network: regression within sites.

Logarithms of RECO and all predictors are taken as anomalies from their site's mean, which removes whatever makes sites
differ, known or not (the *within* or fixed-effects estimator). An effect of each year, :math:`\tau_t`, removes what
all towers have in common in it:

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

from helpers.stats.labels import indexed
from helpers.stats.lags.pairs import adjusted

COMING = "coming year's water"
"""The placebo: water that had not fallen yet."""

BETWEEN = ("map", "fapar", "lai", "ndvi", "evi", "npp", "gpp")
"""Precipitation, of which SPEI is made, and what water works by way of: held fixed, they hide a part of its effect."""


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
    kept = _independent(scaled[columns].to_numpy(), columns)
    free = len(y) - sites.nunique() - len(kept)
    if free < 1 or min(clusters) < 3:
        raise ValueError(
            f"samples, groups: expected more samples than means and slopes, and 3 groups or more, found {free} "
            f"to spare and {min(clusters)} groups"
        )
    model = sm.OLS(y.to_numpy(), scaled[kept].to_numpy())
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True)
    variance = np.diag(fit.cov_params())
    if year is not None:
        both = np.column_stack([of, when])
        joint = model.fit(cov_type="cluster", cov_kwds={"groups": both}, use_t=True)
        variance = np.maximum(variance, np.diag(joint.cov_params()))
    # statsmodels doesn't know of the sites' means, which were estimated too
    errors = np.sqrt(variance * (len(y) - len(kept)) / free)
    rows, t = {}, stats.t(min(clusters) - 1)
    for name in tested:
        if name not in kept:
            rows[name] = dict.fromkeys(("slope", "low", "high", "p"), np.nan)
            continue
        slope, error = (values[kept.index(name)] / spread[name] for values in (fit.params, errors))
        low, high = slope + t.ppf([0.025, 0.975]) * error
        rows[name] = {"slope": slope, "low": low, "high": high, "p": 2 * t.sf(abs(slope) / error)}
    return pd.DataFrame(rows).T


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


def _independent(x: np.ndarray, names: list[str]) -> list[str]:
    """Keep the columns that those before them don't determine."""
    kept: list[int] = []
    small = np.linalg.qr(x, mode="r")  # of the same singular values, column by column, and no taller than wide
    for j in range(x.shape[1]):
        if np.linalg.matrix_rank(small[:, [*kept, j]], tol=1e-6 * np.sqrt(len(x))) > len(kept):
            kept.append(j)
    return [names[j] for j in kept]
