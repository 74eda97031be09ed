"""Splits and applicability on real towers and real land: places, matching towards the land, and dissimilarity."""

from time import perf_counter

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers.space.regions import cell_area
from helpers.stats import applicability, splits


@pytest.fixture(scope="module")
def towers(real_data):
    """Site-years with good RECO and leaves; ``kept``: those of profile ``sites``, which also have soil and SPEI36.

    SPEI36 is there from 2003, at sites with a monthly climate (test_site_sampling.py runs the chapter and agrees).
    """
    table = pd.read_csv(real_data / "fluxnet2015_site_years.csv")
    climate = set(pd.read_csv(real_data / "fluxnet2015_monthly_climate.csv.gz").site)
    good = (table.nee_qc >= 0.5) & (table.reco_nt > 10) & (table.reco_nt < 5000)
    table = table[good & (table.lai_months >= 10) & (table.evi_months >= 10)]
    kept = table.soc_0_30_w4.notna() & (table.year >= 2003) & table.site.isin(climate)
    return table.assign(kept=kept)


@pytest.fixture(scope="module")
def land(real_data):
    """Land cells of the half-degree grid that have a value in every shared channel."""
    ds = xr.open_dataset(real_data / "static_grids_0p5.nc")[["mat", "map", "ppfd", "soc_0_30", "igbp"]]
    area = xr.DataArray(cell_area(ds.lat, ds.lon), coords={"lat": ds.lat, "lon": ds.lon}, dims=("lat", "lon"))
    cells = ds.assign(area=area).load().stack(cell=("lat", "lon"))
    return cells.where(~cells.igbp.isin([0, 17])).dropna("cell")


def count(groups):
    return len(np.unique(groups))


def test_places_of_the_real_table(towers):
    kept = towers[towers.kept]
    at, before = ((table.latitude.to_numpy(), table.longitude.to_numpy()) for table in (kept, towers))
    assert len(kept) == 790 and kept.site.nunique() == 140
    windows = splits.window_groups(*at, cell=0.05)
    assert count(windows) == 111  # windows of 3 × 3 cells that share a cell
    assert towers.site.nunique() == 148  # before the rules on soil and SPEI
    assert count(splits.window_groups(*before, cell=0.05)) == 114
    assert splits.divided(windows, kept.site.to_numpy()).size == 0


def test_matching_towards_real_land_takes_seconds(towers, land):
    kept = towers[towers.kept]
    lat, lon = kept.latitude.to_numpy(), kept.longitude.to_numpy()
    groups, rng = splits.window_groups(lat, lon), np.random.default_rng(2021)
    target, weight = (land.lat.to_numpy(), land.lon.to_numpy()), land.area.to_numpy()
    assert land.sizes["cell"] > 50_000
    start = perf_counter()
    found = splits.knndm(lat, lon, groups, *target, weight, k=5, rng=rng)
    assert perf_counter() - start < 30
    assert found.p < 1e-6 and splits.divided(found.folds, groups).size == 0
    grouped = splits.grouped_folds(groups, 5, rng)
    w = splits.wasserstein(splits.fold_distances(lat, lon, grouped), found.target_distances, weight)
    assert found.w < 0.5 * w
    some = np.random.default_rng(1).choice(len(weight), 6000, replace=False)
    fewer = splits.knndm(lat, lon, groups, *(axis[some] for axis in target), weight[some], k=5, rng=rng)
    assert fewer.w == pytest.approx(found.w, rel=0.1)  # a sample of the land will do


def test_dissimilarity_of_real_land(towers, land):
    kept = towers[towers.kept]
    train = kept[["mat", "map", "soc_0_30_w4"]].to_numpy()
    new = np.column_stack([land[name].to_numpy() for name in ("mat", "map", "soc_0_30")])
    folds = splits.grouped_folds(splits.window_groups(kept.latitude, kept.longitude), 5, np.random.default_rng(1))
    index = applicability.dissimilarity_index(train, new)
    limit = applicability.threshold(applicability.training_dissimilarity(train, folds))
    inside = applicability.area_of_applicability(index, limit)
    share = land.area.to_numpy() @ inside / float(land.area.sum())
    assert 0.3 < share < 0.999
    leaky = applicability.training_dissimilarity(train, splits.random_folds(790, 5, np.random.default_rng(1)))
    assert applicability.threshold(leaky) < 0.75 * limit  # years of one tower on both sides
    coldest = np.argsort(new[:, 0])[:100]
    assert index[coldest].mean() > 2 * index.mean()
