"""Checks of chapter 8's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Both intervals lie around the same mean difference: the rows plain and corrected differ in their width only."
)
def exercise_1_has_one_middle(by_t):
    both = by_t.loc[["plain", "corrected"]].astype(float)
    assert abs(both.difference.iloc[0] - both.difference.iloc[1]) < 1e-9
    assert (abs(both.low + both.high - 2 * both.difference) < 1e-9).all()


@test_case(
    failure_message="The correction can only widen an interval. One fold tests, all others train: what is the ratio c?"
)
def exercise_1_the_correction_widens(by_t):
    width = (by_t.high - by_t.low).astype(float)
    assert width["corrected"] > width["plain"]


@test_case(hidden=True)
def exercise_1_widths(by_t, rules, ladder_folds):
    size = len(rules["sites"]) * ladder_folds
    width = (by_t.high - by_t.low).astype(float)
    assert abs((width["corrected"] / width["plain"]) ** 2 - (1 + size / (ladder_folds - 1))) < 1e-3


@test_case(failure_message="Three ways to deal, random, places and towers: in each the fold of every sample.")
def exercise_2_has_three_rules(folds):
    assert set(folds) == {"random", "places", "towers"}


@test_case(hidden=True)
def exercise_2_keeps_apart(folds, site, places):
    import pandas as pd

    for rule, group in (("places", places), ("towers", site)):
        assert (pd.Series(folds[rule]).groupby(list(group)).nunique() == 1).all()
    assert (pd.Series(folds["random"]).groupby(list(places)).nunique() > 1).any()
