"""Tests of a trend against other libraries, many of them at once, and how often they are right on made noise."""

from types import SimpleNamespace

import numpy as np
import pymannkendall
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.stattools import acf

from helpers.space import regions
from helpers.stats import significance, trends

YEARS = np.arange(2000, 2019)
ORACLES = {
    "original": pymannkendall.original_test,
    "hamed_rao": pymannkendall.hamed_rao_modification_test,
    "yue_wang": pymannkendall.yue_wang_modification_test,
    "pre_whitening": pymannkendall.pre_whitening_modification_test,
    "trend_free_pre_whitening": pymannkendall.trend_free_pre_whitening_modification_test,
}
TWINS = {"slope": "slope", "s": "s", "variance": "var_s", "tau": "Tau", "z": "z", "p": "p"}
every_variant = pytest.mark.parametrize("variant", ORACLES)


def noise(n=19, cells=60, rho=0.4, trend=0.02, seed=0):
    """Return trending series (year, cell) with memory."""
    values = significance.ar1_noise(rho, n, cells, np.random.default_rng([seed, n])) + trend * np.arange(n)[:, None]
    return xr.DataArray(values, coords={"year": 2000 + np.arange(n)}, dims=("year", "cell"), name="reco")


def agree(y, variant):
    """Compare Mann–Kendall of all cells with pymannkendall's, one cell at a time."""
    ours, values = significance.mann_kendall(y, variant), y.transpose("cell", "year").values
    with np.errstate(invalid="ignore"):
        oracle = [ORACLES[variant](cell) for cell in values]
    if variant == "trend_free_pre_whitening":
        # Two whitened values may be equal but for rounding, which then decides in either code whether they are tied.
        same = [test.s == s and test.var_s == v for test, s, v in zip(oracle, ours.s, ours.variance, strict=True)]
        assert np.mean(same) > 0.8 and np.abs(ours.s - [test.s for test in oracle]).max() <= 2
        ours, oracle = ours.isel(cell=same), [test for test, equal in zip(oracle, same, strict=True) if equal]
    for name, theirs in TWINS.items():
        expected = np.array([getattr(test, theirs) for test in oracle], dtype="float64")
        np.testing.assert_allclose(ours[name], expected, rtol=1e-8, atol=1e-12, err_msg=f"{variant}: {name}")
    undefined = [test.s != 0 and not test.var_s > 0 for test in oracle]
    np.testing.assert_array_equal(ours.outcome == trends.UNDEFINED, undefined)


@every_variant
@pytest.mark.parametrize("n", [4, 5, 10, 19, 60])
def test_mann_kendall_agrees_with_pymannkendall_at_all_lengths(variant, n):
    agree(noise(n), variant)


@every_variant
def test_mann_kendall_agrees_with_pymannkendall_on_ties_and_on_float32_far_from_zero(variant):
    for step in (1.0, 0.25):
        tied = (noise(seed=1) / step).round() * step
        agree(tied.isel(cell=(tied.max("year") > tied.min("year")).values), variant)
    agree((1000 + noise(seed=4)).astype("float32"), variant)
    if variant == "hamed_rao":  # whose variance may lie below zero, which leaves the test undefined
        normal = np.random.default_rng(0).normal(size=(2000, 19))
        y = xr.DataArray(normal, coords={"year": YEARS}, dims=("cell", "year"))
        below = significance.mann_kendall(y, variant).outcome.values == trends.UNDEFINED
        assert below.sum() > 5
        agree(y[below], variant)


@every_variant
def test_neither_unit_nor_order_of_years_matters(variant):
    y = noise(12, seed=6)
    test = significance.mann_kendall(y, variant)
    decade = significance.mann_kendall(y.assign_coords(year=200 + np.arange(12) / 10), variant)
    np.testing.assert_allclose(decade.slope, 10 * test.slope, rtol=1e-9)
    np.testing.assert_allclose(decade.p, test.p, rtol=1e-9)
    shuffled = y.isel(year=np.random.default_rng(1).permutation(12))
    xr.testing.assert_identical(significance.mann_kendall(shuffled, variant), test)


def test_uneven_years_keep_the_rank_test_and_scipys_slope_and_are_refused_to_those_with_memory():
    y = noise(7).assign_coords(year=[1982, 1983, 1990, 1997, 2008, 2010, 2011])
    test = significance.mann_kendall(y)
    slopes = [stats.theilslopes(y[:, i], y.year).slope for i in range(y.sizes["cell"])]
    np.testing.assert_allclose(test.slope, slopes, rtol=1e-12)
    np.testing.assert_allclose(test.p, significance.mann_kendall(noise(7)).p)
    with pytest.raises(ValueError, match="year: expected evenly spaced values .* found steps from 1 to 11"):
        significance.mann_kendall(y, "yue_wang")


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.4])
def test_adjusted_least_squares_agree_with_statsmodels(rho, corrected):
    """Standard error and r1 of statsmodels, degrees of freedom by the formula, cell by cell."""
    y = noise(rho=rho)
    fit = significance.ols_ar1(y, corrected)
    design = sm.add_constant(y.year.values - 2009.0)
    for i in range(y.sizes["cell"]):
        oracle = sm.OLS(y[:, i].values, design).fit()
        r1 = acf(oracle.resid, nlags=1)[1]
        r1 = (19 * r1 + 2) / 15 if corrected else r1
        dof = 19 * (1 - max(r1, 0)) / (1 + max(r1, 0)) - 2
        ours = [float(fit[v][i]) for v in ("slope", "r1", "dof", "se", "p")]
        assert (int(fit.outcome[i]) == trends.UNDEFINED) == (dof <= 0)
        if dof > 0:
            se = oracle.bse[1] * np.sqrt(17 / dof)
            p = 2 * stats.t.sf(abs(oracle.params[1] / se), dof)
            assert ours == pytest.approx([oracle.params[1], r1, dof, se, p], rel=1e-8)


@pytest.mark.parametrize(("rho", "plain", "corrected"), [(0.0, -2 / 19, 0.0), (0.3, 0.113, 0.277), (0.5, 0.249, 0.448)])
def test_how_far_r1_lies_below_the_memory_of_19_years(rho, plain, corrected):
    """-2 / n and none without memory, by algebra; the others are what the docstring states."""
    y = noise(cells=40_000, rho=rho)
    assert float(significance.ols_ar1(y).r1.mean()) == pytest.approx(plain, abs=0.004)
    assert float(significance.ols_ar1(y, corrected=True).r1.mean()) == pytest.approx(corrected, abs=0.005)


@pytest.mark.parametrize(("rho", "expected"), [(0.0, 0.914), (0.3, 0.857), (0.5, 0.819)])
def test_how_often_the_interval_of_90_percent_holds_the_true_slope(rho, expected):
    """6,000 made totals, each a region of one cell: the shares that the docstring states."""
    y = noise(cells=6000, rho=rho, trend=0.07, seed=5)
    fit = significance.ols_ar1(y)
    half = stats.t.ppf(0.95, fit.dof) * fit.se
    assert float((abs(fit.slope - 0.07) <= half).mean()) == pytest.approx(expected, abs=0.015)
    first = xr.DataArray(np.arange(6000) < 1, dims="cell")
    table = significance.total_trend(y, xr.full_like(y[0], 1e12), {"first": first})
    np.testing.assert_allclose(table.high - table.slope, half[:1], rtol=1e-9)


def test_lines_without_scatter_without_freedom_and_without_cells():
    """A slow wave has an r1 near one, so that hardly a year counts; four years are too few to correct r1."""
    wave = 5 + np.sin(np.arange(100) / 12.0)
    values = np.stack([3.0 + 0.5 * np.arange(100), wave, np.full(100, 2.0), wave * np.nan], axis=1)
    y = xr.DataArray(values, coords={"year": np.arange(100)}, dims=("year", "lon"))
    area = xr.full_like(y[0], 1e12)
    inside = {
        name: xr.DataArray(np.arange(4) == k, dims="lon") for k, name in enumerate(("line", "wave", "flat", "sea"))
    }
    table = significance.total_trend(y, area, inside)
    assert table.loc["line", ["slope", "low", "high", "p"]].tolist() == pytest.approx([0.5, 0.5, 0.5, 0])
    assert table.loc["wave", ["low", "high", "p"]].tolist() == [-np.inf, np.inf, 1]
    assert table.loc[["flat", "sea"], ["slope", "low", "high", "p"]].isna().all(axis=None)
    assert table["n_cells"].tolist() == [1, 1, 1, 0]
    fit = significance.ols_ar1(noise(4), corrected=True)
    assert (fit.outcome == trends.UNDEFINED).all() and fit.p.isnull().all()


# What all the tests share.


def cube(shape=(6, 8), seed=0):
    values = np.random.default_rng(seed).normal(size=(19, *shape)) + 0.05 * np.arange(19)[:, None, None]
    return xr.DataArray(values, coords={"year": YEARS}, dims=("year", "lat", "lon"), name="reco")


@pytest.mark.parametrize("method", significance.METHODS)
def test_every_test_takes_gaps_lines_lazy_maps_and_blocks_alike(method, monkeypatch):
    y = cube((1, 5))
    y[3, 0, 0], y[:, 0, 1], y[5, 0, 2], y[:, 0, 3] = np.nan, 0.1, np.inf, 7 + 0.1 * np.arange(19)
    test = significance.p_values(y, method)
    line = method in ("hamed_rao", "yue_wang", "trend_free_pre_whitening", "ols_ar1", "ols_ar1_corrected")
    outcomes = [trends.MISSING_YEAR, trends.CONSTANT, trends.MISSING_YEAR, trends.UNDEFINED if line else 0, 0]
    assert test.outcome[0].values.tolist() == outcomes, "a line without residuals has no memory to reckon with"
    assert np.isnan(test.p[0].values).tolist() == [outcome != 0 for outcome in outcomes]
    assert np.isnan(test.slope[0].values).tolist() == [True] * 3 + [False] * 2
    assert float(test.slope[0, 3]) == pytest.approx(0.1, rel=1e-12)
    y = xr.concat([cube(), cube(seed=1)], dim="member")
    whole = significance.p_values(y, method)
    monkeypatch.setattr(trends, "STRIP", 2 * 19 * 2 * 8)  # two rows of a chunk's three
    lazy = significance.p_values(y.transpose("lat", "year", "member", "lon").chunk({"year": 5, "lat": 3}), method)
    assert all(lazy[v].chunks is None for v in lazy), "what strips gave stands together in memory"
    xr.testing.assert_allclose(lazy.transpose(*whole.dims), whole)
    monkeypatch.setattr(trends, "HELD", 19 * 19 * 4)
    xr.testing.assert_allclose(significance.p_values(y, method), whole, rtol=1e-12)


# Many tests at once.


def field(values):
    return xr.DataArray(np.asarray(values), dims=("lat", "lon"))


@pytest.mark.parametrize(("alpha", "trending"), [(0.05, 0.0), (0.1, 0.3), (0.01, 1.0)])
def test_fdr_agrees_with_statsmodels_and_with_the_formula_of_wilks(alpha, trending):
    rng = np.random.default_rng(0)
    p = field(np.where(rng.random((12, 20)) < trending, rng.beta(0.05, 4, (12, 20)), rng.random((12, 20))))
    counted = field(rng.random(p.shape) > 0.25)
    judged = significance.fdr(p, counted, alpha)
    reject, *_ = multipletests(p.values[counted.values], 2 * alpha, "fdr_bh")
    np.testing.assert_array_equal(judged.values[counted.values], reject)
    ordered = sorted(p.values[counted.values])
    passing = [value for i, value in enumerate(ordered, start=1) if value <= i / len(ordered) * 2 * alpha]
    assert judged.attrs["threshold"] == max(passing, default=0.0)
    assert not (judged & ~counted).any() and not significance.fdr(p, counted & False, alpha).any()
    with pytest.raises(ValueError, match="alpha: expected .* found 0.6"):
        significance.fdr(p, counted, 0.6)


def test_twice_the_level_keeps_a_map_of_correlated_cells():
    """500 maps of smooth noise, one in ten at the very most shows anything."""
    rng = np.random.default_rng(9)
    waves = np.exp(-0.5 * ((np.arange(200)[:, None] - np.arange(0, 200, 8)) / 12.0) ** 2)
    waves /= np.sqrt((waves**2).sum(axis=1, keepdims=True))
    p = 2 * stats.norm.sf(np.abs(rng.normal(size=(500, 25)) @ waves.T))
    shown = sum(bool(significance.fdr(field(m[None]), field(m[None]) < 2, 0.1).any()) for m in p)
    assert 0.02 < shown / 500 < 0.12


def check(table, gpp, area, method, alpha):
    """Compare the rows of one method with a slow count by other libraries."""
    cells = np.isfinite(gpp).all("year").values & (np.ptp(gpp.values, axis=0) > 0)
    values, size = gpp.values[:, cells].T.astype("float64"), area.values[cells]
    with np.errstate(invalid="ignore"):
        if method == "ols":
            lines = [stats.linregress(np.arange(len(cell)), cell) for cell in values]
            tests = [SimpleNamespace(slope=line.slope, p=line.pvalue) for line in lines]
        else:
            tests = [ORACLES[method](cell) for cell in values]
    slope, p = np.array([(test.slope, test.p) for test in tests]).T
    undefined, p = np.isnan(p).sum(), np.where(np.isnan(p), 1, p)
    reject, *_ = multipletests(p, 2 * alpha, "fdr_bh")
    rows = table[table.method == method].set_index(["subset", "direction"])
    assert set(rows.n_cells) == {cells.sum()} and set(rows.undefined) == {undefined}
    assert set(rows.zero) == {(slope == 0).sum()}
    for subset, holds in {"all": p <= 1, "p < alpha": p < alpha, "fdr": reject}.items():
        for direction, moves in {"rise": slope > 0, "fall": slope < 0}.items():
            row = rows.loc[(subset, direction)]
            assert row.pixel == pytest.approx((holds & moves).mean(), abs=1e-12), (method, subset, direction)
            assert row.area == pytest.approx(size[holds & moves].sum() / size.sum(), abs=1e-12)


def test_a_summary_agrees_with_a_slow_count():
    """Maps with trends, a cell with a gap, a constant one, and one whose median slope is zero."""
    rng = np.random.default_rng(6)
    lat, lon = np.array([60.0, 20.0, -20.0]), np.arange(-150.0, 180.0, 30.0)
    values = rng.normal(size=(19, 3, 11)) + rng.normal(0, 0.1, (3, 11)) * np.arange(19)[:, None, None]
    values[3, 0, 0], values[:, 0, 1] = np.nan, 2.0
    values[:, 1, 1] = [0] * 16 + [1, 1, 1]
    gpp = xr.DataArray(values, {"year": YEARS, "lat": lat, "lon": lon}, ("year", "lat", "lon"), name="gpp")
    area = xr.DataArray(regions.cell_area(lat, lon), {"lat": lat, "lon": lon}, ("lat", "lon"))
    table = significance.summary_of_field(gpp.chunk({"year": 4, "lat": 1}), area, 0.2)
    for method in ("ols", *ORACLES):
        check(table, gpp, area, method, 0.2)
    by_chance = table.groupby("subset").by_chance.unique().map(list).to_dict()
    assert by_chance == {"all": [0.5], "fdr": [0.0], "p < alpha": [0.1]} and len(table) == 6 * len(significance.METHODS)


def test_27_years_of_gridded_gpp_agree_with_other_libraries_and_with_their_permutation(real_data):
    gpp = xr.open_dataset(real_data / "mte_gpp_annual_4x5_1982_2008.nc").GPP.load()
    area = xr.DataArray(regions.cell_area(gpp.lat, gpp.lon), {"lat": gpp.lat, "lon": gpp.lon}, ("lat", "lon"))
    table = significance.summary_of_field(gpp, area, 0.1)
    for method in ("ols", *ORACLES):
        check(table, gpp, area, method, 0.1)
    found = table.groupby(["method", "subset"]).area.sum().unstack()
    assert found["p < alpha"].idxmax() == "yue_wang" and found["p < alpha"].idxmin() == "pre_whitening"
    assert found.loc["ols_ar1_corrected", "fdr"] == pytest.approx(0.194, abs=5e-4)
    assert found.loc["pre_whitening", "fdr"] == 0

    def significant(y):
        return {"share": float((trends.ols(y).p < 0.1).sum()) / 699}

    permuted = significance.permuted_shares(gpp, significant, 99, np.random.default_rng(0))
    assert by_chance(significant(gpp), permuted) == 0.01
    assert permuted.share.mean() == pytest.approx(0.1, abs=0.02)


# Years in random order.


def alike(cells=40, seed=0, trend=0.0, shared=0.0):
    """Return (year, cell): noise of which a part is the same in all cells, and a trend."""
    rng = np.random.default_rng(seed)
    values = np.sqrt(1 - shared) * rng.normal(size=(19, cells)) + np.sqrt(shared) * rng.normal(size=(19, 1))
    return xr.DataArray(values + trend * np.arange(19)[:, None], coords={"year": YEARS}, dims=("year", "cell"))


def significant(y):
    return {"share": float((trends.ols(y).p < 0.1).mean())}


def by_chance(observed, permuted):
    """Return how often chance gives as much as was observed, or more (Phipson and Smyth 2010)."""
    return (1 + (permuted.share >= observed["share"]).sum()) / (1 + len(permuted))


@pytest.mark.parametrize("block", [1, 2, 3, 9])
def test_orders_keep_blocks_together_and_all_years(block):
    rng = np.random.default_rng(0)
    together = np.zeros(18)
    for _ in range(400):
        order = significance.shuffled_years(19, block, rng)
        assert sorted(order) == list(range(19))
        together += np.diff(np.argsort(order)) == 1
    # A pair of years is parted by a cut with probability 1 / block, and may meet again by chance.
    assert abs(together / 400 - (1 - 1 / block)).max() < 0.16


def test_all_cells_and_variables_take_one_order_and_the_years_stay():
    y = xr.Dataset({"npp": alike(), "reco": alike(seed=1)})
    seen = []
    significance.permuted_shares(y, lambda each: seen.append(each) or {}, 5, np.random.default_rng(3))
    for permuted in seen:
        np.testing.assert_array_equal(permuted.year, YEARS)
        order = [int(np.flatnonzero((y.npp == row).all("cell"))[0]) for row in permuted.npp]
        assert sorted(order) == list(range(19)) and order != list(range(19))
        np.testing.assert_array_equal(permuted.reco, y.reco[order])
    with pytest.raises(ValueError, match="block: expected 1 to 9 of 19 years, found 10"):
        significance.permuted_shares(y, dict, 1, np.random.default_rng(0), block=10)


def test_the_test_keeps_its_level_where_neighbours_resemble_each_other():
    """60 fields without a trend, 19 orders each; a test that takes cells as independent rejects too often."""
    p, binomial = [], []
    for seed in range(60):
        y = alike(60, seed=seed, shared=0.6)
        observed = significant(y)
        permuted = significance.permuted_shares(y, significant, 19, np.random.default_rng(seed))
        p.append(by_chance(observed, permuted))
        binomial.append(stats.binomtest(round(60 * observed["share"]), 60, 0.1, "greater").pvalue)
    assert stats.binomtest(sum(value <= 0.2 for value in p), 60, 0.2).pvalue > 0.02
    assert stats.binomtest(sum(value <= 0.05 for value in binomial), 60, 0.05).pvalue < 0.001
    trending = alike(trend=0.1)
    permuted = significance.permuted_shares(trending, significant, 99, np.random.default_rng(1))
    assert by_chance(significant(trending), permuted) < 0.02


@pytest.mark.parametrize("lazy", [False, True])
def test_drawn_cells_are_counted_ones_and_follow_their_area(lazy):
    rng, lat, lon = np.random.default_rng(3), np.arange(60.0, -70.0, -20.0), np.arange(-165.0, 180.0, 30.0)
    shape = {"lat": lat, "lon": lon}
    maps = xr.Dataset({"npp": (("year", "lat", "lon"), rng.normal(size=(5, 7, 12)))}, {"year": YEARS[:5], **shape})
    counted = xr.DataArray(rng.random((7, 12)) < 0.4, shape, ("lat", "lon"))
    area = counted.copy(data=regions.cell_area(lat, lon))
    drawn = significance.sampled_cells(maps.chunk({"year": 1}) if lazy else maps, counted, area, 20_000, rng)
    assert drawn.npp.dims == ("year", "cell")
    np.testing.assert_array_equal(drawn.npp[:, :50], maps.npp.sel(lat=drawn.lat[:50], lon=drawn.lon[:50]))
    assert counted.sel(lat=drawn.lat, lon=drawn.lon).all()
    north = float(area.where(counted & (area.lat > 30)).sum() / area.where(counted).sum())
    assert float((drawn.lat > 30).mean()) == pytest.approx(north, abs=4 * np.sqrt(0.25 / 20_000))


# Size and power on noise whose truth is known.


def sizes(rho, n=19, repeats=8000, seed=1, **settings):
    table = significance.simulated_size(rho, n, 0.1, repeats, np.random.default_rng(seed), **settings)
    return table.set_index("method")


def test_noise_has_the_memory_and_the_variance_that_it_should_from_its_first_year_on():
    for rho in (-0.4, 0.0, 0.7):
        x = significance.ar1_noise(rho, 12, 100_000, np.random.default_rng(3))
        np.testing.assert_allclose(x.var(axis=1), 1, atol=0.03)
        for lag in (1, 3):
            np.testing.assert_allclose((x[lag:] * x[:-lag]).mean(axis=1), rho**lag, atol=0.02)
    with pytest.raises(ValueError, match="rho: expected .* found 1"):
        significance.ar1_noise(1.0, 5, 2, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("method", "rates"),
    [
        ("ols", (0.09, 0.21, None, None)),
        ("hamed_rao", (0.14, 0.24, None, None)),
        ("yue_wang", (0.50, 0.54, None, None)),
        ("pre_whitening", (0.09, 0.10, 0.46, 0.30)),
        ("ols_ar1_corrected", (0.08, 0.10, 0.62, 0.43)),
    ],
)
def test_size_and_power_found_by_other_code(method, rates):
    """Independent rates at 19 years and memories 0 and 0.3: sizes, then power for a trend of 0.1 a year."""
    cases = [(rho, trend) for trend in (0.0, 0.1) for rho in (0.0, 0.3)]
    for (rho, trend), rate in zip(cases, rates, strict=True):
        if rate is not None:
            found = sizes(rho, methods=[method], trend=trend).loc[method]
            assert found.rate == pytest.approx(rate, abs=0.025) and found.low < found.rate < found.high


def test_power_counts_no_trend_of_the_wrong_sign():
    assert (sizes(0.0, repeats=2000, trend=-0.2).rate.drop("pre_whitening") > 0.95).all()
    none = sizes(0.0, repeats=4000, trend=1e-9, methods=["ols"]).rate["ols"]
    assert none == pytest.approx(0.05, abs=0.012)


def test_rates_agree_with_a_slow_loop_on_the_same_noise():
    table = sizes(0.3, repeats=200, seed=9)
    noise = significance.ar1_noise(0.3, 19, 200, np.random.default_rng(9))
    with np.errstate(invalid="ignore"):
        slow = {name: np.mean([test(y).p < 0.1 for y in noise.T]) for name, test in ORACLES.items()}
    slow["ols"] = np.mean([stats.linregress(np.arange(19), y).pvalue < 0.1 for y in noise.T])
    assert table.rate[list(slow)].to_dict() == pytest.approx(slow)
    assert table.equals(sizes(0.3, repeats=200, seed=9))


def on_maps(rho=0.0, maps=20, trend=0.1, part=0.5, methods=("ols", "ols_ar1_corrected", "pre_whitening")):
    table = significance.field_power(rho, 19, 0.1, maps, np.random.default_rng(2), trend, part, methods)
    return table.set_index("method")


def test_power_on_maps_agrees_with_a_slow_count():
    """Two maps drawn again, each line by scipy, each map judged by statsmodels."""
    row = on_maps(0.3, maps=2, trend=-0.1, part=0.3).loc["ols"]
    noise = significance._made_maps(0.3, 19, 2, np.random.default_rng(2))
    noise[:, :, :300] -= 0.1 * np.arange(19)[:, None, None]
    found = []
    for k in range(2):
        lines = [stats.linregress(np.arange(19), cell) for cell in noise[:, k].T]
        falls, p = np.array([line.slope < 0 for line in lines]), np.array([line.pvalue for line in lines])
        reject, right = multipletests(p, 0.2, "fdr_bh")[0], falls & (np.arange(1000) < 300)
        shares = (right & (p < 0.1)).sum() / 300, (right & reject).sum() / 300
        found.append((*shares, reject.mean(), (reject & ~right).sum() / max(reject.sum(), 1)))
    np.testing.assert_allclose(row.astype(float), np.mean(found, axis=0), rtol=1e-9)
    with pytest.raises(ValueError, match="part, trend: expected"):
        on_maps(trend=0.0)


def test_a_map_without_trend_is_called_as_seldom_as_promised_and_whitening_finds_none_that_has():
    """With memory the smallest p-values are too small, and the table says so."""
    none, some = on_maps(maps=200, part=0.0).drop("ols"), on_maps()
    assert (none.false <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 200)).all() and (none.called < 0.01).all()
    assert none[["alone", "field"]].isna().all(axis=None)
    assert on_maps(0.3, maps=100, part=0.0, methods=["ols_ar1_corrected"]).false.item() > 0.3
    np.testing.assert_allclose(some.alone, sizes(0.0, trend=0.1).rate[some.index], atol=0.04)
    assert some.field["pre_whitening"] < 0.05 < 0.4 < some.field["ols_ar1_corrected"] < some.field["ols"]
    assert (some.false < 0.2).all()
