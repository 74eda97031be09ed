"""Checks of chapter 7's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(failure_message="A z-slope knows nothing of grams: which of the cell's numbers enter it?")
def exercise_1_the_rule_sees_correlations(d_z):
    assert abs(d_z) < 0.1


@test_case(
    failure_message="In g C m⁻² yr⁻²: each slope is r s over the standard deviation of the years, about five and a half."
)
def exercise_1_is_a_rate(d):
    assert 1 < abs(d) < 10


@test_case(
    failure_message="The sink is GPP less RECO, and NPP is GPP less what plants respire: whose growth did D leave out?"
)
def exercise_1_sink_is_another_difference(d, sink):
    assert sink > d


@test_case(hidden=True)
def exercise_1_values(d_z, d, sink):
    assert abs(d_z) < 1e-6 and abs(d + 5.48) < 0.05 and abs(sink + 1.1) < 0.05


@test_case(
    failure_message="A share lies between 0 and 100 %, so it can't change by more than 100 points. Points are a hundred times a share."
)
def exercise_2_are_points(moves):
    assert (abs(moves) <= 100).all() and len(moves) > 0


@test_case(hidden=True)
def exercise_2_values(moves, both):
    change = 100 * (both["carbon"].npp_faster_area - both["z"].npp_faster_area)
    assert (abs(moves - change.reindex(moves.index)) < 0.1).all()
