"""Checks of chapter 6's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="A correlation is below one. A slope of z-scores is r over the standard deviation of the years themselves."
)
def exercise_1_is_a_correlation(r_flattest):
    assert 0.107 < r_flattest < 1


@test_case(failure_message="Two sides, and two degrees of freedom fewer than years. A p-value lies between 0 and 1.")
def exercise_1_is_a_p_value(p_flattest):
    assert 0 < p_flattest < 0.5


@test_case(hidden=True)
def exercise_1_values(r_flattest, p_flattest):
    assert abs(r_flattest - 0.586) < 0.003 and abs(p_flattest - 0.0084) < 0.0005


@test_case(
    failure_message="Both are correlations. Over a longer record the years scatter more: what does one slope then say?"
)
def exercise_2_are_correlations(r_19, r_38):
    assert 0 < r_19 < r_38 <= 1


@test_case(hidden=True)
def exercise_2_values(r_19, r_38):
    assert abs(r_19 - 0.493) < 0.005 and abs(r_38 - 0.987) < 0.005
