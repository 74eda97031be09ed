"""A model of one's own, and predictions that others hand in, are scored as the book's own models are."""

import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from test_applicability_chapter import BRIEF as BRIEF_10
from test_applicability_chapter import made as mapped  # noqa: F401 (a fixture)
from test_lag_chapter import BRIEF as BRIEF_09
from test_lag_chapter import make_samples as samples_with_a_lag
from test_splits_chapter import BRIEF, make_samples, publish

from helpers.cnn import cross_validation, guests
from helpers.products import ProductError
from helpers.run import chapters, staleness
from helpers.workspace import HERE, ROOT, UserError, Workspace

MODULE = """
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

forest = RandomForestRegressor(15)
line = LinearRegression


def pipeline():
    return make_pipeline(StandardScaler(), RandomForestRegressor(5))


class Half:
    def fit(self, x, y):
        return self


seeded = RandomForestRegressor(random_state=3)
number = 4


def needs(settings):
    return settings


def fails():
    return 1 / 0
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of one's own in the folder where the command is given; its name is new in each test."""
    name = f"own_{tmp_path.name}_{tmp_path.parent.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setenv(HERE, str(tmp_path))
    monkeypatch.setattr("sys.path", [*sys.path])
    return name


@pytest.fixture(scope="module")
def samples():
    made, place = make_samples(np.random.default_rng(8))
    return made, place


@pytest.fixture(scope="module")
def rules(samples):
    rng, n = np.random.default_rng(1), samples[0].sizes["sample"]
    by_place = [rng.permutation(place_folds)[samples[1]] for place_folds in [np.arange(40) % 3] * 2]
    return {"random": [rng.permutation(np.arange(n) % 3) for _ in range(2)], "sites": by_place}


# The parameter: what it names, and how a wrong one is refused.


def test_an_instance_a_class_and_a_function_are_estimators_seeded_by_the_book_but_not_over_a_seed_of_their_own(module):
    forest = guests.own_model(f"{module}:forest", 7)
    assert (forest.n_estimators, forest.random_state) == (15, 7)
    assert isinstance(guests.own_model(f"{module}:line", 7), LinearRegression)
    piped = guests.own_model(f"{module}:pipeline", 7)
    assert piped.get_params()["randomforestregressor__random_state"] == 7
    assert guests.own_model(f"{module}:forest", 8).random_state == 8, "the module's own stays without one"
    assert guests.own_model(f"{module}:seeded", 8).random_state == 3
    assert isinstance(guests.own_model("sklearn.ensemble:RandomForestRegressor", 1), RandomForestRegressor)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "expected module:name"),
        (":line", "expected module:name"),
        ("no_such_module:line", "expected a module 'no_such_module'"),
        ("{}.py:line", "expected a module"),
        ("{}:lime", "AttributeError"),
        ("{}:number", "found int without fit"),
        ("{}:Half", "found Half without predict"),
        ("{}:needs", "TypeError"),
        ("{}:fails", "ZeroDivisionError"),
    ],
)
def test_a_wrong_name_is_one_line_that_names_the_parameter(module, text, said):
    with pytest.raises(UserError) as error:
        guests.own_model(text.format(module), 1, "08.own_model")
    assert str(error.value).startswith("08.own_model: ") and said in str(error.value)
    assert "\n" not in str(error.value)


def test_it_is_looked_at_before_anything_runs_and_its_file_and_name_make_chapters_stale(module, tmp_path):
    book, every = chapters.Book.here(), chapters.discover(ROOT / "notebooks")
    tiny = chapters.load(book, "tiny")

    def settings(text):
        return chapters.settings(tiny, every, [f"own_model={text}"], ROOT)

    with pytest.raises(UserError, match="own_model: expected a module 'nowhere'"):
        settings("nowhere:line")
    with pytest.raises(UserError, match=r"08_splits_and_leakage\.own_model: .*lime"):
        chapters.check_outside(tiny, every[7:8], settings(f"{module}:lime"))
    none, given = settings(""), settings(f"{module}:line")
    chapters.check_outside(tiny, every[7:8], given)
    stale = {stem for stem in none if none[stem].values != given[stem].values}
    assert {stem[:2] for stem in stale} == {"08", "09", "10"}

    digests = staleness.Digests(tmp_path / "digests.json")
    made_from = staleness.fingerprint(book, every[7], given[every[7].stem], digests)
    assert made_from["parameters"]["own_model"] == f"{module}:line"
    file = tmp_path / f"{module}.py"
    assert made_from["outside"] == {"own_model": digests.of(file)}
    file.write_text(MODULE + "\nother = 1\n")
    assert made_from["outside"] != {"own_model": digests.of(file)}
    assert none[every[7].stem].outside == {}


# Folds, and predictions made by them.


def test_a_forest_of_one_s_own_is_that_of_scikit_learn_in_the_same_folds(module, samples, rules):
    made, _ = samples
    table = cross_validation.fold_table(made, samples[1], rules)
    x, y = table[["mat", "npp"]], made.reco.values
    told = guests.out_of_fold(guests.own_model(f"{module}:forest", 5), [x[["npp"]], x], y, rules["sites"][1:])
    assert told.shape == (2, 1, len(y))
    forest, cut = RandomForestRegressor(15, random_state=5), PredefinedSplit(rules["sites"][1])
    np.testing.assert_array_equal(told[1, 0], cross_val_predict(forest, x, y, cv=cut))


def test_the_model_gets_a_table_with_the_names_of_the_predictors_and_must_give_a_number_a_sample():
    class Nameless(LinearRegression):
        def predict(self, x):
            assert list(x.columns) == ["mat", "npp"] and x.dtypes.eq("float64").all()
            return super().predict(x) * (np.nan if x["mat"].iloc[0] > 0 else 1)

    x = np.random.default_rng(1).normal(size=(20, 2)).astype("float32")
    model = guests.Named(Nameless(), ["mat", "npp"]).fit(x, x[:, 0])
    np.testing.assert_allclose(model.predict(-np.abs(x)), -np.abs(x[:, 0]), atol=1e-6)
    with pytest.raises(UserError, match="expected a number for each of 20 samples, found 20 that are not fin"):
        model.predict(np.abs(x))


def by_hand(table, path, rule, deals, write):
    """Least squares by normal equations, out of fold, from the table of folds alone, as any language could."""
    rows = []
    for deal in deals:
        fold = table[f"{rule}_{deal}"].to_numpy()
        x, y = np.column_stack([np.ones(len(table)), table[["mat", "npp", "soc_0"]]]), table["reco"].to_numpy()
        for k in sorted(set(fold)):
            a, b = x[fold != k], y[fold != k]
            said = x[fold == k] @ np.linalg.solve(a.T @ a, a.T @ b)
            own = table.loc[fold == k, ["site", "year"]].assign(rule=rule, deal=deal, fold=k, reco=said)
            rows.append(own)
    out = pd.concat(rows).sample(frac=1, random_state=1)
    out.to_csv(path, index=False, **write)
    return out


@pytest.mark.parametrize("write", [{}, {"sep": ";", "decimal": ","}])
def test_predictions_by_the_file_of_folds_are_those_of_the_same_model_by_name(module, samples, rules, tmp_path, write):
    made, place = samples
    cross_validation.fold_table(made, place, rules).to_csv(tmp_path / "folds.csv", index=False)
    table = pd.read_csv(tmp_path / "folds.csv")
    by_hand(table, tmp_path / "hand.csv", "sites", (1, 2), write)
    told = guests.own_predictions(tmp_path / "hand.csv", made, rules)
    assert list(told) == ["sites"] and told["sites"].shape == (2, 1, len(place))
    x = pd.DataFrame(made.window.sel(predictor=["mat", "npp", "soc_0"]).values[:, :, 1, 1], columns=["a", "b", "c"])
    by_name = guests.out_of_fold(guests.own_model(f"{module}:line", 1), [x], made.reco.values, rules["sites"])
    np.testing.assert_allclose(told["sites"][:, 0], by_name[0], atol=1e-9)


def test_the_table_of_folds_is_labelled_and_numbers_folds_from_one(samples, rules):
    made, place = samples
    table = cross_validation.fold_table(made, place, rules)
    assert list(table)[:4] == ["site", "year", "place", "reco"] and not table.duplicated(["site", "year"]).any()
    shuffled = made.isel(sample=np.random.default_rng(1).permutation(len(place)))
    where = pd.MultiIndex.from_arrays([shuffled.site.values, shuffled.year.values])
    again = table.set_index(["site", "year"]).loc[where]
    np.testing.assert_array_equal(again["npp"], shuffled.window.sel(predictor="npp", dy=1, dx=1).values)
    np.testing.assert_array_equal(table["sites_2"], rules["sites"][1] + 1)


def spoil(out, how):
    """Spoil a whole table of predictions in one way."""
    first = out.index[0]
    if how == "missing":
        return out.drop(out.index[:3])
    if how == "twice":
        return pd.concat([out, out.iloc[:2]])
    if how == "unknown":
        return out.assign(site=out["site"].where(out.index != first, "XX"))
    if how == "empty":
        return out.assign(reco=out["reco"].where(out.index != first))
    if how == "grams":
        return out.assign(reco=1000 * out["reco"])
    if how == "fold":
        return out.assign(fold=out["fold"] % 3 + 1)
    if how == "rule":
        return out.assign(rule="re-drawn")
    return out.assign(deal=2)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "found 3 missing, the first S"),
        ("twice", "found 2 there twice, the first S"),
        ("unknown", "found 1 that nobody asked for, the first XX in 200"),
        ("empty", "found 1 without a number, the first S"),
        ("grams", "found 250 beyond -5 to 15 kg C m-2 yr-1, the first S"),
        ("fold", "expected the folds of folds.csv, found 250 others, the first of S"),
        ("rule", "rule 're-drawn', deals [1]: expected one of random (1 to 2), sites (1 to 2)"),
        ("deal", "rule 'sites', deals [2]: expected one of"),
    ],
)
def test_a_spoilt_table_is_one_line_that_says_how_many_and_which_first(samples, rules, tmp_path, how, said):
    made, place = samples
    out = by_hand(cross_validation.fold_table(made, place, rules), tmp_path / "hand.csv", "sites", [1], {})
    spoil(out.reset_index(drop=True), how).to_csv(tmp_path / "hand.csv", index=False)
    with pytest.raises(UserError) as error:
        guests.own_predictions(tmp_path / "hand.csv", made, rules)
    assert str(tmp_path / "hand.csv") in str(error.value) and said in str(error.value)
    assert "\n" not in str(error.value)


def test_predictions_that_are_stated_in_another_unit_are_refused(tmp_path):
    path = tmp_path / "hand.csv"
    path.write_text("site,year,reco\n-,-,umol m-2 s-1\nA,2000,2.6\n")
    with pytest.raises(ProductError, match=r"column 'reco': expected reco in kg m-2 yr-1, found .*; convert it, or"):
        guests.predictions(path)


def test_predictions_that_know_unseen_places_better_than_others_know_seen_ones_look_like_a_leak():
    values = {("random", "ridge"): 0.8, ("random", "site's own mean"): 0.97, ("sites", "ridge"): 0.5}
    values |= {("sites", "good"): 0.78, ("sites", "lucky"): 0.82, ("sites", "peeped"): 0.95, ("random", "peeped"): 0.99}
    value = pd.Series(values)
    scores = pd.DataFrame({"value": value, "low": value - 0.05})
    own = ["good", "lucky", "peeped"]
    assert guests.leaks(scores, own, ["ridge", "forest", *own], ["sites", "kNNDM"]) == ["peeped"]


# Whole chapters.


@pytest.fixture
def path(module, tmp_path, monkeypatch):
    monkeypatch.setenv(HERE, str(tmp_path))
    return module


@pytest.mark.long
def test_on_the_ladder_own_rows_are_those_of_the_same_models_and_move_no_others(path, samples, run_chapter, tmp_path):
    ladders = {}
    handed = {}
    for name in ("line", "forest"):
        folder = tmp_path / name
        folder.mkdir()
        ws = Workspace("trial", root=folder)
        ws.write("samples", samples[0])
        publish(ws, samples[0])
        run_chapter("08_splits_and_leakage", folder, profile="trial", own_model=f"{path}:{name}", **BRIEF, **handed)
        ladders[name] = ws.read("ladder").set_index(["model", "split", "metric"])[["value", "low", "high"]]
        by_hand(ws.read("folds"), tmp_path / "hand.csv", "sites", (1, 2), {"sep": ";", "decimal": ","})
        handed = {"own_predictions": str(tmp_path / "hand.csv")}
    line, both = ladders["line"], ladders["forest"]
    pd.testing.assert_frame_equal(both.loc["own model"].sort_index(), both.loc["random forest"].sort_index())
    said = both.loc["own predictions"]
    assert len(said) == 6
    pd.testing.assert_frame_equal(said, line.loc["own model"].loc[said.index], rtol=1e-9)
    rest = both.drop(["own model", "own predictions"])
    pd.testing.assert_frame_equal(rest, line.drop("own model"))


@pytest.mark.long
def test_put_to_the_lag_test_a_line_gains_from_last_year_s_water_alone(path, run_chapter, tmp_path):
    ws = Workspace("trial", root=tmp_path)
    ws.write("samples", samples_with_a_lag(tmp_path, np.random.default_rng(3)))
    table = {"climate_table": str(tmp_path / "climate.csv")}
    run_chapter("09_is_there_a_lag", tmp_path, profile="trial", own_model=f"{path}:line", **table, **BRIEF_09)
    own = ws.read("lag").query("protocol == 'own model' and score == 'anomalies'")
    own = own.set_index(["null", "model", "reference"])
    last = own.loc[("none", "last year's water", "CNN1")]
    coming = own.loc[("coming year", "coming year's water", "CNN1")]
    assert last.low > 0.5 and last.p == pytest.approx(2 / 201), "the least that 200 draws can give"
    assert coming.low < 0 and abs(coming.gain) < 0.1


@pytest.mark.long
def test_its_map_is_what_it_says_of_each_cell_and_the_others_stay(path, mapped, run_chapter):  # noqa: F811
    before = mapped["applicability"].load()
    run_chapter("10_applicability", mapped["folder"].parent, profile="trial", own_model=f"{path}:line", **BRIEF_10)
    after = Workspace("trial", root=mapped["folder"].parent).read("applicability")
    assert set(after) - set(before) == {"mean_own", "aoa_own"}
    xr.testing.assert_identical(after[list(before)], before)
    samples, fields = mapped["samples"], mapped["fields"]
    names = [name for name in samples.predictor.values.tolist() if not name.startswith("spei")]
    x = samples.window.sel(predictor=names).values[:, :, 1, 1].astype("float64")
    model = LinearRegression().fit(x, samples.reco.values)
    cube = np.stack([np.broadcast_to(fields[n], fields.npp.shape) for n in names], -1).astype("float64")
    known = after.mean_own.notnull().values
    said = np.mean([model.predict(cube[t][known]) for t in range(len(cube))], axis=0)
    np.testing.assert_allclose(after.mean_own.values[known], said, rtol=1e-5)
    assert set(np.unique(after.aoa_own.values[known])) <= {0, 1} and after.aoa_own.values[known].mean() > 0
