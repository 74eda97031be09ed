"""The one door to product files: native file in, canonical Dataset out.

``read("cru_tmp", paths, years=[2000])`` finds the product in data/products.yml, calls the module of its family, and
gives back variables with the book's names, units and CF attributes. What a family's file looks like stands at the top
of its module: `climate`, `satellite`, `soil`, `towers`, `process_models`, ….

>>> product("cru_tmp").example
'cru_ts4.05.1901.2020.tmp.dat.nc'
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import xarray as xr

from helpers.products import compression, finding, registry
from helpers.products.csv_columns import columns_of
from helpers.products.errors import DamagedFile, ProductError
from helpers.products.registry import Product, first_year, product, products, variables_table
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
    return finding.looked_for(registry.product(product_id), Path(folder))[0]


def pixel(product_id: str, path: str | Path) -> str:
    """Say how large a pixel of a gridded product's file is: ``"0.5°"``, ``"463 m"``.

    Raises
    ------
    ProductError
        The product has no pixels, or the file does not say how large they are.
    """
    return import_module("helpers.products.satellite").pixel(registry.product(product_id), Path(path))


def _aside(unread: dict[Path, str], selection: dict) -> list[tuple[str, int, str, str]]:
    """Return the site-years of towers' files that no reader was given, as far as their names tell."""
    years = rules.wanted_years(selection.get("years"))
    return [
        (site, year, f"not read as it is: {remedy}", path.name)
        for path, remedy in unread.items()
        for site, year in names.of_file(path, years)
    ]


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
    looked = [finding.looked_for(entry, path) if path.is_dir() else ([path], {}) for path in paths]
    paths = [file for files, _ in looked for file in files]
    unread = {file: remedy for _, left in looked for file, remedy in left.items()}
    if not paths:
        raise ProductError(f"{product_id}: expected at least one file, found none; see find()")
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: expected a file of {product_id}, found none; correct the path")
    odd = [path for path in paths if path.suffix.lower() in compression.UNREAD or path.name.lower().endswith(".tar.gz")]
    if odd:
        raise ProductError(f"{odd[0]}: expected a file that is plain, .gz or .zip, found {odd[0].suffix}; unpack it")
    finding.one_of_each(entry, paths[0].parent, paths)
    reader = import_module(f"helpers.products.{entry.family}").read
    parameters = inspect.signature(reader).parameters
    known = [name for name in parameters if name not in ("product", "paths")]
    unknown = [name for name in selection if name not in known]
    if unknown:
        raise ProductError(f"{product_id}: selection {unknown[0]!r} is unknown; known are {', '.join(known)}")
    if isinstance(years := selection.get("years"), int | str | bytes):
        raise ProductError(
            f"{product_id}: years: expected calendar years, such as [2000, 2001], or None, found {years!r}; give a list"
        )
    # Years are looked at again below, which a generator doesn't survive.
    selection = {name: list(told) if isinstance(told, Iterator) else told for name, told in selection.items()}
    ds = reader(entry, paths, **selection) if "product" in parameters else reader(paths, **selection)
    return accounts.with_unread(ds, _aside(unread, selection)) if finding.of_towers(entry) else ds
