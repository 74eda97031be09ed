"""What a statistic of a map would be if its years came in any other order: the same order in every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr


def shuffled_years(n: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers 0 … n - 1 in random order, runs of ``block`` of them kept together; the cuts are random too.

    >>> bool((np.sort(shuffled_years(19, 3, np.random.default_rng(0))) == np.arange(19)).all())
    True
    """
    start = int(rng.integers(block))
    runs = np.split(np.arange(n), np.arange(start, n, block)[int(start == 0) :])
    return np.concatenate([runs[k] for k in rng.permutation(len(runs))])


def permuted_shares(
    y: xr.DataArray | xr.Dataset,
    statistic: Callable[[xr.DataArray | xr.Dataset], Mapping[str, float]],
    repeats: int,
    rng: np.random.Generator,
    dim: str = "year",
    block: int = 1,
) -> pd.DataFrame:
    """Compute a statistic of the map again and again, with its years in random order.

    All cells, and all variables of a Dataset, are put in the same order, so that neighbours go on resembling each other
    and NPP goes on with RECO; only the trends go. What is left is the distribution of the statistic by chance.

    Parameters
    ----------
    y : DataArray or Dataset (dim, …)
        Yearly maps, in memory.
    statistic : callable
        Takes such maps, with the years of ``y`` in their order, and returns numbers by name, such as the share of cells
        with p < 0.1.
    repeats : int
        Number of orders.
    rng : numpy.random.Generator
        Source of the orders.
    dim : str
        Dimension of the years.
    block : int
        Years that stay together. With 1, the memory of the series goes with the trend, and a field with memory looks
        more significant than it is; blocks of a few years keep a part of it.

    Returns
    -------
    DataFrame (repeats, names)
        A row an order.

    Raises
    ------
    ValueError
        When ``dim`` is missing, or ``block`` isn't between 1 and half the years.

    Notes
    -----
    The field-significance test of Livezey and Chen (1983), doi:10.1175/1520-0493(1983)111<0046:SFSAID>2.0.CO;2, by
    permutation: Wilks (2011), *Statistical Methods in the Atmospheric Sciences*, sections 5.3.4 and 5.4.
    """
    if dim not in y.dims:
        raise ValueError(f"y: expected a dimension {dim!r}, found {tuple(y.dims)}; name it")
    n = y.sizes[dim]
    if not 1 <= block <= n // 2:
        raise ValueError(f"block: expected 1 to {n // 2} of {n} years, found {block}; take fewer")
    years = y[dim]
    orders = (shuffled_years(n, block, rng) for _ in range(repeats))
    return pd.DataFrame([statistic(y.isel({dim: order}).assign_coords({dim: years})) for order in orders])


def permutation_p(observed: Mapping[str, float], permuted: pd.DataFrame) -> pd.Series:
    """Return how often chance gives as much as was observed, or more: one-sided, (1 + k) / (1 + repeats).

    Phipson and Smyth (2010), doi:10.2202/1544-6115.1585: the observed order is one of those that might have been.

    >>> permutation_p({"share": 0.3}, pd.DataFrame({"share": [0.1, 0.2, 0.4]})).tolist()
    [0.5]
    """
    as_much = {name: int((permuted[name] >= value).sum()) for name, value in observed.items()}
    return pd.Series({name: (1 + k) / (1 + len(permuted)) for name, k in as_much.items()}, name="p")
