"""HDF4 files in the form of the MODIS and GLASS products: scientific data sets and a StructMetadata.0 that places them.

HDF-EOS is HDF4 with a text attribute: name of the grid, its size, its corners and its projection. Corners of the
sinusoidal grid are metres; those of a latitude/longitude grid (GCTP_GEO) are packed degrees, minutes and seconds.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from pyhdf.SD import SD, SDC

from helpers.space.grid import RADIUS

TYPES = {"int8": SDC.INT8, "uint8": SDC.UINT8, "int16": SDC.INT16, "uint16": SDC.UINT16}
HDF_NAMES = {"int8": "DFNT_INT8", "uint8": "DFNT_UINT8", "int16": "DFNT_INT16", "uint16": "DFNT_UINT16"}


def write(
    path: Path,
    layers: dict[str, tuple[np.ndarray, dict]],
    *,
    grid_name: str,
    corners: tuple[float, float, float, float],
    sinusoidal: bool,
) -> Path:
    """Write one tile.

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

    Returns
    -------
    Path
    """
    # The library stores the path that it is given: from within the folder that is the bare name, and a seed gives the
    # same bytes wherever the folder lies.
    with contextlib.chdir(path.parent):
        file = SD(path.name, SDC.WRITE | SDC.CREATE | SDC.TRUNC)
        for name, (values, attributes) in layers.items():
            _add(file, name, values, attributes, grid_name)
        file.attr("StructMetadata.0").set(SDC.CHAR, struct_metadata(layers, grid_name, corners, sinusoidal))
        file.end()
    return path


def _add(file: SD, name: str, values: np.ndarray, attributes: dict, grid_name: str) -> None:
    data = file.create(name, TYPES[values.dtype.name], values.shape)
    data.setcompress(SDC.COMP_DEFLATE, 1)
    for axis, dim in enumerate(("YDim", "XDim")):
        data.dim(axis).setname(f"{dim}:{grid_name}")
    for key, value in attributes.items():
        _set(data, key, value, values.dtype.name)
    data[:] = np.ascontiguousarray(values)
    data.endaccess()


def _set(data, key: str, value, dtype: str) -> None:
    """Set one attribute: fills and ranges in the data's own type, scales as float64, as the real products do."""
    if isinstance(value, str):
        data.attr(key).set(SDC.CHAR, value)
    elif key in ("_FillValue", "valid_range"):
        data.attr(key).set(TYPES[dtype], value)
    else:
        data.attr(key).set(SDC.FLOAT64, float(value))


def struct_metadata(layers: dict, grid_name: str, corners: tuple[float, float, float, float], sinusoidal: bool) -> str:
    """Return the text that says where the tile lies; laid out as in a MODIS land product."""
    height, width = next(iter(layers.values()))[0].shape
    west, north, east, south = corners if sinusoidal else tuple(_packed(c) for c in corners)
    projection = "GCTP_SNSOID" if sinusoidal else "GCTP_GEO"
    lines = [
        "GROUP=SwathStructure",
        "END_GROUP=SwathStructure",
        "GROUP=GridStructure",
        "\tGROUP=GRID_1",
        f'\t\tGridName="{grid_name}"',
        f"\t\tXDim={width}",
        f"\t\tYDim={height}",
        f"\t\tUpperLeftPointMtrs=({west:.6f},{north:.6f})",
        f"\t\tLowerRightMtrs=({east:.6f},{south:.6f})",
        f"\t\tProjection={projection}",
    ]
    if sinusoidal:
        lines += [f"\t\tProjParams=({RADIUS:.6f},0,0,0,0,0,0,0,0,0,0,0,0)", "\t\tSphereCode=-1"]
    lines += ["\t\tGridOrigin=HDFE_GD_UL", "\t\tGROUP=DataField"]
    for k, (name, (values, _)) in enumerate(layers.items(), start=1):
        lines += [
            f"\t\t\tOBJECT=DataField_{k}",
            f'\t\t\t\tDataFieldName="{name}"',
            f"\t\t\t\tDataType={HDF_NAMES[values.dtype.name]}",
            '\t\t\t\tDimList=("YDim","XDim")',
            f"\t\t\tEND_OBJECT=DataField_{k}",
        ]
    lines += ["\t\tEND_GROUP=DataField", "\tEND_GROUP=GRID_1", "END_GROUP=GridStructure"]
    lines += ["GROUP=PointStructure", "END_GROUP=PointStructure", "END", ""]
    return "\n".join(lines)


def _packed(degrees: float) -> float:
    """Return degrees as DDDMMMSSS.SS, the packed form of GCTP_GEO corners.

    >>> _packed(-180.0), _packed(22.5)
    (-180000000.0, 22030000.0)
    """
    whole, rest = divmod(abs(degrees) * 3600, 3600)
    minutes, seconds = divmod(rest, 60)
    return float(np.copysign(whole * 1e6 + minutes * 1e3 + seconds, degrees))
