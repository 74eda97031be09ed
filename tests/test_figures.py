"""The house style: what stands where on a map, that colours mean what the bar says, and tables that can be read."""

import socket
from html.parser import HTMLParser

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from helpers import figures, regions
from helpers.figures import maps, projection, tables


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No figure outlives its test, and none may ask the network for a coastline."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a figure asked the network for something")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    figures.use_house_style()
    yield
    plt.close("all")


def field(resolution=5.0, value=None):
    lat = np.arange(90 - resolution / 2, -90, -resolution)
    lon = np.arange(-180 + resolution / 2, 180, resolution)
    values = np.full((lat.size, lon.size), value) if value is not None else np.add.outer(lat, 0 * lon)
    return xr.DataArray(values.astype("float32"), coords={"lat": lat, "lon": lon}, dims=("lat", "lon"))


def pixel(ax, lat, lon):
    """Colour of the rendered figure at a place."""
    ax.figure.canvas.draw()
    x, y = ax.transData.transform(np.column_stack(projection.project(np.array([lon]), np.array([lat]))))[0]
    picture = np.asarray(ax.figure.canvas.buffer_rgba())
    return to_hex(picture[picture.shape[0] - 1 - int(y), int(x), :3] / 255)


def test_projection_follows_the_published_formula():
    """Savric, Patterson and Jenny (2018), equations 7 to 9."""
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    lat, lon, radius = np.array([0.0, 45.0, -60.0]), np.array([10.0, -120.0, 170.0]), 6371007.181
    t = np.arcsin(np.sqrt(3) / 2 * np.sin(np.radians(lat)))
    slope = 9 * a4 * t**8 + 7 * a3 * t**6 + 3 * a2 * t**2 + a1
    x, y = projection.project(lon, lat)
    np.testing.assert_allclose(
        x, radius * 2 * np.sqrt(3) * np.radians(lon) * np.cos(t) / (3 * slope), rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(y, radius * (a4 * t**9 + a3 * t**7 + a2 * t**3 + a1 * t), rtol=1e-9)


def test_cells_of_equal_area_look_equal():
    lat, lon = np.array([70.5, 45.5, 0.5]), np.array([10.5, 11.5])
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    x, y = projection.project(*np.array([[(10.5 + i, phi + j) for i, j in corners] for phi in lat]).transpose(2, 0, 1))
    drawn = 0.5 * np.abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(axis=1))
    true = [regions.cell_area([phi, phi + 1], lon)[0, 0] for phi in lat]
    np.testing.assert_allclose(drawn / drawn[-1], true / true[-1], rtol=0.001)


def test_both_ends_of_the_date_line_keep_their_side():
    x, _ = projection.project(np.array([-180.0, 180.0]), np.array([10.0, 10.0]))
    assert x[0] < -1e7 and x[1] > 1e7


def test_a_cell_has_the_colour_of_its_value():
    values = field(value=0.25)
    values[:, values.lon > 0] = 1.0
    ax = figures.world(values, label="x (1)", vmin=0.0, vmax=1.0)
    assert pixel(ax, 5.0, -60.0) == to_hex(figures.SEQUENTIAL(0.25)[:3])
    assert pixel(ax, 5.0, 20.0) == to_hex(figures.SEQUENTIAL(1.0)[:3])


def test_ascending_latitudes_draw_the_same_map():
    down, up = (figures.world(f, label=None, vmin=-90, vmax=90) for f in (field(), field()[::-1]))
    for place in ((60, 100), (-25, 135), (10, 20)):
        assert pixel(down, *place) == pixel(up, *place)
    assert pixel(down, 60, 100) != pixel(down, -25, 135)


def test_land_without_a_value_is_grey_and_sea_is_white():
    ax = figures.world(field(value=np.nan), label="x (1)")
    assert pixel(ax, 23.0, 10.0) == figures.COLOURS["land"].lower()
    assert pixel(ax, 0.0, -140.0) == "#ffffff"


def test_land_without_a_value_is_darker_on_a_diverging_map():
    ax = figures.world(field(value=np.nan), label="x (1)", diverging=True)
    assert pixel(ax, 23.0, 10.0) == figures.COLOURS["blank"].lower()


def test_zero_has_the_middle_colour_of_a_diverging_map():
    values = field()
    ax = figures.world(values, label="x (1)", diverging=True)
    drawn = ax.collections[0]
    assert drawn.norm.vmin == -drawn.norm.vmax
    assert drawn.cmap.name == figures.DIVERGING.name


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.0, 1, 2, 3, 4], {}, (0.0, 3.92)),
        ([10.0, 10.5, 11], {}, (10.02, 10.98)),
        ([-2.0, 1.0], {"diverging": True, "vmax": 3.0}, (-3.0, 3.0)),
        ([1.0, 2.0], {"vmin": 0.5, "vmax": 1.5}, (0.5, 1.5)),
        ([np.nan], {}, (0.0, 1.0)),
        ([2.0, 2.0], {}, (2.0, 3.0)),
    ],
)
def test_ends_of_the_colour_scale(values, options, expected):
    assert maps.limits(np.array(values), **({"diverging": False} | options)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "expected"), [([0.5], "neither"), ([-1, 0.5], "min"), ([2.0], "max"), ([-1, 2], "both"), ([], "neither")]
)
def test_the_bar_says_where_values_lie_beyond_it(values, expected):
    assert maps.extension(np.array(values, float), plt.Normalize(0, 1)) == expected


def test_colour_bar_carries_the_label():
    ax = figures.world(field(), label="slope (kg m$^{-2}$ yr$^{-2}$)")
    assert [a.get_xlabel() for a in ax.figure.axes[1:]] == ["slope (kg m$^{-2}$ yr$^{-2}$)"]
    assert len(figures.world(field(), label=None).figure.axes) == 1


def test_fine_fields_are_averaged_for_drawing():
    fine = field(0.05)
    fine[:] = np.random.default_rng(1).random(fine.shape)
    shown = projection.for_drawing(fine)
    assert shown.shape == (720, 1440)
    assert float(shown[0, 0]) == pytest.approx(float(fine[:5, :5].mean()), rel=1e-5)
    classes = (fine * 10).astype("int8")
    assert projection.for_drawing(classes, classes=True)[3, 4] == classes[17, 22]


def test_a_field_with_years_is_refused():
    with pytest.raises(ValueError, match="expected dimensions lat and lon, found year"):
        figures.world(field().expand_dims(year=[2000]), label="x")


def test_axes_of_another_projection_are_refused():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="Equal Earth"):
        figures.world(field(), label="x", ax=ax)


def test_small_multiples_share_nothing_but_the_style():
    fields = {"a": (field(), "degC"), "b": (field() * 2, "mm", {"diverging": True}), "c": (field(), "1")}
    axes = figures.worlds(fields, ncols=2)
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b", "c"]
    assert len(axes[0].figure.axes) == 6  # three maps, three bars, no empty panel


def test_classes_have_their_colours_and_names():
    flags = field(value=1.0).astype("int8")
    flags[:, flags.lon > 0] = 3
    ax = figures.categories(flags, {1: "#D55E00", 3: "#009E73"}, {1: "one", 3: "three"})
    assert (pixel(ax, 5, -60), pixel(ax, 5, 20)) == ("#d55e00", "#009e73")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["one", "three"]


def test_a_class_without_a_name_is_refused():
    with pytest.raises(ValueError, match="labels"):
        figures.categories(field(value=1.0), {1: "red"}, {})


def test_places_are_counted_by_class():
    ax = figures.points(
        [10, 20, 30], [0, 0, 0], [4, 1, 4], figures.IGBP_COLOURS, {c: n[0] for c, n in regions.IGBP.items()}
    )
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["ENF (1)", "DBF (2)"]


def test_an_inset_map_and_an_inset_chart():
    ax = figures.world(field(), label="x (1)")
    small = figures.inset(ax, "lower left", world=True)
    assert figures.world(field(), label=None, ax=small) is small
    chart = figures.inset_bars(ax, {"own": 1.0, "other": 2.0}, label="x", place="lower right")
    assert [to_hex(bar.get_facecolor()) for bar in chart.patches] == [
        figures.COLOURS["cnn"].lower(),
        figures.COLOURS["models"].lower(),
    ]
    with pytest.raises(ValueError, match="place"):
        figures.inset(ax, "middle")


def test_scatter_is_square_with_a_line_of_equality():
    _, ax = plt.subplots()
    figures.scatter(ax, [0.5, 2.0], [1.0, 3.0], note="n = 2")
    assert ax.get_xlim() == ax.get_ylim()
    line = ax.lines[0].get_xydata()
    np.testing.assert_array_equal(line[:, 0], line[:, 1])
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[0.5, 1.0], [2.0, 3.0]])


def test_bars_start_at_zero_and_carry_their_notes():
    _, ax = plt.subplots()
    values = {"CNN": 2.0, "model": -1.0, "none": np.nan}
    figures.bars(ax, values, label="x", notes={"model": "−150%"}, marks={"model": 2.5})
    assert [bar.get_width() for bar in ax.patches][:2] == [2.0, -1.0]
    assert [t.get_text() for t in ax.texts] == ["−150%"]
    assert ax.get_xlim()[0] < -1 < 2.5 < ax.get_xlim()[1]
    (line,) = ax.collections[0].get_segments()
    assert (line[:, 0] == 2.5).all() and line[:, 1].mean() == 1.0  # across the second bar
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first stands on top


def test_a_map_stays_small_on_the_page(tmp_path):
    lat, lon = field(1.0).lat, field(1.0).lon
    values = field(1.0).where(regions.land(lat, lon))
    figures.world(values, label="latitude (degrees)").figure.savefig(tmp_path / "map.png", bbox_inches="tight")
    assert (tmp_path / "map.png").stat().st_size < 200_000


class Cells(HTMLParser):
    """The tags of a table with their attributes, and its texts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


FRAME = pd.DataFrame({"model": ["CNN1", "<b>"], "n": [12000, 3], "share": [0.12345, np.nan], "ok": [True, False]})


def test_a_table_has_headers_and_readable_numbers():
    html = Cells(figures.table(FRAME, "Scores", {"share": ".1%"})._repr_html_())
    assert [a["scope"] for tag, a in html.tags if tag == "th"] == ["col"] * 4
    assert "<b>" in html.texts and ("b", {}) not in html.tags  # names are text, never markup
    assert {"Scores", "12,000", "12.3%", "–", "yes", "no"} <= set(html.texts)


def test_equal_frames_give_equal_output():
    assert figures.table(FRAME)._repr_html_() == figures.table(FRAME.copy())._repr_html_()
    assert "0x" not in repr(figures.table(FRAME))


def test_levels_are_grouped():
    columns = pd.MultiIndex.from_product([["Global", "Tropics"], ["rise", "fall"]])
    rows = pd.MultiIndex.from_tuples([("RECO", "all"), ("RECO", "p < 0.1"), ("NPP", "all")], names=["", "cells"])
    html = Cells(figures.table(pd.DataFrame(np.ones((3, 4)), rows, columns))._repr_html_())
    spans = [
        (a.get("colspan"), a.get("rowspan")) for tag, a in html.tags if tag == "th" and len(a) > 1 and "style" not in a
    ]
    assert spans == [("2", None), ("2", None), (None, "2")]
    per_row = len([1 for tag, _ in html.tags if tag == "td"])
    assert per_row == 3 * 4 + 1  # twelve values, and the corner


def test_an_empty_table_keeps_its_headers():
    html = Cells(figures.table(FRAME.iloc[:0])._repr_html_())
    assert "share" in html.texts and not [t for t, _ in html.tags if t == "td"]


def test_a_format_for_no_column_is_refused():
    with pytest.raises(ValueError, match="formats: .* found slope"):
        figures.table(FRAME, formats={"slope": ".2f"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0.00"),
        (-1234.5, "-1,234"),
        (12.345, "12.3"),
        (2.5e-5, "2.50e-05"),
        (np.int8(3), "3"),
        (None, "–"),
    ],
)
def test_numbers_are_written_to_three_digits(value, text):
    assert tables.show(value) == text
