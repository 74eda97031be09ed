"""CONTRIBUTING.md is true: what it names is there, and the values that it follows go the way that it says."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from small_planet import SMALL

from helpers import products
from helpers.run import chapters
from helpers.space.grid import Grid
from helpers.workspace import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HELPERS = ROOT / "src" / "helpers"
TOUR = TEXT.split("## Follow three values")[1].split("## What libraries")[0]
MODULES = {path.stem: path for path in sorted(HELPERS.rglob("*.py")) if path.stem != "__init__"}
MODULES |= {path.parent.name: path for path in sorted(HELPERS.rglob("__init__.py"))}


def named(text):
    """The names of helpers in a text, such as `trends.ols`, in their order."""
    found = re.findall(r"`(\w+)\.(\w+)(?:\([^`]*\))?`", text)
    return [pair for pair in found if pair[0] in MODULES and pair[1] not in ("py", "nc", "csv", "zarr", "yml")]


def dotted(path):
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_every_name_and_file_is_there():
    names = named(TEXT)
    assert len(names) > 15
    lost = [pair for pair in names if not hasattr(import_module(dotted(MODULES[pair[0]])), pair[1])]
    assert not lost
    files = re.findall(r"`((?:data|tests|notebooks|book|[a-z]+)/[\w/]*\w+\.(?:py|yml|csv|md|bib))`", TEXT)
    assert len(files) > 10
    gone = [file for file in files if not any((top / file).exists() for top in (ROOT, HELPERS))]
    assert gone == []


def test_every_room_has_a_row_and_every_row_a_room():
    table = TEXT.split("## The map")[1].split("## Where is")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    rooms = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert rooms == {path.stem for path in HELPERS.iterdir() if path.stem not in ("__init__", "__pycache__")}


def called_while(work):
    """Names of the helpers' functions that are called, in the order of their first call."""
    seen = {}

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(str(HELPERS)):
            path = Path(frame.f_code.co_filename)
            name = path.parent.name if path.stem == "__init__" else path.stem
            seen.setdefault((name, frame.f_code.co_name))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(seen)


def test_npp_goes_from_its_tile_to_the_grid_as_the_tour_says(exact, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # what other threads call isn't seen
    steps = TOUR.split("*Reader.*")[1].split("3. *Chapter 1*")[0]
    entries = yaml.safe_load((ROOT / "data" / "products.yml").read_text(encoding="utf-8"))["products"]
    field = entries["mod17a3hgf"]["fields"]["npp"]
    assert (field["stored"], field["scale"], field["valid"][1]) == ("Npp_500m", 0.0001, 32700)
    assert {"Npp_500m", "0.0001", "32700"} <= set(re.findall(r"[\w.]+\w", TOUR))

    def read():
        paths = products.find("mod17a3hgf", exact[0])
        products.read("mod17a3hgf", paths, years=[2002], grid=Grid(SMALL["resolution"])).npp.load()

    called = called_while(read)
    assert [pair for pair in called if pair in named(steps)] == named(steps)


def test_a_tower_is_read_where_the_tour_says(exact):
    called = called_while(lambda: products.read("fluxnet2015", products.find("fluxnet2015", exact[0])))
    assert ("towers", "read") in called
    assert "`towers.read`" in TOUR


@pytest.mark.parametrize(
    ("chapter", "calls"),
    [
        ("01", ["products.read"]),
        ("02", ["windows.around"]),
        ("03", ["cnn.train", "skill.SCORES"]),
        ("06", ["trends.ols", "figures.world"]),
        ("07", ["risk.table", "figures.world"]),
    ],
)
def test_chapters_call_what_the_tour_says(chapter, calls):
    (found,) = [one for one in chapters.discover(ROOT / "notebooks") if one.stem.startswith(chapter)]
    code = "\n".join(cell.source for cell in found.code)
    assert all(call in code and call in TOUR for call in calls)


def test_a_value_of_the_command_line_reaches_its_chapter_alone():
    book, every = chapters.Book.here(), chapters.discover(ROOT / "notebooks")
    override = re.search(r"--set (03\.\w+=\d+)", TOUR)[1]
    values = chapters.settings(chapters.load(book, "tiny"), every, [override], ROOT)
    plain = chapters.settings(chapters.load(book, "tiny"), every, [], ROOT)
    assert [stem for stem in values if values[stem].values != plain[stem].values] == ["03_cnn_ablation"]
    assert values["03_cnn_ablation"].values["iterations"] == 70


def test_every_promise_names_a_test_that_is_there():
    table = TEXT.split("## What is trusted, and what is promised")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        tests = re.findall(r"`(test_\w+)::(test_\w+)`", row)
        assert tests, row
        for file, name in tests:
            source = (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8")
            assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{file}::{name}"
