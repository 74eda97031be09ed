"""Addresses and file names that may be used: https alone, no password inside, no name that leads out of a folder.

>>> shown("https://me:secret@example.org/a/b.nc?token=1")
'https://example.org/a/b.nc'
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from helpers.products.errors import ProductError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""This machine: the one place that may be asked without encryption, since nothing leaves it."""
LOGIN = re.compile(r"(?i)(?:^|[./_-])(?:login|signin|sign-in|sso|oauth2?|authorize|shibboleth|urs)(?:[./_?-]|$)")
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
RESERVED = re.compile(r"(?i)^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
"""Names that Windows keeps for devices."""


def shown(url: str) -> str:
    """Return an address as it may be printed: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def host_of(url: str) -> str:
    """Return an address's host, in small letters; empty where it has none."""
    return (urlsplit(url).hostname or "").lower()


def check(url: str) -> str:
    """Return an address that may be asked.

    Raises
    ------
    ProductError
        It is not encrypted, or holds a user and password.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ProductError(f"{shown(url)}: expected an address without user and password; keep those in ~/.netrc")
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and host_of(url) in LOOPBACK)):
        raise ProductError(f"{shown(url)}: expected an https address, found {parts.scheme or 'none'}; correct it")
    return url


def may_lead_to(url: str, target: str) -> bool:
    """Say whether a redirect may be followed: it stays with its scheme, and its target may itself be asked."""
    try:
        return urlsplit(url).scheme == urlsplit(check(target)).scheme
    except ValueError:
        return False


def is_login(url: str) -> bool:
    """Say whether an address looks like that of a login.

    >>> is_login("https://urs.earthdata.nasa.gov/oauth/authorize"), is_login("https://example.org/burstiness/x.nc")
    (True, False)
    """
    return bool(LOGIN.search(f"{host_of(url)}{urlsplit(url).path}"))


def last_part(url: str) -> str:
    """Return what an address ends with.

    >>> last_part("https://example.org/a/spei12.nc?sequence=14")
    'spei12.nc'
    """
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def plain_name(name: str) -> str:
    """Return a file's name that is safe to write.

    Raises
    ------
    ProductError
        It could lead out of its folder, hide, or be a device.
    """
    if not NAME.fullmatch(name) or ".." in name or name.endswith(".") or RESERVED.match(name):
        raise ProductError(f"expected a plain file name of letters, digits and . _ + -, found {name!r}; correct it")
    return name
