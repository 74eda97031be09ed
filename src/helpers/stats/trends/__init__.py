"""Straight lines through yearly maps: slopes, their p-values, and the shares of land that rise or fall.

Every cell of a map is a series of its own. The room fits all of them at once, says which cells could not be fitted and
why, and sums the rest up by pixel count and by true area.

>>> import numpy as np, xarray as xr
>>> years = np.arange(2000, 2019)
>>> y = xr.DataArray(0.5 + 0.02 * (years - 2000), coords={"year": years}, dims="year")
>>> round(float(ols(y).slope), 6)
0.02
>>> round(float(z_slope(1.0, years)), 4)  # the steepest that 19 standardised years can rise
0.1826
"""

from helpers.stats.trends.blocks import cell_blocks, sampled_cells
from helpers.stats.trends.field import (
    classes_by_chance,
    fdr,
    field_power,
    permutation_p,
    permuted_shares,
    simulated_size,
    summary_of_field,
)
from helpers.stats.trends.inference import (
    METHODS,
    TEST_OUTCOMES,
    UNDEFINED,
    VARIANTS,
    ar1_noise,
    autocorrelation,
    mann_kendall,
    ols_ar1,
    significance,
)
from helpers.stats.trends.lines import (
    CONSTANT,
    DIRECTIONS,
    FITTED,
    MISSING_YEAR,
    OUTCOMES,
    analysis_mask,
    direction,
    ols,
    z_slope,
    zscore,
)
from helpers.stats.trends.realised import RATIO, RealisedSlopes, cleaned, series_of_maps, tower_errors
from helpers.stats.trends.tables import (
    REGIONS,
    against,
    beside,
    by_region,
    check,
    describe,
    gather,
    held_by_bands,
    margins,
    of_means,
    regional_means,
    shares,
    tally,
    weight_ranges,
)
from helpers.stats.trends.totals import total, total_trend

__all__ = [
    "CONSTANT",
    "DIRECTIONS",
    "FITTED",
    "METHODS",
    "MISSING_YEAR",
    "OUTCOMES",
    "RATIO",
    "REGIONS",
    "RealisedSlopes",
    "TEST_OUTCOMES",
    "UNDEFINED",
    "VARIANTS",
    "against",
    "analysis_mask",
    "ar1_noise",
    "autocorrelation",
    "beside",
    "by_region",
    "cell_blocks",
    "check",
    "classes_by_chance",
    "cleaned",
    "describe",
    "direction",
    "fdr",
    "field_power",
    "gather",
    "held_by_bands",
    "mann_kendall",
    "margins",
    "of_means",
    "ols",
    "ols_ar1",
    "permutation_p",
    "permuted_shares",
    "regional_means",
    "sampled_cells",
    "series_of_maps",
    "shares",
    "significance",
    "simulated_size",
    "summary_of_field",
    "tally",
    "total",
    "total_trend",
    "tower_errors",
    "weight_ranges",
    "z_slope",
    "zscore",
]
