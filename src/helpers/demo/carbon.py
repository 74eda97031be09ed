r"""The carbon of the Demo Earth: leaves, photosynthesis, three pools, and the respiration that drains them.

Month by month on the land cells, in kg of carbon per square metre:

.. math::

   GPP &= \varepsilon\, FAPAR\, PAR\, f_T\, f_W\, f_{CO_2} \\
   NPP &= CUE \cdot GPP, \qquad R_a = GPP - NPP \\
   R_h &= (1 - h)\,k_l\,r\,C_l + k_s\,r\,C_s, \qquad r = g_T\,g_W\,\exp(\textstyle\sum_j \lambda_j z_{y-j}) \\
   RECO &= R_a + R_h, \qquad NPP - R_h = \mathrm{d}(C_v + C_l + C_s)/\mathrm{d}t

The exponential holds the planted lag: :math:`z_{y-j}` is the water balance of this year and of the two before, as a
standard score, and :math:`\lambda_j` are ``lag_weights``.

Cells and towers also differ beyond what any predictor tells: the sizes of that are a `Variety`, what one planet's
cells drew from it is its `Peculiar`. What belongs to a cell is in the truth's maps, what differs between two towers of
one cell belongs to the tower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from helpers.demo.climate import series, smooth, stream

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

BROAD, FINE = 600.0, 40.0
"""Reach (km) of the two halves of a cell's own: a region's, and one that at 1° is next to independent from cell to
cell, yet the same planet at every resolution."""

RETURN = {1: 150.0, 2: 1000.0, 3: 150.0, 4: 100.0, 5: 75.0, 8: 200.0}
"""Years between two events that replace the stand, by IGBP class: from below 50 in managed temperate forest to above
1000 in evergreen tropical forest (Pugh et al. 2019, doi:10.1038/s41561-019-0427-2). Other classes have none."""

EXPORTED = 0.22
"""Share of the struck biomass that leaves as smoke, the rest becomes litter: the mean of burnt stands in Meigs et al.
(2009, doi:10.1007/s10021-009-9285-x), 13 to 35 %."""

LEAVES_BACK, VIGOUR_BACK = 4.0, 12.0
"""Years in which the loss of leaves, and that of production per light absorbed, shrink to 1/e: forests of North America
are sinks again after 10 to 20 years (Amiro et al. 2010, doi:10.1029/2010JG001390), leaves are back sooner."""

FORMER = 60
"""Years before the climate begins in which events may have struck."""


@dataclass(frozen=True)
class Variety:
    """Sizes of what differs beyond the predictors: standard deviations of logarithms unless said; 0 for none."""

    efficiency: float = 0.0  # between cells, of light-use efficiency
    efficiency_year: float = 0.0  # the same from year to year, correlated over 100 km and by 0.4 with the year before
    use_efficiency: float = 0.0  # between cells, of carbon-use efficiency itself (1)
    turnover: float = 0.0  # between cells, of the life of biomass and of the decay of litter
    soil: float = 0.0  # of the decay of soil carbon, the share that is humified, the soil's start over its balance
    disturbance: float = 0.0  # factor on the frequency of events (`RETURN`)
    tower: float = 0.15  # between towers, of what their footprint respires over what their cell does
    tower_year: float = 0.0  # the same from year to year within a tower
    noise: float = 0.05  # of a label's error in the best years, drawn for each partitioning
    lasting: float = 0.0  # of an error that lasts with a tower, for each partitioning
    shared: float = 0.0  # of an error in NEE that both partitionings share

    def times(self, cells: float) -> Variety:
        """Return these sizes with all that belongs to cells multiplied by ``cells``."""
        return replace(self, **{name: cells * getattr(self, name) for name in CELLS})


CELLS = ("efficiency", "efficiency_year", "use_efficiency", "turnover", "soil", "disturbance")
"""What belongs to cells, and so is in the truth's maps."""

EASY = Variety()
"""Respiration is all but a linear image of production; sizes are round numbers."""

HARD = Variety(
    efficiency=0.20,
    efficiency_year=0.08,
    use_efficiency=0.085,
    turnover=0.36,
    soil=0.16,
    disturbance=1.0,
    tower=0.23,
    tower_year=0.09,
    noise=0.085,
    lasting=0.12,
    shared=0.045,
)
"""As heterogeneous as measured reality, as far as tables of real towers and maps tell (rows with NEE of quality 0.5 or
better and RECO between 10 and 5000 g m-2 yr-1); book/demo_earth.md tells more. Of a spread between sites half goes to
the cell and half to the tower, since towers within 50 km differ by about half as much as far ones.

- ``efficiency``: semivariance of ln(GPP / (EVI × shortwave)) beyond class, temperature, rain, EVI and light at 150
  sites: 0.10 for far pairs less 0.06 within 50 km. ``tower``: these 0.06, less half of the variance of ``lasting``.
- ``efficiency_year``: GPP of the two partitionings has a covariance of 0.204² within sites (1018 site-years); anomalies
  of RECO 10 to 100 km apart correlate by 0.09, against 0.63 for one tower's two estimates: a seventh belongs to both.
- ``tower_year``: the covariance of the two estimates of RECO within sites, 0.156² (kg m-2 yr-1)², less 0.05² for
  ``shared`` and 0.11² for what the cells do.
- ``use_efficiency``: 0.46 ± 0.12 in over 200 studies (Collalti and Prentice 2019, doi:10.1093/treephys/tpz034); half of
  the variance.
- ``turnover``: ln(biomass / RECO) beyond class and climate, 0.72 at 215 forest sites; half of the variance to the cell,
  half of that to the life of biomass (stands differ in age, maps err). The decay of litter is given the same.
- ``soil``: ln(soil carbon / NPP) beyond class, climate, VPD and FAPAR, 0.38 on 1° means; half of the variance, in three
  equal parts (Carvalhais et al. 2014, doi:10.1038/nature13731, find that turnover varies beyond climate).
- ``noise``, ``lasting``: ln(RECO_NT / RECO_DT) has 0.168² within and 0.174² between sites, half to either estimate.
- ``shared``: an annual NEE is good to about 0.05 kg m-2 at the best sites (Baldocchi 2003,
  doi:10.1046/j.1365-2486.2003.00629.x), of a mean RECO of 1.1; elsewhere an assumption.
"""


@dataclass(frozen=True)
class Peculiar:
    """What one planet's cells have of their own: factors of mean 1 unless said, (cell,) or (year, cell)."""

    efficiency: np.ndarray  # (cell,), on light-use efficiency
    life: np.ndarray  # (cell,), on the life of biomass
    litter: np.ndarray  # (cell,), on the decay of litter
    soil: np.ndarray  # (cell,), on the decay of soil carbon
    humified: np.ndarray  # (cell,), on the share that is humified
    start: np.ndarray  # (cell,), on the first soil pool
    use_efficiency: np.ndarray  # (cell,), added to carbon-use efficiency
    years: np.ndarray  # (year, cell), on light-use efficiency
    killed: np.ndarray  # (year, cell), share of the cell that is struck at each year's end
    leaves: np.ndarray  # (year, cell), what events before left of leaf area
    vigour: np.ndarray  # (year, cell), and of light-use efficiency
    struck: np.ndarray  # as ``killed``, in the `FORMER` years before


def draw(sizes: Variety, lat: np.ndarray, lon: np.ndarray, igbp: np.ndarray, count: int, seed: int) -> Peculiar | None:
    """Draw what the cells have of their own in ``count`` years; None if nothing differs."""
    if not any(getattr(sizes, name) for name in CELLS):
        return None

    def own(name: str) -> np.ndarray:
        broad = smooth(lat, lon, BROAD, stream(seed, f"own {name}"), 150)
        return np.sqrt(0.5) * (broad + smooth(lat, lon, FINE, stream(seed, f"own fine {name}"), 150))

    def factor(size: float, name: str) -> np.ndarray:
        return np.exp(size * own(name) - size**2 / 2)  # of mean 1

    size = sizes.efficiency_year
    by_year = series(lat, lon, 100, count, stream(seed, "own years"), memory=0.4, count=150)
    struck = events(sizes.disturbance, lat, lon, igbp, FORMER + count, seed)
    return Peculiar(
        efficiency=factor(sizes.efficiency, "efficiency"),
        life=factor(sizes.turnover, "life"),
        litter=factor(sizes.turnover, "litter"),
        soil=factor(sizes.soil, "soil"),
        humified=factor(sizes.soil, "humified"),
        start=factor(sizes.soil, "start"),
        use_efficiency=sizes.use_efficiency * own("use"),
        years=np.exp(size * by_year - size**2 / 2),
        killed=struck[FORMER:],
        leaves=1 - lost(struck, LEAVES_BACK)[FORMER:],
        vigour=1 - 0.5 * lost(struck, VIGOUR_BACK)[FORMER:],
        struck=struck[:FORMER],
    )


def events(frequency: float, lat: np.ndarray, lon: np.ndarray, igbp: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the share of each cell that is struck at the end of each year: (year, cell) float32.

    Any share up to 0.95 is as likely; so that a place is struck once in `RETURN` years, a cell is about twice as often.
    Events reach over 100 km.
    """
    table = np.zeros(18)
    for code, years in RETURN.items():
        table[code] = 2 * frequency / years
    chance = table[igbp]
    rank = ndtr(series(lat, lon, 100, count, stream(seed, "events"), count=150))
    return np.where(rank < chance, 0.95 * rank / np.maximum(chance, 1e-9), 0).astype("float32")


def lost(struck: np.ndarray, back: float | np.ndarray) -> np.ndarray:
    """Return what is still missing of something at the start of each year: (year, cell).

    An event takes its share of what is there; what is missing shrinks to 1/e in ``back`` years.
    """
    out, missing = np.zeros(struck.shape, "float32"), np.zeros(struck.shape[1])
    for k in range(len(struck)):
        out[k] = missing
        missing = (missing + struck[k] * (1 - missing)) * np.exp(-1 / back)
    return out


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

    Leaves follow the mean of this month's and the last's ``limit`` (time, cell), which is f_T times f_W, and the soil's
    ``fertility`` (cell,). Half of what ``growth`` (time,), the factor of CO2, has over 1 shows as leaves.
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


def photosynthesis(light, fapar, limit, efficiency, growth, days) -> np.ndarray:
    """Return gross primary production: (time, cell), kg m-2 month-1, by light-use efficiency (Monteith 1972).

    Parameters
    ----------
    light, fapar, limit : ndarray (time, cell)
        PAR (W m-2), the share absorbed, and f_T times f_W.
    efficiency : ndarray (cell,)
        g C MJ-1.
    growth, days : ndarray (time,)
        Factor of CO2; days of the month.
    """
    megajoules = light * (0.0864 * days)[:, None]
    return (1e-3 * efficiency * megajoules * fapar * limit * growth[:, None]).astype("float32")


def use_efficiency(yearly_mean: np.ndarray, own: np.ndarray | float = 0.0) -> np.ndarray:
    """Return CUE = NPP/GPP: 0.5 at 12 °C, lower by 0.004 a kelvin, within the 0.22 to 0.79 of Collalti et al. (2019).

    ``yearly_mean`` is the year's temperature (degC); what a cell has of its ``own`` is added.
    """
    return np.clip(np.clip(0.5 - 0.004 * (yearly_mean - 12), 0.3, 0.6) + own, 0.22, 0.79)


def lloyd_taylor(tmean: np.ndarray) -> np.ndarray:
    r"""Return g_T, 1 at 10 °C: :math:`\exp(308.56\,(1/56.02 - 1/(T + 46.02)))` (Lloyd and Taylor 1994, equation 11).

    Held at -35 °C below that, where the formula has its pole.
    """
    return np.exp(308.56 * (1 / 56.02 - 1 / (np.maximum(tmean, -35) + 46.02)))


def moisture(water: np.ndarray) -> np.ndarray:
    """Return g_W, 0.2 to 1: best with the bucket three quarters full (after Davidson et al. 2006)."""
    return 1 - 0.8 * ((water - 0.75) / 0.75) ** 2


def lag_factor(water_anomaly: np.ndarray, lag_weights: tuple[float, ...]) -> np.ndarray:
    r"""Return :math:`\exp(\sum_j \lambda_j z_{y-j})`, (year, cell); years before the first count as ordinary."""
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
    npp, rate : ndarray (time, cell)
        Input, kg m-2 month-1; r above, 1 at 10 °C and best moisture.
    biomass_life : ndarray (cell,)
        Years.
    past : float
        Production of the decades before, as a share of the first ten years': the pools start in balance with that.
    slower_litter : float
        Divides the decay of litter.
    own : Peculiar, optional
        Turnover of the cells' own, soils off their balance, events.

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
        standing = 1 - lost(np.append(own.struck, own.killed[:1], axis=0), biomass_life)[-1]
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
                biomass, litter = biomass - struck, litter + (1 - EXPORTED) * struck
            carbon[:, k // 12] = biomass, litter, soil
    return out, carbon


def exported(pools: np.ndarray, own: Peculiar | None) -> np.ndarray:
    """Return what left as smoke at each year's end: (year, cell), kg m-2, from the pools as `drain` gives them."""
    if own is None:
        return np.zeros(pools.shape[1:])
    return EXPORTED * own.killed / (1 - own.killed) * pools[0]
