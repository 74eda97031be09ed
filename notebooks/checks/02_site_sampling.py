"""Checks of chapter 2's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(failure_message="One True or False a sample: compare samples.qc with the stricter limit.")
def exercise_1_is_a_mask(strict, samples):
    import numpy as np

    assert np.asarray(strict).dtype == bool and np.asarray(strict).shape == samples.qc.shape


@test_case(failure_message="A sample that is left out must not be of better quality than one that stays.")
def exercise_1_keeps_the_better(strict, samples):
    import numpy as np

    stays, qc = np.asarray(strict), samples.qc.values
    assert stays.any() and (stays.all() or qc[stays].min() >= qc[~stays].max())


@test_case(hidden=True)
def exercise_1_limit(strict, samples, min_qc):
    import numpy as np

    assert np.array_equal(np.asarray(strict), samples.qc.values >= max(0.8, min_qc))


@test_case(
    failure_message="A probability lies between 0 and 1. Where in the block of k by k fine cells may the window's centre be?"
)
def exercise_2_is_a_probability(probability):
    assert all(0 <= probability(k) <= 1 for k in range(2, 60))


@test_case(failure_message="The wider the coarse cells, the more windows lie within one; a window is three cells wide.")
def exercise_2_grows_with_the_width(probability):
    assert probability(2) < probability(3) < probability(5) < probability(50) < probability(10_000)
    assert probability(10_000) > 0.99


@test_case(hidden=True)
def exercise_2_counted(probability):
    for k in (2, 3, 5, 10):
        within = sum(1 <= y <= k - 2 and 1 <= x <= k - 2 for y in range(k) for x in range(k))
        assert abs(probability(k) - within / k**2) < 1e-9
