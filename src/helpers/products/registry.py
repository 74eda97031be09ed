"""What the book knows about each product, read from data/products.yml: the facts stand there, not in code.

With them stands what is decided here alone: what is said of a file that cannot be read, which numbers mean "no value",
and how tables write the classes of land cover.
"""

from __future__ import annotations

import errno
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from pyhdf.error import HDF4Error
from rasterio.errors import RasterioError

from helpers.space.regions import IGBP, IGBP_CODES
from helpers.stats.labels import GAPS
from helpers.workspace import DATA

REGISTRY = DATA / "products.yml"


# What can be wrong with a product file, said in one line.


class ProductError(ValueError):
    """A product file is not what its product's layout promises; the message says where and what to do."""


class DamagedFile(ProductError):
    """A product file cannot be read: cut short, or of another format."""


# What the libraries underneath raise on damaged bytes; our own one-line errors pass through untouched.
_DAMAGE = (OSError, RuntimeError, EOFError, UnicodeDecodeError, HDF4Error, RasterioError, zipfile.BadZipFile)
_DAMAGE += (zlib.error, lzma.LZMAError, struct.error)

REMEDIES = {
    errno.EACCES: "may not be read; give yourself the permission",
    errno.EPERM: "may not be read; give yourself the permission",
    errno.ENOENT: "is not there any more; put it back",
    errno.EISDIR: "is a folder; give the file",
    errno.EMFILE: "cannot be opened beside so many others; raise the limit of open files (ulimit -n)",
    errno.ENOSPC: "cannot be unpacked, since the disk is full; make room",
}
"""What keeps a file that is whole from being read, and what to do."""


@contextmanager
def reading(path: Path, remedy: str = "fetch it again") -> Iterator[None]:
    """Turn any library's error while ``path`` is read into a `DamagedFile` that names the file and the remedy."""
    try:
        yield
    except ProductError:
        raise
    except _DAMAGE as error:
        if getattr(error, "errno", None) in REMEDIES:
            raise ProductError(f"{path}: {REMEDIES[error.errno]}") from error
        raise DamagedFile(
            f"{path}: cannot be read; it is damaged, cut short or of another format than its name tells: compare its "
            f"size with its source's, or {remedy}"
        ) from error


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


@lru_cache
def _content() -> dict:
    return yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))


def products() -> dict[str, Product]:
    """Return every known product by its id, in the registry's order."""
    return {product_id: product(product_id) for product_id in _content()["products"]}


@lru_cache
def product(product_id: str) -> Product:
    """Return one product.

    Raises
    ------
    ProductError
        The id is unknown, and the message lists those that are known; or a key of its entry is lacking or unknown.
    """
    known = _content()["products"]
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


# Which numbers mean "no value". Tables and files mark gaps by a number that cannot be one: -9999, 1e30. They write it
# with decimals (-9999.000), cut it (-999.9, -99) and seldom declare it. So numbers are compared as numbers, however
# they are written, with what a variable can be (`limits`); of one that isn't known, the column's other numbers say it.

HUGE = 1e15
"""Beyond this no variable of the book has a value: CRU marks gaps by 9.97e36, SPEIbase by 1e30, CMIP by 1e20."""

GAP_TEXTS = (*GAPS, "inf", "-inf", "+inf", "infinity", "-infinity")
"""How tables write a missing number in words, in lower case."""

NINES = np.array([99, 999, 9999, 99999, 999999], "float64")
"""Whole parts of the numbers that mark gaps; decimals follow (-999.9), or come of arithmetic on the fill (-9999.4)."""

OTHERS = (-9.99, -3000, -6999, -7777, -8888, 65535, *(10.0**k for k in range(10, 15)))
OTHERS += (-32768, -32767, 32767, -2147483648, 2147483647)
"""Further marks: of loggers, and the ends of what whole numbers of two and four bytes hold."""

SEVERAL, MANY = 3, 10
"""A mark among possible values is a gap when it is so many times as large as any other number: of a variable that the
registry knows, and of one that nobody knows."""

CLOSE = 1e-6
"""Relative difference of two numbers that are one: single precision keeps seven digits."""


def _marks(values: np.ndarray) -> np.ndarray:
    """Say which numbers are written in nines alone (±99, -9999, -999.9, 99.99), or are other usual marks of gaps."""
    out = np.zeros(values.shape, bool)
    for whole in NINES:
        for mark in (whole, whole + 0.9, whole + 0.99, whole + 0.999):
            out |= (np.abs(np.abs(values) - mark) <= CLOSE * mark) & (np.abs(values) < whole + 1)  # 1e5 is a value
    for mark in OTHERS:
        out |= np.abs(values - mark) <= CLOSE * abs(mark)
    return out


def fills(values: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf), scale: float = 1.0) -> np.ndarray:
    """Say which numbers mean "no value"; NaN does.

    A mark of gaps (`NINES`, `OTHERS`) outside the variable's limits is one. Within them it is judged by the column's
    other numbers:

    - *Fluxes*, whose limits lie below zero for noise alone: a negative mark is a gap where no other number is negative,
      or where it lies further below all others than these lie apart. So is one of three digits or more below them all.
    - *Other variables with limits*: a negative mark of three digits or more is a gap where it lies so far below.
    - *Variables without limits*: a negative mark is a gap where no other number is negative, where it lies further
      below all others than these are large, or where it has three digits or more and lies below them all.
    - A positive mark is a gap where it is `SEVERAL` times as large as any other number (`MANY` times, and of three
      digits or more, without limits).
    - *Shares*, of 0 to 1: 99 is a wrong number, in percent, and no gap.

    Parameters
    ----------
    values : ndarray (…)
        Numbers as stored: a whole column, since numbers are judged by the others.
    limits : (float, float)
        What the variable can be, in the book's units.
    scale : float
        What stored numbers are multiplied by to reach these units.

    Returns
    -------
    ndarray of bool (…)
        The rest are values, or wrong: the readers refuse those.

    Examples
    --------
    >>> fills(np.array([12.5, -9999.000, -99, 1e30, 300]), limits=(-90, 60)).tolist()
    [False, True, True, True, False]
    >>> fills(np.array([812, -99, -999.9]), limits=(-5, 15), scale=0.001).tolist()
    [False, True, True]
    >>> fills(np.array([-5.2, 3, -99, 9999.9])).tolist(), fills(np.array([-400, 200, -99, 999])).tolist()
    ([False, False, True, True], [False, False, False, False])
    """
    shape, values = np.shape(values), np.ravel(np.asarray(values, "float64"))
    with np.errstate(invalid="ignore", over="ignore"):
        none = ~(np.abs(values) < HUGE)
        low, high = sorted(limit / scale for limit in limits)
        outside = ~none & ((values < low) | (values > high))
        marks = _marks(values[outside])
        if tuple(limits) == (0, 1):
            marks &= ~((values[outside] > 0) & (values[outside] < 100))
        for whole in NINES[1:]:  # what arithmetic leaves of -9999 is one as well
            marks |= (values[outside] <= -whole) & (values[outside] > -whole - 1)
        none[outside] = marks
        inside = ~none & ~outside
        none[inside] = _odd(values[inside], low, high)
    return none.reshape(shape)


def _odd(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Say which marks of gaps lie so far from the other numbers, all within the limits, that they are none of them."""
    known = np.isfinite(low) or np.isfinite(high)
    noise = known and low < 0 and -2 * low <= high  # a variable of both signs has limits on both sides of zero alike
    marks = _marks(values)
    if not known:
        marks |= (values <= -9999) & (values > -10000)
    others = values[~marks]
    if not others.size:  # nothing to judge by: only what is sure
        return marks & (values <= (-99 if noise or low == 0 else -999))
    least, size = others.min(), np.abs(others).max()
    reach = others.max() - least if known else size
    far = (values < least) & (least - values > reach)
    gaps = far & (values <= -999)
    if noise or not known:
        gaps |= (values <= -99) & ~(others < 0).any()  # -9.99 may be the one frost of a warm year
        gaps |= (values < 0) & (far | ((values < least) & (values <= -999)))
    gaps |= (values > SEVERAL * size) & (values >= 99.9) if known else (values > MANY * size) & (values >= 999)
    return marks & gaps


# Land cover classes of IGBP, and the many ways in which tables of towers write them.

EDITIONS = {
    "Water": 0,
    "Closed shrub": 6,
    "Open shrub": 7,
    "Woody savannahs": 8,
    "Savannahs": 9,
    "Grass": 10,
    "Wetlands": 11,
    "Crops": 12,
    "Cultivated": 12,
    "Urban": 13,
    "Urban and built-up": 13,
    "Cropland/Natural vegetation": 14,
    "Snow": 15,
    "Ice": 15,
    "Snow and ice": 15,
    "Snow or ice": 15,
    "Barren or sparsely vegetated": 16,
    "Barren sparse vegetation": 16,
}
"""Names of other editions of the legend, and short ones."""

IGBP_EXPECTED = f"one of {', '.join(IGBP_CODES)} (or its number or name)"
"""What a class may be, for messages."""

NO_CLASS = (-1, 254, 255)
"""Numbers for no class: our own; unclassified and fill in the files of MODIS."""

WATER_LAST = 17
"""Water in the legends that count from 1."""


SAID = {"and", "or", "the", "land", "lands", "forest", "forests"}
"""Words that editions of the legend add or leave out."""


def _letters(text: str) -> str:
    """Return the letters of a name's words, each without its plural, joined.

    >>> _letters("Evergreen Needle-leaf Forests"), _letters("Urban and Built-up Lands")
    ('evergreenneedleleaf', 'urbanbuiltup')
    """
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in SAID]
    return "".join(re.sub("(?<=...)s$", "", word) for word in words).replace("leaved", "leaf")


LONG = {_letters(name): code for code, (_, name) in IGBP.items()} | {_letters(n): code for n, code in EDITIONS.items()}


def _named(text: str) -> int | None:
    short = (IGBP_CODES | {"BAR": 16}).get(re.sub(r"[\W\d_]+", "", text).upper())
    return LONG.get(_letters(text)) if short is None else short


def igbp_code(text: str) -> int | None:
    """Return the code of a class as tables write it: abbreviation, number, full name, or several of these.

    Parameters
    ----------
    text : str
        In any case, with or without plurals: ``ENF``, ``1``, ``1.0``, ``Evergreen Needleleaf Forest``,
        ``WSA (Woody Savannas: lands with herbaceous …)``.

    Returns
    -------
    int or None
        0 to 16, or -1 where the text stands for no class; None where it is no class that is known.

    Examples
    --------
    >>> [igbp_code(text) for text in ("enf", "1.0", "Woody savanna", "WSA (Woody Savannas: lands …)", "17", "")]
    [1, 1, 8, 8, 0, -1]
    >>> igbp_code("MOON"), igbp_code("ENF (Croplands)"), igbp_code("1.5")
    (None, None, None)
    """
    text = text.strip()
    if text.lower() in (*GAP_TEXTS, "unclassified", "unknown"):
        return -1
    try:
        number = float(text)
    except ValueError:
        whole = _named(text)
        parts = {_named(part) for part in re.split(r"[():;,|]| [-–—] ", text)} - {None}
        return whole if whole is not None else parts.pop() if len(parts) == 1 else None
    if number in NO_CLASS or bool(fills(np.array(number), (0, max(NO_CLASS)))):
        return -1
    if number == WATER_LAST:
        return 0
    return int(number) if number in IGBP else None
