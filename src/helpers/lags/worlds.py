"""Samples of small Demo Earths in which a lag was planted, or none: straight from the truth, without product files.

A world is a planet of the Demo Earth at 2°, with its own weather, land and towers. Climate comes on cells of 6°, about
those of the demo's climate products, and so do MAT, MAP and SPEI at the towers; all other predictors are true. Cells
and towers differ as those of the hard planet do, unless told otherwise, and towers report as the demo's do: each has a
site effect, and each year an error. One planet serves for all lags, with the same towers and the same errors, so that
only the lag differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from helpers import windows
from helpers.demo.planet import Planet, drought, make, respire
from helpers.demo.towers import network, observe
from helpers.demo.variety import HARD, Variety
from helpers.spei import december
from helpers.splits import place_groups

BASE = ("mat", "map", "par", "fapar", "lai", "ndvi", "npp", "soc")
"""Basic data of a world; its soil carbon is that of the pool, at one depth."""

SCALES = (12, 24, 36)


def plant(planet: Planet, lag_weights: Sequence[float]) -> Planet:
    """Return the planet as it would be with another lag: decomposition runs anew, all before it stays.

    Parameters
    ----------
    planet : Planet
    lag_weights : sequence of float
        Of the water of this year, the last, and so on; see `helpers.demo.build`.
    """
    p, weights = planet, tuple(lag_weights)
    rh, pools = respire(p.ground, p.monthly, p.water, weights, p.own)
    return replace(p, monthly=p.monthly | {"rh": rh}, pools=pools, lag_weights=weights)


def world(
    seed: int,
    planted: Sequence[Sequence[float]],
    *,
    towers: int = 80,
    resolution: float = 2.0,
    climate_factor: int = 3,
    years: tuple[int, int] = (2000, 2014),
    climate_start: int = 1985,
    sizes: Variety = HARD,
) -> xr.Dataset:
    """Make one planet and the samples of its towers, once for each lag.

    Parameters
    ----------
    seed : int
        Of the planet, its towers and their errors.
    planted : sequence of sequence of float
        Lag weights, one set a lag.
    towers : int
        Flux towers.
    resolution : float
        Edge of a cell (degrees).
    climate_factor : int
        How many times coarser climate is.
    years : tuple of int
        First and last year of the towers' records.
    climate_start : int
        First year of the climate (5 or more before the first of ``years``).
    sizes : Variety
        How much cells and towers differ beyond the predictors.

    Returns
    -------
    Dataset
        ``window`` (sample, predictor, dy, dx) with the predictors `BASE`, ``spei12``, ``spei24``, ``spei36``, and the
        SPEI12 of other years: ``spei12_1`` and ``spei12_2``, one and two before, and ``spei12_next``, the coming one;
        ``reco`` (planted, sample), kg m-2 yr-1;
        coordinates ``site``, ``year``, ``group`` (sample). Samples that the rules of chapter 2 would drop are dropped.

    Raises
    ------
    ValueError
        The climate begins too late.
    """
    if climate_start > years[0] - 5:
        raise ValueError(f"climate_start: expected {years[0] - 5} or earlier, found {climate_start}")
    options = {"years": (years[0], years[1] + 1), "resolution": resolution, "climate_factor": climate_factor}
    planet = make(seed, **options, lag_weights=tuple(planted[0]), climate_start=climate_start, sizes=sizes)
    standing = network(planet, towers, 1, sizes.tower)[0]
    reports = [observe(plant(planet, weights), standing, sizes.noise, "fluxnet2015") for weights in planted]
    rows, reco = reports[0], np.stack([report.reco.to_numpy() for report in reports]) / 1000
    good = ((reco > 0.01) & (reco < 5)).all(axis=0) & ((rows.qc >= 0.5) & (rows.year <= years[1])).to_numpy()
    rows, reco, cell = rows[good], reco[:, good], rows.cell.to_numpy()[good]
    at = planet.lat[cell], planet.lon[cell], rows.year.to_numpy()
    fields = _fields(planet)
    window = windows.at_points(fields, *at).drop_vars(["filled", "lacking"])
    group = place_groups(window.row.values, window.column.values, planet.grid.shape[1])
    out = xr.Dataset({"window": window.drop_vars(["row", "column"]), "reco": (("planted", "sample"), reco)})
    names = {"site": rows.site.to_numpy().astype(str), "year": at[2], "group": group}
    return out.assign_coords({name: ("sample", values) for name, values in names.items()})


def _fields(planet: Planet) -> xr.Dataset:
    """Return the predictors (year, lat, lon) on the planet's grid."""
    p = planet
    early = p.all_years >= p.years[0]
    values = {name: p.annual(name) for name in ("par", "fapar", "lai", "ndvi")}
    values |= {"npp": p.annual("npp", total=True), "soc": np.broadcast_to(p.pools[2, 0], (early.sum(), p.lat.size))}
    values |= {"mat": _coarse(p, p.annual("tmp")), "map": _coarse(p, p.annual("pre", total=True))}
    wet, dry = (p.aggregate(p.monthly[name], p.coarse) for name in ("pre", "pet"))
    for scale in SCALES:
        index = _laid(p, december(drought(wet, dry, p.time, scale)).values)
        values[f"spei{scale}"] = index[early]
        if scale == 12:
            now = np.flatnonzero(early)
            values |= {f"spei12_{k}": index[now - k] for k in (1, 2)}
            values["spei12_next"] = index[np.minimum(now + 1, now[-1])]  # no tower reports in the planet's last year
    names = [*BASE, *(f"spei{scale}" for scale in SCALES), "spei12_1", "spei12_2", "spei12_next"]
    fields = {name: (("year", "lat", "lon"), p.spread(values[name])) for name in names}
    return xr.Dataset(fields, {"year": p.product_years, "lat": p.grid.lat, "lon": p.grid.lon})


def _laid(planet: Planet, values: np.ndarray) -> np.ndarray:
    """Lay (step, coarse lat, coarse lon) on the cells: (step, cell)."""
    row, column = windows.cells(planet.coarse.lat, planet.coarse.lon, planet.lat, planet.lon)
    return values[:, row, column]


def _coarse(planet: Planet, values: np.ndarray) -> np.ndarray:
    """Average (step, cell) over coarse cells, and lay that on the cells."""
    return _laid(planet, planet.aggregate(values, planet.coarse))
