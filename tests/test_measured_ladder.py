"""The kept ladder of real towers, worked out again from the table of site-years with pandas and scikit-learn alone.

Nothing of the book takes part but the kept file. Folds are dealt by lot, so a score is compared with those of several
deals of our own: it may lie as far from their mean as four of their standard deviations, or 0.02, whichever is more.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import reported
from helpers.run import measured

LADDER = measured.FOLDER / "sites_ladder.csv"
BASIC = ["mat", "map", "shortwave", "lai", "evi", "soc_0_30_w4"]
DEALS = 12
MODELS = {
    "ridge": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 5, 15))),
    "random forest": RandomForestRegressor(60, random_state=0),
    "gradient boosting": HistGradientBoostingRegressor(random_state=0),
}


@pytest.fixture(scope="module")
def ladder():
    """The kept scores by split, model and metric."""
    return reported.aggregates(LADDER)[1].set_index(["split", "model", "metric"])


@pytest.fixture(scope="module")
def site_years(real_data):
    """Site-years by the rules of the page: quality, range, months of satellites, soil, and three years of climate."""
    table = pd.read_csv(real_data / "fluxnet2015_site_years.csv")
    climate = pd.read_csv(real_data / "fluxnet2015_monthly_climate.csv.gz").dropna(subset=["precipitation"])
    months = climate.groupby(["site", "year"]).size().unstack(fill_value=0)
    three = months.T.rolling(3).sum().T.stack().rename("months").reset_index().query("months == 36")[["site", "year"]]
    table = table[(table.nee_qc >= 0.5) & (table.reco_nt > 10) & (table.reco_nt < 5000)]
    table = table[(table.lai_months >= 10) & (table.evi_months >= 10) & table.year.between(2000, 2018)]
    table = table.dropna(subset=BASIC).merge(three, on=["site", "year"]).reset_index(drop=True)
    return table.assign(reco=table.reco_nt / 1000, place=places(table))


def places(table, cell=0.05):
    """Number the places: towers whose windows of 3 x 3 cells share a cell are linked, and all that is linked is one."""
    row, column = np.floor((90 - table.latitude) / cell), np.floor((table.longitude + 180) / cell)
    near = [np.abs(v.to_numpy()[:, None] - v.to_numpy()) <= 2 for v in (row, column)]
    return connected_components(csr_matrix(near[0] & near[1]), directed=False)[1]


def test_the_site_years_and_places_are_as_many(ladder, site_years):
    assert (ladder.n == len(site_years)).all()
    assert (ladder.groups == site_years.place.nunique()).all()


def test_each_sites_own_mean_is_the_oracle(ladder, site_years):
    own = site_years.groupby("site").reco.transform("mean")
    for split in ("random", "sites", "kNNDM"):
        assert ladder.value[split, "site's own mean", "r2"] == pytest.approx(r2_score(site_years.reco, own), rel=1e-4)
        assert ladder.value[split, "site's own mean", "r2"] >= ladder.value[split].xs("r2", level="metric").max()
        rmse = root_mean_squared_error(site_years.reco, own)
        assert ladder.value[split, "site's own mean", "rmse"] == pytest.approx(rmse, rel=1e-4)


@pytest.mark.parametrize("split", ["random", "sites"])
@pytest.mark.parametrize("model", ["ridge", *(pytest.param(name, marks=pytest.mark.long) for name in list(MODELS)[1:])])
def test_a_baselines_score_is_that_of_other_deals_of_the_folds(ladder, site_years, model, split):
    folds = int(ladder.folds[split, model, "r2"])
    scores = []
    for deal in range(DEALS):
        x, y, place = site_years[BASIC], site_years.reco, site_years.place
        rule, groups = (GroupKFold, place) if split == "sites" else (KFold, None)
        rule = rule(folds, shuffle=True, random_state=deal)
        scores.append(r2_score(y, cross_val_predict(MODELS[model], x, y, groups=groups, cv=rule)))
    room = max(4 * np.std(scores, ddof=1), 0.02)
    assert ladder.value[split, model, "r2"] == pytest.approx(np.mean(scores), abs=room), np.round(scores, 3)
