"""Where products come from: their way to the user, the servers that have them, and NASA's catalogue and login.

A product's *way* is the mapping ``fetch`` of its entry in data/products.yml. Its ``how`` is one of

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

requests asks the servers, urllib3 asks again where one is busy or away, and earthaccess searches and logs in.
"""

from __future__ import annotations

import html
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from threading import Event
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm

from helpers.products.registry import Product

HOWS = {"http": "public", "earthdata": "free login", "form": "form", "local": "nothing to fetch"}
EARTHDATA = "https://urs.earthdata.nasa.gov"
ARCHIVES = ("nasa.gov", "usgs.gov", "ornl.gov")
"""A login's token is shown to hosts of these alone."""
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
NETCDF = ("netCDF", (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF"))
BEGINNINGS = {
    ".hdf": ("HDF4", (b"\x0e\x03\x13\x01",)),
    ".nc": NETCDF,
    ".nc4": NETCDF,
    ".gz": ("gzip", (b"\x1f\x8b",)),
    ".zip": ("zip", (b"PK\x03\x04", b"PK\x05\x06")),
    ".tif": ("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
}
"""Formats and what their files begin with, by the ending of their names."""
PAGE = "a web page (such as that of a login)"
AGAIN = urllib3.Retry(
    total=4, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False, retry_after_max=60
)
"""How often, and how long apart, a server is asked that is busy or away: after 0, 2, 4 and 8 s, or as it wishes."""
TIMEOUT = (30.0, 60.0)
"""Seconds for a connection to come about, and between two bytes."""
CHUNK = 2**20

# They log whole addresses, with the signatures that archives put there, and what a server says of a login.
for library in ("urllib3.connectionpool", "urllib3.util.retry", "earthaccess.auth"):
    logging.getLogger(library).setLevel(logging.CRITICAL)


class FetchError(RuntimeError):
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
    url: str = ""  # template of an address
    files: tuple[str, ...] = ()  # templates of the names that it is filled with
    listing: str = ""  # template of a page of links
    select: str = ""  # regular expression that narrows the product's own pattern
    into: str = ""  # template of a sub-folder, filled with the named groups of the product's pattern
    collection: Mapping[str, str] = field(default_factory=dict)
    years: tuple[int, ...] = ()  # first and last, where nobody asks for others; empty where files hold all years
    options: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    steps: tuple[str, ...] = ()  # what a person has to do

    @classmethod
    def of(cls, product: Product) -> Way:
        """Return how a product is fetched; raise FetchError where its entry cannot be."""
        where, known = f"data/products.yml: fetch of {product.id}", [item.name for item in fields(cls)][1:]
        if unknown := [key for key in product.fetch if key not in known]:
            raise FetchError(f"{where}: expected {', '.join(known)}, found {unknown[0]!r}; correct it")
        if (how := product.fetch.get("how")) not in HOWS:
            raise FetchError(f"{where}: expected how to be {', '.join(HOWS)}, found {how!r}; correct it")
        return cls(product.id, **product.fetch)

    def choose(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return the words that the chosen options put into the templates, among them each option's value.

        Raises
        ------
        FetchError
            There is no such option, or the option has no such value.
        """
        if unknown := [name for name in asked if name not in self.options]:
            known = ", ".join(self.options) or "none"
            raise FetchError(f"{self.product}: there is no option {unknown[0]!r}; its options are {known}")
        words = {}
        for name, values in self.options.items():
            value = str(asked.get(name, next(iter(values))))
            if value not in values:
                raise FetchError(f"{self.product}: expected {name} to be {' or '.join(values)}, found {value!r}")
            words |= {name: value, **values[value]}
        return words

    def error(self, url: str, found: str, remedy: str = "") -> FetchError:
        """Return the error for an address: what was expected there, what was found, and what to do."""
        return FetchError(f"{self.product}: {shown(url)}: {found}; {remedy or f'look at {self.page}'}")

    def no_entry(self, url: str, found: str) -> FetchError:
        """Return the error for an address that lets nobody in, or sends the page of a login."""
        if self.how == "earthdata":
            licence = f"accept the data set's licence (EULA) there or at {self.page}"
            return self.error(url, found, f"log in at {EARTHDATA}, {licence}, and try again")
        by_hand = "log in or accept the licence there, and put the files in place by hand"
        return self.error(url, found, f"open {self.page} in a browser, {by_hand}")


@dataclass(frozen=True)
class RemoteFile:
    """One file on a server; raises FetchError where it could lead out of its folder, or may not be asked for."""

    path: str  # where it goes, below the folder of products: the product's id, a sub-folder or none, and a name
    url: str
    checksum: str = ""  # algorithm:hexadecimal digits, as the publisher gives it; empty where it gives none

    def __post_init__(self) -> None:
        if not all(NAME.fullmatch(part) for part in self.path.split("/")):
            raise FetchError(f"expected a file name of letters, digits and . _ + -, found {self.path!r}; correct it")
        check(self.url)

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePath(self.path).name


def fill(template: str, words: Mapping[str, str]) -> str:
    r"""Put words in place of ``{word}``; braces that hold no known word stay, as in regular expressions.

    >>> fill(r"{variable}_\d{4}", {"variable": "tmp"})
    'tmp_\\d{4}'
    """
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), template)


def shown(url: str) -> str:
    """Return an address as it may be printed: without its query; of one that may hold a password only the scheme.

    >>> shown("https://example.org/a/b.nc?token=1"), shown("https://me:secret@example.org/a/b.nc")
    ('https://example.org/a/b.nc', 'https://…')
    """
    return re.split("[?#]", url)[0] if ADDRESS.fullmatch(url) else f"{url.partition(':')[0]}://…"


def last_part(url: str) -> str:
    """Return what an address ends with.

    >>> last_part("https://example.org/a/spei12.nc?sequence=14")
    'spei12.nc'
    """
    return unquote(urlsplit(url).path.rpartition("/")[2])


def check(url: str) -> None:
    """Raise FetchError where an address may not be asked."""
    if not ADDRESS.fullmatch(url):
        raise FetchError(f"expected an https address without user and password, found {shown(url)}")


def is_archive(url: str) -> bool:
    """Say whether an address is one of NASA's archives', and may be shown a login.

    >>> is_archive("https://data.lpdaac.earthdatacloud.nasa.gov/x"), is_archive("https://nasa.gov.example.org/x")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    return host in ("127.0.0.1", "localhost") or any(host == end or host.endswith(f".{end}") for end in ARCHIVES)


class Session(requests.Session):
    """A session that asks no address without encryption, and shows a login to nobody but whom it is for.

    Left to itself, requests looks into ~/.netrc for every host, again at every redirect, and sends even what stands
    there as ``default``; what it finds takes the place of a token.

    Parameters
    ----------
    login : requests.Session, optional
        One of earthaccess's. Its token is shown to the archives; so is its answer to Earthdata's own page, to that.
    """

    def __init__(self, login: requests.Session | None = None) -> None:
        super().__init__()
        if login:
            self.headers, self.hooks = login.headers, login.hooks
        self._token = self.headers.pop("Authorization", None)
        self.auth = self._authorize  # with it, requests does not look into ~/.netrc
        self.mount("https://", HTTPAdapter(max_retries=AGAIN))
        self.mount("http://", HTTPAdapter(max_retries=AGAIN))

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        check(request.url)
        if self._token and is_archive(request.url):
            request.headers["Authorization"] = self._token
        return request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Look where a redirect leads, and take the token off where that is another host."""
        url, start = prepared_request.url, response.request.url
        check(url)
        if start.startswith("https:") and not url.startswith("https:"):
            raise FetchError(f"expected a redirect that stays encrypted, found one to {shown(url)}")
        if self.should_strip_auth(start, url):
            prepared_request.headers.pop("Authorization", None)


def ask(way: Way, session: requests.Session, url: str) -> requests.Response:
    """Return a server's answer, whose content has yet to come.

    Raises
    ------
    FetchError
        It cannot be reached, or refuses: nothing there, no entry, a redirect away from https.
    """
    try:
        answer = session.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    except FetchError as error:
        raise way.error(url, str(error)) from None
    except (requests.RequestException, ValueError) as error:  # the second of an address that cannot be read
        found = f"the server cannot be reached ({type(error).__name__})"
        raise way.error(url, found, "check the connection, and run the same again") from None
    if (status := answer.status_code) == 200:
        return answer
    answer.close()
    if status in (401, 403):
        raise way.no_entry(url, f"expected to be let in, found status {status}")
    if status in (404, 410):
        remedy = f"look where {way.page} has it now, and correct 'fetch' of {way.product} in data/products.yml"
        raise way.error(url, f"expected it to be there, found nothing ({status})", remedy)
    raise way.error(url, f"expected a file, found status {status}", f"look at {way.page}, and try again later")


def links(way: Way, session: requests.Session, url: str, with_days: bool = True) -> dict[str, str]:
    """Return the addresses on its own server that a page links to, by their last part; the first of a name counts.

    With ``with_days`` its sub-folders that are named by a day of the year are looked into. See `ask` for errors.
    """
    with ask(way, session, url) as answer:
        try:
            page, url = answer.text, answer.url
        except requests.RequestException:
            raise way.error(url, "the connection broke off", "run the same again") from None
    server = "/".join(url.split("/")[:3]) + "/"
    targets = [html.unescape(target) for target in re.findall(r"""(?i)<a\s[^>]*?href\s*=\s*["']([^"']+)""", page)]
    own = [target.partition("#")[0] for target in targets if "//" not in target or target.startswith(server)]
    own = [urljoin(url, target) for target in own]
    found = {last_part(link): link for link in reversed(own)}
    for link in own if with_days else ():
        if re.fullmatch(r"/[0-3]\d\d/?", link.removeprefix(url.rpartition("/")[0])):
            found = links(way, session, f"{link.rstrip('/')}/", with_days=False) | found
    return found


def misfit(name: str, begin: bytes) -> str:
    r"""Say what a file is by its first bytes, if that isn't what its name promises; empty where it is.

    >>> misfit("a.nc", b"CDF\x01"), misfit("a.nc", b"<!DOCTYPE html><title>Log in</title>")
    ('', 'expected netCDF, found a web page (such as that of a login)')
    """
    promised, beginnings = BEGINNINGS.get(PurePath(name).suffix, ("a file", (b"",)))
    text = begin[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<") and b"html" in text:
        return f"expected {promised}, found {PAGE}"
    return "" if begin and begin.startswith(beginnings) else f"expected {promised}, found {begin[:4]!r} at its start"


def download(
    url: str, target: str, _: object, *, way: Way, session: requests.Session, name: str, quiet: bool | None, stop: Event
) -> None:
    """Bring one file; with its keywords given, this is what pooch calls a downloader.

    ``target`` is the empty file that pooch made aside, ``name`` what it will be called, ``stop`` ends the download when
    it is set; no bar is shown where it is to be ``quiet``, or for None where nobody sits at a terminal.

    Raises
    ------
    FetchError
        The server refuses, sends a page or another format, or there is no room; pooch does not try again.
    requests.ConnectionError
        The connection breaks off; pooch tries again.
    """
    with ask(way, session, url) as answer:
        size, path = int(answer.headers.get("Content-Length", 0)), Path(target)
        if size > (free := shutil.disk_usage(path.parent).free):
            room = f"expected {size / 2**30:.1f} GiB of room, found {free / 2**30:.1f}"
            raise FetchError(f"{path.with_name(name)}: {room}; make room, or choose another folder")
        path.unlink()  # pooch's file is for its owner alone; a new one has the rights of any other
        bar = tqdm(total=size or None, desc=name, unit="B", unit_scale=True, disable=quiet, leave=False)
        try:
            with path.open("xb") as file, bar:
                chunk = answer.raw.read(CHUNK)  # as it was sent: a .gz stays one, whatever the server says of it
                if found := misfit(name, chunk):
                    raise way.no_entry(url, found) if PAGE in found else way.error(url, found)
                while chunk:
                    file.write(chunk)
                    bar.update(len(chunk))
                    if stop.is_set():
                        raise FetchError(f"{way.product}: {name}: stopped; run the same again")
                    chunk = answer.raw.read(CHUNK)
                file.flush()
                os.fsync(file.fileno())  # so that it is on the disk before it takes its name
        except urllib3.exceptions.HTTPError:
            raise requests.ConnectionError from None


def search(
    way: Way, product: Product, words: Mapping[str, str], years: tuple[int, ...], tiles: tuple[str, ...]
) -> Iterator[RemoteFile]:
    """Ask Earthdata's catalogue for a product's files, from the first to the last of the years; it needs no login.

    ``words`` fill the templates; no ``years`` or ``tiles`` means all.

    Raises
    ------
    FetchError
        The catalogue cannot be asked, or names a file that is not to be trusted.
    """
    import earthaccess  # it takes a while

    query = {key: fill(value, words) for key, value in way.collection.items()}
    named = ", ".join(query.values())
    if years:
        query["temporal"] = (f"{years[0]}-01-01", f"{years[-1]}-12-31")
    for tile in tiles or (None,):
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of its own next version
                names = {"granule_name": f"*.{tile}.*"} if tile else {}
                catalogue = earthaccess.DataGranules().parameters(**query, **names)
                catalogue.session = Session()
                granules = catalogue.get_all()
        except (RuntimeError, OSError, ValueError):
            raise FetchError(
                f"{way.product}: the catalogue of Earthdata does not answer for {named}; try again later, and see "
                f"{way.page}"
            ) from None
        for granule in granules:
            yield from _files_of(granule, way, product, words)


def _files_of(granule: Mapping, way: Way, product: Product, words: Mapping[str, str]) -> Iterator[RemoteFile]:
    """Yield the product's files of a granule, with the checksums in its metadata (UMM-G)."""
    about = granule.get("umm", {}).get("DataGranule", {}).get("ArchiveAndDistributionInformation", [])
    sums = {part.get("Name"): part.get("Checksum", {}) for part in about}
    for link in granule.data_links(access="external"):
        name = last_part(link)
        match = product.file.fullmatch(name)
        if match and re.search(fill(way.select, words), name):
            algorithm = str(sums.get(name, {}).get("Algorithm", "")).lower().replace("-", "")
            known = algorithm in ("md5", "sha1", "sha256", "sha512")
            folder = fill(way.into, {key: value for key, value in match.groupdict().items() if value})
            path = "/".join(part for part in (way.product, folder, name) if part)
            yield RemoteFile(path, link, f"{algorithm}:{sums[name]['Value']}" if known else "")


def logged_in(way: Way) -> Session:
    """Log in to Earthdata with what the user has, and return a session that can show it; store and print nothing of it.

    earthaccess looks for the login in the environment (``EARTHDATA_TOKEN``, or ``EARTHDATA_USERNAME`` and
    ``EARTHDATA_PASSWORD``), then in ``~/.netrc``, where ``default`` does not count, and asks for it where somebody sits
    at a terminal. ``earthaccess.login`` is not called, since that goes on to show the token to an address of Amazon's
    machines, without encryption, in order to learn whether it runs on one.

    Raises
    ------
    FetchError
        There is no login, or it is refused.
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
        except (UnicodeDecodeError, PermissionError):
            found = f"none ({earthaccess.auth.netrc_path()} cannot be read)"
        except requests.RequestException:
            raise FetchError(f"{way.product}: {EARTHDATA} cannot be reached; try again later") from None
        except (LoginAttemptFailure, EOFError):
            refused = f"Earthdata refuses the login that it was given ({strategy})"
            raise FetchError(f"{way.product}: {refused}; correct it: {HOW_TO_LOG_IN}") from None
    raise FetchError(f"{way.product}: expected an Earthdata login, found {found}; {HOW_TO_LOG_IN}")
