"""Is there a lag? Tests that answer it, and made worlds in which the answer is known.

``pairs`` trains networks that differ in one thing only, and compares them sample by sample; ``tables`` lists what they
gain, up to the verdict; ``within`` needs no network; ``climate`` gives each site its drought index at any scale and of
earlier years; ``worlds`` makes samples of small Demo Earths with a lag planted or none, and asks each protocol what it
finds there.
"""

from helpers.stats.lags.climate import earlier, monthly_climate, of_a_longer_base, scales_at
from helpers.stats.lags.pairs import added, adjusted, gain, out_of_fold, redrawn, squared_errors, turn_errors
from helpers.stats.lags.tables import (
    BEFORE,
    LAST,
    STOPPED,
    THREE,
    TOTAL,
    YEARS,
    against_copies,
    gains,
    kept_rates,
    overview,
    plain_gain,
    rank_p,
    verdict,
)
from helpers.stats.lags.within import BETWEEN, COMING, anomaly_test, beside_placebo
from helpers.stats.lags.worlds import (
    EARLIER,
    MODELS,
    PLANTED,
    WATERS,
    found,
    over_worlds,
    plant,
    rates,
    without_networks,
    world,
)

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
