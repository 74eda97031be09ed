"""Dissimilarity and area of applicability against slow loops; importance against closed forms and scikit-learn."""

import numpy as np
import pytest
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


@pytest.mark.parametrize("seed", range(3))
def test_index_is_that_of_a_slow_loop(seed):
    train, new, weights, folds = data(seed)
    new[3], weights[1] = train[7], 0.0
    index = applicability.dissimilarity_index(train, new, weights)
    np.testing.assert_allclose(index, slow_index(train.tolist(), new.tolist(), weights), rtol=1e-9, atol=1e-12)
    assert index[3] == 0
    own = applicability.training_dissimilarity(train, folds, weights)
    np.testing.assert_allclose(own, slow_training_index(train.tolist(), folds, weights), rtol=1e-9)
    alone = applicability.training_dissimilarity(train, np.arange(40), weights)
    np.testing.assert_allclose(alone, slow_training_index(train.tolist(), range(40), weights), rtol=1e-9)
    assert (own >= alone).all()


def test_years_of_a_tower_make_a_sample_look_familiar():
    rng = np.random.default_rng(3)
    site = np.repeat(np.arange(30), 8)
    train = rng.normal(size=(30, 4))[site] + rng.normal(size=(240, 4)) * 0.02
    by_year, by_site = (applicability.training_dissimilarity(train, folds) for folds in (np.arange(240) % 8, site % 5))
    limits = [applicability.threshold(index) for index in (by_year, by_site)]
    assert limits[0] < 0.1 * limits[1]
    new = rng.normal(size=(500, 4))
    shares = [(applicability.dissimilarity_index(train, new) <= limit).mean() for limit in limits]
    assert shares[0] < 0.05 and shares[1] > 0.7


def test_large_maps_are_read_in_chunks_from_disk(tmp_path, monkeypatch):
    train, new, weights, _ = data(4, cells=5000)
    new = new.astype("float32")
    np.save(tmp_path / "map.npy", new)
    whole = applicability.dissimilarity_index(train, new, weights)
    monkeypatch.setattr(applicability, "CHUNK", 700)
    on_disk = np.load(tmp_path / "map.npy", mmap_mode="r")
    np.testing.assert_array_equal(applicability.dissimilarity_index(train, on_disk, weights), whole)
    new[4321, 0] = np.nan
    with pytest.raises(ValueError, match="new: expected finite predictors, found one that is not in row 4321"):
        applicability.dissimilarity_index(train, new, weights)


# --- threshold -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10, 30])
def test_threshold_is_the_upper_whisker(n):
    values = np.random.default_rng(n).gamma(0.7, 10, n).tolist()
    ordered = sorted(values)

    def quantile(q):
        at = q * (len(ordered) - 1)
        low = int(at)
        return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])

    fence = quantile(0.75) + 1.5 * (quantile(0.75) - quantile(0.25))
    observed = applicability.threshold(values)
    assert observed in values and observed <= fence * (1 + 1e-9)
    assert not any(observed < value <= fence * (1 - 1e-9) for value in values)


# --- importance ------------------------------------------------------------------------------------------------------


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
    assert applicability.importance_weights([3.0, -0.1, 1.0]).tolist() == [0.75, 0.0, 0.25]


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


# --- errors in the order of the index, against a slow walk along the sorted places -----------------------------------


def test_parts_of_equal_weight_are_filled_in_the_order_of_the_index(monkeypatch):
    rng = np.random.default_rng(5)
    index, error, area = rng.random(1000), rng.random(1000), rng.uniform(0.5, 2, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(applicability, "PARTS", 4)
        found = applicability.by_index(index, {"error": error}, area)
    passed, sums = 0.0, np.zeros((4, 3))
    for place in np.argsort(index):
        part = int(4 * (passed + area[place] / 2) / area.sum())
        sums[part] += area[place] * np.array([1.0, index[place], error[place]])
        passed += area[place]
    np.testing.assert_allclose(found[["index", "error"]], sums[:, 1:] / sums[:, :1])
    np.testing.assert_allclose(sums[:, 0], area.sum() / 4, rtol=0.01)
    index = rng.permutation(20.0 * np.arange(50))
    found = applicability.by_index(index, {"twice": 2 * index})
    assert found["index"].tolist() == [20 * (5 * k + 2) for k in range(10)] and np.allclose(
        found.twice, 2 * found["index"]
    )


@pytest.mark.parametrize("scale", [[-8.0, 0.125, 1.0, 32.0, 1.0], [1.0, 1.0, 0.125, 32.0, -8.0]])
def test_units_offsets_and_the_scale_of_weights_do_not_matter(scale):
    train, new = data(4)[:2]
    weights = np.array([1.0, 0.5, 2.0, 1.0, 0.1])
    plain = applicability.dissimilarity_index(train, new, weights)
    other = applicability.dissimilarity_index(train * scale + 7, new * scale + 7, 4 * weights)
    np.testing.assert_allclose(other, plain, rtol=1e-6, atol=1e-9)
