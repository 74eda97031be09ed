"""Training on frozen splits, against plain PyTorch networks trained one by one in slow and obvious loops."""

import numpy as np
import pytest
import torch
import xarray as xr
from test_cnn import CHANNELS, SMALL, give, plain, squared_error

from helpers import cnn

N = 96
UNITS = np.array([10, 500, 0.3, 1], "f4")[:, None, None]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(N, 4, 3, 3)).astype("f4") * UNITS + 2 * UNITS
    windows = xr.DataArray(values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(CHANNELS)})
    signal = np.tanh(values[:, 0].mean((1, 2)) / 5 - 4) + 0.3 * (values[:, 3, 1, 1] > 2)
    return windows, (1.5 + signal * 0.5 + 0.1 * rng.normal(size=N)).astype("f4")


MEMBERS = [
    cnn.Member("CNN1", ("mat", "map", "npp"), 5),
    cnn.Member("CNN2", CHANNELS, 5),
    cnn.Member("CNN2", CHANNELS, 6),
    cnn.Member("CNN1", ("mat", "map", "npp"), 7),
    cnn.Member("CNN2", CHANNELS, 8),
]
DECAY = [0.0, 3.0, 0.5, 0.0, 10.0]


@pytest.fixture(scope="module")
def masks():
    """Training and validation samples of unequal numbers; a third of the samples is neither."""
    role = np.random.default_rng(2).random((len(MEMBERS), N))
    edge = np.array([0.4, 0.5, 0.3, 0.45, 0.6])[:, None]
    return role < edge, (role >= edge) & (role < edge + 0.2)


@pytest.fixture(scope="module")
def permutation():
    """SPEI12 of members 1 and 4 comes from elsewhere; the others stay."""
    rows = np.tile(np.arange(N), (len(MEMBERS), 1))
    for member in (1, 4):
        rows[member] = np.random.default_rng(member).permutation(N)
    return cnn.Permutation(rows, ("spei12",))


def fit(data, masks, iterations=40, members=MEMBERS, **changes):
    settings = {"loss": squared_error, "architecture": SMALL, "progress": False, "check": 5, "validation": masks[1]}
    settings |= {"weight_decay": DECAY, "learning_rate": 0.01} | changes
    return cnn.train_frozen(data[0], data[1], members, masks[0], iterations=iterations, **settings)


def slow(windows, target, member, training, *, decay, rows, iterations, validation, check, patience=None):
    """Train one network of stock layers; return its predictions at every look, the best one's place, and the losses."""
    values = windows.values.astype("f8")
    values[:, 3] = values[rows, 3]
    values = values[:, [CHANNELS.index(c) for c in member.channels]]
    own = values[training]
    x = torch.tensor((values - own.mean((0, 2, 3), keepdims=True)) / own.std((0, 2, 3), keepdims=True)).float()
    units = torch.tensor(target)
    scale = units[training].double().std(correction=0).float()
    y = units / scale
    torch.manual_seed(member.seed)
    network = plain(len(member.channels))
    network[-2].bias.data[:] = y[training].mean()
    weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.01)
    looks, losses, best, idle = [], [], 0, 0
    for step in range(iterations + 1):
        if step % check == 0 or step == iterations:
            with torch.no_grad():
                looks.append(network(x)[:, 0] * scale)
            losses.append([float(squared_error(looks[-1], units)[m].mean()) for m in (training, validation)])
            better = len(losses) == 1 or losses[-1][1] < losses[best][1]
            best, idle = (len(losses) - 1, 0) if better else (best, idle + 1)
            if idle == patience:
                break
        optimiser.zero_grad()
        squared_error(network(x)[training, 0], y[training]).mean().backward()
        optimiser.step()
    return torch.stack(looks).numpy(), best, np.array(losses)


def each(data, masks, permutation, iterations, **more):
    for i, member in enumerate(MEMBERS):
        rows = np.arange(N) if permutation is None else permutation.rows[i]
        setting = {"decay": DECAY[i], "rows": rows, "check": 5, "validation": masks[1][i]}
        yield i, slow(*data, member, masks[0][i], iterations=iterations, **setting, **more)


def test_every_member_is_a_plain_network_with_its_own_samples_scale_decay_and_permutation(data, masks, permutation):
    _, found = fit(data, masks, permutation=permutation, validation=None, iterations=30)
    for i, (looks, _, losses) in each(data, masks, permutation, 30):
        out = ~masks[0][i]
        assert np.isnan(found.predicted[i, ~out]).all()
        np.testing.assert_allclose(found.predicted[i, out], looks[-1][out], atol=5e-4)
        np.testing.assert_allclose(found.loss[i, 0], losses[:, 0], atol=5e-4)
    assert np.isnan(found.loss[:, 1]).all() and np.isnan(found.validated).all()
    assert found.best.tolist() == [30] * 5 and found.checked.tolist() == [0, 5, 10, 15, 20, 25, 30]


@pytest.mark.parametrize("patience", [None, 2])
def test_early_stopping_picks_the_loops_iteration_and_keeps_its_weights(data, masks, permutation, patience):
    ensemble, found = fit(data, masks, permutation=permutation, iterations=120, patience=patience)
    bests = []
    for i, (looks, best, losses) in each(data, masks, permutation, 120, patience=patience):
        looked = len(losses)
        np.testing.assert_allclose(found.loss[i, :, :looked], losses[:looked].T, atol=1e-4)
        assert np.isnan(found.loss[i, :, looked:]).all(), "a member that had stopped was looked at again"
        assert found.best[i] == found.checked[best]
        used = masks[0][i] | masks[1][i]
        assert (np.isnan(found.predicted[i]) == used).all() and (np.isnan(found.validated[i]) == ~masks[1][i]).all()
        np.testing.assert_allclose(found.predicted[i, ~used], looks[best][~used], atol=1e-4)
        np.testing.assert_allclose(found.validated[i, masks[1][i]], looks[best][masks[1][i]], atol=1e-4)
        bests.append(found.best[i])
    assert min(bests) < 120 and len(set(bests)) > 2, "the case is too easy to tell anything"


def test_the_ensemble_predicts_as_its_fit_did_and_a_plain_network_can_take_a_members_weights(data, masks):
    ensemble, found = fit(data, masks)
    whole = cnn.predict(ensemble, data[0])
    out = np.isfinite(found.predicted)
    np.testing.assert_allclose(whole[out], found.predicted[out], atol=1e-5)
    assert ensemble.mean.shape == (5, 4)
    x = ensemble.standardise(torch.tensor(data[0].values))
    seen = give(plain(3), ensemble.weights(3))(x[3][:, :3])[:, 0].detach()
    np.testing.assert_allclose(seen * ensemble.scale[3], whole[3], atol=1e-4)


def test_what_is_stored_predicts_the_same(data, masks, tmp_path):
    ensemble, _ = fit(data, masks)
    whole = cnn.predict(ensemble, data[0])
    cnn.save(ensemble, tmp_path, optimal="CNN2")
    assert (cnn.predict(cnn.load(tmp_path), data[0]) == whole[[1, 2, 4]]).all()
    np.testing.assert_allclose(cnn.predict(cnn.load(tmp_path, "CNN1"), data[0]), whole[[0, 3]], atol=1e-5)
    assert (cnn.predict(ensemble.select([4, 1]), data[0]) == whole[[4, 1]]).all()
    np.testing.assert_allclose(cnn.predict(ensemble, data[0], batch=17), whole, atol=1e-5)
    path = tmp_path / "CNN2.safetensors"
    (tmp_path / "CNN1.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(cnn.DamagedModel, match="CNN1.safetensors: its checksum"):
        cnn.load(tmp_path, "CNN1")


def changed(data, samples):
    """The same data, with windows and targets of some samples turned upside down."""
    windows, target = data[0].copy(deep=True), data[1].copy()
    windows[samples] = -3 * windows[samples] + 17
    target[samples] = target[samples] + 40
    return windows, target


def test_no_test_sample_leaks_into_weights_or_predictions_of_others(data, masks):
    """Change the windows and the targets of one member's test samples: to the last bit, nothing else of it changes."""
    (ensemble, found), used = fit(data, masks), masks[0] | masks[1]
    for i in range(len(MEMBERS)):
        tested = np.flatnonzero(~used[i])
        other, after = fit(changed(data, tested[::2]), masks)
        for name, weights in ensemble.weights(i).items():
            assert (weights == other.weights(i)[name]).all(), name
        for name in ("mean", "sd", "scale"):
            assert (getattr(ensemble, name)[i] == getattr(other, name)[i]).all(), name
        assert (found.predicted[i, tested[1::2]] == after.predicted[i, tested[1::2]]).all()
        assert (found.predicted[i, tested[::2]] != after.predicted[i, tested[::2]]).any()
        assert found.best[i] == after.best[i] and (found.loss[i] == after.loss[i]).all()


def test_validation_samples_decide_when_to_stop_and_nothing_else(data, masks):
    _, without = fit(data, masks, validation=None, iterations=15)
    _, found = fit(changed(data, np.flatnonzero(masks[1][0])), masks, iterations=15)
    np.testing.assert_array_equal(without.loss[0, 0], found.loss[0, 0])


def test_results_do_not_depend_on_company_chunks_or_threads(data, masks, permutation):
    _, together = fit(data, masks, permutation=permutation, patience=3)
    for workers, chunk in ((1, 8), (2, 8)):
        _, again = fit(data, masks, permutation=permutation, patience=3, workers=workers, chunk=chunk)
        np.testing.assert_array_equal(again.predicted, together.predicted)
    _, small = fit(data, masks, permutation=permutation, patience=3, chunk=2)
    np.testing.assert_allclose(small.predicted, together.predicted, atol=1e-3)
    for i in range(len(MEMBERS)):
        one = slice(i, i + 1)
        own = cnn.Permutation(permutation.rows[one], permutation.channels)
        part = [m[one] for m in masks]
        settings = {"weight_decay": DECAY[i], "permutation": own, "patience": 3}
        _, alone = fit(data, part, members=MEMBERS[one], **settings)
        np.testing.assert_allclose(alone.predicted[0], together.predicted[i], atol=1e-3)
        assert alone.best[0] == together.best[i]


def test_the_number_of_threads_is_as_before(data, masks):
    before = torch.get_num_threads()
    fit(data, masks, iterations=1, workers=2)
    assert torch.get_num_threads() == before and not torch.are_deterministic_algorithms_enabled()


def test_targets_may_be_a_members_own(data, masks):
    targets = np.stack([data[1] * (k + 1) for k in range(len(MEMBERS))])
    _, common = fit(data, masks, weight_decay=0.0)
    _, own = fit((data[0], targets), masks, weight_decay=0.0)
    np.testing.assert_allclose(own.predicted / np.arange(1, 6)[:, None], common.predicted, rtol=1e-3)


def test_a_network_of_one_pixel_is_a_multilayer_perceptron(data, masks):
    architecture = {"widths": [5, 7, 6], "kernel": 1, "window": 1}
    centre = data[0].isel(dy=[1], dx=[1])
    ensemble, found = fit((centre, data[1]), masks, architecture=architecture)
    weights, x = list(ensemble.weights(1).values()), ensemble.standardise(torch.tensor(centre.values))[1, :, :, 0, 0]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = torch.relu(x @ kernel.flatten(1).T + bias)
    out = np.isfinite(found.predicted[1])
    np.testing.assert_allclose((x[:, 0] * ensemble.scale[1]).numpy()[out], found.predicted[1][out], atol=1e-5)
    with pytest.raises(ValueError, match=r"expected shape \(sample, 4, 1, 1\), found \(96, 4, 3, 3\)"):
        fit(data, masks, architecture=architecture)


def test_a_constant_channel_and_a_constant_target_are_harmless(data, masks):
    windows, target = data[0].copy(deep=True), np.full(N, 0.7, "f4")
    windows[:, 1] = 0.1
    ensemble, found = fit((windows, target), masks, weight_decay=0.0)
    assert (ensemble.sd[:, 1] == 1).all() and (ensemble.scale == 1).all()
    assert np.isfinite(found.loss).all()


def test_strong_decay_shrinks_weights_and_leaves_biases(data, masks):
    settings = {"validation": None, "iterations": 60}
    (free, _), (held, _) = (fit(data, masks, weight_decay=w, **settings) for w in (0.0, 90.0))
    assert held.kernels[0].abs().sum() < 0.01 * free.kernels[0].abs().sum()
    assert (held.full_bias > 0.5).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"validation": "training"}, "validation: expected no training sample, found"),
        ({"validation": "empty"}, "validation: expected at least one sample a member, found none for member 2"),
        (
            {"validation": "short"},
            r"validation: expected a bool mask of shape \(5, 96\), found bool of shape \(5, 95\)",
        ),
        ({"training": "numbers"}, "training: expected a bool mask .* found float64"),
        ({"weight_decay": [0.0, 1.0]}, "weight_decay: expected one number of 0 or more, or one a member, found"),
        ({"weight_decay": -1.0}, "weight_decay: expected one number of 0 or more, or one a member, found"),
        ({"check": 0}, "check: expected a whole number of 1 or more, found 0"),
        ({"rows": N}, "permutation.rows: expected whole numbers of shape .* from 0 to 95"),
        ({"moved": "spei13"}, "permutation.channels: expected channels of the windows, found spei13"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(data, masks, permutation, change, words):
    training, validation = (mask.copy() for mask in masks)
    rows, channels, more = permutation.rows.copy(), permutation.channels, {}
    match change:
        case {"validation": "training"}:
            validation[1] |= training[1]
        case {"validation": "empty"}:
            validation[2] = False
        case {"validation": "short"}:
            validation = validation[:, 1:]
        case {"training": "numbers"}:
            training = training.astype(float)
        case {"rows": value}:
            rows[0, 0] = value
        case {"moved": name}:
            channels = (name,)
        case _:
            more = change
    settings = {"validation": validation, "permutation": cnn.Permutation(rows, channels)} | more
    with pytest.raises(ValueError, match=words) as caught:
        fit(data, (training, validation), **settings)
    assert "\n" not in str(caught.value)
