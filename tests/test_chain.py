"""The tiny book, end to end, by the command that everybody uses: chapters, artefacts, pages, and all of it again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import netCDF4
import numpy as np
import pandas as pd
import pytest

from helpers import workspace
from helpers.provenance import ADDED
from helpers.run import chapters
from helpers.run.chapters import Book
from helpers.workspace import ROOT, Workspace, artefacts, columns

STEMS = list(chapters.settings(chapters.load(Book.here(), "tiny"), chapters.discover(ROOT / "notebooks"), [], ROOT))
MADE = {name: artefact for name, artefact in artefacts().items() if artefact.made_by in STEMS}
MODELS = [f"CNN{i}" for i in range(1, 7)]
SOIL = ["soc_0", "soc_5", "soc_15", "soc_30"]
SPEI = ["spei12", "spei24", "spei36"]


class Tiny:
    """One run of profile tiny, in folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.outputs, self.build = folder / "outputs", folder / "build"
        self.environment = {key: value for key, value in os.environ.items() if key != workspace.RUNNER}
        self.environment |= {"RECO_OUTPUTS": str(self.outputs), "RECO_BUILD": str(self.build)}
        self.workspace = Workspace("tiny", root=self.outputs)
        self.html = self.build / "tiny" / "html"
        self.first = self.run()

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the book's command."""
        command = [sys.executable, "-m", "helpers.run", "--profile", "tiny", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return Tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def artefacts(tiny):
    """What can be opened: every artefact that is no folder, by name."""
    names = [name for name, artefact in MADE.items() if Path(artefact.file).suffix]
    return {name: tiny.workspace.read(name) for name in names}


def test_the_book_is_made_without_a_warning(tiny):
    assert tiny.first.returncode == 0, tiny.first.stdout + tiny.first.stderr
    assert f"the book is at {tiny.html / 'index.html'}" in tiny.first.stdout
    assert all(tiny.workspace.has(name) for name in MADE)


def test_a_second_run_does_nothing_and_a_changed_value_touches_one_chapter(tiny):
    again = tiny.run()
    assert "nothing to do" in again.stdout
    assert ": running (" not in again.stdout
    listed = tiny.run("--list", "--set", "03.iterations=70").stdout.splitlines()
    stale = [line.split(":")[0] for line in listed if ": stale (" in line]
    assert stale == ["03_cnn_ablation"]


def test_every_column_of_every_table_is_told_what_it_holds(artefacts):
    tables = {name: table for name, table in artefacts.items() if isinstance(table, pd.DataFrame)}
    assert tables
    known = {name: columns(name) for name in tables}
    assert {
        f"{name}.{column}" for name, table in tables.items() for column in table if not {column, "*"} & set(known[name])
    } == set()


def test_predictors_and_static_keep_their_form(artefacts):
    predictors, static = artefacts["predictors"], artefacts["static"]
    assert {"mat", "map", "par", "fapar", "lai", "ndvi", "npp", *SPEI} <= set(predictors.data_vars)
    assert {*SOIL, "igbp", "economy", "band", "area"} <= set(static.data_vars)
    assert predictors.mat.dims == ("year", "lat", "lon")
    assert {predictors[name].dtype for name in predictors.data_vars} == {np.dtype("float32")}
    assert {static[name].dtype for name in ("igbp", "economy", "band")} == {np.dtype("int8")}
    assert (np.diff(predictors.lat) < 0).all()
    assert (np.diff(predictors.lon) > 0).all()
    assert predictors.year.values.tolist() == list(range(2000, 2019))
    for data in (predictors, static):
        assert all(data[name].attrs.get("units") or "flag_values" in data[name].attrs for name in data.data_vars)
        assert all(data[name].attrs.get("long_name") for name in data.data_vars)
    earth = 4 * np.pi * 6371007.181**2
    assert float(static.area.astype("float64").sum()) == pytest.approx(earth, rel=1e-6)


def test_samples_are_whole_windows(artefacts):
    samples = artefacts["samples"]
    assert samples.window.dims == ("sample", "predictor", "dy", "dx") and samples.window.shape[2:] == (3, 3)
    assert samples.window.dtype == np.float32 and np.isfinite(samples.window).all() and np.isfinite(samples.reco).all()
    assert {"site", "year", "lat", "lon", "igbp", "qc"} <= set(samples.coords)
    pairs = pd.MultiIndex.from_arrays([samples.site.values, samples.year.values])
    assert pairs.is_unique


def test_scores_cover_models_splits_and_metrics(artefacts):
    scores = artefacts["ablation"]
    assert scores.score.dims == ("model", "seed", "split", "metric")
    assert scores.model.values.tolist() == MODELS
    assert scores.split.values.tolist() == ["train", "test"]
    assert scores.metric.values.tolist() == ["r2", "cc", "rmse", "sde"]
    assert scores.attrs["optimal"] in MODELS


def test_validation_uses_no_site_of_training(artefacts):
    validation, samples = artefacts["validation"], artefacts["samples"]
    assert validation.simulated.dims == ("model", "sample")
    assert str(validation.model.values[0]) == "CNN-SPEIopt"
    assert not set(validation.site.values.astype(str)) & set(samples.site.values.astype(str))


def test_maps_trends_and_risk_agree_with_each_other(artefacts):
    reco, trends, risk = artefacts["reco"], artefacts["trends"], artefacts["risk"]
    assert reco.reco.dims == ("year", "lat", "lon")
    assert reco.reco.dtype == np.float32
    fitted = reco.reco.load().astype("float64").polyfit("year", 1).polyfit_coefficients.sel(degree=1, drop=True)
    mask = trends.analysis_mask.astype(bool)
    assert bool((reco.reco.std("year") > 0).where(mask, True).all()), "a cell whose RECO never changes has no slope"
    np.testing.assert_allclose(trends.reco_slope.where(mask), fitted.where(mask), rtol=1e-4, atol=1e-8)
    assert set(np.unique(trends.direction)) <= {0, 1, 2, 3, 4}
    shares = risk.dropna(subset=["npp_faster_area"])
    assert np.allclose(shares.npp_faster_area + shares.reco_faster_area, 1)
    assert set(risk.grouping) == {"band", "biome", "economy"}


def test_every_figure_is_numbered_captioned_and_described(tiny):
    for stem in STEMS:
        page = (tiny.html / "notebooks" / f"{stem}.html").read_text(encoding="utf-8")
        drawn = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
        assert drawn
        assert all('class="caption-number"' in figure for figure in drawn)
        assert all(re.search(r'alt="[^"]{20,}"', figure) for figure in drawn)
        notebook = nbformat.read(tiny.outputs / "tiny" / "chapters" / f"{stem}.ipynb", 4)
        images = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        assert len(images) == len(drawn), "each image is a figure, and each figure one image"
        assert all({"text/csv", "application/x-netcdf"} & set(o.data) for o in images), "each carries its numbers"
        assert page.count('class="figure-links"') == len(drawn)


def test_pages_show_no_progress_no_warning_and_no_path_of_this_machine(tiny):
    for page in tiny.html.glob("*/*.html"):
        text = page.read_text(encoding="utf-8")
        assert str(ROOT) not in text, page
        assert str(tiny.outputs) not in text, page
        assert not re.search(r"\d+%\|", text), page
        assert "Warning:" not in re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL), page


def test_the_pages_need_no_network(tiny):
    loaded = re.compile(
        r"<(script|img|iframe|source|link)[^>]*\s(src|href)=[\"'](https?:)?//[^\"']+\.(js|css|png|svg|woff2?)"
    )
    pages = list(tiny.html.rglob("*.html"))
    assert len(pages) > len(STEMS)
    for page in pages:
        assert not loaded.search(page.read_text(encoding="utf-8")), page


def plain(path: Path) -> dict[str, object]:
    """All that a file or folder holds, bit for bit and in its order, but for the label of the run that made it."""
    if path.is_dir():
        return {p.relative_to(path).as_posix(): plain(p) for p in sorted(path.rglob("*")) if p.is_file()}
    if path.name in (".zattrs", ".zmetadata"):
        found = json.loads(path.read_text())
        attributes = found["metadata"][".zattrs"] if "metadata" in found else found
        for name in ADDED:
            attributes.pop(name, None)
        return found
    if path.suffix != ".nc":
        return {"": path.read_bytes()}
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        found = {"": {name: str(file.getncattr(name)) for name in file.ncattrs() if name not in ADDED}}
        for number, (name, variable) in enumerate(file.variables.items()):
            values = variable[:]
            held = values.tolist() if values.dtype == object else values.tobytes()
            about = [str(variable.dtype), variable.dimensions, variable.filters(), str(variable.__dict__), held]
            found[f"{number} {name}"] = about
        return found


@pytest.mark.parametrize("part", [STEMS[:4], pytest.param(STEMS[4:], marks=pytest.mark.long)], ids=["I", "II"])
def test_the_chapters_run_again_give_the_same_outputs_and_artefacts(tiny, tmp_path, part):
    """By nbval, strictly, on a copy of the workspace; progress apart."""
    shutil.copytree(tiny.outputs / "tiny", tmp_path / "tiny")
    pages = [f"tiny/chapters/{stem}.ipynb" for stem in part]
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *pages],
        cwd=tmp_path, env=tiny.environment | {"RECO_OUTPUTS": str(tmp_path), "PYTHONHASHSEED": "0"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    for name, artefact in MADE.items():
        one, two = tiny.workspace.path(name), tmp_path / "tiny" / artefact.file
        assert plain(one) == plain(two), f"{name} differs between two runs"
