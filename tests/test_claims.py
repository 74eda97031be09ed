"""Claims read as tests: complete, and true or false when the numbers make them so."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from helpers import claims, reported
from helpers.space import regions
from helpers.space.grid import Grid
from helpers.stats import risk, trends

GLOBE, NORTH, TROPICS, SOUTH = regions.BANDS
GRID = Grid(3.0)


def paper_slopes():
    """Return the slopes and p-values of the paper's text, which print a bound for p and no slope for the south."""
    rows = {}
    for name, band in zip(("global", "north", "tropics"), (GLOBE, NORTH, TROPICS), strict=True):
        for v in ("RECO", "NPP"):
            rows[band, v] = (reported.number(f"{name}_{v.lower()}_slope"), 0.009)
    rows |= {(SOUTH, "RECO"): (0.07, 0.09), (SOUTH, "NPP"): (0.09, 0.04)}
    return pd.DataFrame(rows, index=["z_slope", "p"]).T


def verdicts(found, left_out=()):
    """Return the verdict of each claim."""
    return {name: verdict for name, (verdict, _) in claims.judge(found, left_out).items()}


def test_the_papers_own_slopes_meet_its_claims():
    assert set(verdicts(claims.on_annual_means(paper_slopes(), 0.1, 19)).values()) == {"holds"}


def test_the_papers_own_tables_meet_its_claims():
    table2 = reported.table("table2").query("subset == 'all' and direction == 'increase'")
    rising = table2.set_index(["variable", "band"])["percent"]
    classes = reported.table("table3").set_index(["class", "band"])["percent"]
    assert set(verdicts(claims.on_shares(rising, classes)).values()) == {"holds"}
    falling = verdicts(claims.on_shares(100 - rising, classes))
    assert [falling[c] for c in ("reco_mostly_rises", "global_sink_rising")] == ["does not hold"] * 2


@pytest.mark.parametrize(
    ("key", "column", "value", "claim", "expected"),
    [
        ((GLOBE, "RECO"), "p", 0.2, "global_reco_rises", "open"),
        ((GLOBE, "RECO"), "z_slope", -0.1, "global_reco_rises", "does not hold"),
        ((GLOBE, "NPP"), "z_slope", 0.141, "global_npp_faster_slope", "does not hold"),
        ((NORTH, "NPP"), "z_slope", 0.12, "north_npp_much_faster", "does not hold"),
        ((TROPICS, "RECO"), "z_slope", 0.05, "tropics_rates_close", "does not hold"),
        ((SOUTH, "NPP"), "z_slope", 0.15, "south_rises_weakly", "does not hold"),
        ((SOUTH, "NPP"), "p", 0.3, "south_rises_weakly", "open"),
    ],
)
def test_a_changed_number_turns_its_claim(key, column, value, claim, expected):
    slopes = paper_slopes()
    slopes.loc[key, column] = value
    assert verdicts(claims.on_annual_means(slopes, 0.1, 19))[claim] == expected


def test_a_trend_passes_its_margin_where_its_p_value_passes_the_level():
    years, rng = np.arange(19.0), np.random.default_rng(3)
    for level in (0.05, 0.1):
        for y in 0.1 * years + rng.normal(0, 2, (40, 19)):
            line = stats.linregress(years, y)
            rows = {
                (band, v): (line.rvalue / np.sqrt(30), line.pvalue) for band in regions.BANDS for v in ("RECO", "NPP")
            }
            found = claims.on_annual_means(pd.DataFrame(rows, index=["z_slope", "p"]).T, level, 19)
            expected = "open" if line.pvalue >= level else "holds" if line.slope > 0 else "does not hold"
            assert verdicts(found)["global_npp_rises"] == expected


@pytest.mark.parametrize(
    ("values", "limits", "margin", "expected"),
    [
        ([3.0, 3.0], [1.0, 1.0], 1.0, "holds"),
        ([3.0, 1.5], [1.0, 1.0], 1.0, "open"),
        ([3.0, 0.5], [1.0, 1.0], 1.0, "open"),
        ([1.5, -0.5], [1.0, 1.0], 1.0, "does not hold"),
        ([3.0, 1.0], [1.0, 1.0], 0.0, "open"),
        ([3.0, 3.0], [1.0, 1.0], np.nan, "open"),
        ([3.0, np.nan], [1.0, 1.0], 1.0, "not testable here"),
    ],
)
def test_a_claim_holds_or_fails_beyond_its_margin_only(values, limits, margin, expected):
    both = [claims.Part(f"part {k}", v, x, margin=margin) for k, (v, x) in enumerate(zip(values, limits, strict=True))]
    (verdict, shown) = claims.judge({"claim": both})["claim"]
    assert verdict == expected
    assert shown.startswith(f"part {int(values[1] != 3.0)}"), "the weakest part is shown"
    turned = [claims.Part("part", -v, -x, below=True, margin=margin) for v, x in zip(values, limits, strict=True)]
    assert claims.judge({"claim": turned})["claim"][0] == expected, "one rule for either side"


def test_the_margin_of_a_share_is_what_other_years_of_one_weather_would_give():
    """Cells of a few regions share their noise; the jackknife's error is that of the share over fresh weather."""
    rng, years = np.random.default_rng(4), np.arange(19.0)
    slope = rng.normal(0.02, 0.1, 4000)
    region = rng.integers(0, 12, 4000)

    def rises(y, keep):
        x = years[keep] - years[keep].mean()
        return 100 * float(((y[keep] * x[:, None]).sum(0) > 0).mean())

    shares, margins = [], []
    for _ in range(150):
        y = slope * years[:, None] + rng.normal(size=(19, 12))[:, region] + 0.5 * rng.normal(size=(19, 4000))
        parts = [{"c": [claims.Part("", rises(y, np.arange(19) != k), 50.0)]} for k in range(19)]
        full = claims.Part("", rises(y, np.arange(19) >= 0), 50.0, digits=6)
        shown = claims.judge({"c": [full]}, parts)["c"][1]
        shares.append(full.value), margins.append(float(shown.split("± ")[1].split(",")[0]))
    expected = stats.t.ppf(0.95, 18) * np.std(shares, ddof=1)
    assert np.sqrt(np.mean(np.square(margins))) == pytest.approx(expected, rel=0.25)


@pytest.fixture
def planet():
    """Return static fields on the real land mask, and the land itself."""
    land = regions.land(GRID.lat, GRID.lon)
    fields = {
        "area": regions.cell_area(GRID.lat, GRID.lon),
        "band": np.broadcast_to(regions.band(GRID.lat)[:, None], GRID.shape),
        "economy": regions.economies(GRID.lat, GRID.lon),
    }
    static = xr.Dataset(
        {name: (("lat", "lon"), field) for name, field in fields.items()}, {"lat": GRID.lat, "lon": GRID.lon}
    )
    return static, xr.DataArray(land, dims=("lat", "lon"), coords=static.coords)


def test_part_is_a_share_of_area_and_knows_places_bands_and_economies(planet):
    static, land = planet
    part = claims.parts(static, land)
    north_of_45 = xr.DataArray(np.broadcast_to((GRID.lat > 45)[:, None], GRID.shape), dims=("lat", "lon"))
    inside = land & (static.band == 0)
    slow = 100 * float(static.area.where(inside & north_of_45).sum() / static.area.where(inside).sum())
    assert part(north_of_45, NORTH) == pytest.approx(slow)
    assert part(north_of_45, "Amazonia", "Brazil") == 0
    assert 0 < part(north_of_45, "China", "Europe") < 100
    assert np.isnan(claims.parts(static, land & False)(north_of_45, GLOBE))


def test_every_claim_of_chapter_6_gets_a_verdict_and_places_decide_theirs(planet):
    static, land = planet
    part = claims.parts(static, land)
    boxes = regions.places(GRID.lat, GRID.lon)
    falls = xr.DataArray(boxes["Amazonia"] | boxes["Central Europe"], dims=("lat", "lon"))
    on_places = claims.on_places(falls, falls, part)
    assert set(verdicts(on_places).values()) == {"holds"}
    assert set(verdicts(claims.on_places(~falls, ~falls, part)).values()) == {"does not hold"}
    rising = reported.table("table2").query("subset == 'all' and direction == 'increase'")
    found = on_places | claims.on_annual_means(paper_slopes(), 0.1, 19)
    found |= claims.on_shares(
        rising.set_index(["variable", "band"])["percent"],
        reported.table("table3").set_index(["class", "band"])["percent"],
    )
    assert len(reported.verdicts("06", claims.judge(found))) == len(found)


def test_every_claim_of_chapter_7_gets_a_verdict(planet):
    static, land = planet
    rng = np.random.default_rng(1)
    gap = xr.DataArray(rng.normal(0.2, 1, GRID.shape), dims=("lat", "lon")).where(land.drop_vars(["lat", "lon"]))
    igbp = xr.DataArray(rng.integers(1, 17, GRID.shape), dims=("lat", "lon"))
    groupings = {
        "band": (static.band.where(land, -1) * 0, {0: GLOBE}),
        "biome": (igbp, {code: name for code, (name, _) in regions.IGBP.items() if code}),
        "economy": (static.economy, dict(enumerate(regions.ECONOMIES, start=1))),
    }
    tables = {g: risk.faster_shares(gap, static.area, field, names) for g, (field, names) in groupings.items()}
    bands = risk.faster_shares(gap, static.area, static.band, dict(enumerate(trends.REGIONS[1:])))
    tables["band"] = pd.concat([tables["band"], bands])
    table = pd.concat(tables, names=["grouping"]).reset_index("grouping")
    part = claims.parts(static, np.isfinite(gap))
    found = claims.on_sinks(table) | claims.on_sink_places(gap > 0, gap > -1, part)
    assert len(reported.verdicts("07", claims.judge(found))) == len(found)
    assert verdicts(found)["global_npp_dominates"] == "holds"
    swapped = claims.on_sinks(table.assign(npp_faster_area=1 - table.npp_faster_area))
    assert verdicts(swapped)["global_npp_dominates"] == "does not hold"
    order = table.set_index("name")["npp_faster_area"].copy()
    order[list(regions.ECONOMIES)] = [0.6, 0.8, 0.7, 0.4, 0.5]
    order["EBF"] = 0.01
    ordered = claims.on_sinks(table.assign(npp_faster_area=order.to_numpy()))
    assert verdicts(ordered)["economies_order"] == verdicts(ordered)["ebf_smallest"] == "holds"


def test_npp_and_reco_lead_by_one_rule(planet):
    """RECO leads over 45 % of each named place, which is more than over its band: it leads in none of them."""
    static, land = planet
    boxes, rng = regions.places(GRID.lat, GRID.lon), np.random.default_rng(5)
    named = np.any([boxes[name] for name in claims.NORTH_RISKS], axis=0)
    reco_leads = xr.DataArray(np.where(named, 0.45, 0.2) > rng.random(GRID.shape), dims=("lat", "lon"))
    found = claims.on_sink_places(~reco_leads, land, claims.parts(static, land))
    assert verdicts(found)["north_risk_places"] == "does not hold"
    everywhere = claims.on_sink_places(land & False, land, claims.parts(static, land))
    assert verdicts(everywhere)["north_risk_places"] == verdicts(everywhere)["tropics_risk_places"] == "holds"


def test_every_number_on_trends_has_its_counterpart():
    table2 = reported.table("table2").query("subset == 'all' and direction == 'increase'")
    rising = table2.set_index(["variable", "band"])["percent"]
    found = claims.trend_numbers(paper_slopes(), rising, pd.Series({NORTH: 47.0, TROPICS: 49.0, SOUTH: 4.0}), 0.1)
    shown = reported.beside("06", found)
    assert len(shown) == len(found)
    for id in ("global_npp_slope", "tropics_reco_slope", "band_limit", "map_p"):
        assert found[id] == reported.number(id)
    assert found["north_excess"] == pytest.approx(80.12 - 55.69)
    assert found["tropics_area"] == 49.0


def test_numbers_on_trends_by_cells_and_by_area_come_from_their_own_means(planet):
    static, land = planet
    ramp = xr.DataArray(np.arange(19.0), {"year": np.arange(2000, 2019)}, dims="year")
    jump = xr.zeros_like(ramp).where(ramp.year < 2018, 1.0)
    north_of_60 = xr.DataArray(GRID.lat > 60, {"lat": GRID.lat}, dims="lat")
    y = xr.where(north_of_60, 100 * jump, ramp) * xr.ones_like(static.area)
    slopes = trends.of_means(dict.fromkeys(("reco", "npp"), trends.regional_means(y, land, static.area, static.band)))
    held = pd.Series(dict.fromkeys(regions.BAND_NAMES, 0.0))
    rising = pd.Series(0.0, pd.MultiIndex.from_product([("reco", "npp"), regions.BANDS]))
    steady = {}
    for how, w in {"pixel": land.astype(float), "area": static.area.where(land, 0)}.items():
        mean = (y * w).sum(("lat", "lon")) / w.sum()
        steady[how] = np.corrcoef(ramp, mean)[0, 1] / np.sqrt(30)
        found = claims.trend_numbers(slopes.xs(how, level="mean by"), rising, held, 0.1)
        assert found["global_reco_slope"] == pytest.approx(steady[how])
    assert steady["area"] - steady["pixel"] > 0.005, "the unsteady far north weighs more by cells"


def test_every_number_on_sinks_has_its_counterpart():
    names = ("global", "north", "tropics", "south")
    columns = {
        f"{side}_faster_pixel": [reported.number(f"{name}_{side}_faster") / 100 for name in names]
        for side in ("npp", "reco")
    }
    found = claims.sink_numbers(pd.DataFrame(columns, index=list(regions.BANDS)), year=2018)
    shown = reported.beside("07", found)
    assert len(shown) == len(found) == 9
    assert all(found[id] == pytest.approx(reported.number(id)) for id in found)
