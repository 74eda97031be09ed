"""A course from a made run: ``python -m helpers.publish.students --profile demo``.

Exercises, their checks and their solutions have one source each, the one of the book. A chapter's exercise begins at
its heading; the admonition *Solution*, Python fenced in it, and the code cells of the exercise are its solution. The
checks of chapter ``07_sink_risk`` stand in ``notebooks/checks/07_sink_risk.py``, as otter-grader's exception-based
tests: a function a check, whose parameters are names that a student defines, or that the chapter has. From both this
module makes a notebook in the format of Otter Assign, and otter makes of that the student's, the solution, and what
grades. A check that isn't hidden goes to students and must carry a hint.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import math
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pandas as pd
import yaml
from nbformat import NotebookNode, v4
from otter.assign import main as assign
from otter.assign.cell_factory import CellFactory

from helpers import workspace
from helpers.provenance import Label
from helpers.publish import environments
from helpers.run import __main__ as runner
from helpers.run import bundles, pages
from helpers.run.chapters import Book, Chapter, Settings, UserError

HEADING = re.compile(r"^(?=#{2,3} )", re.MULTILINE)
EXERCISE = re.compile(r"### Exercise (\d+): (.+)")
SOLUTION = re.compile(
    r"^(?P<fence>`{3,})\{admonition\} Solution\n(?::[^\n]*\n)*\n*(?P<text>.*?)\n(?P=fence)$", re.M | re.S
)
FENCED = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
CHECK = re.compile(r"exercise_(\d+)_\w+")

FIND_HELPERS = """\
# the helpers and the data that came with this notebook
import os
import sys
from pathlib import Path

here = Path.cwd()
home = next(folder for folder in [here, *here.parents] if (folder / "src" / "helpers").is_dir())
sys.path.insert(0, str(home / "src"))
os.environ["RECO_OUTPUTS"] = str(home / "outputs")"""
"""First cell of each notebook: neither a student's machine nor a grader's has the helpers installed."""

SUMS = "SHA256SUMS"
"""What was written, as ``sha256sum -c`` reads it: a second call replaces nothing that somebody changed."""

FOR_STUDENTS = """\
# The exercises

You need Python 3.11 or later. In this folder:

    python -m venv .venv
    .venv/bin/python -m pip install -r requirements.txt
    .venv/bin/python -m jupyter lab notebooks

On Windows, write `.venv\\Scripts\\python` in place of `.venv/bin/python`.

Each notebook runs by itself: what it reads of earlier chapters lies in `outputs`. Run it from the top, then write where
you find `...` and *Type your answer here*. Give your results the names that you find there.

A cell `grader.check(…)` tells whether your result can be right, and gives a hint where it can't. It doesn't know all
that your teacher's checks know. Exercises without such a cell are open questions, which your teacher reads.

The last cell packs a zip file: that is what you hand in.
"""

FOR_TEACHERS = """\
# For teachers only

- `solutions`: the notebooks with solutions.
- `autograders`: one a chapter, with the checks that students don't see, for otter-grader; Gradescope takes such files.
- `exercises.csv`: each exercise, its points, and whether otter grades it or you do.

Grade one hand-in, in an environment with the packages of `../student/requirements.txt`:

    otter run -a autograders/16_cost_and_scale.zip hand_in.zip

It prints the points of each exercise and leaves `results.json`. The chapter's data travels in the autograder, so that
no hand-in sees what another one wrote. The command runs what the student wrote, on your machine and with your rights:
in a larger course use `otter grade`, which does the same in a container.

Open questions have two points. Two: the answer is right, and says why. One: right without a reason, or a sound reason
that ends elsewhere. None: neither. Where otter grades, it grades the result and not the words beside it.
"""


@dataclass(frozen=True)
class Check:
    """A check of an exercise: the cell that Otter Assign reads, its parameters, and who sees it."""

    cell: str
    names: tuple[str, ...]
    hidden: bool
    points: float


@dataclass
class Exercise:
    """An exercise as the book has it: Markdown, and the code of its solution."""

    number: int
    title: str
    text: list[str]
    solution: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)

    def binds(self) -> set[str]:
        """Return the names that the solution's code gives a value."""
        nodes = [node for code in self.code for node in ast.walk(ast.parse(code))]
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        return stored | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def taken_apart(cells: list[NotebookNode]) -> Iterator[NotebookNode | Exercise]:
    """Yield a chapter's cells in order, with an `Exercise` in place of each one's text, solution and code."""
    now: Exercise | None = None
    for cell in cells:
        if cell.cell_type == "code":
            if now:
                now.code.append(cell.source)
            else:
                yield cell
            continue
        for text in filter(None, HEADING.split(cell.source)):
            if begins := EXERCISE.match(text):
                if now:
                    yield now
                now = Exercise(int(begins[1]), begins[2].strip(), [])
            elif now and text.startswith("#"):
                yield now
                now = None
            if now is None:
                yield v4.new_markdown_cell(text.strip("\n"))
                continue
            for found in SOLUTION.finditer(text):
                now.solution.append(found["text"])
                now.code += FENCED.findall(found["text"])
            now.text += filter(None, [SOLUTION.sub("", text).strip("\n")])
    if now:
        yield now


def checks_of(path: Path) -> dict[int, list[Check]]:
    """Return the checks in a file of `notebooks/checks`, by the number of their exercise.

    Raises
    ------
    UserError
        A function isn't named after an exercise, isn't a ``test_case``, or students would see it without a hint.
    """
    if not path.is_file():
        return {}
    text, found = path.read_text(encoding="utf-8"), {}
    for node in (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)):
        place, named = f"{path}: {node.name}", CHECK.fullmatch(node.name)
        told = [
            call for call in node.decorator_list if isinstance(call, ast.Call) and ast.unparse(call.func) == "test_case"
        ]
        if not named or len(told) != 1:
            raise UserError(f"{place}: expected exercise_N_… with one @test_case(…), found another function; rename it")
        about = {word.arg: ast.literal_eval(word.value) for word in told[0].keywords}
        hint, hidden = about.get("failure_message", ""), about.get("hidden", False)
        if not hidden and not hint or {'"', "\\"} & set(hint):  # otter writes the hint between double quotes
            raise UserError(
                f"{place}: expected a failure_message without quotes and backslashes, found {hint!r}; write one"
            )
        body = "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
        head = yaml.safe_dump({"hidden": hidden, "points": 1} | about, allow_unicode=True, width=10_000)
        cell = f'""" # BEGIN TEST CONFIG\n{head}""" # END TEST CONFIG\n{body}'
        names = tuple(each.arg for each in node.args.args)
        found.setdefault(int(named[1]), []).append(Check(cell, names, hidden, about.get("points", 1)))
    return found


def master(notebook: NotebookNode, checks: dict[int, list[Check]], about: dict) -> NotebookNode:
    """Return a chapter in the format that Otter Assign reads; ``about`` is its assignment's configuration."""
    cells = [_raw("ASSIGNMENT CONFIG", about), v4.new_code_cell(FIND_HELPERS)]
    for part in taken_apart(notebook.cells):
        cells += _question(part, checks.get(part.number, [])) if isinstance(part, Exercise) else [part]
    return v4.new_notebook(cells=cells, metadata=notebook.metadata)


def _raw(head: str, about: dict | None = None) -> NotebookNode:
    return v4.new_raw_cell(f"# {head}\n" + (yaml.safe_dump(about, allow_unicode=True) if about else ""))


def _question(exercise: Exercise, checks: list[Check]) -> list[NotebookNode]:
    about = {"name": f"exercise_{exercise.number}"} | ({} if checks else {"manual": True, "points": 2})
    asked = dict.fromkeys(name for check in checks for name in check.names if name in exercise.binds())
    answer = "\n".join(f"{name} = ..." for name in asked) or "..."
    code = [f"# BEGIN SOLUTION NO PROMPT\n{each}\n# END SOLUTION" for each in exercise.code]
    tests = [_raw("BEGIN TESTS"), *(v4.new_code_cell(check.cell) for check in checks), _raw("END TESTS")]
    return [
        _raw("BEGIN QUESTION", about),
        *map(v4.new_markdown_cell, exercise.text),
        _raw("BEGIN PROMPT"),
        v4.new_markdown_cell(CellFactory.create_markdown_response_cell().source),  # which otter tags a second time
        v4.new_code_cell(answer),
        _raw("END PROMPT"),
        _raw("BEGIN SOLUTION"),
        *map(v4.new_markdown_cell, exercise.solution),
        *map(v4.new_code_cell, code),
        _raw("END SOLUTION"),
        *(tests if checks else []),
        _raw("END QUESTION"),
    ]


def assigned(
    chapter: Chapter, notebook: NotebookNode, checks: dict[int, list[Check]], pins: list[str], to: Path
) -> None:
    """Let otter make of a chapter what students get, its solution, and its tests, in a folder.

    ``to`` gets ``student.ipynb`` and ``solution.ipynb``, and, where the chapter has checks, the folder ``autograder``.
    """
    about = {
        "name": chapter.stem,
        "requirements": pins,
        "tests": {"ok_format": False},
        "export_cell": {"pdf": False, "run_tests": True},
        "show_question_points": True,
        "strip_solutions_from_all_cells": True,  # code outside an exercise may work out a number of its solution
        "generate": bool(checks),
        "suppress_no_tests_warning": True,
    }
    with tempfile.TemporaryDirectory() as work:
        source, made = Path(work, f"{chapter.stem}.ipynb"), Path(work, "made")
        nbformat.write(master(notebook, checks, about), source)
        with redirect_stdout(io.StringIO()):
            assign(str(source), str(made), no_run_tests=True)
        for side, name in (("student", "student"), ("autograder", "solution")):
            _write(nbformat.read(made / side / source.name, as_version=4), to / f"{name}.ipynb")
        if checks:
            [packed] = (made / "autograder").glob("*.zip")
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(to / "autograder")


def _write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook without cells that are left empty, and with the same bytes each time: otter draws its ids."""
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    for k, cell in enumerate(notebook.cells):
        cell.id = f"cell-{k:02d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def files_of(book: Book, chapter: Chapter, settings: Settings, label: Label) -> dict[str, Path | bytes]:
    """Return what a chapter needs beside notebooks to run by itself, however large: by its place in a course.

    A chapter that reads the others' notebooks reads those of the course: the book's have solutions.
    """
    bundle = bundles.of(book, chapter, settings, label, largest=math.inf)
    return {place: content for place, content in bundle.files.items() if "/" in place and not place.endswith(".ipynb")}


def _inside(path: Path) -> list[Path]:
    """Return a file, or the files of a folder; nothing where there is neither."""
    return [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path] if path.is_file() else []


def made_run(book: Book, profile: str) -> runner.Plan:
    """Return the chapters of a profile, with their settings, all made and none stale.

    Raises
    ------
    UserError
        A chapter isn't made, or is stale, or reads files from outside the book, which aren't ours to hand on.
    """
    if book.store(profile):
        raise UserError(
            f"{book.outputs}: expected a folder of outputs, found an object store; copy the run to a folder"
        )
    plan = runner.plan(book, runner.parser().parse_args(["--profile", profile, "--no-pages"]))
    for chapter in plan.chapters:
        if outside := plan.settings[chapter.stem].outside:
            found = f"found that {chapter.stem} reads {', '.join(sorted(outside))}"
            raise UserError(
                f"profile {profile}: expected chapters that read no files from outside the book, {found}; use demo"
            )
    for chapter, why in runner.examine(plan):
        if why:
            found = f"found {chapter.stem} stale ({why})"
            raise UserError(
                f"profile {profile}: expected a made run, {found}; call make book PROFILE={profile}, then this again"
            )
    return plan


def course(book: Book, profile: str, to: Path) -> pd.DataFrame:
    """Write what students and their teacher get to the folders ``student`` and ``teacher`` of ``to``.

    Returns
    -------
    DataFrame
        An exercise a row: chapter, exercise, title, who grades it, points, and how many checks are seen and hidden.
    """
    plan = made_run(book, profile)
    _refuse_changed(to)
    pinned, more = (
        (book.root / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-publish.txt")
    )
    [otter] = [pin for pin in environments.pins(more) if pin.startswith("otter-grader==")]
    pins = environments.pins(pinned)
    labels = {chapter.stem: pages.label_of(book, plan.profile, chapter, plan.settings) for chapter in plan.chapters}
    rows = []
    with workspace.writing(to) as aside, tempfile.TemporaryDirectory() as work:
        student, teacher = aside / "student", aside / "teacher"
        for folder in (student / "notebooks", teacher / "solutions", teacher / "autograders"):
            folder.mkdir(parents=True)
        for chapter in plan.chapters:
            checks = checks_of(book.notebooks / "checks" / f"{chapter.stem}.py")
            source = bundles.filled(chapter.notebook, plan.settings[chapter.stem])
            source.metadata["label"] = labels[chapter.stem].noted()
            assigned(chapter, source, checks, pins, made := Path(work, chapter.stem))
            shutil.copyfile(made / "student.ipynb", student / "notebooks" / f"{chapter.stem}.ipynb")
            shutil.copyfile(made / "solution.ipynb", teacher / "solutions" / f"{chapter.stem}.ipynb")
            rows += [
                _row(chapter, part, checks)
                for part in taken_apart(chapter.notebook.cells)
                if isinstance(part, Exercise)
            ]
        sources = {f"notebooks/{path.name}": path for path in sorted((student / "notebooks").iterdir())}
        for chapter in plan.chapters:
            files = files_of(book, chapter, plan.settings[chapter.stem], labels[chapter.stem])
            for place, content in files.items():
                (student / place).parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, Path):
                    shutil.copyfile(content, student / place)
                elif not (student / place).exists():  # a mark in the place of what another chapter has whole
                    (student / place).write_bytes(content)
            if (autograder := Path(work, chapter.stem, "autograder")).is_dir():
                packed(autograder, files | sources, teacher / "autograders" / f"{chapter.stem}.zip")
        (student / "requirements.txt").write_text(
            f"{pinned}\n# the checks of the exercises\n{otter}\n", encoding="utf-8"
        )
        (student / "README.md").write_text(FOR_STUDENTS, encoding="utf-8")
        (teacher / "README.md").write_text(FOR_TEACHERS, encoding="utf-8")
        table = pd.DataFrame(rows)
        table.to_csv(teacher / "exercises.csv", index=False, lineterminator="\n")
        (aside / SUMS).write_text(
            "".join(f"{digest}  {name}\n" for name, digest in _sums(aside).items()), encoding="utf-8"
        )
    return table


def _row(chapter: Chapter, exercise: Exercise, checks: dict[int, list[Check]]) -> dict:
    mine = checks.get(exercise.number, [])
    hidden = sum(check.hidden for check in mine)
    return {
        "chapter": chapter.stem,
        "exercise": exercise.number,
        "title": exercise.title,
        "graded_by": "otter" if mine else "teacher",
        "points": sum(check.points for check in mine) or 2,
        "checks_seen": len(mine) - hidden,
        "checks_hidden": hidden,
    }


def packed(autograder: Path, files: dict[str, Path | bytes], target: Path) -> None:
    """Zip what otter grades by, with what the chapter needs, which otter lays beside each hand-in.

    Otter's own zip has times in it.
    """
    held = {path.relative_to(autograder).as_posix(): path for path in _inside(autograder)}
    bundles.zipped(held | {f"files/{place}": content for place, content in files.items()}, target)


def _sums(folder: Path) -> dict[str, str]:
    """Return the hash of each file in a folder but of the list of them, by name."""
    files = {path.relative_to(folder).as_posix(): path for path in _inside(folder)}
    return {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in sorted(files) if name != SUMS}


def _refuse_changed(to: Path) -> None:
    """Raise UserError where a folder holds anything but what an earlier call wrote there, unchanged."""
    if not to.exists():
        return
    lines = (to / SUMS).read_text(encoding="utf-8").splitlines() if (to / SUMS).is_file() else []
    known = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    now = _sums(to) if to.is_dir() else {to.name: ""}
    if differ := [name for name in now if known.get(name) != now[name]]:
        found = f"{differ[0]} added or changed" + (f", and {len(differ) - 1} more" if differ[1:] else "")
        raise UserError(
            f"{to}: expected a new folder, or one as an earlier call left it, found {found}; give another --to"
        )


@workspace.command("helpers.publish.students")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.students", description=__doc__.splitlines()[0])
    line.add_argument("--profile", default="demo", help="the made run that notebooks read (default: demo)")
    line.add_argument("--to", type=workspace.typed_path, help="folder of what is made (default: _build/course/PROFILE)")
    options = line.parse_args(arguments)
    book = Book.here()
    to = (options.to or book.build / "course" / options.profile).resolve()
    table = course(book, options.profile, to)
    checked = (table["graded_by"] == "otter").sum()
    print(
        f"{table['chapter'].nunique()} chapters, {len(table)} exercises: otter grades {checked}, the teacher the others"
    )
    print(f"hand out {to / 'student'}, keep {to / 'teacher'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
