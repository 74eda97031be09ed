"""Damage small files of every kind that the book reads, and see what becomes of reading them.

    python tests/fuzz.py 2000 --seed 1                          so many damaged files of each kind
    python tests/fuzz.py --seed 1 --kinds cru --only 345        one of them again, with all that is said about it

What may come of a damaged file is a Dataset whose values a variable can have, or one line that names the file. Anything
else is a fault: another exception, several lines, a reading that ends the process or doesn't come back. Files are read
in a process of its own, which is replaced when it ends or hangs. Of a seed and a number comes the same damage always.
"""

from __future__ import annotations

import argparse
import gzip
import json
import queue
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import netCDF4
import numpy as np
import rasterio
import tower_files
import xarray as xr
from eos_files import lai_globe, ndvi_tile, npp_tile
from netcdf_files import months, write
from rasterio import Affine

from helpers import products
from helpers.products import ProductError
from helpers.space.grid import Grid

LIMIT = 60
"""Seconds that reading one small file may take; it takes far less than one."""
FAULTS = ("fault", "crash", "hang")


@dataclass(frozen=True)
class Kind:
    """Files of one kind: ``make(folder)`` writes a valid one and returns its path, ``read(path)`` gives its Dataset."""

    make: Callable[[Path], Path]
    read: Callable[[Path], xr.Dataset]


def _fields(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(kind)).integers(0, 100, shape)


def _cru(stored: str, folder: Path, **how) -> Path:
    values = _fields(stored, (12, 6, 12)).astype("float32") / 4
    lat, lon = np.arange(-75.0, 90, 30), np.arange(-165.0, 180, 30)
    path = folder / f"cru_ts4.05.1901.2020.{stored}.dat.nc"
    return write(path, stored, values, months(2000, 2000), lat=lat, lon=lon, **how)


def _classic(folder: Path) -> Path:
    """Write netCDF-3, which old files and those of many models are."""
    path = _cru("pre", folder)
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(folder / "classic", "w", format="NETCDF3_CLASSIC") as new:
        for name, dimension in old.dimensions.items():
            new.createDimension(name, dimension.size)
        for name, variable in old.variables.items():
            about = variable.__dict__
            fill = about.pop("_FillValue", None)
            copy = new.createVariable(name, variable.dtype, variable.dimensions, fill_value=fill)
            copy.setncatts(about)
            copy[:] = variable[:]
    return (folder / "classic").replace(path)


def _deflated(folder: Path) -> Path:
    """Write compressed chunks with checksums, as today's files have them."""
    path = folder / "A_S3_TotalResp.nc"
    values = _fields("model", (12, 6, 12)) * 1e-10
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", 12), ("lat", 6), ("lon", 12)):
            file.createDimension(name, size)
        for name, numbers, units in (
            ("time", np.arange(12) * 30.4 + 15, "days since 2000-01-01"),
            ("lat", np.arange(-75.0, 90, 30), "degrees_north"),
            ("lon", np.arange(-165.0, 180, 30), "degrees_east"),
        ):
            file.createVariable(name, "f8", (name,))[:] = numbers
            file[name].units = units
        how = {"zlib": True, "fletcher32": True, "chunksizes": (1, 6, 12)}
        file.createVariable("TotalResp", "f4", ("time", "lat", "lon"), **how)[:] = values
        file["TotalResp"].units = "kg m-2 s-1"
    return path


def _raster(name: str, folder: Path, **how) -> Path:
    path, stored = folder / name, _fields(name, (18, 36)).astype("int16")
    place = Affine(10, 0, -180, 0, -10, 90)
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": 18, "width": 36, "nodata": -32768} | how
    with rasterio.open(path, "w", crs="EPSG:4326", transform=place, **profile) as file:
        file.write(stored, 1)
    return path


def _tower(folder: Path, packed: bool) -> Path:
    tower_files.sites(folder, ("AA-One", 50.25, 10.5, "ENF"))
    table = tower_files.steady(2001, 2006)
    if not packed:
        return tower_files.write(folder, table=table, years=(2001, 2006))
    stem, span = "FLX_AA-One_FLUXNET2015_FULLSET_{}", "2001-2006_1-4"
    held = {f"{stem.format('YY_')}{span}.csv": table} | tower_files.surroundings(stem, span)
    held["FLX_AA-One_FLUXNET2015_BIF.csv"] = tower_files.bif("AA-One", 50, 10)
    return tower_files.zipped(folder / f"{stem.format('')}{span}.zip", **held)


def _table(folder: Path, packed: bool = False) -> Path:
    rows = [f"S{k % 4},{2001 + k // 4},{10 + k % 4},{20 + k % 4},ENF,{500 + 7 * k},{k / 2}" for k in range(40)]
    content = "\n".join(["site,year,lat,lon,igbp,reco,mat", *rows, ""]).encode()
    path = folder / ("table.csv.gz" if packed else "table.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def _climate(folder: Path) -> Path:
    rows = [f"S{k},2001,{m},10,{m},{m + 9},{m * 5}" for k in range(3) for m in range(1, 13)]
    path = folder / "climate.csv"
    path.write_text("\n".join(["site,year,month,lat,tmin,tmax,precipitation", *rows, ""]))
    return path


def _outlines(folder: Path) -> Path:
    ring = [[-60, -30], [60, -30], [60, 40.5], [-60, 40.5], [-60, -30]]
    about = {"ADMIN": "Middleland", "ISO_N3": "276"}
    shape = {"type": "Feature", "properties": about, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = folder / "countries-50m.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [shape]}))
    return path


TABLE = {name: name for name in ("site", "year", "lat", "lon", "igbp", "reco", "mat")}
LAND = {"years": [2001], "dates_per_year": 1, "grid": Grid(10), "method": "average"}
KINDS = {
    "ndvi": Kind(
        lambda folder: ndvi_tile(folder, 2001, 1, _fields("ndvi", (30, 30)) * 50, packed=True),
        partial(products.read, "mod13a3", **LAND),
    ),
    "npp": Kind(
        lambda folder: npp_tile(folder, 2001, _fields("npp", (30, 30)) * 50),
        partial(products.read, "mod17a3hgf", **LAND),
    ),
    "lai": Kind(
        lambda folder: lai_globe(folder, 2001, 1, _fields("lai", (18, 36))),
        partial(products.read, "glass_lai", years=[2001], dates_per_year=1),
    ),
    "cru": Kind(partial(_cru, "tmp"), partial(products.read, "cru_tmp", years=[2000])),
    "classic": Kind(_classic, partial(products.read, "cru_pre", years=[2000])),
    "model": Kind(_deflated, partial(products.read, "trendy", years=[2000])),
    "soil": Kind(
        partial(_raster, "ORCDRC_M_sl1_10km_ll.tif"), partial(products.read, "soilgrids2017", layers=["soc_0"])
    ),
    "raster": Kind(partial(_raster, "any.tif", compress="deflate"), partial(products.read, "tile")),
    "tower": Kind(partial(_tower, packed=False), partial(products.read, "fluxnet2015", partitioning="night")),
    "zip": Kind(partial(_tower, packed=True), partial(products.read, "fluxnet2015", partitioning="night")),
    "table": Kind(_table, partial(products.read, "site_table", columns=TABLE, factors={"reco": 0.001})),
    "table.gz": Kind(
        partial(_table, packed=True), partial(products.read, "site_table", columns=TABLE, factors={"reco": 0.001})
    ),
    "climate": Kind(_climate, partial(products.read, "site_climate")),
    "outlines": Kind(_outlines, partial(products.read, "natural_earth", grid=Grid(10))),
}


# Damage, and what comes of it.


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return content in which a bit or byte is another, or bytes are cut off, taken out, put in or doubled."""
    at, way = int(rng.integers(len(content))), rng.choice(["bit", "byte", "digit", "cut", "out", "in", "twice"],
                                                           p=[0.35, 0.25, 0.15, 0.1, 0.05, 0.05, 0.05])  # fmt: skip
    some = int(rng.integers(1, 64))
    out = bytearray(content)
    if way == "bit":
        out[at] ^= 1 << int(rng.integers(8))
    elif way == "byte":
        out[at] = int(rng.integers(256))
    elif way == "digit":  # of a text, such as one that says where a tile lies
        digits = [k for k in range(len(out)) if 48 <= out[k] <= 57]
        out[digits[int(rng.integers(len(digits)))]] = 48 + int(rng.integers(10))
    elif way == "cut":
        del out[at:]
    elif way == "out":
        del out[at : at + some]
    elif way == "in":
        out[at:at] = rng.bytes(some)
    else:
        out[at:at] = out[at : at + some]
    return bytes(out)


def outcome(kind: Kind, path: Path, whole: xr.Dataset) -> tuple[str, str]:
    """Read a file, and return what came of it in a word, and what was said.

    ``same``: all as in the whole file; ``values``, ``places``: others, which the variable can have; ``told``: such, and
    a warning that names the file; ``refused``: one line that names the file; ``fault``: anything else.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            ds = kind.read(path).load()
        except ProductError as error:
            text = str(error)
            named = path.name in text and len(text.splitlines()) == 1
            return "refused" if named else "fault", text
        except Exception as error:  # noqa: BLE001 (which is what this looks for)
            return "fault", f"{type(error).__name__}: {error}"
    for name, values in ds.data_vars.items():
        low, high = products.limits(name)
        if values.dtype.kind == "f" and not ((values >= low) & (values <= high) | values.isnull()).all():
            return "fault", f"{name} from {values.min().item():g} to {values.max().item():g}"
    text = "; ".join(str(each.message) for each in said)
    if ds.equals(whole):
        return "same", text
    if path.name in text:
        return "told", text
    moved = set(ds.coords) != set(whole.coords) or any(not ds[k].equals(whole[k]) for k in ds.coords)
    return "places" if moved else "values", text


class Whole:
    """A valid file of one kind, and what it holds."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.kind = name, KINDS[name]
        (folder / name).mkdir()
        self.path = self.kind.make(folder / name)
        self.content, self.dataset = self.path.read_bytes(), self.kind.read(self.path).load()

    def damaged(self, seed: int, number: int) -> tuple[str, str]:
        """Damage the file by a seed and a number, read it, and return what came of it."""
        rng = np.random.default_rng([seed, number, *self.name.encode()])
        self.path.write_bytes(damaged(self.content, rng))
        return outcome(self.kind, self.path, self.dataset)


# The process that reads, and the one that waits for it.


def serve() -> None:
    """Answer what stands on the input, a kind, a seed and a number a line, until it ends."""
    with tempfile.TemporaryDirectory() as folder:
        valid = {name: Whole(name, Path(folder)) for name in KINDS}
        print("{}", flush=True)
        for line in sys.stdin:
            name, seed, number = line.split()
            print(json.dumps(valid[name].damaged(int(seed), int(number))), flush=True)


class Reader:
    """A process that reads damaged files, and is replaced when it ends or hangs."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        command = [sys.executable, __file__, "--serve"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.answers: queue.Queue = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process.stdout, self.answers), daemon=True).start()
        self.answers.get()  # it has imported all that it needs, and made the whole files

    @staticmethod
    def _listen(stream, answers: queue.Queue) -> None:
        for line in stream:
            answers.put(json.loads(line))
        answers.put(None)

    def ask(self, name: str, seed: int, number: int) -> tuple[str, str]:
        self.process.stdin.write(f"{name} {seed} {number}\n")
        self.process.stdin.flush()
        try:
            found = self.answers.get(timeout=LIMIT)
        except queue.Empty:
            found = "hang", f"more than {LIMIT} s"
        if found is None:
            found = "crash", f"status {self.process.wait()}"
        if found[0] in ("hang", "crash"):
            self.end()
            self.start()
        return tuple(found)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def fuzz(names: list[str], seed: int, numbers: range) -> Iterator[tuple[str, int, str, str]]:
    """Yield kind, number, outcome and what was said, of each damaged file."""
    reader = Reader()
    try:
        for name in names:
            for number in numbers:
                yield name, number, *reader.ask(name, seed, number)
    finally:
        reader.end()


def main() -> None:
    """Say what came of damaged files, kind by kind; exit 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", type=int, nargs="?", default=200, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--only", type=int, help="the number of one, to see what is said")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    how = parser.parse_args()
    if how.serve:
        return serve()
    numbers = range(how.number) if how.only is None else range(how.only, how.only + 1)
    found, faults = {name: Counter() for name in how.kinds}, 0
    print(f"seed {how.seed}, {len(numbers)} damaged files of each of {len(how.kinds)} kinds", flush=True)
    for name, number, word, text in fuzz(how.kinds, how.seed, numbers):
        found[name][word] += 1
        if word in FAULTS or how.only is not None:
            faults += word in FAULTS
            print(f"{name} {number}: {word}: {text[:400]}", flush=True)
        if number == numbers[-1]:
            print(f"{name}: " + ", ".join(f"{count} {word}" for word, count in sorted(found[name].items())), flush=True)
    print(f"{faults} faults among {sum(map(Counter.total, found.values()))}; seed {how.seed}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
