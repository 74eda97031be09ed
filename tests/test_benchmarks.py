"""What the benchmarks share, and the table that make bench keeps: fits, peaks, goals, rows of unlike columns."""

import json
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


def test_growth_times_the_work_alone_and_every_size(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(harness, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(harness, "others", lambda: 0.5)

    def wait(seconds):
        clock[0] += seconds

    def prepare(size):
        wait(100)
        return lambda: wait(size**2)

    found = harness.growth([1, 2, 4], prepare)
    assert found["exponent"] == pytest.approx(2) and found["seconds"] == [1, 4, 16] and found["others"] == 0.5


def hold(mib):
    return lambda: np.ones(mib * 2**17)


def test_a_peak_is_that_of_the_piece_whatever_this_process_held_before():
    before = np.ones(400 * 2**17)
    del before
    found = harness.peak(hold, 200)
    assert 195 < found["mib"] < 260 and 20 < found["imports"] < 2000


def rows(**other):
    return [{"what": "a", "goal": "≥ 6×", "ratio": 6.5, "others": 0.0}, {"what": "b", "others": 0.9, **other}]


def test_goals_are_judged_busy_rows_marked_and_unlike_columns_kept(tmp_path):
    noted = rows(sizes=[1, 2.5], goal="≤ 3×", ratio=0.32)
    table = run.keep(
        [run.table_of(noted, "x", "123"), run.table_of([{"what": "c", "goal": "55 %"}], "y", "123")], tmp_path / "t.csv"
    )
    back = pd.read_csv(tmp_path / "t.csv").set_index("what")
    assert list(back.index) == ["a", "b", "c"] == table.what.tolist()
    assert back.reached.fillna("").astype(str).tolist() == ["True", "False", ""]
    assert back.busy.tolist() == [False, True, False] and back.sizes["b"] == "1 2.5"


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        ({"goal": "3.5 times", "ratio": 3.4}, False),
        ({"goal": "≥ 55 %", "share": 0.56}, True),
        ({"goal": "0.45", "share": 0.44}, False),
        ({"goal": "≤ 1.5×", "ratio": 0.7}, True),
        ({"goal": "2 GiB or less", "mib": 2049.0}, False),
        ({"goal": "exponent ≤ 1.1", "exponent": 1.0}, True),
        ({"goal": "reads <= 3", "ratio": 0.5, "reads": 3.5}, False),
        ({"goal": "≥ 6×", "ratio": 7.0, "reached": False}, False),
        ({"goal": "sent once a worker", "ratio": 1.0}, None),
        ({"goal": "≥ 6×"}, None),
    ],
)
def test_a_goal_is_judged_by_what_was_measured_or_not_at_all(row, reached):
    assert run.reached(row) is reached


def test_shares_and_peaks_are_brought_to_one_unit():
    noted = [{"what": "a", "goal": "≥ 55 %", "share": 54.0}, {"what": "b", "goal": "2 GiB or less", "peak GiB": 1.5}]
    table = run.table_of([*noted, {"what": "c", "peak_GB": 2**30 / 1e9}], "x", "123")
    assert table.share[0] == 0.54 and table.mib[1:].tolist() == [1536, 1024]
    assert table.reached.tolist() == [False, True, None]


def test_a_script_s_new_rows_take_the_place_of_its_own_earlier_ones_only(tmp_path):
    path = tmp_path / "t.csv"
    run.keep([run.table_of(rows(), "x", "old"), run.table_of(rows(), "y", "old")], path)
    run.keep([run.table_of(rows()[:1], "x", "new")], path)
    back = pd.read_csv(path)
    assert back[["script", "what", "commit"]].values.tolist() == [
        ["x", "a", "new"],
        ["y", "a", "old"],
        ["y", "b", "old"],
    ]


def test_what_a_script_notes_is_collected_though_it_fails_later(tmp_path, monkeypatch):
    monkeypatch.setenv(harness.RESULTS, str(tmp_path / "own.jsonl"))
    harness.note("one", {"ratio": 2.0}, goal="≥ 1×", members=3)
    script = tmp_path / "trial.py"
    copy = f"open(os.environ[{harness.RESULTS!r}], 'w').write(open('{tmp_path}/own.jsonl').read())"
    script.write_text(f"import os, sys\n{copy}\nsys.exit('no more')\n")
    (row,), well = run.run(script)
    assert not well and row["what"] == "one" and row["members"] == 3
    assert run.table_of([row], "trial", "1").reached.tolist() == [True]


def test_every_script_is_found_and_the_kept_table_has_its_machine():
    kept = ROOT / "data" / "bench"
    about, table = json.loads((kept / "machine.json").read_text()), pd.read_csv(kept / "results.csv")
    assert {"processor", "cores", "memory_gib", "gemm_one", "gemm_all", "numpy", "torch", "commit", "date"} <= set(
        about
    )
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert scripts >= run.NONE and set(table.script) <= scripts - run.NONE
