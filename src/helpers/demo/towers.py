"""Flux towers of the Demo Earth: where they stand, how long they run, and what they report.

Networks are clustered: most towers stand in Europe and North America, some share a cell, records are short and of
unequal length. A tower sees its cell's true respiration times a factor of its own that no predictor knows (stand age,
management, the footprint): a site effect of declared variance, and on the hard planet one of each year. Site codes
begin with XA to XZ, which ISO 3166 keeps for private use, so that no made tower can be taken for a real one.
"""

from __future__ import annotations

import itertools
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from helpers.demo.climate import stream
from helpers.demo.planet import Planet
from helpers.space.regions import IGBP

REGIONS = {
    # west, south, east, north; share of the towers that train; share of those that validate
    "XE": ((-10, 36, 30, 68), 0.40, 0.0),
    "XN": ((-125, 26, -62, 62), 0.33, 0.65),
    "XC": ((98, 18, 145, 52), 0.08, 0.35),
    "XU": ((113, -44, 154, -11), 0.07, 0.0),
    "XS": ((-80, -40, -36, 8), 0.04, 0.0),
    "XA": ((-17, -34, 42, 18), 0.04, 0.0),
    "XR": ((40, 50, 170, 72), 0.04, 0.0),
}
"""Where towers stand: Europe, North America, East Asia, Oceania, South America, Africa, Siberia."""

BARE = (0, 13, 15, 16)
"""Classes without towers: water, towns, ice, barren land."""

LAST_TRAINING, LAST_VALIDATION = 2014, 2010
"""FLUXNET2015 ends in 2014; validation ends where the last process models do, so that all share its site-years."""


@dataclass(frozen=True)
class Tower:
    """One tower."""

    site: str
    lat: float
    lon: float
    cell: int
    igbp: int
    effect: float  # the logarithm of a factor of its own
    years: np.ndarray  # of its record
    by_year: np.ndarray  # (product year,), what the logarithm has more in each


def network(planet: Planet, towers: int, validation: int, site_effect: float) -> tuple[list[Tower], list[Tower]]:
    """Place the towers.

    Parameters
    ----------
    towers, validation : int
        How many train and how many validate. The second list holds two more: one known under the same identifier in
        the first, and one that stands within a kilometre of a tower of it under another name. Both must be refused.
    site_effect : float
        Standard deviation of the log factor; what it is from year to year (`carbon.Variety`) goes in proportion.

    Returns
    -------
    tuple of list of Tower
        Those that train, those that validate. The latter stand at least two cells from the former.
    """
    rng = stream(planet.seed, "towers")
    cells = _cells(planet, towers, 1, rng, taken=np.zeros(planet.lat.size, bool))
    twins = rng.permutation(cells.size)[: round(0.15 * cells.size)]
    cells[twins] = cells[(twins + 1) % cells.size]  # some share the cell of the next
    training = _build(planet, cells, site_effect, LAST_TRAINING, rng)
    # Those that validate keep two rows and columns away from the others, so that no window overlaps a tower's cell.
    height, width = planet.grid.shape
    near = np.zeros(planet.grid.shape, bool)
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        near[np.clip(planet.rows[cells] + down, 0, height - 1), (planet.cols[cells] + right) % width] = True
    others = _cells(planet, validation, 2, rng, taken=near[planet.rows, planet.cols])
    checking = _build(planet, others, site_effect, LAST_VALIDATION, rng, code="V")
    long = [t for t in training if np.sum(t.years <= LAST_VALIDATION) >= 3] or training
    for tower, other in ((long[0], {}), (long[-1], {"site": "XV-TWN", "lat": round(long[-1].lat + 0.004, 4)})):
        early = tower.years[tower.years <= max(LAST_VALIDATION, tower.years[0])]
        checking.append(replace(tower, years=early, **other))
    return training, checking


def _cells(planet: Planet, count: int, column: int, rng: np.random.Generator, taken: np.ndarray) -> np.ndarray:
    """Draw a cell for each tower: region by region, vegetated, by area; clusters arise from four hubs a region."""
    growing = ~np.isin(planet.ground["igbp"], BARE) & (planet.annual("npp", total=True).mean(axis=0) > 0.05) & ~taken
    shares = np.array([entry[column] for entry in REGIONS.values()])
    numbers = np.floor(shares / shares.sum() * count).astype(int)
    numbers[np.argmax(shares)] += count - numbers.sum()
    chosen = []
    for ((west, south, east, north), *_), number in zip(REGIONS.values(), numbers, strict=True):
        inside = growing & (planet.lat > south) & (planet.lat < north) & (planet.lon > west) & (planet.lon < east)
        if number == 0:
            continue
        # A coarse planet may have nothing left to stand on in a region: its towers then go anywhere.
        weight = np.where(inside if inside.any() else growing, planet.area, 0.0)
        if not weight.any():
            raise ValueError(
                f"towers: found no vegetated cell left for {number} more; take fewer, or a finer resolution"
            )
        hubs = rng.choice(planet.lat.size, size=4, p=weight / weight.sum())
        apart = np.hypot(planet.lat[:, None] - planet.lat[hubs], planet.lon[:, None] - planet.lon[hubs]).min(axis=1)
        weight *= 0.15 + np.exp(-((apart / 6) ** 2))
        crowded = number > np.count_nonzero(weight)
        chosen.append(rng.choice(planet.lat.size, size=number, replace=crowded, p=weight / weight.sum()))
    return np.concatenate(chosen)


def _build(
    planet: Planet, cells: np.ndarray, site_effect: float, last: int, rng: np.random.Generator, code: str = ""
) -> list[Tower]:
    half = 0.45 * planet.grid.resolution
    first, last = planet.years[0], max(planet.years[0], min(last, planet.years[1]))
    towers = []
    by_year = planet.sizes.tower_year * site_effect / planet.sizes.tower
    by_year *= stream(planet.seed, f"tower years {code}").standard_normal((cells.size, planet.product_years.size))
    for k, cell in enumerate(cells):
        lat, lon = planet.lat[cell] + rng.uniform(-half, half), planet.lon[cell] + rng.uniform(-half, half)
        length = min(1 + rng.geometric(1 / 4.5), last - first + 1)
        begin = rng.integers(first, last - length + 2)
        inside = (name for name, ((west, south, east, north), *_) in REGIONS.items()
                  if south < planet.lat[cell] < north and west < planet.lon[cell] < east)  # fmt: skip
        igbp = _label(planet, cell, rng)
        site = f"{'XV' if code else next(inside, 'XW')}-{k:03d}"
        effect = site_effect * rng.standard_normal()
        years = np.arange(begin, begin + length)
        towers.append(Tower(site, round(lat, 4), round(lon, 4), cell, igbp, effect, years, by_year[k]))
    return towers


def _label(planet: Planet, cell: int, rng: np.random.Generator) -> int:
    """Return the class that the tower's own metadata give: for one in eight, that of a neighbouring cell."""
    if rng.random() < 0.125:
        around = np.flatnonzero(
            (np.abs(planet.rows - planet.rows[cell]) <= 1) & (np.abs(planet.cols - planet.cols[cell]) <= 1)
        )
        other = planet.ground["igbp"][rng.choice(around)]
        if other not in BARE:
            return int(other)
    return int(planet.ground["igbp"][cell])


def observe(planet: Planet, towers: list[Tower], noise: float, name: str) -> pd.DataFrame:
    r"""Return what the towers report: a row a site-year, fluxes in g m-2 yr-1, NaN where missing.

    With the tower's factor :math:`f`, GPP and RECO of the footprint are :math:`f` times the cell's. The labels are

    .. math::

       NEE = RECO\,e^{s} - GPP, \qquad RECO_{NT} = RECO\,e^{s + a + b}, \qquad RECO_{DT} = RECO\,e^{s + a' + b'},
       \qquad GPP_{NT} = RECO_{NT} - NEE,

    where :math:`s` is an error of NEE that both partitionings share, :math:`a` one that lasts with the tower and
    :math:`b` one of the year, of ``noise`` in the best years and wider in poor ones. On the easy planet :math:`s` and
    :math:`a` are 0, :math:`b` enters GPP as a factor too, and :math:`b'` is :math:`b` and another 8 %. One row in 25
    has no respiration, one in 50 a quality of 0; with any noise, one in 200 is plainly wrong: below zero, or above
    5,000.
    """
    rng, sizes = stream(planet.seed, f"{name} reports"), planet.sizes
    reco = planet.annual("gpp", total=True) - planet.annual("npp", total=True) + planet.annual("rh", total=True)
    gpp = planet.annual("gpp", total=True)
    own = [t.effect + t.by_year[t.years - planet.years[0]] for t in towers]
    rows = pd.concat(
        [pd.DataFrame({"site": t.site, "year": t.years, "cell": t.cell}) for t in towers],
        ignore_index=True,
    ).assign(effect=np.concatenate(own))
    n, when = len(rows), rows["year"].to_numpy() - planet.years[0]
    quality = np.where(rng.random(n) < 0.02, 0.0, rng.beta(7, 1.8, n))
    wider = noise * (1 + 2 * (1 - quality))
    error, twin = wider * rng.standard_normal(n), rng.standard_normal(n)
    true = 1000 * reco[when, rows["cell"]], 1000 * gpp[when, rows["cell"]]
    if sizes.lasting or sizes.shared:
        more, scale = stream(planet.seed, f"{name} labels"), noise / sizes.noise
        number = pd.factorize(rows["site"])[0]
        lasting = scale * sizes.lasting * more.standard_normal((2, number.max() + 1))[:, number]
        breathed, fixed = (flux * np.exp(rows["effect"]) for flux in true)
        breathed = breathed * np.exp(scale * sizes.shared * more.standard_normal(n))
        rows["reco"], rows["reco_dt"] = (
            breathed * np.exp(a + b) for a, b in zip(lasting, (error, wider * twin), strict=True)
        )
        rows["gpp"] = rows["reco"] - (breathed - fixed)
    else:
        rows["reco"], rows["gpp"] = (flux * np.exp(rows["effect"] + error) for flux in true)
        rows["reco_dt"] = rows["reco"] * np.exp((0.08 if noise else 0.0) * twin)
    rows["qc"] = quality.round(3)
    wrong = (rng.random(n) < 0.005) & (noise > 0)
    rows.loc[wrong, "reco"] = np.where(rng.random(wrong.sum()) < 0.5, -0.2, 6.0) * rows.loc[wrong, "reco"].clip(1000)
    rows.loc[rng.random(n) < 0.04, "reco"] = np.nan
    return rows


def write_towers(folder: Path, planet: Planet, towers: list[Tower], noise: float, product: str) -> list[Path]:
    """Write one zip a tower with its yearly file, and ``sites.csv`` beside them; return the zips.

    ``product`` says whose names and layout: FULLSET of ``fluxnet2015``, or FLUXMET of today's ``fluxnet``. FLUXNET2015
    is as untidy as a folder that grew over the years: the tower with the longest record has an earlier release (SUBSET,
    a year shorter) beside it, and in the file of the next the last year stands twice.
    """
    table = observe(planet, towers, noise, product)
    at = table["year"] - planet.years[0], table["cell"]
    columns = {
        "TIMESTAMP": table["year"],
        "TA_F": planet.annual("tmp")[at],
        "P_F": planet.annual("pre", total=True)[at],
        "NEE_VUT_REF": table["reco"] - table["gpp"],
        "NEE_VUT_REF_QC": table["qc"],
        "RECO_NT_VUT_REF": table["reco"],
        "GPP_NT_VUT_REF": table["gpp"],
        "RECO_DT_VUT_REF": table["reco_dt"],
    }
    yearly = pd.DataFrame(columns).round(4).fillna(-9999)
    reports = {tower.site: yearly[table["site"] == tower.site] for tower in towers}
    name, step, release = ("DEMO_{}_FLUXNET_", "FLUXMET_YY_", "v1.3_r1")
    todo = []
    if product == "fluxnet2015":
        name, step, release = ("FLX_{}_FLUXNET2015_FULLSET_", "YY_", "1-4")
        first, second = sorted(reports, key=lambda site: len(reports[site]), reverse=True)[:2]
        earlier = reports[first].iloc[: max(len(reports[first]) - 1, 1)]
        todo.append((f"FLX_{first}_FLUXNET2015_SUBSET_", "1-3", earlier))
        reports[second] = pd.concat([reports[second], reports[second].tail(1)])
    paths = []
    for stem, edition, rows in [*todo, *((name.format(site), release, rows) for site, rows in reports.items())]:
        span = f"{rows['TIMESTAMP'].min()}-{rows['TIMESTAMP'].max()}_{edition}"
        paths.append(folder / f"{stem}{span}.zip")
        with zipfile.ZipFile(paths[-1], "w", zipfile.ZIP_DEFLATED) as archive:
            member = zipfile.ZipInfo(f"{stem}{step}{span}.csv", (2021, 1, 1, 0, 0, 0))  # the same bytes on any day
            archive.writestr(member, rows.to_csv(index=False))
    places = [(t.site, t.lat, t.lon, IGBP[t.igbp][0]) for t in towers]
    pd.DataFrame(places, columns=["site", "latitude", "longitude", "igbp"]).to_csv(folder / "sites.csv", index=False)
    return paths


def effects(planet: Planet, training: list[Tower], validation: list[Tower]) -> xr.Dataset:
    """Return each site's log factor ``site_effect`` (site), and what it has more in a year, ``site_year_effect``.

    Both belong to the tower and are in no map. A tower of both lists stands here once.
    """
    by_site = {t.site: t for t in [*training, *validation]}
    towers = list(by_site.values())
    about = {"units": "1", "long_name": "unobserved site effect: logarithm of the factor on RECO"}
    more = {"units": "1", "long_name": "unobserved site effect of the year: logarithm of a further factor on RECO"}
    lasting, by_year = (np.array([getattr(t, k) for t in towers], "float32") for k in ("effect", "by_year"))
    return xr.Dataset(
        {"site_effect": ("site", lasting, about), "site_year_effect": (("year", "site"), by_year.T, more)},
        coords={
            "site": list(by_site),
            "year": planet.product_years,
            "site_lat": ("site", [t.lat for t in towers]),
            "site_lon": ("site", [t.lon for t in towers]),
        },
    )
