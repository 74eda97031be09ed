"""Verdicts that errors may leave open: closed forms, slow loops, and how often intervals hold the truth."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from helpers import risk, trends


def members(values):
    return xr.DataArray(np.asarray(values, "float64"), dims=("member", "cell"))


def cells(values):
    return xr.DataArray(np.asarray(values, "float64"), dims="cell")


def test_members_alone_give_students_interval_for_one_more_member():
    d = members(np.random.default_rng(0).normal(0.3, 1, (6, 50)))
    verdict = risk.difference_verdict(d, confidence=0.8)
    half = stats.t.ppf(0.9, 5) * d.std("member", ddof=1) * np.sqrt(1 + 1 / 6)
    np.testing.assert_allclose(verdict.low, d.mean("member") - half, rtol=1e-12)
    np.testing.assert_allclose(verdict.high, d.mean("member") + half, rtol=1e-12)
    np.testing.assert_allclose(verdict.dof, 5)


def test_one_map_with_a_standard_error_gives_the_interval_of_its_regression():
    years = np.arange(2000, 2019)
    npp, reco = (np.random.default_rng(s).normal(0, 1, (19, 40)) + 0.1 * s * np.arange(19)[:, None] for s in (1, 2))
    fit = trends.ols_ar1(xr.DataArray(npp - reco, {"year": years}, ("year", "cell")))
    verdict = risk.difference_verdict(fit.slope, fit.se, fit.dof, confidence=0.9)
    np.testing.assert_array_equal(verdict.verdict != 3, fit.p < 0.1)
    np.testing.assert_array_equal(verdict.verdict == 2, (fit.p < 0.1) & (fit.slope < 0))
    assert {1, 2, 3} >= set(verdict.verdict.values.tolist()) >= {2, 3}


def test_both_errors_add_as_in_a_slow_loop():
    rng = np.random.default_rng(1)
    d, se = members(rng.normal(0, 1, (5, 20))), members(rng.gamma(2, 1, (5, 20)))
    dof = members(rng.uniform(5, 17, (5, 20)))
    verdict = risk.difference_verdict(d, se, dof)
    for c in range(20):
        w, b = np.mean(se.values[:, c] ** 2), np.var(d.values[:, c], ddof=1) * 6 / 5
        nu = (w + b) ** 2 / (w**2 / dof.values[:, c].mean() + b**2 / 4)
        low, high = stats.t.interval(0.9, nu, d.values[:, c].mean(), np.sqrt(w + b))
        assert (float(verdict.low[c]), float(verdict.high[c])) == pytest.approx((low, high), rel=1e-9)
        assert float(verdict.se[c]) == pytest.approx(np.sqrt(w + b)) and float(verdict.dof[c]) == pytest.approx(nu)


def test_an_interval_of_90_percent_holds_the_truth_in_90():
    """The truth of a cell, five members that scatter around it with the model's error, and one error of the years."""
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 20_000)
    estimate = truth + rng.normal(0, 0.7, truth.size)
    d = members(estimate + rng.normal(0, 0.5, (5, truth.size)) - rng.normal(0, 0.5, truth.size))
    se = cells(0.7 * np.sqrt(rng.chisquare(17, truth.size) / 17))
    verdict = risk.difference_verdict(d, se, 17.0)
    assert float(((verdict.low <= truth) & (truth <= verdict.high)).mean()) == pytest.approx(0.9, abs=0.01)
    wrong = ((verdict.verdict == 1) & (truth < 0)) | ((verdict.verdict == 2) & (truth > 0))
    assert 0 < float(wrong.mean()) < 0.05
    verdicts = set(verdict.verdict.values.tolist())
    assert verdicts == {1, 2, 3}


def test_cells_with_nothing_to_judge_and_cells_with_nothing_to_judge_by():
    d, se = members([[1.0, np.nan, 2.0, 1.0], [1.0, 1.0, 2.1, 1.0]]), cells([0.0, 1.0, np.nan, 0.1])
    verdict = risk.difference_verdict(d, se, cells([np.nan, 5.0, np.nan, 5.0]))
    assert verdict.verdict.values.tolist() == [1, 0, 3, 1] and verdict.verdict.dtype == np.int8
    assert verdict.low[0] == 1 and verdict.low[2] == -np.inf and verdict.high[2] == np.inf
    lazy = risk.difference_verdict(d.chunk({"cell": 2}), se.chunk({"cell": 2}), 5.0)
    assert lazy.verdict.chunks is not None
    assert lazy.verdict.values.tolist() == [1, 0, 3, 1]


def test_what_cannot_be_judged_is_refused():
    one = members([[1.0, 2.0]])
    for d in (one, one[0]):
        with pytest.raises(ValueError, match="difference: expected two or more along 'member', or a standard error"):
            risk.difference_verdict(d)
    for confidence in (0, 90):
        with pytest.raises(ValueError, match=f"confidence: expected .* found {confidence}"):
            risk.difference_verdict(one, one, confidence=confidence)


def test_verdicts_sum_up_by_region():
    flags = xr.DataArray(np.array([[1, 1, 2, 3, 0]], "int8"), dims=("lat", "lon"))
    area = xr.DataArray([[1.0, 1.0, 2.0, 4.0, 9.0]], dims=("lat", "lon"))
    inside = {"all": area > 0, "last": area > 8}
    table = risk.verdict_shares(flags, area, inside).set_index(["region", "verdict"])
    assert table.loc["all", "pixel"].tolist() == [0.5, 0.25, 0.25]
    assert table.loc["all", "area"].tolist() == [0.25, 0.25, 0.5]
    assert table.loc["last", "area"].isna().all() and table.loc["last", "n_cells"].eq(0).all()
    assert table.loc["all"].index.tolist() == list(risk.VERDICTS.values())


def draws(columns):
    return xr.DataArray(
        np.stack(list(columns.values()), axis=1), dims=("draw", "region"), coords={"region": list(columns)}
    )


def test_intervals_of_shares_leave_open_what_straddles_one_half():
    k = np.arange(101) / 100
    table = risk.share_intervals(
        draws(
            {
                "sink": 0.6 + 0.3 * k,
                "source": 0.1 * k,
                "open": k,
                "even": 0 * k + 0.5,
                "nowhere": k * np.nan,
                "all": 0 * k + 1.0,
            }
        )
    )
    assert table.verdict.tolist() == [
        risk.SINK,
        risk.RISK,
        risk.INDISTINGUISHABLE,
        risk.INDISTINGUISHABLE,
        risk.EMPTY,
        risk.SINK,
    ]
    assert table.loc["sink", ["median", "low", "high"]].tolist() == pytest.approx([0.75, 0.615, 0.885])
    assert table.above_half[:4].tolist() == pytest.approx([1, 0, 0.5, 0.5])
    assert table.loc["all", ["median", "low", "high"]].tolist() == [1.0, 1.0, 1.0]
    assert table.loc["nowhere", ["median", "low", "high", "above_half"]].isna().all()


def made_world(rng, mean, shared):
    """Return the share of 400 cells whose true trend rises, and the verdict on draws; errors are partly shared."""
    years, area = np.arange(19), xr.DataArray(np.ones((1, 400)), dims=("lat", "lon"))
    slope = rng.normal(mean, 1, 400) / np.sqrt(((years - 9.0) ** 2).sum())
    noise = np.sqrt(1 - shared) * rng.normal(size=(19, 400)) + np.sqrt(shared) * rng.normal(size=(19, 1))
    values = (slope * years[:, None] + noise)[:, None]
    y = xr.Dataset({"y": xr.DataArray(values, {"year": years}, ("year", "lat", "lon"))})
    rises = trends.slope_draws(y, 100, rng, block=1).y > 0
    shares = trends.drawn_shares(rises, area > 0, area, {"Global": area > 0}).area
    return float((slope > 0).mean()), risk.share_intervals(shares).loc["Global"]


@pytest.mark.parametrize("mean", [0.84, 0.2])
def test_intervals_mostly_hold_the_true_share_where_neighbours_err_together(mean):
    """40 worlds; the intervals of 90 % are too short, and the verdicts safe, as the docstring says."""
    rng = np.random.default_rng(3)
    worlds = [made_world(rng, mean, shared=0.6) for _ in range(40)]
    held = sum(row.low <= truth <= row.high for truth, row in worlds)
    wrong = sum(row.verdict == (risk.RISK if truth > 0.5 else risk.SINK) for truth, row in worlds)
    assert held >= 30 and wrong <= 3


def test_shares_lean_towards_one_half_where_every_cell_errs_by_itself():
    """Trends of mean 0.84 and spread 1, errors of 1, drawn once more: Φ(0.84), Φ(0.84 / √3)."""
    rng = np.random.default_rng(4)
    worlds = [made_world(rng, 0.84, shared=0.0) for _ in range(10)]
    assert np.mean([truth for truth, _ in worlds]) == pytest.approx(stats.norm.cdf(0.84), abs=0.02)
    assert np.mean([row["median"] for _, row in worlds]) == pytest.approx(stats.norm.cdf(0.84 / 3**0.5), abs=0.02)
    assert all(row.verdict == risk.SINK for _, row in worlds)
