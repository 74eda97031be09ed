"""Output of process models: calendars, parts, units, and the ways in which their files differ."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
from netcdf_files import months, write

from helpers import products
from helpers.products import ProductError, process_models

RATE = 2.0e-8
DAYS = {"standard": (366, 365), "noleap": (365, 365), "360_day": (360, 360)}


def one(folder, name, variable, values=RATE, when=None, **how):
    folder.mkdir(parents=True, exist_ok=True)
    when = when or months(2000, 2001)
    how = {"units": "kg m-2 s-1", "fill": np.float32(-99999)} | how
    return write(folder / name, variable, np.full((len(when), 2, 4), values, "float32"), when, **how)


@pytest.mark.parametrize("calendar", DAYS)
def test_a_year_is_as_long_as_the_models_calendar_makes_it(tmp_path, calendar):
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", calendar=calendar)
    one(tmp_path / "A", "A_S3_rh.nc", "rh", values=3 * RATE, calendar=calendar)
    back = products.read("trendy", products.find("trendy", tmp_path), years=[2000, 2001])
    for year, days in zip((2000, 2001), DAYS[calendar], strict=True):
        np.testing.assert_allclose(back.reco.sel(year=year), 4 * RATE * 86400 * days, rtol=1e-6)
    assert back.attrs["model"] == path.parent.name and back.attrs["stored_as"] == "ra + rh"
    assert back.reco.attrs["units"] == "kg m-2 yr-1" and back.reco.dims == ("year", "lat", "lon")


def test_months_weigh_by_their_length(tmp_path):
    values = np.arange(24, dtype="float32")[:, None, None] * np.float32(1e-9) * np.ones((24, 2, 4), "float32")
    path = one(tmp_path / "A", "A_SG3_Monthly_TotalResp.nc4", "TotalResp", values=values, calendar="noleap")
    back = products.read("mstmip", path, years=[2001]).reco
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    expected = sum(d * 86400 * 1e-9 * (12 + m) for m, d in enumerate(days))
    np.testing.assert_allclose(back.values, expected, rtol=1e-5)


@pytest.mark.parametrize(("calendar", "days"), [("standard", 366), ("noleap", 365), ("360_day", 360)])
def test_one_value_a_year_is_the_mean_rate_of_the_whole_of_it(tmp_path, calendar, days):
    when = [(2000, 7), (2001, 7)]
    path = one(tmp_path / "A", "A_SG3_Annual_TotalResp.nc4", "TotalResp", when=when, calendar=calendar)
    back = products.read("mstmip", path, years=[2000]).reco
    np.testing.assert_allclose(back.values, RATE * 86400 * days, rtol=1e-6)


@pytest.mark.parametrize(
    ("since", "when"),
    [("months since 1700-01-01", months(2000, 2001)), ("years since 1700-01-01", [(2000, 1), (2001, 1)])],
)
def test_time_may_be_counted_in_months_or_years(tmp_path, since, when):
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", when=when, since=since)
    back = products.read("trendy", path, years=[2000, 2001], variables=["ra"]).reco
    np.testing.assert_allclose(back.sel(year=2000), RATE * 86400 * 366, rtol=1e-6)
    np.testing.assert_allclose(back.sel(year=2001), RATE * 86400 * 365, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("kg m-2 s-1", 1),
        ("kgC m-2 s-1", 1),
        ("kg C m-2 s-1", 1),
        ("kg C/m^2/s", 1),
        ("KgC/m2/s", 1),
        ("kg(C) m-2 s-1", 1),
        ("kg m^-2 s^-1", 1),
        ("kg.m-2.s-1", 1),
        ("kg C m**-2 s**-1", 1),
        ("gC m-2 s-1", 1e-3),
        ("g C/m2/s", 1e-3),
        ("mg m-2 h-1", 1e-6 / 3600),
        ("g C m-2 d-1", 1e-3 / 86400),
        ("gC/m2/day", 1e-3 / 86400),
        ("umol m-2 s-1", 12.0107e-9),
        ("µmol CO2 m-2 s-1", 12.0107e-9),
        ("mol m-2 s-1", 12.0107e-3),
    ],
)
def test_units_are_those_of_the_table(tmp_path, units, factor):
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", values=RATE / factor, units=units)
    back = products.read("trendy", path, years=[2001], variable="ra").ra
    np.testing.assert_allclose(back.values, RATE * 86400 * 365, rtol=1e-5)


@pytest.mark.parametrize("calendar", DAYS)
@pytest.mark.parametrize(
    ("units", "monthly", "total"),
    [
        ("g C m-2 month-1", True, 12 * 0.05),
        ("gC/m2/mon", False, 12 * 0.05),
        ("kg m-2 yr-1", True, 50),
        ("gC m-2 year-1", False, 0.05),
    ],
)
def test_a_rate_by_months_or_years_means_those_of_its_step(tmp_path, calendar, units, monthly, total):
    when = months(2000, 2001) if monthly else [(2000, 7), (2001, 7)]
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", values=50, units=units, when=when, calendar=calendar)
    back = products.read("trendy", path, years=[2000, 2001], variable="ra").ra
    np.testing.assert_allclose(back.values, total, rtol=1e-6)


@pytest.mark.parametrize("units", ["kg m-2", "kg s-1", "", "kgCO2 m-2 s-1", "kg m-2 fortnight-1", "W m-2"])
def test_other_units_are_refused(tmp_path, units):
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", units=units)
    with pytest.raises(
        ProductError, match=r"A_S3_ra\.nc: expected ra in units such as kg m-2 s-1, .* of carbon, found '"
    ):
        products.read("trendy", path, years=[2001], variable="ra")


def test_a_unit_that_cannot_be_the_files_own_is_refused(tmp_path):
    values = 1e3 * RATE * np.random.default_rng(0).uniform(0.5, 1, (24, 2, 4))
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", values=values)  # grams that say they are kilograms
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected ra from -5e-06 to 5e-06, found .* in other units"):
        products.read("trendy", path, years=[2001], variable="ra")


def test_a_year_without_any_value_is_refused(tmp_path):
    values = np.full((24, 2, 4), RATE)
    values[12:] = -99999
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", values=values)
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected values of ra in 2001, found none in any cell"):
        products.read("trendy", path, years=[2000, 2001], variable="ra")


def test_cells_without_a_value_in_one_part_have_none(tmp_path):
    values = np.full((24, 2, 4), RATE, "float32")
    values[:, 0, 0], values[5, 0, 1], values[:, 0, 2] = -99999, -99999, 1e20  # the last: a fill that is not declared
    one(tmp_path / "A", "A_S3_ra.nc", "ra", values=values)
    one(tmp_path / "A", "A_S3_rh.nc", "rh")
    back = products.read("trendy", products.find("trendy", tmp_path), years=[2000]).reco.isel(year=0)
    assert np.isnan(back.sel(lat=-45)).values.tolist() == [True, True, True, False]
    assert np.isfinite(back.sel(lat=45)).all()


def test_longitudes_to_360_and_years_in_files_of_their_own(tmp_path):
    east = np.array([45.0, 135.0, 225.0, 315.0])
    for year in (2000, 2001):
        values = np.full((12, 2, 4), RATE, "float32")
        values[:, :, 2] *= year - 1999
        one(tmp_path / "A", f"A_S3_ra_{year}.nc", "ra", values=values, when=months(year, year), lon=east)
    back = products.read("trendy", products.find("trendy", tmp_path), years=[2000, 2001], variables=["ra"]).reco
    assert back.lon.values.tolist() == [-135, -45, 45, 135]
    np.testing.assert_allclose(back.sel(year=2001)[:, 0] / back.sel(year=2001)[:, 1], 2, rtol=1e-6)


@pytest.mark.parametrize("layout", ["{}", "{}/S3", "v9/S3"])
def test_several_models_are_told_apart_by_their_names_in_any_layout(tmp_path, layout):
    home = tmp_path / "trendy"
    for name in ("A", "B-2"):
        one(home / layout.format(name), f"{name}_S3_ra.nc", "ra")
        one(home / layout.format(name), f"{name.lower()}_S3_rh.nc", "rh", values=RATE if name == "A" else 2 * RATE)
    paths = products.find("trendy", tmp_path)
    assert {name: len(files) for name, files in process_models.models(products.product("trendy"), paths).items()} == {
        "A": 2,
        "B-2": 2,
    }
    with pytest.raises(ProductError, match="trendy: expected model to be one of A, B-2, found None"):
        products.read("trendy", paths, years=[2001])
    ratio = (
        products.read("trendy", paths, years=[2001], model="B-2").reco
        / products.read("trendy", paths, years=[2001], model="A").reco
    )
    np.testing.assert_allclose(ratio, 1.5, rtol=1e-6)


def test_parts_of_different_models_never_add(tmp_path):
    """By their names, or by what the files themselves say."""
    one(tmp_path / "trendy" / "A", "A_S3_ra.nc", "ra")
    one(tmp_path / "trendy" / "A", "B_S3_rh.nc", "rh")
    with pytest.raises(ProductError, match="expected model to be one of A, B, found None"):
        products.read("trendy", tmp_path, years=[2001])
    with pytest.raises(ProductError, match="ra"):
        products.read("trendy", tmp_path, years=[2001], model="A")
    for name, says in (("ra", "JULES-ES"), ("rh", "CLM5.0")):
        one(tmp_path / "C", f"C_S3_{name}.nc", name)
        with netCDF4.Dataset(tmp_path / "C" / f"C_S3_{name}.nc", "a") as file:
            file.source_id = says
    with pytest.raises(
        ProductError, match=r"C_S3_rh\.nc: expected source_id 'JULES-ES', as C_S3_ra\.nc tells, found 'CL"
    ):
        products.read("trendy", tmp_path / "C", years=[2001])


def test_one_model_in_two_folders_is_not_two_models(tmp_path):
    for folder in ("A", "B"):
        one(tmp_path / folder, "X_S3_ra.nc", "ra")
    with pytest.raises(ProductError, match=r"B/X_S3_ra\.nc: holds 2000-01 of ra, which .*A/X_S3_ra\.nc holds too"):
        products.read("trendy", tmp_path, years=[2001], variable="ra")


def test_files_side_by_side_go_by_their_names(tmp_path):
    for name in ("CLM5.0", "JULES-ES"):
        one(tmp_path / "trendy", f"{name}_S3_rh.nc", "rh")
    paths = products.find("trendy", tmp_path)
    assert set(process_models.models(products.product("trendy"), paths)) == {"CLM5.0", "JULES-ES"}


def test_two_experiments_are_refused(tmp_path):
    for experiment in ("S2", "S3"):
        one(tmp_path / "A", f"A_{experiment}_ra.nc", "ra")
    with pytest.raises(
        ProductError, match=r"one experiment, found S2 \(A_S2_ra\.nc\), S3 \(A_S3_ra\.nc\); keep one, or pass exp"
    ):
        products.read("trendy", products.find("trendy", tmp_path), years=[2001])


def test_half_of_the_respiration_is_not_enough(tmp_path):
    one(tmp_path / "A", "A_S3_ra.nc", "ra")
    expected = (
        r"expected TotalResp or AutoResp \+ HeteroResp or ra \+ rh or .* or gpp - npp \+ rh, found ra; variable='ra'"
    )
    with pytest.raises(ProductError, match=expected):
        products.read("trendy", products.find("trendy", tmp_path), years=[2001])


def test_a_missing_month_or_year_is_named(tmp_path):
    path = one(tmp_path / "A", "A_S3_ra.nc", "ra", when=months(2000, 2001)[:23])
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: ra 2001 lacks 2001-12"):
        products.read("trendy", path, years=[2001], variables=["ra"])
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected ra of 2005, found 2000 to 2001; check years"):
        products.read("trendy", path, years=[2000, 2005], variables=["ra"])


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_parts_meet_on_the_same_cells_of_any_precision(tmp_path, kind):
    lat, lon = np.round(np.arange(10.05, 11, 0.1), 2), np.round(np.arange(20.05, 20.6, 0.1), 2)
    values = np.full((24, lat.size, lon.size), RATE, "f4")
    for name, precision, order in (("ra", "f4", 1), ("rh", kind, -1)):
        path = tmp_path / f"A_S3_{name}.nc"
        write(path, name, values, months(2000, 2001), lat=lat, lon=lon, units="kg m-2 s-1")
        time, cells = xr.load_dataset(path), {"lat": lat.astype(precision), "lon": lon.astype(precision)}
        time.assign_coords(cells).isel(lat=slice(None, None, order)).to_netcdf(path, mode="w")
    back = products.read("trendy", tmp_path, years=[2000]).reco
    assert back.shape == (1, lat.size, lon.size) and back.notnull().all()


def test_counted_months_are_as_long_as_the_calendar_says(tmp_path):
    for calendar, days in (("noleap", 365), ("360_day", 360), ("standard", 366)):
        one(tmp_path / calendar, "A_S3_ra.nc", "ra", since="months since 2000-01-01", calendar=calendar)
        back = products.read("trendy", tmp_path / calendar, years=[2000], variable="ra").ra
        np.testing.assert_allclose(back, RATE * 86400 * days, rtol=1e-6)


def test_years_stamped_a_step_late_are_refused(tmp_path):
    """Yearly steps whose first stamp is a year after the date that time is counted from may be ends."""
    one(tmp_path, "A_S3_ra.nc", "ra", when=[(2000, 1), (2001, 1), (2002, 1)])
    with netCDF4.Dataset(tmp_path / "A_S3_ra.nc", "a") as file:
        file["time"].units, file["time"].calendar = "days since 1999-01-01", "noleap"
        file["time"][:] = [365, 730, 1095]
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected bounds of its time axis, found none"):
        products.read("trendy", tmp_path, years=[2000], variable="ra")


@pytest.mark.parametrize(
    ("units", "times"),
    [
        ("years since 1999-01-01", [1, 2, 3]),
        ("year as %Y.%f", [2000.5, 2001.5, 2002.5]),
        ("years since 1999-07-01", [1, 2, 3]),
    ],
)
def test_numbers_that_name_years_are_these(tmp_path, units, times):
    one(tmp_path, "A_S3_ra.nc", "ra", when=[(2000, 1), (2001, 1), (2002, 1)])
    with netCDF4.Dataset(tmp_path / "A_S3_ra.nc", "a") as file:
        file["time"].units, file["time"].calendar = units, "noleap"
        file["time"][:] = times
        file["ra"][:] = RATE * np.arange(1, 4)[:, None, None]
    back = products.read("trendy", tmp_path, years=[2000, 2001, 2002], variable="ra").ra
    np.testing.assert_allclose(back[:, 0, 0], RATE * np.arange(1, 4) * 365 * 86400, rtol=1e-6)


def test_common_years_are_years(tmp_path):
    one(tmp_path, "A_S3_ra.nc", "ra", since="years since 1999-01-01", when=[(2000, 1), (2001, 1)])
    with netCDF4.Dataset(tmp_path / "A_S3_ra.nc", "a") as file:
        file["time"].units, file["time"].calendar = "common_years since 1999-01-01", "noleap"
        file["time"][:] = [1.5, 2.5]
    back = products.read("trendy", tmp_path, years=[2000, 2001], variable="ra").ra
    np.testing.assert_allclose(back, RATE * 365 * 86400, rtol=1e-6)


def test_files_of_one_variable_are_of_one_model_and_member(tmp_path):
    for year, says in ((2000, "r1i1p1f1"), (2001, "r9i1p1f1")):
        one(tmp_path, f"A_S3_ra_{year}.nc", "ra", when=months(year, year), attributes={"variant_label": says})
    with pytest.raises(ProductError, match=r"A_S3_ra_2001\.nc: expected variant_label 'r1i1p1f1', as A_S3_ra_2000\.nc"):
        products.read("trendy", tmp_path, years=[2000], variable="ra")


@pytest.mark.parametrize("scale", [0.0, np.nan, [1.0, 2.0]])
def test_a_scale_that_is_none_is_refused(tmp_path, scale):
    one(tmp_path, "A_S3_ra.nc", "ra")
    with netCDF4.Dataset(tmp_path / "A_S3_ra.nc", "a") as file:
        file["ra"].scale_factor = scale
    with pytest.raises(ProductError, match="expected scale_factor of ra to be one number, and no zero"):
        products.read("trendy", tmp_path, years=[2000], variable="ra")


def test_parts_stamped_by_ends_and_by_beginnings_never_add(tmp_path):
    """Of one part the last month is cut, so that its stamps would be read as beginnings, a month late."""
    for name, last in (("ra", 24), ("rh", 23)):
        one(tmp_path, f"A_S3_{name}.nc", name, when=months(2000, 2001)[:last], ends=True)
        with netCDF4.Dataset(tmp_path / f"A_S3_{name}.nc", "a") as file:
            file["time"].delncattr("bounds")
            file.renameVariable("time_bounds", "other")
    with pytest.raises(ProductError, match=r"A_S3_rh\.nc: expected .*(bounds|stamped)"):
        products.read("trendy", tmp_path, years=[2000])
