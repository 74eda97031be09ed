"""What leaves the book says what it is, and nothing that is compared hangs on it."""

import base64
import io
import json
import shutil
import subprocess
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import netCDF4
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
import xarray as xr
from matplotlib.colors import ListedColormap
from miniature import CHAPTERS, notebook
from PIL import Image

from helpers import figures, provenance
from helpers.figures import shown
from helpers.provenance import Label
from helpers.run import pages
from helpers.run.chapters import Book
from helpers.workspace import ROOT, Workspace, columns

LABEL = Label(
    "demo", provenance.MADE, "06_trends", "the Demo Earth at 1°", 7, {"size": 2}, "0123456789ab", "2026-01-02T03:04:05Z"
)
TOLD = ("Demo Earth: a made planet", "demo", "06_trends", "0123456789ab", "2026-01-02T03:04:05Z")


@pytest.fixture
def ws(tmp_path, monkeypatch):
    """An empty workspace, as a notebook opened by hand has it."""
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path))
    return Workspace("demo")


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        yield
    plt.close("all")


def png(**texts):
    """A small PNG, with texts."""
    figure, made = plt.figure(figsize=(1, 1)), io.BytesIO()
    figure.canvas.print_figure(made, metadata=texts)
    return made.getvalue()


def test_a_netcdf_a_zarr_store_and_a_table_say_what_they_are_by_themselves(tmp_path):
    data = xr.Dataset({"x": ("i", [1.0, 2.0])}, attrs={"title": "own title", "note": "kept"})
    data.to_netcdf(tmp_path / "a.nc")
    data.drop_attrs().to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=True)
    pd.DataFrame({"site": ["A"], "reco": [0.5], "n": [3], "sure": [True]}).to_csv(tmp_path / "a.csv", index=False)
    for name in ("a.nc", "a.zarr", "a.csv"):
        provenance.put(LABEL, "what it holds", tmp_path / name, name, {"reco": ("RECO of a year", "kg m-2 yr-1")})
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
    assert attributes["title"] == "own title" and attributes["note"] == "kept" and attributes["seed"] == 7
    stores = [xr.open_zarr(tmp_path / "a.zarr", consolidated=how).attrs for how in (True, False)]
    assert stores[0] == stores[1] and stores[0]["title"] == "what it holds"
    beside = json.loads((tmp_path / "a.csv-metadata.json").read_text())
    assert (tmp_path / "a.csv").read_text().startswith("site,"), "no head in the table"
    for told in (attributes, stores[0], beside["notes"][0]):
        assert all(any(words in str(value) for value in told.values()) for words in TOLD)
    assert beside["@context"][0] == "http://www.w3.org/ns/csvw" and beside["url"] == "a.csv"
    kinds = {column["titles"]: column["datatype"] for column in beside["tableSchema"]["columns"]}
    assert kinds == {"site": "string", "reco": "number", "n": "integer", "sure": "boolean"}
    assert beside["dc:title"] == "what it holds"
    reco = beside["tableSchema"]["columns"][1]
    assert (reco["dc:description"], reco["schema:unitText"]) == ("RECO of a year", "kg m-2 yr-1")


def test_columns_are_told_for_all_tables_and_for_one(tmp_path):
    (tmp_path / "columns.yml").write_text("one.value: [of one, kg]\nvalue: of any\nn: [samples, samples]\n")
    one, other = (columns(name, tmp_path) for name in ("one", "other"))
    assert one == {"value": ("of one", "kg"), "n": ("samples", "samples")}
    assert other == {"value": ("of any", None), "n": ("samples", "samples")}
    assert set(pages.MARKS) == set(shown.COLUMNS)


def test_an_image_says_what_it_is_and_looks_as_it_did():
    plain = png(Software="something", Title="old")
    made = provenance.in_png(plain, provenance.of_image(LABEL, "RECO – café"))
    before, after = (Image.open(io.BytesIO(each)) for each in (plain, made))
    assert np.array_equal(np.asarray(before), np.asarray(after)) and after.info["dpi"] == before.info["dpi"]
    assert after.text["Title"] == "RECO – café" and "Software" not in after.text
    assert all(any(words in value for value in after.text.values()) for words in TOLD)
    assert provenance.drawn(plain) == provenance.drawn(made) != provenance.drawn(png()[:-12])


@pytest.mark.parametrize(("kind", "place"), [("png", b"iTXt"), ("svg", b"dc:source"), ("pdf", b"/Subject")])
def test_a_figure_saved_by_hand_says_what_it_is_and_never_when(tmp_path, kind, place):
    figures.use_house_style(made=True)
    plt.rcParams["svg.hashsalt"] = "one"
    figure, ax = plt.subplots()
    ax.set_title("A title")
    for name in ("one", "two"):
        figure.savefig(tmp_path / f"{name}.{kind}")
    one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
    assert one == two and b"A title" in one and b"made planet" in one and b"CreationDate" not in one
    assert b"dc:date" not in one
    assert kind == "png" or place in one


def test_what_is_made_by_hand_is_labelled_and_read_without_the_label(ws):
    data = xr.Dataset({"x": ("i", [1.0])}, attrs={"note": "kept"})
    ws.write("trends", data)
    ws.write("reco", data)
    ws.write("table2", pd.DataFrame({"a": [1]}))
    with ws.writing("models") as folder:
        (folder / "a").write_text("1")
    with netCDF4.Dataset(ws.path("trends")) as file:
        assert file.profile == "demo" and file.source.startswith("real data; ") and file.chapter == "06_trends"
    assert ws.read("trends").attrs == ws.read("reco").attrs == {"note": "kept"}
    assert [path.name for path in ws.path("models").iterdir()] == ["a"]
    for name in ("table2.csv", "models"):
        assert "profile demo" in (ws.folder / f"{name}-metadata.json").read_text()
    ws.drop("table2")
    assert not list(ws.folder.glob("table2*"))


def commit(folder, when):
    """Make a commit at a time."""
    who = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    names = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "-A"], [*names, "commit", "-q", "--allow-empty", "-m", when]):
        subprocess.run(["git", "-C", str(folder), *words], env=who, check=True)


def test_a_commit_has_its_own_date_and_a_folder_without_git_has_none(tmp_path):
    root = tmp_path / "book"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a = 1\n")
    assert provenance.commit(root) == ("unknown", "unknown")
    commit(root, "2026-03-04T05:06:07+02:00")
    provenance.commit.cache_clear()
    name, date = provenance.commit(root)
    assert len(name) == 40 and date == "2026-03-04T03:06:07Z"
    assert provenance.commit(root / "src") == ("unknown", "unknown"), "a copy inside of another's checkout"
    (root / "src" / "a.py").write_text("a = 2\n")
    provenance.commit.cache_clear()
    assert provenance.commit(root) == (f"{name} with changes", date)


# --- the small book


def test_what_a_run_is_of_goes_by_its_truth_and_its_table(tmp_path):
    book = Book(ROOT, tmp_path, tmp_path)
    tables = {"": provenance.REAL, str(tmp_path / "mine.csv"): provenance.REAL}
    tables |= {"data/own_table/site_years.csv": provenance.EXAMPLE, "data/towers.csv": provenance.REAL}
    for table, world in tables.items():
        settings = {"02": SimpleNamespace(values={"towers_table": table}), "03": SimpleNamespace(values={})}
        assert pages.world(book, "mine", settings) == world
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / book.artefacts["truth"].file).mkdir()
    assert pages.world(book, "mine", settings) == provenance.MADE


def noted(mini, stem):
    """What the runner noted of a chapter."""
    return json.loads((mini.outputs() / ".state" / f"{stem}.json").read_text())


def test_a_new_commit_changes_labels_and_nothing_else(mini):
    (mini.root / ".gitignore").write_text("outputs/\n__pycache__/\n")
    commit(mini.root, "2026-01-01T00:00:00Z")
    assert mini.ran("--force", "--only", "01", "02") == ["01", "02"]
    before = noted(mini, "01_numbers")
    assert before["label"]["date"] == "2026-01-01T00:00:00Z" and " " not in before["label"]["commit"]
    commit(mini.root, "2026-01-02T00:00:00Z")
    assert mini.stale() == []
    assert mini.ran("--force", "--only", "01") == ["01"]
    assert mini.stale() == [], "what reads an artefact does not see its label"
    after = noted(mini, "01_numbers")
    assert after["label"]["date"] == "2026-01-02T00:00:00Z"
    assert after["content"] == before["content"] and after["made_from"] == before["made_from"]
    assert "2026-01-02" in (mini.outputs() / "numbers.csv-metadata.json").read_text()
    (mini.outputs() / "numbers.csv").write_text("x\n1\n")
    assert mini.stale("--only", "01") == ["01"], "other content is seen, whatever the label"


def test_labels_say_what_was_changed_and_go_with_their_table(mini):
    assert mini.ran("--set", "size=2", "--only", "01", "02") == ["01", "02"]
    label = json.loads((mini.outputs() / "numbers.csv-metadata.json").read_text())["notes"][0]
    assert json.loads(label["changed_parameters"]) == {"01.size": 2} and label["seed"] == 7
    assert label["commit"] == "unknown"
    page = nbformat.read(mini.outputs() / "chapters" / "01_numbers.ipynb", 4)
    assert page.metadata["label"]["changed"] == {"01.size": 2}
    assert noted(mini, "02_scaled")["label"]["changed"] == {"01.size": 2}, "what it hangs on was changed"
    cells = list(CHAPTERS["04_apart"])
    mini.write("04_apart", *cells[:3], 'ws.drop("apart")')
    assert mini.ran("--only", "04") == ["04"]
    assert not list(mini.outputs().glob("apart*"))


def test_every_page_has_a_banner_in_which_names_are_text(site_of_figures):
    home = site_of_figures / "html"
    for page in ("notebooks/01_numbers", "book/intro", "search"):
        html = (home / f"{page}.html").read_text()
        banner = html[html.index('<details class="run-label">') : html.index("</details>")]
        assert "<strong>real data</strong>" in banner and "profile odd" in banner and "commit unknown" in banner
        assert "&lt;b&gt;odd&lt;/b&gt;" in banner and "<b>odd" not in banner
        title = html[html.index("<title>") : html.index("</title>")]
        assert "real data" in title and "profile odd" in title
        assert "size = 2" in banner or "01.size = 2" in banner


@pytest.fixture(scope="module")
def site_of_figures(made_once, tmp_path_factory):
    """The pages of a small book in which chapter 1 draws a figure."""
    book = made_once.copy(tmp_path_factory.mktemp("figures") / "book")
    made = notebook("01_numbers", *CHAPTERS["01_numbers"])
    drawing = (
        "import matplotlib.pyplot as plt\nfrom IPython import get_ipython\nfrom helpers import shown\n"
        "shown.register(get_ipython().display_formatter)\nfig, (left, right) = plt.subplots(1, 2)\n"
        'left.plot([1, 2], [3, 4], label="up")\nleft.set(xlabel="year", ylabel="RECO (kg)")\n'
        "right.pcolormesh([[1, 2], [3, 4]])\nplt.show()"
    )
    about = {"figure": {"name": "fig-it", "caption": "A\nline."}, "image": {"alt": "A line."}}
    made.cells.append(nbformat.v4.new_code_cell(drawing, id="drawn", metadata={"mystnb": about}))
    nbformat.write(made, book.root / "notebooks" / "01_numbers.ipynb")
    shutil.copy(shown.__file__, book.root / "src" / "helpers" / "shown.py")
    book.profile("odd", "description: a <b>odd</b> one\nchapters: ['01', '04']\n01_numbers: {size: 2}\n")
    (book.root / "book" / "parameters.md").write_text("# Parameters\n\n<!-- table: parameters -->\n")
    toc = (book.root / "_toc.yml").read_text()
    (book.root / "_toc.yml").write_text(toc + "      - file: book/parameters\n")
    done = book.run("--profile", "odd", pages=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return book.root / "_build" / "odd"


def test_a_figure_a_table_and_a_netcdf_out_of_the_book_say_what_they_are(site_of_figures):
    html = (site_of_figures / "html" / "notebooks" / "01_numbers.html").read_text()
    line = html[html.index('class="figure-links"') :].split("</p>")[0]
    files = {path.name: path for path in (site_of_figures / "html" / "_downloads").rglob("*") if path.is_file()}
    wanted = {"fig-it.png", "fig-it.csv", "fig-it.csv-metadata.json", "fig-it.nc", "01_numbers.ipynb"}
    assert wanted <= set(files) and all(f"/{name}" in line for name in wanted)
    assert 'href="#code-fig-it"' in line and 'id="code-fig-it"' in html
    table = pd.read_csv(files["fig-it.csv"])
    assert table[table.series == "up"][["x", "y"]].to_numpy().tolist() == [[1, 3], [2, 4]]
    assert table.x_axis[0] == "year" and table.y_axis[0] == "RECO (kg)"
    with netCDF4.Dataset(files["fig-it.nc"]) as file:
        assert file["field_1"][:].tolist() == [[1, 2], [3, 4]]
        assert file.title == "A line." and "real data" in file.source and "01_numbers" in file.history
    beside = json.loads(files["fig-it.csv-metadata.json"].read_text())
    assert beside["dc:title"] == "A line." and "profile odd" in beside["dc:source"]
    image, page = Image.open(files["fig-it.png"]).text, nbformat.read(files["01_numbers.ipynb"], 4)
    assert image["Title"] == "A line." and "profile odd" in image["Source"]
    inside = pages.drawn(page.cells[-1])[0].data
    assert Image.open(io.BytesIO(base64.b64decode(inside["image/png"]))).text == image
    assert page.metadata["label"]["profile"] == "odd" and set(inside) & {pages.TABLE, pages.FIELDS} == set()


# --- what a figure shows


def test_marks_of_every_kind_come_with_their_panel_series_places_and_words():
    figure, ((a, b), (c, d)) = plt.subplots(2, 2)
    a.plot([1, 2], [3, 4], label="line")
    a.axhline(3.5)
    a.errorbar([1, 2], [5, 6], yerr=[0.5, 0.25], fmt="o", label="error")
    a.set(title="One", xlabel="year", ylabel="RECO (kg)")
    b.bar(["wood", "grass"], [1.0, -2.0], bottom=10, label="bars")
    c.barh([0, 1], [3.0, 4.0], label="across")
    c.fill_between([0, 1], [1, 2], [3, 4], label="band")
    drawn = d.scatter([1, 2], [3, 4], c=[0.1, 0.2], label="dots")
    figure.colorbar(drawn, label="share (%)")
    marks = shown.table(figure)
    one = {key: rows for key, rows in marks.groupby(["kind", "series"])}
    assert one["line", "line"][["panel", "x", "y"]].to_numpy().tolist() == [["One", 1, 3], ["One", 2, 4]]
    level = marks[(marks.kind == "line") & marks.series.isna()]
    assert level.y.tolist() == [3.5, 3.5] and level.x.isna().all(), "its ends are no coordinates of the data"
    assert sorted(one["range", "error"].y) == [4.5, 5.5, 5.75, 6.25]
    assert one["bar", "bars"][["x", "y", "value", "x_name"]].to_numpy().tolist() == [
        [0, 11, 1, "wood"],
        [1, 8, -2, "grass"],
    ]
    assert one["bar", "across"][["x", "y", "value"]].to_numpy().tolist() == [[3, 0, 3], [4, 1, 4]]
    assert {(0, 1), (0, 3), (1, 2), (1, 4)} <= {*zip(*(one["area", "band"][k] for k in "xy"), strict=True)}
    dots = one["points", "dots"]
    assert dots.value.tolist() == [0.1, 0.2] and set(dots.value_axis) == {"share (%)"}
    assert marks.x_axis[0] == "year" and marks.y_axis[0] == "RECO (kg)"
    assert set(marks.panel) == {"One", "panel 2", "panel 3", "panel 4"}, "a colour bar is no panel"


def test_boxes_and_violins_hold_their_quartiles_and_the_words_of_a_legend():
    table = pd.DataFrame({"g": ["u"] * 5 + ["w"] * 5, "v": [1.0, 2, 3, 4, 5, 11, 12, 13, 14, 15]})
    figure, (left, right) = plt.subplots(1, 2)
    sns.boxplot(table, x="g", y="v", hue="g", legend=True, ax=left)
    sns.violinplot(table, x="g", y="v", ax=right)
    marks = shown.table(figure)
    for name, values in table.groupby("g").v:
        box = marks[(marks.panel == "panel 1") & (marks.kind == "area") & (marks.series == name)]
        assert {box.y.min(), box.y.max()} == {*np.percentile(values, [25, 75])} and set(box.x_name) == {name}
    lines = marks[(marks.panel == "panel 1") & (marks.kind == "line")]
    assert {3.0, 13.0, 1.0, 15.0} <= set(lines.y), "medians and ends of whiskers"
    assert (marks[marks.panel == "panel 2"].kind == "area").any()


def test_fields_of_maps_come_back_as_they_were_with_places_flags_and_words():
    lat, lon = np.arange(88.5, -90, -3), np.arange(-178.5, 180, 3)
    field = xr.DataArray(np.random.default_rng(1).normal(size=(60, 120)), {"lat": lat, "lon": lon}, ("lat", "lon"))
    field[3:9, 70:80] = np.nan
    axes = figures.worlds({"A": (field, None), "B": (2 * field, None)}, ncols=2, bars=["RECO (kg)"])
    found = shown.fields(axes[0].figure)
    assert set(found.dims) == {"lat", "lon"} and found.lat.standard_name == "latitude"
    np.testing.assert_allclose(found.lat, lat, atol=1e-4)
    np.testing.assert_allclose(found.lon, lon, atol=1e-4)
    np.testing.assert_allclose(found.field_2, 2 * field, rtol=1e-6)
    assert found.field_2.attrs == {"panel": "B", "long_name": "RECO (kg)"}
    assert shown.table(axes[0].figure).empty, "outlines of land are no data"
    colours = {0: "#ff0000", 1: "#00ff00", 2: "#0000ff"}
    classes = xr.zeros_like(field, dtype="int8")
    classes[:20] = 2
    drawn = figures.categories(classes, colours, {0: "bare", 1: "dry grass", 2: "wood"})
    flags = shown.fields(drawn.figure).field_1
    names = dict(zip(flags.flag_values.tolist(), flags.flag_meanings.split(), strict=True))
    assert names == {0: "bare", 2: "wood"} and names[float(flags[0, 0])] == "wood"


def test_an_image_is_a_field_from_its_first_row():
    figure, ax = plt.subplots()
    ax.imshow([[1, 2], [3, 4], [5, 6]], extent=(0, 2, 0, 3), cmap=ListedColormap(["red", "blue"]))
    found = shown.fields(figure).field_1
    assert found.sel(y=2.5).values.tolist() == [1, 2] and found.x.values.tolist() == [0.5, 1.5]


def test_the_same_figure_gives_the_same_bytes():
    texts = []
    for _ in range(2):
        figure, ax = plt.subplots()
        ax.pcolormesh([[1, 2], [3, 4]])
        texts.append(shown.fields_text(figure))
    assert texts[0] == texts[1] and base64.b64decode(texts[0]).startswith(b"\x89HDF")
