"""Figures of what survives: every test and every region is drawn, where its numbers say, in its verdict's colour."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import figures, trends

COLOURS = {"sink": "#009E73", "source": "#D55E00", "open": "#8C8C8C"}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def points(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_sizes_and_powers_stand_in_the_rows_of_their_tests():
    rng = np.random.default_rng(1)
    cases = [(rho, trend) for rho in (0.0, 0.3) for trend in (0.0, 0.1)]
    rates = pd.concat(trends.simulated_size(rho, 19, 0.1, 200, rng, trend) for rho, trend in cases)
    left, right = figures.size_and_power(rates, trends.METHODS, 0.1, "pre_whitening")
    for ax, trend in ((left, 0.0), (right, 0.1)):
        for rho in (0.0, 0.3):
            drawn = points(ax)[f"memory {rho:g}"]
            rows = rates[(rates.rho == rho) & (rates.trend == trend)].set_index("method").loc[list(trends.METHODS)]
            np.testing.assert_allclose(drawn[:, 0], 100 * rows.rate)
            np.testing.assert_array_equal(np.rint(drawn[:, 1]), np.arange(len(trends.METHODS)))
    bold = [text.get_text() for text in left.get_yticklabels() if text.get_fontweight() == "bold"]
    assert bold == [trends.METHODS["pre_whitening"]]
    assert left.yaxis_inverted()


def test_shares_stand_in_groups_the_largest_on_top():
    names = [("band", "south"), ("band", "north"), ("biome", "ENF"), ("biome", "GRA")]
    table = pd.DataFrame({"median": [0.4, 0.7, 0.3, 0.55]}, pd.MultiIndex.from_tuples(names))
    table["low"], table["high"] = table["median"] - 0.1, table["median"] + 0.1
    table["verdict"] = ["open", "sink", "source", "open"]
    ax = figures.share_intervals(table, COLOURS, label="share (%)", marks=table["median"] + 0.05)
    ticks = [text.get_text() for text in ax.get_yticklabels()]
    assert ticks == ["north", "south", "GRA", "ENF"]
    np.testing.assert_allclose(ax.get_yticks(), [0, 1, 3, 4])
    drawn = points(ax)
    np.testing.assert_allclose(drawn["sink"], [[70, 0]])
    np.testing.assert_allclose(drawn["source"], [[30, 4]])
    np.testing.assert_allclose(drawn["open"], [[40, 1], [55, 3]])
    np.testing.assert_allclose(drawn["the map itself"][:, 0], [75, 45, 60, 35])


def test_a_verdict_that_no_region_has_stands_not_in_the_legend():
    table = pd.DataFrame({"median": [0.6], "low": [0.55], "high": [0.7], "verdict": ["sink"]})
    table.index = pd.MultiIndex.from_tuples([("band", "north")])
    ax = figures.share_intervals(table, COLOURS, label="share (%)")
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["sink"]
