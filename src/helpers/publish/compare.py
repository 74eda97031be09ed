"""Two runs side by side on one page: ``python -m helpers.publish.compare demo nolag``.

A run is a profile whose outputs are here, a folder of outputs that was kept, of another commit say, or the address of a
run in an object store (``s3://bucket/prefix/demo``). The page shows which parameters differ, which artefacts, every
number of ``numbers.csv`` with both values, the verdicts that flipped, and the figures that differ in pairs. Equal means
equal in value: labels, times and the order of files don't count.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2
import nbformat
import numpy as np
import pandas as pd
import xarray as xr

from helpers import figures, store, workspace
from helpers.provenance import Label, drawn
from helpers.run.chapters import Book, UserError
from helpers.store import Store, Stored

KEYS = ["theme", "quantity", "where"]
"""What names a number of ``numbers.csv``."""
VALUES = ["paper", "seed protocol", "honest", "low", "high"]
"""And its values."""

VERDICTS = {"answers": "claim"} | {f"claims_{k:02d}": "the paper's claim" for k in range(3, 8)}
"""Artefacts with verdicts, and the column that names the claim."""


@contextmanager
def _reading(path: Path | Stored | str) -> Iterator[None]:
    """Tell what keeps a file of a run from being read, in one line that names it.

    A run may come from elsewhere, and what it holds lets libraries raise anything.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        why = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{path}: expected what a run of the book leaves there, found something else ({type(error).__name__}: "
            f"{why}); make that run anew, or compare another one"
        ) from error


@dataclass(frozen=True)
class Run:
    """A folder of outputs, or an address in an object store, and what it is called on the page."""

    name: str
    folder: Path | str

    @cached_property
    def store(self) -> Store | None:
        """The object store of a run that is in one."""
        return store.at(*self.folder.rsplit("/", 1)) if isinstance(self.folder, str) else None

    def place(self, artefact: workspace.Artefact) -> Path | Stored:
        """Return where an artefact stands or would stand."""
        return self.store.stored(artefact.made_by, artefact.file) if self.store else self.folder / artefact.file

    @cached_property
    def pages(self) -> list[Path]:
        """The executed chapters, in the order of the book; those of a store are copied here."""
        if not self.store:
            return sorted((self.folder / "chapters").glob("[0-9][0-9]_*.ipynb"))
        stored = [self.store.stored(stem, f"{stem}.ipynb") for stem in workspace.declarations()]
        return [each.local() for each in stored if each.exists()]

    def short(self, book: Book) -> str:
        """Return what the folder of a page calls it: profiles by name, and others so that no two have the same."""
        name = str(self.folder).rstrip("/").rsplit("/", 1)[-1]
        if str(self.folder) == f"{str(book.outputs).rstrip('/')}/{name}":
            return name
        return f"{name}-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"

    @cached_property
    def records(self) -> dict[str, dict]:
        """What the runner noted of each chapter, by stem; empty where no records were kept."""
        if self.store:
            pointers = {stem: self.store.pointer(stem) for stem in workspace.declarations()}
            return {stem: pointer for stem, pointer in pointers.items() if "made_from" in pointer}
        found = {}
        for path in sorted((self.folder / ".state").glob("[0-9][0-9]_*.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if {*record} != {workspace.FILES}:  # that alone, a notebook has noted that somebody ran by hand
                    dict(record["made_from"].get("parameters") or {})
                    if "label" in record:
                        Label(**record["label"])
                    found[path.stem] = record
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise UserError(f"{path}: expected the record of a chapter, found none that can be read") from error
        return found

    @cached_property
    def made_from(self) -> dict[str, dict]:
        """What each chapter was made from, by stem."""
        return {stem: record["made_from"] for stem, record in self.records.items()}

    @property
    def labels(self) -> list[str]:
        """The commits at which its chapters were run, with their dates, and what planet they are of."""
        noted = [Label(**record["label"]) for record in self.records.values() if "label" in record]
        return list(dict.fromkeys(f"{label.world}, commit {label.commit}, {label.date}" for label in noted))

    def table(self, artefact: str, words: list[str], numbers: list[str] | None = None) -> pd.DataFrame | None:
        """Return these columns of a table of this run, or None where it has none."""
        path = self.place(workspace.artefacts()[artefact])
        if not path.exists():
            return None
        with _reading(path):
            table = pd.read_csv(store.local(path))
            return table[words].join(table[numbers or []].apply(pd.to_numeric))

    @cached_property
    def figures(self) -> dict[str, tuple[str, str, bytes]]:
        """Caption, alt text and image of each named figure, in the order of the book."""
        found = {}
        for path in self.pages:
            with _reading(path):
                for cell in nbformat.read(path, as_version=4).cells:
                    about = cell.metadata.get("mystnb", {})
                    images = [o.data["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
                    if (name := about.get("figure", {}).get("name")) and images:
                        texts = (about["figure"].get("caption", name), about.get("image", {}).get("alt", ""))
                        found[name := str(name)] = (
                            *(" ".join(text.split()) for text in texts),
                            base64.b64decode(images[0]),
                        )
                        drawn(found[name][2])
        return found


def run_of(book: Book, text: str) -> Run:
    """Find a run by the name of its profile, by its folder, or by its address in an object store.

    Raises
    ------
    UserError
        There is none.
    """
    stored = isinstance(book.outputs, str)
    if store.is_address(text):
        folder = text.rstrip("/")
        if not re.search("://.*[^/]/[^/]", folder):
            raise UserError(f"{store.shown(text)}: expected the address of a run, such as s3://bucket/demo; correct it")
    elif "/" in text or "\\" in text:
        folder = Path(text).expanduser()
    else:
        folder = f"{book.outputs.rstrip('/')}/{text}" if stored else book.outputs / text
    run = Run(store.shown(text), folder)
    if run.store:
        run.store.check()
    if not any(run.place(artefact).exists() for artefact in book.artefacts.values()):
        near = [] if stored else sorted(path.name for path in book.outputs.glob("[!.]*") if path.is_dir())
        there = ", ".join(near) or ("those of the store" if stored else "none yet")
        found = f"no artefact in {store.shown(str(folder))}" if run.store or folder.is_dir() else "neither"
        raise UserError(
            f"{text}: expected a profile that has been run ({there}), or the folder of a run that was kept, found "
            f"{found}; run it, or correct the name"
        )
    return run


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
        paths = [run.place(artefact) for run in (a, b)]
        there = [path.exists() for path in paths]
        if not all(there):
            if any(there):
                rows.append((name, "", "only in " + "AB"[there.index(True)], np.nan, np.nan, np.nan))
            continue
        with _reading(" or ".join(map(str, paths))):
            rows += [(name, *row) for row in _differences(*paths)]
    columns = ["artefact", "part", "what", "differ (%)", "largest", "of"]
    return pd.DataFrame(rows, columns=columns).set_index(["artefact", "part"])


def _differences(a: Path | Stored, b: Path | Stored) -> Iterator[tuple[str, str, float, float, float]]:
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
        one, other = (pd.read_csv(store.local(path)) for path in (a, b))
        for name in dict.fromkeys([*one, *other]):
            if name not in one or name not in other:
                yield (name, "only in A" if name in one else "only in B", *nothing)
            elif found := _values(one[name].to_xarray(), other[name].to_xarray()):
                yield name, *found
    else:
        folders = [store.local(folder) for folder in (a, b)]
        marks = [{p.relative_to(f).as_posix(): p for p in f.rglob("*") if p.is_file()} for f in folders]
        for name in sorted({*marks[0], *marks[1]}):
            both = [files.get(name) for files in marks]
            if None in both:
                yield (name, "only in A" if both[0] else "only in B", *nothing)
            elif len({hashlib.file_digest(path.open("rb"), "sha256").hexdigest() for path in both}) > 1:
                yield (name, "other bytes", *nothing)


def _opened(path: Path | Stored) -> xr.Dataset:
    if path.suffix == ".zarr":
        return xr.open_zarr(path.zarr() if isinstance(path, Stored) else path)
    return xr.open_dataset(store.local(path), engine="netcdf4")


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
    tables = [run.table("numbers", [*KEYS, "paper"], VALUES[1:]) for run in (a, b)]
    if all(table is None for table in tables):
        return None
    empty = pd.DataFrame(columns=[*KEYS, *VALUES])
    one, other = (empty if table is None else table for table in tables)
    order = pd.concat([one[KEYS], other[KEYS]]).drop_duplicates()
    both = order.merge(one, "left", KEYS).merge(other, "left", KEYS, suffixes=(" A", " B"))
    both["apart"] = (both["high A"] < both["low B"]) | (both["high B"] < both["low A"])
    columns = [f"{name} {run}" for name in VALUES[1:] for run in "AB"]
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
        tables = [run.table(artefact, [claim, "verdict"]) for run in (a, b)]
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
        if pair[0] and pair[1] and drawn(pair[0][2]) == drawn(pair[1][2]):
            continue
        shown = next(each for each in pair if each)
        file = re.sub(r"[^\w-]+", "_", name)[:100]  # names are the run's, and no paths
        file += f"-{len(pictures)}" if file != name else ""
        files = [each and f"{file}-{side}.png" for each, side in zip(pair, "AB", strict=True)]
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


@workspace.command("helpers.publish.compare")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.compare", description=__doc__.splitlines()[0])
    line.add_argument(
        "a", metavar="A", help="a profile that has been run, a folder of outputs, or the address of one in a store"
    )
    line.add_argument("b", metavar="B", help="another one")
    line.add_argument("--to", type=workspace.typed_path, help="folder of the page (default: _build/compare/A--B)")
    options = line.parse_args(arguments)
    book = Book.here()
    a, b = (run_of(book, text) for text in (options.a, options.b))
    home = options.to or book.build / "compare" / "--".join(run.short(book) for run in (a, b))
    with workspace.writing(home) as aside:
        aside.mkdir()
        page(a, b, aside)
    print(f"the comparison is at {home / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
