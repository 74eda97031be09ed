"""What a parameter may be: every value beyond an end of its range is refused before anything runs, every end passes."""

import ast
import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers import ranges, reported, workspace
from helpers.cnn.network import AT_ONCE
from helpers.demo import earth
from helpers.products import CONTENT, climate
from helpers.products import products as registry
from helpers.ranges import NoRange, Relation
from helpers.run import chapters
from helpers.run.chapters import Profile, UserError
from helpers.space import grid, windows
from helpers.stats import significance

CHAPTERS = chapters.discover(workspace.ROOT / "notebooks")
BY_NUMBER = {chapter.stem[:2]: chapter for chapter in CHAPTERS}
EACH = [(chapter, p) for chapter in CHAPTERS for p in chapter.parameters.values() if p.name != "profile"]
ENDS = re.compile(r"(above )?(-?[\d.]+)(?: to |, up to )(-?[\d.]+)")


def settings(stem, name, value):
    """Resolve the whole book as a profile with one value would."""
    return resolved(stem, {name: value})


def resolved(stem, values):
    """Resolve and check the whole book as a profile with a section would."""
    profile = Profile("trial", workspace.ROOT / "trial.yml", {}, {stem: values}, None)
    found = chapters.settings(profile, CHAPTERS, [], workspace.ROOT)
    chapters.check_relations(profile, [chapter for chapter in CHAPTERS if chapter.stem in found], found)
    return found


def refused(chapter, parameter, value):
    """Assert that a value is refused in one line that names parameter, range and value."""
    with pytest.raises(UserError) as caught:
        settings(chapter.stem, parameter.name, value)
    said = str(caught.value)
    assert f"{chapter.stem}.{parameter.name}: expected {parameter.expected}, found " in said and "\n" not in said
    assert ranges.shown(value)[:80] in said
    return said


def numbers(parameter):
    """Read a number's ends from the comment, by another way than the book's: beyond them, and at them."""
    above, low, high = ENDS.search(parameter.help[parameter.help.rindex("(") :]).groups()
    low, high = float(low), float(high)
    step = 1 if parameter.type == "int" else 1e-9
    beyond = [low - step, high + step] + [low] * bool(above)
    beyond = [value for value in beyond if not (value == 0 and "(0 or" in parameter.help)]
    within = [high] + [low] * (not above)
    return ([int(v) for v in beyond], [int(v) for v in within]) if parameter.type == "int" else (beyond, within)


WRONG = {
    "int": [None, "x", "3", 2.5, 3.0, True, math.nan, 10**30, -(10**30), [], {}],
    "float": [None, "x", "nan", "-inf", True, math.nan, math.inf, -math.inf, 10**400, 1e300, -1e300, [], {}],
    "str": [None, 3, True, math.nan, [], {}, "a\nb", " ", "x\0", "x" * 2000],
    "bool": [None, 0, 1, "true", "yes", 1.0, []],
    "list": [None, 3, "abc", {}, [[]], [None], [True, False], [math.nan], [math.inf], ["x", "x"], [{}], [""], [10**30]],
    "dict": [None, 3, "abc", [], {1: "a"}, {"": "a"}, {"a": None}, {"a": {}}, {"a": []}, {"a": math.nan}, {"a": True}],
}


@pytest.mark.parametrize(("chapter", "parameter"), EACH, ids=lambda each: getattr(each, "stem", None) or each.name)
def test_a_value_beyond_an_end_or_of_another_kind_is_refused_and_the_ends_pass(chapter, parameter):
    beyond, within = list(WRONG[parameter.type]), [parameter.default]
    match parameter.type:
        case "int" | "float":
            further, inside = numbers(parameter)
            beyond, within = beyond + further, within + inside
        case "str" if "(one of: " in parameter.help:
            first = re.search(r"one of: ([^,;)]+)", parameter.help)[1]
            beyond, within = [*beyond, "zzz", first.swapcase(), f"{first} "], [*within, first]
            if " or empty" not in parameter.help:
                beyond.append("")
        case "list" | "dict":
            least, most = map(int, re.search(r"[(;] ?(\d+)(?: to (\d+))?", parameter.help).groups(default=0))
            filled, most = list(parameter.default), most or least
            counted = [f"a{n}" for n in range(most + 1)]
            long = (filled * 99)[: most + 1] if filled and " numbers" in parameter.help else counted
            beyond.append(dict.fromkeys(long, "x") if parameter.type == "dict" else long)
            if least:
                beyond += [[], filled[: least - 1]]
            if "no repeats" in parameter.help and parameter.type == "list" and filled:
                beyond.append([filled[0], filled[0]])
            if "rising" in parameter.help:
                beyond.append(filled[::-1])
            if "rising from 1" in parameter.help:
                beyond.append([2, 4])
            if " of: " in parameter.help:
                beyond.append({"zzz": "x"} if parameter.type == "dict" else ["zzz"])
            if "numbers, " in parameter.help and filled:
                low, high = map(float, ENDS.search(parameter.help.split("each ")[1]).groups()[1:])
                beyond += [[*filled[:-1], low - 1], [*filled[:-1], high + 1], [*filled[:-1], str(filled[-1])]]
    beyond = [value for value in beyond if not (value == [] and parameter.default == [])]
    for value in beyond:
        refused(chapter, parameter, value)
    for value in within:
        assert parameter.checked(value, "here") == value


SAID = {
    "01.seed": [-1, 4_000_000_001],
    "01.last_year": [2500],
    "01.demo_towers": [10**8, 4],
    "01.resolution": [7.0, 0.0, -1.0, 0.001],
    "01.demo_lag_weights": [[0.1], [0.1, 0.1, 0.1, 0.1]],
    "01.resampling": ["mode"],
    "01.land_cover_year": [1, -1, 2101],
    "02.partitioning": ["evening"],
    "02.min_qc": [-1.0, 1.01],
    "02.channels": [["mat", "mat"], []],
    "02.table_factors": [{"reco": 0}, {"reco": [1, 2, 3]}, {"reco": "x"}],
    "02.table_columns": [{"mat": ["a"] * 8}, {"mat": 3}],
    "03.learning_rate": [0.0, 2.0],
    "03.kernel": [2, 11],
    "03.widths": [[1, 2], [1, 2, 0], [1, 2, 3.5], [1, 2, True], [1, 2, 3, 4]],
    "04.process_models": [{"cmip7": ["a"]}, {"trendy": []}, {"trendy": ["a", "a"]}],
    "05.softness": [[0.1, 0.1], [0.0]],
    "08.honest_rungs": [[], ["sites", "sites"], ["random"]],
    "08.own_model": ["zzz"],
    "09.lag_level": [2.0, 0.0],
    "09.curve_scales": [[6, 3], [3, 3], [0, 3], [3, 61]],
    "10.years_inside": [2.0, 0.0],
    "11.draws": [1],
    "11.judge": ["mean", "site's own mean"],
    "11.use_efficiencies": [[], [0.4, 0.4], [1.5]],
    "11.memories": [[1.0]],
    "16.workers": [[8, 1], [1]],
}


def test_what_once_ran_to_the_end_or_ended_in_the_middle_is_refused():
    for place, values in SAID.items():
        number, name = place.split(".")
        for value in values:
            refused(BY_NUMBER[number], BY_NUMBER[number].parameters[name], value)


def test_a_text_that_waits_for_a_variable_is_checked_when_that_is_filled_in(monkeypatch):
    for name, value in (("partitioning", "${WHEN}"), ("channels", ["mat", "${WHEN}"])):
        monkeypatch.setenv("WHEN", "day" if name == "partitioning" else "map")
        assert "${" not in str(settings("02_site_sampling", name, value)["02_site_sampling"].values[name])
        monkeypatch.setenv("WHEN", "mat")
        with pytest.raises(UserError, match=f"02_site_sampling.{name}: expected .*, found .*mat"):
            settings("02_site_sampling", name, value)


VOCABULARIES = {
    "01.resampling": {*grid.METHODS} - {"mode"},  # which is for classes
    "01.soil_product": {name for name in registry() if name.startswith("soilgrids")},
    "01.demo_difficulty": {*earth.DIFFICULTIES},
    "02.climate_rain": {*climate.RATES},
    "02.climate_columns": {*climate.COLUMNS},
    "02.fill": {*windows.FILLS} - {"nan"},  # which is for counting
    "03.device": {*AT_ONCE},
    "04.model": {*reported.table("inputs").model},
    "04.process_models": {name for name, product in registry().items() if "model" in product.file.groupindex},
    "09.null_model": {*reported.table("inputs").model} - {"CNN1"},
    "11.trend_test": {*significance.METHODS},
}


def test_names_to_choose_from_are_those_that_the_code_knows():
    for place, known in VOCABULARIES.items():
        number, name = place.split(".")
        assert {*BY_NUMBER[number].parameters[name].range.choices[0].names} == known, place
    texts = {n.value for tree in BY_NUMBER["08"].trees for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    assert {*BY_NUMBER["11"].parameters["judge"].range.choices[0].names} <= texts
    within = next(Relation.of(text) for text in BY_NUMBER["02"].relations if " within " in text)
    assert {name for name in within.right.split(", ") if "spei" not in name} <= {*CONTENT["canonical"]}


@pytest.mark.parametrize(
    ("stem", "values", "words"),
    [
        ("01", {"first_year": 2019}, "expected first_year <= last_year, found first_year 2019, last_year 2018"),
        ("01", {"demo_climate_start": 1998}, r"expected demo_climate_start \+ 3 <= first_year"),
        ("01", {"demo_climate_factor": 7}, r"expected resolution \* demo_climate_factor divides 180"),
        ("01", {"resolution": 0.05}, "expected 0.25 <= resolution unless data_folder, found resolution 0.05"),
        ("02", {"min_reco": 6000.0}, "expected min_reco < max_reco, found min_reco 6000.0, max_reco 5000.0"),
        ("02", {"channels": ["mat", "zzz"]}, "expected channels within mat, map"),
        ("02", {"climate_table": "x.csv"}, "expected climate_table needs towers_table, found climate_table "),
        ("04", {"validation_models": {"A": "a"}}, "expected validation_models needs validation_table"),
        ("03", {"average_last": 2001}, "expected average_last <= iterations"),
        ("09", {"average_last": 251}, "expected average_last <= lag_iterations"),
        ("08", {"network_deals": 11}, "expected network_deals <= ladder_deals"),
        ("08", {"train_parts": 13}, r"expected train_parts <= 4 \* test_parts, found train_parts 13, test_parts 3"),
        ("11", {"block": 10}, r"expected 2 \* block <= 01.last_year - 01.first_year \+ 1, found block 10"),
        ("13", {"confidence": 0.8}, "expected confidence = 11.confidence, found confidence 0.8, 11.confidence 0.9"),
    ],
)
def test_values_that_do_not_go_together_are_refused(stem, values, words):
    with pytest.raises(UserError, match=f"^{BY_NUMBER[stem].stem}: {words}") as caught:
        resolved(BY_NUMBER[stem].stem, values)
    assert "\n" not in str(caught.value)


def test_a_relation_is_let_go_of_where_it_says_so():
    settings("01_data_preparation", "resolution", 0.5)
    free = {"data_folder": "x", "resolution": 0.05}
    assert resolved("01_data_preparation", free)["01_data_preparation"].values["resolution"] == 0.05


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if "data_driven" in c.parameters], ids=lambda c: c.stem)
def test_a_model_that_nobody_has_is_refused_where_the_models_are_read(chapter):
    (said,) = [
        n for tree in chapter.trees for n in tree.body if isinstance(n, ast.Assert) and "data_driven" in ast.unparse(n)
    ]
    known = said.test.comparators[0].args[0].id
    for names, holds in ((["A"], True), ([], True), (["A", "zzz"], False)):
        assert eval(ast.unparse(said.test), {"data_driven": names, known: ["A", "B"]}) is holds


# --- a chapter that is run by hand


def by_hand(stem, *lines, **values):
    """Check a chapter as its first code cell does where somebody has run its parameters cell, and then more lines."""
    cell = next(c.source for c in BY_NUMBER[stem[:2]].code if "parameters" in c.metadata.get("tags", []))
    names = {"In": ["", cell, *lines]}
    exec(cell, names)
    names |= values
    ranges.check(stem, names)
    return names


def test_a_chapter_that_is_run_by_hand_checks_its_parameters(monkeypatch):
    monkeypatch.delenv(workspace.RUNNER, raising=False)
    wrong = {
        "06_trends.alpha: expected a number 0.001 to 0.5, found 2.0; correct it": ("06_trends", {"alpha": 2.0}),
        "06_trends.seed: expected a whole number": ("06_trends", {"seed": "7"}),
        "02_site_sampling: expected min_reco < max_reco, found": ("02_site_sampling", {"min_reco": 9e3}),
        "12_real_land.grids_file: expected a path, found none": ("12_real_land", {}),
    }
    for words, (stem, values) in wrong.items():
        with pytest.raises(UserError, match=f"^{re.escape(words)}"):
            by_hand(stem, **values)
    assert type(by_hand("01_data_preparation", resolution=1)["resolution"]) is float
    by_hand("13_numbers", confidence=0.8)  # which is another chapter's matter
    own = 'profile: str = "demo"  # here (a name)\nalpha: float=2.0 # as I like it (0 to 3)\nseed = 1.5'
    by_hand("06_trends", own, alpha=2.0, seed=1.5)
    ranges.check("99_mine", {"In": ["", own], "profile": "demo", "alpha": 1.0})
    ranges.check("06_trends", {"alpha": 2.0})  # no notebook
    monkeypatch.setenv(workspace.RUNNER, "1")
    by_hand("06_trends", alpha=2.0)


def test_each_chapter_does_so_in_its_first_cell_below_the_parameters():
    for chapter in CHAPTERS:
        below = next(k for k, cell in enumerate(chapter.code, 1) if "parameters" in cell.metadata.get("tags", []))
        calls = [line for line in chapter.code[below].source.splitlines() if not re.match(r"(from|import) |$", line)]
        assert calls[0] == f'ranges.check("{chapter.stem}", globals())'


# --- the grammar


def test_the_ranges_that_the_guide_shows_are_read():
    guide = (workspace.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:int, float|str|bool|list|dict) \| (.+) \|$", guide, re.MULTILINE)
    assert len(rows) == 5
    for text in re.findall(r"`([^`]+)`", " ".join(rows)):
        assert str(ranges.parse(text)) == text


PLAIN = st.sampled_from(["mat", "site's own mean", "mm d-1", "AU-*", "1", "to", "NPP/0.5", "kNNDM", "mm", "nor", "odd"])
NAMES = st.lists(PLAIN, min_size=1, max_size=4, unique=True)
WHOLE = st.integers(-(10**6), 10**6)
DECIMAL = st.decimals(-1000, 1000, places=3).map(lambda d: float(d)).filter(lambda x: "e" not in str(x))
PAIR = st.tuples(WHOLE | DECIMAL, WHOLE | DECIMAL).filter(lambda two: two[0] < two[1])
INTERVAL = st.one_of(PAIR.map("{0[0]} to {0[1]}".format), PAIR.map("above {0[0]}, up to {0[1]}".format), WHOLE.map(str))
NUMBER = st.builds(
    lambda ends, odd, parted: ends + ", odd" * odd + ", divides 180" * parted, INTERVAL, st.booleans(), st.booleans()
)
TEXT = st.sampled_from(["a name", "a path", "module:name", "empty"]) | NAMES.map(lambda n: f"one of: {', '.join(n)}")
COUNT = st.tuples(st.integers(0, 5), st.integers(6, 99)).map("{0[0]} to {0[1]}".format) | st.integers(1, 9).map(str)
LIST = st.builds(
    lambda n, what, order: f"{n} {what}{order}",
    COUNT,
    st.sampled_from(["names", "numbers", "whole numbers"]),
    st.sampled_from(["", ", no repeats", ", rising", ", rising from 1"]),
)
ALONE = NUMBER | TEXT | LIST
SOME = st.lists(ALONE, min_size=1, max_size=3).map(" or ".join)
RANGE = SOME | st.just("true or false") | st.builds("{}, each {}".format, LIST, SOME)
WORDS = st.lists(
    st.sampled_from(
        [
            "0",
            "1",
            "9",
            "0.5",
            "to",
            "above",
            "up",
            "or",
            "each",
            "of:",
            "one",
            "names,",
            "whole",
            "numbers",
            "odd",
            "a name",
        ]
    ),
    max_size=9,
).map(" ".join)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(RANGE)
def test_what_the_grammar_makes_is_read_and_written_again_as_it_was(text):
    found = ranges.parse(text)
    assert str(found) == text and ranges.parse(str(found)) == found


@given(st.text(max_size=30) | WORDS, st.sampled_from(sorted(chapters.TYPES)))
@example("1 to 05", "int")
@example("9 to 1", "int")
@example("0 to 9, od", "int")
@example("1 to 3 of: a", "list")
def test_other_words_are_no_range_and_raise_nothing_else(text, kind):
    for read in (ranges.parse, lambda words: ranges.read(f"meaning ({words})", kind), Relation.of):
        try:
            found = read(text)
        except NoRange:
            continue
        assert str(getattr(found, "text", found)) in text


@given(RANGE, VALUE)
def test_any_value_is_within_or_not(text, value):
    assert ranges.parse(text).admits(value) in (True, False)
    assert "\n" not in ranges.shown(value)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 2))
def test_numbers_lie_between_their_ends_as_python_has_it(low, value, more):
    assert ranges.parse(f"{low} to {low + 9}").admits(value) == (value in range(low, low + 10))
    assert ranges.parse(f"above {low}, up to {low + 9}").admits(value) == (value in range(low + 1, low + 10))
    assert ranges.parse(f"-50 to 50, odd or {more}").admits(value) == (abs(value) % 2 == 1 or value == more)
    assert ranges.parse("1 to 50, divides 180").admits(value) == (value in {n for n in range(1, 51) if 180 % n == 0})
    values = {"low": low, "value": value, "07.more": more}
    for text in ("low <= value", "low + 2 * value < 07.more", "low - 3 = value"):
        plain = text.replace("07.", "").replace(" = ", " == ")
        assert Relation.of(text).holds(values) == eval(plain, {"low": low, "value": value, "more": more})
    assert Relation.of("low < value unless 07.more").holds(values) == (low < value or more != 0)
