"""The runner on a small book: after a change what depends on it runs again, and no kill leaves a thing half-written."""

import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from miniature import CHAPTERS

from helpers import workspace
from helpers.run import __main__ as runner
from helpers.run import staleness
from helpers.run.chapters import UserError
from helpers.workspace import artefacts

LONG = pytest.mark.long


def test_going_back_to_the_old_value_gives_the_old_artefacts(mini, made_once):
    mini.ran("--set", "factor=3")
    assert mini.ran() == ["02", "03"]
    for name in ("numbers.csv", "total.csv", "scaled/0.txt"):
        assert (mini.outputs() / name).read_bytes() == (made_once.outputs() / name).read_bytes()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_words_comments_times_and_what_is_not_reached_train_nothing(mini):
    cells = list(CHAPTERS["02_scaled"])
    cells[0] = cells[0].replace("by (-9 to 9)", "with (no unit; -99 to 99)")
    cells[2] = "# a comment\n" + cells[2]
    mini.write("02_scaled", *cells, words="Other words.")
    helper = mini.root / "src/helpers/arithmetic.py"
    edit(helper, "    shift =", "    # why\n    shift =")
    edit(helper, "Make some numbers.", "Make numbers.")
    helper.write_text(helper.read_text() + "\n\ndef unused():\n    return 1\n")
    edit(mini.root / "requirements.txt", "numpy", "# a comment\nnumpy")
    (mini.root / "data" / "README.md").write_text("words")
    (mini.root / "data" / "unused.csv").write_text("1")
    subprocess.run(["touch", mini.outputs() / "numbers.csv"], check=True)
    assert mini.stale() == []


@pytest.mark.parametrize(
    ("path", "old", "new", "stale"),
    [
        ("src/helpers/arithmetic.py", "shift + i", "shift + 2 * i", ["01"]),
        ("data/shift.csv", "0", "5", ["01"]),
        ("requirements.txt", "2.4.6", "9.9.9", ["01", "02", "03", "04"]),
        ("notebooks/04_apart.ipynb", "[flag]}))", "[flag]}));", ["04"]),
        ("notebooks/chapters.yml", "reads: [scaled]", "reads: [scaled, greatest]", ["03"]),
        ("outputs/demo/numbers.csv", "7", "9", ["01", "02"]),
        ("outputs/demo/.state/04_apart.json", "{", "", ["04"]),
    ],
)
def test_a_change_touches_the_chapters_that_it_concerns(mini, path, old, new, stale):
    edit(mini.root / path, old, new)
    artefacts.cache_clear()
    assert mini.stale() == stale


@pytest.mark.parametrize(
    ("path", "stale"), [("scaled", ["02", "03"]), ("scaled/1.txt", ["02", "03"]), ("chapters/03_total.ipynb", ["03"])]
)
def test_what_is_missing_is_made_again(mini, made_once, path, stale):
    gone = mini.outputs() / path
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert mini.stale() == stale


def test_an_outside_file_is_watched_by_content_not_by_place(mini):
    here = mini.root / "offset.txt"
    here.write_text("10")
    mini.profile("demo", "chapters: ['01']\n01_numbers: {offset_file: offset.txt}\n")
    assert mini.ran() == ["01"]
    mini.profile("demo", "chapters: ['01']\n01_numbers: {offset_file: moved.txt}\n")
    here.rename(mini.root / "moved.txt")
    assert mini.stale() == []
    (mini.root / "moved.txt").write_text("11")
    assert mini.stale() == ["01"]


def test_an_artefact_that_a_run_no_longer_writes_does_not_stay(mini):
    cells = [*CHAPTERS["04_apart"][:3], 'if not flag:\n    ws.write("apart", pd.DataFrame({"seed": [seed]}))']
    mini.write("04_apart", *cells)
    assert mini.ran() == ["04"]
    assert not (mini.outputs() / "apart.csv").exists()
    assert mini.stale() == []


def test_only_runs_the_named_chapters_and_force_runs_fresh_ones(mini):
    assert mini.ran("--only", "03", "--force") == ["03"]
    assert mini.ran("--only", "04_apart", "1", "--set", "seed=9") == ["01", "04"]
    assert mini.stale("--set", "seed=9") == ["02"]


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda outputs: (outputs / "scaled" / "9.txt").write_text("1"), "files in it altered, lost or added"),
        (lambda outputs: (outputs / ".state" / "02_scaled.json").unlink(), "one that no run of it has noted"),
    ],
)
def test_only_runs_on_nothing_but_what_the_left_out_chapters_noted(mini, harm, found):
    before = (mini.outputs() / "total.csv").read_bytes()
    harm(mini.outputs())
    done = mini.run("--only", "03", "--force")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"03_total: expected scaled as 02_scaled made it, found {found}; make it again" in done.stderr
    assert (mini.outputs() / "total.csv").read_bytes() == before
    assert mini.ran("--only", "02", "03") == ["02"]


def test_an_input_that_alters_while_its_chapter_runs_leaves_everything_as_it_was(mini, made_once):
    cells = list(CHAPTERS["03_total"])
    cells[3] += '\n(ws.folder / "scaled/0.txt").write_text("9")'
    mini.write("03_total", *cells)
    done = mini.run()
    assert done.returncode == 2
    assert "03_total: expected scaled to stay as it was while the chapter ran, found it altered; " in done.stderr
    for name in ("total.csv", "chapters/03_total.ipynb", ".state/03_total.json"):
        assert (mini.outputs() / name).read_bytes() == (made_once.outputs() / name).read_bytes()
    mini.write("03_total")
    assert mini.stale() == ["02", "03"]


def test_an_input_that_alters_between_two_chapters_of_a_run_is_refused(mini, monkeypatch):
    """What chapter 2 made is altered as soon as that is noted."""

    def then(book, chapter, *rest, write=staleness.write_record):
        write(book, chapter, *rest)
        if chapter.stem == "02_scaled":
            (mini.outputs() / "scaled" / "0.txt").write_text("9")

    monkeypatch.setattr(staleness, "write_record", then)
    monkeypatch.setenv("PYTHONPATH", str(mini.root / "src"))
    plan = runner.plan(mini.book, runner.parser().parse_args(["--set", "factor=5"]))
    with pytest.raises(UserError, match="03_total: expected scaled as 02_scaled .* something else changes this worksp"):
        runner.run(plan)


def test_a_list_runs_nothing_and_says_why(mini):
    done = mini.run("--dry-run", "--set", "factor=5")
    assert done.stdout.splitlines() == [
        "01_numbers: fresh",
        "02_scaled: stale (parameter factor 2.0 → 5.0 changed)",
        "03_total: fresh, unless 02_scaled changes it",
        "04_apart: fresh",
    ]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("1 / 0", "03_total: cell 4 (1 / 0): ZeroDivisionError: division by zero"),
        ("import os\nos._exit(3)", "03_total: the kernel stopped"),
    ],
)
def test_a_failing_chapter_names_itself_its_cell_and_its_error(mini, made_once, code, line):
    cells = list(CHAPTERS["03_total"])
    cells[2] = code
    mini.write("03_total", *cells)
    # a value set adds a cell to the executed notebook, which must not shift the number
    done = mini.run(*(["--set", "digits=2"] if "ZeroDivision" in line else []))
    assert done.returncode == 1
    assert done.stderr.startswith(f"helpers.run: {line}")
    assert done.stderr.count("\n") == 1
    assert mini.outputs("demo").joinpath("logs/03_total.log").stat().st_size
    for name in ("total.csv", "chapters/03_total.ipynb"):
        assert (mini.outputs() / name).read_bytes() == (made_once.outputs() / name).read_bytes()
    mini.write("03_total")
    assert mini.stale() == []


def test_a_chapter_that_fails_in_its_last_cell_leaves_all_that_stood(mini):
    """Its artefacts and its page, byte for byte, and the note; what the failed run had made is gone."""
    mini.write("02_scaled", *CHAPTERS["02_scaled"], "assert factor > 0")
    stood = mini.ran("--only", "02")
    names = ["greatest.csv", "scaled/0.txt", "scaled/1.txt", "scaled/2.txt", "chapters/02_scaled.ipynb"]
    before = {name: (mini.outputs() / name).read_bytes() for name in [*names, ".state/02_scaled.json"]}
    done = mini.run("--set", "factor=-1")
    assert stood == ["02"] and done.returncode == 1 and "02_scaled: cell 6 (assert factor > 0)" in done.stderr
    assert {name: (mini.outputs() / name).read_bytes() for name in before} == before
    assert not [p for p in mini.outputs().rglob("*") if p.suffix in (".part", ".old")]
    assert mini.stale("--set", "factor=-1") == ["02"] and mini.stale() == []


def test_a_chapter_sees_its_own_artefacts_of_this_run_only(mini):
    cells = list(CHAPTERS["04_apart"])
    cells[3] = f'was = ws.has("apart")\n{cells[3]}\nws.read("apart").assign(was=was)'
    cells.append('ws.drop("apart")\nws.write("apart", pd.DataFrame({"was": [was], "dropped": [not ws.has("apart")]}))')
    mini.write("04_apart", *cells)
    assert mini.ran() == ["04"]
    assert (mini.outputs() / "apart.csv").read_text() == "was,dropped\nFalse,True\n"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('write("total", pd.DataFrame())', "'total': expected an artefact that notebooks/chapters.yml declares"),
        ('read("total")', "'total': expected an artefact that notebooks/chapters.yml declares for this chapter"),
    ],
)
def test_what_is_not_declared_is_neither_read_nor_written(mini, made_once, call, words):
    mini.write("04_apart", *CHAPTERS["04_apart"], f"other = ws\nother.{call}")
    done = mini.run("--only", "04")
    assert done.returncode == 1 and words in done.stderr
    assert (mini.outputs() / "total.csv").read_bytes() == (made_once.outputs() / "total.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "factor=x"], "expected a number -9 to 9, found 'x'"),
        (["--what"], "unrecognized arguments: --what"),
        (["--at-once", "1", "--at-once", "2"], "argument --at-once: given twice; keep one"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(mini, arguments, message):
    done = mini.run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and message in done.stderr


# --- side by side

MEET = """
import os, pathlib, time
met = pathlib.Path(os.environ["MARK"])
(met / "{own}").touch()
end = time.monotonic() + 60
while not (met / "{other}").exists():
    assert time.monotonic() < end, "nobody came"
    time.sleep(0.02)
"""


def meeting(own, other, then=""):
    """Chapter ``own``, which waits before it writes until chapter ``other`` runs, and then does something."""
    *before, write = CHAPTERS[own]
    return *before, MEET.format(own=own, other=other) + then, write


@pytest.fixture
def met(mini, tmp_path):
    """Return a folder where kernels meet."""
    folder = tmp_path / "met"
    folder.mkdir()
    mini.environment["MARK"] = str(folder)
    return folder


def test_chapters_that_do_not_read_each_other_run_side_by_side(mini, made_once, met):
    mini.write("02_scaled", *meeting("02_scaled", "04_apart"))
    mini.write("04_apart", *meeting("04_apart", "02_scaled"))
    done = mini.run("--at-once", "2")
    assert done.returncode == 0, done.stderr
    began = [line.split("]")[1].split(":")[0].strip() for line in done.stdout.splitlines() if ": running" in line]
    assert sorted(began[:2]) == ["02_scaled", "04_apart"]
    same = {name: text for name, text in content(mini.outputs()).items() if not name.endswith(".ipynb")}
    assert same == {name: text for name, text in content(made_once.outputs()).items() if not name.endswith(".ipynb")}


def test_a_chapter_waits_for_all_that_it_reads(mini):
    """With room for all, 02 begins when 01 has ended, and 03 when 02 has."""
    done = mini.run("--at-once", "4", "--force")
    assert done.returncode == 0, done.stderr
    said = [
        line.split("]")[1].split(" (")[0].split(" in ")[0].strip() for line in done.stdout.splitlines() if "]" in line
    ]
    at = {line: said.index(line) for line in said}
    for earlier, later in (("01_numbers", "02_scaled"), ("02_scaled", "03_total")):
        assert at[f"{earlier}: done"] < at[f"{later}: running"]
    assert at["04_apart: running"] < at["01_numbers: done"]


def test_what_runs_beside_a_chapter_that_fails_is_kept(mini, met):
    mini.write("02_scaled", *meeting("02_scaled", "04_apart", "raise ValueError('too late')"))
    mini.write("04_apart", *meeting("04_apart", "02_scaled", "time.sleep(1)"))
    done = mini.run("--at-once", "2", "--set", "04.flag=false")
    assert done.returncode == 1
    assert done.stderr.startswith("helpers.run: 02_scaled: cell 5 ") and "ValueError: too late" in done.stderr
    assert (mini.outputs() / "apart.csv").read_text() == "seed,flag\n7,False\n"
    assert mini.stale("--set", "04.flag=false") == ["02"]


def test_an_interrupt_ends_all_that_runs_side_by_side(mini, met):
    for own, other in (("02_scaled", "04_apart"), ("04_apart", "02_scaled")):
        mini.write(own, *meeting(own, other, f"(met / '{own}').write_text(str(os.getpid()))\ntime.sleep(300)"))
    run = start(mini, met, "--at-once", "2")
    marks = [met / "02_scaled", met / "04_apart"]
    wait_for(lambda: all(mark.exists() and mark.read_text() for mark in marks))
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    wait_for(lambda: not any(alive(int(mark.read_text())) for mark in marks), 10)
    assert not [p for p in mini.outputs().rglob("*") if p.suffix in (".part", ".old")]


# --- kills

SLOW = 'import os\nfrom pathlib import Path\nPath(os.environ["MARK"]).write_text(str(os.getpid()))\ntime.sleep({})\n'


def content(folder):
    """All artefacts by name, and the outputs of the executed chapters; times and notes apart."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith((".state", "logs")):
            continue
        if path.suffix == ".ipynb":
            found[name] = [c.get("outputs") for c in nbformat.read(path, 4).cells]
        else:
            found[name] = path.read_bytes()
    return found


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    try:
        return "Z" not in open(f"/proc/{pid}/stat").read().split(")")[1][:3]  # noqa: PTH123
    except OSError:
        return False


def start(mini, mark, *arguments):
    return subprocess.Popen(
        mini.command("--no-pages", *arguments),
        cwd=mini.root, env=mini.environment | {"MARK": str(mark)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        # what runs in the background of a shell ignores interrupts, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def slow_chapter(where, seconds=30):
    """Chapter 02, which dawdles before, while or after it writes."""
    before, setup, read, write = CHAPTERS["02_scaled"]
    match where:
        case "before":
            return before, setup, SLOW.format(seconds) + read, write
        case "while":
            inner = "\n    ".join(SLOW.format(seconds).splitlines())
            return before, setup, read, write + f"\n    {inner}"
    return before, setup, read, write, SLOW.format(seconds)


@pytest.mark.parametrize("where", [pytest.param("before", marks=LONG), "while", pytest.param("after", marks=LONG)])
def test_killed_while_a_chapter_works(mini, made_once, tmp_path, where):
    mark = tmp_path / "kernel"
    mini.write("02_scaled", *slow_chapter(where))
    run = start(mini, mark, "--set", "factor=5")
    wait_for(mark.exists)
    wait_for(lambda: mark.read_text())
    kernel = int(mark.read_text())
    run.send_signal(signal.SIGKILL)
    run.wait()
    # the kernel, an orphan now, goes by itself; were it not to, it could not write (below)
    wait_for(lambda: not alive(kernel), 10)
    # of a chapter that has not ended nothing is put in place, be it written or not
    assert (mini.outputs() / "scaled" / "0.txt").read_text() == "14.0"
    mini.write("02_scaled")
    assert mini.ran() == []
    assert content(mini.outputs()) == content(made_once.outputs())


KILL = """
import os, pathlib, signal, sys
left = int(sys.argv.pop(1))

def counted(move):
    def moved(*paths):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return move(*paths)
    return moved

pathlib.Path.rename, pathlib.Path.replace = counted(pathlib.Path.rename), counted(pathlib.Path.replace)
from helpers.run.__main__ import main
main(sys.argv[1:])
"""
"""Runs the book, and kills it when it is about to move a file or a folder once more than it may."""


@pytest.mark.parametrize("moves", [pytest.param(m, marks=() if m == 3 else LONG) for m in range(7)])
def test_killed_between_two_artefacts(mini, made_once, moves):
    """In order: greatest, its label; the old scaled aside, the new one in place, its label; the page; the note."""
    more = [str(moves), "--no-pages", "--only", "02", "--set", "factor=5"]
    run = subprocess.run([sys.executable, "-c", KILL, *more], cwd=mini.root, env=mini.environment, capture_output=True)
    assert run.returncode == -signal.SIGKILL
    old, new = "14.0", "35.0"
    scaled = mini.outputs() / "scaled" / "0.txt"
    shown = {0: old, 1: old, 2: old, 3: None}.get(moves, new)
    assert (scaled.read_text() if scaled.exists() else None) == shown
    assert (mini.outputs() / "greatest.csv").read_text() == f"greatest\n{45.0 if moves else 18.0}\n"
    if moves > 2:
        assert "expected scaled as 02_scaled made it, found" in mini.run("--only", "03").stderr
    assert mini.ran() == (["02"] if moves else [])
    assert content(mini.outputs()) == content(made_once.outputs())
    assert not [p for p in mini.outputs().rglob("*") if p.suffix in (".part", ".old")]


def test_an_orphaned_kernel_writes_nothing(tmp_path, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    target = tmp_path / "table.csv"
    target.write_text("old")
    monkeypatch.setenv(workspace.RUNNER, str(gone.pid))
    with pytest.raises(ProcessLookupError, match="the runner .* is gone"), workspace.writing(target) as aside:
        aside.write_text("new")
    assert target.read_text() == "old"
    monkeypatch.setenv(workspace.RUNNER, str(os.getppid()))
    with workspace.writing(target) as aside:
        aside.write_text("new")
    assert target.read_text() == "new"


def test_two_runs_of_one_profile_do_not_overlap(mini, tmp_path):
    mark = tmp_path / "kernel"
    mini.write("02_scaled", *slow_chapter("before", 300))  # longer than two runs take on a busy machine
    run = start(mini, mark, "--set", "factor=5")
    wait_for(mark.exists)
    second = mini.run()
    assert second.returncode == 2
    assert f"process {run.pid} is running this profile" in second.stderr
    assert second.stderr.count("\n") == 1
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    mini.write("02_scaled")
    assert mini.ran() == []
