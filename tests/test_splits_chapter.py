"""Chapter 8: on made samples that a straight line explains, and the ladder worked out again with scikit-learn alone."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.cnn import storage
from helpers.cnn.network import Ensemble, Member, predict
from helpers.space import windows
from helpers.space.grid import Grid
from helpers.workspace import Workspace

BRIEF = {
    "ladder_folds": 3, "ladder_deals": 2, "network_deals": 2, "ladder_networks": 1, "frozen_iterations": 40,
    "redrawn_iterations": 60, "random_cells": 100, "forest_trees": 15, "honest_iterations": 15, "inner_folds": 3,
    "site_draws": 200,
}  # fmt: skip
PLACES, YEARS = 40, 5


def make_samples(rng):
    """Forty places, every fourth with a second tower next door; RECO is a straight line of mat and npp, with noise."""
    place = np.repeat(np.arange(PLACES), np.where(np.arange(PLACES) % 4, 1, 2))
    lat, lon = rng.uniform(-50, 65, PLACES)[place], rng.uniform(-170, 170, PLACES)[place]
    lat = lat + 0.06 * np.append(False, place[1:] == place[:-1])
    tower = np.repeat(np.arange(len(place)), YEARS)
    own, n = rng.normal(size=(PLACES, 3))[place][tower], len(tower)
    centre = {"mat": own[:, 0], "npp": own[:, 1] + 0.2 * rng.normal(size=n), "soc_0": own[:, 2]}
    centre |= {name: rng.normal(size=n) for name in ("spei12", "spei24")}
    values = np.stack([*centre.values()], axis=1)[:, :, None, None] * np.ones((3, 3))
    values[:, 2] += 0.1 * rng.normal(size=(n, 3, 3))  # soil alone differs within a window
    values = values.astype("float32")
    samples = xr.Dataset({"window": (("sample", "predictor", "dy", "dx"), values)}, {"predictor": list(centre)})
    samples["reco"] = "sample", 3 + 0.5 * centre["mat"] + 0.3 * centre["npp"] + 0.1 * rng.normal(size=n)
    samples["reco_dt"] = samples.reco + 0.2 * rng.normal(size=n)
    mesh = Grid(0.05)
    row, column = windows.cells(mesh.lat, mesh.lon, lat, lon)
    where = {"site": np.array([f"S{k:02d}" for k in tower]), "year": np.tile(2001 + np.arange(YEARS), len(place))}
    where |= {"lat": lat[tower], "lon": lon[tower], "cell": (row * mesh.shape[1] + column)[tower]}
    return samples.assign_coords({k: ("sample", v) for k, v in where.items()}), place[tower]


def publish(ws, samples):
    """Leave networks as chapter 3 does, hardly trained: this chapter asks for their name and channels alone."""
    basic = [name for name in samples.predictor.values.tolist() if not name.startswith("spei")]
    ensemble = Ensemble([Member("CNN5", (*basic, "spei12", "spei24"), 1)], [*basic, "spei12", "spei24"])
    with ws.writing("models") as folder:
        storage.save(ensemble, folder, optimal="CNN5")


@pytest.fixture(scope="module")
def made(run_chapter, tmp_path_factory):
    folder, (samples, place) = tmp_path_factory.mktemp("ladder"), make_samples(np.random.default_rng(8))
    ws = Workspace("trial", root=folder)
    ws.write("samples", samples)
    publish(ws, samples)
    run_chapter("08_splits_and_leakage", folder, profile="trial", **BRIEF)
    return ws, samples, place


def value(table, split, model, metric="r2"):
    found = table[(table.split == split) & (table.model == model) & (table.metric == metric)]
    assert len(found) == 1, (split, model, metric)
    return found.iloc[0]


def centre_of(samples):
    basic = [name for name in samples.predictor.values.tolist() if not name.startswith("spei")]
    return samples.window.sel(predictor=basic).values[:, :, 1, 1].astype("float64")


def by_scikit_learn(samples, oof, rule, deal, inner, trees, seed=2021):
    """The baselines of one deal, fold by fold, by cross_val_predict and GridSearchCV."""
    x, y, groups = centre_of(samples), samples.reco.values, oof.place.values
    test = PredefinedSplit(oof.fold.sel(rule=rule).isel(deal=deal).values)
    models = {"random forest": RandomForestRegressor(trees, random_state=seed)}
    models["gradient boosting"] = HistGradientBoostingRegressor(random_state=seed)
    models["extra trees"] = ExtraTreesRegressor(trees, min_samples_leaf=3, random_state=seed)
    told = {name: cross_val_predict(model, x, y, cv=test) for name, model in models.items()}
    told["ridge"] = np.empty_like(y)
    for train, held in test.split():
        inner_splits = list(GroupKFold(inner).split(train, groups=groups[train]))
        how = {"cv": inner_splits, "scoring": "neg_mean_squared_error"}
        line = make_pipeline(StandardScaler(), GridSearchCV(Ridge(), {"alpha": np.logspace(-2, 5, 8)}, **how))
        told["ridge"][held] = line.fit(x[train], y[train]).predict(x[held])
    return told


def deals_of(oof, rule):
    return range(int((oof.fold.sel(rule=rule) >= 0).all("sample").sum()))


def lin(o, s):
    return 2 * np.cov(o, s, ddof=0)[0, 1] / (o.var() + s.var() + (o.mean() - s.mean()) ** 2)


def test_the_ladder_s_baselines_are_those_of_scikit_learn(made):
    ws, samples, _ = made
    ladder, oof, y = ws.read("ladder"), ws.read("oof"), samples.reco.values
    for split in oof.rule.values:
        deals = [by_scikit_learn(samples, oof, split, d, 3, BRIEF["forest_trees"]) for d in deals_of(oof, split)]
        assert len(deals) == (1 if split == "years" else BRIEF["ladder_deals"])
        for model in deals[0]:
            each = [told[model] for told in deals]
            expected = {"r2": [r2_score(y, s) for s in each], "cc": [lin(y, s) for s in each]}
            expected |= {"rmse": [root_mean_squared_error(y, s) for s in each], "sde": [(s - y).std() for s in each]}
            expected |= {"r2_pearson": [np.corrcoef(y, s)[0, 1] ** 2 for s in each]}
            for metric, numbers in expected.items():
                found = value(ladder, split, model, metric)
                assert found.value == pytest.approx(np.mean(numbers), abs=1e-6), (split, model)
                assert found.deals == len(deals)


def test_every_score_says_from_what_it_comes_and_a_mean_knows_nothing(made):
    ws, samples, place = made
    ladder = ws.read("ladder")
    assert (ladder.n == samples.sizes["sample"]).all() and (ladder.groups == PLACES).all()
    assert set(ladder.split) == {"re-drawn", "random", "years", "sites", "blocks", "kNNDM"}
    for split, expected in (("sites", -0.5), ("random", -0.1)):
        assert expected < value(ladder, split, "mean").value <= 0


def test_the_networks_of_the_table_are_those_of_the_file(made):
    ws, samples, _ = made
    ladder, oof, y = ws.read("ladder"), ws.read("oof"), samples.reco.values
    assert oof.predicted.dims == ("split", "model", "sample")
    np.testing.assert_allclose(oof.observed, y)
    for model, n in (("ridge", BRIEF["ladder_deals"]), ("honest CNN", BRIEF["network_deals"]), ("all settings", 2)):
        dealt = oof.dealt.sel(split="sites", model=model).values
        np.testing.assert_array_equal(dealt[0], oof.predicted.sel(split="sites", model=model))
        assert np.isnan(dealt[n:]).all()
        mean = np.mean([r2_score(y, said) for said in dealt[:n]])
        assert value(ladder, "sites", model).value == pytest.approx(mean, abs=1e-5)
    two = oof.predicted.sel(model=["extra trees", "Gaussian process"]).mean("model")
    np.testing.assert_allclose(oof.predicted.sel(model="two together"), two, rtol=1e-5)
    assert np.isnan(oof.predicted.sel(split="re-drawn", model="ridge")).all()


def by_scale(samples, said):
    """Pairs of observed and simulated on each scale, by pandas."""
    frame = pd.DataFrame(
        {"o": samples.reco.values, "s": said, "site": samples.site.values, "year": samples.year.values}
    )
    means = frame.groupby("site")[["o", "s"]].mean()
    away = frame[["o", "s"]] - frame.groupby("site")[["o", "s"]].transform("mean")
    slopes = frame.groupby("site")[["o", "s", "year"]].apply(
        lambda f: pd.Series({c: np.polyfit(f.year, f[c], 1)[0] for c in "os"})
    )
    return {"across sites": means, "within sites": away, "trends": slopes}


def test_differences_are_those_of_the_ladder_and_verdicts_follow_intervals(made):
    found, ladder = made[0].read("ladder_differences"), made[0].read("ladder")
    pair = found[(found.split == "sites") & (found.metric == "r2")].set_index(["model", "against"])
    scores = [value(ladder, "sites", model).value for model in ("Gaussian process", "ridge")]
    assert pair.value["Gaussian process", "ridge"] == pytest.approx(scores[0] - scores[1], abs=1e-9)
    assert pair.deals["all settings", "ridge"] == BRIEF["network_deals"]
    assert ((found.verdict == "open") == ((found.low <= 0) & (found.high >= 0))).all()
    told = found[found.verdict != "open"]
    assert ((told.verdict == "better") == ((told.value > 0) ^ (told.metric == "rmse"))).all()
    assert pair.verdict["CNN1", "ridge"] == "worse", "a straight line is no network's home ground"


def test_parts_and_labels_are_those_of_pandas(made):
    ws, samples, _ = made
    parts, oof, y = ws.read("error_parts"), ws.read("oof"), samples.reco.values
    west = (samples.lon.values < -25) & (samples.lat.values > 13)
    row = parts[(parts.model == "ridge") & (parts.part == "North America") & (parts.metric == "rmse")].iloc[0]
    each = [root_mean_squared_error(y[west], said[west]) for said in oof.dealt.sel(split="sites", model="ridge").values]
    assert row.value == pytest.approx(np.mean(each), abs=1e-5) and row.n == west.sum()
    noise = ws.read("label_noise").set_index(["what", "target", "scale"]).value
    pair = by_scale(samples, samples.reco_dt.values)["within sites"]
    r = np.corrcoef(pair.o, pair.s)[0, 1]
    assert noise["NT against DT", "DT", "within sites"] == pytest.approx(r, abs=1e-6)
    assert noise["ridge", "NT", "all"] > noise["ridge", "DT", "all"], "DT was made of NT and more noise"


def test_the_honest_networks_can_be_loaded_and_agree_on_what_they_are(made):
    ws, samples, _ = made
    ensemble = storage.load(ws.read("honest_models"))
    assert len({m.model for m in ensemble.members}) == 1 and len(ensemble.members) == 5 * BRIEF["inner_folds"]
    said = predict(ensemble, samples.window.sel(predictor=list(ensemble.channels))).mean(axis=0)
    assert r2_score(samples.reco.values, said) > 0.7, "one setting in five has hardly begun"


@pytest.mark.long
def test_on_the_real_table_the_ladder_is_that_of_scikit_learn(real_samples, run_chapter, tmp_path):
    shutil.copytree(real_samples.folder, tmp_path / "real")
    ws = Workspace("real", root=tmp_path)
    samples = ws.read("samples")
    publish(ws, samples)
    brief = {"ladder_folds": 5, "ladder_networks": 1, "frozen_iterations": 10, "redrawn_iterations": 60}
    brief |= {"ladder_deals": 2, "network_deals": 1, "honest_iterations": 5, "honest_rungs": ["sites"]}
    run_chapter("08_splits_and_leakage", tmp_path, profile="real", **BRIEF | brief)
    ladder, oof, y = ws.read("ladder"), ws.read("oof"), samples.reco.values
    for split in ("random", "sites"):
        for model, said in by_scikit_learn(samples, oof, split, 0, 3, BRIEF["forest_trees"]).items():
            found = oof.predicted.sel(split=split, model=model).values
            assert r2_score(y, found) == pytest.approx(r2_score(y, said), abs=1e-6), (split, model)
    assert value(ladder, "sites", "ridge").value < value(ladder, "sites", "site's own mean").value
    assert value(ladder, "random", "random forest").value > value(ladder, "sites", "random forest").value
