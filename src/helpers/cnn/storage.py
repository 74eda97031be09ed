"""Trained networks on disk: one safetensors file a model, and one JSON that says how to use them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as tensor_bytes

from helpers.cnn.network import Ensemble, Member
from helpers.workspace import one_line

INDEX, SEAL = "models.json", "seal"

OWN = {"mean": True, "sd": True, "linear": True, "scale": False}
"""Tensors beside the weights of a member that has its own normaliser, and whether they have one value a channel."""


class DamagedModel(ValueError):
    """A stored model is incomplete, altered, or not what its index says; the message names the file."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(one_line(f"{path}: {found}; delete the folder and train again (chapter 03_cnn_ablation)"))


def save(ensemble: Ensemble, folder: Path, *, optimal: str) -> None:
    """Write ``MODEL.safetensors`` (members stacked along the first axis) and ``models.json``.

    Parameters
    ----------
    ensemble : Ensemble
        Trained; it may hold several models.
    folder : Path
        Exists.
    optimal : str
        The model that `load` returns when none is named.

    Raises
    ------
    ValueError
        No member belongs to ``optimal``.
    """
    models: dict[str, list[int]] = {}
    for i, m in enumerate(ensemble.members):
        models.setdefault(m.model, []).append(i)
    if optimal not in models:
        raise ValueError(f"optimal: expected one of {', '.join(models)}, found {optimal!r}")
    own = ensemble.mean.ndim == 2
    index = {"optimal": optimal, "architecture": ensemble.architecture, "models": {}}
    index["target"] = {"name": "reco", "units": "kg m-2 yr-1", "scale": None if own else float(ensemble.scale)}
    shared = [] if own else zip(ensemble.channels, ensemble.mean.tolist(), ensemble.sd.tolist(), strict=True)
    index["normaliser"] = {name: {"mean": mean, "sd": sd} for name, mean, sd in shared}
    for model, places in models.items():
        small = [ensemble.weights(i) | (_own(ensemble, i) if own else {}) for i in places]
        content = tensor_bytes({name: torch.stack([w[name] for w in small]) for name in small[0]})
        (folder / f"{model}.safetensors").write_bytes(content)
        index["models"][model] = {
            "channels": [ensemble.channels[c] for c in ensemble.places[places[0]]],
            "seeds": [ensemble.members[i].seed for i in places],
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    (folder / INDEX).write_text(json.dumps(index | {SEAL: _seal(index)}, indent=1) + "\n", encoding="utf-8")


def _seal(index: dict) -> str:
    """Return the hash of an index: of all that it says, but for the hash itself."""
    told = {name: value for name, value in index.items() if name != SEAL}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _own(ensemble: Ensemble, member: int) -> dict[str, torch.Tensor]:
    """Return one member's normaliser, of its own channels and of its target, and its linear part (zeros for none)."""
    seen, values = ensemble.places[member], {name: getattr(ensemble, name) for name in OWN}
    if values["linear"] is None:
        values["linear"] = torch.zeros_like(ensemble.mean)
    return {f"own.{name}": v[member][seen] if OWN[name] else v[member] for name, v in values.items()}


def load(folder: Path, model: str | None = None) -> Ensemble:
    """Read one model's ensemble: its members differ in seed, its channels are the model's own.

    Parameters
    ----------
    folder : Path
        As `save` left it.
    model : str, optional
        Default: the optimal one.

    Raises
    ------
    FileNotFoundError, DamagedModel
        A file is missing, altered, or disagrees with the index.
    ValueError
        The folder holds no such model.
    """
    path = Path(folder) / INDEX
    if not path.exists():
        raise FileNotFoundError(f"{path}: not there; run chapter 03_cnn_ablation to train the networks")
    if not path.is_file():  # a pipe would be waited for
        raise DamagedModel(path, "no plain file")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if SEAL in index and index[SEAL] != _seal(index):
            raise ValueError("its checksum is another: it was altered")
        models, normaliser, scale = dict(index["models"]), index["normaliser"], index["target"]["scale"]
        architecture, model = index["architecture"], model or index["optimal"]
        if not isinstance(model, str) or Path(model).name != model:
            raise ValueError("its optimal model is no name")
        about = dict(models[model]) if model in models else None
        channels, seeds, digest = (about[key] for key in ("channels", "seeds", "sha256")) if about else ([], [], "")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DamagedModel(path, f"not readable as the index of models ({' '.join(str(error).split())})") from error
    if about is None:
        raise ValueError(one_line(f"model: expected one of {', '.join(map(str, models))}, found {model!r}"))
    path = path.with_name(f"{model}.safetensors")
    if not path.is_file():
        raise DamagedModel(path, f"not there as a plain file, though {INDEX} names it")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedModel(path, f"its checksum is not the one in {INDEX}: cut short, altered or from another run")
    try:
        stacked = parse_tensors(content)
        ensemble = Ensemble([Member(model, tuple(channels), s) for s in seeds], channels, architecture)
        for i in range(len(seeds)):
            ensemble.set_weights(i, {name: w[i] for name, w in stacked.items()})
        if normaliser:
            ensemble.mean, ensemble.sd = (torch.tensor([normaliser[c][k] for c in channels]) for k in ("mean", "sd"))
            ensemble.scale = torch.tensor(scale)
        else:
            for name in OWN:
                setattr(ensemble, name, stacked[f"own.{name}"])
    except (RuntimeError, LookupError, TypeError, ValueError, SafetensorError) as error:
        raise DamagedModel(path, f"not the tensors of {INDEX} ({' '.join(str(error).split())})") from error
    return ensemble
