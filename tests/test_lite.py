"""Chapters for a browser: what they import is there, or plain Python; the site is built from their bundles."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.publish import lite
from helpers.run import __main__ as runner
from helpers.run import pages
from helpers.run.chapters import Book
from helpers.workspace import ROOT

LISTED = (Path(__file__).with_name("pyodide.txt")).read_text(encoding="utf-8")
THERE = {line.split()[0]: line.split()[1:] for line in LISTED.splitlines() if not line.startswith("#")}

LIKE_PYODIDE = """
import json, subprocess, sys, sysconfig, threading
import nbformat
from IPython.core.interactiveshell import InteractiveShell

told = json.loads(sys.argv[1])
shell = InteractiveShell.instance()
shell.display_formatter.active_types = ["text/plain", "text/html"]

class Known:
    '''Finds what a finder finds, of the modules that a browser has.'''
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *where):
        top = name.partition(".")[0]
        known = top in told["modules"] or top in sys.stdlib_module_names
        return self.finder.find_spec(name, *where) if known else None
    def __getattr__(self, name):
        return getattr(self.finder, name)

def refuse(*_, **__):
    raise OSError(138, "no processes here")

def no_thread(*_, **__):
    raise RuntimeError("can't start new thread")

sysconfig.get_config_vars()  # reads a module of this machine's own
sys.meta_path[:] = map(Known, sys.meta_path)
subprocess.Popen.__init__ = refuse
threading.Thread.start = no_thread
sys.path.insert(0, told["src"])
for cell in nbformat.read(told["notebook"], as_version=4).cells:
    if cell.cell_type == "code" and not cell.source.startswith("%pip") and (told["all"] or "import" in cell.source):
        source = cell.source if told["all"] else "\\n".join(told["imports"])
        shell.run_cell(source).raise_error()
        if not told["all"]:
            break
print("ran", "torch" in sys.modules)
"""


def pure(names):
    """The distributions that some need, and their needs, up to what Pyodide has; all of them plain Python."""
    found, waiting = set(), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or name in map(canonicalize_name, THERE):
            continue
        found.add(name)
        wheel = importlib.metadata.distribution(name).read_text("WHEEL")
        assert "Root-Is-Purelib: true" in wheel, f"{name}: Pyodide lacks it, and it is more than Python"
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            ours = [{"extra": ""}, {"extra": "", "python_version": "3.14"}]  # this Python's, and the browser's
            if needed.marker is None or any(map(needed.marker.evaluate, ours)):
                waiting.append(needed.name)
    return found


def run_like_pyodide(folder, notebook, src, imports=()):
    """Run a notebook, or its imports alone, where only those modules are that a browser has."""
    brought = importlib.metadata.packages_distributions()
    more = pure(lite.PURE)
    modules = {module for names in THERE.values() for module in names} | {"helpers", "myst_nb", "matplotlib_inline"}
    modules |= {top for top, names in brought.items() if {canonicalize_name(name) for name in names} & more}
    told = {"modules": sorted(modules), "src": str(src), "notebook": str(notebook), "imports": list(imports)}
    told |= {"all": not imports}
    command = [sys.executable, "-P", "-c", LIKE_PYODIDE, json.dumps(told)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.endswith("ran False\n")


def test_the_list_of_pyodide_is_that_of_the_kernel():
    constants = pytest.importorskip("jupyterlite_pyodide_kernel.constants", reason="wants requirements-publish.txt")
    assert f"Pyodide {constants.PYODIDE_VERSION} has" in LISTED


def test_what_the_browser_gets_is_there_or_plain_python():
    assert [name for name, module in lite.NEEDS.items() if module not in THERE[name]] == []
    assert not set(lite.PURE) & set(THERE)
    assert pure(lite.PURE) >= set(lite.PURE)


def test_chapters_for_a_browser_import_what_it_has(tmp_path):
    places = [ROOT / "notebooks" / f"{stem}.ipynb" for stem in pages.IN_BROWSER]
    cells = [cell for place in places for cell in nbformat.read(place, as_version=4).cells]
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    imports = dict.fromkeys(re.findall(r"^(?:from|import) .+$", code, re.MULTILINE))
    (tmp_path / "src" / "myst_nb").mkdir(parents=True)
    (tmp_path / "src" / "myst_nb" / "__init__.py").write_text(lite.GLUE)
    (tmp_path / "src" / "helpers").symlink_to(ROOT / "src" / "helpers")
    run_like_pyodide(tmp_path, places[0], tmp_path / "src", imports)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A run of the tiny book in which no chapter has run."""
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("RECO_BUILD", str(tmp_path / "build"))
    return runner.plan(Book.here(), runner.parser().parse_args(["--profile", "tiny"]))


@pytest.mark.long
def test_a_chapter_runs_where_only_a_browsers_modules_are(plan, tmp_path):
    assert lite.contents(plan, tmp_path / "site") == ["14_real_towers"], "13 waits for others"
    run_like_pyodide(tmp_path / "site", tmp_path / "site" / "14_real_towers.ipynb", tmp_path / "site" / "src")


@pytest.mark.long
def test_the_site_is_built_from_the_bundles_and_gets_its_kernel_when_it_is_started(plan):
    for name in ("jupyterlite_pyodide_kernel", "jupyter_server"):
        pytest.importorskip(name, reason="wants requirements-publish.txt")
    home = lite.build(plan)
    notebook = nbformat.read(home / "files" / "14_real_towers.ipynb", as_version=4)
    (first,) = [cell.source for cell in notebook.cells if cell.source.startswith("%pip")]
    assert re.search(r"cmcrameri==\S+ dask==\S+ pooch==\S+$", first)
    listed = json.loads((home / "api" / "contents" / "all.json").read_text())["content"]
    assert {entry["name"] for entry in listed} >= {"14_real_towers.ipynb", "data", "src"}
    assert list(home.glob("extensions/@jupyterlite/pyodide-kernel-extension/static/*.js"))
    assert not list(home.rglob("pyodide.asm.wasm")), "Python comes from the network, as the page says"
