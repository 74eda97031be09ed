"""The leaderboard: scores by hand, who can't be told apart, and hand-ins that lack something."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, root_mean_squared_error

from helpers.publish import leaderboard


def make_labels(rng, sites=20):
    years = rng.integers(2, 9, sites)
    site = np.repeat([f"S{k:02d}" for k in range(sites)], years)
    year = np.concatenate([2000 + np.arange(n) for n in years])
    reco = np.repeat(rng.gamma(4, 0.3, sites), years) + rng.normal(0, 0.15, site.size)
    return pd.DataFrame({"site": site, "year": year, "reco": reco})


def noisy(labels, rng, spread=0.35):
    """What a model says that errs by site and by year."""
    _, which = np.unique(labels["site"], return_inverse=True)
    own = rng.normal(0, spread, which.max() + 1)[which]
    return labels["reco"].to_numpy() + own + rng.normal(0, 0.15, len(labels))


def by_loop(labels, a, b):
    """How many of all choices of signs have rank sums as one-sided, by counting the choices of each sum."""
    difference = ((labels["reco"] - a) ** 2 - (labels["reco"] - b) ** 2).groupby(labels["site"]).sum().to_numpy()
    order = np.argsort(np.abs(difference))
    ways = {0: 1}
    for rank in range(1, len(order) + 1):
        ways = {w: ways.get(w, 0) + ways.get(w - rank, 0) for w in {*ways, *(w + rank for w in ways)}}
    up = sum(rank for rank, k in enumerate(order, 1) if difference[k] > 0)
    least = min(up, len(order) * (len(order) + 1) // 2 - up)
    return min(1.0, 2 * sum(n for w, n in ways.items() if w <= least) / 2 ** len(order))


def holm(p):
    """Adjust by Holm's rule, slowly."""
    out, least = np.ones(len(p)), 0.0
    for step, k in enumerate(np.argsort(p)):
        least = out[k] = max(least, min(1.0, p[k] * (len(p) - step)))
    return out


def test_the_board_is_that_of_a_slow_loop():
    rng = np.random.default_rng(3)
    labels = make_labels(rng, 40)
    told = {name: noisy(labels, rng, spread) for name, spread in (("b", 0.3), ("a", 0.1), ("c", 3.0))}
    table = leaderboard.board(labels, told, 300, 0.05, 1)
    scores = sorted(told, key=lambda name: -r2_score(labels["reco"], told[name]))
    assert list(table["name"]) == scores and list(table["rank"]) == [1, 2, 3]
    pairs = [(0, 1), (0, 2), (1, 2)]
    p = [by_loop(labels, told[scores[i]], told[scores[j]]) for i, j in pairs]
    for k, name in enumerate(scores):
        row = table.iloc[k]
        assert row.r2 == pytest.approx(r2_score(labels["reco"], told[name]))
        assert row.rmse == pytest.approx(root_mean_squared_error(labels["reco"], told[name]))
        assert row.bias == pytest.approx((told[name] - labels["reco"]).mean())
        assert row.r2_low < row.r2 < row.r2_high
        if k:
            assert row.p == pytest.approx(p[k - 1]) and row.p_holm == pytest.approx(holm(p)[k - 1])
            assert row.behind == pytest.approx(table.r2[0] - row.r2)
    assert list(table["apart"]) == [False, *(holm(p)[:2] < 0.05)] and table["apart"].any()


def test_the_order_of_rows_and_files_and_another_seed_change_no_verdict():
    rng = np.random.default_rng(4)
    labels = make_labels(rng)
    told = {name: noisy(labels, rng) for name in "abc"}
    one = leaderboard.board(labels, told, 200, 0.05, 1)
    order = rng.permutation(len(labels))
    moved = {name: told[name][order] for name in "cab"}
    two = leaderboard.board(labels.iloc[order].reset_index(drop=True), moved, 200, 0.05, 1)
    pd.testing.assert_frame_equal(one, two)
    again = leaderboard.board(labels, told, 200, 0.05, 2)
    pd.testing.assert_frame_equal(one[["name", "r2", "p_holm"]], again[["name", "r2", "p_holm"]])


def test_equal_hand_ins_share_a_rank_and_are_never_told_apart():
    rng = np.random.default_rng(5)
    labels = make_labels(rng)
    same = noisy(labels, rng)
    table = leaderboard.board(labels, {"a": same, "b": same.copy(), "c": noisy(labels, rng, 2.0)}, 200, 0.05, 1)
    assert list(table["rank"]) == [1, 1, 3]
    assert table.p_holm[1] == 1.0 and not table.apart[1] and table.behind[1] == 0.0
    perfect = labels["reco"].to_numpy()
    table = leaderboard.board(labels, {"a": perfect, "b": perfect.copy()}, 200, 0.05, 1)
    assert list(table["rank"]) == [1, 1] and not table.apart.any()


def test_one_site_of_a_huge_error_hides_nobody():
    rng = np.random.default_rng(8)
    labels = make_labels(rng)
    known, far = noisy(labels, rng, 0.1), labels["reco"].mean() * np.ones(len(labels))
    far[labels["site"] == "S00"] += 30.0
    table = leaderboard.board(labels, {"learnt": known, "mean": far}, 200, 0.05, 1)
    assert table.apart[1] and table.behind_low[1] > 0


@pytest.mark.parametrize(("models", "sites"), [(2, 15), (4, 30)])
def test_where_all_are_equally_good_somebody_is_told_apart_about_as_often_as_the_level_says(models, sites):
    rng, found, boards = np.random.default_rng(6), 0, 150
    for _ in range(boards):
        labels = make_labels(rng, sites).assign(site=lambda table: table["site"].str[1:].astype(int))
        told = {k: noisy(labels, rng) for k in range(models)}
        found += (leaderboard.pairwise(labels, told)["p_holm"] < 0.1).any()
    # Holm's rule calls no more than the level says, and of many pairs that hang together fewer
    assert (0.05 if models == 2 else 0.02) < found / boards < 0.15


def test_one_hand_in_alone_is_the_first():
    labels = make_labels(np.random.default_rng(2))
    table = leaderboard.board(labels, {"a": noisy(labels, np.random.default_rng(1))}, 100, 0.05, 1)
    assert list(table["rank"]) == [1] and not table.apart.any()


def write(folder, name, table, **how):
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / name, index=False, **how)


def test_files_that_lack_rows_are_listed_and_do_not_stop_the_others(tmp_path, capsys):
    rng = np.random.default_rng(7)
    labels, folder = make_labels(rng), tmp_path / "handed_in"
    write(tmp_path, "labels.csv", labels)
    good = labels.assign(reco=noisy(labels, rng))
    write(folder, "<script>alert(1)<b>.csv", good.sample(frac=1, random_state=1))
    write(folder, "Renée.csv", good.assign(reco=noisy(labels, rng)), sep=";", decimal=",")
    write(folder, "short.csv", good.iloc[2:])
    write(folder, "twice.csv", pd.concat([good, good.iloc[:1]]))
    write(folder, "strange.csv", good.assign(site=good["site"].replace("S00", "S99")))
    write(folder, "grams.csv", good.assign(reco=1000 * good["reco"].abs() + 16))
    write(folder, "gaps.csv", good.assign(reco=good["reco"].where(good.index > 0)))
    write(folder, "columns.csv", good.rename(columns={"reco": "RECO"}))
    (folder / "empty.csv").write_text("")
    (folder / "notes.txt").write_text("not a hand-in")
    write(folder, ".hidden.csv", good)
    write(folder, "=cmd.csv", good.assign(reco=noisy(labels, rng)))
    line = [str(tmp_path / "labels.csv"), str(folder), "--to", str(tmp_path / "board"), "--draws", "200"]
    assert leaderboard.main(line) == 0
    said, n = capsys.readouterr().out, len(labels)
    wrong = {
        "short": f"each of {n} site-years, found 2 missing, the first S00 in 2000; add them",
        "twice": "found 1 there twice, the first S00 in 2000; keep one",
        "strange": "that nobody asked for, the first S99 in 2000",
        "grams": f"found {n} beyond -5 to 15 kg C m-2 yr-1",
        "gaps": "found 1 without a number, the first S00 in 2000",
        "columns": "column 'reco' is not there",
        "empty": "",
    }
    table = pd.read_csv(tmp_path / "board" / "leaderboard.csv").set_index("name")
    assert set(table.index) == {"<script>alert(1)<b>", "Renée", "'=cmd", *wrong}
    beside = json.loads((tmp_path / "board" / "leaderboard.csv-metadata.json").read_text(encoding="utf-8"))
    assert "hand-ins of handed_in, scored by labels.csv" in beside["dc:source"] and beside["notes"][0]["seed"] == 2021
    assert {column["titles"] for column in beside["tableSchema"]["columns"] if "dc:description" in column} >= {"rmse"}
    for name, fault in wrong.items():
        assert fault in table.wrong[name] and np.isnan(table.r2[name]) and f"not scored: {name}: " in said
        assert str(tmp_path) not in table.wrong[name]
    assert table.r2[["<script>alert(1)<b>", "Renée"]].notna().all()
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "Renée" in page and str(tmp_path) not in page
    first = [(tmp_path / "board" / name).read_bytes() for name in ("index.html", "leaderboard.csv")]
    leaderboard.main(line)
    assert first == [(tmp_path / "board" / name).read_bytes() for name in ("index.html", "leaderboard.csv")]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda labels: labels.assign(site="A").drop_duplicates("year"), "expected labels of 6 sites or more, found 1"),
        (lambda labels: pd.concat([labels, labels.iloc[:3]]), "found 3 there twice"),
        (lambda labels: labels.drop(columns="year"), "column 'year' is not there"),
    ],
)
def test_labels_that_cannot_be_are_one_line(tmp_path, capsys, spoil, said):
    labels = make_labels(np.random.default_rng(8))
    write(tmp_path, "labels.csv", spoil(labels))
    write(tmp_path / "in", "a.csv", labels)
    assert leaderboard.main([str(tmp_path / "labels.csv"), str(tmp_path / "in")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("draws", ["99", "1000000000000"])
def test_draws_that_cannot_be_are_one_line(capsys, draws):
    assert leaderboard.main(["labels.csv", "in", "--draws", draws]) == 2
    error = capsys.readouterr().err
    assert "expected --draws of 100 to 1000000" in error and error.count("\n") == 1


def test_a_folder_without_hand_ins_or_with_none_that_count_is_one_line(tmp_path, capsys):
    labels = make_labels(np.random.default_rng(9))
    write(tmp_path, "labels.csv", labels)
    (tmp_path / "in").mkdir()
    for said in ("found none; name the folder", "found none; a: expected reco once"):
        assert leaderboard.main([str(tmp_path / "labels.csv"), str(tmp_path / "in")]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
        write(tmp_path / "in", "a.csv", labels.iloc[1:])


def test_the_name_of_a_hand_in_is_of_printable_letters(tmp_path):
    labels = make_labels(np.random.default_rng(1))
    labels.to_csv(tmp_path / "\u202ea\x1bb.csv", index=False)
    told, _ = leaderboard.handed_in(tmp_path, labels)
    assert list(told) == [r"\u202ea\x1bb"]
