"""Many cells, many tests: what chance alone would give, and which cells stand when all are judged together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import false_discovery_control

from helpers.grid import together
from helpers.regions import group_shares
from helpers.trends.lines import DIRECTIONS


def _check(p: xr.DataArray, counted: xr.DataArray, alpha: float) -> None:
    if not 0 < alpha <= 0.5:
        raise ValueError(f"alpha: expected a level above 0 and up to 0.5, found {alpha}; the paper's is 0.1")
    if unknown := int((counted & p.isnull()).sum()):
        raise ValueError(
            f"p: expected a p-value in every counted cell, found none in {unknown}; set them to 1 or don't count them"
        )


def fdr(p: xr.DataArray, counted: xr.DataArray, alpha: float, correlated: bool = True) -> xr.Dataset:
    r"""Say which cells of a map are significant when all its tests are judged at once.

    .. math::
        p^*_{FDR} = \max_i \left\{ p_{(i)} : p_{(i)} \le \frac{i}{N} \alpha_{FDR} \right\}

    with the N p-values in ascending order; a cell is significant where p does not exceed the threshold.

    Parameters
    ----------
    p : DataArray (lat, lon)
        p-values, 0 to 1.
    counted : DataArray (lat, lon), bool
        The N cells that are judged.
    alpha : float
        Level of the map as a whole, up to 0.5: how often a map without any trend may show a significant cell.
    correlated : bool
        Whether neighbours resemble each other, as they do on maps of climate and carbon. Then α_FDR = 2 alpha, which
        Wilks (2016) found to keep the level of the map; without, α_FDR = alpha. On a map of independent cells the
        doubled level would be just that: twice too keen.

    Returns
    -------
    Dataset (lat, lon)
        ``significant`` (bool) and ``adjusted`` (the p-value after Benjamini and Hochberg, to be set against α_FDR;
        float64, NaN outside ``counted``). Attributes: ``alpha_fdr``, ``cells`` (N), ``significant_cells``, and
        ``threshold``, p*_FDR; it is 0 where no cell is significant, and then the map as a whole isn't.

    Raises
    ------
    ValueError
        When ``alpha`` lies outside its range, or a counted cell has no p-value.

    Notes
    -----
    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Wilks (2016), doi:10.1175/BAMS-D-15-00267.1,
    equation 3 and its discussion of correlation. Among the cells called significant a share of about α_FDR is false.

    >>> p = xr.DataArray([0.001, 0.02, 0.03, 0.9], dims="cell")
    >>> fdr(p, p < 1, 0.05, correlated=False).significant.values.tolist()
    [True, True, True, False]
    """
    p, counted = together(p, counted.astype(bool), names=("p", "counted"))
    _check(p, counted, alpha)
    level = 2 * alpha if correlated else alpha
    here, values = counted.to_numpy(), p.transpose(*counted.dims).to_numpy()
    adjusted = np.full(here.shape, np.nan)
    if here.any():
        adjusted[here] = false_discovery_control(values[here].astype("float64"))
    with np.errstate(invalid="ignore"):
        significant = adjusted <= level
    judged = xr.Dataset({"significant": counted.copy(data=significant), "adjusted": counted.copy(data=adjusted)})
    return judged.assign_attrs(
        alpha_fdr=level,
        cells=int(here.sum()),
        significant_cells=int(significant.sum()),
        threshold=float(values[significant].max(initial=0.0)),
    )


def classes_by_chance(
    direction: xr.DataArray, area: xr.DataArray, inside: Mapping[str, xr.DataArray] | None = None
) -> pd.DataFrame:
    """Set the shares of the four direction classes beside those of two maps that know nothing of each other.

    If NPP rises in a share a of the land and RECO, independently, in b, both rise in a·b, and so on: the shares of the
    classes then follow from Table 2 of Yu et al. (2021), and Table 3 holds nothing new.

    Parameters
    ----------
    direction : DataArray (lat, lon), int8
        As `direction` gives it; 0 stands outside.
    area : DataArray (lat, lon)
        Cell area, m2.
    inside : mapping of str to DataArray (lat, lon), bool; optional
        Regions by name; default the globe.

    Returns
    -------
    DataFrame
        A row a region and class: ``region``, ``class``, ``n_cells``, the shares found ``pixel`` and ``area``, and those
        under independence, ``pixel_by_chance`` and ``area_by_chance`` (0 to 1; NaN for an empty region).
    """
    inside = {"Global": xr.ones_like(direction, dtype=bool)} if inside is None else inside
    found = {
        name: group_shares(direction == code, area, inside, within=direction > 0).set_index("name")
        for code, name in DIRECTIONS.items()
    }
    tables = []
    for name, table in found.items():
        columns = {"class": name, "n_cells": table["n_cells"]}
        for how in ("pixel", "area"):
            share = {other: t[f"share_{how}"] for other, t in found.items()}
            columns[how] = share[name]
            # "NPP+RECO-": the classes with the same sign of NPP, and those with the same sign of RECO.
            npp = sum(s for other, s in share.items() if other[:4] == name[:4])
            reco = sum(s for other, s in share.items() if other[4:] == name[4:])
            columns[f"{how}_by_chance"] = npp * reco
        tables.append(pd.DataFrame(columns))
    joined = pd.concat(tables).rename_axis("region").reset_index()
    return joined.sort_values("region", key=lambda r: r.map(list(inside).index), kind="stable", ignore_index=True)
