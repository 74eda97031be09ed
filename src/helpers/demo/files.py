"""The Demo Earth's gridded products as native files: names, layouts, scales and fills of the real ones.

CRU TS and SPEIbase are NetCDF on the coarse grid; GLASS and MODIS are HDF4-EOS, that is HDF4 with a text attribute that
places the grid; SoilGrids are GeoTIFF; six stand-ins for process models write NetCDF as MsTMIP's and TRENDY's do.

A raster knows, for each of its pixels, which land cell lies under the pixel's centre. A product's error has two halves
of equal variance: one stays with the pixel through all files, one is drawn anew for each file.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pandas as pd
import rasterio
from pyhdf.SD import SD, SDC
from rasterio import Affine

from helpers.demo import carbon
from helpers.demo.climate import smooth, stream
from helpers.demo.planet import PAST, Planet, drought, net, yearly
from helpers.space.grid import RADIUS, Grid

CRU = {
    # product: variable, our monthly field, long name, units
    "cru_tmp": ("tmp", "near-surface temperature", "degrees Celsius"),
    "cru_pre": ("pre", "precipitation", "mm/month"),
    "cru_pet": ("pet", "potential evapotranspiration", "mm/day"),
}


def write_climate(folder: Path, planet: Planet, sizes: dict[str, float]) -> dict[str, list[Path]]:
    """Write CRU TS 4.05 and SPEIbase into a sub-folder of ``folder`` each; return the paths by product.

    Means over the land of each coarse cell, with an error for each cell and month: additive for temperature,
    log-normal for the others; PET is a rate, as CRU's. SPEI rests on these, as SPEIbase rests on CRU TS, so that the
    files say version 2.7, which rests on 4.05; months without an index are NaN, the sea is 1e30.
    """
    seen, paths, first, last = {}, {}, planet.time.year[0], planet.time.year[-1]
    for product, (name, long_name, units) in CRU.items():
        values = planet.aggregate(planet.monthly[name], planet.coarse)
        if size := sizes[product]:
            error = size * stream(planet.seed, product).standard_normal(values.shape)
            values = values + error if name == "tmp" else values * np.exp(error)
        seen[name] = values
        stored = values / planet.time.days_in_month.to_numpy()[:, None, None] if name == "pet" else values
        about = {"long_name": long_name, "units": units, "correlation_decay_distance": np.float32(1200)}
        paths[product] = [folder / product / f"cru_ts4.05.{first}.{last}.{name}.dat.nc"]
        _coarse_netcdf(paths[product][0], planet, name, stored, 9.96921e36, about, {"title": "CRU TS4.05"})
    sea, paths["spei"] = np.isnan(seen["pre"]).all(axis=0), []
    about = {"long_name": "Standardized Precipitation-Evapotranspiration Index", "units": "z-values"}
    for scale in (12, 24, 36):
        index = drought(seen["pre"], seen["pet"], planet.time, scale).values.astype("float32")
        index[:, sea] = 1e30
        paths["spei"].append(folder / "spei" / f"spei{scale}.nc")
        more = {"title": "SPEIbase", "version": "2.7", "summary": f"{scale} months, from CRU TS 4.05"}
        _coarse_netcdf(paths["spei"][-1], planet, "spei", index, 1e30, about, more)
    return paths


def _coarse_netcdf(path: Path, planet: Planet, name: str, values: np.ndarray, fill: float, about: dict, more: dict):
    """Write (time, lat from the north, lon) on the coarse grid, turned to run from the south."""
    grid, days = planet.coarse, (planet.time - pd.Timestamp("1900-01-01")).days.to_numpy()
    axes = {
        "lon": (grid.lon, {"units": "degrees_east", "long_name": "longitude"}),
        "lat": (grid.lat[::-1], {"units": "degrees_north", "long_name": "latitude"}),
        "time": (days, {"units": "days since 1900-1-1", "long_name": "time", "calendar": "gregorian"}),
    }
    values, fill = values[:, ::-1].astype("float32"), np.float32(fill)
    if name != "spei":
        values = np.where(np.isnan(values), fill, values)
    title = {"Conventions": "CF-1.4", "title": f"{more.pop('title')} of the Demo Earth"}
    _netcdf(path, title, axes, "f4", name, values, fill, about | {"missing_value": fill}, more)


def _netcdf(path, title, axes, kind, name, values, fill, about, more=None) -> Path:
    """Write one variable (time, …) on its axes {name: (values, attributes)} of type ``kind``, with its attributes."""
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.setncatts(title)
        for axis, (places, attributes) in axes.items():
            file.createDimension(axis, len(places))
            variable = file.createVariable(axis, kind, (axis,))
            variable.setncatts(attributes)
            variable[:] = places
        file.setncatts(more or {})
        down, across = (axis for axis in sorted(axes) if axis != "time")
        # a year a chunk: the library's own choice spans all steps, and each year that is read unpacks them all
        chunk = (min(12, len(values)), *values.shape[1:])
        variable = file.createVariable(
            name, "f4", ("time", down, across), fill_value=fill, zlib=True, complevel=1, chunksizes=chunk
        )
        variable.set_auto_mask(False)
        variable.setncatts(about)
        variable[:] = values
    return path


TYPES = {"int8": SDC.INT8, "uint8": SDC.UINT8, "int16": SDC.INT16, "uint16": SDC.UINT16}


def write_hdf4(
    path: Path,
    layers: dict[str, tuple[np.ndarray, dict]],
    *,
    grid_name: str,
    corners: tuple[float, float, float, float],
    sinusoidal: bool,
) -> Path:
    """Write one tile in the form of the MODIS and GLASS products.

    Parameters
    ----------
    path : Path
        File to make.
    layers : dict
        Name of each data set: its array (y, x) of int8, uint8, int16 or uint16, and its attributes.
    grid_name : str
        As in StructMetadata.0.
    corners : tuple of float
        x and y of the outer north-west and south-east corner: metres if ``sinusoidal``, else degrees.
    sinusoidal : bool
        Which of the two projections.
    """
    # The library stores the path that it is given: from within the folder that is the bare name, and a seed gives the
    # same bytes wherever the folder lies.
    with contextlib.chdir(path.parent):
        file = SD(path.name, SDC.WRITE | SDC.CREATE | SDC.TRUNC)
        for name, (values, attributes) in layers.items():
            own = TYPES[values.dtype.name]
            data = file.create(name, own, values.shape)
            data.setcompress(SDC.COMP_DEFLATE, 1)
            for axis, dim in enumerate(("YDim", "XDim")):
                data.dim(axis).setname(f"{dim}:{grid_name}")
            for key, value in attributes.items():  # as in the real products: scales as float64
                kind = SDC.CHAR if isinstance(value, str) else own if key in ("_FillValue", "valid_range") else None
                data.attr(key).set(kind or SDC.FLOAT64, value if kind else float(value))
            data[:] = np.ascontiguousarray(values)
            data.endaccess()
        file.attr("StructMetadata.0").set(SDC.CHAR, _struct_metadata(layers, grid_name, corners, sinusoidal))
        file.end()
    return path


def _struct_metadata(layers: dict, grid_name: str, corners: tuple, sinusoidal: bool) -> str:
    """Return the text that says where the tile lies; laid out as in a MODIS land product."""
    height, width = next(iter(layers.values()))[0].shape
    west, north, east, south = corners if sinusoidal else tuple(_packed(c) for c in corners)
    projection = "GCTP_SNSOID" if sinusoidal else "GCTP_GEO"
    sphere = f"\t\tProjParams=({RADIUS:.6f},0,0,0,0,0,0,0,0,0,0,0,0)\n\t\tSphereCode=-1\n" if sinusoidal else ""
    fields = "".join(
        f'\t\t\tOBJECT=DataField_{k}\n\t\t\t\tDataFieldName="{name}"\n\t\t\t\tDataType=DFNT_{values.dtype.name.upper()}\n'
        f'\t\t\t\tDimList=("YDim","XDim")\n\t\t\tEND_OBJECT=DataField_{k}\n'
        for k, (name, (values, _)) in enumerate(layers.items(), start=1)
    )
    return (
        "GROUP=SwathStructure\nEND_GROUP=SwathStructure\nGROUP=GridStructure\n\tGROUP=GRID_1\n"
        f'\t\tGridName="{grid_name}"\n\t\tXDim={width}\n\t\tYDim={height}\n'
        f"\t\tUpperLeftPointMtrs=({west:.6f},{north:.6f})\n\t\tLowerRightMtrs=({east:.6f},{south:.6f})\n"
        f"\t\tProjection={projection}\n{sphere}\t\tGridOrigin=HDFE_GD_UL\n\t\tGROUP=DataField\n{fields}"
        "\t\tEND_GROUP=DataField\n\tEND_GROUP=GRID_1\nEND_GROUP=GridStructure\n"
        "GROUP=PointStructure\nEND_GROUP=PointStructure\nEND\n"
    )


def _packed(degrees: float) -> float:
    """Return degrees as DDDMMMSSS.SS, the packed form of GCTP_GEO corners.

    >>> _packed(-180.0), _packed(22.5)
    (-180000000.0, 22030000.0)
    """
    whole, rest = divmod(abs(degrees) * 3600, 3600)
    minutes, seconds = divmod(rest, 60)
    return float(np.copysign(whole * 1e6 + minutes * 1e3 + seconds, degrees))


@dataclass(frozen=True)
class Raster:
    """Pixels over the globe."""

    cell: np.ndarray  # (y, x), land cell under each pixel's centre, -1 off the land and off the map
    corners: tuple[float, float, float, float]  # x and y of the outer north-west and south-east, degrees or metres
    sinusoidal: bool = False

    @property
    def land(self) -> np.ndarray:
        """Where there is land, (y, x)."""
        return self.cell >= 0

    def write(self, folder: Path, stem: str, end: str, layers: dict, grid_name: str, tiles=(1, 1)) -> list[Path]:
        """Write layers (y, x) whole, ``stem.end.hdf``, or in (down, across) tiles, ``stem.hHHvVV.end.hdf``."""
        (height, width), (west, north, east, south) = self.cell.shape, self.corners
        rows, cols = (np.linspace(0, n, k + 1).astype(int) for n, k in zip((height, width), tiles, strict=True))
        paths = []
        for v in range(tiles[0]):
            for h in range(tiles[1]):
                box = (slice(rows[v], rows[v + 1]), slice(cols[h], cols[h + 1]))
                x = west + (east - west) * cols[h : h + 2] / width
                y = north + (south - north) * rows[v : v + 2] / height
                path = folder / f"{stem}.{f'h{h:02d}v{v:02d}.' if self.sinusoidal else ''}{end}.hdf"
                part = {name: (values[box], attributes) for name, (values, attributes) in layers.items()}
                corners = (x[0], y[0], x[1], y[1]) if self.sinusoidal else self.corners
                write_hdf4(path, part, grid_name=grid_name, corners=corners, sinusoidal=self.sinusoidal)
                paths.append(path)
        return paths


def regular(planet: Planet, finer: int = 1, south: float = -90, north: float = 90) -> Raster:
    """Return latitude/longitude pixels ``finer`` times smaller than the planet's cells, between two latitudes."""
    kept = (planet.grid.lat > south) & (planet.grid.lat < north)
    half, lat = planet.grid.resolution / 2, planet.grid.lat[kept]
    cell = planet.index()[kept].repeat(finer, axis=0).repeat(finer, axis=1)
    return Raster(cell, (-180.0, lat[0] + half, 180.0, lat[-1] - half))


def sinusoidal(planet: Planet, finer: float = 2.5) -> Raster:
    """Return pixels of the MODIS sinusoidal grid, ``finer`` times smaller than the planet's cells.

    A factor such as 2.5 keeps cell centres off the edges of pixels, where the nearest one would be a toss-up.
    """
    rows, edge = round(planet.grid.shape[0] * finer), np.pi * RADIUS
    size = edge / rows
    phi = (edge / 2 - size * (np.arange(rows) + 0.5)) / RADIUS
    x = -edge + size * (np.arange(2 * rows) + 0.5)
    lam = x[None, :] / (RADIUS * np.cos(phi))[:, None]
    on_map = np.abs(lam) < np.pi
    height, width = planet.grid.shape
    down = np.floor((np.pi / 2 - phi) / np.pi * height).astype(int).clip(0, height - 1)
    right = np.floor((np.where(on_map, lam, 0) + np.pi) / (2 * np.pi) * width).astype(int).clip(0, width - 1)
    cell = np.where(on_map, planet.index()[down[:, None], right], -1)
    return Raster(cell, (-edge, edge / 2, edge, -edge / 2), sinusoidal=True)


class Observer:
    """Sees fields through a raster with an error of standard deviation ``size`` (of the logarithm if ``relative``).

    ``name`` and ``seed`` seed the errors.
    """

    def __init__(self, raster: Raster, size: float, name: str, seed: int, *, relative: bool) -> None:
        self.raster, self.size, self.name, self.seed, self.relative = raster, size, name, seed, relative
        self.under = raster.cell[raster.land]
        self.lasting = self._draw("lasting") if size else 0.0

    def _draw(self, what: str) -> np.ndarray:
        rng = stream(self.seed, f"{self.name} {what}")
        return np.sqrt(0.5) * self.size * rng.standard_normal(self.under.size, dtype="float32")

    def error(self, file: str) -> np.ndarray | float:
        """Return the error of that file, (pixel,)."""
        return self.lasting + self._draw(file) if self.size else 0.0

    def see(self, field: np.ndarray, file: str) -> np.ndarray:
        """Return the (cell,) field on the raster's land pixels, (pixel,), with the error of that file."""
        values = field[self.under]
        if not self.size:
            return values
        return values * np.exp(self.error(file)) if self.relative else values + self.error(file)

    def pack(self, values: np.ndarray, *, scale: float, fill: int, dtype: str, limits: tuple[int, int]) -> np.ndarray:
        """Return stored numbers (y, x): values over ``scale``, rounded, held within ``limits``; ``fill`` elsewhere."""
        out = np.full(self.raster.cell.shape, fill, dtype=dtype)
        out[self.raster.land] = np.clip(np.rint(values / scale), *limits).astype(dtype)
        return out


GLASS = {
    # product: field, name of the layer, long name and units; scale, fill, type and limits; begin of the file's name;
    # days between two dates, and whether in sinusoidal tiles, with an error that is added, or else multiplied
    "glass_par": (
        ("par", "PAR", "Photosynthetically active radiation", "W/m^2"), (0.01, -1, "int16", (0, 32767)),
        "GLASS04B01.V42", 1, False,
    ),
    "glass_lai": (
        ("lai", "LAI", "Leaf area index", "m^2/m^2"), (0.1, 255, "uint8", (0, 100)), "GLASS01B01.V50", 8, False,
    ),
    "glass_fapar": (
        ("fapar", "FAPAR", "Fraction of absorbed PAR", "1"), (0.004, 255, "uint8", (0, 250)), "GLASS09E01.V50", 8, True,
    ),
}  # fmt: skip

NPP_FILLS = {None: 32767, 0: 32766, 16: 32765, 15: 32764, 11: 32763, 13: 32762}
GPP_FILLS = {code: fill + 32768 for code, fill in NPP_FILLS.items()}
"""What MOD17A3HGF stores in place of production: nothing, water, barren land, ice, wetland, towns (User's Guide, 2019;
those of GPP from memory)."""

SHARED = 0.9
"""Share of the variance of the errors of MOD17A3HGF's NPP that is GPP's too, a round number: both come from the same
light, leaves and weather; only the plants' respiration is NPP's alone."""

MADE = "2021001000000"
"""A fixed production time, so that a seed gives the same file names."""


def _month(planet: Planet, name: str, year: int, month: int) -> np.ndarray:
    return planet.monthly[name][12 * (year - planet.time.year[0]) + month]


def _periods(year: int, dates: int, step: int):
    """Cut a year into ``dates`` periods that begin on multiples of ``step`` days.

    Yields each period's first day of the year, which names its file, and the month (0 to 11) of its middle, whose
    mean it holds. With all 365 or 46 dates these are the product's own days.
    """
    starts = 1 + step * np.rint(np.arange(dates) * -(-365 // step) / dates).astype(int)
    for first, following in zip(starts, [*starts[1:], 366], strict=True):
        middle = date(year, 1, 1) + timedelta(days=int(first + following - 1) // 2 - 1)
        yield int(first), middle.month - 1


def glass(folder: Path, planet: Planet, size: float, dates: int, product: str) -> list[Path]:
    """Write daily PAR or 8-day LAI on a latitude/longitude grid, or 8-day FAPAR in sinusoidal tiles; see `GLASS`."""
    (name, layer, long_name, units), (scale, fill, dtype, limits), begin, step, tiled = GLASS[product]
    observer = Observer((sinusoidal if tiled else regular)(planet), size, product, planet.seed, relative=not tiled)
    about = {
        "long_name": long_name,
        "units": units,
        "scale_factor": scale,
        "_FillValue": fill,
        "valid_range": [*limits],
    }
    paths = []
    for year in planet.product_years:
        for day, month in _periods(year, dates, step):
            stem = f"{begin}.A{year}{day:03d}"
            values = observer.see(_month(planet, name, year, month), stem if tiled else f"{stem}.2021001.hdf")
            stored = observer.pack(values, scale=scale, fill=fill, dtype=dtype, limits=limits)
            how = ("2021001", {layer: (stored, about)}, begin[:10], (1, 2) if tiled else (1, 1))
            paths += observer.raster.write(folder, stem, *how)
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
            paths += observer.raster.write(folder, stem, f"006.{MADE}", layers, "MOD_Grid_monthly_1km_VI", (1, 2))
    return paths


def mod17a3hgf(folder: Path, planet: Planet, size: float) -> list[Path]:
    r"""Write MOD17A3HGF .061: yearly NPP and GPP in sinusoidal tiles, times 0.0001 kg C m-2, classes as fills.

    NPP is int16 with class fills above 32760, GPP is uint16 with those above 65528. The two come from one algorithm and
    share `SHARED` of the variance of their errors: :math:`e_{GPP} = \sqrt{0.9}\,e_{NPP} + \sqrt{0.1}\,e'`. Where cells
    have an efficiency of their own the algorithm doesn't know it: it has a table by biome, for light use and for CUE.
    The years' changes it does see, and with ``size`` 0 all. Real 6.1 begins in 2001; here all years are written.
    """
    observer = Observer(sinusoidal(planet), size, "mod17a3hgf", planet.seed, relative=True)
    raster, other = observer.raster, Observer(observer.raster, size, "mod17a3hgf gpp", planet.seed, relative=True)
    layers = {
        "Npp_500m": ("Net Primary Productivity", "int16", NPP_FILLS, [-30000, 32700]),
        "Gpp_500m": ("Gross Primary Productivity", "uint16", GPP_FILLS, [0, 65500]),
    }
    quality = {"long_name": "Quality control bits for NPP", "units": "percent", "_FillValue": 255}
    quality |= {"valid_range": [0, 100]}
    gpp, npp = planet.annual("gpp", total=True), planet.annual("npp", total=True)
    if planet.own is not None and size:
        gpp = gpp / planet.own.efficiency
        npp = gpp * carbon.use_efficiency(yearly(planet.monthly["tmp"])[-len(gpp) :])
    height, width = raster.cell.shape
    phi = np.pi * (0.5 - (np.arange(height) + 0.5) / height)
    on_globe = np.abs((np.arange(width) + 0.5) / width * 2 - 1)[None, :] < np.cos(phi)[:, None]
    igbp, sea = planet.ground["igbp"][observer.under], on_globe & ~raster.land
    paths = []
    for year, *fields in zip(planet.product_years, npp, gpp, strict=True):
        stem, seen = f"MOD17A3HGF.A{year}001", {}
        error = observer.error(stem)
        errors = (error, np.sqrt(SHARED) * error + np.sqrt(1 - SHARED) * other.error(stem))
        for (name, (long_name, dtype, fills, limits)), field, wrong in zip(layers.items(), fields, errors, strict=True):
            values = field[observer.under]
            values = values * np.exp(wrong) if size else values
            stored = observer.pack(values, scale=1e-4, fill=fills[None], dtype=dtype, limits=limits)
            table = np.array([fills.get(code, 0) for code in range(17)], dtype=dtype)
            # Off the map (beyond the date line) stays the fill; the sea, on it, is water.
            stored[raster.land] = np.where(table[igbp], table[igbp], stored[raster.land])
            stored[sea] = fills[0]
            about = {"long_name": long_name, "units": "kg_C/m^2", "scale_factor": 0.0001, "add_offset": 0.0}
            seen[name] = stored, about | {"_FillValue": fills[None], "valid_range": limits}
        seen["Npp_QC_500m"] = np.where(seen["Npp_500m"][0] > 32700, 255, 0).astype("uint8"), quality
        paths += raster.write(folder, stem, f"061.{MADE}", seen, "MOD_Grid_MOD17A3H", (2, 2))
    return paths


def mcd12c1(folder: Path, planet: Planet, wrong: float) -> list[Path]:
    """Write MCD12C1 .006 of the last year: the commonest IGBP class, uint8, water 0.

    A share ``wrong`` of land cells takes the class of a random other cell within two rows and columns.
    """
    raster, rng = regular(planet), stream(planet.seed, "mcd12c1")
    truth = np.where(raster.land, planet.ground["igbp"][raster.cell], 0).astype("uint8")
    y, x = np.nonzero(raster.land & (rng.random(truth.shape) < wrong))
    height, width = truth.shape
    seen = truth.copy()
    other = truth[np.clip(y + rng.integers(-2, 3, y.size), 0, height - 1), (x + rng.integers(-2, 3, x.size)) % width]
    seen[y, x] = np.where(other > 0, other, seen[y, x])
    about = {"long_name": "Majority_Land_Cover_Type_1", "units": "class number", "_FillValue": 255}
    layers = {"Majority_Land_Cover_Type_1": (seen, about | {"valid_range": [0, 16]})}
    return raster.write(folder, f"MCD12C1.A{planet.years[1]}001", f"006.{MADE}", layers, "MOD12C1")


def soilgrids2017(folder: Path, planet: Planet, size: float) -> list[Path]:
    r"""Write SoilGrids250m (2017): organic carbon at 0, 5, 15 and 30 cm, GeoTIFF int16 g kg-1, nodata -32768.

    The soil pool :math:`C_s` of the first year falls off with depth over 0.3 m in soil of 1300 kg m-3:
    :math:`1000\,C_s\,e^{-z/0.3} / (0.3 \cdot 1300)` g kg-1. Pixels are three to a cell's edge, from 60°S to 84°N.
    """
    raster = regular(planet, finer=3, south=-60, north=84)
    observer = Observer(raster, size, "soilgrids2017", planet.seed, relative=True)
    soil = planet.pools[2][planet.all_years == planet.years[0]][0]
    (height, width), (west, north, east, south) = raster.cell.shape, raster.corners
    place = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": height, "width": width, "nodata": -32768}
    profile |= {"crs": "EPSG:4326", "transform": place, "compress": "deflate"}
    paths = []
    for layer, depth in enumerate((0.0, 0.05, 0.15, 0.30), start=1):
        path = folder / f"ORCDRC_M_sl{layer}_250m.tif"
        content = 1000 * soil * np.exp(-depth / 0.3) / (0.3 * 1300)
        stored = observer.pack(observer.see(content, path.name), scale=1, fill=-32768, dtype="int16", limits=(0, 1000))
        with rasterio.open(path, "w", **profile) as file:
            file.write(stored, 1)
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Stand:
    """A stand-in for a process model: what is wrong with it, and how its files look."""

    product: str  # mstmip or trendy
    deficit: str  # what is wrong, for the page
    variables: tuple[str, ...]  # the whole, or autotrophic and heterotrophic respiration
    coarser: int = 2  # its cells' edge in cells of the planet
    monthly: bool = True  # a value a month, else a value a year
    calendar: str = "standard"
    east: bool = False  # longitudes from 0 to 360 rather than from -180 to 180


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
"""Six stand-ins by name: the Demo Earth's own carbon cycle without its memory, each with a deficit.

Each also sees the planet through a bias of its own, a smooth factor that reaches over 1500 km: forcing, land cover and
parameters that differ from the truth. All have the tables of biomes and know nothing of what a cell has of its own, its
events among it: no real model does.
"""

LAST_MSTMIP = 2010


def respiration(planet: Planet, name: str, bias: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a stand-in's autotrophic and heterotrophic respiration: two of (time, cell), kg m-2 month-1."""
    m = planet.monthly
    npp = net(m["potential"], m["tmp"])
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
    rh = npp
    if name != "DEMO-BALANCED":
        life, rate = carbon.traits(planet.ground["igbp"])[3], (warm * wet * now).astype("float32")
        rh, _ = carbon.drain(npp, rate, life, PAST, slower_litter=slower)
    own = np.exp(bias * smooth(planet.lat, planet.lon, 1500, stream(planet.seed, name)))
    return ra * own, rh * own


def _mean_year(values: np.ndarray) -> np.ndarray:
    mean = values.reshape(-1, 12, values.shape[1]).mean(axis=0)
    return np.tile(mean, (len(values) // 12, 1))


def process_model(folder: Path, planet: Planet, name: str, bias: float) -> list[Path]:
    """Write one stand-in's files into ``folder``/``name``: a file a variable, kg m-2 s-1.

    ``bias`` is the standard deviation of the logarithm of its own factor. Seconds are those of the months in the file's
    own calendar, so that a year's sum is kept.
    """
    stand, trendy = STANDS[name], STANDS[name].product == "trendy"
    ra, rh = respiration(planet, name, bias)
    first, last = planet.years[0], planet.years[1] if trendy else min(planet.years[1], LAST_MSTMIP)
    wanted = (planet.time.year >= first) & (planet.time.year <= max(first, last))
    grid, units = Grid(planet.grid.resolution * stand.coarser), "days since 1700-01-01 00:00:00"
    times = [cftime.datetime(t.year, t.month, 15, calendar=stand.calendar) for t in planet.time[wanted]]
    days = np.array([t.daysinmonth for t in times])
    lat, lon, half = grid.lat, grid.lon, grid.lon.size // 2
    fill, title = np.float32(1e20 if trendy else -99999.0), {"title": "a stand-in of the Demo Earth"}
    (folder / name).mkdir()
    paths = []
    for variable, flux in zip(stand.variables, (ra, rh) if len(stand.variables) > 1 else (ra + rh,), strict=True):
        rate, when = planet.aggregate(flux[wanted] / (86400.0 * days)[:, None], grid), times
        if not stand.monthly:
            weight = (days.reshape(-1, 12) / days.reshape(-1, 12).sum(axis=1, keepdims=True))[:, :, None, None]
            rate, when = (rate.reshape(-1, 12, *grid.shape) * weight).sum(axis=1), times[6::12]
        if stand.east:
            lon, rate = np.concatenate([grid.lon[half:], grid.lon[:half] + 360]), np.roll(rate, -half, axis=2)
        if trendy:
            lat, rate = grid.lat[::-1], rate[:, ::-1]
        south, east = ("latitude", "longitude") if trendy else ("lat", "lon")
        axes = {south: (lat, {"units": "degrees_north"}), east: (lon, {"units": "degrees_east"})}
        numbers = cftime.date2num(when, units, calendar=stand.calendar)
        axes["time"] = numbers, {"units": units, "calendar": stand.calendar}
        step = "S3" if trendy else f"SG3_{'Monthly' if stand.monthly else 'Annual'}"
        path = folder / name / f"{name}_{step}_{variable}.{'nc' if trendy else 'nc4'}"
        about = {"units": "kg m-2 s-1", "long_name": f"{variable}, as carbon"}
        rate = np.where(np.isnan(rate), fill, rate)
        paths.append(_netcdf(path, title | {"comment": stand.deficit}, axes, "f8", variable, rate, fill, about))
    return paths
