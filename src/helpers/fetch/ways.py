"""How each product is fetched: the mapping ``fetch`` of its entry in data/products.yml, checked.

``how`` is one of

http
    Public. ``url`` is a template in which ``{file}`` stands for each name of ``files``; or ``listing`` is a page whose
    links are taken where their names match the product's ``file`` (and ``select``), once a ``{year}``. Sub-folders of
    a listing that are named by a day of the year are looked into.
earthdata
    NASA's, with the user's own login. ``collection`` is what the archive's catalogue is asked for.
form
    Behind a form: ``steps`` say what to do.
local
    Nothing to fetch; ``steps`` say why.

``options`` give what a user may choose: a name, its values (the first is the default), and the words that each value
puts in place of ``{word}`` in the templates. The value itself stands for its own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from helpers.fetch.errors import FetchError, Source
from helpers.products.registry import Product

HOWS = {"http": "public", "earthdata": "free login", "form": "form", "local": "nothing to fetch"}


@dataclass(frozen=True)
class Way:
    """How one product is fetched.

    Parameters
    ----------
    how : str
        A key of `HOWS`.
    page : str
        The product's own page, for people.
    size : str
        How much disk it takes, in words.
    url, files : str, tuple of str
        Template of an address, and of the names that it is filled with.
    listing, select : str
        Template of a page of links; a regular expression that narrows the product's own pattern.
    into : str
        Template of the sub-folder that a file goes to, filled with the named groups of the product's pattern.
    collection : mapping
        What the catalogue of Earthdata is asked for: ``short_name`` and ``version``, or ``doi``.
    years : tuple of int
        First and last year, where nobody asks for others; empty where files hold all years.
    options : mapping
        See the top of this module.
    sums : mapping of str to str
        Checksums that the publisher gives, by name: ``sha256:…`` or ``md5:…``.
    sums_url : str
        Template of the publisher's own file of checksums.
    steps : tuple of str
        What a person has to do.
    """

    how: str
    page: str = ""
    size: str = ""
    url: str = ""
    files: tuple[str, ...] = ()
    listing: str = ""
    select: str = ""
    into: str = ""
    collection: Mapping[str, str] = field(default_factory=dict)
    years: tuple[int, ...] = ()
    options: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)
    sums_url: str = ""
    steps: tuple[str, ...] = ()

    def choose(self, product_id: str, asked: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return what is chosen, a value an option, and the words that this puts into the templates.

        Raises
        ------
        FetchError
            There is no such option, or the option has no such value.
        """
        if unknown := [name for name in asked if name not in self.options]:
            known = ", ".join(self.options) or "none"
            raise FetchError(f"{product_id}: there is no option {unknown[0]!r}; its options are {known}")
        chosen, words = {}, {}
        for name, values in self.options.items():
            value = str(asked.get(name, next(iter(values))))
            if value not in values:
                raise FetchError(f"{product_id}: expected {name} to be {' or '.join(values)}, found {value!r}")
            chosen[name] = value
            words |= {name: value} | {key: str(word) for key, word in (values[value] or {}).items()}
        return chosen, words

    def source(self, product_id: str) -> Source:
        """Return whom errors speak for."""
        return Source(product_id, self.page, self.how == "earthdata")


def fill(template: str, words: Mapping[str, str]) -> str:
    r"""Put words in place of ``{word}``; braces that hold no known word stay, as in regular expressions.

    >>> fill(r"{variable}_\d{4}", {"variable": "tmp"})
    'tmp_\\d{4}'
    """
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), template)


def of(product: Product) -> Way:
    """Return how a product is fetched.

    Raises
    ------
    FetchError
        Its entry says nothing about it, or something that cannot be.
    """
    where = f"data/products.yml: fetch of {product.id}"
    told = dict(product.fetch)
    if told.get("how") not in HOWS:
        raise FetchError(f"{where}: expected how to be {', '.join(HOWS)}, found {told.get('how')!r}; correct it")
    known = [item.name for item in fields(Way)]
    if unknown := [key for key in told if key not in known]:
        raise FetchError(f"{where}: {unknown[0]!r} is unknown; known are {', '.join(known)}")
    for key in ("files", "years", "steps"):
        told[key] = tuple(told.get(key, ()))
    way = Way(**told)
    needs = {
        "http": bool(way.page and ((way.url and way.files) or way.listing)),
        "earthdata": bool(way.page and way.collection),
        "form": bool(way.page and way.steps),
        "local": bool(way.steps),
    }
    if not needs[way.how]:
        raise FetchError(f"{where}: it lacks what a product fetched by {way.how} needs; see helpers.fetch.ways")
    return way
