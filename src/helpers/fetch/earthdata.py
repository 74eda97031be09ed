"""NASA's products: searched and unlocked by earthaccess, with the login that the user has.

earthaccess looks for the login in the environment (``EARTHDATA_TOKEN``, or ``EARTHDATA_USERNAME`` and
``EARTHDATA_PASSWORD``), then in ``~/.netrc``, and asks for it last, where somebody sits at a terminal. Nothing of it is
written anywhere. The search needs no login, and the files come the same way as all others, so that they are resumed and
checked alike. The library takes a while to import, and is imported when it is needed.

Of ~/.netrc the entry of Earthdata's login alone is used, never ``default`` or that of another host. So the library's
sessions are taken over as `client.Bare` ones; and ``earthaccess.login`` is not called, since that goes on to show the
token to an address of Amazon's machines, without encryption, in order to learn whether it runs on one.
"""

from __future__ import annotations

import contextlib
import netrc
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import requests

from helpers.fetch import addresses
from helpers.fetch.client import Bare
from helpers.fetch.errors import EARTHDATA, FetchError, Source
from helpers.fetch.wanted import Wanted
from helpers.fetch.ways import Way, fill
from helpers.products.registry import Product

ARCHIVES = ("nasa.gov", "usgs.gov", "ornl.gov")
"""A login's token is sent to hosts of these alone."""
ALGORITHMS = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}
HOW_TO_LOG_IN = (
    f"make a free account at {EARTHDATA}, then put your login into ~/.netrc (machine urs.earthdata.nasa.gov login NAME "
    "password WORD) or set EARTHDATA_TOKEN, and try again"
)


def search(
    product: Product, way: Way, words: Mapping[str, str], years: tuple[int, ...], tiles: tuple[str, ...]
) -> list[Wanted]:
    """Ask the catalogue for a product's files.

    Parameters
    ----------
    product : Product
    way : Way
    words : mapping
        What fills its templates.
    years, tiles : tuple
        Which; empty means all.

    Raises
    ------
    FetchError
        The catalogue cannot be asked, or names a file that is not to be trusted.
    """
    import earthaccess

    what = {key: fill(value, words) for key, value in way.collection.items()}
    select, found = re.compile(fill(way.select, words)), {}
    for query in _queries(years, tiles):
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of its own next version
                catalogue = earthaccess.DataGranules().parameters(**what, **query)
                catalogue.session = Bare()
                granules = catalogue.get_all()
        except (RuntimeError, OSError, ValueError):
            named = ", ".join(what.values())
            raise FetchError(
                f"{product.id}: the catalogue of Earthdata does not answer for {named}; try again later, and see "
                f"{way.page}"
            ) from None
        for granule in granules:
            for item in _files(product, way, granule):
                if select.search(item.name):
                    found[item.place] = item
    return list(found.values())


def _queries(years: tuple[int, ...], tiles: tuple[str, ...]) -> Iterator[dict]:
    """Yield one query a stretch of years and a tile."""
    for first, last in _stretches(years) or [(None, None)]:
        when = {"temporal": (f"{first}-01-01", f"{last}-12-31")} if first else {}
        for tile in tiles or (None,):
            yield when | ({"granule_name": f"*.{tile}.*"} if tile else {})


def _stretches(years: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return runs of years that follow each other.

    >>> _stretches((2000, 2001, 2005))
    [(2000, 2001), (2005, 2005)]
    """
    runs: list[tuple[int, int]] = []
    for year in years:
        if runs and year == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], year)
        else:
            runs.append((year, year))
    return runs


def _files(product: Product, way: Way, granule: Mapping) -> Iterator[Wanted]:
    """Yield those files of a granule that are the product's, with the checksums that the archive gives."""
    sums = _sums(granule)
    for link in granule.data_links(access="external"):
        name = addresses.last_part(link)
        match = product.file.fullmatch(name)
        if not match:
            continue
        addresses.check(link)
        if not trusted(addresses.host_of(link)):
            raise FetchError(
                f"{product.id}: expected files on hosts of {', '.join(ARCHIVES)}, found {addresses.shown(link)}"
            )
        folder = fill(way.into, {key: value for key, value in match.groupdict().items() if value})
        if folder:
            addresses.plain_name(folder)
        yield Wanted(addresses.plain_name(name), link, folder, sums.get(name, ""))


def trusted(host: str) -> bool:
    """Say whether a host is one of the archives', and may be shown a login.

    >>> trusted("data.lpdaac.earthdatacloud.nasa.gov"), trusted("nasa.gov.example.org")
    (True, False)
    """
    return host in addresses.LOOPBACK or any(host == end or host.endswith(f".{end}") for end in ARCHIVES)


def _sums(granule: Mapping) -> dict[str, str]:
    """Return the checksums in a granule's metadata (UMM-G, ArchiveAndDistributionInformation)."""
    about = granule.get("umm", {}).get("DataGranule", {}).get("ArchiveAndDistributionInformation", [])
    found = {}
    for part in about:
        told = part.get("Checksum", {})
        algorithm = ALGORITHMS.get(str(told.get("Algorithm", "")).lower().replace("-", ""))
        if algorithm and part.get("Name"):
            found[part["Name"]] = f"{algorithm}:{told['Value'].lower()}"
    return found


def session_maker(source: Source) -> Callable[[], requests.Session]:
    """Return what makes sessions that are logged in; the login itself happens at the first.

    The token goes with a request to an archive, and not along where a redirect leads to another host: requests takes
    it off there, as it does with any ``Authorization``.
    """
    logged_in, one_at_a_time = [], threading.Lock()

    def make() -> requests.Session:
        with one_at_a_time:
            if not logged_in:
                logged_in.append(_login(source))
        return _bare(logged_in[0].get_session())

    return make


def _bare(theirs: requests.Session) -> requests.Session:
    """Return a session with the login of one of earthaccess's: its token, and its answer to Earthdata's own page."""
    session = Bare()
    session.headers, session.hooks = theirs.headers.copy(), {name: [*of] for name, of in theirs.hooks.items()}
    token = session.headers.pop("Authorization", None)
    session.auth = theirs.auth if token is None else _Token(token)
    return session


class _Token(requests.auth.AuthBase):
    """Shows a token to the archives, and to nobody else."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if trusted(addresses.host_of(addresses.check(request.url))):
            request.headers["Authorization"] = self._token
        return request


def _login(source: Source) -> object:
    """Log in, with what the user has; store and print nothing of it."""
    import earthaccess
    from earthaccess.exceptions import LoginAttemptFailure, LoginStrategyUnavailable

    class Auth(earthaccess.Auth):
        """Asks Earthdata for a token with the login that it was told, not with what else ~/.netrc has."""

        def get_session(self) -> requests.Session:
            return _bare(super().get_session())

    if earthaccess.__auth__.authenticated:  # in a notebook, by the user
        return earthaccess.__auth__
    strategies = ["environment", "netrc", *(["interactive"] if sys.stdin and sys.stdin.isatty() else [])]
    for strategy in strategies:
        if strategy == "netrc" and not _has_entry(source):
            continue
        try:
            with contextlib.suppress(LoginStrategyUnavailable):
                auth = Auth().login(strategy=strategy, persist=False)
                if auth.authenticated:
                    return auth
        except (LoginAttemptFailure, requests.HTTPError, EOFError):
            raise FetchError(
                f"{source.product}: Earthdata refuses the login that it was given ({strategy}); correct it: "
                f"{HOW_TO_LOG_IN}"
            ) from None
        except OSError:
            raise FetchError(f"{source.product}: {EARTHDATA} cannot be reached; try again later") from None
    raise FetchError(f"{source.product}: expected an Earthdata login, found none; {HOW_TO_LOG_IN}")


def _has_entry(source: Source) -> bool:
    """Say whether ~/.netrc has an entry of Earthdata's login; remark on a file that others may read.

    Raises
    ------
    FetchError
        The file is there and cannot be read; of what it holds nothing is said.
    """
    from earthaccess.auth import netrc_path

    path = Path(netrc_path())
    try:
        entries = netrc.netrc(path).hosts
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except (netrc.NetrcParseError, UnicodeDecodeError):
        raise FetchError(
            f"{source.product}: {path}: expected entries such as 'machine HOST login NAME password WORD', found "
            "another; correct it"
        ) from None
    except OSError:
        raise FetchError(f"{source.product}: {path}: expected a file that you may read; chmod 600 {path}") from None
    if addresses.host_of(EARTHDATA) not in entries:
        return False
    if os.name == "posix" and mode & 0o077:
        warnings.warn(
            f"{path}: holds your login and is open to others (mode {mode & 0o777:03o}); run chmod 600 {path}",
            stacklevel=2,
        )
    return True
