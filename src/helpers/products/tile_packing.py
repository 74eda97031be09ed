"""How a field's stored numbers become values, by what its own file says of them.

Files state a scale in two ways, and an offset in two. Nothing tells them apart but the numbers, so this is the rule:

- A ``scale_factor`` of 10, 100, 1000, … says how many stored units make one of the value's: value = stored / scale
  (MOD09, MOD13). Any other is what a stored number is multiplied by (MOD11: 0.02, MOD15: 0.1, MOD17: 0.0001; and the
  range of MOD09GA, in steps of 25 m).
- An ``add_offset`` of a whole number of stored units is taken off before scaling, as the users' guide of HDF4 has it:
  value = scale x (stored - offset) (MOD08: 0.01 and -15000). One that is not whole, or that comes with a scale of 1,
  cannot be meant so, and is added after scaling: value = scale x stored + offset (MOD11's emissivities: 0.002 and 0.49,
  and its view angles: 1 and -65; Wan 2019, MODIS Land Surface Temperature Products Users' Guide, table 9).
- The pair that GDAL keeps with a band of a GeoTIFF, where its tags state none, is value = scale x stored + offset.

What was applied is put into words, and any part can be set by the caller.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.products.errors import ProductError

NOTHING = ("", "n/a", "na", "none", "null")
"""Texts that stand for an attribute without a number (MOD21 writes ``scale_factor = "n/a"`` to bit fields)."""


@dataclass(frozen=True)
class Packing:
    """From stored numbers to values: stored x ``factor`` / ``divisor`` + ``offset``, NaN where there is none.

    Parameters
    ----------
    factor, divisor, offset : float
        One of the first two is 1.
    valid : tuple of float or None
        Least and greatest stored number that is a value.
    fill : tuple of float
        Stored numbers that mean "no value".
    rule : str
        The same in words, with its reason.
    """

    factor: float = 1.0
    divisor: float = 1.0
    offset: float = 0.0
    valid: tuple[float, float] | None = None
    fill: tuple[float, ...] = ()
    rule: str = ""

    @property
    def plain(self) -> bool:
        """Whether a stored number is the value."""
        return (self.factor, self.divisor, self.offset) == (1, 1, 0)

    def missing(self, stored: np.ndarray) -> np.ndarray:
        """Say of each stored number whether it is no value."""
        missing = np.isnan(stored) if stored.dtype.kind == "f" else np.zeros(stored.shape, bool)
        for fill in self.fill:
            missing |= stored == stored.dtype.type(fill) if stored.dtype.kind == "f" else stored == fill
        if self.valid:
            missing |= (stored < self.valid[0]) | (stored > self.valid[1])
        return missing

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Turn stored numbers into values: float32, or float64 where stored numbers have more than 24 bits."""
        wide = stored.dtype.itemsize > (2 if stored.dtype.kind in "iu" else 4)
        values = stored.astype("float64")
        if not self.plain:
            values = values * self.factor / self.divisor + self.offset
        values[self.missing(stored)] = np.nan
        return values if wide else values.astype("float32")


def of(
    attributes: Mapping[str, object],
    what: str,
    *,
    scale: float | None = None,
    offset: float | None = None,
    valid: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
) -> Packing:
    """Read a field's packing from its attributes.

    Parameters
    ----------
    attributes : mapping
        ``scale_factor``, ``add_offset``, ``valid_range`` (or ``valid_min`` and ``valid_max``), ``_FillValue``,
        ``missing_value``, however they are capitalised; numbers, or text that holds numbers.
    what : str
        File and field, for messages.
    scale, offset : float, optional
        In place of the file's: value = stored x scale + offset.
    valid : pair of float, optional
        Least and greatest stored number that is a value, in place of the file's.
    fill : float or sequence of float, optional
        Stored numbers that mean "no value", in place of the file's.

    Returns
    -------
    Packing

    Raises
    ------
    ProductError
        An attribute is not what it should be; the message names the parameter that sets it.
    """
    stated = {re.sub(r"\W+", "_", key.lower()): value for key, value in attributes.items()}
    factor, divisor, how = _scale(stated, what, scale)
    shift, how_shift = _offset(stated, what, offset, factor / divisor)
    limits = _limits(stated, what, valid)
    fills = _fills(stated, what) if fill is None else tuple(float(f) for f in np.ravel(fill))
    value = "stored" + (f" x {factor:.10g}" if factor != 1 else "") + (f" / {divisor:.10g}" if divisor != 1 else "")
    value += f" {'+-'[shift < 0]} {abs(shift):.10g}" if shift else ""
    reasons = "; ".join(reason for reason in (how, how_shift) if reason)
    return Packing(factor, divisor, shift, limits, fills, f"value = {value}" + (f" ({reasons})" if reasons else ""))


def _numbers(stated: Mapping[str, object], name: str, what: str, remedy: str) -> list[float]:
    """Return the numbers of an attribute; none where it is missing or says that it has none."""
    value = stated.get(name)
    if value is None or isinstance(value, str) and value.strip("\0 ").lower() in NOTHING:
        return []
    if isinstance(value, str):
        found = re.findall(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)", value)
        if not found:
            raise ProductError(f"{what}: expected {name} to be a number, found {value[:40]!r}; pass {remedy}")
        return [float(text) for text in found]
    return [float(number) for number in np.ravel(value)]


def _one(stated: Mapping[str, object], name: str, what: str, remedy: str) -> float | None:
    numbers = _numbers(stated, name, what, remedy)
    if len(numbers) > 1:
        raise ProductError(f"{what}: expected one {name}, found {len(numbers)}; pass {remedy}")
    return numbers[0] if numbers else None


def _scale(stated: Mapping[str, object], what: str, given: float | None) -> tuple[float, float, str]:
    if given is not None:
        return float(given), 1.0, "scale as passed"
    scale = _one(stated, "scale_factor", what, "scale=")
    of_gdal = scale is None and stated.get("gdal_scale") is not None
    scale = float(stated["gdal_scale"]) if of_gdal else scale
    if scale is None or scale == 1:
        return 1.0, 1.0, ""
    if not (math.isfinite(scale) and scale > 0):
        raise ProductError(f"{what}: expected scale_factor above zero, found {scale:g}; pass scale=")
    if scale == np.float32(scale):  # written as float32: the decimal number that was meant
        scale = float(np.format_float_positional(np.float32(scale)))
    if not of_gdal and scale > 1 and math.isclose(round(math.log10(scale)), math.log10(scale), abs_tol=1e-9):
        return 1.0, scale, f"scale_factor {scale:g}, a power of ten above one, divides"
    return scale, 1.0, f"scale_factor {scale:g} multiplies"


def _offset(stated: Mapping[str, object], what: str, given: float | None, scale: float) -> tuple[float, str]:
    if given is not None:
        return float(given), "offset as passed, added after scaling" if given else ""
    offset = _one(stated, "add_offset", what, "offset=")
    of_gdal = offset is None and stated.get("gdal_offset") is not None
    offset = float(stated["gdal_offset"]) if of_gdal else offset or 0.0
    if not math.isfinite(offset):
        raise ProductError(f"{what}: expected a finite add_offset, found {offset:g}; pass offset=")
    if not offset:
        return 0.0, ""
    if not of_gdal and offset.is_integer() and scale != 1:
        return -scale * offset, f"add_offset {offset:g}, whole, is taken off before scaling"
    return offset, f"add_offset {offset:g} is added after scaling"


def _limits(stated: Mapping[str, object], what: str, given: Sequence[float] | None) -> tuple[float, float] | None:
    remedy = "valid=(least, greatest)"
    if given is not None:
        found = [float(limit) for limit in given]
    elif not (found := _numbers(stated, "valid_range", what, remedy)):
        ends = [_one(stated, name, what, remedy) for name in ("valid_min", "valid_max")]
        if ends == [None, None]:
            return None
        found = [-math.inf if ends[0] is None else ends[0], math.inf if ends[1] is None else ends[1]]
    if len(found) != 2 or not found[0] <= found[1]:
        raise ProductError(f"{what}: expected a valid range from least to greatest, found {found}; pass {remedy}")
    return found[0], found[1]


def _fills(stated: Mapping[str, object], what: str) -> tuple[float, ...]:
    named = [_numbers(stated, name, what, "fill=") for name in ("_fillvalue", "missing_value")]
    return tuple(dict.fromkeys(number for numbers in named for number in numbers))
