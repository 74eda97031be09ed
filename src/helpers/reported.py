"""What the paper reports, what others found, and what our own runs gave: the numbers that are shipped with the book.

The paper's stand in ``data/reported``, with the tables that set them beside what a run computed.

Every number that the paper states is a row of a CSV with the place where it stands; every claim in words likewise.
`beside` and `verdicts` insist on completeness: a chapter that leaves out one of its numbers or claims stops with an
error, so a page cannot show only what agrees.

>>> number("cnn_r2")
0.535
>>> table("table3").query("band == 'Tropics'")["percent"].tolist()
[35.06, 27.27, 18.49, 19.17]
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

import pandas as pd

from helpers.workspace import DATA, one_line

FOLDER = DATA / "reported"

TABLES = ("table1", "table2", "table3", "inputs")
"""Table 1 (scores of CNN1–CNN6) and its row of inputs, Table 2 (rising and falling shares), Table 3 (classes)."""

HEAD = ("date", "commit", "commands")
"""What each file of aggregates says of itself, a line each, before its table."""

_RULES = ("re-drawn", "random", "years", "sites", "blocks", "kNNDM")
WORDS = {
    "table1": {"split": ("train", "test")},
    "ladder": {"split": _RULES},
    "scales": {"split": _RULES},
    "lag": {
        "protocol": (
            "re-drawn",
            "grouped",
            "grouped, stopped",
            *(f"within sites{of}" for of in ("", ", total", ", total, kg")),
        ),
        "null": ("none", "true order", "among years", "among sites", "coming year"),
        "score": ("all", "anomalies", "slope"),
    },
}
"""Words by which pages look up rows of kept tables, by the artefact and its column; another word is a mistake."""

DIGEST = "sha256"
"""What a file of aggregates calls the digest of its table."""

VERDICTS = ("holds", "does not hold", "open", "not testable here")
"""What a run may say of a claim of the paper: open is what its numbers don't settle either way."""


@lru_cache
def _read(name: str) -> pd.DataFrame:
    # Text first: "0.990" keeps the decimals that the paper printed, and an empty cell stays an empty string.
    return pd.read_csv(FOLDER / f"{name}.csv", dtype=str, keep_default_na=False)


def table(name: str) -> pd.DataFrame:
    """Return one of the paper's tables, one value a row; see `TABLES`.

    ``table1``: model, split, metric, value, n (n as the paper's last column has it). ``table2``: variable, band,
    subset ("all" or "p<0.1"), direction, percent. ``table3``: band, class, percent. ``inputs``: model, inputs.
    """
    if name not in TABLES:
        raise ValueError(f"name: expected one of {', '.join(TABLES)}, found {name!r}")
    numeric = {"value": float, "n": int, "percent": float}
    text = _read(name)
    return text.astype({column: kind for column, kind in numeric.items() if column in text})


def numbers(chapter: str | None = None) -> pd.DataFrame:
    """Return the numbers stated in the paper's text and captions that don't merely repeat a cell of a table.

    Parameters
    ----------
    chapter : str, optional
        Two digits, "03" to "07"; all chapters when left out.

    Returns
    -------
    DataFrame
        id, chapter, kind ("setting" or "result"), place, quantity, qualifier ("", "about" or "<"), value (float),
        unit, repeats, quote.
    """
    rows = _of_chapter("numbers", chapter)
    return rows[rows["repeats"] == ""].astype({"value": float}).reset_index(drop=True)


def number(id: str) -> float:
    """Return one number of the paper by its id, in the unit of its row."""
    rows = _read("numbers").query("id == @id")
    if rows.empty:
        raise ValueError(f"id: no number of the paper is called {id!r}; reported.numbers() lists them all")
    return float(rows["value"].iloc[0])


def printed(value: float, chapters: Iterable[int | str]) -> tuple[str, str]:
    """Return how the paper prints a number of these chapters' matter: "", "about" or "<", and its digits.

    It may be of either sign (a shortfall of 71 % may stand as -71); NaN gives a dash. What the paper doesn't print,
    such as the difference of two of its numbers, comes without a hedge, in as few digits as it needs.

    >>> printed(0.01, [6]), printed(-71, [5]), printed(0.99, [3]), printed(0.011, [3])
    (('<', '0.01'), ('about', '-71'), ('', '0.990'), ('', '0.011'))
    """
    if math.isnan(value):
        return "", "–"
    for chapter in chapters:
        if found := _printed().get((int(chapter), round(abs(value), 6))):
            qualifier, digits = found
            return qualifier, f"-{digits}" if value < 0 else digits
    return "", f"{value:.6g}"


@lru_cache
def _printed() -> dict[tuple[int, float], tuple[str, str]]:
    stated = [(int(row["chapter"]), row["qualifier"], row["value"]) for row in _read("numbers").to_dict("records")]
    tables = {"table1": (3, "value"), "table2": (6, "percent"), "table3": (6, "percent")}
    stated += [(chapter, "", text) for name, (chapter, column) in tables.items() for text in _read(name)[column]]
    return {(chapter, round(float(text), 6)): (hedge, text) for chapter, hedge, text in reversed(stated)}


def claims(chapter: str | None = None) -> pd.DataFrame:
    """Return the paper's claims in words: id, chapter, place, claim (in our words), quote (in the paper's)."""
    return _of_chapter("claims", chapter).reset_index(drop=True)


def answers() -> pd.DataFrame:
    """Return the paper's ten main claims and what each of them needs.

    Returns
    -------
    DataFrame
        id, claim (in our words), measure, quantity and where (a row of chapter 13's numbers; empty where it is worked
        out there), least and most (float, the range that the number must lie in; NaN where it has no end), chapters.
    """
    text = _read("answers")
    return text.assign(**{end: pd.to_numeric(text[end], errors="coerce") for end in ("least", "most")})


def literature() -> pd.DataFrame:
    """Return what others found that land takes up and gives off in a year, over the globe.

    Returns
    -------
    DataFrame
        quantity ("RECO", "GPP", "NPP", "soil respiration", "heterotrophic respiration"), value, low, high (float, Pg C
        yr-1; NaN where the source gives none), range (what low and high are), unit, years, method, reference (a key of
        ``book/references.bib``), doi.
    """
    table = pd.read_csv(DATA / "literature.csv", comment="#")
    return table.fillna(dict.fromkeys(["range", "years"], ""))


def aggregates(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    """Return the head, by the names of `HEAD`, and the table of a file of ``data/measured`` or ``data/made``.

    `helpers.run.measured` and `helpers.run.planets` write them: aggregates, no row of a site or a year.

    Raises
    ------
    FileNotFoundError, ValueError
        Nothing was kept there; it doesn't begin with lines ``# name: text`` of `HEAD`; it is no whole table, or not the
        one whose digest it names (``# sha256:``, which older files lack).
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected kept numbers, found none; make it by python -m helpers.run.measured")

    def refuse(what: str) -> NoReturn:
        raise ValueError(one_line(f"{path}: {what}; make the file anew by python -m helpers.run.measured"))

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        refuse("expected a table in UTF-8, found other letters")
    above = list(takewhile(lambda line: line.startswith("# "), text.splitlines(keepends=True)))
    head = dict(line[2:].rstrip().split(": ", 1) for line in above if ": " in line)
    noted, body = head.pop(DIGEST, None), text[sum(map(len, above)) :]
    if tuple(head) != HEAD:
        found = ", ".join(head) or "none"
        refuse(f"expected {len(HEAD)} lines '# name: text' with {', '.join(HEAD)}, found {found}")
    if noted and noted != digest(body):
        refuse(f"expected the table that was kept, whose sha256 begins with {noted:.12}, found another one")
    header, *rows = list(csv.reader(io.StringIO(body))) or [[]]
    odd = [k for k, row in enumerate(rows) if len(row) != len(header)]
    if odd or not rows or not body.endswith("\n"):
        found = (
            f"row {odd[0] + 1} with {len(rows[odd[0]])} of {len(header)} fields" if odd else "none, or one cut short"
        )
        refuse(f"expected rows as long as their header, found {found}")
    known = WORDS.get(path.stem.partition("_")[2], {})
    for name, *cells in zip(header, *rows, strict=True):
        if name in known and (odd := [k for k, cell in enumerate(cells) if cell not in known[name]]):
            refuse(f"row {odd[0] + 1}: expected one of {', '.join(known[name])} as {name}, found {cells[odd[0]]!r}")
        words = pd.to_numeric(pd.Series(cells), errors="coerce").isna() & pd.Series(cells).ne("")
        if 0 < 2 * words.sum() < len(cells):
            at = int(words.argmax())
            refuse(f"row {at + 1}: expected a number as {name}, found {cells[at]!r}")
    return head, pd.read_csv(io.StringIO(body))


def digest(table: str) -> str:
    """Return the sha256 of a table's text, as the head of a kept table names it."""
    return hashlib.sha256(table.encode()).hexdigest()


def beside(chapter: str, computed: Mapping[str, float | None]) -> pd.DataFrame:
    """Set each number that the paper states in a chapter's matter beside the one that this run computed.

    Parameters
    ----------
    chapter : str
        Two digits, "03" to "07".
    computed : mapping of id to float
        One entry for every id of ``numbers(chapter)``. ``None`` or NaN stands for *not computed in this run* and
        shows as a dash.

    Returns
    -------
    DataFrame
        place, quantity, unit, paper, this run: text, with the decimals of the paper in both columns (p-values with
        two significant figures).

    Raises
    ------
    ValueError
        An id of the chapter is missing, or one is unknown.
    """
    rows = numbers(chapter)
    _complete("computed", chapter, rows["id"], computed)
    printed = _of_chapter("numbers", chapter).set_index("id")["value"]
    return pd.DataFrame(
        {
            "place": rows["place"],
            "quantity": rows["quantity"],
            "unit": rows["unit"],
            "paper": [_paper(row.qualifier, printed[row.id]) for row in rows.itertuples()],
            "this run": [_run(computed[row.id], printed[row.id], row.qualifier) for row in rows.itertuples()],
        }
    )


def verdicts(chapter: str, found: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Set each claim of the paper in a chapter's matter beside this run's verdict.

    Parameters
    ----------
    chapter : str
        Two digits, "03" to "07".
    found : mapping of id to (verdict, what this run found)
        One entry for every id of ``claims(chapter)``; the verdict is one of `VERDICTS`, the second what decided it.

    Returns
    -------
    DataFrame
        place, the paper's claim, verdict, this run.

    Raises
    ------
    ValueError
        A claim of the chapter is missing, an id is unknown, or a verdict is none of `VERDICTS`.
    """
    rows = claims(chapter)
    _complete("found", chapter, rows["id"], found)
    for id, (verdict, _) in found.items():
        if verdict not in VERDICTS:
            raise ValueError(f"found[{id!r}]: expected one of {', '.join(VERDICTS)}, found {verdict!r}")
    return pd.DataFrame(
        {
            "place": rows["place"],
            "the paper's claim": rows["claim"],
            "verdict": [found[id][0] for id in rows["id"]],
            "this run": [found[id][1] for id in rows["id"]],
        }
    )


def _of_chapter(name: str, chapter: str | None) -> pd.DataFrame:
    rows = _read(name)
    if chapter is None:
        return rows.copy()
    known = sorted(set(rows["chapter"]))
    if chapter not in known:
        raise ValueError(f"chapter: expected one of {', '.join(known)}, found {chapter!r}")
    return rows[rows["chapter"] == chapter].copy()


def _complete(what: str, chapter: str, expected: Iterable[str], given: Mapping[str, object]) -> None:
    missing = [id for id in expected if id not in given]
    unknown = [id for id in given if id not in set(expected)]
    if missing or unknown:
        parts = [f"{label} {', '.join(ids)}" for label, ids in (("missing", missing), ("unknown", unknown)) if ids]
        raise ValueError(
            f"{what}: chapter {chapter} must answer each id of data/reported once; {'; '.join(parts)}; "
            "give None for a number, or 'not testable here' for a claim, that this run cannot answer"
        )


def _paper(qualifier: str, printed: str) -> str:
    return f"{qualifier} {_grouped(printed)}".strip()


def _run(value: float | None, printed: str, qualifier: str) -> str:
    if value is None or math.isnan(value):
        return "–"
    if qualifier == "<" and float(printed) < 1:  # a p-value: its size matters, not its decimals
        return f"{value:.2g}"
    decimals = len(printed.partition(".")[2])
    return _grouped(f"{round(value, decimals) + 0.0:.{decimals}f}")  # + 0.0 takes the sign off a zero


def _grouped(digits: str) -> str:
    """Group thousands of long whole numbers; leave years and decimals as they are."""
    return f"{int(digits):,}" if digits.lstrip("-").isdigit() and len(digits.lstrip("-")) > 4 else digits
