"""The explorer: what is packed for it is what the artefacts hold, and a browser shows it from a file."""

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import warnings
import zlib

import numpy as np
import pytest
import xarray as xr
from test_pages_in_browser import BROWSER, QUIET

from helpers.provenance import Label
from helpers.run import explorer, pages
from helpers.space import regions
from helpers.workspace import ROOT, Workspace

YEARS = np.arange(2001, 2005)
LAT, LON = np.arange(82.5, -90, -15), np.arange(-172.5, 180, 15)
LABEL = Label("small", "Demo Earth: a made planet", commit="0123456789", date="2021-01-01")
STATIC = ROOT / "book" / "_static"


def dataset(rng, names, yearly, units="kg m-2 yr-1", missing=()):
    """Numbers of a normal distribution, some cells missing."""
    shape = (*([YEARS.size] if yearly else []), LAT.size, LON.size)
    dims = ("year", "lat", "lon") if yearly else ("lat", "lon")
    found = {}
    for name in names:
        values = rng.normal(1, 0.5, shape).astype("float32")
        for row, column in missing:
            values[..., row, column] = np.nan
        found[name] = (dims, values, {"units": units})
    coords = {"lat": LAT, "lon": LON} | ({"year": YEARS} if yearly else {})
    return xr.Dataset(found, coords)


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    """A workspace with all that the explorer shows, on 12 by 24 cells."""
    ws, rng = Workspace("small", tmp_path_factory.mktemp("outputs")), np.random.default_rng(3)
    sea = [(row, column) for row in range(12) for column in range(24) if (row * 7 + column * 5) % 3 == 0]
    reco = dataset(rng, ["reco", "reco_sd"], True, missing=sea)
    reco.reco[1, 4, 4] = np.nan  # a cell that lacks a year
    ws.write("reco", reco)
    ws.write("reco_honest", dataset(rng, ["reco", "reco_sd"], True, missing=sea))
    ws.write("predictors", dataset(rng, ["npp", "gpp"], True))
    ws.write("truth", dataset(rng, ["reco", "npp"], True))
    flags = {name: (("lat", "lon"), rng.integers(0, n, (12, 24)).astype("int8")) for name, n in FLAGS.items()}
    ws.write("static", xr.Dataset({"igbp": flags["igbp"]}, {"lat": LAT, "lon": LON}))
    fits = dataset(rng, ["reco_slope", "npp_slope"], False, "kg m-2 yr-2", sea) / 100
    for name in fits:
        fits[name].attrs["units"] = "kg m-2 yr-2"
    z = dataset(rng, ["reco_zslope", "npp_zslope"], False, "yr-1", sea)
    p = abs(dataset(rng, ["reco_p", "npp_p"], False, "1", sea) / 10)
    ws.write("trends", fits.merge(z).merge(p).assign(direction=flags["direction"]))
    ends = dataset(rng, [f"difference_{end}" for end in ("estimate", "low", "high")], False, "kg m-2 yr-2", sea)
    field = {f"{v}_significant_as_field": flags[v] for v in ("reco", "npp")}
    ws.write("honest_maps", fits.merge(ends).assign(verdict=flags["verdict"], **field))
    ws.write("applicability", dataset(rng, ["di"], False, "1", sea).assign(aoa=flags["aoa"]))
    return ws


FLAGS = {"igbp": 17, "direction": 5, "verdict": 4, "aoa": 2, "reco": 2, "npp": 2}


@pytest.fixture(scope="module")
def script(ws, tmp_path_factory):
    """The script, written to a file."""
    path = tmp_path_factory.mktemp("script") / "explorer_data.js"
    explorer.write(ws, LABEL, path)
    return path


def content(path):
    """What a script holds."""
    return json.loads(re.fullmatch(r"window\.EXPLORER = (.*);\n", path.read_text(encoding="ascii"))[1])


def unpacked(told, name):
    """A field taken apart number by number: the years' cells, NaN where missing, and half a step."""
    array, count = told["arrays"][name], told["count"]
    raw = zlib.decompress(base64.b64decode(array["data"]))
    if "decimals" not in array:
        return np.array([np.nan if byte == 255 else byte for byte in raw]), 0.0
    low, high = raw[: len(raw) // 2], raw[len(raw) // 2 :]
    values, before = [], [0] * count
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        before[i % count] = (before[i % count] + a + 256 * b) % 65536
        whole = before[i % count]
        values.append(np.nan if whole == 65535 else (whole + array["base"]) * 10.0 ** -array["decimals"])
    return np.array(values).reshape(-1, count), 0.5 * 10.0 ** -array["decimals"]


def test_each_field_is_the_artefacts_within_half_a_step(ws, script):
    told, read = content(script), ws.read
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # of cells in the sea
    kept = np.isfinite(read("reco").reco.values).any(axis=0)
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(told["cells"])), "uint8"))
    np.testing.assert_array_equal(bits[: kept.size].reshape(kept.shape), kept)
    fits, honest, belief = read("trends"), read("honest_maps"), read("applicability")
    expected = {
        "reco": read("reco").reco, "reco-spread": read("reco").reco_sd, "honest": read("reco_honest").reco,
        "honest-spread": read("reco_honest").reco_sd, "npp": read("predictors").npp, "gpp": read("predictors").gpp,
        "truth": read("truth").reco, "dissimilarity": belief.di, "reco-trend": fits.reco_slope,
        "npp-trend": fits.npp_slope, "risk": fits.npp_zslope - fits.reco_zslope,
        "reco-trend-honest": honest.reco_slope, "npp-trend-honest": honest.npp_slope,
        "difference": honest.difference_estimate, "difference<": honest.difference_low,
        "difference>": honest.difference_high, "reco-mean": np.nanmean(read("reco").reco.values, axis=0),
        "reco-std": np.nanstd(read("reco").reco.values, axis=0, ddof=1),
        "honest-mean": read("reco_honest").reco.values.mean(axis=0),
        "honest-std": read("reco_honest").reco.values.std(axis=0, ddof=1),
    }  # fmt: skip
    flags = {
        "direction": fits.direction.where(fits.direction > 0), "verdict": honest.verdict.where(honest.verdict > 0),
        "applicability": belief.aoa, "biome": read("static").igbp, "reco-trend?": fits.reco_p >= 0.1,
        "npp-trend?": fits.npp_p >= 0.1, "reco-trend-honest?": honest.reco_significant_as_field == 0,
        "npp-trend-honest?": honest.npp_significant_as_field == 0, "difference?": honest.verdict == 3,
    }  # fmt: skip
    outside = ("honest", "honest-mean", "honest-std", "honest-spread", "dissimilarity")
    flags |= {f"{key}?": belief.aoa == 0 for key in outside}
    assert set(told["arrays"]) == set(expected) | set(flags)
    for name, artefact in expected.items():
        values, half = unpacked(told, name)
        true = np.asarray(artefact, "float64")[..., kept]
        np.testing.assert_allclose(values.squeeze(), true, rtol=0, atol=half * 1.001, err_msg=name)
        assert 2 * half <= np.ptp(true[np.isfinite(true)]) / 2000
    for name, artefact in flags.items():
        np.testing.assert_array_equal(unpacked(told, name)[0], np.asarray(artefact, "float64")[kept], err_msg=name)


def test_the_same_run_gives_the_same_bytes(ws, script, tmp_path):
    explorer.write(ws, LABEL, tmp_path / "again.js")
    assert (tmp_path / "again.js").read_bytes() == script.read_bytes()


def test_what_a_run_did_not_make_is_no_layer(ws, tmp_path):
    part = Workspace("small", tmp_path)
    for name in ("reco", "static", "predictors"):
        part.write(name, ws.read(name))
    keys = [layer.key for layer in explorer.layers(part)]
    assert keys == ["reco", "reco-mean", "reco-std", "reco-spread", "npp", "gpp", "biome"]


def test_only_a_profile_with_maps_has_the_page_among_its_contents():
    def files(stems):
        return [entry["file"] for part in pages.contents(ROOT, stems)["parts"] for entry in part["chapters"]]

    assert "book/explorer" in files({"01_data_preparation", "05_global_mapping"})
    assert "book/explorer" not in files({"02_site_sampling", "12_real_land"})


def of_noise(lat, lon, kept, layers):
    """Yearly layers of nothing but noise, which no packing makes smaller."""
    noise = np.random.default_rng(0).random((19, lat.size, lon.size), "float32")
    noise[:, ~kept] = np.nan
    coords = {"year": np.arange(2000, 2019), "lat": lat, "lon": lon}
    values = xr.DataArray(noise, coords, ("year", "lat", "lon"), attrs={"units": "1"})
    return values, [explorer.Layer(f"layer{k}", "", "", "", values, "one") for k in range(layers)]


def test_cells_too_many_become_means_of_blocks_and_the_script_says_so():
    kept = np.random.default_rng(1).random((LAT.size, LON.size)) < 0.6
    values, shown = of_noise(LAT, LON, kept, 2)
    told = json.loads(explorer._script(shown, LABEL, "x", 63_000)[len("window.EXPLORER = ") : -2])
    assert told["factor"] == 2 and told["lat"] == {"first": 75.0, "step": -30.0, "size": 6}
    found, half = unpacked(told, "layer1")
    blocks = [values.values[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] for i in range(6) for j in range(12)]
    means = [np.nanmean(block.astype("float64"), axis=(1, 2)) for block in blocks if np.isfinite(block).any()]
    np.testing.assert_allclose(found, np.transpose(means), rtol=0, atol=half * 1.001)


def test_no_block_that_is_small_enough_is_an_error_that_names_the_limit():
    _, shown = of_noise(LAT, LON, np.ones((12, 24), bool), 1)
    with pytest.raises(ValueError, match="expected at most 1000 bytes"):
        explorer._script(shown, LABEL, "explorer_data.js", 1000)


@pytest.mark.long
def test_at_half_a_degree_and_nineteen_years_it_stays_below_five_megabytes():
    lat, lon = np.arange(89.75, -90, -0.5), np.arange(-179.75, 180, 0.5)
    _, shown = of_noise(lat, lon, regions.land(lat, lon), 7)
    script = explorer._script(shown, LABEL, "explorer_data.js", explorer.LIMIT)
    others = [*STATIC.glob("explorer.*"), *(STATIC / "libraries").iterdir(), ROOT / "book" / "explorer.md"]
    assert 1_000_000 < len(script) <= 5_000_000 - sum(path.stat().st_size for path in others)


def test_libraries_are_the_ones_that_their_table_names():
    table = (STATIC / "libraries" / "README.txt").read_text(encoding="utf-8")
    named = dict(re.findall(r"^(\S+\.(?:js|css)) .*? ([0-9a-f]{64})$", table, re.MULTILINE))
    files = {path.name: path for path in (STATIC / "libraries").iterdir() if path.suffix in (".js", ".css")}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == named


DRIVER = """
const told = { layers: {}, said: [] };
addEventListener("error", (e) => told.said.push(e.message || "not loaded"), true);
addEventListener("unhandledrejection", (e) => told.said.push(String(e.reason)));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const at = (id) => document.getElementById("explorer-" + id);
const digest = () => at("canvas").toDataURL();
const press = async (key, options = {}) => {
  const about = { key, bubbles: true, cancelable: true, ...options };
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", about));
  await pause(300);
};
addEventListener("load", async () => {
  for (let i = 0; i < 100 && !document.getElementById("explorer").dataset.ready; i++) await pause(100);
  for (const option of at("layer").options) {
    at("layer").value = option.value;
    at("layer").dispatchEvent(new Event("change", { bubbles: true }));
    await pause(200);
    told.layers[option.value] = { picture: digest(), legend: at("legend").innerText, hash: location.hash };
  }
  location.hash = "#layer=reco&year=2002&at=22.5,7.5";
  await pause(500);
  told.there = { said: at("readout").textContent, where: at("where").textContent, hidden: at("cell").hidden };
  at("year").value = 3;
  at("year").dispatchEvent(new Event("input", { bubbles: true }));
  await pause(300);
  told.later = at("readout").textContent;
  told.rows = [...at("values").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  told.series = [...at("series").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const stops = [...document.querySelectorAll("select, input, button, .map")];
  told.focusable = stops.filter((e) => e.tabIndex >= 0).map((e) => e.id);
  at("map").focus();
  const before = digest();
  await press("ArrowRight");
  told.right = { said: at("readout").textContent, live: at("readout").getAttribute("aria-live") };
  Object.assign(told.right, { moved: digest() !== before, where: at("where").textContent });
  await press("ArrowUp", { shiftKey: true });
  told.up = at("readout").textContent;
  await press("Enter");
  told.entered = { where: at("where").textContent, hash: location.hash };
  await press("+");
  told.zoomed = location.hash;
  let kept;
  URL.createObjectURL = (blob) => ((kept = blob), "#");
  location.hash = "#layer=reco&year=2002&at=22.5,7.5&zoom=1";
  await pause(500);
  at("csv").click();
  await pause(200);
  told.csv = await kept.text();
  told.wide = document.documentElement.scrollWidth - innerWidth;
  told.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const shown = document.body.appendChild(document.createElement("script"));
  shown.type = "application/json";
  shown.id = "told";
  shown.textContent = JSON.stringify(told).replaceAll("<", "\\\\u003c");
});
"""


@pytest.fixture(scope="module")
def told(script, tmp_path_factory):
    """What a browser says that opened the page as a file and did what a reader does; a phone's width."""
    if BROWSER is None:
        pytest.skip("looking at the explorer wants Chromium: found none")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(STATIC, folder / "_static")
    shutil.copy(script, folder / "_static")
    block = re.search(
        r"```\{raw\} html\n(.*?)```", (ROOT / "book" / "explorer.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (folder / "book").mkdir()
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Explorer</title>'
    page = f'<!doctype html><html lang="en">{head}<script>{DRIVER}</script><body>{block[1]}</body></html>'
    (folder / "book" / "explorer.html").write_text(page, encoding="utf-8")
    options = [
        "--dump-dom",
        "--virtual-time-budget=60000",
        "--window-size=375,800",
        f"--user-data-dir={folder / 'own'}",
    ]
    address = f"file://{folder}/book/explorer.html"
    done = subprocess.run([BROWSER, *QUIET, *options, address], capture_output=True, text=True, timeout=120)
    found = re.search(r'<script type="application/json" id="told">(.*?)</script>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(found[1])


def test_a_browser_shows_each_layer_from_a_file_with_its_own_picture_legend_and_address(told, script):
    layers = content(script)["layers"]
    assert told["said"] == [] and told["wide"] <= 0
    assert all(name.startswith("file:") or name.startswith("data:") for name in told["loaded"])
    assert list(told["layers"]) == [layer["key"] for layer in layers]
    assert len({seen["picture"] for seen in told["layers"].values()}) == len(layers)
    for layer in layers:
        seen = told["layers"][layer["key"]]
        named = [each["name"] for each in layer["classes"]] if "classes" in layer else [layer["title"], layer["units"]]
        assert all(word in seen["legend"] for word in [*named, layer.get("doubt", "")])
        assert seen["hash"].startswith(f"#layer={layer['key']}&")


def written(script, key, value):
    """A value with as many decimals as its layer has."""
    return f"{float(value):.{content(script)['arrays'][key]['decimals']}f}".replace("-", "−")


def test_the_values_of_a_cell_are_those_of_the_artefacts(told, ws, script):
    place = {"lat": 22.5, "lon": 7.5}
    reco, biome = ws.read("reco").reco.sel(place), regions.IGBP[int(ws.read("static").igbp.sel(place))][1]
    first, last = (f"{written(script, 'reco', reco[k])} kg C m⁻² yr⁻¹" for k in (1, 3))
    there = {"said": f"22.5° N, 7.5° E · 2002 · {first} · {biome}", "where": "Cell 22.5° N, 7.5° E", "hidden": False}
    assert told["there"] == there
    assert told["later"] == f"22.5° N, 7.5° E · 2004 · {last} · {biome}"
    rows, low = dict(told["rows"]), ws.read("honest_maps").difference_low.sel(place)
    assert rows["RECO, 2004"] == last
    assert f"({written(script, 'difference<', low)} to " in rows["NPP's slope less RECO's"]
    head, *lines = told["series"]
    at = head.index("NPP, kg C m⁻² yr⁻¹")
    assert [line[at] for line in lines] == [written(script, "npp", v) for v in ws.read("predictors").npp.sel(place)]


def test_keys_move_the_cursor_choose_and_zoom_and_the_live_text_follows(told):
    assert told["focusable"][:6] == [f"explorer-{name}" for name in ("layer", "year", "doubt", "in", "out", "map")]
    right = told["right"]
    assert right["said"].startswith("22.5° N, 22.5° E · ") and right["live"] == "polite" and right["moved"]
    assert right["where"] == "Cell 22.5° N, 7.5° E", "a move alone chooses nothing"
    assert told["up"].startswith("82.5° N, 22.5° E · "), "ten rows up the map ends"
    assert told["entered"]["where"] == "Cell 82.5° N, 22.5° E"
    assert told["entered"]["hash"].endswith("at=82.5,22.5")
    assert told["zoomed"].endswith("zoom=2")


def test_the_download_holds_the_series_with_units_and_where_it_is_from(told, ws, script):
    head, *rows = csv.reader(io.StringIO(told["csv"]))
    assert [row[0] for row in rows] == [str(year) for year in YEARS]
    found = dict(zip(head, rows[2], strict=True))
    assert (found["planet"], found["profile"], found["commit"]) == (LABEL.world, LABEL.profile, LABEL.commit)
    value = float(ws.read("reco_honest").reco.sel(year=2003, lat=22.5, lon=7.5))
    assert found["Honest RECO (kg C m⁻² yr⁻¹)"] == written(script, "honest", value)
