"""Chapter 12: on a made land whose respiration is a straight line of its predictors, and real land by other code."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_squared_error
from sklearn.neighbors import BallTree

from helpers.workspace import Workspace

BRIEF = {
    "land_folds": 3,
    "land_iterations": 30,
    "land_networks": 1,
    "trees": 20,
    "shuffles": 1,
    "site_draws": 100,
    "total_draws": 2,
}


def make_grids(rng):
    """Five smooth fields at 4 degrees, water in the Pacific."""
    lat, lon = 88.0 - 4 * np.arange(45), -178.0 + 4 * np.arange(90)
    north, east = np.meshgrid(lat, lon, indexing="ij")
    waves = [np.sin(np.radians(a * north + b * east + c)) for a, b, c in rng.uniform(1, 5, size=(5, 3))]
    fields = {"mat": 14 + 12 * waves[0], "map": 900 + 500 * waves[1], "ppfd": 420 + 150 * waves[2]}
    fields |= {"soc_0_30": 80 + 40 * waves[3], "fapar": 0.45 + 0.3 * waves[4], "igbp": np.where(east < -140, 17, 10)}
    return xr.Dataset({k: (("lat", "lon"), v.astype("float32")) for k, v in fields.items()}, {"lat": lat, "lon": lon})


def respired(frame):
    return (
        0.4
        + 0.01 * frame["mat"]
        + 3e-4 * frame["map"]
        + 5e-4 * frame["ppfd"]
        + 1e-3 * frame["soc_0_30"]
        + frame["fapar"]
    )


def places(rng, n):
    return {"lat": rng.uniform(-80, 80, n), "lon": rng.uniform(-130, 178, n)}


def at(grids, where):
    cells = grids.sel(**{k: xr.DataArray(v, dims="site") for k, v in where.items()}, method="nearest")
    return cells.drop_vars(["lat", "lon"]).to_dataframe()


@pytest.fixture(scope="module")
def made(run_chapter, tmp_path_factory):
    """The chapter's table on a made land: its towers see their cells exactly, and no winter."""
    folder, rng = tmp_path_factory.mktemp("land"), np.random.default_rng(3)
    grids = make_grids(rng)
    grids.to_netcdf(folder / "grids.nc")
    where = places(rng, 60)
    own = at(grids, where).assign(lai=lambda f: -2 * np.log(1 - f.fapar))
    names = [f"S{k:02d}" for k in range(60)]
    watts = own.ppfd / (4.57 * 0.49)
    climate = {"site": np.repeat(names, 12), "month": np.tile(np.arange(1, 13), 60), "tmin": 5.0, "tmax": 15.0}
    pd.DataFrame(climate | {"shortwave_mj": np.repeat(watts.to_numpy(), 12) * 0.0864}).to_csv(folder / "climate.csv")
    far = {k: np.append(v, where[k][:2] + 0.2) for k, v in places(rng, 80).items()}  # two are no 50 km from a tower
    far |= {"igbp": np.resize(["ENF", "GRA"], 82)}
    pd.DataFrame(far | {"reco": 1000 * respired(at(grids, {k: far[k] for k in ("lat", "lon")}))}).to_csv(
        folder / "medians.csv"
    )
    for name, table in zip(("fluxes", "simulated"), make_fluxes(rng), strict=True):
        table.to_csv(folder / f"{name}.csv", index=False)
    used = ["mat", "map", "soc_0_30", "lai"]
    window = np.repeat(own[used].to_numpy("float32"), 9, axis=1).reshape(60, 4, 3, 3)
    samples = xr.Dataset({"window": (("sample", "predictor", "dy", "dx"), window)}, {"predictor": used})
    samples = samples.assign_coords({k: ("sample", v) for k, v in (where | {"site": names}).items()})
    samples["reco"] = "sample", respired(own).to_numpy()
    ws = Workspace("trial", root=folder)
    ws.write("samples", samples)
    ws.write("validation", make_validation(rng))
    files = {f"{name}_table": str(folder / f"{name}.csv") for name in ("medians", "climate", "fluxes", "simulated")}
    run_chapter("12_real_land", folder, profile="trial", grids_file=str(folder / "grids.nc"), **files, **BRIEF)
    return grids, ws.read("real_land"), len(own), ws.read("tower_years")


def make_fluxes(rng, sites=30, years=8):
    """Years in which the label's two readings err alike and apart, and RECO is 0.54 GPP + Rh of model ONE."""
    n = sites * years
    level, anomaly = np.repeat(rng.uniform(500, 1500, sites), years), rng.normal(0, 100, n)
    table = pd.DataFrame({"site": np.repeat([f"F{k:02d}" for k in range(sites)], years)})
    table["year"], table["nee_qc"], table["gpp"] = np.tile(2001 + np.arange(years), sites), 0.9, level + anomaly
    table["reco"] = 0.54 * table.gpp + 0.4 * level
    table["reco_dt"] = table.reco + rng.normal(0, 30, n)
    models = [
        table.assign(model="ONE", rh=0.4 * level),
        table.assign(model="TWO", rh=0.4 * level, gpp=level - 2 * anomaly),
    ]
    lost = pd.DataFrame({"site": [None], "year": [2001]})  # a row without a site, as in the real table
    return pd.concat([table, lost]), pd.concat(models)[["site", "model", "year", "gpp", "rh"]]


def make_validation(rng):
    observed = rng.normal(1, 0.3, 30).astype("float32")
    simulated = np.stack([observed, 2 * observed]).astype("float32")
    site = ("sample", np.repeat([f"V{k}" for k in range(6)], 5))
    return xr.Dataset(
        {"observed": ("sample", observed), "simulated": (("model", "sample"), simulated)},
        {"model": ["CNN-SPEIopt", "TWICE"], "site": site},
    )


def value(table, quantity, where, model):
    found = table[(table.quantity == quantity) & (table["where"] == where) & (table.model == model)]
    assert len(found) == 1, (quantity, where, model)
    return found.iloc[0]


def test_where_towers_and_cells_agree_a_straight_line_is_found_by_either_teacher(made):
    _, table, n, _ = made
    for model in ("ridge, own", "ridge, cells"):
        for where in ("places folds", "kNNDM folds", "far sites"):
            row = value(table, "R²", where, model)
            assert row.value > 0.98 and row.low <= row.value <= row.high
    assert value(table, "R²", "kNNDM folds", "mean").n == n
    assert value(table, "R²", "far sites", "mean").value < 0.01


def test_the_total_of_the_land_is_that_of_the_made_land(made):
    grids, table, *_ = made
    ring = np.sin(np.radians(grids.lat + 2)) - np.sin(np.radians(grids.lat - 2))
    area = 6371007.181**2 * np.radians(4) * ring * xr.ones_like(grids.lon)
    true = float((respired(grids) * area).where(grids.igbp < 17).sum()) / 1e12
    assert value(table, "total (Pg C yr-1)", "land", "ridge, own").value == pytest.approx(true, rel=0.01)
    assert value(table, "total (Pg C yr-1)", "land", "mean").value != pytest.approx(true, rel=0.01)


def test_inside_and_outside_hold_all_far_sites_and_no_site_near_a_tower(made):
    _, table, *_ = made
    sides = table[table["where"].str.contains("side$") & (table.model == "mean") & (table.quantity == "R²")]
    everywhere = value(table, "R²", "far sites", "mean").n
    assert everywhere == 80 and len(sides) == 2 and sides.n.sum() == 80


def test_a_model_that_doubles_every_anomaly_has_perfect_timing_and_no_skill(made):
    _, table, *_ = made
    where = "independent towers of chapter 4"
    assert value(table, "r of years within sites", where, "TWICE").value == pytest.approx(1)
    assert value(table, "ratio of years within sites", where, "TWICE").value == pytest.approx(2, rel=1e-5)
    assert value(table, "skill of years within sites", where, "TWICE").value == pytest.approx(0, abs=1e-4)
    assert value(table, "skill of years within sites", where, "CNN-SPEIopt").value == pytest.approx(1)


def at_years(table, about, model, score, quality=0.5):
    found = table.query("about == @about and model == @model and score == @score and quality == @quality")
    assert len(found) == 1, (about, model, score)
    return found.iloc[0]


def test_a_process_model_is_scored_by_its_level_spread_and_timing(made):
    years = made[3]
    exact = {s: at_years(years, "RECO, CUE 0.46", "ONE", s).value for s in ("bias", "sd_ratio", "r")}
    assert exact == pytest.approx({"bias": 0, "sd_ratio": 1, "r": 1}, abs=1e-6)
    turned = {s: at_years(years, "GPP", "TWO", s).value for s in ("sd_ratio", "r", "skill")}
    assert turned == pytest.approx({"sd_ratio": 2, "r": -1, "skill": -8}, abs=1e-6)
    assert at_years(years, "Rh for RECO", "ONE", "sd_ratio").value == pytest.approx(0, abs=1e-6)


def test_the_noise_of_the_label_lowers_the_agreement_of_years_and_not_of_sites(made):
    within = at_years(made[3], "label", "night-time", "r of years, night and day")
    every = at_years(made[3], "label", "night-time", "r² of site-years, night and day")
    assert within.value == pytest.approx(54 / np.hypot(54, 30), abs=0.04) and within.low < within.value < within.high
    assert every.value > 0.95 and every.n == 240
    spread = at_years(made[3], "label", "night-time", "STDEV of years (kg C m-2 yr-1)")
    assert spread.value == pytest.approx(0.054, rel=0.1)


def test_the_choice_is_by_both_tests_and_its_score_by_far_sites_that_did_not_choose(made):
    table = made[1]
    q = table[table.quantity.str.startswith("error over the best model's")].set_index("model").value
    assert q.min() >= 1 and "mean" not in q
    folds, sites = (
        table[(table.quantity == "RMSE (kg C m-2 yr-1)") & (table["where"] == where)].set_index("model").value[q.index]
        for where in ("kNNDM folds", "far sites")
    )
    assert np.allclose(q, np.maximum(folds / folds.min(), sites / sites.min()))
    assert value(table, "R²", "far sites", "chosen without them").n == 80
    assert value(table, "R²", "far sites", "chosen without them").value > 0.98
    assert {"far sites, ENF", "far sites, GRA"} <= set(table["where"])


def far_from_towers(sites, towers):
    tree = BallTree(np.radians(towers[["lat", "lon"]]), metric="haversine")
    return 6371.007181 * tree.query(np.radians(sites[["lat", "lon"]]))[0][:, 0] > 50


@pytest.fixture(scope="module")
def real(sites_profile, real_samples, run_chapter, tmp_path_factory):
    """The chapter's tables on real land, and the samples of chapter 2."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(real_samples.folder, folder / "trial")
    ws = Workspace("trial", root=folder)
    ws.write("validation", make_validation(np.random.default_rng(3)))
    run_chapter("12_real_land", folder, profile="trial", **sites_profile["12_real_land"], **BRIEF)
    return ws.read("real_land"), ws.read("tower_years"), ws.read("samples")


@pytest.mark.long
def test_on_real_land_the_errors_and_the_total_are_those_of_plain_scikit_learn(real, real_data):
    table, _, samples = real
    channels = ["mat", "map", "ppfd", "soc_0_30", "fapar"]
    grids = xr.load_dataset(real_data / "static_grids_0p5.nc")
    towers = pd.DataFrame({k: samples[k].values for k in ("site", "lat", "lon", "reco")}).groupby("site").mean()
    cells = at(grids, {k: towers[k].to_numpy() for k in ("lat", "lon")}).set_index(towers.index)[channels]
    towers, cells = towers[cells.notna().all(axis=1)], cells.dropna()
    sites = pd.read_csv(real_data / "fluxnet_shuttle_site_medians.csv").rename(
        columns=lambda c: c[:3] if "tude" in c else c
    )
    sites = sites[far_from_towers(sites, towers)]
    asked = at(grids, {k: sites[k].to_numpy() for k in ("lat", "lon")})[channels]
    known = asked.notna().all(axis=1).to_numpy()
    scale = cells.mean(), cells.std(ddof=0)
    ridge = RidgeCV(np.logspace(-2, 3, 21)).fit((cells - scale[0]) / scale[1], towers.reco)
    told = ridge.predict((asked[known] - scale[0]) / scale[1])
    row = value(table, "RMSE (kg C m-2 yr-1)", "far sites", "ridge, cells")
    assert row.n == known.sum()
    assert row.value == pytest.approx(mean_squared_error(sites.reco_median[known] / 1000, told) ** 0.5, rel=1e-3)

    land = grids.where((grids.igbp > 0) & (grids.igbp < 17)).to_dataframe().dropna(subset=channels).reset_index()
    weight = np.cos(np.radians(land.lat))
    mean = np.average(ridge.predict((land[channels] - scale[0]) / scale[1]), weights=weight)
    assert value(table, "mean, by area", "land", "ridge, cells").value == pytest.approx(mean, rel=1e-3)


@pytest.mark.long
def test_on_real_towers_the_years_are_those_of_plain_pandas(real, real_data):
    years = real[1]
    flux = pd.read_csv(real_data / "fluxnet2015_annual_fluxes.csv").dropna(subset=["site", "reco_nt", "reco_dt"])
    flux = flux[(flux.nee_qc >= 0.5) & flux.reco_nt.between(10, 5000) & flux.reco_dt.between(10, 5000)]
    many = flux[flux.groupby("site").site.transform("size") >= 3]
    away = many[["reco_nt", "reco_dt"]] - many.groupby("site")[["reco_nt", "reco_dt"]].transform("mean")
    spread, mean = many.groupby("site").reco_nt.std() / 1000, many.groupby("site").reco_nt.mean() / 1000
    expected = {"STDEV of years (kg C m-2 yr-1)": spread.mean(), "r of years, night and day": away.corr().iloc[0, 1]}
    expected["STDEV over mean RECO, median (%)"] = 100 * (spread / mean).median()
    for score, true in expected.items():
        assert at_years(years, "label", "night-time", score).value == pytest.approx(true, rel=1e-6)

    models = pd.read_csv(real_data / "isimip2a_site_annual.csv.gz")
    both = flux.dropna(subset=["gpp_nt"]).merge(models[models.model == "lpjml"], on=["site", "year"])
    both = both[both.groupby("site").site.transform("size") >= 3].assign(reco=lambda t: 0.54 * t.gpp + t.rh)
    away = both[["gpp_nt", "gpp"]] - both.groupby("site")[["gpp_nt", "gpp"]].transform("mean")
    assert at_years(years, "GPP", "lpjml", "r").value == pytest.approx(away.corr().iloc[0, 1], rel=1e-6)
    sd = both.groupby("site")[["reco_nt", "reco"]].std().mean()
    assert at_years(years, "RECO, CUE 0.46", "lpjml", "sd_ratio").value == pytest.approx(sd.reco / sd.reco_nt, rel=1e-6)
