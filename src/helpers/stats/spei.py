"""The drought index SPEI at any time scale, from monthly precipitation and potential evapotranspiration (PET).

The water balance of the last ``scale`` months is turned into a standard normal score, calendar month by calendar
month: a three-parameter log-logistic distribution is fitted by unbiased probability-weighted moments, and its
cumulative probability is read off a standard normal [1]_, [2]_. These are the choices of SPEIbase from its version
2.0 on, including what it does with a balance beyond the end of the fitted distribution: the score is infinite there
and is set to missing. A short record meets that end more often; ``limit`` then gives the score of the limit instead.

Other libraries mean other things by the same name. xclim (version 0.62) fits a two-parameter gamma distribution by
maximum likelihood unless told otherwise, and its other built-in choices are fitted by likelihood or by approximate
moments: scores differ, most of all in the tails. Given the generalised logistic of lmoments3 and its method "PWM", it
fits what is fitted here.

References
----------
.. [1] Vicente-Serrano, Beguería and López-Moreno (2010), J. Climate 23, 1696-1718, doi:10.1175/2009JCLI2909.1.
.. [2] Beguería, Vicente-Serrano, Reig and Latorre (2014), Int. J. Climatol. 34, 3001-3023, doi:10.1002/joc.3887.
.. [3] Allen, Pereira, Raes and Smith (1998), FAO Irrigation and Drainage Paper 56, equations 21 to 25 and 52.
.. [4] Hosking and Wallis (1997), Regional Frequency Analysis, appendix A.7 (generalised logistic distribution).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import expit, ndtri

from helpers.space.grid import together, whole_series

FEWEST_YEARS = 4
"""Fewer values of one calendar month than this are not fitted (as in the R package SPEI)."""

FIFTEENTH = np.array([15, 46, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349])
"""Day of the year of the fifteenth of each month; its radiation stands for the month's (FAO-56, annex 2)."""


def spei(
    precipitation: xr.DataArray,
    pet: xr.DataArray,
    scale: int,
    *,
    calibration: tuple[int, int] | None = None,
    limit: float | None = None,
) -> xr.DataArray:
    """Return the standardised precipitation evapotranspiration index.

    Parameters
    ----------
    precipitation, pet : DataArray (…, time)
        Monthly totals, mm month-1; consecutive months, any other dimensions. May be dask arrays: then so is the
        result.
    scale : int
        Number of months over which the balance is summed, this month included.
    calibration : tuple of int, optional
        First and last year of the values to fit on; by default all.
    limit : float, optional
        Scores beyond ±limit, infinite ones too, become ±limit. By default nothing is cut and infinite scores are
        missing, as in SPEIbase. A score of 3 is met once in 741 years: no record of a few decades reaches further.

    Returns
    -------
    DataArray (…, time)
        Index, 1 (standard deviations; negative = dry). NaN in the first ``scale`` − 1 months, where a month of the
        sum is missing, where the balance never varies, and (without a limit) beyond the end of the distribution.

    Raises
    ------
    ValueError
        For a scale that is not whole, below 1 or longer than the series, months that are not consecutive, an empty
        calibration, or precipitation and PET of other cells or months than each other.
    """
    for name, field in (("precipitation", precipitation), ("pet", pet)):
        if isinstance(field, xr.Dataset):
            raise ValueError(f"{name}: expected one field, found a Dataset of {', '.join(map(str, field))}; choose one")
    precipitation, pet = together(precipitation, pet, names=("precipitation", "pet"))
    balance = (precipitation - pet).astype("float64")
    months = _months(balance)
    if not (isinstance(scale, int | np.integer) and 1 <= scale <= months.size):
        raise ValueError(f"scale: expected 1 to {months.size} whole months (the length of the series), found {scale!r}")
    if (np.diff(months) != 1).any():
        at = int(np.argmax(np.diff(months) != 1)) + 1
        found = f"{(months[at] - 1) // 12:04d}-{(months[at] - 1) % 12 + 1:02d}"
        raise ValueError(f"time: expected consecutive months, found a break before {found}; fill it with NaN")
    first, last = calibration or (-np.inf, np.inf)
    years = balance.time.dt.year.values
    fitted = (years >= first) & (years <= last)
    if not fitted.any():
        raise ValueError(f"calibration: expected years within the series, found {calibration}")
    index = xr.apply_ufunc(
        _standardise,
        whole_series(balance, "time"),
        kwargs={"scale": scale, "month": (months - 1) % 12, "fitted": fitted},
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    index = index.where(np.isfinite(index)) if limit is None else index.clip(-limit, limit)
    index.attrs = {"units": "1", "long_name": f"SPEI over {scale} months", "source": "computed from the water balance"}
    return index.rename(f"spei{scale}")


def _months(balance: xr.DataArray) -> np.ndarray:
    """Return the months of a record, counted from year 0."""
    if "time" not in balance.dims:
        raise ValueError(f"time: expected a dimension 'time', found {', '.join(map(str, balance.dims)) or 'none'}")
    stamps = balance.time
    dates = stamps.dtype.kind == "M" or (stamps.dtype.kind == "O" and all(hasattr(x, "month") for x in stamps.values))
    if not dates or stamps.isnull().any():
        raise ValueError(f"time: expected dates along it, found {stamps.values[:3]} …; give each month its date")
    return stamps.dt.year.values * 12 + stamps.dt.month.values


def _standardise(balance: np.ndarray, *, scale: int, month: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Sum over ``scale`` months, then score each calendar month; time is the last axis."""
    total = np.full(balance.shape, np.nan)
    total[..., scale - 1 :] = sliding_window_view(balance, scale, axis=-1).sum(axis=-1)
    index = np.full(balance.shape, np.nan)
    for m in range(12):
        if (month == m).any():
            parameters = fit_log_logistic(total[..., (month == m) & fitted])
            index[..., month == m] = log_logistic_score(total[..., month == m], *parameters)
    return index


def fit_log_logistic(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Fit the three-parameter log-logistic distribution by unbiased probability-weighted moments.

    In Hosking's form (the generalised logistic), with the L-moments :math:`\lambda_1, \lambda_2` and the L-skewness
    :math:`\tau_3`: :math:`k = -\tau_3`, :math:`\alpha = \lambda_2 \sin(k\pi)/(k\pi)` and
    :math:`\xi = \lambda_1 - \alpha(1/k - \pi/\sin k\pi)` [4]_.

    Parameters
    ----------
    values : ndarray (…, n)
        Samples along the last axis; NaN is left out.

    Returns
    -------
    location, scale, shape : ndarray (…, 1)
        NaN where fewer than `FEWEST_YEARS` values are there or they do not vary.

    >>> location, scale, shape = fit_log_logistic(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> float(location[0]), float(scale[0].round(12)), float(abs(shape[0]).round(12))  # symmetric: a plain logistic
    (3.0, 1.0, 0.0)
    """
    n = np.isfinite(values).sum(axis=-1, keepdims=True)
    ordered = np.sort(values, axis=-1)  # NaN last
    rank = np.arange(values.shape[-1])
    present = rank < n
    ordered = np.where(present, ordered, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        b0 = ordered.sum(axis=-1, keepdims=True) / n
        b1 = (ordered * rank / (n - 1)).sum(axis=-1, keepdims=True) / n
        b2 = (ordered * rank * (rank - 1) / ((n - 1) * (n - 2))).sum(axis=-1, keepdims=True) / n
        spread = 2 * b1 - b0
        skewness = (6 * b2 - 6 * b1 + b0) / spread
        # A constant series has a spread of rounding errors only; nothing can be standardised by it.
        largest = np.abs(ordered).max(axis=-1, keepdims=True, initial=0.0)
        valid = (n >= FEWEST_YEARS) & (spread > 1e-12 * largest) & (np.abs(skewness) < 1)
    shape = np.where(valid, -skewness, np.nan)
    scale = spread * np.sinc(shape)
    # 1/k - pi/sin(k pi) tends to -k pi²/6 as k tends to 0.
    safe = np.where(np.abs(shape) < 1e-6, 1.0, shape)
    bend = np.where(np.abs(shape) < 1e-6, -shape * np.pi**2 / 6, 1 / safe - np.pi / np.sin(safe * np.pi))
    return b0 - scale * bend, scale, shape


def log_logistic_score(values: np.ndarray, location: np.ndarray, scale: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the standard normal score of the fitted cumulative probability; infinite beyond the distribution's end.

    Values (…, n) are in the units of the fit, whose parameters come from `fit_log_logistic`.
    """
    reduced = (values - location) / scale
    straight = np.abs(shape) < 1e-9
    with np.errstate(divide="ignore"):
        # log1p(-1) is minus infinity: the end of the distribution, and all that lies beyond it.
        logit = -np.log1p(np.maximum(-shape * reduced, -1)) / np.where(straight, 1.0, shape)
    logit = np.where(straight, reduced, logit)
    # The two tails are treated alike: expit(40) would round to 1, and its score to infinity.
    return np.copysign(ndtri(expit(-np.abs(logit))), logit)


def extraterrestrial_radiation(day: xr.DataArray | np.ndarray, lat: xr.DataArray | np.ndarray):
    r"""Return the daily solar radiation at the top of the atmosphere, MJ m-2 d-1 (FAO-56, equations 21 to 25) [3]_.

    The day of the year (1 to 366) and the latitude (degrees north) broadcast against each other.

    >>> extraterrestrial_radiation(246, -20.0).round(1)  # 3 September, 20°S: example 8 of FAO-56
    np.float64(32.2)
    """
    phi = np.deg2rad(lat)
    inverse_distance = 1 + 0.033 * np.cos(2 * np.pi / 365 * day)
    declination = 0.409 * np.sin(2 * np.pi / 365 * day - 1.39)
    # Clipped to the polar night (sunset at once) and the polar day (no sunset).
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return 24 * 60 / np.pi * 0.0820 * inverse_distance * height


def hargreaves(
    tmin: xr.DataArray, tmax: xr.DataArray, lat: xr.DataArray | float, *, tmean: xr.DataArray | None = None
) -> xr.DataArray:
    r"""Return potential evapotranspiration by the Hargreaves equation (FAO-56, equation 52) [3]_.

    :math:`E_0 = 0.0023\,R_a\,(T + 17.8)\,\sqrt{T_{max} - T_{min}}`, with the extraterrestrial radiation
    :math:`R_a` on the fifteenth of the month as mm d-1 of evaporated water (0.408 mm for one MJ m-2).

    Parameters
    ----------
    tmin, tmax : DataArray (…, time)
        Monthly means of the daily minimum and maximum of air temperature, degC.
    lat : DataArray or float
        Latitude, degrees north.
    tmean : DataArray, optional
        Monthly mean temperature, degC; by default halfway between ``tmin`` and ``tmax``.

    Returns
    -------
    DataArray (…, time)
        mm month-1; 0 below −17.8 °C and in the polar night.
    """
    names = ("tmin", "tmax", "lat", "tmean")
    fields = [tmin, tmax, lat] + ([] if tmean is None else [tmean])
    tmin, tmax, lat, *means = together(*fields, names=names[: len(fields)])
    month = tmin.time.dt.month
    water = 0.408 * extraterrestrial_radiation(month.copy(data=FIFTEENTH[month.values - 1]), lat)
    mean = means[0] if means else (tmin + tmax) / 2
    daily = 0.0023 * water * (mean + 17.8).clip(min=0) * np.sqrt((tmax - tmin).clip(min=0))
    pet = (daily * tmin.time.dt.days_in_month).transpose(*(tmin + mean).dims, ...)
    pet.attrs = {"units": "mm month-1", "long_name": "potential evapotranspiration (Hargreaves)"}
    return pet.rename("pet")


def december(index: xr.DataArray) -> xr.DataArray:
    """Return the Decembers of a monthly index (…, time), with dimension ``year`` first.

    A year without a December is left out.
    """
    picked = index.isel(time=np.flatnonzero(index.time.dt.month.values == 12))
    years = picked.time.dt.year.values.astype("int64")
    return picked.assign_coords(time=years).rename(time="year").transpose("year", ...)


# The index at sites: at several scales, of earlier years, and what a short record makes of it.


def scales_at(climate: xr.Dataset, scales: Sequence[int], limit: float = 3.0) -> xr.DataArray:
    """Return December's index at several scales.

    Parameters
    ----------
    climate : Dataset (site, time)
        ``precipitation`` and ``pet`` (mm month-1); without ``pet``, ``tmin``, ``tmax`` (degC) and ``lat``, from which
        it is estimated (`hargreaves`).
    scales : sequence of int
        Months.
    limit : float
        Scores are cut at plus and minus this.

    Returns
    -------
    DataArray (scale, year, site)
        NaN where the record doesn't reach so far back.
    """
    each = [december(spei(climate.precipitation, _pet(climate), k, limit=limit)) for k in scales]
    return xr.concat(each, dim=xr.DataArray(list(scales), dims="scale", name="scale")).rename("spei")


def _pet(climate: xr.Dataset) -> xr.DataArray:
    return climate.pet if "pet" in climate else hargreaves(climate.tmin, climate.tmax, climate.lat)


def earlier(index: xr.DataArray, site: xr.DataArray, year: xr.DataArray, back: int = 0) -> np.ndarray:
    """Return the index of the year ``back`` years before each sample's own: (…, sample), NaN where there is none.

    ``index`` is (…, year, site), ``site`` and ``year`` are (sample,).
    """
    at = xr.DataArray(np.asarray(year) - back, dims="sample"), xr.DataArray(np.asarray(site), dims="sample")
    known = index.reindex(year=np.unique(at[0]), site=np.unique(at[1]))
    return known.sel(year=at[0], site=at[1]).transpose(..., "sample").values


LONG_BASE = 300
"""Years of the record that is made to be the base of `of_a_longer_base`; a record of half as many or fewer fits it."""


def of_a_longer_base(climate: xr.Dataset, rng: np.random.Generator, limit: float = 3.0) -> float:
    """Return the slope, within sites, of SPEI12 fitted on a long record on SPEI12 fitted on this short one.

    A slope below 1 says that the short base attenuates what is regressed on its index, by that factor. Climate is made
    for it: years whose months are drawn each from a year of the record, the same for all sites.

    Parameters
    ----------
    climate : Dataset (site, time)
        See `scales_at`; whole years.
    rng : numpy.random.Generator
    limit : float
        Scores are cut at plus and minus this.

    Returns
    -------
    float
        Over all stretches of the long record that are as long as this one, each with a base of its own.
    """
    years = climate.sizes["time"] // 12
    drawn = 12 * rng.integers(years, size=(LONG_BASE, 12)) + np.arange(12)
    months = np.datetime64("1700-01") + np.arange(drawn.size)
    made = climate.isel(time=drawn.ravel()).assign_coords(time=months.astype("datetime64[ns]"))
    pet = _pet(made)
    whole = december(spei(made.precipitation, pet, 12, limit=limit))
    product = square = 0.0
    for first in range(1700, 1701 + LONG_BASE - years, years):
        base = first, first + years - 1
        short = december(spei(made.precipitation, pet, 12, calibration=base, limit=limit)).sel(year=slice(*base))
        true = whole.sel(year=short.year).where(short.notnull())
        short, true = (each - each.mean("year") for each in (short.where(true.notnull()), true))
        product, square = product + float((short * true).sum()), square + float((short**2).sum())
    return product / square
