"""One date of an HDF4 product: its file or its tiles, decoded, and brought onto one set of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.grid import Cells, Grid
from helpers.products import hdf4
from helpers.products.errors import ProductError
from helpers.products.registry import Field
from helpers.products.sinusoidal import Warp, require_method

Screen = Callable[[hdf4.Opened, Path], np.ndarray]


@dataclass(frozen=True)
class Layer:
    """A field, and the cells on which all its dates stand.

    Parameters
    ----------
    field : Field
        What is read.
    cells : Cells
        Where it goes: the files' own latitudes and longitudes, or those of ``grid``.
    grid : Grid or None
        Where sinusoidal tiles go; None where the files stand on latitudes and longitudes.
    method : str
        How tiles are resampled.
    screen : callable, optional
        ``screen(file, path)`` tells from another layer of the file which pixels are not to be used (y, x).
    """

    field: Field
    cells: Cells
    grid: Grid | None = None
    method: str = "nearest"
    screen: Screen | None = None

    def read(self, paths: Iterable[Path]) -> tuple[np.ndarray, list[Path]]:
        """Read one date.

        Parameters
        ----------
        paths : iterable of Path
            The file of that date, or its tiles.

        Returns
        -------
        numpy.ndarray
            (lat, lon) float32, NaN where there is no value.
        list of Path
            Those of the files in which no pixel has a value.

        Raises
        ------
        ProductError
            A file is not what the first one of the product is.
        DamagedFile
            A file cannot be read.
        """
        paths, blank = list(paths), []
        warp = Warp(self.grid, self.method) if self.grid else None
        if warp is None and len(paths) != 1:
            raise ProductError(f"{paths[1]}: expected one file a date on degrees, found {paths[0].name} too; keep one")
        for path in paths:
            values, eos, dropped = self._decoded(path)
            if not np.isfinite(values).any():
                blank.append(path)
            if dropped is not None:
                values[dropped] = np.nan
            if warp:
                warp.add(values, eos.transform)
        return (warp.result() if warp else values), blank

    def _decoded(self, path: Path) -> tuple[np.ndarray, hdf4.EosGrid | None, np.ndarray | None]:
        """Return a file's pixels, the grid that they stand on, and which of them are to be dropped."""
        with hdf4.opening(path) as file:
            stored, attributes = hdf4.read_stored(file, path, self.field.stored)
            eos = hdf4.grid_of(file, path, self.field)
            dropped = self.screen(file, path) if self.screen else None
        self._require_same(eos, stored.shape, path)
        if dropped is not None and dropped.shape != stored.shape:
            raise ProductError(
                f"{path}: expected a quality layer of {_size(stored.shape)} pixels, found {_size(dropped.shape)}; "
                "fetch it again"
            )
        return hdf4.decode(stored, attributes, self.field, path), eos, dropped

    def _require_same(self, eos: hdf4.EosGrid | None, shape: tuple[int, ...], path: Path) -> None:
        """Refuse a file that stands elsewhere than the first one of its product."""
        _require_whole(eos, shape, path)
        if (self.grid is not None) != _sinusoidal(eos):
            kind = "sinusoidal tiles" if self.grid else "one grid of degrees"
            raise ProductError(f"{path}: expected {kind}, as in the first file, found another grid; keep one kind")
        if self.grid is None:
            here = _own_cells(eos, shape, path)
            if here.shape != self.cells.shape:
                raise ProductError(
                    f"{path}: expected {_size(self.cells.shape)} cells, as in the first file, "
                    f"found {_size(here.shape)}; remove it, or fetch it again"
                )
            if not (np.allclose(here.lat, self.cells.lat) and np.allclose(here.lon, self.cells.lon)):
                raise ProductError(f"{path}: expected the corners of the first file, found others; fetch it again")


def layer(
    field: Field, path: Path, grid: Grid | None = None, method: str = "nearest", screen: Screen | None = None
) -> Layer | None:
    """Look at the first file of a product, without reading its pixels, to know where its fields stand.

    Parameters
    ----------
    field : Field
        What will be read.
    path : Path
        The first file, or one of the first date's tiles.
    grid : Grid, optional
        Where sinusoidal tiles go; not used for files on latitudes and longitudes.
    method : {"nearest", "average", "bilinear"}
        How sinusoidal tiles are resampled.
    screen : callable, optional
        As in `Layer`.

    Returns
    -------
    Layer or None
        None where the field is optional and the file lacks it.

    Raises
    ------
    ProductError
        The file lacks the field, or stands on a grid that cannot be used, or the method is unknown.
    DamagedFile
        The file cannot be read.
    """
    with hdf4.opening(path) as file:
        if field.optional and field.stored not in file.datasets():
            return None
        shape = hdf4.shape_of(file, path, field.stored)
        eos = hdf4.grid_of(file, path, field)
    _require_whole(eos, shape, path)
    if not _sinusoidal(eos):
        return Layer(field, _own_cells(eos, shape, path), None, method, screen)
    if grid is None:
        raise ProductError(f"{path}: sinusoidal tiles need a target: pass grid=Grid(resolution)")
    require_method(method)
    return Layer(field, Cells(grid.lat, grid.lon), grid, method, screen)


def _sinusoidal(eos: hdf4.EosGrid | None) -> bool:
    return eos is not None and eos.projection == hdf4.SINUSOIDAL


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(count) for count in shape)


def _require_whole(eos: hdf4.EosGrid | None, shape: tuple[int, ...], path: Path) -> None:
    """Refuse a field that is not of the size that its file declares."""
    declared = (eos.rows, eos.columns) if eos else shape
    if shape != declared or len(shape) != 2:
        raise ProductError(f"{path}: expected {_size(declared)} pixels, found {_size(shape)}; fetch it again")


def _own_cells(eos: hdf4.EosGrid | None, shape: tuple[int, int], path: Path) -> Cells:
    """Return a file's latitudes and longitudes: by its declared corners, or of the globe where it declares none."""
    rows, columns = shape
    if eos is None and columns != 2 * rows:
        raise ProductError(
            f"{path}: declares no grid (StructMetadata.0) and is {_size(shape)}, not global, so its place is unknown; "
            "fetch it again"
        )
    left, top, right, bottom = (eos.left, eos.top, eos.right, eos.bottom) if eos else (-180, 90, 180, -90)
    lat = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    return Cells(lat, left + (np.arange(columns) + 0.5) * (right - left) / columns)
