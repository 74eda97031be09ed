"""HDF4-EOS files: where their pixels lie, what their numbers mean, and every way to come damaged."""

import mmap
import zlib
from pathlib import Path

import numpy as np
import pytest
from eos_files import TILE, grid_text, ndvi_tile, struct, tile_corners, write
from pyhdf.SD import SD
from rasterio import Affine

from helpers import products
from helpers.products import DamagedFile, Field, ProductError, hdf4, rasters
from helpers.products.rasters import Raster
from helpers.space.grid import Grid

FIELD = Field("x", "X", scale=0.1, valid=(0, 100), fill=(255,))
RAW = {"X": (np.arange(12, dtype="uint8").reshape(3, 4), {})}
NOISE = np.random.default_rng(1).integers(0, 100, (90, 180))
NDVI = "1 km monthly NDVI"


def grids_of(path):
    return rasters.eos_grids(SD(str(path)).attributes(), path)


def decoded(stored, attributes, field, path=Path("a.hdf")):
    about = {"path": path, "attributes": attributes}
    return rasters.decode(
        Raster(stored.__getitem__, stored.shape, Affine.identity(), rasters.DEGREES, **about), field
    ).stored


def test_the_right_one_of_two_grids_is_taken_even_where_the_text_is_cut_in_two(tmp_path):
    one = grid_text(1, "coarse", (6, 8), ["Y"], tile_corners(18, 8))
    two = grid_text(2, "fine", (3, 4), ["X"], tile_corners(0, 17), origin=False)
    path = write(tmp_path / "a.hdf", RAW, struct(one, two), parts=3)
    raster = rasters.read_hdf4(path, "X")
    assert (raster.grid, raster.shape) == ("fine", (3, 4)) and not raster.geographic
    assert raster.transform @ (0, 0) == pytest.approx((-18 * TILE, -8 * TILE))
    assert raster.transform @ (4, 3) == pytest.approx((-17 * TILE, -9 * TILE))
    np.testing.assert_array_equal(raster.stored, RAW["X"][0])


def test_a_field_on_two_grids_is_told_apart_by_the_grids_name(tmp_path):
    texts = [grid_text(k, f"g{k}", (3, 4), ["X"], tile_corners(k, 8)) for k in (1, 2)]
    path = write(tmp_path / "a.hdf", RAW, struct(*texts))
    assert rasters.read_hdf4(path, "X", "g2").transform.c == pytest.approx(-16 * TILE)
    with pytest.raises(ProductError, match=r"a\.hdf: 'X' stands on several grids \(g1, g2\); pass eos_grid="):
        rasters.read_hdf4(path, "X")
    with pytest.raises(ProductError, match="expected a field 'X', found grid g1: X; grid g2: X") as error:
        rasters.read_hdf4(path, "X", "g3")
    assert "\n" not in str(error.value)
    one = write(tmp_path / "b.hdf", RAW, struct(texts[0]))  # versions may call the one grid that there is otherwise
    assert rasters.read_hdf4(one, "X", "g3").grid == "g1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("GCTP_SNSOID", "GCTP_LAMAZ", "projection GCTP_LAMAZ; expected GCTP_SNSOID or GCTP_GEO"),
        ("HDFE_GD_UL", "HDFE_GD_LL", "origin HDFE_GD_LL; expected HDFE_GD_UL"),
        ("XDim=4", "XDim=4x", "cannot place grid"),
        ("LowerRightMtrs", "LowerRight", "cannot place grid .*'LowerRightMtrs'"),
    ],
)
def test_a_grid_that_cannot_be_placed_is_refused(tmp_path, old, new, message):
    text = struct(grid_text(1, "g", (3, 4), ["X"], tile_corners(1, 8))).replace(old, new)
    with pytest.raises(ProductError, match=f"a.hdf: .*{message}"):
        grids_of(write(tmp_path / "a.hdf", RAW, text))


@pytest.mark.parametrize("stated", [{}, {"scale_factor": 0.1}, {"scale_factor": 10.0}])
def test_a_scale_may_be_a_factor_or_a_divisor(tmp_path, stated):
    stored = np.array([[0, 7, 100, 101, 249, 255]], dtype="uint8")
    values = decoded(stored, stated, FIELD)
    np.testing.assert_array_equal(values, np.float32([[0, 0.7, 10, np.nan, np.nan, np.nan]]))
    assert values.dtype == np.float32
    for other in (0.01, 1.0, 0.0):
        with pytest.raises(ProductError, match=f"'X' with scale 0.1 and no offset, found scale {other:g}"):
            decoded(stored, {"scale_factor": other}, FIELD)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("valid", [None, (0, 100), (-5, 65500), (-30000, 32700), (3.5, 7)])
def test_every_number_is_decoded_as_a_slow_loop_does(tmp_path, dtype, valid):
    limits = np.iinfo(dtype)
    stored = np.arange(limits.min, limits.max + 1, dtype=dtype)[None]
    low, high = valid or (-np.inf, np.inf)
    own, known = ((7,), ()) if dtype[-1] == "8" else ((5,), (5, 250, -1))  # the file's, and those of the registry
    field = Field("x", "X", scale=0.004, valid=valid, fill=known)
    found = decoded(stored, {"_FillValue": own[0], "add_offset": 0.0}, field)[0]
    for number, value in zip(stored[0].tolist(), found.tolist(), strict=True):
        if not low <= number <= high or number in (*own, *known):
            assert np.isnan(value)
        else:
            assert value == np.float32(number) * np.float32(0.004)


def test_fractions_in_a_product_of_whole_numbers_are_refused():
    """Somebody has scaled or averaged them already: to scale them again would be wrong in silence."""
    field = Field("npp", "Npp_500m", scale=0.0001, valid=(-30000, 32700))
    whole = decoded(np.array([[5000.0, 32766.0]], "f4"), {}, field)
    np.testing.assert_allclose(whole, [[0.5, np.nan]])
    with pytest.raises(ProductError, match="a.hdf: expected whole numbers in 'Npp_500m', .* found fractions"):
        decoded(np.array([[0.5, 32766.0]], "f4"), {}, field)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n<!DOCTYPE html>", r"a web page \(such as that of a login\); log in, and fetch it again"),
        (b"\x89HDF\r\n", r"HDF5 \(as netCDF-4 is\), whatever its name says; fetch the product's HDF4 file"),
        (b"\x1f\x8b\x08\0", r"a packed file \(\.gz\); add \.gz to its name"),
        (b"Not Found\n", r"b'Not ' at its start; fetch it again"),
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(tmp_path, content, message):
    path = tmp_path / "MOD13A3.A2001001.h18v08.061.2015140091735.hdf"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=f"{path.name}: expected an HDF4 file, found {message}$") as error:
        products.read("mod13a3", path, years=[2001], grid=Grid(1), dates_per_year=1)
    assert "\n" not in str(error.value)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = ndvi_tile(tmp_path, 2001, 1, NOISE[:, :90], packed=True).read_bytes()
    path = tmp_path / "cut.hdf"
    for size in np.random.default_rng(5).integers(4, len(whole), 60):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedFile, match="cut.hdf: .*fetch it again"):
            rasters.read_hdf4(path, NDVI)


def streams_of(path, name):
    """Return the place of every deflated chunk of a field."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        chunks, _ = hdf4.deflated(memory, path, SD(str(path)).select(name).ref())
    return [(chunk.offset, chunk.length) for chunk in chunks]


def overwritten(path, place, copy):
    """Write a copy in which the bytes at a place are others."""
    content = bytearray(path.read_bytes())
    content[place : place + 9] = bytes(255 - b for b in content[place : place + 9])
    copy.write_bytes(content)
    return copy


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_damage_that_the_library_passes_over_is_seen(tmp_path, share):
    path = ndvi_tile(tmp_path, 2001, 1, NOISE[:, :90], packed=True)
    ((offset, length),) = streams_of(path, NDVI)
    bad = overwritten(path, offset + int(share * length), tmp_path / "bad.hdf")
    cut_short = r"bad.hdf: cannot be read; it is damaged, cut short"
    with pytest.raises(DamagedFile, match=cut_short):
        rasters.read_hdf4(bad, NDVI)
    assert (
        rasters.read_hdf4(bad, "1 km monthly pixel reliability").stored == 0
    ).all()  # the other field of the file is whole


@pytest.mark.parametrize("name", ["MOD09GA*h14v17*.hdf", "MOD15A2_all_fill.hdf"])
def test_compressed_chunks_of_real_files_hold_what_the_library_reads(real_data, name):
    path = next((real_data / "native").glob(name))
    content = path.read_bytes()
    for field, (_, shape, *_) in SD(str(path)).datasets().items():
        chunks = [zlib.decompress(content[offset : offset + length]) for offset, length in streams_of(path, field)]
        if len(shape) == 2:  # in strips of whole rows, the last of which may reach beyond the field
            stored = SD(str(path)).select(field).get()
            found = np.frombuffer(b"".join(chunks), stored.dtype.newbyteorder(">"))
            np.testing.assert_array_equal(found[: stored.size].reshape(stored.shape), stored)


def test_damage_within_a_real_file_is_seen(real_data, tmp_path):
    path = next((real_data / "native").glob("MOD09GA*h14v17*.hdf"))
    offset, length = max(streams_of(path, "SolarZenith_1"), key=lambda chunk: chunk[1])
    bad = overwritten(path, offset + length // 2, tmp_path / "bad.hdf")
    with pytest.raises(DamagedFile, match="bad.hdf: .*fetch it again$"):
        rasters.read_hdf4(bad, "SolarZenith_1")
    rasters.read_hdf4(bad, "SolarAzimuth_1")


@pytest.mark.parametrize(
    ("corner", "degrees"),
    [
        ((-180000000.0, 90000000.0), (-180, 90)),
        ((-22030000.0, 45015036.0), (-22.5, 45.26)),
        ((-22.5, 45.26), (-22.5, 45.26)),
    ],
)
def test_packed_degrees_and_plain_ones_are_understood(tmp_path, corner, degrees):
    text = grid_text(1, "g", (3, 4), ["X"], (corner, (180000000.0, -90000000.0)), projection="GCTP_GEO")
    (grid,) = grids_of(write(tmp_path / "a.hdf", RAW, struct(text)))
    assert grid.transform @ (0, 0) == pytest.approx(degrees) and grid.transform @ (4, 3) == pytest.approx((180, -90))
