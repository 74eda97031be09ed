"""Many tests at once: the false discovery rate against statsmodels and a slow count, and what chance gives."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.stats import trends


def field(values, dtype=None):
    return xr.DataArray(np.asarray(values, dtype), dims=("lat", "lon"))


def p_map(seed=0, shape=(12, 20), trending=0.3):
    rng = np.random.default_rng(seed)
    p = np.where(rng.random(shape) < trending, rng.beta(0.05, 4, shape), rng.random(shape))
    return field(p), field(rng.random(shape) > 0.25)


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("trending", [0.0, 0.3, 1.0])
def test_fdr_agrees_with_statsmodels(alpha, correlated, trending):
    p, counted = p_map(trending=trending)
    judged = trends.fdr(p, counted, alpha, correlated)
    here = counted.values
    level = 2 * alpha if correlated else alpha
    reject, adjusted, _, _ = multipletests(p.values[here], level, "fdr_bh")
    np.testing.assert_array_equal(judged.significant.values[here], reject)
    np.testing.assert_allclose(judged.adjusted.values[here], adjusted, rtol=1e-12)
    assert not judged.significant.values[~here].any() and np.isnan(judged.adjusted.values[~here]).all()
    assert (judged.attrs["alpha_fdr"], judged.attrs["cells"]) == (level, here.sum())
    assert judged.attrs["significant_cells"] == reject.sum()


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_formula_of_wilks_cell_by_cell(seed):
    p, counted = p_map(seed, (6, 6))
    ordered = sorted(p.values[counted.values])
    n = len(ordered)
    threshold = max([value for i, value in enumerate(ordered, start=1) if value <= i / n * 0.2], default=0.0)
    judged = trends.fdr(p, counted, 0.1)
    assert judged.attrs["threshold"] == threshold
    np.testing.assert_array_equal(judged.significant, (p <= threshold) & counted)


def test_a_map_without_trends_shows_a_significant_cell_as_often_as_its_level_says():
    """400 maps of 200 independent cells: the level of the map is alpha, and it doubles with the doubled threshold."""
    p = np.random.default_rng(8).random((400, 10, 20))
    for correlated, level in ((False, 0.1), (True, 0.2)):
        shown = sum(bool(trends.fdr(field(m), field(m) < 2, 0.1, correlated).significant.any()) for m in p)
        assert stats.binomtest(shown, 400, level).pvalue > 0.01


def test_twice_the_level_keeps_a_map_of_correlated_cells():
    """500 maps of smooth noise, one in ten at the very most shows anything."""
    rng = np.random.default_rng(9)
    waves = np.exp(-0.5 * ((np.arange(200)[:, None] - np.arange(0, 200, 8)) / 12.0) ** 2)
    waves /= np.sqrt((waves**2).sum(axis=1, keepdims=True))
    p = 2 * stats.norm.sf(np.abs(rng.normal(size=(500, 25)) @ waves.T))
    shown = sum(bool(trends.fdr(field(m[None]), field(m[None]) < 2, 0.1).significant.any()) for m in p)
    assert 0.02 < shown / 500 < 0.12


def test_nothing_counted_and_nothing_found():
    p, counted = p_map(trending=0)
    none = trends.fdr(p, counted & False, 0.1)
    assert (none.attrs["cells"], none.attrs["threshold"], bool(none.significant.any())) == (0, 0, False)
    weak = trends.fdr(p * 0 + 0.5, counted, 0.1)
    assert weak.attrs["threshold"] == 0 and weak.attrs["significant_cells"] == 0


def test_what_cannot_be_judged_is_refused():
    p, counted = p_map()
    hole = p.copy()
    hole[np.unravel_index(np.flatnonzero(counted.values)[:3], p.shape)[0][0], :] = np.nan
    lacking = int((hole.isnull() & counted).sum())
    with pytest.raises(ValueError, match=f"p: expected .* found none in {lacking}"):
        trends.fdr(hole, counted, 0.1)
    trends.fdr(hole, counted & hole.notnull(), 0.1)
    for alpha in (0, 0.6):
        with pytest.raises(ValueError, match=f"alpha: expected .* found {alpha}"):
            trends.fdr(p, counted, alpha)


def test_chance_alone_gives_its_shares():
    """10,000 cells of white noise: the shares of least squares, whose level is exact."""
    y = np.random.default_rng(1).normal(size=(2, 19, 10_000))
    cubes = [xr.DataArray(v, coords={"year": np.arange(19)}, dims=("year", "cell")) for v in y]
    one, other = (trends.ols(cube) for cube in cubes)
    rises, falls = (one.p < 0.1) & (one.slope > 0), (one.p < 0.1) & (one.slope < 0)
    for holds, share in ((rises, 0.05), (falls, 0.05), ((one.p < 0.1) & (other.p < 0.1), 0.01)):
        assert stats.binomtest(int(holds.sum()), 10_000, share).pvalue > 0.01, share


def test_classes_of_two_independent_maps_are_products_of_their_margins():
    rng = np.random.default_rng(2)
    rises = [field(np.where(rng.random((100, 200)) < share, 1.0, -1.0)) for share in (0.7, 0.4)]
    table = trends.classes_by_chance(trends.direction(*rises), xr.ones_like(rises[0]))
    assert table["class"].tolist() == list(trends.DIRECTIONS.values()) and set(table.region) == {"Global"}
    np.testing.assert_allclose(table.pixel_by_chance, [0.28, 0.42, 0.12, 0.18], atol=0.01)
    np.testing.assert_allclose(table.pixel, table.pixel_by_chance, atol=0.01)
    np.testing.assert_allclose(table.area_by_chance, table.pixel_by_chance, rtol=1e-12)
    assert table.pixel_by_chance.sum() == pytest.approx(1)


def test_classes_by_hand_weighted_and_by_region():
    """Two maps that always agree: half the land is by chance, all of it is found."""
    way = trends.direction(field([[1.0, -1.0, 1.0, 0.0]]), field([[1.0, -1.0, 1.0, 1.0]]))
    area, here = field([[1.0, 3.0, 5.0, 9.0]]), field([[True, True, False, False]])
    table = trends.classes_by_chance(way, area, {"here": here, "nowhere": here & False})
    assert table.region.tolist() == ["here"] * 4 + ["nowhere"] * 4
    here = table[:4].set_index("class")
    assert here.area.tolist() == [0.25, 0, 0, 0.75] and (here.n_cells == 2).all()
    np.testing.assert_allclose(here.area_by_chance, [1 / 16, 3 / 16, 3 / 16, 9 / 16])
    np.testing.assert_allclose(here.pixel_by_chance, 0.25)
    assert table[4:][["pixel", "area_by_chance"]].isna().all(axis=None)
