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
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
"""Hosts that every library reads alike; a backslash or a percent sign lets two of them see two hosts in one address."""
UNREADABLE = "an address that cannot be read"
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
RESERVED = re.compile(r"(?i)^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
"""Names that Windows keeps for devices."""


def shown(url: str) -> str:
    """Return an address as it may be printed: in one line, without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return UNREADABLE
    return " ".join(f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}".split())


def host_of(url: str) -> str:
    """Return an address's host, in small letters; empty where it has none."""
    return (urlsplit(url).hostname or "").lower()


def check(url: str) -> str:
    """Return an address that may be asked.

    Raises
    ------
    ProductError
        It is not encrypted, holds a user and password, or cannot be read.
    """
    told = shown(url)
    if told == UNREADABLE:
        raise ProductError(f"{told}: expected one such as https://example.org/file.nc; correct it")
    parts, host = urlsplit(url), host_of(url)
    if "@" in parts.netloc:
        raise ProductError(f"{told}: expected an address without user and password; keep those in ~/.netrc")
    if host and not HOST.fullmatch(host):
        raise ProductError(f"{told}: expected a host of letters, digits and . _ -, found another; correct it")
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK)):
        raise ProductError(f"{told}: expected an https address, found {parts.scheme or 'none'}; correct it")
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
