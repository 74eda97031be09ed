"""Small HDF4-EOS files for tests, written with pyhdf from the format's description and not by the book's own writer."""

from pathlib import Path

import numpy as np
from pyhdf.SD import SD, SDC

RADIUS = 6371007.181
TILE = np.pi * RADIUS / 18
"""Edge of a MODIS tile, m: ten degrees along a meridian."""

CODES = {"int8": SDC.INT8, "uint8": SDC.UINT8, "int16": SDC.INT16, "uint16": SDC.UINT16}


def tile_corners(h, v):
    """Return upper left and lower right corner of MODIS tile (h, v), m."""
    return ((h - 18) * TILE, (9 - v) * TILE), ((h - 17) * TILE, (8 - v) * TILE)


def grid_text(number, name, shape, fields, corners, projection="GCTP_SNSOID", origin=True):
    (left, top), (right, bottom) = corners
    lines = [
        f"\tGROUP=GRID_{number}",
        f'\t\tGridName="{name}"',
        f"\t\tXDim={shape[1]}",
        f"\t\tYDim={shape[0]}",
        f"\t\tUpperLeftPointMtrs=({left:.6f},{top:.6f})",
        f"\t\tLowerRightMtrs=({right:.6f},{bottom:.6f})",
        f"\t\tProjection={projection}",
        f"\t\tProjParams=({RADIUS:.6f},0,0,0,0,0,0,0,0,0,0,0,0)",
        "\t\tSphereCode=-1",
        *(["\t\tGridOrigin=HDFE_GD_UL"] if origin else []),
        "\t\tGROUP=DataField",
    ]
    for k, field in enumerate(fields, 1):
        lines += [f"\t\t\tOBJECT=DataField_{k}", f'\t\t\t\tDataFieldName="{field}"', f"\t\t\tEND_OBJECT=DataField_{k}"]
    return "\n".join([*lines, "\t\tEND_GROUP=DataField", f"\tEND_GROUP=GRID_{number}"])


def struct(*grids):
    body = "\n".join(grids)
    return (
        f"GROUP=SwathStructure\nEND_GROUP=SwathStructure\nGROUP=GridStructure\n{body}\nEND_GROUP=GridStructure\nEND\n"
    )


def write(path: Path, fields: dict, metadata: str = "", *, parts: int = 1, packed: bool = False) -> Path:
    """Write ``{name: (array, attributes)}``; the metadata may be cut over several attributes, as long ones are.

    ``packed`` deflates the fields as real files do. A full-size field takes a tenth of a second, packed about one.
    """
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    for name, (values, attributes) in fields.items():
        code = CODES[values.dtype.name]
        sds = file.create(name, code, values.shape)
        if packed:
            sds.setcompress(SDC.COMP_DEFLATE, 1)
        for key, value in attributes.items():
            kind = SDC.CHAR if isinstance(value, str) else SDC.FLOAT64 if isinstance(value, float) else code
            sds.attr(key).set(kind, value)
        sds[:] = np.ascontiguousarray(values)
        sds.endaccess()
    size = -(-len(metadata) // parts)
    for k in range(parts if metadata else 0):
        file.attr(f"StructMetadata.{k}").set(SDC.CHAR, metadata[k * size : (k + 1) * size] + "\0" * 40)
    file.end()
    return path


def tile(path: Path, fields: dict, grid: str, corners, **how) -> Path:
    """Write one sinusoidal tile."""
    shape = next(iter(fields.values()))[0].shape
    return write(path, fields, struct(grid_text(1, grid, shape, fields, corners)), **how)


def globe(path: Path, fields: dict, grid: str, **how) -> Path:
    """Write one global latitude/longitude field, its corners packed as degrees, minutes and seconds."""
    shape = next(iter(fields.values()))[0].shape
    corners = ((-180000000.0, 90000000.0), (180000000.0, -90000000.0))
    return write(path, fields, struct(grid_text(1, grid, shape, fields, corners, projection="GCTP_GEO")), **how)


def ndvi_tile(folder, year, day, values, rank=None, hv=(18, 8), version="006", **how):
    """Write one tile of MOD13A3 with NDVI and its reliability (all good unless ``rank`` says otherwise)."""
    fields = {"1 km monthly NDVI": (np.asarray(values, "int16"), {"scale_factor": 10000.0, "_FillValue": -3000})}
    rank = np.zeros(np.shape(values)) if rank is None else rank
    fields["1 km monthly pixel reliability"] = (np.asarray(rank, "int8"), {"_FillValue": -1})
    name = f"MOD13A3.A{year}{day:03d}.h{hv[0]:02d}v{hv[1]:02d}.{version}.2015140091735.hdf"
    return tile(folder / name, fields, "MOD_Grid_monthly_1km_VI", tile_corners(*hv), **how)


def npp_tile(folder, year, values, hv=(18, 8), version="006", **fields):
    """Write one tile of MOD17A3HGF with NPP and, if given, other fields (array, attributes)."""
    fields = {"Npp_500m": (np.asarray(values, "int16"), {"scale_factor": 0.0001, "_FillValue": 32767}), **fields}
    name = f"MOD17A3HGF.A{year}001.h{hv[0]:02d}v{hv[1]:02d}.{version}.2020139230131.hdf"
    return tile(folder / name, fields, "MOD_Grid_MOD17A3H", tile_corners(*hv))


def lai_globe(folder, year, day, values, version="V50", **how):
    """Write one date of GLASS leaf area."""
    fields = {"LAI": (np.asarray(values, "uint8"), {"scale_factor": 0.1, "_FillValue": 255})}
    return globe(folder / f"GLASS01B01.{version}.A{year}{day:03d}.2021110.hdf", fields, "GLASS01B01", **how)
