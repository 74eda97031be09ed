"""Checks of chapter 14's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(failure_message="Both are falls of R², so none is negative: subtract the harder test from the easier one.")
def exercise_1_are_falls(step_samples, step_towers):
    assert 0 < float(step_samples) < 1 and 0 < float(step_towers) < 1


@test_case(failure_message="The two steps together lead from the paper's split to folds of places.")
def exercise_1_make_one_way(step_samples, step_towers, r2):
    whole = r2["re-drawn"]["CNN-SPEIopt"] - r2["sites"]["CNN-SPEIopt"]
    assert abs(step_samples + step_towers - whole) < 1e-3


@test_case(hidden=True)
def exercise_1_values(step_samples, r2):
    assert abs(step_samples - (r2["re-drawn"] - r2["random"])["CNN-SPEIopt"]) < 1e-3


@test_case(
    failure_message="A claim of a test that is worth something makes a lag more likely. A rate of no claims at all would make the ratio infinite."
)
def exercise_2_is_a_ratio(odds):
    assert 1 < float(odds) < 1000


@test_case(hidden=True)
def exercise_2_value(odds, power):
    rows = power[(power.back == 1) & (power.protocol == "within sites")].set_index("planted")
    cautious, plain = ((rows.found + add) / (rows.worlds + 2 * add) for add in (0.5, 0))
    right = [rate["last year"] / rate["none"] for rate in (cautious, plain)]
    assert min(abs(odds / each - 1) for each in right) < 0.01
