"""Same seed, same bytes, from the seed to the samples and in training on kept splits: nothing of the machine enters."""

import hashlib
import os
import subprocess
import sys

import pytest
from small_planet import SMALL

from helpers import workspace
from helpers.workspace import ROOT, artefacts

POOLS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")


def threads(number):
    return {f"{pool}_NUM_THREADS": str(number) for pool in POOLS}


ELSEWHERE = {
    "OPENBLAS_CORETYPE": "Prescott",  # other kernels: they add in another order, on one thread too
    "GDAL_NUM_THREADS": "ALL_CPUS",
    "DASK_NUM_WORKERS": "7",
    "TZ": "America/St_Johns",
    "LC_ALL": "C",
    "PYTHONHASHSEED": "77",
}
MACHINES = {"1": threads(1), "2": threads(2), "8": threads(8), "elsewhere": threads(8) | ELSEWHERE}

PLANET = f"""
import sys
from pathlib import Path
from helpers.demo import earth
_, truth = earth.build(Path(sys.argv[1]) / "native", seed=7, **{SMALL!r})
truth.to_netcdf(Path(sys.argv[1]) / "truth.nc")
"""

TRAINING = """
import sys
from pathlib import Path
import numpy as np, torch, xarray as xr
from helpers.cnn.nested_cv import nested
from helpers.cnn.network import Member
from helpers.cnn.training import train
rng = np.random.default_rng(3)
channels, samples = ("a", "b", "c", "d"), 120
window = rng.standard_normal((samples, len(channels), 3, 3)).astype("float32")
windows = xr.DataArray(window, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(channels)})
target = np.exp(window[:, :2].mean((1, 2, 3)) + 0.1 * rng.standard_normal(samples)).astype("float32")
fold = rng.permutation(np.arange(samples) % 3)
members = [Member("m", channels, seed, 0.1, [1.0, np.inf][seed % 2]) for seed in range(6)]
training = np.stack([fold != seed % 3 for seed in range(6)])
loss = torch.nn.MSELoss(reduction="none")
how = {"iterations": 40, "loss": loss, "progress": False}
ensemble, fit = train(windows, target, members, training, **how)
settings = [Member("plain", channels), Member("line", channels, ridge=1.0)]
told = nested(windows, target, fold, np.arange(samples) // 4, settings, seeds=[1, 2], inner=2, patience=3, **how)
arrays = [fit.predicted, fit.loss, told.predicted, told.each, told.inner]
arrays += [p.detach().numpy() for p in ensemble.parameters()]
Path(sys.argv[1], "bytes").write_bytes(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays))
"""


def start(folder, machine, *command):
    """Start Python in a folder of its own, on a machine of which only the environment differs."""
    folder.mkdir()
    own = {key: value for key, value in os.environ.items() if key not in {*ELSEWHERE, workspace.RUNNER}}
    own |= MACHINES[machine] | {"RECO_OUTPUTS": str(folder / "out"), "RECO_BUILD": str(folder / "build")}
    own["PYTHONPATH"] = str(ROOT / "src")
    away = {"cwd": ROOT}
    if machine == "elsewhere":
        own["TMPDIR"] = str(folder)
        away = {"cwd": folder, "umask": 0o077}
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, *command], env=own, **away, **told)


def digests(folder):
    """Return the digest of every file below a folder, by its place."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def differing(one, other):
    return sorted(name for name in one | other if one.get(name) != other.get(name))


def made_by(processes, tmp_path):
    """Wait for processes, which must succeed, and return the digests of what each left in its folder."""
    for process in processes:
        told, _ = process.communicate()
        assert process.returncode == 0, told
    return {folder.name: digests(folder) for folder in tmp_path.iterdir()}


@pytest.mark.long
@pytest.mark.parametrize("source", [PLANET, TRAINING], ids=["planet", "training on kept splits"])
def test_threads_kernels_and_places_leave_every_byte(tmp_path, source):
    running = [start(tmp_path / machine, machine, "-c", source, str(tmp_path / machine)) for machine in MACHINES]
    made = made_by(running, tmp_path)
    assert made["1"]
    assert {machine: differing(made["1"], made[machine]) for machine in MACHINES} == {m: [] for m in MACHINES}


def test_chapters_1_and_2_leave_the_same_bytes_on_any_machine(tmp_path):
    coarse = ["01.resolution=6.0", "01.demo_towers=40", "01.demo_validation_towers=10", "last_year=2004"]
    command = ["-m", "helpers.run", "--profile", "tiny", "--no-pages", "--only", "01", "02", "--set", *coarse]
    made = made_by([start(tmp_path / machine, machine, *command) for machine in ("1", "elsewhere")], tmp_path)
    places = {
        f"out/tiny/{a.file}" for a in artefacts().values() if a.made_by in ("01_data_preparation", "02_site_sampling")
    }
    one, other = (
        {name: digest for name, digest in each.items() if "/".join(name.split("/")[:3]) in places}
        for each in made.values()
    )
    assert {"/".join(name.split("/")[:3]) for name in one} == places
    assert differing(one, other) == []
