"""The pages of one profile: prose, executed chapters and generated tables, laid out, and Jupyter Book over them.

Words come from the source notebooks, outputs from the executed ones, so an edit of prose shows without a new run.
Progress bars and warnings of libraries stay out of the pages. A mention of a chapter that the profile leaves out
becomes plain words.

A prose page holds markers: ``<!-- table: parameters -->`` where a table goes; ``<!-- image: fig-13-answers -->``, as a
chapter may, where a figure is shown before its place; and what stands between ``<!-- with 13_numbers -->`` and ``<!--
end -->`` is left out where a profile leaves that chapter out.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import errno
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import yaml

from helpers import integrity, provenance, strict, workspace
from helpers.provenance import Label
from helpers.run import bundles, staleness
from helpers.run.chapters import Book, Chapter, Profile, Settings, UserError
from helpers.run.staleness import Digests, of_value
from helpers.store import local

INJECTED = "injected-parameters"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?:[^)\s]*/)?(\d\d_\w+)(?:\.ipynb|\.md|\.html)?(?:#[^)\s]*)?\)")
DOCUMENT = re.compile(r"\{doc\}`(?:([^`<]*?)\s*<)?(?:[^`>\s]*/)?(\d\d_\w+?)(?:\.ipynb)?>?`")
REFERENCE = re.compile(r"\{(?:numref|ref|eq|math:numref)\}`(?:[^`<]*<)?([^`<>]+)>?`")
LABEL = re.compile(r"^\((\S+)\)=\s*$|^\$\$\s*\((\S+)\)\s*$|^:(?:name|label): *(\S+)\s*$", re.MULTILINE)
MARKER = re.compile(r"<!-- table: (\w+) -->")
PART = re.compile(r"<!-- with (\d\d_\w+) -->\n(.*?)<!-- end -->\n", re.DOTALL)
IMAGE = re.compile(r"<!-- image: ([\w-]+) -->")
ADDRESS = re.compile(r"(https?://[^\s<>)]*[^\s<>).,;])")
EXPLORER, MAPS = "book/explorer", "05_global_mapping"
"""A page for profiles that run this chapter."""

TABLE, FIELDS = "text/csv", "application/x-netcdf"
"""Under these kinds a chapter's outputs hold what a figure shows; see `helpers.figures.shown`."""

MARKS = {
    "panel": ("title of the panel, or its number", None),
    "kind": ("line, points, bar, range (such as an error bar), or area (its corners)", None),
    "series": ("what the legend calls it", None),
    "part": ("which of several of the same", None),
    "x": ("place along the axis that x_axis names", None),
    "y": ("place along the axis that y_axis names", None),
    "value": ("what its colour stands for (value_axis), or the length of a bar", None),
    "x_name": ("word that stands at x", None),
    "y_name": ("word that stands at y", None),
    "x_axis": ("label of the axis, with its unit", None),
    "y_axis": ("label of the axis, with its unit", None),
    "value_axis": ("label of the colour bar, with its unit", None),
}
"""What the columns of `helpers.figures.shown.table` hold."""


IN_BROWSER = ("13_numbers", "14_real_towers")
"""Chapters that a browser can run, where the pages come with JupyterLite (`helpers.publish.lite`)."""

BROWSER = (
    '<a href="../lite/lab/index.html?path={notebook}">run it in your browser</a> (no installation; once it is opened, '
    "Python comes from cdn.jsdelivr.net and some packages from pypi.org)"
)


def index(book: Book, profile: str) -> Path:
    """Return the first page of a profile's book."""
    return book.build / profile / "html" / "index.html"


def is_made(book: Book, profile: str) -> bool:
    """Say whether a run is of a made planet: one that left its truth."""
    return "truth" in book.artefacts and book.artefact(profile, "truth").exists()


def world(book: Book, profile: str, settings: dict[str, Settings]) -> str:
    """Say what a run is of: a made planet, the example of a table of towers, or else real data."""
    if is_made(book, profile):
        return provenance.MADE
    tables = (str(each.values.get("towers_table") or "") for each in settings.values() if each)
    example = (book.root / "data" / "own_table").resolve()
    shipped = any(table and (book.root / table).resolve().is_relative_to(example) for table in tables)
    return provenance.EXAMPLE if shipped else provenance.REAL


def changed(book: Book, stem: str, settings: dict[str, Settings]) -> dict[str, Any]:
    """Return the changed values, as a page may show them, of all chapters that one hangs on, and its own."""
    declared, stems, waiting = workspace.declarations(book.notebooks), set(), [stem]
    while waiting:
        if (one := waiting.pop()) not in stems:
            stems.add(one)
            reads = (name for key in ("reads", "reads_if_there") for name in declared[one].get(key, ()))
            waiting += [book.artefacts[name].made_by for name in reads]
    told = {one[:2]: settings[one].told for one in sorted(stems) if settings.get(one)}
    return {f"{number}.{name}": value for number, values in told.items() for name, value in values.items()}


def label_of(book: Book, profile: Profile, chapter: Chapter, settings: dict[str, Settings]) -> Label:
    """Return the label under which a chapter was run; without a commit where no run has noted one."""
    if noted := (staleness.read_record(book, chapter.stem, profile.name) or {}).get("label"):
        return Label(**noted)
    told = changed(book, chapter.stem, settings) if settings[chapter.stem] else None
    of = chapter.of or world(book, profile.name, settings)
    return Label(profile.name, of, chapter.stem, profile.description, changed=told)


def label(executed: Path, label: Label) -> None:
    """Write a label into an executed notebook, and into each of its images."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata["label"] = label.noted()
    for cell in notebook.cells:
        for output in drawn(cell):
            png = base64.b64decode(output.data["image/png"])
            texts = provenance.of_image(label, title_of(cell, label.chapter))
            output.data["image/png"] = base64.b64encode(provenance.in_png(png, texts)).decode()
    nbformat.write(notebook, executed)


def drawn(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the outputs of a cell that are figures."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def title_of(cell: nbformat.NotebookNode, otherwise: str) -> str:
    """Return the caption of a cell's figure, on one line."""
    return " ".join(cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", otherwise).split())


def build(book: Book, profile: Profile, chapters: list[Chapter], settings: dict[str, Settings]) -> bool:
    """Build the pages of a profile unless they are up to date; say whether they were built.

    The old pages stay until the new ones stand complete.

    Raises
    ------
    UserError
        When Jupyter Book warns: names the first warning, and the log that holds all of them. When a page is missing, or
        the contents don't name it.
    """
    home, source = book.build / profile.name, made_from(book, profile, chapters, settings)
    if is_fresh(book, profile.name, source):
        return False
    print("building the pages", flush=True)
    home.mkdir(parents=True, exist_ok=True)
    with workspace.writing(home / "pages") as laid:
        lay_out(book, profile, chapters, settings, laid)
    with workspace.writing(home / "html") as made, workspace.aside(made.with_suffix(".work.part")) as work:
        _jupyter_book(home / "pages", work, home / "html.log")
        check_complete(home / "pages", work / "_build" / "html")
        if (home / "lite").is_dir():
            shutil.copytree(home / "lite", work / "_build" / "html" / "lite")
        (work / "_build" / "html").rename(made)
    with workspace.writing(home / "built.json") as aside:
        aside.write_text(json.dumps({"made_from": source, "files": _sizes(home / "html")}))
    return True


def is_fresh(book: Book, profile: str, source: str) -> bool:
    """Say whether the pages of a profile are there, as large as they were, and made from what `made_from` names so."""
    home = book.build / profile
    noted, there = integrity.json_object(home / "built.json"), _sizes(home / "html")
    files = noted.get("files")
    return noted.get("made_from") == source and isinstance(files, dict) and files.items() <= there.items()


def _sizes(html: Path) -> dict[str, int]:
    """Return the bytes of each file of finished pages, by its place among them, JupyterLite's apart."""
    files = {path.relative_to(html): path.stat().st_size for path in html.rglob("*") if path.is_file()}
    return {place.as_posix(): size for place, size in files.items() if place.parts[0] != "lite"}


def made_from(book: Book, profile: Profile, chapters: list[Chapter], settings: dict[str, Settings]) -> str:
    """Return what names all that the pages of a profile are made from now: a digest of its content."""
    digests = Digests(book.state(profile.name) / "digests.json")
    chosen = [chapter for chapter in chapters if chapter.stem in settings]
    paths = [book.root / place for place in ("book", "notebooks", "_toc.yml", "_config.yml")]
    paths += [book.root / "requirements.txt", book.root / "CITATION.cff"]
    paths += [*sorted((book.root / "src" / "helpers").rglob("*.py")), book.root / "data"]  # which zips bring along
    paths += [book.executed(profile.name, chapter.stem) for chapter in chosen]
    made = (book.artefact(profile.name, name) for chapter in chosen for name in chapter.writes)
    paths += sorted(made, key=lambda place: place.name)
    paths += [book.build / profile.name / "lite"]  # where it has been built
    shown = {chapter.stem: settings[chapter.stem].shown for chapter in chosen}
    return of_value([[digests.of(path) for path in paths], shown])


def check_complete(pages: Path, html: Path) -> None:
    """Compare finished pages with the table of contents of what was laid out for them.

    Raises
    ------
    UserError
        A page of the contents wasn't built; or a page was laid out or built that the contents don't name.
    """
    toc = strict.load((pages / "_toc.yml").read_text(encoding="utf-8"))
    listed = {toc["root"], *(each["file"] for part in toc.get("parts", []) for each in part["chapters"])}

    def found(folder: Path, *kinds: str) -> set[str]:
        places = (place for home in ("book", "notebooks") for kind in kinds for place in (folder / home).rglob(kind))
        return {place.relative_to(folder).with_suffix("").as_posix() for place in places}

    built = found(html, "*.html")
    if lost := sorted(listed - built):
        raise UserError(
            f"_toc.yml: expected {len(listed)} pages, found no {', '.join(lost)}; the log beside {pages} may say why"
        )
    if orphans := sorted((built | found(pages, "*.md", "*.ipynb")) - listed):
        raise UserError(f"_toc.yml: expected an entry for each page, found none for {', '.join(orphans)}; add it")


WATCHED = """
import os, sys, threading
threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
sys.modules["rfc3987_syntax"] = None  # see helpers.run
from jupyter_book.cli.main import main
sys.exit(main())
"""
"""Jupyter Book in a process that ends when its input does: with whoever started it, however that one ends."""


def _jupyter_book(pages: Path, work: Path, log: Path) -> None:
    options = ["build", str(pages), "--path-output", str(work), "-W", "-n", "--keep-going"]
    told = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen([sys.executable, "-c", WATCHED, *options], **told) as done:
        try:
            said = done.stdout.read().decode(errors="replace")
        except BaseException:
            done.kill()
            raise
        done.wait()
    text = re.sub(r"\x1b\[[0-9;]*m", "", said)  # colours
    log.write_text(text, encoding="utf-8")
    if (full := os.strerror(errno.ENOSPC)) in text:
        raise workspace.DiskFull(f"{work}: the pages could not be written ({full}); make room, then run this again")
    if done.returncode:
        lines = text.splitlines()
        found = [line for line in lines if re.search(r"(WARNING|ERROR|CRITICAL): ", line)] or lines[-1:] or ["nothing"]
        count = f"{len(found)} warning" + "s" * (len(found) > 1)
        raise UserError(f"the pages have {count}, first: {found[0].strip()} (the whole log is {log})")


def contents(root: Path, stems: set[str]) -> dict:
    """Return the table of contents without chapters that are not among ``stems``, and without empty parts.

    Raises
    ------
    UserError
        When ``_toc.yml`` cannot be read, or names a page that is not there.
    """
    path = root / "_toc.yml"
    try:
        toc = strict.load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: expected YAML, found {' '.join(str(error).split())}; correct it") from error

    def is_shown(entry: dict) -> bool:
        file = entry.get("file", "")
        if file.startswith("notebooks/"):
            return Path(file).name in stems
        if file == EXPLORER and MAPS not in stems:
            return False
        if not any((root / f"{file}{suffix}").is_file() for suffix in (".md", ".ipynb", "")):
            raise UserError(f"_toc.yml: expected the page {file}.md, found nothing; write it or drop the entry")
        return True

    parts = [part | {"chapters": [e for e in part["chapters"] if is_shown(e)]} for part in toc.get("parts", [])]
    return toc | {"parts": [part for part in parts if part["chapters"]]}


def lay_out(book: Book, profile: Profile, chapters: list[Chapter], settings: dict[str, Settings], pages: Path) -> None:
    """Write everything that Jupyter Book needs to ``pages``, and nothing else.

    Parameters
    ----------
    book : Book
    profile : Profile
    chapters : list of Chapter
        All that there are; those of the profile that have been executed become pages.
    settings : dict
        `Settings` by stem.
    pages : Path
        An empty folder.
    """
    ready = [c for c in chapters if c.stem in settings and book.executed(profile.name, c.stem).exists()]
    missing = [c for c in chapters if c not in ready]
    ran = {c.stem: local(book.executed(profile.name, c.stem)) for c in ready}
    shown = {c.stem: page(c, ran[c.stem], profile.name, settings[c.stem]) for c in ready}
    told = {c.stem: label_of(book, profile, c, settings) for c in ready}
    shutil.copytree(book.root / "book", pages / "book")
    (pages / "notebooks").mkdir()
    (pages / "figures").mkdir()
    for stem, notebook in shown.items():
        offer_figures(notebook, told[stem], pages)
    rows, lite = [], (book.build / profile.name / "lite").is_dir()
    for chapter in ready:
        if bundle := bundles.of(book, chapter, settings[chapter.stem], told[chapter.stem]):
            rows.append(offer_chapter(shown[chapter.stem], chapter, bundle, pages, lite))
    for stem, notebook in shown.items():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                text = IMAGE.sub(lambda name: image(name[1], shown.values(), pages, "../book/"), cell.source)
                cell.source = in_words(text, missing)
        nbformat.write(notebook, pages / "notebooks" / f"{stem}.ipynb")
    tables = {
        "parameters": lambda: parameters(book, profile.name, ready, settings),
        "products": products,
        "variables": variables,
        "sources": sources,
        "bundles": lambda: markdown(["chapter", "to run by itself", "size", "what it lacks"], rows),
        "downloads": lambda: downloads(book, profile.name, pages / "downloads", ready, told),
    }
    for path in sorted((pages / "book").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for name in MARKER.findall(text):
            if name not in tables:
                raise UserError(f"book/{path.name}: there is no table {name!r}; the tables are {', '.join(tables)}")
            text = text.replace(f"<!-- table: {name} -->", tables[name]())
        text = PART.sub(lambda part: part[2] if part[1] in shown else "", text)
        text = IMAGE.sub(lambda name: image(name[1], shown.values(), pages), text)
        path.write_text(in_words(text, missing), encoding="utf-8")
    toc = contents(book.root, {c.stem for c in ready})
    (pages / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    for name in ("_config.yml", "CITATION.cff"):
        shutil.copy(book.root / name, pages / name)
    every = {name: value for label in told.values() for name, value in (label.changed or {}).items()}
    of = world(book, profile.name, settings)
    whole = Label(profile.name, of, "", profile.description, None, every, *provenance.commit(book.root))
    if MAPS in shown:  # it is heavy, so it is opened only where there are maps to explore
        explorer = import_module("helpers.run.explorer")
        script = pages / "book" / "_static" / "explorer_data.js"
        try:
            explorer.write(workspace.Workspace(profile.name, book.outputs), whole, script)
        except (workspace.MissingArtefact, workspace.DamagedArtefact) as error:
            raise UserError(str(error)) from error
    (pages / "labels.json").write_text(
        json.dumps({"": whole.noted()} | {f"notebooks/{stem}": label.noted() for stem, label in told.items()})
    )


def page(chapter: Chapter, executed: Path, profile: str, settings: Settings) -> nbformat.NotebookNode:
    """Return the page of a chapter: the source's words and code with the outputs of its last run.

    Where the code has changed since that run, the page shows the code that ran.
    """
    ran, shown = dataclasses.replace(chapter, path=executed), copy.deepcopy(chapter.notebook)
    injected = [cell for cell in ran.notebook.cells if INJECTED in cell.metadata.get("tags", [])]
    ran.notebook.cells = [cell for cell in ran.notebook.cells if cell not in injected]
    if staleness.cell_marks(ran) == staleness.cell_marks(chapter):
        code = (cell for cell in shown.cells if cell.cell_type == "code")
        for cell, made in zip(code, ran.code, strict=True):
            cell.outputs, cell.execution_count = made.outputs, made.execution_count
    else:
        shown.cells = ran.notebook.cells
    for cell in injected:
        at = next(i for i, c in enumerate(shown.cells) if "parameters" in c.metadata.get("tags", []))
        shown.cells.insert(at + 1, _values_cell(cell, profile, settings))
    for cell in shown.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            silent = ("stdout", "stderr") if "progress" in cell.metadata.get("tags", []) else ("stderr",)
            cell.outputs = [output for output in cell.outputs if output.get("name") not in silent]
    shown.metadata.pop("papermill", None)
    return shown


def image(name: str, notebooks: Iterable[nbformat.NotebookNode], pages: Path, way: str = "") -> str:
    """Show a figure once more: write its image below ``pages/book``, to which ``way`` leads; return it in Markdown.

    Raises
    ------
    UserError
        None of the notebooks draws a figure of that name.
    """
    for notebook in notebooks:
        for cell in notebook.cells:
            about = cell.metadata.get("mystnb", {})
            if about.get("figure", {}).get("name") == name and (found := drawn(cell)):
                (pages / "book" / f"{name}.png").write_bytes(base64.b64decode(found[0].data["image/png"]))
                alt, caption = (" ".join(text.split()) for text in (about["image"]["alt"], about["figure"]["caption"]))
                shown = f"```{{image}} {way}{name}.png\n:alt: {alt}\n```\n\n*{caption}*"
                return f"{shown} ({{numref}}`{name}`, with its data and code)"
    raise UserError(f"book: there is no figure {name!r} in the chapters of this run; correct the marker")


def offer_figures(notebook: nbformat.NotebookNode, label: Label, pages: Path) -> None:
    """Put a line of links below each figure of a page: to its image, what it shows in numbers, its code, the notebook.

    The files go to ``pages/figures``, under the figure's name.
    """
    own = copy.deepcopy(notebook)
    for cell in own.cells:
        for output in cell.get("outputs", []):
            for kind in (TABLE, FIELDS):
                output.get("data", {}).pop(kind, None)
    own.metadata["label"] = label.noted()
    (pages / "downloads").mkdir(exist_ok=True)
    nbformat.write(own, pages / "downloads" / f"{label.chapter}.ipynb")
    cells, count = [], 0
    for cell in notebook.cells:
        cells.append(cell)
        for output in drawn(cell):
            count += 1
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name", f"{label.chapter}-{count}")
            files = _figure_files(output.data, pages / "figures" / name, label, title_of(cell, name))
            links = [f"{{download}}`{words} <../figures/{file}>`" for words, file in files.items()]
            links += [f"[code](#code-{name})", f"{{download}}`notebook <../downloads/{label.chapter}.ipynb>`"]
            cells.insert(len(cells) - 1, nbformat.v4.new_markdown_cell(f"(code-{name})=", id=f"code-{count}"))
            cells.append(nbformat.v4.new_markdown_cell("{.figure-links}\n" + " · ".join(links), id=f"links-{count}"))
    notebook.cells = cells


def offer_chapter(
    notebook: nbformat.NotebookNode, chapter: Chapter, bundle: bundles.Bundle, pages: Path, lite: bool
) -> list[str]:
    """Offer on a chapter's page what lets it run by itself; return the row of the table of such zips."""
    target = pages / "downloads" / f"{chapter.stem}.zip"
    bundles.zipped({f"{chapter.stem}/{name}": content for name, content in bundle.files.items()}, target)
    size = in_bytes(target.stat().st_size)
    links = [
        f"{{download}}`this chapter to run by yourself (zip, {size}) <../downloads/{target.name}>`",
        *bundle.lacking,
    ]
    if lite and chapter.stem in IN_BROWSER:
        links.append(BROWSER.format(notebook=chapter.path.name))
    line = "{.chapter-links}\n" + " · ".join(links)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(line, id="by-itself"))
    file = f"{{download}}`{target.name} <../downloads/{target.name}>`"
    return [f"[](../notebooks/{chapter.stem}.ipynb)", file, size, "; ".join(bundle.lacking)]


def _figure_files(data: dict[str, Any], place: Path, label: Label, title: str) -> dict[str, str]:
    """Write the files of one figure, each labelled, and take what it shows out of its outputs; return their names."""
    png, table, fields = (place.with_name(f"{place.name}{suffix}") for suffix in (".png", ".csv", ".nc"))
    png.write_bytes(base64.b64decode(data["image/png"]))
    files = {"image": png.name}
    if TABLE in data:
        table.write_text(data.pop(TABLE), encoding="utf-8")
        beside = provenance.put(label, title, table, table.name, MARKS)
        files |= {"data (CSV)": table.name, "its columns": beside.name}
    if FIELDS in data:
        fields.write_bytes(base64.b64decode(data.pop(FIELDS)))
        provenance.put(label, title, fields, fields.name)
        files["fields (NetCDF)"] = fields.name
    return files


def _values_cell(cell: nbformat.NotebookNode, profile: str, settings: Settings) -> nbformat.NotebookNode:
    """Say whose values these are, and show paths outside the book as the profile has them, not where they lie here."""
    lines = [line for line in cell.source.splitlines() if line.strip() != "# Parameters"]
    source = "\n".join([f"# what profile {profile!r} sets, in place of the defaults above", *lines])
    for name, path in settings.outside.items():
        source = source.replace(str(path), str(settings.shown[name]))
    return nbformat.v4.new_code_cell(
        source, id="values-of-the-profile", execution_count=cell.execution_count, metadata={"tags": [INJECTED]}
    )


def labels(chapter: Chapter) -> set[str]:
    """List what other pages can refer to in a chapter: its figures, equations, and named places."""
    found = {next(filter(None, label)) for cell in chapter.notebook.cells for label in LABEL.findall(cell.source)
             if cell.cell_type == "markdown"}  # fmt: skip
    drawn = [cell.metadata.get("mystnb", {}).get(kind, {}) for cell in chapter.code for kind in ("figure", "image")]
    return found | {each["name"] for each in drawn if "name" in each}


def in_words(text: str, absent: list[Chapter]) -> str:
    """Return Markdown with links and references to absent chapters as words."""
    titles = {chapter.stem: chapter.title for chapter in absent}
    homes = {label: chapter.title for chapter in absent for label in labels(chapter)}

    def link(found: re.Match) -> str:
        return found[0] if found[2] not in titles else found[1] or f"*{titles[found[2]]}*"

    def reference(found: re.Match) -> str:
        home = homes.get(found[1].strip())
        return found[0] if home is None else f"(in *{home}*, which this run leaves out)"

    return REFERENCE.sub(reference, DOCUMENT.sub(link, LINK.sub(link, text))) if absent else text


def markdown(head: list[str], rows: Iterable[list[Any]]) -> str:
    """Lay out a table; bars and line breaks in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    texts = [["" if value is None else str(value).strip() for value in line] for line in lines]
    cells = [[re.sub(r"[ \t\n]+", " ", text).replace("|", r"\|") for text in line] for line in texts]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def verbatim(text: str) -> str:
    """Return text as code in Markdown, whatever it holds, in a fence that is longer than any run of backticks in it.

    >>> verbatim("a"), verbatim("`<img>`")
    ('`a`', '`` `<img>` ``')
    """
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def parameters(book: Book, profile: str, chapters: list[Chapter], settings: dict[str, Settings]) -> str:
    """Tabulate the parameters of each chapter: value in its last run, the chapter's own default, meaning."""
    parts = []
    for chapter in chapters:
        then = staleness.read_record(book, chapter.stem, profile) or {"made_from": {"parameters": {}}}
        values = settings[chapter.stem].shown | then["made_from"]["parameters"]  # paths as the profile has them
        rows = []
        for p in chapter.parameters.values():
            value, default = (verbatim(repr(v).replace("''", '""')) for v in (values[p.name], p.default))
            rows.append([f"`{p.name}`", p.type, value, "" if values[p.name] == p.default else default, p.help])
        table = markdown(["name", "type", "this run", "default, if other", "what it is"], rows)
        parts.append(f"## {chapter.title}\n\n{table}")
    return "\n\n".join(parts)


def _registry():
    """Return the room of products; it is heavy, so it is opened only where a page asks for a table of them."""
    return import_module("helpers.products")


def products() -> str:
    """Tabulate the products of ``data/products.yml``: version, resolution, how a year is made, terms."""
    rows = []
    for p in _registry().products().values():
        title = f"{p.title} (`{p.id}`)" + (f" {{cite:p}}`{p.citation}`" if p.citation else "")
        version = f"{p.version} (later: {p.superseded_by})" if p.superseded_by else p.version
        rows.append([title, version, f"{p.native}, {p.step}", p.rule, p.licence])
    return markdown(["product", "version", "native resolution", "a year is the", "licence"], rows)


def variables() -> str:
    """Tabulate what the files of the products hold: each variable, its unit, and how it is stored."""
    registry, rows = _registry(), []
    every = [(p, field) for p in registry.products().values() for field in p.fields]
    for product, field in every:
        about = registry.attributes(field.name)
        name = f"`{field.name}`" + (" (not in all versions)" if field.optional else "")
        stored = field.stored + (f" ({field.units})" if field.units else "")
        valid = f"{field.valid[0]:g} to {field.valid[1]:g}" if field.valid else ""
        fills = ", ".join(f"{fill:g}" for fill in field.fill)
        rows.append([product.id, name, about["long_name"], about["units"], stored, f"{field.scale:g}", valid, fills])
    head = ["product", "variable", "what it is", "units", "stored as", "times", "valid numbers", "fills"]
    return markdown(head, rows)


def sources() -> str:
    """Tabulate where each product comes from: what its files are called, how to get them, and its DOI."""
    rows = []
    for p in _registry().products().values():
        doi = f"[{p.doi}](https://doi.org/{p.doi})" if p.doi else ""
        rows.append([f"`{p.id}`", f"`{p.example}`", ADDRESS.sub(r"<\1>", p.get), doi])
    return markdown(["product", "a file's name", "how to get it", "DOI"], rows)


def downloads(book: Book, profile: str, target: Path, chapters: list[Chapter], labels: dict[str, Label]) -> str:
    """Tabulate what the chapters made, and copy to ``target`` what is small enough to be offered."""
    rows = []
    for name, artefact in book.artefacts.items():
        maker = next((chapter for chapter in chapters if name in chapter.writes), None)
        source = book.artefact(profile, name)
        if maker and source.exists():
            size = bundles.size_of(source)
            offered = f"`{profile}/{artefact.file}` in the outputs folder"
            if size <= bundles.LARGEST:
                columns = workspace.columns(name, book.notebooks)
                offered = offer(local(source), target, labels[maker.stem], artefact.what, columns)
            rows.append([offered, in_bytes(size), maker.title, artefact.what])
    return markdown(["file", "size", "made by", "what it holds"], rows)


def in_bytes(size: int) -> str:
    """Write the size of a file for people."""
    kibibytes = size / 2**10
    return f"{math.ceil(kibibytes)}\u00a0KiB" if kibibytes < 1000 else f"{kibibytes / 2**10:.1f}\u00a0MiB"


def offer(source: Path, target: Path, label: Label, title: str, columns: provenance.Columns) -> str:
    """Copy a file, or the archive of a folder, to ``target``, with what labels it; say where it is."""
    target.mkdir(parents=True, exist_ok=True)
    copied = target / (f"{source.name}.zip" if source.is_dir() else source.name)
    archive(source, copied) if source.is_dir() else shutil.copyfile(source, copied)
    names = [copied.name]
    if source.suffix not in provenance.INSIDE:
        names.append(provenance.put(label, title, copied, copied.name, columns).name)
    words = [names[0], *["metadata"] * (len(names) - 1)]
    return ", ".join(f"{{download}}`{w} <../downloads/{name}>`" for w, name in zip(words, names, strict=True))


def archive(folder: Path, target: Path) -> None:
    """Zip a folder and what labels it."""
    bundles.zipped(bundles.files_of(folder), target)
