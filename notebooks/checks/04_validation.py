"""Checks of chapter 4's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Both losses are squares: none is negative. Take r from the table of scores as r², and its sign as positive."
)
def exercise_1_losses_are_squares(terms):
    assert (terms[["lost to scale", "lost to bias"]] >= -1e-6).all(axis=None)


@test_case(
    failure_message="The equation must hold in each row: r² less both losses is R². Use standard deviations with ddof 0."
)
def exercise_1_adds_up(terms):
    assert (abs(terms["r²"] - terms["lost to scale"] - terms["lost to bias"] - terms["R²"]) < 1e-4).all()


@test_case(hidden=True)
def exercise_1_values(terms, scores):
    table = scores[scores.n > 1].set_index("model")
    assert set(terms.index) == set(table.index)
    lost = table.bias**2 / (table.rmse**2 / (1 - table.r2))
    assert (abs(terms["R²"].astype(float) - table.r2) < 1e-3).all()
    assert (abs(terms["lost to bias"].astype(float) - lost) < 2e-3 * (1 + lost)).all()


@test_case(failure_message="Two ends with r between them, and none beyond one. Did you transform back?")
def exercise_2_holds_r(interval):
    low, high = interval(0.6, 20)
    assert -1 < low < 0.6 < high < 1


@test_case(
    failure_message="More sites know more; and near one the interval is lopsided, since no correlation is above one."
)
def exercise_2_narrows(interval):
    (low, high), (lower, higher) = interval(0.9, 100), interval(0.9, 10)
    assert lower < low and high < higher
    assert 0.9 - lower > higher - 0.9


@test_case(hidden=True)
def exercise_2_values(interval):
    low, high = interval(0.475, 30)
    assert abs(low - 0.138) < 0.003 and abs(high - 0.713) < 0.003
