"""The house style of the book's figures and tables.

>>> sorted(set(__all__) & {"world", "scatter", "table"})
['scatter', 'table', 'world']
"""

from helpers.figures.blocks import blocks
from helpers.figures.charts import RECO_UNIT, bars, common_limits, letter, scatter
from helpers.figures.circles import balance, faster
from helpers.figures.ladders import ladder
from helpers.figures.lags import lag_curves, paired_gains, shuffled_gains, worlds_found
from helpers.figures.maps import categories, inset, inset_bars, points, world, worlds
from helpers.figures.moves import moves
from helpers.figures.projection import EQUAL_EARTH
from helpers.figures.samples import boxes, histograms, window
from helpers.figures.scatters import scatters
from helpers.figures.style import COLOURS, DIVERGING, IGBP_COLOURS, SEQUENTIAL, SERIES, WIDTH, use_house_style
from helpers.figures.survival import share_intervals, size_and_power
from helpers.figures.tables import table
from helpers.figures.trends import trend_lines, trend_map
from helpers.figures.trust import timing, towers

__all__ = [
    "COLOURS",
    "DIVERGING",
    "EQUAL_EARTH",
    "IGBP_COLOURS",
    "RECO_UNIT",
    "SEQUENTIAL",
    "SERIES",
    "WIDTH",
    "balance",
    "bars",
    "blocks",
    "boxes",
    "categories",
    "common_limits",
    "faster",
    "histograms",
    "inset",
    "inset_bars",
    "ladder",
    "lag_curves",
    "letter",
    "moves",
    "paired_gains",
    "points",
    "scatter",
    "scatters",
    "share_intervals",
    "shuffled_gains",
    "size_and_power",
    "table",
    "timing",
    "towers",
    "trend_lines",
    "trend_map",
    "use_house_style",
    "window",
    "world",
    "worlds",
    "worlds_found",
]
