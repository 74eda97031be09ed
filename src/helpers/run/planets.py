"""Put the intervals of chapter 11 to the test on made planets of other seeds: ``python -m helpers.run.planets``.

Each planet runs as a book of its own (profile ``planets``, a core each) in ``outputs/planets``: as many at a time as
there are cores, or as a cluster has. What it scored against its truth is kept there, so that a run that was cut short
goes on where it stopped; a planet's files are deleted when it has been scored. The sizes of the method were chosen on
seeds 101 to 106, and no planet here has one of those. The table goes to ``data/made``, under a head that names date,
commit and command.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import tasks
from helpers.run import chapters, cluster, measured
from helpers.run.chapters import Book, UserError
from helpers.run.staleness import of_value
from helpers.space import regions
from helpers.stats import trends
from helpers.workspace import ROOT, RUNNER, Workspace, command, locked, writing

PROFILE = "planets"

KINDS = {
    "hard": [],
    "easy": ["demo_difficulty=easy"],
    "no lag": ["demo_lag_weights=[0, 0, 0]"],
}
"""What is set for each kind of planet."""

FIRST = 501
"""Seed of the first planet."""

TABLE = "trends_coverage.csv"

CONFIDENCE = 0.9

ORPHAN = 900.0
"""Seconds that a planet may still be at work whose worker is gone: a chapter's."""


def bootstrap(ws: Workspace, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Return intervals of Tables 2 and 3 by drawing the years of the published maps with replacement, by area.

    It is what one does without a thought of a map's error: the same years in all cells, a new line through each. The
    workspace is of a finished run of chapters 1 and 5; the result has ``low``, ``high`` (%) by quantity and where.
    """
    reco, npp, static = ws.read("reco").reco.load(), ws.read("predictors").npp.load(), ws.read("static").load()
    counted = trends.analysis_mask(reco, npp).to_numpy()
    y = {v: field.to_numpy()[:, counted].astype("float64") for v, field in {"reco": reco, "npp": npp}.items()}
    area = static.area.to_numpy()[counted]
    band = static.band.to_numpy()[counted]
    where = {"Global": np.ones(band.size, bool)} | {name: band == k for k, name in enumerate(regions.BAND_NAMES)}
    weight = np.stack([inside * area for inside in where.values()])
    years, rng, found = reco.year.to_numpy().astype("float64"), np.random.default_rng(seed), []
    for _ in range(draws):
        at = rng.integers(years.size, size=years.size)
        dx = years[at] - years[at].mean()
        up, grows = (dx @ y[v][at] > 0 for v in ("reco", "npp"))
        holds = {"RECO rises": up, "NPP rises": grows, "NPP+RECO+": grows & up, "NPP+RECO-": grows & ~up}
        holds |= {"NPP-RECO+": ~grows & up, "NPP-RECO-": ~grows & ~up}
        with np.errstate(invalid="ignore"):  # a region without land has no share
            found.append(np.stack(list(holds.values())) @ weight.T / weight.sum(axis=1))
    ends = 100 * np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    index = pd.MultiIndex.from_product([[f"{what} (%)" for what in holds], where], names=["quantity", "where"])
    return pd.DataFrame({"low": ends[0].ravel(), "high": ends[1].ravel()}, index)


def interval_score(low: pd.Series, high: pd.Series, truth: pd.Series, confidence: float = CONFIDENCE) -> pd.Series:
    r"""Return :math:`(u - l) + \frac{2}{\alpha}(l - x)_+ + \frac{2}{\alpha}(x - u)_+`; the smaller, the better.

    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 43.

    >>> round(interval_score(pd.Series([0.0]), pd.Series([2.0]), pd.Series([3.0])).item(), 6)
    22.0
    """
    return high - low + 2 / (1 - confidence) * ((low - truth).clip(lower=0) + (truth - high).clip(lower=0))


def one(kind: str, seed: int, outputs: Path, code: str) -> pd.DataFrame:
    """Make one planet, if need be, and return its scored rows; rows kept by another state of the ``code`` don't count.

    Raises
    ------
    UserError
        A chapter failed; the message is the runner's.
    """
    name = f"{kind.replace(' ', '_')}-{seed}"
    kept, home = outputs / f"{name}.csv", outputs / name
    try:
        done = kept.exists() and pd.read_csv(kept).code.iloc[0] == code
    except (ValueError, AttributeError, IndexError):  # no table, or another one
        done = False
    if not done:
        settings = [f"seed={seed}", *KINDS[kind]]
        command = [sys.executable, "-m", "helpers.run", "--profile", PROFILE, "--no-pages", "--set", *settings]
        alone = os.environ | {"RECO_OUTPUTS": str(home), "OMP_NUM_THREADS": "1", tasks.SCHEDULER: ""}
        # a run whose worker was killed ends when it would next put something in place; who does it again waits for that
        alone[RUNNER], state = str(os.getpid()), home / PROFILE / ".state"
        if state.exists():
            with locked(state / "lock", ORPHAN):
                pass
        done = subprocess.run(command, capture_output=True, text=True, env=alone)
        if done.returncode:
            raise UserError(f"{name}: {['stopped without a word', *(done.stdout + done.stderr).splitlines()][-1]}")
        ws = Workspace(PROFILE, home)
        table = ws.read("trends_scored").set_index(["quantity", "where"])
        table = table.join(bootstrap(ws).add_suffix("_bootstrap")).reset_index()
        with writing(kept) as new:
            table.assign(kind=kind, seed=seed, code=code).to_csv(new, index=False)
        shutil.rmtree(home)
    return pd.read_csv(kept)


def summary(scored: pd.DataFrame) -> pd.DataFrame:
    """Sum up scored rows by quantity, over all planets and by kind of planet.

    Returns
    -------
    DataFrame
        ``planets`` ("all" or a kind), ``quantity``; ``rows``; ``held`` (of 100); mean absolute errors ``error`` and
        ``error_protocol``; ``width`` and ``score`` of the interval; ``score_bootstrap``. Units are the quantity's.
    """
    s = scored[scored.honest.notna()].copy()
    s["held"] = 100.0 * s.truth.between(s.low, s.high)
    s["error"], s["error_protocol"] = (s.honest - s.truth).abs(), (s.protocol - s.truth_cells).abs()
    s["width"], s["score"] = s.high - s.low, interval_score(s.low, s.high, s.truth)
    s["score_bootstrap"] = interval_score(s.low_bootstrap, s.high_bootstrap, s.truth)
    s = pd.concat([s.assign(planets="all"), s.assign(planets=s.kind)])
    means = ["held", "error", "error_protocol", "width", "score", "score_bootstrap"]
    by = s.groupby(["planets", "quantity"], sort=False)
    return by[means].mean().assign(rows=by.size()).reset_index()[["planets", "quantity", "rows", *means]]


@command("helpers.run.planets")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m helpers.run.planets", description=__doc__.split("\n")[0])
    parser.add_argument("--planets", type=int, default=20, help="how many in all, the kinds by turns (default 20)")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar=f"{cluster.NAME}=WHERE",
        help="where they are made: a scheduler of dask, or a file of a queue (default: the cores of this machine)",
    )  # fmt: skip
    parser.add_argument("--dry", action="store_true", help="print the table and leave data/made as it is")
    chosen = parser.parse_args(arguments)
    if not 1 <= chosen.planets <= 10_000:
        raise UserError(f"--planets: expected 1 to 10000, found {chosen.planets}; correct it")
    kinds = [list(KINDS)[k % len(KINDS)] for k in range(chosen.planets)]
    book = Book.here()
    outputs = book.folder("planets")  # a planet's own run always has a folder
    outputs.mkdir(parents=True, exist_ok=True)

    where, others = chapters.scheduler(chapters.load(book, PROFILE), chosen.overrides)
    for text in others:
        raise UserError(f"--set {text}: expected {cluster.NAME}=WHERE, found another name; a planet's are in KINDS")
    head = {} if chosen.dry else measured.head(f"python -m helpers.run.planets --planets {chosen.planets}")
    sources = [path for kind in ("src/**/*.py", "notebooks/*.ipynb", "notebooks/**/*.yml") for path in ROOT.glob(kind)]
    code = head.get("commit") or of_value([path.read_text(encoding="utf-8") for path in sorted(sources)])
    jobs = [(kind, FIRST + k) for k, kind in enumerate(kinds)]
    with cluster.at_work(where, outputs):
        scored = list(tasks.each(lambda job: one(*job, outputs, code), jobs, progress="planets"))
    table = summary(pd.concat(scored))
    print(table[table.planets == "all"].round(2).to_string(index=False))
    if not chosen.dry:
        print(measured.write_table(measured.MADE / TABLE, head, table, digits=4).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
