"""The one door to product files: native file in, canonical Dataset out.

``read("cru_tmp", paths, years=[2000])`` finds the product in data/products.yml, calls the reader of its family, and
gives back variables with the book's names, units and CF attributes. What a family's file looks like stands at the top
of its module: `climate`, `satellite`, `rasters`, `towers`, `process_models`, ….

>>> product("cru_tmp").example
'cru_ts4.05.1901.2020.tmp.dat.nc'
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pandas as pd
import xarray as xr

from helpers.products import compression, registry
from helpers.products.compression import ADDED, ENDINGS
from helpers.products.registry import DamagedFile, Product, ProductError, first_year, product, products, variables_table
from helpers.space import grid

__all__ = [
    "DamagedFile",
    "Product",
    "ProductError",
    "dropped",
    "find",
    "first_year",
    "pixel",
    "product",
    "products",
    "read",
    "variables_table",
]


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
    return _find(registry.product(product_id), Path(folder))[0]


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
    entry = registry.product(product_id)
    files, unread = [], {}
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        inside, left = _find(entry, path) if path.is_dir() else ([path], {})
        files += inside
        unread |= left
    if not files:
        raise ProductError(f"{product_id}: expected at least one file, found none; see find()")
    for path in files:
        if not path.exists():
            raise FileNotFoundError(f"{path}: expected a file of {product_id}, found none; correct the path")
        if path.suffix.lower() in compression.UNREAD or path.name.lower().endswith(".tar.gz"):
            raise ProductError(f"{path}: expected a file that is plain, .gz or .zip, found {path.suffix}; unpack it")
    _one_of_each(entry, files[0].parent, files)
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
    if selection.get("years") is not None:
        selection["years"] = _calendar_years(product_id, selection["years"])
    ds = reader(*((entry,) if "product" in parameters else ()), files, **selection)
    return family.with_unread(ds, unread, selection.get("years")) if unread and entry.of_towers else ds


def _calendar_years(product_id: str, years: Iterable[int]) -> list[int]:
    """Return years as a list of whole numbers, and refuse what is none."""
    try:
        given = list(years)
        whole = [int(year) for year in given if not isinstance(year, str)]
    except (TypeError, ValueError, OverflowError):
        given, whole = None, []
    if given != whole or not whole:
        raise ProductError(
            f"{product_id}: years: expected calendar years, such as [2000, 2001], or None, found {years!r}; give a list"
        )
    return whole


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
    hdf4, netcdf, rasters = (import_module(f"helpers.products.{kind}") for kind in ("hdf4", "netcdf", "rasters"))
    path, field = Path(path), next(iter(registry.product(product_id).fields), None)
    name, eos_grid = (field.stored, field.grid) if field else (None, None)
    ending = Path(compression.plain_name(path.name)).suffix
    if ending in (".nc", ".nc4"):
        with netcdf.opening(path) as ds:
            if ds.sizes["lat"] < 2:
                raise ProductError(f"{path}: holds one row of cells, which does not say how high they are")
            height, geographic = grid.of(ds).resolution, True
    elif ending in (".hdf", ".tif", ".tiff", ".vrt"):
        hdf = ending == ".hdf" and contextlib.nullcontext(hdf4.read(path, name, eos_grid))
        with hdf or rasters.opening(path) as one:
            height, geographic = abs(one.transform.e), one.geographic
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


# Which files of a folder are a product's, and which would be if they were unpacked, whole, or named otherwise.


def files_of(entry: Product, folder: Path) -> tuple[list[Path], dict[Path, str], list[str]]:
    """Look for a product's files in a folder, behind links too, but not among what systems and editors hide there.

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
    for place, folders, names in os.walk(folder, followlinks=True):
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


def _find(entry: Product, folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return what `files_of` finds in a product's folder; refuse and warn as `find`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of product files, found none; correct the path")
    place = folder / entry.id if (folder / entry.id).is_dir() else folder
    paths, unread, lines = files_of(entry, place)
    if not paths:
        others = (registry.product(name) for name in entry.notes.get("mistaken_for", ()))
        alike = [(path, other.id) for other in others for path in files_of(other, folder)[0]]
        instead = f"{alike[0][0].name} is another product: read it as {alike[0][1]}. " if alike else ""
        raise FileNotFoundError(
            lines[0]
            if lines
            else f"{place}: expected files named like {entry.example}, found none. {instead}{entry.get}"
        )
    for line in lines:
        warnings.warn(line, stacklevel=3)
    _one_of_each(entry, place, paths)
    return paths, unread


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
    if ending in compression.UNFINISHED:
        return "its download was not finished: fetch it again" if alike(path.stem) else ""
    if "model" in entry.file.groupindex and compression.plain_name(path.name).lower().endswith((".nc", ".nc4")):
        stored = {name.lstrip("-") for sets in entry.notes["sets"].values() for names in sets for name in names}
        flux = stored & set(re.split(r"[-_.]", path.name))  # others, such as masks, are nobody's loss
        return f"name it like {entry.example}, after its model" if flux and entry.id in path.parts else ""
    if ending not in (*compression.PACKED, *compression.UNREAD) or "^" not in entry.file.pattern[:5]:
        return ""  # without an anchor any name is the product's
    plain = ENDINGS.sub("", first)
    names = [*(plain + of_data for of_data in ("", *compression.DATA, ".zip")), *compression.members(path)]
    return "unpack it" if any(map(alike, names)) else ""


def _one_of_each(entry: Product, place: Path, paths: list[Path]) -> None:
    """Refuse files of several versions, and a packed map beside its unpacked copy."""
    examples, plain = {}, {}
    for path in paths:
        if found := entry.file.search(path.name):
            examples.setdefault(found.groupdict().get("version"), path.name)
        twin = plain.setdefault(path.parent / compression.plain_name(path.name), path)
        if twin != path and not entry.of_towers:
            raise ProductError(f"{path}: expected one copy of each file, found {twin.name} too; remove one of the two")
    told = sorted((version, name) for version, name in examples.items() if version)
    if len(told) > 1:
        named = " and ".join(f"{version} (such as {name})" for version, name in told)
        raise ProductError(f"{place}: expected one version of {entry.id}, found {named}; keep one")
