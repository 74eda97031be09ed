"""Slopes drawn from members and resampled years, against closed forms and an explicit refit of every drawn series."""

import numpy as np
import pytest
import xarray as xr

from helpers import trends
from helpers.trends.draws import resampled_years

YEARS = np.arange(2000, 2019)


def maps(members=4, shape=(2, 3), seed=0):
    """Return RECO with members and NPP without, each a line with noise."""
    rng = np.random.default_rng(seed)
    reco = rng.normal(0, 0.02, (members, 1, *shape)) * (YEARS - 2009)[:, None, None]
    reco = 1 + reco + rng.normal(0, 0.1, (members, 19, *shape))
    npp = rng.normal(0.6, 0.1, (19, *shape))
    coords = {"year": YEARS}
    return xr.Dataset(
        {
            "reco": xr.DataArray(reco, coords, ("member", "year", "lat", "lon")),
            "npp": xr.DataArray(npp, coords, ("year", "lat", "lon")),
        }
    )


@pytest.mark.parametrize("block", [1, 3, 5])
def test_draws_agree_with_an_explicit_refit_of_every_drawn_series(block):
    y = maps()
    draws = trends.slope_draws(y, 9, np.random.default_rng(7), block=block)
    years = resampled_years(19, 9, block, np.random.default_rng(7))
    for k in range(9):
        for name, series in (("reco", y.reco[k % 4]), ("npp", y.npp)):
            for i in range(2):
                for j in range(3):
                    line = np.polyval(np.polyfit(YEARS - 2009, series[:, i, j], 1), YEARS - 2009)
                    rest = (series[:, i, j].values - line) * np.sqrt(19 / 17)
                    slope = np.polyfit(YEARS - 2009, line + rest[years[k]], 1)[0]
                    assert float(draws[name][k, i, j]) == pytest.approx(slope, rel=1e-8, abs=1e-12)


def test_the_spread_of_draws_is_the_standard_error_of_least_squares():
    """Closed form: with single years the variance of the draws is that of the slope, s² / Σ(t - mean)²."""
    y = maps(members=1).isel(member=0)
    draws = trends.slope_draws(y, 40_000, np.random.default_rng(1), block=1)
    fit = trends.ols(y.npp)
    rest = y.npp - fit.intercept - fit.slope * y.year
    se = np.sqrt((rest**2).sum("year") / 17 / ((YEARS - YEARS.mean()) ** 2).sum())
    np.testing.assert_allclose(draws.npp.std("draw"), se.transpose("lat", "lon"), rtol=0.02)
    np.testing.assert_allclose(draws.npp.mean("draw"), fit.slope, atol=4 * float(se.max()) / 200)


def test_blocks_carry_memory_into_the_spread():
    noise = trends.ar1_noise(0.7, 40, 300, np.random.default_rng(2))
    y = xr.Dataset({"y": xr.DataArray(noise, {"year": np.arange(40)}, ("year", "cell"))})
    single, blocks = (trends.slope_draws(y, 400, np.random.default_rng(3), block=b).y.std("draw") for b in (1, 5))
    true = trends.ols(xr.DataArray(noise, {"year": np.arange(40)}, ("year", "cell"))).slope.std()
    assert float(single.mean()) < float(blocks.mean()) < float(true)
    assert float(blocks.mean()) > 1.2 * float(single.mean())


def test_cells_and_variables_err_together():
    """Two cells of one series, and a second variable that is its negative: draws keep that exactly."""
    one = maps(members=1).npp[:, 0, 0]
    y = xr.Dataset({"a": xr.concat([one, one], "cell"), "b": -xr.concat([one, one], "cell")})
    draws = trends.slope_draws(y, 50, np.random.default_rng(0))
    np.testing.assert_allclose(draws.a[:, 0], draws.a[:, 1], rtol=1e-12)
    np.testing.assert_allclose(draws.b[:, 0], -draws.a[:, 0], rtol=1e-12)


def test_lazy_maps_stay_lazy_and_gaps_stay_gaps():
    y = maps()
    y.npp[3, 0, 0] = np.nan
    draws = trends.slope_draws(y, 6, np.random.default_rng(0))
    lazy = trends.slope_draws(y.chunk({"year": 4, "lat": 1, "member": 2}), 6, np.random.default_rng(0))
    assert lazy.reco.chunks is not None and draws.reco.dims == ("draw", "lat", "lon")
    xr.testing.assert_allclose(lazy.compute(), draws)
    assert draws.npp[:, 0, 0].isnull().all() and int(draws.npp.isnull().sum()) == 6


def test_years_are_drawn_in_runs_that_wrap_around():
    years = resampled_years(19, 500, 3, np.random.default_rng(0))
    assert years.shape == (500, 19)
    runs = years[:, :18].reshape(500, 6, 3)
    assert ((runs[..., 1:] - runs[..., :-1]) % 19 == 1).all()
    np.testing.assert_allclose(np.bincount(years.ravel()) / years.size, 1 / 19, rtol=0.15)
    with pytest.raises(ValueError, match="block: expected 1 to 19 years, found 20"):
        trends.slope_draws(maps(), 1, np.random.default_rng(0), block=20)


def test_shares_by_draw_agree_with_the_shares_of_one_map():
    rng = np.random.default_rng(4)
    cells = {"dims": ("lat", "lon")}
    holds = xr.DataArray(rng.random((3, 6, 4)) > 0.4, dims=("draw", "lat", "lon"))
    counted, area = xr.DataArray(rng.random((6, 4)) > 0.3, **cells), xr.DataArray(rng.random((6, 4)), **cells)
    band = xr.DataArray(rng.integers(0, 3, (6, 4)).astype("int8"), **cells)
    inside = {"Global": xr.ones_like(counted)} | {name: band == k for k, name in enumerate(trends.REGIONS[1:])}
    shares = trends.drawn_shares(holds, counted, area, inside | {"nowhere": counted & False})
    assert shares.pixel.dims == ("draw", "region")
    for k in range(3):
        slow = trends.shares({"holds": holds[k]}, counted, area, band).set_index("region")
        ours = shares.isel(draw=k).sel(region=list(trends.REGIONS))
        np.testing.assert_allclose(ours.pixel, slow.pixel, rtol=1e-12)
        np.testing.assert_allclose(ours.area, slow.area, rtol=1e-12)
    assert np.isnan(shares.sel(region="nowhere").to_array()).all()
