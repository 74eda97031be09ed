"""The house style of the book's figures and tables: maps on cartopy, charts on Matplotlib, tables on pandas' Styler."""

# ruff: noqa: F401 (this is the door of the room)

from helpers.figures.charts import bars, faster, letter, scatters
from helpers.figures.intervals import (
    dumbbells,
    ladder,
    lag_curves,
    paired_gains,
    share_intervals,
    size_and_power,
    timing,
    worlds_found,
)
from helpers.figures.maps import DEGREES, EQUAL_EARTH, blocks, categories, points, world, worlds
from helpers.figures.style import (
    COLOURS,
    DIVERGING,
    IGBP_COLOURS,
    RECO_UNIT,
    SEQUENTIAL,
    SERIES,
    WIDTH,
    mark_made,
    use_house_style,
)
from helpers.figures.tables import table
