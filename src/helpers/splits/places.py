"""Which samples are one place: towers that share a cell of their windows, or that stand close together.

Two windows of 3 × 3 cells overlap if their centres lie at most two rows and two columns apart. Whoever trains on one
and tests on the other has seen part of the answer; and if A overlaps B, and B overlaps C, then the three must stay
together. So the places are the connected components of the graph that links overlapping windows.

>>> place_groups([4, 4, 4, 4], [0, 2, 4, 359], n_columns=360).tolist()
[0, 0, 0, 0]
>>> place_groups([4, 4, 4, 8], [0, 2, 5, 0], n_columns=360).tolist()
[0, 0, 1, 2]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from helpers import windows
from helpers.grid import Grid
from helpers.splits.sphere import unit_vectors


def _components(pairs: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Return the connected component of each sample, which stands at one of the nodes that ``pairs`` (pair, 2) link."""
    size = nodes.max() + 1
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    component = connected_components(graph, directed=False)[1][nodes]
    _, first, which = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def place_groups(row: ArrayLike, column: ArrayLike, n_columns: int | None = None, reach: int = 2) -> np.ndarray:
    """Group samples whose windows overlap, directly or through others.

    Parameters
    ----------
    row, column : array_like of int (sample,)
        The cell in the middle of each window, as `helpers.windows.cells` gives it.
    n_columns : int, optional
        Columns of a grid that goes round the globe, where the last column is the neighbour of the first; left out for
        a grid that does not. Rows end at the poles: windows do not reach across.
    reach : int
        Two cells are linked if they lie at most so many rows *and* columns apart: 2 for windows of 3 × 3 cells that
        share one, 1 for cells that touch, 0 for towers in the same cell.

    Returns
    -------
    ndarray of int (sample,)
        Number of the group, from 0 in the order in which samples meet them.

    Raises
    ------
    ValueError
        Rows and columns differ in number, there is none, they are not whole numbers, one is off the grid, or ``reach``
        is negative.
    """
    row, column = np.asarray(row), np.asarray(column)
    if row.ndim != 1 or row.shape != column.shape or row.size == 0:
        raise ValueError(f"row, column: expected one of each a sample, found shapes {row.shape} and {column.shape}")
    if row.dtype.kind not in "iu" or column.dtype.kind not in "iu":
        raise ValueError(
            f"row, column: expected whole numbers, found {row.dtype} and {column.dtype}; use windows.cells"
        )
    beyond = (row < 0) | (column < 0) | (False if n_columns is None else column >= n_columns)
    if beyond.any():
        raise ValueError(f"row, column: expected cells of the grid, found {beyond.sum()} off it; drop those samples")
    if reach < 0:
        raise ValueError(f"reach: expected 0 cells or more, found {reach}; 2 is for windows of 3 × 3 cells")
    cells, which = np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)
    tree = cKDTree(cells, boxsize=None if n_columns is None else [0, n_columns])
    pairs = tree.query_pairs(reach + 0.5, p=np.inf, output_type="ndarray")
    return _components(pairs, which.ravel())


def window_groups(lat: ArrayLike, lon: ArrayLike, cell: float = 0.05, reach: int = 2) -> np.ndarray:
    """Group points whose windows would overlap on the global grid of a given resolution (see `place_groups`).

    Parameters
    ----------
    lat, lon : array_like (sample,)
        Points, degrees.
    cell : float
        Edge of a cell (degrees; divides 180). At 0.05° a window is 0.15° wide.
    reach : int
        As in `place_groups`.

    Returns
    -------
    ndarray of int (sample,)
        Number of the group, from 0 in the order in which samples meet them.

    Raises
    ------
    ValueError
        As `unit_vectors` and `Grid`.
    """
    unit_vectors(lat, lon)  # checks the points
    mesh = Grid(cell)
    row, column = windows.cells(mesh.lat, mesh.lon, lat, lon)
    return place_groups(row, column, n_columns=mesh.shape[1], reach=reach)
