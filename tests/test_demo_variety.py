"""What cells and towers of the Demo Earth have of their own: as much as stated, measured back from what is made."""

import numpy as np
import pandas as pd
import pytest
from pyhdf.SD import SD
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_planet import WHOLE

from helpers.demo import carbon, fields, planet, satellites, towers, variety

FINER = WHOLE | {"resolution": 3.0, "lag_weights": (0.05, 0.15, 0.08)}


@pytest.fixture(scope="module")
def hard():
    return planet.make(3, sizes=variety.HARD, **FINER)


@pytest.fixture(scope="module")
def easy():
    return planet.make(3, **FINER)


@pytest.fixture(scope="module")
def network(hard):
    return towers.network(hard, 200, 30, variety.HARD.tower)[0]


def respired(p):
    return p.annual("gpp", total=True) - p.annual("npp", total=True) + p.annual("rh", total=True)


def components(values, by):
    """Return the standard deviations within and between groups (analysis of variance)."""
    groups = values.groupby(by)
    n = groups.size()
    within = ((values - groups.transform("mean")) ** 2).sum() / (len(values) - len(n))
    between = (n * (groups.mean() - values.mean()) ** 2).sum() / (len(n) - 1)
    each = (len(values) - (n**2).sum() / len(values)) / (len(n) - 1)
    return np.sqrt(within), np.sqrt((between - within) / each)


def test_the_easy_planet_is_as_it_was_before_there_was_another():
    p = planet.make(7, lag_weights=(0.05, 0.15, 0.08), **WHOLE)
    before = {
        "gpp": [0.7096669627883064, 0.9033016293078863, 0.2504842495545745],
        "npp": [0.3365242965562391, 0.404563280498422, 0.14977926341816783],
        "rh": [0.32728072483957704, 0.3999030639441126, 0.11826408086120051],
    }
    for name, numbers in before.items():
        yearly = p.annual(name, total=True)
        np.testing.assert_allclose([yearly.mean(), yearly.std(), yearly[-1, 100]], numbers, rtol=1e-5)
    rows = towers.observe(p, towers.network(p, 40, 8, 0.15)[0], 0.05, "fluxnet2015")
    told = [len(rows), rows["reco"].mean(), rows["reco_dt"].mean(), rows["gpp"].mean()]
    np.testing.assert_allclose(told, [203, 785.1746598965459, 784.3927587294539, 794.8443072578647], rtol=1e-5)


def test_no_size_is_no_variety():
    assert variety.draw(variety.HARD.times(0), np.zeros(2), np.zeros(2), np.ones(2, int), 3, 1) is None
    assert variety.HARD.times(0).tower == variety.HARD.tower and variety.HARD.times(2).soil == 2 * variety.HARD.soil


def test_cells_differ_as_much_as_stated(hard):
    for name, size in {"efficiency": 0.20, "life": 0.36, "litter": 0.36, "soil": 0.16, "start": 0.16}.items():
        log = np.log(getattr(hard.own, name))
        assert log.std() == pytest.approx(size, rel=0.25), name
        assert np.exp(log).mean() == pytest.approx(1, abs=size / 2), name
    cue = hard.annual("npp", total=True).mean(axis=0) / np.maximum(hard.annual("gpp", total=True).mean(axis=0), 1e-9)
    alive = hard.annual("gpp", total=True).mean(axis=0) > 0.1
    table = np.average(carbon.use_efficiency(hard.yearly_tmp), axis=0)
    assert np.std((cue - table)[alive]) == pytest.approx(0.085, rel=0.25)
    assert cue[alive].min() >= 0.2199 and cue[alive].max() <= 0.7901
    assert np.log(hard.own.years).std() == pytest.approx(0.08, rel=0.1)


def test_events_return_as_stated_and_strike_any_share():
    cells = 2000
    lat, lon = np.linspace(-60, 60, cells), np.linspace(-170, 170, cells)
    for code, interval in ((5, 75.0), (2, 1000.0), (12, np.inf)):
        struck = variety.events(1.0, lat, lon, np.full(cells, code), 400, 5)
        assert struck.mean() / 0.95 == pytest.approx(1 / interval, rel=0.15, abs=1e-9)
    share = variety.events(1.0, lat, lon, np.full(cells, 5), 400, 5)
    assert share[share > 0].mean() == pytest.approx(0.95 / 2, rel=0.05) and share.max() <= 0.95
    assert not variety.events(0.0, lat, lon, np.full(cells, 5), 40, 5).any()


def test_what_an_event_took_comes_back_by_the_exponential():
    struck = np.zeros((30, 2))
    struck[2, 0], struck[[4, 9], 1] = 0.6, 0.5
    missing = variety.lost(struck, 12.0)
    assert (missing[:3, 0] == 0).all()
    np.testing.assert_allclose(missing[3:, 0], 0.6 * np.exp(-np.arange(1, 28) / 12), rtol=1e-5)
    first = 0.5 * np.exp(-5 / 12)  # what the first event still lacks when the second takes half of what is there
    assert missing[10, 1] == pytest.approx((first + 0.5 * (1 - first)) * np.exp(-1 / 12), rel=1e-5)


def test_carbon_closes_with_smoke_and_agrees_with_a_plain_loop():
    rng = np.random.default_rng(3)
    npp, rate = rng.gamma(2, 0.03, (60, 2)), rng.gamma(3, 0.4, (60, 2))
    one, killed = np.ones(2), np.zeros((5, 2))
    killed[[1, 3], 0] = 0.4, 0.9
    traits = {"life": one * 1.3, "litter": one * 0.8, "soil": one * 1.2, "humified": one * 1.1, "start": one * 1.5}
    rest = dict.fromkeys(("efficiency", "use_efficiency", "years", "leaves", "vigour"), one)
    struck = np.zeros((60, 2))
    struck[59, 0] = 0.5  # in the year before the first
    own = variety.Peculiar(**traits, **rest, killed=killed, struck=struck)
    rh, pools = carbon.drain(npp, rate, np.array([1.5, 10.0]), own=own)
    smoke = carbon.exported(pools, own)
    balance = (npp - rh).reshape(5, 12, 2).sum(axis=1) - smoke
    np.testing.assert_allclose(np.diff(pools.sum(axis=0), axis=0), balance[1:], atol=1e-12)
    life, fast, slow, share = 1.5 * 1.3, 0.5 * 0.8, 0.012 * 1.2, 0.3 * 1.1
    income, mean = 12 * npp[:, 0].mean(), rate[:, 0].mean()
    biomass, litter, soil = income * life, income / (fast * mean), 1.5 * share * income / (slow * mean)
    biomass *= 1 - 0.5 * np.exp(-1 / life)
    burnt = []
    for k in range(60):
        fallen, decayed, lost = biomass / 12 / life, fast / 12 * rate[k, 0] * litter, slow / 12 * rate[k, 0] * soil
        biomass, litter, soil = biomass + npp[k, 0] - fallen, litter + fallen - decayed, soil + share * decayed - lost
        if k % 12 == 11:
            down = killed[k // 12, 0] * biomass
            burnt.append(0.22 * down)
            biomass, litter = biomass - down, litter + 0.78 * down
    np.testing.assert_allclose(pools[:, -1, 0], [biomass, litter, soil], rtol=1e-6)
    np.testing.assert_allclose(smoke[:, 0], burnt, rtol=1e-6)


def test_respiration_is_no_linear_image_of_production(hard, easy):
    def explained(p):
        npp, reco = p.annual("npp", total=True).mean(axis=0), respired(p).mean(axis=0)
        return np.corrcoef(npp[npp > 0.05], reco[npp > 0.05])[0, 1] ** 2

    assert explained(easy) > 0.98 and explained(hard) < 0.93


def test_site_effects_are_of_cell_and_tower_as_stated(hard, easy, network):
    cell = np.array([t.cell for t in network])
    level = respired(hard).mean(axis=0)[cell]
    of_cell = level - respired(easy).mean(axis=0)[cell]
    of_tower = level * (np.exp([t.effect for t in network]) - 1)
    assert 0.12 < of_cell.std() < 0.3 and 0.15 < of_tower.std() < 0.35
    assert 0.25 < (of_cell + of_tower).std() < 0.45
    assert np.stack([t.by_year for t in network]).std() == pytest.approx(0.09, rel=0.1)


def test_labels_err_as_night_and_day_partitioning_differ(hard, network):
    rows = towers.observe(hard, network, variety.HARD.noise, "fluxnet2015").dropna()
    rows = rows[(rows["qc"] >= 0.5) & rows["reco"].between(10, 5000)]
    within, between = components(np.log(rows["reco"] / rows["reco_dt"]), rows["site"])
    assert within == pytest.approx(0.168, rel=0.15) and between == pytest.approx(0.174, rel=0.3)
    rows = rows[rows.groupby("site")["site"].transform("size") >= 3]
    pair = rows[["reco", "reco_dt"]]
    anomaly = pair - pair.groupby(rows["site"]).transform("mean")
    assert 0.45 < anomaly.corr().iloc[0, 1] < 0.8 and 0.7 < pair.corr().iloc[0, 1] ** 2 < 0.93
    assert 110 < rows.groupby("site")["reco"].std().mean() < 220
    nee = rows["reco"] - rows["gpp"]
    exact = towers.observe(hard, network, 0.0, "fluxnet2015").loc[rows.index]
    np.testing.assert_allclose(exact["reco"].fillna(exact["reco_dt"]), exact["reco_dt"])
    # What is left of the error in NEE is what both partitionings share: NT's own is in GPP as well.
    off = (nee - (exact["reco_dt"] - exact["gpp"])) / exact["reco_dt"]
    assert off.std() == pytest.approx(0.045, rel=0.2)


def test_ridge_finds_at_unseen_places_less_than_on_the_easy_planet(hard, easy):
    scores = {p.sizes.tower: _ridge(p) for p in (hard, easy)}
    (places, within), (before, _) = scores[variety.HARD.tower], scores[variety.EASY.tower]
    assert 0.35 < places < 0.8 and places < before - 0.05
    assert -0.3 < within < 0.35


def _ridge(p):
    """Return R2 at unseen cells, and of anomalies within sites, on the kinds of predictor of real tower tables."""
    standing = towers.network(p, 200, 30, p.sizes.tower)[0]
    rows = towers.observe(p, standing, p.sizes.noise, "fluxnet2015").dropna()
    rows = rows[(rows["qc"] >= 0.5) & rows["reco"].between(10, 5000)].reset_index()
    at = rows["year"].to_numpy() - p.years[0], rows["cell"].to_numpy()
    rng, first = fields.stream(1, "noise"), p.all_years.size - p.product_years.size
    x = [p.annual("tmp")[at], p.annual("pre", total=True)[at], p.annual("par")[at]]
    x += [p.annual(name)[at] * np.exp(0.08 * rng.standard_normal(len(rows))) for name in ("lai", "ndvi")]
    x += [p.pools[2, first][at[1]] * np.exp(0.2 * rng.standard_normal(len(rows))), p.water[first:][at]]
    x, y = np.stack(x, axis=1), rows["reco"].to_numpy() / 1000
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 20)))
    folds = GroupKFold(5, shuffle=True, random_state=0)
    table = pd.DataFrame({"y": y, "x": cross_val_predict(model, x, y, groups=rows["cell"], cv=folds)})
    anomaly = table - table.groupby(rows["site"]).transform("mean")
    scores = [1 - ((t["y"] - t["x"]) ** 2).sum() / ((t["y"] - t["y"].mean()) ** 2).sum() for t in (table, anomaly)]
    return tuple(scores)


def test_errors_of_gross_and_net_production_share_most_of_their_noise(easy, tmp_path):
    paths = satellites.mod17a3hgf(tmp_path, easy, 0.08)[:4]
    raster = satellites.sinusoidal(easy)
    seen = {
        name: np.block([[SD(str(p)).select(name).get() for p in paths[k : k + 2]] for k in (0, 2)])
        for name in ("Npp_500m", "Gpp_500m")
    }
    cell = raster.cell
    good = (cell >= 0) & (seen["Npp_500m"] > 1000) & (seen["Npp_500m"] <= 32700)
    true = {"Npp_500m": easy.annual("npp", total=True)[0], "Gpp_500m": easy.annual("gpp", total=True)[0]}
    error = [np.log(seen[name][good] / 1e4 / true[name][cell[good]]) for name in seen]
    assert [e.std() for e in error] == pytest.approx([0.08, 0.08], rel=0.05)
    assert np.corrcoef(error)[0, 1] == pytest.approx(np.sqrt(satellites.SHARED), abs=0.02)
