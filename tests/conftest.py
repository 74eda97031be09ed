"""What several tests share: the real data (never in the repository), and a folder of one's own for outputs."""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Barrier

import dask.threaded
import papermill
import pytest
import yaml
from local_server import server  # noqa: F401 (a fixture)
from miniature import Miniature
from small_planet import exact, world  # noqa: F401 (fixtures)

from helpers.workspace import ROOT, Workspace

NOTEBOOKS = ROOT / "notebooks"


def pytest_xdist_auto_num_workers(config):
    """Share the tests out among a process more than there are cores: many wait for kernels, servers and clocks."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


def pytest_collection_modifyitems(items):
    """Begin with the chain, which takes longest: whoever shares files out among processes would else wait for it."""
    items.sort(key=lambda item: item.path.name != "test_chain.py")


@pytest.fixture(autouse=True)
def no_thread_goes_on():
    """Wait for threads that dask left at work: a block that fails ends a computation, and the others go on with theirs.

    What a test writes by netCDF4 itself holds no lock, and two threads in that library end the interpreter.
    """
    yield
    pool = dask.threaded.default_pool
    if isinstance(pool, ThreadPoolExecutor):
        together = Barrier(pool._max_workers)
        wait([pool.submit(together.wait) for _ in range(pool._max_workers)])


@pytest.fixture(scope="session")
def real_data():
    """Folder of real site-years, tower and product files; without it a test skips, and says so."""
    named = os.environ.get("RECO_REAL_DATA")
    if not named:
        pytest.skip("set RECO_REAL_DATA to the folder that holds fluxnet2015_site_years.csv to run this test")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"RECO_REAL_DATA: expected a folder, found nothing at {folder}; correct it or unset it")
    return folder


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Send all workspaces of one test to a folder of its own."""
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture(scope="session")
def run_chapter():
    """Return a function that executes a chapter with some values, in the workspaces of a folder."""

    def run(stem, folder, **values):
        how = {"cwd": NOTEBOOKS, "kernel_name": "python3", "progress_bar": False}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECO_OUTPUTS", str(folder))
            return papermill.execute_notebook(NOTEBOOKS / f"{stem}.ipynb", folder / f"{stem}.ipynb", values, **how)

    return run


@pytest.fixture(scope="session")
def sites_profile(real_data):
    """Profile ``sites``, with the folder of real data in its place."""
    text = (NOTEBOOKS / "profiles" / "sites.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text.replace("${RECO_REAL_DATA}", real_data.as_posix()))


@pytest.fixture(scope="session")
def real_samples(sites_profile, run_chapter, tmp_path_factory):
    """Workspace in which chapter 2 has run on the real table of site-years: to read, or to copy."""
    values = sites_profile["common"] | sites_profile["02_site_sampling"]
    folder = tmp_path_factory.mktemp("real")
    run_chapter("02_site_sampling", folder, profile="sites", **values)
    return Workspace("sites", root=folder)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A small book (see miniature.py) whose chapters have all run."""
    book = Miniature(tmp_path_factory.mktemp("miniature") / "book")
    assert book.ran() == ["01", "02", "03", "04"]
    return book


@pytest.fixture
def mini(made_once, tmp_path):
    """A copy of that book, to change."""
    return made_once.copy(tmp_path / "book")
