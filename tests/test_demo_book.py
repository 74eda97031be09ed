"""The demo's book, end to end, and what it must show: the tiny book's numbers mean nothing, these do.

Each fact is one that the pages rest on, and each is asked of the planet's own truth or of a placebo.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import workspace
from helpers.workspace import ROOT, Workspace

pytestmark = pytest.mark.long

BANDS = {"Global": (-90, 90), "Northern Extra-tropics": (30, 90), "Tropics": (-30, 30)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The workspace of a whole run of profile demo, with its pages."""
    folder = tmp_path_factory.mktemp("demo")
    alone = {key: value for key, value in os.environ.items() if key != workspace.RUNNER}
    alone |= {"RECO_OUTPUTS": str(folder / "outputs"), "RECO_BUILD": str(folder / "build")}
    done = subprocess.run(
        [sys.executable, "-m", "helpers.run", "--profile", "demo"], cwd=ROOT, env=alone, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Workspace("demo", root=folder / "outputs")


@pytest.fixture(scope="module")
def ladder(demo):
    return demo.read("ladder").query("metric == 'r2'").set_index(["split", "model"])


@pytest.fixture(scope="module")
def lag(demo):
    return demo.read("lag").set_index(["protocol", "null", "model", "score"]).sort_index()


def test_a_split_by_sample_flatters_and_remembers_noise(ladder):
    assert ladder.value["re-drawn", "CNN1"] > ladder.value["sites", "CNN1"] + 0.1
    assert ladder.low["re-drawn", "CNN1 on noise"] > 0.2
    assert ladder.value["sites", "CNN1 on noise"] < 0.05


def test_at_unseen_places_something_is_known_and_a_straight_line_is_not_beaten_by_far(ladder):
    assert ladder.value["sites", "ridge"] > 0.3
    assert ladder.value["sites", "mean"] <= 0
    assert ladder.value["sites", "CNN1"] < ladder.value["sites", "ridge"] + 0.2


def test_the_planted_last_year_is_found_within_sites_and_the_placebo_is_not(lag):
    slopes = lag.loc["within sites, total"].droplevel(["null", "score"])
    assert slopes.low["last year's water"] > 0
    assert slopes.gain.idxmax() == "last year's water"
    placebo = slopes.loc["coming year's water"]
    assert placebo.low < 0 < placebo.high


def test_the_published_ranking_gains_from_shuffled_years_too_and_unseen_places_do_not(lag):
    shuffled = ("among years", "CNN5", "all")
    assert lag.low["re-drawn", *shuffled] > 0
    assert lag.low["grouped, stopped", *shuffled] < 0 < lag.high["grouped, stopped", *shuffled]


def test_honest_shares_hold_the_planet_s_truth_and_lie_nearer_to_it_than_the_published_protocol(demo):
    truth, npp = demo.read("truth").load(), demo.read("predictors").npp.load()
    reco = demo.read("reco").reco.load()
    year = truth.year - truth.year.mean()
    slope = {name: (truth[name].astype("float64") * year).sum("year", skipna=False) for name in ("reco", "npp")}
    counted = (reco.notnull() & npp.notnull()).all("year") & (reco.std("year") > 0)
    area = np.cos(np.radians(truth.lat)) * counted
    up = {"RECO rises (%)": slope["reco"] > 0, "NPP rises (%)": slope["npp"] > 0}
    told = demo.read("trends_honest").set_index(["quantity", "where"])
    held, ours, theirs = [], [], []
    for quantity, rises in up.items():
        for band, (south, north) in BANDS.items():
            inside = (truth.lat >= south) & (truth.lat <= north)
            shares = [float(100 * (rises * w * inside).sum() / (w * inside).sum()) for w in (area, counted)]
            row = told.loc[(quantity, band)]
            held.append(row.low <= shares[0] <= row.high)
            ours.append(abs(row.honest - shares[0]))
            theirs.append(abs(row["seed protocol"] - shares[1]))
    assert np.mean(held) >= 0.8
    assert np.mean(ours) < np.mean(theirs)


def test_every_result_of_the_paper_has_an_honest_row_and_most_have_an_interval(demo):
    numbers = demo.read("numbers")
    assert numbers.paper.notna().sum() > 40
    assert numbers.low.notna().mean() > 0.5
    assert (numbers.low <= numbers.high)[numbers.low.notna()].all()
