"""Editions: copies that stay, the list that lets them lead to each other, and what is told with them."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from pybtex.database import parse_string
from test_pages_in_browser import BROWSER, QUIET

from helpers import provenance
from helpers.publish import editions, myst
from helpers.run import __main__ as runner
from helpers.run import pages
from helpers.run.chapters import UserError
from helpers.workspace import ROOT

LABEL = {"world": "Demo Earth: a made planet", "profile": "demo", "commit": "a" * 40, "date": "2026-11-29T19:59:48Z"}


@pytest.fixture(scope="module")
def frame():
    """What draws the frame of the pages."""
    spec = importlib.util.spec_from_file_location("frame", ROOT / "book" / "_ext" / "frame.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_citation_is_bibtex_with_version_run_and_study(frame):
    citation = editions.cited(ROOT)
    text = frame.bibtex(citation, LABEL, "6. Trends & more", "https://example.org/book")
    book, paper = parse_string(text, "bibtex").entries.values()
    assert [str(each) for each in book.persons["author"]] == ["{The RECO book contributors}"]
    assert book.fields["version"] == str(citation["version"]) and book.fields["year"] == "2026"
    assert book.fields["note"] == f"6. Trends \\& more; {LABEL['world']}, profile demo, commit {LABEL['commit']}"
    assert book.fields["url"] == "https://example.org/book"
    assert paper.fields["doi"] == citation["references"][0]["doi"]
    assert [each.last_names for each in paper.persons["author"]] == [
        [author["family-names"]] for author in citation["references"][0]["authors"]
    ]
    assert "url" not in parse_string(frame.bibtex(citation, LABEL), "bibtex").entries["reco_book"].fields


def test_the_version_is_the_same_everywhere_and_zenodo_is_told_what_the_citation_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == str(editions.cited(ROOT)["version"])
    assert (ROOT / ".zenodo.json").read_text(encoding="utf-8") == editions.zenodo(editions.cited(ROOT))


class Kept:
    """The small book in a checkout of its own, whose pages are built without Sphinx."""

    def __init__(self, book, monkeypatch):
        self.book, self.root = book.book, book.root
        self.mini = book
        self.home = self.root / "_build" / "editions"
        monkeypatch.setattr(pages, "_jupyter_book", self.fake)
        # the small book has a table of that name, with other columns
        monkeypatch.setattr(editions.compare, "numbers", lambda a, b: None)
        for name in list(self.environment()):
            monkeypatch.setenv(name, self.environment()[name])
        (self.root / ".gitignore").write_text("outputs/\n_build/\n__pycache__/\n")
        (self.root / "pyproject.toml").write_text('[project]\nversion = "0.0"\n')
        self.git("init", "-q")
        self.release("v0.1", "First words.")

    @staticmethod
    def environment():
        who = {"NAME": "a", "EMAIL": "a@example.org", "DATE": "2026-11-29T12:00:00Z"}
        return {f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in who.items()}

    @staticmethod
    def fake(laid, work, log):
        for path in [*laid.glob("book/*.md"), *laid.glob("notebooks/*.ipynb")]:
            made = (work / "_build" / "html" / path.relative_to(laid)).with_suffix(".html")
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(f"<html><head></head><body>{len(path.read_bytes())}</body></html>")
        (work / "_build" / "html" / "index.html").write_text("<html><head></head><body></body></html>")

    def git(self, *words):
        subprocess.run(["git", "-C", str(self.root), *words], check=True, capture_output=True)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "more", "--allow-empty")
        provenance.commit.cache_clear()

    def release(self, version, words):
        """Do all that comes before an edition is cut."""
        editions.prepare(self.root, version)
        path = self.root / "CHANGELOG.md"
        old = path.read_text() if path.exists() else "# Changelog\n"
        path.write_text(f"{old}\n## [{version[1:]}] – 2026-11-29\n\n- {words}\n")
        self.commit()
        self.build()

    def build(self):
        plan = runner.plan(self.book, runner.parser().parse_args([]))
        pages.build(self.book, plan.profile, plan.everything, plan.settings)

    def cut(self, version):
        return editions.cut(self.book, "demo", version, self.home)

    def digests(self, version):
        files = sorted(path for path in (self.home / version).rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def kept(mini, monkeypatch):
    """A checkout whose first edition can be cut."""
    return Kept(mini, monkeypatch)


@pytest.fixture
def two(kept):
    """Two editions, and the first as it was before the second."""
    kept.cut("v0.1")
    before = kept.digests("v0.1")
    kept.mini.write("04_apart", words="Entirely other words.")
    kept.release("v0.10", "Second *words*.")
    kept.cut("v0.10")
    return kept, before


def test_an_older_edition_stays_as_it_was_and_the_list_knows_both(two):
    kept, before = two
    assert kept.digests("v0.1") == before
    listed = json.loads(re.search(r"const editions = (\[.*\]);", (kept.home / "editions.js").read_text())[1])
    assert [each["version"] for each in listed] == ["v0.10", "v0.1"]
    assert "notebooks/04_apart.html" in listed[0]["pages"] and listed[0]["commit"] != listed[1]["commit"]
    page = (kept.home / "v0.10" / "notebooks" / "04_apart.html").read_text()
    script = re.search(r'<script defer src="([^"]+)"', page)[1]
    assert (kept.home / "v0.10" / "notebooks" / script).resolve() == (kept.home / "editions.js").resolve()
    leading = (kept.home / "latest" / "notebooks" / "04_apart.html").read_text()
    assert 'href="../../v0.10/notebooks/04_apart.html"' in leading


def test_what_changed_tells_the_changelog_and_compares_the_runs(two):
    kept, _ = two
    first, second = (
        (kept.home / version / "changes" / "index.html").read_text(encoding="utf-8") for version in ("v0.1", "v0.10")
    )
    assert "First words." in first and "first edition" in first
    assert "Second <em>words</em>." in second and "First words." not in second
    compared = (kept.home / "v0.10" / "changes" / "compare" / "index.html").read_text(encoding="utf-8")
    assert "v0.1" in compared and "Nothing differs" in compared


@pytest.mark.parametrize(
    ("spoil", "version", "said"),
    [
        (lambda kept: kept.cut("v0.1"), "v0.1", r"expected no edition v0.1 yet, found one"),
        (lambda kept: None, "1.0", r"VERSION: expected one such as v1.0 .* found '1.0'"),
        (lambda kept: (kept.root / "new.txt").write_text(""), "v0.1", r"expected everything committed, found \?\? new"),
        (lambda kept: None, "v0.2", r"CITATION.cff: expected version 0.2, found 0.1; run .*--prepare"),
        (lambda kept: (shutil.copy(ROOT / ".zenodo.json", kept.root), kept.commit()), "v0.1",
         r".zenodo.json: expected what CITATION.cff says, found something else"),
        (lambda kept: ((kept.root / "CHANGELOG.md").write_text("## [0.1.1]\n\n- x\n"), kept.commit()), "v0.1",
         r"CHANGELOG.md: expected a heading ## \[0.1\]"),
        (lambda kept: (kept.mini.write("04_apart", words="Others."), kept.commit()), "v0.1",
         r"expected finished pages of what the sources say now.*make book PROFILE=demo"),
        (lambda kept: (kept.mini.profile("demo", "common: {seed: 9}\n"), kept.commit()), "v0.1",
         r"expected fresh chapters, found 01_numbers"),
        (lambda kept: kept.commit(), "v0.1", r"expected pages built at commit .*; delete .*built.json"),
    ],
)  # fmt: skip
def test_what_is_not_ready_is_refused_in_one_line(kept, spoil, version, said):
    spoil(kept)
    with pytest.raises(UserError, match=said) as refused:
        kept.cut(version)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", ["v01.0", "v1.00", "v\N{FULLWIDTH DIGIT ONE}.0"])
def test_a_version_is_written_in_one_way(monkeypatch, capsys, version):
    monkeypatch.setattr(editions, "prepare", lambda *_: pytest.fail("nothing may be written"))
    assert editions.main([version, "--prepare"]) == 2
    assert capsys.readouterr().err.startswith("helpers.publish.editions: VERSION: expected one such as v1.0, found")


@pytest.mark.long
def test_pages_opened_as_files_lead_to_other_editions(two, tmp_path):
    if BROWSER is None:
        pytest.skip("looking at pages wants Chromium: found none")
    kept, _ = two
    page = kept.home / "v0.1" / "notebooks" / "04_apart.html"
    command = [BROWSER, *QUIET, "--dump-dom", f"--user-data-dir={tmp_path}", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    newer = (kept.home / "v0.10" / "notebooks" / "04_apart.html").as_uri()
    assert "Edition v0.1" in shown and "there is a newer one" in shown
    assert newer in re.findall(r'href="([^"]+)"', shown)


def test_a_page_that_is_missing_or_in_no_contents_fails(tmp_path):
    laid, html = tmp_path / "pages", tmp_path / "html"
    for folder, suffix in ((laid, ".md"), (html, ".html")):
        for name in ("book/intro", "book/a"):
            path = folder / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
    toc = {"root": "book/intro", "parts": [{"chapters": [{"file": "book/a"}]}]}
    (laid / "_toc.yml").write_text(yaml.safe_dump(toc))
    pages.check_complete(laid, html)
    (laid / "book" / "orphan.md").write_text("x")
    with pytest.raises(UserError, match="expected an entry for each page, found none for book/orphan"):
        pages.check_complete(laid, html)
    (laid / "book" / "orphan.md").unlink()
    (html / "book" / "a.html").unlink()
    with pytest.raises(UserError, match="expected 2 pages, found no book/a;"):
        pages.check_complete(laid, html)


def test_what_myst_says_is_counted_by_kind():
    log = (
        "⛔️ notebooks/01_a.ipynb:3:255 unknown role: glue:text\n⛔️ book/a.md:3 unknown role: glue:text\n"
        "📖 Built book/a.md in 3 s.\n⚠️  book/a.md Cross reference target was not found: term-npp\n"
        "⚠️  book/a.md:6 unexpected option given\n"
        '⚠️  book/b.md Duplicate identifier in project "cell-00"\n⚠️  book/b.md Duplicate identifier in project "c-1"\n'
    )
    assert myst.kinds(log) == {
        ("error", "unknown role"): 2,
        ("warning", "Cross reference target was not found"): 1,
        ("warning", "unexpected option given"): 1,
        ("warning", "Duplicate identifier in project"): 2,
    }


def test_myst_is_told_the_contents(tmp_path):
    (tmp_path / "book").mkdir()
    for name in ("intro.md", "a.ipynb"):
        Path(tmp_path / "book" / name).write_text("x")
    toc = {"root": "book/intro", "parts": [{"caption": "Part", "chapters": [{"file": "book/a"}]}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    (tmp_path / "_config.yml").write_text("title: T\nbibtex_bibfiles: [b.bib]\n")
    assert myst.project(tmp_path)["project"]["toc"] == [
        {"file": "book/intro.md"},
        {"title": "Part", "children": [{"file": "book/a.ipynb"}]},
    ]
