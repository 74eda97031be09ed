"""The ground of the Demo Earth: heights, fertility, distance from the sea along the wind, and land cover.

The land mask is the real one; everything on it is made.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from helpers.demo.fields import smooth, stream
from helpers.grid import RADIUS, Grid


def elevation(lat: np.ndarray, lon: np.ndarray, seed: int) -> np.ndarray:
    """Return heights (m): log-normal, median 350 m, with structure at 1500, 400 and 150 km.

    The two shorter lengths lie below the climate grid: neighbours in a window differ by them.
    """
    parts = [(0.45, 1500, 200), (0.45, 400, 300), (0.4, 150, 400)]
    log = sum(
        size * smooth(lat, lon, length, stream(seed, f"elevation {length}"), count) for size, length, count in parts
    )
    return 350 * np.exp(log)


def fertility(lat: np.ndarray, lon: np.ndarray, seed: int) -> np.ndarray:
    """Return a factor on leaf area and light use (1): soils that differ from cell to cell, about 8 %."""
    broad = smooth(lat, lon, 300, stream(seed, "fertility 300"), 300)
    fine = smooth(lat, lon, 120, stream(seed, "fertility 120"), 400)
    return np.exp(0.06 * broad + 0.06 * fine)


def upwind_fetch(land: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the length of land that the prevailing wind has crossed (km): trades from the east, else westerlies.

    Parameters
    ----------
    land : ndarray (lat, lon) of bool
        Land mask on ``grid``.

    Returns
    -------
    ndarray (lat, lon)
        0 over the sea; smoothed over 2° of latitude, since winds wander.
    """
    width = RADIUS / 1000 * np.cos(np.deg2rad(grid.lat)) * 2 * np.pi / grid.shape[1]
    position = np.arange(2 * grid.shape[1])

    def along(mask: np.ndarray) -> np.ndarray:
        twice = np.concatenate([mask, mask], axis=1)  # once round the globe, so that land may cross the date line
        last_sea = np.maximum.accumulate(np.where(twice, 0, position), axis=1)
        return (position - last_sea)[:, grid.shape[1] :] * width[:, None]

    westerly, easterly = along(land), along(land[:, ::-1])[:, ::-1]
    trades = np.exp(-((np.abs(grid.lat) / 30) ** 4))[:, None]
    fetch = trades * easterly + (1 - trades) * westerly
    return np.where(land, gaussian_filter1d(fetch, 2 / grid.resolution, axis=0, mode="nearest"), 0)


def land_cover(climate: dict[str, np.ndarray], lat: np.ndarray, lon: np.ndarray, seed: int) -> np.ndarray:
    r"""Return IGBP classes from mean climate, after Whittaker's scheme of biomes, with farmland laid over them.

    Dryness is the ratio of precipitation to potential evapotranspiration. Thresholds are round numbers [1]_.

    Parameters
    ----------
    climate : dict of ndarray (cell,)
        ``mat``, ``coldest``, ``warmest`` (degC), ``map``, ``pet`` (mm yr-1), ``summer`` (share of rain in the
        warmer half of the year).

    Returns
    -------
    ndarray (cell,) of int8
        Codes of MCD12C1, type 1 (`helpers.regions.IGBP`).

    References
    ----------
    .. [1] Whittaker (1975), Communities and Ecosystems, 2nd edition, Macmillan, figure 4.10.
    """
    mat, cold, warm, summer = (climate[name] for name in ("mat", "coldest", "warmest", "summer"))
    wet = climate["map"] / np.maximum(climate["pet"], 50)
    hot = cold > 14
    natural = np.select(
        [
            warm < 1,  # ice
            (warm < 10) & (wet >= 0.2),  # tundra
            wet < 0.2,  # desert
            wet < 0.32,
            (wet < 0.85) & ~hot & (mat > 5) & (summer < 0.33),  # dry summers
            wet < 0.45,
            hot & (wet < 0.65),
            hot & (wet < 0.95),
            hot,
            (mat > 3) & (wet < 0.6),
            (mat > 3) & (wet < 0.9),
            mat > 3,
            cold < -28,
            mat < -4,
        ],
        [15, 7, 16, 7, 6, 10, 9, 8, 2, 8, 5, 4, 3, 8],
        default=1,
    )
    people = smooth(lat, lon, 900, stream(seed, "people")) + 0.5 * smooth(lat, lon, 150, stream(seed, "villages"), 400)
    bog = smooth(lat, lon, 180, stream(seed, "bog"), 400)
    arable = (mat > 4) & (mat < 26) & (wet > 0.3) & (wet < 1.4) & (warm > 14)
    return np.select(
        [
            np.isin(natural, [15, 16]),
            arable & (people > 2.1),
            arable & (people > 0.9),
            arable & (people > 0.6),
            (bog > 2.0) & (wet > 0.9),
        ],
        [natural, 13, 12, 14, 11],
        default=natural,
    ).astype("int8")
