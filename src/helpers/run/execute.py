"""One chapter, by Papermill: executed aside, then put in the place of the old one.

All that a chapter makes waits in a folder of its own until the chapter has ended well: one that fails in its last cell
leaves every artefact, and its page, as they were. What a chapter made is noted last of all, so that a run killed before
that moment, be it between two artefacts, counts as not having happened: the next run finds what is not as noted, and
makes it again.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError
from papermill.exceptions import PapermillExecutionError

from helpers import workspace
from helpers.run.chapters import Chapter
from helpers.run.places import Book, ChapterFailed
from helpers.run.profiles import Settings
from helpers.workspace import ARTEFACTS

KERNEL = "python3"


@contextmanager
def _variables(mine: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the block runs."""
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def environment(book: Book, profile: str) -> AbstractContextManager[None]:
    """Set, while a block runs, what kernels inherit: where artefacts go, whose children they are, a bare Jupyter."""
    return _variables(
        {
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
    )


@contextmanager
def _stage(folder: Path, chapter: Chapter) -> Iterator[Path]:
    """Yield a folder aside in the workspace, to which all that a chapter makes goes while the block runs."""
    stage = folder / f".{chapter.stem}.{uuid.uuid4().hex[:8]}.part"
    stage.mkdir(parents=True)
    try:
        with _variables({workspace.STAGE: str(stage), workspace.MAKES: " ".join(sorted(chapter.writes))}):
            yield stage
    finally:
        # a kernel that outlives an interrupt for a moment may still be writing there: the next run clears the rest
        shutil.rmtree(stage, ignore_errors=True)


def execute(book: Book, chapter: Chapter, settings: Settings, place: str, check: Callable[[], None]) -> float:
    """Run a chapter; when it has ended well, put what it made and its executed notebook in place.

    Parameters
    ----------
    book : Book
    chapter : Chapter
    settings : Settings
    place : str
        Shown before the progress bar, such as ``[3/7] 03_cnn_ablation``.
    check : callable
        Called when the chapter has ended well; what it raises keeps everything as it was.

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
    start = time.monotonic()
    with workspace.writing(target) as aside, _stage(book.outputs / profile, chapter) as stage:
        try:
            workspace.remove(log)
            log.parent.mkdir(parents=True, exist_ok=True)
            _papermill(book, chapter, settings, aside, place, log)
        except (PapermillExecutionError, CellTimeoutError, RuntimeError) as error:
            # a kernel that dies is a DeadKernelError, which is a RuntimeError; one that never started, a plain one
            raise ChapterFailed(_report(error, chapter, settings, log)) from error
        check()
        _put_in_place(stage, chapter)
    workspace.remove(log)
    return time.monotonic() - start


def _put_in_place(stage: Path, chapter: Chapter) -> None:
    """Move what a chapter made into its workspace; what only an earlier run made goes, so that nothing old stays."""
    for name in sorted(chapter.writes):
        new, target = (folder / ARTEFACTS[name].file for folder in (stage, stage.parent))
        if new.exists():
            workspace.replace(new, target)
        else:
            workspace.remove(target)


def _kernels(log: Path) -> type[AsyncKernelManager]:
    class Kernels(AsyncKernelManager):
        """Start kernels that say to ``log`` what they say outside of all cells, as ZeroMQ does of one that dies."""

        async def start_kernel(self, **how: object) -> None:
            with log.open("ab") as said:
                await super().start_kernel(stderr=said, **how)

    return Kernels


def _papermill(book: Book, chapter: Chapter, settings: Settings, target: Path, place: str, log: Path) -> None:
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
            kernel_manager_class=_kernels(log),
            progress_bar={"desc": place, "leave": False, "disable": not sys.stderr.isatty()},
        )


def _report(error: Exception, chapter: Chapter, settings: Settings, log: Path) -> str:
    with log.open("a", encoding="utf-8") as told:
        told.write(f"{error}\n")
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
