"""Made product files of the real products' full size, for measuring what reading them takes.

Fields of degrees and of tiles are smooth functions of place and year, with noise of a few stored numbers from pixel to
pixel as measured ones have, so that they compress as these do; grids of degrees have fills off the land. Grids of
degrees cover the globe; sinusoidal tiles cover one region of 20 by 20 degrees (four tiles) and, so that no band of
latitudes is empty, one tile in the tropics and one in the south; the 250 m soil maps have values there, and the towers
stand in the region. Every file has the name, the layout, the scale and the fills that its product's entry in
``data/products.yml`` states.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import rasterio
from rasterio.windows import Window

from helpers.demo.files import write_hdf4
from helpers.space import regions
from helpers.space.grid import RADIUS, Grid

TILES = (*((h, v) for v in (3, 4) for h in (18, 19)), (19, 8), (19, 12))
"""Columns and rows of the tiles: 40 to 60° N, from Greenwich to some 30° E; the Congo; the Cape."""

SIDE = np.deg2rad(10) * RADIUS
"""Edge of a tile (m)."""

MADE = "2021001000000"
DATES = 8
"""Dates a year of daily and 8-day products. All hold the same numbers: what they take to read is the same."""
NOISE = 3
"""Standard deviation of what differs from pixel to pixel (stored numbers)."""

BLOCK = (2001, 2010)
"""Years of a file of climate: CRU TS comes in such blocks too."""

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


PRODUCTS = ("cru_tmp", "cru_pre", "cru_pet", "spei", "mstmip", "glass_par", "glass_lai", "glass_fapar", "mod13a3")
PRODUCTS += ("mod17a3hgf", "mcd12c1", "soilgrids2017", "fluxnet2015", "fluxnet")


def write(folder: Path, years: Iterable[int], only: Collection[str] = PRODUCTS, dates: int = DATES) -> dict[str, int]:
    """Write products, a sub-folder each.

    Parameters
    ----------
    folder : Path
        An empty folder.
    years : iterable of int
        Within `BLOCK`.
    only : collection of str
        Among `PRODUCTS`.
    dates : int
        How many of a year are written of daily and 8-day products; of monthly ones it is all twelve.

    Returns
    -------
    dict of str to int
        Bytes on disk, by product.
    """
    years = list(years)
    _climate(folder, only)
    degrees = Grid(0.05)
    land = regions.land(degrees.lat, degrees.lon)
    whole = {"corners": (-180.0, 90.0, 180.0, -90.0), "sinusoidal": False}
    for year in years:
        warm = 1 + 0.02 * (year - BLOCK[0])
        if "glass_par" in only:
            par = _degrees(lambda lat, lon: 120 * np.cos(np.deg2rad(lat)) + 5 * np.sin(np.deg2rad(lon)), 0.01, "int16")
            first = _in(folder, "glass_par") / f"GLASS04B01.V42.A{year}001.2021001.hdf"
            write_hdf4(first, {"PAR": (par, {"_FillValue": -1})}, grid_name="GLASS", **whole)
            _more_dates(first, 1, dates)
        if "glass_lai" in only:
            lai = _degrees(lambda lat, lon, warm=warm: warm * 3 * np.cos(np.deg2rad(lat)) ** 2, 0.1, "uint8")
            first = _in(folder, "glass_lai") / f"GLASS01B01.V50.A{year}001.2021001.hdf"
            lai = np.where(land, lai, 255).astype("uint8")
            write_hdf4(first, {"LAI": (lai, {"_FillValue": 255})}, grid_name="GLASS", **whole)
            _more_dates(first, 8, dates)
        _tiles(folder, year, warm, only, dates)
    if "mcd12c1" in only:
        cover = np.broadcast_to((np.arange(7200) // 40 % 17).astype("uint8"), (3600, 7200))
        path = _in(folder, "mcd12c1") / f"MCD12C1.A{years[-1]}001.006.{MADE}.hdf"
        write_hdf4(path, {"Majority_Land_Cover_Type_1": (cover, {"_FillValue": 255})}, grid_name="MOD12C1", **whole)
    if "soilgrids2017" in only:
        _soil(_in(folder, "soilgrids2017"))
    _towers(folder, years, only)
    return {p.name: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in sorted(folder.iterdir())}


def _in(folder: Path, product: str) -> Path:
    (folder / product).mkdir(parents=True, exist_ok=True)
    return folder / product


def _degrees(field: Field, scale: float, dtype: str) -> np.ndarray:
    """Return stored numbers of a field on the 0.05 degree grid."""
    lat, lon = 90 - 0.05 * (np.arange(3600) + 0.5), -180 + 0.05 * (np.arange(7200) + 0.5)
    return np.rint(field(lat[:, None], lon[None, :]) / scale + _noise((3600, 7200))).clip(0).astype(dtype)


def _noise(shape: tuple[int, int]) -> np.ndarray:
    """Return what differs from pixel to pixel, in stored numbers; the same in every file."""
    return NOISE * np.random.default_rng(3).standard_normal(shape, dtype="float32")


def _more_dates(first: Path, step: int, dates: int) -> None:
    """Write the further dates of a year, so many days apart."""
    for day in range(1 + step, 1 + step * dates, step):
        shutil.copyfile(first, first.with_name(first.name.replace("001.", f"{day:03d}.", 1)))


def _tile(h: int, v: int, size: int, field: Field, scale: float, dtype: str) -> np.ndarray:
    """Return stored numbers of a field on the pixels of one tile."""
    step = (np.arange(size) + 0.5) / size
    lat = np.rad2deg((9 - v - step) * SIDE / RADIUS)[:, None]
    lon = np.rad2deg((h - 18 + step) * SIDE / RADIUS)[None, :] / np.cos(np.deg2rad(lat))
    return np.rint(field(lat, lon) / scale + _noise((size, size))).astype(dtype)


def _tiles(folder: Path, year: int, warm: float, only: Collection[str], dates: int) -> None:
    """Write dates of FAPAR, twelve months of NDVI and a year of NPP."""

    def bump(lat, lon):
        return np.exp(-(((np.abs(lat) - 50) / 30) ** 2) - ((lon - 15) / 15) ** 2)

    for h, v in TILES:
        west, north = (h - 18) * SIDE, (9 - v) * SIDE
        corners = {"corners": (west, north, west + SIDE, north - SIDE), "sinusoidal": True}
        if "glass_fapar" in only:
            fapar = _tile(h, v, 2400, lambda lat, lon: 0.2 + 0.6 * bump(lat, lon), 0.004, "uint8")
            path = _in(folder, "glass_fapar") / f"GLASS09E01.V50.A{year}001.h{h}v{v:02d}.2021001.hdf"
            write_hdf4(path, {"FAPAR": (fapar, {"_FillValue": 255})}, grid_name="GLASS09E01", **corners)
            _more_dates(path, 8, dates)
        if "mod13a3" in only:
            ndvi = _tile(h, v, 1200, lambda lat, lon: 0.1 + 0.7 * bump(lat, lon), 1e-4, "int16")
            rank = np.zeros_like(ndvi, dtype="int8")
            layers = {"1 km monthly NDVI": (ndvi, {"_FillValue": -3000, "scale_factor": 10000.0})}
            layers |= {"1 km monthly pixel reliability": (rank, {"_FillValue": -1})}
            for day in pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="MS").day_of_year.tolist():
                path = _in(folder, "mod13a3") / f"MOD13A3.A{year}{day:03d}.h{h}v{v:02d}.006.{MADE}.hdf"
                write_hdf4(path, layers, grid_name="MOD_Grid_monthly_1km_VI", **corners)
        if "mod17a3hgf" in only:
            npp = _tile(h, v, 2400, lambda lat, lon: warm * (0.2 + 0.8 * bump(lat, lon)), 1e-4, "int16")
            npp[:50, :50] = 32761  # some of it is no vegetation
            path = _in(folder, "mod17a3hgf") / f"MOD17A3HGF.A{year}001.h{h}v{v:02d}.006.{MADE}.hdf"
            layers = {"Npp_500m": (npp, {"_FillValue": 32767, "scale_factor": 0.0001})}
            write_hdf4(path, layers, grid_name="MOD_Grid_MOD17A3H", **corners)


def _climate(folder: Path, only: Collection[str]) -> None:
    """Write climate and SPEI for `BLOCK` and a process model for its first years, on the 0.5 degree grid."""
    first, last = BLOCK
    time = pd.date_range(f"{first}-01-01", f"{last}-12-31", freq="MS")
    lat, lon = -90 + 0.5 * (np.arange(360) + 0.5), -180 + 0.5 * (np.arange(720) + 0.5)
    season = np.cos(2 * np.pi * (time.month.to_numpy() - 7) / 12)[:, None, None] * np.sign(lat)[None, :, None]
    noise = np.random.default_rng(1).standard_normal((time.size, 36, 72), dtype="float32").repeat(10, 1).repeat(10, 2)
    shape, mild = (time.size, 360, 720), np.cos(np.deg2rad(lat))[None, :, None]
    fields = {
        "cru_tmp": ("tmp", 30 * mild - 5 + 8 * season + noise),
        "cru_pre": ("pre", (40 + 60 * mild) * np.exp(0.3 * noise)),
        "cru_pet": ("pet", 1 + 3 * mild + np.zeros(shape)),
    }
    stated = {"tmp": "degrees Celsius", "pre": "mm/month", "pet": "mm/day"}
    for product in fields.keys() & set(only):
        name, values = fields[product]
        path = _in(folder, product) / f"cru_ts4.05.{first}.{last}.{name}.dat.nc"
        _netcdf(path, name, values, time, lat, lon, stated[name], 9.96921e36)
    for scale in (12, 24, 36) if "spei" in only else ():
        path = _in(folder, "spei") / f"spei{scale}.nc"
        _netcdf(path, "spei", noise / np.sqrt(scale / 12), time, lat, lon, "z-values", 1e30, version="2.7")
    if "mstmip" in only:
        rate = (0.3 + 0.7 * mild) * (1 + 0.3 * season) / 3.15e7 + np.zeros(shape)
        path = _in(folder, "mstmip") / "CLM4" / "CLM4_SG3_Monthly_TotalResp.nc4"
        path.parent.mkdir(exist_ok=True)
        _netcdf(path, "TotalResp", rate, time, lat, lon, "kg C m-2 s-1", -9999.0)


def _netcdf(path, name, values, time, lat, lon, units, fill, **attributes) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({"title": "made for measuring"} | attributes)
        days = (time - pd.Timestamp("1900-01-01")).days.to_numpy()
        for axis, (centres, unit) in {
            "time": (days, "days since 1900-1-1"),
            "lat": (lat, "degrees_north"),
            "lon": (lon, "degrees_east"),
        }.items():
            file.createDimension(axis, len(centres))
            file.createVariable(axis, "f8", (axis,)).units = unit
            file[axis][:] = centres
        variable = file.createVariable(name, "f4", ("time", "lat", "lon"), fill_value=fill)
        variable.units = units
        variable[:] = values.astype("float32")


def _soil(folder: Path) -> None:
    """Write four global 250 m maps with values over the tiles; the rest of the file is a hole."""
    size, north = 1 / 480, 84
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "nodata": -32768, "crs": "EPSG:4326"}
    profile |= {"height": 144 * 480, "width": 360 * 480, "tiled": True, "blockxsize": 512, "blockysize": 512}
    profile |= {"compress": "deflate", "zlevel": 1, "sparse_ok": True, "bigtiff": "yes"}
    profile["transform"] = rasterio.Affine(size, 0, -180, 0, -size, north)
    rows, column, width = range((north - 60) * 480, (north + 40) * 480, 480), 180 * 480, 32 * 480
    for layer in range(1, 5):
        with rasterio.open(folder / f"ORCDRC_M_sl{layer}_250m_ll.tif", "w", **profile) as file:
            for row in rows:  # a degree of latitude at a time
                values = np.full((480, width), 200 // layer + row % 97, dtype="int16")
                file.write(values, 1, window=Window(column, row, width, 480))


def _towers(folder: Path, years: list[int], only: Collection[str]) -> None:
    """Write 30 towers to train on, six to validate with, and the tables of their places."""
    rng = np.random.default_rng(2)
    for product, number in (("fluxnet2015", 30), ("fluxnet", 6)):
        if product not in only:
            continue
        sites, into = [], _in(folder, product)
        for k in range(number):
            site = f"{'DE' if product == 'fluxnet2015' else 'FR'}-T{k:02d}"
            sites.append((site, round(rng.uniform(44, 56), 3), round(rng.uniform(3, 25), 3), "MF"))
            reco = rng.uniform(500, 1500) * rng.lognormal(0, 0.1, len(years))
            table = pd.DataFrame({"TIMESTAMP": years, "NEE_VUT_REF_QC": 0.9, "RECO_NT_VUT_REF": reco})
            table["RECO_DT_VUT_REF"] = reco
            span = f"{years[0]}-{years[-1]}"
            stem = f"FLX_{site}_FLUXNET2015_FULLSET_YY_{span}_1-4"
            if product == "fluxnet":
                stem = f"ICOS_{site}_FLUXNET_FLUXMET_YY_{span}_v1.3_r1"
            table.to_csv(into / f"{stem}.csv", index=False)
        places = pd.DataFrame(sites, columns=["site", "latitude", "longitude", "igbp"])
        places.to_csv(into / "sites.csv", index=False)
