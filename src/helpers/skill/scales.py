"""Skill taken apart: across sites, among the years of a site, in the trends of sites, and at the sites done worst.

A high score over all site-years may be that of the differences between sites alone. A map of trends rests on the
others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.labels import indexed
from helpers.skill.scores import _pair
from helpers.skill.sums import COUNT, STATISTICS, add, squared_error, sums

SCALES = ("all", "across sites", "within sites", "trends", "worst tenth")


def scale_sums(
    observed: ArrayLike,
    simulated: ArrayLike,
    site: ArrayLike,
    year: ArrayLike,
    *,
    min_years: int = 3,
    trend_years: int = 5,
) -> dict[str, np.ndarray]:
    """Return what each site adds to the sums of each scale; `helpers.skill.SiteBootstrap.of_sums` takes them.

    Parameters
    ----------
    observed, simulated : array_like, shape (..., sample)
        One unit, finite; leading axes broadcast.
    site, year : array_like, shape (sample,)
        A site has a year once.
    min_years : int
        Sites with fewer years have no anomalies (2 or more).
    trend_years : int
        Sites with fewer years have no trend (2 or more).

    Returns
    -------
    dict of ndarray, shape (..., site, 6)
        Keys ``all``, ``across sites`` (means, each site once), ``within sites`` (anomalies: values less their site's
        mean) and ``trends`` (slopes of ordinary least squares a year, each site once); sites in sorted order, zeros
        where one has no part. The last axis is that of `helpers.skill.sums`.

    Raises
    ------
    ValueError
        Unequal lengths, a value that is not finite, a site that has a year twice, or too small a number of years.
    """
    obs, sim = np.broadcast_arrays(*_pair(observed, simulated))
    label, code = indexed(site, "site")
    distinct, place = indexed(year, "year")
    when = distinct[place].astype(np.float64)
    _check(obs.shape[-1], code, when, min_years, trend_years)
    whole, years = sums(obs, sim, code), np.bincount(code)
    (mean_o, a), (mean_s, b) = (_anomalies(values, code, years) for values in (obs, sim))
    within = add(np.stack([np.ones_like(a), 0 * a, 0 * a, a * a, b * b, a * b], axis=-1), code)
    away = when - (np.bincount(code, when) / years)[code]
    spread = np.bincount(code, away**2)
    rising = add(np.stack([a * away, b * away], axis=-1), code) / np.where(spread > 0, spread, np.nan)[:, None]
    return {
        "all": whole,
        "across sites": _ones(mean_o, mean_s, np.ones(label.size, bool)),
        "within sites": np.where((years >= min_years)[:, None], within, 0.0),
        "trends": _ones(rising[..., 0], rising[..., 1], years >= trend_years),
    }


def _anomalies(values: np.ndarray, code: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sites' means (..., site), and values less them, without the rounding of those that never change."""
    mean = add(values[..., None], code)[..., 0] / years
    away = values - mean[..., code]
    return mean, np.where(np.abs(away) > 1e-12 * np.abs(values).max(), away, 0.0)


def _check(samples: int, code: np.ndarray, when: np.ndarray, min_years: int, trend_years: int) -> None:
    if code.shape != (samples,) or when.shape != (samples,):
        raise ValueError(
            f"site and year: expected one of each for {samples} samples, found {code.size} and {when.size}; pair them"
        )
    twice = samples - len(np.unique(np.stack([code, when]), axis=1).T)
    if twice:
        raise ValueError(f"year: expected each year of a site once, found {twice} more; average or drop them")
    for name, value in (("min_years", min_years), ("trend_years", trend_years)):
        if value < 2:
            raise ValueError(f"{name}: expected 2 or more, found {value}")


def _ones(observed: np.ndarray, simulated: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return sums of one value a site, zeros where ``taken`` (site,) is false."""
    o, s = (np.where(taken, values, 0.0) for values in (observed, simulated))
    return np.stack([np.broadcast_to(taken.astype(float), o.shape), o, s, o * o, s * s, o * s], axis=-1)


def by_scale(
    observed: ArrayLike,
    simulated: ArrayLike,
    site: ArrayLike,
    year: ArrayLike,
    *,
    min_years: int = 3,
    trend_years: int = 5,
    worst: float = 0.1,
) -> dict[str, dict[str, np.ndarray]]:
    """Score each scale by itself.

    Parameters
    ----------
    observed, simulated, site, year, min_years, trend_years
        See `scale_sums`.
    worst : float
        Share of the sites that counts as done worst, by RMSE (above 0, up to 1); at least one site.

    Returns
    -------
    dict of dict of ndarray, shape (...)
        For each of `SCALES`, the `helpers.skill.STATISTICS`, the number of ``sites``, the number ``n`` of values scored
        (site-years, site means, anomalies, slopes), and ``share``, the part of all squared error of site-years that the
        sites scored have. ``pandas.DataFrame(found).T`` makes a table of it where there are no leading axes. R2 of
        anomalies is about each site's mean, and of slopes about the mean slope. RMSE of slopes is a year.
    """
    if not 0 < worst <= 1:
        raise ValueError(f"worst: expected a share above 0 and up to 1, found {worst}")
    parts = scale_sums(observed, simulated, site, year, min_years=min_years, trend_years=trend_years)
    error = squared_error(parts["all"])
    rank = np.argsort(np.argsort(-error / parts["all"][..., COUNT], axis=-1, kind="stable"), axis=-1)
    tail = rank < max(1, round(worst * rank.shape[-1]))
    parts["worst tenth"] = np.where(tail[..., None], parts["all"], 0.0)
    found = {}
    for scale in SCALES:
        total, taken = parts[scale].sum(-2), parts[scale][..., COUNT] > 0
        found[scale] = {name: rule(total) for name, rule in STATISTICS.items()}
        found[scale] |= {"sites": taken.sum(-1), "n": total[..., COUNT].astype(int)}
        found[scale]["share"] = (error * taken).sum(-1) / np.where(error.sum(-1) > 0, error.sum(-1), np.nan)
    return found
