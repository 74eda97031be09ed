"""The page on cost and scale, on a table that was made up: its hours are those of a slow and obvious count."""

import json

import pandas as pd
import papermill
import pytest
import yaml

from helpers.run import chapters, reach
from helpers.workspace import ROOT

STEM = "16_cost_and_scale"
GROWTH = {  # what: (grows with, seconds at the greatest size, units of it)
    "training by members": ("members", 2.0, 100),
    "training by samples": ("samples", 1.0, 100),
    "mapping by cells": ("cells", 3.0, 1_000_000),
    "mapping by members": ("members", 1.0, 100),
    "OLS by cells": ("cells", 1.0, 1_000_000),
    "OLS by years": ("years", 1.0, 100),
    "Mann–Kendall by cells": ("cells", 5.0, 1_000_000),
    "dissimilarity by cells": ("cells", 7.0, 1_000_000),
}


def keep(folder, without=""):
    """Write a table in which time goes by the size, and a cluster on which training loses nothing."""
    rows = []
    for what, (by, seconds, units) in GROWTH.items():
        lists = {"sizes": "500 1000 2000 4000", "seconds": " ".join(str(seconds * k / 8) for k in (1, 2, 4, 8))}
        lists["peaks"] = "10 20 40 80" if by == "cells" or what == "training by members" else None
        rows.append({"what": f"growth: {what}", "by": by, "units": units, "imports": 300.0, "busy": False} | lists)
    rows.append({"what": "cluster: training, two workers", "goal": "≥ 1.7×", "reached": True, "ratio": 2.0})
    rows.append({"what": "glass_par", "ours": 30.0, "files": 15, "mib": 512.0, "busy": True})
    folder.mkdir()
    pd.DataFrame([row for row in rows if row["what"] != without]).to_csv(folder / "results.csv", index=False)
    about = {
        "processor": "Abacus 1",
        "cores": 4,
        "memory_gib": 8.0,
        "gemm_one": 100.0,
        "gemm_all": 390.0,
        "commit": "1" * 40,
    }
    (folder / "machine.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def run(run_chapter, tmp_path_factory):
    """Return a function that runs the page, and returns the texts of its tables, and what it glues by name."""

    def run(kept, **values):
        cells = run_chapter(
            STEM, tmp_path_factory.mktemp("page"), profile="tiny", bench_folder=str(kept), **values
        ).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        glued = {
            m["scrapbook"]["name"]: o["data"]["application/papermill.record/text/plain"].strip("'")
            for o in outputs
            if "scrapbook" in (m := o.get("metadata", {}))
        }
        return "\n".join(o.get("data", {}).get("text/plain", "") for o in outputs), glued

    return run


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    """The page for a core that is twice as fast as the table's: everything takes half of the time."""
    return run(keep(tmp_path_factory.mktemp("table") / "bench"), own_gemm=200.0)


def network_steps():
    """Count, one network after the other, what profile paper trains in chapters 3 and 11."""
    profile = yaml.safe_load((ROOT / "notebooks" / "profiles" / "paper.yml").read_text())
    (ablation,) = (c for c in chapters.discover(ROOT / "notebooks") if c.stem.startswith("03"))
    seeds = range(ablation.parameters["networks"].default)
    six = [
        (model, seed) for model in ["CNN1", "CNN2", "CNN3", "CNN4", "CNN5", "CNN6", "CNN5 shuffled"] for seed in seeds
    ]
    return len(six) * profile["03_cnn_ablation"]["iterations"], len(seeds) * profile["11_trends_that_survive"][
        "iterations"
    ]


def row(text, start):
    """Return the values of the first row of a table that starts so."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    return line[len(start) :].split()


def test_it_needs_no_chapter_and_grows_stale_with_the_table():
    (chapter,) = (c for c in chapters.discover(ROOT / "notebooks") if c.stem == STEM)
    assert not chapter.inputs and not chapter.writes and chapter.paths == {"bench_folder": "folder"}
    _, data = reach.of_cells(chapter.trees, ROOT)
    assert {ROOT / "data" / "bench" / name for name in ("results.csv", "machine.json")} <= set(data)


def test_hours_are_units_times_cost_and_pieces_bound_what_workers_gain(page):
    text, _ = page
    ablation, blind = network_steps()
    cost = 0.5 * 2.0 / 100 * 1000 / 769  # time goes by the number of samples, of which the paper has a thousand
    alone = row(text, "chapter 03: the six networks, and one with shuffled drought")
    assert float(alone[1].replace(",", "")) == pytest.approx(ablation * cost / 3600, rel=0.006)
    assert float(alone[2].replace(",", "")) == pytest.approx(ablation * cost / 3600 / int(alone[0]), rel=0.006)
    alone = row(text, "chapter 11: networks without NPP")
    assert alone[0] == "1" and alone[1] == alone[2]
    assert float(alone[1].replace(",", "")) == pytest.approx(blind * cost / 3600, rel=0.006)


def test_files_count_where_they_were_measured_and_are_named_where_not(page):
    text, glued = page
    daily = 0.5 * 19 * 365 * 4 * 30 / 15 / 3600  # on four cores
    assert float(row(text, "reading ")[0]) == pytest.approx(daily, rel=0.006)
    assert glued["lacking"].startswith("file of glass_fapar") and "glass_par" not in glued["lacking"]
    assert row(text.split("Peak memory")[1], "glass_par") == ["512", "2.00"]


def test_the_serial_part_is_the_cluster_s_or_assumed(page):
    text, _ = page
    assert row(text, "training  0.00") == ["a", "cluster", "of", "two"] and row(text, "mapping   0.05") == ["assumed"]


def test_a_row_that_the_count_needs_is_named_when_it_is_missing(run, tmp_path):
    kept = keep(tmp_path / "bench", without="growth: OLS by cells")
    with pytest.raises(
        papermill.PapermillExecutionError, match="expected a row 'growth: OLS by cells', found none; run make"
    ):
        run(kept)
