"""What to hold a network against: a Gaussian process that knows of sites, of scikit-learn's kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from helpers.stats.labels import indexed

JITTER = 1e-8
"""Added to the diagonal of covariances, in units of the target's variance."""


class SiteProcess:
    r"""Gaussian process with an effect of sites: a straight line, what bends from it, and what a site has of its own.

    Between samples i and j, with predictors x standardised and the target less its mean over its standard deviation,

    .. math:: k_{ij} = a \left(1 + \frac{x_i \cdot x_j}{p}\right) + b\, e^{-\lVert x_i - x_j\rVert^2 / 2 p \ell^2}
              + c\,[\text{site}_i = \text{site}_j] + s\,[i = j].

    The years of a site share its effect, so that ten years of one tower are not taken for ten towers. The variances and
    the length maximise the marginal likelihood of the training samples (Rasmussen & Williams 2006, ch. 5); nothing else
    is chosen. Predictions are for sites that are not known: they leave out the effect of the site.

    Parameters
    ----------
    groups : array_like (sample,)
        Site of each sample that `fit` will get.
    most : int
        For the likelihood at most so many samples of each site are taken, spread evenly over its own in the order given
        (0: all). The fit itself takes all.

    Attributes
    ----------
    variances : dict of str to float
        ``line``, ``bend``, ``site`` and ``noise`` (a, b, c and s) in the square of the target's unit.
    length : float
        :math:`\ell`.

    References
    ----------
    Rasmussen, C. E. and Williams, C. K. I. (2006). Gaussian Processes for Machine Learning. MIT Press.
    """

    bounds = np.log([(1e-5, 1e2), (1e-5, 1e2), (1e-5, 1e1), (1e-4, 1e1), (0.3, 30.0)])
    start = np.log([0.3, 0.3, 0.3, 0.1, 1.0])

    def __init__(self, groups: ArrayLike, most: int = 0) -> None:
        self.groups, self.most = indexed(groups)[1], most

    def fit(self, x: ArrayLike, y: ArrayLike) -> SiteProcess:
        """Learn from samples (sample, predictor) and their target (sample,); return the model."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if x.ndim != 2 or y.shape != x.shape[:1] or self.groups.shape != y.shape:
            raise ValueError(
                f"groups: expected one for each of {len(x)} samples, found {self.groups.size} and {y.size} targets"
            )
        self._mean, sd = x.mean(0), x.std(0)
        self._sd, self._level, self._unit = np.where(sd > 0, sd, 1.0), y.mean(), y.std() or 1.0
        self._x, z = (x - self._mean) / self._sd, (y - self._level) / self._unit
        some = _evenly(self.groups, self.most)
        parts = _parts(self._x[some], self.groups[some])
        found = minimize(_misfit, self.start, (*parts, z[some]), jac=True, method="L-BFGS-B", bounds=self.bounds)
        self.theta = found.x
        a, b, c, s, self.length = np.exp(self.theta)
        of = zip(("line", "bend", "site", "noise"), (a, b, c, s), strict=True)
        self.variances = {name: share * self._unit**2 for name, share in of}
        line, far, same = parts if not self.most else _parts(self._x, self.groups)
        whole = a * line + b * np.exp(-0.5 * far / self.length**2) + c * same
        whole.flat[:: len(whole) + 1] += s + JITTER
        self._weights = cho_solve(cho_factor(whole, lower=True), z)
        return self

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Return the mean of the process (sample,) at sites that are not known, in the target's unit."""
        a, b = np.exp(self.theta[:2])
        line, far = _products((np.asarray(x, np.float64) - self._mean) / self._sd, self._x)
        return self._level + self._unit * ((a * line + b * np.exp(-0.5 * far / self.length**2)) @ self._weights)


def _products(x: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the line and the bend are made of, between samples: products, and squared distances a predictor."""
    return 1 + x @ other.T / x.shape[1], cdist(x, other, "sqeuclidean") / x.shape[1]


def _parts(x: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return *_products(x, x), (groups[:, None] == groups).astype(np.float64)


def _evenly(groups: np.ndarray, most: int) -> np.ndarray:
    """Return which samples to take: of each group at most so many, spread over its own."""
    if not most:
        return np.arange(groups.size)
    own = (np.flatnonzero(groups == g) for g in np.unique(groups))
    return np.concatenate([o[np.linspace(0, o.size - 1, min(most, o.size)).round().astype(int)] for o in own])


def _misfit(theta, line, far, same, z) -> tuple[float, np.ndarray]:
    """Return minus the log marginal likelihood, and its gradient over the logarithms of the five numbers."""
    a, b, c, s, length = np.exp(theta)
    bend = b * np.exp(-0.5 * far / length**2)
    whole = a * line + bend + c * same
    whole.flat[:: len(whole) + 1] += s + JITTER
    factor = cho_factor(whole, lower=True, overwrite_a=True)
    weights = cho_solve(factor, z)
    lower = np.tril(dpotri(factor[0], lower=1)[0])  # a third of the work of solving for the columns of the unit matrix
    inverse = lower + np.tril(lower, -1).T
    value = 0.5 * z @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * len(z) * np.log(2 * np.pi)
    inner = 0.5 * (inverse - np.outer(weights, weights))
    slopes = [a * line, bend, c * same, None, bend * far / length**2]
    grow = [s * np.trace(inner) if m is None else np.vdot(inner, m) for m in slopes]
    return value, np.array(grow)
