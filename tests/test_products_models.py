"""Process models: which files make which flux of which model, calendars, units, and what never adds."""

import calendar

import netCDF4
import numpy as np
import pytest
import xarray as xr
from netcdf_files import months, write

from helpers import products
from helpers.products import ProductError, configured

RATE = 2.0e-8
YEAR = 365 * 86400


def one(folder, name, variable, values=RATE, when=None, **how):
    folder.mkdir(parents=True, exist_ok=True)
    when = when or months(2000, 2001)
    how = {"units": "kg m-2 s-1", "fill": np.float32(-99999), "calendar": "noleap"} | how
    return write(folder / name, variable, np.full((len(when), 2, 4), values, "float32"), when, **how)


def cmip6(folder, variable, rate, *, member="r1i1p1f1", experiment="historical", grid="gn", when=None):
    when = when or months(2000, 2001)
    span = "-".join(f"{year}{month:02d}" for year, month in (when[0], when[-1]))
    one(folder, f"{variable}_Lmon_UKESM1-0-LL_{experiment}_{member}_{grid}_{span}.nc", variable, rate, when)


def read(path, product="trendy", years=(2001,), **how):
    ds = products.read(product, path, years=years, **how)
    return ds[how.get("variable", "reco")]


# --- time and units --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calendar", "days"), [("standard", (366, 365)), ("noleap", (365, 365)), ("360_day", (360,) * 2)]
)
@pytest.mark.parametrize("since", ["days since 1900-1-1", "months since 1700-01-01", "years since 1700-01-01"])
def test_a_year_is_as_long_as_the_models_calendar_makes_it(tmp_path, calendar, days, since):
    when = [(2000, 1), (2001, 1)] if since.startswith("years") else None
    one(tmp_path, "A_S3_ra.nc", "ra", when=when, since=since, calendar=calendar)
    one(tmp_path, "A_S3_rh.nc", "rh", values=3 * RATE, when=when, since=since, calendar=calendar)
    back = products.read("trendy", tmp_path, years=[2000, 2001])
    np.testing.assert_allclose(back.reco[:, 0, 0], 4 * RATE * 86400 * np.array(days), rtol=1e-6)
    assert back.attrs["model"] == "A" and back.attrs["stored_as"] == "ra + rh"
    assert back.reco.attrs["units"] == "kg m-2 yr-1" and back.reco.dims == ("year", "lat", "lon")


def test_months_weigh_by_their_length(tmp_path):
    values = np.arange(24, dtype="float32")[:, None, None] * np.float32(1e-9) * np.ones((24, 2, 4), "float32")
    path = one(tmp_path, "A_SG3_Monthly_TotalResp.nc4", "TotalResp", values=values)
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    expected = sum(d * 86400 * 1e-9 * (12 + m) for m, d in enumerate(days))
    np.testing.assert_allclose(read(path, "mstmip"), expected, rtol=1e-5)


def test_years_stamped_a_step_late_are_refused(tmp_path):
    """Yearly steps whose first stamp is a year after the date that time is counted from may be ends."""
    path = one(tmp_path, "A_S3_ra.nc", "ra", when=[(2000, 1), (2001, 1), (2002, 1)])
    with netCDF4.Dataset(path, "a") as file:
        file["time"].units, file["time"][:] = "days since 1999-01-01", [365, 730, 1095]
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected bounds of its times, found none"):
        read(path, variable="ra")


@pytest.mark.parametrize(
    ("name", "when", "seconds"),
    [
        ("A_S3_Annual_rh.nc", [(2001, 7)], YEAR),
        ("A_S3_rh.nc", [(2001, 12), (2002, 1)], "rh 2001 lacks 2001-01, 2001-02, .*; take another year"),
        ("A_S3_rh.nc", [(2001, 7)], r"A_S3_rh\.nc: expected rh by months or years, found one step"),
    ],
)
def test_one_step_in_a_year_is_not_taken_for_the_year_unless_it_is(tmp_path, name, when, seconds):
    path = one(tmp_path, name, "rh", when=when)
    if isinstance(seconds, str):
        with pytest.raises(ProductError, match=seconds):
            read(path, variable="rh")
    else:
        np.testing.assert_allclose(read(path, variable="rh"), RATE * seconds, rtol=1e-5)


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("kg C/m^2/s", 1),
        ("kg C m**-2 s**-1", 1),
        ("mg m-2 h-1", 1e-6 / 3600),
        ("µmol CO2 m-2 s-1", 12.0107e-9),
        ("mol m-2 s-1", 12.0107e-3),
    ],
)
def test_units_are_those_of_the_table(tmp_path, units, factor):
    path = one(tmp_path, "A_S3_ra.nc", "ra", values=RATE / factor, units=units)
    np.testing.assert_allclose(read(path, variable="ra"), RATE * YEAR, rtol=1e-5)


@pytest.mark.parametrize(
    ("units", "monthly", "total"),
    [
        ("g C m-2 month-1", True, 12 * 0.05),
        ("gC m-2 year-1", False, 0.05),
    ],
)
def test_a_rate_by_months_or_years_means_those_of_its_step(tmp_path, units, monthly, total):
    when = months(2000, 2001) if monthly else [(2000, 7), (2001, 7)]
    path = one(tmp_path, "A_S3_ra.nc", "ra", values=50, units=units, when=when, calendar="360_day")
    np.testing.assert_allclose(read(path, years=[2000, 2001], variable="ra"), total, rtol=1e-6)


def test_other_units_are_refused_also_where_only_the_numbers_tell(tmp_path):
    for units in ("kg m-2", "", "kgCO2 m-2 s-1", "kg m-2 fortnight-1"):
        path = one(tmp_path, "A_S3_ra.nc", "ra", units=units)
        with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected ra in units such as .* of carbon, found '"):
            read(path, variable="ra")
    values = 1e3 * RATE * np.random.default_rng(0).uniform(0.5, 1, (24, 2, 4))
    path = one(tmp_path, "A_S3_ra.nc", "ra", values=values)  # grams that say they are kilograms
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected ra from -5e-06 to 5e-06, found .* in other units"):
        read(path, variable="ra")


# --- which variables make a flux -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "variable", "total", "written"),
    [
        ({"TotalResp": 5e-8}, "reco", 5e-8, "TotalResp"),
        ({"AutoResp": 3e-8, "HeteroResp": 1e-8}, "reco", 4e-8, "AutoResp + HeteroResp"),
        ({"GPP": 7e-8, "NPP": 4e-8, "HeteroResp": 2e-8}, "reco", 5e-8, "GPP - NPP + HeteroResp"),
        ({"gpp": 7e-8, "npp": 4e-8, "ra": 3e-8, "rh": 1e-8}, "reco", 4e-8, "ra + rh"),
        ({"gpp": 7e-8, "npp": 3e-8, "rh": 2e-8}, "ra", 4e-8, "gpp - npp"),
        ({"gpp": 7e-8, "npp": 3e-8, "rh": 2e-8}, "npp", 3e-8, "npp"),
    ],
)
def test_a_flux_is_made_of_what_there_is(tmp_path, stored, variable, total, written):
    for name, rate in stored.items():
        one(tmp_path, f"A_S3_{name}.nc", name, rate)
    back = products.read("trendy", tmp_path, years=[2001], variable=variable)
    np.testing.assert_allclose(back[variable], total * YEAR, rtol=1e-5)
    assert back.attrs["stored_as"] == written and back[variable].attrs["units"] == "kg m-2 yr-1"


def test_what_does_not_make_the_flux_is_refused(tmp_path):
    path = one(tmp_path, "A_S3_ra.nc", "ra")
    with pytest.raises(ProductError, match=r"expected TotalResp or .* gpp - npp \+ rh, found ra; .*products\.yml"):
        read(tmp_path)
    with pytest.raises(ProductError, match="expected variable to be one of reco, ra, rh, gpp, npp, found 'nbp'"):
        read(tmp_path, variable="nbp")
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("ra", "other")
        for dim, size in (("vegtype", 3), ("level", 1)):  # a dimension of one is none
            file.createDimension(dim, size)
        file.createVariable("ra", "f4", ("time", "vegtype", "level", "lat", "lon"))
    with pytest.raises(ProductError, match=r"A_S3_ra\.nc: expected ra on time, lat, lon, found .*vegtype \(3\), lat"):
        read(path, variable="ra")


# --- which files belong together -------------------------------------------------------------------------------------


def test_cells_without_a_value_in_one_part_have_none(tmp_path):
    values = np.full((24, 2, 4), RATE, "float32")
    values[:, 0, 0], values[5, 0, 1], values[:, 0, 2] = -99999, -99999, 1e20  # the last: a fill that is not declared
    one(tmp_path, "A_S3_ra.nc", "ra", values=values)
    one(tmp_path, "A_S3_rh.nc", "rh")
    back = read(tmp_path, years=[2000]).isel(year=0)
    assert np.isnan(back).values.tolist() == [[False] * 4, [True, True, True, False]]


def test_parts_meet_on_the_same_cells_of_any_precision_and_order(tmp_path):
    lat, lon = np.round(np.arange(10.05, 11, 0.1), 2), np.round(np.arange(20.05, 20.6, 0.1), 2)
    for name, precision, order in (("ra", "f4", 1), ("rh", "f8", -1)):
        path = tmp_path / f"A_S3_{name}.nc"
        values = np.full((24, lat.size, lon.size), RATE, "f4")
        write(path, name, values, months(2000, 2001), lat=lat, lon=lon, units="kg m-2 s-1")
        cells = {"lat": lat.astype(precision), "lon": lon.astype(precision)}
        xr.load_dataset(path).assign_coords(cells).isel(lat=slice(None, None, order)).to_netcdf(path, mode="w")
    back = read(tmp_path)
    assert back.shape == (1, lat.size, lon.size) and back.notnull().all()
    one(tmp_path, "A_S3_rh.nc", "rh")
    with pytest.raises(ValueError, match=r"A_S3_rh\.nc: rh: expected the lat of .*A_S3_ra\.nc: ra, 10 labels"):
        read(tmp_path)


@pytest.mark.parametrize("layout", ["{}/S3", "v9/S3"])
def test_models_are_told_apart_by_their_names_in_any_layout(tmp_path, layout):
    for name, rate in (("A", 1), ("B-2.0", 2)):
        folder = tmp_path / "trendy" / layout.format(name)
        one(folder, f"{name}_S3_ra.nc", "ra")
        one(folder, f"{name.lower()}_S3_rh.nc", "rh", values=rate * RATE)
    assert configured(tmp_path) == {"A": "trendy", "B-2.0": "trendy"}
    with pytest.raises(ProductError, match=r"trendy: expected model to be one of A, B-2\.0, found None"):
        read(tmp_path)
    np.testing.assert_allclose(read(tmp_path, model="B-2.0") / read(tmp_path, model="A"), 1.5, rtol=1e-6)


def test_parts_of_different_models_or_members_never_add(tmp_path):
    """By their names, or by what the files themselves say."""
    one(tmp_path / "two", "A_S3_ra.nc", "ra")
    one(tmp_path / "two", "B_S3_rh.nc", "rh")
    with pytest.raises(ProductError, match="expected model to be one of A, B, found None"):
        read(tmp_path / "two")
    with pytest.raises(ProductError, match="found ra; "):
        read(tmp_path / "two", model="A")
    for name, says in (("ra", "JULES-ES"), ("rh", "CLM5.0")):
        one(tmp_path / "C", f"C_S3_{name}.nc", name, attributes={"source_id": says})
    with pytest.raises(ProductError, match=r"C_S3_rh\.nc: expected source_id 'JULES-ES', as C_S3_ra\.nc tells, found"):
        read(tmp_path / "C")
    for year, says in ((2000, "r1i1p1f1"), (2001, "r9i1p1f1")):
        how = {"when": months(year, year), "attributes": {"variant_label": says}}
        one(tmp_path / "D", f"D_S3_ra_{year}.nc", "ra", **how)
    with pytest.raises(ProductError, match=r"D_S3_ra_2001\.nc: expected variant_label 'r1i1p1f1', as D_S3_ra_2000\.nc"):
        read(tmp_path / "D", variable="ra")


def test_parts_stamped_by_ends_and_by_beginnings_never_add(tmp_path):
    """Of one part the last month is cut, so that its stamps would be read as beginnings, a month late."""
    for name, last in (("ra", 24), ("rh", 23)):
        path = one(tmp_path, f"A_S3_{name}.nc", name, when=months(2000, 2001)[:last], ends=True)
        with netCDF4.Dataset(path, "a") as file:
            file["time"].delncattr("bounds")
            file.renameVariable("time_bounds", "other")
    with pytest.raises(ProductError, match=r"A_S3_rh\.nc: expected .*(bounds|stamped)"):
        read(tmp_path, years=[2000])


def test_several_runs_are_refused_by_name(tmp_path):
    cmip6(tmp_path, "rh", 1e-8)
    cmip6(tmp_path, "rh", 2e-8, member="r2i1p1f1")
    with pytest.raises(ProductError, match=r"one member, found r1i1p1f1 \(rh_.*\), r2i1p1f1 \(rh_.*\); give the files"):
        read(tmp_path, "cmip6", variable="rh")
    (path,) = tmp_path.glob("*_r2i1p1f1_*")
    np.testing.assert_allclose(read(path, "cmip6", variable="rh"), 2e-8 * YEAR, rtol=1e-5)


def test_experiments_that_follow_each_other_may_be_joined(tmp_path):
    cmip6(tmp_path, "rh", 1e-8, when=months(2013, 2014))
    cmip6(tmp_path, "rh", 2e-8, experiment="ssp585", when=months(2015, 2016))
    wanted = ["historical", "ssp585"]
    back = products.read("cmip6", tmp_path, years=[2014, 2015], variable="rh", experiment=wanted)
    np.testing.assert_allclose(back.rh[:, 0, 0], np.array([1e-8, 2e-8]) * YEAR, rtol=1e-5)
    assert back.attrs["product_version"] == "historical ssp585 r1i1p1f1 gn"
    np.testing.assert_allclose(read(tmp_path, "cmip6", (2016,), variable="rh", experiment="ssp585"), 2e-8 * YEAR)
    with pytest.raises(ProductError, match="expected experiment 'x', found historical, ssp585; correct experiment"):
        read(tmp_path, "cmip6", variable="rh", experiment="x")


def test_years_that_one_part_lacks_are_left_out_only_when_told(tmp_path):
    one(tmp_path, "A_S3_ra.nc", "ra")
    one(tmp_path, "A_S3_rh.nc", "rh", when=months(2001, 2002))
    with pytest.raises(ProductError, match=r"A_S3_rh\.nc: expected rh of 2000, found 2001 to 2002"):
        read(tmp_path, years=[2000, 2001])
    assert read(tmp_path, years=[2000, 2001], allow_missing=True).year.values.tolist() == [2001]
    with pytest.raises(ProductError, match="expected ra of 2002, found 2000 to 2001"):
        read(tmp_path, years=[2002], allow_missing=True)


def test_a_real_cmip6_file_reads_as_production(real_data):
    (path,) = (real_data / "native").glob("gpp_Lmon_ACCESS*.nc")
    back = products.read("cmip6", path, years=[2000, 2004, 2014], variable="gpp")
    with netCDF4.Dataset(path) as file:
        stamps = netCDF4.num2date(file["time"][:], file["time"].units, file["time"].calendar)
        order = np.argsort((file["lon"][:] + 180) % 360)
        for year in (2000, 2004, 2014):
            rate = file["gpp"][[t.year == year for t in stamps]].filled(np.nan).astype("float64")
            seconds = 86400 * np.array([calendar.monthrange(year, m)[1] for m in range(1, 13)])
            north_up = slice(None, None, -1) if file["lat"][0] < file["lat"][-1] else slice(None)
            expected = (rate * seconds[:, None, None]).sum(axis=0)[north_up][:, order]
            np.testing.assert_allclose(back.gpp.sel(year=year).values, expected, rtol=1e-5)
        np.testing.assert_allclose(back.lon.values, np.sort((file["lon"][:] + 180) % 360 - 180))
    assert np.isfinite(back.gpp.values).any()
    assert (back.attrs["model"], back.attrs["product"]) == ("ACCESS-ESM1-5", "cmip6")
    with pytest.raises(ProductError, match=r"gpp_Lmon.*: expected gpp of 2015, found 2000 to 2014"):
        products.read("cmip6", path, years=[2015], variable="gpp")


# --- which models a run compares with --------------------------------------------------------------------------------


@pytest.fixture
def native(tmp_path):
    for name in ("mstmip/B/B_SG3_Monthly_TotalResp.nc4", "mstmip/A/A_SG3_Monthly_ra.nc4", "trendy/C/C_S3_ra.nc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    return tmp_path


def test_models_of_the_folder_or_those_named(native, tmp_path_factory):
    assert configured(native) == {"A": "mstmip", "B": "mstmip", "C": "trendy"}
    assert list(configured(native, {"trendy": ["C"], "mstmip": ["B"]})) == ["C", "B"]
    assert configured(tmp_path_factory.mktemp("empty")) == {}


def test_a_model_that_is_unknown_or_of_two_products_is_refused(native):
    with pytest.raises(ProductError, match="among mstmip, trendy"):
        configured(native, {"cmip": ["A"]})
    with pytest.raises(ProductError, match=r"process_models: mstmip: expected .* \(A, B\), found 'Z'"):
        configured(native, {"mstmip": ["Z"]})
    with pytest.raises(ProductError, match="process_models: expected none without a data_folder, found mstmip; give"):
        configured(None, {"mstmip": ["A"]})
    assert configured(None) == {}
    (native / "trendy" / "A_S3_ra.nc").touch()
    with pytest.raises(ProductError, match="A is in mstmip and in trendy; name the models of one of them"):
        configured(native)


def test_a_model_whose_files_are_not_read_is_told(native, name="D_S3_ra.nc.tar.gz"):
    """It would vanish from the comparison without a word."""
    (native / "trendy" / name).touch()
    with pytest.warns(UserWarning, match=f"{name}.*: expected a file named like CABLE-POP_S3_rh.nc.*left out"):
        assert "D" not in configured(native)


def test_what_systems_hide_is_no_model_and_what_lies_behind_links_is(native, tmp_path_factory):
    for name in ("mstmip/A/._D_SG3_Monthly_ra.nc4", "trendy/__MACOSX/E_S3_ra.nc", "trendy/.checkpoints/F_S3_ra.nc"):
        (native / name).parent.mkdir(exist_ok=True)
        (native / name).touch()
    disk = tmp_path_factory.mktemp("disk")
    (disk / "G_S3_ra.nc").touch()
    (native / "trendy" / "G").symlink_to(disk)
    assert set(configured(native)) == {"A", "B", "C", "G"}
