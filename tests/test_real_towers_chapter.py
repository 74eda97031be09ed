"""The page on real towers, on kept numbers that were made up: what it says follows them, whichever way they fall."""

import re
import shutil

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from test_lags_verdict import numbers as lag_table

from helpers import measured
from helpers.run import chapters, sources
from helpers.workspace import ARTEFACTS, ROOT, Workspace

STEM = "14_real_towers"
UNIT = "kg C m-2 yr-1"
HEAD = {"date": "2024-02-29", "commit": "1234567890" * 4, "commands": "make it"}
MODELS = ["mean", "site's own mean", "ridge", "random forest", "gradient boosting", "CNN1", "CNN-SPEIopt", "honest CNN"]


def ladder(honest, fell):
    """The published network falls from 0.99 to ``fell``; the honest one reaches ``honest``, the best baseline 0.5."""
    r2 = dict.fromkeys(MODELS, 0.2) | {"ridge": 0.5, "site's own mean": 0.9, "CNN-SPEIopt": fell, "honest CNN": honest}
    rows = [("re-drawn", m, "r2", v) for m, v in {"CNN1": 0.98, "CNN-SPEIopt": 0.99, "CNN1 on noise": 0.97}.items()]
    rows += [(split, m, "r2", v) for split in ("random", "sites", "kNNDM") for m, v in r2.items()]
    rows += [("sites", "CNN1 on noise", "r2", -0.7)]
    table = pd.DataFrame(rows, columns=["split", "model", "metric", "value"])
    return table.assign(low=table.value - 0.1, high=table.value + 0.05, seeds=4, folds=5, n=321, groups=45)


def scales(years):
    """Of the years within sites the ridge regression explains ``years``."""
    rows = [
        ("sites", m, s, "r2", 0.4) for m in ("ridge", "CNN1") for s in ("all", "across sites", "within sites", "trends")
    ]
    table = pd.DataFrame(rows, columns=["split", "model", "scale", "metric", "value"])
    table.loc[(table.scale == "within sites"), "value"] = [years, -0.5]
    return table.assign(low=table.value - 0.1, high=table.value + 0.1, sites=45, n=321)


def land():
    where = ["places folds", "kNNDM folds", "far sites", "far sites, inside", "far sites, outside"]
    rows = [("R²", w, m, v) for w in where for m, v in {"mean": 0.0, "ridge, own": 0.3, "forest, cells": 0.4}.items()]
    rmse = dict(zip(where, (0.5, 0.6, 0.55, 0.45, 0.85), strict=True))
    rows += [(f"RMSE ({UNIT})", w, "forest, cells", v) for w, v in rmse.items()]
    rows += [
        ("total (Pg C yr-1)", "land", m, v) for m, v in {"mean": 150, "ridge, own": 101, "forest, cells": 99}.items()
    ]
    rows += [("land inside (%)", "by area", "kNNDM folds", 77.7)]
    years = {"sd_ratio": 0.25, "sd_r": 0.1, "r": 0.3, "ratio": 0.28, "skill": 0.08}
    rows += [(f"{score} of years within sites", "towers", m, v) for m in ("OLD", "NEW") for score, v in years.items()]
    table = pd.DataFrame(rows, columns=["quantity", "where", "model", "value"])
    return table.assign(n=45, low=table.value - 0.1, high=table.value + 0.1)


def keep(folder, *, honest=0.6, fell=-0.2, years=0.05, curve=(0.1, 0.01), slope=0.0):
    """Keep made tables as `helpers.measured` does."""
    ws = Workspace("sites", root=folder / "outputs")
    table1 = pd.DataFrame([(f"CNN{k}", s) for k in range(1, 7) for s in ("train", "test")], columns=["model", "split"])
    ws.write("table1", table1.assign(metric="r2", paper=0.98, **{"this run": np.linspace(0.97, 0.99, 12), "n": 321}))
    scored = pd.DataFrame(
        {"model": ["CNN-SPEIopt", "OLD", "NEW"], "kind": ["CNN", "process model", "data-driven"], "n": 58}
    )
    ws.write("validation_scores", scored.assign(r2=[-0.5, -3.0, 0.4], r2_pearson=[0.2, 0.8, 0.7]))
    ws.write("ladder", ladder(honest, fell))
    ws.write("scales", scales(years))
    ws.write("lag", lag_table(slope=slope))
    months = pd.DataFrame(
        {"months": [12, 24], "gain": [-0.1, curve[0]], "p_holm": [0.5, curve[1]], "n": 300, "seeds": 4}
    )
    ws.write("lag_curve", months.assign(low=months.gain - 0.05, high=months.gain + 0.05))
    ws.write("real_land", land())
    kept = folder / "measured"
    kept.mkdir()
    measured.write(ws, HEAD, {ARTEFACTS[name].made_by for name in measured.KEPT}, kept)
    shutil.copy(measured.FOLDER / measured.GPP_TRENDS, kept)
    return kept


def run(folder, kept, profile="tiny"):
    """Run the page; return what it says, in words and in tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECO_OUTPUTS", str(folder / "none"))
        notebooks, page = ROOT / "notebooks", folder / f"{profile}.ipynb"
        papermill.execute_notebook(
            notebooks / f"{STEM}.ipynb", page, {"profile": profile, "measured_folder": str(kept)},
            cwd=notebooks, progress_bar=False, kernel_name="python3",
        )  # fmt: skip
    outputs = [output.get("data", {}) for cell in nbformat.read(page, 4).cells for output in cell.get("outputs", [])]
    return "\n".join(data.get("text/markdown") or data.get("text/plain", "") for data in outputs)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    return run(folder, keep(folder))


def test_it_needs_no_chapter_and_grows_stale_with_any_kept_number():
    (chapter,) = (c for c in chapters.discover(ROOT / "notebooks") if c.stem == STEM)
    assert not chapter.inputs and not chapter.writes
    data = sources.digests(chapter.trees, ROOT)[1]
    files = [*measured.FOLDER.glob("*.csv"), *measured.MADE.glob("*.csv")]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= set(data)
    assert not any(
        name == "helpers.run" or name.startswith("helpers.measured")
        for t in chapter.trees
        for name in sources.imported(t)
    )


def test_it_says_whose_numbers_these_are_and_how_they_are_made(said):
    assert "those of **321 real site-years at 45 places**" in said
    assert "2024-02-29" in said and "1234567890 " in said and "make it" in said
    assert "made/lag_power.csv" in said


def test_what_it_says_of_the_scores_follows_the_ladder(said):
    assert "scores 0.990 (0.890 to 1.040) by the paper's split reaches −0.20 (−0.30 to −0.15)" in said
    assert "not known to be more than the mean of all samples would" in said
    assert "A ridge regression reaches 0.50" in said
    assert "is the better map" not in said
    assert "by folds *kNNDM* the honest network, at 0.60 (0.50 to 0.65), reaches the best baseline (ridge: 0.50" in said
    assert "scores 0.970 (0.870 to 1.020) by the paper's split, and −0.70" in said
    assert "Known to beat the statement that all years of a site are alike: none." in said


def test_what_it_says_of_land_towers_and_lag_follows_the_tables(said):
    assert "by 71 to 88 %. Here it is, by model: " in said and "OLD −75 %" in said
    assert "last year's SPEI12 adds to ln RECO −0.010 to +0.010" in said
    assert "At 58 site-years its R² is −0.50, r² 0.20" in said
    assert "The best by R² is NEW (0.40), the best by r² OLD (0.80)" in said
    assert "the greatest gain is that of 24 months, +0.100 (+0.050 to +0.150)" in said
    assert "a gain is sure at 24" in said
    assert "no test that can part one year from another finds a lag" in said
    assert "best map (forest, cells) explains 0.40 (0.30 to 0.50)" in said
    assert "Its RMSE is 0.45 kg C m⁻² yr⁻¹ inside the area of applicability and 0.85 outside." in said
    assert "totals range from 99 to 101 Pg C a year" in said


def test_it_says_the_contrary_of_contrary_numbers(tmp_path):
    said = run(tmp_path, keep(tmp_path, honest=0.3, fell=0.6, years=0.3, curve=(0.1, 0.2), slope=0.02))
    assert (
        "reaches 0.60 (0.50 to 0.65) at places that it has never seen, more than the mean of all samples would" in said
    )
    assert "falls short of the best baseline (ridge: 0.50" in said
    assert "folds *sites*: ridge, by" in said and "it is the better map" in said
    assert "all years of a site are alike: ridge." in said
    assert "a gain is sure at none of them" in said
    assert "within sites RECO does go with last year's water" in said


def test_it_is_one_page_in_every_profile(said, tmp_path):
    other = run(tmp_path, keep(tmp_path), profile="other")
    assert "This book was made with profile *other*." in other
    assert re.sub(r"profile \*\w+\*", "", other) == re.sub(r"profile \*\w+\*", "", said)


def test_without_a_kept_file_it_names_the_file_and_the_remedy(tmp_path):
    kept = keep(tmp_path)
    (kept / "sites_lag.csv").unlink()
    with pytest.raises(papermill.PapermillExecutionError, match=r"sites_lag.csv: expected kept numbers, found no file"):
        run(tmp_path, kept)
