"""Is there a lag? Tests that answer it, and made worlds in which the answer is known.

``pairs`` compares networks sample by sample, ``within`` needs none, ``climate`` gives each site its drought index at
any scale and of earlier years, ``worlds`` makes samples of small Demo Earths with a lag planted or none, and
``protocols`` asks each protocol what it finds there.
"""

from helpers.lags.climate import earlier, monthly_climate, scales_at
from helpers.lags.pairs import adjusted, gain, squared_errors
from helpers.lags.protocols import EARLIER, MODELS, PLANTED, WATERS, found, over_worlds, rates
from helpers.lags.within import anomaly_test
from helpers.lags.worlds import plant, world

__all__ = [
    "EARLIER",
    "MODELS",
    "PLANTED",
    "WATERS",
    "adjusted",
    "anomaly_test",
    "earlier",
    "found",
    "gain",
    "monthly_climate",
    "over_worlds",
    "plant",
    "rates",
    "scales_at",
    "squared_errors",
    "world",
]
