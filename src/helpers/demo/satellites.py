"""Native files of the satellite and soil products, GLASS, MODIS and SoilGrids, with their names, scales and fills.

A raster knows, for each of its pixels, which land cell lies under the pixel's centre. A product's error has two halves
of equal variance: one stays with the pixel through all files, one is drawn anew for each file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine

from helpers.demo import carbon, hdf4
from helpers.demo.fields import stream
from helpers.demo.planet import Planet
from helpers.space.grid import RADIUS


@dataclass(frozen=True)
class Raster:
    """Pixels over the globe.

    Attributes
    ----------
    cell : ndarray (y, x) of int
        Land cell under each pixel's centre, -1 off the land and off the map.
    corners : tuple of float
        x and y of the outer north-west and south-east corner, degrees or metres.
    sinusoidal : bool
    """

    cell: np.ndarray
    corners: tuple[float, float, float, float]
    sinusoidal: bool = False

    @property
    def land(self) -> np.ndarray:
        """Where there is land, (y, x)."""
        return self.cell >= 0

    def tiles(self, down: int, across: int):
        """Yield (v, h, slices, corners) of ``down`` times ``across`` tiles."""
        height, width = self.cell.shape
        west, north, east, south = self.corners
        rows, cols = np.linspace(0, height, down + 1).astype(int), np.linspace(0, width, across + 1).astype(int)
        for v in range(down):
            for h in range(across):
                box = (slice(rows[v], rows[v + 1]), slice(cols[h], cols[h + 1]))
                x = west + (east - west) * cols[h : h + 2] / width
                y = north + (south - north) * rows[v : v + 2] / height
                yield v, h, box, (x[0], y[0], x[1], y[1])


def regular(planet: Planet, finer: int = 1, south: float = -90, north: float = 90) -> Raster:
    """Return latitude/longitude pixels ``finer`` times smaller than the planet's cells, between two latitudes."""
    index = planet.index()
    keep = (planet.grid.lat > south) & (planet.grid.lat < north)
    half = planet.grid.resolution / 2
    lat = planet.grid.lat[keep]
    cell = index[keep].repeat(finer, axis=0).repeat(finer, axis=1)
    return Raster(cell, (-180.0, lat[0] + half, 180.0, lat[-1] - half))


def sinusoidal(planet: Planet, finer: float = 2.5) -> Raster:
    """Return pixels of the MODIS sinusoidal grid, ``finer`` times smaller than the planet's cells.

    A factor such as 2.5 keeps cell centres off the edges of pixels, where the nearest one would be a toss-up.
    """
    rows = round(planet.grid.shape[0] * finer)
    size = np.pi * RADIUS / rows
    y = np.pi * RADIUS / 2 - size * (np.arange(rows) + 0.5)
    x = -np.pi * RADIUS + size * (np.arange(2 * rows) + 0.5)
    phi = y / RADIUS
    lam = x[None, :] / (RADIUS * np.cos(phi))[:, None]
    on_map = np.abs(lam) < np.pi
    height, width = planet.grid.shape
    down = np.floor((np.pi / 2 - phi) / np.pi * height).astype(int).clip(0, height - 1)
    right = np.floor((np.where(on_map, lam, 0) + np.pi) / (2 * np.pi) * width).astype(int).clip(0, width - 1)
    cell = np.where(on_map, planet.index()[down[:, None], right], -1)
    edge = np.pi * RADIUS
    return Raster(cell, (-edge, edge / 2, edge, -edge / 2), sinusoidal=True)


class Observer:
    """Sees a field of the planet through a raster with an error of stated size.

    Parameters
    ----------
    raster : Raster
    size : float
        Standard deviation of the error: of the logarithm if ``relative``, else in the field's units.
    name : str
        Of the product, which seeds its errors.
    seed : int
    relative : bool
    """

    def __init__(self, raster: Raster, size: float, name: str, seed: int, *, relative: bool) -> None:
        self.raster, self.size, self.name, self.seed, self.relative = raster, size, name, seed, relative
        self.under = raster.cell[raster.land]
        self.lasting = self._draw("lasting") if size else 0.0

    def _draw(self, what: str) -> np.ndarray:
        rng = stream(self.seed, f"{self.name} {what}")
        return np.sqrt(0.5) * self.size * rng.standard_normal(self.under.size, dtype="float32")

    def see(self, field: np.ndarray, file: str) -> np.ndarray:
        """Return the (cell,) field on the raster's land pixels, (pixel,), with the error of that file."""
        values = field[self.under]
        if not self.size:
            return values
        error = self.error(file)
        return values * np.exp(error) if self.relative else values + error

    def error(self, file: str) -> np.ndarray:
        """Return the error of that file, (pixel,)."""
        return self.lasting + self._draw(file)

    def pack(self, values: np.ndarray, *, scale: float, fill: int, dtype: str, limits: tuple[int, int]) -> np.ndarray:
        """Return stored numbers (y, x): values over ``scale``, rounded, held within ``limits``; ``fill`` elsewhere."""
        out = np.full(self.raster.cell.shape, fill, dtype=dtype)
        out[self.raster.land] = np.clip(np.rint(values / scale), *limits).astype(dtype)
        return out


NPP_FILLS = {None: 32767, 0: 32766, 16: 32765, 15: 32764, 11: 32763, 13: 32762}
GPP_FILLS = {code: fill + 32768 for code, fill in NPP_FILLS.items()}
"""What MOD17A3HGF stores in place of production: nothing, water, barren land, ice, wetland, towns (User's Guide, 2019;
those of GPP from memory)."""

SHARED = 0.9
"""Share of the variance of the errors of MOD17A3HGF's NPP that is GPP's too, a round number: both come from the same
light, leaves and weather; only the plants' respiration is NPP's alone."""

MADE = "2021001000000"
"""A fixed production time, so that a seed gives the same file names."""


def _periods(year: int, dates: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut a year into ``dates`` periods that begin on multiples of ``step`` days.

    Yields each period's first day of the year, which names its file, and the month (0 to 11) of its middle, whose
    mean it holds. With all 365 or 46 dates these are the product's own days.
    """
    count = -(-365 // step)
    starts = 1 + step * np.rint(np.arange(dates) * count / dates).astype(int)
    for first, following in zip(starts, [*starts[1:], 366], strict=True):
        middle = date(year, 1, 1) + timedelta(days=int(first + following - 1) // 2 - 1)
        yield int(first), middle.month - 1


def _month(planet: Planet, name: str, year: int, month: int) -> np.ndarray:
    return planet.monthly[name][12 * (year - planet.time.year[0]) + month]


def glass_par(folder: Path, planet: Planet, size: float, dates: int) -> list[Path]:
    """Write GLASS04B01 V42: daily PAR on a latitude/longitude grid, int16 times 0.01 W m-2, -1 where there is none."""
    observer = Observer(regular(planet), size, "glass_par", planet.seed, relative=True)
    attributes = {"long_name": "Photosynthetically active radiation", "units": "W/m^2", "scale_factor": 0.01}
    attributes |= {"_FillValue": -1, "valid_range": [0, 32767]}
    paths = []
    for year in planet.product_years:
        for day, month in _periods(year, dates, 1):
            name = f"GLASS04B01.V42.A{year}{day:03d}.2021001.hdf"
            values = observer.see(_month(planet, "par", year, month), name)
            stored = observer.pack(values, scale=0.01, fill=-1, dtype="int16", limits=(0, 32767))
            paths.append(_whole(folder / name, observer.raster, {"PAR": (stored, attributes)}, "GLASS04B01"))
    return paths


def glass_lai(folder: Path, planet: Planet, size: float, dates: int) -> list[Path]:
    """Write GLASS01B01 V50: 8-day leaf area index on a latitude/longitude grid, uint8 times 0.1, 255 = fill."""
    observer = Observer(regular(planet), size, "glass_lai", planet.seed, relative=True)
    attributes = {"long_name": "Leaf area index", "units": "m^2/m^2", "scale_factor": 0.1, "_FillValue": 255}
    attributes |= {"valid_range": [0, 100]}
    paths = []
    for year in planet.product_years:
        for day, month in _periods(year, dates, 8):
            name = f"GLASS01B01.V50.A{year}{day:03d}.2021001.hdf"
            values = observer.see(_month(planet, "lai", year, month), name)
            stored = observer.pack(values, scale=0.1, fill=255, dtype="uint8", limits=(0, 100))
            paths.append(_whole(folder / name, observer.raster, {"LAI": (stored, attributes)}, "GLASS01B01"))
    return paths


def glass_fapar(folder: Path, planet: Planet, size: float, dates: int) -> list[Path]:
    """Write GLASS09E01 V50: 8-day FAPAR in sinusoidal tiles, uint8 times 0.004, 255 = fill."""
    observer = Observer(sinusoidal(planet), size, "glass_fapar", planet.seed, relative=False)
    attributes = {"long_name": "Fraction of absorbed PAR", "units": "1", "scale_factor": 0.004, "_FillValue": 255}
    attributes |= {"valid_range": [0, 250]}
    paths = []
    for year in planet.product_years:
        for day, month in _periods(year, dates, 8):
            stem = f"GLASS09E01.V50.A{year}{day:03d}"
            values = observer.see(_month(planet, "fapar", year, month), stem)
            stored = observer.pack(values, scale=0.004, fill=255, dtype="uint8", limits=(0, 250))
            layers = {"FAPAR": (stored, attributes)}
            paths += _tiled(folder, stem, "2021001", observer.raster, layers, "GLASS09E01", (1, 2))
    return paths


def mod13a3(folder: Path, planet: Planet, size: float) -> list[Path]:
    """Write MOD13A3 .006: monthly NDVI in sinusoidal tiles, int16; value = stored / 10000, fill -3000.

    The files say ``scale_factor`` 10000, a divisor, as the real vegetation index files do. The reliability layer says
    0 (good), 1 (marginal, in wet months), 2 (snow, below -5 °C); NDVI itself is seen through all of them.
    """
    observer = Observer(sinusoidal(planet), size, "mod13a3", planet.seed, relative=False)
    attributes = {"long_name": "1 km monthly NDVI", "units": "NDVI", "scale_factor": 10000.0, "add_offset": 0.0}
    attributes |= {"_FillValue": -3000, "valid_range": [-2000, 10000]}
    ranks = {"long_name": "1 km monthly pixel reliability", "units": "rank", "_FillValue": -1, "valid_range": [0, 3]}
    paths = []
    for year in planet.product_years:
        for month in range(12):
            stem = f"MOD13A3.A{year}{date(year, month + 1, 1).timetuple().tm_yday:03d}"
            values = observer.see(_month(planet, "ndvi", year, month), stem)
            stored = observer.pack(values, scale=1e-4, fill=-3000, dtype="int16", limits=(-2000, 10000))
            rank = (_month(planet, "pre", year, month) > 150).astype("int8")
            rank[_month(planet, "tmp", year, month) < -5] = 2
            ranked = observer.pack(rank[observer.under], scale=1, fill=-1, dtype="int8", limits=(0, 3))
            layers = {"1 km monthly NDVI": (stored, attributes), "1 km monthly pixel reliability": (ranked, ranks)}
            paths += _tiled(folder, stem, f"006.{MADE}", observer.raster, layers, "MOD_Grid_monthly_1km_VI", (1, 2))
    return paths


def mod17a3hgf(folder: Path, planet: Planet, size: float) -> list[Path]:
    r"""Write MOD17A3HGF .061: yearly NPP and GPP in sinusoidal tiles, times 0.0001 kg C m-2, classes as fills.

    NPP is int16 with class fills above 32760, GPP is uint16 with those above 65528. The two come from one algorithm and
    share `SHARED` of the variance of their errors: :math:`e_{GPP} = \sqrt{0.9}\,e_{NPP} + \sqrt{0.1}\,e'`. Where cells
    have an efficiency of their own the algorithm doesn't know it: it has a table by biome, for light use and for CUE.
    The years' changes it does see, and with ``size`` 0 all. Real 6.1 begins in 2001; here all years are written.
    """
    observer = Observer(sinusoidal(planet), size, "mod17a3hgf", planet.seed, relative=True)
    other = Observer(observer.raster, size, "mod17a3hgf gpp", planet.seed, relative=True)
    layers = {
        "Npp_500m": ("Net Primary Productivity", "int16", NPP_FILLS, [-30000, 32700]),
        "Gpp_500m": ("Gross Primary Productivity", "uint16", GPP_FILLS, [0, 65500]),
    }
    quality = {"long_name": "Quality control bits for NPP", "units": "percent", "_FillValue": 255}
    quality |= {"valid_range": [0, 100]}
    gpp, npp = planet.annual("gpp", total=True), planet.annual("npp", total=True)
    if planet.own is not None and size:
        gpp = gpp / planet.own.efficiency
        npp = gpp * carbon.use_efficiency(planet.yearly_tmp)
    igbp = planet.ground["igbp"][observer.under]
    paths = []
    for year, net, gross in zip(planet.product_years, npp, gpp, strict=True):
        stem, seen = f"MOD17A3HGF.A{year}001", {}
        error = observer.error(stem) if size else 0.0
        errors = {"Npp_500m": error}
        errors["Gpp_500m"] = np.sqrt(SHARED) * error + np.sqrt(1 - SHARED) * (other.error(stem) if size else 0.0)
        for name, field in {"Npp_500m": net, "Gpp_500m": gross}.items():
            long_name, dtype, fills, limits = layers[name]
            values = field[observer.under]
            values = values * np.exp(errors[name]) if size else values
            stored = observer.pack(values, scale=1e-4, fill=fills[None], dtype=dtype, limits=limits)
            table = np.array([fills.get(code, 0) for code in range(17)], dtype=dtype)
            # Off the map (beyond the date line) stays the fill; the sea, on it, is water.
            stored[observer.raster.land] = np.where(table[igbp], table[igbp], stored[observer.raster.land])
            stored[_sea(observer.raster)] = fills[0]
            about = {"long_name": long_name, "units": "kg_C/m^2", "scale_factor": 0.0001, "add_offset": 0.0}
            seen[name] = stored, about | {"_FillValue": fills[None], "valid_range": limits}
        percent = np.where(seen["Npp_500m"][0] > 32700, 255, 0).astype("uint8")
        seen["Npp_QC_500m"] = percent, quality
        paths += _tiled(folder, stem, f"061.{MADE}", observer.raster, seen, "MOD_Grid_MOD17A3H", (2, 2))
    return paths


def _sea(raster: Raster) -> np.ndarray:
    """Return the pixels of a sinusoidal raster that lie on the globe but off its land."""
    height, width = raster.cell.shape
    phi = np.pi * (0.5 - (np.arange(height) + 0.5) / height)
    x = np.abs((np.arange(width) + 0.5) / width * 2 - 1)
    return (x[None, :] < np.cos(phi)[:, None]) & ~raster.land


def mcd12c1(folder: Path, planet: Planet, wrong: float) -> list[Path]:
    """Write MCD12C1 .006 of the last year: the commonest IGBP class, uint8, water 0.

    Parameters
    ----------
    wrong : float
        Share of land cells that take the class of a random other cell within two rows and columns.
    """
    raster, rng = regular(planet), stream(planet.seed, "mcd12c1")
    truth = np.where(raster.land, planet.ground["igbp"][raster.cell], 0).astype("uint8")
    y, x = np.nonzero(raster.land & (rng.random(truth.shape) < wrong))
    height, width = truth.shape
    seen = truth.copy()
    other = truth[np.clip(y + rng.integers(-2, 3, y.size), 0, height - 1), (x + rng.integers(-2, 3, x.size)) % width]
    seen[y, x] = np.where(other > 0, other, seen[y, x])
    name = f"MCD12C1.A{planet.years[1]}001.006.{MADE}.hdf"
    attributes = {"long_name": "Majority_Land_Cover_Type_1", "units": "class number", "_FillValue": 255}
    attributes |= {"valid_range": [0, 16]}
    layers = {"Majority_Land_Cover_Type_1": (seen, attributes)}
    return [_whole(folder / name, raster, layers, "MOD12C1")]


def soilgrids2017(folder: Path, planet: Planet, size: float) -> list[Path]:
    r"""Write SoilGrids250m (2017): organic carbon at 0, 5, 15 and 30 cm, GeoTIFF int16 g kg-1, nodata -32768.

    The soil pool :math:`C_s` of the first year falls off with depth over 0.3 m in soil of 1300 kg m-3:
    :math:`1000\,C_s\,e^{-z/0.3} / (0.3 \cdot 1300)` g kg-1. Pixels are three to a cell's edge, from 60°S to 84°N.
    """
    raster = regular(planet, finer=3, south=-60, north=84)
    observer = Observer(raster, size, "soilgrids2017", planet.seed, relative=True)
    soil = planet.pools[2][planet.all_years == planet.years[0]][0]
    height, width = raster.cell.shape
    west, north, east, south = raster.corners
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": height, "width": width, "nodata": -32768}
    profile |= {
        "crs": "EPSG:4326",
        "transform": Affine((east - west) / width, 0, west, 0, (south - north) / height, north),
    }
    paths = []
    for layer, depth in enumerate((0.0, 0.05, 0.15, 0.30), start=1):
        path = folder / f"ORCDRC_M_sl{layer}_250m.tif"
        content = 1000 * soil * np.exp(-depth / 0.3) / (0.3 * 1300)
        stored = observer.pack(observer.see(content, path.name), scale=1, fill=-32768, dtype="int16", limits=(0, 1000))
        with rasterio.open(path, "w", compress="deflate", **profile) as file:
            file.write(stored, 1)
        paths.append(path)
    return paths


def _whole(path: Path, raster: Raster, layers: dict, grid_name: str) -> Path:
    return hdf4.write(path, layers, grid_name=grid_name, corners=raster.corners, sinusoidal=raster.sinusoidal)


def _tiled(
    folder: Path, stem: str, end: str, raster: Raster, layers: dict, grid_name: str, tiles: tuple[int, int]
) -> list[Path]:
    """Cut layers into (down, across) tiles and write each: ``stem.hHHvVV.end.hdf``."""
    return [
        hdf4.write(
            folder / f"{stem}.h{h:02d}v{v:02d}.{end}.hdf",
            {name: (values[box], attributes) for name, (values, attributes) in layers.items()},
            grid_name=grid_name,
            corners=corners,
            sinusoidal=True,
        )
        for v, h, box, corners in raster.tiles(*tiles)
    ]
