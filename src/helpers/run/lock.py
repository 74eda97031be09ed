"""One run of a profile at a time.

The operating system holds the lock on an open file and lets it go when the process ends, however it ends: a killed
run leaves nothing to clear away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.run.places import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt


def _take(file) -> None:
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        file.seek(2**20)  # a byte past the end, so that others can still read who holds it
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock at ``path`` while the block runs.

    Raises
    ------
    UserError
        When another process holds it; the message names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            _take(file)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UserError(
                f"{path}: process {holder} is running this profile; wait until it ends, or stop it"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
