"""Trained networks on disk: one safetensors file a model, and one JSON that says how to use them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as tensor_bytes

from helpers.cnn.network import Ensemble, Member, initial_weights

INDEX = "models.json"

OWN = {"mean": True, "sd": True, "linear": True, "scale": False}
"""Tensors beside the weights of a member that has its own normaliser, and whether they have one value a channel."""


class DamagedModel(ValueError):
    """A stored model is incomplete, altered, or not what its index says; the message names the file."""


def _remake(path: Path, found: str) -> DamagedModel:
    return DamagedModel(f"{path}: {found}; delete the folder and train again (chapter 03_cnn_ablation)")


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
    models = {m.model: [] for m in ensemble.members}
    if optimal not in models:
        raise ValueError(f"optimal: expected one of {', '.join(models)}, found {optimal!r}")
    for i, m in enumerate(ensemble.members):
        models[m.model].append(i)
    own = ensemble.mean.ndim == 2
    index = {"optimal": optimal, "architecture": ensemble.architecture, "models": {}}
    index["target"] = {"name": "reco", "units": "kg m-2 yr-1", "scale": None if own else float(ensemble.scale)}
    index["normaliser"] = {} if own else _shared(ensemble)
    for model, places in models.items():
        small = [ensemble.weights(i) | (_own(ensemble, i) if own else {}) for i in places]
        content = tensor_bytes({name: torch.stack([w[name] for w in small]) for name in small[0]})
        (folder / f"{model}.safetensors").write_bytes(content)
        index["models"][model] = {
            "channels": [ensemble.channels[c] for c in ensemble.places[places[0]]],
            "seeds": [ensemble.members[i].seed for i in places],
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _shared(ensemble: Ensemble) -> dict:
    """Return the one normaliser of all members."""
    return {
        name: {"mean": float(mean), "sd": float(sd)}
        for name, mean, sd in zip(ensemble.channels, ensemble.mean, ensemble.sd, strict=True)
    }


def _own(ensemble: Ensemble, member: int) -> dict[str, torch.Tensor]:
    """Return one member's normaliser, of its own channels and of its target, and its linear part (zeros for none)."""
    kept = ensemble.places[member]
    values = {name: getattr(ensemble, name) for name in OWN}
    if values["linear"] is None:
        values["linear"] = torch.zeros_like(ensemble.mean)
    return {f"own.{name}": v[member][kept] if OWN[name] else v[member] for name, v in values.items()}


def read_index(folder: Path) -> dict:
    """Return what ``models.json`` says.

    Raises
    ------
    FileNotFoundError
        There is none.
    DamagedModel
        It is not the JSON that `save` writes.
    """
    path = folder / INDEX
    if not path.exists():
        raise FileNotFoundError(f"{path}: not there; run chapter 03_cnn_ablation to train the networks")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _remake(path, f"not readable as JSON ({error})") from error
    missing = {"optimal", "architecture", "models", "target", "normaliser"} - set(index)
    if missing:
        raise _remake(path, f"lacks {', '.join(sorted(missing))}")
    return index


def _tensors(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    if not path.exists():
        raise _remake(path, f"not there, though {INDEX} names it")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _remake(path, f"its checksum is not the one in {INDEX}: cut short, altered or from another run")
    try:
        return parse_tensors(content)
    except SafetensorError as error:
        raise _remake(path, f"not readable as safetensors ({error})") from error


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
    index = read_index(Path(folder))
    model = model or index["optimal"]
    if model not in index["models"]:
        raise ValueError(f"model: expected one of {', '.join(index['models'])}, found {model!r}")
    about, path = index["models"][model], Path(folder) / f"{model}.safetensors"
    stacked = _tensors(path, about["sha256"])
    channels, seeds = about["channels"], about["seeds"]
    expected = initial_weights(len(channels), index["architecture"], 0)
    shapes = {name: (len(seeds), *w.shape) for name, w in expected.items()}
    if not index["normaliser"]:
        shapes |= {f"own.{name}": (len(seeds), len(channels))[: 1 + wide] for name, wide in OWN.items()}
    found = {name: tuple(w.shape) for name, w in stacked.items()}
    if found != shapes:
        raise _remake(path, f"expected tensors {shapes}, found {found}")
    ensemble = Ensemble([Member(model, tuple(channels), s) for s in seeds], channels, index["architecture"])
    for i in range(len(seeds)):
        ensemble.set_weights(i, {name: w[i] for name, w in stacked.items()})
    if not index["normaliser"]:
        for name in OWN:
            setattr(ensemble, name, stacked[f"own.{name}"])
        return ensemble
    normaliser = [index["normaliser"][c] for c in channels]
    ensemble.mean = torch.tensor([n["mean"] for n in normaliser])
    ensemble.sd = torch.tensor([n["sd"] for n in normaliser])
    ensemble.scale = torch.tensor(index["target"]["scale"])
    return ensemble
