"""Columns of a table of text: every number one that can be, and what is missing missing, however it is written."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.products import land_cover, missing
from helpers.products.csv_table import rows
from helpers.products.errors import ProductError
from helpers.products.registry import limits

ROUNDING = 1e-6
"""What of a variable's range a number may lie beyond it and still stand at its end."""

YEARS = (1900, 2100)
EMPTY_IT, REMOVE_IT = "correct or empty it", "correct it, or remove the row"


def column_of(table: pd.DataFrame, where: Path | str, column: str) -> pd.Series:
    """Return a column as text.

    Raises
    ------
    ProductError
        It is not there; the message lists those that are.
    """
    if column not in table:
        raise ProductError(f"{where}: column {column!r} is not there; the file has {', '.join(table.columns)}")
    return table[column].str.strip()


def names_of(table: pd.DataFrame, where: Path | str, column: str) -> pd.Series:
    """Return a column of names, of which none may be missing.

    Raises
    ------
    ProductError
        One is empty, or a mark of gaps.
    """
    text = column_of(table, where, column)
    empty = _unnamed(text)
    if empty.any():
        at = int(np.argmax(empty))
        raise ProductError(
            f"{where}: row {table.index[at]}, column {column!r}: expected a name, found {text.iloc[at]!r}; fill it in, "
            "or remove the row"
        )
    return text


def _unnamed(text: pd.Series) -> np.ndarray:
    """Say which cells of a column of names are empty, or a mark of gaps."""
    numbers = pd.to_numeric(text, errors="coerce").to_numpy("float64")
    return text.str.lower().isin(missing.TEXTS).to_numpy() | ((numbers < 0) & missing.fills(numbers))


def numbers_of(
    table: pd.DataFrame,
    where: Path | str,
    column: str,
    within: tuple[float, float] = (-np.inf, np.inf),
    factor: float = 1.0,
    hint: str = "",
) -> np.ndarray:
    """Return a column as float64, NaN where a cell is missing, however that is written.

    Parameters
    ----------
    within : (float, float)
        What the variable can be, in the book's units.
    factor : float
        What the column's numbers are multiplied by to reach these units; the result is not.
    hint : str
        What to think of, and to do, where a number is outside the limits.

    Raises
    ------
    ProductError
        The column is not there; a cell is no number, or one that the variable cannot be.
    """
    text = column_of(table, where, column)
    empty = text.str.lower().isin(missing.TEXTS).to_numpy()
    values = _values(table, where, column, text, empty, EMPTY_IT)
    gaps = missing.fills(values, within, factor)
    if odd := sorted(set(text[gaps & (values > -999) & (np.abs(values) < 1e10)])) if np.isinf(within).all() else []:
        warnings.warn(f"{where}: column {column!r}: {', '.join(odd)} counts as missing; empty such cells", stacklevel=3)
    low, high = (limit / factor for limit in within)
    near = ROUNDING * (high - low) if np.isfinite(high - low) else 0.0
    wrong = ~gaps & ~((values >= low - near) & (values <= high + near))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ProductError(
            f"{where}: row {table.index[at]}, column {column!r}: expected {low:g} to {high:g}, found {text.iloc[at]}; "
            f"{hint or EMPTY_IT}"
        )
    return np.where(gaps, np.nan, np.clip(values, low, high))


def needed_of(
    table: pd.DataFrame, where: Path | str, column: str, low: float, high: float, *, whole: bool = False
) -> np.ndarray:
    """Return a column of numbers of which none may be missing: float64, or int64 if they are to be whole.

    A number within the limits is itself, and no mark of a gap: -99 is a longitude.

    Raises
    ------
    ProductError
        The column is not there; a cell is missing, no number, out of limits or not whole.
    """
    text = column_of(table, where, column)
    empty = text.str.lower().isin(missing.TEXTS).to_numpy()
    values = _values(table, where, column, text, empty, REMOVE_IT)
    wrong = ~((values >= low) & (values <= high)) | (whole & (values != np.floor(values)))
    if wrong.any():
        at = int(np.argmax(wrong))
        kind = "a whole number from" if whole else "a number from"
        raise ProductError(
            f"{where}: row {table.index[at]}, column {column!r}: expected {kind} {low:g} to {high:g}, found "
            f"{text.iloc[at]!r}; {REMOVE_IT}"
        )
    return values.astype("int64") if whole else values


def columns_of(
    path: str | Path,
    columns: Mapping[str, str],
    factors: Mapping[str, float] | None = None,
    *,
    drop_unnamed: bool = False,
) -> pd.DataFrame:
    """Return some columns of a table of one's own, by the book's names; missing is NaN.

    Parameters
    ----------
    path : str or Path
        A CSV file with a header, as it is or packed.
    columns : mapping of str to str
        Which column holds each variable. ``site`` and ``model`` are text, ``igbp`` a class (its code, -1 for none);
        ``month``, ``lat`` and ``lon`` may not be missing; all others are numbers within what the registry says that
        they can be.
    factors : mapping of str to float, optional
        What a column's numbers are multiplied by to reach the book's units.
    drop_unnamed : bool
        Leave out rows whose ``site`` is empty, in place of refusing them.

    Raises
    ------
    ProductError, DamagedFile, FileNotFoundError
        The file or a column is not there, or a cell is not what it should be.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a CSV file, found nothing there; correct the path")
    table, needed = rows(path), {"month": (1, 12), "lat": (-90, 90), "lon": (-180, 180)}
    if drop_unnamed:
        table = table[~_unnamed(column_of(table, path, columns["site"]))]
    found = {}
    for name, column in columns.items():
        if name in ("site", "model"):
            found[name] = names_of(table, path, column)
        elif name == "igbp":
            found[name] = classes_of(table, path, column)
        elif name in needed:
            found[name] = needed_of(table, path, column, *needed[name], whole=name == "month")
        else:
            factor = (factors or {}).get(name, 1.0)
            found[name] = factor * numbers_of(table, path, column, limits(name), factor)
    return pd.DataFrame(found, index=table.index)


def _values(
    table: pd.DataFrame, where: Path | str, column: str, text: pd.Series, empty: np.ndarray, remedy: str
) -> np.ndarray:
    """Return a column's cells as numbers, NaN where they are empty."""
    plain = text.str.replace("\u2212", "-", regex=False)  # the minus of typesetters
    if table.attrs.get("separator", ",") != "," and text.str.contains(",", regex=False).any():
        points = text.str.contains(".", regex=False).to_numpy() & ~empty
        if points.any():
            at, comma = int(np.argmax(points)), text[text.str.contains(",", regex=False)].iloc[0]
            raise ProductError(
                f"{where}: row {table.index[at]}, column {column!r}: expected one decimal sign, found "
                f"{text.iloc[at]!r} and {comma!r}; write all numbers one way, without marks of thousands"
            )
        plain = plain.str.replace(",", ".", regex=False)
    values = pd.to_numeric(plain.where(~empty), errors="coerce").to_numpy(dtype="float64")
    wrong = np.isnan(values) & ~empty
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ProductError(
            f"{where}: row {table.index[at]}, column {column!r}: expected a number, found {text.iloc[at]!r}; {remedy}"
        )
    return values


def classes_of(table: pd.DataFrame, where: Path | str, column: str) -> np.ndarray:
    """Return a column of land cover as codes of IGBP, int8, -1 where there is no class.

    Raises
    ------
    ProductError
        The column is not there, or a cell is no class.
    """
    text = column_of(table, where, column)
    codes = {cell: land_cover.code(cell) for cell in text.unique()}
    for row, cell in text.items():
        if codes[cell] is None:
            raise ProductError(
                f"{where}: row {row}, column {column!r}: expected {land_cover.EXPECTED}, found {cell!r}; correct or "
                "empty it"
            )
    return text.map(codes).to_numpy(dtype="int8")


def refuse_twice(keys: pd.DataFrame, where: Path | str) -> None:
    """Refuse a table in which a key stands twice; the index tells the rows.

    Raises
    ------
    ProductError
        Names the first that does.
    """
    twice = keys.duplicated().to_numpy()
    if twice.any():
        at = int(np.argmax(twice))
        shown = ", ".join(f"{name} {value}" for name, value in keys.iloc[at].items())
        first = keys.index[(keys == keys.iloc[at]).all(axis=1).to_numpy()][0]
        raise ProductError(f"{where}: row {keys.index[at]}: {shown} is there twice, first in row {first}; keep one")
