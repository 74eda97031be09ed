"""Natural Earth's outlines, drawn onto a grid as land and countries: GeoJSON, as shipped or as published.

The outlines that the book itself draws are read in `helpers.space.regions`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from helpers.products import compression
from helpers.products.registry import Product, ProductError, describe
from helpers.space import regions
from helpers.space.grid import Grid

WITHOUT_CODE = 900
"""From here on, ISO 3166-1 leaves numeric codes to users: the few countries without one get them, in order of name."""


def read(product: Product, paths: list[Path], *, grid: Grid) -> xr.Dataset:
    """Draw land and countries onto ``grid``: a cell is of the outline that its centre lies in.

    Returns
    -------
    xarray.Dataset
        On (lat, lon): ``land`` (bool) and, where the file holds countries, ``country`` (int16 flags: ISO 3166-1
        numeric codes, from 900 for those without, 0 off all countries; ``flag_meanings`` are their names).

    Raises
    ------
    ProductError
        There are several files, or one that is no GeoJSON.
    """
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ProductError(f"{paths[0].parent}: expected one file of outlines, found {names}; pass one of them")
    with compression.opened(paths[0], (".json", ".geojson")) as plain:
        try:
            outlines = regions.outlines(plain)
        except ValueError as error:
            raise ProductError(f"{paths[0]}: expected outlines as GeoJSON, found others ({error})") from None
    names = [about.get("ADMIN") or about.get("NAME") or "" for _, about in outlines]
    codes = [
        next((c for k in ("ISO_N3", "ISO_N3_EH") if (c := str(about.get(k))).isdigit()), "") for _, about in outlines
    ]
    without = sorted({name for name, code in zip(names, codes, strict=True) if not code})
    numbers = [int(code or WITHOUT_CODE + without.index(name)) for name, code in zip(names, codes, strict=True)]
    shapes = [shape for shape, _ in outlines]
    land = regions.burn([(shape, 1) for shape in shapes], grid.lat, grid.lon).astype(bool)
    ds = grid.like().to_dataset(name="land").assign(land=(("lat", "lon"), land))
    if any(names):
        drawn = regions.burn(list(zip(shapes, numbers, strict=True)), grid.lat, grid.lon, "int16")
        ds = ds.assign(country=(("lat", "lon"), drawn))
    ds = describe(ds, product)
    if any(names):
        flags = {0: "none"} | dict(sorted(zip(numbers, names, strict=True)))
        words = " ".join("_".join(name.split()) for name in flags.values())
        ds["country"].attrs |= {"flag_values": np.array(list(flags), "int16"), "flag_meanings": words}
    return ds
