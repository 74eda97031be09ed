"""A small cluster of dask on this machine, made of the processes that its commands start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from helpers import tasks
from helpers.workspace import ROOT


class Cluster:
    """A scheduler, and workers of one thread each under their nannies, as the commands of dask start them."""

    def __init__(self, folder: Path, source: Path = ROOT / "src") -> None:
        self.folder, self.workers = folder, []
        self.environment = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{Path(__file__).parent}"}
        self.scheduler = self.start("scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", "it.json",
                                    "--dashboard-address", ":0")  # fmt: skip
        while not (found := folder / "it.json").exists() or not found.read_text():
            time.sleep(0.05)

    @property
    def address(self) -> str:
        return next(word for word in (self.folder / "it.json").read_text().split('"') if word.startswith("tcp://"))

    def start(self, *words: str, **more: str) -> subprocess.Popen:
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
            return subprocess.Popen(command, cwd=self.folder, env=self.environment | more, stdout=log, stderr=log)

    def add(self, **more: str) -> None:
        how = ("--nthreads", "1", "--nworkers", "1", "--memory-limit", "0", "--dashboard-address", ":0")
        self.workers.append(self.start("worker", self.address, *how, **more))

    def client(self):
        return tasks.connect(self.address)

    def await_workers(self, n: int) -> None:
        while len(self.client().nthreads()) != n:
            time.sleep(0.1)

    def await_log(self, words: str, times: int) -> None:
        while (self.folder / "log").read_text().count(words) < times:
            time.sleep(0.1)

    def pids(self) -> list[int]:
        """Process numbers of the nannies."""
        return [process.pid for process in self.workers]

    def close(self) -> None:
        if client := tasks._connections.pop(self.address, None):
            client.close()
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
