"""Transforms of the target: what a network learns in place of respiration itself, and the way back.

Squared errors of a target with a long tail are ruled by the tail. A root or a logarithm weighs the samples more evenly.
The way back is that of a median: where errors are symmetric on the transformed scale, a restored prediction is the
median of what may be observed, which lies below its mean (Miller 1984, The American Statistician 38, 124-126).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TRANSFORMS = {
    "identity": (lambda y: y, lambda t: t),
    "sqrt": (torch.sqrt, torch.square),
    "log": (torch.log, torch.exp),
}
"""The way there and the way back, elementwise; ``sqrt`` needs targets of 0 or more, ``log`` above 0."""


def check_transforms(names: Sequence[str], lowest: float) -> None:
    """Raise ValueError if a transform is unknown, or can't take the lowest target."""
    unknown = sorted(set(names) - set(TRANSFORMS))
    if unknown:
        raise ValueError(f"transform: expected one of {', '.join(TRANSFORMS)}, found {', '.join(map(repr, unknown))}")
    for name, refused in (("sqrt", lowest < 0), ("log", lowest <= 0)):
        if name in names and refused:
            wanted = "0 or more" if name == "sqrt" else "above 0"
            raise ValueError(f"transform: {name} needs targets {wanted}, found {lowest:g}; choose identity")


def apply(targets: Tensor, names: Sequence[str]) -> Tensor:
    """Return targets (member, sample), each member's transformed by its own function."""
    return _each(targets, names, 0)


def restore(transformed: Tensor, names: Sequence[str]) -> Tensor:
    """Undo `apply`."""
    return _each(transformed, names, 1)


def _each(values: Tensor, names: Sequence[str], way: int) -> Tensor:
    if set(names) == {"identity"}:
        return values
    out = values.clone()
    for name in set(names):
        rows = torch.tensor([other == name for other in names])
        out[rows] = TRANSFORMS[name][way](values[rows])
    return out
