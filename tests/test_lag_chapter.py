"""Chapter 9: on made samples whose RECO answers last year's water alone, and the real table by other code."""

import shutil

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy import stats

from helpers import products
from helpers.run import chapters, reach
from helpers.stats import spei, splits
from helpers.stats.lags import BEFORE, COMING, LAST, STOPPED, THREE, TOTAL, YEARS
from helpers.workspace import ROOT, Workspace

BRIEF = {
    "lag_networks": 1, "redrawn_networks": 2, "lag_folds": 3, "lag_iterations": 12, "permutations": 3,
    "curve_scales": [12, 24], "curve_networks": 1, "site_draws": 200,
}  # fmt: skip


def test_of_the_kept_numbers_only_those_of_the_lag_make_the_chapter_stale():
    (found,) = (c for c in chapters.discover(ROOT / "notebooks") if c.stem == "09_is_there_a_lag")
    _, data = reach.of_cells(found.trees, ROOT)
    numbers = [path for path in data if path.parent.name in ("measured", "made")]
    assert numbers == [ROOT / "data" / "made" / "lag_power.csv"]


def make_samples(folder, rng):
    """Write monthly climate of 24 sites; return samples whose RECO answers last year's water alone."""
    sites, years = np.array([f"S{k:02d}" for k in range(24)]), np.arange(1996, 2014)
    index = pd.MultiIndex.from_product([sites, years, range(1, 13)], names=["site", "year", "month"])
    climate = pd.DataFrame({"lat": 40.0, "tmin": 5.0, "tmax": 15.0}, index)
    climate["precipitation"] = rng.gamma(2, 40, len(climate)) * np.repeat(rng.uniform(0.5, 1.5, 24 * 18), 12)
    climate.reset_index().to_csv(folder / "climate.csv", index=False)
    at = xr.Dataset({k: (("site", "time"), v.to_numpy().reshape(24, -1)) for k, v in climate.items() if k != "lat"})
    at = at.assign_coords(site=sites, time=pd.date_range("1996-01-01", periods=18 * 12, freq="MS")).assign(lat=40.0)
    water = spei.scales_at(at, (12, 24, 36))
    site, year = (
        xr.DataArray(v.ravel(), dims="sample") for v in np.meshgrid(sites, np.arange(2004, 2012), indexing="ij")
    )
    of = np.repeat(np.arange(24), 8)
    centre = {"mat": rng.standard_normal(24)[of] + 0.1 * rng.standard_normal(192), "npp": rng.standard_normal(192)}
    centre |= {f"spei{k}": spei.earlier(water.sel(scale=k), site, year) for k in (12, 24, 36)}
    last = spei.earlier(water.sel(scale=12), site, year, 1)
    values = np.stack([*centre.values()], axis=1).astype("float32")[:, :, None, None] * np.ones((3, 3), "float32")
    samples = xr.Dataset({"window": (("sample", "predictor", "dy", "dx"), values)}, {"predictor": list(centre)})
    samples["reco"] = "sample", np.exp(0.3 * centre["mat"] + 0.2 * last + 0.02 * rng.standard_normal(192))
    where = {
        "site": site.values,
        "year": year.values,
        "lat": np.full(192, 40.0),
        "lon": 5.0 * of,
        "cell": 9000 + 4 * of,
    }
    return samples.assign_coords({k: ("sample", v) for k, v in where.items()})


@pytest.fixture(scope="module")
def chapter(run_chapter, tmp_path_factory):
    """What the chapter leaves behind where last year's water is all that counts."""
    folder = tmp_path_factory.mktemp("lag")
    ws = Workspace("trial", root=folder)
    ws.write("samples", make_samples(folder, np.random.default_rng(3)))
    run_chapter("09_is_there_a_lag", folder, profile="trial", climate_table=str(folder / "climate.csv"), **BRIEF)
    return ws.read("lag"), ws.read("lag_curve")


class TestChapter:
    def test_regression_finds_the_water_that_counts_and_no_other(self, chapter):
        for protocol in ("within sites", TOTAL):
            slopes = chapter[0][chapter[0].protocol == protocol].set_index("model")
            assert slopes.gain[LAST] == pytest.approx(0.2, abs=0.02) and slopes.p_holm[LAST] < 1e-6
            assert slopes.p_holm[YEARS[0]] > 0.05 and slopes.p_holm[BEFORE] > 0.05
            assert slopes.p[COMING] > 0.05 and slopes.null[COMING] == "coming year"

    def test_gains_are_differences(self, chapter):
        for _, rows in chapter[0][chapter[0].null == "none"].groupby(["protocol", "score"]):
            if rows.score.iloc[0] == "slope":
                continue
            gain = rows.set_index(["model", "reference"]).gain
            assert gain[THREE, "CNN2"] == pytest.approx(gain[THREE, "CNN1"] - gain["CNN2", "CNN1"])
            assert gain["CNN5", "CNN2"] == pytest.approx(gain["CNN5", "CNN1"] - gain["CNN2", "CNN1"])
            assert len(rows) == 10 and (rows.low <= rows.gain).all() and (rows.gain <= rows.high).all()

    def test_the_shuffles_have_the_least_p_that_they_can_or_more(self, chapter):
        shuffled = chapter[0][chapter[0].null.isin(["among years", "among sites"])]
        assert len(shuffled) == 8 and set(shuffled.p) <= {0.25, 0.5, 0.75, 1.0}
        assert (shuffled.p_holm >= shuffled.p).all() and (shuffled.permutations == 3).all()
        true = chapter[0][chapter[0].null == "true order"].set_index(["protocol", "score"]).gain
        for row in shuffled.itertuples():
            assert (row.p == 0.25) == (row.high < true[row.protocol, row.score])

    def test_control_and_comparison_have_the_same_networks_and_equal_seeds(self, chapter):
        table = chapter[0][chapter[0].protocol.isin(["re-drawn", STOPPED]) & (chapter[0].model == "CNN5")]
        for _, rows in table[table.reference == "CNN1"].groupby(["protocol", "score"]):
            by_null = rows.set_index("null").gain
            assert by_null["true order"] == pytest.approx(by_null["none"]) and len(rows) == 4
            assert rows.seeds.nunique() == 1 and rows.folds.nunique() == 1

    def test_the_curve_has_every_scale_on_the_same_samples(self, chapter):
        curve = chapter[1]
        assert curve.months.tolist() == [12, 24] and curve.n.tolist() == [192, 192] and (curve.seeds == 1).all()


@pytest.mark.long
def test_on_the_real_table_the_slopes_are_those_of_statsmodels_with_a_dummy_a_site(
    sites_profile, real_samples, run_chapter, tmp_path
):
    shutil.copytree(real_samples.folder, tmp_path / "trial")
    climate, ws = sites_profile["09_is_there_a_lag"], Workspace("trial", root=tmp_path)
    run_chapter("09_is_there_a_lag", tmp_path, profile="trial", **climate | BRIEF)
    slopes, samples = ws.read("lag").query("score == 'slope'").set_index(["protocol", "model"]), ws.read("samples")
    options = {"columns": climate["climate_columns"], "precipitation": climate["climate_rain"]}
    water = spei.scales_at(products.read("site_climate", climate["climate_table"], **options), [12])[0].to_pandas()
    x = pd.DataFrame(samples.window.values[:, :, 1, 1].astype("float64"), columns=samples.predictor.values)
    for back, name in enumerate(YEARS):
        x[name] = [water.loc[y - back, s] for s, y in zip(samples.site.values, samples.year.values, strict=True)]
    assert x[YEARS[0]].to_numpy() == pytest.approx(x.spei12.to_numpy(), abs=1e-5)
    many = pd.Series(samples.site.values).duplicated(keep=False).to_numpy()
    fixed = [
        pd.get_dummies(samples[name].values[many], dtype=float).iloc[:, k:] for k, name in enumerate(("site", "year"))
    ]
    place = splits.window_groups(samples.lat.values, samples.lon.values)[many]
    both = np.column_stack([np.unique(each, return_inverse=True)[1] for each in (place, samples.year.values[many])])
    for protocol, dropped in (("within sites", []), (TOTAL, ["map", "lai", "evi"])):
        free = x[many].drop(columns=[*dropped, "soc_0_30", "spei12", "spei24", "spei36"])
        names, design = list(free), np.column_stack([free, *fixed])
        model = sm.OLS(np.log(samples.reco.values[many]), design)
        fits = [model.fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True) for of in (place, both)]
        for name in YEARS:
            k = names.index(name)
            row, error = slopes.loc[(protocol, name)], max(fit.bse[k] for fit in fits)
            assert row.gain == pytest.approx(fits[0].params[k], rel=1e-4)
            years = np.unique(both[:, 1]).size
            assert row.p == pytest.approx(2 * stats.t(years - 1).sf(abs(row.gain) / error), rel=1e-3)
