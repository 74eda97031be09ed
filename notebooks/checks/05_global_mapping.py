"""Checks of chapter 5's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Each column holds shares of one whole: they must sum to one. Which cells are counted, and which are land of that map?"
)
def exercise_2_sums_to_one(shares):
    assert (abs(shares[["share of cells", "share of land"]].sum() - 1) < 1e-6).all()


@test_case(
    failure_message="Cells shrink towards the poles. Which of the two columns must then be the larger in the north?"
)
def exercise_2_cells_shrink(shares):
    north = shares[["share of cells", "share of land"]].iloc[0]
    assert north.nunique() == 2


@test_case(hidden=True)
def exercise_2_values(shares, counted, static):
    import numpy as np

    weights = {"share of cells": np.ones(counted.shape), "share of land": static.area.broadcast_like(counted).values}
    north = (counted.lat > 30).broadcast_like(counted).values
    for name, weight in weights.items():
        share = weight[counted.values & north].sum() / weight[counted.values].sum()
        assert np.isclose(shares[name], share, atol=0.02).any()


@test_case(
    failure_message="The globe respires some tens to some hundreds of petagrams. One Pg is 10¹² kg, one km² is 10⁶ m²."
)
def exercise_4_is_in_petagrams(total):
    assert 10 < float(total) < 500


@test_case(hidden=True)
def exercise_4_value(total):
    assert abs(float(total) - 95.7) < 0.5
