"""Checks of chapter 3's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="A whole number of iterations: after k of them, how many of the samples do you expect to be untouched?"
)
def exercise_1_is_a_number_of_iterations(all_known):
    assert all_known == int(all_known) and 1 <= all_known < 1000


@test_case(
    failure_message="A sample trains in an iteration or it doesn't, by the same odds each time: which distribution has that count?"
)
def exercise_1_is_a_count_and_its_spread(trained, give_or_take):
    assert 50_000 < trained < 100_000 and 0 < give_or_take < trained / 50


@test_case(hidden=True)
def exercise_1_values(all_known, trained, give_or_take):
    assert all_known == 5
    assert abs(trained - 76923) < 1 and abs(give_or_take - 133) < 1


@test_case(failure_message="A row a network of Table 1, training samples only, and the columns by RMSE and by SDE.")
def exercise_3_has_the_networks(implied):
    assert set(implied.columns) == {"by RMSE", "by SDE"} and len(implied) == 6


@test_case(
    failure_message="A standard deviation of RECO over towers is of the order of RECO itself. Divide by a root; take R² off one."
)
def exercise_3_is_of_the_size_of_reco(implied):
    assert ((implied > 0.2) & (implied < 2)).all(axis=None)


@test_case(hidden=True)
def exercise_3_values(implied):
    assert abs(implied["by RMSE"].min() - 0.675) < 0.005 and abs(implied["by RMSE"].max() - 0.79) < 0.005
    assert (abs(implied["by SDE"] - 0.63) < 0.02).all()
