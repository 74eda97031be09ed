"""A workspace in an object store, on an S3-compatible server of this machine: all or nothing, whatever is killed."""

import logging
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta

import boto3
import numpy as np
import pandas as pd
import pytest
import s3fs
import xarray as xr
from miniature import Miniature
from moto.server import ThreadedMotoServer
from test_run import content, slow_chapter, start, wait_for

from helpers import store, workspace
from helpers.publish import compare
from helpers.run import __main__ as runner
from helpers.run import chapters, staleness
from helpers.run.chapters import Book
from helpers.run.staleness import Digests
from helpers.space import maps
from helpers.workspace import ROOT, Workspace

LONG = pytest.mark.long
BUCKET = "a-bucket"


@pytest.fixture(scope="module")
def bucket():
    """What boto3 says of a bucket of a server that speaks S3; the environment leads there."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        yield boto3.resource("s3").create_bucket(Bucket=BUCKET)
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes this process another one, on a machine of that name."""

    def on(name):
        monkeypatch.setenv("RECO_CACHE", str(tmp_path / name))
        store.at.cache_clear()

    on("first")
    yield on
    store.at.cache_clear()


@pytest.fixture
def address(bucket, machine):
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:6]}"


def keys(bucket, address):
    """All objects below an address, by the rest of their keys, as boto3 sees them."""
    prefix = address.removeprefix(f"s3://{BUCKET}/") + "/"
    return {o.key.removeprefix(prefix): o.get()["Body"].read() for o in bucket.objects.filter(Prefix=prefix)}


def years():
    """A map of two years, with holes."""
    values = np.arange(12, dtype="float32").reshape(2, 2, 3)
    return xr.Dataset(
        {"reco": (("year", "lat", "lon"), np.where(values == 4, np.nan, values))},
        {"year": [2000, 2001], "lat": [1.0, 0.0], "lon": [5.0, 6.0, 7.0]},
    )


def write(ws, name):
    """Write one of five artefacts, of which each is of another kind: zarr year by year and whole, and so on."""
    match name:
        case "reco":
            with ws.writing(name) as folder:
                for year in (2000, 2001):
                    maps.append_year(folder, years().sel(year=[year]))
        case "models":
            with ws.writing(name) as folder:
                (folder / "deep").mkdir()
                (folder / "deep" / "weights").write_bytes(bytes(range(256)))
        case "risk":
            ws.write(name, pd.DataFrame({"band": ["north", "south"], "share": [0.25, 1 / 3]}))
        case "predictors" | "samples":
            ws.write(name, years())


def test_each_kind_comes_to_a_second_machine_as_it_would_stand_in_a_folder(bucket, address, machine, tmp_path):
    here = Workspace("trial", root=tmp_path / "here")
    for name in ("reco", "predictors", "samples", "risk", "models"):
        write(here, name)
        write(Workspace("trial", root=address), name)
    machine("second")
    ws = Workspace("trial", root=address)
    for name in ("reco", "predictors", "samples"):
        xr.testing.assert_identical(ws.read(name).load(), here.read(name).load())
    assert ws.read("reco").reco.chunks == here.read("reco").reco.chunks, "lazy, a year a chunk"
    xr.testing.assert_identical(pickle.loads(pickle.dumps(ws.read("reco"))).load(), years())  # noqa: S301 (to a worker)
    pd.testing.assert_frame_equal(ws.read("risk"), here.read("risk"))
    pointer = re.compile(r"/\d\d_\w+\.json$")
    found = {name.split("/", 3)[-1]: body for name, body in keys(bucket, address).items() if not pointer.search(name)}
    stand = {p.relative_to(here.folder).as_posix(): p.read_bytes() for p in here.folder.rglob("*") if p.is_file()}
    noted = {name for name in stand if name.startswith(".state/")}  # in a store the checksums that it keeps do it
    assert found == {name: body for name, body in stand.items() if name not in noted} and noted
    assert (ws.read("models") / "deep" / "weights").read_bytes() == bytes(range(256))
    ws.drop("models")
    assert not ws.has("models") and not ws.made
    with pytest.raises(workspace.MissingArtefact, match="run chapter 03_cnn_ablation"):
        ws.read("models")


def test_a_run_in_a_store_is_compared_with_one_in_a_folder(bucket, address, tmp_path, capsys):
    here, there = Workspace("trial", root=tmp_path / "here"), Workspace("trial", root=address)
    for name in ("reco", "samples", "risk", "models"):
        write(here, name)
        write(there, name)
    pair = [f"{address}/trial", f"{here.folder}/"]
    assert compare.main([*pair, "--to", str(tmp_path / "one")]) == 0
    assert "Nothing differs" in (tmp_path / "one" / "index.html").read_text()
    there.write("risk", pd.DataFrame({"band": ["north", "south"], "share": [0.25, 0.5]}))
    assert compare.main([*pair, "--to", str(tmp_path / "two")]) == 0
    assert "Nothing differs" not in (tmp_path / "two" / "index.html").read_text()
    capsys.readouterr()
    assert compare.main([f"{address}/nobody", pair[1]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["reco", "models"])
def test_what_is_not_whole_is_not_seen_and_what_fails_leaves_nothing(bucket, address, name):
    ws = Workspace("trial", root=address)
    write(ws, name)
    before, old = keys(bucket, address), ws.path(name).digest()
    with pytest.raises(RuntimeError), ws.writing(name) as folder:
        if name == "reco":
            maps.append_year(folder, years().sel(year=[2000]) + 1)
            assert len(keys(bucket, address)) > len(before), "zarr goes there at once"
        else:
            (folder / "half").write_text("…")
        assert ws.path(name).digest() == old
        raise RuntimeError
    assert keys(bucket, address) == before


# --- the runner


@pytest.fixture
def small(address, tmp_path):
    """The small book, in a store, not yet run."""
    mini = Miniature(tmp_path / "book")
    mini.environment["RECO_OUTPUTS"] = address
    mini.book = Book(mini.root, address, mini.root / "_build")
    return mini


def stage(mini, factor):
    """Make what chapter 2 of the small book would leave to the runner; return what `runner._keep` takes."""
    waits = mini.root / f"stage-{uuid.uuid4().hex}"
    (waits / "scaled").mkdir(parents=True)
    (waits / "greatest.csv").write_text(f"greatest\n{9 * factor}\n")
    for i in range(3):
        (waits / "scaled" / f"{i}.txt").write_text(str((7 + i) * factor))
    (waits / "page").write_text(f"a page of {factor}")
    chapter = chapters.discover(mini.book.notebooks)[1]
    digests = Digests(mini.root / "digests.json")
    return mini.book, chapter, "demo", {"factor": factor}, digests, waits, waits / "page", store.new_version("run"), {}


def seen(mini):
    """What a reader finds of chapter 2: all its files, and what the note says."""
    places = [mini.book.artefact("demo", name) for name in ("greatest", "scaled")]
    files = [path for place in places for path in [place.local(), *sorted(place.local().rglob("*"))] if path.is_file()]
    page = mini.book.executed("demo", "02_scaled").local().read_text()
    record = staleness.read_record(mini.book, "02_scaled", "demo")
    noted = {name: record["made"][name] for name in ("greatest", "scaled")}
    assert noted == {place.file.removesuffix(".csv"): place.digest() for place in places}
    return [path.read_text() for path in files], page, record["made_from"]


class Puts:
    """Lets so many objects be put, and then none."""

    def __init__(self, patch, left):
        self.left, call = left, s3fs.S3FileSystem._call_s3

        async def counted(fs, method, *arguments, **more):
            if method == "put_object":
                self.left -= 1
                if self.left < 0:
                    raise OSError("killed")
            return await call(fs, method, *arguments, **more)

        patch.setattr(s3fs.S3FileSystem, "_call_s3", counted)


def test_killed_between_any_two_puts_a_reader_finds_all_of_the_old_or_all_of_the_new(bucket, address, small, machine):
    runner._keep(*stage(small, 2))
    old, before = seen(small), keys(bucket, address)
    assert old[0] == ["greatest\n18\n", "14", "16", "18"] and old[2] == {"factor": 2}
    puts = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            Puts(patch, puts)
            try:
                runner._keep(*stage(small, 5))
                break
            except store.StoreError as error:
                assert "killed" in str(error)
        machine(f"reader-{puts}")
        assert seen(small) == old
        small.book.store("demo").clear()
        assert keys(bucket, address) == before, "what was left behind is cleared"
        puts += 1
    assert puts == 6, "greatest, three files of scaled, the page, and the pointer last of all"
    machine("another reader")
    assert seen(small) == (["greatest\n45\n", "35", "40", "45"], "a page of 5", {"factor": 5})
    assert len(keys(bucket, address)) == 2 * len(before) - 1, "who reads the old version may read on"
    small.book.store("demo").clear()
    assert len(keys(bucket, address)) == len(before)


def test_only_versions_that_nobody_names_are_cleared_and_what_a_hand_may_still_write_stays(bucket, address, small):
    runner._keep(*stage(small, 2))
    before, prefix = set(keys(bucket, address)), address.removeprefix(f"s3://{BUCKET}/")
    young, old = store.new_version("hand"), store.new_version("hand", ago=timedelta(days=2))
    stay = {"demo/", "demo/mine/x", "demo/02_scaled/mine/x", f"demo/02_scaled/{young}/x", "demo/04_apart/x"}
    gone = {f"demo/02_scaled/{old}/x", f"demo/02_scaled/{store.new_version('run')}/x"}
    for key in stay | gone:
        bucket.put_object(Key=f"{prefix}/{key}", Body=b"1")
    small.book.store("demo").clear()
    assert set(keys(bucket, address)) == before | stay


def test_bytes_that_changed_under_a_key_are_noticed_without_reading_them(bucket, address, small, machine):
    runner._keep(*stage(small, 2))
    digests = Digests(small.root / "digests.json")
    differs = [small.book, "demo", "scaled", "02_scaled", digests]
    assert staleness.difference(*differs) is None
    changed = next(key for key in keys(bucket, address) if key.endswith("1.txt"))
    bucket.put_object(Key=f"{address.removeprefix(f's3://{BUCKET}/')}/{changed}", Body=b"99")
    assert "altered" in staleness.difference(*differs)
    assert (small.book.artefact("demo", "scaled").local() / "1.txt").read_text() == "99", "an old copy is not used"


def test_a_name_that_leads_out_of_its_folder_is_refused(bucket, address, machine, tmp_path):
    ws = Workspace("demo", address)
    write(ws, "models")
    version = next(k for k in keys(bucket, address) if k.endswith("deep/weights")).removesuffix("deep/weights")
    bucket.put_object(Key=f"{address.removeprefix(f's3://{BUCKET}/')}/{version}x/../../../../../out", Body=b"!")
    machine("second")
    with pytest.raises(store.StoreError, match=r"expected names of plain files, found 'x/\.\./"):
        Workspace("demo", address).read("models")
    assert not list(tmp_path.rglob("out"))


def test_one_run_at_a_time_among_machines(address, machine, monkeypatch):
    first = store.Store(address, "demo")
    with first.lease():
        machine("second")
        words = r"demo: \S+ \(process \d+\) is running this profile, last seen .* ago; wait until it ends, or stop it"
        with pytest.raises(store.StoreError, match=words), store.Store(address, "demo").lease():
            pass
        machine("first")
        # a run of this machine, whose lock this one must hold, is over
        with store.Store(address, "demo").lease(), pytest.raises(store.StoreError, match="nothing of 01_x is kept"):
            first.point("01_x", {})
    machine("second")
    taken = store.Store(address, "demo").lease()
    taken.__enter__()  # and is killed
    machine("first")
    monkeypatch.setattr(store, "LIFE", 0)
    with store.Store(address, "demo").lease():
        pass


def test_the_small_book_runs_and_a_second_machine_goes_on_with_it(bucket, address, small, machine, tmp_path):
    small.environment["RECO_CACHE"] = str(tmp_path / "first")
    assert small.ran("--only", "01", "02") == ["01", "02"]
    small.environment["RECO_CACHE"] = str(tmp_path / "second")
    assert small.ran("--only", "01", "02", "03") == ["03"]
    total = small.book.artefact("demo", "total").local()
    assert total.read_text() == "total\n48.0\n"
    assert small.stale() == ["04"]
    assert {key.split("/")[1] for key in keys(bucket, address)} == {
        "01_numbers", "01_numbers.json", "02_scaled", "02_scaled.json", "03_total", "03_total.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("address", "unset", "words"),
    [
        ("s4://somewhere/x", "", "expected one that fsspec knows, such as s3://, gs:// or az://, found s4"),
        ("gs://somewhere/x", "", "a package is missing (Please install gcsfs"),
        ("s3://not-made/x", "", "expected a bucket, found none; make it"),
        ("s3://a-bucket/x", "AWS_ENDPOINT_URL", "no answer ("),
        ("s3://a-bucket/x", "AWS_ACCESS_KEY_ID", "no credentials ("),
        ("s3://a-bucket/x", "leave", "no permission (Forbidden); correct the credentials"),
    ],
)
def test_what_keeps_a_store_away_is_named_in_one_line(bucket, machine, monkeypatch, capsys, address, unset, words):
    monkeypatch.setenv("RECO_OUTPUTS", address)
    s3fs.S3FileSystem.clear_instance_cache()  # credentials are looked up once a process
    if unset == "leave":

        async def forbid(*arguments, **more):
            raise PermissionError("Forbidden")

        monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", forbid)
    elif unset == "AWS_ENDPOINT_URL":
        monkeypatch.setenv(unset, "http://127.0.0.1:9")
        monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    elif unset:
        monkeypatch.delenv(unset)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert runner.main(["--profile", "tiny"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    s3fs.S3FileSystem.clear_instance_cache()
    assert f"{address}/tiny: " in said.err and words in said.err and "a-secret" not in said.err


def test_a_store_that_never_answers_is_given_up(monkeypatch, machine):
    silent = store.Store("memory://nowhere", "demo")
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    monkeypatch.setattr(silent.fs, "ls", lambda path: time.sleep(60))  # in a thread that ends with the process
    with pytest.raises(store.StoreError, match="no answer"):
        silent.check()


@LONG
def test_killed_while_a_chapter_works_it_goes_on_and_ends_as_in_a_folder(bucket, address, small, made_once, tmp_path):
    small.environment["RECO_CACHE"] = str(tmp_path / "first")
    small.write("02_scaled", *slow_chapter("after", 60))
    run = start(small, tmp_path / "mark")
    wait_for((tmp_path / "mark").exists, 120)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert "demo/lease.json" in keys(bucket, address) and "demo/02_scaled.json" not in keys(bucket, address)
    small.write("02_scaled")
    assert small.ran() == ["02", "03", "04"]
    assert small.stale() == []
    stems = ["01_numbers", "02_scaled", "03_total", "04_apart"]
    assert in_folder(small.book, "demo", stems, tmp_path) == without_bars(made_once.outputs())


def without_bars(folder):
    """What `content` finds in a folder, but for what pages leave out: bars of progress tell of time."""
    found = content(folder)
    for name in (name for name in found if name.endswith(".ipynb")):
        found[name] = [[o for o in cell or () if o.get("name") != "stderr"] for cell in found[name]]
    return found


def in_folder(book, profile, stems, tmp_path):
    """What stands in a store, laid out as a folder would have it, as `without_bars` finds it."""
    folder = tmp_path / "laid out"
    (folder / "chapters").mkdir(parents=True)
    for artefact in (artefact for artefact in book.artefacts.values() if artefact.made_by in stems):
        for file in (artefact.file, f"{artefact.file}-metadata.json"):
            place = workspace.place(book.outputs, profile, artefact.made_by, file)
            if place.exists():
                copy = shutil.copytree if place.is_dir() else shutil.copy
                copy(place.local(), folder / file)
    for stem in stems:
        shutil.copy(book.executed(profile, stem).local(), folder / "chapters" / f"{stem}.ipynb")
    return without_bars(folder)


@LONG
def test_the_tiny_book_is_the_same_in_a_store_and_in_a_folder(bucket, address, tmp_path):
    """Every byte of every artefact, and every output of every page."""
    me = [sys.executable, "-m", "helpers.run", "--profile", "tiny"]
    for outputs, more in ((str(tmp_path / "here"), ["--no-pages"]), (address, [])):
        there = os.environ | {"RECO_OUTPUTS": outputs, "RECO_BUILD": str(tmp_path / "build")}
        done = subprocess.run([*me, *more], cwd=ROOT, env=there, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "build" / "tiny" / "html" / "index.html").is_file()
    local = without_bars(tmp_path / "here" / "tiny")
    stems = [name.split("/")[1].removesuffix(".ipynb") for name in local if name.startswith("chapters/")]
    assert len(stems) > 10
    assert in_folder(Book(ROOT, address, tmp_path / "build"), "tiny", stems, tmp_path) == local
