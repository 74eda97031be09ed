"""Keep what runs on real data gave as aggregates in ``data/measured``: ``python -m helpers.run.measured``.

Each file is one artefact of a run, or with ``--trends`` what the tests of chapter 11 find on yearly maps, under a head
of comment lines: the date, the commit, the commands and the digest of the table. It is only written when nothing in the
tree is changed and no chapter is stale, so that the commit names what ran, and never from a run on a made planet.

With ``--lags`` it keeps how often each protocol of chapter 9 finds a lag in made worlds. No number of a made world may
stand beside real ones, so that file goes to ``data/made``. Pages read these files by `helpers.reported.aggregates`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import xarray as xr
from tqdm import tqdm

from helpers.demo import lag_power
from helpers.reported import DIGEST, digest
from helpers.run import __main__ as runner
from helpers.run.chapters import Book, UserError
from helpers.space import regions
from helpers.stats import significance
from helpers.workspace import DATA, ROOT, Workspace, artefacts, command, writing

FOLDER = DATA / "measured"
MADE = DATA / "made"
"""For what made worlds gave."""

AGGREGATES = (
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

SINGLE = {"site", "year", "lat", "lon", "latitude", "longitude", "cell", "sample"}
"""Columns that no kept table may have: they would say of which site or year a row is."""

GPP_TRENDS = "mte_gpp_trends.csv"
LAG_POWER = "lag_power.csv"
LAG_SETTINGS = {"strength": 0.15, "towers": 60, "iterations": 200, "folds": 5}
"""Of those worlds, and of the networks trained in them; see `helpers.demo.lag_power.over_worlds`."""


def write(ws: Workspace, head: Mapping[str, str], chapters: Collection[str], folder: Path = FOLDER) -> list[Path]:
    """Copy the aggregates that these ``chapters`` (stems) of a run made, each under ``head``; return the files.

    Raises
    ------
    MissingArtefact
        The run has not made one of `AGGREGATES` yet. Nothing is written then.
    UserError
        A table has a row for each site or year, or none of `AGGREGATES` is made by these chapters.
    """
    known = artefacts()
    tables = {name: ws.read(name) for name in AGGREGATES if name in known and known[name].made_by in chapters}
    if not tables:
        makes = ", ".join(AGGREGATES)
        raise UserError(f"profile {ws.profile}: expected a chapter that makes one of {makes}, found none")
    for name, table in tables.items():
        if single := sorted(SINGLE & set(table.columns)):
            raise UserError(f"{name}: expected aggregates only, found the column {single[0]}; keep another table")
    return [write_table(folder / f"{ws.profile}_{name}.csv", head, table) for name, table in tables.items()]


def write_table(path: Path, head: Mapping[str, str], table: pd.DataFrame, digits: int = 6) -> Path:
    """Write one table, its numbers in so many digits, under its head and its digest."""
    with writing(path) as new:
        body = table.to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n")
        lines = "".join(f"# {key}: {value}\n" for key, value in {**head, DIGEST: digest(body)}.items())
        new.write_text(lines + body, encoding="utf-8")
    return path


def gpp_trends(path: Path, alpha: float = 0.1) -> pd.DataFrame:
    """Sum up the trends of yearly maps of GPP by every test, over all cells that have a value in all years.

    The file is a NetCDF with ``GPP`` (year, lat, lon) in any unit, missing as NaN, on a regular grid of degrees; the
    result is that of `significance.summary_of_field` for the globe, at level ``alpha``: no row is of a cell or a year.
    """
    with xr.open_dataset(path, engine="netcdf4") as file:
        if "GPP" not in file or set(file["GPP"].dims) != {"year", "lat", "lon"}:
            raise UserError(f"{path}: expected GPP (year, lat, lon), found {', '.join(map(str, file))}; name another")
        gpp = file["GPP"].transpose("year", "lat", "lon").load()
    area = xr.DataArray(regions.cell_area(gpp.lat, gpp.lon), {"lat": gpp.lat, "lon": gpp.lon}, ("lat", "lon"))
    return significance.summary_of_field(gpp, area, alpha)


def power_of_lags(count: int) -> pd.DataFrame:
    """Count in how many made worlds, from seed 1 on, each protocol finds each year's water."""
    every = lag_power.over_worlds(range(1, count + 1), **LAG_SETTINGS)
    return lag_power.rates(pd.concat(tqdm(every, total=count, unit="world"))).assign(**LAG_SETTINGS)


def head(commands: str, root: Path = ROOT) -> dict[str, str]:
    """Return what stands above a table: ``date``, ``commit`` of the working tree, ``commands``.

    Raises UserError where the tree differs from its commit, ``data/measured`` and ``data/made`` apart.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"{root}: expected a checkout of git, found none; run this in a clone")
        return done.stdout

    apart = [f":(exclude){folder.relative_to(ROOT).as_posix()}" for folder in (FOLDER, MADE)]
    if changed := git("status", "--porcelain", "--", "src", "notebooks", "data", "requirements.txt", *apart):
        first = changed.splitlines()[0][3:]
        raise UserError(f"{root}: expected no change since the last commit, found one in {first}; commit and run again")
    return {"date": f"{datetime.now(UTC).date()}", "commit": git("rev-parse", "HEAD").strip(), "commands": commands}


def check_real(todo: runner.Plan) -> None:
    """Raise where a profile's numbers are, or may be, those of a made planet.

    A run is on real data when a chapter that makes something reads a file or folder that the profile names, and the
    workspace holds neither the files of a Demo Earth nor its truth: chapter 1 leaves both wherever it makes one.
    """
    ws = Workspace(todo.profile.name, todo.book.outputs)
    makers = [chapter.stem for chapter in todo.only if chapter.writes]
    given = {f"{stem}.{name}": path for stem in makers for name, path in todo.settings[stem].outside.items()}
    made = [f"{name} at {path}" for name, path in given.items() if path.is_relative_to(todo.book.outputs)]
    made += [f"the Demo Earth's {ws.path(name).name} in its workspace" for name in ("native", "truth") if ws.has(name)]
    made += [] if given else ["no chapter that reads a file or folder which the profile names"]
    if made:
        raise UserError(f"profile {ws.profile}: expected a run on real data, found {made[0]}; name another")


def check_fresh(todo: runner.Plan) -> None:
    """Raise UserError where a chapter that makes something is stale.

    One that only reads, such as the page on what is kept here, grows stale by being read from, and needn't wait.
    """
    name = todo.profile.name
    for chapter, why in runner.examine(todo):
        if why and chapter.writes:
            raise UserError(f"{chapter.stem}: stale ({why}); run python -m helpers.run --profile {name} first")


@command("helpers.run.measured")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.run.measured",
        description="Keep aggregates: of runs on real data in data/measured, of made worlds in data/made.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--profile", help="a file of notebooks/profiles, without .yml, such as sites")
    what.add_argument("--trends", type=Path, help="a NetCDF of yearly maps of GPP: keep what the tests of trends find")
    what.add_argument("--lags", type=int, help="a number of made worlds: keep how often each protocol finds a lag")
    chosen = parser.parse_args(arguments)
    if chosen.lags is not None and chosen.lags < 1:
        raise UserError(f"--lags: expected 1 or more, found {chosen.lags}; correct it")

    def work() -> list[Path]:
        me = "python -m helpers.run.measured"
        if chosen.trends:
            above = head(f"{me} --trends RECO_REAL_DATA/{chosen.trends.name}")
            return [write_table(FOLDER / GPP_TRENDS, above, gpp_trends(chosen.trends))]
        if chosen.lags is not None:
            above = head(f"{me} --lags {chosen.lags}")
            return [write_table(MADE / LAG_POWER, above, power_of_lags(chosen.lags))]
        todo = runner.plan(Book.here(), runner.parser().parse_args(["--profile", chosen.profile, "--no-pages"]))
        check_real(todo)
        above = head(f"python -m helpers.run --profile {chosen.profile} --no-pages && {me} --profile {chosen.profile}")
        check_fresh(todo)
        return write(Workspace(chosen.profile), above, {chapter.stem for chapter in todo.only})

    for path in work():
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
