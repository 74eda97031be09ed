"""What is left of the trends of a map, test by test: shares that rise and fall, by cell and by area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from helpers.regions import group_shares
from helpers.trends.field import fdr
from helpers.trends.lines import CONSTANT, MISSING_YEAR
from helpers.trends.methods import METHODS, significance


def summary_of_field(
    field: xr.DataArray,
    area: xr.DataArray,
    alpha: float = 0.1,
    correlated: bool = True,
    methods: Sequence[str] = tuple(METHODS),
    inside: Mapping[str, xr.DataArray] | None = None,
    dim: str = "year",
) -> pd.DataFrame:
    """Sum up the trends of yearly maps by each test, cell by cell and judged as a field.

    Parameters
    ----------
    field : DataArray (dim, lat, lon)
        Yearly maps in any unit; missing is NaN.
    area : DataArray (lat, lon)
        Cell area, m2.
    alpha : float
        Level of a cell's test, and of the whole field, up to 0.5.
    correlated : bool
        Whether neighbours resemble each other; see `fdr`.
    methods : sequence of str
        Names in `METHODS`.
    inside : mapping of str to DataArray (lat, lon), bool; optional
        Regions by name; default the globe. The field is judged once, over all cells.
    dim : str
        Dimension of the years.

    Returns
    -------
    DataFrame
        A row a ``method``, ``subset``, ``direction`` ("rise", "fall") and ``region``. The subsets: "all"; "p < alpha";
        and "fdr", significant when all cells are judged at once. ``n_cells``, the counted cells of the region: a value
        in all years, not all equal; the same for every method. ``pixel`` and ``area``, shares of them by number and by
        area (0 to 1); ``by_chance``, what the share would be without any trend, were the test to keep its level: one
        half, alpha / 2, and 0. ``zero``, counted cells whose slope is exactly zero: they neither rise nor fall.
        ``undefined``, counted cells in which the test has no variance: they may rise or fall, and are never
        significant. ``threshold``, the p-value up to which a cell stands in the subset; that of "fdr" may exceed alpha
        where most of the field has a trend.

    Raises
    ------
    ValueError
        When a method is unknown, ``alpha`` lies outside its range, or ``dim`` can't be used.
    """
    inside = {"Global": xr.ones_like(area, dtype=bool)} if inside is None else inside
    tables = []
    for method in methods:
        test = significance(field, method, dim).transpose(*area.dims).compute()
        counted = (test.outcome != MISSING_YEAR) & (test.outcome != CONSTANT)
        undefined = counted & test.p.isnull()
        judged = fdr(test.p.where(~undefined, 1.0), counted, alpha, correlated)
        subsets = {
            "all": (counted, 0.5, 1.0),
            "p < alpha": (test.p < alpha, alpha / 2, alpha),
            "fdr": (judged.significant, 0.0, judged.attrs["threshold"]),
        }
        outside = {"zero": counted & (test.slope == 0), "undefined": undefined}
        counts = {name: group_shares(here, area, inside, within=here)["n_cells"] for name, here in outside.items()}
        for subset, (holds, chance, threshold) in subsets.items():
            for direction, moves in {"rise": test.slope > 0, "fall": test.slope < 0}.items():
                shares = group_shares(holds & moves, area, inside, within=counted)
                named = {"method": method, "subset": subset, "direction": direction, "by_chance": chance}
                tables.append(shares.assign(**named, **counts, threshold=threshold))
    new = {"name": "region", "share_pixel": "pixel", "share_area": "area"}
    table = pd.concat(tables, ignore_index=True).rename(columns=new)
    columns = ["method", "subset", "direction", "region", "n_cells", "pixel", "area"]
    return table[[*columns, "by_chance", "zero", "undefined", "threshold"]]
