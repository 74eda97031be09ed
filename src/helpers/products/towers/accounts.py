"""The account of site-years: which rows were read, which were struck and why, so that losses add up."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import xarray as xr

COLUMNS = ["site", "year", "reason", "file"]


class Account:
    """Rows as they were read, from which rules strike some.

    Parameters
    ----------
    rows : DataFrame
        A row a site-year, with columns ``site``, ``year`` and ``file``.
    aside : sequence of tuple
        Site-years (site, year, reason, file) of files that were left out before.
    """

    def __init__(self, rows: pd.DataFrame, aside: Sequence[tuple[str, int, str, str]] = ()):
        self.kept = rows.reset_index(drop=True)
        self.read = len(rows) + len(aside)
        self._struck: list[pd.DataFrame] = [_frame(list(aside))]

    def strike(self, wrong: pd.Series, reason: str) -> None:
        """Take out the rows for which ``wrong`` (bool, on the index of `kept`) holds, for this reason."""
        self._struck.append(self.kept.loc[wrong, ["site", "year", "file"]].assign(reason=reason))
        self.kept = self.kept[~wrong]

    @property
    def dropped(self) -> pd.DataFrame:
        """What was struck, in the order of the rules: a row a site-year (site, year, reason, file)."""
        return pd.concat(self._struck, ignore_index=True)[COLUMNS].astype({"year": "int64"})

    def attributes(self) -> dict[str, int | str]:
        """Return the account as attributes of a Dataset, which NetCDF can hold."""
        return {"site_years_read": self.read, "site_years_dropped": json.dumps(self.dropped.values.tolist())}


def with_unread(ds: xr.Dataset, aside: Sequence[tuple[str, int, str, str]]) -> xr.Dataset:
    """Enter site-years (site, year, reason, file) of files that no reader was given; of other products, do nothing."""
    if "site_years_dropped" in ds.attrs and aside:
        rows = json.loads(ds.attrs["site_years_dropped"]) + [list(row) for row in aside]
        read = int(ds.attrs["site_years_read"]) + len(aside)
        ds = ds.assign_attrs(site_years_read=read, site_years_dropped=json.dumps(rows))
    return ds


def dropped(ds: xr.Dataset) -> pd.DataFrame:
    """Return which site-years a reader of towers left out, and why.

    Parameters
    ----------
    ds : Dataset
        What `helpers.products.read` gave, or what came back from a file of it.

    Returns
    -------
    DataFrame
        A row a site-year that was read and left out: ``site``, ``year``, ``reason``, ``file`` (its name). Together
        with the samples of ``ds`` they are all that was read. Of a file that could not be read, the years are those
        that its name tells, or one row with year 0 where it tells none. Empty for products that drop nothing.
    """
    return _frame(json.loads(ds.attrs.get("site_years_dropped", "[]")))


def _frame(rows: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype({name: str for name in COLUMNS} | {"year": "int64"})
