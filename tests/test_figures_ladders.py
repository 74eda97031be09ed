"""A ladder shows each score where it is, with its interval, and what lies beyond the axis on its edge."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import figures


@pytest.fixture
def scores():
    rows = {
        ("random", "ridge"): (0.5, 0.4, 0.6),
        ("random", "net"): (0.7, 0.6, 0.8),
        ("sites", "net"): (-3.0, -5.0, 0.1),
        ("sites", "ridge"): (0.4, np.nan, np.nan),
        ("sites", "other"): (0.2, 0.1, 0.3),
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])
    return frame.set_axis(pd.MultiIndex.from_tuples(rows))


@pytest.fixture
def ax(scores):
    figure, ax = plt.subplots()
    yield figures.ladder(ax, scores, ["ridge", "net"], label="R²")
    plt.close(figure)


def drawn(ax, name):
    return next(line for line in ax.lines if line.get_label() == name)


def test_models_stand_in_the_order_asked_for_and_no_others(ax):
    assert ax.get_legend_handles_labels()[1] == ["ridge", "net"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["random", "sites"]
    np.testing.assert_allclose(drawn(ax, "ridge").get_xdata(), [0.5, 0.4])
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first rung is at the top"
    assert (drawn(ax, "ridge").get_ydata()[:1] < drawn(ax, "net").get_ydata()[:1]).all()


def test_intervals_reach_from_low_to_high_and_are_cut_at_the_edge(ax):
    ends = [np.reshape(segment, (-1, 2))[:, 0].tolist() for bars in ax.collections for segment in bars.get_segments()]
    assert ends[0] == [0.4, 0.6] and ends[2] == [0.6, 0.8] and ends[3] == [-1.0, 0.1]
    assert ax.get_xlim()[0] == -1.0


def test_what_lies_beyond_the_axis_is_an_arrow_on_its_edge(ax):
    arrows = [line for line in ax.lines if line.get_marker() == "<"]
    assert [arrow.get_xdata().tolist() for arrow in arrows] == [[-1.0]]
    assert len(drawn(ax, "net").get_xdata()) == 1


def test_a_model_that_is_not_there_is_named(scores):
    figure, ax = plt.subplots()
    with pytest.raises(ValueError, match="nobody not there"):
        figures.ladder(ax, scores, ["ridge", "nobody"], label="R²")
    with pytest.raises(ValueError, match="models: expected 1 to"):
        figures.ladder(ax, scores, [], label="R²")
    plt.close(figure)
