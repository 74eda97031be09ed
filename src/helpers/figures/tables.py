"""Tables that read well: aligned numbers, headers that a screen reader can follow, and the same text on every run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from html import escape
from numbers import Integral, Real

import pandas as pd

MISSING = "–"
NUMBER = re.compile(r"(about |[<>~] ?)?[+\-−]?[\d.,]+ ?%?|[–—]?")
MINUS = re.compile(r"(?<!\w)-(?=[\d.])")
Format = str | Callable[[object], str]


def show(value: object, how: Format | None = None) -> str:
    """Write one value: whole numbers with thousands apart, others to three significant digits, missing ones as a dash.

    A number below zero has a minus, not a hyphen.

    >>> show(1234567), show(0.12345), show(1234.5), show(float("nan")), show(0.5492, ".1%"), show("RECO")
    ('1,234,567', '0.123', '1,234', '–', '54.9%', 'RECO')
    >>> show(-0.5, "+.2f")
    '−0.50'
    """
    if not isinstance(value, list | tuple | dict) and pd.isna(value):
        return MISSING
    if callable(how):
        return how(value)
    if isinstance(how, str):
        return MINUS.sub("−", how.format(value) if "{" in how else format(value, how))
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return MINUS.sub("−", f"{value:,d}")
    if not isinstance(value, Real):
        return str(value)
    size = abs(float(value))
    if size and (size < 1e-3 or size >= 1e7):
        return MINUS.sub("−", f"{value:.2e}")
    return MINUS.sub("−", f"{value:,.0f}" if size >= 1000 else f"{value:#.3g}".rstrip("."))


class Table:
    """Texts as a table of the book, drawn by pandas' Styler; the last value of a cell. Built by `table`."""

    def __init__(self, texts: pd.DataFrame, caption: str | None) -> None:
        self.texts, self.caption = texts, caption
        self.counted = isinstance(texts.index, pd.RangeIndex)

    def __repr__(self) -> str:
        """Return the table as plain text, for a terminal."""
        return "\n".join(filter(None, [self.caption, self.texts.to_string(index=not self.counted)]))

    def _repr_html_(self) -> str:
        rows, columns = self.texts.index, self.texts.columns
        in_one_row = rows.nlevels == 1  # the name of the rows stands beside the last names of the columns
        shown = self.texts.rename_axis(columns=[None] * (columns.nlevels - 1) + [rows.name if in_one_row else None])
        # an identity from the content: equal tables give equal pages, and the style of one leaves the others alone
        style = (shown.rename_axis(index=None) if in_one_row else shown).style
        style.set_uuid(sha256(repr(self).encode()).hexdigest()[:12]).cell_ids = False
        style.format(escape="html").format_index(show, escape="html").set_caption(escape(self.caption or ""))
        style.format_index(escape="html", axis="columns")
        style.format_index_names(escape="html", axis="columns" if in_one_row else "index")
        style.set_table_attributes('class="dataframe table"').set_table_styles(self._alignment())
        html = (style.hide() if self.counted else style).to_html()
        for kind, scope in (("col_heading", "col"), ("index_name", "col"), ("row_heading", "row")):
            html = html.replace(f'class="{kind}', f'scope="{scope}" class="{kind}')
        # what is empty heads nothing
        html = re.sub(r'<th(?: scope="(?:col|row)")?( class="[^>]*)>(?:&nbsp;)?</th>', r"<td\1></td>", html)
        return f'<div style="overflow-x: auto">{html}</div>'

    def _alignment(self) -> list[dict]:
        """Set texts to the left and numbers, also those that came as text ("about 0.87"), with their headers right."""
        rules, head = [{"selector": "td, th", "props": "text-align: left"}], f"th.level{self.texts.columns.nlevels - 1}"
        for i, (_, column) in enumerate(self.texts.items()):
            if len(column) and all(NUMBER.fullmatch(text) for text in column):
                rules.append({"selector": f"td.col{i}, {head}.col{i}", "props": "text-align: right"})
                rules.append({"selector": f"td.col{i}", "props": "white-space: nowrap"})
        return rules


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
    """
    formats = formats or {}
    if unknown := [str(name) for name in formats if name not in frame.columns]:
        raise ValueError(f"formats: expected columns among {', '.join(map(str, frame.columns))}, found {unknown[0]}")
    columns = [[show(value, formats.get(name)) for value in column] for name, column in frame.items()]
    texts = pd.DataFrame(dict(enumerate(columns)), index=frame.index, dtype=object).set_axis(frame.columns, axis=1)
    return Table(texts, caption)
