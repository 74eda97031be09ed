"""Straight lines through maps and their tables, against scipy, numpy, closed forms, slow counts and a real series."""

import math

import dask.array
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy import stats

from helpers import reported
from helpers.space import maps, regions
from helpers.stats import risk, significance, trends

YEARS = np.arange(2000, 2019)
REGIONS = ["Global", "Northern Extra-tropics", "Tropics", "Southern Extra-tropics"]
PARTS = ["variable", "subset", "direction"]
TESTS = {"ols": trends.ols, "mann_kendall": significance.mann_kendall, "ols_ar1": significance.ols_ar1}


def cube(shape=(5, 6), seed=0, years=YEARS):
    """Return a trending, noisy cube (year, lat, lon) with slopes of both signs."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(0, 0.02, shape)
    noise = rng.normal(0, 0.1, (len(years), *shape))
    values = 1 + slope * (years - years.mean())[:, None, None] + noise
    coords = {"year": years, "lat": np.linspace(75, -75, shape[0]), "lon": np.linspace(-150, 150, shape[1])}
    return xr.DataArray(values, coords=coords, dims=("year", "lat", "lon"), name="reco")


def field(values, dtype=None):
    return xr.DataArray(np.asarray(values, dtype), dims=("lat", "lon"))


def test_a_cell_has_the_same_digits_alone_as_among_others():
    y = cube()
    alone = [trends.ols(y[:, i, j]) for i, j in np.ndindex(5, 6)]
    for name, whole in trends.ols(y).items():
        np.testing.assert_array_equal([float(fit[name]) for fit in alone], whole.values.ravel())


@pytest.mark.parametrize("years", [YEARS, np.array([1982, 1983, 1990, 1997, 2008])])
@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_ols_agrees_with_linregress_cell_by_cell(years, kind):
    y = cube(years=years).astype(kind)
    fit = trends.ols(y)
    for i, j in np.ndindex(5, 6):
        oracle = stats.linregress(years, y[:, i, j].astype("float64"))
        ours = [float(fit[v][i, j]) for v in ("slope", "intercept", "r", "p")]
        expected = [oracle.slope, oracle.intercept, oracle.rvalue, oracle.pvalue]
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-13)


def test_a_real_series_agrees_with_polyfit(real_data):
    gpp = xr.open_dataset(real_data / "mte_gpp_annual_4x5_1982_2008.nc").GPP
    fit = trends.ols(gpp)
    series = gpp.stack(cell=("lat", "lon")).dropna("cell", how="any")
    slope, intercept = np.polyfit(series.year - 1995.0, series.to_numpy().astype("float64"), 1)
    fitted = fit.stack(cell=("lat", "lon")).sel(cell=series.cell)
    varies = fitted.outcome.to_numpy() == trends.FITTED
    assert varies.sum() > 600
    np.testing.assert_allclose(fitted.slope.to_numpy()[varies], slope[varies], rtol=1e-6, atol=1e-8)
    middle = (fitted.intercept + 1995 * fitted.slope).to_numpy()[varies]
    np.testing.assert_allclose(middle, intercept[varies], rtol=1e-6)
    assert int((fit.outcome == trends.MISSING_YEAR).sum()) == gpp[0].size - series.sizes["cell"]


@pytest.mark.parametrize(
    ("years", "message"),
    [
        (np.array([2000, 2000, 2001]), "expected 3 different"),
        (np.array(["2000-01-01", "2001-01-01", "2002-01-01"], "datetime64[ns]"), "whole years"),
        (None, "expected a dimension 'year'"),
    ],
)
def test_years_that_cannot_carry_a_line_are_refused(years, message):
    y = xr.DataArray(np.arange(3.0 if years is None else len(years)), dims="time" if years is None else "year")
    with pytest.raises(ValueError, match=message):
        trends.ols(y if years is None else y.assign_coords(year=years))


@pytest.mark.parametrize("n", [3, 4, 10, 19, 27, 40, 41, 200])
def test_p_values_of_correlations_are_scipys_to_the_far_tail(n):
    r = np.concatenate([np.linspace(-1, 1, 401), 1 - np.logspace(-2, -12, 20)])
    with np.errstate(divide="ignore"):
        expected = 2 * stats.t.sf(np.abs(r) * np.sqrt((n - 2) / ((1 - np.abs(r)) * (1 + np.abs(r)))), n - 2)
    np.testing.assert_allclose(trends.correlation_p(r, n), expected, rtol=1e-11, atol=1e-300)


# Maps that are larger than memory.


def stored(y, rows, reads):
    """Return maps lazily, a year and some rows a chunk, as on disk; ``reads`` takes down each chunk that is read."""

    def chunk(block_info=None):
        place = block_info[None]["array-location"]
        reads.append(tuple((p[0], p[1]) for p in place))
        return y.values[tuple(slice(*p) for p in place)]

    chunks = ((1,) * y.shape[0], tuple(np.diff([*range(0, y.shape[1], rows), y.shape[1]])), (y.shape[2],))
    return y.copy(data=dask.array.map_blocks(chunk, chunks=chunks, dtype=y.dtype, meta=np.empty((0, 0, 0), y.dtype)))


@pytest.mark.parametrize("strip", [1, 19 * 6 * 3, 10**9])
def test_maps_are_read_once_and_fitted_alike_whoever_does_it(strip, monkeypatch):
    """Strips of a row, of a part of a chunk and of whole chunks; one thread and three."""
    monkeypatch.setattr(trends, "STRIP", strip)
    y = cube((11, 6)).astype("float32")
    y[3, 0, 0], y[:, 4, 1], y[7, 10, 5] = np.nan, 0.5, np.inf
    found, whole = [], {name: test(y) for name, test in TESTS.items()}
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        for name, test in TESTS.items():
            reads = []
            fit = test(stored(y, 4, reads))
            assert len(reads) == len(set(reads)) == 19 * 3, "each chunk is read once"
            assert fit.slope.dtype == np.float32 and fit.slope.dims == ("lat", "lon")
            xr.testing.assert_allclose(fit, whole[name], rtol=1e-6)
            found.append(fit)
    for one, other in zip(found, found[len(TESTS) :], strict=False):
        assert all(one[name].values.tobytes() == other[name].values.tobytes() for name in one)


@pytest.mark.parametrize("rows", [2, 5, 11])
def test_strips_see_their_neighbours_and_stand_in_order(rows, monkeypatch):
    monkeypatch.setattr(trends, "STRIP", 19 * 6 * 2)
    y = cube((11, 6))

    def around(y):
        return y.mean("year").rolling(lat=3, center=True, min_periods=1).sum().to_dataset(name="sum")

    found = trends.over_rows(around, y.chunk({"year": 1, "lat": rows}), beside=1)
    xr.testing.assert_allclose(found["sum"], around(y)["sum"])


def test_a_lazy_map_has_the_totals_of_the_same_in_memory_and_a_few_rows_may_be_a_piece(monkeypatch):
    y, area = globe((11, 6))
    y[2, 3, 3] = np.nan
    inside = {"all": area > 0, "north": area.lat > 0 * area.lon}
    whole = trends.total(y, area, inside)
    monkeypatch.setattr(trends, "PIECE", 19 * 6 * 3)
    monkeypatch.setattr(trends, "STRIP", 19 * 6)
    xr.testing.assert_allclose(trends.total(y.chunk({"year": 1}), area, inside), whole, rtol=1e-12)


@pytest.mark.long
def test_workers_of_a_cluster_give_the_same_bytes(monkeypatch, tmp_path):
    from dask.distributed import LocalCluster

    y = cube((11, 6)).astype("float32")
    for k in range(19):
        maps.append_year(tmp_path, y.isel(year=[k]).to_dataset(name="reco"))
    lazy = xr.open_zarr(tmp_path).reco.chunk({"lat": 4})
    here = [test(lazy) for test in TESTS.values()]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("RECO_DASK_SCHEDULER", cluster.scheduler_address)
        there = [test(lazy) for test in TESTS.values()]
    for one, other in zip(here, there, strict=True):
        assert all(one[name].values.tobytes() == other[name].values.tobytes() for name in one)


def test_z_slopes_are_slopes_of_z_scores_and_gaps_stay():
    y = cube()
    y[0, 0, 0], y[:, 0, 1] = np.nan, 0.1
    z = trends.zscore(y)
    np.testing.assert_allclose(z[:, 1:], stats.zscore(y[:, 1:], ddof=0), rtol=1e-12)
    assert z[:, 0, 0].isnull().all() and z[:, 0, 1].isnull().all()
    np.testing.assert_allclose(trends.z_slope(trends.ols(y).r, YEARS), trends.ols(z).slope, rtol=1e-10)
    assert 1 / trends.z_slope(1.0, YEARS) == pytest.approx(math.sqrt(30))


def test_analysis_mask_wants_both_valid_in_all_years_and_changing():
    reco, npp = cube((1, 6)), cube((1, 6), seed=1)
    reco[2, 0, 0] = np.nan
    npp[18, 0, 2] = np.nan
    reco[:, 0, 3], npp[:, 0, 4] = 0.0, 2.0
    reco[1:, 0, 5] = 0.0  # cut off in all years but one
    for lazy in (False, True):
        given = [y.chunk(lat=1) if lazy else y for y in (reco, npp)]
        assert trends.analysis_mask(*given)[0].values.tolist() == [False, True, False, False, False, True]
    with pytest.raises(ValueError, match="npp: expected the lon of reco"):
        trends.analysis_mask(reco, npp.assign_coords(lon=np.arange(6)))


def test_direction_names_each_pair_of_signs():
    npp = xr.DataArray([1.0, 1.0, -1.0, -1.0, 0.0, np.nan, 1.0, 1.0])
    reco = xr.DataArray([1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 0.0, np.nan])
    classes = trends.direction(npp, reco)
    assert classes.dtype == np.int8
    names = [trends.DIRECTIONS.get(int(c), "none") for c in classes]
    assert names == ["NPP+RECO+", "NPP+RECO-", "NPP-RECO+", "NPP-RECO-"] + ["none"] * 4


def test_what_is_gathered_stays_inside_the_mask_and_counts_the_rest():
    reco, npp = cube((1, 4)), cube((1, 4), seed=1)
    npp[3, 0, 2] = np.nan
    fits = {"reco": trends.ols(reco), "npp": trends.ols(npp)}
    mask = trends.analysis_mask(reco, npp)
    way = trends.direction(fits["npp"].slope, fits["reco"].slope).where(mask, 0)
    way[0, 1] = 0  # as if a slope were exactly zero: in the mask, without a class
    z = {v: trends.z_slope(fit.r, YEARS) for v, fit in fits.items()}
    stored = trends.gather(fits, z, way, mask, xr.ones_like(fits["reco"].slope))
    assert (stored.attrs["counted"], stored.attrs["zero_or_undefined"]) == (2, 1)
    assert np.isnan(stored.reco_slope[0, 2]) and np.isfinite(fits["reco"].slope[0, 2])
    np.testing.assert_allclose(stored.npp_zslope[0, 3], fits["npp"].r[0, 3] / math.sqrt(30), rtol=1e-6)
    kinds = {name: field.dtype.name for name, field in stored.items()}
    assert {kind for name, kind in kinds.items() if name.startswith(("reco", "npp"))} == {"float32"}
    assert (kinds["analysis_mask"], kinds["area"]) == ("int8", "float64")
    assert stored.npp_slope.attrs["units"] == "kg m-2 yr-2" and stored.area.attrs["units"] == "m2"


def planet(shape=(6, 4)):
    """Return counted cells, areas and the regions of a small made planet."""
    lat = np.linspace(75, -75, shape[0])
    counted = field(np.random.default_rng(5).random(shape) > 0.3)
    area = field(np.cos(np.deg2rad(lat))[:, None] * np.ones(shape))
    code = np.where(lat > 30, 0, np.where(lat < -30, 2, 1)).astype("int8")
    return counted, area, trends.bands(field(code[:, None] * np.ones(shape, "int8")))


def test_shares_agree_with_a_slow_count():
    counted, area, inside = planet()
    rises = field(np.random.default_rng(6).random(counted.shape) > 0.5)
    conditions = {("reco", "up"): rises, ("reco", "down"): ~rises}
    table = trends.shares(conditions, counted, area, inside, ["variable", "way"])
    assert table.columns.tolist() == ["variable", "way", "region", "n_cells", "pixel", "area"]
    assert table.region.unique().tolist() == REGIONS == list(inside)
    for row in table.itertuples():
        n = hits = total = gained = 0.0
        for i, j in np.ndindex(counted.shape):
            if bool(counted[i, j] & inside[row.region][i, j]):
                hit = bool(rises[i, j]) == (row.way == "up")
                n, total, hits, gained = n + 1, total + area[i, j], hits + hit, gained + area[i, j] * hit
        assert row.n_cells == n
        assert (row.pixel, row.area) == pytest.approx((hits / n, float(gained / total)))


def test_regional_means_agree_with_numpy_average_and_their_lines_with_linregress():
    counted, area, inside = planet()
    y = cube((6, 4)).drop_vars(["lat", "lon"]).where(counted)
    means = {v: trends.regional_means(each, counted, area, inside) for v, each in (("reco", y), ("npp", y**2))}
    table = trends.of_means(means)
    assert len(table) == 16 and list(table.index.unique("region")) == REGIONS
    for region, v, how in table.index:
        here = (counted & inside[region]).values
        series = np.average(
            y.values[:, here] ** (1 + (v == "NPP")), axis=1, weights=area.values[here] ** (how == "area")
        )
        np.testing.assert_allclose(means[v.lower()][how].sel(region=region), series, rtol=1e-12)
        oracle, steady = (stats.linregress(YEARS, each) for each in (series, stats.zscore(series)))
        row = table.loc[(region, v, how)]
        np.testing.assert_allclose(row, [oracle.slope, steady.slope, oracle.pvalue], rtol=1e-9)
    lazy = trends.regional_means(y.chunk({"year": 5}), counted, area, inside)
    xr.testing.assert_allclose(lazy, means["reco"])


def globe(shape=(6, 12), seed=0):
    """Return yearly maps (kg m-2 yr-1) and cell areas (m2) of a globe."""
    y = 1 + 2 * cube(shape, seed).assign_coords(lon=np.linspace(-165, 165, shape[1]))
    area = regions.cell_area(y.lat, y.lon)
    return y, xr.DataArray(area, {"lat": y.lat, "lon": y.lon}, ("lat", "lon"))


def test_totals_agree_with_a_slow_sum_and_leave_out_cells_with_a_gap():
    y, area = globe()
    everywhere = xr.ones_like(area, dtype=bool)
    sphere = trends.total(xr.ones_like(y), area, {"Global": everywhere})
    np.testing.assert_allclose(sphere, regions.SPHERE_AREA / 1e12, rtol=1e-12)
    y[4, 0, 0] = np.nan
    inside = {"north": everywhere & (area.lat > 0), "none": ~everywhere}
    totals = trends.total(y.astype("float32").transpose("lat", "year", "lon"), area.T, inside)
    for k in range(19):
        places = [(i, j) for i in range(3) for j in range(12) if (i, j) != (0, 0)]
        slow = sum(float(np.float32(y[k, i, j])) * float(area[i, j]) for i, j in places)
        assert float(totals[0, k]) == pytest.approx(slow / 1e12, rel=1e-12)
    assert totals.n_cells.values.tolist() == [35, 0] and (totals.sel(region="none") == 0).all()
    xr.testing.assert_allclose(trends.total(y.astype("float32").chunk({"year": 1, "lat": 2}), area, inside), totals)
    with pytest.raises(ValueError, match="area: expected the lat"):
        trends.total(y, area[:3], inside)


def test_trends_of_totals_agree_with_statsmodels_and_with_the_slopes_of_cells():
    y, area = globe(seed=3)
    row = significance.total_trend(y, area, {"Global": area > 0}, confidence=0.8).loc["Global"]
    series = trends.total(y, area, {"Global": area > 0}).values[0]
    fit = sm.OLS(series, sm.add_constant(YEARS - 2009.0)).fit()
    r1 = max(float((fit.resid[1:] * fit.resid[:-1]).sum() / (fit.resid**2).sum()), 0)
    dof = 19 * (1 - r1) / (1 + r1) - 2
    half = stats.t.ppf(0.9, dof) * fit.bse[1] * np.sqrt(17 / dof)
    expected = (fit.params[1], fit.params[1] - half, fit.params[1] + half)
    assert (row.slope, row.low, row.high) == pytest.approx(expected, rel=1e-8)
    assert row.slope == pytest.approx(float((trends.ols(y).slope * area).sum()) / 1e12, rel=1e-10)
    assert row.n_cells == area.size and row.area_m2 == pytest.approx(regions.SPHERE_AREA)
    with pytest.raises(ValueError, match="confidence: expected .* found 90"):
        significance.total_trend(y, area, {"Global": area > 0}, confidence=90)


def paper_as_run(name):
    """Return one of the paper's tables as if a run had computed it."""
    paper = reported.table(name)
    share = paper.rename(columns={"band": "region", "percent": "pixel"})
    return trends.beside(share.assign(pixel=share.pixel / 100, area=0.25, n_cells=1), paper)


def test_shares_stand_beside_the_papers_and_each_region_has_a_row_for_each_way_of_counting():
    table = paper_as_run("table2")
    np.testing.assert_allclose(table.pixel, table.paper)
    wide = trends.by_region(table, PARTS)
    assert wide.shape == (12, 8)
    assert wide.index[:3].tolist() == [("Global", side) for side in ("paper", "pixel", "area")]
    assert wide.loc[("Tropics", "paper"), ("RECO", "all", "rise")] == 53.53
    assert wide.loc[("Tropics", "area"), ("NPP", "p<0.1", "fall")] == 25
    plain = pd.DataFrame({"what": "x", "region": REGIONS, "pixel": range(4), "area": range(4)})
    assert trends.by_region(plain, ["what"]).x.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_cells_are_tallied_by_why_they_count_or_not():
    """Four cells: counted; a missing year in RECO; NPP constant; a slope of exactly zero. Areas 1, 2, 4, 8."""
    none, missing, constant = trends.FITTED, trends.MISSING_YEAR, trends.CONSTANT
    fits = {
        "reco": xr.Dataset({"outcome": field([[none, missing, none, none]])}),
        "npp": xr.Dataset({"outcome": field([[none, none, constant, none]])}),
    }
    mask, counted = field([[True, False, False, True]]), field([[True, False, False, False]])
    tally = trends.tally(fits, mask, counted, field([[1e12, 2e12, 4e12, 8e12]]))
    assert tally["million km²"].tolist() == [13, 15, 13, 0, 4, 9, 8, 1]
    assert tally.cells.tolist() == [3, 4, 3, 0, 1, 2, 1, 1]


def test_scores_against_a_truth_by_hand():
    """Two cells of one size: one slope right with a small p, one of the wrong sign with a large p."""
    fit = xr.Dataset({"slope": ("cell", [0.002, -0.001, 9.0]), "p": ("cell", [0.01, 0.6, 0.01])})
    true = xr.Dataset({"slope": ("cell", [0.003, 0.001, 9.0])})
    counted, area = xr.DataArray([True, True, False], dims="cell"), xr.DataArray([1.0, 1.0, 1.0], dims="cell")
    score = list(trends.against(fit, true, counted, area, 0.1).values())
    assert score == pytest.approx([2, 1, 50, 100, 100, 50, 2, 0.5])


def turned(field):
    """Return the same field written otherwise: from the south, transposed, in single precision."""
    field = field.isel(lat=slice(None, None, -1)).assign_coords(lat=field.lat.values[::-1].astype("f4"))
    return field.transpose(..., "lon", "lat")


def test_maps_written_otherwise_are_the_same_maps():
    """What is worked out of two maps must not depend on the order of their rows, nor on the digits of their labels."""
    y = cube((4, 4))
    slope = trends.ols(y)
    shape = {"lat": y.lat, "lon": y.lon}
    area = xr.DataArray(np.arange(16.0).reshape(4, 4) + 1, shape, ("lat", "lon"))
    band = xr.DataArray(np.repeat([0, 1, 1, 2], 4).reshape(4, 4).astype("i1"), shape, ("lat", "lon"))
    counted, inside = area > 2, trends.bands(band)
    again = {name: turned(part) for name, part in inside.items()}
    static = xr.Dataset({"area": area, "band": band, "igbp": band + 1, "economy": band})
    up, b = {"up": slope.slope > 0}, slope.slope
    for call, first, other in (
        (trends.shares, (up, counted, area, inside), (up, counted, turned(area), again)),
        (trends.regional_means, (y, counted, area, inside), (y, turned(counted), turned(area), again)),
        (trends.total, (y, area, inside), (y, turned(area), again)),
        (trends.against, (slope, slope, counted, area, 0.1), (slope, *map(turned, (slope, counted, area)), 0.1)),
        (risk.table, (b, static), (b, turned(static))),
        (risk.against, ({"a": b}, b, counted, static), ({"a": b}, *map(turned, (b, counted, static)))),
        (maps.score, (slope, slope), (slope, turned(slope))),
        (maps.group_means, (area, area, inside), (area, turned(area), again)),
    ):
        one, second = call(*first), call(*other)
        match one:
            case pd.DataFrame():
                pd.testing.assert_frame_equal(one, second)
            case dict():
                assert one == pytest.approx(second, nan_ok=True)
            case _:
                xr.testing.assert_allclose(one, second)
    fits = {"reco": slope, "npp": turned(slope)}
    fields = trends.gather(fits, {v: fit.slope for v, fit in fits.items()}, band, counted, turned(area))
    assert fields.sizes == {"lat": 4, "lon": 4} and fields.npp_slope.equals(fields.reco_slope)
    with pytest.raises(ValueError, match="expected the lat of"):
        trends.shares(up, counted, area, {"far": area.assign_coords(lat=area.lat + 5) > 0})
