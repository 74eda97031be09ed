"""Files that are small and ask for gigabytes; run as a program: which one, and the folder to write it to.

It prints what became of reading it, and the most memory that took (MiB), of a process of its own: the file is made by
the process above it.
"""

import gzip
import json
import os
import resource
import sys
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import rasterio
from eos_files import grid_text, npp_tile, struct, tile_corners
from pyhdf.SD import SD, SDC
from rasterio import Affine

from helpers import products
from helpers.products import readers
from helpers.space.grid import Grid

MIB = 2**20
TOWER = "FLX_AA-One_FLUXNET2015_FULLSET_{}2001-2006_1-4.{}"
YEARS = b"TIMESTAMP,RECO_NT_VUT_REF,RECO_DT_VUT_REF,NEE_VUT_REF_QC\n2001,500,500,1\n2002,510,510,1\n"
COLUMNS = {name: name for name in ("site", "year", "lat", "lon", "reco")}


def repeated(path: Path, head: bytes, piece: bytes, times: int, opened=Path.open) -> Path:
    with opened(path, "wb") as stream:
        stream.write(head)
        for _ in range(times):
            stream.write(piece)
    return path


def tower_zip(folder):
    """A zip of 0.4 MiB whose yearly member has 400."""
    path, member = folder / TOWER.format("", "zip"), TOWER.format("YY_", "csv")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(member, "w") as stream:
        for _ in range(400):
            stream.write(b"0" * MIB)
    return lambda: products.read("fluxnet2015", path)


def zip_index(folder):
    """A zip with 30,000 members."""
    path = folder / TOWER.format("", "zip")
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(30_000):
            archive.writestr(zipfile.ZipInfo(f"{k}.csv"), b"")
    return lambda: products.read("fluxnet2015", path)


def tower_csv(folder):
    path = repeated(folder / TOWER.format("YY_", "csv"), YEARS, b"2003,520,520,1\n" * 70_000, 400)
    return lambda: products.read("fluxnet2015", path)


def metadata(folder):
    """Metadata of a tower, of 400 MiB: the tower is read all the same, and the file told."""
    (folder / TOWER.format("YY_", "csv")).write_bytes(YEARS)
    repeated(folder / "FLX_AA-One_BIF.csv", b"SITE_ID,GROUP_ID,VARIABLE,DATAVALUE\n", b"a,b,c,d\n" * 2**17, 400)
    return lambda: products.read("fluxnet2015", folder / TOWER.format("YY_", "csv"))


def table(folder):
    path = repeated(folder / "t.csv.gz", b"site,year,lat,lon,reco\n", b"a,2001,1,1,5\n" * 80_000, 400, gzip.open)
    return lambda: products.read("site_table", path, columns=COLUMNS)


def cells(folder):
    """Fewer bytes than a table may have, in many small cells."""
    path = repeated(folder / "t.csv", b"site,year,lat,lon,reco\n", b"a,b\n" * 2**18, 60)
    return lambda: products.read("site_table", path, columns=COLUMNS)


def _netcdf(folder, sizes, chunks, coordinates=True):
    path = folder / "cru_ts4.05.1901.2020.tmp.dat.nc"
    values = np.arange(12) * 30.4 + 15, np.linspace(-89.9, 89.9, sizes[1]), np.linspace(-179.9, 179.9, sizes[2])
    with netCDF4.Dataset(path, "w") as file:
        for name, size, numbers in zip(("time", "lat", "lon"), sizes, values, strict=True):
            file.createDimension(name, size)
            if coordinates:
                file.createVariable(name, "f8", (name,))[:] = numbers
        if coordinates:
            file["time"].units = "days since 2000-01-01"
        file.createVariable("tmp", "f4", ("time", "lat", "lon"), zlib=True, chunksizes=chunks).units = "degC"
    return lambda: products.read("cru_tmp", path, years=[2000])


def axes(folder):
    read = _netcdf(folder, (12, 4, 4), (1, 4, 4))
    with netCDF4.Dataset(folder / "cru_ts4.05.1901.2020.tmp.dat.nc", "a") as file:
        file.createDimension("station", 10**12)
        file.createVariable("station", "f8", ("station",), zlib=True, chunksizes=(1000,))
    return read


def chunk(folder):
    return _netcdf(folder, (12, 9000, 18000), (1, 9000, 18000))


def fields(folder):
    return _netcdf(folder, (12, 50_000, 100_000), (1, 100, 100))


def _tif(folder, size, **how):
    path = folder / "any.tif"
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": size, "width": size, "compress": "deflate"}
    place = Affine(180 / size, 0, -90, 0, -180 / size, 90)
    with rasterio.open(path, "w", crs="EPSG:4326", transform=place, sparse_ok=True, bigtiff="yes", **profile, **how):
        pass
    return path


def raster(folder):
    path = _tif(folder, 10**6, tiled=True, blockxsize=4096, blockysize=4096)
    return lambda: products.read("tile", path, grid=Grid(10))


def raster_whole(folder):
    """Fewer pixels, but more than can be read whole, on no other grid."""
    path = _tif(folder, 10**5, tiled=True, blockxsize=4096, blockysize=4096)
    return lambda: products.read("tile", path)


def strip(folder):
    path = _tif(folder, 20_000, blockysize=20_000)
    return lambda: products.read("tile", path, grid=Grid(10))


def hdf4(folder):
    """A field of 7 GiB that nobody has written."""
    path, size = npp_tile(folder, 2001, np.zeros((4, 4))), (60_000, 60_000)
    text = grid_text(1, "MOD_Grid_MOD17A3H", size, ["Npp_500m"], tile_corners(18, 8))
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    file.create("Npp_500m", SDC.INT16, size).endaccess()
    file.attr("StructMetadata.0").set(SDC.CHAR, struct(text))
    file.end()
    return lambda: products.read("mod17a3hgf", path, years=[2001], dates_per_year=1, grid=Grid(10))


def outlines(folder):
    head = b'{"type":"FeatureCollection","features":['
    path = repeated(folder / "countries-50m.geojson", head, b"[]," * 2**18, 60)
    return lambda: products.read("natural_earth", path, grid=Grid(10))


def nested(folder):
    path = repeated(folder / "countries-50m.geojson", b"", b"[" * MIB, 4)
    return lambda: products.read("natural_earth", path, grid=Grid(10))


BOMBS = (tower_zip, zip_index, tower_csv, metadata, table, cells, axes, chunk, fields)
BOMBS += (raster, raster_whole, strip, hdf4, outlines, nested)

if __name__ == "__main__":
    named = {each.__name__: each for each in BOMBS}
    for name in sys.argv[2:]:
        folder = Path(sys.argv[1]) / name
        folder.mkdir()
        read = named[name](folder)
        if os.fork():
            os.wait()
            continue
        try:
            found = dict(read().load().sizes)
        except Exception as error:  # noqa: BLE001 (whatever it is, the test judges it)
            found = f"{type(error).__name__}: {error}"
        for reader in readers._pool.free:
            reader.end()
        used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        most = max(used) / 1024
        print(json.dumps([name, found, round(most)]), flush=True)
        os._exit(0)
