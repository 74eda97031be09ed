"""Jupyter Book over the staged pages of one profile: execution off, warnings as errors, rebuilt only when needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from helpers import workspace
from helpers.run import stage
from helpers.run.chapters import Chapter
from helpers.run.digests import Digests, of_value
from helpers.run.places import Book, UserError
from helpers.run.profiles import Profile, Settings

COMMAND = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
WARNING = re.compile(r"(WARNING|ERROR|CRITICAL): ")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def index(book: Book, profile: str) -> Path:
    """Return the first page of a profile's book."""
    return book.build / profile / "html" / "index.html"


def build(book: Book, profile: Profile, chapters: list[Chapter], settings: dict[str, Settings]) -> bool:
    """Build the pages of a profile unless they are up to date; say whether they were built.

    The old pages stay until the new ones stand complete.

    Raises
    ------
    UserError
        When Jupyter Book warns: names the first warning, and the log that holds all of them.
    """
    home = book.build / profile.name
    source = _source(book, profile, chapters, settings)
    if index(book, profile.name).is_file() and _noted(home / "built.json") == source:
        return False
    print("building the pages", flush=True)
    home.mkdir(parents=True, exist_ok=True)
    with workspace.writing(home / "pages") as pages:
        stage.lay_out(book, profile, chapters, settings, pages)
    with workspace.writing(home / "html") as made, workspace.aside(made.with_suffix(".work.part")) as work:
        _jupyter_book(home / "pages", work, home / "html.log")
        (work / "_build" / "html").rename(made)
    with workspace.writing(home / "built.json") as aside:
        aside.write_text(json.dumps(source))
    return True


def _source(book: Book, profile: Profile, chapters: list[Chapter], settings: dict[str, Settings]) -> str:
    """Hash all that the pages depend on."""
    digests = Digests(book.state(profile.name) / "digests.json")
    root, workspace_ = book.root, book.outputs / profile.name
    chosen = [chapter for chapter in chapters if chapter.stem in settings]
    paths = [root / "book", book.notebooks, root / "_toc.yml", root / "_config.yml", root / "data" / "products.yml"]
    paths += [root / "requirements.txt", book.helpers / "run"]
    paths += [book.executed(profile.name, chapter.stem) for chapter in chosen]
    made = sorted({workspace_ / workspace.ARTEFACTS[name].file for chapter in chosen for name in chapter.writes})
    shown = {chapter.stem: settings[chapter.stem].shown for chapter in chosen}
    return of_value([[digests.of(path) for path in [*paths, *made]], shown])


def _noted(path: Path) -> str | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _jupyter_book(pages: Path, work: Path, log: Path) -> None:
    options = ["build", str(pages), "--path-output", str(work), "-W", "-n", "--keep-going"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    text = COLOUR.sub("", done.stdout)
    log.write_text(text, encoding="utf-8")
    if done.returncode:
        found = [line for line in text.splitlines() if WARNING.search(line)] or text.splitlines()[-1:] or ["no message"]
        count = f"{len(found)} warning" + "s" * (len(found) > 1)
        raise UserError(f"the pages have {count}, first: {found[0].strip()} (the whole log is {log})")
