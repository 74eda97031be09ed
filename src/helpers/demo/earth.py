"""The Demo Earth built: its planet made, and the product files written through which the book sees it."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from helpers.demo import carbon, files, planet
from helpers.demo.towers import effects, network, write_towers
from helpers.space.grid import Grid
from helpers.workspace import LIBRARY

NOISE = {
    "cru_tmp": 0.2,  # K, each coarse cell and month
    "cru_pre": 0.08,  # of the logarithm, each coarse cell and month
    "cru_pet": 0.04,
    "glass_par": 0.03,  # of the logarithm; half of the variance stays with the pixel, half is drawn for each file
    "glass_lai": 0.08,
    "glass_fapar": 0.02,  # absolute
    "mod13a3": 0.02,  # absolute
    "mod17a3hgf": 0.08,  # of the logarithm, most of it the same for NPP and GPP
    "mcd12c1": 0.05,  # share of cells with a wrong class
    "soilgrids2017": 0.20,  # of the logarithm
    "process_models": 0.20,  # of the logarithm: a smooth bias of each model's own
}
"""Size of each product's error; `build` multiplies all by its parameter ``noise``."""

DIFFICULTIES = {"hard": carbon.HARD, "easy": carbon.EASY}

PRODUCTS = (
    *("cru_tmp", "cru_pre", "cru_pet", "spei", "glass_par", "glass_lai", "glass_fapar", "mod13a3", "mod17a3hgf"),
    *("mcd12c1", "soilgrids2017", "fluxnet2015", "fluxnet", "mstmip", "trendy"),
)
"""Product ids that `build` writes, a sub-folder each."""


def build(
    folder: str | Path,
    *,
    seed: int,
    years: tuple[int, int] = (2000, 2018),
    resolution: float = 1.0,
    climate_factor: int = 5,
    towers: int = 200,
    validation_towers: int = 30,
    lag_weights: tuple[float, ...] = (0.05, 0.15, 0.08),
    difficulty: str = "hard",
    heterogeneity: float = 1.0,
    site_effect: float = 1.0,
    tower_noise: float = 1.0,
    noise: float = 1.0,
    dates: int = 12,
    climate_start: int = 1981,
) -> tuple[dict[str, list[Path]], xr.Dataset]:
    r"""Make the Demo Earth and write the product files through which the book sees it.

    It stands in for the Earth system that the products observe: light, warmth and rain by latitude, height and
    distance from the sea; biomes by climate; photosynthesis by light-use efficiency; three carbon pools that close to
    the last digit; a warming, greening trend; and a memory of drought in decomposition of declared size. On the hard
    planet cells and towers also differ as real ones do, beyond what any predictor tells: in light-use and carbon-use
    efficiency, turnover, soils off their balance, events that replace the stand and years of recovery, the towers'
    footprints, and labels that err as those of night- and day-time partitioning do.

    In every cell and year :math:`NPP - R_h - E` is the change of the three pools, where :math:`E`, ``export`` of the
    truth, is the carbon that an event sends off as smoke; it is in no RECO.

    It breaks down where the real planet is more than that. It has no weather below a month, no nitrogen, permafrost,
    land-use change or yearly harvest and grass fires, no irrigation, and one soil bucket for all soils. Mountains are
    made: the real ones are elsewhere. Farmland lies where a random field and the climate agree. Drought acts alike in
    all biomes. Errors of the products are independent from pixel to pixel, which real products' are not. What is
    peculiar to a cell has one size in all biomes, and how much of a spread between sites belongs to the cell is told
    roughly by towers that stand close together. Its numbers test a method; they say nothing about the real planet.

    Parameters
    ----------
    folder : path
        Where to write: one sub-folder a product id (`PRODUCTS`). Made if need be; an existing product folder is an
        error.
    seed : int
        Seeds every random draw. The same seed gives the same planet at every resolution.
    years : tuple of int
        First and last year of the products.
    resolution, climate_factor : float, int
        Edge of a cell of the truth and of the latitude/longitude products (degrees); how many times coarser climate is.
    towers, validation_towers : int
        Flux towers to train and to validate with. Two more stand among the latter that a careful reader refuses: one
        has the identifier of a training tower, one stands beside one.
    lag_weights : tuple of float
        :math:`\lambda_j`: how much one standard deviation of the water balance of this year, of the year before, and
        so on, raises the logarithm of the decomposition rate. All zero: no lag, and no drought effect of that kind.
    difficulty : {"hard", "easy"}
        Whose sizes of what differs beyond the predictors (`carbon.HARD`, `carbon.EASY`, with their sources).
    heterogeneity, site_effect, tower_noise, noise : float
        Multiply those sizes, of what belongs to the cells, to the towers, and of the errors of their labels; and all
        errors of `NOISE`. 0 for none: products then differ from the truth by their own rounding only.
    dates : int
        Files a year of the daily and 8-day products (1 to 46). Each stands for its share of the year.
    climate_start : int
        First year of the climate, well before ``years`` for SPEI's sake.

    Returns
    -------
    files : dict of str to list of Path
        What was written, by product id.
    truth : xarray.Dataset
        (year, lat, lon) ``reco npp gpp rh mat map par fapar lai ndvi water carbon export spei12 spei24 spei36``;
        (lat, lon) ``igbp elevation cell_effect``, the last being the logarithm of a cell's own factor on light-use
        efficiency, which is in all carbon fluxes above; (site) ``site_effect`` and (year, site) ``site_year_effect``,
        logarithms of the towers' factors, which are in none. Attributes: the parameters, and the size of each error.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    FileExistsError
        A product's folder is there already.
    """
    _check(locals())
    sizes = {name: noise * size for name, size in NOISE.items()}
    kind = DIFFICULTIES[difficulty].times(heterogeneity)
    world = planet.make(
        seed,
        years=(int(years[0]), int(years[1])),
        resolution=resolution,
        climate_factor=climate_factor,
        lag_weights=tuple(float(w) for w in lag_weights),
        climate_start=climate_start,
        sizes=kind,
    )
    networks = network(world, towers, validation_towers, site_effect * kind.tower)
    with LIBRARY:
        paths = _write(Path(folder), world, networks, sizes, tower_noise * kind.noise, dates)
    truth = planet.truth(world).merge(effects(world, *networks), join="exact")
    truth.attrs = {
        "title": "Truth of the Demo Earth: for scoring a method only",
        "seed": seed,
        "lag_weights": list(world.lag_weights),
        "difficulty": difficulty,
        "heterogeneity": heterogeneity,
        "site_effect": site_effect,
        "tower_noise": tower_noise,
        "climate_factor": climate_factor,
        "dates_per_year": dates,
    } | {f"noise_{name}": size for name, size in sizes.items()}
    truth.attrs |= {f"sd_{name}": size for name, size in vars(kind).items()}
    return paths, truth


def _check(given: dict) -> None:
    """Refuse parameters of `build` that it cannot work with, before anything is written."""
    resolution, factor, (first, last) = given["resolution"], given["climate_factor"], given["years"]
    rows, latest = Grid(resolution).shape[0], first - len(given["lag_weights"])
    rules = {
        "years": (first <= last, "first and last in order"),
        "climate_start": (given["climate_start"] <= latest, f"{latest} or earlier, so that every lag is known"),
        "climate_factor": (factor >= 1 and rows % factor == 0, f"a whole number that divides the grid's {rows} rows"),
        "resolution": (rows % 6 == 0, "one that gives rows in multiples of 6, such as 0.5, 1 or 3"),
        "dates": (1 <= given["dates"] <= 46, "1 to 46 files a year"),
        "towers": (given["towers"] >= 5, "at least 5"),
        "validation_towers": (given["validation_towers"] >= 1, "at least 1"),
        "difficulty": (given["difficulty"] in DIFFICULTIES, " or ".join(DIFFICULTIES)),
    } | {name: (given[name] >= 0, "0 or more") for name in ("noise", "heterogeneity", "site_effect", "tower_noise")}
    for name, (holds, expected) in rules.items():
        if not holds:
            raise ValueError(f"{name}: expected {expected}, found {given[name]!r}")


def _write(folder: Path, world: planet.Planet, networks: tuple, sizes: dict, tower_noise: float, dates: int) -> dict:
    """Write every product's files into its own folder; return their paths."""
    into = {product: folder / product for product in PRODUCTS}
    if there := next((path for path in into.values() if path.exists()), None):
        raise FileExistsError(f"{there}: is there already; give an empty folder")
    for path in into.values():
        path.mkdir(parents=True)
    paths = files.write_climate(folder, world, sizes)
    for product in files.GLASS:
        paths[product] = files.glass(into[product], world, sizes[product], dates, product)
    for make in (files.mod13a3, files.mod17a3hgf, files.mcd12c1, files.soilgrids2017):
        paths[make.__name__] = make(into[make.__name__], world, sizes[make.__name__])
    for product, listed in zip(("fluxnet2015", "fluxnet"), networks, strict=True):
        paths[product] = write_towers(into[product], world, listed, tower_noise, product)
    for name, stand in files.STANDS.items():
        written = files.process_model(into[stand.product], world, name, sizes["process_models"])
        paths[stand.product] = paths.get(stand.product, []) + written
    return {product: sorted(paths[product]) for product in PRODUCTS}
