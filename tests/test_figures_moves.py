"""Figures of numbers that move: all three stand where they are said to, and none is lost beyond the edge."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import figures

TABLE = pd.DataFrame(
    {
        "paper": [0.98, np.nan, 0.5],
        "seed protocol": [0.99, 0.97, 0.6],
        "honest": [0.4, -3.0, 0.7],
        "low": [0.2, -6.0, np.nan],
        "high": [0.5, 0.1, np.nan],
    },
    index=["R² of CNN1", "R² of noise", "r"],
)


@pytest.fixture
def ax():
    _, ax = plt.subplots()
    yield ax
    plt.close("all")


def test_each_number_stands_in_its_row(ax):
    figures.moves(ax, TABLE, label="score (no unit)")
    drawn = {line.get_label(): line.get_xydata() for line in ax.lines}
    for name in ("paper", "seed protocol", "honest"):
        np.testing.assert_allclose(drawn[name][:, 0], TABLE[name])
        np.testing.assert_array_equal(drawn[name][:, 1], [0, 1, 2])
    way, interval = (lines.get_segments() for lines in ax.collections[:2])
    np.testing.assert_allclose(np.array(way)[:, :, 0], [[0.4, 0.99], [-3.0, 0.97], [0.6, 0.7]])
    np.testing.assert_allclose(np.array(interval[:2])[:, :, 0], [[0.2, 0.5], [-6.0, 0.1]])
    assert np.size(interval[2]) == 0, "no interval is drawn where there is none"
    assert [text.get_text() for text in ax.get_yticklabels()] == list(TABLE.index)
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["paper", "seed protocol", "honest"]


def test_what_lies_below_the_floor_stands_on_it_as_an_arrow(ax):
    figures.moves(ax, TABLE, label="score (no unit)", floor=-1.0)
    (arrow,) = [line for line in ax.lines if line.get_marker() == "<"]
    np.testing.assert_allclose(arrow.get_xydata(), [[-1.0, 1.0]])
    drawn = {line.get_label(): line.get_xydata() for line in ax.lines}
    np.testing.assert_allclose(drawn["honest"][:, 0], [0.4, np.nan, 0.7])
    way, interval = (lines.get_segments() for lines in ax.collections[:2])
    assert way[1][0, 0] == interval[1][0, 0] == -1.0


def test_a_figure_of_nothing_is_refused(ax):
    with pytest.raises(ValueError, match="expected a row or more, found none"):
        figures.moves(ax, TABLE[:0], label="score (no unit)")
