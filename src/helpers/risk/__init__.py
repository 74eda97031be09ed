"""Where plants gain on respiration: the rule of sink and source, and how sure its verdicts and rankings are.

`rule` holds the rule of Yu et al. (2021); `certainty` carries errors into it; `ranks` asks which order of biomes or
economies the errors leave.

>>> verdict(0.66), verdict(0.34), verdict(0.5)
('carbon-sink potential', 'carbon-source risk', 'even')
"""

from helpers.risk.certainty import INDISTINGUISHABLE, VERDICTS, share_intervals, verdict_shares
from helpers.risk.ranks import order_probability, ranked
from helpers.risk.rule import (
    EMPTY,
    EVEN,
    RISK,
    SINK,
    WORD,
    against,
    answers,
    faster_shares,
    land_table,
    table,
    verdict,
)

__all__ = [
    "EMPTY",
    "EVEN",
    "INDISTINGUISHABLE",
    "RISK",
    "SINK",
    "VERDICTS",
    "WORD",
    "against",
    "answers",
    "faster_shares",
    "land_table",
    "order_probability",
    "ranked",
    "share_intervals",
    "table",
    "verdict",
    "verdict_shares",
]
