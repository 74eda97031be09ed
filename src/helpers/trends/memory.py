"""What a year remembers of the years before it: autocorrelation, made noise with memory, whitening.

Arrays are (n, cells): years first, a column a series.
"""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-11
"""Residuals smaller than this part of the series are rounding, not residuals."""


def autocorrelation(y: np.ndarray, lags: int) -> np.ndarray:
    r"""Return the autocorrelation of each column at lags 1 … ``lags``, as (lags, cells).

    .. math::
        r_k = \frac{\sum_{t=1}^{n-k} (y_t - \bar y)(y_{t+k} - \bar y)}{\sum_{t=1}^n (y_t - \bar y)^2}

    The sum over n - k products is divided by that over n (Box and Jenkins 1976, section 2.1.5), which draws the
    estimate towards zero; in n years of white noise its mean is about -1 / n.

    >>> autocorrelation(np.array([[1.0], [2.0], [3.0], [4.0]]), 3)[:, 0].tolist()
    [0.25, -0.3, -0.45]
    """
    departure = y - y.mean(axis=0)
    r = np.stack([np.einsum("tc,tc->c", departure[k:], departure[:-k]) for k in range(1, lags + 1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return r / np.einsum("tc,tc->c", departure, departure)


def blank_rounding(rest: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return residuals ``rest`` of ``y``, NaN in columns that hold nothing but rounding: their memory is undefined."""
    return np.where(np.ptp(rest, axis=0) > ROUNDING * np.abs(y).max(axis=0), rest, np.nan)


def whiten(y: np.ndarray) -> np.ndarray:
    """Return y[t] - r1 y[t-1], one year shorter: von Storch (1995), doi:10.1007/978-3-662-03167-4_2."""
    return y[1:] - autocorrelation(y, 1) * y[:-1]


def ar1_noise(rho: float, n: int, series: int, rng: np.random.Generator) -> np.ndarray:
    r"""Draw stationary noise of unit variance with memory of one year, as (n, series).

    .. math::
        x_1 = \epsilon_1, \qquad x_t = \rho x_{t-1} + \sqrt{1 - \rho^2}\, \epsilon_t, \qquad \epsilon \sim N(0, 1)

    Raises
    ------
    ValueError
        When ``rho`` does not lie between -1 and 1.
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho: expected an autocorrelation between -1 and 1, found {rho}; noise would not be steady")
    x = rng.standard_normal((n, series))
    for t in range(1, n):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    return x
