"""Whatever stands in a file of settings, a record or a table: it is read, or one line says what is wrong with it.

Examples are drawn by Hypothesis: few and always the same ones by default, many more by ``make fuzz`` and in a test that
takes long, where FUZZ_N says how many of each, and ``--hypothesis-seed`` which.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import fetch, strict, workspace
from helpers.cnn import guests, storage
from helpers.products import ProductError, site_table
from helpers.publish import leaderboard, mine
from helpers.run import chapters, cluster, staleness
from helpers.workspace import ROOT, UserError

MANY = int(os.environ.get("FUZZ_N", "0"))


def few(number):
    """Draw so many examples, the same ones each time; or as many as are asked for, other ones each time."""
    return settings(
        max_examples=MANY or number,
        derandomize=not MANY,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def told(*kinds):
    """Let the block end well, or with an error of these kinds, of one printable line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except kinds as error:
            text = str(error)
            assert text.isprintable() and 10 < len(text) <= workspace.LINE, text[:2000]


# What may stand in a file: texts that are read otherwise than they look, numbers without end, and things in each other

ODD = ["", "~", "null", "yes", "1e999", "-.inf", ".nan", "0x_", "1_0", "1:30", "2001-02-30", "2001-01-01", "a\0b",
       "\x85", "~nobody/x", "${HOME}", "${NO_SUCH_1}", "${", "<<", "=", "a\nb", "\x1b[31m", "<img src=x>", "\u202e",
       "é" * 300, "٣", "../../x", "/", "//", "x:y", "os:sep", "tcp://host:8786", "9" * 5000, "x" * 5000, "\ufeff",
       "\U0001f600"]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="utf-8"), max_size=12))
NUMBERS = st.one_of(st.integers(), st.sampled_from([0, -1, 10**400, True, False]), st.floats())
PLAIN = st.one_of(st.none(), TEXTS, NUMBERS, st.dates())
THINGS = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=8
)
SIGNS = st.lists(
    st.sampled_from([*"{}[]:,-&*!|>'\"%@`#?~ \n\t\\0a", "\n  ", "\n- ", ": ", "&a ", "*a", "<<: ", "!!binary ",
                     "!!python/name:os.system ", "!!set ", "!!float ", "---\n", "...", "%YAML 9.9\n", "common:",
                     "chapters:", "\r", "\ufeff"]),
    max_size=40,
).map("".join)  # fmt: skip


def dumped(thing):
    """Return YAML that a person could have written, with whatever in it."""
    return yaml.safe_dump(thing, allow_unicode=True, sort_keys=False)


@st.composite
def edited(draw, texts):
    """Return a valid text in which lines are doubled, lost, moved in or out, or some signs are others."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["twice", "lost", "in", "out", "signs", "cut"]))
        if kind == "twice":
            lines.insert(at, lines[at])
        elif kind == "lost":
            del lines[at]
        elif kind == "in":
            lines[at] = "  " + lines[at]
        elif kind == "out":
            lines[at] = lines[at].removeprefix("  ")
        elif kind == "signs":
            where = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:where] + draw(SIGNS) + lines[at][where + draw(st.integers(0, 3)) :]
        else:
            lines = lines[: at + 1]
        text = "\n".join(lines)
    return text


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def texts_of(paths):
    return [path.read_text(encoding="utf-8") for path in paths]


# Profiles, --set, chapters.yml, queues

CHAPTERS = chapters.discover(ROOT / "notebooks")
PROFILES = texts_of(sorted((ROOT / "notebooks" / "profiles").glob("*.yml")))
NAMES = sorted({name for chapter in CHAPTERS for name in chapter.parameters})
STEMS = [chapter.stem for chapter in CHAPTERS]


@st.composite
def sections(draw):
    """Return a profile of the book's own names, with anything as their values."""
    profile = {}
    for stem in draw(st.lists(st.sampled_from([*STEMS, "common"]), max_size=3)):
        names = NAMES if stem == "common" else list(CHAPTERS[STEMS.index(stem)].parameters)
        profile[stem] = draw(st.dictionaries(st.sampled_from(names), THINGS, max_size=3))
    for key in draw(st.lists(st.sampled_from(["description", "chapters", "common", "dask_scheduler"]), max_size=2)):
        profile[key] = draw(THINGS)
    if draw(st.booleans()):
        profile["chapters"] = draw(st.lists(st.one_of(st.sampled_from([*STEMS, "03", "3"]), THINGS), max_size=3))
    return dumped(profile)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book without profiles, of which no chapter is looked at twice."""
    root = tmp_path_factory.mktemp("book")
    return chapters.Book(root, root / "outputs", root / "_build")


@few(80)
@given(st.one_of(edited(PROFILES), sections(), THINGS.map(dumped), SIGNS, st.binary(max_size=20)))
def test_a_profile_is_read_or_refused_in_one_line(book, text):
    written(book.notebooks / "profiles" / "mine.yml", text)
    with told(UserError):
        profile = chapters.load(book, "mine")
        found = chapters.settings(profile, CHAPTERS, [], book.root)
        for stem, one in found.items():
            known = CHAPTERS[STEMS.index(stem)].parameters
            assert set(one.values) == set(known)
            for name, value in one.values.items():
                assert type(value) is chapters.TYPES[known[name].type]
                assert not isinstance(value, float) or math.isfinite(value)


@few(70)
@given(
    st.lists(
        st.one_of(
            TEXTS,
            st.builds(
                "{}{}={}".format,
                st.one_of(st.just(""), st.sampled_from(STEMS).map(lambda stem: f"{stem[:2]}."), TEXTS),
                st.one_of(st.sampled_from(NAMES), TEXTS),
                st.one_of(THINGS.map(dumped), SIGNS, TEXTS),
            ),
        ),
        min_size=1,
        max_size=2,
    )
)
def test_a_value_of_the_command_line_is_taken_or_refused_in_one_line(book, overrides):
    written(book.notebooks / "profiles" / "mine.yml", "description: mine")
    with told(UserError):
        profile = chapters.load(book, "mine")
        _, rest = chapters.scheduler(profile, overrides)
        chapters.settings(profile, CHAPTERS, rest, book.root)


DECLARED = texts_of([ROOT / "notebooks" / workspace.DECLARED])
ENTRY = st.dictionaries(st.one_of(st.sampled_from(list(workspace.KINDS)), TEXTS), THINGS, max_size=3)


@few(50)
@given(
    st.one_of(
        edited(DECLARED), st.dictionaries(st.one_of(st.sampled_from(STEMS), TEXTS), ENTRY, max_size=3).map(dumped),
        THINGS.map(dumped), SIGNS, st.binary(max_size=20),
    )
)  # fmt: skip
def test_what_chapters_declare_is_read_or_refused_in_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "declared"
    written(folder / workspace.DECLARED, text)
    with told(UserError):
        for entry in workspace.declarations(folder).values():
            assert set(entry) <= set(workspace.KINDS)


QUEUES = ["jobs: 4\njobqueue:\n  slurm:\n    cores: 8\n    memory: 16GB\n    walltime: '01:00:00'\n"]
KEYS = st.one_of(
    st.sampled_from(["slurm", "pbs", "jobs", "jobqueue", "cores", "memory", "job-extra-directives"]), TEXTS
)


@few(80)
@given(
    st.one_of(
        edited(QUEUES),
        st.fixed_dictionaries({"jobs": THINGS, "jobqueue": st.dictionaries(KEYS, THINGS, max_size=2)}).map(dumped),
        st.builds(
            lambda kind, section: dumped({"jobs": 1, "jobqueue": {kind: section}}),
            st.sampled_from(["slurm", "pbs", "sge", "local", "oar"]),
            st.one_of(THINGS, st.dictionaries(KEYS, THINGS, max_size=3)),
        ),
        THINGS.map(dumped),
        SIGNS,
        st.binary(max_size=20),
    )
)
def test_a_queue_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = written(tmp_path_factory.getbasetemp() / "queue.yml", text)
    with told(UserError):
        kind, section, jobs = cluster.described(path)
        assert isinstance(kind, str) and isinstance(section, dict) and jobs >= 1


@few(80)
@given(st.one_of(SIGNS, THINGS.map(dumped), edited(PROFILES)))
def test_yaml_that_is_read_says_what_pyyaml_reads(text):
    """An oracle: what is not refused is the same by PyYAML alone, and nothing of it went under a second equal key."""
    try:
        found = strict.load(text)
    except (yaml.YAMLError, ValueError):
        return
    assert repr(found) == repr(yaml.safe_load(text))
    node = yaml.compose(text, yaml.SafeLoader)
    nodes = [node] if node else []
    while nodes:
        one = nodes.pop()
        if isinstance(one, yaml.MappingNode):
            keys = [key.value for key, _ in one.value]
            assert len(set(keys)) == len(keys)
            nodes += [value for _, value in one.value]
        elif isinstance(one, yaml.SequenceNode):
            nodes += one.value


@pytest.mark.parametrize(
    "text", ["iterations: 020", "iterations: -0_17", "seed: 1:30", "draws: [5, 12:30:45]", "a: 1:30.5"]
)
def test_a_number_that_yaml_reads_to_another_base_is_refused(text):
    with pytest.raises(yaml.YAMLError, match="which YAML reads to another base; write it plainly"):
        strict.load(text)
    assert strict.load('a: ["020", "1:30"]\nb: [0, 01, -0_07, -0.5, 0.25, 2021, 1e3, 0x10]') == {
        "a": ["020", "1:30"],
        "b": [0, 1, -7, -0.5, 0.25, 2021, "1e3", 16],
    }


# Records

SHA = "0" * 64
RECORDS = [
    json.dumps({f"cru_tmp/{k}.nc": {"sha256": SHA, "bytes": k, "url": "", "version": "4"} for k in range(3)}, indent=1)
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["cru_tmp/x.nc", "sha256", "bytes", "version", "made_from", "made", "label", "content",
                                 "files", "models", "normaliser", "target", "optimal"]),
                TEXTS,
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=10,
)  # fmt: skip


def jsons(valid):
    return st.one_of(
        edited(valid), JSON.map(json.dumps), SIGNS, st.binary(max_size=20), st.just("[" * 10**5), st.just("9" * 9999)
    )


@few(60)
@given(jsons(RECORDS))
def test_a_record_of_checksums_is_read_or_refused_in_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "products"
    written(folder / "checksums.json", text)
    with told(fetch.FetchError):
        for line in fetch.verify("cru_tmp", folder):
            assert line.isprintable()


@few(60)
@given(jsons(['{"made_from": {"code": {}}, "made": {"maps": "x"}, "label": {"profile": "a", "world": "b"}}']))
def test_a_record_of_a_chapter_is_one_or_none(book, text):
    """Without one the chapter is made anew: no line is needed."""
    written(book.state("mine") / f"{STEMS[0]}.json", text)
    record = staleness.read_record(book, STEMS[0], "mine")
    assert record is None or {"made_from", "made"} <= set(record)
    if record:
        source = {kind: {} for kind in staleness.WORDS}
        assert staleness.changes(record, source, {}) is None or staleness.changes(record, source, {}).strip()


@few(60)
@given(data=st.data())
def test_remembered_digests_are_those_of_the_files(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "digests"
    file = written(folder / "a.txt", "a")
    path = folder / "digests.json"
    text = data.draw(jsons([json.dumps({str(file): [1, 2, 3, 4, "0" * 32]}, indent=1)]))
    right = staleness.Digests(Path(os.devnull)).of(file)
    written(path, text)
    digests = staleness.Digests(path)
    assert digests.of(file) == right
    digests.save()
    assert staleness.Digests(path).of(file) == right


@few(60)
@given(
    jsons([json.dumps({"models": {"m": {"channels": ["a"], "seeds": [1], "sha256": SHA}}, "normaliser": {},
                       "optimal": "m", "target": {"scale": 1.0}, "architecture": {}}, indent=1)])
)  # fmt: skip
def test_an_index_of_networks_is_read_or_refused_in_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "models"
    written(folder / storage.INDEX, text)
    written(folder / "m.safetensors", "x")
    with told(storage.DamagedModel, ValueError):
        storage.load(folder)
        raise AssertionError("these are no tensors")


# Tables

CELLS = st.one_of(
    st.sampled_from(["", "NA", "-9999", "nan", "inf", "1e400", "5,5", "5.5", "2001", "2001.0", "20O1", "A", '"', '"a',
                     "\0", "é", "ENF", "12", "\ufeff", "<img src=x onerror=y>", "a\rb", "-", "9" * 400, "𝟙", "=1+1"]),
    TEXTS, st.integers(-9999, 2100).map(str),
)  # fmt: skip
HEADS = st.one_of(
    st.sampled_from(["site", "year", "reco", "rule", "deal", "fold", "lat", "lon", "mat", "igbp", "qc"]), TEXTS
)
GOOD = ["site,year,lat,lon,mat,reco"] + [
    f"S{k},{2001 + y},{k},{k},{k + y},{500 + 10 * k + y}" for k in range(9) for y in (0, 1)
]
FOLDS = ["site,year,reco,rule,deal,fold"] + [f"S{k},2001,0.{k + 1},sites,1,{k % 4 + 1}" for k in range(9)]
TABLES = st.one_of(
    edited(["\n".join(GOOD), "\n".join(FOLDS), "\n".join(GOOD).replace(",", ";"), "\n".join(GOOD).replace(",", "\t")]),
    st.builds(
        lambda rows, sign: "\n".join(sign.join(row) for row in rows),
        st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=6).flatmap(
            lambda rows: st.lists(HEADS, min_size=1, max_size=6).map(lambda head: [head, *rows])
        ),
        st.sampled_from([",", ";", "\t", "|", " "]),
    ),
    SIGNS,
    st.binary(max_size=40),
)


@few(70)
@given(TABLES)
def test_a_table_of_predictions_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = written(tmp_path_factory.getbasetemp() / "said.csv", text)
    with told(ProductError, UserError):
        said = guests.predictions(path)
        assert said["year"].dtype.kind in "iuf" and said["reco"].dtype == float


@few(40)
@given(TABLES)
def test_what_a_course_hands_in_is_scored_or_told_in_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "handed_in"
    written(folder / "one.csv", text)
    labels = pd.DataFrame({"site": [f"S{k}" for k in range(9)], "year": 2001, "reco": 0.5})
    with told(ProductError, UserError):
        found, faults = leaderboard.handed_in(folder, labels)
        assert [*found, *faults] == ["one"]
        assert all(line.isprintable() and len(line) <= workspace.LINE for line in faults.values())
    with told(ProductError, UserError):
        leaderboard.labels_of(folder / "one.csv")


@few(80)
@given(TABLES)
def test_a_table_of_ones_own_is_taken_or_refused_in_one_line(tmp_path_factory, text):
    path = written(tmp_path_factory.getbasetemp() / "mine.csv", text)
    with told(ProductError, UserError):
        taken = mine.take(site_table.rows(path), {}, {})
        usable, predictors = mine.whole(path, taken)
        profile = mine.text_of(path, ROOT, taken, predictors, {}, (2001, 2002))
        assert isinstance(strict.load(profile), dict)
        assert mine.report(taken)


@pytest.mark.long
def test_many_more_of_them():
    """Each of the tests above by 1000 other examples; a seed that failed is printed, and can be given again."""
    seed = os.environ.get("FUZZ_SEED", "1")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not long",
        f"--hypothesis-seed={seed}",
    ]
    done = subprocess.run([*command, __file__], capture_output=True, text=True, env=os.environ | {"FUZZ_N": "1000"})
    assert done.returncode == 0, done.stdout[-4000:]
