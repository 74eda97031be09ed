"""The Demo Earth's files, opened raw: names, types, scales, fills and grids of the real products."""

import zipfile

import netCDF4
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from pyhdf.SD import SD
from small_planet import SMALL, WHOLE

from helpers import products
from helpers.demo import carbon, planet, process_models, variety
from helpers.space import regions
from helpers.space.grid import RADIUS, Grid


@pytest.mark.parametrize(
    ("product", "name", "dtype", "fill", "scale"),
    [
        ("glass_par", "PAR", "int16", -1, 0.01),
        ("glass_lai", "LAI", "uint8", 255, 0.1),
        ("glass_fapar", "FAPAR", "uint8", 255, 0.004),
        ("mod13a3", "1 km monthly NDVI", "int16", -3000, 10000.0),
        ("mod17a3hgf", "Npp_500m", "int16", 32767, 0.0001),
        ("mod17a3hgf", "Gpp_500m", "uint16", 65535, 0.0001),
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
    assert all(".061." in path.name for path in exact[1]["mod17a3hgf"])


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
    same = {key: SMALL[key] for key in ("years", "resolution", "climate_factor")}
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, sizes=variety.HARD, **same)
    table = truth["gpp"].copy(data=p.spread(p.annual("potential", total=True)))
    gpp = _mean_over_land(table, Grid(18.0))
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


def test_stand_ins_without_memory_have_none_and_know_nothing_of_a_cell(world):
    _, forgetful = process_models.respiration(world, "DEMO-FORGET", 0.0)
    now = np.repeat(carbon.lag_factor(world.water, (0.05,)), 12, axis=0)
    rate = carbon.lloyd_taylor(world.monthly["tmp"]) * carbon.moisture(world.monthly["wet"]) * now
    yearly = world.monthly["tmp"].reshape(-1, 12, world.lat.size).mean(axis=1)
    npp = world.monthly["potential"] * np.repeat(carbon.use_efficiency(yearly), 12, axis=0)
    expected, _ = carbon.drain(npp, rate, carbon.traits(world.ground["igbp"])[3], planet.PAST)
    np.testing.assert_allclose(forgetful, expected, rtol=1e-4, atol=1e-7)
    easy = planet.make(7, lag_weights=(0.05, 0.15, 0.08), **WHOLE)
    np.testing.assert_allclose(forgetful, process_models.respiration(easy, "DEMO-FORGET", 0.0)[1], rtol=1e-4, atol=1e-7)
