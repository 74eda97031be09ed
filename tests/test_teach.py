"""The instructor's page has an entry for each chapter, whole, and in the order of the table of contents."""

import json
import re

import pytest
import yaml

from helpers.workspace import ROOT

PAGE = (ROOT / "book" / "teach.md").read_text(encoding="utf-8")
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [
    entry["file"].removeprefix("notebooks/")
    for part in TOC["parts"]
    for entry in part["chapters"]
    if entry["file"].startswith("notebooks/")
]
ENTRIES = dict(re.findall(r"^### (\d+)\. (.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


def source(stem):
    cells = json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_each_chapter_has_its_entry_in_the_order_of_the_contents():
    assert len(CHAPTERS) > 10 and list(ENTRIES) == [str(int(stem[:2])) for stem in CHAPTERS]


@pytest.mark.parametrize("stem", CHAPTERS)
def test_an_entry_is_whole_and_names_what_the_chapter_has(stem):
    entry, chapter = ENTRIES[str(int(stem[:2]))], source(stem)
    assert entry.splitlines()[0] in chapter.splitlines()[0]
    assert re.search(r"\bhours?\b", entry.splitlines()[2] + entry.splitlines()[3])
    parts = re.findall(r"^(\w[\w ]+)\n: ", entry, re.MULTILINE)
    assert parts == ["Goals", "Prerequisites", "Common mistakes", "May be skipped"]
    mistakes = entry.split("Common mistakes\n")[1].split("\n\n")[0]
    assert len(re.findall(r"^: \*", mistakes, re.MULTILINE)) >= 4
    asked = {int(n) for n in re.findall(r"\(Exercise (\d)\)", entry)}
    assert asked <= {int(n) for n in re.findall(r"^### Exercise (\d)", chapter, re.MULTILINE)}
    headings = re.findall(r"^#+ (.*?)$", chapter, re.MULTILINE)
    skipped = re.findall(r"\*([^*]+)\*", entry.split("May be skipped\n")[1])
    assert [part for part in skipped if part not in headings] == []


def test_plans_are_for_two_four_and_eight_lessons():
    plans = PAGE.split("## Three plans")[1].split("\n## ")[0]
    for word, count in {"Two": 2, "Four": 4, "Eight": 8}.items():
        plan = plans.split(f"### {word} lessons")[1].split("\n### ")[0]
        assert re.findall(r"^\| (\d) \|", plan, re.MULTILINE) == [str(n + 1) for n in range(count)]


def test_tables_are_narrow_enough_for_a_phone():
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert len(rows) > 20 and {row.count("|") for row in rows} == {3}
