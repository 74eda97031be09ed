"""Students get no solution, are told by a hint what is wrong, and otter grades what they hand in."""

import ast
import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import miniature
import nbformat
import numpy as np
import pandas as pd
import pytest
from otter.api import grade_submission
from otter.test_files.exception_test import ExceptionTestFile
from scipy import stats

from helpers import figures, reported, workspace
from helpers.publish import students
from helpers.run import __main__ as runner
from helpers.run import bundles, chapters, pages
from helpers.run.chapters import Book, UserError

CHAPTERS = chapters.discover(workspace.ROOT / "notebooks")
CHECKS = workspace.ROOT / "notebooks" / "checks"

WORDS = """
## Exercises

### Exercise 1: Twice

Write a function `twice(x)`.

````{admonition} Solution
:class: dropdown

A number and itself make the pair.

```python
def twice(x):
    return x + x  # the pair
```
````

### Exercise 2: Why?

Say why.

```{admonition} Solution
:class: dropdown

Since nobody knows better.
```

## What next

Nothing.
"""

CHECKED = '''"""Checks."""

from otter.test_files import test_case


@test_case(failure_message="What is twice nothing?")
def exercise_1_of_nothing(twice):
    assert twice(0) == 0


@test_case(hidden=True, points=2)
def exercise_1_of_something(twice):
    assert twice(2171) == 4342
'''


@pytest.fixture
def taught(mini):
    """The small book with an exercise that is checked and one that is not; words and checks make no chapter stale."""
    mini.write("04_apart", words=WORDS)
    (mini.root / "notebooks" / "checks").mkdir()
    (mini.root / "notebooks" / "checks" / "04_apart.py").write_text(CHECKED)
    shutil.copy(workspace.ROOT / "requirements-publish.txt", mini.root)
    return mini


def contents(folder):
    """All files of a folder by name, those in zip files too."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in [name for name in found if name.endswith(".zip")]:
        with zipfile.ZipFile(folder / name) as archive:
            found |= {f"{name}/{inside}": archive.read(inside) for inside in archive.namelist()}
    return found


def handed_in(student, answer, to):
    """A student's notebook with an answer in the cell that is left for it."""
    notebook = nbformat.read(student, as_version=4)
    [blank] = [cell for cell in notebook.cells if cell.source == "twice = ..."]
    blank.source = answer
    nbformat.write(notebook, to)
    return str(to)


def test_a_right_hand_in_gets_all_points_and_wrong_ones_fewer(tmp_path):
    """By otter itself, from the autograder alone; of a chapter that has nothing but the exercises."""
    (tmp_path / "checks.py").write_text(CHECKED)
    notebook = miniature.notebook("04_apart", "seed = 7", words=WORDS)
    checks = students.checks_of(tmp_path / "checks.py")
    students.assigned(SimpleNamespace(stem="04_apart"), notebook, checks, ["numpy"], tmp_path)
    files = {"src/helpers/__init__.py": workspace.ROOT / "src" / "helpers" / "__init__.py"}
    students.packed(tmp_path / "autograder", files, tmp_path / "autograder.zip")
    for answer, points in {"def twice(x):\n    return 2 * x": 3, "def twice(x):\n    return x * x": 1}.items():
        came_back = handed_in(tmp_path / "student.ipynb", answer, tmp_path / "04_apart.ipynb")
        graded = grade_submission(came_back, str(tmp_path / "autograder.zip"), quiet=True)
        assert (graded.total, graded.possible) == (points, 3), answer


def test_no_file_of_students_holds_a_solution_or_a_hidden_check(taught, tmp_path, monkeypatch):
    monkeypatch.setitem(bundles.LOOKED_AT, "04_apart", ["notebooks/[0-9]*.ipynb"])  # it reads the others' code
    table = students.course(taught.book, "demo", tmp_path / "course")
    assert table[["exercise", "graded_by", "points"]].values.tolist() == [[1, "otter", 3], [2, "teacher", 2]]
    secrets = (b"make the pair", b"x + x", b"nobody knows better", b"2171", b"4342")
    theirs, ours = (contents(tmp_path / "course" / side) for side in ("student", "teacher"))
    assert not [(name, secret) for name, text in theirs.items() for secret in secrets if secret in text]
    assert all(any(secret in text for text in ours.values()) for secret in secrets)
    assert b"What is twice nothing?" in theirs["notebooks/04_apart.ipynb"]
    assert {"outputs/demo/numbers.csv", "outputs/demo/scaled/0.txt", "data/shift.csv"} <= set(
        theirs
    )  # what 01 to 03 read
    assert not any(name.startswith("outputs/demo/total") for name in theirs)  # which nothing reads


def public(notebook, exercise):
    """The tests of an exercise that travel in a student's notebook."""
    return ExceptionTestFile.from_string(notebook.metadata.otter.tests[exercise])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_chapter_for_students_has_its_questions_and_no_solution(chapter, tmp_path):
    checks = students.checks_of(CHECKS / f"{chapter.stem}.py")
    students.assigned(chapter, chapter.notebook, checks, ["numpy"], tmp_path)
    notebook = nbformat.read(tmp_path / "student.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    exercises = [p for p in students.taken_apart(chapter.notebook.cells) if isinstance(p, students.Exercise)]
    assert len(exercises) == len(
        re.findall(r"^### Exercise", "\n".join(c.source for c in chapter.notebook.cells), re.M)
    )
    for exercise in exercises:
        assert f"### Exercise {exercise.number}: {exercise.title}" in text and (exercise.solution or exercise.code)
        told = [line for words in exercise.solution for line in words.splitlines() if len(line) > 40]
        secrets = told + [max(code.splitlines(), key=len) for code in exercise.code]
        assert not [secret for secret in secrets if secret in text], f"exercise {exercise.number}"
    assert not re.search(r"SOLUTION|\{admonition\} Solution|# exercise \d", text)
    seen = "".join(notebook.metadata.get("otter", {}).get("tests", {}).values())
    for check in (check for mine in checks.values() for check in mine):
        [name] = re.findall(r"^def (\w+)", check.cell, re.MULTILINE)
        assert (f"def {name}(" in seen) is not check.hidden
    solution = nbformat.read(tmp_path / "solution.ipynb", as_version=4)
    assert all(any(code in cell.source for cell in solution.cells) for e in exercises for code in e.code)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_checks_ask_for_what_solutions_define(chapter):
    checks = students.checks_of(CHECKS / f"{chapter.stem}.py")
    parts = {p.number: p for p in students.taken_apart(chapter.notebook.cells) if isinstance(p, students.Exercise)}
    nodes = [node for tree in chapter.trees for node in ast.walk(tree)]
    there = {node.id for node in nodes if isinstance(node, ast.Name)}
    there |= {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    there |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    for number, mine in checks.items():
        assert {check.hidden for check in mine} == {True, False}, (
            "one that gives a hint, and one that students can't read"
        )
        for check in mine:
            mine_too = set(check.names) & parts[number].binds()
            assert mine_too and set(check.names) <= there | parts[number].binds()
            assert all(f"`{name}" in "\n".join(parts[number].text) for name in mine_too), (
                "the text names what to define"
            )
    # chapter 12 needs real data, and its questions ask for a judgement
    assert len(checks) >= (0 if chapter.stem == "12_real_land" else 2)


def test_a_check_that_fails_gives_its_hint_and_not_the_value(tmp_path):
    [chapter] = [chapter for chapter in CHAPTERS if chapter.stem == "11_trends_that_survive"]
    students.assigned(chapter, chapter.notebook, students.checks_of(CHECKS / f"{chapter.stem}.py"), [], tmp_path)
    notebook = nbformat.read(tmp_path / "student.ipynb", as_version=4)
    wrong = {"both_pass": 0.2, "one_passes": 0.05, "regions_of": lambda sd: 7}
    right = {"both_pass": 0.01, "one_passes": 0.19, "regions_of": lambda sd: (0.5 / sd) ** 2}
    for exercise, hint in {"exercise_2": "when does none pass?", "exercise_3": "Four times the regions"}.items():
        tests = public(notebook, exercise)
        tests.run(right)
        assert tests.passed_all_public
        tests.run(wrong)
        assert not any(result.passed for result in tests.test_case_results)
        said = tests.summary(public_only=True)
        assert hint in said and not re.search(r"0\.01|0\.19|51\.0", said)


ALONE = {"02": [2], "03": [1, 3], "06": [1, 2], "07": [1], "10": [2], "11": [2, 3], "16": [1]}
"""Exercises whose solution needs nothing of a run: by chapter."""


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if c.stem[:2] in ALONE], ids=lambda chapter: chapter.stem)
def test_solutions_that_need_no_run_pass_all_their_checks(chapter, tmp_path):
    parts = {p.number: p for p in students.taken_apart(chapter.notebook.cells) if isinstance(p, students.Exercise)}
    students.assigned(chapter, chapter.notebook, students.checks_of(CHECKS / f"{chapter.stem}.py"), [], tmp_path)
    for number in ALONE[chapter.stem[:2]]:
        names = {"np": np, "pd": pd, "stats": stats, "reported": reported, "figures": figures}
        fenced = [code for text in parts[number].solution for code in students.FENCED.findall(text)]
        exec("\n".join(fenced or parts[number].code), names)
        tests = ExceptionTestFile.from_file(str(tmp_path / "autograder" / "tests" / f"exercise_{number}.py"))
        tests.run(names)
        assert tests.passed_all, tests.summary()


def test_a_run_that_is_not_there_or_stale_is_told_in_one_line(taught, tmp_path):
    with pytest.raises(UserError, match=r"found 01_numbers stale \(not made yet\); call make book PROFILE=new"):
        taught.profile("new", "common: {}\n")
        students.course(taught.book, "new", tmp_path / "course")
    taught.write("04_apart", *miniature.CHAPTERS["04_apart"], "print('other')", words=WORDS)
    with pytest.raises(UserError, match=r"found 04_apart stale \(its code changed\); call make book PROFILE=demo"):
        students.course(taught.book, "demo", tmp_path / "course")
    assert not (tmp_path / "course").exists()


def test_a_second_call_gives_the_same_bytes_and_overwrites_nothing_of_others(taught, tmp_path):
    for name in ("one", "two", "one"):
        students.course(taught.book, "demo", tmp_path / name)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one == two and len(one) > 20
    note = tmp_path / "one" / "student" / "notebooks" / "04_apart.ipynb"
    note.write_text(note.read_text() + "\n")
    with pytest.raises(UserError, match="found student/notebooks/04_apart.ipynb added or changed; give another --to"):
        students.course(taught.book, "demo", tmp_path / "one")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="found thesis.txt added or changed"):
        students.course(taught.book, "demo", tmp_path / "own")
    assert (tmp_path / "own" / "thesis.txt").read_text() == "mine"


def test_a_check_that_students_see_needs_a_hint(tmp_path):
    path = tmp_path / "04_apart.py"
    path.write_text(CHECKED.replace('failure_message="What is twice nothing?"', ""))
    with pytest.raises(UserError, match="exercise_1_of_nothing: expected a failure_message"):
        students.checks_of(path)


@pytest.mark.long
@pytest.mark.parametrize("stem", ["14_real_towers", "16_cost_and_scale"])
def test_a_chapters_own_solution_gets_all_points(stem, tmp_path):
    """Two chapters that read no artefact, whole: run by otter from the autograder alone, as on a grader's machine."""
    [chapter] = [chapter for chapter in CHAPTERS if chapter.stem == stem]
    book = Book(workspace.ROOT, tmp_path / "outputs", tmp_path / "build")
    students.assigned(chapter, chapter.notebook, students.checks_of(CHECKS / f"{stem}.py"), ["numpy"], tmp_path)
    sources = {f"notebooks/{each.stem}.ipynb": each.path for each in CHAPTERS}
    plan = runner.plan(book, runner.parser().parse_args(["--no-pages"]))
    label = pages.label_of(book, plan.profile, chapter, plan.settings)
    files = students.files_of(book, chapter, plan.settings[stem], label) | sources
    students.packed(tmp_path / "autograder", files, tmp_path / "autograder.zip")
    solution = Path(shutil.copy(tmp_path / "solution.ipynb", tmp_path / f"{stem}.ipynb"))
    graded = grade_submission(str(solution), str(tmp_path / "autograder.zip"), quiet=True)
    assert graded.total == graded.possible >= 5
