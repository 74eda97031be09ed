"""The one door to product files: native file in, canonical Dataset out.

``read("cru_tmp", paths, years=[2000])`` looks the product up in data/products.yml, where all facts about it stand,
calls the reader of its family, and gives back variables with the book's names, units and CF attributes. What a family's
file looks like stands at the top of its module: `climate`, `land`, `towers`, `netcdf`, `site_table`.

>>> product("cru_tmp").example
'cru_ts4.05.1901.2020.tmp.dat.nc'
"""

from __future__ import annotations

import inspect
import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from helpers.products.files import (
    ADDED,
    DATA_ENDINGS,
    ENDINGS,
    PACKED,
    UNFINISHED,
    UNREAD,
    DamagedFile,
    ProductError,
    members,
    plain_name,
)
from helpers.space import grid
from helpers.workspace import DATA

__all__ = [
    "DamagedFile",
    "Product",
    "ProductError",
    "configured",
    "dropped",
    "find",
    "pixel",
    "product",
    "products",
    "read",
]

REGISTRY = DATA / "products.yml"
CONTENT = yaml.load(REGISTRY.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


# What the book knows about each product and variable.


@dataclass(frozen=True)
class Field:
    """How one variable is stored in a product's files.

    Parameters
    ----------
    name : str
        Canonical name: ``mat``, ``npp``, ….
    stored : str
        Name inside the file.
    units : str
        What the file says that its numbers, or these times the scale, are in; empty where it is not known.
    scale : float
        What a stored number is multiplied by.
    valid : tuple of float or None
        Least and greatest stored number that is a value; beyond lie fills and classes.
    fill : tuple of float
        Stored numbers that mean "no value", besides those that the file itself declares.
    grid : str or None
        HDF-EOS grid that holds it, where a file has several.
    optional : bool
        Some versions do not have it.
    coverage : float
        Least share of the year with a value, for the year to have one.
    """

    name: str
    stored: str
    units: str = ""
    scale: float = 1.0
    valid: tuple[float, float] | None = None
    fill: tuple[float, ...] = ()
    grid: str | None = None
    optional: bool = False
    coverage: float = 1.0


@dataclass(frozen=True)
class Product:
    """One product: where it comes from, what its files are called, what they hold.

    ``file`` matches a file's name; its named groups (``version``, ``year``, ``day``, ``tile``, …) say what the name
    tells. ``family`` is the module that reads it, ``reader`` its function. ``starts`` gives the first year of versions
    that begin later than others, ``fetch`` how the product is downloaded.
    """

    id: str
    family: str
    title: str
    version: str
    file: re.Pattern[str]
    example: str
    native: str
    step: str
    licence: str
    get: str
    rule: str
    fields: tuple[Field, ...]
    reader: str = "read"
    doi: str = ""
    citation: str = ""
    superseded_by: str = ""
    predictors: str = ""
    starts: dict[str, int] = field(default_factory=dict, compare=False)
    fetch: dict = field(default_factory=dict, compare=False)
    notes: dict = field(default_factory=dict, compare=False)

    @property
    def of_towers(self) -> bool:
        """Whether each file is a site's: one left out is a site lost, and of two the reader settles which to keep."""
        return "site" in self.file.groupindex

    def match(self, path: Path) -> re.Match[str]:
        """Match a file's name.

        Raises
        ------
        ProductError
            The name is not one of this product.
        """
        found = self.file.search(path.name)
        if not found:
            raise ProductError(f"{path}: expected a {self.id} file named like {self.example}; check the product id")
        return found

    def versions(self, paths: Iterable[Path]) -> list[str]:
        """Return the versions that the files' names tell, sorted; empty where names carry none."""
        told = (self.match(path).groupdict().get("version") for path in paths)
        return sorted({version for version in told if version})

    def models(self, paths: Iterable[Path]) -> dict[str, list[Path]]:
        """Sort files by the process model that their names tell; folders have many layouts, and none tells it surely.

        Names that differ in capitals only are one model's, by the first of them.
        """
        found: dict[str, list[Path]] = {}
        spelling: dict[str, str] = {}
        for path in sorted(paths):
            name = self.match(path)["model"]
            found.setdefault(spelling.setdefault(name.casefold(), name), []).append(path)
        return found


def products() -> dict[str, Product]:
    """Return every known product by its id, in the registry's order."""
    return {product_id: product(product_id) for product_id in CONTENT["products"]}


@lru_cache
def product(product_id: str) -> Product:
    """Return one product.

    Raises
    ------
    ProductError
        The id is unknown, and the message lists those that are known; or a key of its entry is lacking or unknown.
    """
    known = CONTENT["products"]
    if product_id not in known:
        raise ProductError(f"product {product_id!r} is unknown; known are {', '.join(known)}")
    about = known[product_id]
    try:
        stored = {
            name: {key: tuple(map(float, told)) if isinstance(told, list) else told for key, told in spec.items()}
            for name, spec in about["fields"].items()
        }
        fields = tuple(Field(name, **spec) for name, spec in stored.items())
        return Product(id=product_id, **{**about, "fields": fields, "file": re.compile(about["file"])})
    except (TypeError, KeyError, re.error) as error:
        raise ProductError(f"{REGISTRY}: product {product_id!r}: {error}; correct the entry") from error


def attributes(name: str) -> dict:
    """Return a canonical variable's CF attributes, and its ``limits``; those of a scale, such as ``spei12``, for any.

    >>> attributes("spei3")["long_name"]
    'drought index SPEI over the 3 months to December'
    """
    canonical, number = CONTENT["canonical"], re.search(r"\d*$", name)[0]
    if name in canonical or f"{name.removesuffix(number)}{{}}" not in canonical:
        return canonical.get(name, {})
    about = canonical[f"{name.removesuffix(number)}{{}}"]
    return about | {"long_name": about["long_name"].format(number)}


def limits(name: str) -> tuple[float, float]:
    """Return the least and the greatest that a canonical variable can be, in its units; no limits for other names.

    >>> limits("mat"), limits("spei6"), limits("my_own")
    ((-90.0, 60.0), (-40.0, 40.0), (-inf, inf))
    """
    low, high = attributes(name).get("limits", (-np.inf, np.inf))
    return float(low), float(high)


def describe(ds: xr.Dataset, entry: Product, version: str = "") -> xr.Dataset:
    """Give a Dataset of canonical variables its CF attributes, and say which product and version it comes from."""
    version = version or entry.version
    source = f"{entry.title}, version {version}"
    ds.attrs = {"product": entry.id, "product_version": version, "source": source, "references": entry.doi} | ds.attrs
    for name in ds.data_vars:
        about = attributes(name) | {"source": source}
        ds[name].attrs = {key: value for key, value in about.items() if key != "limits"}
    return ds


# Reading.


def find(product_id: str, folder: str | Path) -> list[Path]:
    """Find a product's files.

    Parameters
    ----------
    product_id : str
        An id of data/products.yml.
    folder : str or Path
        Folder with one sub-folder a product id; without such a sub-folder, the product's own folder.

    Returns
    -------
    list of Path
        Sorted; looked for in sub-folders too.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no file of the product in it.
    ProductError
        The product is unknown, its files are of several versions, or a map is there twice, packed and unpacked.

    Warns
    -----
    UserWarning
        Besides, there are files of the product that are packed or spelled in a way that is not read, or unfinished
        downloads: a line each for towers, else one.
    """
    entry, folder = product(product_id), Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of product files, found none; correct the path")
    paths, _, lines = files_of(entry, folder)
    if not paths:
        others = (product(name) for name in entry.notes.get("mistaken_for", ()))
        alike = [(path, other.id) for other in others for path in files_of(other, folder)[0]]
        instead = f"{alike[0][0].name} is another product: read it as {alike[0][1]}. " if alike else ""
        expected = f"{folder}: expected files named like {entry.example}, found none. {instead}{entry.get}"
        raise FileNotFoundError(lines[0] if lines else expected)
    for line in lines:
        warnings.warn(line, stacklevel=2)
    _one_of_each(entry, paths)
    return paths


def read(product_id: str, paths: str | Path | Iterable[str | Path], **selection) -> xr.Dataset:
    """Read a product's files into canonical names and units.

    Parameters
    ----------
    product_id : str
        An id of data/products.yml.
    paths : path or iterable of paths
        Its files, as `find` gives them, or a folder in which `find` is to look for them.
    **selection
        What the family's reader takes: ``years``, ``grid``, ``method``, ``allow_partial``, ….

    Returns
    -------
    xarray.Dataset
        Gridded: (year, lat, lon), latitudes from north to south, longitudes from -180 to 180. Towers: (sample).
        Attributes ``product``, ``product_version``, ``source``, ``references``.

    Raises
    ------
    ProductError
        The product or a selection is unknown, files are of several versions, or a file is not what it should be.
    FileNotFoundError
        A file is missing.
    """
    entry = product(product_id)
    if not isinstance(paths, str | Path | Iterable):
        raise ProductError(f"{product_id}: expected a path or several, found {paths!r:.60}; see find()")
    files, unread = [], {}
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        files += find(product_id, path) if path.is_dir() else [path]
        if entry.of_towers and path.is_dir():
            unread |= files_of(entry, path)[1]
    if not files:
        raise ProductError(f"{product_id}: expected at least one file, found none; see find()")
    for path in files:
        if len(path.name.encode(errors="replace")) > 255 or not path.exists():
            raise FileNotFoundError(f"{path}: expected a file of {product_id}, found none; correct the path")
        if path.name.lower().endswith((*UNREAD, ".tar.gz")):
            raise ProductError(f"{path}: expected a file that is plain, .gz or .zip, found {path.suffix}; unpack it")
    _one_of_each(entry, files)
    family = import_module(f"helpers.products.{entry.family}")
    reader = getattr(family, entry.reader)
    parameters = inspect.signature(reader).parameters
    known = [name for name in parameters if name not in ("product", "paths")]
    if unknown := [name for name in selection if name not in known]:
        raise ProductError(f"{product_id}: selection {unknown[0]!r} is unknown; known are {', '.join(known)}")
    lacking = [name for name, each in parameters.items() if name in known and each.default is each.empty]
    if lacking := [name for name in lacking if name not in selection]:
        raise ProductError(f"{product_id}: expected {lacking[0]}, found none; pass {lacking[0]}=…")
    if "method" in selection and selection["method"] not in ("nearest", "average", "bilinear"):
        raise ProductError(f"method: expected nearest, average or bilinear for numbers, found {selection['method']!r}")
    if (years := selection.get("years")) is not None:
        try:
            given = [*years]
            selection["years"] = [int(year) for year in given]
        except (TypeError, ValueError, OverflowError):
            given = None
        if not given or given != selection["years"]:
            expected = "years: expected calendar years, such as [2000, 2001], or None"
            raise ProductError(f"{product_id}: {expected}, found {years!r}; give a list")
    ds = reader(*((entry,) if "product" in parameters else ()), files, **selection)
    return family.with_unread(ds, unread, selection.get("years")) if unread else ds


def pixel(product_id: str, path: str | Path) -> str:
    """Say how high a pixel of a gridded product's file is, as the file itself declares it.

    Returns
    -------
    str
        In degrees, or in metres where the file is on a projection: ``"0.5°"``, ``"463 m"``.

    Raises
    ------
    ProductError
        The product has no pixels, or the file does not say how large they are.
    """
    netcdf, rasters = (import_module(f"helpers.products.{kind}") for kind in ("netcdf", "rasters"))
    path, field = Path(path), next(iter(product(product_id).fields), None)
    ending = Path(plain_name(path.name)).suffix.lower()
    if ending in (".nc", ".nc4"):
        with netcdf.opening(path) as ds:
            height, geographic = abs(grid.step(ds["lat"], f"{path}: lat")), True
    elif ending == ".hdf":
        raster = rasters.read_hdf4(path, field.stored, field.grid) if field else rasters.read_hdf4(path)
        height, geographic = abs(raster.transform.e), raster.geographic
    elif ending in (".tif", ".tiff", ".vrt"):
        with rasters.opening(path) as raster:
            height, geographic = abs(raster.transform.e), raster.geographic
    else:
        raise ProductError(f"{path}: expected a file with pixels (.hdf, .nc, .tif), found a table of {product_id}")
    if geographic:
        return f"{height:.4g}°"
    return f"{height / 1000:.3g} km" if height >= 1000 else f"{height:.0f} m"


def dropped(ds: xr.Dataset) -> pd.DataFrame:
    """Return which site-years a reader of towers left out, and why.

    Parameters
    ----------
    ds : Dataset
        What `read` gave, or what came back from a file of it.

    Returns
    -------
    DataFrame
        A row a site-year that was read and left out: ``site``, ``year``, ``reason``, ``file`` (its name). Together
        with the samples of ``ds`` they are all that was read. Of a file that could not be read, the years are those
        that its name tells, or one row with year 0 where it tells none. Empty for products that drop nothing.
    """
    rows = json.loads(ds.attrs.get("site_years_dropped", "[]"))
    return pd.DataFrame(rows, columns=["site", "year", "reason", "file"]).astype({"year": "int64"})


def configured(folder: str | Path | None, wanted: Mapping[str, Iterable[str]] | None = None) -> dict[str, str]:
    """Return which process models a run compares with, as {model: product id}.

    Parameters
    ----------
    folder : path or None
        Folder with one sub-folder a product id; None where a run has none.
    wanted : mapping of str to iterable of str, optional
        Models by product id; empty means every model that lies in the folder.

    Raises
    ------
    ProductError
        A product is none of process models, a model is not there, or two products have a model of one name.

    Warns
    -----
    UserWarning
        Files are named or packed in a way that is not read, so that a model or a part of it is left out.
    """
    known = {name: entry for name, entry in products().items() if "model" in entry.file.groupindex}
    if unknown := set(wanted or ()) - set(known):
        raise ProductError(f"process_models: expected products among {', '.join(known)}, found {unknown.pop()!r}")
    if folder is None and wanted:
        raise ProductError(f"process_models: expected none without a data_folder, found {', '.join(wanted)}; give one")
    if folder is None:
        return {}
    chosen: dict[str, str] = {}
    for name in wanted or [name for name in known if (Path(folder) / name).is_dir()]:
        place = Path(folder) / name
        paths, _, left_out = files_of(known[name], place)
        for line in left_out:
            warnings.warn(line, stacklevel=2)
        there = known[name].models(paths)
        if missing := [model for model in (wanted or {}).get(name, ()) if model not in there]:
            known = ", ".join(there) or "none"
            raise ProductError(
                f"process_models: {name}: expected models of {place} ({known}), found {missing[0]!r}; correct it"
            )
        for model in (wanted or {}).get(name, there):
            if model in chosen:
                raise ProductError(
                    f"process_models: {model} is in {chosen[model]} and in {name}; name the models of one of them"
                )
            chosen[model] = name
    return chosen


# Which files of a folder are a product's, and which would be if they were unpacked, whole, or named otherwise.


def files_of(entry: Product, folder: Path) -> tuple[list[Path], dict[Path, str], list[str]]:
    """Look for a product's files in its own folder of a folder of products, or else in that folder itself.

    Links are followed; what systems and editors hide there is not looked at.

    Returns
    -------
    list of Path
        The files.
    dict
        Of each that would be one of the product's: what is to be done about it.
    list of str
        What to say of these: a line each for towers, one for maps, of which a missing one is told by its date.
    """
    every, seen = [], set()
    own = folder / entry.id if (folder / entry.id).is_dir() else folder
    for place, folders, names in os.walk(own, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if name[0] != "." and name != "__MACOSX"]
        every += [] if real in seen else [Path(place) / name for name in (*folders, *names) if name[0] != "."]
        seen.add(real)
    every.sort()
    answered = entry.notes.get("answered")  # none of the product's, but taken for one: the reader says what it is
    paths = [
        path
        for path in every
        if path.is_file() and (entry.file.search(path.name) or (answered and re.search(answered, path.name)))
    ]
    there = {ENDINGS.sub("", path.name) for path in paths}
    inside = {*paths, *(parent for path in paths for parent in path.parents)}
    unread = {}
    for path in every:
        second = ENDINGS.sub("", ADDED.sub("", path.name)) in there
        if path not in inside and not second and (remedy := _remedy(entry, path)):
            unread[path] = remedy
    shown = list(unread.items())[: None if entry.of_towers else 1]
    more = f" (and {len(unread) - len(shown)} more)" if len(unread) > len(shown) else ""
    expected = f"expected a file named like {entry.example}, plain, .gz or .zip"
    return paths, unread, [f"{path}{more}: {expected}, so it is left out; {remedy}" for path, remedy in shown]


def _remedy(entry: Product, path: Path) -> str:
    """Return what would make a file one of the product's; nothing where it isn't."""
    alike = re.compile(entry.file.pattern, re.IGNORECASE).search
    first, ending = ADDED.sub("", path.name), path.suffix.lower()
    if not path.is_file():
        return "put the file itself in its place" if alike(first) else ""
    if alike(first):
        return (
            f"rename it to {first}"
            if first != path.name
            else f"rename it, in upper and lower case like {entry.example}"
        )
    if ending in UNFINISHED:
        return "its download was not finished: fetch it again" if alike(path.stem) else ""
    if "model" in entry.file.groupindex and plain_name(path.name).lower().endswith((".nc", ".nc4")):
        stored = {name.lstrip("-") for sets in entry.notes["sets"].values() for names in sets for name in names}
        flux = stored & set(re.split(r"[-_.]", path.name))  # others, such as masks, are nobody's loss
        return f"name it like {entry.example}, after its model" if flux and entry.id in path.parts else ""
    if ending not in (*PACKED, *UNREAD) or "^" not in entry.file.pattern[:5]:
        return ""  # without an anchor any name is the product's
    plain = ENDINGS.sub("", first)
    names = [*(plain + of_data for of_data in ("", *DATA_ENDINGS, ".zip")), *members(path)]
    return "unpack it" if any(map(alike, names)) else ""


def _one_of_each(entry: Product, paths: list[Path]) -> None:
    """Refuse files of several versions, and a packed map beside its unpacked copy."""
    examples, plain = {}, {}
    for path in paths:
        if found := entry.file.search(path.name):
            examples.setdefault(found.groupdict().get("version"), path.name)
        twin = plain.setdefault(plain_name(str(path)), path)
        if twin != path and not entry.of_towers:
            raise ProductError(f"{path}: expected one copy of each file, found {twin.name} too; remove one of the two")
    told = sorted((version, name) for version, name in examples.items() if version)
    if len(told) > 1:
        named = " and ".join(f"{version} (such as {name})" for version, name in told)
        raise ProductError(f"{paths[0].parent}: expected one version of {entry.id}, found {named}; keep one")
