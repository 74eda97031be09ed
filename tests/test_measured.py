"""What real runs gave: said when, from what and by which command; and the same when computed again without the book."""

import datetime
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import mean_squared_error, r2_score

from helpers import reported
from helpers.run import __main__ as runner
from helpers.run import measured, planets
from helpers.run.chapters import Book, UserError
from helpers.workspace import Workspace

FILES = sorted([*measured.FOLDER.glob("*.csv"), *measured.MADE.glob("*.csv")])
HEAD = {"date": "2024-02-29", "commit": "0" * 40, "commands": "a: b"}
MADE_BY = {"03_cnn_ablation", "04_validation"}
COLUMNS = {"CABLE-BIOS": "reco_cable_bios", "FLUXCOM-RS": "reco_fluxcom_rs"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_says_whence_it_is_and_holds_aggregates_only(path):
    """The ladder has a row for each of 6 splits, some 10 models and 5 scores, so rows may be many; but no column
    may hold enough names or numbers to tell 140 sites, let alone 790 site-years, apart."""
    head, table = reported.aggregates(path)
    assert datetime.date.fromisoformat(head["date"]) >= datetime.date(2021, 12, 3), "after the paper"
    assert re.fullmatch(r"[0-9a-f]{40}", head["commit"])
    profile, me = path.name.split("_")[0], r"python -m helpers(?:\.run)?\.measured"
    commands = {
        measured.GPP_TRENDS: rf"{me} --trends RECO_REAL_DATA/\w+\.nc",
        measured.LAG_POWER: rf"{me} --lags \d+",
        planets.TABLE: r"python -m helpers(?:\.run)?\.planets --planets \d+",
    }
    of_run = f"python -m helpers.run --profile {profile} --no-pages && {me} --profile {profile}"
    assert re.fullmatch(commands.get(path.name, of_run), head["commands"])
    labels = table.select_dtypes(exclude="float").columns
    assert 0 < len(table) <= 700 and len(labels) and not measured.SINGLE & set(table.columns)
    assert (table[labels].nunique() <= 40).all()


@pytest.fixture
def workspace(tmp_path):
    ws = Workspace("made", root=tmp_path / "outputs")
    ws.write("table1", pd.DataFrame({"model": ["CNN1"], "this run": [0.987654321]}))
    return ws


def test_written_tables_read_back(workspace, tmp_path):
    scores = pd.DataFrame({"model": ["A", "B"], "n": [3, 0], "r2": [0.5, np.nan]})
    workspace.write("validation_scores", scores)
    files = measured.write(workspace, HEAD, MADE_BY, tmp_path)
    assert [path.name for path in files] == ["made_table1.csv", "made_validation_scores.csv"]
    said, table = reported.aggregates(files[1])
    assert said == HEAD
    pd.testing.assert_frame_equal(table, scores)


def test_a_table_of_sites_or_years_is_never_kept(workspace, tmp_path):
    workspace.write("validation_scores", pd.DataFrame({"site": [1.0], "r2": [0.5]}))
    with pytest.raises(UserError, match="validation_scores: expected aggregates only, found the column site"):
        measured.write(workspace, HEAD, MADE_BY, tmp_path)
    assert not list(tmp_path.glob("*.csv"))


def test_a_file_that_says_not_where_it_comes_from_is_refused(tmp_path):
    path = tmp_path / "made.csv"
    with pytest.raises(FileNotFoundError, match="made.csv: expected kept numbers, found none"):
        reported.aggregates(path)
    path.write_text("# date: 2024-02-29\n# commands: x\na,b\n1,2\n")
    with pytest.raises(ValueError, match="found date, commands; make the file anew"):
        reported.aggregates(path)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("null,gain\nmoon,1\n", "row 1: expected one of none, true order, .* as null, found 'moon'"),
        ("null,gain\nnone,1\nnone\n", "expected rows as long as their header, found row 2 with 1 of 2"),
        ("null,gain\nnone,1\nnone,2,3\n", "found row 2 with 3 of 2"),
        ("null,gain\nnone,1\nnone,0.", "found none, or one cut short"),
        ("null,gain\n", "found none, or one cut short"),
        ("null,gain\nnone,1\nnone,2\nnone,x<i>\n", "row 3: expected a number as gain, found 'x<i>'"),
        ("null,gain\nnone,\xe9\n", "expected a table in UTF-8"),
    ],
)
def test_a_kept_table_that_is_damaged_or_has_another_word_is_one_line(tmp_path, body, expected):
    path = tmp_path / "made_lag.csv"
    path.write_bytes("".join(f"# {key}: {text}\n" for key, text in HEAD.items()).encode() + body.encode("latin-1"))
    with pytest.raises(ValueError, match=f"made_lag.csv: .*{expected}.*; make the file anew") as error:
        reported.aggregates(path)
    assert "\n" not in str(error.value)


def test_a_digit_that_was_flipped_since_a_table_was_kept_is_found(tmp_path):
    path = measured.write_table(tmp_path / "made_x.csv", HEAD, pd.DataFrame({"model": ["A"], "r2": [0.5]}))
    assert reported.aggregates(path)[0] == HEAD
    path.write_text(path.read_text().replace("A,0.5", "A,0.6"))
    with pytest.raises(ValueError, match=r"made_x.csv: expected the table that was kept, .* found another one"):
        reported.aggregates(path)
    assert all(
        "# sha256: " in file.read_text("utf-8")
        for file in [*measured.FOLDER.glob("*.csv"), *measured.MADE.glob("*.csv")]
    )


def test_no_number_of_a_made_world_stands_beside_real_ones():
    assert {path.name for path in measured.MADE.glob("*.csv")} == {measured.LAG_POWER, planets.TABLE}
    real = {f"sites_{name}.csv" for name in measured.AGGREGATES} | {measured.GPP_TRENDS}
    assert {path.name for path in measured.FOLDER.glob("*.csv")} == real


@pytest.mark.parametrize("count", ["0", "-5"])
def test_worlds_are_one_or_more(capsys, count):
    assert measured.main(["--lags", count]) == 2
    assert capsys.readouterr().err == f"helpers.run.measured: --lags: expected 1 or more, found {count}; correct it\n"


@pytest.mark.parametrize(
    ("given", "artefact", "found"),
    [
        ({}, None, "no chapter that reads a file or folder which the profile names"),
        ({"08": "towers.csv"}, "native", "the Demo Earth's native in its workspace"),
        ({"08": "outputs/demo/native"}, None, "08.data_folder at .*/outputs/demo/native"),
        ({"08": "towers.csv"}, None, None),
    ],
)
def test_only_a_run_on_real_data_is_kept(tmp_path, given, artefact, found):
    chapters = [SimpleNamespace(stem="08", writes={"ladder"}), SimpleNamespace(stem="14", writes=set())]
    outside = {stem: {"data_folder": tmp_path / path} for stem, path in given.items()}
    todo = SimpleNamespace(
        book=Book(tmp_path, tmp_path / "outputs", tmp_path / "build"),
        profile=SimpleNamespace(name="mine"),
        only=chapters,
        settings={chapter.stem: SimpleNamespace(outside=outside.get(chapter.stem, {})) for chapter in chapters},
    )
    if artefact:
        Workspace("mine", todo.book.outputs).path(artefact).mkdir(parents=True)
    if found is None:
        return measured.check_real(todo)
    with pytest.raises(UserError, match=f"^profile mine: expected a run on real data, found {found}; name another$"):
        measured.check_real(todo)


def kilometres(lat, lon, to_lat, to_lon):
    """Great-circle distance, by the angle between unit vectors."""
    a, b = (
        np.stack([np.cos(p) * np.cos(m), np.cos(p) * np.sin(m), np.sin(p)], axis=-1)
        for p, m in ((np.radians(lat), np.radians(lon)), (np.radians(to_lat), np.radians(to_lon)))
    )
    return 6371.007181 * np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(axis=-1))


def joined(folder):
    """OzFlux site-years whose predictors the FLUXNET2015 table has, with pandas alone."""
    oz, fluxnet = (pd.read_csv(folder / name) for name in ("ozflux_annual_reco.csv", "fluxnet2015_site_years.csv"))
    climate = set(pd.read_csv(folder / "fluxnet2015_monthly_climate.csv.gz").site)
    known = ["mat", "map", "shortwave", "lai", "evi", "soc_0_30_w4"]
    whole = fluxnet[fluxnet.site.isin(climate) & (fluxnet.year >= 2003)].dropna(subset=known)
    both = oz.merge(whole, on="year", suffixes=("", "_there"))
    apart = kilometres(both.latitude, both.longitude, both.latitude_there, both.longitude_there)
    both = both[apart <= 2].drop_duplicates(["site", "year"])
    return both[both.reco_observed.between(10, 5000, inclusive="neither")]


def test_rows_of_the_given_models_are_those_of_the_table(real_data):
    _, scores = reported.aggregates(measured.FOLDER / "sites_validation_scores.csv")
    rows = joined(real_data)
    assert scores.n.iloc[0] == len(rows)
    for name, column in COLUMNS.items():
        row = scores.set_index("model").loc[name]
        p = rows.dropna(subset=[column])
        observed, simulated = p.reco_observed / 1000, p[column] / 1000
        assert row.n == len(p)
        assert row.r2 == pytest.approx(r2_score(observed, simulated), rel=1e-4)
        assert row.r2_pearson == pytest.approx(stats.pearsonr(observed, simulated).statistic ** 2, rel=1e-4)
        assert row.rmse == pytest.approx(mean_squared_error(observed, simulated) ** 0.5, rel=1e-4)
        assert row.bias == pytest.approx((simulated - observed).mean(), rel=1e-4)
        sites = [g for _, g in p.groupby("site") if len(g) >= 3]
        sd = np.array([[np.std(g[c], ddof=1) for c in ("reco_observed", column)] for g in sites])
        r, level = stats.pearsonr(*sd.T)
        assert row.sd_sites == len(sites)
        assert (row.sd_r, row.sd_p) == pytest.approx((r, level), rel=1e-3)
        assert row.sd_ratio == pytest.approx(sd[:, 1].mean() / sd[:, 0].mean(), rel=1e-4)


def test_trends_of_gridded_gpp_come_out_again(real_data):
    head, kept = reported.aggregates(measured.FOLDER / measured.GPP_TRENDS)
    again = measured.gpp_trends(real_data / head["commands"].rpartition("/")[2])
    pd.testing.assert_frame_equal(again, kept, rtol=1e-5)


def test_nothing_is_kept_of_a_run_that_is_stale(mini):
    def plan(*arguments):
        return runner.plan(mini.book, runner.parser().parse_args(arguments))

    measured.check_fresh(plan())
    with pytest.raises(UserError, match="02_scaled: stale .* run python -m helpers.run --profile demo first"):
        measured.check_fresh(plan("--set", "factor=5"))
