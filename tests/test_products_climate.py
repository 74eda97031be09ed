"""CRU TS and SPEI from small files with known numbers: a year's rule, units, versions, scales, and single places."""

import calendar
import gzip

import numpy as np
import pytest
from netcdf_files import FILL, months, write

from helpers import products
from helpers.products import ProductError

# --- CRU TS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def numbers():
    """Two years of months (24, 2, 4), one cell without values, one that lacks a single month."""
    values = np.random.default_rng(3).uniform(0.5, 45, (24, 2, 4)).astype("float32")
    values[:, 0, 0] = FILL
    values[14, 1, 3] = FILL
    return values


def cru(folder, stored, values, when=None, **how):
    return write(folder / f"cru_ts4.05.1901.2020.{stored}.dat.nc", stored, values, when or months(2000, 2001), **how)


def expected(values, year, weights):
    """Sum months times weights by a plain loop, north up; NaN where any month is missing."""
    block = values[12 * (year - 2000) :][:12].astype("float64")
    out = np.full((2, 4), np.nan)
    for i in range(2):
        for j in range(4):
            if (block[:, i, j] < 1e30).all():
                out[1 - i, j] = sum(w * v for w, v in zip(weights, block[:, i, j], strict=True))
    return out


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("product", "stored", "name", "units", "rule"),
    [
        ("cru_tmp", "tmp", "mat", "degC", lambda d: np.array(d) / sum(d)),
        ("cru_pre", "pre", "map", "mm yr-1", lambda d: [1] * 12),
        ("cru_pet", "pet", "pet", "mm yr-1", lambda d: d),
    ],
)
def test_a_year_of_climate(tmp_path, numbers, product, stored, name, units, rule, packed):
    path = cru(tmp_path, stored, numbers)
    if packed:
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    back = products.read(product, products.find(product, tmp_path), years=[2001, 2000])
    assert back.year.values.tolist() == [2001, 2000]
    for year in (2000, 2001):
        weights = rule([calendar.monthrange(year, month)[1] for month in range(1, 13)])
        np.testing.assert_allclose(back[name].sel(year=year), expected(numbers, year, weights), rtol=1e-6)
    assert back[name].attrs["units"] == units and back.lat.values.tolist() == [45, -45]
    assert back.attrs["product_version"] == "4.05" and "4.05" in back[name].attrs["source"]


def test_months_of_evapotranspiration_are_sums(tmp_path, numbers):
    back = products.read("cru_pet", cru(tmp_path, "pet", numbers), years=[2000, 2001], monthly=True).pet
    assert back.attrs["units"] == "mm month-1" and back.sizes["time"] == 24
    np.testing.assert_allclose(back.values[[1, 13], 0, 1], np.array([29, 28]) * numbers[[1, 13], 1, 1], rtol=1e-6)
    assert np.isnan(back.values[14, 0, 3]) and np.isnan(back.values[:, 1, 0]).all()


def test_missing_months_are_named(tmp_path, numbers):
    path = cru(tmp_path, "pre", numbers[:22], months(2000, 2001)[:22])
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: cru_pre 2001 lacks 2001-11, 2001-12; .*allow_partial=True"):
        products.read("cru_pre", path, years=[2000, 2001])
    back = products.read("cru_pre", path, years=[2000, 2001], allow_partial=True)
    np.testing.assert_allclose(back["map"].values[1, 0, 1], numbers[12:22, 1, 1].sum(), rtol=1e-6)
    assert back.attrs["incomplete_years"] == "2001 (10 of 12 months)"
    assert "incomplete_years" not in products.read("cru_pre", path, years=[2000]).attrs
    with pytest.raises(ProductError, match=r"pre\.dat\.nc: expected cru_pre of 1999, found 2000 to 2001"):
        products.read("cru_pre", path, years=[1999])


def test_other_units_and_selections_are_refused(tmp_path, numbers):
    for stored, units, shift, message in (
        ("tmp", "K", 273.15, "expected tmp in degrees Celsius, found 'K'"),
        ("tmp", "", 273.15, "expected tmp from -90 to 60, found 273.* is it another quantity, or in other"),
        ("pre", "mm/day", 0, "expected pre in mm/month, found 'mm/day'"),
    ):
        path = cru(tmp_path, stored, np.where(numbers == FILL, FILL, numbers + np.float32(shift)), units=units)
        with pytest.raises(ProductError, match=rf"{stored}\.dat\.nc: {message}"):
            products.read(f"cru_{stored}", path, years=[2000])
    with pytest.raises(ProductError, match="cru_pre: selection 'scales' is unknown; known are years, monthly"):
        products.read("cru_pre", path, years=[2000], scales=[12])


# --- SPEIbase --------------------------------------------------------------------------------------------------------


def spei_files(folder, attributes, scales=(12, 24, 36)):
    values = {}
    for scale in scales:
        stored = np.random.default_rng(scale).normal(size=(24, 2, 4)).astype("float32")
        stored[:, 0, 0], stored[11, 1, 1] = 1e30, np.nan
        how = {"fill": np.float32(1e30), "attributes": attributes}
        write(folder / f"spei{scale}.nc", "spei", stored, months(2000, 2001), **how)
        values[scale] = np.where(stored > 1e29, np.nan, stored)[:, ::-1]
    return values


def test_december_is_taken_of_each_scale(tmp_path):
    stored = spei_files(tmp_path, {"version": "2.7", "summary": "… Using CRU TS 4.05 precipitation and …"})
    back = products.read("spei", products.find("spei", tmp_path), years=[2000, 2001])
    assert set(back) == {"spei12", "spei24", "spei36"} and back.spei24.attrs["units"] == "1"
    for scale, values in stored.items():
        np.testing.assert_array_equal(back[f"spei{scale}"].values, values[[11, 23]])
    assert (back.attrs["product_version"], back.attrs["rests_on"]) == ("2.7", "4.05")


@pytest.mark.parametrize(
    ("name", "attributes", "version", "rests_on"),
    [
        ("spei12.nc", {"version": "2.9.0", "summary": "Using CRU TS 4.07 precipitation"}, "2.9", "4.07"),
        ("spei12.nc", {"summary": "Using CRU TS 4.03 precipitation and …"}, "2.6", "4.03"),
        ("spei12.nc", {"version": "2.10.0"}, "2.10", "4.08"),
        ("spei12_v2.9.nc", {}, "2.9", "4.07"),
    ],
)
def test_files_tell_their_version_and_the_climate_below(tmp_path, name, attributes, version, rests_on):
    write(tmp_path / name, "spei", np.zeros((12, 2, 4), "f4"), months(2000, 2000), attributes=attributes)
    back = products.read("spei", tmp_path, years=[2000])
    assert (back.attrs["product_version"], back.attrs["rests_on"]) == (version, rests_on)


def test_files_of_two_versions_or_of_one_scale_are_refused(tmp_path):
    spei_files(tmp_path, {"version": "2.6"}, scales=(12,))
    spei_files(tmp_path, {"version": "2.7"}, scales=(24,))
    with pytest.raises(ProductError, match=r"of one version, found spei12\.nc of 2\.6, spei24\.nc of 2\.7; keep one"):
        products.read("spei", tmp_path, years=[2000])
    write(tmp_path / "spei_12.nc", "spei", np.zeros((12, 2, 4), "f4"), months(2000, 2000))
    with pytest.raises(ProductError, match=r"SPEI over 12 months once, found spei12\.nc and spei_12\.nc; keep"):
        products.read("spei", tmp_path, years=[2000])


@pytest.mark.parametrize(
    ("name", "scale"),
    [("SPEI_06_1901_2020.nc", 6), ("spei49.nc", None), ("spei12.csv", None)],
)
def test_any_scale_and_name_in_use_is_read_and_no_other(tmp_path, name, scale):
    stored = np.random.default_rng(1).normal(size=(24, 2, 4)).astype("float32")
    write(tmp_path / name, "spei", stored, months(2000, 2001))
    if scale is None:
        with pytest.raises(FileNotFoundError, match=r"expected files named like spei12\.nc, found none"):
            products.find("spei", tmp_path)
    else:
        values = products.read("spei", products.find("spei", tmp_path), years=[2001])[f"spei{scale}"]
        np.testing.assert_array_equal(values[0, ::-1], stored[23])
        assert values.attrs["long_name"] == f"drought index SPEI over the {scale} months to December"


def test_only_the_scales_that_are_asked_for_are_read(tmp_path):
    spei_files(tmp_path, {}, scales=(1, 12, 24))
    (tmp_path / "spei24.nc").write_bytes(b"damaged")
    assert list(products.read("spei", tmp_path, years=[2000], scales=[12, 1])) == ["spei1", "spei12"]
    with pytest.raises(ProductError, match="expected SPEI over 36 months once, found SPEI over 1, 12, 24 months"):
        products.read("spei", tmp_path, years=[2000], scales=[12, 36])
