"""Where the artefacts of a run live, and the only way in and out of them.

Chapters pass each other files, never variables. This room knows each file by name, which chapter makes it, and how
to write it so that a run killed at any moment leaves either the old file or the new one, never half of one.

>>> ARTEFACTS["reco"].made_by
'05_global_mapping'
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
"""The repository: ``data/``, ``notebooks/`` and ``book/`` stand here."""

DATA = ROOT / "data"

LIBRARY = threading.RLock()
"""Held around open, read and close of every NetCDF and HDF4 file. The C libraries keep their state in global
variables: two threads within them read each other's files, or end the interpreter. xarray locks its reading of
values alone."""

ZARR = {"zarr_format": 2, "consolidated": True}
"""How Datasets go to zarr: every reader opens such a store without a warning. The specification of format 3 knows no
consolidated metadata, so it warns whoever writes them, and whoever reads a store without them."""


def outputs_root() -> Path:
    """Return the folder that holds one workspace a profile: ``RECO_OUTPUTS``, else ``outputs/`` of the repository."""
    return Path(os.environ.get("RECO_OUTPUTS") or ROOT / "outputs")


class MissingArtefact(FileNotFoundError):
    """An artefact is not there yet; the message names the chapter that makes it."""


class DamagedArtefact(OSError):
    """An artefact is there but cannot be read; the message names it and the chapter that makes it anew."""


@dataclass(frozen=True)
class Artefact:
    """One thing that a chapter makes and others read.

    Parameters
    ----------
    file : str
        Name inside the workspace. ``.zarr`` and ``.nc`` hold Datasets, ``.csv`` a table; no suffix means a folder.
    made_by : str
        Stem of the chapter that writes it.
    what : str
        One line for the reader: contents and dimensions.
    """

    file: str
    made_by: str
    what: str


ARTEFACTS: dict[str, Artefact] = {
    "native": Artefact("native", "01_data_preparation", "the Demo Earth's product files, in their native formats"),
    "truth": Artefact("truth.nc", "01_data_preparation", "what is true on the Demo Earth: for scoring a method only"),
    "predictors": Artefact("predictors.zarr", "01_data_preparation", "yearly predictors (year, lat, lon)"),
    "static": Artefact("static.zarr", "01_data_preparation", "soil carbon, land cover and regions (lat, lon)"),
    "samples": Artefact("samples.nc", "02_site_sampling", "3x3 windows and annual RECO (sample, predictor, dy, dx)"),
    "site_years": Artefact(
        "site_years.nc", "02_site_sampling", "the windows of all site-years, kept as samples or not"
    ),
    "dropped": Artefact("dropped.csv", "02_site_sampling", "site-years lost, rule by rule"),
    "ablation": Artefact("ablation.nc", "03_cnn_ablation", "scores and learning curves (model, seed, split, metric)"),
    "models": Artefact("models", "03_cnn_ablation", "trained networks: safetensors and their normalisers"),
    "table1": Artefact("table1.csv", "03_cnn_ablation", "Table 1: scores, the paper's beside this run's"),
    "validation": Artefact("validation.nc", "04_validation", "observed and simulated RECO at independent site-years"),
    "validation_scores": Artefact("validation_scores.csv", "04_validation", "Figs 2 and 3 in numbers, a row a model"),
    "reco": Artefact("reco.zarr", "05_global_mapping", "RECO (year, lat, lon), mean of the ensemble, and its spread"),
    "fig1": Artefact("fig1.csv", "05_global_mapping", "inset bars of Fig 1: process models against the CNN"),
    "trends": Artefact("trends.nc", "06_trends", "slopes, p-values and direction classes of RECO and NPP (lat, lon)"),
    "table2": Artefact("table2.csv", "06_trends", "Table 2: rising and falling shares, the paper's beside this run's"),
    "table3": Artefact("table3.csv", "06_trends", "Table 3: direction classes, the paper's beside this run's"),
    "risk": Artefact("risk.csv", "07_sink_risk", "shares where NPP or RECO grows faster, by band, biome and economy"),
    "oof": Artefact(
        "oof.nc", "08_splits_and_leakage", "predictions at samples that their model was not trained on (model, sample)"
    ),
    "ladder": Artefact("ladder.csv", "08_splits_and_leakage", "scores by split and model, with intervals by sites"),
    "ladder_differences": Artefact(
        "ladder_differences.csv", "08_splits_and_leakage", "which model is better than which, by split, or open"
    ),
    "error_parts": Artefact(
        "error_parts.csv", "08_splits_and_leakage", "RMSE, bias and R2 at unseen places by land cover and region"
    ),
    "label_noise": Artefact(
        "label_noise.csv",
        "08_splits_and_leakage",
        "how two partitionings of RECO agree, and scores with each as target",
    ),
    "scales": Artefact("scales.csv", "08_splits_and_leakage", "skill across sites, among years, of trends, at worst"),
    "honest_models": Artefact(
        "honest_models", "08_splits_and_leakage", "networks chosen at unseen places: safetensors and their normalisers"
    ),
    "lag": Artefact("lag.csv", "09_is_there_a_lag", "what each SPEI gains, and its shuffled twins, by protocol"),
    "lag_curve": Artefact("lag_curve.csv", "09_is_there_a_lag", "what SPEI gains at every scale from 3 to 60 months"),
    "reco_honest": Artefact("reco_honest.zarr", "10_applicability", "RECO (year, lat, lon) by the honest network"),
    "applicability": Artefact(
        "applicability.nc", "10_applicability", "dissimilarity, applicability, spreads (lat, lon)"
    ),
    "applicability_numbers": Artefact("applicability.csv", "10_applicability", "numbers on maps: paper, run, honest"),
    "members": Artefact(
        "members.zarr", "11_trends_that_survive", "RECO by each member, with and without NPP (year, lat, lon)"
    ),
    "trends_honest": Artefact("trends_honest.csv", "11_trends_that_survive", "numbers on trends: paper, run, honest"),
    "trends_scored": Artefact(
        "trends_scored.csv", "11_trends_that_survive", "numbers on trends against a made planet's truth"
    ),
    "honest_maps": Artefact("trends_honest.nc", "11_trends_that_survive", "trends and verdicts that hold (lat, lon)"),
    "real_land": Artefact("real_land.csv", "12_real_land", "errors, areas and totals of a static map of real land"),
    "tower_years": Artefact(
        "tower_years.csv", "12_real_land", "years at real towers: spread, noise of the label, process models"
    ),
    "numbers": Artefact("numbers.csv", "13_numbers", "every headline number: paper, this run's protocol, honest"),
}


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace(new: Path, target: Path) -> None:
    """Put ``new`` in the place of ``target``: a file in one step; a folder by moving the old one aside first.

    Between the two renames of a folder a kill leaves *no* target, which reads as missing, never as half.
    """
    if target.is_dir() and not target.is_symlink():
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
        target.rename(old)
        new.rename(target)
        remove(old)
    else:
        new.replace(target)


RUNNER, STAGE, MAKES = "RECO_RUNNER", "RECO_STAGE", "RECO_MAKES"
"""What the runner tells the kernels that it starts, by the environment: its process number; a folder in the workspace
where what the chapter makes waits until the chapter is done; the names of what it makes, with blanks between them."""


def _refuse_orphan(target: Path) -> None:
    """Raise where the runner that started this kernel is gone: another may be writing the same files by now."""
    runner = os.environ.get(RUNNER)
    if runner and int(runner) not in (os.getpid(), os.getppid()):
        raise ProcessLookupError(f"{target}: not written, since the runner (process {runner}) is gone; run it again")


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a path for something that lives no longer than the block."""
    try:
        yield path
    finally:
        remove(path)


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Yield a path to write to, aside; when the block ends well it takes the target's place, else it is removed.

    Parameters
    ----------
    target : Path
        File or folder to make. What the block creates at the yielded path decides which.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with aside(target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")) as new:
        yield new
        _refuse_orphan(target)
        replace(new, target)


class Workspace:
    """The folder of one profile's artefacts.

    While the runner runs a chapter, what that chapter makes stands aside: it is written there and read from there, and
    what an earlier run made of it is not seen. In a notebook that is run by hand everything is in its place at once.

    Parameters
    ----------
    profile : str
        Name of the workspace: a plain name, no path.
    root : Path, optional
        Folder of all workspaces; default `outputs_root()`.

    Raises
    ------
    ValueError
        When ``profile`` is not a plain name.
    """

    def __init__(self, profile: str, root: Path | None = None) -> None:
        if not profile or Path(profile).name != profile or profile.startswith("."):
            raise ValueError(f"profile: expected a plain name such as 'demo', found {profile!r}; drop any path from it")
        self.profile = profile
        self.folder = (root or outputs_root()) / profile
        stage = Path(os.environ.get(STAGE, ""))
        self._stage = stage if stage.parent == self.folder else None

    def __repr__(self) -> str:
        return f"Workspace({self.profile!r})"

    def path(self, name: str) -> Path:
        """Return where artefact ``name`` stands or would stand."""
        if name not in ARTEFACTS:
            raise KeyError(f"artefact {name!r} is unknown; known are {', '.join(ARTEFACTS)}")
        staged = self._stage and name in os.environ.get(MAKES, "").split()
        return (self._stage if staged else self.folder) / ARTEFACTS[name].file

    def _mine(self, name: str) -> Path:
        """Return the path of an artefact that is to change; raise where the runner would not put it in place."""
        path = self.path(name)
        if self._stage and path.parent != self._stage:
            raise PermissionError(
                f"{name!r}: expected an artefact that this chapter makes, found none of its cells calls "
                f"ws.write({name!r}, …) or ws.writing({name!r}); write it there, with the name written out"
            )
        return path

    def has(self, name: str) -> bool:
        """Say whether artefact ``name`` is there."""
        return self.path(name).exists()

    def drop(self, name: str) -> None:
        """Delete an artefact of an earlier run, if it is there; raises as `write` does."""
        remove(self._mine(name))

    def read(self, name: str) -> xr.Dataset | pd.DataFrame | Path:
        """Open an artefact: a Dataset (zarr lazily, NetCDF in memory), a table, or a folder's path.

        Raises
        ------
        MissingArtefact
            It is not there; the message names the chapter that makes it.
        DamagedArtefact
            It is there but cannot be read.
        """
        path, made_by = self.path(name), ARTEFACTS[name].made_by
        if not path.exists():
            raise MissingArtefact(f"{path}: {name!r} is not there yet; run chapter {made_by} to make it")
        try:
            match path.suffix:
                case ".zarr":
                    return xr.open_zarr(path)
                case ".nc":
                    with LIBRARY:
                        return xr.load_dataset(path, engine="netcdf4")
                case ".csv":
                    return pd.read_csv(path)
                case _:
                    return path
        except (OSError, ValueError, KeyError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise DamagedArtefact(
                f"{path}: {name!r} cannot be read ({why}); delete it and run chapter {made_by} again"
            ) from error

    def write(self, name: str, content: xr.Dataset | pd.DataFrame) -> None:
        """Write an artefact aside, then put it in place.

        Datasets lose inherited encodings (chunks and scales of the files they came from); float64 fields stay as
        they are, so cast to float32 where the contract says so.

        Raises
        ------
        TypeError
            The artefact is a folder.
        PermissionError
            The runner runs a chapter whose code does not say that it makes this.
        """
        path = self._mine(name)
        with writing(path) as new:
            match path.suffix:
                case ".zarr":
                    content.drop_encoding().to_zarr(new, mode="w", **ZARR)
                case ".nc":
                    plain = content.drop_encoding()
                    # Coordinates come in the order of a set, where they were merged: it differs from run to run.
                    plain = plain[[*sorted(map(str, plain.coords)), *plain.data_vars]]
                    packed = {
                        v: {"zlib": True, "complevel": 1} for v in plain.data_vars if plain[v].dtype.kind in "fiu"
                    }
                    # Computed first: lazy fields would come into the file in the order in which threads get ready.
                    plain = plain.compute()
                    with LIBRARY:
                        plain.to_netcdf(new, engine="netcdf4", encoding=packed)
                case ".csv":
                    content.to_csv(new, index=False)
                case _:
                    raise TypeError(f"{name!r} is a folder; write it with Workspace.writing({name!r})")

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield an empty folder aside, put in place when the block ends well; raises as `write` does."""
        with writing(self._mine(name)) as new:
            new.mkdir(parents=True)
            yield new
