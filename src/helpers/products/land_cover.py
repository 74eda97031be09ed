"""Land cover classes of IGBP, and the many ways in which tables of towers write them."""

from __future__ import annotations

import re

import numpy as np

from helpers.products import missing
from helpers.space.regions import IGBP

ABBREVIATIONS = tuple(abbreviation for abbreviation, _ in IGBP.values())
"""In the order of their codes, 0 to 16."""

OTHERS = {
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

EXPECTED = f"one of {', '.join(ABBREVIATIONS)} (or its number or name)"
"""What a class may be, for messages."""

NONE = (-1, 254, 255)
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


SHORT = {abbreviation: code for code, abbreviation in enumerate(ABBREVIATIONS)} | {"BAR": 16}
LONG = {_letters(name): code for code, (_, name) in IGBP.items()} | {_letters(n): code for n, code in OTHERS.items()}


def _named(text: str) -> int | None:
    short = SHORT.get(re.sub(r"[\W\d_]+", "", text).upper())
    return LONG.get(_letters(text)) if short is None else short


def code(text: str) -> int | None:
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
    >>> [code(text) for text in ("enf", "1.0", "Woody savanna", "WSA (Woody Savannas: lands …)", "17", "-9999", "")]
    [1, 1, 8, 8, 0, -1, -1]
    >>> code("MOON"), code("ENF (Croplands)"), code("1.5")
    (None, None, None)
    """
    text = text.strip()
    if text.lower() in (*missing.TEXTS, "unclassified", "unknown"):
        return -1
    try:
        number = float(text)
    except ValueError:
        whole = _named(text)
        parts = {_named(part) for part in re.split(r"[():;,|]| [-–—] ", text)} - {None}
        return whole if whole is not None else parts.pop() if len(parts) == 1 else None
    if number in NONE or bool(missing.fills(np.array(number), (0, max(NONE)))):
        return -1
    if number == WATER_LAST:
        return 0
    return int(number) if number in IGBP else None
