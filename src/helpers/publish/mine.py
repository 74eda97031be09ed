"""A profile for a table of one's own: ``python -m helpers.publish.mine my_site_years.csv``.

It looks at the names, the units and the numbers of the columns, says which it takes for what and how sure that is, and
writes ``notebooks/profiles/mine.yml``, as one would write it by hand. Where several columns or units fit, it says so;
where RECO's unit cannot be told it writes nothing, since everything hangs on that.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import yaml

from helpers import products, workspace
from helpers.products import ProductError, attributes, climate, site_table
from helpers.products.units import FLUX, HEAT, LIGHT, SHARE, WATER, unit_of
from helpers.run.chapters import Book, UserError

# The catalogue: what columns are called by FLUXNET, AmeriFlux, ICOS, OzFlux and in English. A name is compared without
# signs between its letters, and without AROUND; what stands first is preferred.


@dataclass(frozen=True)
class Known:
    """A variable: names of its columns, units that it may have, and the medians that each unit goes with."""

    names: str
    units: dict[str, float] | None = None
    guesses: tuple[tuple[str, float, float], ...] = ()


AROUND = (
    "annual", "yearly", "mean", "average", "total", "sum", "f", "mds", "pi", "obs", "observed", "measured", "site",
    "tower", "station", "location", "deg", "degrees",
)  # fmt: skip
CARBON_GUESSES = (
    ("g C m-2 yr-1", 60, 6000), ("kg C m-2 yr-1", 0.15, 4), ("t C ha-1 yr-1", 1.5, 40), ("umol m-2 s-1", 0.3, 11),
    ("g C m-2 d-1", 0.3, 11),
)  # fmt: skip
SUN_GUESSES = (("W m-2", 40, 350), ("MJ m-2 d-1", 3.5, 30))
PHOTONS = (("umol m-2 s-1", 140, 1000), ("W m-2", 20, 160), ("mol m-2 d-1", 8, 70))
CATALOGUE = {
    "site": Known("site(id|code|name)? station(id|name|code)? tower(id|name)? fluxnetid id name"),
    "year": Known("year yr timestamp date timestampstart"),
    "lat": Known("lat(itude)?n?"),
    "lon": Known("lon(g|gitude)?e?"),
    "igbp": Known("igbp(class|code|landcover)? landcover(type|class)? cover vegetation(type|class)? vegtype pft biome "
                  "ecosystem(type)?"),
    "reco_dt": Known("recodtvutref reco(dt|day|daytime)(vut)? recodtcutref recodt(vut|cut)(ustar50|mean) "
                     "(er|reco)(ll|lasslop) (ecosystem)?resp(iration)?day(time)? "
                     "day(time)?(reco|er|(ecosystem)?respiration)",
                     FLUX, CARBON_GUESSES),
    "reco": Known("recontvutref reco(nt|night|nighttime)(vut)? recontcutref recont(vut|cut)(ustar50|mean) "
                  "reco(solo|lt)? ersolo erann er(lt)? ter fre (eco(system)?)?resp(iration)?(night(time)?)? "
                  "night(time)?(reco|er|(ecosystem)?respiration) re",
                  FLUX, CARBON_GUESSES),
    "nee_qc": Known("neevutrefqc nee(vut|cut)(ref)?qc neeqc[fc]? qc quality(flag)? qcflag", SHARE),
    "mat": Known("ta mat t tair airt(emp)? (air)?temp(erature)? temperature(air)?"),
    "map": Known("p map prec(ip(itation)?)? rain(fall)? ppt", WATER,
                 (("mm yr-1", 130, 6000), ("mm month-1", 8, 150), ("mm d-1", 0.4, 12), ("m yr-1", 0.1, 5),
                  ("cm yr-1", 15, 129))),
    "par": Known("ppfd(in)? par photon(s|flux)? photosyntheticallyactiveradiation", LIGHT, PHOTONS),
    "shortwave": Known("sw(in)? shortwave(in|down|radiation)? rg fsd swdown solar(radiation)? globalradiation", LIGHT,
                       SUN_GUESSES),
    "fapar": Known("fapar fpar", SHARE), "lai": Known("lai leafarea(index)?", SHARE), "evi": Known("evi", SHARE),
    "ndvi": Known("ndvi", SHARE), "npp": Known("npp netprimaryproduct(ion|ivity)", FLUX, CARBON_GUESSES),
    "soc": Known("soc(stock|content)? soil(organic)?c(arbon)?(stock|content)?"),
    "vpd": Known("vpd vapou?rpressuredeficit"),
    "spei12": Known("spei12"), "spei24": Known("spei24"), "spei36": Known("spei36"),
}  # fmt: skip
ALIKE = re.compile(
    r"(reco|er|ter|gpp|nee|nep|fc|fco2|gross.?primary|net.?ecosystem|ecosystem.?resp)([\W_\d].*|$)", re.I
)
"""Names of what RECO is made of, or is made with it: no predictors."""
PLACES = ("site", "year", "lat", "lon")
LABELS = (*PLACES, "igbp", "reco", "reco_dt", "nee_qc")
PREDICTORS = [name for name in CATALOGUE if name not in LABELS]
SIDE = ("night-time", "day-time")

MISSING = 1 / 3
"""A predictor that more site-years lack than this is left out: each of them would be lost for its sake."""
LEAST_TOWERS = 8
"""Four folds, and four within the three that train, need as many places."""


@dataclass
class Column:
    """What a column was taken for: ``factor`` as `site_table.read` takes it; ``sure`` in a word, ``why`` in a few."""

    name: str
    column: str
    unit: str = ""
    factor: float | list[float] = 1.0
    sure: str = "sure"
    why: str = ""


# Looking at a table.


def variants(name: str) -> list[tuple[str, str]]:
    """Return what a column's name may be read as: letters and digits, and a unit that stands in or behind it.

    >>> variants("Rain [mm/yr]")[0], variants("reco_gC_m2")[1], variants("TA_F")[1]
    (('rain', 'mm/yr'), ('reco', 'gC m2'), ('ta', ''))
    """
    bracket = re.fullmatch(r"(.+?)[\[({]([^\])}]*)[\])}]?\s*", name)
    name, unit = bracket.groups() if bracket and unit_of(bracket[2]) else (name, "")
    tokens = re.findall(r"[^\W_]+", name) or [name]
    heads = [(tokens, unit)]
    if not unit:
        tails = {k: " ".join(tokens[k:]) for k in range(1, len(tokens))}
        heads += [(tokens[:k], tail) for k, tail in tails.items() if tail[0].isalpha() and unit_of(tail)]
    found = []
    for head, unit in heads:
        words = [word.lower() for word in head]
        found.append(("".join(words), unit))
        while len(words) > 1 and words[-1] in AROUND:
            words.pop()
            found.append(("".join(words), unit))
        while len(words) > 1 and words[0] in AROUND:
            words.pop(0)
            found.append(("".join(words), unit))
    return found


def numbers(table: pd.DataFrame, column: str) -> np.ndarray | None:
    """Return a column's numbers, NaN where there are none; None where it holds something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the book's reader says it again, of the columns that are used
        try:
            values = site_table.numbers_of(table, "", column)
        except ProductError:
            return None
    return values if np.isfinite(values).any() else None


def candidates(table: pd.DataFrame, name: str, known: Known, *, by_name: bool = False) -> list[tuple[str, str]]:
    """Return the columns that may be a variable, the preferred first, each with the unit that its name tells.

    Those that should hold numbers, and don't, are among them only if their names alone are asked for.
    """
    found, fitting = [], HEAT if name == "mat" else known.units or ()
    for column in table:
        # a unit in brackets is one, whether or not it fits; the tail of a name, only where it does: TA_F_DAY, RECO_DT
        bracket = column.rstrip().endswith((")", "]", "}"))
        read = [
            (head, unit)
            for head, unit in variants(column)
            # TA_F is a filled series, and temp_degF one in Fahrenheit
            if bracket or not unit or (unit_of(unit)[1] in fitting and unit.lower() != "f")
        ]
        ranks = [
            (rank, len(column), column, unit)
            for rank, pattern in enumerate(known.names.split())
            for head, unit in read
            if re.fullmatch(pattern, head)
        ]
        if ranks and (by_name or name in ("site", "igbp") or numbers(table, column) is not None):
            found.append(min(ranks))
    return [(column, unit) for *_, column, unit in sorted(found)]


def refuse(table: pd.DataFrame, where: object, name: str, column: str) -> NoReturn:
    """Say which cell of a column keeps it from being a variable."""
    place = f"{where}: {name}"
    if name in PLACES:
        site_table.column_of(table, place, name, column)
    site_table.numbers_of(table, place, column)
    row, cell = table.index[0], table[column].iloc[0]
    found = f"found gaps alone, {cell!r} in row {row}"
    raise UserError(f"{place}: column {column!r}: expected numbers, {found}; correct it, or give another one a name")


def by_content(table: pd.DataFrame, name: str, taken: set[str]) -> str | None:
    """Return the only column that can be the site, the year or the land cover by what it holds; None otherwise."""
    fits = []
    for column in (column for column in table if column not in taken):
        values, text = numbers(table, column), table[column].str.strip()
        if name == "year":
            fit = values is not None and np.all((values >= 1980) & (values <= 2100) & (values % 1 == 0))
        else:
            codes = [site_table.igbp_code(cell) for cell in text.unique()] if values is None else [None]
            classes = None not in codes and max(codes) >= 0
            fit = values is None and classes == (name == "igbp")
        fits += [column] * bool(fit)
    return fits[0] if len(fits) == 1 else None


def unit_by(known: Known, name: str, stated: str, values: np.ndarray) -> tuple[str, float | list[float], str, str]:
    """Return a column's unit, its factor, how sure that is and why.

    Raises
    ------
    UserError
        No unit fits its numbers, or several do; the message ends in those that do.
    """
    middle, most = float(np.nanmedian(values)), float(np.nanmax(values))
    parsed = unit_of(stated) if stated else None
    if name == "mat":
        if stated and not (parsed and parsed[0] == 1 and parsed[1] in HEAT):
            raise UserError(f"its unit {stated!r} is none of temperature that is known ({', '.join(HEAT)})")
        unit = parsed[1] if stated else "K" if middle > 200 else "degC"
        factor, added = HEAT[unit]
        if not -40 < factor * middle + added < 45:
            raise UserError(f"its median, {middle:.4g}, is no annual temperature in {unit if stated else 'degC or K'}")
        how = ("sure", "stated") if stated else ("likely", f"by its median, {middle:.4g}")
        return unit, HEAT[unit] if added else 1.0, *how
    if known.units is SHARE:
        factor = parsed[0] if parsed and parsed[1] == "" else 1.0
        if name != "lai" and most * factor > 1.001:
            if name == "nee_qc" and most <= 5:
                raise UserError(f"its greatest, {most:.4g}, is that of classes, and no share of 0 to 1 or in percent")
            factor, parsed = 0.01 if most <= 100 else 1e-4, None
        how = ("sure", "stated") if parsed else ("likely", f"by its greatest, {most:.4g}")
        return {1.0: "1", 0.01: "%"}.get(factor, f"{factor:g}"), factor, *how
    if not known.units:
        return stated, 1.0, "sure" if not stated else "likely", "taken as it is"
    sizes = {unit: unit_of(unit) for unit, *_ in known.guesses}
    sizes = {unit: size * known.units[what] for unit, (size, what) in sizes.items()}
    unit, low, high = known.guesses[0]
    if parsed and parsed[1] in known.units:
        factor = parsed[0] * known.units[parsed[1]]
        if low / 2 <= middle * factor / sizes[unit] <= high * 2:
            if known.units is FLUX and "kg" in parsed[1] and not re.search(r"C(?![a-z])|carbon", stated):
                return stated, float(f"{factor:.6g}"), "likely", "stated, and taken as of carbon, which it doesn't name"
            return stated, float(f"{factor:.6g}"), "sure", "stated"
        raise UserError(f"stated is {stated!r}, which would make its median {middle * factor / sizes[unit]:.4g} {unit}")
    # all hangs on a flux, so that what somebody states is not for the median to overrule
    if known.units is FLUX and re.search("[A-Za-z]", stated):
        raise UserError(f"stated is {stated!r}, which is no unit of it that is known")
    fits = [unit for unit, low, high in known.guesses if low <= middle <= high]
    if not fits or (len(fits) > 1 and name in ("reco", "reco_dt")):
        fitting = f"its median, {middle:.4g}, fits {' and '.join(fits) or 'no unit that is known'}"
        raise UserError(f"{fitting}, and neither its name nor a row of units tells")
    sure, why = ("likely", "by its median") if len(fits) == 1 else ("guess", f"by its median, as would {fits[1]}")
    return fits[0], float(f"{sizes[fits[0]]:.6g}"), sure, f"{why}, {middle:.4g}"


@dataclass
class Taken:
    """What was made of a table: a `Column` by variable, and lines on what was not clear."""

    columns: dict[str, Column]
    said: list[str]
    unknown: list[str]


def take(table: pd.DataFrame, names: dict[str, str], units: dict[str, str], where: object = "the table") -> Taken:
    """Find out which column is which variable, and in which unit.

    Parameters
    ----------
    table : DataFrame of str
        As `site_table.rows` gives it.
    names, units : dict of str to str
        What the user says: the column, and the unit, of a variable.
    where : object
        What errors call the table.

    Raises
    ------
    UserError, ProductError
        What the book cannot do without is not there, or its unit cannot be told.
    """
    found, said, broken = {}, [], {}
    of_row = table.attrs.get("units", {})
    for name in [*CATALOGUE, *(name for name in names if name not in CATALOGUE)]:
        known = CATALOGUE.get(name, Known(""))
        several = [(names[name], "")] if name in names else candidates(table, name, known)
        if name not in names:
            taken = {one.column for one in found.values()} | set(names.values())
            several = [each for each in several if each[0] not in taken]
        elif names[name] not in table:
            raise UserError(f"--names {name}: column {names[name]!r} is not there; the table has {', '.join(table)}")
        if not several:
            for column, _ in candidates(table, name, known, by_name=True):
                if column not in taken and name != "year":  # which may be told by what another one holds
                    broken[name] = column
                    break
            continue
        column, unit = several[0]
        sure, why = ("sure", "as you say") if name in names else ("sure", "by its name")
        if len(several) > 1:
            others = listed([column for column, _ in several[1:]], 3)
            sure, why = "likely", f"by its name; {others} would do as well"
            said.append(f"{name}: took {shown(column)}, found {others} too; for another one: NAMES='{name}=COLUMN'")
        found[name] = Column(name, column, units.get(name) or of_row.get(column) or unit, sure=sure, why=why)
    for name in ("year", "igbp", "site"):
        taken = {one.column for one in found.values()}
        if name not in found and (column := by_content(table, name, taken)):
            found[name] = Column(name, column, sure="guess", why="by what it holds")
            said.append(f"{name}: took {shown(column)} by what it holds; for another one: NAMES='{name}=COLUMN'")
    for name, column in broken.items():
        if name in (*PLACES, "reco"):
            refuse(table, where, name, column)
        try:
            refuse(table, where, name, column)
        except (ProductError, UserError) as error:
            said.append(f"{error}; left out until then")
    if "reco" not in found and "reco_dt" in found:
        found["reco"] = Column(**vars(found.pop("reco_dt")) | {"name": "reco"})
        said.append("reco: the table has the day-time estimate alone; where a page says night-time, read day-time")
    for name in (*PLACES, "reco"):
        if name not in found:
            for column, _ in candidates(table, name, CATALOGUE[name], by_name=True):
                refuse(table, where, name, column)
            made = " (GPP less the uptake NEP, or GPP + NEE, is RECO: add such a column)" if name == "reco" else ""
            raise UserError(
                f"{name}: expected a column, found none that is called so{made}; say which: NAMES='{name}=COLUMN'"
            )
    if "par" in found or "shortwave" not in found:
        found.pop("shortwave", None)
        said = [line for line in said if not line.startswith("shortwave:")]
    else:
        found["par"] = Column(**vars(found.pop("shortwave")) | {"name": "par"})
        found["par"].why += "; shortwave stands in for PAR"
    for name in [name for name in found if name not in (*PLACES, "igbp")]:
        one, known = found[name], CATALOGUE.get(name, Known(""))
        if name == "par" and "shortwave" in one.why:
            known = CATALOGUE["shortwave"]
        if name in units and unit_of(units[name]) is None:
            raise UserError(f"--units {name}: {units[name]!r} is no unit that is known; write it as 'g C m-2 yr-1'")
        values = numbers(table, one.column)
        if values is None:
            refuse(table, where, name, one.column)
        stated = one.unit
        try:
            one.unit, one.factor, sure, why = unit_by(known, name, stated, values)
        except UserError as error:
            told = f"{name}, column {shown(one.column)}: {error}; say which: UNITS='{name}=\"…\"'"
            if name == "reco":
                raise UserError(told) from None
            said.append(f"{told}; left out until then")
            del found[name]
            continue
        if sure == "guess":  # networks see standardised numbers, so that it matters for what a page says alone
            said.append(f"{name}: took {one.unit}, {why}; for another unit: UNITS='{name}=\"…\"'")
        if stated and known.units and why != "stated":
            said.append(f"{name}: its unit {shown(stated)} isn't one that fits; took {one.unit}, {why}")
        one.sure, one.why = max(one.sure, sure, key=("sure", "likely", "guess").index), f"{one.why}; unit {why}"
    if "reco_dt" in found and found["reco_dt"].unit != found["reco"].unit:
        said.append(
            f"reco_dt: its unit, {found['reco_dt'].unit}, is not that of reco, {found['reco'].unit}; look again"
        )
    if unused := set(units) - set(found):
        raise UserError(f"--units {unused.pop()}: expected one of {', '.join(found)}; correct it")
    order = [*LABELS, *found]
    found = dict(sorted(found.items(), key=lambda pair: order.index(pair[0])))
    used = {one.column for one in found.values()}
    return Taken(found, said, [column for column in table if column not in used])


def whole(table: Path, taken: Taken) -> tuple[pd.DataFrame, list[str]]:
    """Read the table as the book will; return its usable site-years (site, year), and the predictors to use.

    Predictors that lack too many site-years, or are one number everywhere, leave ``taken``, which says so.
    """
    ds = products.read("site_table", table, columns=columns(taken), factors=factors(taken))
    there = np.isfinite(ds.reco.values) & (ds.reco.values > 0.01) & (ds.reco.values < 5)
    if np.isfinite(ds.nee_qc).any():
        there &= ds.nee_qc.values >= 0.5
    usable, kept = there.copy(), []
    for name in [name for name in taken.columns if name not in LABELS]:
        values = ds[name].values
        lacking = float(np.mean(~np.isfinite(values[there]))) if there.any() else 1.0
        if lacking > MISSING or np.ptp(values[there & np.isfinite(values)]) == 0:
            why = f"it lacks {lacking:.0%} of the site-years" if lacking > MISSING else "it is one number everywhere"
            taken.said.append(f"{name}: left out, since {why}; to have it all the same, add it to the profile")
            del taken.columns[name]
            continue
        usable &= np.isfinite(values)
        kept.append(name)
    return ds[["site", "year"]].to_dataframe()[["site", "year"]][usable], kept


def columns(taken: Taken) -> dict[str, str]:
    """Return ``table_columns`` of a profile."""
    return {name: one.column for name, one in taken.columns.items()}


def factors(taken: Taken) -> dict[str, float | list[float]]:
    """Return ``table_factors`` of a profile."""
    return {name: one.factor for name, one in taken.columns.items() if one.factor != 1}


# Monthly climate.

TEMPERATURE = "t(emp(erature)?)?"
MONTHLY = {"site": CATALOGUE["site"], "year": CATALOGUE["year"], "month": Known("month mon mo"),
           "lat": Known("(cell)?lat(itude)?"), "tmin": Known(f"tmn {TEMPERATURE}min(imum)? min(imum)?{TEMPERATURE}"),
           "tmax": Known(f"tmx {TEMPERATURE}max(imum)? max(imum)?{TEMPERATURE}"),
           "precipitation": CATALOGUE["map"]}  # fmt: skip


def of_climate(path: Path, usable: pd.DataFrame) -> tuple[dict[str, str], str, int]:
    """Return ``climate_columns``, ``climate_rain`` and how many usable site-years have three whole years of climate."""
    table, found, stated = site_table.rows(path), {}, ""
    for name, known in MONTHLY.items():
        if not (several := candidates(table, name, known)):
            raise UserError(f"{path}: expected a column for {name}, found none that is called so; rename one to {name}")
        found[name] = several[0][0]
        if name == "precipitation":
            stated = table.attrs.get("units", {}).get(found[name]) or several[0][1]
    rates, values = {unit_of(rate): rate for rate in climate.RATES}, numbers(table, found["precipitation"])
    parsed = unit_of(stated)
    if parsed and parsed not in (*rates, unit_of("mm")):
        expected = f"{path}: column {found['precipitation']!r}: expected precipitation in {' or '.join(climate.RATES)}"
        raise UserError(f"{expected}, found it stated in {shown(stated)}; convert it")
    rain = rates.get(parsed) or rates[unit_of("mm d-1" if np.nanmedian(values) < 12 else "mm month-1")]
    months = products.read("site_climate", path, columns=found, precipitation=rain).drop_vars("lat").to_array()
    whole_years = months.notnull().all("variable").groupby("time.year").sum("time") == 12
    known = whole_years.transpose("site", "year").to_series()
    known = set(known[known].index)
    count = sum(all((site, year - k) in known for k in range(3)) for site, year in usable.itertuples(index=False))
    return {name: column for name, column in found.items() if name != column}, rain, count


# Writing.


def scalar(value: object) -> str:
    r"""Return a value as YAML on one line, whatever letters it has.

    >>> scalar("reco"), scalar("a: b # c"), scalar("no"), scalar(chr(10))
    ('reco', "'a: b # c'", "'no'", '"\\n"')
    """
    how = {"width": math.inf, "allow_unicode": True, "default_flow_style": True}
    text = yaml.safe_dump(value, **how).removesuffix("\n").removesuffix("\n...")
    return text if text.isprintable() else yaml.safe_dump(value, default_style='"', **how).rstrip("\n")


def shown(text: str) -> str:
    """Return a text of a table for a line that is printed, or a comment: as it is, or escaped if it could break it."""
    return text if text.isprintable() else scalar(text)


def listed(columns: list[str], most: int) -> str:
    """Return the names of the first columns, and how many more there are."""
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(map(shown, columns[:most])) + more


MARK = re.compile(r"# mark (\w+)\n\Z")


def _marked(text: str) -> str:
    return f"{text}# mark {hashlib.sha256(text.encode()).hexdigest()[:16]}\n"


def untouched(path: Path) -> bool:
    """Say whether a profile is as this command wrote it."""
    text = path.read_text(encoding="utf-8")
    return bool(MARK.search(text)) and _marked(MARK.sub("", text)) == text


LEFT_OUT = """\
# Left out, and why: 01, 05 to 07, 10, 11 and 13 need maps of the predictors; 04 a second table, of other towers
# (validation_table); 12 real grids; 15 and 16 are not about your towers.
"""
NO_CLIMATE = """\
# 09, whether there is a lag, is left out: it needs the water of every month, of this year and of those before. Give a
# table of monthly climate at the towers (site, lat, year, month, tmin, tmax, precipitation): make mine … CLIMATE=…
"""


def text_of(table: Path, root: Path, taken: Taken, predictors: list[str], monthly: dict, years: tuple[int, int]) -> str:
    """Return the text of a profile, a comment a line."""
    chapters = ", ".join(f'"{number}"' for number in ("02", "03", "08", *(["09"] if monthly else []), "14"))

    channels = list(dict.fromkeys([*predictors, *(["spei12", "spei24", "spei36"] if monthly else [])]))

    def place(path: Path) -> str:
        return scalar((path.relative_to(root) if path.is_relative_to(root) else path).as_posix())

    lines = [
        "# Made by `make mine`. Change what you like: a changed file is never written over. The last line tells it.",
        f"description: {scalar(f'own site-years, from {table.name}')}",
        f"chapters: [{chapters}]",
        (LEFT_OUT + ("" if monthly else NO_CLIMATE)).rstrip("\n"),
        "common:",
        f"  channels: {scalar(channels)}  # what networks see",
    ]
    if monthly:
        lines += [
            f"  climate_table: {place(monthly['path'])}",
            f"  climate_columns: {scalar(monthly['columns'])}",
            f"  climate_rain: {scalar(monthly['rain'])}",
        ]
    lines += ["", "02_site_sampling:", f"  towers_table: {place(table)}"]
    lines += [f"  first_year: {years[0]}  # the table's", f"  last_year: {years[1]}"]
    lines += ["  table_columns:"]
    for name, one in taken.columns.items():
        lines.append(f"    {scalar(name)}: {scalar(one.column)}  # {one.sure}: {one.why}")
    if factors(taken):
        lines += ["  table_factors:  # by what a number is multiplied, and what is added then"]
        for name, factor in factors(taken).items():
            to = attributes(name).get("units", "")
            lines.append(f"    {scalar(name)}: {scalar(factor)}  # from {shown(taken.columns[name].unit)} to {to}")
    if monthly:
        lines += ["", "09_is_there_a_lag:", "  permutations: 20  # so that a p-value can fall below 0.05"]
    return _marked("\n".join(lines) + "\n")


def report(taken: Taken) -> str:
    """Return a table of what was taken for what."""
    lines = [("variable", "column", "unit", "sure", "why")]
    for name, one in taken.columns.items():
        lines.append((name, shown(one.column), shown(one.unit), one.sure, one.why))
    wide = [max(len(line[k]) for line in lines) for k in range(4)]
    return "\n".join("  ".join([*(t.ljust(w) for t, w in zip(line, wide, strict=False)), line[4]]) for line in lines)


def unused(table: pd.DataFrame, taken: Taken) -> Iterator[str]:
    """Say which columns of numbers were taken for nothing."""
    free = [column for column in taken.unknown if numbers(table, column) is not None]
    made = [column for column in free if ALIKE.match(column)]
    other = [column for column in free if column not in made]
    for some, before, after in (
        (made, "not used, since RECO is made of the same measurements: ", ""),
        (other, "not known: ", "; to have one as a predictor: NAMES='my_name=COLUMN'"),
    ):
        if some:
            yield f"{before}{listed(some, 6)}{after}"


def _pairs(given: list[str], option: str) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if wrong := [text for text in given if not all(text.partition("="))]:
        raise UserError(f"{option} {wrong[0]}: expected VARIABLE=…, found no '='; correct it")
    return pairs


def _write(book: Book, given: argparse.Namespace) -> None:
    path = book.notebooks / "profiles" / f"{given.to}.yml"
    if not re.fullmatch(r"\w[\w-]*", given.to):
        raise UserError(f"--to {given.to}: expected a name of letters, digits, _ and -; choose one")
    if path.exists() and not untouched(path):
        raise UserError(
            f"{path}: expected the file as this command wrote it, found it changed; remove it, or give another TO=name"
        )
    if not given.table:
        raise UserError("expected a table, found none; name it: make mine TABLE=my_site_years.csv")
    source = site_table.one_file([Path(given.table).expanduser().resolve()], "a table")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = site_table.rows(source)
    taken = take(table, _pairs(given.names, "--names"), _pairs(given.units, "--units"), source)
    with warnings.catch_warnings(record=True) as more:
        warnings.simplefilter("always")
        usable, predictors = whole(source, taken)
    taken.said += dict.fromkeys(str(each.message) for each in [*told, *more])
    towers = usable.site.nunique()
    print(f"{source.name}: {len(table)} rows, {table.shape[1]} columns, separated by {table.attrs['separator']!r}"
          + (", with a row of units" if "units" in table.attrs else ""))  # fmt: skip
    print(report(taken))
    for line in [*taken.said, *unused(table, taken)]:
        print(f"- {line}")
    if not predictors:
        raise UserError(
            f"{source}: expected a predictor, such as temperature or rain, found none; say which: NAMES='mat=COLUMN'"
        )
    if towers < LEAST_TOWERS:
        raise UserError(
            f"{source}: expected {LEAST_TOWERS} towers or more with RECO of 10 to 5000 g C m-2 yr-1, all predictors "
            f"and a QC of 0.5, found {towers}; add towers, since the tests leave out whole ones, in folds"
        )
    monthly = {}
    if given.climate:
        where = site_table.one_file([given.climate.expanduser().resolve()], "monthly climate")
        renamed, rain, count = of_climate(where, usable)
        monthly = {"path": where, "columns": renamed, "rain": rain}
        print(f"- {where.name}: rain in {rain}; {count} of {len(usable)} site-years have its three years")
        if not count:
            raise UserError(
                f"{where}: expected the climate of the table's sites and years, found none; are sites called alike?"
            )
    with workspace.writing(path) as aside:
        years = int(usable.year.min()), int(usable.year.max())
        aside.write_text(text_of(source, book.root, taken, predictors, monthly, years), encoding="utf-8")
    without = "" if monthly else ", without chapter 9 (whether there is a lag), which needs CLIMATE=monthly.csv"
    print(f"usable: {len(usable)} site-years of {towers} towers, {len(predictors)} predictors{without}")
    print(f"wrote {path}; look at it, then: make book PROFILE={given.to}")


@workspace.command("helpers.publish.mine")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.mine", description=__doc__.splitlines()[0])
    line.add_argument("table", help="a CSV with a row a site and year")
    line.add_argument("--climate", type=Path, help="a CSV of monthly climate at the sites, for SPEI")
    line.add_argument("--names", nargs="+", default=[], metavar="VARIABLE=COLUMN", help="what a column is: reco=Resp")
    line.add_argument("--units", nargs="+", default=[], metavar="VARIABLE=UNIT", help='reco="t C ha-1 yr-1"')
    line.add_argument("--to", default="mine", metavar="PROFILE", help="name of the profile (default: mine)")
    given = line.parse_args(arguments)
    _write(Book.here(), given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
