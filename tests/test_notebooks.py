"""What every chapter keeps to: parameters that can be set, no stored outputs, figures that say what they show."""

import ast
import re

import papermill
import pytest
import yaml

from helpers import workspace
from helpers.run import chapters, pages
from helpers.run.chapters import Book

CHAPTERS = chapters.discover(workspace.ROOT / "notebooks")
PROFILES = sorted((workspace.ROOT / "notebooks" / "profiles").glob("*.yml"))
SECTIONS = [
    "What you will learn", "What you need", "What this shows", "Limits", "Exercises", "What next",
]  # fmt: skip
PLOTS = re.compile(r"\bplt\.(subplots|figure)\b|\bfigures\.(worlds?|categories)\(")


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.stem)
def chapter(request):
    return request.param


def code_cells(chapter):
    return [cell for cell in chapter.notebook.cells if cell.cell_type == "code"]


def prose(chapter):
    return "\n\n".join(cell.source for cell in chapter.notebook.cells if cell.cell_type == "markdown")


def headings(text, level):
    """Headings of a level, outside fenced blocks."""
    outside = re.sub(r"^(`{3,}|:{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^{'#' * level} +(.+?)\s*$", outside, re.MULTILINE)


def test_the_parameters_are_all_seen_by_papermill_with_type_and_help(chapter):
    tagged = [cell for cell in code_cells(chapter) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    lines = [line for line in tagged[0].source.splitlines() if line.strip()]
    seen = papermill.inspect_notebook(chapter.path)
    assert [line.split(":")[0] for line in lines] == list(seen), "one parameter a line, each seen by Papermill"
    assert list(seen)[:2] == ["profile", "seed"]
    for name, line in seen.items():
        assert re.search(r"\w.*\(.+\)", line["help"]), f"{name}: help must say what it is (unit; allowed values)"
    assert chapter.parameters["profile"].default == "demo"


def test_the_page_has_its_sections_in_order(chapter):
    text = prose(chapter)
    assert len(headings(text, 1)) == 1
    assert chapter.notebook.cells[0].source.startswith("# ")
    second = headings(text, 2)
    places = [next((i for i, title in enumerate(second) if title.startswith(name)), None) for name in SECTIONS]
    assert None not in places, f"missing: {[n for n, p in zip(SECTIONS, places, strict=True) if p is None]}"
    assert places == sorted(places)


def test_there_are_two_to_four_exercises_with_solutions(chapter):
    text = prose(chapter)
    exercises = [title for title in headings(text, 3) if title.startswith("Exercise")]
    assert 2 <= len(exercises) <= 4
    folded = len(re.findall(r"^:class: .*\bdropdown\b", text, re.MULTILINE))
    folded += sum("hide-cell" in cell.metadata.get("tags", []) for cell in code_cells(chapter))
    assert folded >= len(exercises)


def test_prose_outweighs_the_code_that_a_reader_sees(chapter):
    shown = [cell for cell in code_cells(chapter) if not {"hide-input", "hide-cell"} & {*cell.metadata.get("tags", [])}]
    assert len(prose(chapter).split()) > sum(len(cell.source.split()) for cell in shown)


def test_a_chapter_has_at_most_sixty_cells(chapter):
    assert len(chapter.notebook.cells) <= 60


def test_cells_that_draw_say_what_they_show(chapter):
    drawing = [cell for cell in code_cells(chapter) if "plt.show()" in cell.source]
    assert drawing
    names = []
    for cell in drawing:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        image = cell.metadata.get("mystnb", {}).get("image", {})
        assert cell.source.rstrip().endswith("plt.show()")
        assert re.fullmatch(r"(fig|ex)-[\w-]+", figure.get("name", "")), cell.source
        assert len(figure.get("caption", "").split()) >= 5, figure["name"]
        assert len(image.get("alt", "").split()) >= 5, figure["name"]
        names.append(figure["name"])
    assert len(names) == len(set(names))
    for cell in code_cells(chapter):
        if PLOTS.search(cell.source) and not cell.source.lstrip().startswith("def "):
            assert "plt.show()" in cell.source, cell.source


def test_a_source_stores_no_outputs_and_gives_the_same_ones_each_time(chapter):
    """Not every way of running a notebook heeds a semicolon that hides a value: it would come back."""
    cells = code_cells(chapter)
    assert not [cell for cell in cells if cell.outputs or cell.execution_count or cell.source.rstrip().endswith(";")]
    changing = r"time\.(?:time|perf_counter|monotonic)\(|datetime\.now|np\.random\.(?!default_rng|Generator)\w+"
    assert not re.findall(rf"{changing}|default_rng\(\)|tqdm\.auto", "\n".join(cell.source for cell in cells))


METHODS = {"read": "reads", "has": "asks", "path": "asks", "write": "writes", "writing": "writes", "drop": "writes"}


def workspace_calls(chapter):
    """What a chapter's code does with its workspace, whatever the variable's name: method and what it is given."""
    nodes, opened = [node for tree in chapter.trees for node in ast.walk(tree)], set()
    for node in (node for node in nodes if isinstance(node, ast.Assign)):
        targets, values = ([*getattr(n, "elts", [n])] for n in (node.targets[0], node.value))
        opened |= {t.id for t, v in zip(targets, values, strict=False) if ast.unparse(v) == "Workspace(profile)"}
    assert len(opened) == 1 and sum(ast.unparse(node) == "Workspace(profile)" for node in nodes) == 1
    used = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id in opened]
    asked = [n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) in opened]
    calls = [n for n in nodes if isinstance(n, ast.Call) and n.func in asked]
    assert len(used) == len(asked), "a workspace is asked and told, not passed on"
    assert {n.attr for n in asked} <= {*METHODS, "profile", "made"} and all(call.args for call in calls)
    return [(METHODS[call.func.attr], ast.literal_eval(call.args[0])) for call in calls]


def test_a_chapter_reads_and_writes_what_it_declares(chapter):
    found = {kind: set() for kind in METHODS.values()}
    for kind, name in workspace_calls(chapter):
        found[kind].add(name)
    assert found["writes"] == chapter.writes
    assert found["asks"] - chapter.writes == chapter.reads_if_there
    assert found["reads"] - chapter.writes - found["asks"] == chapter.reads
    outside = {"a path or empty": {"file", "folder"}, "module:name or empty": {"module"}}
    told = {name: outside[str(p.range)] for name, p in chapter.parameters.items() if str(p.range) in outside}
    assert set(told) == set(chapter.paths) and all(kind in told[name] for name, kind in chapter.paths.items())
    assert {chapter.parameters[name].type for name in chapter.paths} <= {"str"}
    assert set(chapter.needs) <= set(chapter.paths) and set(chapter.paths.values()) <= {"file", "folder", "module"}


def test_what_a_chapter_reads_is_written_before():
    written = set()
    for chapter in CHAPTERS:
        assert chapter.inputs <= written, f"{chapter.stem} reads {chapter.inputs - written}, which none before writes"
        written |= chapter.writes


def test_no_two_chapters_share_a_label():
    labels = [label for chapter in CHAPTERS for label in pages.labels(chapter)]
    assert len(labels) == len(set(labels))


def test_the_same_parameter_means_the_same_in_every_chapter():
    meanings = {}
    for chapter in CHAPTERS:
        for parameter in chapter.parameters.values():
            first = meanings.setdefault(parameter.name, parameter)
            both = [(one.type, one.default, one.range) for one in (first, parameter)]
            assert both[0] == both[1], f"{chapter.stem}: {parameter.name}"


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_every_profile_names_parameters_that_exist(path, monkeypatch, tmp_path):
    book = Book(workspace.ROOT, tmp_path, tmp_path)
    for variable in chapters.VARIABLE.findall(path.read_text(encoding="utf-8")):
        monkeypatch.setenv(variable, str(tmp_path))
    profile = chapters.load(book, path.stem)
    found = chapters.settings(profile, CHAPTERS, [], book.root)
    chapters.check_relations(profile, [chapter for chapter in CHAPTERS if chapter.stem in found], found)
    assert found


# --- the page on running the book

PAGE = (workspace.ROOT / "book" / "how_to_run.md").read_text(encoding="utf-8")
COLUMNS = ("tiny", "demo", "sites", "paper")
ROWS = re.findall(r"^\| `(\d\d)\.(\w+)` \|[^|]+\|(.+)\|$", PAGE, re.MULTILINE)
BY_NUMBER = {chapter.stem[:2]: chapter for chapter in CHAPTERS}


@pytest.fixture(scope="module")
def profiles():
    folder = workspace.ROOT / "notebooks" / "profiles"
    return {name: yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8")) for name in COLUMNS}


def test_each_setting_of_the_page_is_as_the_profiles_have_it(profiles):
    assert {number for number, *_ in ROWS} >= {"08", "09", "10", "11"}
    assert len(ROWS) == len({row[:2] for row in ROWS})
    for number, name, cells in ROWS:
        chapter = BY_NUMBER[number]
        for profile, shown in zip(COLUMNS, cells.split("|"), strict=True):
            content = profiles[profile]
            default = {name: chapter.parameters[name].default}
            sections = (content.get(chapter.stem) or {}, content.get("common") or {}, default)
            value = next(section[name] for section in sections if name in section)
            expected = f"{value:,}" if number in content.get("chapters", [number]) else "–"
            assert shown.strip() == expected, f"how_to_run.md, {number}.{name}, {profile}: the profile has {expected}"


def test_the_chapters_of_profile_sites_are_as_told(profiles):
    told = re.search(r"^\| `sites` \|[^|]+\| ([^|]+) \|", PAGE, re.MULTILINE)[1]
    spans = [part.split(" to ") for part in told.split(", ")]
    numbers = [f"{n:02d}" for ends in spans for n in range(int(ends[0]), int(ends[-1]) + 1)]
    assert numbers == profiles["sites"]["chapters"]
