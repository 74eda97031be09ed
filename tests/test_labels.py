"""Labels of samples: a missing or impossible fold, group or site is refused by all that take one, in one line."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers.cnn.cross_validation import out_of_fold, train_masks
from helpers.cnn.nested_cv import choose, inner_folds, nested
from helpers.cnn.network import Member
from helpers.stats import applicability, lags, skill, splits
from helpers.stats.labels import indexed

N = 8
GOOD = [0, 0, 1, 1, 2, 2, 3, 3]
RNG = np.random.default_rng(5)
LAT, LON = RNG.uniform(-50, 50, N), RNG.uniform(-170, 170, N)
OBS = RNG.standard_normal(N)
SIM = OBS + 0.1 * RNG.standard_normal(N)
YEAR = np.tile([2001, 2002], N // 2)
TABLE = RNG.standard_normal((N, 2))
WINDOWS = xr.DataArray(
    RNG.standard_normal((N, 2, 3, 3)).astype("float32"),
    dims=("sample", "predictor", "dy", "dx"),
    coords={"predictor": ["a", "b"]},
)


def squared(predicted, observed):
    return (predicted - observed) ** 2


HOW = {"iterations": 1, "loss": squared, "progress": False}
NESTED = {"settings": [Member("one", ("a", "b"))], "seeds": [1], "inner": 2, **HOW}
LEFT = np.ones((1, N), bool)


def rng():
    return np.random.default_rng(1)


TAKERS = {
    "grouped_folds": lambda labels: splits.grouped_folds(labels, 2, rng()),
    "year_folds": lambda labels: splits.year_folds(labels, 2),
    "block_folds": lambda labels: splits.block_folds(LAT, LON, labels, 2, 500, rng()),
    "region_folds": lambda labels: splits.region_folds(LAT, LON, labels, 2),
    "knndm": lambda labels: splits.knndm(LAT, LON, labels, LAT + 1, LON, k=3, rng=rng()).folds,
    "fold_distances": lambda labels: splits.fold_distances(LAT, LON, labels),
    "train_masks": train_masks,
    "divided, folds": lambda labels: splits.divided(labels, GOOD),
    "divided, groups": lambda labels: splits.divided(GOOD, labels),
    "nested, outer": lambda labels: nested(WINDOWS, OBS, labels, GOOD, **NESTED).predicted,
    "nested, groups": lambda labels: nested(WINDOWS, OBS, YEAR, labels, **NESTED).predicted,
    "choose": lambda labels: choose(WINDOWS, OBS, labels, **NESTED).scores,
    "inner_folds": lambda labels: inner_folds(LEFT, labels, [1], 2),
    "within": lambda labels: lags.shuffled_within(labels, 3, rng())[0],
    "among_sites, site": lambda labels: lags.dealt_among_sites(labels, YEAR, 3, rng())[0],
    "among_sites, year": lambda labels: lags.dealt_among_sites(GOOD, labels, 3, rng())[0],
    "out_of_fold": lambda labels: out_of_fold(WINDOWS, OBS, {"m": ("a", "b")}, [labels], [1], **HOW),
    "turn_errors": lambda labels: lags.turn_errors(OBS, SIM[None, None], np.ones((1, 1, N), bool), labels),
    "squared_errors": lambda labels: lags.squared_errors(OBS, SIM, labels)[0],
    "gain": lambda labels: lags.gain(SIM**2, OBS**2, OBS**2, labels, 39, rng()),
    "gains": lambda labels: lags.gains({"a": SIM**2, "b": OBS**2}, [("a", "b")], OBS**2, labels, 39, rng()).gain,
    "anomaly_test, site": lambda labels: lags.anomaly_test(OBS, pd.DataFrame({"x": SIM}), ["x"], labels, GOOD),
    "anomaly_test, groups": lambda labels: lags.anomaly_test(OBS, pd.DataFrame({"x": SIM}), ["x"], GOOD, labels),
    "training_dissimilarity": lambda labels: applicability.training_dissimilarity(TABLE, labels),
    "permutation_importance": lambda labels: applicability.permutation_importance(
        lambda fold, x: x.sum(1) * 0, TABLE, OBS, labels, rng()
    ),
    "sums": lambda labels: skill.sums(OBS, SIM, labels),
    "SiteBootstrap": lambda labels: skill.SiteBootstrap(labels, 9, rng()).interval("r2", OBS, SIM).draws,
    "of_sums": lambda labels: skill.SiteBootstrap(GOOD, 9, rng()).of_sums("rmse", np.ones((N, 6)), labels).draws,
    "within_sites": lambda labels: skill.within_sites(OBS, SIM, labels, rng(), 9),
    "scale_sums, site": lambda labels: skill.scale_sums(OBS, SIM, labels, YEAR)["all"],
    "scale_sums, year": lambda labels: skill.scale_sums(OBS, SIM, np.arange(N), labels)["all"],
}


def with_last(value, kind=object):
    return np.array([*GOOD[:-1], value], dtype=kind)


BAD = {
    "NaN": (with_last(np.nan, float), "nan for sample 7"),
    "a fraction": (with_last(2.5, float), "2.5 for sample 7"),
    "minus one": (with_last(-1, int), "-1 for sample 7"),
    "NaN among text": (["a", "a", "b", "b", "c", "c", "d", np.nan], "'nan' for sample 7"),
    "blanks": (["a", "a", "b", "b", "c", "c", "d", "  "], "'  ' for sample 7"),
    "a gap as text": (["a", "a", "b", "b", "c", "c", "d", "-9999"], "'-9999' for sample 7"),
    "NA": (pd.Series([*GOOD[:-1], None], dtype="Int64"), "nan for sample 7"),
    "no category": (pd.Series(pd.Categorical(["a", "a", "b", "b", "c", "c", "d", None])), "nan for sample 7"),
}


def test_a_label_that_is_none_is_refused_and_whoever_takes_labels_asks():
    asked = [(indexed, bad) for bad in BAD.values()] + [(taker, BAD["NaN"]) for taker in TAKERS.values()]
    for taker, (labels, found) in asked:
        match = f"expected text or a whole number of 0 or more.*found .*{found}"
        with pytest.raises(ValueError, match=match) as error:
            taker(labels)
        assert "\n" not in str(error.value)


def test_labels_mean_the_same_in_every_form():
    numbers, text = np.array(GOOD), ["b", "a", "b"]
    forms = [GOOD, numbers.astype(float), numbers.astype(object), pd.Series(GOOD, dtype="Int64")]
    for given in [*forms, xr.DataArray(numbers.astype("uint16")), np.ma.masked_array(numbers)]:
        assert [each.tolist() for each in indexed(given)] == [[0, 1, 2, 3], GOOD]
    forms = [text, np.array(text, object), np.array([b"b", b"a", b"b"]), pd.Series(text, dtype="category")]
    for given in [*forms, pd.Series(text, dtype="string")]:
        assert [each.tolist() for each in indexed(given)] == [["a", "b"], [1, 0, 1]]


def test_numbers_that_are_no_longer_told_apart_are_no_labels():
    for labels, found in (
        ([1e20, 2e20, 3e20, 1], r"found 1e\+20 for sample 0 \(from 0; 3 such"),
        ([1, 10**20], "sample 0"),
    ):
        with pytest.raises(ValueError, match=f"groups: expected text or a whole number .*{found}"):
            indexed(labels)


def test_labels_that_are_not_one_a_sample_are_refused():
    for taker in ("nested, outer", "nested, groups", "choose", "inner_folds", "within_sites", "gain", "gains"):
        with pytest.raises(ValueError, match="expected one for each of 8 samples"):
            TAKERS[taker](GOOD[:-1])
