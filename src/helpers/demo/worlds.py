"""Made worlds in which the lag is known: one planet, and the samples of its towers, for each lag.

Samples come straight from the truth of small Demo Earths, without product files, with a lag planted or none. A world
is a planet of the Demo Earth at 2°, with its own weather, land and towers. Climate comes on cells of 6°, about those of
the demo's climate products, and so do MAT, MAP and SPEI at the towers; all other predictors are true. Cells and towers
differ as those of the hard planet do, and towers report as the demo's do: each has a site effect, and each year an
error. One planet serves for all lags, with the same towers and the same errors, so that only the lag differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from helpers.demo.carbon import HARD
from helpers.demo.planet import Planet, drought, make, respire
from helpers.demo.towers import network, observe
from helpers.space import windows
from helpers.stats.spei import december

BASE = ("mat", "map", "par", "fapar", "lai", "ndvi", "npp", "soc")
"""Basic data of a world; its soil carbon is that of the pool, at one depth."""

EARLIER = ("spei12", "spei24", "spei36")
"""What the paper adds: water summed up to this year, the last, and the one before last."""

WATERS = ("spei12", "spei12_1", "spei12_2")
"""The water of this year, the last, and the one before last, each by itself."""

NEXT = "spei12_next"
"""The water of the coming year: a placebo."""

YEARS, CLIMATE_START = (2000, 2014), 1985
"""First and last year of the towers' records, and first year of the climate, early enough for SPEI36 two years on."""


def plant(planet: Planet, lag_weights: Sequence[float]) -> Planet:
    """Return the planet as it would be with another lag: decomposition runs anew, all before it stays.

    Parameters
    ----------
    planet : Planet
    lag_weights : sequence of float
        Of the water of this year, the last, and so on; see `helpers.demo.earth.build`.
    """
    p, weights = planet, tuple(lag_weights)
    rh, pools = respire(p.ground, p.monthly, p.water, weights, p.own)
    return replace(p, monthly=p.monthly | {"rh": rh}, pools=pools, lag_weights=weights)


def lag_weights(strength: float) -> list[tuple[float, ...]]:
    """Return the lag weights of `helpers.stats.lags.PLANTED`: no lag, or all of it in one year."""
    return [(0.0,) * 3, *(tuple(strength * (np.arange(3) == k)) for k in range(3))]


def world(
    seed: int,
    planted: Sequence[Sequence[float]],
    *,
    towers: int = 80,
    resolution: float = 2.0,
    climate_factor: int = 3,
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

    Returns
    -------
    Dataset
        ``window`` (sample, predictor, dy, dx) with the predictors `BASE`, `EARLIER`, and the SPEI12 of other years:
        ``spei12_1`` and ``spei12_2``, one and two before, and ``spei12_next``, the coming one; ``reco`` (planted,
        sample), kg m-2 yr-1; coordinates ``site``, ``year``, ``group`` (sample). Samples that the rules of chapter 2
        would drop are dropped.
    """
    options = {"years": (YEARS[0], YEARS[1] + 1), "resolution": resolution, "climate_factor": climate_factor}
    options |= {"climate_start": CLIMATE_START, "sizes": HARD}
    planet = make(seed, **options, lag_weights=tuple(planted[0]))
    standing = network(planet, towers, 1, HARD.tower)[0]
    reports = [observe(plant(planet, weights), standing, HARD.noise, "fluxnet2015") for weights in planted]
    rows, reco = reports[0], np.stack([report.reco.to_numpy() for report in reports]) / 1000
    good = ((reco > 0.01) & (reco < 5)).all(axis=0) & ((rows.qc >= 0.5) & (rows.year <= YEARS[1])).to_numpy()
    rows, reco, cell = rows[good], reco[:, good], rows.cell.to_numpy()[good]
    at = planet.lat[cell], planet.lon[cell], rows.year.to_numpy()
    window = windows.at_points(_fields(planet), *at).drop_vars(["filled", "lacking"])
    group = windows.place_groups(window.row.values, window.column.values, planet.grid.shape[1])
    out = xr.Dataset({"window": window.drop_vars(["row", "column"]), "reco": (("planted", "sample"), reco)})
    names = {"site": rows.site.to_numpy().astype(str), "year": at[2], "group": group}
    return out.assign_coords({name: ("sample", values) for name, values in names.items()})


def _fields(planet: Planet) -> xr.Dataset:
    """Return the predictors (year, lat, lon) on the planet's grid."""
    p = planet
    early = p.all_years >= p.years[0]
    values = {name: p.annual(name) for name in ("par", "fapar", "lai", "ndvi")}
    values |= {"npp": p.annual("npp", total=True), "soc": np.broadcast_to(p.pools[2, 0], (early.sum(), p.lat.size))}
    for name, annual in (("mat", p.annual("tmp")), ("map", p.annual("pre", total=True))):
        values[name] = p.aggregate(annual, p.coarse)[:, *p.under(p.coarse)]
    wet, dry = (p.aggregate(p.monthly[name], p.coarse) for name in ("pre", "pet"))
    for name, scale in zip(EARLIER, (12, 24, 36), strict=True):
        index = december(drought(wet, dry, p.time, scale)).values[:, *p.under(p.coarse)]
        values[name] = index[early]
        if scale == 12:
            now = np.flatnonzero(early)
            values |= {f"spei12_{k}": index[now - k] for k in (1, 2)}
            values[NEXT] = index[np.minimum(now + 1, now[-1])]  # no tower reports in the planet's last year
    fields = {name: (("year", "lat", "lon"), p.spread(values[name])) for name in (*BASE, *EARLIER, *WATERS[1:], NEXT)}
    return xr.Dataset(fields, {"year": p.product_years, "lat": p.grid.lat, "lon": p.grid.lon})
