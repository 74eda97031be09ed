"""Claims read as tests: the paper's own numbers meet them, a changed number turns its claim, and margins decide."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from helpers import claims, reported
from helpers.space import regions
from helpers.space.grid import Grid
from helpers.stats import trends

GLOBE, NORTH, TROPICS, SOUTH = regions.BANDS
GRID = Grid(3.0)
ALPHA, YEARS = 0.1, 19


def verdicts(found, left_out=()):
    """Return the verdict of each claim."""
    return {name: verdict for name, (verdict, _) in claims.judge(found, left_out).items()}


def gains():
    """Return what SPEI add in the paper's Table 1, with an interval that tells them from zero."""
    r2 = reported.table("table1").query("split == 'test' and metric == 'r2'").set_index("model")["value"]
    gain = r2 - r2["CNN1"]
    gain["CNN5 over the next best"] = r2["CNN5"] - r2.drop("CNN5").max()
    half = pd.Series(0.0005, gain.index)
    settled = {"lowest R²": r2.min(), "drift of the mean R²": 0.0, "dead networks": 0}
    return settled | {"gain in test R²": gain, "half width over seeds": half}


def validation():
    """Return the counts of the paper's Results, paragraph 5."""
    counts = ("that are as good", "with r > 0 and p < 0.05", "with r > 0 and p < 0.01")
    numbers = {f"process models {what}": 0 for what in (*counts, "not below the observed mean STDEV")}
    return numbers | {
        "process models with r < 0": 2,
        "r of the CNN": 0.475,
        "p of the CNN": reported.number("sd_p") / 2,
    }


def maps():
    """Return means in the paper's order of vegetation, and process models as its Fig. 1 has them."""
    order = ("tropical rainforest", "extra-tropical forest", "savanna", "fields", "grass and shrub", "far north")
    numbers = {"mean RECO (kg C m-2 yr-1)": pd.Series(np.arange(6, 0, -1.0), order)}
    numbers["half width over members"] = pd.Series(0.1645, order)
    numbers["process model less CNN, mean, either way (%)"] = {"more than half of the models": 18}
    return numbers | {"process model less CNN, STDEV (%)": {"the model nearest the CNN": -71}}


def lines():
    """Return the slopes and p-values of the paper's text, which print a bound for p and no slope for the south."""
    rows = {}
    for name, band in zip(("global", "north", "tropics"), (GLOBE, NORTH, TROPICS), strict=True):
        for v in ("RECO", "NPP"):
            rows[band, v] = (reported.number(f"{name}_{v.lower()}_slope"), 0.009)
    rows |= {(SOUTH, "RECO"): (0.07, 0.09), (SOUTH, "NPP"): (0.09, 0.04)}
    return pd.DataFrame(rows, index=["z_slope", "p"]).T


def tables():
    """Return the shares of Tables 2 and 3, with places as the paper's words have them."""
    rising = reported.table("table2").query("subset == 'all' and direction == 'increase'")
    rising = rising.set_index(["variable", "band"])["percent"]
    classes = reported.table("table3").set_index(["class", "band"])["percent"]
    numbers = {f"{name} (% of land)": classes[name].to_dict() for name in trends.DIRECTIONS.values()}
    numbers["RECO rises (% of land)"] = rising["reco"].to_dict()
    numbers["NPP rises less RECO rises (points)"] = (rising["npp"] - rising["reco"]).to_dict()
    numbers["NPP falls (% of land)"] = (100 - rising["npp"]).to_dict() | {"Amazonia": 60.0}
    tests = pd.read_csv(reported.FOLDER / "tests.csv", dtype=str, keep_default_na=False)
    for places in tests["where"][tests["where"].str.contains(" + ", regex=False)]:
        for quantity in ("NPP falls (% of land)", "NPP-RECO+ (% of land)"):
            numbers[quantity][places] = 60.0
    # a function of several places, as a chapter has it
    wrapped = {what: lambda *where, of=of: of[" + ".join(where)] for what, of in numbers.items()}
    return wrapped | claims.line_numbers(lines(), ALPHA, YEARS)


def sinks():
    """Return shares in which NPP leads: the paper's bands, with biomes, economies and places in its words."""
    faster = {band: reported.number(f"{short}_npp_faster") for short, band in trends.SHORT.items()}
    faster |= dict.fromkeys(("DBF", "ENF", "GRA", "SAV"), 80.0) | {"EBF": 30.0, "the least of the other biomes": 40.0}
    faster |= dict(zip(regions.ECONOMIES, (70.0, 80.0, 65.0, 50.0, 55.0), strict=True))
    numbers = {"NPP grows faster (% of land)": faster, "NPP leads, China and India apart (points)": 25.0}
    leads = {f"{what} (% of land)": lambda *where: 60.0 for what in ("NPP leads", "RECO leads", "NPP rises")}
    return numbers | leads


PAPER = {"03": gains, "04": validation, "05": maps, "06": tables, "07": sinks}


@pytest.mark.parametrize("chapter", PAPER)
def test_the_papers_own_numbers_meet_its_claims_and_each_claim_has_its_test(chapter):
    found = claims.judge(claims.read(chapter, PAPER[chapter]()))
    assert set(reported.verdicts(chapter, found)["verdict"]) <= {"holds", "not testable here"}
    untestable = {id for id, (verdict, _) in found.items() if verdict != "holds"}
    asked = {"03": {"no_overfitting", "lag_1_2_years", "current_year_insensitive", "lag_longer_than_npp"}}
    assert untestable == asked.get(chapter, {"tropics_saturating"} if chapter == "07" else set())


@pytest.mark.parametrize(
    ("chapter", "quantity", "where", "value", "claim", "expected"),
    [
        ("03", "gain in test R²", "CNN2", 0.01, "spei12_no_help", "does not hold"),
        ("03", "half width over seeds", "CNN3", np.nan, "spei24_helps", "open"),
        ("03", "gain in test R²", "CNN4", np.nan, "spei36_helps", "not testable here"),
        ("03", "dead networks", None, 1, "stable", "does not hold"),
        ("04", "process models that are as good", None, 1, "cnn_best_at_sites", "does not hold"),
        ("04", "process models not below the observed mean STDEV", None, np.nan, "others_low_sd", "not testable here"),
        ("05", "mean RECO (kg C m-2 yr-1)", "savanna", 7.0, "rainforest_highest", "does not hold"),
        ("05", "half width over members", "tropical rainforest", 1.0, "rainforest_highest", "open"),
        ("07", "NPP grows faster (% of land)", GLOBE, 30, "global_npp_dominates", "does not hold"),
        ("07", "NPP grows faster (% of land)", "China", 60, "economies_order", "does not hold"),
        ("07", "NPP leads, China and India apart (points)", None, 5, "china_india_differ", "does not hold"),
    ],
)
def test_a_changed_number_turns_its_claim(chapter, quantity, where, value, claim, expected):
    numbers = PAPER[chapter]()
    numbers[quantity] = value if where is None else {**numbers[quantity], where: value}
    assert verdicts(claims.read(chapter, numbers))[claim] == expected


@pytest.mark.parametrize(
    ("key", "column", "value", "claim", "expected"),
    [
        ((GLOBE, "RECO"), "p", 0.2, "global_reco_rises", "open"),
        ((GLOBE, "RECO"), "z_slope", -0.1, "global_reco_rises", "does not hold"),
        ((GLOBE, "NPP"), "z_slope", 0.141, "global_npp_faster_slope", "does not hold"),
        ((SOUTH, "NPP"), "p", 0.3, "south_rises_weakly", "open"),
    ],
)
def test_a_changed_line_turns_its_claim(key, column, value, claim, expected):
    slopes = lines()
    slopes.loc[key, column] = value
    numbers = tables() | claims.line_numbers(slopes, ALPHA, YEARS)
    assert verdicts(claims.read("06", numbers))[claim] == expected


def test_a_trend_passes_its_margin_where_its_p_value_passes_the_level():
    years, rng = np.arange(19.0), np.random.default_rng(3)
    for level in (0.05, 0.1):
        for y in 0.1 * years + rng.normal(0, 2, (40, 19)):
            line = stats.linregress(years, y)
            row = {
                (band, v): (line.rvalue / np.sqrt(30), line.pvalue) for band in regions.BANDS for v in ("RECO", "NPP")
            }
            slopes = pd.DataFrame(row, index=["z_slope", "p"]).T
            found = claims.read("06", tables() | claims.line_numbers(slopes, level, YEARS))
            expected = "open" if line.pvalue >= level else "holds" if line.slope > 0 else "does not hold"
            assert verdicts(found)["global_npp_rises"] == expected


@pytest.mark.parametrize(
    ("values", "limits", "margin", "expected"),
    [
        ([3.0, 3.0], [1.0, 1.0], 1.0, "holds"),
        ([3.0, 1.5], [1.0, 1.0], 1.0, "open"),
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
        full = claims.Part("", rises(y, np.arange(19) >= 0), 50.0)
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


def test_claims_on_places_are_decided_on_their_own_land(planet):
    """Every place that a claim names is known; NPP falls in named ones alone; RECO leads over 45 %, in none."""
    static, land = planet
    part, boxes = claims.parts(static, land), regions.places(GRID.lat, GRID.lon)
    north_of_45 = xr.DataArray(np.broadcast_to((GRID.lat > 45)[:, None], GRID.shape), dims=("lat", "lon"))
    inside = land & (static.band == 0)
    slow = 100 * float(static.area.where(inside & north_of_45).sum() / static.area.where(inside).sum())
    assert part(north_of_45, NORTH) == pytest.approx(slow) and part(north_of_45, "Amazonia", "Brazil") == 0
    falls = xr.DataArray(boxes["Amazonia"] | boxes["Central Europe"], dims=("lat", "lon"))
    for where, expected in ((falls, "holds"), (~falls, "does not hold")):
        numbers = dict.fromkeys(("NPP falls (% of land)", "NPP-RECO+ (% of land)"), partial(part, where))
        found = verdicts(claims.read("06", tables() | numbers))
        for claim in ("npp_falls_in_amazon", "north_falling_places", "tropics_falling_places"):
            assert found[claim] == expected
    risks = ("Central Russia", "South-western Russia", "Central North America", "Eastern North America")
    named, rng = np.any([boxes[name] for name in risks], axis=0), np.random.default_rng(5)
    leads = xr.DataArray(np.where(named, 0.45, 0.2) > rng.random(GRID.shape), dims=("lat", "lon"))
    for where, expected in ((leads, "does not hold"), (land, "holds")):
        numbers = {"RECO leads (% of land)": partial(part, where), "NPP leads (% of land)": partial(part, where)}
        assert verdicts(claims.read("07", sinks() | numbers))["north_risk_places"] == expected


def test_of_a_known_part_and_an_unknown_one_the_unknown_is_named():
    parts = [claims.Part("known", 1.0, 0.0), claims.Part("unknown", np.nan, 0.0)]
    assert claims.judge({"one": parts}) == {"one": ("not testable here", "unknown: not known here")}


@pytest.mark.parametrize(("word", "misspelt"), [("Amazonia", "Amazonai"), ("NPP leads", "NPP laeds"), ("EBF", "EFB")])
def test_a_misspelt_place_or_quantity_is_refused_and_not_called_untestable(
    tmp_path, monkeypatch, planet, word, misspelt
):
    text = (reported.FOLDER / "tests.csv").read_text(encoding="utf-8")
    (tmp_path / "tests.csv").write_text(text.replace(word, misspelt), encoding="utf-8")
    (tmp_path / "claims.csv").write_bytes((reported.FOLDER / "claims.csv").read_bytes())
    monkeypatch.setattr(reported, "FOLDER", tmp_path)
    numbers, part = sinks(), claims.parts(*planet)
    leads = {f"{what} (% of land)": partial(part, planet[1]) for what in ("NPP leads", "RECO leads", "NPP rises")}
    with pytest.raises(ValueError, match=f"expected .* found '{misspelt}.*'; correct it$"):
        claims.read("07", numbers | leads)
