"""Pieces of work side by side: in order, bounded, alike wherever they are done, and given up when one fails."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
import xarray as xr
from small_cluster import Cluster
from threadpoolctl import threadpool_info

from helpers import tasks
from helpers.cnn.network import Member
from helpers.cnn.training import re_drawn, train
from helpers.workspace import ROOT, UserError


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A cluster of two workers."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.add()
    cluster.add()
    cluster.await_workers(2)
    yield cluster
    cluster.close()


@pytest.fixture
def remote(two, monkeypatch):
    """Let the work of a test be done by two workers."""
    two.await_workers(2)
    monkeypatch.setenv(tasks.SCHEDULER, two.address)
    return two


@pytest.fixture(params=["here", pytest.param("cluster", marks=pytest.mark.long)])
def anywhere(request):
    """Do a test on this machine's threads, and on a cluster."""
    if request.param == "cluster":
        request.getfixturevalue("remote")
    else:
        request.getfixturevalue("monkeypatch").setenv("OMP_NUM_THREADS", "3")
    return request.param


@pytest.mark.parametrize(
    ("given", "expected"), [("4,2", 4), ("abc", None), ("0", None), ("-1", None), ("9" * 5000, None)]
)
def test_the_number_of_threads_is_openmps_or_refused_in_one_line(monkeypatch, given, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    if expected:
        assert tasks.cores() == expected
    else:
        with pytest.raises(UserError, match="OMP_NUM_THREADS: expected a number of threads, 1 to 9999, found"):
            tasks.cores()


def slow(number):
    """Take the longer, the earlier one comes."""
    time.sleep(0.02 * (5 - number % 5))
    return number


def test_results_come_in_the_order_of_their_items(anywhere):
    assert list(tasks.each(lambda k: slow(k) ** 2, range(11))) == [k**2 for k in range(11)]


def test_few_items_are_taken_ahead_of_the_result_that_is_asked_for(anywhere):
    taken = []

    def items():
        for k in range(40):
            taken.append(k)
            yield k

    told = tasks.each(lambda k: k, items())
    assert next(told) == 0
    workers = 3 if anywhere == "here" else 2
    assert len(taken) == tasks.AHEAD * workers
    assert list(told) == [*range(1, 40)]


def test_what_a_piece_raises_arrives_as_it_is_and_the_others_are_given_up(anywhere, tmp_path):
    def work(k):
        if k == 0:
            time.sleep(0.5)
            raise LookupError(f"piece {k} of {os.getpid()}")
        for _ in range(600):
            time.sleep(0.05)
            tasks.advance()
        (tmp_path / f"{k}").touch()

    start = time.monotonic()
    with pytest.raises(LookupError, match=r"^'?piece 0 of \d+'?$"):
        list(tasks.each(work, range(4)))
    # what has begun ends at its next word, so that the next work is not kept waiting
    assert list(tasks.each(abs, [-1, -2, -3])) == [1, 2, 3]
    assert time.monotonic() - start < 20 and not list(tmp_path.iterdir())


def test_a_caller_that_stops_leaves_no_piece_at_work(anywhere, tmp_path):
    def work(k):
        for _ in range(600 if k else 1):
            time.sleep(0.05)
            tasks.advance()
        if k:
            (tmp_path / f"{k}").touch()
        return k

    told, start = tasks.each(work, range(9)), time.monotonic()
    assert next(told) == 0
    told.close()
    assert list(tasks.each(abs, [-1, -2, -3])) == [1, 2, 3]
    assert time.monotonic() - start < 20 and not list(tmp_path.iterdir())


def test_pieces_of_a_piece_are_done_one_after_the_other_in_its_thread(anywhere):
    def inner(k):
        tasks.advance(1)
        return k, threading.get_ident()

    def work(k):
        me = threading.get_ident()
        return [number for number, thread in tasks.each(inner, range(k, k + 3)) if thread == me]

    assert list(tasks.each(work, [0, 10])) == [[0, 1, 2], [10, 11, 12]]


def test_what_is_to_stay_here_goes_side_by_side_in_this_process_also_within_a_piece(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    both = threading.Barrier(2, timeout=60)  # who is alone never passes it

    def inner(_):
        both.wait()
        return os.getpid()

    def work(_):
        return list(tasks.each(inner, range(4), here=True))

    assert list(tasks.each(work, [0])) == [[os.getpid()] * 4]
    monkeypatch.setenv(tasks.SCHEDULER, "tcp://127.0.0.1:1")  # where nobody answers
    assert work(0) == [os.getpid()] * 4


def test_a_piece_has_one_thread_and_its_caller_keeps_his(anywhere):
    def threads(_=None):
        np.ones((2, 2)) @ np.ones((2, 2)), torch.ones(2)  # both libraries are there
        return [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()]

    before = threads()
    for found in tasks.each(threads, range(4)):
        assert {name for name, _ in found} == {"blas", "openmp"} and {n for _, n in found} == {1}
    assert threads() == before


class Bar:
    """Stand in for a bar, and note what it is told."""

    def __init__(self, **how) -> None:
        self.told = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def get_lock(self):
        return threading.RLock()

    def update(self, steps):
        self.told.append((time.monotonic(), steps))


@pytest.mark.long
def test_the_steps_of_remote_pieces_reach_the_bar_while_they_are_at_work(remote, monkeypatch):
    bar = Bar()
    monkeypatch.setattr(tasks, "tqdm", lambda **how: bar)

    def work(k):
        for _ in range(50):
            time.sleep(0.1)
            tasks.advance(2)
        return time.monotonic()  # of this machine, as all processes have it

    ends = list(tasks.each(work, range(2), total=200))
    early = sum(steps for when, steps in bar.told if when < min(ends))
    assert 100 <= early < 200 and sum(steps for _, steps in bar.told) == 200
    assert len(bar.told) <= 2 * (5 + 3), "about one word a second"


def samples(n=60):
    rng = np.random.default_rng(5)
    names = ["mat", "map", "npp", "spei12"]
    windows = rng.normal(size=(n, 4, 3, 3)).astype("float32")
    windows = xr.DataArray(windows, {"predictor": names}, ("sample", "predictor", "dy", "dx"))
    return windows, (1 + rng.random(n)).astype("float32")


def trained(iterations=60):
    """Train two kinds of networks, chunks of several; return all bytes that come out."""
    windows, target = samples()
    members = [Member(f"m{len(c)}", tuple(c), s) for c in (["mat", "map"], ["mat", "npp", "spei12"]) for s in range(20)]
    kept = np.random.default_rng(1).random((len(members), len(target))) < 0.7
    how = {"iterations": iterations, "progress": False}
    found = []
    for split in (re_drawn(), kept):
        ensemble, fit = train(windows, target, members, split, **how)
        found += [p.detach().numpy() for p in ensemble.parameters()] + [vars(fit)[name] for name in sorted(vars(fit))]
    return b"".join(np.ascontiguousarray(a).tobytes() for a in found)


@pytest.fixture(scope="module")
def trained_here():
    return trained()


@pytest.mark.long
def test_two_workers_train_to_the_same_bytes_as_this_machine(remote, trained_here):
    assert trained() == trained_here


@pytest.mark.long
def test_a_worker_that_is_killed_changes_no_byte(tmp_path, monkeypatch, trained_here):
    """It dies with a piece at work, and with the results of others: these are made again by the other."""
    cluster = Cluster(tmp_path)
    try:
        cluster.add()
        cluster.add()
        cluster.await_workers(2)
        monkeypatch.setenv(tasks.SCHEDULER, cluster.address)
        pids = cluster.client().run(os.getpid)
        monkeypatch.setattr(tasks, "AHEAD", 8)  # more at the workers, so that results wait there
        killed = []

        def kill():
            busy = [w for w, keys in cluster.client().processing().items() if any("work" in key for key in keys)]
            while not busy:
                time.sleep(0.02)
                busy = [w for w, keys in cluster.client().processing().items() if any("work" in key for key in keys)]
            time.sleep(0.3)
            killed.append(pids[busy[0]])
            os.kill(pids[busy[0]], signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        found = trained()
        thread.join()
        assert killed and found == trained_here
    finally:
        cluster.close()


@pytest.mark.long
def test_a_piece_that_ends_every_worker_is_named(remote):
    def work(k):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ConnectionError, match=r"RECO_DASK_SCHEDULER: expected workers that live, .* work has ended"):
        list(tasks.each(work, range(1)))


@pytest.mark.long
def test_without_workers_or_a_scheduler_one_line_says_so(tmp_path, monkeypatch):
    cluster = Cluster(tmp_path)
    try:
        monkeypatch.setenv(tasks.SCHEDULER, cluster.address)
        monkeypatch.setattr(tasks, "ALONE", 2.0)
        with pytest.raises(ConnectionError, match=r"expected workers at tcp://.*, found none for 2 s; start"):
            list(tasks.each(abs, [-1]))
        monkeypatch.setattr(tasks, "ALONE", 100.0)
        cluster.add()
        assert list(tasks.each(abs, [-1])) == [1], "one that comes late is welcome"
        told = tasks.each(lambda k: time.sleep(k), [0, 600])
        next(told)
        cluster.scheduler.kill()
        with pytest.raises(ConnectionError, match=r"expected a scheduler at tcp://.*, found that it has gone"):
            next(told)
    finally:
        cluster.close()


@pytest.mark.long
def test_workers_of_other_code_or_without_it_are_refused(tmp_path):
    other = tmp_path / "other" / "helpers"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    (other / "tasks.py").write_text((ROOT / "src" / "helpers" / "tasks.py").read_text())
    cases = {str(other.parent): r"expected helpers \w{12}, found \w{12}: results would differ"}
    (tmp_path / "none" / "helpers").mkdir(parents=True)
    (tmp_path / "none" / "helpers" / "__init__.py").touch()
    cases[str(tmp_path / "none")] = r"expected this project's helpers, found none \(.*helpers.tasks"
    for number, (path, message) in enumerate(cases.items()):
        folder = tmp_path / f"cluster{number}"
        folder.mkdir()
        cluster = Cluster(folder)
        try:
            cluster.add(PYTHONPATH=path)
            while "Registered to" not in (folder / "log").read_text():
                time.sleep(0.1)
            with pytest.raises(ConnectionError, match=message):
                tasks.connect(cluster.address)
        finally:
            cluster.close()


def test_nobody_at_an_address_is_one_line_within_seconds(monkeypatch):
    monkeypatch.setattr(tasks, "REACH", 1.0)
    monkeypatch.setenv(tasks.SCHEDULER, "tcp://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="RECO_DASK_SCHEDULER: expected a dask scheduler at tcp://127.0.0.1:9, "):
        list(tasks.each(abs, [1]))


def test_torch_is_imported_by_nobody_for_this_module():
    """A reader who makes no network need not wait for it; nor for dask's own machinery."""
    code = "import sys, helpers.tasks; print({'torch', 'distributed'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
    assert torch.get_num_threads()
