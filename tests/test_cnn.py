"""The ensemble, against plain PyTorch networks that hold the same weights and see the same samples."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from helpers import cnn
from helpers.stats import skill

CHANNELS = ("mat", "map", "npp", "spei12")
SMALL = {"widths": [5, 7, 6], "kernel": 3}


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


def squared_error(predicted, observed):
    return (predicted - observed) ** 2


@pytest.fixture(scope="module")
def data():
    """Windows with units far apart, and a target that depends on them."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(130, 4, 3, 3)).astype("f4") * np.array([10, 500, 0.3, 1], "f4")[:, None, None]
    windows = xr.DataArray(values, dims=("sample", "predictor", "dy", "dx"), coords={"predictor": list(CHANNELS)})
    reco = 1 + np.tanh(values[:, 0].mean((1, 2)) / 5) * 0.5 + 0.3 * (values[:, 3, 1, 1] > 0)
    return windows, reco.astype("f4")


def fit(data, members, iterations=12, **changes):
    settings = {"draw_split": redraw, "loss": squared_error, "architecture": SMALL, "progress": False, "keep": 3}
    return cnn.train(data[0], data[1], members, iterations=iterations, **{**settings, **changes})


TRIO = [
    cnn.Member("CNN1", ("mat", "map", "npp"), 5),
    cnn.Member("CNN2", CHANNELS, 5),
    cnn.Member("CNN2", CHANNELS, 6),
]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("widths", [[5, 7, 6], [3, 4]])
def test_a_member_is_the_small_network_forward_backward_and_after_a_step_of_adam(kernel, widths):
    architecture = {"widths": widths, "kernel": kernel}
    ensemble = cnn.Ensemble(TRIO, CHANNELS, architecture)
    ensemble.full_bias.data += 1.0  # some outputs above zero, some at it
    x, y = torch.randn(40, 4, 3, 3), torch.rand(3, 40) * 2
    networks = [give(plain(len(m.channels), architecture), ensemble.weights(i)) for i, m in enumerate(TRIO)]
    outputs = ensemble(x)
    assert (outputs == 0).any() or (outputs > 0).all()
    squared_error(outputs, y).mean(-1).sum().backward()
    torch.optim.Adam(ensemble.parameters(), lr=0.01, fused=True).step()
    for i, (m, network) in enumerate(zip(TRIO, networks, strict=True)):
        seen = network(x[:, [CHANNELS.index(c) for c in m.channels]])[:, 0]
        torch.testing.assert_close(outputs[i], seen, atol=1e-5, rtol=0)
        squared_error(seen, y[i]).mean().backward()
        own = ensemble.places[i]
        torch.testing.assert_close(
            ensemble.kernels[0].grad[i][:, own].flatten(), network[0].weight.grad.flatten(), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(ensemble.kernels[1].grad[i].flatten(), network[3].weight.grad.flatten())
        torch.optim.Adam(network.parameters(), lr=0.01).step()
        for name, stepped in zip(network.state_dict(), ensemble.weights(i).values(), strict=True):
            torch.testing.assert_close(stepped, network.state_dict()[name], atol=1e-5, rtol=0)
    assert (ensemble.kernels[0][0][:, 3] == 0).all(), "a channel that CNN1 may not see got a weight"


def test_initial_weights_are_those_of_pytorch_layers_after_the_same_seed():
    ensemble = cnn.Ensemble(TRIO, CHANNELS, SMALL)
    for i, m in enumerate(TRIO):
        torch.manual_seed(m.seed)
        for own, stock in zip(ensemble.weights(i).values(), plain(len(m.channels)).state_dict().values(), strict=True):
            torch.testing.assert_close(own, stock, atol=1e-7, rtol=0)


def test_training_follows_a_plain_loop_over_one_network(data):
    """Same seed, same splits, stock layers, stock Adam, float64 normaliser: the same predictions after 30 steps."""
    windows, reco = data
    ensemble, history = fit(data, TRIO, iterations=30)
    values = windows.values.astype("f8")
    x = (values - values.mean((0, 2, 3), keepdims=True)) / values.std((0, 2, 3), keepdims=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(reco / reco.astype("f8").std(), dtype=torch.float32)
    for i, m in enumerate(TRIO):
        torch.manual_seed(m.seed)
        network = plain(len(m.channels))
        generator = torch.Generator().manual_seed(m.seed)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        for step in range(30):
            chosen = redraw(len(y), generator)
            if step == 0:
                network[-2].bias.data[:] = y[chosen].mean()
            loss = squared_error(network(x[:, : len(m.channels)])[:, 0], y)[chosen].mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert (history.training[-1, i] == chosen.numpy()).all()
        expected = network(x[:, : len(m.channels)])[:, 0].detach().numpy() * reco.std()
        np.testing.assert_allclose(cnn.predict(ensemble, windows)[i], expected, atol=2e-4)


def test_a_member_does_not_depend_on_its_company(data):
    together, all_history = fit(data, TRIO, iterations=20)
    for i, m in enumerate(TRIO):
        alone, history = fit(data, [m], iterations=20)
        np.testing.assert_allclose(cnn.predict(alone, data[0])[0], cnn.predict(together, data[0])[i], atol=1e-4)
        np.testing.assert_allclose(history.curve[0], all_history.curve[i], atol=1e-3)
        assert (history.training[:, 0] == all_history.training[:, i]).all()


def test_two_runs_agree_to_the_last_bit(data):
    (one, first), (two, second) = fit(data, TRIO), fit(data, TRIO)
    assert (cnn.predict(one, data[0]) == cnn.predict(two, data[0])).all()
    assert (first.curve == second.curve).all()
    assert not torch.are_deterministic_algorithms_enabled(), "train left PyTorch's setting changed"


def test_models_of_one_seed_share_their_splits_and_seeds_differ(data):
    _, history = fit(data, TRIO)
    assert (history.training[:, 0] == history.training[:, 1]).all()
    assert (history.training[:, 1] != history.training[:, 2]).any(-1).all()
    assert (history.training.sum(-1) == 100).all()
    assert (history.training[0] != history.training[1]).any(-1).all(), "the split was not drawn anew"


def test_the_curve_is_the_r2_of_the_kept_predictions(data):
    _, history = fit(data, TRIO)
    for back in (1, 2, 3):
        for i in range(3):
            for side, chosen in enumerate((history.training[-back, i], ~history.training[-back, i])):
                expected = skill.r2(data[1][chosen], history.predicted[-back, i][chosen])
                assert history.curve[i, side, -back] == pytest.approx(expected, abs=2e-4)


def test_output_bias_starts_at_the_mean_of_the_training_targets(data):
    ensemble, history = fit(data, TRIO, iterations=1, learning_rate=0.0)
    for i in range(3):
        start = float(ensemble.weights(i)["full.bias"][0]) * float(ensemble.scale)
        assert start == pytest.approx(data[1][history.training[0, i]].mean(), rel=1e-5)


def test_the_ensemble_learns_a_known_function(data):
    _, history = fit(data, TRIO[1:], iterations=400, learning_rate=0.01)
    assert (history.curve[:, 0, -1] > 0.95).all()
    assert history.curve[:, 0, 0].max() < 0.5


def test_members_may_have_targets_of_their_own(data):
    targets = np.stack([data[1], 3 - data[1], 2 * data[1]])
    ensemble, _ = fit((data[0], targets), TRIO, 300, learning_rate=0.01)
    assert (skill.r2(targets, cnn.predict(ensemble, data[0])) > 0.8).all()


def test_dead_members_are_found(data):
    """A loss that rewards low outputs drives the ReLU to zero everywhere; the usual one doesn't."""
    _, history = fit(data, TRIO, iterations=80, loss=lambda predicted, observed: predicted, learning_rate=0.05)
    assert history.dead.all()
    assert not fit(data, TRIO)[1].dead.any()


def test_unequal_training_sets_are_averaged_each_by_its_own_size(data):
    """With a rate of zero the curve can be recomputed from the initial weights for a rule that gives odd sizes."""

    def some(n, generator):
        return torch.rand(n, generator=generator) < 0.5

    _, history = fit(data, TRIO, learning_rate=0.0, draw_split=some)
    sizes = history.training.sum(-1)
    assert len(np.unique(sizes)) > 1
    expected = skill.r2(data[1][history.training[-1, 0]], history.predicted[-1, 0][history.training[-1, 0]])
    assert history.curve[0, 0, -1] == pytest.approx(expected, abs=2e-4)


def test_prediction_in_batches_and_channels_in_another_order_change_nothing(data):
    ensemble, _ = fit(data, TRIO)
    whole = cnn.predict(ensemble, data[0])
    np.testing.assert_allclose(cnn.predict(ensemble, data[0], batch=17), whole, atol=1e-6)
    np.testing.assert_allclose(cnn.predict(ensemble, data[0][:, ::-1]), whole, atol=1e-6)
    np.testing.assert_allclose(cnn.predict(ensemble, data[0].values), whole, atol=1e-6)
    assert cnn.predict(ensemble, data[0][:0]).shape == (3, 0)


def test_windows_that_cannot_be_used_are_refused(data):
    windows, reco = data
    ensemble, _ = fit(data, TRIO, iterations=1)
    hole = windows.copy()
    hole[3, 2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="missing ones in npp"):
        cnn.predict(ensemble, hole)
    with pytest.raises(ValueError, match="found none called map"):
        cnn.predict(ensemble, windows.sel(predictor=["mat", "npp", "spei12"]))
    with pytest.raises(ValueError, match=r"expected shape \(sample, 4, 3, 3\), found \(130, 3, 3, 3\)"):
        cnn.predict(ensemble, windows.values[:, :3])
    with pytest.raises(ValueError, match="none called gpp"):
        fit(data, [cnn.Member("CNN9", ("mat", "gpp"), 1)])
    with pytest.raises(ValueError, match=r"reco: expected shape \(130,\) or \(3, 130\), found \(129,\)"):
        fit((windows, reco[1:]), TRIO)
    with pytest.raises(ValueError, match="reco: expected finite values, found 1"):
        fit((windows, np.where(np.arange(130) == 4, np.nan, reco)), TRIO)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (lambda n, g: torch.ones(n, dtype=torch.bool), "130 true"),
        (lambda n, g: torch.ones(n), "torch.float32"),
        (lambda n, g: torch.ones(n - 1, dtype=torch.bool), r"shape \(129,\)"),
    ],
)
def test_a_split_with_an_empty_side_or_of_the_wrong_kind_is_refused(data, rule, found):
    with pytest.raises(ValueError, match=found):
        fit(data, TRIO, draw_split=rule)


@pytest.mark.parametrize(
    ("architecture", "named"),
    [
        ({"widths": [4, 4, 4], "kernel": 2}, "architecture.kernel"),
        ({"widths": [4, 0, 4], "kernel": 3}, "architecture.widths"),
        ({"width": [4], "kernel": 3}, "architecture: expected the keys"),
    ],
)
def test_an_impossible_architecture_is_refused(architecture, named):
    with pytest.raises(ValueError, match=named):
        cnn.Ensemble(TRIO, CHANNELS, architecture)


@pytest.fixture
def stored(data, tmp_path):
    ensemble, _ = fit(data, TRIO)
    cnn.save(ensemble, tmp_path, optimal="CNN2")
    return ensemble, tmp_path


def test_a_stored_model_predicts_the_same(data, stored):
    ensemble, folder = stored
    assert sorted(p.name for p in folder.iterdir()) == ["CNN1.safetensors", "CNN2.safetensors", "models.json"]
    whole = cnn.predict(ensemble, data[0])
    best = cnn.load(folder)
    assert [m.seed for m in best.members] == [5, 6]
    np.testing.assert_allclose(cnn.predict(best, data[0]), whole[1:], atol=1e-6)
    first = cnn.load(folder, "CNN1")
    assert first.channels == ("mat", "map", "npp")
    np.testing.assert_allclose(cnn.predict(first, data[0]), whole[:1], atol=1e-5)


def test_selected_members_predict_the_same(data, stored):
    ensemble, _ = stored
    part = ensemble.select([2, 0])
    np.testing.assert_allclose(cnn.predict(part, data[0]), cnn.predict(ensemble, data[0])[[2, 0]], atol=1e-6)
    assert [m.model for m in part.members] == ["CNN2", "CNN1"]


def test_saving_refuses_an_optimal_model_that_is_not_there(stored, tmp_path):
    with pytest.raises(ValueError, match="optimal: expected one of CNN1, CNN2, found 'CNN5'"):
        cnn.save(stored[0], tmp_path, optimal="CNN5")


def cut_short(folder):
    path = folder / "CNN2.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def flip_a_bit(folder):
    path = folder / "CNN2.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def swap(folder):
    (folder / "CNN2.safetensors").write_bytes((folder / "CNN1.safetensors").read_bytes())


def remove(folder):
    (folder / "CNN2.safetensors").unlink()


def claim_wider(folder):
    index = json.loads((folder / "models.json").read_text())
    index["architecture"]["widths"][0] = 9
    (folder / "models.json").write_text(json.dumps(index))


def break_json(folder):
    (folder / "models.json").write_text((folder / "models.json").read_text()[:-30])


def forget_normaliser(folder):
    index = json.loads((folder / "models.json").read_text())
    del index["normaliser"]
    (folder / "models.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "CNN2.safetensors: its checksum"),
        (flip_a_bit, "CNN2.safetensors: its checksum"),
        (swap, "CNN2.safetensors: its checksum"),
        (remove, "CNN2.safetensors: not there, though models.json names it"),
        (claim_wider, "CNN2.safetensors: expected tensors"),
        (break_json, "models.json: not readable as JSON"),
        (forget_normaliser, "models.json: lacks normaliser"),
    ],
)
def test_damage_is_named_in_one_line(stored, damage, message):
    damage(stored[1])
    with pytest.raises(cnn.DamagedModel, match=message) as caught:
        cnn.load(stored[1])
    assert "\n" not in str(caught.value)
    assert "03_cnn_ablation" in str(caught.value)


def test_an_empty_folder_and_an_unknown_model(stored, tmp_path):
    with pytest.raises(FileNotFoundError, match="run chapter 03_cnn_ablation"):
        cnn.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="model: expected one of CNN1, CNN2, found 'CNN7'"):
        cnn.load(stored[1], "CNN7")
