"""The paper's claims in words about maps, trends and sinks, read as tests on numbers.

A claim can only get a verdict once its words are numbers. The readings are ours and stand here, once:

- RECO's *close* mean lies within `NEAR` percent of the CNN's, for *most* models for more than half of them, and a *much
  higher* STDEV is one that every model stays `FAR` percent or more below;
- *significant* is a p-value below the level of the chapter;
- two slopes are *close* when they differ by less than `CLOSE` of the larger, and one is *much* larger from there on;
- shares differ *vastly* by more than `VAST` percentage points; a *high* sink capacity is one above the globe's;
- either NPP or RECO *leads* in a place where it grows faster over more than half of the land;
- a place is a box of ``data/places.yml``, an economy or a band, and *mainly there* means over a larger share of the
  places' land than of their band's.

A claim holds or fails only beyond the margin that `judge` finds for its numbers; in between it is open.

>>> says(True, "rises over 55 % of the land")
('holds', 'rises over 55 % of the land')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from helpers.space import regions

CLOSE = 0.25
VAST = 10.0
NEAR = 25.0
FAR = 50.0
EDGE = 5.0
"""Percentage points by which a process model has to pass `NEAR` or `FAR`."""
FEWEST = 30
"""Cells that a biome needs before its rank is compared."""
CONFIDENCE = 0.9
"""Of the two-sided intervals whose half width is a margin."""

GLOBE, NORTH, TROPICS, SOUTH = regions.BANDS

SHORT = {"global": GLOBE, "north": NORTH, "tropics": TROPICS, "south": SOUTH}
"""How the ids of data/reported/numbers.csv call the globe and its bands."""

Verdict = tuple[str, str]
Share = Callable[..., float]


@dataclass(frozen=True)
class Part:
    """A number that a claim hangs on.

    Parameters
    ----------
    what : str
        The number, with its unit and place.
    value, limit : float
        The number, and what it has to exceed (``below``: to stay under); NaN when it can't be had.
    below : bool
        Which side of the limit the claim is on.
    margin : float, optional
        By how much it has to pass, in its unit; NaN when nobody knows. When left out, `judge` finds it.
    digits : int
        Decimals to show.
    """

    what: str
    value: float
    limit: float
    below: bool = False
    margin: float | None = None
    digits: int = 1

    @property
    def gap(self) -> float:
        """By how much the limit is passed; below zero when it isn't."""
        return float(self.limit - self.value if self.below else self.value - self.limit)

    def shown(self, margin: float) -> str:
        """Write the number with its margin and its limit."""
        value, limit, margin = (
            "unknown" if np.isnan(x) else f"{x:.{self.digits}f}" for x in (self.value, self.limit, margin)
        )
        return f"{self.what}: {value} ± {margin}, needs {'<' if self.below else '>'} {limit}".replace(" -", " −")


Claim = Sequence[Part] | Verdict


def judge(claims: Mapping[str, Claim], left_out: Sequence[Mapping[str, Claim]] = ()) -> dict[str, Verdict]:
    """Give each claim its verdict, and show the part that decides it.

    Parameters
    ----------
    claims : mapping of id to sequence of Part
        From all data. A verdict that was given already is handed on.
    left_out : sequence of such mappings
        The same claims from the data without one year, each year in turn. The margin of a part is then the half width
        of the jackknife's interval for its gap, with Student's t; without them it is zero.

    Returns
    -------
    dict of id to (verdict, what decided it)

    Notes
    -----
    The jackknife (Efron & Stein 1981, doi:10.1214/aos/1176345462) takes years as independent of each other. All cells
    lose the same year, so that weather which neighbours share is in the margin.
    """
    found = {}
    for name, claim in claims.items():
        if isinstance(claim, tuple):
            found[name] = claim
            continue
        known = [_of_all(part, [other[name][k] for other in left_out]) for k, part in enumerate(claim)]
        # the part that fails by most, or passes by least, in units of its margin
        passed = [part.gap / margin if margin else part.gap and np.copysign(np.inf, part.gap) for part, margin in known]
        decides, margin = known[int(np.argmin(np.nan_to_num(passed, nan=-np.inf)))]
        if np.isnan([part.gap for part, _ in known]).any():
            found[name] = ("not testable here", f"{decides.what}: no cells")
        elif any(part.gap < -margin for part, margin in known):
            found[name] = ("does not hold", decides.shown(margin))
        else:
            sure = all(part.gap > margin for part, margin in known)
            found[name] = ("holds" if sure else "open", decides.shown(margin))
    return found


def _of_all(part: Part, others: Sequence[Part]) -> tuple[Part, float]:
    """Return a part and its margin."""
    if part.margin is not None:
        return part, part.margin
    if not others:
        return part, 0.0
    gaps, n = np.array([other.gap for other in others]), len(others)
    error = np.sqrt((n - 1) / n * ((gaps - gaps.mean()) ** 2).sum())
    return part, float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * error)


def says(holds: bool, found: str) -> Verdict:
    """Turn a test and its finding into a verdict."""
    return ("holds" if holds else "does not hold", found)


def parts(static: xr.Dataset, counted: xr.DataArray) -> Share:
    """Return a function that gives the share of named land in which a condition holds.

    Parameters
    ----------
    static : Dataset (lat, lon)
        With ``area``, ``band`` and ``economy``.
    counted : DataArray (lat, lon), bool
        The cells that count at all.

    Returns
    -------
    callable
        ``part(condition, *names)``: percent, by area, of the counted cells that lie in any of the named places, bands
        or economies; NaN when they hold no counted cell.
    """
    where = {GLOBE: np.ones(counted.shape, bool)}
    where |= regions.places(static.lat, static.lon)
    where |= regions.groups(static.band, dict(enumerate(regions.BAND_NAMES)))
    where |= regions.groups(static.economy, dict(enumerate(regions.ECONOMIES, start=1)))

    def part(condition: xr.DataArray, *names: str) -> float:
        inside = {"": np.any([where[name] for name in names], axis=0)}
        return 100 * float(regions.group_shares(condition, static.area, inside, within=counted).share_area[0])

    return part


def more_there(part: Share, condition: xr.DataArray, places: tuple[str, ...], band: str) -> Claim:
    """Ask whether a condition holds over a larger share of the named places, taken together, than of their band."""
    return [Part("named places (% of their land), against their band", part(condition, *places), part(condition, band))]


def most_of_each(part: Share, condition: xr.DataArray, places: tuple[str, ...]) -> Claim:
    """Ask whether a condition holds over more than half of each of the named places."""
    return [Part(f"{place} (% of its land)", part(condition, place), 50.0) for place in places]


# Claims about Table 1: how the six networks do, and what SPEI adds.


HIGH = 0.9
"""An R² from here on is *high*: every score of the paper's Table 1 is far above."""

STEADY = 0.01
"""Mean R² of a *stable* network changes by less between the last two tenths of its training."""


def on_ablation(
    score: xr.DataArray, curve: xr.DataArray, dead: int, gains: pd.DataFrame, control: str
) -> dict[str, Verdict]:
    """Give verdicts on the claims about the ablation (Results, paragraphs 1 and 2; Discussion, paragraph 1).

    A gain, or a lead, that its interval over seeds does not tell from zero leaves its claim open. What the protocol
    cannot show at all, overfitting and the length of a lag, is not testable whatever the scores are.

    Parameters
    ----------
    score : DataArray (model, seed, split, metric)
        As in ``ablation.nc``.
    curve : DataArray (model, seed, split, iteration)
        R² along training.
    dead : int
        Number of dead networks.
    gains : DataFrame
        By model: ``gain`` of test R² over CNN1 and the half width ``half`` of its interval (NaN with one seed). A model
        without a row was not trained, for want of its SPEI.
    control : str
        The row of ``gains`` whose SPEI were shuffled among the samples.
    """
    r2 = score.sel(metric="r2").mean("seed")
    lowest, apart = float(r2.min()), float(abs(r2.sel(split="train") - r2.sel(split="test")).max())
    tenth = max(curve.sizes["iteration"] // 10, 1)
    last, before = curve[..., -tenth:], curve[..., -2 * tenth : -tenth]
    drift = float(abs(last.mean(("seed", "iteration")) - before.mean(("seed", "iteration"))).max())

    def improves(model: str) -> Verdict:
        if model not in gains.index:
            return "not testable here", f"{model} was not trained: its SPEI are no predictors of this run"
        gain, half = gains.loc[model, ["gain", "half"]]
        found = f"{model}: {_signed(gain)} in test R²"
        if not abs(gain) > half:
            return "open", f"{found}, within the scatter of seeds"
        return says(gain > 0, f"{found}, more than seeds scatter")

    def best() -> Verdict:
        by_seed = score.sel(metric="r2", split="test").to_pandas().astype("float64")  # (model, seed)
        next_best = by_seed.drop("CNN5").mean(axis=1).idxmax()
        lead, seeds = by_seed.loc["CNN5"] - by_seed.loc[next_best], by_seed.shape[1]
        half = stats.t.ppf(0.975, seeds - 1) * lead.sem() if seeds > 1 else gains.loc["CNN5", "half"]
        found = f"CNN5 less {next_best}: {_signed(lead.mean())} in test R²"
        if not abs(lead.mean()) > half:
            return "open", f"{found}, within the scatter of seeds"
        return says(lead.mean() > 0, f"{found}, more than seeds scatter")

    spei12, found12 = improves("CNN2")
    turned = {"holds": "does not hold", "does not hold": "holds"}.get(spei12, spei12)
    alone = improves("CNN5") if "CNN5" not in gains.index else None
    shuffled = f"SPEI shuffled among samples: {_signed(gains.loc[control, 'gain'])} in test R²"
    return {
        "stable": says(
            lowest > HIGH and drift < STEADY and dead == 0,
            f"lowest R² {lowest:.3f}, drift {drift:.4f}, dead networks: {dead}",
        ),
        "no_overfitting": ("not testable here", f"R² apart by {apart:.4f} at most; no test sample is unseen"),
        "spei12_no_help": (turned, found12),
        "spei24_helps": improves("CNN3"),
        "spei36_helps": improves("CNN4"),
        "cnn5_best": alone or best(),
        "lag_1_2_years": alone or ("not testable here", shuffled),
        "current_year_insensitive": ("not testable here", "a score of known samples cannot show it"),
        "lag_longer_than_npp": ("not testable here", "NPP is an input; its own lag is not studied"),
    }


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


# Claims about Figs 2 and 3: how the network and the process models do at independent towers.


LEVEL, STRICT = 0.05, 0.01
"""Below these p-values a correlation of standard deviations counts: for a process model, and as the paper asks."""


def on_validation(scores: pd.DataFrame) -> dict[str, Verdict]:
    """Give verdicts on the claims about the validation (Results, paragraph 5).

    Parameters
    ----------
    scores : DataFrame
        A row a model, the network's first: ``kind`` ("CNN", "process model", "data-driven"), ``n``, ``r2``,
        ``r2_pearson``, ``rmse``, the same three with ``cnn_`` before them (the network's on the same site-years),
        ``sd_r``, ``sd_p``, ``sd_ratio`` (mean standard deviation of the sites, simulated over observed). Only process
        models are judged against the network.
    """
    best, others = scores.iloc[0], scores[(scores.kind == "process model") & (scores.n > 0)]
    better = int(((others.cnn_r2 > others.r2) & (others.cnn_rmse < others.rmse)).sum())
    # being the best says little where R² is below zero, or where the other number called R² reverses the order
    correlated = int((others.cnn_r2_pearson > others.r2_pearson).sum())
    accuracy = f"own R² = {best.r2:.2f}".replace("= -", "= −")
    tested = others.dropna(subset=["sd_r"])
    matching = int(((tested.sd_r > 0) & (tested.sd_p < LEVEL)).sum())
    strictly = int(((tested.sd_r > 0) & (tested.sd_p < STRICT)).sum())
    negative, below = int((tested.sd_r < 0).sum()), int((tested.sd_ratio < 1).sum())
    network = f"CNN r = {best.sd_r:.2f}, p = {best.sd_p:.2g}".replace("= -", "= −")
    captures = best.sd_r > 0 and best.sd_p < STRICT
    n, m = len(others), len(tested)
    found = {
        "cnn_best_at_sites": says(
            better == n, f"better than {better} of {n} process models, {accuracy}; by r² better than {correlated}"
        ),
        "others_low_r": says(
            matching == 0 and negative > 0, f"of {m}: {matching} positive with p < {LEVEL:g}, {negative} negative"
        ),
        "only_cnn_captures": says(captures and not strictly, f"{network}; {strictly} of {m} process models likewise"),
        "others_low_sd": says(below == m, f"{below} of {m} process models below the observed mean"),
    }
    if m == 0 or pd.isna(best.sd_r):
        untold = ("not testable here", "too few sites with enough years")
        found |= dict.fromkeys(("others_low_r", "only_cnn_captures", "others_low_sd"), untold)
    return found if n else dict.fromkeys(found, ("not testable here", "no process model was given"))


# Claims about Fig. 1: where RECO is large, and how process models compare.


def cover_groups(static: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the groups of cells by which the paper ranks RECO (Results, paragraph 3), by land cover and latitude.

    Parameters
    ----------
    static : Dataset (lat, lon)
        With ``igbp``.
    """
    igbp, tropics, far = static.igbp, abs(static.lat) <= 30, static.lat > 60
    return {
        "tropical rainforest": (igbp == 2) & tropics,
        "extra-tropical forest": igbp.isin([1, 2, 3, 4, 5]) & ~tropics,
        "savanna": igbp.isin([8, 9]) & ~far,
        "fields": igbp.isin([12, 14]) & ~far,
        "grass and shrub": igbp.isin([6, 7, 10]),
        "far north": (igbp > 0) & far,
    }


def on_maps(ranking: pd.DataFrame, comparison: pd.DataFrame) -> dict[str, Claim]:
    """Read the claims about Fig. 1 (Results, paragraphs 3 and 4), for `judge`.

    Two groups are told apart when their means differ by more than the members of the ensemble scatter; a process model
    has to pass a limit by `EDGE` points.

    Parameters
    ----------
    ranking : DataFrame
        ``group``, ``mean`` RECO of `cover_groups`, and ``spread``, how far single networks scatter around that mean.
    comparison : DataFrame
        ``quantity`` ("mean" or "stdev") and ``percent`` (process model less CNN), a row a model and quantity.
    """
    groups = ranking.set_index("group")
    rain, forest, low = "tropical rainforest", "extra-tropical forest", ["grass and shrub", "far north"]
    rest, middle = groups["mean"].drop([rain, forest]), groups["mean"].drop(low)

    def above(high: str, other: str) -> Part:
        margin = stats.norm.ppf((1 + CONFIDENCE) / 2) * float(np.hypot(*groups["spread"][[high, other]]))
        what = f"mean RECO: {high}, against {other} (kg C m-2 yr-1)"
        return Part(what, groups["mean"][high], groups["mean"][other], margin=margin, digits=2)

    found = {
        "rainforest_highest": [above(rain, other) for other in groups.index.drop(rain)],
        "forests_second": [above(rain, forest), *(above(forest, other) for other in rest.index)],
        "grass_shrub_lowest": [above(other, least) for other in middle.index for least in low],
    }
    mean, stdev = (comparison.percent[comparison.quantity == name] for name in ("mean", "stdev"))
    if mean.empty:
        return found | dict.fromkeys(
            ("mean_close", "stdev_much_higher"), ("not testable here", "no process model was given")
        )
    n = len(mean)
    most = mean.abs().sort_values().iloc[n // 2]  # the one that makes more than half
    return found | {
        "mean_close": [Part(f"{n // 2 + 1} of {n} models within (%)", most, NEAR, below=True, margin=EDGE)],
        "stdev_much_higher": [Part("the model nearest the CNN (%)", stdev.max(), -FAR, below=True, margin=EDGE)],
    }


# Claims and numbers about Figs 4 and 5 and Tables 2 and 3: where RECO and NPP rise, and how steeply.


NORTH_LOSING = ("US west coast", "Eastern North America", "Central Europe", "Central Russia", "South-western Russia")
TROPICS_LOSING = (
    "Southern tip of North America",
    "Amazonia",
    "Eastern Brazil",
    "Central Africa",
    "Eastern India",
    "South-eastern China",
    "South-east Asia",
)


def trend_numbers(slopes: pd.DataFrame, rising: pd.Series, held: pd.Series, level: float) -> dict[str, float]:
    """Return this run's counterparts of the numbers that the paper states on trends, by their ids.

    Parameters
    ----------
    slopes : DataFrame
        As in `on_annual_means`.
    rising : Series
        By ("reco" or "npp", region): share with a rising trend (%).
    held : Series
        By band: share of all land that lies in it (%). All three count cells alike, as the paper does, or all by area.
    level : float
        p-value below which a trend is called significant.

    Returns
    -------
    dict
        For `reported.beside`; the paper prints no slopes of the southern band, so none stand here.
    """
    found = {"band_limit": regions.BANDS[TROPICS][1], "map_p": level}
    for name, region in SHORT.items():
        for v in ("reco", "npp"):
            found[f"{name}_{v}_p"] = slopes["p"][region, v.upper()]
            if region != SOUTH:
                found[f"{name}_{v}_slope"] = slopes["z_slope"][region, v.upper()]
        if region != GLOBE:
            found[f"{name}_area"] = held[region]
            found[f"{name}_excess"] = rising["npp", region] - rising["reco", region]
    return found


def on_annual_means(slopes: pd.DataFrame, level: float, years: int) -> dict[str, Claim]:
    """Read the claims about the lines of Fig. 4 (Results, paragraphs 6 to 13), for `judge`.

    Parameters
    ----------
    slopes : DataFrame
        By (region, "RECO" or "NPP"): ``z_slope`` (yr-1) and ``p`` of the annual means.
    level : float
        p-value below which a trend is called significant: its slope then lies further from zero than its margin.
    years : int
        Length of the record.
    """
    z, p, names = slopes["z_slope"], slopes["p"], {region: name for name, region in SHORT.items()} | {GLOBE: "globe"}
    critical, found = stats.t.isf(level / 2, years - 2), stats.t.isf(p / 2, years - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = pd.Series(np.abs(z) * critical / found, slopes.index)  # the slope at which p would be the level

    def rises(region: str, v: str) -> Part:
        what = f"z-slope of {v}, {names[region]} (yr-1)"
        return Part(what, z[region, v], 0.0, margin=float(least[region, v]), digits=3)

    def lead(region: str) -> float:
        return (z[region, "NPP"] - z[region, "RECO"]) / max(abs(z[region, "NPP"]), abs(z[region, "RECO"]))

    def weaker(v: str) -> Part:
        what = f"z-slope of {v}, south, against the least of the others (yr-1)"
        return Part(what, z[SOUTH, v], min(z[b, v] for b in (GLOBE, NORTH, TROPICS)), below=True, digits=3)

    more = "z-slope of NPP less RECO's, part of the larger, {}".format
    return {
        "global_reco_rises": [rises(GLOBE, "RECO")],
        "global_npp_rises": [rises(GLOBE, "NPP")],
        "global_npp_faster_slope": [Part(more("globe"), lead(GLOBE), 0.0, digits=2)],
        "north_npp_much_faster": [Part(more("north"), lead(NORTH), CLOSE, digits=2)],
        "tropics_rates_close": [
            Part(f"{more('tropics')}, either way", abs(lead(TROPICS)), CLOSE, below=True, digits=2),
            *(rises(TROPICS, v) for v in ("NPP", "RECO")),
        ],
        "south_rises_weakly": [ask for v in ("RECO", "NPP") for ask in (rises(SOUTH, v), weaker(v))],
    }


def on_shares(rising: pd.Series, classes: pd.Series) -> dict[str, Claim]:
    """Read the claims about Tables 2 and 3 (Results, paragraphs 6 to 16), for `judge`.

    Parameters
    ----------
    rising : Series
        By ("reco" or "npp", region): share of land with a rising trend (%).
    classes : Series
        By (class, region): share of land in each class (%).
    """
    npp, reco = rising["npp"], rising["reco"]
    lead, more = npp - reco, "share of rising NPP less that of RECO, {} (points)".format
    up, down = ("NPP+RECO+", "NPP+RECO-"), ("NPP-RECO+", "NPP-RECO-")
    widest = {c: max(classes[c, NORTH], classes[c, SOUTH]) for c in down}
    return {
        "reco_mostly_rises": [Part("RECO rises, globe (% of land)", reco[GLOBE], 50.0)],
        "global_sink_rising": [Part(more("globe"), lead[GLOBE], 0.0)],
        "tropics_advantage_weaker": [
            Part(f"{more('tropics')}, against the north", lead[TROPICS], lead[NORTH], below=True)
        ],
        "north_sink_classes_wider": [
            Part(f"{c}, north (% of land), against the tropics", classes[c, NORTH], classes[c, TROPICS]) for c in up
        ],
        "tropics_falling_classes_highest": [
            Part(f"{c}, tropics (% of land), against the wider other", classes[c, TROPICS], widest[c]) for c in down
        ],
    }


def on_places(npp_falls: xr.DataArray, at_risk: xr.DataArray, part: Share) -> dict[str, Claim]:
    """Read the claims about where trends lie (Results, paragraphs 7 and 16), for `judge`.

    Parameters
    ----------
    npp_falls, at_risk : DataArray (lat, lon), bool
        Where NPP falls; where NPP falls and RECO rises.
    part : callable
        From `parts`.
    """
    return {
        "npp_falls_in_amazon": [
            Part("NPP falls, globe (% of land)", part(npp_falls, GLOBE), 50.0, below=True),
            Part("NPP falls, Amazonia (% of its land)", part(npp_falls, "Amazonia"), 50.0),
        ],
        "north_falling_places": more_there(part, npp_falls, NORTH_LOSING, NORTH),
        "tropics_falling_places": more_there(part, at_risk, TROPICS_LOSING, TROPICS),
    }


# Claims and numbers about Figs 6 and 7: where NPP or RECO grows faster.


NORTH_SINKS = ("North-eastern China", "Europe", "North America")
NORTH_RISKS = ("Central Russia", "South-western Russia", "Central North America", "Eastern North America")
TROPICS_RISKS = ("Amazonia", "Central Africa", "Eastern India", "South-eastern China", "South-east Asia")
TROPICS_SINKS = ("Central South America", "Central Africa", "China", "India")
BARE = ("URB", "SNO", "BSV", "WAT")
"""Land cover that is no vegetation, left out of the ranking of biomes."""
HIGH_BIOMES = ("DBF", "ENF", "GRA", "SAV")


def sink_numbers(bands: pd.DataFrame, year: int) -> dict[str, float]:
    """Return this run's counterparts of the numbers that the paper states on Figs 6 and 7, by their ids.

    Parameters
    ----------
    bands : DataFrame
        By region: ``npp_faster_pixel`` and ``reco_faster_pixel`` (0 to 1), as `risk.table` has them.
    year : int
        Year of the land cover behind the biomes.

    Returns
    -------
    dict
        For `reported.beside`; shares in percent of the cells.
    """
    sides = {"npp_faster": "npp_faster_pixel", "reco_faster": "reco_faster_pixel"}
    shares = {f"{n}_{side}": 100 * bands[c][region] for n, region in SHORT.items() for side, c in sides.items()}
    return {"biome_year": year} | shares


def on_sinks(risk: pd.DataFrame) -> dict[str, Claim]:
    """Read the claims about bands, biomes and economies (Results, paragraphs 18 to 22), for `judge`.

    Parameters
    ----------
    risk : DataFrame
        As `risk.faster_shares` makes it, with a column ``grouping`` (band, biome or economy).
    """
    by = {g: 100 * t.set_index("name")["npp_faster_area"] for g, t in risk.groupby("grouping")}
    band, economy, biome = by["band"], by["economy"], by["biome"]
    many = risk[(risk["grouping"] == "biome") & (risk["n_cells"] >= FEWEST) & ~risk["name"].isin(BARE)]["name"]
    others = biome.reindex(many[many != "EBF"])
    usa, china, europe, brazil, india = (economy[name] for name in regions.ECONOMIES)
    shown = "NPP grows faster, {} (% of land)".format
    north, tropics = shown("north"), shown("tropics")
    return {
        "global_npp_dominates": [Part(shown("globe"), band[GLOBE], 50.0)],
        "north_npp_dominates": [Part(north, band[NORTH], limit) for limit in (50.0, band[TROPICS], band[SOUTH])],
        "tropics_less_pronounced": [
            Part(tropics, band[TROPICS], 50.0),
            Part(f"{tropics}, against the north", band[TROPICS], band[NORTH], below=True),
        ],
        "south_between": [Part(f"{shown('south')}, against the tropics", band[SOUTH], band[TROPICS])],
        "high_biomes": [
            Part(f"{shown(name)}, against the globe", biome.get(name, float("nan")), band[GLOBE])
            for name in HIGH_BIOMES
        ],
        "ebf_smallest": [
            Part(f"{shown('EBF')}, against the least of the others", biome.get("EBF"), others.min(), below=True)
        ],
        "economies_order": [
            Part(f"{shown('China')}, against USA and Europe", china, max(usa, europe)),
            Part(f"{shown('USA, Europe')}, against Brazil and India", min(usa, europe), max(brazil, india)),
        ],
        "tropics_saturating": ("not testable here", "straight lines cannot show a sink that levels off"),
    }


def on_sink_places(npp_leads: xr.DataArray, npp_rises: xr.DataArray, part: Share) -> dict[str, Claim]:
    """Read the claims about where NPP or RECO leads (Results, paragraphs 19 to 22), for `judge`.

    Either leads in a place where it grows faster over more than half of the land; the same rule serves both.

    Parameters
    ----------
    npp_leads, npp_rises : DataArray (lat, lon), bool
        Where NPP grows faster than RECO; where NPP rises.
    part : callable
        From `parts`, counting the cells in which one of the two leads.
    """
    both = ("China", "India")
    apart = abs(part(npp_leads, "China") - part(npp_leads, "India"))
    return {
        "north_sink_places": most_of_each(part, npp_leads, NORTH_SINKS),
        "north_risk_places": most_of_each(part, ~npp_leads, NORTH_RISKS),
        "tropics_risk_places": most_of_each(part, ~npp_leads, TROPICS_RISKS),
        "tropics_sink_places": most_of_each(part, npp_leads, TROPICS_SINKS),
        "china_india_differ": [
            *(Part(f"NPP rises, {name} (% of land)", part(npp_rises, name), 50.0) for name in both),
            Part("NPP grows faster, China and India apart (points)", apart, VAST),
        ],
    }
