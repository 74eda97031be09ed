"""Who does the work: by which parameter, refused when, and that it makes no chapter stale."""

import argparse
import os
import re
import stat
import sys

import pytest
from small_cluster import Cluster

from helpers import tasks
from helpers.run import __main__ as runner
from helpers.run import cluster, planets
from helpers.workspace import UserError

SLURM = "jobs: 2\njobqueue:\n  slurm: {cores: 1, memory: 1 GB}\n"


def where(mini, *overrides):
    """Where the work of the small book would be done."""
    return runner.plan(mini.book, runner.parser().parse_args([*(["--set", *overrides] if overrides else [])])).scheduler


def test_the_command_line_comes_before_the_profile_and_that_before_the_environment(mini, monkeypatch, tmp_path):
    assert where(mini) == ""
    monkeypatch.setenv(tasks.SCHEDULER, "tcp://a:1")
    assert where(mini) == "tcp://a:1"
    for text in ("common: {dask_scheduler: 'tcp://b:1'}\n", "dask_scheduler: tcp://b:1\n"):
        mini.profile("demo", text)
        assert where(mini) == "tcp://b:1"
        assert where(mini, "seed=7", "dask_scheduler=tls://c:1") == "tls://c:1"
        assert where(mini, "dask_scheduler=") == ""
    (mini.root / "queue.yml").write_text(SLURM)
    mini.profile("demo", "dask_scheduler: queue.yml\n")
    assert where(mini) == str(mini.root / "queue.yml"), "a path in a profile is the repository's"
    (tmp_path / "other.yml").write_text(SLURM)
    monkeypatch.chdir(tmp_path)
    assert where(mini, "dask_scheduler=other.yml") == str(tmp_path / "other.yml"), "one given here is here"


def test_no_chapter_is_stale_for_where_it_runs(mini):
    assert mini.stale("--set", "dask_scheduler=tcp://127.0.0.1:9") == []
    mini.profile("demo", "dask_scheduler: tcp://127.0.0.1:9\n")
    assert mini.stale() == []
    assert mini.stale("--set", "seed=8", "dask_scheduler=") == ["01", "04"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dask_scheduler=host:8786", "expected tcp://host:port or a YAML file of a queue, found no file"),
        ("dask_scheduler=tcp://host", "dask_scheduler: expected an address like tcp://host:8786, found 'tcp://host'"),
        ("dask_scheduler=tcp://host:65536", "expected an address like tcp://host:8786, found 'tcp://host:65536'"),
        ("dask_scheduler=tcp://a:1 dask_scheduler=tcp://a:1", "dask_scheduler is given twice; keep one"),
        ("dask_scheduler=http://host:80", "expected an address like tcp://host:8786, found 'http://host:80'"),
        ("dask_scheduler", "--set dask_scheduler: expected dask_scheduler=tcp://host:port, found no '='"),
        ("03.dask_scheduler=tcp://a:1", "there is no parameter 'dask_scheduler'"),
    ],
)
def test_what_is_no_place_to_work_is_refused_before_anything_runs(mini, text, message):
    with pytest.raises(UserError, match=message):
        where(mini, *text.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"queue.yml: expected YAML, found"),
        ("jobqueue: {slurm: {}}", r"queue.yml: expected the names jobs and jobqueue, found jobqueue;"),
        ("[1]", r"queue.yml: expected the names jobs and jobqueue, found \[1\];"),
        (SLURM.replace("2", "0"), r"queue.yml: jobs: expected how many jobs to ask for, 1 or more, found 0;"),
        (SLURM.replace("slurm", "slrum"), r"queue.yml: jobqueue: expected one of .*slurm, found slrum;"),
        ("jobs: 1\njobqueue: {slurm: 3}", r"queue.yml: jobqueue.slurm: expected names and values, found 3;"),
        (SLURM.replace("slurm", "local"), r"queue.yml: jobqueue: expected one of .*slurm, found local;"),
        (SLURM.replace("cores: 1", "cores: -8"), r"slurm.cores: expected a whole number, 1 or more, found -8;"),
        (SLURM.replace("cores", "processes: 0, cores"), r"slurm.processes: expected a whole .*, found 0;"),
        (SLURM.replace("cores", "death-timeout: x, cores"), r"death-timeout: expected seconds, .*, found 'x';"),
        (SLURM.replace("1 GB", "16"), r"slurm.memory: expected an amount with its unit.*, found 16;"),
        (SLURM.replace("1 GB", "-1GB"), r"slurm.memory: expected an amount with its unit.*, found '-1GB';"),
        (SLURM.replace("1 GB", "[1]"), r"slurm.memory: expected an amount with its unit.*, found \[1\];"),
        (SLURM.replace("memory", "memry"), r"jobqueue.slurm: dask-jobqueue knows no 'memry'; did you mean 'memory'\?"),
    ],
)
def test_a_file_that_describes_no_queue_is_refused_in_one_line(mini, text, message):
    (mini.root / "queue.yml").write_text(text)
    with pytest.raises(UserError, match=message):
        where(mini, f"dask_scheduler={mini.root / 'queue.yml'}")


def test_a_queue_that_is_not_of_this_machine_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "queue.yml").write_text(SLURM)
    with (
        pytest.raises(UserError, match=r"queue.yml: jobqueue.slurm: expected the command sbatch, found none"),
        cluster.at_work(str(tmp_path / "queue.yml"), tmp_path),
    ):
        pytest.fail("nothing may run")


def test_nobody_at_the_address_is_one_line_and_nothing_runs(mini):
    done = mini.run("--force", "--set", "dask_scheduler=tcp://127.0.0.1:9")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "RECO_DASK_SCHEDULER: expected a dask scheduler at tcp://127.0.0.1:9, found none" in line


def test_a_worker_that_sees_another_folder_is_named(tmp_path):
    class Far(argparse.Namespace):
        """A client of a worker on a machine without this folder."""

        def nthreads(self):
            return {"tcp://far:1": 2}

        def run(self, function, path):
            assert function(path), "it is here while it is asked for"
            return {"tcp://far:1": False}

    with pytest.raises(UserError, match="worker tcp://far:1: expected the folder .*out, found no such one"):
        cluster._greet(Far(dashboard_link="-"), "tcp://far:0", tmp_path / "out", wait=False)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.long
def test_the_runner_greets_a_cluster_and_tells_its_kernels(mini, tmp_path):
    mini.write("04_apart", *chapter_that_tells())
    here = Cluster(tmp_path, source=mini.root / "src")
    try:
        done = mini.run("--set", f"dask_scheduler={here.address}")
        assert done.returncode == 2 and "expected workers at tcp://127.0.0.1" in done.stderr
        here.add()
        here.add()
        here.await_log("Registered to", 2)
        done = mini.run("--set", f"dask_scheduler={here.address}")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert lines[0].startswith(f"dask: scheduler {here.address}, dashboard http://127.0.0.1:")
        assert lines[1] == "dask: 2 workers, 2 threads" and ": running (" in lines[2]
        told = (mini.outputs() / "apart.csv").read_text()
        assert here.address in told and str(sorted(here.pids())) in told
        assert mini.ran() == [], "here or there, it is the same"
    finally:
        here.close()


def chapter_that_tells():
    """A chapter whose result says who did its pieces of work."""
    parameters = 'profile: str = "demo"  # workspace (a name)\nseed: int = 7  # seeds (0 to 99)'
    parameters += "\nflag: bool = True  # (true or false)"
    work = (
        "import os, time\nimport pandas as pd\nfrom helpers import tasks\nfrom helpers.workspace import Workspace\n"
        "ws = Workspace(profile)\ndef work(k):\n    time.sleep(0.3)\n    return os.getppid()"
    )
    told = 'who = str(sorted(set(tasks.each(work, range(8)))))\nat = os.environ["RECO_DASK_SCHEDULER"]'
    return parameters, work, told, 'ws.write("apart", pd.DataFrame({"who": [who], "at": [at]}))'


SBATCH = """#!/bin/sh
# stands in for SLURM's: starts the job on this machine
cp "$1" "$0.script"
nohup setsid sh "$0.script" >"$0.log" 2>&1 &
echo "Submitted batch job $!"
"""


@pytest.mark.long
def test_jobs_of_a_queue_do_the_work_and_end_with_it(tmp_path, monkeypatch, capsys):
    """By dask-jobqueue itself; sbatch and scancel are stand-ins that start and end the job here."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name, text in {"sbatch": SBATCH, "scancel": '#!/bin/sh\nkill -- "-$1"\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    file = tmp_path / "queue.yml"
    file.write_text(SLURM.replace("jobs: 2", "jobs: 1").replace("1 GB}", "1 GB, interface: lo, walltime: '02:00:00'}"))
    with cluster.at_work(str(file), tmp_path / "out"):
        address = os.environ[tasks.SCHEDULER]
        assert list(tasks.each(lambda k: k**2, range(5))) == [0, 1, 4, 9, 16]
    assert tasks.SCHEDULER not in os.environ
    said = capsys.readouterr().out
    assert "asked slurm for 1 jobs" in said and f"dask: scheduler {address}" in said and "1 workers, 1 threads" in said
    script = (tmp_path / "sbatch.script").read_text()
    assert "#SBATCH -t 02:00:00" in script and sys.executable in script
    with pytest.raises(ConnectionError):
        tasks.connect(address)


@pytest.mark.long
def test_planets_are_made_by_workers(tmp_path, monkeypatch, capsys):
    """A task of a worker under its nanny starts a process, whose run must not ask the cluster again."""
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "out"))
    (tmp_path / "cluster").mkdir()
    here = Cluster(tmp_path / "cluster")
    try:
        here.add()
        here.await_log("Registered to", 1)
        (tmp_path / "out" / "planets").mkdir(parents=True)
        (
            tmp_path / "out" / "planets" / "hard-501"
        ).touch()  # where a folder must be: the run on the worker ends at once
        assert planets.main(["--planets", "1", "--dry", "--set", f"dask_scheduler={here.address}"]) == 2
        said = capsys.readouterr()
        assert re.search(r"hard-501: helpers.run: .*(Not a directory|File exists)", said.err)
        assert "dask: 1 workers" in said.out
    finally:
        here.close()


def test_the_command_of_planets_sets_nothing_else(capsys):
    assert planets.main(["--planets", "1", "--dry", "--set", "seed=3"]) == 2
    assert "--set seed=3: expected dask_scheduler=WHERE" in capsys.readouterr().err
