"""What the theme leaves open in the frame of the pages: numbered tables, numbers in the search, light and clear HTML.

Sphinx loads it by ``_config.yml``. The style is ``_static/book.css``, what moves is ``_static/book.js``.
"""

from __future__ import annotations

import json
import re
import struct
from html import escape, unescape
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search import languages
from sphinx.search.en import SearchEnglish

CAPTION = re.compile(r"<caption[^>]*>(.+?)</caption>", re.DOTALL)
DENSE = 150
"""An image of more dots an inch than this has two of them for each pixel of the page."""


class Captioned(nodes.General, nodes.Element):
    """The output of a cell that is a table with a caption, to be numbered and cited."""


class Search(SearchEnglish):
    """Finds numbers as they are printed: 0.989 is one word."""

    _word_re = re.compile(r"\d[\d.,]*\d(?!\w)|\w+")
    js_splitter_code = r"""
var splitQuery = (query) => query.match(/\d[\d.,]*\d(?![\p{L}\p{N}_])|[\p{L}\p{N}_]+/gu) || [];
"""


def find_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Give each table with a caption a name made of its caption's first words, by which pages can cite it."""
    docname, known, taken = app.env.docname, app.env.get_domain("std"), set()
    for raw in list(doctree.findall(nodes.raw)):
        caption = CAPTION.search(raw.astext()) if raw.get("format") == "html" else None
        if not caption:
            continue
        title = unescape(re.sub("<[^>]+>", "", caption[1]))
        stem = "-".join(["table", *re.findall("[a-z]+", title.lower())[:6]])
        name = next(n for n in (stem, *(f"{stem}-{i}" for i in range(2, 99))) if n not in taken)
        taken.add(name)
        output = raw
        while output.parent.get("nb_element") == "mime_bundle" or "mime_type" in output.parent:
            output = output.parent
        output.parent.replace(output, table := Captioned("", ids=[name], names=[name], title=title))
        table += output
        known.anonlabels.setdefault(name, (docname, name))
        known.labels.setdefault(name, (docname, name, title))


def title_of(node: Captioned) -> str:
    """Return the words of a table's caption."""
    return node["title"]


def number_by_chapter(app: Sphinx, env) -> list[str]:
    """Count tables by chapter, "8.3": else they would be taken for the paper's own, which have plain numbers."""
    for docname, kinds in env.toc_fignumbers.items():
        if chapter := re.match(r"notebooks/(\d+)_", docname):
            for i, name in enumerate(kinds.get("table", {}), 1):
                kinds["table"][name] = (int(chapter[1]), i)
    return []


def visit_captioned(writer, node: Captioned) -> None:
    """Write the number and a link to it into the caption."""
    start = len(writer.body)
    writer.add_fignumber(node)
    number = "".join(writer.body[start:])
    del writer.body[start:]
    writer.add_permalink_ref(node, "Link to this table")
    link = "".join(writer.body[start:])
    del writer.body[start:]
    for raw in node.findall(nodes.raw):
        text = CAPTION.sub(lambda found: f"<caption>{number}{found[1]}{link}</caption>", raw.astext(), count=1)
        raw.children = [nodes.Text(text)]
    writer.body.append(writer.starttag(node, "div", CLASS="captioned-table"))


def depart_captioned(writer, node: Captioned) -> None:
    """Close what was opened."""
    writer.body.append("</div>\n")


def size(path: Path) -> tuple[int, int] | None:
    """Return width and height, in pixels of a page, of a PNG; None of any other file."""
    head = path.read_bytes()[:400] if path.suffix == ".png" and path.is_file() else b""
    if not head.startswith(b"\x89PNG"):
        return None
    width, height = struct.unpack(">II", head[16:24])
    at = head.find(b"pHYs")
    dense = at > 0 and struct.unpack(">I", head[at + 4 : at + 8])[0] * 0.0254 > DENSE
    return (round(width / 2), round(height / 2)) if dense else (width, height)


def add_label(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Say on each page which run it shows, in the browser's title too, and how to cite it.

    The runner lays out ``labels.json`` and ``CITATION.cff``.
    """
    home = Path(app.srcdir)
    path = home / "labels.json"
    labels = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if label := labels.get(page, labels.get("")):
        context["theme_announcement"] = banner(label, context["pathto"]("book/parameters"))
        citation = yaml.safe_load((home / "CITATION.cff").read_text(encoding="utf-8"))
        title = "" if page == app.config.root_doc else unescape(re.sub("<[^>]+>", "", context.get("title") or ""))
        entries = bibtex(citation, label, title, app.config.html_theme_options.get("repository_url", ""))
        context["theme_announcement"] += CITED.format(escape(entries))
        # the first of the buttons over a page: after those of the theme, which are added before
        context.setdefault("header_buttons", []).insert(0, CITE)
        run = f"{label['world']}, profile {label['profile']}, commit {label['commit'].split()[0][:8]}"
        context["docstitle"] = f"{context['docstitle']} ({run})"


CITE = {
    "type": "javascript",
    "javascript": "document.getElementById('cite').showModal()",
    "text": "Cite",
    "tooltip": "How to cite this page",
    "icon": "fas fa-quote-right",
    "label": "cite-button",
}
CITED = (
    '<dialog id="cite" class="cite" aria-labelledby="cite-title"><h2 id="cite-title">How to cite this page</h2>'
    '<pre tabindex="0">{}</pre><button type="button" value="copy">Copy</button> '
    '<button type="button">Close</button></dialog>'
)


def bibtex(citation: dict, label: dict, title: str = "", address: str = "") -> str:
    """Return how to cite a page, and the study that the book rebuilds, in BibTeX.

    Parameters
    ----------
    citation : dict
        What ``CITATION.cff`` holds.
    label : dict
        Of the run that the page shows.
    title, address : str
        Of the page; of the repository, where there is one.
    """
    known = label["date"] != "unknown"
    run = f"{label['world']}, profile {label['profile']}, commit {label['commit']}"
    own = {
        "author": _authors(citation),
        "title": f"{{{_tex(citation['title'])}}}",
        "version": _tex(str(citation["version"])),
        "year": label["date"][:4] if known else "",
        "date": label["date"][:10] if known else "",
        "note": _tex(f"{title}; {run}" if title else run),
        "url": address,
    }
    entries = [("software", "reco_book", own)]
    for paper in citation.get("references", []):
        names = {
            "author": _authors(paper),
            "title": f"{{{_tex(paper['title'])}}}",
            "year": str(paper["year"]),
            "doi": paper["doi"],
            "publisher": _tex(paper["publisher"]["name"]),
        }
        key = f"{paper['authors'][0]['family-names'].lower()}_{paper['year']}"
        entries.append(("misc", key, names))
    return "\n\n".join(
        f"@{kind}{{{key},\n" + "".join(f"  {name} = {{{text}}},\n" for name, text in told.items() if text) + "}"
        for kind, key, told in entries
    )


def _authors(work: dict) -> str:
    """Join names; that of a group is not to be taken apart."""
    names = work["authors"]
    return " and ".join(
        f"{{{_tex(n['name'])}}}" if "name" in n else _tex(f"{n['family-names']}, {n['given-names']}") for n in names
    )


def _tex(text: str) -> str:
    """Write what means something to TeX so that it stands for itself."""
    return re.sub(r"[&%$#_{}]", r"\\\g<0>", text)


def banner(label: dict, parameters: str) -> str:
    """Return the label of a run: a line of what matters, which opens to all of it."""
    name, _, rest = label["commit"].partition(" ")  # "with changes", where there were some
    commit = " ".join(filter(None, ("commit", name[:8], rest, f"({label['date'][:10]})" * (name != "unknown"))))
    changed = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in (label["changed"] or {}).items()]
    count = f"{len(changed)} parameter{'s' * (len(changed) != 1)} changed"
    line = [f"profile {label['profile']}", commit, *[count] * bool(changed)]
    words = f"<strong>{escape(label['world'])}</strong> " + "".join(f"<span>{escape(text)}</span> " for text in line)
    words += f'<span class="about">{escape(label["description"])}</span>' * bool(label["description"])
    listed = "".join(f"<li><code>{escape(text)}</code></li>" for text in changed)
    listed += f'<li><a href="{escape(parameters)}">All parameters</a></li>'
    return f'<details class="run-label"><summary>{words}</summary><ul>{listed}</ul></details>'


DROPPED = [
    # 1.5 MB of script for fourteen icons, which book.css draws
    r"<script[^>]*fontawesome\.js[^>]*></script>",
    # cells are not run in the browser; the first of these scripts fails where it stands twice
    r"<script>const THEBE_JS_URL[^<]*</script>",
    r"<script[^>]*sphinx-thebe\.js[^>]*></script>",
    r"<link[^>]*sphinx-thebe\.css[^>]*>",
    # a name that hides the words which everybody sees
    r'(?<=<summary) aria-label="Toggle hidden content"',
    r'(?<=search-button-field search-button__button pst-js-only") title="Search" aria-label="Search"',
]
SEARCHING = r'<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
DESIGN = r"<(?:link|script)[^>]*(?:sphinx-design|design-tabs)[^>]*>(?:</script>)?"
REPLACED = {
    # pybtex's list of sources: a list has items, and the role of a source is one no more
    r'role="doc-biblioentry"': 'role="listitem"',
    # names and brackets in code have the colour of all code: half of the weight of a page of code
    r'<span class="(?:n|p|w)">([^<]*)</span>': r"\1",
    # all of a page lies in a landmark
    r'(<div id="pst-primary-sidebar"[^>]*)>': r'\1 role="navigation" aria-label="Book">',
}


def tidied(html: str, folder: Path, searches: bool = False) -> str:
    """Return a page without what it doesn't need, with names that readers of screens can use and sizes of images."""
    designed = re.search(r'class="[^"]*\bsd-', html)
    for pattern in [*DROPPED, *(() if searches else (SEARCHING,)), *(() if designed else (DESIGN,))]:
        html = re.sub(pattern, "", html)
    for pattern, new in REPLACED.items():
        html = re.sub(pattern, new, html)
    seen: set[str] = set()

    def once(script: re.Match) -> str:
        first = script[0] not in seen
        seen.add(script[0])
        return script[0] if first else ""

    def sized(image: re.Match) -> str:
        found = size(folder / image[2])
        return image[0] if found is None else f'{image[1]}{image[2]}" width="{found[0]}" height="{found[1]}"'

    html = re.sub(r"<script>[^<]*</script>\s*", once, html)
    return re.sub(r'(<img(?![^>]*\swidth=)[^>]*?\ssrc=")([^":]+)"', sized, html)


def finish(app: Sphinx, error: Exception | None) -> None:
    """Tidy the finished pages, and the theme's style of the names of 2,000 icons."""
    if error or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        path.write_text(tidied(html, path.parent, searches=path.name == "search.html"), encoding="utf-8")
    static = Path(app.outdir) / "_static"
    for path in (static / "styles").glob("pydata*.css"):
        css = re.sub(r'(?:\.fa-[\w-]+:before,?)+\{content:"[^"]*"\}', "", path.read_text(encoding="utf-8"))
        path.write_text(re.sub(r"@font-face\{[^}]*Awesome[^}]*\}", "", css), encoding="utf-8")
    for path in [*static.rglob("*.map"), *static.rglob("fontawesome.js")]:
        path.unlink()


def offer_sources(app: Sphinx, config) -> None:
    """Offer to edit a page's source, to open an issue, and Binder and Colab, where the repository's address is known.

    The laid out pages have the names of their sources, ``book/data.md`` and ``notebooks/06_trends.ipynb``.
    """
    if config.html_theme_options.get("repository_url"):
        for button in ("use_edit_page_button", "use_issues_button", "use_repository_button"):
            config.html_theme_options[button] = True
    else:
        config.html_theme_options.pop("launch_buttons", None)


def lighter_formulas(app: Sphinx, config) -> None:
    """Take MathJax in parts, without the menu that makes a tab stop of each formula (`mathjax3_config` names them)."""
    config.mathjax_path = "mathjax/startup.js"


def setup(app: Sphinx) -> dict:
    """Connect it all."""
    languages["en"] = Search
    app.add_enumerable_node(Captioned, "table", title_of, html=(visit_captioned, depart_captioned))
    app.connect("config-inited", lighter_formulas)
    app.connect("config-inited", offer_sources)
    app.connect("doctree-read", find_tables)
    app.connect("env-get-updated", number_by_chapter, priority=900)
    app.connect("html-page-context", add_label, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
