"""CSV tables of which every row is whole and every number is one: what towers and tables of site-years share."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.products.errors import DamagedFile, ProductError, reading
from helpers.products.packed import opened

EMPTY = ("", "NA", "N/A", "NaN", "nan", "-9999", "-9999.0")
"""How tables of site-years write a missing number."""


def rows(path: Path) -> pd.DataFrame:
    """Read a CSV file as text, as it is or packed (.gz, or alone in a .zip).

    Raises
    ------
    DamagedFile, ProductError
        As `parse` and `packed.opened`.
    """
    with opened(path, (".csv",)) as plain, reading(path):
        return parse(plain.read_bytes(), path)


def parse(content: bytes, where: Path | str) -> pd.DataFrame:
    """Take a CSV table apart, as text, and make sure that every row is whole.

    Parameters
    ----------
    content : bytes
        The file's content, UTF-8.
    where : Path or str
        What errors call the file.

    Raises
    ------
    DamagedFile
        The file is empty or no text, or a row has more or fewer fields than the header.
    ProductError
        Two columns have one name.
    """
    if content.lstrip().startswith(b"<"):
        raise DamagedFile(
            f"{where}: expected a CSV file, found a web page; log in where it comes from and fetch it again"
        )
    try:
        text = content.decode("utf-8-sig")
        header, *body = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DamagedFile(f"{where}: expected a CSV file, found something else ({error}); check the path") from error
    if not body:
        raise DamagedFile(f"{where}: expected a header and at least one row, found an empty table; fetch it again")
    lengths = np.array([len(row) for row in body])
    if (lengths != len(header)).any():
        at = int(np.argmax(lengths != len(header)))
        raise DamagedFile(
            f"{where}: row {at + 2}: expected {len(header)} fields, found {lengths[at]}; "
            "the file is damaged or cut short, so fetch it again"
        )
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise ProductError(f"{where}: expected one column {twice[0]!r}, found {header.count(twice[0])}; rename one")
    return pd.DataFrame(body, columns=header)


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


def numbers_of(table: pd.DataFrame, where: Path | str, column: str) -> np.ndarray:
    """Return a column as float64, missing cells as NaN.

    Raises
    ------
    ProductError
        It is not there, or a cell is no number.
    """
    text = column_of(table, where, column)
    empty = text.isin(EMPTY)
    values = pd.to_numeric(text.where(~empty), errors="coerce").to_numpy(dtype="float64")
    wrong = ~np.isfinite(values) & ~empty.to_numpy()
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ProductError(
            f"{where}: row {at + 2}, column {column!r}: expected a number, found {text.iloc[at]!r}; correct or empty it"
        )
    return values


def whole_numbers(values: np.ndarray, where: Path | str, column: str) -> np.ndarray:
    """Return the values as int64.

    Raises
    ------
    ProductError
        One of them is missing or not whole.
    """
    wrong = ~(values == np.floor(values))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ProductError(
            f"{where}: row {at + 2}, column {column!r}: expected a whole number, found {values[at]:g}; correct it"
        )
    return values.astype("int64")


def within(values: np.ndarray, where: Path | str, column: str, low: float, high: float) -> None:
    """Refuse values that are missing or out of range.

    Raises
    ------
    ProductError
        Names the first.
    """
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ProductError(
            f"{where}: row {at + 2}, column {column!r}: expected {low:g} to {high:g}, found {values[at]:g}; correct it"
        )


def refuse_twice(keys: pd.DataFrame, where: Path | str) -> None:
    """Refuse a table in which a key stands twice.

    Raises
    ------
    ProductError
        Names the first that does.
    """
    twice = keys.duplicated().to_numpy()
    if twice.any():
        at = int(np.argmax(twice))
        shown = ", ".join(f"{name} {value}" for name, value in keys.iloc[at].items())
        raise ProductError(f"{where}: row {at + 2}: {shown} is there twice; keep one of the two rows")
