"""What a chapter reaches: each kind of route is followed, nothing that runs is missed, and nothing else counts."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.run import chapters, reach
from helpers.workspace import ROOT

PACKAGE = {
    "__init__": "import numpy\nnumpy.seterr(all='raise')",
    "plain": '"""Prose."""\nimport math as m\ndef called(x):\n    """Words."""\n    return other(x) + m.pi\n'
    "def other(x):\n    return SIZE * x\ndef unused(x):\n    return x\nSIZE = 2\nIDLE = 3",
    "table": "def by_name(x):\n    return x\ndef as_default(x):\n    return x\nMETHODS = {'a': by_name}\n"
    "def choose(name, last=as_default):\n    return METHODS[name]",
    "wrapped": "def loud(f):\n    return f\n@loud\ndef inner(x):\n    return x",
    "registry": "KNOWN = {}\ndef register(f):\n    KNOWN[f.__name__] = f\n    return f",
    "registered": "from helpers.registry import register\n@register\ndef quiet(x):\n    return x\ndef idle(): pass",
    "effects": "from helpers import registry\nregistry.KNOWN['late'] = len\ndef far(): pass",
    "again": "from helpers.plain import other as renamed",
    "local": "def late():\n    from helpers.plain import unused\n    return unused\n"
    "def shadow(plain):\n    return plain.x",
    "base": "class Base:\n    def run(self):\n        return self.step()",
    "child": "from helpers.base import Base\nclass Child(Base):\n    def step(self):\n        return 1",
    "called_once": "def make():\n    return 1\nMADE = make()\ndef idle(): pass",
    "accessors": "import cf_xarray\nimport numpy as np\ndef idle():\n    return np.pi",
    "family/__init__": "from importlib import import_module\ndef read(name):\n"
    "    return import_module(f'helpers.family.{name}').read()",
    "held": "from importlib import import_module\ndef read(name):\n"
    "    family = import_module(f'helpers.family.{name}')\n    return family.read()",
    "family/one": "def read():\n    return helper()\ndef helper(): pass\ndef idle(): pass",
    "family/two": "def read(): pass",
    "files": "from helpers.workspace import DATA\ndef towns():\n    return (DATA / 'towns' / 'all.csv').read_text()",
    "workspace": "DATA = 1",
}


def reached(cell, changes=None):
    """Definitions and data that a cell reaches in the small package, some modules of which are changed."""
    root = Path(os.environ["SMALL_PACKAGE"])
    for name, source in (PACKAGE | (changes or {})).items():
        path = root / "src" / "helpers" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    reach._module.cache_clear()
    return reach.of_cells([ast.parse(cell)], root)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALL_PACKAGE", str(tmp_path))
    (tmp_path / "data" / "towns").mkdir(parents=True)
    (tmp_path / "data" / "towns" / "all.csv").write_text("1")
    (tmp_path / "data" / "other.csv").write_text("1")


ROUTES = {
    "a name": ("from helpers.plain import called\ncalled", "plain", "SIZE * x", "x * SIZE"),
    "a constant": ("from helpers.plain import called\ncalled", "plain", "SIZE = 2", "SIZE = 3"),
    "another package's import": ("from helpers.plain import called\ncalled", "plain", "math as m", "cmath as m"),
    "a module's attribute": ("from helpers import plain\nplain.called(1)", "plain", "+ m.pi", "- m.pi"),
    "a dotted import": ("import helpers.plain\nhelpers.plain.called(1)", "plain", "+ m.pi", "- m.pi"),
    "a module by another name": ("import helpers.plain as p\np.called(1)", "plain", "+ m.pi", "- m.pi"),
    "a module as a value": ("from helpers import plain\nuse(plain)", "plain", "IDLE = 3", "IDLE = 4"),
    "getattr": ("from helpers import plain\ngetattr(plain, which)", "plain", "return x\n", "return 2 * x\n"),
    "a star": ("from helpers.plain import *\ncalled(1)", "plain", "IDLE = 3", "IDLE = 4"),
    "another module's import": ("from helpers.again import renamed\nrenamed", "plain", "SIZE * x", "x * SIZE"),
    "a table": ("from helpers.table import choose\nchoose", "table", "return x\ndef as", "return 1\ndef as"),
    "a default": ("from helpers.table import choose\nchoose", "table", "return x\nMETHODS", "return 2 * x\nMETHODS"),
    "a decorator": ("from helpers.wrapped import inner\ninner", "wrapped", "return f", "return str(f)"),
    "a docstring that code gets at": ("from helpers import plain\nplain.called.__doc__", "plain", "Words.", "Others."),
    "a registering decorator": ("import helpers.registered", "registered", "return x", "return 2 * x"),
    "a statement of a loaded module": ("import helpers.effects", "effects", "= len", "= max"),
    "a statement of the package": ("import helpers.plain", "__init__", "'raise'", "'warn'"),
    "a call at import": ("import helpers.called_once", "called_once", "return 1", "return 2"),
    "an import for its effect": ("import helpers.accessors", "accessors", "cf_xarray", "rioxarray"),
    "an import within a function": ("from helpers.local import late\nlate", "plain", "return x\n", "return 2 * x\n"),
    "a parent class": ("from helpers.child import Child\nChild", "base", "self.step()", "-self.step()"),
    "a class that its parent may know": ("import helpers.child", "child", "return 1", "return 2"),
    "a module's name as text": ("run(['-m', 'helpers.plain'])", "plain", "IDLE = 3", "IDLE = 4"),
    "a family of modules": ("from helpers import family\nfamily.read('two')", "family/one", "(): pass", "(): return 1"),
    "a family held in a name": ("import helpers.held\nhelpers.held.read('two')", "family/one", "(): pass", "(): 1"),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_a_change_at_the_end_of_a_route_counts(route):
    cell, module, old, new = ROUTES[route]
    assert reached(cell)[0] != reached(cell, {module: PACKAGE[module].replace(old, new)})[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("two = 2\nclass Kind:\n    two = two", "two = 3\nclass Kind:\n    two = two"),
        ("SEEN = {}\nclass Kind:\n    SEEN['a'] = 1", "SEEN = {}\nclass Kind:\n    SEEN['a'] = 2"),
        ("Kind, SEEN = [], {}\none, SEEN['a'] = 1, 2", "Kind, SEEN = [], {}\none, SEEN['a'] = 1, 3"),
    ],
)
def test_what_a_class_takes_from_its_module_and_what_loading_writes_count(old, new):
    cell = "from helpers.plain import Kind\nKind"
    assert reached(cell, {"plain": old})[0] != reached(cell, {"plain": new})[0]


STANDING = {
    "a function that isn't called": ("plain", "return x\n", "return 2 * x\n"),
    "a constant that isn't used": ("plain", "IDLE = 3", "IDLE = 4"),
    "a new function and its import": ("plain", "IDLE = 3", "import json\ndef new(): return json\nIDLE = 3"),
    "a docstring": ("plain", "Words.", "Other words."),
    "a module's docstring": ("plain", "Prose.", "Other prose."),
    "a comment, and lines that move": ("plain", "SIZE = 2", "# why\n\n\nSIZE = 2"),
    "a module that isn't loaded": ("effects", "= len", "= max"),
}


@pytest.mark.parametrize("change", STANDING)
def test_a_change_of_what_is_not_reached_counts_for_nothing(change):
    cell = "from helpers import plain\nfrom helpers.local import shadow\nplain.called(1)"
    module, old, new = STANDING[change]
    assert old in PACKAGE[module]
    assert reached(cell) == reached(cell, {module: PACKAGE[module].replace(old, new)})


def test_only_data_that_reached_code_names_counts(root, tmp_path):
    assert reached("from helpers import files\nfiles.towns()")[1] == [tmp_path / "data" / "towns" / "all.csv"]
    assert reached("import helpers.files")[1] == []
    assert reached("read('other.csv')")[1] == [tmp_path / "data" / "other.csv"]


def unfollowed(tree):
    """Yield what `reach` cannot follow: code made from text, modules by other doors, data under computed names."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id="exec" | "eval" | "globals" | "__import__")
                | ast.Attribute(value=ast.Name(id="sys"), attr="modules")
            ):
                yield node
            case ast.ImportFrom(module="sys" | "importlib", names=names) if any(
                n.asname or n.name == "modules" for n in names
            ):
                yield node
            case ast.Name(id="import_module") | ast.Attribute(attr="import_module") if id(node) not in called:
                yield node
            case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[first, *_]):
                beginning = first.values[0] if isinstance(first, ast.JoinedStr) else first
                if not isinstance(beginning, ast.Constant) or "helpers.".startswith(beginning.value):
                    yield node
            case ast.BinOp(left=ast.Name(id="DATA") | ast.Attribute(attr="DATA"), op=ast.Div(), right=right):
                if not isinstance(right, ast.Constant):
                    yield node


@pytest.mark.parametrize(
    "code",
    [
        "exec(text)",
        "__import__(name)",
        "sys.modules[name]",
        "from importlib import import_module as load",
        "load = importlib.import_module",
        "import_module(name)",
        'import_module(f"helpers{name}")',
        "(DATA / name).read_text()",
    ],
)
def test_what_cannot_be_followed_is_seen(code):
    assert list(unfollowed(ast.parse(code)))


def test_neither_helpers_nor_chapters_do_what_cannot_be_followed():
    files = sorted((ROOT / "src" / "helpers").rglob("*.py"))
    trees = {path.name: [ast.parse(path.read_text(encoding="utf-8"))] for path in files}
    trees |= {chapter.stem: chapter.trees for chapter in chapters.discover(ROOT / "notebooks")}
    found = {(name, ast.unparse(node)) for name, each in trees.items() for tree in each for node in unfollowed(tree)}
    found -= {(name, "globals") for name in trees if not name.endswith(".py")}  # all that a chapter's cells name counts
    assert len(trees) > 40 and not found


TRACE = """
import json, os, sys, threading
from pathlib import Path
root, chapter, values = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
package, called, opened = str(root / "src" / "helpers"), set(), set()

def note(frame, event, _):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(package) and code.co_flags & 1:  # no body of a class or a module
        called.add((os.path.relpath(code.co_filename, root / "src"), code.co_qualname))

def look(event, given):
    if event == "open" and isinstance(given[0], str | os.PathLike):
        path = os.path.abspath(os.fspath(given[0]))
        if path.startswith(str(root / "data")):
            opened.add(path)

sys.addaudithook(look)
threading.setprofile(note)
sys.setprofile(note)
cells = [cell for cell in json.loads(Path(chapter).read_text())["cells"] if cell["cell_type"] == "code"]
space = {"__name__": "__main__", "display": lambda shown: shown}
for cell in cells:
    exec(compile(cell["source"], "cell", "exec"), space)
    space |= values if "parameters" in cell["metadata"].get("tags", []) else {}
sys.setprofile(None)
print("\\n" + json.dumps([sorted(called), sorted(opened)]))
"""
"""Executes a chapter's cells; prints each function of the helpers that was called, and each file of data opened."""


@pytest.mark.long
def test_no_function_is_called_and_no_data_file_opened_that_is_not_reached(tmp_path):
    """Chapter 1, which takes the Demo Earth and every family of products from file to map."""
    path = ROOT / "notebooks" / "01_data_preparation.ipynb"
    values = {"profile": "trial", "resolution": 6.0, "demo_towers": 40, "demo_validation_towers": 8, "demo_dates": 2}
    command = [sys.executable, "-c", TRACE, str(ROOT), str(path), json.dumps(values | {"last_year": 2003})]
    environment = os.environ | {"RECO_OUTPUTS": str(tmp_path), "PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=ROOT / "notebooks", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    called, opened = json.loads(done.stdout.splitlines()[-1])
    definitions, data = reach.of_cells(
        [t for c in chapters.discover(path.parent) if c.path == path for t in c.trees], ROOT
    )
    missed = set()
    for file, qualified in called:
        module = ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
        top = qualified.split(".")[0]
        running = "".join(definitions.get(module, []))  # a class that its parent may know counts with its module
        if not top.startswith("<") and f"{module}.{top}" not in definitions and f"name='{top}'" not in running:
            missed.add(f"{module}.{top}")
    assert len(called) > 300 and not missed
    assert opened and not {path for path in opened if Path(path).suffix not in reach.PROSE} - set(map(str, data))
