"""Six stand-ins for process models: the Demo Earth's own carbon cycle without its memory, each with a declared deficit.

Each also sees the planet through a bias of its own, a smooth factor that reaches over 1500 km (standard deviation
``bias`` of its logarithm): forcing, land cover and parameters that differ from the truth. All have the tables of biomes
and know nothing of what a cell has of its own (`variety`), its events among it: no real model does. Three write as
MsTMIP's models do (to 2010, one of them a value a year, one in two parts), three as TRENDY's (``ra`` and ``rh``,
monthly).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cftime
import netCDF4
import numpy as np

from helpers.demo import carbon
from helpers.demo.fields import smooth, stream
from helpers.demo.planet import PAST, Planet
from helpers.space.grid import Grid


@dataclass(frozen=True)
class Stand:
    """One stand-in: what is wrong with it, and how its files look.

    Attributes
    ----------
    product : str
        ``mstmip`` or ``trendy``.
    deficit : str
        What is wrong, for the page.
    variables : tuple of str
        What it reports: the whole, or autotrophic and heterotrophic respiration.
    coarser : int
        Its cells' edge in cells of the planet.
    monthly : bool
        A value a month, else a value a year.
    calendar : str
        Of its time axis.
    east : bool
        Longitudes from 0 to 360 rather than from -180 to 180.
    """

    product: str
    deficit: str
    variables: tuple[str, ...]
    coarser: int = 2
    monthly: bool = True
    calendar: str = "standard"
    east: bool = False


STANDS = {
    "DEMO-ARID": Stand(
        "mstmip", "soil water is that of the mean year: decomposition knows no drought, past or present", ("TotalResp",)
    ),
    "DEMO-FORGET": Stand(
        "mstmip", "drought acts within its year only: no memory", ("AutoResp", "HeteroResp"), monthly=False, coarser=3
    ),
    "DEMO-TEPID": Stand(
        "mstmip", "a fixed doubling for each 25 K in place of Lloyd and Taylor's response", ("TotalResp",), east=True
    ),
    "DEMO-SLOW": Stand("trendy", "litter decays six times too slowly, no memory: years are smoothed", ("ra", "rh")),
    "DEMO-STATIC": Stand(
        "trendy", "photosynthesis repeats the mean year; no memory", ("ra", "rh"), calendar="noleap", east=True
    ),
    "DEMO-BALANCED": Stand(
        "trendy", "soil gives back in each month what it receives: no pools", ("ra", "rh"), coarser=3
    ),
}
"""The six by name. MsTMIP's stop in 2010."""

LAST_MSTMIP = 2010


def respiration(planet: Planet, name: str, bias: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a stand-in's autotrophic and heterotrophic respiration: two of (time, cell), kg m-2 month-1."""
    m = planet.monthly
    npp, ra = m["npp"], m["gpp"] - m["npp"]
    if planet.own is not None:
        yearly = m["tmp"].reshape(-1, 12, planet.lat.size).mean(axis=1)
        npp = (m["potential"] * np.repeat(carbon.use_efficiency(yearly), 12, axis=0)).astype("float32")
        ra = m["potential"] - npp
    warm, wet = carbon.lloyd_taylor(m["tmp"]), carbon.moisture(m["wet"])
    now = np.repeat(carbon.lag_factor(planet.water, planet.lag_weights[:1]), 12, axis=0)
    slower = 1.0
    match name:
        case "DEMO-ARID":
            wet, now = _mean_year(wet), 1.0
        case "DEMO-TEPID":
            warm = 2 ** ((m["tmp"] - 10) / 25)
        case "DEMO-SLOW":
            slower = 6.0
        case "DEMO-STATIC":
            npp, ra = _mean_year(npp), _mean_year(ra)
    if name == "DEMO-BALANCED":
        rh = npp
    else:
        life = carbon.traits(planet.ground["igbp"])[3]
        rh, _ = carbon.drain(npp, (warm * wet * now).astype("float32"), life, PAST, slower_litter=slower)
    own = np.exp(bias * smooth(planet.lat, planet.lon, 1500, stream(planet.seed, name)))
    return ra * own, rh * own


def _mean_year(values: np.ndarray) -> np.ndarray:
    mean = values.reshape(-1, 12, values.shape[1]).mean(axis=0)
    return np.tile(mean, (len(values) // 12, 1))


def write(folder: Path, planet: Planet, name: str, bias: float) -> list[Path]:
    """Write one stand-in's files into ``folder``/``name``: a file a variable, kg m-2 s-1.

    Seconds are those of the months in the file's own calendar, so that a year's sum is kept.
    """
    stand = STANDS[name]
    ra, rh = respiration(planet, name, bias)
    fluxes = (ra + rh,) if len(stand.variables) == 1 else (ra, rh)
    last = min(planet.years[1], LAST_MSTMIP) if stand.product == "mstmip" else planet.years[1]
    wanted = (planet.time.year >= planet.years[0]) & (planet.time.year <= max(last, planet.years[0]))
    grid = Grid(planet.grid.resolution * stand.coarser)
    times = [cftime.datetime(t.year, t.month, 15, calendar=stand.calendar) for t in planet.time[wanted]]
    days = np.array([t.daysinmonth for t in times])
    own = folder / name
    own.mkdir()
    paths = []
    for variable, flux in zip(stand.variables, fluxes, strict=True):
        rate = planet.aggregate(flux[wanted] / (86400.0 * days)[:, None], grid)
        when = times
        if not stand.monthly:
            weight = (days.reshape(-1, 12) / days.reshape(-1, 12).sum(axis=1, keepdims=True))[:, :, None, None]
            rate, when = (rate.reshape(-1, 12, *grid.shape) * weight).sum(axis=1), times[6::12]
        if stand.product == "mstmip":
            path = own / f"{name}_SG3_{'Monthly' if stand.monthly else 'Annual'}_{variable}.nc4"
        else:
            path = own / f"{name}_S3_{variable}.nc"
        paths.append(_save(path, stand, variable, rate, when, grid))
    return paths


def _save(path: Path, stand: Stand, variable: str, rate: np.ndarray, times: list, grid: Grid) -> Path:
    lon, fill = grid.lon, np.float32(-99999.0 if stand.product == "mstmip" else 1e20)
    if stand.east:
        half = lon.size // 2
        lon, rate = np.concatenate([lon[half:], lon[:half] + 360]), np.roll(rate, -half, axis=2)
    lat, rate = (grid.lat[::-1], rate[:, ::-1]) if stand.product == "trendy" else (grid.lat, rate)
    units = "days since 1700-01-01 00:00:00"
    names = ("latitude", "longitude") if stand.product == "trendy" else ("lat", "lon")
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.setncatts({"title": "a stand-in of the Demo Earth", "comment": stand.deficit})
        for name, values, unit in zip(names, (lat, lon), ("degrees_north", "degrees_east"), strict=True):
            file.createDimension(name, values.size)
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis[:] = unit, values
        file.createDimension("time", len(times))
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": units, "calendar": stand.calendar})
        time[:] = cftime.date2num(times, units, calendar=stand.calendar)
        data = file.createVariable(variable, "f4", ("time", *names), fill_value=fill, zlib=True, complevel=1)
        data.setncatts({"units": "kg m-2 s-1", "long_name": f"{variable}, as carbon"})
        data[:] = np.where(np.isnan(rate), fill, rate)
    return path
