"""Chapter 4: only independent towers, each model's own cells and years, scores as others compute them."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from sklearn.metrics import mean_squared_error, r2_score

from helpers import products
from helpers.cnn import storage
from helpers.cnn.network import Member, predict
from helpers.cnn.training import re_drawn, train
from helpers.products import configured
from helpers.workspace import Workspace


def brief(samples, steps=15):
    """Train one model of two networks, briefly."""
    members = [Member("CNN5", tuple(samples.predictor.values.tolist()), s) for s in (1, 2)]
    return train(samples.window, samples.reco.values, members, re_drawn(), iterations=steps, progress=False)


def train_networks(ws, steps=15):
    """Leave what chapter 4 needs of chapter 3."""
    ensemble, _ = brief(ws.read("samples"), steps)
    with ws.writing("models") as folder:
        storage.save(ensemble, folder, optimal="CNN5")
    attrs = {"optimal": "CNN5", "iterations": steps, "learning_rate": 0.001, "n_train": 10, "n_test": 3}
    coords = {"model": ["CNN5"], "seed": [1, 2], "split": ["train", "test"], "metric": ["r2", "cc", "rmse", "sde"]}
    score = xr.DataArray(np.full((1, 2, 2, 4), 0.5), coords)
    ws.write("ablation", xr.Dataset({"score": score}, attrs=attrs))


def check_scores(validation, scores, min_years):
    """Recompute every score from the artefact with scikit-learn and scipy."""
    assert scores.model.tolist() == validation.model.values.tolist()
    observed = validation.observed.values.astype("float64")
    for row in scores.itertuples():
        simulated = validation.simulated.sel(model=row.model).values.astype("float64")
        has = np.isfinite(simulated)
        o, s, c = observed[has], simulated[has], validation.simulated[0].values.astype("float64")[has]
        assert row.n == has.sum() > 0
        assert row.r2 == pytest.approx(r2_score(o, s))
        assert row.r2_pearson == pytest.approx(stats.pearsonr(o, s).statistic ** 2)
        assert row.rmse == pytest.approx(mean_squared_error(o, s) ** 0.5)
        assert (row.cnn_r2, row.cnn_rmse) == pytest.approx((r2_score(o, c), mean_squared_error(o, c) ** 0.5))
        sites = validation.site.values[has]
        many = [site for site in sorted(set(sites)) if (sites == site).sum() >= min_years]
        sd = np.array([[np.std(v[sites == site], ddof=1) for v in (o, s)] for site in many])
        assert row.sd_sites == len(many) > 2
        # an r close to nothing is known no better than the single precision of the values
        assert (row.sd_r, row.sd_p) == pytest.approx(tuple(stats.pearsonr(*sd.T)), rel=1e-6, abs=1e-6)
        assert row.sd_ratio == pytest.approx(sd[:, 1].mean() / sd[:, 0].mean())


@pytest.fixture(scope="module")
def planet(exact, run_chapter, tmp_path_factory):
    """Chapter 4 on a small planet without error, whose maps are its truth; process models end early."""
    folder, files, truth = exact
    tmp_path = tmp_path_factory.mktemp("validation")
    ws, names = Workspace("small", root=tmp_path), ["mat", "map", "lai", "npp", "spei12"]
    ws.write("predictors", truth[names].astype("float32"))
    ws.write("static", truth[["igbp"]].astype("int8"))
    values = {"profile": "small", "data_folder": str(folder), "min_qc": 0.0}
    run_chapter("02_site_sampling", tmp_path, channels=names, **values)
    train_networks(ws)
    run_chapter("04_validation", tmp_path, min_years=2, **values)
    return ws, folder


def test_the_two_towers_that_only_look_independent_are_refused(planet):
    ws, folder = planet
    towers = products.read("fluxnet", products.find("fluxnet", folder))
    samples, validation = ws.read("samples"), ws.read("validation")
    mine = set(validation.site.values)
    same, beside = set(towers.site.values) & set(samples.site.values), {"XV-TWN"}
    assert len(same) == 1 and beside < set(towers.site.values)
    assert mine == set(towers.site.values[np.isfinite(towers.reco.values)]) - same - beside
    assert str(validation.model.values[0]) == "CNN-SPEIopt"
    assert validation.simulated.dtype == validation.observed.dtype == np.float32


def test_each_process_model_is_read_at_the_towers_own_cell_and_year(planet):
    ws, folder = planet
    validation = ws.read("validation")
    chosen = configured(folder)
    assert validation.model.values.tolist()[1:] == list(chosen) and len(chosen) == 6
    years = sorted(set(validation.year.values))
    for name, product in chosen.items():
        maps = products.read(product, products.find(product, folder), model=name, years=years).reco
        for k in range(0, validation.sizes["sample"], 3):
            here = validation.isel(sample=k)
            cell = maps.sel(year=int(here.year)).sel(lat=float(here.lat), lon=float(here.lon), method="nearest")
            np.testing.assert_allclose(here.simulated.sel(model=name), cell, rtol=1e-6)


def test_scores_on_the_small_planet_are_those_of_others(planet):
    ws, _ = planet
    check_scores(ws.read("validation"), ws.read("validation_scores"), min_years=2)


@pytest.fixture(scope="module")
def sites(sites_profile, real_samples, run_chapter, tmp_path_factory):
    """Chapters 2 and 4 of profile ``sites`` with brief training; a function that runs chapter 4 with other values."""
    folder = tmp_path_factory.mktemp("validated")
    shutil.copytree(real_samples.folder, folder / "sites")
    ws = Workspace("sites", root=folder)
    train_networks(ws)

    def validate(**values):
        run_chapter("04_validation", folder, **({"profile": "sites"} | sites_profile["04_validation"] | values))
        return ws.read("validation"), ws.read("validation_scores")

    return ws, validate


def test_ozflux_is_met_by_a_network_that_saw_no_australian_tower(sites, real_data):
    ws, validate = sites
    validation, scores = validate()
    check_scores(validation, scores, min_years=3)
    assert scores.kind.tolist() == ["CNN", "process model", "data-driven"]
    table = pd.read_csv(real_data / "ozflux_annual_reco.csv").set_index(["site", "year"])
    rows = table.loc[list(zip(validation.site.values, validation.year.values, strict=True))]
    assert len(rows) == rows.index.nunique() == validation.sizes["sample"] >= 40
    np.testing.assert_allclose(validation.observed, rows.reco_observed / 1000, rtol=1e-6)
    for name, column in {"CABLE-BIOS": "reco_cable_bios", "FLUXCOM-RS": "reco_fluxcom_rs"}.items():
        np.testing.assert_allclose(validation.simulated.sel(model=name), rows[column] / 1000, rtol=1e-6)
    samples, known = ws.read("samples"), ws.read("site_years")
    elsewhere = ~np.char.startswith(samples.site.values.astype(str), "AU-")
    assert 50 < (~elsewhere).sum() < 200
    again, _ = brief(samples.isel(sample=elsewhere))
    place = np.stack([known.lat, known.lon, 1000 * known.year], axis=1)
    there = np.stack([validation.lat, validation.lon, 1000 * validation.year], axis=1)
    nearest = np.linalg.norm(there[:, None] - place, axis=2).argmin(axis=1)
    expected = predict(again, known.window[nearest]).mean(axis=0)
    np.testing.assert_allclose(validation.simulated[0], expected, rtol=1e-5)


@pytest.mark.long
def test_without_a_held_out_continent_only_towers_far_from_training_are_left(sites):
    ws, validate = sites
    validation, _ = validate(held_out="")
    samples = ws.read("samples")
    assert 0 < validation.sizes["sample"] < 40
    apart = np.hypot(*(validation[c].values[:, None] - samples[c].values for c in ("lat", "lon")))
    assert apart.min() > 25 / 111.2
