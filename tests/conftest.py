"""What several tests share: the real data (never in the repository), and a folder of one's own for outputs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """Folder of real site-years, tower and product files; tests that ask for it skip, and say so, where it is not set."""
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
