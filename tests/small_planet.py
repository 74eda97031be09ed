"""Small planets that several tests look at."""

import pytest

from helpers.demo import carbon, earth, planet

SMALL = {
    "resolution": 6.0,
    "climate_factor": 5,
    "years": (2000, 2003),
    "towers": 40,
    "validation_towers": 8,
    "dates": 4,
}


@pytest.fixture(scope="session")
def exact(tmp_path_factory):
    """A small planet seen without error: folder, files, truth."""
    folder = tmp_path_factory.mktemp("exact")
    files, truth = earth.build(folder, seed=7, noise=0.0, tower_noise=0.0, **SMALL)
    return folder, files, truth


WHOLE = {"years": (2000, 2018), "resolution": 6.0, "climate_factor": 5, "climate_start": 1981}


@pytest.fixture(scope="session")
def world():
    """A hard planet of 6 degrees with all its years."""
    return planet.make(7, lag_weights=(0.05, 0.15, 0.08), sizes=carbon.HARD, **WHOLE)
