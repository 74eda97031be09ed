"""Figures of the lag: every number stands where its mark is."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from helpers import figures, lags


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def gains():
    values = [("all", "CNN2", 0.3, 0.01), ("all", "CNN3", -0.2, 0.5), ("anomalies", "CNN2", 0.1, 0.9)]
    rows = [("grouped", s, m, "CNN1", g, g - 0.1, g + 0.1, p) for s, m, g, p in values]
    return pd.DataFrame(rows, columns=["protocol", "score", "model", "reference", "gain", "low", "high", "p_holm"])


def filled(collection):
    return [not same_color(c, "white") for c in collection.get_facecolors()]


def test_gains_stand_at_their_values_filled_where_sure():
    axes = figures.paired_gains(gains(), ["grouped"], {"all": "all site-years", "anomalies": "anomalies"}, 0.05)
    assert axes.shape == (2, 1)
    more = pd.concat([gains(), gains().iloc[:1].assign(protocol="within sites", model="water")])
    assert len(figures.paired_gains(more, ["grouped"], {"all": "all"}, 0.05)[0, 0].get_yticks()) == 2
    bars, marks = axes[0, 0].collections
    assert marks.get_offsets()[:, 0].tolist() == [0.3, -0.2] and filled(marks) == [True, False]
    assert bars.get_segments()[0][:, 0] == pytest.approx([0.2, 0.4])
    assert [t.get_text() for t in axes[0, 0].get_yticklabels()] == ["CNN2 over CNN1", "CNN3 over CNN1"]
    assert not any(filled(axes[1, 0].collections[1]))


def test_histograms_hold_all_copies_and_a_line_at_the_true_order():
    copies = {("grouped", "among years"): np.array([0.1, 0.2, 0.3]), ("grouped", "among sites"): np.array([0.0, 0.05])}
    axes = figures.shuffled_gains(copies, {"grouped": 0.4})
    assert [sum(bar.get_height() for bar in ax.patches) for ax in axes[0]] == [3, 2]
    assert all(ax.lines[0].get_xdata()[0] == 0.4 for ax in axes[0])


def test_curves_run_over_the_months():
    curve = gains().iloc[:2].assign(months=[12, 24])
    (ax,) = figures.lag_curves({"anomalies": curve}, 0.05)
    assert ax.lines[0].get_xydata().tolist() == [[12, 0.3], [24, -0.2]]
    assert filled(ax.collections[1]) == [True, False]


def test_worlds_are_counted_in_per_cent_and_filled_where_right():
    rates = lags.kept_rates()[1]
    axes = figures.worlds_found(rates, lags.YEARS)
    assert len(axes) == rates.protocol.nunique()
    within = axes[list(dict.fromkeys(rates.protocol)).index("within sites")]
    if (rates.back < 0).any():
        assert not any(filled(within.collections[7])), "the placebo is never right"
    marks = within.collections[3]  # last year's water: bars and marks of each year in turn
    rows = rates[(rates.protocol == "within sites") & (rates.back == 1)]
    assert np.asarray(marks.get_offsets())[:, 0] == pytest.approx(100 * rows.share.to_numpy())
    assert filled(marks) == rows.right.tolist() and sum(filled(marks)) == 1
