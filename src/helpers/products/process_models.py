"""Process models (MsTMIP, TRENDY, CMIP6): annual carbon fluxes from their own output files.

Models report respiration as a rate, whole (``TotalResp``) or in two parts, autotrophic and heterotrophic
(``AutoResp`` + ``HeteroResp``; ``ra`` + ``rh``), or as what production leaves of it (``gpp`` - ``npp`` + ``rh``); which
sets make which variable stands in data/products.yml. A year's sum is

    RECO = sum over steps of rate (kg m-2 s-1) x seconds of the step,

where a month has as many days as its *model's* calendar gives it: 28 in a February of a year without leap days.
MsTMIP: Huntzinger et al. (2013), doi:10.5194/gmd-6-2121-2013. TRENDY: Sitch et al. (2015), doi:10.5194/bg-12-653-2015.
CMIP6: Eyring et al. (2016), doi:10.5194/gmd-9-1937-2016.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import xarray as xr

from helpers import products
from helpers.products import netcdf
from helpers.products.compression import plain_name
from helpers.products.registry import Product, ProductError, describe
from helpers.products.registry import product as registry_product
from helpers.space.grid import together

FAMILY = ("mstmip", "trendy", "cmip6")
"""Products of this family, in the order in which their models are shown."""


def models(product: Product, paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Sort files by the model that their names tell; folders have many layouts, and tell it in none of them for sure.

    Names that differ in capitals only are one model's, by the first of them.
    """
    found: dict[str, list[Path]] = {}
    spelling: dict[str, str] = {}
    for path in sorted(paths):
        name = product.match(path)["model"]
        found.setdefault(spelling.setdefault(name.casefold(), name), []).append(path)
    return found


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
        A product is none of `FAMILY`, a model is not there, or two products have a model of one name.

    Warns
    -----
    UserWarning
        Files are named or packed in a way that is not read, so that a model or a part of it is left out.
    """
    if unknown := set(wanted or ()) - set(FAMILY):
        raise ProductError(f"process_models: expected products among {', '.join(FAMILY)}, found {unknown.pop()!r}")
    chosen: dict[str, str] = {}
    for name in wanted or [name for name in FAMILY if (Path(folder) / name).is_dir()]:
        entry, place = registry_product(name), Path(folder) / name
        paths, _, left_out = products.files_of(entry, place)
        for line in left_out:
            warnings.warn(line, stacklevel=2)
        there = models(entry, paths)
        if missing := [model for model in (wanted or {}).get(name, ()) if model not in there]:
            found = ", ".join(there) or "none"
            raise ProductError(f"{place}: expected files of the process model {missing[0]!r}, found {found}")
        for model in (wanted or {}).get(name, there):
            if model in chosen:
                raise ProductError(
                    f"process_models: {model} is in {chosen[model]} and in {name}; name the models of one of them"
                )
            chosen[model] = name
    return chosen


def read(
    product: Product,
    paths: list[Path],
    *,
    years: Iterable[int],
    variable: str = "reco",
    model: str | None = None,
    experiment: str | Iterable[str] | None = None,
    allow_missing: bool = False,
) -> xr.Dataset:
    """Read one model's annual respiration, or another of its fluxes, on its own grid.

    Parameters
    ----------
    years : iterable of int
        Calendar years.
    variable : {"reco", "ra", "rh", "gpp", "npp"}
        What to read.
    model, experiment : str, optional
        Which of them, where ``paths`` holds several. Several experiments that follow each other in time, such as
        ``["historical", "ssp585"]``, may be read together.
    allow_missing : bool
        Leave out years that no file holds; one at least must be there.

    Returns
    -------
    xarray.Dataset
        ``reco``, or the variable asked for (kg m-2 yr-1 of carbon), on (year, lat, lon); attributes ``model``,
        ``stored_as`` and ``product_version`` (experiment, member and grid as far as files tell them).

    Raises
    ------
    ProductError
        What is asked for is not there or there twice, or cannot be told from something else.
    """
    by_model = models(product, paths)
    if model is None and len(by_model) == 1:
        model = next(iter(by_model))
    if model not in by_model:
        raise ProductError(f"{product.id}: expected model to be one of {', '.join(by_model)}, found {model!r}")
    files, told = _of_one_run(product, by_model[model], experiment)
    terms, holding = _set(product, files, variable)
    parts = {name: netcdf.index(name, holding[name]) for name in _names(terms)}
    _refuse_other_runs(list(parts.values()), model if "table" in product.file.groupindex else None)
    years = list(years)
    there = [year for year in years if all((part.steps["year"] == year).any() for part in parts.values())]
    wanted, fields = there if allow_missing and there else years, []
    for name, part in parts.items():
        yearly = part.is_yearly()
        part.require(name, wanted, () if yearly else range(1, 13))
        fields.append(netcdf.fields(part, wanted, partial(_of_step, yearly)))
    fields = together(*fields, names=[f"{part.first}: {name}" for name, part in parts.items()])
    total = sum(-field if term[0] == "-" else field for term, field in zip(terms, fields, strict=True))
    attributes = {"model": model, "stored_as": _written(terms)}
    ds = xr.Dataset({variable: total.astype("float32")}, attrs=attributes)
    return describe(ds, product, " ".join(told))


def _of_one_run(product: Product, files: list[Path], experiment) -> tuple[list[Path], list[str]]:
    """Return the files of the experiments asked for, and what their names tell; refuse those of several runs."""
    told = {path: product.match(path).groupdict() for path in files}
    wanted = [experiment] if isinstance(experiment, str) else list(experiment or [])
    there = {names["experiment"] for names in told.values()}
    if unknown := set(wanted) - there:
        found = f"found {', '.join(sorted(there))}; correct experiment"
        raise ProductError(f"{files[0].parent}: expected experiment {unknown.pop()!r}, {found}")
    files, runs = [path for path in files if not wanted or told[path]["experiment"] in wanted], wanted
    for key in ("experiment", "member", "grid_label")[bool(wanted) :]:
        examples = {told[path][key]: path.name for path in reversed(files) if told[path].get(key)}
        if len(examples) > 1:
            found = ", ".join(f"{value} ({name})" for value, name in sorted(examples.items()))
            raise ProductError(f"{files[0].parent}: expected one {key}, found {found}; give the files of one alone")
        runs = [*runs, *examples]
    return files, runs


def _names(terms: Iterable[str]) -> list[str]:
    """Return the variables of a set without their signs: ``["gpp", "-npp"]`` names gpp and npp."""
    return [term.lstrip("+- ") for term in terms]


def _written(terms: Iterable[str]) -> str:
    return " + ".join(terms).replace("+ -", "- ")


def _set(product: Product, files: list[Path], variable: str) -> tuple[list[str], dict[str, list[Path]]]:
    """Return which stored variables make the one asked for, with their signs, and which files hold each."""
    known = product.notes["sets"]
    if variable not in known:
        raise ProductError(f"{product.id}: expected variable to be one of {', '.join(known)}, found {variable!r}")
    every = {name for sets in known.values() for terms in sets for name in _names(terms)}
    for holding in (_by_name(product, files, every), _by_content(files)):
        for terms in known[variable]:
            if set(_names(terms)) <= set(holding):
                return terms, holding
    wanted, found = " or ".join(map(_written, known[variable])), ", ".join(holding) or "no gridded variable"
    remedy = f"name what it is made of among the sets of {product.id} in data/products.yml"
    raise ProductError(f"{files[0].parent}: expected {wanted}, found {found}; {remedy}")


def _by_name(product: Product, files: list[Path], every: set[str]) -> dict[str, list[Path]]:
    """Return which files hold which variable as far as their names tell, so that the others need not be opened."""
    holding: dict[str, list[Path]] = {}
    for path in files:
        told = product.match(path).groupdict().get("stored")
        for name in [told] if told else set(re.split(r"[_.]", plain_name(path.name))) & every:
            holding.setdefault(name, []).append(path)
    return holding


def _by_content(files: list[Path]) -> dict[str, list[Path]]:
    """Return which files hold which gridded variable, by looking into them."""
    holding: dict[str, list[Path]] = {}
    for path in files:
        with netcdf.opening(path) as ds:
            for name, values in ds.data_vars.items():
                if set(netcdf.AXES) <= set(values.dims):
                    holding.setdefault(str(name), []).append(path)
    return holding


def _refuse_other_runs(parts: list[netcdf.Series], model: str | None) -> None:
    """Refuse variables of different models, or stamped in different ways, and a file that its name misnames."""
    first, *others = parts
    for other in others:
        netcdf.require_one_run(first.attributes, other.attributes, first.first, other.first)
        if first.place and other.place and first.place != other.place:
            found = "found one stamped by the end of its steps and one by their beginning; give both with their bounds"
            raise ProductError(f"{other.first}: expected {other.name} stamped as in {first.first.name}, {found}")
    if model is not None:  # names by a rule of which the file's own source_id is a part
        netcdf.require_one_run({"source_id": model}, first.attributes, Path("its name"), first.first)


# --- rates -----------------------------------------------------------------------------------------------------------

CARBON = 0.0120107
"""Mass of a mole of carbon, kg."""

AMOUNTS = {"kg": 1.0, "g": 1e-3, "mg": 1e-6, "mol": CARBON, "mmol": 1e-3 * CARBON, "umol": 1e-6 * CARBON}
"""kg of carbon in one of each; a mole of CO2 holds a mole of carbon."""

TIMES = {
    1.0: ("s", "sec", "second", "seconds"),
    3600.0: ("h", "hr", "hour", "hours"),
    86400.0: ("d", "day", "days"),
    30.4375 * 86400.0: ("month", "months", "mon", "mo"),
    365.25 * 86400.0: ("yr", "year", "years", "y", "a"),
}
"""Seconds of each; of month and year those of a mean one, for limits only."""

LARGEST = 5e-6
"""Greatest rate that can be one (kg m-2 s-1, some 430 g m-2 d-1); beyond lie fills that a file does not declare."""


def carbon_rate(units: str) -> tuple[float, float] | None:
    """Return the kg of carbon in a unit's amount, and the seconds in its time (see `TIMES`); None for other units.

    >>> carbon_rate("kgC/m2/s"), carbon_rate("g C m^-2 h-1"), carbon_rate("kg CO2 m-2 s-1")
    ((1.0, 1.0), (0.001, 3600.0), None)
    """
    plain = re.sub(r"\^|\*\*", "", units.strip()).replace("(C)", "C").replace("µ", "u").replace("μ", "u")
    plain = re.sub(r"\s*/\s*([A-Za-z]+)(\d?)", lambda found: f" {found[1]}-{found[2] or 1}", plain)
    plain = re.sub(r"[\s.·]+", " ", plain)
    found = re.fullmatch(r"(?:([Kkm]?g) ?C?|(micromol|[mu]?mol) ?(?:C|CO2)?) m-2 ([A-Za-z]+)-1", plain)
    if not found:
        return None
    amount = (found[1] or found[2]).lower().replace("micro", "u")
    seconds = next((size for size, names in TIMES.items() if found[3].lower() in names), None)
    return (AMOUNTS[amount], seconds) if seconds else None


def _of_step(yearly: bool, values: xr.DataArray, path: Path) -> xr.DataArray:
    """Turn stored rates (time, lat, lon) into what each step adds to its year: kg m-2 of carbon, NaN for fills.

    A rate in months or years means the month or the year of the step itself.
    """
    units = str(values.attrs.get("units", ""))
    if (rate := carbon_rate(units)) is None:
        expected = f"expected {values.name} in units such as kg m-2 s-1, g m-2 d-1, g m-2 month-1, umol m-2 s-1"
        raise ProductError(f"{path}: {expected} of carbon, found {units!r}; correct them")
    amount, seconds = rate
    limit = LARGEST * seconds / amount
    known = netcdf.within(values, -limit, limit, path)
    days = values["days_of_year" if yearly else "days"]
    if seconds > 300 * 86400.0:
        return known * amount * days / values["days_of_year"]
    if seconds > 86400.0:
        return known * amount * (12 if yearly else 1)
    return known * amount / seconds * days * 86400.0
