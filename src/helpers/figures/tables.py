"""Tables that read well: aligned numbers, headers that a screen reader can follow, and the same text on every run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from itertools import groupby
from numbers import Integral, Real

import pandas as pd

MISSING = "–"
NUMBER = re.compile(r"(about |[<>~] ?)?[+\-−]?[\d.,]+ ?%?|[–—]?")
Format = str | Callable[[object], str]


def show(value: object, how: Format | None = None) -> str:
    """Write one value: whole numbers with thousands apart, others to three significant digits, missing ones as a dash.

    >>> show(1234567), show(0.12345), show(1234.5), show(float("nan")), show(0.5492, ".1%"), show("RECO")
    ('1,234,567', '0.123', '1,234', '–', '54.9%', 'RECO')
    """
    if not isinstance(value, list | tuple | dict) and pd.isna(value):
        return MISSING
    if callable(how):
        return how(value)
    if isinstance(how, str):
        return how.format(value) if "{" in how else format(value, how)
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,d}"
    if isinstance(value, Real):
        return _three_digits(float(value))
    return str(value)


def _three_digits(value: float) -> str:
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e7):
        return f"{value:.2e}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:#.3g}".rstrip(".")


class Table:
    """A DataFrame as a table of the book; the last value of a cell. Built by `table`."""

    def __init__(self, frame: pd.DataFrame, caption: str | None, formats: Mapping[str, Format]) -> None:
        self.frame, self.caption = frame, caption
        hows = [formats.get(column) for column in frame.columns]
        columns = [[show(v, how) for v in frame.iloc[:, i]] for i, how in enumerate(hows)]
        self.cells = list(zip(*columns, strict=True))
        # numbers that came as text ("about 0.87") stand to the right like any other
        self.numeric = [bool(column) and all(NUMBER.fullmatch(cell) for cell in column) for column in columns]
        self.named_rows = not isinstance(frame.index, pd.RangeIndex)

    def __repr__(self) -> str:
        """Return the table as plain text, for a terminal."""
        text = pd.DataFrame(self.cells, columns=self.frame.columns, index=self.frame.index)
        return "\n".join(filter(None, [self.caption, text.to_string(index=self.named_rows)]))

    def _repr_html_(self) -> str:
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        head, body = "".join(self._head()), "".join(self._body())
        return (
            '<div style="overflow-x: auto"><table class="dataframe table">'
            f"{caption}<thead>{head}</thead><tbody>{body}</tbody></table></div>"
        )

    def _head(self):
        """Yield the header rows; neighbours of one name in an upper row share a cell."""
        columns, index = self.frame.columns, self.frame.index
        for level in range(columns.nlevels):
            yield "<tr>"
            if self.named_rows and level == columns.nlevels - 1:
                yield from (f'<th scope="col">{escape(str(name or ""))}</th>' for name in index.names)
            elif self.named_rows:
                yield f'<td colspan="{index.nlevels}"></td>'
            keys = [c[: level + 1] if isinstance(c, tuple) else (c,) for c in columns]
            place = 0
            for key, group in groupby(keys):
                span = len(list(group))
                scope = f'scope="colgroup" colspan="{span}"' if span > 1 else 'scope="col"'
                yield f"<th {scope}{self._align(place) if span == 1 else ''}>{escape(str(key[-1]))}</th>"
                place += span
            yield "</tr>"

    def _body(self):
        """Yield the rows; equal neighbours in an outer level of the index share a cell."""
        index = [key if isinstance(key, tuple) else (key,) for key in self.frame.index]
        for row, cells in enumerate(self.cells):
            yield "<tr>"
            if self.named_rows:
                yield from self._row_headers(index, row)
            yield from (f"<td{self._align(i)}>{escape(cell)}</td>" for i, cell in enumerate(cells))
            yield "</tr>"

    @staticmethod
    def _row_headers(index: list[tuple], row: int):
        for level, name in enumerate(index[row]):
            key = index[row][: level + 1]
            last = level == len(index[row]) - 1
            if not last and row and index[row - 1][: level + 1] == key:
                continue
            span = 1
            while not last and row + span < len(index) and index[row + span][: level + 1] == key:
                span += 1
            scope = f'scope="rowgroup" rowspan="{span}"' if span > 1 else 'scope="row"'
            yield f"<th {scope}>{escape(show(name))}</th>"

    def _align(self, column: int) -> str:
        style = "text-align: right; white-space: nowrap" if self.numeric[column] else "text-align: left"
        return f' style="{style}"'


def table(frame: pd.DataFrame, caption: str | None = None, formats: Mapping[str, Format] | None = None) -> Table:
    """Show a DataFrame as a table of the book.

    Parameters
    ----------
    frame : pandas.DataFrame
        What to show. A plain counting index is hidden; a named or labelled one becomes row headers. Several levels of
        rows or columns are grouped.
    caption : str, optional
        What the table holds, with units that the headers do not name.
    formats : mapping of str to str or callable, optional
        By column: a format such as ``".2f"``, ``".1%"`` or ``"{:.2f} m"``, or a function of the value. Others follow
        `show`.

    Returns
    -------
    Table
        Shown as HTML in a page, as text in a terminal; equal frames give equal output.

    Raises
    ------
    ValueError
        ``formats`` names a column that is not there.
    """
    formats = formats or {}
    if unknown := [str(name) for name in formats if name not in frame.columns]:
        raise ValueError(
            f"formats: expected columns among {', '.join(map(str, frame.columns))}, found {', '.join(unknown)};"
            " mend the name"
        )
    return Table(frame, caption, formats)
