"""What runs again after a change, on a small book: what depends on it, and nothing else."""

import shutil
import subprocess

import pytest
from miniature import CHAPTERS

from helpers.run import __main__ as runner
from helpers.run import staleness
from helpers.run.chapters import UserError
from helpers.workspace import artefacts


def test_a_second_run_does_nothing_and_says_so(mini):
    done = mini.run()
    assert done.returncode == 0
    assert done.stdout == "profile demo: nothing to do, 4 of 4 chapters were fresh\n"
    assert done.stderr == ""


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
    ("path", "stale"),
    [("scaled", ["02", "03"]), ("scaled/1.txt", ["02", "03"]), ("chapters/03_total.ipynb", ["03"])],
)
def test_what_is_missing_is_made_again(mini, made_once, path, stale):
    gone = mini.outputs() / path
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert mini.stale() == stale


def test_an_outside_file_is_watched_by_content_not_by_place(mini):
    here = mini.root / "offset.txt"
    here.write_text("10")
    mini.profile("demo", "01_numbers: {offset_file: offset.txt}\n")
    assert mini.ran() == ["01", "02", "03"]
    mini.profile("demo", "01_numbers: {offset_file: moved.txt}\n")
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
    assert mini.ran("--set", "seed=9") == ["02", "03"]


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda outputs: shutil.rmtree(outputs / "scaled"), "nothing"),
        (lambda outputs: (outputs / "scaled" / "9.txt").write_text("1"), "files in it altered, lost or added"),
        (lambda outputs: (outputs / ".state" / "02_scaled.json").unlink(), "one that no run of it has noted"),
    ],
)
def test_only_runs_on_nothing_but_what_the_left_out_chapters_noted(mini, harm, found):
    before = (mini.outputs() / "total.csv").read_bytes()
    harm(mini.outputs())
    words = (
        f"03_total: expected scaled as 02_scaled made it, found {found}; "
        "make it again by --only 02 03, or leave --only out"
    )
    done = mini.run("--only", "03", "--force")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"helpers.run: {words}\n")
    assert (mini.outputs() / "total.csv").read_bytes() == before
    assert mini.ran("--only", "02", "03") == ["02"]


def test_an_artefact_of_a_chapter_outside_the_profile_counts_only_if_a_run_made_it(mini):
    mini.profile("demo", "chapters: ['03']\n")
    assert mini.ran("--force") == ["03"]
    (mini.outputs() / "scaled" / "1.txt").write_text("1")
    done = mini.run()
    assert done.returncode == 2
    assert done.stderr == (
        "helpers.run: 03_total: expected scaled as 02_scaled made it, found files in it altered, lost or added; "
        f"profile demo does not run that chapter; add it to its chapters, or delete {mini.outputs() / 'scaled'}\n"
    )


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
    assert mini.ran() == ["02"]


def test_an_input_that_alters_between_two_chapters_of_a_run_is_refused(mini, monkeypatch):
    """What chapter 2 made is altered as soon as that is noted."""

    def then(book, chapter, *rest, note=staleness.note):
        note(book, chapter, *rest)
        if chapter.stem == "02_scaled":
            (mini.outputs() / "scaled" / "0.txt").write_text("9")

    monkeypatch.setattr(staleness, "note", then)
    monkeypatch.setenv("PYTHONPATH", str(mini.root / "src"))
    plan = runner.plan(mini.book, runner.parser().parse_args(["--set", "factor=5"]))
    with pytest.raises(UserError, match="03_total: expected scaled as 02_scaled .* something else changes this worksp"):
        runner.run(plan)
    assert mini.ran("--set", "factor=5") == ["02", "03"]


def test_a_list_runs_nothing_and_says_why(mini):
    done = mini.run("--dry-run", "--set", "factor=5")
    assert done.stdout.splitlines() == [
        "01_numbers: fresh",
        "02_scaled: stale (parameter factor 2.0 → 5.0 changed)",
        "03_total: fresh, unless 02_scaled changes it",
        "04_apart: fresh",
    ]
    assert mini.ran("--set", "04_apart.seed=8", "flag=no") == ["04"]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("1 / 0", "03_total: cell 4 (1 / 0): ZeroDivisionError: division by zero"),
        ('# look\nraise ValueError("first\\nsecond")', '03_total: cell 4 (raise ValueError("first'),
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


def test_a_chapter_that_fails_in_its_last_cell_leaves_all_that_stood(mini, made_once):
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
    assert mini.ran("--only", "03", "--force") == ["03"]
    assert (mini.outputs() / "total.csv").read_bytes() == (made_once.outputs() / "total.csv").read_bytes()


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
        (["--profile", "nope"], "there is no profile 'nope'"),
        (["--set", "factor=x"], "expected float, found str 'x'"),
        (["--only", "09"], "--only, profile demo: there is no chapter '09'"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(mini, arguments, message):
    done = mini.run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
