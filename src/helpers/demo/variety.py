r"""How cells and towers of the Demo Earth differ beyond what any predictor tells: the sizes, their sources, the draws.

What is *measured* below comes from tables of real towers and maps, by the statistic that is named, with rows of NEE
quality 0.5 or better and RECO between 10 and 5000 g m-2 yr-1. A map of 1° cells holds what belongs to a cell; what
differs between two towers of one cell belongs to the tower. Towers closer than 50 km differ by about half as much
(semivariance of the logarithm of GPP per light and EVI beyond class and climate: 0.06; far ones: 0.10; 150 sites), so
that of a spread between sites about half is given to the cell, and half to the tower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from helpers.demo.fields import series, smooth, stream

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
    """Sizes of what differs beyond the predictors; 0 where there is none.

    Attributes
    ----------
    efficiency : float
        Standard deviation between cells of the logarithm of light-use efficiency.
    efficiency_year : float
        The same from year to year, correlated over 100 km and by 0.4 with the year before.
    use_efficiency : float
        Standard deviation between cells of carbon-use efficiency (1).
    turnover : float
        Standard deviation between cells of the logarithms of the life of biomass and of the decay of litter.
    soil : float
        The same of the decay of soil carbon, of the share that is humified, and of the soil's start over its balance.
    disturbance : float
        Factor on the frequency of events (`RETURN`).
    tower : float
        Standard deviation between towers of the logarithm of what their footprint respires over what their cell does.
    tower_year : float
        The same from year to year within a tower.
    noise : float
        Standard deviation of the logarithmic error of a label in the best years, drawn for each partitioning.
    lasting, shared : float
        The same of an error that lasts with a tower, for each partitioning, and of one in NEE that both share.
    """

    efficiency: float = 0.0
    efficiency_year: float = 0.0
    use_efficiency: float = 0.0
    turnover: float = 0.0
    soil: float = 0.0
    disturbance: float = 0.0
    tower: float = 0.15
    tower_year: float = 0.0
    noise: float = 0.05
    lasting: float = 0.0
    shared: float = 0.0

    def times(self, cells: float) -> Variety:
        """Return these sizes with all that belongs to cells multiplied by ``cells``."""
        grown = {name: cells * getattr(self, name) for name in CELLS}
        return Variety(**(vars(self) | grown))


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
"""As heterogeneous as measured reality, as far as tables tell:

- ``efficiency``: semivariance of ln(GPP / (EVI × shortwave)) beyond class, temperature, rain, EVI and light, 150 sites
  of fluxnet2015_annual_fluxes.csv and fluxnet2015_site_years.csv: 0.10 for far pairs less 0.06 for pairs within 50 km.
- ``tower``: these 0.06, less half of the variance of ``lasting``.
- ``efficiency_year``: within sites, GPP of the two partitionings has a covariance of 0.204² in the logarithm (1018
  site-years, sites of 3 or more); anomalies of RECO of two towers 10 to 100 km apart, one by night and one by day,
  correlate by 0.09, against 0.63 for the two estimates of one tower: a seventh belongs to both.
- ``tower_year``: the covariance of the two estimates of RECO within sites, 0.156² (kg m-2 yr-1)², less 0.05² for
  ``shared`` and 0.11² for what the cells do (on this planet: weather and ``efficiency_year``). Its memory is not
  given to towers, their records being short.
- ``use_efficiency``: 0.46 ± 0.12 in over 200 studies (Collalti and Prentice 2019, doi:10.1093/treephys/tpz034); half of
  the variance.
- ``turnover``: ln(biomass / RECO) beyond class and climate has a standard deviation of 0.72 at 215 forest sites
  (shuttle_site_covariates.csv and fluxnet_shuttle_site_medians.csv). Half of the variance to the cell, and half of that
  to the life of biomass: stands also differ in age, and maps err. The decay of litter is given the same.
- ``soil``: ln(soil carbon / NPP) beyond class, climate, VPD and FAPAR has one of 0.38 on the 1° means of
  static_grids_0p5.nc. Half of the variance, in three equal parts. That whole turnover varies widely beyond climate is
  the finding of Carvalhais et al. (2014, doi:10.1038/nature13731).
- ``noise`` and ``lasting``: ln(RECO_NT / RECO_DT) has components of variance of 0.168² within and 0.174² between sites
  (same table); half of each to either estimate; in the best years ``noise``, 1.4 of it in the mean of all.
- ``shared``: an annual NEE is good to about 0.05 kg m-2 at the best sites (Baldocchi 2003,
  doi:10.1046/j.1365-2486.2003.00629.x), of a mean RECO of 1.1. How much worse it is elsewhere nobody knows: an
  assumption.
"""


@dataclass(frozen=True)
class Peculiar:
    """What one planet's cells have of their own.

    Attributes
    ----------
    efficiency, life, litter, soil, humified, start : ndarray (cell,)
        Factors on light-use efficiency, life of biomass, decay of litter and of soil, humified share, first soil pool.
    use_efficiency : ndarray (cell,)
        Added to carbon-use efficiency.
    years : ndarray (year, cell)
        Factor of each year on light-use efficiency.
    killed : ndarray (year, cell)
        Share of the cell that is struck at each year's end.
    leaves, vigour : ndarray (year, cell)
        Factors of what was struck before on leaf area, and on light-use efficiency.
    struck : ndarray (year, cell)
        As ``killed``, in the `FORMER` years before.
    """

    efficiency: np.ndarray
    life: np.ndarray
    litter: np.ndarray
    soil: np.ndarray
    humified: np.ndarray
    start: np.ndarray
    use_efficiency: np.ndarray
    years: np.ndarray
    killed: np.ndarray
    leaves: np.ndarray
    vigour: np.ndarray
    struck: np.ndarray


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

    Where one strikes, any share up to 0.95 is as likely; so that a place is struck once in `RETURN` years, a cell is
    about twice as often. Events reach over 100 km.
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
