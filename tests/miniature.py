"""A book of four small chapters with helpers of its own, to try the runner on in seconds.

01 makes `numbers` (a table; from the helper `arithmetic` and the data file shift.csv), 02 scales it into `scaled`
(a folder) and notes the `greatest`, 03 sums it into `total`, and 04 stands apart.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from helpers.run import __main__ as runner
from helpers.run.chapters import Book

ROOT = Path(__file__).resolve().parents[1]

DECLARED = """
01_numbers:
  writes:
    numbers: {file: numbers.csv, holds: some numbers}
  paths: {offset_file: file}
02_scaled:
  reads: [numbers]
  writes:
    scaled: {file: scaled, holds: "the numbers, scaled"}
    greatest: {file: greatest.csv, holds: the greatest of them}
03_total:
  reads: [scaled]
  writes:
    total: {file: total.csv, holds: their sum}
04_apart:
  writes:
    apart: {file: apart.csv, holds: something else}
"""

ARITHMETIC = '''"""Arithmetic."""
import pandas as pd

from helpers.workspace import DATA


def numbers(seed, size):
    """Make some numbers."""
    shift = int((DATA / "shift.csv").read_text())
    return pd.DataFrame({"x": [seed + shift + i for i in range(size)]})
'''

CHAPTERS = {
    "01_numbers": (
        'profile: str = "demo"  # workspace (a name)\nseed: int = 7  # seeds every draw (0 to 99)\n'
        "size: int = 3  # how many (1 to 99)\n"
        'offset_file: str = ""  # a file with a number to add (a path or empty)',
        "from pathlib import Path\nfrom helpers.arithmetic import numbers\n"
        "from helpers.workspace import Workspace\nws = Workspace(profile)",
        "table = numbers(seed, size)\nif offset_file:\n    table['x'] += int(Path(offset_file).read_text())\ntable",
        'ws.write("numbers", table)',
    ),
    "02_scaled": (
        'profile: str = "demo"  # workspace (a name)\nfactor: float = 2.0  # what to multiply by (-9 to 9)',
        "import time\nfrom helpers.workspace import Workspace\nws = Workspace(profile)",
        'table = ws.read("numbers") * factor\ntable',
        'ws.write("greatest", table.max().to_frame("greatest"))\n'
        'with ws.writing("scaled") as folder:\n'
        '    for i, x in enumerate(table["x"]):\n        (folder / f"{i}.txt").write_text(str(x))',
    ),
    "03_total": (
        'profile: str = "demo"  # workspace (a name)\ndigits: int = 3  # to round to (0 to 9)\n'
        "weights: list = [1, 2]  # unused (0 to 9 numbers)",
        "import pandas as pd\nfrom helpers.workspace import Workspace\nws = Workspace(profile)",
        'total = sum(float(p.read_text()) for p in sorted(ws.read("scaled").iterdir()))\nround(total, digits)',
        'ws.write("total", pd.DataFrame({"total": [round(total, digits)]}))',
    ),
    "04_apart": (
        'profile: str = "demo"  # workspace (a name)\nseed: int = 7  # seeds every draw (0 to 99)\n'
        "flag: bool = True  # a switch (true or false)",
        "import sys\nimport pandas as pd\nfrom helpers.workspace import Workspace\nws = Workspace(profile)",
        'print("working", file=sys.stderr)\nprint("seen")',
        'ws.write("apart", pd.DataFrame({"seed": [seed], "flag": [flag]}))',
    ),
}

WORDS = {
    "01_numbers": "The sum is $\\sum_i x_i$, in {doc}`03_total`.",
    "02_scaled": "After [the numbers](01_numbers.ipynb).",
    "03_total": "(the-total)=\n## Total\n\nSee {ref}`the-total`.",
    "04_apart": "See {ref}`the-total` and [](03_total.ipynb).",
}


def notebook(stem: str, *sources: str, words: str = "") -> nbformat.NotebookNode:
    """Make a chapter: a heading, the tagged parameters, then one code cell a source."""
    cells = [nbformat.v4.new_markdown_cell(f"# {stem[:2]}. {stem[3:].title()}\n\n{words}", id="cell-00")]
    cells += [nbformat.v4.new_code_cell(source, id=f"cell-{i:02d}") for i, source in enumerate(sources, 1)]
    cells[1].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


class Miniature:
    """The small book in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        helpers = root / "src" / "helpers"
        shutil.copytree(ROOT / "src" / "helpers" / "run", helpers / "run", ignore=shutil.ignore_patterns("__pycache__"))
        (helpers / "__init__.py").write_text('"""Helpers."""\n')
        for module in ("integrity", "provenance", "ranges", "store", "strict", "tasks", "workspace"):
            shutil.copy(ROOT / "src" / "helpers" / f"{module}.py", helpers)
        (helpers / "arithmetic.py").write_text(ARITHMETIC)
        for folder in ("notebooks/profiles", "book", "data"):
            (root / folder).mkdir(parents=True)
        for stem in CHAPTERS:
            self.write(stem)
        (root / "notebooks" / "chapters.yml").write_text(DECLARED)
        (root / "data" / "shift.csv").write_text("0")
        (root / "requirements.txt").write_text("numpy==2.4.6  # arrays\n")
        for name in ("_config.yml", "CITATION.cff"):
            shutil.copy(ROOT / name, root / name)
        for folder in ("_static", "_ext"):
            shutil.copytree(ROOT / "book" / folder, root / "book" / folder)
        (root / "book" / "references.bib").write_text("")
        (root / "book" / "intro.md").write_text("# A small book\n\n[](../notebooks/03_total.ipynb)\n")
        (root / "book" / "tables.md").write_text(
            "# Tables\n\n<!-- table: parameters -->\n\n## Downloads\n\n<!-- table: downloads -->\n\n"
            "## Bundles\n\n<!-- table: bundles -->\n"
        )
        entries = "".join(f"      - file: notebooks/{stem}\n" for stem in CHAPTERS)
        (root / "_toc.yml").write_text(
            f"format: jb-book\nroot: book/intro\nparts:\n  - caption: Part\n    chapters:\n{entries}"
            "  - caption: Reference\n    chapters:\n      - file: book/tables\n"
        )
        self.profile("demo", "common: {}\n")
        self._look()

    def copy(self, root: Path) -> Miniature:
        """Copy the book and all that it made to another folder."""
        shutil.copytree(self.root, root)
        other = object.__new__(Miniature)
        other.root = root
        other._look()
        return other

    def _look(self) -> None:
        self.book = Book(self.root, self.root / "outputs", self.root / "_build")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("RECO_")}
        self.environment["PYTHONPATH"] = str(self.root / "src")

    def write(self, stem: str, *sources: str, words: str | None = None) -> None:
        """Write a chapter: as it is above, or with other code or words."""
        made = notebook(stem, *(sources or CHAPTERS[stem]), words=WORDS[stem] if words is None else words)
        nbformat.write(made, self.root / "notebooks" / f"{stem}.ipynb")

    def profile(self, name: str, text: str) -> None:
        """Write a profile."""
        (self.root / "notebooks" / "profiles" / f"{name}.yml").write_text(text)

    def outputs(self, profile: str = "demo") -> Path:
        """Return the workspace of a profile."""
        return self.root / "outputs" / profile

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the runner."""
        return [sys.executable, "-m", "helpers.run", *arguments]

    def run(self, *arguments: str, pages: bool = False) -> subprocess.CompletedProcess:
        """Run the small book; by default without building pages."""
        more = [] if pages else ["--no-pages"]
        return subprocess.run(
            self.command(*arguments, *more), cwd=self.root, env=self.environment, capture_output=True, text=True
        )

    def stale(self, *arguments: str) -> list[str]:
        """List the numbers of the chapters that are stale by themselves; asked in this process, which is quick."""
        todo = runner.plan(self.book, runner.parser().parse_args(arguments))
        return [chapter.stem[:2] for chapter, why in runner.examine(todo) if why]

    def ran(self, *arguments: str) -> list[str]:
        """Run the small book, which must succeed, and list the numbers of the chapters that ran."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return [line.split()[1][:2] for line in done.stdout.splitlines() if ": running (" in line]
