"""Dissimilarity and area of applicability against slow loops; importance against closed forms and scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from helpers.stats import applicability


def slow_points(train, values, weights):
    """Standardise by the training data and weigh, number by number."""
    n, columns = len(train), range(len(train[0]))
    mean = [sum(row[p] for row in train) / n for p in columns]
    sd = [(sum((row[p] - mean[p]) ** 2 for row in train) / (n - 1)) ** 0.5 for p in columns]
    return [[weights[p] * (row[p] - mean[p]) / sd[p] for p in columns] for row in values]


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


def slow_mean(points):
    pairs = [distance(points[i], points[j]) for i in range(len(points)) for j in range(i)]
    return sum(pairs) / len(pairs)


def slow_index(train, new, weights):
    here, there = slow_points(train, train, weights), slow_points(train, new, weights)
    return [min(distance(cell, sample) for sample in here) / slow_mean(here) for cell in there]


def slow_training_index(train, folds, weights):
    points = slow_points(train, train, weights)
    every = range(len(points))
    nearest = [min(distance(points[i], points[j]) for j in every if folds[i] != folds[j]) for i in every]
    return [d / slow_mean(points) for d in nearest]


def data(seed, n=40, cells=60, predictors=5):
    rng = np.random.default_rng(seed)
    unit, offset = 10.0 ** rng.integers(-3, 4, predictors), rng.normal(size=predictors) * 100
    train = rng.normal(size=(n, predictors)) * unit + offset
    new = rng.normal(size=(cells, predictors)) * 2 * unit + offset
    return train, new, rng.uniform(0, 3, predictors), rng.integers(0, 5, n)


@pytest.mark.parametrize("seed", range(5))
def test_index_is_that_of_a_slow_loop(seed):
    train, new, weights, folds = data(seed)
    new[3], weights[1] = train[7], 0.0
    index = applicability.dissimilarity_index(train, new, weights)
    np.testing.assert_allclose(index, slow_index(train.tolist(), new.tolist(), weights), rtol=1e-9, atol=1e-12)
    assert index[3] == 0
    own = applicability.training_dissimilarity(train, folds, weights)
    np.testing.assert_allclose(own, slow_training_index(train.tolist(), folds, weights), rtol=1e-9)
    alone = applicability.training_dissimilarity(train, None, weights)
    np.testing.assert_allclose(alone, slow_training_index(train.tolist(), range(40), weights), rtol=1e-9)
    assert (own >= alone).all()


def test_index_by_hand():
    train, new = [[0.0, 5.0], [3.0, 9.0], [3.0, 5.0], [0.0, 9.0]], [[0.0, 5.0], [1.5, 7.0], [6.0, 7.0]]
    # standardised, the samples are the corners of a square of side 2: mean distance (4 * 2 + 2 * 8 ** 0.5) / 6
    mean = (8 + 2 * 8**0.5) / 6
    expected = np.array([0.0, 2**0.5, 5**0.5]) / mean
    np.testing.assert_allclose(applicability.dissimilarity_index(train, new), expected)
    own = applicability.training_dissimilarity(train, ["a", "b", "b", "b"])
    np.testing.assert_allclose(own, np.array([2, 8**0.5, 2, 2]) / mean)


@settings(max_examples=50, deadline=None)
@given(
    train=arrays(float, (12, 3), elements=st.floats(-5, 5, width=16)),
    scale=arrays(float, 3, elements=st.sampled_from([-8.0, 0.125, 1.0, 32.0])),
    factor=st.sampled_from([0.25, 4.0]),
    chunk=st.integers(1, 40),
)
def test_units_offsets_scale_of_weights_and_chunks_do_not_matter(train, scale, factor, chunk):
    assume((np.ptp(train, axis=0) > 0.1).all())
    new, weights = np.random.default_rng(1).normal(size=(30, 3)) * 4, np.array([1.0, 0.5, 2.0])
    plain = applicability.dissimilarity_index(train, new, weights)
    other = applicability.dissimilarity_index(train * scale + 7, new * scale + 7, weights * factor, chunk=chunk)
    np.testing.assert_allclose(other, plain, rtol=1e-6, atol=1e-9)
    assert (plain >= 0).all() and (applicability.dissimilarity_index(train, train, weights) == 0).all()


def test_weights_decide_what_is_unlike():
    rng = np.random.default_rng(2)
    train = rng.normal(size=(200, 2))
    first, second = applicability.dissimilarity_index(train, [[9.0, 0.0], [0.0, 9.0]], [1.0, 0.05])
    assert first > 5 * second


def test_years_of_a_tower_make_a_sample_look_familiar():
    rng = np.random.default_rng(3)
    site = np.repeat(np.arange(30), 8)
    train = rng.normal(size=(30, 4))[site] + rng.normal(size=(240, 4)) * 0.02
    by_year, by_site = (applicability.training_dissimilarity(train, folds) for folds in (np.arange(240) % 8, site % 5))
    limits = [applicability.threshold(index) for index in (by_year, by_site)]
    assert limits[0] < 0.1 * limits[1]
    new = rng.normal(size=(500, 4))
    shares = [
        applicability.area_of_applicability(applicability.dissimilarity_index(train, new), limit).mean()
        for limit in limits
    ]
    assert shares[0] < 0.05 and shares[1] > 0.7


def test_all_duplicates_but_one_are_near_each_other():
    train = np.array([[0.0, 0.0]] * 5 + [[1.0, 2.0]])
    assert applicability.training_dissimilarity(train, None).tolist()[:5] == [0] * 5
    assert (applicability.training_dissimilarity(train, [0, 1, 0, 1, 0, 1])[:5] == 0).all()
    assert applicability.training_dissimilarity(train, [0, 0, 0, 0, 0, 1]).min() > 0


def test_large_maps_are_read_in_pieces(tmp_path):
    train, new, weights, _ = data(4, cells=5000)
    new = new.astype("float32")
    np.save(tmp_path / "map.npy", new)
    on_disk = np.load(tmp_path / "map.npy", mmap_mode="r")
    pieces = applicability.dissimilarity_index(train, on_disk, weights, chunk=700)
    np.testing.assert_array_equal(pieces, applicability.dissimilarity_index(train, new, weights))
    assert applicability.dissimilarity_index(train, new[:0], weights).shape == (0,)


# --- threshold -------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_threshold_is_the_upper_whisker(values):
    ordered = sorted(values)

    def quantile(q):
        at = q * (len(ordered) - 1)
        low = int(at)
        return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])

    fence = quantile(0.75) + 1.5 * (quantile(0.75) - quantile(0.25))
    observed = applicability.threshold(values)
    assert observed in values and observed <= fence * (1 + 1e-9)
    assert not any(observed < value <= fence * (1 - 1e-9) for value in values)
    assert applicability.threshold(values, "whisker") == pytest.approx(min(fence, max(values)))
    assert observed <= applicability.threshold(values, "whisker") * (1 + 1e-9)


def test_an_outlier_does_not_widen_the_area():
    index = np.append(np.linspace(0, 1, 101), 50.0)
    assert applicability.threshold(index) == 1
    assert applicability.threshold(index, "whisker") == pytest.approx(0.7575 + 1.5 * (0.7575 - 0.2525))
    inside = applicability.area_of_applicability([[0.5, 1.0], [1.01, np.nan]], 1.0)
    assert inside.tolist() == [[True, True], [False, False]]


# --- importance ------------------------------------------------------------------------------------------------------


def test_importance_of_a_line_is_twice_its_variance():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(600, 3)) * [1.0, 2.0, 1.0]
    y, folds = 3 * x[:, 0] + 0.5 * x[:, 1], rng.integers(0, 4, 600)
    found = applicability.permutation_importance(
        lambda fold, z: 3 * z[:, 0] + 0.5 * z[:, 1], x, y, folds, rng, repeats=200
    )
    variance = np.mean([x[folds == fold].var(axis=0) for fold in range(4)], axis=0)
    np.testing.assert_allclose(found, [18 * variance[0], 0.5 * variance[1], 0], rtol=0.03, atol=1e-12)


def test_importance_is_that_of_scikit_learn_on_one_held_out_fold():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(300, 4))
    y = x @ [2.0, -1.0, 0.3, 0.0] + rng.normal(size=300)
    model = LinearRegression().fit(x[:150], y[:150])
    theirs = permutation_importance(
        model, x[150:], y[150:], scoring="neg_mean_squared_error", n_repeats=300, random_state=0
    )
    ours = applicability.permutation_importance(
        lambda fold, z: model.predict(z), x[150:], y[150:], np.zeros(150, int), rng, 300
    )
    np.testing.assert_allclose(ours, theirs.importances_mean, atol=0.05 * theirs.importances_mean.max())


def test_importance_shuffles_within_folds_whole_windows_and_asks_each_model():
    rng, asked = np.random.default_rng(7), []
    windows, folds = rng.normal(size=(40, 2, 3, 3)), np.repeat([3, 8], 20)

    def predict(fold, features):
        asked.append(fold)
        mine = windows[folds == fold]
        for p in range(2):  # every window shown is one of this fold, whole
            assert {part.tobytes() for part in features[:, p]} <= {part.tobytes() for part in mine[:, p]}
        return features[:, 0].mean(axis=(1, 2)) * (fold == 3)

    y = np.where(folds == 3, windows[:, 0].mean(axis=(1, 2)), 0.0)
    first, second = (
        applicability.permutation_importance(predict, windows, y, folds, np.random.default_rng(1), 5) for _ in range(2)
    )
    assert first[0] > 0 and first[1] == 0 and (first == second).all() and set(asked) == {3, 8}


def test_weights_from_importance_are_never_negative():
    assert applicability.importance_weights([3.0, -0.1, 1.0]).tolist() == [0.75, 0.0, 0.25]


TRAIN = [[0.0, 1.0], [1.0, 3.0], [2.0, 2.0]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a: a.dissimilarity_index(TRAIN, [[0.0, np.nan]]), "new: expected finite predictors, found one that is"),
        (lambda a: a.dissimilarity_index(TRAIN, [[0.0, 1.0]] * 5 + [[np.inf, 1.0]], chunk=2), "in row 5; drop such"),
        (lambda a: a.dissimilarity_index([*TRAIN, [np.nan, 0.0]], TRAIN), "train: expected finite predictors"),
        (lambda a: a.dissimilarity_index(TRAIN[:1], TRAIN), "train: expected (sample, predictor) with 2 samples"),
        (lambda a: a.dissimilarity_index([0.0, 1.0], TRAIN), "train: expected (sample, predictor)"),
        (lambda a: a.dissimilarity_index([[0.1, 1.0]] * 3, TRAIN), "the same value in every sample of column 0"),
        (lambda a: a.dissimilarity_index(TRAIN, [[0.0]]), "new: expected (cell, predictor) with 2 predictors, found"),
        (lambda a: a.dissimilarity_index(TRAIN, TRAIN, [1.0]), "weights: expected one for each of 2 predictors"),
        (
            lambda a: a.dissimilarity_index(TRAIN, TRAIN, [1.0, -1.0]),
            "weights: expected finite weights of zero or more",
        ),
        (lambda a: a.dissimilarity_index(TRAIN, TRAIN, [0.0, 0.0]), "not all zero"),
        (lambda a: a.dissimilarity_index(TRAIN, TRAIN, chunk=0), "chunk: expected 1 row or more"),
        (lambda a: a.training_dissimilarity(TRAIN, [1, 1, 1]), "folds: expected 2 or more, found 1"),
        (lambda a: a.training_dissimilarity(TRAIN, [1, 2]), "folds: expected one for each of 3 samples"),
        (lambda a: a.threshold([]), "training: expected one finite index a sample"),
        (lambda a: a.threshold([0.1, np.nan]), "training: expected one finite index a sample"),
        (lambda a: a.threshold([0.1], "max"), "convention: expected one of observed, whisker, found 'max'"),
        (lambda a: a.area_of_applicability([0.1], np.nan), "limit: expected a finite index of 0 or more, found nan"),
        (lambda a: a.importance_weights([-1.0, 0.0]), "importance: expected a finite value a predictor"),
        (lambda a: a.permutation_importance(len, TRAIN, [0.0], [0, 0, 0], None), "features, observed, folds: expected"),
        (lambda a: a.permutation_importance(len, TRAIN, [0, np.nan, 0], [0, 0, 0], None), "expected finite values"),
        (lambda a: a.permutation_importance(len, TRAIN, [0, 1, 0], [0, 0, 0], None, 0), "repeats: expected 1 or more"),
        (
            lambda a: a.permutation_importance(lambda k, x: x, TRAIN, [0, 1, 0], [0, 0, 0], None),
            "predict: expected 3 finite values, found shape (3, 2)",
        ),
    ],
)
def test_every_fault_is_one_line(call, words):
    with pytest.raises(ValueError) as error:
        call(applicability)
    assert words in str(error.value) and "\n" not in str(error.value)
