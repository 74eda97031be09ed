"""Towers stand where they are, and the plane of spread and timing shows skill as it is."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import figures
from helpers.figures.projection import project, world_axes
from helpers.figures.trust import LEVELS


@pytest.fixture
def scores():
    return pd.DataFrame(
        {
            "ratio": [0.9, 1.6],
            "r": [0.8, 0.3],
            "low": [0.7, -0.1],
            "high": [0.9, 0.5],
            "kind": ["CNN", "process model"],
        },
        index=["one", "other"],
    )


def test_towers_are_drawn_at_their_places():
    ax = world_axes()
    before = len(ax.collections)
    figures.towers(ax, [51.08, -33.5], [10.45, 179.9])
    (drawn,) = ax.collections[before:]
    np.testing.assert_allclose(drawn.get_offsets(), np.column_stack(project([10.45, 179.9], [51.08, -33.5])))
    plt.close(ax.figure)


def test_lines_of_equal_skill_run_where_the_formula_says(scores):
    figure, ax = plt.subplots()
    figures.timing(ax, scores)
    lines = ax.collections[0]
    for level, path in zip(LEVELS, lines.get_paths(), strict=True):
        ratio, r = path.vertices.T
        np.testing.assert_allclose(2 * r * ratio - ratio**2, level, atol=0.02)
    assert ax.get_xlim()[1] > 1.6 and ax.get_ylim()[0] < -0.1, "all intervals are within the axes"
    plt.close(figure)


def test_every_model_stands_in_the_legend_with_its_interval(scores):
    figure, ax = plt.subplots()
    figures.timing(ax, scores)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    assert {"one", "other", "best spread, ratio = r"} == set(handles)
    (bar,) = handles["other"].lines[2]
    np.testing.assert_allclose(bar.get_segments()[0], [[1.6, -0.1], [1.6, 0.5]])
    plt.close(figure)
