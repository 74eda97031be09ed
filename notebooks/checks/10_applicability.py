"""Checks of chapter 10's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Two indices, by importance and equal, each with a value for every counted cell, and none negative."
)
def exercise_1_has_two_indices(found, counted):
    assert {"by importance", "equal"} <= set(found)
    assert all(
        len(found[name]) == int(counted.sum()) and (found[name] >= 0).all() for name in ("by importance", "equal")
    )


@test_case(hidden=True)
def exercise_1_values(found, index_of, years, counted, weights):
    import numpy as np

    for name, weight in (("by importance", weights), ("equal", None)):
        ((_, index),) = index_of(years[-1:], weight)
        assert np.allclose(found[name], index[counted.values], rtol=1e-4)


@test_case(
    failure_message="By the equation of spread and timing the best ratio of STDEVs is the correlation itself: what ratio is left?"
)
def exercise_2_are_correlations(r_71, r_88):
    assert 0 < r_88 < r_71 < 1


@test_case(failure_message="What a correlation explains is smaller than the correlation; a share, from 0 to 1.")
def exercise_2_explain_less(r_71, r_88, explained_71, explained_88):
    assert 0 < explained_71 < r_71 and 0 < explained_88 < r_88


@test_case(hidden=True)
def exercise_2_values(r_71, r_88, explained_71, explained_88):
    assert abs(r_71 - 0.29) < 1e-3 and abs(r_88 - 0.12) < 1e-3
    assert abs(explained_71 - 0.0841) < 1e-3 and abs(explained_88 - 0.0144) < 1e-3
