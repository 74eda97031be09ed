"""Editions of the book, which stay as they are: ``python -m helpers.publish.editions v1.0``.

An edition is a copy of the finished pages of a profile in ``_build/editions``, with a page on what changed since the
edition before. ``latest`` leads to the newest. One file, ``editions.js``, knows all editions, and lets the pages of
each, older ones too, lead to the others; it works on pages that are opened as files. Of the run, what is needed for
`helpers.publish.compare` is kept in ``runs``, which need not be published.

With ``--prepare`` it writes a version into ``CITATION.cff`` and ``pyproject.toml``, and makes ``.zenodo.json`` from the
first. Then write the changelog, commit, build the pages, and cut the edition.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

import jinja2
import yaml
from markdown_it import MarkdownIt

from helpers import provenance, workspace
from helpers.publish import compare
from helpers.run import __main__ as runner
from helpers.run import pages
from helpers.run.chapters import Book, UserError

VERSION = re.compile(r"v(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){1,2}")


@dataclass(frozen=True)
class Edition:
    """What is known of an edition: its version, the run that it shows, and the addresses of its pages."""

    version: str
    profile: str
    commit: str
    date: str
    pages: list[str]

    @property
    def order(self) -> list[int]:
        """By which editions are sorted: v1.10 comes after v1.9."""
        return order(self.version)


def order(version: str) -> list[int]:
    """Return the numbers of a version."""
    return [int(number) for number in version[1:].split(".")]


def known(home: Path) -> list[Edition]:
    """Return the editions in a folder, the newest first."""
    found = [Edition(**json.loads(path.read_text(encoding="utf-8"))) for path in home.glob("v*/edition.json")]
    return sorted(found, key=lambda each: each.order, reverse=True)


def zenodo(citation: dict) -> str:
    """Return Zenodo's metadata, as ``.zenodo.json`` holds them, made from what ``CITATION.cff`` holds."""
    people = [
        {"name": each["name"] if "name" in each else f"{each['family-names']}, {each['given-names']}"}
        for each in citation["authors"]
    ]
    code, text = citation["license"]
    told = {
        "title": citation["title"],
        "upload_type": "software",
        "version": str(citation["version"]),
        "description": f"<p>{escape(' '.join(citation['abstract'].split()))}</p>",
        "creators": people,
        "keywords": citation["keywords"],
        "access_right": "open",
        "license": code,
        "notes": f"The code is under the licence {code}, texts and figures are under {text}.",
        "language": "eng",
        "related_identifiers": [
            {"identifier": each["doi"], "relation": "isSupplementTo", "resource_type": "publication-preprint"}
            for each in citation["references"]
        ],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def cited(root: Path) -> dict:
    """Return what ``CITATION.cff`` holds."""
    return yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))


def prepare(root: Path, version: str) -> None:
    """Write a version into ``CITATION.cff`` and ``pyproject.toml``, and ``.zenodo.json`` after the first."""
    for name, line in (("CITATION.cff", 'version: "{}"'), ("pyproject.toml", 'version = "{}"')):
        text, start = (root / name).read_text(encoding="utf-8"), line.partition('"')[0]
        told = re.sub(rf"^{start}.*$", line.format(version[1:]), text, count=1, flags=re.MULTILINE)
        (root / name).write_text(told, encoding="utf-8")
    (root / ".zenodo.json").write_text(zenodo(cited(root)), encoding="utf-8")


def changes(root: Path, version: str) -> str:
    """Return what ``CHANGELOG.md`` says of a version, in Markdown.

    Raises
    ------
    UserError
        It says nothing.
    """
    path, number = root / "CHANGELOG.md", re.escape(version[1:])
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    entry = re.search(rf"^## \[?v?{number}\]?(?![.\d]).*\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    if entry is None or not entry[1].strip():
        raise UserError(
            f"CHANGELOG.md: expected a heading ## [{version[1:]}] and what changed, found none; write it, and commit"
        )
    return entry[1].strip()


def check_committed(root: Path, version: str) -> str:
    """Return the commit that an edition is cut from.

    Raises
    ------
    UserError
        This is no checkout, something is not committed, or what tells the version tells another.
    """
    done = subprocess.run(
        ["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True, check=False
    )
    commit, _ = provenance.commit(root)
    if done.returncode or commit == provenance.UNKNOWN:
        raise UserError(f"{root}: expected a checkout of git, found none; an edition tells its commit")
    if changed := done.stdout.splitlines():
        more = f" and {len(changed) - 1} more" * (len(changed) > 1)
        raise UserError(
            f"{root}: expected everything committed, found {changed[0].strip()}{more}; commit it, or undo it"
        )
    citation, path = cited(root), root / ".zenodo.json"
    way = f"run python -m helpers.publish.editions {version} --prepare, and commit"
    if str(citation["version"]) != version[1:]:
        raise UserError(f"CITATION.cff: expected version {version[1:]}, found {citation['version']}; {way}")
    if not path.is_file() or path.read_text(encoding="utf-8") != zenodo(citation):
        raise UserError(f".zenodo.json: expected what CITATION.cff says, found something else; {way}")
    return commit


def check_fresh(book: Book, profile: str, commit: str) -> provenance.Label:
    """Return the label of finished pages that show what the sources say now.

    Raises
    ------
    UserError
        They don't, or they were built at another commit.
    """
    way = f"run make book PROFILE={profile}"
    plan = runner.plan(book, runner.parser().parse_args(["--profile", profile]))
    if stale := [chapter.stem for chapter, why in runner.examine(plan) if why]:
        raise UserError(f"profile {profile}: expected fresh chapters, found {', '.join(stale)} stale; {way}")
    if not pages.is_fresh(book, profile, pages.made_from(book, plan.profile, plan.everything, plan.settings)):
        raise UserError(f"profile {profile}: expected finished pages of what the sources say now, found none; {way}")
    built = book.build / profile
    label = provenance.Label(**json.loads((built / "pages" / "labels.json").read_text(encoding="utf-8"))[""])
    if label.commit != commit:
        way = f"delete {built / 'built.json'}, and {way}"
        raise UserError(f"profile {profile}: expected pages built at commit {commit}, found {label.commit}; {way}")
    return label


def keep_run(book: Book, profile: str, target: Path) -> None:
    """Copy what a comparison asks of a run: records, executed chapters, and artefacts."""
    folder = book.folder(profile)
    target.mkdir(parents=True)
    for name in ("chapters", ".state"):
        shutil.copytree(folder / name, target / name, ignore=shutil.ignore_patterns("ipython", "lock", "holder"))
    for artefact in book.artefacts.values():
        if (place := folder / artefact.file).is_dir():
            shutil.copytree(place, target / artefact.file)
        elif place.is_file():
            shutil.copyfile(place, target / artefact.file)


def cut(book: Book, profile: str, version: str, home: Path) -> Path:
    """Make an edition in the folder ``home``; return its first page. Older editions stay as they are.

    Raises
    ------
    UserError
        The version isn't one or is taken, or what it would hold is not committed, not told, or stale.
    """
    if not VERSION.fullmatch(version):
        raise UserError(f"VERSION: expected one such as v1.0 or v1.0.2, found {version!r}; correct it")
    target = home / version
    if target.exists():
        raise UserError(f"{target}: expected no edition {version} yet, found one, which stays as it is; choose another")
    if isinstance(book.outputs, str):
        raise UserError(f"RECO_OUTPUTS: expected a folder, found {book.outputs}; an edition keeps a copy of its run")
    commit = check_committed(book.root, version)
    entry = changes(book.root, version)
    label = check_fresh(book, profile, commit)
    before = next((each.version for each in known(home) if each.order < order(version)), None)
    run = home / "runs" / version
    workspace.remove(run)  # of a cut that was killed
    with workspace.writing(run) as kept, workspace.writing(target) as made:
        keep_run(book, profile, kept)
        shutil.copytree(book.build / profile / "html", made)
        addresses = sorted(path.relative_to(made).as_posix() for path in made.rglob("*.html"))
        addresses = [each for each in addresses if not each.startswith("_")]
        (made / "changes").mkdir()
        places = jinja2.Environment(loader=jinja2.PackageLoader("helpers.publish", "."), autoescape=True)
        told = {"version": version, "profile": profile, "commit": commit, "date": label.date[:10], "before": before}
        html = places.get_template("changes.html").render(entry=MarkdownIt("js-default").render(entry), **told)
        (made / "changes" / "index.html").write_text(html, encoding="utf-8")
        if before:
            (made / "changes" / "compare").mkdir()
            pair = compare.Run(before, home / "runs" / before), compare.Run(version, kept)
            compare.page(*pair, made / "changes" / "compare")
        for address in [*addresses, "changes/index.html"]:
            script = f'<script defer src="{"../" * (address.count("/") + 1)}editions.js"></script>'
            text = (made / address).read_text(encoding="utf-8")
            (made / address).write_text(text.replace("</head>", f"{script}</head>", 1), encoding="utf-8")
        edition = Edition(version, profile, commit, label.date[:10], addresses)
        (made / "edition.json").write_text(json.dumps(asdict(edition), indent=1) + "\n", encoding="utf-8")
    show(home)
    return target / "index.html"


LEADING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{version}</title>
<script>location.replace("{address}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={address}"></noscript>
<p><a href="{address}">Edition {version}</a></p></html>
"""


def show(home: Path) -> None:
    """Write what each cut makes anew: the list of all editions, and the pages that lead to the newest."""
    editions = known(home)
    script = (Path(__file__).with_name("editions.js")).read_text(encoding="utf-8")
    listed = json.dumps([asdict(each) for each in editions], ensure_ascii=False).replace("<", "\\u003c")
    newest = {}  # where each page has its newest version
    for edition in editions:
        for address in edition.pages:
            newest.setdefault(address, edition.version)
    with workspace.writing(home / "latest") as made:
        for address, version in newest.items():
            (made / address).parent.mkdir(parents=True, exist_ok=True)
            way = f"{'../' * (address.count('/') + 1)}{version}/{address}"
            (made / address).write_text(LEADING.format(version=version, address=way), encoding="utf-8")
    with workspace.writing(home / "index.html") as aside:
        version = editions[0].version
        aside.write_text(LEADING.format(version=version, address=f"{version}/index.html"), encoding="utf-8")
    with workspace.writing(home / "editions.js") as aside:
        aside.write_text(script.replace("EDITIONS", listed, 1), encoding="utf-8")


@workspace.command("helpers.publish.editions")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.editions", description=__doc__.splitlines()[0])
    line.add_argument("version", metavar="VERSION", help="such as v1.0")
    line.add_argument("--profile", default="demo", help="a profile whose pages are built (default: demo)")
    line.add_argument("--prepare", action="store_true", help="write the version where it is told")
    options = line.parse_args(arguments)
    book = Book.here()
    if options.prepare:
        if not VERSION.fullmatch(options.version):
            raise UserError(f"VERSION: expected one such as v1.0, found {options.version!r}; correct it")
        prepare(book.root, options.version)
        print(f"CITATION.cff and .zenodo.json say {options.version[1:]}: commit them, and a heading of CHANGELOG.md")
        return 0
    index = cut(book, options.profile, options.version, book.build / "editions")
    print(f"edition {options.version} is at {index}; give its commit the tag {options.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
