"""The verdict on the lag, whichever way numbers fall, and the overview of what each protocol finds in made worlds."""

import numpy as np
import pandas as pd

from helpers import lags
from helpers.lags import BEFORE, LAST, THREE, YEARS


def numbers(all_gains=0.0, water=0.0, slope=0.0, years_p=0.5, copies=0.0, permutations=20):
    """A table of the chapter whose gains and slopes are for sure where they aren't zero."""
    rows = []

    def row(protocol, null, model, score, reference, gain, p):
        ends = gain - 0.01, gain + 0.01
        rows.append((protocol, null, model, score, reference, gain, *ends, p, p, 20, 5, permutations))

    def sure(gain):
        return 0.001 if gain else 0.8

    for protocol in ("re-drawn", "grouped", lags.STOPPED):
        for score in ("all", "anomalies"):
            for model in ("CNN2", "CNN3", "CNN4", "CNN5", "CNN6"):
                gain = 0.01 if protocol == "re-drawn" else all_gains
                row(protocol, "none", model, score, "CNN1", gain, sure(gain))
            for model, reference in (
                (LAST, "CNN1"),
                (BEFORE, "CNN1"),
                (THREE, "CNN1"),
                ("CNN5", "CNN2"),
                (THREE, "CNN2"),
            ):
                gain = water if model == LAST and score == "anomalies" else 0.0
                row(protocol, "none", model, score, reference, gain, sure(gain))
            row(protocol, "true order", "CNN5", score, "CNN1", 0.1, np.nan)
            row(protocol, "among years", "CNN5", score, "CNN1", copies, years_p)
            row(protocol, "among sites", "CNN5", score, "CNN1", copies, 0.5)
    for name in YEARS:
        value = slope if name == LAST else 0.0
        row("within sites", "none", name, "slope", "none", value, sure(value))
    names = ["protocol", "null", "model", "score", "reference", "gain", "low", "high", "p", "p_holm"]
    return pd.DataFrame(rows, columns=[*names, "seeds", "folds", "permutations"])


class TestVerdict:
    power = lags.kept_rates()[1]

    def test_nothing_found_is_said_with_what_could_have_been(self):
        text = lags.verdict(numbers(), self.power)
        assert text.count("none gains or loses for sure on all site-years and none gains or loses for sure on ano") == 2
        assert "after adjustment none of them differs from zero" in text
        assert "no test that can part one year from another finds a lag" in text
        assert "in 100% of them, so one as strong as that is unlikely here" in text

    def test_nothing_found_by_a_test_without_power_excludes_nothing(self):
        weak = self.power.assign(share=0.1)
        assert "even one as strong as that may have been missed" in lags.verdict(numbers(), weak)

    def test_no_network_above_the_one_without(self):
        lower = numbers().assign(gain=lambda table: table.gain.where(table.protocol != "re-drawn", -0.01))
        assert "0 of 5 networks with SPEI score above the one without, and the best of them is" in lags.verdict(
            lower, self.power
        )

    def test_both_found(self):
        text = lags.verdict(numbers(water=0.05, slope=0.03), self.power)
        assert "evidence of a lag from two sides" in text and f"({LAST}), and from the regression ({LAST})" in text
        assert f"{LAST} +0.030 (+0.020 to +0.040)" in text and f"{LAST} +0.050 (+0.040 to +0.060) over none" in text

    def test_two_tests_that_name_two_years_do_not_agree(self):
        other = numbers(water=0.05, slope=0.03)
        swapped = {LAST: BEFORE, BEFORE: LAST}
        slopes = other.score == "slope"
        other.loc[slopes, "model"] = other.model[slopes].replace(swapped)
        text = lags.verdict(other, self.power)
        assert "two different years" in text and "from two sides" not in text

    def test_the_regression_alone_also_with_a_falling_slope(self):
        text = lags.verdict(numbers(slope=-0.03), self.power)
        assert f"within sites RECO does go with {LAST}" in text and f"{LAST} −0.030" in text
        own = self.power[(self.power.planted == "last year") & self.power.right].set_index("protocol").share
        best = max(own["grouped, anomalies"], own["grouped, stopped, anomalies"])
        assert f"they show a planted lag in {best:.0%} of the worlds" in text

    def test_the_networks_alone_and_a_loss_is_no_gain(self):
        assert f"networks point to a lag ({LAST})" in lags.verdict(numbers(water=0.05), self.power)
        assert "no test that can part" in lags.verdict(numbers(water=-0.05), self.power)

    def test_what_the_shuffles_say(self):
        assert "the right order of the years counts" in lags.verdict(numbers(years_p=0.04), self.power)
        assert "needs no knowledge of which year was dry" in lags.verdict(numbers(copies=0.08), self.power)
        assert "isn't known to count" in lags.verdict(numbers(), self.power)
        lost = numbers(copies=-0.2).assign(gain=lambda t: t.gain.where(t["null"] != "true order", -0.1))
        assert lags.verdict(lost, self.power).count("nothing is gained even in the right order") == 2
        assert "9 copies are too few" in lags.verdict(numbers(permutations=9), self.power)

    def test_gains_at_unseen_places_are_named(self):
        text = lags.verdict(numbers(all_gains=0.2), self.power)
        assert text.count("CNN2, CNN3, CNN4, CNN5 and CNN6 gain on") == 4 and "lose" not in text
        assert lags.verdict(numbers(all_gains=-0.2), self.power).count("CNN6 lose on") == 4

    def test_either_way_of_training_may_find_it(self):
        table = numbers(water=0.05)
        for protocol in ("grouped", lags.STOPPED):
            other = table.assign(gain=table.gain.where(table.protocol != protocol, 0.0))
            assert f"networks point to a lag ({LAST})" in lags.verdict(other, self.power)

    def test_it_reads_the_power_from_the_table(self):
        rows = (self.power.protocol == "re-drawn") & (self.power.planted == "none") & (self.power.back > 0)
        silent = self.power.assign(found=self.power.found.where(~rows, 0))
        assert "the paper's split claims a year before in 0," in lags.verdict(numbers(), silent)
        kept = sorted({f"{count}" for count in (self.power.found[rows].min(), self.power.found[rows].max())}, key=int)
        assert f"the paper's split claims a year before in {' to '.join(kept)}," in lags.verdict(numbers(), self.power)

    def test_the_truth_is_told_where_it_is_known(self):
        right = lags.against_truth(numbers(slope=0.03), [0, 0.15, 0])
        assert f"found {LAST}, and claimed nothing that isn't there" in right and "missed" not in right
        assert f"missed {BEFORE}" in lags.against_truth(numbers(slope=0.03), [0, 0.15, 0.1])
        assert f"was wrong about {LAST}" in lags.against_truth(numbers(slope=0.03), [0, 0, 0])


def test_the_overview_sets_false_claims_beside_power():
    table = lags.overview(lags.kept_rates()[1])
    rates = lags.kept_rates()[1].set_index(["protocol", "planted", "back"])
    assert table.loc["within sites", "found: last year"].startswith(
        f"{rates.found['within sites', 'last year', 1]} of "
    )
    false = [rates.found["re-drawn", "none", back] for back in (1, 2)]
    worlds = rates.worlds.iloc[0]
    assert table.loc["re-drawn", "false, none planted"].startswith(f"{min(false)} ")
    assert table.loc["re-drawn", "false, none planted"].endswith(f"{max(false)} of {worlds}")
