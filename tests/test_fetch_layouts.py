"""Every public product from a server with the real layout: only the host is another than data/products.yml says."""

import re

import pytest
from fetching import CRU, CRU_NAME, GZIP, HDF4, NETCDF, TIFF, cru, here, one_line

from helpers import fetch, products
from helpers.fetch import ways
from helpers.fetch.ways import Way
from helpers.workspace import ROOT

PAR = "/archive/PAR/MODIS/0.05D/"
FAPAR = "/archive/FAPAR/MODIS/500M/"


@pytest.fixture
def get(patience, tmp_path):
    def run(product, **how):
        return fetch.get(product, tmp_path, progress=False, patience=patience, **how)

    return run


def serve_glass(server, top, year, names, body=HDF4):
    server.index(f"{top}{year}/", names)
    for name in names:
        server.put(f"{top}{year}/{name}", body)


@pytest.mark.parametrize(("product_id", "name"), [("cru_tmp", "tmp"), ("cru_pre", "pre"), ("cru_pet", "pet")])
@pytest.mark.parametrize(
    ("version", "folder", "years"),
    [
        ("4.05", "cru_ts_4.05/cruts.2103051243.v4.05", "1901.2020"),
        ("4.09", "cru_ts_4.09/cruts.2503051245.v4.09", "1901.2024"),
    ],
)
def test_cru(server, get, tmp_path, product_id, name, version, folder, years):
    file = f"cru_ts{version}.{years}.{name}.dat.nc.gz"
    server.put(f"/cru/data/hrg/{folder}/{name}/{file}", GZIP)
    found = get(here(product_id, server, "crudata.uea.ac.uk"), options={"version": version})
    assert found == [tmp_path / product_id / file] == products.find(product_id, tmp_path)


def test_speibase_from_the_page_of_its_version(server, get, tmp_path):
    scales = {f"spei{scale:02}.nc": scale + 2 for scale in (1, 12, 24, 36, 48)}
    rows = "".join(f'<a href="/bitstream/10261/202305/{number}/{name}">{name}</a>' for name, number in scales.items())
    server.put(
        "/handle/10261/202305", f"<html>{rows}<a href='/x/spei12.nc.txt'>x</a></html>".encode(), kind="text/html"
    )
    for name, number in scales.items():
        server.put(f"/bitstream/10261/202305/{number}/{name}", NETCDF)
    found = get(here("spei", server, "digital.csic.es"))
    assert [path.name for path in found] == ["spei12.nc", "spei24.nc", "spei36.nc"]
    assert "/bitstream/10261/202305/3/spei01.nc" not in server.paths()


def test_two_versions_under_one_name_are_not_mixed(server, get):
    for handle in ("202305", "268088"):
        server.put(f"/handle/10261/{handle}", f'<a href="/bitstream/10261/{handle}/14/spei12.nc">12</a>'.encode())
        server.put(f"/bitstream/10261/{handle}/14/spei12.nc", NETCDF)
    product = here("spei", server, "digital.csic.es")
    (path,) = get(product)
    with pytest.raises(fetch.FetchError) as error:
        get(product, options={"version": "2.7"})
    assert one_line(error) == (
        f"{path}: expected version 2.7, found version 2.6 under the same name; choose another folder, or remove it"
    )


def test_glass_names_end_in_a_day_that_only_the_server_knows(server, get, tmp_path):
    names = {year: [f"GLASS04B01.V42.A{year}{day:03}.2020{day + 300}.hdf" for day in (1, 2)] for year in (2001, 2002)}
    for year, files in names.items():
        serve_glass(server, PAR, year, [*files, f"{files[0]}.xml", "GLASS01B01.V50.A2001001.2021110.hdf"])
    found = get(here("glass_par", server, "glass.hku.hk"), years=[2001, 2002])
    assert [path.name for path in found] == names[2001] + names[2002]
    assert found == products.find("glass_par", tmp_path)
    assert not [path for path in server.paths() if path.endswith(".xml") or "GLASS01B01" in path]
    server.asked.clear()
    get(here("glass_par", server, "glass.hku.hk"), years=[2001])
    assert server.paths() == [f"{PAR}2001/"], "only the index is asked for again"


def test_glass_by_days_and_tiles(server, get):
    tiles = ("h18v04", "h17v03", "h08v05")
    days = {day: [f"GLASS09E01.V50.A2001{day}.{tile}.2021110.hdf" for tile in tiles] for day in ("001", "009")}
    server.index(f"{FAPAR}2001/", [f"{day}/" for day in days] + ["readme/"])
    for day, names in days.items():
        server.index(f"{FAPAR}2001/{day}/", names)
        for name in names:
            server.put(f"{FAPAR}2001/{day}/{name}", HDF4)
    found = get(here("glass_fapar", server, "glass.hku.hk"), years=[2001], tiles=["h18v04", "h17v03"])
    assert [path.name for path in found] == [
        f"GLASS09E01.V50.A2001{day}.{tile}.2021110.hdf" for day in ("001", "009") for tile in ("h17v03", "h18v04")
    ]


def test_of_a_date_that_was_produced_twice_the_later_is_taken(server, get):
    names = ["GLASS04B01.V42.A2001001.2019100.hdf", "GLASS04B01.V42.A2001001.2020313.hdf"]
    serve_glass(server, PAR, 2001, names)
    with pytest.warns(UserWarning, match=r"glass_par: .* the latest is taken \(1 left out\)"):
        found = get(here("glass_par", server, "glass.hku.hk"), years=[2001])
    assert [path.name for path in found] == names[1:]


def test_another_version_than_was_asked_for_is_named(server, get):
    top = "/archive/LAI/MODIS/0.05D/"
    serve_glass(server, top, 2020, ["GLASS01B01.V60.A2020249.2022138.hdf"])
    product = here("glass_lai", server, "glass.hku.hk")
    with pytest.raises(fetch.FetchError) as error:
        get(product, years=[2020])
    assert one_line(error) == (
        f"glass_lai: {server.url}{top}2020/: expected links to files named like GLASS01B01.V50.A2001001.2021110.hdf, "
        "found none (but version V60: choose it as the option version); look where "
        "https://glass.hku.hk/download.html has them, and correct 'fetch' of glass_lai in data/products.yml"
    )
    assert len(get(product, years=[2020], options={"version": "V60"})) == 1


def test_a_year_that_the_server_does_not_have(server, get):
    with pytest.raises(fetch.FetchError, match=r"0.05D/1990/: expected it to be there, found nothing \(404\)"):
        get(here("glass_par", server, "glass.hku.hk"), years=[1990])


def test_links_that_lead_out_of_the_server_or_the_folder_are_not_followed(server, get, tmp_path):
    good, evil = "GLASS04B01.V42.A2001001.2020313.hdf", "GLASS04B01.V42.A2001002.2020313.hdf"
    links = [good, f"https://elsewhere.example/{evil}", "%2e%2e%2fGLASS04B01.V42.A2001003.2020313.hdf", "http://[x"]
    serve_glass(server, PAR, 2001, links)
    found = get(here("glass_par", server, "glass.hku.hk"), years=[2001])
    assert [path.name for path in found] == [good]
    assert [path for path in tmp_path.rglob("*.hdf")] == found


@pytest.mark.parametrize(("size", "place"), [("250m", "data"), ("10km", "aggregated/10km")])
def test_soilgrids_of_2017(server, get, tmp_path, size, place):
    names = [f"ORCDRC_M_sl{layer}_{size}_ll.tif" for layer in (1, 2, 3, 4)]
    for name in names:
        server.put(f"/soilgrids/former/2017-03-10/{place}/{name}", TIFF)
    found = get(here("soilgrids2017", server, "files.isric.org"), options={"resolution": size})
    assert [path.name for path in found] == names
    assert found == products.find("soilgrids2017", tmp_path)


def test_soilgrids_2_lands_apart_from_that_of_2017(server, get, tmp_path):
    for layer in ("0-5", "5-15", "15-30", "30-60"):
        server.put(f"/soilgrids/latest/data_aggregated/5000m/soc/soc_{layer}cm_mean_5000.tif", TIFF)
    assert get(here("soilgrids2", server, "files.isric.org")) == products.find("soilgrids2", tmp_path)


def test_a_publishers_file_of_checksums_is_used(server, get):
    import hashlib

    server.put("/sums.txt", f"{hashlib.md5(GZIP).hexdigest()} *{CRU_NAME}\n".encode(), kind="text/plain")
    server.put(CRU, GZIP)
    product = cru(server, sums_url=f"{server.url}/sums.txt")
    assert fetch.plan(product).wanted[0].checksum == f"md5:{hashlib.md5(GZIP).hexdigest()}"
    get(product)
    server.put("/sums.txt", b"nothing of the kind")
    with pytest.raises(fetch.FetchError, match=f"expected checksums of {CRU_NAME} and others, found none"):
        fetch.plan(product)


def test_several_come_at_one_time(server, get):
    names = [f"GLASS04B01.V42.A2001{day:03}.2020313.hdf" for day in range(1, 13)]
    serve_glass(server, PAR, 2001, names)
    assert len(get(here("glass_par", server, "glass.hku.hk"), years=[2001], connections=4)) == 12


def test_one_failure_ends_the_rest_and_what_came_stays(server, get, tmp_path):
    names = [f"GLASS04B01.V42.A2001{day:03}.2020313.hdf" for day in range(1, 7)]
    serve_glass(server, PAR, 2001, names)
    del server.pages[f"{PAR}2001/{names[3]}"]
    product = here("glass_par", server, "glass.hku.hk")
    with pytest.raises(fetch.FetchError, match=f"{names[3]}: expected it to be there, found nothing"):
        get(product, years=[2001], connections=1)
    came = {path.name for path in tmp_path.rglob("*.hdf")}
    assert came == set(names[:3])
    server.put(f"{PAR}2001/{names[3]}", HDF4)
    server.asked.clear()
    get(product, years=[2001])
    assert not [path for path in server.paths() if path.rsplit("/", 1)[-1] in came]


def test_every_product_says_how_it_is_had():
    for key, product in products.products().items():
        way = ways.of(product)
        assert isinstance(way, Way), key
        if way.how in ("http", "earthdata"):
            assert way.size, key
        for template in (way.url, way.listing, way.page):
            assert not template or template.startswith("https://"), key
        for value in (chosen for values in way.options.values() for chosen in values):
            assert isinstance(value, str), f"{key}: {value!r} needs quotes"
        _, words = way.choose(key, {})
        for name in way.files:
            assert product.file.fullmatch(ways.fill(name, words)), f"{key}: its own pattern must match {name}"
        unfilled = re.findall(r"\{\w+\}", ways.fill(f"{way.url} {way.listing} {way.select}", words))
        assert set(unfilled) <= {"{file}", "{year}"}, key
        if "version" in words and way.how == "http":
            assert words["version"] == product.version, f"{key}: the default is what the paper used"


def test_the_page_tells_the_same_of_each_product_as_the_registry():
    page = (ROOT / "book" / "getting_data.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    told = {key: (takes, disk) for keys, takes, disk in rows if len(keys) for key in re.findall(r"`(\w+)`", keys)}
    for key in products.products():
        way = fetch.way(key)
        if way.how == "local":
            assert key not in told
        else:
            takes, disk = told[key]
            assert (takes, disk.removesuffix(" (each)")) == (ways.HOWS[way.how], way.size), key


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "expected how to be http, earthdata, form, local, found None"),
        ({"how": "ftp"}, "found 'ftp'"),
        ({"how": "http", "page": "https://a.org"}, "it lacks what a product fetched by http needs"),
        ({"how": "local", "steps": ["x"], "urls": "x"}, "'urls' is unknown; known are how, page"),
    ],
)
def test_a_slip_in_the_registry_is_named(told, said):
    import dataclasses

    product = dataclasses.replace(products.product("cru_tmp"), fetch=told)
    with pytest.raises(fetch.FetchError) as error:
        fetch.way(product)
    assert said in one_line(error)
    assert one_line(error).startswith("data/products.yml: fetch of cru_tmp: ")
