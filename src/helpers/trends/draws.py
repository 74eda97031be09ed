"""Trends of a map drawn again and again: from the members of an ensemble, and from years as they might have been."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from helpers.grid import together
from helpers.lazy import whole_series
from helpers.trends.lines import _years


def resampled_years(n: int, repeats: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """Draw years with replacement, in runs of ``block`` neighbours (the last year's is the first): (repeats, n).

    The circular block bootstrap of Politis and Romano (1992), in LePage and Billard (eds), *Exploring the Limits of
    Bootstrap*.

    >>> resampled_years(5, 1, 5, np.random.default_rng(0))[0].tolist()
    [4, 0, 1, 2, 3]
    """
    starts = rng.integers(n, size=(repeats, -(-n // block)))
    return ((starts[..., None] + np.arange(block)) % n).reshape(repeats, -1)[:, :n]


def _drawn(y: np.ndarray, weights: np.ndarray, leverage: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return slopes (…, draws) of ``y`` (…, member, n): a draw's member's own, and that of its resampled residuals."""
    y = y.astype("float64")
    y = y - y.mean(axis=-1, keepdims=True)
    slope = y @ weights
    out = np.empty((*y.shape[:-2], member.size))
    for k in range(y.shape[-2]):  # members are few, cells are many
        draws = member == k
        rest = y[..., k, :] - slope[..., k, None] * (weights / (weights @ weights))
        out[..., draws] = slope[..., k, None] + rest @ leverage[:, draws]
    return out


def slope_draws(
    maps: xr.Dataset, repeats: int, rng: np.random.Generator, block: int = 3, dim: str = "year", member: str = "member"
) -> xr.Dataset:
    r"""Draw maps of least-squares slopes as they might have come out, from members and from resampled years.

    Draw k takes a member m of the ensemble, its line and its residuals e, and gives each year the residual of another:

    .. math::
        b^*_k = b_m + \sqrt{\frac{n}{n-2}} \sum_t w_t\, e_{m, \tau_k(t)}, \qquad
        w_t = \frac{t - \bar t}{\sum_s (s - \bar t)^2}

    The years τ_k are the same in all cells and all variables, so that neighbours, and NPP and RECO, err together.

    Parameters
    ----------
    maps : Dataset (…, dim, …)
        Yearly maps, float32 or float64, in memory or lazily on dask; missing is NaN. A variable may have members; one
        that has none, such as an observed product, takes part in every draw as it is.
    repeats : int
        Number of draws. Members take turns, so each gives repeats / members of them, or one more or less.
    rng : numpy.random.Generator
        Source of the draws.
    block : int
        Years drawn as one run, which carries their memory along; with 1 the years are independent.
    dim, member : str
        Dimensions of the years and the members.

    Returns
    -------
    Dataset (draw, …)
        The slopes of each variable, by its name (its unit per unit of dim, float64), on its other dimensions in their
        order; NaN where a year is missing.

    Raises
    ------
    ValueError
        When ``dim`` can't be used, or ``block`` isn't between 1 and the number of years.

    Notes
    -----
    Bootstrap of residuals: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, section 9.4; the factor
    sqrt(n / (n - 2)) gives them the variance of the errors. A slope is a sum over years, so that all draws of all cells
    are one product of matrices. A share of land taken from such draws has noise added to noise and leans towards one
    half; `risk.share_intervals` says how much it matters.
    """
    x = _years(next(iter(maps.data_vars.values())), dim)
    n, dx = x.size, x - x.mean()
    if not 1 <= block <= n:
        raise ValueError(f"block: expected 1 to {n} years, found {block}; take fewer")
    weights = dx / (dx @ dx)
    years = resampled_years(n, repeats, block, rng)
    # Residual s of the cell enters draw k as often, and with such weights, as the years that drew it.
    leverage = np.zeros((n, repeats))
    np.add.at(leverage, (years, np.arange(repeats)[:, None]), np.sqrt(n / (n - 2)) * weights)
    drawn = {}
    for name, y in maps.data_vars.items():
        rest = [d for d in y.dims if d not in (dim, member)]
        y = y if member in y.dims else y.expand_dims(member)
        if y.chunks is not None:
            y = whole_series(y, dim).chunk({member: -1})
        slopes = xr.apply_ufunc(
            _drawn,
            y,
            kwargs={"weights": weights, "leverage": leverage, "member": np.arange(repeats) % y.sizes[member]},
            input_core_dims=[[member, dim]],
            output_core_dims=[["draw"]],
            dask="parallelized",
            output_dtypes=["float64"],
            dask_gufunc_kwargs={"output_sizes": {"draw": repeats}},
        )
        drawn[name] = slopes.transpose("draw", *rest)
    return xr.Dataset(drawn)


def drawn_shares(
    holds: xr.DataArray, counted: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray]
) -> xr.Dataset:
    """Return the shares of regions in which a condition holds, draw by draw, by number of cells and by true area.

    Parameters
    ----------
    holds : DataArray (draw, lat, lon), bool
        What is asked of a cell in each draw or member.
    counted : DataArray (lat, lon), bool
        The cells that stand in the denominator.
    area : DataArray (lat, lon)
        Cell area, m2.
    inside : mapping of str to DataArray (lat, lon), bool
        Regions by name (bands, biomes, economies), which may overlap.

    Returns
    -------
    Dataset (draw, region)
        ``pixel`` and ``area``, shares 0 to 1, float64; NaN for a region without cells.
    """
    holds, counted, area, *parts = together(holds, counted, area, *inside.values())
    inside = dict(zip(inside, parts, strict=True))
    here = counted.to_numpy().astype(bool)
    cells = holds.transpose("draw", *counted.dims).to_numpy()[:, here].astype("float64")
    member = np.stack([np.asarray(field, dtype=bool)[here] for field in inside.values()]).astype("float64")
    sizes = {"pixel": np.ones(here.sum()), "area": area.transpose(*counted.dims).to_numpy()[here].astype("float64")}
    shares = {}
    with np.errstate(invalid="ignore"):
        for how, size in sizes.items():
            weight = member * size
            shares[how] = (("draw", "region"), np.clip(cells @ weight.T / weight.sum(axis=1), 0, 1))
    return xr.Dataset(shares, {"region": list(inside)})
