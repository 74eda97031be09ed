"""Pages of links: which files a server has, where their names cannot be guessed.

A GLASS file's name ends in the day on which it was produced, so its folder's index must be read. Of a page only the
links count that stay on the same server and below the page's own folder (or are links to files at all, on a page that
is no folder), and only their last part, which must match the product's own pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from helpers.fetch import addresses


@dataclass
class _Links(HTMLParser):
    """Collects the targets of a page's links."""

    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the target of a link."""
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def links(page: str, url: str) -> list[str]:
    """Return the addresses that a page links to on its own server, in order, each once and without its fragment.

    Parameters
    ----------
    page : str
        HTML.
    url : str
        Where it came from.

    Examples
    --------
    >>> links('<a href="../">up</a> <a href="001/">day</a> <a href="https://other.org/x.hdf">x</a>', "https://a.org/b/")
    ['https://a.org/', 'https://a.org/b/001/']
    """
    parser = _Links()
    parser.feed(page)
    parser.close()
    here = urlsplit(url)
    found = []
    for target in parser.found:
        try:
            parts = urlsplit(urljoin(url, target.strip()))
        except ValueError:
            continue
        if (parts.scheme, parts.netloc) == (here.scheme, here.netloc):
            found.append(parts._replace(fragment="").geturl())
    return list(dict.fromkeys(found))


def days(found: list[str], url: str) -> list[str]:
    """Return those links that are sub-folders of a page and named by a day of the year, 001 to 366."""
    start = url.rsplit("/", 1)[0] + "/"
    names = {link: link.removeprefix(start).rstrip("/") for link in found if link.startswith(start)}
    return [
        link if link.endswith("/") else f"{link}/"
        for link, name in names.items()
        if len(name) == 3 and name.isdigit() and 1 <= int(name) <= 366
    ]


def named(found: list[str]) -> dict[str, str]:
    """Return links by their last part; the first of a name counts."""
    by_name: dict[str, str] = {}
    for link in found:
        by_name.setdefault(addresses.last_part(link), link)
    return by_name
