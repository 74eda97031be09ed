"""What runs on real data gave, kept as aggregates in ``data/measured``: ``python -m helpers.measured --profile sites``.

Each file is one artefact of a run under a head of three comment lines: the date, the commit and the commands. It is
only written when nothing in the tree is changed and no chapter is stale, so that the commit names what ran.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from helpers.run import __main__ as runner
from helpers.run.places import Book, UserError
from helpers.workspace import ROOT, Workspace, writing

FOLDER = ROOT / "data" / "measured"

KEPT = ("table1", "validation_scores")
"""Artefacts kept, of chapters 3 and 4. They are aggregates: no row is of a site or a year."""

COMMANDS = "python -m helpers.run --profile {0} --no-pages && python -m helpers.measured --profile {0}"


def read(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    """Return the head (date, commit, commands) and the table of a file that `write` made."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    return head, pd.read_csv(path, comment="#")


def write(ws: Workspace, head: Mapping[str, str], folder: Path = FOLDER) -> list[Path]:
    """Copy a run's aggregates, each under ``head``; return the files.

    Parameters
    ----------
    ws : Workspace
        Of the profile that ran; its name begins the files' names.
    head : mapping of str to str
        What stands above each table.
    folder : Path
        Where to write.

    Raises
    ------
    MissingArtefact
        The run has not made one of `KEPT` yet.
    """
    tables = {f"{ws.profile}_{name}.csv": ws.read(name) for name in KEPT}
    for name, table in tables.items():
        with writing(folder / name) as new:
            lines = "".join(f"# {key}: {value}\n" for key, value in head.items())
            new.write_text(lines + table.to_csv(index=False, float_format="%.6g"), encoding="utf-8")
    return [folder / name for name in tables]


def commit(root: Path = ROOT) -> str:
    """Return the commit that the working tree is at.

    Raises
    ------
    UserError
        The tree differs from it (``data/measured`` apart), or is no checkout of git.
    """
    git = ["git", "-C", str(root)]
    where = ["--", "src", "notebooks", "data", "requirements.txt", ":(exclude)data/measured"]
    changed = subprocess.run([*git, "status", "--porcelain", *where], capture_output=True, text=True)
    if changed.returncode:
        raise UserError(f"{root}: expected a checkout of git, found none; run this in a clone")
    if changed.stdout:
        first = changed.stdout.splitlines()[0][3:]
        raise UserError(f"{root}: expected no change since the last commit, found one in {first}; commit and run again")
    done = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _fresh(profile: str) -> None:
    """Raise UserError where a chapter of the profile is stale."""
    todo = runner.plan(Book.here(), runner.parser().parse_args(["--profile", profile, "--no-pages"]))
    for chapter, why, _ in runner.examine(todo):
        if why:
            raise UserError(f"{chapter.stem}: stale ({why}); run python -m helpers.run --profile {profile} first")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    told = argparse.ArgumentParser(
        prog="python -m helpers.measured", description="Keep a run's aggregates in data/measured."
    )
    told.add_argument("--profile", required=True, help="a file of notebooks/profiles, without .yml, such as sites")
    profile = told.parse_args(arguments).profile
    try:
        head = {"date": f"{datetime.now(UTC).date()}", "commit": commit(), "commands": COMMANDS.format(profile)}
        _fresh(profile)
        for path in write(Workspace(profile), head):
            print(path.relative_to(ROOT))
    except (UserError, OSError) as error:
        print(f"helpers.measured: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
