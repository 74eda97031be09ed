"""Tables as text: whole rows, columns of numbers, names and classes; and any CSV with a row a site and year.

Towers, tables of site-years, of monthly climate and of sites share what stands here. Fields may be
separated by commas, semicolons, tabs or bars; where commas don't separate, they may be decimal signs. Every number is
one that its variable can be, and what is missing is missing, however it is written (see `fills`). A row of units may
stand below the header.

A table of site-years gives predictors at the towers themselves, so no map is needed. Most are known at the point only;
where nine columns hold a 3x3 neighbourhood, row by row from the north-west, they become one variable (sample, dy, dx).
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from pyproj import Geod

from helpers.products import DamagedFile, Product, ProductError, attributes, describe, limits
from helpers.products.files import whole_text
from helpers.products.units import refuse_other, refuse_wrong_way
from helpers.space.grid import RADIUS
from helpers.space.regions import IGBP, IGBP_CODES
from helpers.stats.labels import GAPS

SEPARATORS = ",;\t|"
LONGEST = 100_000
"""Letters of a header that are looked at; a field of more is no field of a table."""
CELLS = 5_000_000
"""Cells of a table: those of 50 years of months at 1,000 sites with eight columns."""

FETCH, CORRECT = "fetch it again", "correct the table"
"""What to do about a file that comes from elsewhere, and about a table of one's own."""
EMPTY_IT, REMOVE_IT = "correct or empty it", "correct it, or remove the row"

ROUNDING = 1e-6
"""What of a variable's range a number may lie beyond it and still stand at its end."""
YEARS = (1900, 2100)
DEGREES = {"lat": (-90, 90), "lon": (-180, 180)}
NEEDED = {"year": YEARS, "month": (1, 12), **DEGREES}
"""What may not be missing, and the limits of each."""

SAME_PLACE_KM = 1.0
"""Places no further apart than this are one tower's, written with fewer digits or after a move of the mast."""
SPHERE = Geod(a=RADIUS, f=0)

REQUIRED = ("site", "year", "lat", "lon", "reco")
PLAIN = ("site", "year", "lat", "lon", "igbp")
"""What has no unit to be changed, and so no factor."""
DIMENSIONS = ("sample", "dy", "dx")


def read(
    product: Product,
    paths: Sequence[Path | str],
    *,
    columns: Mapping[str, str | Sequence[str]],
    factors: Mapping[str, float | Sequence[float]] | None = None,
) -> xr.Dataset:
    """Read site-years.

    Parameters
    ----------
    paths : sequence of one path
        A CSV file with a header, as it is or packed (.gz, or alone in a .zip).
    columns : mapping of str to str or nine str
        For each variable, the column that holds it, or the nine columns of its 3x3 window. `REQUIRED` must be there;
        ``reco_dt``, ``nee_qc`` (0 to 1) and ``igbp`` (abbreviation, number or name) may; every other name becomes a
        variable of its own.
    factors : mapping of str to float or to two of them, optional
        What a column's numbers are multiplied by, ``{"reco": 0.001}`` takes RECO from g to kg; and what is added then,
        ``{"mat": [1, -273.15]}`` takes kelvin to degrees Celsius.

    Returns
    -------
    Dataset (sample)
        The structure of tower products: ``reco``, ``reco_dt`` (kg m-2 yr-1), ``nee_qc`` (1), all NaN where the table
        has no such column; coordinates ``site``, ``year``, ``lat``, ``lon``, ``igbp`` (int8, -1 missing). Besides, the
        table's own variables, (sample) or (sample, dy, dx). Numbers that mark gaps are NaN (see `fills`).

    Raises
    ------
    ProductError, DamagedFile
        A parameter cannot be, a column is not there, a cell is no number or cannot be its variable's, a site, year or
        place is missing, a site-year is there twice or a site at two places; the file is no whole table.
    """
    path = one_file(paths, product.id)
    columns, factors = _checked(named(columns, "columns")), named(factors or {}, "factors")
    scaled = [name for name in columns if name not in PLAIN]
    for name, factor in factors.items():
        if name not in scaled or not _is_factor(factor):
            expected = f"a number above 0, such as 0.001, or one and what is added, for one of {', '.join(scaled)}"
            raise ProductError(f"factors: {name}: expected {expected}, found {factor!r}; correct it")
    table = rows(path)
    known = {name: column_of(table, path, name, *columns[name]) for name in PLAIN if name in columns}
    known = pd.DataFrame({"igbp": np.int8(-1), **known}, index=table.index)
    refuse_twice(known[["site", "year"]], path)
    refuse_two_places(known[["site", "lat", "lon"]], path)
    refuse_radians(known, path, columns["lat"][0], columns["lon"][0])
    variables = dict.fromkeys(("reco", "reco_dt", "nee_qc"), np.full(len(table), np.nan))
    for name in scaled:
        one = [_number(table, path, name, column, factors.get(name, 1.0)) for column in columns[name]]
        variables[name] = one[0] if len(one) == 1 else np.stack(one, axis=-1).reshape(-1, 3, 3)
    ds = xr.Dataset(
        {name: (DIMENSIONS[: values.ndim], values) for name, values in variables.items()},
        coords={name: ("sample", known[name].to_numpy(str if name == "site" else None)) for name in PLAIN},
    )
    ds = describe(ds, product, path.name)
    for name in ds:
        ds[name].attrs.setdefault("units", "")
        if column := columns.get(name):
            several = f"columns {column[0]} to {column[-1]}"
            ds[name].attrs["comment"] = several if len(column) > 1 else f"column {column[0]}"
    return ds


def named(given: object, what: str) -> Mapping:
    """Return a parameter that says something of each of some names, or refuse it where it is of another kind."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) and name.strip() for name in given):
        example = "{reco: 0.001}" if what == "factors" else "{reco: my_column}"
        raise ProductError(f"{what}: expected names and what belongs to each, such as {example}, found {given!r:.80}")
    return given


def _is_factor(given: object) -> bool:
    """Say whether something is a number above 0, or a list of such a one and any other."""
    two = given if isinstance(given, list | tuple) and len(given) == 2 else (given, 0)
    numbers = all(isinstance(each, Real) and not isinstance(each, bool) and abs(each) < HUGE for each in two)
    return numbers and two[0] > 0


def _checked(columns: Mapping) -> dict[str, list[str]]:
    """Return each variable's column or nine columns, without blanks around their names."""
    if lacking := [name for name in REQUIRED if name not in columns]:
        expected = f"expected a column for each of {', '.join(REQUIRED)}"
        raise ProductError(f"columns: {expected}, found none for {lacking[0]!r}; name it")
    held = {}
    for name, column in columns.items():
        several = isinstance(column, Sequence) and not isinstance(column, str)
        texts = list(column) if several else [column]
        held[name] = [each.strip() for each in texts if isinstance(each, str) and each.strip()]
        may_be_nine = name not in (*REQUIRED, *PLAIN)
        if len(held[name]) != len(texts) or len(texts) not in (1, 9 if may_be_nine else 1) or name in DIMENSIONS:
            raise ProductError(
                f"columns: {name}: expected one column, or for a predictor (called other than {', '.join(DIMENSIONS)}) "
                f"the nine of a 3x3 window from the north-west row by row, found {column!r}; write names, in quotes "
                "where they are numbers"
            )
    return held


def _hint(name: str, factor: float | None) -> str:
    """Say what is wrong, most often, with numbers that a variable cannot be; without a factor, none can be given."""
    units = attributes(name).get("units", "")
    if factor is None:
        return "is it in kelvin? convert it to degrees Celsius" if units == "degC" else ""
    if units == "degC":
        return "is it in kelvin? give its factor and what is added, [1, -273.15] (table_factors in a profile)"
    if factor != 1:
        return f"{name} is in {units}, by a factor of {factor:g}: correct or empty it, or correct the factor"
    give = "give its factor, {} (table_factors in a profile)"
    if units == "kg m-2 yr-1":
        return f"{name} is in {units}: is the column in grams? {give.format(0.001)}"
    if limits(name) == (0, 1):
        return f"{name} is a share: is the column in percent? {give.format(0.01)}"
    return f"{name} is in {units if units not in ('', '1') else 'no unit'}: correct or empty it, or give a factor"


def refuse_two_places(here: pd.DataFrame, path: Path) -> None:
    """Refuse a site (with lat, lon; the index tells rows) that stands at two places; a few metres are one tower's."""
    first = here.groupby("site")[["lat", "lon"]].transform("first")
    apart = SPHERE.inv(first["lon"], first["lat"], here["lon"], here["lat"])[2] / 1000
    if np.any(apart > SAME_PLACE_KM):
        row = here.index[int(np.argmax(apart > SAME_PLACE_KM))]
        site, lat, lon = here.loc[row]
        at = f"{first.at[row, 'lat']:g}, {first.at[row, 'lon']:g} in row {here.index[here['site'] == site][0]}"
        remedy = "correct one, or give two towers two names"
        raise ProductError(
            f"{path}: site {site}: expected one place, found {at} and {lat:g}, {lon:g} in row {row}; {remedy}"
        )


def in_the_gulf(lat: ArrayLike, lon: ArrayLike) -> bool:
    """Say whether all places lie in the Gulf of Guinea, as those in radians and those that nobody knows (0, 0) do."""
    lat, lon = np.atleast_1d(lat), np.atleast_1d(lon)
    near = lat.size and (np.abs(lat) <= np.pi / 2).all() and (np.abs(lon) <= np.pi).all()
    return bool(near and ((lat % 1).any() or (lon % 1).any() or not (lat.any() or lon.any())))


def refuse_radians(here: pd.DataFrame, path: Path, lat: str = "lat", lon: str = "lon") -> None:
    """Refuse places (``lat``, ``lon``, of columns called so) that all lie where no land is, as radians do, or at 0, 0.

    Whole numbers are left: they are degrees of somebody's made world, since a radian is 57.2958 of them.
    """
    if (nowhere := (here["lat"] == 0) & (here["lon"] == 0)).any():
        found = f"found 0, 0 in row {here.index[nowhere][0]}, which no land is at"
        raise ProductError(
            f"{path}: columns {lat!r} and {lon!r}: expected degrees of places on land, {found}; correct it"
        )
    if in_the_gulf(here["lat"], here["lon"]):
        row, (y, x) = here.index[0], here[["lat", "lon"]].iloc[0]
        found = f"found {y:g}, {x:g} in row {row} and all others near 0, 0, in the Gulf of Guinea"
        raise ProductError(
            f"{path}: columns {lat!r} and {lon!r}: expected degrees of places on land, {found}; are they in radians? "
            "write degrees"
        )


def columns_of(
    path: str | Path,
    columns: Mapping[str, str],
    factors: Mapping[str, float | Sequence[float]] | None = None,
    *,
    drop_unnamed: bool = False,
) -> pd.DataFrame:
    """Return some columns of a table of one's own, by the book's names and in its units (see `column_of`).

    Parameters
    ----------
    path : str or Path
        A CSV file with a header, as it is or packed.
    columns : mapping of str to str
        Which column holds each variable.
    factors : mapping of str to float or to two of them, optional
        What a column's numbers are multiplied by to reach the book's units, and what is added then.
    drop_unnamed : bool
        Leave out rows whose ``site`` is empty, in place of refusing them.
    """
    path = one_file([path], "a table")
    table, factors = rows(path), factors or {}
    if drop_unnamed:
        table = table[~_unnamed(_text(table, path, columns["site"]))]
    found = {name: column_of(table, path, name, column, factors.get(name, 1.0)) for name, column in columns.items()}
    found = pd.DataFrame(found, index=table.index)
    if set(DEGREES) <= set(found):
        refuse_radians(found, path, columns["lat"], columns["lon"])
    return found


def column_of(
    table: pd.DataFrame, path: Path, name: str, column: str, factor: float | Sequence[float] | None = None
) -> pd.Series | np.ndarray:
    """Return a column as what its variable is.

    ``site`` and ``model`` are text, ``igbp`` a class (its code, -1 for none), `NEEDED` numbers that may not be missing;
    all others are numbers within what the registry says that they can be, NaN where they are missing. Without a
    ``factor`` they must be in the book's units, and errors don't tell to give one.
    """
    if name in ("site", "model"):
        text = _text(table, path, column)
        refuse(text, path, _unnamed(text), "a name", "fill it in, or remove the row")
        return text
    if name == "igbp":
        text = _text(table, path, column)
        codes = text.map({cell: igbp_code(cell) for cell in text.unique()})
        refuse(text, path, codes.isna(), IGBP_EXPECTED, EMPTY_IT)
        return codes.to_numpy(dtype="int8")
    if name in NEEDED:
        values = needed_of(table, path, column, *NEEDED[name], whole=name in ("year", "month"))
        if name in DEGREES:
            refuse_wrong_way(table, path, name, column, values)
        return values
    return _number(table, path, name, column, factor)


def _number(
    table: pd.DataFrame, path: Path, name: str, column: str, given: float | Sequence[float] | None
) -> np.ndarray:
    """Return a variable in the book's units, NaN where it is missing."""
    refuse_other(table, path, name, column, given)
    factor, offset = map(float, given if isinstance(given, Sequence) else (1.0 if given is None else given, 0))
    within = tuple(limit - offset for limit in limits(name))
    hint = _hint(name, None if given is None else factor)
    return offset + factor * numbers_of(table, path, column, within, factor, hint)


def one_file(paths: Sequence[Path | str], product: str) -> Path:
    """Return the one path there is, of a file that is there."""
    if len(paths) != 1:
        raise ProductError(f"{product}: expected one file, found {len(paths)}; join them or choose one")
    path = Path(paths[0])
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a CSV file, found nothing there; correct the path")
    return path


# Columns: each cell becomes what it should be, or is refused with its row, its column and what to do.


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
        What the variable can be, in the book's units; for other numbers a ProductError says so, with the ``hint``.
    factor : float
        What the column's numbers are multiplied by to reach these units; the result is not.
    """
    text = _text(table, where, column)
    values = _numbers(table, where, text, EMPTY_IT)
    gaps = fills(values, within, factor)
    doubtful = gaps & (values > -999) & (np.abs(values) < 1e10) if np.isinf(within).all() else np.zeros(0, bool)
    if doubtful.any():
        odd = ", ".join(sorted(set(text[doubtful])))
        warnings.warn(f"{where}: column {column!r}: {odd} counts as missing; empty such cells", stacklevel=3)
    low, high = (limit / factor for limit in within)
    near = ROUNDING * (high - low) if np.isfinite(high - low) else 0.0
    wrong = ~gaps & ~((values >= low - near) & (values <= high + near))
    refuse(text, where, wrong, f"{low:g} to {high:g}", hint or EMPTY_IT)
    return np.where(gaps, np.nan, np.clip(values, low, high))


def needed_of(
    table: pd.DataFrame,
    where: Path | str,
    column: str,
    low: float,
    high: float,
    *,
    whole: bool = False,
    hint: str = REMOVE_IT,
) -> np.ndarray:
    """Return a column of numbers of which none may be missing: float64, or int64 if they are to be whole.

    A number within the limits is itself, and no mark of a gap: -99 is a longitude.
    """
    text = _text(table, where, column)
    values = _numbers(table, where, text, hint)
    wrong = ~((values >= low) & (values <= high)) | (whole & (values != np.floor(values)))
    refuse(text, where, wrong, f"a {'whole ' if whole else ''}number from {low:g} to {high:g}", hint)
    return values.astype("int64") if whole else values


def refuse_twice(keys: pd.DataFrame, where: Path | str) -> None:
    """Refuse a table in which a key stands twice; the index tells the rows."""
    twice = keys.duplicated()
    if twice.any():
        at = keys[twice].iloc[0]
        shown = ", ".join(f"{name} {value}" for name, value in at.items())
        first = keys.index[(keys == at).all(axis=1)][0]
        raise ProductError(f"{where}: row {at.name}: {shown} is there twice, first in row {first}; keep one")


def _text(table: pd.DataFrame, where: Path | str, column: str) -> pd.Series:
    if column not in table:
        raise ProductError(f"{where}: column {column!r} is not there; the file has {', '.join(table.columns)}")
    return table[column].str.strip()


def refuse(text: pd.Series, where: Path | str, wrong: np.ndarray, expected: str, remedy: str) -> None:
    """Refuse the first cell of a column that is wrong."""
    if np.any(wrong):
        at = int(np.argmax(wrong))
        cell = f"row {text.index[at]}, column {text.name!r}"
        raise ProductError(f"{where}: {cell}: expected {expected}, found {text.iloc[at]!r}; {remedy}")


def _unnamed(text: pd.Series) -> np.ndarray:
    """Say which cells of a column of names are empty, or a mark of gaps."""
    numbers = pd.to_numeric(text, errors="coerce").to_numpy("float64")
    return text.str.lower().isin(GAP_TEXTS).to_numpy() | ((numbers < 0) & fills(numbers))


def _numbers(table: pd.DataFrame, where: Path | str, text: pd.Series, remedy: str) -> np.ndarray:
    """Return a column's cells as numbers, NaN where they are empty."""
    empty = text.str.lower().isin(GAP_TEXTS)
    plain = text.str.replace("\u2212", "-", regex=False)  # the minus of typesetters
    if table.attrs.get("separator", ",") != "," and text.str.contains(",", regex=False).any():
        points = text.str.contains(".", regex=False) & ~empty
        refuse(text, where, points.to_numpy(), "one decimal sign in the column", "write all numbers one way")
        plain = plain.str.replace(",", ".", regex=False)
    elif table.attrs.get("separator", ",") != "," and text.str.contains(".", regex=False).any():
        grouped = text.str.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+").to_numpy()  # 1.234 is 1234 where 1,5 is one and a half
        commas = grouped.any() and table.apply(lambda one: one.str.strip().str.fullmatch(r"[-+]?\d+,\d+").any()).any()
        refuse(text, where, grouped & commas, "one decimal sign in the table", "write all numbers one way, unspaced")
    values = pd.to_numeric(plain.where(~empty), errors="coerce").to_numpy(dtype="float64")
    refuse(text, where, np.isnan(values) & ~empty.to_numpy(), "a number", remedy)
    return values


# Rows: a table as text, every row of which is whole.


def rows(path: Path) -> pd.DataFrame:
    """Read a table of one's own as text, as it is or packed (.gz, or alone in a .zip); see `parse`.

    A row of units below the header is none of the table: ``attrs["units"]`` has it, by column. Letters that are not
    UTF-8 are read as Windows-1252, which Latin-1 is a part of, with a warning.
    """
    table = parse(_unicode(whole_text(path, (".csv", ".tsv"), "save it again"), path), path)
    first = table.iloc[0].str.strip()
    numbers = table.apply(lambda column: pd.to_numeric(column.str.replace(",", "."), errors="coerce").notna())
    texts = ~first.str.lower().isin(GAP_TEXTS)
    # a row without any number, where columns that have them hold words: no site-year, since that would have a year
    if len(table) > 1 and not numbers.iloc[0].any() and (texts & numbers.iloc[1:].any()).any():
        separator, table = table.attrs["separator"], table.iloc[1:]
        table.attrs |= {"separator": separator, "units": first[texts].to_dict()}
    return table


def _unicode(content: bytes, path: Path) -> bytes:
    """Return text of Windows-1252 as UTF-8, and all else as it is."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        return content
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        with contextlib.suppress(UnicodeDecodeError):
            content = content.decode("cp1252").encode()
            warnings.warn(f"{path}: letters are no UTF-8, and are read as Latin-1; look at the names", stacklevel=4)
    return content


def parse(content: bytes, where: Path | str, remedy: str = CORRECT) -> pd.DataFrame:
    """Take a table apart, as text, and make sure that every row is whole.

    Parameters
    ----------
    content : bytes
        UTF-8, or UTF-16 with its mark.
    where : Path or str
        What errors call the file; ``remedy`` is what they say to do where a row is not whole.

    Returns
    -------
    DataFrame of str
        Its index is the line of the file that a row begins on; ``attrs["separator"]`` is what separates the fields.

    Raises
    ------
    DamagedFile, ProductError
        The file is empty or no text, or a row has more or fewer fields than the header; two columns have one name.
    """
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))

    def damaged(row: int | None, expected: str, found: str, remedy: str = remedy) -> DamagedFile:
        return DamagedFile(f"{where}: {f'row {row}: ' if row else ''}expected {expected}, found {found}; {remedy}")

    if re.search(rb"^<{7} ", content[:LONGEST], re.MULTILINE):
        raise damaged(None, "a CSV file", "marks of a conflict that git left", "settle it, and remove them")
    if content.lstrip().startswith(b"<"):
        raise damaged(None, "a CSV file", "a web page", "log in where it comes from and fetch it again")
    if content.startswith((b"PK", b"\x1f\x8b", b"\xd0\xcf")) or (b"\0" in content and not wide):
        found = "something else, such as a workbook"
        raise damaged(None, "a CSV file", found, "check the path, or save it as CSV")
    encoding = "utf-16" if wide else "utf-8-sig"
    try:
        begin = content.decode(encoding)[: LONGEST + 10]
    except UnicodeDecodeError as error:
        row, found = content.count(b"\n", 0, error.start) + 1, "letters in another encoding"
        raise damaged(row, "a CSV file in UTF-8", found, "save it as UTF-8 (in a spreadsheet: CSV UTF-8)") from error
    stated = re.match(r"sep=(.)\r?\n", begin)  # how spreadsheets state the separator
    separator = stated[1] if stated else separator_of(begin.lstrip("\r\n ").partition("\n")[0])
    body, lines = [], []
    for line, row in taken_apart(content, encoding, separator, where, remedy):
        if any(field.strip() for field in row) and not (stated and line == 1):
            body.append(row)
            lines.append(line)
    if len(body) < 2:
        raise damaged(None, "a header and at least one row", "an empty table")
    header = [name.strip() for name in body[0]]
    for line, row in zip(lines, body, strict=True):
        if len(row) != len(header):
            why = "the row is cut short" if len(row) < len(header) else f"a {separator!r} in a field needs quotes"
            if len(header) == 1 or header[0].startswith("#"):
                why = f"the columns' names must stand in the first row, where {header[0][:40]!r} stands"
            raise damaged(line, f"{len(header)} fields", str(len(row)), f"{why}; {remedy}")
    table = pd.DataFrame(body[1:], columns=header, index=lines[1:])
    table = table.loc[:, table.columns != ""]  # spreadsheets add columns without a name, and nobody can ask for one
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise ProductError(f"{where}: expected one column {twice[0]!r}, found several; rename all but one")
    table.attrs["separator"] = separator
    return table


def taken_apart(
    content: bytes, encoding: str, separator: str, where: Path | str, remedy: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield each row of a table, and the line of the file that it begins on.

    Raises
    ------
    DamagedFile
        A row cannot be taken apart.
    ProductError
        There are more cells than a table has, each of which takes some sixty bytes of memory.
    """
    lines = io.TextIOWrapper(io.BytesIO(content), encoding, errors="replace", newline="")
    reader, cells, begins = csv.reader(lines, delimiter=separator), 0, 1
    try:
        for row in reader:
            cells += len(row)
            if cells > CELLS:
                expected = f"expected a table of at most {CELLS} cells, found more"
                raise ProductError(f"{where}: {expected}; give years or months alone, or cut it into several")
            yield begins, row
            begins = 1 + reader.line_num
    except csv.Error as error:
        found = f"expected fields separated by {separator!r}, found a row that cannot be taken apart"
        raise DamagedFile(f"{where}: row {begins}: {found}; {remedy}") from error


def separator_of(header: str) -> str:
    """Return what separates the names of a header; commas in doubt."""
    header = header[:LONGEST].replace("\r", " ")  # within a line it is an error to csv
    return max(SEPARATORS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


# Which numbers mean "no value". Tables and files mark gaps by a number that cannot be one: -9999, 1e30. They write it
# with decimals (-9999.000), cut it (-999.9, -99) and seldom declare it. So numbers are compared as numbers, however
# they are written, with what a variable can be (`limits`); of one that isn't known, the column's other numbers say it.

HUGE = 1e15
"""Beyond this no variable of the book has a value: CRU marks gaps by 9.97e36, SPEIbase by 1e30, CMIP by 1e20."""

GAP_TEXTS = (*GAPS, "inf", "-inf", "+inf", "infinity", "-infinity")
"""How tables write a missing number in words, in lower case."""

NINES = np.array([99, 999, 9999, 99999, 999999], "float64")
"""Whole parts of the numbers that mark gaps; decimals follow (-999.9), or come of arithmetic on the fill (-9999.4)."""

OTHERS = (-9.99, -3000, -6999, -7777, -8888, 65535, *(10.0**k for k in range(10, 15)))
OTHERS += (-32768, -32767, 32767, -2147483648, 2147483647)
"""Further marks: of loggers, and the ends of what whole numbers of two and four bytes hold."""

SEVERAL, MANY = 3, 10
"""A mark among possible values is a gap when it is so many times as large as any other number: of a variable that the
registry knows, and of one that nobody knows."""

CLOSE = 1e-6
"""Relative difference of two numbers that are one: single precision keeps seven digits."""


def _marks(values: np.ndarray) -> np.ndarray:
    """Say which numbers are written in nines alone (±99, -9999, -999.9, 99.99), or are other usual marks of gaps."""
    out = np.zeros(values.shape, bool)
    for whole in NINES:
        for mark in (whole, whole + 0.9, whole + 0.99, whole + 0.999):
            out |= (np.abs(np.abs(values) - mark) <= CLOSE * mark) & (np.abs(values) < whole + 1)  # 1e5 is a value
    for mark in OTHERS:
        out |= np.abs(values - mark) <= CLOSE * abs(mark)
    return out


def fills(values: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf), scale: float = 1.0) -> np.ndarray:
    """Say which numbers mean "no value"; NaN does.

    A mark of gaps (`NINES`, `OTHERS`) outside the variable's limits is one. Within them it is judged by the column's
    other numbers:

    - *Fluxes*, whose limits lie below zero for noise alone: a negative mark is a gap where no other number is negative,
      or where it lies further below all others than these lie apart. So is one of three digits or more below them all.
    - *Other variables with limits*: a negative mark of three digits or more is a gap where it lies so far below.
    - *Variables without limits*: a negative mark is a gap where no other number is negative, where it lies further
      below all others than these are large, or where it has three digits or more and lies below them all.
    - A positive mark is a gap where it is `SEVERAL` times as large as any other number (`MANY` times, and of three
      digits or more, without limits).
    - *Shares*, of 0 to 1: 99 is a wrong number, in percent, and no gap.

    Parameters
    ----------
    values : ndarray (…)
        Numbers as stored: a whole column, since numbers are judged by the others.
    limits : (float, float)
        What the variable can be, in the book's units.
    scale : float
        What stored numbers are multiplied by to reach these units.

    Returns
    -------
    ndarray of bool (…)
        The rest are values, or wrong: the readers refuse those.

    Examples
    --------
    >>> fills(np.array([12.5, -9999.000, -99, 1e30, 300]), limits=(-90, 60)).tolist()
    [False, True, True, True, False]
    >>> fills(np.array([812, -99, -999.9]), limits=(-5, 15), scale=0.001).tolist()
    [False, True, True]
    >>> fills(np.array([-5.2, 3, -99, 9999.9])).tolist(), fills(np.array([-400, 200, -99, 999])).tolist()
    ([False, False, True, True], [False, False, False, False])
    """
    shape, values = np.shape(values), np.ravel(np.asarray(values, "float64"))
    with np.errstate(invalid="ignore", over="ignore"):
        none = ~(np.abs(values) < HUGE)
        low, high = sorted(limit / scale for limit in limits)
        outside = ~none & ((values < low) | (values > high))
        marks = _marks(values[outside])
        if tuple(limits) == (0, 1):
            marks &= ~((values[outside] > 0) & (values[outside] < 100))
        for whole in NINES[1:]:  # what arithmetic leaves of -9999 is one as well
            marks |= (values[outside] <= -whole) & (values[outside] > -whole - 1)
        none[outside] = marks
        inside = ~none & ~outside
        none[inside] = _odd(values[inside], low, high)
    return none.reshape(shape)


def _odd(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Say which marks of gaps lie so far from the other numbers, all within the limits, that they are none of them."""
    known = np.isfinite(low) or np.isfinite(high)
    noise = known and low < 0 and -2 * low <= high  # a variable of both signs has limits on both sides of zero alike
    marks = _marks(values)
    if not known:
        marks |= (values <= -9999) & (values > -10000)
    others = values[~marks]
    if not others.size:  # nothing to judge by: only what is sure
        return marks & (values <= (-99 if noise or low == 0 else -999))
    least, size = others.min(), np.abs(others).max()
    reach = others.max() - least if known else size
    far = (values < least) & (least - values > reach)
    gaps = far & (values <= -999)
    if noise or not known:
        gaps |= (values <= -99) & ~(others < 0).any()  # -9.99 may be the one frost of a warm year
        gaps |= (values < 0) & (far | ((values < least) & (values <= -999)))
    gaps |= (values > SEVERAL * size) & (values >= 99.9) if known else (values > MANY * size) & (values >= 999)
    return marks & gaps


# Land cover classes of IGBP, and the many ways in which tables of towers write them.

EDITIONS = {
    "Water": 0,
    "Closed shrub": 6,
    "Open shrub": 7,
    "Woody savannahs": 8,
    "Savannahs": 9,
    "Grass": 10,
    "Wetlands": 11,
    "Crops": 12,
    "Cultivated": 12,
    "Urban": 13,
    "Urban and built-up": 13,
    "Cropland/Natural vegetation": 14,
    "Snow": 15,
    "Ice": 15,
    "Snow and ice": 15,
    "Snow or ice": 15,
    "Barren or sparsely vegetated": 16,
    "Barren sparse vegetation": 16,
}
"""Names of other editions of the legend, and short ones."""

IGBP_EXPECTED = f"one of {', '.join(IGBP_CODES)} (or its number or name)"
"""What a class may be, for messages."""

NO_CLASS = (-1, 254, 255)
"""Numbers for no class: our own; unclassified and fill in the files of MODIS."""

WATER_LAST = 17
"""Water in the legends that count from 1."""


SAID = {"and", "or", "the", "land", "lands", "forest", "forests"}
"""Words that editions of the legend add or leave out."""


def _letters(text: str) -> str:
    """Return the letters of a name's words, each without its plural, joined.

    >>> _letters("Evergreen Needle-leaf Forests"), _letters("Urban and Built-up Lands")
    ('evergreenneedleleaf', 'urbanbuiltup')
    """
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in SAID]
    return "".join(re.sub("(?<=...)s$", "", word) for word in words).replace("leaved", "leaf")


LONG = {_letters(name): code for code, (_, name) in IGBP.items()} | {_letters(n): code for n, code in EDITIONS.items()}


def _named(text: str) -> int | None:
    short = (IGBP_CODES | {"BAR": 16}).get(re.sub(r"[\W\d_]+", "", text).upper())
    return LONG.get(_letters(text)) if short is None else short


def igbp_code(text: str) -> int | None:
    """Return the code of a class as tables write it: abbreviation, number, full name, or several of these.

    Parameters
    ----------
    text : str
        In any case, with or without plurals: ``ENF``, ``1``, ``1.0``, ``Evergreen Needleleaf Forest``,
        ``WSA (Woody Savannas: lands with herbaceous …)``.

    Returns
    -------
    int or None
        0 to 16, or -1 where the text stands for no class; None where it is no class that is known.

    Examples
    --------
    >>> [igbp_code(text) for text in ("enf", "1.0", "Woody savanna", "WSA (Woody Savannas: lands …)", "17", "")]
    [1, 1, 8, 8, 0, -1]
    >>> igbp_code("MOON"), igbp_code("ENF (Croplands)"), igbp_code("1.5")
    (None, None, None)
    """
    text = text.strip()
    if text.lower() in (*GAP_TEXTS, "unclassified", "unknown"):
        return -1
    try:
        number = float(text)
    except ValueError:
        whole = _named(text)
        parts = {_named(part) for part in re.split(r"[():;,|]| [-–—] ", text)} - {None}
        return whole if whole is not None else parts.pop() if len(parts) == 1 else None
    if number in NO_CLASS or bool(fills(np.array(number), (0, max(NO_CLASS)))):
        return -1
    if number == WATER_LAST:
        return 0
    return int(number) if number in IGBP else None
