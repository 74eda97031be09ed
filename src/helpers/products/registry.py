"""What the book knows about each product, read from data/products.yml: the facts stand there, not in code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from helpers.products.errors import ProductError
from helpers.workspace import DATA

REGISTRY = DATA / "products.yml"


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "fill", tuple(float(number) for number in self.fill))
        if self.valid is not None:
            object.__setattr__(self, "valid", tuple(float(number) for number in self.valid))


@dataclass(frozen=True)
class Product:
    """One product: where it comes from, what its files are called, what they hold.

    ``file`` matches a file's name; its named groups (``version``, ``year``, ``day``, ``tile``, …) say what the name
    tells. ``family`` is the module that reads it. ``starts`` gives the first year of versions that begin later than
    others, ``fetch`` how the product is downloaded.
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


@lru_cache
def _content() -> dict:
    return yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))


def _product(key: str, about: dict) -> Product:
    """Return an entry of the registry; a key that is lacking or unknown is told by its name."""
    try:
        fields = tuple(Field(name, **spec) for name, spec in about["fields"].items())
        return Product(id=key, **{**about, "fields": fields, "file": re.compile(about["file"])})
    except (TypeError, KeyError, re.error) as error:
        raise ProductError(f"{REGISTRY}: product {key!r}: {error}; correct the entry") from error


@lru_cache
def products() -> dict[str, Product]:
    """Return every known product by its id, in the registry's order."""
    return {key: _product(key, about) for key, about in _content()["products"].items()}


def product(product_id: str) -> Product:
    """Return one product.

    Raises
    ------
    ProductError
        The id is unknown; the message lists those that are known.
    """
    if product_id not in products():
        raise ProductError(f"product {product_id!r} is unknown; known are {', '.join(products())}")
    return products()[product_id]


def first_year(entry: Product, version: str) -> int | None:
    """Return the first year of a version of a product, None where the registry states none."""
    return entry.starts.get(version)


def _canonical(name: str) -> tuple[dict, str]:
    """Return what the registry says of a variable, or of its family (``spei{}``), and the number of its name."""
    canonical, number = _content()["canonical"], re.search(r"\d*$", name)[0]
    own = canonical.get(name)
    return (own, "") if own is not None else (canonical.get(f"{name.removesuffix(number)}{{}}", {}), number)


def attributes(name: str) -> dict:
    """Return a canonical variable's CF attributes; those of a scale, such as ``spei12``, for any scale.

    >>> attributes("spei3")["long_name"]
    'drought index SPEI over the 3 months to December'
    """
    about, number = _canonical(name)
    about = {key: value for key, value in about.items() if key != "limits"}
    return about | {"long_name": about["long_name"].format(number)} if number and about else about


def limits(name: str) -> tuple[float, float]:
    """Return the least and the greatest that a canonical variable can be, in its units; no limits for other names.

    >>> limits("mat"), limits("spei6"), limits("my_own")
    ((-90.0, 60.0), (-40.0, 40.0), (-inf, inf))
    """
    low, high = _canonical(name)[0].get("limits", (-np.inf, np.inf))
    return float(low), float(high)


def describe(ds: xr.Dataset, entry: Product, version: str = "") -> xr.Dataset:
    """Give a Dataset of canonical variables its CF attributes, and say which product and version it comes from."""
    version = version or entry.version
    source = f"{entry.title}, version {version}"
    ds.attrs = {"product": entry.id, "product_version": version, "source": source, "references": entry.doi} | ds.attrs
    for name in ds.data_vars:
        ds[name].attrs = {**attributes(name), "source": source}
    return ds


def variables_table(product_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return what the products' files hold: a row a product and variable, for the page.

    Numbers are as stored, before the scale; a product that is a table of one's own has no row.
    """
    rows = []
    for key in product_ids or products():
        for f in product(key).fields:
            about = attributes(f.name)
            rows.append(
                {
                    "product": key,
                    "variable": f.name,
                    "units": about["units"],
                    "what it is": about["long_name"],
                    "stored as": f.stored,
                    "stored units": f.units,
                    "scale": f.scale,
                    "valid": f"{f.valid[0]:g} to {f.valid[1]:g}" if f.valid else "",
                    "fill": ", ".join(f"{value:g}" for value in f.fill),
                    "in all versions": not f.optional,
                }
            )
    return pd.DataFrame(rows)
