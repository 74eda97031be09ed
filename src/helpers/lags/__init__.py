"""Is there a lag? Tests that answer it, and made worlds in which the answer is known.

``crossing`` trains networks that differ in one thing only, ``pairs`` compares them sample by sample, ``tables`` lists
what they gain, ``within`` needs no network, ``climate`` gives each site its drought index at any scale and of earlier
years, ``worlds`` makes samples of small Demo Earths with a lag planted or none, ``protocols`` asks each protocol what
it finds there, and ``verdict`` puts all of it into one table.
"""

from helpers.lags.climate import earlier, monthly_climate, of_a_longer_base, scales_at
from helpers.lags.crossing import added, out_of_fold, redrawn, turn_errors
from helpers.lags.pairs import adjusted, gain, squared_errors
from helpers.lags.protocols import EARLIER, MODELS, PLANTED, WATERS, found, over_worlds, rates, without_networks
from helpers.lags.tables import against_copies, gains, kept_rates, overview, plain_gain, rank_p
from helpers.lags.verdict import BEFORE, LAST, STOPPED, THREE, TOTAL, YEARS, verdict
from helpers.lags.within import BETWEEN, COMING, anomaly_test, beside_placebo
from helpers.lags.worlds import plant, world

__all__ = [
    "BEFORE",
    "BETWEEN",
    "COMING",
    "EARLIER",
    "LAST",
    "MODELS",
    "PLANTED",
    "STOPPED",
    "THREE",
    "TOTAL",
    "WATERS",
    "YEARS",
    "added",
    "adjusted",
    "against_copies",
    "anomaly_test",
    "beside_placebo",
    "earlier",
    "found",
    "gain",
    "gains",
    "kept_rates",
    "monthly_climate",
    "of_a_longer_base",
    "out_of_fold",
    "over_worlds",
    "overview",
    "plain_gain",
    "plant",
    "rank_p",
    "rates",
    "redrawn",
    "scales_at",
    "squared_errors",
    "turn_errors",
    "verdict",
    "without_networks",
    "world",
]
