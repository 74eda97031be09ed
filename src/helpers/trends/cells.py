"""One way to run a test on every cell of a map: blocks of cells in float64, and an outcome where there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from helpers.lazy import whole_series
from helpers.trends.lines import CONSTANT, FITTED, MISSING_YEAR, OUTCOMES, _years

UNDEFINED = 3
TEST_OUTCOMES = OUTCOMES | {UNDEFINED: "the variance of the test is undefined"}
"""Outcomes of a test that reckons with memory: those of `ols`, and one more."""

HELD = 2_000_000
"""Numbers (float64, 16 MB) that the largest intermediate array of a block may hold."""

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _in_blocks(y: np.ndarray, kernel: Kernel, x: np.ndarray, rows: int, decides: int) -> tuple[np.ndarray, ...]:
    """Run ``kernel`` on ``y`` (…, n), block by block; return ``rows`` float64 arrays and the outcome, each (…)."""
    n, cells = x.size, y.reshape(-1, x.size)
    order = np.argsort(x)
    answers = np.full((rows, len(cells)), np.nan)
    outcome = np.full(len(cells), FITTED, dtype="int8")
    step = max(1, HELD // (n * n))
    for start in range(0, len(cells), step):
        here = slice(start, start + step)
        block = np.ascontiguousarray(cells[here].T[order], dtype="float64")
        missing = ~np.isfinite(block).all(axis=0)
        with np.errstate(invalid="ignore"):
            constant = ~missing & (block.max(axis=0) == block.min(axis=0))
        fit = ~(missing | constant)
        outcome[here] = np.select([missing, constant], [MISSING_YEAR, CONSTANT], FITTED)
        if fit.any():
            answers[:, start + np.flatnonzero(fit)] = kernel(block[:, fit], x[order])
    outcome[(outcome == FITTED) & np.isnan(answers[decides])] = UNDEFINED
    shape = y.shape[:-1]
    return *(row.reshape(shape) for row in answers), outcome.reshape(shape)


def each_cell(kernel: Kernel, y: xr.DataArray, dim: str, names: Sequence[str], decides: str) -> xr.Dataset:
    """Run a test on all cells, in memory or lazily, without holding more than a block of them in float64.

    Parameters
    ----------
    kernel : callable
        Takes values (n, cells), float64, complete and not constant, and the n ascending years; returns
        (len(names), cells). The largest array that it makes has n² numbers a cell or fewer.
    y : DataArray (…, dim, …)
        Yearly values in any unit; missing is NaN.
    dim : str
        Dimension of the years; its coordinate holds numbers, in any order.
    names : sequence of str
        What the rows of the kernel's answer are called.
    decides : str
        The one whose NaN means that the test is undefined in a cell.

    Returns
    -------
    Dataset (…)
        ``names`` (float64) and ``outcome`` (int8, see `TEST_OUTCOMES`). All are NaN where a year is missing or all
        years are equal.

    Raises
    ------
    ValueError
        When ``dim`` is missing, is not numeric, repeats a value, or has fewer than three.
    """
    x = _years(y, dim)
    fields = xr.apply_ufunc(
        _in_blocks,
        whole_series(y, dim),
        kwargs={"kernel": kernel, "x": x, "rows": len(names), "decides": list(names).index(decides)},
        input_core_dims=[[dim]],
        output_core_dims=[[]] * (len(names) + 1),
        dask="parallelized",
        output_dtypes=["float64"] * len(names) + ["int8"],
    )
    tested = xr.Dataset(dict(zip((*names, "outcome"), fields, strict=True)))
    tested["outcome"].attrs = {
        "flag_values": np.array(list(TEST_OUTCOMES), "int8"),
        "flag_meanings": "fitted year_missing constant undefined",
    }
    return tested
