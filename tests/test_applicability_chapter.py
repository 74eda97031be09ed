"""Chapter 10 on a small made land: index and line by brute force, maps cell by cell, sums by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers.cnn import storage
from helpers.cnn.nested_cv import choose
from helpers.cnn.network import ARCHITECTURE, Member, predict
from helpers.cnn.training import re_drawn, train
from helpers.space import regions, windows
from helpers.stats import splits
from helpers.workspace import Workspace

BRIEF = {"fold_networks": 1, "fold_iterations": 30, "shuffles": 1, "deals": 2, "random_cells": 60, "site_draws": 100}
CHANNELS = ["mat", "map", "npp", "spei12", "soc_0"]
YEARS = np.arange(2001, 2005)


SCORES = {"all settings": (0.5, 0.4, 0.6), "ridge": (0.7, 0.55, 0.8), "CNN-SPEIopt": (-0.2, -0.5, 0.1)}


def make_fields(rng):
    """Predictors (year, lat, lon) and static fields at 10 degrees; climate in blocks of three by three cells."""
    lat, lon = 85.0 - 10 * np.arange(18), -175.0 + 10 * np.arange(36)
    land = np.broadcast_to(rng.random((18, 36)) < 0.6, (4, 18, 36))
    coarse = {k: rng.normal(size=(4, 6, 12)).repeat(3, 1).repeat(3, 2) for k in ("mat", "map", "spei12")}
    fields = coarse | {"npp": rng.gamma(4, 0.2, (4, 18, 36))}
    coords = {"year": YEARS, "lat": lat, "lon": lon}
    yearly = {k: (("year", "lat", "lon"), np.where(land, v, np.nan).astype("float32")) for k, v in fields.items()}
    static = regions.parts(lat, lon)
    static["soc_0"] = ("lat", "lon"), np.where(land[0], rng.gamma(3, 10, (18, 36)), np.nan).astype("float32")
    static["igbp"] = ("lat", "lon"), rng.choice([1, 2, 10], (18, 36)).astype("int8")
    return xr.Dataset(yearly, coords), static


def cut(fields, rng, n, prefix):
    """Site-years of n sites on land, three years each, and their RECO."""
    row, column = np.nonzero(np.isfinite(fields.npp[0].values))
    pick = rng.choice(row.size, n, replace=False).repeat(3)
    where = fields.lat.values[row[pick]], fields.lon.values[column[pick]], np.tile(YEARS[:3], n)
    window = windows.at_points(fields[CHANNELS], *where)
    reco = 0.5 + 0.8 * window.sel(predictor="npp", dy=1, dx=1).values + 0.05 * rng.normal(size=3 * n)
    names = np.repeat([f"{prefix}{k}" for k in range(n)], 3)
    coords = {"site": names, "lat": where[0], "lon": where[1], "year": where[2], "cell": row[pick] * 36 + column[pick]}
    ds = xr.Dataset({"window": window.drop_vars(["row", "column"])}, {k: ("sample", v) for k, v in coords.items()})
    return ds.assign(reco=("sample", reco))


def train_networks(ws, samples, fields):
    """Leave networks of both kinds, and the published map."""
    members = [Member("CNN2", tuple(CHANNELS), s) for s in (1, 2)]
    reco = samples.reco.values
    published, _ = train(samples.window, reco, members, re_drawn(0.7), iterations=60, progress=False)
    setting = [Member("small", tuple(CHANNELS[2:]))]
    how = {"seeds": [1], "inner": 3, "iterations": 60, "architecture": ARCHITECTURE | {"window": 1}}
    how["progress"] = False
    chosen = choose(samples.window.isel(dy=[1], dx=[1]), reco, samples.site.values, setting, **how)
    for name, ensemble in (("models", published), ("honest_models", chosen.ensemble)):
        with ws.writing(name) as folder:
            storage.save(ensemble, folder, optimal=ensemble.members[0].model)
    maps = xr.zeros_like(fields.npp.expand_dims(which=["reco", "reco_sd"])).to_dataset("which").astype("float32")
    for i, year in enumerate(YEARS):
        for rows, valid, cubes in windows.strips(fields, CHANNELS, int(year)):
            each = predict(published, cubes)
            for name, value in (("reco", each.mean(0)), ("reco_sd", each.std(0, ddof=1))):
                maps[name].values[i, rows] = np.nan
                maps[name].values[i, rows].flat[valid] = value
    ws.write("reco", maps)


@pytest.fixture(scope="module")
def made(run_chapter, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("small"), np.random.default_rng(8)
    predictors, static = make_fields(rng)
    fields = predictors.assign(soc_0=static.soc_0)
    samples, towers = cut(fields, rng, 40, "T"), cut(fields, rng, 12, "V")
    ws = Workspace("trial", root=folder)
    train_networks(ws, samples, fields)
    simulated = np.stack([towers.reco.values, towers.reco.values * 0.5]).astype("float32")
    told = xr.Dataset({"simulated": (("model", "sample"), simulated), "observed": towers.reco.astype("float32")})
    scores = [("kNNDM", model, "r2", *ends) for model, ends in SCORES.items()]
    columns = ["split", "model", "metric", "value", "low", "high"]
    pairs = [("kNNDM", "all settings", "r2", -0.3, -0.4, -0.2, "ridge", 0.001, 10, "worse")]
    written = {"predictors": predictors, "static": static, "samples": samples, "oof": out_of_fold(samples, rng)}
    written |= {"ladder": pd.DataFrame(scores, columns=columns)}
    written |= {"ladder_differences": pd.DataFrame(pairs, columns=[*columns, "against", "p", "deals", "verdict"])}
    written |= {"validation": told.assign_coords(model=["CNN-SPEIopt", "HALF"])}
    for name, content in written.items():
        ws.write(name, content)
    run_chapter("10_applicability", folder, profile="trial", **BRIEF)
    artefacts = {name: ws.read(name) for name in ("applicability", "applicability_numbers", "reco_honest", "reco")}
    return artefacts | {"fields": fields, "samples": samples, "static": static, "folder": ws.folder}


def out_of_fold(samples, rng):
    """What two models say of samples: the regression is much nearer."""
    observed = samples.reco.values
    near, far = (observed + spread * rng.normal(size=observed.size) for spread in (0.1, 0.3))
    told = xr.DataArray(
        [[near, far]], {"split": ["kNNDM"], "model": ["ridge", "all settings"]}, ("split", "model", "sample")
    )
    oof = xr.Dataset({"predicted": told, "observed": ("sample", observed)})
    return oof.assign_coords(place=("sample", np.unique(samples.site.values, return_inverse=True)[1]))


def number(made, quantity, where):
    table = made["applicability_numbers"].set_index(["quantity", "where"])
    return table.loc[(quantity, where)]


def test_the_index_is_the_distance_to_the_nearest_sample_by_brute_force(made):
    maps = made["applicability"]
    train = made["samples"].window.values[:, :, 1, 1].astype("float64")
    weight, mean, sd = maps.attrs["weights"], train.mean(axis=0), train.std(axis=0)
    points = (train - mean) / sd * weight
    scale = np.linalg.norm(points[:, None] - points, axis=2).sum() / (len(points) * (len(points) - 1))
    counted = np.argwhere(maps.di.notnull().values)
    for row, column in counted[:: len(counted) // 15]:
        cell = np.stack([made["fields"][c].values[..., row, column] * np.ones(4) for c in CHANNELS], axis=1)
        each = [np.linalg.norm((year - mean) / sd * weight - points, axis=1).min() / scale for year in cell]
        assert float(maps.di[row, column]) == pytest.approx(np.mean(each), rel=1e-4)
        inside = np.mean(np.array(each) <= maps.attrs["threshold"])
        assert float(maps.inside_years[row, column]) == pytest.approx(inside)
        assert int(maps.aoa[row, column]) == (inside >= 0.5)


def folds_of(made):
    """The folds that the chapter draws first, from its seed."""
    row, column = np.divmod(made["samples"].cell.values, 36)
    return splits.grouped_folds(windows.place_groups(row, column, n_columns=36), 5, np.random.default_rng(2021))


def test_the_regression_is_the_ridge_by_normal_equations_that_other_places_like_best(made):
    folds, y = folds_of(made), made["samples"].reco.values
    basic = [name for name in CHANNELS if name != "spei12"]
    train = made["samples"].window.sel(predictor=basic).values[:, :, 1, 1].astype("float64")
    mean, sd = train.mean(axis=0), train.std(axis=0)

    def fitted(x, y, alpha):
        centre = x - x.mean(axis=0)
        slope = np.linalg.solve(centre.T @ centre + alpha * np.eye(x.shape[1]), centre.T @ (y - y.mean()))
        return lambda new: (new - x.mean(axis=0)) @ slope + y.mean()

    def error(alpha):
        held = [(folds == k, fitted(((train - mean) / sd)[folds != k], y[folds != k], alpha)) for k in range(5)]
        return np.mean([np.mean((told(((train - mean) / sd)[test]) - y[test]) ** 2) for test, told in held])

    told = fitted((train - mean) / sd, y, min(np.logspace(-2, 5, 29), key=error))
    row, column = np.argwhere(made["applicability"].mean_ridge.notnull().values)[11]
    cell = np.stack([made["fields"][c].values[..., row, column] * np.ones(4) for c in basic], axis=1)
    by_hand = np.maximum(told((cell - mean) / sd), 0)
    assert float(made["applicability"].mean_ridge[row, column]) == pytest.approx(by_hand.mean(), rel=1e-4)
    assert float(made["applicability"].interannual_ridge[row, column]) == pytest.approx(by_hand.std(ddof=1), rel=1e-4)


def test_the_honest_map_is_what_its_networks_say_of_each_middle_cell(made):
    network = storage.load(made["folder"] / "honest_models")
    row, column = np.argwhere(made["reco_honest"].reco.notnull().all("year").values)[7]
    values = np.stack([made["fields"][c].values[..., row, column] * np.ones(4) for c in network.channels], axis=1)
    each = predict(network, values[:, :, None, None].astype("float32"))
    cell = made["reco_honest"].isel(lat=row, lon=column)
    np.testing.assert_allclose(cell.reco, each.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(cell.reco_sd, each.std(axis=0, ddof=1), rtol=1e-4)


def test_totals_inside_and_outside_are_those_of_the_cells_and_add_up(made):
    maps, area = made["applicability"], made["static"].area
    for column, field in {"seed protocol": maps.mean_published, "honest": maps.mean_honest}.items():
        by_hand = {side: float((field * area).where(maps.aoa == side).sum()) / 1e12 for side in (0, 1)}
        assert number(made, "total RECO (Pg C yr-1)", "inside")[column] == pytest.approx(by_hand[1], rel=1e-5)
        assert number(made, "total RECO (Pg C yr-1)", "outside")[column] == pytest.approx(by_hand[0], rel=1e-5)
        assert number(made, "total RECO (Pg C yr-1)", "all land")[column] == pytest.approx(sum(by_hand.values()))
    share = float(area.where(maps.aoa == 1).sum() / area.where(maps.di.notnull()).sum())
    assert number(made, "land inside (%)", "all land, by area")["honest"] == pytest.approx(100 * share)


def test_windows_of_one_climate_block_are_counted(made):
    land = np.isfinite(made["fields"].npp.values[0])
    mat = made["fields"].mat.values[0]
    same = 0
    for row, column in np.argwhere(land):
        rows = [row + d for d in (-1, 0, 1) if 0 <= row + d < 18]
        around = [made["fields"][c].values[0, r, (column + d) % 36] for c in ("mat",) for r in rows for d in (-1, 0, 1)]
        same += all(value == mat[row, column] or np.isnan(value) for value in around)
    found = number(made, "windows of one value (%)", "all of climate and drought")["honest"]
    assert found == pytest.approx(100 * same / land.sum(), abs=1e-6)


def test_the_ledger_has_the_papers_numbers_where_it_prints_some(made):
    table = made["applicability_numbers"]
    heads = ["quantity", "where", "paper", "seed protocol", "honest", "low", "high", "moved by"]
    assert table.columns.tolist() == heads
    assert number(made, "mean RECO (kg C m-2 yr-1)", "all land, over cells")["paper"] == 0.87
    assert number(made, "r of STDEVs", "independent sites")["seed protocol"] == pytest.approx(1)
    assert (table.low.isna() | (table.low <= table.high)).all()
    assert np.isfinite(table[["seed protocol", "honest"]]).all().all()
    assert pd.Series(table.duplicated(["quantity", "where"])).sum() == 0
