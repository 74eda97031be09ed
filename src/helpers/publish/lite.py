"""The chapters on numbers for a browser, without an installation: ``python -m helpers.publish.lite --profile demo``.

JupyterLite's site is built from the bundles of these chapters (`helpers.run.bundles`) into ``_build/<profile>/lite``,
and their pages link to it. Nothing is fetched while it is built. When a reader opens a notebook there, the browser
fetches Python itself (Pyodide) and the packages that the chapter needs, from the addresses that the page names.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from helpers import workspace
from helpers.publish import environments
from helpers.run import __main__ as runner
from helpers.run import bundles, pages
from helpers.run.chapters import Book, UserError

NEEDS = {
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "xarray": "xarray",
    "netcdf4": "netCDF4",
    "pyyaml": "yaml",
    "fsspec": "fsspec",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "cartopy": "cartopy",
    "shapely": "shapely",
    "statsmodels": "statsmodels",
    "tqdm": "tqdm",
    "threadpoolctl": "threadpoolctl",
}
"""What Pyodide 314.0.6 has, by the names of its list of packages (pyodide-lock.json, in npm's package pyodide) and of
its modules: built for the browser, in versions of its own."""

PURE = {"cmcrameri": "cmcrameri", "dask": "dask", "pooch": "pooch"}
"""What Pyodide lacks, and a browser takes from the index of packages since it is plain Python: as pinned."""

TIME = re.compile(r'("(?:created|last_modified)": *)"[^"]*"')
"""Times of files in the site's lists: the same content is to give the same site, whenever it is built."""

GLUE = '''"""What chapters use of myst-nb, where no page is built: `glue` shows a value."""

from IPython.display import display as show


def glue(name, variable, display=True):
    """Show a value that a page would also take up in its words."""
    if display:
        show(variable)
'''


def get(book: Book) -> str:
    """Return the first cell of a notebook in the browser, which gets the packages.

    Raises
    ------
    UserError
        ``requirements.txt`` pins none of a package that Pyodide lacks.
    """
    pinned = environments.pins((book.root / "requirements.txt").read_text(encoding="utf-8"))
    pins = dict(pin.split("==") for pin in pinned if "==" in pin)
    if absent := sorted(set(PURE) - set(pins)):
        raise UserError(f"requirements.txt: expected a pin of {absent[0]}, found none; add it, or drop it from PURE")
    return "%pip install -q " + " ".join([*NEEDS, *(f"{name}=={pins[name]}" for name in PURE)])


def contents(plan: runner.Plan, folder: Path) -> list[str]:
    """Write what the chapters need in the browser to a folder; return the stems of those that a run has inputs for."""
    stems = []
    for chapter in plan.chapters:
        if chapter.stem not in pages.IN_BROWSER:
            continue
        label = pages.label_of(plan.book, plan.profile, chapter, plan.settings)
        if (bundle := bundles.of(plan.book, chapter, plan.settings[chapter.stem], label)) is None:
            continue
        stems.append(chapter.stem)
        notebook = nbformat.reads(bundle.files[chapter.path.name].decode(), as_version=4)
        at = next(i for i, cell in enumerate(notebook.cells) if cell.id == "find-helpers")
        notebook.cells.insert(at, nbformat.v4.new_code_cell(get(plan.book), id="get-packages"))
        notebook.metadata["kernelspec"] = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
        files = bundle.files | {chapter.path.name: nbformat.writes(notebook).encode()}
        files |= {"src/myst_nb/__init__.py": GLUE.encode()}
        for name, content in files.items():
            if name not in ("README.txt", "requirements.txt"):  # which tell how to install it
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return stems


def build(plan: runner.Plan) -> Path:
    """Build the site of a profile; return its folder.

    Raises
    ------
    UserError
        No chapter of the profile has run that a browser can, or JupyterLite ends with an error.
    """
    home = plan.book.build / plan.profile.name / "lite"
    home.parent.mkdir(parents=True, exist_ok=True)
    with workspace.aside(home.with_name(".lite.work.part")) as work:
        stems = contents(plan, work / "contents")
        if not stems:
            wanted = ", ".join(pages.IN_BROWSER)
            raise UserError(f"profile {plan.profile.name}: expected a run of {wanted}, found none; run the book first")
        options = ["--lite-dir", str(work), "--contents", "contents", "--output-dir", str(work / "site")]
        options += ["--apps", "lab", "--no-sourcemaps"]
        command = [sys.executable, "-m", "jupyterlite_core", "build", *options]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if done.returncode or not (work / "site" / "files" / f"{stems[0]}.ipynb").is_file():
            log = home.with_name("lite.log")
            log.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise UserError(f"JupyterLite: expected a site, found an error (the log is {log}); is it installed?")
        for listed in (work / "site" / "api").rglob("all.json"):
            text = TIME.sub(r'\1"1970-01-01T00:00:00Z"', listed.read_text(encoding="utf-8"))
            listed.write_text(text, encoding="utf-8")
        with workspace.writing(home) as aside:
            shutil.move(work / "site", aside)
    return home


@workspace.command("helpers.publish.lite")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.lite", description=__doc__.splitlines()[0])
    line.add_argument("--profile", default="demo", help="a profile that has been run (default: demo)")
    options = line.parse_args(arguments)
    book = Book.here()
    plan = runner.plan(book, runner.parser().parse_args(["--profile", options.profile]))
    build(plan)
    pages.build(book, plan.profile, plan.everything, plan.settings)
    print(f"the chapters for a browser are at {pages.index(book, options.profile).parent / 'lite' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
