"""Trends summed up: by region and sign, beside the paper's tables, and with the margins that other years leave.

>>> rows = {"class": "NPP+RECO+", "region": "Tropics", "pixel": 0.5, "area": 0.4, "n_cells": 8}
>>> paper = pd.DataFrame({"band": ["Tropics"], "class": ["NPP+RECO+"], "percent": [35.06]})
>>> beside(pd.DataFrame([rows]), paper)[["pixel", "area", "paper"]].iloc[0].tolist()
[50.0, 40.0, 35.06]
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from helpers.space.grid import together
from helpers.space.regions import BAND_NAMES, BANDS, group_shares, groups
from helpers.stats.trends.lines import CONSTANT, MISSING_YEAR, ols, z_slope

REGIONS = tuple(BANDS)
"""The globe, then the three bands in the order of the flag variable ``band`` (0, 1, 2)."""


def shares(
    conditions: Mapping[Hashable, xr.DataArray],
    counted: xr.DataArray,
    area: xr.DataArray,
    band: xr.DataArray,
    names: Sequence[str] = ("what",),
) -> pd.DataFrame:
    """Sum up, globally and by band, the part of the counted cells in which each condition holds.

    Parameters
    ----------
    conditions : mapping to DataArray (lat, lon), bool
        What is asked of a cell, by name, or by a tuple of names.
    counted : DataArray (lat, lon), bool
        The cells that stand in the denominator.
    area : DataArray (lat, lon)
        Cell area, m2.
    band : DataArray (lat, lon), int8
        0 north, 1 tropics, 2 south; anything else belongs to the globe only.
    names : sequence of str
        What the names of the conditions are called, one column each.

    Returns
    -------
    DataFrame
        A row a condition and region (`REGIONS`): ``names``, ``region``, ``n_cells`` (counted cells of the region),
        ``pixel`` and ``area`` (shares 0 to 1, by number of cells and by true area; NaN where no cell is counted).
    """
    inside = {REGIONS[0]: xr.ones_like(band, dtype=bool)} | groups(band, dict(enumerate(REGIONS[1:])))
    tables = []
    for key, holds in conditions.items():
        table = group_shares(holds, area, inside, within=counted)
        parts = key if isinstance(key, tuple) else (key,)
        tables.append(table.assign(**dict(zip(names, parts, strict=True))))
    new = {"name": "region", "share_pixel": "pixel", "share_area": "area"}
    table = pd.concat(tables, ignore_index=True).rename(columns=new)
    return table[[*names, "region", "n_cells", "pixel", "area"]]


def regional_means(y: xr.DataArray, counted: xr.DataArray, area: xr.DataArray, band: xr.DataArray) -> xr.Dataset:
    """Average a yearly map over the globe and the three bands, each cell alike and each by its area.

    Parameters
    ----------
    y : DataArray (year, lat, lon)
        Yearly values, in memory or lazily on dask.
    counted : DataArray (lat, lon), bool
        The cells to average; ``y`` must be valid there.
    area, band : DataArray (lat, lon)
        As in `shares`.

    Returns
    -------
    Dataset (region, year)
        ``pixel`` (plain mean of the cells) and ``area`` (area-weighted mean), in the unit of ``y``, float64.
    """
    y, counted, area, band = together(y, counted, area, band, names=("y", "counted", "area", "band"))
    inside = counted.to_numpy()
    # What belongs to no band adds to the globe only.
    bands = band.to_numpy()[inside]
    bands = np.where((bands >= 0) & (bands < len(REGIONS) - 1), bands, len(REGIONS) - 1)
    weights = {"pixel": np.ones(bands.size), "area": area.to_numpy()[inside].astype("float64")}
    means = {name: np.empty((len(REGIONS), y.sizes["year"])) for name in weights}
    for k in range(y.sizes["year"]):  # one map in memory at a time, however many there are
        values = y.isel(year=k).to_numpy()[inside].astype("float64")
        for name, weight in weights.items():
            totals = [np.bincount(bands, w, minlength=len(REGIONS)) for w in (weight * values, weight)]
            with np.errstate(invalid="ignore"):
                means[name][:, k] = np.divide(*([total.sum(), *total[:-1]] for total in totals))
    coords = {"region": list(REGIONS), "year": y["year"]}
    return xr.Dataset({name: (("region", "year"), values) for name, values in means.items()}, coords)


def against(
    fit: xr.Dataset, true: xr.Dataset, counted: xr.DataArray, area: xr.DataArray, level: float
) -> dict[str, float]:
    """Score estimated trends by true ones, over the counted cells in which the truth has a trend.

    Parameters
    ----------
    fit, true : Dataset (lat, lon)
        From `ols`; slopes in kg m-2 yr-2, on one grid.
    counted : DataArray (lat, lon), bool
        Cells to score.
    area : DataArray (lat, lon)
        Cell area, m2: all shares and means are weighted by it; the pattern correlation is not.
    level : float
        p-value below which a trend is called significant.

    Returns
    -------
    dict
        Score by name, in the unit that the name states.
    """
    fit, true, counted, area = together(fit, true, counted, area, names=("fit", "true", "counted", "area"))
    here = counted.to_numpy() & np.isfinite(true.slope.to_numpy())
    ours, right, p = (a.to_numpy()[here] for a in (fit.slope, true.slope, fit.p))
    w = area.to_numpy()[here] / area.to_numpy()[here].sum()
    same, sure = np.sign(ours) == np.sign(right), p < level
    return {
        "cells": int(here.sum()),
        "correlation of the two maps": float(np.corrcoef(ours, right)[0, 1]),
        "sign right (% of land)": 100 * float(w @ same),
        f"sign right where p < {level:g} (%)": 100 * float(w[sure] @ same[sure] / w[sure].sum())
        if sure.any()
        else np.nan,
        "rising in truth (% of land)": 100 * float(w @ (right > 0)),
        "rising in this run (% of land)": 100 * float(w @ (ours > 0)),
        "mean slope, truth (g C m-2 yr-2)": 1000 * float(w @ right),
        "mean slope, this run (g C m-2 yr-2)": 1000 * float(w @ ours),
    }


def describe(fields: xr.Dataset) -> xr.Dataset:
    """Return the fields of ``trends.nc`` as stored: float32 (areas float64), flags int8, each with CF attributes."""
    kinds = {
        "slope": ("trend of annual {}, ordinary least squares", "kg m-2 yr-2"),
        "p": ("two-sided p-value of the trend of annual {}", "1"),
        "zslope": ("trend of standardised annual {}", "yr-1"),
    }
    out = fields.copy()
    for name in fields.data_vars:
        variable, _, kind = str(name).partition("_")
        if kind in kinds and variable in ("reco", "npp"):
            text, units = kinds[kind]
            out[name] = (
                fields[name].astype("float32").assign_attrs(long_name=text.format(variable.upper()), units=units)
            )
    out["analysis_mask"] = fields["analysis_mask"].astype("int8")
    out["analysis_mask"].attrs = {
        "long_name": "RECO and NPP valid in all years, and neither the same in all",
        "flag_values": np.array([0, 1], "int8"),
        "flag_meanings": "no yes",
    }
    out["area"] = fields["area"].astype("float64").assign_attrs(long_name="area of the cell", units="m2")
    return out


def gather(
    fits: Mapping[str, xr.Dataset],
    z_slopes: Mapping[str, xr.DataArray],
    direction: xr.DataArray,
    mask: xr.DataArray,
    area: xr.DataArray,
) -> xr.Dataset:
    """Return what ``trends.nc`` holds: slopes, p-values and z-slopes inside the mask, direction, mask and area.

    Parameters
    ----------
    fits, z_slopes : mapping of str to Dataset and DataArray (lat, lon)
        By variable ("reco", "npp"): what `ols` gave, and the slopes of the z-scores (yr-1).
    direction : DataArray (lat, lon), int8
        0 where a cell is not counted.
    mask, area : DataArray (lat, lon)
        The analysis mask; cell areas, m2.

    Returns
    -------
    Dataset (lat, lon)
        As `describe` stores it, with attributes ``counted`` and ``zero_or_undefined``: how many cells of the mask stand
        inside and outside the shares.
    """
    called = ("mask", "direction", "area", *fits, *(f"z-slope of {v}" for v in z_slopes))
    mask, direction, area, *rest = together(mask, direction, area, *fits.values(), *z_slopes.values(), names=called)
    fits, rest = dict(zip(fits, rest, strict=False)), rest[len(fits) :]
    z_slopes = dict(zip(z_slopes, rest, strict=True))
    fields = xr.Dataset({"direction": direction, "analysis_mask": mask, "area": area})
    for v, fit in fits.items():
        for kind, field in {"slope": fit.slope, "p": fit.p, "zslope": z_slopes[v]}.items():
            fields[f"{v}_{kind}"] = field.where(mask)
    counted = direction > 0
    counts = {"counted": int(counted.sum()), "zero_or_undefined": int((mask & ~counted).sum())}
    return describe(fields).assign_attrs(counts)


# The tables of the chapter on trends: cells counted, trends of annual means, and shares beside the paper's.


WORDS = {"increase": "rise", "decrease": "fall", "reco": "RECO", "npp": "NPP"}
"""What the paper's tables in data/reported call things, and how a page writes them."""


def check(alpha: float, annual_mean: str) -> None:
    """Refuse a significance level outside 0 to 1, and a way of averaging that `of_means` doesn't know.

    Raises
    ------
    ValueError
        Names the parameter of the chapter.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: expected a level between 0 and 1 (the paper's: 0.1), found {alpha}; change it")
    if annual_mean not in ("area", "pixel"):
        raise ValueError(f"annual_mean: expected 'area' or 'pixel', found {annual_mean!r}; choose one of them")


def tally(
    fits: Mapping[str, xr.Dataset], mask: xr.DataArray, counted: xr.DataArray, area: xr.DataArray
) -> pd.DataFrame:
    """Count the cells that have a value in all years, that are analysed, and that stand in the shares.

    Parameters
    ----------
    fits : mapping of str to Dataset (lat, lon)
        What `ols` gave, by variable.
    mask, counted : DataArray (lat, lon), bool
        The analysis mask, and the cells in the denominator of every share.
    area : DataArray (lat, lon)
        Cell area, m2.

    Returns
    -------
    DataFrame
        Columns ``cells`` and ``million km²``, a row a kind of cell.
    """
    mask, counted, area, *rest = together(mask, counted, area, *fits.values(), names=("mask", "counted", "area", *fits))
    valid = {v.upper(): fit.outcome != MISSING_YEAR for v, fit in zip(fits, rest, strict=True)}
    same = {v.upper(): fit.outcome == CONSTANT for v, fit in zip(fits, rest, strict=True)}
    both = np.logical_and.reduce([field.to_numpy() for field in valid.values()])
    kinds = {f"{v} valid in all years": here for v, here in valid.items()} | {"both valid in all years": both}
    kinds |= {f"… of these, {v} the same in all years": both & here for v, here in same.items()}
    kinds |= {"the analysis mask": mask, "… of these, a slope of exactly zero": mask & ~counted}
    kinds |= {"counted in every share": counted}
    rows = group_shares(np.ones(area.shape, bool), area, {kind: np.asarray(here) for kind, here in kinds.items()})
    rows = rows.set_index("name").rename_axis(None)
    return pd.DataFrame({"cells": rows["n_cells"], "million km²": rows["area_m2"] / 1e12})


def of_means(means: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Fit a line to annual means of regions.

    Parameters
    ----------
    means : mapping of str to Dataset (region, year)
        By variable ("reco", "npp"), the means that `regional_means` gives: ``pixel`` and ``area``.

    Returns
    -------
    DataFrame
        By region, variable ("RECO", "NPP") and mean by ("area", "pixel"): ``slope`` (unit of the means, yr-1),
        ``z_slope`` (yr-1) and ``p``.
    """
    rows = {}
    for v, both in means.items():
        for how in ("area", "pixel"):
            fit = ols(both[how])
            steady = z_slope(fit.r, both.year)
            for region in REGIONS:
                here = (field.sel(region=region) for field in (fit.slope, steady, fit.p))
                rows[region, v.upper(), how] = [float(value) for value in here]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["slope", "z_slope", "p"])
    table.index = pd.MultiIndex.from_tuples(table.index, names=["region", "variable", "mean by"])
    return table.loc[list(REGIONS)]


def beside(share: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Return this run's shares in percent, each beside the paper's.

    Parameters
    ----------
    share : DataFrame
        From `shares`.
    paper : DataFrame
        ``band``, ``percent`` and columns by which a share is named in both tables.

    Returns
    -------
    DataFrame
        The columns of ``share``, its ``region`` called ``band`` and its shares in percent; ``paper``, NaN where the
        paper has no such share.
    """
    share = share.rename(columns={"region": "band"})
    share[["pixel", "area"]] *= 100
    return share.merge(paper.rename(columns={"percent": "paper"}), how="left")


def by_region(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Turn a table of shares so that each region has a row for each way of counting.

    Parameters
    ----------
    table : DataFrame
        From `beside` or `shares`: ``pixel``, ``area`` and, if there, ``paper``; ``band`` or ``region``; ``columns``.
    columns : sequence of str
        What the new columns are named by, in the order in which their values occur.

    Returns
    -------
    DataFrame
        By region and shares ("paper", "pixel", "area"), in that order.
    """
    table = table.rename(columns={"band": "region"}).replace(dict.fromkeys(columns, WORDS))
    sides = [side for side in ("paper", "pixel", "area") if side in table]
    long = table.melt([*columns, "region"], sides, var_name="shares")
    wide = long.pivot(index=["region", "shares"], columns=list(columns), values="value")
    rows = pd.MultiIndex.from_product([REGIONS, sides], names=wide.index.names)
    return wide.reindex(index=rows)[table.set_index(list(columns)).index.unique()]


def margins(table2: pd.DataFrame, table3: pd.DataFrame, side: str) -> pd.DataFrame:
    """Compare the shares that rise in Table 2 with the sums of the two rising classes of Table 3.

    Parameters
    ----------
    table2, table3 : DataFrame
        From `beside`.
    side : {"paper", "pixel", "area"}
        Whose shares.

    Returns
    -------
    DataFrame
        By "NPP rises" or "RECO rises" and band: ``Table 2``, ``Table 3, summed`` and ``difference``, in percent.
    """
    rising = table2[(table2["subset"] == "all") & (table2["direction"] == "increase")]
    rows = {}
    for v in ("npp", "reco"):
        classes = table3[table3["class"].str.contains(v.upper() + "+", regex=False)]
        summed = classes.groupby("band")[side].sum(min_count=2)
        for band, two in rising[rising["variable"] == v].set_index("band")[side].items():
            rows[f"{v.upper()} rises", band] = (two, summed[band], summed[band] - two)
    return pd.DataFrame(rows, index=["Table 2", "Table 3, summed", "difference"]).T


def weight_ranges(solved: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Write solved weights of the bands with the range that rounding allows, in percent.

    Parameters
    ----------
    solved : mapping of str to DataFrame
        By the rows they were solved from: by band, ``best``, ``low`` and ``high`` (0 to 1; NaN when no weights serve).

    Returns
    -------
    DataFrame
        Text such as "58.4 (57.6 to 59.2)", a row a set of rows and a column a band.
    """
    none = "none serve"
    texts = {
        name: [
            f"{100 * w.best:.1f} ({none if np.isnan(w.low) else f'{100 * w.low:.1f} to {100 * w.high:.1f}'})"
            for w in weights.itertuples()
        ]
        for name, weights in solved.items()
    }
    bands = next(iter(solved.values())).index
    return pd.DataFrame(texts, index=bands).T.rename_axis("rows of the paper's")


def held_by_bands(places: Mapping[str, xr.DataArray], area: xr.DataArray, band: xr.DataArray) -> pd.DataFrame:
    """Return how much of some land each band holds, by number of cells and by true area.

    Parameters
    ----------
    places : mapping of str to DataArray (lat, lon), bool
        The land, by name.
    area, band : DataArray (lat, lon)
        As in `shares`.

    Returns
    -------
    DataFrame
        By name and "pixel" or "area", a column a band, percent.
    """
    inside, rows = groups(band, dict(enumerate(BAND_NAMES))), {}
    for name, here in places.items():
        parts = [group_shares(cells, area, {name: here}).iloc[0] for cells in inside.values()]
        for how in ("pixel", "area"):
            rows[name, how] = [100 * part[f"share_{how}"] for part in parts]
    return pd.DataFrame(rows, index=list(BAND_NAMES)).T
