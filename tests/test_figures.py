"""The house style: every number stands where its mark is, colours mean what the bar says, and tables can be read."""

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
from matplotlib.text import Text
from scipy.optimize import minimize

from helpers import figures
from helpers.figures import charts
from helpers.space import regions


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No figure outlives its test, and none may ask the network for a coastline."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a figure asked the network for something")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    figures.use_house_style()
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]


class TestMaps:
    @staticmethod
    def field(resolution=5.0, value=None):
        lat = np.arange(90 - resolution / 2, -90, -resolution)
        lon = np.arange(-180 + resolution / 2, 180, resolution)
        values = np.full((lat.size, lon.size), value) if value is not None else np.add.outer(lat, 0 * lon)
        return xr.DataArray(values.astype("float32"), coords={"lat": lat, "lon": lon}, dims=("lat", "lon"))

    @staticmethod
    def pixel(ax, lat, lon):
        """Colour of the rendered figure at a place."""
        ax.figure.canvas.draw()
        x, y = ax.transData.transform(figures.EQUAL_EARTH.transform_point(lon, lat, figures.DEGREES))
        picture = np.asarray(ax.figure.canvas.buffer_rgba())
        return to_hex(picture[picture.shape[0] - 1 - int(y), int(x), :3] / 255)

    def test_cells_of_equal_area_look_equal(self):
        lat, lon = np.array([70.5, 45.5, 0.5]), np.array([10.5, 11.5])
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
        places = corners + np.stack([np.full(3, 10.5), lat], axis=1)[:, None]
        x, y, _ = figures.EQUAL_EARTH.transform_points(figures.DEGREES, places[..., 0], places[..., 1]).T
        drawn = 0.5 * np.abs((x * np.roll(y, -1, 0) - y * np.roll(x, -1, 0)).sum(axis=0))
        true = [regions.cell_area([phi, phi + 1], lon)[0, 0] for phi in lat]
        np.testing.assert_allclose(drawn / drawn[-1], true / true[-1], rtol=0.001)

    def test_a_cell_has_the_colour_of_its_value_at_both_ends_of_the_date_line(self):
        values = self.field(value=0.25)
        values[:, values.lon > 0] = 1.0
        ax = figures.world(values, label="x (1)", vmin=0.0, vmax=1.0)
        for lon in (-178.0, -60.0):
            assert self.pixel(ax, 5.0, lon) == to_hex(figures.SEQUENTIAL(0.25)[:3])
        for lon in (20.0, 178.0):
            assert self.pixel(ax, 5.0, lon) == to_hex(figures.SEQUENTIAL(1.0)[:3])

    def test_land_without_a_value_is_grey_and_sea_is_white(self):
        for diverging, colour in ((False, "land"), (True, "blank")):
            ax = figures.world(self.field(value=np.nan), label="x (1)", diverging=diverging)
            assert self.pixel(ax, 23.0, 10.0) == figures.COLOURS[colour].lower()
            assert self.pixel(ax, 0.0, -140.0) == "#ffffff"

    @pytest.mark.parametrize(
        ("values", "options", "ends", "arrows"),
        [
            ([0.0, 1, 2, 3, 4], {}, (0.0, 3.92), "max"),
            ([10.0, 10.5, 11], {}, (10.02, 10.98), "both"),
            ([-4.0, 1.0, 1.0], {"diverging": True}, (-3.8, 3.8), "min"),
            ([1.0, 1.2], {"vmin": 0.5, "vmax": 1.5}, (0.5, 1.5), "neither"),
        ],
    )
    def test_the_scale_ends_where_it_should_and_says_where_values_lie_beyond(self, values, options, ends, arrows):
        field = self.field(60.0, np.nan)
        field[1, : len(values)] = values
        drawn = figures.world(field, label="x (1)", **options).collections[-1]
        assert (drawn.norm.vmin, drawn.norm.vmax) == pytest.approx(ends)
        assert drawn.colorbar.extend == arrows

    def test_fine_fields_are_averaged_for_drawing_and_classes_thinned(self):
        fine = self.field(0.05)
        fine[:] = np.random.default_rng(1).random(fine.shape)
        ax = figures.world(fine, label=None)
        drawn = ax.collections[-1].get_array().reshape(720, 1440)
        assert drawn[0, 0] == pytest.approx(float(fine[:5, :5].mean()), rel=1e-5)
        classes = (fine * 3).astype("int8")
        ax = figures.categories(classes, dict.fromkeys(range(3), "red"), dict.fromkeys(range(3), ""))
        assert ax.collections[-1].get_array().reshape(720, 1440)[3, 4] == classes[17, 22]

    def test_windows_of_a_cut_out_see_fewest_and_most_cells_of_the_coarse_product(self, ax):
        field = self.field(1.0)
        block = np.floor(np.add.outer(field.lat.values // 5, 100 * (field.lon.values // 5)))
        count = field.rolling(lat=3, lon=3, center=True).construct(lat="dy", lon="dx").isnull().sum(("dy", "dx"))
        for i in range(40, 60):
            for j in range(180, 200):
                count[i, j] = len(np.unique(block[i - 1 : i + 2, j - 1 : j + 2]))
        figures.blocks(ax, field, count, lat=40.5, lon=10.5, reach=6, label="MAT (°C)")
        assert [patch.get_label() for patch in ax.patches] == ["window that sees 4 cells", "window that sees 1 cell"]
        for window, expected in zip(ax.patches, (4, 1), strict=True):
            lon, lat = window.get_x() + 1.5, window.get_y() + 1.5
            assert int(count.sel(lat=lat, lon=lon)) == expected
            assert abs(lat - 40.5) <= 6 and abs(lon - 10.5) <= 6

    def test_maps_above_one_bar_share_its_ends_and_arrows_say_what_lies_beyond(self):
        look = {"vmin": 0.0, "vmax": 2.0}
        fields = {name: (self.field(value=value), None, look) for name, value in {"low": 1.0, "high": 3.0}.items()}
        maps = figures.worlds(fields, ncols=2, bars=["RECO"])
        (bar,) = [ax for ax in maps[0].figure.axes if ax not in maps]
        assert bar.get_xlabel() == "RECO" and bar.get_xlim() == (0.0, 2.0)
        assert [len(figures.worlds(fields, ncols=1, bars=bars)[0].figure.axes) - 2 for bars in ((), ("a", "b"))] == [
            0,
            2,
        ]


class TestCharts:
    def test_spread_timing_and_skill_stand_where_they_should_in_each_models_row(self):
        values = {"ratio": [0.9, 0.7, 1.2], "r": [0.3, -0.1, 0.5], "skill": [-9.0, -12.0, 0.1]}
        one = pd.DataFrame.from_dict(values, orient="index", columns=["value", "low", "high"])
        kinds = {"one": "CNN", "other": "process model"}
        left, right = figures.timing(
            pd.concat({name: one for name in kinds}, names=["model", "score"]), kinds, floor=-2.0
        )
        marks = [(line.get_marker(), *line.get_xdata()) for line in left.lines if len(line.get_xdata()) == 1]
        assert sorted(marks) == [("D", 0.9), ("D", 0.9), ("o", 0.3), ("o", 0.3)]
        below = [line for line in right.lines if line.get_marker() == "<"]
        assert [line.get_xdata().tolist() for line in below] == [[-2.0], [-2.0]], "an arrow at the floor"
        assert [text.get_text() for text in left.get_yticklabels()] == ["one", "other"]


class TestCircles:
    @staticmethod
    def table(share, area):
        return pd.DataFrame({"name": [f"biome {k}" for k in range(len(share))]}).assign(
            npp_faster_area=share, analysed_m2=np.asarray(area) * 1e12
        )

    def test_spread_moves_as_little_as_a_general_optimiser(self):
        positions, gap = np.array([3.0, 3.1, 3.2, 9.0, 9.5, 20.0]), 1.0  # in their order, and the gap is kept
        limits = [{"type": "ineq", "fun": lambda x, k=k: x[k + 1] - x[k] - gap} for k in range(len(positions) - 1)]
        oracle = minimize(
            lambda x: ((x - positions) ** 2).sum(), positions, constraints=limits, options={"ftol": 1e-12}
        )
        np.testing.assert_allclose(charts.spread(positions, gap), oracle.x, atol=1e-4)

    def test_no_two_labels_overlap_and_all_stay_in_the_figure(self):
        rng = np.random.default_rng(0)
        ax = figures.faster(self.table(rng.normal(0.6, 0.004, 16), rng.uniform(0.1, 20, 16)))
        ax.figure.canvas.draw()
        boxes = [Text.get_window_extent(text) for text in ax.texts]  # the words, without their lines
        assert len(boxes) == 17  # sixteen names and the scale
        for i, one in enumerate(boxes):
            assert ax.figure.bbox.contains(one.x0, one.y0) and ax.figure.bbox.contains(one.x1, one.y1)
            assert not any(one.overlaps(other) for other in boxes[i + 1 :])

    def test_circles_stand_on_the_line_and_their_areas_are_the_sizes(self):
        ax = figures.faster(self.table([0.4, 0.7], [1.25, 5.0]))
        circles = [line for line in ax.lines if line.get_marker() == "o"]
        radius = {line.get_xydata()[0].round(6).tolist()[0]: line.get_markersize() for line in circles}
        places = sorted(line.get_xydata()[0].round(6).tolist() for line in circles[:2])
        assert places == [[40.0, 60.0], [70.0, 30.0]]
        assert radius[70.0] ** 2 / radius[40.0] ** 2 == pytest.approx(4.0)
        assert radius[1.0] == pytest.approx(radius[70.0]), "the circle for scale must follow the same rule"
        assert circles[0].get_color() != circles[1].get_color()
        assert {"biome 0 40 %", "biome 1 70 %", "5 million km²"} == {text.get_text() for text in ax.texts}


class TestIntervals:
    """Marks are lines: the filled ones of a group first, then its hollow ones, then arrows on the floor."""

    @staticmethod
    def segments(collection):
        return [np.reshape(s, (-1, 2))[:, 0].tolist() for s in collection.get_segments()]

    @staticmethod
    def named(ax):
        return {line.get_label(): line.get_xydata() for line in ax.lines}

    @staticmethod
    def marks(ax, filled):
        """Return the places of the filled or the hollow marks."""
        drawn = [m for m in ax.lines if m.get_marker() == "o" and len(m.get_xdata())]
        return [xy for m in drawn if (m.get_markerfacecolor() != "white") == filled for xy in m.get_xydata().tolist()]

    @pytest.fixture
    def scores(self):
        rows = {
            ("random", "ridge"): (0.5, 0.4, 0.6),
            ("random", "net"): (0.7, 0.6, 0.8),
            ("sites", "net"): (-3.0, -5.0, 0.1),
            ("sites", "ridge"): (0.4, np.nan, np.nan),
            ("sites", "other"): (0.2, 0.1, 0.3),
        }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])
        return frame.set_axis(pd.MultiIndex.from_tuples(rows))

    def test_a_ladder_shows_the_models_asked_for_and_what_lies_beyond_its_edge(self, ax, scores):
        figures.ladder(ax, scores, ["ridge", "net"], label="R²")
        assert ax.get_legend_handles_labels()[1] == ["ridge", "net", "below −1"]
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["random", "sites"]
        assert ax.yaxis_inverted() and ax.get_xlim()[0] == -1.0
        ridge, net = (self.named(ax)[name] for name in ("ridge", "net"))
        assert ridge[:, 0].tolist() == [0.5, 0.4] and net[:, 0].tolist() == [0.7]
        assert ridge[0, 1] < net[0, 1], "the first model stands on top of its rung"
        ends = [end for bars in ax.collections for end in self.segments(bars)]
        assert ends[0] == [0.4, 0.6] and ends[2:4] == [[0.6, 0.8], [-1.0, 0.1]]
        assert [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "<"] == [[-1.0], []]

    def test_numbers_that_move_stand_in_their_rows_and_on_the_floor(self, ax):
        columns = {"paper": [0.98, np.nan, 0.5], "seed protocol": [0.99, 0.97, 0.6], "honest": [0.4, -3.0, 0.7]}
        table = pd.DataFrame(columns | {"moved by": "the score"}, index=["R² of CNN1", "R² of noise", "r"])
        table["low"], table["high"] = [0.2, -6.0, np.nan], [0.5, 0.1, np.nan]
        figures.dumbbells(ax, table, label="score (no unit)", floor=-1.0)
        way, interval = (self.segments(lines) for lines in ax.collections[:2])
        assert way == [[0.4, 0.99], [-1.0, 0.97], [0.6, 0.7]]
        assert interval[:2] == [[0.2, 0.5], [-1.0, 0.1]] and not interval[2], "none is drawn where there is none"
        assert self.marks(ax, filled=True) == [[0.4, 0.0], [0.7, 2.0]]
        assert self.marks(ax, filled=False) == [[0.99, 0.0], [0.97, 1.0], [0.6, 2.0]]
        assert [line.get_xydata().tolist() for line in ax.lines if line.get_marker() == "<"] == [[[-1.0, 1.0]]]
        assert [text.get_text() for text in ax.get_yticklabels()] == list(table.index) and ax.yaxis_inverted()
        assert [t.get_text() for t in ax.figure.legends[0].get_texts()] == ["paper", "published protocol", "honest"]

    def test_shares_stand_in_groups_the_largest_on_top(self):
        names = [("band", "south"), ("band", "north"), ("biome", "ENF"), ("biome", "GRA")]
        table = pd.DataFrame({"median": [0.4, 0.7, 0.3, 0.55]}, pd.MultiIndex.from_tuples(names))
        table = table.assign(low=table["median"] - 0.1, high=table["median"] + 0.1)
        table["verdict"] = ["open", "sink", "source", "open"]
        colours = {"sink": "#009E73", "source": "#D55E00", "open": "#8C8C8C", "nobody's": "red"}
        ax = figures.share_intervals(table, colours, label="share (%)", marks=table["median"] + 0.05)
        assert [text.get_text() for text in ax.get_yticklabels()] == ["north", "south", "GRA", "ENF"]
        np.testing.assert_allclose(ax.get_yticks(), [0, 1, 3, 4])
        drawn = self.named(ax)
        np.testing.assert_allclose(drawn["sink"], [[70, 0]])
        np.testing.assert_allclose(drawn["source"], [[30, 4]])
        np.testing.assert_allclose(drawn["open"], [[40, 1], [55, 3]])
        np.testing.assert_allclose(drawn["the map itself"][:, 0], [75, 45, 60, 35])
        assert "nobody's" not in [text.get_text() for text in ax.figure.legends[0].get_texts()]


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


class TestTables:
    FRAME = pd.DataFrame({"model": ["CNN1", "<b>"], "n": [12000, 3], "share": [0.12345, np.nan], "ok": [True, False]})

    def test_a_table_has_headers_and_readable_numbers(self):
        html = Cells(figures.table(self.FRAME, "Scores", {"share": ".1%"})._repr_html_())
        assert [a["scope"] for tag, a in html.tags if tag == "th"] == ["col"] * 4
        assert "<b>" in html.texts and ("b", {}) not in html.tags  # names are text, never markup
        assert {"Scores", "12,000", "12.3%", "–", "yes", "no"} <= set(html.texts)
