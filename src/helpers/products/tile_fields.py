"""Finding one field in a file of any product: an HDF4-EOS field by name and grid, or a band of a GeoTIFF.

An HDF4-EOS file says where its fields lie (see `helpers.products.hdf4`); a GeoTIFF does so by its projection. Both come
out as a `Stored`: pixels with a place, what the file says of them, and their date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from helpers.grid import RADIUS
from helpers.products import hdf4, hdf4_streams, packed, rasters
from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.rasters import Raster

SINUSOIDAL = CRS.from_string(f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs")
"""The MODIS sinusoidal projection."""
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_YEAR, _DAY = r"((?:19|20)\d\d)", r"(0(?!00)\d\d|[1-2]\d\d|3[0-5]\d|36[0-6])"
DATES = (
    rf"\.A{_YEAR}{_DAY}(?!\d)",
    rf"doy{_YEAR}{_DAY}(?=\D|\d{{6}}(?!\d)|$)",
    rf"(?<!\d){_YEAR}_?{_DAY}(?!\d)",
    rf"(?<!\d){_YEAR}[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|1\d|2[0-8])(?!\d)",
)
"""The ways in which names give a date."""

Layer = int | Mapping[str, int] | None


@dataclass(frozen=True)
class Stored:
    """One field of one file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        The field's name.
    raster : Raster
        Its pixels and their place.
    attributes : dict
        What the file says of it: ``scale_factor``, ``units``, ….
    grid : str
        HDF-EOS grid that it stands on; empty in a GeoTIFF.
    origin : str
        Product and version, as far as the file or its name tells.
    date : str
        First day that it stands for (ISO 8601), as far as the file or its name tells.
    """

    path: Path
    name: str
    raster: Raster
    attributes: dict
    grid: str = ""
    origin: str = ""
    date: str = ""

    @property
    def what(self) -> str:
        """File and field, for messages."""
        return f"{self.path}: {self.name!r}"

    def without_pixels(self) -> Stored:
        """Return the same without hold of the pixels, which may be many."""
        return replace(self, raster=replace(self.raster, read=None))


@contextmanager
def opening(path: Path, variable: str | int | None, grid: str | None, layer: Layer) -> Iterator[Stored]:
    """Open one field of a file, plain or packed; its pixels can be read as long as the context lasts.

    Parameters
    ----------
    variable : str or int, optional
        Field, or band's name or number (from 1); may be left out where there is one.
    grid : str, optional
        HDF-EOS grid, where fields of several have the name.
    layer : int or mapping, optional
        Index, from 0, along the dimension that a field has besides y and x; ``{dimension: index}`` for several.

    Raises
    ------
    DamagedFile
        The file is of another format, or damaged.
    ProductError
        There is no such field, or it is not clear which; the message lists those there are.
    """
    if _is_tiff(path):
        if grid is not None or layer is not None:
            raise ProductError(f"{path}: expected no eos_grid or layer for a GeoTIFF; choose a band by variable")
        with rasters.opening(path) as source:
            yield _band(source, path, variable)
    else:
        yield _hdf(path, variable, grid, layer)


def _is_tiff(path: Path) -> bool:
    """Say whether a file is a GeoTIFF, by its name or, where that tells nothing, by its first bytes."""
    ending = Path(packed.plain_name(path.name)).suffix.lower()
    if ending in (".tif", ".tiff", ".vrt", ".hdf") or path.suffix.lower() in packed.PACKED:
        return ending in (".tif", ".tiff", ".vrt")
    with reading(path), path.open("rb") as stream:
        return stream.read(4) in TIFF


def _date(name: str) -> str:
    """Return the date in a file's name: A2018001 (NASA), doy2018001 (AppEEARS), 2018_001, 20180101; empty without one.

    >>> _date("MOD13Q1.061__250m_16_days_NDVI_doy2020353000000_aid0001.tif"), _date("MOD13A1_NDVI_2016_337.tif")
    ('2020-12-18', '2016-12-02')
    """
    for form in DATES:
        if found := re.search(form, name):
            year, *rest = map(int, found.groups())
            begin = date(year, 1, 1) + timedelta(days=rest[0] - 1) if len(rest) == 1 else date(year, *rest)
            return begin.isoformat()
    return ""


def _band(source, path: Path, variable: str | int | None) -> Stored:
    names = [name or f"band {k}" for k, name in zip(source.indexes, source.descriptions, strict=True)]
    if variable is None and source.count == 1:
        band = 1
    elif isinstance(variable, int) and 1 <= variable <= source.count:
        band = variable
    elif variable in names:
        band = names.index(variable) + 1
    elif source.count == 1 and _bare(str(variable)) and _bare(str(variable)) in _bare(path.name):
        band = 1  # as AppEEARS names its files
    else:
        found = "none" if variable is None else repr(variable)
        raise ProductError(
            f"{path}: expected variable to be one of {', '.join(names)}, found {found}; pass one of these"
        )
    attributes = {**source.tags(), **source.tags(band)}
    stated = {key.lower() for key in attributes}
    if not stated & {"scale_factor", "scale factor"}:  # GDAL's own pair is as CF's: scale x stored + offset
        attributes |= {"gdal_scale": source.scales[band - 1], "gdal_offset": source.offsets[band - 1]}
    if source.nodatavals[band - 1] is not None:
        attributes["missing_value"] = source.nodatavals[band - 1]
    if source.colorinterp[band - 1] == ColorInterp.palette:
        attributes["palette"] = "a colour for each code"
    if source.units[band - 1]:
        attributes["units"] = source.units[band - 1]
    raster = Raster.of(source, path, band)
    name = source.descriptions[band - 1] or (str(variable) if isinstance(variable, str) else f"band_{band}")
    product = re.match(r"([A-Z]{3}\d\d\w*?)(?:\.(\d{3}))?(?=[._])", path.name)
    origin = " version ".join(part for part in product.groups() if part) if product else ""
    return Stored(path, name, raster, attributes, origin=origin, date=_date(path.name))


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _hdf(path: Path, variable: str | int | None, grid: str | None, layer: Layer) -> Stored:
    with hdf4.opening(path) as file:
        grids = {g.name: g for g in hdf4.eos_grids(file, path)}
        index, name, where = _choose(_listed(file, grids), path, variable, grid)
        field = file.select(index)
        try:
            stored = _get(file, field, path, name, grids.get(where), layer)
            attributes = field.attributes()
        finally:
            field.endaccess()
        metadata = file.attributes()
    raster = _placed(stored, grids.get(where), path, name)
    core = "".join(str(metadata[key]) for key in sorted(metadata) if key.startswith("CoreMetadata."))
    told = {key: _told(core, key) for key in ("SHORTNAME", "VERSIONID", "RANGEBEGINNINGDATE")}
    origin = told["SHORTNAME"] + (f" version {told['VERSIONID']}" if told["VERSIONID"] else "")
    return Stored(path, name, raster, attributes, where, origin, told["RANGEBEGINNINGDATE"] or _date(path.name))


def _told(core: str, key: str) -> str:
    """Return the value of an object of NASA's core metadata, empty where there is none."""
    found = re.search(rf'OBJECT\s*=\s*{key}\b.*?VALUE\s*=\s*"?([^"\n]*)"?', core, re.DOTALL)
    return found.group(1).strip() if found else ""


def _listed(file, grids: dict) -> list[tuple[int, str, str]]:
    """Return index, name and grid of every field that has rows and columns."""
    listed = []
    for index in range(file.info()[0]):
        field = file.select(index)
        name, rank, *_ = field.info()
        dimensions = [field.dim(axis).info()[0] for axis in range(rank)]
        field.endaccess()
        if rank < 2:
            continue
        of_dimensions = {d.partition(":")[2] for d in dimensions if ":" in d} & set(grids)
        holding = of_dimensions or {g.name for g in grids.values() if name in g.fields}
        listed += [(index, name, where) for where in (sorted(holding) if grids else [""])]
    return listed


def _choose(listed: list, path: Path, variable, grid: str | None) -> tuple[int, str, str]:
    wanted = [one for one in listed if variable in (None, one[1]) and grid in (None, one[2])]
    if len(wanted) == 1:
        return wanted[0]
    groups: dict[str, list[str]] = {}
    for _, name, where in listed:
        groups.setdefault(where, []).append(name)
    there = "; ".join((f"grid {where}: " if where else "") + ", ".join(names) for where, names in groups.items())
    if wanted and variable is not None:
        raise ProductError(
            f"{path}: {variable!r} stands on several grids ({', '.join(one[2] for one in wanted)}); pass eos_grid="
        )
    asked = "a choice" if variable is None else repr(variable)
    on = f" on grid {grid!r}" if grid is not None else ""
    raise ProductError(f"{path}: expected {asked}{on} among its fields, which are {there or 'none'}; pass variable=")


def _get(file, field, path: Path, name: str, place, layer: Layer) -> np.ndarray:
    """Read one field, or one layer of it, as (y, x)."""
    _, rank, shape, *_ = field.info()
    names = [field.dim(axis).info()[0].partition(":")[0] for axis in range(rank)]
    y, x = _axes(names, list(shape), place)
    start, count = [0] * rank, list(shape)
    further = [axis for axis in range(rank) if axis not in (y, x)]
    chosen = dict(layer) if isinstance(layer, Mapping) else dict.fromkeys([names[a] for a in further], layer)
    if layer is not None and (not further or set(chosen) - {names[axis] for axis in further}):
        raise ProductError(
            f"{path}: {name!r} has the dimensions {', '.join(names)}, found layer={layer!r}; correct layer"
        )
    for axis in further:
        at = chosen.get(names[axis])
        at = 0 if at is None and shape[axis] == 1 else at
        if not isinstance(at, int) or not 0 <= at < shape[axis]:
            raise ProductError(
                f"{path}: {name!r} has a further dimension {names[axis]!r} of {shape[axis]}, found layer={layer!r}; "
                f"pass layer=0 to {shape[axis] - 1}" + (" for each, {dimension: index}" if len(further) > 1 else "")
            )
        start[axis], count[axis] = at, 1
    try:
        with reading(path):
            hdf4_streams.verify(file._plain, field.ref())
        stored = field.get(start, count)
    except ValueError as error:
        if isinstance(error, ProductError):
            raise
        raise DamagedFile(f"{path}: {name!r} cannot be read ({error}); it is damaged, so fetch it again") from error
    stored = np.asarray(stored).reshape(count).squeeze(axis=tuple(further))
    return stored.T if y > x else stored


def _axes(names: list[str], shape: list[int], place) -> tuple[int, int]:
    """Return which dimensions are y and x: by their names, else by the grid's size, else the last two."""
    if "YDim" in names and "XDim" in names:
        return names.index("YDim"), names.index("XDim")
    if place is not None:
        for y in range(len(shape) - 1):
            if (shape[y], shape[y + 1]) == (place.rows, place.columns):
                return y, y + 1
    return len(shape) - 2, len(shape) - 1


def _placed(stored: np.ndarray, place, path: Path, name: str) -> Raster:
    """Give pixels their place: as declared, or as a field of the whole globe where nothing is declared."""
    rows, columns = stored.shape
    if place is None and columns != 2 * rows:
        raise ProductError(
            f"{path}: {name!r} declares no grid and is {rows}x{columns}, not global; it cannot be placed"
        )
    if place is not None and (rows, columns) != (place.rows, place.columns):
        raise ProductError(
            f"{path}: {name!r} is expected to be {place.rows}x{place.columns} as its grid, found {rows}x{columns}; "
            "fetch it again"
        )
    transform = Affine(360 / columns, 0, -180, 0, -180 / rows, 90) if place is None else place.transform
    sinusoidal = place is not None and place.projection == hdf4.SINUSOIDAL
    crs = SINUSOIDAL if sinusoidal else CRS.from_epsg(4326)
    return Raster(lambda y, x: stored[y, x], stored.shape, transform, crs)
