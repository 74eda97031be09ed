"""Circles on the line of two shares: where they stand, and that no two labels overlap."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from scipy.optimize import minimize

from helpers import figures
from helpers.figures.circles import balance, spread

LABELS = ("NPP grows faster (% of land)", "RECO grows faster (% of land)")


@pytest.fixture
def axes():
    figures.use_house_style()
    fig, ax = plt.subplots(figsize=(6.4, 6.4))
    yield ax
    plt.close(fig)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_spread_keeps_the_gap_and_the_order(positions):
    moved = spread(positions, gap=2.0)
    assert (np.diff(np.sort(moved)) >= 2.0 - 1e-9).all()
    ranks = np.argsort(positions, kind="stable")
    assert (np.diff(moved[ranks]) > 0).all()


def test_spread_moves_as_little_as_a_general_optimiser():
    positions, gap = np.array([3.0, 3.1, 3.2, 9.0, 9.5, 20.0]), 1.0
    limits = [{"type": "ineq", "fun": lambda x, k=k: x[k + 1] - x[k] - gap} for k in range(len(positions) - 1)]
    oracle = minimize(lambda x: ((x - positions) ** 2).sum(), positions, constraints=limits, options={"ftol": 1e-12})
    np.testing.assert_allclose(spread(positions, gap), oracle.x, atol=1e-4)


@pytest.mark.parametrize("width", [0.4, 7.0])
def test_no_two_labels_overlap_and_all_stay_in_the_figure(axes, width):
    rng = np.random.default_rng(0)
    names = [f"biome {k}" for k in range(16)]
    sizes = rng.uniform(0.1, 20, 16)
    balance(axes, names, rng.normal(60, width, 16), sizes, labels=LABELS, size_unit=(10, "10 million km²"))
    axes.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # the words, without their lines
    assert len(boxes) == 17  # sixteen names and the scale
    for i, one in enumerate(boxes):
        assert axes.figure.bbox.contains(one.x0, one.y0) and axes.figure.bbox.contains(one.x1, one.y1)
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_circles_stand_on_the_line_and_their_areas_are_the_sizes(axes):
    share, size = np.array([40.0, 70.0]), np.array([2.0, 8.0])
    balance(axes, ["risk", "sink"], share, size, labels=LABELS, size_unit=(8.0, "8"))
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    places = sorted((float(c.get_xdata()[0]), float(c.get_ydata()[0])) for c in circles[:2])
    assert places == [(40.0, 60.0), (70.0, 30.0)]
    radius = {float(c.get_xdata()[0]): c.get_markersize() for c in circles}
    assert radius[70.0] ** 2 / radius[40.0] ** 2 == pytest.approx(4.0)
    assert radius[1.0] == pytest.approx(radius[70.0]), "the circle for scale must follow the same rule"
    assert circles[0].get_color() != circles[1].get_color()


def test_regions_of_a_table_stand_at_their_shares_by_area():
    table = pd.DataFrame({"name": ["China", "India"], "npp_faster_area": [0.53, 0.44], "analysed_m2": [9.4e12, 3.2e12]})
    ax = figures.faster(table)
    circles = [line for line in ax.lines if line.get_marker() == "o"]
    places = {(round(float(c.get_xdata()[0])), round(float(c.get_ydata()[0]))) for c in circles[:2]}
    assert places == {(53, 47), (44, 56)}
    assert {"China 53 %", "India 44 %", "5 million km²"} == {text.get_text() for text in ax.texts}
    plt.close(ax.figure)
