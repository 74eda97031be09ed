"""The Demo Earth itself: its ground, climate and carbon put together, true to the last digit and without noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from helpers.demo import carbon, climate
from helpers.demo.carbon import EASY, Peculiar, Variety
from helpers.space import regions
from helpers.space.grid import Grid, empty
from helpers.stats.spei import december, spei

PAST = 0.97
"""Production of the decades before the record, as a share of its first ten years': the CO2 of 1950 in the pools."""


@dataclass(frozen=True)
class Planet:
    """All that is true, on the land cells of a grid (Antarctica left out)."""

    grid: Grid
    coarse: Grid  # of the climate products
    rows: np.ndarray  # (cell,)
    cols: np.ndarray  # (cell,)
    lat: np.ndarray  # (cell,), degrees
    lon: np.ndarray  # (cell,), degrees
    area: np.ndarray  # (cell,), m2
    time: pd.DatetimeIndex  # months from the first year of climate to the last of all
    years: tuple[int, int]  # first and last of the products
    ground: dict[str, np.ndarray]  # (cell,): height, fetch, fertility, igbp, daily_range
    monthly: dict[str, np.ndarray]  # (time, cell) float32: tmp, pre, pet, wet, par, lai, fapar, ndvi, limit, gpp, npp,
    # rh, and potential, which is GPP as the table of biomes has it
    water: np.ndarray  # (year, cell), yearly water balance as a standard score, from the first year of climate
    pools: np.ndarray  # (pool, year, cell), biomass, litter, soil carbon at each year's end, kg m-2
    lag_weights: tuple[float, ...]
    seed: int
    sizes: Variety = EASY  # how much cells and towers differ beyond the predictors
    own: Peculiar | None = None  # what the cells have of their own

    @property
    def all_years(self) -> np.ndarray:
        """Every year of the record, early climate included."""
        return np.arange(self.time.year[0], self.time.year[-1] + 1)

    @property
    def product_years(self) -> np.ndarray:
        """Years of the products, the last of all."""
        return np.arange(self.years[0], self.years[1] + 1)

    def index(self) -> np.ndarray:
        """Return (lat, lon) whole numbers: which cell stands where, -1 off the land."""
        out = np.full(self.grid.shape, -1)
        out[self.rows, self.cols] = np.arange(self.rows.size)
        return out

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Lay (…, cell) out on the map: (…, lat, lon) float32, NaN off the land."""
        out = np.full((*values.shape[:-1], *self.grid.shape), np.nan, dtype="float32")
        out[..., self.rows, self.cols] = values
        return out

    def annual(self, name: str, *, total: bool = False) -> np.ndarray:
        """Return the yearly mean by days, or total, of a monthly field over the product years: (year, cell) float64."""
        recorded = self.time.year >= self.years[0]
        stack = self.monthly[name][recorded].astype("float64").reshape(-1, 12, self.lat.size)
        if total:
            return stack.sum(axis=1)
        days = self.time.days_in_month.to_numpy()[recorded].reshape(-1, 12)
        return np.einsum("ymc,ym->yc", stack, days / days.sum(axis=1, keepdims=True))

    def under(self, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and the column of ``grid`` that each land cell lies in."""
        rows = np.floor((90 - self.lat) / grid.resolution).astype(int)
        return rows, np.floor((self.lon + 180) / grid.resolution).astype(int)

    def aggregate(self, values: np.ndarray, to: Grid) -> np.ndarray:
        """Average (step, cell) by area over the land of each cell of a coarser grid: (step, lat, lon), NaN at sea."""
        target, size = np.ravel_multi_index(self.under(to), to.shape), to.shape[0] * to.shape[1]
        land = np.bincount(target, weights=self.area, minlength=size)
        share, cells = self.area / land[target], np.arange(target.size)
        out = (sparse.csr_array((share, (target, cells)), shape=(size, target.size)) @ values.T.astype("float64")).T
        out[:, land == 0] = np.nan
        return out.reshape(-1, *to.shape)


def make(
    seed: int,
    *,
    years: tuple[int, int],
    resolution: float,
    climate_factor: int,
    lag_weights: tuple[float, ...],
    climate_start: int,
    sizes: Variety = EASY,
) -> Planet:
    """Make the planet; see `helpers.demo.earth.build` for the parameters."""
    grid, coarse = Grid(resolution), Grid(resolution * climate_factor)
    land = regions.land(grid.lat, grid.lon) & (grid.lat > -60)[:, None]
    rows, cols = np.nonzero(land)
    lat, lon = grid.lat[rows], grid.lon[cols]
    time = climate.months(climate_start, years[1])
    height, fetch = climate.elevation(lat, lon, seed), climate.upwind_fetch(land, grid)[land]
    tmp = climate.temperature(lat, lon, height, fetch, time, seed)
    pre = climate.precipitation(lat, lon, height, fetch, time, seed)
    pet, daily_range = climate.evaporation(lat, time, tmp, 12 * pre.mean(axis=0, dtype="float64"))
    monthly = {"tmp": tmp, "pre": pre, "pet": pet, "wet": climate.soil_water(pre, pet)}
    monthly["par"] = climate.par(lat, time, pre)
    igbp = climate.land_cover(tmp, pre, pet, lat, lon, seed)
    fertility = climate.fertility(lat, lon, seed)
    ground = {"height": height, "fetch": fetch, "daily_range": daily_range, "fertility": fertility, "igbp": igbp}
    own = carbon.draw(sizes, lat, lon, igbp, time.size // 12, seed)
    monthly |= _growth(ground, monthly, time, own)
    water = climate.water_anomaly(pre, pet)
    monthly["rh"], pools = respire(ground, monthly, water, lag_weights, own)
    area = regions.cell_area(grid.lat, grid.lon)[rows, cols]
    made = (ground, monthly, water, pools, tuple(lag_weights), seed, sizes, own)
    return Planet(grid, coarse, rows, cols, lat, lon, area, time, years, *made)


def respire(
    ground: dict, monthly: dict, water: np.ndarray, lag_weights: tuple[float, ...], own: Peculiar | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return heterotrophic respiration (time, cell) and the pools (pool, year, cell) that a lag leaves."""
    lag = np.repeat(carbon.lag_factor(water, lag_weights), 12, axis=0).astype("float32")
    rate = carbon.lloyd_taylor(monthly["tmp"]) * carbon.moisture(monthly["wet"]) * lag
    return carbon.drain(monthly["npp"], rate, carbon.traits(ground["igbp"])[3], PAST, own=own)


def _growth(ground: dict, monthly: dict, time: pd.DatetimeIndex, own: Peculiar | None) -> dict[str, np.ndarray]:
    """Return the monthly fields of leaves, photosynthesis and production."""
    growth = carbon.fertilisation(carbon.carbon_dioxide(time.year.to_numpy()))
    limit = carbon.cold_limit(monthly["tmp"], ground["daily_range"]) * carbon.dry_limit(monthly["wet"])
    limit = limit.astype("float32")
    leaves = carbon.leaf_area(limit, ground["igbp"], ground["fertility"], growth)
    efficiency = carbon.traits(ground["igbp"])[0] * ground["fertility"]
    how = (limit, efficiency, growth, time.days_in_month.to_numpy())
    potential = gpp = carbon.photosynthesis(monthly["par"], carbon.absorbed(leaves), *how)
    if own is not None:
        leaves = leaves * np.repeat(own.leaves, 12, axis=0)
        gpp = carbon.photosynthesis(monthly["par"], carbon.absorbed(leaves), *how)
        gpp *= np.repeat((own.efficiency * own.years * own.vigour).astype("float32"), 12, axis=0)
    fapar = carbon.absorbed(leaves)
    fields = {"limit": limit, "potential": potential, "lai": leaves, "fapar": fapar, "ndvi": carbon.greenness(fapar)}
    return fields | {"gpp": gpp, "npp": net(gpp, monthly["tmp"], 0.0 if own is None else own.use_efficiency)}


def net(gpp: np.ndarray, tmp: np.ndarray, own: np.ndarray | float = 0.0) -> np.ndarray:
    """Return NPP (time, cell) float32 from GPP, by the CUE of each year's mean temperature."""
    return (gpp * np.repeat(carbon.use_efficiency(yearly(tmp), own), 12, axis=0)).astype("float32")


def yearly(values: np.ndarray) -> np.ndarray:
    """Return the plain mean of each year's months: (year, cell)."""
    return values.reshape(-1, 12, values.shape[1]).mean(axis=1)


def drought(precipitation: np.ndarray, pet: np.ndarray, time: pd.DatetimeIndex, scale: int) -> xr.DataArray:
    """Return SPEI of (time, …) totals, scores cut at 3 since a record of a few decades reaches no further."""
    dims = ("time", *(f"d{k}" for k in range(precipitation.ndim - 1)))
    pre, evap = (xr.DataArray(a, dims=dims, coords={"time": time}) for a in (precipitation, pet))
    return spei(pre, evap, scale, limit=3.0).transpose("time", ...)


def truth(planet: Planet) -> xr.Dataset:
    """Return what is true, on the planet's grid: (year, lat, lon) float32, NaN off the land.

    ``spei12`` to ``spei36`` are those of the true climate averaged to the coarse grid, laid on the fine one.
    """
    p = planet
    rh, gpp, npp = (p.annual(name, total=True) for name in ("rh", "gpp", "npp"))
    recorded = p.all_years >= p.years[0]
    fields = {
        "reco": (gpp - npp + rh, "kg m-2 yr-1", "ecosystem respiration, as carbon"),
        "npp": (npp, "kg m-2 yr-1", "net primary production, as carbon"),
        "gpp": (gpp, "kg m-2 yr-1", "gross primary production, as carbon"),
        "rh": (rh, "kg m-2 yr-1", "heterotrophic respiration, as carbon"),
        "mat": (p.annual("tmp"), "degC", "mean annual air temperature"),
        "map": (p.annual("pre", total=True), "mm yr-1", "annual precipitation"),
        "par": (p.annual("par"), "W m-2", "photosynthetically active radiation"),
        "fapar": (p.annual("fapar"), "1", "fraction of photosynthetically active radiation absorbed"),
        "lai": (p.annual("lai"), "m2 m-2", "leaf area index"),
        "ndvi": (p.annual("ndvi"), "1", "normalised difference vegetation index"),
        "water": (p.water[recorded], "1", "water balance of the year, as a standard score"),
        "carbon": (p.pools.sum(axis=0)[recorded], "kg m-2", "carbon in biomass, litter and soil"),
        "export": (carbon.exported(p.pools, p.own)[recorded], "kg m-2 yr-1", "carbon that left as smoke"),
    }
    out = empty(p.grid).to_dataset(name="reco").assign_coords(year=p.product_years)
    for name, (values, units, long_name) in fields.items():
        out[name] = (("year", "lat", "lon"), p.spread(values), {"units": units, "long_name": long_name})
    wet, dry = (p.aggregate(p.monthly[name], p.coarse) for name in ("pre", "pet"))
    for scale in (12, 24, 36):
        index = december(drought(wet, dry, p.time, scale)).sel(year=p.product_years).values[:, *p.under(p.coarse)]
        attrs = {"units": "1", "long_name": f"SPEI of December over {scale} months, coarse grid"}
        out[f"spei{scale}"] = (("year", "lat", "lon"), p.spread(index), attrs)
    out["igbp"] = (("lat", "lon"), np.where(p.index() < 0, 0, p.ground["igbp"][p.index()]).astype("int8"))
    out["elevation"] = (("lat", "lon"), p.spread(p.ground["height"]), {"units": "m", "long_name": "height"})
    own = np.zeros(p.lat.size) if p.own is None else np.log(p.own.efficiency)
    about = {"units": "1", "long_name": "what a cell has of its own: logarithm of a factor on light-use efficiency"}
    out["cell_effect"] = (("lat", "lon"), p.spread(own), about)
    return out
