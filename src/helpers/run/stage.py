"""The pages of one profile, laid out for Jupyter Book: prose, executed chapters, and the contents without the rest.

Words come from the source notebooks, outputs from the executed ones, so an edit of prose shows without a new run.
Progress bars and warnings of libraries stay out of the pages.
"""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import nbformat
import yaml

from helpers.run import absent, staleness, tables
from helpers.run.chapters import Chapter
from helpers.run.places import Book, UserError
from helpers.run.profiles import Profile, Settings

INJECTED = "injected-parameters"


def page(chapter: Chapter, executed: Path, profile: str, settings: Settings) -> nbformat.NotebookNode:
    """Return the page of a chapter: the source's words and code with the outputs of its last run.

    Where the code has changed since that run, the page shows the code that ran.
    """
    ran = Chapter(executed)
    injected = [cell for cell in ran.notebook.cells if INJECTED in cell.metadata.get("tags", [])]
    plain = Chapter(executed)
    plain.notebook.cells = [cell for cell in ran.notebook.cells if cell not in injected]
    shown = copy.deepcopy(chapter.notebook)
    if staleness.cell_marks(plain) == staleness.cell_marks(chapter):
        _take_outputs(shown, plain.notebook)
    else:
        shown.cells = plain.notebook.cells
    for cell in injected:
        at = next(i for i, c in enumerate(shown.cells) if "parameters" in c.metadata.get("tags", []))
        shown.cells.insert(at + 1, _values_cell(cell, profile, settings))
    for cell in shown.cells:
        _clean(cell)
    shown.metadata.pop("papermill", None)
    return shown


def _take_outputs(shown: nbformat.NotebookNode, ran: nbformat.NotebookNode) -> None:
    code = [[cell for cell in notebook.cells if cell.cell_type == "code"] for notebook in (shown, ran)]
    for cell, executed in zip(*code, strict=True):
        cell.outputs, cell.execution_count = executed.outputs, executed.execution_count


def _values_cell(cell: nbformat.NotebookNode, profile: str, settings: Settings) -> nbformat.NotebookNode:
    """Say whose values these are, and show paths outside the book as the profile has them, not where they lie here."""
    lines = [line for line in cell.source.splitlines() if line.strip() != "# Parameters"]
    source = "\n".join([f"# what profile {profile!r} sets, in place of the defaults above", *lines])
    for name, path in settings.outside.items():
        source = source.replace(str(path), str(settings.shown[name]))
    return nbformat.v4.new_code_cell(
        source, id="values-of-the-profile", execution_count=cell.execution_count, metadata={"tags": [INJECTED]}
    )


def _clean(cell: nbformat.NotebookNode) -> None:
    cell.metadata.pop("papermill", None)
    cell.metadata.pop("execution", None)
    if cell.cell_type == "code":
        silent = ("stdout", "stderr") if "progress" in cell.metadata.get("tags", []) else ("stderr",)
        cell.outputs = [output for output in cell.outputs if output.get("name") not in silent]


def contents(root: Path, stems: set[str]) -> dict:
    """Return the table of contents without chapters that are not among ``stems``, and without empty parts.

    Raises
    ------
    UserError
        When ``_toc.yml`` cannot be read, or names a page that is not there.
    """
    path = root / "_toc.yml"
    try:
        toc = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: expected YAML, found {' '.join(str(error).split())}; correct it") from error

    def kept(entry: dict) -> bool:
        file = entry.get("file", "")
        if file.startswith("notebooks/"):
            return Path(file).name in stems
        if not any((root / f"{file}{suffix}").is_file() for suffix in (".md", ".ipynb", "")):
            raise UserError(f"_toc.yml: expected the page {file}.md, found nothing; write it or drop the entry")
        return True

    parts = [part | {"chapters": [e for e in part["chapters"] if kept(e)]} for part in toc.get("parts", [])]
    return toc | {"parts": [part for part in parts if part["chapters"]]}


def _ran_with(book: Book, profile: str, chapter: Chapter, settings: Settings) -> dict:
    """Return the values that a chapter last ran with; paths outside the book as the profile has them."""
    then = staleness.noted(book, chapter.stem, profile) or {"made_from": {"parameters": {}}}
    return settings.shown | then["made_from"]["parameters"]


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
    ready = [c for c in chapters if c.stem in settings and book.executed(profile.name, c.stem).is_file()]
    missing = [c for c in chapters if c not in ready]
    ran_with = {c.stem: _ran_with(book, profile.name, c, settings[c.stem]) for c in ready}
    (pages / "notebooks").mkdir(parents=True)
    for chapter in ready:
        shown = page(chapter, book.executed(profile.name, chapter.stem), profile.name, settings[chapter.stem])
        for cell in shown.cells:
            if cell.cell_type == "markdown":
                cell.source = absent.plain(cell.source, missing)
        nbformat.write(shown, pages / "notebooks" / chapter.path.name)
    shutil.copytree(book.root / "book", pages / "book")
    generated = {
        "parameters": lambda: tables.of_parameters(ready, ran_with),
        "products": tables.of_products,
        "variables": tables.of_variables,
        "sources": tables.of_sources,
        "downloads": lambda: tables.of_downloads(book.outputs / profile.name, pages / "downloads", ready),
    }
    for path in sorted((pages / "book").rglob("*.md")):
        filled = tables.fill(path.read_text(encoding="utf-8"), generated, f"book/{path.name}")
        path.write_text(absent.plain(filled, missing), encoding="utf-8")
    toc = contents(book.root, {c.stem for c in ready})
    (pages / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    shutil.copy(book.root / "_config.yml", pages / "_config.yml")
