"""TIFF files cut short at any byte, in all the ways in which GDAL lays them out."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.enums import Resampling

from helpers.products import DamagedFile, tiff

LAYOUTS = {
    "strips": {},
    "one strip": {"blockysize": 64},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "BigTIFF": {"BIGTIFF": "YES", "tiled": True, "blockxsize": 16, "blockysize": 16},
    "big-endian": {"ENDIANNESS": "BIG"},
    "big-endian BigTIFF": {"ENDIANNESS": "BIG", "BIGTIFF": "YES"},
    "compressed": {"compress": "deflate", "predictor": 2},
    "sparse": {"SPARSE_OK": True, "tiled": True, "blockxsize": 16, "blockysize": 16},
    "three bands": {"count": 3, "interleave": "band"},
}


@pytest.fixture(params=LAYOUTS)
def path(request, tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": 64, "width": 48, "crs": "EPSG:4326"}
    values = np.random.default_rng(1).integers(0, 100, (64, 48)).astype("int16")
    with rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, 60), **(profile | LAYOUTS[request.param])) as file:
        for band in file.indexes:
            file.write(np.where(values < 50, 0, values) if request.param == "sparse" else values, band)
        file.update_tags(scale_factor="0.0001")
    return path


def test_a_whole_file_passes(path):
    tiff.require_whole(path, path)


def test_a_file_with_overviews_passes_until_it_is_cut(path):
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.nearest)
    tiff.require_whole(path, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFile, match="a.tif: cannot be read"):
        tiff.require_whole(path, path)


def test_a_cut_anywhere_is_told_in_one_line(path):
    whole = path.read_bytes()
    for keep in sorted({*np.linspace(16, len(whole) - 4, 60).astype(int), *range(len(whole) - 40, len(whole) - 3)}):
        path.write_bytes(whole[:keep])
        with pytest.raises(DamagedFile, match=r"a\.tif: cannot be read.*fetch it again") as found:
            tiff.require_whole(path, path)
        assert "\n" not in str(found.value)


def test_what_is_no_tiff_is_left_to_gdal(tmp_path):
    for content in (b"", b"II", b"<html>please log in</html>", b"II\x01\x00" + bytes(40)):
        path = tmp_path / "other.tif"
        path.write_bytes(content)
        tiff.require_whole(path, path)
