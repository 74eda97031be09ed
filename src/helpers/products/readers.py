"""Resident processes that read HDF4 files, a file each at a time.

The HDF4 library keeps its state in global variables, so that a process reads one file at a time; and it ends the
process that meets certain damaged files, or never comes back. So files are read in processes of their own, which run
`helpers.products.hdf4`, at most as many as pieces of work are done at a time here. One is started where none is free;
it takes half a second, so they stay, and end with this process however it ends: their input closes.

They are plain commands spoken to over pipes: a process of dask's may not start others by ``multiprocessing``. Fields
come in files in memory, which have no name any more once both sides have opened them, and go with their last array.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from pyhdf.error import HDF4Error

from helpers import tasks
from helpers.products import hdf4
from helpers.products.files import DamagedFile

COMMAND = [sys.executable, "-P", hdf4.__file__]
"""What a reader runs. As a module of this package it would import all that the package does."""
PATIENCE = 300
"""Seconds that a reader may take for one request, as a disk elsewhere may need; a large field takes less than one."""
WORK = 20
"""Seconds of a processor that it may take, and one more for each 2 MiB of the file. A library that has lost its way in
a damaged file uses these up, however busy the machine is; one that waits for a disk does not."""
ROOM = 2**30
"""Free bytes that a file system in memory must have to be used; containers may have little."""
MEMORY = Path("/dev/shm")


class Reader:
    """One process that reads files; asked by one thread at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.spent = False  # the library holds a file that it should have closed
        try:
            hdf4.receive(self.process.stdout)
        except (EOFError, ValueError):
            self.end()
            raise RuntimeError(f"a reader of HDF4 files does not start; run {' '.join(COMMAND)} to see why") from None

    def ask(self, path: Path, request: dict) -> dict:
        """Return the answer to a request about a file.

        Raises
        ------
        DamagedFile
            The reader ended over it, or took longer than `PATIENCE` or `WORK` allow.
        HDF4Error, OSError
            What the reader met.
        """
        begin, work = time.monotonic(), WORK + Path(request["path"]).stat().st_size // 2**21
        late = None
        if not hasattr(signal, "alarm"):  # which ends a reader from within, and needs no thread for each request
            late = threading.Timer(PATIENCE, self.process.kill)
            late.daemon = True
            late.start()
        try:
            hdf4.send(self.process.stdin, request | {"patience": PATIENCE, "work": work})
            found = hdf4.receive(self.process.stdout)
        except (EOFError, ValueError, OSError):
            status = self.end()
            hung = time.monotonic() - begin >= PATIENCE
            how = f"took more than {PATIENCE} s" if hung else f"ended (status {status})"
            if hasattr(signal, "SIGPROF") and status == -signal.SIGPROF:
                how = f"worked for more than {work} s"
            raise DamagedFile(
                f"{path}: cannot be read: the HDF4 library {how} over it; it is damaged, or memory is short: make "
                "room, or fetch it again"
            ) from None
        finally:
            if late:
                late.cancel()
        self.spent |= found["spent"]
        if "error" not in found:
            return found
        raise OSError(found["errno"], found["error"]) if found["errno"] else HDF4Error(found["error"])

    def end(self) -> int:
        """End the process, and return its status."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # over what was still to be written
                pipe.close()
        return self.process.wait()


class Pool:
    """Readers of this process that are free, and leave to start others."""

    def __init__(self) -> None:
        self.free: list[Reader] = []
        self.leave = threading.BoundedSemaphore(tasks.cores())

    def _free(self) -> Reader | None:
        """Return a reader that waits for a file; one that ended meanwhile, such as for want of memory, is dropped."""
        while self.free:
            one = self.free.pop()
            if one.process.poll() is None:
                return one
            one.end()
        return None

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Yield a reader, when there is one; one that is spent, or left in the middle of an answer, isn't used again.

        Of damaged files the library keeps some open, and gives their content in place of that of a new file of the same
        path.
        """
        with self.leave:
            one, whole = self._free() or Reader(), False
            try:
                yield one
                whole = True
            except (DamagedFile, HDF4Error, OSError, ValueError, RuntimeError):
                whole = True
                raise
            finally:
                if whole and not one.spent and one.process.poll() is None:
                    self.free.append(one)
                else:
                    one.end()


_pool = Pool()


def _renew() -> None:
    global _pool
    _pool = Pool()


if hasattr(os, "register_at_fork"):  # the readers of a process that forked are its own
    os.register_at_fork(after_in_child=_renew)


Read = Callable[[int, list[int], list[int]], tuple[np.ndarray, dict]]


@contextmanager
def opening(path: Path, plain: Path) -> Iterator[tuple[dict, list, Read]]:
    """Open an HDF4 file in a reader.

    Parameters
    ----------
    path : Path
        The file as it came, for messages.
    plain : Path
        Where it lies unpacked.

    Yields
    ------
    dict
        Attributes of the file.
    list
        Of each field its name, names and sizes of its dimensions, and number.
    callable
        ``read(number, start, count)`` gives numbers of one field as the file stores them (in its byte order), and the
        field's attributes; it may be called once.

    Raises
    ------
    DamagedFile
        The library ends or hangs over the file.
    HDF4Error, OSError
        The file can't be read.
    """
    with _pool.reader() as reader:
        about = reader.ask(path, {"path": str(plain)})

        def read(number: int, start: list[int], count: list[int]) -> tuple[np.ndarray, dict]:
            in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
            handle, name = tempfile.mkstemp(prefix="field-", dir=MEMORY if in_memory else None)
            try:
                wanted = {"path": str(plain), "read": number, "start": start, "count": count, "into": name}
                told = reader.ask(path, wanted)
                array = np.frombuffer(mmap.mmap(handle, 0), told["dtype"]).reshape(count)
                return array if os.name == "posix" else array.copy(), told["attributes"]
            finally:
                os.close(handle)
                Path(name).unlink(missing_ok=True)

        yield about["attributes"], about["fields"], read
