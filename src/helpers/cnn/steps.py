"""Arithmetic in memory that was set aside for it, many steps in a row without Python in between.

Threads of Python share one lock. PyTorch gives it back during each of its functions, so that two threads can compute
side by side; but a step on numbers in a processor's cache takes some fifty microseconds, and a thread that finds the
lock taken sleeps and wakes in about as many. TorchScript goes through a whole list of steps without that lock.
"""

from __future__ import annotations

import warnings
from typing import List  # noqa: UP035  (TorchScript knows no other)

import torch
from torch import Tensor


def _run(kinds: List[str], out: List[Tensor], a: List[Tensor], b: List[Tensor]) -> None:  # noqa: UP006
    for k in range(len(kinds)):
        kind = kinds[k]
        if kind == "mm":
            torch.mm(a[k], b[k], out=out[k])
        elif kind == "bmm":
            torch.bmm(a[k], b[k], out=out[k])
        elif kind == "addmm":
            out[k].addmm_(a[k], b[k])
        elif kind == "baddbmm":
            out[k].baddbmm_(a[k], b[k])
        elif kind == "add":
            torch.add(a[k], b[k], out=out[k])
        elif kind == "sub":
            torch.sub(a[k], b[k], out=out[k])
        elif kind == "mul":
            torch.mul(a[k], b[k], out=out[k])
        elif kind == "maximum":
            torch.maximum(a[k], b[k], out=out[k])
        elif kind == "greater":
            torch.gt(a[k], b[k], out=out[k])
        elif kind == "relu":
            torch.clamp(a[k], min=0, out=out[k])
        elif kind == "relu_slope":
            torch.ops.aten.threshold_backward(a[k], b[k], 0, grad_input=out[k])
        elif kind == "copy":
            out[k].copy_(a[k])
        elif kind == "zero":
            out[k].zero_()
        elif kind == "add_sums":
            out[k].add_(a[k].sum([1, 2, 4]))
        else:
            raise ValueError("no such step: " + kind)


with warnings.catch_warnings():
    # PyTorch advises its compiler instead, which needs one for C++ on the user's machine. Without `torch.jit` the
    # function does the same by itself, in Python.
    warnings.simplefilter("ignore", DeprecationWarning)
    _run_alone = torch.jit.script(_run) if hasattr(torch.jit, "script") else _run


class Steps:
    """A list of steps; calling it does them one after the other.

    Each writes into ``out``, which it may read as well, and reads ``a`` and ``b`` as far as its kind has them:

    ============== ================================
    kind           ``out`` becomes
    ============== ================================
    mm, bmm        a @ b; for each member with bmm
    addmm, baddbmm out + a @ b; likewise
    add, sub, mul  a + b, a - b, a b
    maximum        the larger of a and b
    greater        1 where a > b, else 0
    relu           the larger of a and 0
    relu_slope     a where b > 0, else 0
    copy, zero     a, 0
    add_sums       out + sums of a over axes 1, 2, 4
    ============== ================================
    """

    def __init__(self) -> None:
        self._lists: tuple[list[str], list[Tensor], list[Tensor], list[Tensor]] = ([], [], [], [])

    def add(self, kind: str, out: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> None:
        """Append a step."""
        values = kind, out, out if a is None else a, out if b is None else b
        for kept, value in zip(self._lists, values, strict=True):
            kept.append(value)

    def __call__(self) -> None:
        """Do all steps."""
        _run_alone(*self._lists)
