"""The page on how chapters ran: fresh, stale and why, not run; seconds, and the commit of the label."""

import dataclasses

import nbformat
import pandas as pd
from miniature import Miniature

from helpers.publish import status
from helpers.run import __main__ as runner
from helpers.run import staleness
from helpers.run.chapters import Book
from helpers.run.staleness import Digests


def note(book, stem, seconds):
    """Write down that a chapter ran, without running it: its artefacts, its page, its record."""
    plan = runner.plan(book, runner.parser().parse_args([]))
    chapter = next(each for each in plan.chapters if each.stem == stem)
    for name in chapter.writes:
        pd.DataFrame({"x": [1]}).to_csv(book.artefact("demo", name), index=False)
    page = nbformat.v4.new_notebook(metadata={"papermill": {"duration": seconds}})
    book.executed("demo", stem).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page, book.executed("demo", stem))
    digests = Digests(book.state("demo") / "digests.json")
    source = staleness.fingerprint(book, chapter, plan.settings[stem], digests)
    told = {"profile": "demo", "world": "made", "commit": "0123456789abcdef", "date": "2026-11-29T12:00:00+00:00"}
    notes = {name: digests.note(place) for name, place in staleness.places(book, chapter, "demo").items()}
    about, made = {"label": told, "files": notes}, staleness.outputs(book, chapter, "demo", digests)
    staleness.write_record(book, chapter, "demo", source, made, about)


def test_chapters_are_fresh_stale_or_not_run(tmp_path, monkeypatch, capsys):
    small = Miniature(tmp_path / "book")
    book = small.book
    book.folder("demo").mkdir(parents=True)
    book.state("demo").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(Book, "here", classmethod(lambda _: book))
    assert status.main([]) == 2 and "run make book first" in capsys.readouterr().err
    (book.build / "demo" / "html").mkdir(parents=True)
    note(book, "01_numbers", 3671.6)
    note(book, "04_apart", 2.2)
    small.write("04_apart", *(cell.replace("seen", "<b>unseen") for cell in (
        'profile: str = "demo"  # workspace (a name)\nseed: int = 8  # seeds every draw (0 to 99)', 'print("seen")'
    )))  # fmt: skip
    assert status.main([]) == 1
    said, page = capsys.readouterr().out, (book.build / "demo" / "html" / "status.html").read_text(encoding="utf-8")
    rows = {row["title"]: row for row in status.rows(runner.plan(book, runner.parser().parse_args([])))}
    assert [row["state"] for row in rows.values()] == ["fresh", "not run", "not run", "stale"]
    assert rows["01. Numbers"]["seconds"] == "3,672" and rows["01. Numbers"]["commit"] == "0123456789abcdef"
    assert "its code changed" in rows["04. Apart"]["why"] and "seed 7 → 8" in rows["04. Apart"]["why"]
    assert "3,672" in page and "0123456789ab 2026-11-29" in page and "stale    " in said


def test_names_are_escaped(tmp_path, monkeypatch, capsys):
    row = {"title": "<script>", "state": "stale", "why": "<b>", "seconds": "", "commit": "", "date": ""}
    book = dataclasses.replace(Book.here(), build=tmp_path)
    (tmp_path / "demo" / "html").mkdir(parents=True)
    monkeypatch.setattr(Book, "here", classmethod(lambda _: book))
    monkeypatch.setattr(status, "rows", lambda _: [row])
    assert status.main([]) == 1
    page = (tmp_path / "demo" / "html" / "status.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page and "&lt;b&gt;" in page
