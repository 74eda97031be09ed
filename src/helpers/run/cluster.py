"""Who does the pieces of a book's work: this machine, the workers of a dask scheduler, or jobs of a queue.

``dask_scheduler`` is a parameter of the runner, not of a chapter: results are the same wherever they are made, so that
no chapter is stale for it.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from helpers import strict, tasks
from helpers.workspace import UserError, aside

NAME = "dask_scheduler"

ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:(\d+)/?")


def check(where: str) -> None:
    """Raise UserError unless ``where`` is empty, the address of a scheduler, or a file that describes a queue."""
    if "://" in where:
        if not (found := ADDRESS.fullmatch(where)) or not 0 < int(found[2][:6]) < 2**16:
            raise UserError(f"{NAME}: expected an address like tcp://host:8786, found {where!r}; correct it")
    elif where:
        described(Path(where))


def described(path: Path) -> tuple[str, dict[str, Any], int]:
    """Read the file of a queue.

    Returns
    -------
    kind : str
        ``slurm``, ``pbs`` or another section of dask-jobqueue's own configuration.
    section : dict
        What the file has under ``jobqueue`` for it, with names as in that configuration.
    jobs : int
        How many jobs the queue is asked for.

    Raises
    ------
    UserError
        There is no such file, or it has something else in it.
    """
    import dask
    from dask.utils import parse_bytes, parse_timedelta

    try:
        there = path.is_file()
    except OSError:  # no name that the system takes
        there = False
    if not there:
        raise UserError(f"{NAME}: expected tcp://host:port or a YAML file of a queue, found no file {path}; correct it")
    try:
        content = strict.read(path)
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path}: expected YAML, found {' '.join(str(error).split())}; correct it") from error
    if not isinstance(content, dict) or set(content) != {"jobs", "jobqueue"}:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else repr(content)
        raise UserError(f"{path}: expected the names jobs and jobqueue, found {found:.60}; correct it")
    jobs, queues = content["jobs"], content["jobqueue"]
    if type(jobs) is not int or jobs < 1:
        raise UserError(f"{path}: jobs: expected how many jobs to ask for, 1 or more, found {jobs!r}; correct it")
    known = {kind: dask.config.get(f"jobqueue.{kind}") for kind in _classes()}
    if not isinstance(queues, dict) or len(queues) != 1 or not set(queues) <= set(known):
        found = ", ".join(map(str, queues)) if isinstance(queues, dict) else repr(queues)
        raise UserError(f"{path}: jobqueue: expected one of {', '.join(sorted(known))}, found {found:.60}; correct it")
    kind, section = next(iter(queues.items()))
    if not isinstance(section, dict):
        raise UserError(f"{path}: jobqueue.{kind}: expected names and values, found {section!r:.60}; correct it")
    whole = (lambda value: value if type(value) is int else 0, 1, "a whole number, 1 or more")
    # a blank would part the worker's command line
    seconds = (lambda value: 0 if " " in str(value) else parse_timedelta(value), 1, "seconds, 1 or more, such as 60")
    amounts = {"cores": whole, "processes": whole, "death-timeout": seconds}
    amounts["memory"] = (parse_bytes, 10**6, "an amount with its unit, such as 16 GB")
    for name in section:
        if str(name).replace("_", "-") not in known[kind]:
            near = difflib.get_close_matches(str(name), known[kind], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known[kind])}"
            raise UserError(f"{path}: jobqueue.{kind}: dask-jobqueue knows no {name!r}; {hint}")
        value, (read, least, words) = section[name], amounts.get(str(name).replace("_", "-"), (None, 0, ""))
        try:
            fits = read is None or value is None or read(value) >= least
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):  # dask's readers: any of them
            fits = False
        if not fits:
            raise UserError(f"{path}: jobqueue.{kind}.{name}: expected {words}, found {value!r:.60}; correct it")
    return kind, section, jobs


def _classes() -> dict[str, type]:
    """Return dask-jobqueue's class of each kind of queue; its configuration has a section for one without, too."""
    import dask_jobqueue  # which makes its sections known to dask's configuration

    found = (each for each in vars(dask_jobqueue).values() if getattr(each, "job_cls", None))
    return {each.job_cls.config_name: each for each in found}


@contextmanager
def at_work(where: str, folder: Path) -> Iterator[None]:
    """Do all pieces of work of the block, and of processes that it starts, where ``where`` says.

    Parameters
    ----------
    where : str
        Checked by `check`.
    folder : Path
        Of what the run makes: workers must see it.

    Raises
    ------
    UserError
        Nobody answers, there are no workers, or one isn't like this machine; one line.
    """
    before = os.environ.get(tasks.SCHEDULER)
    with _address(where) as address, contextlib.ExitStack() as stack:
        if address:
            try:
                client = stack.enter_context(contextlib.closing(tasks.connect(address)))
                _greet(client, address, folder, wait="://" not in where)
            except ConnectionError as error:
                raise UserError(str(error)) from error
        os.environ[tasks.SCHEDULER] = address
        try:
            yield
        finally:
            os.environ.pop(tasks.SCHEDULER)
            if before is not None:
                os.environ[tasks.SCHEDULER] = before


@contextmanager
def _address(where: str) -> Iterator[str]:
    """Yield the address of a scheduler; one that had to be started, with its jobs, ends with the block."""
    if not where or "://" in where:
        yield where
        return
    import dask

    kind, section, jobs = described(Path(where))
    of_kind = _classes()[kind]
    command = getattr(of_kind.job_cls, "submit_command", "sh").split()[0]
    if not shutil.which(command):
        raise UserError(f"{where}: jobqueue.{kind}: expected the command {command}, found none; run this where it is")
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({f"jobqueue.{kind}.{name}": value for name, value in section.items()}))
        try:
            cluster = stack.enter_context(of_kind())
            cluster.scale(jobs=jobs)
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{where}: jobqueue.{kind}: dask-jobqueue can't start it: {why}") from error
        print(f"asked {kind} for {jobs} jobs", flush=True)
        yield cluster.scheduler_address


def _greet(client, address: str, folder: Path, wait: bool) -> None:
    """Print who is there, and check that they see the folder; with ``wait``, first wait until somebody is there."""
    print(f"dask: scheduler {address}, dashboard {client.dashboard_link}", flush=True)
    if wait and not client.nthreads():
        print("dask: waiting for the first worker; Ctrl-C gives up", flush=True)
        client.wait_for_workers(1)
        tasks.compare(client)
    threads = client.nthreads()
    if not threads:
        raise UserError(f"{NAME}: expected workers at {address}, found none; start some: dask worker {address}")
    folder.mkdir(parents=True, exist_ok=True)
    # a name that is new, so that nobody's memory of the folder answers
    with aside(folder / f".{uuid.uuid4().hex}.part") as mark:
        mark.touch()
        for worker, sees in client.run(os.path.exists, str(mark)).items():
            if not sees:
                raise UserError(
                    f"{NAME}: worker {worker}: expected the folder {folder}, found no such one or another; let "
                    "RECO_OUTPUTS (RECO_CACHE, where the workspace is in a store) name one that all machines share"
                )
    print(f"dask: {len(threads)} workers, {sum(threads.values())} threads", flush=True)
