"""What runs on real data gave, kept as aggregates in ``data/measured``: ``python -m helpers.measured --profile sites``.

Each file is one artefact of a run, or with ``--trends`` what the tests of chapter 11 find on yearly maps, under a head
of three comment lines: the date, the commit and the commands. It is only written when nothing in the tree is changed
and no chapter is stale, so that the commit names what ran, and never from a run on a made planet.

With ``--lags`` it keeps how often each protocol of chapter 9 finds a lag in made worlds. No number of a made world may
stand beside real ones, so that file goes to ``data/made``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import xarray as xr
from tqdm import tqdm

from helpers.demo import worlds as made_worlds
from helpers.kept import read as read
from helpers.run import __main__ as runner
from helpers.run.places import Book, UserError
from helpers.space import regions
from helpers.stats import trends
from helpers.workspace import ARTEFACTS, ROOT, Workspace, writing

FOLDER = ROOT / "data" / "measured"

MADE = ROOT / "data" / "made"
"""For what made worlds gave."""

KEPT = (
    "table1",
    "validation_scores",
    "ladder",
    "ladder_differences",
    "error_parts",
    "label_noise",
    "scales",
    "lag",
    "lag_curve",
    "real_land",
    "tower_years",
)
"""Artefacts kept, of chapters 3, 4, 8, 9 and 12, as far as the profile runs a chapter that makes them. They are
aggregates: no row is of a site or a year."""

OF_ONE = {"site", "year", "lat", "lon", "latitude", "longitude", "cell", "sample"}
"""Columns that no kept table may have: they would say of which site or year a row is."""

COMMANDS = "python -m helpers.run --profile {0} --no-pages && python -m helpers.measured --profile {0}"

GPP_TRENDS = "mte_gpp_trends.csv"
"""What the tests of a trend find on 27 years of gridded GPP."""

GPP_COMMANDS = "python -m helpers.measured --trends RECO_REAL_DATA/{0}"

LAG_POWER = "lag_power.csv"
"""How often each protocol finds a lag in made worlds."""

LAG_COMMANDS = "python -m helpers.measured --lags {0}"

LAG_SETTINGS = {"strength": 0.15, "towers": 60, "iterations": 200, "folds": 5}
"""Of those worlds, and of the networks trained in them; see `helpers.demo.worlds.over_worlds`."""


def write(ws: Workspace, head: Mapping[str, str], chapters: Collection[str], folder: Path = FOLDER) -> list[Path]:
    """Copy a run's aggregates, each under ``head``; return the files.

    Parameters
    ----------
    ws : Workspace
        Of the profile that ran; its name begins the files' names.
    head : mapping of str to str
        What stands above each table.
    chapters : collection of str
        Stems of the chapters that the profile runs; only what they make is kept.
    folder : Path
        Where to write.

    Raises
    ------
    MissingArtefact
        The run has not made one of `KEPT` yet. Nothing is written then.
    UserError
        A table has a row for each site or year, or none of `KEPT` is made by these chapters.
    """
    tables = {name: ws.read(name) for name in KEPT if name in ARTEFACTS and ARTEFACTS[name].made_by in chapters}
    if not tables:
        raise UserError(f"profile {ws.profile}: expected a chapter that makes one of {', '.join(KEPT)}, found none")
    for name, table in tables.items():
        if single := sorted(OF_ONE & set(table.columns)):
            raise UserError(f"{name}: expected aggregates only, found the column {single[0]}; keep another table")
    return [put(folder / f"{ws.profile}_{name}.csv", head, table) for name, table in tables.items()]


def put(path: Path, head: Mapping[str, str], table: pd.DataFrame, digits: int = 6) -> Path:
    """Write one table, its numbers in so many digits, under its head."""
    with writing(path) as new:
        lines = "".join(f"# {key}: {value}\n" for key, value in head.items())
        new.write_text(lines + table.to_csv(index=False, float_format=f"%.{digits}g"), encoding="utf-8")
    return path


def today() -> dict[str, str]:
    """Return how a head begins, ``date`` and ``commit``; see `commit` for what it refuses."""
    return {"date": f"{datetime.now(UTC).date()}", "commit": commit()}


def gpp_trends(path: Path, alpha: float = 0.1) -> pd.DataFrame:
    """Sum up the trends of yearly maps of GPP by every test, over all cells that have a value in all years.

    Parameters
    ----------
    path : Path
        NetCDF with ``GPP`` (year, lat, lon) in any unit, missing as NaN, on a regular grid of degrees.
    alpha : float
        Level of the tests, and of the field.

    Returns
    -------
    DataFrame
        As `trends.summary_of_field` gives it, for the globe: no row is of a cell or a year.

    Raises
    ------
    UserError
        The file has no such variable.
    OSError
        The file can't be read.
    """
    with xr.open_dataset(path, engine="netcdf4") as file:
        if "GPP" not in file or set(file["GPP"].dims) != {"year", "lat", "lon"}:
            raise UserError(f"{path}: expected GPP (year, lat, lon), found {', '.join(map(str, file))}; name another")
        gpp = file["GPP"].transpose("year", "lat", "lon").load()
    area = xr.DataArray(regions.cell_area(gpp.lat, gpp.lon), {"lat": gpp.lat, "lon": gpp.lon}, ("lat", "lon"))
    return trends.summary_of_field(gpp, area, alpha)


def lag_power(worlds: int) -> pd.DataFrame:
    """Count in how many made worlds each protocol finds the water of each year, see `helpers.demo.worlds.rates`.

    Parameters
    ----------
    worlds : int
        How many, from seed 1 on; half a minute of one core each.
    """
    every = made_worlds.over_worlds(range(1, worlds + 1), **LAG_SETTINGS)
    return made_worlds.rates(pd.concat(tqdm(every, total=worlds, unit="world"))).assign(**LAG_SETTINGS)


def commit(root: Path = ROOT) -> str:
    """Return the commit that the working tree is at.

    Raises
    ------
    UserError
        The tree differs from it (``data/measured`` and ``data/made`` apart), or is no checkout of git.
    """
    git = ["git", "-C", str(root)]
    kept = [f":(exclude){folder.relative_to(ROOT).as_posix()}" for folder in (FOLDER, MADE)]
    where = ["--", "src", "notebooks", "data", "requirements.txt", *kept]
    changed = subprocess.run([*git, "status", "--porcelain", *where], capture_output=True, text=True)
    if changed.returncode:
        raise UserError(f"{root}: expected a checkout of git, found none; run this in a clone")
    if changed.stdout:
        first = changed.stdout.splitlines()[0][3:]
        raise UserError(f"{root}: expected no change since the last commit, found one in {first}; commit and run again")
    done = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def check_real(todo: runner.Plan) -> None:
    """Raise where a profile's numbers are, or may be, those of a made planet.

    A run is on real data when a chapter that makes something reads a file or folder that the profile names, and the
    workspace holds neither the files of a Demo Earth nor its truth: chapter 1 leaves both wherever it makes one.

    Raises
    ------
    UserError
        Says what was found instead.
    """
    ws = Workspace(todo.profile.name, todo.book.outputs)
    makers = [chapter.stem for chapter in todo.only if chapter.writes]
    given = {f"{stem}.{name}": path for stem in makers for name, path in todo.settings[stem].outside.items()}
    made = [f"{name} at {path}" for name, path in given.items() if path.is_relative_to(todo.book.outputs)]
    made += [f"the Demo Earth's {ws.path(name).name} in its workspace" for name in ("native", "truth") if ws.has(name)]
    made += [] if given else ["no chapter that reads a file or folder which the profile names"]
    if made:
        raise UserError(f"profile {ws.profile}: expected a run on real data, found {made[0]}; name another")


def _fresh(todo: runner.Plan) -> set[str]:
    """Return the stems of a profile's chapters; raise UserError where one that makes something is stale.

    A chapter that only reads, such as the page on what is kept here, grows stale by being read from, and needn't wait.
    """
    for chapter, why, _ in runner.examine(todo):
        if why and chapter.writes:
            command = f"python -m helpers.run --profile {todo.profile.name}"
            raise UserError(f"{chapter.stem}: stale ({why}); run {command} first")
    return {chapter.stem for chapter in todo.only}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.measured",
        description="Keep aggregates: of runs on real data in data/measured, of made worlds in data/made.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--profile", help="a file of notebooks/profiles, without .yml, such as sites")
    what.add_argument("--trends", type=Path, help="a NetCDF of yearly maps of GPP: keep what the tests of trends find")
    what.add_argument("--lags", type=int, help="a number of made worlds: keep how often each protocol finds a lag")
    chosen = parser.parse_args(arguments)
    return tell("helpers.measured", lambda: _keep(chosen))


def _keep(chosen: argparse.Namespace) -> list[Path]:
    """Write what the command line asks for."""
    if chosen.profile:
        todo = runner.plan(Book.here(), runner.parser().parse_args(["--profile", chosen.profile, "--no-pages"]))
        check_real(todo)
    head = today()
    if chosen.trends:
        head["commands"] = GPP_COMMANDS.format(chosen.trends.name)
        return [put(FOLDER / GPP_TRENDS, head, gpp_trends(chosen.trends))]
    if chosen.lags is not None:
        head["commands"] = LAG_COMMANDS.format(chosen.lags)
        return [put(MADE / LAG_POWER, head, lag_power(chosen.lags))]
    head["commands"] = COMMANDS.format(chosen.profile)
    return write(Workspace(chosen.profile), head, _fresh(todo))


def tell(command: str, work: Callable[[], list[Path]]) -> int:
    """Do the work, and print the files that it wrote; return 0, or 2 with a line on what the user can mend."""
    try:
        for path in work():
            print(path.relative_to(ROOT))
    except (UserError, OSError) as error:
        print(f"{command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
