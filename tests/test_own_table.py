"""A table of one's own, from the page's example down to the least that will do, through all chapters it can have."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.run import __main__ as runner
from helpers.run.chapters import Book
from helpers.workspace import ROOT, Workspace

PAGE = (ROOT / "book" / "your_own.md").read_text(encoding="utf-8")
SMALL = {
    "03_cnn_ablation": {"networks": 1, "iterations": 20, "average_last": 5},
    "08_splits_and_leakage": {
        "ladder_folds": 3,
        "ladder_networks": 1,
        "frozen_iterations": 5,
        "redrawn_iterations": 60,
        "random_cells": 100,
        "forest_trees": 3,
        "honest_rungs": ["sites"],
        "honest_iterations": 5,
        "inner_folds": 2,
        "site_draws": 100,
    },
    "09_is_there_a_lag": {
        "lag_networks": 1,
        "redrawn_networks": 1,
        "curve_networks": 1,
        "lag_iterations": 10,
        "permutations": 2,
        "curve_scales": [6, 12],
    },
}
"""Settings by which the chapters end in seconds; their numbers mean nothing."""


def example(heading):
    """Return the profile that the page shows below a sentence."""
    return yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE[PAGE.index(heading) :], re.DOTALL)[1])


def site_years(sites=14, years=range(2004, 2009)):
    """Return made site-years: RECO (g) follows temperature and rain of the place, and a little of the year."""
    rng = np.random.default_rng(5)
    rows = []
    for k in range(sites):
        t, rain, light = rng.uniform(-2, 26), rng.uniform(200, 2500), rng.uniform(80, 260)
        lat, lon = rng.uniform(-40, 65), rng.uniform(-150, 150)
        for year in years:
            dt, wet = rng.normal(0, 0.5), rng.normal(0, 0.1)
            reco = 150 + 35 * (t + dt) + 0.35 * rain * (1 + wet) + rng.normal(0, 30)
            rows.append((f"S{k:02d}", year, lat, lon, reco, t + dt, rain * (1 + wet), light + rng.normal(0, 3)))
    return pd.DataFrame(rows, columns=["station", "year", "lat", "lon", "reco_g", "t_air", "rain", "sw_in"])


def monthly_climate(table, years=range(2000, 2009)):
    """Return made monthly climate at the sites of a table."""
    rng = np.random.default_rng(6)
    sites = table.drop_duplicates("station")
    months = pd.MultiIndex.from_product([sites.station, years, range(1, 13)], names=["site", "year", "month"])
    frame = months.to_frame(index=False).merge(
        sites[["station", "lat", "t_air", "rain"]], left_on="site", right_on="station"
    )
    tmin = frame.t_air - 5 - 8 * np.cos(2 * np.pi * frame.month / 12)
    rain = frame.rain / 12 * rng.gamma(4, 0.25, len(frame))
    out = frame[["site", "lat", "year", "month"]].assign(tmin=tmin, tmax=tmin + 10, precipitation=rain)
    return out.round(3)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book with the chapters and helpers of this one, and profiles and outputs of its own."""
    root = tmp_path / "book"
    (root / "notebooks" / "profiles").mkdir(parents=True)
    (root / "src").mkdir()
    for name in ("src/helpers", "data", "book", "_toc.yml", "_config.yml", "requirements.txt"):
        (root / name).symlink_to(ROOT / name)
    for path in [ROOT / "notebooks" / "chapters.yml", *(ROOT / "notebooks").glob("*.ipynb")]:
        shutil.copy(path, root / "notebooks" / path.name)
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "outputs"))
    return Book(root, tmp_path / "outputs", tmp_path / "build")


def run(book, profile):
    """Run a profile, in small settings; return its workspace."""
    for stem, values in SMALL.items():
        profile[stem] = (profile.get(stem) or {}) | values
    (book.notebooks / "profiles" / "mine.yml").write_text(yaml.safe_dump(profile))
    plan = runner.plan(book, runner.parser().parse_args(["--profile", "mine", "--no-pages"]))
    assert runner.run(plan) == len(profile["chapters"])
    return Workspace("mine", root=book.outputs)


@pytest.mark.long
def test_the_example_of_the_page_runs(book):
    profile, table = example("To use a table of your own"), site_years()
    table = table.assign(qc=0.9, cover="Evergreen Needleleaf Forests")
    assert set(profile["02_site_sampling"]["table_columns"].values()) <= set(table.columns)
    table.to_csv(book.root / profile["02_site_sampling"]["towers_table"], index=False)
    monthly_climate(table).to_csv(book.root / profile["common"]["climate_table"], index=False)
    ws = run(book, profile)
    samples = ws.read("samples")
    assert samples.predictor.values.tolist() == profile["common"]["channels"] and set(samples.igbp.values) == {1}
    assert samples.sizes["sample"] == len(table) and 0.1 < samples.reco.mean() < 3
    assert ws.has("ladder") and ws.has("lag")


@pytest.mark.parametrize("left_out", [["08", "14"], pytest.param(["14"], marks=pytest.mark.long)])
def test_the_least_table_runs(book, left_out):
    profile, table = example("The least table"), site_years()
    for number in left_out:  # no table changes chapter 14, and the other test has it
        profile["chapters"].remove(number)
    table.to_csv(book.root / profile["02_site_sampling"]["towers_table"], index=False)
    assert {"igbp", "nee_qc", "reco_dt"}.isdisjoint(profile["02_site_sampling"]["table_columns"])
    ws = run(book, profile)
    samples, dropped = ws.read("samples"), ws.read("dropped")
    assert samples.sizes["sample"] == len(table) and set(samples.igbp.values) == {-1} and np.isnan(samples.qc).all()
    assert "any QC: the input has no flag" in set(dropped.rule)
    assert ws.read("ablation").model.values.tolist() == ["CNN1"] and ws.has("ladder") == ("08" not in left_out)
