"""Verdicts that errors may leave open, by hand."""

import numpy as np
import pytest
import xarray as xr

from helpers.stats import risk


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


@pytest.mark.parametrize("confidence", [0, 90])
def test_a_confidence_is_a_part_of_one(confidence):
    with pytest.raises(ValueError, match=f"confidence: expected .* found {confidence}"):
        risk.share_intervals(draws({"here": np.ones(3)}), confidence)
