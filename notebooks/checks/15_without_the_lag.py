"""Checks of chapter 15's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="A row a planet; half an interval is no negative number. Look in slopes for the water of last year."
)
def exercise_1_has_both_planets(last, planted):
    assert set(last.index) == set(planted) and (last["half the interval"] > 0).all()


@test_case(hidden=True)
def exercise_1_values(last, slopes, lags):
    right = slopes.xs(lags.LAST, level="water of")
    assert (abs(last.slope - right.slope.reindex(last.index)) < 1e-6).all()
    half = (right.high - right.low).reindex(last.index) / 2
    assert (abs(last["half the interval"] - half) < 0.2 * half).all()


@test_case(failure_message="A row a planet and a column a network: each gain belongs to the pair with the same seed.")
def exercise_2_is_pair_by_pair(gains, planted, pair_networks):
    assert set(gains.index) == set(planted) and gains.shape[1] == pair_networks


@test_case(hidden=True)
def exercise_2_values(gains, by_network):
    import numpy as np

    right = (by_network.xs("CNN3", level="network") - by_network.xs("CNN1", level="network")).loc[list(gains.index)]
    assert np.allclose(gains, right, atol=1e-6)
