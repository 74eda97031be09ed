"""What the Demo Earth writes comes back through the products' readers, at its place and within its rounding."""

import numpy as np
import pytest
import xarray as xr
from small_planet import SMALL

from helpers import products
from helpers.demo import planet, variety
from helpers.space.grid import RADIUS, Grid, resample


def read(exact, product, variable, years=(2000, 2001, 2002, 2003), **selection):
    folder, files, _ = exact
    found = products.find(product, folder)
    assert found == files[product]
    ds = products.read(product, found, years=years, **selection)
    return ds[variable]


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
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, sizes=variety.HARD, **_same())
    seen = p.monthly[variable].reshape(-1, 12, p.lat.size)[-4:, month]
    starts = {"glass_par": [1, 92, 183, 275], "glass_lai": [1, 97, 185, 273]}[product]
    for k, days in enumerate((366, 365, 365, 365)):
        weight = np.diff([*starts, days + 1])
        expected = p.spread(np.average(seen[k], axis=0, weights=weight))
        np.testing.assert_allclose(back.values[k], expected, atol=tolerance if product == "glass_lai" else 0.01)


def _same():
    return {key: SMALL[key] for key in ("years", "resolution", "climate_factor")}


def test_climate_comes_back_as_the_mean_over_land(exact):
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, sizes=variety.HARD, **_same())
    for product, variable, total in (("cru_tmp", "mat", False), ("cru_pre", "map", True), ("cru_pet", "pet", True)):
        back = read(exact, product, variable)
        field = {"mat": "tmp", "map": "pre", "pet": "pet"}[variable]
        expected = p.aggregate(p.annual(field, total=total), p.coarse)
        np.testing.assert_allclose(back.values, expected, rtol=2e-5, atol=2e-5)
    back = resample(read(exact, "spei", "spei24"), Grid(6.0))
    truth = exact[2]["spei24"]
    on = np.isfinite(truth.values)
    np.testing.assert_allclose(back.values[on], truth.values[on], atol=1e-5)


@pytest.mark.parametrize(("product", "variable"), [("mod13a3", "ndvi"), ("mod17a3hgf", "npp"), ("mod17a3hgf", "gpp")])
def test_sinusoidal_products_come_back_from_the_right_place(exact, product, variable, step=1e-4):
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
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), climate_start=1981, sizes=variety.HARD, **_same())
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
        tower = truth[["site_effect", "site_year_effect"]].sel(site=back["site"].values)
        by_year = tower["site_year_effect"].values[back["year"].values - 2000, np.arange(back["site"].size)]
        expected = at.values * np.exp(tower["site_effect"].values + by_year)
        known = np.isfinite(back["reco"].values)
        assert 0.85 < known.mean() < 1 or len(known) < 40
        np.testing.assert_allclose(back["reco"].values[known], expected[known], rtol=1e-4)
        np.testing.assert_allclose(back["reco_dt"].values[known], expected[known], rtol=1e-4)
