r"""The carbon of the Demo Earth: leaves, photosynthesis, three pools, and the respiration that drains them.

Month by month on the land cells, in kg of carbon per square metre:

.. math::

   GPP &= \varepsilon\, FAPAR\, PAR\, f_T\, f_W\, f_{CO_2} \\
   NPP &= CUE \cdot GPP, \qquad R_a = GPP - NPP \\
   R_h &= (1 - h)\,k_l\,r\,C_l + k_s\,r\,C_s, \qquad r = g_T\,g_W\,\exp(\textstyle\sum_j \lambda_j z_{y-j}) \\
   RECO &= R_a + R_h, \qquad NPP - R_h = \mathrm{d}(C_v + C_l + C_s)/\mathrm{d}t

The exponential holds the planted lag: :math:`z_{y-j}` is the water balance of this year and of the two before, as a
standard score, and :math:`\lambda_j` are ``lag_weights``.
"""

from __future__ import annotations

import numpy as np

from helpers.demo import variety
from helpers.demo.variety import Peculiar

TRAITS = {
    # light-use efficiency (g C MJ-1), largest leaf area, its least share in the year, life of biomass (years)
    1: (0.962, 4.5, 0.60, 10.0),
    2: (1.268, 6.0, 0.80, 10.0),
    3: (1.086, 3.5, 0.15, 10.0),
    4: (1.165, 5.0, 0.10, 10.0),
    5: (1.051, 5.0, 0.35, 10.0),
    6: (1.281, 2.5, 0.50, 5.0),
    7: (0.841, 1.2, 0.30, 3.0),
    8: (1.239, 3.0, 0.30, 8.0),
    9: (1.206, 2.2, 0.20, 4.0),
    10: (0.860, 2.0, 0.15, 1.5),
    11: (0.860, 2.5, 0.20, 3.0),
    12: (1.044, 3.5, 0.08, 1.0),
    13: (0.860, 1.0, 0.20, 4.0),
    14: (1.044, 3.2, 0.15, 2.0),
    15: (0.0, 0.0, 0.0, 1.0),
    16: (0.841, 0.15, 0.30, 1.5),
}
"""By IGBP class. Efficiencies are those of the MOD17 algorithm's table of biome properties (Running and Zhao 2015,
User's Guide, table 2.1; grass for wetland and town); the others are round numbers."""

LITTER_RATE, SOIL_RATE, HUMIFIED = 0.5, 0.012, 0.3
"""Decay of litter and of soil carbon at 10 °C (yr-1), and the share of decayed litter that becomes soil."""


def traits(igbp: np.ndarray) -> np.ndarray:
    """Return (4, cell): the columns of `TRAITS` for each cell's class."""
    table = np.zeros((4, 17))
    for code, values in TRAITS.items():
        table[:, code] = values
    return table[:, igbp]


def carbon_dioxide(year: np.ndarray) -> np.ndarray:
    """Return the air's CO2 (ppm): a parabola through Mauna Loa's yearly means of 1981, 2000 and 2018 to about 2 ppm.

    >>> carbon_dioxide(np.array([1981, 2000, 2018])).round()
    array([340., 371., 408.])
    """
    t = np.asarray(year) - 1981.0
    return 340.1 + 1.44 * t + 0.0105 * t**2


def fertilisation(co2: np.ndarray, beta: float = 0.4) -> np.ndarray:
    r"""Return the factor of CO2 on photosynthesis, :math:`1 + \beta \ln(CO_2 / 370)` (Bacastow and Keeling 1973)."""
    return 1 + beta * np.log(co2 / 370)


def cold_limit(tmean: np.ndarray, daily_range: np.ndarray) -> np.ndarray:
    """Return f_T, 0 to 1: a ramp of the night's temperature from -8 to 10 °C, as in MOD17 (Running et al. 2004)."""
    return np.clip((tmean - daily_range / 2 + 8) / 18, 0, 1)


def dry_limit(water: np.ndarray) -> np.ndarray:
    """Return f_W, 0.05 to 1: rises with the filling of the bucket until it is half full."""
    return 0.05 + 0.95 * np.clip(water / 0.5, 0, 1)


def leaf_area(limit: np.ndarray, igbp: np.ndarray, fertility: np.ndarray, growth: np.ndarray) -> np.ndarray:
    """Return leaf area index: (time, cell), m2 m-2, between each class's least and largest by what limits growth.

    Parameters
    ----------
    limit : ndarray (time, cell)
        f_T times f_W. Leaves follow the mean of this month's and the last's.
    igbp : ndarray (cell,)
    fertility : ndarray (cell,)
        Factor of the soil.
    growth : ndarray (time,)
        Factor of CO2; half of its excess over 1 shows as leaves.
    """
    _, largest, least, _ = traits(igbp)
    held = (limit + np.concatenate([limit[:1], limit[:-1]])) / 2
    leaves = largest * fertility * (least + (1 - least) * held)
    return (leaves * (1 + 0.5 * (growth - 1))[:, None]).astype("float32")


def absorbed(leaves: np.ndarray) -> np.ndarray:
    r"""Return FAPAR, :math:`0.95\,(1 - e^{-0.5\,LAI})`: Beer's law in a canopy (Monsi and Saeki 1953)."""
    return 0.95 * (1 - np.exp(-0.5 * leaves))


def greenness(fapar: np.ndarray) -> np.ndarray:
    """Return NDVI from FAPAR = 1.164 NDVI - 0.143 (Myneni and Williams 1994), read the other way."""
    return (fapar + 0.143) / 1.164


def photosynthesis(
    light: np.ndarray,
    fapar: np.ndarray,
    limit: np.ndarray,
    efficiency: np.ndarray,
    growth: np.ndarray,
    days: np.ndarray,
) -> np.ndarray:
    """Return gross primary production: (time, cell), kg m-2 month-1, by light-use efficiency (Monteith 1972).

    Parameters
    ----------
    light : ndarray (time, cell)
        PAR (W m-2).
    fapar, limit : ndarray (time, cell)
        Share absorbed, and f_T times f_W.
    efficiency : ndarray (cell,)
        g C MJ-1.
    growth, days : ndarray (time,)
        Factor of CO2; days of the month.
    """
    megajoules = light * (0.0864 * days)[:, None]
    return (1e-3 * efficiency * megajoules * fapar * limit * growth[:, None]).astype("float32")


def use_efficiency(yearly_mean: np.ndarray, own: np.ndarray | float = 0.0) -> np.ndarray:
    """Return CUE = NPP/GPP: 0.5 at 12 °C, lower by 0.004 a kelvin, within the 0.22 to 0.79 of Collalti et al. (2019).

    Parameters
    ----------
    yearly_mean : ndarray (…)
        Temperature of the year (degC).
    own : ndarray (cell,) or float
        Added.
    """
    return np.clip(np.clip(0.5 - 0.004 * (yearly_mean - 12), 0.3, 0.6) + own, 0.22, 0.79)


def lloyd_taylor(tmean: np.ndarray) -> np.ndarray:
    r"""Return g_T, 1 at 10 °C: :math:`\exp(308.56\,(1/56.02 - 1/(T + 46.02)))` (Lloyd and Taylor 1994, equation 11).

    Parameters
    ----------
    tmean : ndarray (…)
        Temperature (degC); held at -35 °C below that, where the formula has its pole.
    """
    return np.exp(308.56 * (1 / 56.02 - 1 / (np.maximum(tmean, -35) + 46.02)))


def moisture(water: np.ndarray) -> np.ndarray:
    """Return g_W, 0.2 to 1: best with the bucket three quarters full (after Davidson et al. 2006)."""
    return 1 - 0.8 * ((water - 0.75) / 0.75) ** 2


def lag_factor(water_anomaly: np.ndarray, lag_weights: tuple[float, ...]) -> np.ndarray:
    r"""Return :math:`\exp(\sum_j \lambda_j z_{y-j})`: (year, cell); years before the first count as ordinary.

    Parameters
    ----------
    water_anomaly : ndarray (year, cell)
        Standard scores z.
    lag_weights : tuple of float
        Weights of this year, the last, the one before last, …
    """
    exponent = np.zeros_like(water_anomaly)
    for years_back, weight in enumerate(lag_weights):
        exponent[years_back:] += weight * water_anomaly[: len(water_anomaly) - years_back]
    return np.exp(exponent)


def drain(
    npp: np.ndarray,
    rate: np.ndarray,
    biomass_life: np.ndarray,
    past: float = 1.0,
    slower_litter: float = 1.0,
    own: Peculiar | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run the three pools through all months, from near their equilibrium.

    Parameters
    ----------
    npp : ndarray (time, cell)
        Input, kg m-2 month-1.
    rate : ndarray (time, cell)
        r above, 1 at 10 °C and best moisture.
    biomass_life : ndarray (cell,)
        Years.
    past : float
        Production of the decades before, as a share of the first ten years': the pools start in balance with that.
    slower_litter : float
        Divides the decay of litter.
    own : Peculiar, optional
        What the cells have of their own: turnover, soils off their balance, events.

    Returns
    -------
    respiration : ndarray (time, cell) float32
        Heterotrophic, kg m-2 month-1.
    carbon : ndarray (pool, year, cell) float64
        Biomass, litter and soil carbon at the end of each December, kg m-2; events strike just before.
    """
    litter_rate, soil_rate, humified = LITTER_RATE / slower_litter, SOIL_RATE, HUMIFIED
    standing, start = 1.0, 1.0
    if own is not None:
        biomass_life = biomass_life * own.life
        litter_rate, soil_rate = litter_rate * own.litter, soil_rate * own.soil
        humified, start = np.minimum(humified * own.humified, 0.9), own.start
        standing = 1 - variety.lost(np.append(own.struck, own.killed[:1], axis=0), biomass_life)[-1]
    early = slice(0, min(120, len(npp)))
    income = 12 * past * npp[early].mean(axis=0, dtype="float64")
    mean_rate = np.maximum(rate[early].mean(axis=0, dtype="float64"), 1e-3)
    biomass = income * biomass_life * standing
    litter = income / (litter_rate * mean_rate)
    soil = humified * income / (soil_rate * mean_rate) * start
    out = np.empty_like(npp)
    carbon = np.empty((3, len(npp) // 12, npp.shape[1]))
    for k in range(len(npp)):
        fallen = biomass / (12 * biomass_life)
        decayed = np.minimum(litter_rate / 12 * rate[k], 1) * litter
        burnt = soil_rate / 12 * rate[k] * soil
        biomass = biomass + npp[k] - fallen
        litter = litter + fallen - decayed
        soil = soil + humified * decayed - burnt
        out[k] = (1 - humified) * decayed + burnt
        if k % 12 == 11:
            if own is not None:
                struck = own.killed[k // 12] * biomass
                biomass, litter = biomass - struck, litter + (1 - variety.EXPORTED) * struck
            carbon[:, k // 12] = biomass, litter, soil
    return out, carbon


def exported(pools: np.ndarray, own: Peculiar | None) -> np.ndarray:
    """Return what left as smoke at each year's end: (year, cell), kg m-2.

    Parameters
    ----------
    pools : ndarray (pool, year, cell)
        As `drain` gives them: biomass is what an event left of it.
    own : Peculiar or None
    """
    if own is None:
        return np.zeros(pools.shape[1:])
    return variety.EXPORTED * own.killed / (1 - own.killed) * pools[0]
