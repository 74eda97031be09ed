"""One chapter, by Papermill: executed aside, then put in the place of the old one.

Whatever happens, what stood in the workspace before stays until the new stands complete. What a chapter made is noted
last of all, so that a run killed before that moment counts as not having happened.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from helpers import workspace
from helpers.run.chapters import Chapter
from helpers.run.places import Book, ChapterFailed
from helpers.run.profiles import Settings
from helpers.workspace import ARTEFACTS

KERNEL = "python3"


@contextmanager
def environment(book: Book, profile: str) -> Iterator[None]:
    """Set, while the block runs, what kernels inherit: where artefacts go, whose children they are, a bare Jupyter."""
    mine = {
        "RECO_OUTPUTS": str(book.outputs),
        # a kernel whose runner was killed must not write any more: see workspace.writing
        workspace.RUNNER: str(os.getpid()),
        "IPYTHONDIR": str(book.state(profile) / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        # a thread that waits gives its core away; spinning trebles the time of training on a machine that is shared
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def execute(book: Book, chapter: Chapter, settings: Settings, place: str) -> float:
    """Run a chapter and put its executed notebook in place.

    Parameters
    ----------
    book : Book
    chapter : Chapter
    settings : Settings
    place : str
        Shown before the progress bar, such as ``[3/7] 03_cnn_ablation``.

    Returns
    -------
    float
        Seconds it took.

    Raises
    ------
    ChapterFailed
        Names the chapter, the cell and the error; the traceback is in the log it names.
    """
    profile = settings.values["profile"]
    target, log = book.executed(profile, chapter.stem), book.log(profile, chapter.stem)
    before = {name: _mark(book.outputs / profile / ARTEFACTS[name].file) for name in chapter.writes}
    start = time.monotonic()
    with workspace.writing(target) as aside:
        try:
            _papermill(book, chapter, settings, aside, place)
        except (PapermillExecutionError, DeadKernelError, CellTimeoutError) as error:
            raise ChapterFailed(_report(error, chapter, settings, log)) from error
        _drop_unwritten(book.outputs / profile, before)
    workspace.remove(log)
    return time.monotonic() - start


def _papermill(book: Book, chapter: Chapter, settings: Settings, target: Path, place: str) -> None:
    # from a copy of what was read at the start: the file itself may be edited while the chapters before it run
    source = target.with_name(target.name.removesuffix(".part") + ".source.part")
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say stands in the error that it raises
    with warnings.catch_warnings(), workspace.aside(source):
        warnings.filterwarnings("ignore", message=".* does not end in one of .*")
        nbformat.write(chapter.notebook, source)
        papermill.execute_notebook(
            str(source),
            str(target),
            parameters=settings.changed,
            kernel_name=KERNEL,
            cwd=str(book.notebooks),
            extra_arguments=["--IPKernelApp.log_level=50"],
            progress_bar={"desc": place, "leave": False, "disable": not sys.stderr.isatty()},
        )


def _mark(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _drop_unwritten(folder: Path, before: dict[str, tuple[int, int] | None]) -> None:
    """Remove what an earlier run made and this one did not, so that the workspace holds this run's artefacts only."""
    for name, mark in before.items():
        path = folder / ARTEFACTS[name].file
        if mark and _mark(path) == mark:
            workspace.remove(path)


def _report(error: Exception, chapter: Chapter, settings: Settings, log: Path) -> str:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{error}\n", encoding="utf-8")
    if not isinstance(error, PapermillExecutionError):
        cause = str(error).splitlines()[0]
        return f"{chapter.stem}: the kernel stopped ({cause}); was there enough memory? The log is {log}"
    number = _cell_number(error.cell_index, chapter, settings)
    code = [line for line in error.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    first = code[0].strip() if code else ""
    value = next((line for line in str(error.evalue).splitlines() if line.strip()), "")
    return f"{chapter.stem}: cell {number} ({first:.60}): {error.ename}: {value} (traceback in {log})"


def _cell_number(index: int, chapter: Chapter, settings: Settings) -> int:
    """Return the number of a cell in the source, from 1; Papermill adds a cell of values after the parameters."""
    tags = [cell.metadata.get("tags", []) for cell in chapter.notebook.cells]
    at = next((i for i, names in enumerate(tags) if "parameters" in names), -1)
    return index if settings.changed and index > at else index + 1
