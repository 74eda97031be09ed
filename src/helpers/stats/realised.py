r"""The trend that maps' years did have, cell by cell, with the errors that towers and neighbours show.

What is estimated is the least-squares slope of the *true* series in the very years of the map, weather and all. Its
error is an error of the map, and three things tell of it.

*Neighbours.* What a map's cell shares with none around it is noise of its products. With :math:`y` the series beside
its own line, in units of the cell's :math:`\sigma`, and :math:`H y` its second difference along latitude of its second
difference along longitude,

.. math:: C = \frac{1}{(n - 2)\,\tfrac94} \sum_t H y_t\, (H y_t)^\top

is the noise's covariance between maps (RECO and NPP share products), and :math:`C / S_{tt}` that of their slopes,
:math:`S_{tt} = \sum_t (t - \bar t)^2`. `cleaned` takes it out.

*Other towers.* The years of a tower that no network has seen, less :math:`b` times what is predicted (see below), in
units of the map's own standard deviation :math:`\sigma` there, are errors of the map, of the tower and of its label.
What two towers share in the same year is the map's: its covariance falls off with distance, :math:`c\,e^{-d/L}`. If
errors are as good as independent from year to year, a slope has :math:`c / S_{tt}`, correlated over that distance.
`tower_errors`.

*The same towers' calibration.* Regressed on what is predicted, the years of a tower rise by :math:`b < 1`;
:math:`(1 - b)^2` of the map's variance is an error that stays, and is added to :math:`c`.

What goes with NPP in RECO's slopes stays in every draw; of the rest, the share that these errors make up is drawn anew.

The sizes below were chosen on made planets of seeds 101 to 106, of three kinds, and are tried on others: `data/made`
keeps how often the intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import uniform_filter

from helpers.space.grid import RADIUS, together
from helpers.stats.labels import indexed
from helpers.stats.trends import over_rows

MOST = 0.4
"""Largest part of a year's variance in NPP and GPP that is taken for noise."""

SHARED = 0.2
"""Part of the variance of NPP's and GPP's noise that neighbours share: real products' errors aren't independent."""

COMMON = 0.007
"""Standard deviation of an error of RECO's slope that all land shares (yr-1, in units of sigma), such as soils
that follow slowly: a trend that no predictor shows, and that towers are too few to tell."""

RATIO = 0.15
"""Standard deviation of the logarithm of RECO's true fluctuation over what is estimated."""

LEVEL = 0.25
"""Standard deviation of the logarithm of a cell's own factor on NPP and GPP, which products with one table of light-use
efficiency by biome don't know; an assumption. It turns no slope round."""

LENGTHS = (500.0, 900.0, 1500.0)
"""Distances of correlation (km) that are tried; errors that products share have the middle one."""

REACH = 3
"""Cells to each side over which neighbours' covariances are averaged."""


ROWS, CELLS = 60, 4000
"""Rows of a map that are read at a time, and cells of which all draws are made at a time."""

LEAST, FAR = 3, 4000.0
"""Years that a tower needs to tell of errors, and km beyond which two towers tell nothing together."""

WAVES, GROUP = 50, 10
"""Waves of a random field, and fields that have their wave vectors in common."""


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return the mixed second differences (…, lat, lon); longitude goes round, rows beyond the edge are missing."""
    edge = np.full((*values.shape[:-2], 1, values.shape[-1]), np.nan)
    tall = np.concatenate([edge, values, edge], axis=-2)
    down = tall[..., 1:-1, :] - (tall[..., :-2, :] + tall[..., 2:, :]) / 2
    return down - (np.roll(down, 1, -1) + np.roll(down, -1, -1)) / 2


def _around(values: np.ndarray, reach: int) -> np.ndarray:
    """Return means over the square of ``reach`` cells to each side (…, lat, lon), of what is there."""
    out = np.empty(values.shape)
    for k in np.ndindex(values.shape[:-2]):  # a field is held at a time
        known = np.isfinite(values[k])
        total, count = (
            uniform_filter(part, 2 * reach + 1, mode=("constant", "wrap"))
            for part in (np.where(known, values[k], 0.0), known.astype("float64"))
        )
        # The filter is a running sum: what is left of it where nothing is known is rounding.
        with np.errstate(invalid="ignore", divide="ignore"):
            out[k] = np.where(count > 1e-6, total / count, np.nan)
    return out


def _means_of_products(products: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """Return local means of products of fluxes (flux, other, lat, lon), as matrices without negative variance.

    All entries of a cell's matrix are means over the same neighbours, those where all fluxes are known; means over
    different ones don't make a covariance. Where the first flux is missing (``silent``), the rest stands alone.
    """
    together = np.where(np.isfinite(products).all(axis=(0, 1)), products, np.nan)
    out = np.empty(products.shape)
    for v, w in np.ndindex(products.shape[:2]):
        out[v, w] = _around(together[v, w], REACH)
        out[v, w] = np.where(silent, _around(products[v, w], REACH) if v and w else 0.0, out[v, w])
    return np.nan_to_num(out)


def series_of_maps(maps: xr.Dataset, counted: xr.DataArray) -> xr.Dataset:
    """Sum yearly maps up to what their slopes need: means, lines, spread, and noise told by neighbours.

    Parameters
    ----------
    maps : Dataset (year, lat, lon)
        RECO first, then NPP and others (kg m-2 yr-1), in memory or lazily: read once, a strip at a time.
    counted : DataArray (lat, lon), bool
        The cells to look at; others are no neighbours.

    Returns
    -------
    Dataset (flux, lat, lon)
        ``slope`` (kg m-2 yr-2), ``sigma`` (standard deviation over the years, ddof 0; kg m-2 yr-1) and ``noise`` (flux,
        other, lat, lon): covariance of a year's noise in units of each cell's own sigma, a mean over `REACH` cells to
        each side. NaN outside ``counted``; the noise is 0 where no cell around has all its neighbours.
    """
    names = list(maps.data_vars)
    *fields, counted = together(*maps.data_vars.values(), counted.astype(bool), names=(*names, "counted"))
    counted = counted.transpose("lat", "lon").compute()
    found = over_rows(_lines_and_roughness, counted, *fields, beside=1).assign_coords(flux=names, other=names)
    here, sigma = counted.to_numpy(), found.sigma.to_numpy()
    noise = np.where(here, _means_of_products(found.noise.to_numpy(), here & np.isnan(sigma[0])), np.nan)
    years = maps["year"].to_numpy().astype("float64")
    about = {"years": years.size, "stt": float(((years - years.mean()) ** 2).sum())}
    return found.assign(noise=(found.noise.dims, noise)).assign_attrs(about)


def _lines_and_roughness(counted: xr.DataArray, *fields: xr.DataArray) -> xr.Dataset:
    """Return slope and sigma (flux, lat, lon), and products of the noise (flux, other, lat, lon), cell by cell."""
    years = fields[0]["year"].to_numpy().astype("float64")
    dx = years - years.mean()
    strip = [f.transpose("year", "lat", "lon").to_numpy().astype("float64") for f in fields]
    strip = np.where(counted.to_numpy(), np.stack(strip), np.nan)
    strip -= strip.mean(axis=1, keepdims=True)
    line = np.einsum("t,vtyx->vyx", dx / (dx @ dx), strip)
    spread = np.sqrt((strip**2).mean(axis=1))
    # In units of each cell's own sigma: or the noise of lively land would be that of the calm land beside it.
    with np.errstate(invalid="ignore", divide="ignore"):
        beside = (strip - dx[:, None, None] * line[:, None]) / spread[:, None]
    rough = _mixed(np.where(np.isfinite(beside), beside, np.nan))
    # A mixed second difference of independent noise has 9/4 of its variance.
    noise = np.einsum("vtyx,wtyx->vwyx", rough, rough) / (dx.size - 2) / 2.25
    found = {"slope": (("flux", "lat", "lon"), line), "sigma": (("flux", "lat", "lon"), spread)}
    return xr.Dataset(found | {"noise": (("flux", "other", "lat", "lon"), noise)}, counted.coords)


def _root(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return symmetric matrices (…, v, v) without negative variance, and a root of each."""
    values, vectors = np.linalg.eigh((matrices + np.swapaxes(matrices, -1, -2)) / 2)
    values = np.maximum(values, 0.0)
    scaled = vectors * np.sqrt(values)[..., None, :]
    return scaled @ np.swapaxes(scaled, -1, -2), scaled


def cleaned(found: xr.Dataset) -> xr.Dataset:
    r"""Take the noise that neighbours don't share out of a map's slopes: empirical Bayes, cell by cell.

    Around the mean of its 3 by 3 neighbours a cell's slopes, of all fluxes together, have a covariance V that is
    measured over `REACH` cells to each side, and a part :math:`N = \tfrac89\, C / S_{tt}` of it is noise. Of the rest,
    :math:`G = (V - N)\,V^{-1}` is kept, and :math:`(V - N) - G\,(V - N)` stays uncertain.

    Parameters
    ----------
    found : Dataset
        From `series_of_maps`.

    Returns
    -------
    Dataset
        In units of sigma: ``slope`` (flux, lat, lon; yr-1; NaN where a map is missing or never changes), ``root``
        (flux, other, lat, lon) with root·rootᵀ the covariance that is left, ``noise`` (flux, other, lat, lon) of a
        year; and ``sigma`` itself.

    Notes
    -----
    Efron and Morris (1973), doi:10.1080/01621459.1973.10481350, for the idea; V is measured where the cell is.
    """
    sigma = found.sigma.where(found.sigma > 0).to_numpy()
    slope = found.slope.to_numpy() / sigma
    noise = np.nan_to_num(found.noise.to_numpy())
    near = _around(slope, 1)
    rest = slope - near
    seen = _means_of_products(rest[:, None] * rest[None], np.isnan(slope[0]))
    middle, root = np.full(slope.shape, np.nan), np.zeros(noise.shape)
    for y in range(slope.shape[1]):  # matrices of all cells at once would be large
        x = np.isfinite(slope[:, y]).any(axis=0)
        false = np.moveaxis(noise[:, :, y, x], -1, 0) / found.stt * 8 / 9
        signal, _ = _root(np.moveaxis(seen[:, :, y, x], -1, 0) - false)
        kept = signal @ np.linalg.pinv(signal + false, hermitian=True)
        middle[:, y, x] = near[:, y, x] + (kept @ np.nan_to_num(rest[:, y, x]).T[..., None])[..., 0].T
        # The mean of the neighbours has a ninth of their noise, which is an eighth of what a rest has.
        root[:, :, y, x] = np.moveaxis(_root(signal - kept @ signal + false / 8)[1], 0, -1)
    out = found[["slope"]].copy(data={"slope": np.where(np.isfinite(slope), middle, np.nan)})
    out["root"] = found.noise.dims, root
    out["noise"] = found.noise.dims, noise
    # A map that is silent on a cell leaves its fluctuation to that of the next: in the usual proportion of the two.
    whole, both = sigma.copy(), np.isfinite(sigma[:2]).all(axis=0)
    usual = np.median(sigma[0][both] / sigma[1][both]) if both.any() else np.nan
    whole[0] = np.where(np.isnan(sigma[0]), usual * sigma[1], sigma[0])
    out["sigma"] = found.sigma.dims, whole
    return out.assign_attrs(found.attrs)


def tower_errors(years: pd.DataFrame, draws: int, rng: np.random.Generator) -> pd.DataFrame:
    """Tell from years of unseen towers how a map of RECO errs; once for all of them, then for places drawn anew.

    Parameters
    ----------
    years : DataFrame
        A row a site-year: ``site``, ``place``, ``year``, ``lat``, ``lon``; ``observed`` and ``predicted`` out of fold
        (kg m-2 yr-1); ``sigma``, the map's standard deviation there.
    draws : int
        How often places are drawn with replacement.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        Row 0 of all sites, the others of the draws, in units of sigma: ``b`` (what a predicted anomaly is worth),
        ``shared`` (c, of the errors that neighbours share), ``length`` (L, km), ``lasting`` (c and what stays),
        ``fluctuation`` (standard deviation of RECO's true years). Attributes: ``sites``, ``pairs``.

    Raises
    ------
    ValueError
        Fewer than five sites have enough years, a value is missing, predictions don't differ from year to year, or no
        two sites share a year.
    """
    if not np.isfinite(years[["observed", "predicted", "sigma"]].to_numpy("float64")).all():
        raise ValueError("observed, predicted, sigma: expected numbers, found missing ones; leave such years out")
    table = years[years.groupby("site").year.transform("size") >= LEAST].reset_index(drop=True)
    names, code = indexed(table.site.to_numpy(), "site", len(table))
    if len(names) < 5:
        raise ValueError(f"site: expected five sites or more of {LEAST} years, found {len(names)}; take fewer years")
    places, place = indexed(table.place.to_numpy(), "place", len(table))
    size = np.bincount(code)[code]
    kept = 1 - 1 / size  # of a variance, once the site's mean is taken out

    def anomaly(name: str) -> np.ndarray:
        scaled = (table[name] / table.sigma).to_numpy("float64")
        return scaled - (np.bincount(code, scaled) / np.bincount(code))[code]

    y, f = anomaly("observed"), anomaly("predicted")
    phi, lam = np.deg2rad(table.lat.to_numpy()), np.deg2rad(table.lon.to_numpy())
    at = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
    same = (table.year.to_numpy()[:, None] == table.year.to_numpy()) & (code[:, None] < code)
    i, j = np.nonzero(same)
    apart = RADIUS / 1000 * np.linalg.norm(at[i] - at[j], axis=1)
    i, j, apart = i[apart < FAR], j[apart < FAR], apart[apart < FAR]
    if not i.size or not f.any():
        lacks = "years that two sites within reach share" if f.any() else "predictions that differ from year to year"
        raise ValueError(f"years: expected {lacks}, found none; take more sites, or longer records")
    # What is left of the covariance of two sites in a year once each has lost the mean of its own years.
    has = pd.crosstab(code, table.year).to_numpy()
    left = 1 - 1 / size[i] - 1 / size[j] + (has @ has.T)[code[i], code[j]] / (size[i] * size[j])
    falls = [left * np.exp(-apart / length) for length in LENGTHS]

    def shared(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """Return the covariance c at no distance of what two sites have in the same year, and its length."""
        product, count = values[i] * values[j], weight[i] * weight[j]
        best = (np.inf, 0.0, LENGTHS[0])
        for length, fall in zip(LENGTHS, falls, strict=True):
            c = max((count * fall * product).sum() / max((count * fall**2).sum(), 1e-12), 0.0)
            best = min(best, (float((count * (product - c * fall) ** 2).sum()), float(c), length))
        return best[1:]

    def fit(count: np.ndarray) -> tuple[float, ...]:
        w = count[place].astype("float64")
        free = (w * kept).sum()
        ff, yf = (w * f * f).sum() / free, (w * y * f).sum() / free
        b = yf / ff
        c, length = shared(y - b * f, w)
        own, _ = shared(y, w)
        return b, c, length, c + (1 - b) ** 2 * ff, np.sqrt(max((own + b**2 * ff) / 2, 0.1))

    rows = [fit(np.ones(len(places)))]
    for _ in range(draws):
        rows.append(fit(np.bincount(rng.integers(len(places), size=len(places)), minlength=len(places))))
    columns = ["b", "shared", "length", "lasting", "fluctuation"]
    out = pd.DataFrame(rows, columns=columns)
    out.attrs = {"sites": len(names), "pairs": int(i.size)}
    return out


class Waves:
    r"""Random fields on the sphere of covariance :math:`e^{-d/L}`, d the chord, drawn once and evaluated anywhere.

    Parameters
    ----------
    draws : int
        How many fields.
    rng : numpy.random.Generator

    Notes
    -----
    They are sums of plane waves through the globe; for an exponential covariance the wave vectors have a Cauchy
    distribution in three dimensions (random Fourier features; Rahimi and Recht 2007, NIPS 20).
    """

    def __init__(self, draws: int, rng: np.random.Generator) -> None:
        groups = -(-draws // GROUP)
        self.vectors = rng.standard_normal((groups, WAVES, 3)) / np.abs(rng.standard_normal((groups, WAVES, 1)))
        self.amplitudes = rng.standard_normal((draws, 2 * WAVES)) / np.sqrt(WAVES)
        self.group = np.arange(draws) // GROUP

    def at(self, lat: np.ndarray, lon: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Return the fields (draw, cell) of mean 0 and variance 1; ``length`` (draw,) in km."""
        phi, lam = np.deg2rad(lat), np.deg2rad(lon)
        place = RADIUS / 1000 * np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
        out = np.empty((len(self.amplitudes), lat.size))
        for group, each in sorted(set(zip(self.group.tolist(), length.tolist(), strict=True))):
            # einsum's own loop: a product of matrices would leave the last digits to the number of threads.
            phase = np.einsum("wk,kc->wc", self.vectors[group] / each, place, optimize=False)
            waves = np.concatenate([np.cos(phase), np.sin(phase)])
            mine = (self.group == group) & (length == each)
            out[mine] = np.einsum("dw,wc->dc", self.amplitudes[mine], waves, optimize=False)
        return out


def cell_blocks(maps: xr.Dataset, counted: xr.DataArray) -> Iterator[xr.Dataset]:
    """Yield the counted cells of maps as series in memory, `CELLS` of them at a time.

    Parameters
    ----------
    maps : Dataset (…, lat, lon)
        In memory or lazily on dask, of which `ROWS` are loaded at a time; variables may have other dimensions or none.
    counted : DataArray (lat, lon), bool
        Which cells.

    Yields
    ------
    Dataset (…, cell)
        The same variables, cells from north to south and west to east, ``lat`` and ``lon`` as their coordinates. All
        blocks together hold each counted cell once.
    """
    maps, counted = together(maps, counted, names=("maps", "counted"))
    here = counted.transpose("lat", "lon").to_numpy().astype(bool)
    for start in range(0, here.shape[0], ROWS):
        row, column = np.nonzero(here[start : start + ROWS])
        strip = maps.isel(lat=slice(start, start + ROWS)).load()
        for first in range(0, row.size, CELLS):
            at = {"lat": row[first : first + CELLS], "lon": column[first : first + CELLS]}
            yield strip.isel({dim: xr.DataArray(places, dims="cell") for dim, places in at.items()})


class RealisedSlopes:
    """Draws of the slopes that the true series may have had, a block of cells at a time.

    Parameters
    ----------
    clean : Dataset
        From `cleaned`; RECO is its first flux, NPP its second.
    errors : DataFrame
        From `tower_errors`.
    area : DataArray (lat, lon)
        Cell area (m2); 0 or NaN where a cell doesn't count.
    draws : int
        How many.
    seed : int
        Of all random numbers. They are drawn block after block: other blocks, or another order, give other draws.

    Raises
    ------
    ValueError
        Nowhere do both fluxes have a slope.
    """

    def __init__(self, clean: xr.Dataset, errors: pd.DataFrame, area: xr.DataArray, draws: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.errors = errors.iloc[1:].iloc[np.arange(draws) % (len(errors) - 1)].reset_index(drop=True)
        self.stt, self.draws = clean.stt, draws
        self.reco, self.silent, self.products = (Waves(draws, self.rng) for _ in range(3))
        self.ratio = np.exp(RATIO * self.rng.standard_normal(draws))
        self.common = COMMON * self.rng.standard_normal(draws)
        self.maps = clean.assign(area=area)
        over, weight = ("lat", "lon"), area.fillna(0.0)
        mean = clean.slope.weighted(weight).mean(over)
        beside = clean.slope - mean
        first, second = clean.flux.values[:2]
        left = (clean.root**2).sum("other").where(clean.slope.notnull())
        both = (clean.root.sel(flux=first) * clean.root.sel(flux=second)).sum("other", skipna=False)
        both = both + beside.sel(flux=first, drop=True) * beside.sel(flux=second, drop=True)
        self.mean, self.variance = mean.to_numpy(), (beside**2 + left).weighted(weight).mean(over).to_numpy()
        covariance = float(both.weighted(weight).mean())
        if not (np.isfinite([covariance, *self.mean]).all() and (self.variance[:2] > 0).all()):
            raise ValueError(
                f"{first}, {second}: expected cells in which both have slopes, and not all the same, found none; "
                "look at what the mask counts, and at where the map is cut off at zero"
            )
        self.r = np.clip(covariance / np.sqrt(self.variance[0] * self.variance[1]), -0.99, 0.99)

    def of(self, cells: xr.Dataset) -> xr.Dataset:
        """Return drawn slopes of a block of cells.

        Parameters
        ----------
        cells : Dataset (…, cell)
            A block of `maps`, from `cell_blocks`.

        Returns
        -------
        Dataset (draw, cell)
            By flux: its slope (kg m-2 yr-2); and ``<flux>_z``, its slope in units of its true fluctuation (yr-1).
        """
        e, names = self.errors, [str(name) for name in cells.flux.values]
        slope, sigma = (cells[name].transpose("flux", "cell").to_numpy() for name in ("slope", "sigma"))
        root, noise = (cells[name].transpose("flux", "other", "cell").to_numpy() for name in ("root", "noise"))
        white = self.rng.standard_normal((self.draws, len(names), slope.shape[1]))
        z = slope + np.einsum("vwc,dwc->dvc", root, white, optimize=False)
        lat, lon = cells.lat.to_numpy(), cells.lon.to_numpy()

        def column(name: str) -> np.ndarray:
            return e[name].to_numpy()[:, None]

        # RECO's part that goes with NPP stays; of the rest, as much as towers show to be wrong is drawn anew.
        scaled = [(z[:, v] - self.mean[v]) / np.sqrt(self.variance[v]) for v in (0, 1)]
        apart = np.sqrt(1 - self.r**2)
        rest = np.where(
            np.isnan(slope[0]), self.silent.at(lat, lon, e.length.to_numpy()), (scaled[0] - self.r * scaled[1]) / apart
        )
        wrong = np.minimum(column("lasting") / self.stt / self.variance[0] / apart**2, 1.0)
        rest = np.sqrt(1 - wrong) * rest + np.sqrt(wrong) * self.reco.at(lat, lon, e.length.to_numpy())
        reco = self.mean[0] + np.sqrt(self.variance[0]) * (self.r * scaled[1] + apart * rest) + self.common[:, None]
        out = {names[0]: reco * sigma[0], f"{names[0]}_z": reco / (column("fluctuation") * self.ratio[:, None])}
        field = self.products.at(lat, lon, np.full(self.draws, LENGTHS[1]))
        own = np.exp(LEVEL * self.rng.standard_normal(field.shape))
        for v in range(1, len(names)):
            true = z[:, v] + np.sqrt(SHARED * noise[v, v] / self.stt) * field
            less = np.sqrt(1 - np.minimum(noise[v, v], MOST))
            out |= {names[v]: true * own * sigma[v], f"{names[v]}_z": true / less}
        return xr.Dataset({name: (("draw", "cell"), values) for name, values in out.items()})
