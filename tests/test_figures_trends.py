"""Figures of trends: lines with what is written beside them, and maps whose empty land is not their middle."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgb

from helpers import figures


@pytest.fixture(autouse=True)
def _clean():
    figures.use_house_style()
    yield
    plt.close("all")


def luminance(colour):
    return float(np.dot(colour, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("cmap", [figures.DIVERGING, figures.DIVERGING.reversed()])
def test_land_without_a_value_is_unlike_every_colour_of_a_diverging_map(cmap):
    blank = to_rgb(figures.COLOURS["blank"])
    assert luminance(cmap(0.5)[:3]) - luminance(blank) > 0.15
    for colour in cmap(np.linspace(0, 1, 256))[:, :3]:
        as_light = abs(luminance(colour) - luminance(blank)) < 0.08
        assert not as_light or np.ptp(colour) > 0.15, "a grey of the same lightness must have colour"


def test_lines_run_through_the_mean_with_the_slope_that_is_written():
    years, names = np.arange(2000, 2019), ["Global", "Tropics"]
    values = np.random.default_rng(0).normal(size=(2, 19))
    z = xr.DataArray(values, {"region": names, "year": years}, ("region", "year"))
    rows = {("Global", "RECO"): (0.05, 0.0004), ("Tropics", "RECO"): (0.1, 0.02)}
    axes = figures.trend_lines({"reco": z}, pd.DataFrame(rows, index=["z_slope", "p"]).T)
    assert [ax.get_title(loc="left") for ax in axes.flat] == ["(a) Global", "(b) Tropics"]
    written = [ax.texts[0].get_text() for ax in axes.flat]
    assert written == ["RECO:  b = 0.050, p < 0.001", "RECO:  b = 0.100, p = 0.020"]
    dots, line = axes.flat[1].lines
    np.testing.assert_allclose(dots.get_ydata(), values[1])
    np.testing.assert_allclose(np.diff(line.get_ydata()), 0.1)
    assert np.mean(line.get_ydata()) == pytest.approx(0)


def test_the_inset_keeps_what_is_significant_on_the_same_scale():
    lat, lon = np.arange(85.0, -90, -10), np.arange(-175.0, 180, 10)
    slope = xr.DataArray(np.ones((18, 36)), {"lat": lat, "lon": lon}, ("lat", "lon"))
    p = xr.where(slope.lon > 0, 0.01, 0.5) * slope
    ax = figures.trend_map(slope, p, "RECO", level=0.1, reach=2.0)
    (small,) = ax.child_axes
    whole, kept = ax.collections[0], small.collections[0]
    assert (whole.norm.vmin, whole.norm.vmax) == (kept.norm.vmin, kept.norm.vmax) == (-2.0, 2.0)
    assert (np.ma.count(whole.get_array()), np.ma.count(kept.get_array())) == (18 * 36, 18 * 18)
    assert small.get_title() == "p < 0.1"
    assert ax.figure.axes[-1].get_xlabel().startswith("slope of RECO (g C")
