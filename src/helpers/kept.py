"""What is kept of runs, on real data in ``data/measured``, of made worlds in ``data/made``: tables, each under a head.

The head says when the run was, at which commit, and which commands remake the file. `helpers.measured` writes these
files; pages read them here, and so don't depend on how they were made.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

HEAD = ("date", "commit", "commands")
"""What each file says of itself, a line each, before its table."""


def read(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    """Return the head and the table of a kept file.

    Parameters
    ----------
    path : Path
        A CSV that begins with the lines of `HEAD`, each ``# name: text``.

    Returns
    -------
    head : dict of str to str
        By the names of `HEAD`.
    table : DataFrame
        What `helpers.measured` kept: aggregates, no row of a site or a year.

    Raises
    ------
    FileNotFoundError
        Nothing was kept there.
    ValueError
        There is no such head.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected kept numbers, found no file; make it by python -m helpers.measured")
    lines = path.read_text(encoding="utf-8").splitlines()
    head = dict(line[2:].split(": ", 1) for line in lines[: len(HEAD)] if line.startswith("# ") and ": " in line)
    if tuple(head) != HEAD:
        raise ValueError(
            f"{path}: expected {len(HEAD)} lines '# name: text' with {', '.join(HEAD)}, found "
            f"{', '.join(head) or 'none'}; make the file anew by python -m helpers.measured"
        )
    return head, pd.read_csv(path, skiprows=len(HEAD))
