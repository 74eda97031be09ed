"""Units as tables of towers write them: how large one is, of what, and whether it is the one that is read.

A table may state a unit in a row below its header, in brackets behind a column's name, or at the name's end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.products import ProductError, attributes

SIZES = {
    **dict.fromkeys(("kg", "kilograms"), (1.0, "kg")), **dict.fromkeys(("g", "grams", "gram"), (1e-3, "kg")),
    "mg": (1e-6, "kg"), **dict.fromkeys(("Mg", "t", "ton", "tons", "tonne", "tonnes"), (1e3, "kg")),
    "mol": (1.0, "mol"), "mmol": (1e-3, "mol"), **dict.fromkeys(("umol", "micromol"), (1e-6, "mol")),
    "m": (1.0, "m"), "cm": (1e-2, "m"), "mm": (1e-3, "m"),
    **dict.fromkeys(("in", "inch", "inches"), (0.0254, "m")), **dict.fromkeys(("ha", "hectare"), (1e4, "m2")),
    **dict.fromkeys(("s", "sec", "second"), (1.0, "s")), **dict.fromkeys(("d", "day"), (86400.0, "s")),
    **dict.fromkeys(("h", "hr", "hour"), (3600.0, "s")), **dict.fromkeys(("month", "mon"), (31557600.0 / 12, "s")),
    **dict.fromkeys(("yr", "y", "a", "year", "annum"), (31557600.0, "s")),
    "w": (1.0, "W"), "mj": (1e6, "J"), "j": (1.0, "J"), **dict.fromkeys(("k", "kelvin", "degk"), (1.0, "K")),
    **dict.fromkeys(("c", "degc", "celsius", "degcelsius", "oc"), (1.0, "degC")),
    **dict.fromkeys(("f", "degf", "fahrenheit", "degfahrenheit"), (1.0, "degF")),
    "%": (1e-2, ""), "percent": (1e-2, ""), "-": (1.0, ""),
}  # fmt: skip
YEAR = 31557600.0
CARBON = 0.012011
"""kg in a mol."""
OF_DIOXIDE = 12.011 / 44.009

FLUX = {"kg m-2 s-1": YEAR, "kg m-2": 1.0, "kg": 1.0, "mol m-2 s-1": YEAR * CARBON, "mol m-2": CARBON}
HEAT = {"K": [1, -273.15], "degC": [1, 0], "degF": [5 / 9, -160 / 9]}
WATER = {"m s-1": 1000 * YEAR, "m": 1000.0, "kg m-2 s-1": YEAR, "kg m-2": 1.0}
LIGHT = {"W m-2": 1.0, "J m-2 s-1": 1.0, "J m-2": 1 / YEAR, "mol m-2 s-1": 1e6 / 4.57}
SHARE = {"": 1.0}
"""By kind of variable: what a number of a unit is multiplied by to be in the book's. A flux without a time is a year's
sum; 4.57 µmol of photons are a joule (McCree 1972)."""


def unit_of(text: str) -> tuple[float, str] | None:
    """Return what a unit is: its size, and of what, as ``FLUX`` and the others name it; None where it isn't known.

    >>> unit_of("gC m-2 y-1"), unit_of("t/ha/yr")[1], unit_of("blue")
    ((3.168808781402895e-11, 'kg m-2 s-1'), 'kg m-2 s-1', None)
    >>> [round(unit_of(f"g {of} m-2 yr-1")[0] / unit_of("g C m-2 yr-1")[0], 3) for of in ("CO2-C", "C-CO2", "CO2")]
    [1.0, 1.0, 0.273]
    """
    text = text.translate(str.maketrans("⁻⁰¹²³−µμ₂", "-0123-uu2"))
    text = re.sub("[°º]", "deg", text.replace("℃", "degC").replace("℉", "degF"))
    text = re.sub(r"CO2[-\s]?C(?![A-Za-z])|C[-\s]?CO2", "C", text).replace("CO2", "dioxide")  # the first two are carbon
    text = re.sub(r"(?i)\bdeg(rees?)?[.\s_]*", "deg", text)
    size, powers, first = 1.0, Counter(), True
    tokens = re.findall(
        r"%|(?<!\S)-(?!\S)|[A-Za-z]+|[-+]?\d+|[^\sA-Za-z\d]", re.sub(r"[/*·.^_()\[\]{}]|\bper\b", " ", text)
    )
    for k, token in enumerate(tokens):
        glued = re.fullmatch(r"(k?g|Mg|mg|t|u?mol|mmol)(C|c|dioxide)?", token)
        if glued and glued[2]:
            token, size = glued[1], size * (OF_DIOXIDE if glued[2] == "dioxide" and "mol" not in token else 1)
        if first and token.isdigit() and token != "1":  # 0.1 degC, 10^3 kg: nobody knows what is meant
            return None
        if re.fullmatch(r"[-+]?\d+", token) or (not first and token in ("C", "dioxide", "carbon", "photons")):
            size *= OF_DIOXIDE if token == "dioxide" and "kg" in powers else 1
            continue
        one = SIZES.get(token) or SIZES.get(token.lower())
        if one is None:
            return None
        power = int(tokens[k + 1]) if k + 1 < len(tokens) and re.fullmatch(r"[-+]?\d+", tokens[k + 1]) else 1
        power = power if first else -abs(power)  # all but the first are divided by, with a minus or not: g C m-2 d-1
        size, first = size * one[0] ** power, False
        powers[one[1].removesuffix("2")] += power * (2 if one[1] == "m2" else 1)
    shown = [name if power == 1 else f"{name}{power}" for name, power in powers.items() if name and power]
    return None if first else (size, " ".join(shown[:1] + sorted(shown[1:])))


KINDS = {"kg m-2 yr-1": FLUX, "degC": HEAT, "W m-2": LIGHT, "1": SHARE}
KINDS |= dict.fromkeys(("mm yr-1", "mm month-1", "mm d-1"), WATER)
"""The kind of each of the book's units that tables are held against."""
NEAR, PHOTONS = 0.01, 0.1
"""How far a factor may lie from that of the stated unit; joules in a mol of photons differ more between the lights."""
PERIODS = (1, 12, 365.25)
"""What a sum whose unit tells no time may be of: a year, a month, a day."""

WRONG_WAY = {
    axis: re.compile(rf"((^|[°º(\[{{]|deg(rees?)?)[\s_.]*{way[0]}|{way})[\s)\]}}]*$", re.IGNORECASE)
    for axis, way in (("lat", "south"), ("lon", "west"))
}
"""How degrees are stated that the book counts the other way."""


def stated(table: pd.DataFrame, column: str) -> Iterator[str]:
    """Yield what may state a column's unit: its cell in the row of units, then brackets or the ends of its name.

    >>> list(stated(pd.DataFrame(columns=["x"]), "rain [in]")), list(stated(pd.DataFrame(columns=["x"]), "T_air_degF"))
    (['in'], ['air degF', 'degF'])
    """
    if column in (of_row := table.attrs.get("units", {})):
        yield of_row[column]
    if bracket := re.fullmatch(r".+?[\[({]([^\])}]*)[\])}]?\s*", column):
        yield bracket[1]
    if bracket or unit_of(of_row.get(column, "")):
        return
    words = re.findall(r"[^\W_]+", column)
    ends = (" ".join(words[k:]) for k in range(1, len(words)))
    yield from (end for end in ends if end[0].isalpha() and len(end) > 1)  # TA_F is a filled series


def refuse_other(
    table: pd.DataFrame,
    where: Path | str,
    name: str,
    column: str,
    factor: float | Sequence[float] | None = None,
    units: str = "",
) -> None:
    """Refuse a column whose table states a unit that is known, and is another one than it is read in.

    Parameters
    ----------
    table : DataFrame
        As `site_table.rows` gives it.
    name : str
        The variable; of one whose unit the book does not know, nothing is refused.
    factor : float or two of them, optional
        What takes the column to the book's unit; None where none can be given.
    units : str
        What precipitation is read in, where one can choose; by default all are read in the variable's own.
    """
    convert = "convert it, or choose its rate (climate_rain in a profile)" if units else "convert it"
    units = units or attributes(name).get("units", "")
    kind = KINDS.get(units)
    for text in stated(table, column) if kind else ():
        size, what = unit_of(text) or (1.0, None)
        if what in kind and not _agree(text, size, what, units, factor):
            how = f"{units}{'' if factor in (None, 1) else f' by the factor {factor}'}"
            give = convert if factor is None else f"give the factor {_factor(size, what, units)} (table_factors)"
            raise ProductError(
                f"{where}: column {column!r}: expected {name} in {how}, found it stated in {text!r}; {give}, or "
                "correct what is stated"
            )


def _factor(size: float, what: str, units: str) -> float | list[float]:
    """Return what takes a unit to one of the book's; with what is added then, for temperatures."""
    kind = KINDS[units]
    if kind is HEAT:
        return [round(number, 6) for number in HEAT[what]] if what != "degC" else 1.0
    of_book, book = unit_of(units) or (1.0, "")
    return float(f"{size * kind[what] / (of_book * kind[book]):.6g}")


def _agree(text: str, size: float, what: str, units: str, factor: float | Sequence[float] | None) -> bool:
    kind, used = KINDS[units], np.append(1.0 if factor is None else factor, 0.0)[:2]
    if kind is HEAT:
        return bool(np.allclose(used, HEAT[what], rtol=NEAR, atol=NEAR))
    if kind is SHARE and size == 1:  # a dash says nothing
        return True
    wanted = _factor(size, what, units) * np.array([1.0] if "s-1" in what or kind is SHARE else PERIODS)
    if kind is FLUX and "kg" in what and not re.search(r"C(?![a-z])|carbon", text):  # it may be of carbon dioxide
        wanted = np.append(wanted, wanted * OF_DIOXIDE)
    photons = kind is LIGHT and what.startswith("mol")
    return bool(np.isclose(used[0], wanted, rtol=PHOTONS if photons else NEAR, atol=0).any())


def refuse_wrong_way(table: pd.DataFrame, where: Path | str, axis: str, column: str, values: np.ndarray) -> None:
    """Refuse degrees south or west above zero; below it they are taken for what they are to the book."""
    for text in (table.attrs.get("units", {}).get(column, ""), column):
        if WRONG_WAY[axis].search(text) and (values > 0).any():
            way = {"lat": "north", "lon": "east"}[axis]
            raise ProductError(
                f"{where}: column {column!r}: expected degrees {way}, found them stated as {text!r} and above zero; "
                f"write degrees {way}, below zero there, and correct what is stated"
            )
