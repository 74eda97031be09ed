"""Checks of chapter 11's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Shares from 0 to 1. Two tests that know nothing of each other pass together less often than each alone."
)
def exercise_2_both_are_rarer(both_pass):
    assert 0 < both_pass < 0.1


@test_case(failure_message="At least one of two passes more often than each alone: when does none pass?")
def exercise_2_one_is_more_frequent(one_passes):
    assert 0.1 < one_passes < 0.5


@test_case(hidden=True)
def exercise_2_values(both_pass, one_passes):
    assert abs(both_pass - 0.01) < 1e-6 and abs(one_passes - 0.19) < 1e-6


@test_case(
    failure_message="A share of one single region is 0 or 1, each half of the time: what is its standard deviation, and what is k then?"
)
def exercise_3_one_region(regions_of):
    assert abs(regions_of(0.5) - 1) < 1e-6


@test_case(failure_message="Four times the regions halve the spread.")
def exercise_3_falls_with_the_square(regions_of):
    assert abs(regions_of(0.1) / regions_of(0.2) - 4) < 1e-6


@test_case(hidden=True)
def exercise_3_value(regions_of):
    assert abs(regions_of(0.07) - 51.02) < 0.05
