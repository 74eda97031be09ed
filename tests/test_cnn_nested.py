"""Nested selection: what is chosen, from what, and that the outer fold has no part in it."""

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Ridge
from test_cnn import CHANNELS, squared_error

from helpers import cnn
from helpers.cnn import nested_cv
from helpers.stats import skill

N = 120
WIDTHS = (4, 5, 3)
SETTINGS = [
    cnn.Setting("plain", CHANNELS, widths=WIDTHS),
    cnn.Setting("pixel", CHANNELS[:3], 5.0, widths=(4, 4), kernel=1),
    cnn.Setting("on ridge", CHANNELS, 2.0, ridge=10.0, widths=WIDTHS),
]
TRAINING = {
    "iterations": 40,
    "check": 5,
    "patience": 4,
    "learning_rate": 0.01,
    "progress": False,
    "loss": squared_error,
}
SEEDS = (3, 4)


@pytest.fixture(scope="module")
def data():
    """Thirty groups of four samples, a linear target with a bend, and three outer folds of whole groups."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(30), 4)
    values = rng.normal(size=(N, 4, 3, 3)).astype("f4") + rng.normal(size=(30, 4, 1, 1)).astype("f4")[groups]
    windows = xr.DataArray(values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(CHANNELS)})
    centre = values[:, :, 1, 1]
    target = 3 + 0.5 * centre[:, 0] - 0.4 * centre[:, 1] + 0.3 * abs(centre[:, 3]) + 0.1 * rng.normal(size=N)
    return windows, target.astype("f4"), groups % 3, groups


@pytest.fixture(scope="module")
def found(data):
    return cnn.nested(*data, SETTINGS, seeds=SEEDS, inner=3, **TRAINING)


def test_inner_folds_hold_whole_groups_and_nothing_that_is_tested(data):
    _, _, outer, groups = data
    left = np.arange(3)[:, None] != outer
    labels = nested_cv.inner_folds(left, groups, SEEDS, 4)
    assert labels.shape == (3, 2, N) and ((labels == -1) == ~left[:, None]).all()
    for fold in range(3):
        for row in labels[fold]:
            assert sorted(set(row[left[fold]])) == [0, 1, 2, 3]
            assert all(len(set(row[groups == group])) == 1 for group in set(groups))
    assert (labels[:, 0] != labels[:, 1]).any() and (nested_cv.inner_folds(left, groups, SEEDS, 4) == labels).all()


def test_nested_selection_is_what_a_loop_over_folds_would_do(data, found):
    """Up to rounding, to which a network on a ridge is sensitive at first: what the ridge leaves has no slope there."""
    windows, target, outer, groups = data
    left = np.arange(3)[:, None] != outer
    labels = nested_cv.inner_folds(left, groups, SEEDS, 3)
    for fold in range(3):
        losses, tested = [], []
        for i, setting in enumerate(SETTINGS):
            held, out = np.zeros((2, N)), np.zeros((2, 3, N))
            for s, seed in enumerate(SEEDS):
                for k in range(3):
                    validation = (labels[fold, s] == k)[None]
                    member = [cnn.Member(setting.name, setting.channels, seed)]
                    _, fit = cnn.train_frozen(
                        windows, target, member, left[fold] & ~validation, validation=validation, **TRAINING,
                        weight_decay=setting.weight_decay, ridge=setting.ridge,
                        architecture=setting.architecture,
                    )  # fmt: skip
                    assert np.isfinite(setting.ridge) or found.stops[fold, i, s, k] == fit.best[0]
                    held[s] += np.nan_to_num(fit.validated[0])
                    out[s, k] = fit.predicted[0]
            losses.append(((held.mean(0) - target) ** 2)[left[fold]].mean())
            tested.append(out.mean((0, 1)))
            if i < 2:
                np.testing.assert_allclose(found.each[i].mean(0)[~left[fold]], tested[i][~left[fold]], atol=1e-4)
        np.testing.assert_allclose(found.inner[fold], losses, rtol=2e-2)
        np.testing.assert_allclose(found.inner[fold][:2], losses[:2], rtol=1e-4)
        assert found.chosen[fold] == np.argmin(losses)
        test = ~left[fold]
        np.testing.assert_allclose(found.predicted[test], tested[found.chosen[fold]][test], atol=5e-2)
        np.testing.assert_allclose(found.averaged[test], np.mean(tested, 0)[test], atol=2e-2)
    np.testing.assert_allclose(found.each.mean((0, 1)), found.averaged, atol=1e-5)


def test_nothing_about_a_fold_is_learnt_from_its_own_samples(data, found):
    """Spoil every other sample of one outer fold: choice, stops and its other predictions stay to the last bit."""
    windows, target, outer, groups = data
    tested = np.flatnonzero(outer == 1)
    spoilt, changed = windows.copy(deep=True), target.copy()
    spoilt[tested[::2]] *= -7
    changed[tested[::2]] += 50
    after = cnn.nested(spoilt, changed, outer, groups, SETTINGS, seeds=SEEDS, inner=3, **TRAINING)
    assert (after.inner[1] == found.inner[1]).all() and after.chosen[1] == found.chosen[1]
    assert (after.stops[1] == found.stops[1]).all() and (after.inner[0] != found.inner[0]).all()
    assert (after.each[..., tested[1::2]] == found.each[..., tested[1::2]]).all()
    assert (after.predicted[tested[1::2]] == found.predicted[tested[1::2]]).all()


def test_a_near_linear_target_is_left_to_the_network_on_a_ridge(data, found):
    assert found.chosen.tolist() == [2, 2, 2]
    assert skill.r2(data[1], found.predicted) > 0.7


def test_noise_is_not_learnt(data):
    windows, _, outer, groups = data
    noise = np.random.default_rng(9).gamma(2.0, 0.5, N).astype("f4")
    settings = [cnn.Setting("plain", CHANNELS, widths=WIDTHS), SETTINGS[2]]
    r2 = skill.r2(noise, cnn.nested(windows, noise, outer, groups, settings, seeds=(1,), inner=3, **TRAINING).predicted)
    assert r2 < 0.1


def test_networks_for_maps_are_trained_on_all_samples(data):
    windows, target, _, groups = data
    chosen = cnn.choose(windows, target, groups, SETTINGS, seeds=SEEDS, inner=3, **TRAINING)
    assert chosen.name == SETTINGS[chosen.scores.argmin()].name == "on ridge"
    names = [[m.model for m in e.members] for e in chosen.ensembles]
    assert names == [["plain"] * 6 + ["on ridge"] * 6, ["pixel"] * 6]
    predicted = cnn.predict(chosen.ensembles[0], windows)[6:].mean(0)
    assert skill.r2(target, predicted) > 0.8
    assert len({m.seed for m in chosen.ensembles[0].members}) == 2


def test_all_settings_as_one_model_say_what_they_said_apart(data, tmp_path):
    """Also where one saw fewer channels and another stands on a ridge, and after a stay on disk."""
    windows, target, _, groups = data
    settings = [SETTINGS[0], cnn.Setting("fewer", CHANNELS[1:3], widths=WIDTHS), SETTINGS[2]]
    (ensemble,) = cnn.choose(windows, target, groups, settings, seeds=SEEDS, inner=3, **TRAINING).ensembles
    one = cnn.as_one(ensemble, "all")
    cnn.save(one, tmp_path, optimal="all")
    said, apart = cnn.predict(cnn.load(tmp_path), windows), cnn.predict(ensemble, windows)
    models = [member.model for member in ensemble.members]
    np.testing.assert_allclose(said.mean(0), apart.mean(0), atol=1e-5)
    firsts = [models.index(setting.name) for setting in settings]
    np.testing.assert_allclose(said[:3], apart[firsts], atol=1e-5)


def test_a_network_on_a_ridge_starts_at_scikit_learns(data, tmp_path):
    windows, target, _, _ = data
    training = np.random.default_rng(0).random((2, N)) < [[0.4], [0.7]]
    members = [cnn.Member("all", CHANNELS, 1), cnn.Member("three", CHANNELS[1:], 2)]
    settings = {k: v for k, v in TRAINING.items() if k not in ("iterations", "patience", "learning_rate")}
    settings |= {"architecture": {"widths": list(WIDTHS), "kernel": 3}, "ridge": [3.0, 40.0]}

    def run(rate):
        return cnn.train_frozen(windows, target, members, training, iterations=30, learning_rate=rate, **settings)

    ensemble, fit = run(0.0)
    for i, columns in enumerate(([0, 1, 2, 3], [1, 2, 3])):
        own, values = training[i], windows.values[:, columns].astype("f8")
        mean, sd = values[own].mean((0, 2, 3)), values[own].std((0, 2, 3))
        x, scale = (values[:, :, 1, 1] - mean) / sd, target[own].astype("f8").std()
        expected = Ridge(settings["ridge"][i]).fit(x[own], target[own] / scale).predict(x) * scale
        np.testing.assert_allclose(fit.predicted[i][~own], np.maximum(expected, 0)[~own], atol=1e-5)
    moved, later = run(0.01)
    assert (later.loss[:, 0, -1] < 0.97 * later.loss[:, 0, 0]).all(), "the layers learnt nothing from what was left"
    assert (moved.linear == ensemble.linear).all()
    cnn.save(moved, tmp_path, optimal="all")
    for i, name in enumerate(("all", "three")):
        again = cnn.predict(cnn.load(tmp_path, name), windows)[0]
        np.testing.assert_allclose(again[~training[i]], later.predicted[i][~training[i]], atol=1e-5)


def test_too_few_groups_are_refused(data):
    windows, target, outer, groups = data
    with pytest.raises(ValueError, match="inner: expected no more folds than groups left to train on, found 4 and 2"):
        cnn.nested(windows, target, outer, groups % 3, SETTINGS, seeds=SEEDS, inner=4, **TRAINING)
