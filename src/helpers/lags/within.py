r"""A test of the lag that needs no network: regression within sites.

Logarithms of RECO and all predictors are taken as anomalies from their site's mean, which removes whatever makes sites
differ, known or not (the *within* or fixed-effects estimator):

.. math:: \tilde y_{kt} = \sum_p \beta_p\, \tilde x_{p,kt} + \sum_j \lambda_j\, \tilde w_{k,t-j} + \varepsilon_{kt} .

The errors of one group may depend on each other as they like: standard errors are clustered by group (Liang and Zeger
1986), with the usual correction for few groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike
from scipy import stats

from helpers.labels import indexed


def anomaly_test(
    target: ArrayLike, predictors: pd.DataFrame, tested: Sequence[str], site: ArrayLike, groups: ArrayLike
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

    Returns
    -------
    DataFrame
        A row for each of ``tested``: ``slope`` (of the target per unit), ``low`` and ``high`` (95 %), ``p``
        (two-sided, Student's t with one degree less than groups).

    Raises
    ------
    ValueError
        Fewer samples than coefficients, once the means are taken off, or fewer than three groups.
    """
    labels, of = (indexed(each, name, len(predictors))[1] for name, each in (("site", site), ("groups", groups)))
    labels = pd.Series(labels)
    many = (labels.groupby(labels).transform("size") > 1).to_numpy()
    x = predictors.reset_index(drop=True)[many].astype("float64")
    y, sites, of = pd.Series(np.asarray(target, "float64"))[many], labels[many], of[many]
    x, y = (values - values.groupby(sites).transform("mean") for values in (x, y))
    spread = predictors.reset_index(drop=True).astype("float64").std().replace(0, 1)
    scaled = x / spread
    columns = [c for c in x if c in tested] + [c for c in x if c not in tested]
    kept = _independent(scaled[columns].to_numpy(), columns)
    free = len(y) - sites.nunique() - len(kept)
    clusters = np.unique(of).size
    if free < 1 or clusters < 3:
        raise ValueError(
            f"samples, groups: expected more samples than means and slopes, and 3 groups or more, found {free} "
            f"to spare and {clusters} groups"
        )
    fit = sm.OLS(y.to_numpy(), scaled[kept].to_numpy()).fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True)
    wider = np.sqrt(
        (len(y) - len(kept)) / free
    )  # statsmodels doesn't know of the sites' means, which were estimated too
    rows, t = {}, stats.t(clusters - 1)
    for name in tested:
        if name not in kept:
            rows[name] = dict.fromkeys(("slope", "low", "high", "p"), np.nan)
            continue
        slope, error = (values[kept.index(name)] / spread[name] for values in (fit.params, wider * fit.bse))
        low, high = slope + t.ppf([0.025, 0.975]) * error
        rows[name] = {"slope": slope, "low": low, "high": high, "p": 2 * t.sf(abs(slope) / error)}
    return pd.DataFrame(rows).T


def _independent(x: np.ndarray, names: list[str]) -> list[str]:
    """Keep the columns that those before them don't determine."""
    kept: list[int] = []
    small = np.linalg.qr(x, mode="r")  # of the same singular values, column by column, and no taller than wide
    for j in range(x.shape[1]):
        if np.linalg.matrix_rank(small[:, [*kept, j]], tol=1e-6 * np.sqrt(len(x))) > len(kept):
            kept.append(j)
    return [names[j] for j in kept]
