"""Many threads at once in every reader that can be lazy: values, never the end of the interpreter.

The C libraries behind NetCDF and HDF4 keep their state in global variables. Dask computes blocks by threads, so that
two blocks of one array would be in the library together. The interpreter dies of that, and so each test has its own.
"""

import subprocess
import sys

import numpy as np
import pytest
from eos_files import lai_globe, npp_tile
from netcdf_files import months, write

READ = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from helpers import products
from helpers.space.grid import Grid
from helpers.products import netcdf

netcdf.LAZY = 0  # so that the smallest record is read lazily, block by block
product, times, folders = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
how = {"mod17a3hgf": {"grid": Grid(10)}, "glass_lai": {"dates_per_year": 1}, "spei": {}, "trendy": {}}.get(product, {})

def read(k):
    lazy = products.read(product, folders[k % len(folders)], years=[2000, 2001], **how)
    name = next(iter(lazy.data_vars))
    assert lazy[name].chunks, "not lazy"
    return float(lazy[name].sum())

with ThreadPoolExecutor(8) as pool:
    sums = set(pool.map(read, range(times)))
assert len(sums) == 1, sums
print(*sums)
"""


def files(folder, product):
    values = np.ones((24, 2, 4), "f4")
    match product:
        case "cru_pet":
            write(folder / "cru_ts4.05.1901.2020.pet.dat.nc", "pet", values, months(2000, 2001), units="mm/day")
        case "spei":
            write(folder / "spei12.nc", "spei", values, months(2000, 2001))
        case "trendy":
            for name in ("ra", "rh"):
                write(folder / f"A_S3_{name}.nc", name, 1e-8 * values, months(2000, 2001), units="kg m-2 s-1")
        case "glass_lai":
            for year in (2000, 2001):
                lai_globe(folder, year, 1, np.full((6, 12), 10))
        case "mod17a3hgf":
            for year in (2000, 2001):
                npp_tile(folder, year, np.full((24, 24), 5000))


LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("cru_pet", "trendy")]  # as spei, and longer


@pytest.mark.parametrize("product", ["spei", *LONG, "glass_lai", "mod17a3hgf"])
def test_files_read_by_threads_give_what_they_hold(tmp_path, product):
    folders = [tmp_path / str(k) for k in range(8)]
    for folder in folders:
        folder.mkdir()
        files(folder, product)
    told = [sys.executable, "-c", READ, product, "30", *map(str, folders)]
    done = subprocess.run(told, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode} {done.stderr[-2000:]}"
