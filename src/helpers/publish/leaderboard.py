"""Who predicts unseen towers best, and who can't be told apart: ``python -m helpers.publish.leaderboard LABELS DIR``.

In a course each hands in a CSV of predictions (site, year, reco) for towers whose labels the teacher holds. All are
scored on the same site-years, with intervals by the same draws of sites. Whether two differ is asked of each pair, by
the signed ranks of the sites' differences in squared error (Wilcoxon 1945): if both are equally good, each difference
is as likely to have the other sign. That holds with few sites, where the percentiles of a bootstrap tell twelve of a
hundred equal pairs apart, and with one site of a huge error, behind which Student's t sees nothing. Holm's rule goes
over all pairs, and not over those with the first alone, since it is the scores that chose the first.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from scipy import stats

from helpers import figures, provenance, workspace
from helpers.cnn import guests
from helpers.run.chapters import Book, UserError
from helpers.stats import skill
from helpers.stats.lags import adjusted

METRICS = ("r2", "rmse", "bias")
CARBON = "kg m-2 yr-1"
COLUMNS = {
    "rank": ("place; equal scores share one", None),
    "name": ("of the file", None),
    "wrong": ("why not scored", None),
}
COLUMNS |= {"r2": ("1 - SSE/SST", "1"), "rmse": ("root mean square error", CARBON)}
COLUMNS |= {"bias": ("predicted less observed", CARBON), "behind": ("R2 of the first less its own", "1")}
COLUMNS |= {"p": ("of no difference to the first", "1"), "p_holm": ("adjusted by Holm among all pairs", "1")}
COLUMNS |= {"apart": ("whether p_holm is below the level", None), "wrong": ("why not scored", None)}
"""What the table's columns hold, and their units, for what stands beside it."""
LEAST = 6
"""Sites that labels must have: of fewer no signs at all are as rare as one in twenty."""


def labels_of(path: str | Path) -> pd.DataFrame:
    """Read the teacher's labels: ``site``, ``year``, ``reco`` (kg C m-2 yr-1).

    Raises
    ------
    UserError
        A site-year is there twice or without a number, or there are fewer than `LEAST` sites.
    """
    labels = guests.predictions(path)
    unique = labels.drop_duplicates(["site", "year"])
    labels = guests.matched(labels, unique["site"], unique["year"], path)
    if (sites := labels["site"].nunique()) < LEAST:
        raise UserError(f"{path}: expected labels of {LEAST} sites or more, found {sites}; hold more of them back")
    return labels


def handed_in(folder: str | Path, labels: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the predictions of each file (sample,) in the order of the labels, and of the others what is wrong.

    Raises
    ------
    UserError
        There is no CSV file in the folder, or two that differ in their suffix alone.
    """
    paths = sorted(path for path in Path(folder).glob("[!.]*") if path.name.lower().endswith((".csv", ".csv.gz")))
    names = [workspace.one_line(path.name[: path.name.lower().rindex(".csv")]) for path in paths]
    if not paths or len({*names}) < len(names):
        found = "two of one name" if paths else "none"
        raise UserError(f"{folder}: expected CSV files, one a hand-in, found {found}; name the folder that holds them")
    told, faults = {}, {}
    for name, path in zip(names, paths, strict=True):
        try:
            said = guests.predictions(path)
            told[name] = guests.matched(said, labels["site"], labels["year"], path.name)["reco"].to_numpy()
        except (UserError, OSError) as error:
            faults[name] = workspace.told(error).replace(str(path), path.name).removeprefix(f"{path.name}: ")
    return told, faults


def board(labels: pd.DataFrame, told: dict[str, np.ndarray], repeats: int, level: float, seed: int) -> pd.DataFrame:
    """Score hand-ins, the best first.

    Parameters
    ----------
    labels : DataFrame
        ``site`` and ``reco``.
    told : dict of str to ndarray (sample,)
        Finite, kg C m-2 yr-1.
    repeats : int
        Draws of sites.
    level : float
        At which two are told apart: the chance that any two are, if all are equally good.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        A row a hand-in: ``rank`` (equal scores share one), ``name``; ``r2``, ``rmse`` and ``bias``, each with ``_low``
        and ``_high``, intervals of 95 %; ``behind`` (R² of the first less its own), ``behind_low``, ``behind_high``;
        ``p`` of no difference to the first, ``p_holm``, adjusted among all pairs, and ``apart``, whether it is below
        the level.
    """
    draws = skill.SiteBootstrap(labels["site"], repeats, np.random.default_rng(seed))
    observed, found = labels["reco"].to_numpy(), {}
    for name, said in told.items():
        found[name] = {metric: draws.interval(metric, observed, said) for metric in METRICS}
    order = sorted(told, key=lambda name: (found[name]["rmse"].value, name))
    pairs = pairwise(labels, {name: told[name] for name in order}) if len(order) > 1 else None
    first, rows = order[0], []
    for name in order:
        own, best = found[name], found[first]["r2"]
        row = {"rank": 1 + sum(found[other]["rmse"].value < own["rmse"].value for other in order), "name": name}
        for metric, score in own.items():
            row |= {metric: score.value, f"{metric}_low": score.low, f"{metric}_high": score.high}
        behind = skill.Interval.of(best.value - own["r2"].value, best.draws - own["r2"].draws)
        row |= {"behind": behind.value, "behind_low": behind.low, "behind_high": behind.high}
        row["p"], row["p_holm"] = (np.nan, np.nan) if name == first else pairs.loc[(first, name)]
        rows.append(row | {"apart": bool(row["p_holm"] < level)})
    return pd.DataFrame(rows)


def pairwise(labels: pd.DataFrame, told: dict[str, np.ndarray]) -> pd.DataFrame:
    """Ask of each pair of hand-ins whether one has the smaller squared errors, site by site.

    Parameters
    ----------
    labels, told
        As of `board`.

    Returns
    -------
    DataFrame
        A row a pair, in the order of ``told``: index (one, other); ``p``, two-sided, and ``p_holm``.
    """
    sums = [skill.sums(labels["reco"], said, labels["site"]) for said in told.values()]
    errors = [skill.squared_error(each) for each in sums]
    pairs = pd.MultiIndex.from_tuples(combinations(told, 2), names=["one", "other"])
    p = [_p(a, b) for a, b in combinations(errors, 2)]
    return pd.DataFrame({"p": p, "p_holm": adjusted(p)}, pairs)


def _p(first: np.ndarray, second: np.ndarray) -> float:
    """Return the two-sided p of no difference, from sums of squared errors by site; sites without one don't count."""
    apart = first - second
    apart = apart[np.abs(apart) > 1e-12 * max(first.sum(), second.sum())]
    return float(stats.wilcoxon(apart).pvalue) if apart.size else 1.0  # else they say the same


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the board as people read it."""
    out = pd.DataFrame({"hand-in": table["name"], "rank": table["rank"]})
    heads = {"r2": "R² (95 %)", "rmse": "RMSE (kg C m⁻² yr⁻¹)", "bias": "bias (kg C m⁻² yr⁻¹)"}
    for name, head in (heads | {"behind": "R² behind the first"}).items():
        ends = zip(*(table[f"{name}{end}"] for end in ("", "_low", "_high")), strict=True)
        out[head] = [f"{v:.3f} ({low:.3f} to {high:.3f})".replace("-", "−") for v, low, high in ends]
    out["p, Holm"] = table["p_holm"]
    out["told apart from the first"] = ["–", *np.where(table["apart"], "yes", "no")[1:]]
    return out.set_index("hand-in")


@workspace.command("helpers.publish.leaderboard")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.leaderboard", description=__doc__.splitlines()[0])
    line.add_argument("labels", metavar="LABELS", help="CSV with site, year, reco (kg C m-2 yr-1)")
    line.add_argument("folder", metavar="DIR", help="folder of CSV files with the same columns, one a hand-in")
    line.add_argument(
        "--to", type=workspace.typed_path, help="folder of the page and its table (default: _build/leaderboard)"
    )
    line.add_argument("--draws", type=int, default=5000, help="draws of sites behind an interval (default: 5000)")
    line.add_argument("--level", type=float, default=0.05, help="level of the tests (default: 0.05)")
    line.add_argument("--seed", type=int, default=2021, help="seeds the draws (default: 2021)")
    options = line.parse_args(arguments)
    if not options.labels or not options.folder:
        raise UserError("expected a file of labels and a folder of hand-ins, found none; give LABELS=… and DIR=…")
    if not 100 <= options.draws <= 10**6 or not 0 < options.level < 1 or options.seed < 0:
        raise UserError("expected --draws of 100 to 1000000, --level between 0 and 1, --seed of 0 or more; correct it")
    labels = labels_of(options.labels)
    told, faults = handed_in(options.folder, labels)
    if not told:
        name, fault = next(iter(faults.items()))
        raise UserError(f"{options.folder}: expected hand-ins that can be scored, found none; {name}: {fault}")
    table = board(labels, told, options.draws, options.level, options.seed)
    wrong = pd.DataFrame({"name": list(faults), "wrong": list(faults.values())})
    home = options.to or Book.here().build / "leaderboard"
    with workspace.writing(home / "leaderboard.csv") as aside:
        every = pd.concat([table, wrong]).astype({"rank": "Int64"})
        every["name"] = every["name"].str.replace(r"^(?=[=+\-@])", "'", regex=True)  # no formula in a spreadsheet
        every.to_csv(aside, index=False)
    world = f"hand-ins of {Path(options.folder).resolve().name}, scored by {Path(options.labels).name}"
    label = provenance.Label("", world, "", "", options.seed, None, *provenance.commit(workspace.ROOT))
    provenance.put(label, "Leaderboard: predictions of RECO", home / "leaderboard.csv", "leaderboard.csv", COLUMNS)
    places = jinja2.PackageLoader("helpers.publish", ".")
    html = jinja2.Environment(loader=places, autoescape=True).get_template("leaderboard.html")
    tables = {"board": shown(table), "wrong": wrong.rename(columns={"name": "hand-in", "wrong": "what is wrong"})}
    about = {"level": options.level, "draws": options.draws, "samples": len(labels), "label": label.attributes()}
    about |= {name: figures.table(each)._repr_html_() for name, each in tables.items()}
    with workspace.writing(home / "index.html") as aside:
        page = html.render(about, sites=labels["site"].nunique(), lacking=len(wrong))
        aside.write_text(page, encoding="utf-8")
    print(figures.table(shown(table)))
    for name, fault in faults.items():
        print(f"not scored: {name}: {fault}")
    print(f"the leaderboard is at {home / 'index.html'}, its numbers in leaderboard.csv beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
