"""What several tests share: the real data (never in the repository), and a folder of one's own for outputs."""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Barrier

import dask.threaded
import pytest
from local_server import server  # noqa: F401 (a fixture)
from miniature import Miniature
from small_planet import exact, world  # noqa: F401 (fixtures)


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
def made_once(tmp_path_factory):
    """A small book (see miniature.py) whose chapters have all run."""
    book = Miniature(tmp_path_factory.mktemp("miniature") / "book")
    assert book.ran() == ["01", "02", "03", "04"]
    return book


@pytest.fixture
def mini(made_once, tmp_path):
    """A copy of that book, to change."""
    return made_once.copy(tmp_path / "book")
