"""The verdict on the lag, put together from the numbers, whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.lags.protocols import PLANTED

LAST, BEFORE, THREE = "last year's water", "water of the year before last", "three years' waters"
"""Models with the SPEI12 of one and of two years before, and with those of all three years."""

STOPPED = "grouped, stopped"
"""The protocol of networks that stop where another fold is told best."""

SCORES = ("all site-years", "anomalies")

TO_THE_END, IN_TIME = "grouped, anomalies", "grouped, stopped, anomalies"
"""The two ways of networks, scored by anomalies, among those that made worlds were asked."""

YEARS = ("this year's water", LAST, BEFORE)
"""What the regression within sites tests."""


def verdict(lag: pd.DataFrame, power: pd.DataFrame, level: float = 0.05) -> str:
    """Write the verdict in one paragraph.

    Parameters
    ----------
    lag : DataFrame
        The artefact ``lag``: ``protocol`` (``re-drawn``, ``grouped``, `STOPPED`, ``within sites``), ``null`` (``none``,
        ``true order``, ``among years``, ``among sites``), ``model``, ``score`` (``all``, ``anomalies``, ``slope``),
        ``reference``, ``gain``, ``low``, ``high``, ``p``, ``p_holm``, ``permutations``.
    power : DataFrame
        See `helpers.lags.rates`.
    level : float
        Of p, adjusted where there are several.

    Returns
    -------
    str
        Sentences on the paper's split, on unseen places, on the water of single years, on what each test could have
        found, and the conclusion.
    """
    parts = [_redrawn(lag, level), _grouped(lag, level), _waters(lag, level), _power(power)]
    return " ".join([*parts, _conclusion(lag, power, level)])


def against_truth(lag: pd.DataFrame, weights: Sequence[float], level: float = 0.05) -> str:
    """Say what was planted on a Demo Earth, and which of it the regression within sites found.

    Parameters
    ----------
    lag, level
        See `verdict`.
    weights : sequence of float
        Of the water of this year, the last, and the one before.
    """
    planted = [name for name, w in zip(YEARS, weights, strict=True) if w]
    claimed, sizes = _claimed(lag, YEARS, level), ", ".join(f"{w:g}" for w in weights)
    wrong, missed = ([n for n in some if n not in other] for some, other in ((claimed, planted), (planted, claimed)))
    said = [f"it found {_names(claimed)}"]
    said += [f"missed {_names(missed)}"] if missed else []
    said += [f"and was wrong about {_names(wrong)}" if wrong else "and claimed nothing that isn't there"]
    return (
        f"On this made planet the truth is known: the weights of the water of this year, the last and the one before "
        f"are {sizes}. As to the regression within sites, {', '.join(said)}."
    )


def _pick(lag: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Return the rows that have these values; those of no null model unless told otherwise."""
    rows = lag
    for column, value in ({"null": "none"} | wanted).items():
        rows = rows[rows[column] == value]
    return rows


def _names(names: Sequence[str]) -> str:
    """Join names: "a", "a and b", "a, b and c", or "nothing"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "nothing"


def _number(value: float) -> str:
    """Write a change with its sign, to three places."""
    return f"{value:+.3f}".replace("-", "−")


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _gainers(rows: pd.DataFrame, level: float) -> list[str]:
    return rows.model[(rows.gain > 0) & (rows.p_holm < level)].tolist()


def _sure(rows: pd.DataFrame, level: float) -> str:
    """Say which models gain, and which lose, for sure."""
    gain, lose = _gainers(rows, level), _gainers(rows.assign(gain=-rows.gain), level)
    said = [f"{_names(names)} {verb}" for names, verb in ((gain, "gain"), (lose, "lose")) if names]
    return " and ".join(said) or "none gains or loses for sure"


def _claimed(lag: pd.DataFrame, waters: Sequence[str], level: float) -> list[str]:
    """Return the waters whose slope within sites differs from zero."""
    rows = _pick(lag, protocol="within sites", score="slope")
    return [name for name in waters if ((rows.model == name) & (rows.p_holm < level)).any()]


def _copies(lag: pd.DataFrame, protocol: str, score: str, level: float) -> str:
    """Set the gain of the true order beside those of the two shuffles."""
    real, years, sites = (
        _pick(lag, protocol=protocol, score=score, null=null).iloc[0]
        for null in ("true order", "among years", "among sites")
    )
    least = 1 / (1 + years.permutations)
    if real.gain <= 0:
        so = "nothing is gained even in the right order"
    elif years.p < level:
        so = "the right order of the years counts"
    elif years.gain >= 0.5 * real.gain:
        so = "most of what is gained needs no knowledge of which year was dry"
    elif least >= level:
        so = f"{years.permutations} copies are too few to say more, since p can't fall below {least:.2f}"
    else:
        so = "the order of the years isn't known to count"
    return (
        f"With the drought where it belongs {real.model} gains {_number(real.gain)}, shuffled among the years of a "
        f"site {_number(years.gain)} (p = {years.p:.2f}), and among sites {_number(sites.gain)} (p = {sites.p:.2f}): "
        f"{so}."
    )


def _redrawn(lag: pd.DataFrame, level: float) -> str:
    rows = _pick(lag, protocol="re-drawn", score="all", reference="CNN1")
    rows = rows[rows.model.str.startswith("CNN")]
    best, above = rows.loc[rows.gain.idxmax()], int((rows.gain > 0).sum())
    how = "most of all" if above else "and the best of them is"
    return (
        f"Under the paper's split, {above} of {len(rows)} networks with SPEI score above the one without, {how} "
        f"{best.model} ({_number(best.gain)} in R²). {_copies(lag, 're-drawn', 'all', level)}"
    )


def _grouped(lag: pd.DataFrame, level: float) -> str:
    said = []
    for protocol, how in (("grouped", "trained to the end"), (STOPPED, "stopped in time")):
        every = _pick(lag, protocol=protocol, reference="CNN1")
        every = every[every.model.str.startswith("CNN")]
        both = (_sure(every[every.score == score], level) for score in ("all", "anomalies"))
        said.append(f"{how}, {' and '.join(f'{text} on {what}' for text, what in zip(both, SCORES, strict=True))}")
    return (
        f"At places that no network has seen, against CNN1 and {'; '.join(said)}. On anomalies, stopped in time: "
        f"{_lower(_copies(lag, STOPPED, 'anomalies', level))}"
    )


def _waters(lag: pd.DataFrame, level: float) -> str:
    rows = _pick(lag, protocol=STOPPED, score="anomalies").set_index(["model", "reference"])
    texts = []
    for model, reference, what in ((LAST, "CNN1", "over none"), (THREE, "CNN2", "over this year's alone")):
        row = rows.loc[(model, reference)]
        texts.append(f"{model} {_number(row.gain)} ({_number(row.low)} to {_number(row.high)}) {what}")
    slopes = _pick(lag, protocol="within sites", score="slope")
    every = [f"{s.model} {_number(s.gain)} ({_number(s.low)} to {_number(s.high)})" for s in slopes.itertuples()]
    claimed = _claimed(lag, YEARS, level)
    return (
        f"With the waters of single years, stopped in time and on anomalies, networks gain: {_names(texts)}. "
        f"Regression within sites, which needs no network, gives as changes of ln RECO for one unit of SPEI12: "
        f"{_names(every)}; after adjustment {_names(claimed) if claimed else 'none of them'} differs from zero."
    )


def _found(power: pd.DataFrame, protocol: str, planted: str) -> pd.Series:
    rows = power[(power.protocol == protocol) & (power.planted == planted) & power.right]
    return rows.iloc[0]


def _power(power: pd.DataFrame) -> str:
    none = power[(power.planted == "none") & (power.back > 0)].groupby("protocol").found.agg(["min", "max"])
    worlds, apart = int(power.worlds.iloc[0]), power[(power.protocol == "within sites") & (power.planted == "none")]
    now = int(apart.found[apart.back == 0].iloc[0])
    end, stopped, regression = (_found(power, p, PLANTED[2]).found for p in (TO_THE_END, IN_TIME, "within sites"))
    wrong = none["max"].filter(like="grouped").max()
    return (
        f"What could they have found? Of {worlds} made worlds in which last year's water matters, grouped networks "
        f"show it on anomalies in {end} if trained to the end and in {stopped} if stopped in time, and the regression "
        f"in {regression}; of {worlds} in which none was planted, the paper's split claims a year before in "
        f"{_between(*none.loc['re-drawn'])}, the grouped networks in at most {wrong}, and the regression in at most "
        f"{none.loc['within sites', 'max']}. (This year's water it claims in {now} of these, and may be right: made "
        "planets answer the moisture of the month, planted lag or none.)"
    )


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _conclusion(lag: pd.DataFrame, power: pd.DataFrame, level: float) -> str:
    """Draw the conclusion from the tests that part one year from another: anomalies of networks, and the regression."""
    alone = []
    for protocol in ("grouped", STOPPED):
        rows = _pick(lag, protocol=protocol, score="anomalies")
        alone += _gainers(rows[rows.model.isin([LAST, BEFORE]) & (rows.reference == "CNN1")], level)
        alone += [f"{name} beside this year's water" for name in _gainers(rows[rows.reference == "CNN2"], level)]
    alone = list(dict.fromkeys(alone))
    claimed = _claimed(lag, (LAST, BEFORE), level)
    end, stopped, regression = (_found(power, p, PLANTED[2]).share for p in (TO_THE_END, IN_TIME, "within sites"))
    false = power[(power.protocol == "within sites") & ~power.right & (power.back > 0)]
    often = f"in at most {false.found.max()} of {false.worlds.max()} worlds"
    trust = f"claims a year before falsely, with a rising slope, {often}"
    agreed = [name for name in alone if name in claimed or name not in (LAST, BEFORE)]
    if alone and claimed and not agreed:
        return (
            f"So two tests point to two different years: networks at unseen places to {_names(alone)}, and the "
            f"regression to {_names(claimed)}, though it {trust}. That is no agreement, but a reason to look again."
        )
    if alone and claimed:
        return (
            f"So there is evidence of a lag from two sides: from networks at unseen places ({_names(alone)}), and from "
            f"the regression ({_names(claimed)}), which {trust}. The ranking of six scores could not say as much."
        )
    if claimed:
        return (
            f"So within sites RECO does go with {_names(claimed)}, by a regression that {trust}. The networks don't "
            f"confirm it, which says little where they show a planted lag in {max(end, stopped):.0%} of the worlds. "
            "And the ranking of six scores is no evidence for it."
        )
    if alone:
        return (
            f"So the networks point to a lag ({_names(alone)}), and the regression, which shows a planted one in "
            f"{regression:.0%} of the worlds, doesn't. One test of two is a reason to look again, not a finding."
        )
    strong = regression >= 0.8
    so = "so one as strong as that is unlikely here" if strong else "so even one as strong as that may have been missed"
    return (
        f"So no test that can part one year from another finds a lag. The regression shows one as strong as that of "
        f"the made worlds in {regression:.0%} of them, {so}, as far as real towers are like made ones; a weaker "
        "one remains possible. The ranking of six scores is no evidence for it or against it."
    )
