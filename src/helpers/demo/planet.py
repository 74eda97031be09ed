"""The Demo Earth itself: its ground, climate and carbon put together, true to the last digit and without noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from helpers.demo import carbon, climate, variety
from helpers.space import regions
from helpers.space.grid import Grid
from helpers.stats.spei import december, spei

PAST = 0.97
"""Production of the decades before the record, as a share of its first ten years': the CO2 of 1950 in the pools."""


@dataclass(frozen=True)
class Planet:
    """All that is true, on the land cells of a grid.

    Attributes
    ----------
    grid, coarse : Grid
        Of the truth, and of the climate products.
    rows, cols, lat, lon, area : ndarray (cell,)
        Places of the land cells (Antarctica left out), degrees and m2.
    time : DatetimeIndex
        Months from the first year of climate to the last of all.
    years : tuple of int
        First and last year of the products.
    ground : dict of ndarray (cell,)
        ``height``, ``fertility``, ``igbp``, ``daily_range``, ``latest`` …
    monthly : dict of ndarray (time, cell) float32
        ``tmp``, ``pre``, ``pet``, ``par``, ``lai``, ``fapar``, ``ndvi``, ``limit``, ``wet``, ``potential``,
        ``gpp``, ``npp``, ``rh``. ``potential`` is GPP as the table of biomes has it.
    water : ndarray (year, cell)
        Yearly water balance as a standard score, from the first year of climate.
    pools : ndarray (pool, year, cell)
        Biomass, litter, soil carbon at each year's end, kg m-2.
    lag_weights : tuple of float
    seed : int
    sizes : Variety
        How much cells and towers differ beyond the predictors.
    own : Peculiar or None
        What the cells have of their own.
    """

    grid: Grid
    coarse: Grid
    rows: np.ndarray
    cols: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    area: np.ndarray
    time: pd.DatetimeIndex
    years: tuple[int, int]
    ground: dict[str, np.ndarray]
    monthly: dict[str, np.ndarray]
    water: np.ndarray
    pools: np.ndarray
    lag_weights: tuple[float, ...]
    seed: int
    sizes: variety.Variety = variety.EASY
    own: variety.Peculiar | None = None

    @property
    def all_years(self) -> np.ndarray:
        """Every year of the record, early climate included."""
        return np.arange(self.time.year[0], self.time.year[-1] + 1)

    @property
    def product_years(self) -> np.ndarray:
        """Years of the products."""
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
        """Return the yearly mean, or total, of a monthly field over the product years: (year, cell) float64.

        In a mean each month weighs by its days.
        """
        wanted = self.time.year >= self.years[0]
        stack = self.monthly[name][wanted].astype("float64").reshape(-1, 12, self.lat.size)
        if total:
            return stack.sum(axis=1)
        days = self.time.days_in_month.to_numpy()[wanted].reshape(-1, 12)
        return np.einsum("ymc,ym->yc", stack, days / days.sum(axis=1, keepdims=True))

    @property
    def yearly_tmp(self) -> np.ndarray:
        """Plain mean of the months' temperature in each product year, by which CUE goes: (year, cell), degC."""
        wanted = self.time.year >= self.years[0]
        return self.monthly["tmp"][wanted].reshape(-1, 12, self.lat.size).mean(axis=1)

    def aggregate(self, values: np.ndarray, to: Grid) -> np.ndarray:
        """Average (step, cell) by area over the land of each cell of a coarser grid: (step, lat, lon), NaN at sea."""
        rows = np.floor((90 - self.lat) / to.resolution).astype(int)
        cols = np.floor((self.lon + 180) / to.resolution).astype(int)
        target = rows * to.shape[1] + cols
        size = to.shape[0] * to.shape[1]
        land = np.bincount(target, weights=self.area, minlength=size)
        weight = sparse.csr_array(
            (self.area / land[target], (target, np.arange(target.size))), shape=(size, target.size)
        )
        out = (weight @ values.T.astype("float64")).T
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
    sizes: variety.Variety = variety.EASY,
) -> Planet:
    """Make the planet; see `helpers.demo.build` for the parameters."""
    grid, coarse = Grid(resolution), Grid(resolution * climate_factor)
    land = regions.land(grid.lat, grid.lon) & (grid.lat > -60)[:, None]
    rows, cols = np.nonzero(land)
    lat, lon = grid.lat[rows], grid.lon[cols]
    time = climate.months(climate_start, years[1])
    ground, monthly = _weather(land, grid, lat, lon, time, seed)
    ground["fertility"] = climate.fertility(lat, lon, seed)
    ground["igbp"] = climate.land_cover(_means(monthly, time, lat), lat, lon, seed)
    own = variety.draw(sizes, lat, lon, ground["igbp"], time.size // 12, seed)
    _grow(ground, monthly, time, own)
    water = climate.water_anomaly(monthly["pre"], monthly["pet"])
    monthly["rh"], pools = respire(ground, monthly, water, lag_weights, own)
    area = regions.cell_area(grid.lat, grid.lon)[rows, cols]
    made = (ground, monthly, water, pools, tuple(lag_weights), seed, sizes, own)
    return Planet(grid, coarse, rows, cols, lat, lon, area, time, years, *made)


def respire(
    ground: dict, monthly: dict, water: np.ndarray, lag_weights: tuple[float, ...], own: variety.Peculiar | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return heterotrophic respiration (time, cell) and the pools (pool, year, cell) that a lag leaves."""
    lag = np.repeat(carbon.lag_factor(water, lag_weights), 12, axis=0).astype("float32")
    rate = carbon.lloyd_taylor(monthly["tmp"]) * carbon.moisture(monthly["wet"]) * lag
    return carbon.drain(monthly["npp"], rate, carbon.traits(ground["igbp"])[3], PAST, own=own)


def _weather(land, grid, lat, lon, time, seed) -> tuple[dict, dict]:
    height = climate.elevation(lat, lon, seed)
    fetch = climate.upwind_fetch(land, grid)[land]
    tmp = climate.temperature(lat, lon, height, fetch, time, seed)
    pre = climate.precipitation(lat, lon, height, fetch, time, seed)
    pet, daily_range = climate.evaporation(lat, time, tmp, 12 * pre.mean(axis=0, dtype="float64"))
    wet = climate.soil_water(pre, pet)
    light = climate.par(lat, time, pre)
    ground = {"height": height, "fetch": fetch, "daily_range": daily_range}
    return ground, {"tmp": tmp, "pre": pre, "pet": pet, "wet": wet, "par": light}


def _means(monthly: dict, time: pd.DatetimeIndex, lat: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean climate by which land cover is drawn."""
    by_month = {name: monthly[name].reshape(-1, 12, lat.size).mean(axis=0) for name in ("tmp", "pre", "pet")}
    northern_summer = np.isin(np.arange(1, 13), [4, 5, 6, 7, 8, 9])
    summer = np.where(lat >= 0, northern_summer[:, None], ~northern_summer[:, None])
    total = by_month["pre"].sum(axis=0)
    return {
        "mat": by_month["tmp"].mean(axis=0),
        "coldest": by_month["tmp"].min(axis=0),
        "warmest": by_month["tmp"].max(axis=0),
        "map": total,
        "pet": by_month["pet"].sum(axis=0),
        "summer": (by_month["pre"] * summer).sum(axis=0) / total,
    }


def _grow(ground: dict, monthly: dict, time: pd.DatetimeIndex, own: variety.Peculiar | None) -> None:
    """Add leaves, photosynthesis and production to the monthly fields."""
    growth = carbon.fertilisation(carbon.carbon_dioxide(time.year.to_numpy()))
    limit = carbon.cold_limit(monthly["tmp"], ground["daily_range"]) * carbon.dry_limit(monthly["wet"])
    monthly["limit"] = limit.astype("float32")
    leaves = carbon.leaf_area(monthly["limit"], ground["igbp"], ground["fertility"], growth)
    light = {"efficiency": carbon.traits(ground["igbp"])[0] * ground["fertility"], "growth": growth}
    light |= {"limit": monthly["limit"], "days": time.days_in_month.to_numpy()}
    gpp = carbon.photosynthesis(monthly["par"], carbon.absorbed(leaves), **light)
    monthly["potential"], added = gpp, 0.0
    if own is not None:
        leaves = leaves * np.repeat(own.leaves, 12, axis=0)
        gpp = carbon.photosynthesis(monthly["par"], carbon.absorbed(leaves), **light)
        gpp *= np.repeat((own.efficiency * own.years * own.vigour).astype("float32"), 12, axis=0)
        added = own.use_efficiency
    monthly["lai"] = leaves
    monthly["fapar"] = carbon.absorbed(leaves)
    monthly["ndvi"] = carbon.greenness(monthly["fapar"])
    yearly = monthly["tmp"].reshape(-1, 12, gpp.shape[1]).mean(axis=1)
    monthly["gpp"] = gpp
    monthly["npp"] = (gpp * np.repeat(carbon.use_efficiency(yearly, added), 12, axis=0)).astype("float32")


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
    out = p.grid.like().to_dataset(name="reco").assign_coords(year=p.product_years)
    for name, (values, units, long_name) in fields.items():
        out[name] = (("year", "lat", "lon"), p.spread(values), {"units": units, "long_name": long_name})
    wet, dry = (p.aggregate(p.monthly[name], p.coarse) for name in ("pre", "pet"))
    down = np.floor((90 - p.lat) / p.coarse.resolution).astype(int)
    right = np.floor((p.lon + 180) / p.coarse.resolution).astype(int)
    for scale in (12, 24, 36):
        index = december(drought(wet, dry, p.time, scale)).sel(year=p.product_years).values[:, down, right]
        attrs = {"units": "1", "long_name": f"SPEI of December over {scale} months, coarse grid"}
        out[f"spei{scale}"] = (("year", "lat", "lon"), p.spread(index), attrs)
    out["igbp"] = (("lat", "lon"), np.where(p.index() < 0, 0, p.ground["igbp"][p.index()]).astype("int8"))
    out["elevation"] = (("lat", "lon"), p.spread(p.ground["height"]), {"units": "m", "long_name": "height"})
    own = np.zeros(p.lat.size) if p.own is None else np.log(p.own.efficiency)
    about = {"units": "1", "long_name": "what a cell has of its own: logarithm of a factor on light-use efficiency"}
    out["cell_effect"] = (("lat", "lon"), p.spread(own), about)
    return out
