"""Tables as text, every row of which is whole; what their columns hold is asked of `csv_columns`.

What towers, tables of site-years, of monthly climate, of sites, and series of SPEI share. Fields may be separated by
commas, semicolons, tabs or bars; where commas don't separate, they may be decimal signs.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd

from helpers.products.compression import opened
from helpers.products.errors import DamagedFile, ProductError, reading

SEPARATORS = ",;\t|"
FETCH, CORRECT = "fetch it again", "correct the table"
"""What to do about a file that comes from elsewhere, and about a table of one's own."""

LONGEST = 100_000
"""Letters of a header that are looked at; a field of more is no field of a table."""


def rows(path: Path) -> pd.DataFrame:
    """Read a table of one's own as text, as it is or packed (.gz, or alone in a .zip).

    Raises
    ------
    DamagedFile, ProductError
        As `parse` and `compression.opened`.
    """
    remedy = "save it again"
    with opened(path, (".csv", ".tsv"), remedy) as plain, reading(path, remedy):
        return parse(plain.read_bytes(), path)


def parse(content: bytes, where: Path | str, remedy: str = CORRECT) -> pd.DataFrame:
    """Take a table apart, as text, and make sure that every row is whole.

    Parameters
    ----------
    content : bytes
        The file's content, UTF-8, or UTF-16 with its mark.
    where : Path or str
        What errors call the file.
    remedy : str
        What to do where a row is not whole.

    Returns
    -------
    DataFrame of str
        Its index is the line of the file that a row begins on; ``attrs["separator"]`` is what separates the fields.

    Raises
    ------
    DamagedFile
        The file is empty or no text, or a row has more or fewer fields than the header.
    ProductError
        Two columns have one name.
    """
    return parse_text(decoded(content, where), where, remedy)


def decoded(content: bytes, where: Path | str) -> str:
    """Return the text of a file.

    Raises
    ------
    DamagedFile
        It is none, or not in UTF-8 or UTF-16.
    """
    if content.lstrip().startswith(b"<"):
        raise DamagedFile(
            f"{where}: expected a CSV file, found a web page; log in where it comes from and fetch it again"
        )
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        head = content[: error.start]
        if wide or b"\0" in content or content.startswith((b"PK", b"\x1f\x8b", b"\xd0\xcf")):
            text = "\0"
        else:
            raise DamagedFile(
                f"{where}: row {head.count(bytes([10])) + 1}: expected a CSV file in UTF-8, found letters in another "
                "encoding; save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
            ) from error
    if "\0" in text:
        raise DamagedFile(
            f"{where}: expected a CSV file, found something else, such as a workbook; check the path, or save it as CSV"
        )
    return text


def parse_text(text: str, where: Path | str, remedy: str = CORRECT, above: int = 0) -> pd.DataFrame:
    """Take the text of a table apart, of which ``above`` lines stand before its first; else as `parse`."""
    lines = text.splitlines(keepends=True)
    told = re.fullmatch(r"sep=(.)", lines[0].rstrip("\r\n")) if lines else None  # how spreadsheets state the separator
    first = 1 if told else next((k for k, line in enumerate(lines) if line.strip()), 0)
    separator = told[1] if told else separator_of(lines[first] if lines else "")
    reader = csv.reader(io.StringIO("".join(lines[first:]), newline=""), delimiter=separator)
    body, numbers, begins = [], [], 1 + above + first
    try:
        for row in reader:
            if any(field.strip() for field in row):
                body.append(row)
                numbers.append(begins)
            begins = 1 + above + first + reader.line_num
    except csv.Error as error:
        raise DamagedFile(
            f"{where}: row {begins}: expected fields separated by {separator!r}, found a row that cannot be taken "
            f"apart; {remedy}"
        ) from error
    if len(body) < 2:
        raise DamagedFile(f"{where}: expected a header and at least one row, found an empty table; {remedy}")
    header, *body = body
    for number, row in zip(numbers[1:], body, strict=True):
        if len(row) != len(header):
            raise DamagedFile(f"{where}: row {number}: {_not_whole(header, row, separator)}; {remedy}")
    table = pd.DataFrame(body, columns=[name.strip() for name in header], index=numbers[1:])
    # Spreadsheets add columns without a name, and nobody can ask for one.
    table = table.loc[:, table.columns != ""]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        found = (table.columns == twice[0]).sum()
        raise ProductError(f"{where}: expected one column {twice[0]!r}, found {found}; rename one")
    table.attrs["separator"] = separator
    return table


def separator_of(header: str) -> str:
    """Return what separates the names of a header; commas in doubt."""
    header = header[:LONGEST]
    return max(SEPARATORS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _not_whole(header: list[str], row: list[str], separator: str) -> str:
    """Say what is wrong with a row that is no match for the header."""
    said = f"expected {len(header)} fields, found {len(row)}"
    if len(header) == 1 or header[0].lstrip().startswith("#"):
        return (
            f"expected the columns' names in the first row, found {header[0][:40]!r} there and {len(row)} fields here"
        )
    if len(row) < len(header):
        return f"{said}; the row is cut short"
    points = ", and decimals need a point" if separator == "," else ""
    return f"{said}; a field that holds a {separator!r} must stand in quotes{points}"
