"""What comes from outside the book: a model of one's own, and predictions that others hand in.

Models have scikit-learn's ``fit`` and ``predict``.
"""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from helpers.products import limits
from helpers.products.site_table import column_of, needed_of, one_file, rows
from helpers.products.units import refuse_other
from helpers.workspace import HERE, UserError


def own_module(text: str, place: str = "own_model") -> Path:
    """Return the file of the module in ``module:name``, looked for where the command was given, then on Python's path.

    Raises
    ------
    UserError
        The text is of another form, or there is no such module; ``place`` says which parameter it is.
    """
    name, _, attribute = text.partition(":")
    if not name or not attribute:
        raise UserError(f"{place}: expected module:name, such as my_models:forest, found {text!r}; correct it")
    here = os.environ.get(HERE) or str(Path.cwd())
    sys.path[:0] = [folder for folder in here.split(os.pathsep) if folder not in sys.path]
    importlib.invalidate_caches()
    try:
        spec, why = importlib.util.find_spec(name), "nothing"
    except Exception as error:  # noqa: BLE001 (a package above it runs code of somebody else's)
        spec, why = None, _told(error)
    if not spec or not spec.has_location:
        raise UserError(
            f"{place}: expected a module {name!r} in {here.split(os.pathsep)[0]} or on PYTHONPATH, found {why}; "
            "correct the name (without .py), or give the command where the file lies"
        )
    return Path(spec.origin)


def own_model(text: str, seed: int, place: str = "own_model") -> BaseEstimator:
    """Return the estimator that ``module:name`` names, unfitted.

    Parameters
    ----------
    text : str
        The name of an estimator of scikit-learn's kind, or of what gives one when it is called without arguments.
    seed : int
        For each ``random_state`` in it, also of the steps of a pipeline, that is None.
    place : str
        Which parameter it is, for messages.

    Raises
    ------
    UserError
        There is no such module or name, it raises an error, or gives something else.
    """
    own_module(text, place)
    try:
        found = pkgutil.resolve_name(text)
        called = isinstance(found, type) or (callable(found) and not hasattr(found, "fit"))
        model = found() if called else found
    except Exception as error:  # it is somebody else's code
        raise UserError(f"{place}: {text}: expected an estimator, found {_told(error)}; correct the module") from error
    for name in ("fit", "predict", "get_params"):
        if not callable(getattr(model, name, None)):
            raise UserError(
                f"{place}: {text}: expected an estimator of scikit-learn's kind, found {type(model).__name__} without "
                f"{name}; derive its class from sklearn.base.BaseEstimator and RegressorMixin"
            )
    model = clone(model)
    states = [key for key, value in model.get_params().items() if key.endswith("random_state") and value is None]
    return model.set_params(**dict.fromkeys(states, seed)) if states else model


def _told(error: Exception) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class Named:
    """An estimator that learns from tables with named columns, where a page of the book has arrays.

    Parameters
    ----------
    model : estimator
        Cloned for each fit.
    columns : sequence of str
        Names of the predictors.
    """

    def __init__(self, model: BaseEstimator, columns: Sequence[str]) -> None:
        self.model, self.columns = model, list(columns)

    def _table(self, x: ArrayLike) -> pd.DataFrame:
        return pd.DataFrame(np.asarray(x, np.float64), columns=self.columns)

    def fit(self, x: ArrayLike, y: ArrayLike) -> Named:
        """Learn from samples (sample, predictor) and their target (sample,); return the model."""
        self.fitted = clone(self.model).fit(self._table(x), np.asarray(y, np.float64))
        return self

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Return one number a sample (sample,); raise UserError where the model gives something else."""
        said = np.asarray(self.fitted.predict(self._table(x)), np.float64)
        bad = said.size - int(np.isfinite(said).sum())
        if said.size != len(x) or bad:
            found = f"{bad} that are not finite" if bad else f"shape {said.shape}"
            raise UserError(f"own_model: expected a number for each of {len(x)} samples, found {found}; correct it")
        return said.ravel()


def out_of_fold(
    model: BaseEstimator, tables: Iterable[pd.DataFrame], target: ArrayLike, folds: ArrayLike
) -> np.ndarray:
    """Return what a model makes of each fold after learning the others: (table, deal, sample), in the target's unit.

    Parameters
    ----------
    model : estimator
        Cloned for each fit.
    tables : iterable of DataFrame
        Predictors, a row a sample.
    target : array_like (sample,)
    folds : array_like of int (deal, sample)
    """
    target, folds = np.asarray(target, np.float64), np.asarray(folds)
    told = np.empty((len(tables := list(tables)), *folds.shape))
    for i, table in enumerate(tables):
        x, named = table.to_numpy(np.float64), Named(model, table.columns)
        for j, dealt in enumerate(folds):
            for fold in np.unique(dealt):
                held = dealt == fold
                told[i, j, held] = named.fit(x[~held], target[~held]).predict(x[held])
    return told


# Predictions that others hand in.


def predictions(path: str | Path) -> pd.DataFrame:
    """Read a table of predictions, made by any model in any language.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``site``, ``year`` and ``reco`` (kg C m-2 yr-1), and, if need be, ``rule``, ``deal``
        and ``fold`` (numbers from 1). Other columns are not looked at.

    Returns
    -------
    DataFrame
        These columns, as many as there are; ``reco`` is NaN where a cell is empty or holds a mark of gaps.

    Raises
    ------
    ProductError
        A column is not there, or a cell can't be what its column holds.
    """
    path = one_file([path], "predictions")
    table = rows(path)
    found = {"site": column_of(table, path, "site", "site"), "year": column_of(table, path, "year", "year")}
    refuse_other(table, path, "reco", "reco")
    found["reco"] = column_of(table, path, "predicted", "reco")  # by a name without limits: all that lie beyond count
    if "rule" in table:
        found["rule"] = column_of(table, path, "model", "rule")
    found |= {name: needed_of(table, path, name, 1, 10**6, whole=True) for name in ("deal", "fold") if name in table}
    return pd.DataFrame(found, index=table.index)


def matched(said: pd.DataFrame, site: ArrayLike, year: ArrayLike, where: object) -> pd.DataFrame:
    """Return predictions in the order of some site-years, each of which they must have once.

    Parameters
    ----------
    said : DataFrame
        From `predictions`.
    site, year : array_like (sample,)
    where : object
        What they come from, for messages.

    Raises
    ------
    UserError
        Site-years that are missing, unknown or there twice, or numbers that are missing or can't be.
    """
    wanted, given = (pd.MultiIndex.from_arrays([*pair]) for pair in ((site, year), (said["site"], said["year"])))
    low, high = limits("reco")
    beyond = (said["reco"] < low) | (said["reco"] > high)
    grams = f"beyond {low:g} to {high:g} kg C m-2 yr-1", "correct them, or turn grams into kilograms"
    faults = {
        ("that nobody asked for", "leave them out, or correct their names"): given[~given.isin(wanted)],
        ("there twice", "keep one"): given[given.duplicated()],
        ("missing", "add them"): wanted[~wanted.isin(given)],
        ("without a number", "fill them in"): given[said["reco"].isna()],
        grams: given[beyond],
    }
    for (what, remedy), found in faults.items():
        if len(found):
            raise UserError(
                f"{where}: expected reco once for each of {len(wanted)} site-years, found {len(found)} {what}, the "
                f"first {found[0][0]} in {found[0][1]}; {remedy}"
            )
    return said.set_axis(given).loc[wanted].reset_index(drop=True)


def own_predictions(
    path: str | Path, samples: xr.Dataset, rules: Mapping[str, Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return predictions that were made out of fold, by the artefact ``folds``.

    Parameters
    ----------
    path : str or Path
        See `predictions`. Without ``rule`` they are for that of sites, without ``deal`` for the first deal.
    samples : Dataset (sample)
        With ``site`` and ``year``.
    rules : mapping of str to sequence of ndarray of int (sample,)
        Fold of each sample, from 0, in each deal of each rule.

    Returns
    -------
    dict of str to ndarray (deal, 1, sample)
        By rule, kg C m-2 yr-1.

    Raises
    ------
    UserError
        As of `matched`; a rule or deal that there is not, a deal left out, or a fold that is another than ours.
    """
    said = predictions(path)
    said = said.assign(**{name: one for name, one in {"rule": "sites", "deal": 1}.items() if name not in said})
    told = {}
    for rule, own in said.groupby("rule", sort=False):
        deals = sorted(set(own["deal"]))
        if rule not in rules or deals[-1] > len(rules[rule]) or deals[-1] != len(deals):
            there = ", ".join(f"{name} (1 to {len(dealt)})" for name, dealt in rules.items())
            raise UserError(
                f"{path}: rule {rule!r}, deals {deals}: expected one of {there}, its deals from 1 on; see folds.csv"
            )
        for deal in deals:
            where = f"{path}: rule {rule}, deal {deal}"
            mine = matched(own[own["deal"] == deal], samples.site.values, samples.year.values, where)
            if "fold" in mine and (other := mine[mine["fold"] != rules[rule][deal - 1] + 1]).size:
                raise UserError(
                    f"{where}: expected the folds of folds.csv, found {len(other)} others, the first of "
                    f"{other['site'].iloc[0]} in {other['year'].iloc[0]}; predict again by the folds of this run"
                )
            told.setdefault(rule, []).append(mine["reco"].to_numpy()[None])
    return {rule: np.stack(each) for rule, each in told.items()}


def leaks(scores: pd.DataFrame, own: Sequence[str], others: Sequence[str], unseen: Sequence[str]) -> list[str]:
    """Return which models score higher at unseen places than any other does at places that it has learnt from.

    What nobody can know of a place (its history, the noise of its label) is in the error there; part of it is not where
    other years of the place have been seen. A model that is above even that has most likely seen the labels.

    Parameters
    ----------
    scores : DataFrame
        R² by test and model: ``value``, and the lower end of its interval, ``low``. The test ``random`` has places on
        both sides of its folds.
    own, others : sequence of str
        Models to look at, and those that are the yardstick.
    unseen : sequence of str
        Tests at unseen places.
    """
    known = scores["value"]["random"].reindex([*others]).drop([*own], errors="ignore").max()
    return [name for name in own if any(scores["low"].get((test, name), -np.inf) > known for test in unseen)]
