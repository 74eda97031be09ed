"""What can go wrong when a product is fetched, said in one line; and never with a secret in it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers.fetch.addresses import shown
from helpers.products.errors import ProductError

EARTHDATA = "https://urs.earthdata.nasa.gov"


class FetchError(ProductError):
    """A product could not be fetched; the message says what was asked for, what came, and what to do."""


class ByHand(FetchError):
    """A product that nobody can fetch by a command: it asks for a form, or is a file of one's own."""


class Stopped(FetchError):
    """A download was told to stop; what came so far is kept."""


class Dropped(Exception):
    """A try failed in a way that another try may mend.

    Parameters
    ----------
    why : str
        In a few words.
    after : float
        Seconds that the server asks to wait.
    gained : int
        Bytes that this try brought all the same.
    """

    def __init__(self, why: str, after: float = 0.0, gained: int = 0) -> None:
        super().__init__(why)
        self.why, self.after, self.gained = why, after, gained


@dataclass(frozen=True)
class Source:
    """Whom a download speaks for, so that its errors name the product, the address and the remedy.

    Parameters
    ----------
    product : str
        Product id.
    page : str
        The product's own page, for people.
    login : bool
        It asks for an Earthdata login.
    """

    product: str
    page: str
    login: bool = False

    def _error(self, url: str, text: str) -> FetchError:
        return FetchError(f"{self.product}: {shown(url)}: {text}")

    @property
    def _enter(self) -> str:
        if self.login:
            return f"log in at {EARTHDATA}, accept the data set's licence (EULA) there or at {self.page}, and try again"
        return f"open {self.page} in a browser, log in or accept the licence there, and put the files in place by hand"

    def missing(self, url: str, status: int = 404) -> FetchError:
        """Return the error for an address where nothing is."""
        return self._error(
            url,
            f"expected it to be there, found nothing ({status}); look where {self.page} has it now, and correct "
            f"'fetch' of {self.product} in data/products.yml",
        )

    def denied(self, url: str, status: int) -> FetchError:
        """Return the error for an address that lets nobody in."""
        return self._error(url, f"expected to be let in, found status {status}; {self._enter}")

    def page_instead(self, url: str) -> FetchError:
        """Return the error for a web page, such as that of a login, in a file's place."""
        return self._error(url, f"expected a file, found a web page (such as that of a login); {self._enter}")

    def other(self, url: str, found: str, remedy: str = "") -> FetchError:
        """Return the error for any other answer."""
        return self._error(url, f"{found}; {remedy or f'look at {self.page}, and try again later'}")

    def given_up(self, url: str, why: str, tries: int) -> FetchError:
        """Return the error for an address that failed again and again."""
        return self._error(
            url, f"{why}, in {tries} tries; check the connection and run the same again: it goes on from what it has"
        )


REMEDIES = {
    errno.ENOSPC: "the disk is full; make room, or choose another folder, and run the same again",
    errno.EDQUOT: "your quota is used up; make room, or choose another folder, and run the same again",
    errno.EACCES: "you may not write there; choose another folder",
    errno.EPERM: "you may not write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder",
}


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Say in one line what keeps ``path`` from being written.

    Raises
    ------
    FetchError
        The disk is full, or the folder is not to be written to.
    """
    try:
        yield
    except OSError as error:
        remedy = REMEDIES.get(error.errno, f"{error.strerror or type(error).__name__}; choose another folder")
        raise FetchError(f"{path}: cannot be written: {remedy}") from None
