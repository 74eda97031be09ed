"""Checks of chapter 16's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Where nothing can be shared out, f = 1, two workers are as fast as one: half of what two promise."
)
def exercise_1_nothing_to_share(workers_at_half):
    assert abs(workers_at_half(1) - 2) < 1e-6


@test_case(
    failure_message="The smaller the serial part, the more workers are worth their price. Set the speed-up equal to half of N."
)
def exercise_1_falls_with_the_serial_part(workers_at_half):
    assert workers_at_half(0.01) > workers_at_half(0.05) > workers_at_half(0.5) > 2


@test_case(hidden=True)
def exercise_1_speed(workers_at_half):
    for f in (0.01, 0.05, 0.3):
        n = workers_at_half(f)
        assert abs(1 / (f + (1 - f) / n) - n / 2) < 1e-6 * n


@test_case(
    failure_message="A number of hours for each globe. Work that is done twice as fast takes half of its hours, and saves the other half."
)
def exercise_2_has_both_globes(saved_alone, steps, hours):
    assert set(saved_alone) == set(steps)
    assert all(0 < saved_alone[globe] < hours(steps[globe], 1).sum() for globe in steps)


@test_case(hidden=True)
def exercise_2_values(saved_alone, steps, hours):
    for globe, each in steps.items():
        right = hours(each, 1)[each.kind == "training"].sum() / 2
        assert abs(saved_alone[globe] / right - 1) < 0.01
