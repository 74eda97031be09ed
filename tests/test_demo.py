"""The Demo Earth as a whole: what is true closes, files look like the real products, errors are as stated."""

import re
import zipfile

import netCDF4
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from pyhdf.SD import SD

from helpers import demo, products, regions
from helpers.demo import carbon, planet, process_models, rasters, towers
from helpers.grid import RADIUS, Grid, resample
from helpers.workspace import ROOT

SMALL = {
    "resolution": 6.0,
    "climate_factor": 5,
    "years": (2000, 2003),
    "towers": 40,
    "validation_towers": 8,
    "dates": 4,
}


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """A small planet seen without error: folder, files, truth."""
    folder = tmp_path_factory.mktemp("exact")
    files, truth = demo.build(folder, seed=7, noise=0.0, tower_noise=0.0, **SMALL)
    return folder, files, truth


@pytest.fixture(scope="module")
def world():
    """A planet of 6 degrees with all its years."""
    return planet.make(
        7, years=(2000, 2018), resolution=6.0, climate_factor=5, lag_weights=(0.05, 0.15, 0.08), climate_start=1981
    )


def read(exact, product, variable, years=(2000, 2001, 2002, 2003), **selection):
    folder, files, _ = exact
    found = products.find(product, folder)
    assert found == files[product]
    ds = products.read(product, found, years=years, **selection)
    return ds[variable]


# --- what is true ------------------------------------------------------------------------------------------------


def test_carbon_closes_with_the_pools(exact):
    truth = exact[2]
    nep = (truth["npp"] - truth["rh"]).isel(year=slice(1, None)).values
    change = truth["carbon"].astype("float64").diff("year").values
    np.testing.assert_allclose(change, nep, atol=2e-5)  # pools of tens of kg, stored in single precision
    np.testing.assert_allclose(truth["reco"], truth["gpp"] - truth["npp"] + truth["rh"], atol=1e-5)


def test_truth_stands_on_land_and_is_plausible(exact):
    truth, grid = exact[2], Grid(6.0)
    land = regions.land(grid.lat, grid.lon) & (grid.lat > -60)[:, None]
    for name in ("reco", "npp", "gpp", "rh", "mat", "map", "par", "fapar", "lai", "ndvi", "water", "carbon", "spei24"):
        assert (np.isfinite(truth[name].values) == land).all(), name
        assert truth[name].dtype == np.float32
    np.testing.assert_array_equal(truth["lat"], grid.lat)
    area = regions.cell_area(grid.lat, grid.lon)
    total = {name: float((truth[name].mean("year") * area).sum()) / 1e12 for name in ("gpp", "npp", "reco")}
    # Of the size of the Earth's: gross production near 120, respiration of the same size, half of it net production.
    assert 90 < total["gpp"] < 170 and 0.35 < total["npp"] / total["gpp"] < 0.6
    assert abs(total["reco"] / total["gpp"] - 1) < 0.06
    assert float(truth["reco"].min()) >= 0 and float(truth["reco"].max()) < 6
    assert set(np.unique(truth["igbp"].values[land])) <= set(range(1, 17))
    assert (truth["igbp"].values[~land] == 0).all()


def test_tropics_breathe_more_than_the_tundra(exact):
    mean = exact[2]["reco"].mean("year")
    assert mean.sel(lat=slice(10, -10)).mean() > 5 * mean.sel(lat=slice(80, 62)).mean()


def test_planted_lag_comes_back_by_regression(world):
    found = _lag_coefficients(world)
    # The litter that a wet year decays is missing in the next, so that less than the planted weight shows.
    for weight, coefficient in zip((0.05, 0.15, 0.08), found[:3], strict=True):
        assert 0.3 * weight < coefficient < 1.2 * weight
    assert found[1] == max(found)
    assert abs(found[3]) < 0.05  # nothing was planted three years back but the litter's echo


def test_without_weights_there_is_no_lag(world):
    none = planet.make(
        7, years=(2000, 2018), resolution=6.0, climate_factor=5, lag_weights=(0.0, 0.0, 0.0), climate_start=1981
    )
    assert np.abs(_lag_coefficients(none)).max() < 0.02
    for name in ("tmp", "pre", "npp"):
        np.testing.assert_array_equal(none.monthly[name], world.monthly[name])


def _lag_coefficients(p):
    """Regress ln(Rh) within cells on the water of years 0 to -3, temperature and ln(NPP)."""
    npp, rh = p.annual("npp", total=True), p.annual("rh", total=True)
    alive = npp.mean(axis=0) > 0.05
    first = p.all_years.size - p.product_years.size
    drivers = [p.water[first - k : p.all_years.size - k] for k in range(4)] + [p.annual("tmp"), np.log(npp + 1e-9)]
    columns = [(d - d.mean(axis=0))[:, alive].ravel() for d in drivers]
    log = np.log(rh[:, alive])
    return np.linalg.lstsq(np.stack(columns, axis=1), (log - log.mean(axis=0)).ravel(), rcond=None)[0][:4]


def test_averaging_to_the_coarse_grid_keeps_totals(world):
    values = world.annual("npp", total=True)
    coarse = world.aggregate(values, world.coarse)
    ones = world.aggregate(np.ones((1, world.lat.size)), world.coarse)
    assert np.nanmin(ones) == pytest.approx(1) and np.nanmax(ones) == pytest.approx(1)
    down = ((90 - world.lat) // world.coarse.resolution).astype(int)
    right = ((world.lon + 180) // world.coarse.resolution).astype(int)
    np.testing.assert_allclose((coarse[:, down, right] * world.area).sum(axis=1), (values * world.area).sum(axis=1))


def test_spei_of_the_truth_follows_its_water(world):
    truth = planet.truth(world)
    pairs = xr.concat([truth["spei12"], truth["water"]], "which").stack(all=("year", "lat", "lon")).dropna("all")
    assert np.corrcoef(pairs.values)[0, 1] > 0.5  # one cell of 30° against its cells of 6°


# --- the same seed, another seed ---------------------------------------------------------------------------------


def test_same_seed_same_bytes_other_seed_other_planet(exact, tmp_path):
    folder, files, truth = exact
    again, truth_again = demo.build(tmp_path / "again", seed=7, noise=0.0, tower_noise=0.0, **SMALL)
    xr.testing.assert_identical(truth, truth_again)
    for product, paths in files.items():
        assert [p.name for p in again[product]] == [p.name for p in paths]
        for one, other in zip(paths, again[product], strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
    other = planet.make(8, **_planet_arguments())
    mine = planet.make(7, **_planet_arguments())
    assert np.corrcoef(other.ground["height"], mine.ground["height"])[0, 1] < 0.9


def _planet_arguments():
    return {"years": (2000, 2000), "resolution": 6.0, "climate_factor": 5, "lag_weights": (0.1,), "climate_start": 1998}


# --- what is written and read back -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "variable", "tolerance"),
    [("glass_par", "par", 0.5), ("glass_lai", "lai", 0.06)],
)
def test_regular_products_come_back_within_their_rounding(exact, product, variable, tolerance):
    truth = exact[2][variable]
    back = resample(read(exact, product, variable, dates_per_year=4), Grid(6.0))
    assert (np.isfinite(back.values) == np.isfinite(truth.values)).all()
    # Four dates a year hold the months of their middles: compare with those, each weighted by its period.
    month = np.array([1, 4, 7, 10])  # February, May, August, November
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, **_same())
    seen = p.monthly[variable].reshape(-1, 12, p.lat.size)[-4:, month]
    starts = {"glass_par": [1, 92, 183, 275], "glass_lai": [1, 97, 185, 273]}[product]
    for k, days in enumerate((366, 365, 365, 365)):
        weight = np.diff([*starts, days + 1])
        expected = p.spread(np.average(seen[k], axis=0, weights=weight))
        np.testing.assert_allclose(back.values[k], expected, atol=tolerance if product == "glass_lai" else 0.01)


def _same():
    return {key: SMALL[key] for key in ("years", "resolution", "climate_factor")}


def test_climate_comes_back_as_the_mean_over_land(exact):
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, **_same())
    for product, variable, total in (("cru_tmp", "mat", False), ("cru_pre", "map", True), ("cru_pet", "pet", True)):
        back = read(exact, product, variable)
        field = {"mat": "tmp", "map": "pre", "pet": "pet"}[variable]
        expected = p.aggregate(p.annual(field, total=total), p.coarse)
        np.testing.assert_allclose(back.values, expected, rtol=2e-5, atol=2e-5)
    back = resample(read(exact, "spei", "spei24"), Grid(6.0))
    truth = exact[2]["spei24"]
    on = np.isfinite(truth.values)
    np.testing.assert_allclose(back.values[on], truth.values[on], atol=1e-5)


@pytest.mark.parametrize(("product", "variable", "step"), [("mod13a3", "ndvi", 1e-4), ("mod17a3hgf", "npp", 1e-4)])
def test_sinusoidal_products_come_back_from_the_right_place(exact, product, variable, step):
    truth, grid = exact[2][variable], Grid(6.0)
    back = read(exact, product, variable, grid=grid)
    raster = _pixel_under_centre(grid)
    expected = np.where(raster >= 0, truth.values.reshape(4, -1)[:, raster], np.nan)
    if product == "mod17a3hgf":  # nothing grows in towns, bogs, ice and deserts, says the product
        igbp = exact[2]["igbp"].values.ravel()[raster]
        expected[:, np.isin(igbp, [0, 11, 13, 15, 16])] = np.nan
    np.testing.assert_allclose(back.values, expected, atol=0.51 * step)


def _pixel_under_centre(grid):
    """Return, for each cell, the flat index of the cell under the middle of the sinusoidal pixel at its centre."""
    size = np.pi * RADIUS / (2.5 * grid.shape[0])
    lat, lon = np.meshgrid(np.deg2rad(grid.lat), np.deg2rad(grid.lon), indexing="ij")
    x, y = RADIUS * lon * np.cos(lat), RADIUS * lat
    x_mid = (np.floor((x + np.pi * RADIUS) / size) + 0.5) * size - np.pi * RADIUS
    y_mid = np.pi * RADIUS / 2 - (np.floor((np.pi * RADIUS / 2 - y) / size) + 0.5) * size
    lat_mid = y_mid / RADIUS
    lon_mid = x_mid / (RADIUS * np.cos(lat_mid))
    row = np.floor((90 - np.rad2deg(lat_mid)) / grid.resolution).astype(int)
    col = np.floor((np.rad2deg(lon_mid) + 180) / grid.resolution).astype(int)
    return np.where((col >= 0) & (col < grid.shape[1]), row * grid.shape[1] + col, -1)


def test_fapar_and_land_cover_and_soil_come_back(exact):
    truth, grid = exact[2], Grid(6.0)
    fapar = read(exact, "glass_fapar", "fapar", grid=grid, dates_per_year=4)
    on = np.isfinite(fapar.values) & np.isfinite(truth["fapar"].values)
    assert np.corrcoef(fapar.values[on], truth["fapar"].values[on])[0, 1] > 0.95  # four months, and shifted pixels
    igbp = read(exact, "mcd12c1", "igbp", years=[2003]).isel(year=0)
    np.testing.assert_array_equal(igbp.values, truth["igbp"].values)
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, **_same())
    soil = products.read("soilgrids2017", products.find("soilgrids2017", exact[0]), grid=grid)
    content = p.spread(p.pools[2, p.all_years == 2000][0] * 1000 / (0.3 * 1300))
    for name, depth in (("soc_0", 0.0), ("soc_5", 0.05), ("soc_15", 0.15), ("soc_30", 0.3)):
        expected = np.clip(content * np.exp(-depth / 0.3), 0, 1000)
        expected[np.abs(grid.lat) > 84] = np.nan
        np.testing.assert_allclose(soil[name].values, expected, atol=0.51)


def test_towers_report_their_cell_times_their_factor(exact):
    truth = exact[2]
    for product in ("fluxnet2015", "fluxnet"):
        back = products.read(product, products.find(product, exact[0]))
        place = {k: xr.DataArray(back[k].values, dims="sample") for k in ("lat", "lon")}
        at = truth["reco"].sel(year=xr.DataArray(back["year"].values, dims="sample"), method=None)
        at = at.sel(method="nearest", **place)
        expected = at.values * np.exp(truth["site_effect"].sel(site=back["site"].values).values)
        known = np.isfinite(back["reco"].values)
        assert 0.85 < known.mean() < 1 or len(known) < 40
        np.testing.assert_allclose(back["reco"].values[known], expected[known], rtol=1e-4)
        np.testing.assert_allclose(back["reco_dt"].values[known], expected[known], rtol=1e-4)


# --- the files, read raw -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "name", "dtype", "fill", "scale"),
    [
        ("glass_par", "PAR", "int16", -1, 0.01),
        ("glass_lai", "LAI", "uint8", 255, 0.1),
        ("glass_fapar", "FAPAR", "uint8", 255, 0.004),
        ("mod13a3", "1 km monthly NDVI", "int16", -3000, 10000.0),
        ("mod17a3hgf", "Npp_500m", "int16", 32767, 0.0001),
        ("mcd12c1", "Majority_Land_Cover_Type_1", "uint8", 255, None),
    ],
)
def test_hdf4_files_look_like_the_real_ones(exact, product, name, dtype, fill, scale):
    file = SD(str(exact[1][product][0]))
    layer = file.select(name)
    attributes, stored = layer.attributes(), layer.get()
    assert stored.dtype == dtype and attributes["_FillValue"] == fill and attributes.get("scale_factor") == scale
    low, high = attributes["valid_range"]
    good = stored[(stored >= low) & (stored <= high) & (stored != fill)]
    assert good.size and good.max() > good.min()
    assert "StructMetadata.0" in file.attributes()


def test_mod17_stores_classes_where_it_has_no_production(exact):
    stored = np.concatenate([SD(str(p)).select("Npp_500m").get().ravel() for p in exact[1]["mod17a3hgf"][:4]])
    assert {32767, 32766, 32765, 32764} <= set(np.unique(stored[stored > 32700]))
    assert stored[stored <= 32700].max() < 25000


def test_tiles_make_up_the_whole_sphere(exact):
    """Off the map there is only the fill; what is left has the area of the sphere, since the projection keeps areas."""
    corners, inside, size = [], 0, np.pi * RADIUS / 75
    for path in exact[1]["mod17a3hgf"][:4]:
        file = SD(str(path))
        text = file.attributes()["StructMetadata.0"]
        for key in ("UpperLeftPointMtrs", "LowerRightMtrs"):
            corners.append(tuple(float(v) for v in text.split(f"{key}=(")[1].split(")")[0].split(",")))
        inside += np.count_nonzero(file.select("Npp_500m").get() != 32767)
    assert inside * size**2 == pytest.approx(4 * np.pi * RADIUS**2, rel=0.01)
    edge = np.pi * RADIUS
    assert min(x for x, _ in corners) == pytest.approx(-edge) and max(x for x, _ in corners) == pytest.approx(edge)
    assert max(y for _, y in corners) == pytest.approx(edge / 2)
    assert edge == pytest.approx(20015109.354)  # the corner of the real grid's first tile
    assert 'GridName="MOD_Grid_MOD17A3H"' in text and "Projection=GCTP_SNSOID" in text


def test_netcdf_files_look_like_the_real_ones(exact):
    files = exact[1]
    with netCDF4.Dataset(files["cru_pre"][0]) as file:
        pre = file["pre"]
        assert files["cru_pre"][0].name == "cru_ts4.05.1981.2003.pre.dat.nc"
        assert pre.dtype == np.float32 and pre.units == "mm/month" and pre._FillValue == np.float32(9.96921e36)
        assert file["lat"][0] < file["lat"][-1] and file["time"].units.startswith("days since 1900")
        assert pre[:].mask.any() and pre[:].min() >= 0
    with netCDF4.Dataset(files["cru_pet"][0]) as file:
        assert file["pet"].units == "mm/day" and 1 < file["pet"][:].mean() < 6
    with netCDF4.Dataset(files["spei"][2]) as file:
        file.set_auto_mask(False)
        stored = file["spei"][:]
        assert files["spei"][2].name == "spei36.nc" and np.nanmax(stored) == np.float32(1e30)
        sea = stored[-1] == np.float32(1e30)
        assert np.isnan(stored[:35, ~sea]).all() and np.isfinite(stored[35:, ~sea]).all()


def test_soil_files_are_geotiffs_that_start_at_84_north(exact):
    with rasterio.open(exact[1]["soilgrids2017"][0]) as file:
        assert file.name.endswith("ORCDRC_M_sl1_250m.tif")
        assert (file.dtypes[0], file.nodata, file.crs.to_epsg()) == ("int16", -32768, 4326)
        assert file.bounds == (-180, -60, 180, 84)


def test_tower_zips_hold_the_yearly_file_with_its_columns(exact):
    path = exact[1]["fluxnet2015"][0]
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        assert name.startswith(path.name[:30]) and "_YY_" in name and name.endswith("_1-4.csv")
        table = pd.read_csv(archive.open(name))
    assert {"TIMESTAMP", "RECO_NT_VUT_REF", "RECO_DT_VUT_REF", "NEE_VUT_REF_QC"} <= set(table.columns)
    reports = pd.concat(pd.read_csv(p) for p in exact[1]["fluxnet2015"])
    assert (reports["RECO_NT_VUT_REF"] == -9999).any() and reports["NEE_VUT_REF_QC"].between(0, 1).all()
    with zipfile.ZipFile(exact[1]["fluxnet"][0]) as archive:
        assert "_FLUXNET_FLUXMET_YY_" in archive.namelist()[0]


def test_process_models_differ_as_declared(exact):
    truth = exact[2]
    by_name = {}
    for product in ("mstmip", "trendy"):
        for name in sorted({p.parent.name for p in exact[1][product]}):
            ds = products.read(product, exact[1][product], model=name, years=[2000, 2001, 2002, 2003])
            by_name[name] = ds["reco"]
    assert set(by_name) == set(process_models.STANDS)
    gpp = _mean_over_land(truth["gpp"], Grid(18.0))
    np.testing.assert_allclose(by_name["DEMO-BALANCED"].values, gpp, rtol=1e-4)  # what comes in goes out
    reco = _mean_over_land(truth["reco"], Grid(12.0))
    spread = np.nanmean(by_name["DEMO-SLOW"].values.std(axis=0)) / np.nanmean(np.std(reco, axis=0))
    assert spread < 1
    # MsTMIP stops in 2010 and TRENDY goes on; both begin with the products.
    assert by_name["DEMO-ARID"].shape == (4, 15, 30)


def _mean_over_land(field, grid):
    area = xr.DataArray(regions.cell_area(field["lat"], field["lon"]), dims=("lat", "lon"))
    blocks = dict.fromkeys(("lat", "lon"), round(grid.resolution / 6))
    weight = area.where(field.notnull(), 0.0)
    total, land = (part.coarsen(blocks).sum() for part in (field.fillna(0.0) * weight, weight))
    return (total / land.where(land > 0)).values


def test_process_model_files_keep_their_own_conventions(exact):
    paths = {p.name: p for p in exact[1]["mstmip"] + exact[1]["trendy"]}
    with netCDF4.Dataset(paths["DEMO-STATIC_S3_ra.nc"]) as file:
        assert file["time"].calendar == "noleap" and file["longitude"][-1] > 180
        assert file["latitude"][0] < 0 and file["ra"].units == "kg m-2 s-1"
    with netCDF4.Dataset(paths["DEMO-FORGET_SG3_Annual_HeteroResp.nc4"]) as file:
        assert file["HeteroResp"].shape[0] == 4


def test_stand_ins_without_memory_have_none(world):
    _, forgetful = process_models.respiration(world, "DEMO-FORGET", 0.0)
    now = np.repeat(carbon.lag_factor(world.water, (0.05,)), 12, axis=0)
    rate = carbon.lloyd_taylor(world.monthly["tmp"]) * carbon.moisture(world.monthly["wet"]) * now
    expected, _ = carbon.drain(world.monthly["npp"], rate, carbon.traits(world.ground["igbp"])[3], planet.PAST)
    np.testing.assert_allclose(forgetful, expected, rtol=1e-4, atol=1e-7)


# --- towers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    fine = planet.make(
        3, years=(2000, 2018), resolution=3.0, climate_factor=5, lag_weights=(0.05, 0.15, 0.08), climate_start=1990
    )
    return fine, *towers.network(fine, 200, 30, 0.15)


def test_towers_stand_on_vegetated_land_and_in_clusters(network):
    fine, training, validation = network
    index = fine.index()
    assert len(training) == 200 and len(validation) == 32
    for tower in [*training, *validation]:
        row, col = int((90 - tower.lat) // 3), int((tower.lon + 180) // 3)
        assert index[row, col] == tower.cell
        assert fine.ground["igbp"][tower.cell] not in towers.BARE and tower.igbp not in towers.BARE
        assert tower.years[0] >= 2000 and tower.years[-1] <= 2014
    west = np.mean([t.site.startswith(("XE", "XN")) for t in training])
    assert 0.6 < west < 0.85
    shared = len(training) - len({t.cell for t in training})
    assert 15 < shared < 140


def test_records_are_short_and_unequal_and_site_effects_of_the_stated_size(network):
    _, training, _ = network
    length = np.array([t.years.size for t in training])
    assert 4 < length.mean() < 7 and length.min() == 1 or length.min() == 2
    assert length.std() > 2
    effect = np.array([t.effect for t in training])
    assert effect.std() == pytest.approx(0.15, rel=0.2) and abs(effect.mean()) < 0.04


def test_validation_towers_are_independent_but_for_two_that_must_be_refused(network):
    fine, training, validation = network
    names = {t.site for t in training}
    assert [t.site in names for t in validation].count(True) == 1
    apart = []
    for tower in validation:
        down = np.abs(fine.rows[tower.cell] - fine.rows[[t.cell for t in training]])
        right = np.abs(fine.cols[tower.cell] - fine.cols[[t.cell for t in training]])
        apart.append(np.maximum(down, np.minimum(right, 120 - right)).min() >= 2)
    assert apart == [True] * 30 + [False] * 2
    twin = validation[-1]
    near = min(np.hypot(twin.lat - t.lat, (twin.lon - t.lon) * np.cos(np.deg2rad(t.lat))) for t in training)
    assert near * 111.2 < 1
    assert all(t.years[-1] <= 2010 for t in validation[:30])


def test_tower_errors_have_the_stated_size_and_grow_as_quality_falls(network):
    fine, training, _ = network
    true = towers.observe(fine, training, 0.0, "a")
    seen = towers.observe(fine, training, 0.05, "a")
    error = np.log((seen["reco"] / true["reco"]).where(seen["reco"] > 0)).clip(-0.6, 0.6)
    good, poor = seen["qc"] > 0.9, seen["qc"] < 0.6
    assert error[good].std() == pytest.approx(0.05 * 1.1, rel=0.25)
    assert error[poor].std() > 1.3 * error[good].std()
    wrong = (seen["reco"] < 0) | (seen["reco"] > 5000)
    assert 1 <= wrong.sum() < 0.03 * len(seen)


# --- errors of the products --------------------------------------------------------------------------------------


@pytest.mark.parametrize("relative", [True, False])
def test_product_errors_have_the_stated_size_and_half_of_it_lasts(world, relative):
    raster = rasters.sinusoidal(world)
    observer = rasters.Observer(raster, 0.1, "x", 1, relative=relative)
    field = np.full(world.lat.size, 2.0)
    one, other = observer.see(field, "one"), observer.see(field, "other")
    first, second = (np.log(v / 2) if relative else v - 2 for v in (one, other))
    assert first.std() == pytest.approx(0.1, rel=0.05)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.5, abs=0.05)


def test_each_pixel_sees_the_cell_under_its_centre(world):
    raster = rasters.regular(world, finer=3, south=-60, north=84)
    field = world.lat * 1000 + world.lon
    lat = 84 - 2 * (np.arange(raster.cell.shape[0]) + 0.5)
    lon = -180 + 2 * (np.arange(raster.cell.shape[1]) + 0.5)
    y, x = np.nonzero(raster.land)
    cells = raster.cell[y, x]
    assert np.abs(world.lat[cells] - lat[y]).max() <= 3 and np.abs(world.lon[cells] - lon[x]).max() <= 3
    assert len(np.unique(field[cells])) == np.count_nonzero((world.lat < 84) & (world.lat > -60))


def test_truth_says_how_it_was_made(exact):
    attrs = exact[2].attrs
    assert attrs["seed"] == 7 and attrs["lag_weights"] == [0.05, 0.15, 0.08] and attrs["noise_glass_par"] == 0
    assert exact[2]["site_effect"].dims == ("site",)
    assert set(demo.NOISE) - {"process_models"} <= set(demo.PRODUCTS)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"years": (2003, 2000)}, "years"),
        ({"climate_factor": 7}, "climate_factor"),
        ({"resolution": 4.0}, "resolution"),
        ({"resolution": 7.0}, "resolution"),
        ({"dates": 0}, "dates"),
        ({"towers": 2}, "towers"),
        ({"climate_start": 1999}, "climate_start"),
        ({"noise": -1.0}, "noise"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name_before_anything_is_written(tmp_path, change, named):
    with pytest.raises(ValueError, match=named):
        demo.build(tmp_path / "new", seed=1, **(SMALL | change))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_products_is_left_alone(exact):
    with pytest.raises(FileExistsError, match="cru_tmp"):
        demo.build(exact[0], seed=7, **SMALL)


def test_the_page_states_the_sizes_that_the_code_uses():
    page = (ROOT / "book" / "demo_earth.md").read_text(encoding="utf-8")
    stated = {name: float(size) for name, size in re.findall(r"^\| `(\w+)` \| ([\d.]+)", page, re.MULTILINE)}
    assert stated == demo.NOISE
    assert all(name in page for name in process_models.STANDS)
