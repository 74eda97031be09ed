"""What a chapter's download brings: all that it needs to run by itself."""

import json
import os
import subprocess
import sys
import zipfile

import nbformat
import pandas as pd
import pytest

from helpers.run import bundles, chapters, pages
from helpers.workspace import ROOT


def bundle_of(book, stem, profile="demo"):
    """A chapter's bundle, as the pages make it."""
    chosen, every = chapters.load(book, profile), chapters.discover(book.notebooks)
    settings = chapters.settings(chosen, every, [], book.root)
    chapter = next(each for each in every if each.stem == stem)
    return bundles.of(book, chapter, settings[stem], pages.label_of(book, chosen, chapter, settings))


def unpacked(files, folder):
    """Write a bundle's zip, and take it apart in an empty folder."""
    bundles.zipped(files, folder / "it.zip")
    with zipfile.ZipFile(folder / "it.zip") as archive:
        archive.extractall(folder / "there")
    return folder / "there"


def run_alone(folder, stem):
    """Run the notebook of an unpacked bundle by another process, which knows of no other folder."""
    bare = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("RECO_")}
    bare |= {"IPYTHONDIR": str(folder / ".ipython"), "JUPYTER_PREFER_ENV_PATH": "1"}
    code = "import sys, nbformat; from nbclient import NotebookClient; n = nbformat.read(sys.argv[1], 4); "
    code += "NotebookClient(n, kernel_name='python3').execute(); nbformat.write(n, sys.argv[1])"
    command = [sys.executable, "-P", "-c", code, f"{stem}.ipynb"]
    done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(folder / f"{stem}.ipynb", as_version=4)


def declare_truth(mini):
    """Declare the artefact by which a made planet is known, which this small book lacks."""
    declared = mini.root / "notebooks" / "chapters.yml"
    text = declared.read_text().replace("  paths:", "    truth: {file: truth.nc, holds: the truth}\n  paths:", 1)
    declared.write_text(text)


def test_a_chapter_runs_by_itself_and_makes_what_the_run_made(mini, tmp_path):
    mini.profile("demo", "02_scaled: {factor: 3.0}\n")
    declare_truth(mini)
    bundle = bundle_of(mini.book, "02_scaled")
    folder = unpacked(bundle.files, tmp_path)
    (mini.root / "src").rename(mini.root / "gone")  # whatever it finds, it doesn't find there
    page = run_alone(folder, "02_scaled")
    assert "src/helpers/arithmetic.py" not in bundle.files, "only what the chapter loads"
    numbers = pd.read_csv(mini.outputs() / "numbers.csv")["x"].tolist()
    found = [(folder / "outputs" / "demo" / "scaled" / f"{i}.txt").read_text() for i in range(len(numbers))]
    assert found == [str(3.0 * x) for x in numbers], "with the value of the profile"
    label = json.loads((folder / "outputs" / "demo" / "greatest.csv-metadata.json").read_text())
    assert "real data" in label["dc:source"]
    assert page.metadata["label"]["profile"] == "demo"


def test_a_bundle_is_the_same_bytes_whenever_it_is_made(mini, tmp_path):
    for name in ("one", "two"):
        files = bundle_of(mini.book, "03_total").files
        bundles.zipped(dict(reversed(files.items())) if name == "two" else files, tmp_path / f"{name}.zip")
        os.utime(mini.outputs() / "scaled" / "0.txt", (0, 0))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_is_too_large_is_left_at_home_and_said(mini, monkeypatch):
    monkeypatch.setattr(bundles, "LARGEST", 1)
    bundle = bundle_of(mini.book, "03_total")
    assert not any(name.startswith("outputs/demo/scaled/") for name in bundle.files)
    (line,) = bundle.lacking
    assert line.startswith("scaled (0 MiB) is too large to come along: run chapter 02_scaled and copy it")
    assert line in bundle.files["README.txt"].decode()


def test_a_chapter_without_its_inputs_or_with_a_file_of_ones_own_has_no_bundle(mini):
    (mini.root / "ten.txt").write_text("10")
    mini.profile("own", "01_numbers: {offset_file: ten.txt}\n")
    assert bundle_of(mini.book, "01_numbers", "own") is None
    assert bundle_of(mini.book, "03_total", "own") is None
    assert bundle_of(mini.book, "03_total")


def test_a_made_planet_stays_one_where_its_truth_is_not_read(mini):
    """Else a chapter that doesn't read the truth would call its figures real."""
    declare_truth(mini)
    (mini.outputs() / "truth.nc").write_bytes(b"CDF")
    assert bundle_of(mini.book, "03_total").files["outputs/demo/truth.nc"] == bundles.MARK.encode()


@pytest.mark.parametrize("stem", sorted(bundles.OPENED))
def test_chapters_bring_the_native_products_that_they_open(stem):
    chapter = next(each for each in chapters.discover(ROOT / "notebooks") if each.stem == stem)
    code = "\n".join(cell.source for cell in chapter.code)
    named = {"mstmip", "trendy"} if "products.configured(" in code else set()
    named |= {name for name in ("fluxnet2015", "fluxnet", "cru_pre", "cru_pet") if f'"{name}"' in code}
    assert named == set(bundles.OPENED[stem])


def test_every_chapter_that_reads_native_files_says_which():
    reading = {each.stem for each in chapters.discover(ROOT / "notebooks") if "native" in each.inputs}
    assert reading == set(bundles.OPENED)


@pytest.mark.long
@pytest.mark.parametrize("stem", ["14_real_towers", "16_cost_and_scale"])
def test_chapters_of_the_book_that_need_no_others_run_by_themselves(stem, tmp_path, monkeypatch):
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "outputs"))
    page = run_alone(unpacked(bundle_of(chapters.Book.here(), stem).files, tmp_path), stem)
    assert any(output.get("data", {}).get("image/png") for cell in page.cells for output in cell.get("outputs", []))
