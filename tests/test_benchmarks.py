"""What the benchmarks share, and the table that make bench keeps: ratios, fits, peaks, goals, who is busy."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from helpers.workspace import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import harness
import run


def test_the_exponent_and_its_error_are_those_of_a_regression_of_logarithms():
    rng, sizes = np.random.default_rng(1), np.array([8, 16, 32, 64, 128])
    values = 0.3 * sizes**1.7 * np.exp(rng.normal(0, 0.1, sizes.size))
    fit = sm.OLS(np.log(values), sm.add_constant(np.log(sizes))).fit()
    assert harness.exponent(sizes, values) == pytest.approx((fit.params[1], fit.bse[1]))


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by `wait` alone, on a machine on which half of a core is busy with other things."""
    now = [0.0]
    monkeypatch.setattr(harness, "perf_counter", lambda: now[0])
    monkeypatch.setattr(harness, "others", lambda: lambda: 0.5)

    def wait(seconds):
        now[0] += seconds

    return wait


def test_growth_times_the_work_alone_and_every_size(clock, monkeypatch):
    monkeypatch.setattr(harness, "peak", lambda prepare, size: {"mib": 7.0 * size})

    def prepare(size):
        clock(100)
        return lambda: clock(size**2)

    time, memory = harness.growth([1, 2, 4], prepare)
    assert time["value"] == pytest.approx(2) and time["measured"] == [1, 4, 16] and time["ours_s"] == 16
    assert time["low"] <= time["value"] <= time["high"] and time["others"] == 0.5
    assert memory["value"] == pytest.approx(1) and memory["measured"] == [7, 14, 28]


def test_a_ratio_is_the_median_of_the_rounds_either_way_round(clock):
    took = {"ours": iter([9, 1, 2, 4]), "plain": iter([9, 3, 8, 8])}  # the first of each doesn't count
    found = harness.paired(*(lambda name=name: clock(next(took[name])) for name in ("ours", "plain")), rounds=3)
    assert [found[name] for name in ("value", "low", "high", "ours_s", "plain_s")] == [3, 2, 4, 2, 8]
    took = {"ours": iter([9, 1, 2, 4]), "plain": iter([9, 3, 8, 8])}
    sides = [lambda name=name: clock(next(took[name])) for name in ("ours", "plain")]
    found = harness.paired(*sides, rounds=3, kind="slowdown", share=0.5)  # plain did half of the work
    assert [found[name] for name in ("value", "low", "high", "plain_s")] == pytest.approx([1 / 6, 1 / 8, 1 / 4, 16])


BURN = """
import sys, time
while time.process_time() < 0.5: pass
print(time.process_time(), flush=True)
sys.stdin.read()
"""


def test_what_a_child_computes_is_our_own_while_it_lives_and_after():
    before = harness.own_seconds()
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        burnt = float(child.stdout.readline())
        assert harness.own_seconds() - before > burnt - 0.1
        child.stdin.close()
    assert harness.own_seconds() - before > burnt - 0.1


def hold(mib):
    return lambda: np.ones(mib * 2**17)


def test_a_peak_is_that_of_the_piece_whatever_this_process_held_before():
    before = np.ones(400 * 2**17)
    del before
    found = harness.peak(hold, 200)
    assert 195 < found["mib"] < 260 and 20 < found["imports"] < 2000


@pytest.mark.parametrize(
    ("value", "goal", "reached"),
    [(6.0, ">= 6", True), (5.9, ">= 6", False), (1.5, "<= 1.5", True), (1.51, "<= 1.5", False), (3.0, "", None)],
)
def test_a_goal_is_judged_by_its_value(value, goal, reached):
    assert harness.reached(value, goal) is reached


def test_a_goal_that_nobody_can_judge_is_refused():
    with pytest.raises((KeyError, ValueError)):
        harness.note("a", {"kind": "share", "value": 0.5}, goal="0.45 or more")


def noted(tmp_path, monkeypatch):
    """Note a speed-up, and growth on a busy machine; return the rows as they were kept."""
    path = tmp_path / "noted.jsonl"
    monkeypatch.setenv(harness.RESULTS, str(path))
    found = {"kind": "speedup", "value": 6.5, "others": 0.0, "rounds": 5}
    harness.note("a", found, goal=">= 6", work=46, work_unit="file")
    found = {"kind": "growth of time", "value": 1.2, "others": 0.9, "sizes": [1, 2.5], "measured": [0.1, 2.0]}
    harness.note("b", found, goal="<= 1.1")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_all_rows_have_the_columns_of_the_table_goals_judged_and_busy_ones_marked(tmp_path, monkeypatch):
    rows = noted(tmp_path, monkeypatch)
    run.keep({"x": rows}, "123", tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv")
    assert list(back.columns) == harness.COLUMNS
    back = back.set_index("what")
    assert back.reached.tolist() == [True, False] and back.busy.tolist() == [False, True]
    assert back.unit.tolist() == ["plain / ours", "exponent"] and back["work"]["a"] == 46
    assert back.sizes["b"] == "1 2.5" and back.measured["b"] == "0.1 2"
    with pytest.raises(ValueError, match="expected columns of the table, found cells"):
        harness.note("c", {"kind": "peak", "value": 1.0, "cells": 3})


def test_a_script_s_new_rows_take_the_place_of_its_own_earlier_ones_only(tmp_path, monkeypatch):
    path, rows = tmp_path / "t.csv", noted(tmp_path, monkeypatch)
    run.keep({"x": rows, "y": rows}, "old", path)
    run.keep({"x": rows[:1]}, "new", path)
    found = pd.read_csv(path)[["script", "what", "commit"]].values.tolist()
    assert found == [["x", "a", "new"], ["y", "a", "old"], ["y", "b", "old"]]


def test_what_a_script_notes_is_collected_though_it_fails_later(tmp_path, monkeypatch):
    rows = noted(tmp_path, monkeypatch)
    script = tmp_path / "trial.py"
    copy = f"open(os.environ[{harness.RESULTS!r}], 'w').write(open('{tmp_path}/noted.jsonl').read())"
    script.write_text(f"import os, sys\n{copy}\nsys.exit('no more')\n")
    collected, well = run.run(script)
    assert not well and collected == rows


def test_every_script_is_found_and_the_kept_table_has_its_machine():
    kept = ROOT / "data" / "bench"
    about, table = json.loads((kept / "machine.json").read_text()), pd.read_csv(kept / "results.csv")
    assert {"processor", "cores", "memory_gib", "gemm_one", "gemm_all", "numpy", "torch", "commit", "date"} <= set(
        about
    )
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert scripts >= run.NONE and set(table.script) == scripts - run.NONE
    assert list(table.columns) == harness.COLUMNS and not table.duplicated(["script", "what", "kind"]).any()
    judged = [harness.reached(row.value, row.goal) for row in table.fillna({"goal": ""}).itertuples()]
    assert table.reached.astype(object).where(table.reached.notna(), None).tolist() == judged
