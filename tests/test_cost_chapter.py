"""The page on cost and scale, on a table that was made up: its hours are those of a slow and obvious count."""

import json
import sys

import pandas as pd
import papermill
import pytest
import yaml

from helpers.run import chapters, reach
from helpers.workspace import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import harness

STEM = "16_cost_and_scale"
GROWTH = {  # what: (seconds at the greatest size, work there, its unit)
    "training by members": (2.0, 100, "step of a network"),
    "training by samples": (1.0, 100, "step of a network, 4000 samples"),
    "mapping by cells": (3.0, 1_000_000, "window of a network"),
    "mapping by members": (1.0, 100, "window of a network"),
    "OLS by cells": (1.0, 1_000_000, "line of a cell"),
    "OLS by years": (1.0, 100, "line of a cell, 80 years"),
    "Mann–Kendall by cells": (5.0, 1_000_000, "rank test of a cell"),
    "dissimilarity by cells": (7.0, 1_000_000, "index of a cell"),
}


def keep(folder, without=""):
    """Write a table in which time and memory go by the size, and a cluster on which training loses nothing."""
    rows = []
    for what, (seconds, work, unit) in GROWTH.items():
        for kind, largest in (("growth of time", seconds), ("growth of memory", 80)):
            row = {"script": "growth", "what": what, "kind": kind, "value": 1.0, "goal": "<= 1.1", "reached": True}
            row |= {"sizes": "500 1000 2000 4000", "measured": " ".join(str(largest * k / 8) for k in (1, 2, 4, 8))}
            if kind == "growth of time":
                row |= {"ours_s": seconds, "work": work, "work_unit": unit, "threads": 1}
            rows.append(row)
    rows.append({"script": "growth", "what": "libraries of a worker", "kind": "peak", "value": 300.0, "threads": 1})
    cluster = {"goal": ">= 1.7", "reached": True, "value": 2.0, "ours_s": 5.0, "threads": 2}
    rows.append({"script": "cluster", "what": "training 64 networks, two workers", "kind": "speedup"} | cluster)
    par = {"script": "full_size_year", "what": "reading glass_par", "threads": 4}
    read = {
        "kind": "slowdown",
        "value": 2.0,
        "ours_s": 30.0,
        "work": 15,
        "work_unit": "file of glass_par",
        "busy": True,
    }
    rows += [par | read, par | {"kind": "peak", "value": 512.0}]
    folder.mkdir()
    table = pd.DataFrame([row for row in rows if row["what"] != without], columns=harness.COLUMNS)
    table.to_csv(folder / "results.csv", index=False)
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
    assert float(row(text.split("Hours of")[1], "reading ")[0]) == pytest.approx(daily, rel=0.006)
    assert glued["lacking"].startswith("file of glass_fapar") and "glass_par" not in glued["lacking"]
    assert row(text.split("Peak memory")[1], "reading glass_par")[:3] == ["512", "4", "2.00"]


def test_goals_are_counted_where_there_are_some(page):
    _, glued = page
    assert glued["goals"] == glued["goals_reached"] == str(2 * len(GROWTH) + 1)


def test_the_serial_part_is_the_cluster_s_or_assumed(page):
    text, _ = page
    assert row(text, "training  0.00") == ["a", "cluster", "of", "two"] and row(text, "mapping   0.05") == ["assumed"]


def test_a_row_that_the_count_needs_is_named_when_it_is_missing(run, tmp_path):
    kept = keep(tmp_path / "bench", without="OLS by cells")
    message = "expected a row 'OLS by cells' of growth of time, found none; run make bench ONLY=growth"
    with pytest.raises(papermill.PapermillExecutionError, match=message):
        run(kept)
