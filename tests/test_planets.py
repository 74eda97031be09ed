"""The count of planets: what is kept is not made again, and what is counted is counted right."""

import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers.run import planets
from helpers.run.chapters import UserError
from helpers.workspace import Workspace


def rows(kind, seed, honest):
    """Two scored rows of one planet; the truth is 50 by land and 40 by cells."""
    table = {"quantity": "RECO rises (%)", "where": ["Global", "Tropics"], "truth": 50.0, "truth_cells": 40.0}
    table |= {"protocol": 60.0, "honest": honest, "low": [45.0, 51.0], "high": [55.0, 60.0]}
    table |= {"low_bootstrap": 58.0, "high_bootstrap": 62.0, "kind": kind, "seed": seed}
    return pd.DataFrame(table)


def test_a_row_is_held_when_the_truth_lies_inside_and_scored_against_its_own_truth():
    scored = pd.concat([rows("hard", 1, [50.0, 54.0]), rows("easy", 2, [48.0, np.nan])])
    table = planets.summary(scored).set_index("planets")
    assert table.loc["all", "rows"] == 3  # what is withheld isn't counted
    assert table.loc["all", "held"] == pytest.approx(200 / 3)
    assert table.loc["hard", "error"] == 2 and table.loc["hard", "error_protocol"] == 20
    # Widths 10 and 9; the second misses by 1, which costs 2 / 0.1.
    assert table.loc["hard", "score"] == pytest.approx((10 + 9 + 20) / 2)
    assert table.loc["hard", "score_bootstrap"] == pytest.approx(4 + 20 * 8)


def test_a_planet_that_was_scored_is_not_made_again_unless_by_other_code(tmp_path, monkeypatch):
    rows("no lag", 303, [50.0, 50.0]).assign(code="abc").to_csv(tmp_path / "no_lag-303.csv", index=False)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("a scored planet was run again"))
    assert len(planets.one("no lag", 303, tmp_path, "abc")) == 2
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess([], 1, "", ""))
    with pytest.raises(UserError, match="no_lag-303: stopped without a word"):
        planets.one("no lag", 303, tmp_path, "abd")
    failed = subprocess.CompletedProcess([], 1, "[1/9] 01: running\n", "helpers.run: 01: cell 3: no disk\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(UserError, match=r"easy-302: helpers.run: 01: cell 3: no disk"):
        planets.one("easy", 302, tmp_path, "abc")
    assert [path.name for path in tmp_path.iterdir()] == ["no_lag-303.csv"]


def test_each_kind_of_planet_sets_parameters_that_chapter_1_has():
    book = planets.Book.here()
    text = (book.notebooks / "01_data_preparation.ipynb").read_text(encoding="utf-8")
    for settings in planets.KINDS.values():
        assert all(f"{setting.split('=')[0]}: " in text for setting in settings)


def test_the_plain_bootstrap_is_a_slow_loop_over_drawn_years(tmp_path):
    rng = np.random.default_rng(1)
    at = {"year": np.arange(2000, 2008), "lat": [60.0, 0.0], "lon": [-90.0, 0.0, 90.0]}
    fields = {v: (("year", "lat", "lon"), 1 + 0.1 * rng.standard_normal((8, 2, 3))) for v in ("reco", "npp")}
    cubes = xr.Dataset(fields, at)
    band = xr.DataArray([[0] * 3, [1] * 3], {d: at[d] for d in ("lat", "lon")}, ("lat", "lon"))
    area = xr.DataArray([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]], band.coords, band.dims)
    held = {"reco": cubes[["reco"]], "predictors": cubes[["npp"]], "static": xr.Dataset({"area": area, "band": band})}
    ws = Workspace("made", tmp_path)
    ws.read = held.__getitem__
    found = planets.bootstrap(ws, draws=40, seed=3)
    again, shares = np.random.default_rng(3), []
    for _ in range(40):
        drawn = again.integers(8, size=8)
        years = at["year"][drawn].astype(float)
        slope = [np.polyfit(years, cubes.reco.values[drawn, 1, k], 1)[0] for k in range(3)]
        shares.append(100 * np.mean(np.array(slope) > 0))
    expected = np.quantile(shares, [0.05, 0.95])
    assert found.loc[("RECO rises (%)", "Tropics")].to_numpy() == pytest.approx(expected)


@pytest.mark.parametrize("count", ["0", "1000000000"])
def test_planets_that_nobody_can_make_are_refused_in_one_line(capsys, count):
    assert planets.main(["--planets", count, "--dry", "--set", "x=1"]) == 2
    said = f"helpers.run.planets: --planets: expected 1 to 10000, found {count}; correct it\n"
    assert capsys.readouterr().err == said
