"""A run killed at any moment leaves nothing half-written, and the next one ends where an uninterrupted one does."""

import os
import random
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from miniature import CHAPTERS

from helpers import workspace

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


@pytest.mark.parametrize("where", ["before", "while", "after"])
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


@pytest.mark.parametrize("moves", range(5))
def test_killed_between_two_artefacts(mini, made_once, moves):
    """In order: greatest; the old scaled aside, the new one in place; the page; the note."""
    more = [str(moves), "--no-pages", "--only", "02", "--set", "factor=5"]
    run = subprocess.run([sys.executable, "-c", KILL, *more], cwd=mini.root, env=mini.environment, capture_output=True)
    assert run.returncode == -signal.SIGKILL
    old, new = "14.0", "35.0"
    scaled = mini.outputs() / "scaled" / "0.txt"
    shown = {0: old, 1: old, 2: None}.get(moves, new)
    assert (scaled.read_text() if scaled.exists() else None) == shown
    assert (mini.outputs() / "greatest.csv").read_text() == f"greatest\n{45.0 if moves else 18.0}\n"
    if moves > 1:
        assert "expected scaled as 02_scaled made it, found" in mini.run("--only", "03").stderr
    assert mini.ran() == (["02"] if moves else [])
    assert content(mini.outputs()) == content(made_once.outputs())
    assert not [p for p in mini.outputs().rglob("*") if p.suffix in (".part", ".old")]


def test_killed_at_a_random_moment(mini, made_once, tmp_path):
    run = start(mini, tmp_path / "kernel", "--force")
    time.sleep(random.uniform(0.8, 5.0))
    run.send_signal(signal.SIGKILL)
    run.wait()
    mini.ran()
    assert content(mini.outputs()) == content(made_once.outputs())
    assert not list(mini.outputs().rglob("*.part"))


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
    mini.profile("other", "chapters: ['04']\n")
    assert mini.ran("--profile", "other") == ["04"]
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    mini.write("02_scaled")
    assert mini.ran() == []
