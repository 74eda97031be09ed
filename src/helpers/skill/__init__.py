"""How well simulations meet observations: arrays in, numbers out.

``scores`` holds the four scores of Table 1 and the correlation of Fig 3, ``scales`` takes skill apart into sites, years
and trends, and ``bootstrap`` gives scores, and differences between scores, an interval by drawing sites.
"""

from helpers.skill.bootstrap import Difference, Interval, SiteBootstrap, corrected_t
from helpers.skill.scales import by_scale, scale_sums
from helpers.skill.scores import SCORES, cc, jackknife, pearson, r2, r2_pearson, rmse, sde, within_sites
from helpers.skill.sums import STATISTICS, sums

__all__ = [
    "SCORES",
    "STATISTICS",
    "Difference",
    "Interval",
    "SiteBootstrap",
    "by_scale",
    "cc",
    "corrected_t",
    "jackknife",
    "pearson",
    "r2",
    "r2_pearson",
    "rmse",
    "scale_sums",
    "sde",
    "sums",
    "within_sites",
]
