"""Errors in the order of the dissimilarity index, against a slow walk along the sorted places."""

import numpy as np
import pytest

from helpers.stats import applicability


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_parts_of_equal_weight_are_filled_in_the_order_of_the_index(rng):
    index, error, area = rng.random(1000), rng.random(1000), rng.uniform(0.5, 2, 1000)
    found = applicability.by_index(index, {"error": error}, area, parts=4)
    passed, sums = 0.0, np.zeros((4, 3))
    for place in np.argsort(index):
        part = int(4 * (passed + area[place] / 2) / area.sum())
        sums[part] += area[place] * np.array([1.0, index[place], error[place]])
        passed += area[place]
    np.testing.assert_allclose(found[["index", "error"]], sums[:, 1:] / sums[:, :1])
    np.testing.assert_allclose(sums[:, 0], area.sum() / 4, rtol=0.01)
    assert found["index"].is_monotonic_increasing


def test_without_weights_parts_hold_equally_many_and_the_order_given_does_not_matter(rng):
    index = rng.permutation(20.0 * np.arange(50))
    found = applicability.by_index(index, {"twice": 2 * index}, parts=10)
    assert found["index"].tolist() == [20 * (5 * k + 2) for k in range(10)]
    assert np.allclose(found["twice"], 2 * found["index"])


@pytest.mark.parametrize(
    ("index", "values", "more", "message"),
    [
        ([1.0, 2.0], {"a": [1.0]}, {"parts": 1}, "expected one of each a place"),
        ([1.0, np.nan], {"a": [1.0, 2.0]}, {"parts": 1}, "found some in index"),
        ([1.0, 2.0], {"a": [1.0, 2.0]}, {"parts": 1, "weight": [1.0, 0.0]}, "found weights of zero"),
        ([1.0, 2.0], {"a": [1.0, 2.0]}, {"parts": 3}, "parts: expected 1 to 2"),
    ],
)
def test_what_cannot_be_parted_is_refused_in_one_line(index, values, more, message):
    with pytest.raises(ValueError, match=message) as caught:
        applicability.by_index(index, values, **more)
    assert "\n" not in str(caught.value)
