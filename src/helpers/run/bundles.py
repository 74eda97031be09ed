"""What lets one chapter run by itself, away from the book: notebook, helpers, data and its inputs, as a zip.

A bundle is a small book: ``src/helpers``, ``data`` and ``notebooks/chapters.yml`` stand where helpers look for them,
what earlier chapters made stands in ``outputs``, and the notebook at the top finds the helpers by a cell of its own.
The same content gives the same bytes, whenever and wherever the zip is made.
"""

from __future__ import annotations

import copy
import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from papermill.translators import translate_parameters

from helpers import integrity, provenance
from helpers.integrity import Mark
from helpers.provenance import Label
from helpers.run import reach
from helpers.run.chapters import Book, Chapter, Settings
from helpers.store import Stored, local
from helpers.workspace import DECLARED, FILES, NOTES

LARGEST = 30 * 2**20
"""Bytes of an input that a bundle takes, and of an artefact that pages offer for download."""

OPENED = {
    "02_site_sampling": ["fluxnet2015"],
    "04_validation": ["fluxnet", "mstmip", "trendy"],
    "05_global_mapping": ["mstmip", "trendy"],
    "09_is_there_a_lag": ["cru_pre", "cru_pet"],
    "10_applicability": ["mstmip", "trendy"],
}
"""The products of the Demo Earth's native files that a chapter opens: the others, which are large, stay at home."""

LOOKED_AT = {"16_cost_and_scale": ["notebooks/[0-9]*.ipynb", "notebooks/profiles/paper.yml"]}
"""Other files of the book that a chapter opens, by patterns."""

FIND = """import sys

sys.path.insert(0, "src")  # the book's helpers, which came with this notebook"""

MARK = "That this file is here says that the planet is a made one. The truth itself is not in it.\n"

README = """{title}

This folder holds one chapter of an executable book, and what it needs to run: the book's helpers (src), small facts
(data), and what earlier chapters made (outputs). {world}; profile {profile}, commit {commit}.

With Python 3.11 or later, in this folder:

    python3 -m venv env
    env/bin/pip install -r requirements.txt jupyterlab
    env/bin/jupyter lab {notebook}

(On Windows: env\\Scripts\\pip and env\\Scripts\\jupyter.) What the notebook makes goes to outputs/{profile}.
{lacking}"""


@dataclass(frozen=True)
class Bundle:
    """What lets a chapter run by itself.

    Parameters
    ----------
    files : dict
        A file's path, or its bytes, by its place in the bundle.
    lacking : list of str
        The inputs that are too large for it, each with its size and what to do, one line each.
    """

    files: dict[str, Path | bytes]
    lacking: list[str]


def of(book: Book, chapter: Chapter, settings: Settings, label: Label, largest: float | None = None) -> Bundle | None:
    """Return what lets a chapter run by itself on what a run left.

    Parameters
    ----------
    book : Book
    chapter : Chapter
    settings : Settings
        With which it was run; they are filled into the notebook.
    label : Label
        Of the run, whose profile says where the inputs are.
    largest : float, optional
        Bytes of an input that comes along (default: `LARGEST`).

    Returns
    -------
    Bundle or None
        None where it can't run elsewhere: it reads a file of one's own, or an input of it has not been made.
    """
    inputs = {name: book.artefact(label.profile, name) for name in sorted(chapter.inputs)}
    if settings.outside or not all(inputs[name].exists() for name in chapter.reads):
        return None
    files: dict[str, Path | bytes] = {}
    for path in [*reach.modules(chapter.trees, book.root), *reach.of_cells(chapter.trees, book.root)[1]]:
        files[path.relative_to(book.root).as_posix()] = path
    more = [f"notebooks/{DECLARED}", "notebooks/columns.yml", "requirements.txt", "LICENSE"]
    for pattern in [*more, *LOOKED_AT.get(chapter.stem, ())]:
        files |= {path.relative_to(book.root).as_posix(): path for path in book.root.glob(pattern)}
    lacking, outputs, notes = [], f"outputs/{label.profile}", {}
    for name, source in inputs.items():
        if not source.exists():
            continue
        artefact, only = book.artefacts[name], OPENED[chapter.stem] if name == "native" else [""]
        parts = [source] if isinstance(source, Stored) else [source / part for part in only]
        size = sum(map(size_of, parts))
        if size > (LARGEST if largest is None else largest):
            lacking.append(
                f"{artefact.file} ({size / 2**20:.0f} MiB) is too large to come along: run chapter {artefact.made_by} "
                f"and copy it from there to {outputs}/"
            )
        else:
            taken = files_of(local(source), only)
            files |= {f"{outputs}/{place}": path for place, path in taken.items()}
            notes.setdefault(artefact.made_by, {})[name] = _note(artefact.file, taken)
    # a chapter that lacks the truth must not call its figures real; one that reads it fails, and says why
    if "truth" in book.artefacts and book.artefact(label.profile, "truth").exists():
        truth = book.artefacts["truth"]
        files.setdefault(f"{outputs}/{truth.file}", MARK.encode())
        if "truth" not in inputs:  # else the truth itself is put in its place
            mark = [len(MARK.encode()), 0, 0, 0, hashlib.sha256(MARK.encode()).hexdigest()[:32]]
            notes.setdefault(truth.made_by, {})["truth"] = {"": mark}
    for stem, noted in notes.items():
        files[f"{outputs}/{NOTES}/{stem}.json"] = json.dumps({FILES: noted}, indent=1).encode()
    notebook = alone(chapter.notebook, settings)
    notebook.metadata["label"] = label.noted()
    files[chapter.path.name] = nbformat.writes(notebook).encode()
    words = {"title": chapter.title, "notebook": chapter.path.name, "world": label.world, "profile": label.profile}
    told = README.format(**words, commit=label.commit, lacking="".join(f"\n{line}\n" for line in lacking))
    return Bundle(files | {"README.txt": told.encode()}, lacking)


def _note(file: str, taken: Mapping[str, Path]) -> dict[str, Mark]:
    """Return the note of an artefact whose files come along: of their content alone, for times and inodes will differ.

    So damage to what was unpacked is found when the chapter reads it.
    """
    mine = {place: path for place, path in taken.items() if place == file or place.startswith(f"{file}/")}
    return {
        place[len(file) + 1 :]: [path.stat().st_size, 0, 0, 0, integrity.hash_of(path)] for place, path in mine.items()
    }


def size_of(place: Path | Stored) -> int:
    """Return the bytes of an artefact."""
    if isinstance(place, Stored):
        return place.size()
    return sum(path.stat().st_size for path in [place, *place.rglob("*")] if path.is_file())


def files_of(place: Path, parts: Iterable[str] = ("",)) -> dict[str, Path]:
    """Return the files of an artefact, or of some folders in it, and what labels it, by their place in a workspace."""
    within = [place / part for part in parts]
    found = [path for each in within for path in [each, *sorted(each.rglob("*"))] if path.is_file()]
    beside = provenance.sidecar(place)
    found += [beside] if beside.is_file() else []
    return {path.relative_to(place.parent).as_posix(): path for path in found}


def alone(notebook: nbformat.NotebookNode, settings: Settings) -> nbformat.NotebookNode:
    """Return a copy of a chapter's notebook that finds its helpers beside it, with the values of a run filled in."""
    made = filled(notebook, settings)
    made.cells.insert(_parameters(made), nbformat.v4.new_code_cell(FIND, id="find-helpers"))
    return made


def filled(notebook: nbformat.NotebookNode, settings: Settings) -> nbformat.NotebookNode:
    """Return a copy of a chapter's notebook with the values of a run in a cell below its parameters."""
    made = copy.deepcopy(notebook)
    if settings.changed:
        head = f"what profile {settings.values['profile']!r} sets, in place of the defaults above"
        values = translate_parameters("python3", "python", settings.changed, head)
        cell = nbformat.v4.new_code_cell(values.strip(), id="values-of-the-profile")
        made.cells.insert(_parameters(made) + 1, cell)
    return made


def _parameters(notebook: nbformat.NotebookNode) -> int:
    return next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))


def zipped(files: Mapping[str, Path | bytes], target: Path) -> None:
    """Write a zip of files by their places in it; the same content gives the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            data = content if isinstance(content, bytes) else content.read_bytes()
            bundle.writestr(entry, data, zipfile.ZIP_DEFLATED, 1)
