"""The paper's claims in words about maps, trends and sinks, read as tests on numbers.

A claim can only get a verdict once its words are numbers. The readings are ours and stand here, once:

- RECO's *close* mean lies within `NEAR` percent of the CNN's, for *most* models for more than half of them, and a *much
  higher* STDEV is one that every model stays `FAR` percent or more below;
- *significant* is a p-value below the level of the chapter;
- two slopes are *close* when they differ by less than `CLOSE` of the larger, and one is *much* larger from there on;
- shares differ *vastly* by more than `VAST` percentage points; a *high* sink capacity is one above the globe's;
- either NPP or RECO *leads* in a place where it grows faster over more than half of the land;
- a place is a box of ``data/places.yml``, an economy or a band, and *mainly there* means over a larger share of the
  places' land than of their band's.

A claim holds or fails only beyond the margin that `judge` finds for its numbers; in between it is open.

>>> says(True, "rises over 55 % of the land")
('holds', 'rises over 55 % of the land')
"""

from helpers.claims.ablation import on_ablation
from helpers.claims.maps import cover_groups, on_maps
from helpers.claims.reading import (
    CLOSE,
    CONFIDENCE,
    EDGE,
    FAR,
    FEWEST,
    NEAR,
    SHORT,
    VAST,
    Part,
    judge,
    more_there,
    most_of_each,
    parts,
    says,
)
from helpers.claims.sinks import on_sink_places, on_sinks, sink_numbers
from helpers.claims.slopes import on_annual_means, on_places, on_shares, trend_numbers
from helpers.claims.validation import on_validation

__all__ = [
    "CLOSE",
    "CONFIDENCE",
    "EDGE",
    "FAR",
    "FEWEST",
    "NEAR",
    "SHORT",
    "VAST",
    "Part",
    "cover_groups",
    "judge",
    "more_there",
    "most_of_each",
    "on_ablation",
    "on_annual_means",
    "on_maps",
    "on_places",
    "on_shares",
    "on_sink_places",
    "on_sinks",
    "on_validation",
    "parts",
    "says",
    "sink_numbers",
    "trend_numbers",
]
