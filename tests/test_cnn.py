"""Networks, against plain PyTorch networks that hold the same weights and see the same samples, in obvious loops."""

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.linear_model import Ridge
from torch import nn

from helpers.cnn import nested_cv, network, storage, training
from helpers.cnn.nested_cv import choose, nested
from helpers.cnn.network import Ensemble, Member, predict
from helpers.cnn.training import re_drawn, squared_error, train
from helpers.stats import skill

CHANNELS = ("mat", "map", "npp", "spei12")
SMALL = {"widths": [5, 7, 6], "kernel": 3}
N = 120
TRIO = [Member("CNN1", ("mat", "map", "npp"), 5), Member("CNN2", CHANNELS, 5), Member("CNN2", CHANNELS, 6)]
FIVE = [
    Member("CNN1", ("mat", "map", "npp"), 5),
    Member("CNN2", CHANNELS, 5, weight_decay=3.0),
    Member("CNN2", CHANNELS, 6, weight_decay=0.5),
    Member("CNN1", ("mat", "map", "npp"), 7),
    Member("CNN2", CHANNELS, 8, weight_decay=10.0),
]


def plain(channels: int, architecture: dict = SMALL) -> nn.Sequential:
    """Return the paper's network in stock layers: the independent witness of this file."""
    layers, c = [], channels
    for width in architecture["widths"]:
        layers += [nn.Conv2d(c, width, architecture["kernel"], padding="same"), nn.ReLU()]
        layers += [nn.MaxPool2d(2, stride=2, ceil_mode=True)]
        c = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(c, 1), nn.ReLU())


def give(network: nn.Sequential, weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Load a member's weights, which stand in the order of the layers."""
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    return network


def redraw(n, generator):
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[torch.randperm(n, generator=generator)[: round(n * 10 / 13)]] = True
    return chosen


@pytest.fixture(scope="module")
def data():
    """Thirty groups of four samples, windows with units far apart, and a target with a line and a bend."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(30), 4)
    values = rng.normal(size=(N, 4, 3, 3)) + rng.normal(size=(30, 4, 1, 1))[groups]
    centre = values[:, :, 1, 1]
    target = 3 + 0.5 * centre[:, 0] - 0.4 * centre[:, 1] + 0.3 * abs(centre[:, 3]) + 0.1 * rng.normal(size=N)
    values = (values * np.array([10, 500, 0.3, 1])[:, None, None] + 2).astype("f4")
    windows = xr.DataArray(values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(CHANNELS)})
    return windows, target.astype("f4"), groups % 3, groups


@pytest.fixture(scope="module")
def masks():
    """Training and validation samples of unequal numbers; a third of the samples is neither."""
    role = np.random.default_rng(2).random((len(FIVE), N))
    edge = np.array([0.4, 0.5, 0.3, 0.45, 0.6])[:, None]
    return role < edge, (role >= edge) & (role < edge + 0.2)


@pytest.fixture(scope="module")
def rows():
    """SPEI12 of members 1 and 4 comes from elsewhere; the others stay."""
    return np.stack([np.random.default_rng(i).permutation(N) if i in (1, 4) else np.arange(N) for i in range(5)])


def draw(data, members=TRIO, iterations=12, **changes):
    settings = {"split": redraw, "architecture": SMALL, "progress": False, "keep": 3}
    return train(data[0], data[1], members, iterations=iterations, **settings | changes)


def keep(data, masks, iterations=40, members=FIVE, **changes):
    settings = {"architecture": SMALL, "progress": False, "check": 5, "validation": masks[1], "learning_rate": 0.01}
    return train(data[0], data[1], members, masks[0], iterations=iterations, **settings | changes)


# Layers


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    "architecture",
    [
        {"widths": [5, 7, 6], "kernel": 3},
        {"widths": [3, 4], "kernel": 1},
        {"widths": [4, 3, 2], "kernel": 5},
        {"widths": [5, 4], "kernel": 3, "window": 1},
        {"widths": [4, 5, 3], "kernel": 3, "window": 5},
    ],
)
def test_a_member_is_the_small_network_forward_backward_and_after_a_step_of_adam(architecture, own, monkeypatch):
    """Windows are shared or each member's own, go in one part or in three, and some are all alike: equals in a pool."""
    side = architecture.get("window", 3)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(3, 40, 4, side, side, generator=generator), torch.rand(3, 40, generator=generator) * 2
    x[:, :9] = x[:, :9, :, :1, :1]
    x = x if own else x[:1].expand(3, -1, -1, -1, -1)
    for at_once in (4800, 48):
        monkeypatch.setitem(network.AT_ONCE, "cpu", at_once)
        ensemble = Ensemble(TRIO, CHANNELS, architecture)
        ensemble.named(ensemble.numbers.data)["full.bias"].add_(0.5)  # some outputs above zero, some at it
        networks = [give(plain(len(m.channels), architecture), ensemble.weights(i)) for i, m in enumerate(TRIO)]
        passes, outputs = network.Passes(ensemble, 40), []
        for part in passes.lay_out(x if own else x[0]):
            outputs.append(passes.forward(part)[:, : part.count])
            passes.backward(part, 2 * (outputs[-1] - y[:, part.at]) / 40)
        assert len(outputs) == (1 if at_once == 4800 else 3)
        gradient, ensemble.numbers.grad = Ensemble(TRIO, CHANNELS, architecture), passes.gather()
        gradient.numbers.data.copy_(passes.gradient)
        torch.optim.Adam([ensemble.numbers], lr=0.01, fused=True).step()
        for i, (m, alone) in enumerate(zip(TRIO, networks, strict=True)):
            seen = alone(x[i][:, [CHANNELS.index(c) for c in m.channels]])[:, 0]
            torch.testing.assert_close(torch.cat(outputs, dim=1)[i], seen, atol=1e-6, rtol=1e-6)
            squared_error(seen, y[i]).mean().backward()
            for slope, other in zip(gradient.weights(i).values(), alone.parameters(), strict=True):
                torch.testing.assert_close(slope, other.grad, atol=1e-6, rtol=0)
            torch.optim.Adam(alone.parameters(), lr=0.01).step()
            for name, stepped in zip(alone.state_dict(), ensemble.weights(i).values(), strict=True):
                torch.testing.assert_close(stepped, alone.state_dict()[name], atol=1e-5, rtol=0)
        unseen = ensemble.named(ensemble.numbers)["conv1.weight"][0, ..., 3]
        assert (unseen == 0).all(), "a channel that CNN1 may not see got a weight"


def test_a_network_of_one_pixel_is_a_multilayer_perceptron(data, masks):
    architecture = {"widths": [5, 7, 6], "kernel": 1, "window": 1}
    centre = data[0].isel(dy=[1], dx=[1])
    ensemble, found = keep((centre, data[1]), masks, architecture=architecture)
    weights, x = list(ensemble.weights(1).values()), ensemble.standardise(torch.tensor(centre.values))[1, :, :, 0, 0]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = torch.relu(x @ kernel.flatten(1).T + bias)
    out = np.isfinite(found.predicted[1])
    np.testing.assert_allclose((x[:, 0] * ensemble.scale[1]).numpy()[out], found.predicted[1][out], atol=1e-5)


def test_what_cannot_be_used_is_refused_in_one_line(data, masks):
    ensemble, _ = draw(data, iterations=1)
    hole = data[0].copy()
    hole[3, 2, 0, 0] = np.nan
    training, validation = masks
    refused = [
        (lambda: predict(ensemble, hole), "missing ones in npp"),
        (lambda: predict(ensemble, data[0], device="abacus"), "^device: expected cpu, or cuda .* found 'abacus'"),
        (lambda: draw(data, device="meta"), "^device: expected cpu, or cuda .* found 'meta'"),
        (lambda: draw(data, [Member("CNN9", ("mat", "gpp"), 1)]), "none called gpp"),
        (lambda: draw((data[0], data[1][1:])), r"target: expected shape \(120,\) or \(3, 120\), found \(119,\)"),
        (lambda: draw((data[0], np.where(np.arange(N) == 4, np.nan, data[1]))), "target: expected finite .* found 1"),
        (lambda: draw(data, split=lambda n, g: torch.ones(n, dtype=torch.bool)), "split: .* with 120 true"),
        (lambda: draw(data, architecture={"widths": [4, 4], "kernel": 2}), "architecture.kernel"),
        (
            lambda: draw(data, architecture={"widths": [4, 4], "kernel": 3, "window": 5}),
            "widths: expected 3 or more",
        ),
        (lambda: keep(data, (training, training)), "validation: expected no training sample, found"),
        (lambda: keep(data, (training[:, 1:], validation)), r"split: .* shape \(5, 120\) .* found .* \(5, 119\)"),
        (lambda: keep(data, masks, validation=None, patience=3), "^patience: expected validation samples"),
        (lambda: keep(data, masks, permutation=(training * 1, ["spei13"])), "permutation: .* spei13"),
        (lambda: nested(*data[:3], data[3] % 3, TRIO, seeds=[1], iterations=1), "inner: .* found 4 and 2"),
    ]
    for call, words in refused:
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


# Splits that are drawn anew


def test_training_on_drawn_splits_follows_a_plain_loop_over_one_network(data):
    """Same seed, same splits, stock layers, stock Adam, float64 normaliser: the same losses over 100 iterations."""
    windows, target = data[:2]
    some = [redraw, lambda n, generator: torch.rand(n, generator=generator) < 0.5]  # also of unequal numbers
    for rule in some:
        ensemble, history = draw(data, iterations=100, split=rule, keep=100)
        values = windows.values.astype("f8")
        x = (values - values.mean((0, 2, 3), keepdims=True)) / values.std((0, 2, 3), keepdims=True)
        unit = target.astype("f8").std()
        x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(target / unit, dtype=torch.float32)
        for i, m in enumerate(TRIO):
            torch.manual_seed(m.seed)
            network = plain(len(m.channels))
            generator = torch.Generator().manual_seed(m.seed)
            optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
            for step in range(100):
                chosen = rule(N, generator)
                if step == 0:
                    network[-2].bias.data[:] = y[chosen].mean()
                told = network(x[:, : len(m.channels)])[:, 0]
                loss = squared_error(told, y)[chosen].mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                assert (history.training[step, i] == chosen.numpy()).all()
                own = history.predicted[step, i] / unit
                assert ((own - y.numpy())[chosen] ** 2).mean() == pytest.approx(loss.item(), abs=1e-5)
                for side, part in enumerate((chosen, ~chosen)):
                    r2 = skill.r2(target[part], history.predicted[step, i][part])
                    assert history.curve[i, side, step] == pytest.approx(r2, abs=2e-4)
            expected = network(x[:, : len(m.channels)])[:, 0].detach().numpy() * unit
            np.testing.assert_allclose(predict(ensemble, windows)[i], expected, atol=2e-4)


def test_models_of_one_seed_share_their_splits_and_seeds_differ(data):
    _, history = draw(data)
    assert (history.training[:, 0] == history.training[:, 1]).all()
    assert (history.training[:, 1] != history.training[:, 2]).any(-1).all()
    assert (history.training[0] != history.training[1]).any(-1).all(), "the split was not drawn anew"
    ours, (one, two) = re_drawn(), (torch.Generator().manual_seed(3) for _ in range(2))
    drawn = ours(N, one)
    assert drawn.sum() == round(N * 10 / 13) and (drawn == (torch.randperm(N, generator=two) < 92)).all()


def test_dead_members_are_found(data):
    """A loss that rewards low outputs drives the ReLU to zero everywhere; the usual one doesn't."""
    _, history = draw(data, iterations=120, loss=lambda predicted, observed: predicted, learning_rate=0.05)
    assert history.dead.all() and not draw(data)[1].dead.any()


# Splits that stay


def slow(data, member, training, *, rows, iterations, validation, check=5, patience=None):
    """Train one network of stock layers; return its predictions at every look, the best one's place, and the losses."""
    values, target = data[0].values.astype("f8"), data[1]
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
    groups = [{"params": weights, "weight_decay": member.weight_decay}, {"params": biases, "weight_decay": 0.0}]
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


@pytest.mark.parametrize("stopping", [False, True])
def test_every_member_is_a_plain_network_with_its_own_samples_scale_decay_permutation_and_stop(
    data, masks, rows, stopping
):
    how = {"iterations": 65, "patience": 2} if stopping else {"iterations": 31}
    changes = how | {"permutation": (rows, ["spei12"])} | ({} if stopping else {"validation": None})
    ensemble, found = keep(data, masks, **changes)
    for i, member in enumerate(FIVE):
        looks, best, losses = slow(data, member, masks[0][i], rows=rows[i], validation=masks[1][i], **how)
        looked = len(losses)
        np.testing.assert_allclose(found.loss[i, 0, :looked], losses[:, 0], atol=1e-4)
        used = masks[0][i]
        if stopping:
            np.testing.assert_allclose(found.loss[i, 1, :looked], losses[:, 1], atol=1e-4)
            assert np.isnan(found.loss[i, :, looked:]).all(), "a member that had stopped was looked at again"
            assert found.best[i] == 5 * best
            used = used | masks[1][i]
            np.testing.assert_allclose(found.validated[i, masks[1][i]], looks[best][masks[1][i]], atol=1e-3)
        else:
            assert found.best[i] == 31 and np.isnan(found.validated).all()
            best = -1
        assert (np.isnan(found.predicted[i]) == used).all()
        np.testing.assert_allclose(found.predicted[i, ~used], looks[best][~used], atol=1e-3)
    assert not stopping or len(set(found.best)) > 2, "the case is too easy to tell anything"


def changed(data, samples):
    """The same data, with windows and targets of some samples turned upside down."""
    windows, target = data[0].copy(deep=True), data[1].copy()
    windows[samples] = -3 * windows[samples] + 17
    target[samples] = target[samples] + 40
    return windows, target


def test_no_test_sample_leaks_into_weights_or_predictions_of_others(data, masks):
    """Change the windows and the targets of one member's test samples: to the last bit, nothing else of it changes."""
    (ensemble, found), used = keep(data, masks), masks[0] | masks[1]
    for i in range(len(FIVE)):
        tested = np.flatnonzero(~used[i])
        other, after = keep(changed(data, tested[::2]), masks)
        for name, weights in ensemble.weights(i).items():
            assert (weights == other.weights(i)[name]).all(), name
        for name in ("mean", "sd", "scale"):
            assert (getattr(ensemble, name)[i] == getattr(other, name)[i]).all(), name
        assert (found.predicted[i, tested[1::2]] == after.predicted[i, tested[1::2]]).all()
        assert (found.predicted[i, tested[::2]] != after.predicted[i, tested[::2]]).any()
        assert found.best[i] == after.best[i] and (found.loss[i] == after.loss[i]).all()


def test_a_network_on_a_ridge_starts_at_scikit_learns_and_learns_what_it_leaves(data, tmp_path):
    train, penalty = np.random.default_rng(0).random((2, N)) < [[0.4], [0.7]], [3.0, 40.0]
    members = [Member("all", CHANNELS, 1, ridge=3.0), Member("three", CHANNELS[1:], 2, ridge=40.0)]
    ensemble, fit = keep(data, (train, None), members=members, learning_rate=0.0)
    for i, columns in enumerate(([0, 1, 2, 3], [1, 2, 3])):
        own, values = train[i], data[0].values[:, columns].astype("f8")
        mean, sd = values[own].mean((0, 2, 3)), values[own].std((0, 2, 3))
        x, scale = (values[:, :, 1, 1] - mean) / sd, data[1][own].astype("f8").std()
        expected = Ridge(penalty[i]).fit(x[own], data[1][own] / scale).predict(x) * scale
        np.testing.assert_allclose(fit.predicted[i][~own], np.maximum(expected, 0)[~own], atol=1e-5)
    moved, later = keep(data, (train, None), members=members)
    assert (later.loss[:, 0, -1] < 0.97 * later.loss[:, 0, 0]).all(), "the layers learnt nothing from what was left"
    storage.save(moved, tmp_path, optimal="all")
    for i, name in enumerate(("all", "three")):
        again = predict(storage.load(tmp_path, name), data[0])[0]
        np.testing.assert_allclose(again[~train[i]], later.predicted[i][~train[i]], atol=1e-5)


# Both


def test_results_depend_on_no_thread_and_hardly_on_chunks_or_company(data, masks, rows, monkeypatch):
    """Threads change no bit. Alone, a member goes through another matrix kernel, which rounds differently."""
    before = torch.get_num_threads()

    def both(members=FIVE, own=slice(None)):
        more = {"permutation": (rows[own], ["spei12"])}
        _, history = draw(data, members, iterations=20, **more)
        _, fit = keep(data, [m[own] for m in masks], members=members, patience=3, **more)
        return history.curve, history.predicted.swapaxes(0, 1), fit.predicted, fit.loss, fit.best

    together = both()
    try:
        for threads, size, at_once in ((1, 6, 4800), (2, 6, 4800), (3, 2, 4800), (2, 6, 96)):
            torch.set_num_threads(threads)
            monkeypatch.setitem(training.CHUNK, "cpu", size)
            monkeypatch.setitem(network.AT_ONCE, "cpu", at_once)  # of few, samples go through in several parts
            for one, other in zip(both(), together, strict=True):
                if (size, at_once) == (6, 4800):
                    np.testing.assert_array_equal(one, other)
                np.testing.assert_allclose(one, other, atol=1e-3)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for i in range(len(FIVE)):
        for one, other in zip(both(FIVE[i : i + 1], slice(i, i + 1)), together, strict=True):
            np.testing.assert_allclose(one[0], other[i], atol=1e-3)


@pytest.mark.parametrize("stay", [False, True])
def test_what_is_predicted_stored_or_selected_is_what_was_trained(data, masks, tmp_path, stay, monkeypatch):
    ensemble, found = keep(data, masks) if stay else draw(data, FIVE)
    whole = predict(ensemble, data[0])
    monkeypatch.setitem(network.AT_ONCE, "cpu", 96)  # several parts
    np.testing.assert_allclose(predict(ensemble, data[0]), whole, atol=1e-5)
    if stay:
        out = np.isfinite(found.predicted)
        np.testing.assert_allclose(whole[out], found.predicted[out], atol=1e-5)
    for other in (data[0][:, ::-1], data[0].values):  # channels in another order, or a bare array
        np.testing.assert_allclose(predict(ensemble, other), whole, atol=1e-5)
    np.testing.assert_allclose(predict(ensemble, data[0], batch=17), whole, atol=1e-5)
    assert predict(ensemble, data[0][:0]).shape == (5, 0)
    storage.save(ensemble, tmp_path, optimal="CNN2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["CNN1.safetensors", "CNN2.safetensors", "models.json"]
    best, first = storage.load(tmp_path), storage.load(tmp_path, "CNN1")
    assert [m.seed for m in best.members] == [5, 6, 8] and first.channels == ("mat", "map", "npp")
    np.testing.assert_allclose(predict(best, data[0]), whole[[1, 2, 4]], atol=1e-5)
    np.testing.assert_allclose(predict(first, data[0]), whole[[0, 3]], atol=1e-5)
    np.testing.assert_allclose(predict(ensemble.select([4, 0]), data[0]), whole[[4, 0]], atol=1e-5)
    one = ensemble.select([3, 2], "all")
    assert {m.model for m in one.members} == {"all"} and one.members[0].channels == CHANNELS
    np.testing.assert_allclose(predict(one, data[0]), whole[[3, 2]], atol=1e-5)


def test_damage_and_what_is_not_there_are_named_in_one_line(data, tmp_path):
    ensemble, _ = draw(data, iterations=1)

    def refused(words, model=None, error=storage.DamagedModel):
        with pytest.raises(error, match=words) as caught:
            storage.load(tmp_path, model)
        assert "\n" not in str(caught.value) and (model or "03_cnn_ablation" in str(caught.value))

    refused("run chapter 03_cnn_ablation", error=FileNotFoundError)
    with pytest.raises(ValueError, match="optimal: expected one of CNN1, CNN2, found 'CNN5'"):
        storage.save(ensemble, tmp_path, optimal="CNN5")
    storage.save(ensemble, tmp_path, optimal="CNN2")
    refused("model: expected one of CNN1, CNN2, found 'CNN7'", "CNN7", ValueError)
    index, path = tmp_path / "models.json", tmp_path / "CNN2.safetensors"
    said, whole = index.read_text(), path.read_bytes()
    index.write_text(said[:-30])
    refused("models.json: not readable as the index")
    index.write_text(said.replace('"scale": ', '"scale": -'))
    refused("models.json: not readable as the index of models .its checksum is another")
    index.write_text(said)
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    refused("CNN2.safetensors: its checksum")
    path.unlink()
    refused("CNN2.safetensors: not there as a plain file, though models.json")


# Nested selection: what is chosen, from what, and that the outer fold has no part in it.


SETTINGS = [Member("plain", CHANNELS), Member("fewer", CHANNELS[1:3], weight_decay=5.0)]
SETTINGS += [Member("on ridge", CHANNELS, weight_decay=2.0, ridge=10.0)]
HOW = {"iterations": 40, "check": 5, "patience": 4, "learning_rate": 0.01, "progress": False, "architecture": SMALL}
SEEDS = (3, 4)


@pytest.fixture(scope="module")
def found(data):
    return nested(*data, SETTINGS, seeds=SEEDS, inner=3, **HOW)


def test_inner_folds_hold_whole_groups_and_nothing_that_is_tested(data):
    _, _, outer, groups = data
    left = np.arange(3)[:, None] != outer
    labels = nested_cv.inner_folds(left, groups, SEEDS, 4)
    assert labels.shape == (3, 2, N) and ((labels == -1) == ~left[:, None]).all()
    for row in labels.reshape(6, N):
        assert set(row) == {-1, 0, 1, 2, 3} and all(len(set(row[groups == group])) == 1 for group in set(groups))
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
                    member = Member(setting.model, setting.channels, seed, setting.weight_decay, setting.ridge)
                    rest = {"validation": validation} | HOW
                    _, fit = train(windows, target, [member], left[fold] & ~validation, **rest)
                    assert np.isfinite(setting.ridge) or found.stops[fold, i, s, k] == fit.best[0]
                    held[s] += np.nan_to_num(fit.validated[0])
                    out[s, k] = fit.predicted[0]
            losses.append(((held.mean(0) - target) ** 2)[left[fold]].mean())
            tested.append(out.mean((0, 1)))
        test, loose = ~left[fold], np.array([1, 1, 100])
        for i in range(3):
            np.testing.assert_allclose(found.each[i].mean(0)[test], tested[i][test], atol=5e-4 * loose[i])
        assert (abs(found.inner[fold] / losses - 1) < 2e-4 * loose).all()
        assert found.chosen[fold] == np.argmin(losses)
        np.testing.assert_allclose(found.predicted[test], tested[found.chosen[fold]][test], atol=5e-2)
    np.testing.assert_allclose(found.each.mean((0, 1)), found.averaged, atol=1e-5)


def test_deals_that_train_side_by_side_are_those_that_train_one_after_the_other(data, found):
    """Up to rounding, as above; their inner folds are the same."""
    windows, target, outer, groups = data
    other = groups % 3
    both = nested_cv.nested_over(windows, target, [other, outer], groups, SETTINGS, seeds=SEEDS, inner=3, **HOW)
    alone = nested(windows, target, other, groups, SETTINGS, seeds=SEEDS, inner=3, **HOW)
    plain = ~np.isfinite([setting.ridge for setting in SETTINGS])
    for together, apart in zip(both, (alone, found), strict=True):
        np.testing.assert_array_equal(together.stops[:, plain], apart.stops[:, plain])
        np.testing.assert_allclose(together.each[plain], apart.each[plain], atol=5e-4)
        np.testing.assert_allclose(together.inner, apart.inner, rtol=2e-2)
        np.testing.assert_array_equal(together.chosen, apart.chosen)


def test_nothing_about_a_fold_is_learnt_from_its_own_samples(data, found):
    """Spoil every other sample of one outer fold: choice, stops and its other predictions stay to the last bit."""
    windows, target, outer, groups = data
    tested = np.flatnonzero(outer == 1)
    spoilt = changed(data, tested[::2])
    after = nested(*spoilt, outer, groups, SETTINGS, seeds=SEEDS, inner=3, **HOW)
    assert (after.inner[1] == found.inner[1]).all() and after.chosen[1] == found.chosen[1]
    assert (after.stops[1] == found.stops[1]).all() and (after.inner[0] != found.inner[0]).all()
    assert (after.each[..., tested[1::2]] == found.each[..., tested[1::2]]).all()
    assert (after.predicted[tested[1::2]] == found.predicted[tested[1::2]]).all()


def test_a_near_linear_target_is_left_to_the_network_on_a_ridge_and_noise_is_not_learnt(data, found):
    assert found.chosen.tolist() == [2, 2, 2]
    assert skill.r2(data[1], found.predicted) > 0.7
    noise = np.random.default_rng(9).gamma(2.0, 0.5, N).astype("f4")
    told = nested(data[0], noise, *data[2:], [SETTINGS[0], SETTINGS[2]], seeds=(1,), inner=3, **HOW)
    assert skill.r2(noise, told.predicted) < 0.1


def test_networks_for_maps_are_trained_on_all_samples_and_can_be_one_model(data, tmp_path):
    """Also where one saw fewer channels and another stands on a ridge, and after a stay on disk."""
    windows, target, _, groups = data
    chosen = choose(windows, target, groups, SETTINGS, seeds=SEEDS, inner=3, **HOW)
    assert chosen.name == SETTINGS[chosen.scores.argmin()].model == "on ridge"
    assert [m.model for m in chosen.ensemble.members] == ["plain"] * 6 + ["fewer"] * 6 + ["on ridge"] * 6
    apart = predict(chosen.ensemble, windows)
    assert skill.r2(target, apart[12:].mean(0)) > 0.8
    storage.save(chosen.as_one("all"), tmp_path, optimal="all")
    said = predict(storage.load(tmp_path), windows)
    np.testing.assert_allclose(said.mean(0), apart.mean(0), atol=1e-5)
    np.testing.assert_allclose(said[:3], apart[[0, 6, 12]], atol=1e-5)


def test_a_constant_channel_and_a_constant_target_are_harmless(data, masks):
    windows, target = data[0].copy(deep=True), np.full(N, 0.7, "f4")
    windows[:, 1] = 0.1
    ensemble, found = keep((windows, target), masks)
    assert (ensemble.sd[:, 1] == 1).all() and (ensemble.scale == 1).all()
    assert np.isfinite(found.loss).any() and not np.isinf(found.loss).any()
