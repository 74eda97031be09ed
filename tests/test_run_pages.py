"""The pages of a profile: words of the sources, outputs of the run, and tables."""

import base64
import os
import re
import time
import zipfile
from html import unescape

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from miniature import CHAPTERS, notebook

from helpers import products
from helpers.run import chapters, pages
from helpers.run.chapters import UserError
from helpers.workspace import ROOT


@pytest.fixture(scope="module")
def site(made_once, tmp_path_factory):
    """A small book with the pages of two profiles: all of it, and a part with other values."""
    book = made_once.copy(tmp_path_factory.mktemp("pages") / "book")
    book.profile("part", "chapters: ['01', '04']\n01_numbers: {size: 2, offset_file: '${HERE}/secret/ten.txt'}\n")
    (book.root / "secret").mkdir()
    (book.root / "secret" / "ten.txt").write_text("10")
    book.environment["HERE"] = str(book.root)
    for name in ("demo", "part"):
        done = book.run("--profile", name, pages=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return book


def text(book, profile, page):
    """The words of a built page, markup apart."""
    html = (book.root / "_build" / profile / "html" / f"{page}.html").read_text()
    article = html[html.index("<article") : html.index("</article")]
    return " ".join(re.sub(r"<[^>]+>", " ", article).split())


def test_a_page_shows_outputs_but_no_progress(site):
    done = site.run(pages=True)
    index = site.root / "_build" / "demo" / "html" / "index.html"
    assert index.is_file() and done.stdout.endswith(f"the pages are up to date\nthe book is at {index}\n")
    page = text(site, "demo", "notebooks/04_apart")
    assert "seen" in page
    assert "working" not in page.replace('"working"', "")
    assert "0 7 1 8 2 9" in text(site, "demo", "notebooks/01_numbers")


def test_a_profile_shows_its_values_but_not_where_files_lie_here(site):
    page = text(site, "part", "notebooks/01_numbers")
    assert "what profile 'part' sets, in place of the defaults above" in page
    assert "${HERE}/secret/ten.txt" in page.replace("$ {HERE} ", "${HERE}")
    assert str(site.root) not in page
    assert "0 17 1 18" in page
    assert "what profile" not in text(site, "demo", "notebooks/01_numbers")


def test_a_profile_leaves_out_what_it_does_not_run(site):
    built = site.root / "_build" / "part"
    assert {path.stem for path in (built / "html" / "notebooks").glob("*.html")} == {"01_numbers", "04_apart"}
    page = text(site, "part", "notebooks/04_apart")
    assert "See (in 03. Total , which this run leaves out) and 03. Total ." in page
    assert "03_total" not in (built / "html" / "book" / "intro.html").read_text()
    assert "03. Total" in text(site, "demo", "book/intro")


def test_the_tables_hold_parameters_and_downloads(site):
    page = text(site, "part", "book/tables")
    assert "size int 2 3 how many (1 to 99)" in page
    assert "numbers.csv , metadata 1 KiB 01. Numbers some numbers" in page
    assert "seed int 7 seeds every draw (0 to 99)" in page, "a default that is this run's value is not repeated"
    assert "total" not in page
    archives = list((site.root / "_build" / "demo" / "html" / "_downloads").rglob("scaled.zip"))
    assert len(archives) == 1
    with zipfile.ZipFile(archives[0]) as bundle:
        assert bundle.read("scaled/0.txt") == (site.outputs() / "scaled" / "0.txt").read_bytes()


@given(st.text(st.sampled_from("`|<>\\'\"! $[]()x&"), min_size=1, max_size=12))
@example("`<img src=x onerror=alert(1)>`")
def test_a_value_is_shown_as_it_is_whatever_it_holds(text):
    """Markdown is read by another library: the cell holds one span of code and nothing else."""
    table = pages.markdown(["this run", "more"], [[pages.verbatim(repr(text)), "end"]])
    cell = re.search("<td>(.*)</td>\n<td>end</td>", MarkdownIt().enable("table").render(table))
    shown = re.fullmatch("<code>([^<>]*)</code>", cell[1])
    assert shown and unescape(shown[1]).split() == repr(text).split()  # a browser draws many spaces as one


def test_a_chapter_offers_what_lets_it_run_by_itself(site):
    html = site.root / "_build" / "demo" / "html"
    page = (html / "notebooks" / "02_scaled.html").read_text()
    (link,) = set(re.findall(r'href="(\.\./_downloads/[^"]*/02_scaled\.zip)"', page))
    with zipfile.ZipFile((html / "notebooks" / link).resolve()) as bundle:
        assert bundle.read("02_scaled/outputs/demo/numbers.csv") == (site.outputs() / "numbers.csv").read_bytes()
    assert "02_scaled.zip" in text(site, "demo", "book/tables")
    assert (
        "01_numbers.zip" not in (site.root / "_build" / "part" / "html" / "notebooks" / "01_numbers.html").read_text()
    )


def test_pages_have_buttons_to_elsewhere_where_the_address_is_set_alone(site, tmp_path):
    def buttons(book):
        html = (book.root / "_build" / "demo" / "html" / "notebooks" / "02_scaled.html").read_text()
        return re.findall(r'href="(https://(?:mybinder|colab)[^"]*)"', html)

    assert buttons(site) == []
    book = site.copy(tmp_path / "book")
    (book.root / "_build" / "demo" / "lite" / "lab").mkdir(parents=True)
    (book.root / "_build" / "demo" / "lite" / "lab" / "index.html").write_text("JupyterLite")
    room = book.root / "src" / "helpers" / "run" / "pages.py"
    room.write_text(room.read_text().replace('("13_numbers", ', '("02_scaled", '))
    config = book.root / "_config.yml"
    config.write_text(config.read_text().replace('url: ""', "url: https://github.com/someone/reco-book"))
    done = book.run(pages=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert buttons(book) == [
        "https://mybinder.org/v2/gh/someone/reco-book/main?urlpath=lab/tree/notebooks/02_scaled.ipynb",
        "https://colab.research.google.com/github/someone/reco-book/blob/main/notebooks/02_scaled.ipynb",
    ]
    html = (book.root / "_build" / "demo" / "html" / "notebooks" / "02_scaled.html").read_text()
    assert not re.search(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="https?://', html), "asked for when pressed"
    assert 'href="../lite/lab/index.html?path=02_scaled.ipynb"' in html
    assert "once it is opened, Python comes from cdn.jsdelivr.net" in text(book, "demo", "notebooks/02_scaled")
    assert (book.root / "_build" / "demo" / "html" / "lite" / "lab" / "index.html").is_file()


def test_the_tables_of_the_registry_hold_every_product_and_every_variable():
    known = products.products()
    whole, variables, sources = pages.products(), pages.variables(), pages.sources()
    for key, entry in known.items():
        assert f"(`{key}`)" in whole and entry.licence in whole
        assert f"| `{key}` | `{entry.example}` | " in sources
        assert not entry.doi or f"(https://doi.org/{entry.doi})" in sources
        for field in entry.fields:
            assert f"| {key} | `{field.name}`" in variables
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert all(f"{{{entry.citation}," in bibliography for entry in known.values() if entry.citation)


def test_equations_show_without_a_network(site):
    page = (site.root / "_build" / "demo" / "html" / "notebooks" / "01_numbers.html").read_text()
    mathjax = re.search(r'src="([^"]*startup\.js)', page)[1]
    assert (site.root / "_build/demo/html/notebooks" / mathjax).resolve().is_file()


def test_an_edit_of_prose_shows_without_a_run(site):
    site.write("04_apart", words="Entirely other words.")
    done = site.run(pages=True)
    assert "running" not in done.stdout
    assert "building the pages" in done.stdout
    assert "Entirely other words." in text(site, "demo", "notebooks/04_apart")
    site.write("04_apart")


def test_a_warning_fails_the_build_names_itself_and_keeps_the_old_pages(site):
    index = site.root / "_build" / "demo" / "html" / "index.html"
    before = index.stat().st_mtime_ns
    site.write("03_total", words="(the-total)=\n## Total\n\nSee {ref}`nowhere-at-all`.")
    done = site.run(pages=True)
    assert done.returncode == 2
    assert "helpers.run: the pages have" in done.stderr
    assert "nowhere-at-all" in done.stderr
    assert done.stderr.count("\n") == 1
    assert index.stat().st_mtime_ns == before
    site.write("03_total")


def test_code_newer_than_its_outputs_is_not_shown_with_them(mini):
    mini.write("01_numbers", *CHAPTERS["01_numbers"][:2], "table = 'other'")
    chapter = chapters.discover(mini.root / "notebooks")[0]
    shown = pages.page(chapter, mini.outputs() / "chapters" / "01_numbers.ipynb", "demo", None)
    assert "numbers(seed, size)" in shown.cells[3].source
    assert shown.cells[3].outputs


def test_a_figure_is_shown_before_its_place_with_its_words(tmp_path):
    chapter = notebook("# A\n", "x = 1\n")
    cell = next(cell for cell in chapter.cells if cell.cell_type == "code")
    drawn = {"image/png": base64.b64encode(b"PNG of it").decode()}
    cell.outputs = [nbformat.v4.new_output("display_data", drawn)]
    cell.metadata["mystnb"] = {
        "figure": {"name": "fig-it", "caption": "How to\nread it."},
        "image": {"alt": "A\nline."},
    }
    (tmp_path / "book").mkdir()
    text = pages.image("fig-it", [chapter], tmp_path, "../book/")
    assert text.startswith("```{image} ../book/fig-it.png\n:alt: A line.\n```\n\n*How to read it.* ")
    assert "{numref}`fig-it`" in text, "its place in its chapter is a click away"
    assert (tmp_path / "book" / "fig-it.png").read_bytes() == b"PNG of it"
    with pytest.raises(UserError, match="no figure 'fig-other'"):
        pages.image("fig-other", [chapter], tmp_path)


@pytest.mark.parametrize(("shown", "left"), [({"03_total"}, "a\nb\nc\n"), (set(), "a\nc\n")])
def test_a_part_of_a_page_goes_with_its_chapter(shown, left):
    text = "a\n<!-- with 03_total -->\nb\n<!-- end -->\nc\n"
    assert pages.PART.sub(lambda part: part[2] if part[1] in shown else "", text) == left


def test_an_archive_is_the_same_whenever_it_is_made(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("b", "a"):
        (folder / name).write_text(name)
    pages.archive(folder, tmp_path / "one.zip")
    os.utime(folder / "a", (time.time() - 1e6,) * 2)
    pages.archive(folder, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_marker_without_a_table_and_a_page_that_is_missing_are_named(mini, tmp_path):
    (mini.root / "book" / "tables.md").write_text("<!-- table: nope -->")
    done = mini.run(pages=True)
    assert "tables.md: there is no table 'nope'; the tables are parameters," in done.stderr
    (tmp_path / "_toc.yml").write_text("parts: [{chapters: [{file: book/nope}]}]")
    with pytest.raises(UserError, match=r"_toc.yml: expected the page book/nope.md"):
        pages.contents(tmp_path, set())


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (
            "[there](../notebooks/05_map.ipynb#x) [](05_map) {doc}`the map <../notebooks/05_map>`",
            "there *5. Map* the map",
        ),
        ("{numref}`Fig. %s <fig-1a>`", "(in *5. Map*, which this run leaves out)"),
        ("{eq}`area`", "(in *5. Map*, which this run leaves out)"),
        ("[a](03_cnn.ipynb) {numref}`fig-9` {doc}`06_x` ![](05_map.png)", None),
    ],
)
def test_mentions_of_an_absent_chapter_become_words(tmp_path, given, plain):
    made = notebook("05_map", "x = 1", words="(place)=\n## Place\n\n$$\na\n$$ (area)")
    made.cells[0].source = made.cells[0].source.replace("# 05. Map", "# 5. Map")
    made.cells[1].metadata["mystnb"] = {"figure": {"name": "fig-1a"}}
    nbformat.write(made, tmp_path / "05_map.ipynb")
    found = pages.in_words(given, [chapters.Chapter(tmp_path / "05_map.ipynb")])
    assert found == (given if plain is None else plain)


def test_each_page_can_be_cited_and_without_an_address_none_offers_its_source(site):
    for path in sorted((site.root / "_build" / "demo" / "html").glob("[bn]*/*.html")):
        html = path.read_text()
        assert '<dialog id="cite"' in html and "@software{reco_book," in html and "cite-button" in html
        assert "/edit/" not in html and "source-repository-button" not in html


@pytest.mark.long
def test_with_the_repositorys_address_each_page_leads_to_its_source(site):
    config = site.root / "_config.yml"
    text = config.read_text()
    config.write_text(text.replace('url: ""', "url: https://github.com/somebody/book"))
    done = site.run(pages=True)
    config.write_text(text)
    assert done.returncode == 0, done.stderr
    for path in sorted((site.root / "_build" / "demo" / "html").glob("[bn]*/*.html")):
        source = re.search(r'href="https://github\.com/somebody/book/edit/main/([^"]+)"', path.read_text())[1]
        assert (site.root / source).is_file() and path.stem in source
