"""The book of a profile as one PDF, to read on paper and to annotate: ``python -m helpers.publish.pdf --profile demo``.

The finished pages become one long page, whose links lead to one another; Chromium prints it. Then the contents, which
come first, are printed once more, with the numbers of pages that only the print could tell. All is shown that a click
would open: folded code, and the solutions of exercises.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import pypdf
import yaml
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from pypdf.generic import Fit, NameObject

from helpers import provenance, workspace
from helpers.run import pages
from helpers.run.chapters import Book, UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PRINTING = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--no-pdf-header-footer", "--disable-pdf-tagging", "--virtual-time-budget=600000",
)  # fmt: skip
"""How a browser prints: tags for readers of screens, for whom the pages are made, would add half of the file's size."""
HUNG = 3600
"""Seconds after which a browser is taken to hang."""
LEFT_OUT = ".headerlink, .figure-links, .chapter-links, .toggle-button, .copybtn, script, .toctree-wrapper"
"""What leads nowhere on paper."""


@dataclass
class Place:
    """What the table of contents leads to: a chapter, or a section of one.

    Parameters
    ----------
    id, title : str
    label, run : str
        What its pages say at their top of the run, and what the first of them says.
    html : str
    sections : list of Place
    """

    id: str
    title: str
    label: str = ""
    run: str = ""
    html: str = ""
    sections: list[Place] = field(default_factory=list)


@dataclass
class Part:
    """Chapters under one caption."""

    caption: str
    chapters: list[Place]


def browser() -> str:
    """Return the program that prints.

    Raises
    ------
    UserError
        There is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise UserError(
            f"PATH: expected a browser that prints ({', '.join(BROWSERS[:3])}), found none; install Chromium "
            "(apt install chromium, brew install --cask chromium) or Chrome, and let the PATH hold it"
        )
    return found


def chapter(html: str, page: str, known: Mapping[str, str]) -> Place:
    """Return a finished page as a chapter of the long one.

    Parameters
    ----------
    html : str
    page : str
        Its name, such as ``book/intro``.
    known : mapping
        By the address of each page, such as ``book/intro.html``, what it is called in the long one. A link to anything
        else that lies here becomes plain words.
    """
    soup, home, own = BeautifulSoup(html, "html.parser"), posixpath.dirname(page), known[f"{page}.html"]
    article = soup.select_one("article.bd-article")
    for tag in article.select(LEFT_OUT):
        tag.decompose()
    for tag in article.find_all("details"):
        tag["open"] = ""
    for tag in article.find_all(id=True):
        if not tag["id"].startswith("T_"):  # cells of a table, which its style finds by their names
            tag["id"] = f"{own}--{tag['id']}"  # several pages have a section of that name
    for tag in article.find_all("a", href=True):
        address, _, name = tag["href"].partition("#")
        target = posixpath.normpath(posixpath.join(home, address)) if address else f"{page}.html"
        if target in known:
            tag["href"] = "#" + known[target] + f"--{name}" * bool(name)
        elif not re.match(r"[a-z]+:", address):
            del tag["href"]
    for tag in article.find_all(src=True):
        if not re.match(r"[a-z]+:", tag["src"]):
            tag["src"] = "../html/" + posixpath.normpath(posixpath.join(home, tag["src"]))
    sections = [Place(h.parent["id"], _words(h)) for h in article.select("section > section > h2")]
    banner = soup.select_one(".run-label summary")
    label = " · ".join(map(_words, banner.select("strong, span:not(.about)"))) if banner else ""
    about = banner and banner.select_one(".about")
    run = label + (f" · {_words(about)}" if about else "")
    return Place(own, _words(article.find("h1")), label, run, article.decode_contents(), sections)


def _words(tag: Tag) -> str:
    return " ".join(tag.get_text().split())


def _css(text: str) -> Markup:
    """Write a text as a string of CSS within HTML."""
    return Markup('"' + re.sub(r'["\\<>&\n]', lambda sign: f"\\{ord(sign[0]):x} ", text) + '"')


def read(home: Path) -> list[Part]:
    """Return the finished pages of ``home``, a profile's folder, in the order of its table of contents."""
    toc = yaml.safe_load((home / "pages" / "_toc.yml").read_text(encoding="utf-8"))
    parts = [("", [toc["root"]])]
    parts += [(part.get("caption", ""), [each["file"] for each in part["chapters"]]) for part in toc.get("parts", [])]
    known = {f"{page}.html": posixpath.basename(page) for _, names in parts for page in names}

    def one(page: str) -> Place:
        return chapter((home / "html" / f"{page}.html").read_text(encoding="utf-8"), page, known)

    return [Part(caption, [one(page) for page in names]) for caption, names in parts]


def long_page(home: Path, parts: list[Part], numbers: Mapping[str, int] | None = None) -> str:
    """Return the page to print; with ``numbers`` of pages, by the names of places, its cover and contents alone."""
    config = yaml.safe_load((home / "pages" / "_config.yml").read_text(encoding="utf-8"))
    first = parts[0].chapters[0]
    html = "".join(path.read_text(encoding="utf-8") for path in sorted((home / "html").glob("[bn]*/*.html")))
    # pages without a formula don't load MathJax
    formulas = re.search(
        r'window\.MathJax = (\{.*?\})</script>.*?src="\.\./([^"]*mathjax/startup\.js)', html, re.DOTALL
    )
    styles = dict.fromkeys(re.findall(r'<link[^>]*\shref="\.\./([^"]+\.css)', html))
    places = jinja2.Environment(loader=jinja2.PackageLoader("helpers.publish", "."), autoescape=True)
    places.filters["css"] = _css
    return places.get_template("pdf.html").render(
        title=config["title"], author=config["author"], run=first.run, parts=parts, numbers=numbers or {},
        styles=[f"../html/{address}" for address in styles],
        mathjax=formulas and formulas[1], startup=formulas and f"../html/{formulas[2]}",
    )  # fmt: skip


def printed(html: str, folder: Path) -> pypdf.PdfReader:
    """Let the browser print a page that lies in ``folder``.

    Raises
    ------
    UserError
        It doesn't.
    """
    page, made = folder / "long.html", folder / "long.pdf"
    page.write_text(html, encoding="utf-8")
    made.unlink(missing_ok=True)
    program = browser()
    command = [program, *PRINTING, f"--user-data-dir={folder / 'browser'}", f"--print-to-pdf={made}", page.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG, check=False)
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
    except subprocess.TimeoutExpired:
        said = f"nothing within {HUNG} s"
    if not made.is_file():
        raise UserError(f"{program}: expected it to print the pages, it said: {said}; try another version of it")
    return pypdf.PdfReader(io.BytesIO(made.read_bytes()))


def bound(
    whole: pypdf.PdfReader, front: pypdf.PdfReader, parts: list[Part], about: Mapping[str, str]
) -> pypdf.PdfWriter:
    """Return the printed book with the contents that tell pages, an outline, and what the file is."""
    writer = pypdf.PdfWriter(clone_from=whole)
    for page, told in zip(writer.pages, front.pages, strict=False):  # links stay: both are laid out alike
        page[NameObject("/Contents")] = told["/Contents"].clone(writer).indirect_reference
        page[NameObject("/Resources")] = told["/Resources"].clone(writer)
    places = whole.named_destinations

    def note(place: Place, parent: object) -> object:
        found = places["/" + place.id]
        number = whole.get_destination_page_number(found)
        return writer.add_outline_item(title=place.title, page_number=number, parent=parent, fit=Fit.xyz(top=found.top))

    for part in parts:
        parent = None
        if part.caption:
            start = whole.get_destination_page_number(places["/" + part.chapters[0].id])
            parent = writer.add_outline_item(title=part.caption, page_number=start, bold=True)
        for each in part.chapters:
            mark = note(each, parent)
            for section in each.sections:
                note(section, mark)
    writer.page_mode = "/UseOutlines"
    writer.metadata = about
    return writer


def make(home: Path, target: Path) -> int:
    """Print the finished pages of ``home`` into the file ``target``; return how many sheets they take."""
    labels = json.loads((home / "pages" / "labels.json").read_text(encoding="utf-8"))
    config = yaml.safe_load((home / "pages" / "_config.yml").read_text(encoding="utf-8"))
    parts = read(home)
    with workspace.aside(home / f".pdf.{os.getpid()}.part") as folder:
        folder.mkdir()
        whole = printed(long_page(home, parts), folder)
        chapters = [each for part in parts for each in part.chapters]
        numbers = {
            place.id: whole.get_destination_page_number(whole.named_destinations["/" + place.id]) + 1
            for each in chapters for place in (each, *each.sections)
        }  # fmt: skip
        front = printed(long_page(home, parts, numbers), folder)
    about = {"/Title": config["title"], "/Author": config["author"], "/Subject": chapters[0].run}
    if (date := labels[""]["date"]) != provenance.UNKNOWN:
        about["/CreationDate"] = "D:" + re.sub(r"\D", "", date) + "Z"
    with workspace.writing(target) as aside:
        bound(whole, front, parts, about).write(aside)
    return len(whole.pages)


@workspace.command("helpers.publish.pdf")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.pdf", description=__doc__.splitlines()[0])
    line.add_argument("--profile", default="demo", help="a profile whose pages are built (default: demo)")
    line.add_argument("--to", type=workspace.typed_path, help="the file (default: _build/PROFILE/book.pdf)")
    options = line.parse_args(arguments)
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it counts the objects of every print, and finds too many
    book = Book.here()
    index = pages.index(book, options.profile)
    if not index.is_file():
        raise UserError(f"{index}: expected finished pages, found none; run make book PROFILE={options.profile}")
    home = index.parents[1]
    target = options.to or home / "book.pdf"
    count = make(home, target)
    print(f"the book is at {target}: {count} pages, {target.stat().st_size / 2**20:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
