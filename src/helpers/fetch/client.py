"""Asking servers: over https, patiently, and with every answer judged before a byte of it is used."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import requests

from helpers.fetch import addresses
from helpers.fetch.errors import Dropped, FetchError, Source

T = TypeVar("T")
TIMEOUT = (30.0, 60.0)
"""Seconds for a connection to come about, and between two bytes."""
MEBIBYTE = 2**20
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Answers that another try may mend."""
LONGEST_WAIT = 60.0
LARGEST_PAGE = 32 * MEBIBYTE


@dataclass(frozen=True)
class Patience:
    """How often, and how long apart, something is tried.

    Parameters
    ----------
    tries : int
        In a row, without a MiB of progress between them.
    first : float
        Seconds before the second try; each further wait is twice as long.
    pause : callable
        What waits.
    """

    tries: int = 5
    first: float = 1.0
    pause: Callable[[float], object] = time.sleep

    def persist(self, attempt: Callable[[], T], source: Source, url: str) -> T:
        """Call ``attempt`` until it does not raise `Dropped`.

        Raises
        ------
        FetchError
            It never succeeded.
        """
        failures = 0
        while True:
            try:
                return attempt()
            except Dropped as dropped:
                failures = 1 if dropped.gained >= MEBIBYTE else failures + 1
                if failures >= self.tries:
                    raise source.given_up(url, dropped.why, failures) from None
                self.pause(min(LONGEST_WAIT, max(self.first * 2 ** (failures - 1), dropped.after)))


class Bare(requests.Session):
    """A session that takes proxies and certificates from the environment, and no login: neither at first nor later.

    Left to itself, requests looks into ~/.netrc for every host, again at every redirect, and sends even what stands
    there as ``default``; what it finds takes the place of a token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def merge_environment_settings(self, url, proxies, stream, verify, cert) -> dict:
        """Add the environment's proxies and certificates, which ``trust_env`` would bring together with logins."""
        if verify in (None, True):
            verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or verify
        proxies = requests.utils.get_environ_proxies(url) | (proxies or {})
        return super().merge_environment_settings(url, proxies, stream, verify, cert)

    def rebuild_proxies(self, prepared_request, proxies) -> dict:
        """Ask the environment again where a redirect leads, since NO_PROXY may name one of two hosts."""
        proxies = requests.utils.get_environ_proxies(prepared_request.url) | self.proxies
        return super().rebuild_proxies(prepared_request, proxies)


class Client:
    """Asks servers on behalf of one product, each thread with a session of its own.

    Parameters
    ----------
    source : Source
        Whom errors speak for.
    make_session : callable
        Returns a new ``requests.Session``.
    timeout : tuple of float
        Seconds for a connection to come about, and between two bytes.
    """

    def __init__(
        self, source: Source, make_session: Callable[[], requests.Session] = Bare, timeout: tuple = TIMEOUT
    ) -> None:
        self.source, self.timeout = source, timeout
        self._make, self._local = make_session, threading.local()

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = self._make()
            session.hooks["response"].append(self._guard)
            self._local.session = session
        return self._local.session

    def _guard(self, answer: requests.Response, **_: object) -> None:
        """Refuse a redirect that would go on without encryption, or with a user and password in its address."""
        if answer.is_redirect:
            target = requests.compat.urljoin(answer.url, answer.headers["location"])
            if not addresses.may_lead_to(answer.url, target):
                answer.close()
                wanted = "stays encrypted and names no user"
                found = f"expected a redirect that {wanted}, found one to {addresses.shown(target)}"
                raise self.source.other(answer.url, found, f"look where {self.source.page} has the file now")

    @contextmanager
    def get(self, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        """Ask for an address and yield its answer, whose content has yet to come.

        Raises
        ------
        Dropped
            The server cannot be reached, does not answer in time, or asks to come back later.
        FetchError
            It refuses for good: nothing there, no entry, a redirect away from https.
        """
        addresses.check(url)
        try:
            answer = self._session().get(url, headers=headers, stream=True, timeout=self.timeout)
        except requests.exceptions.SSLError:
            raise Dropped("the server's certificate is not accepted") from None
        except requests.exceptions.Timeout:
            raise Dropped(f"no answer in {self.timeout[1]:g} s") from None
        except requests.exceptions.TooManyRedirects:
            raise self.source.other(url, "expected a file, found redirects without end") from None
        except requests.exceptions.InvalidURL:
            raise self.source.missing(url) from None
        except requests.exceptions.RequestException:
            raise Dropped("the server cannot be reached") from None
        with answer:
            self._judge(url, answer)
            yield answer

    def _judge(self, url: str, answer: requests.Response) -> None:
        status = answer.status_code
        if status in AGAIN:
            after = answer.headers.get("Retry-After", "")
            raise Dropped(f"the server answers with status {status}", float(after) if after.isdigit() else 0.0)
        if status in (401, 403, 407):
            raise self.source.denied(url, status)
        if status in (404, 410):
            raise self.source.missing(url, status)
        if status >= 400 and status != 416:
            raise self.source.other(url, f"expected a file, found status {status}")
        if addresses.is_login(answer.url) and not addresses.is_login(url):
            raise self.source.page_instead(url)

    def page(self, url: str, patience: Patience) -> tuple[str, str]:
        """Return a page's text, and the address that it came from after any redirect.

        Raises
        ------
        FetchError
            It cannot be had, or is far too long for a page.
        """

        def attempt() -> tuple[str, str]:
            with self.get(url) as answer:
                try:
                    content = b"".join(_bounded(answer, self.source, url))
                except requests.exceptions.RequestException:
                    raise Dropped("the connection broke off") from None
                return content.decode(answer.encoding or "utf-8", errors="replace"), answer.url

        return patience.persist(attempt, self.source, url)


def _bounded(answer: requests.Response, source: Source, url: str) -> Iterator[bytes]:
    total = 0
    for chunk in answer.iter_content(MEBIBYTE):
        total += len(chunk)
        if total > LARGEST_PAGE:
            raise _too_long(source, url)
        yield chunk


def _too_long(source: Source, url: str) -> FetchError:
    return source.other(url, f"expected a page of links, found more than {LARGEST_PAGE // MEBIBYTE} MiB")
