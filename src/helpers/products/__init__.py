"""The one door to product files: native file in, canonical Dataset out.

``read("cru_tmp", paths, years=[2000])`` finds the product in data/products.yml, calls the module of its family, and
gives back variables with the book's names, units and CF attributes. What a family's file looks like stands at the top
of its module: `cru`, `spei_base`, `glass`, `modis`, `mcd12c1`, `soilgrids`, `fluxnet`, `process_models`.

>>> product("cru_tmp").example
'cru_ts4.05.1901.2020.tmp.dat.nc'
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import xarray as xr

from helpers.products import packed, registry
from helpers.products.csv_columns import columns_of
from helpers.products.errors import DamagedFile, ProductError
from helpers.products.packed import plain_name
from helpers.products.pixels import pixel
from helpers.products.registry import Product, first_year, product, products, table, variables_table
from helpers.products.towers import accounts, names, rules
from helpers.products.towers.accounts import dropped

__all__ = [
    "DamagedFile",
    "Product",
    "ProductError",
    "columns_of",
    "dropped",
    "find",
    "first_year",
    "pixel",
    "product",
    "products",
    "read",
    "table",
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
        Besides, there are files of the product that are packed or spelled in a way that is not read, second copies,
        unfinished downloads, links to nothing or folders of such a name: a line each for towers, else one.
    """
    return _looked_for(registry.product(product_id), Path(folder))[0]


def _looked_for(entry: Product, folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return a product's files, and those that would be its, with what is wrong with each; warn of these as `find`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of product files, found none; correct the path")
    place = folder / entry.id if (folder / entry.id).is_dir() else folder
    every = sorted(place.rglob("*"))
    paths = [path for path in every if path.is_file() and (entry.file.search(path.name) or _answered(entry, path))]
    unread = _unread(entry, every, paths)
    lines = _lines(entry, unread)
    if unread and not paths:
        raise FileNotFoundError(lines[0] if len(unread) == 1 else f"{lines[0]} (one of {len(unread)} such)")
    for line in lines:
        warnings.warn(line, stacklevel=3)
    if not paths:
        instead = _mistaken(entry, folder)
        raise FileNotFoundError(f"{place}: expected files named like {entry.example}, found none. {instead}{entry.get}")
    _one_of_each(entry, place, paths)
    return paths, unread


def _answered(entry: Product, path: Path) -> bool:
    """Say whether a file is none of the product's but taken for one, so that the reader says what it is."""
    pattern = entry.notes.get("answered")
    return bool(pattern and re.search(pattern, path.name))


def _of_towers(entry: Product) -> bool:
    """Say whether each file is a site's: one left out is a site lost, and of two the reader settles which to keep."""
    return "site" in entry.file.groupindex


def _unread(entry: Product, every: list[Path], paths: list[Path]) -> dict[Path, str]:
    """Return what would be the product's if it were unpacked, whole, or spelled as the product spells it, and how."""
    read, there = set(paths), {packed.unpacked_name(path.name) for path in paths}
    inside = {parent for path in paths for parent in path.parents}
    left = {}
    for path in every:
        again = packed.unpacked_name(packed.first_name(path.name)) in there
        if path not in read and path not in inside and not again and (remedy := _remedy(entry, path)):
            left[path] = remedy
    return left


def _lines(entry: Product, unread: dict[Path, str]) -> list[str]:
    """Say what is left out: in a line each for towers, in one for maps, of which a missing one is told by its date."""
    shown = list(unread.items())[: None if _of_towers(entry) else 1]
    more = f" (and {len(unread) - len(shown)} more)" if len(unread) > len(shown) else ""
    expected = f"expected a file named like {entry.example}, plain, .gz or .zip"
    return [f"{path}{more}: {expected}, so it is left out; {remedy}" for path, remedy in shown]


def _remedy(entry: Product, path: Path) -> str:
    """Return what would make a file one of the product's; nothing where it isn't."""
    alike, spelled = re.compile(entry.file.pattern, re.IGNORECASE), f"in upper and lower case like {entry.example}"
    if not path.is_file():
        what = "a folder: give the file in it" if path.is_dir() else "a link to nothing: put the file in its place"
        return f"this is {what}" if alike.search(path.name) else ""
    if alike.search(path.name):
        return f"rename it, {spelled}"
    if path.suffix.lower() in packed.UNFINISHED and alike.search(path.stem):
        return "its download was not finished: fetch it again"
    first = packed.first_name(path.name)
    if first != path.name and alike.search(first):
        return f"rename it to {first}" + ("" if entry.file.search(first) else f", {spelled}")
    if path.suffix.lower() not in (*packed.PACKED, *packed.UNREAD):
        return ""
    plain, known = packed.unpacked_name(first), "^" in entry.file.pattern[:5]  # else any name is the product's
    names = [plain, *(plain + ending for ending in (*packed.DATA, ".zip") if known), *packed.members(path)]
    return "unpack it" if any(alike.search(name) for name in names) else ""


def _aside(unread: dict[Path, str], selection: dict) -> list[tuple[str, int, str, str]]:
    """Return the site-years of towers' files that no reader was given, as far as their names tell."""
    years = rules.wanted_years(selection.get("years"))
    return [
        (site, year, f"not read as it is: {remedy}", path.name)
        for path, remedy in unread.items()
        for site, year in names.of_file(path, years)
    ]


def _one_of_each(entry: Product, place: Path, paths: list[Path]) -> None:
    """Refuse files of several versions, and a packed map beside its unpacked copy."""
    examples, plain = {}, {}
    for path in paths:
        if found := entry.file.search(path.name):
            examples.setdefault(found.groupdict().get("version"), path.name)
        twin = plain.setdefault(path.parent / plain_name(path.name), path)
        if twin != path and not _of_towers(entry):
            raise ProductError(f"{path}: expected one copy of each file, found {twin.name} too; remove one of the two")
    told = sorted((version, name) for version, name in examples.items() if version)
    if len(told) > 1:
        named = " and ".join(f"{version} (such as {name})" for version, name in told)
        raise ProductError(f"{place}: expected one version of {entry.id}, found {named}; keep one")


def _mistaken(entry: Product, folder: Path) -> str:
    """Say so where a folder holds files of a product that is easily taken for this one."""
    for other in entry.notes.get("mistaken_for", ()):
        pattern = registry.product(other).file
        names = sorted(path.name for path in folder.rglob("*") if path.is_file() and pattern.search(path.name))
        if names:
            return f"{names[0]} is there, which is another product: read it as {other}, not as {entry.id}. "
    return ""


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
    paths = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    looked = [_looked_for(entry, path) if path.is_dir() else ([path], {}) for path in paths]
    paths = [file for files, _ in looked for file in files]
    unread = {file: remedy for _, left in looked for file, remedy in left.items()}
    if not paths:
        raise ProductError(f"{product_id}: expected at least one file, found none; see find()")
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: expected a file of {product_id}, found none; correct the path")
    odd = [path for path in paths if path.suffix.lower() in packed.UNREAD or path.name.lower().endswith(".tar.gz")]
    if odd:
        raise ProductError(f"{odd[0]}: expected a file that is plain, .gz or .zip, found {odd[0].suffix}; unpack it")
    _one_of_each(entry, paths[0].parent, paths)
    reader = import_module(f"helpers.products.{entry.family}").read
    parameters = inspect.signature(reader).parameters
    known = [name for name in parameters if name not in ("product", "paths")]
    unknown = [name for name in selection if name not in known]
    if unknown:
        raise ProductError(f"{product_id}: selection {unknown[0]!r} is unknown; known are {', '.join(known)}")
    # Years are looked at again below, which a generator doesn't survive.
    selection = {name: list(told) if isinstance(told, Iterator) else told for name, told in selection.items()}
    ds = reader(entry, paths, **selection) if "product" in parameters else reader(paths, **selection)
    return accounts.with_unread(ds, _aside(unread, selection)) if _of_towers(entry) else ds
