"""Profiles: four layers of values, and every mistake in them found before a chapter runs."""

import nbformat
import pytest
from miniature import notebook

from helpers.run import chapters
from helpers.run.chapters import Book, UserError

CELL = """profile: str = "demo"  # workspace (a name)
seed: int = 1  # seeds every draw (0 to 99)
rate: float = 0.5  # learning rate (above 0, up to 2)
batch: int = 8  # samples at a time (1 to 64; fewer need less memory)
reach: float = 2.0  # how near (km; 0 or 2 to 9)
flag: bool = False  # a switch (true or false)
names: list = ["a"]  # some names (0 to 3 names)
sizes: dict = {"a": 1}  # some sizes (0 to 3 names, each 0 to 9)
site_table: str = ""  # a table (a path or empty)
native_folder: str = ""  # a folder (a path or empty)"""


DECLARED = """
01_first:
  paths: {site_table: file, native_folder: folder}
02_second:
  paths: {site_table: file, native_folder: folder}
03_third: {}
"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    third = 'profile: str = "demo"  # workspace (a name)\nonly_here: int = 3  # a number (1 to 9)'
    for stem, cell in {"01_first": CELL, "02_second": CELL, "03_third": third}.items():
        nbformat.write(notebook(stem, cell), tmp_path / "notebooks" / f"{stem}.ipynb")
    (tmp_path / "notebooks" / "chapters.yml").write_text(DECLARED)
    return Book(tmp_path, tmp_path / "outputs", tmp_path / "_build")


def resolve(book, text, *overrides):
    (book.notebooks / "profiles" / "trial.yml").write_text(text)
    profile, everything = chapters.load(book, "trial"), chapters.discover(book.notebooks)
    chosen = chapters.settings(profile, everything, list(overrides), book.root)
    running = [c for c in everything if c.stem in chosen]
    chapters.check_relations(profile, running, chosen)
    chapters.check_outside(profile, running, chosen)
    return chosen


def test_each_layer_goes_over_the_one_before(book):
    text = "common: {seed: 2, rate: 0.2}\n01_first: {seed: 3}\n"
    chosen = resolve(book, text)
    assert [chosen[s].values["seed"] for s in ("01_first", "02_second")] == [3, 2]
    assert chosen["01_first"].values["flag"] is False
    assert "seed" not in chosen["03_third"].values
    chosen = resolve(book, text, "seed=4", "02.rate=1")
    assert [chosen[s].values["seed"] for s in ("01_first", "02_second")] == [4, 4]
    assert [chosen[s].values["rate"] for s in ("01_first", "02_second")] == [0.2, 1.0]
    assert resolve(book, text, "02_second.seed=9")["01_first"].values["seed"] == 3
    chosen = resolve(book, text, "02.seed=9", "seed=4")
    assert [chosen[s].values["seed"] for s in ("01_first", "02_second")] == [4, 9], "that for one, in whatever order"
    assert resolve(book, "01_first: {seed: 1, rate: 1}\n")["01_first"].changed == {"profile": "trial", "rate": 1.0}


def test_a_value_on_the_command_line_is_read_as_the_parameters_type(book):
    values = {"rate=1e-3": 1e-3, "rate=2": 2.0, "flag=true": True, "names=[x, y]": ["x", "y"], "sizes={b: 2}": {"b": 2}}
    for override, value in values.items():
        found = resolve(book, "", override)["01_first"].values[override.split("=")[0]]
        assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("common: {sed: 2}", (), "common: there is no parameter 'sed'; did you mean 'seed'?"),
        ("01_first: {profile: demo}", (), "there is no parameter 'profile'"),
        ("09_ninth: {seed: 2}", (), "there is no chapter '09_ninth'; the chapters are 01_first, 02_second, 03_third"),
        ("01_first: {seed: 2.5}", (), "01_first.seed: expected a whole number 0 to 99, found 2.5; correct it"),
        ("01_first: {seed: true}", (), "01_first.seed: expected a whole number 0 to 99, found True"),
        ("", ("batch=-1",), "--set batch=-1: 01_first.batch: expected a whole number 1 to 64, found -1; correct it"),
        ("common: {seed: [}", (), "expected YAML"),
        ("common: {seed: 1, seed: 2}", (), "found the key 'seed' twice; keep one"),
        ("01_first: {seed: 1}\n01_first: {batch: 2}", (), "found the key '01_first' twice"),
        ("01: {seed: 1}", (), "found the key '01', which is no text; put it in quotes"),
        ("common: &all {seed: 1}\n01_first: *all", (), "found an alias; write out what it stands for"),
        ("common: &all {sizes: *all}", (), "found an alias"),
        ("common: {names: " + 40 * "[" + 40 * "]" + "}", (), "found more than 32 levels"),
        ("# " + 2**20 * "x", (), "found more than 1048576 characters"),
        ("chapters: []", (), "chapters: expected at least one, found none"),
        ("[]", (), "expected names and values, found list"),
        ("false", (), "expected names and values, found bool"),
        ("common: {seed: 020}", (), "found the number '020', which YAML reads to another base"),
        ("", ("sizes={a: 1, a: 2}",), "found the key 'a' twice; keep one"),
        ("", ("seed",), "--set seed: expected name=value"),
        ("", ("seed=1", "batch=2", "seed=1"), "--set seed=1: seed is given twice; keep one"),
        ("", ("01.seed=1", "01_first.seed=2"), "--set 01_first.seed=2: 01_first.seed is given twice; keep one"),
        ("", ("profile=x",), "chosen by --profile x"),
        ("common: {site_table: no.csv}", (), "01_first.site_table: expected a file, found nothing at"),
        ("common: {native_folder: '${NOT_SET_HERE}/x'}", (), "needs the variable NOT_SET_HERE, which is not set"),
    ],
)
def test_a_mistake_is_named_in_one_line(book, text, overrides, message):
    with pytest.raises(UserError) as caught:
        resolve(book, text, *overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_profile_that_is_not_there_is_named_with_those_that_are(book):
    (book.notebooks / "profiles" / "tiny.yml").write_text("")
    for name in ("demoo", "../tiny"):
        with pytest.raises(UserError, match="there is no profile .* the profiles are tiny"):
            chapters.load(book, name)


@pytest.mark.parametrize("target", ["/dev/zero", "/etc", "/no/such/file"])
def test_a_profile_that_is_no_plain_file_is_refused(book, target):
    (book.notebooks / "profiles" / "trial.yml").symlink_to(target)
    with pytest.raises(UserError, match="trial.yml: expected YAML, found .*(no plain file|No such file)"):
        chapters.load(book, "trial")


def test_paths_outside_are_found_from_the_book_and_variables_filled_in(book, monkeypatch):
    (book.root / "there").mkdir()
    (book.root / "there" / "sites.csv").write_text("x")
    monkeypatch.setenv("SOMEWHERE", str(book.root / "there"))
    chosen = resolve(book, "common: {site_table: '${SOMEWHERE}/sites.csv', native_folder: there}")["02_second"]
    assert chosen.outside == {"site_table": book.root / "there/sites.csv", "native_folder": book.root / "there"}
    assert chosen.values["native_folder"] == str(book.root / "there")
    assert chosen.shown["site_table"] == "${SOMEWHERE}/sites.csv"
    with pytest.raises(UserError, match="native_folder: expected a folder, found something else"):
        resolve(book, "common: {native_folder: there/sites.csv}")
    monkeypatch.chdir(book.root / "there")  # on the command line, from where one stands
    chosen = resolve(book, "", "site_table=sites.csv")["01_first"]
    assert chosen.outside["site_table"] == book.root / "there" / "sites.csv"


def test_a_chapter_that_lacks_a_path_it_needs_is_left_out_unless_the_profile_lists_it(book):
    cell = 'profile: str = "demo"  # workspace (a name)\nmaps: str = ""  # a map (a path or empty)'
    nbformat.write(notebook("04_fourth", cell), book.notebooks / "04_fourth.ipynb")
    (book.notebooks / "chapters.yml").write_text(f"{DECLARED}04_fourth: {{paths: {{maps: file}}, needs: [maps]}}")
    (book.root / "map.nc").write_text("x")
    assert set(resolve(book, "")) == {"01_first", "02_second", "03_third"}
    assert "04_fourth" in resolve(book, "", f"04.maps={book.root / 'map.nc'}")
    with pytest.raises(UserError, match="04_fourth.maps: expected a path, found none; give it in "):
        resolve(book, "chapters: ['04']")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("wrong: int = 3  # times (3 or more)", "expected a comment that ends in one range for int"),
        ("wrong: int = 3  # times (1 to 9; 2 to 8)", "expected a comment that ends in one range for int"),
        ("wrong: int = 3  # times (4 to 9)", "parameter wrong: expected a whole number 4 to 9, found 3"),
        ("wrong: tuple = ()  # no", "expected a type among int, float, str, bool, list, dict, found tuple"),
        ("wrong: int = 3 * 4  # no", "expected a literal, found 3 * 4"),
        ("wrong: int = 3  # no, a = b", "expected one line"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_named(book, line, message):
    nbformat.write(notebook("01_first", line), book.notebooks / "01_first.ipynb")
    with pytest.raises(UserError) as caught:
        chapters.discover(book.notebooks)[0].parameters  # noqa: B018
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("03_third: {}", "", "03_third: found no entry; write one"),
        ("03_third: {}", "03_third: {}\n09_ninth: {}", "09_ninth: found no such notebook; drop the entry"),
        ("03_third: {}", "03_third: {reads: [x]}", "03_third: reads x, which no chapter writes"),
        ("03_third: {}", "03_third: {relations: [only_here]}", "only_here: expected a comparison of parameters, found"),
        ("03_third: {}", "03_third: {relations: [here < 3]}", "here < 3: there is no parameter 'here'; correct it"),
        (
            "03_third: {}",
            "03_third: {relations: [only_here < 3]}",
            "03_third: expected only_here < 3, found only_here 3",
        ),
        ("03_third: {}", "03_third: {writes: {x: {file: x.csv}}}", "03_third: x: expected .* with file and holds"),
        *(
            (
                "03_third: {}",
                f"03_third: {{writes: {writes}}}",
                f"03_third: {name}: expected a file's plain name of its own",
            )
            for name, writes in (
                ("x", "{x: {file: ../x.csv, holds: x}}"),
                ("x", '{x: {file: "x.csv\\0", holds: x}}'),
                ("y", "{x: {file: a.csv, holds: x}, y: {file: a.csv, holds: y}}"),
            )
        ),
        ("site_table: file", "site_tabel: file", "01_first: paths: site_tabel: found no such parameter"),
    ],
)
def test_a_mistake_in_the_declarations_is_named_in_one_line(book, old, new, words):
    (book.notebooks / "chapters.yml").write_text(DECLARED.replace(old, new))
    with pytest.raises(UserError, match=words) as caught:
        resolve(book, "")
    assert "\n" not in str(caught.value)


def test_a_damaged_notebook_is_named(book):
    path = book.notebooks / "02_second.ipynb"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match="02_second.ipynb: expected a Jupyter notebook"):
        chapters.discover(book.notebooks)[1].notebook  # noqa: B018


def test_a_device_that_is_not_there_is_named(book, monkeypatch):
    chosen = {
        "01_first": chapters.Settings({"device": "cuda"}, {}, {}, {}, ()),
        "03_third": chapters.Settings({}, {}, {}, {}, ()),
    }
    running = [c for c in chapters.discover(book.notebooks) if c.stem in chosen]
    monkeypatch.setattr("torch.empty", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no NVIDIA driver")))
    with pytest.raises(UserError, match="^01_first.device: expected cpu, or cuda where .*, found 'cuda'; choose cpu"):
        chapters.check_devices(running, chosen)
    monkeypatch.undo()
    chosen["01_first"].values["device"] = "cpu"
    chapters.check_devices(running, chosen)
