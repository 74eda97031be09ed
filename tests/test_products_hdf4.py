"""HDF4-EOS files: where their pixels lie, and what their numbers mean."""

import numpy as np
import pytest
from eos_files import TILE, grid_text, struct, tile_corners, write

from helpers.products import ProductError, hdf4
from helpers.products.registry import Field

FIELD = Field("x", "X", scale=0.1, valid=(0, 100), fill=(255,))
RAW = {"X": (np.arange(12, dtype="uint8").reshape(3, 4), {})}


def grids_of(path):
    with hdf4.opening(path) as file:
        return hdf4.eos_grids(file, path)


def test_the_right_one_of_two_grids_is_taken_even_where_the_text_is_cut_in_two(tmp_path):
    one = grid_text(1, "coarse", (6, 8), ["Y"], tile_corners(18, 8))
    two = grid_text(2, "fine", (3, 4), ["X"], tile_corners(0, 17), origin=False)
    path = write(tmp_path / "a.hdf", RAW, struct(one, two), parts=3)
    with hdf4.opening(path) as file:
        grid = hdf4.grid_of(file, path, FIELD)
    assert (grid.name, grid.rows, grid.columns) == ("fine", 3, 4)
    assert (grid.left, grid.top) == pytest.approx((-18 * TILE, -8 * TILE))
    assert grid.transform @ (4, 3) == pytest.approx((-17 * TILE, -9 * TILE))


def test_two_grids_with_a_field_of_one_name_are_told_apart_by_the_grids_name(tmp_path):
    texts = [grid_text(k, f"g{k}", (3, 4), ["X"], tile_corners(k, 8)) for k in (1, 2)]
    path = write(tmp_path / "a.hdf", RAW, struct(*texts))
    with hdf4.opening(path) as file:
        assert hdf4.grid_of(file, path, Field("x", "X", grid="g2")).left == pytest.approx(-16 * TILE)
        with pytest.raises(ProductError, match=r"'X' on a declared grid, found grids g1, g2 without it"):
            hdf4.grid_of(file, path, Field("x", "X", grid="g3"))


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
    assert (grid.left, grid.top) == pytest.approx(degrees)
    assert (grid.right, grid.bottom) == (180, -90)


def test_a_file_without_grids_has_none(tmp_path):
    assert grids_of(write(tmp_path / "a.hdf", RAW)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("GCTP_SNSOID", "GCTP_LAMAZ", "projection GCTP_LAMAZ; expected GCTP_SNSOID or GCTP_GEO"),
        ("HDFE_GD_UL", "HDFE_GD_LL", "origin HDFE_GD_LL; expected HDFE_GD_UL"),
        ("LowerRightMtrs", "LowerRight", "expected LowerRightMtrs in StructMetadata, found none"),
    ],
)
def test_a_grid_that_cannot_be_placed_is_refused(tmp_path, old, new, message):
    text = struct(grid_text(1, "g", (3, 4), ["X"], tile_corners(1, 8))).replace(old, new)
    with pytest.raises(ProductError, match=f"a.hdf: .*{message}"):
        grids_of(write(tmp_path / "a.hdf", RAW, text))


@pytest.mark.parametrize("stated", [{}, {"scale_factor": 0.1}, {"scale_factor": 10.0}])
def test_a_scale_may_be_a_factor_or_a_divisor(tmp_path, stated):
    stored = np.array([[0, 7, 100, 101, 249, 255]], dtype="uint8")
    values = hdf4.decode(stored, stated, FIELD, tmp_path)
    np.testing.assert_array_equal(values, np.float32([[0, 0.7, 10, np.nan, np.nan, np.nan]]))
    assert values.dtype == np.float32


@pytest.mark.parametrize("stated", [0.01, 1.0, 0.0])
def test_another_scale_is_refused(tmp_path, stated):
    with pytest.raises(ProductError, match=f"'X' with scale 0.1, found {stated:g}"):
        hdf4.decode(RAW["X"][0], {"scale_factor": stated}, FIELD, tmp_path / "a.hdf")


def test_fills_that_only_the_file_knows_are_fills_too(tmp_path):
    values = hdf4.decode(np.array([[1, 2, 3]], "int16"), {"_FillValue": 2}, FIELD, tmp_path)
    assert np.isnan(values).tolist() == [[False, True, False]]


def test_a_missing_field_is_named_with_those_there_are(tmp_path):
    path = write(tmp_path / "a.hdf", RAW)
    with hdf4.opening(path) as file, pytest.raises(ProductError, match=r"a.hdf: expected a field 'Z', found X"):
        hdf4.read_stored(file, path, "Z")


@pytest.mark.parametrize("share", [0.002, 0.2, 0.5, 0.9])
def test_a_file_cut_short_anywhere_is_named(tmp_path, share):
    big = {"X": (np.random.default_rng(1).integers(0, 100, (400, 400), dtype="uint8"), {})}
    path = write(tmp_path / "whole.hdf", big, struct(grid_text(1, "g", (400, 400), ["X"], tile_corners(1, 8))))
    cut = tmp_path / "cut.hdf"
    cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ProductError, match=r"cut.hdf: .*fetch it again") as found, hdf4.opening(cut) as file:
        hdf4.read_stored(file, cut, "X")
        hdf4.eos_grids(file, cut)
    assert "\n" not in str(found.value)


def test_fractions_in_a_product_of_whole_numbers_are_refused():
    """Somebody has scaled or averaged them already: to scale them again would be wrong in silence."""
    field = Field("npp", "Npp_500m", scale=0.0001, valid=(-30000, 32700))
    whole = hdf4.decode(np.array([[5000.0, 32766.0]], "f4"), {}, field, "a.hdf")
    np.testing.assert_allclose(whole, [[0.5, np.nan]])
    with pytest.raises(ProductError, match="a.hdf: expected whole numbers in 'Npp_500m', .* found fractions"):
        hdf4.decode(np.array([[0.5, 32766.0]], "f4"), {}, field, "a.hdf")
