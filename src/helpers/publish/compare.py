"""Two runs side by side on one page: ``python -m helpers.publish.compare demo nolag``.

A run is a profile whose outputs are here, or a folder of outputs that was kept, of another commit say. The page shows
which parameters differ, which artefacts, every number of ``numbers.csv`` with both values, the verdicts that flipped,
and the figures that differ in pairs. Equal means equal in value: labels, times and the order of files don't count.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2
import nbformat
import numpy as np
import pandas as pd
import xarray as xr

from helpers import figures, workspace
from helpers.run.chapters import Book, UserError

KEYS = ["theme", "quantity", "where"]
"""What names a number of ``numbers.csv``."""

VERDICTS = {"answers": "claim"} | {f"claims_{k:02d}": "the paper's claim" for k in range(3, 8)}
"""Artefacts with verdicts, and the column that names the claim."""


@dataclass(frozen=True)
class Run:
    """A folder of outputs, and what it is called on the page."""

    name: str
    folder: Path

    @cached_property
    def made_from(self) -> dict[str, dict]:
        """What each chapter's record says that it was made from, by stem; empty where no records were kept."""
        found = {}
        for path in sorted((self.folder / ".state").glob("[0-9][0-9]_*.json")):
            try:
                found[path.stem] = json.loads(path.read_text(encoding="utf-8"))["made_from"]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{path}: expected the record of a chapter, found none that can be read") from error
        return found

    def table(self, artefact: str) -> pd.DataFrame | None:
        """Return a table of this run, or None where it has none."""
        path = self.folder / workspace.artefacts()[artefact].file
        return pd.read_csv(path) if path.exists() else None

    @cached_property
    def figures(self) -> dict[str, tuple[str, str, bytes]]:
        """Caption, alt text and image of each named figure, in the order of the book."""
        found = {}
        for path in sorted((self.folder / "chapters").glob("[0-9][0-9]_*.ipynb")):
            for cell in nbformat.read(path, as_version=4).cells:
                about = cell.metadata.get("mystnb", {})
                drawn = [o.data["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
                if (name := about.get("figure", {}).get("name")) and drawn:
                    texts = (about["figure"].get("caption", name), about.get("image", {}).get("alt", ""))
                    found[name] = (*(" ".join(text.split()) for text in texts), base64.b64decode(drawn[0]))
        return found


def run_of(book: Book, text: str) -> Run:
    """Find a run by the name of its profile, or by its folder.

    Raises
    ------
    UserError
        There is none.
    """
    folder = Path(text).expanduser() if "/" in text or "\\" in text else book.outputs / text
    if not any((folder / artefact.file).exists() for artefact in book.artefacts.values()):
        there = ", ".join(sorted(path.name for path in book.outputs.glob("[!.]*") if path.is_dir())) or "none yet"
        found = f"no artefact in {folder}" if folder.is_dir() else "neither"
        raise UserError(
            f"{text}: expected a profile that has been run ({there}), or the folder of a run that was kept, found "
            f"{found}; run it, or correct the name"
        )
    return Run(text, folder)


def parameters(a: Run, b: Run) -> pd.DataFrame:
    """Return the parameters whose values differ, a row each; one that only one run knows is missing in the other."""
    rows = []
    for stem in sorted({*a.made_from, *b.made_from}):
        one, other = (run.made_from.get(stem, {}).get("parameters") for run in (a, b))
        if one is None or other is None:
            rows.append((stem, "the whole chapter", *("–" if p is None else "ran" for p in (one, other))))
            continue
        for name in {**one, **other}:
            values = [json.dumps(p[name], ensure_ascii=False) if name in p else "–" for p in (one, other)]
            if name != "profile" and values[0] != values[1]:
                rows.append((stem, name, *values))
    return pd.DataFrame(rows, columns=["chapter", "parameter", "A", "B"]).set_index(["chapter", "parameter"])


def artefacts(a: Run, b: Run) -> pd.DataFrame:
    """Compare what both runs made: a row for each variable, column or file that differs, or that one of them lacks.

    ``differ (%)`` is the share of values that are not equal (missing ones are equal to each other), ``largest`` the
    largest difference B less A, and ``of`` the standard deviation of A, as a yardstick.
    """
    rows = []
    for name, artefact in workspace.artefacts().items():
        paths = [run.folder / artefact.file for run in (a, b)]
        there = [path.exists() for path in paths]
        if not all(there):
            if any(there):
                rows.append((name, "", "only in " + "AB"[there.index(True)], np.nan, np.nan, np.nan))
            continue
        rows += [(name, *row) for row in _differences(*paths)]
    columns = ["artefact", "part", "what", "differ (%)", "largest", "of"]
    return pd.DataFrame(rows, columns=columns).set_index(["artefact", "part"])


def _differences(a: Path, b: Path) -> Iterator[tuple[str, str, float, float, float]]:
    """Yield what differs between two artefacts of one name: part, what, share (%), largest difference, yardstick."""
    nothing = (np.nan, np.nan, np.nan)
    if a.suffix in (".nc", ".zarr"):
        with _opened(a) as one, _opened(b) as other:
            for name in sorted({*map(str, one.variables), *map(str, other.variables)}):
                if name not in one.variables or name not in other.variables:
                    yield (name, "only in A" if name in one.variables else "only in B", *nothing)
                elif found := _values(one[name], other[name]):
                    yield name, *found
    elif a.suffix == ".csv":
        one, other = (pd.read_csv(path) for path in (a, b))
        for name in dict.fromkeys([*one, *other]):
            if name not in one or name not in other:
                yield (name, "only in A" if name in one else "only in B", *nothing)
            elif found := _values(one[name].to_xarray(), other[name].to_xarray()):
                yield name, *found
    else:
        marks = [{p.relative_to(f).as_posix(): p for p in f.rglob("*") if p.is_file()} for f in (a, b)]
        for name in sorted({*marks[0], *marks[1]}):
            both = [files.get(name) for files in marks]
            if None in both:
                yield (name, "only in A" if both[0] else "only in B", *nothing)
            elif len({hashlib.file_digest(path.open("rb"), "sha256").hexdigest() for path in both}) > 1:
                yield (name, "other bytes", *nothing)


def _opened(path: Path) -> xr.Dataset:
    return xr.open_zarr(path) if path.suffix == ".zarr" else xr.open_dataset(path, engine="netcdf4")


def _values(one: xr.DataArray, other: xr.DataArray) -> tuple[str, float, float, float] | None:
    """Compare the values of two variables, a slice of the first axis at a time; None where they are equal."""
    if one.shape != other.shape or one.dims != other.dims:
        shapes = (" × ".join(map(str, v.shape)) or "one value" for v in (one, other))
        return (f"size {' → '.join(shapes)}", np.nan, np.nan, np.nan)
    numbers = all(v.dtype.kind in "fiub" for v in (one, other))
    differ, largest, count, total, squares = 0, 0.0, 0, 0.0, 0.0
    for k in range(one.shape[0] if one.ndim else 1):
        x, y = (np.asarray(v[k].values if v.ndim else v.values) for v in (one, other))
        unequal = (x != y) & ~(pd.isna(x) & pd.isna(y))
        differ += int(unequal.sum())
        if numbers:
            x, y = x.astype("float64"), y.astype("float64")
            apart, known = (y - x)[unequal], x[np.isfinite(x)]
            apart = apart[np.isfinite(apart)]
            largest = max(largest, apart.min(initial=0.0), apart.max(initial=0.0), key=abs)
            count, total, squares = count + known.size, total + known.sum(), squares + (known**2).sum()
    if not differ:
        return None
    spread = np.sqrt(max(squares / count - (total / count) ** 2, 0.0)) if count else np.nan
    return "values", 100 * differ / max(one.size, 1), largest if numbers else np.nan, spread


def numbers(a: Run, b: Run) -> pd.DataFrame | None:
    """Return every number of ``numbers.csv`` of both runs; ``apart`` where the honest intervals have nothing in common.

    None where neither run has such a table.
    """
    tables = [run.table("numbers") for run in (a, b)]
    if all(table is None for table in tables):
        return None
    kept = ["paper", "seed protocol", "honest", "low", "high"]
    empty = pd.DataFrame(columns=[*KEYS, *kept])
    one, other = (empty if table is None else table for table in tables)
    order = pd.concat([one[KEYS], other[KEYS]]).drop_duplicates()
    both = order.merge(one[[*KEYS, *kept]], "left", KEYS).merge(
        other[[*KEYS, *kept]], "left", KEYS, suffixes=(" A", " B")
    )
    both["apart"] = (both["high A"] < both["low B"]) | (both["high B"] < both["low A"])
    columns = [f"{name} {run}" for name in kept[1:] for run in "AB"]
    same = (both[columns[::2]].to_numpy() == both[columns[1::2]].to_numpy()) | (
        both[columns[::2]].isna().to_numpy() & both[columns[1::2]].isna().to_numpy()
    )
    both["same"] = same.all(axis=1)
    both["paper"] = both.pop("paper A").combine_first(both.pop("paper B"))
    return both.set_index(KEYS)


def verdicts(a: Run, b: Run) -> pd.DataFrame:
    """Return all claims with the verdicts of both runs; missing where a run has not judged one."""
    found = []
    for artefact, claim in VERDICTS.items():
        tables = [run.table(artefact) for run in (a, b)]
        judged = [None if t is None else t.drop_duplicates(claim).set_index(claim).verdict for t in tables]
        if any(j is not None for j in judged):
            empty = pd.Series(dtype=object)
            pair = pd.concat([empty if j is None else j for j in judged], axis=1, keys=["A", "B"])
            found.append(pair.rename_axis("claim").assign(table=artefact).set_index("table", append=True))
    return pd.concat(found).swaplevel() if found else pd.DataFrame(columns=["A", "B"])


def page(a: Run, b: Run, folder: Path) -> Path:
    """Write the page and its images into an empty folder; return the page's path."""
    told, ledger = verdicts(a, b), numbers(a, b)
    flipped = told[told.A.fillna("–") != told.B.fillna("–")]
    pictures = []
    for name in dict.fromkeys([*a.figures, *b.figures]):
        pair = [run.figures.get(name) for run in (a, b)]
        if pair[0] and pair[1] and pair[0][2] == pair[1][2]:
            continue
        shown = next(each for each in pair if each)
        files = [each and f"{name}-{side}.png" for each, side in zip(pair, "AB", strict=True)]
        for each, file in zip(pair, files, strict=True):
            if each:
                (folder / file).write_bytes(each[2])
        pictures.append({"caption": shown[0], "alt": shown[1], "files": files})
    lists = {
        "parameters": parameters(a, b),
        "artefacts": artefacts(a, b),
        "flipped": flipped.fillna("–"),
        "moved": None if ledger is None else _shown(ledger[~ledger.same]),
        "stayed": None if ledger is None else _shown(ledger[ledger.same]),
    }
    places = jinja2.PackageLoader("helpers.publish", ".")
    html = jinja2.Environment(loader=places, autoescape=True).get_template("compare.html").render(
        a=a, b=b, pictures=pictures, counts={k: 0 if v is None else len(v) for k, v in lists.items()},
        judged=len(told), drawn=len({**a.figures, **b.figures}), records=[bool(r.made_from) for r in (a, b)],
        tables={k: v if v is None else figures.table(v)._repr_html_() for k, v in lists.items()},
    )  # fmt: skip
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8")
    return path


def _shown(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return numbers as the page shows them: honest values with their intervals."""
    show, out = figures.tables.show, pd.DataFrame(index=ledger.index)
    out["paper"] = ledger.paper
    for run in "AB":
        out[f"published protocol, {run}"] = ledger[f"seed protocol {run}"]
    for run in "AB":
        ends = zip(*(ledger[f"{name} {run}"] for name in ("honest", "low", "high")), strict=True)
        out[f"honest, {run}"] = [show(v) + (f" ({show(x)} to {show(y)})" if np.isfinite(x) else "") for v, x, y in ends]
    out["intervals apart"] = np.where(ledger.apart, "yes", "")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.compare", description=__doc__.splitlines()[0])
    line.add_argument("a", metavar="A", help="a profile that has been run, or a folder of outputs")
    line.add_argument("b", metavar="B", help="another one")
    line.add_argument("--to", type=Path, help="folder of the page (default: _build/compare/A--B)")
    options = line.parse_args(arguments)
    try:
        book = Book.here()
        a, b = (run_of(book, text) for text in (options.a, options.b))
        home = options.to or book.build / "compare" / f"{a.folder.name}--{b.folder.name}"
        with workspace.writing(home) as aside:
            aside.mkdir()
            page(a, b, aside)
    except (UserError, OSError) as error:
        print(f"helpers.publish.compare: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"the comparison is at {home / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
