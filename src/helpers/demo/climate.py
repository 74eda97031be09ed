r"""The ground and the climate of the Demo Earth: heights, land cover; light, warmth, rain, evaporation, soil water.

The land mask is the real one; everything on it is made, month by month on its cells. Each function is one textbook
relation, cited where it stands; sizes that the literature leaves open are round numbers.

What varies by chance are random fields: sums of plane waves through the globe, evaluated on its surface. With wave
vectors drawn from a normal distribution of standard deviation 1/length, the covariance of two places at chord distance
:math:`d` is :math:`\exp(-d^2 / 2\ell^2)` (random Fourier features; Rahimi and Recht 2007, NIPS 20). They have no pole
and no date line, and the same seed is the same planet at every resolution.
"""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from helpers.space.grid import RADIUS, Grid
from helpers.stats import spei


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one named thing: adding a field or a product leaves all others as they were.

    >>> stream(1, "a").integers(100) == stream(1, "a").integers(100)
    np.True_
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _add_up(amplitude: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Return the product of (…, wave) and (wave, cell), summed in the order of the waves, by einsum's own loop.

    ``@`` leaves the order to BLAS, which chooses it by threads and processor; one last digit decides on which side of a
    threshold a cell lies, and a seed would be another planet elsewhere.
    """
    return np.einsum("...w,wc->...c", amplitude, waves, optimize=False)


def _waves(lat: np.ndarray, lon: np.ndarray, length: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (2 count, cell) cosines and sines of plane waves, scaled so that unit amplitudes give unit variance."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    place = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    phase = _add_up(rng.standard_normal((count, 3)) * (RADIUS / 1000 / length), place)
    return np.concatenate([np.cos(phase), np.sin(phase)]) / np.sqrt(count)


def smooth(lat: np.ndarray, lon: np.ndarray, length: float, rng: np.random.Generator, count: int = 200) -> np.ndarray:
    """Return one field of mean 0 and variance 1, (cell,), of ``count`` waves, correlated over ``length`` (km)."""
    waves = _waves(lat, lon, length, count, rng)
    return _add_up(rng.standard_normal(2 * count), waves)


def series(
    lat: np.ndarray,
    lon: np.ndarray,
    length: float,
    steps: int,
    rng: np.random.Generator,
    memory: float = 0.0,
    count: int = 150,
) -> np.ndarray:
    """Return ``steps`` fields as `smooth` makes them, each correlated by ``memory`` with the one before (AR(1)).

    The result is (step, cell), float32.
    """
    waves = _waves(lat, lon, length, count, rng).astype("float32")
    amplitude = rng.standard_normal((steps, 2 * count))
    for k in range(1, steps):
        amplitude[k] = memory * amplitude[k - 1] + np.sqrt(1 - memory**2) * amplitude[k]
    return _add_up(amplitude.astype("float32"), waves)


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
    """Return the length of ``land`` (lat, lon) that the prevailing wind has crossed (km), 0 over the sea.

    Trades blow from the east, else westerlies; smoothed over 2° of latitude, since winds wander.
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


def land_cover(tmp, pre, pet, lat: np.ndarray, lon: np.ndarray, seed: int) -> np.ndarray:
    """Return IGBP classes (cell,) from mean climate, with farmland, towns and bogs laid over them.

    The scheme is that of Whittaker (1975), Communities and Ecosystems, 2nd edition, figure 4.10. Dryness is the ratio
    of precipitation to potential evapotranspiration; thresholds are round numbers. ``tmp``, ``pre`` and ``pet`` are
    monthly, (time, cell).
    """
    warmth, rain, dry = (values.reshape(-1, 12, lat.size).mean(axis=0) for values in (tmp, pre, pet))
    mat, cold, warm, total = warmth.mean(axis=0), warmth.min(axis=0), warmth.max(axis=0), rain.sum(axis=0)
    north = np.isin(np.arange(1, 13), [4, 5, 6, 7, 8, 9])[:, None]
    summer = (rain * np.where(lat >= 0, north, ~north)).sum(axis=0) / total  # share of rain in the warmer half-year
    wet = total / np.maximum(dry.sum(axis=0), 50)
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


def months(first: int, last: int) -> pd.DatetimeIndex:
    """Return the middles of all months of the years ``first`` to ``last``."""
    starts = pd.date_range(f"{first}-01-01", f"{last}-12-01", freq="MS")
    return starts + pd.to_timedelta((starts.days_in_month - 1) // 2, unit="D")


def season(time: pd.DatetimeIndex) -> np.ndarray:
    """Return the northern season, from -1 (20 January, coldest) to 1 (20 July), shape (time,)."""
    return -np.cos(2 * np.pi * (time.day_of_year.to_numpy() - 20) / 365.25)


def insolation(lat: np.ndarray) -> np.ndarray:
    """Return the sunlight at the top of the atmosphere, mean of each calendar month: (12, cell), W m-2.

    Uses FAO-56, equations 21 to 25 (`helpers.stats.spei.extraterrestrial_radiation`).
    """
    rows, back = np.unique(lat, return_inverse=True)
    days = np.arange(1, 366)
    daily = 1 / 0.0864 * spei.extraterrestrial_radiation(days[:, None], rows[None, :])  # W m-2
    month = pd.date_range("2001-01-01", periods=365).month.to_numpy()
    return np.stack([daily[month == m].mean(axis=0) for m in range(1, 13)])[:, back]


def par(lat: np.ndarray, time: pd.DatetimeIndex, rain: np.ndarray) -> np.ndarray:
    r"""Return photosynthetically active radiation at the ground: (time, cell), W m-2.

    Ångström's relation, :math:`R_s = (0.25 + 0.50\,n/N)\,R_a` (FAO-56, equation 35), with sunshine
    :math:`n/N = 0.85 - 0.65\,P/(P + 80)` that falls with the month's rain ``rain`` (mm), and 0.45 of it as PAR (Meek
    et al. 1984, Agronomy Journal 76, 939-945).
    """
    sunshine = 0.85 - 0.65 * rain / (rain + 80)
    return (0.45 * (0.25 + 0.50 * sunshine) * insolation(lat)[time.month - 1]).astype("float32")


def temperature(
    lat: np.ndarray, lon: np.ndarray, height: np.ndarray, fetch: np.ndarray, time: pd.DatetimeIndex, seed: int
) -> np.ndarray:
    r"""Return monthly mean air temperature: (time, cell), degC.

    The zonal mean is :math:`15 - 28\,P_2(\sin\varphi)` (North et al. 1981, Reviews of Geophysics 19, 91-121), 6.5 K
    colder for each km of height; continents, by the share :math:`c = 1 - e^{-fetch/1200\,km}`, have the larger seasons
    and lose the sea's winter warmth. Warming since the first year: 0.025 K a year times :math:`1 + \sin^2\varphi`.
    Anomalies reach over 2000 km and last a month or so.
    """
    sine = np.sin(np.deg2rad(lat))
    inland = 1 - np.exp(-fetch / 1200)
    mean = 15 - 28 * (3 * sine**2 - 1) / 2 - 6.5e-3 * height + 6 * (1 - inland) * sine**2
    amplitude = (3 + 25 * inland) * sine  # carries the hemisphere's sign
    elapsed = np.asarray(time.year - time.year[0] + (time.month - 0.5) / 12)
    warming = 0.025 * elapsed[:, None] * (1 + sine**2)
    anomaly = series(lat, lon, 2000, time.size, stream(seed, "temperature"), memory=0.3)
    return (mean + season(time)[:, None] * amplitude + warming + (0.5 + 1.5 * np.abs(sine)) * anomaly).astype("float32")


def rain_climatology(lat: np.ndarray, height: np.ndarray, fetch: np.ndarray, cycle: np.ndarray) -> np.ndarray:
    r"""Return mean precipitation of each step of the season ``cycle``: (step, cell), mm month-1.

    Three sources, whose zonal places follow Peixoto and Oort (1992, Physics of Climate, chapter 7): the tropical rain
    belt, which follows the sun from 9°S to 15°N; the storm tracks at 47°, poleward in summer; and showers that grow by
    6 % a kelvin, held down where air sinks, about 24°. Air rains out on its way inland, over 1500 km; over 5000 km near
    the equator, where forests return the water, and over 4000 km poleward of 60°, where little of it falls. Mountains
    add 20 % a km, up to 3 km.
    """
    cycle = cycle[:, None]
    belt = 210 * np.exp(-(((lat - 3 - 12 * cycle) / 11) ** 2))
    away = np.abs(lat)
    storms = 85 * np.exp(-(((away - 47 - 6 * cycle * np.sign(lat)) / 14) ** 2))
    warmth = 29 - 42 * np.sin(np.deg2rad(lat)) ** 2 + 8 * cycle * np.sin(np.deg2rad(lat))
    showers = 9 * np.exp(0.06 * warmth) * (1 - 0.7 * np.exp(-(((away - 24) / 8) ** 2)))
    reach = 1500 + 3500 * np.exp(-((lat / 12) ** 2)) + 2500 * np.clip((away - 35) / 25, 0, 1)
    left = 0.2 + 0.8 * np.exp(-fetch / reach)
    return (left * (belt + storms) + showers) * (1 + 0.2 * np.minimum(height, 3000) / 1000)


def precipitation(
    lat: np.ndarray, lon: np.ndarray, height: np.ndarray, fetch: np.ndarray, time: pd.DatetimeIndex, seed: int
) -> np.ndarray:
    """Return monthly precipitation: (time, cell), mm month-1.

    The climatology times log-normal factors: fixed ones (1200 and 300 km), one a year (1500 km), two a month (1200
    and 300 km), and a trend of up to about 1 % a year that makes some regions wetter and others drier.
    """

    def fixed(length: float, count: int) -> np.ndarray:
        return smooth(lat, lon, length, stream(seed, f"rain {length}"), count)

    year = time.year.to_numpy()
    by_year = series(lat, lon, 1500, year[-1] - year[0] + 1, stream(seed, "rain year"), memory=0.15)
    log = 0.16 * by_year[year - year[0]]
    log += 0.40 * series(lat, lon, 1200, time.size, stream(seed, "rain month"), memory=0.1)
    log += 0.20 * series(lat, lon, 300, time.size, stream(seed, "rain month fine"), count=250)
    log -= (0.16**2 + 0.40**2 + 0.20**2) / 2  # so that the factors' mean is 1
    trend = 0.004 * smooth(lat, lon, 2500, stream(seed, "rain trend"))
    log += trend * (year - 2000)[:, None]
    log += 0.25 * fixed(1200, 200) + 0.15 * fixed(300, 300)
    cycle = season(time[:12])
    return (np.exp(log) * np.tile(rain_climatology(lat, height, fetch, cycle), (time.size // 12, 1))).astype("float32")


def evaporation(lat: np.ndarray, time: pd.DatetimeIndex, tmean: np.ndarray, mean_rain: np.ndarray):
    """Return potential evapotranspiration, (time, cell) mm month-1, and the daily temperature range, (cell,) K.

    By `helpers.stats.spei.hargreaves` from ``tmean`` (time, cell); the range falls from 16 K in a desert to 5 K in a
    rain forest, by ``mean_rain`` (cell,), mm yr-1.
    """
    daily_range = 5 + 11 * 800 / (mean_rain + 800)
    coords = {"time": time, "lat": ("cell", lat)}
    mean = xr.DataArray(tmean, dims=("time", "cell"), coords=coords)
    half = xr.DataArray(daily_range / 2, dims="cell")
    pet = spei.hargreaves(mean - half, mean + half, mean["lat"], tmean=mean)
    return pet.transpose("time", "cell").values.astype("float32"), daily_range


def soil_water(rain: np.ndarray, pet: np.ndarray, capacity: float = 150.0) -> np.ndarray:
    """Return the filling of the soil's bucket at the end of each month: (time, cell), 0 to 1.

    Manabe's bucket (1969, Monthly Weather Review 97, 739-774): evaporation runs at the potential rate above three
    quarters of ``capacity`` (mm) and falls off below; what overflows runs away. Two passes through the first year bring
    it into its season.
    """
    store = np.full(rain.shape[1], capacity / 2)
    out = np.empty_like(rain)
    for k in [*range(12), *range(12), *range(len(rain))]:
        wanted = pet[k] * np.minimum(1, store / (0.75 * capacity))
        store = np.clip(store + rain[k] - wanted, 0, capacity)
        out[k] = store / capacity
    return out


def water_anomaly(rain: np.ndarray, pet: np.ndarray) -> np.ndarray:
    """Return the yearly water balance as a standard score: (year, cell), over all years, ddof 0.

    This is what drives the planted drought lag; December's SPEI over twelve months is close to it.
    """
    balance = (rain.astype("float64") - pet).reshape(-1, 12, rain.shape[1]).sum(axis=1)
    return (balance - balance.mean(axis=0)) / np.maximum(balance.std(axis=0), 1e-6)
