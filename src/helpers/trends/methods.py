"""All tests of a trend under one roof, by name."""

from __future__ import annotations

from functools import partial

import xarray as xr

from helpers.trends.adjusted import ols_ar1
from helpers.trends.kendall import VARIANTS, mann_kendall
from helpers.trends.lines import ols

METHODS: dict[str, str] = {
    "ols": "least squares, years independent",
    "ols_ar1": "least squares, effective number of years",
    "ols_ar1_corrected": "least squares, effective years, r1 corrected for bias",
    "original": "Mann–Kendall, years independent",
    "hamed_rao": "Mann–Kendall after Hamed and Rao (1998)",
    "yue_wang": "Mann–Kendall after Yue and Wang (2004)",
    "pre_whitening": "Mann–Kendall, pre-whitened (von Storch 1995)",
    "trend_free_pre_whitening": "Mann–Kendall, trend-free pre-whitened (Yue et al. 2002)",
}
"""The tests that `significance` knows, and what each is."""


def significance(y: xr.DataArray, method: str, dim: str = "year") -> xr.Dataset:
    """Test every cell for a trend by one of `METHODS`, with its default settings.

    Parameters
    ----------
    y : DataArray (…, dim, …)
        Yearly values in any unit; missing is NaN.
    method : str
        A name in `METHODS`.
    dim : str
        Dimension of the years.

    Returns
    -------
    Dataset (…)
        ``slope`` (least squares, or Theil and Sen's), ``p`` (two-sided) and ``outcome`` (see `TEST_OUTCOMES`).

    Raises
    ------
    ValueError
        When the method is unknown, or ``dim`` can't be used.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one of them")
    tests = {"ols": ols, "ols_ar1": ols_ar1, "ols_ar1_corrected": partial(ols_ar1, corrected=True)}
    tests |= {name: partial(mann_kendall, variant=name) for name in VARIANTS}
    return tests[method](y, dim=dim)[["slope", "p", "outcome"]]
