"""Damage: found where it is read, in one line that names the file; and what a full disk, a lock or a kill can do."""

import errno
import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys

import filelock
import numpy as np
import pandas as pd
import pytest
import test_run
import xarray as xr
from miniature import CHAPTERS
from test_run import alive, content, wait_for

from helpers import integrity, workspace
from helpers.publish import compare, leaderboard, mine, pdf, students
from helpers.run import __main__ as runner
from helpers.run import pages, staleness
from helpers.workspace import DamagedArtefact, DiskFull, UserError, Workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    """A workspace in which a notebook opened by hand has made one thing of each kind."""
    monkeypatch.setattr(workspace, "SETTLED", 0.001)
    ws = Workspace("trial", root=tmp_path)
    fields = xr.Dataset({"reco": (("year", "lat"), np.arange(6.0).reshape(3, 2)), "npp": (("lat",), [1.0, 2.0])})
    ws.write("samples", fields)
    ws.write("reco", fields.chunk(year=1))
    ws.write("risk", pd.DataFrame({"band": ["north", "south"], "share": [0.25, 1 / 3]}))
    with ws.writing("models") as folder:
        (folder / "index.json").write_text("{}")
        (folder / "one.safetensors").write_bytes(bytes(range(64)))
    return ws


def flip(path, bit=3):
    """Flip a bit in the middle of a file, and set its times back."""
    was, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def lose(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def add(path):
    path.with_name("stran\nger").write_text("1")


FILES = {
    "samples": ["samples.nc"],
    "reco": ["reco.zarr/reco/1.0", "reco.zarr/.zmetadata", "reco.zarr/npp/.zarray"],
    "risk": ["risk.csv"],
    "models": ["models/one.safetensors", "models/index.json"],
}


@pytest.mark.parametrize("harm", [flip, cut])
@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in FILES.items() for file in files])
def test_a_bit_that_is_flipped_and_a_file_that_is_cut_are_found_at_reading(ws, name, file, harm):
    harm(ws.folder / file)
    with pytest.raises(DamagedArtefact) as found:
        ws.read(name)
    line, maker = str(found.value), workspace.artefacts()[name].made_by
    assert line.startswith(f"{ws.folder / file}: expected ") and line.endswith(f"run chapter {maker} again")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("name", "harm", "file", "named"),
    [
        ("reco", lose, "reco.zarr/reco/1.0", "reco.zarr/reco/1.0: expected"),
        ("reco", lose, "reco.zarr/npp", "reco.zarr/npp/.zarray: expected"),
        ("reco", add, "reco.zarr/reco/1.0", r"reco\.zarr/reco/stran\\nger: expected no such .*remove it if"),
        ("models", lose, "models/one.safetensors", "models/one.safetensors: expected 64 bytes"),
    ],
)
def test_what_is_lost_or_added_is_found_at_reading(ws, name, harm, file, named):
    harm(ws.folder / file)
    with pytest.raises(DamagedArtefact, match=named):
        ws.read(name)


def test_what_was_made_and_is_lost_is_not_taken_for_what_was_never_made(ws):
    ws.write("truth", xr.Dataset({"reco": ("lat", [1.0])}))
    assert ws.made and ws.has("risk") and not ws.has("table1")
    for name in ("truth", "risk"):
        ws.path(name).unlink()
        with pytest.raises(workspace.MissingArtefact, match=f"expected '{name}', which was noted"):
            ws.has(name)
    with pytest.raises(workspace.MissingArtefact, match=r"truth\.nc: expected"):
        _ = ws.made
    for name in ("truth", "risk"):
        ws.drop(name)
        assert not ws.has(name)
    assert not ws.made


def test_what_only_looks_altered_is_read(ws, tmp_path):
    """A copy has other times and inodes; a file that is touched, another time. Neither is another content."""
    shutil.copytree(tmp_path / "trial", tmp_path / "copy")
    for path in [p for p in ws.folder.rglob("*") if p.is_file()]:
        os.utime(path, (1, 1))
    for profile in ("trial", "copy"):
        other = Workspace(profile, root=tmp_path)
        assert other.read("reco").reco.sum() == 15 and other.read("samples").reco.sum() == 15
        assert other.read("risk").band.tolist() == ["north", "south"] and other.read("models").is_dir()


def test_only_what_is_in_doubt_is_hashed_and_once(ws, tmp_path, monkeypatch):
    shutil.copytree(ws.folder, tmp_path / "copy")
    hashed, count = [], integrity.hash_of
    monkeypatch.setattr(integrity, "hash_of", lambda path: hashed.append(path) or count(path))
    ws.read("reco"), ws.read("models")
    assert hashed == []
    for _ in range(2):
        Workspace("copy", root=tmp_path).read("reco")
    zarr = tmp_path / "copy" / "reco.zarr"
    assert sorted(hashed) == sorted(path for path in zarr.rglob("*") if path.is_file())


def test_what_nobody_noted_is_read_with_a_warning_and_what_is_written_anew_is_noted_anew(ws):
    shutil.rmtree(ws.folder / ".state")
    pd.DataFrame({"band": ["own"]}).to_csv(ws.path("risk"), index=False)
    with pytest.warns(UserWarning, match=r"risk\.csv: expected a note .* found none") as told:
        assert ws.read("risk").band.tolist() == ["own"]
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=r"reco\.zarr: expected a note"):
        assert ws.read("reco").reco.sum() == 15
    ws.write("risk", pd.DataFrame({"band": ["new"]}))
    assert ws.read("risk").band.tolist() == ["new"]
    cut(ws.path("risk"))
    with pytest.raises(DamagedArtefact):
        ws.read("risk")


@pytest.fixture
def on_the_disk(monkeypatch):
    """Return a function that flips bits as a failing disk does: neither size nor any time tells it."""

    def harm(*paths):
        was, look = {path: integrity.state_of(path) for path in paths}, integrity.state_of
        monkeypatch.setattr(integrity, "state_of", lambda path: was.get(path) or look(path))
        for path in paths:
            flip(path, bit=0)

    return harm


def test_a_chunk_whose_size_and_times_are_as_they_were_is_found_when_it_is_read(ws, on_the_disk):
    on_the_disk(ws.folder / "reco.zarr" / "reco" / "1.0")
    lazy = ws.read("reco").reco
    assert lazy.isel(year=0).sum() == 1
    with pytest.raises(DamagedArtefact, match=r"reco\.zarr/reco/1\.0: expected .* run chapter 05_global_mapping again"):
        lazy.load()


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.filterwarnings("ignore:.*expected a note")
def test_no_reader_mixes_two_versions_of_a_zarr_store(ws, noted):
    if not noted:
        shutil.rmtree(ws.folder / ".state")
    held = ws.read("reco").reco
    ws.write("reco", xr.Dataset({"reco": (("year", "lat"), np.full((3, 2), 9.0))}).chunk(year=1))
    with pytest.raises(DamagedArtefact, match="expected what stood there when this was opened, found another"):
        held.load()
    assert (ws.read("reco").reco == 9).all()
    held = ws.read("reco").reco
    shutil.rmtree(ws.path("reco") / "reco")
    with pytest.raises(DamagedArtefact, match="when this was opened, found nothing"):
        held.load()


def test_a_reader_waits_for_what_is_just_being_put_in_place(ws, monkeypatch):
    """Between two renames nothing is there; then the new one is, and what is noted is still of the old one."""
    record, old = ws.folder / ".state" / "07_sink_risk.json", ws.folder / ".risk.csv.1.old"
    then = record.read_text()
    ws.write("risk", pd.DataFrame({"band": ["new"]}))
    now, new = record.read_text(), ws.path("risk").read_text()
    record.write_text(then)
    ws.path("risk").rename(old)
    steps = [lambda: ws.path("risk").write_text(new), lambda: record.write_text(now)]
    monkeypatch.setattr(workspace.time, "sleep", lambda _: steps.pop(0)() if steps else None)
    assert ws.read("risk").band.tolist() == ["new"]


# --- python -m helpers.run --verify


def test_verify_reads_everything_and_a_run_makes_again_what_it_names(mini, made_once, on_the_disk, monkeypatch, capsys):
    folder, todo = mini.outputs(), runner.plan(mini.book, runner.parser().parse_args([]))
    notes = json.loads((folder / ".state" / "02_scaled.json").read_text())["files"]
    for file, mark in notes["scaled"].items():  # against a hash that is made by hand
        assert hashlib.sha256((folder / "scaled" / file).read_bytes()).hexdigest().startswith(mark[-1])
    runner.verify(todo)
    assert capsys.readouterr().out == "profile demo: all that was made is as it was made\n"
    assert mini.ran() == []  # which remembers all files
    harmed = [folder / "scaled" / "1.txt", folder / "chapters" / "04_apart.ipynb"]
    on_the_disk(*harmed)
    times = [path.stat().st_mtime_ns for path in harmed]
    assert mini.stale() == [], "nothing but content tells it"
    with pytest.raises(UserError, match="2 of the files of profile demo are not as they were made; a run makes"):
        runner.verify(todo)
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [str(path) for path in harmed]
    monkeypatch.undo()
    assert all(path.stat().st_mtime_ns > was for path, was in zip(harmed, times, strict=True)), "so that others look"
    assert mini.run("--verify").returncode == 2
    assert mini.ran() == ["02", "04"]
    assert content(folder) == content(made_once.outputs())


def test_verify_needs_no_lock_where_nothing_can_be_written(mini, monkeypatch, capsys):
    monkeypatch.setattr(runner.Book, "here", lambda: mini.book)
    with workspace.locked(mini.outputs() / ".state" / "lock"):  # stands for one that can't be made
        assert runner.main(["--verify"]) == 2
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        assert runner.main(["--verify"]) == 0
    assert capsys.readouterr().out == "profile demo: all that was made is as it was made\n"


def test_what_a_desktop_leaves_in_a_folder_is_no_damage(mini, ws):
    assert mini.ran() == []
    for folder in (mini.outputs() / "scaled", ws.path("reco"), ws.path("models")):
        for name in (".DS_Store", "._1.txt", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"icons")
    assert mini.stale() == []
    runner.verify(runner.plan(mini.book, runner.parser().parse_args([])))
    ws.read("models")
    assert ws.read("reco").reco.sum() == 15


@pytest.mark.parametrize("there", [None, b"", b'{"made": 1}', b'{"files": []}'])
def test_verify_calls_nothing_well_of_which_nothing_is_noted(mini, there, capsys):
    todo, record = runner.plan(mini.book, runner.parser().parse_args([])), mini.outputs() / ".state" / "02_scaled.json"
    record.unlink() if there is None else record.write_bytes(there)
    with pytest.raises(UserError, match="5 of the files of profile demo are not as they were made; a run makes"):
        runner.verify(todo)
    lines = capsys.readouterr().out.splitlines()
    made = ["greatest.csv", "scaled", "greatest.csv-metadata.json", "scaled-metadata.json", "chapters/02_scaled.ipynb"]
    assert [line.split(": ")[0] for line in lines] == [str(mini.outputs() / name) for name in made]
    assert all("expected a note of what it was when it was made, found none" in line for line in lines)


def test_a_flip_that_sets_the_times_back_does_not_escape_the_runner(mini):
    assert mini.ran() == []  # which remembers all files
    flip(mini.outputs() / "scaled" / "1.txt", bit=0)
    assert mini.stale() == ["02", "03"]


# --- notes of another kind

KINDS = [b"", b"[]", b"3", b"NaN", b'{"a": NaN}', b"\xff\xfe", b"[" * 10**5, b'{"made": 1, "made_from": []}', b"null"]


def test_a_cache_of_hashes_of_another_kind_is_as_none(mini):
    cache = mini.outputs() / ".state" / "digests.json"
    for other in [*KINDS, b'{"/a": [1, 2], "/b": "c", "/d": [null, 1, 2, 3, 4]}']:
        cache.write_bytes(other)
        digests = runner.Digests(cache)
        assert digests.known == {}
        digests.of(mini.root / "data")
        digests.save()
        assert {*json.loads(cache.read_text())} == {str(path) for path in (mini.root / "data").iterdir()}
    with cache.open("wb") as file:
        file.truncate(2**40)  # a terabyte, of nothing
    assert mini.stale() == []
    cache.unlink()
    os.mkfifo(cache)  # who reads it waits for ever
    assert mini.stale() == []


def test_a_record_of_another_kind_is_as_none(mini):
    record = mini.outputs() / ".state" / "04_apart.json"
    begin = b'{"made": {}, "made_from": {}, '
    labels = [
        b'"label": {"what": 1}, "files": {}}',
        b'"label": {"profile": "demo", "world": "", "changed": [1]}, "files": {}}',
    ]
    notes = [b'"files": 3}', b'"files": {"apart": {"": [1]}}}']
    kinds = [*KINDS, b'{"made": {}, "made_from": {"parameters": []}, "files": {}}']
    for other in [*kinds, *(begin + more for more in [*labels, *notes])]:
        record.write_bytes(other)
        assert staleness.read_record(mini.book, "04_apart", "demo") is None
    assert mini.ran() == ["04"]


@pytest.mark.parametrize(
    "harm",
    [
        lambda record: record["files"].pop("scaled"),
        lambda record: record["files"]["scaled"].pop("1.txt"),
        lambda record: record["files"]["greatest"][""].__setitem__(-1, "0" * 32),
        lambda record: record["files"].update(page=record["files"]["greatest"]),
        lambda record: record["label"].update(world="another planet"),
    ],
)
def test_a_record_that_is_not_of_what_was_made_is_made_again(mini, harm):
    path = mini.outputs() / ".state" / "02_scaled.json"
    assert mini.stale() == []
    record = json.loads(path.read_text())
    harm(record)
    path.write_text(json.dumps(record))
    assert mini.stale() == ["02"]
    with pytest.raises(UserError, match="1 of the files"):
        runner.verify(runner.plan(mini.book, runner.parser().parse_args([])))


def test_a_size_that_was_noted_wrong_is_no_damage(ws):
    record = ws.folder / ".state" / "07_sink_risk.json"
    notes = json.loads(record.read_text())
    notes["files"]["risk"][""][0] += 1
    record.write_text(json.dumps(notes))
    assert len(ws.read("risk")) == 2


@pytest.mark.parametrize("harm", [lose, cut])
def test_a_label_that_stands_beside_what_it_is_of_is_noted_too(mini, harm, capsys):
    path, todo = mini.outputs() / "apart.csv-metadata.json", runner.plan(mini.book, runner.parser().parse_args([]))
    harm(path)
    assert mini.stale() == ["04"]
    with pytest.raises(UserError, match="1 of the files"):
        runner.verify(todo)
    assert capsys.readouterr().out.startswith(f"{path}: expected ")


@pytest.mark.parametrize("harm", [lose, cut])
def test_a_page_that_is_lost_or_cut_is_built_again(mini, harm):
    html = mini.book.build / "demo" / "html"
    html.mkdir(parents=True)
    for name in ("index.html", "page.html"):
        (html / name).write_text("<html></html>")
    noted = {"made_from": "this", "files": pages._sizes(html)}
    html.with_name("built.json").write_text(json.dumps(noted))
    (html / "status.html").write_text("which another command adds")
    assert pages.is_fresh(mini.book, "demo", "this") and not pages.is_fresh(mini.book, "demo", "that")
    harm(html / "page.html")
    assert not pages.is_fresh(mini.book, "demo", "this")


def test_a_note_that_cannot_be_read_is_damage_too(ws):
    record, notes = ws.folder / ".state" / "07_sink_risk.json", [{}, {"files": 3}, {"files": {"risk": {"": [1, 2]}}}]
    notes += [
        {"files": {"risk": {name: [1, 2, 3, 4, "a"], "": [1, 2, 3, 4, "a"]}}}
        for name in ("/a", "../a", "a\0", "\ud800", "a")
    ]
    for other in [*KINDS, *(json.dumps(note).encode() for note in notes)]:
        record.write_bytes(other)
        with pytest.raises(
            DamagedArtefact, match=r"07_sink_risk\.json: expected a note of risk\.csv, found none .*; run"
        ):
            ws.read("risk")


# --- a disk without room

LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd, xarray as xr
from helpers import workspace
ws = workspace.Workspace("trial", root=Path(sys.argv[1]))
rng = np.random.default_rng(0)
fields = xr.Dataset({"reco": (("year", "lat", "lon"), rng.random((2, 64, 64)))})
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

def folder():
    with ws.writing("models") as new:
        (new / "one").write_bytes(bytes(10**5))

def other():
    with workspace.writing(ws.folder / "page.html") as new:
        new.write_bytes(bytes(10**5))

writers = {"samples": lambda: ws.write("samples", fields), "reco": lambda: ws.write("reco", fields),
           "risk": lambda: ws.write("risk", pd.DataFrame(rng.random((1000, 3)))), "models": folder, "page": other}
for name, write in writers.items():
    try:
        write()
    except OSError as error:
        print(name, str(error).count("\\n"), error)
"""

WRITTEN = {"samples": "samples.nc", "reco": "reco.zarr", "risk": "risk.csv", "models": "models", "page": "page.html"}


def test_every_writer_names_its_file_and_why_it_is_not_written(ws):
    """A process may write 9,000 bytes a file here, which is to libraries as a full disk is."""
    before = {name: (ws.folder / file).read_bytes() for name, (file, *_) in FILES.items()}
    command = [sys.executable, "-W", "ignore", "-c", LIMITED, str(ws.folder.parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(lines) == set(WRITTEN), done.stderr
    for name, file in WRITTEN.items():
        assert lines[name].startswith(f"0 {ws.folder / file}: could not be written (") and "room" in lines[name]
        assert "File too large" in lines[name] or name == "samples", "of NetCDF its library says no more"
    assert {name: (ws.folder / file).read_bytes() for name, (file, *_) in FILES.items()} == before
    assert not [*ws.folder.glob(".*.part")] and ws.read("reco").reco.sum() == 15


@pytest.mark.parametrize("there", ["file", "link", "pipe"])
def test_a_folder_takes_the_place_of_whatever_stands_there(tmp_path, there):
    new, target, other = tmp_path / "new", tmp_path / "models", tmp_path / "elsewhere"
    new.mkdir(), other.mkdir(), (other / "kept").write_text("1")
    {"file": target.touch, "link": lambda: target.symlink_to(other), "pipe": lambda: os.mkfifo(target)}[there]()
    workspace.replace(new, target)
    assert target.is_dir() and not target.is_symlink() and (other / "kept").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"models", "elsewhere"}


@pytest.mark.parametrize("cause", [OSError(errno.ENOSPC, "x"), RuntimeError("I/O error: No space left on device")])
def test_a_full_disk_is_told_in_one_line_whoever_finds_it(tmp_path, cause):
    target = tmp_path / "table.csv"
    with pytest.raises(DiskFull, match="No space left on device.*make room, then run this again"):  # noqa: SIM117
        with workspace.writing(target) as new:
            new.write_text("half")
            try:
                raise cause
            except Exception as error:
                raise ValueError("a library's own words") from error
    assert [*tmp_path.iterdir()] == []


def test_a_run_that_finds_no_room_keeps_nothing_and_says_so_in_one_line(mini):
    """The runner's own files count, too: here an executed chapter is too large."""
    before = {name: (mini.outputs() / name).read_bytes() for name in ("apart.csv", "chapters/04_apart.ipynb")}
    cells = ["print('x' * 10**6)" if "working" in cell else cell for cell in CHAPTERS["04_apart"]]
    mini.write("04_apart", *cells)
    done = subprocess.run(
        mini.command("--no-pages", "--only", "04"),
        cwd=mini.root, env=mini.environment, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 10**5, 4 * 10**5)),
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "(File too large)" in done.stderr
    assert {name: (mini.outputs() / name).read_bytes() for name in before} == before
    assert not [p for p in mini.outputs().rglob("*") if p.suffix in (".part", ".old")]


# --- locks


def test_a_lock_that_is_a_link_is_refused_and_its_target_stays(tmp_path):
    (tmp_path / "precious").write_text("data")
    for name in ("lock", "holder"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match="expected a file of our own, found a link to .*precious; remove the link"):  # noqa: SIM117
        with runner._locked(tmp_path):
            pass
    (tmp_path / "lock").unlink()
    with runner._locked(tmp_path):
        assert (tmp_path / "holder").read_text() == str(os.getpid()) and not (tmp_path / "holder").is_symlink()
    assert (tmp_path / "precious").read_text() == "data"


@pytest.mark.parametrize("name", ["lock", "holder"])
def test_a_folder_where_a_file_of_the_runner_stands_is_told_in_one_line(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OSError) as found, runner._locked(tmp_path):
        pass
    assert workspace.told(found.value) == f"{tmp_path / name}: expected a file, found a folder; move it away"


def test_a_command_says_in_one_line_what_the_system_raises(tmp_path, capsys):
    @workspace.command("helpers.trial")
    def main():
        (tmp_path / "logs").write_text("no folder")
        (tmp_path / "logs" / "01.log").unlink(missing_ok=True)

    assert main() == 2
    told = "expected folders on the way there, found a file; move it away"
    assert capsys.readouterr().err == f"helpers.trial: {tmp_path / 'logs' / '01.log'}: {told}\n"


@pytest.mark.parametrize(
    ("main", "line", "variable"),
    [(runner.main, ["--list"], "RECO_OUTPUTS"), (runner.main, ["--list"], "RECO_BUILD"), (mine.main, ["LINK"], None)],
)
def test_a_command_says_in_one_line_that_a_link_leads_to_itself(tmp_path, monkeypatch, capsys, main, line, variable):
    (tmp_path / "LINK").symlink_to("LINK")
    monkeypatch.chdir(tmp_path)
    if variable:
        monkeypatch.setenv(variable, "LINK")
    assert main(line) == 2
    told = f"{tmp_path / 'LINK'}: expected a file or a folder, found a ring of links; remove them\n"
    assert capsys.readouterr().err.endswith(f": {told}")


def test_a_command_lets_other_errors_of_that_kind_through():
    @workspace.command("helpers.trial")
    def main():
        raise NotImplementedError("not of a link")

    with pytest.raises(NotImplementedError):
        main()


@pytest.mark.parametrize("main", [compare.main, leaderboard.main, pdf.main, students.main])
def test_a_command_refuses_a_place_without_a_name(capsys, main):
    with pytest.raises(SystemExit) as ended:
        main([*(["A", "B"] if main in (compare.main, leaderboard.main) else []), "--to", ""])
    assert ended.value.code == 2 and "argument --to: expected a path, found ''" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_disk_without_locks_is_told_in_one_line(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=f"lock: expected a disk on which files can be locked.*{os.strerror(number)}"):  # noqa: SIM117
        with workspace.locked(tmp_path / "lock"):
            pass


def test_one_lock_is_held_by_one(tmp_path):
    with workspace.locked(tmp_path / "lock"), pytest.raises(filelock.Timeout), workspace.locked(tmp_path / "lock"):
        pass


# --- kills, and other places

SPHINX = """
import os, pathlib, time
def main():
    pathlib.Path(os.environ["MARK"]).write_text(str(os.getpid()))
    time.sleep(float(os.environ["TIME"]))
    print("built")
"""


@pytest.mark.parametrize("killed", [True, False])
def test_what_builds_the_pages_ends_with_the_runner(tmp_path, killed):
    """Jupyter Book is a stand-in here, which sleeps."""
    package = tmp_path / "jupyter_book" / "cli"
    package.mkdir(parents=True)
    for name, text in (("../__init__.py", ""), ("__init__.py", ""), ("main.py", SPHINX)):
        (package / name).write_text(text)
    mark, here = tmp_path / "mark", os.pathsep.join([str(tmp_path), *sys.path])
    call = "from helpers.run import pages as p; from pathlib import Path as P; "
    call += f"p._jupyter_book(P('a'), P('b'), P({str(tmp_path / 'log')!r}))"
    told = os.environ | {"PYTHONPATH": here, "MARK": str(mark), "TIME": "300" if killed else "0"}
    with subprocess.Popen([sys.executable, "-c", call], env=told, cwd=tmp_path) as run:
        wait_for(lambda: run.poll() is not None or (mark.exists() and mark.read_text()), 120)
        if killed:
            run.send_signal(signal.SIGKILL)
    wait_for(lambda: not alive(int(mark.read_text())), 10)
    assert killed or (run.returncode, (tmp_path / "log").read_text()) == (0, "built\n")


def test_a_terminal_that_lacks_a_sign_shows_its_number():
    """As where the locale is tr_TR or de_DE without UTF-8."""
    told = os.environ | {"PYTHONIOENCODING": "iso8859-9", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", r"import helpers; print('ığ 2.0 \u2192 5.0')"]
    done = subprocess.run(command, env=told, capture_output=True, check=True)
    assert done.stdout.decode("iso8859-9") == "ığ 2.0 \\u2192 5.0\n"


def test_the_page_of_promises_counts_what_is_tried():
    """Each number of its table is how often a test of this file, or of test_run.py, runs."""

    def cases(test):
        return [len(mark.args[1]) for mark in test.pytestmark if mark.name == "parametrize"]

    page = (workspace.ROOT / "book" / "how_to_run.md").read_text(encoding="utf-8")
    rows = page.split("## What is promised after a kill")[1].splitlines()
    tried = [int(number) for row in rows if row.startswith("| ") for number in re.findall(r"\d+", row.split("|")[3])]
    kills = test_run.test_killed_while_a_chapter_works, test_run.test_killed_between_two_artefacts
    files, harms = cases(test_a_bit_that_is_flipped_and_a_file_that_is_cut_are_found_at_reading)
    assert harms == 2
    lost, kinds = cases(test_what_is_lost_or_added_is_found_at_reading), [len(KINDS) + more for more in (1, 5, 8)]
    records = cases(test_a_record_that_is_not_of_what_was_made_is_made_again)
    assert tried == [*cases(kills[0]), *cases(kills[1]), len(WRITTEN), files, len(FILES), *lost, *kinds, *records]
