"""Getting the products: ``get("cru_tmp", folder)`` downloads what is public, and NASA's with your own login.

On the command line: ``python -m helpers.fetch cru_tmp``, or ``make data PRODUCT=cru_tmp``. Where a product comes from
stands in data/products.yml under ``fetch``. Its ``how`` is one of

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

A download is planned first (names and addresses), then carried out by pooch (Uieda et al. 2020,
doi:10.21105/joss.01943): aside, tried again where a connection breaks off, compared with its checksum, and put under
its own name only when it is whole, by the size that was announced and by what its own format says of its end. Numbers
that changed on the way are seen only where there is a checksum: in what is packed, and where a publisher gives one or
the file was fetched before. requests asks the servers, urllib3 asks again where one is busy or away, and
earthaccess searches and logs in. ``checksums.json`` in the folder of products maps ``<product>/<name>`` to the file's
SHA-256, its size in bytes, its address (without any query) and the version that was asked for. Where a publisher gives
no checksum, that of the first download is what later ones are compared with.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import html
import http.client
import json
import logging
import os
import re
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from numbers import Integral
from pathlib import Path, PurePath
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pooch
import requests
import urllib3
from filelock import Timeout
from requests.adapters import HTTPAdapter
from tqdm import tqdm

from helpers import products, workspace
from helpers.products import Product, ProductError, files, hdf4, netcdf, rasters

HOWS = {"http": "public", "earthdata": "free login", "form": "form", "local": "nothing to fetch"}
EARTHDATA = "https://urs.earthdata.nasa.gov"
ARCHIVES = re.compile(r"(?:[\w.-]+\.)?(?:nasa|usgs|ornl)\.gov|127\.0\.0\.1|localhost", re.ASCII)
"""Hosts that a login's token is shown to: NASA's archives, and this machine."""
HOW_TO_LOG_IN = (
    f"make a free account at {EARTHDATA}, then put your login into ~/.netrc (machine urs.earthdata.nasa.gov login NAME "
    "password WORD) or set EARTHDATA_TOKEN, and try again"
)
ADDRESS = re.compile(
    r"(?:https://[a-z0-9._-]+|http://(?:127\.0\.0\.1|localhost))(?::\d{1,5})?(?:[/?]\S*)?", re.IGNORECASE | re.ASCII
)
"""Encrypted, but for this machine; without user and password; with a host that every library reads alike."""
NAME = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))[a-z0-9][\w.+-]*(?<!\.)", re.IGNORECASE | re.ASCII)
"""File names that lead out of no folder, do not hide, and are no device of Windows."""
TILE = re.compile(r"h(?:[0-2]\d|3[0-5])v(?:0\d|1[0-7])")
BEGINNINGS = dict.fromkeys([".nc", ".nc4"], (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF")) | {
    ".hdf": (b"\x0e\x03\x13\x01",),
    ".gz": (b"\x1f\x8b",),
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
BEGINNINGS |= dict.fromkeys([".tif", ".tiff"], (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
"""What files begin with, by the ending of their names."""
WHOLE = {".nc": netcdf, ".nc4": netcdf, ".hdf": hdf4, ".tif": rasters, ".tiff": rasters}
"""What knows where a file ends, by the ending of its name."""
PAGE = "a web page (such as that of a login)"
RETRIES = 4
"""How often a file is begun anew whose connection broke off, or whose checksum is wrong; after 1, 2, 3 and 4 s."""
TIMEOUT = (30.0, 60.0)
"""Seconds for a connection to come about, and between two bytes."""
PATIENCE = 300.0
"""Seconds until an answer must have begun, with all redirects, and waits for servers that are busy."""
PIECE, SLOWEST = 2**20, 120.0
"""Bytes of which one reading is, and seconds that it may take: a server that gives fewer bytes than these is left."""
SEARCH = 3600.0
"""Seconds that Earthdata's catalogue may take for all its pages."""
LISTING, LINKS = 2**24, 20_000
"""Bytes that a page of links may have, and links on it; those that we know have some hundreds."""
RECORD, RECORDING = 2**26, 60.0
"""Bytes that checksums.json may have, some 200,000 files; and seconds that others may keep it from being written."""
CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
"""The line before a chunk, with its size; http.client would also take -1, and read all that comes into memory."""
LATER = "run the same again later"
LARGEST = 2**36
"""Bytes that a file may have; the largest that we know has a few gigabytes."""
SIZE, SHA256 = re.compile(r"\d{1,18}", re.ASCII), re.compile(r"[0-9a-f]{64}")
LEFT = re.compile(r"tmp[a-z0-9_]{8}")
"""What pooch, by Python's tempfile, calls a file that isn't whole yet."""
MANY_TILES = 16
"""More tiles than these are looked for among all of a year, rather than each by a question of its own."""


class _Again(urllib3.Retry):
    """Asks again when a server wishes, where that can be told; what it says meanwhile is not read."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Return for how many seconds a server asks to be left alone: 0 where it says nothing that can be read."""
        try:
            return super().parse_retry_after(retry_after)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return 0.0

    def increment(self, *args: Any, **found: Any) -> urllib3.Retry:
        """Return what is left of the attempts, and let go of an answer that isn't wanted."""
        if response := found.get("response"):
            response.close()
        return super().increment(*args, **found)


AGAIN = _Again(
    total=4, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False, retry_after_max=60
)
"""How often, and how long apart, a server is asked that is busy or away: after 0, 2, 4 and 8 s, or as it wishes."""

# They log whole addresses, with the signatures that archives put there, and what a server says of a login.
for library in ("urllib3.connectionpool", "urllib3.util.retry", "earthaccess.auth"):
    logging.getLogger(library).setLevel(logging.CRITICAL)


class FetchError(workspace.UserError, RuntimeError):
    """A product could not be fetched; the message says what was asked for, what came, and what to do.

    It is no ValueError, since pooch tries again after one.
    """


@dataclass(frozen=True)
class Way:
    """How one product is fetched; see the top of this module."""

    product: str  # its id
    how: str  # a key of HOWS
    page: str = ""  # the product's own page, for people
    size: str = ""  # how much disk it takes, in words
    url: str = ""
    files: tuple[str, ...] = ()
    listing: str = ""
    select: str = ""  # regular expression that narrows the product's own pattern
    into: str = ""  # template of a sub-folder, filled with the named groups of the product's pattern
    collection: Mapping[str, str] = field(default_factory=dict)
    years: tuple[int, ...] = ()  # first and last, where nobody asks for others; empty where files hold all years
    first: int = 0  # the first that there is, where that isn't the first of these
    options: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    steps: tuple[str, ...] = ()  # what a person has to do

    def choose(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return the words that the chosen options put into the templates, among them each option's value."""
        words = {}
        for name in {**self.options, **asked}:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise FetchError(f"{self.product}: there is no option {name!r:.60}; its options are {known}")
            values = self.options[name]
            value = str(asked.get(name, next(iter(values))))
            if value not in values:
                expected = f"expected {name} to be {' or '.join(values)}"
                raise FetchError(f"{self.product}: {expected}, found {value!r:.60}; choose one of these")
            words |= {name: value} | values[value]
        return words

    def error(self, url: str, found: str, remedy: str = "") -> FetchError:
        """Return the error for an address: what was expected there, what was found, and what to do."""
        return FetchError(f"{self.product}: {shown(url)}: {found}; {remedy or f'look at {self.page}'}")

    def no_entry(self, url: str, found: str) -> FetchError:
        """Return the error for an address that lets nobody in, or sends the page of a login."""
        where = f"log in at {EARTHDATA}" if self.how == "earthdata" else f"open {self.page} in a browser, log in there"
        return self.error(url, found, f"{where}, accept the licence (EULA) there or at {self.page}, and try again")


@dataclass(frozen=True)
class RemoteFile:
    """One file on a server; raises FetchError where it could lead out of its folder, or may not be asked for."""

    path: str  # where it goes, below the folder of products: the product's id, a sub-folder or none, and a name
    url: str
    checksum: str = ""  # algorithm:hexadecimal digits, as the publisher gives it; empty where it gives none

    def __post_init__(self) -> None:
        if not all(NAME.fullmatch(part) for part in self.path.split("/")):
            raise FetchError(f"expected a file name of letters, digits and . _ + -, found {self.path!r}; correct it")
        try:
            check(self.url)
        except FetchError as error:
            remedy = "correct 'fetch' in data/products.yml, or if a catalogue gave it, try again later"
            raise FetchError(f"{self.path}: {error}; {remedy}") from None


@dataclass(frozen=True)
class Plan:
    """What a download is to bring."""

    way: Way
    version: str  # what was chosen, empty where there is no choice
    files: tuple[RemoteFile, ...]
    notes: tuple[str, ...]  # what the user should know: years that there are not, choices that don't apply


def default_folder() -> Path:
    """Return the folder of products: ``RECO_PRODUCTS``, else ``products/`` of the repository."""
    return Path(os.environ.get("RECO_PRODUCTS") or workspace.ROOT / "products")


def way(product: Product) -> Way:
    """Return how a product is fetched, and what a person has to do for one that is not."""
    try:
        source = Way(product.id, **product.fetch)
        HOWS[source.how]
    except (TypeError, KeyError) as error:
        raise FetchError(f"data/products.yml: fetch of {product.id}: {error}; correct it") from error
    return source


def get(
    product: str | Product, folder: str | Path | None = None, *, connections: int = 2, **choice: object
) -> list[Path]:
    """Fetch a product's files; what is there already is not fetched again.

    Parameters
    ----------
    product : str or Product
        An id of data/products.yml.
    folder : path, optional
        Folder of products; the files go to its sub-folder named by the product id. Default `default_folder`.
    connections : int
        Files that come at one time; servers are shared, so few.
    **choice
        ``years``, ``tiles`` and ``options``, as in `plan`.

    Returns
    -------
    list of Path
        Sorted; `helpers.products.find` finds them. Of a product behind a form, the files that were put there by hand.

    Raises
    ------
    FetchError
        The product cannot be fetched by a command, and no file of it is there (the message holds the steps); a choice
        is not known, nothing fits it, a file cannot be had or written, or is not what its checksum says, or another
        process fetches the product. Files that have come stay.
    """
    entry, folder = products.product(product) if isinstance(product, str) else product, Path(folder or default_folder())
    if way(entry).steps and (by_hand := products.files_of(entry, folder / entry.id)[0]):
        return sorted(by_hand)
    todo = plan(entry, **choice)
    for note in todo.notes:
        warnings.warn(note, stacklevel=2)
    return carry_out(todo, folder, connections=connections)


def plan(
    product: Product,
    *,
    years: Iterable[int] | None = None,
    tiles: Iterable[str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Plan:
    """Find out which files to fetch, asking servers for their lists where names cannot be known.

    Parameters
    ----------
    product : Product
    years : iterable of int, optional
        Calendar years; by default those that the paper needs. Of no matter where a file holds all years.
    tiles : iterable of str, optional
        Tiles of the sinusoidal grid, such as "h18v04"; by default all.
    options : mapping of str to str, optional
        What else the product lets one choose, such as ``{"version": "4.09"}``.
    """
    source = way(product)
    if source.steps:
        why = "it is behind a form" if source.how == "form" else "there is nothing to fetch"
        raise FetchError(f"{product.id}: expected a product to download, but {why}: {' '.join(source.steps)}")
    words = source.choose(options or {})
    version = words.get("version", "")
    years, notes = _years(product, source, version, years)
    tiles = tuple(dict.fromkeys(str(tile).strip() for tile in tiles or ()))
    if wrong := [tile for tile in tiles if not TILE.fullmatch(tile)]:
        expected = "expected tiles such as h18v04 (h00 to h35, v00 to v17)"
        raise FetchError(f"{product.id}: {expected}, found {wrong[0]!r:.60}; correct it")
    if tiles and "tile" not in product.file.groupindex:
        tiles, notes = (), [*notes, f"{product.id}: tiles are of no matter here: each file is global"]
    if source.how == "earthdata":
        files = search(source, product, words, years, tiles)
    elif source.listing:
        files = [file for year in years or ("",) for file in _listed(product, source, words | {"year": str(year)})]
    else:
        names = [fill(template, words) for template in source.files]
        files = [RemoteFile(f"{product.id}/{name}", fill(source.url, words | {"file": name})) for name in names]
    newest, count = {}, 0
    # The names of MODIS and GLASS end in the date of production, so that the later of two sorts last.
    for file in sorted(set(files), key=lambda file: file.path):
        match = product.file.fullmatch(PurePath(file.path).name)
        parts = match.groupdict() if match else {}
        if (not years or int(parts.get("year") or years[0]) in years) and (not tiles or parts.get("tile") in tiles):
            newest[tuple(parts.values()) if parts.get("day") else file.path] = file
            count += 1
    if count > len(newest):
        note = f"{product.id}: of files that were produced more than once the latest is taken"
        notes = [*notes, f"{note} ({count - len(newest)} left out)"]
    if not newest:
        wanted = ", ".join([*map(str, years), *tiles]) or "the product"
        raise FetchError(f"{product.id}: expected files for {wanted}, found none at {source.page}; ask for others")
    return Plan(source, version, tuple(newest.values()), tuple(notes))


def _years(
    product: Product, source: Way, version: str, asked: Iterable[int] | None
) -> tuple[tuple[int, ...], list[str]]:
    """Return the years to fetch, and what is to be said of those that there are not."""
    if not source.years:
        note = f"{product.id}: years are of no matter here: each file holds all of them"
        return (), [note] if asked is not None else []
    earliest, today = source.first or source.years[0], datetime.date.today().year
    chosen = set()
    for year in range(source.years[0], source.years[-1] + 1) if asked is None else asked:
        if not (isinstance(year, Integral) and earliest <= year <= today):  # at the first, since there may be many
            expected = f"expected years from {earliest} to {today}, found {year!r:.40}"
            raise FetchError(f"{product.id}: {expected}; ask for some of those")
        chosen.add(int(year))
    years = sorted(chosen)
    if not years:
        raise FetchError(f"{product.id}: expected at least one year, found none; give some, such as 2000-2018")
    first = product.starts.get(version) or years[0]
    early = [year for year in years if year < first]
    if not early:
        return tuple(years), []
    lacking = f"{', '.join(map(str, early))} (the paper used {product.version})"
    note = f"{product.id}: version {version} starts in {first}, so it lacks {lacking}"
    if early == years:
        raise FetchError(f"{note}; ask for {first} or later")
    return tuple(years[len(early) :]), [note]


def fill(template: str, words: Mapping[str, str]) -> str:
    """Put words in place of ``{word}``; braces that hold no known word stay, as in regular expressions."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), template)


def _listed(product: Product, source: Way, words: dict[str, str]) -> list[RemoteFile]:
    """Return the files that a page of links shows."""
    url, select, version = fill(source.listing, words), fill(source.select, words), words.get("version", "")
    found = []
    for name, link in _links(source, Session(), url).items():
        match = product.file.fullmatch(name)
        other = match and match.groupdict().get("version")
        if match and re.search(select, name) and (not version or other in (None, "", version)):
            found.append(RemoteFile(f"{product.id}/{name}", link))
    if not found:
        expected = f"expected links to files named like {product.example}, found none"
        remedy = f"look where {source.page} has them, and correct 'fetch' of {product.id} in data/products.yml"
        raise source.error(url, expected + (f" of version {version}" if version else ""), remedy)
    return found


def _links(way: Way, session: requests.Session, url: str, with_days: bool = True) -> dict[str, str]:
    """Return the addresses that a page links to, by their last part; the first of a name counts.

    They are on its own server and, where the page is a folder's index, in that folder. With ``with_days`` its
    sub-folders that are named by a day of the year are looked into. See `ask` for errors.
    """
    with ask(way, session, url) as answer:
        url, content = answer.url, bytearray()
        try:
            while piece := _piece(way, answer, decode_content=True):
                content += piece
                if len(content) > LISTING:
                    found = f"expected a page of links of at most {LISTING / 2**20:g} MiB, found more"
                    raise way.error(url, found)
        except requests.ConnectionError:
            raise way.error(url, "the connection broke off", "check it, and run the same again") from None
    page = content.decode(errors="replace")  # names that are taken are ASCII, whatever the page says of its letters
    base = "/".join(url.split("/")[:3]) + "/"
    if urlsplit(url).path.endswith("/"):
        base = urljoin(url, ".")
    targets = [html.unescape(target) for target in re.findall(r"""(?i)<a\s[^<>]*?href\s*=\s*["']([^"']+)""", page)]
    own = dict.fromkeys(link for target in targets if (link := _joined(url, target)).startswith(base))
    if len(own) > LINKS:
        raise way.error(url, f"expected at most {LINKS:,} links, found {len(own):,}")
    found = {_last_part(link): link for link in reversed(own)}
    for link in own if with_days else ():
        if re.fullmatch(r"/[0-3]\d\d/?", link.removeprefix(url.rpartition("/")[0])):
            found = _links(way, session, f"{link.rstrip('/')}/", with_days=False) | found
    return found


def _joined(url: str, target: str) -> str:
    """Return where a link leads; nothing where two may read it differently."""
    try:
        link = urljoin(url, target.partition("#")[0])
        path = unquote(urlsplit(link).path)
    except ValueError:
        return ""
    parts = {part.partition(";")[0] for part in path.split("/")}  # some servers read "..;" as ".."
    return "" if "\\" in path or {".", ".."} & parts else link


def _last_part(url: str) -> str:
    """Return what an address ends with, without a query."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def search(
    way: Way, product: Product, words: Mapping[str, str], years: tuple[int, ...], tiles: tuple[str, ...]
) -> Iterator[RemoteFile]:
    """Ask Earthdata's catalogue for a product's files, from the first to the last of the years; it needs no login."""
    import earthaccess  # it takes a while

    query = {key: fill(value, words) for key, value in way.collection.items()}
    named, granules = ", ".join(query.values()), []
    if years:
        query["temporal"] = (f"{years[0]}-01-01", f"{years[-1]}-12-31")
    asked = tiles if len(tiles) <= MANY_TILES else ()
    for names in [{"granule_name": f"*.{tile}.*"} for tile in asked] or [{}]:
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of its own next version
                catalogue = earthaccess.DataGranules().parameters(**query, **names)
                catalogue.session = Session()
                granules += _in_time(catalogue.get_all, SEARCH)
        except (RuntimeError, OSError, ValueError, AttributeError, TypeError, LookupError):
            found = f"the catalogue of Earthdata does not answer for {named}"
            raise FetchError(f"{way.product}: {found}; try again later, and see {way.page}") from None
    for granule in granules:
        try:
            about = granule.get("umm", {}).get("DataGranule", {}).get("ArchiveAndDistributionInformation", [])
            sums = {part.get("Name"): part.get("Checksum", {}) for part in about}
            links = [(link, _last_part(link)) for link in granule.data_links(access="external")]
            sums = {name: sums.get(name) or {} for _, name in links}
            sums = {name: (str(told.get("Algorithm")), told.get("Value")) for name, told in sums.items()}
        except (AttributeError, TypeError, LookupError, ValueError) as error:
            found = f"the catalogue of Earthdata describes a file of {named} in another way ({type(error).__name__})"
            raise FetchError(f"{way.product}: {found}; try again later, and see {way.page}") from None
        for link, name in links:
            match = product.file.fullmatch(name)
            if match and re.search(fill(way.select, words), name):
                algorithm, value = sums[name][0].lower().replace("-", ""), sums[name][1]
                known = algorithm in ("md5", "sha1", "sha256", "sha512") and value
                folder = fill(way.into, {key: value for key, value in match.groupdict().items() if value})
                path = "/".join(part for part in (way.product, folder, name) if part)
                yield RemoteFile(path, link, f"{algorithm}:{value}" if known else "")


def shown(url: str) -> str:
    """Return an address as it may be printed: without its query; of one that may hold a password only the scheme."""
    return re.split("[?#]", url)[0] if ADDRESS.fullmatch(url) else f"{url.partition(':')[0]}://…"


def check(url: str) -> None:
    """Raise FetchError where an address may not be asked."""
    if not ADDRESS.fullmatch(url):
        raise FetchError(f"expected an https address without user and password, found {shown(url)}")


class Session(requests.Session):
    """A session that asks no address without encryption, and shows a login to nobody but whom it is for.

    Left to itself, requests looks into ~/.netrc for every host, again at every redirect, and sends even what stands
    there as ``default``; what it finds takes the place of a token. The token of ``login``, a session of earthaccess's,
    is shown to the archives; so is its answer to Earthdata's own page, to that.
    """

    def __init__(self, login: requests.Session | None = None) -> None:
        super().__init__()
        if login:
            self.headers, self.hooks = login.headers, login.hooks
        self._token = self.headers.pop("Authorization", None)
        self.auth = self._authorize  # with it, requests does not look into ~/.netrc
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(max_retries=AGAIN))

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        check(request.url)
        if self._token and ARCHIVES.fullmatch(urlsplit(request.url).hostname or ""):
            request.headers["Authorization"] = self._token
        return request

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        """Wait for nobody without end, whoever asks."""
        return super().send(request, **how | {"timeout": how.get("timeout") or TIMEOUT})

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Say where an answer leads, and leave what it says besides unread, since that may have no end."""
        target = super().get_redirect_target(resp)
        if target:
            resp.raw.close()
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Look where a redirect leads, and take the token off where that is another host."""
        url, start = prepared_request.url, response.request.url
        check(url)
        if start.startswith("https:") and not url.startswith("https:"):
            raise FetchError(f"expected a redirect that stays encrypted, found one to {shown(url)}")
        if self.should_strip_auth(start, url):
            prepared_request.headers.pop("Authorization", None)


def logged_in(way: Way) -> Session:
    """Log in to Earthdata with what the user has, and return a session that can show it; store and print nothing of it.

    earthaccess looks for the login in the environment (``EARTHDATA_TOKEN``, or ``EARTHDATA_USERNAME`` and
    ``EARTHDATA_PASSWORD``), then in ``~/.netrc``, where ``default`` does not count, and asks for it where somebody sits
    at a terminal. ``earthaccess.login`` is not called, since that goes on to show the token to an address of Amazon's
    machines, without encryption, in order to learn whether it runs on one. FetchError where there is no login, or it is
    refused.
    """
    import earthaccess
    from earthaccess.exceptions import LoginAttemptFailure, LoginStrategyUnavailable

    class Auth(earthaccess.Auth):
        """Asks Earthdata for a token with the login that it was given, not with what else ~/.netrc has."""

        def get_session(self) -> requests.Session:
            return Session(super().get_session())

    if earthaccess.__auth__.authenticated:  # in a notebook, by the user
        return Session(earthaccess.__auth__.get_session())
    found = "none"
    for strategy in ("environment", "netrc", *(["interactive"] if sys.stdin and sys.stdin.isatty() else [])):
        try:
            auth = Auth().login(strategy=strategy, persist=False)
            if auth.authenticated:
                return auth.get_session()
        except LoginStrategyUnavailable as error:
            found = f"none ({error})"
        except (LoginAttemptFailure, EOFError, OSError, UnicodeDecodeError) as error:  # requests' errors are OSErrors
            refused = f"{EARTHDATA} gave no token for the login of {strategy} ({type(error).__name__})"
            raise FetchError(f"{way.product}: {refused}; correct it, or try again later: {HOW_TO_LOG_IN}") from None
    raise FetchError(f"{way.product}: expected an Earthdata login, found {found}; {HOW_TO_LOG_IN}")


def _in_time(work: Callable[[], Any], seconds: float, stop: Event | None = None) -> Any:
    """Return what ``work`` returns, or raise what it raises; TimeoutError when it takes longer, or ``stop`` is set.

    Reading from a socket waits for the next byte, and then for the next, as long as there comes one now and then. The
    work goes on in a thread that nothing waits for, which ends with the process, or when its socket is shut.
    """
    future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is raised by who waits)
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    end = time.monotonic() + seconds
    while not future.done() and (left := end - time.monotonic()) > 0 and not (stop and stop.is_set()):
        wait([future], timeout=min(left, 0.5))
    if not future.done():
        raise TimeoutError
    return future.result()


def _piece(way: Way, answer: requests.Response, stop: Event | None = None, decode_content: bool = False) -> bytes:
    """Return the next bytes of an answer, none after the last; requests.ConnectionError where it breaks off."""
    try:
        return _in_time(partial(answer.raw.read, PIECE, decode_content=decode_content), SLOWEST, stop)
    except TimeoutError:
        with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
            answer.raw.shutdown()  # so that the thread that reads it ends
        if stop and stop.is_set():
            raise FetchError(f"{way.product}: {shown(answer.url)}: stopped; run the same again") from None
        found = f"it gave fewer than {PIECE / SLOWEST / 1000:.2g} kB a second"
        raise way.error(answer.url, found, f"check the connection, and {LATER}") from None
    except urllib3.exceptions.DecodeError:
        told = answer.headers.get("Content-Encoding", "")
        found = f"expected what its Content-Encoding says ({told[:40]}), found something else"
        raise way.error(answer.url, found, LATER) from None
    except urllib3.exceptions.HTTPError:
        raise requests.ConnectionError from None


def _read_strictly(way: Way, answer: requests.Response) -> None:
    """Let the chunks in which an answer comes be read only as long as their sizes are numbers; see `CHUNK`."""
    source = answer.raw._original_response

    def size() -> int:
        line = source.fp.readline(2**16)
        if len(line) < 2**16 and not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line)
        if not (told := CHUNK.fullmatch(line)):
            raise way.error(answer.url, f"expected the size of a chunk, found {line[:20]!r}", LATER)
        return int(told[1], 16)

    source._read_next_chunk_size = size


def _within(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was made of."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _within(inner)


def _why(error: Exception) -> tuple[str, str]:
    """Say why a server gave no answer, and what to do, where looking at the product's page isn't all."""
    inner, again = list(_within(error)), "check the connection, and run the same again"
    if isinstance(error, requests.TooManyRedirects):
        return f"it leads on and on, over more than {requests.models.DEFAULT_REDIRECT_LIMIT} addresses", ""
    if isinstance(error, requests.exceptions.InvalidHeader):
        return "expected one size of the file (Content-Length), found several", LATER
    if isinstance(error, ValueError):
        return "it leads to an address that cannot be read", ""
    if isinstance(error, requests.exceptions.SSLError):
        return "expected an encrypted answer with a valid certificate, found none", f"{again}; the clock may be wrong"
    if isinstance(error, requests.ReadTimeout):
        return f"no answer came in {TIMEOUT[1]:g} s", again
    if any(isinstance(each, ConnectionResetError | BrokenPipeError) for each in inner):
        return "the connection broke off before an answer came", again
    if any(isinstance(each, http.client.HTTPException) for each in inner):
        return "expected an answer as HTTP has it, found another", LATER
    return "the server cannot be reached", again


def ask(way: Way, session: requests.Session, url: str, stop: Event | None = None) -> requests.Response:
    """Return a server's answer, whose content has yet to come; FetchError without one, or when ``stop`` is set."""
    get = partial(session.get, url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    try:
        answer = _in_time(get, PATIENCE, stop)
    except FetchError as error:
        raise way.error(url, str(error)) from None
    except TimeoutError:
        found = "stopped" if stop and stop.is_set() else f"no answer came in {PATIENCE:g} s"
        raise way.error(url, found, "check the connection, and run the same again") from None
    except (requests.RequestException, ValueError) as error:  # the second of an address that cannot be read
        raise way.error(url, *_why(error)) from None
    if answer.status_code == 200:
        _read_strictly(way, answer)
        return answer
    answer.close()
    found = f"expected a file, found status {answer.status_code}"
    if answer.status_code in (404, 410):
        remedy = f"look where {way.page} has it now, and correct 'fetch' of {way.product} in data/products.yml"
        raise way.error(url, f"{found} (it isn't there)", remedy)
    raise way.no_entry(url, found) if answer.status_code in (401, 403) else way.error(url, found)


def misfit(name: str, begin: bytes) -> str:
    """Say what a file is by its first bytes, if that isn't what its name promises; empty where it is."""
    ending, text = PurePath(name).suffix.lower(), begin[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if begin and begin.startswith(BEGINNINGS.get(ending, b"")) and not (text[:1] == b"<" and b"html" in text):
        return ""
    return f"expected a file {ending}, found {PAGE if text[:1] == b'<' else begin[:4]} at its start"


def flaw(path: Path, name: str) -> str:
    """Say what is wrong with a file that is there whole, or should be; empty if nothing is.

    It begins like what its name says, and so does what is packed in it; and it ends where its own format says. What is
    packed is read to its end: some ten seconds for a gigabyte.
    """
    with path.open("rb") as opened:
        found, ending = misfit(name, opened.read(512)), PurePath(name).suffix.lower()
    try:
        if not found and ending in files.PACKED:
            inner, begin = files.tested(path, name)
            found = misfit(f"x{inner}", begin)
            return found and f"{found}, unpacked"
        with files.reading(path):
            if not found and ending in WHOLE:
                WHOLE[ending].require_whole(path)
    except files.DamagedFile:
        return f"expected a whole file {ending}, found one that is cut short or damaged"
    except ProductError as error:
        return str(error).removeprefix(f"{path.with_name(name)}: ").removeprefix(f"{path}: ").partition(";")[0]
    return found


def _size(way: Way, answer: requests.Response) -> int:
    """Return the size that a server announces; 0 where it tells the end otherwise; FetchError without either.

    Half of a file that ends with its connection could not be told from the whole.
    """
    told = answer.headers.get("Content-Length", "")
    if answer.raw._original_response.chunked:
        return 0
    if not SIZE.fullmatch(told):
        found = f"expected the file's size (Content-Length), found {told[:40]!r}"
        raise way.error(answer.url, found, f"without it half a file looks whole; {LATER}")
    return int(told)


def _download(url: str, path: Path, way: Way, session: requests.Session, name: str, stop: Event) -> None:
    """Bring one file to ``path``, the empty one that pooch made aside, and see that it is whole.

    ``name`` is what it will be called; ``stop`` ends the download when it is set. After a FetchError pooch does not try
    again, after a requests.ConnectionError it does.
    """
    with ask(way, session, url, stop) as answer:
        size = _size(way, answer)
        if size > (free := shutil.disk_usage(path.parent).free):
            room = f"expected {size / 2**30:.1f} GiB of room, found {free / 2**30:.1f}"
            raise FetchError(f"{path.with_name(name)}: {room}; make room, or choose another folder")
        path.unlink()  # pooch's file is for its owner alone; a new one has the rights of any other
        bar = tqdm(total=size or None, desc=name, unit="B", unit_scale=True, disable=None, leave=False)
        with path.open("xb") as file, bar:
            chunk = _piece(way, answer, stop)  # as it was sent: a .gz stays one, whatever the server says of it
            if found := misfit(name, chunk):
                raise way.no_entry(url, found) if PAGE in found else way.error(url, found)
            while chunk:
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > LARGEST:
                    raise way.error(url, f"expected a file of at most {LARGEST / 2**30:g} GiB, found no end")
                chunk = _piece(way, answer, stop)
            file.flush()
            os.fsync(file.fileno())  # so that it is on the disk before it takes its name
        if found := flaw(path, name):
            raise way.error(url, found, LATER)


def carry_out(plan: Plan, folder: Path, *, connections: int = 2) -> list[Path]:
    """Bring what a plan wants into ``folder/<product id>``, and return its paths, sorted; see `get`."""
    place = folder / plan.way.product
    pooch.get_logger().setLevel("WARNING")  # it would announce each of thousands of files
    try:
        place.mkdir(parents=True, exist_ok=True)
        with workspace.locked(folder / f".{place.name}.lock"):
            known, new = _recorded(folder), {}
            try:
                if missing := [file for file in plan.files if not _is_there(plan, folder, file, known, new)]:
                    _bring(plan, folder, missing, known, new, connections)
            finally:
                if new:
                    _record(folder, new)
    except Timeout:
        raise FetchError(f"{place}: another process is fetching {place.name}; wait until it ends") from None
    except workspace.UserError as error:  # no room, or no lock
        raise FetchError(str(error)) from None
    except OSError as error:
        where, why = error.filename or place, error.strerror or type(error).__name__
        raise FetchError(f"{where}: cannot be written ({why}); make room there, or choose another folder") from None
    return sorted(folder / file.path for file in plan.files)


def _is_there(plan: Plan, folder: Path, file: RemoteFile, known: dict[str, dict], new: dict[str, dict]) -> bool:
    """Say whether a file is there and is what was fetched; one that was put there by hand is looked at and noted.

    FetchError where a file of the name is another: changed, damaged, or of another version.
    """
    path, entry, wrong = folder / file.path, known.get(file.path), ""
    if not path.is_file():
        if path.exists():
            wrong = "expected a file, or none yet, found a folder, a pipe or a device"
            raise FetchError(f"{path}: {wrong}; move it away and run the same again")
        return False
    if entry:
        version, size = entry.get("version") or plan.version, path.stat().st_size
        if plan.version and version != plan.version:
            wrong = f"expected version {plan.version}, found version {version} under the same name"
            raise FetchError(f"{path}: {wrong}; choose another folder, or remove it and run the same again")
        if entry["bytes"] != size:
            wrong = f"expected {entry['bytes']:,} bytes as fetched, found {size:,}"
    else:
        wrong = flaw(path, path.name)
        if not wrong and not pooch.hashes.hash_matches(path, file.checksum or None):
            wrong = f"expected checksum {file.checksum}, found another"
    if wrong:
        raise FetchError(f"{path}: {wrong}; remove it and run the same again")
    if not entry:
        _note(new, path, file, plan.version)
    return True


def _bring(plan: Plan, folder: Path, missing: list[RemoteFile], known: dict, new: dict, connections: int) -> None:
    """Bring files side by side, and note them in ``new``; the first error, or Ctrl-C, ends all.

    What a fetch left that was killed is removed first; there is no other, since the caller holds the lock. A file
    whose name doesn't tell its version is recorded before it takes that name: after a kill it would else count as of
    whichever version is asked for next.
    """
    for place in {(folder / file.path).parent for file in plan.files}:
        for path in place.iterdir() if place.is_dir() else ():
            if LEFT.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                path.unlink()
    session, stop = logged_in(plan.way) if plan.way.how == "earthdata" else Session(), Event()
    first = {
        path: f"sha256:{entry['sha256']}" for path, entry in known.items() if entry.get("version", "") == plan.version
    }
    fetcher = pooch.create(
        folder,
        base_url="",
        registry={file.path: file.checksum or first.get(file.path) for file in missing},
        urls={file.path: file.url for file in missing},
        retry_if_failed=RETRIES,
    )

    def one(file: RemoteFile) -> None:
        name = PurePath(file.path).name

        def bring(url: str, target: str, _: object) -> None:
            _download(url, Path(target), plan.way, session, name, stop)
            if plan.version not in name and pooch.hashes.hash_matches(target, fetcher.registry[file.path]):
                _note(new, Path(target), file, plan.version)
                _record(folder, new)

        try:
            fetcher.fetch(file.path, downloader=bring)
        except requests.RequestException:
            found = f"the connection broke off, {RETRIES + 1} times"
            raise plan.way.error(file.url, found, "check it, and run the same again") from None
        except ValueError as error:
            replaced = "if its publisher has replaced it, delete its lines from checksums.json and run the same again"
            raise plan.way.error(
                file.url, str(error).rstrip("."), "run the same again" if file.checksum else replaced
            ) from None
        if file.path not in new:
            _note(new, folder / file.path, file, plan.version)

    with tqdm(total=len(missing), desc=plan.way.product, unit="file", disable=None, leave=False) as bar:
        pool = ThreadPoolExecutor(connections)
        waiting = {pool.submit(one, file) for file in missing}
        try:
            while waiting:  # in short steps, since Windows hears Ctrl-C only between them
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    bar.update()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _note(new: dict[str, dict], path: Path, file: RemoteFile, version: str) -> None:
    """Hash a file that is there, and enter it into what is to be recorded."""
    sha256, size = pooch.file_hash(path), path.stat().st_size
    new[file.path] = {"sha256": sha256, "bytes": size, "url": shown(file.url), "version": version}


def _record(folder: Path, new: dict[str, dict]) -> None:
    """Enter files into ``checksums.json``, where others may have put theirs meanwhile."""
    target = folder / "checksums.json"
    try:
        with workspace.locked(folder / ".checksums.json.lock", RECORDING):
            for left in folder.glob(".checksums.json.*.part"):  # of a fetch that was killed
                left.unlink()
            content = dict(sorted((_recorded(folder) | new).items()))
            with workspace.writing(target) as path:
                path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except Timeout:
        held = f"another process has kept it from being written for {RECORDING:g} s"
        raise FetchError(f"{target}: {held}; wait until it ends, and run the same again") from None


def _recorded(folder: Path) -> dict[str, dict]:
    """Read ``checksums.json``; nothing where there is none."""
    path = folder / "checksums.json"
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= RECORD):
            raise ValueError
        content = json.loads(path.read_text(encoding="utf-8"))
        if not all(_is_record(key, entry) for key, entry in content.items()):
            raise ValueError
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, RecursionError):
        remedy = "move it away and run the same again"
        raise FetchError(f"{path}: expected checksums as JSON, cannot read it; {remedy}") from None
    return content


def _is_record(key: str, entry: Any) -> bool:
    """Say whether something is what `_note` enters, under the path of a file below the folder of products."""
    return (
        isinstance(entry, dict)
        and all(NAME.fullmatch(part) for part in key.split("/"))
        and isinstance(entry.get("sha256"), str)
        and bool(SHA256.fullmatch(entry["sha256"]))
        and type(entry.get("bytes")) is int
        and entry["bytes"] >= 0
        and all(isinstance(entry.get(name, ""), str) for name in ("url", "version"))
    )


def verify(product_id: str, folder: Path) -> list[str]:
    """Compare a product's fetched files with their checksums; return what is wrong, a line a file."""
    recorded = {key: known["sha256"] for key, known in _recorded(folder).items() if key.startswith(f"{product_id}/")}
    if not recorded:
        raise FetchError(f"{folder}: expected files of {product_id} in checksums.json, found none; fetch it first")
    wrong, remedy = [], f"it has changed since it was fetched, so remove it and fetch {product_id} again"
    for key, expected in recorded.items():
        path = folder / key
        if (found := pooch.file_hash(path) if path.is_file() else "no file") != expected:
            wrong.append(f"{path}: expected SHA-256 {expected}, found {found}; {remedy}")
    return wrong


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        """Print the message in one line and leave with status 2."""
        self.exit(2, f"helpers.fetch: {message}; see --help\n")


def _years_typed(text: str) -> list[range]:
    """Read years as one types them, such as 2000-2002,2010; they are not counted out, since there may be many."""
    spans = [re.fullmatch(r" *([0-9]{1,18})(?: *- *([0-9]{1,18}))? *", part) for part in text.split(",")]
    chosen = [range(int(span[1]), int(span[2] or span[1]) + 1) for span in spans if span]
    if not all(spans) or not any(chosen):
        raise argparse.ArgumentTypeError(f"expected years such as 2000-2018 or 2001,2005, found {text!r:.60}")
    return chosen


def _parser() -> _Parser:
    line = _Parser(prog="python -m helpers.fetch", description="Download products, as far as that needs no form.")
    add = line.add_argument
    add("product", nargs="*", help="product ids of data/products.yml, such as cru_tmp")
    add("--years", type=_years_typed, help="such as 2000-2018 or 2001,2005 (default: those that the paper needs)")
    add("--tiles", help="tiles of the sinusoidal grid, such as h18v04,h17v03 (default: all)")
    add("--to", type=workspace.typed_path, help="folder of products (default: RECO_PRODUCTS, else products/)")
    add(
        "--set", dest="options", action="extend", nargs="+", default=[], metavar="NAME=VALUE",
        help="an option of the product, such as version=4.09; --list shows which there are",
    )  # fmt: skip
    add("--connections", type=int, choices=range(1, 9), default=2, help="files that come at one time (default: 2)")
    add("--list", action="store_true", help="say how each product is had, and how large it is")
    add("--dry-run", action="store_true", help="say which files would be fetched, and from where")
    add("--verify", action="store_true", help="compare what was fetched with its checksums")
    return line


def _say_or_bring(product_id: str, given: argparse.Namespace, folder: Path) -> int:
    """Do for one product what the command line asks; return the status."""
    entry = products.product(product_id)
    source, place = way(entry), folder / product_id
    if given.list:
        options = "; ".join(f"{name}: {', '.join(values)}" for name, values in source.options.items())
        size, options = f", {source.size}" if source.size else "", f" ({options})" if options else ""
        print(f"{product_id}: {HOWS[source.how]}{size}{options}")
    elif given.verify:
        wrong = verify(product_id, folder)
        for line in wrong:
            print(f"helpers.fetch: {line}", file=sys.stderr)
        if wrong:
            return 1
        print(f"{product_id}: every file is as it was fetched")
    elif source.steps:
        print(f"{product_id}: {'a form stands before it' if source.how == 'form' else 'nothing to fetch'}")
        print(*(f"  {number}. {step}" for number, step in enumerate(source.steps, 1)), sep="\n")
        print(f"  Its files belong into {place}")
    else:
        tiles, options = None if given.tiles is None else given.tiles.split(","), {}
        for name, _, value in (option.partition("=") for option in given.options):
            if name in options:
                raise FetchError(f"{product_id}: expected --set {name:.60} once, found it again; leave one out")
            options[name] = value
        years = None if given.years is None else chain.from_iterable(given.years)
        todo = plan(entry, years=years, tiles=tiles, options=options)
        for note in todo.notes:
            print(note)
        new = [file for file in todo.files if not (folder / file.path).is_file()]
        if given.dry_run:
            for file in todo.files:
                print(f"{'fetch' if file in new else 'there'}  {file.path.partition('/')[2]}  {shown(file.url)}")
        else:
            carry_out(todo, folder, connections=given.connections)
        done = "would fetch" if given.dry_run else "fetched"
        print(f"{product_id}: {done} {len(new)} of {len(todo.files)} files to {place}")
    return 0


@workspace.command("helpers.fetch")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 for a checksum that differs, 2 for what the user can mend, 130 when stopped."""
    given = _parser().parse_args(arguments)
    folder = (given.to or default_folder()).absolute()
    try:
        for key in given.product:
            products.product(key)
        if not given.product and not given.list:
            raise FetchError(f"expected a product, found none; products are {', '.join(products.products())}")
        return max(_say_or_bring(key, given, folder) for key in given.product or products.products())
    except KeyboardInterrupt:
        print("helpers.fetch: stopped; whole files stay, and the same command fetches the others", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
