"""Null models by permutation: which sample each sample takes its drought index from, were there nothing in it.

A permutation breaks one tie and keeps the others, and each answers another question. Shuffled among the years of a
site, SPEI still tells sites apart but says nothing of when. Moved as whole series among sites, it keeps its order in
time but says nothing of where. Shuffled among all samples, it says nothing. Values are moved, never made, so that what
was observed once is used once.

Every function returns ``rows``: sample ``s`` takes its channels from sample ``rows[c, s]`` in copy ``c``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.stats.labels import indexed


def within(labels: ArrayLike, copies: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Shuffle samples among those of the same label: the years of a site, or the sites of a year.

    Parameters
    ----------
    labels : array_like, shape (sample,)
        Site, say.
    copies : int
        How many permutations to draw.
    rng : numpy.random.Generator

    Returns
    -------
    rows : ndarray, shape (copy, sample), int
        Permutations under which each label keeps its own samples. All of a label's orders are equally likely.
    alone : int
        Samples whose label no other has. They stay put, and say nothing for or against the null model.

    Examples
    --------
    >>> rows, alone = within(["a", "a", "b"], 4, np.random.default_rng(0))
    >>> rows[:, 2].tolist(), alone
    ([2, 2, 2, 2], 1)
    """
    _, code = indexed(labels, "labels")
    drawn = rng.random((copies, code.size))
    shuffled = np.lexsort((drawn, np.broadcast_to(code, drawn.shape)), axis=-1)
    rows = np.empty_like(shuffled)
    rows[:, np.argsort(code, kind="stable")] = shuffled
    return rows, int((np.bincount(code)[code] == 1).sum())


def among_sites(
    site: ArrayLike, year: ArrayLike, copies: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Deal whole series to other sites: one after the other in a random order, each with its years in order.

    Sites have unequal numbers of years, so a series may end within a site, where the next one starts.

    Parameters
    ----------
    site, year : array_like, shape (sample,)
    copies : int
        How many permutations to draw.
    rng : numpy.random.Generator

    Returns
    -------
    rows : ndarray, shape (copy, sample), int
        Permutations of the samples.
    own : ndarray, shape (copy,), int
        Samples that chance left with a row of their own site.
    """
    _, code = indexed(site, "site")
    _, when = indexed(year, "year", code.size)
    order = rng.random((2, copies, code.max() + 1)).argsort(-1).argsort(-1)  # ranks of the sites, to and from
    into, out_of = (np.lexsort((np.broadcast_to(when, (copies, when.size)), o[:, code]), axis=-1) for o in order)
    rows = np.empty_like(into)
    np.put_along_axis(rows, into, out_of, axis=-1)
    return rows, (code[rows] == code).sum(-1)
