"""Process models (MsTMIP, TRENDY, CMIP): annual ecosystem respiration from their own output files.

Models report respiration as a rate, whole (``TotalResp``) or in two parts, autotrophic and heterotrophic
(``AutoResp`` + ``HeteroResp``; ``ra`` + ``rh``). A year's sum is

    RECO = sum over steps of rate (kg m-2 s-1) x seconds of the step,

where a month has as many days as its *model's* calendar gives it: 28 in a February of a year without leap days.
MsTMIP: Huntzinger et al. (2013), doi:10.5194/gmd-6-2121-2013. TRENDY: Sitch et al. (2015), doi:10.5194/bg-12-653-2015.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import netcdf
from helpers.products.composites import stack
from helpers.products.errors import ProductError
from helpers.products.registry import Product, describe
from helpers.products.registry import product as registry_product

SECONDS = 86400.0
PER_SECOND = {"kg m-2 s-1": 1.0, "kg/m2/s": 1.0, "g m-2 s-1": 1e-3, "g/m2/s": 1e-3}
LARGEST = 1e-3
"""Greatest rate that can be one (kg m-2 s-1, some 30 t m-2 yr-1); fills that a file does not declare lie beyond."""


def models(product: Product, paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Sort files by model: the folder that they lie in, or the name's first part where they lie together."""
    found: dict[str, list[Path]] = {}
    for path in sorted(paths):
        folder = path.parent.name
        name = product.match(path)["model"] if folder.lower() == product.id else folder
        found.setdefault(name, []).append(path)
    return found


FAMILY = ("mstmip", "trendy")
"""Products of this family, in the order in which their models are shown."""


def configured(folder: str | Path, wanted: Mapping[str, Iterable[str]] | None = None) -> dict[str, str]:
    """Return which process models a run compares with, as {model: product id}.

    Parameters
    ----------
    folder : path
        Folder with one sub-folder a product id.
    wanted : mapping of str to iterable of str, optional
        Models by product id; empty means every model that lies in the folder.

    Raises
    ------
    ProductError
        A product is none of `FAMILY`, or a model is not there.
    """
    if unknown := set(wanted or ()) - set(FAMILY):
        raise ProductError(f"process_models: expected products among {', '.join(FAMILY)}, found {unknown.pop()!r}")
    chosen: dict[str, str] = {}
    for name in wanted or [name for name in FAMILY if (Path(folder) / name).is_dir()]:
        entry, place = registry_product(name), Path(folder) / name
        there = models(entry, (p for p in place.rglob("*") if p.is_file() and entry.file.search(p.name)))
        if missing := [model for model in (wanted or {}).get(name, ()) if model not in there]:
            found = ", ".join(there) or "none"
            raise ProductError(f"{place}: expected files of the process model {missing[0]!r}, found {found}")
        chosen |= dict.fromkeys((wanted or {}).get(name, there), name)
    return chosen


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    model: str | None = None,
    variables: Iterable[str] | None = None,
    allow_partial: bool = False,
    allow_missing: bool = False,
) -> xr.Dataset:
    """Read one model's annual respiration on its own grid.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    model : str, optional
        Which model, where ``paths`` holds several.
    variables : iterable of str, optional
        What to add up, where a file names it in a way of its own; default the first complete set among
        ``TotalResp``; ``AutoResp HeteroResp``; ``ra rh``.
    allow_partial : bool
        Accept years with missing months.
    allow_missing : bool
        Leave out years that no file holds; one at least must be there.

    Returns
    -------
    xarray.Dataset
        ``reco`` (kg m-2 yr-1 of carbon) on (year, lat, lon); attribute ``model``.
    """
    by_model = models(product, paths)
    if model is None and len(by_model) == 1:
        model = next(iter(by_model))
    if model not in by_model:
        raise ProductError(f"{product.id}: expected model to be one of {', '.join(by_model)}, found {model!r}")
    files = by_model[model]
    experiments = sorted({found for f in files if (found := product.match(f).groupdict().get("experiment"))})
    if len(experiments) > 1:
        raise ProductError(f"{files[0].parent}: expected one experiment, found {', '.join(experiments)}; keep one")
    years, holding = list(years), _holding(files)
    sets = [tuple(variables)] if variables else [tuple(s) for s in product.notes["sets"]]
    chosen = next((s for s in sets if set(s) <= set(holding)), None)
    if chosen is None:
        wanted, found = " or ".join("+".join(s) for s in sets), ", ".join(holding)
        raise ProductError(f"{files[0].parent}: expected {wanted}, found {found}; name them by variables=[…]")
    parts = [_annual(name, holding[name], years, allow_partial, allow_missing) for name in chosen]
    total = xr.concat(parts, dim="part", join="exact").sum("part", skipna=False)
    ds = xr.Dataset({"reco": total.astype("float32")}, attrs={"model": model, "stored_as": " + ".join(chosen)})
    return describe(ds, product, experiments[0] if experiments else "")


def _holding(files: list[Path]) -> dict[str, list[Path]]:
    """Return which files hold which gridded variable."""
    holding: dict[str, list[Path]] = {}
    for path in files:
        with netcdf.opening(path) as ds:
            for name, values in ds.data_vars.items():
                if {"time", "lat", "lon"} <= set(values.dims):
                    holding.setdefault(str(name), []).append(path)
    return holding


def _annual(name: str, files: list[Path], years: list[int], allow_partial: bool, allow_missing: bool) -> xr.DataArray:
    fields: dict[int, xr.DataArray] = {}
    for path in files:
        with netcdf.opening(path) as ds:
            rate = netcdf.variable(ds, name, path)
            factor = _factor(rate, path)
            for year in years:
                steps = rate.isel(time=np.flatnonzero(rate["time"].dt.year == year))
                if steps.sizes["time"]:
                    if year in fields:
                        raise ProductError(f"{path}: holds {name} of {year}, which another file holds too; remove one")
                    fields[year] = _year(steps, factor, path, year, allow_partial)
    missing = [year for year in years if year not in fields]
    if missing and not (allow_missing and fields):
        raise ProductError(f"{files[0]}: expected {name} of {missing[0]}, found no step of it; check years")
    return stack({year: fields[year] for year in years if year in fields})


def _factor(rate: xr.DataArray, path: Path) -> float:
    """Return what the stored rate is multiplied by to be kg m-2 s-1."""
    units = str(rate.attrs.get("units", ""))
    # "kgC m-2 s-1", "kg C m-2 s-1", "kg(C)/m^2/s": the same units with the substance named in them
    plain = re.sub(r"\s+", " ", re.sub(r"\(?\bC\b\)?|(?<=g)C", " ", units)).replace("^", "").replace("**", "")
    plain = re.sub(r"\s*/\s*", "/", plain).strip()
    if plain not in PER_SECOND:
        raise ProductError(f"{path}: expected {rate.name} in {' or '.join(PER_SECOND)}, found {units!r}")
    return PER_SECOND[plain]


def _year(steps: xr.DataArray, factor: float, path: Path, year: int, allow_partial: bool) -> xr.DataArray:
    if steps.sizes["time"] == 1:  # one step a year: the mean rate of the whole of it
        days = steps["time"].dt.days_in_year
    else:
        netcdf.require_months(f"{steps.name} {year}", path, year, steps["time"].dt.month.values, allow_partial)
        days = steps["time"].dt.days_in_month
    values = netcdf.valid(steps.load().astype("float64")) * factor
    values = values.where(np.abs(values) < LARGEST)
    return (values * days * SECONDS).sum("time", skipna=False).astype("float64")
