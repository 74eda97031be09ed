"""Early stopping: the weights of each member's best look at its validation samples, all members at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Best:
    """The best weights so far, and which members still look for better ones.

    Parameters
    ----------
    parameters : sequence of Tensor, shape (member, ...)
        Read at each look, and overwritten by `restore`.
    patience : int or None
        Looks without a gain after which a member stops; None never stops.
    """

    def __init__(self, parameters: Sequence[Tensor], patience: int | None) -> None:
        self.parameters = [p.detach() for p in parameters]
        members = len(self.parameters[0])
        self.patience = math.inf if patience is None else patience
        self.loss = torch.full((members,), math.inf)
        self.iteration, self.idle = torch.zeros(members, dtype=torch.long), torch.zeros(members, dtype=torch.long)
        self.looking = torch.ones(members, dtype=torch.bool)
        self.kept = [p.clone() for p in self.parameters]

    def look(self, loss: Tensor, iteration: int) -> None:
        """Take note of the validation loss (member,) of the present weights.

        A member that has stopped stays stopped, though others train on beside it: its result doesn't depend on them.
        """
        better = (loss < self.loss) & self.looking
        self.loss = torch.where(better, loss, self.loss)
        self.iteration[better] = iteration
        self.idle = torch.where(better, 0, self.idle + 1)
        self.looking &= self.idle < self.patience
        for kept, now in zip(self.kept, self.parameters, strict=True):
            kept[better] = now[better]

    def restore(self) -> None:
        """Give every member its best weights back."""
        for kept, now in zip(self.kept, self.parameters, strict=True):
            now.copy_(kept)
