"""Networks in pairs, and with shuffled drought: against one network at a time on windows shuffled by hand."""

import numpy as np
import pytest
import torch
import xarray as xr

from helpers.cnn import cross_validation
from helpers.cnn.network import Member
from helpers.cnn.training import train
from helpers.stats import lags

STEPS = 15


def half(n, generator):
    return torch.randperm(n, generator=generator) < n // 2


@pytest.fixture(scope="module")
def made():
    """Windows of 10 sites with 4 years, a target, and three folds of whole sites for each of two seeds."""
    rng = np.random.default_rng(5)
    site = np.repeat(np.arange(10), 4)
    values = rng.standard_normal((40, 3, 3, 3)).astype("float32")
    window = xr.DataArray(
        values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": ["mat", "npp", "spei"]}
    )
    target = 2 + values[:, 0, 1, 1] + rng.gamma(2, 0.5, 10)[site]
    return window, target, site, np.stack([site % 3, (site // 2) % 3])


def test_a_shuffled_copy_is_trained_on_windows_shuffled_by_hand_and_tested_in_its_own_folds(made):
    window, target, site, folds = made
    rows = np.concatenate([np.arange(40)[None], lags.shuffled_within(site, 2, np.random.default_rng(1))[0]])
    assert (site[rows] == site).all()
    models = {f"copy {k}": ["mat", "npp", "spei"] for k in range(3)}
    options = {"iterations": STEPS, "progress": False}
    told = cross_validation.out_of_fold(window, target, models, folds, [7, 8], rows=rows, moved=["spei"], **options)
    for k, order in enumerate(rows):
        by_hand = window.copy(deep=True)
        by_hand.values[:, 2] = window.values[order, 2]
        for j, seed in enumerate((7, 8)):
            for tested in (folds[j] == fold for fold in range(3)):
                _, fit = train(by_hand, target, [Member("x", ("mat", "npp", "spei"), seed)], ~tested[None], **options)
                assert told.values[k, j, tested] == pytest.approx(fit.predicted[0, tested], abs=1e-3)
    assert abs(told.values[1] - told.values[0]).max() > 0.05, "a shuffle changes what a network says"


def test_models_of_a_seed_share_folds_and_one_more_model_changes_none(made):
    window, target, _, folds = made
    options = {"iterations": STEPS, "progress": False}
    both = cross_validation.out_of_fold(window, target, {"A": ["mat"], "B": ["mat", "spei"]}, folds, [7, 8], **options)
    alone = cross_validation.out_of_fold(window, target, {"A": ["mat"]}, folds, [7, 8], **options)
    assert both.attrs["dead"] == 0
    low = options | {"iterations": 300, "loss": lambda predicted, _: predicted}
    dead = cross_validation.out_of_fold(window, target, {"A": ["mat"]}, folds, [7, 8], **low)
    assert dead.attrs["dead"] == 6 and (dead.values == 0).mean() > 0.9, "a loss that rewards less drives all to zero"
    assert both.sel(model="A").values == pytest.approx(alone.sel(model="A").values, abs=1e-4)
    stopped = cross_validation.out_of_fold(window, target, {"A": ["mat"]}, folds, [7, 8], patience=1, **options)
    assert np.isfinite(stopped).all() and (stopped.values != alone.values).any()


def test_under_the_re_drawn_split_a_copy_is_trained_on_its_own_windows_and_scored_where_tested(made):
    window, target, site, _ = made
    rows = lags.shuffled_within(site, 2, np.random.default_rng(1))[0]
    options = {"iterations": STEPS, "draw_split": half, "keep": 4}
    models = {f"copy {k}": ["mat", "spei"] for k in range(2)}
    predicted, tested = cross_validation.redrawn(
        window, target, models, [7, 8], rows=rows, moved=["spei"], progress=False, **options
    )
    assert predicted.shape == tested.shape == (2, 8, 40)
    by_hand = window.copy(deep=True)
    by_hand.values[:, 2] = window.values[rows[1], 2]
    options["split"] = options.pop("draw_split")
    history = train(by_hand, target, [Member("x", ("mat", "spei"), 8)], progress=False, **options)[1]
    assert predicted[1, 4:] == pytest.approx(history.predicted[:, 0], abs=1e-4)
    assert (tested[1, 4:] == ~history.training[:, 0]).all()
    errors = lags.turn_errors(target, predicted, tested)
    for s in range(40):
        turns = [(predicted[0, t, s] - target[s]) ** 2 for t in range(8) if tested[0, t, s]]
        assert errors[0, s] == pytest.approx(np.mean(turns), rel=1e-5) if turns else np.isnan(errors[0, s])


def test_added_channels_fill_the_window_and_replace_their_namesakes(made):
    window, *_ = made
    more = cross_validation.added(window, {"spei": np.arange(40), "extra": np.ones(40)})
    assert more.predictor.values.tolist() == ["mat", "npp", "spei", "extra"] and more.dtype == "float32"
    assert (more.sel(predictor="spei").values == np.arange(40)[:, None, None]).all()
    assert (more.sel(predictor="npp").values == window.sel(predictor="npp").values).all()


def test_a_training_that_diverges_is_told_and_not_taken_for_a_respiration_of_zero(made):
    window, target, _, folds = made
    with pytest.raises(ValueError, match="^loss: expected finite predictions, found 40 others"):
        cross_validation.out_of_fold(
            window, target, {"one": ["mat"]}, folds[:1], [7], iterations=3, progress=False,
            loss=lambda predicted, observed: predicted * float("nan"),
        )  # fmt: skip
