"""Checks of chapter 13's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(failure_message="Only numbers whose interval has a level: a mere range has no standard error.")
def exercise_1_has_levels(levelled, sure):
    assert levelled.level.notna().all() and len(levelled) == sure.level.notna().sum()


@test_case(
    failure_message="Standard errors and moves are not negative. Each interval is 2 z standard errors wide, with z of its own level."
)
def exercise_1_are_sizes(levelled):
    assert (levelled[["standard error", "moved by, standard errors"]].dropna() >= 0).all(axis=None)


@test_case(hidden=True)
def exercise_1_values(levelled):
    import numpy as np
    from scipy.stats import norm

    width = 2 * norm.ppf((1 + levelled.level) / 2) * levelled["standard error"]
    assert np.allclose(width, levelled.high - levelled.low, rtol=0.01)
    moved = abs(levelled.honest - levelled["seed protocol"]) / levelled["standard error"]
    assert np.allclose(moved, levelled["moved by, standard errors"], rtol=0.01, equal_nan=True)


@test_case(
    failure_message="A number for each level in the table, and fewer than it has of that level: an interval is meant to hold the truth."
)
def exercise_2_is_a_part(by_chance, sure):
    counts = sure.level.value_counts()
    assert set(dict(by_chance)) == set(counts.index)
    assert all(0 < by_chance[level] < counts[level] / 2 for level in counts.index)


@test_case(hidden=True)
def exercise_2_values(by_chance, sure):
    assert all(abs(by_chance[level] - (1 - level) * n) < 0.01 for level, n in sure.level.value_counts().items())
