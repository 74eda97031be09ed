"""Which files of process models make which flux: sets with signs, names of the three projects, dimensions, blocks."""

import calendar
import gzip

import netCDF4
import numpy as np
import pytest
from netcdf_files import months, write

from helpers import products
from helpers.products import ProductError, process_models

YEAR = 365 * 86400


def one(folder, name, variable, rate, when=None, **how):
    folder.mkdir(parents=True, exist_ok=True)
    when = when or months(2001, 2002)
    how = {"units": "kg m-2 s-1", "fill": np.float32(1e20), "calendar": "noleap"} | how
    return write(folder / name, variable, np.full((len(when), 2, 4), rate, "float32"), when, **how)


def cmip6(folder, variable, rate, *, member="r1i1p1f1", experiment="historical", grid="gn", when=None, **how):
    when = when or months(2001, 2002)
    span = "-".join(f"{year}{month:02d}" for year, month in (when[0], when[-1]))
    return one(
        folder, f"{variable}_Lmon_UKESM1-0-LL_{experiment}_{member}_{grid}_{span}.nc", variable, rate, when, **how
    )


@pytest.mark.parametrize(
    ("stored", "total", "written"),
    [
        ({"TotalResp": 5e-8}, 5e-8, "TotalResp"),
        ({"AutoResp": 3e-8, "HeteroResp": 1e-8}, 4e-8, "AutoResp + HeteroResp"),
        ({"ra": 3e-8, "rh": 2e-8}, 5e-8, "ra + rh"),
        ({"reco": 6e-8}, 6e-8, "reco"),
        ({"gpp": 7e-8, "npp": 4e-8, "rh": 2e-8}, 5e-8, "gpp - npp + rh"),
        ({"GPP": 7e-8, "NPP": 4e-8, "HeteroResp": 2e-8}, 5e-8, "GPP - NPP + HeteroResp"),
        ({"gpp": 7e-8, "npp": 4e-8, "ra": 3e-8, "rh": 1e-8}, 4e-8, "ra + rh"),
    ],
)
def test_respiration_is_made_of_what_there_is(tmp_path, stored, total, written):
    for name, rate in stored.items():
        one(tmp_path / "A", f"A_S3_{name}.nc", name, rate)
    back = products.read("trendy", tmp_path, years=[2001])
    np.testing.assert_allclose(back.reco.values, total * YEAR, rtol=1e-5)
    assert back.attrs["stored_as"] == written and back.reco.attrs["long_name"].startswith(
        "annual ecosystem respiration"
    )


@pytest.mark.parametrize(
    ("variable", "rate", "standard"),
    [
        ("gpp", 7e-8, "gross_primary_productivity_of_biomass_expressed_as_carbon"),
        ("npp", 3e-8, "net_primary_productivity_of_biomass_expressed_as_carbon"),
        ("ra", 4e-8, "surface_upward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_plant_respiration"),
        ("rh", 2e-8, "surface_upward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_heterotrophic_respiration"),
        ("reco", 6e-8, None),
    ],
)
def test_any_flux_may_be_asked_for(tmp_path, variable, rate, standard):
    for name, stored in {"gpp": 7e-8, "npp": 3e-8, "rh": 2e-8}.items():
        cmip6(tmp_path, name, stored)
    back = products.read("cmip6", tmp_path, years=[2001, 2002], variable=variable)
    assert list(back) == [variable] and back[variable].attrs.get("standard_name") == standard
    assert back[variable].attrs["units"] == "kg m-2 yr-1"
    np.testing.assert_allclose(back[variable].values, rate * YEAR, rtol=1e-5)


def test_a_set_of_ones_own_may_take_off(tmp_path):
    for name, rate in {"gppTot": 7e-8, "npp_": 3e-8, "rhSoil": 2e-8}.items():
        one(tmp_path / "A", f"A_S3_{name}.nc", name, rate)
    back = products.read("trendy", tmp_path, years=[2001], variables=["gppTot", "-npp_", "rhSoil"])
    np.testing.assert_allclose(back.reco.values, 6e-8 * YEAR, rtol=1e-5)
    assert back.attrs["stored_as"] == "gppTot - npp_ + rhSoil"


def test_a_flux_that_the_book_does_not_know_is_refused(tmp_path):
    cmip6(tmp_path, "gpp", 1e-8)
    with pytest.raises(ProductError, match="expected variable to be one of reco, ra, rh, gpp, npp, found 'nbp'"):
        products.read("cmip6", tmp_path, years=[2001], variable="nbp")
    with pytest.raises(ProductError, match=r"expected TotalResp or .*, found gpp; variable='gpp' is there"):
        products.read("cmip6", tmp_path, years=[2001])


def test_one_file_may_hold_all_variables_under_any_name(tmp_path):
    path = one(tmp_path / "A", "A_S3_carbon.nc", "ra", 3e-8)
    with netCDF4.Dataset(path, "a") as file:
        other = file.createVariable("rh", "f4", ("time", "lat", "lon"))
        other.units, other[:] = "kg m-2 s-1", 1e-8
    back = products.read("trendy", path, years=[2001])
    np.testing.assert_allclose(back.reco.values, 4e-8 * YEAR, rtol=1e-5)


@pytest.mark.parametrize(
    ("product", "name", "model"),
    [
        ("trendy", "CABLE-POP_S3_rh.nc", "CABLE-POP"),
        ("trendy", "CLM5.0_S3_rh.nc", "CLM5.0"),
        ("trendy", "JULES_S3_rh.nc.gz", "JULES"),
        ("trendy", "LPJ-GUESS_S2_rh.nc4", "LPJ-GUESS"),
        ("mstmip", "CLM4_SG3_Monthly_HeteroResp.nc4", "CLM4"),
        ("mstmip", "BIOME-BGC_SG1_Monthly_HeteroResp.nc4", "BIOME-BGC"),
        ("cmip6", "rh_Lmon_ACCESS-ESM1-5_historical_r1i1p1f1_gn_200101-200212.nc", "ACCESS-ESM1-5"),
        ("cmip6", "rh_Emon_CNRM-ESM2-1_ssp585_r11i1p1f2_gr_200101-200212.nc", "CNRM-ESM2-1"),
    ],
)
def test_names_of_the_three_projects(tmp_path, product, name, model):
    stored = "HeteroResp" if product == "mstmip" else "rh"
    path = one(tmp_path, name.removesuffix(".gz"), stored, 2e-8)
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    back = products.read(product, products.find(product, tmp_path), years=[2002], variable="rh")
    assert back.attrs["model"] == model
    np.testing.assert_allclose(back.rh.values, 2e-8 * YEAR, rtol=1e-5)


def test_cmip6_models_are_named_by_their_files_in_any_tree_of_folders(tmp_path):
    for name in ("ra", "rh"):
        cmip6(tmp_path / "cmip6" / "CMIP" / "MOHC" / "r1i1p1f1" / name / "gn" / "v20190406", name, 1e-8)
    assert process_models.configured(tmp_path) == {"UKESM1-0-LL": "cmip6"}
    back = products.read("cmip6", tmp_path, years=[2001], model="UKESM1-0-LL")
    assert back.attrs["product_version"] == "historical r1i1p1f1 gn"
    np.testing.assert_allclose(back.reco.values, 2e-8 * YEAR, rtol=1e-5)


def test_a_model_of_two_products_is_to_be_named(tmp_path):
    for product in ("mstmip", "trendy"):
        (tmp_path / product / "CLM4").mkdir(parents=True)
    (tmp_path / "mstmip" / "CLM4" / "CLM4_SG3_Monthly_TotalResp.nc4").touch()
    (tmp_path / "trendy" / "CLM4" / "CLM4_S3_ra.nc").touch()
    with pytest.raises(ProductError, match="CLM4 is in mstmip and in trendy; name the models of one of them"):
        process_models.configured(tmp_path)


def test_blocks_of_years_are_joined_across_the_turn_of_a_year(tmp_path):
    when = months(2001, 2003)
    cmip6(tmp_path, "rh", 1e-8, when=when[:17])
    cmip6(tmp_path, "rh", 3e-8, when=when[17:])
    back = products.read("cmip6", tmp_path, years=[2001, 2002, 2003], variable="rh").rh
    early, late = 151, 214  # January to May, June to December
    expected = [1e-8 * 365, 1e-8 * early + 3e-8 * late, 3e-8 * 365]
    np.testing.assert_allclose(back[:, 0, 0], np.array(expected) * 86400, rtol=1e-5)
    cmip6(tmp_path, "rh", 3e-8, when=when[30:])
    with pytest.raises(
        ProductError, match=r"200307-200312\.nc: holds 2003-07 of rh, which .*/rh_.*200206-200312\.nc holds too"
    ):
        products.read("cmip6", tmp_path, years=[2001], variable="rh")


@pytest.mark.parametrize(
    ("key", "first", "other"),
    [("member", "r1i1p1f1", "r2i1p1f1"), ("experiment", "historical", "ssp585"), ("grid_label", "gn", "gr")],
)
def test_several_runs_are_refused_by_name_or_chosen(tmp_path, key, first, other):
    argument = key.removesuffix("_label")
    cmip6(tmp_path, "rh", 1e-8, **{argument: first})
    cmip6(tmp_path, "rh", 2e-8, **{argument: other})
    with pytest.raises(
        ProductError, match=rf"expected one {key}, found {first} \(rh_.*\), {other} \(rh_.*\); .*pass {key}="
    ):
        products.read("cmip6", tmp_path, years=[2001], variable="rh")
    back = products.read("cmip6", tmp_path, years=[2001], variable="rh", **{key: other})
    np.testing.assert_allclose(back.rh.values, 2e-8 * YEAR, rtol=1e-5)
    with pytest.raises(ProductError, match=rf"expected {key} 'x', found {first}, {other}; correct {key}"):
        products.read("cmip6", tmp_path, years=[2001], variable="rh", **{key: "x"})


def test_experiments_that_follow_each_other_may_be_joined(tmp_path):
    cmip6(tmp_path, "rh", 1e-8, when=months(2013, 2014))
    cmip6(tmp_path, "rh", 2e-8, experiment="ssp585", when=months(2015, 2016))
    wanted = ["historical", "ssp585"]
    back = products.read("cmip6", tmp_path, years=[2014, 2015], variable="rh", experiment=wanted)
    np.testing.assert_allclose(back.rh[:, 0, 0], np.array([1e-8, 2e-8]) * YEAR, rtol=1e-5)


def with_plants(path, values):
    """Write rates on (time, plant type, lat, lon)."""
    write(path, "placeholder", np.zeros((12, 2, 4)), months(2001, 2001), calendar="noleap")
    with netCDF4.Dataset(path, "a") as file:
        file.createDimension("vegtype", len(values))
        variable = file.createVariable("rh", "f4", ("time", "vegtype", "lat", "lon"), fill_value=np.float32(1e20))
        variable.units, variable[:] = "kg m-2 s-1", np.broadcast_to(values, (12, *values.shape))
    return path


def test_plant_types_are_refused_or_added_up_when_asked(tmp_path):
    values = np.full((3, 2, 4), 1e-8)
    values[0, 0, 0], values[:, 0, 1] = 1e20, 1e20
    path = with_plants(tmp_path / "A_S3_rh.nc", values)
    message = r"A_S3_rh\.nc: expected rh on time, lat, lon, found vegtype \(3\) too; pass sum_over=\['vegtype'\] if"
    with pytest.raises(ProductError, match=message):
        products.read("trendy", path, years=[2001], variable="rh")
    back = products.read("trendy", path, years=[2001], variable="rh", sum_over=["vegtype"]).rh.values[0, ::-1]
    expected = np.full((2, 4), 3e-8 * YEAR)
    expected[0, 0], expected[0, 1] = 2e-8 * YEAR, np.nan
    np.testing.assert_allclose(back, expected, rtol=1e-5)


def test_a_dimension_of_one_is_none(tmp_path):
    path = with_plants(tmp_path / "A_S3_rh.nc", np.full((1, 2, 4), 1e-8))
    back = products.read("trendy", path, years=[2001], variable="rh")
    np.testing.assert_allclose(back.rh.values, 1e-8 * YEAR, rtol=1e-5)


def test_parts_on_other_cells_are_refused(tmp_path):
    one(tmp_path, "A_S3_ra.nc", "ra", 1e-8)
    one(tmp_path, "A_S3_rh.nc", "rh", 1e-8, lat=np.array([-44.0, 44.0]))
    with pytest.raises(
        ProductError, match=r"A_S3_rh\.nc: rh: expected the lat of .*A_S3_ra\.nc: ra, 2 labels .*, found 2 labels"
    ):
        products.read("trendy", tmp_path, years=[2001])


def test_years_that_one_part_lacks_are_left_out_only_when_told(tmp_path):
    one(tmp_path, "A_S3_ra.nc", "ra", 1e-8)
    one(tmp_path, "A_S3_rh.nc", "rh", 1e-8, when=months(2002, 2003))
    with pytest.raises(ProductError, match=r"A_S3_rh\.nc: expected rh of 2001, found 2002 to 2003"):
        products.read("trendy", tmp_path, years=[2001, 2002])
    back = products.read("trendy", tmp_path, years=[2001, 2002], allow_missing=True)
    assert back.year.values.tolist() == [2002]
    with pytest.raises(ProductError, match="expected ra of 2003, found 2001 to 2002"):
        products.read("trendy", tmp_path, years=[2003], allow_missing=True)


@pytest.mark.parametrize(
    ("name", "when", "seconds"),
    [
        ("A_S3_Monthly_rh.nc", [(2001, 12)], 31 * 86400),
        ("A_S3_Annual_rh.nc", [(2001, 7)], YEAR),
        ("A_S3_rh.nc", [(2001, 12), (2002, 1)], 31 * 86400),
        ("A_S3_rh.nc", [(2001, 7), (2002, 7), (2003, 7)], YEAR),
    ],
)
def test_one_step_in_a_year_is_not_taken_for_the_year_unless_it_is(tmp_path, name, when, seconds):
    path = one(tmp_path, name, "rh", 1e-8, when=when)
    if seconds < YEAR:
        with pytest.raises(
            ProductError, match=r"rh 2001 lacks 2001-01, 2001-02, .*; take another year, or pass allow_par"
        ):
            products.read("trendy", path, years=[2001], variable="rh")
    back = products.read("trendy", path, years=[2001], variable="rh", allow_partial=True)
    np.testing.assert_allclose(back.rh.values, 1e-8 * seconds, rtol=1e-5)
    assert back.attrs.get("incomplete_years") == ("2001 (1 of 12 months)" if seconds < YEAR else None)


def test_a_single_step_that_says_nothing_is_refused(tmp_path):
    path = one(tmp_path, "A_S3_rh.nc", "rh", 1e-8, when=[(2001, 7)])
    with pytest.raises(
        ProductError, match=r"A_S3_rh\.nc: holds one step of rh and does not say whether it is a month or"
    ):
        products.read("trendy", path, years=[2001], variable="rh")


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
    assert np.isfinite(back.gpp.values).any() and back.gpp.attrs["units"] == "kg m-2 yr-1"
    assert (back.attrs["model"], back.attrs["product"]) == ("ACCESS-ESM1-5", "cmip6")
    with pytest.raises(ProductError, match="variable='gpp' is there"):
        products.read("cmip6", path, years=[2000])
    with pytest.raises(ProductError, match=r"gpp_Lmon.*: expected gpp of 2015, found 2000 to 2014"):
        products.read("cmip6", path, years=[2015], variable="gpp")
