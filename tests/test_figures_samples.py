"""Charts of samples show every value, mark the missing ones, and order the groups."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import figures


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_a_window_shows_its_nine_cells_and_marks_the_missing(ax):
    values = np.arange(9.0).reshape(3, 3)
    values[0, 2], values[1, 1] = np.nan, -2.918
    figures.window(ax, values, "MAT")
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written[(2, 0)] == "missing" and written[(0, 1)] == "3" and len(written) == 9
    assert written[(1, 1)] == "−2.92", "with a minus, not a hyphen"
    frame = ax.patches[0]
    assert (frame.get_x(), frame.get_y()) == (0.5, 0.5)  # around the middle cell


@pytest.mark.parametrize("values", [np.full((3, 3), 7.0), np.full((3, 3), np.nan)])
def test_a_window_of_one_value_or_of_none_is_drawn(ax, values):
    figures.window(ax, values)
    ax.figure.canvas.draw()
    assert len(ax.texts) == 9


def test_boxes_are_ordered_by_median_and_count_their_values(ax):
    figures.boxes(ax, {"ENF": [5.0, 6, 7], "WET": [1.0, 2], "EBF": [9.0]}, label="RECO")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["WET (2)", "ENF (3)", "EBF (1)"]


def test_histograms_hold_every_value():
    axes = figures.histograms({str(k): (np.random.default_rng(k).random(50), "(no unit)") for k in range(5)}, ncols=2)
    assert len(axes) == 5 and len(axes[0].figure.axes) == 5
    assert [sum(bar.get_height() for bar in ax.patches) for ax in axes] == [50] * 5
    plt.close(axes[0].figure)
