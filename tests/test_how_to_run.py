"""What the page on running the book says of the profiles is what stands in them."""

import re

import pytest
import yaml

from helpers.run import chapters
from helpers.workspace import ROOT

PAGE = (ROOT / "book" / "how_to_run.md").read_text(encoding="utf-8")
PROFILES = ("tiny", "demo", "sites", "paper")
ROWS = re.findall(r"^\| `(\d\d)\.(\w+)` \|[^|]+\|(.+)\|$", PAGE, re.MULTILINE)
BY_NUMBER = {chapter.stem[:2]: chapter for chapter in chapters.discover(ROOT / "notebooks")}


@pytest.fixture(scope="module")
def profiles():
    folder = ROOT / "notebooks" / "profiles"
    return {name: yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8")) for name in PROFILES}


def test_the_page_has_the_settings_of_part_2():
    assert {number for number, *_ in ROWS} >= {"08", "09", "10", "11"}
    assert len(ROWS) == len({row[:2] for row in ROWS})


@pytest.mark.parametrize(("number", "name", "cells"), ROWS, ids=lambda v: v if len(v) < 25 else "")
def test_a_setting_is_as_the_profiles_have_it(profiles, number, name, cells):
    chapter = BY_NUMBER[number]
    default = chapter.parameters[name].default
    for profile, shown in zip(PROFILES, cells.split("|"), strict=True):
        content = profiles[profile]
        sections = (content.get(chapter.stem) or {}, content.get("common") or {}, {name: default})
        value = next(section[name] for section in sections if name in section)
        left_out = number not in content.get("chapters", [number])
        expected = "–" if left_out else f"{value:,}"
        assert shown.strip() == expected, f"book/how_to_run.md, {number}.{name}, {profile}: the profile has {expected}"


def test_the_chapters_of_profile_sites_are_as_told(profiles):
    told = re.search(r"^\| `sites` \|[^|]+\| ([^|]+) \|", PAGE, re.MULTILINE)[1]
    spans = [part.split(" to ") for part in told.split(", ")]
    numbers = [f"{n:02d}" for ends in spans for n in range(int(ends[0]), int(ends[-1]) + 1)]
    assert numbers == profiles["sites"]["chapters"]
