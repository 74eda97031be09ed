"""The book as one PDF: chapters, outline, links, tables, label."""

import re
import shutil
import unicodedata

import pypdf
import pytest
from bs4 import BeautifulSoup

from helpers.publish import pdf
from helpers.run.chapters import UserError

KNOWN = {"book/intro.html": "intro", "notebooks/01_a.html": "01_a"}
COLUMNS = [f"a rather long name of column {i}" for i in range(14)]


def finished(body, label="Demo Earth: a made planet"):
    """A finished page, as the theme writes one."""
    return (
        '<html><head></head><body><div class="bd-header-announcement">'
        f'<details class="run-label"><summary><strong>{label}</strong> <span>profile demo</span> '
        '<span class="about">what it is</span></summary></details></div>'
        f'<article class="bd-article">{body}</article></body></html>'
    )


def one(body, page="notebooks/01_a"):
    """The chapter that a page becomes, and its HTML."""
    made = pdf.chapter(finished(f'<section id="a"><h1>A</h1>{body}</section>'), page, KNOWN)
    return made, BeautifulSoup(made.html, "html.parser")


def test_names_are_of_one_page_and_links_lead_within_the_book_or_outside():
    body = (
        '<section id="limits"><h2>Limits</h2></section><a href="#limits">1</a><a href="../book/intro.html#limits">2</a>'
        '<a href="../book/intro.html">3</a><a href="https://x.org/a#b">4</a><a href="../_downloads/a.csv">5</a>'
        '<a href="01_a.html#limits">6</a>'
    )
    made, soup = one(body)
    assert [link.get("href") for link in soup.find_all("a")] == [
        "#01_a--limits", "#intro--limits", "#intro", "https://x.org/a#b", None, "#01_a--limits",
    ]  # fmt: skip
    assert [(each.id, each.title) for each in made.sections] == [("01_a--limits", "Limits")]
    assert soup.find(id="01_a--limits")


def test_what_is_folded_is_shown_and_images_are_found():
    made, soup = one(
        '<details><summary>code</summary></details><img src="../_images/a.png"><p class="figure-links">x</p>'
    )
    assert soup.details.has_attr("open") and soup.img["src"] == "../html/_images/a.png"
    assert soup.select_one(".figure-links") is None
    assert (made.label, made.run) == (
        "Demo Earth: a made planet · profile demo",
        "Demo Earth: a made planet · profile demo · what it is",
    )


def test_a_label_with_quotes_and_tags_stays_a_text_of_its_style():
    assert pdf._css('a "b" </style>\\') == r'"a \22 b\22  \3c /style\3e \5c "'


def test_without_a_browser_one_line_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="expected a browser that prints .* found none; install Chromium"):
        pdf.browser()


def test_without_pages_one_line_says_how_to_make_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECO_BUILD", str(tmp_path))
    assert pdf.main(["--profile", "tiny"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "make book PROFILE=tiny" in said


@pytest.fixture(scope="module")
def printed(made_once, tmp_path_factory):
    """The small book with a table too wide for the paper, printed."""
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip("printing wants Chromium: found none")
    book = made_once.copy(tmp_path_factory.mktemp("printed") / "book")
    rows = [COLUMNS, ["---"] * 14, *([f"cell{row}of{i}" for i in range(14)] for row in range(40))]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    long = "x = " + "very_long_name + " * 30 + "last_name"
    tables = (book.root / "book" / "tables.md").read_text()
    (book.root / "book" / "tables.md").write_text(f"{tables}\n## Wide\n\n{table}\n\n```python\n{long}\n```\n")
    done = book.run(pages=True)
    assert done.returncode == 0, done.stdout + done.stderr
    target = book.root / "book.pdf"
    count = pdf.make(book.root / "_build" / "demo", target)
    reader = pypdf.PdfReader(target)
    assert len(reader.pages) == count
    return reader


def words(page):
    """The text of a sheet without spaces and ligatures, which depend on how a line is set."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", page.extract_text()))


@pytest.mark.long
def test_the_outline_has_each_chapter_at_its_place(printed):
    first, *parts = printed.outline
    assert first.title == "A small book"
    captions, chapters = parts[::2], [[m for m in part if not isinstance(m, list)] for part in parts[1::2]]
    assert [part.title for part in captions] == ["Part", "Reference"]
    assert [[chapter.title[:3] for chapter in part] for part in chapters] == [["01.", "02.", "03.", "04."], ["Tab"]]
    for chapter in (first, *chapters[0], *chapters[1]):
        sheet = printed.pages[printed.get_destination_page_number(chapter)]
        assert re.sub(r"\s", "", chapter.title) in words(sheet)


@pytest.mark.long
def test_each_sheet_of_a_chapter_tells_the_run_and_its_number_and_the_contents_tell_the_sheets(printed):
    starts = [printed.get_destination_page_number(m) for m in printed.outline[2] if not isinstance(m, list)]
    for number in range(min(starts), len(printed.pages)):
        text = words(printed.pages[number])
        assert "realdata·profiledemo·commit" in text and str(number + 1) in text
    contents = "".join(words(sheet) for sheet in printed.pages[: min(starts)])
    assert all(
        f"{title}{start + 1}" in contents for title, start in zip(("01.Numbers", "02.Scaled"), starts, strict=False)
    )


@pytest.mark.long
def test_a_wide_table_and_long_code_lie_within_the_paper(printed):
    found, right = "", 0.0
    for sheet in printed.pages:

        def look(text, matrix, text_matrix, font, size):
            nonlocal right
            if "of13" in text or "last_name" in text:
                right = max(right, text_matrix[4] * matrix[0] + matrix[4])

        found += re.sub(r"\s", "", sheet.extract_text(visitor_text=look))
    assert all(f"cell{row}of13" in found for row in range(40)) and "last_name" in found
    assert 0 < right < float(printed.pages[0].mediabox.width)


@pytest.mark.long
def test_links_between_pages_lead_to_sheets(printed):
    start = {m.title[:2]: printed.get_destination_page_number(m) for m in printed.outline[2] if not isinstance(m, list)}
    links = [
        link.get_object()["/Dest"]
        for sheet in printed.pages[start["04"] : start["04"] + 1]
        for link in sheet["/Annots"]
        if "/Dest" in link.get_object()
    ]
    led = {printed.get_destination_page_number(printed.named_destinations[each]) for each in links}
    assert led == {start["03"]}
    outside = [link.get_object().get("/A", {}) for sheet in printed.pages for link in sheet.get("/Annots", [])]
    assert not [each for each in outside if str(each.get("/URI", "")).startswith("file:")]
