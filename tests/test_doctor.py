"""What a profile needs: what is there is found, and what is missing is named with how to get it."""

import os
from types import SimpleNamespace

import pytest
import yaml
from nbformat import v4, write

from helpers.publish import doctor
from helpers.run.chapters import Book
from helpers.workspace import ROOT

TABLE = "site,year,lat,lon,reco,mat\nA,2001,10,20,900,5\nA,2002,10,20,950,6\nB,2001,-10,20,700,9\n"
PROFILE = """chapters: ["02"]
common:
  channels: [mat]
02_site_sampling:
  towers_table: ${MY_TABLES}/table.csv
  table_columns: {site: site, year: year, lat: lat, lon: lon, reco: reco, mat: mat}
  table_factors: {reco: 0.001}
"""


@pytest.fixture
def room(monkeypatch):
    """A machine with so much memory and disk (GiB), enough unless said otherwise."""

    def of(memory=64, disk=500):
        found = SimpleNamespace(available=memory * 2**30)
        monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: found)
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=disk * 2**30))

    of()
    return of


@pytest.fixture
def book(tmp_path, monkeypatch, room):
    """A book whose profiles, with one of our own, and outputs are elsewhere; no variable names data."""
    root = tmp_path / "book"
    (root / "notebooks" / "profiles").mkdir(parents=True)
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), ROOT / "notebooks" / "chapters.yml"]:
        (root / "notebooks" / path.name).symlink_to(path)
    for path in (ROOT / "notebooks" / "profiles").glob("*.yml"):
        (root / "notebooks" / "profiles" / path.name).symlink_to(path)
    for name in ("requirements.txt", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    (root / "notebooks" / "profiles" / "own.yml").write_text(PROFILE)
    book = Book(root, tmp_path / "outputs", tmp_path / "build")
    monkeypatch.setattr(Book, "here", classmethod(lambda cls: book))
    for name in ("RECO_PRODUCTS", "RECO_REAL_DATA", "MY_TABLES"):
        monkeypatch.delenv(name, raising=False)
    return book


def small(book):
    """Leave a book two chapters, which are quicker to look at than all."""
    path = book.notebooks / "chapters.yml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.unlink()
    path.write_text(yaml.safe_dump({stem: entry for stem, entry in declared.items() if stem[:2] in ("01", "02")}))
    for notebook in book.notebooks.glob("*.ipynb"):
        if notebook.stem not in yaml.safe_load(path.read_text()):
            notebook.unlink()
    return book


def rows(book, name):
    return {what: (there, found, remedy) for what, there, found, remedy in doctor.examine(book, name)}


def test_the_demo_needs_nothing_and_too_small_a_machine_is_told(book, room, capsys):
    assert doctor.main(["--profile", "demo"]) == 0 and "all is there" in capsys.readouterr().out
    room(memory=2, disk=0.1)
    assert doctor.main(["--profile", "demo"]) == 1
    assert "2 missing: memory, disk" in capsys.readouterr().out
    assert doctor.main(["--profile", "nope"]) == 2 and "there is no profile 'nope'" in capsys.readouterr().err


def test_the_paper_without_data_says_how_to_get_each_product(book, capsys):
    before = dict(os.environ)
    found = rows(book, "paper")
    assert dict(os.environ) == before
    lacking = {what for what, (there, *_) in found.items() if there is False}
    by_command = {"cru_tmp", "cru_pre", "cru_pet", "spei", "glass_par", "glass_lai", "glass_fapar", "mod13a3"}
    by_command |= {"mod17a3hgf", "mcd12c1", "soilgrids2017"}
    assert lacking == by_command | {"RECO_PRODUCTS", "fluxnet2015", "fluxnet"}
    assert all(f"make data PRODUCT={name}" in found[name][2] for name in by_command)
    assert "fluxnet.org" in found["fluxnet2015"][2]
    assert doctor.main(["--profile", "paper"]) == 1
    needed = 0.5 + 4 * 3600 * 7200 * 19 * (doctor.MAPS + 6) / 2**30
    assert f"some {needed:.1f} GiB" in found["disk"][1]


def test_products_that_are_there_are_told_with_version_and_missing_years(book, tmp_path, monkeypatch):
    folder = tmp_path / "native" / "mod17a3hgf"
    folder.mkdir(parents=True)
    for year in range(2001, 2018):
        (folder / f"MOD17A3HGF.A{year}001.h18v04.061.2020001000000.hdf").touch()
    small(book)
    text = 'chapters: ["01"]\ncommon: {data_folder: "${MY_TABLES}"}\n'
    (book.notebooks / "profiles" / "maps.yml").write_text(text)
    monkeypatch.setenv("MY_TABLES", str(tmp_path / "native"))
    there, found, _ = rows(book, "maps")["mod17a3hgf"]
    assert there is False and "17 files, version 061" in found and "1 years missing, the first 2018" in found
    (folder / "MOD17A3HGF.A2018001.h18v04.061.2020001000000.hdf").touch()  # that edition begins in 2001
    assert rows(book, "maps")["mod17a3hgf"][0] is True


def test_a_table_is_looked_for_and_read(book, tmp_path, monkeypatch):
    found = rows(small(book), "own")
    assert found["MY_TABLES"] == (False, "not set", "export MY_TABLES=/path/to/the/folder")
    assert found["02: towers_table"][0] is False and "$MY_TABLES/table.csv" in found["02: towers_table"][1]
    monkeypatch.setenv("MY_TABLES", str(tmp_path))
    assert rows(book, "own")["02: towers_table"][:2] == (False, f"no file at {tmp_path}/table.csv")
    (tmp_path / "table.csv").write_text(TABLE)
    there, told, _ = rows(book, "own")["02: towers_table"]
    assert there and told.endswith("3 site-years of 2 towers")
    (tmp_path / "table.csv").write_text(TABLE.replace("2002", "2001"))
    there, told, _ = rows(book, "own")["02: towers_table"]
    assert there is False and "site A, year 2001 is there twice" in told


def test_packages_are_compared_with_the_pins(book, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.99"\n')
    (tmp_path / "requirements.txt").write_text("numpy==0.1  # old\nno-such-package-of-ours==1.0\n")
    found = {what: rest for what, *rest in doctor.environment(tmp_path)}
    assert found["Python"][0] is False and found["no-such-package-of-ours"][0] is False
    assert found["packages"][0] is None and "0 of 2 as pinned; numpy" in found["packages"][1]


def test_the_time_is_that_of_the_last_run(book):
    assert rows(small(book), "own")["time"][1] == "unknown"
    page = book.executed("own", "02_site_sampling")
    page.parent.mkdir(parents=True)
    write(v4.new_notebook(metadata={"papermill": {"duration": 185.0}}), page)
    assert rows(book, "own")["time"][1] == "3 minutes the last time, chapter 02 the longest"
